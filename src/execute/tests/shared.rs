//! Journal and record in shared storage, and what a run does when its lock is lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::fake::{Fake, Scene, address, header, object};
use super::memory::{Memory, Trouble};
use crate::execute::journal::{self, Event, Header, Outcome, StepState};
use crate::execute::lock::{Held, LockError};
use crate::execute::place::{Place, Shared};
use crate::execute::while_held::while_held;
use crate::execute::{StepError, record};
use crate::model::cloud::ErrorClass;
use crate::model::plan::Operation;
use crate::model::storage::{Condition, Storage as _};

const KEY: &str = "shop/test/record.json";

fn shared() -> (Arc<Memory>, Place) {
    let memory = Arc::new(Memory::default());
    let lease = Duration::from_secs(60);
    (memory.clone(), Place::Shared(Shared { storage: memory, prefix: "shop/test".into(), lease }))
}

fn planned(step: usize) -> Event {
    let (kind, operation) = ("net".to_owned(), Operation::Create);
    Event::Planned { step, address: address("s/a"), kind, operation, object: None, generation: 1 }
}

#[tokio::test]
async fn an_event_is_in_storage_when_append_returns_and_at_the_end_one_object_holds_all() {
    let (memory, place) = shared();
    let journal = place.journals().create(header("0001")).await.unwrap();
    journal.append(&[planned(0), planned(1)]).await.unwrap();
    journal.append(&[Event::Started { step: 0 }]).await.unwrap();
    assert_eq!(memory.keys(), (0..3).map(|i| format!("shop/test/journal/0001/{i:08}.jsonl")).collect::<Vec<_>>());
    // Another machine, at this moment.
    let seen = place.journals().recent(1).await.unwrap().remove(0);
    assert_eq!((seen.outcome, seen.steps[&0].state, seen.torn), (None, StepState::Started, false));
    let failed = Event::Skipped { step: 1, because: 0 };
    let error = Event::Failed {
        step: 0,
        error: "no".into(),
        class: None,
        request_id: None,
        milliseconds: 1,
        request_ids: vec![],
    };
    journal.append(&[error, failed, Event::End { outcome: Outcome::Failed }]).await.unwrap();
    assert_eq!(memory.keys(), ["shop/test/journal/0001.jsonl"]);
    let read = place.journals().read("0001").await.unwrap();
    assert_eq!((read.outcome, read.steps.len()), (Some(Outcome::Failed), 2));
    assert!(read.steps[&0].started_at.is_some() && read.last_at.is_some());
    assert_eq!(place.journals().ids().await.unwrap(), ["0001"]);
}

#[tokio::test]
async fn answers_that_are_lost_lose_no_event_and_write_none_twice() {
    for trouble in [Trouble::OwnConflict, Trouble::AnswerLost, Trouble::RequestLost] {
        for part in 0..3 {
            let (memory, place) = shared();
            memory.trouble(&format!("{part:08}"), trouble);
            memory.trouble("0001.jsonl", trouble);
            let journal = place.journals().create(header("0001")).await.unwrap();
            journal.append(&[planned(0)]).await.unwrap();
            journal.append(&[Event::Started { step: 0 }]).await.unwrap();
            assert_eq!(memory.keys().len(), 3, "{trouble:?} of part {part}");
            let finished = Event::Finished { step: 0, object: None, milliseconds: 1, request_ids: vec![] };
            journal.append(&[finished, Event::End { outcome: Outcome::Succeeded }]).await.unwrap();
            assert_eq!(memory.keys(), ["shop/test/journal/0001.jsonl"]);
            assert_eq!(place.journals().read("0001").await.unwrap().outcome, Some(Outcome::Succeeded));
        }
    }
}

#[tokio::test]
async fn after_a_part_that_was_refused_nothing_is_announced_any_more() {
    let (memory, place) = shared();
    let journal = place.journals().create(header("0001")).await.unwrap();
    memory.trouble("00000001", Trouble::Refused);
    let error = journal.append(&[planned(0)]).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the journal memory://bucket/shop/test/journal/0001.jsonl: memory:Call: accessdenied"
    );
    assert!(journal.append(&[Event::Started { step: 0 }]).await.is_err());
    assert_eq!(memory.keys().len(), 1, "only the header");
    let another = Header { who: "taro@laptop".into(), ..header("0001") };
    assert!(place.journals().create(another).await.is_err(), "ids are never reused");
}

#[tokio::test]
async fn parts_after_a_gap_are_left_out_and_said() {
    let (memory, place) = shared();
    let journal = place.journals().create(header("0001")).await.unwrap();
    for step in 0..3 {
        journal.append(&[planned(step)]).await.unwrap();
    }
    memory.delete("shop/test/journal/0001/00000002.jsonl").await.unwrap();
    let seen = place.journals().read("0001").await.unwrap();
    assert_eq!((seen.steps.len(), seen.torn), (1, true));
}

#[tokio::test]
async fn events_of_many_tasks_share_few_objects() {
    let (memory, place) = shared();
    let journal = place.journals().create(header("0001")).await.unwrap();
    journal.append(&(0..200).map(planned).collect::<Vec<_>>()).await.unwrap();
    let before = memory.puts.lock().unwrap().len();
    let journal = &journal;
    let appends = (0..200).map(|step| async move { journal.append(&[Event::Started { step }]).await });
    for result in futures::future::join_all(appends).await {
        result.unwrap();
    }
    let puts = memory.puts.lock().unwrap().len() - before;
    assert!(puts <= 20, "{puts} objects for 200 events");
    let history = place.journals().read("0001").await.unwrap();
    assert!(history.steps.values().all(|s| s.state == StepState::Started));
}

#[test]
fn lines_of_the_first_version_still_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.jsonl");
    let text = r#"{"event":"header","version":1,"apply":"a","plan":"p","who":"h@b","command":"saiken apply","started_at":"2026-01-01T00:00:00Z"}
{"event":"planned","step":0,"address":"s/a","kind":"vpc","operation":"create"}
{"event":"started","step":0}
{"event":"finished","step":0,"object":"vpc-1","milliseconds":5}
{"event":"end","outcome":"succeeded"}
"#;
    std::fs::write(&path, text).unwrap();
    let history = journal::read(&path).unwrap();
    assert_eq!((history.outcome, history.last_at), (Some(Outcome::Succeeded), None));
    assert_eq!((history.steps[&0].milliseconds, history.steps[&0].started_at.as_ref()), (Some(5), None));
    std::fs::write(&path, text.replace("\"version\":1", "\"version\":3")).unwrap();
    let error = journal::read(&path).unwrap_err().to_string();
    assert!(error.ends_with("it is of version 3, and this saiken reads up to 2"), "{error}");
}

/// A record with one change, open in storage.
async fn changed(place: &Place, id: &str) -> record::RecordStore {
    let (store, warning) = place.record().await;
    assert_eq!(warning, None);
    let scene = Scene::new();
    let net = scene.kinds.get("net").unwrap();
    let object = object("net", "s/a", id, json!({"cidr": "10.0.0.0/16"}));
    store.put(&address("s/a"), net, &object, None, &crate::execute::spec::Secrets::default());
    store
}

async fn recorded(place: &Place) -> Option<String> {
    Some(place.record().await.0.record()?.applied[&address("s/a")].id.clone())
}

#[tokio::test]
async fn a_record_that_another_has_written_since_is_never_overwritten() {
    let (_, place) = shared();
    let (first, second) = (changed(&place, "one").await, changed(&place, "two").await);
    first.save().await.unwrap();
    let text = "the last-applied record memory://bucket/shop/test/record.json was written by somebody else in the \
                meantime, and is left as it is";
    for _ in 0..2 {
        assert_eq!(second.save().await.unwrap_err().to_string(), text);
    }
    assert_eq!(recorded(&place).await.as_deref(), Some("one"));
    changed(&place, "three").await.save().await.unwrap();
    assert_eq!(recorded(&place).await.as_deref(), Some("three"));
}

#[tokio::test]
async fn a_record_whose_answer_was_lost_is_ours() {
    for trouble in [Trouble::OwnConflict, Trouble::AnswerLost] {
        let (memory, place) = shared();
        memory.trouble("record.json", trouble);
        let store = changed(&place, "one").await;
        store.save().await.unwrap();
        assert_eq!(recorded(&place).await.as_deref(), Some("one"), "{trouble:?}");
    }
}

#[tokio::test]
async fn a_record_that_arrives_late_is_still_ours() {
    let (memory, place) = shared();
    memory.trouble("record.json", Trouble::RequestLost);
    let store = changed(&place, "one").await;
    assert!(store.save().await.unwrap_err().to_string().contains("can't be written"));
    // What was sent arrives after all, and then more is to be saved.
    let bytes = {
        let (other, other_place) = shared();
        changed(&other_place, "one").await.save().await.unwrap();
        other.read(KEY).unwrap().bytes
    };
    memory.write(KEY, &bytes, &Condition::Absent).unwrap();
    store.remove(&address("s/a"), "one");
    store.save().await.unwrap();
    assert_eq!(recorded(&place).await, None);
}

#[tokio::test]
async fn a_damaged_record_in_storage_counts_as_missing_and_is_replaced() {
    let (memory, place) = shared();
    memory.write(KEY, b"{", &Condition::Absent).unwrap();
    let (store, warning) = place.record().await;
    assert!(store.record().is_none() && warning.unwrap().contains("can't be read"));
}

/// A lock that is lost when told.
#[derive(Debug, Default)]
struct Losable {
    gone: AtomicBool,
    lost: CancellationToken,
}

#[async_trait]
impl Held for Losable {
    fn is_held(&self) -> bool {
        !self.gone.load(Ordering::SeqCst)
    }
    fn lost(&self) -> CancellationToken {
        self.lost.clone()
    }
    async fn release(&self) -> Result<(), LockError> {
        Ok(())
    }
}

#[tokio::test]
async fn a_lost_lock_stops_before_the_next_call_and_gives_up_what_is_under_way() {
    let mut scene = Scene::new();
    let net = json!({"cidr": "10.0.0.0/16"});
    let a = scene.create("net", "s/a", net.clone(), &[], &[]);
    let slow = scene.create("net", "s/slow", net.clone(), &[], &[a]);
    scene.create("net", "s/b", net.clone(), &[], &[slow]);
    scene.create("net", "s/c", net, &[], &[a]);
    scene.parallelism = 1;
    let lock = Arc::new(Losable::default());
    scene.held = Some(lock.clone());
    let cloud = Arc::new(Fake { delay: [("s/slow".to_owned(), 60_000)].into(), ..Fake::default() });
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(80)).await;
        lock.gone.store(true, Ordering::SeqCst);
        lock.lost.cancel();
    });
    let report = tokio::time::timeout(Duration::from_secs(10), scene.run(&cloud)).await.unwrap();
    assert_eq!(cloud.order(), ["create s/a"]);
    assert!(report.lock_lost && !report.succeeded());
    let [failure] = report.failed.as_slice() else { panic!("{report:?}") };
    let StepError::Api(error) = &failure.error else { panic!("{failure:?}") };
    assert_eq!((failure.address.as_str(), error.class), ("s/slow", ErrorClass::Cancelled));
    assert_eq!((report.skipped.len(), report.not_started.len()), (1, 1));
    let history = journal::read(&scene.journal()).unwrap();
    assert_eq!(history.outcome, Some(Outcome::LockLost));
    assert!(history.steps[&slow].error.as_ref().unwrap().contains("the lock of the environment was lost"));
}

#[tokio::test]
async fn a_machine_that_wakes_up_after_its_lease_makes_no_further_call() {
    let lock = Losable::default();
    let calls = Mutex::new(Vec::new());
    let work = async {
        calls.lock().unwrap().push("first");
        tokio::time::sleep(Duration::from_millis(20)).await;
        calls.lock().unwrap().push("second");
    };
    // Nobody has cancelled `lost` yet: the clock alone says it.
    let run = while_held(Some(&lock), work);
    let suspend = async {
        tokio::time::sleep(Duration::from_millis(5)).await;
        lock.gone.store(true, Ordering::SeqCst);
    };
    let (outcome, ()) = tokio::join!(run, suspend);
    assert_eq!((outcome, calls.lock().unwrap().as_slice()), (None, ["first"].as_slice()));
    assert_eq!(while_held(Some(&lock), async { calls.lock().unwrap().push("third") }).await, None);
    assert_eq!(while_held(None, async { 7 }).await, Some(7));
}
