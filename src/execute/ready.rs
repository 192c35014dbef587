//! Which steps can start: the bookkeeping of a run, without time and without tasks.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeSet;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    Taken,
    Done,
    Failed,
    Skipped,
}

/// Steps along their dependencies. Every call is linear in the edges that it touches.
#[derive(Debug)]
pub(super) struct Ready {
    states: Vec<State>,
    missing: Vec<usize>,
    followers: Vec<Vec<usize>>,
    ready: BTreeSet<usize>,
}

impl Ready {
    /// From the predecessors of each step. A predecessor that does not exist, or is not before its step (which no plan
    /// that was made here holds), keeps the step from ever starting.
    pub(super) fn new<'a>(after: impl IntoIterator<Item = &'a [usize]>) -> Self {
        let after: Vec<&[usize]> = after.into_iter().collect();
        let mut followers = vec![Vec::new(); after.len()];
        let mut missing = vec![0; after.len()];
        for (step, befores) in after.iter().enumerate() {
            missing[step] = befores.len();
            for before in befores.iter().filter(|before| **before < after.len()) {
                followers[*before].push(step);
            }
        }
        let ready = (0..after.len()).filter(|step| missing[*step] == 0).collect();
        Self { states: vec![State::Waiting; after.len()], missing, followers, ready }
    }

    /// Takes the first step that can start.
    pub(super) fn pop_ready(&mut self) -> Option<usize> {
        let step = self.ready.pop_first()?;
        self.states[step] = State::Taken;
        Some(step)
    }

    /// A step succeeded: those that waited only for it can start.
    pub(super) fn done(&mut self, step: usize) {
        self.states[step] = State::Done;
        for follower in &self.followers[step] {
            self.missing[*follower] -= 1;
            if self.missing[*follower] == 0 && self.states[*follower] == State::Waiting {
                self.ready.insert(*follower);
            }
        }
    }

    /// A step failed: the steps that are skipped because of it, in order.
    pub(super) fn failed(&mut self, step: usize) -> Vec<usize> {
        self.states[step] = State::Failed;
        let mut skipped = BTreeSet::new();
        let mut todo = vec![step];
        while let Some(at) = todo.pop() {
            for follower in &self.followers[at] {
                if self.states[*follower] == State::Waiting {
                    self.states[*follower] = State::Skipped;
                    skipped.insert(*follower);
                    todo.push(*follower);
                }
            }
        }
        skipped.into_iter().collect()
    }

    /// Steps that were never taken and not skipped.
    pub(super) fn left(&self) -> Vec<usize> {
        (0..self.states.len()).filter(|step| self.states[*step] == State::Waiting).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_ready_when_all_before_it_succeeded() {
        let after: [&[usize]; 4] = [&[], &[], &[0, 1], &[2]];
        let mut ready = Ready::new(after);
        assert_eq!((ready.pop_ready(), ready.pop_ready(), ready.pop_ready()), (Some(0), Some(1), None));
        ready.done(1);
        assert_eq!(ready.pop_ready(), None);
        ready.done(0);
        assert_eq!(ready.pop_ready(), Some(2));
        assert_eq!(ready.left(), [3]);
    }

    #[test]
    fn a_failure_skips_each_dependent_once() {
        let after: [&[usize]; 5] = [&[], &[], &[0, 1], &[2], &[1]];
        let mut ready = Ready::new(after);
        ready.pop_ready();
        ready.pop_ready();
        assert_eq!(ready.failed(0), [2, 3]);
        ready.done(1);
        assert_eq!((ready.pop_ready(), ready.pop_ready()), (Some(4), None));
        assert_eq!(ready.failed(4), [] as [usize; 0]);
    }
}
