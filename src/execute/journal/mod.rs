//! The journal of an apply: append-only JSON lines, durable before each call that they announce.
//!
//! Holds addresses, operations, ids, times and masked errors, never specs. The rules are in [`state`], where it is written in
//! `sink`, how it is read in `reading`.

mod reading;
pub mod resume;
mod sink;
pub mod state;

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use super::place::Shared;
use crate::model::storage::StorageError;

pub use self::reading::{Journals, list, read};
use self::sink::Sink;
pub use self::state::{Asked, Event, Header, History, Illegal, Outcome, StepRecord, StepState, VERSION};

/// Folder of the journals, in that of the environment.
pub const FOLDER: &str = "journal";

/// Why a journal could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file system refused.
    #[error("the journal {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Shared storage refused, or did not answer.
    #[error("the journal {path}: {source}", path = path.display())]
    Storage {
        /// The object.
        path: PathBuf,
        /// Why.
        source: StorageError,
    },
    /// An event that may not follow the events before it.
    #[error("the journal {path}: {source}", path = path.display())]
    Illegal {
        /// The file.
        path: PathBuf,
        /// Which.
        source: Illegal,
    },
    /// A line, not the last one, that is no event.
    #[error("the journal {path} is damaged in line {line}: {source}; it is only an aid: delete it", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
}

/// One line: an event, and when it was written.
#[derive(Serialize, Deserialize)]
struct Line {
    #[serde(flatten)]
    event: Event,
    /// RFC 3339 in UTC; the header has a time of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<String>,
}

/// What has been given to the sink.
#[derive(Debug)]
struct Written {
    history: History,
    lines: u64,
    /// Nothing may follow: the last line may be half written, or may be written later.
    broken: bool,
}

/// The journal of one apply, open for appending.
///
/// Guarantees: when [`Journal::append`] returns, the event is durable. Events that several tasks append at the same time
/// share one write to the disk, or one object.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    written: Arc<Mutex<Written>>,
    sink: Sink,
}

impl Journal {
    /// Starts the journal of an apply in `<environment folder>/journal/<apply>.jsonl`, with its header on disk.
    ///
    /// # Errors
    /// If the file is there already or can't be written.
    pub fn create(folder: &Path, header: Header) -> Result<Self, JournalError> {
        let path = folder.join(FOLDER).join(format!("{}.jsonl", header.apply));
        let first = line(Event::Header(header.clone()), None);
        let sink = Sink::file(&path, &first).map_err(|source| JournalError::Io { path: path.clone(), source })?;
        Ok(Self { path, written: begun(header), sink })
    }

    /// Starts the journal of an apply in shared storage, with its header there.
    ///
    /// # Errors
    /// If there is one already, or storage refuses or does not answer.
    pub async fn create_shared(place: &Shared, header: Header) -> Result<Self, JournalError> {
        let path = reading::whole(place, &header.apply);
        let first = line(Event::Header(header.clone()), None);
        let sink = Sink::storage(place, &header.apply, first).await;
        let sink = sink.map_err(|source| JournalError::Storage { path: path.clone(), source })?;
        Ok(Self { path, written: begun(header), sink })
    }

    /// The file, or the name of the object.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends events, and returns when they are durable.
    ///
    /// # Errors
    /// If one may not follow those before it (then none is written), or it can't be written.
    pub async fn append(&self, events: &[Event]) -> Result<(), JournalError> {
        let (mine, ended) = self.write(events)?;
        // The wait for another's turn is not in this task: a future that holds its turn and is not polled would keep all
        // others waiting.
        match &self.sink {
            Sink::File(file) => {
                let (file, written) = (Arc::clone(file), Arc::clone(&self.written));
                let outcome = tokio::task::spawn_blocking(move || file.sync(&written, mine)).await;
                outcome.map_err(std::io::Error::other).and_then(|r| r).map_err(|source| self.io(source))
            }
            Sink::Storage(parts) => {
                let (parts, written) = (Arc::clone(parts), Arc::clone(&self.written));
                let flushed = tokio::spawn(async move {
                    parts.flush(&written, mine).await?;
                    if ended {
                        parts.join().await;
                    }
                    Ok(())
                });
                let outcome = flushed.await.map_err(|e| self.io(std::io::Error::other(e)))?;
                outcome.map_err(|source| JournalError::Storage { path: self.path.clone(), source })
            }
        }
    }

    /// Gives events to the sink: the number of lines so far, and whether the journal has ended.
    fn write(&self, events: &[Event]) -> Result<(u64, bool), JournalError> {
        let mut written = locked(&self.written);
        if written.broken {
            return Err(self.io(std::io::Error::other("an earlier line could not be written")));
        }
        let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let illegal = |source| JournalError::Illegal { path: self.path.clone(), source };
        match events {
            [one] => written.history.apply_at(one, Some(&now)).map_err(illegal)?,
            many => {
                let mut after = written.history.clone();
                many.iter().try_for_each(|event| after.apply_at(event, Some(&now))).map_err(illegal)?;
                written.history = after;
            }
        }
        let bytes: Vec<u8> = events.iter().flat_map(|event| line(event.clone(), Some(now.clone()))).collect();
        if let Err(source) = self.sink.take(bytes) {
            written.broken = true;
            return Err(self.io(source));
        }
        written.lines += events.len() as u64;
        Ok((written.lines, written.history.outcome.is_some()))
    }

    fn io(&self, source: std::io::Error) -> JournalError {
        JournalError::Io { path: self.path.clone(), source }
    }
}

fn begun(header: Header) -> Arc<Mutex<Written>> {
    Arc::new(Mutex::new(Written { history: History::new(header), lines: 1, broken: false }))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn line(event: Event, at: Option<String>) -> Vec<u8> {
    // Events hold only texts and numbers, which always have a JSON form.
    let mut bytes = serde_json::to_vec(&Line { event, at }).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Makes a new name durable. Not every file system can: then the name is durable a little later.
pub(super) fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent().and_then(|p| File::open(p).ok()) {
        let _ = folder.sync_all();
    }
}
