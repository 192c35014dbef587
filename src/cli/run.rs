//! Carrying out a plan: refusals, confirmation, lock, journal, steps, report.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::error::Failure;
use super::pipeline::Live;
use super::progress::{Progress, took};
use super::shell::Shell;
use super::{FAILED, Format, Global, OK};
use crate::execute::journal::{self, Header, Journal};
use crate::execute::lock::{Holder, Lock, LocalLock};
use crate::execute::{self, Inputs, Report};
use crate::model::environment::Provider;
use crate::model::observed::Observed;
use crate::model::plan::{Impact, Operation, Plan};
use crate::model::value;

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
    if !approval.yes && !shell.confirm(&question(plan))? {
        return Err(Failure::new("not applied"));
    }
    let state = live.declared.state();
    let (user, host) = who();
    let command = std::env::args().skip(1).collect::<Vec<_>>().join(" ");
    let now = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let holder = Holder {
        who: user.clone(),
        host: host.clone(),
        pid: std::process::id(),
        command: command.clone(),
        since: now.clone(),
    };
    let held = LocalLock::new(&state).acquire(&holder).await;
    let _held = held.map_err(|e| Failure::new("another run has the lock").because(e))?;
    let header = Header {
        version: journal::VERSION,
        apply: uuid::Uuid::now_v7().to_string(),
        plan: plan.id.clone(),
        who: format!("{user}@{host}"),
        command,
        commit: commit(&live.declared.root),
        started_at: now,
    };
    let journal = Journal::create(&state, header).map_err(|e| Failure::new("the journal can't be begun").because(e))?;
    let cancel = CancellationToken::new();
    let hard = CancellationToken::new();
    let watcher = tokio::spawn(watch_interrupts(shell.clone(), cancel.clone(), hard.clone()));
    let progress = Arc::new(Progress::new(shell, plan.steps.len()));
    let report = execute::run(Inputs {
        plan,
        saved: approval.saved,
        desired: &live.declared.desired,
        observed,
        kinds: &live.declared.kinds,
        cloud: Arc::clone(&live.cloud),
        account: &live.account,
        journal: Arc::new(journal),
        record: Arc::clone(&live.record),
        parallelism: usize::from(global.parallelism),
        cancel,
        hard,
        events: progress.clone(),
    })
    .await;
    progress.finish();
    watcher.abort();
    show_report(&report, plan, global, shell);
    if !report.refused.is_empty() {
        let mut failure = Failure::new("the saved plan no longer fits; nothing was done").help("make a new plan");
        failure.causes = report.refused.iter().map(ToString::to_string).collect();
        return Err(failure);
    }
    Ok(if report.succeeded() { OK } else { FAILED })
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

/// User and host, for the lock and the journal.
fn who() -> (String, String) {
    let first = |names: &[&str]| names.iter().find_map(|v| std::env::var(v).ok()).filter(|v| !v.is_empty());
    let user = first(&["USER", "LOGNAME", "USERNAME"]).unwrap_or_else(|| "unknown".to_owned());
    let host = first(&["HOSTNAME", "COMPUTERNAME"])
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .unwrap_or_else(|| "unknown".to_owned());
    (user, host.trim().to_owned())
}

/// The commit that the files are at, if they are in a git repository.
fn commit(root: &std::path::Path) -> Option<String> {
    let output =
        std::process::Command::new("git").arg("-C").arg(root).args(["rev-parse", "HEAD"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned()).filter(|t| !t.is_empty())
}

/// The first interrupt lets what runs finish; the second ends waits too.
async fn watch_interrupts(shell: Shell, cancel: CancellationToken, hard: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    cancel.cancel();
    shell.say("stopping: what is under way is finished first; interrupt again to stop at once");
    if tokio::signal::ctrl_c().await.is_ok() {
        hard.cancel();
        shell.say("stopping at once: run the same command again, it goes on from what is there");
    }
}

fn show_report(report: &Report, plan: &Plan, global: &Global, shell: &Shell) {
    let outputs = outputs(report);
    if global.format == Format::Json {
        shell.data(&format!("{:#}\n", as_json(report, plan, &outputs)));
    }
    for warning in &report.warnings {
        shell.say(&format!("warning: {warning}"));
    }
    for failure in &report.failed {
        shell.say(&format!("\nfailed: {} {}\n  because: {}", operation(failure.operation), failure.address, failure.error));
        if let Some(id) = failure.request_id() {
            shell.say(&format!("  request id: {id}"));
        }
        if let Some(remedy) = failure.remedy() {
            shell.say(&format!("  help: {remedy}"));
        }
    }
    for skipped in &report.skipped {
        shell.say(&format!("skipped: {} {}: {} failed", operation(skipped.operation), skipped.address, skipped.because));
    }
    let left: Vec<&str> = report.not_started.iter().map(|i| plan.steps[*i].address.as_str()).collect();
    if !left.is_empty() {
        shell.say(&format!("not started: {}", left.join(", ")));
    }
    let counts = [
        (report.done.len(), "done"),
        (report.failed.len(), "failed"),
        (report.skipped.len(), "skipped"),
        (left.len(), "not started"),
    ];
    let counts: Vec<String> =
        counts.iter().filter(|(n, w)| *n > 0 || *w == "done").map(|(n, w)| format!("{n} {w}")).collect();
    let label = if plan.provider == Provider::Simulated { " (simulated cloud)" } else { "" };
    shell.say(&format!("{}{label}: {} in {}", plan.environment, counts.join(", "), took(report.duration)));
    if !report.succeeded() && report.refused.is_empty() {
        shell.say("Run the same command again: it goes on from what is there.");
    }
    if global.format != Format::Json && !outputs.is_empty() && !plan.destroy {
        let lines: Vec<String> =
            outputs.iter().map(|(k, v)| format!("  {k} = {}\n", value::readable(&value::plain(v)))).collect();
        shell.data(&format!("\nOutputs:\n{}", lines.concat()));
    }
}

/// Outputs by `stack.name`, sensitive ones masked.
fn outputs(report: &Report) -> BTreeMap<String, Value> {
    report
        .outputs
        .iter()
        .flat_map(|(stack, outputs)| outputs.iter().map(move |(name, output)| (format!("{stack}.{name}"), output)))
        .map(|(name, output)| match output.sensitive {
            true => (name, Value::String("(sensitive)".to_owned())),
            false => (name, output.value.clone()),
        })
        .collect()
}

fn as_json(report: &Report, plan: &Plan, outputs: &BTreeMap<String, Value>) -> Value {
    json!({
        "environment": plan.environment,
        "succeeded": report.succeeded(),
        "seconds": report.duration.as_secs_f64(),
        "done": report.done.iter().map(|d| json!({"address": d.address, "operation": d.operation})).collect::<Vec<_>>(),
        "failed": report.failed.iter().map(|f| json!({
            "address": f.address, "operation": f.operation, "error": f.error.to_string(), "request_id": f.request_id(),
        })).collect::<Vec<_>>(),
        "skipped": report.skipped.iter().map(|s| json!({"address": s.address, "because": s.because})).collect::<Vec<_>>(),
        "not_started": report.not_started.iter().map(|i| &plan.steps[*i].address).collect::<Vec<_>>(),
        "outputs": outputs,
    })
}

fn operation(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "create",
        Operation::Update => "update",
        Operation::Delete => "delete",
        Operation::Own => "take over",
        Operation::Disown => "let go",
    }
}
