use serde_json::{Value, json};

use super::*;
use crate::providers::aws::backup::tests::{index, tags_answer};
use crate::providers::aws::script::{Script, owner};

const ARN: &str = "arn:aws:backup:r:1:backup-vault:p-e-s-it";
const TAGS: &str = "GET /tags/arn%3Aaws%3Abackup%3Ar%3A1%3Abackup-vault%3Ap-e-s-it";
const LIST: &str = "GET /backup-vaults?vaultType=BACKUP_VAULT&maxResults=1000";
const VAULT: &str = "/backup-vaults/p-e-s-it";

/// The list with the one vault, and further members of it.
fn list(more: &Value) -> String {
    let mut vault = json!({"BackupVaultName": "p-e-s-it", "BackupVaultArn": ARN, "CreationDate": 1.0,
        "EncryptionKeyArn": "arn:key", "VaultState": "AVAILABLE"});
    vault.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"BackupVaultList": [vault]}).to_string()
}

fn error(code: &str) -> String {
    json!({"__type": code, "message": format!("said {code}")}).to_string()
}

/// A service in which all writes succeed and the vault has nothing beside itself.
fn script(more: &Value) -> Script {
    let mut script = Script::default()
        .answer("GetResources", 200, &index(&[ARN]))
        .answer(LIST, 200, &list(more))
        .answer(TAGS, 200, &tags_answer());
    for part in ["access-policy", "notification-configuration", "vault-lock"] {
        script = script.answer(&format!("PUT {VAULT}/{part}"), 200, "");
        script = script.answer(&format!("DELETE {VAULT}/{part}"), 200, "");
    }
    script.answer(
        &format!("PUT {VAULT}"),
        200,
        &json!({"BackupVaultName": "p-e-s-it", "BackupVaultArn": ARN}).to_string(),
    )
}

/// What the vault has beside itself: nothing.
fn bare(script: Script) -> Script {
    let none = error("ResourceNotFoundException");
    script.answer(&format!("GET {VAULT}/access-policy"), 400, &none).answer(
        &format!("GET {VAULT}/notification-configuration"),
        400,
        &none,
    )
}

fn policy() -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": {"AWS": ["*"]},
        "Action": ["backup:DeleteRecoveryPoint"], "Resource": ["*"]}]})
}

fn problems(spec: Value) -> Vec<String> {
    let mut problems = Problems::default();
    BackupVault::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
    problems.0.into_iter().map(|p| p.path).collect()
}

#[test]
fn a_lock_that_nobody_could_lift_is_looked_at_twice() {
    assert!(
        problems(json!({"lock": {"min_retention": "7d", "max_retention": "0s"}, "lock_permanent_after": "3d"}))
            .is_empty()
    );
    assert!(problems(json!({"lock_permanent_after": "0s"})).is_empty());
    assert_eq!(problems(json!({"lock_permanent_after": "3d"})), ["lock_permanent_after"], "there is no lock");
    assert_eq!(problems(json!({"lock": {"enabled": false}, "lock_permanent_after": "3d"})), ["lock_permanent_after"]);
    assert_eq!(problems(json!({"lock": {}, "lock_permanent_after": "2d"})), ["lock_permanent_after"], "too soon");
    assert_eq!(problems(json!({"lock": {"min_retention": "36h"}})), ["lock.min_retention"]);
    assert_eq!(problems(json!({"lock": {"min_retention": "9d", "max_retention": "8d"}})), ["lock.max_retention"]);
    assert_eq!(problems(json!({"notifications": {"events": ["backup_job_failed"]}})), ["notifications.topic"]);
    assert_eq!(problems(json!({"notifications": {"topic": "s/t", "events": []}})), ["notifications.events"]);
}

#[tokio::test]
async fn policy_notices_and_lock_are_written_and_read_back() {
    let date = jiff::Timestamp::now().as_second() + 5 * 86_400;
    let more = json!({"Locked": true, "MinRetentionDays": 7, "MaxRetentionDays": 365, "LockDate": date});
    let notices = json!({"SNSTopicArn": "arn:topic", "BackupVaultEvents": ["BACKUP_JOB_FAILED", "COPY_JOB_FAILED"]});
    let script = script(&more)
        .answer(&format!("GET {VAULT}/access-policy"), 200, &json!({"Policy": policy().to_string()}).to_string())
        .answer(&format!("GET {VAULT}/notification-configuration"), 200, &notices.to_string());
    let spec = json!({
        "key": {"id": "arn:key"}, "policy": policy(), "lock_permanent_after": "5d",
        "lock": {"enabled": true, "min_retention": "7d", "max_retention": "365d"},
        "notifications": {"topic": {"id": "arn:topic"}, "events": ["backup_job_failed", "copy_job_failed"]},
    });
    let object = script.create::<BackupVault>(spec.clone()).await.unwrap();
    for field in ["key", "policy", "lock", "notifications"] {
        assert_eq!(object.spec[field], spec[field], "{field}");
    }
    assert_eq!(object.unread, ["lock_permanent_after"], "the service does not tell the days");
    assert_eq!(object.identifiers, [ARN]);
    let made = script.asked(&format!("PUT {VAULT}")).join("");
    for part in [r#""EncryptionKeyArn":"arn:key""#, r#""CreatorRequestId":"token""#, r#""saiken:address":"s/it""#] {
        assert!(made.contains(part), "{part}: {made}");
    }
    let lock = script.asked(&format!("PUT {VAULT}/vault-lock")).join("");
    assert_eq!(
        serde_json::from_str::<Value>(&lock).unwrap(),
        json!({"MinRetentionDays": 7, "MaxRetentionDays": 365, "ChangeableForDays": 5})
    );
    let writes: Vec<String> = script.operations().into_iter().filter(|o| o.starts_with("PUT")).collect();
    assert_eq!(writes.last().unwrap(), &format!("PUT {VAULT}/vault-lock"), "what can't be undone comes last");
}

#[tokio::test]
async fn what_is_taken_away_is_deleted_and_only_that() {
    let script = bare(script(&json!({"Locked": true})));
    let from = json!({"policy": policy(), "lock": {"enabled": true},
        "notifications": {"topic": {"id": "arn:topic"}, "events": ["copy_job_failed"]}});
    let to = json!({"policy": {}, "lock": {"enabled": false}, "notifications": {"events": []}});
    let object = script.update::<BackupVault>("p-e-s-it", from, to).await.unwrap();
    for part in ["access-policy", "notification-configuration", "vault-lock"] {
        assert_eq!(script.asked(&format!("DELETE {VAULT}/{part}")).len(), 1, "{part}");
        assert!(script.asked(&format!("PUT {VAULT}/{part}")).is_empty(), "{part}");
    }
    assert!(object.spec.get("policy").is_none() && object.unread.is_empty(), "{object:?}");
}

#[tokio::test]
async fn a_change_of_the_lock_keeps_what_is_not_declared_and_the_date_that_is_set() {
    let script = bare(script(&json!({"Locked": true})));
    let there = Object {
        attributes: attributes([(
            "lock_date",
            json!((jiff::Timestamp::now() + jiff::Span::new().hours(24 * 10 + 1)).to_string()),
        )]),
        ..crate::providers::aws::script::object::<BackupVault>(
            "p-e-s-it",
            json!({"lock": {"enabled": true, "min_retention": "7d", "max_retention": "30d"}}),
        )
    };
    let to = json!({"lock": {"enabled": true, "min_retention": "8d"}});
    script.update_object::<BackupVault>(there, to).await.unwrap();
    let lock: Value = serde_json::from_str(&script.asked(&format!("PUT {VAULT}/vault-lock")).join("")).unwrap();
    assert_eq!(lock, json!({"MinRetentionDays": 8, "MaxRetentionDays": 30, "ChangeableForDays": 10}));
}

#[tokio::test]
async fn a_lock_that_is_permanent_is_not_touched() {
    let permanent = |spec: Value| Object {
        attributes: attributes([("lock_date", json!("2026-01-01T00:00:00Z"))]),
        ..crate::providers::aws::script::object::<BackupVault>("p-e-s-it", spec)
    };
    let script = bare(script(&json!({"Locked": true, "LockDate": 1_767_225_600})));
    let spec = |days: &str| json!({"lock": {"enabled": true, "min_retention": days}, "lock_permanent_after": "3d"});
    let refused = script.update_object::<BackupVault>(permanent(spec("7d")), spec("8d")).await.unwrap_err();
    assert!(refused.message.contains("permanent since 2026-01-01"), "{refused}");
    // Another number of days says nothing about a lock that is permanent already.
    let mut other = spec("7d");
    other["lock_permanent_after"] = json!("30d");
    script.update_object::<BackupVault>(permanent(spec("7d")), other).await.unwrap();
    assert!(script.asked(&format!("PUT {VAULT}/vault-lock")).is_empty());
}

#[tokio::test]
async fn a_date_where_none_was_declared_is_a_difference() {
    let never = ownership::value_hash(&json!("0s"), 12);
    let mut tags = owner().tags();
    let vault = BackupVaultListMember::builder()
        .number_of_recovery_points(0)
        .lock_date(aws_smithy_types::DateTime::from_secs(jiff::Timestamp::now().as_second() + 5 * 86_400 - 60))
        .build();
    assert_eq!(permanent(&vault, &tags), (None, vec!["lock_permanent_after"]));
    tags.insert(ownership::FINGERPRINT.to_owned(), format!("lock_permanent_after={never}"));
    assert_eq!(permanent(&vault, &tags), (Some("5d".parse().unwrap()), vec![]));
    let open = BackupVaultListMember::builder().number_of_recovery_points(0).build();
    assert_eq!(permanent(&open, &tags), (Some("0s".parse().unwrap()), vec![]));
}

#[tokio::test]
async fn a_vault_that_still_holds_recovery_points_is_not_deleted_and_the_message_says_why() {
    let held = |number: u32| {
        script(&json!({})).answer(&format!("DELETE {VAULT}"), 400, &error("InvalidRequestException")).answer(
            &format!("GET {VAULT}"),
            200,
            &json!({"NumberOfRecoveryPoints": number}).to_string(),
        )
    };
    let refused = held(12).delete_owned::<BackupVault>("p-e-s-it", json!({}), Some(owner())).await.unwrap_err();
    assert!(refused.message.contains("still holds 12 recovery points"), "{refused}");
    assert_eq!(refused.code.as_deref(), Some("InvalidRequestException"));
    let refused = held(0).delete_owned::<BackupVault>("p-e-s-it", json!({}), Some(owner())).await.unwrap_err();
    assert_eq!(refused.message, "said InvalidRequestException");
    let gone = script(&json!({})).answer(&format!("DELETE {VAULT}"), 200, "");
    gone.delete_owned::<BackupVault>("p-e-s-it", json!({}), Some(owner())).await.unwrap();
}

#[tokio::test]
async fn a_vault_whose_creating_call_was_not_answered_is_found_by_its_name_and_anybody_elses_is_left_alone() {
    let put = format!("PUT {VAULT}");
    let begin = |answer: fn(Script, &str) -> Script| {
        let base = Script::default().answer(LIST, 200, &list(&json!({}))).answer("GetResources", 200, &index(&[]));
        bare(answer(base, &put))
    };
    let lost = begin(|script, put| script.lost(put)).answer(TAGS, 200, &tags_answer());
    assert_eq!(lost.create::<BackupVault>(json!({})).await.unwrap().id, "p-e-s-it");
    assert_eq!(lost.asked(&put).len(), 1, "it is not made again");
    let taken = |script: Script, put: &str| script.answer(put, 400, &error("AlreadyExistsException"));
    let ours = begin(taken).answer(TAGS, 200, &tags_answer());
    assert_eq!(ours.create::<BackupVault>(json!({})).await.unwrap().id, "p-e-s-it");
    let theirs = begin(taken).answer(TAGS, 200, r#"{"Tags": {}}"#);
    let refused = theirs.create::<BackupVault>(json!({})).await.unwrap_err();
    assert_eq!((refused.class, refused.code.as_deref()), (ErrorClass::Conflict, Some("AlreadyExistsException")));
}

#[tokio::test]
async fn all_pages_of_vaults_are_read() {
    let more = json!({"BackupVaultList": [], "NextToken": "more"}).to_string();
    let second = "GET /backup-vaults?vaultType=BACKUP_VAULT&nextToken=more&maxResults=1000";
    let script = bare(Script::default().answer("GetResources", 200, &index(&[ARN])).answer(LIST, 200, &more).answer(
        second,
        200,
        &list(&json!({})),
    ));
    let found = script.read::<BackupVault>().await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].spec["lock"], json!({"enabled": false, "min_retention": "0s", "max_retention": "0s"}));
    assert_eq!(found[0].spec["lock_permanent_after"], "0s");
    assert!(script.asked(TAGS).is_empty(), "the index knows its tags");
}
