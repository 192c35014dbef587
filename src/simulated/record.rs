//! What the simulated cloud keeps, and the lines of its log.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::observed::Status;
use crate::model::value::Map;

/// An object as the cloud keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Kind.
    pub kind: String,
    /// Region; for a kind of the whole account, the one that it was made from.
    pub region: String,
    /// Id.
    pub id: String,
    /// Physical name.
    pub name: String,
    /// Idempotency token of the creating call.
    pub token: String,
    /// Spec, references as `{"id": …}`.
    pub spec: Value,
    /// All tags.
    pub tags: BTreeMap<String, String>,
    /// Attributes.
    pub attributes: Map<String, Value>,
    /// Other texts that identify it.
    pub identifiers: Vec<String>,
    /// Whether it is usable.
    pub status: Status,
    /// How often it was changed, from 1.
    pub version: u64,
    /// Virtual time at which it was made, in seconds.
    pub created_at: u64,
    /// Virtual time at which it is gone, in seconds, once its deletion was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gone_at: Option<u64>,
    /// Reads that do not see it yet.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub unseen: u32,
    /// Fingerprint of its content, for kinds that hold data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// A copy of an object's data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecoveryPoint {
    /// Its id.
    #[serde(default)]
    pub id: String,
    /// Kind of the object.
    pub kind: String,
    /// Id of the object.
    pub object: String,
    /// Its address, if it is owned.
    pub address: Option<String>,
    /// Region that the copy lies in.
    pub region: String,
    /// Virtual time, in seconds.
    pub taken_at: u64,
    /// Fingerprint of the content.
    pub fingerprint: String,
}

/// All that is neither object nor copy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Conditions {
    /// Number of ids given so far.
    pub counter: u64,
    /// Virtual time, in seconds.
    pub clock: u64,
    /// Lost zones.
    pub lost_zones: BTreeSet<String>,
    /// Lost regions.
    pub lost_regions: BTreeSet<String>,
}

/// What one change did: the unit of the log.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Record<'a> {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub put: Vec<Cow<'a, Stored>>,
    /// Keys of objects that are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remove: Vec<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditions: Option<Cow<'a, Conditions>>,
    /// Further recovery points.
    #[serde(default, skip_serializing_if = "<[RecoveryPoint]>::is_empty")]
    pub points: Cow<'a, [RecoveryPoint]>,
}

impl Record<'_> {
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty() && self.conditions.is_none() && self.points.is_empty()
    }
}
