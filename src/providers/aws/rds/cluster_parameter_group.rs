//! `database_cluster_parameter_group`: values of an engine's parameters, for a cluster.
//!
//! Name, family and description make a new group necessary. A group for one
//! server is another kind, `database_parameter_group`.
//!
//! Only what a user has set, or has declared as the engine has it, is compared; the API's own metadata says of each
//! parameter whether it changes at once or with the next restart (restarting is left to the user, who chooses the
//! moment). The list shows no tags: the index of tags tells those of most groups, and what it does not know yet, under
//! a name that derives from the environment's, is asked for them by itself. The creating call takes no token: a name
//! that is taken is ours if its tags say so. A run that ended between the creation and its parameters left a group that
//! differs from what is declared.
//! API: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBClusterParameterGroup.html>

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

/// The kind `database_cluster_parameter_group`.
pub struct DatabaseClusterParameterGroup;

impl Kind for DatabaseClusterParameterGroup {
    const NAME: &'static str = "database_cluster_parameter_group";
    const PROVIDED: &'static [&'static str] = &["default."];
    type Spec = ParameterGroupSpec;

    fn facts() -> Facts {
        Facts {
            title: "parameters of a database cluster",
            service: "rds",
            reference: "https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBClusterParameterGroup.html",
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
                    "rds:DescribeDBClusterParameterGroups",
                    "rds:DescribeDBClusterParameters",
                    "rds:ListTagsForResource",
                    "tag:GetResources",
                ],
                create: &[
                    "rds:CreateDBClusterParameterGroup",
                    "rds:ModifyDBClusterParameterGroup",
                    "rds:AddTagsToResource",
                ],
                update: &[
                    "rds:ModifyDBClusterParameterGroup",
                    "rds:ResetDBClusterParameterGroup",
                    "rds:AddTagsToResource",
                    "rds:RemoveTagsFromResource",
                ],
                delete: &["rds:DeleteDBClusterParameterGroup"],
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

static GROUPS: Quota = Quota::new("rds", "L-E4C808A8", "DB cluster parameter groups");

#[async_trait]
impl Checked for DatabaseClusterParameterGroup {
    fn needs() -> Needs {
        Needs {
            resource: "cluster-pg:{name}",
            only_for: &[
                ("rds:ModifyDBClusterParameterGroup", &["parameters"]),
                ("rds:ResetDBClusterParameterGroup", &["parameters"]),
            ],
        }
    }

    fn uses(_: &View<'_>) -> Vec<Use> {
        vec![Use::one(&GROUPS)]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        tally(cx, &[(&GROUPS, "DBClusterParameterGroups")]).await
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        own_name(view, GROUP_NAME).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        holders(cx, list(cx, Sort::Cluster, None).await?, names).await
    }
}

#[async_trait]
impl AwsKind for DatabaseClusterParameterGroup {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<ParameterGroupSpec>>, ApiError> {
        parameters::read(cx, read, Sort::Cluster).await
    }

    async fn create(cx: &Context, want: &Create<'_, ParameterGroupSpec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let name = spec.name.clone().unwrap_or_else(|| identifier(want.name, GROUP_NAME));
        let once = cx.once();
        let request = once
            .clients
            .rds
            .create_db_cluster_parameter_group()
            .db_cluster_parameter_group_name(&name)
            .db_parameter_group_family(&spec.family)
            .description(spec.description.as_deref().unwrap_or(&name))
            .set_tags(Some(to_tags(want.tags)));
        let call = async {
            once.call("rds:CreateDBClusterParameterGroup", request.send()).await?;
            Ok(name.clone())
        };
        create_once::<Self>(cx, want, Some(&name), call).await?;
        if let Some(parameters) = &spec.parameters {
            parameters::settle(cx, Sort::Cluster, &name, (parameters, &BTreeMap::new()), want.watch).await?;
        }
        Ok(name)
    }

    async fn update(cx: &Context, update: &Update<'_, ParameterGroupSpec>) -> Result<(), ApiError> {
        parameters::update(cx, update, Sort::Cluster).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, ParameterGroupSpec>) -> Result<(), ApiError> {
        let what = format!("parameter group {} to be used by no database", delete.id);
        when_free(cx, delete.watch, what, || async {
            let request = cx.clients.rds.delete_db_cluster_parameter_group().db_cluster_parameter_group_name(delete.id);
            cx.call("rds:DeleteDBClusterParameterGroup", request.send()).await.map(drop)
        })
        .await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}
