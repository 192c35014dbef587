//! `instance` against the emulator.

use serde_json::json;

use crate::support::crash;
use crate::support::kind_case::{Case, changed, run};

/// The case of `instance`.
pub fn case() -> Case {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]});
    let role = json!({"trust": trust, "instance_profile": true});
    let first = json!({
    "image": "ami-12c6146b",
    "instance_type": "t3.small",
    "subnet": "t/sub",
    "private_ip": "10.2.1.9",
    "public_address": true,
    "ipv6_addresses": 0,
    "security_groups": ["t/web"],
    "role": "t/role",
    "user_data": "#!/bin/sh\necho 再建\n",
    "key_name": "admin",
    "root_disk": {"size": "20GiB", "type": "gp3", "iops": 3000, "throughput": 125, "key": "t/key"},
    "disks": {"/dev/sdf": {"size": "10GiB", "type": "gp3", "encrypted": true}},
    "metadata": {"tokens": "required", "hop_limit": 2, "endpoint": true, "ipv6": false, "tags": true},
    "monitoring": true,
    "termination_protection": true,
    "stop_protection": true,
    "shutdown": "terminate",
    "source_dest_check": false,
    "ebs_optimized": true,
    "credits": "standard",
    "hibernation": true,
    "tenancy": "default",
    "placement_group": "near",
    "cpu": {"cores": 1, "threads_per_core": 2},
    "running": true,
    "tags": {"a": "1"},
    });
    let third = changed(&first, &json!({"user_data": "#!/bin/sh\necho 3\n", "private_ip": "10.2.1.10"}));
    Case {
        kind: "instance",
        needs: vec![
            ("t/net", "vpc", json!({"cidr": "10.2.0.0/16"})),
            ("t/sub", "subnet", json!({"vpc": "t/net", "zone": "us-east-1a", "cidr": "10.2.1.0/24"})),
            ("t/web", "security_group", json!({"vpc": "t/net", "description": "web"})),
            ("t/other", "security_group", json!({"vpc": "t/net", "description": "other"})),
            ("t/role", "role", role.clone()),
            ("t/next", "role", role),
            ("t/key", "key", json!({})),
        ],
        first,
        second: json!({
            "image": "ami-12c6146b",
            "instance_type": "t3.large",
            "subnet": "t/sub",
            "private_ip": "10.2.1.9",
            "public_address": true,
            "ipv6_addresses": 0,
            "security_groups": ["t/other", "t/web"],
            "role": "t/next",
            "user_data": "#!/bin/sh\necho 再建\n",
            "key_name": "admin",
            "root_disk": {"size": "30GiB", "type": "gp3", "iops": 4000, "throughput": 250, "key": "t/key",
                "delete_on_termination": false},
            "disks": {"/dev/sdf": {"size": "10GiB", "type": "gp3", "encrypted": true}},
            "metadata": {"tokens": "optional", "hop_limit": 1, "endpoint": true, "ipv6": true, "tags": false},
            // The emulator has no UnmonitorInstances: the unit tests prove that call.
            "monitoring": true,
            "termination_protection": false,
            "stop_protection": false,
            "shutdown": "stop",
            "source_dest_check": true,
            "ebs_optimized": false,
            // Nor has it ModifyInstanceCreditSpecification.
            "credits": "standard",
            "hibernation": true,
            "tenancy": "default",
            "placement_group": "near",
            "cpu": {"cores": 1, "threads_per_core": 2},
            "running": false,
            "tags": {"a": "2", "b": "3"},
        }),
        third: Some(third),
        not_by_emulator: &[
            ("root_disk", "forgets the throughput of disks made with a server"),
            ("termination_protection", "takes it only when it is modified later"),
            ("role", "servers are described with the role of their launch"),
            ("shutdown", "changes are lost"),
            ("placement_group", "not kept"),
            ("cpu", "not kept"),
        ],
        ..Case::default()
    }
}

#[test]
fn instance_creates_reads_back_changes_and_deletes() {
    run(case());
}

#[test]
fn a_server_stopped_to_be_changed_runs_in_the_end_wherever_the_run_was_killed() {
    let spec =
        |instance_type: &str| json!({"image": "ami-12c6146b", "instance_type": instance_type, "subnet": "t/sub"});
    crash::at_every_request(Case {
        kind: "instance",
        needs: vec![
            ("t/net", "vpc", json!({"cidr": "10.2.0.0/16"})),
            ("t/sub", "subnet", json!({"vpc": "t/net", "zone": "us-east-1a", "cidr": "10.2.1.0/24"})),
        ],
        first: spec("t3.small"),
        second: spec("t3.large"),
        ..Case::default()
    });
}
