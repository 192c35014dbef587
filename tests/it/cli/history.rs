//! `history`, `unlock`, and two processes that want the same lock.

use std::process::{Command, Stdio};

use super::Sandbox;

const STACK: &str = "\
stack: s
resources:
  main: { kind: vpc, cidr: 10.0.0.0/16 }
  app: { kind: subnet, vpc: main, zone: ap-northeast-1a, cidr: 10.0.1.0/24 }
";

#[test]
fn history_lists_applies_the_newest_first_and_shows_the_steps_of_one() {
    let s = Sandbox::stack(STACK);
    let none = s.run(&["history"]).code(0);
    assert_eq!((none.out.as_str(), none.err.as_str()), ("", "nothing is known of an apply of `test`\n"));
    s.run(&["apply", "--yes"]).code(0);
    s.run(&["destroy", "--yes"]).code(0);

    let all = s.run(&["history", "--format", "json"]).code(0).json();
    let applies = all["applies"].as_array().unwrap();
    assert_eq!(applies.len(), 2);
    assert_eq!(applies[0]["command"], "saiken destroy --yes");
    assert_eq!(applies[1]["outcome"], "succeeded");
    assert_eq!(applies[1]["steps"]["finished"], 2);
    assert!(applies[1]["seconds"].as_f64().is_some_and(|s| s < 60.0), "{all:#}");
    let one = s.run(&["history", "-n", "1", "--format", "json"]).code(0).json();
    assert_eq!(one["applies"].as_array().map(Vec::len), Some(1));

    let text = s.run(&["history"]).code(0).out;
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("outcome") && lines[1].contains("2 delete") && lines[2].contains("2 create"), "{text}");
    let id = lines[2].split_whitespace().next().unwrap();
    let steps = s.run(&["history", "show", id]).code(0).out;
    assert!(steps.contains("command  saiken apply --yes\n") && steps.contains("outcome  succeeded\n"), "{steps}");
    let step = steps.lines().find(|l| l.contains("s/main")).unwrap();
    assert!(step.contains("create") && step.contains("vpc-") && step.contains("done"), "{steps}");
    let markdown = s.run(&["history", "show", id, "--format", "markdown"]).code(0).out;
    assert!(markdown.contains("| s/main"), "{markdown}");
    let json = s.run(&["history", "show", id, "--format", "json"]).code(0).json();
    assert_eq!(json["steps"][0]["address"], "s/main");
    assert!(json["steps"][0]["started_at"].as_str().is_some_and(|t| t.ends_with('Z')), "{json:#}");

    let wrong = s.run(&["history", "show", "zzz"]).code(64);
    assert_eq!(wrong.err, "error: no apply has an id that begins with `zzz`\n  help: `saiken history` lists them\n");
}

#[test]
fn history_shows_why_a_step_failed_and_works_while_the_stacks_have_errors() {
    let s = Sandbox::stack(STACK);
    let faults = "simulated: { faults: [{ operation: create, kind: subnet, nth: 1, what: error }] }\n";
    s.replace("environments/test.yaml", "project: shop\n", &format!("project: shop\n{faults}"));
    s.run(&["apply", "--yes"]).code(1);
    s.write("stacks/s.yaml", "stack: s\nresources: { x: { kind: nothing } }\n");
    let all = s.run(&["history", "--format", "json"]).code(0).json();
    assert_eq!(all["applies"][0]["outcome"], "failed");
    let id = all["applies"][0]["id"].as_str().unwrap().to_owned();
    let text = s.run(&["history", "show", &id]).code(0).out;
    assert!(text.contains("\ns/app: ") && text.contains("failed"), "{text}");
}

#[test]
fn unlock_says_that_nothing_is_held() {
    let s = Sandbox::stack(STACK);
    let free = s.run(&["unlock"]).code(0);
    assert_eq!((free.out.as_str(), free.err.as_str()), ("nobody holds the lock of `test`\n", ""));
    assert_eq!(s.run(&["unlock", "--format", "json"]).code(0).json()["held"], false);
}

/// A gateway takes 3 seconds to come up at this speed of the clock.
const SLOW: &str = "\
stack: s
resources:
  main: { kind: vpc, cidr: 10.0.0.0/16 }
  public: { kind: subnet, vpc: main, zone: ap-northeast-1a, cidr: 10.0.0.0/24 }
  address: { kind: elastic_ip }
  gateway: { kind: nat_gateway, subnet: public, elastic_ip: address }
";

#[test]
fn a_local_lock_is_the_system_s_and_unlock_names_the_process() {
    let s = Sandbox::stack(SLOW);
    s.replace("environments/test.yaml", "project: shop\n", "project: shop\nsimulated: { speed: 40 }\n");
    let mut child = Command::new(env!("CARGO_BIN_EXE_saiken"))
        .current_dir(s.path("."))
        .args(["apply", "--yes"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = std::time::Instant::now();
    let held = loop {
        let run = s.run(&["unlock", "--yes"]);
        if run.code == 1 && run.out.contains("process") {
            break run;
        }
        assert!(begun.elapsed().as_secs() < 20, "it is never locked: {}{}", run.out, run.err);
    };
    assert!(held.out.contains(&format!("(process {})", child.id())), "{}", held.out);
    assert!(held.err.contains(&format!("the system frees the lock when process {} ends", child.id())), "{}", held.err);
    let second = s.run(&["apply", "--yes"]).code(1);
    assert!(second.err.contains(&format!("`saiken apply --yes` (process {})", child.id())), "{}", second.err);
    // Looking at what is there needs no lock.
    let plan = s.run(&["plan"]).code(0);
    assert!(plan.err.contains("is changing this environment since"), "{}", plan.err);
    s.run(&["drift"]);
    s.run(&["show"]).code(0);
    child.kill().unwrap();
    child.wait().unwrap();
    s.run(&["unlock"]).code(0);
    let interrupted = s.run(&["history", "--format", "json"]).code(0).json();
    assert_eq!(interrupted["applies"][0]["outcome"], "interrupted");
    s.run(&["apply", "--yes"]).code(0);
}

#[test]
fn processes_that_race_for_the_lock_never_write_at_the_same_time() {
    const PROCESSES: usize = 4;
    const ROUNDS: usize = 6;
    let s = Sandbox::stack(STACK);
    let mut refused = 0;
    for round in 0..ROUNDS {
        s.write("stacks/s.yaml", &STACK.replace("kind: vpc,", &format!("kind: vpc, tags: {{ Round: \"{round}\" }},")));
        let start = || {
            Command::new(env!("CARGO_BIN_EXE_saiken"))
                .current_dir(s.path("."))
                .args(["apply", "--yes"])
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        };
        let children: Vec<_> = (0..PROCESSES).map(|_| start()).collect();
        for child in children {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            if !output.status.success() {
                assert!(said.contains("changing this environment"), "{said}");
                refused += 1;
            }
        }
    }
    // What each wrote lies wholly before or wholly after what any other wrote.
    let all = s.run(&["history", "-n", "1000", "--format", "json"]).code(0).json();
    let mut spans: Vec<(String, String)> = Vec::new();
    for apply in all["applies"].as_array().unwrap() {
        let detail = s.run(&["history", "show", apply["id"].as_str().unwrap(), "--format", "json"]).code(0).json();
        let first = detail["steps"][0]["started_at"].as_str().unwrap().to_owned();
        spans.push((first, apply["last_at"].as_str().unwrap().to_owned()));
    }
    spans.sort();
    assert!(spans.len() >= ROUNDS, "each round is applied once at least: {spans:?}");
    for pair in spans.windows(2) {
        assert!(pair[0].1 <= pair[1].0, "two writers: {pair:?}");
    }
    crate::support::tell(&format!("{} processes, {} applies, {refused} refused", PROCESSES * ROUNDS, spans.len()));
    s.run(&["plan", "--detailed-exitcode"]).code(0);
}
