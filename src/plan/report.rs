//! Actions as the plan shows them: what, why, with what impact, and which fields.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::Address;
use crate::model::kind::{Facts, KindDef, Replacement};
use crate::model::observed::{Object, Status};
use crate::model::plan::{Action, ActionKind, Cause, FieldChange, Impact, Touched};
use crate::model::schema::{Change, Type};

use super::classify::{Decision, Verdict};
use super::declared;
use super::drift;
use super::gone::Gone;
use super::guards;
use super::mask::{self, Secrets};
use super::order::Source;
use super::world::World;

/// Whether a decision leads to an action.
pub(super) fn acts(decision: &Decision<'_>) -> bool {
    match decision.verdict {
        Verdict::Create | Verdict::Update | Verdict::Replace(_) | Verdict::Adopt => true,
        Verdict::Unchanged => !decision.leftovers.is_empty(),
        Verdict::Absent | Verdict::Held(_) => false,
    }
}

/// The address of an action.
pub(super) fn address<'a>(source: Source<'_, 'a>) -> &'a Address {
    match source {
        Source::Declared(decision) => &decision.resource.address,
        Source::Gone(gone) => gone.address,
    }
}

/// The action of a source.
pub(super) fn action(world: &World<'_>, source: Source<'_, '_>, secrets: &Secrets<'_>) -> Action {
    let mut action = match source {
        Source::Declared(decision) => {
            Action { declared: declared::digests(decision.resource, secrets), ..decided(world, decision) }
        }
        Source::Gone(gone) => going(world, gone),
    };
    action.notes.extend(guards::own_disks(world, source));
    for change in &mut action.changes {
        secrets.hide(&mut change.before);
        secrets.hide(&mut change.after);
    }
    secrets.hide(&mut action.spec);
    action
}

fn decided(world: &World<'_>, d: &Decision<'_>) -> Action {
    let resource = d.resource;
    let kind = &resource.kind;
    let (action, replacement) = match d.verdict {
        Verdict::Create => (ActionKind::Create, None),
        Verdict::Replace(order) => (ActionKind::Replace, Some(order)),
        Verdict::Adopt => (ActionKind::Adopt, None),
        Verdict::Unchanged => (ActionKind::Delete, None),
        Verdict::Update | Verdict::Absent | Verdict::Held(_) => (ActionKind::Update, None),
    };
    let generation = match action {
        ActionKind::Create | ActionKind::Replace => world.next_generation(&resource.address),
        ActionKind::Adopt => 1,
        ActionKind::Update | ActionKind::Delete | ActionKind::Forget => d.current.map_or(1, Object::generation),
    };
    let mut objects: Vec<&Object> = match action {
        ActionKind::Delete => d.leftovers.clone(),
        ActionKind::Create | ActionKind::Update | ActionKind::Replace | ActionKind::Adopt | ActionKind::Forget => {
            d.current.iter().chain(&d.leftovers).copied().collect()
        }
    };
    objects.sort_by(|a, b| b.generation().cmp(&a.generation()).then_with(|| b.id.cmp(&a.id)));
    let (changes, spec) = match action {
        ActionKind::Create => (created(kind, d.spec()), mask::spec(&kind.schema, d.spec())),
        ActionKind::Delete | ActionKind::Forget => (Vec::new(), Value::Null),
        ActionKind::Update | ActionKind::Replace | ActionKind::Adopt => {
            (drift::with_causes(world, resource, d.spec(), d.current, &d.changes), mask::spec(&kind.schema, d.spec()))
        }
    };
    let mut notes = d.notes.clone();
    if action != ActionKind::Delete && !d.leftovers.is_empty() {
        let ids: Vec<&str> = d.leftovers.iter().map(|o| o.id.as_str()).collect();
        notes.push(format!("{} goes: left over from an interrupted replacement", ids.join(", ")));
    }
    if let (Some(Status::Pending(word)), false) = (d.current.map(|o| &o.status), d.changes.is_empty()) {
        notes.push(format!("the object that is there is not usable yet: {word}"));
    }
    let reason = match action {
        ActionKind::Delete => "left over from an interrupted replacement".to_owned(),
        ActionKind::Update if d.moved_from.is_none() => by_cause(&d.reason, &changes),
        ActionKind::Update => d.reason.clone(),
        ActionKind::Create | ActionKind::Replace | ActionKind::Adopt | ActionKind::Forget => d.reason.clone(),
    };
    Action {
        address: resource.address.clone(),
        kind: kind.name.to_owned(),
        region: resource.region.clone(),
        action,
        reason,
        impact: impact(d, action, kind),
        data_bearing: kind.facts.data_bearing(),
        replacement,
        changes,
        objects: objects.into_iter().map(touched).collect(),
        generation,
        spec,
        declared: BTreeMap::new(),
        notes,
    }
}

fn by_cause(reason: &str, changes: &[FieldChange]) -> String {
    if changes.is_empty() || changes.iter().any(|c| c.cause != Cause::Drift) {
        return reason.to_owned();
    }
    let mut fields: Vec<String> = changes.iter().map(|c| format!("`{}`", c.path)).collect();
    if fields.len() > 4 {
        fields.truncate(3);
        fields.push(format!("{} more", changes.len() - 3));
    }
    format!("changed outside: {}", fields.join(", "))
}

fn impact(d: &Decision<'_>, action: ActionKind, kind: &KindDef) -> Impact {
    let facts = &kind.facts;
    let goes = matches!(action, ActionKind::Replace | ActionKind::Delete) || !d.leftovers.is_empty();
    let delete_first = d.verdict == Verdict::Replace(Replacement::DeleteFirst);
    if goes && facts.data_bearing() {
        Impact::LosesData
    } else if d.changes.iter().any(|c| c.change == Change::Interrupts) || (delete_first && facts.serves) {
        Impact::Interrupts
    } else {
        Impact::None
    }
}

fn created(kind: &KindDef, spec: &Value) -> Vec<FieldChange> {
    kind.schema
        .fields
        .iter()
        .filter_map(|field| {
            let value = spec.get(&field.name).filter(|v| !v.is_null())?;
            Some(FieldChange {
                path: field.name.clone(),
                before: Value::Null,
                after: mask::typed(&field.ty, value, field.sensitive),
                cause: Cause::You,
                replaces: false,
                text: field.text || matches!(field.ty, Type::Policy),
            })
        })
        .collect()
}

fn going(world: &World<'_>, gone: &Gone<'_>) -> Action {
    let newest = gone.objects.first();
    let kind = newest.map_or("", |o| o.kind.as_str());
    let facts: Option<&Facts> = world.inputs.kinds.get(kind).map(|k| &k.facts);
    let data_bearing = facts.is_some_and(Facts::data_bearing);
    let (action, reason) = match (gone.forget, world.inputs.destroy) {
        _ if gone.finishing => (ActionKind::Delete, "on its way out; what it still uses goes after it"),
        (true, _) => (ActionKind::Forget, "no longer declared, and to be left alone"),
        (false, true) => (ActionKind::Delete, "everything is taken down"),
        (false, false) => (ActionKind::Delete, "no longer declared"),
    };
    let impact = match action {
        ActionKind::Delete if gone.finishing => Impact::None,
        ActionKind::Delete if data_bearing => Impact::LosesData,
        ActionKind::Delete if facts.is_some_and(|f| f.serves) => Impact::Interrupts,
        ActionKind::Delete
        | ActionKind::Forget
        | ActionKind::Create
        | ActionKind::Update
        | ActionKind::Replace
        | ActionKind::Adopt => Impact::None,
    };
    Action {
        address: gone.address.clone(),
        kind: kind.to_owned(),
        region: newest.map(|o| o.region.clone()).unwrap_or_default(),
        action,
        reason: reason.to_owned(),
        impact,
        data_bearing,
        replacement: None,
        changes: Vec::new(),
        objects: gone.objects.iter().map(|o| touched(o)).collect(),
        generation: newest.map_or(1, |o| o.generation()),
        spec: Value::Null,
        declared: BTreeMap::new(),
        notes: Vec::new(),
    }
}

fn touched(object: &Object) -> Touched {
    Touched {
        id: object.id.clone(),
        region: object.region.clone(),
        generation: object.generation(),
        fingerprint: object.fingerprint(),
    }
}
