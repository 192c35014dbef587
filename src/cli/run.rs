//! Carrying out a plan: refusals, confirmation, journal, steps, report.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::announce::next_minute;
use super::error::Failure;
use super::pipeline::Live;
use super::progress::Progress;
use super::shell::Shell;
use super::{FAILED, Global, OK, report, rollback};
use crate::execute::journal::resume::Unfinished;
use crate::execute::journal::{self, Header};
use crate::execute::lock::Held;
use crate::execute::{self, Inputs, Report};
use crate::guard::announcement::{earliest, standing};
use crate::guard::notice::typed;
use crate::guard::{self, Permits};
use crate::model::Address;
use crate::model::desired::Desired;
use crate::model::observed::Observed;
use crate::model::plan::{Impact, Plan};
use crate::model::preflight::Preflight;
use crate::render;

/// Whether and how the user agreed.
pub(crate) struct Approval {
    /// `--yes`.
    pub yes: bool,
    /// The plan was saved, perhaps long ago: what it touches must not have changed.
    pub saved: bool,
    /// What is allowed beyond what the plan may do by itself.
    pub permits: Permits,
    /// What follows if a step fails.
    pub on_failure: OnFailure,
    /// Don't look first at what can be known to fail.
    pub skip_preflight: bool,
}

/// What follows if a step fails, and what does not depend on it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OnFailure {
    /// What was done stays; the same command goes on from there
    #[default]
    Stop,
    /// Back to what was last applied, where no data is at risk
    Rollback,
}

impl Approval {
    /// For a plan made just now that takes nothing away.
    pub fn plain(yes: bool) -> Self {
        Self { yes, saved: false, permits: Permits::default(), on_failure: OnFailure::Stop, skip_preflight: false }
    }
}

/// What the command line and the announcements of the environment allow.
///
/// # Errors
/// If the announcements can't be read.
pub(crate) async fn permits(live: &Live, data_loss: &[Address], emergency: Option<&str>) -> Result<Permits, Failure> {
    let notices = live.place.announcements().read().await;
    let notices = notices.map_err(|e| Failure::new("what was announced can't be read; nothing was done").because(e))?;
    Ok(Permits {
        data_loss: data_loss.iter().cloned().collect(),
        announcements: standing(&notices),
        emergency: emergency.map(str::to_owned),
    })
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
    check_data(live, plan, &approval.permits)?;
    check_window(live, plan, &approval.permits)?;
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
    if !approval.skip_preflight {
        let preflight = live.preflight(plan, observed, shell).await;
        let text = render::preflight::text(&preflight, shell.width());
        if !text.is_empty() {
            shell.say(text.trim_end());
        }
        check_preflight(&preflight)?;
    }
    if !approval.yes && !shell.confirm(&question(plan))? {
        return Err(Failure::new("not applied"));
    }
    let run = Run {
        live,
        desired: &live.declared.desired,
        plan,
        observed,
        unfinished: &live.unfinished,
        saved: approval.saved,
        permits: &approval.permits,
        held,
        global,
        shell,
    };
    let ran = run.execute().await?;
    report::tell(&ran.report, plan, approval.permits.emergency.as_deref(), shell);
    let undone = match approval.on_failure {
        OnFailure::Rollback if ran.can_be_undone() => Some(rollback::run(&run, &ran).await),
        OnFailure::Rollback | OnFailure::Stop => None,
    };
    if !ran.report.succeeded() && undone.is_none() {
        shell.say("Run the same command again: it goes on from what is there.");
    }
    report::show(&ran.report, undone.as_ref(), plan, approval.permits.emergency.as_deref(), global, shell);
    Ok(if ran.report.succeeded() && plan.held.is_empty() { OK } else { FAILED })
}

/// Everything that carrying out a plan needs.
#[derive(Clone, Copy)]
pub(super) struct Run<'a> {
    pub live: &'a Live,
    pub desired: &'a Desired,
    pub plan: &'a Plan,
    pub observed: &'a Observed,
    pub unfinished: &'a Unfinished,
    pub saved: bool,
    pub permits: &'a Permits,
    pub held: &'a Arc<dyn Held>,
    pub global: &'a Global,
    pub shell: &'a Shell,
}

/// How it went.
pub(super) struct Ran {
    /// Id of the apply.
    pub apply: String,
    pub report: Report,
    /// The user wanted it to stop.
    pub cancelled: bool,
}

impl Ran {
    /// Whether a step failed, and it is ours to do something about it.
    fn can_be_undone(&self) -> bool {
        !self.report.failed.is_empty() && !self.report.lock_lost && !self.cancelled
    }
}

impl Run<'_> {
    /// Journal, steps, progress.
    ///
    /// # Errors
    /// If the journal can't be written; then nothing was done.
    pub async fn execute(&self) -> Result<Ran, Failure> {
        let live = self.live;
        let apply = uuid::Uuid::now_v7().to_string();
        let header = Header {
            version: journal::VERSION,
            apply: apply.clone(),
            plan: self.plan.id.clone(),
            who: format!("{}@{}", user(), host()),
            command: command(),
            commit: commit(&live.declared.root),
            started_at: now(),
            emergency: self.permits.emergency.clone(),
            undoes: self.plan.undoes.clone(),
        };
        let journal = live
            .place
            .journals()
            .create(header)
            .await
            .map_err(|e| Failure::new("the journal can't be written; nothing was done").because(e))?;
        let (cancel, hard) = (CancellationToken::new(), CancellationToken::new());
        let progress = Arc::new(Progress::new(self.shell, self.plan.steps.len()));
        let watcher = tokio::spawn(watch_interrupts(cancel.clone(), hard.clone(), Arc::clone(&progress)));
        let report = execute::run(Inputs {
            plan: self.plan,
            saved: self.saved,
            desired: self.desired,
            observed: self.observed,
            unfinished: self.unfinished,
            kinds: &live.declared.kinds,
            cloud: Arc::clone(&live.cloud),
            account: &live.account,
            journal: Arc::new(journal),
            record: Arc::clone(&live.record),
            held: Some(Arc::clone(self.held)),
            permits: self.permits,
            parallelism: usize::from(self.global.parallelism),
            cancel: cancel.clone(),
            hard,
            events: Arc::<Progress>::clone(&progress),
        })
        .await;
        watcher.abort();
        progress.finish();
        Ok(Ran { apply, report, cancelled: cancel.is_cancelled() })
    }
}

fn check_refused(plan: &Plan) -> Result<(), Failure> {
    let Some(first) = plan.refused.first() else { return Ok(()) };
    let mut failure = Failure::new("the plan is refused; nothing was done").help(first.help.clone());
    failure.causes = plan.refused.iter().map(|r| format!("{}: {}", r.address, r.reason)).collect();
    Err(failure)
}

/// Data goes only of objects that were named, and only objects that lose data may be named.
fn check_data(live: &Live, plan: &Plan, permits: &Permits) -> Result<(), Failure> {
    if let Some((address, near)) = guard::not_lost(plan, &permits.data_loss) {
        let mut failure = Failure::usage(format!("--allow-data-loss {address}: the plan takes no data of it away"));
        failure.help = near;
        return Err(failure);
    }
    let environment = &live.declared.desired.environment;
    let unnamed = guard::unnamed(plan, environment, &permits.data_loss);
    if unnamed.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::new("data would go that was not named; nothing was done");
    failure.causes = unnamed.iter().map(|r| format!("{}: {}; {}", r.address, r.reason, r.help)).collect();
    failure.help = Some("see the section `Loses data`".to_owned());
    Err(failure)
}

/// Service is interrupted only in an announced window, or in an emergency.
fn check_window(live: &Live, plan: &Plan, permits: &Permits) -> Result<(), Failure> {
    let environment = &live.declared.desired.environment;
    let now = jiff::Timestamp::now();
    let Some(closed) = guard::closed(plan, environment, permits, now) else { return Ok(()) };
    let mut failure = Failure::new("service would be interrupted outside of an announced window; nothing was done");
    failure.causes =
        closed.actions.iter().map(|a| format!("{}: {}, {}", a.address, a.action.word(), a.reason)).collect();
    failure.help = Some(match closed.next {
        Some(next) => format!(
            "run again in window {}: from {} until {} ({})",
            next.id,
            typed(next.from, environment),
            typed(next.until, environment),
            environment.time_zone
        ),
        None => {
            let start = earliest(now, closed.notice).map_or_else(String::new, |at| typed(next_minute(at), environment));
            format!("announce one: saiken announce -e {} --from \"{start}\" --for 2h", environment.name)
        }
    });
    Err(failure)
}

/// Nothing is begun that is certain to fail.
fn check_preflight(preflight: &Preflight) -> Result<(), Failure> {
    if !preflight.blocks() {
        return Ok(());
    }
    Err(Failure::new("it would fail; nothing was done")
        .help("see `Before the first write`; --skip-preflight goes on all the same"))
}

/// A saved plan is obeyed exactly or refused.
fn check_saved(live: &Live, plan: &Plan, observed: &Observed) -> Result<(), Failure> {
    let desired = &live.declared.desired;
    let reasons: Vec<String> =
        execute::stale(plan, desired, observed, &live.account).iter().map(ToString::to_string).collect();
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
