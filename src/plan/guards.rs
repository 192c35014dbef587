//! What must not be lost: protected objects, keys that still encrypt data, and data itself.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::model::environment::DataLoss;
use crate::model::kind::Recovery;
use crate::model::observed::{Object, Status};
use crate::model::plan::{Loss, Refusal, Remains};
use crate::model::types::Duration;

use super::classify::Verdict;
use super::gone::Users;
use super::order::Source;
use super::report;
use super::world::World;

/// The objects that a source takes away.
pub(super) fn going<'a>(source: Source<'_, 'a>) -> Vec<&'a Object> {
    match source {
        Source::Gone(gone) if gone.forget => Vec::new(),
        Source::Gone(gone) => gone.objects.clone(),
        Source::Declared(d) => {
            let old = d.current.filter(|_| matches!(d.verdict, Verdict::Replace(_)));
            old.into_iter().chain(d.leftovers.iter().copied()).collect()
        }
    }
}

/// Refusals: protected objects that would go, by what is declared or by what their own tags say.
pub(super) fn protected(world: &World<'_>, sources: &[Source<'_, '_>]) -> Vec<Refusal> {
    let desired = world.inputs.desired;
    let mut refused = Vec::new();
    for source in sources {
        let going = going(*source);
        let tagged = going.iter().find(|o| o.owner.as_ref().is_some_and(|owner| owner.protected));
        let address = report::address(*source);
        let declared = desired.resources.get(address).map(|r| r.lifecycle.protect);
        let whole = match source {
            Source::Gone(_) => !going.is_empty(),
            Source::Declared(d) => matches!(d.verdict, Verdict::Replace(_)),
        };
        let (reason, help) = match (declared, tagged) {
            (Some(true), _) if whole => (
                "it is protected, and would go".to_owned(),
                "set `lifecycle.protect: false` for it, with no other change, and apply that first",
            ),
            (Some(_), Some(object)) if whole => (
                format!("its object {} is still protected (tag saiken:protected), and would go", object.id),
                "apply the lifting of its protection alone first, without what makes it go",
            ),
            (Some(_), Some(object)) => (
                format!("{} is left over, still protected (tag saiken:protected), and would go", object.id),
                "look whether it is needed; if not, remove that tag by hand and run again",
            ),
            (None, Some(object)) => (
                format!("its object {} is protected (tag saiken:protected), and would go", object.id),
                "declare it again with `lifecycle: { protect: false }` and apply, then remove it; or `saiken forget` it",
            ),
            (Some(_) | None, None) => continue,
        };
        refused.push(Refusal { address: address.clone(), reason, help: help.to_owned() });
    }
    refused
}

/// Refusals: what would go still serves the data of objects that stay: a key that encrypts them.
pub(super) fn in_use<'a>(world: &World<'a>, sources: &[Source<'_, 'a>], users: &Users<'a>) -> Vec<Refusal> {
    let kinds = world.inputs.kinds;
    let holds_data = |o: &Object| kinds.get(&o.kind).is_some_and(|k| k.facts.data_bearing());
    let all: BTreeSet<(&str, &str)> =
        sources.iter().flat_map(|s| going(*s)).map(|o| (o.kind.as_str(), o.id.as_str())).collect();
    let mut refused = Vec::new();
    for source in sources {
        let data = going(*source).into_iter().filter(|o| holds_data(o));
        let goes = |o: &Object| o.status == Status::Deleting || all.contains(&(o.kind.as_str(), o.id.as_str()));
        let stays = |user: &&Object| holds_data(user) && !goes(user);
        let named: BTreeSet<String> = data
            .flat_map(|object| users.of(object))
            // A snapshot needs no volume to be read.
            .filter(|u| !u.loose)
            .map(|u| u.object)
            .filter(stays)
            .map(|user| user.address().map_or_else(|| user.id.clone(), |a| world.present(a.as_str()).to_owned()))
            .collect();
        if named.is_empty() {
            continue;
        }
        let named: Vec<String> = named.into_iter().collect();
        refused.push(Refusal {
            address: report::address(*source).clone(),
            reason: format!("the data of {} can't be read without it", named.join(", ")),
            help: "keep it until that data is gone; a new one can be declared beside it".to_owned(),
        });
    }
    refused
}

/// The data that would go, and the refusals of what nothing could bring back.
pub(super) fn losses(world: &World<'_>, sources: &[Source<'_, '_>], users: &Users<'_>) -> (Vec<Loss>, Vec<Refusal>) {
    let guard = &world.inputs.desired.environment.guards.data;
    let named = guard.loss == DataLoss::Named;
    let (mut losses, mut refused) = (Vec::new(), Vec::new());
    for source in sources {
        let going = going(*source);
        let Some(first) = going.first() else { continue };
        let Some(recovery) = world.inputs.kinds.get(&first.kind).and_then(|k| k.facts.data) else { continue };
        let address = report::address(*source);
        let (remains, newer_than, mut note) = match recovery {
            Recovery::Point(what) if named => {
                let limit = Duration::from_seconds(guard.recovery_point);
                let note =
                    format!("a recovery point ({what}) not older than {limit} is there, or is made, before it goes");
                (Remains::RecoveryPoint, Some(guard.recovery_point), note)
            }
            Recovery::Point(what) => (Remains::Nothing, None, format!("no recovery point ({what}) is made before")),
            Recovery::Period(what) => (Remains::Period, None, what.to_owned()),
            Recovery::Nothing(what) => (Remains::Nothing, None, what.to_owned()),
        };
        if let (Recovery::Nothing(what), true) = (recovery, named)
            && !guard.without.contains(&first.kind)
        {
            refused.push(Refusal {
                address: address.clone(),
                reason: format!("nothing would bring its data back: {what}"),
                help: format!(
                    "export what is needed, then list {} in `guards.data.without` of the environment",
                    first.kind
                ),
            });
        }
        let needing = needing(world, &going, users);
        if !needing.is_empty() {
            note.push_str(&format!("; the recovery points of {} can't be restored without it", needing.join(", ")));
        }
        losses.push(Loss {
            address: address.clone(),
            kind: first.kind.clone(),
            objects: going.iter().map(|o| o.id.clone()).collect(),
            remains,
            named,
            newer_than,
            note,
        });
    }
    (losses, refused)
}

/// Addresses of what is saved in this plan and can be restored only with one of these objects.
fn needing(world: &World<'_>, going: &[&Object], users: &Users<'_>) -> Vec<String> {
    let saved = going.iter().flat_map(|o| users.of(o)).map(|u| u.object).filter(|user| saved_first(world, user));
    saved.filter_map(Object::address).map(ToString::to_string).collect::<BTreeSet<_>>().into_iter().collect()
}

/// A note about disks that go with a server (fields with `delete_on_termination`): what is on them is not guarded.
pub(super) fn own_disks(world: &World<'_>, source: Source<'_, '_>) -> Option<String> {
    fn collect(value: &Value, path: &str, out: &mut BTreeSet<String>) {
        let Some(map) = value.as_object() else { return };
        if map.get("delete_on_termination").and_then(Value::as_bool) == Some(true) {
            out.insert(format!("`{path}`"));
        }
        for (name, inner) in map {
            collect(inner, &if path.is_empty() { name.clone() } else { format!("{path}.{name}") }, out);
        }
    }
    let mut disks = BTreeSet::new();
    let serves = |o: &&Object| world.inputs.kinds.get(&o.kind).is_some_and(|k| k.facts.serves);
    for object in going(source).into_iter().filter(serves) {
        collect(&object.spec, "", &mut disks);
    }
    let named: Vec<String> = disks.into_iter().collect();
    (!named.is_empty()).then(|| format!("what is on its own disks goes with it: {}", named.join(", ")))
}

/// Whether a recovery point must be there before this object goes.
pub(super) fn saved_first(world: &World<'_>, object: &Object) -> bool {
    let named = world.inputs.desired.environment.guards.data.loss == DataLoss::Named;
    let facts = world.inputs.kinds.get(&object.kind).map(|k| &k.facts);
    named && facts.is_some_and(|f| matches!(f.data, Some(Recovery::Point(_))))
}
