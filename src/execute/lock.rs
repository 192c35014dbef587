//! One writer at a time for an environment.
//!
//! [`LocalLock`] keeps it on one machine; a lease in shared storage implements the same trait.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

/// Name of the file, in the folder of the environment.
pub const FILE: &str = "lock";

/// Who holds a lock: for the message to the second writer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// User.
    pub who: String,
    /// Machine.
    pub host: String,
    /// Process.
    pub pid: u32,
    /// Command.
    pub command: String,
    /// Since when, RFC 3339 in UTC.
    pub since: String,
}

/// Why a lock was not taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Somebody else holds it.
    #[error(
        "{}@{} is changing this environment since {}: `{}` (process {}); wait until it has ended",
        .0.who, .0.host, .0.since, .0.command, .0.pid
    )]
    Held(Box<Holder>),
    /// Somebody else holds it, and has not yet written who.
    #[error("another saiken is changing this environment; wait until it has ended")]
    HeldBySomebody,
    /// The storage refused.
    #[error("the lock {path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// A lock that is held; released when dropped.
pub trait Held: Send + Sync + std::fmt::Debug {
    /// Whether it is still ours. A lease that could not be renewed in time is not.
    fn is_held(&self) -> bool;
}

/// A way to keep a second writer out.
#[async_trait]
pub trait Lock: Send + Sync {
    /// Takes the lock, or says at once who holds it.
    ///
    /// # Errors
    /// If somebody else holds it, or the storage refuses.
    async fn acquire(&self, holder: &Holder) -> Result<Box<dyn Held>, LockError>;
}

/// A lock between the processes of one machine. The system releases it when the process ends, however it ends.
#[derive(Debug, Clone)]
pub struct LocalLock {
    path: PathBuf,
}

impl LocalLock {
    /// The lock of an environment, by its folder.
    pub fn new(folder: &Path) -> Self {
        Self { path: folder.join(FILE) }
    }

    fn take(&self, holder: &Holder) -> Result<LocalHeld, LockError> {
        let io = |source| LockError::Io { path: self.path.clone(), source };
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        // Not truncated on opening: the file may be another's, who still needs it.
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(&self.path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(other_holder(&mut file)),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let text = serde_json::to_vec(holder).map_err(|e| io(e.into()))?;
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&text)).map_err(io)?;
        Ok(LocalHeld { file })
    }
}

fn other_holder(file: &mut File) -> LockError {
    let mut text = String::new();
    match file.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str(&text).ok()) {
        Some(holder) => LockError::Held(Box::new(holder)),
        None => LockError::HeldBySomebody,
    }
}

#[async_trait]
impl Lock for LocalLock {
    async fn acquire(&self, holder: &Holder) -> Result<Box<dyn Held>, LockError> {
        let (lock, holder) = (self.clone(), holder.clone());
        let path = self.path.clone();
        let taken = tokio::task::spawn_blocking(move || lock.take(&holder)).await;
        let taken = taken.map_err(|e| LockError::Io { path, source: std::io::Error::other(e) })?;
        Ok(Box::new(taken?))
    }
}

#[derive(Debug)]
struct LocalHeld {
    file: File,
}

impl Held for LocalHeld {
    fn is_held(&self) -> bool {
        true
    }
}

impl Drop for LocalHeld {
    fn drop(&mut self) {
        // Closing releases the lock as well; the name of the holder must not outlive it.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_is_exclusive_names_its_holder_and_is_free_after_drop() {
        let folder = tempfile::tempdir().unwrap();
        let lock = LocalLock::new(&folder.path().join("production"));
        let holder = |who: &str| Holder {
            who: who.into(),
            host: "build".into(),
            pid: 7,
            command: "saiken apply".into(),
            since: "2026-01-02T03:04:05Z".into(),
        };
        let held = lock.acquire(&holder("hanako")).await.unwrap();
        assert!(held.is_held());
        assert_eq!(
            lock.acquire(&holder("taro")).await.unwrap_err().to_string(),
            "hanako@build is changing this environment since 2026-01-02T03:04:05Z: `saiken apply` (process 7); wait until it has ended"
        );
        drop(held);
        lock.acquire(&holder("taro")).await.unwrap();
    }
}
