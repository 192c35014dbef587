//! What can be known before the first write: the question that a plan gives rise to, and what a cloud answers.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Address;
use super::kind::{KindDef, Kinds, Replacement};
use super::observed::{Object, Observed, current};
use super::ownership::{Owner, physical_name};
use super::plan::{Action, ActionKind, Operation, Plan};
use super::value::is_unknown_text;

/// What stands for a sensitive value in a plan.
const MASK: &str = "(sensitive)";

/// What was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// How much of something an account may have.
    Quota,
    /// Names that can be taken once.
    Name,
    /// Regions and zones that can be used.
    Zone,
    /// Instance types that a zone offers.
    InstanceType,
    /// What the caller may do.
    Permission,
}

impl Check {
    /// The words for people; programs see the names of the variants.
    pub fn word(self) -> &'static str {
        match self {
            Self::Quota => "quota",
            Self::Name => "name",
            Self::Zone => "zone",
            Self::InstanceType => "instance type",
            Self::Permission => "permission",
        }
    }
}

/// Something that stands in the way of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What was checked.
    pub check: Check,
    /// All resources that it is about, in their order.
    pub addresses: Vec<Address>,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do, in one line.
    pub help: String,
    /// Whether the apply would surely fail.
    pub blocks: bool,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preflight {
    /// Everything that stands in the way, by check and address.
    pub findings: Vec<Finding>,
    /// What could not be checked, with the reason, one line each.
    pub unchecked: Vec<String>,
}

impl Preflight {
    /// Whether the apply would surely fail.
    pub fn blocks(&self) -> bool {
        self.findings.iter().any(|f| f.blocks)
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.findings.is_empty() && self.unchecked.is_empty()
    }

    /// Adds a finding.
    pub fn add(
        &mut self,
        check: Check,
        addresses: impl IntoIterator<Item = Address>,
        blocks: bool,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let addresses: BTreeSet<Address> = addresses.into_iter().collect();
        let addresses = addresses.into_iter().collect();
        self.findings.push(Finding { check, addresses, message: message.into(), help: help.into(), blocks });
    }

    /// Puts several answers together, in the order in which they are shown. The same line is said once.
    #[must_use]
    pub fn joined(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Self::default();
        for part in parts {
            all.findings.extend(part.findings);
            all.unchecked.extend(part.unchecked);
        }
        all.findings.sort_by(|a, b| (a.check, &a.addresses, &a.message).cmp(&(b.check, &b.addresses, &b.message)));
        all.unchecked.sort();
        all.unchecked.dedup();
        all
    }
}

/// One write that the plan will make.
#[derive(Debug, Clone)]
pub struct Change<'a> {
    /// The resource.
    pub address: &'a Address,
    /// Its kind.
    pub kind: &'a KindDef,
    /// Where the write takes place.
    pub region: &'a str,
    /// [`Operation::Create`], [`Operation::Update`] or [`Operation::Delete`].
    pub operation: Operation,
    /// What is written; null for a deletion.
    pub spec: &'a Value,
    /// The object that is changed or goes; none if nobody has read it.
    pub before: Option<&'a Object>,
    /// Top-level fields that differ, for an update.
    pub changed: BTreeSet<&'a str>,
    /// Physical name of a new object.
    pub name: String,
    /// Its generation.
    pub generation: u32,
    /// For a deletion: whether the object that takes its place is made only after it.
    pub first: bool,
}

/// Everything that a plan will write, and what must be known of what it refers to. Values that are not known before apply
/// are left as they are; nobody guesses them.
#[derive(Debug, Clone)]
pub struct Question<'a> {
    /// Project.
    pub project: &'a str,
    /// Environment.
    pub environment: &'a str,
    /// Account that the plan is about.
    pub account: &'a str,
    /// What is written, in the plan's order.
    pub changes: Vec<Change<'a>>,
    /// What was read, of all kinds.
    pub objects: &'a [Object],
    /// Specs as they are, by address.
    present: HashMap<&'a str, &'a Value>,
    /// Specs as they will be, by address.
    specs: HashMap<&'a str, &'a Value>,
    /// Zones of what stands in one.
    zones: HashMap<&'a str, &'a str>,
    /// Ids of objects that stay, by address.
    ids: HashMap<&'a str, &'a str>,
}

impl<'a> Question<'a> {
    /// What a plan gives rise to. A plan that only takes over or lets go writes nothing that could be checked.
    pub fn of(plan: &'a Plan, kinds: &'a Kinds, observed: &'a Observed) -> Self {
        let objects: HashMap<(&str, &str), &Object> =
            observed.objects.iter().map(|o| ((o.kind.as_str(), o.id.as_str()), o)).collect();
        let changes: Vec<Change<'a>> = plan
            .steps
            .iter()
            .filter_map(|step| {
                let action = plan.actions.get(step.action)?;
                let kind = kinds.get(&action.kind)?.as_ref();
                let before = step.object.as_ref().and_then(|id| objects.get(&(kind.name, id.as_str())).copied());
                change(plan, action, kind, step.operation, before)
            })
            .collect();
        let mut question = Self {
            project: &plan.project,
            environment: &plan.environment,
            account: &plan.account,
            changes,
            objects: &observed.objects,
            present: HashMap::new(),
            specs: HashMap::new(),
            zones: HashMap::new(),
            ids: HashMap::new(),
        };
        for (address, all) in observed.by_address() {
            if let Some(object) = current(&all).and_then(|at| all.get(at)) {
                question.stands(address, kinds.get(&object.kind).map(AsRef::as_ref), &object.spec);
                question.present.insert(address.as_str(), &object.spec);
                question.ids.insert(address.as_str(), &object.id);
            }
        }
        for action in plan.actions.iter().filter(|a| !a.spec.is_null()) {
            question.stands(&action.address, kinds.get(&action.kind).map(AsRef::as_ref), &action.spec);
        }
        for change in question.changes.iter().filter(|c| c.operation != Operation::Update) {
            question.ids.remove(change.address.as_str());
        }
        question
    }

    fn stands(&mut self, address: &'a Address, kind: Option<&'a KindDef>, spec: &'a Value) {
        self.specs.insert(address.as_str(), spec);
        match kind.and_then(|k| k.facts.zone_field).and_then(|field| known(spec.get(field)?)) {
            Some(zone) => self.zones.insert(address.as_str(), zone),
            None => self.zones.remove(address.as_str()),
        };
    }

    /// The changes that make a new object.
    pub fn created(&self) -> impl Iterator<Item = &Change<'a>> {
        self.changes.iter().filter(|c| c.operation == Operation::Create)
    }

    /// All regions in which something is written, in their order.
    pub fn regions(&self) -> BTreeSet<&'a str> {
        self.changes.iter().map(|c| c.region).collect()
    }

    /// Whether an object is deleted.
    pub fn deletes(&self, kind: &str, id: &str) -> bool {
        self.changes.iter().any(|c| {
            c.operation == Operation::Delete && c.kind.name == kind && c.before.is_some_and(|before| before.id == id)
        })
    }

    /// Whether an object of this owner may have the name that a change gives: it is what an earlier run made of it.
    pub fn is_own(&self, change: &Change<'_>, owner: Option<&Owner>) -> bool {
        owner.is_some_and(|o| {
            o.project == self.project && o.environment == self.environment && o.address == *change.address
        })
    }

    /// Adds that a new object's name is another object's already, in a region or a network.
    pub fn add_taken(
        &self,
        change: &Change<'_>,
        place: &str,
        name: &str,
        id: &str,
        owner: Option<&Owner>,
        answer: &mut Preflight,
    ) {
        let whose = match owner {
            Some(o) => format!("{} of environment {} of project {}", o.address, o.environment, o.project),
            None => "which saiken did not make".to_owned(),
        };
        let goes = self.deletes(change.kind.name, id);
        let message = format!("the name {name} is taken in {place}: '{id}', {whose}, has it");
        let help = match (goes, owner) {
            (true, _) => "the plan deletes that object, but perhaps too late: apply the deletion first".to_owned(),
            (false, Some(_)) => "choose another name".to_owned(),
            (false, None) => format!("choose another name, or take the object over with `adopt: {id}`"),
        };
        answer.add(Check::Name, [change.address.clone()], !goes, message, help);
    }

    /// The spec of what a change writes.
    pub fn wanted(&'a self, change: &'a Change<'a>) -> View<'a> {
        View { spec: change.spec, name: &change.name, old: false, question: self }
    }

    /// The spec of an object that is there.
    pub fn old(&'a self, object: &'a Object) -> View<'a> {
        View { spec: &object.spec, name: "", old: true, question: self }
    }
}

fn change<'a>(
    plan: &'a Plan,
    action: &'a Action,
    kind: &'a KindDef,
    operation: Operation,
    before: Option<&'a Object>,
) -> Option<Change<'a>> {
    const NOTHING: &Value = &Value::Null;
    let spec = match operation {
        Operation::Create | Operation::Update => &action.spec,
        Operation::Delete => NOTHING,
        Operation::Save | Operation::Own | Operation::Disown => return None,
    };
    let (project, environment) = (&plan.project, &plan.environment);
    let replaced = action.action == ActionKind::Replace;
    Some(Change {
        address: &action.address,
        kind,
        region: match (operation, before) {
            (Operation::Delete, Some(object)) => &object.region,
            _ => &action.region,
        },
        operation,
        spec,
        before,
        changed: action.changes.iter().map(|c| c.path.split('.').next().unwrap_or(&c.path)).collect(),
        name: physical_name(project, environment, &action.address, action.generation, kind.facts.name_limit),
        generation: action.generation,
        first: replaced && action.replacement == Some(Replacement::DeleteFirst),
    })
}

/// A text that is known before apply.
fn known(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty() && !is_unknown_text(text) && !text.contains(MASK))
}

/// A spec with what is known of it.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The spec, references as addresses or `{"id": …}`.
    pub spec: &'a Value,
    /// Physical name; empty for what is there.
    pub name: &'a str,
    /// Whether it is about the present.
    old: bool,
    question: &'a Question<'a>,
}

impl<'a> View<'a> {
    /// The account that the plan is about.
    pub fn account(&self) -> &'a str {
        self.question.account
    }

    /// Project and environment.
    pub fn owner(&self) -> (&'a str, &'a str) {
        (self.question.project, self.question.environment)
    }

    /// A text of a field, if it is known.
    pub fn text(&self, field: &str) -> Option<&'a str> {
        known(self.spec.get(field)?)
    }

    /// A whole number of a field that is not negative, if it is known.
    pub fn number(&self, field: &str) -> Option<u64> {
        self.spec.get(field)?.as_u64()
    }

    /// Whether a field asks for something: it is given, and neither false nor empty.
    pub fn asks(&self, field: &str) -> bool {
        match self.spec.get(field) {
            None | Some(Value::Null | Value::Bool(false)) => false,
            Some(Value::String(text)) => !text.is_empty(),
            Some(Value::Array(items)) => !items.is_empty(),
            Some(Value::Object(map)) => !map.is_empty(),
            Some(Value::Bool(true) | Value::Number(_)) => true,
        }
    }

    /// The name that the spec gives, or else the physical name; none if it is not known.
    pub fn own_name(&self) -> Option<&'a str> {
        match self.spec.get("name") {
            None => Some(self.name).filter(|name| !name.is_empty()),
            Some(given) => known(given),
        }
    }

    /// What tells the target of a reference from others: its id, or its address while it has none.
    pub fn place(&self, field: &str) -> Option<&'a str> {
        place(self.question, self.spec.get(field)?)
    }

    /// Whether what is referred to is there already, and stays.
    pub fn stands(&self, field: &str) -> bool {
        self.spec.get(field).is_some_and(|reference| match reference.as_str() {
            Some(address) => self.question.ids.contains_key(address),
            None => true,
        })
    }

    /// The zones of what a field refers to, one reference or several, as far as they are known.
    pub fn zones(&self, field: &str) -> Vec<&'a str> {
        let references = match self.spec.get(field) {
            Some(Value::Array(several)) => several.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        references.iter().filter_map(|r| self.question.zones.get(r.as_str()?).copied()).collect()
    }

    /// The spec of what a field refers to, if it is a resource of the project.
    pub fn target(&self, field: &str) -> Option<View<'a>> {
        let specs = if self.old { &self.question.present } else { &self.question.specs };
        let spec = specs.get(self.spec.get(field)?.as_str()?)?;
        Some(View { spec, name: "", ..*self })
    }
}

fn place<'a>(question: &'a Question<'a>, reference: &'a Value) -> Option<&'a str> {
    match reference.as_str() {
        Some(address) => question.ids.get(address).copied().or(Some(address)),
        None => reference.get("id").and_then(known),
    }
}

/// How much of a quota a plan needs, in the quota's unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// In use before.
    pub used: u64,
    /// Taken by the plan.
    pub taken: u64,
    /// Given back by the plan, but perhaps only after something was taken.
    pub freed: u64,
    /// Given back before what takes its place is made.
    pub freed_first: u64,
    /// The resources that take some.
    pub addresses: BTreeSet<Address>,
}

/// Whether a quota is large enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// At any moment.
    Enough,
    /// Only if the plan gives some back before it takes it.
    InTime,
    /// No.
    Lacking,
}

impl Demand {
    /// Whether `limit` is enough. What the plan does not add to is none of its business.
    pub fn room(&self, limit: u64) -> Room {
        let most = (self.used + self.taken).saturating_sub(self.freed_first);
        if self.taken == 0 || most <= limit {
            Room::Enough
        } else if most.saturating_sub(self.freed) <= limit {
            Room::InTime
        } else {
            Room::Lacking
        }
    }

    /// How much is needed at most.
    pub fn needed(&self) -> u64 {
        (self.used + self.taken).saturating_sub(self.freed_first)
    }

    /// Adds what changes from one amount to another.
    pub fn step(&mut self, address: &Address, before: u64, after: u64, first: bool) {
        if after > before {
            self.taken += after - before;
            self.addresses.insert(address.clone());
        } else if first {
            self.freed_first += before - after;
        } else {
            self.freed += before - after;
        }
    }

    /// The numbers in words: `4 are in use, 2 more are needed, 1 is given back`.
    pub fn words(&self, unit: &str) -> String {
        let are = |n: u64| if n == 1 { "is" } else { "are" };
        let used = if self.used == 0 { "none is".to_owned() } else { format!("{} {}", self.used, are(self.used)) };
        let more = if self.used == 0 { "" } else { " more" };
        let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
        let mut text = format!("{used} in use, {}{unit}{more} {} needed", self.taken, are(self.taken));
        let freed = self.freed + self.freed_first;
        if freed > 0 {
            text.push_str(&format!(", {freed} {} given back", are(freed)));
        }
        text
    }
}

/// Demands by what they are about, such as a region and a kind.
pub type Demands<K> = BTreeMap<K, Demand>;

#[cfg(test)]
mod tests {
    use super::*;

    fn demand(used: u64, steps: &[(u64, u64, bool)]) -> Demand {
        let mut demand = Demand { used, ..Demand::default() };
        for (before, after, first) in steps {
            demand.step(&Address::parse("s/it").unwrap(), *before, *after, *first);
        }
        demand
    }

    #[test]
    fn a_quota_that_is_large_enough_only_after_a_deletion_is_not_certain_to_fail() {
        assert_eq!(demand(4, &[(0, 1, false)]).room(5), Room::Enough);
        assert_eq!(demand(5, &[(0, 1, false)]).room(5), Room::Lacking);
        assert_eq!(demand(5, &[(0, 1, false), (1, 0, false)]).room(5), Room::InTime);
        assert_eq!(demand(5, &[(0, 2, false), (1, 0, false)]).room(5), Room::Lacking);
        assert_eq!(demand(5, &[(0, 1, false), (1, 0, true)]).room(5), Room::Enough, "it is deleted first");
    }

    #[test]
    fn a_quota_that_is_exceeded_already_stops_nothing_that_does_not_add_to_it() {
        assert_eq!(demand(9, &[(1, 0, false)]).room(5), Room::Enough);
        assert_eq!(demand(9, &[(2, 2, false)]).room(5), Room::Enough);
    }

    #[test]
    fn a_quota_is_worded_with_what_is_used_needed_and_given_back() {
        assert_eq!(demand(0, &[(0, 1, false)]).words(""), "none is in use, 1 is needed");
        let words = demand(1, &[(0, 16, false), (4, 0, false)]).words("vCPUs");
        assert_eq!(words, "1 is in use, 16 vCPUs more are needed, 4 are given back");
    }
}
