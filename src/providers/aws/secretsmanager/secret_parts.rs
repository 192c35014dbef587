//! Parts of a secret's spec: how a value is made, replicas, rotation.

use std::collections::BTreeSet;

use aws_sdk_secretsmanager::types::{ReplicaRegionType, ReplicationStatusType, RotationRulesType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::cloud::ApiError;
use crate::model::kind::{Kind, Problems};
use crate::model::types::{Duration, Ref};
use crate::model::value::is_unknown_text;
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::Create;
use crate::providers::aws::kms::key::Key;

const DAY: u64 = 86_400;
const HOUR: u64 = 3600;
/// Most days between two rotations.
const INTERVAL: u64 = 1000;

/// An attribute of what a reference stands for, or its id if it is not ours.
pub(super) fn attribute_or_id<S, K: Kind>(
    want: &Create<'_, S>,
    reference: &Ref<K>,
    attribute: &str,
) -> Result<String, ApiError> {
    want.attribute(reference, attribute).map_or_else(|| want.id(reference), Ok)
}

fn yes() -> bool {
    true
}

fn length() -> i64 {
    32
}

fn none() -> Duration {
    Duration::from_seconds(0)
}

/// How a value is made that nobody has to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Generate {
    /// Characters, 1 to 4,096.
    #[serde(default = "length")]
    #[schemars(range(min = 1, max = 4096))]
    pub length: i64,
    /// Characters that it must not have, such as `"@/\`.
    #[serde(default)]
    #[schemars(length(max = 4096))]
    pub without: String,
    /// Whether it may have small letters.
    #[serde(default = "yes")]
    pub lower_case: bool,
    /// Whether it may have capital letters.
    #[serde(default = "yes")]
    pub upper_case: bool,
    /// Whether it may have digits.
    #[serde(default = "yes")]
    pub digits: bool,
    /// Whether it may have punctuation.
    #[serde(default = "yes")]
    pub punctuation: bool,
    /// Whether it may have spaces.
    #[serde(default)]
    pub spaces: bool,
}

impl Generate {
    /// A new value.
    pub(super) async fn value(&self, cx: &Context) -> Result<String, ApiError> {
        let request = cx
            .clients
            .secrets
            .get_random_password()
            .password_length(self.length)
            .set_exclude_characters(Some(self.without.clone()).filter(|w| !w.is_empty()))
            .exclude_lowercase(!self.lower_case)
            .exclude_uppercase(!self.upper_case)
            .exclude_numbers(!self.digits)
            .exclude_punctuation(!self.punctuation)
            .include_space(self.spaces)
            // One of each sort; a short one has no room for that.
            .require_each_included_type(self.sorts() <= self.length);
        let answer = cx.call("secretsmanager:GetRandomPassword", request.send()).await?;
        Ok(answer.random_password().unwrap_or_default().to_owned())
    }

    fn sorts(&self) -> i64 {
        [self.lower_case, self.upper_case, self.digits, self.punctuation].into_iter().map(i64::from).sum()
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        if self.sorts() == 0 {
            problems.add("generate", "no characters are left to make a value of", "allow letters or digits");
        }
    }
}

/// A copy in another region, which follows the secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replica {
    /// The region.
    pub region: String,
    /// Key of that region (by ARN, if it is not owned); left out, the account's own key for secrets. Another key makes
    /// a new copy, and for that moment there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-anywhere" = true))]
    pub key: Option<Ref<Key>>,
}

impl Replica {
    pub(super) fn api<S>(&self, want: &Create<'_, S>) -> Result<ReplicaRegionType, ApiError> {
        let key = self.key.as_ref().map(|k| attribute_or_id(want, k, "arn")).transpose()?;
        Ok(ReplicaRegionType::builder().region(&self.region).set_kms_key_id(key).build())
    }

    pub(super) fn from_api(status: &ReplicationStatusType) -> Self {
        // The account's own key is what stands there if none is declared.
        let key = status.kms_key_id().filter(|k| !k.is_empty() && !k.ends_with("alias/aws/secretsmanager"));
        Self { region: status.region().unwrap_or_default().to_owned(), key: key.map(Ref::id) }
    }
}

/// What the API refuses of replicas.
pub(super) fn check_replicas(replicas: &[Replica], problems: &mut Problems) {
    let mut regions = BTreeSet::new();
    for (number, replica) in replicas.iter().enumerate().filter(|(_, r)| !is_unknown_text(&r.region)) {
        if !regions.insert(&replica.region) {
            let message = format!("two copies are in {}", replica.region);
            problems.add(format!("replicas.{number}.region"), message, "leave one out");
        }
    }
}

/// When a function makes a new value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Whether it does.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// ARN of the Lambda function; Secrets Manager must be allowed to invoke it.
    #[serde(default)]
    pub function: String,
    /// Every so many whole days, 1 to 1,000; or else `schedule`.
    #[serde(default = "none")]
    pub every: Duration,
    /// When, in place of `every`: `rate(10 days)`, or `cron(0 16 1,15 * ? *)`, in UTC.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub schedule: String,
    /// How long after that moment it may still begin, 1 to 24 whole hours; `0s` for the rest of the day (UTC).
    #[serde(default = "none")]
    pub window: Duration,
}

impl Rotation {
    /// No function makes new values.
    pub(super) fn off() -> Self {
        Self { enabled: false, function: String::new(), every: none(), schedule: String::new(), window: none() }
    }

    pub(super) fn api(&self) -> RotationRulesType {
        let days = i64::try_from(self.every.seconds() / DAY).ok().filter(|d| *d > 0);
        let hours = Some(self.window.seconds() / HOUR).filter(|h| *h > 0);
        RotationRulesType::builder()
            .set_automatically_after_days(days.filter(|_| self.schedule.is_empty()))
            .set_schedule_expression(Some(self.schedule.clone()).filter(|s| !s.is_empty()))
            .set_duration(hours.map(|h| format!("{h}h")))
            .build()
    }

    pub(super) fn from_api(on: bool, function: Option<&str>, rules: Option<&RotationRulesType>) -> Self {
        if !on {
            return Self::off();
        }
        let schedule = rules.and_then(|r| r.schedule_expression()).unwrap_or_default().to_owned();
        // With a schedule, the API tells the days that follow from it.
        let days = rules.and_then(|r| r.automatically_after_days()).filter(|_| schedule.is_empty());
        let days = days.and_then(|d| u64::try_from(d).ok()).unwrap_or(0);
        Self {
            enabled: true,
            function: function.unwrap_or_default().to_owned(),
            every: Duration::from_seconds(days * DAY),
            schedule,
            window: rules.and_then(|r| r.duration()).and_then(|d| d.parse().ok()).unwrap_or_else(none),
        }
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        let known = |text: &str| !is_unknown_text(text);
        if !self.enabled {
            if *self != Self::off() {
                let help = "leave all other fields out";
                problems.add("rotation.enabled", "what is not rotated has neither function nor times", help);
            }
            return;
        }
        if self.function.is_empty() {
            problems.add("rotation.function", "a function makes the new value", "give the ARN of one");
        } else if known(&self.function) && !self.function.starts_with("arn:") {
            problems.add("rotation.function", format!("`{}` is not an ARN", self.function), "give the ARN");
        }
        let (every, window) = (self.every.seconds(), self.window.seconds());
        match (every > 0 || !known(self.every.as_str()), !self.schedule.is_empty()) {
            (true, true) => problems.add("rotation.schedule", "it has `every` already", "leave one out"),
            (false, false) => problems.add("rotation.every", "nobody says when", "give `every`, or `schedule`"),
            (true, false) | (false, true) => {}
        }
        if every % DAY != 0 || every > INTERVAL * DAY {
            problems.add("rotation.every", format!("`{}` is not 1 to 1,000 whole days", self.every), "write 30d");
        }
        if window % HOUR != 0 || window > DAY {
            problems.add("rotation.window", format!("`{}` is not 1 to 24 whole hours", self.window), "write 3h");
        }
        let schedule = self.schedule.as_str();
        let timed = ["rate(", "cron("].iter().any(|word| schedule.starts_with(word)) && schedule.ends_with(')');
        if !schedule.is_empty() && known(schedule) && !timed {
            let help = "write rate(10 days), or cron(0 16 1,15 * ? *)";
            problems.add("rotation.schedule", format!("`{schedule}` is not a schedule"), help);
        }
    }
}
