//! The kinds of the network against the emulator.

use serde_json::json;

use crate::support::kind_case::{Case, changed, run, run_part};

/// The case of `vpc`.
pub fn vpc() -> Case {
    let first = json!({
    "cidr": "10.0.0.0/16", "secondary_cidrs": ["10.1.0.0/16"], "dns_hostnames": true, "dns_support": true,
    "ipv6": true, "address_usage_metrics": true, "tenancy": "default",
    "dhcp": {
        "domain_name": "one.example", "name_servers": ["10.0.0.9", "AmazonProvidedDNS"],
        "ntp_servers": ["169.254.169.123"], "netbios_name_servers": ["10.0.0.9"], "netbios_node_type": 2,
    },
    "default_security_group": "deny_all",
    "tags": {"a": "1", "名前": "値"},
    });
    let third = changed(&first, &json!({"cidr": "10.8.0.0/16", "secondary_cidrs": ["10.9.0.0/16"]}));
    Case {
        kind: "vpc",
        needs: vec![],
        first,
        second: json!({
            "cidr": "10.0.0.0/16", "secondary_cidrs": ["10.2.0.0/16"], "dns_hostnames": false, "dns_support": false,
            "ipv6": false, "address_usage_metrics": false, "tenancy": "default",
            "dhcp": {"domain_name": "two.example", "name_servers": ["10.0.0.8"]},
            "default_security_group": "as_created",
            "tags": {"a": "2"},
        }),
        third: Some(third),
        // The group of zones of an IPv6 block and the lease are proven by the unit tests: the emulator keeps neither.
        not_by_emulator: &[],
        ..Case::default()
    }
}

#[test]
fn vpc_creates_reads_back_changes_and_deletes() {
    run(vpc());
}

/// The case of `subnet`.
pub fn subnet() -> Case {
    let first = json!({
    "vpc": "t/net", "zone": "us-east-1a", "cidr": "10.0.1.0/24", "ipv6_number": 1, "ipv6_native": false,
    "public_addresses": true, "ipv6_addresses": true, "dns64": true, "hostname_type": "ip_name",
    "resource_name_dns": false, "resource_name_dns_ipv6": true, "tags": {"a": "1"},
    });
    let third = changed(&first, &json!({"cidr": "10.0.3.0/24"}));
    Case {
        kind: "subnet",
        needs: vec![("t/net", "vpc", json!({"cidr": "10.0.0.0/16", "ipv6": true}))],
        first,
        second: json!({
            "vpc": "t/net", "zone": "us-east-1a", "cidr": "10.0.1.0/24", "ipv6_number": 2, "ipv6_native": false,
            "public_addresses": false, "ipv6_addresses": false, "dns64": false, "hostname_type": "resource_name",
            "resource_name_dns": true, "resource_name_dns_ipv6": false, "tags": {"b": "1"},
        }),
        third: Some(third),
        // Subnets with IPv6 only are proven by the unit tests: the emulator's answer can't be read.
        not_by_emulator: &[
            ("dns64", "not kept"),
            ("hostname_type", "options of private names are not kept"),
            ("resource_name_dns_ipv6", "options of private names are not kept"),
        ],
        ..Case::default()
    }
}

#[test]
fn subnet_creates_reads_back_changes_and_deletes() {
    run(subnet());
}

/// The case of `internet_gateway`.
pub fn internet_gateway() -> Case {
    Case {
        kind: "internet_gateway",
        needs: vec![
            ("t/net", "vpc", json!({"cidr": "10.0.0.0/16"})),
            ("t/other", "vpc", json!({"cidr": "10.1.0.0/16"})),
        ],
        first: json!({"vpc": "t/net", "tags": {"a": "1"}}),
        second: json!({"vpc": "t/other", "tags": {"a": "2", "b": "3"}}),
        not_by_emulator: &[],
        ..Case::default()
    }
}

#[test]
fn internet_gateway_creates_reads_back_changes_and_deletes() {
    run(internet_gateway());
}

/// The case of `elastic_ip`.
pub fn elastic_ip() -> Case {
    let server = json!({"image": "ami-12c6146b", "instance_type": "t3.small", "subnet": "t/sub"});
    let first = json!({"instance": "t/one", "address": "198.51.100.77", "tags": {"a": "1"}});
    let third = changed(&first, &json!({"address": "198.51.100.78"}));
    Case {
        kind: "elastic_ip",
        needs: vec![
            ("t/net", "vpc", json!({"cidr": "10.0.0.0/16"})),
            ("t/sub", "subnet", json!({"vpc": "t/net", "zone": "us-east-1a", "cidr": "10.0.1.0/24"})),
            ("t/one", "instance", server.clone()),
            ("t/two", "instance", server),
        ],
        first,
        second: json!({"instance": "t/two", "address": "198.51.100.77", "tags": {"a": "2"}}),
        third: Some(third),
        // Pools, border groups and reverse names are proven by the unit tests: the emulator has none.
        not_by_emulator: &[],
        ..Case::default()
    }
}

#[test]
fn elastic_ip_creates_reads_back_changes_and_deletes() {
    run(elastic_ip());
}

/// The case of `nat_gateway`.
pub fn nat_gateway() -> Case {
    let first = json!({"subnet": "t/sub", "elastic_ip": "t/address", "connectivity": "public", "tags": {"a": "1"}});
    let third = changed(&first, &json!({"subnet": "t/other"}));
    Case {
        kind: "nat_gateway",
        needs: vec![
            ("t/net", "vpc", json!({"cidr": "10.0.0.0/16"})),
            ("t/sub", "subnet", json!({"vpc": "t/net", "zone": "us-east-1a", "cidr": "10.0.1.0/24"})),
            ("t/other", "subnet", json!({"vpc": "t/net", "zone": "us-east-1b", "cidr": "10.0.2.0/24"})),
            ("t/address", "elastic_ip", json!({})),
        ],
        first,
        second: json!({"subnet": "t/sub", "elastic_ip": "t/address", "connectivity": "public", "tags": {"a": "2"}}),
        third: Some(third),
        // Secondary addresses are proven by the unit tests: the emulator has none.
        not_by_emulator: &[],
        ..Case::default()
    }
}

#[test]
fn nat_gateway_creates_reads_back_changes_and_deletes() {
    run(nat_gateway());
}

#[test]
fn a_private_nat_gateway_needs_no_public_address() {
    run_part(Case {
        kind: "nat_gateway",
        needs: vec![
            ("t/net", "vpc", json!({"cidr": "10.0.0.0/16"})),
            ("t/sub", "subnet", json!({"vpc": "t/net", "zone": "us-east-1a", "cidr": "10.0.1.0/24"})),
        ],
        first: json!({"subnet": "t/sub", "connectivity": "private", "tags": {"a": "1"}}),
        second: json!({"subnet": "t/sub", "connectivity": "private", "tags": {"a": "2"}}),
        not_by_emulator: &[],
        ..Case::default()
    });
}

/// The case of `egress_gateway`.
pub fn egress_gateway() -> Case {
    let first = json!({"vpc": "t/net", "tags": {"a": "1"}});
    let third = changed(&first, &json!({"vpc": "t/other"}));
    Case {
        kind: "egress_gateway",
        needs: vec![
            ("t/net", "vpc", json!({"cidr": "10.0.0.0/16", "ipv6": true})),
            ("t/other", "vpc", json!({"cidr": "10.1.0.0/16", "ipv6": true})),
        ],
        first,
        second: json!({"vpc": "t/net", "tags": {"a": "2", "b": "3"}}),
        third: Some(third),
        not_by_emulator: &[],
        ..Case::default()
    }
}

#[test]
fn egress_gateway_creates_reads_back_changes_and_deletes() {
    run(egress_gateway());
}

/// The case of `route_table`.
pub fn route_table() -> Case {
    let subnet = |n: u8| json!({"vpc": "t/net", "zone": "us-east-1a", "cidr": format!("10.0.{n}.0/24")});
    let first = json!({
    "vpc": "t/net",
    "routes": [
        {"cidr": "0.0.0.0/0", "gateway": "t/gateway"}, {"cidr": "192.168.0.0/16", "gateway": "t/gateway"},
        {"ipv6_cidr": "::/0", "gateway": "t/gateway"},
    ],
    "subnets": ["t/a"], "tags": {"a": "1"},
    });
    let third = changed(
        &first,
        &json!({
            "vpc": "t/other", "routes": [{"cidr": "0.0.0.0/0", "gateway": "t/edge"}], "subnets": ["t/c"],
        }),
    );
    Case {
        kind: "route_table",
        needs: vec![
            ("t/net", "vpc", json!({"cidr": "10.0.0.0/16", "ipv6": true})),
            ("t/a", "subnet", subnet(1)),
            ("t/b", "subnet", subnet(2)),
            ("t/gateway", "internet_gateway", json!({"vpc": "t/net"})),
            ("t/out", "egress_gateway", json!({"vpc": "t/net"})),
            ("t/address", "elastic_ip", json!({})),
            ("t/nat", "nat_gateway", json!({"subnet": "t/a", "elastic_ip": "t/address"})),
            ("t/other", "vpc", json!({"cidr": "10.1.0.0/16"})),
            ("t/c", "subnet", json!({"vpc": "t/other", "zone": "us-east-1a", "cidr": "10.1.1.0/24"})),
            ("t/edge", "internet_gateway", json!({"vpc": "t/other"})),
            ("t/server", "instance", json!({"image": "ami-12c6146b", "instance_type": "t3.small", "subnet": "t/a"})),
        ],
        first,
        second: json!({
            "vpc": "t/net",
            "routes": [
                {"cidr": "0.0.0.0/0", "nat_gateway": "t/nat"}, {"cidr": "172.16.0.0/12", "instance": "t/server"},
                {"ipv6_cidr": "::/0", "egress_gateway": "t/out"},
            ],
            "subnets": ["t/b"], "tags": {"a": "2"},
        }),
        third: Some(third),
        // Other targets, the associations of gateways and propagation are proven by the unit tests: the emulator does
        // not have what they lead to, can't filter by gateway, and has no EnableVgwRoutePropagation.
        not_by_emulator: &[],
        ..Case::default()
    }
}

#[test]
fn route_table_creates_reads_back_changes_and_deletes() {
    run(route_table());
}

/// The case of `security_group`.
pub fn security_group() -> Case {
    let first = json!({
    "vpc": "t/net", "name": "web", "description": "web",
    "ingress": [
        {"protocol": "tcp", "ports": "443", "cidrs": ["0.0.0.0/0", "10.0.0.0/8"], "ipv6_cidrs": ["::/0"], "description": "HTTPS"},
        {"protocol": "tcp", "ports": "8000-8010", "groups": ["t/other"]},
        {"protocol": "udp", "self": true},
        {"protocol": "tcp", "ports": "22", "prefix_lists": ["pl-1"]},
    ],
    "egress": [{"protocol": "all", "cidrs": ["0.0.0.0/0"]}],
    "tags": {"a": "1"},
    });
    let third = changed(&first, &json!({"name": "web-2", "description": "web again"}));
    Case {
        kind: "security_group",
        needs: vec![
            ("t/net", "vpc", json!({"cidr": "10.0.0.0/16"})),
            ("t/other", "security_group", json!({"vpc": "t/net", "description": "other"})),
        ],
        first,
        second: json!({
            "vpc": "t/net", "name": "web", "description": "web",
            "ingress": [
                {"protocol": "tcp", "ports": "443", "cidrs": ["10.0.0.0/8"], "description": "HTTPS inside"},
                {"protocol": "icmp", "ports": "8", "groups": ["t/other"]},
                // Without a description, which the emulator loses for prefix lists.
                {"protocol": "tcp", "ports": "22", "prefix_lists": ["pl-2"]},
                {"protocol": "all", "self": true},
            ],
            "egress": [],
            "tags": {"a": "2"},
        }),
        third: Some(third),
        not_by_emulator: &[],
        ..Case::default()
    }
}

#[test]
fn security_group_creates_reads_back_changes_and_deletes() {
    run(security_group());
}

/// The case of `vpc_endpoint`.
pub fn vpc_endpoint() -> Case {
    let policy = |action: &str| json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*"}});
    let first = json!({
    "vpc": "t/net", "service": "ssm", "type": "interface", "subnets": ["t/sub"], "security_groups": ["t/web"],
    "private_dns": true, "addresses": "ipv4", "dns": {"records": "ipv4"},
    "policy": policy("ssm:GetParameter"), "tags": {"a": "1"},
    });
    let third = changed(&first, &json!({"service": "sqs"}));
    Case {
        kind: "vpc_endpoint",
        needs: vec![
            ("t/net", "vpc", json!({"cidr": "10.0.0.0/16"})),
            ("t/sub", "subnet", json!({"vpc": "t/net", "zone": "us-east-1a", "cidr": "10.0.1.0/24"})),
            ("t/one", "subnet", json!({"vpc": "t/net", "zone": "us-east-1b", "cidr": "10.0.2.0/24"})),
            ("t/web", "security_group", json!({"vpc": "t/net", "description": "web"})),
            ("t/other", "security_group", json!({"vpc": "t/net", "description": "other"})),
        ],
        first,
        second: json!({
            "vpc": "t/net", "service": "ssm", "type": "interface", "subnets": ["t/one", "t/sub"],
            "security_groups": ["t/other"], "private_dns": false, "addresses": "dualstack",
            "dns": {"records": "dualstack"}, "policy": policy("ssm:*"), "tags": {"a": "2"},
        }),
        third: Some(third),
        not_by_emulator: &[
            ("private_dns", "a change is taken and not kept"),
            ("addresses", "not kept"),
            ("dns", "not kept"),
        ],
        ..Case::default()
    }
}

#[test]
fn vpc_endpoint_creates_reads_back_changes_and_deletes() {
    run(vpc_endpoint());
}

#[test]
fn a_gateway_endpoint_follows_its_route_tables() {
    run_part(Case {
        kind: "vpc_endpoint",
        needs: vec![
            ("t/net", "vpc", json!({"cidr": "10.9.0.0/16"})),
            ("t/a", "route_table", json!({"vpc": "t/net"})),
            ("t/b", "route_table", json!({"vpc": "t/net"})),
        ],
        // Not the other way round: the emulator can't delete an endpoint with a table that was added later.
        first: json!({"vpc": "t/net", "service": "s3", "type": "gateway", "route_tables": ["t/a", "t/b"]}),
        second: json!({"vpc": "t/net", "service": "s3", "type": "gateway", "route_tables": ["t/a"]}),
        not_by_emulator: &[],
        ..Case::default()
    });
}

/// The case of `flow_log`.
pub fn flow_log() -> Case {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "vpc-flow-logs.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]});
    let spec = |tag: &str| {
        json!({
            "vpc": "t/net", "log_group": "t/logs", "role": "t/role", "traffic": "all", "interval": "1m",
            "format": "${srcaddr} ${dstaddr} ${action}", "tags": {"a": tag},
        })
    };
    let first = spec("1");
    let third = changed(&first, &json!({"traffic": "reject"}));
    Case {
        kind: "flow_log",
        needs: vec![
            ("t/net", "vpc", json!({"cidr": "10.0.0.0/16"})),
            ("t/logs", "log_group", json!({})),
            ("t/role", "role", json!({"trust": trust})),
        ],
        first,
        second: spec("2"),
        third: Some(third),
        not_by_emulator: &[],
        ..Case::default()
    }
}

#[test]
fn flow_log_creates_reads_back_changes_and_deletes() {
    run(flow_log());
}

#[test]
fn a_flow_log_watches_a_subnet_for_packets_turned_away() {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "vpc-flow-logs.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]});
    let spec = |tag: &str| json!({"subnet": "t/sub", "log_group": "t/logs", "role": "t/role", "traffic": "reject", "tags": {"a": tag}});
    run_part(Case {
        kind: "flow_log",
        needs: vec![
            ("t/net", "vpc", json!({"cidr": "10.0.0.0/16"})),
            ("t/sub", "subnet", json!({"vpc": "t/net", "zone": "us-east-1a", "cidr": "10.0.1.0/24"})),
            ("t/logs", "log_group", json!({})),
            ("t/role", "role", json!({"trust": trust})),
        ],
        first: spec("1"),
        second: spec("2"),
        // Buckets, streams and transit gateways are proven by the unit tests.
        not_by_emulator: &[],
        ..Case::default()
    });
}
