//! Systems Manager.

pub mod parameter;
pub mod parameter_parts;
