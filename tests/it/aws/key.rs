//! `key` against the emulator.

use serde_json::json;

use crate::support::kind_case::{Case, changed, run, run_part};

/// The case of `key`.
pub fn case() -> Case {
    let policy = |action: &str| {
        json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": action, "Resource": "*"},
        ]})
    };
    let first = json!({
    "description": "one", "policy": policy("kms:*"), "rotation": true, "enabled": true,
    "aliases": ["further-one", "stays"], "deletion_window": "30d", "usage": "encrypt_decrypt",
    "key_spec": "SYMMETRIC_DEFAULT", "multi_region": true, "tags": {"a": "1"},
    });
    let third = changed(&first, &json!({"key_spec": "RSA_2048", "usage": "sign_verify", "rotation": false}));
    Case {
        kind: "key",
        needs: vec![],
        first,
        second: json!({
            "description": "two", "policy": policy("kms:Encrypt"), "rotation": false, "enabled": false,
            "aliases": ["further-two", "stays"], "deletion_window": "7d", "usage": "encrypt_decrypt",
            "key_spec": "SYMMETRIC_DEFAULT", "multi_region": true, "tags": {"a": "2"},
        }),
        third: Some(third),
        // The rotation's interval is proven by the unit tests: the emulator has none.
        not_by_emulator: &[],
        ..Case::default()
    }
}

#[test]
fn key_creates_reads_back_changes_and_deletes() {
    run(case());
}

#[test]
fn a_signing_key_has_its_usage_and_type() {
    let spec = |description: &str| json!({"usage": "sign_verify", "key_spec": "RSA_2048", "description": description});
    run_part(Case {
        kind: "key",
        needs: vec![],
        first: spec("one"),
        second: spec("two"),
        not_by_emulator: &[],
        ..Case::default()
    });
}
