//! CloudTrail.

pub mod trail;
mod trail_calls;
pub mod trail_parts;
