//! `log_group`: where log lines are kept.
//!
//! Holds data: deleting it loses its lines. Its name derives from the address (`log_group.name` tells it to agents), so
//! that a prefix finds the environment's groups in pages of 50, and a run that ended early finds its group again. Their
//! tags come from the index of tags, but for new ones that it does not know yet: these cost a call each. Only `class` makes
//! a new group necessary.
//! API: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html>

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::types::{LogGroup as ApiGroup, LogGroupClass};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::types::{Duration, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::tagging;

const DAY: u64 = 86_400;
/// Days that the API takes
/// (<https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html>).
const DAYS: [u64; 23] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653, 0];
/// Calls for the tags of single groups under way at once.
const AT_ONCE: usize = 8;

/// The kind `log_group`.
pub struct LogGroup;

/// Where log lines are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// How long lines are kept: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557,
    /// 2922, 3288 or 3653 days; `0s` for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Duration>,
    /// Key that encrypts it; its policy must allow the logs service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Ref<Key>>,
    /// What it costs and can do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub class: Option<Class>,
    /// Whether the API refuses to delete it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_protection: Option<bool>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// What a log group costs and can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Everything.
    Standard,
    /// Cheaper, without metric filters and live tail.
    InfrequentAccess,
}

impl Kind for LogGroup {
    const NAME: &'static str = "log_group";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "log group",
            service: "logs",
            reference: "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html",
            scope: Scope::Regional,
            data_bearing: true,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "Its name"),
                    Attribute::stable("name", "Name"),
                    Attribute::stable("arn", "ARN, without `:*`"),
                ]
            },
            permissions: Permissions {
                read: &["logs:DescribeLogGroups", "logs:ListTagsForResource", "tag:GetResources"],
                create: &[
                    "logs:CreateLogGroup",
                    "logs:TagResource",
                    "logs:PutRetentionPolicy",
                    "logs:PutLogGroupDeletionProtection",
                ],
                update: &[
                    "logs:PutRetentionPolicy",
                    "logs:DeleteRetentionPolicy",
                    "logs:AssociateKmsKey",
                    "logs:PutLogGroupDeletionProtection",
                    "logs:TagResource",
                    "logs:UntagResource",
                ],
                delete: &["logs:DeleteLogGroup"],
            },
            name_limit: 512,
            creation_seconds: 1,
            deletion_seconds: 1,
            quota: 1_000_000,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if let Some(retention) = &spec.retention {
            let seconds = retention.seconds();
            let known = seconds % DAY == 0 && DAYS.contains(&(seconds / DAY));
            if !known {
                let message = format!("the API can't keep lines for `{retention}`");
                problems.add("retention", message, "take 7d, 30d, 90d, 365d, 400d, 731d, or 0s for ever");
            }
        }
    }
}

#[async_trait]
impl AwsKind for LogGroup {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let prefix = match &read.selection {
            Selection::Owned { project, environment } => Some(format!("{project}-{environment}-")),
            Selection::Tagged(_) => None,
            Selection::Ids(ids) => {
                let mut out = Vec::new();
                for id in *ids {
                    let same = groups(cx, id).await?.into_iter().find(|g| g.log_group_name() == Some(id));
                    if let Some(group) = same {
                        out.extend(with_tags(cx, read, group).await?);
                    }
                }
                return Ok(out);
            }
        };
        // By the names that we give, which shows new ones at once; and by the index of tags, which knows those with
        // other names, and spares a call for the tags of each.
        let named = async {
            match &prefix {
                Some(prefix) => groups(cx, prefix).await,
                None => Ok(Vec::new()),
            }
        };
        let (mut all, mut index) = futures::try_join!(named, tagging::of_service(cx, "logs", &read.selection))?;
        let known: BTreeSet<String> = all.iter().map(arn).collect();
        let others: Vec<&str> =
            index.keys().filter(|a| !known.contains(*a)).filter_map(|a| Some(a.split_once(":log-group:")?.1)).collect();
        for names in others.chunks(50) {
            all.extend(by_name(cx, names).await?);
        }
        let (mut found, mut unsure) = (Vec::new(), Vec::new());
        for group in all {
            match index.remove(&arn(&group)) {
                Some(tags) => found.push(self::found(&group, arn(&group), tags)),
                None => unsure.push(group),
            }
        }
        let more: Vec<Option<Found<Spec>>> =
            stream::iter(unsure).map(|group| with_tags(cx, read, group)).buffered(AT_ONCE).try_collect().await?;
        found.extend(more.into_iter().flatten());
        Ok(found)
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let request = cx
            .clients
            .logs
            .create_log_group()
            .log_group_name(want.name)
            .set_kms_key_id(key_arn(want)?)
            .set_log_group_class(spec.class.map(|c| match c {
                Class::Standard => LogGroupClass::Standard,
                Class::InfrequentAccess => LogGroupClass::InfrequentAccess,
            }))
            .set_deletion_protection_enabled(spec.deletion_protection.filter(|p| *p))
            .set_tags(Some(want.tags.clone().into_iter().collect()));
        cx.call("logs:CreateLogGroup", request.send()).await?;
        set_retention(cx, want.name, spec).await?;
        Ok(want.name.to_owned())
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let (logs, spec) = (&cx.clients.logs, update.want.spec);
        if update.changed("retention") {
            set_retention(cx, update.id, spec).await?;
        }
        if update.changed("key")
            && let Some(arn) = key_arn(&update.want)?
        {
            let request = logs.associate_kms_key().log_group_name(update.id).kms_key_id(arn);
            cx.call("logs:AssociateKmsKey", request.send()).await?;
        }
        if let Some(protect) = spec.deletion_protection.filter(|_| update.changed("deletion_protection")) {
            let request = logs
                .put_log_group_deletion_protection()
                .log_group_identifier(update.id)
                .deletion_protection_enabled(protect);
            cx.call("logs:PutLogGroupDeletionProtection", request.send()).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.clients.logs.delete_log_group().log_group_name(delete.id);
        cx.call("logs:DeleteLogGroup", request.send()).await.map(|_| ())
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        let logs = &cx.clients.logs;
        let arn = object.attributes.get("arn").and_then(|a| a.as_str()).unwrap_or_default();
        if !set.is_empty() {
            let request = logs.tag_resource().resource_arn(arn).set_tags(Some(set.clone().into_iter().collect()));
            cx.call("logs:TagResource", request.send()).await?;
        }
        if !remove.is_empty() {
            let request = logs.untag_resource().resource_arn(arn).set_tag_keys(Some(remove.to_vec()));
            cx.call("logs:UntagResource", request.send()).await?;
        }
        Ok(())
    }
}

async fn groups(cx: &Context, prefix: &str) -> Result<Vec<ApiGroup>, ApiError> {
    let request = cx.clients.logs.describe_log_groups().log_group_name_prefix(prefix).limit(50);
    let pages = cx.pages("logs:DescribeLogGroups", request.into_paginator().send()).await?;
    Ok(pages.into_iter().flat_map(|p| p.log_groups.unwrap_or_default()).collect())
}

/// Up to 50 groups by their names. One that is gone (the index of tags forgets slowly) is left out.
async fn by_name(cx: &Context, names: &[&str]) -> Result<Vec<ApiGroup>, ApiError> {
    let wanted = |g: &ApiGroup| g.log_group_name().is_some_and(|n| names.contains(&n));
    let identifiers = names.iter().map(|n| (*n).to_owned()).collect();
    let request = cx.clients.logs.describe_log_groups().set_log_group_identifiers(Some(identifiers));
    match cx.pages("logs:DescribeLogGroups", request.into_paginator().send()).await {
        Ok(pages) => Ok(pages.into_iter().flat_map(|p| p.log_groups.unwrap_or_default()).filter(wanted).collect()),
        Err(e) if e.class == ErrorClass::NotFound => {
            let each = futures::future::try_join_all(names.iter().map(|name| groups(cx, name))).await?;
            Ok(each.into_iter().flatten().filter(wanted).collect())
        }
        Err(e) => Err(e),
    }
}

/// A group with its tags; none if it is not selected, or was deleted since the page was read.
async fn with_tags(cx: &Context, read: &Read<'_>, group: ApiGroup) -> Result<Option<Found<Spec>>, ApiError> {
    let arn = arn(&group);
    let request = cx.clients.logs.list_tags_for_resource().resource_arn(&arn);
    let answer = match cx.call("logs:ListTagsForResource", request.send()).await {
        Err(e) if e.class == ErrorClass::NotFound => return Ok(None),
        other => other?,
    };
    let tags: Tags = answer.tags().cloned().unwrap_or_default().into_iter().collect();
    let wanted = read.selection.matches(group.log_group_name().unwrap_or_default(), &tags);
    Ok(wanted.then(|| found(&group, arn, tags)))
}

/// The ARN in the form that the tagging calls take.
fn arn(group: &ApiGroup) -> String {
    let long = group.arn().unwrap_or_default();
    group.log_group_arn().map_or_else(|| long.trim_end_matches(":*").to_owned(), str::to_owned)
}

fn found(group: &ApiGroup, arn: String, tags: Tags) -> Found<Spec> {
    let name = group.log_group_name().unwrap_or_default().to_owned();
    let days = group.retention_in_days().and_then(|d| u64::try_from(d).ok()).unwrap_or(0);
    Found {
        identifiers: vec![arn.clone(), format!("{arn}:*")],
        attributes: attributes([("id", json!(name)), ("name", json!(name)), ("arn", json!(arn))]),
        spec: Spec {
            retention: Some(Duration::from_seconds(days * DAY)),
            key: group.kms_key_id().map(Ref::id),
            class: group.log_group_class().map(|c| match c {
                LogGroupClass::InfrequentAccess => Class::InfrequentAccess,
                _ => Class::Standard,
            }),
            deletion_protection: Some(group.deletion_protection_enabled().unwrap_or(false)),
            tags: None,
        },
        status: Status::Ready,
        tags,
        unread: Vec::new(),
        id: name,
    }
}

/// The service takes the key's ARN.
fn key_arn(want: &Create<'_, Spec>) -> Result<Option<String>, ApiError> {
    let Some(key) = &want.spec.key else { return Ok(None) };
    match want.attribute(key, "arn") {
        Some(arn) => Ok(Some(arn)),
        None => want.id(key).map(Some),
    }
}

async fn set_retention(cx: &Context, name: &str, spec: &Spec) -> Result<(), ApiError> {
    let Some(retention) = &spec.retention else { return Ok(()) };
    let logs = &cx.clients.logs;
    match i32::try_from(retention.seconds() / DAY) {
        Ok(days) if days > 0 => {
            let request = logs.put_retention_policy().log_group_name(name).retention_in_days(days);
            cx.call("logs:PutRetentionPolicy", request.send()).await.map(|_| ())
        }
        _ => {
            let request = logs.delete_retention_policy().log_group_name(name);
            match cx.call("logs:DeleteRetentionPolicy", request.send()).await {
                // None is set.
                Err(e) if e.class == ErrorClass::NotFound => Ok(()),
                other => other.map(|_| ()),
            }
        }
    }
}
