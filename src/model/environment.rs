//! The settings of an environment, with overlays already applied.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::types::Duration;

/// Folder of local state, relative to the project, unless the environment names another.
pub const FOLDER: &str = ".saiken";

/// Where an environment keeps its lock, its journal and its last-applied record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A folder on this machine, relative to the project.
    Folder(String),
    /// A bucket that several machines share.
    Bucket(Bucket),
}

/// A place in an S3 bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Name of the bucket.
    pub bucket: String,
    /// Before every key, without `/` at its ends; the environment's name follows it.
    pub prefix: String,
    /// Region of the bucket.
    pub region: String,
    /// How long the lock stays with a holder who gives no sign of life.
    pub lease: Duration,
}

impl From<&str> for State {
    fn from(folder: &str) -> Self {
        Self::Folder(folder.to_owned())
    }
}

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
    /// Where lock, journal and last-applied record are kept; the folder `.saiken` by default.
    pub state: State,
}

impl Environment {
    /// Folder of what always stays on this machine (the simulated cloud's objects), relative to the project.
    pub fn local_folder(&self) -> &str {
        match &self.state {
            State::Folder(folder) => folder,
            State::Bucket(_) => FOLDER,
        }
    }

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
