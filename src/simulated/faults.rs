//! Faults on purpose: which calls fail, and how. The same seed gives the same faults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::ownership::hash;

/// A rule for calls that fail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Calls: `create`, `update`, `delete` or `read`.
    pub operation: String,
    /// Only of this kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// How likely, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chance: Option<f64>,
    /// The call with this number, from 1, among those that match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// What happens.
    pub what: FaultWhat,
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
        let text = hash(&format!("{seed} {} {:?} {number}", self.operation, self.kind), 8);
        let drawn = u32::from_str_radix(&text, 16).unwrap_or(u32::MAX);
        f64::from(drawn) / f64::from(u32::MAX) < chance
    }

    pub(super) fn matches(&self, operation: &str, kind: &str) -> bool {
        self.operation == operation && self.kind.as_deref().is_none_or(|k| k == kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_faults() {
        let fault =
            Fault { operation: "create".into(), kind: None, chance: Some(0.3), nth: None, what: FaultWhat::Error };
        let drawn = |seed| (1..200).map(|n| fault.strikes(seed, n)).collect::<Vec<_>>();
        assert_eq!(drawn(7), drawn(7));
        assert_ne!(drawn(7), drawn(8));
        let share = drawn(7).iter().filter(|s| **s).count();
        assert!((30..90).contains(&share), "{share} of 199");
    }
}
