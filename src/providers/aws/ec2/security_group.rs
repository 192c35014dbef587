//! `security_group`: which packets may come in and go out.
//!
//! Rules are part of it and are managed whole, by direction, where they are declared: what somebody adds by hand is taken
//! away again. A new group lets everything out; that rule goes unless `egress` is left out. Rules are kept in one form,
//! one source a rule, in order, so that the API's grouping never shows as a difference. Rules that are wanted are added
//! before others are removed. Two groups can't name each other (their order would be a circle): put the rule of one into a
//! third group. Description, name and network make a new group necessary; a name of one's own stands in its way, since two
//! groups of a network can't share one: change it too, or let the replacement delete first.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{Filter, ResourceType, SecurityGroup as ApiGroup};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::security_group_rules::{Rule, canonical, check_ports, rules, settle, split};
use super::vpc::Vpc;
use super::{arn, attributes, filters, from_tags, retag, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::Owner;
use crate::model::preflight::View;
use crate::model::types::Ref;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::kind::{
    AwsKind, Create, Delete, Found, Read, SEEN_WITHIN, Selection, Tags, Update, create_once,
};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs, Quota, Tally, Use};

/// The kind `security_group`.
pub struct SecurityGroup;

/// Which packets may come in and go out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The network.
    #[schemars(extend("x-change" = "replace"))]
    pub vpc: Ref<Vpc>,
    /// Its name, 255 characters at most; derived from the address if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), extend("x-change" = "replace"))]
    pub name: Option<String>,
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

impl Kind for SecurityGroup {
    const NAME: &'static str = "security_group";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "security group",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html",
            scope: Scope::Regional,
            data: None,
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
                    "ec2:DescribeSecurityGroupRules",
                    "ec2:RevokeSecurityGroupEgress",
                ],
                update: &[
                    "ec2:AuthorizeSecurityGroupIngress",
                    "ec2:AuthorizeSecurityGroupEgress",
                    "ec2:DescribeSecurityGroupRules",
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
        if let Some(name) = spec.name.as_deref().filter(|n| n.starts_with("sg-") || *n == "default") {
            problems.add("name", format!("the API keeps `{name}` for itself"), "take another name");
        }
        for (direction, rules) in [("ingress", &spec.ingress), ("egress", &spec.egress)] {
            for rule in rules.iter().flatten() {
                check_ports(direction, rule, problems);
            }
        }
    }
}

/// <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>
static GROUPS: Quota = Quota::new("vpc", "L-E79EC296", "VPC security groups per Region");

#[async_trait]
impl Checked for SecurityGroup {
    fn needs() -> Needs {
        Needs {
            resource: "security-group/*",
            only_for: &[
                ("ec2:AuthorizeSecurityGroupIngress", &["ingress"]),
                ("ec2:AuthorizeSecurityGroupEgress", &["egress"]),
                ("ec2:DescribeSecurityGroupRules", &["ingress", "egress"]),
                ("ec2:RevokeSecurityGroupIngress", &["ingress"]),
                ("ec2:RevokeSecurityGroupEgress", &["egress"]),
                ("ec2:UpdateSecurityGroupRuleDescriptionsIngress", &[]),
                ("ec2:UpdateSecurityGroupRuleDescriptionsEgress", &[]),
            ],
        }
    }

    fn uses(_: &View<'_>) -> Vec<Use> {
        vec![Use::one(&GROUPS)]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        let request = cx.ec2().describe_security_groups().max_results(1000);
        let pages = cx.pages("ec2:DescribeSecurityGroups", request.into_paginator().send()).await?;
        Ok(Some(Tally::of(pages.iter().flat_map(|p| p.security_groups()).map(|_| Use::one(&GROUPS)))))
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        // In a network that is not there yet every name is free.
        let vpc = view.place("vpc").filter(|_| view.stands("vpc"));
        let name = vpc.and_then(|vpc| Some(Name { scope: vpc.to_owned(), name: view.own_name()?.to_owned() }));
        name.into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let mut holders = Vec::new();
        for some in names.chunks(200) {
            let values = some.iter().map(|n| n.name.clone()).collect();
            let filter = Filter::builder().name("group-name").set_values(Some(values)).build();
            let request = cx.ec2().describe_security_groups().filters(filter).max_results(1000);
            let pages = cx.pages("ec2:DescribeSecurityGroups", request.into_paginator().send()).await?;
            holders.extend(pages.iter().flat_map(|p| p.security_groups()).map(|group| Holder {
                name: Name {
                    scope: group.vpc_id().unwrap_or_default().to_owned(),
                    name: group.group_name().unwrap_or_default().to_owned(),
                },
                id: group.group_id().unwrap_or_default().to_owned(),
                owner: Owner::from_tags(&from_tags(group.tags())),
            }));
        }
        Ok(holders)
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
        let once = cx.once();
        let request = once
            .ec2()
            .create_security_group()
            .group_name(want.spec.name.as_deref().unwrap_or(want.name))
            .description(&want.spec.description)
            .vpc_id(want.id(&want.spec.vpc)?)
            .tag_specifications(tag_specification(ResourceType::SecurityGroup, want.tags));
        let call = async {
            let answer = once.call("ec2:CreateSecurityGroup", request.send()).await?;
            Ok(answer.group_id().unwrap_or_default().to_owned())
        };
        let id = create_once::<Self>(cx, want, None, call).await?;
        let group = cx
            .wait(want.watch, &format!("{id} to be seen"), SEEN_WITHIN, || async {
                Ok(Look::seen(live(cx, &id).await?))
            })
            .await?;
        settle_both(cx, &group, want, |_| true).await?;
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let Some(group) = live(cx, update.id).await? else {
            let message = format!("the security group '{}' does not exist", update.id);
            return Err(ApiError::new("ec2:DescribeSecurityGroups", ErrorClass::NotFound, message));
        };
        settle_both(cx, &group, &update.want, |field| update.changed(field)).await
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
    let made = arn(&cx.region, account, "security-group", &id);
    let arn = group.security_group_arn().map_or(made, str::to_owned);
    Ok(Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([("id", json!(id)), ("arn", json!(arn)), ("name", json!(group.group_name()))]),
        spec: Spec {
            vpc: Ref::id(group.vpc_id().unwrap_or_default()),
            name: group.group_name().map(str::to_owned),
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

/// Settles the rules of the directions that are declared and `changed`.
async fn settle_both(
    cx: &Context,
    group: &ApiGroup,
    want: &Create<'_, Spec>,
    changed: impl Fn(&str) -> bool,
) -> Result<(), ApiError> {
    if let Some(rules) = want.spec.ingress.as_ref().filter(|_| changed("ingress")) {
        settle(cx, group, &with_ids(want, rules)?, false).await?;
    }
    if let Some(rules) = want.spec.egress.as_ref().filter(|_| changed("egress")) {
        settle(cx, group, &with_ids(want, rules)?, true).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
