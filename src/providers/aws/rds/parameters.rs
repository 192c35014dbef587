//! What the two kinds of parameter groups share: the parameters themselves. The APIs differ in their names only.
//!
//! A parameter whose declared value is the engine's default does not become one that a user has set: it is not written, and
//! its name stands in a tag of the group's, so that a read tells it among those that were set. Should the default change,
//! it differs, and is set.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_rds::types::{ApplyMethod, Parameter};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{AT_ONCE, Listed, selected, to_tags, when_free, without};
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::kind::Problems;
use crate::model::observed::Status;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{Found, Read, Selection, Tags, Update};

/// Parameters that one call changes at most.
const A_CALL: usize = 20;
/// Tag that holds the names of the parameters that are declared with the engine's defaults.
const DEFAULTS: &str = "saiken:defaults";
/// Most characters of a tag's value.
const TAG_VALUE: usize = 256;

/// What a parameter group is declared as, for one server or for a cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParameterGroupSpec {
    /// Its name: 255 lower case letters, digits, `.` and single hyphens at most, a letter first; derived from the
    /// address if left out. An object that replaces another one can't have the same name unless `lifecycle.replacement`
    /// is `delete_first`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[a-z][a-z0-9.-]*$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// Engine and major version that it is for, in the API's words, such as `postgres16`, `mysql8.0`,
    /// `aurora-postgresql16`.
    #[schemars(extend("x-change" = "replace"))]
    pub family: String,
    /// What it is for; its name if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), extend("x-change" = "replace"))]
    pub description: Option<String>,
    /// Values of parameters, by name; all others keep the engine's defaults, and one that is taken out gets its default
    /// back. What the engine can change while it runs is applied at once, the rest with the next restart, which is left
    /// to the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub parameters: Option<BTreeMap<String, String>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// Names that the API keeps for itself, or refuses.
pub(super) fn check(spec: &ParameterGroupSpec, problems: &mut Problems) {
    let Some(name) = spec.name.as_deref() else { return };
    if name.starts_with("default.") {
        problems.add("name", format!("the API keeps names such as `{name}` for itself"), "begin with another word");
    }
    if name.contains("--") || name.ends_with('-') {
        problems.add("name", "the API takes no two hyphens in a row, and none at the end", "leave one out");
    }
}

/// Whose parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Those of one server.
    Instance,
    /// Those of a cluster.
    Cluster,
}

impl Sort {
    /// Its type in the index of tags.
    fn indexed(self) -> &'static str {
        match self {
            Self::Instance => "rds:pg",
            Self::Cluster => "rds:cluster-pg",
        }
    }
}

/// A group, as both lists show it.
#[derive(Debug, Clone)]
pub(super) struct Group {
    family: Option<String>,
    description: Option<String>,
}

/// The groups that a read is about.
pub(super) async fn read(
    cx: &Context,
    read: &Read<'_>,
    sort: Sort,
) -> Result<Vec<Found<ParameterGroupSpec>>, ApiError> {
    let all = async {
        let Selection::Ids(names) = read.selection else { return list(cx, sort, None).await };
        let each = names.iter().map(|name| list(cx, sort, Some(name)));
        Ok(futures::future::try_join_all(each).await?.into_iter().flatten().collect())
    };
    let groups = selected(cx, &read.selection, sort.indexed(), all).await?;
    let found: Vec<Option<Found<ParameterGroupSpec>>> = stream::iter(groups)
        .map(|(group, tags)| found(cx, read, sort, group, tags))
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// A group with its parameters, if they are wanted; none if it was deleted since the list was read.
async fn found(
    cx: &Context,
    read: &Read<'_>,
    sort: Sort,
    group: Listed<Group>,
    tags: Tags,
) -> Result<Option<Found<ParameterGroupSpec>>, ApiError> {
    let Listed { name, arn, it } = group;
    let (mut unread, mut parameters) = (Vec::new(), None);
    if read.wants("parameters", &tags) {
        let noted = tags.get(DEFAULTS).map(String::as_str).unwrap_or_default();
        parameters = declarable(cx, sort, &name, noted.split_whitespace().collect()).await?;
        if parameters.is_none() {
            return Ok(None);
        }
    } else {
        unread.push("parameters");
    }
    let (id, family) = (json!(name), json!(it.family));
    Ok(Some(Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([("id", id.clone()), ("name", id), ("arn", json!(arn)), ("family", family)]),
        spec: ParameterGroupSpec {
            name: Some(name.clone()),
            family: it.family.unwrap_or_default(),
            description: it.description,
            parameters,
            tags: None,
        },
        status: Status::Ready,
        tags,
        unread,
        id: name,
    }))
}

/// Changes the parameters of a group, the only field that changes in place.
pub(super) async fn update(cx: &Context, update: &Update<'_, ParameterGroupSpec>, sort: Sort) -> Result<(), ApiError> {
    let Some(parameters) = update.want.spec.parameters.as_ref().filter(|_| update.changed("parameters")) else {
        return Ok(());
    };
    let there = update.before.parameters.clone().unwrap_or_default();
    settle(cx, sort, update.id, (parameters, &there), update.want.watch).await
}

/// All groups of a sort, or the one of a name if it is there.
pub(super) async fn list(cx: &Context, sort: Sort, name: Option<&str>) -> Result<Vec<Listed<Group>>, ApiError> {
    let (rds, only) = (&cx.clients.rds, name.map(str::to_owned));
    let most = name.is_none().then_some(100);
    let all = match sort {
        Sort::Instance => {
            let request = rds.describe_db_parameter_groups().set_db_parameter_group_name(only).set_max_records(most);
            let pages = cx.pages("rds:DescribeDBParameterGroups", request.into_paginator().send()).await;
            pages.map(|pages| {
                let groups = pages.into_iter().flat_map(|p| p.db_parameter_groups.unwrap_or_default());
                let listed = groups.map(|g| Listed {
                    name: g.db_parameter_group_name.unwrap_or_default(),
                    arn: g.db_parameter_group_arn.unwrap_or_default(),
                    it: Group { family: g.db_parameter_group_family, description: g.description },
                });
                listed.collect::<Vec<_>>()
            })
        }
        Sort::Cluster => {
            let request = rds
                .describe_db_cluster_parameter_groups()
                .set_db_cluster_parameter_group_name(only)
                .set_max_records(most);
            let pages = cx.pages("rds:DescribeDBClusterParameterGroups", request.into_paginator().send()).await;
            pages.map(|pages| {
                let groups = pages.into_iter().flat_map(|p| p.db_cluster_parameter_groups.unwrap_or_default());
                let listed = groups.map(|g| Listed {
                    name: g.db_cluster_parameter_group_name.unwrap_or_default(),
                    arn: g.db_cluster_parameter_group_arn.unwrap_or_default(),
                    it: Group { family: g.db_parameter_group_family, description: g.description },
                });
                listed.collect()
            })
        }
    };
    match all {
        Err(e) if name.is_some() && e.class == ErrorClass::NotFound => Ok(Vec::new()),
        other => other,
    }
}

/// The parameters that a user has set, and those that are noted as declared with their defaults. None if the group is gone.
async fn declarable(
    cx: &Context,
    sort: Sort,
    group: &str,
    noted: BTreeSet<&str>,
) -> Result<Option<BTreeMap<String, String>>, ApiError> {
    // All of them are several pages.
    let source = noted.is_empty().then_some("user");
    let counts = |p: &Parameter| !is_default(p) || noted.contains(p.parameter_name().unwrap_or_default());
    let named = |p: Parameter| Some((p.parameter_name?, p.parameter_value.unwrap_or_default()));
    match describe(cx, sort, group, source).await {
        Ok(all) => Ok(Some(all.into_iter().filter(counts).filter_map(named).collect())),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Whether a parameter has the value of the engine or of the service.
fn is_default(parameter: &Parameter) -> bool {
    parameter.source().is_some_and(|source| source != "user")
}

/// Notes which parameters are declared with their defaults.
async fn note(cx: &Context, sort: Sort, group: &str, defaults: &BTreeSet<&str>) -> Result<(), ApiError> {
    let names = defaults.iter().copied().collect::<Vec<_>>().join(" ");
    if names.len() > TAG_VALUE {
        let message = format!(
            "more parameters of {group} are declared with the engine's own values than can be noted in a tag: leave some of \
             these out: {names}"
        );
        return Err(ApiError::new("rds:AddTagsToResource", ErrorClass::Invalid, message));
    }
    let arn = list(cx, sort, Some(group)).await?.into_iter().next().map(|group| group.arn).unwrap_or_default();
    let tags = to_tags(&Tags::from([(DEFAULTS.to_owned(), names)]));
    let request = cx.clients.rds.add_tags_to_resource().resource_name(arn).set_tags(Some(tags));
    cx.call("rds:AddTagsToResource", request.send()).await.map(drop)
}

/// The parameters of a group: all, or those of a source.
async fn describe(cx: &Context, sort: Sort, group: &str, source: Option<&str>) -> Result<Vec<Parameter>, ApiError> {
    let (rds, source) = (&cx.clients.rds, source.map(str::to_owned));
    match sort {
        Sort::Instance => {
            let request = rds.describe_db_parameters().db_parameter_group_name(group).set_source(source);
            let pages = request.max_records(100).into_paginator().send();
            let pages = cx.pages("rds:DescribeDBParameters", pages).await?;
            Ok(pages.into_iter().flat_map(|p| p.parameters.unwrap_or_default()).collect())
        }
        Sort::Cluster => {
            let request =
                rds.describe_db_cluster_parameters().db_cluster_parameter_group_name(group).set_source(source);
            let pages = request.max_records(100).into_paginator().send();
            let pages = cx.pages("rds:DescribeDBClusterParameters", pages).await?;
            Ok(pages.into_iter().flat_map(|p| p.parameters.unwrap_or_default()).collect())
        }
    }
}

/// Sets what differs, and resets what is no longer declared: 20 a call, each at once if the engine can do that.
pub(super) async fn settle(
    cx: &Context,
    sort: Sort,
    group: &str,
    (wanted, there): (&BTreeMap<String, String>, &BTreeMap<String, String>),
    watch: &dyn Watch,
) -> Result<(), ApiError> {
    let mut differs: Vec<(&String, &String)> = wanted.iter().filter(|(k, v)| there.get(*k) != Some(v)).collect();
    let mut gone = without(there, wanted);
    if differs.is_empty() && gone.is_empty() {
        return Ok(());
    }
    // What the API knows of each parameter of the engine: its value, whose that is, and whether it is dynamic.
    let known: BTreeMap<String, Parameter> = describe(cx, sort, group, None)
        .await?
        .into_iter()
        .filter_map(|p| Some((p.parameter_name.clone()?, p)))
        .collect();
    let default = |name: &str| known.get(name).filter(|p| is_default(p));
    let is_declared = |(name, value): &(&String, &String)| {
        default(name.as_str()).is_some_and(|p| p.parameter_value() == Some(value.as_str()))
    };
    let defaults: BTreeSet<&str> = wanted.iter().filter(is_declared).map(|(name, _)| name.as_str()).collect();
    if !defaults.is_empty() || there.keys().any(|name| default(name).is_some()) {
        note(cx, sort, group, &defaults).await?;
    }
    differs.retain(|declared| !is_declared(declared));
    gone.retain(|name| default(name).is_none());
    let method = |name: &str| match known.get(name).and_then(|p| p.apply_type()) {
        Some("dynamic") => ApplyMethod::Immediate,
        _ => ApplyMethod::PendingReboot,
    };
    let parameter = |name: &str| Parameter::builder().parameter_name(name).apply_method(method(name));
    let set: Vec<Parameter> = differs.iter().map(|(k, v)| parameter(k).parameter_value(*v).build()).collect();
    let reset: Vec<Parameter> = gone.iter().map(|k| parameter(k).build()).collect();
    for some in set.chunks(A_CALL) {
        change(cx, sort, group, some, false, watch).await?;
    }
    for some in reset.chunks(A_CALL) {
        change(cx, sort, group, some, true, watch).await?;
    }
    Ok(())
}

async fn change(
    cx: &Context,
    sort: Sort,
    group: &str,
    some: &[Parameter],
    reset: bool,
    watch: &dyn Watch,
) -> Result<(), ApiError> {
    let what = format!("parameter group {group} to take changes");
    let rds = &cx.clients.rds;
    when_free(cx, watch, what, || async {
        let some = Some(some.to_vec());
        match (sort, reset) {
            (Sort::Instance, false) => {
                let request = rds.modify_db_parameter_group().db_parameter_group_name(group).set_parameters(some);
                cx.call("rds:ModifyDBParameterGroup", request.send()).await.map(drop)
            }
            (Sort::Instance, true) => {
                let request = rds.reset_db_parameter_group().db_parameter_group_name(group).set_parameters(some);
                cx.call("rds:ResetDBParameterGroup", request.send()).await.map(drop)
            }
            (Sort::Cluster, false) => {
                let request = rds.modify_db_cluster_parameter_group().db_cluster_parameter_group_name(group);
                let request = request.set_parameters(some);
                cx.call("rds:ModifyDBClusterParameterGroup", request.send()).await.map(drop)
            }
            (Sort::Cluster, true) => {
                let request = rds.reset_db_cluster_parameter_group().db_cluster_parameter_group_name(group);
                let request = request.set_parameters(some);
                cx.call("rds:ResetDBClusterParameterGroup", request.send()).await.map(drop)
            }
        }
    })
    .await
}
