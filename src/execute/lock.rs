//! One writer at a time for an environment.
//!
//! [`LocalLock`] keeps it on one machine, [`super::lease::Lease`] among all that share a storage.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::model::cloud::Watch;
use crate::model::storage::{StorageError, Version};

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
    /// Somebody else holds it in shared storage.
    #[error(
        "{}@{} is changing this environment since {}: `{}` (process {}); wait until it has ended; if it was killed, its \
         lock ends at {}",
        .0.holder.who, .0.holder.host, .0.holder.since, .0.holder.command, .0.holder.pid, .0.expires_at
    )]
    Leased(Box<Leased>),
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
    /// Shared storage refused, or did not answer: then the lock may have been taken, and ends by itself.
    #[error("the lock {place}: {source}")]
    Storage {
        /// The object.
        place: String,
        /// Why.
        source: StorageError,
    },
    /// It was taken, but so slowly that it had ended before.
    #[error("the lock {place}: storage is too slow for a lease of {} s", length.as_secs())]
    Slow {
        /// The object.
        place: String,
        /// The lease.
        length: Duration,
    },
    /// What is there was not written by this saiken, nor by an older one.
    #[error("the lock {place} can't be read: a newer saiken wrote it, or it is damaged; `saiken unlock` replaces it")]
    Unreadable {
        /// The object.
        place: String,
    },
}

/// A lease as its object tells it. Times are those of the holder's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leased {
    /// Who holds it.
    pub holder: Holder,
    /// How long it stays with a holder who gives no sign of life.
    #[serde(skip)]
    pub length: Duration,
    /// How often it was renewed.
    pub heartbeats: u64,
    /// When it was taken or last renewed.
    pub renewed_at: Timestamp,
    /// When it ends unless it is renewed.
    pub expires_at: Timestamp,
}

/// A lock that somebody holds, as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Who; none if that can't be read.
    pub holder: Option<Holder>,
    /// For a lease: since when and until when.
    pub lease: Option<Leased>,
    /// For a lease: what was seen.
    pub version: Option<Version>,
}

/// A lock that is held. Dropped without a release, a local lock is free and a lease ends by itself.
#[async_trait]
pub trait Held: Send + Sync + std::fmt::Debug {
    /// Whether it is still ours. To be asked right before each call: a lease that could not be renewed in time is not ours,
    /// nor is one whose machine was suspended too long. Once it is not, it never is again.
    fn is_held(&self) -> bool;

    /// Cancelled when it is lost (not when it is released). On a suspended machine this may come after
    /// [`Held::is_held`] has said so.
    fn lost(&self) -> CancellationToken;

    /// Sets the lock free.
    ///
    /// # Errors
    /// If storage refuses or does not answer: then it ends by itself.
    async fn release(&self) -> Result<(), LockError>;
}

/// A way to keep a second writer out.
#[async_trait]
pub trait Lock: Send + Sync {
    /// Takes the lock, or says who holds it. `watch` is told if that takes long: a lease whose holder seems to be gone is
    /// taken over only after a while.
    ///
    /// # Errors
    /// If somebody else holds it, or the storage refuses.
    async fn acquire(&self, holder: &Holder, watch: &dyn Watch) -> Result<Arc<dyn Held>, LockError>;

    /// Who holds it; none if it is free.
    ///
    /// # Errors
    /// If the storage refuses.
    async fn standing(&self) -> Result<Option<Standing>, LockError>;
}

/// How often, and with which pause, a local lock is tried: another may look at it for a moment.
const TRIES: u32 = 5;
const BETWEEN: Duration = Duration::from_millis(20);

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

    fn io(&self, source: std::io::Error) -> LockError {
        LockError::Io { path: self.path.clone(), source }
    }

    fn take(&self, holder: &Holder) -> Result<LocalHeld, LockError> {
        let io = |source| self.io(source);
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder).map_err(io)?;
        }
        // Not truncated on opening: the file may be another's, who still needs it.
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(&self.path).map_err(io)?;
        for left in (0..TRIES).rev() {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if left == 0 => return Err(other_holder(&mut file)),
                Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN),
                Err(TryLockError::Error(source)) => return Err(io(source)),
            }
        }
        let text = serde_json::to_vec(holder).map_err(|e| io(e.into()))?;
        file.set_len(0).and_then(|()| file.rewind()).and_then(|()| file.write_all(&text)).map_err(io)?;
        Ok(LocalHeld { file, released: AtomicBool::new(false), lost: CancellationToken::new() })
    }

    /// Looks whether the file is locked, by sharing the lock for a moment.
    fn look(&self) -> Result<Option<Standing>, LockError> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(self.io(e)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => {
                Ok(Some(Standing { holder: read_holder(&mut file), lease: None, version: None }))
            }
            Err(TryLockError::Error(source)) => Err(self.io(source)),
        }
    }
}

fn other_holder(file: &mut File) -> LockError {
    read_holder(file).map_or(LockError::HeldBySomebody, |holder| LockError::Held(Box::new(holder)))
}

fn read_holder(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok().and_then(|_| serde_json::from_str(&text).ok())
}

#[async_trait]
impl Lock for LocalLock {
    async fn acquire(&self, holder: &Holder, _: &dyn Watch) -> Result<Arc<dyn Held>, LockError> {
        let (lock, holder) = (self.clone(), holder.clone());
        let taken = tokio::task::spawn_blocking(move || lock.take(&holder)).await;
        let taken = taken.map_err(|e| self.io(std::io::Error::other(e)))?;
        Ok(Arc::new(taken?))
    }

    async fn standing(&self) -> Result<Option<Standing>, LockError> {
        let lock = self.clone();
        let seen = tokio::task::spawn_blocking(move || lock.look()).await;
        seen.map_err(|e| self.io(std::io::Error::other(e)))?
    }
}

#[derive(Debug)]
struct LocalHeld {
    file: File,
    released: AtomicBool,
    /// Never cancelled: the system keeps the lock for as long as the process lives.
    lost: CancellationToken,
}

impl LocalHeld {
    fn free(&self) {
        if !self.released.swap(true, Ordering::SeqCst) {
            // Closing releases the lock as well; the name of the holder must not outlive it.
            let _ = self.file.set_len(0);
            let _ = self.file.unlock();
        }
    }
}

#[async_trait]
impl Held for LocalHeld {
    fn is_held(&self) -> bool {
        !self.released.load(Ordering::SeqCst)
    }

    fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }

    async fn release(&self) -> Result<(), LockError> {
        self.free();
        Ok(())
    }
}

impl Drop for LocalHeld {
    fn drop(&mut self) {
        self.free();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cloud::Unwatched;

    #[tokio::test]
    async fn a_lock_is_exclusive_names_its_holder_and_is_free_after_release_or_drop() {
        let folder = tempfile::tempdir().unwrap();
        let lock = LocalLock::new(&folder.path().join("production"));
        let holder = |who: &str| Holder {
            who: who.into(),
            host: "build".into(),
            pid: 7,
            command: "saiken apply".into(),
            since: "2026-01-02T03:04:05Z".into(),
        };
        assert_eq!(lock.standing().await.unwrap(), None);
        let held = lock.acquire(&holder("hanako"), &Unwatched).await.unwrap();
        assert!(held.is_held());
        assert_eq!(lock.standing().await.unwrap().unwrap().holder, Some(holder("hanako")));
        assert_eq!(
            lock.acquire(&holder("taro"), &Unwatched).await.unwrap_err().to_string(),
            "hanako@build is changing this environment since 2026-01-02T03:04:05Z: `saiken apply` (process 7); wait until it has ended"
        );
        held.release().await.unwrap();
        assert!(!held.is_held() && !held.lost().is_cancelled());
        assert_eq!(lock.standing().await.unwrap(), None);
        drop(lock.acquire(&holder("taro"), &Unwatched).await.unwrap());
        lock.acquire(&holder("jiro"), &Unwatched).await.unwrap();
    }
}
