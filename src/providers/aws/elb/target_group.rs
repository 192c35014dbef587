//! `target_group`: what a load balancer sends requests to, and how it tells whether that is well.
//!
//! Name, protocol, protocol version, port, network, type of targets, kind of addresses and control port make a new
//! group necessary; health check and attributes change in place. Names can be taken once in a region, have at most 32
//! characters, and derive from the address unless one is given. The list shows no tags: see [`super`] for how groups
//! are found, also after a creating call whose answer was lost. Attributes and targets cost a call a group, and are
//! read where declared.
//!
//! `targets` are managed only if declared; leave them out where an autoscaling group or another service registers them.
//! Targets that are draining do not count. Made in this order: the group with its tags, attributes, targets.
//! API: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load_balancer::LoadBalancer;
use super::{NAME_LIMIT, retag, tags_of, target_group_calls as calls, target_group_parts};
use crate::model::cloud::ApiError;
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::Object;
use crate::model::ownership::Owner;
use crate::model::preflight::View;
use crate::model::types::{Duration, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::instance::Instance;
use crate::providers::aws::ec2::vpc::Vpc;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Tags, Update};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs, Quota, Tally, Use};

pub use super::target_group_parts::{
    Algorithm, CrossZone, Failover, Family, HealthCheckProtocol, Protocol, ProtocolVersion, StickinessType, TargetType,
};

/// The kind `target_group`.
pub struct TargetGroup;

/// What a load balancer sends requests to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name; derived from the address if left out. An object that replaces another one can't have the same name
    /// unless `lifecycle.replacement` is `delete_first`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 32),
        regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$"),
        extend("x-change" = "replace")
    )]
    pub name: Option<String>,
    /// Network of the targets; of any but functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub vpc: Option<Ref<Vpc>>,
    /// What it sends requests by; for any targets but functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub protocol: Option<Protocol>,
    /// Version of HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub protocol_version: Option<ProtocolVersion>,
    /// Port of the targets, unless a target has its own; for any targets but functions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535), extend("x-change" = "replace"))]
    pub port: Option<i32>,
    /// What its targets are; servers if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub target_type: Option<TargetType>,
    /// Addresses of the targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub ip_address_type: Option<Family>,
    /// Port by which targets tell the load balancer how much they can take (target optimizer).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535), extend("x-change" = "replace"))]
    pub control_port: Option<i32>,
    /// How it tells whether a target is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<HealthCheck>,
    /// The targets. Left out, they are somebody else's to register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true, "x-deep" = true))]
    pub targets: Option<Vec<Target>>,
    /// How long a target that leaves goes on with the requests that it has, 0s to 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub deregistration_delay: Option<Duration>,
    /// Whether connections to a target that leaves are closed at the end of that time (network load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub close_on_deregistration: Option<bool>,
    /// How long a new target gets a growing share, 30s to 15m; 0s for at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub slow_start: Option<Duration>,
    /// Whether a client stays with its target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub stickiness: Option<Stickiness>,
    /// How a target is chosen (application load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub algorithm: Option<Algorithm>,
    /// Whether targets that seem unwell get less (with `algorithm: weighted_random`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub anomaly_mitigation: Option<bool>,
    /// Whether targets in other zones are used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub cross_zone: Option<CrossZone>,
    /// How many targets must be well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub least_healthy: Option<LeastHealthy>,
    /// Whether targets see the client's address (network load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub preserve_client_ip: Option<bool>,
    /// Whether the client's address is told by the proxy protocol, version 2 (network load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub proxy_protocol: Option<bool>,
    /// Whether connections to a target that is not well any more are closed (network load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub close_when_unhealthy: Option<bool>,
    /// How long a target that is not well any more keeps its connections, 0s to 100h (with `close_when_unhealthy:
    /// false`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub unhealthy_draining: Option<Duration>,
    /// Whether a function gets headers and query parameters as lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub multi_value_headers: Option<bool>,
    /// What becomes of flows to a target that leaves or is not well (gateway load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub failover: Option<Failover>,
    /// Whether flows are reset when their target is not well (gateway load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub reset_when_unhealthy: Option<bool>,
    /// Whether flows are reset when their target leaves (gateway load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub reset_on_deregistration: Option<bool>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// How a target group tells whether a target is well.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HealthCheck {
    /// Whether it looks; only for functions can it be false, and it is false there if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// What it asks by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<HealthCheckProtocol>,
    /// Port, as text; `traffic-port` is that of the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(traffic-port|[1-9][0-9]{0,4})$"))]
    pub port: Option<String>,
    /// Path that it asks for; for gRPC `/package.service/method`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^/"))]
    pub path: Option<String>,
    /// Status codes of a target that is well: `200`, `200-299`, `200,302`; for gRPC `0`, `0-99`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{1,3}(-[0-9]{1,3})?(,[0-9]{1,3}(-[0-9]{1,3})?)*$"))]
    pub codes: Option<String>,
    /// Time between two looks, 5s to 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// Time in which an answer must come, 2s to 2m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Good answers in a row after which a target is well, 2 to 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 10))]
    pub healthy_after: Option<i32>,
    /// Bad answers in a row after which a target is not well, 2 to 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 10))]
    pub unhealthy_after: Option<i32>,
}

/// Whether a client stays with its target.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stickiness {
    /// Whether it does.
    #[serde(default = "super::target_group_parts::yes")]
    pub enabled: bool,
    /// How the client is known.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub by: Option<StickinessType>,
    /// Name of the targets' own cookie (`app_cookie`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub cookie: Option<String>,
    /// How long the load balancer's cookie holds, 1s to 7d (`lb_cookie`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// How long the targets' own cookie holds, 1s to 7d (`app_cookie`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie_duration: Option<Duration>,
}

/// How many targets must be well; 0 for no such rule.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeastHealthy {
    /// With fewer, the zone is taken out of the load balancer's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub zone_count: Option<i64>,
    /// With a smaller share in percent, the zone is taken out of the load balancer's name, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub zone_percentage: Option<i64>,
    /// With fewer, requests go to all targets, well or not; at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub routing_count: Option<i64>,
    /// With a smaller share in percent, requests go to all targets, well or not, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub routing_percentage: Option<i64>,
}

/// A target. Exactly one of `instance`, `ip`, `function` and `load_balancer` is given, after the group's `target_type`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// A server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<Ref<Instance>>,
    /// An address in the network, or a private one beyond it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<String>,
    /// ARN of a function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// An application load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_balancer: Option<Ref<LoadBalancer>>,
    /// Its port, if it is not the group's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535))]
    pub port: Option<i32>,
    /// Zone from which it gets requests; `all` is needed for an address beyond the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

impl Kind for TargetGroup {
    const NAME: &'static str = "target_group";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "targets of a load balancer",
            service: "elasticloadbalancing",
            reference: "https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateTargetGroup.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Its ARN"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("name", "Name"),
                    Attribute::stable("full_name", "Name for metrics, `targetgroup/NAME/ID`"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "elasticloadbalancing:DescribeTargetGroups",
                    "elasticloadbalancing:DescribeTags",
                    "elasticloadbalancing:DescribeTargetGroupAttributes",
                    "elasticloadbalancing:DescribeTargetHealth",
                    "tag:GetResources",
                ],
                create: &[
                    "elasticloadbalancing:CreateTargetGroup",
                    "elasticloadbalancing:AddTags",
                    "elasticloadbalancing:ModifyTargetGroupAttributes",
                    "elasticloadbalancing:RegisterTargets",
                ],
                update: &[
                    "elasticloadbalancing:ModifyTargetGroup",
                    "elasticloadbalancing:ModifyTargetGroupAttributes",
                    "elasticloadbalancing:RegisterTargets",
                    "elasticloadbalancing:DeregisterTargets",
                    "elasticloadbalancing:AddTags",
                    "elasticloadbalancing:RemoveTags",
                ],
                delete: &["elasticloadbalancing:DeleteTargetGroup"],
            },
            name_limit: NAME_LIMIT,
            creation_seconds: 2,
            deletion_seconds: 2,
            quota: 3000,
            zone_field: None,
            loose_refs: &["targets"],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        target_group_parts::validate(spec, problems);
    }
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>
static GROUPS: Quota = Quota::new("elasticloadbalancing", "L-B22855CB", "Target Groups per Region");

#[async_trait]
impl Checked for TargetGroup {
    fn needs() -> Needs {
        Needs {
            resource: "targetgroup/{name}/*",
            only_for: &[
                ("elasticloadbalancing:ModifyTargetGroup", &["health_check"]),
                ("elasticloadbalancing:ModifyTargetGroupAttributes", target_group_parts::FIELDS),
                ("elasticloadbalancing:RegisterTargets", &["targets"]),
                ("elasticloadbalancing:DeregisterTargets", &["targets"]),
            ],
        }
    }

    fn uses(_: &View<'_>) -> Vec<Use> {
        vec![Use::one(&GROUPS)]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        Ok(Some(Tally::of(calls::all(cx).await?.iter().map(|_| Use::one(&GROUPS)))))
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        view.own_name().map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let taken = |g: &aws_sdk_elasticloadbalancingv2::types::TargetGroup| {
            let name = Name::new(g.target_group_name()?);
            names.contains(&name).then(|| (name, g.target_group_arn().unwrap_or_default().to_owned()))
        };
        let taken: Vec<(Name, String)> = calls::all(cx).await?.iter().filter_map(taken).collect();
        let arns: Vec<String> = taken.iter().map(|(_, arn)| arn.clone()).collect();
        let tags = tags_of(cx, &arns).await?;
        let owner = |arn: &str| tags.get(arn).and_then(Owner::from_tags);
        Ok(taken.into_iter().map(|(name, id)| Holder { owner: owner(&id), name, id }).collect())
    }
}

#[async_trait]
impl AwsKind for TargetGroup {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        calls::read(cx, read).await
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        calls::create(cx, want).await
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        calls::update(cx, update).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        calls::delete(cx, delete).await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, &object.id, set, remove).await
    }
}
