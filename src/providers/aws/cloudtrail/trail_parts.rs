//! Parts of a trail's spec: where else events go, and which are recorded. Selectors are written whole, so each field of
//! one has a value that stands for none.

use aws_sdk_cloudtrail::types::{
    AdvancedEventSelector as ApiAdvanced, AdvancedFieldSelector, DataResource as ApiData, EventSelector as ApiSelector,
    InsightSelector,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Problems;
use crate::model::types::Ref;
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::logs::log_group::LogGroup;
use crate::providers::aws::sns::topic::Topic;
use crate::providers::aws::words::words;

/// Most basic selectors of a trail.
const SELECTORS: usize = 5;
/// Most resources of all basic selectors.
const RESOURCES: usize = 250;
/// Most conditions of all advanced selectors.
const CONDITIONS: usize = 500;

pub(super) fn yes() -> bool {
    true
}

/// A log group that events go to, beside the bucket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogDelivery {
    /// Whether they do.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The log group (by ARN, without `:*`, if it is not owned).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Ref<LogGroup>>,
    /// The role that CloudTrail takes on to write there (by ARN, if it is not owned).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Ref<Role>>,
}

/// A topic that is told of each new file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// Whether it is.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The topic (by ARN, if it is not owned); its policy must let CloudTrail publish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<Ref<Topic>>,
}

words! {
    /// Which events, by what they do.
    #[derive(Default)]
    ReadWrite {
        /// Those that read and those that write.
        #[default]
        All = "All",
        /// Those that read.
        Read = "ReadOnly",
        /// Those that write.
        Write = "WriteOnly",
    }
}

words! {
    /// Objects whose data events basic selectors know.
    DataType {
        /// Objects in buckets.
        S3Object = "AWS::S3::Object",
        /// Calls of functions.
        LambdaFunction = "AWS::Lambda::Function",
        /// Items of tables.
        DynamodbTable = "AWS::DynamoDB::Table",
    }
}

words! {
    /// What unusual activity is looked for.
    Insight {
        /// Unusually many calls.
        CallRate = "ApiCallRateInsight",
        /// Unusually many errors.
        ErrorRate = "ApiErrorRateInsight",
    }
}

/// Events that are recorded: management events, and data events of a few sorts of objects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventSelector {
    /// By what they do.
    #[serde(default)]
    pub read_write: ReadWrite,
    /// Whether management events are.
    #[serde(default = "yes")]
    pub management: bool,
    /// Objects whose data events are, 250 in all selectors at most.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub data: Vec<DataResource>,
    /// Services whose management events are not: `kms.amazonaws.com`, `rdsdata.amazonaws.com`.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub exclude_sources: Vec<String>,
}

/// Objects of one sort.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataResource {
    /// Their sort.
    #[serde(rename = "type")]
    pub ty: DataType,
    /// ARNs, or for objects in buckets what their ARNs begin with: `arn:aws:s3:::orders/`; `arn:aws:s3` for all.
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub arns: Vec<String>,
}

/// Events that are recorded, by any of their fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AdvancedSelector {
    /// What it is for.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub name: String,
    /// All must fit; one is for `eventCategory`.
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub fields: Vec<FieldSelector>,
}

/// A condition for a field of events. Of the values of one list any may fit; all lists that are given must.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldSelector {
    /// The field, in the API's words: `eventCategory`, `resources.type`, `resources.ARN`, `readOnly`, `eventName`….
    pub field: String,
    /// It is one of these.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub equals: Vec<String>,
    /// It begins with one of these.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub starts_with: Vec<String>,
    /// It ends with one of these.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub ends_with: Vec<String>,
    /// It is none of these.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub not_equals: Vec<String>,
    /// It begins with none of these.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub not_starts_with: Vec<String>,
    /// It ends with none of these.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub not_ends_with: Vec<String>,
}

impl EventSelector {
    pub(super) fn api(&self) -> ApiSelector {
        let data =
            self.data.iter().map(|d| ApiData::builder().r#type(d.ty.api()).set_values(Some(d.arns.clone())).build());
        ApiSelector::builder()
            .read_write_type(self.read_write.api().into())
            .include_management_events(self.management)
            .set_data_resources(Some(data.collect()))
            .set_exclude_management_event_sources(Some(self.exclude_sources.clone()))
            .build()
    }

    pub(super) fn from_api(selector: &ApiSelector) -> Self {
        let data = selector
            .data_resources()
            .iter()
            .filter_map(|d| Some(DataResource { ty: DataType::from_api(d.r#type()?)?, arns: d.values().to_vec() }));
        Self {
            read_write: selector.read_write_type().and_then(|t| ReadWrite::from_api(t.as_str())).unwrap_or_default(),
            management: selector.include_management_events().unwrap_or(true),
            data: data.collect(),
            exclude_sources: selector.exclude_management_event_sources().to_vec(),
        }
    }
}

impl AdvancedSelector {
    pub(super) fn api(&self) -> Result<ApiAdvanced, ApiError> {
        let invalid = |e: aws_sdk_cloudtrail::error::BuildError| {
            ApiError::new("cloudtrail:PutEventSelectors", ErrorClass::Invalid, e.to_string())
        };
        let some = |all: &[String]| (!all.is_empty()).then(|| all.to_vec());
        let fields: Result<Vec<AdvancedFieldSelector>, ApiError> = self
            .fields
            .iter()
            .map(|f| {
                AdvancedFieldSelector::builder()
                    .field(&f.field)
                    .set_equals(some(&f.equals))
                    .set_starts_with(some(&f.starts_with))
                    .set_ends_with(some(&f.ends_with))
                    .set_not_equals(some(&f.not_equals))
                    .set_not_starts_with(some(&f.not_starts_with))
                    .set_not_ends_with(some(&f.not_ends_with))
                    .build()
                    .map_err(invalid)
            })
            .collect();
        let name = Some(self.name.clone()).filter(|n| !n.is_empty());
        ApiAdvanced::builder().set_name(name).set_field_selectors(Some(fields?)).build().map_err(invalid)
    }

    pub(super) fn from_api(selector: &ApiAdvanced) -> Self {
        let fields = selector.field_selectors().iter().map(|f| FieldSelector {
            field: f.field().to_owned(),
            equals: f.equals().to_vec(),
            starts_with: f.starts_with().to_vec(),
            ends_with: f.ends_with().to_vec(),
            not_equals: f.not_equals().to_vec(),
            not_starts_with: f.not_starts_with().to_vec(),
            not_ends_with: f.not_ends_with().to_vec(),
        });
        Self { name: selector.name().unwrap_or_default().to_owned(), fields: fields.collect() }
    }
}

impl FieldSelector {
    fn lists(&self) -> [&Vec<String>; 6] {
        [&self.equals, &self.starts_with, &self.ends_with, &self.not_equals, &self.not_starts_with, &self.not_ends_with]
    }
}

pub(super) fn insights(all: &[InsightSelector]) -> Vec<Insight> {
    all.iter().filter_map(|i| Insight::from_api(i.insight_type()?.as_str())).collect()
}

/// What the API refuses of basic selectors.
pub(super) fn check_basic(selectors: &[EventSelector], problems: &mut Problems) {
    if selectors.len() > SELECTORS {
        let message = format!("a trail has {SELECTORS} basic selectors at most");
        problems.add("event_selectors", message, "take `advanced_event_selectors`");
    }
    let resources: usize = selectors.iter().flat_map(|s| &s.data).map(|d| d.arns.len()).sum();
    if resources > RESOURCES {
        let message = format!("{resources} resources are named, and {RESOURCES} are allowed");
        problems.add("event_selectors", message, "take `advanced_event_selectors`");
    }
    for (number, selector) in selectors.iter().enumerate() {
        let at = format!("event_selectors.{number}");
        if !selector.management && selector.data.is_empty() {
            problems.add(&at, "it records nothing", "give `data`, or set `management: true`");
        }
        const SOURCES: [&str; 2] = ["kms.amazonaws.com", "rdsdata.amazonaws.com"];
        for source in selector.exclude_sources.iter().filter(|s| !SOURCES.contains(&s.as_str())) {
            let message = format!("`{source}` can't be left out here");
            problems.add(format!("{at}.exclude_sources"), message, "take `advanced_event_selectors`");
        }
        if !selector.management && !selector.exclude_sources.is_empty() {
            let message = "management events are not recorded anyway";
            problems.add(format!("{at}.exclude_sources"), message, "leave it out");
        }
    }
}

/// What the API refuses of advanced selectors.
pub(super) fn check_advanced(selectors: &[AdvancedSelector], problems: &mut Problems) {
    let mut conditions = 0;
    for (number, selector) in selectors.iter().enumerate() {
        let at = format!("advanced_event_selectors.{number}.fields");
        let category = selector.fields.iter().find(|f| f.field == "eventCategory");
        if category.is_none_or(|c| c.equals.len() != 1) {
            let help = "give `{field: eventCategory, equals: [Management]}`, or `[Data]`";
            problems.add(&at, "a selector is for one category of events", help);
        }
        let data = category.is_some_and(|c| c.equals == ["Data"]);
        if data && !selector.fields.iter().any(|f| f.field == "resources.type" && f.equals.len() == 1) {
            let help = "give `{field: resources.type, equals: [AWS::S3::Object]}`, for one";
            problems.add(&at, "data events are those of one sort of objects", help);
        }
        for (place, field) in selector.fields.iter().enumerate() {
            let count: usize = field.lists().iter().map(|l| l.len()).sum();
            if count == 0 {
                problems.add(format!("{at}.{place}"), "it has no condition", "give `equals`, for one");
            }
            conditions += count;
        }
    }
    if conditions > CONDITIONS {
        let message = format!("{conditions} values are given, and {CONDITIONS} are allowed");
        problems.add("advanced_event_selectors", message, "take `starts_with` for many of them");
    }
}
