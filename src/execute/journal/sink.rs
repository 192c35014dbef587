//! Where a journal's lines go: a file, or objects in shared storage.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex};

use futures::StreamExt as _;

use super::{Written, locked, reading, sync_folder};
use crate::execute::place::Shared;
use crate::model::storage::{Condition, Storage, StorageError};

/// How often a write is tried again that gave no answer.
const ATTEMPTS: u32 = 3;
/// How many parts are deleted at a time once they are joined.
const DELETIONS: usize = 16;

#[derive(Debug)]
pub(super) enum Sink {
    File(Arc<FileSink>),
    Storage(Arc<Parts>),
}

/// A file, only ever appended to.
#[derive(Debug)]
pub(super) struct FileSink {
    file: File,
    /// Lines that are on disk.
    synced: Mutex<u64>,
}

/// Objects, since storage can't append: each flush is a new one, and at the end one takes their place.
#[derive(Debug)]
pub(super) struct Parts {
    place: Shared,
    apply: String,
    /// Lines that wait for the next flush.
    waiting: Mutex<Vec<u8>>,
    flushed: tokio::sync::Mutex<Flushed>,
}

#[derive(Debug)]
struct Flushed {
    lines: u64,
    parts: u32,
    /// All that is in the parts.
    bytes: Vec<u8>,
    /// A part that could not be written. It may still be, later: so nothing comes after it.
    failed: Option<StorageError>,
}

impl Sink {
    pub(super) fn file(path: &Path, first: &[u8]) -> std::io::Result<Self> {
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        let mut file = OpenOptions::new().append(true).create_new(true).open(path)?;
        file.write_all(first).and_then(|()| file.sync_all())?;
        sync_folder(path);
        Ok(Self::File(Arc::new(FileSink { file, synced: Mutex::new(1) })))
    }

    pub(super) async fn storage(place: &Shared, apply: &str, first: Vec<u8>) -> Result<Self, StorageError> {
        write_once(&*place.storage, &reading::part(place, apply, 0), &first).await?;
        Ok(Self::Storage(Arc::new(Parts {
            place: place.clone(),
            apply: apply.to_owned(),
            waiting: Mutex::default(),
            flushed: tokio::sync::Mutex::new(Flushed { lines: 1, parts: 1, bytes: first, failed: None }),
        })))
    }

    /// Takes lines, in the order of the calls.
    pub(super) fn take(&self, bytes: Vec<u8>) -> std::io::Result<()> {
        match self {
            Self::File(sink) => (&sink.file).write_all(&bytes),
            Self::Storage(parts) => {
                locked(&parts.waiting).extend(bytes);
                Ok(())
            }
        }
    }
}

impl FileSink {
    /// Returns when line `mine` is on disk. One fsync takes along whatever others have written by then.
    pub(super) fn sync(&self, written: &Mutex<Written>, mine: u64) -> std::io::Result<()> {
        let mut synced = locked(&self.synced);
        if *synced < mine {
            let upto = locked(written).lines;
            self.file.sync_data()?;
            *synced = upto;
        }
        Ok(())
    }
}

impl Parts {
    /// Returns when line `mine` is in storage. One object takes along whatever others have written by then.
    pub(super) async fn flush(&self, written: &Mutex<Written>, mine: u64) -> Result<(), StorageError> {
        let mut flushed = self.flushed.lock().await;
        if flushed.lines >= mine {
            return Ok(());
        }
        if let Some(error) = &flushed.failed {
            return Err(error.clone());
        }
        let (bytes, upto) = {
            let written = locked(written);
            (std::mem::take(&mut *locked(&self.waiting)), written.lines)
        };
        let key = reading::part(&self.place, &self.apply, flushed.parts);
        if let Err(error) = write_once(&*self.place.storage, &key, &bytes).await {
            locked(written).broken = true;
            flushed.failed = Some(error.clone());
            return Err(error);
        }
        flushed.parts += 1;
        flushed.lines = upto;
        flushed.bytes.extend(bytes);
        Ok(())
    }

    /// Puts one object in the place of all parts. What fails here costs only order: readers join parts themselves.
    pub(super) async fn join(&self) {
        let flushed = self.flushed.lock().await;
        let storage = &*self.place.storage;
        let whole = self.place.key(&reading::whole_name(&self.apply));
        if let Err(error) = write_once(storage, &whole, &flushed.bytes).await {
            tracing::info!(%error, "the parts of the journal stay as they are");
            return;
        }
        let keys = (0..flushed.parts).map(|number| reading::part(&self.place, &self.apply, number));
        let deleted = futures::stream::iter(keys).map(|key| async move { storage.delete(&key).await });
        let failed = deleted.buffer_unordered(DELETIONS).filter(|r| std::future::ready(r.is_err())).count().await;
        if failed > 0 {
            tracing::info!(failed, "parts of the journal are left over");
        }
    }
}

/// Writes a new object. One that is there with the same content is our own, whose answer was lost.
async fn write_once(storage: &dyn Storage, key: &str, bytes: &[u8]) -> Result<(), StorageError> {
    let mut attempt = 1;
    loop {
        let error = match storage.put(key, bytes.to_vec(), &Condition::Absent).await {
            Ok(_) => return Ok(()),
            Err(error @ StorageError::Refused(_)) => return Err(error),
            Err(error @ (StorageError::Conflict(_) | StorageError::Unanswered(_))) => error,
        };
        match storage.get(key).await {
            Ok(Some(there)) if there.bytes == bytes => return Ok(()),
            Ok(Some(_)) => return Err(error),
            Ok(None) | Err(_) if attempt >= ATTEMPTS => return Err(error),
            Ok(None) | Err(_) => attempt += 1,
        }
    }
}
