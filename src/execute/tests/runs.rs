//! What a run promises.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::sync::Barrier;

use super::fake::{Call, Fake, REGION, Scene, address, object};
use crate::execute::journal::{self, Outcome};
use crate::execute::{Counts, Events, StepError, StepView, stale};
use crate::guard::announcement::Announcement;
use crate::model::Address;
use crate::model::cloud::{ApiError, ErrorClass, RecoveryPoint};
use crate::model::environment::{Guards, InterruptionGuard};
use crate::model::ownership;
use crate::model::plan::{ActionKind, Impact, Loss, Operation, Remains};
use crate::model::value::token;

fn denied() -> ApiError {
    let request_id = Some("req-1".to_owned());
    ApiError { request_id, ..ApiError::new("test:Create", ErrorClass::AccessDenied, "not allowed with hunter22") }
}

fn net() -> serde_json::Value {
    json!({"cidr": "10.0.0.0/16"})
}

fn texts(report: &[impl std::fmt::Display]) -> Vec<String> {
    report.iter().map(ToString::to_string).collect()
}

#[tokio::test]
async fn steps_run_after_those_they_wait_for_and_independent_ones_at_the_same_time() {
    let mut scene = Scene::new();
    let a = scene.create("net", "s/a", net(), &[], &[]);
    scene.create("net", "s/b", net(), &[], &[]);
    scene.create("server", "s/c", json!({"net": "s/a"}), &["s/a"], &[a]);
    let both = Arc::new(Barrier::new(2));
    let meet = ["s/a", "s/b"].map(|at| (at.to_owned(), both.clone())).into();
    let cloud = Arc::new(Fake { meet, delay: [("s/a".to_owned(), 40)].into(), ..Fake::default() });
    let report = scene.run(&cloud).await;
    assert!(report.succeeded() && report.warnings.is_empty(), "{report:?}");
    assert_eq!(cloud.order(), ["create s/b", "create s/a", "create s/c"]);
    assert_eq!(cloud.most.load(Ordering::SeqCst), 2);
    assert_eq!(journal::read(&scene.journal()).unwrap().outcome, Some(Outcome::Succeeded));
}

#[tokio::test]
async fn no_more_steps_run_at_a_time_than_asked_for() {
    let mut scene = Scene::new();
    scene.parallelism = 3;
    for i in 0..12 {
        scene.create("net", &format!("s/{i}"), net(), &[], &[]);
    }
    let three = Arc::new(Barrier::new(3));
    let meet = (0..12).map(|i| (format!("s/{i}"), three.clone())).collect();
    let cloud = Arc::new(Fake { meet, ..Fake::default() });
    assert_eq!(scene.run(&cloud).await.done.len(), 12);
    assert_eq!(cloud.most.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_failure_skips_only_what_depends_on_it_and_is_reported_with_its_remedy() {
    let mut scene = Scene::new();
    scene.desired.secrets = vec!["hunter22".to_owned()];
    let a = scene.create("net", "s/a", net(), &[], &[]);
    let c = scene.create("server", "s/c", json!({"net": "s/a"}), &["s/a"], &[a]);
    scene.create("server", "s/d", json!({}), &[], &[c]);
    scene.create("net", "s/other", net(), &[], &[]);
    let cloud = Arc::new(Fake { fail: [("s/a".to_owned(), denied())].into(), ..Fake::default() });
    let report = scene.run(&cloud).await;
    assert_eq!(cloud.order(), ["create s/other"]);
    let skipped: Vec<_> = report.skipped.iter().map(|s| (s.address.as_str(), s.because.as_str())).collect();
    assert_eq!(skipped, [("s/c", "s/a"), ("s/d", "s/a")]);
    let [failure] = report.failed.as_slice() else { panic!("{report:?}") };
    assert_eq!((failure.request_id(), failure.remedy().is_some()), (Some("req-1"), true));
    assert_eq!(failure.error.to_string(), "test:Create: not allowed with (sensitive)");
    assert!(!report.succeeded());
    let path = scene.journal();
    assert!(!std::fs::read_to_string(&path).unwrap().contains("hunter22"));
    assert_eq!(journal::read(&path).unwrap().outcome, Some(Outcome::Failed));
}

#[tokio::test]
async fn failures_among_many_steps_under_way_never_stop_the_rest() {
    let mut scene = Scene::new();
    let mut fail = std::collections::BTreeMap::new();
    for i in 0..60 {
        let net_address = format!("s/n{i}");
        let a = scene.create("net", &net_address, net(), &[], &[]);
        scene.create("server", &format!("s/s{i}"), json!({"net": net_address}), &[&net_address], &[a]);
        if i % 2 == 0 {
            fail.insert(net_address, denied());
        }
    }
    let cloud = Arc::new(Fake { fail, ..Fake::default() });
    let report = tokio::time::timeout(Duration::from_secs(20), scene.run(&cloud)).await.unwrap();
    assert_eq!((report.done.len(), report.failed.len(), report.skipped.len()), (60, 30, 30));
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
}

#[tokio::test]
async fn the_first_stop_finishes_what_is_under_way_and_starts_nothing_new() {
    let mut scene = Scene::new();
    let a = scene.create("net", "s/a", net(), &[], &[]);
    scene.create("server", "s/b", json!({"net": "s/a"}), &["s/a"], &[a]);
    let cloud = Arc::new(Fake { cancel_at: Some(("s/a".to_owned(), scene.cancel.clone())), ..Fake::default() });
    let report = scene.run(&cloud).await;
    assert_eq!((report.done.len(), report.not_started.as_slice()), (1, [1].as_slice()));
    assert_eq!(cloud.saw_cancelled.load(Ordering::SeqCst), 0);
    assert_eq!(journal::read(&scene.journal()).unwrap().outcome, Some(Outcome::Cancelled));
}

#[tokio::test]
async fn only_the_second_stop_reaches_a_call_that_is_under_way() {
    let mut scene = Scene::new();
    scene.create("net", "s/a", net(), &[], &[]);
    let cloud = Arc::new(Fake { cancel_at: Some(("s/a".to_owned(), scene.hard.clone())), ..Fake::default() });
    scene.run(&cloud).await;
    assert_eq!(cloud.saw_cancelled.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_second_stop_leaves_a_call_that_does_not_answer_to_itself() {
    let mut scene = Scene::new();
    let a = scene.create("net", "s/a", net(), &[], &[]);
    scene.create("server", "s/b", json!({"net": "s/a"}), &["s/a"], &[a]);
    let cloud = Arc::new(Fake { delay: [("s/a".to_owned(), 60_000)].into(), ..Fake::default() });
    let stop = scene.hard.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        stop.cancel();
    });
    let report = tokio::time::timeout(Duration::from_secs(10), scene.run(&cloud)).await.unwrap();
    let StepError::Api(error) = &report.failed[0].error else { panic!("{:?}", report.failed) };
    assert_eq!(error.class, ErrorClass::Cancelled);
    assert_eq!(report.skipped.len(), 1);
    assert_eq!(journal::read(&scene.journal()).unwrap().outcome, Some(Outcome::Failed));
}

#[tokio::test]
async fn a_create_is_complete_tokens_filled_secrets_restored_owner_and_names_derived() {
    let mut scene = Scene::new();
    let net_address = address("s/a");
    let a = scene.create("net", "s/a", net(), &[], &[]);
    let url = format!("http://{}/{}", token(&net_address, "address"), token(&net_address, "cidr"));
    let declared = json!({"net": "s/a", "image": {"name": "x-*"}, "password": "hunter22", "url": url});
    scene.declare("server", "s/c", declared.clone(), &["s/a"]);
    let planned = json!({"net": "s/a", "image": "ami-1", "password": "(sensitive)", "url": url});
    let action = scene.action(ActionKind::Create, "server", "s/c", planned, &[]);
    scene.step(action, Operation::Create, None, &[a]);
    scene.output("net", json!(token(&net_address, "id")));
    let cloud = Arc::new(Fake::default());
    let report = scene.run(&cloud).await;
    assert!(report.succeeded(), "{report:?}");
    let calls = cloud.calls.lock().unwrap();
    let Call::Create(request) = &calls[1] else { panic!("{calls:?}") };
    assert_eq!(
        request.spec,
        json!({"net": "s/a", "image": "ami-1", "password": "hunter22", "url": "http://10.0.0.5/10.0.0.0/16"})
    );
    assert_eq!(request.resolved.keys().map(Address::as_str).collect::<Vec<_>>(), ["s/a"]);
    assert_eq!(request.resolved[&net_address].id, "new-0");
    assert_eq!((request.name.as_str(), request.region.as_str()), ("shop-test-s-c", REGION));
    assert_eq!(request.token, ownership::idempotency_token("plan-1", &address("s/c"), 1));
    assert_eq!(request.tags["team"], "web");
    let schema = &scene.kinds.get("server").unwrap().schema;
    assert_eq!(request.owner.fingerprints, ownership::fingerprints(schema, &declared));
    assert_eq!(report.outputs["s"]["net"].value, json!("new-0"));
    let files: String = [scene.journal(), scene.folder.path().join("record.json")]
        .iter()
        .map(|p| std::fs::read_to_string(p).unwrap())
        .collect();
    assert!(!files.contains("hunter22") && files.contains(r#""net":"s/a""#), "{files}");
}

#[tokio::test]
async fn a_value_that_is_missing_or_wrong_after_filling_in_fails_the_step_without_a_call() {
    let mut scene = Scene::new();
    let a = scene.create("net", "s/a", net(), &[], &[]);
    scene.create("server", "s/b", json!({"url": token(&address("s/a"), "nothing")}), &["s/a"], &[a]);
    scene.create("net", "s/c", json!({"cidr": "bad"}), &[], &[]);
    scene.create("server", "s/d", json!({"net": "s/away"}), &["s/away"], &[]);
    let cloud = Arc::new(Fake::default());
    let mut report = scene.run(&cloud).await;
    report.failed.sort_by_key(|f| f.address.clone());
    let errors: Vec<String> = report.failed.iter().map(|f| f.error.to_string()).collect();
    assert_eq!(
        errors,
        [
            "attribute `nothing` of s/a is not there",
            "`cidr`: that is no range",
            "s/away, which it refers to, is not there"
        ]
    );
    assert!(matches!(report.failed[0].error, StepError::NotCalled(_)));
    assert_eq!(cloud.order(), ["create s/a"]);
}

#[tokio::test]
async fn in_a_create_first_replacement_the_new_identity_is_used_and_the_old_reference_is_kept_by_id() {
    let mut scene = Scene::new();
    scene.observed.objects =
        vec![object("net", "s/a", "old", net()), object("server", "s/b", "srv", json!({"net": "s/a"}))];
    let spec = json!({"cidr": "10.1.0.0/16"});
    scene.declare("net", "s/a", spec.clone(), &[]);
    scene.declare("server", "s/b", json!({"net": "s/a"}), &["s/a"]);
    let replace = scene.action(ActionKind::Replace, "net", "s/a", spec, &["old"]);
    let update = scene.action(ActionKind::Update, "server", "s/b", json!({"net": "s/a"}), &["srv"]);
    scene.change(update, "net");
    scene.change(update, "tags.x");
    let create = scene.step(replace, Operation::Create, None, &[]);
    let changed = scene.step(update, Operation::Update, Some("srv"), &[create]);
    scene.step(replace, Operation::Delete, Some("old"), &[changed]);
    let cloud = Arc::new(Fake::default());
    let report = scene.run(&cloud).await;
    assert!(report.succeeded(), "{report:?}");
    assert_eq!(cloud.order(), ["create s/a", "update s/b", "delete old"]);
    let calls = cloud.calls.lock().unwrap();
    let Call::Update(request) = &calls[1] else { panic!("{calls:?}") };
    assert_eq!(request.desired.resolved[&address("s/a")].id, "new-0");
    assert_eq!(request.object.spec, json!({"net": {"id": "old"}}));
    assert_eq!(request.changed.iter().map(String::as_str).collect::<Vec<_>>(), ["net", "tags"]);
    let record = crate::execute::record::RecordStore::open(scene.folder.path()).0.record().unwrap();
    assert_eq!(record.applied[&address("s/a")].id, "new-0");
    assert_eq!(record.applied[&address("s/b")].spec, json!({"net": "s/a"}));
}

#[tokio::test]
async fn adopting_writes_fingerprints_only_if_no_update_follows() {
    let mut scene = Scene::new();
    for (at, id) in [("s/a", "one"), ("s/b", "two")] {
        scene.observed.objects.push(crate::model::observed::Object {
            owner: None,
            ..object("server", at, id, json!({"image": "ami-1"}))
        });
        let spec = json!({"image": "ami-1"});
        scene.declare("server", at, spec.clone(), &[]);
        let action = scene.action(ActionKind::Adopt, "server", at, spec, &[id]);
        let own = scene.step(action, Operation::Own, Some(id), &[]);
        if id == "two" {
            scene.step(action, Operation::Update, Some(id), &[own]);
        }
    }
    scene.saved = true;
    let cloud = Arc::new(Fake::default());
    let report = scene.run(&cloud).await;
    assert!(report.succeeded(), "{report:?}");
    let calls = cloud.calls.lock().unwrap();
    for call in calls.iter() {
        match call {
            Call::Own(r) => {
                let empty = r.owner.as_ref().unwrap().fingerprints.is_empty();
                assert_eq!(empty, r.object.id == "two");
            }
            Call::Update(r) => {
                assert!(!r.desired.owner.fingerprints.is_empty());
                assert_eq!(r.object.owner.as_ref().unwrap().address, address("s/b"));
            }
            Call::Create(_) | Call::Save(_) | Call::Delete(_) => panic!("{call:?}"),
        }
    }
}

#[tokio::test]
async fn forgetting_removes_our_tags_and_leaves_the_object() {
    let mut scene = Scene::new();
    scene.observed.objects = vec![object("net", "s/a", "one", net())];
    let action = scene.action(ActionKind::Forget, "net", "s/a", json!(null), &["one"]);
    scene.step(action, Operation::Disown, Some("one"), &[]);
    let cloud = Arc::new(Fake::default());
    assert!(scene.run(&cloud).await.succeeded());
    assert_eq!(cloud.order(), ["own one None"]);
}

#[tokio::test]
async fn a_saved_plan_is_refused_as_a_whole_when_what_it_touches_has_changed() {
    let mut scene = Scene::new();
    scene.saved = true;
    scene.observed.objects = vec![object("net", "s/a", "one", net()), object("net", "s/gone", "two", net())];
    scene.declare("net", "s/a", net(), &[]);
    let update = scene.action(ActionKind::Update, "net", "s/a", net(), &["one"]);
    scene.step(update, Operation::Update, Some("one"), &[]);
    let delete = scene.action(ActionKind::Delete, "net", "s/gone", json!(null), &["two"]);
    scene.step(delete, Operation::Delete, Some("two"), &[]);
    scene.create("net", "s/new", net(), &[], &[]);
    assert_eq!(stale(&scene.plan, &scene.desired, &scene.observed, "1"), []);
    scene.observed.objects =
        vec![object("net", "s/a", "one", json!({"cidr": "10.9.0.0/16"})), object("net", "s/new", "three", net())];
    let cloud = Arc::new(Fake::default());
    let report = scene.run(&cloud).await;
    assert_eq!(
        texts(&report.refused),
        ["s/a: one has been changed", "s/gone: two is not there any more", "s/new: three has appeared there"]
    );
    assert!(cloud.order().is_empty() && !report.succeeded());
    assert_eq!(journal::read(&scene.journal()).unwrap().outcome, Some(Outcome::Refused));
}

#[test]
fn a_saved_plan_is_refused_in_another_place_and_on_kinds_that_cant_be_read() {
    let mut scene = Scene::new();
    scene.create("net", "s/a", net(), &[], &[]);
    scene.observed.unobserved.insert(("net".into(), REGION.into()), "denied".into());
    scene.plan.environment = "production".into();
    assert_eq!(
        texts(&stale(&scene.plan, &scene.desired, &scene.observed, "2")),
        [
            "the plan is for environment `production`, this is `test`",
            "the plan is for account `1`, this is `2`",
            "s/a: net objects in ap-northeast-1 could not be read now: denied"
        ]
    );
}

#[test]
fn a_saved_plan_is_refused_when_the_files_say_something_else_of_what_it_touches() {
    let mut scene = Scene::new();
    scene.create("net", "s/a", net(), &[], &[]);
    scene.declare("server", "s/b", json!({"image": {"name": "x"}, "net": {"tags": {"a": "b"}}, "password": "p"}), &[]);
    let planned = json!({"image": "ami-1", "net": {"id": "n-1"}, "password": "(sensitive)"});
    scene.action(ActionKind::Create, "server", "s/b", planned, &[]);
    let now = |scene: &Scene| texts(&stale(&scene.plan, &scene.desired, &scene.observed, "1"));
    assert_eq!(now(&scene), [""; 0]);
    scene.declare("net", "s/other", net(), &[]);
    assert_eq!(now(&scene), [""; 0], "it does not touch that");
    scene.declare("net", "s/a", json!({"cidr": "10.8.0.0/16"}), &[]);
    let b = address("s/b");
    let server = scene.desired.resources.get_mut(&b).unwrap();
    server.spec["image"]["name"] = json!("y");
    server.spec["password"] = json!("q");
    server.lifecycle.protect = true;
    server.adopt = Some("i-1".into());
    assert_eq!(
        now(&scene),
        [
            "s/a: `cidr` has changed in the files (test)",
            "s/b: `adopt`, `image`, `lifecycle` have changed in the files (test)"
        ]
    );
    scene.desired.resources.get_mut(&b).unwrap().region = "elsewhere".into();
    scene.desired.resources.remove(&address("s/a"));
    assert_eq!(
        now(&scene),
        [
            "s/a: it is no longer declared",
            "s/b: its region, `adopt`, `image`, `lifecycle` have changed in the files (test)"
        ]
    );
}

#[test]
fn a_saved_plan_that_deletes_is_refused_when_the_resource_is_declared_again_but_for_what_a_replacement_left() {
    let mut scene = Scene::new();
    scene.observed.objects.push(object("net", "s/a", "n-1", net()));
    scene.action(ActionKind::Delete, "net", "s/a", serde_json::Value::Null, &["n-1"]);
    let now = |scene: &Scene| texts(&stale(&scene.plan, &scene.desired, &scene.observed, "1"));
    assert_eq!(now(&scene), [""; 0]);
    scene.declare("net", "s/a", net(), &[]);
    assert_eq!(now(&scene), ["s/a: it is declared again (test)"]);
    scene.plan.actions.clear();
    scene.action(ActionKind::Delete, "net", "s/a", serde_json::Value::Null, &["n-1"]);
    assert_eq!(now(&scene), [""; 0], "it is declared, and an older object of it goes");
}

#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Events for Told {
    fn started(&self, step: &StepView<'_>) {
        self.0.lock().unwrap().push(format!("start {} {}", step.kind, step.address));
    }
    fn waiting(&self, step: &StepView<'_>, what: &str) {
        self.0.lock().unwrap().push(format!("wait {}: {what}", step.address));
    }
    fn finished(&self, step: &StepView<'_>, _: Duration) {
        self.0.lock().unwrap().push(format!("done {}", step.address));
    }
    fn failed(&self, step: &StepView<'_>, error: &StepError) {
        self.0.lock().unwrap().push(format!("failed {}: {error}", step.address));
    }
    fn skipped(&self, step: &StepView<'_>, because: &Address) {
        self.0.lock().unwrap().push(format!("skipped {} because {because}", step.address));
    }
    fn counts(&self, counts: &Counts) {
        let done = counts.done + counts.failed + counts.skipped;
        self.0.lock().unwrap().push(format!("{done}/{}", counts.total));
    }
}

#[tokio::test]
async fn everything_that_happens_is_told() {
    let mut scene = Scene::new();
    let told = Arc::new(Told::default());
    scene.events = told.clone();
    let a = scene.create("net", "s/a", net(), &[], &[]);
    let b = scene.create("net", "s/b", json!({"cidr": "bad"}), &[], &[a]);
    scene.create("net", "s/c", net(), &[], &[b]);
    scene.run(&Arc::new(Fake::default())).await;
    assert_eq!(
        told.0.lock().unwrap().as_slice(),
        [
            "0/3",
            "start net s/a",
            "wait s/a: it to be usable",
            "done s/a",
            "1/3",
            "start net s/b",
            "failed s/b: `cidr`: that is no range",
            "skipped s/c because s/b",
            "3/3"
        ]
    );
}

/// One disk that goes, guarded.
fn going() -> Scene {
    let mut scene = Scene::new();
    scene.observed.objects.push(object("net", "s/a", "one", net()));
    let action = scene.action(ActionKind::Delete, "net", "s/a", serde_json::Value::Null, &["one"]);
    scene.plan.actions[action].impact = Impact::LosesData;
    let save = scene.step(action, Operation::Save, Some("one"), &[]);
    scene.step(action, Operation::Delete, Some("one"), &[save]);
    scene.plan.losses.push(Loss {
        address: address("s/a"),
        kind: "net".into(),
        objects: vec!["one".into()],
        remains: Remains::RecoveryPoint,
        named: true,
        newer_than: Some(3600),
        note: String::new(),
    });
    scene.desired.environment.guards = Guards::default();
    scene.permits.data_loss = [address("s/a")].into();
    scene
}

fn point(id: &str, age: u64, complete: bool) -> RecoveryPoint {
    RecoveryPoint { id: id.into(), age, complete }
}

#[tokio::test]
async fn the_newest_complete_recovery_point_is_taken_and_none_is_made() {
    let points = vec![point("old", 3000, true), point("new", 10, true), point("unfinished", 5, false)];
    let (scene, cloud) = (going(), Arc::new(Fake { points, ..Fake::default() }));
    assert!(scene.run(&cloud).await.succeeded());
    assert_eq!(cloud.order(), ["delete one"]);
    assert_eq!(journal::read(&scene.journal()).unwrap().steps[&0].object.as_deref(), Some("new"));
}

#[tokio::test]
async fn an_old_recovery_point_does_not_count_and_an_unfinished_one_is_waited_for() {
    let points = vec![point("old", 3601, true), point("unfinished", 5, false)];
    let (scene, cloud) = (going(), Arc::new(Fake { points, ..Fake::default() }));
    assert!(scene.run(&cloud).await.succeeded());
    assert_eq!(cloud.order(), ["save one Some(\"unfinished\")", "delete one"]);
    assert_eq!(journal::read(&scene.journal()).unwrap().steps[&0].object.as_deref(), Some("point-new"));
}

#[tokio::test]
async fn what_can_not_be_saved_stays() {
    for at in ["points one", "save one"] {
        let (scene, cloud) = (going(), Arc::new(Fake { fail: [(at.to_owned(), denied())].into(), ..Fake::default() }));
        let report = scene.run(&cloud).await;
        assert_eq!((report.failed.len(), report.skipped.len(), cloud.order().len()), (1, 1, 0), "{at}");
    }
}

#[tokio::test]
async fn nothing_is_called_for_data_that_was_not_named() {
    let mut scene = going();
    scene.permits.data_loss.clear();
    let cloud = Arc::new(Fake::default());
    let report = scene.run(&cloud).await;
    assert!(texts(&report.refused)[0].contains("--allow-data-loss s/a") && cloud.order().is_empty());
    assert_eq!(journal::read(&scene.journal()).unwrap().outcome, Some(Outcome::Refused));
}

#[tokio::test]
async fn what_interrupts_does_not_begin_after_the_window_has_ended() {
    let mut scene = going();
    let now = jiff::Timestamp::now();
    let until = now.checked_add(jiff::SignedDuration::from_millis(300)).unwrap();
    scene.desired.environment.guards.interruptions = Some(InterruptionGuard { notice: 0 });
    scene.permits.announcements = vec![Announcement {
        id: "1".into(),
        made_at: now,
        who: "hanako@build".into(),
        from: now,
        until,
        about: None,
        covers: Vec::new(),
    }];
    let cloud = Arc::new(Fake { delay: [("save one".to_owned(), 500)].into(), ..Fake::default() });
    let report = scene.run(&cloud).await;
    assert_eq!(cloud.order(), ["save one None"]);
    assert!(report.failed[0].error.to_string().contains("the announced window has ended"), "{report:?}");
}
