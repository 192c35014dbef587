//! What earlier applies left open, as their journals tell it.
//!
//! Only an aid: what is there is read from the cloud. But a read may not show yet what an interrupted call has made, and
//! then the journal keeps the next run from making it twice.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::state::{Asked, History, StepRecord, StepState};
use crate::model::Address;
use crate::model::cloud::{ErrorClass, Lag};
use crate::model::observed::Unsure;
use crate::model::plan::{Interrupted, InterruptedStep, Operation};

/// Creating calls whose effect is not known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// By address.
    pub creates: BTreeMap<Address, UnsureCreate>,
    /// Objects that were made, and when.
    pub made: Vec<(Unsure, Option<Timestamp>)>,
}

/// A creating call whose effect is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsureCreate {
    /// Kind of the object.
    pub kind: String,
    /// Its generation.
    pub generation: u32,
    /// When its apply last wrote into its journal: the call was made before.
    pub last_known: Option<Timestamp>,
    /// What the call carried.
    pub asked: Asked,
}

impl Unfinished {
    /// The objects that were made or may have been so short a time ago that a read may not show them yet.
    pub fn unsure(&self, now: Timestamp, lag: Lag) -> Vec<Unsure> {
        if lag.looks == 0 {
            return Vec::new();
        }
        let asked = self.creates.iter().map(|(address, c)| (unsure(address, &c.kind, c.generation), c.last_known));
        let all = asked.chain(self.made.iter().cloned());
        let longest = SignedDuration::try_from(lag.longest()).unwrap_or(SignedDuration::MAX);
        // Without a pause the lag is not one of time.
        let late = |at: Option<Timestamp>| at.is_none_or(|at| lag.pause.is_zero() || now.duration_since(at) < longest);
        all.filter(|(_, at)| late(*at)).map(|(unsure, _)| unsure).collect()
    }
}

/// What the applies left open; `newest_first` are their journals in that order. The newest creating call of an address
/// counts, unless a later step has deleted what it made.
pub fn unfinished<'h>(newest_first: impl IntoIterator<Item = &'h History>) -> Unfinished {
    let mut created: BTreeSet<&Address> = BTreeSet::new();
    let mut deleted: BTreeMap<&Address, u32> = BTreeMap::new();
    let mut all = Unfinished::default();
    for history in newest_first {
        let begun = |s: &&StepRecord| !matches!(s.state, StepState::Planned | StepState::Skipped);
        let steps: Vec<&StepRecord> = history.steps.values().filter(begun).collect();
        for step in &steps {
            let gone = deleted.get(&step.address).is_some_and(|generation| step.generation <= *generation);
            let Some(asked) = step.asked.clone().filter(|_| !gone && created.insert(&step.address)) else { continue };
            if is_unsure(step) {
                let (kind, generation) = (step.kind.clone(), step.generation);
                let create = UnsureCreate { kind, generation, last_known: time(history.last_at.as_deref()), asked };
                all.creates.insert(step.address.clone(), create);
            } else if step.state == StepState::Finished {
                let at = time(step.started_at.as_deref());
                let took = SignedDuration::from_millis(step.milliseconds.unwrap_or(0).try_into().unwrap_or(i64::MAX));
                let at = at.and_then(|at| at.checked_add(took).ok());
                all.made.push((unsure(&step.address, &step.kind, step.generation), at));
            }
        }
        for step in steps.iter().filter(|s| s.operation == Operation::Delete) {
            let newest = deleted.entry(&step.address).or_default();
            *newest = (*newest).max(step.generation);
        }
    }
    all
}

fn time(text: Option<&str>) -> Option<Timestamp> {
    text?.parse().ok()
}

fn unsure(address: &Address, kind: &str, generation: u32) -> Unsure {
    Unsure { address: address.clone(), kind: kind.to_owned(), generation }
}

/// Whether a step may have had an effect that nobody was told of.
fn is_unsure(step: &StepRecord) -> bool {
    match step.state {
        StepState::Started => true,
        StepState::Failed => match step.class {
            Some(ErrorClass::Unanswered | ErrorClass::TimedOut | ErrorClass::Cancelled) => true,
            Some(
                ErrorClass::NotFound
                | ErrorClass::AccessDenied
                | ErrorClass::Throttled
                | ErrorClass::Conflict
                | ErrorClass::QuotaExceeded
                | ErrorClass::Invalid
                | ErrorClass::Other,
            )
            | None => false,
        },
        StepState::Planned | StepState::Finished | StepState::Skipped => false,
    }
}

/// The account of an apply that did not come to its end; none if it did.
pub fn interrupted(newest: &History) -> Option<Interrupted> {
    if newest.outcome.is_some() {
        return None;
    }
    let under_way = newest.steps.values().filter(|s| s.state == StepState::Started);
    Some(Interrupted {
        apply: newest.header.apply.clone(),
        who: newest.header.who.clone(),
        command: newest.header.command.clone(),
        started_at: newest.header.started_at.clone(),
        steps: under_way
            .map(|s| InterruptedStep {
                address: s.address.clone(),
                kind: s.kind.clone(),
                operation: s.operation,
                object: s.object.clone(),
                found: None,
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::state::{Event, Header, Outcome, VERSION};
    use super::*;

    fn history(events: &[Event]) -> History {
        let text = || "x".to_owned();
        let mut history = History::new(Header {
            version: VERSION,
            apply: text(),
            plan: text(),
            who: text(),
            command: text(),
            commit: None,
            started_at: text(),
            emergency: None,
            undoes: None,
        });
        events.iter().for_each(|e| history.apply(e).unwrap());
        history
    }

    fn planned(step: usize, operation: Operation) -> Event {
        let address = Address::parse("a/b").unwrap();
        Event::Planned { step, address, kind: "vpc".into(), operation, object: None, generation: 1 }
    }

    fn asked(token: &str) -> Asked {
        Asked { token: token.into(), digest: "d".into() }
    }

    fn failed(class: ErrorClass) -> Event {
        Event::Failed {
            step: 0,
            error: "no".into(),
            class: Some(class),
            request_id: None,
            milliseconds: 1,
            request_ids: Vec::new(),
        }
    }

    fn tokens(histories: &[&History]) -> Vec<String> {
        let all = unfinished(histories.iter().copied());
        all.creates.values().map(|c| c.asked.token.clone()).collect()
    }

    #[test]
    fn a_create_without_an_answer_is_asked_for_again_with_its_token() {
        let begin = [planned(0, Operation::Create), Event::Started { step: 0 }];
        let open = Event::Requested { step: 0, asked: asked("one") };
        let with = |more: &[Event]| history(&[begin.as_slice(), std::slice::from_ref(&open), more].concat());
        assert_eq!(tokens(&[&with(&[])]), ["one"]);
        assert_eq!(tokens(&[&with(&[failed(ErrorClass::Unanswered)])]), ["one"]);
        assert_eq!(tokens(&[&with(&[failed(ErrorClass::Invalid)])]), [""; 0], "the answer was no");
        assert_eq!(tokens(&[&history(&begin)]), [""; 0], "the call was not made yet");
    }

    #[test]
    fn the_newest_step_at_an_address_counts() {
        let begin = |token: &str| {
            let requested = Event::Requested { step: 0, asked: asked(token) };
            [planned(0, Operation::Create), Event::Started { step: 0 }, requested]
        };
        let finished = Event::Finished { step: 0, object: Some("id".into()), milliseconds: 1, request_ids: Vec::new() };
        let deleted = history(&[
            planned(0, Operation::Delete),
            Event::Started { step: 0 },
            finished.clone(),
            Event::End { outcome: Outcome::Succeeded },
        ]);
        let (old, new) = (history(&begin("old")), history(&begin("new")));
        assert_eq!(tokens(&[&new, &old]), ["new"]);
        assert_eq!(tokens(&[&history(&[begin("new").as_slice(), &[finished]].concat()), &old]), [""; 0]);
        assert_eq!(tokens(&[&deleted, &old]), [""; 0], "what was deleted since is not to come back");
        assert_eq!(tokens(&[&history(&[planned(0, Operation::Create)]), &old]), ["old"], "not begun");
    }
}
