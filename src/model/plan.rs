//! The plan: one value, of which text, JSON and Markdown are views, which is saved and obeyed.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Address;
use super::environment::Provider;
use super::kind::Replacement;

/// Version of the format; a plan of another version is refused.
pub const FORMAT: u32 = 2;

/// What happens to a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// A new object.
    Create,
    /// A change in place.
    Update,
    /// A new object takes the place of the old one.
    Replace,
    /// The object goes.
    Delete,
    /// An existing object is taken over.
    Adopt,
    /// The object stays, and is no longer ours.
    Forget,
}

impl ActionKind {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Create, Self::Update, Self::Replace, Self::Delete, Self::Adopt, Self::Forget];

    /// The word in files and output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Adopt => "adopt",
            Self::Forget => "forget",
        }
    }
}

/// What users of the system notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Impact {
    /// Nothing.
    None,
    /// Service is interrupted.
    Interrupts,
    /// Data is lost.
    LosesData,
}

/// Why a field differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The files changed since the last apply.
    You,
    /// The cloud changed since the last apply, outside saiken.
    Drift,
    /// Both changed.
    Both,
    /// There is no record of the last apply of this resource.
    Unknown,
}

/// Path of the difference that sets or lifts an object's protection: of its owner's tags, not of its spec.
pub const PROTECT: &str = "protect";

/// Path of the difference of an object that stands in another region than declared: not of its spec.
pub const REGION: &str = "region";

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FieldChange {
    /// Dotted path in the spec.
    pub path: String,
    /// Value in the cloud; null if absent. Sensitive values are `"(sensitive)"`.
    pub before: Value,
    /// Value in the files; null if it is removed. Strings may hold tokens (known after apply).
    pub after: Value,
    /// Why.
    pub cause: Cause,
    /// Whether this difference makes a new object necessary.
    pub replaces: bool,
    /// Long text: shown as a unified diff.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub text: bool,
}

/// The object that an action touches, as the plan saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// The API's id.
    pub id: String,
    /// Where it stands: not the action's region, if the resource moves to another one.
    pub region: String,
    /// Its generation.
    pub generation: u32,
    /// [`super::observed::Object::fingerprint`]: apply refuses if it differs.
    pub fingerprint: String,
}

/// One action: what happens to one address.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Action {
    /// The resource.
    pub address: Address,
    /// Its kind.
    pub kind: String,
    /// Its region.
    pub region: String,
    /// What happens.
    pub action: ActionKind,
    /// Why, in one line.
    pub reason: String,
    /// What users notice.
    pub impact: Impact,
    /// Whether objects of this kind hold data.
    pub data_bearing: bool,
    /// Order of a replacement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replacement: Option<Replacement>,
    /// The differences. For create, every declared field with `before` null; for delete none.
    pub changes: Vec<FieldChange>,
    /// The object that is changed or goes; the newest first, if several are left of an interrupted replacement.
    pub objects: Vec<Touched>,
    /// Generation of the object that stands there afterwards.
    pub generation: u32,
    /// The spec to write, sensitive values masked, lookups resolved; null for delete and forget.
    pub spec: Value,
    /// A digest of each field as the files had it, and of what else they say: apply refuses if one differs. Empty for what is
    /// not declared.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub declared: BTreeMap<String, String>,
    /// Further lines for the reader: what an image query resolved to, a newer image, a half-made object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One thing that the executor does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// Make the new object of a create or replace.
    Create,
    /// Change in place; also the change after an adoption.
    Update,
    /// See to it that a recovery point of the object is there, before it is deleted.
    Save,
    /// Delete the object of a delete, the old one of a replace, or what an interrupted replacement left.
    Delete,
    /// Write our ownership tags (adopt, or a moved address).
    Own,
    /// Remove our ownership tags.
    Disown,
}

impl Operation {
    /// The words for people; programs see the names of the variants.
    pub fn word(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Save => "save",
            Self::Delete => "delete",
            Self::Own => "take over",
            Self::Disown => "let go",
        }
    }
}

/// Data that an action takes away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// The resource.
    pub address: Address,
    /// Its kind.
    pub kind: String,
    /// Ids of the objects that go.
    pub objects: Vec<String>,
    /// What is left of the data.
    pub remains: Remains,
    /// Whether the address must be given by `--allow-data-loss`.
    pub named: bool,
    /// Oldest that the recovery point may be when the object goes, in seconds; none if none is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newer_than: Option<u64>,
    /// What brings the data back, for people.
    pub note: String,
}

/// What is left of data that goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Remains {
    /// A recovery point.
    RecoveryPoint,
    /// The API keeps the object for a while.
    Period,
    /// Nothing.
    Nothing,
}

/// A step: an operation on one address, after others. A step's number is its place in [`Plan::steps`], and every number
/// in `after` is smaller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The resource.
    pub address: Address,
    /// What is done.
    pub operation: Operation,
    /// Index of its action in [`Plan::actions`].
    pub action: usize,
    /// Id of the object, where there is one already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// Steps that must have succeeded before.
    pub after: Vec<usize>,
}

/// Something not planned, with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The resource.
    pub address: Address,
    /// Its kind.
    pub kind: String,
    /// Why: its kind could not be read, or what it depends on is held.
    pub reason: String,
}

/// A change that somebody made outside saiken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The resource.
    pub address: Address,
    /// Its kind.
    pub kind: String,
    /// What happened.
    pub drift: DriftKind,
    /// The changed fields: `before` as applied, `after` as it is now.
    pub changes: Vec<FieldChange>,
}

/// How an object drifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftKind {
    /// Fields were changed.
    Changed,
    /// The object is gone.
    Deleted,
    /// An object carries our tags and we have no record of it (only known while a record exists).
    Appeared,
}

/// An apply that did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interrupted {
    /// Its id.
    pub apply: String,
    /// `user@host`.
    pub who: String,
    /// The command.
    pub command: String,
    /// When it began, RFC 3339 in UTC.
    pub started_at: String,
    /// What was under way.
    pub steps: Vec<InterruptedStep>,
}

/// A step that was under way when an apply was interrupted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterruptedStep {
    /// The resource.
    pub address: Address,
    /// Its kind.
    pub kind: String,
    /// What was done.
    pub operation: Operation,
    /// Id of the object, if there was one already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// What became of it, as the plan found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Found>,
}

/// What an interrupted step left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// It has had its whole effect.
    Done,
    /// It has had a part of its effect.
    HalfDone,
    /// It has had no effect.
    NotDone,
    /// Its kind could not be read.
    Unread,
}

impl Found {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::HalfDone => "half done",
            Self::NotDone => "not done",
            Self::Unread => "not known: it could not be read",
        }
    }
}

/// A plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// [`FORMAT`].
    pub format: u32,
    /// Unique id, from which idempotency tokens derive.
    pub id: String,
    /// When it was made, RFC 3339 in UTC.
    pub made_at: String,
    /// Version of saiken.
    pub version: String,
    /// Project.
    pub project: String,
    /// Environment.
    pub environment: String,
    /// Which cloud.
    pub provider: Provider,
    /// Account that was read.
    pub account: String,
    /// Stacks that it is limited to; empty for all.
    pub stacks: Vec<String>,
    /// Whether it takes everything down.
    pub destroy: bool,
    /// Id of the failed apply that it takes back, if that is what it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
    /// What will happen, ordered by address.
    pub actions: Vec<Action>,
    /// How: in an order that respects every reference.
    pub steps: Vec<Step>,
    /// The last apply, if it was interrupted, and what was found of it: only while its journal is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interrupted: Option<Interrupted>,
    /// What was changed outside.
    pub drift: Vec<Drift>,
    /// What is not planned.
    pub held: Vec<Held>,
    /// What data goes, and what must be given to `apply` for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<Loss>,
    /// What forbids applying: a protected object that would go, a reference to something that is not there.
    pub refused: Vec<Refusal>,
    /// Values of the outputs after apply, sensitive ones masked, by `stack.name`.
    pub outputs: BTreeMap<String, Value>,
    /// How many of each.
    pub summary: Summary,
}

/// A reason for which the plan can't be applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The resource.
    pub address: Address,
    /// Why.
    pub reason: String,
    /// What to do.
    pub help: String,
}

/// Counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// Objects to create.
    pub create: usize,
    /// To change in place.
    pub update: usize,
    /// To replace.
    pub replace: usize,
    /// To delete.
    pub delete: usize,
    /// To take over.
    pub adopt: usize,
    /// To let go.
    pub forget: usize,
    /// Resources that are as declared.
    pub unchanged: usize,
    /// Resources not planned.
    pub held: usize,
    /// Objects changed outside.
    pub drift: usize,
}

impl Plan {
    /// What does not fit together in a plan that was read from a file, if anything.
    pub fn damage(&self) -> Option<String> {
        for (number, step) in self.steps.iter().enumerate() {
            let Some(action) = self.actions.get(step.action) else {
                return Some(format!("step {number} belongs to no action"));
            };
            if action.address != step.address {
                return Some(format!("step {number} is about {}, its action about {}", step.address, action.address));
            }
            if step.after.iter().any(|before| *before >= number) {
                return Some(format!("step {number} waits for one that does not come before it"));
            }
            let needs = step.operation != Operation::Create;
            if needs != action.objects.iter().any(|o| Some(&o.id) == step.object.as_ref()) {
                return Some(format!("step {number} is about an object that its action does not touch"));
            }
        }
        None
    }

    /// Whether there is nothing to do and nothing was held back.
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty() && self.held.is_empty() && self.refused.is_empty()
    }
}
