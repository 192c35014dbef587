//! A model of a cloud at the level of kinds, kept on disk between commands.
//!
//! Generic over the kinds: their schemas and facts say all that it must know, so a new kind is simulated without code
//! here. It knows what a cloud does to you: ids that appear after creation, zones and regions that can be lost, references
//! that forbid a deletion, names that are taken, quotas, read-after-write lag, throttling, lost answers, and time, on a
//! virtual clock. Everything random comes from a seed. It proves the engine; it proves nothing about AWS.

mod attributes;
mod changes;
mod cloud;
pub mod commands;
mod faults;
mod field;
mod preflight;
mod record;
mod settings;
mod store;
mod world;

use std::path::Path;
use std::sync::Mutex;

use serde_json::Value;

use crate::model::environment::Environment;
use crate::model::kind::Kinds;

pub use faults::{Fault, FaultCall, FaultWhat};
pub use record::{RecoveryPoint, Stored};
pub use settings::Settings;

/// Why the simulated cloud can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The `simulated:` part of the environment is wrong.
    #[error("the environment's `simulated` settings: {0}")]
    Settings(String),
    /// Its file can't be read or written.
    #[error("{path}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Its file is damaged.
    #[error("{path} is damaged in line {line}; `saiken simulate reset` begins anew")]
    Damaged {
        /// The file.
        path: String,
        /// Its line, from 1.
        line: u64,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Its file was written by another saiken.
    #[error("{path} is of version {version}, which this saiken does not read; `saiken simulate reset` begins anew")]
    Version {
        /// The file.
        path: String,
        /// The version it says.
        version: u32,
    },
    /// There is no such object, zone, region or field, or it can't have this value.
    #[error("{what}")]
    Wrong {
        /// What is wrong.
        what: String,
        /// What to do.
        help: Option<String>,
    },
}

impl Error {
    fn wrong(what: impl Into<String>, help: Option<String>) -> Self {
        Self::Wrong { what: what.into(), help }
    }
}

/// The simulated cloud.
pub struct Simulated {
    store: store::Store,
    settings: Settings,
    kinds: Kinds,
    counters: Mutex<cloud::Counters>,
}

impl Simulated {
    /// Opens the cloud whose file lies under `dir`; a cloud that is not there yet is empty.
    ///
    /// # Errors
    /// If the settings are wrong, or the file is damaged or can't be read.
    pub fn open(dir: &Path, environment: &Environment, settings: &Value, kinds: Kinds) -> Result<Self, Error> {
        let cloud = Self::unread(dir, environment, settings, kinds)?;
        cloud.store.read(|_| ())?;
        Ok(cloud)
    }

    /// Removes everything from the cloud whose file lies under `dir`, even if the file is damaged.
    ///
    /// # Errors
    /// If the settings are wrong, or the file can't be removed.
    pub fn clear(dir: &Path, environment: &Environment, settings: &Value, kinds: Kinds) -> Result<(), Error> {
        Self::unread(dir, environment, settings, kinds)?.reset()
    }

    fn unread(dir: &Path, environment: &Environment, settings: &Value, kinds: Kinds) -> Result<Self, Error> {
        let settings = Settings::read(settings, environment, &kinds)?;
        let path = dir.join("simulated").join(format!("{}.jsonl", settings.cloud));
        Ok(Self { store: store::Store::new(path, kinds.clone()), settings, kinds, counters: Mutex::default() })
    }

    /// Its settings, defaults filled in.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}

#[cfg(test)]
mod tests;
