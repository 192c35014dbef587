//! Event rules.

pub mod event_rule;
pub mod event_targets;
