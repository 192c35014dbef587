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

/// What a server or a cluster stands in: subnets, a group of them, one that says who reaches it, and a key.
fn place() -> Vec<(&'static str, &'static str, Value)> {
    let mut all = network();
    all.pop();
    all.extend([
        ("t/group", "database_subnet_group", json!({"subnets": ["t/a", "t/b"]})),
        ("t/web", "security_group", json!({"vpc": "t/net", "description": "web"})),
        ("t/data", "security_group", json!({"vpc": "t/net", "description": "data"})),
        ("t/key", "key", json!({})),
    ]);
    all
}

/// The case of `database`.
pub fn server() -> Case {
    let mut needs = place();
    needs.extend([
        ("t/one", "database_parameter_group", json!({"family": "mysql8.0"})),
        ("t/two", "database_parameter_group", json!({"family": "mysql8.4"})),
    ]);
    let role = json!({"id": "arn:aws:iam::123456789012:role/monitoring"});
    let first = json!({
        "name": "own-orders", "engine": "mysql", "engine_version": "8.0.40", "class": "db.t4g.medium",
        "storage": {"size": "20GiB", "limit": "100GiB", "type": "gp2"}, "zone": "us-east-1a", "encrypted": true,
        "key": "t/key", "subnet_group": "t/group", "security_groups": ["t/web"], "public_access": false, "port": 3307,
        "backup_retention": "7d", "backup_window": "17:00-17:30", "maintenance_window": "sun:18:00-sun:18:30",
        "copy_tags_to_snapshots": true, "minor_upgrades": true, "parameter_group": "t/one", "log_exports": ["error"],
        "monitoring": {"interval": "60s", "role": role}, "user": "app", "managed_password": true, "database": "orders",
        "ca_certificate": "rds-ca-rsa2048-g1", "iam_authentication": false, "tags": {"名": "1"},
    });
    Case {
        kind: "database",
        needs,
        second: changed(
            &first,
            &json!({
                "engine_version": "8.4", "class": "db.r8g.large",
                "storage": {"size": "30GiB", "limit": "200GiB", "type": "gp3"}, "security_groups": ["t/data", "t/web"],
                "public_access": true, "backup_retention": "14d", "backup_window": "19:00-19:30",
                "maintenance_window": "mon:18:00-mon:18:30", "copy_tags_to_snapshots": false, "minor_upgrades": false,
                "parameter_group": "t/two", "log_exports": ["slowquery"], "monitoring": {"interval": "30s", "role": role},
                "managed_password": false, "password": "correct-horse-battery", "ca_certificate": "rds-ca-rsa4096-g1",
                "iam_authentication": true, "tags": {"名": "2"},
            }),
        ),
        third: Some(changed(&first, &json!({"name": "next-orders", "database": "items"}))),
        first,
        ..Case::default()
    }
}

/// The case of `database_cluster`.
pub fn cluster() -> Case {
    let mut needs = place();
    needs.extend([
        ("t/one", "database_cluster_parameter_group", json!({"family": "aurora-postgresql16"})),
        ("t/two", "database_cluster_parameter_group", json!({"family": "aurora-postgresql17"})),
    ]);
    let first = json!({
        "name": "own-orders", "engine": "aurora_postgresql", "engine_version": "16.8",
        "members": {
            "one": {"class": "db.serverless", "tier": 0, "zone": "us-east-1a", "minor_upgrades": true},
            "two": {"class": "db.serverless", "tier": 1},
        },
        "scaling": {"min": 0.5, "max": 4.0}, "encrypted": true, "key": "t/key", "subnet_group": "t/group",
        "security_groups": ["t/web"], "port": 5433, "network_type": "ipv4", "backup_retention": "7d",
        "backup_window": "17:00-17:30", "maintenance_window": "sun:18:00-sun:18:30", "copy_tags_to_snapshots": true,
        "parameter_group": "t/one", "user": "app", "managed_password": true, "database": "orders", "tags": {"名": "1"},
    });
    Case {
        kind: "database_cluster",
        needs,
        second: changed(
            &first,
            &json!({
                "engine_version": "17",
                "members": {
                    "one": {"class": "db.r8g.large", "tier": 2, "zone": "us-east-1a", "minor_upgrades": false},
                    "three": {"class": "db.r8g.large", "tier": 1},
                },
                "scaling": {"min": 1.0, "max": 8.0}, "security_groups": ["t/data"], "port": 5434, "network_type": "dual",
                "backup_retention": "14d", "backup_window": "19:00-19:30", "maintenance_window": "mon:18:00-mon:18:30",
                "copy_tags_to_snapshots": false, "parameter_group": "t/two", "managed_password": false,
                "password": "correct-horse-battery", "tags": {"名": "2"},
            }),
        ),
        third: Some(changed(&first, &json!({"name": "next-orders", "database": "items"}))),
        first,
        ..Case::default()
    }
}

#[test]
fn database_creates_reads_back_changes_and_deletes() {
    run(server());
}

#[test]
fn database_cluster_creates_reads_back_changes_and_deletes() {
    run(cluster());
}

#[test]
fn a_database_of_a_derived_name_is_made_from_a_snapshot_and_gets_the_rest() {
    let first = json!({
        "class": "db.t4g.medium", "from_backup": {"snapshot": "{prepared}"}, "managed_password": false,
        "password": "correct-horse-battery", "encrypted": true, "maintenance_window": "sun:18:00-sun:18:30",
        "backup_retention": "14d",
    });
    run_part(Case {
        kind: "database",
        second: changed(&first, &json!({"class": "db.t4g.large", "password": "another-horse-battery"})),
        first,
        prepare: Some(
            "
import boto3
rds = boto3.client('rds')
rds.create_db_instance(DBInstanceIdentifier='source', DBInstanceClass='db.t4g.medium', Engine='postgres',
                       EngineVersion='16.4', AllocatedStorage=20, MasterUsername='app', MasterUserPassword='secret-horse',
                       StorageEncrypted=True)
print(rds.create_db_snapshot(DBInstanceIdentifier='source', DBSnapshotIdentifier='snap')['DBSnapshot']['DBSnapshotIdentifier'])
",
        ),
        ..Case::default()
    });
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
