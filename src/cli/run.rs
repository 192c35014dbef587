//! Carrying out a plan: refusals, confirmation, journal, steps, report.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::error::Failure;
use super::pipeline::Live;
use super::progress::Progress;
use super::shell::Shell;
use super::{FAILED, Global, OK, report};
use crate::execute::journal::{self, Header};
use crate::execute::lock::Held;
use crate::execute::{self, Inputs, Report};
use crate::model::observed::Observed;
use crate::model::plan::{Impact, Plan};

/// Whether and how the user agreed.
pub(crate) struct Approval {
    /// `--yes`.
    pub yes: bool,
    /// The plan was saved, perhaps long ago: what it touches must not have changed.
    pub saved: bool,
}

/// Asks, carries out, reports.
///
/// # Errors
/// If the plan is refused or no longer fits, nobody agrees, or the journal can't be written.
pub(crate) async fn carry_out(
    live: &Live,
    plan: &Plan,
    observed: &Observed,
    approval: Approval,
    held: &Arc<dyn Held>,
    global: &Global,
    shell: &Shell,
) -> Result<u8, Failure> {
    check_refused(plan)?;
    if approval.saved {
        check_saved(live, plan, observed)?;
    }
    if plan.steps.is_empty() {
        live.refresh_record(plan, observed, shell).await;
        return if plan.held.is_empty() {
            Ok(OK)
        } else {
            Err(Failure::new("nothing can be done: all that differs is held").help("see the section `Held`"))
        };
    }
    if !approval.yes && !shell.confirm(&question(plan))? {
        return Err(Failure::new("not applied"));
    }
    let report = execute(live, plan, observed, &approval, held, global, shell).await?;
    report::show(&report, plan, global, shell);
    Ok(if report.succeeded() && plan.held.is_empty() { OK } else { FAILED })
}

async fn execute(
    live: &Live,
    plan: &Plan,
    observed: &Observed,
    approval: &Approval,
    held: &Arc<dyn Held>,
    global: &Global,
    shell: &Shell,
) -> Result<Report, Failure> {
    let declared = &live.declared;
    let header = Header {
        version: journal::VERSION,
        apply: uuid::Uuid::now_v7().to_string(),
        plan: plan.id.clone(),
        who: format!("{}@{}", user(), host()),
        command: command(),
        commit: commit(&declared.root),
        started_at: now(),
    };
    let journal = live
        .place
        .journals()
        .create(header)
        .await
        .map_err(|e| Failure::new("the journal can't be written; nothing was done").because(e))?;
    let (cancel, hard) = (CancellationToken::new(), CancellationToken::new());
    let progress = Arc::new(Progress::new(shell, plan.steps.len()));
    let watcher = tokio::spawn(watch_interrupts(cancel.clone(), hard.clone(), Arc::clone(&progress)));
    let report = execute::run(Inputs {
        plan,
        saved: approval.saved,
        desired: &declared.desired,
        observed,
        unfinished: &live.unfinished,
        kinds: &declared.kinds,
        cloud: Arc::clone(&live.cloud),
        account: &live.account,
        journal: Arc::new(journal),
        record: Arc::clone(&live.record),
        held: Some(Arc::clone(held)),
        parallelism: usize::from(global.parallelism),
        cancel,
        hard,
        events: Arc::<Progress>::clone(&progress),
    })
    .await;
    watcher.abort();
    progress.finish();
    Ok(report)
}

fn check_refused(plan: &Plan) -> Result<(), Failure> {
    let Some(first) = plan.refused.first() else { return Ok(()) };
    let mut failure = Failure::new("the plan is refused; nothing was done").help(first.help.clone());
    failure.causes = plan.refused.iter().map(|r| format!("{}: {}", r.address, r.reason)).collect();
    Err(failure)
}

/// A saved plan is obeyed exactly or refused.
fn check_saved(live: &Live, plan: &Plan, observed: &Observed) -> Result<(), Failure> {
    let desired = &live.declared.desired;
    let mut reasons: Vec<String> =
        execute::stale(plan, desired, observed, &live.account).iter().map(ToString::to_string).collect();
    reasons.extend(
        execute::masked_spec_differs(plan, desired)
            .iter()
            .map(|address| format!("{address}: the files have changed since the plan was made")),
    );
    if reasons.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::new("the saved plan no longer fits; nothing was done")
        .help("make a new one with `saiken plan --out FILE`, and look at it");
    failure.causes = reasons;
    Err(failure)
}

fn question(plan: &Plan) -> String {
    let lost = plan.actions.iter().filter(|a| a.impact == Impact::LosesData).count();
    let warning = match lost {
        0 => String::new(),
        1 => " One object's data is lost.".to_owned(),
        n => format!(" The data of {n} objects is lost."),
    };
    let verb = if plan.destroy { "Take all of this down in" } else { "Apply this to" };
    format!("{verb} `{}`?{warning}", plan.environment)
}

/// Now, RFC 3339 in UTC, to the second.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The command line as it was typed, without the program's path.
pub(crate) fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    format!("saiken {}", arguments.join(" "))
}

pub(crate) fn user() -> String {
    ["USER", "LOGNAME", "USERNAME"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()))
        .unwrap_or_else(|| "unknown".to_owned())
}

pub(crate) fn host() -> String {
    std::env::var("HOSTNAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The commit that the files are at, if they are in a git repository.
fn commit(root: &std::path::Path) -> Option<String> {
    let output = std::process::Command::new("git").arg("-C").arg(root).args(["rev-parse", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned()).filter(|t| !t.is_empty())
}

/// The first interrupt lets what runs finish; the second gives up before the next call; the third ends the process.
async fn watch_interrupts(cancel: CancellationToken, hard: CancellationToken, progress: Arc<Progress>) {
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    cancel.cancel();
    progress.line("stopping: what is under way is finished; Ctrl-C again stops at once");
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    hard.cancel();
    progress.line("stopping at once; run again afterwards: saiken reads what is there and goes on");
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(i32::from(FAILED));
    }
}
