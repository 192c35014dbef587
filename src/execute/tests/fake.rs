//! A cloud in memory with scripted failures and delays, two small kinds, and plans made by hand.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::execute::journal::resume::Unfinished;
use crate::execute::journal::{Header, Journal, VERSION};
use crate::execute::lock::Held;
use crate::execute::record::RecordStore;
use crate::execute::{Events, Inputs, NoEvents, Report, run};
use crate::guard::Permits;
use crate::model::Address;
use crate::model::cloud::{
    ApiError, Cloud, CreateRequest, DeleteRequest, ErrorClass, Identity, OwnRequest, ReadRequest, RecoveryPoint,
    SaveRequest, UpdateRequest, Watch,
};
use crate::model::desired::{Desired, Lifecycle, Output, Resource};
use crate::model::environment::{Environment, Guards, Provider};
use crate::model::kind::{Attribute, Facts, Kind, KindDef, Kinds, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Lookup, Object, Observed, Status};
use crate::model::ownership::Owner;
use crate::model::plan::{
    Action, ActionKind, Cause, FORMAT, FieldChange, Impact, Operation, Plan, Step, Summary, Touched,
};
use crate::model::types::{Image, Ref};

pub(super) const REGION: &str = "ap-northeast-1";

pub(super) struct Net;

#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct NetSpec {
    cidr: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tier: Option<u32>,
}

impl Kind for Net {
    const NAME: &'static str = "net";
    type Spec = NetSpec;
    fn facts() -> Facts {
        facts("network")
    }
    fn validate(spec: &NetSpec, problems: &mut Problems) {
        if spec.cidr == "bad" {
            problems.add("cidr", "that is no range", "");
        }
    }
}

pub(super) struct Server;

#[derive(Serialize, Deserialize, JsonSchema)]
pub(super) struct ServerSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    net: Option<Ref<Net>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-fingerprint" = true))]
    image: Option<Image>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = true))]
    password: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl Kind for Server {
    const NAME: &'static str = "server";
    type Spec = ServerSpec;
    fn facts() -> Facts {
        facts("server")
    }
}

fn facts(title: &'static str) -> Facts {
    Facts {
        title,
        service: "test",
        reference: "",
        scope: Scope::Regional,
        data: None,
        replacement: Replacement::CreateFirst,
        serves: false,
        attributes: const { &[Attribute::stable("id", "id"), Attribute::stable("address", "address")] },
        permissions: Permissions { read: &[], create: &[], update: &[], delete: &[] },
        name_limit: 32,
        creation_seconds: 1,
        deletion_seconds: 1,
        quota: 100,
        zone_field: None,
        loose_refs: &[],
    }
}

/// What a call was, in the order in which calls ended.
#[derive(Debug, Clone)]
pub(super) enum Call {
    Create(Box<CreateRequest>),
    Update(Box<UpdateRequest>),
    Delete(Object),
    Own(OwnRequest),
    Save(SaveRequest),
}

#[derive(Default)]
pub(super) struct Fake {
    pub(super) fail: BTreeMap<String, ApiError>,
    pub(super) delay: BTreeMap<String, u64>,
    /// The recovery points of every object.
    pub(super) points: Vec<RecoveryPoint>,
    /// Calls at these addresses go on only when all who share the barrier have come.
    pub(super) meet: BTreeMap<String, Arc<tokio::sync::Barrier>>,
    pub(super) calls: Mutex<Vec<Call>>,
    /// Stops the run when the call at this address is made: (address, token).
    pub(super) cancel_at: Option<(String, CancellationToken)>,
    pub(super) saw_cancelled: AtomicUsize,
    pub(super) next: AtomicUsize,
    pub(super) now: AtomicUsize,
    pub(super) most: AtomicUsize,
}

impl Fake {
    async fn call(&self, address: &str, watch: &dyn Watch) -> Result<(), ApiError> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        if let Some((_, token)) = self.cancel_at.as_ref().filter(|(at, _)| at == address) {
            token.cancel();
        }
        watch.waiting("it to be usable");
        if let Some(barrier) = self.meet.get(address) {
            barrier.wait().await;
        }
        tokio::time::sleep(Duration::from_millis(self.delay.get(address).copied().unwrap_or(2))).await;
        if watch.cancelled() {
            self.saw_cancelled.fetch_add(1, Ordering::SeqCst);
        }
        self.now.fetch_sub(1, Ordering::SeqCst);
        self.fail.get(address).cloned().map_or(Ok(()), Err)
    }

    fn note(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
    }

    /// `operation address` of all calls that succeeded.
    pub(super) fn order(&self) -> Vec<String> {
        let text = |call: &Call| match call {
            Call::Create(r) => format!("create {}", r.owner.address),
            Call::Update(r) => format!("update {}", r.desired.owner.address),
            Call::Delete(o) => format!("delete {}", o.id),
            Call::Save(r) => format!("save {} {:?}", r.object.id, r.unfinished),
            Call::Own(r) => format!("own {} {:?}", r.object.id, r.owner.as_ref().map(|o| o.address.to_string())),
        };
        self.calls.lock().unwrap().iter().map(text).collect()
    }
}

/// As a provider returns it: references are ids.
fn returned(request: &CreateRequest, id: String) -> Object {
    let mut spec = request.spec.clone();
    if let Some(address) = spec.get("net").and_then(Value::as_str) {
        spec["net"] = json!({ "id": request.resolved[address].id });
    }
    let attributes = json!({"id": id, "address": format!("10.0.0.{}", id.len())}).as_object().unwrap().clone();
    let (kind, region) = (request.kind.clone(), request.region.clone());
    let owner = Some(request.owner.clone());
    Object { kind, region, id, identifiers: vec![], owner, spec, attributes, status: Status::Ready, unread: vec![] }
}

#[async_trait]
impl Cloud for Fake {
    fn label(&self) -> &'static str {
        "fake"
    }
    async fn identity(&self) -> Result<Identity, ApiError> {
        Ok(Identity { account: "1".into(), caller: "test".into() })
    }
    async fn read_batch(&self, _: &ReadRequest<'_>) -> Result<Vec<Object>, ApiError> {
        Ok(vec![])
    }
    async fn lookup(&self, _: &Lookup) -> Result<String, ApiError> {
        Err(ApiError::new("test:Lookup", ErrorClass::NotFound, "nothing"))
    }
    async fn create(&self, request: &CreateRequest, watch: &dyn Watch) -> Result<Object, ApiError> {
        self.call(request.owner.address.as_str(), watch).await?;
        self.note(Call::Create(Box::new(request.clone())));
        Ok(returned(request, format!("new-{}", self.next.fetch_add(1, Ordering::SeqCst))))
    }
    async fn update(&self, request: &UpdateRequest, watch: &dyn Watch) -> Result<Object, ApiError> {
        self.call(request.desired.owner.address.as_str(), watch).await?;
        self.note(Call::Update(Box::new(request.clone())));
        Ok(returned(&request.desired, request.object.id.clone()))
    }
    async fn delete(&self, request: &DeleteRequest, watch: &dyn Watch) -> Result<(), ApiError> {
        self.call(&request.object.id, watch).await?;
        self.note(Call::Delete(request.object.clone()));
        Ok(())
    }
    async fn recovery_points(&self, object: &Object) -> Result<Vec<RecoveryPoint>, ApiError> {
        self.fail.get(&format!("points {}", object.id)).cloned().map_or(Ok(()), Err)?;
        Ok(self.points.clone())
    }
    async fn save(&self, request: &SaveRequest, watch: &dyn Watch) -> Result<RecoveryPoint, ApiError> {
        self.call(&format!("save {}", request.object.id), watch).await?;
        self.note(Call::Save(request.clone()));
        Ok(RecoveryPoint { id: "point-new".into(), age: 1, complete: true })
    }
    async fn own(&self, request: &OwnRequest) -> Result<(), ApiError> {
        self.note(Call::Own(request.clone()));
        Ok(())
    }
    fn calls(&self) -> BTreeMap<String, u64> {
        BTreeMap::new()
    }
}

pub(super) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub(super) fn object(kind: &str, at: &str, id: &str, spec: Value) -> Object {
    let owner = Owner {
        project: "shop".into(),
        environment: "test".into(),
        address: address(at),
        generation: 1,
        fingerprints: BTreeMap::new(),
        protected: false,
    };
    let attributes = json!({"id": id, "address": format!("at-{id}")}).as_object().unwrap().clone();
    Object {
        kind: kind.into(),
        region: REGION.into(),
        id: id.into(),
        identifiers: vec![],
        owner: Some(owner),
        spec,
        attributes,
        status: Status::Ready,
        unread: vec![],
    }
}

/// One run: what is declared, there and planned, and everything that it needs.
pub(super) struct Scene {
    pub(super) kinds: Kinds,
    pub(super) desired: Desired,
    pub(super) observed: Observed,
    pub(super) permits: Permits,
    pub(super) plan: Plan,
    pub(super) folder: tempfile::TempDir,
    pub(super) saved: bool,
    pub(super) parallelism: usize,
    pub(super) cancel: CancellationToken,
    pub(super) hard: CancellationToken,
    pub(super) events: Arc<dyn Events>,
    pub(super) held: Option<Arc<dyn Held>>,
}

impl Scene {
    pub(super) fn new() -> Self {
        let environment = Environment {
            name: "test".into(),
            project: "shop".into(),
            provider: Provider::Simulated,
            account: None,
            role: None,
            region: REGION.into(),
            zones: vec![],
            regions: BTreeMap::new(),
            tags: BTreeMap::from([("team".into(), "web".into())]),
            protect: false,
            guards: Guards::none(),
            time_zone: "UTC".into(),
            state: ".saiken".into(),
        };
        let desired = Desired {
            environment,
            resources: BTreeMap::new(),
            stacks: vec![],
            moved: vec![],
            forget: BTreeSet::new(),
            outputs: BTreeMap::new(),
            secrets: vec![],
        };
        let plan = Plan {
            format: FORMAT,
            id: "plan-1".into(),
            made_at: "2026-01-01T00:00:00Z".into(),
            version: "0".into(),
            project: "shop".into(),
            environment: "test".into(),
            provider: Provider::Simulated,
            account: "1".into(),
            stacks: vec![],
            destroy: false,
            undoes: None,
            actions: vec![],
            steps: vec![],
            interrupted: None,
            drift: vec![],
            held: vec![],
            losses: vec![],
            refused: vec![],
            outputs: BTreeMap::new(),
            summary: Summary::default(),
        };
        Self {
            kinds: Kinds::new([KindDef::of::<Net>(), KindDef::of::<Server>()]),
            desired,
            observed: Observed::default(),
            permits: Permits::default(),
            plan,
            folder: tempfile::tempdir().unwrap(),
            saved: false,
            parallelism: 16,
            cancel: CancellationToken::new(),
            hard: CancellationToken::new(),
            events: Arc::new(NoEvents),
            held: None,
        }
    }

    pub(super) fn declare(&mut self, kind: &str, at: &str, spec: Value, references: &[&str]) {
        let resource = Resource {
            address: address(at),
            kind: self.kinds.get(kind).unwrap().clone(),
            region: REGION.into(),
            spec,
            references: references.iter().map(|r| address(r)).collect(),
            lifecycle: Lifecycle::default(),
            adopt: None,
            origin: "test".to_owned(),
        };
        self.desired.resources.insert(address(at), resource);
    }

    pub(super) fn output(&mut self, name: &str, value: Value) {
        let output = Output { description: None, value, sensitive: false };
        self.desired.outputs.entry("s".into()).or_default().insert(name.into(), output);
    }

    /// Adds an action over objects that are in `observed`.
    pub(super) fn action(&mut self, action: ActionKind, kind: &str, at: &str, spec: Value, objects: &[&str]) -> usize {
        let known: HashMap<&str, &Object> = self.observed.objects.iter().map(|o| (o.id.as_str(), o)).collect();
        let touched = |id: &&str| Touched {
            id: (*id).into(),
            region: known[id].region.clone(),
            generation: known[id].generation(),
            fingerprint: known[id].fingerprint(),
        };
        let declared = self.desired.resources.get(&address(at));
        let declared = declared.map_or_else(BTreeMap::new, |r| crate::plan::declared::of(r, &self.desired));
        self.plan.actions.push(Action {
            address: address(at),
            kind: kind.into(),
            region: REGION.into(),
            action,
            reason: String::new(),
            impact: Impact::None,
            data_bearing: false,
            replacement: None,
            changes: vec![],
            objects: objects.iter().map(touched).collect(),
            generation: if action == ActionKind::Replace { 2 } else { 1 },
            spec,
            declared,
            notes: vec![],
        });
        self.plan.actions.len() - 1
    }

    pub(super) fn change(&mut self, action: usize, path: &str) {
        let (before, after, cause) = (Value::Null, Value::Null, Cause::You);
        let change = FieldChange { path: path.into(), before, after, cause, replaces: false, text: false };
        self.plan.actions[action].changes.push(change);
    }

    pub(super) fn step(&mut self, action: usize, operation: Operation, object: Option<&str>, after: &[usize]) -> usize {
        let address = self.plan.actions[action].address.clone();
        let (object, after) = (object.map(str::to_owned), after.to_vec());
        self.plan.steps.push(Step { address, operation, action, object, after });
        self.plan.steps.len() - 1
    }

    /// Declares a resource, and plans to create it.
    pub(super) fn create(&mut self, kind: &str, at: &str, spec: Value, refers: &[&str], after: &[usize]) -> usize {
        self.declare(kind, at, spec.clone(), refers);
        let action = self.action(ActionKind::Create, kind, at, spec, &[]);
        self.step(action, Operation::Create, None, after)
    }

    pub(super) fn journal(&self) -> std::path::PathBuf {
        crate::execute::journal::list(self.folder.path()).unwrap().pop().unwrap()
    }

    pub(super) async fn run(&self, cloud: &Arc<Fake>) -> Report {
        let journal = Arc::new(Journal::create(self.folder.path(), header("0001")).unwrap());
        let record = Arc::new(RecordStore::open(self.folder.path()).0);
        let cloud: Arc<dyn Cloud> = cloud.clone();
        run(Inputs {
            plan: &self.plan,
            saved: self.saved,
            desired: &self.desired,
            observed: &self.observed,
            unfinished: &Unfinished::default(),
            kinds: &self.kinds,
            cloud,
            account: "1",
            journal,
            record,
            held: self.held.clone(),
            permits: &self.permits,
            parallelism: self.parallelism,
            cancel: self.cancel.clone(),
            hard: self.hard.clone(),
            events: self.events.clone(),
        })
        .await
    }
}

pub(super) fn header(apply: &str) -> Header {
    Header {
        version: VERSION,
        apply: apply.into(),
        plan: "plan-1".into(),
        who: "hanako@build".into(),
        command: "saiken apply".into(),
        commit: None,
        started_at: "2026-01-01T00:00:00Z".into(),
        emergency: None,
        undoes: None,
    }
}
