//! What an interrupted apply has left, step by step.

use crate::model::observed::{Object, Status};
use crate::model::plan::{Found, Interrupted, InterruptedStep, Operation};

use super::classify::{Decisions, Verdict};
use super::world::World;

/// The account of the interrupted apply with what was found of it.
pub(super) fn found(world: &World<'_>, decisions: &Decisions<'_>) -> Option<Interrupted> {
    let told = world.inputs.interrupted?;
    let steps = told.steps.iter().map(|s| InterruptedStep { found: Some(one(world, decisions, s)), ..s.clone() });
    Some(Interrupted { steps: steps.collect(), ..told.clone() })
}

fn one(world: &World<'_>, decisions: &Decisions<'_>, step: &InterruptedStep) -> Found {
    if world.inputs.observed.unobserved.keys().any(|(kind, _)| *kind == step.kind) {
        return Found::Unread;
    }
    let now = world.present(step.address.as_str());
    let at: Vec<&Object> = world.objects.iter().find(|(a, _)| a.as_str() == now).map_or(Vec::new(), |(_, o)| o.clone());
    let same = |o: &&&Object| step.object.as_ref().is_none_or(|id| *id == o.id);
    let decided = decisions.get(now).filter(|d| !matches!(d.verdict, Verdict::Held(_) | Verdict::Absent));
    let as_declared = decided.is_none_or(|d| d.changes.is_empty());
    match step.operation {
        Operation::Create => match at.last() {
            None => Found::NotDone,
            Some(newest) if newest.status == Status::Ready && as_declared => Found::Done,
            Some(_) => Found::HalfDone,
        },
        Operation::Update if as_declared && at.iter().all(|o| o.status == Status::Ready) => Found::Done,
        Operation::Update => Found::HalfDone,
        Operation::Save | Operation::Delete if at.iter().any(|o| same(&o)) => Found::NotDone,
        Operation::Delete if world.deleting.iter().any(|o| same(&o) && o.kind == step.kind) => Found::HalfDone,
        Operation::Save | Operation::Delete => Found::Done,
        Operation::Own if at.is_empty() => Found::NotDone,
        Operation::Own => Found::Done,
        Operation::Disown if at.is_empty() => Found::Done,
        Operation::Disown => Found::NotDone,
    }
}
