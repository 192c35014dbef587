//! Auto scaling.

pub mod group;
mod group_calls;
pub mod parts;
mod refresh;
