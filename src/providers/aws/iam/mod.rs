//! Identities and permissions.

pub mod role;
