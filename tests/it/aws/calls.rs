//! What a plan costs: the number of calls for what is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::kind_case::Runner;

/// A region of its own, where no other test leaves objects.
const REGION: &str = "eu-west-1";

/// `count` objects of each of ten kinds, with fields as a plain system declares them.
fn system(count: usize) -> Vec<(String, &'static str, Value)> {
    let mut all = Vec::new();
    for i in 0..count {
        let mut add = |name: &str, kind, spec| all.push((format!("t/{name}{i}"), kind, spec));
        let vpc = format!("t/v{i}");
        let trust = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
        ]});
        add("v", "vpc", json!({"cidr": "10.0.0.0/16"}));
        add("s", "subnet", json!({"vpc": vpc, "zone": "eu-west-1a", "cidr": "10.0.1.0/24"}));
        add("g", "internet_gateway", json!({"vpc": vpc}));
        let gateway = format!("t/g{i}");
        add("r", "route_table", json!({"vpc": vpc, "routes": [{"cidr": "0.0.0.0/0", "gateway": gateway}]}));
        let https = json!([{"protocol": "tcp", "ports": "443", "cidrs": ["10.0.0.0/8"]}]);
        add("w", "security_group", json!({"vpc": vpc, "description": "web", "ingress": https}));
        add("e", "elastic_ip", json!({}));
        add("d", "volume", json!({"zone": "eu-west-1a", "size": "10GiB"}));
        add("t", "launch_template", json!({"image": "ami-12c6146b", "instance_type": "t3.small"}));
        add("l", "log_group", json!({"retention": "30d"}));
        add("o", "role", json!({"trust": trust}));
    }
    all
}

#[test]
fn an_empty_plan_costs_the_pages_that_the_apis_need_and_no_call_an_object() {
    // What finds nothing costs one call as well.
    const ONCE: [&str; 12] = [
        "ec2:DescribeAddresses",
        "ec2:DescribeInternetGateways",
        "ec2:DescribeLaunchTemplateVersions",
        "ec2:DescribeLaunchTemplates",
        "ec2:DescribeNetworkAcls",
        "ec2:DescribeRouteTables",
        "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets",
        "ec2:DescribeVolumes",
        "ec2:DescribeVpcs",
        "iam:GetAccountAuthorizationDetails",
        "iam:ListInstanceProfiles",
    ];
    let mut others: Option<BTreeMap<String, u64>> = None;
    for count in [1, 10, 100] {
        let all = system(count);
        let runner = Runner::in_region(&format!("calls-{count}"), REGION);
        let all: Vec<(&str, &str, Value)> = all.iter().map(|(a, k, s)| (a.as_str(), *k, s.clone())).collect();
        let desired = runner.desired(&all, "", &[]);
        runner.apply(&desired, false);

        // All kinds: those that nothing is declared of cost the same, however much there is of others. What belongs to the
        // whole account is made by other tests, too.
        let (_, mut rest) = runner.observe_and_count(&desired);
        let account = ["iam:", "logs:", "route53:", "s3:", "tag:", "kms:"];
        rest.retain(|operation, _| !account.iter().any(|service| operation.starts_with(service)));
        println!("all kinds, {} objects of ten: {rest:?}", count * 10);
        assert_eq!(others.get_or_insert_with(|| rest.clone()), &rest, "for {} objects", count * 10);

        let runner = runner.only(&[
            "vpc",
            "subnet",
            "internet_gateway",
            "route_table",
            "security_group",
            "elastic_ip",
            "volume",
            "launch_template",
            "log_group",
            "role",
        ]);
        let (observed, calls) = runner.observe_and_count(&desired);
        let kinds: BTreeSet<&str> = observed.objects.iter().map(|o| o.kind.as_str()).collect();
        assert_eq!((observed.objects.len(), kinds.len()), (count * 10, 10));
        let mut expected: BTreeMap<String, u64> = ONCE.iter().map(|o| ((*o).to_owned(), 1)).collect();
        // What every network comes with (its main table, default group and list) is read for up to 200 networks at once.
        for operation in ["ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups"] {
            expected.insert(operation.to_owned(), 2);
        }
        // The index of tags gives 100 objects a page, and this emulator no more than 99 tags either, which is 19 objects with
        // five each. Log groups come 50 a page.
        expected.insert("tag:GetResources".to_owned(), (count as u64).div_ceil(19));
        expected.insert("logs:DescribeLogGroups".to_owned(), (count as u64).div_ceil(50));
        assert_eq!(calls, expected, "for {} objects", count * 10);
        println!("{} objects: {} calls", count * 10, calls.values().sum::<u64>());

        // They stay: no other test looks at this region, and the emulator ends with the tests.
        assert!(runner.plan_of(&desired, &observed, false).is_empty());
    }
}

#[test]
fn a_field_without_a_page_costs_a_call_for_each_object_that_declares_it() {
    let runner = Runner::in_region("calls-declared", REGION);
    let declared = |i: usize| {
        if i < 3 { json!({"cidr": "10.0.0.0/16", "dns_hostnames": true}) } else { json!({"cidr": "10.0.0.0/16"}) }
    };
    let addresses: Vec<String> = (0..8).map(|i| format!("t/v{i}")).collect();
    let all: Vec<(&str, &str, Value)> =
        addresses.iter().enumerate().map(|(i, address)| (address.as_str(), "vpc", declared(i))).collect();
    let desired = runner.desired(&all, "", &[]);
    runner.apply(&desired, false);
    let (observed, calls) = runner.observe_and_count(&desired);
    assert_eq!(calls["ec2:DescribeVpcAttribute"], 3);
    assert_eq!(calls["ec2:DescribeVpcs"], 1);
    assert!(runner.plan_of(&desired, &observed, false).is_empty());
    runner.apply(&desired, true);
}
