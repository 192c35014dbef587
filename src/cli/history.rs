//! `saiken history`

use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use futures::StreamExt as _;
use serde_json::{Value, json};

use super::error::Failure;
use super::progress::took;
use super::shell::Shell;
use super::{Format, Global, OK, pipeline, state};
use crate::execute::journal::{History, Journals, Outcome, StepRecord, StepState};
use crate::execute::place::Place;

/// How many journals are read at a time.
const READS: usize = 8;
/// Fewest characters of an id that are shown.
const SHORT: usize = 8;

/// Show what was applied: who, when, from which commit, what, how long, and how it ended
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    /// How many applies, the newest first
    #[arg(short = 'n', long = "number", value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    number: u32,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the steps of one apply, with times, objects, request ids and errors
    Show {
        /// Its id, or the beginning of it
        #[arg(value_name = "ID")]
        id: String,
    },
}

/// An apply, or why its journal can't be read.
struct Entry {
    id: String,
    history: Result<History, String>,
    /// It has not ended, and its environment is locked.
    running: bool,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let (root, environment) = pipeline::settings(global, shell)?;
    let place = state::place(&root, &environment).await;
    let journals = place.journals();
    let ids = journals.ids().await.map_err(|e| Failure::new("the journals can't be read").because(e))?;
    if let Some(What::Show { id: prefix }) = &arguments.what {
        let id = named(prefix, &ids)?;
        let newest = ids.last() == Some(&id);
        let entry = read(&journals, id, newest, &place).await;
        return show_one(&entry, global, shell);
    }
    let short = short(&ids);
    let newest = ids.iter().rev().take(usize::try_from(arguments.number).unwrap_or(usize::MAX)).enumerate();
    let reads = newest.map(|(i, id)| read(&journals, id.clone(), i == 0, &place));
    let entries: Vec<Entry> = futures::stream::iter(reads).buffered(READS).collect().await;
    match global.format {
        Format::Json => {
            let applies: Vec<Value> = entries.iter().map(summary_json).collect();
            shell.data(&format!("{:#}\n", json!({"environment": environment.name, "applies": applies})));
        }
        Format::Text | Format::Markdown if entries.is_empty() => {
            shell.say(&format!("nothing is known of an apply of `{}`", environment.name));
        }
        Format::Text | Format::Markdown => {
            let rows = entries.iter().map(|entry| summary_row(entry, short));
            let header = ["id", "when", "who", "command", "commit", "what", "took", "outcome"];
            table(&header, rows, global, shell);
        }
    }
    Ok(OK)
}

/// The one id that begins so.
fn named(prefix: &str, ids: &[String]) -> Result<String, Failure> {
    let found: Vec<&String> = ids.iter().filter(|id| id.starts_with(prefix)).collect();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(Failure::usage(format!("no apply has an id that begins with `{prefix}`"))
            .help("`saiken history` lists them")),
        several => {
            let names: Vec<&str> = several.iter().take(5).map(|id| id.as_str()).collect();
            Err(Failure::usage(format!("{} applies have an id that begins with `{prefix}`", several.len()))
                .help(format!("write more of it: {}", names.join(", "))))
        }
    }
}

/// So many characters of an id tell it from all others.
fn short(ids: &[String]) -> usize {
    let shared = |a: &String, b: &String| a.chars().zip(b.chars()).take_while(|(x, y)| x == y).count();
    ids.windows(2).map(|pair| shared(&pair[0], &pair[1]) + 1).max().unwrap_or(0).max(SHORT)
}

async fn read(journals: &Journals, id: String, newest: bool, place: &Place) -> Entry {
    let history = journals.read(&id).await.map_err(|e| e.to_string());
    let open = history.as_ref().is_ok_and(|h| h.outcome.is_none());
    let running = open && newest && state::busy(place).await.is_some();
    Entry { id, history, running }
}

/// How it ended.
fn outcome(entry: &Entry, history: &History) -> &'static str {
    match history.outcome {
        Some(Outcome::Succeeded) => "succeeded",
        Some(Outcome::Failed) => "failed",
        Some(Outcome::Cancelled) => "cancelled",
        Some(Outcome::LockLost) => "lock lost",
        Some(Outcome::Refused) => "refused",
        None if entry.running => "running",
        None => "interrupted",
    }
}

/// How long it took, as far as the journal goes.
fn seconds(history: &History) -> Option<f64> {
    let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
    let (begun, ended) = (time(&history.header.started_at)?, time(history.last_at.as_deref()?)?);
    Some(ended.duration_since(begun).as_secs_f64().max(0.0))
}

/// Steps by what was done and how it ended: "3 create, 1 delete, 1 failed, 2 not done".
fn what(history: &History) -> String {
    let steps = || history.steps.values();
    let mut counts: Vec<(usize, &str)> = Vec::new();
    let finished = steps().filter(|s| s.state == StepState::Finished);
    for word in finished.map(|s| s.operation.word()) {
        match counts.iter_mut().find(|(_, w)| *w == word) {
            Some((count, _)) => *count += 1,
            None => counts.push((1, word)),
        }
    }
    let of = |states: &[StepState]| steps().filter(|s| states.contains(&s.state)).count();
    counts.push((of(&[StepState::Failed]), "failed"));
    counts.push((of(&[StepState::Started]), "unknown"));
    counts.push((of(&[StepState::Planned, StepState::Skipped]), "not done"));
    let texts: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, word)| format!("{n} {word}")).collect();
    let done = if texts.is_empty() { "nothing".to_owned() } else { texts.join(", ") };
    if history.header.undoes.is_some() { format!("rollback: {done}") } else { done }
}

fn duration(seconds: f64) -> String {
    took(std::time::Duration::try_from_secs_f64(seconds).unwrap_or_default())
}

fn summary_row(entry: &Entry, short: usize) -> Vec<String> {
    let id: String = entry.id.chars().take(short).collect();
    let history = match &entry.history {
        Ok(history) => history,
        Err(why) => return vec![id, String::new(), String::new(), why.clone()],
    };
    let header = &history.header;
    vec![
        id,
        header.started_at.clone(),
        header.who.clone(),
        header.command.clone(),
        header.commit.as_deref().unwrap_or_default().chars().take(SHORT).collect(),
        what(history),
        seconds(history).map(duration).unwrap_or_default(),
        outcome(entry, history).to_owned(),
    ]
}

fn summary_json(entry: &Entry) -> Value {
    let history = match &entry.history {
        Ok(history) => history,
        Err(why) => return json!({"id": entry.id, "error": why}),
    };
    let header = &history.header;
    let of = |state: StepState| history.steps.values().filter(|s| s.state == state).count();
    json!({
        "id": entry.id,
        "plan": header.plan,
        "who": header.who,
        "command": header.command,
        "commit": header.commit,
        "started_at": header.started_at,
        "last_at": history.last_at,
        "seconds": seconds(history),
        "outcome": outcome(entry, history).replace(' ', "_"),
        "emergency": header.emergency,
        "undoes": header.undoes,
        "steps": {
            "planned": of(StepState::Planned),
            "started": of(StepState::Started),
            "finished": of(StepState::Finished),
            "failed": of(StepState::Failed),
            "skipped": of(StepState::Skipped),
        },
    })
}

/// One apply with its steps, in the order of their start.
fn show_one(entry: &Entry, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let history = entry.history.as_ref().map_err(|why| Failure::new(why.clone()))?;
    let mut steps: Vec<(&usize, &StepRecord)> = history.steps.iter().collect();
    steps.sort_by_key(|(number, s)| (s.started_at.is_none(), s.started_at.clone(), **number));
    if global.format == Format::Json {
        let mut value = summary_json(entry);
        value["steps"] = steps.iter().map(|(number, step)| step_json(**number, step)).collect();
        shell.data(&format!("{value:#}\n"));
        return Ok(OK);
    }
    let header = &history.header;
    let lines = [
        ("id", entry.id.clone()),
        ("who", header.who.clone()),
        ("command", header.command.clone()),
        ("commit", header.commit.clone().unwrap_or_else(|| "unknown".to_owned())),
        ("plan", header.plan.clone()),
        ("began", header.started_at.clone()),
        ("took", seconds(history).map_or_else(|| "unknown".to_owned(), duration)),
        ("what", what(history)),
        ("outcome", outcome(entry, history).to_owned()),
    ];
    let more = [("emergency", &header.emergency), ("undoes", &header.undoes)];
    let more = more.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
    let lines: Vec<(&str, String)> = lines.into_iter().chain(more).collect();
    let width = lines.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
    let bullet = if global.format == Format::Markdown { "- " } else { "" };
    let head: String = lines.iter().map(|(name, value)| format!("{bullet}{name:<width$}{value}\n")).collect();
    shell.data(&format!("{head}\n"));
    table(
        &["began", "took", "step", "address", "object", "ended", "request ids"],
        steps.iter().map(step_row),
        global,
        shell,
    );
    for (_, step) in &steps {
        if let Some(error) = &step.error {
            shell.data(&format!("\n{bullet}{}: {error}\n", step.address));
        }
    }
    Ok(OK)
}

fn step_row((_, step): &(&usize, &StepRecord)) -> Vec<String> {
    vec![
        step.started_at.clone().unwrap_or_default(),
        step.milliseconds.map(|ms| took(std::time::Duration::from_millis(ms))).unwrap_or_default(),
        step.operation.word().to_owned(),
        step.address.to_string(),
        step.object.clone().unwrap_or_default(),
        state_word(step.state).to_owned(),
        step.request_ids.join(" "),
    ]
}

fn state_word(state: StepState) -> &'static str {
    match state {
        StepState::Planned => "not begun",
        StepState::Started => "unknown",
        StepState::Finished => "done",
        StepState::Failed => "failed",
        StepState::Skipped => "skipped",
    }
}

fn step_json(number: usize, step: &StepRecord) -> Value {
    json!({
        "step": number,
        "address": step.address,
        "kind": step.kind,
        "operation": step.operation,
        "object": step.object,
        "state": step.state,
        "started_at": step.started_at,
        "milliseconds": step.milliseconds,
        "request_ids": step.request_ids,
        "error": step.error,
    })
}

fn table(header: &[&str], rows: impl Iterator<Item = Vec<String>>, global: &Global, shell: &Shell) {
    let mut table = Table::new();
    table.load_preset(if global.format == Format::Markdown { presets::ASCII_MARKDOWN } else { presets::NOTHING });
    table.set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    table.add_rows(rows);
    let text: String = table.lines().map(|l| format!("{}\n", l.trim_end())).collect();
    shell.data(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shown_as_short_as_they_are_unique_and_named_by_their_beginning() {
        let ids: Vec<String> =
            ["0190aaaa-0001", "0190aaaa-0002", "0190bbbb-0001"].iter().map(|s| (*s).to_owned()).collect();
        assert_eq!(short(&ids), 13);
        assert_eq!((short(&ids[1..]), short(&[])), (SHORT, SHORT));
        assert_eq!(named("0190b", &ids).unwrap(), "0190bbbb-0001");
        assert_eq!(named("0190aaaa", &ids).unwrap_err().message, "2 applies have an id that begins with `0190aaaa`");
        assert_eq!(named("x", &ids).unwrap_err().message, "no apply has an id that begins with `x`");
    }
}
