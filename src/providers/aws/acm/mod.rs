//! Certificates.

pub mod certificate;
