//! One step: announce it, make the request, call the cloud, take the result in.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::Inputs;
use super::journal::Event;
use super::lock::Held;
use super::report::{Events, Failure, Report, StepError, StepView};
use super::request::Request;
use super::spec::Secrets;
use super::while_held::while_held;
use super::world::World;
use crate::guard;
use crate::model::Address;
use crate::model::cloud::{ApiError, Cloud, ErrorClass, SaveRequest, Watch};
use crate::model::observed::Object;
use crate::model::ownership::Owner;
use crate::model::plan::{Action, Operation, Step};

/// How long a call may still answer after a hard stop: an answer is worth more than a second.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// What all steps of a run share.
pub(super) struct Runner<'a> {
    pub(super) inputs: &'a Inputs<'a>,
    pub(super) world: Mutex<World<'a>>,
    pub(super) secrets: Secrets,
}

/// A step that succeeded.
pub(super) struct StepDone {
    pub(super) address: Address,
    pub(super) operation: Operation,
    pub(super) duration: Duration,
    pub(super) warning: Option<String>,
}

struct StepWatch<'a> {
    view: StepView<'a>,
    events: &'a dyn Events,
    hard: &'a CancellationToken,
    held: Option<&'a dyn Held>,
    request_ids: &'a Mutex<Vec<String>>,
}

impl Watch for StepWatch<'_> {
    fn waiting(&self, what: &str) {
        self.events.waiting(&self.view, what);
    }

    fn called(&self, request_id: &str) {
        locked(self.request_ids).push(request_id.to_owned());
    }

    fn cancelled(&self) -> bool {
        self.hard.is_cancelled() || self.held.is_some_and(|held| !held.is_held())
    }
}

impl<'a> Runner<'a> {
    pub(super) fn world(&self) -> MutexGuard<'_, World<'a>> {
        locked(&self.world)
    }

    pub(super) fn view(&self, index: usize) -> StepView<'a> {
        let step = &self.inputs.plan.steps[index];
        let kind = self.inputs.plan.actions.get(step.action).map_or("", |a| a.kind.as_str());
        StepView { index, address: &step.address, kind, operation: step.operation }
    }

    pub(super) async fn step(&self, index: usize) -> Result<StepDone, Failure> {
        let (inputs, view) = (self.inputs, self.view(index));
        let step = &inputs.plan.steps[index];
        let begun = Instant::now();
        let request_ids = Mutex::default();
        let called = match inputs.plan.actions.get(step.action) {
            Some(action) => self.announced(index, action, view, &request_ids).await,
            None => Err(StepError::NotCalled("the plan is damaged: a step has no action".to_owned())),
        };
        let duration = begun.elapsed();
        let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let request_ids = std::mem::take(&mut *locked(&request_ids));
        match called {
            Ok(object) => {
                let finished = Event::Finished { step: index, object, milliseconds, request_ids };
                let warning = inputs.journal.append(&[finished]).await.err().map(|e| e.to_string());
                inputs.events.finished(&view, duration);
                Ok(StepDone { address: step.address.clone(), operation: step.operation, duration, warning })
            }
            Err(error) => {
                let error = self.masked(error);
                // If even this can't be written, the journal says "started", which is what a reader must assume anyway.
                let _ = inputs.journal.append(&[failed(index, &error, milliseconds, request_ids)]).await;
                inputs.events.failed(&view, &error);
                Err(Failure { address: step.address.clone(), operation: step.operation, error })
            }
        }
    }

    /// Ends when a call under way is to be left to itself: after a hard stop, and a moment for its answer.
    async fn given_up(&self) {
        self.inputs.hard.cancelled().await;
        tokio::time::sleep(LAST_MOMENT).await;
    }

    /// Announces a step in the journal and makes its call; returns the object's id.
    async fn announced(
        &self,
        index: usize,
        action: &Action,
        view: StepView<'_>,
        request_ids: &Mutex<Vec<String>>,
    ) -> Result<Option<String>, StepError> {
        let (inputs, step) = (self.inputs, &self.inputs.plan.steps[index]);
        let request = self.request(step, action);
        let announcement =
            request.as_ref().map_or_else(|_| vec![Event::Started { step: index }], |r| r.announcement(index));
        inputs.journal.append(&announcement).await.map_err(|e| StepError::NotCalled(e.to_string()))?;
        inputs.events.started(&view);
        let request = request.map_err(StepError::NotCalled)?;
        tokio::select! {
            biased;
            called = while_held(inputs.held.as_deref(), self.call(step, action, request, view, request_ids)) => {
                called.unwrap_or_else(|| Err(StepError::Api(lock_lost())))
            }
            () = self.given_up() => Err(StepError::Api(ApiError::new(
                "Ctrl-C",
                ErrorClass::Cancelled,
                "stopped at once; the next run reads what became of it",
            ))),
        }
    }

    /// Makes the call of a step and takes its result in; returns the object's id.
    async fn call(
        &self,
        step: &Step,
        action: &Action,
        request: Request,
        view: StepView<'_>,
        request_ids: &Mutex<Vec<String>>,
    ) -> Result<Option<String>, StepError> {
        let cloud: &dyn Cloud = &*self.inputs.cloud;
        let inputs = self.inputs;
        let (events, hard, held) = (&*inputs.events, &inputs.hard, inputs.held.as_deref());
        let watch = StepWatch { view, events, hard, held, request_ids };
        let (environment, now) = (&inputs.desired.environment, jiff::Timestamp::now());
        if !guard::may_begin(step.operation, action, environment, inputs.permits, now) {
            let text = "the announced window has ended; announce another one, and run again in it";
            return Err(StepError::NotCalled(text.to_owned()));
        }
        match request {
            Request::Create { request, .. } => {
                let object = cloud.create(&request, &watch).await.map_err(StepError::Api)?;
                Ok(Some(self.written(action, &request.owner, object)))
            }
            Request::Update(request) => {
                let object = cloud.update(&request, &watch).await.map_err(StepError::Api)?;
                Ok(Some(self.written(action, &request.desired.owner, object)))
            }
            Request::Save(request) => self.save(&request.object, action, &watch).await.map(Some),
            Request::Delete(request) => {
                cloud.delete(&request, &watch).await.map_err(StepError::Api)?;
                Ok(self.gone(step, action))
            }
            Request::Own(request) => {
                cloud.own(&request).await.map_err(StepError::Api)?;
                let before = request.object.owner.map(|o| o.address).filter(|a| *a != action.address);
                if let (Some(before), Some(id)) = (before, &step.object) {
                    self.inputs.record.remove(&before, id);
                }
                let object = request.owner.and_then(|owner| self.world().owned(step, action, owner));
                if let Some(object) = object {
                    self.note(action, &object);
                }
                Ok(step.object.clone())
            }
            Request::Disown(request) => {
                cloud.own(&request).await.map_err(StepError::Api)?;
                Ok(self.gone(step, action))
            }
        }
    }

    /// Sees to a recovery point that is complete and new enough; returns its id.
    async fn save(&self, object: &Object, action: &Action, watch: &dyn Watch) -> Result<String, StepError> {
        let cloud: &dyn Cloud = &*self.inputs.cloud;
        let loss = self.inputs.plan.losses.iter().find(|l| l.address == action.address);
        let Some(limit) = loss.and_then(|l| l.newer_than) else {
            let text = "the plan is damaged: it saves data, and says not how new the recovery point must be";
            return Err(StepError::NotCalled(text.to_owned()));
        };
        let mut points = cloud.recovery_points(object).await.map_err(StepError::Api)?;
        points.retain(|p| p.age <= limit);
        points.sort_by(|a, b| a.age.cmp(&b.age).then_with(|| a.id.cmp(&b.id)));
        if let Some(there) = points.iter().find(|p| p.complete) {
            return Ok(there.id.clone());
        }
        let unfinished = points.into_iter().next().map(|p| p.id);
        let request = SaveRequest { object: object.clone(), unfinished };
        let made = cloud.save(&request, watch).await.map_err(StepError::Api)?;
        if made.complete {
            return Ok(made.id);
        }
        let message = format!("recovery point {} is not complete", made.id);
        Err(StepError::Api(ApiError::new("save", ErrorClass::TimedOut, message)))
    }

    fn written(&self, action: &Action, owner: &Owner, object: Object) -> String {
        let object = self.world().written(action, owner, object);
        self.note(action, &object);
        object.id
    }

    fn note(&self, action: &Action, object: &Object) {
        if let Some(kind) = self.inputs.kinds.get(&object.kind) {
            let declared = self.inputs.desired.resources.get(&action.address);
            self.inputs.record.put(&action.address, kind, object, declared, &self.secrets);
        }
    }

    fn gone(&self, step: &Step, action: &Action) -> Option<String> {
        self.world().gone(step, action);
        if let Some(id) = &step.object {
            self.inputs.record.remove(&action.address, id);
        }
        step.object.clone()
    }

    fn masked(&self, error: StepError) -> StepError {
        let hide = |text: String| self.secrets.hide(&text).into_owned();
        match error {
            StepError::Api(e) => StepError::Api(ApiError { message: hide(e.message), code: e.code.map(hide), ..e }),
            StepError::NotCalled(text) => StepError::NotCalled(hide(text)),
        }
    }

    /// Writes the record; a trouble becomes a warning.
    pub(super) async fn save_record(&self, report: &mut Report) {
        if let Err(error) = self.inputs.record.save().await {
            report.warnings.push(error.to_string());
        }
    }
}

/// Why a call was given up whose writer has lost the environment's lock.
fn lock_lost() -> ApiError {
    let message = "the lock of the environment was lost while this was under way; the next run reads what became of it";
    ApiError::new("lock", ErrorClass::Cancelled, message)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn failed(step: usize, error: &StepError, milliseconds: u64, request_ids: Vec<String>) -> Event {
    let (class, request_id) = match error {
        StepError::Api(e) => (Some(e.class), e.request_id.clone()),
        StepError::NotCalled(_) => (None, None),
    };
    Event::Failed { step, error: error.to_string(), class, request_id, milliseconds, request_ids }
}
