//! The types that all stages share. Pure data, but for [`cloud`], which declares the async side.

mod address;
pub mod cloud;
pub mod desired;
pub mod environment;
pub mod kind;
pub mod observed;
pub mod ownership;
pub mod plan;
pub mod preflight;
pub mod record;
pub mod schema;
pub mod storage;
pub mod types;
pub mod value;

pub use address::{Address, AddressError, MAX_LENGTH, is_allowed};
