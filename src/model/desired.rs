//! What the files ask for, fully expanded: the graph of desired resources.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Address;
use super::environment::Environment;
use super::kind::{KindDef, Replacement};

/// One desired resource.
#[derive(Debug, Clone)]
pub struct Resource {
    /// Its name.
    pub address: Address,
    /// Its kind.
    pub kind: Arc<KindDef>,
    /// Region that it belongs to (the environment's main region for global kinds).
    pub region: String,
    /// The spec in canonical form. References to resources are absolute addresses; strings may hold tokens.
    pub spec: Value,
    /// Every resource that must be there first: references, tokens and `depends_on`, all of them in [`Desired`].
    pub references: BTreeSet<Address>,
    /// How the engine treats it.
    pub lifecycle: Lifecycle,
    /// Id of an existing object to take over if none is owned yet.
    pub adopt: Option<String>,
    /// `file:line:column` of its declaration.
    pub origin: String,
}

/// How the engine treats a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// A plan that would delete or replace it is refused.
    pub protect: bool,
    /// Order of a replacement, if not the kind's own.
    pub replacement: Option<Replacement>,
    /// Dotted paths of fields whose differences are left alone.
    pub ignore: Vec<String>,
}

/// An output of a stack.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// What it is.
    pub description: Option<String>,
    /// Its value; may hold tokens.
    pub value: Value,
    /// Never shown.
    pub sensitive: bool,
}

/// Everything that the files ask for.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The environment's settings.
    pub environment: Environment,
    /// All resources by address.
    pub resources: BTreeMap<Address, Resource>,
    /// Stacks in the order of their references, with those they refer to.
    pub stacks: Vec<Stack>,
    /// Renamed resources: (before, now).
    pub moved: Vec<(Address, Address)>,
    /// Addresses that are no longer declared and whose objects are to be left alone.
    pub forget: BTreeSet<Address>,
    /// Outputs by stack and name.
    pub outputs: BTreeMap<String, BTreeMap<String, Output>>,
    /// Values of sensitive parameters: masked wherever they would be shown.
    pub secrets: Vec<String>,
}

/// A stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Stacks that it refers to.
    pub depends_on: BTreeSet<String>,
}
