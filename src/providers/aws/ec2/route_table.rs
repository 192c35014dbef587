//! `route_table`: where packets go, for the subnets that are associated with it.
//!
//! Routes and associations are part of it. Only `vpc` makes a new table necessary. Routes that the API makes itself are not
//! looked at: the local one, those that a gateway endpoint adds, and propagated ones. A subnet belongs to one table: an
//! association moves it from another one, without a gap.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRouteTable.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{ResourceType, Route as ApiRoute, RouteOrigin, RouteTable as ApiTable};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::internet_gateway::InternetGateway;
use super::nat_gateway::NatGateway;
use super::subnet::Subnet;
use super::vpc::Vpc;
use super::{attributes, filters, from_tags, retag, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::types::{Cidr, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};

/// The kind `route_table`.
pub struct RouteTable;

/// Where packets go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The network.
    #[schemars(extend("x-change" = "replace"))]
    pub vpc: Ref<Vpc>,
    /// Routes; all but those that the API makes itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub routes: Option<Vec<Route>>,
    /// Subnets that use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub subnets: Option<Vec<Ref<Subnet>>>,
    /// Ids of virtual private gateways that add their routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub propagating_gateways: Option<Vec<String>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// One route: one destination, one target.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RouteTableRoute")]
pub struct Route {
    /// Destination: an IPv4 range, `0.0.0.0/0` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidr: Option<Cidr>,
    /// Destination: an IPv6 range, `::/0` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6_cidr: Option<Cidr>,
    /// Destination: id of a prefix list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_list: Option<String>,
    /// Target: an internet gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Ref<InternetGateway>>,
    /// Target: a NAT gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nat_gateway: Option<Ref<NatGateway>>,
    /// Target: id of a virtual private gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_gateway: Option<String>,
    /// Target: id of an egress-only internet gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress_only_gateway: Option<String>,
    /// Target: id of a network interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_interface: Option<String>,
    /// Target: id of a transit gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transit_gateway: Option<String>,
    /// Target: id of a peering connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peering: Option<String>,
    /// Target: id of a gateway load balancer's endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balancer_endpoint: Option<String>,
}

impl Route {
    fn destination(&self) -> String {
        let ranges = [self.cidr.as_ref(), self.ipv6_cidr.as_ref()];
        let range = ranges.into_iter().flatten().next().map(|c| c.as_str().to_owned());
        range.or_else(|| self.prefix_list.clone()).unwrap_or_default()
    }

    fn targets(&self) -> usize {
        usize::from(self.gateway.is_some())
            + usize::from(self.nat_gateway.is_some())
            + [
                &self.virtual_gateway,
                &self.egress_only_gateway,
                &self.network_interface,
                &self.transit_gateway,
                &self.peering,
                &self.balancer_endpoint,
            ]
            .iter()
            .filter(|t| t.is_some())
            .count()
    }
}

impl Kind for RouteTable {
    const NAME: &'static str = "route_table";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "route table",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateRouteTable.html",
            scope: Scope::Regional,
            data_bearing: false,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const { &[Attribute::stable("id", "Id, rtb-…"), Attribute::stable("arn", "ARN")] },
            permissions: Permissions {
                read: &["ec2:DescribeRouteTables"],
                create: &[
                    "ec2:CreateRouteTable",
                    "ec2:CreateTags",
                    "ec2:CreateRoute",
                    "ec2:AssociateRouteTable",
                    "ec2:ReplaceRouteTableAssociation",
                    "ec2:EnableVgwRoutePropagation",
                ],
                update: &[
                    "ec2:CreateRoute",
                    "ec2:ReplaceRoute",
                    "ec2:DeleteRoute",
                    "ec2:AssociateRouteTable",
                    "ec2:ReplaceRouteTableAssociation",
                    "ec2:DisassociateRouteTable",
                    "ec2:EnableVgwRoutePropagation",
                    "ec2:DisableVgwRoutePropagation",
                    "ec2:CreateTags",
                    "ec2:DeleteTags",
                ],
                delete: &["ec2:DisassociateRouteTable", "ec2:DeleteRouteTable"],
            },
            name_limit: 0,
            creation_seconds: 3,
            deletion_seconds: 2,
            quota: 200,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        let mut seen = Vec::new();
        for (i, route) in spec.routes.iter().flatten().enumerate() {
            let path = format!("routes.{i}");
            let destinations = usize::from(route.cidr.is_some())
                + usize::from(route.ipv6_cidr.is_some())
                + usize::from(route.prefix_list.is_some());
            if destinations != 1 {
                problems.add(&path, "a route has one destination", "give one of `cidr`, `ipv6_cidr`, `prefix_list`");
            }
            if route.targets() != 1 {
                problems.add(
                    &path,
                    "a route has one target",
                    "give one of `gateway`, `nat_gateway`, `transit_gateway`, …",
                );
            }
            if seen.contains(&route.destination()) {
                problems.add(&path, format!("a second route to `{}`", route.destination()), "keep one of them");
            }
            seen.push(route.destination());
        }
    }
}

#[async_trait]
impl AwsKind for RouteTable {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let filters = filters(&read.selection, "route-table-id");
        let request = cx.ec2().describe_route_tables().set_filters(Some(filters)).max_results(100);
        let pages = cx.pages("ec2:DescribeRouteTables", request.into_paginator().send()).await?;
        pages.iter().flat_map(|p| p.route_tables()).map(|t| found(cx, t)).collect()
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let request = cx
            .ec2()
            .create_route_table()
            .client_token(want.token)
            .vpc_id(want.id(&want.spec.vpc)?)
            .tag_specifications(tag_specification(ResourceType::RouteTable, want.tags));
        let answer = cx.call("ec2:CreateRouteTable", request.send()).await?;
        let id = answer.route_table().and_then(ApiTable::route_table_id).unwrap_or_default().to_owned();
        let table = cx
            .wait(want.watch, "the route table to be seen", std::time::Duration::from_secs(120), || live(cx, &id))
            .await?;
        settle_routes(cx, &table, want).await?;
        settle_propagation(cx, &table, want.spec).await?;
        settle_subnets(cx, &table, want).await?;
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let Some(table) = live(cx, update.id).await? else {
            let message = format!("the route table '{}' does not exist", update.id);
            return Err(ApiError::new("ec2:DescribeRouteTables", ErrorClass::NotFound, message));
        };
        if update.changed("routes") {
            settle_routes(cx, &table, &update.want).await?;
        }
        if update.changed("propagating_gateways") {
            settle_propagation(cx, &table, update.want.spec).await?;
        }
        if update.changed("subnets") {
            settle_subnets(cx, &table, &update.want).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let Some(table) = live(cx, delete.id).await? else { return Ok(()) };
        for association in table.associations().iter().filter(|a| a.main() != Some(true)) {
            disassociate(cx, association.route_table_association_id().unwrap_or_default()).await?;
        }
        let request = cx.ec2().delete_route_table().route_table_id(delete.id);
        cx.call("ec2:DeleteRouteTable", request.send()).await.map(|_| ())
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

async fn live(cx: &Context, id: &str) -> Result<Option<ApiTable>, ApiError> {
    let ids = [id.to_owned()];
    let filters = filters(&Selection::Ids(&ids), "route-table-id");
    let request = cx.ec2().describe_route_tables().set_filters(Some(filters));
    let answer = cx.call("ec2:DescribeRouteTables", request.send()).await?;
    Ok(answer.route_tables().first().cloned())
}

/// Whether a route is the user's, and not one that the API makes.
fn is_declared(route: &ApiRoute) -> bool {
    let endpoint =
        route.gateway_id().is_some_and(|g| g.starts_with("vpce-")) && route.destination_prefix_list_id().is_some();
    route.origin() != Some(&RouteOrigin::EnableVgwRoutePropagation)
        && route.origin() != Some(&RouteOrigin::CreateRouteTable)
        && route.gateway_id() != Some("local")
        && !endpoint
}

fn found(cx: &Context, table: &ApiTable) -> Result<Found<Spec>, ApiError> {
    let id = table.route_table_id().unwrap_or_default().to_owned();
    let arn = format!("arn:aws:ec2:{}:{}:route-table/{id}", cx.region, table.owner_id().unwrap_or_default());
    let routes = table.routes().iter().filter(|r| is_declared(r)).map(route).collect::<Result<Vec<_>, _>>()?;
    let subnets = table.associations().iter().filter_map(|a| a.subnet_id()).map(Ref::id).collect();
    let gateways = table.propagating_vgws().iter().filter_map(|g| g.gateway_id()).map(str::to_owned).collect();
    Ok(Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([("id", json!(id)), ("arn", json!(arn))]),
        spec: Spec {
            vpc: Ref::id(table.vpc_id().unwrap_or_default()),
            routes: Some(routes),
            subnets: Some(subnets),
            propagating_gateways: Some(gateways),
            tags: None,
        },
        status: Status::Ready,
        tags: from_tags(table.tags()),
        unread: Vec::new(),
        id,
    })
}

fn route(route: &ApiRoute) -> Result<Route, ApiError> {
    let cidr = |text: Option<&str>| text.map(|t| super::vpc::parse_cidr("ec2:DescribeRouteTables", t)).transpose();
    let gateway = route.gateway_id();
    let of = |prefix: &str| gateway.filter(|g| g.starts_with(prefix));
    Ok(Route {
        cidr: cidr(route.destination_cidr_block())?,
        ipv6_cidr: cidr(route.destination_ipv6_cidr_block())?,
        prefix_list: route.destination_prefix_list_id().map(str::to_owned),
        gateway: of("igw-").map(Ref::id),
        nat_gateway: route.nat_gateway_id().map(Ref::id),
        virtual_gateway: of("vgw-").map(str::to_owned),
        egress_only_gateway: route.egress_only_internet_gateway_id().map(str::to_owned),
        network_interface: route.network_interface_id().map(str::to_owned),
        transit_gateway: route.transit_gateway_id().map(str::to_owned),
        peering: route.vpc_peering_connection_id().map(str::to_owned),
        balancer_endpoint: of("vpce-").map(str::to_owned),
    })
}

/// The id of a target, whatever it is, and the route with ids in place of references.
fn with_ids(want: &Create<'_, Spec>, route: &Route) -> Result<Route, ApiError> {
    Ok(Route {
        gateway: route.gateway.as_ref().map(|g| want.id(g)).transpose()?.map(Ref::id),
        nat_gateway: route.nat_gateway.as_ref().map(|g| want.id(g)).transpose()?.map(Ref::id),
        ..route.clone()
    })
}

fn id_of<K>(reference: &Option<Ref<K>>) -> Option<String> {
    match reference.as_ref()?.target() {
        crate::model::types::Target::Id { id } => Some(id.clone()),
        _ => None,
    }
}

/// New routes first, then changed ones, then those that are too much.
async fn settle_routes(cx: &Context, table: &ApiTable, want: &Create<'_, Spec>) -> Result<(), ApiError> {
    let Some(routes) = &want.spec.routes else { return Ok(()) };
    let id = table.route_table_id().unwrap_or_default();
    let have = table.routes().iter().filter(|r| is_declared(r)).map(route).collect::<Result<Vec<_>, _>>()?;
    let wanted = routes.iter().map(|r| with_ids(want, r)).collect::<Result<Vec<_>, _>>()?;
    for route in &wanted {
        match have.iter().find(|h| h.destination() == route.destination()) {
            None => create_route(cx, id, route).await?,
            Some(there) if there != route => replace_route(cx, id, route).await?,
            Some(_) => {}
        }
    }
    for old in have.iter().filter(|h| !wanted.iter().any(|w| w.destination() == h.destination())) {
        let request = cx
            .ec2()
            .delete_route()
            .route_table_id(id)
            .set_destination_cidr_block(old.cidr.as_ref().map(ToString::to_string))
            .set_destination_ipv6_cidr_block(old.ipv6_cidr.as_ref().map(ToString::to_string))
            .set_destination_prefix_list_id(old.prefix_list.clone());
        match cx.call("ec2:DeleteRoute", request.send()).await {
            Err(e) if e.class == ErrorClass::NotFound => {}
            other => {
                other?;
            }
        }
    }
    Ok(())
}

async fn create_route(cx: &Context, id: &str, route: &Route) -> Result<(), ApiError> {
    let request = cx
        .ec2()
        .create_route()
        .route_table_id(id)
        .set_destination_cidr_block(route.cidr.as_ref().map(ToString::to_string))
        .set_destination_ipv6_cidr_block(route.ipv6_cidr.as_ref().map(ToString::to_string))
        .set_destination_prefix_list_id(route.prefix_list.clone())
        .set_gateway_id(id_of(&route.gateway).or_else(|| route.virtual_gateway.clone()))
        .set_nat_gateway_id(id_of(&route.nat_gateway))
        .set_egress_only_internet_gateway_id(route.egress_only_gateway.clone())
        .set_network_interface_id(route.network_interface.clone())
        .set_transit_gateway_id(route.transit_gateway.clone())
        .set_vpc_peering_connection_id(route.peering.clone())
        .set_vpc_endpoint_id(route.balancer_endpoint.clone());
    cx.call("ec2:CreateRoute", request.send()).await.map(|_| ())
}

async fn replace_route(cx: &Context, id: &str, route: &Route) -> Result<(), ApiError> {
    let request = cx
        .ec2()
        .replace_route()
        .route_table_id(id)
        .set_destination_cidr_block(route.cidr.as_ref().map(ToString::to_string))
        .set_destination_ipv6_cidr_block(route.ipv6_cidr.as_ref().map(ToString::to_string))
        .set_destination_prefix_list_id(route.prefix_list.clone())
        .set_gateway_id(id_of(&route.gateway).or_else(|| route.virtual_gateway.clone()))
        .set_nat_gateway_id(id_of(&route.nat_gateway))
        .set_egress_only_internet_gateway_id(route.egress_only_gateway.clone())
        .set_network_interface_id(route.network_interface.clone())
        .set_transit_gateway_id(route.transit_gateway.clone())
        .set_vpc_peering_connection_id(route.peering.clone())
        .set_vpc_endpoint_id(route.balancer_endpoint.clone());
    cx.call("ec2:ReplaceRoute", request.send()).await.map(|_| ())
}

async fn settle_propagation(cx: &Context, table: &ApiTable, spec: &Spec) -> Result<(), ApiError> {
    let Some(wanted) = &spec.propagating_gateways else { return Ok(()) };
    let id = table.route_table_id().unwrap_or_default();
    let have: Vec<&str> = table.propagating_vgws().iter().filter_map(|g| g.gateway_id()).collect();
    for gateway in wanted.iter().filter(|w| !have.contains(&w.as_str())) {
        let request = cx.ec2().enable_vgw_route_propagation().route_table_id(id).gateway_id(gateway);
        cx.call("ec2:EnableVgwRoutePropagation", request.send()).await?;
    }
    for gateway in have.iter().filter(|h| !wanted.iter().any(|w| w == *h)) {
        let request = cx.ec2().disable_vgw_route_propagation().route_table_id(id).gateway_id(*gateway);
        cx.call("ec2:DisableVgwRoutePropagation", request.send()).await?;
    }
    Ok(())
}

/// Associates the subnets wanted; one that has another table moves over.
async fn settle_subnets(cx: &Context, table: &ApiTable, want: &Create<'_, Spec>) -> Result<(), ApiError> {
    let Some(subnets) = &want.spec.subnets else { return Ok(()) };
    let id = table.route_table_id().unwrap_or_default();
    let wanted = want.ids(subnets)?;
    let have: BTreeMap<&str, &str> =
        table.associations().iter().filter_map(|a| Some((a.subnet_id()?, a.route_table_association_id()?))).collect();
    let new: Vec<&String> = wanted.iter().filter(|w| !have.contains_key(w.as_str())).collect();
    if !new.is_empty() {
        let elsewhere = associations_of(cx, &new).await?;
        for subnet in new {
            match elsewhere.get(subnet) {
                Some(association) => {
                    let request =
                        cx.ec2().replace_route_table_association().association_id(association).route_table_id(id);
                    cx.call("ec2:ReplaceRouteTableAssociation", request.send()).await?;
                }
                None => {
                    let request = cx.ec2().associate_route_table().route_table_id(id).subnet_id(subnet);
                    cx.call("ec2:AssociateRouteTable", request.send()).await?;
                }
            }
        }
    }
    for (subnet, association) in have {
        if !wanted.iter().any(|w| w == subnet) {
            disassociate(cx, association).await?;
        }
    }
    Ok(())
}

/// Associations of subnets with any table.
async fn associations_of(cx: &Context, subnets: &[&String]) -> Result<BTreeMap<String, String>, ApiError> {
    let filter = aws_sdk_ec2::types::Filter::builder()
        .name("association.subnet-id")
        .set_values(Some(subnets.iter().map(|s| (*s).clone()).collect()))
        .build();
    let request = cx.ec2().describe_route_tables().filters(filter);
    let pages = cx.pages("ec2:DescribeRouteTables", request.into_paginator().send()).await?;
    Ok(pages
        .iter()
        .flat_map(|p| p.route_tables())
        .flat_map(|t| t.associations())
        .filter_map(|a| Some((a.subnet_id()?.to_owned(), a.route_table_association_id()?.to_owned())))
        .collect())
}

async fn disassociate(cx: &Context, association: &str) -> Result<(), ApiError> {
    let request = cx.ec2().disassociate_route_table().association_id(association);
    match cx.call("ec2:DisassociateRouteTable", request.send()).await {
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other.map(|_| ()),
    }
}
