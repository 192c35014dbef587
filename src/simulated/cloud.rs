//! The simulated cloud as the engine sees it.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::attributes::{self, Seed};
use super::faults::FaultWhat;
use super::store::{Stored, World};
use super::{Error, Simulated};
use crate::model::Address;
use crate::model::cloud::{
    ApiError, Cloud, CreateRequest, DeleteRequest, ErrorClass, Identity, OwnRequest, ReadRequest, Resolved,
    UpdateRequest, Watch,
};
use crate::model::kind::{KindDef, Scope};
use crate::model::observed::{Lookup, Object, Status};
use crate::model::ownership::{self, Owner, hash};

/// Calls so far.
#[derive(Debug, Default)]
pub(super) struct Counters {
    calls: BTreeMap<String, u64>,
    /// Calls that each fault matched.
    faults: BTreeMap<usize, u64>,
}

impl Simulated {
    pub(super) fn kind(&self, name: &str) -> Result<&KindDef, ApiError> {
        self.kinds
            .get(name)
            .map(AsRef::as_ref)
            .ok_or_else(|| ApiError::new("simulated", ErrorClass::Invalid, format!("there is no kind `{name}`")))
    }

    fn operation(kind: &KindDef, verb: &str) -> String {
        let mut name = String::new();
        for part in kind.name.split('_') {
            let mut chars = part.chars();
            name.extend(chars.next().map(|c| c.to_ascii_uppercase()));
            name.extend(chars);
        }
        format!("{}:{verb}{name}", kind.facts.service)
    }

    fn count(&self, operation: &str, calls: u64) {
        let mut counters = self.counters.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *counters.calls.entry(operation.to_owned()).or_default() += calls;
    }

    /// The fault that this call meets, if any.
    fn fault(&self, verb: &str, kind: &str) -> Option<FaultWhat> {
        let mut counters = self.counters.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for (index, fault) in self.settings.faults.iter().enumerate().filter(|(_, f)| f.matches(verb, kind)) {
            let number = counters.faults.entry(index).or_default();
            *number += 1;
            if fault.strikes(self.settings.seed, *number) {
                return Some(fault.what);
            }
        }
        None
    }

    /// A fault that keeps the call from having an effect.
    fn fails_before(&self, fault: Option<FaultWhat>, operation: &str) -> Result<(), ApiError> {
        match fault {
            Some(FaultWhat::Throttle) => {
                Err(coded(operation, ErrorClass::Throttled, "RequestLimitExceeded", "too many requests"))
            }
            Some(FaultWhat::Error) => Err(coded(operation, ErrorClass::Other, "InternalError", "the service failed")),
            Some(FaultWhat::LostAnswer | FaultWhat::Timeout) | None => Ok(()),
        }
    }

    /// A fault that hides the effect.
    fn fails_after(fault: Option<FaultWhat>, operation: &str) -> Result<(), ApiError> {
        match fault {
            Some(FaultWhat::LostAnswer) => Err(ApiError::new(operation, ErrorClass::Unanswered, "the answer was lost")),
            Some(FaultWhat::Timeout) => {
                Err(ApiError::new(operation, ErrorClass::TimedOut, "it did not become usable in time"))
            }
            Some(FaultWhat::Throttle | FaultWhat::Error) | None => Ok(()),
        }
    }

    fn region_works(&self, world: &World, region: &str, operation: &str) -> Result<(), ApiError> {
        if world.lost_regions.contains(region) {
            return Err(ApiError::new(operation, ErrorClass::Other, format!("the region {region} does not answer")));
        }
        if self.settings.regions.contains_key(region) {
            return Ok(());
        }
        Err(coded(operation, ErrorClass::Invalid, "InvalidRegion", &format!("there is no region {region}")))
    }

    /// The zone exists and is not lost.
    fn zone_works(
        &self,
        world: &World,
        kind: &KindDef,
        region: &str,
        spec: &Value,
        operation: &str,
    ) -> Result<(), ApiError> {
        let Some(zone) = kind.facts.zone_field.and_then(|f| spec.get(f)).and_then(Value::as_str) else { return Ok(()) };
        let known = self.settings.regions.get(region).is_some_and(|zones| zones.iter().any(|z| z == zone));
        if !known {
            let message = format!("there is no zone {zone} in {region}");
            return Err(coded(operation, ErrorClass::Invalid, "InvalidZone.NotFound", &message));
        }
        if world.lost_zones.contains(zone) {
            return Err(coded(
                operation,
                ErrorClass::QuotaExceeded,
                "InsufficientCapacity",
                &format!("zone {zone} is lost"),
            ));
        }
        Ok(())
    }

    /// The spec with references as ids, each of which must be there.
    fn with_ids(
        &self,
        world: &World,
        kind: &KindDef,
        region: &str,
        spec: &Value,
        resolved: &Resolved,
        operation: &str,
    ) -> Result<Value, ApiError> {
        let mut spec = spec.clone();
        let mut missing = None;
        kind.schema.map_refs(&mut spec, &mut |target, value| {
            let id = match &*value {
                Value::String(address) => match resolved.get(address.as_str()) {
                    Some(known) => known.id.clone(),
                    None => {
                        missing.get_or_insert(format!("the {target} {address} is not known"));
                        return;
                    }
                },
                other => other.get("id").and_then(Value::as_str).unwrap_or_default().to_owned(),
            };
            if self.find(world, target, region, &id).is_none() {
                missing.get_or_insert(format!("the {target} '{id}' does not exist"));
            }
            *value = json!({ "id": id });
        });
        match missing {
            Some(message) => Err(coded(operation, ErrorClass::Invalid, "InvalidReference.NotFound", &message)),
            None => Ok(spec),
        }
    }

    /// An object by id or another identifier. Regional kinds are looked for in one region.
    fn find<'w>(&self, world: &'w World, kind: &str, region: &str, id: &str) -> Option<&'w Stored> {
        if let Some(found) = world.objects.get(&World::key(kind, region, id)) {
            return Some(found);
        }
        let global = self.kinds.get(kind).is_some_and(|k| k.facts.scope == Scope::Global);
        world.objects.values().find(|o| {
            o.kind == kind && (global || o.region == region) && (o.id == id || o.identifiers.iter().any(|i| i == id))
        })
    }

    fn make(&self, world: &mut World, request: &CreateRequest, operation: &str) -> Result<Object, ApiError> {
        let kind = self.kind(&request.kind)?;
        let region = &request.region;
        self.region_works(world, region, operation)?;
        self.zone_works(world, kind, region, &request.spec, operation)?;
        let spec = self.with_ids(world, kind, region, &request.spec, &request.resolved, operation)?;
        let same = |o: &&Stored| o.kind == request.kind && o.region == *region;
        if let Some(there) = world.objects.values().filter(same).find(|o| o.token == request.token) {
            return Ok(self.object(world, there));
        }
        if kind.facts.name_limit > 0 && world.objects.values().filter(same).any(|o| o.name == request.name) {
            let message = format!("a {} named {} exists already", kind.name, request.name);
            return Err(coded(operation, ErrorClass::Conflict, "AlreadyExists", &message));
        }
        let quota = self.settings.quotas.get(kind.name).copied().unwrap_or(kind.facts.quota);
        let count = world.objects.values().filter(same).count();
        if count >= quota as usize {
            let message = format!("at most {quota} of kind {} may stand in {region}", kind.name);
            return Err(coded(operation, ErrorClass::QuotaExceeded, "LimitExceeded", &message));
        }
        let id = attributes::new_id(world, self.settings.seed, kind, &request.name);
        let mut tags = user_tags(&spec);
        tags.extend(request.owner.tags());
        let mut stored = Stored {
            kind: request.kind.clone(),
            region: region.clone(),
            id: id.clone(),
            name: request.name.clone(),
            token: request.token.clone(),
            data: kind.facts.data_bearing.then(|| hash(&format!("{} {id} data", self.settings.seed), 16)),
            spec,
            tags,
            attributes: crate::model::value::Map::new(),
            identifiers: Vec::new(),
            status: Status::Ready,
            version: 1,
            created_at: world.clock,
            unseen: self.settings.lag_reads,
        };
        self.describe(kind, &mut stored);
        let object = self.object(world, &stored);
        world.objects.insert(World::key(kind.name, region, &id), stored);
        Ok(object)
    }

    /// Attributes and identifiers from the present state.
    fn describe(&self, kind: &KindDef, stored: &mut Stored) {
        let seed = Seed {
            kind,
            region: &stored.region,
            account: &self.settings.account,
            name: &stored.name,
            id: &stored.id,
            spec: &stored.spec,
            version: stored.version,
        };
        let attributes = attributes::all(&seed);
        let mut identifiers = vec![attributes::arn(&seed)];
        if !stored.name.is_empty() && stored.name != stored.id {
            identifiers.push(stored.name.clone());
        }
        stored.attributes = attributes;
        stored.identifiers = identifiers;
    }

    /// An object as a read gives it.
    pub(super) fn object(&self, world: &World, stored: &Stored) -> Object {
        let kind = self.kinds.get(&stored.kind);
        let zone = kind
            .and_then(|k| k.facts.zone_field)
            .and_then(|f| stored.spec.get(f))
            .and_then(Value::as_str)
            .filter(|z| world.lost_zones.contains(*z));
        let status = match zone {
            Some(zone) => Status::Failed(format!("zone {zone} is lost")),
            None => stored.status.clone(),
        };
        let mut spec = stored.spec.clone();
        if let (Value::Object(map), true) = (&mut spec, kind.is_some_and(|k| k.schema.field("tags").is_some())) {
            let tags = ownership::user_tags(&stored.tags, &stored.name);
            if tags.is_empty() {
                map.remove("tags");
            } else {
                map.insert("tags".to_owned(), tags.into_iter().map(|(k, v)| (k, Value::String(v))).collect());
            }
        }
        Object {
            kind: stored.kind.clone(),
            region: stored.region.clone(),
            id: stored.id.clone(),
            identifiers: stored.identifiers.clone(),
            owner: Owner::from_tags(&stored.tags),
            spec,
            attributes: stored.attributes.clone(),
            status,
            unread: Vec::new(),
        }
    }

    fn alter(&self, world: &mut World, request: &UpdateRequest, operation: &str) -> Result<Object, ApiError> {
        let kind = self.kind(&request.object.kind)?;
        let region = &request.object.region;
        self.region_works(world, region, operation)?;
        let key = World::key(kind.name, region, &request.object.id);
        let desired = &request.desired;
        let wanted = self.with_ids(world, kind, region, &desired.spec, &desired.resolved, operation)?;
        let Some(mut stored) = world.objects.get(&key).cloned() else {
            let message = format!("the {} '{}' does not exist", kind.name, request.object.id);
            return Err(coded(operation, ErrorClass::NotFound, "NotFound", &message));
        };
        if let (Value::Object(have), Value::Object(want)) = (&mut stored.spec, &wanted) {
            for field in &request.changed {
                match want.get(field) {
                    Some(value) => {
                        have.insert(field.clone(), value.clone());
                    }
                    None => {
                        have.remove(field);
                    }
                }
            }
        }
        if request.changed.contains("tags") {
            stored.tags.retain(|k, _| k.starts_with(ownership::PREFIX));
            stored.tags.extend(user_tags(&wanted));
        }
        stored.tags.extend(desired.owner.tags());
        if request.changed.iter().any(|f| f != "tags") {
            stored.version += 1;
        }
        self.describe(kind, &mut stored);
        let object = self.object(world, &stored);
        world.objects.insert(key, stored);
        Ok(object)
    }

    /// The id of an object that still refers to this one.
    fn user_of<'w>(&self, world: &'w World, stored: &Stored) -> Option<&'w Stored> {
        let names = |id: &str| id == stored.id || stored.identifiers.iter().any(|i| i == id);
        let near = |o: &Stored| {
            o.region == stored.region || self.kinds.get(&stored.kind).is_some_and(|k| k.facts.scope == Scope::Global)
        };
        world.objects.values().filter(|o| near(o) && !(o.kind == stored.kind && o.id == stored.id)).find(|other| {
            let Some(kind) = self.kinds.get(&other.kind) else { return false };
            let mut used = false;
            for field in &kind.schema.fields {
                if kind.facts.loose_refs.contains(&field.name.as_str()) {
                    continue;
                }
                let Some(value) = other.spec.get(&field.name) else { continue };
                let one = crate::model::schema::Schema { fields: vec![field.clone()] };
                let whole = json!({ field.name.as_str(): value });
                one.visit_refs(&whole, &mut |target, reference| {
                    used |= target == stored.kind && reference.get("id").and_then(Value::as_str).is_some_and(names);
                });
            }
            used
        })
    }

    fn remove(&self, world: &mut World, object: &Object, operation: &str) -> Result<(), ApiError> {
        self.region_works(world, &object.region, operation)?;
        let key = World::key(&object.kind, &object.region, &object.id);
        let Some(stored) = world.objects.get(&key) else { return Ok(()) };
        if let Some(user) = self.user_of(world, stored) {
            let message = format!("{} '{}' is still used by {} '{}'", object.kind, object.id, user.kind, user.id);
            return Err(coded(operation, ErrorClass::Conflict, "DependencyViolation", &message));
        }
        world.objects.remove(&key);
        Ok(())
    }

    /// Virtual time passes; with a speed, real time does too.
    async fn pass(&self, seconds: u32, watch: &dyn Watch, what: &str) {
        if seconds > 0 {
            watch.waiting(what);
        }
        if let Some(millis) = (u64::from(seconds) * 1000).checked_div(u64::from(self.settings.speed)) {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        }
    }
}

fn coded(operation: &str, class: ErrorClass, code: &str, message: &str) -> ApiError {
    ApiError { code: Some(code.to_owned()), ..ApiError::new(operation, class, message) }
}

fn broken(operation: &str) -> impl Fn(Error) -> ApiError + '_ {
    move |e| {
        let mut message = e.to_string();
        if let Some(source) = std::error::Error::source(&e) {
            message = format!("{message}: {source}");
        }
        ApiError::new(operation, ErrorClass::Other, message)
    }
}

fn user_tags(spec: &Value) -> BTreeMap<String, String> {
    let tags = spec.get("tags").and_then(Value::as_object);
    tags.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}

#[async_trait]
impl Cloud for Simulated {
    fn label(&self) -> &'static str {
        "simulated"
    }

    async fn identity(&self) -> Result<Identity, ApiError> {
        let account = self.settings.account.clone();
        Ok(Identity { caller: format!("arn:simulated:iam::{account}:user/you"), account })
    }

    async fn read_batch(&self, request: &ReadRequest<'_>) -> Result<Vec<Object>, ApiError> {
        let kind = self.kind(request.kind)?;
        let operation = Self::operation(kind, "Describe");
        let fault = self.fault("read", request.kind);
        let world = self.store.read().map_err(broken(&operation))?;
        let ours = |o: &Stored| {
            o.tags.get(ownership::PROJECT).is_some_and(|p| p == request.project)
                && o.tags.get(ownership::ENVIRONMENT).is_some_and(|e| e == request.environment)
        };
        let asked = |o: &Stored| request.adopt.iter().any(|a| *a == o.id || o.identifiers.contains(a));
        let found: Vec<&Stored> = world
            .objects
            .values()
            .filter(|o| o.kind == request.kind && o.region == request.region)
            .filter(|o| ours(o) || asked(o))
            .collect();
        self.count(&operation, (found.len() as u64).div_ceil(1000).max(1));
        self.fails_before(fault, &operation)?;
        Self::fails_after(fault, &operation)?;
        self.region_works(&world, request.region, &operation)?;
        let objects = found.iter().filter(|o| o.unseen == 0).map(|o| self.object(&world, o)).collect();
        let unseen: Vec<String> =
            found.iter().filter(|o| o.unseen > 0).map(|o| World::key(&o.kind, &o.region, &o.id)).collect();
        if !unseen.is_empty() {
            let saved = self.store.change(|world| {
                for key in &unseen {
                    if let Some(object) = world.objects.get_mut(key) {
                        object.unseen = object.unseen.saturating_sub(1);
                    }
                }
                Ok::<(), ApiError>(())
            });
            saved.map_err(broken(&operation))??;
        }
        Ok(objects)
    }

    async fn lookup(&self, lookup: &Lookup) -> Result<String, ApiError> {
        let operation = format!("lookup {}", lookup.what);
        self.count(&format!("simulated:Lookup{}", lookup.what), 1);
        if lookup.what == "image" {
            return Ok(format!("ami-{}", hash(&format!("{} {}", self.settings.seed, lookup.query), 17)));
        }
        let query: BTreeMap<String, BTreeMap<String, String>> = serde_json::from_str(&lookup.query)
            .map_err(|e| ApiError::new(operation.as_str(), ErrorClass::Invalid, e.to_string()))?;
        let tags = query.get("tags").cloned().unwrap_or_default();
        let world = self.store.read().map_err(broken(&operation))?;
        let found: Vec<&Stored> = world
            .objects
            .values()
            .filter(|o| o.kind == lookup.what && o.region == lookup.region)
            .filter(|o| tags.iter().all(|(k, v)| o.tags.get(k) == Some(v)))
            .collect();
        match found.as_slice() {
            [only] => Ok(only.id.clone()),
            [] => {
                Err(ApiError::new(operation, ErrorClass::NotFound, format!("no {} has the tags {tags:?}", lookup.what)))
            }
            several => {
                let message = format!("{} of kind {} have the tags {tags:?}", several.len(), lookup.what);
                Err(ApiError::new(operation, ErrorClass::Invalid, message))
            }
        }
    }

    async fn create(&self, request: &CreateRequest, watch: &dyn Watch) -> Result<Object, ApiError> {
        let kind = self.kind(&request.kind)?;
        let operation = Self::operation(kind, "Create");
        self.count(&operation, 1);
        let fault = self.fault("create", &request.kind);
        self.fails_before(fault, &operation)?;
        let seconds = kind.facts.creation_seconds;
        let made = self.store.change(|world| self.make(world, request, &operation)).map_err(broken(&operation))??;
        self.pass(seconds, watch, &format!("the {} to be usable", kind.facts.title)).await;
        let later = self.store.change(|world| {
            let key = World::key(&made.kind, &made.region, &made.id);
            let ready = world.objects.get(&key).map_or(0, |o| o.created_at) + u64::from(seconds);
            world.clock = world.clock.max(ready);
            Ok::<(), ApiError>(())
        });
        later.map_err(broken(&operation))??;
        Self::fails_after(fault, &operation)?;
        Ok(made)
    }

    async fn update(&self, request: &UpdateRequest, _: &dyn Watch) -> Result<Object, ApiError> {
        let kind = self.kind(&request.object.kind)?;
        let operation = Self::operation(kind, "Modify");
        self.count(&operation, 1);
        let fault = self.fault("update", &request.object.kind);
        self.fails_before(fault, &operation)?;
        let changed =
            self.store.change(|world| self.alter(world, request, &operation)).map_err(broken(&operation))??;
        Self::fails_after(fault, &operation)?;
        Ok(changed)
    }

    async fn delete(&self, request: &DeleteRequest, watch: &dyn Watch) -> Result<(), ApiError> {
        let kind = self.kind(&request.object.kind)?;
        let operation = Self::operation(kind, "Delete");
        self.count(&operation, 1);
        let fault = self.fault("delete", &request.object.kind);
        self.fails_before(fault, &operation)?;
        self.store.change(|world| self.remove(world, &request.object, &operation)).map_err(broken(&operation))??;
        self.pass(kind.facts.deletion_seconds, watch, &format!("the {} to be gone", kind.facts.title)).await;
        Self::fails_after(fault, &operation)
    }

    async fn own(&self, request: &OwnRequest) -> Result<(), ApiError> {
        let kind = self.kind(&request.object.kind)?;
        let operation = Self::operation(kind, "Tag");
        self.count(&operation, 1);
        let key = World::key(kind.name, &request.object.region, &request.object.id);
        let outcome = self.store.change(|world| match world.objects.get_mut(&key) {
            None => Err(coded(
                &operation,
                ErrorClass::NotFound,
                "NotFound",
                &format!("'{}' does not exist", request.object.id),
            )),
            Some(stored) => {
                stored.tags.retain(|k, _| !k.starts_with(ownership::PREFIX));
                if let Some(owner) = &request.owner {
                    stored.tags.extend(owner.tags());
                }
                Ok(())
            }
        });
        outcome.map_err(broken(&operation))?
    }

    fn calls(&self) -> BTreeMap<String, u64> {
        self.counters.lock().unwrap_or_else(std::sync::PoisonError::into_inner).calls.clone()
    }
}

/// The address of an object, as people see it.
pub(super) fn address(stored: &Stored) -> Option<Address> {
    Owner::from_tags(&stored.tags).map(|o| o.address)
}
