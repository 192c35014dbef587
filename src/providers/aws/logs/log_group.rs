//! `log_group`: where log lines are kept.
//!
//! Holds data: deleting it loses its lines. Its name derives from the address (`log_group.name` tells it to agents), so
//! that a prefix finds the environment's groups in pages of 50, and a run that ended early finds its group again; the index
//! of tags tells those with names of their own, and the tags of most. A name that the index does not know yet is not made
//! twice: the API refuses, and what carries our tags already is taken as made. Name and `class` make a new group necessary.
//! API: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_CreateLogGroup.html>

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::types::{LogGroup as ApiGroup, LogGroupClass};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Recovery, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::{self, Owner};
use crate::model::preflight::View;
use crate::model::types::{Duration, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs};
use crate::providers::aws::tagging;
use crate::providers::aws::words::words;

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
    /// Its name, where a service asks for one, such as `/aws/lambda/orders`; derived from the address if left out. An object
    /// that replaces another one can't have the same name unless `lifecycle.replacement` is `delete_first`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[.\-_/#A-Za-z0-9]+$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
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

words! {
    /// What a log group costs and can do.
    Class {
        /// Everything.
        Standard = "STANDARD",
        /// Cheaper, without metric filters and live tail.
        InfrequentAccess = "INFREQUENT_ACCESS",
        /// For lines that are only handed on, and are kept for a day.
        Delivery = "DELIVERY",
    }
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
            data: Some(Recovery::Nothing("Logs can't be restored into a log group: export them to S3 before")),
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
        if let Some(name) = spec.name.as_deref().filter(|n| n.starts_with("aws/")) {
            problems.add("name", format!("the API keeps names such as `{name}` for itself"), "begin with another word");
        }
        if spec.class == Some(Class::Delivery) && spec.retention.is_some() {
            problems.add("retention", "this class keeps lines for a day", "leave `retention` out");
        }
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
impl Checked for LogGroup {
    fn needs() -> Needs {
        Needs {
            resource: "log-group:{name}:*",
            only_for: &[
                ("logs:PutRetentionPolicy", &["retention"]),
                ("logs:DeleteRetentionPolicy", &["retention"]),
                ("logs:AssociateKmsKey", &["key"]),
                ("logs:PutLogGroupDeletionProtection", &["deletion_protection"]),
            ],
        }
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        view.own_name().map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        // Names that saiken gives begin alike: one list for all with the same first letters.
        let mut prefixes: BTreeMap<Option<char>, &str> = BTreeMap::new();
        for Name { name, .. } in names {
            let shared = prefixes.entry(name.chars().next()).or_insert(name);
            let same = shared.char_indices().zip(name.chars()).find(|((_, a), b)| a != b).map(|((at, _), _)| at);
            *shared = &shared[..same.unwrap_or(shared.len().min(name.len()))];
        }
        let mut holders = Vec::new();
        for prefix in prefixes.into_values() {
            for group in groups(cx, prefix).await? {
                let name = Name::new(group.log_group_name().unwrap_or_default());
                if names.contains(&name) {
                    let owner = tags(cx, &arn(&group)).await?.as_ref().and_then(Owner::from_tags);
                    holders.push(Holder { id: name.name.clone(), name, owner });
                }
            }
        }
        Ok(holders)
    }
}

#[async_trait]
impl AwsKind for LogGroup {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let prefix = match &read.selection {
            Selection::Owned { project, environment } => Some(ownership::name_prefix(project, environment)),
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
        let name = spec.name.as_deref().unwrap_or(want.name);
        let once = cx.once();
        let request = once
            .clients
            .logs
            .create_log_group()
            .log_group_name(name)
            .set_kms_key_id(key_arn(want)?)
            .set_log_group_class(spec.class.map(|c| LogGroupClass::from(c.api())))
            .set_deletion_protection_enabled(spec.deletion_protection.filter(|p| *p))
            .set_tags(Some(want.tags.clone().into_iter().collect()));
        let call = async {
            once.call("logs:CreateLogGroup", request.send()).await?;
            Ok(name.to_owned())
        };
        // The index of tags may not know yet what an earlier run made.
        create_once::<Self>(cx, want, Some(name), call).await?;
        set_retention(cx, name, spec).await?;
        Ok(name.to_owned())
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
    let Some(tags) = tags(cx, &arn).await? else { return Ok(None) };
    let wanted = read.selection.matches(group.log_group_name().unwrap_or_default(), &tags);
    Ok(wanted.then(|| found(&group, arn, tags)))
}

/// Tags of a group; none if it is gone.
async fn tags(cx: &Context, arn: &str) -> Result<Option<Tags>, ApiError> {
    let request = cx.clients.logs.list_tags_for_resource().resource_arn(arn);
    match cx.call("logs:ListTagsForResource", request.send()).await {
        Ok(answer) => Ok(Some(answer.tags().cloned().unwrap_or_default().into_iter().collect())),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
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
            name: Some(name.clone()),
            retention: Some(Duration::from_seconds(days * DAY)),
            key: group.kms_key_id().map(Ref::id),
            class: group.log_group_class().and_then(|c| Class::from_api(c.as_str())),
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
            let request = cx.plain().clients.logs.delete_retention_policy().log_group_name(name);
            match cx.call("logs:DeleteRetentionPolicy", request.send()).await {
                // None is set.
                Err(e) if e.class == ErrorClass::NotFound => Ok(()),
                other => other.map(|_| ()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::providers::aws::script::Script;

    fn page(names: &[&str], more: &Value) -> String {
        let groups: Vec<Value> = names
            .iter()
            .map(|name| {
                let mut group = json!({"logGroupName": name, "arn": format!("arn:aws:logs:r:1:log-group:{name}:*")});
                group.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
                group
            })
            .collect();
        json!({"logGroups": groups}).to_string()
    }

    fn tags(generation: &str) -> Value {
        json!({"saiken:project": "p", "saiken:environment": "e", "saiken:address": "s/it", "saiken:generation": generation})
    }

    /// The index of tags, which knows these groups.
    fn index(names: &[&str]) -> String {
        let pairs: Vec<Value> =
            tags("1").as_object().unwrap().iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect();
        let groups = names
            .iter()
            .map(|name| json!({"ResourceARN": format!("arn:aws:logs:r:1:log-group:{name}"), "Tags": pairs}))
            .collect::<Vec<_>>();
        json!({"ResourceTagMappingList": groups}).to_string()
    }

    fn script() -> Script {
        let mut script = Script::default().answer("ListTagsForResource", 200, &json!({"tags": tags("1")}).to_string());
        for operation in ["CreateLogGroup", "PutRetentionPolicy", "AssociateKmsKey", "PutLogGroupDeletionProtection"] {
            script = script.answer(operation, 200, "{}");
        }
        script
    }

    #[tokio::test]
    async fn a_group_with_a_name_of_its_own_is_found_by_the_index_and_a_new_one_by_its_name() {
        let whole =
            json!({"retentionInDays": 30, "logGroupClass": "INFREQUENT_ACCESS", "deletionProtectionEnabled": true});
        let script = script()
            .answer("GetResources", 200, &index(&["/aws/lambda/orders", "p-e-s-one"]))
            .answer("DescribeLogGroups", 200, &page(&["p-e-s-one", "p-e-s-new"], &whole))
            .answer("DescribeLogGroups", 200, &page(&["/aws/lambda/orders"], &whole));
        let found = script.read::<LogGroup>().await.unwrap();
        let ids: Vec<&str> = found.iter().map(|o| o.id.as_str()).collect();
        assert_eq!(ids, ["p-e-s-one", "/aws/lambda/orders", "p-e-s-new"]);
        for object in &found {
            assert_eq!(object.spec["retention"], "30d", "{}", object.id);
            assert_eq!(object.spec["class"], "infrequent_access");
            assert_eq!(object.spec["deletion_protection"], true);
        }
        let asked = script.asked("DescribeLogGroups");
        assert!(asked[0].contains(r#""logGroupNamePrefix":"p-e-""#), "{asked:?}");
        assert!(asked[1].contains(r#""logGroupIdentifiers":["/aws/lambda/orders"]"#), "{asked:?}");
        assert_eq!(script.asked("ListTagsForResource").len(), 1, "only the new one costs a call");
    }

    #[tokio::test]
    async fn a_group_that_the_index_still_knows_and_that_is_gone_is_left_out() {
        let gone = r#"{"__type": "ResourceNotFoundException", "message": "no such group"}"#;
        let script = script()
            .answer("GetResources", 200, &index(&["/gone"]))
            .answer("DescribeLogGroups", 200, &page(&[], &json!({})))
            .answer("DescribeLogGroups", 400, gone)
            .answer("DescribeLogGroups", 200, &page(&[], &json!({})));
        assert!(script.read::<LogGroup>().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_name_that_is_taken_is_made_already_if_it_is_ours_and_refused_if_it_is_not() {
        let taken =
            r#"{"__type": "ResourceAlreadyExistsException", "message": "The specified log group already exists"}"#;
        let script = |generation: &str| {
            Script::default()
                .answer("CreateLogGroup", 400, taken)
                .answer("DescribeLogGroups", 200, &page(&["/orders"], &json!({})))
                .answer("ListTagsForResource", 200, &json!({"tags": tags(generation)}).to_string())
        };
        let spec = json!({"name": "/orders"});
        assert_eq!(script("1").create::<LogGroup>(spec.clone()).await.unwrap().id, "/orders");
        // The one that it is to replace is not taken for it: its lines would be lost with it.
        assert_eq!(script("0").create::<LogGroup>(spec).await.unwrap_err().class, ErrorClass::Conflict);
    }

    #[tokio::test]
    async fn class_key_and_protection_reach_the_api() {
        let whole = json!({"logGroupClass": "DELIVERY", "kmsKeyId": "arn:key", "deletionProtectionEnabled": true});
        let script = script().answer("DescribeLogGroups", 200, &page(&["p-e-s-it"], &whole));
        let spec = json!({"class": "delivery", "key": {"id": "arn:key"}, "deletion_protection": true});
        let object = script.create::<LogGroup>(spec.clone()).await.unwrap();
        let asked = script.asked("CreateLogGroup").join("");
        for part in [r#""logGroupClass":"DELIVERY""#, r#""kmsKeyId":"arn:key""#, r#""deletionProtectionEnabled":true"#]
        {
            assert!(asked.contains(part), "{part}: {asked}");
        }
        for field in ["class", "key", "deletion_protection"] {
            assert_eq!(object.spec[field], spec[field], "{field}");
        }
        let mut other = spec.clone();
        other["key"] = json!({"id": "arn:other"});
        other["deletion_protection"] = json!(false);
        script.update::<LogGroup>("p-e-s-it", spec, other).await.unwrap();
        assert!(script.asked("AssociateKmsKey").join("").contains("arn:other"));
        assert!(
            script.asked("PutLogGroupDeletionProtection").join("").contains(r#""deletionProtectionEnabled":false"#)
        );
    }
}
