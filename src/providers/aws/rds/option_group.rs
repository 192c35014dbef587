//! `database_option_group`: further features of an engine, with their settings.
//!
//! Name, engine, major version and description make a new group necessary; options change in place, at once for the
//! databases that use the group. Some options are permanent once they are in use: the API refuses to take them out. A
//! group that a database, one of its snapshots or one of its automated backups refers to is not deleted.
//!
//! The list shows no tags: the index of tags tells those of most groups, and what it does not know yet, under a name
//! that derives from the environment's, is asked for them by itself. The creating call takes no token: a name that is
//! taken is ours if its tags say so. A run that ended between the creation and its options left a group that differs
//! from what is declared.
//! API: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateOptionGroup.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_rds::types::{OptionConfiguration, OptionGroup as ApiGroup, OptionSetting};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    GROUP_NAME, Listed, holders, identifier, ids_of, own_name, retag, selected, tally, to_tags, when_free, without,
};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::preflight::View;
use crate::model::types::Ref;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::ec2::security_group::SecurityGroup;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs, Quota, Tally, Use};

/// The kind `database_option_group`.
pub struct DatabaseOptionGroup;

/// Further features of an engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name: 255 lower case letters, digits and single hyphens at most, a letter first; derived from the address if
    /// left out. An object that replaces another one can't have the same name unless `lifecycle.replacement` is
    /// `delete_first`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[a-z][a-z0-9-]*$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// Engine that it is for, in the API's words, such as `mysql`, `mariadb`, `oracle-ee`, `sqlserver-se`.
    #[schemars(extend("x-change" = "replace"))]
    pub engine: String,
    /// Major version of the engine, such as `8.0`, `19` or `15.00`.
    #[schemars(extend("x-change" = "replace"))]
    pub major_version: String,
    /// What it is for; its name if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), extend("x-change" = "replace"))]
    pub description: Option<String>,
    /// Options by name, such as `MARIADB_AUDIT_PLUGIN`; one that is taken out goes, if the API lets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub options: Option<BTreeMap<String, OptionSpec>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// One option.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptionSpec {
    /// Version of the option; the newest that the API has if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-version" = true))]
    pub version: Option<String>,
    /// Port that it listens at, 1 to 65,535, for those that do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<i32>,
    /// Groups that say who reaches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub security_groups: Option<Vec<Ref<SecurityGroup>>>,
    /// Values of its settings, by name. Only those that are given are managed: write a default down to get it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-merge" = true))]
    pub settings: Option<BTreeMap<String, String>>,
}

impl Kind for DatabaseOptionGroup {
    const NAME: &'static str = "database_option_group";
    const PROVIDED: &'static [&'static str] = &["default:"];
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "options of a database",
            service: "rds",
            reference: "https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateOptionGroup.html",
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
                read: &[
                    "rds:DescribeAccountAttributes",
                    "rds:DescribeOptionGroups",
                    "rds:ListTagsForResource",
                    "tag:GetResources",
                ],
                create: &["rds:CreateOptionGroup", "rds:ModifyOptionGroup", "rds:AddTagsToResource"],
                update: &["rds:ModifyOptionGroup", "rds:AddTagsToResource", "rds:RemoveTagsFromResource"],
                delete: &["rds:DeleteOptionGroup"],
            },
            name_limit: GROUP_NAME,
            creation_seconds: 2,
            deletion_seconds: 1,
            quota: 20,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if spec.name.as_deref().is_some_and(|name| name.contains("--") || name.ends_with('-')) {
            problems.add("name", "the API takes no two hyphens in a row, and none at the end", "leave one out");
        }
        if spec.engine == "postgres" && spec.options.as_ref().is_some_and(|options| !options.is_empty()) {
            let help = "write them as parameters, in a `database_parameter_group`";
            problems.add("options", "PostgreSQL has no options: its extensions are switched on by parameters", help);
        }
    }
}

static GROUPS: Quota = Quota::new("rds", "L-9FA33840", "Option groups");

#[async_trait]
impl Checked for DatabaseOptionGroup {
    fn needs() -> Needs {
        Needs { resource: "og:{name}", only_for: &[("rds:ModifyOptionGroup", &["options"])] }
    }

    fn uses(_: &View<'_>) -> Vec<Use> {
        vec![Use::one(&GROUPS)]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        tally(cx, &[(&GROUPS, "OptionGroups")]).await
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        own_name(view, GROUP_NAME).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        holders(cx, list(cx, None).await?, names).await
    }
}

#[async_trait]
impl AwsKind for DatabaseOptionGroup {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let all = async {
            let Selection::Ids(names) = read.selection else { return list(cx, None).await };
            let each = names.iter().map(|name| list(cx, Some(name)));
            Ok(futures::future::try_join_all(each).await?.into_iter().flatten().collect())
        };
        let groups = selected(cx, &read.selection, "rds:og", all).await?;
        Ok(groups.into_iter().map(|(group, tags)| found(&group, tags)).collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let name = spec.name.clone().unwrap_or_else(|| identifier(want.name, GROUP_NAME));
        let once = cx.once();
        let request = once
            .clients
            .rds
            .create_option_group()
            .option_group_name(&name)
            .engine_name(&spec.engine)
            .major_engine_version(&spec.major_version)
            .option_group_description(spec.description.as_deref().unwrap_or(&name))
            .set_tags(Some(to_tags(want.tags)));
        let call = async {
            once.call("rds:CreateOptionGroup", request.send()).await?;
            Ok(name.clone())
        };
        create_once::<Self>(cx, want, Some(&name), call).await?;
        settle(cx, &name, want, None).await?;
        Ok(name)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        settle(cx, update.id, &update.want, Some(update.before)).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let what = format!("option group {} to be used by no database and no snapshot", delete.id);
        when_free(cx, delete.watch, what, || async {
            let request = cx.clients.rds.delete_option_group().option_group_name(delete.id);
            cx.call("rds:DeleteOptionGroup", request.send()).await.map(drop)
        })
        .await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

/// All groups, or the one of a name if it is there.
async fn list(cx: &Context, name: Option<&str>) -> Result<Vec<Listed<ApiGroup>>, ApiError> {
    let request = cx.clients.rds.describe_option_groups().set_option_group_name(name.map(str::to_owned));
    let request = request.set_max_records(name.is_none().then_some(100));
    let pages = match cx.pages("rds:DescribeOptionGroups", request.into_paginator().send()).await {
        Err(e) if name.is_some() && e.class == ErrorClass::NotFound => Vec::new(),
        other => other?,
    };
    let groups = pages.into_iter().flat_map(|p| p.option_groups_list.unwrap_or_default());
    Ok(groups
        .map(|it| Listed {
            name: it.option_group_name().unwrap_or_default().to_owned(),
            arn: it.option_group_arn().unwrap_or_default().to_owned(),
            it,
        })
        .collect())
}

fn found(group: &Listed<ApiGroup>, tags: Tags) -> Found<Spec> {
    let Listed { name, arn, it } = group;
    let options = it.options().iter().filter_map(|o| Some((o.option_name()?.to_owned(), option(o))));
    Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([("id", json!(name)), ("name", json!(name)), ("arn", json!(arn))]),
        spec: Spec {
            name: Some(name.clone()),
            engine: it.engine_name().unwrap_or_default().to_owned(),
            major_version: it.major_engine_version().unwrap_or_default().to_owned(),
            description: it.option_group_description().map(str::to_owned),
            options: Some(options.collect()),
            tags: None,
        },
        status: Status::Ready,
        tags,
        unread: Vec::new(),
        id: name.clone(),
    }
}

fn option(option: &aws_sdk_rds::types::Option) -> OptionSpec {
    let members = option.vpc_security_group_memberships();
    let settings = option.option_settings();
    OptionSpec {
        version: option.option_version().map(str::to_owned),
        port: option.port(),
        security_groups: Some(members.iter().filter_map(|m| m.vpc_security_group_id()).map(Ref::id).collect()),
        settings: Some(
            settings
                .iter()
                .filter_map(|s| Some((s.name()?.to_owned(), s.value().unwrap_or_default().into())))
                .collect(),
        ),
    }
}

/// Gives the group the options that differ, and takes those out that are no longer declared, in one call.
async fn settle(cx: &Context, name: &str, want: &Create<'_, Spec>, before: Option<&Spec>) -> Result<(), ApiError> {
    let Some(wanted) = &want.spec.options else { return Ok(()) };
    let there = before.and_then(|b| b.options.clone()).unwrap_or_default();
    let gone: Vec<String> = without(&there, wanted).into_iter().cloned().collect();
    let differs = wanted.iter().filter(|(name, option)| there.get(*name) != Some(*option));
    let include = differs.map(|(name, option)| configuration(want, name, option)).collect::<Result<Vec<_>, _>>()?;
    if include.is_empty() && gone.is_empty() {
        return Ok(());
    }
    let what = format!("option group {name} to take changes");
    when_free(cx, want.watch, what, || async {
        let request = cx.clients.rds.modify_option_group().option_group_name(name).apply_immediately(true);
        let request = request
            .set_options_to_include((!include.is_empty()).then(|| include.clone()))
            .set_options_to_remove((!gone.is_empty()).then(|| gone.clone()));
        cx.call("rds:ModifyOptionGroup", request.send()).await.map(drop)
    })
    .await
}

fn configuration(want: &Create<'_, Spec>, name: &str, option: &OptionSpec) -> Result<OptionConfiguration, ApiError> {
    let settings = option.settings.as_ref().map(|settings| {
        settings.iter().map(|(name, value)| OptionSetting::builder().name(name).value(value).build()).collect()
    });
    Ok(OptionConfiguration::builder()
        .option_name(name)
        .set_option_version(option.version.clone())
        .set_port(option.port)
        .set_vpc_security_group_memberships(ids_of(want, option.security_groups.as_ref())?)
        .set_option_settings(settings)
        .build())
}
