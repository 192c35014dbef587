//! `metric_filter`: counts log lines, or takes numbers out of them, into a metric.
//!
//! The API gives filters no tags: the name says whose a filter is, as
//! `saiken/PROJECT/ENVIRONMENT/GENERATION/ADDRESS/NAME`, with `protected/` before the name if it is protected (512
//! characters at most; `/`, `:`, `*` and letters beyond ASCII as `%2F` and the like). Its id is the log group and the
//! name at the end, `GROUP:NAME`, which stays when the owner changes; another group or name make a new filter
//! necessary. A filter can't be renamed: when it gets another owner or is let go, it is taken away and written again,
//! and counts nothing for that moment. A run that ends in between leaves none, which the next one makes.
//!
//! One call writes a filter whole, whether it is there or not, so a call whose answer is lost can be made again. All
//! filters of a region come in pages of 50; the API takes a prefix only within a group.
//! API: <https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutMetricFilter.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::types::{MetricFilter as ApiFilter, MetricTransformation, StandardUnit};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::log_group::LogGroup;
use crate::model::Address;
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::Owner;
use crate::model::types::Ref;
use crate::model::value::is_unknown_text;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};
use crate::providers::aws::preflight::kind::{Checked, Needs};

/// First part of the names of owned filters.
const OURS: &str = "saiken";
/// The part before the name of a protected filter.
const PROTECTED: &str = "protected";
/// What a part of a name can't hold as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// The kind `metric_filter`.
pub struct MetricFilter;

/// Counts log lines, or takes numbers out of them, into a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its log group, of class `standard`.
    #[schemars(extend("x-change" = "replace"))]
    pub log_group: Ref<LogGroup>,
    /// The end of its name, letters, digits, `-`, `.` and `_`; derived from the address if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9._-]+$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// Which lines count: `ERROR`, `{ $.status = 5* }`, `[ip, user, …]`; empty for all. 1,024 characters at most.
    #[schemars(length(max = 1024))]
    pub pattern: String,
    /// What is written into which metric.
    pub metric: Output,
    /// Whether it sees lines as the group's transformer leaves them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub apply_on_transformed_logs: Option<bool>,
    /// Which lines count, by where they come from: `@aws.region = "ap-northeast-1"`; empty for all. 2,000 characters at
    /// most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2000))]
    pub criteria: Option<String>,
    /// Where lines come from, as dimensions: `@aws.account`, `@aws.region`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub system_fields: Option<Vec<String>>,
}

/// What is written into which metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// Namespace.
    #[schemars(length(min = 1, max = 255))]
    pub namespace: String,
    /// Name.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// What a line counts: a number, `1` for one, or a field of it (`$.bytes`, `$size`).
    #[schemars(length(min = 1, max = 100))]
    pub value: String,
    /// What a minute with lines none of which counts is given; nothing if left out. Not with dimensions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null))]
    pub default: Option<f64>,
    /// Dimensions and the fields that they are taken from (`$.region`), 3 at most. Each value is a metric that costs
    /// money.
    #[serde(default)]
    pub dimensions: BTreeMap<String, String>,
    /// Unit, in the API's word (`Count`, `Bytes`); none if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = "None"))]
    pub unit: Option<String>,
}

impl Kind for MetricFilter {
    const NAME: &'static str = "metric_filter";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "metric from log lines",
            service: "logs",
            reference: "https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutMetricFilter.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "Log group and name, `GROUP:NAME`"),
                    Attribute::changing("filter_name", "Its whole name, with the owner"),
                    Attribute::changing("metric_namespace", "Namespace of its metric"),
                    Attribute::changing("metric_name", "Name of its metric"),
                ]
            },
            permissions: Permissions {
                read: &["logs:DescribeMetricFilters"],
                create: &["logs:PutMetricFilter", "logs:DescribeMetricFilters"],
                update: &["logs:PutMetricFilter", "logs:DescribeMetricFilters", "logs:DeleteMetricFilter"],
                delete: &["logs:DescribeMetricFilters", "logs:DeleteMetricFilter"],
            },
            name_limit: 128,
            creation_seconds: 1,
            deletion_seconds: 1,
            quota: 10_000,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        let metric = &spec.metric;
        let fields = spec.system_fields.as_deref().unwrap_or_default();
        if metric.default.is_some() && !(metric.dimensions.is_empty() && fields.is_empty()) {
            let message = "a metric with dimensions has no value for minutes in which nothing counts";
            problems.add("metric.default", message, "leave `default` out, or the dimensions");
        }
        if metric.dimensions.len() + fields.len() > 3 {
            problems.add("metric.dimensions", "a metric from log lines has 3 dimensions at most", "leave some out");
        }
        for (index, field) in
            fields.iter().enumerate().filter(|(_, f)| !["@aws.account", "@aws.region"].contains(&f.as_str()))
        {
            let path = format!("system_fields.{index}");
            problems.add(path, format!("`{field}` is no such field"), "take @aws.account or @aws.region");
        }
        for (path, text) in [("metric.namespace", &metric.namespace), ("metric.name", &metric.name)] {
            if !is_unknown_text(text) && text.contains([':', '*', '$']) {
                let message = format!("`{text}` holds `:`, `*` or `$`, which the API does not take");
                problems.add(path, message, "take other characters");
            }
        }
        if let Some(unit) =
            metric.unit.as_deref().filter(|u| !is_unknown_text(u) && !StandardUnit::values().contains(u))
        {
            let help = format!("write one of {}", StandardUnit::values().join(", "));
            problems.add("metric.unit", format!("`{unit}` is no unit"), help);
        }
    }
}

#[async_trait]
impl Checked for MetricFilter {
    fn needs() -> Needs {
        // Its log group is known by a reference.
        Needs { resource: "log-group:*", only_for: &[("logs:DeleteMetricFilter", &[])] }
    }
}

#[async_trait]
impl AwsKind for MetricFilter {
    const TAGGED: bool = false;

    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        if let Selection::Ids(ids) = read.selection {
            let mut out = Vec::new();
            for id in ids {
                out.extend(one(cx, id).await?.as_ref().and_then(found));
            }
            return Ok(out);
        }
        let all = filters(cx, None).await?;
        let all = all.iter().filter_map(found);
        Ok(all.filter(|f| read.selection.matches(&f.id, &f.tags)).collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let group = want.id(&want.spec.log_group)?;
        let key = want.spec.name.as_deref().unwrap_or(want.name);
        let id = format!("{group}:{key}");
        let name = name(want.tags, key);
        let there = filters(cx, Some(&group)).await?;
        let same = there.iter().filter_map(|f| f.filter_name()).find(|n| *n != name && key_of(n) == key);
        if let Some(other) = same {
            let message = format!("the log group '{group}' has a filter '{other}' already, and it is not ours");
            return Err(ApiError::new("logs:PutMetricFilter", ErrorClass::Conflict, message));
        }
        put(cx, wanted(want, &group, name, None)).await?;
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let there = one(cx, update.id).await?;
        let there = there.ok_or_else(|| {
            let message = format!("there is no filter '{}'", update.id);
            ApiError::new("logs:PutMetricFilter", ErrorClass::NotFound, message)
        })?;
        let name = there.filter_name().unwrap_or_default().to_owned();
        put(cx, wanted(&update.want, split(update.id).0, name, Some(&there))).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        match one(cx, delete.id).await? {
            Some(filter) => take_away(cx, &filter).await,
            None => Ok(()),
        }
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        let Some(there) = one(cx, &object.id).await? else { return Ok(()) };
        let mut tags = object.owner.as_ref().map(Owner::tags).unwrap_or_default();
        tags.extend(set.clone());
        tags.retain(|tag, _| !remove.contains(tag));
        let name = name(&tags, split(&object.id).1);
        if there.filter_name() == Some(&name) {
            return Ok(());
        }
        take_away(cx, &there).await?;
        put(cx, ApiFilter::builder().filter_name(name).set_all(&there).build()).await
    }
}

/// Takes over all but the name.
trait SetAll {
    fn set_all(self, from: &ApiFilter) -> Self;
}

impl SetAll for aws_sdk_cloudwatchlogs::types::builders::MetricFilterBuilder {
    fn set_all(self, from: &ApiFilter) -> Self {
        self.set_log_group_name(from.log_group_name.clone())
            .set_filter_pattern(from.filter_pattern.clone())
            .set_metric_transformations(from.metric_transformations.clone())
            .apply_on_transformed_logs(from.apply_on_transformed_logs)
            .set_field_selection_criteria(from.field_selection_criteria.clone())
            .set_emit_system_field_dimensions(from.emit_system_field_dimensions.clone())
    }
}

/// Log group and key of an id.
fn split(id: &str) -> (&str, &str) {
    id.split_once(':').unwrap_or((id, ""))
}

/// The name that says what the ownership tags say; the key alone for nobody's.
fn name(tags: &Tags, key: &str) -> String {
    let Some(owner) = Owner::from_tags(tags) else { return key.to_owned() };
    let part = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
    let (project, environment, address) =
        (part(&owner.project), part(&owner.environment), part(owner.address.as_str()));
    let protected = if owner.protected { format!("{PROTECTED}/") } else { String::new() };
    format!("{OURS}/{project}/{environment}/{}/{address}/{protected}{}", owner.generation, part(key))
}

/// Owner and key that a name stands for; none if it is not one of ours.
fn owner_of(name: &str) -> Option<(Owner, String)> {
    let parts: Vec<String> = name.split('/').map(|p| percent_decode_str(p).decode_utf8_lossy().into_owned()).collect();
    let (project, environment, generation, address, protected, key) = match parts.as_slice() {
        [ours, p, e, g, a, key] if ours == OURS => (p, e, g, a, false, key),
        [ours, p, e, g, a, word, key] if ours == OURS && word == PROTECTED => (p, e, g, a, true, key),
        _ => return None,
    };
    let owner = Owner {
        project: project.clone(),
        environment: environment.clone(),
        address: Address::parse(address).ok()?,
        generation: generation.parse().ok()?,
        fingerprints: BTreeMap::new(),
        protected,
    };
    Some((owner, key.clone()))
}

/// What stays of a name when its owner changes.
fn key_of(name: &str) -> String {
    owner_of(name).map_or_else(|| name.to_owned(), |(_, key)| key)
}

/// All filters of a group, or of the region; none if the group is gone.
async fn filters(cx: &Context, group: Option<&str>) -> Result<Vec<ApiFilter>, ApiError> {
    let request = cx.clients.logs.describe_metric_filters().set_log_group_name(group.map(str::to_owned)).limit(50);
    match cx.pages("logs:DescribeMetricFilters", request.into_paginator().send()).await {
        Ok(pages) => Ok(pages.into_iter().flat_map(|p| p.metric_filters.unwrap_or_default()).collect()),
        Err(e) if e.class == ErrorClass::NotFound && group.is_some() => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

/// The filter of this id.
async fn one(cx: &Context, id: &str) -> Result<Option<ApiFilter>, ApiError> {
    let (group, key) = split(id);
    Ok(filters(cx, Some(group)).await?.into_iter().find(|f| f.filter_name().is_some_and(|n| key_of(n) == key)))
}

/// A filter as declared; what is not declared is as it is there.
fn wanted(want: &Create<'_, Spec>, group: &str, name: String, there: Option<&ApiFilter>) -> ApiFilter {
    let spec = want.spec;
    let metric = &spec.metric;
    let transformation = MetricTransformation::builder()
        .metric_namespace(&metric.namespace)
        .metric_name(&metric.name)
        .metric_value(&metric.value)
        .set_default_value(metric.default)
        .set_dimensions(
            Some(metric.dimensions.clone().into_iter().collect::<std::collections::HashMap<_, _>>())
                .filter(|d| !d.is_empty()),
        )
        .set_unit(metric.unit.as_deref().map(StandardUnit::from))
        .build();
    let criteria = spec.criteria.clone().or(there.and_then(|f| f.field_selection_criteria.clone()));
    let fields = spec.system_fields.clone().or(there.and_then(|f| f.emit_system_field_dimensions.clone()));
    ApiFilter::builder()
        .filter_name(name)
        .log_group_name(group)
        .filter_pattern(&spec.pattern)
        // All that it must have is there.
        .set_metric_transformations(transformation.ok().map(|t| vec![t]))
        .apply_on_transformed_logs(
            spec.apply_on_transformed_logs.unwrap_or(there.is_some_and(|f| f.apply_on_transformed_logs)),
        )
        .set_field_selection_criteria(criteria.filter(|c| !c.is_empty()))
        .set_emit_system_field_dimensions(fields.filter(|f| !f.is_empty()))
        .build()
}

async fn put(cx: &Context, filter: ApiFilter) -> Result<(), ApiError> {
    let request = cx
        .clients
        .logs
        .put_metric_filter()
        .set_log_group_name(filter.log_group_name)
        .set_filter_name(filter.filter_name)
        .set_filter_pattern(filter.filter_pattern)
        .set_metric_transformations(filter.metric_transformations)
        // It is refused, even as false, in places that have no transformers.
        .set_apply_on_transformed_logs(Some(filter.apply_on_transformed_logs).filter(|on| *on))
        .set_field_selection_criteria(filter.field_selection_criteria)
        .set_emit_system_field_dimensions(filter.emit_system_field_dimensions);
    cx.call("logs:PutMetricFilter", request.send()).await.map(drop)
}

async fn take_away(cx: &Context, filter: &ApiFilter) -> Result<(), ApiError> {
    let request = cx
        .clients
        .logs
        .delete_metric_filter()
        .set_log_group_name(filter.log_group_name.clone())
        .set_filter_name(filter.filter_name.clone());
    match cx.call("logs:DeleteMetricFilter", request.send()).await {
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other.map(drop),
    }
}

fn found(filter: &ApiFilter) -> Option<Found<Spec>> {
    let (name, group) = (filter.filter_name()?, filter.log_group_name()?);
    let (owner, key) = owner_of(name).map_or_else(|| (None, name.to_owned()), |(owner, key)| (Some(owner), key));
    let metric = filter.metric_transformations().first()?;
    let id = format!("{group}:{key}");
    Some(Found {
        identifiers: Vec::new(),
        attributes: attributes([
            ("id", json!(id)),
            ("filter_name", json!(name)),
            ("metric_namespace", json!(metric.metric_namespace())),
            ("metric_name", json!(metric.metric_name())),
        ]),
        spec: Spec {
            log_group: Ref::id(group),
            name: Some(key),
            pattern: filter.filter_pattern().unwrap_or_default().to_owned(),
            metric: Output {
                namespace: metric.metric_namespace().to_owned(),
                name: metric.metric_name().to_owned(),
                value: metric.metric_value().to_owned(),
                default: metric.default_value(),
                dimensions: metric.dimensions().cloned().unwrap_or_default().into_iter().collect(),
                unit: Some(metric.unit().map_or("None", |u| u.as_str()).to_owned()),
            },
            apply_on_transformed_logs: Some(filter.apply_on_transformed_logs),
            criteria: Some(filter.field_selection_criteria().unwrap_or_default().to_owned()),
            system_fields: Some(filter.emit_system_field_dimensions().to_vec()),
        },
        status: Status::Ready,
        tags: owner.as_ref().map(Owner::tags).unwrap_or_default(),
        unread: Vec::new(),
        id,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::cloud::OwnRequest;
    use crate::providers::aws::kind::{Handler, Typed};
    use crate::providers::aws::script::{self, Script};

    fn filter(name: &str) -> Value {
        json!({
            "filterName": name, "logGroupName": "/app", "filterPattern": "ERROR", "applyOnTransformedLogs": true,
            "fieldSelectionCriteria": "@aws.region = \"r\"", "emitSystemFieldDimensions": ["@aws.region"],
            "metricTransformations": [{"metricNamespace": "Web", "metricName": "Errors", "metricValue": "1"}],
        })
    }

    fn page(names: &[&str]) -> String {
        json!({"metricFilters": names.iter().map(|n| filter(n)).collect::<Vec<_>>()}).to_string()
    }

    fn script(names: &[&str]) -> Script {
        Script::default()
            .answer("DescribeMetricFilters", 200, &page(names))
            .answer("PutMetricFilter", 200, "{}")
            .answer("DeleteMetricFilter", 200, "{}")
    }

    fn spec() -> Value {
        json!({"log_group": {"id": "/app"}, "pattern": "ERROR", "metric": {"namespace": "Web", "name": "Errors",
            "value": "1"}})
    }

    #[test]
    fn a_name_says_whose_a_filter_is_and_keeps_its_end() {
        for address in ["s/it", "watch/a.b:エラー 数"] {
            for protected in [false, true] {
                let owner = Owner { address: Address::parse(address).unwrap(), protected, ..script::owner() };
                let name = name(&owner.tags(), "p-e-s-it");
                assert!(name.is_ascii() && !name.contains([':', '*']) && name.ends_with("/p-e-s-it"), "{name}");
                assert_eq!(owner_of(&name), Some((owner, "p-e-s-it".to_owned())), "{name}");
            }
        }
        for other in ["errors", "saiken/p", "saiken/p/e/x/s%2Fit/k", "saiken/p/e/1/it/k", "other/p/e/1/s%2Fit/k"] {
            assert_eq!((owner_of(other), key_of(other)), (None, other.to_owned()));
        }
    }

    #[test]
    fn what_the_api_would_refuse_is_refused_before() {
        let problems = |change: Value| {
            let mut all = spec();
            for (field, value) in change.as_object().unwrap() {
                match field.strip_prefix("metric.") {
                    Some(field) => all["metric"][field] = value.clone(),
                    None => all[field] = value.clone(),
                }
            }
            let mut problems = Problems::default();
            MetricFilter::validate(&serde_json::from_value(all).unwrap(), &mut problems);
            problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
        };
        assert!(problems(json!({"metric.default": 0.0})).is_empty());
        assert_eq!(problems(json!({"metric.default": 0.0, "metric.dimensions": {"a": "$.a"}})), ["metric.default"]);
        let three = json!({"a": "$.a", "b": "$.b", "c": "$.c"});
        assert_eq!(
            problems(json!({"metric.dimensions": three, "system_fields": ["@aws.region"]})),
            ["metric.dimensions"]
        );
        assert_eq!(problems(json!({"system_fields": ["@aws.zone"]})), ["system_fields.0"]);
        assert_eq!(problems(json!({"metric.name": "a:b", "metric.unit": "count"})), ["metric.name", "metric.unit"]);
    }

    #[tokio::test]
    async fn filters_of_others_are_left_alone() {
        let script = script(&["errors", "saiken/other/e/1/s%2Fit/a", "saiken/p/e/1/s%2Fit/p-e-s-it"]);
        let found = script.read::<MetricFilter>().await.unwrap();
        assert_eq!(found.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), ["/app:p-e-s-it"]);
        let object = &found[0];
        assert_eq!(object.owner, Some(script::owner()));
        assert_eq!(object.spec["system_fields"], json!(["@aws.region"]));
    }

    #[tokio::test]
    async fn a_name_that_somebody_else_has_in_the_group_is_a_conflict_and_our_own_is_written_again() {
        for other in ["p-e-s-it", "saiken/other/e/1/s%2Fit/p-e-s-it"] {
            let script = script(&[other]);
            assert_eq!(script.create::<MetricFilter>(spec()).await.unwrap_err().class, ErrorClass::Conflict);
            assert!(script.asked("PutMetricFilter").is_empty());
        }
        let script = Script::default()
            .answer("DescribeMetricFilters", 200, &page(&["saiken/p/e/1/s%2Fit/p-e-s-it"]))
            .lost("PutMetricFilter")
            .answer("PutMetricFilter", 200, "{}");
        assert_eq!(script.create::<MetricFilter>(spec()).await.unwrap().id, "/app:p-e-s-it");
        let asked = script.asked("PutMetricFilter");
        assert!(asked.len() == 2 && asked[0] == asked[1] && asked[0].contains("saiken/p/e/1/s%2Fit/p-e-s-it"));
    }

    #[tokio::test]
    async fn a_filter_that_gets_another_owner_is_written_again_under_its_new_name_with_all_that_it_has() {
        let object = script::object::<MetricFilter>("/app:errors", spec());
        let script = script(&["errors"]);
        let owner = Some(Owner { protected: true, ..script::owner() });
        let request = OwnRequest { object: Object { owner: None, ..object.clone() }, owner };
        Typed::<MetricFilter>::default().own(&script.context(), &request).await.unwrap();
        assert_eq!(script.operations(), ["DescribeMetricFilters", "DeleteMetricFilter", "PutMetricFilter"]);
        let asked = script.asked("PutMetricFilter").join("");
        for part in ["saiken/p/e/1/s%2Fit/protected/errors", "\"applyOnTransformedLogs\":true", "@aws.region", "Errors"]
        {
            assert!(asked.contains(part), "{part}: {asked}");
        }
        // Let go, it has its own name again, so that no later run takes it for ours.
        let script = self::script(&["saiken/p/e/1/s%2Fit/errors"]);
        let request = OwnRequest { object, owner: None };
        Typed::<MetricFilter>::default().own(&script.context(), &request).await.unwrap();
        assert!(script.asked("PutMetricFilter").join("").contains("\"filterName\":\"errors\""));
    }

    #[tokio::test]
    async fn an_update_keeps_the_name_and_what_is_not_declared() {
        let script = script(&["saiken/p/e/1/s%2Fit/protected/p-e-s-it"]);
        let mut other = spec();
        other["pattern"] = json!("FATAL");
        script.update::<MetricFilter>("/app:p-e-s-it", spec(), other).await.unwrap();
        let asked = script.asked("PutMetricFilter").join("");
        for part in ["protected/p-e-s-it", "FATAL", "\"applyOnTransformedLogs\":true", "emitSystemFieldDimensions"] {
            assert!(asked.contains(part), "{part}: {asked}");
        }
    }
}
