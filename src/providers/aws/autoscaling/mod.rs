//! Auto scaling.
