//! Tests by scripted answers, of what no emulator does.

use serde_json::{Value, json};

use super::*;
use crate::providers::aws::script::{Script, owner};

fn problems(spec: Value) -> Vec<String> {
    let mut problems = Problems::default();
    Key::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
    problems.0.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect()
}

#[test]
fn what_the_api_would_refuse_is_named() {
    assert_eq!(
        problems(
            json!({"deletion_window": "6d", "rotation_period": "89d", "aliases": ["alias/x"], "own_alias": false})
        ),
        [
            "rotation_period: `89d` is not 90 to 2,560 whole days",
            "aliases: `alias/x` begins with a word that the API sets or reserves",
            "own_alias: without this alias the key could not be found again",
            "deletion_window: `6d` is not 7 to 30 whole days",
        ]
    );
    assert!(problems(json!({"deletion_window": "7d", "rotation": true, "rotation_period": "90d"})).is_empty());
}

const OWNED: [(&str, &str); 4] =
    [("saiken:project", "p"), ("saiken:environment", "e"), ("saiken:address", "s/it"), ("saiken:generation", "1")];

fn tags(all: &[(&str, &str)]) -> String {
    let tags: Vec<Value> = all.iter().map(|(k, v)| json!({"TagKey": k, "TagValue": v})).collect();
    json!({"Tags": tags, "Truncated": false}).to_string()
}

fn aliases(all: &[(&str, &str)]) -> String {
    let list: Vec<Value> = all.iter().map(|(n, k)| json!({"AliasName": n, "TargetKeyId": k})).collect();
    json!({"Aliases": list, "Truncated": false}).to_string()
}

fn script(has: &str, tags: &str) -> Script {
    let key = json!({"KeyMetadata": {"KeyId": "k-1", "Arn": "arn:aws:kms:r:1:key/k-1", "Enabled": true, "KeyState": "Enabled",
        "KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT", "MultiRegion": false}});
    let mut script = Script::default()
        .answer("GetResources", 200, r#"{"ResourceTagMappingList": []}"#)
        .answer("ListAliases", 200, has)
        .answer("ListKeys", 200, &json!({"Keys": [{"KeyId": "k-1"}, {"KeyId": "k-2"}], "Truncated": false}).to_string())
        .answer("DescribeKey", 200, &key.to_string())
        .answer("GetKeyPolicy", 200, r#"{"Policy": "{}"}"#)
        .answer("GetKeyRotationStatus", 200, r#"{"KeyRotationEnabled": true, "RotationPeriodInDays": 180}"#)
        .answer("ListResourceTags", 200, tags);
    for operation in
        ["CreateAlias", "DeleteAlias", "UpdateAlias", "EnableKeyRotation", "ScheduleKeyDeletion", "TagResource"]
    {
        if operation != "CreateAlias" {
            script = script.answer(operation, 200, "{}");
        }
    }
    script
}

#[tokio::test]
async fn a_key_that_a_run_left_without_its_alias_is_found_and_finished() {
    let script = script(&aliases(&[("alias/aws/s3", "k-2")]), &tags(&OWNED)).answer("CreateAlias", 200, "{}");
    let found = script.read::<Key>().await.unwrap();
    assert_eq!(found.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), ["k-1"]);
    assert_eq!(found[0].spec["own_alias"], false, "which differs from what is always declared");
    script.update::<Key>("k-1", json!({"own_alias": false}), json!({"own_alias": true})).await.unwrap();
    assert!(script.asked("CreateAlias").join("").contains(r#""AliasName":"alias/p-e-s-it""#));
}

#[tokio::test]
async fn the_rotations_interval_is_written_and_read_back() {
    let script = script(&aliases(&[("alias/p-e-s-it", "k-1")]), &tags(&OWNED));
    let to = json!({"rotation": true, "rotation_period": "180d"});
    let object = script.update::<Key>("k-1", json!({}), to).await.unwrap();
    assert!(script.asked("EnableKeyRotation").join("").contains(r#""RotationPeriodInDays":180"#));
    assert_eq!((&object.spec["rotation"], &object.spec["rotation_period"]), (&json!(true), &json!("180d")));
    assert_eq!(object.spec["own_alias"], true);
}

#[tokio::test]
async fn the_deletion_window_stands_in_a_tag_that_users_do_not_see() {
    let mut owned = OWNED.to_vec();
    owned.push((WINDOW, "7d"));
    let script = script(&aliases(&[("alias/p-e-s-it", "k-1")]), &tags(&owned));
    let object = script.update::<Key>("k-1", json!({}), json!({"deletion_window": "7d"})).await.unwrap();
    assert!(script.asked("TagResource").join("").contains("saiken:deletion-window"));
    assert_eq!((&object.spec["deletion_window"], &object.spec["tags"]), (&json!("7d"), &json!({})));
    script.delete_owned::<Key>("k-1", object.spec, Some(owner())).await.unwrap();
    assert!(script.asked("ScheduleKeyDeletion").join("").contains(r#""PendingWindowInDays":7"#));
    assert!(script.asked("DeleteAlias").join("").contains("alias/p-e-s-it"));
}

#[tokio::test]
async fn an_alias_moves_from_the_key_that_is_replaced_and_from_no_other() {
    let taken = r#"{"__type": "AlreadyExistsException", "message": "taken"}"#;
    let held = aliases(&[("alias/app", "k-2"), ("alias/p-e-s-it", "k-1")]);
    let to = json!({"aliases": ["app"]});
    let own = script(&held, &tags(&OWNED)).answer("CreateAlias", 400, taken);
    own.update::<Key>("k-1", json!({}), to.clone()).await.unwrap();
    assert!(own.asked("UpdateAlias").join("").contains(r#""TargetKeyId":"k-1""#));

    let foreign = script(&held, &tags(&[("saiken:project", "q")])).answer("CreateAlias", 400, taken);
    let error = foreign.update::<Key>("k-1", json!({}), to).await.unwrap_err();
    assert_eq!((error.class, error.message.as_str()), (ErrorClass::Conflict, "taken"));
    assert!(foreign.asked("UpdateAlias").is_empty());
}

#[tokio::test]
async fn further_aliases_are_a_set_and_the_own_one_is_not_among_them() {
    let held = aliases(&[("alias/b", "k-1"), ("alias/a", "k-1"), ("alias/p-e-s-it", "k-1"), ("alias/x", "k-2")]);
    let script = script(&held, &tags(&OWNED));
    let object = script.read::<Key>().await.unwrap().remove(0);
    assert_eq!(object.spec["aliases"], json!(["a", "b"]));
    assert_eq!(object.attributes["alias_name"], "alias/p-e-s-it");
}

#[tokio::test]
async fn a_key_that_the_index_knows_needs_no_call_for_its_tags() {
    let tags =
        [("saiken:project", "p"), ("saiken:environment", "e"), ("saiken:address", "s/it"), ("saiken:generation", "1")];
    let pairs: Vec<Value> = tags.iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect();
    let index = json!({"ResourceTagMappingList": [{"ResourceARN": "arn:aws:kms:r:1:key/k-1", "Tags": pairs}]});
    let aliases = json!({"Aliases": [
        {"AliasName": "alias/orders", "TargetKeyId": "k-1"},
        {"AliasName": "alias/other", "TargetKeyId": "k-2"},
    ]});
    let key = json!({"KeyMetadata": {"KeyId": "k-1", "Arn": "arn:aws:kms:r:1:key/k-1", "Enabled": true, "KeyState": "Enabled",
        "KeySpec": "SYMMETRIC_DEFAULT", "KeyUsage": "ENCRYPT_DECRYPT", "MultiRegion": false}});
    let script = Script::default()
        .answer("GetResources", 200, &index.to_string())
        .answer("ListAliases", 200, &aliases.to_string())
        .answer("ListKeys", 200, &json!({"Keys": [{"KeyId": "k-1"}, {"KeyId": "k-2"}]}).to_string())
        .answer("DescribeKey", 200, &key.to_string())
        .answer("GetKeyPolicy", 200, r#"{"Policy": "{}"}"#)
        .answer("GetKeyRotationStatus", 200, r#"{"KeyRotationEnabled": true, "RotationPeriodInDays": 180}"#);
    let found = script.read::<Key>().await.unwrap();
    assert_eq!(found.iter().map(|k| k.id.as_str()).collect::<Vec<_>>(), ["k-1"], "whatever its alias is");
    assert_eq!(script.asked("DescribeKey").len(), 1);
    assert!(script.asked("ListResourceTags").is_empty());
}

#[tokio::test]
async fn a_foreign_key_that_nobody_may_look_at_hides_no_other_one_and_a_key_of_the_environment_is_an_error() {
    let denied = r#"{"__type": "AccessDeniedException", "message": "no resource-based policy allows it"}"#;
    let listed = |aliases_of: &str| {
        // The keys are described in the order of their ids.
        Script::default()
            .answer(
                "ListKeys",
                200,
                &json!({"Keys": [{"KeyId": "j-0"}, {"KeyId": "k-1"}], "Truncated": false}).to_string(),
            )
            .answer("DescribeKey", 400, denied)
            .with(script(aliases_of, &tags(&OWNED)))
    };
    let whole = script(&aliases(&[]), &tags(&OWNED));
    let foreign = listed(&aliases(&[("alias/p-e-s-it", "k-1")])).and(whole);
    let found = foreign.read::<Key>().await.unwrap();
    assert_eq!(found.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), ["k-1"]);
    let ours = listed(&aliases(&[("alias/p-e-s-other", "j-0")]));
    assert_eq!(ours.read::<Key>().await.unwrap_err().class, ErrorClass::AccessDenied);
}
