//! `dashboard`: graphs and texts on one page.
//!
//! Dashboards belong to the whole account: each region shows the same ones. The name is the id, and all that makes a
//! new one necessary. One call writes a dashboard whole, whether it is there or not: before a creation it is looked at,
//! and one of that name which is not ours is left alone. A call whose answer is lost can be made again: it writes the
//! same. Tags count in the first call only.
//!
//! The list shows no tags. A prefix finds those with names that saiken gives, new ones too; the index of tags tells
//! those with names of their own (nobody documents in which region it keeps those of dashboards: both that may are
//! asked). The body costs a call a dashboard.
//! API: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{AT_ONCE, refuse_foreign, retag, tags, to_tags};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::{self, Owner};
use crate::model::preflight::View;
use crate::providers::aws::client::{Context, identity_region};
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::json::Json;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs};
use crate::providers::aws::tagging;

/// The kind `dashboard`.
pub struct Dashboard;

/// Graphs and texts on one page.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, 255 letters, digits, `-` and `_` at most; derived from the address if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z0-9_-]+$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// Its widgets, as a mapping or as JSON text
    /// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html>);
    /// compared by value. Members that are null count as left out.
    #[schemars(extend("x-deep" = true, "x-text" = "json"))]
    pub body: Json,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Kind for Dashboard {
    const NAME: &'static str = "dashboard";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "dashboard",
            service: "cloudwatch",
            reference: "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html",
            scope: Scope::Global,
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
                read: &[
                    "cloudwatch:ListDashboards",
                    "cloudwatch:GetDashboard",
                    "cloudwatch:ListTagsForResource",
                    "tag:GetResources",
                ],
                create: &["cloudwatch:PutDashboard", "cloudwatch:TagResource"],
                update: &["cloudwatch:PutDashboard", "cloudwatch:TagResource", "cloudwatch:UntagResource"],
                delete: &["cloudwatch:DeleteDashboards"],
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
        let body = spec.body.value();
        if body.is_object() && !body.get("widgets").is_some_and(serde_json::Value::is_array) {
            problems.add("body", "a dashboard is a list of `widgets`", "give it, if need be an empty one");
        }
    }
}

#[async_trait]
impl Checked for Dashboard {
    fn needs() -> Needs {
        Needs { resource: "dashboard/{name}", only_for: &[] }
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        view.own_name().map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let mut holders = Vec::new();
        for (name, arn) in list(cx, None).await? {
            let name = Name::new(name);
            if names.contains(&name) {
                let owner = tags(cx, &arn).await?.as_ref().and_then(Owner::from_tags);
                holders.push(Holder { id: name.name.clone(), name, owner });
            }
        }
        Ok(holders)
    }
}

#[async_trait]
impl AwsKind for Dashboard {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let (candidates, mut index) = match &read.selection {
            Selection::Ids(ids) => {
                let each = ids.iter().map(|id| name_of(id)).map(|name| body_of(cx, name));
                let found = futures::future::try_join_all(each).await?;
                (found.into_iter().flatten().map(|d| (d.name, d.arn)).collect(), BTreeMap::new())
            }
            Selection::Owned { project, environment } => {
                let prefix = ownership::name_prefix(project, environment);
                let (mut all, index) =
                    futures::try_join!(list(cx, Some(prefix.as_str())), indexed(cx, &read.selection))?;
                all.extend(others(cx, &all, &index).await?);
                (all, index)
            }
            Selection::Tagged(_) => {
                let index = indexed(cx, &read.selection).await?;
                (others(cx, &[], &index).await?, index)
            }
        };
        let each = candidates.into_iter().map(|(name, arn)| {
            let known = index.remove(&arn);
            found(cx, read, name, arn, known)
        });
        let found: Vec<Option<Found<Spec>>> = stream::iter(each).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let name = want.spec.name.as_deref().unwrap_or(want.name);
        // By the list: clients of a creation ask again for what is not found.
        let there = list(cx, Some(name)).await?.into_iter().find(|(n, _)| n == name).map(|(_, arn)| arn);
        refuse_foreign(cx, want, "cloudwatch:PutDashboard", there.as_deref()).await?;
        let request = cx.clients.cloudwatch.put_dashboard().dashboard_name(name);
        let request = request.dashboard_body(want.spec.body.to_text()).set_tags(Some(to_tags(want.tags)));
        put(cx, name, request).await?;
        Ok(name.to_owned())
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.clients.cloudwatch.put_dashboard().dashboard_name(update.id);
        put(cx, update.id, request.dashboard_body(update.want.spec.body.to_text())).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.clients.cloudwatch.delete_dashboards().dashboard_names(delete.id);
        cx.call("cloudwatch:DeleteDashboards", request.send()).await.map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

/// The name at the end of an ARN; a name is one already.
fn name_of(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

async fn put(
    cx: &Context,
    name: &str,
    request: aws_sdk_cloudwatch::operation::put_dashboard::builders::PutDashboardFluentBuilder,
) -> Result<(), ApiError> {
    let answer = cx.call("cloudwatch:PutDashboard", request.send()).await?;
    // It is written all the same; what it can't show it leaves out.
    for message in answer.dashboard_validation_messages() {
        let (path, text) = (message.data_path().unwrap_or_default(), message.message().unwrap_or_default());
        tracing::warn!(dashboard = name, path, "{text}");
    }
    Ok(())
}

/// Names and ARNs of the account's dashboards.
async fn list(cx: &Context, prefix: Option<&str>) -> Result<Vec<(String, String)>, ApiError> {
    let request = cx.clients.cloudwatch.list_dashboards().set_dashboard_name_prefix(prefix.map(str::to_owned));
    let pages = cx.pages("cloudwatch:ListDashboards", request.into_paginator().send()).await?;
    let all = pages.into_iter().flat_map(|p| p.dashboard_entries.unwrap_or_default());
    Ok(all.filter_map(|d| Some((d.dashboard_name?, d.dashboard_arn?))).collect())
}

/// The tags that the indexes know, by ARN.
async fn indexed(cx: &Context, selection: &Selection<'_>) -> Result<BTreeMap<String, Tags>, ApiError> {
    let what = "cloudwatch:dashboard";
    let mut index = tagging::of_service(cx, what, selection).await?;
    if identity_region(&cx.region) != cx.region {
        index.extend(tagging::of_identities(cx, what, selection).await?);
    }
    Ok(index)
}

/// Dashboards that only the index knows, and that are still there.
async fn others(
    cx: &Context,
    known: &[(String, String)],
    index: &BTreeMap<String, Tags>,
) -> Result<Vec<(String, String)>, ApiError> {
    let more: Vec<&String> = index.keys().filter(|arn| known.iter().all(|(_, k)| k != *arn)).collect();
    if more.is_empty() {
        return Ok(Vec::new());
    }
    Ok(list(cx, None).await?.into_iter().filter(|(_, arn)| more.contains(&arn)).collect())
}

struct Whole {
    name: String,
    arn: String,
    body: String,
}

/// A dashboard with its body; none if it is not there.
async fn body_of(cx: &Context, name: &str) -> Result<Option<Whole>, ApiError> {
    let request = cx.clients.cloudwatch.get_dashboard().dashboard_name(name);
    match cx.call("cloudwatch:GetDashboard", request.send()).await {
        Ok(answer) => Ok(Some(Whole {
            name: name.to_owned(),
            arn: answer.dashboard_arn.unwrap_or_default(),
            body: answer.dashboard_body.unwrap_or_default(),
        })),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// A dashboard with what is asked of it; none if it is not selected or gone.
async fn found(
    cx: &Context,
    read: &Read<'_>,
    name: String,
    arn: String,
    known: Option<Tags>,
) -> Result<Option<Found<Spec>>, ApiError> {
    let tags = match known {
        Some(tags) => tags,
        None => match tags(cx, &arn).await? {
            Some(tags) if matches!(read.selection, Selection::Ids(_)) || read.selection.matches(&name, &tags) => tags,
            _ => return Ok(None),
        },
    };
    let (mut body, mut unread) = (Json::of(json!({})), Vec::new());
    if read.wants("body", &tags) {
        let Some(whole) = body_of(cx, &name).await? else { return Ok(None) };
        body = Json::observed(&whole.body);
    } else {
        unread.push("body");
    }
    Ok(Some(Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([("id", json!(name)), ("name", json!(name)), ("arn", json!(arn))]),
        spec: Spec { name: Some(name.clone()), body, tags: None },
        status: Status::Ready,
        tags,
        unread,
        id: name,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::providers::aws::script::Script;

    const ARN: &str = "arn:aws:cloudwatch::1:dashboard/p-e-s-it";

    fn tags(project: &str) -> Value {
        let all = [("project", project), ("environment", "e"), ("address", "s/it"), ("generation", "1")];
        let all: Vec<Value> = all.iter().map(|(k, v)| json!({"Key": format!("saiken:{k}"), "Value": v})).collect();
        json!({"Tags": all})
    }

    fn there() -> Value {
        json!({"DashboardArn": ARN, "DashboardName": "p-e-s-it", "DashboardBody": "{\"widgets\": [ ]}"})
    }

    fn gone() -> Value {
        json!({"__type": "com.amazonaws.cloudwatch#ResourceNotFound", "message": "no such dashboard"})
    }

    #[tokio::test]
    async fn a_dashboard_of_somebody_else_is_not_overwritten_and_a_lost_call_is_made_again() {
        let listed = json!({"DashboardEntries": [{"DashboardName": "p-e-s-it", "DashboardArn": ARN}]});
        let script = Script::default()
            .cbor("ListDashboards", 200, &listed)
            .cbor("ListTagsForResource", 200, &tags("another"))
            .cbor("PutDashboard", 200, &json!({}));
        let spec = json!({"body": {"widgets": []}});
        assert_eq!(script.create::<Dashboard>(spec.clone()).await.unwrap_err().class, ErrorClass::Conflict);
        assert!(script.asked("PutDashboard").is_empty());
        let script = Script::default()
            .cbor("ListDashboards", 200, &listed)
            .cbor("GetDashboard", 200, &there())
            .cbor("ListTagsForResource", 200, &tags("p"))
            .lost("PutDashboard")
            .cbor("PutDashboard", 200, &json!({"DashboardValidationMessages": [{"DataPath": "/", "Message": "odd"}]}));
        let object = script.create::<Dashboard>(spec).await.unwrap();
        assert_eq!((object.id.as_str(), &object.spec["body"]), ("p-e-s-it", &json!({"widgets": []})));
        let asked = script.asked("PutDashboard");
        assert!(asked.len() == 2 && asked[0] == asked[1] && asked[0].contains("saiken:address"), "{asked:?}");
    }

    #[tokio::test]
    async fn one_with_a_name_of_its_own_is_found_by_either_index_and_one_that_is_gone_is_left_out() {
        let pairs = json!([{"Key": "saiken:project", "Value": "p"}, {"Key": "saiken:environment", "Value": "e"},
            {"Key": "saiken:address", "Value": "s/own"}, {"Key": "saiken:generation", "Value": "1"}]);
        let own = "arn:aws:cloudwatch::1:dashboard/own";
        let index = json!({"ResourceTagMappingList": [
            {"ResourceARN": own, "Tags": pairs}, {"ResourceARN": "arn:aws:cloudwatch::1:dashboard/gone", "Tags": pairs},
        ]});
        let entry = |name: &str| {
            let arn = format!("arn:aws:cloudwatch::1:dashboard/{name}");
            json!({"DashboardName": name, "DashboardArn": arn})
        };
        let script = Script::default()
            .answer("GetResources", 200, r#"{"ResourceTagMappingList": []}"#)
            .answer("GetResources", 200, &index.to_string())
            .cbor("ListDashboards", 200, &json!({"DashboardEntries": [entry("p-e-s-it")]}))
            .cbor(
                "ListDashboards",
                200,
                &json!({"DashboardEntries": [entry("own"), entry("p-e-s-it"), entry("theirs")]}),
            )
            .cbor("ListTagsForResource", 200, &tags("p"))
            .cbor("GetDashboard", 200, &there());
        let found = script.read::<Dashboard>().await.unwrap();
        assert_eq!(found.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), ["p-e-s-it", "own"]);
        assert_eq!(script.hosts("GetResources").iter().filter(|h| h.contains("us-east-1")).count(), 1);
    }

    #[tokio::test]
    async fn one_that_went_while_it_was_read_is_left_out() {
        let script = Script::default()
            .answer("GetResources", 200, r#"{"ResourceTagMappingList": []}"#)
            .cbor(
                "ListDashboards",
                200,
                &json!({"DashboardEntries": [{"DashboardName": "p-e-s-it", "DashboardArn": ARN}]}),
            )
            .cbor("ListTagsForResource", 200, &tags("p"))
            .cbor("GetDashboard", 404, &gone());
        assert!(script.read::<Dashboard>().await.unwrap().is_empty());
    }

    #[test]
    fn a_body_without_widgets_is_refused() {
        let mut problems = Problems::default();
        Dashboard::validate(&serde_json::from_value(json!({"body": "{\"start\": \"-PT3H\"}"})).unwrap(), &mut problems);
        assert_eq!(problems.0.len(), 1);
    }
}
