//! The indexes say what a look at every object would say.

use serde_json::{Value, json};

use super::{OTHER, REGION, kinds};
use crate::model::observed::Status;
use crate::model::value::Map;
use crate::simulated::record::Stored;
use crate::simulated::world::World;

fn stored(kind: &str, region: &str, id: &str, spec: Value) -> Stored {
    Stored {
        kind: kind.into(),
        region: region.into(),
        id: id.into(),
        name: format!("name of {id}"),
        token: format!("token of {id}"),
        spec,
        tags: [].into(),
        attributes: Map::new(),
        identifiers: vec![format!("arn:{id}")],
        status: Status::Ready,
        version: 1,
        created_at: 0,
        gone_at: None,
        unseen: 0,
        data: None,
    }
}

fn users(world: &World, kind: &str, id: &str) -> Vec<String> {
    world.get(kind, REGION, id).map(|o| world.users_of(o).map(|u| u.id.clone()).collect()).unwrap_or_default()
}

#[test]
fn an_object_is_found_by_id_identifier_token_and_name_until_it_is_gone() {
    let mut world = World::new(kinds());
    world.begin();
    world.put(stored("net", REGION, "n", json!({})));
    let found = |world: &World| {
        [
            world.get("net", REGION, "n").is_some(),
            world.find("net", REGION, "n").is_some(),
            world.find("net", REGION, "arn:n").is_some(),
            world.made_by("net", REGION, "token of n").is_some(),
            world.named("net", REGION, "name of n").is_some(),
            world.count("net", REGION) == 1,
        ]
    };
    assert_eq!(found(&world), [true; 6]);
    assert!(world.find("net", OTHER, "n").is_none() && world.find("disk", REGION, "n").is_none());
    world.remove("net", REGION, "n").unwrap();
    assert_eq!(found(&world), [false; 6]);
    assert_eq!(world.count("net", REGION), 0);
}

#[test]
fn what_replaces_an_object_leaves_nothing_of_it_in_the_indexes() {
    let mut world = World::new(kinds());
    world.begin();
    world.put(stored("net", REGION, "n", json!({})));
    let mut renamed = stored("net", REGION, "n", json!({}));
    renamed.name = "other".into();
    renamed.identifiers = vec!["arn:other".into()];
    world.put(renamed);
    assert!(world.named("net", REGION, "name of n").is_none() && world.find("net", REGION, "arn:n").is_none());
    assert!(world.named("net", REGION, "other").is_some() && world.find("net", REGION, "arn:other").is_some());
    assert_eq!(world.count("net", REGION), 1);
}

#[test]
fn users_are_those_with_references_that_hold_by_id_or_identifier() {
    let mut world = World::new(kinds());
    world.begin();
    world.put(stored("net", REGION, "n", json!({})));
    world.put(stored("disk", REGION, "by-id", json!({"net": {"id": "n"}})));
    world.put(stored("disk", REGION, "by-arn", json!({"net": {"id": "arn:n"}})));
    world.put(stored("disk", REGION, "loose", json!({"net": {"id": "m"}, "attached": [{"id": "n"}]})));
    world.put(stored("disk", OTHER, "elsewhere", json!({"net": {"id": "n"}})));
    world.put(stored("disk", REGION, "itself", json!({"net": {"id": "m"}, "next": {"id": "itself"}})));
    assert_eq!(users(&world, "net", "n"), ["by-arn", "by-id"]);
    assert!(users(&world, "disk", "itself").is_empty());
    world.put(stored("disk", REGION, "by-id", json!({"net": {"id": "m"}})));
    world.remove("disk", REGION, "by-arn");
    assert!(users(&world, "net", "n").is_empty());
}

#[test]
fn what_belongs_to_the_account_is_the_same_from_every_region() {
    let mut world = World::new(kinds());
    world.begin();
    world.put(stored("role", REGION, "r", json!({})));
    assert!(world.get("role", OTHER, "r").is_some() && world.find("role", OTHER, "arn:r").is_some());
    assert_eq!(world.count("role", OTHER), 1);
    assert_eq!(world.of_kind("role", OTHER).count(), 1);
    assert!(world.remove("role", OTHER, "r").is_some() && world.len() == 0);
}

#[test]
fn the_indexes_agree_with_the_objects_after_any_changes() {
    let mut world = World::new(kinds());
    let mut state = 12345_u64;
    let mut draw = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    for round in 0..600 {
        world.begin();
        for _ in 0..3 {
            let id = format!("d{}", draw(12));
            if draw(3) == 0 {
                world.remove("disk", REGION, &id);
            } else {
                let spec = json!({"net": {"id": format!("n{}", draw(3))}, "next": {"id": format!("d{}", draw(12))}});
                world.put(stored("disk", REGION, &id, spec));
            }
        }
        if draw(4) == 0 {
            world.roll_back()
        } else {
            world.accept()
        }
        for id in 0..12 {
            let id = format!("d{id}");
            let refers = |o: &&Stored| o.id != id && o.spec["next"]["id"] == *id;
            let expected: Vec<&str> = world.all().filter(refers).map(|o| o.id.as_str()).collect();
            let there = world.get("disk", REGION, &id).is_some();
            assert_eq!(users(&world, "disk", &id), if there { expected } else { Vec::new() }, "round {round}");
        }
        assert_eq!(world.count("disk", REGION), world.len());
        assert_eq!(world.of_kind("disk", REGION).count(), world.all().count());
    }
}
