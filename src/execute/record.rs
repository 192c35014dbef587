//! The last-applied record on disk: `record.json` in the folder of the environment. An aid: losing it costs only the
//! difference between the user's changes and drift.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::spec::{Secrets, drop_sensitive};
use super::world::current_of;
use crate::model::Address;
use crate::model::desired::Desired;
use crate::model::kind::KindDef;
use crate::model::observed::{Object, Observed, Status};
use crate::model::plan::Plan;
use crate::model::record::{Applied, Record};

/// Name of the file.
pub const FILE: &str = "record.json";

/// Version of the file; another one is not read.
pub const VERSION: u32 = 1;

/// So many changes are written at once, but not more often than [`PAUSE`].
const BATCH: usize = 25;
const PAUSE: Duration = Duration::from_secs(1);
/// No change waits longer than this for the next one.
const LONGEST: Duration = Duration::from_secs(5);

#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    #[serde(flatten)]
    record: Record,
}

#[derive(Debug)]
struct Inner {
    record: Record,
    changes: usize,
    saved: Instant,
}

/// The record, in memory and on disk.
#[derive(Debug)]
pub struct RecordStore {
    path: PathBuf,
    inner: Mutex<Inner>,
}

impl RecordStore {
    /// Reads the record of an environment, by its folder. A damaged one counts as missing, with a warning for the user.
    pub fn open(folder: &Path) -> (Self, Option<String>) {
        let path = folder.join(FILE);
        let (record, warning) = match load(&path) {
            Ok(record) => (record, None),
            Err(why) => {
                let text = format!(
                    "{} can't be read ({why}); until the next apply, your changes can't be told from changes made outside",
                    path.display()
                );
                (None, Some(text))
            }
        };
        let inner = Inner { record: record.unwrap_or_default(), changes: 0, saved: Instant::now() };
        (Self { path, inner: Mutex::new(inner) }, warning)
    }

    /// A copy of the record, for the planner; none if nothing is recorded.
    pub fn record(&self) -> Option<Record> {
        let record = self.lock().record.clone();
        (!record.applied.is_empty()).then_some(record)
    }

    /// Notes what was applied. References of the object must be addresses already.
    pub(super) fn put(&self, address: &Address, kind: &KindDef, object: &Object, secrets: &Secrets) {
        let mut spec = object.spec.clone();
        drop_sensitive(&kind.schema, &mut spec);
        secrets.hide_in(&mut spec);
        let applied = Applied { kind: object.kind.clone(), id: object.id.clone(), spec };
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

    /// Whether enough has changed, or long enough ago, to write it to disk.
    pub(super) fn is_due(&self) -> bool {
        let inner = self.lock();
        let pause = inner.saved.elapsed();
        (inner.changes >= BATCH && pause >= PAUSE) || (inner.changes > 0 && pause >= LONGEST)
    }

    /// Writes the record to disk, if it has changed: the file is the old or the new one, never a part.
    ///
    /// # Errors
    /// If the file can't be written.
    pub fn save(&self) -> std::io::Result<()> {
        let mut inner = self.lock();
        if inner.changes == 0 {
            return Ok(());
        }
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        let document = Document { version: VERSION, record: std::mem::take(&mut inner.record) };
        let bytes = serde_json::to_vec(&document);
        inner.record = document.record;
        file.write_all(&bytes?)?;
        file.as_file().sync_all()?;
        file.persist(&self.path).map_err(|e| e.error)?;
        super::journal::sync_folder(&self.path);
        inner.changes = 0;
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
            let object = there.get(address).and_then(|objects| current_of(objects));
            if let Some(object) = object.filter(|o| o.status == Status::Ready && o.kind == resource.kind.name) {
                self.put(address, &resource.kind, object, &secrets);
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

fn load(path: &Path) -> Result<Option<Record>, String> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e.to_string()),
    };
    let document: Document = serde_json::from_slice(&bytes).map_err(|e| e.to_string())?;
    if document.version != VERSION {
        return Err(format!("it is of version {}, this saiken reads {VERSION}", document.version));
    }
    Ok(Some(document.record))
}
