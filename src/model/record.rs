//! The last-applied record: what each apply wrote, for telling the user's changes from drift. An aid, never the state.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Address;

/// What was last applied to one address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// Kind.
    pub kind: String,
    /// Id of the object.
    pub id: String,
    /// The spec as read back right after, references as addresses, sensitive fields left out.
    pub spec: Value,
}

/// What was last applied, by address.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Entries.
    pub applied: BTreeMap<Address, Applied>,
}
