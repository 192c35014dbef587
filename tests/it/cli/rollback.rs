//! `apply --on-failure rollback` from end to end.

use super::Sandbox;

const ENVIRONMENT: &str =
    "project: shop\nprovider: simulated\nregion: ap-northeast-1\nzones: [ap-northeast-1a, ap-northeast-1c]\n";
const FAULT: &str = "simulated: {faults: [{operation: create, kind: security_group, nth: 1, what: error}]}\n";
const FIRST: &str = "stack: network
resources:
  main: {kind: vpc, cidr: 10.0.0.0/16, tags: {Owner: ops}}
  app: {kind: subnet, vpc: main, cidr: 10.0.1.0/24, zone: ap-northeast-1a}
";
const SECOND: &str = "stack: network
resources:
  main: {kind: vpc, cidr: 10.0.0.0/16, tags: {Owner: 再建}}
  app: {kind: subnet, vpc: main, cidr: 10.0.2.0/24, zone: ap-northeast-1a}
  disk: {kind: volume, zone: ap-northeast-1c, size: 10GiB}
  web: {kind: security_group, vpc: main, description: web, tags: {Subnet: \"{{ app.id }}\", Disk: \"{{ disk.id }}\"}}
";

fn failing() -> Sandbox {
    let sandbox = Sandbox::empty();
    sandbox.write("environments/test.yaml", ENVIRONMENT);
    sandbox.write("stacks/network.yaml", FIRST);
    sandbox.run(&["apply", "--yes"]).code(0);
    sandbox.write("stacks/network.yaml", SECOND);
    sandbox.write("environments/test.yaml", &format!("{ENVIRONMENT}{FAULT}"));
    sandbox
}

#[test]
fn a_failed_apply_is_taken_back_and_what_is_left_is_named() {
    let sandbox = failing();
    let run = sandbox.run(&["apply", "--yes", "--on-failure", "rollback"]).code(1);
    let (_, back) = run.out.split_once("rolling back apply ").expect(&run.out);
    let (_, back) = back.split_once('\n').unwrap();
    insta::assert_snapshot!(back, @r"

    network
      ± replace  subnet  network/app
          because it was so before the failed apply, and can't be changed in place
          cidr  10.0.2.0/24 → 10.0.1.0/24  (replaces)
      ~ update   vpc  network/main
          because it was so before the failed apply
          tags.Owner  再建 → ops

    Left as it is
      volume  network/disk
          its data would be lost

    Plan: 0 to create, 1 to update, 1 to replace, 0 to delete. 1 left as it is.
    ");
    assert!(run.err.ends_with("Rolled back, but for 1 left as it is: see \"Left as it is\".\n"), "{}", run.err);
    assert!(!run.err.contains("Run the same command again"), "{}", run.err);

    sandbox.write("environments/test.yaml", ENVIRONMENT);
    sandbox.write(
        "stacks/network.yaml",
        &format!("{FIRST}  disk: {{kind: volume, zone: ap-northeast-1c, size: 10GiB}}\n"),
    );
    sandbox.run(&["plan", "--detailed-exitcode"]).code(0);
    let all = sandbox.run(&["history", "--format", "json"]).code(0).json();
    let (back, failed) = (&all["applies"][0], &all["applies"][1]);
    assert_eq!((back["undoes"].as_str(), back["outcome"].as_str()), (failed["id"].as_str(), Some("succeeded")));
    let shown = sandbox.run(&["history", "show", back["id"].as_str().unwrap()]).code(0).out;
    assert!(shown.contains(&format!("undoes   {}", failed["id"].as_str().unwrap())), "{shown}");
    assert!(shown.contains("what     rollback: 1 delete, 1 update, 1 create"), "{shown}");
}

#[test]
fn programs_are_told_what_was_taken_back_and_what_was_left() {
    let sandbox = failing();
    let report = sandbox.run(&["apply", "--yes", "--on-failure", "rollback", "--format", "json"]).code(1).json();
    assert_eq!(report["succeeded"], false);
    let back = &report["rollback"];
    assert_eq!((&back["succeeded"], &back["whole"]), (&true.into(), &false.into()));
    assert_eq!(back["left"][0]["address"], "network/disk");
    assert_eq!(back["left"][0]["reason"], "its data would be lost");
    let done: Vec<&str> = back["done"].as_array().unwrap().iter().filter_map(|d| d["address"].as_str()).collect();
    assert_eq!(done.len(), 3, "{done:?}");
    assert_eq!(report["outputs"], serde_json::json!({}));
}

#[test]
fn without_the_flag_a_failed_apply_stops_and_goes_on_later() {
    let sandbox = failing();
    let run = sandbox.run(&["apply", "--yes"]).code(1);
    assert!(run.err.contains("Run the same command again: it goes on from what is there.\n"), "{}", run.err);
    assert!(!run.out.contains("rolling back"), "{}", run.out);
    let wrong = sandbox.run(&["apply", "--on-failure", "undo"]).code(64);
    assert!(wrong.err.contains("[possible values: stop, rollback]"), "{}", wrong.err);
}
