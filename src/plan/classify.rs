//! What happens to each declared resource, decided in the order of references.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use crate::model::Address;
use crate::model::desired::Resource;
use crate::model::kind::{Replacement, Scope};
use crate::model::observed::{self, Object, Status};
use crate::model::plan::{PROTECT, REGION, Refusal};
use crate::model::schema::{Change, Field, Type};
use crate::model::value::{self, Token};

use super::diff::{self, Difference, Sight};
use super::mask;
use super::resolve::{self, Resolved};
use super::world::{World, identified};

/// What happens to a declared resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is as declared.
    Unchanged,
    /// It belongs to a stack that is not planned, and is not there.
    Absent,
    /// A new object.
    Create,
    /// A change in place, or of the address only.
    Update,
    /// A new object for the old one.
    Replace(Replacement),
    /// An existing object is taken over.
    Adopt,
    /// Nothing, for this reason.
    Held(String),
}

/// The decision about one declared resource.
pub(super) struct Decision<'a> {
    pub resource: &'a Resource,
    pub verdict: Verdict,
    /// The object that stands there (or is adopted).
    pub current: Option<&'a Object>,
    /// What an interrupted replacement left.
    pub leftovers: Vec<&'a Object>,
    pub changes: Vec<Difference>,
    pub reason: String,
    pub notes: Vec<String>,
    /// The spec with all filled in, if that is another than declared.
    pub spec: Option<Value>,
    pub moved_from: Option<&'a Address>,
    /// Whether it depends, over any number of references, on something that is replaced delete-first.
    pub after_delete_first: bool,
}

impl Decision<'_> {
    /// The spec to write.
    pub fn spec(&self) -> &Value {
        self.spec.as_ref().unwrap_or(&self.resource.spec)
    }

    /// Whether there is something to write, or something half made to wait for.
    pub fn writes(&self) -> bool {
        !self.changes.is_empty() || self.current.is_some_and(|o| matches!(o.status, Status::Pending(_)))
    }

    /// Whether the object that stands there stays.
    fn keeps(&self) -> bool {
        self.current.is_some() && !matches!(self.verdict, Verdict::Replace(_) | Verdict::Create | Verdict::Absent)
    }
}

/// All decisions.
pub(super) struct Decisions<'a> {
    world: &'a World<'a>,
    pub list: Vec<Decision<'a>>,
    index: HashMap<&'a str, usize>,
    pub refused: Vec<Refusal>,
}

impl Sight for Decisions<'_> {
    fn present<'s>(&'s self, observed: &'s str) -> &'s str {
        self.world.present(observed)
    }

    fn replaced(&self, address: &str) -> bool {
        self.get(address).is_some_and(|d| matches!(d.verdict, Verdict::Replace(_) | Verdict::Create))
    }

    fn is(&self, address: &str, id: &str) -> bool {
        self.get(address).and_then(|d| d.current).is_some_and(|o| identified(o, id))
    }
}

/// Decides about every declared resource. `order` is that of references; what is in `forced` is held for that reason.
pub(super) fn decide<'a>(
    world: &'a World<'a>,
    order: &[&'a Resource],
    forced: &BTreeMap<Address, String>,
) -> Decisions<'a> {
    let mut all =
        Decisions { world, list: Vec::with_capacity(order.len()), index: HashMap::new(), refused: Vec::new() };
    let adoptable = adoptable(world, order);
    for resource in order {
        let mut decision = all.one(resource, &adoptable);
        if let Some(why) = forced.get(&resource.address)
            && decision.verdict != Verdict::Absent
            && (decision.verdict != Verdict::Unchanged || !decision.leftovers.is_empty())
        {
            decision.verdict = Verdict::Held(why.clone());
        }
        all.order_replacement(&mut decision);
        all.index.insert(resource.address.as_str(), all.list.len());
        all.list.push(decision);
    }
    all
}

fn adoptable<'a>(world: &World<'a>, order: &[&Resource]) -> HashMap<&'a str, Vec<&'a Object>> {
    let mut map: HashMap<&str, Vec<&Object>> = HashMap::new();
    if order.iter().any(|r| r.adopt.is_some()) {
        for object in world.inputs.observed.objects.iter().filter(|o| o.status != Status::Deleting) {
            for id in std::iter::once(&object.id).chain(&object.identifiers) {
                map.entry(id).or_default().push(object);
            }
        }
    }
    map
}

impl<'a> Decisions<'a> {
    /// The decision about an address.
    pub fn get(&self, address: &str) -> Option<&Decision<'a>> {
        self.index.get(address).map(|i| &self.list[*i])
    }

    fn one(&mut self, resource: &'a Resource, adoptable: &HashMap<&str, Vec<&'a Object>>) -> Decision<'a> {
        let mut decision = Decision {
            resource,
            verdict: Verdict::Unchanged,
            current: None,
            leftovers: Vec::new(),
            changes: Vec::new(),
            reason: String::new(),
            notes: Vec::new(),
            spec: None,
            moved_from: None,
            after_delete_first: false,
        };
        if let Some(why) = self.world.unobserved(resource.kind.name, &resource.region) {
            let region = &resource.region;
            decision.verdict = Verdict::Held(format!("{} could not be read in {region}: {why}", resource.kind.name));
            return decision;
        }
        self.place(&mut decision);
        if !self.world.selected(&resource.address) {
            if decision.current.is_none() {
                decision.verdict = Verdict::Absent;
            }
            return decision;
        }
        if decision.current.is_none()
            && let Some(id) = &resource.adopt
        {
            self.adopt(&mut decision, id, adoptable);
        }
        match resolve::resolve(self.world, resource, decision.current, &|t| self.known(t)) {
            Err(why) => decision.verdict = Verdict::Held(why),
            Ok(resolved) => {
                self.verdict(&mut decision, &resolved);
                decision.notes.extend(resolved.notes);
                if let Cow::Owned(spec) = resolved.spec {
                    decision.spec = Some(spec);
                }
                self.hold_or_refuse(&mut decision);
            }
        }
        decision
    }

    /// Finds the object that stands at the address, and what an interrupted replacement left.
    fn place(&self, decision: &mut Decision<'a>) {
        let objects = self.world.at(&decision.resource.address);
        let Some(current) = observed::current(objects) else { return };
        decision.current = Some(objects[current]);
        decision.leftovers = objects.iter().enumerate().filter(|(i, _)| *i != current).map(|(_, o)| *o).rev().collect();
        decision.moved_from = objects[current].address().filter(|a| **a != decision.resource.address);
    }

    fn adopt(&mut self, decision: &mut Decision<'a>, id: &str, adoptable: &HashMap<&str, Vec<&'a Object>>) {
        let resource = decision.resource;
        let found = adoptable
            .get(id)
            .and_then(|l| l.iter().find(|o| o.kind == resource.kind.name && o.region == resource.region));
        match found {
            None => decision.notes.push(format!("{id}, which is to be adopted, is not there")),
            Some(object) => {
                if let Some(owner) = &object.owner {
                    self.refused.push(Refusal {
                        address: resource.address.clone(),
                        reason: format!(
                            "{id} can't be adopted: it belongs to {} of project {}, environment {}",
                            owner.address, owner.project, owner.environment
                        ),
                        help: "forget it there first, or remove `adopt`".to_owned(),
                    });
                }
                decision.current = Some(object);
                decision.verdict = Verdict::Adopt;
            }
        }
    }

    fn verdict(&mut self, decision: &mut Decision<'a>, resolved: &Resolved<'_>) {
        let resource = decision.resource;
        let Some(object) = decision.current else {
            decision.verdict = Verdict::Create;
            let recorded = self.world.inputs.record.is_some_and(|r| r.applied.contains_key(&resource.address));
            decision.reason = if recorded { "deleted outside" } else { "not there yet" }.to_owned();
            return;
        };
        let replacement = resource.lifecycle.replacement.unwrap_or(resource.kind.facts.replacement);
        if let (Status::Failed(why), false) = (&object.status, decision.verdict == Verdict::Adopt) {
            decision.changes = self.compare(resource, resolved, object);
            decision.verdict = Verdict::Replace(replacement);
            decision.reason = format!("it never became usable: {why}");
            return;
        }
        decision.changes = self.compare(resource, resolved, object);
        decision.changes.extend(elsewhere(resource, object));
        decision.changes.extend(protection(resource, object));
        let replacing = decision.changes.iter().find(|c| c.change == Change::Replace);
        if decision.verdict == Verdict::Adopt {
            decision.reason = format!("{} is taken over", object.id);
            if let Some(change) = replacing {
                self.refused.push(Refusal {
                    address: resource.address.clone(),
                    reason: format!(
                        "{} can't be adopted as declared: `{}` can't be changed in place",
                        object.id, change.path
                    ),
                    help: "declare what is there, then apply, and change it afterwards".to_owned(),
                });
            }
        } else if let Some(change) = replacing {
            decision.verdict = Verdict::Replace(replacement);
            decision.reason = match &change.because {
                Some(source) => format!("{source} is replaced"),
                None => format!("`{}` can't be changed in place", change.path),
            };
        } else if !decision.changes.is_empty() {
            decision.verdict = Verdict::Update;
            decision.reason = update_reason(&decision.changes);
        }
        if let (Status::Pending(word), Verdict::Unchanged) = (&object.status, &decision.verdict) {
            decision.verdict = Verdict::Update;
            decision.reason = format!("it is not usable yet ({word}), and is waited for");
        }
        if let (Some(before), Verdict::Unchanged | Verdict::Update) = (decision.moved_from, &decision.verdict) {
            decision.verdict = Verdict::Update;
            decision.reason = match decision.reason.as_str() {
                "" => format!("moved from {before}"),
                rest => format!("moved from {before}; {rest}"),
            };
        }
    }

    fn compare(&self, resource: &Resource, resolved: &Resolved<'_>, object: &Object) -> Vec<Difference> {
        let ignore = &resource.lifecycle.ignore;
        let schema = &resource.kind.schema;
        let skip = |field: &Field| resolve::is_unread(field, object);
        let mut changes = diff::diff(schema, &resolved.spec, &object.spec, &object.attributes, &skip, ignore, self);
        for field in schema.fields.iter().filter(|f| f.fingerprint && resolve::is_unread(f, object)) {
            let Some(wanted) = resolved.spec.get(&field.name).filter(|_| !ignore.contains(&field.name)) else {
                continue;
            };
            if !resolve::known_equal(field, &resolved.hashes, object) {
                let hidden = if field.sensitive { mask::SENSITIVE } else { "(not read)" };
                changes.push(Difference {
                    path: field.name.clone(),
                    before: Value::String(hidden.to_owned()),
                    after: mask::typed(&field.ty, wanted, field.sensitive),
                    change: field.change,
                    text: field.text || matches!(field.ty, Type::Policy),
                    because: None,
                });
            }
        }
        changes
    }

    /// Holds what needs something held, and refuses what needs something that is not there.
    fn hold_or_refuse(&mut self, decision: &mut Decision<'a>) {
        let deletes = matches!(decision.verdict, Verdict::Replace(_)) || !decision.leftovers.is_empty();
        if deletes
            && let Some((kind, region, why)) =
                self.world.unread_user(decision.resource.kind.name, &decision.resource.region)
        {
            decision.verdict =
                Verdict::Held(format!("{kind} could not be read in {region} and may refer to it: {why}"));
            return;
        }
        if matches!(decision.verdict, Verdict::Unchanged | Verdict::Absent | Verdict::Held(_)) {
            return;
        }
        for needed in needed(decision) {
            let Some(source) = self.get(&needed) else { continue };
            if matches!(source.verdict, Verdict::Held(_)) && !source.keeps() {
                decision.verdict = Verdict::Held(format!("{needed} is held"));
                return;
            }
            if source.verdict == Verdict::Absent {
                let stack = source.resource.address.stack().to_owned();
                self.refused.push(Refusal {
                    address: decision.resource.address.clone(),
                    reason: format!("{needed} is not there yet"),
                    help: format!("apply stack {stack} too"),
                });
            }
        }
    }

    fn order_replacement(&self, decision: &mut Decision<'a>) {
        decision.after_delete_first = decision.resource.references.iter().any(|address| {
            self.get(address.as_str())
                .is_some_and(|d| d.after_delete_first || d.verdict == Verdict::Replace(Replacement::DeleteFirst))
        });
        if decision.after_delete_first && matches!(decision.verdict, Verdict::Replace(_)) {
            decision.verdict = Verdict::Replace(Replacement::DeleteFirst);
        }
    }

    /// The value of another resource's attribute, if it is known before apply.
    pub fn known(&self, token: Token<'_>) -> Option<Value> {
        let source = self.get(token.address)?;
        let kind = &source.resource.kind;
        if let Some(attribute) = kind.attribute(token.attribute)
            && source.keeps()
            && (attribute.stable || source.verdict == Verdict::Unchanged)
            && let Some(object) = source.current
        {
            let own = (token.attribute == "id").then(|| Value::String(object.id.clone()));
            if let Some(known) = object.attributes.get(token.attribute).cloned().or(own) {
                return Some(known);
            }
        }
        let field = kind.schema.field(token.attribute)?;
        if matches!(field.ty, Type::Ref(_)) {
            return None;
        }
        source.spec().get(token.attribute).filter(|v| !value::is_unknown(v)).cloned()
    }
}

/// The difference of an object that stands in another region than declared.
fn elsewhere(resource: &Resource, object: &Object) -> Option<Difference> {
    let moves = resource.kind.facts.scope == Scope::Regional && object.region != resource.region;
    moves.then(|| Difference {
        path: REGION.to_owned(),
        before: Value::String(object.region.clone()),
        after: Value::String(resource.region.clone()),
        change: Change::Replace,
        text: false,
        because: None,
    })
}

/// The difference between the protection that is declared and that which the object's tags tell.
fn protection(resource: &Resource, object: &Object) -> Option<Difference> {
    let (before, after) = (object.owner.as_ref()?.protected, resource.lifecycle.protect);
    (before != after).then(|| Difference {
        path: PROTECT.to_owned(),
        before: Value::Bool(before),
        after: Value::Bool(after),
        change: Change::Update,
        text: false,
        because: None,
    })
}

/// Resources whose id or attributes the new spec needs.
fn needed(decision: &Decision<'_>) -> std::collections::BTreeSet<String> {
    let mut needed = std::collections::BTreeSet::new();
    let spec = decision.spec();
    decision.resource.kind.schema.visit_refs(spec, &mut |_, target| {
        if let Value::String(address) = target {
            needed.insert(address.clone());
        }
    });
    value::visit_tokens(spec, &mut |token| {
        needed.insert(token.address.to_owned());
    });
    if decision.verdict == Verdict::Create {
        needed.extend(decision.resource.references.iter().map(ToString::to_string));
    }
    needed
}

fn update_reason(changes: &[Difference]) -> String {
    if let Some(Some(source)) = changes.first().map(|c| c.because.as_ref())
        && changes.iter().all(|c| c.because.is_some())
    {
        return format!("{source} is replaced");
    }
    let mut fields: Vec<&str> = changes.iter().map(|c| c.path.split('.').next().unwrap_or(&c.path)).collect();
    fields.dedup();
    let named: Vec<String> = fields.iter().take(4).map(|f| format!("`{f}`")).collect();
    match fields.len() {
        1 => format!("{} differs", named[0]),
        n if n > 4 => format!("{} and {} more differ", named.join(", "), n - 4),
        _ => format!("{} differ", named.join(", ")),
    }
}
