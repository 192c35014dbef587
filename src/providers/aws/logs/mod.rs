//! Logs.

pub mod log_group;
pub mod metric_filter;
