//! What belongs to a network and is an object of its own to the API: ranges, DHCP options, the default security group.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration as Time;

use aws_sdk_ec2::types::{
    DhcpOptions as ApiDhcp, Filter, NewDhcpConfiguration, ResourceType, SecurityGroup as ApiGroup, Vpc as ApiVpc,
    VpcCidrBlockState, VpcCidrBlockStateCode, VpcIpv6CidrBlockAssociation,
};

use super::security_group_rules::{Rule, rules, settle, split};
use super::vpc::{DefaultGroup, Dhcp, Spec, live, parse_cidr};
use super::{filters, from_tags, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::ownership::{self, Owner};
use crate::model::types::{Cidr, Duration};
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::kind::{Read, Selection, Tags};

/// Most values of one filter
/// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Filter.html>).
const VALUES: usize = 200;
/// Longest time until an IPv6 block has come or gone.
const BLOCK_WITHIN: Time = Time::from_secs(300);
/// The id that stands for the API's own DHCP options in a call.
const DEFAULT: &str = "default";

/// What the API keeps beside networks, by the network's id (DHCP options by their own).
#[derive(Default)]
pub(super) struct Around {
    /// Ids of main route tables.
    pub main_table: BTreeMap<String, String>,
    /// Ids of default network ACLs.
    pub acl: BTreeMap<String, String>,
    /// Ids of default security groups, with their rules if they are of a known sort.
    pub group: BTreeMap<String, (String, Option<DefaultGroup>)>,
    /// DHCP options.
    pub dhcp: BTreeMap<String, Dhcp>,
    /// Ids of networks with options that were made for them and that they do not use: what a run left.
    pub left: BTreeSet<String>,
}

fn filter(name: &str, values: &[String]) -> Filter {
    Filter::builder().name(name).set_values(Some(values.to_vec())).build()
}

fn one(name: &str, value: &str) -> Filter {
    Filter::builder().name(name).values(value).build()
}

/// Reads what stands around networks: a page of each sort for up to 200 of them.
pub(super) async fn around(cx: &Context, read: &Read<'_>, vpcs: &[&ApiVpc]) -> Result<Around, ApiError> {
    let mut around = Around::default();
    let ids: Vec<String> = vpcs.iter().filter_map(|v| v.vpc_id()).map(str::to_owned).collect();
    for ids in ids.chunks(VALUES) {
        let (tables, acls, groups) = tokio::try_join!(main_tables(cx, ids), acls(cx, ids), default_groups(cx, ids))?;
        around.main_table.extend(tables);
        around.acl.extend(acls);
        for group in groups {
            let id = group.group_id().unwrap_or_default().to_owned();
            let known = rules_of(&group)?;
            around.group.insert(group.vpc_id().unwrap_or_default().to_owned(), (id, known));
        }
    }
    // One with the API's own options differs from whatever is declared, what a run left or not.
    let chosen = |v: &&ApiVpc| v.dhcp_options_id().is_some_and(|d| d != DEFAULT);
    let wanted = vpcs.iter().copied().filter(|v| read.wants("dhcp", &from_tags(v.tags()))).filter(chosen);
    let wanted: Vec<&ApiVpc> = wanted.collect();
    dhcp_around(cx, read, &wanted, &mut around).await?;
    Ok(around)
}

/// Reads the DHCP options of these networks: all that were made for them, and what else they use.
async fn dhcp_around(cx: &Context, read: &Read<'_>, vpcs: &[&ApiVpc], around: &mut Around) -> Result<(), ApiError> {
    let mut own = Vec::new();
    if let (Selection::Owned { .. }, false) = (&read.selection, vpcs.is_empty()) {
        own = sets(cx, filters(&read.selection, "dhcp-options-id")).await?;
    } else {
        for filters in vpcs.iter().filter_map(|v| made_for(&from_tags(v.tags()))) {
            own.extend(sets(cx, filters).await?);
        }
    }
    for vpc in vpcs {
        let owner = Owner::from_tags(&from_tags(vpc.tags())).map(|o| (o.address, o.generation));
        let made = |set: &&ApiDhcp| {
            owner.is_some() && Owner::from_tags(&from_tags(set.tags())).map(|o| (o.address, o.generation)) == owner
        };
        if own.iter().filter(made).any(|set| set.dhcp_options_id() != vpc.dhcp_options_id()) {
            around.left.extend(vpc.vpc_id().map(str::to_owned));
        }
    }
    let known = |id: &String| own.iter().any(|s| s.dhcp_options_id() == Some(id));
    let used = vpcs.iter().filter_map(|v| v.dhcp_options_id()).map(str::to_owned);
    let others: BTreeSet<String> = used.filter(|id| !known(id)).collect();
    let others: Vec<String> = others.into_iter().collect();
    for ids in others.chunks(VALUES) {
        own.extend(sets(cx, vec![filter("dhcp-options-id", ids)]).await?);
    }
    around.dhcp.extend(own.iter().map(|set| (set.dhcp_options_id().unwrap_or_default().to_owned(), from_api(set))));
    Ok(())
}

async fn main_tables(cx: &Context, ids: &[String]) -> Result<Vec<(String, String)>, ApiError> {
    let request =
        cx.ec2().describe_route_tables().filters(filter("vpc-id", ids)).filters(one("association.main", "true"));
    let pages = cx.pages("ec2:DescribeRouteTables", request.into_paginator().send()).await?;
    let tables = pages.iter().flat_map(|p| p.route_tables());
    Ok(tables.filter_map(|t| Some((t.vpc_id()?.to_owned(), t.route_table_id()?.to_owned()))).collect())
}

async fn acls(cx: &Context, ids: &[String]) -> Result<Vec<(String, String)>, ApiError> {
    let request = cx.ec2().describe_network_acls().filters(filter("vpc-id", ids)).filters(one("default", "true"));
    let pages = cx.pages("ec2:DescribeNetworkAcls", request.into_paginator().send()).await?;
    let acls = pages.iter().flat_map(|p| p.network_acls());
    Ok(acls.filter_map(|a| Some((a.vpc_id()?.to_owned(), a.network_acl_id()?.to_owned()))).collect())
}

async fn default_groups(cx: &Context, ids: &[String]) -> Result<Vec<ApiGroup>, ApiError> {
    let request =
        cx.ec2().describe_security_groups().filters(filter("vpc-id", ids)).filters(one("group-name", DEFAULT));
    let pages = cx.pages("ec2:DescribeSecurityGroups", request.into_paginator().send()).await?;
    Ok(pages.into_iter().flat_map(|p| p.security_groups.unwrap_or_default()).collect())
}

// ---------------------------------------------------------------------------------------------------------- ranges

fn is_used(state: Option<&VpcCidrBlockState>) -> bool {
    use VpcCidrBlockStateCode::{Associated, Associating};
    matches!(state.and_then(|s| s.state()), Some(Associated | Associating))
}

/// The IPv6 block of a network.
pub(super) fn ipv6(vpc: &ApiVpc) -> Option<&VpcIpv6CidrBlockAssociation> {
    vpc.ipv6_cidr_block_association_set().iter().find(|a| is_used(a.ipv6_cidr_block_state()))
}

/// The IPv4 ranges of a network beside its first one.
pub(super) fn secondary(vpc: &ApiVpc) -> Result<Vec<Cidr>, ApiError> {
    let first = vpc.cidr_block().unwrap_or_default();
    let all = vpc.cidr_block_association_set().iter().filter(|a| is_used(a.cidr_block_state()));
    let others = all.filter_map(|a| a.cidr_block()).filter(|c| *c != first);
    others.map(|c| parse_cidr("ec2:DescribeVpcs", c)).collect()
}

/// Adds the ranges wanted, then removes those that are too much.
pub(super) async fn settle_cidrs(cx: &Context, vpc: &ApiVpc, wanted: &[Cidr]) -> Result<(), ApiError> {
    let have = secondary(vpc)?;
    let id = vpc.vpc_id().unwrap_or_default();
    for cidr in wanted.iter().filter(|c| !have.contains(c)) {
        let once = cx.once();
        let request = once.ec2().associate_vpc_cidr_block().vpc_id(id).cidr_block(cidr.as_str());
        match once.call("ec2:AssociateVpcCidrBlock", request.send()).await {
            // The answer is lost: a second call would be refused, or add the range twice.
            Err(e) if e.class == ErrorClass::Unanswered => {
                let vpc = live(cx, id).await?;
                let there = vpc.as_ref().map(secondary).transpose()?.is_some_and(|all| all.contains(cidr));
                if !there {
                    return Err(e);
                }
            }
            other => drop(other?),
        }
    }
    for cidr in have.iter().filter(|c| !wanted.contains(c)) {
        let all = vpc.cidr_block_association_set().iter();
        let found = all.filter(|a| is_used(a.cidr_block_state())).find(|a| a.cidr_block() == Some(cidr.as_str()));
        if let Some(association) = found.and_then(|a| a.association_id()) {
            disassociate(cx, association).await?;
        }
    }
    Ok(())
}

async fn disassociate(cx: &Context, association: &str) -> Result<(), ApiError> {
    let request = cx.ec2().disassociate_vpc_cidr_block().association_id(association);
    cx.call("ec2:DisassociateVpcCidrBlock", request.send()).await.map(|_| ())
}

/// Gives the network an IPv6 block, takes it away, or takes one of another group of zones.
pub(super) async fn settle_ipv6(cx: &Context, vpc: &ApiVpc, spec: &Spec, watch: &dyn Watch) -> Result<(), ApiError> {
    let id = vpc.vpc_id().unwrap_or_default();
    let Some(wanted) = spec.ipv6 else { return Ok(()) };
    let there = ipv6(vpc);
    let fits = there
        .is_some_and(|b| spec.ipv6_border_group.as_deref().is_none_or(|group| b.network_border_group() == Some(group)));
    if let Some(association) = there.and_then(|b| b.association_id()).filter(|_| !wanted || !fits) {
        disassociate(cx, association).await?;
        cx.wait(watch, &format!("the IPv6 block of {id} to be gone"), BLOCK_WITHIN, || async {
            let vpc = live(cx, id).await?;
            let block = vpc.as_ref().and_then(ipv6);
            Ok(Look::when(block.is_none(), block.and_then(|b| b.ipv6_cidr_block())))
        })
        .await?;
    }
    if wanted && !fits {
        let once = cx.once();
        let request = once
            .ec2()
            .associate_vpc_cidr_block()
            .vpc_id(id)
            .amazon_provided_ipv6_cidr_block(true)
            .set_ipv6_cidr_block_network_border_group(spec.ipv6_border_group.clone());
        match once.call("ec2:AssociateVpcCidrBlock", request.send()).await {
            // The answer is lost: the block comes, or does not.
            Err(e) if e.class == ErrorClass::Unanswered && live(cx, id).await?.as_ref().and_then(ipv6).is_some() => {}
            other => drop(other?),
        }
        cx.wait(watch, &format!("the IPv6 block of {id}"), BLOCK_WITHIN, || async {
            let vpc = live(cx, id).await?;
            let block = vpc.as_ref().and_then(ipv6);
            let there = block.is_some_and(|b| b.ipv6_cidr_block().is_some());
            Ok(Look::when(there, Some("no block yet")))
        })
        .await?;
    }
    Ok(())
}

// ---------------------------------------------------------------------------------------------------------- DHCP

async fn sets(cx: &Context, filters: Vec<Filter>) -> Result<Vec<ApiDhcp>, ApiError> {
    let request = cx.ec2().describe_dhcp_options().set_filters(Some(filters));
    let pages = cx.pages("ec2:DescribeDhcpOptions", request.into_paginator().send()).await?;
    Ok(pages.into_iter().flat_map(|p| p.dhcp_options.unwrap_or_default()).collect())
}

fn from_api(set: &ApiDhcp) -> Dhcp {
    let values = |key: &str| -> Option<Vec<String>> {
        let option = set.dhcp_configurations().iter().find(|c| c.key() == Some(key))?;
        Some(option.values().iter().filter_map(|v| v.value()).map(str::to_owned).collect())
    };
    let text = |key: &str| values(key).and_then(|v| v.into_iter().next());
    Dhcp {
        domain_name: text("domain-name"),
        name_servers: values("domain-name-servers"),
        ntp_servers: values("ntp-servers"),
        netbios_name_servers: values("netbios-name-servers"),
        netbios_node_type: text("netbios-node-type").and_then(|t| t.parse().ok()),
        ipv6_lease: text("ipv6-address-preferred-lease-time").and_then(|t| t.parse().ok()).map(Duration::from_seconds),
    }
}

fn to_api(dhcp: &Dhcp) -> Vec<NewDhcpConfiguration> {
    let list = |text: Option<String>| text.map(|t| vec![t]);
    [
        ("domain-name", list(dhcp.domain_name.clone())),
        ("domain-name-servers", dhcp.name_servers.clone()),
        ("ntp-servers", dhcp.ntp_servers.clone()),
        ("netbios-name-servers", dhcp.netbios_name_servers.clone()),
        ("netbios-node-type", list(dhcp.netbios_node_type.map(|n| n.to_string()))),
        ("ipv6-address-preferred-lease-time", list(dhcp.ipv6_lease.as_ref().map(|l| l.seconds().to_string()))),
    ]
    .into_iter()
    .filter_map(|(key, values)| {
        let values = values.filter(|v| !v.is_empty())?;
        Some(NewDhcpConfiguration::builder().key(key).set_values(Some(values)).build())
    })
    .collect()
}

/// Filters that find the sets made for a network, by the ownership tags that both carry.
fn made_for(tags: &Tags) -> Option<Vec<Filter>> {
    [ownership::PROJECT, ownership::ENVIRONMENT, ownership::ADDRESS, ownership::GENERATION]
        .iter()
        .map(|key| Some(one(&format!("tag:{key}"), tags.get(*key)?)))
        .collect()
}

/// The sets that saiken made for a network: those with its tags, and the one that it uses, if it is of this environment.
async fn own(cx: &Context, vpc: &ApiVpc, tags: &Tags) -> Result<Vec<ApiDhcp>, ApiError> {
    let mut own = match made_for(tags) {
        Some(filters) => sets(cx, filters).await?,
        None => Vec::new(),
    };
    let used = vpc.dhcp_options_id().filter(|d| *d != DEFAULT);
    if let Some(used) = used.filter(|u| !own.iter().any(|s| s.dhcp_options_id() == Some(*u))) {
        let same = |set: &ApiDhcp| {
            let theirs = from_tags(set.tags());
            [ownership::PROJECT, ownership::ENVIRONMENT]
                .iter()
                .all(|key| tags.contains_key(*key) && theirs.get(*key) == tags.get(*key))
        };
        own.extend(sets(cx, vec![one("dhcp-options-id", used)]).await?.into_iter().filter(same));
    }
    Ok(own)
}

/// Associates the options wanted, with a set that a run left if there is one, and deletes the others made for the network.
pub(super) async fn settle_dhcp(cx: &Context, vpc: &ApiVpc, wanted: &Dhcp, tags: &Tags) -> Result<(), ApiError> {
    let own = own(cx, vpc, tags).await?;
    let id = match own.iter().find(|s| from_api(s) == *wanted).and_then(|s| s.dhcp_options_id()) {
        Some(id) => id.to_owned(),
        None => {
            let once = cx.once();
            let request = once
                .ec2()
                .create_dhcp_options()
                .set_dhcp_configurations(Some(to_api(wanted)))
                .tag_specifications(tag_specification(ResourceType::DhcpOptions, tags));
            let answer = once.call("ec2:CreateDhcpOptions", request.send()).await?;
            answer.dhcp_options().and_then(ApiDhcp::dhcp_options_id).unwrap_or_default().to_owned()
        }
    };
    associate(cx, vpc, &id).await?;
    for old in own.iter().filter_map(|s| s.dhcp_options_id()).filter(|old| *old != id) {
        delete(cx, old).await?;
    }
    Ok(())
}

async fn associate(cx: &Context, vpc: &ApiVpc, set: &str) -> Result<(), ApiError> {
    let request = cx.ec2().associate_dhcp_options().dhcp_options_id(set).set_vpc_id(vpc.vpc_id().map(str::to_owned));
    cx.call("ec2:AssociateDhcpOptions", request.send()).await.map(|_| ())
}

async fn delete(cx: &Context, set: &str) -> Result<(), ApiError> {
    let request = cx.ec2().delete_dhcp_options().dhcp_options_id(set);
    match cx.call("ec2:DeleteDhcpOptions", request.send()).await {
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other.map(|_| ()),
    }
}

/// Takes a network's own options away, before it is deleted itself: nothing would find them afterwards.
pub(super) async fn remove_dhcp(cx: &Context, vpc: &ApiVpc) -> Result<(), ApiError> {
    let own = own(cx, vpc, &from_tags(vpc.tags())).await?;
    if own.iter().any(|s| s.dhcp_options_id().is_some() && s.dhcp_options_id() == vpc.dhcp_options_id()) {
        associate(cx, vpc, DEFAULT).await?;
    }
    for set in own.iter().filter_map(|s| s.dhcp_options_id()) {
        delete(cx, set).await?;
    }
    Ok(())
}

// ---------------------------------------------------------------------------------------------------------- group

/// The rules of a default group as the API makes it: in from members, out to everywhere.
fn as_created(ipv6: bool) -> (Vec<Rule>, Vec<Rule>) {
    let all = Rule { protocol: "all".to_owned(), ..Rule::default() };
    let range = |text: &str| text.parse::<Cidr>().ok().map(|c| vec![c]);
    let mut out = vec![Rule { cidrs: range("0.0.0.0/0"), ..all.clone() }];
    if ipv6 {
        out.push(Rule { ipv6_cidrs: range("::/0"), ..all.clone() });
    }
    (split(vec![Rule { itself: Some(true), ..all }]), split(out))
}

fn rules_of(group: &ApiGroup) -> Result<Option<DefaultGroup>, ApiError> {
    let id = group.group_id().unwrap_or_default();
    let ingress = rules(group.ip_permissions(), id)?;
    let egress = rules(group.ip_permissions_egress(), id)?;
    if ingress.is_empty() && egress.is_empty() {
        return Ok(Some(DefaultGroup::DenyAll));
    }
    let made = [false, true].map(as_created).into_iter().any(|(i, e)| ingress == i && egress == e);
    Ok(made.then_some(DefaultGroup::AsCreated))
}

/// Gives the default group its rules.
pub(super) async fn settle_default_group(
    cx: &Context,
    vpc: &str,
    wanted: DefaultGroup,
    ipv6: bool,
) -> Result<(), ApiError> {
    let ids = [vpc.to_owned()];
    let Some(group) = default_groups(cx, &ids).await?.into_iter().next() else {
        let message = format!("the network '{vpc}' has no default security group");
        return Err(ApiError::new("ec2:DescribeSecurityGroups", ErrorClass::NotFound, message));
    };
    let (ingress, egress) = match wanted {
        DefaultGroup::DenyAll => (Vec::new(), Vec::new()),
        DefaultGroup::AsCreated => as_created(ipv6),
    };
    settle(cx, &group, &ingress, false).await?;
    settle(cx, &group, &egress, true).await
}
