//! What the journal and the record keep.

use std::io::Write as _;
use std::sync::Arc;

use serde_json::json;

use super::fake::{Fake, Scene, address, header, object};
use crate::execute::journal::resume;
use crate::execute::journal::{self, Event, Illegal, Journal, JournalError, Outcome, StepState};
use crate::execute::place::Place;
use crate::execute::record::{FILE, RecordStore};
use crate::model::plan::{ActionKind, Operation};

async fn recent(folder: &std::path::Path) -> Vec<journal::History> {
    Place::Folder(folder.to_owned()).journals().recent(9).await.unwrap()
}

fn planned(step: usize) -> Event {
    let (kind, operation) = ("net".to_owned(), Operation::Create);
    Event::Planned { step, address: address("s/a"), kind, operation, object: None, generation: 1 }
}

#[tokio::test]
async fn a_journal_is_read_back_and_a_torn_last_line_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::create(folder.path(), header("0001")).unwrap();
    journal.append(&[planned(0), planned(1)]).await.unwrap();
    journal.append(&[Event::Started { step: 0 }]).await.unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(journal.path()).unwrap();
    file.write_all(br#"{"event":"finished","step":0,"mil"#).unwrap();
    let history = journal::read(journal.path()).unwrap();
    assert!(history.torn && history.outcome.is_none());
    assert_eq!(history.steps.values().map(|s| s.state).collect::<Vec<_>>(), [StepState::Started, StepState::Planned]);
    let told = resume::interrupted(&recent(folder.path()).await[0]).unwrap();
    assert_eq!((told.steps.len(), told.who.as_str()), (1, "hanako@build"));
}

#[tokio::test]
async fn an_illegal_event_is_not_written_and_a_damaged_line_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::create(folder.path(), header("0001")).unwrap();
    let before = std::fs::read(journal.path()).unwrap();
    let error = journal.append(&[planned(0), Event::Started { step: 3 }]).await.unwrap_err();
    assert!(matches!(error, JournalError::Illegal { source: Illegal::Unplanned(3), .. }), "{error}");
    assert_eq!(std::fs::read(journal.path()).unwrap(), before);
    journal.append(&[planned(0)]).await.unwrap();
    std::fs::write(journal.path(), [b"{}\n".as_slice(), &before].concat()).unwrap();
    assert!(matches!(journal::read(journal.path()), Err(JournalError::Damaged { line: 1, .. })));
    assert_eq!(recent(folder.path()).await, [], "only an aid");
}

#[tokio::test]
async fn an_apply_that_ended_is_not_interrupted_and_ids_are_never_reused() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::create(folder.path(), header("0001")).unwrap();
    journal.append(&[Event::End { outcome: Outcome::Succeeded }]).await.unwrap();
    assert_eq!(resume::interrupted(&recent(folder.path()).await[0]), None);
    assert!(matches!(Journal::create(folder.path(), header("0001")), Err(JournalError::Io { .. })));
    assert_eq!(journal::list(&folder.path().join("none")).unwrap(), [] as [std::path::PathBuf; 0]);
}

#[tokio::test]
async fn events_of_many_tasks_are_all_durable_in_one_order() {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::create(folder.path(), header("0001")).unwrap();
    journal.append(&(0..200).map(planned).collect::<Vec<_>>()).await.unwrap();
    let appends = (0..200).map(|step| {
        let journal = &journal;
        async move { journal.append(&[Event::Started { step }]).await }
    });
    for result in futures::future::join_all(appends).await {
        result.unwrap();
    }
    let history = journal::read(journal.path()).unwrap();
    assert!(history.steps.values().all(|s| s.state == StepState::Started));
}

#[tokio::test]
async fn a_record_survives_and_a_damaged_or_missing_one_is_no_error() {
    let mut scene = Scene::new();
    scene.create("server", "s/a", json!({"password": "hunter22", "url": "x"}), &[], &[]);
    scene.run(&Arc::new(Fake::default())).await;
    let (store, warning) = RecordStore::open(scene.folder.path());
    assert_eq!((warning, store.record().unwrap().applied[&address("s/a")].spec.clone()), (None, json!({"url": "x"})));
    std::fs::write(scene.folder.path().join(FILE), "{").unwrap();
    let (store, warning) = RecordStore::open(scene.folder.path());
    assert!(store.record().is_none() && warning.unwrap().contains("can't be read"));
    std::fs::remove_file(scene.folder.path().join(FILE)).unwrap();
    let (store, warning) = RecordStore::open(scene.folder.path());
    assert_eq!((store.record(), warning), (None, None));
}

#[tokio::test]
async fn a_deleted_record_fills_up_again_from_what_is_as_declared() {
    let mut scene = Scene::new();
    let net = json!({"cidr": "10.0.0.0/16"});
    scene.observed.objects = vec![object("net", "s/a", "one", net.clone()), object("net", "s/b", "two", net.clone())];
    scene.declare("net", "s/a", net.clone(), &[]);
    scene.declare("net", "s/b", net.clone(), &[]);
    let action = scene.action(ActionKind::Delete, "net", "s/b", json!(null), &["two"]);
    scene.step(action, Operation::Delete, Some("two"), &[]);
    assert!(scene.run(&Arc::new(Fake::default())).await.succeeded());
    let record = RecordStore::open(scene.folder.path()).0.record().unwrap();
    assert_eq!(record.applied.keys().map(crate::model::Address::as_str).collect::<Vec<_>>(), ["s/a"]);
}
