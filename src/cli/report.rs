//! The end of an apply: done, failed, skipped, not started, outputs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::progress::took;
use super::rollback::Undone;
use super::shell::Shell;
use super::{Format, Global};
use crate::execute::{Failure, Report};
use crate::model::environment::Provider;
use crate::model::plan::Plan;
use crate::model::value;

/// Tells on stderr how a run ended.
pub(crate) fn tell(report: &Report, plan: &Plan, emergency: Option<&str>, shell: &Shell) {
    for warning in &report.warnings {
        shell.say(&format!("warning: {warning}"));
    }
    for refused in &report.refused {
        shell.say(&format!("refused: {refused}"));
    }
    for failure in &report.failed {
        shell.say(&failed(failure));
    }
    if report.lock_lost {
        shell.say(LOCK_LOST);
    }
    for skipped in &report.skipped {
        let what = skipped.operation.word();
        shell.say(&format!("skipped: {what} {}: it needs {}", skipped.address, skipped.because));
    }
    for step in report.not_started.iter().filter_map(|i| plan.steps.get(*i)) {
        shell.say(&format!("not started: {} {}", step.operation.word(), step.address));
    }
    if let Some(reason) = emergency {
        shell.say(&format!("emergency, not announced: {reason}"));
    }
    shell.say(&summary(report, plan));
}

/// Prints the end: outputs (or, for programs, all of the report) on stdout, and what became of a rollback.
pub(crate) fn show(
    report: &Report,
    undone: Option<&Undone>,
    plan: &Plan,
    emergency: Option<&str>,
    global: &Global,
    shell: &Shell,
) {
    let outputs = if undone.is_some() { BTreeMap::new() } else { outputs(report) };
    if let Some(undone) = undone {
        shell.say(&rolled_back(undone));
    }
    if global.format == Format::Json {
        let mut value = as_json(report, plan, emergency, &outputs);
        if let Some(undone) = undone {
            value["rollback"] = rollback_json(undone);
        }
        shell.data(&format!("{value:#}\n"));
    } else {
        shell.data(&output_lines(&outputs));
    }
}

/// The last line of a rollback.
fn rolled_back(undone: &Undone) -> String {
    let left = undone.plan.held.len();
    match &undone.report {
        Some(report) if report.succeeded() && left == 0 => "Rolled back: all is as it was last applied.".to_owned(),
        Some(report) if report.succeeded() => {
            format!("Rolled back, but for {left} left as it is: see \"Left as it is\".")
        }
        Some(_) | None => "Not wholly rolled back: `saiken plan` shows what differs from the files.".to_owned(),
    }
}

fn rollback_json(undone: &Undone) -> Value {
    let nothing = Report::default();
    let report = undone.report.as_ref().unwrap_or(&nothing);
    let mut value = as_json(report, &undone.plan, None, &BTreeMap::new());
    value["succeeded"] = json!(undone.report.as_ref().is_some_and(Report::succeeded));
    value["whole"] = json!(undone.is_whole());
    let left = undone.plan.held.iter().map(|h| json!({"address": h.address, "reason": h.reason}));
    value["left"] = left.collect();
    value
}

const LOCK_LOST: &str = "stopped: the lock of this environment could not be renewed in time and is lost; nothing was called \
                         after that";

/// Outputs as aligned lines under a heading; empty if there are none.
pub(crate) fn output_lines(outputs: &BTreeMap<String, Value>) -> String {
    use unicode_width::UnicodeWidthStr as _;
    let width = outputs.keys().map(|name| name.width()).max().unwrap_or(0);
    let mut out = String::new();
    for (name, value) in outputs {
        if out.is_empty() {
            out.push_str("\nOutputs:\n");
        }
        let plain = value::plain(value);
        let _ = writeln!(out, "  {name}{} = {}", " ".repeat(width - name.width()), value::readable(&plain));
    }
    out
}

fn failed(failure: &Failure) -> String {
    let mut out = format!("failed: {} {}\n  because: {}", failure.operation.word(), failure.address, failure.error);
    if let Some(id) = failure.request_id() {
        let _ = write!(out, "\n  request id: {id}");
    }
    if let Some(remedy) = failure.remedy() {
        let _ = write!(out, "\n  help: {remedy}");
    }
    out
}

fn summary(report: &Report, plan: &Plan) -> String {
    let counts = [
        (report.done.len(), "done"),
        (report.failed.len(), "failed"),
        (report.skipped.len(), "skipped"),
        (report.not_started.len(), "not started"),
    ];
    let counts: Vec<String> =
        counts.iter().filter(|(n, w)| *n > 0 || *w == "done").map(|(n, w)| format!("{n} {w}")).collect();
    let label = match plan.provider {
        Provider::Simulated => " (simulated cloud)",
        Provider::Aws => "",
    };
    format!("{}{label}: {} in {}", plan.environment, counts.join(", "), took(report.duration))
}

fn outputs(report: &Report) -> BTreeMap<String, Value> {
    let all = report.outputs.iter().flat_map(|(stack, all)| all.iter().map(move |(name, o)| (stack, name, o)));
    all.map(|(stack, name, output)| {
        let value = if output.sensitive { Value::from("(sensitive)") } else { output.value.clone() };
        (format!("{stack}.{name}"), value)
    })
    .collect()
}

fn as_json(report: &Report, plan: &Plan, emergency: Option<&str>, outputs: &BTreeMap<String, Value>) -> Value {
    let seconds = |d: Duration| (d.as_secs_f64() * 1000.0).round() / 1000.0;
    let list = |items: Vec<Value>| Value::Array(items);
    let mut map = Map::new();
    map.insert("format".to_owned(), json!(1));
    map.insert("environment".to_owned(), json!(plan.environment));
    map.insert("provider".to_owned(), json!(plan.provider));
    map.insert("plan".to_owned(), json!(plan.id));
    if let Some(reason) = emergency {
        map.insert("emergency".to_owned(), json!(reason));
    }
    map.insert("succeeded".to_owned(), json!(report.succeeded()));
    map.insert("lock_lost".to_owned(), json!(report.lock_lost));
    map.insert("seconds".to_owned(), json!(seconds(report.duration)));
    let done = report
        .done
        .iter()
        .map(|d| json!({"address": d.address, "operation": d.operation, "seconds": seconds(d.duration)}));
    map.insert("done".to_owned(), list(done.collect()));
    let failed = report.failed.iter().map(|f| {
        json!({"address": f.address, "operation": f.operation, "error": f.error.to_string(),
               "request_id": f.request_id(), "help": f.remedy()})
    });
    map.insert("failed".to_owned(), list(failed.collect()));
    let skipped =
        report.skipped.iter().map(|s| json!({"address": s.address, "operation": s.operation, "because": s.because}));
    map.insert("skipped".to_owned(), list(skipped.collect()));
    let left = report.not_started.iter().filter_map(|i| plan.steps.get(*i));
    map.insert(
        "not_started".to_owned(),
        list(left.map(|s| json!({"address": s.address, "operation": s.operation})).collect()),
    );
    map.insert("refused".to_owned(), list(report.refused.iter().map(|r| json!(r.to_string())).collect()));
    map.insert("outputs".to_owned(), json!(outputs));
    Value::Object(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::execute::StepError;
    use crate::model::Address;
    use crate::model::cloud::{ApiError, ErrorClass};
    use crate::model::desired::Output;
    use crate::model::plan::Operation;

    #[test]
    fn a_failure_shows_the_api_s_words_its_request_id_and_a_remedy() {
        let error = ApiError {
            operation: "ec2:CreateVpc".into(),
            class: ErrorClass::QuotaExceeded,
            code: Some("VpcLimitExceeded".into()),
            message: "too many networks".into(),
            request_id: Some("r-1".into()),
        };
        let address = Address::parse("network/main").unwrap();
        let failure = Failure { address, operation: Operation::Create, error: StepError::Api(error) };
        assert_eq!(
            failed(&failure),
            "failed: create network/main\n  because: ec2:CreateVpc: too many networks (VpcLimitExceeded)\n  \
             request id: r-1\n  help: ask for a higher quota, or remove what is not used"
        );
    }

    #[test]
    fn sensitive_outputs_are_masked_and_names_are_aligned() {
        let output = |value: &str, sensitive| Output { description: None, value: json!(value), sensitive };
        let stack = BTreeMap::from([("id".to_owned(), output("vpc-1", false)), ("名前".to_owned(), output("x", true))]);
        let report = Report { outputs: BTreeMap::from([("a".to_owned(), stack)]), ..Report::default() };
        assert_eq!(output_lines(&outputs(&report)), "\nOutputs:\n  a.id   = vpc-1\n  a.名前 = (sensitive)\n");
    }
}
