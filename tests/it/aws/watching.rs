//! What watches a system and tells of it: `topic`, `alarm`, `composite_alarm`, `dashboard`, `metric_filter`,
//! `event_rule`, `detector`.

use saiken::model::{Address, value};
use serde_json::{Value, json};

use crate::support::kind_case::{Case, changed, run, run_part};

fn may_publish(service: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"Service": service}, "Action": "sns:Publish", "Resource": "*",
    }]})
}

fn no_addresses(operation: &str) -> Value {
    json!({"Name": "none", "Version": "2021-06-01", "Statement": [{
        "Sid": "mails", "DataDirection": "Inbound", "Principal": ["*"],
        "DataIdentifier": ["arn:aws:dataprotection::aws:data-identifier/EmailAddress"], "Operation": {operation: {}},
    }]})
}

/// The case of `topic`.
pub fn topic() -> Case {
    let queue = "arn:aws:sqs:us-east-1:123456789012:orders";
    let first = json!({
        "name": "notices", "fifo": false, "display_name": "運用", "key": {"id": "alias/aws/sns"},
        "policy": may_publish("cloudwatch.amazonaws.com"), "delivery": {"retries": 5, "backoff": "linear"},
        "delivery_logs": {"sqs": {"success_role": {"id": "arn:aws:iam::123456789012:role/logs"},
            "success_percent": 10}},
        "tracing": "active", "signature_version": 2, "max_message_size": "64KiB",
        "data_protection": no_addresses("Deny"),
        "subscriptions": [
            {"protocol": "email", "endpoint": "ops@example.jp"},
            {"protocol": "sqs", "endpoint": queue, "raw": true, "filter": {"level": ["high"]}, "dead_letters": ""},
        ],
        "tags": {"a": "1"},
    });
    Case {
        kind: "topic",
        second: changed(
            &first,
            &json!({
                "display_name": "Operations", "key": {"id": "alias/other"},
                    "policy": may_publish("events.amazonaws.com"),
                "delivery": {"retries": 6, "per_second": 3},
                "delivery_logs": {"sqs": {
                    "success_role": {"id": "arn:aws:iam::123456789012:role/other"}, "success_percent": 20,
                }},
                "tracing": "pass_through", "signature_version": 1, "max_message_size": "128KiB", "data_protection": {},
                "subscriptions": [
                    {"protocol": "https", "endpoint": "https://example.jp/hook", "delivery": {"retries": 4}},
                    {
                        "protocol": "sqs", "endpoint": queue, "raw": false, "filter": {"a": {"b": ["1"]}},
                        "filter_scope": "body", "dead_letters": "arn:aws:sqs:us-east-1:123456789012:dead",
                    },
                ],
                "tags": {"a": "2", "所属": "運用"},
            }),
        ),
        third: Some(changed(&first, &json!({"name": "other-notices"}))),
        first,
        ..Case::default()
    }
}

#[test]
fn topic_creates_reads_back_changes_and_deletes() {
    run(topic());
}

#[test]
fn a_topic_that_keeps_order_has_a_derived_name_with_the_ending_that_the_api_asks_for() {
    run_part(Case {
        kind: "topic",
        first: json!({
            "fifo": true, "content_based_deduplication": true, "throughput_scope": "topic", "archive": "30d",
            "tags": {},
        }),
        second: json!({
            "fifo": true, "content_based_deduplication": false, "throughput_scope": "message_group", "archive": "0d",
            "tags": {},
        }),
        ..Case::default()
    });
}

/// The case of `alarm`.
pub fn alarm() -> Case {
    let first = json!({
        "name": "CPU: 高い", "description": "サーバーが忙しい",
        "metric": {
            "namespace": "AWS/EC2", "name": "CPUUtilization", "dimensions": {"InstanceId": "i-1"},
                "statistic": "Average",
            "period": "5m", "unit": "Percent",
        },
        "comparison": "at_least", "threshold": 80, "evaluation_periods": 3, "datapoints_to_alarm": 2,
        "missing_data": "breaching",
        "on_alarm": {"topics": ["t/one"], "others": ["arn:aws:automate:us-east-1:ec2:recover"]},
        "on_ok": {"topics": ["t/one"]}, "on_insufficient_data": {"topics": []}, "actions_enabled": true,
        "tags": {"a": "1"},
    });
    Case {
        kind: "alarm",
        needs: vec![("t/one", "topic", json!({})), ("t/two", "topic", json!({}))],
        second: changed(
            &first,
            &json!({
                "description": "",
                "metric": {
                    "namespace": "AWS/ApplicationELB", "name": "TargetResponseTime", "dimensions": {},
                        "statistic": "p99.9",
                    "period": "10s",
                },
                "comparison": "below", "threshold": 0.5, "evaluation_periods": 6, "datapoints_to_alarm": 5,
                "missing_data": "not_breaching",
                "on_alarm": {"topics": ["t/two", {"id": "arn:aws:sns:us-east-1:123456789012:theirs"}], "others": []},
                "on_ok": {"topics": []}, "on_insufficient_data": {"topics": ["t/one"]}, "actions_enabled": false,
                "tags": {"a": "2", "所属": "運用"},
            }),
        ),
        third: Some(changed(&first, &json!({"name": "CPU: とても高い"}))),
        first,
        ..Case::default()
    }
}

fn watched(name: &'static str) -> (&'static str, &'static str, Value) {
    let metric = json!({"namespace": "Web", "name": "Errors", "statistic": "Sum", "period": "1m"});
    (name, "alarm", json!({"metric": metric, "comparison": "above", "threshold": 1, "evaluation_periods": 1}))
}

/// The case of `composite_alarm`.
pub fn composite_alarm() -> Case {
    let first = json!({
        "name": "全体", "description": "どれか", "any": ["t/one", "t/two"],
        "on_alarm": {"topics": ["t/topic"]}, "on_ok": {"topics": ["t/topic"]}, "on_insufficient_data": {"topics": []},
        "actions_enabled": true, "tags": {"a": "1"},
    });
    Case {
        kind: "composite_alarm",
        needs: vec![("t/topic", "topic", json!({})), watched("t/one"), watched("t/two"), watched("t/three")],
        second: changed(
            &first,
            &json!({
                "description": "どれも", "any": ["t/three", "t/one"],
                "on_alarm": {"topics": [], "others": ["arn:aws:lambda:us-east-1:123456789012:function:f"]},
                "on_ok": {"topics": []}, "on_insufficient_data": {"topics": ["t/topic"]}, "actions_enabled": false,
                "tags": {"a": "2"},
            }),
        ),
        third: Some(changed(&first, &json!({"name": "全部"}))),
        first,
        ..Case::default()
    }
}

/// The case of `dashboard`.
pub fn dashboard() -> Case {
    let body = |text: &str| {
        json!({"start": "-PT3H", "widgets": [{"type": "text", "x": 0, "width": 6,
        "properties": {"markdown": text}}]})
    };
    let first = json!({"name": "overview", "body": body("# 概要"), "tags": {"a": "1"}});
    Case {
        kind: "dashboard",
        // As text, laid out otherwise: the same.
        second: changed(&first, &json!({"body": format!("{:#}", body("# 全体")), "tags": {"a": "2"}})),
        third: Some(changed(&first, &json!({"name": "detail"}))),
        first,
        ..Case::default()
    }
}

#[test]
fn alarm_creates_reads_back_changes_and_deletes() {
    run(alarm());
}

#[test]
fn composite_alarm_creates_reads_back_changes_and_deletes() {
    run(composite_alarm());
}

#[test]
fn an_alarm_over_alarms_that_must_all_ring_takes_a_rule_and_goes_before_them() {
    let name = |address: &str| value::token(&Address::parse(address).unwrap(), "name");
    run_part(Case {
        kind: "composite_alarm",
        needs: vec![watched("t/one"), watched("t/two")],
        first: json!({"all": ["t/one", "t/two"], "tags": {}}),
        second: json!({"rule": format!("ALARM(\"{}\")\n  AND NOT OK(\"{}\")", name("t/one"), name("t/two")),
            "tags": {}}),
        ..Case::default()
    });
}

#[test]
fn dashboard_creates_reads_back_changes_and_deletes() {
    run(dashboard());
}

/// The case of `metric_filter`.
pub fn metric_filter() -> Case {
    let first = json!({
        "log_group": "t/logs", "name": "errors", "pattern": "{ $.level = \"エラー\" }",
        "metric": {"namespace": "Web", "name": "Errors", "value": "1", "default": 0, "unit": "Count"},
        "apply_on_transformed_logs": true, "criteria": "@aws.region = \"us-east-1\"", "system_fields": [],
    });
    Case {
        kind: "metric_filter",
        needs: vec![("t/logs", "log_group", json!({})), ("t/other", "log_group", json!({}))],
        second: changed(
            &first,
            &json!({
                "pattern": "",
                "metric": {
                    "namespace": "Web/Bytes", "name": "Sent", "value": "$.bytes", "dimensions": {"Host": "$.host"},
                        "unit": "Bytes",
                },
                "apply_on_transformed_logs": false, "criteria": "", "system_fields": ["@aws.account", "@aws.region"],
            }),
        ),
        third: Some(changed(&first, &json!({"log_group": "t/other"}))),
        first,
        ..Case::default()
    }
}

/// The case of `event_rule`.
pub fn event_rule() -> Case {
    let queue = "arn:aws:sqs:us-east-1:123456789012:events";
    let first = json!({
        "name": "instances", "bus": "default", "description": "台数",
        "pattern": {"source": ["aws.ec2"], "detail-type": ["EC2 Instance State-change Notification"]},
        "state": "enabled", "role": {"id": "arn:aws:iam::123456789012:role/events"},
        "targets": {
            "mail": {
                "topic": "t/topic",
                "transformer": {"paths": {"state": "$.detail.state"}, "template": "\"状態: <state>\""},
                "retry": {"attempts": 3, "max_age": "1h"}, "dead_letters": queue,
            },
            "logs": {"log_group": "t/logs"},
        },
        "tags": {"a": "1"},
    });
    Case {
        kind: "event_rule",
        needs: vec![("t/topic", "topic", json!({})), ("t/logs", "log_group", json!({}))],
        second: changed(
            &first,
            &json!({
                "description": "", "pattern": "{\"source\": [\"aws.autoscaling\"]}", "state": "disabled",
                "role": {"id": "arn:aws:iam::123456789012:role/other"},
                "targets": {
                    "mail": {"topic": "t/topic", "input": {"text": "何か"}, "retry": {"attempts": 0}, "dead_letters": ""},
                    "queue": {"arn": queue, "input_path": "$.detail"},
                },
                "tags": {"a": "2", "所属": "運用"},
            }),
        ),
        third: Some(changed(&first, &json!({"name": "servers"}))),
        first,
        ..Case::default()
    }
}

#[test]
fn metric_filter_creates_reads_back_changes_and_deletes() {
    run(metric_filter());
}

#[test]
fn event_rule_creates_reads_back_changes_and_deletes() {
    run(event_rule());
}

#[test]
fn a_rule_for_times_has_a_derived_name() {
    let with = |schedule: &str, count: u32| {
        let task = json!({"task_definition": "arn:aws:ecs:us-east-1:123456789012:task-definition/t:1", "count": count});
        let cluster = json!({"arn": "arn:aws:ecs:us-east-1:123456789012:cluster/c", "ecs": task,
            "role": {"id": "arn:aws:iam::123456789012:role/run"}});
        json!({"schedule": schedule, "targets": {"task": cluster}, "tags": {}})
    };
    run_part(Case {
        kind: "event_rule",
        first: with("rate(5 minutes)", 1),
        second: with("cron(0 3 * * ? *)", 2),
        ..Case::default()
    });
}

/// The case of `detector`.
pub fn detector() -> Case {
    let first = json!({
        "enabled": true, "finding_frequency": "one_hour",
        "features": {
            "s3_data_events": true, "eks_audit_logs": false, "ebs_malware_protection": true, "rds_login_events": true,
            "lambda_network_logs": false,
            "runtime_monitoring": {"enabled": true, "eks_addon": true, "ecs_fargate_agent": false, "ec2_agent": true},
        },
    });
    Case {
        kind: "detector",
        second: changed(
            &first,
            &json!({
                "enabled": false, "finding_frequency": "fifteen_minutes",
                "features": {
                    "s3_data_events": false, "eks_audit_logs": true, "ebs_malware_protection": false,
                    "rds_login_events": false, "lambda_network_logs": true, "runtime_monitoring": {"enabled": false},
                },
            }),
        ),
        first,
        not_by_emulator: &[("tags", "the emulator has no TagResource; a unit test: tags change by the ARN")],
        ..Case::default()
    }
}

#[test]
fn detector_creates_reads_back_changes_and_deletes() {
    run(detector());
}
