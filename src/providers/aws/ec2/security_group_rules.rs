//! Rules of security groups: their one form, the API's forms, and the way from the rules there are to those wanted.
//!
//! Rules that are wanted are added before others are removed, so that a changed rule never leaves a gap. A rule that goes is
//! named by its own id, which says the same of every sort of rule (also of one that names a group of another account).

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{
    IpPermission, IpRange, Ipv6Range, PrefixListId, SecurityGroup as ApiGroup, SecurityGroupRule as ApiRule,
    UserIdGroupPair,
};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::filters;
use super::security_group::SecurityGroup;
use super::vpc::parse_cidr;
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Problems;
use crate::model::types::{Cidr, Ref, Target};
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::Selection;

/// A rule: a protocol, ports, and where from or to. Several sources in one rule stand for one rule each.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "SecurityGroupRule")]
pub struct Rule {
    /// `tcp`, `udp`, `icmp`, `icmpv6`, `all`, or the protocol's number.
    pub protocol: String,
    /// A port, or a range `8000-8010`; for ICMP `type` or `type-code`; left out, all: `0-65535`, for ICMP `-1`.
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
pub(super) fn canonical<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Rule>>, D::Error> {
    Ok(Option::<Vec<Rule>>::deserialize(deserializer)?.map(split))
}

pub(super) fn split(rules: Vec<Rule>) -> Vec<Rule> {
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
        // Said, so that a rule that loses its ports differs from what is there.
        let ports = ports.map(short).or_else(|| all_ports(&protocol).map(str::to_owned));
        let base = Rule { protocol, ports, description: rule.description, ..Rule::default() };
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

/// How all ports of a protocol are said; none of a protocol that has no ports.
fn all_ports(protocol: &str) -> Option<&'static str> {
    match protocol {
        "tcp" | "udp" => Some("0-65535"),
        "icmp" | "icmpv6" => Some("-1"),
        _ => None,
    }
}

/// `443-443` is `443`.
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
    match rule.ports.as_deref().or_else(|| all_ports(&rule.protocol)) {
        Some("-1") if icmp => (Some(-1), Some(-1)),
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
    if protocol == "all" || from == -1 && to == -1 {
        return None;
    }
    if protocol.starts_with("icmp") {
        return Some(if to == -1 { from.to_string() } else { format!("{from}-{to}") });
    }
    Some(if from == to { from.to_string() } else { format!("{from}-{to}") })
}

/// Names protocols and ports that the API would refuse.
pub(super) fn check_ports(direction: &str, rule: &Rule, problems: &mut Problems) {
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

/// The API's permissions as rules, one source each. `own` is the id of the group itself.
pub(super) fn rules(permissions: &[IpPermission], own: &str) -> Result<Vec<Rule>, ApiError> {
    let operation = "ec2:DescribeSecurityGroups";
    let mut out = Vec::new();
    for permission in permissions {
        let protocol = protocol_of(permission.ip_protocol());
        let base = Rule {
            protocol: protocol.to_owned(),
            ports: ports_of(protocol, permission.from_port(), permission.to_port()),
            ..Rule::default()
        };
        let text = |d: Option<&str>| d.filter(|d| !d.is_empty()).map(str::to_owned);
        for range in permission.ip_ranges() {
            let cidr = parse_cidr(operation, range.cidr_ip().unwrap_or_default())?;
            out.push(Rule { cidrs: Some(vec![cidr]), description: text(range.description()), ..base.clone() });
        }
        for range in permission.ipv6_ranges() {
            let cidr = parse_cidr(operation, range.cidr_ipv6().unwrap_or_default())?;
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

fn protocol_of(api: Option<&str>) -> &str {
    match api.unwrap_or("-1") {
        "-1" => "all",
        "58" => "icmpv6",
        other => other,
    }
}

/// One rule of the API's list by ids, in the one form.
fn single(rule: &ApiRule, own: &str) -> Result<Option<Rule>, ApiError> {
    let cidr = |text: Option<&str>| -> Result<Option<Vec<Cidr>>, ApiError> {
        text.map(|t| parse_cidr("ec2:DescribeSecurityGroupRules", t)).transpose().map(|c| c.map(|c| vec![c]))
    };
    let protocol = protocol_of(rule.ip_protocol());
    let group = rule.referenced_group_info().and_then(|g| g.group_id());
    let whole = Rule {
        protocol: protocol.to_owned(),
        ports: ports_of(protocol, rule.from_port(), rule.to_port()),
        cidrs: cidr(rule.cidr_ipv4())?,
        ipv6_cidrs: cidr(rule.cidr_ipv6())?,
        prefix_lists: rule.prefix_list_id().map(|l| vec![l.to_owned()]),
        groups: group.filter(|g| *g != own).map(|g| vec![Ref::id(g)]),
        itself: group.filter(|g| *g == own).map(|_| true),
        description: None,
    };
    Ok(split(vec![whole]).into_iter().next())
}

/// Ids of the rules in one direction, by what makes them the same.
async fn ids(cx: &Context, group: &str, egress: bool) -> Result<Vec<(String, String)>, ApiError> {
    let only = [group.to_owned()];
    let filters = filters(&Selection::Ids(&only), "group-id");
    let request = cx.ec2().describe_security_group_rules().set_filters(Some(filters)).max_results(1000);
    let pages = cx.pages("ec2:DescribeSecurityGroupRules", request.into_paginator().send()).await?;
    let mut out = Vec::new();
    for rule in pages.iter().flat_map(|p| p.security_group_rules()).filter(|r| r.is_egress() == Some(egress)) {
        if let (Some(id), Some(rule)) = (rule.security_group_rule_id(), single(rule, group)?) {
            out.push((identity(&rule), id.to_owned()));
        }
    }
    Ok(out)
}

/// Adds the rules wanted, changes descriptions, then removes what is too much. `wanted` holds ids in place of addresses, in
/// the one form ([`split`]).
pub(super) async fn settle(cx: &Context, group: &ApiGroup, wanted: &[Rule], egress: bool) -> Result<(), ApiError> {
    let id = group.group_id().unwrap_or_default();
    let live = if egress { group.ip_permissions_egress() } else { group.ip_permissions() };
    let have = rules(live, id)?;
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
    authorize(cx, id, add, egress).await?;
    describe(cx, id, described, egress).await?;
    let surplus: BTreeSet<String> = have_ids.difference(&want_ids).cloned().collect();
    if surplus.is_empty() {
        return Ok(());
    }
    let live = ids(cx, id, egress).await?;
    let gone = live.into_iter().filter(|(identity, _)| surplus.contains(identity)).map(|(_, id)| id).collect();
    revoke(cx, id, gone, egress).await
}

fn is_there_already(error: &ApiError) -> bool {
    error.code.as_deref() == Some("InvalidPermission.Duplicate")
}

/// One call for all; if somebody added one of them since the group was read, one call each, since the API then refuses all.
async fn authorize(cx: &Context, id: &str, rules: Vec<IpPermission>, egress: bool) -> Result<(), ApiError> {
    if rules.is_empty() {
        return Ok(());
    }
    match authorize_all(cx, id, rules.clone(), egress).await {
        Err(e) if is_there_already(&e) => {}
        other => return other,
    }
    for rule in rules {
        match authorize_all(cx, id, vec![rule], egress).await {
            Err(e) if is_there_already(&e) => {}
            other => other?,
        }
    }
    Ok(())
}

async fn authorize_all(cx: &Context, id: &str, rules: Vec<IpPermission>, egress: bool) -> Result<(), ApiError> {
    if egress {
        let request = cx.ec2().authorize_security_group_egress().group_id(id).set_ip_permissions(Some(rules));
        return cx.call("ec2:AuthorizeSecurityGroupEgress", request.send()).await.map(|_| ());
    }
    let request = cx.ec2().authorize_security_group_ingress().group_id(id).set_ip_permissions(Some(rules));
    cx.call("ec2:AuthorizeSecurityGroupIngress", request.send()).await.map(|_| ())
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

async fn revoke(cx: &Context, id: &str, rules: Vec<String>, egress: bool) -> Result<(), ApiError> {
    if rules.is_empty() {
        return Ok(());
    }
    let outcome = if egress {
        let request = cx.ec2().revoke_security_group_egress().group_id(id).set_security_group_rule_ids(Some(rules));
        cx.call("ec2:RevokeSecurityGroupEgress", request.send()).await.map(|_| ())
    } else {
        let request = cx.ec2().revoke_security_group_ingress().group_id(id).set_security_group_rule_ids(Some(rules));
        cx.call("ec2:RevokeSecurityGroupIngress", request.send()).await.map(|_| ())
    };
    match outcome {
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::providers::aws::script::Script;

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
            {"protocol": "tcp", "ports": "443", "prefix_lists": ["pl-1"], "description": "y"},
        ]));
        let api: Vec<IpPermission> = all.iter().map(|r| permission(r, "sg-1")).collect();
        assert_eq!(rules(&api, "sg-1").unwrap(), all);
    }

    const GROUP: &str = "<securityGroupInfo><item><groupId>sg-1</groupId><ipPermissions><item>\
        <ipProtocol>tcp</ipProtocol><fromPort>443</fromPort><toPort>443</toPort><groups><item><groupId>sg-2</groupId>\
        <userId>999</userId></item></groups><ipRanges><item><cidrIp>10.0.0.0/8</cidrIp><description>a</description></item>\
        </ipRanges></item></ipPermissions></item></securityGroupInfo>";

    const RULES: &str = "<securityGroupRuleSet>\
        <item><securityGroupRuleId>sgr-1</securityGroupRuleId><isEgress>false</isEgress><ipProtocol>tcp</ipProtocol>\
        <fromPort>443</fromPort><toPort>443</toPort><referencedGroupInfo><groupId>sg-2</groupId></referencedGroupInfo></item>\
        <item><securityGroupRuleId>sgr-2</securityGroupRuleId><isEgress>false</isEgress><ipProtocol>tcp</ipProtocol>\
        <fromPort>443</fromPort><toPort>443</toPort><cidrIpv4>10.0.0.0/8</cidrIpv4></item>\
        <item><securityGroupRuleId>sgr-3</securityGroupRuleId><isEgress>true</isEgress><ipProtocol>tcp</ipProtocol>\
        <fromPort>443</fromPort><toPort>443</toPort><referencedGroupInfo><groupId>sg-2</groupId></referencedGroupInfo></item>\
        </securityGroupRuleSet>";

    fn spec(ingress: serde_json::Value) -> serde_json::Value {
        json!({"vpc": {"id": "vpc-1"}, "description": "x", "ingress": ingress})
    }

    #[tokio::test]
    async fn all_ports_are_the_same_however_they_are_said_and_differ_from_some() {
        let all = |rule: serde_json::Value| split(vec![serde_json::from_value(rule).unwrap()]);
        let rule = json!({"protocol": "tcp", "cidrs": ["10.0.0.0/8"]});
        let said = json!({"protocol": "6", "ports": "0-65535", "cidrs": ["10.0.0.0/8"]});
        assert_eq!(all(rule.clone()), all(said));
        assert_eq!(all(rule.clone())[0].ports.as_deref(), Some("0-65535"));
        let there = GROUP.replace("<toPort>443<", "<toPort>65535<").replace("<fromPort>443<", "<fromPort>0<");
        let script = Script::default().ec2("DescribeSecurityGroups", &there);
        let peer = json!({"protocol": "tcp", "groups": [{"id": "sg-2"}]});
        let described = json!({"protocol": "tcp", "cidrs": ["10.0.0.0/8"], "description": "a"});
        script.update::<SecurityGroup>("sg-1", spec(json!([])), spec(json!([described, peer]))).await.unwrap();
        let written: Vec<String> = script.operations().into_iter().filter(|o| !o.starts_with("Describe")).collect();
        assert!(written.is_empty(), "{written:?}");
    }

    #[tokio::test]
    async fn new_rules_come_first_and_old_ones_go_by_their_ids() {
        let script = Script::default()
            .ec2("DescribeSecurityGroups", GROUP)
            .ec2("DescribeSecurityGroupRules", RULES)
            .ec2("AuthorizeSecurityGroupIngress", "")
            .ec2("UpdateSecurityGroupRuleDescriptionsIngress", "")
            .ec2("RevokeSecurityGroupIngress", "");
        let to = spec(json!([
            {"protocol": "tcp", "ports": "443", "cidrs": ["10.0.0.0/8"], "description": "b"},
            {"protocol": "tcp", "ports": "444", "groups": [{"id": "sg-2"}]},
        ]));
        script.update::<SecurityGroup>("sg-1", spec(json!([])), to).await.unwrap();
        let order: Vec<String> = script.operations().into_iter().filter(|o| !o.starts_with("Describe")).collect();
        assert_eq!(
            order,
            [
                "AuthorizeSecurityGroupIngress",
                "UpdateSecurityGroupRuleDescriptionsIngress",
                "RevokeSecurityGroupIngress"
            ]
        );
        let revoked = script.asked("RevokeSecurityGroupIngress").join("");
        assert!(revoked.contains("SecurityGroupRuleId.1=sgr-1") && !revoked.contains("sgr-2"), "{revoked}");
        assert!(!revoked.contains("sgr-3"), "a rule of the other direction: {revoked}");
    }

    #[tokio::test]
    async fn a_rule_that_somebody_added_meanwhile_does_not_keep_the_others_out() {
        let error = "<Response><Errors><Error><Code>InvalidPermission.Duplicate</Code><Message>x</Message></Error>\
            </Errors></Response>";
        let done = "<AuthorizeSecurityGroupIngressResponse/>";
        let script = Script::default()
            .ec2(
                "DescribeSecurityGroups",
                "<securityGroupInfo><item><groupId>sg-1</groupId></item></securityGroupInfo>",
            )
            .answer("AuthorizeSecurityGroupIngress", 400, error)
            .answer("AuthorizeSecurityGroupIngress", 400, error)
            .answer("AuthorizeSecurityGroupIngress", 200, done);
        let to = spec(json!([{"protocol": "tcp", "ports": "1", "cidrs": ["10.0.0.0/8", "10.0.0.0/9"]}]));
        script.update::<SecurityGroup>("sg-1", spec(json!([])), to).await.unwrap();
        let asked = script.asked("AuthorizeSecurityGroupIngress");
        assert_eq!(asked.len(), 3);
        assert!(asked[2].contains("10.0.0.0%2F9") && !asked[2].contains("10.0.0.0%2F8"), "{asked:?}");
    }
}
