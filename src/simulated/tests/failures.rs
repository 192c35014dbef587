//! Faults on purpose: which have their effect all the same, and which calls they strike.

use serde_json::json;

use super::{Place, ZONE, request};
use crate::model::cloud::{CreateRequest, ErrorClass};
use crate::model::observed::{Object, Status};
use crate::simulated::{Fault, FaultCall, FaultWhat};

fn disk(name: &str, net: &Object) -> CreateRequest {
    request("disk", name, json!({"net": {"id": net.id}, "zone": ZONE}))
}

/// The class of the error of the first call under a fault, and how many objects there are afterwards.
async fn create_under(what: &str) -> (ErrorClass, usize) {
    let place = Place::new();
    let cloud = place.with(json!({"faults": [{"operation": "create", "nth": 1, "what": what}]}));
    let make = request("net", "n", json!({"cidr": "10.0.0.0/16"}));
    let class = cloud.add(&make).await.unwrap_err().class;
    let there = cloud.reads("net").await.len();
    // Whatever happened, the same call again ends with one object.
    cloud.add(&make).await.unwrap();
    assert_eq!(cloud.reads("net").await.len(), 1, "{what}");
    (class, there)
}

#[tokio::test]
async fn throttling_and_an_error_have_no_effect() {
    assert_eq!(create_under("throttle").await, (ErrorClass::Throttled, 0));
    assert_eq!(create_under("error").await, (ErrorClass::Other, 0));
}

#[tokio::test]
async fn a_lost_answer_and_a_timeout_have_their_effect() {
    assert_eq!(create_under("lost_answer").await, (ErrorClass::Unanswered, 1));
    assert_eq!(create_under("timeout").await, (ErrorClass::TimedOut, 1));
}

#[tokio::test]
async fn updates_deletions_and_reads_can_fail_as_well() {
    let place = Place::new();
    let net = place.open().net("n").await;
    let under = |call: &str, what: &str| place.with(json!({"faults": [{"operation": call, "nth": 1, "what": what}]}));
    let error = under("update", "lost_answer").change(&net, "tier", json!(2)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Unanswered);
    assert_eq!(place.open().reads("net").await[0].spec["tier"], json!(2));
    let error = under("update", "throttle").change(&net, "tier", json!(3)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Throttled);
    assert_eq!(place.open().reads("net").await[0].spec["tier"], json!(2));
    let cloud = under("read", "error");
    assert_eq!(cloud.try_read("net", super::REGION, &[]).await.unwrap_err().class, ErrorClass::Other);
    assert_eq!(cloud.reads("net").await.len(), 1);
    assert_eq!(under("delete", "error").discard(&net).await.unwrap_err().class, ErrorClass::Other);
    assert_eq!(place.open().reads("net").await.len(), 1);
    assert_eq!(under("delete", "lost_answer").discard(&net).await.unwrap_err().class, ErrorClass::Unanswered);
    assert_eq!(place.open().reads("net").await[0].status, Status::Deleting, "it was heard");
    place.open().discard(&net).await.unwrap();
    assert!(place.open().reads("net").await.is_empty());
}

#[tokio::test]
async fn what_was_left_while_it_was_made_is_pending_is_not_referred_to_and_is_waited_for() {
    let place = Place::new();
    let lost = place.with(json!({"faults": [{"operation": "create", "nth": 1, "what": "lost_answer"}]}));
    assert_eq!(
        lost.add(&request("net", "n", json!({"cidr": "10.0.0.0/16"}))).await.unwrap_err().class,
        ErrorClass::Unanswered
    );
    let net = place.open().reads("net").await.remove(0);
    assert_eq!(net.status, Status::Pending("pending".to_owned()));
    let error = place.open().add(&disk("s", &net)).await.unwrap_err();
    assert_eq!((error.class, error.code.as_deref()), (ErrorClass::Conflict, Some("IncorrectState")));
    let changed = place.open().change(&net, "tier", json!(2)).await.unwrap();
    assert_eq!((changed.status, place.open().reads("net").await[0].status.clone()), (Status::Ready, Status::Ready));
    place.open().add(&disk("s", &net)).await.unwrap();
}

#[tokio::test]
async fn what_is_on_its_way_out_still_keeps_what_it_uses_until_time_has_passed() {
    let place = Place::new();
    let net = place.open().net("n").await;
    let other = place.open().net("m").await;
    let sub = place.open().add(&disk("s", &net)).await.unwrap();
    let lost = || place.with(json!({"faults": [{"operation": "delete", "nth": 1, "what": "lost_answer"}]}));
    place.open().discard(&sub).await.unwrap();
    lost().discard(&net).await.unwrap_err();
    let error = place.open().change(&net, "tier", json!(2)).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotFound, "what goes can't be changed");
    assert!(place.open().add(&disk("t", &net)).await.is_err(), "nor referred to");
    place.open().advance(2).unwrap();
    let left: Vec<String> = place.open().reads("net").await.into_iter().map(|o| o.id).collect();
    assert_eq!(left, [other.id]);
}

#[tokio::test]
async fn a_fault_strikes_only_its_kind_and_its_number() {
    let place = Place::new();
    let fault = json!({"operation": "create", "kind": "bucket", "nth": 2, "what": "error"});
    let cloud = place.with(json!({"faults": [fault]}));
    cloud.net("a").await;
    cloud.net("b").await;
    let make = async |name: &str| cloud.add(&request("bucket", name, json!({}))).await.is_ok();
    assert_eq!([make("a").await, make("b").await, make("c").await], [true, false, true]);
}

#[test]
fn the_same_seed_gives_the_same_faults() {
    let fault =
        Fault { operation: FaultCall::Create, kind: None, chance: Some(0.3), nth: None, what: FaultWhat::Error };
    let drawn = |seed| (1..200).map(|n| fault.strikes(seed, n)).collect::<Vec<_>>();
    assert_eq!(drawn(7), drawn(7));
    assert_ne!(drawn(7), drawn(8));
    let share = drawn(7).iter().filter(|s| **s).count();
    assert!((30..90).contains(&share), "{share} of 199");
}

#[test]
fn settings_that_can_not_be_meant_are_refused_with_the_reason() {
    let why = |settings| Place::new().try_with(settings).err().unwrap().to_string();
    let fault = |more: serde_json::Value| {
        let mut fault = json!({"operation": "create", "what": "error"});
        fault.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"faults": [fault]})
    };
    let place = "the environment's `simulated` settings: ";
    assert_eq!(why(fault(json!({}))), format!("{place}a fault needs a `chance` or an `nth`"));
    assert_eq!(why(fault(json!({"nth": 0}))), format!("{place}`nth` of a fault counts from 1"));
    assert_eq!(why(fault(json!({"chance": 30}))), format!("{place}the `chance` of a fault is between 0 and 1, not 30"));
    assert_eq!(
        why(fault(json!({"nth": 1, "kind": "buket"}))),
        format!("{place}there is no kind `buket`; did you mean `bucket`?")
    );
    assert_eq!(why(json!({"quotas": {"nat": 1}})), format!("{place}there is no kind `nat`; did you mean `net`?"));
    assert!(why(json!({"cloud": "../up"})).contains("it names a file"));
    assert!(why(json!({"sed": 1})).contains("unknown field `sed`"));
    assert!(why(fault(json!({"nth": 1, "what": "explode"}))).contains("lost_answer"));
    assert!(why(fault(json!({"nth": 1, "operation": "make"}))).contains("unknown variant `make`"));
}
