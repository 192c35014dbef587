//! `vpc_endpoint`: a private way from a network to a service of AWS.
//!
//! A gateway endpoint (S3, DynamoDB) adds routes to route tables; an interface endpoint stands in subnets with an address
//! and security groups; a gateway load balancer's endpoint stands in one subnet and is the target of routes. Network, service
//! and type make a new endpoint necessary.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html>

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    DnsOptionsSpecification, DnsRecordIpType, Filter, IpAddressType, ResourceType, State, VpcEndpoint as ApiEndpoint,
    VpcEndpointType,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::route_table::RouteTable;
use super::security_group::SecurityGroup;
use super::subnet::Subnet;
use super::vpc::Vpc;
use super::{arn, attributes, filters, from_tags, retag, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::preflight::View;
use crate::model::types::{PolicyDocument, Ref};
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};
use crate::providers::aws::preflight::kind::{Checked, Needs, Quota, Tally, Use};
use crate::providers::aws::words::words;

/// Longest time until an endpoint is usable, or accepted.
const USABLE_WITHIN: Duration = Duration::from_secs(600);
/// Longest time until a deleted endpoint is gone.
const GONE_WITHIN: Duration = Duration::from_secs(900);

/// The kind `vpc_endpoint`.
pub struct VpcEndpoint;

/// A private way from a network to a service of AWS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The network.
    #[schemars(extend("x-change" = "replace"))]
    pub vpc: Ref<Vpc>,
    /// The service: a short name such as `s3`, `ssm` or `logs` for one of AWS in this region, or a whole name.
    #[schemars(extend("x-change" = "replace"))]
    pub service: String,
    /// Region of the service, if it is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub service_region: Option<String>,
    /// How the service is reached.
    #[serde(rename = "type")]
    #[schemars(extend("x-change" = "replace"))]
    pub endpoint_type: EndpointType,
    /// Route tables that lead to it (gateway endpoints).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub route_tables: Option<Vec<Ref<RouteTable>>>,
    /// Subnets that it stands in, one a zone (interface endpoints).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub subnets: Option<Vec<Ref<Subnet>>>,
    /// Security groups (interface endpoints).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub security_groups: Option<Vec<Ref<SecurityGroup>>>,
    /// Whether the service's own name leads to it inside the network (interface endpoints).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub private_dns: Option<bool>,
    /// Which addresses it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<EndpointAddresses>,
    /// How its names are answered (interface endpoints; gateway endpoints that follow one).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns: Option<EndpointDns>,
    /// Whether saiken accepts the connection at its other end: for a service of the same account that waits for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<bool>,
    /// What may be done through it; everything, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyDocument>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// How a service is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EndpointType {
    /// By routes; S3 and DynamoDB only, free of charge.
    Gateway,
    /// By an address in each subnet.
    Interface,
    /// By a gateway load balancer.
    GatewayLoadBalancer,
}

words! {
    /// Addresses of an endpoint.
    EndpointAddresses {
        /// IPv4.
        Ipv4 = "ipv4",
        /// IPv6.
        Ipv6 = "ipv6",
        /// Both.
        Dualstack = "dualstack",
    }
}

/// How the names of an endpoint are answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "VpcEndpointDns")]
pub struct EndpointDns {
    /// Which records there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<EndpointRecords>,
    /// Whether only queries that come in over a resolver endpoint are led to it, and those of the network itself to the
    /// gateway endpoint (S3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inbound_resolver_only: Option<bool>,
}

words! {
    /// Records for the names of an endpoint.
    EndpointRecords {
        /// A records.
        Ipv4 = "ipv4",
        /// AAAA records.
        Ipv6 = "ipv6",
        /// Both.
        Dualstack = "dualstack",
        /// As the service says.
        ServiceDefined = "service-defined",
    }
}

impl EndpointType {
    fn api(self) -> VpcEndpointType {
        match self {
            Self::Gateway => VpcEndpointType::Gateway,
            Self::Interface => VpcEndpointType::Interface,
            Self::GatewayLoadBalancer => VpcEndpointType::GatewayLoadBalancer,
        }
    }

    fn from_api(ty: Option<&VpcEndpointType>) -> Self {
        match ty {
            Some(VpcEndpointType::Gateway) => Self::Gateway,
            Some(VpcEndpointType::GatewayLoadBalancer) => Self::GatewayLoadBalancer,
            _ => Self::Interface,
        }
    }
}

impl Kind for VpcEndpoint {
    const NAME: &'static str = "vpc_endpoint";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "endpoint of a service in a network",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::DeleteFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Id, vpce-…"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("dns_name", "First of its host names (interface endpoints)"),
                    Attribute::stable("hosted_zone_id", "Hosted zone of that name"),
                    Attribute::stable("prefix_list_id", "Prefix list of the service's ranges (gateway endpoints)"),
                ]
            },
            permissions: Permissions {
                read: &["ec2:DescribeVpcEndpoints", "ec2:DescribePrefixLists"],
                create: &["ec2:CreateVpcEndpoint", "ec2:CreateTags", "ec2:AcceptVpcEndpointConnections"],
                update: &[
                    "ec2:ModifyVpcEndpoint",
                    "ec2:AcceptVpcEndpointConnections",
                    "ec2:CreateTags",
                    "ec2:DeleteTags",
                ],
                delete: &["ec2:DeleteVpcEndpoints"],
            },
            name_limit: 0,
            creation_seconds: 60,
            deletion_seconds: 60,
            quota: 50,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if spec.service.starts_with("com.amazonaws.") && spec.service.split('.').count() == 4 {
            let short = spec.service.rsplit('.').next().unwrap_or_default();
            problems.add("service", "the region is put in by itself", format!("write `{short}`"));
        }
        let (gateway, interface) =
            (spec.endpoint_type == EndpointType::Gateway, spec.endpoint_type == EndpointType::Interface);
        if gateway && spec.subnets.is_some() {
            problems.add("subnets", "a gateway endpoint has none", "remove it, or use `type: interface`");
        }
        for (field, given) in
            [("security_groups", spec.security_groups.is_some()), ("private_dns", spec.private_dns.is_some())]
        {
            if !interface && given {
                problems.add(field, "only an interface endpoint has this", "remove it, or use `type: interface`");
            }
        }
        if !gateway && spec.route_tables.is_some() {
            problems.add("route_tables", "only a gateway endpoint has routes", "remove it, or use `type: gateway`");
        }
        if spec.endpoint_type == EndpointType::GatewayLoadBalancer && spec.subnets.as_ref().is_none_or(|s| s.len() != 1)
        {
            problems.add("subnets", "a gateway load balancer's endpoint stands in one subnet", "give one");
        }
        let resolver = spec.dns.as_ref().is_some_and(|d| d.inbound_resolver_only == Some(true));
        if resolver && spec.private_dns != Some(true) {
            problems.add("dns.inbound_resolver_only", "there is no private name to answer", "set `private_dns: true`");
        }
        if spec.accept.is_some() && !spec.service.contains("vpce-svc-") {
            problems.add("accept", "services of AWS accept by themselves", "leave it out");
        }
    }
}

/// The whole name of a service. In China some of the provider's own begin with `cn.com.`, and are given whole.
fn whole(region: &str, service: &str) -> String {
    if ["com.", "aws.", "cn.com."].iter().any(|prefix| service.starts_with(prefix)) {
        service.to_owned()
    } else {
        format!("com.amazonaws.{region}.{service}")
    }
}

/// <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>
static GATEWAYS: Quota = Quota::new("vpc", "L-1B52E74A", "Gateway VPC endpoints per Region");
/// As above.
static INTERFACES: Quota = Quota::new("vpc", "L-29B6F2EB", "Interface VPC endpoints per VPC");

#[async_trait]
impl Checked for VpcEndpoint {
    fn needs() -> Needs {
        Needs { resource: "vpc-endpoint/*", only_for: &[("ec2:AcceptVpcEndpointConnections", &["accept"])] }
    }

    fn uses(view: &View<'_>) -> Vec<Use> {
        match view.text("type").and_then(|word| serde_json::from_value(json!(word)).ok()) {
            Some(EndpointType::Gateway) => vec![Use::one(&GATEWAYS)],
            Some(EndpointType::Interface) => {
                view.place("vpc").map(|vpc| Use::of(&INTERFACES, vpc)).into_iter().collect()
            }
            Some(EndpointType::GatewayLoadBalancer) | None => Vec::new(),
        }
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        let request = cx.ec2().describe_vpc_endpoints().max_results(1000);
        let pages = cx.pages("ec2:DescribeVpcEndpoints", request.into_paginator().send()).await?;
        let uses = pages.iter().flat_map(|p| p.vpc_endpoints()).filter_map(|e| match e.vpc_endpoint_type()? {
            VpcEndpointType::Gateway => Some(Use::one(&GATEWAYS)),
            VpcEndpointType::Interface => Some(Use::of(&INTERFACES, e.vpc_id()?)),
            _ => None,
        });
        Ok(Some(Tally::of(uses)))
    }
}

#[async_trait]
impl AwsKind for VpcEndpoint {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        if let Selection::Ids(ids) = read.selection {
            let endpoints = futures::future::try_join_all(ids.iter().map(|id| live(cx, id))).await?;
            let all: Vec<ApiEndpoint> = endpoints.into_iter().flatten().collect();
            let lists = prefix_lists(cx, &all).await?;
            return all.iter().map(|e| found(cx, e, &lists)).collect();
        }
        let filters = filters(&read.selection, "vpc-endpoint-id");
        let request = cx.ec2().describe_vpc_endpoints().set_filters(Some(filters)).max_results(1000);
        let pages = cx.pages("ec2:DescribeVpcEndpoints", request.into_paginator().send()).await?;
        let all = pages.into_iter().flat_map(|p| p.vpc_endpoints.unwrap_or_default());
        let all: Vec<ApiEndpoint> = all.filter(|e| state(e) != Some(State::Deleted)).collect();
        let lists = prefix_lists(cx, &all).await?;
        all.iter().map(|e| found(cx, e, &lists)).collect()
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let request = cx
            .ec2()
            .create_vpc_endpoint()
            .client_token(want.token)
            .vpc_id(want.id(&spec.vpc)?)
            .service_name(whole(spec.service_region.as_deref().unwrap_or(&cx.region), &spec.service))
            .set_service_region(spec.service_region.clone())
            .vpc_endpoint_type(spec.endpoint_type.api())
            .set_route_table_ids(spec.route_tables.as_ref().map(|r| want.ids(r)).transpose()?)
            .set_subnet_ids(spec.subnets.as_ref().map(|r| want.ids(r)).transpose()?)
            .set_security_group_ids(spec.security_groups.as_ref().map(|r| want.ids(r)).transpose()?)
            .set_private_dns_enabled(spec.private_dns)
            .set_ip_address_type(spec.addresses.map(|a| IpAddressType::from(a.api())))
            .set_dns_options(spec.dns.as_ref().map(dns_options))
            .set_policy_document(spec.policy.as_ref().map(PolicyDocument::to_json))
            .tag_specifications(tag_specification(ResourceType::VpcEndpoint, want.tags));
        let answer = cx.call("ec2:CreateVpcEndpoint", request.send()).await?;
        let id = answer.vpc_endpoint().and_then(ApiEndpoint::vpc_endpoint_id).unwrap_or_default().to_owned();
        wait_until_usable(cx, &id, want.watch).await?;
        if spec.accept == Some(true) {
            accept(cx, &id, spec, want.watch).await?;
        }
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let Some(endpoint) = live(cx, update.id).await? else {
            let message = format!("the endpoint '{}' does not exist", update.id);
            return Err(ApiError::new("ec2:DescribeVpcEndpoints", ErrorClass::NotFound, message));
        };
        let (want, spec) = (&update.want, update.want.spec);
        let mut request = cx.ec2().modify_vpc_endpoint().vpc_endpoint_id(update.id);
        if let Some(tables) = spec.route_tables.as_ref().filter(|_| update.changed("route_tables")) {
            let (add, remove) = difference(&want.ids(tables)?, endpoint.route_table_ids());
            request = request.set_add_route_table_ids(add).set_remove_route_table_ids(remove);
        }
        if let Some(subnets) = spec.subnets.as_ref().filter(|_| update.changed("subnets")) {
            let (add, remove) = difference(&want.ids(subnets)?, endpoint.subnet_ids());
            request = request.set_add_subnet_ids(add).set_remove_subnet_ids(remove);
        }
        if let Some(groups) = spec.security_groups.as_ref().filter(|_| update.changed("security_groups")) {
            let have: Vec<String> = endpoint.groups().iter().filter_map(|g| g.group_id()).map(str::to_owned).collect();
            let (add, remove) = difference(&want.ids(groups)?, &have);
            request = request.set_add_security_group_ids(add).set_remove_security_group_ids(remove);
        }
        if update.changed("private_dns") {
            request = request.set_private_dns_enabled(spec.private_dns);
        }
        if let Some(policy) = spec.policy.as_ref().filter(|_| update.changed("policy")) {
            request = request.policy_document(policy.to_json());
        }
        if let Some(addresses) = spec.addresses.filter(|_| update.changed("addresses")) {
            request = request.ip_address_type(IpAddressType::from(addresses.api()));
        }
        if let Some(dns) = spec.dns.as_ref().filter(|_| update.changed("dns")) {
            request = request.dns_options(dns_options(dns));
        }
        let modified = ["route_tables", "subnets", "security_groups", "private_dns", "policy", "addresses", "dns"];
        if modified.iter().any(|field| update.changed(field)) {
            cx.call("ec2:ModifyVpcEndpoint", request.send()).await?;
            wait_until_usable(cx, update.id, want.watch).await?;
        }
        if spec.accept == Some(true) && update.changed("accept") {
            accept(cx, update.id, spec, want.watch).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.ec2().delete_vpc_endpoints().vpc_endpoint_ids(delete.id);
        let answer = cx.call("ec2:DeleteVpcEndpoints", request.send()).await?;
        // This call answers with success, and lists what it did not delete.
        if let Some(error) = answer.unsuccessful().iter().find_map(|u| u.error()) {
            let gone = error.code().is_some_and(|c| c.ends_with("NotFound"));
            if !gone {
                let mut api =
                    ApiError::new("ec2:DeleteVpcEndpoints", ErrorClass::Conflict, error.message().unwrap_or_default());
                api.code = error.code().map(str::to_owned);
                return Err(api);
            }
        }
        cx.wait(delete.watch, &format!("{} to be gone", delete.id), GONE_WITHIN, || async {
            let endpoint = live(cx, delete.id).await?;
            Ok(Look::when(endpoint.is_none(), endpoint.as_ref().and_then(word)))
        })
        .await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

/// Waits until an endpoint is usable, or would be once its other end accepts it.
async fn wait_until_usable(cx: &Context, id: &str, watch: &dyn Watch) -> Result<(), ApiError> {
    cx.wait(watch, &format!("{id} to be available"), USABLE_WITHIN, || async {
        let endpoint = live(cx, id).await?;
        match endpoint.as_ref().and_then(state) {
            Some(State::Available | State::PendingAcceptance) => Ok(Look::Done(())),
            Some(State::Failed | State::Rejected | State::Expired) => {
                let why = endpoint.as_ref().and_then(|e| e.last_error()).and_then(|e| e.message());
                let message = format!("the endpoint failed: {}", why.unwrap_or("no reason given"));
                Err(ApiError::new("ec2:DescribeVpcEndpoints", ErrorClass::Other, message))
            }
            _ => Ok(Look::not(endpoint.as_ref().and_then(word))),
        }
    })
    .await
}

/// The API's word for an endpoint's state.
fn word(endpoint: &ApiEndpoint) -> Option<&str> {
    endpoint.state().map(State::as_str)
}

/// Accepts an endpoint that waits for it at its service's end.
async fn accept(cx: &Context, id: &str, spec: &Spec, watch: &dyn Watch) -> Result<(), ApiError> {
    let waits = |e: &ApiEndpoint| state(e) == Some(State::PendingAcceptance);
    if !live(cx, id).await?.as_ref().is_some_and(waits) {
        return Ok(());
    }
    let service = spec.service.rsplit('.').next().unwrap_or_default();
    let request = cx.ec2().accept_vpc_endpoint_connections().service_id(service).vpc_endpoint_ids(id);
    let answer = cx.call("ec2:AcceptVpcEndpointConnections", request.send()).await?;
    if let Some(error) = answer.unsuccessful().iter().find_map(|u| u.error()) {
        let message = error.message().unwrap_or_default();
        let mut api = ApiError::new("ec2:AcceptVpcEndpointConnections", ErrorClass::Other, message);
        api.code = error.code().map(str::to_owned);
        return Err(api);
    }
    cx.wait(watch, &format!("{id} to be accepted"), USABLE_WITHIN, || async {
        let endpoint = live(cx, id).await?;
        let accepted = endpoint.as_ref().and_then(state) == Some(State::Available);
        Ok(Look::when(accepted, endpoint.as_ref().and_then(word)))
    })
    .await
}

fn dns_options(dns: &EndpointDns) -> DnsOptionsSpecification {
    DnsOptionsSpecification::builder()
        .set_dns_record_ip_type(dns.records.map(|r| DnsRecordIpType::from(r.api())))
        .set_private_dns_only_for_inbound_resolver_endpoint(dns.inbound_resolver_only)
        .build()
}

/// Ids of the prefix lists of gateway endpoints' services, by the services' names: a page for all.
async fn prefix_lists(cx: &Context, endpoints: &[ApiEndpoint]) -> Result<BTreeMap<String, String>, ApiError> {
    let names: BTreeSet<String> = endpoints
        .iter()
        .filter(|e| EndpointType::from_api(e.vpc_endpoint_type()) == EndpointType::Gateway)
        .filter_map(|e| e.service_name())
        .map(str::to_owned)
        .collect();
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    let filter = Filter::builder().name("prefix-list-name").set_values(Some(names.into_iter().collect())).build();
    let pages = cx
        .pages("ec2:DescribePrefixLists", cx.ec2().describe_prefix_lists().filters(filter).into_paginator().send())
        .await?;
    let lists = pages.iter().flat_map(|p| p.prefix_lists());
    Ok(lists.filter_map(|l| Some((l.prefix_list_name()?.to_owned(), l.prefix_list_id()?.to_owned()))).collect())
}

/// What to add and what to remove; none instead of empty lists.
fn difference(want: &[String], have: &[String]) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let but = |a: &[String], b: &[String]| {
        let list: Vec<String> = a.iter().filter(|x| !b.contains(x)).cloned().collect();
        (!list.is_empty()).then_some(list)
    };
    (but(want, have), but(have, want))
}

/// The state of an endpoint. The API's model writes states with capitals, its answers are in lower case.
fn state(endpoint: &ApiEndpoint) -> Option<State> {
    let text = endpoint.state()?.as_str();
    State::values().iter().find(|v| v.eq_ignore_ascii_case(text)).map(|v| State::from(*v))
}

async fn live(cx: &Context, id: &str) -> Result<Option<ApiEndpoint>, ApiError> {
    let request = cx.ec2().describe_vpc_endpoints().vpc_endpoint_ids(id);
    match cx.call("ec2:DescribeVpcEndpoints", request.send()).await {
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
        Ok(answer) => Ok(answer.vpc_endpoints().first().filter(|e| state(e) != Some(State::Deleted)).cloned()),
    }
}

fn found(cx: &Context, endpoint: &ApiEndpoint, lists: &BTreeMap<String, String>) -> Result<Found<Spec>, ApiError> {
    let id = endpoint.vpc_endpoint_id().unwrap_or_default().to_owned();
    let name = endpoint.service_name().unwrap_or_default();
    let region = endpoint.service_region().unwrap_or(&cx.region);
    let service =
        name.strip_prefix(&format!("com.amazonaws.{region}.")).filter(|_| !name.contains("vpce-svc-")).unwrap_or(name);
    let endpoint_type = EndpointType::from_api(endpoint.vpc_endpoint_type());
    let gateway = endpoint_type == EndpointType::Gateway;
    let policy = endpoint.policy_document().filter(|p| !p.is_empty()).map(PolicyDocument::from_json).transpose();
    let groups = endpoint.groups().iter().filter_map(|g| g.group_id()).map(Ref::id).collect();
    let account = endpoint.owner_id().unwrap_or_default();
    let arn = arn(&cx.region, account, "vpc-endpoint", &id);
    let entry = endpoint.dns_entries().first();
    let waits = state(endpoint) == Some(State::PendingAcceptance);
    let options = endpoint.dns_options();
    Ok(Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([
            ("id", json!(id)),
            ("arn", json!(arn)),
            ("dns_name", json!(entry.and_then(|d| d.dns_name()))),
            ("hosted_zone_id", json!(entry.and_then(|d| d.hosted_zone_id()))),
            ("prefix_list_id", json!(lists.get(name))),
        ]),
        spec: Spec {
            vpc: Ref::id(endpoint.vpc_id().unwrap_or_default()),
            service: service.to_owned(),
            service_region: Some(region.to_owned()),
            endpoint_type,
            route_tables: gateway.then(|| endpoint.route_table_ids().iter().map(Ref::id).collect()),
            subnets: (!gateway).then(|| endpoint.subnet_ids().iter().map(Ref::id).collect()),
            security_groups: (!gateway).then_some(groups),
            private_dns: if gateway { None } else { endpoint.private_dns_enabled() },
            addresses: endpoint.ip_address_type().and_then(|t| EndpointAddresses::from_api(t.as_str())),
            dns: Some(EndpointDns {
                records: options
                    .and_then(|o| o.dns_record_ip_type())
                    .and_then(|t| EndpointRecords::from_api(t.as_str())),
                inbound_resolver_only: options.and_then(|o| o.private_dns_only_for_inbound_resolver_endpoint()),
            }),
            accept: waits.then_some(false),
            policy: policy.map_err(|e| ApiError::new("ec2:DescribeVpcEndpoints", ErrorClass::Other, e))?,
            tags: None,
        },
        status: match state(endpoint) {
            Some(State::Pending) => Status::Pending("pending".to_owned()),
            Some(State::Deleting) => Status::Deleting,
            Some(State::Failed | State::Rejected | State::Expired) => Status::Failed("failed".to_owned()),
            _ => Status::Ready,
        },
        tags: from_tags(endpoint.tags()),
        // Nothing tells who accepted it, once it is.
        unread: if waits { Vec::new() } else { vec!["accept"] },
        id,
    })
}

#[cfg(test)]
mod tests;
