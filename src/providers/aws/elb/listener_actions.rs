//! What a listener or a rule does with a request.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::types::{
    Action as ApiAction, ActionTypeEnum, AuthenticateCognitoActionConfig, AuthenticateOidcActionConfig,
    FixedResponseActionConfig, ForwardActionConfig, RedirectActionConfig, TargetGroupStickinessConfig,
    TargetGroupTuple,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check_time;
use super::listener::Spec;
use super::listener_parts::ListenerProtocol;
use super::target_group::TargetGroup;
use super::{from_seconds, seconds};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Problems;
use crate::model::types::{Duration, Ref};
use crate::model::value::is_unknown_text;
use crate::providers::aws::kind::Create;
use crate::providers::aws::words::words;

/// Longest stickiness and longest login, in seconds.
const WEEK: u64 = 604_800;

/// What is done with a request. Exactly one of the fields is given.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// It is handed to targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<Forward>,
    /// The client is sent elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<Redirect>,
    /// It is answered at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_response: Option<FixedResponse>,
    /// The user logs in with a provider of OpenID Connect first (HTTPS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticate_oidc: Option<OidcLogin>,
    /// The user logs in with Cognito first (HTTPS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authenticate_cognito: Option<CognitoLogin>,
}

/// Targets that requests are handed to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// Target groups, up to 5.
    #[schemars(length(min = 1, max = 5), extend("x-unordered" = true))]
    pub target_groups: Vec<WeightedGroup>,
    /// How long a client stays with its target group, 1s to 7d; 0s for not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stickiness: Option<Duration>,
}

/// A target group and its share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WeightedGroup {
    /// The target group.
    pub target_group: Ref<TargetGroup>,
    /// Its share beside the others, 0 to 999; 1 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 999), extend("x-left-out" = 1))]
    pub weight: Option<i32>,
}

/// Where a client is sent. What is left out stays as in the request; `#{protocol}`, `#{host}`, `#{port}`, `#{path}` and
/// `#{query}` stand for the request's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redirect {
    /// `HTTP`, `HTTPS` or `#{protocol}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(HTTP|HTTPS|#\{protocol\})$"), extend("x-left-out" = "#{protocol}"))]
    pub protocol: Option<String>,
    /// Port as text, or `#{port}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([1-9][0-9]{0,4}|#\{port\})$"), extend("x-left-out" = "#{port}"))]
    pub port: Option<String>,
    /// Host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), extend("x-left-out" = "#{host}"))]
    pub host: Option<String>,
    /// Path, with its first `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^/"), extend("x-left-out" = "/#{path}"))]
    pub path: Option<String>,
    /// Query, without `?`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), extend("x-left-out" = "#{query}"))]
    pub query: Option<String>,
    /// Whether clients may keep it in mind.
    pub code: RedirectCode,
}

words! {
    /// Whether clients may keep a redirect in mind.
    RedirectCode {
        /// They may: 301.
        Permanent = "HTTP_301",
        /// They may not: 302.
        Temporary = "HTTP_302",
    }
}

/// An answer of the load balancer itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FixedResponse {
    /// Status code, as text: 2xx, 4xx or 5xx.
    #[schemars(regex(pattern = r"^[245][0-9][0-9]$"))]
    pub status: String,
    /// What the body is: `text/plain`, `text/css`, `text/html`, `application/javascript` or `application/json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(text/(plain|css|html)|application/(javascript|json))$"))]
    pub content_type: Option<String>,
    /// Body, up to 1024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024), extend("x-left-out" = null))]
    pub body: Option<String>,
}

words! {
    /// What becomes of a request of somebody who has not logged in.
    Unauthenticated {
        /// It is refused.
        Deny = "deny",
        /// It goes on.
        Allow = "allow",
        /// The user is sent to log in.
        Authenticate = "authenticate",
    }
}

/// A login with a provider of OpenID Connect. The client's secret stands in `client_secrets` of the listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OidcLogin {
    /// The provider, as it calls itself: a URL.
    #[schemars(regex(pattern = r"^https://"))]
    pub issuer: String,
    /// URL where users log in.
    #[schemars(regex(pattern = r"^https://"))]
    pub authorization_endpoint: String,
    /// URL of tokens.
    #[schemars(regex(pattern = r"^https://"))]
    pub token_endpoint: String,
    /// URL of what is known of a user.
    #[schemars(regex(pattern = r"^https://"))]
    pub user_info_endpoint: String,
    /// Id of the client.
    pub client_id: String,
    /// What is asked of the user's data; `openid` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = "openid"))]
    pub scope: Option<String>,
    /// Name of the cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = "AWSELBAuthSessionCookie"))]
    pub cookie: Option<String>,
    /// How long a login holds, 1s to 7d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// What becomes of a request of somebody who has not logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = "authenticate"))]
    pub unauthenticated: Option<Unauthenticated>,
    /// Further query parameters of the login, up to 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null))]
    pub parameters: Option<BTreeMap<String, String>>,
}

/// A login with a user pool of Cognito.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CognitoLogin {
    /// ARN of the user pool.
    #[schemars(regex(pattern = r"^arn:"))]
    pub user_pool: String,
    /// Id of the pool's client.
    pub client_id: String,
    /// Domain of the pool, or what its name begins with.
    pub domain: String,
    /// What is asked of the user's data; `openid` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = "openid"))]
    pub scope: Option<String>,
    /// Name of the cookie.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = "AWSELBAuthSessionCookie"))]
    pub cookie: Option<String>,
    /// How long a login holds, 1s to 7d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// What becomes of a request of somebody who has not logged in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = "authenticate"))]
    pub unauthenticated: Option<Unauthenticated>,
    /// Further query parameters of the login, up to 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null))]
    pub parameters: Option<BTreeMap<String, String>>,
}

/// Actions in the API's form.
pub(super) fn to_api(want: &Create<'_, Spec>, actions: &[Action]) -> Result<Vec<ApiAction>, ApiError> {
    let many = actions.len() > 1;
    let one = |(index, action): (usize, &Action)| {
        let order = i32::try_from(index + 1).ok().filter(|_| many);
        let api = ApiAction::builder().set_order(order);
        let api = if let Some(forward) = &action.forward {
            forward_to(want, forward, api)?
        } else if let Some(redirect) = &action.redirect {
            api.r#type(ActionTypeEnum::Redirect).redirect_config(redirect_to(redirect))
        } else if let Some(response) = &action.fixed_response {
            let config = FixedResponseActionConfig::builder()
                .status_code(&response.status)
                .set_content_type(response.content_type.clone())
                .set_message_body(response.body.clone());
            api.r#type(ActionTypeEnum::FixedResponse).fixed_response_config(config.build())
        } else if let Some(login) = &action.authenticate_oidc {
            api.r#type(ActionTypeEnum::AuthenticateOidc).authenticate_oidc_config(oidc(want.spec, login)?)
        } else if let Some(login) = &action.authenticate_cognito {
            api.r#type(ActionTypeEnum::AuthenticateCognito).authenticate_cognito_config(cognito(login))
        } else {
            return Err(ApiError::new("elasticloadbalancing", ErrorClass::Invalid, "an action does nothing"));
        };
        Ok(api.build())
    };
    actions.iter().enumerate().map(one).collect()
}

type ActionBuilder = aws_sdk_elasticloadbalancingv2::types::builders::ActionBuilder;

fn forward_to(want: &Create<'_, Spec>, forward: &Forward, api: ActionBuilder) -> Result<ActionBuilder, ApiError> {
    let api = api.r#type(ActionTypeEnum::Forward);
    // The short form is the only one that all sorts of load balancers take.
    if let ([only], None) = (forward.target_groups.as_slice(), &forward.stickiness)
        && only.weight.is_none_or(|w| w == 1)
    {
        return Ok(api.target_group_arn(want.id(&only.target_group)?));
    }
    let mut config = ForwardActionConfig::builder();
    for group in &forward.target_groups {
        let arn = want.id(&group.target_group)?;
        let weight = group.weight.unwrap_or(1);
        config = config.target_groups(TargetGroupTuple::builder().target_group_arn(arn).weight(weight).build());
    }
    if let Some(time) = &forward.stickiness {
        let on = time.seconds() > 0;
        let stickiness = TargetGroupStickinessConfig::builder().enabled(on);
        let stickiness = stickiness.set_duration_seconds(seconds(Some(time)).filter(|_| on)).build();
        config = config.target_group_stickiness_config(stickiness);
    }
    Ok(api.forward_config(config.build()))
}

fn redirect_to(redirect: &Redirect) -> RedirectActionConfig {
    RedirectActionConfig::builder()
        .set_protocol(redirect.protocol.clone())
        .set_port(redirect.port.clone())
        .set_host(redirect.host.clone())
        .set_path(redirect.path.clone())
        .set_query(redirect.query.clone())
        .status_code(redirect.code.api().into())
        .build()
}

fn oidc(spec: &Spec, login: &OidcLogin) -> Result<AuthenticateOidcActionConfig, ApiError> {
    let secret = spec.client_secrets.as_ref().and_then(|s| s.get(&login.client_id));
    let lacking = || {
        let message = format!("there is no secret of the client `{}`", login.client_id);
        ApiError::new("elasticloadbalancing", ErrorClass::Invalid, message)
    };
    Ok(AuthenticateOidcActionConfig::builder()
        .issuer(&login.issuer)
        .authorization_endpoint(&login.authorization_endpoint)
        .token_endpoint(&login.token_endpoint)
        .user_info_endpoint(&login.user_info_endpoint)
        .client_id(&login.client_id)
        .client_secret(secret.ok_or_else(lacking)?)
        .set_scope(login.scope.clone())
        .set_session_cookie_name(login.cookie.clone())
        .set_session_timeout(login.timeout.as_ref().and_then(|t| i64::try_from(t.seconds()).ok()))
        .set_on_unauthenticated_request(login.unauthenticated.map(|u| u.api().into()))
        .set_authentication_request_extra_params(login.parameters.clone().map(|p| p.into_iter().collect()))
        .build())
}

fn cognito(login: &CognitoLogin) -> AuthenticateCognitoActionConfig {
    AuthenticateCognitoActionConfig::builder()
        .user_pool_arn(&login.user_pool)
        .user_pool_client_id(&login.client_id)
        .user_pool_domain(&login.domain)
        .set_scope(login.scope.clone())
        .set_session_cookie_name(login.cookie.clone())
        .set_session_timeout(login.timeout.as_ref().and_then(|t| i64::try_from(t.seconds()).ok()))
        .set_on_unauthenticated_request(login.unauthenticated.map(|u| u.api().into()))
        .set_authentication_request_extra_params(login.parameters.clone().map(|p| p.into_iter().collect()))
        .build()
}

/// Actions as read, in the order in which they are taken. One of a sort that is new to us does nothing, and so differs
/// from whatever is declared.
pub(super) fn observed(actions: &[ApiAction]) -> Vec<Action> {
    let mut actions: Vec<&ApiAction> = actions.iter().collect();
    actions.sort_by_key(|a| a.order().unwrap_or(i32::MAX));
    actions.into_iter().map(observed_one).collect()
}

fn observed_one(api: &ApiAction) -> Action {
    let text = |text: Option<&str>| text.map(str::to_owned);
    match api.r#type() {
        Some(ActionTypeEnum::Forward) => Action { forward: Some(observed_forward(api)), ..Action::default() },
        Some(ActionTypeEnum::Redirect) => {
            let redirect = api.redirect_config().map(|r| Redirect {
                protocol: text(r.protocol()),
                port: text(r.port()),
                host: text(r.host()),
                path: text(r.path()),
                query: text(r.query()),
                code: r
                    .status_code()
                    .and_then(|c| RedirectCode::from_api(c.as_str()))
                    .unwrap_or(RedirectCode::Temporary),
            });
            Action { redirect, ..Action::default() }
        }
        Some(ActionTypeEnum::FixedResponse) => {
            let fixed_response = api.fixed_response_config().map(|r| FixedResponse {
                status: r.status_code().unwrap_or_default().to_owned(),
                content_type: text(r.content_type()).filter(|t| !t.is_empty()),
                body: text(r.message_body()),
            });
            Action { fixed_response, ..Action::default() }
        }
        Some(ActionTypeEnum::AuthenticateOidc) => {
            Action { authenticate_oidc: api.authenticate_oidc_config().map(observed_oidc), ..Action::default() }
        }
        Some(ActionTypeEnum::AuthenticateCognito) => Action {
            authenticate_cognito: api.authenticate_cognito_config().map(observed_cognito),
            ..Action::default()
        },
        _ => Action::default(),
    }
}

fn observed_forward(api: &ApiAction) -> Forward {
    let config = api.forward_config();
    let mut groups: Vec<WeightedGroup> = config
        .map(|c| c.target_groups())
        .unwrap_or_default()
        .iter()
        .filter_map(|g| {
            Some(WeightedGroup { target_group: Ref::id(g.target_group_arn()?), weight: Some(g.weight().unwrap_or(1)) })
        })
        .collect();
    if let (true, Some(arn)) = (groups.is_empty(), api.target_group_arn()) {
        groups.push(WeightedGroup { target_group: Ref::id(arn), weight: Some(1) });
    }
    let stickiness = config.and_then(|c| c.target_group_stickiness_config()).filter(|s| s.enabled() == Some(true));
    let time = stickiness.and_then(|s| s.duration_seconds()).unwrap_or(0);
    Forward { target_groups: groups, stickiness: from_seconds(Some(time)) }
}

fn observed_oidc(api: &AuthenticateOidcActionConfig) -> OidcLogin {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    OidcLogin {
        issuer: text(api.issuer()),
        authorization_endpoint: text(api.authorization_endpoint()),
        token_endpoint: text(api.token_endpoint()),
        user_info_endpoint: text(api.user_info_endpoint()),
        client_id: text(api.client_id()),
        scope: api.scope().map(str::to_owned),
        cookie: api.session_cookie_name().map(str::to_owned),
        timeout: api.session_timeout().and_then(|s| u64::try_from(s).ok()).map(Duration::from_seconds),
        unauthenticated: api.on_unauthenticated_request().and_then(|u| Unauthenticated::from_api(u.as_str())),
        parameters: Some(parameters(api.authentication_request_extra_params())),
    }
}

fn observed_cognito(api: &AuthenticateCognitoActionConfig) -> CognitoLogin {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    CognitoLogin {
        user_pool: text(api.user_pool_arn()),
        client_id: text(api.user_pool_client_id()),
        domain: text(api.user_pool_domain()),
        scope: api.scope().map(str::to_owned),
        cookie: api.session_cookie_name().map(str::to_owned),
        timeout: api.session_timeout().and_then(|s| u64::try_from(s).ok()).map(Duration::from_seconds),
        unauthenticated: api.on_unauthenticated_request().and_then(|u| Unauthenticated::from_api(u.as_str())),
        parameters: Some(parameters(api.authentication_request_extra_params())),
    }
}

fn parameters(api: Option<&std::collections::HashMap<String, String>>) -> BTreeMap<String, String> {
    api.into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// ARNs of all target groups that actions hand requests to.
pub(super) fn groups(actions: &[ApiAction]) -> BTreeSet<&str> {
    let mut all: BTreeSet<&str> = actions.iter().filter_map(|a| a.target_group_arn()).collect();
    for config in actions.iter().filter_map(|a| a.forward_config()) {
        all.extend(config.target_groups().iter().filter_map(|g| g.target_group_arn()));
    }
    all
}

/// Whether an action logs in with OIDC, and so has a secret.
pub(super) fn has_secret(actions: &[Action]) -> bool {
    actions.iter().any(|a| a.authenticate_oidc.is_some())
}

/// Rules that the API would enforce.
pub(super) fn check(spec: &Spec, path: &str, actions: &[Action], problems: &mut Problems) {
    let http = matches!(spec.protocol, Some(ListenerProtocol::Http | ListenerProtocol::Https));
    for (index, action) in actions.iter().enumerate() {
        let path = format!("{path}.{index}");
        let login = action.authenticate_oidc.is_some() || action.authenticate_cognito.is_some();
        let given = [
            action.forward.is_some(),
            action.redirect.is_some(),
            action.fixed_response.is_some(),
            action.authenticate_oidc.is_some(),
            action.authenticate_cognito.is_some(),
        ];
        if given.iter().filter(|g| **g).count() != 1 {
            let help = "give `forward`, `redirect`, `fixed_response`, `authenticate_oidc` or `authenticate_cognito`";
            problems.add(path, "an action does exactly one thing", help);
            continue;
        }
        let last = index + 1 == actions.len();
        if login == last {
            let message = "logins come first, and one action that answers or hands on comes last";
            problems.add(path.as_str(), message, "end with `forward`, `redirect` or `fixed_response`");
        }
        if login && spec.protocol != Some(ListenerProtocol::Https) {
            problems.add(path.as_str(), "users log in over HTTPS only", "use `protocol: https`");
        }
        if !http && action.forward.is_none() && !login {
            problems.add(path.as_str(), "only HTTP and HTTPS can be answered or sent elsewhere", "use `forward`");
        }
        check_one(spec, &path, action, problems);
    }
}

fn check_one(spec: &Spec, path: &str, action: &Action, problems: &mut Problems) {
    if let Some(forward) = &action.forward {
        let path = format!("{path}.forward");
        if forward.target_groups.iter().all(|g| g.weight == Some(0)) {
            problems.add(path.as_str(), "nothing would get a request", "give one target group a `weight` over 0");
        }
        let groups = &forward.target_groups;
        let twice = groups
            .iter()
            .enumerate()
            .any(|(i, g)| groups[..i].iter().any(|other| other.target_group == g.target_group));
        if twice {
            problems.add(path.as_str(), "a target group is named twice", "give it one `weight`");
        }
        let sticky = forward.stickiness.as_ref().filter(|s| s.seconds() > 0);
        check_time(&format!("{path}.stickiness"), sticky, (1, WEEK), problems);
    }
    if let Some(redirect) = &action.redirect {
        check_redirect(spec, &format!("{path}.redirect"), redirect, problems);
    }
    if let Some(login) = &action.authenticate_oidc {
        let path = format!("{path}.authenticate_oidc");
        check_time(&format!("{path}.timeout"), login.timeout.as_ref(), (1, WEEK), problems);
        let known = spec.client_secrets.as_ref().is_some_and(|s| s.contains_key(&login.client_id));
        if !known && !is_unknown_text(&login.client_id) {
            let message = format!("there is no secret of the client `{}`", login.client_id);
            problems.add(path.as_str(), message, "give it in `client_secrets`, by the client's id");
        }
        check_parameters(&path, login.parameters.as_ref(), problems);
    }
    if let Some(login) = &action.authenticate_cognito {
        let path = format!("{path}.authenticate_cognito");
        check_time(&format!("{path}.timeout"), login.timeout.as_ref(), (1, WEEK), problems);
        check_parameters(&path, login.parameters.as_ref(), problems);
    }
}

fn check_parameters(path: &str, parameters: Option<&BTreeMap<String, String>>, problems: &mut Problems) {
    if parameters.is_some_and(|p| p.len() > 10) {
        problems.add(format!("{path}.parameters"), "a login has at most 10 further parameters", "leave some out");
    }
}

fn check_redirect(spec: &Spec, path: &str, redirect: &Redirect, problems: &mut Problems) {
    let same = |text: Option<&String>, own: &str| text.is_none_or(|t| t == own);
    let unchanged = same(redirect.protocol.as_ref(), "#{protocol}")
        && same(redirect.port.as_ref(), "#{port}")
        && same(redirect.host.as_ref(), "#{host}")
        && same(redirect.path.as_ref(), "/#{path}");
    if unchanged {
        let message = "the client would come back again and again";
        problems.add(path, message, "change `protocol`, `port`, `host` or `path`");
    }
    if spec.protocol == Some(ListenerProtocol::Https) && redirect.protocol.as_deref() == Some("HTTP") {
        let message = "clients of HTTPS are not sent to HTTP";
        problems.add(format!("{path}.protocol"), message, "use `HTTPS` or `#{protocol}`");
    }
    if redirect.port.as_deref().and_then(|p| p.parse::<u32>().ok()).is_some_and(|p| p > 65_535) {
        problems.add(format!("{path}.port"), "a port is at most 65535", "use `#{port}`, or a port");
    }
}
