//! What is known to fail is said before the first write, all of it together.

use super::Sandbox;

const STACK: &str = "stack: s
resources:
  one: {kind: vpc, cidr: 10.0.0.0/16}
  two: {kind: vpc, cidr: 10.1.0.0/16}
  logs: {kind: log_group}
  disk: {kind: volume, zone: ap-northeast-1c, size: 10GiB}
";

fn environment(project: &str, more: &str) -> String {
    format!(
        "project: {project}\nprovider: simulated\nregion: ap-northeast-1\nzones: [ap-northeast-1a, ap-northeast-1c]\n\
         guards: {{data: {{loss: allowed}}}}\n{more}"
    )
}

/// A quota that is too small, a name that another project has taken, and a zone that is lost.
fn troubled() -> Sandbox {
    let sandbox = Sandbox::stack("stack: s\nresources:\n  logs: {kind: log_group}\n");
    // The same names come out of both.
    sandbox.write("environments/b.yaml", &environment("shop-a", ""));
    std::fs::remove_file(sandbox.path("environments/test.yaml")).unwrap();
    sandbox.run(&["apply", "--yes"]).code(0);
    sandbox.write("environments/a-b.yaml", &environment("shop", "simulated: {quotas: {vpc: 1}}\n"));
    sandbox.write("stacks/s.yaml", STACK);
    sandbox.run(&["-e", "a-b", "simulate", "lose-zone", "ap-northeast-1c"]).code(0);
    sandbox
}

#[test]
fn what_is_certain_to_fail_is_reported_together_and_nothing_is_written() {
    let sandbox = troubled();
    let before = sandbox.run(&["-e", "b", "simulate", "list"]).code(0).out;
    let refused = sandbox.run(&["-e", "a-b", "apply", "--yes"]).code(1);
    insta::assert_snapshot!(refused.err, @r#"
    Before the first write
      fails  quota: vpc: at most 1 for ap-northeast-1; none is in use, 2 are needed
          s/one, s/two
          help: raise `simulated.quotas` in the environment, or remove what is not used
      fails  name: the name shop-a-b-s-logs is taken in ap-northeast-1: 'shop-a-b-s-logs', s/logs of
          environment b of project shop-a, has it
          s/logs
          help: choose another name
      may fail  zone: zone ap-northeast-1c is lost
          s/disk
          help: wait until it is back, or take it from the environment's `zones`
    error: it would fail; nothing was done
      help: see `Before the first write`; --skip-preflight goes on all the same
    "#);
    assert_eq!(sandbox.run(&["-e", "b", "simulate", "list"]).code(0).out, before);
    let all = sandbox.run(&["-e", "a-b", "history", "--format", "json"]).code(0).json();
    assert_eq!(all["applies"].as_array().map(Vec::len), Some(0), "{all}");

    let on = sandbox.run(&["-e", "a-b", "apply", "--yes", "--skip-preflight"]).code(1);
    assert!(on.err.contains("failed: create s/logs") && !on.err.contains("Before the first write"), "{}", on.err);
}

#[test]
fn a_plan_tells_it_in_every_form() {
    let sandbox = troubled();
    let text = sandbox.run(&["-e", "a-b", "plan", "--preflight"]).code(0).out;
    assert!(text.contains("\nBefore the first write\n  fails  quota: vpc: at most 1 for ap-northeast-1"), "{text}");
    let markdown = sandbox.run(&["-e", "a-b", "plan", "--preflight", "--format", "markdown"]).code(0).out;
    assert!(markdown.contains("### Before the first write\n\n- **fails** quota"), "{markdown}");
    let json = sandbox.run(&["-e", "a-b", "plan", "--preflight", "--format", "json"]).code(0).json();
    let checks: Vec<&str> =
        json["preflight"]["findings"].as_array().unwrap().iter().filter_map(|f| f["check"].as_str()).collect();
    assert_eq!(checks, ["quota", "name", "zone"]);
    assert!(!sandbox.run(&["-e", "a-b", "plan"]).code(0).out.contains("Before the first write"));
}

#[test]
fn a_saved_plan_is_looked_at_too_and_room_that_comes_too_late_is_no_obstacle() {
    let sandbox = Sandbox::stack("stack: s\nresources:\n  one: {kind: vpc, cidr: 10.0.0.0/16}\n");
    sandbox.write("environments/test.yaml", &environment("shop", "simulated: {quotas: {vpc: 1}}\n"));
    sandbox.run(&["apply", "--yes"]).code(0);
    sandbox.write("stacks/s.yaml", "stack: s\nresources:\n  two: {kind: vpc, cidr: 10.0.0.0/16}\n");
    sandbox.run(&["plan", "--out", "plan.json"]).code(0);
    let said = sandbox.run(&["apply", "--plan", "plan.json", "--yes"]).err;
    assert!(
        said.contains(
            "may fail  quota: vpc: at most 1 for ap-northeast-1; 1 is in use, 1 more is needed, 1 is given\n      back, perhaps too late"
        ),
        "{said}"
    );
}
