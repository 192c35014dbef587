//! What a [`super::maintenance_window`] is made of: its targets and tasks, as they are declared, and the rules over
//! them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document::Document;
use super::maintenance_window::Spec;
use super::payload::Payload;
use super::targets::Targets;
use crate::model::kind::Problems;
use crate::model::types::{Duration, Ref};
use crate::model::value::is_unknown_text;
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::logs::log_group::LogGroup;
use crate::providers::aws::s3::bucket::Bucket;
use crate::providers::aws::sns::topic::Topic;
use crate::providers::aws::words::words;

const HOUR: u64 = 3_600;

/// What is registered with a window, for its tasks to refer to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowTarget {
    /// Which servers, or which resource groups.
    pub select: Targets,
    /// What it is; 128 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub description: Option<String>,
    /// Text that the events of its tasks carry; 128 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub owner_information: Option<String>,
}

/// What is done in a window. One of `run_command`, `automation`, `lambda` and `step_functions` is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// A command document is run on servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_command: Option<RunCommand>,
    /// A runbook is run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automation: Option<Automation>,
    /// A function is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lambda: Option<Lambda>,
    /// A state machine is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_functions: Option<StepFunctions>,
    /// Names of the window's targets that it is for.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub window_targets: Vec<String>,
    /// Servers that it is for, beside the window's targets; the window must allow it.
    #[serde(default)]
    pub select: Targets,
    /// Role that the service takes on to do it; its own service-linked one if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Ref<Role>>,
    /// Tasks of a lower number are done first, those of the same number at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub priority: Option<i32>,
    /// How many targets are worked on at once: a number, or a percentage (`10%`). Needed if there are targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([1-9][0-9]*|[1-9][0-9]?%|100%)$"))]
    pub max_concurrency: Option<String>,
    /// After how many errors no more targets are begun: a number, or a percentage. Needed if there are targets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(0|[1-9][0-9]*|[0-9]%|[1-9][0-9]%|100%)$"))]
    pub max_errors: Option<String>,
    /// What happens to what is under way at the window's cutoff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_cutoff: Option<AtCutoff>,
    /// What it is for; 128 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub description: Option<String>,
    /// Alarm that stops it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarm: Option<StopAlarm>,
}

words! {
    /// What happens to what is under way at a window's cutoff.
    AtCutoff {
        /// It goes on.
        Continue = "CONTINUE_TASK",
        /// Commands are cancelled; of others no more are begun.
        Cancel = "CANCEL_TASK",
    }
}

/// An alarm that stops what runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StopAlarm {
    /// Its name.
    pub name: String,
    /// Whether it goes on if nobody knows the alarm's state.
    #[serde(default)]
    pub ignore_unknown: bool,
}

/// A command document that is run. It is written as a whole: what is left out has the service's default after the next
/// change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunCommand {
    /// The document; `{ id: AWS-RunPatchBaseline }` for one that is not ours.
    pub document: Ref<Document>,
    /// Its version: a number, `$DEFAULT` or `$LATEST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(\$LATEST|\$DEFAULT|[1-9][0-9]*)$"))]
    pub document_version: Option<String>,
    /// SHA-256 of its content, in hexadecimal digits: another content is not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9a-fA-F]{64}$"))]
    pub document_hash: Option<String>,
    /// Values of its parameters; `\{{RESOURCE_ID}}` and the like are filled in by the service. They are shown in plans:
    /// put no secrets in them.
    #[serde(default)]
    pub parameters: BTreeMap<String, Vec<String>>,
    /// Remark that is shown with the command; 100 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub comment: Option<String>,
    /// Bucket that gets what the command prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-anywhere" = true))]
    pub output_bucket: Option<Ref<Bucket>>,
    /// What the names of these files begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500))]
    pub output_prefix: Option<String>,
    /// Log group that gets what the command prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_group: Option<Ref<LogGroup>>,
    /// Who is told of its progress.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification: Option<Notification>,
    /// How long a server may take to begin, 30s to 30d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// Who is told of the progress of commands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notification {
    /// Topic that is told.
    pub topic: Ref<Topic>,
    /// Role that may publish there.
    pub role: Ref<Role>,
    /// What it is told of.
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub events: Vec<Event>,
    /// Whether it is told once a command, or for each server.
    pub per: Per,
}

words! {
    /// What is told.
    Event {
        /// Everything.
        All = "All",
        /// It began.
        InProgress = "InProgress",
        /// It went well.
        Success = "Success",
        /// It took too long.
        TimedOut = "TimedOut",
        /// It was cancelled.
        Cancelled = "Cancelled",
        /// It failed.
        Failed = "Failed",
    }
}

words! {
    /// For what a notice is sent.
    Per {
        /// The command as a whole.
        Command = "Command",
        /// Each server.
        Invocation = "Invocation",
    }
}

/// A runbook that is run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Automation {
    /// The runbook; `{ id: AWS-RestartEC2Instance }` for one that is not ours.
    pub document: Ref<Document>,
    /// Its version: a number, `$DEFAULT` or `$LATEST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(\$LATEST|\$DEFAULT|[1-9][0-9]*)$"))]
    pub document_version: Option<String>,
    /// Values of its parameters; `\{{RESOURCE_ID}}` and the like are filled in by the service. They are shown in plans:
    /// put no secrets in them.
    #[serde(default)]
    pub parameters: BTreeMap<String, Vec<String>>,
}

/// A function that is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lambda {
    /// ARN of the function.
    pub function: String,
    /// Version or alias.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub qualifier: Option<String>,
    /// What it is called with: a mapping, or a text. It is shown in plans: put no secrets in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Payload>,
    /// The call's context, as base64 text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8000))]
    pub client_context: Option<String>,
}

/// A state machine that is started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StepFunctions {
    /// ARN of the state machine.
    pub state_machine: String,
    /// Name of the execution.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 80))]
    pub name: Option<String>,
    /// What it is started with: a mapping, or a text. It is shown in plans: put no secrets in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Payload>,
}

/// Whole hours of a time.
pub(super) fn hours(time: &Duration) -> Option<i32> {
    i32::try_from(time.seconds() / HOUR).ok()
}

/// Rules over several fields that the API would refuse.
pub(super) fn check(spec: &Spec, problems: &mut Problems) {
    check_times(spec, problems);
    for (name, target) in spec.targets.iter().flatten() {
        let path = format!("targets.{name}");
        check_name(&path, name, problems);
        target.select.check(&format!("{path}.select"), problems);
        if target.select.is_empty() {
            problems.add(
                format!("{path}.select"),
                "it selects nothing",
                "add `tags`, `instances` or `resource_groups`",
            );
        }
        if target.select.all {
            problems.add(
                format!("{path}.select.all"),
                "a window takes no `all`",
                "select servers by a tag that all have",
            );
        }
    }
    for (name, task) in spec.tasks.iter().flatten() {
        check_name(&format!("tasks.{name}"), name, problems);
        check_task(&format!("tasks.{name}"), spec, task, problems);
    }
}

fn check_times(spec: &Spec, problems: &mut Problems) {
    let known = |time: &Duration| !is_unknown_text(time.as_str());
    let (length, cutoff) = (spec.duration.seconds(), spec.cutoff.seconds());
    if known(&spec.duration) && (length % HOUR != 0 || !(1..=24).contains(&(length / HOUR))) {
        problems.add("duration", format!("a window can't be open for `{}`", spec.duration), "write 1h to 24h");
    }
    if known(&spec.cutoff) && (cutoff % HOUR != 0 || cutoff / HOUR > 23) {
        problems.add("cutoff", format!("`{}` is no cutoff", spec.cutoff), "write 0s, or 1h to 23h");
    } else if known(&spec.duration) && known(&spec.cutoff) && cutoff >= length {
        let message = format!("nothing could begin: the cutoff is {} before the end", spec.cutoff);
        problems.add("cutoff", message, format!("write less than {}", spec.duration));
    }
    if spec.schedule_offset.is_some() && spec.schedule.starts_with("rate") {
        problems.add("schedule_offset", "only a `cron` schedule has an offset", "leave it out");
    }
}

fn check_name(path: &str, name: &str, problems: &mut Problems) {
    let fits = (3..=128).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    if !fits {
        let message = format!("`{name}` is no name: 3 to 128 letters, digits and `-_.`");
        problems.add(path, message, "give it another one; a description takes other letters");
    }
}

fn check_task(path: &str, spec: &Spec, task: &Task, problems: &mut Problems) {
    let given =
        [task.run_command.is_some(), task.automation.is_some(), task.lambda.is_some(), task.step_functions.is_some()];
    if given.iter().filter(|g| **g).count() != 1 {
        let message = "a task does one thing";
        problems.add(path, message, "give one of `run_command`, `automation`, `lambda`, `step_functions`");
    }
    task.select.check(&format!("{path}.select"), problems);
    let targets = !task.window_targets.is_empty() || !task.select.is_empty();
    if task.run_command.is_some() && !targets {
        problems.add(path, "nothing says where the command is run", "add `window_targets`");
    }
    for (field, value) in [("max_concurrency", &task.max_concurrency), ("max_errors", &task.max_errors)] {
        match (targets, value) {
            (true, None) => {
                problems.add(
                    format!("{path}.{field}"),
                    "a task with targets needs it",
                    "write a number or a percentage",
                );
            }
            (false, Some(_)) => {
                problems.add(format!("{path}.{field}"), "a task without targets takes none", "leave it out");
            }
            (true, Some(_)) | (false, None) => {}
        }
    }
    if !task.select.is_empty() && !spec.allow_unassociated_targets {
        let message = "the window allows only its own targets";
        problems.add(
            format!("{path}.select"),
            message,
            "use `window_targets`, or set `allow_unassociated_targets: true`",
        );
    }
    for name in task.window_targets.iter().filter(|n| spec.targets.as_ref().is_some_and(|t| !t.contains_key(*n))) {
        let message = format!("the window has no target `{name}`");
        problems.add(format!("{path}.window_targets"), message, "name one of `targets`");
    }
    let timeout = task.run_command.as_ref().and_then(|run| run.timeout.as_ref());
    if let Some(timeout) = timeout.filter(|t| !is_unknown_text(t.as_str()) && !(30..=2_592_000).contains(&t.seconds()))
    {
        let message = format!("the API can't wait for `{timeout}`");
        problems.add(format!("{path}.run_command.timeout"), message, "write 30s to 30d");
    }
}
