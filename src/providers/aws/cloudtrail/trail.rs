//! `trail`: a record of who called what, in a bucket.
//!
//! Only another name makes a new trail necessary. The creating call carries the tags, and a name that is taken is
//! refused, so that a new run finds what an earlier one made by its name. A trail records nothing at first: selectors
//! are written before its recording is switched on, and a run that ended in between leaves one that is not `logging`,
//! which the next plan shows.
//!
//! All trails whose home is the region come in one answer, their tags 20 trails a call; whether one is recording, its
//! selectors and insights cost a call each for a trail, where they are declared. CloudTrail checks that it may write to
//! bucket, topic, log group and with the key; policies made a moment ago may not be seen yet, so what it refuses for
//! that is asked again for a minute. Event data stores are left out.
//! API: <https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_cloudtrail::types::{InsightSelector, InsightType, Tag, Trail as ApiTrail};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::trail_calls::{allowed, describe, invalid, to_tags, with_tags};
use super::trail_parts::{
    AdvancedSelector, EventSelector, Insight, LogDelivery, Notification, check_advanced, check_basic, insights, yes,
};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::{self, Owner};
use crate::model::preflight::View;
use crate::model::types::Ref;
use crate::model::value::is_unknown_text;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs};
use crate::providers::aws::s3::bucket::Bucket;

/// Calls for single trails under way at once.
const AT_ONCE: usize = 4;
/// Characters of a derived name, without its hash.
const NAME: usize = 119;

/// Fields that one call changes.
const UPDATED: &[&str] = &[
    "bucket",
    "prefix",
    "log_file_validation",
    "all_regions",
    "global_events",
    "log_group",
    "notification",
    "key",
    "organization",
    "own_deliveries",
];

/// The kind `trail`.
pub struct Trail;

/// A record of who called what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name: 3 to 128 letters, digits and single `.`, `_`, `-` between them; derived from the address if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 3, max = 128),
        regex(pattern = r"^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$"),
        extend("x-change" = "replace")
    )]
    pub name: Option<String>,
    /// The bucket that its files go to (by name, if it is not owned); its policy must let `cloudtrail.amazonaws.com`
    /// write.
    #[schemars(extend("x-anywhere" = true))]
    pub bucket: Ref<Bucket>,
    /// What their keys begin with, 200 characters at most, without `/` at the end; empty for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200))]
    pub prefix: Option<String>,
    /// Whether digests tell later if a file was changed or deleted.
    #[serde(default = "yes")]
    pub log_file_validation: bool,
    /// Whether it records what happens in all regions, rather than in its own.
    #[serde(default = "yes")]
    pub all_regions: bool,
    /// Whether it records what happens in services without region, such as IAM; always so with `all_regions`.
    #[serde(default = "yes")]
    pub global_events: bool,
    /// A log group that events go to, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_group: Option<LogDelivery>,
    /// A topic that is told of each new file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification: Option<Notification>,
    /// Key that encrypts the files (by ARN, if it is not owned); its policy must allow CloudTrail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Ref<Key>>,
    /// Whether it records what happens in all accounts of the organisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<bool>,
    /// Whether it records its own deliveries of files and log lines, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_deliveries: Option<bool>,
    /// Events that are recorded, five selectors at most; or else `advanced_event_selectors`. Left out, a new trail
    /// records all management events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-deep" = true, "x-unordered" = true))]
    pub event_selectors: Option<Vec<EventSelector>>,
    /// Events that are recorded, by any of their fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-deep" = true, "x-unordered" = true))]
    pub advanced_event_selectors: Option<Vec<AdvancedSelector>>,
    /// What unusual activity is looked for; an empty list for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true, "x-unordered" = true))]
    pub insights: Option<Vec<Insight>>,
    /// Whether it records.
    #[serde(default = "yes")]
    #[schemars(extend("x-deep" = true))]
    pub logging: bool,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Kind for Trail {
    const NAME: &'static str = "trail";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "record of all calls",
            service: "cloudtrail",
            reference: "https://docs.aws.amazon.com/awscloudtrail/latest/APIReference/API_CreateTrail.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Its name"),
                    Attribute::stable("name", "Name"),
                    Attribute::stable("arn", "ARN"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "cloudtrail:DescribeTrails",
                    "cloudtrail:ListTags",
                    "cloudtrail:GetTrailStatus",
                    "cloudtrail:GetEventSelectors",
                    "cloudtrail:GetInsightSelectors",
                ],
                create: &[
                    "cloudtrail:CreateTrail",
                    "cloudtrail:AddTags",
                    "cloudtrail:PutEventSelectors",
                    "cloudtrail:PutInsightSelectors",
                    "cloudtrail:StartLogging",
                    "iam:PassRole",
                    "iam:CreateServiceLinkedRole",
                    "organizations:DescribeOrganization",
                    "organizations:ListAWSServiceAccessForOrganization",
                ],
                update: &[
                    "cloudtrail:UpdateTrail",
                    "cloudtrail:PutEventSelectors",
                    "cloudtrail:PutInsightSelectors",
                    "cloudtrail:StartLogging",
                    "cloudtrail:StopLogging",
                    "cloudtrail:AddTags",
                    "cloudtrail:RemoveTags",
                    "iam:PassRole",
                    "iam:CreateServiceLinkedRole",
                    "organizations:DescribeOrganization",
                    "organizations:ListAWSServiceAccessForOrganization",
                ],
                delete: &["cloudtrail:DeleteTrail"],
            },
            name_limit: NAME,
            creation_seconds: 3,
            deletion_seconds: 1,
            quota: 5,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if let Some(name) = spec.name.as_deref().filter(|n| !is_unknown_text(n))
            && name.split('.').count() == 4
            && name.split('.').all(|n| n.parse::<u8>().is_ok())
        {
            problems.add("name", format!("`{name}` looks like an IP address"), "choose another name");
        }
        if spec.all_regions && !spec.global_events {
            let help = "leave `global_events` out, or set `all_regions: false`";
            problems.add("global_events", "a trail of all regions records services without region", help);
        }
        if spec.organization == Some(true) && !spec.all_regions {
            let message = "a trail of one region sees little of an organisation";
            problems.add("organization", message, "leave `all_regions` out");
        }
        if spec.prefix.as_deref().is_some_and(|p| p.ends_with('/')) {
            problems.add("prefix", "the API adds the `/` itself", "leave it out");
        }
        if let Some(log) = &spec.log_group
            && ((log.enabled != log.group.is_some()) || (log.enabled != log.role.is_some()))
        {
            let help = "give `group` and `role`, or only `enabled: false`";
            problems.add("log_group", "events go to a log group by a role", help);
        }
        if let Some(notification) = &spec.notification
            && notification.enabled != notification.topic.is_some()
        {
            problems.add("notification", "a topic is told", "give `topic`, or only `enabled: false`");
        }
        if spec.event_selectors.is_some() && spec.advanced_event_selectors.is_some() {
            let message = "a trail has basic selectors or advanced ones, not both";
            problems.add("advanced_event_selectors", message, "write the others as advanced ones, too");
        }
        check_basic(spec.event_selectors.as_deref().unwrap_or_default(), problems);
        check_advanced(spec.advanced_event_selectors.as_deref().unwrap_or_default(), problems);
    }
}

#[async_trait]
impl Checked for Trail {
    fn needs() -> Needs {
        Needs {
            resource: "trail/{name}",
            only_for: &[
                ("cloudtrail:UpdateTrail", UPDATED),
                ("cloudtrail:PutEventSelectors", &["event_selectors", "advanced_event_selectors"]),
                ("cloudtrail:PutInsightSelectors", &["insights"]),
                ("cloudtrail:StartLogging", &["logging"]),
                ("cloudtrail:StopLogging", &["logging"]),
                ("iam:PassRole", &["log_group"]),
                ("iam:CreateServiceLinkedRole", &["organization"]),
                ("organizations:DescribeOrganization", &["organization"]),
                ("organizations:ListAWSServiceAccessForOrganization", &["organization"]),
            ],
        }
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        let own = view.spec.get("name").is_some();
        let name = view.own_name().map(|n| if own { n.to_owned() } else { derived(n) });
        name.map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let wanted: Vec<String> = names.iter().map(|n| n.name.clone()).collect();
        let all = with_tags(cx, describe(cx, Some(&wanted)).await?).await?;
        let holders = all.into_iter().map(|(trail, tags)| {
            let name = trail.name.unwrap_or_default();
            Holder { name: Name::new(name.clone()), id: name, owner: Owner::from_tags(&tags) }
        });
        Ok(holders.filter(|h| names.contains(&h.name)).collect())
    }
}

#[async_trait]
impl AwsKind for Trail {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let trails = match read.selection {
            Selection::Ids(ids) => describe(cx, Some(ids)).await?,
            Selection::Owned { .. } | Selection::Tagged(_) => describe(cx, None).await?,
        };
        let all = with_tags(cx, trails).await?;
        let selected = |tags: &Tags| matches!(read.selection, Selection::Ids(_)) || read.selection.matches("", tags);
        let all: Vec<(ApiTrail, Tags)> = all.into_iter().filter(|(_, tags)| selected(tags)).collect();
        let found: Vec<Option<Found<Spec>>> =
            stream::iter(all).map(|(trail, tags)| whole(cx, read, trail, tags)).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let name = spec.name.clone().unwrap_or_else(|| derived(want.name));
        let once = cx.once();
        let arn = |key: &Ref<Key>| want.attribute(key, "arn").map_or_else(|| want.id(key), Ok);
        let (group, role) = log_delivery(want)?;
        let request = once
            .clients
            .cloudtrail
            .create_trail()
            .name(&name)
            .s3_bucket_name(want.id(&spec.bucket)?)
            .set_s3_key_prefix(spec.prefix.clone().filter(|p| !p.is_empty()))
            .enable_log_file_validation(spec.log_file_validation)
            .is_multi_region_trail(spec.all_regions)
            .include_global_service_events(spec.global_events)
            .set_cloud_watch_logs_log_group_arn(group.filter(|g| !g.is_empty()))
            .set_cloud_watch_logs_role_arn(role.filter(|r| !r.is_empty()))
            .set_sns_topic_name(topic(want)?.filter(|t| !t.is_empty()))
            .set_kms_key_id(spec.key.as_ref().map(arn).transpose()?)
            .set_is_organization_trail(spec.organization)
            .set_recursive_logging(spec.own_deliveries)
            .set_tags_list(Some(to_tags(want.tags)?));
        let call = async {
            let create = || once.call("cloudtrail:CreateTrail", request.clone().send());
            allowed(&once, want.watch, &name, create).await?;
            Ok(name.clone())
        };
        create_once::<Self>(cx, want, Some(&name), call).await?;
        let changed = |field: &str| match field {
            "insights" => spec.insights.as_ref().is_some_and(|i| !i.is_empty()),
            "logging" => spec.logging,
            _ => true,
        };
        settle(cx, &name, want, &changed).await?;
        Ok(name)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let (want, spec) = (&update.want, update.want.spec);
        if UPDATED.iter().any(|field| update.changed(field)) {
            let on = |field: &str| update.changed(field);
            let arn = |key: &Ref<Key>| want.attribute(key, "arn").map_or_else(|| want.id(key), Ok);
            let (group, role) = if on("log_group") { log_delivery(want)? } else { (None, None) };
            let key = spec.key.as_ref().filter(|_| on("key")).map(arn).transpose()?;
            let bucket = on("bucket").then(|| want.id(&spec.bucket)).transpose()?;
            let topic = if on("notification") { topic(want)? } else { None };
            let request = cx
                .clients
                .cloudtrail
                .update_trail()
                .name(update.id)
                .set_s3_bucket_name(bucket)
                .set_s3_key_prefix(spec.prefix.clone().filter(|_| on("prefix")))
                .set_enable_log_file_validation(on("log_file_validation").then_some(spec.log_file_validation))
                .set_is_multi_region_trail(on("all_regions").then_some(spec.all_regions))
                // The API checks the two together.
                .include_global_service_events(spec.global_events)
                .set_cloud_watch_logs_log_group_arn(group)
                .set_cloud_watch_logs_role_arn(role)
                .set_sns_topic_name(topic)
                .set_kms_key_id(key)
                .set_is_organization_trail(spec.organization.filter(|_| on("organization")))
                .set_recursive_logging(spec.own_deliveries.filter(|_| on("own_deliveries")));
            let call = || cx.call("cloudtrail:UpdateTrail", request.clone().send());
            allowed(cx, want.watch, update.id, call).await?;
        }
        settle(cx, update.id, want, &|field| update.changed(field)).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.clients.cloudtrail.delete_trail().name(delete.id);
        cx.call("cloudtrail:DeleteTrail", request.send()).await.map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        let trails = &cx.clients.cloudtrail;
        let arn = object.attributes.get("arn").and_then(|a| a.as_str()).unwrap_or_default();
        if !set.is_empty() {
            let request = trails.add_tags().resource_id(arn).set_tags_list(Some(to_tags(set)?));
            cx.call("cloudtrail:AddTags", request.send()).await?;
        }
        if !remove.is_empty() {
            let keys = remove.iter().map(|k| Tag::builder().key(k).build()).collect::<Result<Vec<_>, _>>();
            let request = trails.remove_tags().resource_id(arn).set_tags_list(Some(keys.map_err(|e| invalid(&e))?));
            cx.call("cloudtrail:RemoveTags", request.send()).await?;
        }
        Ok(())
    }
}

/// The name that derives from an address: no `-` beside another.
fn derived(physical: &str) -> String {
    let parts: Vec<&str> = physical.split('-').filter(|p| !p.is_empty()).collect();
    let plain = parts.join("-");
    if plain == physical { plain } else { format!("{plain}-{}", ownership::hash(physical, 8)) }
}

/// ARNs of log group and role; empty for none.
fn log_delivery(want: &Create<'_, Spec>) -> Result<(Option<String>, Option<String>), ApiError> {
    let Some(log) = &want.spec.log_group else { return Ok((None, None)) };
    let (Some(group), Some(role)) = (&log.group, &log.role) else {
        return Ok((Some(String::new()), Some(String::new())));
    };
    let group = want.attribute(group, "arn").map_or_else(|| want.id(group), Ok)?;
    let role = want.attribute(role, "arn").map_or_else(|| want.id(role), Ok)?;
    Ok((Some(format!("{}:*", group.trim_end_matches(":*"))), Some(role)))
}

/// ARN of the topic; empty for none.
fn topic(want: &Create<'_, Spec>) -> Result<Option<String>, ApiError> {
    let Some(notification) = &want.spec.notification else { return Ok(None) };
    match &notification.topic {
        Some(topic) => want.attribute(topic, "arn").map_or_else(|| want.id(topic), Ok).map(Some),
        None => Ok(Some(String::new())),
    }
}

/// A trail with all that is wanted of it; none if it is gone.
async fn whole(cx: &Context, read: &Read<'_>, trail: ApiTrail, tags: Tags) -> Result<Option<Found<Spec>>, ApiError> {
    let mut found = found(&trail, tags);
    match fill(cx, read, &mut found).await {
        Ok(()) => Ok(Some(found)),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Reads what costs a call, where it is wanted.
async fn fill(cx: &Context, read: &Read<'_>, found: &mut Found<Spec>) -> Result<(), ApiError> {
    let trails = &cx.clients.cloudtrail;
    let arn = found.identifiers.first().cloned().unwrap_or_default();
    if read.wants("logging", &found.tags) {
        let answer = cx.call("cloudtrail:GetTrailStatus", trails.get_trail_status().name(&arn).send()).await?;
        found.spec.logging = answer.is_logging().unwrap_or(false);
    } else {
        found.unread.push("logging");
    }
    if read.wants("event_selectors", &found.tags) || read.wants("advanced_event_selectors", &found.tags) {
        let request = trails.get_event_selectors().trail_name(&arn);
        let answer = cx.call("cloudtrail:GetEventSelectors", request.send()).await?;
        found.spec.event_selectors = Some(answer.event_selectors().iter().map(EventSelector::from_api).collect());
        let advanced = answer.advanced_event_selectors().iter().map(AdvancedSelector::from_api);
        found.spec.advanced_event_selectors = Some(advanced.collect());
    } else {
        found.unread.extend(["event_selectors", "advanced_event_selectors"]);
    }
    if read.wants("insights", &found.tags) {
        let request = trails.get_insight_selectors().trail_name(&arn);
        found.spec.insights = match cx.call("cloudtrail:GetInsightSelectors", request.send()).await {
            Ok(answer) => Some(insights(answer.insight_selectors())),
            Err(e) if e.code.as_deref() == Some("InsightNotEnabledException") => Some(Vec::new()),
            Err(e) => return Err(e),
        };
    } else {
        found.unread.push("insights");
    }
    Ok(())
}

fn found(trail: &ApiTrail, tags: Tags) -> Found<Spec> {
    let name = trail.name().unwrap_or_default().to_owned();
    let arn = trail.trail_arn().unwrap_or_default().to_owned();
    let given = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    let group = given(trail.cloud_watch_logs_log_group_arn());
    let topic = given(trail.sns_topic_arn());
    Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([("id", json!(name)), ("name", json!(name)), ("arn", json!(arn))]),
        spec: Spec {
            name: Some(name.clone()),
            bucket: Ref::id(trail.s3_bucket_name().unwrap_or_default()),
            prefix: Some(trail.s3_key_prefix().unwrap_or_default().to_owned()),
            log_file_validation: trail.log_file_validation_enabled().unwrap_or(false),
            all_regions: trail.is_multi_region_trail().unwrap_or(false),
            global_events: trail.include_global_service_events().unwrap_or(false),
            log_group: Some(LogDelivery {
                enabled: group.is_some(),
                group: group.map(|g| Ref::id(g.trim_end_matches(":*"))),
                role: given(trail.cloud_watch_logs_role_arn()).map(Ref::id),
            }),
            notification: Some(Notification { enabled: topic.is_some(), topic: topic.map(Ref::id) }),
            key: given(trail.kms_key_id()).map(Ref::id),
            organization: Some(trail.is_organization_trail().unwrap_or(false)),
            own_deliveries: Some(trail.recursive_logging().unwrap_or(true)),
            event_selectors: None,
            advanced_event_selectors: None,
            insights: None,
            logging: true,
            tags: None,
        },
        status: Status::Ready,
        tags,
        unread: Vec::new(),
        id: name,
    }
}

/// What calls of their own write: what is recorded, and last whether anything is.
async fn settle(
    cx: &Context,
    name: &str,
    want: &Create<'_, Spec>,
    changed: &(dyn Fn(&str) -> bool + Sync),
) -> Result<(), ApiError> {
    let (trails, spec) = (&cx.clients.cloudtrail, want.spec);
    if !spec.logging && changed("logging") {
        cx.call("cloudtrail:StopLogging", trails.stop_logging().name(name).send()).await?;
    }
    if let Some(selectors) = spec.event_selectors.as_ref().filter(|_| changed("event_selectors")) {
        let all = selectors.iter().map(EventSelector::api).collect();
        let request = trails.put_event_selectors().trail_name(name).set_event_selectors(Some(all));
        cx.call("cloudtrail:PutEventSelectors", request.send()).await?;
    }
    if let Some(selectors) = spec.advanced_event_selectors.as_ref().filter(|_| changed("advanced_event_selectors")) {
        let all: Result<Vec<_>, ApiError> = selectors.iter().map(AdvancedSelector::api).collect();
        let request = trails.put_event_selectors().trail_name(name).set_advanced_event_selectors(Some(all?));
        cx.call("cloudtrail:PutEventSelectors", request.send()).await?;
    }
    if let Some(insights) = spec.insights.as_ref().filter(|_| changed("insights")) {
        let all = insights.iter().map(|i| InsightSelector::builder().insight_type(InsightType::from(i.api())).build());
        let request = trails.put_insight_selectors().trail_name(name).set_insight_selectors(Some(all.collect()));
        cx.call("cloudtrail:PutInsightSelectors", request.send()).await?;
    }
    if spec.logging && changed("logging") {
        cx.call("cloudtrail:StartLogging", trails.start_logging().name(name).send()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
