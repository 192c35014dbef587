//! Backups: `backup_vault`, `backup_plan` against the emulator.

use serde_json::{Value, json};

use crate::support::kind_case::{Case, changed, run};

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:backups";

fn deny(action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Principal": {"AWS": "*"}, "Action": action, "Resource": "*"},
    ]})
}

/// The case of `backup_vault`.
pub fn vault() -> Case {
    let first = json!({
        "name": "case-vault", "key": "t/key", "policy": deny("backup:DeleteRecoveryPoint"),
        "lock": {"min_retention": "7d", "max_retention": "365d"}, "lock_permanent_after": "0s",
        "notifications": {"topic": {"id": TOPIC}, "events": ["backup_job_failed", "copy_job_failed"]},
        "tags": {"用途": "夜間"},
    });
    Case {
        kind: "backup_vault",
        needs: vec![("t/key", "key", json!({}))],
        second: changed(
            &first,
            &json!({
                "policy": {}, "lock": {"min_retention": "8d", "max_retention": "0s"}, "lock_permanent_after": "3d",
                "notifications": {"events": []}, "tags": {"用途": "毎時"},
            }),
        ),
        third: Some(changed(&first, &json!({"name": "case-vault-2"}))),
        first,
        ..Case::default()
    }
}

/// The case of `backup_plan`.
pub fn plan() -> Case {
    let osaka = "arn:aws:backup:ap-northeast-3:123456789012:backup-vault:copies";
    let role = json!({"id": "arn:aws:iam::123456789012:role/backup"});
    let daily = json!({
        "vault": "t/one", "schedule": "cron(0 4 ? * * *)", "time_zone": "Asia/Tokyo",
        "start_window": "1h", "completion_window": "12h", "lifecycle": {"delete_after": "35d"}, "continuous": true,
        "recovery_point_tags": {"用途": "夜間"},
        "copies": [{"vault": {"id": osaka}, "lifecycle": {"cold_after": "30d", "delete_after": "365d"}}],
        "index": ["ebs"], "malware_scans": ["full"],
    });
    let disks =
        json!({"role": role, "resources": ["arn:aws:ec2:*:*:volume/*"], "tags": [{"key": "backup", "value": "daily"}]});
    let first = json!({
        "name": "nightly", "rules": {"daily": daily, "gone": {"vault": "t/one", "schedule": "rate(1 day)"}},
        "selections": {"disks": disks, "gone": {"role": role, "resources": ["*"]}},
        "windows_vss": true, "s3_acls": false, "s3_object_tags": false,
        "malware_scanners": [{"role": role, "types": ["ebs", "s3"]}], "tags": {"a": "1"},
    });
    let daily_later = changed(&daily, &json!({"schedule": "cron(0 5 ? * * *)", "malware_scans": []}));
    let weekly = json!({
        "vault": "t/one", "schedule": "rate(7 days)", "lifecycle": {"cold_after": "1d", "delete_after": "0s"},
        "copies": [{"vault": "t/two"}],
    });
    let mut disks_later = disks.clone();
    disks_later["not_resources"] = json!(["arn:aws:ec2:*:*:volume/vol-0"]);
    disks_later["conditions"] = json!({"not_like": [{"key": "環境", "value": "試験*"}]});
    let all =
        json!({"role": role, "resources": ["*"], "conditions": {"equals": [{"key": "backup", "value": "weekly"}]}});
    let vault = |name: &str| json!({"name": name});
    Case {
        kind: "backup_plan",
        needs: vec![("t/one", "backup_vault", vault("plan-one")), ("t/two", "backup_vault", vault("plan-two"))],
        second: json!({
            "name": "nightly-2",
            "rules": {"daily": daily_later, "weekly": weekly},
            "selections": {"disks": disks_later, "all": all},
            "windows_vss": false, "s3_acls": true, "s3_object_tags": true, "malware_scanners": [], "tags": {"a": "2"},
        }),
        first,
        ..Case::default()
    }
}

#[test]
fn backup_vault_creates_reads_back_changes_and_deletes() {
    run(vault());
}

#[test]
fn backup_plan_creates_reads_back_changes_and_deletes() {
    run(plan());
}
