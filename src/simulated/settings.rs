//! Settings of the simulated cloud: the `simulated:` part of an environment.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Error;
use super::faults::Fault;
use crate::diagnostic::suggestion;
use crate::model::environment::Environment;
use crate::model::kind::Kinds;

/// Settings of the simulated cloud.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Name of the cloud and of its file: environments with the same one share a cloud, as they share an account.
    pub cloud: String,
    /// Source of everything random.
    pub seed: u64,
    /// Account id.
    pub account: String,
    /// Zones by region; regions that an environment uses and that are not named here have the zones a, b and c.
    pub regions: BTreeMap<String, Vec<String>>,
    /// Most objects of a kind in one region, in place of the kinds' own quotas.
    pub quotas: BTreeMap<String, u32>,
    /// Number of reads that do not see a new object yet.
    pub lag_reads: u32,
    /// Calls that fail on purpose; the first rule that strikes counts.
    pub faults: Vec<Fault>,
    /// Virtual seconds that pass in one real second; 0 lets no real time pass.
    pub speed: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cloud: "cloud".to_owned(),
            seed: 1,
            account: "000000000000".to_owned(),
            regions: BTreeMap::new(),
            quotas: BTreeMap::new(),
            lag_reads: 0,
            faults: Vec::new(),
            speed: 0,
        }
    }
}

impl Settings {
    /// Reads the `simulated:` part of an environment, fills in what follows from the environment, and checks it.
    ///
    /// # Errors
    /// What is wrong with it, the first thing only.
    pub(super) fn read(settings: &Value, environment: &Environment, kinds: &Kinds) -> Result<Self, Error> {
        let mut settings: Self = match settings {
            Value::Null => Self::default(),
            value => serde_json::from_value(value.clone()).map_err(|e| Error::Settings(e.to_string()))?,
        };
        settings.check(kinds).map_err(Error::Settings)?;
        settings.complete(environment);
        Ok(settings)
    }

    fn check(&self, kinds: &Kinds) -> Result<(), String> {
        let plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
        if self.cloud.is_empty() || !self.cloud.chars().all(plain) {
            return Err(format!("`cloud: {}` must be letters, digits, `-` and `_`: it names a file", self.cloud));
        }
        let named = self.quotas.keys().chain(self.faults.iter().filter_map(|f| f.kind.as_ref()));
        if let Some(unknown) = named.into_iter().find(|k| kinds.get(k).is_none()) {
            let help = suggestion(unknown, kinds.names()).unwrap_or_default();
            return Err(format!("there is no kind `{unknown}`; {help}"));
        }
        self.faults.iter().find_map(Fault::problem).map_or(Ok(()), Err)
    }

    /// Gives every region in use its zones.
    fn complete(&mut self, environment: &Environment) {
        for region in environment.all_regions() {
            let zones = self.regions.entry(region.to_owned()).or_insert_with(|| {
                let letters = if region == "ap-northeast-1" { ["a", "c", "d"] } else { ["a", "b", "c"] };
                letters.iter().map(|l| format!("{region}{l}")).collect()
            });
            if region == environment.region {
                for zone in &environment.zones {
                    if zone.starts_with(region) && !zones.contains(zone) {
                        zones.push(zone.clone());
                    }
                }
            }
        }
    }
}
