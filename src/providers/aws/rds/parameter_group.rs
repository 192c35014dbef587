//! `database_parameter_group`: values of an engine's parameters, for one database server.
//!
//! Name, family and description make a new group necessary. A group for a cluster is another kind,
//! `database_cluster_parameter_group`: a name may be taken by one of each sort, and a reference must not be able to
//! mean the wrong one.
//!
//! Only what a user has set, or has declared as the engine has it, is compared; the API's own metadata says of each
//! parameter whether it changes at once or with the next restart (restarting is left to the user, who chooses the
//! moment). The list shows no tags: the index of tags tells those of most groups, and what it does not know yet, under a
//! name that derives from the environment's, is asked for them by itself. The creating call takes no token: a name that
//! is taken is ours if its tags say so. A run that ended between the creation and its parameters left a group that
//! differs from what is declared.
//! API: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBParameterGroup.html>

use std::collections::BTreeMap;

use async_trait::async_trait;

use super::parameters::{self, ParameterGroupSpec, Sort, check, list};
use super::{GROUP_NAME, holders, identifier, own_name, retag, tally, to_tags, when_free};
use crate::model::cloud::ApiError;
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::Object;
use crate::model::preflight::View;
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs, Quota, Tally, Use};

/// The kind `database_parameter_group`.
pub struct DatabaseParameterGroup;

impl Kind for DatabaseParameterGroup {
    const NAME: &'static str = "database_parameter_group";
    const PROVIDED: &'static [&'static str] = &["default."];
    type Spec = ParameterGroupSpec;

    fn facts() -> Facts {
        Facts {
            title: "parameters of a database",
            service: "rds",
            reference: "https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBParameterGroup.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "Its name"),
                    Attribute::stable("name", "Name"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("family", "Engine and major version that it is for"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "rds:DescribeAccountAttributes",
                    "rds:DescribeDBParameterGroups",
                    "rds:DescribeDBParameters",
                    "rds:ListTagsForResource",
                    "tag:GetResources",
                ],
                create: &["rds:CreateDBParameterGroup", "rds:ModifyDBParameterGroup", "rds:AddTagsToResource"],
                update: &[
                    "rds:ModifyDBParameterGroup",
                    "rds:ResetDBParameterGroup",
                    "rds:AddTagsToResource",
                    "rds:RemoveTagsFromResource",
                ],
                delete: &["rds:DeleteDBParameterGroup"],
            },
            name_limit: GROUP_NAME,
            creation_seconds: 2,
            deletion_seconds: 1,
            quota: 50,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &ParameterGroupSpec, problems: &mut Problems) {
        check(spec, problems);
    }
}

static GROUPS: Quota = Quota::new("rds", "L-DE55804A", "Parameter groups");

#[async_trait]
impl Checked for DatabaseParameterGroup {
    fn needs() -> Needs {
        Needs {
            resource: "pg:{name}",
            only_for: &[
                ("rds:ModifyDBParameterGroup", &["parameters"]),
                ("rds:ResetDBParameterGroup", &["parameters"]),
            ],
        }
    }

    fn uses(_: &View<'_>) -> Vec<Use> {
        vec![Use::one(&GROUPS)]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        tally(cx, &[(&GROUPS, "DBParameterGroups")]).await
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        own_name(view, GROUP_NAME).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        holders(cx, list(cx, Sort::Instance, None).await?, names).await
    }
}

#[async_trait]
impl AwsKind for DatabaseParameterGroup {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<ParameterGroupSpec>>, ApiError> {
        parameters::read(cx, read, Sort::Instance).await
    }

    async fn create(cx: &Context, want: &Create<'_, ParameterGroupSpec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let name = spec.name.clone().unwrap_or_else(|| identifier(want.name, GROUP_NAME));
        let once = cx.once();
        let request = once
            .clients
            .rds
            .create_db_parameter_group()
            .db_parameter_group_name(&name)
            .db_parameter_group_family(&spec.family)
            .description(spec.description.as_deref().unwrap_or(&name))
            .set_tags(Some(to_tags(want.tags)));
        let call = async {
            once.call("rds:CreateDBParameterGroup", request.send()).await?;
            Ok(name.clone())
        };
        create_once::<Self>(cx, want, Some(&name), call).await?;
        if let Some(parameters) = &spec.parameters {
            parameters::settle(cx, Sort::Instance, &name, (parameters, &BTreeMap::new()), want.watch).await?;
        }
        Ok(name)
    }

    async fn update(cx: &Context, update: &Update<'_, ParameterGroupSpec>) -> Result<(), ApiError> {
        parameters::update(cx, update, Sort::Instance).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, ParameterGroupSpec>) -> Result<(), ApiError> {
        let what = format!("parameter group {} to be used by no database", delete.id);
        when_free(cx, delete.watch, what, || async {
            let request = cx.clients.rds.delete_db_parameter_group().db_parameter_group_name(delete.id);
            cx.call("rds:DeleteDBParameterGroup", request.send()).await.map(drop)
        })
        .await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}
