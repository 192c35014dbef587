//! `database_subnet_group`: the subnets that databases may stand in.
//!
//! Its name is its id, and makes a new group necessary; description and subnets change in place. The list shows no
//! tags: the index of tags tells those of most groups, and what it does not know yet, under a name that derives from
//! the environment's, is asked for them by itself. The creating call takes no token: a name that is taken is ours if
//! its tags say so. A group that a database still uses is not deleted.
//! API: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSubnetGroup.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_rds::types::DbSubnetGroup;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{GROUP_NAME, Listed, holders, identifier, own_name, retag, selected, tally, to_tags, when_free};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::preflight::View;
use crate::model::types::Ref;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::ec2::subnet::Subnet;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs, Quota, Tally, Use};

/// The kind `database_subnet_group`.
pub struct DatabaseSubnetGroup;

/// The subnets that databases may stand in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name: 255 lower case letters, digits, spaces and `._-` at most; derived from the address if left out. An
    /// object that replaces another one can't have the same name unless `lifecycle.replacement` is `delete_first`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[a-z][a-z0-9 ._-]*$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// What it is for; its name if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub description: Option<String>,
    /// Subnets of one network, in two zones at least; 20 at most.
    #[schemars(length(min = 1, max = 20), extend("x-unordered" = true))]
    pub subnets: Vec<Ref<Subnet>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Kind for DatabaseSubnetGroup {
    const NAME: &'static str = "database_subnet_group";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "subnets for databases",
            service: "rds",
            reference: "https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSubnetGroup.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "Its name"),
                    Attribute::stable("name", "Name"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("vpc_id", "Id of the network that its subnets belong to"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "rds:DescribeAccountAttributes",
                    "rds:DescribeDBSubnetGroups",
                    "rds:ListTagsForResource",
                    "tag:GetResources",
                ],
                create: &["rds:CreateDBSubnetGroup", "rds:AddTagsToResource"],
                update: &["rds:ModifyDBSubnetGroup", "rds:AddTagsToResource", "rds:RemoveTagsFromResource"],
                delete: &["rds:DeleteDBSubnetGroup"],
            },
            name_limit: GROUP_NAME,
            creation_seconds: 2,
            deletion_seconds: 1,
            quota: 50,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if spec.name.as_deref() == Some("default") {
            problems.add("name", "the API keeps the name `default` for itself", "choose another name");
        }
    }
}

static GROUPS: Quota = Quota::new("rds", "L-48C6BF61", "DB subnet groups");

#[async_trait]
impl Checked for DatabaseSubnetGroup {
    fn needs() -> Needs {
        Needs { resource: "subgrp:{name}", only_for: &[("rds:ModifyDBSubnetGroup", &["description", "subnets"])] }
    }

    fn uses(_: &View<'_>) -> Vec<Use> {
        vec![Use::one(&GROUPS)]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        tally(cx, &[(&GROUPS, "DBSubnetGroups")]).await
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        own_name(view, GROUP_NAME).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        holders(cx, list(cx, None).await?, names).await
    }
}

#[async_trait]
impl AwsKind for DatabaseSubnetGroup {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let all = async {
            let Selection::Ids(names) = read.selection else { return list(cx, None).await };
            let each = names.iter().map(|name| list(cx, Some(name)));
            Ok(futures::future::try_join_all(each).await?.into_iter().flatten().collect())
        };
        let groups = selected(cx, &read.selection, "rds:subgrp", all).await?;
        Ok(groups.into_iter().map(|(group, tags)| found(&group, tags)).collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let name = want.spec.name.clone().unwrap_or_else(|| identifier(want.name, GROUP_NAME));
        let once = cx.once();
        let request = once
            .clients
            .rds
            .create_db_subnet_group()
            .db_subnet_group_name(&name)
            .db_subnet_group_description(want.spec.description.as_deref().unwrap_or(&name))
            .set_subnet_ids(Some(want.ids(&want.spec.subnets)?))
            .set_tags(Some(to_tags(want.tags)));
        let call = async {
            once.call("rds:CreateDBSubnetGroup", request.send()).await?;
            Ok(name.clone())
        };
        create_once::<Self>(cx, want, Some(&name), call).await
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        // The subnets are always given whole.
        let spec = update.want.spec;
        let request = cx
            .clients
            .rds
            .modify_db_subnet_group()
            .db_subnet_group_name(update.id)
            .set_db_subnet_group_description(spec.description.clone())
            .set_subnet_ids(Some(update.want.ids(&spec.subnets)?));
        cx.call("rds:ModifyDBSubnetGroup", request.send()).await.map(drop)
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let what = format!("subnet group {} to be used by no database", delete.id);
        when_free(cx, delete.watch, what, || async {
            let request = cx.clients.rds.delete_db_subnet_group().db_subnet_group_name(delete.id);
            cx.call("rds:DeleteDBSubnetGroup", request.send()).await.map(drop)
        })
        .await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

/// All groups, or the one of a name if it is there.
async fn list(cx: &Context, name: Option<&str>) -> Result<Vec<Listed<DbSubnetGroup>>, ApiError> {
    let request = cx.clients.rds.describe_db_subnet_groups().set_db_subnet_group_name(name.map(str::to_owned));
    let request = if name.is_none() { request.max_records(100) } else { request };
    let pages = match cx.pages("rds:DescribeDBSubnetGroups", request.into_paginator().send()).await {
        Err(e) if name.is_some() && e.class == ErrorClass::NotFound => Vec::new(),
        other => other?,
    };
    let groups = pages.into_iter().flat_map(|p| p.db_subnet_groups.unwrap_or_default());
    Ok(groups
        .map(|it| Listed {
            name: it.db_subnet_group_name().unwrap_or_default().to_owned(),
            arn: it.db_subnet_group_arn().unwrap_or_default().to_owned(),
            it,
        })
        .collect())
}

fn found(group: &Listed<DbSubnetGroup>, tags: Tags) -> Found<Spec> {
    let Listed { name, arn, it } = group;
    Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([
            ("id", json!(name)),
            ("name", json!(name)),
            ("arn", json!(arn)),
            ("vpc_id", json!(it.vpc_id())),
        ]),
        spec: Spec {
            name: Some(name.clone()),
            description: it.db_subnet_group_description().map(str::to_owned),
            subnets: it.subnets().iter().filter_map(|s| s.subnet_identifier()).map(Ref::id).collect(),
            tags: None,
        },
        status: Status::Ready,
        tags,
        unread: Vec::new(),
        id: name.clone(),
    }
}
