//! The executor: carries out the steps of a plan, and decides nothing.
//!
//! Guarantees: every call is announced in the journal, on disk, before it is made; a step starts only after all steps
//! before it succeeded; a failure skips only what depends on it; a saved plan is refused as a whole if what it touches
//! has changed. Values only known after apply are filled in from the results of earlier steps.

pub mod announcements;
pub mod journal;
pub mod lease;
pub mod lock;
pub mod machine;
pub mod place;
pub mod record;
mod report;
mod request;
mod spec;
mod step;
#[cfg(test)]
mod tests;
mod verify;
mod while_held;
mod world;

use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use self::journal::resume::Unfinished;
use self::journal::{Event, Journal, Outcome};
use self::lock::Held;
use self::record::RecordStore;
use self::spec::Secrets;
use self::step::Runner;
use self::world::World;
use crate::graph::Ready;
use crate::guard::{self, Permits};
use crate::model::cloud::Cloud;
use crate::model::desired::Desired;
use crate::model::kind::Kinds;
use crate::model::observed::Observed;
use crate::model::plan::Plan;

pub use self::report::{Counts, Done, Events, Failure, NoEvents, Report, Skipped, StepError, StepView};
pub use self::verify::{Stale, stale};

/// Everything that a run needs.
pub struct Inputs<'a> {
    /// What is to be done.
    pub plan: &'a Plan,
    /// Whether the plan comes from a file: then it is checked against `observed` and the files first.
    pub saved: bool,
    /// What the files ask for now.
    pub desired: &'a Desired,
    /// What is there: the inventory that the plan was made from, or for a saved plan a new one.
    pub observed: &'a Observed,
    /// What earlier applies left open, by their journals.
    pub unfinished: &'a Unfinished,
    /// All kinds.
    pub kinds: &'a Kinds,
    /// The cloud.
    pub cloud: Arc<dyn Cloud>,
    /// Account id that the credentials belong to.
    pub account: &'a str,
    /// The journal of this apply, with nothing but its header.
    pub journal: Arc<Journal>,
    /// The last-applied record.
    pub record: Arc<RecordStore>,
    /// The lock of the environment. Once it is lost nothing more is called, and calls under way are given up.
    pub held: Option<Arc<dyn Held>>,
    /// What the run is allowed to do beyond what its plan may do by itself.
    pub permits: &'a Permits,
    /// Most steps at the same time; at least 1.
    pub parallelism: usize,
    /// First stop: nothing new is started, what is under way is finished.
    pub cancel: CancellationToken,
    /// Second stop: what is under way gives up before its next call.
    pub hard: CancellationToken,
    /// Told of everything that happens.
    pub events: Arc<dyn Events>,
}

impl Inputs<'_> {
    /// Whether the lock was ours and is not any more.
    fn lock_lost(&self) -> bool {
        self.held.as_ref().is_some_and(|held| !held.is_held())
    }
}

/// Carries a plan out.
pub async fn run(inputs: Inputs<'_>) -> Report {
    let begun = Instant::now();
    let mut report = Report { refused: refusals(&inputs), ..Report::default() };
    let world = World::new(inputs.plan, inputs.desired, inputs.observed, inputs.kinds);
    let runner = Runner { inputs: &inputs, world: Mutex::new(world), secrets: Secrets::of(inputs.desired) };
    if report.refused.is_empty() {
        match inputs.journal.append(&planned(inputs.plan)).await {
            Ok(()) => steps(&runner, &mut report).await,
            Err(error) => {
                report.not_started = (0..inputs.plan.steps.len()).collect();
                report.warnings.push(format!("nothing was done: {error}"));
            }
        }
        // What an apply is taken back to is only what it touched: of the rest it says nothing.
        if inputs.plan.undoes.is_none() {
            inputs.record.refresh(inputs.plan, inputs.desired, inputs.observed);
        }
    }
    report.lock_lost = inputs.lock_lost();
    let end = Event::End { outcome: outcome(&report) };
    if let Err(error) = inputs.journal.append(&[end]).await {
        report.warnings.push(error.to_string());
    }
    runner.save_record(&mut report).await;
    if !inputs.plan.destroy {
        report.outputs = runner.world().outputs();
    }
    report.duration = begun.elapsed();
    report
}

fn outcome(report: &Report) -> Outcome {
    if !report.refused.is_empty() {
        Outcome::Refused
    } else if report.lock_lost && !report.succeeded() {
        Outcome::LockLost
    } else if !report.failed.is_empty() {
        Outcome::Failed
    } else if !report.not_started.is_empty() {
        Outcome::Cancelled
    } else {
        Outcome::Succeeded
    }
}

fn refusals(inputs: &Inputs<'_>) -> Vec<Stale> {
    let (plan, desired) = (inputs.plan, inputs.desired);
    let mut all: Vec<Stale> = plan
        .refused
        .iter()
        .map(|r| Stale { address: Some(r.address.clone()), what: format!("{}; {}", r.reason, r.help) })
        .collect();
    let unnamed = guard::unnamed(plan, &desired.environment, &inputs.permits.data_loss);
    all.extend(
        unnamed.into_iter().map(|r| Stale { address: Some(r.address), what: format!("{}; {}", r.reason, r.help) }),
    );
    let now = jiff::Timestamp::now();
    if let Some(closed) = guard::closed(plan, &desired.environment, inputs.permits, now) {
        let what = "it interrupts service, and no announced window is open";
        all.extend(closed.actions.iter().map(|a| Stale { address: Some(a.address.clone()), what: what.to_owned() }));
    }
    if inputs.saved {
        all.extend(stale(plan, desired, inputs.observed, inputs.account));
    }
    all
}

fn planned(plan: &Plan) -> Vec<Event> {
    let event = |(step, s): (usize, &crate::model::plan::Step)| {
        let action = plan.actions.get(s.action);
        let touched = action.and_then(|a| a.objects.iter().find(|o| Some(&o.id) == s.object.as_ref()));
        Event::Planned {
            step,
            address: s.address.clone(),
            kind: action.map(|a| a.kind.clone()).unwrap_or_default(),
            operation: s.operation,
            object: s.object.clone(),
            generation: touched.map_or(action.map_or(0, |a| a.generation), |o| o.generation),
        }
    };
    plan.steps.iter().enumerate().map(event).collect()
}

/// Whether nothing new is to be started.
fn stopped(inputs: &Inputs<'_>) -> bool {
    inputs.cancel.is_cancelled() || inputs.hard.is_cancelled() || inputs.lock_lost()
}

/// Runs all steps. The one place that starts them: at most `parallelism` at a time, the first in the plan first.
async fn steps(runner: &Runner<'_>, report: &mut Report) {
    let inputs = runner.inputs;
    let plan = inputs.plan;
    let mut ready = Ready::new(plan.steps.iter().map(|s| s.after.as_slice()));
    let mut running = FuturesUnordered::new();
    let mut counts = Counts { total: plan.steps.len(), ..Counts::default() };
    loop {
        while !stopped(inputs) && running.len() < inputs.parallelism.max(1) {
            let Some(step) = ready.pop_ready() else { break };
            running.push(async move { (step, runner.step(step).await) });
        }
        counts.running = running.len();
        inputs.events.counts(&counts);
        let Some((step, result)) = running.next().await else { break };
        match result {
            Ok(done) => {
                ready.done(step);
                counts.done += 1;
                report.warnings.extend(done.warning);
                report.done.push(Done { address: done.address, operation: done.operation, duration: done.duration });
            }
            Err(failure) => {
                counts.failed += 1;
                let skipped = ready.failed(step);
                counts.skipped += skipped.len();
                skip(runner, report, &skipped, step).await;
                report.failed.push(failure);
            }
        }
        inputs.record.save_if_due().await;
    }
    report.not_started = ready.left();
}

async fn skip(runner: &Runner<'_>, report: &mut Report, skipped: &[usize], because: usize) {
    if skipped.is_empty() {
        return;
    }
    let inputs = runner.inputs;
    let events: Vec<Event> = skipped.iter().map(|step| Event::Skipped { step: *step, because }).collect();
    if let Err(error) = inputs.journal.append(&events).await {
        report.warnings.push(error.to_string());
    }
    let cause = &inputs.plan.steps[because].address;
    for index in skipped {
        let view = runner.view(*index);
        inputs.events.skipped(&view, cause);
        let (address, operation) = (view.address.clone(), view.operation);
        report.skipped.push(Skipped { address, operation, because: cause.clone() });
    }
}
