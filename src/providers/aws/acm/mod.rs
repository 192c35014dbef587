//! Certificates.

pub mod certificate;
mod certificate_parts;
