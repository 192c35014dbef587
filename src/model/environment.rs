//! The settings of an environment, with overlays already applied.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// Amazon Web Services.
    Aws,
    /// The built-in model of a cloud.
    Simulated,
}

/// An environment: where and how big.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Name: that of the file.
    pub name: String,
    /// Project: the first part of the ownership tags.
    pub project: String,
    /// Which cloud.
    pub provider: Provider,
    /// Account id that the credentials must belong to, checked before anything is written.
    pub account: Option<String>,
    /// ARN of a role to assume.
    pub role: Option<String>,
    /// Main region.
    pub region: String,
    /// Zones of the main region that the stacks use.
    pub zones: Vec<String>,
    /// Further regions by the name that stacks use for them, such as `copies: ap-northeast-3`.
    pub regions: BTreeMap<String, String>,
    /// Tags put on every object besides the ownership tags.
    pub tags: BTreeMap<String, String>,
    /// Objects that are protected from deletion unless they say otherwise.
    pub protect: bool,
    /// Directory of the journal and the last-applied record, relative to the project; `.saiken` by default.
    pub state: String,
}

impl Environment {
    /// All regions in use, the main one first.
    pub fn all_regions(&self) -> Vec<&str> {
        let mut all = vec![self.region.as_str()];
        for region in self.regions.values() {
            if !all.contains(&region.as_str()) {
                all.push(region);
            }
        }
        all
    }
}
