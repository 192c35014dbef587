//! The calls of the kind `load_balancer`.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::{
    IpamPools, LoadBalancer as ApiBalancer, LoadBalancerAttribute, LoadBalancerStateEnum, RemoveIpamPoolEnum,
    SubnetMapping as ApiMapping,
};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Value, json};

use super::load_balancer::{LoadBalancer, LoadBalancerAddresses, LoadBalancerType, Scheme, Spec, SubnetMapping};
use super::load_balancer_parts::{FIELDS, TABLE};
use super::{AT_ONCE, TAGS_AT_ONCE, attributes, check_owner, full_name, may_be_ours, tags_of, to_tags};
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::kind::drop_nulls;
use crate::model::observed::Status;
use crate::model::types::Ref;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::ec2::attributes as to_attributes;
use crate::providers::aws::kind::{Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::s3::bucket::Bucket;
use crate::providers::aws::tagging;

/// Longest time until a new load balancer is active; it mostly takes three minutes.
const ACTIVE_WITHIN: Duration = Duration::from_secs(900);
/// Longest time until a deleted load balancer and its network interfaces are gone.
const GONE_WITHIN: Duration = Duration::from_secs(900);
const DESCRIBE: &str = "elasticloadbalancing:DescribeLoadBalancers";
/// What only application load balancers have, and yet is always declared.
const ALWAYS_DECLARED: &str = "drop_invalid_headers";

/// All load balancers of the region.
pub(super) async fn all(cx: &Context) -> Result<Vec<ApiBalancer>, ApiError> {
    let request = cx.clients.elb.describe_load_balancers().page_size(400);
    let pages = cx.pages(DESCRIBE, request.into_paginator().send()).await?;
    Ok(pages.into_iter().flat_map(|p| p.load_balancers.unwrap_or_default()).collect())
}

/// Load balancers by ARN or name. What is not there is left out.
async fn by_ids(cx: &Context, ids: &[String]) -> Result<Vec<ApiBalancer>, ApiError> {
    let (arns, names): (Vec<String>, Vec<String>) = ids.iter().cloned().partition(|id| id.starts_with("arn:"));
    let mut found = Vec::new();
    for some in arns.chunks(TAGS_AT_ONCE) {
        match describe(cx, some, &[]).await? {
            Some(balancers) => found.extend(balancers),
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
async fn describe(cx: &Context, arns: &[String], names: &[String]) -> Result<Option<Vec<ApiBalancer>>, ApiError> {
    let some = |list: &[String]| Some(list.to_vec()).filter(|l| !l.is_empty());
    let request = cx.clients.elb.describe_load_balancers().set_load_balancer_arns(some(arns)).set_names(some(names));
    match cx.call(DESCRIBE, request.send()).await {
        Ok(answer) => Ok(Some(answer.load_balancers.unwrap_or_default())),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn arn(balancer: &ApiBalancer) -> String {
    balancer.load_balancer_arn().unwrap_or_default().to_owned()
}

/// Load balancers that may be ours, of a selection by tags: by their names, or known to the index of tags.
pub(super) async fn candidates(
    cx: &Context,
    selection: &Selection<'_>,
    index: &BTreeMap<String, Tags>,
) -> Result<Vec<ApiBalancer>, ApiError> {
    let candidate = |b: &ApiBalancer| {
        index.contains_key(b.load_balancer_arn().unwrap_or_default())
            || may_be_ours(selection, b.load_balancer_name().unwrap_or_default())
    };
    Ok(all(cx).await?.into_iter().filter(candidate).collect())
}

/// Reads load balancers in pages, their tags 20 a call, and attributes where they are asked for.
pub(super) async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
    let selection = &read.selection;
    let balancers = if let Selection::Ids(ids) = selection {
        by_ids(cx, ids).await?
    } else {
        let index = tagging::of_service(cx, "elasticloadbalancing:loadbalancer", selection).await?;
        candidates(cx, selection, &index).await?
    };
    let mut tags = tags_of(cx, &balancers.iter().map(arn).collect::<Vec<_>>()).await?;
    let by_id = matches!(selection, Selection::Ids(_));
    let chosen = balancers.into_iter().filter_map(|balancer| {
        let arn = arn(&balancer);
        let tags = tags.remove(&arn)?;
        (by_id || selection.matches(&arn, &tags)).then_some((balancer, tags))
    });
    let calls = chosen.map(|(balancer, tags)| found(cx, read, balancer, tags));
    let all: Vec<Option<Found<Spec>>> = stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}

/// A load balancer with what is asked for of it; none if it went meanwhile.
async fn found(
    cx: &Context,
    read: &Read<'_>,
    balancer: ApiBalancer,
    tags: Tags,
) -> Result<Option<Found<Spec>>, ApiError> {
    let arn = arn(&balancer);
    let mut unread = vec!["single_zone"];
    let mut values = None;
    if FIELDS.iter().any(|field| read.wants(field, &tags)) {
        let request = cx.clients.elb.describe_load_balancer_attributes().load_balancer_arn(&arn);
        let answer = match cx.call("elasticloadbalancing:DescribeLoadBalancerAttributes", request.send()).await {
            Err(e) if e.class == ErrorClass::NotFound => return Ok(None),
            other => other?,
        };
        let pair = |a: &LoadBalancerAttribute| Some((a.key()?.to_owned(), a.value()?.to_owned()));
        values = Some(answer.attributes().iter().filter_map(pair).collect::<BTreeMap<_, _>>());
    } else {
        unread.extend(FIELDS);
    }
    let name = balancer.load_balancer_name().unwrap_or_default();
    Ok(Some(Found {
        // Records refer to it by its host name, which the service of names writes in small letters.
        identifiers: std::iter::once(name.to_owned()).chain(balancer.dns_name().map(str::to_lowercase)).collect(),
        attributes: to_attributes([
            ("id", json!(arn)),
            ("arn", json!(arn)),
            ("dns_name", json!(balancer.dns_name())),
            ("zone_id", json!(balancer.canonical_hosted_zone_id())),
            ("name", json!(name)),
            ("full_name", json!(full_name(&arn))),
        ]),
        spec: observed(&balancer, values.as_ref())?,
        status: status(&balancer),
        tags,
        unread,
        id: arn,
    }))
}

fn status(balancer: &ApiBalancer) -> Status {
    let state = balancer.state();
    match state.and_then(|s| s.code()) {
        Some(LoadBalancerStateEnum::Provisioning) => Status::Pending("provisioning".to_owned()),
        Some(LoadBalancerStateEnum::Failed) => {
            Status::Failed(state.and_then(|s| s.reason()).unwrap_or("failed").to_owned())
        }
        _ => Status::Ready,
    }
}

/// Without `values`, attributes were not read.
pub(super) fn observed(balancer: &ApiBalancer, values: Option<&BTreeMap<String, String>>) -> Result<Spec, ApiError> {
    let kind = balancer.r#type().and_then(|t| LoadBalancerType::from_api(t.as_str()));
    let zones = balancer.availability_zones();
    let mappings = zones.iter().map(|zone| {
        let address = zone.load_balancer_addresses().first();
        SubnetMapping {
            subnet: Ref::id(zone.subnet_id().unwrap_or_default()),
            elastic_ip: address.and_then(|a| a.allocation_id()).map(Ref::id),
            private_ip: address.and_then(|a| a.private_ipv4_address()).map(str::to_owned),
            ipv6: zone.load_balancer_addresses().iter().find_map(|a| a.ipv6_address()).map(str::to_owned),
            source_nat_prefix: zone.source_nat_ipv6_prefixes().first().cloned(),
        }
    });
    let on = |word: Option<&str>| word.map(|w| w == "on");
    let mut tree = json!({
        "name": balancer.load_balancer_name(),
        "type": kind,
        "scheme": balancer.scheme().and_then(|s| Scheme::from_api(s.as_str())),
        "subnets": zones.iter().filter_map(|z| Some(json!({"id": z.subnet_id()?}))).collect::<Vec<_>>(),
        "mappings": mappings.collect::<Vec<_>>(),
        "security_groups": balancer.security_groups().iter().map(|id| json!({"id": id})).collect::<Vec<_>>(),
        "check_private_link": on(balancer.enforce_security_group_inbound_rules_on_private_link_traffic()),
        "ip_address_type": balancer.ip_address_type().and_then(|t| LoadBalancerAddresses::from_api(t.as_str())),
        "ipv6_source_nat": on(balancer.enable_prefix_for_ipv6_source_nat().map(|e| e.as_str())),
        "ipam_pool": balancer.ipam_pools().and_then(|p| p.ipv4_ipam_pool_id()).unwrap_or_default(),
        "customer_owned_pool": balancer.customer_owned_ipv4_pool().filter(|p| !p.is_empty()),
    });
    drop_nulls(&mut tree);
    if let Some(values) = values {
        if kind == Some(LoadBalancerType::Application) {
            tree[ALWAYS_DECLARED] = Value::Bool(false);
        }
        attributes::observe(TABLE, values, &mut tree);
        if kind != Some(LoadBalancerType::Application) {
            tree[ALWAYS_DECLARED] = Value::Bool(true);
        }
    }
    serde_json::from_value(tree)
        .map_err(|e| ApiError::new(DESCRIBE, ErrorClass::Other, format!("can't understand what was read: {e}")))
}

fn mappings(want: &Create<'_, Spec>) -> Result<Option<Vec<ApiMapping>>, ApiError> {
    let one = |mapping: &SubnetMapping| {
        Ok(ApiMapping::builder()
            .subnet_id(want.id(&mapping.subnet)?)
            .set_allocation_id(mapping.elastic_ip.as_ref().map(|e| want.id(e)).transpose()?)
            .set_private_ipv4_address(mapping.private_ip.clone())
            .set_ipv6_address(mapping.ipv6.clone())
            .set_source_nat_ipv6_prefix(mapping.source_nat_prefix.clone())
            .build())
    };
    want.spec.mappings.as_ref().map(|all| all.iter().map(one).collect()).transpose()
}

fn subnets(want: &Create<'_, Spec>) -> Result<Option<Vec<String>>, ApiError> {
    want.spec.subnets.as_ref().map(|s| want.ids(s)).transpose()
}

fn groups(want: &Create<'_, Spec>) -> Result<Option<Vec<String>>, ApiError> {
    want.spec.security_groups.as_ref().map(|s| want.ids(s)).transpose()
}

fn pool(spec: &Spec) -> Option<IpamPools> {
    let id = spec.ipam_pool.clone().filter(|id| !id.is_empty())?;
    Some(IpamPools::builder().ipv4_ipam_pool_id(id).build())
}

fn switch(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// Makes a load balancer with its tags, writes the rest, and waits until it is active.
pub(super) async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
    let spec = want.spec;
    let name = spec.name.as_deref().unwrap_or(want.name);
    let once = cx.once();
    let request = once
        .clients
        .elb
        .create_load_balancer()
        .name(name)
        .r#type(spec.kind.api().into())
        .set_scheme(spec.scheme.map(|s| s.api().into()))
        .set_subnets(subnets(want)?)
        .set_subnet_mappings(mappings(want)?)
        .set_security_groups(groups(want)?)
        .set_ip_address_type(spec.ip_address_type.map(|t| t.api().into()))
        .set_customer_owned_ipv4_pool(spec.customer_owned_pool.clone())
        .set_enable_prefix_for_ipv6_source_nat(spec.ipv6_source_nat.map(|on| switch(on).into()))
        .set_ipam_pools(pool(spec))
        .set_tags(Some(to_tags(want.tags)));
    let call = async {
        let answer = once.call("elasticloadbalancing:CreateLoadBalancer", request.send()).await?;
        Ok(answer.load_balancers().first().map(arn).unwrap_or_default())
    };
    let arn = create_once::<LoadBalancer>(cx, want, Some(name), call).await?;
    check_owner(cx, want.watch, want.tags, &arn).await?;
    if spec.check_private_link.is_some() {
        set_groups(cx, want, &arn).await?;
    }
    set_attributes(cx, &arn, pairs(want, &|_| true)?).await?;
    active(cx, &arn, want.watch).await?;
    Ok(arn)
}

async fn active(cx: &Context, arn: &str, watch: &dyn Watch) -> Result<(), ApiError> {
    let arns = [arn.to_owned()];
    cx.wait(watch, &format!("{arn} to be active"), ACTIVE_WITHIN, || async {
        let balancer = describe(cx, &arns, &[]).await?.and_then(|b| b.into_iter().next());
        match balancer.as_ref().map(status) {
            Some(Status::Ready) => Ok(Look::Done(())),
            Some(Status::Failed(why)) => {
                let message = format!("{arn} could not be made: {why}");
                Err(ApiError::new("elasticloadbalancing:CreateLoadBalancer", ErrorClass::Other, message))
            }
            Some(Status::Pending(word)) => Ok(Look::Not(word)),
            Some(Status::Deleting) | None => Ok(Look::not(None)),
        }
    })
    .await
}

/// Subnets and kind of addresses, security groups, pool, attributes.
pub(super) async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let (want, spec, client) = (&update.want, update.want.spec, &cx.clients.elb);
    let addresses = spec.ip_address_type.filter(|_| update.changed("ip_address_type")).map(LoadBalancerAddresses::api);
    if ["subnets", "mappings", "ipv6_source_nat"].into_iter().any(|f| update.changed(f)) {
        let request = client
            .set_subnets()
            .load_balancer_arn(update.id)
            .set_subnets(subnets(want)?)
            .set_subnet_mappings(mappings(want)?)
            .set_ip_address_type(addresses.map(Into::into))
            .set_enable_prefix_for_ipv6_source_nat(spec.ipv6_source_nat.map(|on| switch(on).into()));
        cx.call("elasticloadbalancing:SetSubnets", request.send()).await?;
    }
    // Also after the call above: that it takes the kind of addresses, too, is new, and saying it twice is harmless.
    if let Some(addresses) = addresses {
        let request = client.set_ip_address_type().load_balancer_arn(update.id).ip_address_type(addresses.into());
        cx.call("elasticloadbalancing:SetIpAddressType", request.send()).await?;
    }
    if ["security_groups", "check_private_link"].into_iter().any(|f| update.changed(f)) {
        set_groups(cx, want, update.id).await?;
    }
    if update.changed("ipam_pool") {
        let request = client.modify_ip_pools().load_balancer_arn(update.id);
        let request = match pool(spec) {
            Some(pool) => request.ipam_pools(pool),
            None => request.remove_ipam_pools(RemoveIpamPoolEnum::Ipv4),
        };
        cx.call("elasticloadbalancing:ModifyIpPools", request.send()).await?;
    }
    set_attributes(cx, update.id, pairs(want, &|field| update.changed(field))?).await
}

/// Security groups, and whether they are asked about what comes through PrivateLink. The call takes all groups.
async fn set_groups(cx: &Context, want: &Create<'_, Spec>, arn: &str) -> Result<(), ApiError> {
    let groups = match groups(want)? {
        Some(groups) => groups,
        None => {
            let there = describe(cx, &[arn.to_owned()], &[]).await?.and_then(|b| b.into_iter().next());
            there.and_then(|b| b.security_groups).unwrap_or_default()
        }
    };
    let request = cx
        .clients
        .elb
        .set_security_groups()
        .load_balancer_arn(arn)
        .set_security_groups(Some(groups))
        .set_enforce_security_group_inbound_rules_on_private_link_traffic(
            want.spec.check_private_link.map(|on| switch(on).into()),
        );
    cx.call("elasticloadbalancing:SetSecurityGroups", request.send()).await.map(drop)
}

/// Attributes to write, of the fields that are chosen.
fn pairs(want: &Create<'_, Spec>, chosen: &dyn Fn(&str) -> bool) -> Result<Vec<(&'static str, String)>, ApiError> {
    let unfit = |e: serde_json::Error| ApiError::new(DESCRIBE, ErrorClass::Invalid, e.to_string());
    let tree = serde_json::to_value(want.spec).map_err(unfit)?;
    let application = want.spec.kind == LoadBalancerType::Application;
    let chosen = |field: &str| chosen(field) && (application || field != ALWAYS_DECLARED);
    let bucket = |value: &Value| want.id(&serde_json::from_value::<Ref<Bucket>>(value.clone()).map_err(unfit)?);
    attributes::to_write(TABLE, &tree, &chosen, &bucket)
}

async fn set_attributes(cx: &Context, arn: &str, pairs: Vec<(&'static str, String)>) -> Result<(), ApiError> {
    if pairs.is_empty() {
        return Ok(());
    }
    let pair = |(key, value): (&str, String)| LoadBalancerAttribute::builder().key(key).value(value).build();
    let request = cx
        .clients
        .elb
        .modify_load_balancer_attributes()
        .load_balancer_arn(arn)
        .set_attributes(Some(pairs.into_iter().map(pair).collect()));
    cx.call("elasticloadbalancing:ModifyLoadBalancerAttributes", request.send()).await.map(drop)
}

/// Deletes a load balancer, and waits until its network interfaces are gone, too.
pub(super) async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
    let request = cx.clients.elb.delete_load_balancer().load_balancer_arn(delete.id);
    cx.call("elasticloadbalancing:DeleteLoadBalancer", request.send()).await?;
    let arns = [delete.id.to_owned()];
    cx.wait(delete.watch, &format!("{} to be gone", delete.id), GONE_WITHIN, || async {
        let there = describe(cx, &arns, &[]).await?.is_some_and(|b| !b.is_empty());
        Ok(Look::when(!there, Some("still there")))
    })
    .await?;
    let described = format!("ELB {}", full_name(delete.id));
    cx.wait(delete.watch, &format!("network interfaces of {} to be gone", delete.id), GONE_WITHIN, || async {
        let filter = aws_sdk_ec2::types::Filter::builder().name("description").values(&described).build();
        let request = cx.ec2().describe_network_interfaces().filters(filter);
        let left = cx.call("ec2:DescribeNetworkInterfaces", request.send()).await?.network_interfaces().len();
        Ok(Look::when(left == 0, Some(&format!("{left} left"))))
    })
    .await
}

#[cfg(test)]
mod tests;
