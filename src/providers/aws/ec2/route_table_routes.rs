//! Routes of a route table: their one form, the API's forms, and the way from the routes there are to those wanted.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{Filter, Route as ApiRoute, RouteOrigin, RouteTable as ApiTable, VpcEndpointType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::egress_gateway::EgressGateway;
use super::instance::Instance;
use super::internet_gateway::InternetGateway;
use super::nat_gateway::NatGateway;
use super::route_table::Spec;
use super::vpc::parse_cidr;
use super::vpc_endpoint::VpcEndpoint;
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Problems;
use crate::model::types::{Cidr, Ref, Target};
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::Create;

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
    /// Target: an egress-only internet gateway (IPv6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress_gateway: Option<Ref<EgressGateway>>,
    /// Target: a server, by its first network interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Ref<Instance>>,
    /// Target: id of a network interface.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_interface: Option<String>,
    /// Target: an endpoint of a gateway load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balancer_endpoint: Option<Ref<VpcEndpoint>>,
    /// Target: id of a virtual private gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_gateway: Option<String>,
    /// Target: id of a transit gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transit_gateway: Option<String>,
    /// Target: id of a peering connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peering: Option<String>,
    /// Target: id of a carrier gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier_gateway: Option<String>,
    /// Target: id of a local gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_gateway: Option<String>,
    /// Target: ARN of a core network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub core_network: Option<String>,
}

impl Route {
    fn destination(&self) -> String {
        let ranges = [self.cidr.as_ref(), self.ipv6_cidr.as_ref()];
        let range = ranges.into_iter().flatten().next().map(|c| c.as_str().to_owned());
        range.or_else(|| self.prefix_list.clone()).unwrap_or_default()
    }

    /// Its targets: what sort, and which by id (for one of the project whose id is not known yet, no text).
    fn targets(&self) -> Vec<(&'static str, String)> {
        fn id<K>(reference: &Option<Ref<K>>) -> Option<String> {
            match reference.as_ref()?.target() {
                Target::Id { id } => Some(id.clone()),
                Target::Owned(_) | Target::Tags { .. } => Some(String::new()),
            }
        }
        [
            ("gateway", id(&self.gateway)),
            ("nat_gateway", id(&self.nat_gateway)),
            ("egress_gateway", id(&self.egress_gateway)),
            ("instance", id(&self.instance)),
            ("network_interface", self.network_interface.clone()),
            ("balancer_endpoint", id(&self.balancer_endpoint)),
            ("virtual_gateway", self.virtual_gateway.clone()),
            ("transit_gateway", self.transit_gateway.clone()),
            ("peering", self.peering.clone()),
            ("carrier_gateway", self.carrier_gateway.clone()),
            ("local_gateway", self.local_gateway.clone()),
            ("core_network", self.core_network.clone()),
        ]
        .into_iter()
        .filter_map(|(sort, id)| Some((sort, id?)))
        .collect()
    }

    /// Whether a route that is there leads where this one is to lead: one to a server also names its interface.
    fn leads_as(&self, there: &Self) -> bool {
        let there = there.targets();
        self.targets().iter().all(|target| there.contains(target))
    }
}

/// Rules for the routes of a table.
pub(super) fn check(routes: &[Route], problems: &mut Problems) {
    let mut seen = Vec::new();
    for (i, route) in routes.iter().enumerate() {
        let path = format!("routes.{i}");
        let destinations = usize::from(route.cidr.is_some())
            + usize::from(route.ipv6_cidr.is_some())
            + usize::from(route.prefix_list.is_some());
        if destinations != 1 {
            problems.add(&path, "a route has one destination", "give one of `cidr`, `ipv6_cidr`, `prefix_list`");
        }
        if route.targets().len() != 1 {
            problems.add(&path, "a route has one target", "give one of `gateway`, `nat_gateway`, `transit_gateway`, …");
        }
        for (field, cidr, v6) in [("cidr", &route.cidr, false), ("ipv6_cidr", &route.ipv6_cidr, true)] {
            if let Some(cidr) = cidr.as_ref().filter(|c| c.net().is_some_and(|n| n.addr().is_ipv6() != v6)) {
                let (is, other) = if v6 { ("IPv6", "cidr") } else { ("IPv4", "ipv6_cidr") };
                problems.add(format!("{path}.{field}"), format!("`{cidr}` is no {is} range"), format!("use `{other}`"));
            }
        }
        if route.egress_gateway.is_some() && route.cidr.is_some() {
            problems.add(&path, "an egress-only gateway is for IPv6", "give `ipv6_cidr`, or `nat_gateway`");
        }
        if seen.contains(&route.destination()) {
            problems.add(&path, format!("a second route to `{}`", route.destination()), "keep one of them");
        }
        seen.push(route.destination());
    }
}

/// Whether a route is the user's, and not one that the API makes. The local route of a range is the API's for as long as
/// it leads to the network itself. A prefix list leads to a gateway endpoint by the API's own doing, and to an endpoint of a
/// gateway load balancer (`balancers`) by the user's.
pub(super) fn is_declared(route: &ApiRoute, balancers: &BTreeSet<String>) -> bool {
    let made = endpoint_by_prefix_list(route).is_some_and(|endpoint| !balancers.contains(endpoint));
    route.origin() != Some(&RouteOrigin::EnableVgwRoutePropagation) && route.gateway_id() != Some("local") && !made
}

/// The endpoint that a prefix list leads to.
fn endpoint_by_prefix_list(route: &ApiRoute) -> Option<&str> {
    route.destination_prefix_list_id()?;
    route.gateway_id().filter(|g| g.starts_with("vpce-"))
}

/// Endpoints of gateway load balancers: a route by a prefix list does not tell which sort its endpoint is of. Only asked for
/// where there are such routes.
pub(super) async fn balancer_endpoints(cx: &Context, tables: &[ApiTable]) -> Result<BTreeSet<String>, ApiError> {
    if !tables.iter().flat_map(|t| t.routes()).any(|r| endpoint_by_prefix_list(r).is_some()) {
        return Ok(BTreeSet::new());
    }
    let sort = VpcEndpointType::GatewayLoadBalancer.as_str();
    let filter = Filter::builder().name("vpc-endpoint-type").values(sort).build();
    let request = cx.ec2().describe_vpc_endpoints().filters(filter);
    let pages = cx.pages("ec2:DescribeVpcEndpoints", request.into_paginator().send()).await?;
    let endpoints = pages.into_iter().flat_map(|p| p.vpc_endpoints.unwrap_or_default());
    Ok(endpoints.filter_map(|e| e.vpc_endpoint_id).collect())
}

/// A route in the one form, with ids.
pub(super) fn from_api(route: &ApiRoute) -> Result<Route, ApiError> {
    let cidr = |text: Option<&str>| text.map(|t| parse_cidr("ec2:DescribeRouteTables", t)).transpose();
    let gateway = route.gateway_id();
    let of = |prefix: &str| gateway.filter(|g| g.starts_with(prefix));
    Ok(Route {
        cidr: cidr(route.destination_cidr_block())?,
        ipv6_cidr: cidr(route.destination_ipv6_cidr_block())?,
        prefix_list: route.destination_prefix_list_id().map(str::to_owned),
        gateway: of("igw-").map(Ref::id),
        nat_gateway: route.nat_gateway_id().map(Ref::id),
        egress_gateway: route.egress_only_internet_gateway_id().map(Ref::id),
        instance: route.instance_id().map(Ref::id),
        network_interface: route.network_interface_id().map(str::to_owned),
        balancer_endpoint: of("vpce-").map(Ref::id),
        virtual_gateway: of("vgw-").map(str::to_owned),
        transit_gateway: route.transit_gateway_id().map(str::to_owned),
        peering: route.vpc_peering_connection_id().map(str::to_owned),
        carrier_gateway: route.carrier_gateway_id().map(str::to_owned),
        local_gateway: route.local_gateway_id().map(str::to_owned),
        core_network: route.core_network_arn().map(str::to_owned),
    })
}

/// The route with ids in place of references.
fn with_ids(want: &Create<'_, Spec>, route: &Route) -> Result<Route, ApiError> {
    Ok(Route {
        gateway: route.gateway.as_ref().map(|r| want.id(r)).transpose()?.map(Ref::id),
        nat_gateway: route.nat_gateway.as_ref().map(|r| want.id(r)).transpose()?.map(Ref::id),
        egress_gateway: route.egress_gateway.as_ref().map(|r| want.id(r)).transpose()?.map(Ref::id),
        instance: route.instance.as_ref().map(|r| want.id(r)).transpose()?.map(Ref::id),
        balancer_endpoint: route.balancer_endpoint.as_ref().map(|r| want.id(r)).transpose()?.map(Ref::id),
        ..route.clone()
    })
}

/// New routes first, then changed ones, then those that are too much.
pub(super) async fn settle(cx: &Context, table: &ApiTable, want: &Create<'_, Spec>) -> Result<(), ApiError> {
    let Some(routes) = &want.spec.routes else { return Ok(()) };
    let id = table.route_table_id().unwrap_or_default();
    let all = table.routes().iter().map(|r| Ok((r, from_api(r)?))).collect::<Result<Vec<_>, ApiError>>()?;
    let wanted = routes.iter().map(|r| with_ids(want, r)).collect::<Result<Vec<_>, _>>()?;
    for route in &wanted {
        match all.iter().find(|(_, there)| there.destination() == route.destination()) {
            None => create(cx, id, route).await?,
            Some((_, there)) if !route.leads_as(there) => replace(cx, id, route).await?,
            Some(_) => {}
        }
    }
    let balancers = balancer_endpoints(cx, std::slice::from_ref(table)).await?;
    for (api, old) in all.iter().filter(|(api, _)| is_declared(api, &balancers)) {
        if !wanted.iter().any(|w| w.destination() == old.destination()) {
            remove(cx, id, api, old).await?;
        }
    }
    Ok(())
}

/// Sets destination and target on a creating or replacing request.
macro_rules! filled {
    ($request:expr, $table:expr, $route:expr) => {{
        let route: &Route = $route;
        let targets = route.targets();
        let target = |sorts: &[&str]| targets.iter().find(|(sort, _)| sorts.contains(sort)).map(|(_, id)| id.clone());
        $request
            .route_table_id($table)
            .set_destination_cidr_block(route.cidr.as_ref().map(ToString::to_string))
            .set_destination_ipv6_cidr_block(route.ipv6_cidr.as_ref().map(ToString::to_string))
            .set_destination_prefix_list_id(route.prefix_list.clone())
            .set_gateway_id(target(&["gateway", "virtual_gateway"]))
            .set_nat_gateway_id(target(&["nat_gateway"]))
            .set_egress_only_internet_gateway_id(target(&["egress_gateway"]))
            .set_instance_id(target(&["instance"]))
            .set_network_interface_id(target(&["network_interface"]))
            .set_vpc_endpoint_id(target(&["balancer_endpoint"]))
            .set_transit_gateway_id(target(&["transit_gateway"]))
            .set_vpc_peering_connection_id(target(&["peering"]))
            .set_carrier_gateway_id(target(&["carrier_gateway"]))
            .set_local_gateway_id(target(&["local_gateway"]))
            .set_core_network_arn(target(&["core_network"]))
    }};
}

async fn create(cx: &Context, table: &str, route: &Route) -> Result<(), ApiError> {
    let request = filled!(cx.ec2().create_route(), table, route);
    match cx.call("ec2:CreateRoute", request.send()).await {
        // Its answer was lost and it was made again, or somebody was quicker: it shall lead where it is declared to.
        Err(e) if e.code.as_deref() == Some("RouteAlreadyExists") => replace(cx, table, route).await,
        other => other.map(|_| ()),
    }
}

async fn replace(cx: &Context, table: &str, route: &Route) -> Result<(), ApiError> {
    let request = filled!(cx.ec2().replace_route(), table, route);
    cx.call("ec2:ReplaceRoute", request.send()).await.map(|_| ())
}

/// Deletes a route. The route of one of the network's own ranges can't go: it leads to the network itself again.
async fn remove(cx: &Context, table: &str, api: &ApiRoute, old: &Route) -> Result<(), ApiError> {
    let (cidr, ipv6) = (old.cidr.as_ref().map(ToString::to_string), old.ipv6_cidr.as_ref().map(ToString::to_string));
    if api.origin() == Some(&RouteOrigin::CreateRouteTable) {
        let request = cx
            .ec2()
            .replace_route()
            .route_table_id(table)
            .set_destination_cidr_block(cidr)
            .set_destination_ipv6_cidr_block(ipv6)
            .local_target(true);
        return cx.call("ec2:ReplaceRoute", request.send()).await.map(|_| ());
    }
    let request = cx
        .ec2()
        .delete_route()
        .route_table_id(table)
        .set_destination_cidr_block(cidr)
        .set_destination_ipv6_cidr_block(ipv6)
        .set_destination_prefix_list_id(old.prefix_list.clone());
    match cx.call("ec2:DeleteRoute", request.send()).await {
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::providers::aws::ec2::route_table::RouteTable;
    use crate::providers::aws::script::Script;

    fn problems(routes: Value) -> Vec<String> {
        let mut problems = Problems::default();
        check(&serde_json::from_value::<Vec<Route>>(routes).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect()
    }

    #[test]
    fn wrong_routes_are_named() {
        assert_eq!(
            problems(json!([
                {"cidr": "::/0", "gateway": "a/b"},
                {"ipv6_cidr": "::/0", "egress_gateway": "a/b", "instance": "a/c"},
                {"cidr": "10.0.0.0/8", "egress_gateway": "a/b"},
                {"cidr": "10.0.0.0/8", "peering": "pcx-1"},
            ])),
            [
                "routes.0.cidr: `::/0` is no IPv4 range",
                "routes.1: a route has one target",
                "routes.1: a second route to `::/0`",
                "routes.2: an egress-only gateway is for IPv6",
                "routes.3: a second route to `10.0.0.0/8`",
            ]
        );
    }

    fn table(routes: &str) -> String {
        format!(
            "<routeTableSet><item><routeTableId>rtb-1</routeTableId><vpcId>vpc-1</vpcId><routeSet>{routes}</routeSet></item></routeTableSet>"
        )
    }

    fn with(routes: Value) -> Value {
        json!({"vpc": {"id": "vpc-1"}, "routes": routes})
    }

    #[tokio::test]
    async fn every_target_reaches_the_api_under_its_own_name_and_is_read_back() {
        let all = [
            ("gateway", json!({"id": "igw-1"}), "GatewayId=igw-1", "gatewayId"),
            ("nat_gateway", json!({"id": "nat-1"}), "NatGatewayId=nat-1", "natGatewayId"),
            (
                "egress_gateway",
                json!({"id": "eigw-1"}),
                "EgressOnlyInternetGatewayId=eigw-1",
                "egressOnlyInternetGatewayId",
            ),
            ("instance", json!({"id": "i-1"}), "InstanceId=i-1", "instanceId"),
            ("network_interface", json!("eni-1"), "NetworkInterfaceId=eni-1", "networkInterfaceId"),
            ("balancer_endpoint", json!({"id": "vpce-1"}), "VpcEndpointId=vpce-1", "gatewayId"),
            ("virtual_gateway", json!("vgw-1"), "GatewayId=vgw-1", "gatewayId"),
            ("transit_gateway", json!("tgw-1"), "TransitGatewayId=tgw-1", "transitGatewayId"),
            ("peering", json!("pcx-1"), "VpcPeeringConnectionId=pcx-1", "vpcPeeringConnectionId"),
            ("carrier_gateway", json!("cagw-1"), "CarrierGatewayId=cagw-1", "carrierGatewayId"),
            ("local_gateway", json!("lgw-1"), "LocalGatewayId=lgw-1", "localGatewayId"),
            ("core_network", json!("net"), "CoreNetworkArn=net", "coreNetworkArn"),
        ];
        for (field, value, asked, answer) in all {
            let id = value.get("id").unwrap_or(&value).as_str().unwrap().to_owned();
            let there = format!(
                "<item><destinationIpv6CidrBlock>::/0</destinationIpv6CidrBlock><{answer}>{id}</{answer}><origin>CreateRoute</origin></item>"
            );
            let script = Script::default()
                .ec2("DescribeRouteTables", &table(""))
                .ec2("DescribeRouteTables", &table(&there))
                .ec2("CreateRoute", "");
            let wanted = with(json!([{"ipv6_cidr": "::/0", field: value}]));
            let object = script.update::<RouteTable>("rtb-1", with(json!([])), wanted.clone()).await.unwrap();
            let sent = script.asked("CreateRoute").join("");
            assert!(sent.contains(asked), "{field}: {sent}");
            assert_eq!(object.spec["routes"], wanted["routes"], "{field}");
        }
    }

    #[tokio::test]
    async fn a_prefix_list_leads_to_a_load_balancers_endpoint_by_declaration_and_to_a_gateway_endpoint_by_the_apis_doing()
     {
        let route = |list: &str, endpoint: &str| {
            format!(
                "<item><destinationPrefixListId>{list}</destinationPrefixListId><gatewayId>{endpoint}</gatewayId>\
                 <origin>CreateRoute</origin></item>"
            )
        };
        let both = route("pl-s3", "vpce-s3") + &route("pl-1", "vpce-1");
        let balancer = "<vpcEndpointSet><item><vpcEndpointId>vpce-1</vpcEndpointId></item></vpcEndpointSet>";
        let script = Script::default()
            .ec2("DescribeRouteTables", &table(&both))
            .ec2("DescribeVpcEndpoints", balancer)
            .ec2("DeleteRoute", "");
        let declared = with(json!([{"prefix_list": "pl-1", "balancer_endpoint": {"id": "vpce-1"}}]));
        let read = script.read::<RouteTable>().await.unwrap().remove(0);
        assert_eq!(read.spec["routes"], declared["routes"]);
        let asked = script.asked("DescribeVpcEndpoints").join("");
        assert!(asked.contains("GatewayLoadBalancer"), "{asked}");
        script.update::<RouteTable>("rtb-1", declared, with(json!([]))).await.unwrap();
        let gone = script.asked("DeleteRoute");
        assert!(gone.len() == 1 && gone[0].contains("pl-1"), "{gone:?}");
    }

    #[tokio::test]
    async fn the_route_of_the_networks_own_range_is_replaced_and_given_back() {
        let local = "<item><destinationCidrBlock>10.0.0.0/16</destinationCidrBlock><gatewayId>local</gatewayId>\
            <origin>CreateRouteTable</origin></item>";
        let through = "<item><destinationCidrBlock>10.0.0.0/16</destinationCidrBlock><networkInterfaceId>eni-1</networkInterfaceId>\
            <origin>CreateRouteTable</origin></item>";
        let routes = json!([{"cidr": "10.0.0.0/16", "network_interface": "eni-1"}]);
        let script = Script::default()
            .ec2("DescribeRouteTables", &table(local))
            .ec2("DescribeRouteTables", &table(through))
            .ec2("ReplaceRoute", "");
        let object = script.update::<RouteTable>("rtb-1", with(json!([])), with(routes.clone())).await.unwrap();
        assert_eq!(object.spec["routes"], routes);
        assert!(script.asked("ReplaceRoute").join("").contains("NetworkInterfaceId=eni-1"));
        script.update::<RouteTable>("rtb-1", with(routes), with(json!([]))).await.unwrap();
        assert!(script.asked("ReplaceRoute")[1].contains("LocalTarget=true"));
    }

    #[tokio::test]
    async fn a_route_to_a_server_is_not_changed_for_its_interface() {
        let there = "<item><destinationCidrBlock>0.0.0.0/0</destinationCidrBlock><instanceId>i-1</instanceId>\
            <networkInterfaceId>eni-1</networkInterfaceId><origin>CreateRoute</origin></item>";
        let script = Script::default().ec2("DescribeRouteTables", &table(there));
        for target in [
            json!({"cidr": "0.0.0.0/0", "instance": {"id": "i-1"}}),
            json!({"cidr": "0.0.0.0/0", "network_interface": "eni-1"}),
        ] {
            script.update::<RouteTable>("rtb-1", with(json!([])), with(json!([target]))).await.unwrap();
        }
        assert!(script.operations().iter().all(|o| o == "DescribeRouteTables"));
    }
}
