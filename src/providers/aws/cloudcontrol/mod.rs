//! Any type of CloudFormation.

pub mod cloud_control;
mod identify;
mod requests;
pub(super) mod types;
