//! A lease that is held: signs of life, and knowing when it is no longer ours.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::document::Document;
use super::{Lease, Moment};
use crate::execute::lock::{Held, LockError};
use crate::model::storage::{Condition, StorageError, Version};

/// How far it is known to be ours.
#[derive(Debug)]
struct Grip {
    version: Version,
    heartbeats: u64,
    /// It is ours before this, by the monotonic clock…
    until: Duration,
    /// …and before this, by the time of day.
    until_wall: Timestamp,
    /// Lost or released: it is never ours again.
    ended: bool,
}

#[derive(Debug)]
struct Shared {
    lease: Lease,
    document: Document,
    grip: Mutex<Grip>,
    lost: CancellationToken,
    stop: CancellationToken,
}

/// A lease that is held. Dropped without a release, it ends by itself.
#[derive(Debug)]
pub(super) struct HeldLease(Arc<Shared>);

/// What became of a sign of life.
enum Beat {
    Renewed,
    /// It may not have been written: once more.
    Again,
    Lost,
}

impl HeldLease {
    /// What was written at `sent` or later is ours; from now on it is renewed.
    pub(super) fn begin(lease: Lease, document: Document, version: Version, sent: Moment) -> Arc<Self> {
        let mut grip = Grip {
            version,
            heartbeats: document.heartbeats,
            until: Duration::ZERO,
            until_wall: Timestamp::MIN,
            ended: false,
        };
        grip.extend(&lease, sent);
        let (lost, stop) = (CancellationToken::new(), CancellationToken::new());
        let machine = Arc::clone(&lease.machine);
        let shared = Arc::new(Shared { lease, document, grip: Mutex::new(grip), lost, stop });
        let beating = Arc::clone(&shared);
        machine.spawn(Box::pin(async move {
            tokio::select! {
                biased;
                () = beating.stop.cancelled() => {}
                () = beating.beat_on() => {}
            }
        }));
        Arc::new(Self(shared))
    }
}

impl Grip {
    fn extend(&mut self, lease: &Lease, sent: Moment) {
        self.until = sent.monotonic + lease.trusted();
        self.until_wall = sent.wall.checked_add(lease.trusted()).unwrap_or(Timestamp::MAX);
    }
}

impl Shared {
    fn grip(&self) -> MutexGuard<'_, Grip> {
        self.grip.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is still ours; once it is not, it never is again.
    fn is_held(&self) -> bool {
        let now = self.lease.now();
        let mut grip = self.grip();
        if !grip.ended && (now.monotonic >= grip.until || now.wall >= grip.until_wall) {
            grip.ended = true;
            self.lost.cancel();
        }
        !grip.ended
    }

    fn lose(&self) {
        self.grip().ended = true;
        self.lost.cancel();
    }

    /// Gives signs of life until it is lost.
    async fn beat_on(&self) {
        let usual = self.lease.length / 3;
        let mut pause = usual;
        loop {
            self.lease.machine.sleep(pause.min(self.left())).await;
            if !self.is_held() {
                return;
            }
            let beat = tokio::select! {
                biased;
                beat = self.beat() => beat,
                () = self.lease.machine.sleep(self.left()) => Beat::Again,
            };
            pause = match beat {
                Beat::Renewed => usual,
                Beat::Again => self.lease.length / 30,
                Beat::Lost => return self.lose(),
            };
        }
    }

    fn left(&self) -> Duration {
        self.grip().until.saturating_sub(self.lease.machine.monotonic())
    }

    /// Writes one sign of life. Each attempt has a number of its own, so that its content is like no other.
    async fn beat(&self) -> Beat {
        let sent = self.lease.now();
        let (version, heartbeats) = {
            let mut grip = self.grip();
            grip.heartbeats += 1;
            (grip.version.clone(), grip.heartbeats)
        };
        let next = self.document.renewed(heartbeats, sent.wall);
        match self.lease.put(&next, &Condition::Is(version)).await {
            Ok(version) => {
                let mut grip = self.grip();
                grip.version = version;
                grip.extend(&self.lease, sent);
                Beat::Renewed
            }
            Err(StorageError::Conflict(_)) => self.look().await,
            // Credentials may be renewed, and answers come back, before it is too late.
            Err(StorageError::Unanswered(_) | StorageError::Refused(_)) => Beat::Again,
        }
    }

    /// The object is not of the version that we know: an attempt of our own whose answer was lost, or another's.
    async fn look(&self) -> Beat {
        match self.lease.find().await {
            Ok(Some(found)) if found.document.as_ref().is_some_and(|d| d.is_of(self.document.token)) => {
                self.grip().version = found.version;
                Beat::Again
            }
            Ok(_) => Beat::Lost,
            Err(_) => Beat::Again,
        }
    }

    async fn release(&self) -> Result<(), LockError> {
        self.stop.cancel();
        self.grip().ended = true;
        let lease = &self.lease;
        let by = format!("{}@{}", self.document.holder.who, self.document.holder.host);
        let mut last = None;
        for _ in 0..super::ATTEMPTS + 2 {
            let (version, heartbeats) = {
                let mut grip = self.grip();
                grip.heartbeats += 1;
                (grip.version.clone(), grip.heartbeats)
            };
            let now = lease.machine.wall();
            let free = self.document.renewed(heartbeats, now).released(by.clone(), now);
            match lease.put(&free, &Condition::Is(version)).await {
                Ok(_) => return Ok(()),
                Err(error @ StorageError::Refused(_)) => return Err(lease.failed(error)),
                Err(error @ (StorageError::Conflict(_) | StorageError::Unanswered(_))) => last = Some(error),
            }
            match lease.find().await? {
                Some(found) if found.document.as_ref().is_some_and(|d| d.is_of(self.document.token)) => {
                    self.grip().version = found.version;
                }
                // Free already, or another's.
                Some(_) | None => return Ok(()),
            }
        }
        last.map_or(Ok(()), |error| Err(lease.failed(error)))
    }
}

#[async_trait]
impl Held for HeldLease {
    fn is_held(&self) -> bool {
        self.0.is_held()
    }

    fn lost(&self) -> CancellationToken {
        self.0.lost.clone()
    }

    async fn release(&self) -> Result<(), LockError> {
        self.0.release().await
    }
}

impl Drop for HeldLease {
    fn drop(&mut self) {
        self.0.stop.cancel();
    }
}
