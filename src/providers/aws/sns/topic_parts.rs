//! Attributes of a topic: the texts by which the API keeps what a spec says.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::topic::{Spec, ThroughputScope, Tracing};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Problems;
use crate::model::types::{Duration, PolicyDocument, Ref, Size};
use crate::providers::aws::arns;
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::kind::Create;
use crate::providers::aws::words::words;

const DAY: u64 = 86_400;

/// How deliveries over HTTP are tried again. What is left out is the service's own choice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryPolicy {
    /// Pause before the first tries with growing pauses, 1 to 3600 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_delay: Option<Duration>,
    /// Longest pause, `min_delay` to 3600 seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_delay: Option<Duration>,
    /// Tries after the first, 0 to 100, those of the three next fields included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    pub retries: Option<u32>,
    /// Of these, tries without pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    pub immediate_retries: Option<u32>,
    /// Of these, tries after `min_delay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    pub min_delay_retries: Option<u32>,
    /// Of these, tries after `max_delay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    pub max_delay_retries: Option<u32>,
    /// How the pauses between them grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// Most deliveries a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub per_second: Option<u32>,
    /// Content type of the request, such as `application/json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Of a topic only: whether policies of its subscriptions count for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overrides_subscriptions: Option<bool>,
}

words! {
    /// How pauses grow.
    Backoff {
        /// By an arithmetic series.
        Arithmetic = "arithmetic",
        /// By an exponential one.
        Exponential = "exponential",
        /// By a geometric one.
        Geometric = "geometric",
        /// Evenly.
        Linear = "linear",
    }
}

/// Names of the parts of a delivery policy: those of a topic, and those of a subscription.
struct Parts {
    retry: &'static str,
    throttle: &'static str,
    request: &'static str,
}

const OF_TOPIC: Parts =
    Parts { retry: "defaultHealthyRetryPolicy", throttle: "defaultThrottlePolicy", request: "defaultRequestPolicy" };
const OF_SUBSCRIPTION: Parts =
    Parts { retry: "healthyRetryPolicy", throttle: "throttlePolicy", request: "requestPolicy" };

impl DeliveryPolicy {
    /// As a topic has it.
    pub(super) fn of_topic(&self) -> String {
        let mut http = self.parts(&OF_TOPIC);
        if let Some(overrides) = self.overrides_subscriptions {
            http.insert("disableSubscriptionOverrides".to_owned(), json!(overrides));
        }
        json!({"http": http}).to_string()
    }

    /// As a subscription has it.
    pub(super) fn of_subscription(&self) -> String {
        Value::Object(self.parts(&OF_SUBSCRIPTION)).to_string()
    }

    fn parts(&self, names: &Parts) -> Map<String, Value> {
        let seconds = |delay: &Option<Duration>| delay.as_ref().map(Duration::seconds);
        let retry = json!({
            "minDelayTarget": seconds(&self.min_delay), "maxDelayTarget": seconds(&self.max_delay),
            "numRetries": self.retries, "numNoDelayRetries": self.immediate_retries,
            "numMinDelayRetries": self.min_delay_retries, "numMaxDelayRetries": self.max_delay_retries,
            "backoffFunction": self.backoff.map(Backoff::api),
        });
        let mut all = json!({
            names.retry: retry, names.throttle: {"maxReceivesPerSecond": self.per_second},
            names.request: {"headerContentType": self.content_type},
        });
        crate::model::kind::drop_nulls(&mut all);
        let Value::Object(mut all) = all else { return Map::new() };
        all.retain(|_, part| part.as_object().is_some_and(|p| !p.is_empty()));
        all
    }

    /// From a topic's attribute; none if it is not set.
    pub(super) fn from_topic(text: &str) -> Option<Self> {
        let tree: Value = serde_json::from_str(text).ok()?;
        let http = tree.get("http")?;
        Some(Self {
            overrides_subscriptions: http.get("disableSubscriptionOverrides").and_then(Value::as_bool),
            ..Self::from_parts(http, &OF_TOPIC)
        })
    }

    /// From a subscription's attribute; none if it is not set.
    pub(super) fn from_subscription(text: &str) -> Option<Self> {
        let tree: Value = serde_json::from_str(text).ok()?;
        tree.is_object().then(|| Self::from_parts(&tree, &OF_SUBSCRIPTION))
    }

    fn from_parts(tree: &Value, names: &Parts) -> Self {
        let number = |name: &str| tree.get(names.retry)?.get(name)?.as_u64();
        let count = |name: &str| number(name).and_then(|n| u32::try_from(n).ok());
        let per_second = tree.get(names.throttle).and_then(|t| t.get("maxReceivesPerSecond")).and_then(Value::as_u64);
        let content = tree.get(names.request).and_then(|r| r.get("headerContentType")).and_then(Value::as_str);
        Self {
            min_delay: number("minDelayTarget").map(Duration::from_seconds),
            max_delay: number("maxDelayTarget").map(Duration::from_seconds),
            retries: count("numRetries"),
            immediate_retries: count("numNoDelayRetries"),
            min_delay_retries: count("numMinDelayRetries"),
            max_delay_retries: count("numMaxDelayRetries"),
            backoff: tree
                .get(names.retry)
                .and_then(|r| r.get("backoffFunction"))
                .and_then(Value::as_str)
                .and_then(Backoff::from_api),
            per_second: per_second.and_then(|n| u32::try_from(n).ok()),
            content_type: content.map(str::to_owned),
            overrides_subscriptions: None,
        }
    }

    /// Rules over its fields.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        for (name, delay) in [("min_delay", &self.min_delay), ("max_delay", &self.max_delay)] {
            if delay.as_ref().is_some_and(|d| !(1..=3600).contains(&d.seconds())) {
                problems.add(format!("{path}.{name}"), "the API takes pauses of 1 to 3600 seconds", "");
            }
        }
        let seconds = |delay: &Option<Duration>, default| delay.as_ref().map_or(default, Duration::seconds);
        if seconds(&self.min_delay, 20) > seconds(&self.max_delay, 20) {
            let message = "the longest pause is shorter than the first (20 s each by default)";
            problems.add(format!("{path}.max_delay"), message, "give both");
        }
        let parts = [self.immediate_retries, self.min_delay_retries, self.max_delay_retries];
        let parts: u32 = parts.into_iter().flatten().sum();
        if parts > self.retries.unwrap_or(3) {
            let message = format!("{parts} tries are told apart, of {} altogether", self.retries.unwrap_or(3));
            problems.add(format!("{path}.retries"), message, "raise `retries`, or lower the parts");
        }
    }
}

/// Where deliveries are logged, by protocol.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryLogs {
    /// Of deliveries over HTTP and HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<DeliveryLog>,
    /// Of deliveries to Firehose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firehose: Option<DeliveryLog>,
    /// Of deliveries to Lambda.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<DeliveryLog>,
    /// Of deliveries to apps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<DeliveryLog>,
    /// Of deliveries to SQS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqs: Option<DeliveryLog>,
}

/// How deliveries are logged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DeliveryLog {
    /// Role by which successful deliveries are logged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub success_role: Option<Ref<Role>>,
    /// How many of them, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 100))]
    pub success_percent: Option<u32>,
    /// Role by which failed deliveries are logged, all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_role: Option<Ref<Role>>,
}

impl DeliveryLogs {
    fn each(&self) -> [(&'static str, Option<&DeliveryLog>); 5] {
        [
            ("HTTP", self.http.as_ref()),
            ("Firehose", self.firehose.as_ref()),
            ("Lambda", self.lambda.as_ref()),
            ("Application", self.application.as_ref()),
            ("SQS", self.sqs.as_ref()),
        ]
    }

    fn attributes(&self, want: &Create<'_, Spec>) -> Result<Vec<(String, String)>, ApiError> {
        let mut all = Vec::new();
        for (protocol, log) in self.each() {
            let Some(log) = log else { continue };
            let roles = [("SuccessFeedbackRoleArn", &log.success_role), ("FailureFeedbackRoleArn", &log.failure_role)];
            for (name, role) in roles {
                if let Some(arn) = arns::optional(want, role.as_ref())? {
                    all.push((format!("{protocol}{name}"), arn));
                }
            }
            if let Some(percent) = log.success_percent {
                all.push((format!("{protocol}SuccessFeedbackSampleRate"), percent.to_string()));
            }
        }
        Ok(all)
    }

    fn observed(attributes: &HashMap<String, String>) -> Self {
        let log = |protocol: &str| {
            let text = |name: &str| attributes.get(&format!("{protocol}{name}")).filter(|text| !text.is_empty());
            Some(DeliveryLog {
                success_role: text("SuccessFeedbackRoleArn").map(Ref::id),
                success_percent: Some(text("SuccessFeedbackSampleRate").and_then(|n| n.parse().ok()).unwrap_or(0)),
                failure_role: text("FailureFeedbackRoleArn").map(Ref::id),
            })
        };
        Self {
            http: log("HTTP"),
            firehose: log("Firehose"),
            lambda: log("Lambda"),
            application: log("Application"),
            sqs: log("SQS"),
        }
    }
}

/// What a spec declares of a topic's attributes: field, the API's name, value.
pub(super) fn declared(want: &Create<'_, Spec>) -> Result<Vec<(&'static str, String, String)>, ApiError> {
    let spec = want.spec;
    let mut all = Vec::new();
    let mut add = |field, name: &str, value: Option<String>| {
        all.extend(value.map(|value| (field, name.to_owned(), value)));
    };
    add("display_name", "DisplayName", spec.display_name.clone());
    add("key", "KmsMasterKeyId", arns::optional(want, spec.key.as_ref())?);
    add("policy", "Policy", spec.policy.as_ref().map(PolicyDocument::to_json));
    add("delivery", "DeliveryPolicy", spec.delivery.as_ref().map(DeliveryPolicy::of_topic));
    add("tracing", "TracingConfig", spec.tracing.map(|t| t.api().to_owned()));
    add("signature_version", "SignatureVersion", spec.signature_version.map(|v| v.to_string()));
    add("max_message_size", "MaximumMessageSize", spec.max_message_size.as_ref().map(|s| s.bytes().to_string()));
    let deduplication = spec.content_based_deduplication.map(|on| on.to_string());
    add("content_based_deduplication", "ContentBasedDeduplication", deduplication);
    add("throughput_scope", "FifoThroughputScope", spec.throughput_scope.map(|s| s.api().to_owned()));
    add("archive", "ArchivePolicy", spec.archive.as_ref().map(archive_policy));
    if let Some(logs) = &spec.delivery_logs {
        all.extend(logs.attributes(want)?.into_iter().map(|(name, value)| ("delivery_logs", name, value)));
    }
    Ok(all)
}

fn archive_policy(kept: &Duration) -> String {
    match kept.seconds() / DAY {
        0 => "{}".to_owned(),
        days => json!({"MessageRetentionPeriod": days.to_string()}).to_string(),
    }
}

/// Fills in what a topic's attributes say.
pub(super) fn observe(spec: &mut Spec, attributes: &HashMap<String, String>) -> Result<(), ApiError> {
    let text = |name: &str| attributes.get(name).map(String::as_str).filter(|text| !text.is_empty());
    let policy = text("Policy").map(PolicyDocument::from_json).transpose();
    spec.policy = policy.map_err(|e| ApiError::new("sns:GetTopicAttributes", ErrorClass::Other, e))?;
    spec.display_name = Some(text("DisplayName").unwrap_or_default().to_owned());
    spec.key = text("KmsMasterKeyId").map(Ref::id);
    spec.delivery = text("DeliveryPolicy").and_then(DeliveryPolicy::from_topic);
    spec.tracing = text("TracingConfig").map_or(Some(Tracing::PassThrough), Tracing::from_api);
    // Both are told only if they were set.
    spec.signature_version = text("SignatureVersion").map_or(Some(1), |v| v.parse().ok());
    let size = text("MaximumMessageSize").and_then(|bytes| format!("{bytes}B").parse::<Size>().ok());
    spec.max_message_size = size.or_else(|| "256KiB".parse().ok());
    spec.delivery_logs = Some(DeliveryLogs::observed(attributes));
    if spec.fifo == Some(true) {
        spec.content_based_deduplication = Some(text("ContentBasedDeduplication") == Some("true"));
        spec.throughput_scope =
            text("FifoThroughputScope").map_or(Some(ThroughputScope::Topic), ThroughputScope::from_api);
        let kept = text("ArchivePolicy").and_then(|p| serde_json::from_str::<Value>(p).ok());
        let days = kept.as_ref().and_then(|p| p.get("MessageRetentionPeriod")).map(|days| match days {
            Value::String(text) => text.parse().unwrap_or(0),
            other => other.as_u64().unwrap_or(0),
        });
        spec.archive = Some(Duration::from_seconds(days.unwrap_or(0) * DAY));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_policy_comes_back_as_it_was_written() {
        let policy: DeliveryPolicy = serde_json::from_value(json!({
            "min_delay": "5s", "max_delay": "1m", "retries": 20, "immediate_retries": 1, "min_delay_retries": 2,
            "max_delay_retries": 3, "backoff": "exponential", "per_second": 10, "content_type": "application/json",
        }))
        .unwrap();
        assert_eq!(DeliveryPolicy::from_subscription(&policy.of_subscription()), Some(policy.clone()));
        let policy = DeliveryPolicy { overrides_subscriptions: Some(true), ..policy };
        assert_eq!(DeliveryPolicy::from_topic(&policy.of_topic()), Some(policy));
        let some: DeliveryPolicy = serde_json::from_value(json!({"retries": 5})).unwrap();
        assert_eq!(some.of_topic(), r#"{"http":{"defaultHealthyRetryPolicy":{"numRetries":5}}}"#);
        assert_eq!(some.of_subscription(), r#"{"healthyRetryPolicy":{"numRetries":5}}"#);
    }

    #[test]
    fn a_delivery_policy_of_more_parts_than_tries_is_refused() {
        let problems = |policy: Value| {
            let mut problems = Problems::default();
            serde_json::from_value::<DeliveryPolicy>(policy).unwrap().check("delivery", &mut problems);
            problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
        };
        assert_eq!(problems(json!({"retries": 2, "immediate_retries": 3})), ["delivery.retries"]);
        assert_eq!(problems(json!({"min_delay": "2h"})), ["delivery.min_delay", "delivery.max_delay"]);
        assert!(problems(json!({"min_delay": "20s", "max_delay": "20s", "retries": 3})).is_empty());
    }
}
