//! The calls of the kind `target_group`.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::{
    Matcher, TargetDescription, TargetGroup as ApiGroup, TargetGroupAttribute, TargetHealthStateEnum,
};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use super::target_group::{
    Family, HealthCheck, HealthCheckProtocol, Protocol, ProtocolVersion, Spec, Target, TargetGroup, TargetType,
};
use super::target_group_parts::{FIELDS, TABLE};
use super::{
    AT_ONCE, TAGS_AT_ONCE, attributes, check_owner, from_seconds, full_name, may_be_ours, seconds, tags_of, to_tags,
};
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::observed::Status;
use crate::model::types::Ref;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::ec2::attributes as to_attributes;
use crate::providers::aws::kind::{Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::tagging;

/// Longest time until a listener that was deleted just now lets go of its groups.
const FREE_WITHIN: Duration = Duration::from_secs(120);
/// Longest time until an application load balancer, which may be made in the same run, has the listener that a group needs.
const LISTENER_WITHIN: Duration = Duration::from_secs(300);
const DESCRIBE: &str = "elasticloadbalancing:DescribeTargetGroups";

/// All groups of the region.
pub(super) async fn all(cx: &Context) -> Result<Vec<ApiGroup>, ApiError> {
    let request = cx.clients.elb.describe_target_groups().page_size(400);
    let pages = cx.pages(DESCRIBE, request.into_paginator().send()).await?;
    Ok(pages.into_iter().flat_map(|p| p.target_groups.unwrap_or_default()).collect())
}

/// Groups by ARN or name. What is not there is left out.
async fn by_ids(cx: &Context, ids: &[String]) -> Result<Vec<ApiGroup>, ApiError> {
    let (arns, names): (Vec<String>, Vec<String>) = ids.iter().cloned().partition(|id| id.starts_with("arn:"));
    let mut found = Vec::new();
    for some in arns.chunks(TAGS_AT_ONCE) {
        match describe(cx, some, &[]).await? {
            Some(groups) => found.extend(groups),
            // One that is not there makes the whole call fail.
            None => {
                for arn in some.iter().filter(|_| some.len() > 1) {
                    found.extend(describe(cx, std::slice::from_ref(arn), &[]).await?.unwrap_or_default());
                }
            }
        }
    }
    for name in &names {
        found.extend(describe(cx, &[], std::slice::from_ref(name)).await?.unwrap_or_default());
    }
    Ok(found)
}

/// None if one of them is not there.
async fn describe(cx: &Context, arns: &[String], names: &[String]) -> Result<Option<Vec<ApiGroup>>, ApiError> {
    let some = |list: &[String]| Some(list.to_vec()).filter(|l| !l.is_empty());
    let request = cx.clients.elb.describe_target_groups().set_target_group_arns(some(arns)).set_names(some(names));
    match cx.call(DESCRIBE, request.send()).await {
        Ok(answer) => Ok(Some(answer.target_groups.unwrap_or_default())),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn arn(group: &ApiGroup) -> String {
    group.target_group_arn().unwrap_or_default().to_owned()
}

/// Reads groups in pages, their tags 20 a call, and attributes and targets where they are asked for.
pub(super) async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
    let selection = &read.selection;
    let groups = if let Selection::Ids(ids) = selection {
        by_ids(cx, ids).await?
    } else {
        let index = tagging::of_service(cx, "elasticloadbalancing:targetgroup", selection);
        let (groups, index) = futures::try_join!(all(cx), index)?;
        let candidate = |g: &ApiGroup| {
            index.contains_key(g.target_group_arn().unwrap_or_default())
                || may_be_ours(selection, g.target_group_name().unwrap_or_default())
        };
        groups.into_iter().filter(candidate).collect()
    };
    let mut tags = tags_of(cx, &groups.iter().map(arn).collect::<Vec<_>>()).await?;
    let by_id = matches!(selection, Selection::Ids(_));
    let chosen = groups.into_iter().filter_map(|group| {
        let arn = arn(&group);
        let tags = tags.remove(&arn)?;
        (by_id || selection.matches(&arn, &tags)).then_some((group, tags))
    });
    let calls = chosen.map(|(group, tags)| found(cx, read, group, tags));
    let all: Vec<Option<Found<Spec>>> = stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}

/// A group with what is asked for of it; none if it went meanwhile.
async fn found(cx: &Context, read: &Read<'_>, group: ApiGroup, tags: Tags) -> Result<Option<Found<Spec>>, ApiError> {
    let arn = arn(&group);
    let mut spec = observed(&group);
    let mut unread = Vec::new();
    if FIELDS.iter().any(|field| read.wants(field, &tags)) {
        let request = cx.clients.elb.describe_target_group_attributes().target_group_arn(&arn);
        let answer = match cx.call("elasticloadbalancing:DescribeTargetGroupAttributes", request.send()).await {
            Err(e) if e.class == ErrorClass::NotFound => return Ok(None),
            other => other?,
        };
        let pair = |a: &TargetGroupAttribute| Some((a.key()?.to_owned(), a.value()?.to_owned()));
        spec = with_attributes(spec, &answer.attributes().iter().filter_map(pair).collect())?;
    } else {
        unread.extend(FIELDS);
    }
    if read.wants("targets", &tags) {
        match targets(cx, &arn).await {
            Err(e) if e.class == ErrorClass::NotFound => return Ok(None),
            other => spec.targets = Some(other?.iter().map(|t| target(spec.target_type, t)).collect()),
        }
    } else {
        unread.push("targets");
    }
    let name = group.target_group_name().unwrap_or_default();
    Ok(Some(Found {
        identifiers: vec![name.to_owned()],
        attributes: to_attributes([
            ("id", json!(arn)),
            ("arn", json!(arn)),
            ("name", json!(name)),
            ("full_name", json!(full_name(&arn))),
        ]),
        spec,
        status: Status::Ready,
        tags,
        unread,
        id: arn,
    }))
}

fn with_attributes(spec: Spec, values: &BTreeMap<String, String>) -> Result<Spec, ApiError> {
    let unfit = |e: serde_json::Error| ApiError::new(DESCRIBE, ErrorClass::Other, format!("attributes: {e}"));
    let mut tree = serde_json::to_value(&spec).map_err(unfit)?;
    attributes::observe(TABLE, values, &mut tree);
    serde_json::from_value(tree).map_err(unfit)
}

fn observed(group: &ApiGroup) -> Spec {
    let codes = group.matcher().and_then(|m| m.http_code().or(m.grpc_code()));
    let text = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    Spec {
        name: text(group.target_group_name()),
        vpc: group.vpc_id().filter(|v| !v.is_empty()).map(Ref::id),
        protocol: group.protocol().and_then(|p| Protocol::from_api(p.as_str())),
        protocol_version: group.protocol_version().and_then(ProtocolVersion::from_api),
        port: group.port(),
        target_type: group.target_type().and_then(|t| TargetType::from_api(t.as_str())),
        ip_address_type: group.ip_address_type().and_then(|t| Family::from_api(t.as_str())),
        control_port: group.target_control_port(),
        health_check: Some(HealthCheck {
            enabled: group.health_check_enabled(),
            protocol: group.health_check_protocol().and_then(|p| HealthCheckProtocol::from_api(p.as_str())),
            port: text(group.health_check_port()),
            path: text(group.health_check_path()),
            codes: text(codes),
            interval: from_seconds(group.health_check_interval_seconds()),
            timeout: from_seconds(group.health_check_timeout_seconds()),
            healthy_after: group.healthy_threshold_count(),
            unhealthy_after: group.unhealthy_threshold_count(),
        }),
        ..Spec::default()
    }
}

/// What is registered. Targets that are leaving do not count.
async fn targets(cx: &Context, arn: &str) -> Result<Vec<TargetDescription>, ApiError> {
    let request = cx.clients.elb.describe_target_health().target_group_arn(arn);
    let answer = cx.call("elasticloadbalancing:DescribeTargetHealth", request.send()).await?;
    let all = answer.target_health_descriptions.unwrap_or_default();
    let leaving = Some(TargetHealthStateEnum::Draining);
    Ok(all
        .into_iter()
        .filter(|t| t.target_health().and_then(|h| h.state()) != leaving.as_ref())
        .filter_map(|t| t.target)
        .collect())
}

fn target(of: Option<TargetType>, target: &TargetDescription) -> Target {
    let id = target.id().unwrap_or_default().to_owned();
    let mut observed =
        Target { port: target.port(), zone: target.availability_zone().map(str::to_owned), ..Target::default() };
    match of {
        None | Some(TargetType::Instance) => observed.instance = Some(Ref::id(id)),
        Some(TargetType::Ip) => observed.ip = Some(id),
        Some(TargetType::Lambda) => observed.function = Some(id),
        Some(TargetType::Alb) => observed.load_balancer = Some(Ref::id(id)),
    }
    observed
}

fn matcher(spec: &Spec) -> Option<Matcher> {
    let codes = spec.health_check.as_ref()?.codes.clone()?;
    Some(match spec.protocol_version {
        Some(ProtocolVersion::Grpc) => Matcher::builder().grpc_code(codes).build(),
        Some(ProtocolVersion::Http1 | ProtocolVersion::Http2) | None => Matcher::builder().http_code(codes).build(),
    })
}

/// Makes a group with its tags, then its attributes and targets.
pub(super) async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
    let spec = want.spec;
    let name = spec.name.as_deref().unwrap_or(want.name);
    let check = spec.health_check.clone().unwrap_or_default();
    let once = cx.once();
    let request = once
        .clients
        .elb
        .create_target_group()
        .name(name)
        .set_vpc_id(spec.vpc.as_ref().map(|v| want.id(v)).transpose()?)
        .set_protocol(spec.protocol.map(|p| p.api().into()))
        .set_protocol_version(spec.protocol_version.map(|v| v.api().to_owned()))
        .set_port(spec.port)
        .set_target_type(spec.target_type.map(|t| t.api().into()))
        .set_ip_address_type(spec.ip_address_type.map(|t| t.api().into()))
        .set_target_control_port(spec.control_port)
        .set_health_check_enabled(check.enabled)
        .set_health_check_protocol(check.protocol.map(|p| p.api().into()))
        .set_health_check_port(check.port.clone())
        .set_health_check_path(check.path.clone())
        .set_matcher(matcher(spec))
        .set_health_check_interval_seconds(seconds(check.interval.as_ref()))
        .set_health_check_timeout_seconds(seconds(check.timeout.as_ref()))
        .set_healthy_threshold_count(check.healthy_after)
        .set_unhealthy_threshold_count(check.unhealthy_after)
        .set_tags(Some(to_tags(want.tags)));
    let call = async {
        let answer = once.call("elasticloadbalancing:CreateTargetGroup", request.send()).await?;
        Ok(answer.target_groups().first().map(arn).unwrap_or_default())
    };
    let arn = create_once::<TargetGroup>(cx, want, Some(name), call).await?;
    check_owner(cx, want.watch, want.tags, &arn).await?;
    set_attributes(cx, &arn, pairs(want, &|_| true)?).await?;
    if let Some(list) = spec.targets.as_ref().filter(|t| !t.is_empty()) {
        register(cx, want.watch, &arn, descriptions(want, list)?).await?;
    }
    Ok(arn)
}

/// Health check, attributes, targets.
pub(super) async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let (want, spec) = (&update.want, update.want.spec);
    if let Some(check) = spec.health_check.as_ref().filter(|_| update.changed("health_check")) {
        let request = cx
            .clients
            .elb
            .modify_target_group()
            .target_group_arn(update.id)
            .set_health_check_enabled(check.enabled)
            .set_health_check_protocol(check.protocol.map(|p| p.api().into()))
            .set_health_check_port(check.port.clone())
            .set_health_check_path(check.path.clone())
            .set_matcher(matcher(spec))
            .set_health_check_interval_seconds(seconds(check.interval.as_ref()))
            .set_health_check_timeout_seconds(seconds(check.timeout.as_ref()))
            .set_healthy_threshold_count(check.healthy_after)
            .set_unhealthy_threshold_count(check.unhealthy_after);
        cx.call("elasticloadbalancing:ModifyTargetGroup", request.send()).await?;
    }
    set_attributes(cx, update.id, pairs(want, &|field| update.changed(field))?).await?;
    if let Some(list) = spec.targets.as_ref().filter(|_| update.changed("targets")) {
        let (add, remove) = difference(descriptions(want, list)?, targets(cx, update.id).await?);
        if !add.is_empty() {
            register(cx, want.watch, update.id, add).await?;
        }
        if !remove.is_empty() {
            let request = cx.clients.elb.deregister_targets().target_group_arn(update.id).set_targets(Some(remove));
            cx.call("elasticloadbalancing:DeregisterTargets", request.send()).await?;
        }
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
    let pair = |(key, value): (&str, String)| TargetGroupAttribute::builder().key(key).value(value).build();
    let request = cx
        .clients
        .elb
        .modify_target_group_attributes()
        .target_group_arn(arn)
        .set_attributes(Some(pairs.into_iter().map(pair).collect()));
    cx.call("elasticloadbalancing:ModifyTargetGroupAttributes", request.send()).await.map(drop)
}

/// Registers targets. An application load balancer is taken once it has a listener at the port.
async fn register(cx: &Context, watch: &dyn Watch, arn: &str, targets: Vec<TargetDescription>) -> Result<(), ApiError> {
    let request = cx.clients.elb.register_targets().target_group_arn(arn).set_targets(Some(targets));
    let call = || cx.call("elasticloadbalancing:RegisterTargets", request.clone().send());
    let what = format!("the target of {arn} to have a listener");
    cx.while_refused(watch, &what, LISTENER_WITHIN, has_no_listener, call).await.map(drop)
}

/// Whether a load balancer can't be a target as long as it has no listener; the API has no code of its own for it.
fn has_no_listener(error: &ApiError) -> bool {
    error.class == ErrorClass::Invalid && error.message.contains("must have at least one listener that matches")
}

/// Targets in the API's form.
fn descriptions(want: &Create<'_, Spec>, targets: &[Target]) -> Result<Vec<TargetDescription>, ApiError> {
    let one = |target: &Target| {
        let instance = target.instance.as_ref().map(|i| want.id(i)).transpose()?;
        let balancer = target.load_balancer.as_ref().map(|b| want.id(b)).transpose()?;
        let id = instance.or(balancer).or(target.ip.clone()).or(target.function.clone());
        let described = TargetDescription::builder()
            .id(id.unwrap_or_default())
            .set_port(target.port)
            .set_availability_zone(target.zone.clone())
            .build();
        Ok(described)
    };
    targets.iter().map(one).collect()
}

/// What must be registered and what must leave. A target without port or zone is there with any.
pub(super) fn difference(
    mut want: Vec<TargetDescription>,
    mut have: Vec<TargetDescription>,
) -> (Vec<TargetDescription>, Vec<TargetDescription>) {
    // Those that say more choose first.
    want.sort_by_key(|t| (t.port().is_none(), t.availability_zone().is_none()));
    want.retain(|t| {
        let there = have.iter().position(|h| {
            h.id() == t.id()
                && (t.port().is_none() || t.port() == h.port())
                && (t.availability_zone().is_none() || t.availability_zone() == h.availability_zone())
        });
        there.map(|at| have.swap_remove(at)).is_none()
    });
    (want, have)
}

/// Deletes a group, once the listeners that were deleted just now have let go of it.
pub(super) async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
    cx.wait(delete.watch, &format!("{} to be used by nothing", delete.id), FREE_WITHIN, || async {
        let request = cx.clients.elb.delete_target_group().target_group_arn(delete.id);
        match cx.call("elasticloadbalancing:DeleteTargetGroup", request.send()).await {
            Ok(_) => Ok(Look::Done(())),
            Err(e) if e.code.as_deref() == Some("ResourceInUse") => Ok(Look::Not(e.message)),
            Err(e) => Err(e),
        }
    })
    .await
}

#[cfg(test)]
mod tests;
