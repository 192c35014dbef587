//! The pure part: what to read, and what the answers mean.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use serde_json::Value;

use crate::model::Address;
use crate::model::desired::Desired;
use crate::model::environment::Environment;
use crate::model::kind::{KindDef, Kinds, Scope};
use crate::model::observed::{self, Lookup, Object, Standing, Unsure};
use crate::model::record::Record;
use crate::model::schema::Type;

/// One batch to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Batch {
    pub kind: &'static str,
    pub region: String,
    pub adopt: Vec<String>,
}

/// All kinds in all regions in use, global kinds once: also kinds that are not declared any more may have objects.
pub(super) fn batches(desired: &Desired, kinds: &Kinds) -> Vec<Batch> {
    let mut adopt: HashMap<(&str, &str), Vec<String>> = HashMap::new();
    for resource in desired.resources.values() {
        if let Some(id) = &resource.adopt {
            adopt.entry((resource.kind.name, resource.region.as_str())).or_default().push(id.clone());
        }
    }
    let regions = regions(desired);
    let mut out = Vec::new();
    for kind in kinds.iter() {
        let regions: &[&str] = match kind.facts.scope {
            Scope::Regional => &regions,
            Scope::Global => &regions[..1],
        };
        for region in regions {
            let adopt = adopt.remove(&(kind.name, *region)).unwrap_or_default();
            out.push(Batch { kind: kind.name, region: (*region).to_owned(), adopt });
        }
    }
    out
}

/// What to read once more: recorded objects that no answer held, where the answer came.
pub(super) fn unseen(
    record: Option<&Record>,
    objects: &[Object],
    desired: &Desired,
    kinds: &Kinds,
    unobserved: &BTreeMap<(String, String), String>,
) -> Vec<Batch> {
    let Some(record) = record else { return Vec::new() };
    let seen: HashSet<(&str, &str)> = objects.iter().map(|o| (o.kind.as_str(), o.id.as_str())).collect();
    let mut batches: BTreeMap<(&'static str, &str), Vec<String>> = BTreeMap::new();
    for (address, applied) in &record.applied {
        let Some(kind) = kinds.get(&applied.kind).filter(|_| !seen.contains(&(&applied.kind, &applied.id))) else {
            continue;
        };
        let region = match (kind.facts.scope, desired.resources.get(address)) {
            (Scope::Regional, Some(resource)) => resource.region.as_str(),
            (Scope::Regional, None) | (Scope::Global, _) => desired.environment.region.as_str(),
        };
        batches.entry((kind.name, region)).or_default().push(applied.id.clone());
    }
    batches.retain(|(kind, region), _| !unobserved.contains_key(&((*kind).to_owned(), (*region).to_owned())));
    batches.into_iter().map(|((kind, region), adopt)| Batch { kind, region: region.to_owned(), adopt }).collect()
}

/// Kinds to read again: those of objects that may have been made and that no answer held, where the answers came.
pub(super) fn late(
    unsure: &[Unsure],
    objects: &[Object],
    desired: &Desired,
    kinds: &Kinds,
    unobserved: &BTreeMap<(String, String), String>,
) -> Vec<Batch> {
    if unsure.is_empty() {
        return Vec::new();
    }
    let mut seen: HashMap<(&str, &Address), u32> = HashMap::new();
    for object in objects {
        if let Some(address) = object.address() {
            let newest = seen.entry((&object.kind, address)).or_default();
            *newest = (*newest).max(object.generation());
        }
    }
    let missing = |u: &&Unsure| seen.get(&(u.kind.as_str(), &u.address)).is_none_or(|newest| *newest < u.generation);
    let missing: BTreeSet<&str> = unsure.iter().filter(missing).map(|u| u.kind.as_str()).collect();
    let mut batches = batches(desired, kinds);
    batches.retain(|b| missing.contains(b.kind) && !unobserved.contains_key(&(b.kind.to_owned(), b.region.clone())));
    batches
}

/// The main region first, then the environment's others and any that a resource names.
fn regions(desired: &Desired) -> Vec<&str> {
    let mut all = desired.environment.all_regions();
    let mut seen: HashSet<&str> = all.iter().copied().collect();
    for resource in desired.resources.values() {
        if seen.insert(&resource.region) {
            all.push(&resource.region);
        }
    }
    all
}

/// Fields that cost a call an object, where the files declare them.
pub(super) fn declared(desired: &Desired) -> BTreeMap<Address, BTreeSet<String>> {
    let mut out = BTreeMap::new();
    for (address, resource) in &desired.resources {
        let fields: BTreeSet<String> = resource
            .kind
            .schema
            .fields
            .iter()
            .filter(|f| f.deep && resource.spec.get(&f.name).is_some())
            .map(|f| f.name.clone())
            .collect();
        if !fields.is_empty() {
            out.insert(address.clone(), fields);
        }
    }
    // An object that is to be renamed still carries its old address.
    for (from, to) in &desired.moved {
        if let Some(fields) = out.get(to).cloned() {
            out.insert(from.clone(), fields);
        }
    }
    out
}

/// All distinct questions that the desired specs ask.
pub(super) fn lookups(desired: &Desired) -> BTreeSet<Lookup> {
    let mut out = BTreeSet::new();
    for resource in desired.resources.values() {
        // `map_typed` may rewrite; a copy is looked at, since few specs hold lookups and specs are small.
        let mut spec = resource.spec.clone();
        resource.kind.schema.map_typed(&mut spec, &mut |ty, value| {
            if let Some(lookup) = lookup_of(ty, value, &resource.region) {
                out.insert(lookup);
            }
        });
    }
    out
}

/// The lookup that a value of this type stands for, if it is one.
pub fn lookup_of(ty: &Type, value: &Value, region: &str) -> Option<Lookup> {
    let map = value.as_object()?;
    match ty {
        Type::Ref(kind) if map.contains_key("tags") => Some(Lookup::new(kind, region, value)),
        Type::Image => {
            let mut query = map.clone();
            query.remove("follow");
            Some(Lookup::new("image", region, &Value::Object(query)))
        }
        _ => None,
    }
}

/// Drops what is not ours, and turns the ids of owned objects into their addresses.
pub(super) fn build(
    mut objects: Vec<Object>,
    environment: &Environment,
    kinds: &Kinds,
    adopt: &HashSet<String>,
    standing: &Standing,
) -> Vec<Object> {
    let mut seen: HashSet<(String, String, String)> = HashSet::new();
    objects.retain(|o| {
        let ours =
            o.owner.as_ref().is_some_and(|w| w.project == environment.project && w.environment == environment.name);
        let asked = adopt.contains(&o.id) || o.identifiers.iter().any(|i| adopt.contains(i));
        (ours || asked) && seen.insert((o.kind.clone(), o.region.clone(), o.id.clone()))
    });
    for object in &mut objects {
        let foreign = object
            .owner
            .as_ref()
            .is_some_and(|w| w.project != environment.project || w.environment != environment.name);
        if foreign {
            // Another environment's: it can be looked at for adoption, but its address means nothing here.
            object.owner = None;
        }
    }
    let names = names(&objects, standing);
    for object in &mut objects {
        let Some(kind) = kinds.get(&object.kind) else { continue };
        map_to_addresses(kind, &object.region, &mut object.spec, &names);
    }
    objects.sort_by(|a, b| {
        (a.address(), &a.kind, a.generation(), &a.id).cmp(&(b.address(), &b.kind, b.generation(), &b.id))
    });
    objects
}

/// By kind and text: regions and addresses. A name may be taken once in each region.
type Names = HashMap<(String, String), Vec<(String, Address)>>;

/// Ids and other identifiers of the current object at each address.
fn names(objects: &[Object], standing: &Standing) -> Names {
    let mut names = HashMap::new();
    for (address, there) in observed::by_address(objects, standing) {
        let Some(at) = observed::current(&there) else { continue };
        for text in std::iter::once(&there[at].id).chain(&there[at].identifiers) {
            let there = there[at];
            let named: &mut Vec<_> = names.entry((there.kind.clone(), text.clone())).or_default();
            named.push((there.region.clone(), address.clone()));
        }
    }
    names
}

fn map_to_addresses(kind: &KindDef, region: &str, spec: &mut Value, names: &Names) {
    kind.schema.map_refs(spec, &mut |target, value| {
        let id = value.get("id").and_then(Value::as_str);
        let named = id.and_then(|id| names.get(&(target.to_owned(), id.to_owned())));
        let near = named.and_then(|list| list.iter().find(|(at, _)| at == region).or(list.iter().min()));
        if let Some((_, address)) = near {
            *value = Value::String(address.to_string());
        }
    });
}
