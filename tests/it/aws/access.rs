//! Who may do what: `policy`, `group`, `user` against the emulator.

use serde_json::{Value, json};

use crate::support::kind_case::{Case, changed, run, run_part};

fn allow(action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]})
}

/// The case of `policy`.
pub fn policy() -> Case {
    let first = json!({
        "document": allow("s3:GetObject"), "description": "読むだけ", "path": "/service/", "tags": {"a": "1"},
    });
    Case {
        kind: "policy",
        second: changed(&first, &json!({"document": allow("s3:ListBucket"), "tags": {"a": "2"}})),
        third: Some(changed(&first, &json!({"path": "/other/"}))),
        first,
        ..Case::default()
    }
}

/// The case of `group`.
pub fn group() -> Case {
    let second_factor = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "NotAction": ["iam:EnableMFADevice", "sts:GetSessionToken"], "Resource": "*",
        "Condition": {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}},
    }]});
    let first = json!({
        "name": "operators",
        "policies": {"second-factor": second_factor, "gone": allow("s3:ListBucket")},
        "managed_policies": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
    });
    Case {
        kind: "group",
        second: changed(
            &first,
            &json!({
                "policies": {"second-factor": second_factor, "read": allow("s3:GetObject")},
                "managed_policies": ["arn:aws:iam::aws:policy/AdministratorAccess"],
            }),
        ),
        third: Some(changed(&first, &json!({"name": "administrators"}))),
        first,
        ..Case::default()
    }
}

/// The case of `user`.
pub fn user() -> Case {
    let first = json!({
        "name": "hanako@example.jp", "path": "/people/",
        "permissions_boundary": "arn:aws:iam::aws:policy/PowerUserAccess",
        "groups": ["t/one", "t/two"], "policies": {"read": allow("s3:GetObject"), "gone": allow("s3:ListBucket")},
        "managed_policies": ["arn:aws:iam::aws:policy/ReadOnlyAccess"], "tags": {"氏名": "山田花子"},
    });
    Case {
        kind: "user",
        needs: vec![("t/one", "group", json!({})), ("t/two", "group", json!({})), ("t/three", "group", json!({}))],
        second: changed(
            &first,
            &json!({
                "path": "/staff/", "permissions_boundary": "", "groups": ["t/two", "t/three"],
                "policies": {"read": allow("s3:GetObjectVersion")},
                "managed_policies": ["arn:aws:iam::aws:policy/AdministratorAccess"], "tags": {"氏名": "山田 花子"},
            }),
        ),
        third: Some(changed(&first, &json!({"name": "hanako.yamada"}))),
        first,
        // A unit test: a boundary is drawn, moved and lifted.
        not_by_emulator: &[("permissions_boundary", "the emulator has no calls for the boundary of a user")],
        ..Case::default()
    }
}

#[test]
fn policy_creates_reads_back_changes_and_deletes() {
    run(policy());
}

#[test]
fn group_creates_reads_back_changes_and_deletes() {
    run(group());
}

#[test]
fn user_creates_reads_back_changes_and_deletes() {
    run(user());
}

#[test]
fn a_user_and_a_group_of_derived_names_lose_all_that_they_were_given() {
    let all = json!({"groups": ["t/one"], "policies": {"read": allow("s3:GetObject")}, "tags": {}});
    run_part(Case {
        kind: "user",
        needs: vec![("t/one", "group", json!({"policies": {"read": allow("s3:GetObject")}}))],
        second: json!({"groups": [], "policies": {}, "tags": {}}),
        first: all,
        ..Case::default()
    });
}
