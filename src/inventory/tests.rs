//! What a reading promises, against a cloud in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Options, collect};
use crate::model::Address;
use crate::model::cloud::{
    ApiError, Cloud, CreateRequest, DeleteRequest, ErrorClass, Identity, OwnRequest, ReadRequest, RecoveryPoint,
    SaveRequest, UpdateRequest, Watch,
};
use crate::model::desired::{Desired, Lifecycle, Resource};
use crate::model::environment::{Environment, Guards, Provider};
use crate::model::kind::{Attribute, Facts, Kind, KindDef, Kinds, Permissions, Replacement, Scope};
use crate::model::observed::{Lookup, Object, Observed, Status};
use crate::model::ownership::Owner;
use crate::model::record::{Applied, Record};
use crate::model::types::{Image, Ref};

const HERE: &str = "here";
const THERE: &str = "there";

const FACTS: Facts = Facts {
    title: "test",
    service: "test",
    reference: "",
    scope: Scope::Regional,
    data: None,
    replacement: Replacement::CreateFirst,
    serves: false,
    attributes: &[Attribute::stable("id", "id")],
    permissions: Permissions { read: &[], create: &[], update: &[], delete: &[] },
    name_limit: 0,
    creation_seconds: 0,
    deletion_seconds: 0,
    quota: 100,
    zone_field: None,
    loose_refs: &[],
};

struct Net;
#[derive(Serialize, Deserialize, JsonSchema)]
struct NetSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    dns: Option<bool>,
}
impl Kind for Net {
    const NAME: &'static str = "net";
    type Spec = NetSpec;
    fn facts() -> Facts {
        FACTS
    }
}

struct Server;
#[derive(Serialize, Deserialize, JsonSchema)]
struct ServerSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    net: Option<Ref<Net>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<Image>,
}
impl Kind for Server {
    const NAME: &'static str = "server";
    type Spec = ServerSpec;
    fn facts() -> Facts {
        FACTS
    }
}

struct Account;
#[derive(Serialize, Deserialize, JsonSchema)]
struct AccountSpec {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
}
impl Kind for Account {
    const NAME: &'static str = "account";
    type Spec = AccountSpec;
    fn facts() -> Facts {
        Facts { scope: Scope::Global, ..FACTS }
    }
}

fn kinds() -> Kinds {
    Kinds::new([KindDef::of::<Account>(), KindDef::of::<Net>(), KindDef::of::<Server>()])
}

#[derive(Default)]
struct Memory {
    objects: Vec<Object>,
    fails: BTreeSet<&'static str>,
    answers: BTreeMap<String, String>,
    asked: Mutex<Vec<String>>,
    /// Not in lists yet, but there by id.
    new: BTreeSet<&'static str>,
    now: AtomicUsize,
    most: AtomicUsize,
}

#[async_trait]
impl Cloud for Memory {
    fn label(&self) -> &'static str {
        "memory"
    }

    async fn identity(&self) -> Result<Identity, ApiError> {
        Ok(Identity { account: String::new(), caller: String::new() })
    }

    async fn read_batch(&self, request: &ReadRequest<'_>) -> Result<Vec<Object>, ApiError> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        let deep: Vec<String> =
            request.declared.iter().map(|(a, f)| format!("{a} {}", f.iter().cloned().collect::<String>())).collect();
        let asked = format!("{} {} {:?} {deep:?}", request.kind, request.region, request.adopt);
        self.asked.lock().unwrap().push(asked);
        if self.fails.contains(request.kind) {
            return Err(ApiError::new("test:Read", ErrorClass::AccessDenied, "not allowed"));
        }
        let same = |o: &&Object| o.kind == request.kind && o.region == request.region;
        let listed = |o: &&Object| !self.new.contains(o.id.as_str()) || request.adopt.contains(&o.id);
        Ok(self.objects.iter().filter(same).filter(listed).cloned().collect())
    }

    async fn lookup(&self, lookup: &Lookup) -> Result<String, ApiError> {
        let found = self.answers.get(&format!("{} {}", lookup.what, lookup.region)).cloned();
        found.ok_or_else(|| ApiError::new("test:Lookup", ErrorClass::NotFound, "nothing matches"))
    }

    async fn create(&self, _: &CreateRequest, _: &dyn Watch) -> Result<Object, ApiError> {
        unreachable!("a reading writes nothing")
    }

    async fn update(&self, _: &UpdateRequest, _: &dyn Watch) -> Result<Object, ApiError> {
        unreachable!("a reading writes nothing")
    }

    async fn delete(&self, _: &DeleteRequest, _: &dyn Watch) -> Result<(), ApiError> {
        unreachable!("a reading writes nothing")
    }

    async fn recovery_points(&self, _: &Object) -> Result<Vec<RecoveryPoint>, ApiError> {
        unreachable!("a reading asks for no recovery points")
    }

    async fn save(&self, _: &SaveRequest, _: &dyn Watch) -> Result<RecoveryPoint, ApiError> {
        unreachable!("a reading writes nothing")
    }

    async fn own(&self, _: &OwnRequest) -> Result<(), ApiError> {
        unreachable!("a reading writes nothing")
    }

    fn calls(&self) -> BTreeMap<String, u64> {
        BTreeMap::from([("test:Read".to_owned(), self.asked.lock().unwrap().len() as u64)])
    }
}

fn a(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn object(kind: &str, id: &str, address: &str, generation: u32, spec: Value) -> Object {
    let owner = Owner {
        project: "shop".to_owned(),
        environment: "test".to_owned(),
        address: a(address),
        generation,
        fingerprints: BTreeMap::new(),
        protected: false,
    };
    Object {
        kind: kind.to_owned(),
        region: HERE.to_owned(),
        id: id.to_owned(),
        identifiers: vec![format!("arn:{id}")],
        owner: Some(owner),
        spec,
        attributes: crate::model::value::Map::new(),
        status: Status::Ready,
        unread: Vec::new(),
    }
}

fn desired(resources: &[(&str, &str, Value)]) -> Desired {
    let kinds = kinds();
    let resource = |(address, kind, spec): &(&str, &str, Value)| Resource {
        address: a(address),
        kind: Arc::clone(kinds.get(kind).unwrap()),
        region: HERE.to_owned(),
        spec: spec.clone(),
        references: BTreeSet::new(),
        lifecycle: Lifecycle::default(),
        adopt: None,
        origin: String::new(),
    };
    Desired {
        environment: Environment {
            name: "test".to_owned(),
            project: "shop".to_owned(),
            provider: Provider::Simulated,
            account: None,
            role: None,
            region: HERE.to_owned(),
            zones: Vec::new(),
            regions: BTreeMap::from([("copies".to_owned(), THERE.to_owned())]),
            tags: BTreeMap::new(),
            protect: false,
            guards: Guards::none(),
            time_zone: "UTC".into(),
            state: ".saiken".into(),
        },
        resources: resources.iter().map(|r| (a(r.0), resource(r))).collect(),
        stacks: Vec::new(),
        moved: Vec::new(),
        forget: BTreeSet::new(),
        outputs: BTreeMap::new(),
        secrets: Vec::new(),
    }
}

fn read(cloud: &Memory, desired: &Desired, parallelism: usize) -> Observed {
    let options = Options { deep: false, parallelism, unsure: Vec::new(), ..Options::default() };
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(collect(
        cloud,
        desired,
        &kinds(),
        None,
        &options,
    ))
}

#[test]
fn every_kind_is_read_once_in_every_region_in_use_and_a_global_kind_once_at_all() {
    let cloud = Memory::default();
    let observed = read(&cloud, &desired(&[]), 1);
    let asked = cloud.asked.lock().unwrap().clone();
    let batches: Vec<&str> = asked.iter().map(|a| a.split(" [").next().unwrap_or_default()).collect();
    assert_eq!(batches, ["account here", "net here", "net there", "server here", "server there"]);
    assert_eq!(observed.calls["test:Read"], 5);
}

#[test]
fn no_more_batches_are_under_way_than_was_allowed() {
    for limit in [1, 3] {
        let cloud = Memory::default();
        read(&cloud, &desired(&[]), limit);
        assert_eq!(cloud.most.load(Ordering::SeqCst), limit);
    }
}

#[test]
fn what_could_not_be_read_is_recorded_with_its_reason_and_the_rest_is_there() {
    let cloud = Memory {
        objects: vec![object("net", "n-1", "s/main", 1, json!({}))],
        fails: BTreeSet::from(["server"]),
        ..Memory::default()
    };
    let observed = read(&cloud, &desired(&[]), 8);
    assert_eq!(observed.objects.len(), 1);
    let failed: Vec<_> =
        observed.unobserved.iter().map(|((kind, region), why)| (kind.as_str(), region.as_str(), why)).collect();
    assert_eq!(failed.len(), 2);
    assert!(failed.iter().all(|(kind, _, why)| *kind == "server" && why.contains("not allowed")), "{failed:?}");
}

#[test]
fn objects_of_other_projects_and_environments_are_not_seen() {
    let mut other_project = object("net", "n-2", "s/main", 1, json!({}));
    let mut other_environment = object("net", "n-3", "s/main", 1, json!({}));
    let mut nobody = object("net", "n-4", "s/main", 1, json!({}));
    other_project.owner.as_mut().unwrap().project = "bank".to_owned();
    other_environment.owner.as_mut().unwrap().environment = "live".to_owned();
    nobody.owner = None;
    let objects = vec![other_project, other_environment, nobody, object("net", "n-1", "s/main", 1, json!({}))];
    let cloud = Memory { objects, ..Memory::default() };
    let observed = read(&cloud, &desired(&[]), 8);
    assert_eq!(observed.objects.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), ["n-1"]);
}

#[test]
fn ids_of_owned_objects_become_addresses_in_every_form_and_others_stay_ids() {
    let cloud = Memory {
        objects: vec![
            object("net", "n-1", "s/main", 1, json!({})),
            object("server", "i-1", "s/a", 1, json!({"net": {"id": "n-1"}})),
            object("server", "i-2", "s/b", 1, json!({"net": {"id": "arn:n-1"}})),
            object("server", "i-3", "s/c", 1, json!({"net": {"id": "n-9"}})),
        ],
        ..Memory::default()
    };
    let observed = read(&cloud, &desired(&[]), 8);
    let net = |i: &str| observed.objects.iter().find(|o| o.id == i).map(|o| o.spec["net"].clone()).unwrap();
    assert_eq!((net("i-1"), net("i-2")), (json!("s/main"), json!("s/main")));
    assert_eq!(net("i-3"), json!({"id": "n-9"}));
}

#[test]
fn of_several_objects_at_one_address_the_newest_that_has_not_failed_has_the_name() {
    let mut failed = object("net", "n-3", "s/main", 3, json!({}));
    failed.status = Status::Failed("broken".to_owned());
    let mut pending = object("net", "n-2", "s/main", 2, json!({}));
    pending.status = Status::Pending("pending".to_owned());
    let cloud = Memory {
        objects: vec![
            object("net", "n-1", "s/main", 1, json!({})),
            pending,
            failed,
            object("server", "i-1", "s/a", 1, json!({"net": {"id": "n-1"}})),
            object("server", "i-2", "s/b", 1, json!({"net": {"id": "n-2"}})),
        ],
        ..Memory::default()
    };
    let observed = read(&cloud, &desired(&[]), 8);
    let net = |i: &str| observed.objects.iter().find(|o| o.id == i).map(|o| o.spec["net"].clone()).unwrap();
    assert_eq!((net("i-1"), net("i-2")), (json!({"id": "n-1"}), json!("s/main")));
}

#[test]
fn an_object_to_adopt_is_read_whoever_owns_it_and_its_owner_means_nothing_here() {
    let mut foreign = object("net", "n-7", "x/y", 4, json!({}));
    foreign.owner.as_mut().unwrap().project = "bank".to_owned();
    let cloud = Memory { objects: vec![foreign], ..Memory::default() };
    let mut wanted = desired(&[("s/main", "net", json!({}))]);
    wanted.resources.get_mut(&a("s/main")).unwrap().adopt = Some("arn:n-7".to_owned());
    let observed = read(&cloud, &wanted, 1);
    assert_eq!(observed.objects.len(), 1);
    assert!(observed.objects[0].owner.is_none());
    assert!(cloud.asked.lock().unwrap().iter().any(|a| a.starts_with("net here [\"arn:n-7\"]")));
}

#[test]
fn fields_that_cost_a_call_are_asked_for_where_they_are_declared_also_under_a_former_name() {
    let cloud = Memory::default();
    let mut wanted = desired(&[("s/main", "net", json!({"dns": true})), ("s/other", "net", json!({}))]);
    wanted.moved.push((a("s/old"), a("s/main")));
    read(&cloud, &wanted, 1);
    let asked = cloud.asked.lock().unwrap().clone();
    assert!(asked.iter().all(|a| a.ends_with("[\"s/main dns\", \"s/old dns\"]")), "{asked:?}");
}

#[test]
fn a_question_asked_twice_is_answered_once_and_no_answer_is_kept_as_such() {
    let image = json!({"owner": "amazon", "name": "al2023-*", "follow": false});
    let same = json!({"owner": "amazon", "name": "al2023-*", "follow": true});
    let wanted = desired(&[
        ("s/a", "server", json!({"image": image})),
        ("s/b", "server", json!({"image": same})),
        ("s/c", "server", json!({"net": {"tags": {"Name": "core"}}})),
    ]);
    let cloud =
        Memory { answers: BTreeMap::from([("image here".to_owned(), "ami-1".to_owned())]), ..Memory::default() };
    let observed = read(&cloud, &wanted, 8);
    let answers: Vec<_> = observed.lookups.iter().map(|(l, answer)| (l.what.as_str(), answer.clone())).collect();
    assert_eq!(answers.len(), 2, "{answers:?}");
    assert_eq!(answers[0], ("image", Ok("ami-1".to_owned())));
    assert!(answers[1].0 == "net" && answers[1].1.as_ref().is_err_and(|why| why.contains("nothing matches")));
}

#[test]
fn what_was_just_made_and_is_not_listed_yet_is_read_by_its_id_and_what_is_gone_costs_one_more_page() {
    let cloud = Memory {
        objects: vec![object("net", "n-1", "s/main", 1, json!({})), object("net", "n-2", "s/other", 1, json!({}))],
        new: BTreeSet::from(["n-2"]),
        ..Memory::default()
    };
    let wanted = desired(&[("s/main", "net", json!({})), ("s/other", "net", json!({}))]);
    let applied =
        |kind: &str, id: &str| Applied { kind: kind.to_owned(), id: id.to_owned(), spec: json!({}), declared: None };
    let record = Record {
        applied: BTreeMap::from([
            (a("s/main"), applied("net", "n-1")),
            (a("s/other"), applied("net", "n-2")),
            (a("s/gone"), applied("server", "i-9")),
        ]),
    };
    let options = Options { deep: false, parallelism: 1, unsure: Vec::new(), ..Options::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let observed = runtime.block_on(collect(&cloud, &wanted, &kinds(), Some(&record), &options));
    assert_eq!(observed.objects.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), ["n-1", "n-2"]);
    let asked = cloud.asked.lock().unwrap().clone();
    assert_eq!(asked.len(), 7, "{asked:?}");
    assert!(asked[5].starts_with("net here [\"n-2\"]") && asked[6].starts_with("server here [\"i-9\"]"), "{asked:?}");
}
