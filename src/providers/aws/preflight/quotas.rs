//! Quotas: what the plan takes, what is used already, what the account may have.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;

use super::kind::{Quota, Tally, Use};
use super::{Checks, unchecked, vcpus};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::plan::Operation;
use crate::model::preflight::{Change, Check, Demand, Demands, Preflight, Room};
use crate::providers::aws::client::{Context, identity_region};

/// A quota's code and what it is for.
type Key = (&'static str, String);

/// What a region's plan takes of quotas.
#[derive(Default)]
struct Plan {
    quotas: BTreeMap<&'static str, &'static Quota>,
    demands: Demands<Key>,
    /// Kinds that take from a quota, with whether all objects were counted.
    kinds: BTreeMap<&'static str, BTreeSet<&'static str>>,
    limits: BTreeMap<&'static str, u64>,
    /// Quotas of which only what the environment owns was counted.
    own: BTreeSet<&'static str>,
    /// Quotas whose use could not be read.
    unknown: BTreeSet<&'static str>,
    answer: Preflight,
}

pub(super) async fn check(checks: Checks<'_>) -> Preflight {
    Preflight::joined(join_all(checks.question.regions().into_iter().map(|region| of_region(checks, region))).await)
}

async fn of_region(checks: Checks<'_>, region: &str) -> Preflight {
    let cx = checks.session.context(region);
    let mut plan = taken(checks, region);
    let (counted, servers) = futures::join!(count(checks, &cx, &plan), vcpus::demand(checks, &cx));
    for (kind, tally) in counted {
        plan.add(checks, region, kind, tally);
    }
    match servers {
        Ok((demand, notes)) => {
            plan.answer.unchecked.extend(notes);
            if demand.taken > 0 {
                plan.quotas.insert(vcpus::STANDARD.code, &vcpus::STANDARD);
                plan.demands.insert((vcpus::STANDARD.code, String::new()), demand);
            }
        }
        Err(e) => plan.answer.unchecked.push(unchecked(&format!("quota of vCPUs in {region}"), &e)),
    }
    plan.read_limits(&cx, &checks.session.context(identity_region(region))).await;
    plan.judge(region)
}

/// What the plan takes and gives back.
fn taken(checks: Checks<'_>, region: &str) -> Plan {
    let mut plan = Plan::default();
    for change in checks.question.changes.iter().filter(|c| c.region == region) {
        let Some(handler) = checks.handlers.get(change.kind.name) else { continue };
        let after = if change.operation == Operation::Delete {
            Vec::new()
        } else {
            handler.uses(&checks.question.wanted(change))
        };
        let old = change.before.filter(|_| change.operation != Operation::Create);
        let before = old.map(|object| handler.uses(&checks.question.old(object))).unwrap_or_default();
        plan.step(change, &before, &after);
    }
    plan.demands.retain(|_, demand| demand.taken > 0);
    let taken: BTreeSet<&str> = plan.demands.keys().map(|(code, _)| *code).collect();
    plan.quotas.retain(|code, _| taken.contains(code));
    plan.kinds.retain(|_, codes| codes.iter().any(|code| taken.contains(code)));
    plan
}

/// What is used of the quotas of each kind that takes from one, whoever owns it.
async fn count(checks: Checks<'_>, cx: &Context, plan: &Plan) -> Vec<(&'static str, Result<Option<Tally>, ApiError>)> {
    let all = plan.kinds.keys().filter_map(|kind| Some((*kind, checks.handlers.get(kind)?)));
    join_all(all.map(async |(kind, handler)| (kind, handler.tally(cx).await))).await
}

impl Plan {
    fn step(&mut self, change: &Change<'_>, before: &[Use], after: &[Use]) {
        let mut amounts: BTreeMap<Key, (u64, u64)> = BTreeMap::new();
        for (uses, new) in [(before, false), (after, true)] {
            for one in uses {
                let entry = amounts.entry((one.quota.code, one.scope.clone())).or_default();
                *(if new { &mut entry.1 } else { &mut entry.0 }) += one.amount;
                self.quotas.insert(one.quota.code, one.quota);
                self.kinds.entry(change.kind.name).or_default().insert(one.quota.code);
            }
        }
        for (key, (before, after)) in amounts {
            self.demands.entry(key).or_default().step(change.address, before, after, change.first);
        }
    }

    /// Adds what is used.
    fn add(&mut self, checks: Checks<'_>, region: &str, kind: &'static str, tally: Result<Option<Tally>, ApiError>) {
        let codes = self.kinds.get(kind).cloned().unwrap_or_default();
        let tally = match tally {
            Ok(Some(tally)) => tally,
            Ok(None) => {
                self.own.extend(&codes);
                let own = checks.question.objects.iter().filter(|o| o.kind == kind && o.region == region);
                let handler = checks.handlers.get(kind);
                Tally::of(own.flat_map(|o| handler.map(|h| h.uses(&checks.question.old(o))).unwrap_or_default()))
            }
            Err(e) => {
                self.unknown.extend(&codes);
                self.answer.unchecked.push(unchecked(&format!("quotas of kind {kind} in {region}"), &e));
                return;
            }
        };
        self.limits.extend(tally.limits);
        for used in tally.uses {
            if let Some(demand) = self.demands.get_mut(&(used.quota.code, used.scope)) {
                demand.used += used.amount;
            }
        }
    }

    /// Reads the limits that nobody has told yet: those of the account, and for what it has none of its own, AWS's.
    /// `main` is the region where the quotas of the whole account are kept.
    async fn read_limits(&mut self, cx: &Context, main: &Context) {
        let wanted =
            self.quotas.values().filter(|q| !self.limits.contains_key(q.code) && !self.unknown.contains(q.code));
        let mut services: BTreeMap<&str, Vec<&'static Quota>> = BTreeMap::new();
        for quota in wanted {
            services.entry(quota.service).or_default().push(quota);
        }
        let read = services.iter().map(async |(service, quotas)| {
            let cx = if *service == "route53" { main } else { cx };
            (*service, limits(cx, service, quotas).await)
        });
        for (service, read) in join_all(read).await {
            match read {
                Ok((found, notes)) => {
                    self.limits.extend(found);
                    self.answer.unchecked.extend(notes);
                }
                Err(e) => self.answer.unchecked.push(unchecked(&format!("quotas of {service} in {}", cx.region), &e)),
            }
        }
    }

    fn judge(mut self, region: &str) -> Preflight {
        for ((code, scope), demand) in &self.demands {
            let (Some(quota), Some(limit)) = (self.quotas.get(code), self.limits.get(code)) else { continue };
            if self.unknown.contains(code) {
                continue;
            }
            let (message, help) = words(quota, scope, region, *limit, demand, self.own.contains(code));
            let blocks = match demand.room(*limit) {
                Room::Enough => continue,
                Room::InTime => false,
                Room::Lacking => true,
            };
            let message = if blocks { message } else { format!("{message}, perhaps too late") };
            self.answer.add(Check::Quota, demand.addresses.iter().cloned(), blocks, message, help);
        }
        self.answer
    }
}

fn words(quota: &Quota, scope: &str, region: &str, limit: u64, demand: &Demand, own: bool) -> (String, String) {
    let place = if scope.is_empty() { region } else { scope };
    let counted = if own { " (only what this environment owns was counted)" } else { "" };
    let message = format!("{}: at most {limit} for {place}; {}{counted}", quota.name, demand.words(quota.unit));
    let region = if ["iam", "route53"].contains(&quota.service) { identity_region(region) } else { region };
    let help = format!(
        "ask for more: aws service-quotas request-service-quota-increase --service-code {} --quota-code {} \
         --desired-value {} --region {region}",
        quota.service,
        quota.code,
        demand.needed()
    );
    (message, help)
}

/// Limits by code, and what could not be read.
type Limits = (BTreeMap<&'static str, u64>, Vec<String>);

async fn limits(cx: &Context, service: &str, quotas: &[&'static Quota]) -> Result<Limits, ApiError> {
    let client = &cx.clients.quotas;
    let request = client.list_service_quotas().service_code(service).max_results(100);
    let pages = cx.pages("servicequotas:ListServiceQuotas", request.into_paginator().send()).await?;
    let applied: BTreeMap<&str, f64> =
        pages.iter().flat_map(|p| p.quotas()).filter_map(|q| Some((q.quota_code()?, q.value()?))).collect();
    let (mut found, mut notes) = (BTreeMap::new(), Vec::new());
    for quota in quotas {
        let value = match applied.get(quota.code) {
            Some(value) => Some(*value),
            // What nobody has raised is not listed for every service.
            None => {
                let request = client.get_aws_default_service_quota().service_code(service).quota_code(quota.code);
                match cx.call("servicequotas:GetAWSDefaultServiceQuota", request.send()).await {
                    Ok(answer) => answer.quota().and_then(|q| q.value()),
                    Err(e) if e.class == ErrorClass::NotFound => None,
                    Err(e) => return Err(e),
                }
            }
        };
        match value {
            Some(value) => {
                found.insert(quota.code, whole(value));
            }
            None => notes.push(format!("quota {} in {}: the service does not tell it", quota.name, cx.region)),
        }
    }
    Ok((found, notes))
}

/// A quota's value as a whole number.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast saturates, and quotas are not negative"
)]
fn whole(value: f64) -> u64 {
    value as u64
}
