//! Integration tests: one binary, a file or folder a subject.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on must fail")]

mod aws;
mod cli;
mod crash;
pub mod engine;
mod language;
mod layers;

#[path = "../support/mod.rs"]
mod support;
