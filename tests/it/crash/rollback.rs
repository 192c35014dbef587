//! An apply that fails anywhere, taken back: what was last applied stands there again, and no data is gone.

use std::collections::BTreeSet;

use proptest::prelude::Strategy as _;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use saiken::model::plan::{Operation, Plan};
use saiken::model::record::Record;
use serde_json::{Value, json};

use super::schedules::{borrowed, files};
use super::{Ended, System};
use crate::engine::system::system;

/// Random pairs of systems.
const SEEDS: u64 = 60;
/// The calls that fail: so many of each sort.
const CALLS: u64 = 6;

/// Objects that hold data.
fn data(system: &System) -> BTreeSet<String> {
    let holds = |kind: &str| system.kind(kind).facts.data_bearing();
    system.objects().into_iter().filter(|o| holds(&o.kind)).map(|o| o.id).collect()
}

/// The first system stands; the way to the second fails at one call, and is taken back. None if that call isn't made.
fn taken_back(first: &[(&str, &str)], second: &[(&str, &str)], call: &str, nth: u64, when: &str) -> Option<usize> {
    let mut system = System::of_files(first);
    system.succeed(false);
    let before = system.record();
    system.declare(second);
    system.settings = json!({"faults": [{"operation": call, "nth": nth, "what": "error"}]});
    let Ended::Whole(failed, report) = system.run(false, None) else { panic!("{when}: it crashed by itself") };
    if report.succeeded() {
        return None;
    }
    system.settings = json!({});
    let held_data = data(&system);
    let (undo, report) = system.undo(before.as_ref(), &failed);
    assert!(report.succeeded() && undo.refused.is_empty(), "{when}: {:#?} {:#?}", report.failed, undo.refused);
    assert!(undo.steps.iter().all(|s| s.operation != Operation::Save), "{when}");
    assert!(held_data.is_subset(&data(&system)), "{when}: data is gone");
    system.declare(first);
    let left: BTreeSet<_> = undo.held.iter().map(|h| &h.address).collect();
    let Ended::Whole(plan, _) = system.run(false, None) else { panic!("{when}: it crashed by itself") };
    let differs: Vec<_> = plan.actions.iter().filter(|a| !left.contains(&a.address)).collect();
    assert!(differs.is_empty(), "{when}: neither taken back nor named: {differs:#?}");
    assert!(plan.is_empty() || !left.is_empty(), "{when}");
    Some(left.len())
}

#[test]
fn a_failed_apply_is_taken_back_to_what_was_last_applied_without_loss_of_data() {
    let (mut runs, mut whole) = (0, 0);
    for seed in 0..SEEDS {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut runner = TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
        let mut any = || files(&system().new_tree(&mut runner).unwrap().current());
        let (first, second) = (any(), any());
        for call in ["create", "update", "delete"] {
            for nth in 1..=CALLS {
                let when = format!("seed {seed}, {call} {nth}");
                let Some(left) = taken_back(&borrowed(&first), &borrowed(&second), call, nth, &when) else { break };
                runs += 1;
                whole += usize::from(left == 0);
            }
        }
    }
    crate::support::tell(&format!("{runs} failed applies taken back, {whole} wholly"));
    assert!(runs > 300 && whole > 50, "{runs} {whole}");
}

const NETWORK: &str = "stack: s
resources:
  net: {kind: vpc, cidr: 10.0.0.0/16, tags: {Owner: ops}}
  sub: {kind: subnet, vpc: net, cidr: 10.0.1.0/24, zone: ap-northeast-1a}
  web: {kind: security_group, vpc: net, description: web}
  one: {kind: instance, image: ami-1, instance_type: t3.small, subnet: sub, security_groups: [web]}
";

/// What fails in these tests: the one address that each of them adds.
const FAILS: &str = "  fails: {kind: elastic_ip, depends_on: [net, one]}\n";

/// A system of one stack that stands; then another one is declared, and a call fails.
struct Tried {
    system: System,
    before: Option<Record>,
    failed: Plan,
}

fn tried(first: &str, second: &str, fault: Value) -> Tried {
    let environment = ("environments/test.yaml", crate::engine::system::ENVIRONMENT);
    let mut system = System::of_files(&[environment, ("stacks/s.yaml", first)]);
    system.succeed(false);
    let before = system.record();
    system.declare(&[("stacks/s.yaml", second)]);
    system.settings = json!({ "faults": [fault] });
    let Ended::Whole(failed, report) = system.run(false, None) else { panic!("it crashed by itself") };
    assert_eq!(report.failed.len(), 1, "{:#?}", report.failed);
    system.settings = json!({});
    Tried { system, before, failed: *failed }
}

impl Tried {
    fn undo(&self) -> Plan {
        let (plan, report) = self.system.undo(self.before.as_ref(), &self.failed);
        assert!(report.succeeded() && plan.refused.is_empty(), "{:#?} {:#?}", report.failed, plan.refused);
        plan
    }

    fn spec(&self, address: &str) -> Value {
        let found = self.system.objects().into_iter().find(|o| o.address.as_deref() == Some(address));
        found.unwrap_or_else(|| panic!("nothing stands at {address}")).spec
    }
}

fn fails() -> Value {
    json!({"operation": "create", "kind": "elastic_ip", "nth": 1, "what": "error"})
}

#[test]
fn an_old_object_that_still_stands_takes_its_place_again() {
    let changed = NETWORK.replace("description: web}", "description: other, lifecycle: {replacement: create_first}}");
    let fault = json!({"operation": "update", "kind": "instance", "nth": 1, "what": "error"});
    let first = NETWORK.replace("description: web}", "description: web, lifecycle: {replacement: create_first}}");
    let tried = tried(&first, &changed, fault);
    let there = |t: &Tried| t.system.ids()["s/web"].clone();
    let both = there(&tried);
    assert_eq!(both.len(), 2, "the new one was made, and the old one is still in use");
    let plan = tried.undo();
    assert!(plan.held.is_empty(), "{:#?}", plan.held);
    assert_eq!(there(&tried).len(), 1);
    assert!(there(&tried).is_subset(&both), "none was made anew");
    assert_eq!(tried.spec("s/web")["description"], json!("web"));
    let one = tried.spec("s/one");
    assert_eq!(one["security_groups"][0]["id"].as_str(), there(&tried).first().map(String::as_str));
}

#[test]
fn a_moved_resource_stays_where_it_is_and_its_fields_go_back() {
    let second = NETWORK.replace("  net: {", "  main: {").replace("vpc: net", "vpc: main").replace("ops", "再建");
    let second = format!("{second}{}moved: [{{from: net, to: main}}]\n", FAILS.replace("[net", "[main"));
    let tried = tried(NETWORK, &second, fails());
    let before = tried.system.ids();
    let plan = tried.undo();
    assert!(plan.held.is_empty(), "{:#?}", plan.held);
    assert_eq!(tried.spec("s/main")["tags"]["Owner"], json!("ops"));
    assert_eq!(tried.system.ids(), before, "the same objects, and the failed one is not there");
}

#[test]
fn an_adopted_object_is_let_go_again() {
    let mut system = System::of_files(&[
        ("environments/test.yaml", crate::engine::system::ENVIRONMENT),
        ("stacks/s.yaml", &format!("{NETWORK}  ip: {{kind: elastic_ip}}\n")),
    ]);
    system.succeed(false);
    let id = system.ids()["s/ip"].first().unwrap().clone();
    system.declare(&[("stacks/s.yaml", &format!("{NETWORK}forget: [ip]\n"))]);
    system.succeed(false);
    let before = system.record();
    let adopting = format!("{NETWORK}  ip: {{kind: elastic_ip, adopt: {id}}}\n{}", FAILS.replace("[net", "[ip, net"));
    system.declare(&[("stacks/s.yaml", &adopting)]);
    system.settings = json!({ "faults": [fails()] });
    let Ended::Whole(failed, report) = system.run(false, None) else { panic!("it crashed by itself") };
    assert_eq!(report.failed.len(), 1, "{:#?}", report.failed);
    system.settings = json!({});
    assert!(system.ids().contains_key("s/ip"));
    let tried = Tried { system, before, failed: *failed };
    let plan = tried.undo();
    assert!(plan.held.is_empty(), "{:#?}", plan.held);
    let ids = tried.system.ids();
    assert!(!ids.contains_key("s/ip") && ids["(not owned)"].contains(&id), "{ids:?}");
}

#[test]
fn what_the_record_does_not_tell_is_left_and_named() {
    let second = format!("{}{FAILS}", NETWORK.replace("ops", "再建"));
    let mut tried = tried(NETWORK, &second, fails());
    tried.before = None;
    let plan = tried.undo();
    let left: Vec<(&str, &str)> = plan.held.iter().map(|h| (h.address.as_str(), h.reason.as_str())).collect();
    assert_eq!(left, [("s/net", "the last-applied record doesn't tell how it was")]);
    assert_eq!(tried.spec("s/net")["tags"]["Owner"], json!("再建"));
}

#[test]
fn a_secret_is_not_in_the_record_and_stays_as_it_is_now() {
    let secret = |value: &str| {
        let parameter = format!("parameters:\n  secret: {{type: string, sensitive: true, default: {value}}}\n");
        let (head, rest) = NETWORK.split_once('\n').unwrap();
        format!("{head}\n{parameter}{}", rest.replace("Owner: ops", "Owner: \"{{ secret }}\""))
    };
    let second = format!("{}{FAILS}", secret("second-secret").replace("10.0.1.0/24", "10.0.2.0/24"));
    let tried = tried(&secret("first-secret"), &second, fails());
    let record = serde_json::to_string(&tried.before).unwrap();
    assert!(record.contains("\"hidden\":[\"tags\"]") && !record.contains("first-secret"), "{record}");
    let plan = tried.undo();
    assert!(plan.held.is_empty(), "{:#?}", plan.held);
    assert_eq!(tried.spec("s/net")["tags"]["Owner"], json!("second-secret"));
    assert_eq!(tried.spec("s/sub")["cidr"], json!("10.0.1.0/24"));
}
