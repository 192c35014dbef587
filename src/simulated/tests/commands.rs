//! What `saiken simulate` does, and what it says about wrong input.

use serde_json::{Value, json};

use super::{OTHER, Place, REGION, ZONE, request};
use crate::model::Address;
use crate::model::cloud::Cloud as _;
use crate::simulated::Error;

/// Message and help.
fn wrong<T: std::fmt::Debug>(outcome: Result<T, Error>) -> (String, String) {
    match outcome.unwrap_err() {
        Error::Wrong { what, help } => (what, help.unwrap_or_default()),
        other => panic!("{other}"),
    }
}

fn pair(what: &str, help: &str) -> (String, String) {
    (what.to_owned(), help.to_owned())
}

#[tokio::test]
async fn a_field_set_by_hand_is_what_the_next_read_gives() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    assert_eq!(cloud.set("s/n", "tier", Some(json!(4))).unwrap(), net.id);
    cloud.set(&net.id, "tags.Team.a", Some(json!(7))).unwrap();
    cloud.set("s/n", "rules", Some(json!([{"ports": "80"}]))).unwrap();
    cloud.set("s/n", "rules.0.ports", Some(json!("81"))).unwrap();
    cloud.set("s/n", "rules.1.ports", Some(json!(82))).unwrap();
    let read = cloud.reads("net").await.remove(0);
    let expected = json!({
        "cidr": "10.0.0.0/16", "tier": 4, "rules": [{"ports": "81"}, {"ports": "82"}], "tags": {"Team.a": "7"}
    });
    assert_eq!(read.spec, expected);
    assert_eq!(read.attributes["latest_version"], json!("5"), "a change by hand is a change");
    assert_eq!(read.attributes["arn"], net.attributes["arn"]);
    for path in ["tier", "rules.0", "tags.Team.a"] {
        cloud.set("s/n", path, None).unwrap();
    }
    assert_eq!(cloud.reads("net").await[0].spec, json!({"cidr": "10.0.0.0/16", "rules": [{"ports": "82"}]}));
}

#[tokio::test]
async fn a_value_set_by_hand_is_kept_in_canonical_form() {
    let place = Place::new();
    let cloud = place.open();
    cloud.net("n").await;
    cloud.set("s/n", "retention", Some(json!("48h"))).unwrap();
    assert_eq!(cloud.reads("net").await[0].spec["retention"], json!("2d"));
}

#[tokio::test]
async fn an_unknown_object_is_named_with_the_nearest() {
    let place = Place::new();
    let cloud = place.open();
    let bucket = cloud.add(&request("bucket", "pictures", json!({}))).await.unwrap();
    let expected = pair("no object has the address or id `s/picture`", "did you mean `s/pictures`?");
    assert_eq!(wrong(cloud.set("s/picture", "password", None)), expected);
    assert_eq!(wrong(cloud.show("s/picture")), expected);
    assert_eq!(wrong(cloud.delete_object("s/picture")), expected);
    assert_eq!(wrong(cloud.write_data("s/picture")), expected);
    assert_eq!(wrong(cloud.show("something/else")).1, "saiken simulate list shows all");
    assert_eq!(wrong(cloud.show("picturse")).1, format!("did you mean `{}`?", bucket.id));
}

#[tokio::test]
async fn an_unknown_field_is_named_with_the_nearest_at_every_level() {
    let place = Place::new();
    let cloud = place.open();
    cloud.net("n").await;
    cloud.set("s/n", "rules.0.ports", Some(json!("80"))).unwrap();
    let set = |path: &str| wrong(cloud.set("s/n", path, Some(json!("x"))));
    assert_eq!(set("teir"), pair("kind `net` has no field `teir`", "did you mean `tier`?"));
    assert_eq!(set("rules.0.port"), pair("kind `net` has no field `rules.0.port`", "did you mean `ports`?"));
    assert_eq!(set("rules.5.ports"), pair("`rules` has no item `5`", "items are numbered from 0 to 0"));
    assert_eq!(set("rules.first"), pair("`rules` has no item `first`", "items are numbered from 0 to 0"));
    assert_eq!(set("cidr.0"), pair("`cidr` of kind `net` is a single value", "leave `.0` out"));
    assert_eq!(set("tags"), pair("tags are set one by one", "name one: tags.NAME"));
    assert_eq!(set("").0, "kind `net` has no field ``");
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_refused_and_nothing_changes() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    let (what, _) = wrong(cloud.set("s/n", "tier", Some(json!("high"))));
    assert!(what.starts_with("`tier` of kind `net` can't be \"high\": ") && what.contains("u32"), "{what}");
    let (what, _) = wrong(cloud.set("s/n", "retention", Some(json!("soon"))));
    assert!(what.starts_with("`retention` of kind `net` can't be \"soon\": "), "{what}");
    let (what, _) = wrong(cloud.set("s/n", "cidr", None));
    assert!(what.starts_with("`cidr` of kind `net` can't be removed: missing field `cidr`"), "{what}");
    let rule = pair("`tier` of kind `net` can't be 13: there is no tier 13", "take 12 or 14");
    assert_eq!(wrong(cloud.set("s/n", "tier", Some(json!(13)))), rule);
    assert_eq!(wrong(cloud.set("s/n", "tier", None)).0, "`tier` is not set");
    assert_eq!(wrong(cloud.set("s/n", "tags.Nane", None)).0, "there is no tag `Nane`");
    assert_eq!(cloud.reads("net").await, [net]);
}

#[tokio::test]
async fn a_number_for_a_text_field_is_taken_as_text() {
    let place = Place::new();
    let cloud = place.open();
    cloud.net("n").await;
    cloud.set("s/n", "cidr", Some(json!(7))).unwrap();
    assert_eq!(cloud.reads("net").await[0].spec["cidr"], json!("7"));
}

#[tokio::test]
async fn a_reference_can_be_set_by_address_or_id() {
    let place = Place::new();
    let cloud = place.open();
    let (a, b) = (cloud.net("a").await, cloud.net("b").await);
    cloud.disk("d", &a).await;
    cloud.set("s/d", "net", Some(json!("s/b"))).unwrap();
    assert_eq!(cloud.reads("disk").await[0].spec["net"], json!({"id": b.id}));
    cloud.set("s/d", "net", Some(json!(a.id))).unwrap();
    assert_eq!(cloud.show("s/a").unwrap().used_by, ["s/d"]);
    let (what, _) = wrong(cloud.set("s/d", "net", Some(json!("s/d"))));
    assert_eq!(what, "no net has the address or id `s/d`");
}

#[tokio::test]
async fn deleting_by_hand_asks_nobody() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    cloud.disk("d", &net).await;
    assert_eq!(cloud.delete_object("s/n").unwrap(), net.id);
    assert!(cloud.reads("net").await.is_empty());
    assert_eq!(cloud.reads("disk").await.len(), 1);
}

#[tokio::test]
async fn of_two_objects_at_one_address_the_newer_one_is_meant() {
    let place = Place::new();
    let cloud = place.open();
    cloud.net("n").await;
    let mut newer = request("net", "n", json!({"cidr": "10.1.0.0/16"}));
    newer.owner.generation = 2;
    newer.token = "second".into();
    let newer = cloud.add(&newer).await.unwrap();
    assert_eq!(cloud.show("s/n").unwrap().line.id, newer.id);
}

#[tokio::test]
async fn a_list_shows_what_matches_by_address_and_hides_what_is_sensitive() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    cloud.disk("d", &net).await;
    cloud.add(&request("bucket", "b", json!({"password": "hunter2"}))).await.unwrap();
    cloud.lose_zone(ZONE).unwrap();
    let lines = |filter: &str| {
        let lines = cloud.list(filter).unwrap();
        lines.into_iter().map(|l| (l.address.unwrap(), l.status)).collect::<Vec<_>>()
    };
    let line = |address: &str, status: &str| (address.to_owned(), status.to_owned());
    let failed = line("s/d", "failed: zone ap-northeast-1a is lost");
    assert_eq!(lines(""), [line("s/b", "ready"), failed.clone(), line("s/n", "ready")]);
    assert_eq!(lines("disk"), [failed]);
    assert_eq!(lines(&net.id), [line("s/n", "ready")]);
    assert!(lines("nothing").is_empty());
    let shown = serde_json::to_string(&(cloud.list("").unwrap(), cloud.show("s/b").unwrap())).unwrap();
    assert!(!shown.contains("hunter2") && shown.contains("(sensitive)"), "{shown}");
}

#[tokio::test]
async fn an_unknown_zone_or_region_is_named_with_the_nearest() {
    let place = Place::new();
    let cloud = place.open();
    let near = pair("there is no zone `ap-northeast-1b`", "did you mean `ap-northeast-1a`?");
    assert_eq!(wrong(cloud.lose_zone("ap-northeast-1b")), near);
    let (what, help) = wrong(cloud.lose_region("tokyo"));
    assert_eq!(what, "there is no region `tokyo`");
    assert_eq!(help, format!("there is: {REGION}, {OTHER}"));
    assert_eq!(wrong(cloud.take_recovery_points("tokyo")).0, what);
    assert_eq!(wrong(cloud.restore(ZONE, false)), pair("`ap-northeast-1a` is not lost", "nothing is lost"));
    cloud.lose_zone(ZONE).unwrap();
    assert_eq!(wrong(cloud.restore("ap-northeast-1", false)).1, "did you mean `ap-northeast-1a`?");
}

#[tokio::test]
async fn data_keeps_its_fingerprint_until_it_is_written_and_recovery_points_keep_the_old_one() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    cloud.disk("d", &net).await;
    let before = cloud.show("s/d").unwrap().data.unwrap();
    assert_eq!(cloud.take_recovery_points(OTHER).unwrap(), 1);
    cloud.advance(60).unwrap();
    let after = cloud.write_data("s/d").unwrap();
    assert_ne!(before, after);
    assert_eq!(cloud.show("s/d").unwrap().data.unwrap(), after);
    let points = place.open().recovery_points().unwrap();
    assert_eq!(points.len(), 1);
    assert_eq!((points[0].fingerprint.as_str(), points[0].region.as_str(), points[0].taken_at), (&*before, OTHER, 5));
    assert_eq!(points[0].address.as_deref(), Some("s/d"));
    assert_eq!(wrong(cloud.write_data("s/n")), pair("`s/n` holds no data", "kind `net` never does"));
}

#[tokio::test]
async fn no_copy_can_be_taken_from_or_into_a_lost_region() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    cloud.disk("d", &net).await;
    cloud.lose_region(REGION).unwrap();
    assert_eq!(cloud.take_recovery_points(OTHER).unwrap(), 0);
    assert_eq!(wrong(cloud.take_recovery_points(REGION)).0, format!("the region {REGION} is lost"));
}

#[tokio::test]
async fn the_overview_counts_and_a_reset_leaves_nothing() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    cloud.disk("d", &net).await;
    cloud.lose_zone(ZONE).unwrap();
    cloud.lose_region(OTHER).unwrap();
    cloud.take_recovery_points(REGION).unwrap();
    let overview = cloud.overview().unwrap();
    assert_eq!(
        json!(overview),
        json!({
            "cloud": "cloud", "objects": 2, "clock": 5, "lost_zones": [ZONE], "lost_regions": [OTHER],
            "recovery_points": 1
        })
    );
    cloud.reset().unwrap();
    let empty: Value = json!(place.open().overview().unwrap());
    assert_eq!(empty["objects"], 0);
    assert_eq!((&empty["clock"], &empty["lost_zones"]), (&json!(0), &json!([])));
    assert!(!place.log().exists());
}

#[tokio::test]
async fn environments_share_a_cloud_by_its_name_and_are_apart_otherwise() {
    let place = Place::new();
    place.open().net("n").await;
    assert_eq!(place.with(json!({"cloud": "cloud"})).list("").unwrap().len(), 1);
    let other = place.with(json!({"cloud": "other"}));
    assert!(other.list("").unwrap().is_empty());
    assert_eq!(other.label(), "simulated");
    assert_eq!(Address::parse("s/n").unwrap().as_str(), place.open().list("").unwrap()[0].address.as_deref().unwrap());
}
