//! The pure side of a kind: its spec type, its field metadata, and what the planner must know of it.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::schema::Schema;

/// A kind of resource, as its one file declares it.
pub trait Kind: Send + Sync + 'static {
    /// Name in stack files: the field's own word, `snake_case`.
    const NAME: &'static str;

    /// What the ids begin with of objects that the service itself provides, in every account.
    const PROVIDED: &'static [&'static str] = &[];

    /// What the user writes. Its fields use `#[schemars(extend("x-…" = …))]` for the engine's metadata (see
    /// [`super::schema`]); an `Option` that is left out is not managed.
    type Spec: Serialize + DeserializeOwned + JsonSchema;

    /// What the engine must know.
    fn facts() -> Facts;

    /// Rules over several fields. Strings may hold tokens (known after apply): say nothing of those.
    fn validate(spec: &Self::Spec, problems: &mut Problems) {
        let _ = (spec, problems);
    }
}

/// Whether objects belong to a region or to the whole account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// One region.
    Regional,
    /// The account; managed from the environment's main region.
    Global,
}

/// How a replacement is ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Replacement {
    /// The new object first, then the references, then the old one goes.
    CreateFirst,
    /// The old object must go before the new one can be made.
    DeleteFirst,
}

/// An attribute that other resources and outputs can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Attribute {
    /// Name, as in `{{ main.id }}`.
    pub name: &'static str,
    /// What it is.
    pub doc: &'static str,
    /// Whether it stays the same over every update in place.
    pub stable: bool,
}

impl Attribute {
    /// An attribute that no update changes.
    pub const fn stable(name: &'static str, doc: &'static str) -> Self {
        Self { name, doc, stable: true }
    }

    /// An attribute that an update may change.
    pub const fn changing(name: &'static str, doc: &'static str) -> Self {
        Self { name, doc, stable: false }
    }
}

/// API permissions that a kind needs, as IAM actions (`ec2:CreateVpc`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Permissions {
    /// For reading: all that `plan` and `drift` need.
    pub read: &'static [&'static str],
    /// For creating.
    pub create: &'static [&'static str],
    /// For updating.
    pub update: &'static [&'static str],
    /// For deleting.
    pub delete: &'static [&'static str],
}

/// What the engine, the documentation and the simulated cloud must know of a kind.
#[derive(Debug, Clone, Serialize)]
pub struct Facts {
    /// What it is in words: "subnet of a network".
    pub title: &'static str,
    /// API service, the first part of its permissions: `ec2`.
    pub service: &'static str,
    /// The API's own documentation.
    pub reference: &'static str,
    /// Region or account.
    pub scope: Scope,
    /// How its data is recovered once it is gone; none if it holds no data. Deleting what holds data is guarded.
    pub data: Option<Recovery>,
    /// How a replacement is ordered unless the user says otherwise.
    pub replacement: Replacement,
    /// Whether deleting or replacing it interrupts service (a server, a gateway) rather than nobody noticing.
    pub serves: bool,
    /// Attributes, `id` among them.
    pub attributes: &'static [Attribute],
    /// Permissions.
    pub permissions: Permissions,
    /// Longest physical name in characters; 0 if the API gives the id and names are only tags.
    pub name_limit: usize,
    /// Typical seconds until a new object is usable (the simulated cloud's clock).
    pub creation_seconds: u32,
    /// Typical seconds until a deleted object is gone.
    pub deletion_seconds: u32,
    /// Default quota for one region (the simulated cloud's limit).
    pub quota: u32,
    /// Spec field that holds the availability zone, if the object stands in one.
    pub zone_field: Option<&'static str>,
    /// Spec fields whose references don't keep the target from being deleted first (the cloud drops them with it).
    pub loose_refs: &'static [&'static str],
}

impl Facts {
    /// Whether deleting it loses data.
    pub fn data_bearing(&self) -> bool {
        self.data.is_some()
    }
}

/// What brings the data of a deleted object back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// Recovery points can be made of it while it is there; what the API calls them.
    Point(&'static str),
    /// The API keeps it for a while after the deletion: how long, and how it is taken back, in one line.
    Period(&'static str),
    /// Nothing: why, and what to do before, in one line.
    Nothing(&'static str),
}

/// Problems that a kind's own rules found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

/// One problem, at a field of the spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Dotted path of the field (`rules.0.port`); empty for the whole.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Problems {
    /// Adds a problem at a field.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>, help: impl Into<String>) {
        let help = help.into();
        self.0.push(Problem { path: path.into(), message: message.into(), help: (!help.is_empty()).then_some(help) });
    }
}

/// A kind as the engine sees it: without its types.
pub struct KindDef {
    /// Name in stack files.
    pub name: &'static str,
    /// What the engine must know.
    pub facts: Facts,
    /// What the ids begin with of objects that the service itself provides, in every account.
    pub provided: &'static [&'static str],
    /// The fields.
    pub schema: Schema,
    /// The JSON Schema of the spec type (for `saiken schema` and the reference pages).
    pub json_schema: fn(&mut schemars::SchemaGenerator) -> schemars::Schema,
    normalise: fn(&Value) -> Result<(Value, Problems), String>,
}

impl std::fmt::Debug for KindDef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KindDef({})", self.name)
    }
}

impl KindDef {
    /// Takes the pure side of a kind.
    pub fn of<K: Kind>() -> Self {
        Self {
            name: K::NAME,
            facts: K::facts(),
            provided: K::PROVIDED,
            schema: Schema::of::<K::Spec>(),
            json_schema: |generator| generator.subschema_for::<K::Spec>(),
            normalise: normalise::<K>,
        }
    }

    /// Decodes a spec, checks the kind's own rules, and writes it in canonical form: defaults filled in, left-out fields
    /// absent, types in their one form, fields in the type's order.
    ///
    /// # Errors
    /// The decoder's message, if the tree does not fit the type (with tokens in places that are not text, too).
    pub fn normalise(&self, spec: &Value) -> Result<(Value, Problems), String> {
        (self.normalise)(spec)
    }

    /// The attribute of this name.
    pub fn attribute(&self, name: &str) -> Option<&'static Attribute> {
        self.facts.attributes.iter().find(|a| a.name == name)
    }
}

fn normalise<K: Kind>(spec: &Value) -> Result<(Value, Problems), String> {
    let typed: K::Spec = <K::Spec as Deserialize>::deserialize(spec).map_err(|e| e.to_string())?;
    let mut problems = Problems::default();
    K::validate(&typed, &mut problems);
    let mut tree = serde_json::to_value(&typed).map_err(|e| e.to_string())?;
    drop_nulls(&mut tree);
    Ok((tree, problems))
}

/// Removes members that are null, at every level: a field that is not given.
pub fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// All kinds, by name.
#[derive(Debug, Clone, Default)]
pub struct Kinds(BTreeMap<&'static str, Arc<KindDef>>);

impl Kinds {
    /// From a list of kinds.
    pub fn new(kinds: impl IntoIterator<Item = KindDef>) -> Self {
        Self(kinds.into_iter().map(|k| (k.name, Arc::new(k))).collect())
    }

    /// Those with these names: for who looks at a part of what there is.
    #[must_use]
    pub fn only(&self, names: &[&str]) -> Self {
        Self(self.0.iter().filter(|(name, _)| names.contains(name)).map(|(n, k)| (*n, Arc::clone(k))).collect())
    }

    /// The kind of this name.
    pub fn get(&self, name: &str) -> Option<&Arc<KindDef>> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<KindDef>> {
        self.0.values()
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
    }
}
