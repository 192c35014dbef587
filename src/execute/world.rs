//! What is known of the cloud while a plan is carried out, and the requests that follow from it.
//!
//! Starts as the inventory saw it, and takes in every result, so that what depends on a new object sees its identity.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use super::spec;
use crate::model::Address;
use crate::model::cloud::{CreateRequest, DeleteRequest, Identified, OwnRequest, Resolved, UpdateRequest};
use crate::model::desired::{Desired, Output, Resource};
use crate::model::kind::{KindDef, Kinds};
use crate::model::observed::{self, Object, Observed};
use crate::model::ownership::{self, Owner};
use crate::model::plan::{Action, Operation, PROTECT, Plan, Step};
use crate::model::value::{Token, is_unknown, substitute};

/// Kind, region, id.
type Key = (String, String, String);

pub(super) struct World<'a> {
    plan: &'a Plan,
    desired: &'a Desired,
    kinds: &'a Kinds,
    objects: HashMap<Key, Object>,
    current: BTreeMap<Address, Key>,
    /// Ids that references by address stood for when the inventory was made.
    seen: HashMap<Address, String>,
    /// Address by kind and id or identifier, of every object that is or was current.
    names: HashMap<(String, String), Address>,
    /// Actions that have an update step, after which fingerprints are true.
    updated: BTreeSet<usize>,
}

impl<'a> World<'a> {
    pub(super) fn new(plan: &'a Plan, desired: &'a Desired, observed: &Observed, kinds: &'a Kinds) -> Self {
        let mut world = Self {
            plan,
            desired,
            kinds,
            objects: observed.objects.iter().map(|o| (key(o), o.clone())).collect(),
            current: BTreeMap::new(),
            seen: HashMap::new(),
            names: HashMap::new(),
            updated: plan.steps.iter().filter(|s| s.operation == Operation::Update).map(|s| s.action).collect(),
        };
        for (address, objects) in observed.by_address() {
            if let Some(object) = observed::current(&objects).map(|at| objects[at]) {
                world.seen.insert(address.clone(), object.id.clone());
                world.name(address, object);
                world.current.insert(address.clone(), key(object));
            }
        }
        for (before, now) in &desired.moved {
            if !world.current.contains_key(now)
                && let Some(key) = world.current.get(before).cloned()
            {
                world.current.insert(now.clone(), key);
            }
        }
        world
    }

    fn name(&mut self, address: &Address, object: &Object) {
        for id in std::iter::once(&object.id).chain(&object.identifiers) {
            self.names.insert((object.kind.clone(), id.clone()), address.clone());
        }
    }

    fn current(&self, address: &str) -> Option<&Object> {
        self.objects.get(self.current.get(address)?)
    }

    /// The value of a token: an attribute, or a top-level field of the source's spec.
    fn attribute(&self, token: Token<'_>) -> Option<Value> {
        let object = self.current(token.address);
        if let Some(object) = object {
            if let Some(value) = object.attributes.get(token.attribute).or_else(|| object.spec.get(token.attribute)) {
                return Some(value.clone());
            }
            if token.attribute == "id" {
                return Some(Value::String(object.id.clone()));
            }
        }
        let declared = self.desired.resources.get(token.address)?.spec.get(token.attribute)?;
        (!is_unknown(declared)).then(|| declared.clone())
    }

    fn resolved<'v>(&self, addresses: impl IntoIterator<Item = &'v str>) -> Resolved {
        let mut resolved = Resolved::new();
        for address in addresses {
            if let (Some(object), Ok(address)) = (self.current(address), Address::parse(address)) {
                let identified = Identified { id: object.id.clone(), attributes: object.attributes.clone() };
                resolved.insert(address, identified);
            }
        }
        resolved
    }

    fn owner(&self, resource: &Resource, generation: u32, fingerprints: BTreeMap<String, String>) -> Owner {
        Owner {
            project: self.plan.project.clone(),
            environment: self.plan.environment.clone(),
            address: resource.address.clone(),
            generation,
            fingerprints,
            protected: resource.lifecycle.protect,
        }
    }

    fn resource(&self, action: &Action) -> Result<&'a Resource, String> {
        self.desired
            .resources
            .get(&action.address)
            .ok_or_else(|| format!("{} is not declared in the files any more", action.address))
    }

    /// The declared spec with everything filled in: what fingerprints are made from.
    fn fingerprints(&self, resource: &Resource) -> Result<BTreeMap<String, String>, String> {
        let declared = spec::fill(&resource.spec, &|token| self.attribute(token))?;
        Ok(ownership::fingerprints(&resource.kind.schema, &declared))
    }

    /// The request that makes the object of an action.
    ///
    /// # Errors
    /// What is missing or wrong in the complete spec.
    pub(super) fn create_request(&self, action: &Action) -> Result<CreateRequest, String> {
        let resource = self.resource(action)?;
        let kind = &resource.kind;
        let whole = spec::restore(&action.spec, &resource.spec).map_err(|path| {
            format!("the value of `{path}` is kept out of the plan, and the files don't hold it any more")
        })?;
        let spec = spec::checked(kind, &spec::fill(&whole, &|token| self.attribute(token))?)?;
        let mut refers: BTreeSet<&str> = resource.references.iter().map(Address::as_str).collect();
        kind.schema.visit_refs(&spec, &mut |_, value| refers.extend(value.as_str()));
        let resolved = self.resolved(refers);
        let mut missing = None;
        kind.schema.visit_refs(&spec, &mut |_, value| {
            if let Some(address) = value.as_str().filter(|a| !resolved.contains_key(*a)) {
                missing.get_or_insert_with(|| format!("{address}, which it refers to, is not there"));
            }
        });
        if let Some(missing) = missing {
            return Err(missing);
        }
        let (project, environment) = (&self.plan.project, &self.plan.environment);
        let name_limit = kind.facts.name_limit;
        Ok(CreateRequest {
            kind: action.kind.clone(),
            region: action.region.clone(),
            owner: self.owner(resource, action.generation, self.fingerprints(resource)?),
            tags: self.desired.environment.tags.clone(),
            name: ownership::physical_name(project, environment, &action.address, action.generation, name_limit),
            token: ownership::idempotency_token(&self.plan.id, &action.address, action.generation),
            spec,
            resolved,
        })
    }

    /// The request that changes the object of a step.
    ///
    /// # Errors
    /// As [`World::create_request`], or if the object is not known.
    pub(super) fn update_request(&self, step: &Step, action: &Action) -> Result<UpdateRequest, String> {
        let mut desired = self.create_request(action)?;
        let object = self.object(step, action)?;
        if let Some(kind) = self.kinds.get(&object.kind) {
            let mut refers = Vec::new();
            kind.schema.visit_refs(&object.spec, &mut |_, value| refers.extend(value.as_str()));
            for (address, identified) in self.resolved(refers) {
                desired.resolved.entry(address).or_insert(identified);
            }
        }
        // Protection is a difference of the owner's tags, not of a field.
        let own = |field: &&str| *field == PROTECT && self.kinds.get(&action.kind).is_some_and(|k| !has(k, field));
        let fields = action.changes.iter().map(|c| first_segment(&c.path)).filter(|field| !own(field));
        let changed = fields.map(str::to_owned).collect();
        Ok(UpdateRequest { desired, object, changed })
    }

    /// The request that deletes the object of a step.
    ///
    /// # Errors
    /// If the object is not known.
    pub(super) fn delete_request(&self, step: &Step, action: &Action) -> Result<DeleteRequest, String> {
        Ok(DeleteRequest { object: self.object(step, action)? })
    }

    /// The request that writes our ownership tags. Where an update follows, the fingerprints stay those of the object,
    /// so that after an interruption the difference is still seen.
    ///
    /// # Errors
    /// If the object is not known, or a value is missing that fingerprints are made from.
    pub(super) fn own_request(&self, step: &Step, action: &Action) -> Result<OwnRequest, String> {
        let object = self.object(step, action)?;
        let resource = self.resource(action)?;
        let fingerprints = if self.updated.contains(&step.action) {
            object.owner.as_ref().map(|o| o.fingerprints.clone()).unwrap_or_default()
        } else {
            self.fingerprints(resource)?
        };
        let owner = self.owner(resource, action.generation, fingerprints);
        Ok(OwnRequest { object, owner: Some(owner) })
    }

    /// The request that removes our ownership tags.
    ///
    /// # Errors
    /// If the object is not known.
    pub(super) fn disown_request(&self, step: &Step, action: &Action) -> Result<OwnRequest, String> {
        Ok(OwnRequest { object: self.object(step, action)?, owner: None })
    }

    /// The place of an action's object.
    fn place(action: &Action, id: &str) -> Key {
        let touched = action.objects.iter().find(|o| o.id == id);
        let region = touched.map_or(&action.region, |o| &o.region);
        (action.kind.clone(), region.clone(), id.to_owned())
    }

    /// The object of a step. A reference whose target has been replaced or deleted in this run is given by the id that
    /// it really holds: the address means another object now.
    fn object(&self, step: &Step, action: &Action) -> Result<Object, String> {
        let known = step.object.as_ref().and_then(|id| self.objects.get(&Self::place(action, id)));
        let id = step.object.as_deref().unwrap_or("without id");
        let mut object = known.cloned().ok_or_else(|| format!("the object {id} was not read"))?;
        if let Some(kind) = self.kinds.get(&object.kind) {
            kind.schema.map_refs(&mut object.spec, &mut |_, value| {
                let Some(address) = value.as_str() else { return };
                if let Some(seen) = self.seen.get(address)
                    && self.current(address).is_none_or(|now| now.id != *seen)
                {
                    *value = serde_json::json!({ "id": seen });
                }
            });
        }
        Ok(object)
    }

    /// Takes in the object that a create or update returned, and gives it back with addresses for references.
    pub(super) fn written(&mut self, action: &Action, owner: &Owner, mut object: Object) -> Object {
        if let Some(kind) = self.kinds.get(&object.kind).cloned() {
            self.to_addresses(&kind, &mut object.spec);
        }
        object.owner.get_or_insert_with(|| owner.clone());
        self.name(&action.address, &object);
        self.current.insert(action.address.clone(), key(&object));
        self.objects.insert(key(&object), object.clone());
        object
    }

    fn to_addresses(&self, kind: &KindDef, spec: &mut Value) {
        kind.schema.map_refs(spec, &mut |target, value| {
            let id = value.get("id").and_then(Value::as_str);
            let address = id.and_then(|id| self.names.get(&(target.to_owned(), id.to_owned())));
            if let Some(address) = address {
                *value = Value::String(address.to_string());
            }
        });
    }

    /// Takes in a deletion or a release: the object is no longer ours.
    pub(super) fn gone(&mut self, step: &Step, action: &Action) {
        let Some(id) = &step.object else { return };
        let key = Self::place(action, id);
        if self.current.get(&action.address) == Some(&key) {
            self.current.remove(&action.address);
        }
    }

    /// Takes in that an object has a new owner, and gives it back.
    pub(super) fn owned(&mut self, step: &Step, action: &Action, owner: Owner) -> Option<Object> {
        let key = Self::place(action, step.object.as_ref()?);
        let object = self.objects.get_mut(&key)?;
        let before = object.owner.replace(owner).map(|o| o.address);
        let object = object.clone();
        if let Some(before) = before.filter(|b| *b != action.address && self.current.get(b) == Some(&key)) {
            self.current.remove(&before);
        }
        self.name(&action.address, &object);
        self.seen.entry(action.address.clone()).or_insert_with(|| object.id.clone());
        self.current.insert(action.address.clone(), key);
        Some(object)
    }

    /// The outputs with all that is known by now.
    pub(super) fn outputs(&self) -> BTreeMap<String, BTreeMap<String, Output>> {
        let mut outputs = self.desired.outputs.clone();
        for output in outputs.values_mut().flat_map(BTreeMap::values_mut) {
            output.value = substitute(&output.value, &|token| self.attribute(token)).into_owned();
        }
        outputs
    }
}

fn key(object: &Object) -> Key {
    (object.kind.clone(), object.region.clone(), object.id.clone())
}

fn has(kind: &KindDef, field: &str) -> bool {
    kind.schema.field(field).is_some()
}

fn first_segment(path: &str) -> &str {
    path.split('.').next().unwrap_or(path)
}
