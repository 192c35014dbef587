//! load → expand → connect → inventory → plan: what the verbs share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Context, Error};
use crate::diagnostic::{self, Diagnostics, Severity};
use crate::execute::journal;
use crate::execute::record::RecordStore;
use crate::model::cloud::{Cloud, Identity};
use crate::model::desired::Desired;
use crate::model::environment::Provider;
use crate::model::kind::Kinds;
use crate::model::observed::Observed;
use crate::model::plan::Plan;
use crate::model::record::Record;
use crate::providers::aws::{Aws, client::Settings};
use crate::simulated::Simulated;
use crate::source::{Files, line_column};
use crate::{config, expand, inventory, plan, providers};

/// What the files say, with everything that is wrong with them.
pub struct Checked {
    /// All files read.
    pub files: Files,
    /// What is wrong.
    pub diagnostics: Diagnostics,
    /// What the files ask for; none if there are errors.
    pub desired: Option<Desired>,
    /// All kinds.
    pub kinds: Kinds,
    simulated: Value,
}

/// A project without errors.
pub struct Project {
    /// What the files ask for.
    pub desired: Desired,
    /// All kinds.
    pub kinds: Kinds,
    root: PathBuf,
    simulated: Value,
}

/// A project and its cloud.
pub struct Live {
    /// The project.
    pub project: Project,
    /// Its cloud.
    pub cloud: Arc<dyn Cloud>,
    /// Who we are there.
    pub identity: Identity,
}

/// Reads and checks all files.
///
/// # Errors
/// If it is not clear which environment is meant.
pub fn check(cx: &Context) -> Result<Checked, Error> {
    let root = &cx.globals.directory;
    let environment = environment(cx)?;
    let kinds = providers::kinds();
    let loaded = config::load(root, &environment);
    let mut diagnostics = loaded.diagnostics;
    let files = loaded.files;
    let mut simulated = Value::Null;
    let mut desired = None;
    if let Some(project) = &loaded.project {
        simulated = project.environment_simulated.clone();
        let (expanded, more) = expand::expand(project, &files, &kinds);
        diagnostics.extend(more);
        desired = expanded.filter(|_| !diagnostics.has_errors());
    }
    Ok(Checked { files, diagnostics, desired, kinds, simulated })
}

/// Reads and checks all files, and says what is wrong.
///
/// # Errors
/// If anything is wrong.
pub fn load(cx: &Context) -> Result<Project, Error> {
    let checked = check(cx)?;
    report(cx, &checked.diagnostics, &checked.files);
    match checked.desired {
        Some(desired) => Ok(Project {
            desired,
            kinds: checked.kinds,
            root: cx.globals.directory.clone(),
            simulated: checked.simulated,
        }),
        None => {
            let (errors, _) = checked.diagnostics.counts();
            Err(Error::failed(format!("the files have {}", super::validate::counted(errors, "error"))))
        }
    }
}

/// Prints what is wrong with the files.
pub fn report(cx: &Context, diagnostics: &Diagnostics, files: &Files) {
    if !diagnostics.is_empty() {
        cx.shell.say(&diagnostic::render(diagnostics, files, cx.shell.color_err));
    }
}

/// What is wrong with the files, for programs.
pub fn diagnostics_json(diagnostics: &Diagnostics, files: &Files) -> Value {
    let place = |(span, label): &(crate::source::Span, String)| {
        let file = files.get(span.file);
        let (line, column) = line_column(&file.text, span.start as usize);
        json!({"file": &*file.path, "line": line, "column": column, "label": label})
    };
    let one = |d: &diagnostic::Diagnostic| {
        let severity = match d.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let places: Vec<Value> = d.labels.iter().map(place).collect();
        json!({"severity": severity, "summary": d.summary, "places": places, "note": d.note, "help": d.help})
    };
    json!({"format": 1, "diagnostics": diagnostics.iter().map(one).collect::<Vec<_>>()})
}

/// The environment that is asked for, or the only one.
fn environment(cx: &Context) -> Result<String, Error> {
    if let Some(name) = &cx.globals.environment {
        return Ok(name.clone());
    }
    let names = config::environments(&cx.globals.directory);
    match names.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Error::usage(format!("there is no environment in {}", shown(&cx.globals.directory)))
            .help("`saiken init` makes a small working project; `-C DIR` names the folder of another")),
        _ => Err(Error::usage(format!("there are several environments: {}", names.join(", ")))
            .help("choose one with `-e NAME`, or set SAIKEN_ENVIRONMENT")),
    }
}

fn shown(path: &Path) -> String {
    path.join("environments").display().to_string()
}

impl Project {
    /// Folder of the state of all environments.
    pub fn state(&self) -> PathBuf {
        self.root.join(&self.desired.environment.state)
    }

    /// Folder of the journal, the lock and the record of the environment.
    pub fn folder(&self) -> PathBuf {
        self.state().join(&self.desired.environment.name)
    }

    /// The simulated cloud.
    ///
    /// # Errors
    /// If the environment is not simulated, or the cloud's file can't be read.
    pub fn simulated(&self) -> Result<Simulated, Error> {
        let environment = &self.desired.environment;
        if environment.provider != Provider::Simulated {
            return Err(Error::usage(format!("environment `{}` is not simulated", environment.name))
                .help("choose one with `provider: simulated`, such as `-e local`"));
        }
        Simulated::open(&self.state(), environment, &self.simulated, self.kinds.clone())
            .map_err(|e| Error::failed("can't open the simulated cloud").because(&e))
    }
}

/// Connects to the cloud, and makes sure that it is the right account.
///
/// # Errors
/// If there are no valid credentials, or those of another account.
pub async fn connect(project: Project) -> Result<Live, Error> {
    let environment = &project.desired.environment;
    let cloud: Arc<dyn Cloud> = match environment.provider {
        Provider::Simulated => Arc::new(project.simulated()?),
        Provider::Aws => {
            let settings = Settings {
                region: environment.region.clone(),
                role: environment.role.clone(),
                ..Settings::default()
            };
            Arc::new(Aws::connect(&settings).await)
        }
    };
    let identity = cloud.identity().await.map_err(|e| {
        Error::failed("the cloud does not know who we are")
            .api(&e)
            .help("set AWS_PROFILE or other credentials that the AWS SDK understands; `aws sts get-caller-identity` tests them")
    })?;
    if let Some(account) = &environment.account
        && *account != identity.account
    {
        return Err(Error::failed(format!(
            "environment `{}` belongs to account {account}, and these credentials to {} ({})",
            environment.name, identity.account, identity.caller
        ))
        .help(format!("use other credentials, or correct `account` in environments/{}.yaml", environment.name)));
    }
    Ok(Live { project, cloud, identity })
}

impl Live {
    /// Reads what is there.
    pub async fn observe(&self, cx: &Context, deep: bool) -> Observed {
        let options = inventory::Options { deep, parallelism: usize::from(cx.globals.parallelism) };
        let observed =
            inventory::collect(self.cloud.as_ref(), &self.project.desired, &self.project.kinds, &options).await;
        tracing::info!(objects = observed.objects.len(), calls = observed.calls.values().sum::<u64>(), "read");
        for ((kind, region), why) in &observed.unobserved {
            cx.shell.say(&format!("warning: {kind} in {region} could not be read: {why}"));
        }
        observed
    }

    /// The last-applied record, with a warning to the user if it is damaged.
    pub fn record(&self, cx: &Context) -> RecordStore {
        let (store, warning) = RecordStore::open(&self.project.folder());
        if let Some(warning) = warning {
            cx.shell.say(&format!("warning: {warning}"));
        }
        store
    }

    /// Says that an apply was interrupted, if it was the last one.
    pub fn tell_interrupted(&self, cx: &Context) {
        let folder = self.project.folder();
        let last = journal::list(&folder).ok().and_then(|all| all.last().cloned());
        let Ok(interrupted) = journal::interrupted(&folder) else { return };
        for one in interrupted.iter().filter(|i| last.as_ref() == Some(&i.path)) {
            let unsure: Vec<String> = one.unsure.iter().map(|s| s.address.to_string()).collect();
            cx.shell.say(&format!(
                "note: `{}` of {} ({}) was interrupted{}; everything has been read again",
                one.header.command,
                one.header.started_at,
                one.header.who,
                if unsure.is_empty() { String::new() } else { format!(", while it worked on {}", unsure.join(", ")) },
            ));
        }
    }

    /// Plans.
    ///
    /// # Errors
    /// If a stack is named that neither the files nor the cloud have.
    pub fn plan(
        &self,
        observed: &Observed,
        record: Option<&Record>,
        stacks: &[String],
        destroy: bool,
    ) -> Result<Plan, Error> {
        let desired = &self.project.desired;
        known_stacks(desired, observed, stacks)?;
        let (id, now) = (uuid::Uuid::now_v7().to_string(), jiff::Timestamp::now().to_string());
        Ok(plan::plan(&plan::Inputs {
            desired,
            observed,
            record,
            kinds: &self.project.kinds,
            id: &id,
            now: &now,
            version: env!("CARGO_PKG_VERSION"),
            account: &self.identity.account,
            stacks,
            destroy,
        }))
    }
}

fn known_stacks(desired: &Desired, observed: &Observed, stacks: &[String]) -> Result<(), Error> {
    let there = observed.objects.iter().filter_map(|o| o.address()).map(|a| a.stack());
    let names: std::collections::BTreeSet<&str> =
        desired.stacks.iter().map(|s| s.name.as_str()).chain(there).collect();
    for stack in stacks {
        if !names.contains(stack.as_str()) {
            let error = Error::usage(format!("there is no stack `{stack}`"));
            return Err(match diagnostic::suggestion(stack, names.iter().copied()) {
                Some(hint) => error.help(hint),
                None => error,
            });
        }
    }
    Ok(())
}
