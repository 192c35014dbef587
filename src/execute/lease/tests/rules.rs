//! What a lease does in one case at a time, on this machine's clocks.

use std::sync::Arc;
use std::time::Duration;

use crate::execute::lease::Lease;
use crate::execute::lease::document::Document;
use crate::execute::lock::{Holder, Lock, LockError};
use crate::execute::machine::System;
use crate::execute::tests::memory::{Memory, Trouble};
use crate::model::cloud::Unwatched;
use crate::model::storage::Condition;

const KEY: &str = "shop/test/lock";

fn lease(memory: &Arc<Memory>, seconds: u64) -> Lease {
    Lease::new(memory.clone(), Arc::new(System::new()), KEY.into(), Duration::from_secs(seconds))
}

fn holder(who: &str) -> Holder {
    Holder {
        who: who.into(),
        host: "build".into(),
        pid: 7,
        command: "saiken apply".into(),
        since: "2026-01-02T03:04:05Z".into(),
    }
}

fn document(memory: &Memory) -> Document {
    serde_json::from_slice(&memory.read(KEY).unwrap().bytes).unwrap()
}

#[tokio::test]
async fn a_second_writer_is_told_who_holds_it_and_until_when_and_takes_it_after_the_release() {
    let memory = Arc::new(Memory::default());
    let held = lease(&memory, 60).acquire(&holder("hanako"), &Unwatched).await.unwrap();
    assert!(held.is_held());
    let error = lease(&memory, 60).acquire(&holder("taro"), &Unwatched).await.unwrap_err();
    let until = document(&memory).expires_at;
    assert_eq!(
        error.to_string(),
        format!(
            "hanako@build is changing this environment since 2026-01-02T03:04:05Z: `saiken apply` (process 7); wait until it \
             has ended; if it was killed, its lock ends at {until}"
        )
    );
    held.release().await.unwrap();
    assert!(!held.is_held());
    assert_eq!(lease(&memory, 60).standing().await.unwrap(), None);
    lease(&memory, 60).acquire(&holder("taro"), &Unwatched).await.unwrap();
}

#[tokio::test]
async fn our_own_write_that_came_back_as_a_conflict_or_not_at_all_is_ours() {
    for trouble in [Trouble::OwnConflict, Trouble::AnswerLost, Trouble::RequestLost] {
        let memory = Arc::new(Memory::default());
        memory.trouble(KEY, trouble);
        let held = lease(&memory, 60).acquire(&holder("hanako"), &Unwatched).await.unwrap();
        assert!(held.is_held(), "{trouble:?}");
        memory.trouble(KEY, trouble);
        held.release().await.unwrap();
        assert_eq!(lease(&memory, 60).standing().await.unwrap(), None, "{trouble:?}");
    }
    let memory = Arc::new(Memory::default());
    memory.trouble(KEY, Trouble::Refused);
    let error = lease(&memory, 60).acquire(&holder("hanako"), &Unwatched).await.unwrap_err();
    assert_eq!(error.to_string(), "the lock memory://bucket/shop/test/lock: memory:Call: accessdenied");
}

#[tokio::test]
async fn it_is_renewed_while_it_is_held_and_survives_answers_that_are_lost() {
    let memory = Arc::new(Memory::default());
    let held = lease(&memory, 3).acquire(&holder("hanako"), &Unwatched).await.unwrap();
    memory.trouble(KEY, Trouble::AnswerLost);
    memory.trouble(KEY, Trouble::RequestLost);
    tokio::time::sleep(Duration::from_millis(3_500)).await;
    assert!(held.is_held() && !held.lost().is_cancelled());
    assert!(document(&memory).heartbeats >= 3);
    held.release().await.unwrap();
}

#[tokio::test]
async fn unlock_frees_what_was_shown_and_its_holder_notices() {
    let memory = Arc::new(Memory::default());
    let held = lease(&memory, 1).acquire(&holder("hanako"), &Unwatched).await.unwrap();
    let shown = lease(&memory, 1).standing().await.unwrap().unwrap();
    assert_eq!(shown.holder, Some(holder("hanako")));
    // Its holder has given a sign of life since it was shown.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!lease(&memory, 1).unlock(&shown, &holder("taro")).await.unwrap());
    let shown = lease(&memory, 1).standing().await.unwrap().unwrap();
    assert!(lease(&memory, 1).unlock(&shown, &holder("taro")).await.unwrap());
    assert_eq!(document(&memory).released.unwrap().by, "taro@build");
    tokio::time::timeout(Duration::from_secs(5), held.lost().cancelled()).await.unwrap();
    assert!(!held.is_held());
    held.release().await.unwrap();
    assert_eq!(document(&memory).released.unwrap().by, "taro@build", "what is not ours is left alone");
}

#[tokio::test]
async fn a_holder_that_was_killed_is_followed_after_the_whole_lease() {
    let memory = Arc::new(Memory::default());
    // Dropped without a release, as when the process ends.
    drop(lease(&memory, 1).acquire(&holder("hanako"), &Unwatched).await.unwrap());
    let begun = std::time::Instant::now();
    let held = loop {
        match lease(&memory, 1).acquire(&holder("taro"), &Unwatched).await {
            Ok(held) => break held,
            Err(LockError::Leased(_)) => tokio::time::sleep(Duration::from_millis(50)).await,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(held.is_held() && begun.elapsed() >= Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn what_a_newer_saiken_wrote_is_not_taken_over_but_unlock_replaces_it() {
    let memory = Arc::new(Memory::default());
    memory.write(KEY, br#"{"version":2}"#, &Condition::Absent).unwrap();
    let error = lease(&memory, 60).acquire(&holder("taro"), &Unwatched).await.unwrap_err();
    assert!(matches!(error, LockError::Unreadable { .. }), "{error}");
    let shown = lease(&memory, 60).standing().await.unwrap().unwrap();
    assert_eq!(shown.holder, None);
    assert!(lease(&memory, 60).unlock(&shown, &holder("taro")).await.unwrap());
    lease(&memory, 60).acquire(&holder("taro"), &Unwatched).await.unwrap();
}
