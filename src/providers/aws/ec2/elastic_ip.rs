//! `elastic_ip`: a public IPv4 address of one's own.
//!
//! What uses it (a NAT gateway, a server) refers to it; on release it must be free. A change of pool or border group
//! makes a new address necessary. An address that was released rarely comes back, so releasing it counts as serving.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AllocateAddress.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{Address as ApiAddress, DomainType, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{attributes, filters, from_tags, retag, tag_specification};
use crate::model::cloud::ApiError;
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Tags, Update};

/// The kind `elastic_ip`.
pub struct ElasticIp;

/// A public IPv4 address of one's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Pool of one's own addresses that it is taken from; Amazon's if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub pool: Option<String>,
    /// Group of zones that it is announced from, such as `ap-northeast-1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub border_group: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Kind for ElasticIp {
    const NAME: &'static str = "elastic_ip";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "public address",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AllocateAddress.html",
            scope: Scope::Regional,
            data_bearing: false,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Allocation id, eipalloc-…"),
                    Attribute::stable("public_ip", "The address"),
                    Attribute::stable("border_group", "Group of zones that it is announced from"),
                ]
            },
            permissions: Permissions {
                read: &["ec2:DescribeAddresses"],
                create: &["ec2:AllocateAddress", "ec2:CreateTags"],
                update: &["ec2:CreateTags", "ec2:DeleteTags"],
                delete: &["ec2:ReleaseAddress"],
            },
            name_limit: 0,
            creation_seconds: 2,
            deletion_seconds: 1,
            quota: 5,
            zone_field: None,
            loose_refs: &[],
        }
    }
}

#[async_trait]
impl AwsKind for ElasticIp {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let filters = filters(&read.selection, "allocation-id");
        // This API has no pages: one answer holds all.
        let request = cx.ec2().describe_addresses().set_filters(Some(filters));
        let answer = cx.call("ec2:DescribeAddresses", request.send()).await?;
        Ok(answer.addresses().iter().map(found).collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let request = cx
            .ec2()
            .allocate_address()
            .domain(DomainType::Vpc)
            .set_public_ipv4_pool(want.spec.pool.clone())
            .set_network_border_group(want.spec.border_group.clone())
            .tag_specifications(tag_specification(ResourceType::ElasticIp, want.tags));
        let answer = cx.call("ec2:AllocateAddress", request.send()).await?;
        Ok(answer.allocation_id().unwrap_or_default().to_owned())
    }

    async fn update(_: &Context, _: &Update<'_, Spec>) -> Result<(), ApiError> {
        // Only tags can change in place.
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.ec2().release_address().allocation_id(delete.id);
        cx.call("ec2:ReleaseAddress", request.send()).await.map(|_| ())
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

fn found(address: &ApiAddress) -> Found<Spec> {
    let id = address.allocation_id().unwrap_or_default().to_owned();
    Found {
        identifiers: address.public_ip().map(str::to_owned).into_iter().collect(),
        attributes: attributes([
            ("id", json!(id)),
            ("public_ip", json!(address.public_ip())),
            ("border_group", json!(address.network_border_group())),
        ]),
        spec: Spec {
            pool: address.public_ipv4_pool().filter(|p| *p != "amazon").map(str::to_owned),
            border_group: address.network_border_group().map(str::to_owned),
            tags: None,
        },
        status: Status::Ready,
        tags: from_tags(address.tags()),
        unread: Vec::new(),
        id,
    }
}
