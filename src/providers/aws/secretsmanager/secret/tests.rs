use serde_json::{Value, json};

use super::*;
use crate::model::kind::KindDef;
use crate::providers::aws::script::Script;

const ARN: &str = "arn:aws:secretsmanager:ap-northeast-1:1:secret:own-AbCdEf";

fn error(code: &str, message: &str) -> String {
    json!({"__type": code, "message": message}).to_string()
}

fn scheduled() -> String {
    let message = "You can't create this secret because a secret with this name is already scheduled for deletion.";
    error("InvalidRequestException", message)
}

fn tags(project: &str) -> Value {
    let tags = [("project", project), ("environment", "e"), ("address", "s/it"), ("generation", "1")];
    json!(tags.map(|(k, v)| json!({"Key": format!("saiken:{k}"), "Value": v})))
}

fn secret(project: &str, more: &Value) -> Value {
    let mut secret = json!({"ARN": ARN, "Name": "own", "Tags": tags(project)});
    secret.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    secret
}

/// Everything succeeds; the secret is described so.
fn script(described: &Value) -> Script {
    let mut script = Script::default()
        .answer("DescribeSecret", 200, &described.to_string())
        .answer("GetResourcePolicy", 200, "{}")
        .answer("GetRandomPassword", 200, r#"{"RandomPassword": "made-by-chance"}"#);
    for operation in [
        "UpdateSecret",
        "ReplicateSecretToRegions",
        "RemoveRegionsFromReplication",
        "PutResourcePolicy",
        "DeleteResourcePolicy",
        "RotateSecret",
        "CancelRotateSecret",
        "RestoreSecret",
        "TagResource",
        "UntagResource",
        "DeleteSecret",
    ] {
        script = script.answer(operation, 200, "{}");
    }
    script
}

fn made(script: Script) -> Script {
    script.answer("CreateSecret", 200, &json!({"ARN": ARN}).to_string())
}

fn asked(script: &Script, operation: &str) -> Vec<Value> {
    script.asked(operation).iter().map(|body| serde_json::from_str(body).unwrap()).collect()
}

#[tokio::test]
async fn a_value_is_generated_once_and_goes_straight_to_the_api() {
    let script = made(script(&secret("p", &json!({}))));
    let spec = json!({"generate": {"length": 40, "without": "\"@", "punctuation": false, "spaces": true}});
    let object = script.create::<Secret>(spec.clone()).await.unwrap();
    let random = &asked(&script, "GetRandomPassword")[0];
    let expected = json!({
        "PasswordLength": 40, "ExcludeCharacters": "\"@", "ExcludeLowercase": false, "ExcludeUppercase": false,
        "ExcludeNumbers": false, "ExcludePunctuation": true, "IncludeSpace": true, "RequireEachIncludedType": true,
    });
    assert_eq!(random, &expected);
    let create = &asked(&script, "CreateSecret")[0];
    assert_eq!((&create["SecretString"], &create["ClientRequestToken"]), (&json!("made-by-chance"), &json!("token")));
    assert!(object.spec.get("value").is_none() && object.spec.get("generate").is_none(), "{:?}", object.spec);
    let mut other = spec.clone();
    other["generate"]["length"] = json!(50);
    script.update::<Secret>(ARN, spec, other).await.unwrap();
    assert!(script.asked("UpdateSecret").is_empty(), "it is made once");
}

#[tokio::test]
async fn another_value_is_another_version_under_the_token_of_the_plan() {
    let script = script(&secret("p", &json!({})));
    script.update::<Secret>(ARN, json!({}), json!({"value": "next"})).await.unwrap();
    let update = &asked(&script, "UpdateSecret")[0];
    assert_eq!((&update["SecretString"], &update["ClientRequestToken"]), (&json!("next"), &json!("token")));
    assert!(update.get("Description").is_none() && update.get("KmsKeyId").is_none(), "{update}");
}

#[tokio::test]
async fn a_creating_call_without_answer_is_made_again_under_the_same_token() {
    let script = made(script(&secret("p", &json!({}))).lost("CreateSecret"));
    script.create::<Secret>(json!({"value": "one"})).await.unwrap();
    let calls = script.asked("CreateSecret");
    assert_eq!((calls.len(), &calls[0]), (2, &calls[1]));
}

#[tokio::test]
async fn a_name_that_is_ours_is_taken_as_made_and_anybody_elses_is_refused() {
    let taken = error("ResourceExistsException", "The operation failed because the secret own already exists.");
    let of = |project: &str| script(&secret(project, &json!({}))).answer("CreateSecret", 400, &taken);
    assert_eq!(of("p").create::<Secret>(json!({"name": "own", "value": "x"})).await.unwrap().id, ARN);
    let refused = of("another").create::<Secret>(json!({"name": "own", "value": "x"})).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Conflict);
}

#[tokio::test]
async fn a_deleted_secret_of_the_same_resource_is_brought_back_and_made_as_declared() {
    let old = json!({"DeletedDate": 1_790_000_000, "Description": "old"});
    let mut before = secret("p", &old);
    before["Tags"].as_array_mut().unwrap().push(json!({"Key": "gone", "Value": "1"}));
    let script = Script::default()
        // By create_once's look, by the restoration, and then as it is again.
        .answer("DescribeSecret", 200, &before.to_string());
    let script = made_after(script, &secret("p", &json!({})));
    let spec = json!({"name": "own", "value": "new", "description": "今度の", "policy": {}, "recovery_window": "7d"});
    let object = script.create::<Secret>(spec).await.unwrap();
    assert_eq!((object.id.as_str(), script.asked("RestoreSecret").len()), (ARN, 1));
    let update = &asked(&script, "UpdateSecret")[0];
    assert_eq!((&update["SecretString"], &update["Description"]), (&json!("new"), &json!("今度の")));
    assert_eq!(asked(&script, "UntagResource")[0]["TagKeys"], json!(["gone"]));
    let written = asked(&script, "TagResource").pop().unwrap();
    assert!(written["Tags"].as_array().unwrap().contains(&json!({"Key": WINDOW, "Value": "7d"})), "{written}");
}

/// The name is that of a deleted secret; everything else succeeds.
fn made_after(script: Script, described: &Value) -> Script {
    let mut script = script
        .answer("DescribeSecret", 200, &described.to_string())
        .answer("CreateSecret", 400, &scheduled())
        .answer("GetResourcePolicy", 200, "{}");
    for operation in ["UpdateSecret", "RestoreSecret", "TagResource", "UntagResource", "DeleteResourcePolicy"] {
        script = script.answer(operation, 200, "{}");
    }
    script
}

#[tokio::test]
async fn a_deleted_secret_of_anybody_else_keeps_its_name_and_the_error_says_what_to_do() {
    let deleted = secret("another", &json!({"DeletedDate": 1_790_000_000}));
    let script = made_after(Script::default(), &deleted);
    let refused = script.create::<Secret>(json!({"name": "own", "value": "x"})).await.unwrap_err();
    for part in ["scheduled for deletion", "restore-secret", "--force-delete-without-recovery", "adopt: arn:"] {
        assert!(refused.message.contains(part), "{part}: {refused}");
    }
    assert!(script.asked("RestoreSecret").is_empty());
}

#[tokio::test]
async fn rotation_is_written_read_back_changed_and_ended() {
    let rules = json!({"ScheduleExpression": "cron(0 16 1 * ? *)", "Duration": "2h", "AutomaticallyAfterDays": 31});
    let described =
        secret("p", &json!({"RotationEnabled": true, "RotationLambdaARN": "arn:f", "RotationRules": rules}));
    let script = made(script(&described));
    let by =
        json!({"enabled": true, "function": "arn:f", "every": "0s", "schedule": "cron(0 16 1 * ? *)", "window": "2h"});
    let object = script.create::<Secret>(json!({"rotation": by, "rotate_at_once": false})).await.unwrap();
    assert_eq!(object.spec["rotation"], by);
    let asked_for = &asked(&script, "RotateSecret")[0];
    assert_eq!(asked_for["RotationRules"], json!({"ScheduleExpression": "cron(0 16 1 * ? *)", "Duration": "2h"}));
    assert_eq!((&asked_for["RotationLambdaARN"], &asked_for["RotateImmediately"]), (&json!("arn:f"), &json!(false)));
    assert_ne!(asked_for["ClientRequestToken"], "token", "that is the version of the value");
    let days = json!({"function": "arn:g", "every": "30d"});
    script.update::<Secret>(ARN, json!({"rotation": by}), json!({"rotation": days})).await.unwrap();
    let again = &asked(&script, "RotateSecret")[1];
    assert_eq!(again["RotationRules"], json!({"AutomaticallyAfterDays": 30}));
    assert_eq!(again["RotateImmediately"], true);
    let off = json!({"rotation": {"enabled": false}});
    script.update::<Secret>(ARN, json!({"rotation": days}), off).await.unwrap();
    assert_eq!(script.asked("CancelRotateSecret").len(), 1);
    assert_eq!(found(&SecretListEntry::builder().build()).spec.rotation, Some(Rotation::off()));
}

#[tokio::test]
async fn copies_are_added_before_others_go_and_one_with_another_key_is_made_anew() {
    let copy = |region: &str, key: &str| json!({"Region": region, "KmsKeyId": key, "Status": "InSync"});
    let default = "arn:aws:kms:us-east-1:1:alias/aws/secretsmanager";
    let described = secret(
        "p",
        &json!({"ReplicationStatus": [
            copy("us-east-1", default), copy("us-west-2", "arn:k1"), copy("eu-west-1", "arn:k"),
        ]}),
    );
    let script = script(&described);
    let wanted =
        json!([{"region": "us-east-1"}, {"region": "us-west-2", "key": {"id": "arn:k2"}}, {"region": "eu-north-1"}]);
    let object = script.update::<Secret>(ARN, json!({}), json!({"replicas": wanted})).await.unwrap();
    let adds = asked(&script, "ReplicateSecretToRegions");
    assert_eq!(adds[0]["AddReplicaRegions"], json!([{"Region": "eu-north-1"}]));
    assert_eq!(adds[1]["AddReplicaRegions"], json!([{"Region": "us-west-2", "KmsKeyId": "arn:k2"}]));
    let gone = &asked(&script, "RemoveRegionsFromReplication")[0]["RemoveReplicaRegions"];
    assert_eq!(gone, &json!(["us-west-2", "eu-west-1"]));
    assert_eq!(object.spec["replicas"][0], json!({"region": "us-east-1"}), "the account's own key is none");
}

#[tokio::test]
async fn a_copy_is_waited_for_and_one_that_fails_is_an_error() {
    let with = |status: &str| {
        let copy = json!({"Region": "us-east-1", "Status": status, "StatusMessage": "the name is taken there"});
        secret("p", &json!({"ReplicationStatus": [copy]})).to_string()
    };
    let spec = json!({"value": "x", "replicas": [{"region": "us-east-1"}]});
    let waiting = Script::default().answer("DescribeSecret", 200, &with("InProgress"));
    let waiting = made(waiting.answer("DescribeSecret", 200, &with("InSync")).answer("GetResourcePolicy", 200, "{}"));
    waiting.create::<Secret>(spec.clone()).await.unwrap();
    let failing = made(Script::default().answer("DescribeSecret", 200, &with("Failed")));
    let failed = failing.create::<Secret>(spec).await.unwrap_err();
    assert!(failed.message.contains("us-east-1: the name is taken there"), "{failed}");
}

#[tokio::test]
async fn copies_go_before_the_secret_which_is_kept_for_its_window() {
    let described = secret("p", &json!({"ReplicationStatus": [{"Region": "us-east-1", "Status": "InSync"}]}));
    let mut nobody = described.clone();
    nobody["Tags"] = json!([]);
    let mut alone = nobody.clone();
    alone["ReplicationStatus"] = json!([]);
    // Read before the deletion, then by it, then twice while it waits.
    let script = Script::default()
        .answer("DescribeSecret", 200, &nobody.to_string())
        .answer("DescribeSecret", 200, &nobody.to_string())
        .answer("DescribeSecret", 200, &nobody.to_string())
        .answer("DescribeSecret", 200, &alone.to_string())
        .answer("RemoveRegionsFromReplication", 200, "{}")
        .answer("DeleteSecret", 200, "{}");
    script.delete::<Secret>(ARN, json!({"recovery_window": "7d"})).await.unwrap();
    script.delete::<Secret>(ARN, json!({})).await.unwrap();
    let windows: Vec<Value> =
        asked(&script, "DeleteSecret").into_iter().map(|d| d["RecoveryWindowInDays"].clone()).collect();
    assert_eq!(windows, [json!(7), json!(30)]);
    assert_eq!(script.asked("RemoveRegionsFromReplication").len(), 1);
    let order = script.operations();
    let at = |name: &str| order.iter().position(|o| o == name).unwrap();
    assert!(at("RemoveRegionsFromReplication") < at("DeleteSecret"));
}

#[tokio::test]
async fn the_list_leaves_out_copies_of_other_regions_and_what_is_scheduled_for_deletion() {
    let one = |name: &str, more: Value| {
        let mut one = secret("p", &more);
        one["ARN"] = json!(format!("arn:{name}"));
        one
    };
    let first = json!({"SecretList": [
        one("own", json!({"PrimaryRegion": "ap-northeast-1"})), one("copy", json!({"PrimaryRegion": "us-east-1"})),
    ], "NextToken": "more"});
    let second = json!({"SecretList": [
        one("gone", json!({"DeletedDate": 1_790_000_000})), secret("another", &json!({})), one("plain", json!({})),
    ]});
    let script = script(&secret("p", &json!({}))).answer("ListSecrets", 200, &first.to_string()).answer(
        "ListSecrets",
        200,
        &second.to_string(),
    );
    let found = script.read::<Secret>().await.unwrap();
    let ids: Vec<&str> = found.iter().map(|o| o.id.as_str()).collect();
    assert_eq!(ids, ["arn:own", "arn:plain"]);
    let filters = &asked(&script, "ListSecrets")[0]["Filters"];
    let expected = json!([{"Key": "tag-key", "Values": ["saiken:environment"]}, {"Key": "tag-value", "Values": ["e"]}]);
    assert_eq!(filters, &expected);
}

#[test]
fn a_filter_that_the_api_would_refuse_is_left_out() {
    let owned = Selection::Owned { project: "再建", environment: "本番" };
    let filters = filters(&owned).unwrap();
    assert_eq!((filters.len(), filters[0].key()), (1, Some(&FilterNameStringType::TagKey)));
}

#[test]
fn what_the_api_would_refuse_is_said_before() {
    let problems = |spec: &Value| -> Vec<String> {
        let (_, problems) = KindDef::of::<Secret>().normalise(spec).unwrap();
        problems.0.into_iter().map(|p| p.path).collect()
    };
    let rotated = |fields: Value| {
        let mut rotation = json!({"function": "arn:f"});
        rotation.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({"rotation": rotation})
    };
    let all = [
        (json!({"name": "orders-AbCdEf"}), "name"),
        (json!({"value": "x", "generate": {}}), "generate"),
        (json!({"value": "漢".repeat(30_000)}), "value"),
        (
            json!({"generate": {"lower_case": false, "upper_case": false, "digits": false, "punctuation": false}}),
            "generate",
        ),
        (json!({"replicas": [{"region": "us-east-1"}, {"region": "us-east-1"}]}), "replicas.1.region"),
        (json!({"recovery_window": "6d"}), "recovery_window"),
        (json!({"recovery_window": "31d"}), "recovery_window"),
        (rotated(json!({})), "rotation.every"),
        (rotated(json!({"every": "36h"})), "rotation.every"),
        (rotated(json!({"every": "1d", "schedule": "rate(1 day)"})), "rotation.schedule"),
        (rotated(json!({"schedule": "monthly"})), "rotation.schedule"),
        (rotated(json!({"every": "1d", "window": "90m"})), "rotation.window"),
        (rotated(json!({"every": "1d", "function": "rotate"})), "rotation.function"),
        (rotated(json!({"enabled": false})), "rotation.enabled"),
    ];
    for (spec, at) in all {
        assert_eq!(problems(&spec), [at], "{spec}");
    }
    let mut both = rotated(json!({"every": "1d"}));
    both["value"] = json!("x");
    assert_eq!(problems(&both), ["value"]);
    assert!(problems(&json!({"generate": {}, "replicas": [{"region": "us-east-1"}]})).is_empty());
}

#[tokio::test]
async fn a_deletion_whose_first_answer_was_lost_is_done() {
    let mut there = secret("p", &json!({}));
    there["Tags"] = json!([]);
    let mut gone = there.clone();
    gone["DeletedDate"] = json!(1_790_000_000);
    let script = |last: &Value| {
        Script::default()
            .answer("DescribeSecret", 200, &there.to_string())
            .answer("DescribeSecret", 200, &there.to_string())
            .answer("DescribeSecret", 200, &last.to_string())
            .lost("DeleteSecret")
            .answer("DeleteSecret", 400, &error("InvalidRequestException", "it was marked for deletion"))
    };
    script(&gone).delete::<Secret>(ARN, json!({})).await.unwrap();
    script(&there).delete::<Secret>(ARN, json!({})).await.unwrap_err();
}
