//! `user`: an identity of a person, such as an administrator.
//!
//! Belongs to the whole account; its name is its id. Only `name` makes a new user necessary, and a new user has neither password nor
//! second factor: an interruption. Passwords, access keys and second factors are not managed: whoever holds them makes them,
//! so that no file and no record has them. Deleting a user takes them away, since the API refuses otherwise.
//!
//! All users with their policies, groups and tags come in pages of 1,000 from one API; single ones are read by calls of their
//! own, which do not lag behind the last change. Groups and policies are managed whole where they are declared.
//! API: <https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_iam::types::{EntityType, SummaryKeyType, UserDetail};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::group::Group;
use super::statements::Of;
use super::{attached, check_path, delete_cleared, from_tags, inline, name_of, summary, to_tags};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::Owner;
use crate::model::preflight::View;
use crate::model::types::{PolicyDocument, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs, Quota, Tally, Use};

/// The kind `user`.
pub struct User;

/// An identity of a person, such as an administrator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, 64 letters, digits and `+=,.@-_` at most; derived from the address if left out. Another name is another user,
    /// without password and second factor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_+=,.@-]+$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// Path, `/` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// ARN of the policy that bounds its permissions; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions_boundary: Option<String>,
    /// The groups that it belongs to, 10 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10), extend("x-unordered" = true))]
    pub groups: Option<Vec<Ref<Group>>>,
    /// Policies of its own, by name. Rather give them to its groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<BTreeMap<String, PolicyDocument>>,
    /// ARNs of managed policies, 10 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub managed_policies: Option<Vec<String>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Kind for User {
    const NAME: &'static str = "user";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "user",
            service: "iam",
            reference: "https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html",
            scope: Scope::Global,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Its name"),
                    Attribute::stable("name", "Name"),
                    Attribute::stable("arn", "ARN; it changes with the path"),
                    Attribute::stable("unique_id", "Id that is never given again, AIDA…"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "iam:GetAccountAuthorizationDetails",
                    "iam:GetAccountSummary",
                    "iam:GetUser",
                    "iam:GetUserPolicy",
                    "iam:ListAttachedUserPolicies",
                    "iam:ListGroupsForUser",
                    "iam:ListUserPolicies",
                    "iam:ListUsers",
                ],
                create: &[
                    "iam:CreateUser",
                    "iam:TagUser",
                    "iam:AddUserToGroup",
                    "iam:PutUserPolicy",
                    "iam:AttachUserPolicy",
                ],
                update: &[
                    "iam:UpdateUser",
                    "iam:PutUserPermissionsBoundary",
                    "iam:DeleteUserPermissionsBoundary",
                    "iam:AddUserToGroup",
                    "iam:RemoveUserFromGroup",
                    "iam:PutUserPolicy",
                    "iam:DeleteUserPolicy",
                    "iam:AttachUserPolicy",
                    "iam:DetachUserPolicy",
                    "iam:TagUser",
                    "iam:UntagUser",
                ],
                delete: &[
                    "iam:ListGroupsForUser",
                    "iam:RemoveUserFromGroup",
                    "iam:ListUserPolicies",
                    "iam:ListAttachedUserPolicies",
                    "iam:DeleteUserPolicy",
                    "iam:DetachUserPolicy",
                    "iam:DeleteLoginProfile",
                    "iam:ListAccessKeys",
                    "iam:DeleteAccessKey",
                    "iam:ListMFADevices",
                    "iam:DeactivateMFADevice",
                    "iam:DeleteVirtualMFADevice",
                    "iam:ListSSHPublicKeys",
                    "iam:DeleteSSHPublicKey",
                    "iam:ListSigningCertificates",
                    "iam:DeleteSigningCertificate",
                    "iam:ListServiceSpecificCredentials",
                    "iam:DeleteServiceSpecificCredential",
                    "iam:DeleteUser",
                ],
            },
            name_limit: 64,
            creation_seconds: 2,
            deletion_seconds: 3,
            quota: 5000,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        check_path(spec.path.as_ref(), problems);
    }
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html>
static USERS: Quota = Quota::new("iam", "L-F55AF5E4", "Users per account");

#[async_trait]
impl Checked for User {
    fn needs() -> Needs {
        Needs {
            resource: "user{path}{name}",
            only_for: &[
                ("iam:AddUserToGroup", &["groups"]),
                ("iam:RemoveUserFromGroup", &["groups"]),
                ("iam:PutUserPolicy", &["policies"]),
                ("iam:DeleteUserPolicy", &["policies"]),
                ("iam:AttachUserPolicy", &["managed_policies"]),
                ("iam:DetachUserPolicy", &["managed_policies"]),
                ("iam:UpdateUser", &["path"]),
                ("iam:PutUserPermissionsBoundary", &["permissions_boundary"]),
                ("iam:DeleteUserPermissionsBoundary", &[]),
                ("iam:DeleteAccessKey", &[]),
                ("iam:DeactivateMFADevice", &[]),
                ("iam:DeleteVirtualMFADevice", &[]),
                ("iam:DeleteSSHPublicKey", &[]),
                ("iam:DeleteSigningCertificate", &[]),
                ("iam:DeleteServiceSpecificCredential", &[]),
            ],
        }
    }

    fn uses(_: &View<'_>) -> Vec<Use> {
        vec![Use::one(&USERS)]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        summary(cx, &[(&USERS, SummaryKeyType::Users, SummaryKeyType::UsersQuota)]).await
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        view.own_name().map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let request = cx.clients.iam.list_users().max_items(1000).into_paginator().send();
        let mut holders = Vec::new();
        for user in cx.pages("iam:ListUsers", request).await?.iter().flat_map(|p| p.users()) {
            let name = Name::new(user.user_name());
            if names.contains(&name) {
                // The list shows no tags.
                let found = one(cx, &Read::brief(Selection::Ids(&[])), user.user_name()).await?;
                let owner = found.and_then(|f| Owner::from_tags(&f.tags));
                holders.push(Holder { name, id: user.user_name().to_owned(), owner });
            }
        }
        Ok(holders)
    }
}

#[async_trait]
impl AwsKind for User {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        if let Selection::Ids(names) = read.selection {
            let mut out = Vec::new();
            for name in names {
                out.extend(one(cx, read, name_of(name)).await?);
            }
            return Ok(out);
        }
        let request = cx.clients.iam.get_account_authorization_details().filter(EntityType::User).max_items(1000);
        let pages = cx.pages("iam:GetAccountAuthorizationDetails", request.into_paginator().send()).await?;
        let users = pages.iter().flat_map(|p| p.user_detail_list()).map(|user| (user, from_tags(user.tags())));
        let selected = users.filter(|(user, tags)| read.selection.matches(user.user_name().unwrap_or_default(), tags));
        selected.map(|(user, tags)| found(user, tags)).collect()
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let name = spec.name.as_deref().unwrap_or(want.name);
        let once = cx.once();
        let request = once
            .clients
            .iam
            .create_user()
            .user_name(name)
            .set_path(spec.path.clone())
            .set_permissions_boundary(spec.permissions_boundary.clone().filter(|b| !b.is_empty()))
            .set_tags(Some(to_tags(want.tags)?));
        let call = async {
            once.call("iam:CreateUser", request.send()).await?;
            Ok(name.to_owned())
        };
        create_once::<Self>(cx, want, Some(name), call).await?;
        Of::User(name).settle(cx, (&spec.policies, &spec.managed_policies), (&None, &None)).await?;
        settle_groups(cx, name, want, &[]).await?;
        Ok(name.to_owned())
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let (iam, spec, name) = (&cx.clients.iam, update.want.spec, update.id);
        if let Some(path) = spec.path.as_ref().filter(|_| update.changed("path")) {
            cx.call("iam:UpdateUser", iam.update_user().user_name(name).new_path(path).send()).await?;
        }
        if let Some(boundary) = spec.permissions_boundary.as_ref().filter(|_| update.changed("permissions_boundary")) {
            if boundary.is_empty() {
                let request = iam.delete_user_permissions_boundary().user_name(name);
                cx.call("iam:DeleteUserPermissionsBoundary", request.send()).await?;
            } else {
                let request = iam.put_user_permissions_boundary().user_name(name).permissions_boundary(boundary);
                cx.call("iam:PutUserPermissionsBoundary", request.send()).await?;
            }
        }
        let before = (&update.before.policies, &update.before.managed_policies);
        Of::User(name).settle(cx, (&spec.policies, &spec.managed_policies), before).await?;
        if update.changed("groups") {
            let before = groups(cx, name).await?;
            settle_groups(cx, name, &update.want, &before).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let (iam, name) = (&cx.clients.iam, delete.id);
        // What it can sign in with goes first: it must not outlive what bounds it.
        credentials(cx, name).await?;
        second_factors(cx, name).await?;
        for group in groups(cx, name).await? {
            leave(cx, name, &group).await?;
        }
        Of::User(name).clear(cx).await?;
        delete_cleared(cx, delete.watch, name, || cx.call("iam:DeleteUser", iam.delete_user().user_name(name).send()))
            .await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        let iam = &cx.clients.iam;
        if !set.is_empty() {
            let request = iam.tag_user().user_name(&object.id).set_tags(Some(to_tags(set)?));
            cx.call("iam:TagUser", request.send()).await?;
        }
        if !remove.is_empty() {
            let request = iam.untag_user().user_name(&object.id).set_tag_keys(Some(remove.to_vec()));
            cx.call("iam:UntagUser", request.send()).await?;
        }
        Ok(())
    }
}

async fn groups(cx: &Context, name: &str) -> Result<Vec<String>, ApiError> {
    let request = cx.clients.iam.list_groups_for_user().user_name(name).into_paginator().send();
    let pages = cx.pages("iam:ListGroupsForUser", request).await?;
    Ok(pages.iter().flat_map(|p| p.groups()).map(|g| g.group_name().to_owned()).collect())
}

/// Joins what is wanted, then leaves what is too much.
async fn settle_groups(cx: &Context, name: &str, want: &Create<'_, Spec>, before: &[String]) -> Result<(), ApiError> {
    let Some(wanted) = &want.spec.groups else { return Ok(()) };
    let wanted = want.ids(wanted)?;
    for group in wanted.iter().filter(|g| !before.contains(g)) {
        let request = cx.clients.iam.add_user_to_group().group_name(group).user_name(name);
        cx.call("iam:AddUserToGroup", request.send()).await?;
    }
    for group in before.iter().filter(|g| !wanted.contains(g)) {
        leave(cx, name, group).await?;
    }
    Ok(())
}

async fn leave(cx: &Context, name: &str, group: &str) -> Result<(), ApiError> {
    let request = cx.clients.iam.remove_user_from_group().group_name(group).user_name(name);
    unless_gone(cx.call("iam:RemoveUserFromGroup", request.send()).await)
}

/// Takes away what a user can sign in and sign with.
async fn credentials(cx: &Context, name: &str) -> Result<(), ApiError> {
    let iam = &cx.clients.iam;
    let request = iam.delete_login_profile().user_name(name);
    unless_gone(cx.call("iam:DeleteLoginProfile", request.send()).await)?;
    let keys = cx.pages("iam:ListAccessKeys", iam.list_access_keys().user_name(name).into_paginator().send()).await?;
    for key in keys.iter().flat_map(|p| p.access_key_metadata()).filter_map(|k| k.access_key_id()) {
        let request = iam.delete_access_key().user_name(name).access_key_id(key);
        unless_gone(cx.call("iam:DeleteAccessKey", request.send()).await)?;
    }
    let request = iam.list_ssh_public_keys().user_name(name).into_paginator().send();
    for key in cx.pages("iam:ListSSHPublicKeys", request).await?.iter().flat_map(|p| p.ssh_public_keys()) {
        let request = iam.delete_ssh_public_key().user_name(name).ssh_public_key_id(key.ssh_public_key_id());
        unless_gone(cx.call("iam:DeleteSSHPublicKey", request.send()).await)?;
    }
    let request = iam.list_signing_certificates().user_name(name).into_paginator().send();
    for certificate in cx.pages("iam:ListSigningCertificates", request).await?.iter().flat_map(|p| p.certificates()) {
        let request = iam.delete_signing_certificate().user_name(name).certificate_id(certificate.certificate_id());
        unless_gone(cx.call("iam:DeleteSigningCertificate", request.send()).await)?;
    }
    let request = iam.list_service_specific_credentials().user_name(name);
    let answer = cx.call("iam:ListServiceSpecificCredentials", request.send()).await?;
    for credential in answer.service_specific_credentials() {
        let id = credential.service_specific_credential_id();
        let request = iam.delete_service_specific_credential().user_name(name).service_specific_credential_id(id);
        unless_gone(cx.call("iam:DeleteServiceSpecificCredential", request.send()).await)?;
    }
    Ok(())
}

async fn second_factors(cx: &Context, name: &str) -> Result<(), ApiError> {
    let iam = &cx.clients.iam;
    let devices =
        cx.pages("iam:ListMFADevices", iam.list_mfa_devices().user_name(name).into_paginator().send()).await?;
    for device in devices.iter().flat_map(|p| p.mfa_devices()) {
        let serial = device.serial_number();
        let request = iam.deactivate_mfa_device().user_name(name).serial_number(serial);
        unless_gone(cx.call("iam:DeactivateMFADevice", request.send()).await)?;
        // Hardware has a serial number, software an ARN, and only that is kept by the API.
        if serial.contains(":mfa/") {
            let request = iam.delete_virtual_mfa_device().serial_number(serial);
            unless_gone(cx.call("iam:DeleteVirtualMFADevice", request.send()).await)?;
        }
    }
    Ok(())
}

fn unless_gone<T>(answer: Result<T, ApiError>) -> Result<(), ApiError> {
    match answer {
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other.map(drop),
    }
}

/// One user, by calls that do not lag behind its last change. None if it is not there.
async fn one(cx: &Context, read: &Read<'_>, name: &str) -> Result<Option<Found<Spec>>, ApiError> {
    let user = match cx.call("iam:GetUser", cx.clients.iam.get_user().user_name(name).send()).await {
        Ok(answer) => answer.user,
        Err(e) if e.class == ErrorClass::NotFound => None,
        Err(e) => return Err(e),
    };
    let Some(user) = user else { return Ok(None) };
    let tags = from_tags(user.tags());
    let mut detail = UserDetail::builder()
        .user_name(user.user_name())
        .user_id(user.user_id())
        .arn(user.arn())
        .path(user.path())
        .set_permissions_boundary(user.permissions_boundary().cloned());
    if !read.is_brief() {
        let of = Of::User(name);
        let (policies, managed, groups) = futures::try_join!(of.details(cx), of.attached(cx), groups(cx, name))?;
        detail = detail
            .set_user_policy_list(Some(policies))
            .set_attached_managed_policies(Some(managed))
            .set_group_list(Some(groups));
    }
    let mut found = found(&detail.build(), tags)?;
    if read.is_brief() {
        found.unread.extend(["policies", "managed_policies", "groups"]);
    }
    Ok(Some(found))
}

fn found(user: &UserDetail, tags: Tags) -> Result<Found<Spec>, ApiError> {
    let name = user.user_name().unwrap_or_default().to_owned();
    let arn = user.arn().unwrap_or_default().to_owned();
    let boundary = user.permissions_boundary().and_then(|b| b.permissions_boundary_arn()).unwrap_or_default();
    Ok(Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([
            ("id", json!(name)),
            ("name", json!(name)),
            ("arn", json!(arn)),
            ("unique_id", json!(user.user_id())),
        ]),
        spec: Spec {
            name: Some(name.clone()),
            path: user.path().map(str::to_owned),
            permissions_boundary: Some(boundary.to_owned()),
            groups: Some(user.group_list().iter().map(Ref::id).collect()),
            policies: Some(inline(user.user_policy_list())?),
            managed_policies: Some(attached(user.attached_managed_policies())),
            tags: None,
        },
        status: Status::Ready,
        tags,
        unread: Vec::new(),
        id: name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::aws::script::Script;

    fn result(operation: &str, members: &str) -> String {
        format!("<{operation}Response><{operation}Result>{members}</{operation}Result></{operation}Response>")
    }

    #[tokio::test]
    async fn a_user_that_goes_can_no_longer_sign_in_before_anything_else_is_taken_from_it_and_that_is_waited_for() {
        let user = "<User><UserName>it</UserName><UserId>AIDA</UserId><Arn>arn:aws:iam::1:user/it</Arn><Path>/</Path>\
                    <CreateDate>2026-01-01T00:00:00Z</CreateDate></User>";
        let mut script = Script::default().answer("GetUser", 200, &result("GetUser", user));
        for (operation, members) in [
            (
                "ListAccessKeys",
                "<AccessKeyMetadata><member><AccessKeyId>AKIA1</AccessKeyId></member></AccessKeyMetadata>",
            ),
            (
                "ListSSHPublicKeys",
                "<SSHPublicKeys><member><UserName>it</UserName><SSHPublicKeyId>APKA1</SSHPublicKeyId>\
                 <Status>Active</Status><UploadDate>2026-01-01T00:00:00Z</UploadDate></member></SSHPublicKeys>",
            ),
            (
                "ListSigningCertificates",
                "<Certificates><member><UserName>it</UserName><CertificateId>C1</CertificateId>\
                 <CertificateBody>x</CertificateBody><Status>Active</Status></member></Certificates>",
            ),
            (
                "ListServiceSpecificCredentials",
                "<ServiceSpecificCredentials><member><UserName>it</UserName><Status>Active</Status>\
                 <ServiceSpecificCredentialId>ACCA1</ServiceSpecificCredentialId><ServiceName>s</ServiceName>\
                 <CreateDate>2026-01-01T00:00:00Z</CreateDate></member></ServiceSpecificCredentials>",
            ),
            (
                "ListMFADevices",
                "<MFADevices><member><UserName>it</UserName><SerialNumber>arn:aws:iam::1:mfa/it</SerialNumber>\
                 <EnableDate>2026-01-01T00:00:00Z</EnableDate></member><member><UserName>it</UserName>\
                 <SerialNumber>GAHT12345678</SerialNumber><EnableDate>2026-01-01T00:00:00Z</EnableDate></member>\
                 </MFADevices>",
            ),
            (
                "ListGroupsForUser",
                "<Groups><member><Path>/</Path><GroupName>team</GroupName><GroupId>G</GroupId><Arn>a</Arn>\
                 <CreateDate>2026-01-01T00:00:00Z</CreateDate></member></Groups>",
            ),
            ("ListAttachedUserPolicies", "<AttachedPolicies/>"),
            ("ListUserPolicies", "<PolicyNames/>"),
        ] {
            script = script.answer(operation, 200, &result(operation, members));
        }
        for operation in [
            "DeleteAccessKey",
            "DeleteSSHPublicKey",
            "DeleteSigningCertificate",
            "DeleteServiceSpecificCredential",
            "DeactivateMFADevice",
            "DeleteVirtualMFADevice",
            "RemoveUserFromGroup",
            "DeleteUser",
        ] {
            script = script.answer(operation, 200, &format!("<{operation}Response/>"));
        }
        // It never had a password.
        script = script.answer(
            "DeleteLoginProfile",
            404,
            "<ErrorResponse><Error><Type>Sender</Type><Code>NoSuchEntity</Code><Message>none</Message></Error></ErrorResponse>",
        );
        // What was taken from it is seen on it for a while.
        let conflict = "<Error><Type>Sender</Type><Code>DeleteConflict</Code><Message>not yet</Message></Error>";
        let refused = format!("<ErrorResponse>{conflict}</ErrorResponse>");
        let script = Script::default().answer("DeleteUser", 409, &refused).and(script);
        script.delete::<User>("it", json!({})).await.unwrap();
        let writes: Vec<String> =
            script.operations().into_iter().filter(|o| !o.starts_with("Get") && !o.starts_with("List")).collect();
        assert_eq!(
            writes,
            [
                "DeleteLoginProfile",
                "DeleteAccessKey",
                "DeleteSSHPublicKey",
                "DeleteSigningCertificate",
                "DeleteServiceSpecificCredential",
                "DeactivateMFADevice",
                "DeleteVirtualMFADevice",
                "DeactivateMFADevice",
                "RemoveUserFromGroup",
                "DeleteUser",
                "DeleteUser",
            ]
        );
        assert_eq!(script.asked("DeleteVirtualMFADevice").len(), 1, "hardware stays registered");
    }

    #[tokio::test]
    async fn a_boundary_is_drawn_moved_and_lifted() {
        let user = |boundary: &str| {
            let user = format!(
                "<User><UserName>it</UserName><UserId>AIDA</UserId><Arn>arn:aws:iam::1:user/it</Arn><Path>/</Path>\
                 <CreateDate>2026-01-01T00:00:00Z</CreateDate>{boundary}</User>"
            );
            result("GetUser", &user)
        };
        let drawn = "<PermissionsBoundary><PermissionsBoundaryArn>arn:b</PermissionsBoundaryArn></PermissionsBoundary>";
        let script = |boundary: &str| {
            let mut script = Script::default().answer("GetUser", 200, &user(boundary));
            for operation in ["ListUserPolicies", "ListAttachedUserPolicies", "ListGroupsForUser", "CreateUser"] {
                script = script.answer(operation, 200, &result(operation, ""));
            }
            for operation in ["PutUserPermissionsBoundary", "DeleteUserPermissionsBoundary"] {
                script = script.answer(operation, 200, &format!("<{operation}Response/>"));
            }
            script
        };
        let made = script(drawn);
        let object = made.create::<User>(json!({"permissions_boundary": "arn:b"})).await.unwrap();
        assert_eq!(object.spec["permissions_boundary"], "arn:b");
        assert!(made.asked("CreateUser")[0].contains("PermissionsBoundary=arn%3Ab"));
        let moved = script(drawn);
        let (none, one) = (json!({"permissions_boundary": ""}), json!({"permissions_boundary": "arn:b"}));
        moved.update::<User>("it", none.clone(), one.clone()).await.unwrap();
        assert!(moved.asked("PutUserPermissionsBoundary")[0].contains("PermissionsBoundary=arn%3Ab"));
        let lifted = script("");
        let object = lifted.update::<User>("it", one, none).await.unwrap();
        assert_eq!(
            (lifted.asked("DeleteUserPermissionsBoundary").len(), &object.spec["permissions_boundary"]),
            (1, &json!(""))
        );
    }
}
