//! `egress_gateway`: the way out to the internet for IPv6, by which nothing comes in (an egress-only internet gateway).
//!
//! Belongs to one network for all its life: another network makes a new gateway necessary. IPv6 addresses need no NAT, so
//! this takes the place of a NAT gateway, and costs nothing.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateEgressOnlyInternetGateway.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{EgressOnlyInternetGateway as ApiGateway, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::vpc::Vpc;
use super::{attributes, filters, from_tags, retag, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::preflight::View;
use crate::model::types::Ref;
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};
use crate::providers::aws::preflight::kind::{Checked, Needs, Quota, Tally, Use};

/// The kind `egress_gateway`.
pub struct EgressGateway;

/// The way out to the internet for IPv6.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The network.
    #[schemars(extend("x-change" = "replace"))]
    pub vpc: Ref<Vpc>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Kind for EgressGateway {
    const NAME: &'static str = "egress_gateway";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "egress-only internet gateway",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateEgressOnlyInternetGateway.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const { &[Attribute::stable("id", "Id, eigw-…")] },
            permissions: Permissions {
                read: &["ec2:DescribeEgressOnlyInternetGateways"],
                create: &["ec2:CreateEgressOnlyInternetGateway", "ec2:CreateTags"],
                update: &["ec2:CreateTags", "ec2:DeleteTags"],
                delete: &["ec2:DeleteEgressOnlyInternetGateway"],
            },
            name_limit: 0,
            creation_seconds: 3,
            deletion_seconds: 3,
            quota: 5,
            zone_field: None,
            loose_refs: &[],
        }
    }
}

/// <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>
static GATEWAYS: Quota = Quota::new("vpc", "L-45FE3B85", "Egress-only internet gateways per Region");

#[async_trait]
impl Checked for EgressGateway {
    fn needs() -> Needs {
        Needs { resource: "egress-only-internet-gateway/*", only_for: &[] }
    }

    fn uses(_: &View<'_>) -> Vec<Use> {
        vec![Use::one(&GATEWAYS)]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        let request = cx.ec2().describe_egress_only_internet_gateways().max_results(255);
        let pages = cx.pages("ec2:DescribeEgressOnlyInternetGateways", request.into_paginator().send()).await?;
        Ok(Some(Tally::of(pages.iter().flat_map(|p| p.egress_only_internet_gateways()).map(|_| Use::one(&GATEWAYS)))))
    }
}

#[async_trait]
impl AwsKind for EgressGateway {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let mut request = cx.ec2().describe_egress_only_internet_gateways().max_results(255);
        match &read.selection {
            // This API filters by tags only, and fails for an id that is not there.
            Selection::Ids(ids) => {
                let gateways = futures::future::try_join_all(ids.iter().map(|id| live(cx, id))).await?;
                return Ok(gateways.iter().flatten().map(found).collect());
            }
            selection @ (Selection::Owned { .. } | Selection::Tagged(_)) => {
                request = request.set_filters(Some(filters(selection, "")));
            }
        }
        let pages = cx.pages("ec2:DescribeEgressOnlyInternetGateways", request.into_paginator().send()).await?;
        let all = pages.iter().flat_map(|p| p.egress_only_internet_gateways()).map(found);
        Ok(all.filter(|g| read.selection.matches(&g.id, &g.tags)).collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let request = cx
            .ec2()
            .create_egress_only_internet_gateway()
            .client_token(want.token)
            .vpc_id(want.id(&want.spec.vpc)?)
            .tag_specifications(tag_specification(ResourceType::EgressOnlyInternetGateway, want.tags));
        let answer = cx.call("ec2:CreateEgressOnlyInternetGateway", request.send()).await?;
        let gateway = answer.egress_only_internet_gateway();
        Ok(gateway.and_then(ApiGateway::egress_only_internet_gateway_id).unwrap_or_default().to_owned())
    }

    async fn update(_: &Context, _: &Update<'_, Spec>) -> Result<(), ApiError> {
        // Only tags can change in place.
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.ec2().delete_egress_only_internet_gateway().egress_only_internet_gateway_id(delete.id);
        cx.call("ec2:DeleteEgressOnlyInternetGateway", request.send()).await.map(|_| ())
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

async fn live(cx: &Context, id: &str) -> Result<Option<ApiGateway>, ApiError> {
    let request = cx.ec2().describe_egress_only_internet_gateways().egress_only_internet_gateway_ids(id);
    match cx.call("ec2:DescribeEgressOnlyInternetGateways", request.send()).await {
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        other => Ok(other?.egress_only_internet_gateways().first().cloned()),
    }
}

fn found(gateway: &ApiGateway) -> Found<Spec> {
    let id = gateway.egress_only_internet_gateway_id().unwrap_or_default().to_owned();
    let vpc = gateway.attachments().first().and_then(|a| a.vpc_id()).unwrap_or_default();
    Found {
        identifiers: Vec::new(),
        attributes: attributes([("id", json!(id))]),
        spec: Spec { vpc: Ref::id(vpc), tags: None },
        status: Status::Ready,
        tags: from_tags(gateway.tags()),
        unread: Vec::new(),
        id,
    }
}
