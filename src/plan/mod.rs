//! The planner: a pure function of desired, observed, last applied and now.
//!
//! | file | decides |
//! |---|---|
//! | `world` | which object stands at which address, and what could not be read |
//! | `resolve` | what is known before apply: attributes, lookups, fingerprints |
//! | `diff` | how two trees differ, by schema |
//! | `classify` | what happens to each declared resource, in the order of references |
//! | `declared` | what the files said, as digests: whether a saved plan still fits them |
//! | `gone` | what goes, who refers to it, and what is held because of that |
//! | `guards` | what data goes, and what must not go: protected objects, keys in use |
//! | `drift` | what was changed outside, and who caused a difference |
//! | `interrupted` | what an interrupted apply has left |
//! | `rollback` | what brings back what was last applied, after a failed apply |
//! | `report` | the actions as the plan shows them: reason, impact, changes |
//! | `order` | the steps |
//! | `mask` | that no secret is in any of it |
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

mod classify;
pub mod declared;
mod diff;
mod drift;
mod gone;
mod guards;
mod interrupted;
mod mask;
mod order;
mod report;
mod resolve;
pub mod rollback;
mod tree;
mod world;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::graph::Graph;
use crate::model::Address;
use crate::model::desired::{Desired, Resource};
use crate::model::kind::Kinds;
use crate::model::observed::Observed;
use crate::model::plan::{ActionKind, FORMAT, Held, Interrupted, Plan, Refusal, Summary};
use crate::model::record::Record;
use crate::model::value;

use classify::{Decisions, Verdict};
use gone::{Gone, Users};
use order::Source;
use rollback::Limits;
use world::World;

/// All that a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// What the files ask for.
    pub desired: &'a Desired,
    /// What is there.
    pub observed: &'a Observed,
    /// What was last applied, if that is known: only for telling the user's changes from drift.
    pub record: Option<&'a Record>,
    /// The last apply, if it was interrupted: only for saying what was found of it.
    pub interrupted: Option<&'a Interrupted>,
    /// All kinds, also of objects that are no longer declared.
    pub kinds: &'a Kinds,
    /// Unique id of the plan.
    pub id: &'a str,
    /// Now, RFC 3339 in UTC.
    pub now: &'a str,
    /// Version of saiken.
    pub version: &'a str,
    /// Account that was read.
    pub account: &'a str,
    /// Stacks to plan; empty for all.
    pub stacks: &'a [String],
    /// Take everything (in those stacks) down.
    pub destroy: bool,
    /// What a plan that takes an apply back is limited to.
    pub limits: Option<&'a Limits>,
}

/// Makes a plan.
///
/// # Guarantees
/// The same inputs give the same plan, in whatever order the objects were read. Nothing is created, replaced or deleted
/// whose state, or whose users' state, could not be read: that is held. No value of a sensitive field or parameter is in
/// the plan.
///
/// # Assumptions
/// The inventory has turned the ids of owned objects into addresses; where several objects carry one address, only that
/// of the usable one of the highest generation.
pub fn plan(inputs: &Inputs<'_>) -> Plan {
    let world = World::new(inputs);
    let (resources, mut refused) = ordered(inputs);
    let gone = gone::gone(&world);
    let mut forced: BTreeMap<Address, String> = world
        .torn
        .iter()
        .map(|(before, now)| ((*now).clone(), format!("objects carry both {before} and {now}")))
        .collect();
    forced.extend(inputs.limits.iter().flat_map(|l| l.left.clone()));
    let mut users: Option<Users<'_>> = None;
    let decisions = loop {
        let decisions = classify::decide(&world, &resources, &forced);
        let deletes = !gone.is_empty()
            || decisions.list.iter().any(|d| matches!(d.verdict, Verdict::Replace(_)) || !d.leftovers.is_empty());
        if !deletes {
            break decisions;
        }
        let users = users.get_or_insert_with(|| Users::new(&world));
        let more = gone::to_hold(&world, &decisions, &gone, users, &forced);
        if more.is_empty() {
            break decisions;
        }
        forced.extend(more);
    };
    let users = users.unwrap_or_default();
    for (before, now) in &world.torn {
        refused.push(Refusal {
            address: (*now).clone(),
            reason: format!("it is said to be moved from {before}, but both have objects"),
            help: format!("remove the `moved` entry of {before}, or forget one of the two"),
        });
    }
    let going: Vec<&Gone<'_>> = gone.iter().filter(|g| !forced.contains_key(g.address)).collect();
    refused.extend(gone::refuse_used(&world, &decisions, &going, &users));
    let finishing = gone::finishing(&world, &decisions, &going, &users);
    let going: Vec<&Gone<'_>> = going.into_iter().chain(&finishing).collect();
    assemble(&world, decisions, &gone, &going, &users, &forced, refused)
}

/// The declared resources in the order of their references; all refused if there is none. Nothing is declared when
/// everything is taken down.
fn ordered<'a>(inputs: &Inputs<'a>) -> (Vec<&'a Resource>, Vec<Refusal>) {
    if inputs.destroy {
        return (Vec::new(), Vec::new());
    }
    let mut graph: Graph<&Address> = Graph::default();
    for (address, resource) in &inputs.desired.resources {
        graph.add(address);
        for reference in &resource.references {
            if let Some((reference, _)) = inputs.desired.resources.get_key_value(reference) {
                graph.needs(address, reference);
            }
        }
    }
    match graph.order() {
        Ok(order) => (order.into_iter().filter_map(|a| inputs.desired.resources.get(a)).collect(), Vec::new()),
        Err(cycle) => {
            let refusal = cycle.path.first().map(|address| Refusal {
                address: (*address).clone(),
                reason: cycle.to_string(),
                help: "remove one of these references".to_owned(),
            });
            (Vec::new(), refusal.into_iter().collect())
        }
    }
}

fn assemble<'a>(
    world: &World<'a>,
    decisions: Decisions<'a>,
    gone: &[Gone<'a>],
    going: &[&Gone<'a>],
    users: &Users<'a>,
    forced: &BTreeMap<Address, String>,
    mut refused: Vec<Refusal>,
) -> Plan {
    let inputs = world.inputs;
    let mut sources: Vec<Source<'_, 'a>> = going.iter().map(|g| Source::Gone(g)).collect();
    sources.extend(decisions.list.iter().filter(|d| report::acts(d)).map(Source::Declared));
    sources.sort_by(|a, b| report::address(*a).cmp(report::address(*b)));
    let secrets = mask::Secrets::of(inputs.desired);
    let actions: Vec<_> = sources.iter().map(|s| report::action(world, *s, &secrets)).collect();
    refused.extend(decisions.refused.iter().cloned());
    refused.extend(guards::protected(world, &sources));
    refused.extend(guards::in_use(world, &sources, users));
    let (losses, unrecoverable) = guards::losses(world, &sources, users);
    refused.extend(unrecoverable);
    let steps = match order::steps(world, &decisions, &sources, users) {
        Ok(steps) => steps,
        Err(cycle) => {
            let names: Vec<String> = cycle.iter().map(ToString::to_string).collect();
            refused.extend(cycle.first().map(|address| Refusal {
                address: address.clone(),
                reason: format!("no order of steps respects all references: {}", names.join(", ")),
                help: "apply in two parts, or let one of them be replaced create_first".to_owned(),
            }));
            Vec::new()
        }
    };
    refused.sort_by(|a, b| (&a.address, &a.reason).cmp(&(&b.address, &b.reason)));
    refused.dedup();
    let held = held(world, &decisions, gone, forced);
    let mut drift = drift::drift(world);
    for change in drift.iter_mut().flat_map(|d| &mut d.changes) {
        secrets.hide(&mut change.before);
        secrets.hide(&mut change.after);
    }
    let mut summary = Summary { held: held.len(), drift: drift.len(), ..Summary::default() };
    for action in &actions {
        match action.action {
            ActionKind::Create => summary.create += 1,
            ActionKind::Update => summary.update += 1,
            ActionKind::Replace => summary.replace += 1,
            ActionKind::Delete => summary.delete += 1,
            ActionKind::Adopt => summary.adopt += 1,
            ActionKind::Forget => summary.forget += 1,
        }
    }
    summary.unchanged = decisions
        .list
        .iter()
        .filter(|d| d.verdict == Verdict::Unchanged && d.leftovers.is_empty() && world.selected(&d.resource.address))
        .count();
    let environment = &inputs.desired.environment;
    Plan {
        format: FORMAT,
        id: inputs.id.to_owned(),
        made_at: inputs.now.to_owned(),
        version: inputs.version.to_owned(),
        project: environment.project.clone(),
        environment: environment.name.clone(),
        provider: environment.provider,
        account: inputs.account.to_owned(),
        stacks: inputs.stacks.to_vec(),
        destroy: inputs.destroy,
        undoes: inputs.limits.map(|l| l.apply.clone()),
        outputs: outputs(world, &decisions, &secrets),
        interrupted: interrupted::found(world, &decisions),
        actions,
        steps,
        drift,
        held,
        losses,
        refused,
        summary,
    }
}

fn held(
    world: &World<'_>,
    decisions: &Decisions<'_>,
    gone: &[Gone<'_>],
    forced: &BTreeMap<Address, String>,
) -> Vec<Held> {
    let mut held: Vec<Held> = Vec::new();
    for decision in decisions.list.iter().filter(|d| world.selected(&d.resource.address)) {
        if let Verdict::Held(reason) = &decision.verdict {
            let (address, kind) = (decision.resource.address.clone(), decision.resource.kind.name.to_owned());
            held.push(Held { address, kind, reason: reason.clone() });
        }
    }
    for going in gone {
        if let (Some(reason), Some(object)) = (forced.get(going.address), going.objects.first()) {
            let (address, kind) = (going.address.clone(), object.kind.clone());
            held.push(Held { address, kind, reason: reason.clone() });
        }
    }
    if world.inputs.destroy {
        let known: BTreeSet<Address> = held.iter().map(|h| h.address.clone()).collect();
        for resource in world.inputs.desired.resources.values().filter(|r| world.selected(&r.address)) {
            if let Some(why) = world.unobserved(resource.kind.name, &resource.region)
                && !known.contains(&resource.address)
            {
                let reason = format!("{} could not be read in {}: {why}", resource.kind.name, resource.region);
                held.push(Held { address: resource.address.clone(), kind: resource.kind.name.to_owned(), reason });
            }
        }
    }
    held.sort_by(|a, b| a.address.cmp(&b.address));
    held
}

/// Values of the outputs of the planned stacks after apply.
fn outputs(world: &World<'_>, decisions: &Decisions<'_>, secrets: &mask::Secrets<'_>) -> BTreeMap<String, Value> {
    let inputs = world.inputs;
    let mut all = BTreeMap::new();
    if inputs.destroy {
        return all;
    }
    for (stack, outputs) in &inputs.desired.outputs {
        if !inputs.stacks.is_empty() && !inputs.stacks.contains(stack) {
            continue;
        }
        for (name, output) in outputs {
            let mut shown = if output.sensitive {
                Value::String(mask::SENSITIVE.to_owned())
            } else {
                value::substitute(&output.value, &|t| decisions.known(t)).into_owned()
            };
            secrets.hide(&mut shown);
            all.insert(format!("{stack}.{name}"), shown);
        }
    }
    all
}
