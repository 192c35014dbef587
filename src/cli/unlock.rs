//! `saiken unlock`

use clap::Args;
use serde_json::json;

use super::error::Failure;
use super::shell::Shell;
use super::{Format, Global, OK, pipeline, state};
use crate::execute::lock::{Holder, Standing};
use crate::execute::place::Place;

/// Show who holds the environment's lock, and set it free
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Don't ask
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let (root, environment) = pipeline::settings(global, shell)?;
    let place = state::place(&root, &environment).await;
    let standing = place.lock().standing().await.map_err(|e| Failure::new("the lock can't be read").because(e))?;
    let Some(standing) = standing else {
        show(None, &environment.name, global, shell);
        return Ok(OK);
    };
    show(Some(&standing), &environment.name, global, shell);
    let shared = match &place {
        Place::Folder(_) => return Err(held_here(standing.holder.as_ref())),
        Place::Shared(shared) => shared,
    };
    if let Some(lease) = &standing.lease
        && lease.expires_at > jiff::Timestamp::now()
    {
        shell.say("warning: it was renewed a short while ago, so its holder probably still runs");
    }
    let question = "Set it free? Only if that process has surely ended: else two would change the environment at once.";
    if !arguments.yes && !shell.confirm(question)? {
        return Err(Failure::new("the lock stays as it is"));
    }
    let freed = shared.lease().unlock(&standing, &state::holder()).await;
    if !freed.map_err(|e| Failure::new("the lock can't be set free").because(e))? {
        return Err(Failure::new("the lock has changed since it was shown; nothing was done")
            .help("its holder lives, or has ended by itself: look again with `saiken unlock`"));
    }
    shell.say("the lock is free");
    Ok(OK)
}

/// The system keeps a local lock for as long as the process lives: nothing else can set it free.
fn held_here(holder: Option<&Holder>) -> Failure {
    let process = holder.map_or_else(|| "that process".to_owned(), |h| format!("process {}", h.pid));
    Failure::new("a process of this machine holds the lock; it can't be taken from it")
        .help(format!("the system frees the lock when {process} ends: wait for it, or end it"))
}

fn show(standing: Option<&Standing>, environment: &str, global: &Global, shell: &Shell) {
    if global.format == Format::Json {
        let value = json!({
            "environment": environment,
            "held": standing.is_some(),
            "holder": standing.and_then(|s| s.holder.as_ref()),
            "lease": standing.and_then(|s| s.lease.as_ref()).map(|l| json!({
                "seconds": l.length.as_secs(),
                "heartbeats": l.heartbeats,
                "renewed_at": l.renewed_at,
                "expires_at": l.expires_at,
            })),
        });
        shell.data(&format!("{value:#}\n"));
        return;
    }
    let Some(standing) = standing else {
        shell.data(&format!("nobody holds the lock of `{environment}`\n"));
        return;
    };
    let mut rows = Vec::new();
    match &standing.holder {
        Some(Holder { who, host, pid, command, since }) => rows.extend([
            ("held by", format!("{who}@{host} (process {pid})")),
            ("command", command.clone()),
            ("since", since.clone()),
        ]),
        None => rows.push(("held by", "somebody: what is there can't be read".to_owned())),
    }
    if let Some(lease) = &standing.lease {
        rows.push(("last heartbeat", format!("{} (number {})", lease.renewed_at, lease.heartbeats)));
        rows.push(("ends", format!("{} unless it is renewed", lease.expires_at)));
    }
    let lines: String = rows.iter().map(|(name, value)| format!("  {name:<16}{value}\n")).collect();
    let text = format!("lock of `{environment}`\n{lines}");
    shell.data(&if global.format == Format::Markdown { format!("```text\n{text}```\n") } else { text });
}
