//! `load_balancer`: what takes clients' requests and hands them to targets: application, network and gateway.
//!
//! Name, type, scheme and the pool of an Outpost make a new load balancer necessary. Subnets, security groups, kind of
//! addresses, pool and attributes change in place. Names can be taken once in a region, have at most 32 characters, and
//! derive from the address unless one is given. The list shows no tags: see [`super`] for how load balancers are found,
//! also after a creating call whose answer was lost. Attributes cost a call a load balancer, and are read where
//! declared.
//!
//! Made in this order: the load balancer with its tags, what the creating call does not take, attributes, the wait (a
//! few minutes). `drop_invalid_headers` is on unless a user says otherwise; it is about application load balancers, and
//! is neither written for others nor a difference there. Deletion protection is never lifted by a deletion. A deletion
//! waits until the network interfaces are gone, too: they keep subnets and security groups from going.
//! API: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NAME_LIMIT, load_balancer_calls as calls, load_balancer_parts, retag, tags_of};
use crate::model::cloud::ApiError;
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::Object;
use crate::model::ownership::Owner;
use crate::model::preflight::View;
use crate::model::types::{Duration, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::elastic_ip::ElasticIp;
use crate::providers::aws::ec2::security_group::SecurityGroup;
use crate::providers::aws::ec2::subnet::Subnet;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Tags, Update};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs, Quota, Tally, Use};
use crate::providers::aws::s3::bucket::Bucket;

pub use super::load_balancer_parts::{
    ClientRouting, DesyncMode, ForwardedFor, LoadBalancerAddresses, LoadBalancerType, Scheme,
};

/// The kind `load_balancer`.
pub struct LoadBalancer;

/// What takes clients' requests and hands them to targets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Its sort.
    #[serde(rename = "type")]
    #[schemars(extend("x-change" = "replace"))]
    pub kind: LoadBalancerType,
    /// Who can reach it; must be said for application and network load balancers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub scheme: Option<Scheme>,
    /// Subnets, one a zone; or else `mappings`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub subnets: Option<Vec<Ref<Subnet>>>,
    /// Subnets, one a zone, with chosen addresses (network load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub mappings: Option<Vec<SubnetMapping>>,
    /// Says that one zone is meant: on an Outpost, or in a Local Zone (application load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-fingerprint" = true))]
    pub single_zone: Option<bool>,
    /// Security groups, up to 5. A network load balancer that was made without can't get any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub security_groups: Option<Vec<Ref<SecurityGroup>>>,
    /// Whether security groups are asked about what comes through PrivateLink (network load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub check_private_link: Option<bool>,
    /// Which addresses clients can use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address_type: Option<LoadBalancerAddresses>,
    /// Whether sources are translated by an IPv6 prefix of each subnet (network load balancers with UDP).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6_source_nat: Option<bool>,
    /// Id of an IPAM pool that its public addresses come from (application load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipam_pool: Option<String>,
    /// Id of the pool of one's own addresses on an Outpost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub customer_owned_pool: Option<String>,
    /// Where each request is written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub access_logs: Option<Logs>,
    /// Where each connection is written down (application load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub connection_logs: Option<Logs>,
    /// Where each health check is written down (application load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub health_check_logs: Option<Logs>,
    /// Whether the API refuses to delete it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub deletion_protection: Option<bool>,
    /// After which silence a connection is closed, 1s to 4000s (application load balancers; others have it at the
    /// listener).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub idle_timeout: Option<Duration>,
    /// How long a client's connection is kept at most, 60s to 7d (application load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub keep_alive: Option<Duration>,
    /// Whether clients can use HTTP/2 (application load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub http2: Option<bool>,
    /// Whether headers that are not as they should be are taken away (application load balancers).
    #[serde(default = "load_balancer_parts::yes")]
    #[schemars(extend("x-deep" = true))]
    pub drop_invalid_headers: bool,
    /// What is done with requests that servers may take apart in different ways (application load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub desync_mode: Option<DesyncMode>,
    /// Whether targets get the header `Host` as the client sent it (application load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub preserve_host_header: Option<bool>,
    /// Whether targets are told TLS version and cipher suite (application load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub tls_headers: Option<bool>,
    /// What is done with the header `X-Forwarded-For` (application load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub forwarded_for: Option<ForwardedFor>,
    /// Whether `X-Forwarded-For` has the client's port, too (application load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub forwarded_client_port: Option<bool>,
    /// Whether requests go on when the web access list can't be asked (application load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub waf_fail_open: Option<bool>,
    /// Whether a zone can be taken out by a zonal shift.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub zonal_shift: Option<bool>,
    /// Whether targets in other zones are used (network and gateway load balancers; application ones always do).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub cross_zone: Option<bool>,
    /// Which zone's addresses a client is told (network load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub client_routing: Option<ClientRouting>,
    /// Whether what comes over IPv6 through an internet gateway is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub deny_internet_gateway: Option<bool>,
    /// Further addresses in each subnet, 0 to 7; it can only grow (network load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 7), extend("x-deep" = true))]
    pub secondary_ips: Option<i64>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// A subnet with chosen addresses.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SubnetMapping {
    /// The subnet.
    pub subnet: Ref<Subnet>,
    /// Public address, of a load balancer that faces the internet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elastic_ip: Option<Ref<ElasticIp>>,
    /// Private IPv4 address, of an internal load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_ip: Option<String>,
    /// IPv6 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<String>,
    /// IPv6 prefix (/80) by which sources are translated, or `auto_assigned`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_nat_prefix: Option<String>,
}

/// Where something is written down. The bucket's policy must let the service write.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logs {
    /// Whether it is.
    #[serde(default = "load_balancer_parts::yes")]
    pub enabled: bool,
    /// The bucket, in the same region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<Ref<Bucket>>,
    /// What the names of its files begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

impl Kind for LoadBalancer {
    const NAME: &'static str = "load_balancer";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "load balancer",
            service: "elasticloadbalancing",
            reference: "https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateLoadBalancer.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Its ARN"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("dns_name", "Name that clients ask for"),
                    Attribute::stable("zone_id", "Id of the zone that this name is in, for alias records"),
                    Attribute::stable("name", "Name"),
                    Attribute::stable("full_name", "Name for metrics, `app/NAME/ID`"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "elasticloadbalancing:DescribeLoadBalancers",
                    "elasticloadbalancing:DescribeTags",
                    "elasticloadbalancing:DescribeLoadBalancerAttributes",
                    "tag:GetResources",
                ],
                create: &[
                    "elasticloadbalancing:CreateLoadBalancer",
                    "elasticloadbalancing:AddTags",
                    "elasticloadbalancing:SetSecurityGroups",
                    "elasticloadbalancing:ModifyLoadBalancerAttributes",
                    "iam:CreateServiceLinkedRole",
                ],
                update: &[
                    "elasticloadbalancing:SetSubnets",
                    "elasticloadbalancing:SetSecurityGroups",
                    "elasticloadbalancing:SetIpAddressType",
                    "elasticloadbalancing:ModifyIpPools",
                    "elasticloadbalancing:ModifyLoadBalancerAttributes",
                    "elasticloadbalancing:AddTags",
                    "elasticloadbalancing:RemoveTags",
                ],
                delete: &["elasticloadbalancing:DeleteLoadBalancer", "ec2:DescribeNetworkInterfaces"],
            },
            name_limit: NAME_LIMIT,
            creation_seconds: 180,
            deletion_seconds: 60,
            quota: 50,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        load_balancer_parts::validate(spec, problems);
    }
}

/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html>
static APPLICATION: Quota = Quota::new("elasticloadbalancing", "L-53DA6B97", "Application Load Balancers per Region");
/// <https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-limits.html>
static NETWORK: Quota = Quota::new("elasticloadbalancing", "L-69A177A2", "Network Load Balancers per Region");

/// What a load balancer of this type takes of quotas.
fn quota(kind: &str) -> Option<Use> {
    match LoadBalancerType::from_api(kind)? {
        LoadBalancerType::Application => Some(Use::one(&APPLICATION)),
        LoadBalancerType::Network => Some(Use::one(&NETWORK)),
        LoadBalancerType::Gateway => None,
    }
}

#[async_trait]
impl Checked for LoadBalancer {
    fn needs() -> Needs {
        Needs {
            resource: "loadbalancer/*/{name}/*",
            only_for: &[
                ("elasticloadbalancing:SetSubnets", &["subnets", "mappings", "ipv6_source_nat"]),
                ("elasticloadbalancing:SetSecurityGroups", &["security_groups", "check_private_link"]),
                ("elasticloadbalancing:SetIpAddressType", &["ip_address_type"]),
                ("elasticloadbalancing:ModifyIpPools", &["ipam_pool"]),
                ("elasticloadbalancing:ModifyLoadBalancerAttributes", load_balancer_parts::FIELDS),
                ("iam:CreateServiceLinkedRole", &[]),
            ],
        }
    }

    fn uses(view: &View<'_>) -> Vec<Use> {
        view.text("type").and_then(quota).into_iter().collect()
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        let all = calls::all(cx).await?;
        Ok(Some(Tally::of(all.iter().filter_map(|b| quota(b.r#type()?.as_str())))))
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        view.own_name().map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let taken = |b: &aws_sdk_elasticloadbalancingv2::types::LoadBalancer| {
            let name = Name::new(b.load_balancer_name()?);
            names.contains(&name).then(|| (name, b.load_balancer_arn().unwrap_or_default().to_owned()))
        };
        let taken: Vec<(Name, String)> = calls::all(cx).await?.iter().filter_map(taken).collect();
        let arns: Vec<String> = taken.iter().map(|(_, arn)| arn.clone()).collect();
        let tags = tags_of(cx, &arns).await?;
        let owner = |arn: &str| tags.get(arn).and_then(Owner::from_tags);
        Ok(taken.into_iter().map(|(name, id)| Holder { owner: owner(&id), name, id }).collect())
    }
}

#[async_trait]
impl AwsKind for LoadBalancer {
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
