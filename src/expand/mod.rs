//! From files to the desired graph: parameters, components, repetition, expressions, references.
//!
//! First every stack is *laid out*: which resources and components there are, with which keys. Then every spec is
//! *filled in*: expressions, references, types. Last come the rules over all resources. Every error of every stage is
//! reported.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod check;
mod each;
mod expression;
mod fill;
mod helpers;
mod layout;
mod names;
mod order;
mod reference;
pub mod schema;
mod tag;
mod typed;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::config::Project;
use crate::diagnostic::Diagnostics;
use crate::model::Address;
use crate::model::desired::Desired;
use crate::model::kind::Kinds;
use crate::source::{Files, Span};

use expression::Engine;
use layout::Scope;

/// Expands a project. None only if there are errors.
pub fn expand(project: &Project, files: &Files, kinds: &Kinds) -> (Option<Desired>, Diagnostics) {
    let mut expansion = Expansion {
        project,
        files,
        kinds,
        engine: Engine::new(),
        diagnostics: Diagnostics::default(),
        scopes: Vec::new(),
        stacks: BTreeMap::new(),
        groups: BTreeMap::new(),
        pending: Vec::new(),
        by_address: BTreeMap::new(),
        settling: BTreeSet::new(),
        naming: Vec::new(),
        parameter: None,
        full: false,
        unknown_kinds: BTreeSet::new(),
        secrets: Vec::new(),
    };
    expansion.lay_out();
    // Beyond a limit, to fill in what there is would only take long.
    let desired = (!expansion.full).then(|| expansion.fill_in());
    let mut diagnostics = expansion.diagnostics;
    diagnostics.sort();
    if diagnostics.has_errors() { (None, diagnostics) } else { (desired, diagnostics) }
}

/// One expansion under way.
struct Expansion<'p> {
    project: &'p Project,
    files: &'p Files,
    kinds: &'p Kinds,
    engine: Engine,
    diagnostics: Diagnostics,
    scopes: Vec<Scope>,
    /// Scope of each stack.
    stacks: BTreeMap<String, usize>,
    /// All resources by `stack/path` without keys, for whole addresses.
    groups: BTreeMap<String, layout::Group>,
    pending: Vec<Arc<layout::Pending<'p>>>,
    /// Index in `pending` of each resource.
    by_address: BTreeMap<Address, usize>,
    /// Fields whose values are being looked up, so that a circle of them ends.
    settling: BTreeSet<(Address, String)>,
    /// Names of the fields around the value at hand, for messages.
    naming: Vec<String>,
    /// Declaration of the parameter whose value is at hand.
    parameter: Option<Span>,
    /// Declarations of parameters that refer to a kind that there is not.
    unknown_kinds: BTreeSet<Span>,
    /// Whether a limit was reached: nothing more is laid out.
    full: bool,
    secrets: Vec<String>,
}

/// Where an expression stands: what it can see, and where its scope is used.
#[derive(Debug, Clone)]
struct Place {
    scope: usize,
    each: Option<Each>,
    /// Uses of the templates around, innermost first.
    used: Vec<Span>,
}

/// One of a repetition.
#[derive(Debug, Clone, PartialEq)]
struct Each {
    key: String,
    value: Value,
    index: usize,
}

impl Each {
    fn value(&self) -> Value {
        serde_json::json!({ "key": self.key, "value": self.value, "index": self.index })
    }
}
