//! What a plan may not do without being allowed to: lose data that was not named.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod data;

use std::collections::BTreeSet;

use crate::model::Address;

pub use data::{not_lost, unnamed};

/// What a run is allowed to do beyond what its plan may do by itself. By default nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permits {
    /// Addresses whose data may go (`--allow-data-loss`).
    pub data_loss: BTreeSet<Address>,
}
