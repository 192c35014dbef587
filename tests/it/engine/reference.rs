//! The reference system of this repository: what its files promise, environment by environment.

use std::collections::BTreeSet;

use saiken::model::Address;
use saiken::model::desired::{Desired, Resource};
use saiken::model::environment::DataLoss;
use saiken::{config, diagnostic, expand, providers};
use serde_json::{Value, json};

use crate::support::repository;

const ENVIRONMENTS: [&str; 4] = ["local", "staging", "production", "recovery"];

/// What an environment declares; it must be without any error or warning.
fn declared(environment: &str) -> Desired {
    let loaded = config::load(repository(), environment);
    let mut diagnostics = loaded.diagnostics;
    let desired = loaded.project.and_then(|project| {
        let (desired, more) = expand::expand(&project, &loaded.files, &providers::kinds());
        diagnostics.extend(more);
        desired
    });
    let told = diagnostic::render(&diagnostics, &loaded.files, false);
    assert!(told.is_empty(), "{environment}: {told}");
    desired.unwrap()
}

fn of_kind<'d>(desired: &'d Desired, kind: &str) -> Vec<&'d Resource> {
    let found: Vec<_> = desired.resources.values().filter(|r| r.kind.name == kind).collect();
    assert!(!found.is_empty(), "no {kind} is declared");
    found
}

#[test]
fn every_environment_is_valid_and_has_all_that_the_service_level_needs() {
    let needed = [
        "alarm",
        "autoscaling_group",
        "backup_plan",
        "backup_vault",
        "bucket",
        "certificate",
        "composite_alarm",
        "dashboard",
        "database",
        "detector",
        "event_rule",
        "flow_log",
        "group",
        "key",
        "listener",
        "load_balancer",
        "log_group",
        "maintenance_window",
        "metric_filter",
        "patch_baseline",
        "policy",
        "record",
        "restore_testing_plan",
        "secret",
        "session_preferences",
        "topic",
        "trail",
        "web_acl",
        "zone",
    ];
    for environment in ENVIRONMENTS {
        let desired = declared(environment);
        let kinds: BTreeSet<&str> = desired.resources.values().map(|r| r.kind.name).collect();
        let missing: Vec<_> = needed.iter().filter(|k| !kinds.contains(**k)).collect();
        assert!(missing.is_empty(), "{environment} has no {missing:?}");
        let stacks: BTreeSet<&str> = desired.stacks.iter().map(|s| s.name.as_str()).collect();
        let expected = ["backups", "data", "endpoint", "foundation", "monitoring", "network", "servers", "tenants"];
        assert_eq!(stacks, BTreeSet::from(expected), "{environment}");
    }
}

#[test]
fn endpoints_speak_tls_1_3_only_and_plain_http_only_redirects() {
    for environment in ENVIRONMENTS {
        let desired = declared(environment);
        for listener in of_kind(&desired, "listener") {
            let spec = &listener.spec;
            if spec["protocol"] == "https" {
                let policy = spec["security_policy"].as_str().unwrap();
                assert!(policy.starts_with("ELBSecurityPolicy-TLS13-1-3-"), "{}: {policy}", listener.address);
            } else {
                let actions = spec["default_actions"].as_array().unwrap();
                let redirects = |a: &Value| a["redirect"]["protocol"] == "HTTPS" && a.as_object().unwrap().len() == 1;
                assert!(actions.iter().all(redirects), "{}: {spec}", listener.address);
                assert!(spec.get("rules").is_none(), "{}", listener.address);
            }
        }
        for group in of_kind(&desired, "database_parameter_group") {
            assert_eq!(group.spec["parameters"]["ssl_min_protocol_version"], "TLSv1.3", "{}", group.address);
        }
    }
}

/// Where a kind that holds data, or tells of it, says with which key: path of the field.
const KEYS: &[(&str, &str)] = &[
    ("backup_vault", "/key"),
    ("bucket", "/encryption/key"),
    ("database", "/key"),
    ("log_group", "/key"),
    ("secret", "/key"),
    ("topic", "/key"),
    ("trail", "/key"),
];
/// Kinds that hold data and have no key of their own: they are keys, or hold what the service encrypts itself.
const KEYLESS: &[&str] = &["detector", "key"];

#[test]
fn everything_that_holds_data_is_encrypted_with_a_managed_key() {
    for environment in ENVIRONMENTS {
        for resource in declared(environment).resources.values() {
            let (address, kind) = (resource.address.as_str(), resource.kind.name);
            // Balancers can write only to a bucket with the service's own encryption.
            if address == "foundation/requests" {
                assert_eq!(resource.spec["encryption"], json!({"algorithm": "sse_s3"}));
                continue;
            }
            match KEYS.iter().find(|(name, _)| *name == kind) {
                Some((_, path)) => {
                    let key = resource.spec.pointer(path).and_then(Value::as_str);
                    assert!(key.is_some_and(|k| k.contains("key")), "{environment}: {address} has no key: {key:?}");
                }
                None => assert!(
                    !resource.kind.facts.data_bearing() || KEYLESS.contains(&kind),
                    "{environment}: nothing is known of the encryption of {address}, a {kind}"
                ),
            }
            if kind == "database" {
                assert_eq!(resource.spec["encrypted"], true, "{address}");
            }
            if kind == "launch_template" {
                assert_ne!(resource.spec["root_disk"]["encrypted"], false, "{address}");
            }
        }
    }
}

#[test]
fn in_production_nothing_that_holds_data_goes_without_being_let_go_first() {
    let desired = declared("production");
    for resource in desired.resources.values() {
        assert!(resource.lifecycle.protect, "{} is not protected", resource.address);
    }
    for kind in ["database", "load_balancer"] {
        for resource in of_kind(&desired, kind) {
            assert_eq!(resource.spec["deletion_protection"], true, "{}", resource.address);
        }
    }
    for bucket in of_kind(&desired, "bucket") {
        assert_ne!(bucket.spec["empty_on_delete"], true, "{}", bucket.address);
        assert_eq!(bucket.spec["versioning"], true, "{}", bucket.address);
    }
    assert_eq!(desired.environment.guards.data.loss, DataLoss::Named);
}

#[test]
fn servers_databases_and_endpoints_stand_in_every_zone_and_tell_within_three_minutes() {
    for environment in ENVIRONMENTS {
        let desired = declared(environment);
        let zones = desired.environment.zones.len();
        assert!(zones >= 2, "{environment}");
        for group in of_kind(&desired, "autoscaling_group") {
            assert_eq!(group.spec["subnets"].as_array().unwrap().len(), zones, "{}", group.address);
            assert!(group.spec["min"].as_u64().unwrap() >= 2, "{}", group.address);
        }
        for balancer in of_kind(&desired, "load_balancer") {
            assert_eq!(balancer.spec["subnets"].as_array().unwrap().len(), zones, "{}", balancer.address);
        }
        let databases = of_kind(&desired, "database");
        assert!(databases.iter().all(|d| d.spec["multi_az"] == true), "{environment}");
        for alarm in of_kind(&desired, "alarm") {
            let (spec, address) = (&alarm.spec, &alarm.address);
            let seconds = match spec["metric"]["period"].as_str().unwrap() {
                "1m" => 60,
                other => panic!("{address}: a period of {other}"),
            };
            let until = seconds * spec["evaluation_periods"].as_u64().unwrap();
            assert!(until <= 180, "{address} tells after {until} s");
            assert_eq!(spec["on_alarm"]["topics"], json!(["foundation/staff"]), "{address}");
        }
        let watched = |what: &str| {
            let of = format!("monitoring/main.{what}_");
            of_kind(&desired, "alarm").iter().filter(|a| a.address.as_str().starts_with(&of)).count()
        };
        assert!(watched("servers") >= 4 && watched("database") >= 6 && watched("endpoint") >= 4, "{environment}");
        let own: Vec<_> = databases.iter().filter(|d| d.address.as_str().starts_with("tenants/")).collect();
        let theirs = of_kind(&desired, "alarm");
        let theirs = theirs.iter().filter(|a| a.address.as_str().starts_with("tenants/customer.watch.")).count();
        assert_eq!(theirs, own.len() * 6, "{environment}: databases of customers are watched as the common one is");
    }
}

#[test]
fn backups_begin_at_four_in_the_morning_and_seven_generations_are_kept_in_two_regions() {
    for environment in ENVIRONMENTS {
        let desired = declared(environment);
        let plan = of_kind(&desired, "backup_plan")[0];
        let rule = &plan.spec["rules"]["daily"];
        assert_eq!((&rule["schedule"], &rule["time_zone"]), (&json!("cron(0 4 * * ? *)"), &json!("Asia/Tokyo")));
        assert_eq!((&rule["start_window"], &rule["completion_window"]), (&json!("1h"), &json!("2h")));
        assert_eq!(rule["lifecycle"]["delete_after"], "7d");
        assert_eq!(rule["copies"][0]["lifecycle"]["delete_after"], "7d");
        let vaults = of_kind(&desired, "backup_vault");
        let regions: BTreeSet<&str> = vaults.iter().map(|v| v.region.as_str()).collect();
        assert_eq!(vaults.len(), 2, "{environment}");
        if environment == "recovery" {
            assert_eq!(regions, BTreeSet::from(["ap-northeast-3"]), "nothing is needed of the place that is lost");
        } else {
            assert_eq!(regions.len(), 2, "{environment}");
        }
        for vault in of_kind(&desired, "backup_vault") {
            let who = &vault.spec["policy"]["Statement"][0]["Condition"]["ArnNotLike"]["aws:PrincipalArn"];
            let users = who.as_array().unwrap().iter().filter(|p| p.as_str().unwrap().contains(":user/")).count();
            assert_eq!(users, 2, "{environment}: {who}");
        }
        let daily = desired.resources.values().filter(|r| ["database", "bucket"].contains(&r.kind.name));
        for resource in daily.filter(|r| r.spec["tags"]["Tier"] == "data") {
            assert_eq!(resource.spec["tags"]["Backup"], "daily", "{}", resource.address);
        }
    }
}

/// Actions that a resource's policies allow to a service, with whether there is a condition.
fn allowed<'d>(document: &'d Value, service: &str) -> Vec<(&'d str, bool)> {
    let statements = document["Statement"].as_array().unwrap().iter().filter(|s| s["Effect"] == "Allow");
    let named =
        statements.filter(|s| s["Principal"]["Service"].as_array().is_some_and(|p| p.contains(&json!(service))));
    let each = |s: &'d Value| {
        let actions = s["Action"].as_array().unwrap().iter().filter_map(Value::as_str);
        actions.map(|action| (action, s.get("Condition").is_some())).collect::<Vec<_>>()
    };
    named.flat_map(each).collect()
}

#[test]
fn failed_backups_and_threats_reach_the_staff_and_an_alarm_rings_if_they_can_not() {
    for environment in ENVIRONMENTS {
        let desired = declared(environment);
        let at = |address: &str| &desired.resources[&Address::parse(address).unwrap()].spec;
        // EventBridge gives no account when it publishes, so that a condition would keep it out.
        let publish = allowed(&at("foundation/staff")["policy"], "events.amazonaws.com");
        assert_eq!(publish, [("sns:Publish", false)], "{environment}");
        let encrypt = allowed(&at("foundation/notice_key")["policy"], "events.amazonaws.com");
        assert_eq!(encrypt, [("kms:Decrypt", false), ("kms:GenerateDataKey*", false)], "{environment}");
        let rules = of_kind(&desired, "event_rule");
        let alarms = of_kind(&desired, "alarm");
        for rule in &rules {
            assert_eq!(rule.spec["targets"]["staff"]["topic"], "foundation/staff", "{}", rule.address);
            let failed = alarms.iter().filter(|a| a.spec["metric"]["name"] == "FailedInvocations");
            let mine = failed.filter(|a| a.references.contains(&rule.address));
            assert_eq!(mine.count(), 1, "{environment}: {}", rule.address);
        }
        let backups: Vec<String> = rules.iter().map(|r| r.spec["pattern"].to_string()).collect();
        for job in ["Backup Job", "Copy Job", "Restore Job", "GuardDuty Finding"] {
            assert!(backups.iter().any(|pattern| pattern.contains(job)), "{environment}: {job}");
        }
    }
}

#[test]
fn the_trail_may_use_its_key_and_administrators_may_read_it_and_restore() {
    for environment in ENVIRONMENTS {
        let desired = declared(environment);
        let at = |address: &str| &desired.resources[&Address::parse(address).unwrap()].spec;
        let trail: Vec<&str> = allowed(&at("foundation/trail_key")["policy"], "cloudtrail.amazonaws.com")
            .iter()
            .map(|(a, _)| *a)
            .collect();
        assert_eq!(trail, ["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey*"], "{environment}");
        let group = at("foundation/access.group")["policies"].to_string();
        for action in ["iam:PassRole", "backup:StartRestoreJob", "ssmmessages:OpenDataChannel", "kms:Decrypt"] {
            assert!(group.contains(action), "{environment}: {action}");
        }
        let name = at("backups/daily.role")["name"].as_str().unwrap();
        assert!(name.starts_with("reference-") && name.ends_with("-backups"), "the group names the role by it: {name}");
    }
}

#[test]
fn every_customer_has_a_schema_of_its_own_and_in_production_a_server() {
    for environment in ENVIRONMENTS {
        let desired = declared(environment);
        let customers =
            of_kind(&desired, "secret").into_iter().filter(|s| s.address.as_str().contains("customer.access"));
        let servers = desired
            .resources
            .values()
            .filter(|r| r.kind.name == "database" && r.address.as_str().starts_with("tenants/"));
        let (customers, servers) = (customers.count(), servers.count());
        let schemas: Vec<_> = of_kind(&desired, "association")
            .into_iter()
            .filter(|a| a.spec["document"].as_str().is_some_and(|d| d.contains("schema.document")))
            .collect();
        // That of the service itself beside those of the customers.
        assert_eq!(schemas.len(), customers + 1, "{environment}");
        if ["production", "recovery"].contains(&environment) {
            assert_eq!(servers, customers, "{environment}");
        }
        for address in schemas.iter().map(|s| s.address.as_str()) {
            let role = Address::parse(&address.replace("association", "role")).unwrap();
            let secrets = &desired.resources[&role].spec["policies"]["secrets"]["Statement"][0]["Resource"];
            assert_eq!(secrets.as_array().unwrap().len(), 2, "{address}: the administrator's and the user's");
        }
        for group in
            of_kind(&desired, "security_group").iter().filter(|g| g.address.as_str().contains("customer.own.group"))
        {
            let callers: Vec<&Value> =
                group.spec["ingress"].as_array().unwrap().iter().map(|r| &r["groups"][0]).collect();
            assert!(callers.contains(&&json!("servers/app.servers")), "{}: {callers:?}", group.address);
        }
    }
}

#[test]
fn a_scanner_looks_at_files_when_they_are_opened_and_an_alarm_rings_when_it_does_not_run() {
    for environment in ENVIRONMENTS {
        let desired = declared(environment);
        for template in of_kind(&desired, "launch_template") {
            let data = template.spec["user_data"].as_str().unwrap();
            for part in ["clamonacc", "OnAccessPrevention yes", "clamd1.4", "malware-watch", "\"exe\": \"clamonacc\""] {
                assert!(data.contains(part), "{environment}: {part}");
            }
        }
        let alarms = of_kind(&desired, "alarm");
        let silent = alarms.iter().find(|a| a.spec["metric"]["name"] == "procstat_lookup_pid_count").unwrap();
        assert_eq!(silent.spec["missing_data"], "breaching");
    }
}

#[test]
fn production_interrupts_only_as_announced_and_keeps_its_state_where_all_see_it() {
    for environment in ["production", "recovery"] {
        let desired = declared(environment);
        let notice = desired.environment.guards.interruptions.as_ref().map(|i| format!("{:?}", i.notice));
        assert!(notice.is_some_and(|n| n.contains("604800") || n.contains("7d")), "{environment}");
        assert!(format!("{:?}", desired.environment.state).contains("bucket"), "{environment}");
    }
}

#[test]
fn two_administrators_and_no_port_for_administration() {
    for environment in ENVIRONMENTS {
        let desired = declared(environment);
        let users = desired.resources.values().filter(|r| r.kind.name == "user").count();
        assert_eq!(users, if environment == "recovery" { 0 } else { 2 }, "{environment}");
        // Nothing without a second factor, but what is needed to come by one and to begin a session with it.
        let policy = &desired.resources[&Address::parse("foundation/access.second_factor").unwrap()].spec["document"];
        let denied = policy["Statement"].as_array().unwrap().iter().find(|s| s["Effect"] == "Deny").unwrap();
        let open = denied["NotAction"].as_array().unwrap();
        assert!(open.contains(&json!("sts:GetSessionToken")), "{policy}");
        assert!(open.iter().all(|a| a == "sts:GetSessionToken" || a.as_str().unwrap().starts_with("iam:")), "{policy}");
        for group in of_kind(&desired, "security_group") {
            for rule in group.spec["ingress"].as_array().into_iter().flatten() {
                let open = rule["cidrs"].as_array().is_some_and(|c| !c.is_empty());
                let port = rule["ports"].to_string();
                assert!(!open || port.contains("443") || port.contains("80"), "{}: {rule}", group.address);
                assert!(!["22", "3389"].iter().any(|p| port.trim_matches('"') == *p), "{}: {rule}", group.address);
            }
        }
        for template in of_kind(&desired, "launch_template") {
            assert!(template.spec.get("key_pair").is_none(), "{}", template.address);
            assert_eq!(template.spec["metadata"]["tokens"], "required", "{}", template.address);
        }
    }
}

#[test]
fn no_customer_can_reach_what_belongs_to_another() {
    let desired = declared("production");
    let customers: BTreeSet<&str> =
        of_kind(&desired, "role").iter().filter_map(|r| r.spec["tags"]["Tenant"].as_str()).collect();
    assert!(customers.len() >= 2, "{customers:?}");
    for resource in desired.resources.values() {
        let Some(own) = resource.spec["tags"]["Tenant"].as_str() else { continue };
        let text = resource.spec.to_string();
        for other in customers.iter().filter(|c| **c != own) {
            assert!(!text.contains(other), "{}: {text}", resource.address);
        }
    }
    // Each has a key and a data area of its own.
    for customer in customers {
        for kind in ["key", "bucket", "secret", "log_group", "role"] {
            let own =
                desired.resources.values().filter(|r| r.kind.name == kind && r.spec["tags"]["Tenant"] == customer);
            assert_eq!(own.count(), 1, "{kind} of {customer}");
        }
    }
}
