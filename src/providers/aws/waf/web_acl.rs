//! `web_acl`: rules by which requests are let through or refused before they reach a load balancer.
//!
//! Only the name makes a new list necessary. Names can be taken once in a region and derive from the address unless one
//! is given; by its name a list is found after a creating call whose answer was lost. The list of lists shows neither
//! tags nor rules: candidates are what has a name that saiken may have given and what the index of tags knows; each is
//! then asked for by itself. Log settings and load balancers cost one more call each, and are read where declared.
//!
//! An update writes a list whole, with the lock token of what was read just before: what is not declared is written
//! back as it is, and if somebody else was faster, it is read again. Statements of rules are the API's own trees: see
//! `statement`. A load balancer has one list: to name it here takes it from another one. Made in this order: the list
//! with its tags and rules, logs, load balancers.
//! API: <https://docs.aws.amazon.com/waf/latest/APIReference/API_CreateWebACL.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{web_acl_calls as calls, web_acl_parts};
use crate::model::cloud::ApiError;
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::Object;
use crate::model::preflight::View;
use crate::model::types::{Duration, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::elb::load_balancer::LoadBalancer;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Tags, Update};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs};

pub use super::statement::Statement;
pub use super::web_acl_parts::{
    ContentType, DefaultAction, GroupAction, LogBehavior, LogFilter, LogRequirement, LogRule, LoggedAction, Logging,
    Redacted, Response, ResponseBody, Rule, RuleAction, Visibility,
};

/// The kind `web_acl`.
pub struct WebAcl;

/// Rules by which requests are let through or refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name; derived from the address if left out. An object that replaces another one can't have the same name
    /// unless `lifecycle.replacement` is `delete_first`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_-]+$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// What it is for; letters, digits and `_+=:#@/-,.` with spaces between, as the API takes no others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 3, max = 256),
        regex(pattern = r"^[A-Za-z0-9_+=:#@/,.-][A-Za-z0-9_+=:#@/,.\s-]+[A-Za-z0-9_+=:#@/,.-]$")
    )]
    pub description: Option<String>,
    /// What is done with requests that no rule is about.
    pub default_action: DefaultAction,
    /// What is answered to those that are refused so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_response: Option<Response>,
    /// Headers that are added to those that go on so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_headers: Option<BTreeMap<String, String>>,
    /// Rules, by name. If declared, all others go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<BTreeMap<String, Rule>>,
    /// How requests are counted; with metrics and samples, under its name, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// Bodies of answers, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_bodies: Option<BTreeMap<String, ResponseBody>>,
    /// How long a solved puzzle holds, 1m to 3d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub captcha_immunity: Option<Duration>,
    /// How long a browser's proof holds, 5m to 3d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge_immunity: Option<Duration>,
    /// Domains whose proofs are taken, beside that of the load balancer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub token_domains: Option<Vec<String>>,
    /// Load balancers that it stands before; each has one list at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true, "x-deep" = true))]
    pub load_balancers: Option<Vec<Ref<LoadBalancer>>>,
    /// Where requests are written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub logging: Option<Logging>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Kind for WebAcl {
    const NAME: &'static str = "web_acl";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "web access list",
            service: "wafv2",
            reference: "https://docs.aws.amazon.com/waf/latest/APIReference/API_CreateWebACL.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Its ARN"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("name", "Name"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "wafv2:ListWebACLs",
                    "wafv2:ListTagsForResource",
                    "wafv2:GetWebACL",
                    "wafv2:GetLoggingConfiguration",
                    "wafv2:ListResourcesForWebACL",
                    "tag:GetResources",
                ],
                create: &[
                    "wafv2:CreateWebACL",
                    "wafv2:TagResource",
                    "wafv2:PutLoggingConfiguration",
                    "wafv2:AssociateWebACL",
                    "elasticloadbalancing:SetWebAcl",
                    "iam:CreateServiceLinkedRole",
                    "logs:CreateLogDelivery",
                    "logs:PutResourcePolicy",
                    "logs:DescribeResourcePolicies",
                    "logs:DescribeLogGroups",
                    "s3:GetBucketPolicy",
                    "s3:PutBucketPolicy",
                ],
                update: &[
                    "wafv2:UpdateWebACL",
                    "wafv2:PutLoggingConfiguration",
                    "wafv2:DeleteLoggingConfiguration",
                    "wafv2:AssociateWebACL",
                    "wafv2:DisassociateWebACL",
                    "wafv2:TagResource",
                    "wafv2:UntagResource",
                    "elasticloadbalancing:SetWebAcl",
                    "iam:CreateServiceLinkedRole",
                    "logs:CreateLogDelivery",
                    "logs:DeleteLogDelivery",
                    "logs:PutResourcePolicy",
                    "logs:DescribeResourcePolicies",
                    "logs:DescribeLogGroups",
                    "s3:GetBucketPolicy",
                    "s3:PutBucketPolicy",
                ],
                delete: &[
                    "wafv2:DisassociateWebACL",
                    "wafv2:DeleteLoggingConfiguration",
                    "wafv2:DeleteWebACL",
                    "elasticloadbalancing:SetWebAcl",
                    "logs:DeleteLogDelivery",
                ],
            },
            name_limit: 128,
            creation_seconds: 3,
            deletion_seconds: 3,
            quota: 100,
            zone_field: None,
            // A load balancer that goes takes its side of the association with it.
            loose_refs: &["load_balancers"],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        web_acl_parts::validate(spec, problems);
    }
}

#[async_trait]
impl Checked for WebAcl {
    fn needs() -> Needs {
        Needs {
            resource: "regional/webacl/{name}/*",
            only_for: &[
                ("wafv2:PutLoggingConfiguration", &["logging"]),
                ("wafv2:DeleteLoggingConfiguration", &["logging"]),
                ("wafv2:AssociateWebACL", &["load_balancers"]),
                ("wafv2:DisassociateWebACL", &["load_balancers"]),
                // By the service, for the caller, after where the logs go and what is associated.
                ("elasticloadbalancing:SetWebAcl", &[]),
                ("iam:CreateServiceLinkedRole", &[]),
                ("logs:CreateLogDelivery", &[]),
                ("logs:DeleteLogDelivery", &[]),
                ("logs:PutResourcePolicy", &[]),
                ("logs:DescribeResourcePolicies", &[]),
                ("logs:DescribeLogGroups", &[]),
                ("s3:GetBucketPolicy", &[]),
                ("s3:PutBucketPolicy", &[]),
            ],
        }
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        view.own_name().map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        calls::holders(cx, names).await
    }
}

#[async_trait]
impl AwsKind for WebAcl {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        calls::read(cx, read).await
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        calls::create(cx, want).await
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        calls::update(cx, update).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        calls::delete(cx, delete).await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        calls::retag(cx, &object.id, set, remove).await
    }
}
