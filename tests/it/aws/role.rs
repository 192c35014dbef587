//! `role` against the emulator.

use serde_json::json;

use crate::support::kind_case::{Case, run};

#[test]
fn role_creates_reads_back_changes_and_deletes() {
    let trust = |service: &str| {
        json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"},
        ]})
    };
    let allow = |action: &str| json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}});
    run(Case {
        kind: "role",
        needs: vec![],
        first: json!({
            "trust": trust("ec2.amazonaws.com"), "description": "one", "path": "/service/", "max_session": "1h",
            "policies": {"read": allow("s3:GetObject"), "gone": allow("s3:ListBucket")},
            "managed_policies": ["arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"],
            "instance_profile": true, "tags": {"a": "1"},
        }),
        second: json!({
            "trust": trust("lambda.amazonaws.com"), "description": "two", "path": "/service/", "max_session": "2h",
            "policies": {"read": allow("s3:GetObjectVersion")},
            "managed_policies": ["arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy"],
            "instance_profile": false, "tags": {"a": "2"},
        }),
        not_by_emulator: &[],
    });
}
