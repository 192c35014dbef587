//! `policy`: a managed policy, which roles, users and groups share.
//!
//! Belongs to the whole account; its id is its ARN. Name, path and description make a new policy necessary: the API can't change
//! them. A changed document is a new default version; the API keeps five, so the oldest goes first when there are as many.
//!
//! All policies with their documents come in pages of 1,000 from one API, which shows no tags. The index of tags, which keeps
//! those of identities in one region, tells whose they are; what carries a name that saiken gives and is not in the index yet
//! is asked for its tags. So a run that ended early finds its policy by its name.
//! API: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_iam::types::{EntityType, ManagedPolicyDetail, PolicyScopeType, PolicyVersion, SummaryKeyType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{check_path, delete_cleared, document, from_tags, name_of, summary, to_tags};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::{self, Owner};
use crate::model::preflight::View;
use crate::model::types::PolicyDocument;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs, Quota, Tally, Use};
use crate::providers::aws::tagging;

/// Versions that the API keeps
/// (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicyVersion.html>).
const VERSIONS: usize = 5;

/// The kind `policy`.
pub struct Policy;

/// A managed policy, which roles, users and groups share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, 128 letters, digits and `+=,.@-_` at most; derived from the address if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_+=,.@-]+$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// What it allows and denies.
    pub document: PolicyDocument,
    /// What it is for; 1,000 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000), extend("x-change" = "replace"))]
    pub description: Option<String>,
    /// Path, `/` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub path: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Kind for Policy {
    const NAME: &'static str = "policy";
    const PROVIDED: &'static [&'static str] =
        &["arn:aws:iam::aws:policy/", "arn:aws-cn:iam::aws:policy/", "arn:aws-us-gov:iam::aws:policy/"];
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "managed policy",
            service: "iam",
            reference: "https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreatePolicy.html",
            scope: Scope::Global,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Its ARN"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("name", "Name"),
                    Attribute::stable("unique_id", "Id that is never given again, ANPA…"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "iam:GetAccountAuthorizationDetails",
                    "iam:GetAccountSummary",
                    "iam:GetPolicy",
                    "iam:GetPolicyVersion",
                    "iam:ListPolicies",
                    "iam:ListPolicyTags",
                    "tag:GetResources",
                ],
                create: &["iam:CreatePolicy", "iam:TagPolicy"],
                update: &[
                    "iam:ListPolicyVersions",
                    "iam:CreatePolicyVersion",
                    "iam:DeletePolicyVersion",
                    "iam:TagPolicy",
                    "iam:UntagPolicy",
                ],
                delete: &["iam:ListPolicyVersions", "iam:DeletePolicyVersion", "iam:DeletePolicy"],
            },
            name_limit: 128,
            creation_seconds: 2,
            deletion_seconds: 1,
            quota: 1500,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        check_path(spec.path.as_ref(), problems);
        if spec.document.value().get("Statement").is_none() {
            problems.add("document", "the policy has no `Statement`", "say what it allows");
        }
    }
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
static POLICIES: Quota = Quota::new("iam", "L-E95E4862", "Customer managed policies per account");

#[async_trait]
impl Checked for Policy {
    fn needs() -> Needs {
        Needs {
            resource: "policy{path}{name}",
            only_for: &[("iam:DeletePolicyVersion", &["document"]), ("iam:CreatePolicyVersion", &["document"])],
        }
    }

    fn uses(_: &View<'_>) -> Vec<Use> {
        vec![Use::one(&POLICIES)]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        summary(cx, &[(&POLICIES, SummaryKeyType::Policies, SummaryKeyType::PoliciesQuota)]).await
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        view.own_name().map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let mut holders = Vec::new();
        for (name, arn) in local(cx).await? {
            let name = Name::new(name);
            if names.contains(&name) {
                let owner = tags(cx, &arn).await?.as_ref().and_then(Owner::from_tags);
                holders.push(Holder { name, id: arn, owner });
            }
        }
        Ok(holders)
    }
}

#[async_trait]
impl AwsKind for Policy {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        if let Selection::Ids(ids) = read.selection {
            let mut out = Vec::new();
            for id in ids {
                out.extend(one(cx, read, id).await?);
            }
            return Ok(out);
        }
        let prefix = match &read.selection {
            Selection::Owned { project, environment } => ownership::name_prefix(project, environment),
            // Of others only the index knows.
            Selection::Tagged(_) | Selection::Ids(_) => String::new(),
        };
        let request =
            cx.clients.iam.get_account_authorization_details().filter(EntityType::LocalManagedPolicy).max_items(1000);
        let pages = cx.pages("iam:GetAccountAuthorizationDetails", request.into_paginator().send());
        let (pages, mut index) = futures::try_join!(pages, tagging::of_identities(cx, "iam:policy", &read.selection))?;
        let mut out = Vec::new();
        for policy in pages.iter().flat_map(|p| p.policies()) {
            let arn = policy.arn().unwrap_or_default();
            let known = index.remove(arn);
            let ours = !prefix.is_empty() && name_of(arn).starts_with(&prefix);
            let tags = match known {
                Some(tags) => Some(tags),
                None if ours => tags(cx, arn).await?.filter(|tags| read.selection.matches(arn, tags)),
                None => None,
            };
            if let Some(tags) = tags {
                out.push(found(policy, tags)?);
            }
        }
        Ok(out)
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let name = spec.name.as_deref().unwrap_or(want.name);
        let once = cx.once();
        let request = once
            .clients
            .iam
            .create_policy()
            .policy_name(name)
            .policy_document(spec.document.to_json())
            .set_description(spec.description.clone())
            .set_path(spec.path.clone())
            .set_tags(Some(to_tags(want.tags)?));
        let call = async {
            let answer = once.call("iam:CreatePolicy", request.send()).await?;
            Ok(answer.policy().and_then(|p| p.arn()).unwrap_or_default().to_owned())
        };
        create_once::<Self>(cx, want, Some(name), call).await
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        if !update.changed("document") {
            return Ok(());
        }
        let (iam, arn) = (&cx.clients.iam, update.id);
        let mut versions = versions(cx, arn).await?;
        versions.retain(|v| !v.is_default_version());
        versions.sort_by_key(|v| v.create_date().map(|d| (d.secs(), d.subsec_nanos())));
        if let Some(oldest) = versions.first().filter(|_| versions.len() + 1 >= VERSIONS) {
            delete_version(cx, arn, oldest).await?;
        }
        let request = iam.create_policy_version().policy_arn(arn).policy_document(update.want.spec.document.to_json());
        cx.call("iam:CreatePolicyVersion", request.set_as_default(true).send()).await.map(drop)
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        for version in versions(cx, delete.id).await?.iter().filter(|v| !v.is_default_version()) {
            delete_version(cx, delete.id, version).await?;
        }
        // Whom it was taken from just now may be seen with it for a while.
        let request = || cx.clients.iam.delete_policy().policy_arn(delete.id);
        delete_cleared(cx, delete.watch, delete.id, || cx.call("iam:DeletePolicy", request().send())).await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        let iam = &cx.clients.iam;
        if !set.is_empty() {
            let request = iam.tag_policy().policy_arn(&object.id).set_tags(Some(to_tags(set)?));
            cx.call("iam:TagPolicy", request.send()).await?;
        }
        if !remove.is_empty() {
            let request = iam.untag_policy().policy_arn(&object.id).set_tag_keys(Some(remove.to_vec()));
            cx.call("iam:UntagPolicy", request.send()).await?;
        }
        Ok(())
    }
}

/// Names and ARNs of all policies of the account itself.
async fn local(cx: &Context) -> Result<Vec<(String, String)>, ApiError> {
    let request = cx.clients.iam.list_policies().scope(PolicyScopeType::Local).max_items(1000);
    let pages = cx.pages("iam:ListPolicies", request.into_paginator().send()).await?;
    let all = pages.into_iter().flat_map(|p| p.policies.unwrap_or_default());
    Ok(all.filter_map(|p| Some((p.policy_name?, p.arn?))).collect())
}

/// One policy by its ARN or its name, by calls that do not lag behind its last change. None if it is not there.
async fn one(cx: &Context, read: &Read<'_>, id: &str) -> Result<Option<Found<Spec>>, ApiError> {
    let iam = &cx.clients.iam;
    let arn = if id.starts_with("arn:") {
        id.to_owned()
    } else {
        match local(cx).await?.into_iter().find(|(name, _)| name == id) {
            Some((_, arn)) => arn,
            None => return Ok(None),
        }
    };
    let policy = match cx.call("iam:GetPolicy", iam.get_policy().policy_arn(&arn).send()).await {
        Ok(answer) => answer.policy,
        Err(e) if e.class == ErrorClass::NotFound => None,
        Err(e) => return Err(e),
    };
    let Some(policy) = policy else { return Ok(None) };
    let tags = from_tags(policy.tags());
    let mut detail = ManagedPolicyDetail::builder()
        .set_policy_name(policy.policy_name().map(str::to_owned))
        .set_policy_id(policy.policy_id().map(str::to_owned))
        .set_path(policy.path().map(str::to_owned))
        .set_description(policy.description().map(str::to_owned))
        .arn(&arn);
    let version = policy.default_version_id().unwrap_or("v1");
    let request = iam.get_policy_version().policy_arn(&arn).version_id(version);
    match cx.call("iam:GetPolicyVersion", request.send()).await {
        Ok(answer) => detail = detail.set_policy_version_list(answer.policy_version.map(|v| vec![v])),
        // It went, or got another version, in between: for tags and existence that is no matter.
        Err(e) if e.class == ErrorClass::NotFound && read.is_brief() => {}
        Err(e) => return Err(e),
    }
    found(&detail.build(), tags).map(Some)
}

async fn versions(cx: &Context, arn: &str) -> Result<Vec<PolicyVersion>, ApiError> {
    let request = cx.clients.iam.list_policy_versions().policy_arn(arn).into_paginator().send();
    let pages = cx.pages("iam:ListPolicyVersions", request).await?;
    Ok(pages.into_iter().flat_map(|p| p.versions.unwrap_or_default()).collect())
}

async fn delete_version(cx: &Context, arn: &str, version: &PolicyVersion) -> Result<(), ApiError> {
    let id = version.version_id().unwrap_or_default();
    let request = cx.clients.iam.delete_policy_version().policy_arn(arn).version_id(id);
    match cx.call("iam:DeletePolicyVersion", request.send()).await {
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other.map(drop),
    }
}

/// Tags of a policy; none if it is gone.
async fn tags(cx: &Context, arn: &str) -> Result<Option<Tags>, ApiError> {
    let request = cx.clients.iam.list_policy_tags().policy_arn(arn).into_paginator().send();
    match cx.pages("iam:ListPolicyTags", request).await {
        Ok(pages) => Ok(Some(from_tags(&pages.into_iter().flat_map(|p| p.tags).collect::<Vec<_>>()))),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn found(policy: &ManagedPolicyDetail, tags: Tags) -> Result<Found<Spec>, ApiError> {
    let arn = policy.arn().unwrap_or_default().to_owned();
    let name = policy.policy_name().unwrap_or_else(|| name_of(&arn)).to_owned();
    let versions = policy.policy_version_list();
    let current = versions.iter().find(|v| v.is_default_version()).or(versions.first());
    Ok(Found {
        identifiers: vec![name.clone()],
        attributes: attributes([
            ("id", json!(arn)),
            ("arn", json!(arn)),
            ("name", json!(name)),
            ("unique_id", json!(policy.policy_id())),
        ]),
        spec: Spec {
            name: Some(name),
            document: document(current.and_then(|v| v.document()).unwrap_or("{}"))?,
            description: Some(policy.description().unwrap_or_default().to_owned()),
            path: policy.path().map(str::to_owned),
            tags: None,
        },
        status: Status::Ready,
        tags,
        unread: Vec::new(),
        id: arn,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::aws::script::Script;

    const ARN: &str = "arn:aws:iam::1:policy/of-its-own";

    fn result(operation: &str, members: &str) -> String {
        format!("<{operation}Response><{operation}Result>{members}</{operation}Result></{operation}Response>")
    }

    fn version(number: u32, default: bool) -> String {
        format!(
            "<member><VersionId>v{number}</VersionId><IsDefaultVersion>{default}</IsDefaultVersion>\
             <Document>%7B%22Statement%22%3A%5B%5D%7D</Document><CreateDate>2026-01-0{number}T00:00:00Z</CreateDate></member>"
        )
    }

    #[tokio::test]
    async fn a_policy_with_a_name_of_its_own_is_found_by_the_index_of_identities() {
        let policies = format!(
            "<Policies><member><PolicyName>of-its-own</PolicyName><Arn>{ARN}</Arn><Path>/</Path>\
             <PolicyVersionList>{}</PolicyVersionList></member><member><PolicyName>foreign</PolicyName>\
             <Arn>arn:aws:iam::1:policy/foreign</Arn></member></Policies>",
            version(1, true)
        );
        let tag = |(k, v): (&str, &str)| json!({"Key": k, "Value": v});
        let tags = [("saiken:project", "p"), ("saiken:environment", "e"), ("saiken:address", "s/it")].map(tag);
        let index = json!({"ResourceTagMappingList": [{"ResourceARN": ARN, "Tags": tags}]});
        let script = Script::default()
            .answer("GetAccountAuthorizationDetails", 200, &result("GetAccountAuthorizationDetails", &policies))
            .answer("GetResources", 200, &index.to_string());
        let found = script.read::<Policy>().await.unwrap();
        let ids: Vec<&str> = found.iter().map(|o| o.id.as_str()).collect();
        assert_eq!(ids, [ARN]);
        assert_eq!(found[0].spec["document"], json!({"Statement": []}));
        assert!(script.asked("GetResources")[0].contains("iam:policy"));
        assert_eq!(script.hosts("GetResources"), ["tagging.us-east-1.amazonaws.com"]);
    }

    #[tokio::test]
    async fn the_oldest_version_makes_room_for_the_sixth() {
        let versions = |numbers: &[u32]| {
            let all: String = numbers.iter().map(|n| version(*n, *n == 5)).collect();
            result("ListPolicyVersions", &format!("<Versions>{all}</Versions>"))
        };
        let policy = format!(
            "<Policy><PolicyName>of-its-own</PolicyName><Arn>{ARN}</Arn><DefaultVersionId>v5</DefaultVersionId></Policy>"
        );
        let script = |numbers: &[u32]| {
            Script::default()
                .answer("ListPolicyVersions", 200, &versions(numbers))
                .answer("DeletePolicyVersion", 200, "<DeletePolicyVersionResponse/>")
                .answer("CreatePolicyVersion", 200, &result("CreatePolicyVersion", ""))
                .answer("GetPolicy", 200, &result("GetPolicy", &policy))
                .answer(
                    "GetPolicyVersion",
                    200,
                    &result("GetPolicyVersion", &version(5, true).replace("member", "PolicyVersion")),
                )
        };
        let change = async |script: &Script| {
            let of = |action: &str| json!({"document": {"Statement": [{"Effect": "Allow", "Action": action}]}});
            script.update::<Policy>(ARN, of("a"), of("b")).await.unwrap();
        };
        let full = script(&[4, 2, 3, 1, 5]);
        change(&full).await;
        assert!(
            full.asked("DeletePolicyVersion")[0].contains("VersionId=v1"),
            "{:?}",
            full.asked("DeletePolicyVersion")
        );
        assert!(full.asked("CreatePolicyVersion")[0].contains("SetAsDefault=true"));
        let room = script(&[4, 3, 2, 5]);
        change(&room).await;
        assert!(room.asked("DeletePolicyVersion").is_empty());
    }
}
