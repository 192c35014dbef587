//! Parts of a parameter's spec: words, and what happens to it with time.

use aws_sdk_ssm::types::ParameterInlinePolicy;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::kind::Problems;
use crate::model::types::Duration;
use crate::model::value::is_unknown_text;
use crate::providers::aws::words::words;

const DAY: u64 = 86_400;
const HOUR: u64 = 3600;

words! {
    /// What a parameter holds.
    Type {
        /// A text.
        Text = "String",
        /// Texts with commas between them.
        List = "StringList",
        /// A text that is encrypted.
        Secure = "SecureString",
    }
}

words! {
    /// What a parameter may be like.
    Tier {
        /// 4 KiB, at no cost.
        Standard = "Standard",
        /// 8 KiB and policies, at a cost. There is no way back.
        Advanced = "Advanced",
    }
}

words! {
    /// What the API checks a text for.
    DataType {
        /// Nothing.
        Text = "text",
        /// Whether it is the id of a machine image.
        Image = "aws:ec2:image",
        /// Whether it is an integration with another service.
        Integration = "aws:ssm:integration",
    }
}

/// What happens to a parameter with time (`tier: advanced`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policies {
    /// When it is deleted, `2027-04-01T00:00:00Z`; empty for never.
    #[serde(default)]
    pub expires_at: String,
    /// How long before that an event is sent, whole hours; `0s` for none.
    #[serde(default = "none")]
    pub notify_before: Duration,
    /// How long without a change until an event is sent, whole hours; `0s` for none.
    #[serde(default = "none")]
    pub notify_unchanged: Duration,
}

fn none() -> Duration {
    Duration::from_seconds(0)
}

/// A moment in its one form.
fn moment(text: &str) -> Option<String> {
    let moment = DateTime::from_str(text, Format::DateTime).ok()?;
    DateTime::from_secs(moment.secs()).fmt(Format::DateTime).ok()
}

/// Days if they are whole, else hours: number and unit.
fn units(duration: &Duration) -> (String, &'static str) {
    match duration.seconds() {
        seconds if seconds % DAY == 0 => ((seconds / DAY).to_string(), "Days"),
        seconds => ((seconds / HOUR).to_string(), "Hours"),
    }
}

fn from_units(number: &Value, unit: &Value) -> Duration {
    let number = number.as_str().and_then(|n| n.parse::<u64>().ok()).or(number.as_u64()).unwrap_or(0);
    Duration::from_seconds(number * if unit.as_str() == Some("Hours") { HOUR } else { DAY })
}

impl Policies {
    /// Nothing happens to it.
    pub(super) fn nothing() -> Self {
        Self { expires_at: String::new(), notify_before: none(), notify_unchanged: none() }
    }

    /// In the API's form: JSON text. An empty list takes all away.
    pub(super) fn api(&self) -> String {
        let policy = |kind: &str, attributes: Value| json!({"Type": kind, "Version": "1.0", "Attributes": attributes});
        let mut all = Vec::new();
        if let Some(when) = moment(&self.expires_at) {
            all.push(policy("Expiration", json!({"Timestamp": when.replace('Z', ".000Z")})));
        }
        if self.notify_before.seconds() > 0 {
            let (number, unit) = units(&self.notify_before);
            all.push(policy("ExpirationNotification", json!({"Before": number, "Unit": unit})));
        }
        if self.notify_unchanged.seconds() > 0 {
            let (number, unit) = units(&self.notify_unchanged);
            all.push(policy("NoChangeNotification", json!({"After": number, "Unit": unit})));
        }
        if all.is_empty() { "[{}]".to_owned() } else { Value::Array(all).to_string() }
    }

    pub(super) fn from_api(policies: &[ParameterInlinePolicy]) -> Self {
        let mut all = Self::nothing();
        for policy in policies {
            let text: Value = serde_json::from_str(policy.policy_text().unwrap_or_default()).unwrap_or(Value::Null);
            let attributes = &text["Attributes"];
            match text["Type"].as_str().unwrap_or_default() {
                "Expiration" => {
                    all.expires_at = attributes["Timestamp"].as_str().and_then(moment).unwrap_or_default();
                }
                "ExpirationNotification" => {
                    all.notify_before = from_units(&attributes["Before"], &attributes["Unit"]);
                }
                "NoChangeNotification" => {
                    all.notify_unchanged = from_units(&attributes["After"], &attributes["Unit"]);
                }
                _ => {}
            }
        }
        all
    }

    pub(super) fn check(&self, advanced: bool, problems: &mut Problems) {
        if !advanced && *self != Self::nothing() {
            problems.add("policies", "only advanced parameters have policies", "set `tier: advanced`");
        }
        let at = self.expires_at.as_str();
        if !at.is_empty() && !is_unknown_text(at) && moment(at).as_deref() != Some(at) {
            let help = "write 2027-04-01T00:00:00Z, for one, in UTC";
            problems.add("policies.expires_at", format!("`{at}` is not such a moment"), help);
        }
        if at.is_empty() && self.notify_before.seconds() > 0 {
            problems.add("policies.notify_before", "it never expires", "give `expires_at`, or leave this out");
        }
        for (field, time) in [("notify_before", &self.notify_before), ("notify_unchanged", &self.notify_unchanged)] {
            if time.seconds() % HOUR != 0 {
                problems.add(format!("policies.{field}"), format!("`{time}` is not whole hours"), "write 12h, for one");
            }
        }
    }
}
