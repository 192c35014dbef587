//! What a journal may say, in which order.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::Address;
use crate::model::cloud::ErrorClass;
use crate::model::plan::Operation;

/// Version of the format; a journal of a later one is not read. Version 1 has no times but that of the header, and no
/// request ids of steps that succeeded.
pub const VERSION: u32 = 2;

/// The first line: which apply this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub version: u32,
    /// Id of the apply; ids are ordered by time.
    pub apply: String,
    /// Id of the plan.
    pub plan: String,
    /// `user@host`.
    pub who: String,
    /// The command.
    pub command: String,
    /// Commit of the files, if they are under version control.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// When it began, RFC 3339 in UTC.
    pub started_at: String,
    /// Why service was interrupted without announcement (`--emergency`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub emergency: Option<String>,
    /// Id of the failed apply that this one takes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undoes: Option<String>,
}

/// How an apply ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// All steps succeeded.
    Succeeded,
    /// A step failed.
    Failed,
    /// The user stopped it.
    Cancelled,
    /// The environment's lock was lost, which stopped it.
    LockLost,
    /// Nothing was done: the plan could not be obeyed.
    Refused,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first line.
    Header(Header),
    /// A step of the plan.
    Planned {
        /// Its number in the plan.
        step: usize,
        /// The resource.
        address: Address,
        /// Its kind.
        kind: String,
        /// What is to be done.
        operation: Operation,
        /// Id of the object, if there is one already.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        object: Option<String>,
        /// Generation of the object that is made, changed or deleted; 0 in a journal that does not tell.
        #[serde(default)]
        generation: u32,
    },
    /// The calls of a step are about to be made.
    Started {
        /// Its number.
        step: usize,
    },
    /// What the creating call of a started step carries.
    Requested {
        /// Its number.
        step: usize,
        /// The call's idempotency token, and the digest of what it asks for.
        #[serde(flatten)]
        asked: Asked,
    },
    /// A step succeeded.
    Finished {
        /// Its number.
        step: usize,
        /// Id of the object.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        object: Option<String>,
        /// How long it took.
        milliseconds: u64,
        /// The API's request ids of its calls that write, in their order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        request_ids: Vec<String>,
    },
    /// A step failed; its calls may have had an effect.
    Failed {
        /// Its number.
        step: usize,
        /// Why, secrets masked.
        error: String,
        /// Class of the API's error.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        class: Option<ErrorClass>,
        /// The API's request id of the call that failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request_id: Option<String>,
        /// How long it took.
        milliseconds: u64,
        /// The API's request ids of the calls before it that write, in their order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        request_ids: Vec<String>,
    },
    /// A step is not done, because one before it failed.
    Skipped {
        /// Its number.
        step: usize,
        /// Number of the failed one.
        because: usize,
    },
    /// The last line.
    End {
        /// How it ended.
        outcome: Outcome,
    },
}

/// A creating call: whoever makes it again with the same token gets the object that it made, if it made one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// Idempotency token.
    pub token: String,
    /// Digest of all that was asked for: with other wishes the token may not be used again.
    pub digest: String,
}

/// Where a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepState {
    /// Not begun.
    Planned,
    /// Begun; its effect is not known.
    Started,
    /// Succeeded.
    Finished,
    /// Failed.
    Failed,
    /// Not done.
    Skipped,
}

/// A step as the journal tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRecord {
    /// The resource.
    pub address: Address,
    /// Its kind.
    pub kind: String,
    /// What is done.
    pub operation: Operation,
    /// Id of the object, as far as it is known.
    pub object: Option<String>,
    /// Generation of that object.
    pub generation: u32,
    /// Where it stands.
    pub state: StepState,
    /// Why it failed.
    pub error: Option<String>,
    /// Class of the API's error.
    pub class: Option<ErrorClass>,
    /// What its creating call carried.
    pub asked: Option<Asked>,
    /// When it began, RFC 3339 in UTC.
    pub started_at: Option<String>,
    /// How long it took.
    pub milliseconds: Option<u64>,
    /// The API's request ids of its calls that write, and of the one that failed, in their order.
    pub request_ids: Vec<String>,
}

/// An event that may not stand where it does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// The first line is not the header.
    #[error("the first line is no header")]
    NoHeader,
    /// A second header.
    #[error("there is a second header")]
    SecondHeader,
    /// A later version than this program knows.
    #[error("it is of version {0}, and this saiken reads up to {VERSION}")]
    Version(u32),
    /// Something after the end.
    #[error("there is an event after the end")]
    AfterEnd,
    /// A step planned twice.
    #[error("step {0} is planned twice")]
    Twice(usize),
    /// A step that was never planned.
    #[error("step {0} was not planned")]
    Unplanned(usize),
    /// A step can't go from the one state to the other.
    #[error("step {step} can't become {to:?} from {from:?}")]
    Transition {
        /// Its number.
        step: usize,
        /// Where it stands.
        from: StepState,
        /// What the event says.
        to: StepState,
    },
    /// A creating call of a step that is not under way, or creates nothing.
    #[error("step {0} has no creating call under way")]
    Requested(usize),
    /// The end while a step is under way.
    #[error("the end stands there while step {0} is under way")]
    Open(usize),
}

/// An apply as its journal tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The first line.
    pub header: Header,
    /// Steps by number.
    pub steps: BTreeMap<usize, StepRecord>,
    /// How it ended; none if it was interrupted, or still runs.
    pub outcome: Option<Outcome>,
    /// When the last event was written, RFC 3339 in UTC.
    pub last_at: Option<String>,
    /// Whether the last line was cut off.
    pub torn: bool,
    /// How many steps are under way.
    open: usize,
}

impl History {
    /// A new apply.
    pub fn new(header: Header) -> Self {
        Self { header, steps: BTreeMap::new(), outcome: None, last_at: None, torn: false, open: 0 }
    }

    /// An apply read from a file.
    ///
    /// # Errors
    /// If the version is a later one.
    pub fn read(header: Header) -> Result<Self, Illegal> {
        if header.version > VERSION { Err(Illegal::Version(header.version)) } else { Ok(Self::new(header)) }
    }

    /// Takes the next event in, whose time is not known.
    ///
    /// # Errors
    /// If it may not follow those before it; nothing is changed then.
    pub fn apply(&mut self, event: &Event) -> Result<(), Illegal> {
        self.apply_at(event, None)
    }

    /// Takes the next event in, with the time when it was written (RFC 3339 in UTC).
    ///
    /// # Errors
    /// As [`History::apply`].
    pub fn apply_at(&mut self, event: &Event, at: Option<&str>) -> Result<(), Illegal> {
        if self.outcome.is_some() {
            return Err(Illegal::AfterEnd);
        }
        match event {
            Event::Header(_) => return Err(Illegal::SecondHeader),
            Event::Planned { step, address, kind, operation, object, generation } => {
                if self.steps.contains_key(step) {
                    return Err(Illegal::Twice(*step));
                }
                let record = StepRecord {
                    address: address.clone(),
                    kind: kind.clone(),
                    operation: *operation,
                    object: object.clone(),
                    generation: *generation,
                    state: StepState::Planned,
                    error: None,
                    class: None,
                    asked: None,
                    started_at: None,
                    milliseconds: None,
                    request_ids: Vec::new(),
                };
                self.steps.insert(*step, record);
            }
            Event::Started { step } => {
                self.go(*step, StepState::Started)?.started_at = at.map(str::to_owned);
            }
            Event::Requested { step, asked } => {
                let record = self.steps.get_mut(step).ok_or(Illegal::Unplanned(*step))?;
                match (record.state, record.operation) {
                    (StepState::Started, Operation::Create) => record.asked = Some(asked.clone()),
                    (StepState::Started, _)
                    | (StepState::Planned | StepState::Finished | StepState::Failed | StepState::Skipped, _) => {
                        return Err(Illegal::Requested(*step));
                    }
                }
            }
            Event::Finished { step, object, milliseconds, request_ids } => {
                let record = self.go(*step, StepState::Finished)?;
                if object.is_some() {
                    record.object.clone_from(object);
                }
                record.milliseconds = Some(*milliseconds);
                record.request_ids.clone_from(request_ids);
            }
            Event::Failed { step, error, class, request_id, milliseconds, request_ids } => {
                let record = self.go(*step, StepState::Failed)?;
                record.error = Some(error.clone());
                record.class = *class;
                record.milliseconds = Some(*milliseconds);
                record.request_ids = request_ids.iter().chain(request_id).cloned().collect();
            }
            Event::Skipped { step, because: _ } => {
                self.go(*step, StepState::Skipped)?;
            }
            Event::End { outcome } => {
                if self.open > 0
                    && let Some((step, _)) = self.steps.iter().find(|(_, s)| s.state == StepState::Started)
                {
                    return Err(Illegal::Open(*step));
                }
                self.outcome = Some(*outcome);
            }
        }
        if let Some(at) = at {
            self.last_at = Some(at.to_owned());
        }
        Ok(())
    }

    fn go(&mut self, step: usize, to: StepState) -> Result<&mut StepRecord, Illegal> {
        use StepState::{Failed, Finished, Planned, Skipped, Started};
        let record = self.steps.get_mut(&step).ok_or(Illegal::Unplanned(step))?;
        match (record.state, to) {
            (Planned, Started) => self.open += 1,
            (Planned, Skipped) => {}
            (Started, Finished | Failed) => self.open -= 1,
            (from @ (Planned | Started | Finished | Failed | Skipped), to) => {
                return Err(Illegal::Transition { step, from, to });
            }
        }
        record.state = to;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begun() -> History {
        let text = || "x".to_owned();
        let header = Header {
            version: VERSION,
            apply: text(),
            plan: text(),
            who: text(),
            command: text(),
            commit: None,
            started_at: text(),
            emergency: None,
            undoes: None,
        };
        let mut history = History::new(header);
        history.apply(&planned(0)).unwrap();
        history
    }

    fn planned(step: usize) -> Event {
        let address = Address::parse("a/b").unwrap();
        Event::Planned { step, address, kind: "vpc".into(), operation: Operation::Create, object: None, generation: 1 }
    }

    fn finished(step: usize) -> Event {
        Event::Finished { step, object: Some("id-1".into()), milliseconds: 1, request_ids: vec!["r-1".into()] }
    }

    #[test]
    fn a_step_goes_from_planned_over_started_to_finished() {
        let mut history = begun();
        for event in [Event::Started { step: 0 }, finished(0), Event::End { outcome: Outcome::Succeeded }] {
            history.apply(&event).unwrap();
        }
        assert_eq!((history.steps[&0].state, history.steps[&0].object.as_deref()), (StepState::Finished, Some("id-1")));
    }

    #[test]
    fn a_step_keeps_its_times_and_request_ids_and_a_failed_one_that_of_the_failed_call_last() {
        let mut history = begun();
        history.apply_at(&Event::Started { step: 0 }, Some("2026-01-02T03:04:05.678Z")).unwrap();
        let failed = Event::Failed {
            step: 0,
            error: "no".into(),
            class: None,
            request_id: Some("r-2".into()),
            milliseconds: 9,
            request_ids: vec!["r-1".into()],
        };
        history.apply_at(&failed, Some("2026-01-02T03:04:06.000Z")).unwrap();
        let step = &history.steps[&0];
        assert_eq!(step.started_at.as_deref(), Some("2026-01-02T03:04:05.678Z"));
        assert_eq!((step.milliseconds, step.request_ids.join(" ").as_str()), (Some(9), "r-1 r-2"));
        assert_eq!(history.last_at.as_deref(), Some("2026-01-02T03:04:06.000Z"));
    }

    #[test]
    fn illegal_transitions_are_rejected_and_change_nothing() {
        let mut history = begun();
        let before = history.clone();
        let transition = |from, to| Err(Illegal::Transition { step: 0, from, to });
        assert_eq!(history.apply(&finished(0)), transition(StepState::Planned, StepState::Finished));
        assert_eq!(history.apply(&planned(0)), Err(Illegal::Twice(0)));
        assert_eq!(history.apply(&Event::Started { step: 7 }), Err(Illegal::Unplanned(7)));
        assert_eq!(history.apply(&Event::Header(before.header.clone())), Err(Illegal::SecondHeader));
        assert_eq!(history, before);
        let asked = Asked { token: "t".into(), digest: "d".into() };
        let requested = Event::Requested { step: 0, asked: asked.clone() };
        assert_eq!(history.apply(&requested), Err(Illegal::Requested(0)));
        history.apply(&Event::Started { step: 0 }).unwrap();
        history.apply(&requested).unwrap();
        assert_eq!(history.steps[&0].asked.as_ref(), Some(&asked));
        assert_eq!(history.apply(&Event::Started { step: 0 }), transition(StepState::Started, StepState::Started));
        let skipped = Event::Skipped { step: 0, because: 0 };
        assert_eq!(history.apply(&skipped), transition(StepState::Started, StepState::Skipped));
        assert_eq!(history.apply(&Event::End { outcome: Outcome::Failed }), Err(Illegal::Open(0)));
        history.apply(&finished(0)).unwrap();
        assert_eq!(history.apply(&finished(0)), transition(StepState::Finished, StepState::Finished));
        history.apply(&Event::End { outcome: Outcome::Succeeded }).unwrap();
        assert_eq!(history.apply(&planned(1)), Err(Illegal::AfterEnd));
    }
}
