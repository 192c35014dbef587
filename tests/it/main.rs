//! Integration tests: one binary, a file or folder a subject.

mod cli;
mod layers;
