//! `alarm`: watches a metric, or an expression over several, and tells when it passes a threshold.
//!
//! Its name is its id, and all that makes a new alarm necessary. One call writes an alarm whole, whether it is there or
//! not: before a creation it is looked at, and an alarm of that name which is not ours is left alone. An update writes
//! again what is not declared as it is there. A call whose answer is lost can be made again: it writes the same. Tags
//! count in the first call only.
//!
//! The list shows no tags. A prefix finds those with names that saiken gives, new ones too; the index of tags tells
//! those with names of their own, and the tags of most.
//! API: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_cloudwatch::types::{AlarmType, ComparisonOperator, MetricAlarm};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::actions::Actions;
use super::alarm_metrics::{Metric, Query, dimensions};
use super::{AT_ONCE, Which, alarm_name, alarms, arn_of_name, candidates, refuse_foreign, retag, tags, to_tags};
use crate::model::cloud::ApiError;
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::Owner;
use crate::model::preflight::View;
use crate::model::value::is_unknown_text;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs};
use crate::providers::aws::words::words;

const HOUR: u64 = 3_600;
const DAY: u64 = 86_400;
const WEEK: u64 = 7 * DAY;
/// The function of a band around what is expected.
const BAND: &str = "ANOMALY_DETECTION_BAND";

/// The kind `alarm`.
pub struct Alarm;

/// Watches a metric, and tells when it passes a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, 255 characters at most, also Japanese ones; derived from the address if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// What it means and what to do; 1,024 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// The statistic of a metric that it looks at. This, or `metrics`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
    /// Queries by their ids (a small letter, then letters, digits and `_`), one of which it looks at; or a metric with
    /// the band of what is expected of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<BTreeMap<String, Query>>,
    /// How the value is compared.
    pub comparison: Comparison,
    /// What it is compared with. This, or `threshold_metric`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold: Option<f64>,
    /// Id of the query that is the band of what is expected (`ANOMALY_DETECTION_BAND(m1, 2)`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threshold_metric: Option<String>,
    /// How many of the last periods are looked at; a day altogether at most, a week if a period has an hour or more.
    #[schemars(range(min = 1))]
    pub evaluation_periods: u32,
    /// In how many of them the threshold must be passed; in all by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub datapoints_to_alarm: Option<u32>,
    /// What periods without values count as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_data: Option<MissingData>,
    /// With a percentile: whether it counts when there are too few values for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low_samples: Option<LowSamples>,
    /// What is done when the threshold is passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_alarm: Option<Actions>,
    /// What is done when it is well again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_ok: Option<Actions>,
    /// What is done when nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_insufficient_data: Option<Actions>,
    /// Whether anything is done at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions_enabled: Option<bool>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

words! {
    /// How a value is compared with the threshold, or with a band.
    Comparison {
        /// At least the threshold.
        AtLeast = "GreaterThanOrEqualToThreshold",
        /// More than the threshold.
        Above = "GreaterThanThreshold",
        /// Less than the threshold.
        Below = "LessThanThreshold",
        /// At most the threshold.
        AtMost = "LessThanOrEqualToThreshold",
        /// Outside of the band.
        OutsideBand = "LessThanLowerOrGreaterThanUpperThreshold",
        /// Below the band.
        BelowBand = "LessThanLowerThreshold",
        /// Above the band.
        AboveBand = "GreaterThanUpperThreshold",
    }
}

words! {
    /// What a period without values counts as.
    MissingData {
        /// As nothing: if all are missing, nobody knows.
        Missing = "missing",
        /// The state stays.
        Ignore = "ignore",
        /// As bad.
        Breaching = "breaching",
        /// As good.
        NotBreaching = "notBreaching",
    }
}

words! {
    /// What a percentile of too few values counts as.
    LowSamples {
        /// As any other.
        Evaluate = "evaluate",
        /// The state stays.
        Ignore = "ignore",
    }
}

impl Comparison {
    fn with_band(self) -> bool {
        match self {
            Self::OutsideBand | Self::BelowBand | Self::AboveBand => true,
            Self::AtLeast | Self::Above | Self::Below | Self::AtMost => false,
        }
    }
}

impl Kind for Alarm {
    const NAME: &'static str = "alarm";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "alarm on a metric",
            service: "cloudwatch",
            reference: "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "Its name"),
                    Attribute::stable("name", "Name"),
                    Attribute::stable("arn", "ARN"),
                ]
            },
            permissions: Permissions {
                read: &["cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource", "tag:GetResources"],
                create: &["cloudwatch:PutMetricAlarm", "cloudwatch:TagResource"],
                update: &["cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:UntagResource"],
                delete: &["cloudwatch:DeleteAlarms"],
            },
            name_limit: 255,
            creation_seconds: 1,
            deletion_seconds: 1,
            quota: 5_000,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if spec.metric.is_some() == spec.metrics.is_some() {
            problems.add(
                "metric",
                "an alarm looks at one metric, or at an expression over several",
                "give `metric` or `metrics`",
            );
        }
        if let Some(metric) = &spec.metric {
            metric.check("metric", problems);
        }
        check_metrics(spec, problems);
        check_threshold(spec, problems);
        check_time(spec, problems);
        if let Some(metric) = spec.metric.as_ref().filter(|m| m.statistics().0.is_some())
            && spec.low_samples.is_some()
        {
            let message = format!("{} is no percentile", metric.statistic);
            problems.add("low_samples", message, "leave it out, or take a percentile such as p99");
        }
        for (path, actions) in
            [("on_alarm", &spec.on_alarm), ("on_ok", &spec.on_ok), ("on_insufficient_data", &spec.on_insufficient_data)]
        {
            Actions::check(actions.as_ref(), path, problems);
        }
    }
}

fn check_metrics(spec: &Spec, problems: &mut Problems) {
    let Some(metrics) = &spec.metrics else { return };
    for (id, query) in metrics {
        query.check(&format!("metrics.{id}"), problems);
        let letters = id.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !letters || !id.starts_with(|c: char| c.is_ascii_lowercase()) {
            let message = format!("`{id}` can't be the id of a query");
            problems.add(format!("metrics.{id}"), message, "begin with a small letter; then letters, digits and `_`");
        }
    }
    let returning = metrics.values().filter(|q| q.returns).count();
    let wanted = if spec.threshold_metric.is_some() { 2 } else { 1 };
    if returning != wanted {
        let message = format!("{returning} queries have `returns: true`, and {wanted} must");
        problems.add(
            "metrics",
            message,
            "set it at what the alarm looks at; with a band, at the metric and at the band",
        );
    }
}

fn check_threshold(spec: &Spec, problems: &mut Problems) {
    match (&spec.threshold, &spec.threshold_metric) {
        (None, None) | (Some(_), Some(_)) => {
            let message = "the value is compared with a number, or with a band";
            problems.add("threshold", message, "give `threshold` or `threshold_metric`");
        }
        (None, Some(id)) => {
            let query = spec.metrics.as_ref().and_then(|m| m.get(id));
            let expression = query.and_then(|q| q.expression.as_deref());
            if !is_unknown_text(id) && !expression.is_some_and(|e| e.contains(BAND) || is_unknown_text(e)) {
                let message = format!("`{id}` is no query with the function {BAND}");
                problems.add("threshold_metric", message, "name the query in `metrics` that is the band");
            }
        }
        (Some(_), None) => {}
    }
    if spec.comparison.with_band() != spec.threshold_metric.is_some() {
        let message = "a band is compared by outside_band, below_band or above_band, and nothing else is";
        problems.add("comparison", message, "take another comparison");
    }
}

fn check_time(spec: &Spec, problems: &mut Problems) {
    if spec.datapoints_to_alarm.is_some_and(|n| n > spec.evaluation_periods) {
        let message = format!("only {} periods are looked at", spec.evaluation_periods);
        problems.add("datapoints_to_alarm", message, "lower it, or raise `evaluation_periods`");
    }
    let metrics = spec.metrics.iter().flat_map(BTreeMap::values);
    let periods = metrics.flat_map(|q| q.period.iter().chain(q.metric.as_ref().map(|m| &m.period)));
    let longest = periods.chain(spec.metric.as_ref().map(|m| &m.period)).map(|p| p.seconds()).max().unwrap_or(0);
    let (limit, words) = if longest < HOUR { (DAY, "a day") } else { (WEEK, "a week") };
    if longest * u64::from(spec.evaluation_periods) > limit {
        let message = format!("{} periods of {longest} s are more than {words}", spec.evaluation_periods);
        problems.add(
            "evaluation_periods",
            message,
            "lower it; with periods of an hour or more, a week can be looked at",
        );
    }
}

#[async_trait]
impl Checked for Alarm {
    fn needs() -> Needs {
        Needs { resource: "alarm:{name}", only_for: &[] }
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        view.own_name().map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        holders(cx, names).await
    }
}

/// Who has names of alarms, of both sorts.
pub(super) async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
    let texts: Vec<String> = names.iter().map(|n| n.name.clone()).collect();
    let there = alarms(cx, Which::Names(&texts), &[AlarmType::MetricAlarm, AlarmType::CompositeAlarm]).await?;
    let metric = there.metric.into_iter().filter_map(|a| Some((a.alarm_name?, a.alarm_arn?)));
    let composite = there.composite.into_iter().filter_map(|a| Some((a.alarm_name?, a.alarm_arn?)));
    let mut holders = Vec::new();
    for (name, arn) in metric.chain(composite) {
        let owner = tags(cx, &arn).await?.as_ref().and_then(Owner::from_tags);
        holders.push(Holder { name: Name::new(name.clone()), id: name, owner });
    }
    Ok(holders)
}

#[async_trait]
impl AwsKind for Alarm {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let (all, mut index) = match &read.selection {
            Selection::Ids(ids) => {
                let names: Vec<String> = ids.iter().map(|id| alarm_name(id).to_owned()).collect();
                (alarms(cx, Which::Names(&names), &[AlarmType::MetricAlarm]).await?, BTreeMap::new())
            }
            Selection::Owned { .. } | Selection::Tagged(_) => {
                candidates(cx, &read.selection, AlarmType::MetricAlarm).await?
            }
        };
        let each = all.metric.into_iter().map(|alarm| {
            let known = index.remove(alarm.alarm_arn().unwrap_or_default());
            with_tags(cx, read, alarm, known)
        });
        let found: Vec<Option<Found<Spec>>> = stream::iter(each).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let name = want.spec.name.as_deref().unwrap_or(want.name);
        let there = arn_of_name(cx, name).await?;
        refuse_foreign(cx, want, "cloudwatch:PutMetricAlarm", there.as_deref()).await?;
        put(cx, want, name, None).await?;
        Ok(name.to_owned())
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let names = [update.id.to_owned()];
        let there = alarms(cx, Which::Names(&names), &[AlarmType::MetricAlarm]).await?.metric.into_iter().next();
        put(cx, &update.want, update.id, there.as_ref()).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.clients.cloudwatch.delete_alarms().alarm_names(delete.id);
        cx.call("cloudwatch:DeleteAlarms", request.send()).await.map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

/// Writes an alarm whole; what is not declared is as it is there.
async fn put(cx: &Context, want: &Create<'_, Spec>, name: &str, there: Option<&MetricAlarm>) -> Result<(), ApiError> {
    let spec = want.spec;
    let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
    let old = |actions: fn(&MetricAlarm) -> &[String]| there.map(actions).unwrap_or_default();
    let text = |declared: Option<&'static str>, field: fn(&MetricAlarm) -> Option<&str>| {
        declared.or(there.and_then(field)).map(str::to_owned)
    };
    let points = spec.datapoints_to_alarm.map(number);
    let kept = there.and_then(MetricAlarm::datapoints_to_alarm).map(|n| n.min(number(spec.evaluation_periods)));
    let mut request = cx
        .clients
        .cloudwatch
        .put_metric_alarm()
        .alarm_name(name)
        .set_alarm_description(
            spec.description.as_deref().or(there.and_then(MetricAlarm::alarm_description)).map(str::to_owned),
        )
        .set_actions_enabled(spec.actions_enabled.or(there.and_then(MetricAlarm::actions_enabled)))
        .set_alarm_actions(Some(Actions::wanted(spec.on_alarm.as_ref(), want, old(MetricAlarm::alarm_actions))?))
        .set_ok_actions(Some(Actions::wanted(spec.on_ok.as_ref(), want, old(MetricAlarm::ok_actions))?))
        .set_insufficient_data_actions(Some(Actions::wanted(
            spec.on_insufficient_data.as_ref(),
            want,
            old(MetricAlarm::insufficient_data_actions),
        )?))
        .comparison_operator(ComparisonOperator::from(spec.comparison.api()))
        .set_threshold(spec.threshold)
        .set_threshold_metric_id(spec.threshold_metric.clone())
        .evaluation_periods(number(spec.evaluation_periods))
        .set_datapoints_to_alarm(points.or(kept))
        .set_treat_missing_data(text(spec.missing_data.map(MissingData::api), MetricAlarm::treat_missing_data))
        .set_evaluation_window(there.and_then(|a| a.evaluation_window.clone()))
        .set_warm_up_configuration(there.and_then(|a| a.warm_up_configuration.clone()))
        .set_action_configuration(there.and_then(|a| a.action_configuration.clone()));
    if let Some(metric) = &spec.metric {
        let (statistic, extended) = metric.statistics();
        // It is about percentiles, and the API refuses it with anything else.
        let low = text(spec.low_samples.map(LowSamples::api), MetricAlarm::evaluate_low_sample_count_percentile);
        request = request
            .namespace(&metric.namespace)
            .metric_name(&metric.name)
            .set_dimensions(Some(dimensions(&metric.dimensions)))
            .set_evaluate_low_sample_count_percentile(low.filter(|_| extended.is_some()))
            .set_statistic(statistic)
            .set_extended_statistic(extended)
            .set_period(metric.seconds())
            .set_unit(metric.unit());
    }
    if let Some(metrics) = &spec.metrics {
        let low = spec.low_samples.map(|low| low.api().to_owned());
        request = request
            .set_metrics(Some(metrics.iter().map(|(id, query)| query.to_api(id)).collect()))
            .set_evaluate_low_sample_count_percentile(low);
    }
    if there.is_none() {
        request = request.set_tags(Some(to_tags(want.tags)));
    }
    cx.call("cloudwatch:PutMetricAlarm", request.send()).await.map(drop)
}

/// An alarm with its tags; none if it is not selected, or was deleted since the page was read.
async fn with_tags(
    cx: &Context,
    read: &Read<'_>,
    alarm: MetricAlarm,
    known: Option<Tags>,
) -> Result<Option<Found<Spec>>, ApiError> {
    let known = match known {
        Some(tags) => tags,
        None => match tags(cx, alarm.alarm_arn().unwrap_or_default()).await? {
            Some(tags) => tags,
            None => return Ok(None),
        },
    };
    let named = matches!(read.selection, Selection::Ids(_));
    let wanted = named || read.selection.matches(alarm.alarm_name().unwrap_or_default(), &known);
    Ok(wanted.then(|| found(&alarm, known)))
}

fn found(alarm: &MetricAlarm, tags: Tags) -> Found<Spec> {
    let name = alarm.alarm_name().unwrap_or_default().to_owned();
    let arn = alarm.alarm_arn().unwrap_or_default().to_owned();
    let number = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok());
    let periods = number(alarm.evaluation_periods()).unwrap_or(1);
    let queries = alarm.metrics();
    // One that is new to us belongs to alarms without a metric, which differ anyhow.
    let comparison = alarm.comparison_operator().and_then(|c| Comparison::from_api(c.as_str()));
    Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([("id", json!(name)), ("name", json!(name)), ("arn", json!(arn))]),
        spec: Spec {
            name: Some(name.clone()),
            description: Some(alarm.alarm_description().unwrap_or_default().to_owned()),
            metric: Metric::observed(alarm).filter(|_| queries.is_empty()),
            metrics: (!queries.is_empty()).then(|| Query::observed(queries)),
            comparison: comparison.unwrap_or(Comparison::AtLeast),
            threshold: alarm.threshold().filter(|_| alarm.threshold_metric_id().is_none()),
            threshold_metric: alarm.threshold_metric_id().map(str::to_owned),
            evaluation_periods: periods,
            datapoints_to_alarm: Some(number(alarm.datapoints_to_alarm()).unwrap_or(periods)),
            missing_data: alarm.treat_missing_data().map_or(Some(MissingData::Missing), MissingData::from_api),
            low_samples: alarm
                .evaluate_low_sample_count_percentile()
                .map_or(Some(LowSamples::Evaluate), LowSamples::from_api),
            on_alarm: Actions::observed(alarm.alarm_actions()),
            on_ok: Actions::observed(alarm.ok_actions()),
            on_insufficient_data: Actions::observed(alarm.insufficient_data_actions()),
            actions_enabled: Some(alarm.actions_enabled().unwrap_or(true)),
            tags: None,
        },
        status: Status::Ready,
        tags,
        unread: Vec::new(),
        id: name,
    }
}

#[cfg(test)]
mod tests;
