//! Notifications of a bucket: whom it tells what happens to its objects.
//!
//! One call writes all of them, and those of others stay: only what has an id that begins with `saiken:` is declared here,
//! and neither read nor changed is anything else.

use std::collections::BTreeMap;

use aws_sdk_s3::types::{
    Event, FilterRule, FilterRuleName, LambdaFunctionConfiguration, NotificationConfiguration,
    NotificationConfigurationFilter, QueueConfiguration, S3KeyFilter, TopicConfiguration,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::bucket::Spec;
use super::bucket_parts::invalid;
use crate::model::cloud::ApiError;
use crate::model::kind::Problems;
use crate::model::types::Ref;
use crate::model::value::is_unknown_text;
use crate::providers::aws::arns;
use crate::providers::aws::kind::Create;
use crate::providers::aws::sns::topic::Topic;

/// What the ids of the declared ones begin with.
const OURS: &str = "saiken:";
/// Most characters of a name: an id has 255.
const NAME: usize = 255 - OURS.len();
/// Most notifications of a bucket.
const MOST: usize = 100;
const OPERATION: &str = "s3:PutBucketNotification";

/// Whom a bucket tells of some events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// Which events, in the API's words: `s3:ObjectCreated:*`, `s3:ObjectRemoved:Delete`, `s3:ObjectRestore:Completed`…
    #[serde(deserialize_with = "read_sorted")]
    #[schemars(length(min = 1))]
    pub events: Vec<String>,
    /// What the keys of the objects begin with.
    #[serde(default)]
    pub prefix: String,
    /// What they end with.
    #[serde(default)]
    pub suffix: String,
    /// A topic that it is published to; its policy must let `s3.amazonaws.com` do it. This, `queue` or `function`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<Ref<Topic>>,
    /// ARN of a queue (not a FIFO one) that it is put into; its policy must let `s3.amazonaws.com` do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// ARN of a function that is called; its policy must let `s3.amazonaws.com` do it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
}

/// Reads events in their one order, which means nothing.
fn read_sorted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Vec::deserialize(deserializer).map(sorted)
}

fn sorted(mut events: Vec<String>) -> Vec<String> {
    events.sort();
    events
}

/// The declared ones among all that the API tells, by their names.
pub(super) fn observed(all: &NotificationConfiguration) -> BTreeMap<String, Notification> {
    let topics = all.topic_configurations().iter().map(|c| {
        let topic = Some(Ref::id(c.topic_arn()));
        (c.id(), Notification { topic, ..plain(c.events(), c.filter()) })
    });
    let queues = all.queue_configurations().iter().map(|c| {
        let queue = Some(c.queue_arn().to_owned());
        (c.id(), Notification { queue, ..plain(c.events(), c.filter()) })
    });
    let functions = all.lambda_function_configurations().iter().map(|c| {
        let function = Some(c.lambda_function_arn().to_owned());
        (c.id(), Notification { function, ..plain(c.events(), c.filter()) })
    });
    let all = topics.chain(queues).chain(functions);
    all.filter_map(|(id, it)| Some((id?.strip_prefix(OURS)?.to_owned(), it))).collect()
}

/// Events and filter; nobody is told yet.
fn plain(events: &[Event], filter: Option<&NotificationConfigurationFilter>) -> Notification {
    let rules = filter.and_then(|f| f.key()).map(S3KeyFilter::filter_rules).unwrap_or_default();
    let part = |name: &FilterRuleName| {
        let mut fitting = rules.iter().filter(|r| {
            // The API does not tell them as it takes them: `Prefix`.
            r.name().is_some_and(|n| n.as_str().eq_ignore_ascii_case(name.as_str()))
        });
        fitting.next().and_then(FilterRule::value).unwrap_or_default().to_owned()
    };
    Notification {
        events: sorted(events.iter().map(|e| e.as_str().to_owned()).collect()),
        prefix: part(&FilterRuleName::Prefix),
        suffix: part(&FilterRuleName::Suffix),
        topic: None,
        queue: None,
        function: None,
    }
}

/// Puts the declared ones in the place of those that were declared before.
pub(super) fn replace(
    all: &mut NotificationConfiguration,
    wanted: &BTreeMap<String, Notification>,
    want: &Create<'_, Spec>,
) -> Result<(), ApiError> {
    let theirs = |id: Option<&str>| !id.is_some_and(|id| id.starts_with(OURS));
    let mut topics = all.topic_configurations.take().unwrap_or_default();
    let mut queues = all.queue_configurations.take().unwrap_or_default();
    let mut functions = all.lambda_function_configurations.take().unwrap_or_default();
    topics.retain(|c| theirs(c.id()));
    queues.retain(|c| theirs(c.id()));
    functions.retain(|c| theirs(c.id()));
    for (name, notification) in wanted {
        let id = format!("{OURS}{name}");
        let (events, filter) = (Some(notification.events()), notification.filter());
        if let Some(topic) = &notification.topic {
            let topic = arns::of(want, topic)?;
            let it = TopicConfiguration::builder().id(id).topic_arn(topic).set_events(events).set_filter(filter);
            topics.push(it.build().map_err(|e| invalid(OPERATION, &e))?);
        } else if let Some(queue) = &notification.queue {
            let it = QueueConfiguration::builder().id(id).queue_arn(queue).set_events(events).set_filter(filter);
            queues.push(it.build().map_err(|e| invalid(OPERATION, &e))?);
        } else if let Some(function) = &notification.function {
            let it = LambdaFunctionConfiguration::builder().id(id).lambda_function_arn(function);
            let it = it.set_events(events).set_filter(filter);
            functions.push(it.build().map_err(|e| invalid(OPERATION, &e))?);
        }
    }
    all.topic_configurations = Some(topics);
    all.queue_configurations = Some(queues);
    all.lambda_function_configurations = Some(functions);
    Ok(())
}

impl Notification {
    fn events(&self) -> Vec<Event> {
        self.events.iter().map(|e| Event::from(e.as_str())).collect()
    }

    fn filter(&self) -> Option<NotificationConfigurationFilter> {
        let parts = [(FilterRuleName::Prefix, &self.prefix), (FilterRuleName::Suffix, &self.suffix)];
        let rule = |(name, value): (FilterRuleName, &String)| FilterRule::builder().name(name).value(value).build();
        let rules: Vec<FilterRule> = parts.into_iter().filter(|(_, value)| !value.is_empty()).map(rule).collect();
        let key = |rules| S3KeyFilter::builder().set_filter_rules(Some(rules)).build();
        (!rules.is_empty()).then(|| NotificationConfigurationFilter::builder().key(key(rules)).build())
    }
}

/// What the API refuses of notifications.
pub(super) fn check(all: &BTreeMap<String, Notification>, problems: &mut Problems) {
    if all.len() > MOST {
        let help = "put events together, or use EventBridge";
        problems.add("notifications", format!("a bucket has {MOST} notifications at most"), help);
    }
    for (name, it) in all {
        let path = format!("notifications.{name}");
        if name.is_empty() || name.len() > NAME {
            problems.add(&path, format!("a name has 1 to {NAME} characters"), "choose another one");
        }
        let ends = [it.topic.is_some(), it.queue.is_some(), it.function.is_some()];
        if ends.iter().filter(|end| **end).count() != 1 {
            problems.add(&path, "a notification goes to one place", "give one of `topic`, `queue` and `function`");
        }
        for event in it.events.iter().filter(|e| !is_unknown_text(e) && !e.starts_with("s3:")) {
            let message = format!("`{event}` is no event of S3");
            problems.add(format!("{path}.events"), message, "write s3:ObjectCreated:*, for one");
        }
        if it.queue.as_deref().is_some_and(|queue| queue.ends_with(".fifo")) {
            let message = "S3 puts nothing into a FIFO queue";
            problems.add(format!("{path}.queue"), message, "take another queue, or EventBridge");
        }
    }
}
