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
    /// What is asked for before data goes or service is interrupted.
    pub guards: Guards,
    /// Time zone in which people write and read times (IANA name); UTC by default.
    pub time_zone: String,
    /// Where lock, journal and last-applied record are kept; the folder `.saiken` by default.
    pub state: State,
}

/// Time zone of an environment that names none.
pub const TIME_ZONE: &str = "UTC";

/// What is asked for before an action that people would regret or notice.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guards {
    /// Before data goes.
    pub data: DataGuard,
    /// Before service is interrupted or data goes; none asks for nothing.
    pub interruptions: Option<InterruptionGuard>,
}

impl Guards {
    /// Guards that ask for nothing.
    pub fn none() -> Self {
        Self { data: DataGuard { loss: DataLoss::Allowed, ..DataGuard::default() }, interruptions: None }
    }
}

/// What is asked for before data goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataGuard {
    /// Whether each object that loses data must be named on the command line.
    pub loss: DataLoss,
    /// Oldest that the recovery point of an object that goes may be, in seconds; a new one is made otherwise.
    pub recovery_point: u64,
    /// Kinds whose data may go although nothing could bring it back.
    pub without: Vec<String>,
}

impl Default for DataGuard {
    fn default() -> Self {
        Self { loss: DataLoss::Named, recovery_point: 24 * 60 * 60, without: Vec::new() }
    }
}

/// Whether data may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataLoss {
    /// Only of objects that the command line names, and with a recovery point where one can be made.
    Named,
    /// Without being asked for: for environments to try things out.
    Allowed,
}

/// What is asked for before service is interrupted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterruptionGuard {
    /// Least time between the announcement of a window and its start, in seconds.
    pub notice: u64,
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
