//! Identities and permissions.
