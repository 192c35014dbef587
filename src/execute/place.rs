//! Where an environment keeps its lock, its journals and its last-applied record: a folder of this machine, or shared
//! storage. The one module that knows the names there.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::journal::Journals;
use super::lease::Lease;
use super::lock::{FILE, LocalLock, Lock};
use super::machine::System;
use super::record::{self, RecordStore};
use crate::model::storage::Storage;

/// The state of one environment.
#[derive(Debug, Clone)]
pub enum Place {
    /// A folder of this machine.
    Folder(PathBuf),
    /// Shared storage.
    Shared(Shared),
}

/// The state of one environment in shared storage.
#[derive(Debug, Clone)]
pub struct Shared {
    /// The storage.
    pub storage: Arc<dyn Storage>,
    /// Before every key, without `/` at its end: `<prefix>/<environment>`.
    pub prefix: String,
    /// How long the lock stays with a holder who gives no sign of life; whole seconds.
    pub lease: Duration,
}

impl Place {
    /// The lock.
    pub fn lock(&self) -> Box<dyn Lock> {
        match self {
            Self::Folder(folder) => Box::new(LocalLock::new(folder)),
            Self::Shared(shared) => Box::new(shared.lease()),
        }
    }

    /// The journals.
    pub fn journals(&self) -> Journals {
        Journals::of(self)
    }

    /// Reads the last-applied record. One that can't be read counts as missing, with a warning for the user.
    pub async fn record(&self) -> (RecordStore, Option<String>) {
        match self {
            Self::Folder(folder) => RecordStore::open(folder),
            Self::Shared(shared) => RecordStore::open_shared(shared, record::FILE).await,
        }
    }
}

impl Shared {
    /// The lock.
    pub fn lease(&self) -> Lease {
        Lease::new(Arc::clone(&self.storage), Arc::new(System::new()), self.key(FILE), self.lease)
    }

    /// An object of this environment, for messages.
    pub(super) fn name(&self, name: &str) -> String {
        format!("{}/{}", self.storage.place(), self.key(name))
    }

    /// The key of an object of this environment.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }
}
