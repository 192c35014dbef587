//! Taking a failed apply back: what was last applied, as far as no data is at risk.
//!
//! The goal is an ordinary desired state, made from the record as it was before the apply, and limited to the addresses
//! that its plan touched. What would lose data, or what the guards forbid, is left as it is, and named with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::model::Address;
use crate::model::desired::{Desired, Resource};
use crate::model::kind::Kinds;
use crate::model::observed::Standing;
use crate::model::plan::{Action, ActionKind, Cause, Held, Impact, Plan};
use crate::model::record::{Declared, Record};

use super::Inputs;

/// What a plan that takes an apply back is limited to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Id of the apply.
    pub apply: String,
    /// The only addresses that are planned.
    pub only: BTreeSet<Address>,
    /// Those that are left as they are: why.
    pub left: BTreeMap<Address, String>,
}

/// What was last applied.
#[derive(Debug, Clone)]
pub struct Goal {
    /// What the files would have to say for it. Outputs are left out.
    pub desired: Desired,
    /// Objects that stood there before: they stay, and newer ones go.
    pub standing: Standing,
    /// What is not to be touched.
    pub limits: Limits,
    /// What can't be taken back, since the record doesn't tell how it was.
    pub unknown: Vec<Held>,
}

/// Why a resource is not brought back.
const NOT_RECORDED: &str = "the last-applied record doesn't tell how it was";

/// What was last applied before the apply of `failed`, by the record of that time. `declared` is what that apply wanted.
pub fn goal(declared: &Desired, kinds: &Kinds, before: Option<&Record>, failed: &Plan, apply: &str) -> Goal {
    let mut goal = Goal {
        desired: Desired { outputs: BTreeMap::new(), ..declared.clone() },
        standing: Standing::new(),
        limits: Limits { apply: apply.to_owned(), ..Limits::default() },
        unknown: Vec::new(),
    };
    for action in &failed.actions {
        match action.action {
            ActionKind::Create => {
                goal.desired.resources.remove(&action.address);
            }
            ActionKind::Adopt => {
                goal.desired.resources.remove(&action.address);
                goal.desired.forget.insert(action.address.clone());
            }
            ActionKind::Update | ActionKind::Replace | ActionKind::Delete => {
                let Some((resource, id)) = recorded(declared, kinds, before, action) else {
                    goal.unknown(action, NOT_RECORDED);
                    continue;
                };
                goal.standing.insert(action.address.clone(), id);
                goal.desired.resources.insert(action.address.clone(), resource);
                if action.action == ActionKind::Delete && action.data_bearing {
                    let why = "its data is gone with it: a new one would be empty";
                    goal.limits.left.insert(action.address.clone(), why.to_owned());
                }
            }
            ActionKind::Forget => {
                goal.unknown(action, "it was let go; take it over again by `adopt` if it is still wanted");
                continue;
            }
        }
        goal.limits.only.insert(action.address.clone());
    }
    goal
}

impl Goal {
    fn unknown(&mut self, action: &Action, reason: &str) {
        let (address, kind) = (action.address.clone(), action.kind.clone());
        self.unknown.push(Held { address, kind, reason: reason.to_owned() });
    }

    /// The plan that leads there. `forbidden` names the actions of a plan that are not allowed, with the reason; they are
    /// left out, as is what would lose data, and what depends on either.
    ///
    /// Of the inputs, `desired`, `record` and `limits` are not used. What the plan leaves as it is stands in
    /// [`Plan::held`].
    pub fn plan(&self, inputs: &Inputs<'_>, forbidden: &dyn Fn(&Plan) -> Vec<(Address, String)>) -> Plan {
        let mut limits = self.limits.clone();
        loop {
            let inputs = Inputs { desired: &self.desired, record: None, limits: Some(&limits), ..*inputs };
            let mut plan = super::plan(&inputs);
            let mut more: Vec<(Address, String)> = forbidden(&plan);
            more.extend(plan.actions.iter().filter(|a| a.impact == Impact::LosesData).map(at_risk));
            more.extend(plan.refused.iter().map(|r| (r.address.clone(), r.reason.clone())));
            more.retain(|(address, _)| !limits.left.contains_key(address));
            if more.is_empty() {
                self.finish(&mut plan);
                return plan;
            }
            limits.left.extend(more);
        }
    }

    fn finish(&self, plan: &mut Plan) {
        plan.held.extend(self.unknown.iter().cloned());
        plan.held.sort_by(|a, b| a.address.cmp(&b.address));
        plan.summary.held = plan.held.len();
        for action in &mut plan.actions {
            action.reason = match action.action {
                ActionKind::Create => "it was there before the failed apply",
                ActionKind::Update => "it was so before the failed apply",
                ActionKind::Replace => "it was so before the failed apply, and can't be changed in place",
                ActionKind::Delete => "the failed apply made it",
                ActionKind::Adopt | ActionKind::Forget => "the failed apply took it over",
            }
            .to_owned();
            for change in &mut action.changes {
                change.cause = Cause::You;
            }
        }
    }
}

fn at_risk(action: &Action) -> (Address, String) {
    (action.address.clone(), "its data would be lost".to_owned())
}

/// The resource of an action as the record has it, and the id of its object.
fn recorded(declared: &Desired, kinds: &Kinds, before: Option<&Record>, action: &Action) -> Option<(Resource, String)> {
    let moved: BTreeMap<&str, &Address> = declared.moved.iter().map(|(from, to)| (from.as_str(), to)).collect();
    let present = |address: &str| moved.get(address).copied().filter(|_| !has(declared, address));
    let record = &before?.applied;
    let earlier = || record.iter().find(|(from, _)| present(from.as_str()) == Some(&action.address));
    let applied = record.get(&action.address).or_else(|| earlier().map(|(_, applied)| applied))?;
    let then = applied.declared.as_ref()?;
    let kind = kinds.get(&applied.kind)?;
    let mut spec = then.spec.clone();
    kind.schema.map_refs(&mut spec, &mut |_, value| {
        if let Some(now) = value.as_str().and_then(present) {
            *value = Value::String(now.to_string());
        }
    });
    let now = declared.resources.get(&action.address).filter(|r| r.kind.name == kind.name);
    if !shown(&mut spec, then, now) {
        return None;
    }
    let resource = Resource {
        address: action.address.clone(),
        kind: Arc::clone(kind),
        region: then.region.clone(),
        spec,
        references: then.references.iter().map(|a| present(a.as_str()).unwrap_or(a).clone()).collect(),
        lifecycle: then.lifecycle.clone(),
        adopt: None,
        origin: "the last-applied record".to_owned(),
    };
    Some((resource, applied.id.clone()))
}

/// Fills in what the record doesn't keep from what is declared now; whether there is something for each.
fn shown(spec: &mut Value, then: &Declared, now: Option<&Resource>) -> bool {
    then.hidden.iter().all(|name| {
        let value = now.and_then(|r| r.spec.get(name));
        if let Some(value) = value {
            spec[name.as_str()] = value.clone();
        }
        value.is_some()
    })
}

fn has(desired: &Desired, address: &str) -> bool {
    Address::parse(address).is_ok_and(|a| desired.resources.contains_key(&a))
}
