//! The calls of the kind `listener`.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_elasticloadbalancingv2::types::{
    AdvertiseTrustStoreCaNamesEnum, Certificate as ApiCertificate, Listener as ApiListener, ListenerAttribute,
    MutualAuthenticationAttributes,
};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use super::listener::{AlpnPolicy, Listener, ListenerProtocol, MutualTls, MutualTlsMode, Spec};
use super::listener_parts::{FIELDS, TABLE, default_policy, is_secure};
use super::{
    AT_ONCE, attributes, check_owner, listener_actions as actions, listener_rules as rules, load_balancer_calls,
};
use super::{tags_of, to_tags};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::observed::Status;
use crate::model::types::Ref;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes as to_attributes;
use crate::providers::aws::kind::{Create, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::tagging;

const DESCRIBE: &str = "elasticloadbalancing:DescribeListeners";

/// A listener before anybody knows its ARN: its load balancer and its port.
fn place(balancer: &str, port: Option<i32>) -> String {
    format!("{balancer}:{}", port.map(|p| p.to_string()).unwrap_or_default())
}

/// The listeners of a load balancer; none if that is not there.
async fn of_balancer(cx: &Context, balancer: String) -> Result<Vec<ApiListener>, ApiError> {
    let request = cx.clients.elb.describe_listeners().load_balancer_arn(balancer).page_size(400);
    match cx.pages(DESCRIBE, request.into_paginator().send()).await {
        Ok(pages) => Ok(pages.into_iter().flat_map(|p| p.listeners.unwrap_or_default()).collect()),
        Err(e) if e.class == ErrorClass::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

/// A listener by its ARN, or by its [`place`]. What is not there is left out.
async fn by_id(cx: &Context, id: String) -> Result<Vec<ApiListener>, ApiError> {
    if let Some((balancer, port)) = id.rsplit_once(':').filter(|(balancer, _)| balancer.contains(":loadbalancer/")) {
        let all = of_balancer(cx, balancer.to_owned()).await?;
        let here = |l: &ApiListener| l.port().map(|p| p.to_string()).unwrap_or_default() == port;
        return Ok(all.into_iter().filter(here).collect());
    }
    let request = cx.clients.elb.describe_listeners().listener_arns(id);
    match cx.call(DESCRIBE, request.send()).await {
        Ok(answer) => Ok(answer.listeners.unwrap_or_default()),
        Err(e) if e.class == ErrorClass::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

/// The load balancer of a listener, by the listener's ARN.
fn balancer_of(listener: &str) -> Option<String> {
    let (balancer, _) = listener.rsplit_once('/')?;
    balancer.contains(":listener/").then(|| balancer.replacen(":listener/", ":loadbalancer/", 1))
}

/// Listeners that may be selected: those of our load balancers, and of those on which the index knows a listener of
/// ours.
async fn candidates(cx: &Context, selection: &Selection<'_>) -> Result<Vec<ApiListener>, ApiError> {
    if let Selection::Ids(ids) = selection {
        let calls = ids.iter().map(|id| by_id(cx, id.clone())).collect::<Vec<_>>();
        let all: Vec<Vec<ApiListener>> = stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
        return Ok(all.into_iter().flatten().collect());
    }
    let index = tagging::of_service(cx, "elasticloadbalancing", selection).await?;
    let mut balancers: BTreeSet<String> = index.keys().filter_map(|arn| balancer_of(arn)).collect();
    let ours = load_balancer_calls::candidates(cx, selection, &index).await?;
    balancers.extend(ours.into_iter().filter_map(|b| b.load_balancer_arn));
    let calls = balancers.into_iter().map(|b| of_balancer(cx, b)).collect::<Vec<_>>();
    let all: Vec<Vec<ApiListener>> = stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}

fn arn(listener: &ApiListener) -> String {
    listener.listener_arn().unwrap_or_default().to_owned()
}

/// Reads listeners a load balancer, their tags 20 a call, and what costs a call each where it is asked for.
pub(super) async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
    let selection = &read.selection;
    let listeners = candidates(cx, selection).await?;
    let mut tags = tags_of(cx, &listeners.iter().map(arn).collect::<Vec<_>>()).await?;
    let by_id = matches!(selection, Selection::Ids(_));
    let chosen = listeners.into_iter().filter_map(|listener| {
        let arn = arn(&listener);
        let tags = tags.remove(&arn)?;
        (by_id || selection.matches(&arn, &tags)).then_some((listener, tags))
    });
    let calls = chosen.map(|(listener, tags)| found(cx, read, listener, tags)).collect::<Vec<_>>();
    let all: Vec<Option<Found<Spec>>> = stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}

/// A listener with what is asked for of it; none if it went meanwhile.
async fn found(
    cx: &Context,
    read: &Read<'_>,
    listener: ApiListener,
    tags: Tags,
) -> Result<Option<Found<Spec>>, ApiError> {
    let arn = arn(&listener);
    let mut unread = vec!["client_secrets"];
    let mut spec = observed(&listener);
    match more(cx, read, &arn, &tags, &mut unread, &mut spec).await {
        Err(e) if e.class == ErrorClass::NotFound => return Ok(None),
        other => other?,
    }
    Ok(Some(Found {
        identifiers: Vec::new(),
        attributes: to_attributes([("id", json!(arn)), ("arn", json!(arn))]),
        spec,
        status: Status::Ready,
        tags,
        unread,
        id: arn,
    }))
}

/// What costs a call each.
async fn more(
    cx: &Context,
    read: &Read<'_>,
    arn: &str,
    tags: &Tags,
    unread: &mut Vec<&'static str>,
    spec: &mut Spec,
) -> Result<(), ApiError> {
    if read.wants("certificates", tags) {
        let all = if is_secure(spec.protocol) { certificates(cx, arn).await? } else { Vec::new() };
        spec.certificates = Some(all.into_iter().map(Ref::id).collect());
    } else {
        unread.push("certificates");
    }
    if read.wants("rules", tags) {
        spec.rules = Some(rules::observed(&rules::present(cx, arn).await?));
    } else {
        unread.push("rules");
    }
    if !FIELDS.iter().any(|field| read.wants(field, tags)) {
        unread.extend(FIELDS);
        return Ok(());
    }
    let request = cx.clients.elb.describe_listener_attributes().listener_arn(arn);
    let answer = cx.call("elasticloadbalancing:DescribeListenerAttributes", request.send()).await?;
    let pair = |a: &ListenerAttribute| Some((a.key()?.to_owned(), a.value()?.to_owned()));
    let values: BTreeMap<String, String> = answer.attributes().iter().filter_map(pair).collect();
    *spec = with_attributes(spec, &values)?;
    Ok(())
}

pub(super) fn with_attributes(spec: &Spec, values: &BTreeMap<String, String>) -> Result<Spec, ApiError> {
    let unfit = |e: serde_json::Error| ApiError::new(DESCRIBE, ErrorClass::Other, format!("attributes: {e}"));
    let mut tree = serde_json::to_value(spec).map_err(unfit)?;
    attributes::observe(TABLE, values, &mut tree);
    serde_json::from_value(tree).map_err(unfit)
}

/// ARNs of the certificates beside the default one.
async fn certificates(cx: &Context, arn: &str) -> Result<Vec<String>, ApiError> {
    let request = cx.clients.elb.describe_listener_certificates().listener_arn(arn).page_size(400);
    let pages = cx.pages("elasticloadbalancing:DescribeListenerCertificates", request.into_paginator().send()).await?;
    let all = pages.into_iter().flat_map(|p| p.certificates.unwrap_or_default());
    Ok(all.filter(|c| c.is_default() != Some(true)).filter_map(|c| c.certificate_arn).collect())
}

fn observed(listener: &ApiListener) -> Spec {
    let protocol = listener.protocol().and_then(|p| ListenerProtocol::from_api(p.as_str()));
    let policy = listener.ssl_policy().filter(|p| is_secure(protocol) && !p.is_empty()).map(str::to_owned);
    let certificate = listener.certificates().iter().find_map(|c| c.certificate_arn());
    Spec {
        load_balancer: Ref::id(listener.load_balancer_arn().unwrap_or_default()),
        port: listener.port(),
        protocol,
        security_policy: policy.unwrap_or_else(default_policy),
        certificate: certificate.map(Ref::id),
        certificates: None,
        alpn: listener.alpn_policy().first().and_then(|a| AlpnPolicy::from_api(a)),
        mutual_tls: listener.mutual_authentication().and_then(|m| {
            let on = |a: &AdvertiseTrustStoreCaNamesEnum| *a == AdvertiseTrustStoreCaNamesEnum::On;
            Some(MutualTls {
                mode: MutualTlsMode::from_api(m.mode()?)?,
                trust_store: m.trust_store_arn().map(str::to_owned),
                ignore_expiry: m.ignore_client_certificate_expiry(),
                advertise_authorities: m.advertise_trust_store_ca_names().map(on),
            })
        }),
        default_actions: actions::observed(listener.default_actions()),
        client_secrets: None,
        rules: None,
        idle_timeout: None,
        reset_when_idle: None,
        response_headers: None,
        request_headers: None,
        tags: None,
    }
}

fn certificate(arn: String) -> ApiCertificate {
    ApiCertificate::builder().certificate_arn(arn).build()
}

fn default_certificate(want: &Create<'_, Spec>) -> Result<Option<Vec<ApiCertificate>>, ApiError> {
    want.spec.certificate.as_ref().map(|c| Ok(vec![certificate(want.id(c)?)])).transpose()
}

fn mutual(spec: &Spec) -> Option<MutualAuthenticationAttributes> {
    let mutual = spec.mutual_tls.as_ref()?;
    let advertise = mutual
        .advertise_authorities
        .map(|on| if on { AdvertiseTrustStoreCaNamesEnum::On } else { AdvertiseTrustStoreCaNamesEnum::Off });
    Some(
        MutualAuthenticationAttributes::builder()
            .mode(mutual.mode.api())
            .set_trust_store_arn(mutual.trust_store.clone())
            .set_ignore_client_certificate_expiry(mutual.ignore_expiry)
            .set_advertise_trust_store_ca_names(advertise)
            .build(),
    )
}

fn alpn(spec: &Spec) -> Option<Vec<String>> {
    spec.alpn.map(|a| vec![a.api().to_owned()])
}

/// The policy, where the protocol has one.
fn policy(spec: &Spec) -> Option<String> {
    is_secure(spec.protocol).then(|| spec.security_policy.clone())
}

/// Makes a listener with its tags, then its further certificates, attributes and rules.
pub(super) async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
    let spec = want.spec;
    let balancer = want.id(&spec.load_balancer)?;
    let once = cx.once();
    let request = once
        .clients
        .elb
        .create_listener()
        .load_balancer_arn(&balancer)
        .set_port(spec.port)
        .set_protocol(spec.protocol.map(|p| p.api().into()))
        .set_ssl_policy(policy(spec))
        .set_certificates(default_certificate(want)?)
        .set_alpn_policy(alpn(spec))
        .set_mutual_authentication(mutual(spec))
        .set_default_actions(Some(actions::to_api(want, &spec.default_actions)?))
        .set_tags(Some(to_tags(want.tags)));
    let call = async {
        let answer = once.call("elasticloadbalancing:CreateListener", request.send()).await?;
        Ok(answer.listeners().first().map(arn).unwrap_or_default())
    };
    let arn = create_once::<Listener>(cx, want, Some(&place(&balancer, spec.port)), call).await?;
    check_owner(cx, want.watch, want.tags, &arn).await?;
    if spec.certificates.as_ref().is_some_and(|c| !c.is_empty()) {
        set_certificates(cx, want, &arn).await?;
    }
    set_attributes(cx, &arn, pairs(want, &|_| true)?).await?;
    if spec.rules.as_ref().is_some_and(|r| !r.is_empty()) {
        rules::apply(cx, want, &arn, None, false).await?;
    }
    Ok(arn)
}

/// What one call takes, then certificates, attributes, rules.
pub(super) async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let (want, spec) = (&update.want, update.want.spec);
    let secrets = update.changed("client_secrets");
    let own = ["port", "protocol", "security_policy", "certificate", "alpn", "mutual_tls", "default_actions"];
    if own.into_iter().any(|f| update.changed(f)) || secrets && actions::has_secret(&spec.default_actions) {
        // Another protocol needs all that belongs to it.
        let given = |field: &str| update.changed("protocol") || update.changed(field);
        let actions = given("default_actions") || secrets;
        let request = cx
            .clients
            .elb
            .modify_listener()
            .listener_arn(update.id)
            .set_port(spec.port.filter(|_| update.changed("port")))
            .set_protocol(spec.protocol.filter(|_| update.changed("protocol")).map(|p| p.api().into()))
            .set_ssl_policy(policy(spec).filter(|_| given("security_policy")))
            .set_certificates(default_certificate(want)?.filter(|_| given("certificate")))
            .set_alpn_policy(alpn(spec).filter(|_| given("alpn")))
            .set_mutual_authentication(mutual(spec).filter(|_| given("mutual_tls")))
            .set_default_actions(
                actions.then(|| super::listener_actions::to_api(want, &spec.default_actions)).transpose()?,
            );
        cx.call("elasticloadbalancing:ModifyListener", request.send()).await?;
    }
    if update.changed("certificates") || update.changed("certificate") && spec.certificates.is_some() {
        set_certificates(cx, want, update.id).await?;
    }
    set_attributes(cx, update.id, pairs(want, &|field| update.changed(field))?).await?;
    let secret_rules = || spec.rules.iter().flatten().any(|(_, rule)| actions::has_secret(&rule.actions));
    if update.changed("rules") || secrets && secret_rules() {
        rules::apply(cx, want, update.id, update.before.rules.as_ref(), secrets).await?;
    }
    Ok(())
}

/// New certificates come before others go.
async fn set_certificates(cx: &Context, want: &Create<'_, Spec>, arn: &str) -> Result<(), ApiError> {
    let wanted = want.ids(want.spec.certificates.as_deref().unwrap_or_default())?;
    let have = certificates(cx, arn).await?;
    let without = |list: &[String], other: &[String]| {
        let rest = list.iter().filter(|c| !other.contains(c)).cloned().map(certificate);
        Some(rest.collect::<Vec<_>>()).filter(|l| !l.is_empty())
    };
    if let Some(add) = without(&wanted, &have) {
        let request = cx.clients.elb.add_listener_certificates().listener_arn(arn).set_certificates(Some(add));
        cx.call("elasticloadbalancing:AddListenerCertificates", request.send()).await?;
    }
    if let Some(remove) = without(&have, &wanted) {
        let request = cx.clients.elb.remove_listener_certificates().listener_arn(arn).set_certificates(Some(remove));
        cx.call("elasticloadbalancing:RemoveListenerCertificates", request.send()).await?;
    }
    Ok(())
}

/// Attributes to write, of the fields that are chosen.
fn pairs(want: &Create<'_, Spec>, chosen: &dyn Fn(&str) -> bool) -> Result<Vec<(&'static str, String)>, ApiError> {
    let unfit = |e: serde_json::Error| ApiError::new(DESCRIBE, ErrorClass::Invalid, e.to_string());
    let tree = serde_json::to_value(want.spec).map_err(unfit)?;
    attributes::to_write(TABLE, &tree, chosen, &|_| Ok::<_, ApiError>(String::new()))
}

async fn set_attributes(cx: &Context, arn: &str, pairs: Vec<(&'static str, String)>) -> Result<(), ApiError> {
    if pairs.is_empty() {
        return Ok(());
    }
    let pair = |(key, value): (&str, String)| ListenerAttribute::builder().key(key).value(value).build();
    let request = cx
        .clients
        .elb
        .modify_listener_attributes()
        .listener_arn(arn)
        .set_attributes(Some(pairs.into_iter().map(pair).collect()));
    cx.call("elasticloadbalancing:ModifyListenerAttributes", request.send()).await.map(drop)
}

#[cfg(test)]
mod tests;
