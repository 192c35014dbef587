//! Threat detection.
