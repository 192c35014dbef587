//! Secrets Manager.

pub mod secret;
mod secret_calls;
pub mod secret_parts;
