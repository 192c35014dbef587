//! EC2: networks, servers, volumes. What its kinds share: tags and filters.

pub mod egress_gateway;
pub mod elastic_ip;
pub mod flow_log;
pub mod instance;
mod instance_calls;
pub mod internet_gateway;
pub mod launch_template;
mod launch_template_data;
pub mod nat_gateway;
#[cfg(test)]
mod placement_group;
pub mod route_table;
mod route_table_routes;
pub mod security_group;
mod security_group_rules;
pub mod server;
pub mod snapshot;
pub mod subnet;
pub mod volume;
mod volume_points;
pub mod vpc;
pub mod vpc_endpoint;
mod vpc_parts;

use aws_sdk_ec2::types::{AttributeBooleanValue, Filter, ResourceType, Tag, TagSpecification};

use serde_json::{Map, Value};

use super::arns::partition;
use super::client::Context;
use super::kind::{Selection, Tags};
use crate::model::cloud::ApiError;
use crate::model::observed::Object;

/// The filters of a selection; `id_filter` is the name of the API's filter by id (`vpc-id`).
pub(super) fn filters(selection: &Selection<'_>, id_filter: &str) -> Vec<Filter> {
    match (selection, selection.tags()) {
        (Selection::Ids(ids), _) => {
            vec![Filter::builder().name(id_filter).set_values(Some(ids.to_vec())).build()]
        }
        (Selection::Owned { .. } | Selection::Tagged(_), tags) => tags
            .unwrap_or_default()
            .into_iter()
            .map(|(key, value)| Filter::builder().name(format!("tag:{key}")).values(value).build())
            .collect(),
    }
}

/// Tags for a creating call.
pub(super) fn tag_specification(resource: ResourceType, tags: &Tags) -> TagSpecification {
    TagSpecification::builder().resource_type(resource).set_tags(Some(to_tags(tags))).build()
}

/// Tags in the API's form.
pub(super) fn to_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(k, v)| Tag::builder().key(k).value(v).build()).collect()
}

/// Tags from the API's form.
pub(super) fn from_tags(tags: &[Tag]) -> Tags {
    tags.iter().filter_map(|t| Some((t.key()?.to_owned(), t.value().unwrap_or_default().to_owned()))).collect()
}

/// A boolean in the API's form.
pub(super) fn boolean(value: bool) -> AttributeBooleanValue {
    AttributeBooleanValue::builder().value(value).build()
}

/// Sets and removes tags of any EC2 object.
pub(super) async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
    if !set.is_empty() {
        let request = cx.ec2().create_tags().resources(&object.id).set_tags(Some(to_tags(set)));
        cx.call("ec2:CreateTags", request.send()).await?;
    }
    if !remove.is_empty() {
        let tags = remove.iter().map(|k| Tag::builder().key(k).build()).collect();
        let request = cx.ec2().delete_tags().resources(&object.id).set_tags(Some(tags));
        cx.call("ec2:DeleteTags", request.send()).await?;
    }
    Ok(())
}

/// The ARN of an object, which this API mostly does not tell: `resource` is the word before its id (`route-table`).
fn arn(region: &str, account: &str, resource: &str, id: &str) -> String {
    format!("arn:{}:ec2:{region}:{account}:{resource}/{id}", partition(region))
}

/// A map of attributes.
pub(in crate::providers::aws) fn attributes<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k.to_owned(), v)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arns_are_of_the_partition_of_their_region() {
        for (region, partition) in
            [("ap-northeast-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")]
        {
            assert_eq!(arn(region, "1", "vpc", "vpc-1"), format!("arn:{partition}:ec2:{region}:1:vpc/vpc-1"));
        }
    }
}
