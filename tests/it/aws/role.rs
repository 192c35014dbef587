//! `role` against the emulator.

use serde_json::json;

use crate::support::kind_case::{Case, changed, run, run_part};

/// The case of `role`.
pub fn case() -> Case {
    let trust = |service: &str| {
        json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"},
        ]})
    };
    let allow = |action: &str| json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}});
    let first = json!({
    "name": "a-name+of=its.own",
    "permissions_boundary": "arn:aws:iam::123456789012:policy/bound",
    "trust": trust("ec2.amazonaws.com"), "description": "one", "path": "/service/", "max_session": "1h",
    "policies": {"read": allow("s3:GetObject"), "gone": allow("s3:ListBucket")},
    "managed_policies": ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"],
    "instance_profile": true, "tags": {"a": "1"},
    });
    let third = changed(&first, &json!({"name": "another-name"}));
    Case {
        kind: "role",
        needs: vec![],
        first,
        second: json!({
            "name": "a-name+of=its.own", "permissions_boundary": "",
            "trust": trust("lambda.amazonaws.com"), "description": "two", "path": "/service/", "max_session": "2h",
            "policies": {"read": allow("s3:GetObjectVersion")},
            "managed_policies": ["arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy"],
            "instance_profile": false, "tags": {"a": "2"},
        }),
        third: Some(third),
        not_by_emulator: &[],
        ..Case::default()
    }
}

#[test]
fn role_creates_reads_back_changes_and_deletes() {
    run(case());
}

#[test]
fn a_role_of_a_derived_name_gets_an_instance_profile_later() {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]});
    run_part(Case {
        kind: "role",
        needs: vec![],
        first: json!({"trust": trust, "instance_profile": false, "policies": {}, "managed_policies": []}),
        second: json!({"trust": trust, "instance_profile": true, "policies": {}, "managed_policies": []}),
        not_by_emulator: &[],
        ..Case::default()
    });
}
