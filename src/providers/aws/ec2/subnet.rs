//! `subnet`: a part of a network, in one zone.
//!
//! A change of `vpc`, `zone`, `cidr` or `ipv6_native` makes a new subnet necessary; the new one can stand beside the old
//! one only if its range differs, so a replacement deletes first unless the user says otherwise.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSubnet.html>

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::types::{HostnameType, ResourceType, Subnet as ApiSubnet, SubnetState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::vpc::{Vpc, parse_cidr};
use super::{attributes, boolean, filters, from_tags, retag, tag_specification};
use crate::model::cloud::ApiError;
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::types::{Cidr, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};

/// The kind `subnet`.
pub struct Subnet;

/// A part of a network, in one zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The network.
    #[schemars(extend("x-change" = "replace"))]
    pub vpc: Ref<Vpc>,
    /// Availability zone, such as `ap-northeast-1a`.
    #[schemars(extend("x-change" = "replace"))]
    pub zone: String,
    /// IPv4 range inside the network's, /16 to /28.
    #[schemars(extend("x-change" = "replace"))]
    pub cidr: Cidr,
    /// Whether servers get a public IPv4 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_addresses: Option<bool>,
    /// What the private DNS names of servers are made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname_type: Option<SubnetHostnames>,
    /// Whether a server's resource name answers to DNS queries for IPv4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name_dns: Option<bool>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// What private DNS names are made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SubnetHostnames {
    /// The server's address.
    IpName,
    /// The server's id.
    ResourceName,
}

impl Kind for Subnet {
    const NAME: &'static str = "subnet";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "subnet of a network",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSubnet.html",
            scope: Scope::Regional,
            data_bearing: false,
            replacement: Replacement::DeleteFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "Id, subnet-…"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("zone_id", "Id of the zone, the same in all accounts"),
                ]
            },
            permissions: Permissions {
                read: &["ec2:DescribeSubnets"],
                create: &["ec2:CreateSubnet", "ec2:CreateTags", "ec2:ModifySubnetAttribute"],
                update: &["ec2:ModifySubnetAttribute", "ec2:CreateTags", "ec2:DeleteTags"],
                delete: &["ec2:DeleteSubnet"],
            },
            name_limit: 0,
            creation_seconds: 3,
            deletion_seconds: 1,
            quota: 200,
            zone_field: Some("zone"),
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if let Some(net) = spec.cidr.net()
            && (net.addr().is_ipv6() || !(16..=28).contains(&net.prefix_len()))
        {
            let message = format!("`{}` is not an IPv4 range from /16 to /28", spec.cidr);
            problems.add("cidr", message, "use 10.0.1.0/24, for one");
        }
    }
}

#[async_trait]
impl AwsKind for Subnet {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let request =
            cx.ec2().describe_subnets().set_filters(Some(filters(&read.selection, "subnet-id"))).max_results(1000);
        let pages = cx.pages("ec2:DescribeSubnets", request.into_paginator().send()).await?;
        pages.iter().flat_map(|p| p.subnets()).map(found).collect()
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let request = cx
            .ec2()
            .create_subnet()
            .vpc_id(want.id(&want.spec.vpc)?)
            .availability_zone(&want.spec.zone)
            .cidr_block(want.spec.cidr.as_str())
            .tag_specifications(tag_specification(ResourceType::Subnet, want.tags));
        let answer = cx.call("ec2:CreateSubnet", request.send()).await?;
        let id = answer.subnet().and_then(ApiSubnet::subnet_id).unwrap_or_default().to_owned();
        let ids = [id.clone()];
        cx.wait(want.watch, "the subnet to be available", Duration::from_secs(120), || async {
            let filters = filters(&Selection::Ids(&ids), "subnet-id");
            let request = cx.ec2().describe_subnets().set_filters(Some(filters));
            let answer = cx.call("ec2:DescribeSubnets", request.send()).await?;
            Ok(answer.subnets().first().filter(|s| s.state() == Some(&SubnetState::Available)).map(|_| ()))
        })
        .await?;
        set_attributes(cx, &id, want.spec, |_| true).await?;
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        set_attributes(cx, update.id, update.want.spec, |field| update.changed(field)).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        cx.call("ec2:DeleteSubnet", cx.ec2().delete_subnet().subnet_id(delete.id).send()).await.map(|_| ())
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

fn found(subnet: &ApiSubnet) -> Result<Found<Spec>, ApiError> {
    let id = subnet.subnet_id().unwrap_or_default().to_owned();
    let options = subnet.private_dns_name_options_on_launch();
    Ok(Found {
        identifiers: subnet.subnet_arn().map(str::to_owned).into_iter().collect(),
        attributes: attributes([
            ("id", json!(id)),
            ("arn", json!(subnet.subnet_arn())),
            ("zone_id", json!(subnet.availability_zone_id())),
        ]),
        spec: Spec {
            vpc: Ref::id(subnet.vpc_id().unwrap_or_default()),
            zone: subnet.availability_zone().unwrap_or_default().to_owned(),
            cidr: parse_cidr("ec2:DescribeSubnets", subnet.cidr_block().unwrap_or_default())?,
            public_addresses: subnet.map_public_ip_on_launch(),
            hostname_type: options.and_then(|o| o.hostname_type()).map(|t| match t {
                HostnameType::ResourceName => SubnetHostnames::ResourceName,
                _ => SubnetHostnames::IpName,
            }),
            resource_name_dns: options.and_then(|o| o.enable_resource_name_dns_a_record()),
            tags: None,
        },
        status: match subnet.state() {
            Some(SubnetState::Pending) => Status::Pending("pending".to_owned()),
            Some(SubnetState::Failed | SubnetState::FailedInsufficientCapacity) => Status::Failed("failed".to_owned()),
            _ => Status::Ready,
        },
        tags: from_tags(subnet.tags()),
        unread: Vec::new(),
        id,
    })
}

/// The API takes one attribute a call.
async fn set_attributes(cx: &Context, id: &str, spec: &Spec, changed: impl Fn(&str) -> bool) -> Result<(), ApiError> {
    let operation = "ec2:ModifySubnetAttribute";
    let modify = || cx.ec2().modify_subnet_attribute().subnet_id(id);
    if let Some(value) = spec.public_addresses.filter(|_| changed("public_addresses")) {
        cx.call(operation, modify().map_public_ip_on_launch(boolean(value)).send()).await?;
    }
    if let Some(value) = spec.hostname_type.filter(|_| changed("hostname_type")) {
        let value = match value {
            SubnetHostnames::IpName => HostnameType::IpName,
            SubnetHostnames::ResourceName => HostnameType::ResourceName,
        };
        cx.call(operation, modify().private_dns_hostname_type_on_launch(value).send()).await?;
    }
    if let Some(value) = spec.resource_name_dns.filter(|_| changed("resource_name_dns")) {
        cx.call(operation, modify().enable_resource_name_dns_a_record_on_launch(boolean(value)).send()).await?;
    }
    Ok(())
}
