//! What was changed outside, and who caused a difference: by the record of the last apply.

use serde_json::Value;

use crate::model::observed::Object;
use crate::model::plan::{Cause, Drift, DriftKind, FieldChange};
use crate::model::record::Applied;
use crate::model::schema::{Change, Field};
use crate::model::value::at_path;
use crate::model::{Address, desired::Resource};

use super::diff::{self, Difference, Sight};
use super::resolve;
use super::tree::is_tree;
use super::world::{World, identified};

/// References as they are recorded and read: nothing is replaced.
struct Recorded<'w, 'a>(&'w World<'a>);

impl Sight for Recorded<'_, '_> {
    fn present<'s>(&'s self, observed: &'s str) -> &'s str {
        self.0.present(observed)
    }
    fn replaced(&self, _: &str) -> bool {
        false
    }
    fn is(&self, address: &str, id: &str) -> bool {
        Address::parse(self.0.present(address)).is_ok_and(|a| self.0.at(&a).iter().any(|o| identified(o, id)))
    }
}

/// Differences as plan entries, each with its cause.
pub(super) fn with_causes(
    world: &World<'_>,
    resource: &Resource,
    spec: &Value,
    object: Option<&Object>,
    changes: &[Difference],
) -> Vec<FieldChange> {
    let applied = applied(world, &resource.address);
    let (yours, theirs) = match (applied, object) {
        (Some(applied), Some(object)) if !changes.is_empty() => {
            let sight = Recorded(world);
            let schema = &resource.kind.schema;
            let never = |f: &Field| f.sensitive;
            let yours = diff::diff(schema, spec, &applied.spec, &object.attributes, &never, &[], &sight);
            (yours, outside(world, resource, applied, object))
        }
        _ => (Vec::new(), Vec::new()),
    };
    let touches = |list: &[Difference], path: &str| list.iter().any(|d| overlaps(&d.path, path));
    changes
        .iter()
        .map(|c| {
            let cause = match applied {
                None => Cause::Unknown,
                Some(_) => match (touches(&yours, &c.path), touches(&theirs, &c.path)) {
                    (_, false) => Cause::You,
                    (false, true) => Cause::Drift,
                    (true, true) => Cause::Both,
                },
            };
            entry(c, cause)
        })
        .collect()
}

/// Everything that was changed outside since the last apply, by address. Empty without a record.
pub(super) fn drift(world: &World<'_>) -> Vec<Drift> {
    let Some(record) = world.inputs.record else { return Vec::new() };
    let mut all = Vec::new();
    for resource in world.inputs.desired.resources.values().filter(|r| world.selected(&r.address)) {
        let Some(applied) = applied(world, &resource.address) else { continue };
        if world.unobserved(resource.kind.name, &resource.region).is_some() {
            continue;
        }
        let found = match world.at(&resource.address).last() {
            None => Some((DriftKind::Deleted, Vec::new())),
            Some(object) => {
                let changes = outside(world, resource, applied, object);
                (!changes.is_empty()).then_some((DriftKind::Changed, changes))
            }
        };
        if let Some((drift, changes)) = found {
            let changes = changes.iter().map(|c| entry(c, Cause::Drift)).collect();
            all.push(Drift { address: resource.address.clone(), kind: resource.kind.name.to_owned(), drift, changes });
        }
    }
    for (address, objects) in world.objects.iter().filter(|(a, _)| world.selected(a)) {
        let tagged = objects.last().and_then(|o| o.address()).is_some_and(|a| record.applied.contains_key(a));
        if let (false, false, Some(object)) = (tagged, record.applied.contains_key(*address), objects.last()) {
            all.push(Drift {
                address: (*address).clone(),
                kind: object.kind.clone(),
                drift: DriftKind::Appeared,
                changes: Vec::new(),
            });
        }
    }
    all.sort_by(|a, b| a.address.cmp(&b.address).then(a.drift.cmp(&b.drift)));
    all
}

fn applied<'w>(world: &'w World<'_>, address: &Address) -> Option<&'w Applied> {
    let record = world.inputs.record?;
    record.applied.get(address).or_else(|| {
        let before = world.moved.iter().filter(|(_, now)| **now == address).map(|(before, _)| *before).min()?;
        record.applied.get(before)
    })
}

/// What differs between the record and the cloud, in fields that are declared and not to be ignored; `before` as applied.
fn outside(world: &World<'_>, resource: &Resource, applied: &Applied, object: &Object) -> Vec<Difference> {
    let (schema, declared, ignore) = (&resource.kind.schema, &resource.spec, &resource.lifecycle.ignore);
    if applied.spec == object.spec {
        return Vec::new();
    }
    let sight = Recorded(world);
    let skip = |f: &Field| f.sensitive || resolve::is_unread(f, object) || declared.get(&f.name).is_none();
    let mut found = diff::diff(schema, &applied.spec, &object.spec, &object.attributes, &skip, ignore, &sight);
    // Of a free tree, only what is declared.
    let tree = |d: &Difference| schema.fields.iter().any(|f| is_tree(f) && overlaps(&d.path, &f.name));
    found.retain(|d| !tree(d) || at_path(declared, &d.path).is_some());
    for difference in &mut found {
        std::mem::swap(&mut difference.before, &mut difference.after);
    }
    let added = diff::diff(schema, &object.spec, &applied.spec, &object.attributes, &skip, ignore, &sight);
    for difference in added {
        let new = at_path(&applied.spec, &difference.path).is_none() && at_path(declared, &difference.path).is_some();
        if new && !found.iter().any(|d| overlaps(&d.path, &difference.path)) {
            found.push(difference);
        }
    }
    found.retain(|d| d.before != d.after);
    found
}

fn overlaps(a: &str, b: &str) -> bool {
    let inside =
        |long: &str, short: &str| long.strip_prefix(short).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    inside(a, b) || inside(b, a)
}

fn entry(difference: &Difference, cause: Cause) -> FieldChange {
    FieldChange {
        path: difference.path.clone(),
        before: difference.before.clone(),
        after: difference.after.clone(),
        cause,
        replaces: difference.change == Change::Replace,
        text: difference.text,
    }
}
