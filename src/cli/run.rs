//! Carrying out a plan: refusals, confirmation, lock, journal, steps, report.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::error::Failure;
use super::pipeline::Live;
use super::progress::{Progress, took};
use super::shell::Shell;
use super::{FAILED, Format, Global, OK};
use crate::execute::{self, Header, Inputs, Journal, Report, lock};
use crate::model::observed::Observed;
use crate::model::plan::{Impact, Plan};

/// Whether and how the user agreed.
pub(crate) struct Approval {
    /// `--yes`.
    pub yes: bool,
    /// The plan was saved, perhaps long ago: what it touches must not have changed.
    pub saved: bool,
}

pub(crate) async fn carry_out(
    live: &Live,
    plan: &Plan,
    observed: &Observed,
    approval: Approval,
    global: &Global,
    shell: &Shell,
) -> Result<u8, Failure> {
    if !plan.refused.is_empty() {
        return Err(Failure::new("the plan is refused; see the section `Refused`"));
    }
    if plan.actions.is_empty() {
        return if plan.held.is_empty() {
            Ok(OK)
        } else {
            Err(Failure::new("nothing can be done: all that differs is held").help("see the section `Held`"))
        };
    }
    if approval.saved {
        check_saved(live, plan, observed)?;
    }
    if !approval.yes && !shell.confirm(&question(plan))? {
        return Err(Failure::new("not applied"));
    }
    let state = live.declared.state();
    let who = who();
    let command: Vec<String> = std::env::args().skip(1).collect();
    let _lock = lock::Local::acquire(&state, &who, &command.join(" "))
        .map_err(|e| Failure::new("another run has the lock").because(e))?;
    let header = Header {
        plan: plan.id.clone(),
        who,
        command: command.join(" "),
        commit: commit(&live.declared.root),
    };
    let secrets = live.declared.desired.secrets.clone();
    let journal = Journal::create(&state, &header, secrets).map_err(|e| Failure::new("no journal").because(e))?;
    let cancel = CancellationToken::new();
    let hard = CancellationToken::new();
    let watcher = tokio::spawn(watch_interrupts(cancel.clone(), hard.clone()));
    let progress = Progress::new(shell, plan.steps.len());
    let report = execute::run(Inputs {
        plan,
        desired: &live.declared.desired,
        observed,
        kinds: &live.declared.kinds,
        cloud: Arc::clone(&live.cloud),
        journal: &journal,
        record: &live.record,
        parallelism: usize::from(global.parallelism),
        cancel,
        hard,
        events: &progress,
    })
    .await;
    progress.finish();
    watcher.abort();
    let report = report.map_err(|e| Failure::new("the apply stopped").because(e))?;
    show_report(&report, plan, global, shell);
    Ok(if report.succeeded() { OK } else { FAILED })
}

/// A saved plan is obeyed exactly or refused.
fn check_saved(live: &Live, plan: &Plan, observed: &Observed) -> Result<(), Failure> {
    let environment = &live.declared.desired.environment;
    let same = plan.environment == environment.name
        && plan.project == environment.project
        && plan.provider == environment.provider
        && plan.account == live.account;
    if !same {
        return Err(Failure::new(format!(
            "the plan is for project {}, environment {}, account {}; this is project {}, environment {}, account {}",
            plan.project, plan.environment, plan.account, environment.project, environment.name, live.account
        )));
    }
    let mut reasons: Vec<String> =
        execute::stale(plan, observed).iter().map(|s| format!("{}: {}", s.address, s.reason)).collect();
    reasons.extend(
        execute::differing_specs(plan, &live.declared.desired, &live.declared.kinds)
            .iter()
            .map(|a| format!("{a}: the files have changed since the plan was made")),
    );
    if reasons.is_empty() {
        return Ok(());
    }
    let mut failure = Failure::new("the saved plan no longer fits; nothing was done").help("make a new plan");
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
    format!("Apply this to `{}`?{warning}", plan.environment)
}

fn who() -> String {
    let user = ["USER", "LOGNAME", "USERNAME"].iter().find_map(|v| std::env::var(v).ok()).unwrap_or_default();
    let host = std::env::var("HOSTNAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .unwrap_or_default();
    let user = if user.is_empty() { "unknown" } else { &user };
    format!("{user}@{}", host.trim())
}

/// The commit that the files are at, if they are in a git repository.
fn commit(root: &std::path::Path) -> Option<String> {
    let output =
        std::process::Command::new("git").arg("-C").arg(root).args(["rev-parse", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned()).filter(|t| !t.is_empty())
}

/// The first interrupt lets what runs finish; the second ends the process.
async fn watch_interrupts(cancel: CancellationToken, hard: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    cancel.cancel();
    tracing::warn!("stopping: what is under way is finished; interrupt again to stop at once");
    if tokio::signal::ctrl_c().await.is_ok() {
        hard.cancel();
    }
}

fn show_report(report: &Report, plan: &Plan, global: &Global, shell: &Shell) {
    if global.format == Format::Json {
        let text = serde_json::to_string_pretty(report).unwrap_or_default();
        shell.data(&format!("{text}\n"));
    }
    let environment = &plan.environment;
    let label = if plan.provider == crate::model::environment::Provider::Simulated { " (simulated cloud)" } else { "" };
    for failure in &report.failed {
        shell.say(&format!("\nfailed: {} {}\n  because: {}", operation(failure.operation), failure.address, failure.error));
        if let Some(id) = &failure.request_id {
            shell.say(&format!("  request id: {id}"));
        }
        if let Some(remedy) = &failure.remedy {
            shell.say(&format!("  help: {remedy}"));
        }
    }
    for (address, because) in &report.skipped {
        shell.say(&format!("skipped: {address}: {because}"));
    }
    if !report.not_started.is_empty() {
        let list: Vec<&str> = report.not_started.iter().map(crate::model::Address::as_str).collect();
        shell.say(&format!("not started: {}", list.join(", ")));
    }
    let counts = [
        (report.done, "done"),
        (report.failed.len(), "failed"),
        (report.skipped.len(), "skipped"),
        (report.not_started.len(), "not started"),
    ];
    let counts: Vec<String> =
        counts.iter().filter(|(n, w)| *n > 0 || *w == "done").map(|(n, w)| format!("{n} {w}")).collect();
    shell.say(&format!("{environment}{label}: {} in {}", counts.join(", "), took(report.duration)));
    if !report.succeeded() {
        shell.say("Run the same command again: it goes on from what is there.");
    }
    if global.format != Format::Json && !report.outputs.is_empty() {
        let lines: Vec<String> = report
            .outputs
            .iter()
            .map(|(name, value)| {
                let plain = crate::model::value::plain(value);
                format!("{name} = {}\n", crate::model::value::readable(&plain))
            })
            .collect();
        shell.data(&format!("\nOutputs:\n{}", lines.concat()));
    }
}

fn operation(operation: crate::model::plan::Operation) -> &'static str {
    use crate::model::plan::Operation;
    match operation {
        Operation::Create => "create",
        Operation::Update => "update",
        Operation::Delete => "delete",
        Operation::Own => "take over",
        Operation::Disown => "let go",
    }
}
