//! What an alarm does when its state changes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::cloud::ApiError;
use crate::model::kind::Problems;
use crate::model::types::Ref;
use crate::model::value::is_unknown_text;
use crate::providers::aws::arns;
use crate::providers::aws::kind::Create;
use crate::providers::aws::sns::topic::Topic;

/// Actions that one state can have
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>).
const MOST: usize = 5;

/// What is done on a state.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Actions {
    /// Topics that are told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub topics: Option<Vec<Ref<Topic>>>,
    /// ARNs of other actions: scaling policies, functions, EC2 actions (`arn:aws:automate:REGION:ec2:recover`), items
    /// and incidents. With the topics, 5 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub others: Option<Vec<String>>,
}

impl Actions {
    /// As the API gives them.
    pub(super) fn observed(arns: &[String]) -> Option<Self> {
        let (topics, others): (Vec<&String>, Vec<&String>) = arns.iter().partition(|arn| is_topic(arn));
        Some(Self {
            topics: Some(topics.into_iter().map(Ref::id).collect()),
            others: Some(others.into_iter().cloned().collect()),
        })
    }

    /// Rules over them.
    pub(super) fn check(actions: Option<&Self>, path: &str, problems: &mut Problems) {
        let Some(actions) = actions else { return };
        let others = actions.others.as_deref().unwrap_or_default();
        for (index, arn) in others.iter().enumerate().filter(|(_, arn)| !is_unknown_text(arn) && is_topic(arn)) {
            let message = format!("`{arn}` is a topic");
            problems.add(format!("{path}.others.{index}"), message, "write it under `topics`, as `{id: ARN}`");
        }
        let count = others.len() + actions.topics.as_ref().map_or(0, Vec::len);
        if count > MOST {
            problems.add(path, format!("{count} actions are given, and the API takes {MOST}"), "tell one topic more");
        }
    }

    /// The ARNs to write: what is declared, and of what is not, what is there.
    pub(super) fn wanted<S>(
        actions: Option<&Self>,
        want: &Create<'_, S>,
        there: &[String],
    ) -> Result<Vec<String>, ApiError> {
        let (topics, others) = actions.map_or((None, None), |a| (a.topics.as_ref(), a.others.as_ref()));
        let mut all = match topics {
            Some(topics) => topics.iter().map(|t| arns::of(want, t)).collect::<Result<Vec<_>, _>>()?,
            None => there.iter().filter(|arn| is_topic(arn)).cloned().collect(),
        };
        match others {
            Some(others) => all.extend(others.iter().cloned()),
            None => all.extend(there.iter().filter(|arn| !is_topic(arn)).cloned()),
        }
        Ok(all)
    }
}

fn is_topic(arn: &str) -> bool {
    arn.split(':').nth(2) == Some("sns")
}
