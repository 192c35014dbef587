//! Names: zones, records, health checks.

pub mod zone;
