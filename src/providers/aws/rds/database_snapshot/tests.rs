use serde_json::json;

use super::*;

fn problems(spec: Value) -> Vec<(String, String)> {
    let mut problems = Problems::default();
    DatabaseSnapshot::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
    problems.0.into_iter().map(|p| (p.path, p.help.unwrap())).collect()
}

fn paths(spec: Value) -> Vec<String> {
    problems(spec).into_iter().map(|(path, _)| path).collect()
}

#[test]
fn a_snapshot_has_one_source_and_the_problem_says_which_are_there() {
    let nothing = problems(json!({}));
    assert_eq!(nothing, [("database".to_owned(), "give `database`, `cluster` or `copy_of`".to_owned())]);
    let copy = json!({"database": "a"});
    let two = problems(json!({"database": "s/d", "copy_of": copy}));
    assert_eq!(two, [("copy_of".to_owned(), "leave it out, or `database`".to_owned())]);
    assert_eq!(paths(json!({"database": "s/d", "cluster": "s/c"})), ["cluster"]);
    assert_eq!(paths(json!({"database": "s/d", "cluster": "s/c", "copy_of": copy})), ["copy_of"]);
    for spec in [json!({"database": "s/d"}), json!({"cluster": "s/c"}), json!({"copy_of": {"cluster": "a"}})] {
        assert!(paths(spec.clone()).is_empty(), "{spec}");
    }
}

#[test]
fn a_copy_is_of_one_snapshot_that_is_what_it_is_said_to_be() {
    assert_eq!(paths(json!({"copy_of": {}})), ["copy_of"]);
    assert_eq!(paths(json!({"copy_of": {"database": "a", "cluster": "b"}})), ["copy_of"]);
    let (database, cluster) = ("arn:aws:rds:r:1:snapshot:a", "arn:aws:rds:r:1:cluster-snapshot:a");
    assert_eq!(paths(json!({"copy_of": {"database": cluster}})), ["copy_of.database"]);
    assert_eq!(paths(json!({"copy_of": {"cluster": database}})), ["copy_of.cluster"]);
    assert!(paths(json!({"copy_of": {"cluster": cluster}})).is_empty());
    assert!(paths(json!({"copy_of": {"database": "rds:orders-2026-11-23-03-10"}, "key": "s/k"})).is_empty());
    assert_eq!(paths(json!({"database": "s/d", "key": "s/k"})), ["key"]);
}

#[test]
fn option_groups_and_versions_are_of_databases() {
    let options = json!({"id": "own"});
    assert_eq!(paths(json!({"database": "s/d", "option_group": options})), ["option_group"]);
    assert!(paths(json!({"database": "s/d", "option_group": options, "engine_version": "19"})).is_empty());
    assert!(paths(json!({"copy_of": {"database": "a"}, "option_group": options})).is_empty());
    let copy = json!({"database": "a", "with_option_group": true});
    assert_eq!(paths(json!({"copy_of": copy, "option_group": options})), ["option_group"]);
    let copy = json!({"cluster": "a", "with_option_group": true});
    let all = json!({"copy_of": copy, "option_group": options, "engine_version": "16"});
    assert_eq!(paths(all), ["copy_of.with_option_group", "engine_version", "option_group"]);
}

#[test]
fn names_and_accounts_are_those_that_the_api_takes() {
    for name in ["a--b", "a-"] {
        assert_eq!(paths(json!({"name": name, "database": "s/d"})), ["name"], "{name}");
    }
    let long = "a".repeat(64);
    assert_eq!(paths(json!({"name": long, "copy_of": {"cluster": "a"}})), ["name"]);
    assert!(paths(json!({"name": long, "database": "s/d"})).is_empty());
    for wrong in ["all", "11112222333", "11112222333a"] {
        assert_eq!(
            paths(json!({"database": "s/d", "shared_with": ["111122223333", wrong]})),
            ["shared_with"],
            "{wrong}"
        );
    }
}
