//! `key` against the emulator.

use serde_json::json;

use crate::support::kind_case::{Case, run};

#[test]
fn key_creates_reads_back_changes_and_deletes() {
    let policy = |action: &str| {
        json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": action, "Resource": "*"},
        ]})
    };
    run(Case {
        kind: "key",
        needs: vec![],
        first: json!({
            "description": "one", "policy": policy("kms:*"), "rotation": true, "enabled": true, "alias": "further-one",
            "usage": "encrypt_decrypt", "key_spec": "SYMMETRIC_DEFAULT", "multi_region": false, "tags": {"a": "1"},
        }),
        second: json!({
            "description": "two", "policy": policy("kms:Encrypt"), "rotation": false, "enabled": true, "alias": "further-two",
            "usage": "encrypt_decrypt", "key_spec": "SYMMETRIC_DEFAULT", "multi_region": false, "tags": {"a": "2"},
        }),
        not_by_emulator: &[],
    });
}
