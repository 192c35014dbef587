//! What calls do to the world, and what it refuses.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Simulated;
use super::attributes::{self, Seed};
use super::commands::point;
use super::record::{RecoveryPoint, Stored};
use super::world::World;
use crate::model::Address;
use crate::model::cloud::{ApiError, CreateRequest, ErrorClass, OwnRequest, Resolved, UpdateRequest};
use crate::model::kind::{KindDef, Recovery};
use crate::model::observed::{Object, Status};
use crate::model::ownership::{self, Owner, hash};

impl Simulated {
    pub(super) fn region_works(&self, world: &World, region: &str, operation: &str) -> Result<(), ApiError> {
        if world.conditions.lost_regions.contains(region) {
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
        let Some(zone) = zone(kind, spec) else { return Ok(()) };
        let known = self.settings.regions.get(region).is_some_and(|zones| zones.iter().any(|z| z == zone));
        if !known {
            let message = format!("there is no zone {zone} in {region}");
            return Err(coded(operation, ErrorClass::Invalid, "InvalidZone.NotFound", &message));
        }
        if world.conditions.lost_zones.contains(zone) {
            let message = format!("zone {zone} is lost");
            return Err(coded(operation, ErrorClass::QuotaExceeded, "InsufficientCapacity", &message));
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
        let (mut missing, mut unfit) = (None, None);
        kind.schema.map_refs(&mut spec, &mut |target, value| {
            let id = match &*value {
                Value::String(address) => match resolved.get(address.as_str()) {
                    // In another region an object is known by its ARN only.
                    Some(known) => match known.attributes.get("arn").and_then(Value::as_str) {
                        Some(arn) if world.find(target, region, &known.id).is_none() => arn.to_owned(),
                        _ => known.id.clone(),
                    },
                    None => {
                        missing.get_or_insert(format!("the {target} {address} is not known"));
                        return;
                    }
                },
                other => other.get("id").and_then(Value::as_str).unwrap_or_default().to_owned(),
            };
            // What the service itself provides is always there.
            if self.kinds.get(target).is_some_and(|k| k.provided.iter().any(|p| id.starts_with(p))) {
                *value = json!({ "id": id });
                return;
            }
            match world.find(target, region, &id).filter(|o| o.gone_at.is_none()) {
                None => missing = missing.take().or_else(|| Some(format!("the {target} '{id}' does not exist"))),
                Some(there) if self.is_pending(world, there) => {
                    unfit.get_or_insert(format!("the {target} '{id}' is not usable yet"));
                }
                Some(_) => {}
            }
            *value = json!({ "id": id });
        });
        match (missing, unfit) {
            (Some(message), _) => Err(coded(operation, ErrorClass::Invalid, "InvalidReference.NotFound", &message)),
            (None, Some(message)) => Err(coded(operation, ErrorClass::Conflict, "IncorrectState", &message)),
            (None, None) => Ok(spec),
        }
    }

    /// Creates. The same token again gives the same object again.
    pub(super) fn make(&self, world: &mut World, request: &CreateRequest, operation: &str) -> Result<Object, ApiError> {
        let kind = self.kind(&request.kind)?;
        let region = &request.region;
        self.region_works(world, region, operation)?;
        if let Some(there) = world.made_by(kind.name, region, &request.token) {
            return Ok(self.object(world, there, region));
        }
        self.zone_works(world, kind, region, &request.spec, operation)?;
        let spec = self.with_ids(world, kind, region, &request.spec, &request.resolved, operation)?;
        if kind.facts.name_limit > 0 && world.named(kind.name, region, &request.name).is_some() {
            let message = format!("another {} named {} exists already", kind.name, request.name);
            return Err(coded(operation, ErrorClass::Conflict, "AlreadyExists", &message));
        }
        let quota = self.settings.quotas.get(kind.name).copied().unwrap_or(kind.facts.quota);
        if world.count(kind.name, region) >= quota as usize {
            let message = format!("at most {quota} of kind {} may stand in {region}", kind.name);
            return Err(coded(operation, ErrorClass::QuotaExceeded, "LimitExceeded", &message));
        }
        let id = attributes::new_id(&mut world.conditions, self.settings.seed, kind, &request.name);
        let mut tags = user_tags(&spec);
        tags.extend(request.owner.tags());
        let mut stored = Stored {
            kind: request.kind.clone(),
            region: region.clone(),
            name: request.name.clone(),
            token: request.token.clone(),
            data: kind.facts.data_bearing().then(|| hash(&format!("{} {id} data", self.settings.seed), 16)),
            id,
            spec,
            tags,
            attributes: crate::model::value::Map::new(),
            identifiers: Vec::new(),
            status: Status::Ready,
            version: 1,
            created_at: world.conditions.clock,
            gone_at: None,
            unseen: self.settings.lag_reads,
        };
        self.describe(kind, &mut stored);
        let object = self.object(world, &stored, region);
        world.put(stored);
        Ok(object)
    }

    /// Attributes and identifiers from the present state.
    pub(super) fn describe(&self, kind: &KindDef, stored: &mut Stored) {
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

    /// The status as it is now: what stands in a lost zone has failed.
    pub(super) fn status(&self, world: &World, stored: &Stored) -> Status {
        let zone = self.kinds.get(&stored.kind).and_then(|k| zone(k, &stored.spec));
        match zone.filter(|z| world.conditions.lost_zones.contains(*z)) {
            Some(zone) => Status::Failed(format!("zone {zone} is lost")),
            None if stored.gone_at.is_some() => Status::Deleting,
            None if self.is_pending(world, stored) => Status::Pending("pending".to_owned()),
            None => stored.status.clone(),
        }
    }

    /// Whether it is too new to be used.
    fn is_pending(&self, world: &World, stored: &Stored) -> bool {
        let seconds = self.kinds.get(&stored.kind).map_or(0, |k| k.facts.creation_seconds);
        world.conditions.clock < stored.created_at.saturating_add(u64::from(seconds))
    }

    /// The spec as it is now: tags are those that the object has.
    pub(super) fn spec(&self, stored: &Stored) -> Value {
        let mut spec = stored.spec.clone();
        let tagged = self.kinds.get(&stored.kind).is_some_and(|k| k.schema.field("tags").is_some());
        if let (Value::Object(map), true) = (&mut spec, tagged) {
            let tags = ownership::user_tags(&stored.tags, &stored.name);
            if tags.is_empty() {
                map.shift_remove("tags");
            } else {
                map.insert("tags".to_owned(), tags.into_iter().map(|(k, v)| (k, Value::String(v))).collect());
            }
        }
        spec
    }

    /// An object as a read in `region` gives it.
    pub(super) fn object(&self, world: &World, stored: &Stored, region: &str) -> Object {
        Object {
            kind: stored.kind.clone(),
            region: region.to_owned(),
            id: stored.id.clone(),
            identifiers: stored.identifiers.clone(),
            owner: Owner::from_tags(&stored.tags),
            spec: self.spec(stored),
            attributes: stored.attributes.clone(),
            status: self.status(world, stored),
            unread: Vec::new(),
        }
    }

    /// Updates: only the fields that the request names, and the owner's tags. Returns also when it was made.
    pub(super) fn alter(
        &self,
        world: &mut World,
        request: &UpdateRequest,
        operation: &str,
    ) -> Result<(Object, u64), ApiError> {
        let kind = self.kind(&request.object.kind)?;
        let region = &request.object.region;
        self.region_works(world, region, operation)?;
        let desired = &request.desired;
        let wanted = self.with_ids(world, kind, region, &desired.spec, &desired.resolved, operation)?;
        let there = world.get(kind.name, region, &request.object.id).filter(|o| o.gone_at.is_none());
        let Some(mut stored) = there.cloned() else {
            return Err(gone(operation, &request.object));
        };
        if let (Value::Object(have), Value::Object(want)) = (&mut stored.spec, &wanted) {
            for field in &request.changed {
                match want.get(field) {
                    Some(value) => have.insert(field.clone(), value.clone()),
                    None => have.shift_remove(field),
                };
            }
        }
        if request.changed.contains("tags") {
            stored.tags = user_tags(&wanted);
        }
        stored.tags.retain(|k, _| !k.starts_with(ownership::PREFIX));
        stored.tags.extend(desired.owner.tags());
        if request.changed.iter().any(|f| f != "tags") {
            stored.version += 1;
        }
        self.describe(kind, &mut stored);
        let (object, made) = (self.object(world, &stored, region), stored.created_at);
        world.put(stored);
        Ok((object, made))
    }

    /// Deletes, unless something uses it; it is gone when its kind's time has passed. What is not there is deleted
    /// already.
    pub(super) fn remove(&self, world: &mut World, object: &Object, operation: &str) -> Result<(), ApiError> {
        self.region_works(world, &object.region, operation)?;
        let Some(stored) = world.get(&object.kind, &object.region, &object.id) else { return Ok(()) };
        if let Some(user) = world.users_of(stored).next() {
            let message = format!("{} '{}' is still used by {} '{}'", object.kind, object.id, user.kind, user.id);
            return Err(coded(operation, ErrorClass::Conflict, "DependencyViolation", &message));
        }
        let seconds = self.kind(&object.kind)?.facts.deletion_seconds;
        if seconds == 0 {
            world.remove(&object.kind, &object.region, &object.id);
        } else if stored.gone_at.is_none() {
            let gone_at = Some(world.conditions.clock.saturating_add(u64::from(seconds)));
            world.put(Stored { gone_at, ..stored.clone() });
        }
        Ok(())
    }

    /// Makes a recovery point. What stands in a lost zone can't be copied.
    pub(super) fn copy(&self, world: &mut World, object: &Object, operation: &str) -> Result<RecoveryPoint, ApiError> {
        self.region_works(world, &object.region, operation)?;
        let Some(stored) = world.get(&object.kind, &object.region, &object.id) else {
            return Err(gone(operation, object));
        };
        let kind = self.kind(&object.kind)?;
        if let Some(zone) = zone(kind, &stored.spec).filter(|z| world.conditions.lost_zones.contains(*z)) {
            let message = format!("zone {zone} is lost, and '{}' in it can't be copied", object.id);
            return Err(ApiError::new(operation, ErrorClass::Other, message));
        }
        let made = matches!(kind.facts.data, Some(Recovery::Point(_)))
            .then(|| point(world, stored, &object.region, world.points().len()))
            .flatten();
        let Some(made) = made else {
            let message = format!("no recovery point can be made of kind {}", object.kind);
            return Err(ApiError::new(operation, ErrorClass::Invalid, message));
        };
        world.add_points([made.clone()]);
        Ok(made)
    }

    /// Writes or removes the owner's tags.
    pub(super) fn tag(&self, world: &mut World, request: &OwnRequest, operation: &str) -> Result<(), ApiError> {
        let object = &request.object;
        self.region_works(world, &object.region, operation)?;
        let there = world.get(&object.kind, &object.region, &object.id).filter(|o| o.gone_at.is_none());
        let Some(mut stored) = there.cloned() else {
            return Err(gone(operation, object));
        };
        stored.tags.retain(|k, _| !k.starts_with(ownership::PREFIX));
        if let Some(owner) = &request.owner {
            stored.tags.extend(owner.tags());
        }
        world.put(stored);
        Ok(())
    }
}

/// The zone that an object of this spec stands in.
pub(super) fn zone<'s>(kind: &KindDef, spec: &'s Value) -> Option<&'s str> {
    kind.facts.zone_field.and_then(|f| spec.get(f)).and_then(Value::as_str)
}

/// The address of an object, as people see it.
pub(super) fn address(stored: &Stored) -> Option<Address> {
    Owner::from_tags(&stored.tags).map(|o| o.address)
}

pub(super) fn coded(operation: &str, class: ErrorClass, code: &str, message: &str) -> ApiError {
    ApiError { code: Some(code.to_owned()), ..ApiError::new(operation, class, message) }
}

fn gone(operation: &str, object: &Object) -> ApiError {
    let message = format!("the {} '{}' does not exist", object.kind, object.id);
    coded(operation, ErrorClass::NotFound, "NotFound", &message)
}

fn user_tags(spec: &Value) -> BTreeMap<String, String> {
    let tags = spec.get("tags").and_then(Value::as_object);
    tags.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
}
