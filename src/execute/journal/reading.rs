//! Reading journals: one, all of an environment, from a folder or from shared storage.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use futures::stream::{self, StreamExt as _};

use super::{Event, FOLDER, Header, History, Illegal, Journal, JournalError, Line};
use crate::execute::place::{Place, Shared};

/// Journals read at the same time.
const READS: usize = 8;

/// Reads a journal. A last line that was cut off is left out and noted in [`History::torn`].
///
/// # Errors
/// If the file can't be read, another line is damaged, or an event may not follow those before it.
pub fn read(path: &Path) -> Result<History, JournalError> {
    let bytes = fs::read(path).map_err(|source| JournalError::Io { path: path.to_owned(), source })?;
    parse(&bytes, path)
}

fn parse(bytes: &[u8], path: &Path) -> Result<History, JournalError> {
    let (whole, tail) = match bytes.iter().rposition(|b| *b == b'\n') {
        Some(at) => bytes.split_at(at + 1),
        None => bytes.split_at(0),
    };
    let mut history: Option<History> = None;
    for (i, text) in whole.split(|b| *b == b'\n').enumerate().filter(|(_, text)| !text.is_empty()) {
        let damaged = |source| JournalError::Damaged { path: path.to_owned(), line: i + 1, source };
        let illegal = |source| JournalError::Illegal { path: path.to_owned(), source };
        let Line { event, at } = serde_json::from_slice(text).map_err(damaged)?;
        match (&mut history, event) {
            (None, Event::Header(header)) => history = Some(History::read(header).map_err(illegal)?),
            (None, _) => return Err(illegal(Illegal::NoHeader)),
            (Some(history), event) => history.apply_at(&event, at.as_deref()).map_err(illegal)?,
        }
    }
    let mut history =
        history.ok_or_else(|| JournalError::Illegal { path: path.to_owned(), source: Illegal::NoHeader })?;
    history.torn = !tail.is_empty();
    Ok(history)
}

/// The journals in an environment's folder, oldest first (apply ids are ordered by time).
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

/// Name of the object of a journal that has ended.
pub(super) fn whole_name(apply: &str) -> String {
    format!("{FOLDER}/{apply}.jsonl")
}

/// The same with its storage, for messages.
pub(super) fn whole(place: &Shared, apply: &str) -> PathBuf {
    place.name(&whole_name(apply)).into()
}

/// Key of a part of a journal.
pub(super) fn part(place: &Shared, apply: &str, number: u32) -> String {
    place.key(&format!("{FOLDER}/{apply}/{number:08}.jsonl"))
}

/// The journals of an environment.
#[derive(Debug, Clone)]
pub struct Journals(Place);

impl Journals {
    /// Those kept there.
    pub(in crate::execute) fn of(place: &Place) -> Self {
        Self(place.clone())
    }

    /// Starts the journal of an apply, with its header there.
    ///
    /// # Errors
    /// If there is one already, or it can't be written.
    pub async fn create(&self, header: Header) -> Result<Journal, JournalError> {
        match &self.0 {
            Place::Folder(folder) => Journal::create(folder, header),
            Place::Shared(shared) => Journal::create_shared(shared, header).await,
        }
    }

    /// Ids of all applies, oldest first.
    ///
    /// # Errors
    /// If the place is there and can't be read.
    pub async fn ids(&self) -> Result<Vec<String>, JournalError> {
        match &self.0 {
            Place::Folder(folder) => {
                let stem = |path: &PathBuf| path.file_stem().and_then(|s| s.to_str()).map(str::to_owned);
                Ok(list(folder)?.iter().filter_map(stem).collect())
            }
            Place::Shared(shared) => {
                let prefix = shared.key(&format!("{FOLDER}/"));
                let keys = shared.storage.list(&prefix).await.map_err(|source| failed(shared, FOLDER, source))?;
                let id = |key: &String| {
                    let rest = key.strip_prefix(&prefix)?;
                    rest.split_once('/').map(|(id, _)| id).or_else(|| rest.strip_suffix(".jsonl")).map(str::to_owned)
                };
                Ok(keys.iter().filter_map(id).collect::<BTreeSet<_>>().into_iter().collect())
            }
        }
    }

    /// Reads the journal of an apply.
    ///
    /// # Errors
    /// As [`read`].
    pub async fn read(&self, apply: &str) -> Result<History, JournalError> {
        match &self.0 {
            Place::Folder(folder) => read(&folder.join(whole_name(apply))),
            Place::Shared(shared) => {
                let path = whole(shared, apply);
                if let Some(bytes) = object(shared, &whole_name(apply)).await? {
                    return parse(&bytes, &path);
                }
                let (bytes, gap) = joined(shared, apply).await?;
                let mut history = parse(&bytes, &path)?;
                history.torn |= gap;
                Ok(history)
            }
        }
    }

    /// The last applies, the newest first, at most so many. Journals that can't be read are left out: they are only an aid.
    ///
    /// # Errors
    /// As [`Journals::ids`].
    pub async fn recent(&self, most: usize) -> Result<Vec<History>, JournalError> {
        let ids = self.ids().await?;
        let reads = ids.iter().rev().take(most).map(|id| self.read(id));
        Ok(stream::iter(reads).buffered(READS).filter_map(|read| std::future::ready(read.ok())).collect().await)
    }
}

fn failed(place: &Shared, name: &str, source: crate::model::storage::StorageError) -> JournalError {
    JournalError::Storage { path: place.name(name).into(), source }
}

async fn object(place: &Shared, name: &str) -> Result<Option<Vec<u8>>, JournalError> {
    let stored = place.storage.get(&place.key(name)).await.map_err(|source| failed(place, name, source))?;
    Ok(stored.map(|s| s.bytes))
}

/// All parts up to the first one that is missing, and whether there are others after it. Parts are written one after the
/// other, so nothing that was promised to be durable can stand after a gap.
async fn joined(place: &Shared, apply: &str) -> Result<(Vec<u8>, bool), JournalError> {
    let prefix = place.key(&format!("{FOLDER}/{apply}/"));
    let keys = place.storage.list(&prefix).await.map_err(|source| failed(place, &whole_name(apply), source))?;
    let mut bytes = Vec::new();
    for (number, key) in (0..).zip(&keys) {
        if *key != part(place, apply, number) {
            return Ok((bytes, true));
        }
        let name = key.strip_prefix(&place.key("")).unwrap_or(key);
        // Gone since it was listed: the apply has ended, and its parts were joined.
        let Some(part) = object(place, name).await? else { break };
        bytes.extend(part);
    }
    if let Some(whole) = object(place, &whole_name(apply)).await? {
        return Ok((whole, false));
    }
    Ok((bytes, false))
}
