use serde_json::{Value, json};

use super::*;
use crate::providers::aws::backup::tests::{index, tags_answer};
use crate::providers::aws::script::{Script, owner};

const ARN: &str = "arn:aws:backup:r:1:restore-testing-plan:p_e_s_it-1";
const TAGS: &str = "GET /tags/arn%3Aaws%3Abackup%3Ar%3A1%3Arestore-testing-plan%3Ap_e_s_it-1";
const LIST: &str = "GET /restore-testing/plans?MaxResults=1000";
const PLANS: &str = "PUT /restore-testing/plans";
const PLAN: &str = "/restore-testing/plans/p_e_s_it";
const SELECTIONS: &str = "GET /restore-testing/plans/p_e_s_it/selections?MaxResults=1000";
const GONE: &str = r#"{"__type": "ResourceNotFoundException", "message": "gone"}"#;

fn selection() -> Value {
    json!({"Algorithm": "RANDOM_WITHIN_WINDOW", "IncludeVaults": ["*"], "ExcludeVaults": ["arn:vault"],
        "RecoveryPointTypes": ["SNAPSHOT", "CONTINUOUS"], "SelectionWindowDays": 7})
}

/// The plan as the API tells of it.
fn plan() -> Value {
    json!({"RestoreTestingPlanName": "p_e_s_it", "RestoreTestingPlanArn": ARN, "CreationTime": 1.0,
        "ScheduleExpression": "cron(0 5 ? * * *)", "ScheduleExpressionTimezone": "Asia/Tokyo", "StartWindowHours": 12})
}

/// The same as a user writes it.
fn spec() -> Value {
    json!({"schedule": "cron(0 5 ? * * *)", "time_zone": "Asia/Tokyo", "start_window": "12h",
        "recovery_points": {"choice": "random", "vaults": [{"id": "*"}], "not_vaults": [{"id": "arn:vault"}],
            "types": ["snapshot", "continuous"], "window": "7d"}})
}

/// A selection as the API tells of it, and as a user writes it.
fn disks(ty: &str, arns: &Value) -> (Value, Value) {
    let api = json!({"CreationTime": 1.0, "RestoreTestingPlanName": "p_e_s_it", "RestoreTestingSelectionName": "disks",
        "ProtectedResourceType": ty, "IamRoleArn": "arn:role", "ProtectedResourceArns": arns,
        "ProtectedResourceConditions": {"StringEquals": [{"Key": "aws:ResourceTag/用途", "Value": "夜間"}],
            "StringNotEquals": [{"Key": "aws:ResourceTag/env", "Value": "test"}]},
        "RestoreMetadataOverrides": {"availabilityZone": "ap-northeast-1a"}, "ValidationWindowHours": 4});
    let own = json!({"type": ty, "role": {"id": "arn:role"}, "resources": arns,
        "conditions": {"equals": [{"key": "用途", "value": "夜間"}], "not_equals": [{"key": "env", "value": "test"}]},
        "restore_metadata": {"availabilityZone": "ap-northeast-1a"}, "validation_window": "4h"});
    (api, own)
}

/// A service that has the plan, with these selections.
fn standing(selections: &[Value]) -> Script {
    let mut whole = plan();
    whole["RecoveryPointSelection"] = selection();
    let list = json!({"RestoreTestingPlans": [plan()]}).to_string();
    let mut script = Script::default()
        .answer("GetResources", 200, &index(&[]))
        .answer(LIST, 200, &list)
        .answer(TAGS, 200, &tags_answer())
        .answer(&format!("GET {PLAN}"), 200, &json!({"RestoreTestingPlan": whole}).to_string())
        .answer(SELECTIONS, 200, &json!({"RestoreTestingSelections": selections}).to_string());
    for selection in selections {
        let name = selection["RestoreTestingSelectionName"].as_str().unwrap();
        let get = format!("GET {PLAN}/selections/{name}");
        script = script.answer(&get, 200, &json!({"RestoreTestingSelection": selection}).to_string());
    }
    script
}

/// What the service answers to writes that succeed.
fn done() -> String {
    json!({"CreationTime": 1.0, "UpdateTime": 1.0, "RestoreTestingPlanArn": ARN, "RestoreTestingPlanName": "p_e_s_it",
        "RestoreTestingSelectionName": "disks"})
    .to_string()
}

fn body(script: &Script, operation: &str) -> Value {
    serde_json::from_str(&script.asked(operation).pop().unwrap()).unwrap()
}

fn problems(spec: Value) -> Vec<String> {
    let mut problems = Problems::default();
    RestoreTestingPlan::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
    problems.0.into_iter().map(|p| p.path).collect()
}

#[test]
fn what_the_service_would_refuse_is_refused_before() {
    let with = |field: &str, value: Value| {
        let mut spec = spec();
        spec[field] = value;
        problems(spec)
    };
    assert!(problems(spec()).is_empty());
    assert_eq!(with("start_window", json!("169h")), ["start_window"]);
    assert_eq!(with("start_window", json!("90m")), ["start_window"]);
    assert_eq!(with("time_zone", json!("Tokyo")), ["time_zone"]);
    assert_eq!(with("schedule", json!("weekly")), ["schedule"]);
    let mut points = spec()["recovery_points"].clone();
    points["window"] = json!("366d");
    assert_eq!(with("recovery_points", points), ["recovery_points.window"]);
    let (_, right) = disks("EBS", &json!(["*"]));
    assert!(with("selections", json!({"disks": right})).is_empty());
    assert_eq!(with("selections", json!({"disks-1": right})), ["selections.disks-1"]);
    let (_, some) = disks("EBS", &json!(["arn:one"]));
    assert_eq!(with("selections", json!({"disks": some})), ["selections.disks.conditions"]);
    let (_, both) = disks("EBS", &json!(["*", "arn:one"]));
    assert_eq!(with("selections", json!({"disks": both})), ["selections.disks.resources"]);
}

#[tokio::test]
async fn a_plan_is_made_with_all_its_fields_and_read_back() {
    let (api, own) = disks("EBS", &json!(["*"]));
    let script = standing(std::slice::from_ref(&api)).answer(PLANS, 200, &done()).answer(
        &format!("PUT {PLAN}/selections"),
        200,
        &done(),
    );
    let mut wanted = spec();
    wanted["selections"] = json!({"disks": own});
    // The list shows none before it is made.
    let listed = json!({"RestoreTestingSelections": [api]}).to_string();
    let none = r#"{"RestoreTestingSelections": []}"#;
    let script = Script::default().answer(SELECTIONS, 200, none).answer(SELECTIONS, 200, &listed).with(script);
    let object = script.create::<RestoreTestingPlan>(wanted.clone()).await.unwrap();
    assert_eq!(object.id, "p_e_s_it", "a name without `-`");
    for field in ["schedule", "time_zone", "start_window", "recovery_points", "selections"] {
        assert_eq!(object.spec[field], wanted[field], "{field}");
    }
    let sent = body(&script, PLANS);
    let mut expected = plan();
    for member in ["RestoreTestingPlanArn", "CreationTime"] {
        expected.as_object_mut().unwrap().remove(member);
    }
    expected["RecoveryPointSelection"] = selection();
    assert_eq!(sent["RestoreTestingPlan"], expected);
    assert_eq!((&sent["CreatorRequestId"], &sent["Tags"]["saiken:address"]), (&json!("token"), &json!("s/it")));
    let sent = body(&script, &format!("PUT {PLAN}/selections"));
    let mut expected = api;
    for member in ["RestoreTestingPlanName", "CreationTime"] {
        expected.as_object_mut().unwrap().remove(member);
    }
    assert_eq!(sent["RestoreTestingSelection"], expected);
}

#[tokio::test]
async fn a_change_writes_the_plan_and_leaves_alone_what_is_not_declared() {
    let script = standing(&[]).answer(&format!("PUT {PLAN}"), 200, &done());
    let mut from = spec();
    let brief = |schedule: &str| {
        json!({"schedule": schedule,
            "recovery_points": {"choice": "latest", "vaults": [{"id": "arn:vault"}], "types": ["snapshot"]}})
    };
    script.update::<RestoreTestingPlan>("p_e_s_it", from.clone(), brief("rate(7 days)")).await.unwrap();
    assert_eq!(
        body(&script, &format!("PUT {PLAN}"))["RestoreTestingPlan"],
        json!({"ScheduleExpression": "rate(7 days)", "ScheduleExpressionTimezone": "Asia/Tokyo", "StartWindowHours": 12,
            "RecoveryPointSelection": {"Algorithm": "LATEST_WITHIN_WINDOW", "IncludeVaults": ["arn:vault"],
                "ExcludeVaults": ["arn:vault"], "RecoveryPointTypes": ["SNAPSHOT"], "SelectionWindowDays": 7}})
    );
    // Each field by itself reaches the service.
    for (field, value, path) in [
        ("time_zone", json!("Etc/UTC"), "/RestoreTestingPlan/ScheduleExpressionTimezone"),
        ("start_window", json!("24h"), "/RestoreTestingPlan/StartWindowHours"),
    ] {
        from[field] = value;
        script.update::<RestoreTestingPlan>("p_e_s_it", spec(), from.clone()).await.unwrap();
        let sent = body(&script, &format!("PUT {PLAN}"));
        assert_ne!(sent.pointer(path), json!({"RestoreTestingPlan": plan()}).pointer(path), "{field}: {sent}");
    }
}

#[tokio::test]
async fn selections_change_in_place_and_one_of_another_type_is_made_anew() {
    let with = |selection: &Value| {
        let mut spec = spec();
        spec["selections"] = json!({"disks": selection});
        spec
    };
    let (there, own) = disks("EBS", &json!(["*"]));
    let mut gone = there.clone();
    gone["RestoreTestingSelectionName"] = json!("gone");
    let one = format!("{PLAN}/selections/disks");
    let script = || {
        standing(&[there.clone(), gone.clone()])
            .answer(&format!("PUT {one}"), 200, &done())
            .answer(&format!("PUT {PLAN}/selections"), 200, &done())
            .answer(&format!("DELETE {one}"), 200, "")
            .answer(&format!("DELETE {PLAN}/selections/gone"), 200, "")
    };
    let writes = |script: &Script| -> Vec<String> {
        script.operations().into_iter().filter(|o| !o.starts_with("GET") && o != "GetResources").collect()
    };
    let from = json!({"schedule": "cron(0 5 ? * * *)", "recovery_points": spec()["recovery_points"], "selections": {}});
    let mut later = own.clone();
    later["validation_window"] = json!("8h");
    later["restore_metadata"] = json!({});
    let changed = script();
    changed.update::<RestoreTestingPlan>("p_e_s_it", from.clone(), with_only_selections(&with(&later))).await.unwrap();
    assert_eq!(writes(&changed), [format!("PUT {one}"), format!("DELETE {PLAN}/selections/gone")]);
    let sent = body(&changed, &format!("PUT {one}"))["RestoreTestingSelection"].clone();
    assert_eq!((&sent["ValidationWindowHours"], &sent["RestoreMetadataOverrides"]), (&json!(8), &json!({})));
    let same = script();
    same.update::<RestoreTestingPlan>("p_e_s_it", from.clone(), with_only_selections(&with(&own))).await.unwrap();
    assert_eq!(writes(&same), [format!("DELETE {PLAN}/selections/gone")]);
    let (_, other) = disks("EC2", &json!(["*"]));
    let anew = script();
    anew.update::<RestoreTestingPlan>("p_e_s_it", from, with_only_selections(&with(&other))).await.unwrap();
    assert_eq!(
        writes(&anew),
        [format!("DELETE {one}"), format!("PUT {PLAN}/selections"), format!("DELETE {PLAN}/selections/gone")]
    );
}

/// So that nothing but the selections differs.
fn with_only_selections(spec: &Value) -> Value {
    json!({"schedule": "cron(0 5 ? * * *)", "recovery_points": spec["recovery_points"], "selections": spec["selections"]})
}

#[tokio::test]
async fn a_plan_goes_after_its_selections() {
    let (there, _) = disks("EBS", &json!(["*"]));
    let script = standing(&[there]).answer(&format!("DELETE {PLAN}/selections/disks"), 200, "").answer(
        &format!("DELETE {PLAN}"),
        200,
        "",
    );
    script.delete_owned::<RestoreTestingPlan>("p_e_s_it", spec(), Some(owner())).await.unwrap();
    let writes: Vec<String> = script.operations().into_iter().filter(|o| o.starts_with("DELETE")).collect();
    assert_eq!(writes, [format!("DELETE {PLAN}/selections/disks"), format!("DELETE {PLAN}")]);
}

#[tokio::test]
async fn a_creating_call_whose_answer_is_lost_makes_one_plan() {
    let lost = standing(&[]).lost(PLANS);
    assert_eq!(lost.create::<RestoreTestingPlan>(spec()).await.unwrap().id, "p_e_s_it");
    assert_eq!(lost.asked(PLANS).len(), 1, "it is seen, and not made again");
    // Killed there: the next run finds it by its tags and makes nothing; if it does not see it, the name is taken.
    assert_eq!(lost.read::<RestoreTestingPlan>().await.unwrap()[0].owner, Some(owner()));
    let taken = r#"{"__type": "AlreadyExistsException", "message": "it is there"}"#;
    let again = standing(&[]).answer(PLANS, 400, taken);
    assert_eq!(again.create::<RestoreTestingPlan>(spec()).await.unwrap().id, "p_e_s_it");
    let theirs = Script::default().answer(TAGS, 200, r#"{"Tags": {}}"#).with(standing(&[]).answer(PLANS, 400, taken));
    let refused = theirs.create::<RestoreTestingPlan>(spec()).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("AlreadyExistsException"));
}

#[tokio::test]
async fn a_selection_whose_creating_call_is_lost_is_there_once() {
    let (_, own) = disks("EBS", &json!(["*"]));
    let mut wanted = spec();
    wanted["selections"] = json!({"disks": own});
    let put = format!("PUT {PLAN}/selections");
    let taken = r#"{"__type": "AlreadyExistsException", "message": "it is there"}"#;
    let script = standing(&[]).answer(PLANS, 200, &done()).lost(&put).answer(&put, 400, taken).answer(
        &format!("{put}/disks"),
        200,
        &done(),
    );
    script.create::<RestoreTestingPlan>(wanted.clone()).await.unwrap();
    let sent = script.asked(&put);
    assert!(sent.len() == 2 && sent[0] == sent[1], "the same request with the same token: {sent:?}");
    // Killed before it: the plan is there, its selections differ, and the next run makes them.
    let found = standing(&[]).read::<RestoreTestingPlan>().await.unwrap().remove(0);
    assert_eq!(found.spec.get("selections"), Some(&json!({})));
    let next = standing(&[]).answer(&put, 200, &done());
    next.update_object::<RestoreTestingPlan>(found, with_only_selections(&wanted)).await.unwrap();
    assert_eq!(next.asked(&put).len(), 1);
    assert!(next.asked(&format!("PUT {PLAN}")).is_empty() && next.asked(PLANS).is_empty());
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_written_again_as_it_was() {
    let (there, own) = disks("EBS", &json!(["*"]));
    let mut later = spec();
    later["start_window"] = json!("24h");
    later["selections"] = json!({"disks": own});
    later["selections"]["disks"]["validation_window"] = json!("9h");
    let operations = [format!("PUT {PLAN}"), format!("PUT {PLAN}/selections/disks")];
    let mut script = standing(std::slice::from_ref(&there));
    for operation in &operations {
        script = script.lost(operation).answer(operation, 200, &done());
    }
    script.update::<RestoreTestingPlan>("p_e_s_it", spec(), later).await.unwrap();
    for operation in &operations {
        let sent = script.asked(operation);
        assert!(sent.len() == 2 && sent[0] == sent[1], "{operation}: {sent:?}");
    }
}

#[tokio::test]
async fn a_deletion_whose_answer_is_lost_ends_well() {
    let (there, _) = disks("EBS", &json!(["*"]));
    let (selection, plan) = (format!("DELETE {PLAN}/selections/disks"), format!("DELETE {PLAN}"));
    let none = json!({"RestoreTestingPlans": []}).to_string();
    let there = standing(&[there]);
    let now = format!("{}", json!({"RestoreTestingPlans": [self::plan()]}));
    let script = Script::default()
        .answer(LIST, 200, &now)
        .answer(LIST, 200, &none)
        .lost(&selection)
        .answer(&selection, 400, GONE)
        .lost(&plan)
        .answer(&plan, 400, GONE)
        .with(there);
    script.delete_owned::<RestoreTestingPlan>("p_e_s_it", spec(), Some(owner())).await.unwrap();
    assert_eq!((script.asked(&selection).len(), script.asked(&plan).len()), (2, 2));
    // And a run after that has nothing to do.
    script.delete_owned::<RestoreTestingPlan>("p_e_s_it", spec(), Some(owner())).await.unwrap();
    assert_eq!(script.asked(&plan).len(), 2);
}

#[tokio::test]
async fn all_pages_are_read() {
    let first = json!({"RestoreTestingPlans": [], "NextToken": "more"}).to_string();
    let second = "GET /restore-testing/plans?MaxResults=1000&NextToken=more";
    let (there, _) = disks("EBS", &json!(["*"]));
    let (of, more) = (
        json!({"RestoreTestingSelections": [], "NextToken": "more"}).to_string(),
        format!("{SELECTIONS}&NextToken=more"),
    );
    let script = Script::default()
        .answer(LIST, 200, &first)
        .answer(second, 200, &json!({"RestoreTestingPlans": [plan()]}).to_string())
        .answer(SELECTIONS, 200, &of)
        .answer(&more, 200, &json!({"RestoreTestingSelections": [there]}).to_string())
        .answer("GetResources", 200, &index(&[ARN]))
        .with(standing(std::slice::from_ref(&there)));
    let found = script.read::<RestoreTestingPlan>().await.unwrap();
    assert!(found.len() == 1 && found[0].spec["selections"].get("disks").is_some(), "{found:#?}");
}
