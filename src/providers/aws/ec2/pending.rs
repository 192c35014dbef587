//! Stand-ins for kinds that are merged from other branches: only their names matter to a [`Ref`](crate::model::types::Ref).
//! Replace each by a `pub use` of the real kind, then delete this file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::kind::{Attribute, Facts, Kind, Permissions, Replacement, Scope};

/// Nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Nothing {}

macro_rules! stand_in {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        pub struct $name;

        impl Kind for $name {
            const NAME: &'static str = $kind;
            type Spec = Nothing;

            fn facts() -> Facts {
                Facts {
                    title: $kind,
                    service: "ec2",
                    reference: "",
                    scope: Scope::Regional,
                    data_bearing: false,
                    replacement: Replacement::CreateFirst,
                    serves: false,
                    attributes: const { &[Attribute::stable("id", "Id")] },
                    permissions: Permissions { read: &[], create: &[], update: &[], delete: &[] },
                    name_limit: 0,
                    creation_seconds: 1,
                    deletion_seconds: 1,
                    quota: 1,
                    zone_field: None,
                    loose_refs: &[],
                }
            }
        }
    };
}

stand_in!(
    /// The kind `role`.
    Role,
    "role"
);
stand_in!(
    /// The kind `security_group`.
    SecurityGroup,
    "security_group"
);
stand_in!(
    /// The kind `key`.
    Key,
    "key"
);
