//! The files a user writes: loaded, parsed with positions, decoded.
//!
//! `load` is the only edge; the rest is pure.

mod decode;
mod files;
mod load;
mod node;
mod state;
mod yaml_error;

pub use files::{
    Component, EnvironmentFile, Meta, Moved, OutputFile, Parameter, ResourceFile, StackFile, TemplateFile,
};
pub use load::{Loaded, Payload, Project, environments, load};
pub use node::{Key, Node, NodeValue, Scalar, parse};
