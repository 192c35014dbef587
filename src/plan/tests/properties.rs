//! Promises over random systems, and growth.

use proptest::prelude::*;
use serde_json::json;

use super::model::{World, a};
use crate::model::Address;
use crate::model::plan::{Operation, Plan};

/// Networks, ranges in them and servers in those; the numbers choose targets and values.
fn declare(world: &mut World, vpcs: &[u8], subnets: &[(u8, u8)], servers: &[(u8, u8)]) {
    world.desired.resources.clear();
    for (i, cidr) in vpcs.iter().enumerate() {
        world.declare(&format!("network/v{i}"), "vpc", json!({"cidr": format!("10.{cidr}.0.0/16")}));
    }
    for (i, (vpc, cidr)) in subnets.iter().enumerate() {
        let vpc = format!("network/v{}", usize::from(*vpc) % vpcs.len());
        world.declare(&format!("network/s{i}"), "subnet", json!({"vpc": vpc, "cidr": format!("10.0.{cidr}.0/24")}));
    }
    for (i, (subnet, size)) in servers.iter().enumerate().filter(|_| !subnets.is_empty()) {
        let subnet = format!("network/s{}", usize::from(*subnet) % subnets.len());
        world.declare(&format!("servers/w{i}"), "server", json!({"subnet": subnet, "size": format!("s{size}")}));
    }
}

fn steps_respect_references(world: &World, plan: &Plan) {
    for (number, step) in plan.steps.iter().enumerate() {
        assert!(step.after.iter().all(|n| *n < number));
        let Some(resource) = world.desired.resources.get(&step.address) else { continue };
        if !matches!(step.operation, Operation::Create | Operation::Update) {
            continue;
        }
        for reference in &resource.references {
            let made = |a: &Address, o: Operation| a == reference && matches!(o, Operation::Create | Operation::Update);
            for (other, _) in plan.steps.iter().enumerate().filter(|(_, s)| made(&s.address, s.operation)) {
                assert!(step.after.contains(&other), "{} does not wait for {reference}", step.address);
            }
        }
    }
}

type Shape = (Vec<u8>, Vec<(u8, u8)>, Vec<(u8, u8)>);

fn shape() -> impl Strategy<Value = Shape> {
    let pairs = || prop::collection::vec((0..6u8, 0..4u8), 0..8);
    (prop::collection::vec(0..4u8, 1..4), pairs(), pairs())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_system_can_become_any_other_and_then_there_is_nothing_to_do(first in shape(), second in shape()) {
        let mut world = World::new();
        for (vpcs, subnets, servers) in [&first, &second] {
            declare(&mut world, vpcs, subnets, servers);
            steps_respect_references(&world, &world.plan());
            world.apply();
            let again = world.plan();
            prop_assert!(again.is_empty(), "{:?}", again.actions);
        }
    }

    #[test]
    fn a_plan_does_not_depend_on_the_order_of_reading(first in shape(), second in shape(), turn in 0usize..20) {
        let mut world = World::new();
        declare(&mut world, &first.0, &first.1, &first.2);
        world.apply();
        declare(&mut world, &second.0, &second.1, &second.2);
        let plan = world.plan();
        let length = world.observed.objects.len();
        world.observed.objects.rotate_left(turn % length.max(1));
        world.observed.objects.reverse();
        prop_assert_eq!(plan, world.plan());
    }

    #[test]
    fn a_part_and_then_the_whole_converges(system in shape()) {
        let mut world = World::new();
        declare(&mut world, &system.0, &system.1, &system.2);
        world.stacks = vec!["network".into()];
        world.apply();
        world.stacks.clear();
        world.apply();
        prop_assert!(world.plan().is_empty());
    }
}

#[test]
fn steps_grow_in_proportion_to_resources() {
    let mut counts = Vec::new();
    for size in [100usize, 1_000] {
        let mut world = World::new();
        world.declare("network/main", "vpc", json!({"cidr": "10.0.0.0/16"}));
        for i in 0..size / 10 {
            world.declare(&format!("network/s{i}"), "subnet", json!({"vpc": "network/main"}));
        }
        for i in 0..size {
            let subnet = format!("network/s{}", i % (size / 10));
            world.declare(&format!("servers/w{i}"), "server", json!({"subnet": subnet}));
        }
        let plan = world.plan();
        counts.push(plan.steps.iter().map(|s| s.after.len()).sum::<usize>() / size);
        assert!(plan.steps.iter().any(|s| s.address == a("network/main")));
    }
    assert_eq!(counts[0], counts[1]);
}
