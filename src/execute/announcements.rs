//! Where announcements are kept: `announcements.jsonl` in the folder of the environment, only ever appended.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::place::Shared;
use crate::guard::announcement::Notice;
use crate::model::storage::{Condition, StorageError};

/// Name of the file.
pub const FILE: &str = "announcements.jsonl";

/// Why announcements could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum AnnouncementError {
    /// The storage refused.
    #[error("the announcements {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Shared storage refused, or did not answer.
    #[error("the announcements {path}: {source}", path = path.display())]
    Storage {
        /// Where they are.
        path: PathBuf,
        /// Why.
        source: StorageError,
    },
    /// A line that is no announcement.
    #[error("the announcements {path} are damaged in line {line}: {source}", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// Why.
        source: serde_json::Error,
    },
}

/// A place for the announcements of an environment.
#[async_trait]
pub trait Announcements: Send + Sync {
    /// All lines, oldest first; none if there are no announcements. A last line that was cut off is left out.
    ///
    /// # Errors
    /// If the storage refuses, or a line is damaged.
    async fn read(&self) -> Result<Vec<Notice>, AnnouncementError>;

    /// Adds a line, and returns when it is durable.
    ///
    /// # Errors
    /// If the storage refuses.
    async fn append(&self, notice: &Notice) -> Result<(), AnnouncementError>;
}

/// Announcements in a local file.
#[derive(Debug, Clone)]
pub struct LocalAnnouncements {
    path: PathBuf,
}

impl LocalAnnouncements {
    /// The announcements of an environment, by its folder.
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join(FILE) }
    }

    fn io(&self, source: std::io::Error) -> AnnouncementError {
        AnnouncementError::Io { path: self.path.clone(), source }
    }

    fn bytes(&self) -> Result<Vec<u8>, AnnouncementError> {
        match fs::read(&self.path) {
            Ok(bytes) => Ok(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(self.io(e)),
        }
    }
}

/// Length of all whole lines.
fn whole(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1)
}

#[async_trait]
impl Announcements for LocalAnnouncements {
    async fn read(&self) -> Result<Vec<Notice>, AnnouncementError> {
        let bytes = self.bytes()?;
        let lines = bytes[..whole(&bytes)].split(|b| *b == b'\n').enumerate().filter(|(_, text)| !text.is_empty());
        lines
            .map(|(i, text)| {
                let damaged = |source| AnnouncementError::Damaged { path: self.path.clone(), line: i + 1, source };
                serde_json::from_slice(text).map_err(damaged)
            })
            .collect()
    }

    async fn append(&self, notice: &Notice) -> Result<(), AnnouncementError> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(|e| self.io(e))?;
        }
        let bytes = self.bytes()?;
        let mut line = serde_json::to_vec(notice).map_err(|e| self.io(e.into()))?;
        line.push(b'\n');
        let file = OpenOptions::new().append(true).create(true).open(&self.path);
        let mut file = file.map_err(|e| self.io(e))?;
        // What was cut off by a crash must not swallow the next line.
        let cut = if whole(&bytes) < bytes.len() { file.set_len(whole(&bytes) as u64) } else { Ok(()) };
        cut.and_then(|()| file.write_all(&line)).and_then(|()| file.sync_all()).map_err(|e| self.io(e))?;
        super::journal::sync_folder(&self.path);
        Ok(())
    }
}

/// Announcements in shared storage: an object each, in the order of their keys.
#[derive(Debug, Clone)]
pub struct SharedAnnouncements {
    place: Shared,
}

/// Folder of the objects, below that of the environment.
const FOLDER: &str = "announcements";

impl SharedAnnouncements {
    /// The announcements of an environment.
    pub fn new(place: &Shared) -> Self {
        Self { place: place.clone() }
    }

    fn failed(&self, source: StorageError) -> AnnouncementError {
        AnnouncementError::Storage { path: self.place.name(FOLDER).into(), source }
    }
}

#[async_trait]
impl Announcements for SharedAnnouncements {
    async fn read(&self) -> Result<Vec<Notice>, AnnouncementError> {
        let storage = &self.place.storage;
        let keys = storage.list(&self.place.key(&format!("{FOLDER}/"))).await.map_err(|e| self.failed(e))?;
        let mut notices = Vec::new();
        for key in keys {
            if let Some(stored) = storage.get(&key).await.map_err(|e| self.failed(e))? {
                let damaged = |source| AnnouncementError::Damaged { path: key.clone().into(), line: 1, source };
                notices.push(serde_json::from_slice(&stored.bytes).map_err(damaged)?);
            }
        }
        Ok(notices)
    }

    async fn append(&self, notice: &Notice) -> Result<(), AnnouncementError> {
        // Ids of this kind are ordered by time, and no two are the same.
        let key = self.place.key(&format!("{FOLDER}/{}.json", uuid::Uuid::now_v7()));
        let io = |e: serde_json::Error| AnnouncementError::Io { path: key.clone().into(), source: e.into() };
        let bytes = serde_json::to_vec(notice).map_err(io)?;
        match self.place.storage.put(&key, bytes, &Condition::Absent).await {
            // Nobody else has this key: what is there is our own, whose answer was lost.
            Ok(_) | Err(StorageError::Conflict(_)) => Ok(()),
            Err(error @ (StorageError::Unanswered(_) | StorageError::Refused(_))) => Err(self.failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn announcements_survive_a_torn_last_line_and_damage_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let store = LocalAnnouncements::new(&folder.path().join("production"));
        assert_eq!(store.read().await.unwrap(), []);
        let notice = |id: &str| Notice::Withdrawn { id: id.into(), at: jiff::Timestamp::UNIX_EPOCH, who: "x".into() };
        store.append(&notice("a")).await.unwrap();
        let path = folder.path().join("production").join(FILE);
        let mut text = fs::read_to_string(&path).unwrap();
        text.push_str("{\"event\":\"withd");
        fs::write(&path, &text).unwrap();
        assert_eq!(store.read().await.unwrap(), [notice("a")]);
        store.append(&notice("b")).await.unwrap();
        assert_eq!(store.read().await.unwrap(), [notice("a"), notice("b")]);
        fs::write(&path, "nonsense\n{}\n").unwrap();
        assert!(store.read().await.unwrap_err().to_string().contains("damaged in line 1"));
    }
}
