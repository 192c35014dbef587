//! `vpc`: a network of one's own.
//!
//! A change of `cidr` or `tenancy` to `dedicated` makes a new network necessary. DNS settings have no page: they cost two
//! calls a network, and are read only where declared. Secondary ranges can be added and removed.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html>

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::types::{ResourceType, Tenancy, Vpc as ApiVpc, VpcAttributeName, VpcCidrBlockStateCode, VpcState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{boolean, filters, from_tags, retag, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::types::Cidr;
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};

/// The kind `vpc`.
pub struct Vpc;

/// A network of one's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// IPv4 range, /16 to /28.
    #[schemars(extend("x-change" = "replace"))]
    pub cidr: Cidr,
    /// Further IPv4 ranges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub secondary_cidrs: Option<Vec<Cidr>>,
    /// Whether servers get DNS host names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub dns_hostnames: Option<bool>,
    /// Whether the network's DNS server answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub dns_support: Option<bool>,
    /// Whether servers run on hardware of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub tenancy: Option<VpcTenancy>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// Hardware that servers run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum VpcTenancy {
    /// Shared.
    Default,
    /// One's own.
    Dedicated,
}

impl Kind for Vpc {
    const NAME: &'static str = "vpc";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "network",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html",
            scope: Scope::Regional,
            data_bearing: false,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "Id, vpc-…"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("owner_account", "Account that owns it"),
                ]
            },
            permissions: Permissions {
                read: &["ec2:DescribeVpcs", "ec2:DescribeVpcAttribute"],
                create: &["ec2:CreateVpc", "ec2:CreateTags", "ec2:ModifyVpcAttribute", "ec2:AssociateVpcCidrBlock"],
                update: &[
                    "ec2:ModifyVpcAttribute",
                    "ec2:AssociateVpcCidrBlock",
                    "ec2:DisassociateVpcCidrBlock",
                    "ec2:CreateTags",
                    "ec2:DeleteTags",
                ],
                delete: &["ec2:DeleteVpc"],
            },
            name_limit: 0,
            creation_seconds: 3,
            deletion_seconds: 1,
            quota: 5,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        let ranges = std::iter::once(("cidr".to_owned(), &spec.cidr))
            .chain(spec.secondary_cidrs.iter().flatten().enumerate().map(|(i, c)| (format!("secondary_cidrs.{i}"), c)));
        for (path, cidr) in ranges {
            if let Some(net) = cidr.net()
                && (net.addr().is_ipv6() || !(16..=28).contains(&net.prefix_len()))
            {
                problems.add(
                    path,
                    format!("`{cidr}` is not an IPv4 range from /16 to /28"),
                    "use 10.0.0.0/16, for one",
                );
            }
        }
    }
}

#[async_trait]
impl AwsKind for Vpc {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let request = cx.ec2().describe_vpcs().set_filters(Some(filters(&read.selection, "vpc-id"))).max_results(1000);
        let pages = cx.pages("ec2:DescribeVpcs", request.into_paginator().send()).await?;
        let reads = pages.iter().flat_map(|p| p.vpcs()).map(|vpc| found(cx, read, vpc));
        futures::future::try_join_all(reads).await
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let request = cx
            .ec2()
            .create_vpc()
            .cidr_block(want.spec.cidr.as_str())
            .set_instance_tenancy(want.spec.tenancy.map(|t| match t {
                VpcTenancy::Default => Tenancy::Default,
                VpcTenancy::Dedicated => Tenancy::Dedicated,
            }))
            .tag_specifications(tag_specification(ResourceType::Vpc, want.tags));
        let answer = cx.call("ec2:CreateVpc", request.send()).await?;
        let id = answer.vpc().and_then(ApiVpc::vpc_id).unwrap_or_default().to_owned();
        let ids = [id.clone()];
        cx.wait(want.watch, "the network to be available", Duration::from_secs(120), || async {
            let filters = filters(&Selection::Ids(&ids), "vpc-id");
            let answer =
                cx.call("ec2:DescribeVpcs", cx.ec2().describe_vpcs().set_filters(Some(filters)).send()).await?;
            Ok(answer.vpcs().first().filter(|v| v.state() == Some(&VpcState::Available)).map(|_| ()))
        })
        .await?;
        set_dns(cx, &id, want.spec, |_| true).await?;
        for cidr in want.spec.secondary_cidrs.iter().flatten() {
            associate(cx, &id, cidr).await?;
        }
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        set_dns(cx, update.id, update.want.spec, |field| update.changed(field)).await?;
        if update.changed("secondary_cidrs") {
            let want = update.want.spec.secondary_cidrs.as_deref().unwrap_or_default();
            let have = update.before.secondary_cidrs.as_deref().unwrap_or_default();
            for cidr in want.iter().filter(|c| !have.contains(c)) {
                associate(cx, update.id, cidr).await?;
            }
            for cidr in have.iter().filter(|c| !want.contains(c)) {
                disassociate(cx, update.id, cidr).await?;
            }
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        cx.call("ec2:DeleteVpc", cx.ec2().delete_vpc().vpc_id(delete.id).send()).await.map(|_| ())
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

/// Turns the API's answer into a spec, with a call for each DNS setting that is declared.
async fn found(cx: &Context, read: &Read<'_>, vpc: &ApiVpc) -> Result<Found<Spec>, ApiError> {
    let id = vpc.vpc_id().unwrap_or_default().to_owned();
    let tags = from_tags(vpc.tags());
    let mut unread = Vec::new();
    let mut dns_hostnames = None;
    let mut dns_support = None;
    for (field, name) in
        [("dns_hostnames", VpcAttributeName::EnableDnsHostnames), ("dns_support", VpcAttributeName::EnableDnsSupport)]
    {
        if !read.wants(field, &tags) {
            unread.push(field);
            continue;
        }
        let request = cx.ec2().describe_vpc_attribute().vpc_id(&id).attribute(name);
        let answer = cx.call("ec2:DescribeVpcAttribute", request.send()).await?;
        if field == "dns_hostnames" {
            dns_hostnames = answer.enable_dns_hostnames().and_then(|v| v.value());
        } else {
            dns_support = answer.enable_dns_support().and_then(|v| v.value());
        }
    }
    let cidr = vpc.cidr_block().unwrap_or_default();
    let secondary = vpc
        .cidr_block_association_set()
        .iter()
        .filter(|a| {
            matches!(
                a.cidr_block_state().and_then(|s| s.state()),
                Some(VpcCidrBlockStateCode::Associated | VpcCidrBlockStateCode::Associating)
            )
        })
        .filter_map(|a| a.cidr_block())
        .filter(|c| *c != cidr)
        .map(|c| parse_cidr("ec2:DescribeVpcs", c))
        .collect::<Result<Vec<_>, _>>()?;
    let account = vpc.owner_id().unwrap_or_default();
    let arn = format!("arn:aws:ec2:{}:{account}:vpc/{id}", cx.region);
    Ok(Found {
        identifiers: vec![arn.clone()],
        attributes: super::attributes([("id", json!(id)), ("arn", json!(arn)), ("owner_account", json!(account))]),
        spec: Spec {
            cidr: parse_cidr("ec2:DescribeVpcs", cidr)?,
            secondary_cidrs: Some(secondary),
            dns_hostnames,
            dns_support,
            tenancy: vpc.instance_tenancy().map(|t| match t {
                Tenancy::Dedicated => VpcTenancy::Dedicated,
                _ => VpcTenancy::Default,
            }),
            tags: None,
        },
        status: match vpc.state() {
            Some(VpcState::Pending) => Status::Pending("pending".to_owned()),
            _ => Status::Ready,
        },
        tags,
        unread,
        id,
    })
}

/// A range from the API in canonical form.
pub(super) fn parse_cidr(operation: &str, text: &str) -> Result<Cidr, ApiError> {
    text.parse()
        .map_err(|e| ApiError::new(operation, ErrorClass::Other, format!("the API gave a range that is none: {e}")))
}

/// DNS host names need DNS support, so support is switched on first and off last; the API takes one setting a call.
async fn set_dns(cx: &Context, id: &str, spec: &Spec, changed: impl Fn(&str) -> bool) -> Result<(), ApiError> {
    let operation = "ec2:ModifyVpcAttribute";
    let support = spec.dns_support.filter(|_| changed("dns_support"));
    let names = spec.dns_hostnames.filter(|_| changed("dns_hostnames"));
    let modify = || cx.ec2().modify_vpc_attribute().vpc_id(id);
    if support == Some(true) {
        cx.call(operation, modify().enable_dns_support(boolean(true)).send()).await?;
    }
    if let Some(names) = names {
        cx.call(operation, modify().enable_dns_hostnames(boolean(names)).send()).await?;
    }
    if support == Some(false) {
        cx.call(operation, modify().enable_dns_support(boolean(false)).send()).await?;
    }
    Ok(())
}

async fn associate(cx: &Context, id: &str, cidr: &Cidr) -> Result<(), ApiError> {
    let request = cx.ec2().associate_vpc_cidr_block().vpc_id(id).cidr_block(cidr.as_str());
    cx.call("ec2:AssociateVpcCidrBlock", request.send()).await.map(|_| ())
}

async fn disassociate(cx: &Context, id: &str, cidr: &Cidr) -> Result<(), ApiError> {
    let ids = [id.to_owned()];
    let request = cx.ec2().describe_vpcs().set_filters(Some(filters(&Selection::Ids(&ids), "vpc-id")));
    let answer = cx.call("ec2:DescribeVpcs", request.send()).await?;
    let association = answer
        .vpcs()
        .iter()
        .flat_map(|v| v.cidr_block_association_set())
        .find(|a| a.cidr_block() == Some(cidr.as_str()))
        .and_then(|a| a.association_id());
    if let Some(association) = association {
        let request = cx.ec2().disassociate_vpc_cidr_block().association_id(association);
        cx.call("ec2:DisassociateVpcCidrBlock", request.send()).await?;
    }
    Ok(())
}
