//! Whole runs against a cloud in memory, and the files that they leave.

mod fake;
mod files;
pub(super) mod memory;
mod runs;
mod shared;
