//! The end of an apply: done, failed, skipped, outputs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::validate::counted;
use super::{Context, Error, Format};
use crate::execute::{Failure, Report};
use crate::model::desired::Output;
use crate::model::plan::{Operation, Plan};
use crate::model::value;

/// What is shown in place of a sensitive value.
const MASK: &str = "(sensitive)";

/// The word for an operation that is under way.
pub fn word(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "create",
        Operation::Update => "update",
        Operation::Delete => "delete",
        Operation::Own => "take over",
        Operation::Disown => "let go",
    }
}

/// A duration for people: `0.4s`, `12s`, `3m05s`.
pub fn time(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0..=9 => format!("{:.1}s", duration.as_secs_f64()),
        10..=59 => format!("{seconds}s"),
        _ => format!("{}m{:02}s", seconds / 60, seconds % 60),
    }
}

/// Prints the report: as data on stdout where programs read it, else failures on stderr and outputs on stdout.
///
/// # Errors
/// If stdout can't be written.
pub fn print(cx: &Context, plan: &Plan, report: &Report) -> Result<(), Error> {
    for warning in &report.warnings {
        cx.shell.say(&format!("warning: {warning}"));
    }
    match cx.globals.format {
        Format::Json => cx.shell.data(&format!("{:#}", to_json(plan, report))),
        Format::Text | Format::Markdown => {
            let failures = failures(plan, report);
            if !failures.is_empty() {
                cx.shell.say(&failures);
            }
            cx.shell.data(&summary(report))?;
            let outputs = outputs(&report.outputs);
            if outputs.is_empty() { Ok(()) } else { cx.shell.data(&outputs) }
        }
    }
}

fn failures(plan: &Plan, report: &Report) -> String {
    let mut out = String::new();
    for refused in &report.refused {
        let _ = writeln!(out, "refused: {refused}");
    }
    for failure in &report.failed {
        out.push_str(&one_failure(failure));
    }
    for skipped in &report.skipped {
        let _ = writeln!(out, "skipped: {} {} (it needs {})", word(skipped.operation), skipped.address, skipped.because);
    }
    for step in report.not_started.iter().filter_map(|i| plan.steps.get(*i)) {
        let _ = writeln!(out, "not started: {} {}", word(step.operation), step.address);
    }
    out
}

fn one_failure(failure: &Failure) -> String {
    let mut out = format!("failed: {} {}\n  {}\n", word(failure.operation), failure.address, failure.error);
    if let Some(id) = failure.request_id() {
        let _ = writeln!(out, "  request id {id}");
    }
    if let Some(remedy) = failure.remedy() {
        let _ = writeln!(out, "  help: {remedy}");
    }
    out
}

fn summary(report: &Report) -> String {
    let mut parts = vec![format!("{} done", counted(report.done.len(), "step"))];
    for (n, what) in [
        (report.failed.len(), "failed"),
        (report.skipped.len(), "skipped"),
        (report.not_started.len(), "not started"),
    ] {
        if n > 0 {
            parts.push(format!("{n} {what}"));
        }
    }
    let end = if report.succeeded() { "" } else { " Run again to go on from here." };
    format!("\nApplied: {} in {}.{end}", parts.join(", "), time(report.duration))
}

/// Outputs as `stack.name = value` lines, aligned.
fn outputs(all: &BTreeMap<String, BTreeMap<String, Output>>) -> String {
    let rows: Vec<(String, Value)> = all
        .iter()
        .flat_map(|(stack, outputs)| outputs.iter().map(move |(name, o)| (format!("{stack}.{name}"), shown(o))))
        .collect();
    output_rows(rows.iter().map(|(name, value)| (name.as_str(), value)))
}

/// Rows `name = value`, aligned, under a heading; empty if there are none.
pub fn output_rows<'a>(rows: impl Iterator<Item = (&'a str, &'a Value)> + Clone) -> String {
    use unicode_width::UnicodeWidthStr as _;
    let width = rows.clone().map(|(name, _)| name.width()).max().unwrap_or(0);
    let mut out = String::new();
    for (name, value) in rows {
        if out.is_empty() {
            out.push_str("\nOutputs\n");
        }
        let text = value::plain(value);
        let _ = writeln!(out, "  {name}{} = {}", " ".repeat(width - name.width()), value::readable(&text));
    }
    out
}

fn shown(output: &Output) -> Value {
    if output.sensitive { Value::String(MASK.to_owned()) } else { output.value.clone() }
}

fn to_json(plan: &Plan, report: &Report) -> Value {
    let seconds = |d: Duration| (d.as_secs_f64() * 1000.0).round() / 1000.0;
    let done: Vec<Value> = report
        .done
        .iter()
        .map(|d| json!({"address": d.address, "operation": d.operation, "seconds": seconds(d.duration)}))
        .collect();
    let failed: Vec<Value> = report
        .failed
        .iter()
        .map(|f| {
            json!({"address": f.address, "operation": f.operation, "error": f.error.to_string(),
                   "request_id": f.request_id(), "help": f.remedy()})
        })
        .collect();
    let skipped: Vec<Value> = report
        .skipped
        .iter()
        .map(|s| json!({"address": s.address, "operation": s.operation, "because": s.because}))
        .collect();
    let not_started: Vec<Value> = report
        .not_started
        .iter()
        .filter_map(|i| plan.steps.get(*i))
        .map(|s| json!({"address": s.address, "operation": s.operation}))
        .collect();
    let outputs: serde_json::Map<String, Value> = report
        .outputs
        .iter()
        .flat_map(|(stack, all)| all.iter().map(move |(name, o)| (format!("{stack}.{name}"), shown(o))))
        .collect();
    json!({
        "format": 1,
        "environment": plan.environment,
        "provider": plan.provider,
        "plan": plan.id,
        "succeeded": report.succeeded(),
        "seconds": seconds(report.duration),
        "refused": report.refused.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "done": done,
        "failed": failed,
        "skipped": skipped,
        "not_started": not_started,
        "outputs": outputs,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short_and_exact_enough() {
        assert_eq!(time(Duration::from_millis(420)), "0.4s");
        assert_eq!(time(Duration::from_secs(42)), "42s");
        assert_eq!(time(Duration::from_secs(185)), "3m05s");
    }

    #[test]
    fn sensitive_outputs_are_masked() {
        let output = Output { description: None, value: json!("hunter2"), sensitive: true };
        let all = BTreeMap::from([("a".to_owned(), BTreeMap::from([("b".to_owned(), output)]))]);
        assert_eq!(outputs(&all), "\nOutputs\n  a.b = (sensitive)\n");
    }
}
