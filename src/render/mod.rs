//! Views of a plan: text, JSON, Markdown. Each is a pure function of the plan.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

pub mod json;
pub mod markdown;
pub mod preflight;
pub mod text;
mod view;

#[cfg(test)]
mod tests;
