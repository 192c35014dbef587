//! Calls: what they do, and what a cloud refuses.

use std::collections::BTreeMap;

use serde_json::json;

use super::{OTHER, Place, REGION, ZONE, referring, request};
use crate::model::cloud::{Cloud as _, ErrorClass, OwnRequest};
use crate::model::observed::{Lookup, Status};

#[tokio::test]
async fn what_one_handle_creates_another_reads_with_owner_and_spec() {
    let place = Place::new();
    let made = place.open().net("main").await;
    let read = place.open().reads("net").await;
    assert_eq!(read, [made]);
    assert_eq!(read[0].address().unwrap().as_str(), "s/main");
    assert_eq!(read[0].spec, json!({"cidr": "10.0.0.0/16"}));
}

#[tokio::test]
async fn a_reference_must_be_there_when_an_object_is_created() {
    let place = Place::new();
    let cloud = place.open();
    let spec = json!({"net": {"id": "net-none"}, "zone": ZONE});
    let error = cloud.add(&request("disk", "d", spec)).await.unwrap_err();
    assert_eq!(error.to_string(), "test:CreateDisk: the net 'net-none' does not exist (InvalidReference.NotFound)");
    let error = cloud.add(&request("disk", "d", json!({"net": "s/none", "zone": ZONE}))).await.unwrap_err();
    assert_eq!(error.message, "the net s/none is not known");
    assert!(cloud.reads("disk").await.is_empty());
    let net = cloud.net("n").await;
    let disk = cloud.add(&referring("disk", "d", json!({"net": "s/n", "zone": ZONE}), &net)).await.unwrap();
    assert_eq!(disk.spec["net"], json!({"id": net.id}));
    let error = cloud.change(&disk, "net", json!({"id": "net-none"})).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
}

#[tokio::test]
async fn a_reference_may_name_another_identifier() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    let spec = json!({"net": {"id": net.identifiers[0]}, "zone": ZONE});
    cloud.add(&request("disk", "d", spec)).await.unwrap();
    assert_eq!(cloud.discard(&net).await.unwrap_err().class, ErrorClass::Conflict);
}

#[tokio::test]
async fn an_object_in_use_can_not_be_deleted() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    let disk = cloud.disk("d", &net).await;
    let error = cloud.discard(&net).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert_eq!(error.message, format!("net '{}' is still used by disk '{}'", net.id, disk.id));
    cloud.discard(&disk).await.unwrap();
    cloud.discard(&net).await.unwrap();
    assert!(cloud.reads("net").await.is_empty());
}

#[tokio::test]
async fn loose_references_and_those_to_itself_keep_nothing() {
    let place = Place::new();
    let cloud = place.open();
    let (kept, loose) = (cloud.net("kept").await, cloud.net("loose").await);
    let spec = json!({"net": {"id": kept.id}, "zone": ZONE, "attached": [{"id": loose.id}]});
    let disk = cloud.add(&request("disk", "d", spec)).await.unwrap();
    let disk = cloud.change(&disk, "next", json!({"id": disk.id})).await.unwrap();
    cloud.discard(&loose).await.unwrap();
    cloud.discard(&disk).await.unwrap();
}

#[tokio::test]
async fn an_update_that_moves_a_reference_frees_the_old_target() {
    let place = Place::new();
    let cloud = place.open();
    let (old, new) = (cloud.net("old").await, cloud.net("new").await);
    let disk = cloud.disk("d", &old).await;
    cloud.change(&disk, "net", json!({"id": new.id})).await.unwrap();
    cloud.discard(&old).await.unwrap();
    assert_eq!(cloud.discard(&new).await.unwrap_err().class, ErrorClass::Conflict);
}

#[tokio::test]
async fn deleting_what_is_not_there_is_no_error_and_changing_it_is() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    cloud.discard(&net).await.unwrap();
    cloud.discard(&net).await.unwrap();
    assert_eq!(cloud.change(&net, "tier", json!(1)).await.unwrap_err().class, ErrorClass::NotFound);
    let own = OwnRequest { object: net, owner: None };
    assert_eq!(cloud.own(&own).await.unwrap_err().class, ErrorClass::NotFound);
}

#[tokio::test]
async fn a_quota_counts_by_kind_and_region() {
    let place = Place::new();
    let cloud = place.open();
    for name in ["a", "b", "c"] {
        cloud.net(name).await;
    }
    let mut more = request("net", "d", json!({"cidr": "10.0.0.0/16"}));
    let error = cloud.add(&more).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::QuotaExceeded);
    assert_eq!(error.message, format!("at most 3 of kind net may stand in {REGION}"));
    more.region = OTHER.into();
    cloud.add(&more).await.unwrap();
    let first = cloud.reads("net").await.remove(0);
    cloud.discard(&first).await.unwrap();
    cloud.net("d").await;
}

#[tokio::test]
async fn the_settings_can_set_another_quota() {
    let place = Place::new();
    let cloud = place.with(json!({"quotas": {"net": 1}}));
    cloud.net("a").await;
    let error = cloud.add(&request("net", "b", json!({"cidr": "10.0.0.0/16"}))).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::QuotaExceeded);
}

#[tokio::test]
async fn names_and_quotas_of_the_account_count_over_all_regions() {
    let place = Place::new();
    let cloud = place.open();
    let role = cloud.add(&request("role", "r", json!({}))).await.unwrap();
    let mut same = request("role", "r", json!({}));
    same.token = "another".into();
    same.region = OTHER.into();
    assert_eq!(cloud.add(&same).await.unwrap_err().class, ErrorClass::Conflict);
    let seen = cloud.try_read("role", OTHER, &[]).await.unwrap();
    assert_eq!((seen.len(), seen[0].id.as_str(), seen[0].region.as_str()), (1, role.id.as_str(), OTHER));
    cloud.add(&request("role", "s", json!({}))).await.unwrap();
    assert_eq!(cloud.add(&request("role", "t", json!({}))).await.unwrap_err().class, ErrorClass::QuotaExceeded);
    cloud.discard(&seen[0]).await.unwrap();
    assert_eq!(cloud.reads("role").await.len(), 1);
}

#[tokio::test]
async fn a_name_can_be_taken_only_once() {
    let place = Place::new();
    let cloud = place.open();
    let first = cloud.add(&request("bucket", "b", json!({}))).await.unwrap();
    assert_eq!(first.id, "b", "a kind with names of its own is known by its name");
    let mut again = request("bucket", "b", json!({}));
    again.token = "another".into();
    let error = cloud.add(&again).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert_eq!(error.message, "a bucket named b exists already");
    cloud.discard(&first).await.unwrap();
    cloud.add(&again).await.unwrap();
}

#[tokio::test]
async fn the_same_token_gives_the_same_object_again() {
    let place = Place::new();
    let (net, again) = (place.open().net("n").await, place.open().net("n").await);
    assert_eq!(net, again);
    assert_eq!(place.open().reads("net").await.len(), 1);
    let bucket = request("bucket", "b", json!({}));
    let first = place.open().add(&bucket).await.unwrap();
    assert_eq!(place.open().add(&bucket).await.unwrap(), first);
}

#[tokio::test]
async fn a_new_object_is_hidden_from_as_many_reads_as_the_lag_says() {
    let place = Place::new();
    let cloud = place.with(json!({"lag_reads": 2}));
    cloud.net("n").await;
    let seen = [cloud.reads("net").await, cloud.reads("net").await, place.open().reads("net").await];
    assert_eq!(seen.map(|objects| objects.len()), [0, 0, 1]);
    assert_eq!(cloud.reads("net").await.len(), 1, "once seen, always seen");
}

#[tokio::test]
async fn a_read_gives_the_environments_own_objects_and_those_to_adopt_once() {
    let place = Place::new();
    let cloud = place.open();
    let ours = cloud.net("ours").await;
    let mut foreign = request("net", "theirs", json!({"cidr": "10.1.0.0/16"}));
    foreign.owner.environment = "other".into();
    let theirs = cloud.add(&foreign).await.unwrap();
    assert_eq!(cloud.reads("net").await, vec![ours.clone()]);
    let adopt = [theirs.id.clone(), theirs.identifiers[0].clone(), ours.id.clone(), "none".to_owned()];
    let mut read = cloud.try_read("net", REGION, &adopt).await.unwrap();
    read.sort_by_key(|o| o.address().cloned());
    assert_eq!(read, [ours, theirs]);
    assert!(cloud.try_read("net", OTHER, &adopt).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_update_changes_only_the_fields_that_it_names() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    let changed = cloud.change(&net, "tier", json!(2)).await.unwrap();
    assert_eq!(changed.spec, json!({"cidr": "10.0.0.0/16", "tier": 2}));
    let mut other = changed.clone();
    other.spec["cidr"] = json!("10.9.0.0/16");
    let changed = cloud.change(&other, "tier", json!(3)).await.unwrap();
    assert_eq!(changed.spec, json!({"cidr": "10.0.0.0/16", "tier": 3}));
    let tagged = cloud.change(&changed, "tags", json!({"Team": "網"})).await.unwrap();
    assert_eq!(tagged.spec["tags"], json!({"Team": "網"}));
    assert_eq!(tagged.owner, net.owner);
    assert_eq!(cloud.reads("net").await, [tagged]);
}

#[tokio::test]
async fn attributes_are_those_that_the_kind_declares_and_the_stable_ones_stay() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    let names: Vec<&str> = net.attributes.keys().map(String::as_str).collect();
    assert_eq!(names, ["id", "arn", "latest_version", "private_ip"]);
    assert_eq!(net.attributes["id"], json!(net.id));
    assert_eq!(net.attributes["latest_version"], json!("1"));
    assert!(net.attributes["private_ip"].as_str().unwrap().parse::<std::net::Ipv4Addr>().unwrap().is_private());
    let changed = cloud.change(&net, "tier", json!(2)).await.unwrap();
    assert_eq!(changed.attributes["latest_version"], json!("2"));
    for name in ["id", "arn", "private_ip"] {
        assert_eq!(changed.attributes[name], net.attributes[name]);
    }
    let tagged = cloud.change(&changed, "tags", json!({"a": "b"})).await.unwrap();
    assert_eq!(tagged.attributes, changed.attributes, "a tag is no new version");
}

#[tokio::test]
async fn the_same_seed_gives_the_same_ids_and_another_one_others() {
    let id = async |seed: u64| Place::new().with(json!({"seed": seed})).net("n").await.id;
    assert_eq!(id(1).await, id(1).await);
    assert_ne!(id(1).await, id(2).await);
}

#[tokio::test]
async fn the_owner_can_be_taken_away_and_given_back() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    cloud.own(&OwnRequest { object: net.clone(), owner: None }).await.unwrap();
    assert!(cloud.reads("net").await.is_empty());
    assert_eq!(cloud.list("").unwrap()[0].address, None);
    cloud.own(&OwnRequest { object: net.clone(), owner: net.owner.clone() }).await.unwrap();
    assert_eq!(cloud.reads("net").await, [net]);
}

#[tokio::test]
async fn a_lookup_by_tags_needs_exactly_one_match() {
    let place = Place::new();
    let cloud = place.open();
    let tagged = |name: &str| request("net", name, json!({"cidr": "10.0.0.0/16", "tags": {"Role": "hub"}}));
    let lookup = Lookup::new("net", REGION, &json!({"tags": {"Role": "hub"}}));
    assert_eq!(cloud.lookup(&lookup).await.unwrap_err().class, ErrorClass::NotFound);
    let first = cloud.add(&tagged("a")).await.unwrap();
    assert_eq!(cloud.lookup(&lookup).await.unwrap(), first.id);
    cloud.add(&tagged("b")).await.unwrap();
    assert_eq!(cloud.lookup(&lookup).await.unwrap_err().class, ErrorClass::Invalid);
}

#[tokio::test]
async fn an_image_is_the_same_for_the_same_query() {
    let place = Place::new();
    let cloud = place.open();
    let image = async |name: &str| cloud.lookup(&Lookup::new("image", REGION, &json!({"name": name}))).await.unwrap();
    assert_eq!(image("a").await, image("a").await);
    assert_ne!(image("a").await, image("b").await);
    assert!(image("a").await.starts_with("ami-"));
}

#[tokio::test]
async fn calls_are_counted_by_operation() {
    let place = Place::new();
    let cloud = place.open();
    let net = cloud.net("n").await;
    cloud.reads("net").await;
    cloud.reads("net").await;
    cloud.discard(&net).await.unwrap();
    let expected = [("test:CreateNet", 1), ("test:DeleteNet", 1), ("test:DescribeNet", 2)];
    assert_eq!(cloud.calls(), BTreeMap::from(expected.map(|(k, v)| (k.to_owned(), v))));
    assert_eq!(cloud.identity().await.unwrap().account, "000000000000");
    assert_eq!(net.status, Status::Ready);
}
