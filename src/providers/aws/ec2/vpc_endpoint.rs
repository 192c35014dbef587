//! `vpc_endpoint`: a private way from a network to a service of AWS.
//!
//! A gateway endpoint (S3, DynamoDB) adds routes to route tables; an interface endpoint stands in subnets with an address
//! and security groups. Network, service and type make a new endpoint necessary.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpcEndpoint.html>

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::types::{ResourceType, State, VpcEndpoint as ApiEndpoint, VpcEndpointType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::route_table::RouteTable;
use super::security_group::SecurityGroup;
use super::subnet::Subnet;
use super::vpc::Vpc;
use super::{attributes, filters, from_tags, retag, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::types::{PolicyDocument, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};

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
            data_bearing: false,
            replacement: Replacement::DeleteFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Id, vpce-…"),
                    Attribute::stable("dns_name", "First of its host names (interface endpoints)"),
                ]
            },
            permissions: Permissions {
                read: &["ec2:DescribeVpcEndpoints"],
                create: &["ec2:CreateVpcEndpoint", "ec2:CreateTags"],
                update: &["ec2:ModifyVpcEndpoint", "ec2:CreateTags", "ec2:DeleteTags"],
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
        let gateway = spec.endpoint_type == EndpointType::Gateway;
        let interface = [
            ("subnets", spec.subnets.is_some()),
            ("security_groups", spec.security_groups.is_some()),
            ("private_dns", spec.private_dns.is_some()),
        ];
        for (field, given) in interface {
            if gateway && given {
                problems.add(field, "a gateway endpoint has none", "remove it, or use `type: interface`");
            }
        }
        if !gateway && spec.route_tables.is_some() {
            problems.add("route_tables", "only a gateway endpoint has routes", "remove it, or use `type: gateway`");
        }
    }
}

/// The whole name of a service.
fn whole(region: &str, service: &str) -> String {
    if service.contains('.') && (service.starts_with("com.") || service.starts_with("aws.")) {
        service.to_owned()
    } else {
        format!("com.amazonaws.{region}.{service}")
    }
}

#[async_trait]
impl AwsKind for VpcEndpoint {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        if let Selection::Ids(ids) = read.selection {
            let endpoints = futures::future::try_join_all(ids.iter().map(|id| live(cx, id))).await?;
            return endpoints.iter().flatten().map(|e| found(cx, e)).collect();
        }
        let filters = filters(&read.selection, "vpc-endpoint-id");
        let request = cx.ec2().describe_vpc_endpoints().set_filters(Some(filters)).max_results(1000);
        let pages = cx.pages("ec2:DescribeVpcEndpoints", request.into_paginator().send()).await?;
        let endpoints = pages.iter().flat_map(|p| p.vpc_endpoints()).filter(|e| state(e) != Some(State::Deleted));
        endpoints.map(|e| found(cx, e)).collect()
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let request = cx
            .ec2()
            .create_vpc_endpoint()
            .client_token(want.token)
            .vpc_id(want.id(&spec.vpc)?)
            .service_name(whole(&cx.region, &spec.service))
            .vpc_endpoint_type(spec.endpoint_type.api())
            .set_route_table_ids(spec.route_tables.as_ref().map(|r| want.ids(r)).transpose()?)
            .set_subnet_ids(spec.subnets.as_ref().map(|r| want.ids(r)).transpose()?)
            .set_security_group_ids(spec.security_groups.as_ref().map(|r| want.ids(r)).transpose()?)
            .set_private_dns_enabled(spec.private_dns)
            .set_policy_document(spec.policy.as_ref().map(PolicyDocument::to_json))
            .tag_specifications(tag_specification(ResourceType::VpcEndpoint, want.tags));
        let answer = cx.call("ec2:CreateVpcEndpoint", request.send()).await?;
        let id = answer.vpc_endpoint().and_then(ApiEndpoint::vpc_endpoint_id).unwrap_or_default().to_owned();
        cx.wait(want.watch, "the endpoint to be available", Duration::from_secs(600), || async {
            let endpoint = live(cx, &id).await?;
            match endpoint.as_ref().and_then(state) {
                Some(State::Available | State::PendingAcceptance) => Ok(Some(())),
                Some(State::Failed | State::Rejected | State::Expired) => {
                    let why = endpoint.as_ref().and_then(|e| e.last_error()).and_then(|e| e.message());
                    let message = format!("the endpoint failed: {}", why.unwrap_or("no reason given"));
                    Err(ApiError::new("ec2:CreateVpcEndpoint", ErrorClass::Other, message))
                }
                _ => Ok(None),
            }
        })
        .await?;
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
        cx.call("ec2:ModifyVpcEndpoint", request.send()).await.map(|_| ())
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
        cx.wait(delete.watch, "the endpoint to be gone", Duration::from_secs(900), || async {
            let endpoint = live(cx, delete.id).await?;
            Ok(endpoint.is_none().then_some(()))
        })
        .await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
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

fn found(cx: &Context, endpoint: &ApiEndpoint) -> Result<Found<Spec>, ApiError> {
    let id = endpoint.vpc_endpoint_id().unwrap_or_default().to_owned();
    let name = endpoint.service_name().unwrap_or_default();
    let service = name.strip_prefix(&format!("com.amazonaws.{}.", cx.region)).unwrap_or(name);
    let endpoint_type = EndpointType::from_api(endpoint.vpc_endpoint_type());
    let gateway = endpoint_type == EndpointType::Gateway;
    let policy = endpoint.policy_document().filter(|p| !p.is_empty()).map(PolicyDocument::from_json).transpose();
    let groups = endpoint.groups().iter().filter_map(|g| g.group_id()).map(Ref::id).collect();
    Ok(Found {
        identifiers: Vec::new(),
        attributes: attributes([
            ("id", json!(id)),
            ("dns_name", json!(endpoint.dns_entries().first().and_then(|d| d.dns_name()))),
        ]),
        spec: Spec {
            vpc: Ref::id(endpoint.vpc_id().unwrap_or_default()),
            service: service.to_owned(),
            endpoint_type,
            route_tables: gateway.then(|| endpoint.route_table_ids().iter().map(Ref::id).collect()),
            subnets: (!gateway).then(|| endpoint.subnet_ids().iter().map(Ref::id).collect()),
            security_groups: (!gateway).then_some(groups),
            private_dns: if gateway { None } else { endpoint.private_dns_enabled() },
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
        unread: Vec::new(),
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_known_in_any_case() {
        for text in ["available", "Available"] {
            let endpoint = ApiEndpoint::builder().state(State::from(text)).build();
            assert_eq!(state(&endpoint), Some(State::Available));
        }
    }

    #[test]
    fn short_names_are_made_whole() {
        assert_eq!(whole("ap-northeast-1", "s3"), "com.amazonaws.ap-northeast-1.s3");
        assert_eq!(whole("ap-northeast-1", "ecr.api"), "com.amazonaws.ap-northeast-1.ecr.api");
        assert_eq!(whole("x", "com.amazonaws.vpce.x.vpce-svc-1"), "com.amazonaws.vpce.x.vpce-svc-1");
    }
}
