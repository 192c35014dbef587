//! `group`: users that may do the same.
//!
//! Belongs to the whole account; its name is its id. The API gives groups no tags: the path says whose a group is, as
//! `/saiken/PROJECT/ENVIRONMENT/GENERATION/ADDRESS/`, with `/protected/` at its end if it is protected. It is set in the
//! creating call (512 characters at most, `/` and letters beyond ASCII as `%2F` and the like), comes with every read, can be changed in place (so a group can be taken over and let go), and is part of the
//! group's ARN, which nothing but policies about groups refers to.
//!
//! All groups with their policies come in pages of 1,000 from one API; single ones are read by calls of their own, which do not
//! lag behind the last change. Who belongs to a group is declared by the users.
//! API: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateGroup.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_iam::types::{EntityType, GroupDetail, SummaryKeyType};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::statements::Of;
use super::{attached, delete_cleared, inline, name_of, summary};
use crate::model::Address;
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::Owner;
use crate::model::preflight::View;
use crate::model::types::PolicyDocument;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs, Quota, Tally, Use};

/// First part of the paths of owned groups.
const OURS: &str = "/saiken/";
/// Last part of the paths of protected groups.
const PROTECTED: &str = "protected";
/// What a part of a path can't hold as it is.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b':');

/// The kind `group`.
pub struct Group;

/// Users that may do the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, 128 letters, digits and `+=,.@-_` at most; derived from the address if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_+=,.@-]+$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// Policies of its own, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<BTreeMap<String, PolicyDocument>>,
    /// ARNs of managed policies, 10 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub managed_policies: Option<Vec<String>>,
}

impl Kind for Group {
    const NAME: &'static str = "group";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "group of users",
            service: "iam",
            reference: "https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateGroup.html",
            scope: Scope::Global,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "Its name"),
                    Attribute::stable("name", "Name"),
                    Attribute::stable("arn", "ARN; it changes with the address"),
                    Attribute::stable("unique_id", "Id that is never given again, AGPA…"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "iam:GetAccountAuthorizationDetails",
                    "iam:GetAccountSummary",
                    "iam:GetGroup",
                    "iam:GetGroupPolicy",
                    "iam:ListAttachedGroupPolicies",
                    "iam:ListGroupPolicies",
                    "iam:ListGroups",
                ],
                create: &["iam:CreateGroup", "iam:PutGroupPolicy", "iam:AttachGroupPolicy"],
                update: &[
                    "iam:PutGroupPolicy",
                    "iam:DeleteGroupPolicy",
                    "iam:AttachGroupPolicy",
                    "iam:DetachGroupPolicy",
                    "iam:UpdateGroup",
                ],
                delete: &[
                    "iam:GetGroup",
                    "iam:RemoveUserFromGroup",
                    "iam:ListGroupPolicies",
                    "iam:ListAttachedGroupPolicies",
                    "iam:DeleteGroupPolicy",
                    "iam:DetachGroupPolicy",
                    "iam:DeleteGroup",
                ],
            },
            name_limit: 128,
            creation_seconds: 2,
            deletion_seconds: 1,
            quota: 300,
            zone_field: None,
            loose_refs: &[],
        }
    }
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
static GROUPS: Quota = Quota::new("iam", "L-F4A5425F", "Groups per account");

#[async_trait]
impl Checked for Group {
    fn needs() -> Needs {
        Needs {
            resource: "group/*/{name}",
            only_for: &[
                ("iam:PutGroupPolicy", &["policies"]),
                ("iam:DeleteGroupPolicy", &["policies"]),
                ("iam:AttachGroupPolicy", &["managed_policies"]),
                ("iam:DetachGroupPolicy", &["managed_policies"]),
                ("iam:UpdateGroup", &[]),
                ("iam:RemoveUserFromGroup", &[]),
            ],
        }
    }

    fn uses(_: &View<'_>) -> Vec<Use> {
        vec![Use::one(&GROUPS)]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        summary(cx, &[(&GROUPS, SummaryKeyType::Groups, SummaryKeyType::GroupsQuota)]).await
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        view.own_name().map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let request = cx.clients.iam.list_groups().max_items(1000).into_paginator().send();
        let pages = cx.pages("iam:ListGroups", request).await?;
        let holders = pages.iter().flat_map(|p| p.groups()).map(|group| Holder {
            name: Name::new(group.group_name()),
            id: group.group_name().to_owned(),
            owner: Owner::from_tags(&owner_tags(group.path())),
        });
        Ok(holders.filter(|h| names.contains(&h.name)).collect())
    }
}

#[async_trait]
impl AwsKind for Group {
    const TAGGED: bool = false;

    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        if let Selection::Ids(names) = read.selection {
            let mut out = Vec::new();
            for name in names {
                out.extend(one(cx, read, name_of(name)).await?);
            }
            return Ok(out);
        }
        let request = cx.clients.iam.get_account_authorization_details().filter(EntityType::Group).max_items(1000);
        let pages = cx.pages("iam:GetAccountAuthorizationDetails", request.into_paginator().send()).await?;
        let groups = pages.iter().flat_map(|p| p.group_detail_list());
        let selected = groups.filter(|group| {
            let tags = owner_tags(group.path().unwrap_or_default());
            read.selection.matches(group.group_name().unwrap_or_default(), &tags)
        });
        selected.map(found).collect()
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let name = spec.name.as_deref().unwrap_or(want.name);
        let once = cx.once();
        let request = once.clients.iam.create_group().group_name(name).path(path(want.tags));
        let call = async {
            once.call("iam:CreateGroup", request.send()).await?;
            Ok(name.to_owned())
        };
        create_once::<Self>(cx, want, Some(name), call).await?;
        Of::Group(name).settle(cx, (&spec.policies, &spec.managed_policies), (&None, &None)).await?;
        Ok(name.to_owned())
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let (spec, before) = (update.want.spec, update.before);
        let before = (&before.policies, &before.managed_policies);
        Of::Group(update.id).settle(cx, (&spec.policies, &spec.managed_policies), before).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let (iam, name) = (&cx.clients.iam, delete.id);
        let pages = cx.pages("iam:GetGroup", iam.get_group().group_name(name).into_paginator().send()).await?;
        for user in pages.iter().flat_map(|p| p.users()) {
            let request = iam.remove_user_from_group().group_name(name).user_name(user.user_name());
            cx.call("iam:RemoveUserFromGroup", request.send()).await?;
        }
        Of::Group(name).clear(cx).await?;
        delete_cleared(cx, delete.watch, name, || {
            cx.call("iam:DeleteGroup", iam.delete_group().group_name(name).send())
        })
        .await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        let mut tags = object.owner.as_ref().map(Owner::tags).unwrap_or_default();
        tags.extend(set.clone());
        tags.retain(|tag, _| !remove.contains(tag));
        let request = cx.clients.iam.update_group().group_name(&object.id).new_path(path(&tags));
        cx.call("iam:UpdateGroup", request.send()).await.map(drop)
    }
}

/// The path that says what the ownership tags say; `/` for nobody's.
pub(in crate::providers::aws) fn path(tags: &Tags) -> String {
    let Some(owner) = Owner::from_tags(tags) else { return "/".to_owned() };
    let part = |text: &str| utf8_percent_encode(text, ESCAPED).to_string();
    let (project, environment, address) =
        (part(&owner.project), part(&owner.environment), part(owner.address.as_str()));
    let end = if owner.protected { format!("{PROTECTED}/") } else { String::new() };
    format!("{OURS}{project}/{environment}/{}/{address}/{end}", owner.generation)
}

/// The ownership tags that a path stands for; none if it is not one of ours.
pub(in crate::providers::aws) fn owner_tags(path: &str) -> Tags {
    let parts = path.strip_prefix(OURS).unwrap_or_default().split('/').filter(|p| !p.is_empty());
    let parts: Vec<String> = parts.map(|p| percent_decode_str(p).decode_utf8_lossy().into_owned()).collect();
    let [project, environment, generation, address, rest @ ..] = parts.as_slice() else { return Tags::new() };
    let owner = Address::parse(address).ok().zip(generation.parse().ok());
    let owner = owner.map(|(address, generation)| Owner {
        project: project.clone(),
        environment: environment.clone(),
        address,
        generation,
        fingerprints: BTreeMap::new(),
        protected: rest.first().is_some_and(|word| word == PROTECTED),
    });
    owner.as_ref().map(Owner::tags).unwrap_or_default()
}

/// One group, by calls that do not lag behind its last change. None if it is not there.
async fn one(cx: &Context, read: &Read<'_>, name: &str) -> Result<Option<Found<Spec>>, ApiError> {
    let request = cx.clients.iam.get_group().group_name(name).max_items(1);
    let group = match cx.call("iam:GetGroup", request.send()).await {
        Ok(answer) => answer.group,
        Err(e) if e.class == ErrorClass::NotFound => None,
        Err(e) => return Err(e),
    };
    let Some(group) = group else { return Ok(None) };
    let mut detail = GroupDetail::builder()
        .group_name(group.group_name())
        .group_id(group.group_id())
        .arn(group.arn())
        .path(group.path());
    if !read.is_brief() {
        let (policies, managed) = futures::try_join!(Of::Group(name).details(cx), Of::Group(name).attached(cx))?;
        detail = detail.set_group_policy_list(Some(policies)).set_attached_managed_policies(Some(managed));
    }
    let mut found = found(&detail.build())?;
    if read.is_brief() {
        found.unread.extend(["policies", "managed_policies"]);
    }
    Ok(Some(found))
}

fn found(group: &GroupDetail) -> Result<Found<Spec>, ApiError> {
    let name = group.group_name().unwrap_or_default().to_owned();
    let arn = group.arn().unwrap_or_default().to_owned();
    Ok(Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([
            ("id", json!(name)),
            ("name", json!(name)),
            ("arn", json!(arn)),
            ("unique_id", json!(group.group_id())),
        ]),
        spec: Spec {
            name: Some(name.clone()),
            policies: Some(inline(group.group_policy_list())?),
            managed_policies: Some(attached(group.attached_managed_policies())),
        },
        status: Status::Ready,
        tags: owner_tags(group.path().unwrap_or_default()),
        unread: Vec::new(),
        id: name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::aws::script;

    #[test]
    fn a_path_says_whose_a_group_is_whatever_its_address() {
        for address in ["s/it", "access/main.team:運用 部", "access/a/b:c.d"] {
            for protected in [false, true] {
                let owner = Owner { address: Address::parse(address).unwrap(), protected, ..script::owner() };
                let path = path(&owner.tags());
                assert!(path.is_ascii() && path.starts_with("/saiken/p/e/1/") && path.ends_with('/'), "{path}");
                assert_eq!(Owner::from_tags(&owner_tags(&path)), Some(owner), "{path}");
            }
        }
    }

    #[test]
    fn a_path_of_somebody_else_says_nothing() {
        for path in ["/", "/team/", "/saiken/", "/saiken/p/e/", "/saiken/p/e/x/s%2Fit/", "/saiken/p/e/1/it/"] {
            assert!(owner_tags(path).is_empty(), "{path}");
        }
        assert_eq!(super::path(&Tags::new()), "/");
    }
}
