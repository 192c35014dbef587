//! Alarms and dashboards.
