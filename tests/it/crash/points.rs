//! Every point of apply, update, replacement and destroy of a system: before each call, while it waits, between effect and
//! answer, and after each write of the journal. And many points of those of the reference system.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::{Ended, System};

/// What happens after the system was set up, and what the command is.
struct Scenario {
    name: &'static str,
    /// What is declared.
    system: fn() -> System,
    /// Brings the system to where the command begins.
    before: fn(&mut System),
    /// The command takes everything down.
    destroy: bool,
    /// Whether objects that hold data are replaced on purpose.
    replaces: bool,
}

/// Nothing is there.
fn nothing(_: &mut System) {}

/// All is there.
fn standing(system: &mut System) {
    system.succeed(false);
}

/// All is there, and every resource that has tags gets another one.
fn changed(system: &mut System) {
    system.succeed(false);
    for resource in system.desired.resources.values_mut() {
        if resource.kind.schema.field("tags").is_some() {
            resource.spec["tags"]["Changed"] = json!("yes");
        }
    }
}

/// All is there and has failed, so that all is replaced.
fn failed(system: &mut System) {
    system.succeed(false);
    let cloud = system.cloud();
    for address in system.desired.resources.keys() {
        cloud.fail(address.as_str(), "by the test").unwrap();
    }
}

/// Set to try every point with many steps at a time, too.
const EVERY: &str = "SAIKEN_CRASH_EVERY_POINT";

/// With many steps at a time each step passes the points that it passes alone, in another order: of a large system one in
/// seven of them is tried, unless all are asked for. Seven has no divisor in common with the points that a step has.
fn stride(parallelism: usize) -> u64 {
    if parallelism == 1 || std::env::var_os(EVERY).is_some() { 1 } else { 7 }
}

/// Tries the points of a scenario, one in `stride`; `holds` looks at what is there in the end. Returns how many were tried,
/// and how many there are.
fn points(scenario: &Scenario, parallelism: usize, stride: u64, holds: impl Fn(&System, &str)) -> (u64, u64) {
    let mut system = (scenario.system)();
    system.parallelism = parallelism;
    (scenario.before)(&mut system);
    let kept = system.keep();
    let before = system.ids();
    let mut tried = 0;
    loop {
        let point = 1 + tried * stride;
        system.put_back(&kept);
        match system.run(scenario.destroy, Some(point)) {
            Ended::Crashed => tried += 1,
            Ended::Whole(plan, report) => {
                assert!(report.succeeded() && !plan.steps.is_empty(), "{:#?}", report.failed);
                assert!(system.points() < point, "the run ended before its last point");
                return (tried, system.points());
            }
        }
        let when = format!("{}, {parallelism} at a time, crash at point {point}", scenario.name);
        again(&system, scenario.destroy, &when);
        system.converged(scenario.destroy, &when);
        holds(&system, &when);
        if !scenario.replaces && !scenario.destroy {
            let after = system.ids();
            let kept = |address: &&String| before.get(*address).is_none_or(|ids| after.get(*address) == Some(ids));
            let lost: BTreeSet<&String> = before.keys().filter(|a| !kept(a)).collect();
            assert!(lost.is_empty(), "{when}: made anew: {lost:?}");
        }
    }
}

/// The same command again, which must now succeed.
#[track_caller]
fn again(system: &System, destroy: bool, when: &str) {
    match system.run(destroy, None) {
        Ended::Whole(plan, report) => {
            assert!(plan.refused.is_empty() && plan.held.is_empty(), "{when}: {:#?} {:#?}", plan.refused, plan.held);
            assert!(report.succeeded(), "{when}: {:#?}", report.failed);
        }
        Ended::Crashed => panic!("{when}: it crashed by itself"),
    }
}

fn tell(scenario: &Scenario, tried: u64, points: u64, parallelism: usize) {
    let name = scenario.name;
    crate::support::tell(&format!("{name}: {tried} of {points} crash points, {parallelism} steps at a time"));
}

fn survives(scenario: &Scenario) {
    for parallelism in [1, 16] {
        let (tried, points) = points(scenario, parallelism, stride(parallelism), |_, _| {});
        tell(scenario, tried, points, parallelism);
        assert!(points > 3 * (scenario.system)().desired.resources.len() as u64, "every step has at least three");
    }
}

#[test]
fn a_crash_at_any_point_of_an_apply_leaves_no_orphan_and_no_duplicate() {
    survives(&Scenario { name: "apply", system: System::servers, before: nothing, destroy: false, replaces: false });
}

#[test]
fn a_crash_at_any_point_of_an_update_is_made_good_without_making_anything_anew() {
    survives(&Scenario { name: "update", system: System::servers, before: changed, destroy: false, replaces: false });
}

#[test]
fn a_crash_at_any_point_of_the_replacement_of_everything_is_made_good() {
    survives(&Scenario { name: "replace", system: System::servers, before: failed, destroy: false, replaces: true });
}

#[test]
fn a_crash_at_any_point_of_a_destroy_leaves_nothing_in_the_end() {
    survives(&Scenario { name: "destroy", system: System::servers, before: standing, destroy: true, replaces: false });
}

/// Disks whose data may go only after a recovery point is there, and the key that encrypts them.
fn guarded() -> System {
    let environment = "project: test\nprovider: simulated\nregion: ap-northeast-1\nzones: [ap-northeast-1a]\n";
    let disk = "kind: volume, zone: ap-northeast-1a, size: 10GiB, key: key";
    let stack = format!("stack: data\nresources:\n  key: {{kind: key}}\n  a: {{{disk}}}\n  b: {{{disk}}}\n");
    let mut system = System::of_files_on_disk(&[("environments/test.yaml", environment), ("stacks/data.yaml", &stack)]);
    system.permits.data_loss = system.desired.resources.keys().cloned().collect();
    system
}

#[test]
fn a_crash_at_any_point_of_saving_and_deleting_data_leaves_a_recovery_point_of_each() {
    let scenario =
        Scenario { name: "save and destroy", system: guarded, before: standing, destroy: true, replaces: false };
    for parallelism in [1, 16] {
        let (tried, points) = points(&scenario, parallelism, 1, |system, when| {
            let mut kept: BTreeMap<String, usize> = BTreeMap::new();
            for point in system.cloud().recovery_points().unwrap() {
                *kept.entry(point.address.unwrap()).or_default() += 1;
            }
            let names: Vec<&str> = kept.keys().map(String::as_str).collect();
            assert_eq!(names, ["data/a", "data/b"], "{when}");
            assert!(
                kept.values().all(|n| *n == 1),
                "{when}: saved again although a new enough one was there: {kept:?}"
            );
        });
        tell(&scenario, tried, points, parallelism);
        assert!(points > 15, "{points}");
    }
}

/// Many points of the reference system: one in so many, spread over the whole command. Each step passes the points that every
/// step of the smaller system passes; what is more here is the kinds, the stacks and the second region.
const REFERENCE: u64 = 17;

#[test]
fn a_crash_of_the_reference_system_is_made_good_by_the_next_run() {
    let scenarios = [
        Scenario {
            name: "reference: apply",
            system: System::reference,
            before: nothing,
            destroy: false,
            replaces: false,
        },
        Scenario {
            name: "reference: update",
            system: System::reference,
            before: changed,
            destroy: false,
            replaces: false,
        },
        Scenario {
            name: "reference: destroy",
            system: System::reference,
            before: standing,
            destroy: true,
            replaces: false,
        },
    ];
    for scenario in &scenarios {
        let stride = if std::env::var_os(EVERY).is_some() { 1 } else { REFERENCE };
        let (tried, points) = points(scenario, 16, stride, |_, _| {});
        tell(scenario, tried, points, 16);
        assert!(points > 300, "{points}");
    }
}
