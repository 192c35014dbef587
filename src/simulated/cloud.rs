//! The simulated cloud as the engine sees it: calls, which are counted, may fail on purpose, and take virtual time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::time::Duration;

use async_trait::async_trait;

use super::changes::coded;
use super::faults::{FaultCall, FaultWhat};
use super::record::Stored;
use super::world::World;
use super::{Error, Simulated};
use crate::model::cloud::{
    ApiError, Cloud, CreateRequest, DeleteRequest, ErrorClass, Identity, Lag, OwnRequest, ReadRequest, RecoveryPoint,
    SaveRequest, UpdateRequest, Watch,
};
use crate::model::kind::KindDef;
use crate::model::observed::{Lookup, Object, Status};
use crate::model::ownership::{self, hash};
use crate::model::preflight::{Preflight, Question};

/// Virtual seconds until a recovery point is complete.
const COPYING_SECONDS: u32 = 60;

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
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        *counters.calls.entry(operation.to_owned()).or_default() += calls;
    }

    /// The fault that this call meets, if any.
    fn fault(&self, call: FaultCall, kind: &str) -> Option<FaultWhat> {
        let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, fault) in self.settings.faults.iter().enumerate().filter(|(_, f)| f.matches(call, kind)) {
            let number = counters.faults.entry(index).or_default();
            *number += 1;
            if fault.strikes(self.settings.seed, *number) {
                return Some(fault.what);
            }
        }
        None
    }

    /// One change of the world, as a call.
    fn call<T>(&self, operation: &str, change: impl FnOnce(&mut World) -> Result<T, ApiError>) -> Result<T, ApiError> {
        self.store.change(change).map_err(broken(operation))?
    }

    /// Virtual time passes; with a speed, real time does too. Calls that run side by side pass it side by side.
    async fn pass(
        &self,
        since: u64,
        seconds: u32,
        operation: &str,
        watch: &dyn Watch,
        what: &str,
    ) -> Result<(), ApiError> {
        if seconds == 0 {
            return Ok(());
        }
        watch.waiting(what);
        if let Some(millis) = (u64::from(seconds) * 1000).checked_div(u64::from(self.settings.speed)) {
            tokio::time::sleep(Duration::from_millis(millis)).await;
        } else {
            // Calls that wait for their turn begin at the same virtual time as this one.
            tokio::task::yield_now().await;
        }
        self.call(operation, |world| {
            world.pass(since.saturating_add(u64::from(seconds)));
            Ok(())
        })
    }

    /// Counts down the reads that do not see these objects yet.
    fn seen_once(&self, kind: &str, region: &str, ids: &[String], operation: &str) -> Result<(), ApiError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.call(operation, |world| {
            for id in ids {
                if let Some(mut object) = world.get(kind, region, id).cloned() {
                    object.unseen = object.unseen.saturating_sub(1);
                    world.put(object);
                }
            }
            Ok(())
        })
    }
}

/// A fault that keeps the call from having an effect.
fn fails_before(fault: Option<FaultWhat>, operation: &str) -> Result<(), ApiError> {
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

fn broken(operation: &str) -> impl Fn(Error) -> ApiError + '_ {
    move |e| {
        let mut message = e.to_string();
        if let Some(source) = std::error::Error::source(&e) {
            message = format!("{message}: {source}");
        }
        ApiError::new(operation, ErrorClass::Other, message)
    }
}

/// An object whose time of creation has passed.
fn usable(object: Object) -> Object {
    match object.status {
        Status::Pending(_) => Object { status: Status::Ready, ..object },
        Status::Ready | Status::Failed(_) | Status::Deleting => object,
    }
}

/// The objects that a read is about: those of the environment, and those to adopt.
fn asked<'w>(world: &'w World, request: &ReadRequest<'_>) -> Vec<&'w Stored> {
    let ours = |o: &Stored| {
        o.tags.get(ownership::PROJECT).is_some_and(|p| p == request.project)
            && o.tags.get(ownership::ENVIRONMENT).is_some_and(|e| e == request.environment)
    };
    let mut found: Vec<&Stored> = world.of_kind(request.kind, request.region).filter(|o| ours(o)).collect();
    let mut ids: BTreeSet<&str> = BTreeSet::new();
    for id in request.adopt {
        let here = |o: &&Stored| world.is_global(request.kind) || o.region == request.region;
        if let Some(object) = world.find(request.kind, request.region, id).filter(|o| here(o) && !ours(o))
            && ids.insert(&object.id)
        {
            found.push(object);
        }
    }
    found
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
        let fault = self.fault(FaultCall::Read, request.kind);
        let read = self.store.read(|world| {
            let found = asked(world, request);
            self.count(&operation, (found.len() as u64).div_ceil(1000).max(1));
            fails_before(fault, &operation)?;
            fails_after(fault, &operation)?;
            self.region_works(world, request.region, &operation)?;
            let (seen, unseen): (Vec<&Stored>, Vec<&Stored>) = found.into_iter().partition(|o| o.unseen == 0);
            let objects: Vec<Object> = seen.iter().map(|o| self.object(world, o, request.region)).collect();
            Ok((objects, unseen.iter().map(|o| o.id.clone()).collect::<Vec<String>>()))
        });
        let (objects, unseen) = read.map_err(broken(&operation))??;
        self.seen_once(request.kind, request.region, &unseen, &operation)?;
        Ok(objects)
    }

    async fn lookup(&self, lookup: &Lookup) -> Result<String, ApiError> {
        let operation = format!("lookup {}", lookup.what);
        self.count(&format!("simulated:Lookup{}", lookup.what), 1);
        let wrong = |class, message: String| ApiError::new(operation.as_str(), class, message);
        if lookup.what == "image" {
            self.store
                .read(|world| self.region_works(world, &lookup.region, &operation))
                .map_err(broken(&operation))??;
            return Ok(format!("ami-{}", hash(&format!("{} {}", self.settings.seed, lookup.query), 17)));
        }
        let query: BTreeMap<String, BTreeMap<String, String>> =
            serde_json::from_str(&lookup.query).map_err(|e| wrong(ErrorClass::Invalid, e.to_string()))?;
        let tags = query.get("tags").cloned().unwrap_or_default();
        let found = self.store.read(|world| {
            self.region_works(world, &lookup.region, &operation)?;
            let all = world.of_kind(&lookup.what, &lookup.region);
            let all = all.filter(|o| o.gone_at.is_none());
            Ok(all.filter(|o| tags.iter().all(|(k, v)| o.tags.get(k) == Some(v))).map(|o| o.id.clone()).collect())
        });
        let found: Vec<String> = found.map_err(broken(&operation))??;
        match found.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(wrong(ErrorClass::NotFound, format!("no {} has the tags {tags:?}", lookup.what))),
            several => {
                let message = format!("{} of kind {} have the tags {tags:?}", several.len(), lookup.what);
                Err(wrong(ErrorClass::Invalid, message))
            }
        }
    }

    async fn create(&self, request: &CreateRequest, watch: &dyn Watch) -> Result<Object, ApiError> {
        let kind = self.kind(&request.kind)?;
        let operation = Self::operation(kind, "Create");
        self.count(&operation, 1);
        let fault = self.fault(FaultCall::Create, &request.kind);
        fails_before(fault, &operation)?;
        let (made, since) = self.call(&operation, |world| {
            let made = self.make(world, request, &operation)?;
            let since = world.get(&made.kind, &made.region, &made.id).map_or(0, |o| o.created_at);
            Ok((made, since))
        })?;
        let what = format!("the {} to be usable", kind.facts.title);
        fails_after(fault, &operation)?;
        self.pass(since, kind.facts.creation_seconds, &operation, watch, &what).await?;
        Ok(usable(made))
    }

    async fn update(&self, request: &UpdateRequest, watch: &dyn Watch) -> Result<Object, ApiError> {
        let kind = self.kind(&request.object.kind)?;
        let operation = Self::operation(kind, "Modify");
        self.count(&operation, 1);
        let fault = self.fault(FaultCall::Update, &request.object.kind);
        fails_before(fault, &operation)?;
        let (changed, made) = self.call(&operation, |world| self.alter(world, request, &operation))?;
        fails_after(fault, &operation)?;
        if matches!(changed.status, Status::Pending(_)) {
            let what = format!("the {} to be usable", kind.facts.title);
            self.pass(made, kind.facts.creation_seconds, &operation, watch, &what).await?;
        }
        Ok(usable(changed))
    }

    async fn delete(&self, request: &DeleteRequest, watch: &dyn Watch) -> Result<(), ApiError> {
        let kind = self.kind(&request.object.kind)?;
        let operation = Self::operation(kind, "Delete");
        self.count(&operation, 1);
        let fault = self.fault(FaultCall::Delete, &request.object.kind);
        fails_before(fault, &operation)?;
        let since = self.call(&operation, |world| {
            self.remove(world, &request.object, &operation)?;
            let going = world.get(&request.object.kind, &request.object.region, &request.object.id);
            Ok(going.and_then(|o| o.gone_at).unwrap_or(world.conditions.clock))
        })?;
        let what = format!("the {} to be gone", kind.facts.title);
        fails_after(fault, &operation)?;
        let from = since.saturating_sub(u64::from(kind.facts.deletion_seconds));
        self.pass(from, kind.facts.deletion_seconds, &operation, watch, &what).await
    }

    async fn recovery_points(&self, object: &Object) -> Result<Vec<RecoveryPoint>, ApiError> {
        let kind = self.kind(&object.kind)?;
        let operation = format!("{}:DescribeRecoveryPoints", kind.facts.service);
        self.count(&operation, 1);
        let read = self.store.read(|world| {
            self.region_works(world, &object.region, &operation)?;
            let now = world.conditions.clock;
            let mine = world.points().iter().filter(|p| p.kind == object.kind && p.object == object.id);
            let point = |p: &super::RecoveryPoint| RecoveryPoint {
                id: p.id.clone(),
                age: now.saturating_sub(p.taken_at),
                complete: true,
            };
            Ok(mine.map(point).collect())
        });
        read.map_err(broken(&operation))?
    }

    async fn save(&self, request: &SaveRequest, watch: &dyn Watch) -> Result<RecoveryPoint, ApiError> {
        let kind = self.kind(&request.object.kind)?;
        let operation = format!("{}:CreateRecoveryPoint", kind.facts.service);
        self.count(&operation, 1);
        let fault = self.fault(FaultCall::Save, &request.object.kind);
        fails_before(fault, &operation)?;
        let made = self.call(&operation, |world| self.copy(world, &request.object, &operation))?;
        self.pass(made.taken_at, COPYING_SECONDS, &operation, watch, "the recovery point to be complete").await?;
        fails_after(fault, &operation)?;
        Ok(RecoveryPoint { id: made.id, age: u64::from(COPYING_SECONDS), complete: true })
    }

    async fn own(&self, request: &OwnRequest) -> Result<(), ApiError> {
        let kind = self.kind(&request.object.kind)?;
        let operation = Self::operation(kind, "Tag");
        self.count(&operation, 1);
        let fault = self.fault(FaultCall::Own, &request.object.kind);
        fails_before(fault, &operation)?;
        self.call(&operation, |world| self.tag(world, request, &operation))?;
        fails_after(fault, &operation)
    }

    async fn preflight(&self, question: &Question<'_>) -> Preflight {
        let looked = self.store.read(|world| self.foresee(world, question));
        looked.unwrap_or_else(|e| Preflight { findings: Vec::new(), unchecked: vec![format!("everything: {e}")] })
    }

    fn lag(&self) -> Lag {
        Lag { looks: self.settings.lag_reads, pause: Duration::ZERO }
    }

    fn calls(&self) -> BTreeMap<String, u64> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner).calls.clone()
    }
}
