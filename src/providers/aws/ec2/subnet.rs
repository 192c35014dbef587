//! `subnet`: a part of a network, in one zone.
//!
//! A change of `vpc`, `zone`, `cidr` or `ipv6_native` makes a new subnet necessary; the new one can stand beside the old
//! one only if its range differs, so a replacement deletes first unless the user says otherwise. The IPv6 range comes and
//! goes in place; a subnet has one at most, so another one means that servers lose their IPv6 addresses.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSubnet.html>

use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    HostnameType, ResourceType, Subnet as ApiSubnet, SubnetCidrBlockStateCode, SubnetIpv6CidrBlockAssociation,
    SubnetState,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::vpc::{self, Vpc, parse_cidr};
use super::{attributes, boolean, filters, from_tags, retag, tag_specification, vpc_parts};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::preflight::View;
use crate::model::types::{Cidr, Ref};
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::kind::{
    AwsKind, Create, Delete, Found, Read, SEEN_WITHIN, Selection, Tags, Update, create_once,
};
use crate::providers::aws::preflight::kind::{Checked, Needs, Quota, Tally, Use};
use crate::providers::aws::words::words;

/// Longest time until an IPv6 range has come or gone.
const RANGE_WITHIN: Duration = Duration::from_secs(300);

/// The kind `subnet`.
pub struct Subnet;

/// A part of a network, in one zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The network.
    #[schemars(extend("x-change" = "replace"))]
    pub vpc: Ref<Vpc>,
    /// Availability zone, such as `ap-northeast-1a`.
    #[schemars(extend("x-change" = "replace"))]
    pub zone: String,
    /// IPv4 range inside the network's, /16 to /28; every subnet has one, unless `ipv6_native: true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub cidr: Option<Cidr>,
    /// IPv6 range inside the network's, /64; either this or `ipv6_number`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub ipv6_cidr: Option<Cidr>,
    /// Which /64 of the network's /56 it has, 0 to 255: for a network whose block is not known before it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub ipv6_number: Option<u8>,
    /// Whether it has IPv6 only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub ipv6_native: Option<bool>,
    /// Whether servers get a public IPv4 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_addresses: Option<bool>,
    /// Whether servers get an IPv6 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6_addresses: Option<bool>,
    /// Whether names without an IPv6 address are answered with one that leads to their IPv4 address over a NAT gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns64: Option<bool>,
    /// What the private DNS names of servers are made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname_type: Option<SubnetHostnames>,
    /// Whether a server's resource name answers to DNS queries for IPv4.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name_dns: Option<bool>,
    /// Whether a server's resource name answers to DNS queries for IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name_dns_ipv6: Option<bool>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

words! {
    /// What private DNS names are made from.
    SubnetHostnames {
        /// The server's address.
        IpName = "ip-name",
        /// The server's id.
        ResourceName = "resource-name",
    }
}

impl Kind for Subnet {
    const NAME: &'static str = "subnet";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "subnet of a network",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSubnet.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::DeleteFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "Id, subnet-…"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("zone_id", "Id of the zone, the same in all accounts"),
                    Attribute::stable("owner_account", "Account that owns it"),
                    Attribute::changing("ipv6_cidr", "IPv6 range, if it has one"),
                ]
            },
            permissions: Permissions {
                read: &["ec2:DescribeSubnets"],
                create: &["ec2:CreateSubnet", "ec2:CreateTags", "ec2:ModifySubnetAttribute", "ec2:DescribeVpcs"],
                update: &[
                    "ec2:ModifySubnetAttribute",
                    "ec2:AssociateSubnetCidrBlock",
                    "ec2:DisassociateSubnetCidrBlock",
                    "ec2:DescribeVpcs",
                    "ec2:CreateTags",
                    "ec2:DeleteTags",
                ],
                delete: &["ec2:DeleteSubnet"],
            },
            name_limit: 0,
            creation_seconds: 3,
            deletion_seconds: 1,
            quota: 200,
            zone_field: Some("zone"),
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        let native = spec.ipv6_native == Some(true);
        match spec.cidr.as_ref() {
            None if !native => problems.add("cidr", "a subnet has an IPv4 range", "add `cidr`, or `ipv6_native: true`"),
            Some(_) if native => {
                problems.add("cidr", "a subnet with IPv6 only has no IPv4 range", "remove it, or `ipv6_native`");
            }
            Some(cidr) if cidr.net().is_some_and(|n| n.addr().is_ipv6() || !(16..=28).contains(&n.prefix_len())) => {
                problems.add(
                    "cidr",
                    format!("`{cidr}` is not an IPv4 range from /16 to /28"),
                    "use 10.0.1.0/24, for one",
                );
            }
            Some(_) | None => {}
        }
        if let Some(cidr) = &spec.ipv6_cidr
            && cidr.net().is_some_and(|n| n.addr().is_ipv4() || n.prefix_len() != 64)
        {
            problems.add(
                "ipv6_cidr",
                format!("`{cidr}` is not an IPv6 range of /64"),
                "use 2001:db8:0:1::/64, for one",
            );
        }
        if spec.ipv6_cidr.is_some() && spec.ipv6_number.is_some() {
            problems.add("ipv6_number", "the range is given already", "keep one of `ipv6_cidr` and `ipv6_number`");
        }
        let without = spec.ipv6_cidr.is_none() && spec.ipv6_number.is_none();
        for (field, given) in [
            ("ipv6_native", native),
            ("ipv6_addresses", spec.ipv6_addresses == Some(true)),
            ("resource_name_dns_ipv6", spec.resource_name_dns_ipv6 == Some(true)),
        ] {
            if without && given {
                problems.add(field, "the subnet has no IPv6 range", "add `ipv6_cidr` or `ipv6_number`");
            }
        }
    }
}

/// <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>
static SUBNETS: Quota = Quota::new("vpc", "L-407747CB", "Subnets per VPC");

#[async_trait]
impl Checked for Subnet {
    fn needs() -> Needs {
        Needs {
            resource: "subnet/*",
            only_for: &[
                (
                    "ec2:ModifySubnetAttribute",
                    &[
                        "public_addresses",
                        "ipv6_addresses",
                        "dns64",
                        "hostname_type",
                        "resource_name_dns",
                        "resource_name_dns_ipv6",
                    ],
                ),
                ("ec2:DescribeVpcs", &["ipv6_number"]),
                ("ec2:AssociateSubnetCidrBlock", &["ipv6_cidr", "ipv6_number"]),
                ("ec2:DisassociateSubnetCidrBlock", &["ipv6_cidr", "ipv6_number"]),
            ],
        }
    }

    fn uses(view: &View<'_>) -> Vec<Use> {
        view.place("vpc").map(|vpc| Use::of(&SUBNETS, vpc)).into_iter().collect()
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        let request = cx.ec2().describe_subnets().max_results(1000);
        let pages = cx.pages("ec2:DescribeSubnets", request.into_paginator().send()).await?;
        let networks = pages.iter().flat_map(|p| p.subnets()).filter_map(ApiSubnet::vpc_id);
        Ok(Some(Tally::of(networks.map(|vpc| Use::of(&SUBNETS, vpc)))))
    }
}

#[async_trait]
impl AwsKind for Subnet {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let request =
            cx.ec2().describe_subnets().set_filters(Some(filters(&read.selection, "subnet-id"))).max_results(1000);
        let pages = cx.pages("ec2:DescribeSubnets", request.into_paginator().send()).await?;
        pages.iter().flat_map(|p| p.subnets()).map(found).collect()
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let once = cx.once();
        let request = once
            .ec2()
            .create_subnet()
            .vpc_id(want.id(&spec.vpc)?)
            .availability_zone(&spec.zone)
            .set_cidr_block(spec.cidr.as_ref().map(ToString::to_string))
            .set_ipv6_cidr_block(range(cx, want).await?)
            .set_ipv6_native(spec.ipv6_native)
            .tag_specifications(tag_specification(ResourceType::Subnet, want.tags));
        let call = async {
            let answer = once.call("ec2:CreateSubnet", request.send()).await?;
            Ok(answer.subnet().and_then(ApiSubnet::subnet_id).unwrap_or_default().to_owned())
        };
        let id = create_once::<Self>(cx, want, None, call).await?;
        cx.wait(want.watch, &format!("{id} to be available"), SEEN_WITHIN, || async {
            let subnet = live(cx, &id).await?;
            let now = subnet.as_ref().and_then(ApiSubnet::state);
            Ok(Look::when(now == Some(&SubnetState::Available), now.map(SubnetState::as_str)))
        })
        .await?;
        set_attributes(cx, &id, spec, |_| true).await?;
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        if update.changed("ipv6_cidr") || update.changed("ipv6_number") {
            settle_range(cx, update.id, &update.want).await?;
        }
        set_attributes(cx, update.id, update.want.spec, |field| update.changed(field)).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        cx.call("ec2:DeleteSubnet", cx.ec2().delete_subnet().subnet_id(delete.id).send()).await.map(|_| ())
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

async fn live(cx: &Context, id: &str) -> Result<Option<ApiSubnet>, ApiError> {
    let ids = [id.to_owned()];
    let request = cx.ec2().describe_subnets().set_filters(Some(filters(&Selection::Ids(&ids), "subnet-id")));
    Ok(cx.call("ec2:DescribeSubnets", request.send()).await?.subnets().first().cloned())
}

/// The IPv6 range of a subnet, but for one that is going.
fn ipv6(subnet: &ApiSubnet) -> Option<&SubnetIpv6CidrBlockAssociation> {
    use SubnetCidrBlockStateCode::{Disassociated, Disassociating, Failed, Failing};
    let going = |s: &SubnetCidrBlockStateCode| matches!(s, Disassociating | Disassociated | Failing | Failed);
    subnet
        .ipv6_cidr_block_association_set()
        .iter()
        .find(|a| !a.ipv6_cidr_block_state().and_then(|s| s.state()).is_some_and(going))
}

/// The /64 of this number inside a block; none if the block is none or smaller.
fn numbered(block: &str, number: u8) -> Option<String> {
    let net: ipnet::Ipv6Net = block.parse().ok()?;
    if net.prefix_len() > 64 || u32::from(number) >> (64 - net.prefix_len()).min(31) != 0 {
        return None;
    }
    let first = net.network().to_bits() | u128::from(number) << 64;
    Some(format!("{}/64", Ipv6Addr::from_bits(first)))
}

/// The number of a /64 inside its /56.
fn number_of(cidr: &Cidr) -> Option<u8> {
    match cidr.net()? {
        ipnet::IpNet::V6(net) if net.prefix_len() == 64 => u8::try_from((net.network().to_bits() >> 64) & 0xff).ok(),
        ipnet::IpNet::V6(_) | ipnet::IpNet::V4(_) => None,
    }
}

/// The IPv6 range wanted; the network tells its block.
async fn range(cx: &Context, want: &Create<'_, Spec>) -> Result<Option<String>, ApiError> {
    let spec = want.spec;
    if let Some(cidr) = &spec.ipv6_cidr {
        return Ok(Some(cidr.to_string()));
    }
    let Some(number) = spec.ipv6_number else { return Ok(None) };
    let id = want.id(&spec.vpc)?;
    let network = vpc::live(cx, &id).await?;
    let block = network.as_ref().and_then(vpc_parts::ipv6).and_then(|b| b.ipv6_cidr_block());
    let range = block.and_then(|b| numbered(b, number));
    range.map(Some).ok_or_else(|| {
        let message = match block {
            None => format!("the network {id} has no IPv6 block: set `ipv6: true` there"),
            Some(block) => format!("the network's IPv6 block {block} has no /64 of number {number}"),
        };
        ApiError::new("ec2:CreateSubnet", ErrorClass::Invalid, message)
    })
}

/// Takes another IPv6 range. The old one must go first.
async fn settle_range(cx: &Context, id: &str, want: &Create<'_, Spec>) -> Result<(), ApiError> {
    let Some(wanted) = range(cx, want).await? else { return Ok(()) };
    let subnet = live(cx, id).await?.ok_or_else(|| {
        ApiError::new("ec2:DescribeSubnets", ErrorClass::NotFound, format!("the subnet '{id}' does not exist"))
    })?;
    let there = ipv6(&subnet);
    if there.and_then(|a| a.ipv6_cidr_block()) == Some(wanted.as_str()) {
        return Ok(());
    }
    if let Some(association) = there.and_then(|a| a.association_id()) {
        let request = cx.ec2().disassociate_subnet_cidr_block().association_id(association);
        cx.call("ec2:DisassociateSubnetCidrBlock", request.send()).await?;
        cx.wait(want.watch, &format!("the IPv6 range of {id} to be gone"), RANGE_WITHIN, || async {
            let subnet = live(cx, id).await?;
            let range = subnet.as_ref().and_then(ipv6);
            Ok(Look::when(range.is_none(), range.and_then(|r| r.ipv6_cidr_block())))
        })
        .await?;
    }
    let request = cx.ec2().associate_subnet_cidr_block().subnet_id(id).ipv6_cidr_block(wanted);
    cx.call("ec2:AssociateSubnetCidrBlock", request.send()).await?;
    cx.wait(want.watch, &format!("the IPv6 range of {id}"), RANGE_WITHIN, || async {
        let subnet = live(cx, id).await?;
        Ok(Look::when(subnet.as_ref().and_then(ipv6).is_some(), Some("no range yet")))
    })
    .await
}

fn found(subnet: &ApiSubnet) -> Result<Found<Spec>, ApiError> {
    let id = subnet.subnet_id().unwrap_or_default().to_owned();
    let options = subnet.private_dns_name_options_on_launch();
    let cidr =
        |text: Option<&str>| text.filter(|t| !t.is_empty()).map(|t| parse_cidr("ec2:DescribeSubnets", t)).transpose();
    let ipv6_cidr = cidr(ipv6(subnet).and_then(|a| a.ipv6_cidr_block()))?;
    Ok(Found {
        identifiers: subnet.subnet_arn().map(str::to_owned).into_iter().collect(),
        attributes: attributes([
            ("id", json!(id)),
            ("arn", json!(subnet.subnet_arn())),
            ("zone_id", json!(subnet.availability_zone_id())),
            ("owner_account", json!(subnet.owner_id())),
            ("ipv6_cidr", json!(ipv6_cidr)),
        ]),
        spec: Spec {
            vpc: Ref::id(subnet.vpc_id().unwrap_or_default()),
            zone: subnet.availability_zone().unwrap_or_default().to_owned(),
            cidr: cidr(subnet.cidr_block())?,
            ipv6_number: ipv6_cidr.as_ref().and_then(number_of),
            ipv6_cidr,
            ipv6_native: Some(subnet.ipv6_native().unwrap_or(false)),
            public_addresses: subnet.map_public_ip_on_launch(),
            ipv6_addresses: subnet.assign_ipv6_address_on_creation(),
            dns64: Some(subnet.enable_dns64().unwrap_or(false)),
            hostname_type: options.and_then(|o| o.hostname_type()).and_then(|t| SubnetHostnames::from_api(t.as_str())),
            resource_name_dns: options.and_then(|o| o.enable_resource_name_dns_a_record()),
            resource_name_dns_ipv6: options.and_then(|o| o.enable_resource_name_dns_aaaa_record()),
            tags: None,
        },
        status: match subnet.state() {
            Some(SubnetState::Pending) => Status::Pending("pending".to_owned()),
            Some(SubnetState::Failed | SubnetState::FailedInsufficientCapacity) => Status::Failed("failed".to_owned()),
            _ => Status::Ready,
        },
        tags: from_tags(subnet.tags()),
        unread: Vec::new(),
        id,
    })
}

/// The API takes one attribute a call.
async fn set_attributes(cx: &Context, id: &str, spec: &Spec, changed: impl Fn(&str) -> bool) -> Result<(), ApiError> {
    let modify = || cx.ec2().modify_subnet_attribute().subnet_id(id);
    let mut requests = Vec::new();
    if let Some(value) = spec.public_addresses.filter(|_| changed("public_addresses")) {
        requests.push(modify().map_public_ip_on_launch(boolean(value)));
    }
    if let Some(value) = spec.ipv6_addresses.filter(|_| changed("ipv6_addresses")) {
        requests.push(modify().assign_ipv6_address_on_creation(boolean(value)));
    }
    if let Some(value) = spec.dns64.filter(|_| changed("dns64")) {
        requests.push(modify().enable_dns64(boolean(value)));
    }
    if let Some(value) = spec.hostname_type.filter(|_| changed("hostname_type")) {
        requests.push(modify().private_dns_hostname_type_on_launch(HostnameType::from(value.api())));
    }
    if let Some(value) = spec.resource_name_dns.filter(|_| changed("resource_name_dns")) {
        requests.push(modify().enable_resource_name_dns_a_record_on_launch(boolean(value)));
    }
    if let Some(value) = spec.resource_name_dns_ipv6.filter(|_| changed("resource_name_dns_ipv6")) {
        requests.push(modify().enable_resource_name_dns_aaaa_record_on_launch(boolean(value)));
    }
    for request in requests {
        cx.call("ec2:ModifySubnetAttribute", request.send()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::providers::aws::script::Script;

    #[test]
    fn a_number_names_one_range_of_the_block_and_the_range_its_number() {
        assert_eq!(numbered("2001:db8:1:2a00::/56", 7).as_deref(), Some("2001:db8:1:2a07::/64"));
        assert_eq!(numbered("2001:db8:1:2a00::/56", 255).as_deref(), Some("2001:db8:1:2aff::/64"));
        assert_eq!(numbered("2001:db8:1:2a00::/60", 16), None);
        assert_eq!(number_of(&"2001:db8:1:2a07::/64".parse().unwrap()), Some(7));
    }

    #[test]
    fn ranges_that_do_not_go_together_are_named() {
        let problems = |spec: Value| {
            let mut problems = Problems::default();
            Subnet::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
            problems.0.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect::<Vec<_>>()
        };
        let base = json!({"vpc": "a/b", "zone": "z"});
        let with = |more: Value| {
            let mut spec = base.clone();
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            problems(spec)
        };
        assert_eq!(with(json!({})), ["cidr: a subnet has an IPv4 range"]);
        assert_eq!(
            with(json!({"cidr": "10.0.0.0/24", "ipv6_native": true})),
            ["cidr: a subnet with IPv6 only has no IPv4 range", "ipv6_native: the subnet has no IPv6 range"]
        );
        assert_eq!(
            with(json!({"cidr": "10.0.0.0/24", "ipv6_cidr": "2001:db8::/60", "ipv6_number": 1})),
            ["ipv6_cidr: `2001:db8::/60` is not an IPv6 range of /64", "ipv6_number: the range is given already"]
        );
        assert!(with(json!({"ipv6_native": true, "ipv6_number": 1, "ipv6_addresses": true})).is_empty());
    }

    fn subnet(state: &str, cidr: &str) -> String {
        format!(
            "<subnetSet><item><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId><availabilityZone>z</availabilityZone>\
             <cidrBlock>10.0.0.0/24</cidrBlock><state>available</state><enableDns64>true</enableDns64>\
             <privateDnsNameOptionsOnLaunch><hostnameType>resource-name</hostnameType>\
             <enableResourceNameDnsAAAARecord>true</enableResourceNameDnsAAAARecord></privateDnsNameOptionsOnLaunch>\
             <ipv6CidrBlockAssociationSet><item><associationId>a-1</associationId><ipv6CidrBlock>{cidr}</ipv6CidrBlock>\
             <ipv6CidrBlockState><state>{state}</state></ipv6CidrBlockState></item></ipv6CidrBlockAssociationSet>\
             </item></subnetSet>"
        )
    }

    #[tokio::test]
    async fn dns_settings_are_written_one_a_call_and_read_back() {
        let script = Script::default()
            .ec2("DescribeSubnets", &subnet("associated", "2001:db8::/64"))
            .ec2("ModifySubnetAttribute", "");
        let from = json!({"vpc": {"id": "vpc-1"}, "zone": "z", "cidr": "10.0.0.0/24"});
        let mut to = from.clone();
        to["dns64"] = json!(true);
        to["hostname_type"] = json!("resource_name");
        to["resource_name_dns_ipv6"] = json!(true);
        let object = script.update::<Subnet>("subnet-1", from, to).await.unwrap();
        let asked = script.asked("ModifySubnetAttribute");
        assert_eq!(asked.len(), 3);
        assert!(asked[0].contains("EnableDns64.Value=true"), "{asked:?}");
        assert!(asked[1].contains("PrivateDnsHostnameTypeOnLaunch=resource-name"), "{asked:?}");
        assert!(asked[2].contains("EnableResourceNameDnsAAAARecordOnLaunch.Value=true"), "{asked:?}");
        for (field, value) in
            [("dns64", json!(true)), ("hostname_type", json!("resource_name")), ("resource_name_dns_ipv6", json!(true))]
        {
            assert_eq!(object.spec[field], value, "{field}");
        }
    }

    #[tokio::test]
    async fn another_ipv6_range_comes_when_the_old_one_is_gone() {
        let script = Script::default()
            .ec2("DescribeSubnets", &subnet("associated", "2001:db8::/64"))
            .ec2("DescribeSubnets", &subnet("disassociating", "2001:db8::/64"))
            .ec2("DescribeSubnets", &subnet("associated", "2001:db8:0:1::/64"))
            .ec2("DisassociateSubnetCidrBlock", "")
            .ec2("AssociateSubnetCidrBlock", "");
        let spec = |cidr: &str| json!({"vpc": {"id": "vpc-1"}, "zone": "z", "cidr": "10.0.0.0/24", "ipv6_cidr": cidr});
        let object =
            script.update::<Subnet>("subnet-1", spec("2001:db8::/64"), spec("2001:db8:0:1::/64")).await.unwrap();
        let order: Vec<String> = script.operations().into_iter().filter(|o| !o.starts_with("Describe")).collect();
        assert_eq!(order, ["DisassociateSubnetCidrBlock", "AssociateSubnetCidrBlock"]);
        assert_eq!(object.spec["ipv6_number"], 1);
    }

    #[tokio::test]
    async fn a_subnet_with_ipv6_only_takes_its_range_from_the_networks_block() {
        let network = "<vpcSet><item><vpcId>other</vpcId><ipv6CidrBlockAssociationSet><item><associationId>a</associationId>\
            <ipv6CidrBlock>2001:db8:0:2a00::/56</ipv6CidrBlock><ipv6CidrBlockState><state>associated</state>\
            </ipv6CidrBlockState></item></ipv6CidrBlockAssociationSet></item></vpcSet>";
        let made = "<subnetId>subnet-1</subnetId><vpcId>other</vpcId><availabilityZone>z</availabilityZone>\
            <state>available</state><ipv6Native>true</ipv6Native>";
        let script = Script::default()
            .ec2("DescribeVpcs", network)
            .ec2("CreateSubnet", &format!("<subnet>{made}</subnet>"))
            .ec2("DescribeSubnets", &format!("<subnetSet><item>{made}</item></subnetSet>"));
        let spec = json!({"vpc": "s/other", "zone": "z", "ipv6_native": true, "ipv6_number": 16});
        let object = script.create::<Subnet>(spec).await.unwrap();
        let asked = script.asked("CreateSubnet").join("");
        assert!(asked.contains("Ipv6CidrBlock=2001%3Adb8%3A0%3A2a10%3A%3A%2F64"), "{asked}");
        assert!(asked.contains("Ipv6Native=true") && !asked.contains("&CidrBlock="), "{asked}");
        assert_eq!((&object.spec["ipv6_native"], object.spec.get("cidr")), (&json!(true), None));
    }
}
