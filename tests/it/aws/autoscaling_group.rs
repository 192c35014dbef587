//! `autoscaling_group` against the emulator.

use serde_json::json;

use crate::support::kind_case::{Case, changed, run, run_part};

/// The case of `autoscaling_group`.
pub fn case() -> Case {
    let template = json!({"image": "ami-12c6146b", "instance_type": "t3.small"});
    let first = json!({
        "name": "of-its.own",
        "launch_template": "t/template",
        "template_version": "1",
        "subnets": ["t/a", "t/b"],
        "min": 1,
        "max": 3,
        "desired": 2,
        "health_check": "ec2",
        "health_check_grace": "2m",
        "target_groups": [],
        "capacity_rebalance": false,
        "termination_policies": ["oldest_launch_template", "default"],
        "cooldown": "2m",
        "warmup": "90s",
        "max_instance_lifetime": "7d",
        "protect_from_scale_in": false,
        "placement_group": "near",
        "maintenance": {"min_healthy": 90, "max_healthy": 120},
        "metrics": ["GroupInServiceInstances"],
        "suspended": ["az_rebalance"],
        "policies": {
            "cpu": {"type": "target_tracking", "target": 60, "metric": "cpu", "only_out": false, "warmup": "1m"},
            "steps": {"type": "step", "adjustment": "count", "aggregation": "average",
                "steps": [{"from": 0, "to": 10, "change": 1}, {"from": 10, "change": 2}]},
            "gone": {"type": "simple", "adjustment": "exact", "change": 2, "cooldown": "1m"},
        },
        "schedules": {
            "night": {"cron": "0 20 * * *", "time_zone": "Asia/Tokyo", "min": 1, "max": 3, "desired": 1},
            "gone": {"cron": "0 8 * * *", "min": 1, "max": 3, "desired": 2},
        },
        "hooks": {
            "drain": {"on": "terminating", "timeout": "5m", "result": "continue", "text": "drain"},
        },
        "refresh": {"min_healthy": 90, "skip_matching": true},
        "wait_for_capacity": "5m",
        "tags": {"a": "1"},
    });
    Case {
        kind: "autoscaling_group",
        needs: vec![
            ("t/net", "vpc", json!({"cidr": "10.3.0.0/16"})),
            ("t/a", "subnet", json!({"vpc": "t/net", "zone": "us-east-1a", "cidr": "10.3.1.0/24"})),
            ("t/b", "subnet", json!({"vpc": "t/net", "zone": "us-east-1b", "cidr": "10.3.2.0/24"})),
            ("t/template", "launch_template", template),
        ],
        first: first.clone(),
        second: json!({
            "name": "of-its.own",
            "launch_template": "t/template",
            "template_version": "1",
            "subnets": ["t/b"],
            "min": 0,
            "max": 4,
            "desired": 3,
            "health_check": "elb",
            "health_check_grace": "5m",
            "target_groups": [],
            "capacity_rebalance": true,
            "termination_policies": ["newest_instance"],
            "cooldown": "5m",
            "warmup": "2m",
            "max_instance_lifetime": "14d",
            "protect_from_scale_in": true,
            "placement_group": "far",
            "maintenance": {"min_healthy": 100, "max_healthy": 150},
            "metrics": ["GroupInServiceInstances", "GroupDesiredCapacity"],
            "suspended": ["alarm_notification"],
            "policies": {
                "cpu": {"type": "target_tracking", "target": 50, "metric": "network_in", "only_out": true,
                    "warmup": "2m"},
                "steps": {"type": "step", "adjustment": "percent", "least_change": 1, "aggregation": "maximum",
                    "steps": [{"from": 0, "change": 20}]},
            },
            "schedules": {
                "night": {"cron": "0 21 * * *", "time_zone": "Asia/Tokyo", "min": 0, "max": 4, "desired": 1},
            },
            "hooks": {
                "drain": {"on": "terminating", "timeout": "10m", "result": "abandon", "text": "drain now"},
            },
            "refresh": {"min_healthy": 50, "max_healthy": 150},
            "wait_for_capacity": "4m",
            "tags": {"a": "2", "b": "3"},
        }),
        third: Some(changed(&first, &json!({"name": "of-its.own-2"}))),
        not_by_emulator: &[
            ("warmup", "not kept"),
            ("max_instance_lifetime", "not kept"),
            ("maintenance", "not kept"),
            ("capacity_rebalance", "updates are lost"),
            ("termination_policies", "updates are lost"),
            ("cooldown", "updates are lost"),
            ("placement_group", "updates are lost"),
            ("hooks", "those of the creating call are not kept"),
        ],
        ..Case::default()
    }
}

#[test]
fn autoscaling_group_creates_reads_back_changes_and_deletes() {
    run(case());
}

#[test]
fn autoscaling_group_takes_another_template_and_a_mix_of_types() {
    let template = json!({"image": "ami-12c6146b", "instance_type": "t3.small"});
    run_part(Case {
        kind: "autoscaling_group",
        needs: vec![
            ("t/net", "vpc", json!({"cidr": "10.4.0.0/16"})),
            ("t/a", "subnet", json!({"vpc": "t/net", "zone": "us-east-1a", "cidr": "10.4.1.0/24"})),
            ("t/old", "launch_template", template.clone()),
            ("t/new", "launch_template", template),
        ],
        first: json!({"launch_template": "t/old", "template_version": "1", "subnets": ["t/a"], "min": 1, "max": 2}),
        second: json!({
            "launch_template": "t/new",
            "template_version": "1",
            "mixed_instances": {
                "types": [{"type": "t3.small", "weight": 1}, {"type": "t3.medium", "weight": 2}],
                "on_demand_base": 1,
                "on_demand_percentage": 50,
                "on_demand_strategy": "prioritized",
                "spot_strategy": "price_capacity_optimized",
                "spot_max_price": "0.10",
            },
            "subnets": ["t/a"],
            "min": 1,
            "max": 2,
        }),
        not_by_emulator: &[],
        ..Case::default()
    });
}
