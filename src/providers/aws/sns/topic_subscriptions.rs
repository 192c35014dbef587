//! Subscriptions of a topic: who gets its messages.
//!
//! One that waits for its confirmation has no ARN: what it was given with the call can't be read, and it can't be taken
//! back; the API forgets it after some days. It is never subscribed again by itself. So that a plan is empty while it
//! waits, the topic has a tag that says of which subscriptions all was done that can be done; as long as these are
//! there, the declared list is compared by its fingerprint.

use std::collections::{BTreeSet, HashMap};

use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::topic::Spec;
use super::topic_parts::DeliveryPolicy;
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Problems;
use crate::model::ownership::hash;
use crate::model::types::Ref;
use crate::model::value::is_unknown_text;
use crate::providers::aws::arns;
use crate::providers::aws::client::Context;
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::json::Json;
use crate::providers::aws::kind::{Create, Tags};
use crate::providers::aws::words::words;

/// Tag: the subscriptions, some of which wait for confirmation, of which all was done that can be done.
pub(super) const SUBSCRIBED: &str = "saiken:subscribed";
/// What the API gives for the ARN of one that waits.
const PENDING: &str = "PendingConfirmation";
/// And of one that is on its way out.
const DELETED: &str = "Deleted";
/// Calls for the attributes of single subscriptions under way at once.
const AT_ONCE: usize = 8;

/// Who gets the messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Subscription {
    /// How they are delivered.
    pub protocol: Protocol,
    /// Where to: a mail address, an URL, a telephone number (`+8190…`), or the ARN of a queue, function, stream or app.
    #[schemars(length(min = 1))]
    pub endpoint: String,
    /// Whether the message is delivered as it is, without an envelope: HTTP, HTTPS, SQS and Firehose only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<bool>,
    /// Which messages are delivered, as a mapping or JSON text; `{}` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Json>,
    /// What the filter looks at; the attributes by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter_scope: Option<FilterScope>,
    /// ARN of the queue for messages that can't be delivered; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<String>,
    /// How deliveries are tried again: HTTP and HTTPS only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryPolicy>,
    /// Role by which a stream is written to: Firehose only, which needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Ref<Role>>,
}

words! {
    /// How messages are delivered.
    Protocol {
        /// By mail; the receiver must confirm.
        Email = "email",
        /// By mail, as JSON; the receiver must confirm.
        EmailJson = "email-json",
        /// By HTTP; the receiver must confirm.
        Http = "http",
        /// By HTTPS; the receiver must confirm.
        Https = "https",
        /// Into a queue; one of another account must confirm.
        Sqs = "sqs",
        /// To a function.
        Lambda = "lambda",
        /// By short message.
        Sms = "sms",
        /// Into a stream.
        Firehose = "firehose",
        /// To an app.
        Application = "application",
    }
}

words! {
    /// What a filter looks at.
    FilterScope {
        /// Attributes of the message.
        Attributes = "MessageAttributes",
        /// Its body, which is JSON.
        Body = "MessageBody",
    }
}

impl Subscription {
    fn key(&self) -> (&str, &str) {
        (self.protocol.api(), &self.endpoint)
    }

    /// Whether it has more than can be seen of one that waits.
    fn has_options(&self) -> bool {
        let Self { protocol: _, endpoint: _, raw, filter, filter_scope, dead_letters, delivery, role } = self;
        raw.is_some()
            || filter.is_some()
            || filter_scope.is_some()
            || dead_letters.is_some()
            || delivery.is_some()
            || role.is_some()
    }

    /// The API's attributes, in the order in which they can be set: a filter with deeper levels only fits the body.
    fn attributes(&self, want: &Create<'_, Spec>) -> Result<Vec<(&'static str, String)>, ApiError> {
        let queue = self.dead_letters.as_deref().map(|arn| match arn {
            "" => String::new(),
            arn => json!({"deadLetterTargetArn": arn}).to_string(),
        });
        let scope = ("FilterPolicyScope", self.filter_scope.map(|s| s.api().to_owned()));
        let filter = ("FilterPolicy", self.filter.as_ref().map(Json::to_text));
        let [first, second] =
            if self.filter_scope == Some(FilterScope::Body) { [scope, filter] } else { [filter, scope] };
        let all = [
            ("SubscriptionRoleArn", arns::optional(want, self.role.as_ref())?),
            ("RawMessageDelivery", self.raw.map(|raw| raw.to_string())),
            first,
            second,
            ("RedrivePolicy", queue),
            ("DeliveryPolicy", self.delivery.as_ref().map(DeliveryPolicy::of_subscription)),
        ];
        Ok(all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }

    /// Rules over its fields.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        let protocol = self.protocol;
        let http = matches!(protocol, Protocol::Http | Protocol::Https);
        if self.raw == Some(true) && !http && !matches!(protocol, Protocol::Sqs | Protocol::Firehose) {
            let message = format!("messages have their envelope where they are delivered by {}", protocol.api());
            problems.add(format!("{path}.raw"), message, "leave `raw` out");
        }
        if self.delivery.is_some() && !http {
            problems.add(format!("{path}.delivery"), "only HTTP and HTTPS have a policy of their own", "leave it out");
        }
        if let Some(delivery) = &self.delivery {
            delivery.check(&format!("{path}.delivery"), problems);
        }
        if (protocol == Protocol::Firehose) != self.role.is_some() {
            let message = "Firehose, and nothing else, needs a role by which the stream is written to";
            problems.add(format!("{path}.role"), message, "give `role` with `protocol: firehose`");
        }
        if self.filter_scope.is_some() && self.filter.as_ref().is_none_or(Json::is_empty) {
            problems.add(format!("{path}.filter_scope"), "there is no filter that it is about", "give `filter`");
        }
        if !is_unknown_text(&self.endpoint)
            && let Some(form) = wrong_form(protocol, &self.endpoint)
        {
            let message = format!("`{}` is no endpoint for {}", self.endpoint, protocol.api());
            problems.add(format!("{path}.endpoint"), message, form);
        }
    }
}

/// What an endpoint must be, if it is something else.
fn wrong_form(protocol: Protocol, endpoint: &str) -> Option<&'static str> {
    let (fits, form) = match protocol {
        Protocol::Email | Protocol::EmailJson => (endpoint.contains('@'), "give a mail address"),
        Protocol::Http => (endpoint.starts_with("http://"), "give an URL that begins with http://"),
        Protocol::Https => (endpoint.starts_with("https://"), "give an URL that begins with https://"),
        Protocol::Sms => (endpoint.starts_with('+'), "give a telephone number such as +819012345678"),
        Protocol::Sqs | Protocol::Lambda | Protocol::Firehose | Protocol::Application => {
            (endpoint.starts_with("arn:"), "give its ARN")
        }
    };
    let host = endpoint.split("//").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    if host.contains('@') {
        return Some(
            "the API hides names and passwords in URLs, so nobody can tell a change: put a secret into the path",
        );
    }
    (!fits).then_some(form)
}

/// A subscription as the list shows it; no ARN while it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Listed {
    protocol: String,
    endpoint: String,
    arn: Option<String>,
}

impl Listed {
    fn key(&self) -> (&str, &str) {
        (&self.protocol, &self.endpoint)
    }
}

/// What was read of a topic's subscriptions.
pub(super) struct Observed {
    /// All of them; none if some wait and all was done that can be done.
    pub list: Option<Vec<Subscription>>,
    /// Endpoints of those that wait.
    pub pending: Vec<String>,
}

/// Reads the subscriptions of a topic with these tags.
pub(super) async fn read(cx: &Context, topic: &str, tags: &Tags) -> Result<Observed, ApiError> {
    let listed = list(cx, topic).await?;
    let pending: Vec<String> = listed.iter().filter(|l| l.arn.is_none()).map(|l| l.endpoint.clone()).collect();
    if !pending.is_empty() && tags.get(SUBSCRIBED) == Some(&mark(&listed)) {
        return Ok(Observed { list: None, pending });
    }
    let each = stream::iter(listed).map(|listed| one(cx, listed)).buffered(AT_ONCE);
    let list: Vec<Option<Subscription>> = each.try_collect().await?;
    Ok(Observed { list: Some(list.into_iter().flatten().collect()), pending })
}

/// Brings a topic's subscriptions about: new ones first, then what differs, then those that are not wanted go.
pub(super) async fn settle(cx: &Context, want: &Create<'_, Spec>, topic: &str) -> Result<(), ApiError> {
    let Some(declared) = &want.spec.subscriptions else { return Ok(()) };
    let mut listed = list(cx, topic).await?;
    let mut marked = false;
    for subscription in declared {
        let attributes = subscription.attributes(want)?;
        match listed.iter().find(|l| l.key() == subscription.key()).map(|l| l.arn.clone()) {
            Some(Some(arn)) => change(cx, &arn, attributes).await?,
            // What it was given can't be read or changed; with the call it is replaced.
            Some(None) if subscription.has_options() => {
                subscribe(cx, topic, subscription, attributes).await?;
                marked = true;
            }
            Some(None) => {}
            None => {
                let arn = subscribe(cx, topic, subscription, attributes).await?;
                marked |= arn.is_none() && subscription.has_options();
                let (protocol, endpoint) = subscription.key();
                listed.push(Listed { protocol: protocol.to_owned(), endpoint: endpoint.to_owned(), arn });
            }
        }
    }
    let (stay, go): (Vec<Listed>, Vec<Listed>) =
        listed.into_iter().partition(|l| declared.iter().any(|d| d.key() == l.key()) || l.arn.is_none());
    for arn in go.into_iter().filter_map(|l| l.arn) {
        let request = cx.clients.sns.unsubscribe().subscription_arn(arn);
        match cx.call("sns:Unsubscribe", request.send()).await {
            Err(e) if e.class == ErrorClass::NotFound => {}
            other => drop(other?),
        }
    }
    marked |= stay.iter().any(|l| declared.iter().all(|d| d.key() != l.key()));
    if marked {
        let tag = super::topic::tag(SUBSCRIBED, &mark(&stay))?;
        let request = cx.clients.sns.tag_resource().resource_arn(topic).tags(tag);
        cx.call("sns:TagResource", request.send()).await?;
    }
    Ok(())
}

/// The tag's value for these subscriptions.
fn mark(listed: &[Listed]) -> String {
    let all: BTreeSet<(&str, &str)> = listed.iter().map(Listed::key).collect();
    hash(&format!("{all:?}"), 16)
}

async fn list(cx: &Context, topic: &str) -> Result<Vec<Listed>, ApiError> {
    let request = cx.clients.sns.list_subscriptions_by_topic().topic_arn(topic).into_paginator().send();
    let pages = cx.pages("sns:ListSubscriptionsByTopic", request).await?;
    let all = pages.iter().flat_map(|p| p.subscriptions()).filter(|s| s.subscription_arn() != Some(DELETED));
    Ok(all
        .map(|s| Listed {
            protocol: s.protocol().unwrap_or_default().to_owned(),
            endpoint: s.endpoint().unwrap_or_default().to_owned(),
            arn: s.subscription_arn().filter(|arn| *arn != PENDING).map(str::to_owned),
        })
        .collect())
}

/// One subscription with what can be read of it; none if it is gone, or of a protocol that is not known here.
async fn one(cx: &Context, listed: Listed) -> Result<Option<Subscription>, ApiError> {
    let Some(protocol) = Protocol::from_api(&listed.protocol) else { return Ok(None) };
    let mut found = Subscription {
        protocol,
        endpoint: listed.endpoint,
        raw: None,
        filter: None,
        filter_scope: None,
        dead_letters: None,
        delivery: None,
        role: None,
    };
    let Some(arn) = listed.arn else { return Ok(Some(found)) };
    let Some(attributes) = attributes(cx, &arn).await? else { return Ok(None) };
    let text = |name: &str| attributes.get(name).map(String::as_str).filter(|text| !text.is_empty());
    found.raw = Some(text("RawMessageDelivery") == Some("true"));
    found.filter = text("FilterPolicy").map(Json::observed).filter(|f| !f.is_empty());
    found.filter_scope = text("FilterPolicyScope").and_then(FilterScope::from_api);
    let redrive = text("RedrivePolicy").and_then(|p| serde_json::from_str::<Value>(p).ok());
    let queue = redrive.as_ref().and_then(|p| p.get("deadLetterTargetArn")).and_then(Value::as_str);
    found.dead_letters = Some(queue.unwrap_or_default().to_owned());
    found.delivery = text("DeliveryPolicy").and_then(DeliveryPolicy::from_subscription);
    found.role = text("SubscriptionRoleArn").map(Ref::id);
    Ok(Some(found))
}

async fn attributes(cx: &Context, arn: &str) -> Result<Option<HashMap<String, String>>, ApiError> {
    let request = cx.clients.sns.get_subscription_attributes().subscription_arn(arn);
    match cx.call("sns:GetSubscriptionAttributes", request.send()).await {
        Ok(answer) => Ok(Some(answer.attributes.unwrap_or_default())),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Subscribes; the ARN, or none if it waits for its confirmation.
async fn subscribe(
    cx: &Context,
    topic: &str,
    subscription: &Subscription,
    attributes: Vec<(&'static str, String)>,
) -> Result<Option<String>, ApiError> {
    let (protocol, endpoint) = subscription.key();
    let mut request = cx.clients.sns.subscribe().topic_arn(topic).protocol(protocol).endpoint(endpoint);
    for (name, value) in attributes.into_iter().filter(|(_, value)| !value.is_empty()) {
        request = request.attributes(name, value);
    }
    let answer = cx.call("sns:Subscribe", request.send()).await?;
    // "pending confirmation", if it waits.
    Ok(answer.subscription_arn.filter(|arn| arn.starts_with("arn:")))
}

/// Sets those attributes of a confirmed subscription that differ.
async fn change(cx: &Context, arn: &str, wanted: Vec<(&'static str, String)>) -> Result<(), ApiError> {
    if wanted.is_empty() {
        return Ok(());
    }
    let there = attributes(cx, arn).await?.unwrap_or_default();
    for (name, value) in wanted {
        let same = match there.get(name).map(String::as_str).unwrap_or_default() {
            "" => value.is_empty() || value == "{}" || (name == "RawMessageDelivery" && value == "false"),
            text => text == value || Json::observed(text) == Json::observed(&value),
        };
        if !same {
            let request = cx.clients.sns.set_subscription_attributes().subscription_arn(arn);
            let request = request.attribute_name(name).attribute_value(value);
            cx.call("sns:SetSubscriptionAttributes", request.send()).await?;
        }
    }
    Ok(())
}
