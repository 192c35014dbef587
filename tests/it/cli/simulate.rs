//! Disaster by hand: lost zones and regions.

use super::Sandbox;

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
