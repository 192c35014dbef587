//! What goes: objects that are no longer declared, who refers to them, and what must not be touched because of that.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::Value;

use crate::model::Address;
use crate::model::observed::{Object, Status};
use crate::model::plan::Refusal;

use super::classify::{Decisions, Verdict};
use super::diff::visit_refs;
use super::world::World;

/// Objects at an address that is not declared (or is to be taken down).
pub(super) struct Gone<'a> {
    pub address: &'a Address,
    /// Newest first.
    pub objects: Vec<&'a Object>,
    pub forget: bool,
    /// Whether it is on its way out already, and only waited for.
    pub finishing: bool,
}

/// All that goes in the planned stacks.
pub(super) fn gone<'a>(world: &World<'a>) -> Vec<Gone<'a>> {
    let inputs = world.inputs;
    world
        .objects
        .iter()
        .filter(|(address, _)| world.selected(address))
        .filter(|(address, _)| inputs.destroy || !inputs.desired.resources.contains_key(**address))
        .map(|(address, objects)| Gone {
            address,
            objects: objects.iter().rev().copied().collect(),
            forget: inputs.desired.forget.contains(*address),
            finishing: false,
        })
        .collect()
}

/// Objects on their way out that must be gone before something else can go, because they still use it.
pub(super) fn finishing<'a>(
    world: &World<'a>,
    decisions: &Decisions<'a>,
    going: &[&Gone<'a>],
    users: &Users<'a>,
) -> Vec<Gone<'a>> {
    if world.deleting.is_empty() {
        return Vec::new();
    }
    let replaced = decisions.list.iter().filter(|d| matches!(d.verdict, Verdict::Replace(_)));
    let targets = going.iter().filter(|g| !g.forget).flat_map(|g| g.objects.iter().copied());
    let targets = targets.chain(replaced.filter_map(|d| d.current));
    let targets = targets.chain(decisions.list.iter().flat_map(|d| d.leftovers.iter().copied()));
    let waited: BTreeSet<&str> = targets
        .flat_map(|target| users.of(target))
        .filter(|u| !u.loose && u.object.status == Status::Deleting)
        .map(|u| u.object.id.as_str())
        .collect();
    let waited = world.deleting.iter().filter(|o| waited.contains(o.id.as_str()));
    waited
        .filter_map(|o| Some(Gone { address: o.address()?, objects: vec![*o], forget: false, finishing: true }))
        .collect()
}

/// Who refers to which object, by what was read.
#[derive(Default)]
pub(super) struct Users<'a>(HashMap<(&'a str, &'a str), Vec<Use<'a>>>);

/// A reference that was read.
#[derive(Clone, Copy)]
pub(super) struct Use<'a> {
    /// Whose it is.
    pub object: &'a Object,
    /// The field that holds it.
    pub field: &'a str,
    /// Whether the cloud drops it with its target, which can then go first.
    pub loose: bool,
}

impl<'a> Users<'a> {
    pub fn new(world: &'a World<'a>) -> Self {
        let mut by_id: HashMap<&str, Vec<&Object>> = HashMap::new();
        let all = || world.objects.values().flatten().chain(&world.deleting);
        for object in world.objects.values().flatten() {
            for id in std::iter::once(&object.id).chain(&object.identifiers) {
                by_id.entry(id).or_default().push(object);
            }
        }
        let mut users: HashMap<(&str, &str), Vec<Use<'_>>> = HashMap::new();
        for user in all() {
            let Some(kind) = world.inputs.kinds.get(&user.kind) else { continue };
            let loose = |field: &str| kind.facts.loose_refs.contains(&field);
            let mut add = |target: &'a Object, field: &'a str| {
                if !std::ptr::eq(target, *user) {
                    let list = users.entry((&target.kind, &target.id)).or_default();
                    // The references of a field come one after the other, so a look at the last one is enough.
                    if !list.last().is_some_and(|u| std::ptr::eq(u.object, *user) && u.field == field) {
                        list.push(Use { object: user, field, loose: loose(field) });
                    }
                }
            };
            for field in &kind.schema.fields {
                let Some(value) = user.spec.get(&field.name) else { continue };
                visit_refs(&field.ty, value, &mut |target| match target {
                    Value::String(address) => {
                        if let Some(object) = world.meant(address) {
                            add(object, &field.name);
                        }
                    }
                    other => {
                        if let Some(id) = other.get("id").and_then(Value::as_str) {
                            by_id.get(id).into_iter().flatten().for_each(|o| add(o, &field.name));
                        }
                    }
                });
            }
        }
        Self(users)
    }

    /// What refers to this object.
    pub fn of<'s>(&'s self, object: &'s Object) -> &'s [Use<'a>] {
        self.0.get(&(object.kind.as_str(), object.id.as_str())).map_or(&[], Vec::as_slice)
    }
}

/// Addresses to hold because what still refers to them is held or was not read.
pub(super) fn to_hold(
    world: &World<'_>,
    decisions: &Decisions<'_>,
    gone: &[Gone<'_>],
    users: &Users<'_>,
    forced: &BTreeMap<Address, String>,
) -> BTreeMap<Address, String> {
    let mut more = BTreeMap::new();
    let held_user = |object: &Object| {
        users.of(object).iter().filter(|u| !u.loose).find_map(|user| {
            let address = world.present(user.object.address()?.as_str());
            let held = forced.contains_key(address)
                || decisions.get(address).is_some_and(|d| matches!(d.verdict, Verdict::Held(_)));
            held.then(|| format!("{address} is held and may still refer to it"))
        })
    };
    for going in gone.iter().filter(|g| !forced.contains_key(g.address)) {
        let Some(newest) = going.objects.first() else { continue };
        let why = if world.inputs.kinds.get(&newest.kind).is_none() {
            Some(format!("this version knows no kind {}", newest.kind))
        } else if going.forget {
            None
        } else {
            world
                .unread_user(&newest.kind, &newest.region)
                .map(|(kind, region, why)| format!("{kind} could not be read in {region} and may refer to it: {why}"))
                .or_else(|| going.objects.iter().find_map(|o| held_user(o)))
        };
        if let Some(why) = why {
            more.insert(going.address.clone(), why);
        }
    }
    for decision in decisions.list.iter().filter(|d| !matches!(d.verdict, Verdict::Held(_) | Verdict::Absent)) {
        let old = decision.current.filter(|_| matches!(decision.verdict, Verdict::Replace(_)));
        if let Some(why) = old.iter().chain(&decision.leftovers).find_map(|o| held_user(o))
            && !forced.contains_key(&decision.resource.address)
        {
            more.insert(decision.resource.address.clone(), why);
        }
    }
    more
}

/// Refusals: what would go is still referred to, by objects of stacks that are not planned, or by fields that the files
/// leave open.
pub(super) fn refuse_used(
    world: &World<'_>,
    decisions: &Decisions<'_>,
    gone: &[&Gone<'_>],
    users: &Users<'_>,
) -> Vec<Refusal> {
    let mut refused = Vec::new();
    let going = gone.iter().filter(|g| !g.forget).map(|g| (g.address, g.objects.as_slice()));
    let replaced = decisions.list.iter().filter(|d| matches!(d.verdict, Verdict::Replace(_)));
    let replaced = replaced.map(|d| (&d.resource.address, d.current.as_slice()));
    for (address, objects) in going.chain(replaced) {
        let uses = objects.iter().flat_map(|o| users.of(o));
        let refusal = uses.filter_map(|u| Some((u, u.object.address()?))).find_map(|(u, user)| {
            if !world.selected(user) {
                let gone = world.inputs.destroy || !world.inputs.desired.resources.contains_key(address);
                return gone
                    .then(|| (format!("{user} still refers to it"), format!("name stack {} too", user.stack())));
            }
            let decision = decisions.get(world.present(user.as_str()))?;
            let stays = matches!(decision.verdict, Verdict::Unchanged | Verdict::Update | Verdict::Adopt);
            let open = decision.spec().get(u.field).is_none();
            let stays = stays && open && !u.loose && decision.current.is_some_and(|o| std::ptr::eq(o, u.object));
            stays.then(|| {
                let reason = format!("{user} still refers to it by `{}`, which its file leaves open", u.field);
                (reason, format!("declare `{}` of {user} without it", u.field))
            })
        });
        if let Some((reason, help)) = refusal {
            refused.push(Refusal { address: address.clone(), reason, help });
        }
    }
    refused
}
