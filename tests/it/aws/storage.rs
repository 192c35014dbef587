//! What is kept: `bucket`, `secret`, `parameter`, `trail` against the emulator.

use serde_json::{Value, json};

use crate::support::kind_case::{Case, REGION, Runner, changed, run, run_part};
use crate::support::moto::moto;

fn only_tls(bucket: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": format!("arn:aws:s3:::{bucket}/*"),
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }]})
}

/// The case of `bucket`.
pub fn bucket() -> Case {
    let archive = json!({
        "id": "archive", "prefix": "logs/", "tags": {"a": "1"}, "expire_after": "365d",
        "transitions": [{"after": "30d", "to": "standard_ia"}, {"after": "90d", "to": "glacier"}],
        "expire_noncurrent_after": "60d", "noncurrent_transitions": [{"after": "30d", "to": "standard_ia"}],
    });
    let uploads = json!({"id": "uploads", "abort_uploads_after": "7d"});
    let read = json!({"id": "read", "origins": ["https://example.jp"], "methods": ["get", "head"], "max_age": "1h"});
    let copy = |class: &str| {
        json!({
            "role": "t/role",
            "rules": [{"id": "all", "priority": 1, "bucket": "t/other", "storage_class": class}],
        })
    };
    let block = json!({"block_acls": true, "ignore_acls": true, "block_policy": false, "restrict": true});
    let first = json!({
        "name": "own-orders", "versioning": true, "ownership": "bucket_owner_preferred",
        "encryption": {"algorithm": "sse_kms", "key": "t/key"}, "policy": only_tls("own-orders"),
        "lifecycle_rules": [archive, uploads], "cors": [read], "object_lock": true,
        "default_retention": {"mode": "governance", "period": "30d"},
        "replication": copy("standard_ia"),
        "acceleration": true, "tags": {"a": "1", "名": "注文"},
    });
    let second = changed(
        &first,
        &json!({
            "ownership": "object_writer", "public_access_block": block, "policy": {},
            "encryption": {"algorithm": "sse_s3"}, "lifecycle_rules": [{"id": "old", "expire_on": "2027-04-01"}],
            "default_retention": {"mode": "compliance", "period": "1d"},
            "replication": copy("standard"),
            "cors": [{"origins": ["*"], "methods": ["get"], "headers": ["*"], "expose_headers": ["ETag"]}],
            "acceleration": false, "tags": {"a": "2"},
        }),
    );
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "s3.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]});
    Case {
        kind: "bucket",
        needs: vec![
            ("t/key", "key", json!({})),
            ("t/role", "role", json!({"trust": trust})),
            ("t/other", "bucket", json!({"versioning": true})),
        ],
        second,
        third: Some(changed(&first, &json!({"name": "own-orders-2", "policy": only_tls("own-orders-2")}))),
        first,
        ..Case::default()
    }
}

#[test]
fn bucket_creates_reads_back_changes_and_deletes() {
    run(bucket());
}

#[test]
fn a_bucket_of_a_derived_name_gets_an_object_lock_and_is_suspended() {
    run_part(Case {
        kind: "bucket",
        first: json!({"versioning": true, "lifecycle_rules": [], "cors": [], "policy": {}}),
        second: json!({
            "versioning": true, "object_lock": true, "policy": {},
            "lifecycle_rules": [{"id": "markers", "expire_delete_markers": true}],
        }),
        ..Case::default()
    });
    run_part(Case {
        kind: "bucket",
        first: json!({"versioning": true, "empty_on_delete": true}),
        second: json!({"versioning": false, "empty_on_delete": false}),
        ..Case::default()
    });
}

#[test]
fn a_bucket_of_the_account_that_nobody_declared_is_not_taken_for_a_new_one() {
    // In this region the API makes it again, and says that all is well.
    assert_eq!(REGION, "us-east-1");
    moto().boto3(REGION, "import boto3\nboto3.client('s3').create_bucket(Bucket='somebody-elses')");
    let runner = Runner::new("not-ours");
    let desired = runner.desired(&[("t/it", "bucket", json!({"name": "somebody-elses"}))], "t/it", &[]);
    let failed = format!("{:?}", runner.try_apply(&desired, false).failed);
    assert!(failed.contains("BucketAlreadyOwnedByYou"), "{failed}");
    assert!(runner.observe(&desired).objects.is_empty());
}

#[test]
fn a_bucket_that_holds_anything_stays_unless_it_is_declared_otherwise() {
    let runner = Runner::new("emptied");
    let desired = |empty: bool| {
        let all = [("t/it", "bucket", json!({"versioning": true, "empty_on_delete": empty}))];
        runner.desired(&all, "t/it", &[])
    };
    runner.apply(&desired(false), false);
    let id = runner.observe(&desired(false)).objects[0].id.clone();
    moto().boto3(
        REGION,
        &format!(
            "
import boto3
s3 = boto3.client('s3')
for n in range(3):
    s3.put_object(Bucket='{id}', Key='a key/日本', Body=b'x')
s3.delete_object(Bucket='{id}', Key='a key/日本')
"
        ),
    );
    let report = runner.try_apply(&desired(false), true);
    let failed = format!("{:?}", report.failed);
    assert!(failed.contains("is not empty, so it stays") && failed.contains("empty_on_delete: true"), "{failed}");
    assert_eq!(runner.observe(&desired(false)).objects.len(), 1);
    runner.apply(&desired(true), false);
    runner.apply(&desired(true), true);
    assert!(runner.observe(&desired(true)).objects.is_empty());
}

/// The case of `secret`.
pub fn secret() -> Case {
    let policy = |action: &str| {
        json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*",
        }]})
    };
    let first = json!({
        "name": "shop/orders", "description": "注文の鍵", "key": "t/one", "value": "first value",
        "replicas": [{"region": "eu-west-1"}, {"region": "eu-west-2"}],
        "policy": policy("secretsmanager:PutSecretValue"), "recovery_window": "7d", "tags": {"a": "1", "名": "注文"},
    });
    let second = changed(
        &first,
        &json!({
            "description": "changed", "key": "t/two", "value": "second value",
            "replicas": [{"region": "eu-west-2"}, {"region": "eu-west-3"}],
            "policy": policy("secretsmanager:DeleteSecret"), "recovery_window": "30d", "tags": {"a": "2"},
        }),
    );
    Case {
        kind: "secret",
        needs: vec![("t/one", "key", json!({})), ("t/two", "key", json!({}))],
        second,
        third: Some(changed(&first, &json!({"name": "shop/orders-2"}))),
        first,
        ..Case::default()
    }
}

#[test]
fn secret_creates_reads_back_changes_and_deletes() {
    run(secret());
}

#[test]
fn a_generated_secret_is_deleted_brought_back_and_still_has_its_value() {
    let runner = Runner::new("generated");
    let spec = json!({"generate": {"length": 20, "punctuation": false}, "policy": {}, "replicas": []});
    let desired = runner.desired(&[("t/it", "secret", spec)], "t/it", &[]);
    let value = |id: &str| {
        let script = format!(
            "import boto3\nprint(boto3.client('secretsmanager').get_secret_value(SecretId='{id}')['SecretString'])"
        );
        moto().boto3(REGION, &script).trim().to_owned()
    };
    runner.apply(&desired, false);
    runner.unchanged(&desired, "after the creation");
    let id = runner.observe(&desired).objects[0].id.clone();
    let before = value(&id);
    assert_eq!((before.len(), before.chars().all(|c| c.is_ascii_alphanumeric())), (20, true), "{before}");
    runner.apply(&desired, true);
    assert!(runner.observe(&desired).objects.is_empty());
    runner.apply(&desired, false);
    runner.unchanged(&desired, "after it was brought back");
    assert_eq!((runner.observe(&desired).objects[0].id.clone(), value(&id)), (id.clone(), before));
}

/// The case of `parameter`.
pub fn parameter() -> Case {
    let first = json!({
        "name": "/shop/orders/host", "type": "text", "value": "one.example.jp", "tier": "standard",
        "allowed_pattern": "^.*[.]jp$", "data_type": "text", "description": "注文の宛先",
        "tags": {"a": "1", "名": "注文"},
    });
    let second = changed(
        &first,
        &json!({
            "value": "ami-12c6146b", "tier": "advanced", "allowed_pattern": "^ami-", "data_type": "image",
            "description": "changed", "tags": {"a": "2"},
        }),
    );
    Case {
        kind: "parameter",
        second,
        third: Some(changed(&first, &json!({"name": "/shop/orders/other"}))),
        first,
        ..Case::default()
    }
}

#[test]
fn parameter_creates_reads_back_changes_and_deletes() {
    run(parameter());
}

#[test]
fn a_secure_parameter_of_a_derived_name_is_encrypted_and_changes_by_its_fingerprint() {
    run_part(Case {
        kind: "parameter",
        needs: vec![("t/one", "key", json!({})), ("t/two", "key", json!({}))],
        first: json!({"type": "secure", "secret": "first", "key": "t/one"}),
        second: json!({"type": "secure", "secret": "second", "key": "t/two", "description": "鍵"}),
        ..Case::default()
    });
    run_part(Case {
        kind: "parameter",
        first: json!({"type": "list", "value": "a,b"}),
        second: json!({"type": "list", "value": "a,b,c", "tier": "advanced"}),
        ..Case::default()
    });
}

/// The case of `trail`.
pub fn trail() -> Case {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "cloudtrail.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]});
    let select = |category: &str, more: Value| {
        let mut fields = vec![json!({"field": "eventCategory", "equals": [category]})];
        fields.extend(more.as_array().unwrap().clone());
        json!({"name": category, "fields": fields})
    };
    let management = select("Management", json!([{"field": "readOnly", "equals": ["false"]}]));
    let objects = select(
        "Data",
        json!([
            {"field": "resources.type", "equals": ["AWS::S3::Object"]},
            {"field": "resources.ARN", "starts_with": ["arn:aws:s3:::orders/"]},
        ]),
    );
    let first = json!({
        "name": "audit", "bucket": "t/logs", "prefix": "all", "log_group": {"group": "t/group", "role": "t/role"},
        "key": "t/one", "advanced_event_selectors": [management], "tags": {"a": "1"},
    });
    let second = changed(
        &first,
        &json!({
            "bucket": "t/others", "prefix": "", "log_file_validation": false, "all_regions": false, "global_events": false,
            "log_group": {"enabled": false}, "key": "t/two", "advanced_event_selectors": [management, objects],
            "insights": ["call_rate", "error_rate"], "logging": false, "tags": {"a": "2", "名": "監査"},
        }),
    );
    Case {
        kind: "trail",
        needs: vec![
            ("t/logs", "bucket", json!({"name": "trail-logs"})),
            ("t/others", "bucket", json!({"name": "trail-others"})),
            ("t/group", "log_group", json!({})),
            ("t/role", "role", json!({"trust": trust})),
            ("t/one", "key", json!({})),
            ("t/two", "key", json!({})),
        ],
        second,
        third: Some(changed(&first, &json!({"name": "audit-2"}))),
        first,
        not_by_emulator: &[
            (
                "notification",
                "a unit test: all that a trail can have reaches the API; the emulator takes names of topics only",
            ),
            ("organization", "a unit test: all that a trail can have reaches the API; there is no organisation"),
        ],
        ..Case::default()
    }
}

#[test]
fn trail_creates_reads_back_changes_and_deletes() {
    run(trail());
}

#[test]
fn a_trail_of_a_derived_name_has_basic_selectors() {
    let with = |selectors: Value| json!({"bucket": "t/logs", "event_selectors": selectors});
    let data = json!([{"type": "s3_object", "arns": ["arn:aws:s3:::orders/"]}]);
    run_part(Case {
        kind: "trail",
        needs: vec![("t/logs", "bucket", json!({}))],
        first: with(json!([{"read_write": "write", "exclude_sources": ["kms.amazonaws.com"]}])),
        second: with(json!([{"management": false, "data": data}, {"read_write": "read"}])),
        ..Case::default()
    });
}
