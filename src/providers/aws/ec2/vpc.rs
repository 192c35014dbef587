//! `vpc`: a network of one's own.
//!
//! A change of `cidr` or `tenancy` makes a new network necessary. Secondary ranges and the IPv6 block can be added and
//! removed. Three settings have no page: they cost a call each, and are read only where declared. What the API makes along
//! with a network (main route table, default security group and network ACL) is read in one page each for all networks.
//!
//! DHCP options are an object of their own to the API, which can't be changed: other options are a new one, and the old one
//! goes. It carries the network's tags, by which the next run finds what one that ended between the two left, and takes it
//! away; it goes with the network.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVpc.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{ResourceType, Tenancy, Vpc as ApiVpc, VpcAttributeName, VpcState};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::vpc_parts::{self as parts, Around};
use super::{arn, boolean, filters, from_tags, retag, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::preflight::View;
use crate::model::types::{Cidr, Duration};
use crate::model::value::is_unknown_text;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::kind::{
    AwsKind, Create, Delete, Found, Read, SEEN_WITHIN, Selection, Tags, Update, create_once,
};
use crate::providers::aws::preflight::kind::{Checked, Needs, Quota, Tally, Use};
use crate::providers::aws::words::words;

/// The kind `vpc`.
pub struct Vpc;

/// A network of one's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// IPv4 range, /16 to /28.
    #[schemars(extend("x-change" = "replace"))]
    pub cidr: Cidr,
    /// Further IPv4 ranges, four at most unless the quota is raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub secondary_cidrs: Option<Vec<Cidr>>,
    /// Whether it has a block of IPv6 addresses, /56, given by Amazon (`ipv6_cidr` tells which).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<bool>,
    /// Group of zones that the IPv6 block is announced from, such as `ap-northeast-1`; with `ipv6: true`. Another group
    /// means another block, which the API gives only when no subnet uses the old one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub ipv6_border_group: Option<String>,
    /// Whether servers get DNS host names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub dns_hostnames: Option<bool>,
    /// Whether the network's DNS server answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub dns_support: Option<bool>,
    /// Whether the use of its addresses is measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub address_usage_metrics: Option<bool>,
    /// What servers are told when they ask for an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub dhcp: Option<Dhcp>,
    /// Rules of the security group that the API makes with the network and gives to whatever names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub default_security_group: Option<DefaultGroup>,
    /// Whether servers run on hardware of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub tenancy: Option<VpcTenancy>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// What servers are told when they ask for an address. A server learns of a change when it renews its lease.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "VpcDhcp")]
pub struct Dhcp {
    /// Domain that host names are completed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_name: Option<String>,
    /// DNS servers, four at most, in order: addresses, or `AmazonProvidedDNS`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4))]
    pub name_servers: Option<Vec<String>>,
    /// Time servers, four addresses at most, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4))]
    pub ntp_servers: Option<Vec<String>>,
    /// NetBIOS name servers, four addresses at most, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4))]
    pub netbios_name_servers: Option<Vec<String>>,
    /// NetBIOS node type: 1, 2, 4 or 8; AWS advises 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8))]
    pub netbios_node_type: Option<u8>,
    /// How often a server renews its IPv6 lease: 140s to a year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6_lease: Option<Duration>,
}

/// Rules of a network's default security group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DefaultGroup {
    /// None: nothing comes in and nothing goes out.
    DenyAll,
    /// As the API makes it: members reach each other and everything outside.
    AsCreated,
}

words! {
    /// Hardware that servers run on.
    VpcTenancy {
        /// Shared.
        Default = "default",
        /// One's own.
        Dedicated = "dedicated",
    }
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
            data: None,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "Id, vpc-…"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("owner_account", "Account that owns it"),
                    Attribute::changing("ipv6_cidr", "IPv6 block, if it has one"),
                    Attribute::changing("dhcp_options_id", "Id of its DHCP options, dopt-… or `default`"),
                    Attribute::changing(
                        "main_route_table_id",
                        "Id of the route table of subnets that have none, rtb-…",
                    ),
                    Attribute::stable("default_security_group_id", "Id of its default security group, sg-…"),
                    Attribute::stable("default_network_acl_id", "Id of its default network ACL, acl-…"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "ec2:DescribeVpcs",
                    "ec2:DescribeVpcAttribute",
                    "ec2:DescribeSecurityGroups",
                    "ec2:DescribeRouteTables",
                    "ec2:DescribeNetworkAcls",
                    "ec2:DescribeDhcpOptions",
                ],
                create: &[
                    "ec2:CreateVpc",
                    "ec2:CreateTags",
                    "ec2:ModifyVpcAttribute",
                    "ec2:AssociateVpcCidrBlock",
                    "ec2:CreateDhcpOptions",
                    "ec2:AssociateDhcpOptions",
                    "ec2:DeleteDhcpOptions",
                    "ec2:DescribeSecurityGroupRules",
                    "ec2:RevokeSecurityGroupIngress",
                    "ec2:RevokeSecurityGroupEgress",
                ],
                update: &[
                    "ec2:ModifyVpcAttribute",
                    "ec2:AssociateVpcCidrBlock",
                    "ec2:DisassociateVpcCidrBlock",
                    "ec2:CreateDhcpOptions",
                    "ec2:AssociateDhcpOptions",
                    "ec2:DeleteDhcpOptions",
                    "ec2:DescribeSecurityGroupRules",
                    "ec2:AuthorizeSecurityGroupIngress",
                    "ec2:AuthorizeSecurityGroupEgress",
                    "ec2:RevokeSecurityGroupIngress",
                    "ec2:RevokeSecurityGroupEgress",
                    "ec2:CreateTags",
                    "ec2:DeleteTags",
                ],
                delete: &["ec2:AssociateDhcpOptions", "ec2:DeleteDhcpOptions", "ec2:DeleteVpc"],
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
        if spec.ipv6_border_group.is_some() && spec.ipv6 != Some(true) {
            problems.add("ipv6_border_group", "there is no IPv6 block to announce", "set `ipv6: true`");
        }
        if spec.dns_hostnames == Some(true) && spec.dns_support == Some(false) {
            problems.add("dns_hostnames", "host names need the network's DNS server", "set `dns_support: true`");
        }
        if let Some(dhcp) = &spec.dhcp {
            check_dhcp(dhcp, problems);
        }
    }
}

fn check_dhcp(dhcp: &Dhcp, problems: &mut Problems) {
    if *dhcp == Dhcp::default() {
        problems.add("dhcp", "no option is given", "give `domain_name` or `name_servers`, for one, or leave it out");
    }
    let lists = [
        ("name_servers", &dhcp.name_servers),
        ("ntp_servers", &dhcp.ntp_servers),
        ("netbios_name_servers", &dhcp.netbios_name_servers),
    ];
    for (field, servers) in lists {
        let wrong = servers.iter().flatten().find(|s| {
            let amazon = field == "name_servers" && *s == "AmazonProvidedDNS";
            !amazon && !is_unknown_text(s) && s.parse::<std::net::IpAddr>().is_err()
        });
        if let Some(wrong) = wrong {
            problems.add(format!("dhcp.{field}"), format!("`{wrong}` is not an address"), "give addresses, not names");
        }
    }
    if let Some(node) = dhcp.netbios_node_type.filter(|n| ![1, 2, 4, 8].contains(n)) {
        problems.add("dhcp.netbios_node_type", format!("there is no node type {node}"), "take 1, 2, 4 or 8");
    }
    if let Some(lease) = dhcp.ipv6_lease.as_ref().filter(|l| !is_unknown_text(l.as_str()))
        && !(140..=31_536_000).contains(&lease.seconds())
    {
        problems.add("dhcp.ipv6_lease", format!("`{lease}` is not between 140s and 365d"), "write 1h, for one");
    }
}

/// <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>
static NETWORKS: Quota = Quota::new("vpc", "L-F678F1CE", "VPCs per Region");

#[async_trait]
impl Checked for Vpc {
    fn needs() -> Needs {
        Needs {
            resource: "vpc/*",
            only_for: &[
                ("ec2:ModifyVpcAttribute", &["dns_hostnames", "dns_support", "address_usage_metrics"]),
                ("ec2:AssociateVpcCidrBlock", &["secondary_cidrs", "ipv6_border_group"]),
                ("ec2:DisassociateVpcCidrBlock", &["secondary_cidrs", "ipv6", "ipv6_border_group"]),
                ("ec2:CreateDhcpOptions", &["dhcp"]),
                ("ec2:AssociateDhcpOptions", &["dhcp"]),
                ("ec2:DeleteDhcpOptions", &["dhcp"]),
                ("ec2:DescribeSecurityGroupRules", &["default_security_group"]),
                ("ec2:AuthorizeSecurityGroupIngress", &["default_security_group"]),
                ("ec2:AuthorizeSecurityGroupEgress", &["default_security_group"]),
                ("ec2:RevokeSecurityGroupIngress", &["default_security_group"]),
                ("ec2:RevokeSecurityGroupEgress", &["default_security_group"]),
            ],
        }
    }

    fn uses(_: &View<'_>) -> Vec<Use> {
        vec![Use::one(&NETWORKS)]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        let pages =
            cx.pages("ec2:DescribeVpcs", cx.ec2().describe_vpcs().max_results(1000).into_paginator().send()).await?;
        Ok(Some(Tally::of(pages.iter().flat_map(|p| p.vpcs()).map(|_| Use::one(&NETWORKS)))))
    }
}

#[async_trait]
impl AwsKind for Vpc {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let request = cx.ec2().describe_vpcs().set_filters(Some(filters(&read.selection, "vpc-id"))).max_results(1000);
        let pages = cx.pages("ec2:DescribeVpcs", request.into_paginator().send()).await?;
        let vpcs: Vec<&ApiVpc> = pages.iter().flat_map(|p| p.vpcs()).collect();
        let around = parts::around(cx, read, &vpcs).await?;
        futures::future::try_join_all(vpcs.iter().map(|vpc| found(cx, read, vpc, &around))).await
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let once = cx.once();
        let request = once
            .ec2()
            .create_vpc()
            .cidr_block(spec.cidr.as_str())
            .set_amazon_provided_ipv6_cidr_block(spec.ipv6.filter(|v| *v))
            .set_ipv6_cidr_block_network_border_group(spec.ipv6_border_group.clone())
            .set_instance_tenancy(spec.tenancy.map(|t| Tenancy::from(t.api())))
            .tag_specifications(tag_specification(ResourceType::Vpc, want.tags));
        let call = async {
            let answer = once.call("ec2:CreateVpc", request.send()).await?;
            Ok(answer.vpc().and_then(ApiVpc::vpc_id).unwrap_or_default().to_owned())
        };
        let id = create_once::<Self>(cx, want, None, call).await?;
        cx.wait(want.watch, &format!("{id} to be available"), SEEN_WITHIN, || async {
            let vpc = live(cx, &id).await?;
            let now = vpc.as_ref().and_then(ApiVpc::state);
            let usable = now == Some(&VpcState::Available);
            if usable && spec.ipv6 == Some(true) && vpc.as_ref().and_then(parts::ipv6).is_none() {
                return Ok(Look::not(Some("without its IPv6 block")));
            }
            Ok(Look::when(usable, now.map(VpcState::as_str)))
        })
        .await?;
        settle(cx, &id, want, |field| field != "ipv6" && field != "ipv6_border_group").await?;
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        settle(cx, update.id, &update.want, |field| update.changed(field)).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        if let Some(vpc) = live(cx, delete.id).await? {
            parts::remove_dhcp(cx, &vpc).await?;
        }
        cx.call("ec2:DeleteVpc", cx.ec2().delete_vpc().vpc_id(delete.id).send()).await.map(|_| ())
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

pub(super) async fn live(cx: &Context, id: &str) -> Result<Option<ApiVpc>, ApiError> {
    let ids = [id.to_owned()];
    let request = cx.ec2().describe_vpcs().set_filters(Some(filters(&Selection::Ids(&ids), "vpc-id")));
    Ok(cx.call("ec2:DescribeVpcs", request.send()).await?.vpcs().first().cloned())
}

/// Everything that is not set in the creating call; also what an update changes.
async fn settle(
    cx: &Context,
    id: &str,
    want: &Create<'_, Spec>,
    changed: impl Fn(&str) -> bool,
) -> Result<(), ApiError> {
    let spec = want.spec;
    set_attributes(cx, id, spec, &changed).await?;
    let vpc = live(cx, id).await?.ok_or_else(|| {
        ApiError::new("ec2:DescribeVpcs", ErrorClass::NotFound, format!("the network '{id}' does not exist"))
    })?;
    if let Some(cidrs) = spec.secondary_cidrs.as_ref().filter(|_| changed("secondary_cidrs")) {
        parts::settle_cidrs(cx, &vpc, cidrs).await?;
    }
    if changed("ipv6") || changed("ipv6_border_group") {
        parts::settle_ipv6(cx, &vpc, spec, want.watch).await?;
    }
    if let Some(dhcp) = spec.dhcp.as_ref().filter(|_| changed("dhcp")) {
        parts::settle_dhcp(cx, &vpc, dhcp, want.tags).await?;
    }
    if let Some(rules) = spec.default_security_group.filter(|_| changed("default_security_group")) {
        let ipv6 = spec.ipv6.unwrap_or(parts::ipv6(&vpc).is_some());
        parts::settle_default_group(cx, id, rules, ipv6).await?;
    }
    Ok(())
}

/// Turns the API's answer into a spec, with a call for each setting without a page that is declared.
async fn found(cx: &Context, read: &Read<'_>, vpc: &ApiVpc, around: &Around) -> Result<Found<Spec>, ApiError> {
    let id = vpc.vpc_id().unwrap_or_default().to_owned();
    let tags = from_tags(vpc.tags());
    let mut unread = Vec::new();
    let mut settings = BTreeMap::new();
    for (field, name) in [
        ("dns_hostnames", VpcAttributeName::EnableDnsHostnames),
        ("dns_support", VpcAttributeName::EnableDnsSupport),
        ("address_usage_metrics", VpcAttributeName::EnableNetworkAddressUsageMetrics),
    ] {
        if !read.wants(field, &tags) {
            unread.push(field);
            continue;
        }
        let request = cx.ec2().describe_vpc_attribute().vpc_id(&id).attribute(name);
        let answer = cx.call("ec2:DescribeVpcAttribute", request.send()).await?;
        let value = match field {
            "dns_hostnames" => answer.enable_dns_hostnames(),
            "dns_support" => answer.enable_dns_support(),
            _ => answer.enable_network_address_usage_metrics(),
        };
        settings.insert(field, value.and_then(|v| v.value()));
    }
    let setting = |field: &str| settings.get(field).copied().flatten();
    let dhcp_id = vpc.dhcp_options_id().unwrap_or("default");
    // With options that a run left beside those in use, it is as nobody declares it, and an update takes them away.
    let dhcp = around.dhcp.get(dhcp_id).filter(|_| !around.left.contains(&id)).cloned();
    if !read.wants("dhcp", &tags) {
        unread.push("dhcp");
    }
    let group = around.group.get(&id);
    let block = parts::ipv6(vpc);
    let account = vpc.owner_id().unwrap_or_default();
    let arn = arn(&cx.region, account, "vpc", &id);
    Ok(Found {
        identifiers: vec![arn.clone()],
        attributes: super::attributes([
            ("id", json!(id)),
            ("arn", json!(arn)),
            ("owner_account", json!(account)),
            ("ipv6_cidr", json!(block.and_then(|b| b.ipv6_cidr_block()))),
            ("dhcp_options_id", json!(dhcp_id)),
            ("main_route_table_id", json!(around.main_table.get(&id))),
            ("default_security_group_id", json!(group.map(|(id, _)| id))),
            ("default_network_acl_id", json!(around.acl.get(&id))),
        ]),
        spec: Spec {
            cidr: parse_cidr("ec2:DescribeVpcs", vpc.cidr_block().unwrap_or_default())?,
            secondary_cidrs: Some(parts::secondary(vpc)?),
            ipv6: Some(block.is_some()),
            ipv6_border_group: block.and_then(|b| b.network_border_group()).map(str::to_owned),
            dns_hostnames: setting("dns_hostnames"),
            dns_support: setting("dns_support"),
            address_usage_metrics: setting("address_usage_metrics"),
            dhcp: dhcp.filter(|_| !unread.contains(&"dhcp")),
            default_security_group: group.and_then(|(_, rules)| *rules),
            tenancy: vpc.instance_tenancy().and_then(|t| VpcTenancy::from_api(t.as_str())),
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
async fn set_attributes(cx: &Context, id: &str, spec: &Spec, changed: impl Fn(&str) -> bool) -> Result<(), ApiError> {
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
    if let Some(metrics) = spec.address_usage_metrics.filter(|_| changed("address_usage_metrics")) {
        cx.call(operation, modify().enable_network_address_usage_metrics(boolean(metrics)).send()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
