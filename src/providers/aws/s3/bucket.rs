//! `bucket`: where objects are kept.
//!
//! Holds data. Only another name makes a new bucket necessary, and a bucket that holds anything, former versions
//! included, is not deleted: the API refuses, unless `empty_on_delete` is declared, which stands in a tag of the bucket
//! until then; an object lock is never gone round. An object lock can be switched on, never off.
//!
//! A name exists once in all accounts of a partition: the derived one ends in a hash of itself and of the account. The
//! creating call carries the tags, and the name finds the bucket again: those of an environment begin alike, and come
//! from one list of the region; the index of tags tells those with names of their own. In us-east-1 the API makes a
//! bucket of one's own "again" without an error, so there it is looked for before.
//!
//! Each setting costs a call for a bucket, so each is read only where it is declared, all at once. S3 refuses a change
//! while another one is under way (`OperationAborted`): such a call is made again. Left out are websites, inventories,
//! metrics, intelligent tiering, requester pays, MFA delete (only the root user can set it), access lists, and
//! notifications by others, which stay as they are.
//! API: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::bucket_empty::{empty, not_empty};
use super::bucket_lifecycle::{self, LifecycleRule, TransitionMinimum};
use super::bucket_notifications::{self, Notification};
use super::bucket_parts::{
    AccessLog, Algorithm, CorsRule, Encryption, Ownership, PublicAccessBlock, Retention, check_cors,
};
use super::bucket_replication::Replication;
use super::bucket_settings::{Settle, is_elsewhere, patient, put_tags, read as read_settings, tags, to_tags};
use super::{bucket_arn, bucket_name};
use crate::model::cloud::{ApiError, ErrorClass, Unwatched};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Recovery, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::{self, Owner};
use crate::model::preflight::View;
use crate::model::types::PolicyDocument;
use crate::model::value::is_unknown_text;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs};
use crate::providers::aws::tagging;

/// Tag of a bucket that may be emptied when it is deleted.
const EMPTY: &str = "saiken:empty-on-delete";
/// Characters of a derived name, without its hash.
const NAME: usize = 54;
/// Buckets that are read at once.
const AT_ONCE: usize = 8;
/// Longest time until a deleted bucket is not seen any more.
const GONE_WITHIN: Duration = Duration::from_secs(300);
/// The region where a bucket of one's own is made again without an error.
const LENIENT: &str = "us-east-1";

/// The kind `bucket`.
pub struct Bucket;

/// Where objects are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name: 3 to 63 lower case letters, digits, `-` and `.`. It can't be taken by anybody else in the world; the
    /// one derived from the address, if it is left out, ends in a hash of it and of the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 3, max = 63),
        regex(pattern = r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$"),
        extend("x-change" = "replace")
    )]
    pub name: Option<String>,
    /// Whether former versions of objects are kept. Once on, `false` only suspends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub versioning: Option<bool>,
    /// How objects are encrypted that do not say it themselves.
    #[serde(default)]
    #[schemars(extend("x-deep" = true))]
    pub encryption: Encryption,
    /// What keeps it from becoming public by mistake.
    #[serde(default)]
    #[schemars(extend("x-deep" = true))]
    pub public_access_block: PublicAccessBlock,
    /// Whose an object is that somebody else has written.
    #[serde(default)]
    #[schemars(extend("x-deep" = true))]
    pub ownership: Ownership,
    /// Who may do what with it; `{}` for no policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub policy: Option<PolicyDocument>,
    /// What becomes of objects with time; an empty list for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true, "x-unordered" = true))]
    pub lifecycle_rules: Option<Vec<LifecycleRule>>,
    /// The smallest objects that rules without a filter by size move.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub transition_minimum: Option<TransitionMinimum>,
    /// Whether versions can be locked against deletion (with `versioning: true`). It can't be switched off again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub object_lock: Option<bool>,
    /// How long new versions are locked that do not say it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub default_retention: Option<Retention>,
    /// Where the requests for it are written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub access_log: Option<AccessLog>,
    /// Copies of its objects in other buckets (with `versioning: true`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub replication: Option<Replication>,
    /// Which pages of other sites may ask for its objects; the first rule that fits counts. An empty list for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub cors: Option<Vec<CorsRule>>,
    /// Whether all that happens to objects is told to EventBridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub event_bridge: Option<bool>,
    /// Whom else it tells what happens to objects, by names of one's own; an empty mapping for nobody. Notifications that
    /// were made by other means stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub notifications: Option<BTreeMap<String, Notification>>,
    /// Whether it can be reached by the accelerated endpoint; its name then has no `.`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub acceleration: Option<bool>,
    /// Whether all objects, former versions included, are deleted with it. Otherwise one that holds any is not deleted.
    #[serde(default)]
    pub empty_on_delete: bool,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

const CREATE: &[&str] = &[
    "s3:CreateBucket",
    "s3:TagResource",
    "s3:GetBucketTagging",
    "s3:GetBucketNotification",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPolicy",
    "s3:PutBucketVersioning",
    "s3:PutEncryptionConfiguration",
    "s3:PutBucketObjectLockConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:PutBucketCORS",
    "s3:PutBucketLogging",
    "s3:PutReplicationConfiguration",
    "s3:PutBucketNotification",
    "s3:PutAccelerateConfiguration",
    "iam:PassRole",
];

const UPDATE: &[&str] = &[
    "s3:GetBucketTagging",
    "s3:PutBucketTagging",
    "s3:GetBucketNotification",
    "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketOwnershipControls",
    "s3:PutBucketPolicy",
    "s3:DeleteBucketPolicy",
    "s3:PutBucketVersioning",
    "s3:PutEncryptionConfiguration",
    "s3:PutBucketObjectLockConfiguration",
    "s3:PutLifecycleConfiguration",
    "s3:PutBucketCORS",
    "s3:PutBucketLogging",
    "s3:PutReplicationConfiguration",
    "s3:PutBucketNotification",
    "s3:PutAccelerateConfiguration",
    "iam:PassRole",
];

impl Kind for Bucket {
    const NAME: &'static str = "bucket";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "bucket for objects",
            service: "s3",
            reference: "https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html",
            scope: Scope::Regional,
            data: Some(Recovery::Nothing(
                "Versions do not outlive their bucket: copy the objects before, by replication, or by AWS Backup",
            )),
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Its name"),
                    Attribute::stable("name", "Name"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("dns_name", "Host name of its own in its region"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "s3:ListAllMyBuckets",
                    "s3:GetBucketTagging",
                    "s3:GetBucketVersioning",
                    "s3:GetEncryptionConfiguration",
                    "s3:GetBucketPublicAccessBlock",
                    "s3:GetBucketOwnershipControls",
                    "s3:GetBucketPolicy",
                    "s3:GetLifecycleConfiguration",
                    "s3:GetBucketObjectLockConfiguration",
                    "s3:GetBucketLogging",
                    "s3:GetReplicationConfiguration",
                    "s3:GetBucketCORS",
                    "s3:GetBucketNotification",
                    "s3:GetAccelerateConfiguration",
                    "tag:GetResources",
                ],
                create: CREATE,
                update: UPDATE,
                delete: &[
                    "s3:GetBucketTagging",
                    "s3:GetBucketObjectLockConfiguration",
                    "s3:ListBucketVersions",
                    "s3:DeleteObject",
                    "s3:DeleteObjectVersion",
                    "s3:DeleteBucket",
                ],
            },
            name_limit: NAME,
            creation_seconds: 2,
            deletion_seconds: 2,
            quota: 10_000,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if let Some(name) = spec.name.as_deref().filter(|n| !is_unknown_text(n)) {
            check_name(name, spec.acceleration == Some(true), problems);
        }
        let versioned = spec.versioning == Some(true);
        if spec.object_lock == Some(true) && !versioned {
            problems.add("object_lock", "only versions can be locked", "set `versioning: true`");
        }
        if spec.object_lock == Some(true) && spec.empty_on_delete {
            let message = "what is locked is not deleted with its bucket";
            problems.add("empty_on_delete", message, "leave `empty_on_delete` out, and empty the bucket yourself");
        }
        if let Some(retention) = &spec.default_retention {
            retention.check(problems);
            if spec.object_lock != Some(true) {
                let help = "set `object_lock: true`";
                problems.add("default_retention", "without an object lock nothing is locked", help);
            }
        }
        spec.encryption.check(problems);
        bucket_lifecycle::check(spec.lifecycle_rules.as_deref().unwrap_or_default(), problems);
        if spec.transition_minimum.is_some() && spec.lifecycle_rules.as_ref().is_none_or(Vec::is_empty) {
            let help = "leave it out, or declare `lifecycle_rules`";
            problems.add("transition_minimum", "it is part of the rules, and there are none", help);
        }
        if let Some(log) = &spec.access_log {
            log.check(problems);
        }
        if let Some(replication) = &spec.replication {
            replication.check(versioned, problems);
        }
        check_cors(spec.cors.as_deref().unwrap_or_default(), problems);
        if let Some(all) = &spec.notifications {
            bucket_notifications::check(all, problems);
        }
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn check_name(name: &str, accelerated: bool, problems: &mut Problems) {
    const FIRST: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
    const LAST: [&str; 6] = ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an"];
    if let Some(part) = FIRST.iter().find(|p| name.starts_with(**p)).or(LAST.iter().find(|p| name.ends_with(**p))) {
        problems.add("name", format!("the API keeps names with `{part}` for itself"), "choose another name");
    }
    let numbers = name.split('.').collect::<Vec<_>>();
    if numbers.len() == 4 && numbers.iter().all(|n| n.parse::<u8>().is_ok()) {
        problems.add("name", format!("`{name}` looks like an IP address"), "choose another name");
    }
    if ["..", ".-", "-."].iter().any(|pair| name.contains(pair)) {
        problems.add("name", "a `.` stands between letters or digits", "choose another name");
    }
    if accelerated && name.contains('.') {
        problems.add("acceleration", "the name of an accelerated bucket has no `.`", "choose another name");
    }
}

#[async_trait]
impl Checked for Bucket {
    fn needs() -> Needs {
        Needs {
            resource: "{name}",
            only_for: &[
                ("s3:GetBucketTagging", &["tags", "empty_on_delete"]),
                ("s3:GetBucketNotification", &["event_bridge", "notifications"]),
                ("s3:PutBucketPublicAccessBlock", &["public_access_block"]),
                ("s3:PutBucketOwnershipControls", &["ownership"]),
                ("s3:PutBucketPolicy", &["policy"]),
                ("s3:DeleteBucketPolicy", &[]),
                ("s3:PutBucketVersioning", &["versioning", "object_lock"]),
                ("s3:PutEncryptionConfiguration", &["encryption"]),
                ("s3:PutBucketObjectLockConfiguration", &["object_lock", "default_retention"]),
                ("s3:PutLifecycleConfiguration", &["lifecycle_rules", "transition_minimum"]),
                ("s3:PutBucketCORS", &["cors"]),
                ("s3:PutBucketLogging", &["access_log"]),
                ("s3:PutReplicationConfiguration", &["replication"]),
                ("iam:PassRole", &["replication"]),
                ("s3:PutBucketNotification", &["event_bridge", "notifications"]),
                ("s3:PutAccelerateConfiguration", &["acceleration"]),
                ("s3:GetBucketObjectLockConfiguration", &["empty_on_delete"]),
                ("s3:ListBucketVersions", &["empty_on_delete"]),
                ("s3:DeleteObject", &["empty_on_delete"]),
                ("s3:DeleteObjectVersion", &["empty_on_delete"]),
            ],
        }
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        let own = view.spec.get("name").is_some();
        let name = view.own_name().map(|n| if own { n.to_owned() } else { derived(view.account(), n) });
        name.map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let found = stream::iter(names.to_vec()).map(|name| async move {
            let owner = match tags(cx, &name.name).await {
                Ok(None) => return Ok(None),
                Ok(Some(tags)) => Owner::from_tags(&tags),
                // In another account, or in another region.
                Err(e) if e.class == ErrorClass::AccessDenied || is_elsewhere(&e) => None,
                Err(e) => return Err(e),
            };
            Ok(Some(Holder { id: name.name.clone(), name, owner }))
        });
        let found: Vec<Option<Holder>> = found.buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }
}

#[async_trait]
impl AwsKind for Bucket {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let (names, index) = match &read.selection {
            Selection::Ids(ids) => (ids.iter().map(|id| bucket_name(id).to_owned()).collect(), BTreeMap::new()),
            Selection::Owned { project, environment } => {
                let prefix = prefix(project, environment);
                futures::try_join!(list(cx, &prefix), index(cx, &read.selection))?
            }
            Selection::Tagged(_) => (Vec::new(), index(cx, &read.selection).await?),
        };
        // The list shows what is there; of what only the index knows, the bucket itself is asked, and it may be gone.
        let others = index.keys().filter(|name| !names.contains(name)).cloned();
        let all: Vec<(String, Option<Tags>)> =
            names.iter().map(|n| (n.clone(), index.get(n).cloned())).chain(others.map(|n| (n, None))).collect();
        let found: Vec<Option<Found<Spec>>> = stream::iter(all)
            .map(|(name, tags)| one(cx, read, name, tags).boxed())
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let name = match &spec.name {
            Some(name) => name.clone(),
            None => derived(&account(cx).await?, want.name),
        };
        if cx.region != LENIENT || !is_ours(cx, want, &name).await? {
            make(cx, want, &name).await?;
        }
        // What a new bucket is like, and what the creating call has set.
        let locked = spec.object_lock == Some(true);
        let changed = |field: &str| match field {
            "ownership" | "object_lock" => false,
            "default_retention" => spec.default_retention.as_ref().is_some_and(|r| r.mode.is_some()),
            "encryption" => spec.encryption.algorithm != Algorithm::SseS3 || spec.encryption != Encryption::default(),
            "versioning" => spec.versioning == Some(true) && !locked,
            "policy" => spec.policy.as_ref().is_some_and(|p| *p.value() != json!({})),
            "lifecycle_rules" => spec.lifecycle_rules.as_ref().is_some_and(|r| !r.is_empty()),
            "cors" => spec.cors.as_ref().is_some_and(|r| !r.is_empty()),
            "access_log" => spec.access_log.as_ref().is_some_and(|l| l.enabled),
            "replication" => spec.replication.as_ref().is_some_and(|r| !r.rules.is_empty()),
            "event_bridge" => spec.event_bridge == Some(true),
            "notifications" => spec.notifications.as_ref().is_some_and(|all| !all.is_empty()),
            "acceleration" => spec.acceleration == Some(true),
            "transition_minimum" => false,
            _ => true,
        };
        Settle { cx, name: &name, want, before: None, changed: &changed }.all().await?;
        Ok(name)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let changed = |field: &str| update.changed(field);
        let settle = Settle { cx, name: update.id, want: &update.want, before: Some(update.before), changed: &changed };
        settle.all().await?;
        if !update.changed("empty_on_delete") {
            return Ok(());
        }
        let mut all = tags(cx, update.id).await?.unwrap_or_default();
        if update.want.spec.empty_on_delete {
            all.insert(EMPTY.to_owned(), "true".to_owned());
        } else {
            all.remove(EMPTY);
        }
        put_tags(cx, update.want.watch, update.id, &all).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        if delete.spec.empty_on_delete {
            empty(cx, delete).await?;
        }
        let request = cx.clients.s3.delete_bucket().bucket(delete.id);
        match patient(cx, delete.watch, delete.id, || cx.call("s3:DeleteBucket", request.clone().send())).await {
            Err(e) if e.code.as_deref() == Some("BucketNotEmpty") => return Err(not_empty(e, delete)),
            other => other?,
        };
        cx.wait(delete.watch, &format!("{} to be gone", delete.id), GONE_WITHIN, || async {
            Ok(Look::when(tags(cx, delete.id).await?.is_none(), Some("still there")))
        })
        .await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        // One call writes all tags: those of others, and those of AWS, stay.
        let mut all = tags(cx, &object.id).await?.unwrap_or_default();
        all.extend(set.clone());
        all.retain(|tag, _| !remove.contains(tag));
        if remove.iter().any(|tag| tag == ownership::ADDRESS) {
            // Whoever has it then has not asked for that.
            all.remove(EMPTY);
        }
        put_tags(cx, &Unwatched, &object.id, &all).await
    }
}

/// The name that derives from an address: lower case, and its own in the world.
fn derived(account: &str, physical: &str) -> String {
    let plain = physical.to_lowercase();
    let plain = match plain.trim_start_matches('-') {
        "" => "bucket",
        plain => plain,
    };
    format!("{plain}-{}", ownership::hash(&format!("{account} {physical}"), 8))
}

/// What the derived names of an environment begin with.
fn prefix(project: &str, environment: &str) -> String {
    // Longer names are cut here, and end in a hash.
    let whole: String = ownership::name_prefix(project, environment).chars().take(NAME - 9).collect();
    whole.trim_end_matches('-').trim_start_matches('-').to_lowercase()
}

/// The account, which its names are made from.
async fn account(cx: &Context) -> Result<String, ApiError> {
    let me = cx.call("sts:GetCallerIdentity", cx.clients.sts.get_caller_identity().send()).await?;
    Ok(me.account().unwrap_or_default().to_owned())
}

/// Names of the region's buckets that begin so.
async fn list(cx: &Context, prefix: &str) -> Result<Vec<String>, ApiError> {
    let request = cx.clients.s3.list_buckets().bucket_region(&cx.region).prefix(prefix).max_buckets(1000);
    let pages = cx.pages("s3:ListAllMyBuckets", request.into_paginator().send()).await?;
    Ok(pages.into_iter().flat_map(|p| p.buckets.unwrap_or_default()).filter_map(|b| b.name).collect())
}

/// Tags of buckets by name, as the index of tags knows them.
async fn index(cx: &Context, selection: &Selection<'_>) -> Result<BTreeMap<String, Tags>, ApiError> {
    let all = tagging::of_service(cx, "s3", selection).await?;
    let bucket = |arn: &str| arn.split_once(":s3:::").map(|(_, name)| name.to_owned()).filter(|n| !n.contains('/'));
    Ok(all.into_iter().filter_map(|(arn, tags)| Some((bucket(&arn)?, tags))).collect())
}

/// One bucket; none if it is not selected, or not there (any more).
async fn one(
    cx: &Context,
    read: &Read<'_>,
    name: String,
    known: Option<Tags>,
) -> Result<Option<Found<Spec>>, ApiError> {
    let tags = match known {
        Some(tags) => Some(tags),
        None => match tags(cx, &name).await {
            Err(e) if is_elsewhere(&e) => None,
            other => other?,
        },
    };
    let selected = |tags: &Tags| matches!(read.selection, Selection::Ids(_)) || read.selection.matches(&name, tags);
    let Some(tags) = tags.filter(selected) else { return Ok(None) };
    let mut found = found(cx, name, tags);
    match read_settings(cx, read, &found.id, &found.tags, &mut found.spec).await {
        Ok(unread) => found.unread = unread,
        Err(e) if e.class == ErrorClass::NotFound => return Ok(None),
        Err(e) => return Err(e),
    }
    Ok(Some(found))
}

/// What is known of a bucket by its name and its tags.
fn found(cx: &Context, name: String, tags: Tags) -> Found<Spec> {
    let arn = bucket_arn(&cx.region, &name);
    let suffix = if cx.region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([
            ("id", json!(name)),
            ("name", json!(name)),
            ("arn", json!(arn)),
            ("dns_name", json!(format!("{name}.s3.{}.{suffix}", cx.region))),
        ]),
        spec: Spec {
            name: Some(name.clone()),
            versioning: None,
            encryption: Encryption::default(),
            public_access_block: PublicAccessBlock::default(),
            ownership: Ownership::default(),
            policy: None,
            lifecycle_rules: None,
            transition_minimum: None,
            object_lock: None,
            default_retention: None,
            access_log: None,
            replication: None,
            cors: None,
            event_bridge: None,
            notifications: None,
            acceleration: None,
            empty_on_delete: tags.get(EMPTY).is_some_and(|word| word == "true"),
            tags: None,
        },
        status: Status::Ready,
        tags,
        unread: Vec::new(),
        id: name,
    }
}

/// Whether the bucket is there and is what is to be made.
async fn is_ours(cx: &Context, want: &Create<'_, Spec>, name: &str) -> Result<bool, ApiError> {
    let whose = |tags: &Tags| Owner::from_tags(tags).map(|o| (o.project, o.environment, o.address, o.generation));
    match tags(&cx.plain(), name).await {
        Ok(None) => Ok(false),
        Ok(Some(tags)) if whose(&tags) == whose(want.tags) => Ok(true),
        Ok(Some(_)) => {
            let message = format!("a bucket '{name}' of this account is there, and is not the one that is declared");
            let code = Some("BucketAlreadyOwnedByYou".to_owned());
            Err(ApiError { code, ..ApiError::new("s3:CreateBucket", ErrorClass::Conflict, message) })
        }
        // Somebody else's: the creating call says it better.
        Err(e) if e.class == ErrorClass::AccessDenied || is_elsewhere(&e) => Ok(false),
        Err(e) => Err(e),
    }
}

/// The creating call, with all tags.
async fn make(cx: &Context, want: &Create<'_, Spec>, name: &str) -> Result<(), ApiError> {
    let spec = want.spec;
    let mut all = want.tags.clone();
    if spec.empty_on_delete {
        all.insert(EMPTY.to_owned(), "true".to_owned());
    }
    let place = (cx.region != LENIENT).then(|| BucketLocationConstraint::from(cx.region.as_str()));
    let configuration =
        CreateBucketConfiguration::builder().set_location_constraint(place).set_tags(Some(to_tags(&all)?)).build();
    let once = cx.once();
    let request = once
        .clients
        .s3
        .create_bucket()
        .bucket(name)
        .create_bucket_configuration(configuration)
        .object_ownership(spec.ownership.api().into())
        .set_object_lock_enabled_for_bucket(spec.object_lock.filter(|on| *on));
    let call = async {
        patient(&once, want.watch, name, || once.call("s3:CreateBucket", request.clone().send())).await?;
        Ok(name.to_owned())
    };
    create_once::<Bucket>(cx, want, Some(name), call).await.map(drop)
}

#[cfg(test)]
mod tests;
