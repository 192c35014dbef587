//! `listener`: a port of a load balancer, what is done with what comes in there, and the rules by which.
//!
//! Another load balancer makes a new listener necessary; everything else changes in place. A listener has no name:
//! after a creating call whose answer was lost it is found by its port, of which a load balancer has one, and taken if
//! it carries the owner's tags. Listeners are listed a load balancer: those of our load balancers, known by their names
//! and the index of tags, and those of other load balancers on which the index knows a listener of ours. So one on
//! somebody else's load balancer, made in the last minutes, may not be seen yet; a second one is never made, since the
//! port is taken.
//!
//! Further certificates, attributes and rules cost a call a listener each, and are read where declared. Rules are
//! managed whole, if declared: each carries its name in the tag `saiken:rule` from its creating call on, and what has
//! no such tag goes. A rule's priority is its place, so a creating call that was made twice is refused the second time.
//! Order of a change: rules are changed, then all priorities in one call (rules that go make room), then new rules
//! come, old ones go.
//!
//! With HTTPS and TLS the policy is TLS 1.3 only unless a user says otherwise; it is of no meaning, and no difference,
//! for other protocols. Secrets of OIDC clients can't be read, and are compared by fingerprint.
//! API: <https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load_balancer::LoadBalancer;
use super::{listener_calls as calls, listener_parts, retag};
use crate::model::cloud::ApiError;
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::Object;
use crate::model::types::{Duration, Ref};
use crate::providers::aws::acm::certificate::Certificate;
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Tags, Update};
use crate::providers::aws::preflight::kind::{Checked, Needs};

pub use super::listener_actions::{
    Action, CognitoLogin, FixedResponse, Forward, OidcLogin, Redirect, RedirectCode, Unauthenticated, WeightedGroup,
};
pub use super::listener_parts::{AlpnPolicy, ListenerProtocol, MutualTlsMode};
pub use super::listener_rules::{Condition, HeaderCondition, QueryPair, Rewrite, Rule};

/// The kind `listener`.
pub struct Listener;

/// A port of a load balancer, and what is done with what comes in there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The load balancer.
    #[schemars(extend("x-change" = "replace"))]
    pub load_balancer: Ref<LoadBalancer>,
    /// Port; of any but gateway load balancers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65_535), extend("x-change" = "interrupts"))]
    pub port: Option<i32>,
    /// What clients speak; of any but gateway load balancers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub protocol: Option<ListenerProtocol>,
    /// Policy that says which versions of TLS and which ciphers clients can use (HTTPS, TLS).
    #[serde(default = "listener_parts::default_policy")]
    #[schemars(length(min = 1, max = 64))]
    pub security_policy: String,
    /// Certificate for clients that name no host, or an unknown one (HTTPS, TLS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Ref<Certificate>>,
    /// Further certificates, chosen by the host that a client names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true, "x-deep" = true))]
    pub certificates: Option<Vec<Ref<Certificate>>>,
    /// Which versions of HTTP are agreed on with the client (TLS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<AlpnPolicy>,
    /// Whether clients show certificates (HTTPS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutual_tls: Option<MutualTls>,
    /// What is done with requests that no rule is about: logins, if any, then one last action.
    #[schemars(length(min = 1))]
    pub default_actions: Vec<Action>,
    /// Secrets of OIDC clients, by client id: for the default actions and the rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = true, "x-fingerprint" = true))]
    pub client_secrets: Option<BTreeMap<String, String>>,
    /// Rules, by name (HTTP, HTTPS). If declared, all others go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub rules: Option<BTreeMap<String, Rule>>,
    /// After which silence a flow is forgotten, 60s to 6000s (TCP, and gateway load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub idle_timeout: Option<Duration>,
    /// Whether the sender is told when a flow is forgotten (gateway load balancers).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub reset_when_idle: Option<bool>,
    /// Headers that are set in responses (HTTP, HTTPS); an empty text sets none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub response_headers: Option<ResponseHeaders>,
    /// Names of the headers by which targets are told of the client's TLS (HTTPS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub request_headers: Option<RequestHeaders>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MutualTls {
    /// Whether they do, and who looks at them.
    pub mode: MutualTlsMode,
    /// ARN of the trust store that they are checked against (`verify`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_store: Option<String>,
    /// Whether certificates that are out of date are taken (`verify`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_expiry: Option<bool>,
    /// Whether clients are told the names of the authorities (`verify`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advertise_authorities: Option<bool>,
}

/// Headers that are set in responses; an empty text sets none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseHeaders {
    /// Whether the header `Server` is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<bool>,
    /// `Strict-Transport-Security`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict_transport_security: Option<String>,
    /// `Content-Security-Policy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_security_policy: Option<String>,
    /// `X-Content-Type-Options`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type_options: Option<String>,
    /// `X-Frame-Options`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_options: Option<String>,
    /// `Access-Control-Allow-Origin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_origin: Option<String>,
    /// `Access-Control-Allow-Methods`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_methods: Option<String>,
    /// `Access-Control-Allow-Headers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_headers: Option<String>,
    /// `Access-Control-Allow-Credentials`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_credentials: Option<String>,
    /// `Access-Control-Expose-Headers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expose_headers: Option<String>,
    /// `Access-Control-Max-Age`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<String>,
}

/// Names of the headers by which targets are told of the client's TLS.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestHeaders {
    /// The client's whole chain of certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The client's own certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_leaf: Option<String>,
    /// Who issued it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_issuer: Option<String>,
    /// Whose it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_subject: Option<String>,
    /// Its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_serial_number: Option<String>,
    /// From when to when it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate_validity: Option<String>,
    /// Version of TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_version: Option<String>,
    /// Cipher suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_cipher_suite: Option<String>,
}

impl Kind for Listener {
    const NAME: &'static str = "listener";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "port of a load balancer",
            service: "elasticloadbalancing",
            reference: "https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateListener.html",
            scope: Scope::Regional,
            data: None,
            // A port of a load balancer can be listened on once; another load balancer has ports of its own.
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const { &[Attribute::stable("id", "Its ARN"), Attribute::stable("arn", "ARN")] },
            permissions: Permissions {
                read: &[
                    "elasticloadbalancing:DescribeListeners",
                    "elasticloadbalancing:DescribeLoadBalancers",
                    "elasticloadbalancing:DescribeTags",
                    "elasticloadbalancing:DescribeListenerCertificates",
                    "elasticloadbalancing:DescribeListenerAttributes",
                    "elasticloadbalancing:DescribeRules",
                    "tag:GetResources",
                ],
                create: &[
                    "elasticloadbalancing:CreateListener",
                    "elasticloadbalancing:AddTags",
                    "elasticloadbalancing:AddListenerCertificates",
                    "elasticloadbalancing:ModifyListenerAttributes",
                    "elasticloadbalancing:CreateRule",
                    "cognito-idp:DescribeUserPoolClient",
                ],
                update: &[
                    "elasticloadbalancing:ModifyListener",
                    "elasticloadbalancing:AddListenerCertificates",
                    "elasticloadbalancing:RemoveListenerCertificates",
                    "elasticloadbalancing:ModifyListenerAttributes",
                    "elasticloadbalancing:CreateRule",
                    "elasticloadbalancing:ModifyRule",
                    "elasticloadbalancing:DeleteRule",
                    "elasticloadbalancing:SetRulePriorities",
                    "elasticloadbalancing:AddTags",
                    "elasticloadbalancing:RemoveTags",
                    "cognito-idp:DescribeUserPoolClient",
                ],
                delete: &["elasticloadbalancing:DeleteListener"],
            },
            name_limit: 0,
            creation_seconds: 2,
            deletion_seconds: 2,
            quota: 50,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        listener_parts::validate(spec, problems);
    }
}

#[async_trait]
impl Checked for Listener {
    fn needs() -> Needs {
        Needs {
            resource: "listener/*",
            only_for: &[
                (
                    "elasticloadbalancing:ModifyListener",
                    &[
                        "port",
                        "protocol",
                        "security_policy",
                        "certificate",
                        "alpn",
                        "mutual_tls",
                        "default_actions",
                        "client_secrets",
                    ],
                ),
                ("elasticloadbalancing:AddListenerCertificates", &["certificates"]),
                ("elasticloadbalancing:RemoveListenerCertificates", &["certificates"]),
                ("elasticloadbalancing:ModifyListenerAttributes", listener_parts::FIELDS),
                ("elasticloadbalancing:CreateRule", &["rules"]),
                ("elasticloadbalancing:ModifyRule", &["rules", "client_secrets"]),
                ("elasticloadbalancing:DeleteRule", &["rules"]),
                ("elasticloadbalancing:SetRulePriorities", &["rules"]),
                ("cognito-idp:DescribeUserPoolClient", &[]),
            ],
        }
    }
}

#[async_trait]
impl AwsKind for Listener {
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
        let request = cx.clients.elb.delete_listener().listener_arn(delete.id);
        cx.call("elasticloadbalancing:DeleteListener", request.send()).await.map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, &object.id, set, remove).await
    }
}
