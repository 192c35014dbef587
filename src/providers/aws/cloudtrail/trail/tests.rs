use serde_json::{Value, json};

use super::*;
use crate::model::kind::KindDef;
use crate::providers::aws::script::Script;

const ARN: &str = "arn:aws:cloudtrail:ap-northeast-1:1:trail/audit";

fn error(code: &str) -> String {
    json!({"__type": code, "message": code}).to_string()
}

fn trail(name: &str, more: &Value) -> Value {
    let arn = ARN.replace("audit", name);
    let mut trail = json!({
        "Name": name, "TrailARN": arn, "HomeRegion": "ap-northeast-1", "S3BucketName": "logs",
        "IsMultiRegionTrail": true,
        "IncludeGlobalServiceEvents": true, "LogFileValidationEnabled": true,
    });
    trail.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    trail
}

fn tags(project: &str, names: &[&str]) -> String {
    let tags = [("project", project), ("environment", "e"), ("address", "s/it"), ("generation", "1")];
    let tags = tags.map(|(k, v)| json!({"Key": format!("saiken:{k}"), "Value": v}));
    let all = names.iter().map(|n| json!({"ResourceId": ARN.replace("audit", n), "TagsList": tags}));
    json!({"ResourceTagList": all.collect::<Vec<_>>()}).to_string()
}

/// One trail of ours, which records; every call succeeds.
fn script(more: &Value) -> Script {
    let mut script = Script::default()
        .answer("DescribeTrails", 200, &json!({"trailList": [trail("audit", more)]}).to_string())
        .answer("ListTags", 200, &tags("p", &["audit"]))
        .answer("GetTrailStatus", 200, r#"{"IsLogging": true}"#)
        .answer("GetEventSelectors", 200, "{}")
        .answer("GetInsightSelectors", 400, &error("InsightNotEnabledException"));
    for operation in [
        "UpdateTrail",
        "PutEventSelectors",
        "PutInsightSelectors",
        "StartLogging",
        "StopLogging",
        "AddTags",
        "RemoveTags",
        "DeleteTrail",
    ] {
        script = script.answer(operation, 200, "{}");
    }
    script
}

fn asked(script: &Script, operation: &str) -> Vec<Value> {
    script.asked(operation).iter().map(|body| serde_json::from_str(body).unwrap()).collect()
}

fn full() -> Value {
    json!({
        "name": "audit", "bucket": {"id": "logs"}, "prefix": "all", "log_file_validation": true, "all_regions": true,
        "global_events": true,
        "log_group": {"enabled": true, "group": {"id": "arn:logs"}, "role": {"id": "arn:role"}},
        "notification": {"enabled": true, "topic": {"id": "arn:topic"}}, "key": {"id": "arn:key"}, "organization": true,
        "own_deliveries": false, "insights": ["error_rate"], "logging": true, "tags": {},
        "advanced_event_selectors": [{"name": "calls", "fields": [{
            "field": "eventCategory", "equals": ["Management"], "starts_with": [], "ends_with": [], "not_equals": [],
            "not_starts_with": [], "not_ends_with": [],
        }, {
            "field": "eventSource", "equals": [], "starts_with": ["a"], "ends_with": ["b"], "not_equals": ["c"],
            "not_starts_with": ["d"], "not_ends_with": ["e"],
        }]}],
    })
}

#[tokio::test]
async fn all_that_a_trail_can_have_reaches_the_api_and_is_read_back() {
    let more = json!({
        "S3KeyPrefix": "all", "CloudWatchLogsLogGroupArn": "arn:logs:*", "CloudWatchLogsRoleArn": "arn:role",
        "SnsTopicARN": "arn:topic", "KmsKeyId": "arn:key", "IsOrganizationTrail": true, "RecursiveLogging": false,
    });
    let selectors = json!([{"Name": "calls", "FieldSelectors": [
        {"Field": "eventCategory", "Equals": ["Management"]},
        {
            "Field": "eventSource", "StartsWith": ["a"], "EndsWith": ["b"], "NotEquals": ["c"], "NotStartsWith": ["d"],
            "NotEndsWith": ["e"],
        },
    ]}]);
    let script = Script::default()
        .answer("CreateTrail", 200, "{}")
        .answer("GetEventSelectors", 200, &json!({"AdvancedEventSelectors": selectors}).to_string())
        .answer("GetInsightSelectors", 200, r#"{"InsightSelectors": [{"InsightType": "ApiErrorRateInsight"}]}"#)
        .answer("DescribeTrails", 200, &json!({"trailList": [trail("audit", &more)]}).to_string())
        .answer("ListTags", 200, &tags("p", &["audit"]))
        .answer("GetTrailStatus", 200, r#"{"IsLogging": true}"#)
        .answer("PutEventSelectors", 200, "{}")
        .answer("PutInsightSelectors", 200, "{}")
        .answer("StartLogging", 200, "{}");
    let object = script.create::<Trail>(full()).await.unwrap();
    let mut expected = full();
    expected["event_selectors"] = json!([]);
    assert_eq!(object.spec, expected);
    let create = &asked(&script, "CreateTrail")[0];
    let mut wanted = more.as_object().unwrap().clone();
    wanted.remove("SnsTopicARN");
    wanted.insert("SnsTopicName".into(), json!("arn:topic"));
    wanted.insert("EnableLogFileValidation".into(), json!(true));
    wanted.insert("IsMultiRegionTrail".into(), json!(true));
    wanted.insert("S3BucketName".into(), json!("logs"));
    for (field, value) in wanted {
        assert_eq!(create[&field], value, "{field}");
    }
    assert!(create["TagsList"].as_array().unwrap().contains(&json!({"Key": "saiken:address", "Value": "s/it"})));
    assert_eq!(asked(&script, "PutEventSelectors")[0]["AdvancedEventSelectors"], selectors);
    let order: Vec<String> = script.operations().into_iter().filter(|o| !o.starts_with("Get")).collect();
    let writes: Vec<&str> =
        order.iter().map(String::as_str).filter(|o| !["DescribeTrails", "ListTags"].contains(o)).collect();
    assert_eq!(writes, ["CreateTrail", "PutEventSelectors", "PutInsightSelectors", "StartLogging"]);
}

#[tokio::test]
async fn what_is_taken_away_is_taken_away_by_one_call() {
    let script = script(&json!({}));
    let mut after = full();
    after["log_group"] = json!({"enabled": false});
    after["notification"] = json!({"enabled": false});
    after["prefix"] = json!("");
    after["insights"] = json!([]);
    after["logging"] = json!(false);
    after["own_deliveries"] = json!(true);
    script.update::<Trail>("audit", full(), after).await.unwrap();
    let expected = json!({
        "Name": "audit", "S3KeyPrefix": "", "SnsTopicName": "", "CloudWatchLogsLogGroupArn": "",
        "CloudWatchLogsRoleArn": "", "IncludeGlobalServiceEvents": true, "RecursiveLogging": true,
    });
    assert_eq!(asked(&script, "UpdateTrail"), [expected]);
    assert_eq!(asked(&script, "PutInsightSelectors")[0]["InsightSelectors"], json!([]));
    assert_eq!((script.asked("StopLogging").len(), script.asked("PutEventSelectors").len()), (1, 0));
}

#[tokio::test]
async fn basic_selectors_reach_the_api_whole() {
    let script = script(&json!({}));
    let selectors = json!([{
        "read_write": "write", "exclude_sources": ["kms.amazonaws.com"],
        "data": [{"type": "lambda_function", "arns": ["arn:aws:lambda"]}],
    }]);
    let of = |more: Value| json!({"bucket": {"id": "logs"}, "event_selectors": more});
    script.update::<Trail>("audit", of(json!([])), of(selectors)).await.unwrap();
    let expected = json!([{
        "ReadWriteType": "WriteOnly", "IncludeManagementEvents": true,
        "DataResources": [{"Type": "AWS::Lambda::Function", "Values": ["arn:aws:lambda"]}],
        "ExcludeManagementEventSources": ["kms.amazonaws.com"],
    }]);
    assert_eq!(asked(&script, "PutEventSelectors")[0]["EventSelectors"], expected);
    assert!(script.asked("UpdateTrail").is_empty());
}

#[tokio::test]
async fn a_policy_that_is_not_seen_yet_is_waited_for_and_any_other_refusal_is_final() {
    let spec = json!({"name": "audit", "bucket": {"id": "logs"}});
    let late = script(&json!({})).answer("CreateTrail", 400, &error("InsufficientS3BucketPolicyException")).answer(
        "CreateTrail",
        200,
        "{}",
    );
    late.create::<Trail>(spec.clone()).await.unwrap();
    assert_eq!((late.asked("CreateTrail").len(), late.asked("StartLogging").len()), (2, 1));
    let wrong = script(&json!({})).answer("CreateTrail", 400, &error("InvalidS3PrefixException"));
    assert!(wrong.create::<Trail>(spec).await.is_err());
    assert_eq!(wrong.asked("CreateTrail").len(), 1);
}

#[tokio::test]
async fn a_name_that_is_ours_is_finished_and_anybody_elses_is_refused() {
    let spec = json!({"name": "audit", "bucket": {"id": "logs"}});
    let taken = |project: &str| {
        Script::default()
            .answer("CreateTrail", 400, &error("TrailAlreadyExistsException"))
            .answer("DescribeTrails", 200, &json!({"trailList": [trail("audit", &json!({}))]}).to_string())
            .answer("ListTags", 200, &tags(project, &["audit"]))
            .answer("GetTrailStatus", 200, r#"{"IsLogging": true}"#)
            .answer("GetEventSelectors", 200, "{}")
            .answer("GetInsightSelectors", 400, &error("InsightNotEnabledException"))
            .answer("StartLogging", 200, "{}")
    };
    let ours = taken("p");
    ours.create::<Trail>(spec.clone()).await.unwrap();
    assert_eq!(ours.asked("StartLogging").len(), 1);
    let theirs = taken("another");
    assert_eq!(theirs.create::<Trail>(spec).await.unwrap_err().class, ErrorClass::Conflict);
    assert!(theirs.asked("StartLogging").is_empty());
}

#[tokio::test]
async fn a_creating_call_without_answer_is_not_made_again() {
    let script = script(&json!({})).lost("CreateTrail");
    script.create::<Trail>(json!({"name": "audit", "bucket": {"id": "logs"}})).await.unwrap();
    assert_eq!((script.asked("CreateTrail").len(), script.asked("StartLogging").len()), (1, 1));
}

#[tokio::test]
async fn tags_come_twenty_trails_a_call_and_one_that_went_spoils_nothing() {
    let names: Vec<String> = (0..21).map(|n| format!("trail-{n}")).collect();
    let all: Vec<Value> = names.iter().map(|n| trail(n, &json!({}))).collect();
    let mut shadow = trail("elsewhere", &json!({}));
    shadow["HomeRegion"] = json!("us-east-1");
    let mut list = all.clone();
    list.push(shadow);
    let first: Vec<&str> = names.iter().take(20).map(String::as_str).collect();
    let script = Script::default()
        .answer("DescribeTrails", 200, &json!({"trailList": list}).to_string())
        .answer("ListTags", 200, &tags("p", &first))
        .answer("ListTags", 400, &error("TrailNotFoundException"))
        .answer("GetTrailStatus", 200, r#"{"IsLogging": false}"#)
        .answer("GetEventSelectors", 200, "{}")
        .answer("GetInsightSelectors", 400, &error("InsightNotEnabledException"));
    let found = script.read::<Trail>().await.unwrap();
    assert_eq!((found.len(), &found[0].spec["logging"]), (20, &json!(false)));
    let sizes: Vec<usize> =
        asked(&script, "ListTags").iter().map(|b| b["ResourceIdList"].as_array().unwrap().len()).collect();
    assert_eq!(sizes, [20, 1, 1]);
}

#[tokio::test]
async fn an_organisations_trail_of_another_account_is_left_out_and_a_refusal_for_our_own_is_an_error() {
    for code in ["CloudTrailARNInvalidException", "AccessDeniedException"] {
        let shared = trail("shared", &json!({"IsOrganizationTrail": true}));
        let all = json!({"trailList": [trail("audit", &json!({})), shared]}).to_string();
        let both = Script::default()
            .answer("DescribeTrails", 200, &all)
            .answer("ListTags", 200, &tags("p", &["audit"]))
            .answer("ListTags", 400, &error(code))
            .with(script(&json!({})));
        let found = both.read::<Trail>().await.unwrap();
        assert_eq!(found.iter().map(|t| t.id.as_str()).collect::<Vec<_>>(), ["audit"], "{code}");
        let own = Script::default().answer("ListTags", 400, &error(code)).with(script(&json!({})));
        assert_eq!(own.read::<Trail>().await.unwrap_err().code.as_deref(), Some(code));
    }
}

#[test]
fn derived_names_have_no_two_hyphens_in_a_row() {
    assert_eq!(derived("shop-prod-audit-main"), "shop-prod-audit-main");
    let odd = derived("--shop--prod-audit");
    assert!(odd.starts_with("shop-prod-audit-") && !odd.contains("--"), "{odd}");
    assert_ne!(derived("a--b"), derived("a---b"));
}

#[test]
fn what_the_api_would_refuse_is_said_before() {
    let problems = |fields: &Value| -> Vec<String> {
        let mut spec = json!({"bucket": {"id": "logs"}});
        spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let (_, problems) = KindDef::of::<Trail>().normalise(&spec).unwrap();
        problems.0.into_iter().map(|p| p.path).collect()
    };
    let field = |name: &str, value: &str| json!({"field": name, "equals": [value]});
    let advanced = |fields: Value| json!({"advanced_event_selectors": [{"fields": fields}]});
    let all = [
        (json!({"name": "192.168.0.1"}), "name"),
        (json!({"global_events": false}), "global_events"),
        (json!({"organization": true, "all_regions": false}), "organization"),
        (json!({"prefix": "all/"}), "prefix"),
        (json!({"log_group": {"group": {"id": "arn:logs"}}}), "log_group"),
        (json!({"log_group": {"enabled": false, "role": {"id": "arn:role"}}}), "log_group"),
        (json!({"notification": {}}), "notification"),
        (json!({"event_selectors": [{"management": false}]}), "event_selectors.0"),
        (json!({"event_selectors": [{"exclude_sources": ["iam.amazonaws.com"]}]}), "event_selectors.0.exclude_sources"),
        (json!({"event_selectors": vec![json!({}); 6]}), "event_selectors"),
        (advanced(json!([field("readOnly", "true")])), "advanced_event_selectors.0.fields"),
        (advanced(json!([field("eventCategory", "Data")])), "advanced_event_selectors.0.fields"),
        (
            advanced(json!([field("eventCategory", "Management"), {"field": "readOnly"}])),
            "advanced_event_selectors.0.fields.1",
        ),
        (
            json!({
                "event_selectors": [{}],
                "advanced_event_selectors": [{"fields": [field("eventCategory", "Management")]}],
            }),
            "advanced_event_selectors",
        ),
    ];
    for (spec, at) in all {
        assert_eq!(problems(&spec), [at], "{spec}");
    }
    assert!(problems(&json!({})).is_empty());
}
