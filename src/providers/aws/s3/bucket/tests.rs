use serde_json::{Value, json};

use super::*;
use crate::model::kind::KindDef;
use crate::model::types::Duration as Length;
use crate::providers::aws::script::{Script, owner};

const TAKEN: &str = "<Error><Code>BucketAlreadyExists</Code><Message>taken</Message></Error>";
const OURS: &str = "<Error><Code>BucketAlreadyOwnedByYou</Code><Message>yours</Message></Error>";
const BUSY: &str = "<Error><Code>OperationAborted</Code><Message>another one is under way</Message></Error>";
const GONE: &str = "<Error><Code>NoSuchBucket</Code><Message>no such bucket</Message></Error>";
const ELSEWHERE: &str = "<Error><Code>PermanentRedirect</Code><Message>another endpoint</Message></Error>";

fn error(code: &str) -> String {
    format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>")
}

fn tagging(project: &str, more: &[(&str, &str)]) -> String {
    let tags = [("saiken:project", project), ("saiken:environment", "e"), ("saiken:address", "s/it")];
    let all = tags.iter().chain(&[("saiken:generation", "1")]).chain(more);
    let all: String = all.map(|(k, v)| format!("<Tag><Key>{k}</Key><Value>{v}</Value></Tag>")).collect();
    format!("<Tagging><TagSet>{all}</TagSet></Tagging>")
}

const NOTIFICATIONS: &str = "<NotificationConfiguration><TopicConfiguration><Id>theirs</Id><Topic>arn:topic</Topic>\
    <Event>s3:ObjectCreated:*</Event></TopicConfiguration><TopicConfiguration><Id>saiken:mail</Id><Topic>arn:mail</Topic>\
    <Event>s3:ObjectCreated:*</Event></TopicConfiguration><QueueConfiguration><Id>saiken:resize</Id>\
    <Queue>arn:resize</Queue><Event>s3:ObjectCreated:Put</Event><Event>s3:ObjectCreated:Copy</Event><Filter><S3Key>\
    <FilterRule><Name>Prefix</Name><Value>in/</Value></FilterRule><FilterRule><Name>Suffix</Name><Value>.jpg</Value>\
    </FilterRule></S3Key></Filter></QueueConfiguration><CloudFunctionConfiguration><Id>saiken:scan</Id>\
    <CloudFunction>arn:scan</CloudFunction><Event>s3:ObjectRemoved:*</Event><Filter><S3Key><FilterRule>\
    <Name>Suffix</Name><Value>.exe</Value></FilterRule></S3Key></Filter></CloudFunctionConfiguration>\
    <EventBridgeConfiguration/></NotificationConfiguration>";

/// What a new bucket answers.
fn plain() -> Script {
    let account = "<GetCallerIdentityResponse><GetCallerIdentityResult><Account>123456789012</Account>\
                   </GetCallerIdentityResult></GetCallerIdentityResponse>";
    with(Script::default().answer("GetCallerIdentity", 200, account), &[])
}

/// The script with these answers to settings, and those of a new bucket to all others.
fn with(mut script: Script, settings: &[(&str, &str)]) -> Script {
    let empty = [
        ("GET /?versioning", "<VersioningConfiguration/>"),
        ("GET /?logging", "<BucketLoggingStatus/>"),
        ("GET /?notification", "<NotificationConfiguration/>"),
        ("GET /?accelerate", "<AccelerateConfiguration/>"),
    ];
    let missing = [
        ("GET /?encryption", "ServerSideEncryptionConfigurationNotFoundError"),
        ("GET /?publicAccessBlock", "NoSuchPublicAccessBlockConfiguration"),
        ("GET /?ownershipControls", "OwnershipControlsNotFoundError"),
        ("GET /?policy", "NoSuchBucketPolicy"),
        ("GET /?lifecycle", "NoSuchLifecycleConfiguration"),
        ("GET /?object-lock", "ObjectLockConfigurationNotFoundError"),
        ("GET /?replication", "ReplicationConfigurationNotFoundError"),
        ("GET /?cors", "NoSuchCORSConfiguration"),
    ];
    let given = |name: &str| settings.iter().any(|(setting, _)| *setting == name);
    for (name, body) in settings {
        script = script.answer(name, 200, body);
    }
    for (name, body) in empty.into_iter().filter(|(name, _)| !given(name)) {
        script = script.answer(name, 200, body);
    }
    for (name, code) in missing.into_iter().filter(|(name, _)| !given(name)) {
        script = script.answer(name, 404, &error(code));
    }
    script
}

/// Every call that writes a setting succeeds.
fn writes(mut script: Script) -> Script {
    for setting in ["publicAccessBlock", "ownershipControls", "policy", "versioning", "encryption", "object-lock"] {
        script = script.answer(&format!("PUT /?{setting}"), 200, "");
    }
    for setting in ["lifecycle", "cors", "logging", "replication", "notification", "accelerate", "tagging"] {
        script = script.answer(&format!("PUT /?{setting}"), 200, "");
    }
    for setting in ["lifecycle", "cors", "replication", "policy"] {
        script = script.answer(&format!("DELETE /?{setting}"), 204, "");
    }
    script.answer("PUT /", 200, "").answer("GET /?tagging", 200, &tagging("p", &[]))
}

fn full() -> Value {
    json!({
        "versioning": true,
        "encryption": {
            "algorithm": "sse_kms", "key": {"id": "arn:key"}, "bucket_key": true, "refuse_customer_keys": true,
        },
        "public_access_block": {"block_acls": true, "ignore_acls": false, "block_policy": true, "restrict": false},
        "ownership": "object_writer",
        "policy": {"Statement": []},
        "lifecycle_rules": [{
            "id": "all", "enabled": false, "prefix": "a/", "tags": {"k": "v"}, "larger_than": "1KiB",
            "smaller_than": "1GiB", "expire_after": "90d", "expire_on": "", "expire_delete_markers": false,
            "transitions": [{"after": "60d", "on": "", "to": "glacier_ir"}], "expire_noncurrent_after": "31d",
            "keep_noncurrent": 3, "noncurrent_transitions": [{"after": "30d", "keep": 2, "to": "deep_archive"}],
            "abort_uploads_after": "0s",
        }],
        "transition_minimum": "varies",
        "object_lock": true,
        "default_retention": {"mode": "compliance", "period": "730d"},
        "access_log": {"enabled": true, "bucket": {"id": "logs"}, "prefix": "x/", "keys": "by_event_time"},
        "replication": {"role": {"id": "arn:role"}, "rules": [{
            "id": "r", "enabled": true, "priority": 7, "prefix": "a/", "tags": {"k": "v"}, "bucket": {"id": "copy"},
            "account": "123456789012", "storage_class": "glacier", "encrypted_objects": true,
            "key": {"id": "arn:copy-key"}, "delete_markers": false, "replica_modifications": true,
            "time_control": true, "metrics": false,
        }]},
        "cors": [{
            "id": "c", "origins": ["https://example.jp"], "methods": ["get", "put"], "headers": ["x-*"],
            "expose_headers": ["etag"], "max_age": "1m",
        }],
        "event_bridge": true,
        "notifications": {
            "mail": {"events": ["s3:ObjectCreated:*"], "prefix": "", "suffix": "", "topic": {"id": "arn:mail"}},
            "resize": {
                "events": ["s3:ObjectCreated:Copy", "s3:ObjectCreated:Put"], "prefix": "in/", "suffix": ".jpg",
                "queue": "arn:resize",
            },
            "scan": {"events": ["s3:ObjectRemoved:*"], "prefix": "", "suffix": ".exe", "function": "arn:scan"},
        },
        "acceleration": true,
        "empty_on_delete": false,
        "tags": {},
    })
}

const LIFECYCLE: &str = "<LifecycleConfiguration><Rule><ID>all</ID><Status>Disabled</Status><Filter><And><Prefix>a/</Prefix>\
    <Tag><Key>k</Key><Value>v</Value></Tag><ObjectSizeGreaterThan>1024</ObjectSizeGreaterThan>\
    <ObjectSizeLessThan>1073741824</ObjectSizeLessThan></And></Filter><Expiration><Days>90</Days></Expiration>\
    <Transition><Days>60</Days><StorageClass>GLACIER_IR</StorageClass></Transition>\
    <NoncurrentVersionExpiration><NoncurrentDays>31</NoncurrentDays>\
    <NewerNoncurrentVersions>3</NewerNoncurrentVersions></NoncurrentVersionExpiration>\
    <NoncurrentVersionTransition><NoncurrentDays>30</NoncurrentDays><StorageClass>DEEP_ARCHIVE</StorageClass>\
    <NewerNoncurrentVersions>2</NewerNoncurrentVersions></NoncurrentVersionTransition></Rule></LifecycleConfiguration>";

const REPLICATION: &str = "<ReplicationConfiguration><Role>arn:role</Role><Rule><ID>r</ID><Priority>7</Priority>\
    <Status>Enabled</Status><Filter><And><Prefix>a/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>\
    <SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Enabled</Status></SseKmsEncryptedObjects>\
    <ReplicaModifications><Status>Enabled</Status></ReplicaModifications></SourceSelectionCriteria>\
    <Destination><Bucket>arn:aws:s3:::copy</Bucket><Account>123456789012</Account><StorageClass>GLACIER</StorageClass>\
    <AccessControlTranslation><Owner>Destination</Owner></AccessControlTranslation><EncryptionConfiguration>\
    <ReplicaKmsKeyID>arn:copy-key</ReplicaKmsKeyID></EncryptionConfiguration><ReplicationTime><Status>Enabled</Status>\
    <Time><Minutes>15</Minutes></Time></ReplicationTime><Metrics><Status>Enabled</Status><EventThreshold>\
    <Minutes>15</Minutes></EventThreshold></Metrics></Destination><DeleteMarkerReplication><Status>Disabled</Status>\
    </DeleteMarkerReplication></Rule></ReplicationConfiguration>";

/// Every setting as [`full`] declares it.
fn answers() -> Script {
    let settings = [
        ("GET /?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>"),
        (
            "GET /?encryption",
            "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault>\
             <SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>arn:key</KMSMasterKeyID>\
             </ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled><BlockedEncryptionTypes>\
             <EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes></Rule></ServerSideEncryptionConfiguration>",
        ),
        (
            "GET /?publicAccessBlock",
            "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls>\
             <BlockPublicPolicy>true</BlockPublicPolicy></PublicAccessBlockConfiguration>",
        ),
        (
            "GET /?ownershipControls",
            "<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>",
        ),
        ("GET /?policy", r#"{"Statement": []}"#),
        ("GET /?lifecycle", LIFECYCLE),
        (
            "GET /?object-lock",
            "<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention>\
             <Mode>COMPLIANCE</Mode><Years>2</Years></DefaultRetention></Rule></ObjectLockConfiguration>",
        ),
        (
            "GET /?logging",
            "<BucketLoggingStatus><LoggingEnabled><TargetBucket>logs</TargetBucket><TargetPrefix>x/</TargetPrefix>\
             <TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource>\
             </PartitionedPrefix></TargetObjectKeyFormat></LoggingEnabled></BucketLoggingStatus>",
        ),
        ("GET /?replication", REPLICATION),
        (
            "GET /?cors",
            "<CORSConfiguration><CORSRule><ID>c</ID><AllowedHeader>x-*</AllowedHeader><AllowedMethod>GET</AllowedMethod>\
             <AllowedMethod>PUT</AllowedMethod><AllowedOrigin>https://example.jp</AllowedOrigin>\
             <ExposeHeader>etag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>",
        ),
        ("GET /?notification", NOTIFICATIONS),
        ("GET /?accelerate", "<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>"),
    ];
    with(Script::default(), &settings)
}

#[tokio::test]
async fn every_setting_is_read_and_equals_what_is_declared() {
    let list = "<ListAllMyBucketsResult><Buckets><Bucket><Name>p-e-s-it-12345678</Name></Bucket></Buckets>\
                </ListAllMyBucketsResult>";
    let script = answers()
        .answer("GET /?max-buckets=1000&prefix=p-e&bucket-region=ap-northeast-1", 200, list)
        .answer("GetResources", 200, r#"{"ResourceTagMappingList": []}"#)
        .answer("GET /?tagging", 200, &tagging("p", &[("Name", "p-e-s-it")]));
    let found = script.read::<Bucket>().await.unwrap();
    assert_eq!(found.len(), 1);
    let mut expected = full();
    expected["name"] = json!("p-e-s-it-12345678");
    // What the API says with a header, which a script has not.
    expected["transition_minimum"] = json!("all128k");
    assert_eq!(found[0].spec, expected);
    assert!(found[0].unread.is_empty());
    assert_eq!(found[0].attributes["dns_name"], "p-e-s-it-12345678.s3.ap-northeast-1.amazonaws.com");
    assert_eq!(found[0].identifiers, ["arn:aws:s3:::p-e-s-it-12345678"]);
}

#[tokio::test]
async fn a_bucket_of_its_own_name_is_found_by_the_index_and_one_that_is_gone_or_elsewhere_is_left_out() {
    let index = |name: &str| {
        let tag = |(k, v): (&str, &str)| json!({"Key": k, "Value": v});
        let tags = [("saiken:project", "p"), ("saiken:environment", "e"), ("saiken:address", "s/it")].map(tag);
        json!({"ResourceTagMappingList": [{"ResourceARN": format!("arn:aws:s3:::{name}"), "Tags": tags}]}).to_string()
    };
    let script = |status: u16, body: &str| {
        plain()
            .answer("GET /?max-buckets=1000&prefix=p-e&bucket-region=ap-northeast-1", 200, "<ListAllMyBucketsResult/>")
            .answer("GetResources", 200, &index("own-orders"))
            .answer("GET /?tagging", status, body)
    };
    let found = script(200, &tagging("p", &[])).read::<Bucket>().await.unwrap();
    assert_eq!(found.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), ["own-orders"]);
    assert_eq!(found[0].spec["encryption"], json!({"algorithm": "sse_s3"}));
    assert_eq!(found[0].spec["public_access_block"]["block_policy"], false, "nothing is set");
    assert!(script(404, GONE).read::<Bucket>().await.unwrap().is_empty());
    assert!(script(301, ELSEWHERE).read::<Bucket>().await.unwrap().is_empty());
    assert!(script(200, &tagging("another", &[])).read::<Bucket>().await.unwrap().is_empty(), "the index lags");
}

#[tokio::test]
async fn everything_that_is_declared_reaches_the_api() {
    let script = writes(answers()).answer("GetCallerIdentity", 200, "<GetCallerIdentityResponse/>");
    let mut spec = full();
    spec["name"] = json!("own-orders");
    script.create::<Bucket>(spec).await.unwrap();
    let asked = |operation: &str| script.asked(operation).join("");
    let create = asked("PUT /");
    assert!(create.contains("<LocationConstraint>ap-northeast-1</LocationConstraint>"), "{create}");
    assert!(create.contains("<Key>saiken:address</Key><Value>s/it</Value>"), "{create}");
    assert!(script.asked("PUT /?versioning").is_empty(), "a bucket with object lock is versioned");
    assert!(script.asked("PUT /?ownershipControls").is_empty(), "the creating call says it");
    let parts = [
        ("encryption", "<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>"),
        ("encryption", "<KMSMasterKeyID>arn:key</KMSMasterKeyID>"),
        ("encryption", "<BucketKeyEnabled>true</BucketKeyEnabled>"),
        ("publicAccessBlock", "<RestrictPublicBuckets>false</RestrictPublicBuckets>"),
        ("object-lock", "<Days>730</Days>"),
        ("logging", "<PartitionDateSource>EventTime</PartitionDateSource>"),
        ("notification", "<EventBridgeConfiguration"),
        ("notification", "<Topic>arn:topic</Topic>"),
        ("notification", "<Id>saiken:mail</Id>"),
        ("notification", "<Queue>arn:resize</Queue>"),
        ("notification", "<Event>s3:ObjectCreated:Put</Event>"),
        ("notification", "<FilterRule><Name>prefix</Name><Value>in/</Value></FilterRule>"),
        ("notification", "<FilterRule><Name>suffix</Name><Value>.jpg</Value></FilterRule>"),
        ("notification", "<CloudFunction>arn:scan</CloudFunction>"),
        ("accelerate", "<Status>Enabled</Status>"),
        ("cors", "<MaxAgeSeconds>60</MaxAgeSeconds>"),
    ];
    for (setting, text) in parts {
        let body = asked(&format!("PUT /?{setting}"));
        assert!(body.contains(text), "{setting} lacks {text}: {body}");
    }
    // Each value of the two long ones, in its own element.
    for (setting, whole) in [("lifecycle", LIFECYCLE), ("replication", REPLICATION)] {
        let body = asked(&format!("PUT /?{setting}"));
        for leaf in leaves(whole) {
            assert!(body.contains(&leaf), "{setting} lacks {leaf}: {body}");
        }
    }
}

/// The elements of a text that hold no others: `<Days>90</Days>`.
fn leaves(xml: &str) -> Vec<String> {
    let mut all = Vec::new();
    for part in xml.split('<').filter(|p| !p.starts_with('/')) {
        if let Some((name, text)) = part.split_once('>').filter(|(_, text)| !text.is_empty()) {
            all.push(format!("<{name}>{text}</{name}>"));
        }
    }
    all
}

#[tokio::test]
async fn each_setting_is_changed_by_its_own_call_and_taken_away_again() {
    let script = writes(plain());
    let none = json!({
        "policy": {}, "lifecycle_rules": [], "cors": [], "access_log": {"enabled": false}, "replication": {"rules": []},
        "event_bridge": false, "notifications": {}, "acceleration": false, "versioning": false,
    });
    let mut before = full();
    before["object_lock"] = json!(false);
    script.update::<Bucket>("own", before, none).await.unwrap();
    for operation in ["DELETE /?policy", "DELETE /?lifecycle", "DELETE /?cors", "DELETE /?replication"] {
        assert_eq!(script.asked(operation).len(), 1, "{operation}");
    }
    assert!(script.asked("PUT /?versioning")[0].contains("<Status>Suspended</Status>"));
    assert!(script.asked("PUT /?accelerate")[0].contains("<Status>Suspended</Status>"));
    assert!(!script.asked("PUT /?notification")[0].contains("EventBridge"));
    assert!(!script.asked("PUT /?logging")[0].contains("LoggingEnabled"));
}

#[tokio::test]
async fn a_bucket_key_that_is_not_declared_stays_as_it_is_and_comes_with_a_new_algorithm() {
    let of = |encryption: Value| json!({"encryption": encryption});
    let kms = |key: &str| json!({"algorithm": "sse_kms", "key": {"id": key}});
    let mut without = kms("arn:old");
    without["bucket_key"] = json!(false);
    for (before, kept) in [(without, false), (json!({"algorithm": "sse_s3", "bucket_key": false}), true)] {
        let script = writes(plain());
        script.update::<Bucket>("own", of(before), of(kms("arn:new"))).await.unwrap();
        let body = &script.asked("PUT /?encryption")[0];
        assert!(body.contains(&format!("<BucketKeyEnabled>{kept}</BucketKeyEnabled>")), "{body}");
    }
}

#[tokio::test]
async fn notifications_of_others_stay() {
    let script = writes(answers());
    let of = |on: bool| json!({"event_bridge": on});
    script.update::<Bucket>("own", of(true), of(false)).await.unwrap();
    let body = &script.asked("PUT /?notification")[0];
    assert!(body.contains("<Topic>arn:topic</Topic>") && !body.contains("EventBridge"), "{body}");
    assert!(body.contains("<Id>saiken:scan</Id>"), "what is not declared stays, too: {body}");
    let all = |all: Value| json!({"notifications": all});
    let mail = json!({"mail": {"events": ["s3:ObjectRestore:Completed"], "queue": "arn:other"}});
    script.update::<Bucket>("own", all(full()["notifications"].clone()), all(mail)).await.unwrap();
    let body = &script.asked("PUT /?notification")[1];
    for part in ["<Id>theirs</Id>", "<EventBridgeConfiguration", "<Id>saiken:mail</Id><Queue>arn:other</Queue>"] {
        assert!(body.contains(part), "{part}: {body}");
    }
    for gone in ["saiken:resize", "saiken:scan", "arn:mail"] {
        assert!(!body.contains(gone), "{gone}: {body}");
    }
}

#[tokio::test]
async fn a_notification_waits_for_the_policy_of_where_it_goes() {
    const EARLY: &str = "<Error><Code>InvalidArgument</Code><Message>Unable to validate the following destination \
                         configurations</Message></Error>";
    let script = Script::default().answer("PUT /?notification", 400, EARLY).answer("PUT /?notification", 200, "");
    let script = script.with(writes(plain()));
    let one = json!({"notifications": {"mail": {"events": ["s3:ObjectCreated:*"], "topic": {"id": "arn:mail"}}}});
    script.update::<Bucket>("own", json!({"notifications": {}}), one.clone()).await.unwrap();
    assert_eq!(script.asked("PUT /?notification").len(), 2);
    let never = Script::default().answer("PUT /?notification", 400, EARLY).with(writes(plain()));
    let refused = never.update::<Bucket>("own", json!({"notifications": {}}), one).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("InvalidArgument"), "the API's own error: {refused}");
}

#[tokio::test]
async fn an_object_lock_is_not_switched_off_and_its_default_can_be_taken_away() {
    let script = writes(answers());
    let of = |lock: bool, period: &str| json!({"object_lock": lock, "default_retention": {"period": period}});
    let refused = script.update::<Bucket>("own", of(true, "1d"), of(false, "1d")).await.unwrap_err();
    assert!(refused.message.contains("can't be switched off"), "{refused}");
    assert!(script.asked("PUT /?object-lock").is_empty());
    script.update::<Bucket>("own", of(true, "1d"), of(true, "0s")).await.unwrap();
    let body = &script.asked("PUT /?object-lock")[0];
    assert!(body.contains("Enabled") && !body.contains("DefaultRetention"), "{body}");
}

#[tokio::test]
async fn a_name_that_we_have_is_taken_as_made_and_anybody_elses_is_refused() {
    let spec = json!({"name": "own-orders"});
    let script = |body: &str, project: &str| {
        with(Script::default(), &[]).answer("PUT /", 409, body).answer("PUT /?publicAccessBlock", 200, "").answer(
            "GET /?tagging",
            200,
            &tagging(project, &[]),
        )
    };
    assert_eq!(script(OURS, "p").create::<Bucket>(spec.clone()).await.unwrap().id, "own-orders");
    let theirs = script(OURS, "another").create::<Bucket>(spec.clone()).await.unwrap_err();
    assert_eq!(theirs.code.as_deref(), Some("BucketAlreadyOwnedByYou"));
    let foreign = Script::default().answer("PUT /", 409, TAKEN).answer("GET /?tagging", 403, &error("AccessDenied"));
    assert!(foreign.create::<Bucket>(spec).await.is_err());
    assert!(foreign.asked("PUT /?publicAccessBlock").is_empty());
}

#[tokio::test]
async fn a_creating_call_without_answer_is_not_made_again_and_its_bucket_is_found() {
    let script = plain().lost("PUT /").answer("PUT /?publicAccessBlock", 200, "").answer(
        "GET /?tagging",
        200,
        &tagging("p", &[]),
    );
    let made = script.create::<Bucket>(json!({})).await.unwrap();
    assert_eq!((made.id, script.asked("PUT /").len()), (derived("123456789012", "p-e-s-it"), 1));
}

#[tokio::test]
async fn what_is_refused_while_another_change_is_under_way_is_asked_again() {
    let script = plain()
        .answer("PUT /", 409, BUSY)
        .answer("PUT /", 200, "")
        .answer("PUT /?publicAccessBlock", 409, BUSY)
        .answer("PUT /?publicAccessBlock", 200, "")
        .answer("GET /?tagging", 200, &tagging("p", &[]));
    script.create::<Bucket>(json!({"name": "own-orders"})).await.unwrap();
    assert_eq!((script.asked("PUT /").len(), script.asked("PUT /?publicAccessBlock").len()), (2, 2));
}

#[tokio::test]
async fn tags_are_written_once_another_change_has_ended() {
    for (from, to) in [
        (json!({"empty_on_delete": false}), json!({"empty_on_delete": true})),
        (json!({"tags": {}}), json!({"tags": {"a": "1"}})),
    ] {
        let script = writes(Script::default().answer("PUT /?tagging", 409, BUSY).with(plain()));
        script.update::<Bucket>("own", from, to).await.unwrap();
        assert_eq!(script.asked("PUT /?tagging").len(), 2);
    }
}

#[tokio::test]
async fn a_replication_waits_for_versioning_to_be_in_force_and_ends_with_the_apis_own_error() {
    const EARLY: &str = "<Error><Code>InvalidRequest</Code><Message>Versioning must be 'Enabled' on the bucket to apply a \
                         replication configuration</Message></Error>";
    let of = |on: bool| json!({"replication": if on { full()["replication"].clone() } else { json!({"rules": []}) }});
    let refused = || Script::default().answer("PUT /?replication", 400, EARLY);
    let script = writes(refused().with(plain()));
    script.update::<Bucket>("own", of(false), of(true)).await.unwrap();
    assert_eq!(script.asked("PUT /?replication").len(), 2);
    let never = refused().with(writes(plain()));
    let last = never.update::<Bucket>("own", of(false), of(true)).await.unwrap_err();
    assert!(last.code.as_deref() == Some("InvalidRequest") && last.message.contains("Versioning"), "{last}");
    let other = Script::default().answer("PUT /?replication", 400, &error("InvalidRequest")).with(writes(plain()));
    assert!(other.update::<Bucket>("own", of(false), of(true)).await.is_err());
    assert_eq!(other.asked("PUT /?replication").len(), 1, "anything else is final");
}

#[tokio::test]
async fn a_bucket_that_holds_anything_is_not_deleted_and_says_what_to_do() {
    let script =
        plain().answer("GET /?tagging", 404, &error("NoSuchTagSet")).answer("DELETE /", 409, &error("BucketNotEmpty"));
    let refused = script.delete::<Bucket>("own", json!({"versioning": true})).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Conflict);
    assert!(refused.message.contains("`empty_on_delete: true`"), "{refused}");
    assert!(script.asked("POST /?delete").is_empty());
}

/// A page of versions: a key, and a delete marker.
const PAGE: &str = "<ListVersionsResult><Version><Key>a &amp; b</Key><VersionId>v1</VersionId></Version>\
    <DeleteMarker><Key>日本</Key><VersionId>null</VersionId></DeleteMarker><IsTruncated>true</IsTruncated></ListVersionsResult>";

fn emptied(tags: &str) -> Script {
    plain()
        .answer("GET /?tagging", 200, tags)
        .answer("GET /?versions&max-keys=1000", 200, PAGE)
        .answer("GET /?versions&max-keys=1000", 200, PAGE)
        .answer("GET /?versions&max-keys=1000", 200, "<ListVersionsResult/>")
}

#[tokio::test]
async fn every_version_and_delete_marker_goes_before_a_bucket_that_may_be_emptied() {
    let script = Script::default()
        .answer("GET /?tagging", 404, &error("NoSuchTagSet"))
        .answer("GET /?tagging", 404, GONE)
        .answer("GET /?object-lock", 404, &error("ObjectLockConfigurationNotFoundError"))
        .answer("GET /?versions&max-keys=1000", 200, PAGE)
        .answer("GET /?versions&max-keys=1000", 200, PAGE)
        .answer("GET /?versions&max-keys=1000", 200, "<ListVersionsResult/>")
        .answer("POST /?delete", 200, "<DeleteResult/>")
        .answer("DELETE /", 204, "");
    script.delete::<Bucket>("own", json!({"empty_on_delete": true})).await.unwrap();
    let batches = script.asked("POST /?delete");
    assert_eq!(batches.len(), 2);
    assert!(batches[0].contains("<Key>a &amp; b</Key><VersionId>v1</VersionId>"), "{}", batches[0]);
    assert!(batches[0].contains("<Key>日本</Key><VersionId>null</VersionId>"), "{}", batches[0]);
    assert_eq!(script.operations().iter().filter(|o| *o == "DELETE /").count(), 1);
}

#[tokio::test]
async fn what_is_locked_or_refused_is_not_emptied() {
    let locked = answers().answer("GET /?tagging", 404, &error("NoSuchTagSet"));
    let refused = locked.delete::<Bucket>("own", json!({"empty_on_delete": true})).await.unwrap_err();
    assert!(refused.message.contains("object lock"), "{refused}");
    assert!(locked.asked("GET /?versions&max-keys=1000").is_empty());
    let denied = emptied(&tagging("p", &[])).answer(
        "POST /?delete",
        200,
        "<DeleteResult><Error><Key>a &amp; b</Key><Code>AccessDenied</Code><Message>no</Message></Error></DeleteResult>",
    );
    let spec = json!({"empty_on_delete": true});
    let refused = denied.delete_owned::<Bucket>("own", spec, Some(owner())).await.unwrap_err();
    assert!(refused.message.contains("'a & b' in 'own'"), "{refused}");
    assert_eq!(denied.asked("POST /?delete").len(), 1);
}

#[tokio::test]
async fn tags_of_others_stay_and_what_is_given_away_is_not_emptied() {
    let all = tagging("p", &[(EMPTY, "true"), ("aws:cloudformation:stack-name", "x"), ("a", "1")]);
    let script = Script::default().answer("GET /?tagging", 200, &all).answer("PUT /?tagging", 200, "");
    let object = crate::providers::aws::script::object::<Bucket>("own", json!({}));
    let remove: Vec<String> = ownership::ALL.iter().map(|t| (*t).to_owned()).collect();
    let cx = script.context();
    Bucket::retag(&cx, &object, &Tags::from([("a".into(), "2".into())]), &[]).await.unwrap();
    Bucket::retag(&cx, &object, &Tags::new(), &remove).await.unwrap();
    let [kept, given] = <[String; 2]>::try_from(script.asked("PUT /?tagging")).unwrap();
    for part in ["<Key>aws:cloudformation:stack-name</Key>", "<Key>a</Key><Value>2</Value>", EMPTY, "saiken:address"] {
        assert!(kept.contains(part), "{part}: {kept}");
    }
    assert!(!given.contains("saiken:") && given.contains("<Key>a</Key><Value>1</Value>"), "{given}");
}

#[test]
fn derived_names_are_valid_short_and_found_by_their_prefix() {
    let address = crate::model::Address::parse("storage/main").unwrap();
    for (project, environment) in [("shop", "production"), ("Shop.JP", "a_b"), ("再建", "本番"), (&"x".repeat(80), "e")]
    {
        let physical = ownership::physical_name(project, environment, &address, 1, NAME);
        let name = derived("123456789012", &physical);
        assert!(name.len() <= 63 && name.starts_with(&prefix(project, environment)), "{name}");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'), "{name}");
        assert!(name.as_bytes()[0].is_ascii_alphanumeric(), "{name}");
        assert_ne!(name, derived("210987654321", &physical), "another account has another name");
    }
}

fn problems(spec: &Value) -> Vec<String> {
    let (_, problems) = KindDef::of::<Bucket>().normalise(spec).unwrap();
    problems.0.into_iter().map(|p| p.path).collect()
}

#[test]
fn what_the_api_would_refuse_is_said_before() {
    let rule = |fields: Value| {
        let mut rule = json!({"id": "r"});
        rule.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({"lifecycle_rules": [rule]})
    };
    let copy = |fields: Value| {
        let mut rule = json!({"id": "r", "bucket": {"id": "copy"}});
        rule.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        json!({"versioning": true, "replication": {"role": {"id": "arn:role"}, "rules": [rule]}})
    };
    let all = [
        (json!({"name": "192.168.0.1"}), "name"),
        (json!({"name": "a..b"}), "name"),
        (json!({"name": "orders-s3alias"}), "name"),
        (json!({"name": "a.b.c", "acceleration": true}), "acceleration"),
        (json!({"object_lock": true}), "object_lock"),
        (json!({"object_lock": true, "versioning": true, "empty_on_delete": true}), "empty_on_delete"),
        (json!({"default_retention": {"mode": "governance", "period": "1d"}}), "default_retention"),
        (
            json!({"object_lock": true, "versioning": true, "default_retention": {"period": "1d"}}),
            "default_retention.mode",
        ),
        (
            json!({"object_lock": true, "versioning": true, "default_retention": {"mode": "governance", "period": "25h"}}),
            "default_retention.period",
        ),
        (json!({"encryption": {"key": {"id": "arn:key"}}}), "encryption.key"),
        (json!({"notifications": {"a": {"events": ["s3:ObjectCreated:*"]}}}), "notifications.a"),
        (json!({"notifications": {"a": {"events": ["created"], "queue": "arn:q"}}}), "notifications.a.events"),
        (
            json!({"notifications": {"a": {"events": ["s3:ObjectCreated:*"], "queue": "arn:q.fifo"}}}),
            "notifications.a.queue",
        ),
        (json!({"encryption": {"bucket_key": true}}), "encryption.bucket_key"),
        (json!({"access_log": {}}), "access_log.bucket"),
        (json!({"access_log": {"bucket": {"id": "arn:aws:s3:::logs"}}}), "access_log.bucket"),
        (json!({"transition_minimum": "varies"}), "transition_minimum"),
        (rule(json!({})), "lifecycle_rules.0"),
        (rule(json!({"expire_after": "36h"})), "lifecycle_rules.0.expire_after"),
        (rule(json!({"expire_on": "2027-13-01"})), "lifecycle_rules.0.expire_on"),
        (rule(json!({"expire_after": "1d", "expire_on": "2027-01-01"})), "lifecycle_rules.0"),
        (rule(json!({"expire_after": "1d", "expire_delete_markers": true})), "lifecycle_rules.0.expire_delete_markers"),
        (
            rule(json!({"transitions": [{"after": "29d", "to": "standard_ia"}]})),
            "lifecycle_rules.0.transitions.0.after",
        ),
        (
            rule(json!({"expire_after": "30d", "transitions": [{"after": "30d", "to": "glacier"}]})),
            "lifecycle_rules.0.transitions.0.after",
        ),
        (rule(json!({"tags": {"a": "1"}, "abort_uploads_after": "1d"})), "lifecycle_rules.0.abort_uploads_after"),
        (rule(json!({"keep_noncurrent": 3, "expire_after": "1d"})), "lifecycle_rules.0.keep_noncurrent"),
        (
            rule(json!({"expire_after": "1d", "larger_than": "1KiB", "smaller_than": "1KiB"})),
            "lifecycle_rules.0.smaller_than",
        ),
        (copy(json!({"encrypted_objects": true})), "replication.rules.0.key"),
        (copy(json!({"tags": {"a": "1"}, "delete_markers": true})), "replication.rules.0.delete_markers"),
        (copy(json!({"account": "12"})), "replication.rules.0.account"),
        (json!({"replication": {"rules": [], "role": {"id": "r"}}}), "replication.role"),
        (json!({"replication": {"role": {"id": "r"}, "rules": [{"id": "r", "bucket": {"id": "c"}}]}}), "replication"),
        (json!({"cors": [{"origins": ["*.*"], "methods": ["get"]}]}), "cors.0.origins"),
    ];
    for (spec, at) in all {
        assert_eq!(problems(&spec), [at], "{spec}");
    }
    assert!(problems(&json!({})).is_empty());
    assert!(problems(&copy(json!({}))).is_empty());
}

#[test]
fn a_part_of_a_rule_that_is_taken_away_differs() {
    let def = KindDef::of::<Bucket>();
    let normal = |spec: &Value| def.normalise(spec).unwrap().0;
    let one = normal(&json!({"lifecycle_rules": [{"id": "r", "abort_uploads_after": "1d"}]}));
    let rule = &one["lifecycle_rules"][0];
    assert_eq!((&rule["expire_after"], &rule["transitions"]), (&json!("0s"), &json!([])), "none is said");
    assert_eq!(bucket_lifecycle::from_days(None), Length::from_seconds(0));
    assert_eq!(one["public_access_block"]["restrict"], true);
    assert_eq!(
        (&one["ownership"], &one["encryption"]),
        (&json!("bucket_owner_enforced"), &json!({"algorithm": "sse_s3"}))
    );
}
