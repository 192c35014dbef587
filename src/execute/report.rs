//! What a run tells: while it goes on, and at its end.

use std::collections::BTreeMap;
use std::time::Duration;

use super::verify::Stale;
use crate::model::Address;
use crate::model::cloud::ApiError;
use crate::model::desired::Output;
use crate::model::plan::Operation;

/// A step, for those who are told of it.
#[derive(Debug, Clone, Copy)]
pub struct StepView<'a> {
    /// Its number in the plan.
    pub index: usize,
    /// The resource.
    pub address: &'a Address,
    /// Its kind.
    pub kind: &'a str,
    /// What is done.
    pub operation: Operation,
}

/// How far a run is, in steps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// In the plan.
    pub total: usize,
    /// Under way.
    pub running: usize,
    /// Succeeded.
    pub done: usize,
    /// Failed.
    pub failed: usize,
    /// Not done, because one before failed.
    pub skipped: usize,
}

/// Told of everything that happens in a run. Calls must return at once.
pub trait Events: Send + Sync {
    /// A step begins.
    fn started(&self, step: &StepView<'_>) {
        let _ = step;
    }
    /// A step waits for the cloud: "nat gateway to be available".
    fn waiting(&self, step: &StepView<'_>, what: &str) {
        let _ = (step, what);
    }
    /// A step succeeded.
    fn finished(&self, step: &StepView<'_>, duration: Duration) {
        let _ = (step, duration);
    }
    /// A step failed.
    fn failed(&self, step: &StepView<'_>, error: &StepError) {
        let _ = (step, error);
    }
    /// A step is not done, because that of `because` failed.
    fn skipped(&self, step: &StepView<'_>, because: &Address) {
        let _ = (step, because);
    }
    /// How far it is; called after every change.
    fn counts(&self, counts: &Counts) {
        let _ = counts;
    }
}

/// Nobody is told.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvents;

impl Events for NoEvents {}

/// Why a step failed. Secrets are masked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepError {
    /// The cloud's answer.
    #[error("{0}")]
    Api(ApiError),
    /// The request could not be made, or not be announced; nothing was called.
    #[error("{0}")]
    NotCalled(String),
}

/// A step that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The resource.
    pub address: Address,
    /// What was done.
    pub operation: Operation,
    /// Why it failed.
    pub error: StepError,
}

impl Failure {
    /// The API's request id.
    pub fn request_id(&self) -> Option<&str> {
        match &self.error {
            StepError::Api(error) => error.request_id.as_deref(),
            StepError::NotCalled(_) => None,
        }
    }

    /// What a person can do about it, if something general can be said.
    pub fn remedy(&self) -> Option<&'static str> {
        match &self.error {
            StepError::Api(error) => error.remedy(),
            StepError::NotCalled(_) => None,
        }
    }
}

/// A step that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The resource.
    pub address: Address,
    /// What was done.
    pub operation: Operation,
    /// How long it took.
    pub duration: Duration,
}

/// A step that was not done, because one before it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The resource.
    pub address: Address,
    /// What was to be done.
    pub operation: Operation,
    /// The resource that failed.
    pub because: Address,
}

/// How a run ended.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// Steps that succeeded, in the order of their end.
    pub done: Vec<Done>,
    /// Steps that failed.
    pub failed: Vec<Failure>,
    /// Steps that were not done because of a failure.
    pub skipped: Vec<Skipped>,
    /// Numbers of the steps that were not started, because the run was stopped.
    pub not_started: Vec<usize>,
    /// Why the plan was not obeyed at all.
    pub refused: Vec<Stale>,
    /// Whether the lock of the environment was lost: nothing was called after that.
    pub lock_lost: bool,
    /// Troubles with the journal and the record: the cloud is not affected.
    pub warnings: Vec<String>,
    /// Outputs by stack and name, with all that is known now; sensitive ones are not masked.
    pub outputs: BTreeMap<String, BTreeMap<String, Output>>,
    /// How long it took.
    pub duration: Duration,
}

impl Report {
    /// Whether everything that was planned is done.
    pub fn succeeded(&self) -> bool {
        self.failed.is_empty() && self.skipped.is_empty() && self.not_started.is_empty() && self.refused.is_empty()
    }
}
