//! Faults on purpose: which calls fail, and how. The same seed gives the same faults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::ownership::hash;

/// A rule for calls that fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Which calls.
    pub operation: FaultCall,
    /// Only of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// How likely, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// The call with this number, from 1, among those of one run that match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// What happens.
    pub what: FaultWhat,
}

/// Calls that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultCall {
    /// Creating an object.
    Create,
    /// Changing it.
    Update,
    /// Deleting it.
    Delete,
    /// Reading all objects of a kind.
    Read,
    /// Making a recovery point.
    Save,
    /// Writing or removing the owner's tags.
    Own,
}

/// What a fault does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FaultWhat {
    /// Too many requests; nothing happened.
    Throttle,
    /// The service failed; nothing happened.
    Error,
    /// The call had its effect, and its answer was lost.
    LostAnswer,
    /// The call had its effect, and the object does not become usable in time.
    Timeout,
}

impl Fault {
    /// Whether the call with this number (from 1, among those that match) fails.
    pub(super) fn strikes(&self, seed: u64, number: u64) -> bool {
        if self.nth == Some(number) {
            return true;
        }
        let Some(chance) = self.chance else { return false };
        // A hash of seed and number is as good as a generator, and needs no state.
        let text = hash(&format!("{seed} {:?} {:?} {number}", self.operation, self.kind), 8);
        let drawn = u32::from_str_radix(&text, 16).unwrap_or(u32::MAX);
        f64::from(drawn) / f64::from(u32::MAX) < chance
    }

    /// What is wrong with the rule itself.
    pub(super) fn problem(&self) -> Option<String> {
        match (self.chance, self.nth) {
            (None, None) => Some("a fault needs a `chance` or an `nth`".to_owned()),
            (_, Some(0)) => Some("`nth` of a fault counts from 1".to_owned()),
            (Some(chance), _) if !(0.0..=1.0).contains(&chance) => {
                Some(format!("the `chance` of a fault is between 0 and 1, not {chance}"))
            }
            _ => None,
        }
    }

    pub(super) fn matches(&self, call: FaultCall, kind: &str) -> bool {
        self.operation == call && self.kind.as_deref().is_none_or(|k| k == kind)
    }
}
