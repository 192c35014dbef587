//! What a plan costs: the number of calls for what is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::kind_case::{Case, Runner};
use crate::support::moto::empty;

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

/// Kinds of which there is one in a region at most.
const SINGLE: [&str; 2] = ["detector", "session_preferences"];

/// Calls that an API needs for each object, as no page tells it: kind, operation, what it tells.
const FOR_EACH: &[(&str, &str, &str)] = &[
    ("backup_plan", "backup:GetBackupPlan", "the rules"),
    ("backup_plan", "backup:ListTags", "the tags"),
    ("backup_vault", "backup:ListTags", "the tags"),
    ("bucket", "s3:GetBucketOwnershipControls", "the ownership, which has a default that is kept"),
    ("bucket", "s3:GetBucketPublicAccessBlock", "the block, which has a default that is kept"),
    ("bucket", "s3:GetEncryptionConfiguration", "the encryption, which has a default that is kept"),
    ("cloud_control", "cloudformation:GetResource", "the properties"),
    ("dashboard", "cloudwatch:GetDashboard", "the body"),
    ("document", "ssm:GetDocument", "the content"),
    ("key", "kms:DescribeKey", "all but its id"),
    ("load_balancer", "elasticloadbalancing:DescribeLoadBalancerAttributes", "the attributes"),
    ("maintenance_window", "ssm:GetMaintenanceWindow", "the schedule"),
    ("maintenance_window", "ssm:ListTagsForResource", "the tags"),
    ("policy", "iam:ListPolicyTags", "the tags"),
    ("trail", "cloudtrail:GetTrailStatus", "whether it records"),
    ("web_acl", "wafv2:GetWebACL", "the rules"),
    ("web_acl", "wafv2:ListTagsForResource", "the tags"),
    ("zone", "route53:GetHostedZone", "the name servers"),
];

/// So many objects of a case, as plainly as the kind allows: without what costs a call an object, and with names of their own.
fn several(case: &Case, count: usize) -> Vec<(String, &'static str, Value)> {
    let kind = saiken::providers::kinds().get(case.kind).unwrap().clone();
    let mut spec = case.first.clone();
    for field in &kind.schema.fields {
        let lost = case.not_by_emulator.iter().any(|(name, _)| *name == field.name);
        if !field.required && (field.deep || lost || field.name == "name") {
            spec.as_object_mut().unwrap().remove(&field.name);
        }
    }
    let mut all: Vec<_> = case.needs.iter().map(|(a, k, s)| ((*a).to_owned(), *k, s.clone())).collect();
    all.extend((0..count).map(|i| (format!("t/it{i}"), case.kind, varied(case.kind, spec.clone(), i))));
    all
}

/// What can't be the same twice is different in each, or left out.
fn varied(kind: &str, mut spec: Value, i: usize) -> Value {
    let mut leave_out = |fields: &[&str]| fields.iter().for_each(|f| drop(spec.as_object_mut().unwrap().remove(*f)));
    match kind {
        "cloud_control" => spec["properties"]["Name"] = json!(format!("case-{i}")),
        "flow_log" => spec["log_group"] = json!({"id": format!("logs-{i}")}),
        "instance" => leave_out(&["private_ip"]),
        "key" => leave_out(&["aliases"]),
        "nat_gateway" => {
            leave_out(&["elastic_ip"]);
            spec["connectivity"] = json!("private");
        }
        "parameter" => spec["value"] = json!(i.to_string()),
        "record" => spec["set"] = json!(format!("set-{i}")),
        "route_table" => leave_out(&["subnets"]),
        "subnet" => {
            spec["cidr"] = json!(format!("10.0.{i}.0/24"));
            spec["ipv6_number"] = json!(i);
        }
        "zone" => spec["name"] = json!(format!("zone-{i}.example")),
        _ => {}
    }
    spec
}

#[test]
fn more_objects_of_a_kind_cost_no_more_calls_but_where_the_api_has_no_page() {
    let (mut wrong, mut known) = (Vec::new(), BTreeSet::new());
    for (kind, case) in super::cases() {
        if SINGLE.contains(&kind) {
            continue;
        }
        let moto = empty().copy();
        let case = case.prepared(&moto);
        let mut names: Vec<&str> = case.needs.iter().map(|(_, kind, _)| *kind).collect();
        names.push(kind);
        let runner = Runner::on(&moto, "calls", crate::support::kind_case::REGION).only(&names);
        let of = |count: usize| {
            let all = several(&case, count);
            let all: Vec<(&str, &str, Value)> = all.iter().map(|(a, k, s)| (a.as_str(), *k, s.clone())).collect();
            runner.desired(&all, "", &[])
        };
        let counted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            [1, 3].map(|count| {
                runner.apply(&of(count), false);
                let (observed, calls) = runner.observe_and_count(&of(count));
                let there = observed.objects.iter().filter(|o| o.kind == kind && o.owner.is_some()).count();
                assert!(there >= count, "{kind}: {there}");
                calls
            })
        }));
        let Ok([one, three]) = counted else {
            wrong.push(format!("{kind}: failed"));
            continue;
        };
        let grown: Vec<_> =
            three.iter().filter(|(operation, n)| one.get(*operation) != Some(n)).map(|(o, _)| o).collect();
        for operation in grown {
            if FOR_EACH.iter().any(|(k, o, _)| *k == kind && o == operation) {
                known.insert((kind, operation.clone()));
            } else {
                wrong.push(format!("{kind}: {operation} {:?} -> {}", one.get(operation), three[operation]));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let stale: Vec<_> = FOR_EACH.iter().filter(|(k, o, _)| !known.contains(&(*k, (*o).to_owned()))).collect();
    assert!(stale.is_empty(), "no longer a call for each: {stale:?}");
}
