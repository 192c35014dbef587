//! The object that a lease is: who holds it, until when, or that it is free.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::execute::lock::Holder;

/// Version of the format; a later one is not read.
pub const VERSION: u32 = 1;

/// The content of the object. No two are ever the same: `token` is new for each holding, and `heartbeats` grows with each
/// attempt to write. So an ETag, which follows from the content, tells every write from every other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// [`VERSION`].
    pub version: u32,
    /// This holding of the lock.
    pub token: Uuid,
    /// Who holds it, or held it last.
    pub holder: Holder,
    /// How long it stays with a holder who gives no sign of life, in seconds.
    pub lease_seconds: u64,
    /// How often the holder has written.
    pub heartbeats: u64,
    /// When the holder wrote this, by its clock.
    pub renewed_at: Timestamp,
    /// When it ends unless it is renewed, by the holder's clock.
    pub expires_at: Timestamp,
    /// That it is free.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Released>,
}

/// Who has set the lock free.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Released {
    /// The holder itself, or whoever called `unlock`: `user@host`.
    pub by: String,
    /// When, by the clock of that machine.
    pub at: Timestamp,
}

impl Document {
    /// A holding that begins at `now`.
    pub fn new(token: Uuid, holder: &Holder, length: Duration, now: Timestamp) -> Self {
        let document = Self {
            version: VERSION,
            token,
            holder: holder.clone(),
            lease_seconds: length.as_secs(),
            heartbeats: 0,
            renewed_at: now,
            expires_at: now,
            released: None,
        };
        document.renewed(0, now)
    }

    /// The next sign of life.
    pub fn renewed(&self, heartbeats: u64, now: Timestamp) -> Self {
        let now = whole_seconds(now);
        let expires_at = now.checked_add(self.length()).unwrap_or(Timestamp::MAX);
        Self { heartbeats, renewed_at: now, expires_at, ..self.clone() }
    }

    /// That it is free.
    pub fn released(&self, by: String, now: Timestamp) -> Self {
        Self { released: Some(Released { by, at: whole_seconds(now) }), ..self.clone() }
    }

    /// How long it stays with a holder who gives no sign of life.
    pub fn length(&self) -> Duration {
        Duration::from_secs(self.lease_seconds)
    }

    /// Whether this holding has it.
    pub fn is_of(&self, token: Uuid) -> bool {
        self.token == token && self.released.is_none()
    }

    /// Whether it surely still runs, if this clock and the holder's agree. An end further away than the lease is long can't
    /// come from clocks that agree.
    pub fn runs(&self, now: Timestamp) -> bool {
        self.expires_at > now && self.expires_at <= now.checked_add(self.length()).unwrap_or(Timestamp::MAX)
    }

    /// As it is stored.
    pub fn bytes(&self) -> Vec<u8> {
        // Texts, numbers and times always have a JSON form.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Fractions of a second mean nothing between two machines.
fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_runs_only_within_its_own_length_before_its_end() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().unwrap();
        let holder =
            Holder { who: "a".into(), host: "b".into(), pid: 1, command: "c".into(), since: "2026-01-02".into() };
        let document = Document::new(Uuid::nil(), &holder, Duration::from_secs(60), now);
        let at = |seconds: i64| now.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
        assert!(document.runs(at(0)) && document.runs(at(59)));
        assert!(!document.runs(at(60)), "its end has passed");
        assert!(!document.runs(at(-1)), "made in the future: the clocks don't agree");
        assert_eq!(document.renewed(1, at(20)).expires_at, at(80));
        assert!(!document.released("a@b".into(), now).is_of(Uuid::nil()));
    }
}
