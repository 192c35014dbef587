//! Zones and regions that are lost and come back, and time.

use serde_json::json;

use super::{OTHER, Place, REGION, ZONE, request};
use crate::model::cloud::{Cloud as _, ErrorClass, OwnRequest};
use crate::model::observed::{Lookup, Status};

#[tokio::test]
async fn what_stands_in_a_lost_zone_has_failed_until_the_zone_is_back() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    cloud.disk("d", &net).await;
    place.open().lose_zone(ZONE).unwrap();
    assert_eq!(cloud.reads("disk").await[0].status, Status::Failed(format!("zone {ZONE} is lost")));
    assert_eq!(cloud.reads("net").await[0].status, Status::Ready, "a network stands in no zone");
    cloud.restore(ZONE, false).unwrap();
    assert_eq!(cloud.reads("disk").await[0].status, Status::Ready);
}

#[tokio::test]
async fn nothing_can_be_made_in_a_lost_zone_or_one_that_is_not_there() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    let make = |zone: &str| request("disk", zone, json!({"net": {"id": net.id}, "zone": zone}));
    cloud.lose_zone(ZONE).unwrap();
    let error = cloud.add(&make(ZONE)).await.unwrap_err();
    assert_eq!((error.class, error.code.as_deref()), (ErrorClass::QuotaExceeded, Some("InsufficientCapacity")));
    cloud.add(&make("ap-northeast-1c")).await.unwrap();
    let error = cloud.add(&make("ap-northeast-3a")).await.unwrap_err();
    assert_eq!(error.message, format!("there is no zone ap-northeast-3a in {REGION}"));
}

#[tokio::test]
async fn a_zone_that_comes_back_empty_has_lost_only_what_stood_there() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    cloud.disk("gone", &net).await;
    let spec = json!({"net": {"id": net.id}, "zone": "ap-northeast-1c"});
    let kept = cloud.add(&request("disk", "kept", spec)).await.unwrap();
    cloud.lose_zone(ZONE).unwrap();
    cloud.restore(ZONE, true).unwrap();
    assert_eq!(cloud.reads("disk").await, [kept]);
    assert_eq!(cloud.reads("net").await, [net]);
}

#[tokio::test]
async fn in_a_lost_region_every_call_fails_and_others_answer() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    cloud.lose_region(REGION).unwrap();
    let errors = [
        cloud.try_read("net", REGION, &[]).await.unwrap_err(),
        cloud.add(&request("net", "m", json!({"cidr": "10.0.0.0/16"}))).await.unwrap_err(),
        cloud.change(&net, "tier", json!(1)).await.unwrap_err(),
        cloud.discard(&net).await.unwrap_err(),
        cloud.own(&OwnRequest { object: net.clone(), owner: None }).await.unwrap_err(),
        cloud.lookup(&Lookup::new("net", REGION, &json!({"tags": {}}))).await.unwrap_err(),
        cloud.lookup(&Lookup::new("image", REGION, &json!({"name": "a"}))).await.unwrap_err(),
    ];
    for error in errors {
        assert_eq!((error.class, error.message), (ErrorClass::Other, format!("the region {REGION} does not answer")));
    }
    assert!(cloud.try_read("net", OTHER, &[]).await.unwrap().is_empty());
    cloud.restore(REGION, false).unwrap();
    assert_eq!(cloud.reads("net").await, [net], "a region that comes back has kept everything");
}

#[tokio::test]
async fn a_region_that_comes_back_empty_keeps_what_belongs_to_the_account() {
    let place = Place::new();
    let cloud = place.open();
    cloud.net("n").await;
    cloud.add(&request("role", "r", json!({}))).await.unwrap();
    let mut elsewhere = request("net", "m", json!({"cidr": "10.0.0.0/16"}));
    elsewhere.region = OTHER.into();
    cloud.add(&elsewhere).await.unwrap();
    cloud.lose_region(REGION).unwrap();
    cloud.restore(REGION, true).unwrap();
    assert!(cloud.reads("net").await.is_empty());
    assert_eq!(cloud.reads("role").await.len(), 1);
    assert_eq!(cloud.try_read("net", OTHER, &[]).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_region_that_nobody_named_does_not_exist() {
    let place = Place::new();
    let cloud = place.open();
    let error = cloud.try_read("net", "eu-west-1", &[]).await.unwrap_err();
    assert_eq!((error.class, error.message.as_str()), (ErrorClass::Invalid, "there is no region eu-west-1"));
}

#[tokio::test]
async fn creating_and_deleting_take_virtual_time_and_no_real_time() {
    let place = Place::new();
    let cloud = place.open();
    let started = std::time::Instant::now();
    let net = cloud.net("n").await;
    assert_eq!(cloud.overview().unwrap().clock, 5);
    cloud.discard(&net).await.unwrap();
    assert_eq!(cloud.overview().unwrap().clock, 7);
    assert_eq!(cloud.advance(3600).unwrap(), 3607);
    assert_eq!(place.open().overview().unwrap().clock, 3607);
    assert!(started.elapsed() < std::time::Duration::from_secs(2));
}

#[tokio::test]
async fn calls_side_by_side_take_the_time_of_one() {
    let place = Place::new();
    let cloud = place.open();
    tokio::join!(cloud.net("a"), cloud.net("b"), cloud.net("c"));
    assert_eq!(cloud.overview().unwrap().clock, 5);
}

#[tokio::test]
async fn with_a_speed_real_time_passes_too() {
    let place = Place::new();
    let cloud = place.with(json!({"speed": 50}));
    let started = std::time::Instant::now();
    cloud.net("n").await;
    assert!(started.elapsed() >= std::time::Duration::from_millis(100));
}
