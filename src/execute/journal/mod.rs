//! The journal of an apply: append-only JSON lines, durable before each call that they announce.
//!
//! Holds addresses, operations, ids, times and masked errors, never specs. The file edge is here, the rules in [`state`].

pub mod resume;
pub mod state;

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use state::{Asked, Event, Header, History, Illegal, Outcome, StepRecord, StepState, VERSION};

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

#[derive(Debug)]
struct Written {
    history: History,
    lines: u64,
    broken: bool,
}

/// The journal of one apply, open for appending.
///
/// Guarantees: when [`Journal::append`] returns, the event is on disk. Events that several tasks append at the same time
/// share one fsync.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Arc<File>,
    written: Arc<Mutex<Written>>,
    /// Lines that are on disk.
    synced: Arc<Mutex<u64>>,
}

impl Journal {
    /// Starts the journal of an apply in `<environment folder>/journal/<apply>.jsonl`, with its header on disk.
    ///
    /// # Errors
    /// If the file is there already or can't be written.
    pub fn create(folder: &Path, header: Header) -> Result<Self, JournalError> {
        let path = folder.join(FOLDER).join(format!("{}.jsonl", header.apply));
        let io = |source| JournalError::Io { path: path.clone(), source };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(io)?;
        }
        let mut file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(io)?;
        let history = History::new(header.clone());
        file.write_all(&line(&Event::Header(header))).and_then(|()| file.sync_all()).map_err(io)?;
        sync_folder(&path);
        let written = Arc::new(Mutex::new(Written { history, lines: 1, broken: false }));
        Ok(Self { path, file: Arc::new(file), written, synced: Arc::new(Mutex::new(1)) })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends events, and returns when they are on disk.
    ///
    /// # Errors
    /// If one may not follow those before it (then none is written), or the file can't be written.
    pub async fn append(&self, events: &[Event]) -> Result<(), JournalError> {
        let mine = self.write(events)?;
        let (file, written) = (Arc::clone(&self.file), Arc::clone(&self.written));
        let synced = Arc::clone(&self.synced);
        // The wait for another's fsync is on a thread, not in this task: a future that holds its turn and is not polled
        // would keep all others waiting.
        let outcome = tokio::task::spawn_blocking(move || sync(&file, &written, &synced, mine)).await;
        outcome.map_err(std::io::Error::other).and_then(|r| r).map_err(|source| self.io(source))
    }

    fn write(&self, events: &[Event]) -> Result<u64, JournalError> {
        let mut written = self.lock();
        if written.broken {
            return Err(self.io(std::io::Error::other("an earlier line could not be written")));
        }
        let illegal = |source| JournalError::Illegal { path: self.path.clone(), source };
        match events {
            [one] => written.history.apply(one).map_err(illegal)?,
            many => {
                let mut after = written.history.clone();
                many.iter().try_for_each(|event| after.apply(event)).map_err(illegal)?;
                written.history = after;
            }
        }
        let bytes: Vec<u8> = events.iter().flat_map(line).collect();
        if let Err(source) = (&*self.file).write_all(&bytes) {
            // The last line may be half written: nothing may follow it.
            written.broken = true;
            return Err(self.io(source));
        }
        written.lines += events.len() as u64;
        Ok(written.lines)
    }

    fn io(&self, source: std::io::Error) -> JournalError {
        JournalError::Io { path: self.path.clone(), source }
    }

    fn lock(&self) -> MutexGuard<'_, Written> {
        locked(&self.written)
    }
}

/// Returns when line `mine` is on disk. One fsync takes along whatever others have written by then.
fn sync(file: &File, written: &Mutex<Written>, synced: &Mutex<u64>, mine: u64) -> std::io::Result<()> {
    let mut synced = locked(synced);
    if *synced < mine {
        let upto = locked(written).lines;
        file.sync_data()?;
        *synced = upto;
    }
    Ok(())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn line(event: &Event) -> Vec<u8> {
    // Events hold only texts and numbers, which always have a JSON form.
    let mut bytes = serde_json::to_vec(event).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Makes a new name durable. Not every file system can: then the name is durable a little later.
pub(super) fn sync_folder(path: &Path) {
    if let Some(folder) = path.parent().and_then(|p| File::open(p).ok()) {
        let _ = folder.sync_all();
    }
}

/// Reads a journal. A last line that was cut off is left out and noted in [`History::torn`].
///
/// # Errors
/// If the file can't be read, another line is damaged, or an event may not follow those before it.
pub fn read(path: &Path) -> Result<History, JournalError> {
    let bytes = fs::read(path).map_err(|source| JournalError::Io { path: path.to_owned(), source })?;
    let (whole, tail) = match bytes.iter().rposition(|b| *b == b'\n') {
        Some(at) => bytes.split_at(at + 1),
        None => bytes.split_at(0),
    };
    let mut history: Option<History> = None;
    for (i, text) in whole.split(|b| *b == b'\n').enumerate().filter(|(_, text)| !text.is_empty()) {
        let damaged = |source| JournalError::Damaged { path: path.to_owned(), line: i + 1, source };
        let illegal = |source| JournalError::Illegal { path: path.to_owned(), source };
        let event: Event = serde_json::from_slice(text).map_err(damaged)?;
        match (&mut history, event) {
            (None, Event::Header(header)) => history = Some(History::read(header).map_err(illegal)?),
            (None, _) => return Err(illegal(Illegal::NoHeader)),
            (Some(history), event) => history.apply(&event).map_err(illegal)?,
        }
    }
    let mut history =
        history.ok_or_else(|| JournalError::Illegal { path: path.to_owned(), source: Illegal::NoHeader })?;
    history.torn = !tail.is_empty();
    Ok(history)
}

/// The journals of an environment, oldest first (apply ids are ordered by time).
///
/// # Errors
/// If the folder is there and can't be read.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, JournalError> {
    let folder = folder.join(FOLDER);
    let entries = match fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(JournalError::Io { path: folder, source }),
    };
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|e| e.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    paths.sort();
    Ok(paths)
}

/// The last applies of an environment, the newest first, at most so many. Journals that can't be read are left out: they are
/// only an aid.
///
/// # Errors
/// If the folder is there and can't be read.
pub fn recent(folder: &Path, most: usize) -> Result<Vec<History>, JournalError> {
    let paths = list(folder)?;
    Ok(paths.iter().rev().take(most).filter_map(|path| read(path).ok()).collect())
}
