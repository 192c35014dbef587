//! What a plan may not do without being allowed to: lose data that was not named, and interrupt service outside of the
//! windows that were announced.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod announcement;
mod data;
mod interruption;
pub mod notice;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::model::Address;

use announcement::Announcement;

pub use data::{not_lost, unnamed};
pub use interruption::{Closed, closed, may_begin};

/// What a run is allowed to do beyond what its plan may do by itself. By default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permits {
    /// Addresses whose data may go (`--allow-data-loss`).
    pub data_loss: BTreeSet<Address>,
    /// The announcements that stand.
    pub announcements: Vec<Announcement>,
    /// Why service may be interrupted without announcement (`--emergency`).
    pub emergency: Option<String>,
}
