//! Threat detection.

pub mod detector;
