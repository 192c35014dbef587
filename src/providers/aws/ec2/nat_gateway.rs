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
use aws_sdk_ec2::types::{
    ConnectivityType, Filter, NatGateway as ApiGateway, NatGatewayAddress, NatGatewayAddressStatus, NatGatewayState,
    ResourceType,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::elastic_ip::ElasticIp;
use super::subnet::Subnet;
use super::{attributes, filters, from_tags, retag, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::preflight::View;
use crate::model::types::Ref;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};
use crate::providers::aws::preflight::kind::{Checked, Needs, Quota, Tally, Use};

/// Longest time until a new gateway is usable.
const USABLE_WITHIN: Duration = Duration::from_secs(600);
/// Longest time until addresses have come or gone, connections over them drained, or a deleted gateway is gone.
const SETTLED_WITHIN: Duration = Duration::from_secs(900);

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
    /// Further addresses inside the subnet (private gateways); either this or `secondary_private_ip_count`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub secondary_private_ips: Option<Vec<String>>,
    /// How many further addresses inside the subnet it has, chosen by the API, 0 to 31 (private gateways).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 31))]
    pub secondary_private_ip_count: Option<u8>,
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
            data: None,
            replacement: Replacement::DeleteFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Id, nat-…"),
                    Attribute::stable("public_ip", "Its public address"),
                    Attribute::stable("private_ip", "Its address inside the subnet"),
                    Attribute::stable("network_interface_id", "Id of its network interface, eni-…"),
                    Attribute::stable("vpc_id", "Id of the network"),
                ]
            },
            permissions: Permissions {
                read: &["ec2:DescribeNatGateways", "ec2:DescribeSubnets"],
                create: &["ec2:CreateNatGateway", "ec2:CreateTags"],
                update: &[
                    "ec2:AssociateNatGatewayAddress",
                    "ec2:DisassociateNatGatewayAddress",
                    "ec2:AssignPrivateNatGatewayAddress",
                    "ec2:UnassignPrivateNatGatewayAddress",
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
        let private = spec.connectivity == Connectivity::Private;
        for (field, given, wrong, help) in [
            ("secondary_elastic_ips", spec.secondary_elastic_ips.is_some(), private, "use `secondary_private_ips`"),
            ("secondary_private_ips", spec.secondary_private_ips.is_some(), !private, "use `secondary_elastic_ips`"),
            (
                "secondary_private_ip_count",
                spec.secondary_private_ip_count.is_some(),
                !private,
                "use `secondary_elastic_ips`",
            ),
        ] {
            if given && wrong {
                let sort = if private { "private" } else { "public" };
                problems.add(field, format!("a {sort} gateway is given its {sort} addresses"), help);
            }
        }
        if spec.secondary_private_ips.is_some() && spec.secondary_private_ip_count.is_some() {
            problems.add("secondary_private_ip_count", "the addresses are given already", "keep one of the two");
        }
    }
}

/// <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>
static GATEWAYS: Quota = Quota::new("vpc", "L-FE5A380F", "NAT gateways per Availability Zone");

#[async_trait]
impl Checked for NatGateway {
    fn needs() -> Needs {
        Needs {
            resource: "natgateway/*",
            only_for: &[
                ("ec2:AssociateNatGatewayAddress", &["secondary_elastic_ips"]),
                ("ec2:DisassociateNatGatewayAddress", &["secondary_elastic_ips"]),
                ("ec2:AssignPrivateNatGatewayAddress", &["secondary_private_ips", "secondary_private_ip_count"]),
                ("ec2:UnassignPrivateNatGatewayAddress", &["secondary_private_ips", "secondary_private_ip_count"]),
            ],
        }
    }

    fn uses(view: &View<'_>) -> Vec<Use> {
        view.zones("subnet").into_iter().map(|zone| Use::of(&GATEWAYS, zone)).collect()
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        let states = ["pending", "available", "deleting"].map(str::to_owned).to_vec();
        let state = Filter::builder().name("state").set_values(Some(states)).build();
        let gateways = cx.ec2().describe_nat_gateways().filter(state).max_results(1000);
        let subnets = cx.ec2().describe_subnets().max_results(1000);
        let (gateways, subnets) = futures::try_join!(
            cx.pages("ec2:DescribeNatGateways", gateways.into_paginator().send()),
            cx.pages("ec2:DescribeSubnets", subnets.into_paginator().send()),
        )?;
        let zones: BTreeMap<&str, &str> = subnets
            .iter()
            .flat_map(|p| p.subnets())
            .filter_map(|s| Some((s.subnet_id()?, s.availability_zone()?)))
            .collect();
        let standing = gateways.iter().flat_map(|p| p.nat_gateways()).filter_map(|g| zones.get(g.subnet_id()?));
        Ok(Some(Tally::of(standing.map(|zone| Use::of(&GATEWAYS, zone)))))
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
        let more = spec.secondary_elastic_ips.as_ref().filter(|m| !m.is_empty()).map(|m| want.ids(m)).transpose()?;
        let request = cx
            .ec2()
            .create_nat_gateway()
            .client_token(want.token)
            .subnet_id(want.id(&spec.subnet)?)
            .set_allocation_id(address)
            .set_private_ip_address(spec.private_ip.clone())
            .set_secondary_allocation_ids(more)
            .set_secondary_private_ip_addresses(spec.secondary_private_ips.clone().filter(|ips| !ips.is_empty()))
            .set_secondary_private_ip_address_count(spec.secondary_private_ip_count.filter(|c| *c > 0).map(i32::from))
            .connectivity_type(match spec.connectivity {
                Connectivity::Public => ConnectivityType::Public,
                Connectivity::Private => ConnectivityType::Private,
            })
            .tag_specifications(tag_specification(ResourceType::Natgateway, want.tags));
        let answer = cx.call("ec2:CreateNatGateway", request.send()).await?;
        let id = answer.nat_gateway().and_then(ApiGateway::nat_gateway_id).unwrap_or_default().to_owned();
        cx.wait(want.watch, &format!("{id} to be available"), USABLE_WITHIN, || async {
            let gateway = live(cx, &id).await?;
            match gateway.as_ref().and_then(|g| g.state()) {
                Some(NatGatewayState::Available) => Ok(Look::Done(())),
                Some(NatGatewayState::Failed) => {
                    let why = gateway.as_ref().and_then(|g| g.failure_message()).unwrap_or("no reason given");
                    Err(ApiError::new("ec2:CreateNatGateway", ErrorClass::Other, format!("the gateway failed: {why}")))
                }
                now => Ok(Look::not(now.map(NatGatewayState::as_str))),
            }
        })
        .await?;
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let spec = update.want.spec;
        let gateway = live(cx, update.id).await?.ok_or_else(|| {
            let message = format!("the NAT gateway '{}' does not exist", update.id);
            ApiError::new("ec2:DescribeNatGateways", ErrorClass::NotFound, message)
        })?;
        if let Some(wanted) = spec.secondary_elastic_ips.as_ref().filter(|_| update.changed("secondary_elastic_ips")) {
            settle_public(cx, &gateway, &update.want.ids(wanted)?).await?;
            settled(cx, update).await?;
        }
        if let Some(wanted) = spec.secondary_private_ips.as_ref().filter(|_| update.changed("secondary_private_ips")) {
            let have = secondary_private(&gateway);
            let new = wanted.iter().filter(|w| !have.contains(w)).cloned().collect();
            let old = have.iter().filter(|h| !wanted.contains(h)).cloned().collect();
            assign(cx, update.id, new, 0).await?;
            unassign(cx, update.id, old).await?;
            settled(cx, update).await?;
        }
        if let Some(count) = spec.secondary_private_ip_count.filter(|_| update.changed("secondary_private_ip_count")) {
            let have = secondary_private(&gateway);
            let count = usize::from(count);
            assign(cx, update.id, Vec::new(), count.saturating_sub(have.len())).await?;
            unassign(cx, update.id, have.into_iter().skip(count).collect()).await?;
            settled(cx, update).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        cx.call("ec2:DeleteNatGateway", cx.ec2().delete_nat_gateway().nat_gateway_id(delete.id).send()).await?;
        cx.wait(delete.watch, &format!("{} to be gone", delete.id), SETTLED_WITHIN, || async {
            let gateway = live(cx, delete.id).await?;
            let now = gateway.as_ref().and_then(|g| g.state());
            let gone = gateway.is_none() || now == Some(&NatGatewayState::Deleted);
            Ok(Look::when(gone, now.map(NatGatewayState::as_str)))
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

/// Waits until no address of a gateway is coming or going. Connections over one that goes are drained first.
async fn settled(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    use NatGatewayAddressStatus::{Assigning, Associating, Disassociating, Failed, Unassigning};
    cx.wait(update.want.watch, &format!("the addresses of {}", update.id), SETTLED_WITHIN, || async {
        let Some(gateway) = live(cx, update.id).await? else { return Ok(Look::Done(())) };
        let addresses = gateway.nat_gateway_addresses();
        if let Some(failed) = addresses.iter().find(|a| a.status() == Some(&Failed)) {
            let message = format!("an address failed: {}", failed.failure_message().unwrap_or("no reason given"));
            return Err(ApiError::new("ec2:DescribeNatGateways", ErrorClass::Other, message));
        }
        let moving = |s: &NatGatewayAddressStatus| matches!(s, Assigning | Associating | Disassociating | Unassigning);
        let now = addresses.iter().filter_map(|a| a.status()).find(|s| moving(s));
        Ok(Look::when(now.is_none(), now.map(NatGatewayAddressStatus::as_str)))
    })
    .await
}

/// Addresses beside the first one.
fn secondary(gateway: &ApiGateway) -> impl Iterator<Item = &NatGatewayAddress> {
    use NatGatewayAddressStatus::{Disassociating, Unassigning};
    let going = |a: &NatGatewayAddress| matches!(a.status(), Some(Disassociating | Unassigning));
    gateway.nat_gateway_addresses().iter().filter(move |a| a.is_primary() == Some(false) && !going(a))
}

fn secondary_private(gateway: &ApiGateway) -> Vec<String> {
    secondary(gateway).filter_map(|a| a.private_ip()).map(str::to_owned).collect()
}

/// Adds the public addresses wanted, then takes away those that are too much.
async fn settle_public(cx: &Context, gateway: &ApiGateway, wanted: &[String]) -> Result<(), ApiError> {
    let id = gateway.nat_gateway_id().unwrap_or_default();
    let have: Vec<(&str, &str)> =
        secondary(gateway).filter_map(|a| Some((a.allocation_id()?, a.association_id()?))).collect();
    let new: Vec<String> = wanted.iter().filter(|w| !have.iter().any(|(a, _)| a == w)).cloned().collect();
    if !new.is_empty() {
        let request = cx.ec2().associate_nat_gateway_address().nat_gateway_id(id).set_allocation_ids(Some(new));
        cx.call("ec2:AssociateNatGatewayAddress", request.send()).await?;
    }
    let old: Vec<String> = have
        .iter()
        .filter(|(allocation, _)| !wanted.iter().any(|w| w == allocation))
        .map(|(_, association)| (*association).to_owned())
        .collect();
    if !old.is_empty() {
        let request = cx.ec2().disassociate_nat_gateway_address().nat_gateway_id(id).set_association_ids(Some(old));
        cx.call("ec2:DisassociateNatGatewayAddress", request.send()).await?;
    }
    Ok(())
}

/// Gives a private gateway these addresses, or so many of the API's choice.
async fn assign(cx: &Context, id: &str, addresses: Vec<String>, count: usize) -> Result<(), ApiError> {
    if addresses.is_empty() && count == 0 {
        return Ok(());
    }
    let request = cx
        .ec2()
        .assign_private_nat_gateway_address()
        .nat_gateway_id(id)
        .set_private_ip_addresses((!addresses.is_empty()).then_some(addresses))
        .set_private_ip_address_count(i32::try_from(count).ok().filter(|c| *c > 0));
    cx.call("ec2:AssignPrivateNatGatewayAddress", request.send()).await.map(|_| ())
}

async fn unassign(cx: &Context, id: &str, addresses: Vec<String>) -> Result<(), ApiError> {
    if addresses.is_empty() {
        return Ok(());
    }
    let request =
        cx.ec2().unassign_private_nat_gateway_address().nat_gateway_id(id).set_private_ip_addresses(Some(addresses));
    cx.call("ec2:UnassignPrivateNatGatewayAddress", request.send()).await.map(|_| ())
}

fn found(gateway: &ApiGateway) -> Found<Spec> {
    let id = gateway.nat_gateway_id().unwrap_or_default().to_owned();
    let addresses = gateway.nat_gateway_addresses();
    // Older answers do not say which address is the first one: it is the first in the list.
    let primary = addresses.iter().find(|a| a.is_primary() == Some(true)).or(addresses.first());
    let private = gateway.connectivity_type() == Some(&ConnectivityType::Private);
    let further = secondary_private(gateway);
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
            ("network_interface_id", json!(primary.and_then(|a| a.network_interface_id()))),
            ("vpc_id", json!(gateway.vpc_id())),
        ]),
        spec: Spec {
            subnet: Ref::id(gateway.subnet_id().unwrap_or_default()),
            elastic_ip: primary.and_then(|a| a.allocation_id()).map(Ref::id),
            secondary_elastic_ips: Some(secondary(gateway).filter_map(|a| a.allocation_id()).map(Ref::id).collect()),
            connectivity: if private { Connectivity::Private } else { Connectivity::Public },
            private_ip: primary.and_then(|a| a.private_ip()).map(str::to_owned),
            secondary_private_ip_count: u8::try_from(further.len()).ok().filter(|_| private),
            secondary_private_ips: private.then_some(further),
            tags: None,
        },
        status,
        tags: from_tags(gateway.tags()),
        unread: Vec::new(),
        id,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::providers::aws::script::Script;

    fn problems(spec: Value) -> Vec<String> {
        let mut problems = Problems::default();
        NatGateway::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect()
    }

    #[test]
    fn addresses_go_with_the_sort_of_gateway() {
        assert_eq!(
            problems(json!({"subnet": "a/b", "elastic_ip": "a/c", "secondary_private_ip_count": 2})),
            ["secondary_private_ip_count: a public gateway is given its public addresses"]
        );
        assert_eq!(
            problems(json!({"subnet": "a/b", "connectivity": "private", "secondary_elastic_ips": ["a/c"]})),
            ["secondary_elastic_ips: a private gateway is given its private addresses"]
        );
    }

    fn gateway(connectivity: &str, addresses: &[(&str, &str, &str)]) -> String {
        let items: String = addresses
            .iter()
            .map(|(name, status, primary)| {
                format!(
                    "<item><allocationId>eipalloc-{name}</allocationId><associationId>assoc-{name}</associationId>\
                     <privateIp>10.0.0.{name}</privateIp><status>{status}</status><isPrimary>{primary}</isPrimary></item>"
                )
            })
            .collect();
        format!(
            "<natGatewaySet><item><natGatewayId>nat-1</natGatewayId><subnetId>subnet-1</subnetId><state>available</state>\
             <connectivityType>{connectivity}</connectivityType><natGatewayAddressSet>{items}</natGatewayAddressSet></item>\
             </natGatewaySet>"
        )
    }

    #[tokio::test]
    async fn secondary_public_addresses_are_added_before_others_are_drained() {
        let old = [("1", "succeeded", "true"), ("2", "succeeded", "false")];
        let moving = [("1", "succeeded", "true"), ("2", "disassociating", "false"), ("3", "associating", "false")];
        let new = [("1", "succeeded", "true"), ("3", "succeeded", "false")];
        let script = Script::default()
            .ec2("DescribeNatGateways", &gateway("public", &old))
            .ec2("DescribeNatGateways", &gateway("public", &moving))
            .ec2("DescribeNatGateways", &gateway("public", &new))
            .ec2("AssociateNatGatewayAddress", "")
            .ec2("DisassociateNatGatewayAddress", "");
        let spec = |id: &str| {
            json!({"subnet": {"id": "subnet-1"}, "elastic_ip": {"id": "eipalloc-1"}, "connectivity": "public",
                "secondary_elastic_ips": [{"id": id}]})
        };
        let object = script.update::<NatGateway>("nat-1", spec("eipalloc-2"), spec("eipalloc-3")).await.unwrap();
        let order: Vec<String> = script.operations().into_iter().filter(|o| !o.starts_with("Describe")).collect();
        assert_eq!(order, ["AssociateNatGatewayAddress", "DisassociateNatGatewayAddress"]);
        assert!(script.asked("DisassociateNatGatewayAddress").join("").contains("assoc-2"));
        assert_eq!(object.spec["secondary_elastic_ips"], json!([{"id": "eipalloc-3"}]));
    }

    #[tokio::test]
    async fn a_private_gateway_is_given_addresses_by_count_and_by_name() {
        let one = [("1", "succeeded", "true"), ("2", "succeeded", "false")];
        let two = [("1", "succeeded", "true"), ("2", "succeeded", "false"), ("3", "succeeded", "false")];
        let spec =
            |field: &str, value: Value| json!({"subnet": {"id": "subnet-1"}, "connectivity": "private", field: value});
        let script = Script::default()
            .ec2("DescribeNatGateways", &gateway("private", &one))
            .ec2("DescribeNatGateways", &gateway("private", &two))
            .ec2("AssignPrivateNatGatewayAddress", "")
            .ec2("UnassignPrivateNatGatewayAddress", "");
        let count = |n: u8| spec("secondary_private_ip_count", json!(n));
        let object = script.update::<NatGateway>("nat-1", count(1), count(2)).await.unwrap();
        assert!(script.asked("AssignPrivateNatGatewayAddress").join("").contains("PrivateIpAddressCount=1"));
        assert_eq!(object.spec["secondary_private_ip_count"], 2);
        let ips = |ip: &str| spec("secondary_private_ips", json!([ip]));
        script.update::<NatGateway>("nat-1", ips("10.0.0.3"), ips("10.0.0.9")).await.unwrap();
        assert!(script.asked("AssignPrivateNatGatewayAddress")[1].contains("PrivateIpAddress.1=10.0.0.9"));
        let gone = script.asked("UnassignPrivateNatGatewayAddress").join("");
        assert!(gone.contains("10.0.0.2") && gone.contains("10.0.0.3"), "{gone}");
    }

    #[tokio::test]
    async fn all_addresses_of_a_new_gateway_are_in_the_creating_call() {
        let script = Script::default()
            .ec2("CreateNatGateway", "<natGateway><natGatewayId>nat-1</natGatewayId></natGateway>")
            .ec2("DescribeNatGateways", &gateway("public", &[("1", "succeeded", "true")]));
        let spec = json!({"subnet": "s/other", "elastic_ip": {"id": "eipalloc-1"}, "private_ip": "10.0.0.1",
            "secondary_elastic_ips": [{"id": "eipalloc-2"}]});
        script.create::<NatGateway>(spec).await.unwrap();
        let asked = script.asked("CreateNatGateway").join("");
        for part in ["SecondaryAllocationId.1=eipalloc-2", "PrivateIpAddress=10.0.0.1", "AllocationId=eipalloc-1"] {
            assert!(asked.contains(part), "{part}: {asked}");
        }
    }
}
