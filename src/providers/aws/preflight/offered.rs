//! Zones that can be used, and instance types that they offer.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{AvailabilityZoneState, Filter, LocationType};
use futures::future::join_all;

use super::{Checks, unchecked};
use crate::model::Address;
use crate::model::cloud::ApiError;
use crate::model::plan::Operation;
use crate::model::preflight::{Check, Preflight};
use crate::providers::aws::client::Context;

/// Values that a filter takes at most (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Filter.html>).
const VALUES: usize = 200;

pub(super) async fn check(checks: Checks<'_>) -> Preflight {
    Preflight::joined(join_all(checks.question.regions().into_iter().map(|region| of_region(checks, region))).await)
}

async fn of_region(checks: Checks<'_>, region: &str) -> Preflight {
    let cx = checks.session.context(region);
    let (zones, types) = futures::join!(zones(checks, &cx), types(checks, &cx));
    Preflight::joined([zones, types])
}

/// The zones that new objects stand in, with their addresses.
fn wanted_zones<'a>(checks: Checks<'a>, region: &str) -> BTreeMap<&'a str, BTreeSet<Address>> {
    let mut wanted: BTreeMap<&str, BTreeSet<Address>> = BTreeMap::new();
    for change in checks.question.created().filter(|c| c.region == region) {
        let field = change.kind.facts.zone_field;
        if let Some(zone) = field.and_then(|field| checks.question.wanted(change).text(field)) {
            wanted.entry(zone).or_default().insert(change.address.clone());
        }
    }
    wanted
}

async fn zones(checks: Checks<'_>, cx: &Context) -> Preflight {
    let mut answer = Preflight::default();
    let wanted = wanted_zones(checks, &cx.region);
    if wanted.is_empty() {
        return answer;
    }
    // Also those that the account has not opted into: then it can be said what is missing.
    let request = cx.ec2().describe_availability_zones().all_availability_zones(true);
    let there = match cx.call("ec2:DescribeAvailabilityZones", request.send()).await {
        Ok(there) => there,
        Err(e) => {
            answer.unchecked.push(unchecked(&format!("zones of {}", cx.region), &e));
            return answer;
        }
    };
    let region = &cx.region;
    for (zone, addresses) in wanted {
        let Some(found) = there.availability_zones().iter().find(|z| z.zone_name() == Some(zone)) else {
            let names: Vec<&str> = there.availability_zones().iter().filter_map(|z| z.zone_name()).collect();
            let help = format!("zones of {region} are {}", names.join(", "));
            answer.add(Check::Zone, addresses, true, format!("there is no zone {zone} in {region}"), help);
            continue;
        };
        let closed = found.opt_in_status().is_some_and(|s| s.as_str() == "not-opted-in");
        let state = found.state().filter(|s| **s != AvailabilityZoneState::Available);
        if closed {
            let message = format!("the account has not opted into zone {zone}");
            let group = found.group_name().unwrap_or(zone);
            let help = format!(
                "opt in: aws ec2 modify-availability-zone-group --group-name {group} --opt-in-status opted-in --region {region}"
            );
            answer.add(Check::Zone, addresses, true, message, help);
        } else if let Some(state) = state {
            let told: Vec<&str> = found.messages().iter().filter_map(|m| m.message()).collect();
            let why = if told.is_empty() { String::new() } else { format!(": {}", told.join(" ")) };
            // Not certain to fail, and what the other zones are to get must not wait for it.
            let help = "wait, or use another zone";
            answer.add(Check::Zone, addresses, false, format!("zone {zone} is {}{why}", state.as_str()), help);
        }
    }
    answer
}

/// Servers of one resource: types, zones, whether each zone must offer them.
struct Wanted<'a> {
    address: &'a Address,
    types: Vec<&'a str>,
    zones: Vec<&'a str>,
    everywhere: bool,
}

async fn types(checks: Checks<'_>, cx: &Context) -> Preflight {
    let mut answer = Preflight::default();
    let mut wanted = Vec::new();
    for change in checks.question.changes.iter().filter(|c| c.region == cx.region) {
        let handler = checks.handlers.get(change.kind.name).filter(|_| change.operation != Operation::Delete);
        if let Some(servers) = handler.and_then(|h| h.servers(&checks.question.wanted(change))) {
            let (types, zones, everywhere) = (servers.types, servers.zones, servers.everywhere);
            wanted.push(Wanted { address: change.address, types, zones, everywhere });
        }
    }
    let all: BTreeSet<&str> = wanted.iter().flat_map(|w| w.types.iter().copied()).collect();
    if all.is_empty() {
        return answer;
    }
    let offered = match offers(cx, &all).await {
        Ok(offered) => offered,
        Err(e) => {
            answer.unchecked.push(unchecked(&format!("instance types of {}", cx.region), &e));
            return answer;
        }
    };
    for wanted in &wanted {
        for instance_type in &wanted.types {
            not_offered(&cx.region, wanted, instance_type, &offered, &mut answer);
        }
    }
    merge(&mut answer);
    answer
}

/// Zones by the types that they offer.
async fn offers(cx: &Context, types: &BTreeSet<&str>) -> Result<BTreeMap<String, BTreeSet<String>>, ApiError> {
    let mut offered: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let types: Vec<String> = types.iter().map(|t| (*t).to_owned()).collect();
    for types in types.chunks(VALUES) {
        let filter = Filter::builder().name("instance-type").set_values(Some(types.to_vec())).build();
        let request = cx
            .ec2()
            .describe_instance_type_offerings()
            .location_type(LocationType::AvailabilityZone)
            .filters(filter)
            .max_results(1000);
        let pages = cx.pages("ec2:DescribeInstanceTypeOfferings", request.into_paginator().send()).await?;
        for offer in pages.iter().flat_map(|p| p.instance_type_offerings()) {
            if let (Some(instance_type), Some(zone)) = (offer.instance_type(), offer.location()) {
                offered.entry(instance_type.as_str().to_owned()).or_default().insert(zone.to_owned());
            }
        }
    }
    Ok(offered)
}

fn not_offered(
    region: &str,
    wanted: &Wanted<'_>,
    instance_type: &str,
    offered: &BTreeMap<String, BTreeSet<String>>,
    answer: &mut Preflight,
) {
    let address = || [wanted.address.clone()];
    // A type among several that can't be had is left out by the group.
    let only = wanted.types.len() == 1;
    let Some(zones) = offered.get(instance_type) else {
        let message = format!("no zone of {region} offers {instance_type}");
        answer.add(Check::InstanceType, address(), only, message, "use another instance type");
        return;
    };
    let without: BTreeSet<&str> = wanted.zones.iter().copied().filter(|z| !zones.contains(*z)).collect();
    if without.is_empty() {
        return;
    }
    let none = wanted.zones.iter().all(|z| !zones.contains(*z));
    let without: Vec<&str> = without.into_iter().collect();
    let message = format!("{instance_type} is not offered in {}", without.join(", "));
    let zones: Vec<&str> = zones.iter().map(String::as_str).collect();
    let help = format!("use another instance type, or subnets in {}", zones.join(", "));
    answer.add(Check::InstanceType, address(), only && (wanted.everywhere || none), message, help);
}

/// The same of several resources becomes one finding.
fn merge(answer: &mut Preflight) {
    let mut all: BTreeMap<(String, bool), crate::model::preflight::Finding> = BTreeMap::new();
    for finding in answer.findings.drain(..) {
        let key = (finding.message.clone(), finding.blocks);
        match all.get_mut(&key) {
            Some(there) => {
                there.addresses.extend(finding.addresses);
                there.addresses.sort();
            }
            None => {
                all.insert(key, finding);
            }
        }
    }
    answer.findings.extend(all.into_values());
}
