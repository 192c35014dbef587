//! `launch_template` against the emulator.

use serde_json::json;

use crate::support::kind_case::{Case, changed, run};

/// The case of `launch_template`.
pub fn case() -> Case {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]});
    let first = json!({
        "name": "of-its.own",
        "image": "ami-12c6146b",
        "instance_type": "t3.small",
        "key_name": "admin",
        "user_data": "#!/bin/sh\necho 再建\n",
        "role": "t/role",
        "security_groups": ["t/web", "t/other"],
        "metadata": {"tokens": "required", "hop_limit": 2, "endpoint": true, "ipv6": false, "tags": true},
        "monitoring": true,
        "ebs_optimized": true,
        "root_disk": {"device": "/dev/sda1", "size": "20GiB", "type": "gp3", "iops": 3000, "throughput": 125,
            "key": "t/key"},
        "disks": {
            "/dev/sdf": {"size": "50GiB", "type": "io2", "iops": 1000, "delete_on_termination": false},
            "/dev/sdg": {"size": "10GiB", "from_snapshot": "snap-12345678"},
        },
        "credits": "standard",
        "tenancy": "default",
        "placement_group": "near",
        "cpu": {"cores": 1, "threads_per_core": 2},
        "hibernation": true,
        "enclave": false,
        "auto_recovery": true,
        "termination_protection": false,
        "stop_protection": false,
        "shutdown": "terminate",
        "licenses": ["arn:aws:license-manager:us-east-1:123456789012:license-configuration:lic-1"],
        "capacity_reservation": "open",
        "instance_tags": {"role": "web"},
        "volume_tags": {"role": "web"},
        "description": "first",
        "tags": {"a": "1"},
    });
    Case {
        kind: "launch_template",
        needs: vec![
            ("t/net", "vpc", json!({"cidr": "10.0.0.0/16"})),
            ("t/sub", "subnet", json!({"vpc": "t/net", "zone": "us-east-1a", "cidr": "10.0.1.0/24"})),
            ("t/web", "security_group", json!({"vpc": "t/net", "description": "web"})),
            ("t/other", "security_group", json!({"vpc": "t/net", "description": "other"})),
            ("t/role", "role", json!({"trust": trust, "instance_profile": true})),
            ("t/next", "role", json!({"trust": trust, "instance_profile": true})),
            ("t/key", "key", json!({})),
        ],
        first: first.clone(),
        second: json!({
            "name": "of-its.own",
            "image": "ami-12c6146b",
            "instance_type": "m5.large",
            "key_name": "admin-2",
            "user_data": "#!/bin/sh\necho 2\n",
            "role": "t/next",
            "network_interfaces": [
                {"index": 0, "public_address": true, "security_groups": ["t/web"], "delete_on_termination": true,
                    "description": "front", "ipv6_addresses": 1},
                {"index": 1, "subnet": "t/sub", "private_ip": "10.0.1.9", "secondary_addresses": 1},
            ],
            "metadata": {"tokens": "optional", "hop_limit": 1, "endpoint": false, "ipv6": true, "tags": false},
            "monitoring": false,
            "ebs_optimized": false,
            "root_disk": {"size": "30GiB", "type": "gp2", "encrypted": false, "delete_on_termination": false},
            "disks": {},
            "spot": {"max_price": "0.05", "interruption": "stop"},
            "credits": "unlimited",
            "tenancy": "dedicated",
            "cpu": {"cores": 2, "threads_per_core": 1},
            "hibernation": false,
            "enclave": true,
            "auto_recovery": false,
            "termination_protection": true,
            "stop_protection": true,
            "shutdown": "stop",
            "licenses": [],
            "capacity_reservation": "none",
            "instance_tags": {"role": "app", "more": "yes"},
            "volume_tags": {},
            "description": "second",
            "tags": {"a": "2", "b": "3"},
        }),
        third: Some(changed(&first, &json!({"name": "of-its.own-2"}))),
        ..Case::default()
    }
}

#[test]
fn launch_template_creates_reads_back_changes_and_deletes() {
    run(case());
}
