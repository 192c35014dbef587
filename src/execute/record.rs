//! The last-applied record: `record.json` in the folder of the environment, or beside its lock in shared storage. An aid:
//! losing it costs only the difference between the user's changes and drift.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::place::Shared;
use super::spec::{Secrets, drop_sensitive};
use crate::model::Address;
use crate::model::desired::{Desired, Resource};
use crate::model::kind::KindDef;
use crate::model::observed::{self, Object, Observed, Status};
use crate::model::plan::Plan;
use crate::model::record::{Applied, Declared, Record};
use crate::model::storage::{Condition, Storage, StorageError, Stored, Version};

/// Name of the file.
pub const FILE: &str = "record.json";

/// Version of the file; another one is not read.
pub const VERSION: u32 = 1;

/// So many changes are written at once, but not more often than [`PAUSE`].
const BATCH: usize = 25;
const PAUSE: Duration = Duration::from_secs(1);
/// No change waits longer than this for the next one.
const LONGEST: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Document {
    version: u32,
    #[serde(flatten)]
    record: Record,
}

/// Why the record could not be written. Plans work without it.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system refused.
    #[error("the last-applied record {path} can't be written: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Shared storage refused, or did not answer.
    #[error("the last-applied record {place} can't be written: {source}")]
    Storage {
        /// The object.
        place: String,
        /// Why.
        source: StorageError,
    },
    /// Somebody else has written it: theirs stays.
    #[error("the last-applied record {place} was written by somebody else in the meantime, and is left as it is")]
    Conflict {
        /// The object.
        place: String,
    },
    /// It could not be read, so that nobody knows what would be overwritten.
    #[error("the last-applied record {place} could not be read, and is left as it is")]
    Unread {
        /// The object.
        place: String,
    },
}

/// Where it is kept.
#[derive(Debug)]
enum Home {
    File(PathBuf),
    Object { storage: Arc<dyn Storage>, key: String, place: String },
}

/// What is known of the object.
#[derive(Debug, Clone)]
enum Seen {
    Absent,
    Is(Version),
    /// Another's: never to be overwritten.
    Foreign,
    /// It could not be read.
    Unread,
}

#[derive(Debug)]
struct Inner {
    record: Record,
    changes: usize,
    saved: Instant,
    saving: bool,
    seen: Seen,
    /// What was sent without an answer: if it is what is there, it is ours.
    unsure: Option<Vec<u8>>,
}

/// The record, in memory and where it is kept.
#[derive(Debug)]
pub struct RecordStore {
    home: Home,
    inner: Mutex<Inner>,
    /// Whose turn it is to write.
    turn: tokio::sync::Mutex<()>,
}

impl RecordStore {
    /// Reads the record of an environment, by its folder. A damaged one counts as missing, with a warning for the user.
    pub fn open(folder: &Path) -> (Self, Option<String>) {
        let path = folder.join(FILE);
        let (record, warning) = match load(&path) {
            Ok(record) => (record, None),
            Err(why) => (None, Some(unread(&path.display().to_string(), &why))),
        };
        (Self::new(Home::File(path), record, Seen::Absent), warning)
    }

    /// The same from shared storage.
    pub(super) async fn open_shared(shared: &Shared, name: &str) -> (Self, Option<String>) {
        let (storage, key, place) = (Arc::clone(&shared.storage), shared.key(name), shared.name(name));
        let (record, seen, trouble) = match storage.get(&key).await {
            Ok(None) => (None, Seen::Absent, None),
            Ok(Some(Stored { bytes, version })) => match parse(&bytes) {
                Ok(record) => (Some(record), Seen::Is(version), None),
                Err(why) => (None, Seen::Is(version), Some(why)),
            },
            Err(error) => (None, Seen::Unread, Some(error.to_string())),
        };
        let warning = trouble.map(|why| unread(&place, &why));
        (Self::new(Home::Object { storage, key, place }, record, seen), warning)
    }

    fn new(home: Home, record: Option<Record>, seen: Seen) -> Self {
        let inner = Inner {
            record: record.unwrap_or_default(),
            changes: 0,
            saved: Instant::now(),
            saving: false,
            seen,
            unsure: None,
        };
        Self { home, inner: Mutex::new(inner), turn: tokio::sync::Mutex::default() }
    }

    /// A copy of the record, for the planner; none if nothing is recorded.
    pub fn record(&self) -> Option<Record> {
        let record = self.lock().record.clone();
        (!record.applied.is_empty()).then_some(record)
    }

    /// Notes what was applied. References of the object must be addresses already.
    pub(super) fn put(
        &self,
        address: &Address,
        kind: &KindDef,
        object: &Object,
        resource: Option<&Resource>,
        secrets: &Secrets,
    ) {
        let mut spec = object.spec.clone();
        drop_sensitive(&kind.schema, &mut spec);
        secrets.hide_in(&mut spec);
        let declared = resource.map(|resource| declared(resource, secrets));
        let applied = Applied { kind: object.kind.clone(), id: object.id.clone(), spec, declared };
        let mut inner = self.lock();
        if inner.record.applied.get(address) != Some(&applied) {
            inner.record.applied.insert(address.clone(), applied);
            inner.changes += 1;
        }
    }

    /// Notes that an object is gone; a newer object at the address stays noted.
    pub(super) fn remove(&self, address: &Address, id: &str) {
        let mut inner = self.lock();
        if inner.record.applied.get(address).is_some_and(|a| a.id == id) {
            inner.record.applied.remove(address);
            inner.changes += 1;
        }
    }

    /// Writes the record, if enough has changed, or long enough ago; what fails is tried again at the end. A file is written
    /// at once; storage may take its time, and is written beside the run.
    pub(super) async fn save_if_due(self: &Arc<Self>) {
        {
            let mut inner = self.lock();
            let pause = inner.saved.elapsed();
            let due = (inner.changes >= BATCH && pause >= PAUSE) || (inner.changes > 0 && pause >= LONGEST);
            if !due || inner.saving {
                return;
            }
            inner.saving = true;
        }
        match &self.home {
            Home::File(_) => self.save_now().await,
            Home::Object { .. } => {
                let store = Arc::clone(self);
                tokio::spawn(async move { store.save_now().await });
            }
        }
    }

    async fn save_now(&self) {
        if let Err(error) = self.save().await {
            tracing::info!(%error, "the record is written later");
        }
        let mut inner = self.lock();
        inner.saving = false;
        inner.saved = Instant::now();
    }

    /// Writes the record, if it has changed: what is kept is the old or the new one, never a part, and never in place of
    /// what somebody else has written since it was read.
    ///
    /// # Errors
    /// If it can't be written, or is not to be.
    pub async fn save(&self) -> Result<(), RecordError> {
        let _turn = self.turn.lock().await;
        let (bytes, changes, seen, unsure) = {
            let inner = self.lock();
            if inner.changes == 0 {
                return Ok(());
            }
            (encode(&inner.record), inner.changes, inner.seen.clone(), inner.unsure.clone())
        };
        match &self.home {
            Home::File(path) => {
                let (io, target) = (|source| RecordError::Io { path: path.clone(), source }, path.clone());
                let written = tokio::task::spawn_blocking(move || replace(&target, &bytes)).await;
                written.map_err(std::io::Error::other).and_then(|r| r).map_err(io)?;
            }
            Home::Object { storage, key, place } => {
                let object = Remote { storage: &**storage, key, place };
                let written = object.put(&bytes, seen, unsure.as_deref()).await;
                let mut inner = self.lock();
                match written {
                    Ok(version) => (inner.seen, inner.unsure) = (Seen::Is(version), None),
                    Err(error) => {
                        match &error {
                            RecordError::Conflict { .. } => inner.seen = Seen::Foreign,
                            RecordError::Storage { source: StorageError::Unanswered(_), .. } => {
                                inner.unsure = Some(bytes);
                            }
                            RecordError::Storage { .. } | RecordError::Unread { .. } | RecordError::Io { .. } => {}
                        }
                        return Err(error);
                    }
                }
            }
        }
        let mut inner = self.lock();
        inner.changes -= changes;
        inner.saved = Instant::now();
        Ok(())
    }

    /// Takes over what is as declared: resources that the plan looked at and left alone. So a deleted record fills up
    /// again, and a change outside that the files have followed counts as applied. Entries of addresses that are neither
    /// declared nor there go.
    pub fn refresh(&self, plan: &Plan, desired: &Desired, observed: &Observed) {
        let secrets = Secrets::of(desired);
        let planned = |address: &Address| plan.stacks.is_empty() || plan.stacks.iter().any(|s| s == address.stack());
        let busy: BTreeSet<&Address> =
            plan.actions.iter().map(|a| &a.address).chain(plan.held.iter().map(|h| &h.address)).collect();
        let there = observed.by_address();
        let quiet = |a: &Address| planned(a) && !busy.contains(a) && !plan.destroy;
        for (address, resource) in desired.resources.iter().filter(|(a, _)| quiet(a)) {
            let object = there.get(address).and_then(|list| Some(list[observed::current(list)?]));
            if let Some(object) = object.filter(|o| o.status == Status::Ready && o.kind == resource.kind.name) {
                self.put(address, &resource.kind, object, Some(resource), &secrets);
            }
        }
        let unread: BTreeSet<&str> = observed.unobserved.keys().map(|(kind, _)| kind.as_str()).collect();
        let mut inner = self.lock();
        let before = inner.record.applied.len();
        inner.record.applied.retain(|address, applied| {
            let known =
                desired.resources.contains_key(address) || there.contains_key(address) || busy.contains(address);
            known || !planned(address) || unread.contains(applied.kind.as_str())
        });
        inner.changes += before - inner.record.applied.len();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the files ask for, without secrets.
fn declared(resource: &Resource, secrets: &Secrets) -> Declared {
    let mut spec = resource.spec.clone();
    drop_sensitive(&resource.kind.schema, &mut spec);
    secrets.hide_in(&mut spec);
    let whole = |name: &String| spec.get(name) == resource.spec.get(name);
    let names = resource.spec.as_object().into_iter().flat_map(|map| map.keys());
    let hidden: BTreeSet<String> = names.filter(|name| !whole(name)).cloned().collect();
    if let Some(map) = spec.as_object_mut() {
        map.retain(|name, _| !hidden.contains(name));
    }
    Declared {
        region: resource.region.clone(),
        spec,
        references: resource.references.clone(),
        lifecycle: resource.lifecycle.clone(),
        hidden,
    }
}

/// The record in shared storage.
struct Remote<'a> {
    storage: &'a dyn Storage,
    key: &'a str,
    place: &'a str,
}

impl Remote<'_> {
    /// Writes it if it is still as it was seen. What is there after a conflict may be our own, whose answer was lost:
    /// `bytes`, or `unsure` of an earlier call.
    async fn put(&self, bytes: &[u8], seen: Seen, unsure: Option<&[u8]>) -> Result<Version, RecordError> {
        let place = || self.place.to_owned();
        let mut condition = match seen {
            Seen::Absent => Condition::Absent,
            Seen::Is(version) => Condition::Is(version),
            Seen::Foreign => return Err(RecordError::Conflict { place: place() }),
            Seen::Unread => return Err(RecordError::Unread { place: place() }),
        };
        let mut unsure = unsure;
        loop {
            let error = match self.storage.put(self.key, bytes.to_vec(), &condition).await {
                Ok(version) => return Ok(version),
                Err(error) => error,
            };
            match (self.storage.get(self.key).await, error) {
                (Ok(Some(there)), _) if there.bytes == bytes => return Ok(there.version),
                (Ok(Some(there)), StorageError::Conflict(_)) if unsure == Some(&there.bytes) => {
                    (condition, unsure) = (Condition::Is(there.version), None);
                }
                (_, StorageError::Conflict(_)) => return Err(RecordError::Conflict { place: place() }),
                (_, source @ (StorageError::Unanswered(_) | StorageError::Refused(_))) => {
                    return Err(RecordError::Storage { place: place(), source });
                }
            }
        }
    }
}

fn unread(place: &str, why: &str) -> String {
    format!("{place} can't be read ({why}); until the next apply, your changes can't be told from changes made outside")
}

fn encode(record: &Record) -> Vec<u8> {
    #[derive(Serialize)]
    struct Borrowed<'r> {
        version: u32,
        #[serde(flatten)]
        record: &'r Record,
    }
    // Addresses, texts and JSON values always have a JSON form.
    serde_json::to_vec(&Borrowed { version: VERSION, record }).unwrap_or_default()
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    super::journal::sync_folder(path);
    Ok(())
}

fn load(path: &Path) -> Result<Option<Record>, String> {
    match fs::read(path) {
        Ok(bytes) => parse(&bytes).map(Some),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e.to_string()),
    }
}

fn parse(bytes: &[u8]) -> Result<Record, String> {
    let document: Document = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    if document.version != VERSION {
        return Err(format!("it is of version {}, this saiken reads {VERSION}", document.version));
    }
    Ok(document.record)
}
