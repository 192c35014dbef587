//! What is really there: objects, owners, and what could not be read.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Address;
use super::ownership::Owner;
use super::value::Map;

/// Whether an object can be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Usable.
    Ready,
    /// On its way: the API's own word for it.
    Pending(String),
    /// Never became usable: the API's reason. It is replaced.
    Failed(String),
    /// On its way out; it counts as absent.
    Deleting,
}

/// One object in the cloud.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Object {
    /// Name of its kind.
    pub kind: String,
    /// Its region.
    pub region: String,
    /// The API's id.
    pub id: String,
    /// Other texts that identify it where other objects refer to it (an ARN, an alias).
    #[serde(default)]
    pub identifiers: Vec<String>,
    /// Who owns it, by its tags.
    pub owner: Option<Owner>,
    /// Its spec, normalised to the kind's type. As a provider returns it, references are `{"id": …}`; the inventory turns
    /// those of owned objects into addresses.
    pub spec: Value,
    /// Its attributes.
    #[serde(default)]
    pub attributes: Map<String, Value>,
    /// Whether it can be used.
    pub status: Status,
    /// Names of fields that were not read (one call an object, and not declared).
    #[serde(default)]
    pub unread: Vec<String>,
}

impl Object {
    /// The address that its tags name.
    pub fn address(&self) -> Option<&Address> {
        self.owner.as_ref().map(|o| &o.address)
    }

    /// Its generation; 1 without owner.
    pub fn generation(&self) -> u32 {
        self.owner.as_ref().map_or(1, |o| o.generation)
    }

    /// Hash of all that a plan was based on: spec, owner and status. A saved plan is refused when it has changed.
    pub fn fingerprint(&self) -> String {
        let mut text = self.spec.clone();
        text.sort_all_objects();
        super::ownership::hash(&format!("{text}\n{:?}\n{:?}", self.owner, self.status), 16)
    }
}

/// An object that a call without answer may have made a moment ago.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsure {
    /// Its address.
    pub address: Address,
    /// Its kind.
    pub kind: String,
    /// Its generation.
    pub generation: u32,
}

/// A question to the cloud whose answer the plan needs: an image, or an object that is not owned, by tags.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Lookup {
    /// `image`, or the name of a kind.
    pub what: String,
    /// Region asked.
    pub region: String,
    /// The query as compact JSON with sorted members.
    pub query: String,
}

impl Lookup {
    /// Makes a lookup from the tree that the user wrote.
    pub fn new(what: &str, region: &str, query: &Value) -> Self {
        let mut query = query.clone();
        query.sort_all_objects();
        Self { what: what.to_owned(), region: region.to_owned(), query: query.to_string() }
    }
}

/// Everything that was read in one inventory.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Observed {
    /// Owned objects of the environment, and objects that are to be adopted, references mapped to addresses.
    pub objects: Vec<Object>,
    /// Kinds that could not be read, by (kind, region): why.
    #[serde(with = "pairs")]
    pub unobserved: BTreeMap<(String, String), String>,
    /// Answers to lookups: an id, or why there is none.
    #[serde(with = "pairs")]
    pub lookups: BTreeMap<Lookup, Result<String, String>>,
    /// API calls made, by `service:Operation`.
    #[serde(default)]
    pub calls: BTreeMap<String, u64>,
    /// Objects that stand at their addresses although there are newer ones; none but where an apply is taken back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub standing: Standing,
}

impl Observed {
    /// Objects by the address that their tags name, in [`order`]. Those being deleted are left out.
    pub fn by_address(&self) -> HashMap<&Address, Vec<&Object>> {
        by_address(&self.objects, &self.standing)
    }
}

/// Ids of objects that are to stand at their addresses, whatever newer ones are there.
pub type Standing = BTreeMap<Address, String>;

/// Sorts objects of one address: by generation, and last the one that is to stand there.
pub fn order(objects: &mut [&Object], standing: &Standing) {
    objects.sort_by_key(|o| {
        let stands = o.address().and_then(|a| standing.get(a)).is_some_and(|id| *id == o.id);
        (stands, o.generation(), &o.id)
    });
}

/// Objects by the address that their tags name, in [`order`]. Those being deleted are left out.
pub fn by_address<'o>(objects: &'o [Object], standing: &Standing) -> HashMap<&'o Address, Vec<&'o Object>> {
    let mut map: HashMap<&Address, Vec<&Object>> = HashMap::with_capacity(objects.len());
    for object in objects.iter().filter(|o| o.status != Status::Deleting) {
        if let Some(address) = object.address() {
            map.entry(address).or_default().push(object);
        }
    }
    for list in map.values_mut() {
        order(list, standing);
    }
    map
}

/// The place of the object that an address means among those that carry it, in [`order`]: the last, so the newest, that has
/// not failed, else the last. One that isn't usable yet counts: what refers to its predecessor has to change.
pub fn current(objects: &[&Object]) -> Option<usize> {
    let usable = objects.iter().rposition(|o| matches!(o.status, Status::Ready | Status::Pending(_)));
    usable.or_else(|| objects.len().checked_sub(1))
}

/// Maps with structured keys as lists of pairs, since JSON has only text keys.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<K: Serialize, V: Serialize, S: Serializer>(map: &BTreeMap<K, V>, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(map)
    }

    pub fn deserialize<'de, K, V, D>(d: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
        D: Deserializer<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(d)?.into_iter().collect())
    }
}
