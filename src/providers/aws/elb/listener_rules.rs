//! Rules of a listener: what they are about, how they are read, and how they come to be as declared.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::types::{
    HostHeaderConditionConfig, HostHeaderRewriteConfig, HttpHeaderConditionConfig, HttpRequestMethodConditionConfig,
    PathPatternConditionConfig, QueryStringConditionConfig, QueryStringKeyValuePair, RewriteConfig, Rule as ApiRule,
    RuleCondition, RulePriorityPair, RuleTransform, SourceIpConditionConfig, TransformTypeEnum, UrlRewriteConfig,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::listener::Spec;
use super::listener_actions::{self as actions, Action};
use super::{retag, tags_of, to_tags};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Problems;
use crate::model::ownership;
use crate::model::types::Cidr;
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{Create, Tags};

/// The tag that holds a rule's name.
pub(super) const NAME_TAG: &str = "saiken:rule";
/// The greatest priority.
const LAST: i32 = 50_000;
/// Values that the conditions of a rule have at most.
const VALUES: usize = 5;

/// A rule: for requests that meet all its conditions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its place among the rules, 1 to 50000; the first that fits is taken.
    #[schemars(range(min = 1, max = 50_000))]
    pub priority: i32,
    /// Conditions, all of which must be met; at most 5 values in all.
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub conditions: Vec<Condition>,
    /// What is done: logins, if any, then one last action.
    #[schemars(length(min = 1))]
    pub actions: Vec<Action>,
    /// How the host is changed before the request goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null))]
    pub rewrite_host: Option<Rewrite>,
    /// How the URL is changed before the request goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null))]
    pub rewrite_url: Option<Rewrite>,
    /// Tags of the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// A change of a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rewrite {
    /// Regular expression that finds what is changed.
    #[schemars(length(min = 1, max = 1024))]
    pub regex: String,
    /// What comes in its place; `$1` is the first group.
    #[schemars(length(max = 1024))]
    pub replace: String,
}

/// A condition. Exactly one of the fields is given; any of its values will do. `*` stands for any characters, `?` for
/// one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Hosts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub host: Option<Vec<String>>,
    /// Hosts, as regular expressions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub host_regex: Option<Vec<String>>,
    /// Paths.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub path: Option<Vec<String>>,
    /// Paths, as regular expressions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub path_regex: Option<Vec<String>>,
    /// A header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderCondition>,
    /// Methods, such as `GET`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub method: Option<Vec<String>>,
    /// Parameters of the query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub query: Option<Vec<QueryPair>>,
    /// Ranges of the sender's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub source_ip: Option<Vec<Cidr>>,
}

/// A header, and what is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderCondition {
    /// Its name.
    #[schemars(length(min = 1, max = 40))]
    pub name: String,
    /// Values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub values: Option<Vec<String>>,
    /// Values, as regular expressions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub regex: Option<Vec<String>>,
}

/// A parameter of a query.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryPair {
    /// Its name; any if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), extend("x-left-out" = null))]
    pub key: Option<String>,
    /// Its value.
    #[schemars(length(max = 128))]
    pub value: String,
}

/// A rule that is there.
pub(super) struct Present {
    arn: String,
    name: String,
    tags: Tags,
    rule: ApiRule,
}

impl Present {
    fn priority(&self) -> i32 {
        self.rule.priority().and_then(|p| p.parse().ok()).unwrap_or(0)
    }
}

/// The rules of a listener, but for the default one. A rule without name is called by the end of its ARN.
pub(super) async fn present(cx: &Context, listener: &str) -> Result<Vec<Present>, ApiError> {
    let request = cx.clients.elb.describe_rules().listener_arn(listener).page_size(400);
    let pages = cx.pages("elasticloadbalancing:DescribeRules", request.into_paginator().send()).await?;
    let rules: Vec<ApiRule> =
        pages.into_iter().flat_map(|p| p.rules.unwrap_or_default()).filter(|r| r.is_default() != Some(true)).collect();
    let arns: Vec<String> = rules.iter().filter_map(|r| r.rule_arn().map(str::to_owned)).collect();
    let mut tags = tags_of(cx, &arns).await?;
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for rule in rules {
        let arn = rule.rule_arn().unwrap_or_default().to_owned();
        let tags = tags.remove(&arn).unwrap_or_default();
        let own = tags.get(NAME_TAG).filter(|name| names.insert((*name).clone()));
        let name = own.map_or_else(|| arn.rsplit('/').next().unwrap_or_default().to_owned(), Clone::clone);
        all.push(Present { arn, name, tags, rule });
    }
    Ok(all)
}

/// Rules as read, by name.
pub(super) fn observed(present: &[Present]) -> BTreeMap<String, Rule> {
    present.iter().map(|p| (p.name.clone(), observed_one(p))).collect()
}

fn observed_one(present: &Present) -> Rule {
    let transform = |of: TransformTypeEnum| present.rule.transforms().iter().find(move |t| t.r#type() == Some(&of));
    let rewrite = |configs: &[RewriteConfig]| {
        let config = configs.first()?;
        Some(Rewrite { regex: config.regex()?.to_owned(), replace: config.replace().unwrap_or_default().to_owned() })
    };
    let host = transform(TransformTypeEnum::HostHeaderRewrite).and_then(|t| t.host_header_rewrite_config());
    let url = transform(TransformTypeEnum::UrlRewrite).and_then(|t| t.url_rewrite_config());
    Rule {
        priority: present.priority(),
        conditions: present.rule.conditions().iter().map(observed_condition).collect(),
        actions: actions::observed(present.rule.actions()),
        rewrite_host: host.and_then(|c| rewrite(c.rewrites())),
        rewrite_url: url.and_then(|c| rewrite(c.rewrites())),
        tags: Some(ownership::user_tags(&present.tags, "")),
    }
}

fn observed_condition(api: &RuleCondition) -> Condition {
    let list = |one: &[String], other: &[String]| {
        let list = if one.is_empty() { other } else { one };
        Some(list.to_vec()).filter(|l| !l.is_empty())
    };
    let none = Condition::default();
    match api.field().unwrap_or_default() {
        "host-header" => {
            let config = api.host_header_config();
            let values = list(config.map(|c| c.values()).unwrap_or_default(), api.values());
            let regex = list(config.map(|c| c.regex_values()).unwrap_or_default(), api.regex_values());
            Condition { host: values, host_regex: regex, ..none }
        }
        "path-pattern" => {
            let config = api.path_pattern_config();
            let values = list(config.map(|c| c.values()).unwrap_or_default(), api.values());
            let regex = list(config.map(|c| c.regex_values()).unwrap_or_default(), api.regex_values());
            Condition { path: values, path_regex: regex, ..none }
        }
        "http-header" => {
            let header = api.http_header_config().map(|c| HeaderCondition {
                name: c.http_header_name().unwrap_or_default().to_owned(),
                values: list(c.values(), &[]),
                regex: list(c.regex_values(), api.regex_values()),
            });
            Condition { header, ..none }
        }
        "http-request-method" => {
            let method = api.http_request_method_config().and_then(|c| list(c.values(), &[]));
            Condition { method, ..none }
        }
        "query-string" => {
            let pair = |p: &QueryStringKeyValuePair| QueryPair {
                key: p.key().map(str::to_owned),
                value: p.value().unwrap_or_default().to_owned(),
            };
            let query = api.query_string_config().map(|c| c.values().iter().map(pair).collect());
            Condition { query, ..none }
        }
        "source-ip" => {
            let ranges = api.source_ip_config().map(|c| c.values()).unwrap_or_default();
            Condition { source_ip: Some(ranges.iter().filter_map(|r| r.parse().ok()).collect()), ..none }
        }
        _ => none,
    }
}

fn condition(condition: &Condition) -> RuleCondition {
    let api = RuleCondition::builder();
    let api = if condition.host.is_some() || condition.host_regex.is_some() {
        let config = HostHeaderConditionConfig::builder()
            .set_values(condition.host.clone())
            .set_regex_values(condition.host_regex.clone());
        api.field("host-header").host_header_config(config.build())
    } else if condition.path.is_some() || condition.path_regex.is_some() {
        let config = PathPatternConditionConfig::builder()
            .set_values(condition.path.clone())
            .set_regex_values(condition.path_regex.clone());
        api.field("path-pattern").path_pattern_config(config.build())
    } else if let Some(header) = &condition.header {
        let config = HttpHeaderConditionConfig::builder()
            .http_header_name(&header.name)
            .set_values(header.values.clone())
            .set_regex_values(header.regex.clone());
        api.field("http-header").http_header_config(config.build())
    } else if let Some(methods) = &condition.method {
        let config = HttpRequestMethodConditionConfig::builder().set_values(Some(methods.clone()));
        api.field("http-request-method").http_request_method_config(config.build())
    } else if let Some(query) = &condition.query {
        let pair = |p: &QueryPair| QueryStringKeyValuePair::builder().set_key(p.key.clone()).value(&p.value).build();
        let config = QueryStringConditionConfig::builder().set_values(Some(query.iter().map(pair).collect()));
        api.field("query-string").query_string_config(config.build())
    } else {
        let ranges = condition.source_ip.iter().flatten().map(ToString::to_string).collect();
        let config = SourceIpConditionConfig::builder().set_values(Some(ranges));
        api.field("source-ip").source_ip_config(config.build())
    };
    api.build()
}

/// None if no rewrite is declared.
fn transforms(rule: &Rule) -> Option<Vec<RuleTransform>> {
    let config = |r: &Rewrite| RewriteConfig::builder().regex(&r.regex).replace(&r.replace).build();
    let host = rule.rewrite_host.as_ref().map(|r| {
        let rewrites = HostHeaderRewriteConfig::builder().rewrites(config(r)).build();
        let api = RuleTransform::builder().r#type(TransformTypeEnum::HostHeaderRewrite);
        api.host_header_rewrite_config(rewrites).build()
    });
    let url = rule.rewrite_url.as_ref().map(|r| {
        let rewrites = UrlRewriteConfig::builder().rewrites(config(r)).build();
        RuleTransform::builder().r#type(TransformTypeEnum::UrlRewrite).url_rewrite_config(rewrites).build()
    });
    Some(host.into_iter().chain(url).collect()).filter(|t: &Vec<_>| !t.is_empty())
}

/// Makes the rules of a listener what is declared. `before` is what was read, with the references of the files;
/// `secrets` says that secrets have changed.
pub(super) async fn apply(
    cx: &Context,
    want: &Create<'_, Spec>,
    listener: &str,
    before: Option<&BTreeMap<String, Rule>>,
    secrets: bool,
) -> Result<(), ApiError> {
    let Some(wanted) = &want.spec.rules else { return Ok(()) };
    let there = present(cx, listener).await?;
    let (stay, go): (Vec<&Present>, Vec<&Present>) = there.iter().partition(|p| wanted.contains_key(&p.name));
    for present in &stay {
        let rule = &wanted[&present.name];
        let same = before.and_then(|b| b.get(&present.name)).is_some_and(|b| same_but_for_place(b, rule));
        let wanted_actions = actions::to_api(want, &rule.actions)?;
        // Under the address that the files name, there may be another target group by now.
        let same = same && actions::groups(&wanted_actions) == actions::groups(present.rule.actions());
        if !same || secrets && actions::has_secret(&rule.actions) {
            let transforms = transforms(rule);
            // Left out, the API leaves those that are there.
            let reset = transforms.is_none() && !present.rule.transforms().is_empty();
            let request = cx
                .clients
                .elb
                .modify_rule()
                .rule_arn(&present.arn)
                .set_conditions(Some(rule.conditions.iter().map(condition).collect()))
                .set_actions(Some(wanted_actions))
                .set_transforms(transforms)
                .set_reset_transforms(reset.then_some(true));
            cx.call("elasticloadbalancing:ModifyRule", request.send()).await?;
        }
        set_tags(cx, present, rule).await?;
    }
    let moves = moves(wanted, &stay, &go);
    if !moves.is_empty() {
        let pair = |(arn, priority): (&str, i32)| RulePriorityPair::builder().rule_arn(arn).priority(priority).build();
        let pairs = moves.into_iter().map(pair).collect();
        let request = cx.clients.elb.set_rule_priorities().set_rule_priorities(Some(pairs));
        cx.call("elasticloadbalancing:SetRulePriorities", request.send()).await?;
    }
    for (name, rule) in wanted.iter().filter(|(name, _)| !stay.iter().any(|p| p.name == **name)) {
        create(cx, want, listener, name, rule).await?;
    }
    for present in go {
        let request = cx.clients.elb.delete_rule().rule_arn(&present.arn);
        match cx.call("elasticloadbalancing:DeleteRule", request.send()).await {
            Err(e) if e.class == ErrorClass::NotFound => {}
            other => other.map(drop)?,
        }
    }
    Ok(())
}

fn same_but_for_place(one: &Rule, other: &Rule) -> bool {
    (&one.conditions, &one.actions, &one.rewrite_host, &one.rewrite_url)
        == (&other.conditions, &other.actions, &other.rewrite_host, &other.rewrite_url)
}

/// Priorities to write: those that differ, and places behind all others for what goes and stands where another one
/// comes.
fn moves<'p>(wanted: &BTreeMap<String, Rule>, stay: &[&'p Present], go: &[&'p Present]) -> Vec<(&'p str, i32)> {
    let places: BTreeSet<i32> = wanted.values().map(|r| r.priority).collect();
    let mut taken = places.clone();
    taken.extend(stay.iter().chain(go).map(|p| p.priority()));
    let mut free = (1..=LAST).rev().filter(|p| !taken.contains(p));
    let changed = stay.iter().map(|p| (p, wanted[&p.name].priority)).filter(|(p, place)| p.priority() != *place);
    let mut moves: Vec<(&str, i32)> = changed.map(|(p, place)| (p.arn.as_str(), place)).collect();
    for present in go.iter().filter(|p| places.contains(&p.priority())) {
        moves.extend(free.next().map(|place| (present.arn.as_str(), place)));
    }
    moves
}

async fn create(
    cx: &Context,
    want: &Create<'_, Spec>,
    listener: &str,
    name: &str,
    rule: &Rule,
) -> Result<(), ApiError> {
    let mut tags = rule.tags.clone().unwrap_or_default();
    tags.insert(NAME_TAG.to_owned(), name.to_owned());
    let once = cx.once();
    let request = once
        .clients
        .elb
        .create_rule()
        .listener_arn(listener)
        .priority(rule.priority)
        .set_conditions(Some(rule.conditions.iter().map(condition).collect()))
        .set_actions(Some(actions::to_api(want, &rule.actions)?))
        .set_transforms(transforms(rule))
        .set_tags(Some(to_tags(&tags)));
    match once.call("elasticloadbalancing:CreateRule", request.send()).await {
        Err(e) if e.class == ErrorClass::Unanswered || e.code.as_deref() == Some("PriorityInUse") => {
            let ours = |p: &Present| p.name == name && p.priority() == rule.priority;
            if present(cx, listener).await?.iter().any(ours) { Ok(()) } else { Err(e) }
        }
        other => other.map(drop),
    }
}

async fn set_tags(cx: &Context, present: &Present, rule: &Rule) -> Result<(), ApiError> {
    let Some(wanted) = &rule.tags else { return Ok(()) };
    let have = ownership::user_tags(&present.tags, "");
    let set = wanted.iter().filter(|(k, v)| have.get(*k) != Some(v)).map(|(k, v)| (k.clone(), v.clone())).collect();
    let remove: Vec<String> = have.into_keys().filter(|k| !wanted.contains_key(k)).collect();
    retag(cx, &present.arn, &set, &remove).await
}

/// Rules that the API would enforce.
pub(super) fn check(spec: &Spec, problems: &mut Problems) {
    let mut places: BTreeMap<i32, &str> = BTreeMap::new();
    for (name, rule) in spec.rules.iter().flatten() {
        let path = format!("rules.{name}");
        if let Some(other) = places.insert(rule.priority, name) {
            let message = format!("`{other}` has the priority {}, too", rule.priority);
            problems.add(format!("{path}.priority"), message, "give each rule its own");
        }
        if name.is_empty() || name.chars().count() > 256 {
            problems.add(path.as_str(), "the name of a rule has 1 to 256 characters", "choose another name");
        }
        super::listener_actions::check(spec, &format!("{path}.actions"), &rule.actions, problems);
        check_conditions(&path, &rule.conditions, problems);
        if rule.tags.iter().flatten().any(|(key, _)| key.starts_with(ownership::PREFIX)) {
            problems.add(format!("{path}.tags"), "tags that begin so are saiken's own", "choose another name");
        }
    }
}

fn check_conditions(path: &str, conditions: &[Condition], problems: &mut Problems) {
    let mut values = 0;
    let mut single = BTreeSet::new();
    for (index, condition) in conditions.iter().enumerate() {
        let path = format!("{path}.conditions.{index}");
        let header = condition.header.as_ref();
        let lists = [&condition.host, &condition.host_regex, &condition.path, &condition.path_regex, &condition.method];
        let texts: Vec<&String> = lists.into_iter().flatten().flatten().collect();
        let of_header: Vec<&String> =
            header.into_iter().flat_map(|h| h.values.iter().chain(&h.regex)).flatten().collect();
        let given = [
            ("host", condition.host.is_some()),
            ("host", condition.host_regex.is_some()),
            ("path", condition.path.is_some()),
            ("path", condition.path_regex.is_some()),
            ("header", header.is_some()),
            ("method", condition.method.is_some()),
            ("query", condition.query.is_some()),
            ("source_ip", condition.source_ip.is_some()),
        ];
        let mut kinds = given.iter().filter(|(_, given)| *given).map(|(kind, _)| *kind);
        let (Some(kind), None) = (kinds.next(), kinds.next()) else {
            let help = "give `host`, `path`, `header`, `method`, `query` or `source_ip`, or one as `_regex`";
            problems.add(path, "a condition is about exactly one thing", help);
            continue;
        };
        let many = ["header", "query"].contains(&kind);
        if !many && !single.insert(kind) {
            problems.add(path.as_str(), format!("a rule has one condition about `{kind}`"), "put the values together");
        }
        if texts.iter().chain(&of_header).any(|t| t.chars().count() > 128) {
            problems.add(path.as_str(), "a value has at most 128 characters", "shorten it");
        }
        if let Some(header) = header {
            if header.values.is_some() == header.regex.is_some() {
                problems.add(path.as_str(), "a header has either `values` or `regex`", "give one of them");
            }
            if header.name.eq_ignore_ascii_case("host") {
                problems.add(path.as_str(), "the host is a condition of its own", "use `host`");
            }
        }
        let others = condition.query.as_ref().map_or(0, Vec::len) + condition.source_ip.as_ref().map_or(0, Vec::len);
        values += texts.len() + of_header.len() + others;
    }
    if values > VALUES {
        let message = format!("a rule has at most {VALUES} values, and this one has {values}");
        problems.add(format!("{path}.conditions"), message, "make a rule for each half");
    }
}
