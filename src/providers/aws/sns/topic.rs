//! `topic`: what is published to it goes to all its subscribers.
//!
//! Its id is its ARN, which derives from the name; name and `fifo` make a new topic necessary. It is made with all its
//! attributes and tags in one call, which gives the topic that is there already if it is the same, and refuses
//! otherwise: a run that ended early finds its topic by its name. What belongs to somebody else is left alone.
//!
//! The list of topics shows nothing but ARNs: the index of tags tells whose they are, and what carries a name that
//! saiken gives and is not in the index yet is asked for its tags. Attributes cost a call a topic, subscriptions one
//! more, and one for each.
//!
//! Alarms and event rules can't publish to a topic that is encrypted by the service's own key (`alias/aws/sns`): give a
//! key of your own whose policy allows these services.
//! API: <https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html>

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use aws_sdk_sns::types::Tag;
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::topic_parts::{self, DeliveryLogs, DeliveryPolicy};
use super::topic_subscriptions::{self, SUBSCRIBED, Subscription};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::{self, Owner};
use crate::model::preflight::View;
use crate::model::types::{Duration, PolicyDocument, Ref, Size};
use crate::model::value::is_unknown_text;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::json::Json;
use crate::providers::aws::kind::{
    AwsKind, Create, Delete, Found, Read, SEEN_WITHIN, Selection, Tags, Update, create_once,
};
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs};
use crate::providers::aws::tagging;
use crate::providers::aws::words::words;

/// What the names of topics end in that keep the order of messages.
const FIFO: &str = ".fifo";
/// Topics that are read at once.
const AT_ONCE: usize = 8;
/// Fields that come with the attributes of a topic.
const ATTRIBUTES: [&str; 11] = [
    "display_name",
    "key",
    "policy",
    "delivery",
    "tracing",
    "signature_version",
    "max_message_size",
    "content_based_deduplication",
    "throughput_scope",
    "archive",
    "delivery_logs",
];

/// The kind `topic`.
pub struct Topic;

/// What is published to it goes to all its subscribers.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, 256 letters, digits, `-` and `_` at most; derived from the address if left out. With `fifo`, it ends
    /// in `.fifo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 256),
        regex(pattern = r"^[A-Za-z0-9_-]+(\.fifo)?$"),
        extend("x-change" = "replace")
    )]
    pub name: Option<String>,
    /// Whether messages keep their order and are delivered once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub fifo: Option<bool>,
    /// Name that mails and short messages come from; 100 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100), extend("x-deep" = true))]
    pub display_name: Option<String>,
    /// Key that encrypts it; its policy must allow the services that publish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub key: Option<Ref<Key>>,
    /// Who may publish and subscribe; only the account itself by default. A `Resource` of `*` is the topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub policy: Option<PolicyDocument>,
    /// How deliveries over HTTP are tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub delivery: Option<DeliveryPolicy>,
    /// Where deliveries are logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub delivery_logs: Option<DeliveryLogs>,
    /// Whether deliveries are traced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub tracing: Option<Tracing>,
    /// How messages are signed: 1 (SHA-1) or 2 (SHA-256).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2), extend("x-deep" = true))]
    pub signature_version: Option<u32>,
    /// Size of the largest message, 1KiB to 1MiB; 256KiB by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub max_message_size: Option<Size>,
    /// With `fifo`: whether messages with one body are one message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub content_based_deduplication: Option<bool>,
    /// With `fifo`: what the limit of messages a second is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub throughput_scope: Option<ThroughputScope>,
    /// With `fifo`: how long messages can be replayed, 1 to 365 days. `0d` deletes what is kept; the API refuses to
    /// delete a topic before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub archive: Option<Duration>,
    /// What messages may not hold, as a mapping or JSON text; `{}` for none. Not with `fifo`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub data_protection: Option<Json>,
    /// Who gets its messages. Those that are not in the list are unsubscribed; one that waits for its confirmation
    /// can't be: the API forgets it after some days, and `pending` shows it until then. A change of the list sends
    /// those that wait and have more than an endpoint their request for confirmation again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true, "x-unordered" = true, "x-fingerprint" = true))]
    pub subscriptions: Option<Vec<Subscription>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

words! {
    /// Whether deliveries are traced.
    Tracing {
        /// What the publisher traces is handed on.
        PassThrough = "PassThrough",
        /// Traced, if the publisher does.
        Active = "Active",
    }
}

words! {
    /// What the limit of messages a second is for.
    ThroughputScope {
        /// The whole topic.
        Topic = "Topic",
        /// Each group of messages: more of them, without order and deduplication between groups.
        MessageGroup = "MessageGroup",
    }
}

impl Kind for Topic {
    const NAME: &'static str = "topic";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "topic for notices",
            service: "sns",
            reference: "https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Its ARN"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("name", "Name"),
                    Attribute::changing(
                        "pending",
                        "Subscriptions that wait for their confirmation, in words; empty if none does",
                    ),
                ]
            },
            permissions: Permissions {
                read: &[
                    "sns:ListTopics",
                    "sns:GetTopicAttributes",
                    "sns:GetDataProtectionPolicy",
                    "sns:ListSubscriptionsByTopic",
                    "sns:GetSubscriptionAttributes",
                    "sns:ListTagsForResource",
                    "tag:GetResources",
                ],
                create: &[
                    "sns:CreateTopic",
                    "sns:TagResource",
                    "sns:SetTopicAttributes",
                    "sns:PutDataProtectionPolicy",
                    "sns:ListSubscriptionsByTopic",
                    "sns:Subscribe",
                    "iam:PassRole",
                ],
                update: &[
                    "sns:SetTopicAttributes",
                    "sns:PutDataProtectionPolicy",
                    "sns:ListSubscriptionsByTopic",
                    "sns:GetSubscriptionAttributes",
                    "sns:Subscribe",
                    "sns:SetSubscriptionAttributes",
                    "sns:Unsubscribe",
                    "sns:TagResource",
                    "sns:UntagResource",
                    "iam:PassRole",
                ],
                delete: &["sns:DeleteTopic", "sns:GetTopicAttributes"],
            },
            // `.fifo` comes behind it.
            name_limit: 251,
            creation_seconds: 1,
            deletion_seconds: 1,
            quota: 100_000,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        let fifo = spec.fifo == Some(true);
        if let Some(name) = spec.name.as_deref().filter(|n| !is_unknown_text(n) && n.ends_with(FIFO) != fifo) {
            let message =
                format!("`{name}` and `fifo` contradict each other: names of topics with order end in {FIFO}");
            problems.add("name", message, "give both, or neither");
        }
        let only_fifo = [
            ("content_based_deduplication", spec.content_based_deduplication.is_some()),
            ("throughput_scope", spec.throughput_scope.is_some()),
            ("archive", spec.archive.is_some()),
        ];
        for (field, _) in only_fifo.into_iter().filter(|(_, given)| *given && !fifo) {
            problems.add(
                field,
                "only topics that keep the order of messages have it",
                "set `fifo: true`, or leave it out",
            );
        }
        let not_fifo = [
            ("tracing", spec.tracing == Some(Tracing::Active)),
            ("data_protection", spec.data_protection.as_ref().is_some_and(|p| !p.is_empty())),
        ];
        for (field, _) in not_fifo.into_iter().filter(|(_, given)| *given && fifo) {
            problems.add(field, "topics that keep the order of messages can't have it", "leave it out");
        }
        if let Some(kept) = &spec.archive
            && (kept.seconds() % 86_400 != 0 || kept.seconds() > 365 * 86_400)
        {
            problems.add("archive", format!("`{kept}` is not a number of days up to 365"), "write 30d, for one");
        }
        if let Some(size) = spec.max_message_size.as_ref().filter(|s| !(1024..=1 << 20).contains(&s.bytes()))
            && !is_unknown_text(size.as_str())
        {
            problems.add("max_message_size", format!("`{size}` is not between 1KiB and 1MiB"), "write 256KiB, for one");
        }
        if let Some(delivery) = &spec.delivery {
            delivery.check("delivery", problems);
        }
        let subscriptions = spec.subscriptions.as_deref().unwrap_or_default();
        for (index, subscription) in subscriptions.iter().enumerate() {
            let path = format!("subscriptions.{index}");
            subscription.check(&path, problems);
            let same = |s: &Subscription| s.protocol == subscription.protocol && s.endpoint == subscription.endpoint;
            if subscriptions[..index].iter().any(same) {
                problems.add(path, format!("`{}` is subscribed twice", subscription.endpoint), "leave one out");
            }
        }
    }
}

#[async_trait]
impl Checked for Topic {
    fn needs() -> Needs {
        Needs {
            resource: "{name}",
            only_for: &[
                ("sns:SetTopicAttributes", &ATTRIBUTES),
                ("sns:PutDataProtectionPolicy", &["data_protection"]),
                ("sns:ListSubscriptionsByTopic", &["subscriptions"]),
                ("sns:GetSubscriptionAttributes", &["subscriptions"]),
                ("sns:Subscribe", &["subscriptions"]),
                ("sns:SetSubscriptionAttributes", &["subscriptions"]),
                ("sns:Unsubscribe", &["subscriptions"]),
                ("iam:PassRole", &["delivery_logs"]),
            ],
        }
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        let end = if view.asks("fifo") && view.spec.get("name").is_none() { FIFO } else { "" };
        view.own_name().map(|name| Name::new(format!("{name}{end}"))).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let mut holders = Vec::new();
        for arn in topics(cx).await? {
            let name = Name::new(name_of(&arn));
            if names.contains(&name) {
                let owner = tags(cx, &arn).await?.as_ref().and_then(Owner::from_tags);
                holders.push(Holder { name, id: arn, owner });
            }
        }
        Ok(holders)
    }
}

#[async_trait]
impl AwsKind for Topic {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let candidates: Vec<(String, Option<Tags>)> = match &read.selection {
            Selection::Ids(ids) if ids.iter().all(|id| id.starts_with("arn:")) => {
                ids.iter().map(|arn| (arn.clone(), None)).collect()
            }
            Selection::Ids(ids) => {
                let all = topics(cx).await?.into_iter();
                all.filter(|arn| ids.iter().any(|id| id == arn || id == name_of(arn))).map(|arn| (arn, None)).collect()
            }
            Selection::Owned { .. } | Selection::Tagged(_) => {
                let (all, mut index) = futures::try_join!(topics(cx), tagging::of_service(cx, "sns", &read.selection))?;
                let prefix = match &read.selection {
                    Selection::Owned { project, environment } => Some(ownership::name_prefix(project, environment)),
                    // Of others only the index knows.
                    Selection::Tagged(_) | Selection::Ids(_) => None,
                };
                let ours = |arn: &str| prefix.as_ref().is_some_and(|p| name_of(arn).starts_with(p));
                all.into_iter()
                    .filter_map(|arn| match index.remove(&arn) {
                        Some(tags) => Some((arn, Some(tags))),
                        None => ours(&arn).then_some((arn, None)),
                    })
                    .collect()
            }
        };
        let each = stream::iter(candidates).map(|(arn, tags)| found(cx, read, arn, tags)).buffered(AT_ONCE);
        let found: Vec<Option<Found<Spec>>> = each.try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let fifo = spec.fifo == Some(true);
        let derived = format!("{}{}", want.name, if fifo { FIFO } else { "" });
        let name = spec.name.as_deref().unwrap_or(&derived);
        let declared = topic_parts::declared(want)?;
        let mut attributes: HashMap<String, String> =
            declared.iter().filter(|(.., value)| value != "{}").map(|(_, n, v)| (n.clone(), v.clone())).collect();
        if fifo {
            attributes.insert("FifoTopic".to_owned(), "true".to_owned());
        }
        let once = cx.once();
        let request = once
            .clients
            .sns
            .create_topic()
            .name(name)
            .set_attributes(Some(attributes))
            .set_data_protection_policy(spec.data_protection.as_ref().filter(|p| !p.is_empty()).map(Json::to_text))
            .set_tags(Some(to_tags(want.tags)?));
        let look = || async {
            match once.call("sns:CreateTopic", request.clone().send()).await {
                Ok(answer) => Ok(Look::Done(answer.topic_arn.unwrap_or_default())),
                // A topic of this name went just now, and its tags are not forgotten yet.
                Err(e) if e.code.as_deref() == Some("StaleTag") => Ok(Look::Not(e.message)),
                Err(e) => Err(e),
            }
        };
        let mut made = false;
        let call = async {
            let what = format!("the tags of a former topic '{name}' to be forgotten");
            let arn = cx.wait(want.watch, &what, SEEN_WITHIN, look).await?;
            made = true;
            Ok(arn)
        };
        let arn = create_once::<Self>(cx, want, Some(name), call).await?;
        if !made {
            // It was there: an earlier run may have made it with other attributes.
            for (_, name, value) in declared {
                set(cx, &arn, &name, &value).await?;
            }
            protect(cx, &arn, spec).await?;
        } else {
            is_ours(cx, want, &arn).await?;
        }
        topic_subscriptions::settle(cx, want, &arn).await?;
        Ok(arn)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        for (field, name, value) in topic_parts::declared(&update.want)? {
            if update.changed(field) {
                set(cx, update.id, &name, &value).await?;
            }
        }
        if update.changed("data_protection") {
            protect(cx, update.id, update.want.spec).await?;
        }
        if update.changed("subscriptions") {
            topic_subscriptions::settle(cx, &update.want, update.id).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.clients.sns.delete_topic().topic_arn(delete.id);
        cx.call("sns:DeleteTopic", request.send()).await?;
        let look = || async { Ok(Look::when(topic_attributes(cx, delete.id).await?.is_none(), Some("still there"))) };
        cx.wait(delete.watch, &format!("topic {} to be gone", delete.id), SEEN_WITHIN, look).await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        let sns = &cx.clients.sns;
        if !set.is_empty() {
            let request = sns.tag_resource().resource_arn(&object.id).set_tags(Some(to_tags(set)?));
            cx.call("sns:TagResource", request.send()).await?;
        }
        if !remove.is_empty() {
            let mut keys = remove.to_vec();
            if remove.iter().any(|tag| tag == ownership::ADDRESS) {
                keys.push(SUBSCRIBED.to_owned());
            }
            let request = sns.untag_resource().resource_arn(&object.id).set_tag_keys(Some(keys));
            cx.call("sns:UntagResource", request.send()).await?;
        }
        Ok(())
    }
}

/// The last part of an ARN.
fn name_of(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap_or(arn)
}

/// A tag in the API's form.
pub(super) fn tag(key: &str, value: &str) -> Result<Tag, ApiError> {
    let tag = Tag::builder().key(key).value(value).build();
    tag.map_err(|e| ApiError::new("sns:TagResource", ErrorClass::Invalid, e.to_string()))
}

fn to_tags(tags: &Tags) -> Result<Vec<Tag>, ApiError> {
    tags.iter().map(|(k, v)| tag(k, v)).collect()
}

/// ARNs of all topics of the region.
async fn topics(cx: &Context) -> Result<Vec<String>, ApiError> {
    let pages = cx.pages("sns:ListTopics", cx.clients.sns.list_topics().into_paginator().send()).await?;
    Ok(pages.into_iter().flat_map(|p| p.topics.unwrap_or_default()).filter_map(|t| t.topic_arn).collect())
}

/// Tags of a topic; none if it is gone.
async fn tags(cx: &Context, arn: &str) -> Result<Option<Tags>, ApiError> {
    let request = cx.clients.sns.list_tags_for_resource().resource_arn(arn);
    match cx.call("sns:ListTagsForResource", request.send()).await {
        Ok(answer) => Ok(Some(answer.tags().iter().map(|t| (t.key().to_owned(), t.value().to_owned())).collect())),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Attributes of a topic; none if it is gone.
async fn topic_attributes(cx: &Context, arn: &str) -> Result<Option<HashMap<String, String>>, ApiError> {
    let request = cx.clients.sns.get_topic_attributes().topic_arn(arn);
    match cx.call("sns:GetTopicAttributes", request.send()).await {
        Ok(answer) => Ok(Some(answer.attributes.unwrap_or_default())),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The creating call may give a topic that was there: nothing is changed of one that is not ours.
async fn is_ours(cx: &Context, want: &Create<'_, Spec>, arn: &str) -> Result<(), ApiError> {
    let whose = |tags: &Tags| Owner::from_tags(tags).map(|o| (o.project, o.environment, o.address, o.generation));
    match tags(cx, arn).await? {
        Some(there) if whose(&there) != whose(want.tags) => {
            let message = format!("there is a topic '{arn}' already, and it is not ours");
            Err(ApiError::new("sns:CreateTopic", ErrorClass::Conflict, message))
        }
        _ => Ok(()),
    }
}

async fn set(cx: &Context, arn: &str, name: &str, value: &str) -> Result<(), ApiError> {
    let request = cx.clients.sns.set_topic_attributes().topic_arn(arn).attribute_name(name).attribute_value(value);
    cx.call("sns:SetTopicAttributes", request.send()).await.map(drop)
}

async fn protect(cx: &Context, arn: &str, spec: &Spec) -> Result<(), ApiError> {
    let Some(policy) = &spec.data_protection else { return Ok(()) };
    let text = if policy.is_empty() { String::new() } else { policy.to_text() };
    let request = cx.clients.sns.put_data_protection_policy().resource_arn(arn).data_protection_policy(text);
    cx.call("sns:PutDataProtectionPolicy", request.send()).await.map(drop)
}

/// A topic with what is asked of it; none if it is gone or not selected.
async fn found(
    cx: &Context,
    read: &Read<'_>,
    arn: String,
    known: Option<Tags>,
) -> Result<Option<Found<Spec>>, ApiError> {
    let tags = match known {
        Some(tags) => tags,
        None => match tags(cx, &arn).await? {
            Some(tags) if matches!(read.selection, Selection::Ids(_)) || read.selection.matches(&arn, &tags) => tags,
            _ => return Ok(None),
        },
    };
    let name = name_of(&arn).to_owned();
    let fifo = name.ends_with(FIFO);
    let mut spec = Spec { name: Some(name.clone()), fifo: Some(fifo), ..Spec::default() };
    let (mut unread, mut pending) = (Vec::new(), String::new());
    let wants = |field: &str| read.wants(field, &tags);
    if ATTRIBUTES.iter().any(|field| wants(field)) {
        let Some(attributes) = topic_attributes(cx, &arn).await? else { return Ok(None) };
        topic_parts::observe(&mut spec, &attributes)?;
        let count = attributes.get("SubscriptionsPending").map(String::as_str).filter(|n| *n != "0");
        pending = count.map(|n| format!("{n} not confirmed")).unwrap_or_default();
    } else {
        unread.extend(ATTRIBUTES);
    }
    if wants("data_protection") && !fifo {
        let request = cx.clients.sns.get_data_protection_policy().resource_arn(&arn);
        let answer = cx.call("sns:GetDataProtectionPolicy", request.send()).await?;
        spec.data_protection = answer.data_protection_policy().filter(|p| !p.is_empty()).map(Json::observed);
    } else if !fifo {
        unread.push("data_protection");
    }
    if wants("subscriptions") {
        let subscriptions = topic_subscriptions::read(cx, &arn, &tags).await?;
        if !subscriptions.pending.is_empty() {
            pending = format!("{} not confirmed: {}", subscriptions.pending.len(), subscriptions.pending.join(", "));
        }
        match subscriptions.list {
            Some(list) => spec.subscriptions = Some(list),
            None => unread.push("subscriptions"),
        }
    } else {
        unread.push("subscriptions");
    }
    Ok(Some(Found {
        identifiers: vec![name.clone()],
        attributes: attributes([
            ("id", json!(arn)),
            ("arn", json!(arn)),
            ("name", json!(name)),
            ("pending", json!(pending)),
        ]),
        spec,
        status: Status::Ready,
        tags,
        unread,
        id: arn,
    }))
}

#[cfg(test)]
mod tests;
