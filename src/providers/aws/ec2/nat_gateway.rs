//! `nat_gateway`: the way out for servers without public addresses.
//!
//! Stands in one zone, so each zone has its own. Subnet, address, type and private address make a new gateway necessary;
//! the new one comes first, with an address of its own. Secondary addresses change in place. Making one takes minutes; one
//! that failed stays visible for an hour and is replaced. Deleting waits until it is gone, since its address and subnet are
//! in use until then.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNatGateway.html>

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::types::{ConnectivityType, Filter, NatGateway as ApiGateway, NatGatewayState, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::elastic_ip::ElasticIp;
use super::subnet::Subnet;
use super::{attributes, filters, from_tags, retag, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::types::Ref;
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};

/// The kind `nat_gateway`.
pub struct NatGateway;

/// The way out for servers without public addresses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The subnet that it stands in; a public one, for a public gateway.
    #[schemars(extend("x-change" = "replace"))]
    pub subnet: Ref<Subnet>,
    /// Its public address; needed by a public gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub elastic_ip: Option<Ref<ElasticIp>>,
    /// Further public addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub secondary_elastic_ips: Option<Vec<Ref<ElasticIp>>>,
    /// Whether it leads to the internet, or only to other networks.
    #[serde(default = "public")]
    #[schemars(extend("x-change" = "replace"))]
    pub connectivity: Connectivity,
    /// Its address inside the subnet; chosen by the API if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub private_ip: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

fn public() -> Connectivity {
    Connectivity::Public
}

/// Where a NAT gateway leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Connectivity {
    /// To the internet.
    Public,
    /// To other networks.
    Private,
}

impl Kind for NatGateway {
    const NAME: &'static str = "nat_gateway";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "NAT gateway",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateNatGateway.html",
            scope: Scope::Regional,
            data_bearing: false,
            replacement: Replacement::DeleteFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Id, nat-…"),
                    Attribute::stable("public_ip", "Its public address"),
                    Attribute::stable("private_ip", "Its address inside the subnet"),
                ]
            },
            permissions: Permissions {
                read: &["ec2:DescribeNatGateways"],
                create: &["ec2:CreateNatGateway", "ec2:CreateTags", "ec2:AssociateNatGatewayAddress"],
                update: &[
                    "ec2:AssociateNatGatewayAddress",
                    "ec2:DisassociateNatGatewayAddress",
                    "ec2:CreateTags",
                    "ec2:DeleteTags",
                ],
                delete: &["ec2:DeleteNatGateway"],
            },
            name_limit: 0,
            creation_seconds: 120,
            deletion_seconds: 60,
            quota: 5,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        match (spec.connectivity, &spec.elastic_ip) {
            (Connectivity::Public, None) => {
                problems.add(
                    "elastic_ip",
                    "a public gateway needs a public address",
                    "add `elastic_ip`, or `connectivity: private`",
                );
            }
            (Connectivity::Private, Some(_)) => {
                problems.add("elastic_ip", "a private gateway has no public address", "remove `elastic_ip`");
            }
            _ => {}
        }
    }
}

#[async_trait]
impl AwsKind for NatGateway {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let filters = filters(&read.selection, "nat-gateway-id");
        let request = cx.ec2().describe_nat_gateways().set_filter(Some(filters)).max_results(1000);
        let pages = cx.pages("ec2:DescribeNatGateways", request.into_paginator().send()).await?;
        let gateways = pages.iter().flat_map(|p| p.nat_gateways());
        Ok(gateways.filter(|g| g.state() != Some(&NatGatewayState::Deleted)).map(found).collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let address = spec.elastic_ip.as_ref().map(|e| want.id(e)).transpose()?;
        let request = cx
            .ec2()
            .create_nat_gateway()
            .client_token(want.token)
            .subnet_id(want.id(&spec.subnet)?)
            .set_allocation_id(address)
            .set_private_ip_address(spec.private_ip.clone())
            .connectivity_type(match spec.connectivity {
                Connectivity::Public => ConnectivityType::Public,
                Connectivity::Private => ConnectivityType::Private,
            })
            .tag_specifications(tag_specification(ResourceType::Natgateway, want.tags));
        let answer = cx.call("ec2:CreateNatGateway", request.send()).await?;
        let id = answer.nat_gateway().and_then(ApiGateway::nat_gateway_id).unwrap_or_default().to_owned();
        cx.wait(want.watch, "the NAT gateway to be available", Duration::from_secs(600), || async {
            let gateway = live(cx, &id).await?;
            match gateway.as_ref().and_then(|g| g.state()) {
                Some(NatGatewayState::Available) => Ok(Some(())),
                Some(NatGatewayState::Failed) => {
                    let why = gateway.as_ref().and_then(|g| g.failure_message()).unwrap_or("no reason given");
                    Err(ApiError::new("ec2:CreateNatGateway", ErrorClass::Other, format!("the gateway failed: {why}")))
                }
                _ => Ok(None),
            }
        })
        .await?;
        if let Some(more) = spec.secondary_elastic_ips.as_ref().filter(|m| !m.is_empty()) {
            associate(cx, &id, want.ids(more)?).await?;
        }
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let Some(wanted) =
            update.want.spec.secondary_elastic_ips.as_ref().filter(|_| update.changed("secondary_elastic_ips"))
        else {
            return Ok(());
        };
        let wanted = update.want.ids(wanted)?;
        let gateway = live(cx, update.id).await?;
        let have: Vec<(String, String)> = gateway
            .iter()
            .flat_map(|g| g.nat_gateway_addresses())
            .filter(|a| a.is_primary() == Some(false))
            .filter_map(|a| Some((a.allocation_id()?.to_owned(), a.association_id()?.to_owned())))
            .collect();
        let new: Vec<String> = wanted.iter().filter(|w| !have.iter().any(|(a, _)| a == *w)).cloned().collect();
        if !new.is_empty() {
            associate(cx, update.id, new).await?;
        }
        let old: Vec<String> = have.into_iter().filter(|(a, _)| !wanted.contains(a)).map(|(_, s)| s).collect();
        if !old.is_empty() {
            let request =
                cx.ec2().disassociate_nat_gateway_address().nat_gateway_id(update.id).set_association_ids(Some(old));
            cx.call("ec2:DisassociateNatGatewayAddress", request.send()).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        cx.call("ec2:DeleteNatGateway", cx.ec2().delete_nat_gateway().nat_gateway_id(delete.id).send()).await?;
        cx.wait(delete.watch, "the NAT gateway to be gone", Duration::from_secs(900), || async {
            let gateway = live(cx, delete.id).await?;
            let gone = gateway.is_none_or(|g| g.state() == Some(&NatGatewayState::Deleted));
            Ok(gone.then_some(()))
        })
        .await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

async fn live(cx: &Context, id: &str) -> Result<Option<ApiGateway>, ApiError> {
    let ids = [id.to_owned()];
    let filters: Vec<Filter> = filters(&Selection::Ids(&ids), "nat-gateway-id");
    let request = cx.ec2().describe_nat_gateways().set_filter(Some(filters));
    let answer = cx.call("ec2:DescribeNatGateways", request.send()).await?;
    Ok(answer.nat_gateways().first().cloned())
}

async fn associate(cx: &Context, id: &str, addresses: Vec<String>) -> Result<(), ApiError> {
    let request = cx.ec2().associate_nat_gateway_address().nat_gateway_id(id).set_allocation_ids(Some(addresses));
    cx.call("ec2:AssociateNatGatewayAddress", request.send()).await.map(|_| ())
}

fn found(gateway: &ApiGateway) -> Found<Spec> {
    let id = gateway.nat_gateway_id().unwrap_or_default().to_owned();
    let addresses = gateway.nat_gateway_addresses();
    // Older answers do not say which address is the first one: it is the first in the list.
    let primary = addresses.iter().find(|a| a.is_primary() == Some(true)).or(addresses.first());
    let further = addresses.iter().filter(|a| a.is_primary() == Some(false));
    let status = match gateway.state() {
        Some(NatGatewayState::Pending) => Status::Pending("pending".to_owned()),
        Some(NatGatewayState::Failed) => Status::Failed(gateway.failure_message().unwrap_or("failed").to_owned()),
        Some(NatGatewayState::Deleting) => Status::Deleting,
        _ => Status::Ready,
    };
    Found {
        identifiers: Vec::new(),
        attributes: attributes([
            ("id", json!(id)),
            ("public_ip", json!(primary.and_then(|a| a.public_ip()))),
            ("private_ip", json!(primary.and_then(|a| a.private_ip()))),
        ]),
        spec: Spec {
            subnet: Ref::id(gateway.subnet_id().unwrap_or_default()),
            elastic_ip: primary.and_then(|a| a.allocation_id()).map(Ref::id),
            secondary_elastic_ips: Some(further.filter_map(|a| a.allocation_id()).map(Ref::id).collect()),
            connectivity: match gateway.connectivity_type() {
                Some(ConnectivityType::Private) => Connectivity::Private,
                _ => Connectivity::Public,
            },
            private_ip: primary.and_then(|a| a.private_ip()).map(str::to_owned),
            tags: None,
        },
        status,
        tags: from_tags(gateway.tags()),
        unread: Vec::new(),
        id,
    }
}
