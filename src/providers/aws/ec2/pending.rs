//! Stand-in for the kind `security_group`, which is made on another branch: only its name matters to a
//! [`Ref`](crate::model::types::Ref). When that is merged, point the two imports at it and delete this file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::kind::{Attribute, Facts, Kind, Permissions, Replacement, Scope};

/// The kind `security_group`.
pub struct SecurityGroup;

/// Nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Nothing {}

impl Kind for SecurityGroup {
    const NAME: &'static str = "security_group";
    type Spec = Nothing;

    fn facts() -> Facts {
        Facts {
            title: "security group",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html",
            scope: Scope::Regional,
            data_bearing: false,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const { &[Attribute::stable("id", "Id, sg-…")] },
            permissions: Permissions { read: &[], create: &[], update: &[], delete: &[] },
            name_limit: 0,
            creation_seconds: 1,
            deletion_seconds: 1,
            quota: 2500,
            zone_field: None,
            loose_refs: &[],
        }
    }
}
