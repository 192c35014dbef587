//! A model of a cloud at the level of kinds, kept on disk between commands.
//!
//! Generic over the kinds: their schemas and facts say all that it must know, so a new kind is simulated without code
//! here. It knows what a cloud does to you: ids that appear after creation, zones and regions that can be lost, references
//! that forbid a deletion, names that are taken, quotas, read-after-write lag, throttling, lost answers, and time, on a
//! virtual clock. Everything random comes from a seed. It proves the engine; it proves nothing about AWS.

mod attributes;
mod cloud;
pub mod commands;
mod faults;
mod settings;
mod store;

use std::path::Path;
use std::sync::Mutex;

use serde_json::Value;

use crate::model::environment::Environment;
use crate::model::kind::Kinds;

pub use faults::{Fault, FaultWhat};
pub use settings::Settings;
pub use store::{Stored, World};

/// Why the simulated cloud can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The `simulated:` part of the environment is wrong.
    #[error("the environment's `simulated` settings: {0}")]
    Settings(#[source] serde_json::Error),
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
    #[error("{path} is damaged; `saiken simulate reset` begins anew")]
    Damaged {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// There is no such object, zone, region or field.
    #[error("{0}")]
    Unknown(String),
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
        let mut settings: Settings = match settings {
            Value::Null => Settings::default(),
            value => serde_json::from_value(value.clone()).map_err(Error::Settings)?,
        };
        settings.complete(environment);
        let store = store::Store::open(&dir.join("simulated").join(format!("{}.json", settings.cloud)))?;
        Ok(Self { store, settings, kinds, counters: Mutex::default() })
    }

    /// Its settings, defaults filled in.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
