//! The simulated cloud by hand: looking, breaking, losing places, and wrong input.

use super::{Run, Sandbox};

/// A network with a subnet in zone a, a group and a log group, applied.
fn applied() -> Sandbox {
    let s = Sandbox::stack(
        "stack: s\nresources:\n\
         \x20 net: { kind: vpc, cidr: 10.0.0.0/16 }\n\
         \x20 sub: { kind: subnet, vpc: net, zone: ap-northeast-1a, cidr: 10.0.1.0/24 }\n\
         \x20 web: { kind: security_group, vpc: net, description: web,\n\
         \x20\x20\x20 ingress: [{ protocol: tcp, ports: '80', cidrs: [10.0.0.0/8] }] }\n\
         \x20 log: { kind: log_group, retention: 30d }\n",
    );
    s.run(&["apply", "--yes"]).code(0);
    s
}

fn simulate(s: &Sandbox, arguments: &[&str]) -> Run {
    s.run(&[&["simulate"], arguments].concat())
}

#[track_caller]
fn refused(s: &Sandbox, arguments: &[&str], message: &str) {
    let run = simulate(s, arguments).code(64);
    assert_eq!(run.err, message, "{arguments:?}");
    assert_eq!(run.out, "");
}

/// Whether `plan` finds something to do.
fn differs(s: &Sandbox) -> bool {
    s.run(&["plan", "--detailed-exitcode"]).code == 2
}

#[test]
fn a_lost_zone_shows_in_the_plan_and_is_whole_after_its_return() {
    let s = Sandbox::reference();
    s.local(&["apply", "--yes"]).code(0);
    s.local(&["simulate", "lose-zone", "ap-northeast-1a"]).code(0);
    let plan = s.local(&["plan", "--detailed-exitcode"]).code(2);
    assert!(plan.out.contains("ap-northeast-1a"), "{}", plan.out);
    s.local(&["simulate", "restore", "ap-northeast-1a"]).code(0);
    s.local(&["plan", "--detailed-exitcode"]).code(0);
}

#[test]
fn in_a_lost_region_everything_is_held_and_nothing_is_guessed() {
    let s = Sandbox::reference();
    s.local(&["apply", "--yes"]).code(0);
    s.local(&["simulate", "lose-region", "ap-northeast-1"]).code(0);
    let plan = s.local(&["plan", "--format", "json"]).code(0).json();
    assert!(plan["held"].as_array().is_some_and(|h| h.len() > 10), "{plan:#}");
    for action in ["create", "delete", "replace"] {
        assert_eq!(plan["summary"][action], 0, "{action}");
    }
    s.local(&["simulate", "restore", "ap-northeast-1"]).code(0);
    s.local(&["plan", "--detailed-exitcode"]).code(0);
}

#[test]
fn the_simulated_cloud_can_be_listed_and_reset() {
    let s = Sandbox::reference();
    s.local(&["apply", "--yes"]).code(0);
    let list = s.local(&["simulate", "list"]).code(0).out;
    assert!(list.contains("network/main.vpc"), "{list}");
    s.local(&["simulate", "reset"]).code(0);
    assert!(!s.local(&["simulate", "list"]).code(0).out.contains("network/main.vpc"));
}

#[test]
fn a_list_can_be_filtered_and_given_as_json_or_markdown() {
    let s = applied();
    let list = simulate(&s, &["list"]).code(0).out;
    assert!(list.lines().next().is_some_and(|l| l.trim_start().starts_with("address")), "{list}");
    assert_eq!(list.lines().count(), 5, "{list}");
    assert_eq!(simulate(&s, &["list", "subnet"]).code(0).out.lines().count(), 2);
    let json = simulate(&s, &["list", "s/log", "--format", "json"]).code(0).json();
    assert_eq!((&json[0]["kind"], &json[0]["spec"]["retention"]), (&"log_group".into(), &"30d".into()), "{json:#}");
    assert!(simulate(&s, &["list", "--format", "markdown"]).code(0).out.starts_with("| address "));
    let none = simulate(&s, &["list", "nothing"]).code(0);
    assert_eq!((none.out.as_str(), none.err.as_str()), ("", "nothing is there (simulated cloud)\n"));
}

#[test]
fn an_object_is_shown_as_yaml_or_json_with_what_uses_it() {
    let s = applied();
    let yaml = simulate(&s, &["show", "s/net"]).code(0).out;
    for line in ["kind: \"vpc\"", "spec:", "  \"cidr\": \"10.0.0.0/16\"", "used_by: [\"s/web\",\"s/sub\"]"] {
        assert!(yaml.lines().any(|l| l == line), "{line}:\n{yaml}");
    }
    let json = simulate(&s, &["show", "s/sub", "--format", "json"]).code(0).json();
    assert_eq!(json["status"], "ready");
    assert_eq!(json["tags"]["saiken:address"], "s/sub");
    let markdown = simulate(&s, &["show", "s/net", "--format", "markdown"]).code(0).out;
    assert_eq!(markdown, format!("```yaml\n{yaml}```\n"));
    let by_id = simulate(&s, &["show", json["id"].as_str().unwrap(), "--format", "json"]).code(0).json();
    assert_eq!(by_id, json);
    refused(
        &s,
        &["show", "s/nett"],
        "error: no object has the address or id `s/nett`\n  help: did you mean `s/net`?\n",
    );
}

#[test]
fn a_field_set_or_unset_by_hand_is_drift_and_apply_takes_it_back() {
    let s = applied();
    assert!(!differs(&s));
    let set = simulate(&s, &["set", "s/log", "retention", "7d"]).code(0);
    assert!(set.err.ends_with("retention is now \"7d\" (simulated cloud)\n"), "{}", set.err);
    simulate(&s, &["set", "s/web", "ingress.0.ports", "8080"]).code(0);
    let drift = s.run(&["drift"]).code(2).out;
    for part in ["7d", "30d", "8080"] {
        assert!(drift.contains(part), "{part}:\n{drift}");
    }
    s.run(&["apply", "--yes"]).code(0);
    simulate(&s, &["unset", "s/log", "retention"]).code(0);
    assert!(differs(&s));
    s.run(&["apply", "--yes"]).code(0);
    assert!(!differs(&s));
    assert_eq!(simulate(&s, &["show", "s/log", "--format", "json"]).code(0).json()["spec"]["retention"], "30d");
}

#[test]
fn what_can_not_be_set_is_refused_with_the_nearest_name_or_the_reason() {
    let s = applied();
    refused(
        &s,
        &["set", "s/lgo", "retention", "7d"],
        "error: no object has the address or id `s/lgo`\n  help: did you mean `s/log`?\n",
    );
    refused(
        &s,
        &["set", "s/log", "retenton", "7d"],
        "error: kind `log_group` has no field `retenton`\n  help: did you mean `retention`?\n",
    );
    refused(
        &s,
        &["set", "s/web", "ingress.0.port", "81"],
        "error: kind `security_group` has no field `ingress.0.port`\n  help: did you mean `ports`?\n",
    );
    let wrong = simulate(&s, &["set", "s/sub", "public_addresses", "perhaps"]).code(64).err;
    assert!(
        wrong.starts_with("error: `public_addresses` of kind `subnet` can't be \"perhaps\": invalid type"),
        "{wrong}"
    );
    let wrong = simulate(&s, &["unset", "s/web", "description"]).code(64).err;
    let reason = "error: `description` of kind `security_group` can't be removed: missing field `description`";
    assert!(wrong.starts_with(reason), "{wrong}");
    let wrong = simulate(&s, &["unset", "s/sub", "cidr"]).code(64).err;
    assert!(wrong.starts_with("error: `cidr` of kind `subnet` can't be removed: "), "{wrong}");
    refused(&s, &["unset", "s/sub", "public_addresses"], "error: `public_addresses` is not set\n");
    assert!(!differs(&s), "nothing was changed");
}

#[test]
fn an_object_deleted_by_hand_is_made_again() {
    let s = applied();
    simulate(&s, &["delete", "s/sub"]).code(0);
    assert_eq!(simulate(&s, &["list", "s/sub"]).code(0).out, "");
    refused(
        &s,
        &["delete", "s/sub"],
        "error: no object has the address or id `s/sub`\n  help: saiken simulate list shows all\n",
    );
    s.run(&["apply", "--yes"]).code(0);
    assert!(!differs(&s));
}

#[test]
fn a_zone_that_comes_back_empty_is_filled_again() {
    let s = applied();
    simulate(&s, &["lose-zone", "ap-northeast-1a"]).code(0);
    let status = simulate(&s, &["list", "s/sub"]).code(0).out;
    assert!(status.contains("failed: zone ap-northeast-1a is lost"), "{status}");
    simulate(&s, &["restore", "ap-northeast-1a", "--empty"]).code(0);
    assert_eq!(simulate(&s, &["list", "s/sub"]).code(0).out, "");
    s.run(&["apply", "--yes"]).code(0);
    assert!(!differs(&s));
}

#[test]
fn a_region_that_comes_back_empty_is_rebuilt() {
    let s = applied();
    simulate(&s, &["lose-region", "ap-northeast-1"]).code(0);
    simulate(&s, &["restore", "ap-northeast-1", "--empty"]).code(0);
    assert_eq!(simulate(&s, &["list"]).code(0).out, "");
    s.run(&["apply", "--yes"]).code(0);
    assert_eq!(simulate(&s, &["list"]).code(0).out.lines().count(), 5);
}

#[test]
fn unknown_places_are_named_with_those_there_are() {
    let s = applied();
    refused(
        &s,
        &["lose-zone", "ap-northeast-1z"],
        "error: there is no zone `ap-northeast-1z`\n  help: did you mean `ap-northeast-1a`?\n",
    );
    refused(&s, &["lose-region", "mars"], "error: there is no region `mars`\n  help: there is: ap-northeast-1\n");
    refused(&s, &["restore", "ap-northeast-1a"], "error: `ap-northeast-1a` is not lost\n  help: nothing is lost\n");
    refused(
        &s,
        &["take-recovery-points", "--region", "ap-northeast-3"],
        "error: there is no region `ap-northeast-3`\n  help: did you mean `ap-northeast-1`?\n",
    );
}

#[test]
fn time_passes_when_told_to_and_the_status_shows_it() {
    let s = applied();
    let before = simulate(&s, &["status", "--format", "json"]).code(0).json();
    simulate(&s, &["advance", "2h"]).code(0);
    let after = simulate(&s, &["status", "--format", "json"]).code(0).json();
    assert_eq!(after["clock"].as_u64(), before["clock"].as_u64().map(|c| c + 7200));
    assert_eq!(after["objects"], 4);
    simulate(&s, &["lose-zone", "ap-northeast-1a"]).code(0);
    let text = simulate(&s, &["status"]).code(0).out;
    assert!(text.starts_with("simulated cloud `cloud`\n") && text.contains("ap-northeast-1a"), "{text}");
    let wrong = simulate(&s, &["advance", "soon"]).code(64).err;
    assert!(wrong.starts_with("error: ") && wrong.contains("soon"), "{wrong}");
}

#[test]
fn data_and_its_recovery_points_can_be_told_apart() {
    let s = applied();
    assert_eq!(simulate(&s, &["recovery-points"]).code(0).err, "there is none (simulated cloud)\n");
    simulate(&s, &["take-recovery-points"]).code(0);
    simulate(&s, &["write-data", "s/log"]).code(0);
    simulate(&s, &["take-recovery-points"]).code(0);
    let points = simulate(&s, &["recovery-points", "--format", "json"]).code(0).json();
    let now = simulate(&s, &["show", "s/log", "--format", "json"]).code(0).json();
    assert_eq!(points.as_array().map(Vec::len), Some(2), "{points:#}");
    assert_eq!((&points[1]["fingerprint"], &points[1]["address"]), (&now["data"], &"s/log".into()));
    assert_ne!(points[0]["fingerprint"], now["data"]);
    assert_eq!(simulate(&s, &["recovery-points"]).code(0).out.lines().count(), 3);
    refused(&s, &["write-data", "s/net"], "error: `s/net` holds no data\n  help: kind `vpc` never does\n");
}

#[test]
fn processes_that_change_the_cloud_at_the_same_time_lose_nothing() {
    let s = applied();
    let clock = || simulate(&s, &["status", "--format", "json"]).code(0).json()["clock"].as_u64().unwrap();
    let before = clock();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..5).for_each(|_| drop(simulate(&s, &["advance", "1s"]).code(0))));
        }
    });
    assert_eq!(clock(), before + 20);
}

#[test]
fn a_damaged_file_is_named_with_the_way_out() {
    let s = applied();
    let log = ".saiken/simulated/cloud.jsonl";
    s.replace(log, "\"simulated_cloud\"", "\"simulated_clod\"");
    let run = simulate(&s, &["list"]).code(1);
    assert!(run.err.contains("cloud.jsonl is damaged in line 1; `saiken simulate reset` begins anew"), "{}", run.err);
    s.run(&["plan"]).code(1);
    simulate(&s, &["reset"]).code(0);
    assert_eq!(simulate(&s, &["list"]).code(0).out, "");
    s.run(&["apply", "--yes"]).code(0);
}

#[test]
fn a_change_that_was_killed_half_way_is_as_if_it_had_not_been() {
    let s = applied();
    let log = s.path(".saiken/simulated/cloud.jsonl");
    let mut text = std::fs::read_to_string(&log).unwrap();
    text.push_str("{\"put\":[{\"kind\":\"vpc\",\"regi");
    std::fs::write(&log, &text).unwrap();
    assert!(!differs(&s));
    simulate(&s, &["advance", "1s"]).code(0);
    assert!(!std::fs::read_to_string(&log).unwrap().contains("\"regi{"));
    assert!(!differs(&s));
}

#[test]
fn settings_with_a_mistake_are_refused_before_anything_is_done() {
    let s = applied();
    let environment = "environments/test.yaml";
    let text = std::fs::read_to_string(s.path(environment)).unwrap();
    s.write(environment, &format!("{text}simulated: {{ faults: [{{ operation: create, what: error }}] }}\n"));
    let run = s.run(&["plan"]).code(1);
    assert!(run.err.contains("a fault needs a `chance` or an `nth`"), "{}", run.err);
}

#[test]
fn a_flaky_interface_is_survived_by_running_again() {
    let s = applied();
    s.run(&["destroy", "--yes"]).code(0);
    let environment = "environments/test.yaml";
    let text = std::fs::read_to_string(s.path(environment)).unwrap();
    let faults = "[{ operation: create, nth: 1, what: lost_answer }, { operation: create, nth: 2, what: throttle }]";
    s.write(environment, &format!("{text}simulated: {{ faults: {faults} }}\n"));
    let runs = (1..=5).find(|_| s.run(&["apply", "--yes"]).code == 0);
    assert!(runs.is_some_and(|n| n > 1), "{runs:?}");
    assert!(!differs(&s));
    assert_eq!(simulate(&s, &["list"]).code(0).out.lines().count(), 5, "no object was made twice");
}

#[test]
fn an_apply_killed_at_any_moment_leaves_a_cloud_that_the_next_one_completes() {
    let mut stack = "stack: s\nresources:\n  net: { kind: vpc, cidr: 10.0.0.0/16 }\n".to_owned();
    for i in 0..120 {
        stack.push_str(&format!("  g{i}: {{ kind: security_group, vpc: net, description: g{i} }}\n"));
    }
    let s = Sandbox::stack(&stack);
    let lines =
        || std::fs::read(s.path(".saiken/simulated/cloud.jsonl")).map_or(0, |b| b.split(|c| *c == b'\n').count());
    for kill_at in [1, 20, 50, 51, 90, 150] {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_saiken"))
            .args(["apply", "--yes"])
            .current_dir(s.path("."))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while lines() < kill_at && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        simulate(&s, &["list"]).code(0);
    }
    s.run(&["apply", "--yes"]).code(0);
    assert!(!differs(&s));
    let there = simulate(&s, &["list", "--format", "json"]).code(0).json();
    assert_eq!(there.as_array().map(Vec::len), Some(121), "nothing twice, nothing missing");
}
