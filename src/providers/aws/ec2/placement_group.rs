//! `placement_group`: servers that stand close together, or apart from each other.
//!
//! Only its tags can change; anything else makes a new group necessary, and a group goes only when no server is in it. Its
//! name is its id, and keeps a second one from being made: the creating call takes no client token.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreatePlacementGroup.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{PlacementGroup as ApiGroup, PlacementGroupState, PlacementStrategy, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{attributes, filters, from_tags, retag, tag_specification};
use crate::model::cloud::ApiError;
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Checked, Needs};
use crate::providers::aws::words::words;

/// The kind `placement_group`.
pub struct PlacementGroup;

/// Servers that stand close together, or apart from each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// How its servers stand.
    #[schemars(extend("x-change" = "replace"))]
    pub strategy: Strategy,
    /// Number of partitions, 1 to 7, of a `partition` group; 2 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 7), extend("x-change" = "replace"))]
    pub partitions: Option<i32>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

words! {
    /// How the servers of a group stand.
    Strategy {
        /// Close together in one zone, for a fast network between them.
        Cluster = "cluster",
        /// In partitions that share no hardware with each other.
        Partition = "partition",
        /// Each on hardware of its own.
        Spread = "spread",
    }
}

impl Kind for PlacementGroup {
    const NAME: &'static str = "placement_group";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "placement group",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreatePlacementGroup.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const { &[Attribute::stable("id", "Its name"), Attribute::stable("group_id", "Id, pg-…")] },
            permissions: Permissions {
                read: &["ec2:DescribePlacementGroups"],
                create: &["ec2:CreatePlacementGroup", "ec2:CreateTags"],
                update: &["ec2:CreateTags", "ec2:DeleteTags"],
                delete: &["ec2:DeletePlacementGroup"],
            },
            name_limit: 255,
            creation_seconds: 2,
            deletion_seconds: 2,
            quota: 500,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if spec.partitions.is_some() && spec.strategy != Strategy::Partition {
            let help = "leave it out, or write `strategy: partition`";
            problems.add("partitions", "only a `partition` group has partitions", help);
        }
    }
}

#[async_trait]
impl Checked for PlacementGroup {
    fn needs() -> Needs {
        Needs { resource: "placement-group/*", only_for: &[] }
    }
}

#[async_trait]
impl AwsKind for PlacementGroup {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        // This API has no pages: it gives all at once.
        let request = cx.ec2().describe_placement_groups();
        let request = request.set_filters(Some(filters(&read.selection, "group-name")));
        let answer = cx.call("ec2:DescribePlacementGroups", request.send()).await?;
        Ok(answer.placement_groups().iter().map(found).collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let once = cx.once();
        let request = once
            .ec2()
            .create_placement_group()
            .group_name(want.name)
            .strategy(PlacementStrategy::from(want.spec.strategy.api()))
            .set_partition_count(want.spec.partitions)
            .tag_specifications(tag_specification(ResourceType::PlacementGroup, want.tags));
        let call = async { once.call("ec2:CreatePlacementGroup", request.send()).await.map(|_| want.name.to_owned()) };
        create_once::<Self>(cx, want, Some(want.name), call).await
    }

    async fn update(_: &Context, _: &Update<'_, Spec>) -> Result<(), ApiError> {
        // Only tags can change in place, and those are written for every kind.
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.ec2().delete_placement_group().group_name(delete.id);
        cx.call("ec2:DeletePlacementGroup", request.send()).await.map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        // Tags are written to the id of the API, not to the name.
        let id = object.attributes.get("group_id").and_then(|id| id.as_str()).unwrap_or(&object.id);
        retag(cx, &Object { id: id.to_owned(), ..object.clone() }, set, remove).await
    }
}

fn found(group: &ApiGroup) -> Found<Spec> {
    let id = group.group_name().unwrap_or_default().to_owned();
    let strategy = group.strategy().and_then(|s| Strategy::from_api(s.as_str()));
    Found {
        identifiers: group.group_id().map(str::to_owned).into_iter().collect(),
        attributes: attributes([("id", json!(id)), ("group_id", json!(group.group_id()))]),
        // A strategy that is not known here differs from whatever is declared, and is never changed in silence.
        unread: if strategy.is_none() { vec!["strategy"] } else { Vec::new() },
        spec: Spec { strategy: strategy.unwrap_or(Strategy::Cluster), partitions: group.partition_count(), tags: None },
        status: match group.state() {
            Some(PlacementGroupState::Pending) => Status::Pending("pending".to_owned()),
            Some(PlacementGroupState::Deleting | PlacementGroupState::Deleted) => Status::Deleting,
            _ => Status::Ready,
        },
        tags: from_tags(group.tags()),
        id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::aws::script::Script;

    const GROUP: &str = "<placementGroupSet><item><groupName>p-e-s-it</groupName><groupId>pg-1</groupId>\
        <strategy>partition</strategy><partitionCount>3</partitionCount><state>available</state><tagSet>\
        <item><key>saiken:project</key><value>p</value></item><item><key>saiken:environment</key><value>e</value></item>\
        <item><key>saiken:address</key><value>s/it</value></item><item><key>saiken:generation</key><value>1</value></item>\
        </tagSet></item></placementGroupSet>";

    #[test]
    fn only_a_partition_group_has_partitions() {
        let mut problems = Problems::default();
        PlacementGroup::validate(&Spec { strategy: Strategy::Spread, partitions: Some(3), tags: None }, &mut problems);
        assert_eq!(problems.0[0].path, "partitions");
    }

    #[tokio::test]
    async fn a_group_is_made_once_with_its_tags_even_if_the_answer_is_lost() {
        let script = Script::default().lost("CreatePlacementGroup").ec2("DescribePlacementGroups", GROUP);
        let object = script.create::<PlacementGroup>(json!({"strategy": "partition", "partitions": 3})).await.unwrap();
        assert_eq!((object.id.as_str(), &object.spec["partitions"]), ("p-e-s-it", &json!(3)));
        let asked = script.asked("CreatePlacementGroup");
        assert_eq!(asked.len(), 1);
        assert!(asked[0].contains("PartitionCount=3") && asked[0].contains("saiken%3Aaddress"), "{}", asked[0]);
    }
}
