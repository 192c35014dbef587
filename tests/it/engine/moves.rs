//! Replacement, adoption, moving and forgetting, each from files to the cloud and back to an empty plan.

use saiken::model::plan::{ActionKind, Impact, Operation, Plan};

use super::system::ENVIRONMENT;
use crate::support::project::Project;

const NETWORK: &str = "stack: network
resources:
  main: {kind: vpc, cidr: 10.0.0.0/16}
  a: {kind: subnet, vpc: main, cidr: 10.0.1.0/24, zone: ap-northeast-1a}
  web: {kind: security_group, vpc: main, description: web}
  disk: {kind: volume, zone: ap-northeast-1a, size: 10GiB}
";

fn project() -> Project {
    let project = Project::new(&[("environments/test.yaml", ENVIRONMENT), ("stacks/network.yaml", NETWORK)]);
    project.apply(&[], false);
    project
}

fn actions(plan: &Plan) -> Vec<(&str, ActionKind)> {
    plan.actions.iter().map(|a| (a.address.as_str(), a.action)).collect()
}

fn settled(project: &Project) {
    let plan = project.plan(&[], false);
    assert!(plan.is_empty() && plan.drift.is_empty(), "{:#?} {:#?}", plan.actions, plan.drift);
}

#[test]
fn a_replacement_goes_on_to_all_that_can_not_follow_and_loses_only_what_it_says() {
    let project = project();
    let before = project.ids();
    project.write("stacks/network.yaml", &NETWORK.replace("10.0.", "10.9."));
    let plan = project.plan(&[], false);
    assert_eq!(
        actions(&plan),
        [
            ("network/a", ActionKind::Replace),
            ("network/main", ActionKind::Replace),
            ("network/web", ActionKind::Replace),
        ]
    );
    assert!(plan.actions.iter().all(|a| !a.reason.is_empty() && a.impact != Impact::LosesData));
    project.apply(&[], false);
    let after = project.ids();
    assert!(before.iter().all(|(address, ids)| (address == "network/disk") == (after[address] == *ids)));
    assert!(after.values().all(|ids| ids.len() == 1), "{after:?}");
    settled(&project);
}

#[test]
fn create_first_makes_the_new_one_before_the_old_one_goes() {
    let project = project();
    let keyed = |lifecycle: &str| NETWORK.replace("description: web", &format!("description: other{lifecycle}"));
    for (lifecycle, create_first) in
        [(", lifecycle: {replacement: delete_first}", false), (", lifecycle: {replacement: create_first}", true)]
    {
        project.write("stacks/network.yaml", &keyed(lifecycle).replace("other", if create_first { "x" } else { "y" }));
        let plan = project.apply(&[], false);
        let at = |operation| plan.steps.iter().position(|s| s.operation == operation).unwrap();
        assert_eq!(at(Operation::Create) < at(Operation::Delete), create_first);
        settled(&project);
    }
}

#[test]
fn a_volume_is_never_replaced_without_saying_that_data_is_lost() {
    let project = project();
    project
        .write("stacks/network.yaml", &NETWORK.replace("zone: ap-northeast-1a, size", "zone: ap-northeast-1c, size"));
    let plan = project.plan(&[], false);
    assert_eq!(actions(&plan), [("network/disk", ActionKind::Replace)]);
    assert_eq!(plan.actions[0].impact, Impact::LosesData);
    assert!(plan.actions[0].data_bearing);
}

#[test]
fn a_moved_resource_keeps_its_object() {
    let project = project();
    let before = project.ids();
    let moved = NETWORK.replace("  a: {", "  front: {") + "moved: [{from: a, to: front}]\n";
    project.write("stacks/network.yaml", &moved);
    project.apply(&[], false);
    let after = project.ids();
    assert_eq!(after["network/front"], before["network/a"]);
    assert!(!after.contains_key("network/a"));
    settled(&project);
    // The note may stay or go.
    project.write("stacks/network.yaml", &NETWORK.replace("  a: {", "  front: {"));
    settled(&project);
}

#[test]
fn a_forgotten_object_stays_and_an_adopted_one_is_taken_over_unchanged() {
    let project = project();
    let before = project.ids();
    let without = NETWORK.lines().filter(|l| !l.contains("disk:")).collect::<Vec<_>>().join("\n");
    project.write("stacks/network.yaml", &format!("{without}\nforget: [disk]\n"));
    let plan = project.apply(&[], false);
    assert_eq!(actions(&plan), [("network/disk", ActionKind::Forget)]);
    settled(&project);
    assert!(!project.ids().contains_key("network/disk"));

    let disk = &before["network/disk"][0];
    let adopting = NETWORK.replace("disk: {", &format!("disk: {{adopt: {disk}, "));
    project.write("stacks/network.yaml", &adopting);
    let plan = project.apply(&[], false);
    assert_eq!(actions(&plan), [("network/disk", ActionKind::Adopt)]);
    assert_eq!(&project.ids()["network/disk"], &before["network/disk"]);
    settled(&project);
}

#[test]
fn two_stacks_deploy_independently_and_a_used_object_is_not_taken_away() {
    let project = project();
    let servers = "stack: servers\nresources:\n  one: {kind: instance, image: ami-1, instance_type: t3.small, subnet: network/a}\n";
    project.write("stacks/servers.yaml", servers);
    let plan = project.apply(&["servers"], false);
    assert_eq!(actions(&plan), [("servers/one", ActionKind::Create)]);
    settled(&project);
    let plan = project.plan(&["network"], true);
    assert!(plan.refused.iter().any(|r| r.address.as_str() == "network/a" && r.reason.contains("servers/one")));
}

#[test]
fn what_could_not_be_read_is_held_and_never_guessed() {
    let project = project();
    let fault = "simulated: {faults: [{operation: read, kind: security_group, chance: 1.0, what: error}]}\n";
    project.write("environments/test.yaml", &format!("{ENVIRONMENT}{fault}"));
    project.write("stacks/network.yaml", &NETWORK.replace("10.0.", "10.9."));
    let plan = project.plan(&[], false);
    let held: Vec<&str> = plan.held.iter().map(|h| h.address.as_str()).collect();
    assert!(held.contains(&"network/web") && held.contains(&"network/main"), "{held:?}");
    assert!(!plan.actions.iter().any(|a| a.address.as_str() == "network/web"));
    assert!(plan.held.iter().all(|h| !h.reason.is_empty()));
}

#[test]
fn what_a_field_left_open_still_uses_is_not_taken_away() {
    let project = project();
    let servers = |groups: &str| {
        let fields = "kind: instance, image: ami-1, instance_type: t3.small, subnet: network/a";
        project.write("stacks/servers.yaml", &format!("stack: servers\nresources:\n  one: {{{fields}{groups}}}\n"));
    };
    servers(", security_groups: [network/web]");
    project.apply(&[], false);
    servers("");
    let without = NETWORK.lines().filter(|l| !l.contains("web:")).collect::<Vec<_>>().join("\n");
    project.write("stacks/network.yaml", &without);
    let plan = project.plan(&[], false);
    assert_eq!(plan.refused.len(), 1, "{:?}", plan.refused);
    let refusal = &plan.refused[0];
    assert_eq!(refusal.address.as_str(), "network/web");
    assert_eq!(refusal.reason, "servers/one still refers to it by `security_groups`, which its file leaves open");
    assert_eq!(refusal.help, "declare `security_groups` of servers/one without it");
    servers(", security_groups: []");
    project.apply(&[], false);
    settled(&project);
}

#[test]
fn a_field_to_be_ignored_is_neither_drift_nor_a_change() {
    let project = project();
    project.write("stacks/network.yaml", &NETWORK.replace("description: web", "description: web, tags: {Team: a}"));
    project.apply(&[], false);
    project.simulated().set("network/web", "tags.Team", Some("b".into())).unwrap();
    assert_eq!(actions(&project.plan(&[], false)), [("network/web", ActionKind::Update)]);
    let ignoring = "description: web, tags: {Team: a}, lifecycle: {ignore: [tags.Team]}";
    project.write("stacks/network.yaml", &NETWORK.replace("description: web", ignoring));
    settled(&project);
}

#[test]
fn a_gateway_goes_after_the_routes_that_led_to_it() {
    let routes = |gateway: &str| {
        format!(
            "{NETWORK}  i: {{kind: internet_gateway, vpc: main}}
  ip: {{kind: elastic_ip}}
{gateway}  r: {{kind: route_table, vpc: main, subnets: [a], routes: [{{cidr: 0.0.0.0/0, {}}}]}}
",
            if gateway.is_empty() { "gateway: i" } else { "nat_gateway: n" }
        )
    };
    let project = Project::new(&[("environments/test.yaml", ENVIRONMENT)]);
    project.write("stacks/network.yaml", &routes("  n: {kind: nat_gateway, subnet: a, elastic_ip: ip}\n"));
    project.apply(&[], false);
    project.write("stacks/network.yaml", &routes(""));
    let plan = project.apply(&[], false);
    let at = |address: &str| plan.steps.iter().position(|s| s.address.as_str() == address).unwrap();
    let (gone, changed) = (at("network/n"), at("network/r"));
    assert_eq!(plan.steps[gone].operation, Operation::Delete);
    assert!(plan.steps[gone].after.contains(&changed), "packets need another way first");
    settled(&project);
}

#[test]
fn what_stood_in_a_lost_zone_is_made_again_while_its_neighbours_stay() {
    let text = "stack: network
resources:
  main: {kind: vpc, cidr: 10.0.0.0/16}
  i: {kind: internet_gateway, vpc: main}
  s: {kind: subnet, each: \"{{ environment.zones }}\", vpc: main, zone: \"{{ each.key }}\", cidr: \"{{ subnet '10.0.0.0/16' 8 each.index }}\"}
  ip: {kind: elastic_ip, each: \"{{ environment.zones }}\"}
  n: {kind: nat_gateway, each: \"{{ environment.zones }}\", subnet: \"s:{{ each.key }}\", elastic_ip: \"ip:{{ each.key }}\"}
  r: {kind: route_table, each: \"{{ environment.zones }}\", vpc: main, subnets: [\"s:{{ each.key }}\"], routes: [{cidr: 0.0.0.0/0, nat_gateway: \"n:{{ each.key }}\"}]}
";
    let project = Project::new(&[("environments/test.yaml", ENVIRONMENT), ("stacks/network.yaml", text)]);
    project.apply(&[], false);
    let before = project.ids();
    project.simulated().lose_zone("ap-northeast-1a").unwrap();
    project.simulated().restore("ap-northeast-1a", true).unwrap();
    project.apply(&[], false);
    settled(&project);
    let after = project.ids();
    assert_eq!(after.len(), before.len());
    for (address, ids) in &before {
        let lost = ["network/s:ap-northeast-1a", "network/n:ap-northeast-1a"].contains(&address.as_str());
        assert_eq!(after[address] != *ids, lost, "{address}");
    }
}

#[test]
fn a_list_that_lags_makes_nothing_twice() {
    let lag = "simulated: {lag_reads: 1}\n";
    let project = Project::new(&[("stacks/network.yaml", NETWORK)]);
    project.write("environments/test.yaml", &format!("{ENVIRONMENT}{lag}"));
    project.apply(&[], false);
    let plan = project.plan(&[], false);
    assert!(plan.actions.iter().all(|a| a.action != ActionKind::Create), "{:?}", actions(&plan));
    project.apply(&[], false);
    assert!(project.ids().values().all(|ids| ids.len() == 1), "{:?}", project.ids());
}

#[test]
fn a_resource_of_another_region_is_made_there_and_then_goes_here() {
    let environment = format!("{ENVIRONMENT}regions: {{copies: ap-northeast-3}}\n");
    let stack = |more: &str| {
        format!(
            "stack: s\nresources:\n  net: {{kind: vpc, cidr: 10.0.0.0/16{more}}}\n  logs: {{kind: log_group{more}}}\n"
        )
    };
    let mut project = Project::new(&[("environments/test.yaml", &environment), ("stacks/s.yaml", &stack(""))]);
    project.apply(&[], false);
    let here = project.ids();
    project.write("stacks/s.yaml", &stack(", region: copies"));
    let plan = project.plan(&[], false);
    assert_eq!(actions(&plan), [("s/logs", ActionKind::Replace), ("s/net", ActionKind::Replace)]);
    let change = &plan.actions[1].changes[0];
    assert_eq!((change.path.as_str(), change.after.as_str()), ("region", Some("ap-northeast-3")));
    project.saved = true;
    assert!(project.execute(&plan).succeeded());
    project.saved = false;
    let objects = project.observe().objects;
    assert!(objects.len() == 2 && objects.iter().all(|o| o.region == "ap-northeast-3"), "{objects:#?}");
    assert_ne!(project.ids()["s/net"], here["s/net"]);
    settled(&project);
}
