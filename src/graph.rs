//! Graphs: a deterministic order, cycles with their whole path, and ready sets for the executor. All linear, but for the
//! ordering of ties.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};

use petgraph::Direction::{Incoming, Outgoing};
use petgraph::graph::{DiGraph, NodeIndex};

/// Things that need other things.
#[derive(Debug, Clone)]
pub struct Graph<K> {
    graph: DiGraph<K, ()>,
    index: BTreeMap<K, NodeIndex>,
}

/// Things that need each other in a ring.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a cycle: {}", path.iter().map(ToString::to_string).collect::<Vec<_>>().join(" -> "))]
pub struct Cycle<K: std::fmt::Display> {
    /// Each needs the next; the first stands at the end again.
    pub path: Vec<K>,
}

impl<K> Default for Graph<K> {
    fn default() -> Self {
        Self { graph: DiGraph::new(), index: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> Graph<K> {
    /// Adds a thing, once.
    pub fn add(&mut self, key: K) {
        self.node(key);
    }

    /// Says that `from` needs `to`; both are added if they are not there.
    pub fn needs(&mut self, from: K, to: K) {
        let (from, to) = (self.node(from), self.node(to));
        self.graph.add_edge(from, to, ());
    }

    fn node(&mut self, key: K) -> NodeIndex {
        if let Some(found) = self.index.get(&key) {
            return *found;
        }
        let node = self.graph.add_node(key.clone());
        self.index.insert(key, node);
        node
    }

    /// All things, each after what it needs; of those that are free to go, the smallest first.
    ///
    /// # Errors
    /// A shortest cycle through the smallest thing that is in one.
    pub fn order(&self) -> Result<Vec<K>, Cycle<K>>
    where
        K: std::fmt::Display,
    {
        let mut rank = vec![0usize; self.graph.node_count()];
        let sorted: Vec<NodeIndex> = self.index.values().copied().collect();
        for (place, node) in sorted.iter().enumerate() {
            rank[node.index()] = place;
        }
        let mut waits: Vec<usize> =
            self.graph.node_indices().map(|n| self.graph.edges_directed(n, Outgoing).count()).collect();
        let mut free: BinaryHeap<Reverse<usize>> =
            sorted.iter().enumerate().filter(|(_, n)| waits[n.index()] == 0).map(|(place, _)| Reverse(place)).collect();
        let mut order = Vec::with_capacity(sorted.len());
        while let Some(Reverse(place)) = free.pop() {
            order.push(self.graph[sorted[place]].clone());
            for user in self.graph.neighbors_directed(sorted[place], Incoming) {
                waits[user.index()] -= 1;
                if waits[user.index()] == 0 {
                    free.push(Reverse(rank[user.index()]));
                }
            }
        }
        if order.len() == sorted.len() { Ok(order) } else { Err(Cycle { path: self.cycle(&rank) }) }
    }

    fn cycle(&self, rank: &[usize]) -> Vec<K> {
        let mut component = vec![usize::MAX; self.graph.node_count()];
        let mut start: Option<NodeIndex> = None;
        for (number, nodes) in petgraph::algo::tarjan_scc(&self.graph).into_iter().enumerate() {
            let ring = nodes.len() > 1 || nodes.iter().any(|n| self.graph.find_edge(*n, *n).is_some());
            for node in nodes {
                component[node.index()] = number;
                if ring && start.is_none_or(|s| rank[node.index()] < rank[s.index()]) {
                    start = Some(node);
                }
            }
        }
        let Some(start) = start else { return Vec::new() };
        let mut before: Vec<Option<NodeIndex>> = vec![None; self.graph.node_count()];
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            let mut next: Vec<NodeIndex> = self.graph.neighbors_directed(at, Outgoing).collect();
            next.sort_by_key(|n| rank[n.index()]);
            for node in next {
                if node == start {
                    return self.path(start, at, &before);
                }
                if component[node.index()] == component[start.index()] && before[node.index()].is_none() {
                    before[node.index()] = Some(at);
                    queue.push_back(node);
                }
            }
        }
        Vec::new()
    }

    fn path(&self, start: NodeIndex, last: NodeIndex, before: &[Option<NodeIndex>]) -> Vec<K> {
        let mut path = vec![self.graph[start].clone()];
        let mut at = last;
        while at != start {
            path.push(self.graph[at].clone());
            match before[at.index()] {
                Some(previous) => at = previous,
                None => break,
            }
        }
        path.push(self.graph[start].clone());
        path.reverse();
        path
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Running,
    Done,
    Failed,
    Skipped,
}

/// Which steps can run now. Steps are numbers from 0; the smallest ready one goes first.
#[derive(Debug, Clone)]
pub struct Ready {
    waits: Vec<usize>,
    users: Vec<Vec<usize>>,
    stage: Vec<Stage>,
    ready: BinaryHeap<Reverse<usize>>,
}

impl Ready {
    /// From what each step waits for. What waits for a number out of range never starts.
    pub fn new<'a>(after: impl IntoIterator<Item = &'a [usize]>) -> Self {
        let after: Vec<&[usize]> = after.into_iter().collect();
        let mut users = vec![Vec::new(); after.len()];
        let mut waits = vec![0; after.len()];
        for (step, needs) in after.iter().enumerate() {
            waits[step] = needs.len();
            for need in needs.iter().filter(|n| **n < after.len()) {
                users[*need].push(step);
            }
        }
        let ready = waits.iter().enumerate().filter(|(_, w)| **w == 0).map(|(step, _)| Reverse(step)).collect();
        Self { stage: vec![Stage::Waiting; after.len()], waits, users, ready }
    }

    /// Takes the next step that can run.
    pub fn pop_ready(&mut self) -> Option<usize> {
        let Reverse(step) = self.ready.pop()?;
        self.stage[step] = Stage::Running;
        Some(step)
    }

    /// A step has succeeded: what waited for it alone is ready.
    pub fn done(&mut self, step: usize) {
        if self.stage[step] != Stage::Running {
            return;
        }
        self.stage[step] = Stage::Done;
        for user in std::mem::take(&mut self.users[step]) {
            self.waits[user] -= 1;
            if self.waits[user] == 0 && self.stage[user] == Stage::Waiting {
                self.ready.push(Reverse(user));
            }
        }
    }

    /// A step has failed: all that need it, over any number of steps, are skipped. Returns those, in order.
    pub fn failed(&mut self, step: usize) -> Vec<usize> {
        if self.stage[step] != Stage::Running {
            return Vec::new();
        }
        self.stage[step] = Stage::Failed;
        let mut skipped = Vec::new();
        let mut stack = std::mem::take(&mut self.users[step]);
        while let Some(user) = stack.pop() {
            if self.stage[user] == Stage::Waiting {
                self.stage[user] = Stage::Skipped;
                skipped.push(user);
                stack.append(&mut self.users[user]);
            }
        }
        skipped.sort_unstable();
        skipped
    }

    /// Steps that have not run and are not skipped, in order.
    pub fn left(&self) -> Vec<usize> {
        self.stage.iter().enumerate().filter(|(_, s)| **s == Stage::Waiting).map(|(step, _)| step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&'static str, &'static str)]) -> Graph<&'static str> {
        let mut graph = Graph::default();
        edges.iter().for_each(|(from, to)| graph.needs(*from, *to));
        graph
    }

    #[test]
    fn the_order_is_the_same_whatever_the_order_of_insertion() {
        let edges = [("c", "a"), ("d", "a"), ("b", "z"), ("d", "c")];
        let forward = graph(&edges).order().unwrap();
        let mut reversed = edges;
        reversed.reverse();
        assert_eq!(forward, graph(&reversed).order().unwrap());
        assert_eq!(forward, ["a", "c", "d", "z", "b"]);
    }

    #[test]
    fn a_cycle_is_named_whole() {
        let cycle = graph(&[("x", "a"), ("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]).order().unwrap_err();
        assert_eq!(cycle.to_string(), "a cycle: a -> b -> c -> a");
        assert_eq!(graph(&[("s", "s")]).order().unwrap_err().path, ["s", "s"]);
    }

    #[test]
    fn a_failure_skips_only_what_depends_on_it() {
        let after: [&[usize]; 5] = [&[], &[0], &[1], &[], &[3]];
        let mut ready = Ready::new(after);
        assert_eq!((ready.pop_ready(), ready.pop_ready(), ready.pop_ready()), (Some(0), Some(3), None));
        assert_eq!(ready.failed(0), [1, 2]);
        ready.done(3);
        assert_eq!(ready.left(), [4]);
        assert_eq!(ready.pop_ready(), Some(4));
        ready.done(4);
        assert!(ready.left().is_empty());
    }

    #[test]
    fn what_waits_for_a_step_that_does_not_exist_never_starts() {
        let after: [&[usize]; 2] = [&[], &[7]];
        let mut ready = Ready::new(after);
        assert_eq!((ready.pop_ready(), ready.pop_ready()), (Some(0), None));
        ready.done(0);
        assert_eq!((ready.pop_ready(), ready.left()), (None, vec![1]));
    }
}
