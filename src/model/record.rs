//! The last-applied record: what each apply wrote, for telling the user's changes from drift. An aid, never the state.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Address;
use super::desired::Lifecycle;

/// What was last applied to one address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Applied {
    /// Kind.
    pub kind: String,
    /// Id of the object.
    pub id: String,
    /// The spec as read back right after, references as addresses, sensitive fields left out.
    pub spec: Value,
    /// What the files asked for, from which a failed apply can be taken back; none in a record of an older saiken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<Declared>,
}

/// What the files asked for at one address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// Its region.
    pub region: String,
    /// The spec in canonical form: references as addresses, strings may hold tokens; without the fields of `hidden`.
    pub spec: Value,
    /// What had to be there first.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub references: BTreeSet<Address>,
    /// How the engine treated it.
    #[serde(default)]
    pub lifecycle: Lifecycle,
    /// Fields that are not kept, since they are sensitive or held a secret.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub hidden: BTreeSet<String>,
}

/// What was last applied, by address.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Entries.
    pub applied: BTreeMap<Address, Applied>,
}
