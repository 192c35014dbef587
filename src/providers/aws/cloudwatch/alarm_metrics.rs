//! What an alarm looks at: a metric, or expressions over several.

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{Dimension, Metric as ApiMetric, MetricDataQuery, MetricStat, StandardUnit, Statistic};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::kind::Problems;
use crate::model::types::Duration;
use crate::model::value::is_unknown_text;

/// Statistics that have a field of their own in the API.
const PLAIN: [&str; 5] = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"];
/// What the others begin with: percentiles, trimmed means and the like.
const EXTENDED: [&str; 11] = ["p", "tm", "tc", "ts", "wm", "PR", "TM", "TC", "TS", "WM", "IQM"];

/// A statistic of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Namespace: `AWS/EC2`.
    #[schemars(length(min = 1, max = 255))]
    pub namespace: String,
    /// Name: `CPUUtilization`.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// Dimensions, 30 at most; without them, the metric that has none.
    #[serde(default)]
    pub dimensions: BTreeMap<String, String>,
    /// `SampleCount`, `Average`, `Sum`, `Minimum`, `Maximum`, `IQM`, a percentile (`p99.9`), or a range such as `tm99`,
    /// `PR(0:100)`.
    pub statistic: String,
    /// Length of a period: 10s, 20s, 30s, or a multiple of 1m.
    pub period: Duration,
    /// Only values with this unit, in the API's word (`Percent`, `Bytes/Second`); any if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null))]
    pub unit: Option<String>,
}

/// A query of an alarm over expressions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Query {
    /// An expression over other queries, by their ids, or over metrics (`SELECT …`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub expression: Option<String>,
    /// A statistic of a metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
    /// Its label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Whether it is what the alarm looks at: one query, or with an anomaly band, both.
    #[serde(default)]
    pub returns: bool,
    /// With an expression over metrics (`SELECT …`): length of a period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Duration>,
    /// Account that has the metric, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

fn seconds(period: &Duration) -> Option<i32> {
    i32::try_from(period.seconds()).ok()
}

fn period(seconds: Option<i32>) -> Duration {
    Duration::from_seconds(seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or(0))
}

/// Dimensions in the API's form.
pub(super) fn dimensions(all: &BTreeMap<String, String>) -> Vec<Dimension> {
    all.iter().map(|(name, value)| Dimension::builder().name(name).value(value).build()).collect()
}

fn from_dimensions(all: &[Dimension]) -> BTreeMap<String, String> {
    all.iter().filter_map(|d| Some((d.name()?.to_owned(), d.value()?.to_owned()))).collect()
}

impl Metric {
    /// The statistic, if it has a field of its own; else the extended one.
    pub(super) fn statistics(&self) -> (Option<Statistic>, Option<String>) {
        if PLAIN.contains(&self.statistic.as_str()) {
            (Some(Statistic::from(self.statistic.as_str())), None)
        } else {
            (None, Some(self.statistic.clone()))
        }
    }

    /// The period in seconds.
    pub(super) fn seconds(&self) -> Option<i32> {
        seconds(&self.period)
    }

    /// The unit in the API's form.
    pub(super) fn unit(&self) -> Option<StandardUnit> {
        self.unit.as_deref().map(StandardUnit::from)
    }

    /// From the fields of an alarm.
    pub(super) fn observed(alarm: &aws_sdk_cloudwatch::types::MetricAlarm) -> Option<Self> {
        let plain = alarm.statistic().map(|s| s.as_str().to_owned());
        Some(Self {
            namespace: alarm.namespace()?.to_owned(),
            name: alarm.metric_name()?.to_owned(),
            dimensions: from_dimensions(alarm.dimensions()),
            statistic: alarm.extended_statistic().map(str::to_owned).or(plain).unwrap_or_default(),
            period: period(alarm.period()),
            unit: alarm.unit().map(|u| u.as_str().to_owned()),
        })
    }

    fn from_stat(stat: &MetricStat) -> Option<Self> {
        let metric = stat.metric()?;
        Some(Self {
            namespace: metric.namespace().unwrap_or_default().to_owned(),
            name: metric.metric_name().unwrap_or_default().to_owned(),
            dimensions: from_dimensions(metric.dimensions()),
            statistic: stat.stat().unwrap_or_default().to_owned(),
            period: period(stat.period()),
            unit: stat.unit().map(|u| u.as_str().to_owned()),
        })
    }

    fn to_stat(&self) -> MetricStat {
        let metric = ApiMetric::builder()
            .namespace(&self.namespace)
            .metric_name(&self.name)
            .set_dimensions(Some(dimensions(&self.dimensions)))
            .build();
        MetricStat::builder()
            .metric(metric)
            .set_period(self.seconds())
            .stat(&self.statistic)
            .set_unit(self.unit())
            .build()
    }

    /// Rules over its fields.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        check_period(&self.period, &format!("{path}.period"), problems);
        let statistic = self.statistic.as_str();
        let extended = EXTENDED.iter().any(|start| {
            let rest = statistic.strip_prefix(start);
            rest.is_some_and(|r| {
                if *start == "IQM" { r.is_empty() } else { r.starts_with(|c: char| "(.0123456789".contains(c)) }
            })
        });
        if !is_unknown_text(statistic) && !PLAIN.contains(&statistic) && !extended {
            let message = format!("`{statistic}` is no statistic");
            problems.add(format!("{path}.statistic"), message, "write Average, Sum or p99, for one");
        }
        if let Some(unit) = self.unit.as_deref().filter(|u| !is_unknown_text(u) && !StandardUnit::values().contains(u))
        {
            let message = format!("`{unit}` is no unit");
            problems.add(
                format!("{path}.unit"),
                message,
                format!("write one of {}", StandardUnit::values().join(", ")),
            );
        }
        if self.dimensions.len() > 30 {
            problems.add(format!("{path}.dimensions"), "a metric has 30 dimensions at most", "");
        }
    }
}

impl Query {
    /// All queries by their ids.
    pub(super) fn observed(all: &[MetricDataQuery]) -> BTreeMap<String, Self> {
        let one = |query: &MetricDataQuery| Self {
            expression: query.expression().map(str::to_owned),
            metric: query.metric_stat().and_then(Metric::from_stat),
            label: query.label().map(str::to_owned),
            // What is left out counts as asked for.
            returns: query.return_data().unwrap_or(true),
            period: query.period().map(|s| period(Some(s))),
            account: query.account_id().map(str::to_owned),
        };
        all.iter().filter_map(|q| Some((q.id()?.to_owned(), one(q)))).collect()
    }

    /// In the API's form.
    pub(super) fn to_api(&self, id: &str) -> MetricDataQuery {
        MetricDataQuery::builder()
            .id(id)
            .set_expression(self.expression.clone())
            .set_metric_stat(self.metric.as_ref().map(Metric::to_stat))
            .set_label(self.label.clone())
            .return_data(self.returns)
            .set_period(self.period.as_ref().and_then(seconds))
            .set_account_id(self.account.clone())
            .build()
    }

    /// Rules over its fields.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        if self.expression.is_some() == self.metric.is_some() {
            problems.add(path, "a query is an expression or a statistic of a metric", "give `expression` or `metric`");
        }
        if let Some(metric) = &self.metric {
            metric.check(&format!("{path}.metric"), problems);
        }
        if let Some(period) = &self.period {
            check_period(period, &format!("{path}.period"), problems);
            if self.metric.is_some() {
                problems.add(format!("{path}.period"), "the metric has its own period", "leave `period` out");
            }
        }
    }
}

/// Whether the API takes a period.
fn check_period(period: &Duration, path: &str, problems: &mut Problems) {
    let seconds = period.seconds();
    let minutes = seconds > 0 && seconds.is_multiple_of(60);
    if !(is_unknown_text(period.as_str()) || [10, 20, 30].contains(&seconds) || minutes) {
        problems.add(path, format!("a period can't be `{period}`"), "take 10s, 20s, 30s or a multiple of 1m");
    }
}
