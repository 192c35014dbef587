//! Notices.

pub mod topic;
pub mod topic_parts;
pub mod topic_subscriptions;
