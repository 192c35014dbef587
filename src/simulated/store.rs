//! The objects of the simulated cloud, on disk: one file, replaced atomically, under a lock.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Error;
use crate::model::observed::Status;
use crate::model::value::Map;

/// An object as the cloud keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Kind.
    pub kind: String,
    /// Region.
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
    /// Reads that do not see it yet.
    #[serde(default)]
    pub unseen: u32,
    /// Fingerprint of its content, for kinds that hold data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

/// A copy of an object's data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecoveryPoint {
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

/// Everything in the cloud.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// Objects by id; ids are unique over kinds but for names, so the key is `kind region id`.
    pub objects: BTreeMap<String, Stored>,
    /// Number of ids given so far.
    pub counter: u64,
    /// Virtual time, in seconds.
    pub clock: u64,
    /// Lost zones.
    pub lost_zones: BTreeSet<String>,
    /// Lost regions.
    pub lost_regions: BTreeSet<String>,
    /// Copies of data.
    #[serde(default)]
    pub recovery_points: Vec<RecoveryPoint>,
}

impl World {
    /// The key of an object.
    pub fn key(kind: &str, region: &str, id: &str) -> String {
        format!("{kind} {region} {id}")
    }
}

/// The file.
pub(super) struct Store {
    path: PathBuf,
}

impl Store {
    pub fn open(path: &Path) -> Result<Self, Error> {
        let store = Self { path: path.to_owned() };
        store.read()?;
        Ok(store)
    }

    fn io(&self) -> impl Fn(std::io::Error) -> Error + '_ {
        |source| Error::Io { path: self.path.display().to_string(), source }
    }

    fn load(&self) -> Result<World, Error> {
        match fs::read(&self.path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map_err(|source| Error::Damaged { path: self.path.display().to_string(), source }),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(World::default()),
            Err(e) => Err(self.io()(e)),
        }
    }

    /// Holds the lock file, so that two processes do not write over each other.
    fn lock(&self) -> Result<File, Error> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(self.io())?;
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.path.with_extension("lock"))
            .map_err(self.io())?;
        lock.lock().map_err(self.io())?;
        Ok(lock)
    }

    /// The world as it is.
    pub fn read(&self) -> Result<World, Error> {
        // Without a file there is nothing to lock, and a look must not make one.
        if !self.path.exists() {
            return Ok(World::default());
        }
        let _lock = self.lock()?;
        self.load()
    }

    /// Changes the world; what `change` refuses is not written.
    pub fn change<T, E>(&self, change: impl FnOnce(&mut World) -> Result<T, E>) -> Result<Result<T, E>, Error> {
        let _lock = self.lock()?;
        let mut world = self.load()?;
        let before = world.clone();
        let outcome = change(&mut world);
        if world != before {
            self.save(&world)?;
        }
        Ok(outcome)
    }

    fn save(&self, world: &World) -> Result<(), Error> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(self.io())?;
        let bytes = serde_json::to_vec(world)
            .map_err(|source| Error::Damaged { path: self.path.display().to_string(), source })?;
        file.write_all(&bytes).map_err(self.io())?;
        file.persist(&self.path).map_err(|e| self.io()(e.error))?;
        Ok(())
    }

    /// Begins anew.
    pub fn reset(&self) -> Result<(), Error> {
        match fs::remove_file(&self.path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(self.io()(e)),
            _ => Ok(()),
        }
    }
}
