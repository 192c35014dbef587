//! Alarms and dashboards. What its kinds share: tags, and alarms by name.

pub mod actions;
pub mod alarm;
pub mod alarm_metrics;
pub mod composite_alarm;
pub mod dashboard;

use std::collections::BTreeMap;

use aws_sdk_cloudwatch::types::{AlarmType, CompositeAlarm, MetricAlarm, Tag};

use super::client::Context;
use super::kind::{Create, Selection, Tags};
use super::tagging;
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::observed::Object;
use crate::model::ownership::{self, Owner};

/// Calls for the tags of single objects under way at once.
const AT_ONCE: usize = 8;
/// Names that the API takes in one call
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html>).
const NAMES: usize = 100;

fn to_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(k, v)| Tag::builder().key(k).value(v).build()).collect()
}

/// Tags of an object; none if it is gone.
async fn tags(cx: &Context, arn: &str) -> Result<Option<Tags>, ApiError> {
    let request = cx.clients.cloudwatch.list_tags_for_resource().resource_arn(arn);
    match cx.call("cloudwatch:ListTagsForResource", request.send()).await {
        Ok(answer) => {
            let all = answer.tags().iter().filter_map(|t| Some((t.key()?.to_owned(), t.value()?.to_owned())));
            Ok(Some(all.collect()))
        }
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
    let cloudwatch = &cx.clients.cloudwatch;
    let arn = object.attributes.get("arn").and_then(|a| a.as_str()).unwrap_or_default();
    if !set.is_empty() {
        let request = cloudwatch.tag_resource().resource_arn(arn).set_tags(Some(to_tags(set)));
        cx.call("cloudwatch:TagResource", request.send()).await?;
    }
    if !remove.is_empty() {
        let request = cloudwatch.untag_resource().resource_arn(arn).set_tag_keys(Some(remove.to_vec()));
        cx.call("cloudwatch:UntagResource", request.send()).await?;
    }
    Ok(())
}

/// Alarms of both sorts.
#[derive(Debug, Default)]
struct Alarms {
    metric: Vec<MetricAlarm>,
    composite: Vec<CompositeAlarm>,
}

/// What to look for.
enum Which<'a> {
    Prefix(&'a str),
    Names(&'a [String]),
}

/// Alarms of these sorts. The API takes up to 100 names a call, and gives pages of 100.
async fn alarms(cx: &Context, which: Which<'_>, sorts: &[AlarmType]) -> Result<Alarms, ApiError> {
    let base = || cx.clients.cloudwatch.describe_alarms().set_alarm_types(Some(sorts.to_vec())).max_records(100);
    let requests = match which {
        Which::Prefix(prefix) => vec![base().alarm_name_prefix(prefix)],
        Which::Names(names) => names.chunks(NAMES).map(|n| base().set_alarm_names(Some(n.to_vec()))).collect(),
    };
    let mut all = Alarms::default();
    for request in requests {
        for page in cx.pages("cloudwatch:DescribeAlarms", request.into_paginator().send()).await? {
            all.metric.extend(page.metric_alarms.unwrap_or_default());
            all.composite.extend(page.composite_alarms.unwrap_or_default());
        }
    }
    Ok(all)
}

/// The name in an alarm's ARN; a name is one already. Names may hold colons.
fn alarm_name(id: &str) -> &str {
    id.split_once(":alarm:").filter(|_| id.starts_with("arn:")).map_or(id, |(_, name)| name)
}

/// Alarms of one sort that are selected by tags: by the names that saiken gives, and by the index of tags, which knows
/// those with other names. Gives all candidates, and the tags that the index knows, by ARN.
async fn candidates(
    cx: &Context,
    selection: &Selection<'_>,
    sort: AlarmType,
) -> Result<(Alarms, BTreeMap<String, Tags>), ApiError> {
    let sorts = [sort];
    let prefix = match selection {
        Selection::Owned { project, environment } => Some(ownership::name_prefix(project, environment)),
        Selection::Tagged(_) | Selection::Ids(_) => None,
    };
    let named = async {
        match &prefix {
            Some(prefix) => alarms(cx, Which::Prefix(prefix), &sorts).await,
            None => Ok(Alarms::default()),
        }
    };
    let (mut all, index) = futures::try_join!(named, tagging::of_service(cx, "cloudwatch:alarm", selection))?;
    let known = |name: &str| {
        all.metric.iter().any(|a| a.alarm_name() == Some(name))
            || all.composite.iter().any(|a| a.alarm_name() == Some(name))
    };
    // The index knows alarms of the other sort, too.
    let new = |name: &str| !known(name) && !prefix.as_ref().is_some_and(|prefix| name.starts_with(prefix));
    let others: Vec<String> =
        index.keys().map(|arn| alarm_name(arn)).filter(|name| new(name)).map(str::to_owned).collect();
    if !others.is_empty() {
        let more = alarms(cx, Which::Names(&others), &sorts).await?;
        all.metric.extend(more.metric);
        all.composite.extend(more.composite);
    }
    Ok((all, index))
}

/// Writing an alarm or a dashboard would overwrite one of the same name: what is there and is not ours is left alone.
///
/// # Errors
/// `Conflict` if it is not ours.
async fn refuse_foreign<S>(
    cx: &Context,
    want: &Create<'_, S>,
    operation: &str,
    there: Option<&str>,
) -> Result<(), ApiError> {
    let Some(arn) = there else { return Ok(()) };
    let whose = |tags: &Tags| Owner::from_tags(tags).map(|o| (o.project, o.environment, o.address, o.generation));
    match tags(cx, arn).await? {
        Some(there) if whose(&there) != whose(want.tags) => {
            let message = format!("'{arn}' is there already, and it is not ours");
            Err(ApiError::new(operation, ErrorClass::Conflict, message))
        }
        _ => Ok(()),
    }
}

/// The ARN of the alarm of this name, of whichever sort: they share their names.
async fn arn_of_name(cx: &Context, name: &str) -> Result<Option<String>, ApiError> {
    let names = [name.to_owned()];
    let there = alarms(cx, Which::Names(&names), &[AlarmType::MetricAlarm, AlarmType::CompositeAlarm]).await?;
    let metric = there.metric.into_iter().filter_map(|a| a.alarm_arn);
    Ok(metric.chain(there.composite.into_iter().filter_map(|a| a.alarm_arn)).next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_colons_is_taken_out_of_an_arn_whole() {
        assert_eq!(alarm_name("arn:aws:cloudwatch:r:1:alarm:web: 5xx"), "web: 5xx");
        assert_eq!(alarm_name("a:alarm:b"), "a:alarm:b");
    }
}
