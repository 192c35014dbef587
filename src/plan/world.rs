//! The inventory as the planner sees it: owned objects by their present address, and what could not be read.

use std::collections::{BTreeMap, HashMap};

use crate::model::Address;
use crate::model::kind::{KindDef, Scope};
use crate::model::observed::{self, Object, Status};
use crate::model::schema::{Schema, Type};

use super::Inputs;

/// The observed side of a plan.
pub(super) struct World<'a> {
    pub inputs: &'a Inputs<'a>,
    /// Old address to present one.
    pub moved: HashMap<&'a str, &'a Address>,
    /// Owned objects by present address, in order of generation, without those being deleted.
    pub objects: BTreeMap<&'a Address, Vec<&'a Object>>,
    /// Owned objects on their way out.
    pub deleting: Vec<&'a Object>,
    /// Highest generation seen at an address, those being deleted included.
    highest: HashMap<&'a Address, u32>,
    /// Moves whose both ends have objects: (before, now).
    pub torn: Vec<(&'a Address, &'a Address)>,
}

impl<'a> World<'a> {
    pub fn new(inputs: &'a Inputs<'a>) -> Self {
        let mut world = Self {
            inputs,
            moved: if inputs.destroy { HashMap::new() } else { moves(inputs) },
            objects: BTreeMap::new(),
            deleting: Vec::new(),
            highest: HashMap::new(),
            torn: Vec::new(),
        };
        let tagged: BTreeMap<&str, &Address> =
            world.owned().filter_map(Object::address).map(|a| (a.as_str(), a)).collect();
        let both = world.moved.iter().filter(|(_, now)| tagged.contains_key(now.as_str()));
        world.torn = both.filter_map(|(before, now)| Some((*tagged.get(before)?, *now))).collect();
        world.torn.sort();
        for object in &inputs.observed.objects {
            if !world.is_owned(object) {
                continue;
            }
            let Some(tagged) = object.address() else { continue };
            let address = world.moved.get(tagged.as_str()).copied().unwrap_or(tagged);
            let highest = world.highest.entry(address).or_default();
            *highest = (*highest).max(object.generation());
            if object.status == Status::Deleting {
                world.deleting.push(object);
            } else {
                world.objects.entry(address).or_default().push(object);
            }
        }
        world.deleting.sort_by(|a, b| (a.address(), &a.id).cmp(&(b.address(), &b.id)));
        for list in world.objects.values_mut() {
            observed::order(list, &inputs.observed.standing);
        }
        world
    }

    fn owned(&self) -> impl Iterator<Item = &'a Object> + use<'a, '_> {
        self.inputs.observed.objects.iter().filter(|o| self.is_owned(o) && o.status != Status::Deleting)
    }

    fn is_owned(&self, object: &Object) -> bool {
        let environment = &self.inputs.desired.environment;
        object.owner.as_ref().is_some_and(|o| o.project == environment.project && o.environment == environment.name)
    }

    /// Owned objects at an address, oldest first.
    pub fn at(&self, address: &Address) -> &[&'a Object] {
        self.objects.get(address).map_or(&[], Vec::as_slice)
    }

    /// The object that an address in a spec as read means.
    pub fn meant(&self, address: &str) -> Option<&'a Object> {
        let present = Address::parse(self.present(address)).ok()?;
        let tagged = |o: &&&Object| o.address().is_some_and(|a| a.as_str() == address);
        let objects: Vec<&Object> = self.at(&present).iter().filter(tagged).copied().collect();
        observed::current(&objects).map(|at| objects[at])
    }

    /// The generation for a new object at an address.
    pub fn next_generation(&self, address: &Address) -> u32 {
        self.highest.get(address).map_or(1, |g| g + 1)
    }

    /// Whether an address is part of this plan.
    pub fn selected(&self, address: &Address) -> bool {
        let stacks = self.inputs.stacks;
        let limited = self.inputs.limits.is_some_and(|l| !l.only.contains(address));
        !limited && (stacks.is_empty() || stacks.iter().any(|s| s == address.stack()))
    }

    /// Why a kind is not known in a region, if so.
    pub fn unobserved(&self, kind: &str, region: &str) -> Option<&'a str> {
        let unobserved = &self.inputs.observed.unobserved;
        if unobserved.is_empty() {
            return None;
        }
        unobserved.get(&(kind.to_owned(), region.to_owned())).map(String::as_str)
    }

    /// A kind that could not be read and whose objects may refer to objects of `kind` in this region: (kind, region,
    /// why).
    pub fn unread_user(&self, kind: &str, at: &str) -> Option<(&'a str, &'a str, &'a str)> {
        let global = |name: &str| self.inputs.kinds.get(name).is_none_or(|k| k.facts.scope == Scope::Global);
        self.inputs.observed.unobserved.iter().find_map(|((name, region), why)| {
            let near = region == at || global(name) || global(kind);
            let refers = near && self.inputs.kinds.get(name).is_none_or(|k| may_refer(k, kind));
            refers.then_some((name.as_str(), region.as_str(), why.as_str()))
        })
    }

    /// The present address of an address in tags or specs as read.
    pub fn present<'s>(&'s self, observed: &'s str) -> &'s str {
        self.moved.get(observed).map_or(observed, |now| now.as_str())
    }
}

/// Whether an object has this id, or is otherwise identified by it.
pub(super) fn identified(object: &Object, id: &str) -> bool {
    object.id == id || object.identifiers.iter().any(|i| i == id)
}

/// Moves by the old address, chains followed to their end. Only to what is declared, from what is not.
fn moves<'a>(inputs: &Inputs<'a>) -> HashMap<&'a str, &'a Address> {
    let desired = inputs.desired;
    let steps: HashMap<&str, &'a Address> = desired.moved.iter().map(|(b, n)| (b.as_str(), n)).collect();
    let mut moved = HashMap::new();
    for (before, now) in desired.moved.iter().filter(|(b, _)| !desired.resources.contains_key(b)) {
        let mut end = now;
        for _ in 0..steps.len() {
            match steps.get(end.as_str()) {
                Some(next) if !desired.resources.contains_key(end) => end = next,
                Some(_) | None => break,
            }
        }
        if desired.resources.contains_key(end) {
            moved.insert(before.as_str(), end);
        }
    }
    moved
}

fn may_refer(from: &KindDef, to: &str) -> bool {
    fn any(schema: &Schema, to: &str, loose: &[&str]) -> bool {
        schema.fields.iter().any(|f| !loose.contains(&f.name.as_str()) && has(&f.ty, to))
    }
    fn has(ty: &Type, to: &str) -> bool {
        match ty {
            Type::Ref(kind) => kind == to,
            Type::Object(schema) => any(schema, to, &[]),
            Type::List(inner, ..) | Type::Map(inner) => has(inner, to),
            _ => false,
        }
    }
    any(&from.schema, to, from.facts.loose_refs)
}
