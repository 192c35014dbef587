//! Announced windows: when service may be interrupted, and of what.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::Address;

/// A window in which service may be interrupted, and of which people were told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Short id, by which it can be withdrawn.
    pub id: String,
    /// When it was announced.
    pub made_at: Timestamp,
    /// Who announced it: `user@host`.
    pub who: String,
    /// Start of the window.
    pub from: Timestamp,
    /// End of the window, which is not part of it.
    pub until: Timestamp,
    /// What it is about, in the words of the one who announced it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Addresses and stacks that it covers; empty for everything.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covers: Vec<String>,
}

impl Announcement {
    /// Whether the window is about this resource.
    pub fn covers(&self, address: &Address) -> bool {
        self.covers.is_empty() || self.covers.iter().any(|c| c == address.as_str() || c == address.stack())
    }

    /// Whether the window is open at this time.
    pub fn is_open(&self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    /// Whether people were told at least so many seconds before its start.
    pub fn was_in_time(&self, notice: u64) -> bool {
        earliest(self.made_at, notice).is_some_and(|earliest| earliest <= self.from)
    }
}

/// The earliest start of a window that is announced at `now`, with so many seconds of notice; none beyond the calendar.
pub fn earliest(now: Timestamp, notice: u64) -> Option<Timestamp> {
    now.checked_add(SignedDuration::from_secs(i64::try_from(notice).ok()?)).ok()
}

/// A line of the file of announcements.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Notice {
    /// A window was announced.
    Announced(Announcement),
    /// It was withdrawn.
    Withdrawn {
        /// Its id.
        id: String,
        /// When.
        at: Timestamp,
        /// Who: `user@host`.
        who: String,
    },
}

/// The announcements that stand, by the start of their windows.
pub fn standing(notices: &[Notice]) -> Vec<Announcement> {
    let mut all: BTreeMap<&str, &Announcement> = BTreeMap::new();
    for notice in notices {
        match notice {
            Notice::Announced(announcement) => {
                all.insert(&announcement.id, announcement);
            }
            Notice::Withdrawn { id, at: _, who: _ } => {
                all.remove(id.as_str());
            }
        }
    }
    let mut standing: Vec<Announcement> = all.into_values().cloned().collect();
    standing.sort_by(|a, b| a.from.cmp(&b.from).then_with(|| a.id.cmp(&b.id)));
    standing
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_withdrawn_announcement_stands_no_longer() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let one = |id: &str, from: &str| {
            Notice::Announced(Announcement {
                id: id.into(),
                made_at: at("2026-11-01T00:00:00Z"),
                who: "hanako@build".into(),
                from: at(from),
                until: at("2026-12-09T00:00:00Z"),
                about: None,
                covers: vec!["servers".into()],
            })
        };
        let withdrawn = Notice::Withdrawn { id: "a".into(), at: at("2026-11-02T00:00:00Z"), who: "x".into() };
        let all = [
            one("a", "2026-12-03T00:00:00Z"),
            one("b", "2026-12-02T00:00:00Z"),
            one("c", "2026-12-01T00:00:00Z"),
            withdrawn,
        ];
        let ids: Vec<String> = standing(&all).into_iter().map(|a| a.id).collect();
        assert_eq!(ids, ["c", "b"]);
        let line = serde_json::to_string(&all[3]).unwrap();
        assert_eq!(serde_json::from_str::<Notice>(&line).unwrap(), all[3]);
    }
}
