//! Notices.

pub mod topic;
