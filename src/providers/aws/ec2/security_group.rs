//! `security_group`: which packets may come in and go out.
//!
//! Rules are part of it and are managed whole, by direction, where they are declared: what somebody adds by hand is taken
//! away again. A new group lets everything out; that rule goes unless `egress` is left out. Rules are kept in one form,
//! one source a rule, in order, so that the API's grouping never shows as a difference. Rules that are wanted are added
//! before others are removed. Two groups can't name each other (their order would be a circle): put the rule of one into a
//! third group. Description and network make a new group necessary.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html>

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, ResourceType, SecurityGroup as ApiGroup, UserIdGroupPair,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use super::vpc::Vpc;
use super::{attributes, filters, from_tags, retag, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::types::{Cidr, Ref, Target};
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};

/// The kind `security_group`.
pub struct SecurityGroup;

/// Which packets may come in and go out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The network.
    #[schemars(extend("x-change" = "replace"))]
    pub vpc: Ref<Vpc>,
    /// What it is for; 255 ASCII characters at most.
    #[schemars(length(min = 1, max = 255), extend("x-change" = "replace"))]
    pub description: String,
    /// What may come in. Left out, not managed; an empty list lets nothing in.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "canonical")]
    #[schemars(extend("x-unordered" = true))]
    pub ingress: Option<Vec<Rule>>,
    /// What may go out. Left out, not managed (a new group lets everything out); an empty list lets nothing out.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "canonical")]
    #[schemars(extend("x-unordered" = true))]
    pub egress: Option<Vec<Rule>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// A rule: a protocol, ports, and where from or to. Several sources in one rule stand for one rule each.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SecurityGroupRule")]
pub struct Rule {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `all`, or the protocol's number.
    pub protocol: String,
    /// A port, or a range `8000-8010`; for ICMP `type` or `type-code`; left out, all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<String>,
    /// IPv4 ranges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cidrs: Option<Vec<Cidr>>,
    /// IPv6 ranges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6_cidrs: Option<Vec<Cidr>>,
    /// Ids of prefix lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix_lists: Option<Vec<String>>,
    /// Other groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<Ref<SecurityGroup>>>,
    /// The group itself.
    #[serde(default, rename = "self", skip_serializing_if = "Option::is_none")]
    pub itself: Option<bool>,
    /// What it is for; 255 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub description: Option<String>,
}

/// Reads rules in any grouping, and gives one source a rule, in order, each once.
fn canonical<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Rule>>, D::Error> {
    Ok(Option::<Vec<Rule>>::deserialize(deserializer)?.map(split))
}

fn split(rules: Vec<Rule>) -> Vec<Rule> {
    let mut out: Vec<Rule> = Vec::new();
    for rule in rules {
        let protocol = match rule.protocol.to_ascii_lowercase().as_str() {
            "-1" | "all" => "all".to_owned(),
            "6" => "tcp".to_owned(),
            "17" => "udp".to_owned(),
            "1" => "icmp".to_owned(),
            "58" => "icmpv6".to_owned(),
            other => other.to_owned(),
        };
        let ports = rule.ports.as_deref().map(|p| p.replace(' ', "")).filter(|p| !p.is_empty() && protocol != "all");
        let base = Rule { protocol, ports: ports.map(short), description: rule.description, ..Rule::default() };
        out.extend(rule.cidrs.into_iter().flatten().map(|c| Rule { cidrs: Some(vec![c]), ..base.clone() }));
        out.extend(rule.ipv6_cidrs.into_iter().flatten().map(|c| Rule { ipv6_cidrs: Some(vec![c]), ..base.clone() }));
        out.extend(
            rule.prefix_lists.into_iter().flatten().map(|p| Rule { prefix_lists: Some(vec![p]), ..base.clone() }),
        );
        out.extend(rule.groups.into_iter().flatten().map(|g| Rule { groups: Some(vec![g]), ..base.clone() }));
        if rule.itself == Some(true) {
            out.push(Rule { itself: Some(true), ..base.clone() });
        }
    }
    out.sort_by_cached_key(|r| serde_json::to_string(r).unwrap_or_default());
    out.dedup();
    out
}

/// `443-443` is `443`; `0-65535` stays, since it is not the same as all.
fn short(ports: String) -> String {
    match ports.split_once('-') {
        Some((a, b)) if a == b => a.to_owned(),
        _ => ports,
    }
}

/// From and to in the API's form; -1 for all.
fn bounds(rule: &Rule) -> (Option<i32>, Option<i32>) {
    if rule.protocol == "all" {
        return (None, None);
    }
    let icmp = rule.protocol.starts_with("icmp");
    match rule.ports.as_deref() {
        None if icmp => (Some(-1), Some(-1)),
        None if matches!(rule.protocol.as_str(), "tcp" | "udp") => (Some(0), Some(65_535)),
        None => (None, None),
        Some(ports) => match ports.split_once('-') {
            Some((from, to)) => (from.parse().ok(), to.parse().ok()),
            None if icmp => (ports.parse().ok(), Some(-1)),
            None => (ports.parse().ok(), ports.parse().ok()),
        },
    }
}

/// The text for from and to of the API.
fn ports_of(protocol: &str, from: Option<i32>, to: Option<i32>) -> Option<String> {
    let (from, to) = (from?, to?);
    if protocol == "all" || from == -1 && to == -1 || matches!(protocol, "tcp" | "udp") && from == 0 && to == 65_535 {
        return None;
    }
    if protocol.starts_with("icmp") {
        return Some(if to == -1 { from.to_string() } else { format!("{from}-{to}") });
    }
    Some(if from == to { from.to_string() } else { format!("{from}-{to}") })
}

impl Kind for SecurityGroup {
    const NAME: &'static str = "security_group";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "security group",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html",
            scope: Scope::Regional,
            data_bearing: false,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "Id, sg-…"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("name", "Name"),
                ]
            },
            permissions: Permissions {
                read: &["ec2:DescribeSecurityGroups"],
                create: &[
                    "ec2:CreateSecurityGroup",
                    "ec2:CreateTags",
                    "ec2:AuthorizeSecurityGroupIngress",
                    "ec2:AuthorizeSecurityGroupEgress",
                    "ec2:RevokeSecurityGroupEgress",
                ],
                update: &[
                    "ec2:AuthorizeSecurityGroupIngress",
                    "ec2:AuthorizeSecurityGroupEgress",
                    "ec2:RevokeSecurityGroupIngress",
                    "ec2:RevokeSecurityGroupEgress",
                    "ec2:UpdateSecurityGroupRuleDescriptionsIngress",
                    "ec2:UpdateSecurityGroupRuleDescriptionsEgress",
                    "ec2:CreateTags",
                    "ec2:DeleteTags",
                ],
                delete: &["ec2:DeleteSecurityGroup"],
            },
            name_limit: 255,
            creation_seconds: 3,
            deletion_seconds: 1,
            quota: 2500,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if !spec.description.is_ascii() {
            problems.add(
                "description",
                "the API takes ASCII only",
                "write it in English letters, or put the text into a tag",
            );
        }
        for (direction, rules) in [("ingress", &spec.ingress), ("egress", &spec.egress)] {
            for rule in rules.iter().flatten() {
                check_ports(direction, rule, problems);
            }
        }
    }
}

fn check_ports(direction: &str, rule: &Rule, problems: &mut Problems) {
    let known = matches!(rule.protocol.as_str(), "tcp" | "udp" | "icmp" | "icmpv6" | "all")
        || rule.protocol.parse::<u8>().is_ok()
        || crate::model::value::is_unknown_text(&rule.protocol);
    if !known {
        problems.add(
            direction,
            format!("unknown protocol `{}`", rule.protocol),
            "there is: tcp, udp, icmp, icmpv6, all, or a number",
        );
    }
    let Some(ports) = rule.ports.as_deref().filter(|p| !crate::model::value::is_unknown_text(p)) else { return };
    let (from, to) = bounds(rule);
    let good = match (from, to) {
        (Some(from), Some(to)) if rule.protocol.starts_with("icmp") => {
            from >= -1 && to >= -1 && from <= 255 && to <= 255
        }
        (Some(from), Some(to)) => (0..=65_535).contains(&from) && from <= to && to <= 65_535,
        _ => false,
    };
    if !good {
        problems.add(direction, format!("`{ports}` is no port and no range of ports"), "write 443, or 8000-8010");
    }
}

#[async_trait]
impl AwsKind for SecurityGroup {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let filters = filters(&read.selection, "group-id");
        let request = cx.ec2().describe_security_groups().set_filters(Some(filters)).max_results(1000);
        let pages = cx.pages("ec2:DescribeSecurityGroups", request.into_paginator().send()).await?;
        pages.iter().flat_map(|p| p.security_groups()).map(|g| found(cx, g)).collect()
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let request = cx
            .ec2()
            .create_security_group()
            .group_name(want.name)
            .description(&want.spec.description)
            .vpc_id(want.id(&want.spec.vpc)?)
            .tag_specifications(tag_specification(ResourceType::SecurityGroup, want.tags));
        let answer = cx.call("ec2:CreateSecurityGroup", request.send()).await?;
        let id = answer.group_id().unwrap_or_default().to_owned();
        let group = cx
            .wait(want.watch, "the security group to be seen", std::time::Duration::from_secs(120), || live(cx, &id))
            .await?;
        settle(cx, &group, want, false).await?;
        settle(cx, &group, want, true).await?;
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let Some(group) = live(cx, update.id).await? else {
            let message = format!("the security group '{}' does not exist", update.id);
            return Err(ApiError::new("ec2:DescribeSecurityGroups", ErrorClass::NotFound, message));
        };
        if update.changed("ingress") {
            settle(cx, &group, &update.want, false).await?;
        }
        if update.changed("egress") {
            settle(cx, &group, &update.want, true).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.ec2().delete_security_group().group_id(delete.id);
        cx.call("ec2:DeleteSecurityGroup", request.send()).await.map(|_| ())
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

async fn live(cx: &Context, id: &str) -> Result<Option<ApiGroup>, ApiError> {
    let ids = [id.to_owned()];
    let filters = filters(&Selection::Ids(&ids), "group-id");
    let request = cx.ec2().describe_security_groups().set_filters(Some(filters));
    let answer = cx.call("ec2:DescribeSecurityGroups", request.send()).await?;
    Ok(answer.security_groups().first().cloned())
}

fn found(cx: &Context, group: &ApiGroup) -> Result<Found<Spec>, ApiError> {
    let id = group.group_id().unwrap_or_default().to_owned();
    let account = group.owner_id().unwrap_or_default();
    let made = format!("arn:aws:ec2:{}:{account}:security-group/{id}", cx.region);
    let arn = group.security_group_arn().map_or(made, str::to_owned);
    Ok(Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([("id", json!(id)), ("arn", json!(arn)), ("name", json!(group.group_name()))]),
        spec: Spec {
            vpc: Ref::id(group.vpc_id().unwrap_or_default()),
            description: group.description().unwrap_or_default().to_owned(),
            ingress: Some(rules(group.ip_permissions(), &id)?),
            egress: Some(rules(group.ip_permissions_egress(), &id)?),
            tags: None,
        },
        status: Status::Ready,
        tags: from_tags(group.tags()),
        unread: Vec::new(),
        id,
    })
}

/// The API's permissions as rules, one source each. `own` is the id of the group itself.
fn rules(permissions: &[IpPermission], own: &str) -> Result<Vec<Rule>, ApiError> {
    let operation = "ec2:DescribeSecurityGroups";
    let mut out = Vec::new();
    for permission in permissions {
        let protocol = match permission.ip_protocol().unwrap_or("-1") {
            "-1" => "all",
            "58" => "icmpv6",
            other => other,
        };
        let base = Rule {
            protocol: protocol.to_owned(),
            ports: ports_of(protocol, permission.from_port(), permission.to_port()),
            ..Rule::default()
        };
        let text = |d: Option<&str>| d.filter(|d| !d.is_empty()).map(str::to_owned);
        for range in permission.ip_ranges() {
            let cidr = super::vpc::parse_cidr(operation, range.cidr_ip().unwrap_or_default())?;
            out.push(Rule { cidrs: Some(vec![cidr]), description: text(range.description()), ..base.clone() });
        }
        for range in permission.ipv6_ranges() {
            let cidr = super::vpc::parse_cidr(operation, range.cidr_ipv6().unwrap_or_default())?;
            out.push(Rule { ipv6_cidrs: Some(vec![cidr]), description: text(range.description()), ..base.clone() });
        }
        for list in permission.prefix_list_ids() {
            let id = list.prefix_list_id().unwrap_or_default().to_owned();
            out.push(Rule { prefix_lists: Some(vec![id]), description: text(list.description()), ..base.clone() });
        }
        for pair in permission.user_id_group_pairs() {
            let id = pair.group_id().unwrap_or_default();
            let rule = Rule { description: text(pair.description()), ..base.clone() };
            out.push(match id == own {
                true => Rule { itself: Some(true), ..rule },
                false => Rule { groups: Some(vec![Ref::id(id)]), ..rule },
            });
        }
    }
    Ok(split(out))
}

/// Rules with ids in place of references, `self` as the group's own id.
fn with_ids(want: &Create<'_, Spec>, rules: &[Rule]) -> Result<Vec<Rule>, ApiError> {
    let mut out = Vec::new();
    for rule in rules {
        let groups = rule.groups.as_ref().map(|g| want.ids(g)).transpose()?;
        let groups = groups.map(|ids| ids.into_iter().map(Ref::id).collect());
        out.push(Rule { groups, ..rule.clone() });
    }
    Ok(split(out))
}

/// What makes two rules the same to the API: all but the description.
fn identity(rule: &Rule) -> String {
    serde_json::to_string(&Rule { description: None, ..rule.clone() }).unwrap_or_default()
}

fn permission(rule: &Rule, own: &str) -> IpPermission {
    let (from, to) = bounds(rule);
    let description = rule.description.clone();
    let mut builder = IpPermission::builder()
        .ip_protocol(if rule.protocol == "all" { "-1" } else { &rule.protocol })
        .set_from_port(from)
        .set_to_port(to);
    for cidr in rule.cidrs.iter().flatten() {
        builder =
            builder.ip_ranges(IpRange::builder().cidr_ip(cidr.as_str()).set_description(description.clone()).build());
    }
    for cidr in rule.ipv6_cidrs.iter().flatten() {
        let range = Ipv6Range::builder().cidr_ipv6(cidr.as_str()).set_description(description.clone()).build();
        builder = builder.ipv6_ranges(range);
    }
    for list in rule.prefix_lists.iter().flatten() {
        let list = PrefixListId::builder().prefix_list_id(list).set_description(description.clone()).build();
        builder = builder.prefix_list_ids(list);
    }
    let others = rule.groups.iter().flatten().filter_map(|g| match g.target() {
        Target::Id { id } => Some(id.as_str()),
        Target::Owned(_) | Target::Tags { .. } => None,
    });
    for group in others.chain(rule.itself.filter(|i| *i).map(|_| own)) {
        let pair = UserIdGroupPair::builder().group_id(group).set_description(description.clone()).build();
        builder = builder.user_id_group_pairs(pair);
    }
    builder.build()
}

/// Adds what is wanted, changes descriptions, then removes what is too much.
async fn settle(cx: &Context, group: &ApiGroup, want: &Create<'_, Spec>, egress: bool) -> Result<(), ApiError> {
    let declared = if egress { &want.spec.egress } else { &want.spec.ingress };
    let Some(declared) = declared else { return Ok(()) };
    let id = group.group_id().unwrap_or_default();
    let live = if egress { group.ip_permissions_egress() } else { group.ip_permissions() };
    let have = rules(live, id)?;
    let wanted = with_ids(want, declared)?;
    let have_ids: BTreeSet<String> = have.iter().map(identity).collect();
    let want_ids: BTreeSet<String> = wanted.iter().map(identity).collect();
    let to_api = |rules: Vec<&Rule>| -> Vec<IpPermission> { rules.into_iter().map(|r| permission(r, id)).collect() };
    let add = to_api(wanted.iter().filter(|r| !have_ids.contains(&identity(r))).collect());
    let described = to_api(
        wanted
            .iter()
            .filter(|r| r.description.is_some())
            .filter(|r| have.iter().any(|h| identity(h) == identity(r) && h.description != r.description))
            .collect(),
    );
    let remove = to_api(have.iter().filter(|r| !want_ids.contains(&identity(r))).collect());
    authorize(cx, id, add, egress).await?;
    describe(cx, id, described, egress).await?;
    revoke(cx, id, remove, egress).await
}

async fn authorize(cx: &Context, id: &str, rules: Vec<IpPermission>, egress: bool) -> Result<(), ApiError> {
    if rules.is_empty() {
        return Ok(());
    }
    let outcome = if egress {
        let request = cx.ec2().authorize_security_group_egress().group_id(id).set_ip_permissions(Some(rules));
        cx.call("ec2:AuthorizeSecurityGroupEgress", request.send()).await.map(|_| ())
    } else {
        let request = cx.ec2().authorize_security_group_ingress().group_id(id).set_ip_permissions(Some(rules));
        cx.call("ec2:AuthorizeSecurityGroupIngress", request.send()).await.map(|_| ())
    };
    match outcome {
        // A run that ended early added it already.
        Err(e) if e.code.as_deref() == Some("InvalidPermission.Duplicate") => Ok(()),
        other => other,
    }
}

async fn describe(cx: &Context, id: &str, rules: Vec<IpPermission>, egress: bool) -> Result<(), ApiError> {
    if rules.is_empty() {
        return Ok(());
    }
    if egress {
        let request =
            cx.ec2().update_security_group_rule_descriptions_egress().group_id(id).set_ip_permissions(Some(rules));
        return cx.call("ec2:UpdateSecurityGroupRuleDescriptionsEgress", request.send()).await.map(|_| ());
    }
    let request =
        cx.ec2().update_security_group_rule_descriptions_ingress().group_id(id).set_ip_permissions(Some(rules));
    cx.call("ec2:UpdateSecurityGroupRuleDescriptionsIngress", request.send()).await.map(|_| ())
}

async fn revoke(cx: &Context, id: &str, rules: Vec<IpPermission>, egress: bool) -> Result<(), ApiError> {
    if rules.is_empty() {
        return Ok(());
    }
    let outcome = if egress {
        let request = cx.ec2().revoke_security_group_egress().group_id(id).set_ip_permissions(Some(rules));
        cx.call("ec2:RevokeSecurityGroupEgress", request.send()).await.map(|_| ())
    } else {
        let request = cx.ec2().revoke_security_group_ingress().group_id(id).set_ip_permissions(Some(rules));
        cx.call("ec2:RevokeSecurityGroupIngress", request.send()).await.map(|_| ())
    };
    match outcome {
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules_of(value: serde_json::Value) -> Vec<Rule> {
        split(serde_json::from_value(value).unwrap())
    }

    #[test]
    fn the_grouping_of_rules_is_no_difference() {
        let grouped = rules_of(json!([{"protocol": "TCP", "ports": "443-443", "cidrs": ["10.0.0.0/8", "0.0.0.0/0"]}]));
        let single = rules_of(json!([
            {"protocol": "6", "ports": "443", "cidrs": ["0.0.0.0/0"]},
            {"protocol": "tcp", "ports": "443", "cidrs": ["10.0.0.0/8"]},
        ]));
        assert_eq!(grouped, single);
        assert_eq!(grouped.len(), 2);
    }

    #[test]
    fn rules_survive_the_api_form() {
        let all = rules_of(json!([
            {"protocol": "all", "cidrs": ["0.0.0.0/0"]},
            {"protocol": "tcp", "ports": "8000-8010", "self": true, "description": "x"},
            {"protocol": "tcp", "ipv6_cidrs": ["::/0"]},
            {"protocol": "icmp", "ports": "8", "cidrs": ["10.0.0.0/8"]},
            {"protocol": "udp", "ports": "53", "groups": [{"id": "sg-2"}]},
            {"protocol": "tcp", "ports": "443", "prefix_lists": ["pl-1"]},
        ]));
        let api: Vec<IpPermission> = all.iter().map(|r| permission(r, "sg-1")).collect();
        assert_eq!(rules(&api, "sg-1").unwrap(), all);
    }

    #[test]
    fn wrong_ports_and_protocols_are_named() {
        let mut problems = Problems::default();
        let spec: Spec = serde_json::from_value(json!({
            "vpc": "a/b", "description": "x",
            "ingress": [{"protocol": "tcp", "ports": "70000", "cidrs": ["0.0.0.0/0"]}, {"protocol": "tpc", "self": true}],
        }))
        .unwrap();
        SecurityGroup::validate(&spec, &mut problems);
        let messages: Vec<&str> = problems.0.iter().map(|p| p.message.as_str()).collect();
        assert_eq!(messages, ["`70000` is no port and no range of ports", "unknown protocol `tpc`"]);
    }
}
