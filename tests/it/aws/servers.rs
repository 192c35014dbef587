//! Care of servers: `document`, `maintenance_window`, `session_preferences` against the emulator.

use serde_json::{Value, json};

use crate::support::kind_case::{Case, changed, run};

/// The case of `maintenance_window`.
pub fn maintenance_window() -> Case {
    let first = json!({
        "description": "日曜の夜", "schedule": "cron(0 2 ? * SUN *)", "schedule_time_zone": "Asia/Tokyo",
        "schedule_offset": 1, "duration": "3h", "cutoff": "1h", "starts": "2026-12-01T00:00:00+09:00",
        "ends": "2027-12-01T00:00:00+09:00",
        "targets": {
            "web": {"select": {"tags": {"Role": ["web", "api"]}}, "description": "表"},
            "gone": {"select": {"tags": {"Role": ["batch"]}}},
        },
        "tags": {"名前": "一"},
    });
    Case {
        kind: "maintenance_window",
        second: changed(
            &first,
            &json!({
                "targets": {
                    "web": {"select": {"tags": {"Role": ["web", "api"]}}, "description": "表"},
                    "group": {"select": {"resource_groups": ["all"]}},
                },
                "tags": {"名前": "二"},
            }),
        ),
        first,
        ..Case::default()
    }
}

fn commands(command: &str) -> Value {
    json!({
        "schemaVersion": "2.2", "description": "掃除",
        "mainSteps": [{"action": "aws:runShellScript", "name": "clean", "inputs": {"runCommand": [command]}}],
    })
}

/// The case of `document`.
pub fn document() -> Case {
    let first = json!({
        "name": "clean-up", "type": "command", "content": commands("rm -rf /tmp/old"), "format": "json",
        "target_type": "/AWS::EC2::Instance", "version_name": "v1", "shared_with": ["111111111111", "222222222222"],
        "tags": {"名前": "一"},
    });
    Case {
        kind: "document",
        second: changed(
            &first,
            &json!({
                "content": commands("rm -rf /var/tmp/old"), "format": "yaml", "target_type": "/", "version_name": "v2",
                "shared_with": ["222222222222", "333333333333"], "tags": {"名前": "二"},
            }),
        ),
        third: Some(changed(&first, &json!({"name": "clean-up-2"}))),
        first,
        ..Case::default()
    }
}

/// The case of `session_preferences`.
pub fn session_preferences() -> Case {
    let first = json!({
        "bucket": {"id": "logs"}, "prefix": "sessions", "bucket_encrypted": true, "log_group": {"id": "/sessions"},
        "log_group_encrypted": true, "log_streaming": false, "key": {"id": "arn:aws:kms:us-east-1:1:key/a"},
        "idle_timeout": "20m", "max_duration": "1h", "run_as": {"enabled": true, "user": "ubuntu"},
        "shell_linux": "cd ~", "shell_windows": "date", "tags": {"名前": "一"},
    });
    Case {
        kind: "session_preferences",
        second: json!({
            "bucket": {"id": ""}, "prefix": "", "bucket_encrypted": false, "log_group": {"id": "/other"},
            "log_group_encrypted": false, "log_streaming": true, "key": {"id": ""}, "idle_timeout": "1h",
            "max_duration": "0s", "run_as": {"enabled": false}, "shell_linux": "", "shell_windows": "dir",
            "tags": {"名前": "二"},
        }),
        first,
        ..Case::default()
    }
}

#[test]
fn document_creates_reads_back_changes_and_deletes() {
    run(document());
}

#[test]
fn session_preferences_are_created_read_back_changed_and_deleted() {
    run(session_preferences());
}

#[test]
fn maintenance_window_creates_reads_back_changes_and_deletes() {
    run(maintenance_window());
}
