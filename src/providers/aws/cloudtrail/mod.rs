//! Audit trails.
