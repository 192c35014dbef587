//! One test for each rule.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::model::{REGION, World, a, steps, words};
use crate::model::desired::Output;
use crate::model::kind::Replacement;
use crate::model::observed::{Lookup, Status};
use crate::model::plan::{Cause, DriftKind, Impact};
use crate::model::value::token;

#[test]
fn what_is_not_there_is_created_in_the_order_of_references() {
    let mut world = World::new();
    world.declare("servers/web", "server", json!({"subnet": "network/app"}));
    world.declare("network/app", "subnet", json!({"vpc": "network/main"}));
    world.declare("network/main", "vpc", json!({"cidr": "10.0.0.0/16"}));
    let plan = world.plan();
    assert_eq!(steps(&plan), ["Create network/main", "Create network/app", "Create servers/web"]);
    assert_eq!(plan.steps[2].after, [1]);
    assert_eq!(plan.actions[0].reason, "not there yet");
}

#[test]
fn applying_a_plan_leaves_nothing_to_do() {
    let plan = World::standing().plan();
    assert!(plan.is_empty(), "{plan:?}");
    assert_eq!(plan.summary.unchanged, 3);
}

#[test]
fn a_field_left_out_is_not_managed_and_numbers_compare_by_value() {
    let mut world = World::standing();
    world.declare("network/main", "vpc", json!({"cidr": "10.0.0.0/16", "size": 1}));
    world.object("network/main").spec = json!({"cidr": "10.0.0.0/16", "size": 1.0, "tags": {"a": "b"}});
    assert!(world.plan().is_empty());
}

#[test]
fn maps_compare_whole() {
    let mut world = World::standing();
    world.declare("network/main", "vpc", json!({"cidr": "10.0.0.0/16", "tags": {"a": "b"}}));
    world.object("network/main").spec["tags"] = json!({"a": "c", "x": "y"});
    let plan = world.plan();
    let changes: Vec<(&str, &Value)> = plan.actions[0].changes.iter().map(|c| (c.path.as_str(), &c.after)).collect();
    assert_eq!(changes, [("tags.a", &json!("b")), ("tags.x", &Value::Null)]);
}

#[test]
fn unordered_lists_compare_as_sets_of_declared_members() {
    let mut world = World::standing();
    let declared = json!({"vpc": "network/main", "rules": [{"port": 1}, {"port": 2, "note": "x"}]});
    world.declare("network/app", "subnet", declared);
    world.object("network/app").spec["rules"] = json!([{"port": 2, "note": "x"}, {"port": 1, "note": "default"}]);
    assert!(world.plan().is_empty());
    world.object("network/app").spec["rules"] = json!([{"port": 2, "note": "y"}, {"port": 1}]);
    assert_eq!(world.plan().actions[0].changes[0].path, "rules");
}

#[test]
fn ordered_lists_name_the_item_that_differs() {
    let mut world = World::standing();
    world.declare("servers/web", "server", json!({"peers": [{"host": "a"}, {"host": "b", "port": 2}]}));
    world.object("servers/web").spec["peers"] = json!([{"host": "a", "port": 9}, {"host": "b", "port": 3}]);
    assert_eq!(world.plan().actions[0].changes[0].path, "peers.1.port");
}

#[test]
fn a_member_whose_absence_says_something_differs_when_it_is_left_out() {
    let mut world = World::standing();
    world.declare("servers/web", "server", json!({"peers": [{"host": "a"}]}));
    for agreeing in
        [json!({"host": "a"}), json!({"host": "a", "path": "/", "limit": null}), json!({"host": "a", "port": 1})]
    {
        world.object("servers/web").spec["peers"] = json!([agreeing]);
        assert!(world.plan().is_empty(), "{agreeing}");
    }
    for (member, value) in [("path", json!("/other")), ("limit", json!(0))] {
        world.object("servers/web").spec["peers"] = json!([{"host": "a", (member): value}]);
        let change = &world.plan().actions[0].changes[0];
        assert_eq!(
            (change.path.clone(), &change.before, &change.after),
            (format!("peers.0.{member}"), &value, &Value::Null)
        );
    }
}

#[test]
fn ignored_paths_are_left_alone() {
    let mut world = World::standing();
    world.object("servers/web").spec["size"] = json!("large");
    assert_eq!(world.plan().actions[0].impact, Impact::Interrupts);
    world.resource("servers/web").lifecycle.ignore.push("size".into());
    assert!(world.plan().is_empty());
}

#[test]
fn a_delete_first_replacement_reaches_all_that_is_replaced_because_of_it() {
    let mut world = World::standing();
    world.declare("network/main", "vpc", json!({"cidr": "10.9.0.0/16"}));
    let plan = world.plan();
    assert_eq!(words(&plan), ["replace network/app", "replace network/main", "update servers/web"]);
    assert_eq!(plan.actions[0].reason, "network/main is replaced");
    assert_eq!(plan.actions[1].reason, "`cidr` can't be changed in place");
    assert_eq!(plan.actions[0].replacement, Some(Replacement::DeleteFirst));
    assert_eq!(
        steps(&plan),
        [
            "Delete network/app",
            "Delete network/main",
            "Create network/main",
            "Create network/app",
            "Update servers/web"
        ]
    );
    assert_eq!(plan.actions[1].generation, 2);
}

#[test]
fn a_create_first_replacement_deletes_the_old_one_after_its_users_have_moved() {
    let mut world = World::standing();
    world.declare("network/app", "subnet", json!({"vpc": "network/main", "cidr": "10.0.2.0/24"}));
    let plan = world.apply();
    assert_eq!(steps(&plan), ["Create network/app", "Update servers/web", "Delete network/app"]);
    assert!(world.plan().is_empty());
}

#[test]
fn what_is_no_longer_declared_goes_after_all_that_refers_to_it() {
    let mut world = World::standing();
    world.desired.resources.clear();
    let plan = world.plan();
    assert_eq!(steps(&plan), ["Delete servers/web", "Delete network/app", "Delete network/main"]);
    assert_eq!(plan.actions[0].reason, "no longer declared");
    world.desired.forget.insert(a("servers/web"));
    assert_eq!(words(&world.plan())[2], "forget servers/web");
}

#[test]
fn unread_is_not_absent() {
    let mut world = World::standing();
    world.observed.unobserved.insert(("vpc".into(), REGION.into()), "denied".into());
    world.observed.objects.retain(|o| o.kind != "vpc");
    let plan = world.plan();
    assert_eq!((plan.actions.len(), plan.held.len()), (0, 1));
    world.declare("network/new", "subnet", json!({"vpc": "network/main"}));
    let plan = world.plan();
    assert!(plan.actions.is_empty(), "{:?}", plan.actions);
    assert_eq!(plan.held[1].reason, "network/main is held");
}

#[test]
fn nothing_is_deleted_or_replaced_that_something_unread_may_refer_to() {
    let mut world = World::standing();
    world.observed.unobserved.insert(("server".into(), REGION.into()), "denied".into());
    world.observed.objects.retain(|o| o.kind != "server");
    world.declare("network/app", "subnet", json!({"vpc": "network/main", "cidr": "10.0.2.0/24"}));
    assert!(world.plan().steps.is_empty());
    world.desired.resources.clear();
    let plan = world.plan();
    assert!(plan.steps.is_empty(), "{:?}", plan.steps);
    assert_eq!(plan.held.len(), 2);
}

#[test]
fn a_protected_resource_is_neither_replaced_nor_taken_down() {
    let mut world = World::standing();
    world.resource("network/main").lifecycle.protect = true;
    world.apply();
    assert!(world.plan().is_empty());
    world.destroy = true;
    assert_eq!(world.plan().refused[0].address, a("network/main"));
    world.destroy = false;
    world.resource("network/main").spec = json!({"cidr": "10.9.0.0/16"});
    assert!(world.plan().refused[0].help.contains("lifecycle.protect"));
}

#[test]
fn losing_data_is_an_impact_of_its_own() {
    let mut world = World::new();
    world.declare("data/disk", "disk", json!({"zone": "a"}));
    world.apply();
    world.declare("data/disk", "disk", json!({"zone": "b"}));
    assert_eq!(world.plan().actions[0].impact, Impact::LosesData);
    world.desired.resources.clear();
    assert_eq!(world.plan().actions[0].impact, Impact::LosesData);
}

#[test]
fn a_moved_resource_keeps_its_object() {
    let mut world = World::standing();
    let main = world.desired.resources.remove(&a("network/main")).unwrap();
    world.declare("network/core", "vpc", main.spec);
    world.declare("network/app", "subnet", json!({"vpc": "network/core", "cidr": "10.0.1.0/24"}));
    world.desired.moved.push((a("network/main"), a("network/core")));
    let plan = world.plan();
    assert_eq!((words(&plan), steps(&plan)), (vec!["update network/core".into()], vec!["Own network/core".into()]));
    assert_eq!(plan.actions[0].reason, "moved from network/main");
}

#[test]
fn an_object_is_adopted_only_if_nobody_owns_it() {
    let mut world = World::new();
    let id = world.put("network/main", "vpc", 1, Status::Ready, json!({"cidr": "10.0.0.0/16"}));
    world.observed.objects[0].owner = None;
    world.declare("network/main", "vpc", json!({"cidr": "10.0.0.0/16"})).adopt = Some(id);
    assert_eq!(steps(&world.plan()), ["Own network/main"]);
    world.put("network/other", "vpc", 1, Status::Ready, json!({"cidr": "10.0.0.0/16"}));
    let mut owner = world.observed.objects.pop().unwrap().owner.unwrap();
    owner.project = "other".into();
    world.observed.objects[0].owner = Some(owner);
    assert!(world.plan().refused[0].reason.contains("project other"));
}

#[test]
fn an_interrupted_replacement_is_finished() {
    let mut world = World::standing();
    world.put("servers/web", "server", 2, Status::Ready, json!({"subnet": "network/app", "size": "small"}));
    let plan = world.plan();
    assert_eq!(words(&plan), ["delete servers/web"]);
    assert_eq!(plan.actions[0].reason, "left over from an interrupted replacement");
    assert_eq!(plan.actions[0].objects[0].generation, 1);
}

#[test]
fn a_failed_new_object_goes_and_the_replacement_is_tried_again() {
    let mut world = World::standing();
    world.put("network/app", "subnet", 2, Status::Failed("no room".into()), json!({"vpc": "network/main"}));
    world.declare("network/app", "subnet", json!({"vpc": "network/main", "cidr": "10.0.2.0/24"}));
    let plan = world.plan();
    let action = plan.actions.iter().find(|x| x.address == a("network/app")).unwrap();
    assert_eq!((action.action.word(), action.generation, action.objects.len()), ("replace", 3, 2));
}

#[test]
fn an_object_that_never_became_usable_is_replaced() {
    let mut world = World::standing();
    world.object("servers/web").status = Status::Failed("quota".into());
    let plan = world.plan();
    assert_eq!(words(&plan), ["replace servers/web"]);
    assert!(plan.actions[0].reason.contains("quota"));
    world.object("servers/web").status = Status::Deleting;
    assert_eq!(words(&world.plan()), ["create servers/web"]);
}

#[test]
fn known_attributes_are_filled_in_and_others_stay_tokens() {
    let mut world = World::standing();
    let id = world.object("network/main").id.clone();
    let text = format!("{} {}", token(&a("network/main"), "id"), token(&a("network/main"), "cidr"));
    world.declare("servers/new", "server", json!({"user_data": text}));
    assert_eq!(world.plan().actions[0].spec["user_data"], json!(format!("{id} 10.0.0.0/16")));
    world.declare("network/main", "vpc", json!({"cidr": "10.9.0.0/16"}));
    let plan = world.plan();
    let new = plan.actions.iter().find(|x| x.address == a("servers/new")).unwrap();
    assert_eq!(new.spec["user_data"], json!(format!("{} 10.9.0.0/16", token(&a("network/main"), "id"))));
}

#[test]
fn what_is_filled_in_is_compared_in_the_one_form_of_its_kind() {
    let mut world = World::standing();
    let id = world.object("network/main").id.clone();
    let policy = |id: &str| json!({"Statement": [{"Effect": "Allow", "Action": ["a:b"], "Resource": ["0", id, "~"]}]});
    for place in ["0", "~~"] {
        // Whether the id sorts before or after what stands for it while it is not known.
        let text = format!("{place}{}", token(&a("network/main"), "id"));
        world.declare("servers/web", "server", json!({"policy": policy(&text)}));
        let kind = world.resource("servers/web").kind.clone();
        world.object("servers/web").spec =
            kind.normalise(&json!({"policy": policy(&format!("{place}{id}"))})).unwrap().0;
        assert!(world.plan().is_empty(), "{:#?}", world.plan().actions);
    }
    world.declare("servers/web", "server", json!({"policy": policy(&token(&a("network/main"), "id"))}));
    let kind = world.resource("servers/web").kind.clone();
    world.object("servers/web").spec = kind.normalise(&json!({"policy": policy(&id)})).unwrap().0;
    assert!(world.plan().is_empty(), "{:#?}", world.plan().actions);
}

#[test]
fn a_newer_image_is_no_change_unless_it_is_followed() {
    let mut world = World::new();
    let query = json!({"name": "base-*"});
    let lookup = Lookup::new("image", REGION, &query);
    world.observed.lookups.insert(lookup.clone(), Ok("ami-1".into()));
    world.declare("servers/web", "server", json!({"image": query}));
    let plan = world.apply();
    assert_eq!(plan.actions[0].spec["image"], json!("ami-1"));
    world.object("servers/web").spec["image"] = json!("ami-1");
    world.observed.lookups.insert(lookup.clone(), Ok("ami-2".into()));
    assert!(world.plan().is_empty());
    world.declare("servers/web", "server", json!({"image": {"name": "base-*", "follow": true}}));
    assert_eq!(words(&world.plan()), ["replace servers/web"]);
    world.observed.lookups.insert(lookup, Err("none matches".into()));
    assert!(world.plan().held[0].reason.contains("none matches"));
}

#[test]
fn an_unread_field_is_compared_by_its_fingerprint() {
    let mut world = World::new();
    world.declare("servers/web", "server", json!({"user_data": "one\n"}));
    world.apply();
    let object = world.object("servers/web");
    object.unread.push("user_data".into());
    object.spec = json!({});
    assert!(world.plan().is_empty());
    world.declare("servers/web", "server", json!({"user_data": "two\n"}));
    assert_eq!(world.plan().actions[0].changes[0].before, json!("(not read)"));
}

#[test]
fn no_secret_is_in_a_plan() {
    let mut world = World::new();
    world.declare("servers/web", "server", json!({"password": "hunter22", "user_data": "pw=hunter22 t=tok-123"}));
    world.desired.secrets.push("tok-123".into());
    let output = Output { description: None, value: json!("tok-123"), sensitive: false };
    world.desired.outputs.insert("servers".into(), BTreeMap::from([("token".into(), output)]));
    let text = serde_json::to_string(&world.plan()).unwrap();
    assert!(!text.contains("hunter22") && !text.contains("tok-123"), "{text}");
    assert!(text.contains("pw=(sensitive) t=(sensitive)"));
}

#[test]
fn drift_is_told_from_your_change() {
    let mut world = World::standing();
    world.remember();
    world.object("servers/web").spec["size"] = json!("large");
    let plan = world.plan();
    assert_eq!(plan.actions[0].reason, "changed outside: `size`");
    assert_eq!(plan.actions[0].changes[0].cause, Cause::Drift);
    assert_eq!((plan.drift[0].drift, &plan.drift[0].changes[0].after), (DriftKind::Changed, &json!("large")));
    world.resource("servers/web").spec["size"] = json!("medium");
    assert_eq!(world.plan().actions[0].changes[0].cause, Cause::Both);
    world.object("servers/web").spec["size"] = json!("small");
    assert_eq!(world.plan().actions[0].changes[0].cause, Cause::You);
    assert!(world.plan().drift.is_empty());
    world.observed.objects.retain(|o| o.kind != "server");
    let plan = world.plan();
    assert_eq!((plan.drift[0].drift, plan.actions[0].reason.as_str()), (DriftKind::Deleted, "deleted outside"));
    world.record = None;
    assert_eq!(world.plan().actions[0].reason, "not there yet");
}

#[test]
fn only_the_named_stacks_are_planned() {
    let mut world = World::new();
    world.declare("network/app", "subnet", json!({"vpc": {"id": "vpc-0"}}));
    world.declare("servers/web", "server", json!({"subnet": "network/app"}));
    world.stacks = vec!["servers".into()];
    let plan = world.plan();
    assert_eq!(plan.refused[0].help, "apply stack network too");
    world.stacks.clear();
    world.apply();
    world.stacks = vec!["network".into()];
    world.destroy = true;
    let plan = world.plan();
    assert_eq!((words(&plan).len(), plan.refused[0].reason.as_str()), (1, "servers/web still refers to it"));
    world.stacks.push("servers".into());
    assert!(world.plan().refused.is_empty());
}

#[test]
fn a_move_onto_an_object_that_is_there_is_refused_and_touches_nothing() {
    let mut world = World::standing();
    world.put("network/old", "vpc", 1, Status::Ready, json!({"cidr": "10.0.0.0/16"}));
    world.desired.moved.push((a("network/old"), a("network/main")));
    let plan = world.plan();
    assert!(plan.steps.is_empty(), "{:?}", plan.steps);
    assert!(plan.refused[0].reason.contains("both have objects"));
}

#[test]
fn what_an_interrupted_replacement_left_stays_while_its_users_cannot_be_read() {
    let mut world = World::standing();
    world.put("network/app", "subnet", 2, Status::Ready, json!({"vpc": "network/main", "cidr": "10.0.1.0/24"}));
    world.observed.unobserved.insert(("server".into(), REGION.into()), "denied".into());
    world.observed.objects.retain(|o| o.kind != "server");
    let plan = world.plan();
    assert!(plan.steps.is_empty(), "{:?}", plan.steps);
    assert_eq!(plan.held.len(), 2);
}

#[test]
fn a_cycle_is_refused_with_its_whole_path() {
    let mut world = World::standing();
    world.resource("network/main").references.insert(a("servers/web"));
    let plan = world.plan();
    assert_eq!(plan.refused[0].reason, "a cycle: network/app -> network/main -> servers/web -> network/app");
    assert!(plan.steps.is_empty());
}

#[test]
fn an_object_of_another_environment_is_never_touched() {
    let mut world = World::standing();
    world.put("network/other", "vpc", 1, Status::Ready, json!({"cidr": "10.0.0.0/16"}));
    world.object("network/other").owner.as_mut().unwrap().environment = "production".into();
    assert!(world.plan().is_empty());
}

#[test]
fn everything_is_taken_down_in_reverse_order() {
    let mut world = World::standing();
    world.destroy = true;
    let plan = world.plan();
    assert_eq!(steps(&plan), ["Delete servers/web", "Delete network/app", "Delete network/main"]);
    assert_eq!(plan.actions[0].reason, "everything is taken down");
    world.observed.unobserved.insert(("server".into(), REGION.into()), "denied".into());
    world.observed.objects.retain(|o| o.kind != "server");
    assert_eq!(words(&world.plan()), Vec::<String>::new());
}

#[test]
fn a_reference_by_tags_becomes_the_id_that_was_found() {
    let mut world = World::new();
    let query = json!({"tags": {"Name": "shared"}});
    world.declare("network/app", "subnet", json!({"vpc": query}));
    assert!(world.plan().held[0].reason.contains("was not looked up"));
    world.observed.lookups.insert(Lookup::new("vpc", REGION, &query), Ok("vpc-9".into()));
    assert_eq!(world.plan().actions[0].spec["vpc"], json!({"id": "vpc-9"}));
    world.put("network/app", "subnet", 1, Status::Ready, json!({"vpc": {"id": "vpc-9"}}));
    assert!(world.plan().is_empty());
}

#[test]
fn an_attribute_that_an_update_may_change_is_known_only_while_its_source_stays_as_it_is() {
    let mut world = World::standing();
    let text = token(&a("network/main"), "endpoint");
    world.declare("servers/web", "server", json!({"subnet": "network/app", "size": "small", "user_data": text}));
    world.apply();
    assert!(world.plan().is_empty());
    world.declare("network/main", "vpc", json!({"cidr": "10.0.0.0/16", "tags": {"a": "b"}}));
    let plan = world.plan();
    assert_eq!(words(&plan), ["update network/main", "update servers/web"]);
    assert_eq!(plan.steps[1].after, [0]);
}
