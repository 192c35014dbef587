//! `database_snapshot` against the emulator.

use saiken::model::Address;
use saiken::model::value::token;
use serde_json::{Value, json};

use crate::support::kind_case::{Case, changed, run, run_part};

fn server() -> (&'static str, &'static str, Value) {
    let spec = json!({
        "engine": "postgres", "engine_version": "16.4", "class": "db.t4g.medium", "storage": {"size": "20GiB"},
        "user": "app", "managed_password": false, "password": "correct-horse-battery",
    });
    ("t/orders", "database", spec)
}

fn cluster() -> (&'static str, &'static str, Value) {
    let spec = json!({
        "engine": "aurora_postgresql", "engine_version": "16.8", "members": {"one": {"class": "db.r8g.large"}},
        "user": "app", "managed_password": false, "password": "correct-horse-battery",
    });
    ("t/orders", "database_cluster", spec)
}

/// The text that stands for the name of `t/first`, which is known once that is made.
fn first_name() -> String {
    token(&Address::parse("t/first").unwrap(), "name")
}

/// The case of `database_snapshot`.
pub fn case() -> Case {
    let first = json!({
        "name": "own-copy", "database": "t/orders", "shared_with": ["111122223333", "444455556666"], "tags": {"名": "1"},
    });
    Case {
        kind: "database_snapshot",
        needs: vec![server()],
        second: changed(&first, &json!({"shared_with": ["777788889999", "444455556666"], "tags": {"名": "2"}})),
        third: Some(changed(&first, &json!({"name": "next-copy"}))),
        first,
        ..Case::default()
    }
}

/// The same of a cluster, by calls of its own.
fn of_cluster() -> Case {
    let first = json!({"cluster": "t/orders", "shared_with": ["111122223333"], "tags": {"名": "1"}});
    Case {
        kind: "database_snapshot",
        needs: vec![cluster()],
        second: changed(&first, &json!({"shared_with": ["444455556666"], "tags": {"名": "2"}})),
        third: Some(changed(&first, &json!({"name": "next-copy"}))),
        first,
        ..Case::default()
    }
}

#[test]
fn database_snapshot_creates_reads_back_changes_and_deletes() {
    run(case());
}

#[test]
fn a_snapshot_of_a_cluster_of_a_derived_name_creates_reads_back_changes_and_deletes() {
    run_part(of_cluster());
}

#[test]
fn a_snapshot_of_a_cluster_is_killed_at_every_request() {
    crate::support::crash::at_every_request(of_cluster());
}

#[test]
fn a_snapshot_is_copied_with_another_key_in_the_same_plan() {
    for (needs, source) in [(server(), "database"), (cluster(), "cluster")] {
        let first = json!({"copy_of": {source: first_name()}, "key": "t/key", "shared_with": ["111122223333"]});
        run_part(Case {
            kind: "database_snapshot",
            needs: vec![
                needs,
                ("t/key", "key", json!({})),
                ("t/first", "database_snapshot", json!({source: "t/orders"})),
            ],
            second: changed(&first, &json!({"shared_with": []})),
            first,
            ..Case::default()
        });
    }
}

#[test]
fn a_database_is_made_from_a_snapshot_of_the_same_plan() {
    let restored = json!({
        "class": "db.t4g.medium", "from_backup": {"snapshot": first_name()}, "managed_password": false,
        "password": "another-horse-battery", "tags": {"a": "1"},
    });
    run_part(Case {
        kind: "database",
        needs: vec![server(), ("t/first", "database_snapshot", json!({"database": "t/orders"}))],
        second: changed(&restored, &json!({"tags": {"a": "2"}})),
        first: restored,
        ..Case::default()
    });
}

#[test]
fn a_cluster_is_made_from_a_snapshot_of_the_same_plan() {
    let restored = json!({
        "engine": "aurora_postgresql", "from_backup": {"snapshot": first_name()}, "managed_password": false,
        "members": {"one": {"class": "db.r8g.large"}}, "password": "another-horse-battery", "tags": {"a": "1"},
    });
    run_part(Case {
        kind: "database_cluster",
        needs: vec![cluster(), ("t/first", "database_snapshot", json!({"cluster": "t/orders"}))],
        second: changed(&restored, &json!({"tags": {"a": "2"}})),
        first: restored,
        ..Case::default()
    });
}
