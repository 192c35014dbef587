//! What the verbs share: files → desired → cloud → observed → plan.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Failure;
use super::shell::Shell;
use super::{Format, Global};
use crate::config::{self, Project};
use crate::execute::journal::History;
use crate::execute::journal::resume::{self, Unfinished};
use crate::execute::lock::Holder;
use crate::execute::place::Place;
use crate::execute::record::RecordStore;
use crate::expand;
use crate::inventory;
use crate::model::cloud::Cloud;
use crate::model::desired::Desired;
use crate::model::environment::{Environment, Provider};
use crate::model::kind::Kinds;
use crate::model::observed::Observed;
use crate::model::plan::{Interrupted, Plan};
use crate::model::preflight::{Preflight, Question};
use crate::model::record::Record;
use crate::plan::{self, Inputs};
use crate::providers::{self, aws};
use crate::render;
use crate::simulated::Simulated;

/// So many applies are looked back for calls without answer: services forget their tokens after a day or sooner.
const LOOKED_BACK: usize = 20;

/// The files of an environment, expanded.
pub(crate) struct Declared {
    /// The project's folder.
    pub root: PathBuf,
    /// What the files hold.
    pub project: Project,
    /// What they ask for.
    pub desired: Desired,
    /// All kinds.
    pub kinds: Kinds,
}

impl Declared {
    /// Loads and expands; prints all errors and warnings.
    ///
    /// # Errors
    /// If the files have errors (all printed), or no environment was named and there are several.
    pub fn load(global: &Global, shell: &Shell) -> Result<Self, Failure> {
        let root = global.directory.clone();
        let name = match &global.environment {
            Some(name) => name.clone(),
            None => only_environment(&root)?,
        };
        let loaded = config::load(&root, &name);
        let mut diagnostics = loaded.diagnostics;
        let kinds = providers::kinds();
        let mut desired = None;
        if let Some(project) = &loaded.project {
            let (expanded, more) = expand::expand(project, &loaded.files, &kinds);
            diagnostics.extend(more);
            desired = expanded;
        }
        shell.diagnostics(&diagnostics, &loaded.files);
        match (loaded.project, desired) {
            (Some(project), Some(desired)) if !diagnostics.has_errors() => Ok(Self { root, project, desired, kinds }),
            _ => Err(Failure::told()),
        }
    }

    /// Refuses names that are not stacks.
    ///
    /// # Errors
    /// With the names that there are.
    pub fn check_stacks(&self, names: &[String]) -> Result<(), Failure> {
        let known: Vec<&str> = self.desired.stacks.iter().map(|s| s.name.as_str()).collect();
        match names.iter().find(|n| !known.contains(&n.as_str())) {
            None => Ok(()),
            Some(name) => {
                let mut failure = Failure::usage(format!("there is no stack `{name}`"));
                failure.help = crate::diagnostic::suggestion(name, known);
                Err(failure)
            }
        }
    }

    /// The simulated cloud of the environment.
    ///
    /// # Errors
    /// If the environment has another provider, or the cloud's file is damaged.
    pub fn simulated(&self) -> Result<Simulated, Failure> {
        let environment = &self.desired.environment;
        if environment.provider != Provider::Simulated {
            return Err(Failure::usage(format!("the environment `{}` is not simulated", environment.name))
                .help("choose one with `provider: simulated`, such as: saiken simulate -e local …"));
        }
        let dir = self.root.join(environment.local_folder());
        Simulated::open(&dir, environment, &self.project.simulated, self.kinds.clone())
            .map_err(|e| Failure::new("the simulated cloud can't be opened").because(e))
    }
}

/// The settings of an environment, and the project's folder: for what must work also while the stacks have errors.
///
/// # Errors
/// If the environment has errors (all printed), or none was named and there are several.
pub(crate) fn settings(global: &Global, shell: &Shell) -> Result<(PathBuf, Environment), Failure> {
    let root = global.directory.clone();
    let name = match &global.environment {
        Some(name) => name.clone(),
        None => only_environment(&root)?,
    };
    let loaded = config::load(&root, &name);
    match loaded.project {
        Some(project) => Ok((root, project.environment)),
        None => {
            shell.diagnostics(&loaded.diagnostics, &loaded.files);
            Err(Failure::told())
        }
    }
}

/// The only environment that can be used by itself.
fn only_environment(root: &Path) -> Result<String, Failure> {
    let names = config::environments(root);
    match names.as_slice() {
        [only] => Ok(only.clone()),
        [] => Err(Failure::new(format!("{} has no environment", root.join("environments").display()))
            .help("saiken init makes a small project; -C names another folder")),
        several => {
            Err(Failure::usage("which environment?").help(format!("add -e with one of: {}", several.join(", "))))
        }
    }
}

/// Files, cloud and record together.
pub(crate) struct Live {
    /// The files.
    pub declared: Declared,
    /// The cloud.
    pub cloud: Arc<dyn Cloud>,
    /// Account that the credentials belong to.
    pub account: String,
    /// Where lock, journals and record are kept.
    pub place: Place,
    /// The last-applied record.
    pub record: Arc<RecordStore>,
    /// What was last applied, as it was when the run began.
    pub known: Option<Record>,
    /// What earlier applies left open.
    pub unfinished: Unfinished,
    /// The last apply, if it was interrupted.
    pub interrupted: Option<Interrupted>,
    /// What was said of the record when it was read first.
    warning: Option<String>,
}

/// What a plan is limited to.
pub(crate) struct PlanOptions<'a> {
    /// Only these stacks; all if empty.
    pub stacks: &'a [String],
    /// Take everything down.
    pub destroy: bool,
}

impl Live {
    /// Connects, and checks the account before anything else is read or written.
    ///
    /// # Errors
    /// If there are no valid credentials, or they belong to another account.
    pub async fn connect(declared: Declared, shell: &Shell) -> Result<Self, Failure> {
        let environment = &declared.desired.environment;
        let cloud: Arc<dyn Cloud> = match environment.provider {
            Provider::Simulated => Arc::new(declared.simulated()?),
            Provider::Aws => Arc::new(connect_aws(environment).await),
        };
        let identity = cloud.identity().await.map_err(|e| {
            let mut failure = Failure::cloud("the cloud does not accept the credentials", &e);
            failure.help =
                Some("set AWS_PROFILE, or sign in again; `aws sts get-caller-identity` must work".to_owned());
            failure
        })?;
        if let Some(expected) = environment.account.as_ref().filter(|a| **a != identity.account) {
            return Err(Failure::new(format!(
                "the credentials belong to account {}, but environment `{}` is account {expected}",
                identity.account, environment.name
            ))
            .help(format!("use other credentials (these are of {})", identity.caller)));
        }
        let place = super::state::place(&declared.root, environment).await;
        let (record, warning) = place.record().await;
        let known = record.record();
        if let Some(warning) = &warning {
            shell.say(&format!("warning: {warning}"));
        }
        Ok(Self {
            account: identity.account,
            cloud,
            declared,
            place,
            record: Arc::new(record),
            known,
            unfinished: Unfinished::default(),
            interrupted: None,
            warning,
        })
    }

    /// Looks back at what earlier applies left open. A writer does so under its lock: an apply that still runs looks like
    /// an interrupted one.
    pub async fn look_back(&mut self, shell: &Shell) {
        let histories = self.histories().await;
        self.unfinished = resume::unfinished(&histories);
        self.interrupted = histories.first().and_then(resume::interrupted);
        if self.interrupted.is_some()
            && let Some(Holder { who, host, command, since, .. }) = super::state::busy(&self.place).await
        {
            self.interrupted = None;
            shell.say(&format!(
                "note: {who}@{host} is changing this environment since {since}: `{command}`; what is half done may show"
            ));
        }
    }

    /// The journals of the last applies, the newest first. They are only an aid: what can't be read keeps nobody from
    /// planning.
    pub async fn histories(&self) -> Vec<History> {
        self.place.journals().recent(LOOKED_BACK).await.unwrap_or_default()
    }

    /// Reads the record again: under the lock, so that nobody has written another one since.
    pub async fn read_record(&mut self, shell: &Shell) {
        let (record, warning) = self.place.record().await;
        if let Some(warning) = warning.as_ref().filter(|w| Some(*w) != self.warning.as_ref()) {
            shell.say(&format!("warning: {warning}"));
        }
        self.known = record.record();
        self.record = Arc::new(record);
    }

    /// Reads the cloud. What can't be read is part of the answer.
    pub async fn observe(&self, deep: bool, global: &Global, shell: &Shell) -> Observed {
        let options = inventory::Options {
            deep,
            parallelism: usize::from(global.parallelism),
            unsure: self.unfinished.unsure(jiff::Timestamp::now(), self.cloud.lag()),
            ..inventory::Options::default()
        };
        self.collect(&self.declared.desired, &options, shell).await
    }

    /// Reads the cloud for any desired state of the environment.
    pub async fn collect(&self, desired: &Desired, options: &inventory::Options, shell: &Shell) -> Observed {
        let spinner = super::progress::spinner(shell, "reading the cloud");
        let record = self.record.record();
        let (cloud, kinds) = (&*self.cloud, &self.declared.kinds);
        let observed = inventory::collect(cloud, desired, kinds, record.as_ref(), options).await;
        spinner.finish_and_clear();
        let calls: u64 = observed.calls.values().sum();
        tracing::info!(objects = observed.objects.len(), calls, "read the cloud");
        observed
    }

    /// Looks at what can be known to fail before the first write.
    pub async fn preflight(&self, plan: &Plan, observed: &Observed, shell: &Shell) -> Preflight {
        let question = Question::of(plan, &self.declared.kinds, observed);
        if question.changes.is_empty() {
            return Preflight::default();
        }
        let spinner = super::progress::spinner(shell, "looking at quotas, names, zones and permissions");
        let answer = self.cloud.preflight(&question).await;
        spinner.finish_and_clear();
        answer
    }

    /// Makes the plan.
    ///
    /// # Errors
    /// None at present but for a clock that can't be read; kept so that callers need not change.
    pub fn plan(&self, observed: &Observed, options: &PlanOptions<'_>) -> Result<Plan, Failure> {
        let declared = &self.declared;
        let environment = &declared.desired.environment;
        if options.destroy {
            let known: BTreeSet<&str> = declared
                .desired
                .stacks
                .iter()
                .map(|s| s.name.as_str())
                .chain(observed.objects.iter().filter_map(|o| o.address()).map(|a| a.stack()))
                .collect();
            if let Some(name) = options.stacks.iter().find(|n| !known.contains(n.as_str())) {
                let mut failure = Failure::usage(format!("there is no stack `{name}` in `{}`", environment.name));
                failure.help = crate::diagnostic::suggestion(name, known);
                return Err(failure);
            }
        }
        Ok(plan::plan(&Inputs {
            desired: &declared.desired,
            observed,
            record: self.known.as_ref(),
            interrupted: self.interrupted.as_ref(),
            kinds: &declared.kinds,
            id: &uuid::Uuid::now_v7().to_string(),
            now: &jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            version: env!("CARGO_PKG_VERSION"),
            account: &self.account,
            stacks: options.stacks,
            destroy: options.destroy,
            limits: None,
        }))
    }

    /// Fills in what the record lacks of objects that are as declared, so that later drift can be told from changes.
    pub async fn refresh_record(&self, plan: &Plan, observed: &Observed, shell: &Shell) {
        self.record.refresh(plan, &self.declared.desired, observed);
        if let Err(e) = self.record.save().await {
            shell.say(&format!("warning: {e}; plans still work"));
        }
    }
}

async fn connect_aws(environment: &Environment) -> aws::Aws {
    aws::Aws::connect(&aws::client::Settings {
        region: environment.region.clone(),
        role: environment.role.clone(),
        unlimited: on_loopback(),
        ..aws::client::Settings::default()
    })
    .await
}

/// Whether the endpoint override points at this machine: an emulator, which has no request limits.
pub(crate) fn on_loopback() -> bool {
    let Ok(endpoint) = std::env::var("AWS_ENDPOINT_URL") else { return false };
    let host = endpoint.split_once("://").map_or(endpoint.as_str(), |(_, host)| host);
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|l| host.starts_with(l))
}

/// Prints a plan in the form asked for.
pub(crate) fn show_plan(plan: &Plan, global: &Global, shell: &Shell) {
    let options = render::text::TextOptions { color: shell.color, width: shell.width() };
    shell.data(&match global.format {
        Format::Text => render::text::plan(plan, &options),
        Format::Json => render::json::plan(plan),
        Format::Markdown => render::markdown::plan(plan),
    });
}
