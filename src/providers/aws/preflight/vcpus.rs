//! The quota of virtual processors that servers on demand may have.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ec2::types::{Filter, InstanceLifecycleType, InstanceType};

use super::Checks;
use super::kind::{Quota, Servers};
use crate::model::Address;
use crate::model::cloud::ApiError;
use crate::model::plan::Operation;
use crate::model::preflight::Demand;
use crate::providers::aws::client::Context;

/// Types that one call describes at most
/// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeInstanceTypes.html>).
const TYPES: usize = 100;

/// The quota of the families that most servers are of
/// (<https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-quotas.html>).
pub(super) static STANDARD: Quota = Quota {
    service: "ec2",
    code: "L-1216C47A",
    name: "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances",
    unit: "vCPUs",
};

/// Servers of one resource, before and after.
struct Step<'a> {
    address: &'a Address,
    before: Option<Servers<'a>>,
    after: Option<Servers<'a>>,
    first: bool,
}

impl Step<'_> {
    /// Whether more servers may run afterwards.
    fn adds(&self) -> bool {
        self.after != self.before && self.after.as_ref().is_some_and(|after| after.on_demand != Some(0))
    }
}

/// How many processors of the standard families the plan needs in a region, and what was not counted.
///
/// # Errors
/// The API's.
pub(super) async fn demand(checks: Checks<'_>, cx: &Context) -> Result<(Demand, Vec<String>), ApiError> {
    let steps = steps(checks, &cx.region);
    let notes = notes(&steps);
    let mut demand = Demand::default();
    if !steps.iter().any(Step::adds) {
        return Ok((demand, notes));
    }
    let running = running(cx).await?;
    let planned = steps.iter().flat_map(|s| s.before.iter().chain(&s.after)).flat_map(|s| s.types.iter().copied());
    let types: BTreeSet<&str> =
        planned.chain(running.keys().map(String::as_str)).filter(|name| is_standard(name)).collect();
    let sizes = sizes(cx, &types).await?;
    let size = |name: &str| sizes.get(name).copied().unwrap_or(0);
    demand.used = running.iter().map(|(name, count)| count * size(name)).sum();
    for step in &steps {
        let amount = |servers: &Option<Servers<'_>>| {
            let Some(servers) = servers else { return 0 };
            // One of several types: at least so many.
            servers.on_demand.unwrap_or(0) * servers.types.iter().map(|name| size(name)).min().unwrap_or(0)
        };
        demand.step(step.address, amount(&step.before), amount(&step.after), step.first);
    }
    Ok((demand, notes))
}

fn steps<'a>(checks: Checks<'a>, region: &str) -> Vec<Step<'a>> {
    let question = checks.question;
    let here = question.changes.iter().filter(|c| c.region == region);
    let steps = here.filter_map(|change| {
        let handler = checks.handlers.get(change.kind.name)?;
        let new = change.operation != Operation::Delete;
        let old = change.before.filter(|_| change.operation != Operation::Create);
        Some(Step {
            address: change.address,
            before: old.and_then(|object| handler.servers(&question.old(object))),
            after: new.then(|| handler.servers(&question.wanted(change))).flatten(),
            first: change.first,
        })
    });
    steps.collect()
}

/// What is started and not counted.
fn notes(steps: &[Step<'_>]) -> Vec<String> {
    let mut notes = Vec::new();
    for step in steps.iter().filter(|s| s.adds()) {
        let Some(after) = &step.after else { continue };
        if after.on_demand.is_none() {
            notes.push(format!("quota of vCPUs: how many servers of {} are on demand is not known", step.address));
        }
        for other in after.types.iter().filter(|name| !is_standard(name)) {
            notes.push(format!("quota of vCPUs: {other} counts against a quota of its own family"));
        }
    }
    notes
}

/// Whether a type is of the standard families: `m7g.large` is, `mac2.metal`, `g5.xlarge` and `inf2.xlarge` are not.
fn is_standard(instance_type: &str) -> bool {
    let family: String = instance_type.chars().take_while(char::is_ascii_alphabetic).collect();
    ["a", "c", "d", "h", "i", "im", "is", "m", "r", "t", "z"].contains(&family.as_str())
}

/// Servers on demand by type.
async fn running(cx: &Context) -> Result<BTreeMap<String, u64>, ApiError> {
    let state = Filter::builder().name("instance-state-name").values("pending").values("running").build();
    let request = cx.ec2().describe_instances().filters(state).max_results(1000);
    let pages = cx.pages("ec2:DescribeInstances", request.into_paginator().send()).await?;
    let mut running: BTreeMap<String, u64> = BTreeMap::new();
    for instance in pages.iter().flat_map(|p| p.reservations()).flat_map(|r| r.instances()) {
        if instance.instance_lifecycle() == Some(&InstanceLifecycleType::Spot) {
            continue;
        }
        if let Some(instance_type) = instance.instance_type() {
            *running.entry(instance_type.as_str().to_owned()).or_default() += 1;
        }
    }
    Ok(running)
}

/// Processors of each type; one that is not there is left out.
async fn sizes(cx: &Context, types: &BTreeSet<&str>) -> Result<BTreeMap<String, u64>, ApiError> {
    let mut sizes = BTreeMap::new();
    let types: Vec<String> = types.iter().map(|t| (*t).to_owned()).collect();
    for types in types.chunks(TYPES) {
        // By a filter: a type that is not there would fail the whole call.
        let filter = Filter::builder().name("instance-type").set_values(Some(types.to_vec())).build();
        let request = cx.ec2().describe_instance_types().filters(filter).max_results(100);
        let pages = cx.pages("ec2:DescribeInstanceTypes", request.into_paginator().send()).await?;
        for found in pages.iter().flat_map(|p| p.instance_types()) {
            let count = found.v_cpu_info().and_then(|v| v.default_v_cpus()).and_then(|n| u64::try_from(n).ok());
            if let (Some(name), Some(count)) = (found.instance_type().map(InstanceType::as_str), count) {
                sizes.insert(name.to_owned(), count);
            }
        }
    }
    Ok(sizes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_standard_families_count_against_their_quota() {
        for standard in ["t3.micro", "m7g.large", "c6i.metal", "r5.xlarge", "im4gn.large", "i3.large", "z1d.large"] {
            assert!(is_standard(standard), "{standard}");
        }
        for other in [
            "mac2.metal",
            "inf2.xlarge",
            "g5.xlarge",
            "p4d.24xlarge",
            "trn1.2xlarge",
            "hpc7g.4xlarge",
            "x2gd.large",
            "dl1.24xlarge",
            "u-6tb1.metal",
        ] {
            assert!(!is_standard(other), "{other}");
        }
    }
}
