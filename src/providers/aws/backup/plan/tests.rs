use serde_json::{Value, json};

use super::*;
use crate::providers::aws::backup::tests::{index, tags_answer};
use crate::providers::aws::script::{Script, owner};

const ARN: &str = "arn:aws:backup:r:1:backup-plan:plan-1";
const LIST: &str = "GET /backup/plans?maxResults=1000";
const PLAN: &str = "/backup/plans/plan-1";
const SELECTIONS: &str = "GET /backup/plans/plan-1/selections?maxResults=1000";

/// The rule `daily` as the API gives it, with further members.
fn rule(more: &Value) -> Value {
    let mut rule = json!({"RuleName": "daily", "TargetBackupVaultName": "main", "RuleId": "r-1",
        "ScheduleExpression": "cron(0 4 ? * * *)", "ScheduleExpressionTimezone": "Asia/Tokyo",
        "StartWindowMinutes": 480, "CompletionWindowMinutes": 10_080});
    rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    rule
}

fn plan(version: &str, rule: &Value, more: &Value) -> String {
    let mut plan = json!({"BackupPlanName": "p-e-s-it", "Rules": [rule]});
    plan.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"BackupPlan": plan, "BackupPlanId": "plan-1", "BackupPlanArn": ARN, "VersionId": version}).to_string()
}

fn script(there: &str) -> Script {
    let list = json!({"BackupPlansList": [{"BackupPlanId": "plan-1", "BackupPlanArn": ARN, "VersionId": "v1",
        "BackupPlanName": "p-e-s-it", "CreationDate": 1.0}]});
    Script::default()
        .answer("GetResources", 200, &index(&[ARN]))
        .answer("GET /tags/arn%3Aaws%3Abackup%3Ar%3A1%3Abackup-plan%3Aplan-1", 200, &tags_answer())
        .answer(LIST, 200, &list.to_string())
        .answer(&format!("GET {PLAN}"), 200, there)
        .answer("PUT /backup/plans", 200, &json!({"BackupPlanId": "plan-1", "BackupPlanArn": ARN}).to_string())
        .answer(&format!("POST {PLAN}"), 200, &json!({"BackupPlanId": "plan-1", "VersionId": "v2"}).to_string())
}

/// A script in which the plan has these selections: id, name, ARN that it names.
fn with_selections(mut script: Script, all: &[(&str, &str, &str)]) -> Script {
    let list: Vec<Value> = all.iter().map(|(id, name, _)| json!({"SelectionId": id, "SelectionName": name})).collect();
    script = script.answer(SELECTIONS, 200, &json!({"BackupSelectionsList": list}).to_string());
    for (id, name, arn) in all {
        let body = json!({"SelectionName": name, "IamRoleArn": "arn:role", "Resources": [arn]});
        let get = format!("GET {PLAN}/selections/{id}");
        script = script.answer(&get, 200, &json!({"BackupSelection": body, "SelectionId": id}).to_string());
        script = script.answer(&format!("DELETE {PLAN}/selections/{id}"), 200, "");
    }
    script.answer(&format!("PUT {PLAN}/selections"), 200, &json!({"SelectionId": "new"}).to_string())
}

fn daily() -> Value {
    json!({"vault": {"id": "main"}, "schedule": "cron(0 4 ? * * *)", "time_zone": "Asia/Tokyo"})
}

fn selecting(arn: &str) -> Value {
    json!({"daily": {"role": {"id": "arn:role"}, "resources": [arn], "not_resources": [], "tags": [],
        "conditions": {"equals": [], "not_equals": [], "like": [], "not_like": []}}})
}

fn problems(spec: Value) -> Vec<String> {
    let mut problems = Problems::default();
    BackupPlan::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
    problems.0.into_iter().map(|p| p.path).collect()
}

#[test]
fn what_the_service_would_refuse_is_refused_before() {
    let rule = |more: &Value| {
        let mut rule = daily();
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        problems(json!({"rules": {"daily": rule}}))
    };
    assert!(rule(&json!({"lifecycle": {"cold_after": "30d", "delete_after": "120d"}})).is_empty());
    assert!(rule(&json!({"continuous": true, "lifecycle": {"delete_after": "35d", "cold_after": "0s"}})).is_empty());
    assert_eq!(
        rule(&json!({"lifecycle": {"cold_after": "30d", "delete_after": "119d"}})),
        ["rules.daily.lifecycle.delete_after"]
    );
    assert_eq!(rule(&json!({"continuous": true, "lifecycle": {"delete_after": "36d"}})), ["rules.daily.lifecycle"]);
    assert_eq!(rule(&json!({"start_window": "30m"})), ["rules.daily.start_window"]);
    assert_eq!(rule(&json!({"start_window": "2h", "completion_window": "2h"})), ["rules.daily.completion_window"]);
    assert_eq!(rule(&json!({"schedule": "daily"})), ["rules.daily.schedule"]);
    assert_eq!(rule(&json!({"copies": [{"vault": {"id": "main"}}]})), ["rules.daily.copies.0.vault"]);
    assert_eq!(problems(json!({"rules": {}})), ["rules"]);
    assert_eq!(problems(json!({"rules": {"毎日": daily()}})), ["rules.毎日"]);
    let select =
        |name: &str, selection: Value| problems(json!({"rules": {"daily": daily()}, "selections": {name: selection}}));
    assert_eq!(select("a", json!({"role": {"id": "r"}})), ["selections.a"]);
    assert_eq!(select("a.1", json!({"role": {"id": "r"}, "resources": ["*"]})), ["selections.a.1"]);
    let many: Vec<String> = (0..31).map(|i| format!("arn:{i}:*")).collect();
    assert_eq!(select("a", json!({"role": {"id": "r"}, "resources": many})), ["selections.a.resources"]);
}

#[tokio::test]
async fn every_field_of_a_rule_reaches_the_service_and_comes_back() {
    let whole = json!({
        "Lifecycle": {"MoveToColdStorageAfterDays": 30, "DeleteAfterDays": 365, "OptInToArchiveForSupportedResources": true},
        "EnableContinuousBackup": false, "RecoveryPointTags": {"用途": "夜間"},
        "TargetLogicallyAirGappedBackupVaultArn": "arn:gapped",
        "CopyActions": [{"DestinationBackupVaultArn": "arn:osaka", "Lifecycle": {"DeleteAfterDays": 30}}],
        "IndexActions": [{"ResourceTypes": ["EBS"]}],
        "ScanActions": [{"MalwareScanner": "GUARDDUTY", "ScanMode": "INCREMENTAL_SCAN"}],
    });
    let settings = json!({
        "AdvancedBackupSettings": [{"ResourceType": "EC2", "BackupOptions": {"WindowsVSS": "enabled"}},
            {"ResourceType": "S3", "BackupOptions": {"BackupACLs": "disabled"}}],
        "ScanSettings": [{"MalwareScanner": "GUARDDUTY", "ScannerRoleArn": "arn:scanner", "ResourceTypes": ["EBS", "S3"]}],
    });
    let script = with_selections(script(&plan("v1", &rule(&whole), &settings)), &[]);
    let mut wanted = daily();
    wanted.as_object_mut().unwrap().extend(
        json!({
            "lifecycle": {"cold_after": "30d", "delete_after": "365d", "archive": true},
            "continuous": false, "recovery_point_tags": {"用途": "夜間"}, "air_gapped_vault": "arn:gapped",
            "copies": [{"vault": {"id": "arn:osaka"},
                "lifecycle": {"cold_after": "0s", "delete_after": "30d", "archive": false}}],
            "index": ["ebs"], "malware_scans": ["incremental"], "start_window": "8h", "completion_window": "7d",
        })
        .as_object()
        .unwrap()
        .clone(),
    );
    let spec = json!({"rules": {"daily": wanted}, "windows_vss": true, "s3_acls": false, "s3_object_tags": true,
        "malware_scanners": [{"role": {"id": "arn:scanner"}, "types": ["ebs", "s3"]}]});
    let object = script.create::<BackupPlan>(spec.clone()).await.unwrap();
    for field in ["rules", "windows_vss", "s3_acls", "s3_object_tags", "malware_scanners"] {
        assert_eq!(object.spec[field], spec[field], "{field}");
    }
    let sent: Value = serde_json::from_str(&script.asked("PUT /backup/plans").join("")).unwrap();
    let mut expected = rule(&whole);
    expected.as_object_mut().unwrap().remove("RuleId");
    assert_eq!(sent["BackupPlan"]["Rules"], json!([expected]));
    for member in ["AdvancedBackupSettings", "ScanSettings"] {
        assert_eq!(sent["BackupPlan"][member], settings[member], "{member}");
    }
    assert_eq!(
        (&sent["CreatorRequestId"], &sent["BackupPlanTags"]["saiken:address"]),
        (&json!("token"), &json!("s/it"))
    );
}

#[tokio::test]
async fn a_change_leaves_alone_what_is_not_declared() {
    let there =
        json!({"Lifecycle": {"DeleteAfterDays": 35}, "RecoveryPointTags": {"a": "1"}, "StartWindowMinutes": 60});
    let settings =
        json!({"AdvancedBackupSettings": [{"ResourceType": "EC2", "BackupOptions": {"WindowsVSS": "enabled"}}]});
    let script = with_selections(script(&plan("v1", &rule(&there), &settings)), &[]);
    let mut later = daily();
    later["schedule"] = json!("cron(0 5 ? * * *)");
    let of = |rule: Value| json!({"rules": {"daily": rule}});
    script.update::<BackupPlan>("plan-1", of(daily()), of(later)).await.unwrap();
    let sent: Value = serde_json::from_str(&script.asked(&format!("POST {PLAN}")).join("")).unwrap();
    let sent = &sent["BackupPlan"];
    assert_eq!(sent["BackupPlanName"], "p-e-s-it", "it keeps its name");
    assert_eq!(sent["AdvancedBackupSettings"], settings["AdvancedBackupSettings"]);
    let rule = &sent["Rules"][0];
    assert_eq!(rule["ScheduleExpression"], "cron(0 5 ? * * *)");
    for member in ["Lifecycle", "RecoveryPointTags", "StartWindowMinutes"] {
        assert_eq!(rule[member], there[member], "{member}");
    }
}

#[tokio::test]
async fn days_that_are_taken_away_are_not_sent() {
    let there = json!({"Lifecycle": {"DeleteAfterDays": 35, "MoveToColdStorageAfterDays": 1}});
    let script = with_selections(script(&plan("v1", &rule(&there), &json!({}))), &[]);
    let of = |days: &str| {
        let mut rule = daily();
        rule["lifecycle"] = json!({"delete_after": days, "cold_after": "0s"});
        json!({"rules": {"daily": rule}})
    };
    script.update::<BackupPlan>("plan-1", of("35d"), of("0s")).await.unwrap();
    let sent: Value = serde_json::from_str(&script.asked(&format!("POST {PLAN}")).join("")).unwrap();
    assert!(sent["BackupPlan"]["Rules"][0].get("Lifecycle").is_none(), "kept for ever: {sent}");
}

#[tokio::test]
async fn a_version_whose_answer_was_lost_is_written_once() {
    let of = |schedule: &str| json!({"rules": {"daily": {"vault": {"id": "main"}, "schedule": schedule}}});
    let lost = |now: &str| {
        let script = Script::default()
            .answer(&format!("GET {PLAN}"), 200, &plan("v1", &rule(&json!({})), &json!({})))
            .answer(&format!("GET {PLAN}"), 200, &plan(now, &rule(&json!({})), &json!({})))
            .lost(&format!("POST {PLAN}"));
        with_selections(script, &[])
    };
    let update = |script: Script| async move {
        let done = script.update::<BackupPlan>("plan-1", of("rate(1 day)"), of("rate(12 hours)")).await;
        (done, script.asked(&format!("POST {PLAN}")).len())
    };
    let written = lost("v2").answer(
        LIST,
        200,
        &json!({"BackupPlansList": [{"BackupPlanId": "plan-1",
        "BackupPlanArn": ARN, "CreationDate": 1.0}]})
        .to_string(),
    );
    let written = written.answer("GetResources", 200, &index(&[])).answer(
        "GET /tags/arn%3Aaws%3Abackup%3Ar%3A1%3Abackup-plan%3Aplan-1",
        200,
        &tags_answer(),
    );
    let (done, times) = update(written).await;
    assert!(done.is_ok() && times == 1, "{done:?} {times}");
    let (done, times) = update(lost("v1")).await;
    assert_eq!((done.unwrap_err().class, times), (ErrorClass::Unanswered, 1), "the next run writes it");
}

#[tokio::test]
async fn a_changed_selection_is_made_before_the_old_one_goes() {
    let base = || script(&plan("v1", &rule(&json!({})), &json!({})));
    let of = |arn: &str| json!({"rules": {"daily": daily()}, "selections": selecting(arn)});
    let writes = |script: &Script| -> Vec<String> {
        let all = script.operations().into_iter();
        all.filter(|o| o.contains("/selections") && !o.starts_with("GET")).collect()
    };
    let put = format!("PUT {PLAN}/selections");
    for (there, name) in [("daily", "daily.1"), ("daily.1", "daily")] {
        let script = with_selections(base(), &[("s-1", there, "arn:old")]);
        script.update::<BackupPlan>("plan-1", of("arn:old"), of("arn:new")).await.unwrap();
        assert_eq!(writes(&script), [put.clone(), format!("DELETE {PLAN}/selections/s-1")]);
        let sent: Value = serde_json::from_str(&script.asked(&put).join("")).unwrap();
        assert_eq!(sent["BackupSelection"]["SelectionName"], name);
        assert_eq!(sent["BackupSelection"]["Resources"], json!(["arn:new"]));
    }
    // A run that ended between the two: the old one goes, nothing is made.
    let both = with_selections(base(), &[("s-1", "daily", "arn:old"), ("s-2", "daily.1", "arn:new")]);
    let read = both.read::<BackupPlan>().await.unwrap();
    let names: Vec<&String> = read[0].spec["selections"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["daily", "daily.1"], "the read shows that two are there");
    both.update::<BackupPlan>("plan-1", of("arn:old"), of("arn:new")).await.unwrap();
    assert_eq!(writes(&both), [format!("DELETE {PLAN}/selections/s-1")]);
    // And both are old: one of them goes on until the new one is there.
    let both = with_selections(base(), &[("s-1", "daily", "arn:old"), ("s-2", "daily.1", "arn:older")]);
    both.update::<BackupPlan>("plan-1", of("arn:old"), of("arn:new")).await.unwrap();
    let delete = |id: &str| format!("DELETE {PLAN}/selections/{id}");
    assert_eq!(writes(&both), [delete("s-2"), put, delete("s-1")]);
}

#[tokio::test]
async fn conditions_and_tags_reach_the_service_and_come_back() {
    let api = json!({"SelectionName": "daily", "IamRoleArn": "arn:role", "NotResources": ["arn:not"],
        "ListOfTags": [{"ConditionType": "STRINGEQUALS", "ConditionKey": "backup", "ConditionValue": "daily"}],
        "Conditions": {"StringEquals": [{"ConditionKey": "aws:ResourceTag/env", "ConditionValue": "prod"}],
            "StringNotEquals": [{"ConditionKey": "aws:ResourceTag/環境", "ConditionValue": "試験"}],
            "StringLike": [{"ConditionKey": "aws:ResourceTag/team", "ConditionValue": "a*"}],
            "StringNotLike": [{"ConditionKey": "aws:ResourceTag/team", "ConditionValue": "ab*"}]}});
    let list = json!({"BackupSelectionsList": [{"SelectionId": "s-1", "SelectionName": "daily"}]}).to_string();
    let script = script(&plan("v1", &rule(&json!({})), &json!({})))
        .answer(SELECTIONS, 200, r#"{"BackupSelectionsList": []}"#)
        .answer(SELECTIONS, 200, &list)
        .answer(&format!("GET {PLAN}/selections/s-1"), 200, &json!({"BackupSelection": api}).to_string())
        .answer(&format!("PUT {PLAN}/selections"), 400, r#"{"__type": "InvalidParameterValueException", "message": "IAM Role arn:role cannot be assumed by AWS Backup"}"#)
        .answer(&format!("PUT {PLAN}/selections"), 200, r#"{"SelectionId": "s-1"}"#);
    let one = |key: &str, value: &str| json!([{"key": key, "value": value}]);
    let selections = json!({"daily": {"role": {"id": "arn:role"}, "resources": [], "not_resources": ["arn:not"],
        "tags": one("backup", "daily"),
        "conditions": {"equals": one("env", "prod"), "not_equals": one("環境", "試験"), "like": one("team", "a*"),
            "not_like": one("team", "ab*")}}});
    let spec = json!({"rules": {"daily": daily()}, "selections": selections});
    let object = script.create::<BackupPlan>(spec).await.unwrap();
    assert_eq!(object.spec["selections"], selections);
    let sent = script.asked(&format!("PUT {PLAN}/selections"));
    assert_eq!(sent.len(), 2, "a role that is not known yet is waited for");
    let sent: Value = serde_json::from_str(&sent[1]).unwrap();
    assert_eq!(sent["BackupSelection"], api);
}

#[tokio::test]
async fn a_selection_that_was_made_by_the_lost_call_is_taken_for_it() {
    let mut script = script(&plan("v1", &rule(&json!({})), &json!({})))
        .answer(SELECTIONS, 200, r#"{"BackupSelectionsList": []}"#)
        .answer(&format!("PUT {PLAN}/selections"), 0, "")
        .answer(
            &format!("PUT {PLAN}/selections"),
            400,
            r#"{"__type": "AlreadyExistsException", "message": "it is there"}"#,
        );
    script = with_selections(script, &[("s-1", "daily", "arn:one")]);
    let spec = json!({"rules": {"daily": daily()}, "selections": selecting("arn:one")});
    assert_eq!(script.create::<BackupPlan>(spec).await.unwrap().id, "plan-1");
    let sent = script.asked(&format!("PUT {PLAN}/selections"));
    assert!(sent.len() == 2 && sent[0] == sent[1], "the same request, with the same token: {sent:?}");
}

#[tokio::test]
async fn selections_go_before_their_plan_and_what_is_gone_already_is_no_error() {
    let gone = r#"{"__type": "ResourceNotFoundException", "message": "gone"}"#;
    let script = with_selections(script(&plan("v1", &rule(&json!({})), &json!({}))), &[("s-1", "daily", "arn:one")])
        .answer(&format!("DELETE {PLAN}"), 200, "{}");
    let delete = |script: Script| async move {
        script.delete_owned::<BackupPlan>("plan-1", json!({"rules": {}}), Some(owner())).await.map(|()| script)
    };
    let script = delete(script).await.unwrap();
    let writes: Vec<String> = script.operations().into_iter().filter(|o| o.starts_with("DELETE")).collect();
    assert_eq!(writes, [format!("DELETE {PLAN}/selections/s-1"), format!("DELETE {PLAN}")]);
    let list =
        Script::default().answer(LIST, 200, r#"{"BackupPlansList": []}"#).answer("GetResources", 200, &index(&[]));
    delete(list).await.unwrap();
    let half = with_selections(self::script(&plan("v1", &rule(&json!({})), &json!({}))), &[]).answer(
        &format!("DELETE {PLAN}"),
        400,
        gone,
    );
    assert!(delete(half).await.is_err(), "it is still in the list: nothing is concluded");
}

#[tokio::test]
async fn a_plan_that_is_deleted_is_not_there_though_the_service_still_tells_of_it() {
    let deleted = json!({"BackupPlan": {"BackupPlanName": "x", "Rules": []}, "DeletionDate": 1.0}).to_string();
    let script = with_selections(script(&deleted), &[]);
    assert!(script.read::<BackupPlan>().await.unwrap().is_empty());
}
