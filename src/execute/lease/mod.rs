//! A lock that several machines share: a lease on one object of shared storage.
//!
//! Guarantees: at most one holder at a time has [`Held::is_held`] true, as long as storage keeps its promises
//! ([`crate::model::storage`]), clocks run at the same speed within a sixth of the lease, and a machine that was suspended
//! shows it in its monotonic clock or in its time of day. What two clocks show is never compared for safety:
//! - a contender takes over only after it has seen the same version, unchanged, for the whole lease by its own monotonic
//!   clock, and only if the version is still the same at the write;
//! - a holder counts from the moment *before* it sent its last sign of life, and stops a sixth of the lease early.
//!
//! Caveat: storage that has no fencing can't stop a call that has left this machine before the lease was lost.

mod document;
mod held;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use uuid::Uuid;

use self::document::Document;
use self::held::HeldLease;
use super::lock::{Held, Holder, Leased, Lock, LockError, Standing};
use super::machine::Machine;
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::storage::{Condition, Storage, StorageError, Stored, Version};

/// How often a write is tried again that gave no answer.
const ATTEMPTS: u32 = 3;
/// Pause before the lock is looked at again after somebody else was quicker.
const PAUSE: Duration = Duration::from_millis(250);

/// The lock of an environment in shared storage.
#[derive(Debug, Clone)]
pub struct Lease {
    storage: Arc<dyn Storage>,
    machine: Arc<dyn Machine>,
    key: String,
    length: Duration,
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy)]
struct Moment {
    monotonic: Duration,
    wall: Timestamp,
}

/// The object as it was read.
struct Found {
    version: Version,
    /// None if it is no document of a version that is known here.
    document: Option<Document>,
}

impl Lease {
    /// The lease on the object `key`, for `length` at a time (whole seconds).
    pub fn new(storage: Arc<dyn Storage>, machine: Arc<dyn Machine>, key: String, length: Duration) -> Self {
        Self { storage, machine, key, length }
    }

    /// Sets the lock free that somebody else holds, if it is still as `shown`; false if it has changed since.
    ///
    /// # Errors
    /// If storage refuses or does not answer.
    pub async fn unlock(&self, shown: &Standing, by: &Holder) -> Result<bool, LockError> {
        let Some(version) = &shown.version else { return Ok(false) };
        let now = self.machine.wall();
        let name = format!("{}@{}", by.who, by.host);
        let held = self.find().await?.and_then(|found| found.document);
        // Nothing is known of a holder whose document can't be read.
        let held = held.unwrap_or_else(|| Document::new(Uuid::now_v7(), by, self.length, now));
        let free = held.released(name, now);
        for _ in 0..ATTEMPTS {
            match self.put(&free, &Condition::Is(version.clone())).await {
                Ok(_) => return Ok(true),
                Err(StorageError::Refused(error)) => return Err(self.failed(StorageError::Refused(error))),
                Err(StorageError::Conflict(_) | StorageError::Unanswered(_)) => match self.find().await? {
                    Some(found) if found.document.as_ref() == Some(&free) => return Ok(true),
                    Some(found) if found.version == *version => {}
                    Some(_) | None => return Ok(false),
                },
            }
        }
        Err(self.failed(self.silent()))
    }

    fn silent(&self) -> StorageError {
        StorageError::Unanswered(Box::new(ApiError::new("lock", ErrorClass::Unanswered, "no answer")))
    }

    fn now(&self) -> Moment {
        Moment { monotonic: self.machine.monotonic(), wall: self.machine.wall() }
    }

    /// How long a holder may go on after it sent its last sign of life.
    fn trusted(&self) -> Duration {
        self.length - self.length / 6
    }

    fn failed(&self, source: StorageError) -> LockError {
        LockError::Storage { place: self.place(), source }
    }

    fn place(&self) -> String {
        format!("{}/{}", self.storage.place(), self.key)
    }

    async fn find(&self) -> Result<Option<Found>, LockError> {
        let stored = self.storage.get(&self.key).await.map_err(|e| self.failed(e))?;
        Ok(stored.map(|Stored { bytes, version }| {
            let document = serde_json::from_slice(&bytes).ok();
            Found { version, document: document.filter(|d: &Document| d.version <= document::VERSION) }
        }))
    }

    async fn put(&self, document: &Document, condition: &Condition) -> Result<Version, StorageError> {
        self.storage.put(&self.key, document.bytes(), condition).await
    }

    /// The condition under which the lock may be taken, once it may be: it is free, or its holder gave no sign of life for
    /// the whole lease.
    async fn when_free(&self, watch: &dyn Watch) -> Result<Condition, LockError> {
        let mut unchanged: Option<(Version, Duration)> = None;
        loop {
            let Some(found) = self.find().await? else { return Ok(Condition::Absent) };
            // The clock is read after the answer: what was seen was written before.
            let now = self.now();
            let Some(document) = found.document else { return Err(LockError::Unreadable { place: self.place() }) };
            if document.released.is_some() {
                return Ok(Condition::Is(found.version));
            }
            let length = document.length().max(self.length);
            let since = match &unchanged {
                Some((version, since)) if *version == found.version => *since,
                None if !document.runs(now.wall) => {
                    watch.waiting(&silence(&document, length));
                    unchanged = Some((found.version.clone(), now.monotonic));
                    now.monotonic
                }
                // It runs, or its holder has just given a sign of life.
                Some(_) | None => return Err(LockError::Leased(Box::new(leased(&document)))),
            };
            let seen = now.monotonic.saturating_sub(since);
            if seen >= length {
                return Ok(Condition::Is(found.version));
            }
            self.machine.sleep((length - seen).min(length / 6)).await;
        }
    }

    /// Writes our document under the condition; none if somebody else was quicker.
    async fn take(&self, holder: &Holder, condition: &Condition) -> Result<Option<Arc<HeldLease>>, LockError> {
        let sent = self.now();
        let document = Document::new(Uuid::now_v7(), holder, self.length, sent.wall);
        for _ in 0..ATTEMPTS {
            let error = match self.put(&document, condition).await {
                Ok(version) => return Ok(Some(HeldLease::begin(self.clone(), document, version, sent))),
                Err(error @ StorageError::Refused(_)) => return Err(self.failed(error)),
                Err(error @ (StorageError::Conflict(_) | StorageError::Unanswered(_))) => error,
            };
            // What is there may be our own: an attempt whose answer was lost.
            if let Some(found) = self.find().await?
                && found.document.is_some_and(|d| d.is_of(document.token))
            {
                return Ok(Some(HeldLease::begin(self.clone(), document, found.version, sent)));
            }
            if matches!(error, StorageError::Conflict(_)) {
                return Ok(None);
            }
        }
        Err(self.failed(self.silent()))
    }
}

#[async_trait]
impl Lock for Lease {
    async fn acquire(&self, holder: &Holder, watch: &dyn Watch) -> Result<Arc<dyn Held>, LockError> {
        loop {
            let condition = self.when_free(watch).await?;
            match self.take(holder, &condition).await? {
                Some(held) if held.is_held() => return Ok(held),
                Some(held) => {
                    let _ = held.release().await;
                    return Err(LockError::Slow { place: self.place(), length: self.length });
                }
                None => self.machine.sleep(PAUSE).await,
            }
        }
    }

    async fn standing(&self) -> Result<Option<Standing>, LockError> {
        let Some(found) = self.find().await? else { return Ok(None) };
        let version = Some(found.version);
        Ok(match found.document {
            Some(document) if document.released.is_some() => None,
            Some(document) => {
                let lease = leased(&document);
                Some(Standing { holder: Some(lease.holder.clone()), lease: Some(lease), version })
            }
            None => Some(Standing { holder: None, lease: None, version }),
        })
    }
}

fn leased(document: &Document) -> Leased {
    Leased {
        holder: document.holder.clone(),
        length: document.length(),
        heartbeats: document.heartbeats,
        renewed_at: document.renewed_at,
        expires_at: document.expires_at,
    }
}

/// What is waited for, and how long at most.
fn silence(document: &Document, length: Duration) -> String {
    let Holder { who, host, pid, command, since } = &document.holder;
    format!(
        "the lock of {who}@{host} (`{command}`, process {pid}, since {since}), which should have ended at {}: \
         it is taken over if no sign of life comes for {} s",
        document.expires_at,
        length.as_secs()
    )
}
