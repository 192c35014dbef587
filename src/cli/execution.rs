//! Carrying a plan out: confirm, lock, journal, execute, report. Shared by apply, destroy and forget.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::pipeline::Live;
use super::progress::Progress;
use super::{Context, Error, Exit, report};
use crate::execute::journal::{self, Header, Journal};
use crate::execute::lock::{Held, Holder, LocalLock, Lock};
use crate::execute::record::RecordStore;
use crate::execute::{self, Report};
use crate::model::observed::Observed;
use crate::model::plan::Plan;

/// A plan on its way to be obeyed.
pub struct Execution<'a> {
    /// The project and its cloud.
    pub live: &'a Live,
    /// What was read.
    pub observed: &'a Observed,
    /// The last-applied record.
    pub record: Arc<RecordStore>,
    /// The plan.
    pub plan: &'a Plan,
    /// Whether it comes from a file.
    pub saved: bool,
    /// The verb.
    pub command: &'static str,
    /// Nobody is asked.
    pub yes: bool,
    /// What is asked.
    pub question: &'a str,
}

/// Takes the environment's lock: one writer at a time.
///
/// # Errors
/// If somebody else holds it: who, and since when.
pub async fn lock(live: &Live, command: &str) -> Result<Box<dyn Held>, Error> {
    let holder = Holder {
        who: user(),
        host: host(),
        pid: std::process::id(),
        command: format!("saiken {command}"),
        since: jiff::Timestamp::now().to_string(),
    };
    LocalLock::new(&live.project.folder())
        .acquire(&holder)
        .await
        .map_err(|e| Error::failed("the environment is locked").because(&e))
}

impl Execution<'_> {
    /// Asks, executes and reports.
    ///
    /// # Errors
    /// If the plan may not be applied, nobody can be asked, or the journal can't be written.
    pub async fn run(self, cx: &Context) -> Result<Exit, Error> {
        self.may()?;
        if self.plan.steps.is_empty() {
            self.keep_record(cx);
            return Ok(if self.plan.held.is_empty() { Exit::Fine } else { Exit::Failed });
        }
        if !self.yes && !cx.shell.confirm(self.question)? {
            cx.shell.say("Nothing was changed.");
            return Ok(Exit::Failed);
        }
        let report = self.execute(cx).await?;
        report::print(cx, self.plan, &report)?;
        Ok(if report.succeeded() && self.plan.held.is_empty() { Exit::Fine } else { Exit::Failed })
    }

    fn may(&self) -> Result<(), Error> {
        let [first, ..] = self.plan.refused.as_slice() else { return Ok(()) };
        let mut error = Error::failed("the plan can't be applied");
        for refusal in &self.plan.refused {
            error = error.detail(format!("{}: {}", refusal.address, refusal.reason));
        }
        Err(error.help(first.help.clone()))
    }

    /// An empty plan still fills a record that was deleted.
    fn keep_record(&self, cx: &Context) {
        self.record.refresh(self.plan, &self.live.project.desired, self.observed);
        if let Err(e) = self.record.save() {
            cx.shell.say(&format!("warning: the last-applied record can't be saved: {e}"));
        }
    }

    async fn execute(&self, cx: &Context) -> Result<Report, Error> {
        let project = &self.live.project;
        let header = Header {
            version: journal::VERSION,
            apply: uuid::Uuid::now_v7().to_string(),
            plan: self.plan.id.clone(),
            who: format!("{}@{}", user(), host()),
            command: format!("saiken {}", self.command),
            commit: commit(&cx.globals.directory).await,
            started_at: jiff::Timestamp::now().to_string(),
        };
        let journal = Journal::create(&project.folder(), header)
            .map_err(|e| Error::failed("the journal can't be written; nothing was changed").because(&e))?;
        let (cancel, hard) = (CancellationToken::new(), CancellationToken::new());
        let progress = Arc::new(Progress::new(cx.shell));
        let listener = tokio::spawn(listen(cancel.clone(), hard.clone(), Arc::clone(&progress)));
        let report = execute::run(execute::Inputs {
            plan: self.plan,
            saved: self.saved,
            desired: &project.desired,
            observed: self.observed,
            kinds: &project.kinds,
            cloud: Arc::clone(&self.live.cloud),
            account: &self.live.identity.account,
            journal: Arc::new(journal),
            record: Arc::clone(&self.record),
            parallelism: usize::from(cx.globals.parallelism),
            cancel,
            hard,
            events: Arc::<Progress>::clone(&progress),
        })
        .await;
        listener.abort();
        progress.end();
        Ok(report)
    }
}

/// The first Ctrl-C lets what is in flight finish; the second gives up at the next call; the third ends the process.
async fn listen(cancel: CancellationToken, hard: CancellationToken, progress: Arc<Progress>) {
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    cancel.cancel();
    progress.say("Stopping: what is in flight is finished, nothing new is started. Press Ctrl-C again to stop at once.");
    if tokio::signal::ctrl_c().await.is_err() {
        return;
    }
    hard.cancel();
    progress.say("Stopping at once. Run again afterwards: saiken reads what is there and goes on.");
    if tokio::signal::ctrl_c().await.is_ok() {
        std::process::exit(1);
    }
}

fn user() -> String {
    ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok()).unwrap_or_else(|| "unknown".into())
}

fn host() -> String {
    std::env::var("HOSTNAME")
        .ok()
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The commit of the project's files, if they are under version control.
async fn commit(root: &std::path::Path) -> Option<String> {
    let output = tokio::process::Command::new("git")
        .args(["rev-parse", "HEAD"])
        .current_dir(root)
        .stdin(std::process::Stdio::null())
        .output()
        .await
        .ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
