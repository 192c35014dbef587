//! `role`: an identity for servers and services, with its policies and, if wanted, an instance profile of the same name.
//!
//! Belongs to the whole account. Its name is its id and derives from the address, unless one is given. Only `name` and `path`
//! make a new role necessary; a name of one's own stands in the way of a new role with another path: change both, or let
//! the replacement delete first.
//!
//! All roles with their policies, tags and profiles come in pages of 1,000 from one API; `description` and `max_session`
//! are not in them, and cost a call a role where they are declared. Single roles are read by calls of their own: the pages
//! follow a change with a delay. Inline and managed policies are managed whole where
//! they are declared: what somebody adds by hand is taken away again.
//!
//! An instance profile is made, filled, emptied and deleted by calls of their own. One that a run left empty belongs to no role's
//! list any more: it is found by the role's name in the page of all profiles, and counts as neither there nor gone, so that
//! the next run fills or deletes it. Deleting the role goes after it too.
//! API: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html>

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_iam::types::{EntityType, InstanceProfile, RoleDetail, SummaryKeyType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::statements::Of;
use super::{attached, check_path, delete_cleared, document, from_tags, inline, name_of, summary, to_tags};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::{self, Owner};
use crate::model::preflight::View;
use crate::model::types::{Duration, PolicyDocument};
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{
    AwsKind, Create, Delete, Found, Read, SEEN_WITHIN, Selection, Tags, Update, create_once,
};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs, Quota, Tally, Use};

/// The kind `role`.
pub struct Role;

/// An identity for servers and services.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, 64 letters, digits and `+=,.@-_` at most; derived from the address if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_+=,.@-]+$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// Who may take it on: a policy with `sts:AssumeRole`.
    pub trust: PolicyDocument,
    /// What it is for; 1,000 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000), extend("x-deep" = true))]
    pub description: Option<String>,
    /// Path, `/` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub path: Option<String>,
    /// Longest session, 1 to 12 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub max_session: Option<Duration>,
    /// ARN of the policy that bounds its permissions; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<String>,
    /// Policies of its own, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<BTreeMap<String, PolicyDocument>>,
    /// ARNs of managed policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub managed_policies: Option<Vec<String>>,
    /// Whether servers can run under it: an instance profile of the same name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub instance_profile: Option<bool>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Kind for Role {
    const NAME: &'static str = "role";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "role",
            service: "iam",
            reference: "https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateRole.html",
            scope: Scope::Global,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Its name"),
                    Attribute::stable("name", "Name"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("unique_id", "Id that is never given again, AROA…"),
                    Attribute::stable("instance_profile_name", "Name of the instance profile"),
                    Attribute::stable("instance_profile_arn", "ARN of the instance profile"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "iam:GetAccountAuthorizationDetails",
                    "iam:GetAccountSummary",
                    "iam:GetRole",
                    "iam:GetRolePolicy",
                    "iam:GetInstanceProfile",
                    "iam:ListAttachedRolePolicies",
                    "iam:ListInstanceProfiles",
                    "iam:ListInstanceProfilesForRole",
                    "iam:ListRolePolicies",
                    "iam:ListRoles",
                ],
                create: &[
                    "iam:CreateRole",
                    "iam:TagRole",
                    "iam:PutRolePolicy",
                    "iam:AttachRolePolicy",
                    "iam:CreateInstanceProfile",
                    "iam:TagInstanceProfile",
                    "iam:AddRoleToInstanceProfile",
                    "iam:GetInstanceProfile",
                ],
                update: &[
                    "iam:UpdateAssumeRolePolicy",
                    "iam:UpdateRole",
                    "iam:PutRolePermissionsBoundary",
                    "iam:DeleteRolePermissionsBoundary",
                    "iam:PutRolePolicy",
                    "iam:DeleteRolePolicy",
                    "iam:AttachRolePolicy",
                    "iam:DetachRolePolicy",
                    "iam:CreateInstanceProfile",
                    "iam:AddRoleToInstanceProfile",
                    "iam:RemoveRoleFromInstanceProfile",
                    "iam:GetInstanceProfile",
                    "iam:DeleteInstanceProfile",
                    "iam:TagRole",
                    "iam:UntagRole",
                ],
                delete: &[
                    "iam:ListRolePolicies",
                    "iam:ListAttachedRolePolicies",
                    "iam:ListInstanceProfilesForRole",
                    "iam:DeleteRolePolicy",
                    "iam:DetachRolePolicy",
                    "iam:RemoveRoleFromInstanceProfile",
                    "iam:GetInstanceProfile",
                    "iam:DeleteInstanceProfile",
                    "iam:DeleteRole",
                ],
            },
            name_limit: 64,
            creation_seconds: 8,
            deletion_seconds: 2,
            quota: 1000,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if let Some(session) = &spec.max_session
            && session.seconds() > 0
            && !(3600..=43_200).contains(&session.seconds())
        {
            problems.add("max_session", format!("`{session}` is not between 1 and 12 hours"), "write 1h to 12h");
        }
        check_path(spec.path.as_ref(), problems);
        if spec.trust.value().get("Statement").is_none() {
            problems.add("trust", "the policy has no `Statement`", "say who may take the role on");
        }
    }
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
static ROLES: Quota = Quota::new("iam", "L-FE177D64", "Roles per account");
/// As above.
static PROFILES: Quota = Quota::new("iam", "L-6E65F664", "Instance profiles per account");

#[async_trait]
impl Checked for Role {
    fn needs() -> Needs {
        Needs {
            resource: "role{path}{name}",
            only_for: &[
                ("iam:PutRolePolicy", &["policies"]),
                ("iam:DeleteRolePolicy", &["policies"]),
                ("iam:AttachRolePolicy", &["managed_policies"]),
                ("iam:DetachRolePolicy", &["managed_policies"]),
                ("iam:CreateInstanceProfile", &["instance_profile"]),
                ("iam:TagInstanceProfile", &["instance_profile"]),
                ("iam:AddRoleToInstanceProfile", &["instance_profile"]),
                ("iam:GetInstanceProfile", &["instance_profile"]),
                ("iam:RemoveRoleFromInstanceProfile", &["instance_profile"]),
                ("iam:DeleteInstanceProfile", &["instance_profile"]),
                ("iam:UpdateAssumeRolePolicy", &["trust"]),
                ("iam:UpdateRole", &["description", "max_session"]),
                ("iam:PutRolePermissionsBoundary", &["permissions_boundary"]),
                ("iam:DeleteRolePermissionsBoundary", &[]),
            ],
        }
    }

    fn uses(view: &View<'_>) -> Vec<Use> {
        let profile = view.asks("instance_profile").then(|| Use::one(&PROFILES));
        [Use::one(&ROLES)].into_iter().chain(profile).collect()
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        use SummaryKeyType::{InstanceProfiles, InstanceProfilesQuota, Roles as Count, RolesQuota};
        let quotas = [(&ROLES, Count, RolesQuota), (&PROFILES, InstanceProfiles, InstanceProfilesQuota)];
        summary(cx, &quotas).await
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        view.own_name().map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let iam = &cx.clients.iam;
        let pages = cx.pages("iam:ListRoles", iam.list_roles().max_items(1000).into_paginator().send()).await?;
        let mut holders = Vec::new();
        for role in pages.iter().flat_map(|p| p.roles()) {
            let name = Name::new(role.role_name());
            if names.contains(&name) {
                // The list shows no tags.
                let found = one(cx, &Read::brief(Selection::Ids(&[])), role.role_name()).await?;
                let owner = found.and_then(|f| Owner::from_tags(&f.tags));
                holders.push(Holder { name, id: role.role_name().to_owned(), owner });
            }
        }
        Ok(holders)
    }
}

#[async_trait]
impl AwsKind for Role {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        if let Selection::Ids(names) = read.selection {
            let mut out = Vec::new();
            for name in names {
                // An ARN ends in the name.
                out.extend(one(cx, read, name_of(name)).await?);
            }
            return Ok(out);
        }
        let request = cx.clients.iam.get_account_authorization_details().filter(EntityType::Role).max_items(1000);
        let pages = cx.pages("iam:GetAccountAuthorizationDetails", request.into_paginator().send()).await?;
        let mut out = Vec::new();
        for role in pages.iter().flat_map(|p| p.role_detail_list()) {
            let tags = from_tags(role.tags());
            if read.selection.matches(role.role_name().unwrap_or_default(), &tags) {
                out.push(found(cx, read, role, tags).await?);
            }
        }
        mark_left_profiles(cx, &mut out).await?;
        Ok(out)
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let name = spec.name.as_deref().unwrap_or(want.name);
        let once = cx.once();
        let request = once
            .clients
            .iam
            .create_role()
            .role_name(name)
            .assume_role_policy_document(spec.trust.to_json())
            .set_description(spec.description.clone())
            .set_path(spec.path.clone())
            .set_max_session_duration(session(spec))
            .set_permissions_boundary(spec.permissions_boundary.clone().filter(|b| !b.is_empty()))
            .set_tags(Some(to_tags(want.tags)?));
        let call = async {
            once.call("iam:CreateRole", request.send()).await?;
            Ok(name.to_owned())
        };
        create_once::<Self>(cx, want, Some(name), call).await?;
        Of::Role(name).settle(cx, (&spec.policies, &spec.managed_policies), (&None, &None)).await?;
        if spec.instance_profile == Some(true) {
            add_profile(cx, name, spec, want.tags).await?;
            let what = format!("the instance profile {name} to be seen with its role");
            cx.wait(want.watch, &what, SEEN_WITHIN, || async {
                Ok(match profile(cx, name).await? {
                    Some(profile) => Look::when(holds(&profile, name), Some("without its role")),
                    None => Look::not(None),
                })
            })
            .await?;
        }
        Ok(name.to_owned())
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let (iam, spec, name) = (&cx.clients.iam, update.want.spec, update.id);
        if update.changed("trust") {
            let request = iam.update_assume_role_policy().role_name(name).policy_document(spec.trust.to_json());
            cx.call("iam:UpdateAssumeRolePolicy", request.send()).await?;
        }
        if update.changed("description") || update.changed("max_session") {
            let description = spec.description.clone().or_else(|| update.before.description.clone());
            let request = iam
                .update_role()
                .role_name(name)
                .set_description(description)
                .set_max_session_duration(session(spec).or_else(|| session(update.before)));
            cx.call("iam:UpdateRole", request.send()).await?;
        }
        if let Some(boundary) = spec.permissions_boundary.as_ref().filter(|_| update.changed("permissions_boundary")) {
            if boundary.is_empty() {
                let request = iam.delete_role_permissions_boundary().role_name(name);
                cx.call("iam:DeleteRolePermissionsBoundary", request.send()).await?;
            } else {
                let request = iam.put_role_permissions_boundary().role_name(name).permissions_boundary(boundary);
                cx.call("iam:PutRolePermissionsBoundary", request.send()).await?;
            }
        }
        if update.changed("policies") || update.changed("managed_policies") {
            let before = (&update.before.policies, &update.before.managed_policies);
            Of::Role(name).settle(cx, (&spec.policies, &spec.managed_policies), before).await?;
        }
        if update.changed("instance_profile") {
            match spec.instance_profile {
                Some(true) => add_profile(cx, name, spec, update.want.tags).await?,
                Some(false) => remove_profiles(cx, name).await?,
                None => {}
            }
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let (iam, name) = (&cx.clients.iam, delete.id);
        remove_profiles(cx, name).await?;
        Of::Role(name).clear(cx).await?;
        delete_cleared(cx, delete.watch, name, || cx.call("iam:DeleteRole", iam.delete_role().role_name(name).send()))
            .await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        let iam = &cx.clients.iam;
        if !set.is_empty() {
            let request = iam.tag_role().role_name(&object.id).set_tags(Some(to_tags(set)?));
            cx.call("iam:TagRole", request.send()).await?;
        }
        if !remove.is_empty() {
            let request = iam.untag_role().role_name(&object.id).set_tag_keys(Some(remove.to_vec()));
            cx.call("iam:UntagRole", request.send()).await?;
        }
        Ok(())
    }
}

fn session(spec: &Spec) -> Option<i32> {
    spec.max_session.as_ref().and_then(|d| i32::try_from(d.seconds()).ok())
}

/// One role, by calls that do not lag behind its last change as the page of all roles does. None if it is not there.
async fn one(cx: &Context, read: &Read<'_>, name: &str) -> Result<Option<Found<Spec>>, ApiError> {
    let iam = &cx.clients.iam;
    let role = match cx.call("iam:GetRole", iam.get_role().role_name(name).send()).await {
        Ok(answer) => answer.role,
        Err(e) if e.class == ErrorClass::NotFound => None,
        Err(e) => return Err(e),
    };
    let Some(role) = role else { return Ok(None) };
    let tags = from_tags(role.tags());
    let mut detail = RoleDetail::builder()
        .role_name(role.role_name())
        .role_id(role.role_id())
        .arn(role.arn())
        .path(role.path())
        .set_assume_role_policy_document(role.assume_role_policy_document().map(str::to_owned))
        .set_permissions_boundary(role.permissions_boundary().cloned());
    if !read.is_brief() {
        detail = detail.set_role_policy_list(Some(Of::Role(name).details(cx).await?));
        let managed = Of::Role(name).attached(cx).await?;
        let request = iam.list_instance_profiles_for_role().role_name(name).into_paginator().send();
        let profiles = cx.pages("iam:ListInstanceProfilesForRole", request).await?;
        let profiles: Vec<_> = profiles.into_iter().flat_map(|p| p.instance_profiles).collect();
        detail = detail.set_attached_managed_policies(Some(managed)).set_instance_profile_list(Some(profiles));
    }
    let mut found = found(cx, read, &detail.build(), tags).await?;
    if read.is_brief() {
        found.unread.extend(["policies", "managed_policies", "instance_profile"]);
    } else if found.spec.instance_profile == Some(false) && left_profile(cx, name).await? {
        found.spec.instance_profile = None;
    }
    Ok(Some(found))
}

async fn found(cx: &Context, read: &Read<'_>, role: &RoleDetail, tags: Tags) -> Result<Found<Spec>, ApiError> {
    let name = role.role_name().unwrap_or_default().to_owned();
    let mut unread = Vec::new();
    let (mut description, mut max_session) = (None, None);
    if read.wants("description", &tags) || read.wants("max_session", &tags) {
        let answer = cx.call("iam:GetRole", cx.clients.iam.get_role().role_name(&name).send()).await?;
        if let Some(role) = answer.role() {
            description = Some(role.description().unwrap_or_default().to_owned());
            let seconds = role.max_session_duration().and_then(|s| u64::try_from(s).ok()).unwrap_or(3600);
            max_session = Some(Duration::from_seconds(seconds));
        }
    } else {
        unread.extend(["description", "max_session"]);
    }
    let profile = role.instance_profile_list().iter().find(|p| p.instance_profile_name() == name);
    let arn = role.arn().unwrap_or_default().to_owned();
    let mut identifiers = vec![arn.clone()];
    identifiers.extend(profile.map(|p| p.arn().to_owned()));
    Ok(Found {
        identifiers,
        attributes: attributes([
            ("id", json!(name)),
            ("name", json!(name)),
            ("arn", json!(arn)),
            ("unique_id", json!(role.role_id())),
            ("instance_profile_name", json!(profile.map(|p| p.instance_profile_name()))),
            ("instance_profile_arn", json!(profile.map(|p| p.arn()))),
        ]),
        spec: Spec {
            name: Some(name.clone()),
            trust: document(role.assume_role_policy_document().unwrap_or_default())?,
            description,
            path: role.path().map(str::to_owned),
            max_session,
            permissions_boundary: Some(
                role.permissions_boundary().and_then(|b| b.permissions_boundary_arn()).unwrap_or_default().to_owned(),
            ),
            policies: Some(inline(role.role_policy_list())?),
            managed_policies: Some(attached(role.attached_managed_policies())),
            instance_profile: Some(profile.is_some()),
            tags: None,
        },
        status: Status::Ready,
        tags,
        unread,
        id: name,
    })
}

/// Makes the instance profile, or finishes one that a run left without its role.
async fn add_profile(cx: &Context, name: &str, spec: &Spec, tags: &Tags) -> Result<(), ApiError> {
    let iam = &cx.clients.iam;
    let request = iam
        .create_instance_profile()
        .instance_profile_name(name)
        .set_path(spec.path.clone())
        .set_tags(Some(to_tags(tags)?));
    match cx.call("iam:CreateInstanceProfile", request.send()).await {
        Err(e) if e.class == ErrorClass::Conflict => {}
        other => {
            other?;
        }
    }
    let request = iam.add_role_to_instance_profile().instance_profile_name(name).role_name(name);
    match cx.call("iam:AddRoleToInstanceProfile", request.send()).await {
        // A profile holds one role: it is there already, or another one is.
        Err(e) if e.code.as_deref().is_some_and(|c| c.starts_with("LimitExceeded")) => {
            if profile(cx, name).await?.is_some_and(|profile| holds(&profile, name)) {
                return Ok(());
            }
            let message = format!("the instance profile '{name}' is there already, and holds another role");
            Err(ApiError::new("iam:AddRoleToInstanceProfile", ErrorClass::Conflict, message))
        }
        other => other.map(|_| ()),
    }
}

/// The instance profile of a role's name; none if it is not there.
async fn profile(cx: &Context, name: &str) -> Result<Option<InstanceProfile>, ApiError> {
    let request = cx.clients.iam.get_instance_profile().instance_profile_name(name);
    match cx.call("iam:GetInstanceProfile", request.send()).await {
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        other => Ok(other?.instance_profile),
    }
}

/// Whether a profile holds a role, by its name.
fn holds(profile: &InstanceProfile, role: &str) -> bool {
    profile.roles().iter().any(|r| r.role_name() == role)
}

/// Looks for profiles that a run left without their role. Such a role's `instance_profile` is neither true nor false, and so
/// differs from both.
async fn mark_left_profiles(cx: &Context, roles: &mut [Found<Spec>]) -> Result<(), ApiError> {
    if !roles.iter().any(|r| r.spec.instance_profile == Some(false)) {
        return Ok(());
    }
    let request = cx.clients.iam.list_instance_profiles().max_items(1000).into_paginator();
    let pages = cx.pages("iam:ListInstanceProfiles", request.send()).await?;
    let empty = pages.iter().flat_map(|p| p.instance_profiles()).filter(|p| p.roles().is_empty());
    let empty: BTreeSet<&str> = empty.map(|p| p.instance_profile_name()).collect();
    for role in roles.iter_mut().filter(|r| empty.contains(r.id.as_str())) {
        if left_profile(cx, &role.id).await? {
            role.spec.instance_profile = None;
        }
    }
    Ok(())
}

/// Whether there is a profile of this name that has no role and carries our tags.
async fn left_profile(cx: &Context, name: &str) -> Result<bool, ApiError> {
    Ok(profile(cx, name).await?.is_some_and(|profile| {
        profile.roles().is_empty() && profile.tags().iter().any(|t| t.key() == ownership::ADDRESS)
    }))
}

async fn remove_profiles(cx: &Context, name: &str) -> Result<(), ApiError> {
    let iam = &cx.clients.iam;
    let mut left = true;
    let request = iam.list_instance_profiles_for_role().role_name(name).into_paginator();
    let pages = cx.pages("iam:ListInstanceProfilesForRole", request.send()).await?;
    for profile in pages.iter().flat_map(|p| p.instance_profiles()) {
        let profile = profile.instance_profile_name();
        let request = iam.remove_role_from_instance_profile().instance_profile_name(profile).role_name(name);
        cx.call("iam:RemoveRoleFromInstanceProfile", request.send()).await?;
        // One of another name is somebody else's.
        if profile == name {
            delete_profile(cx, name).await?;
            left = false;
        }
    }
    if left && left_profile(cx, name).await? {
        delete_profile(cx, name).await?;
    }
    Ok(())
}

async fn delete_profile(cx: &Context, name: &str) -> Result<(), ApiError> {
    let request = cx.clients.iam.delete_instance_profile().instance_profile_name(name);
    match cx.call("iam:DeleteInstanceProfile", request.send()).await {
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other.map(|_| ()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::aws::kind::Selection;
    use crate::providers::aws::script::Script;

    fn answer(script: Script, operation: &str, members: &str) -> Script {
        let result = format!("<{operation}Result>{members}</{operation}Result>");
        script.answer(operation, 200, &format!("<{operation}Response>{result}</{operation}Response>"))
    }

    fn role(name: &str) -> String {
        format!(
            "<Path>/</Path><RoleName>{name}</RoleName><RoleId>AROA1</RoleId><Arn>arn:aws:iam::1:role/{name}</Arn>\
             <CreateDate>2026-01-01T00:00:00Z</CreateDate>\
             <AssumeRolePolicyDocument>%7B%22Statement%22%3A%5B%5D%7D</AssumeRolePolicyDocument>"
        )
    }

    /// The role `p-e-s-it`, and an instance profile of its name that holds another one.
    fn profile_of(held: &str) -> Script {
        let profile = format!(
            "<Path>/</Path><InstanceProfileName>p-e-s-it</InstanceProfileName><InstanceProfileId>AIPA1</InstanceProfileId>\
             <Arn>arn:aws:iam::1:instance-profile/p-e-s-it</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>\
             <Roles><member>{}</member></Roles>",
            role(held)
        );
        let script = Script::default()
            .error("CreateInstanceProfile", "EntityAlreadyExists")
            .error("AddRoleToInstanceProfile", "LimitExceeded");
        [
            ("CreateRole", format!("<Role>{}</Role>", role("p-e-s-it"))),
            ("GetRole", format!("<Role>{}</Role>", role("p-e-s-it"))),
            ("GetInstanceProfile", format!("<InstanceProfile>{profile}</InstanceProfile>")),
            ("ListInstanceProfilesForRole", format!("<InstanceProfiles><member>{profile}</member></InstanceProfiles>")),
            ("ListRolePolicies", "<PolicyNames/>".to_owned()),
            ("ListAttachedRolePolicies", "<AttachedPolicies/>".to_owned()),
        ]
        .into_iter()
        .fold(script, |script, (operation, members)| answer(script, operation, &members))
    }

    #[tokio::test]
    async fn an_instance_profile_that_holds_another_role_is_somebody_elses() {
        let wanted = || json!({"trust": {"Statement": []}, "instance_profile": true});
        profile_of("p-e-s-it").create::<Role>(wanted()).await.unwrap();
        let refused = profile_of("theirs").create::<Role>(wanted()).await.unwrap_err();
        assert!(refused.class == ErrorClass::Conflict && refused.message.contains("p-e-s-it"), "{refused}");
    }

    #[test]
    fn policies_are_decoded_from_the_api_form() {
        let encoded =
            "%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow%22%7D%5D%7D";
        assert_eq!(document(encoded).unwrap().value()["Statement"][0]["Effect"], "Allow");
        assert!(document("x").is_err());
    }

    #[test]
    fn names_select_by_id() {
        let ids = ["a".to_owned()];
        assert!(Selection::Ids(&ids).matches("a", &Tags::new()) && !Selection::Ids(&ids).matches("b", &Tags::new()));
    }
}
