//! Names and what proves them: `zone`, `record`, `health_check`, `certificate` against the emulator.

use std::collections::BTreeSet;

use saiken::model::Address;
use serde_json::{Value, json};

use crate::support::kind_case::{Case, REGION, Runner, changed, run, run_part};
use crate::support::moto::moto;

/// The case of `zone`: a public one.
pub fn zone() -> Case {
    let first = json!({
        "name": "one.example", "comment": "最初", "private": false, "delegation_set": "N1",
        "query_logging": {"log_group": "t/logs"}, "empty_on_delete": true, "tags": {"a": "1", "名前": "値"},
    });
    Case {
        kind: "zone",
        needs: vec![("t/logs", "log_group", json!({})), ("t/more", "log_group", json!({}))],
        second: changed(
            &first,
            &json!({
                "comment": "", "query_logging": {"log_group": "t/more"}, "empty_on_delete": false, "tags": {"a": "2"},
            }),
        ),
        third: Some(changed(&first, &json!({"name": "two.example"}))),
        first,
        ..Case::default()
    }
}

/// A private one, which has networks.
fn private_zone() -> Case {
    let network = |vpc: &str| json!({"vpc": vpc, "region": REGION});
    let first = json!({"name": "one.internal", "private": true, "networks": [network("t/one"), network("t/two")]});
    Case {
        kind: "zone",
        needs: vec![
            ("t/one", "vpc", json!({"cidr": "10.1.0.0/16"})),
            ("t/two", "vpc", json!({"cidr": "10.2.0.0/16"})),
            ("t/three", "vpc", json!({"cidr": "10.3.0.0/16"})),
        ],
        second: changed(&first, &json!({"networks": [network("t/two"), network("t/three")]})),
        third: Some(changed(&first, &json!({"name": "two.internal"}))),
        first,
        ..Case::default()
    }
}

/// The case of `record`: one of several of a name.
pub fn record() -> Case {
    let check = |address: &str| json!({"type": "tcp", "address": address, "port": 25});
    let first = json!({
        "zone": "t/zone", "name": "www.one.example", "type": "A", "ttl": "5m", "values": ["192.0.2.1", "192.0.2.2"],
        "set": "blue", "routing": {"weight": 10}, "health_check": "t/one",
    });
    Case {
        kind: "record",
        needs: vec![
            ("t/zone", "zone", json!({"name": "one.example"})),
            ("t/one", "health_check", check("192.0.2.1")),
            ("t/two", "health_check", check("192.0.2.2")),
        ],
        second: changed(
            &first,
            &json!({"ttl": "1m", "values": ["192.0.2.3"], "routing": {"failover": "primary"}, "health_check": "t/two"}),
        ),
        third: Some(changed(&first, &json!({"name": "*.one.example", "set": "green"}))),
        first,
        ..Case::default()
    }
}

/// The case of `health_check`: one of a page.
pub fn health_check() -> Case {
    let first = json!({
        "type": "https_str_match", "address": "192.0.2.1", "domain": "www.one.example", "port": 443, "path": "/health",
        "search_string": "ok", "interval": "10s", "failure_threshold": 2, "sni": true, "inverted": false,
        "regions": ["us-east-1", "eu-west-1", "ap-northeast-1"], "disabled": false, "measure_latency": true,
        "tags": {"a": "1", "名前": "値"},
    });
    Case {
        kind: "health_check",
        second: changed(
            &first,
            &json!({
                "address": "192.0.2.2", "domain": "ftp.one.example", "port": 8443, "path": "/up",
                "search_string": "fine",
                "failure_threshold": 3, "sni": false, "inverted": true, "disabled": true,
                "regions": ["us-west-2", "eu-west-1", "ap-northeast-1"], "tags": {"a": "2"},
            }),
        ),
        third: Some(changed(&first, &json!({"interval": "30s"}))),
        first,
        ..Case::default()
    }
}

/// The case of `certificate`.
pub fn certificate() -> Case {
    let first = json!({
        "domain": "www.one.example", "names": ["*.one.example", "one.example"], "zones": ["t/zone"], "exportable": true,
        "tags": {"a": "1", "名前": "値"},
    });
    Case {
        kind: "certificate",
        needs: vec![
            ("t/zone", "zone", json!({"name": "one.example"})),
            ("t/other", "zone", json!({"name": "one.example"})),
        ],
        second: changed(&first, &json!({"zones": ["t/other"], "tags": {"a": "2"}})),
        third: Some(changed(&first, &json!({"names": ["one.example"]}))),
        first,
        not_by_emulator: &[("key_algorithm", "every certificate has a key of RSA there")],
        ..Case::default()
    }
}

#[test]
fn zone_creates_reads_back_changes_and_deletes() {
    run(zone());
}

#[test]
fn a_private_zone_gets_and_loses_networks() {
    run_part(private_zone());
}

#[test]
fn a_private_zone_is_finished_wherever_it_is_killed() {
    crate::support::crash::at_every_request(private_zone());
}

#[test]
fn a_zone_stops_writing_down_its_questions() {
    run_part(Case {
        kind: "zone",
        needs: vec![("t/logs", "log_group", json!({}))],
        first: json!({"name": "one.example", "query_logging": {"log_group": "t/logs"}}),
        second: json!({"name": "one.example", "query_logging": {"enabled": false}}),
        ..Case::default()
    });
}

#[test]
fn record_creates_reads_back_changes_and_deletes() {
    run(record());
}

#[test]
fn texts_of_any_letters_belong_to_the_zones_own_name_and_to_all_below_it() {
    let spec = |name: &str, values: Value| {
        let zone = "t/zone";
        json!({"zone": zone, "name": name, "type": "TXT", "ttl": "1h", "values": values})
    };
    for name in ["one.example", "*.one.example"] {
        run_part(Case {
            kind: "record",
            needs: vec![("t/zone", "zone", json!({"name": "one.example"}))],
            first: spec(name, json!(["v=spf1 -all", "日本語 \"引用\""])),
            second: spec(name, json!(["k".repeat(600)])),
            ..Case::default()
        });
    }
}

#[test]
fn a_record_becomes_an_alias_of_another_one_and_back() {
    let values = json!({"zone": "t/zone", "name": "one.example", "type": "A", "ttl": "5m", "values": ["192.0.2.1"]});
    let alias = json!({
        "zone": "t/zone", "name": "one.example", "type": "A",
        "alias": {"name": "blue.one.example", "evaluate_health": true},
    });
    for (first, second) in [(values.clone(), alias.clone()), (alias, values)] {
        run_part(Case {
            kind: "record",
            needs: vec![("t/zone", "zone", json!({"name": "one.example"}))],
            first,
            second,
            ..Case::default()
        });
    }
}

#[test]
fn every_routing_that_the_emulator_keeps_is_read_back() {
    let spec = |routing: Value| {
        json!({
            "zone": "t/zone", "name": "www.one.example", "type": "A", "ttl": "5m", "values": ["192.0.2.1"],
            "set": "one", "routing": routing,
        })
    };
    for (first, second) in [
        (json!({"latency": "us-east-1"}), json!({"latency": "ap-northeast-1"})),
        (json!({"geolocation": {"country": "US", "subdivision": "CA"}}), json!({"geolocation": {"continent": "AS"}})),
        (json!({"failover": "secondary"}), json!({"multivalue": true})),
    ] {
        run_part(Case {
            kind: "record",
            needs: vec![("t/zone", "zone", json!({"name": "one.example"}))],
            first: spec(first),
            second: spec(second),
            ..Case::default()
        });
    }
}

#[test]
fn a_record_that_somebody_made_by_hand_is_not_written_over_but_taken_over_and_let_go() {
    let runner = Runner::new("by-hand");
    let zone = moto().boto3(
        REGION,
        "
import boto3
route53 = boto3.client('route53')
zone = route53.create_hosted_zone(Name='by-hand.example', CallerReference='x')['HostedZone']['Id'].split('/')[-1]
record = {'Name': 'www.by-hand.example', 'Type': 'A', 'TTL': 60, 'ResourceRecords': [{'Value': '192.0.2.9'}]}
changes = {'Changes': [{'Action': 'CREATE', 'ResourceRecordSet': record}]}
route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=changes)
print(zone)
",
    );
    let zone = zone.trim();
    let records = || {
        let text = moto().boto3(
            REGION,
            &format!(
                "
import boto3
for r in boto3.client('route53').list_resource_record_sets(HostedZoneId='{zone}')['ResourceRecordSets']:
    if r['Type'] in ('A', 'TXT'): print(r['Name'], r['ResourceRecords'][0]['Value'])
"
            ),
        );
        text.lines().map(|line| line.split(' ').next_back().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let spec = json!({
        "zone": {"id": zone}, "name": "www.by-hand.example", "type": "A", "ttl": "5m", "values": ["192.0.2.1"],
    });
    let address = Address::parse("t/it").unwrap();
    let mut desired = runner.desired(&[("t/it", "record", spec)], "t/it", &[]);
    // The emulator makes a second record where AWS refuses to: what follows from the refusal is a unit test.
    let findings = runner.findings(&desired);
    assert!(findings.iter().any(|f| f.help.contains(&format!("adopt: {zone}/A/www.by-hand.example"))), "{findings:?}");

    desired.resources.get_mut(&address).unwrap().adopt = Some(format!("{zone}/A/www.by-hand.example"));
    runner.apply(&desired, false);
    runner.unchanged(&desired, "after it was taken over");
    assert_eq!(records().len(), 2, "the record, and whose it is");
    desired.resources.clear();
    desired.forget.insert(address);
    runner.apply(&desired, false);
    assert!(runner.observe(&desired).objects.is_empty());
    assert_eq!(records(), BTreeSet::from(["192.0.2.1".to_owned()]), "the record stays, and is nobody's");
}

#[test]
fn health_check_creates_reads_back_changes_and_deletes() {
    run(health_check());
}

#[test]
fn a_calculated_check_is_made_of_others() {
    let check = |address: &str| json!({"type": "tcp", "address": address, "port": 25});
    let spec = |children: Value, healthy: u32| {
        let kind = "calculated";
        json!({"type": kind, "children": children, "healthy_children": healthy})
    };
    run_part(Case {
        kind: "health_check",
        needs: vec![("t/one", "health_check", check("192.0.2.1")), ("t/two", "health_check", check("192.0.2.2"))],
        first: spec(json!(["t/one"]), 1),
        second: spec(json!(["t/two", "t/one"]), 2),
        ..Case::default()
    });
}

#[test]
fn certificate_creates_reads_back_changes_and_deletes() {
    run(certificate());
}
