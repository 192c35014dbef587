//! What must not be lost.

use serde_json::json;

use super::model::{World, a, steps, words};
use crate::model::environment::Guards;
use crate::model::plan::{Cause, Impact, Remains};

/// A disk that is there, in an environment that asks for names.
fn guarded() -> World {
    let mut world = World::new();
    world.declare("data/main", "disk", json!({"zone": "a"}));
    world.apply();
    world.desired.environment.guards = Guards::default();
    world
}

#[test]
fn protection_is_a_tag_that_setting_and_lifting_it_changes_in_place() {
    let mut world = World::standing();
    world.remember();
    world.resource("network/main").lifecycle.protect = true;
    let plan = world.apply();
    assert_eq!(words(&plan), ["update network/main"]);
    let change = &plan.actions[0].changes[0];
    assert_eq!((change.path.as_str(), &change.before, &change.after), ("protect", &json!(false), &json!(true)));
    assert_eq!((change.cause, plan.actions[0].impact), (Cause::You, Impact::None));
    assert!(world.object("network/main").owner.as_ref().unwrap().protected);
    assert!(world.plan().is_empty());
    world.resource("network/main").lifecycle.protect = false;
    assert_eq!(words(&world.apply()), ["update network/main"]);
    assert!(world.plan().is_empty());
}

#[test]
fn removing_the_block_does_not_lift_a_protection() {
    let mut world = World::standing();
    world.object("servers/web").owner.as_mut().unwrap().protected = true;
    world.desired.resources.remove(&a("servers/web"));
    let plan = world.plan();
    assert_eq!(plan.refused.len(), 1);
    assert!(plan.refused[0].reason.contains("is protected (tag saiken:protected)"), "{:?}", plan.refused);
    world.desired.forget.insert(a("servers/web"));
    assert!(world.plan().refused.is_empty(), "letting go takes nothing away");
}

#[test]
fn a_protection_is_lifted_by_an_apply_of_its_own() {
    let mut world = World::standing();
    world.object("network/app").owner.as_mut().unwrap().protected = true;
    world.declare("network/app", "subnet", json!({"vpc": "network/main", "cidr": "10.0.2.0/24"}));
    assert!(world.plan().refused[0].reason.contains("still protected"), "{:?}", world.plan().refused);
    world.destroy = true;
    assert!(world.plan().refused[0].reason.contains("still protected"), "{:?}", world.plan().refused);
}

#[test]
fn a_protected_leftover_is_not_deleted() {
    let mut world = World::standing();
    world.put(
        "servers/web",
        "server",
        2,
        crate::model::observed::Status::Ready,
        json!({"subnet": "network/app", "size": "small"}),
    );
    world.object("servers/web").owner.as_mut().unwrap().protected = true;
    let refused = world.plan().refused;
    assert!(refused[0].reason.contains("left over, still protected"), "{refused:?}");
}

#[test]
fn what_loses_data_is_saved_first_and_must_be_named() {
    let mut world = guarded();
    world.destroy = true;
    let plan = world.plan();
    assert_eq!(steps(&plan), ["Save data/main", "Delete data/main"]);
    assert_eq!(plan.steps[1].after, [0]);
    let loss = &plan.losses[0];
    assert_eq!((loss.remains, loss.named, loss.newer_than), (Remains::RecoveryPoint, true, Some(86_400)));
    world.desired.environment.guards = Guards::none();
    let plan = world.plan();
    assert_eq!(steps(&plan), ["Delete data/main"]);
    assert!(!plan.losses[0].named && plan.losses[0].newer_than.is_none());
}

#[test]
fn forgetting_loses_no_data() {
    let mut world = guarded();
    world.desired.resources.clear();
    world.desired.forget.insert(a("data/main"));
    let plan = world.plan();
    assert!(plan.losses.is_empty() && plan.refused.is_empty(), "{plan:?}");
}
