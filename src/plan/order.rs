//! The steps of a plan, in an order that respects every reference (docs/architecture.md, "Order of steps").

use std::collections::{BTreeSet, HashMap};

use crate::graph::Graph;
use crate::model::Address;
use crate::model::kind::Replacement;
use crate::model::observed::Object;
use crate::model::plan::{Operation, Step};

use super::classify::{Decision, Decisions, Verdict};
use super::gone::{Gone, Use, Users};
use super::guards;
use super::world::World;

/// Where an action comes from.
#[derive(Clone, Copy)]
pub(super) enum Source<'p, 'a> {
    Declared(&'p Decision<'a>),
    Gone(&'p Gone<'a>),
}

struct Node<'a> {
    address: &'a Address,
    operation: Operation,
    object: Option<&'a Object>,
    action: usize,
}

struct Edges<'p, 'a> {
    nodes: Vec<Node<'a>>,
    /// The last step that makes an address ready.
    ready: HashMap<&'a str, usize>,
    deletes: HashMap<(&'a str, &'a str), usize>,
    /// The step that sees to a recovery point, by the delete that waits for it.
    saves: HashMap<usize, usize>,
    decisions: &'p Decisions<'a>,
    hard: BTreeSet<(usize, usize)>,
    soft: BTreeSet<(usize, usize)>,
}

/// Orders the steps of all actions, given in the order of their addresses.
///
/// # Errors
/// The addresses of a cycle, if no order respects all references.
pub(super) fn steps<'p, 'a>(
    world: &World<'a>,
    decisions: &'p Decisions<'a>,
    sources: &[Source<'p, 'a>],
    users: &Users<'a>,
) -> Result<Vec<Step>, Vec<Address>> {
    let mut edges = Edges {
        nodes: Vec::new(),
        ready: HashMap::new(),
        deletes: HashMap::new(),
        saves: HashMap::new(),
        decisions,
        hard: BTreeSet::new(),
        soft: BTreeSet::new(),
    };
    for (action, source) in sources.iter().enumerate() {
        edges.add(world, action, *source);
    }
    for source in sources {
        match source {
            Source::Declared(decision) => edges.declared(decision),
            Source::Gone(_) => {}
        }
    }
    for delete in edges.deletes.values().copied().collect::<BTreeSet<_>>() {
        edges.delete_after_users(world, delete, users);
    }
    edges.order()
}

impl<'a> Edges<'_, 'a> {
    fn add(&mut self, world: &World<'a>, action: usize, source: Source<'_, 'a>) {
        match source {
            Source::Gone(gone) => {
                let operation = if gone.forget { Operation::Disown } else { Operation::Delete };
                for object in &gone.objects {
                    self.node(world, gone.address, operation, Some(object), action);
                }
            }
            Source::Declared(d) => {
                let address = &d.resource.address;
                if d.moved_from.is_some() || d.verdict == Verdict::Adopt {
                    self.node(world, address, Operation::Own, d.current, action);
                }
                match &d.verdict {
                    Verdict::Create | Verdict::Replace(_) => self.node(world, address, Operation::Create, None, action),
                    Verdict::Update | Verdict::Adopt if d.writes() => {
                        self.node(world, address, Operation::Update, d.current, action);
                    }
                    Verdict::Update | Verdict::Adopt | Verdict::Unchanged | Verdict::Absent | Verdict::Held(_) => {}
                }
                let old = d.current.filter(|_| matches!(d.verdict, Verdict::Replace(_)));
                for object in old.iter().chain(&d.leftovers) {
                    self.node(world, address, Operation::Delete, Some(object), action);
                }
            }
        }
    }

    fn node(
        &mut self,
        world: &World<'a>,
        address: &'a Address,
        operation: Operation,
        object: Option<&'a Object>,
        action: usize,
    ) {
        let save = object.filter(|o| operation == Operation::Delete && guards::saved_first(world, o)).map(|object| {
            self.nodes.push(Node { address, operation: Operation::Save, object: Some(object), action });
            self.nodes.len() - 1
        });
        let number = self.nodes.len();
        if let Some(save) = save {
            self.hard.insert((number, save));
            self.saves.insert(number, save);
        }
        match (operation, object) {
            (Operation::Create | Operation::Update | Operation::Own, _) => {
                if let Some(before) = self.ready.insert(address.as_str(), number) {
                    self.hard.insert((number, before));
                }
            }
            (Operation::Delete, Some(object)) => {
                self.deletes.insert((&object.kind, &object.id), number);
            }
            (Operation::Save | Operation::Delete | Operation::Disown, _) => {}
        }
        self.nodes.push(Node { address, operation, object, action });
    }

    /// A delete, and the saving before it, only after a step: what is saved is then whole.
    fn goes_after(&mut self, delete: usize, step: usize) {
        self.soft.insert((delete, step));
        if let Some(save) = self.saves.get(&delete) {
            self.soft.insert((*save, step));
        }
    }

    fn delete_of(&self, object: &Object) -> Option<usize> {
        self.deletes.get(&(object.kind.as_str(), object.id.as_str())).copied()
    }

    /// Creates and updates after what they refer to; a replacement's two halves.
    fn declared(&mut self, d: &Decision<'a>) {
        let own = self.ready.get(d.resource.address.as_str()).copied();
        let olds: Vec<usize> =
            d.current.iter().chain(&d.leftovers).filter_map(|object| self.delete_of(object)).collect();
        if let Some(own) = own {
            for old in olds {
                match d.verdict {
                    Verdict::Replace(Replacement::DeleteFirst) => self.hard.insert((own, old)),
                    Verdict::Replace(Replacement::CreateFirst)
                    | Verdict::Unchanged
                    | Verdict::Absent
                    | Verdict::Create
                    | Verdict::Update
                    | Verdict::Adopt
                    | Verdict::Held(_) => self.hard.insert((old, own)),
                };
            }
        }
        for reference in &d.resource.references {
            if let (Some(own), Some(ready)) = (own, self.ready.get(reference.as_str())) {
                self.hard.insert((own, *ready));
            }
            let Some(target) = self.decisions.get(reference.as_str()) else { continue };
            if target.verdict == Verdict::Replace(Replacement::CreateFirst)
                && let Some(gone) = target.current.and_then(|o| self.delete_of(o))
            {
                let mine = d.current.and_then(|o| self.delete_of(o));
                own.into_iter().chain(mine).for_each(|step| self.goes_after(gone, step));
            }
        }
    }

    /// A delete after the deletes of all that refer to it, and after the updates of those that stop referring to it.
    fn delete_after_users(&mut self, world: &World<'a>, delete: usize, users: &Users<'a>) {
        let Some(object) = self.nodes[delete].object else { return };
        for Use { object: user, loose, .. } in users.of(object) {
            if let Some(goes) = self.delete_of(user) {
                if !loose {
                    self.goes_after(delete, goes);
                }
                continue;
            }
            let Some(address) = user.address().map(|a| world.present(a.as_str())) else { continue };
            let waits = self
                .decisions
                .get(address)
                .is_some_and(|d| matches!(d.verdict, Verdict::Update | Verdict::Adopt) && !d.after_delete_first);
            if let (true, Some(ready)) = (waits, self.ready.get(address)) {
                let ready = *ready;
                self.goes_after(delete, ready);
            }
        }
    }

    /// A topological order. Where edges that only mirror what was read close a cycle, those are left out: the cloud's own
    /// refusal is then the guard.
    fn order(mut self) -> Result<Vec<Step>, Vec<Address>> {
        let order = loop {
            let mut graph = Graph::default();
            (0..self.nodes.len()).for_each(|n| graph.add(n));
            self.hard.iter().chain(&self.soft).for_each(|(from, to)| graph.needs(*from, *to));
            match graph.order() {
                Ok(order) => break order,
                Err(cycle) => {
                    let before = self.soft.len();
                    for pair in cycle.path.windows(2) {
                        self.soft.remove(&(pair[0], pair[1]));
                    }
                    if self.soft.len() == before {
                        return Err(cycle.path.iter().map(|n| self.nodes[*n].address.clone()).collect());
                    }
                }
            }
        };
        let mut place = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, node)| place[*node] = at);
        let mut after = vec![Vec::new(); order.len()];
        for (from, to) in self.hard.union(&self.soft) {
            after[*from].push(place[*to]);
        }
        Ok(order
            .into_iter()
            .map(|number| {
                let node = &self.nodes[number];
                let mut after = std::mem::take(&mut after[number]);
                after.sort_unstable();
                Step {
                    address: node.address.clone(),
                    operation: node.operation,
                    action: node.action,
                    object: node.object.map(|o| o.id.clone()),
                    after,
                }
            })
            .collect())
    }
}
