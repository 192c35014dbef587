//! Databases, and the groups that they refer to, against the emulator.

use serde_json::{Value, json};

use crate::support::kind_case::{Case, changed, run, run_part};

/// A network with subnets in three zones.
fn network() -> Vec<(&'static str, &'static str, Value)> {
    let subnet = |zone: &str, third: u8| json!({"vpc": "t/net", "zone": format!("us-east-1{zone}"), "cidr": format!("10.1.{third}.0/24")});
    vec![
        ("t/net", "vpc", json!({"cidr": "10.1.0.0/16"})),
        ("t/a", "subnet", subnet("a", 1)),
        ("t/b", "subnet", subnet("b", 2)),
        ("t/c", "subnet", subnet("c", 3)),
    ]
}

/// The case of `database_subnet_group`.
pub fn subnet_group() -> Case {
    let first = json!({
        "name": "own subnets", "description": "データベース", "subnets": ["t/a", "t/b"], "tags": {"a": "1"},
    });
    Case {
        kind: "database_subnet_group",
        needs: network(),
        second: changed(&first, &json!({"description": "orders", "subnets": ["t/c", "t/b"], "tags": {"a": "2"}})),
        third: Some(changed(&first, &json!({"name": "other.subnets"}))),
        first,
        ..Case::default()
    }
}

/// The emulator has no call that resets a parameter: none is taken out.
fn parameters(kind: &'static str, family: &str, next: &str) -> Case {
    let first = json!({
        "name": "own.parameters", "family": family, "description": "注文",
        "parameters": {"log_statement": "ddl", "max_connections": "200"}, "tags": {"a": "1"},
    });
    Case {
        kind,
        second: changed(
            &first,
            &json!({
                "parameters": {"log_statement": "ddl", "max_connections": "300", "work_mem": "8192"},
                "tags": {"a": "2"},
            }),
        ),
        third: Some(changed(&first, &json!({"name": "next.parameters", "family": next}))),
        first,
        ..Case::default()
    }
}

/// The case of `database_parameter_group`.
pub fn parameter_group() -> Case {
    parameters("database_parameter_group", "postgres16", "postgres17")
}

/// The case of `database_cluster_parameter_group`.
pub fn cluster_parameter_group() -> Case {
    parameters("database_cluster_parameter_group", "aurora-postgresql16", "aurora-postgresql17")
}

/// The case of `database_option_group`. The emulator keeps nothing of an option but its settings.
pub fn option_group() -> Case {
    let audit = |events: &str| json!({"settings": {"SERVER_AUDIT_EVENTS": events}});
    let first = json!({
        "name": "own-options", "engine": "mysql", "major_version": "8.0", "description": "監査",
        "options": {"MARIADB_AUDIT_PLUGIN": audit("CONNECT"), "MEMCACHED": {}}, "tags": {"a": "1"},
    });
    Case {
        kind: "database_option_group",
        second: changed(&first, &json!({"options": {"MARIADB_AUDIT_PLUGIN": audit("QUERY")}, "tags": {"a": "2"}})),
        third: Some(changed(&first, &json!({"name": "next-options", "major_version": "5.7"}))),
        first,
        ..Case::default()
    }
}

#[test]
fn database_subnet_group_creates_reads_back_changes_and_deletes() {
    run(subnet_group());
}

#[test]
fn database_parameter_group_creates_reads_back_changes_and_deletes() {
    run(parameter_group());
}

#[test]
fn database_cluster_parameter_group_creates_reads_back_changes_and_deletes() {
    run(cluster_parameter_group());
}

#[test]
fn database_option_group_creates_reads_back_changes_and_deletes() {
    run(option_group());
}

#[test]
fn groups_of_derived_names_are_found_without_the_index() {
    run_part(Case {
        kind: "database_parameter_group",
        first: json!({"family": "mysql8.0", "parameters": {}}),
        second: json!({"family": "mysql8.0", "parameters": {"max_connections": "100"}}),
        ..Case::default()
    });
}
