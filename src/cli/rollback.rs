//! After a failed apply: back to what was last applied, where no data is at risk.

use super::Format;
use super::error::Failure;
use super::pipeline::show_plan;
use super::report;
use super::run::{Ran, Run};
use crate::execute::Report;
use crate::execute::journal::resume;
use crate::guard;
use crate::inventory::Options;
use crate::model::Address;
use crate::model::plan::Plan;
use crate::plan::{Inputs, rollback};
use crate::render;

/// What became of it.
pub(super) struct Undone {
    pub plan: Plan,
    /// None if it could not begin.
    pub report: Option<Report>,
}

impl Undone {
    /// Whether everything is as it was last applied.
    pub fn is_whole(&self) -> bool {
        self.plan.held.is_empty() && self.report.as_ref().is_some_and(Report::succeeded)
    }
}

/// Plans, shows and carries out what takes a failed run back. Nobody is asked: that was done before the run.
pub(super) async fn run(failed: &Run<'_>, ran: &Ran) -> Undone {
    let (live, shell) = (failed.live, failed.shell);
    let declared = &live.declared;
    let kinds = &declared.kinds;
    let goal = rollback::goal(failed.desired, kinds, live.known.as_ref(), failed.plan, &ran.apply);
    let unfinished = resume::unfinished(&live.histories().await);
    let now = jiff::Timestamp::now();
    let options = Options {
        deep: false,
        parallelism: usize::from(failed.global.parallelism),
        unsure: unfinished.unsure(now, live.cloud.lag()),
        standing: goal.standing.clone(),
    };
    let observed = live.collect(&goal.desired, &options, shell).await;
    let inputs = Inputs {
        desired: &goal.desired,
        observed: &observed,
        record: None,
        interrupted: None,
        kinds,
        id: &uuid::Uuid::now_v7().to_string(),
        now: &super::run::now(),
        version: env!("CARGO_PKG_VERSION"),
        account: &live.account,
        stacks: &failed.plan.stacks,
        destroy: false,
        limits: None,
    };
    let plan = goal.plan(&inputs, &|plan| interrupting(failed, plan));
    if failed.global.format == Format::Json {
        let options = render::text::TextOptions { color: shell.color_talk, width: shell.width() };
        shell.say(&render::text::plan(&plan, &options));
    } else {
        show_plan(&plan, failed.global, shell);
    }
    let report = if plan.steps.is_empty() && plan.refused.is_empty() {
        Some(Report::default())
    } else {
        let back = Run {
            desired: &goal.desired,
            plan: &plan,
            observed: &observed,
            unfinished: &unfinished,
            saved: false,
            ..*failed
        };
        carry_out(&back).await
    };
    Undone { plan, report }
}

async fn carry_out(back: &Run<'_>) -> Option<Report> {
    match back.execute().await {
        Ok(ran) => {
            report::tell(&ran.report, back.plan, None, back.shell);
            Some(ran.report)
        }
        Err(failure) => {
            let Failure { message, causes, .. } = &failure;
            back.shell.say(&format!("not rolled back: {message}"));
            causes.iter().for_each(|cause| back.shell.say(&format!("  because: {cause}")));
            None
        }
    }
}

/// The actions that would interrupt service at a time at which that is not allowed.
fn interrupting(failed: &Run<'_>, plan: &Plan) -> Vec<(Address, String)> {
    let environment = &failed.desired.environment;
    let closed = guard::closed(plan, environment, failed.permits, jiff::Timestamp::now());
    let actions = closed.into_iter().flat_map(|c| c.actions);
    actions
        .map(|a| (a.address.clone(), "it would interrupt service, and no announced window is open".to_owned()))
        .collect()
}
