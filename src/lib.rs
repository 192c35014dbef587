//! saiken (再建): declare a whole hosted system, compare it with the live cloud, and bring it into being.
//!
//! Modules by layer; imports point downward only (a test proves it):
//!
//! | layer | modules |
//! |---|---|
//! | 1 | [`source`], [`diagnostic`], [`model`] |
//! | 2 | [`config`], [`graph`] |
//! | 3 | [`expand`], [`plan`], [`render`] |
//! | 4 | [`inventory`], [`execute`] |
//! | 5 | [`providers`], [`simulated`] |
//! | 6 | [`cli`] |
//!
//! Files of a project: `environments/<name>.yaml`, `stacks/<name>.yaml`, `templates/` (components and payloads), and
//! `.saiken/` (journal, last-applied record, the simulated cloud's objects), which may be deleted at any time. A team keeps
//! journal, record and lock in a bucket instead.

pub mod cli;
pub mod config;
pub mod diagnostic;
pub mod execute;
pub mod expand;
pub mod graph;
pub mod inventory;
pub mod model;
pub mod plan;
pub mod providers;
pub mod render;
pub mod simulated;
pub mod source;
