//! What no emulator shows: targets that fail, pages, names that are taken, lost answers.

use serde_json::{Value, json};

use super::*;
use crate::providers::aws::script::Script;

const ARN: &str = "arn:aws:events:r:1:rule/p-e-s-it";

fn tags(project: &str) -> String {
    let all = [("project", project), ("environment", "e"), ("address", "s/it"), ("generation", "1")];
    let all: Vec<Value> = all.iter().map(|(k, v)| json!({"Key": format!("saiken:{k}"), "Value": v})).collect();
    json!({"Tags": all}).to_string()
}

fn rules(arns: &[&str], next: Option<&str>) -> String {
    let rule = |arn: &&str| {
        json!({"Name": arn.rsplit('/').next(), "Arn": arn, "State": "ENABLED",
            "EventPattern": "{\"source\": [\"aws.ec2\"]}",
            "Description": "by hand"})
    };
    json!({"Rules": arns.iter().map(rule).collect::<Vec<_>>(), "NextToken": next}).to_string()
}

fn targets(all: &[Value]) -> String {
    json!({"Targets": all}).to_string()
}

fn script(project: &str) -> Script {
    let done = r#"{"FailedEntryCount": 0, "FailedEntries": []}"#;
    Script::default()
        .answer("ListTagsForResource", 200, &tags(project))
        .answer("PutRule", 200, &json!({"RuleArn": ARN}).to_string())
        .answer("PutTargets", 200, done)
        .answer("RemoveTargets", 200, done)
        .answer("DeleteRule", 200, "")
}

fn spec(targets: &Value) -> Value {
    json!({"pattern": {"source": ["aws.ec2"]}, "targets": targets})
}

#[test]
fn bus_and_name_come_out_of_an_arn() {
    assert_eq!(split(ARN), ("default", "p-e-s-it"));
    assert_eq!(split("arn:aws:events:r:1:rule/aws.partner/x.com/1/it"), ("aws.partner/x.com/1", "it"));
    assert_eq!(split("it"), ("default", "it"));
}

#[test]
fn what_the_api_would_refuse_is_refused_before() {
    let problems = |spec: Value| {
        let mut problems = Problems::default();
        EventRule::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
    };
    assert_eq!(problems(json!({})), ["pattern"]);
    assert_eq!(problems(json!({"schedule": "rate(1 day)", "bus": "orders"})), ["schedule"]);
    assert_eq!(problems(json!({"schedule": "every day"})), ["schedule"]);
    assert_eq!(problems(json!({"pattern": {}})), ["pattern"]);
    let target = |target: Value| problems(spec(&json!({"a": target})));
    assert!(target(json!({"topic": "s/other"})).is_empty());
    assert_eq!(target(json!({})), ["targets.a"]);
    assert_eq!(target(json!({"arn": "arn:aws:sqs:r:1:q", "input": {}, "input_path": "$.a"})), ["targets.a.input"]);
    assert_eq!(target(json!({"arn": "queue"})), ["targets.a.arn"]);
    assert_eq!(target(json!({"topic": "s/other", "retry": {"max_age": "2d"}})), ["targets.a.retry.max_age"]);
    let many: BTreeMap<String, Value> = (0..6).map(|n| (format!("t{n}"), json!({"topic": "s/other"}))).collect();
    assert_eq!(problems(spec(&json!(many))), ["targets"]);
    assert_eq!(problems(spec(&json!({"あ": {"topic": "s/other"}}))), ["targets.あ"]);
}

#[tokio::test]
async fn a_target_that_can_not_be_written_is_an_error_although_the_call_succeeds() {
    let failed = json!({"FailedEntryCount": 1, "FailedEntries": [
        {"TargetId": "a", "ErrorCode": "LimitExceededException", "ErrorMessage": "too many"}]});
    let script = Script::default()
        .answer("ListRules", 200, &rules(&[], None))
        .answer("PutRule", 200, &json!({"RuleArn": ARN}).to_string())
        .answer("PutTargets", 200, &failed.to_string());
    let error = script.create::<EventRule>(spec(&json!({"a": {"topic": "s/other"}}))).await.unwrap_err();
    assert_eq!((error.class, error.code.as_deref()), (ErrorClass::QuotaExceeded, Some("LimitExceededException")));
    assert!(error.message.contains("target 'a'"), "{}", error.message);
    let script = Script::default()
        .answer("ListRules", 200, &rules(&[ARN], None))
        .answer("ListTagsForResource", 200, &tags("p"))
        .answer("ListTargetsByRule", 200, &targets(&[json!({"Id": "a", "Arn": "arn:aws:sqs:r:1:q"})]))
        .answer("RemoveTargets", 200, &failed.to_string());
    let error = script.delete::<EventRule>(ARN, spec(&json!({}))).await.unwrap_err();
    // Its tags say that it is ours: the script's own object has no owner.
    assert_eq!(error.class, ErrorClass::Conflict);
    let owner = Some(crate::providers::aws::script::owner());
    let error = script.delete_owned::<EventRule>(ARN, spec(&json!({})), owner).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::QuotaExceeded);
    assert!(script.asked("DeleteRule").is_empty());
}

#[tokio::test]
async fn a_rule_goes_although_the_targets_that_it_lost_are_still_seen_for_a_while() {
    let refused = |message: &str| json!({"__type": "ValidationException", "message": message}).to_string();
    let seen = Script::default()
        .answer("ListRules", 200, &rules(&[ARN], None))
        .answer("ListTargetsByRule", 200, &targets(&[json!({"Id": "a", "Arn": "arn:aws:sqs:r:1:q"})]))
        .answer("DeleteRule", 400, &refused("Rule can't be deleted since it has targets."))
        .answer("DeleteRule", 200, "")
        .with(script("p"));
    let owner = || Some(crate::providers::aws::script::owner());
    seen.delete_owned::<EventRule>(ARN, spec(&json!({})), owner()).await.unwrap();
    assert_eq!((seen.asked("RemoveTargets").len(), seen.asked("DeleteRule").len()), (1, 2));
    let managed = Script::default()
        .answer("ListRules", 200, &rules(&[ARN], None))
        .answer("ListTargetsByRule", 200, &targets(&[]))
        .answer("DeleteRule", 400, &refused("another reason"))
        .with(script("p"));
    managed.delete_owned::<EventRule>(ARN, spec(&json!({})), owner()).await.unwrap_err();
    assert_eq!(managed.asked("DeleteRule").len(), 1, "any other refusal is final");
}

#[tokio::test]
async fn a_rule_of_somebody_else_is_not_overwritten_and_ours_that_a_lost_call_made_is_finished() {
    let theirs = script("another").answer("ListRules", 200, &rules(&[ARN], None));
    let refused = theirs.create::<EventRule>(spec(&json!({}))).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Conflict);
    assert!(theirs.asked("PutRule").is_empty());
    let ours = Script::default()
        .answer("ListRules", 200, &rules(&[ARN], None))
        .answer("ListTargetsByRule", 200, &targets(&[]))
        .answer("ListTagsForResource", 200, &tags("p"))
        .lost("PutRule")
        .answer("PutRule", 200, &json!({"RuleArn": ARN}).to_string());
    assert_eq!(ours.create::<EventRule>(spec(&json!({}))).await.unwrap().id, ARN);
    let asked = ours.asked("PutRule");
    assert!(asked.len() == 2 && asked[0] == asked[1] && asked[0].contains("saiken:address"));
}

#[tokio::test]
async fn new_targets_come_before_others_go_and_keep_what_is_not_declared() {
    let there = [
        json!({"Id": "same", "Arn": "arn:aws:sqs:r:1:q", "RoleArn": "arn:aws:iam::1:role/r", "InputPath": "$.a",
            "AppSyncParameters": {"GraphQLOperation": "mutation"}}),
        json!({"Id": "gone", "Arn": "arn:aws:sqs:r:1:other"}),
    ];
    let script =
        script("p").answer("ListRules", 200, &rules(&[ARN], None)).answer("ListTargetsByRule", 200, &targets(&there));
    let after = spec(&json!({
        "same": {"arn": "arn:aws:sqs:r:1:q", "retry": {"attempts": 3}},
        "new": {"topic": "s/other", "input": {"text": "名"}},
    }));
    script.update::<EventRule>(ARN, spec(&json!({})), after).await.unwrap();
    let writes: Vec<String> =
        script.operations().into_iter().filter(|o| o.contains("Targets") && !o.starts_with("List")).collect();
    assert_eq!(writes, ["PutTargets", "RemoveTargets"]);
    assert!(script.asked("PutRule").is_empty(), "the rule itself is the same");
    let asked: Value = serde_json::from_str(&script.asked("PutTargets")[0]).unwrap();
    let same = asked["Targets"].as_array().unwrap().iter().find(|t| t["Id"] == "same").unwrap();
    assert_eq!(
        (&same["RoleArn"], &same["InputPath"], &same["AppSyncParameters"]["GraphQLOperation"]),
        (&json!("arn:aws:iam::1:role/r"), &json!("$.a"), &json!("mutation"))
    );
    let new = asked["Targets"].as_array().unwrap().iter().find(|t| t["Id"] == "new").unwrap();
    assert_eq!((&new["Arn"], &new["Input"]), (&json!("other"), &json!("{\"text\":\"名\"}")));
    assert!(script.asked("RemoveTargets")[0].contains(r#""Ids":["gone"]"#));
}

#[tokio::test]
async fn an_update_keeps_what_is_not_declared_and_leaves_the_pattern_when_times_take_its_place() {
    let script =
        script("p").answer("ListRules", 200, &rules(&[ARN], None)).answer("ListTargetsByRule", 200, &targets(&[]));
    let (before, after) = (json!({"pattern": {"source": ["aws.ec2"]}}), json!({"schedule": "rate(1 day)"}));
    script.update::<EventRule>(ARN, before, after).await.unwrap();
    let asked: Value = serde_json::from_str(&script.asked("PutRule")[0]).unwrap();
    assert_eq!((&asked["Description"], &asked["ScheduleExpression"]), (&json!("by hand"), &json!("rate(1 day)")));
    assert_eq!((asked.get("EventPattern"), asked.get("Tags")), (None, None));
}

#[tokio::test]
async fn all_pages_of_all_buses_are_read_and_names_of_ones_own_come_by_the_index() {
    let own = "arn:aws:events:r:1:rule/orders/own";
    let pairs = json!([{"Key": "saiken:project", "Value": "p"}, {"Key": "saiken:environment", "Value": "e"},
        {"Key": "saiken:address", "Value": "s/own"}, {"Key": "saiken:generation", "Value": "1"}]);
    let index = json!({"ResourceTagMappingList": [{"ResourceARN": own, "Tags": pairs}]});
    let script = script("p")
        .answer("GetResources", 200, &index.to_string())
        .answer("ListEventBuses", 200, &json!({"EventBuses": [{"Name": "default"}], "NextToken": "more"}).to_string())
        .answer("ListEventBuses", 200, &json!({"EventBuses": [{"Name": "orders"}]}).to_string())
        .answer("ListRules", 200, &rules(&[ARN], Some("more")))
        .answer("ListRules", 200, &rules(&["arn:aws:events:r:1:rule/p-e-s-two"], None))
        .answer("ListRules", 200, &rules(&["arn:aws:events:r:1:rule/orders/p-e-s-three"], None))
        .answer("ListRules", 200, &rules(&[own], None))
        .answer("ListTargetsByRule", 200, &targets(&[]));
    let found = script.read::<EventRule>().await.unwrap();
    let ids: BTreeSet<&str> = found.iter().map(|o| o.id.as_str()).collect();
    assert!(ids.len() == 4 && ids.contains(own), "{ids:?}");
    assert_eq!(found.iter().find(|o| o.id == own).unwrap().spec["bus"], "orders");
}

#[tokio::test]
async fn a_task_a_job_and_an_api_come_back_as_they_were_written() {
    let declared = json!({
        "task": {"arn": "arn:aws:ecs:r:1:cluster/c", "ecs": {"task_definition": "arn:aws:ecs:r:1:task-definition/t:1",
            "count": 2,
            "capacity_providers": {"FARGATE_SPOT": {"weight": 3, "base": 1}}, "subnets": ["s/other"],
            "security_groups": [{"id": "sg-1"}], "public_ip": false, "platform_version": "1.4.0", "group": "g",
            "execute_command": true, "managed_tags": true, "propagate_tags": true}},
        "job": {"arn": "arn:aws:batch:r:1:job-queue/q", "batch": {"definition": "d", "name": "n", "array_size": 2,
            "attempts": 3}},
        "api": {"arn": "arn:aws:events:r:1:api-destination/a/1", "http": {"path": ["x"], "headers": {"A": "1"},
            "query": {"b": "2"}},
            "transformer": {"paths": {"s": "$.detail.state"}, "template": "{\"text\": <s>}"},
                "dead_letters": "arn:aws:sqs:r:1:dead"},
        "stream": {"arn": "arn:aws:kinesis:r:1:stream/s", "partition_key_path": "$.id"},
        "command": {"arn": "arn:aws:ssm:r::document/AWS-RunShellScript", "run_command": {"tag:Name": ["a", "b"]}},
    });
    let all = spec(&declared);
    let typed: Spec = serde_json::from_value(all.clone()).unwrap();
    let after =
        script("p").answer("ListRules", 200, &rules(&[ARN], None)).answer("ListTargetsByRule", 200, &targets(&[]));
    after.update::<EventRule>(ARN, spec(&json!({})), all).await.unwrap();
    let asked: Value = serde_json::from_str(&after.asked("PutTargets")[0]).unwrap();
    let back = script("p").answer("ListRules", 200, &rules(&[ARN], None)).answer(
        "ListTargetsByRule",
        200,
        &targets(asked["Targets"].as_array().unwrap()),
    );
    let ids = [ARN.to_owned()];
    let found = EventRule::read(&back.context(), &Read::whole(Selection::Ids(&ids))).await.unwrap().remove(0);
    let there = serde_json::to_value(&found.spec.targets).unwrap();
    for (id, target) in typed.targets.unwrap() {
        let Value::Object(fields) = serde_json::to_value(&target).unwrap() else { unreachable!() };
        for (field, value) in fields {
            let text = value.to_string().replace("\"s/other\"", "{\"id\":\"other\"}");
            assert_eq!(there[&id][&field], serde_json::from_str::<Value>(&text).unwrap(), "{id}.{field}");
        }
    }
}
