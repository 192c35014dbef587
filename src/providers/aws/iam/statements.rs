//! What roles, users and groups may do: policies of their own, and managed policies that are attached to them. The API has
//! the same calls for the three. Where they are declared they are managed whole: what somebody adds by hand is taken away.

use std::collections::BTreeMap;

use aws_sdk_iam::types::{AttachedPolicy, PolicyDetail};

use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::types::PolicyDocument;
use crate::providers::aws::client::Context;

/// Policies of one's own by name; none where they are not declared.
pub(super) type Inline = Option<BTreeMap<String, PolicyDocument>>;
/// ARNs of managed policies; none where they are not declared.
pub(super) type Managed = Option<Vec<String>>;

/// Whose policies they are, by name.
#[derive(Debug, Clone, Copy)]
pub(super) enum Of<'a> {
    Role(&'a str),
    User(&'a str),
    Group(&'a str),
}

impl Of<'_> {
    /// Puts what is wanted, then takes away what is too much.
    pub(super) async fn settle(
        self,
        cx: &Context,
        (inline, managed): (&Inline, &Managed),
        (inline_before, managed_before): (&Inline, &Managed),
    ) -> Result<(), ApiError> {
        if let Some(policies) = inline {
            let none = BTreeMap::new();
            let have = inline_before.as_ref().unwrap_or(&none);
            for (policy, document) in policies.iter().filter(|(k, d)| have.get(*k) != Some(d)) {
                self.put(cx, policy, document).await?;
            }
            for policy in have.keys().filter(|k| !policies.contains_key(*k)) {
                self.remove(cx, policy).await?;
            }
        }
        if let Some(arns) = managed {
            let have = managed_before.as_deref().unwrap_or_default();
            for arn in arns.iter().filter(|a| !have.contains(a)) {
                self.attach(cx, arn).await?;
            }
            for arn in have.iter().filter(|a| !arns.contains(a)) {
                self.detach(cx, arn).await?;
            }
        }
        Ok(())
    }

    /// Takes all away, also what was added since it was read: else it can't be deleted.
    pub(super) async fn clear(self, cx: &Context) -> Result<(), ApiError> {
        for arn in super::attached(&self.attached(cx).await?) {
            self.detach(cx, &arn).await?;
        }
        for policy in self.names(cx).await? {
            self.remove(cx, &policy).await?;
        }
        Ok(())
    }

    /// All policies of its own, by calls that do not lag behind their last change as the page of all does.
    pub(super) async fn details(self, cx: &Context) -> Result<Vec<PolicyDetail>, ApiError> {
        let mut all = Vec::new();
        for policy in self.names(cx).await? {
            let document = self.document(cx, &policy).await?;
            all.push(PolicyDetail::builder().policy_name(policy).policy_document(document).build());
        }
        Ok(all)
    }

    /// All attached policies.
    pub(super) async fn attached(self, cx: &Context) -> Result<Vec<AttachedPolicy>, ApiError> {
        let iam = &cx.clients.iam;
        match self {
            Self::Role(name) => {
                let request = iam.list_attached_role_policies().role_name(name);
                let pages = cx.pages("iam:ListAttachedRolePolicies", request.into_paginator().send()).await?;
                Ok(pages.into_iter().flat_map(|p| p.attached_policies.unwrap_or_default()).collect())
            }
            Self::User(name) => {
                let request = iam.list_attached_user_policies().user_name(name);
                let pages = cx.pages("iam:ListAttachedUserPolicies", request.into_paginator().send()).await?;
                Ok(pages.into_iter().flat_map(|p| p.attached_policies.unwrap_or_default()).collect())
            }
            Self::Group(name) => {
                let request = iam.list_attached_group_policies().group_name(name);
                let pages = cx.pages("iam:ListAttachedGroupPolicies", request.into_paginator().send()).await?;
                Ok(pages.into_iter().flat_map(|p| p.attached_policies.unwrap_or_default()).collect())
            }
        }
    }

    /// Names of its own policies.
    async fn names(self, cx: &Context) -> Result<Vec<String>, ApiError> {
        let iam = &cx.clients.iam;
        match self {
            Self::Role(name) => {
                let request = iam.list_role_policies().role_name(name);
                let pages = cx.pages("iam:ListRolePolicies", request.into_paginator().send()).await?;
                Ok(pages.into_iter().flat_map(|p| p.policy_names).collect())
            }
            Self::User(name) => {
                let request = iam.list_user_policies().user_name(name);
                let pages = cx.pages("iam:ListUserPolicies", request.into_paginator().send()).await?;
                Ok(pages.into_iter().flat_map(|p| p.policy_names).collect())
            }
            Self::Group(name) => {
                let request = iam.list_group_policies().group_name(name);
                let pages = cx.pages("iam:ListGroupPolicies", request.into_paginator().send()).await?;
                Ok(pages.into_iter().flat_map(|p| p.policy_names).collect())
            }
        }
    }

    /// One of its own policies, as the API gives it.
    async fn document(self, cx: &Context, policy: &str) -> Result<String, ApiError> {
        let iam = &cx.clients.iam;
        match self {
            Self::Role(name) => {
                let request = iam.get_role_policy().role_name(name).policy_name(policy);
                Ok(cx.call("iam:GetRolePolicy", request.send()).await?.policy_document)
            }
            Self::User(name) => {
                let request = iam.get_user_policy().user_name(name).policy_name(policy);
                Ok(cx.call("iam:GetUserPolicy", request.send()).await?.policy_document)
            }
            Self::Group(name) => {
                let request = iam.get_group_policy().group_name(name).policy_name(policy);
                Ok(cx.call("iam:GetGroupPolicy", request.send()).await?.policy_document)
            }
        }
    }

    async fn put(self, cx: &Context, policy: &str, document: &PolicyDocument) -> Result<(), ApiError> {
        let iam = &cx.clients.iam;
        match self {
            Self::Role(name) => {
                let request =
                    iam.put_role_policy().role_name(name).policy_name(policy).policy_document(document.to_json());
                cx.call("iam:PutRolePolicy", request.send()).await.map(drop)
            }
            Self::User(name) => {
                let request =
                    iam.put_user_policy().user_name(name).policy_name(policy).policy_document(document.to_json());
                cx.call("iam:PutUserPolicy", request.send()).await.map(drop)
            }
            Self::Group(name) => {
                let request =
                    iam.put_group_policy().group_name(name).policy_name(policy).policy_document(document.to_json());
                cx.call("iam:PutGroupPolicy", request.send()).await.map(drop)
            }
        }
    }

    async fn attach(self, cx: &Context, arn: &str) -> Result<(), ApiError> {
        let iam = &cx.clients.iam;
        match self {
            Self::Role(name) => {
                let request = iam.attach_role_policy().role_name(name).policy_arn(arn);
                cx.call("iam:AttachRolePolicy", request.send()).await.map(drop)
            }
            Self::User(name) => {
                let request = iam.attach_user_policy().user_name(name).policy_arn(arn);
                cx.call("iam:AttachUserPolicy", request.send()).await.map(drop)
            }
            Self::Group(name) => {
                let request = iam.attach_group_policy().group_name(name).policy_arn(arn);
                cx.call("iam:AttachGroupPolicy", request.send()).await.map(drop)
            }
        }
    }

    async fn remove(self, cx: &Context, policy: &str) -> Result<(), ApiError> {
        let iam = &cx.clients.iam;
        let gone = match self {
            Self::Role(name) => {
                let request = iam.delete_role_policy().role_name(name).policy_name(policy);
                cx.call("iam:DeleteRolePolicy", request.send()).await.map(drop)
            }
            Self::User(name) => {
                let request = iam.delete_user_policy().user_name(name).policy_name(policy);
                cx.call("iam:DeleteUserPolicy", request.send()).await.map(drop)
            }
            Self::Group(name) => {
                let request = iam.delete_group_policy().group_name(name).policy_name(policy);
                cx.call("iam:DeleteGroupPolicy", request.send()).await.map(drop)
            }
        };
        unless_gone(gone)
    }

    async fn detach(self, cx: &Context, arn: &str) -> Result<(), ApiError> {
        let iam = &cx.clients.iam;
        let gone = match self {
            Self::Role(name) => {
                let request = iam.detach_role_policy().role_name(name).policy_arn(arn);
                cx.call("iam:DetachRolePolicy", request.send()).await.map(drop)
            }
            Self::User(name) => {
                let request = iam.detach_user_policy().user_name(name).policy_arn(arn);
                cx.call("iam:DetachUserPolicy", request.send()).await.map(drop)
            }
            Self::Group(name) => {
                let request = iam.detach_group_policy().group_name(name).policy_arn(arn);
                cx.call("iam:DetachGroupPolicy", request.send()).await.map(drop)
            }
        };
        unless_gone(gone)
    }
}

fn unless_gone(answer: Result<(), ApiError>) -> Result<(), ApiError> {
    match answer {
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other,
    }
}
