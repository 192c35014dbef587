//! Reading the cloud: batches of all kinds in parallel, ownership, what could not be read.

mod builder;
mod collector;
#[cfg(test)]
mod tests;

pub use collector::{Options, collect};
