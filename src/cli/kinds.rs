//! `saiken kinds`

use clap::Args;

use super::error::Failure;
use super::reference;
use super::shell::Shell;
use super::{Format, Global, OK};
use crate::providers;

/// Describe the kinds of resources: fields, what a change does, attributes, permissions
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only this kind
    kind: Option<String>,
    /// Print an IAM policy with the permissions of all kinds (or of the one named)
    #[arg(long)]
    policy: bool,
}

pub(crate) fn run(arguments: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let kinds = providers::kinds();
    let chosen: Vec<_> = match &arguments.kind {
        None => kinds.iter().collect(),
        Some(name) => match kinds.get(name) {
            Some(kind) => vec![kind],
            None => {
                let mut failure = Failure::usage(format!("there is no kind `{name}`"));
                failure.help = crate::diagnostic::suggestion(name, kinds.names());
                return Err(failure);
            }
        },
    };
    if arguments.policy {
        shell.data(&format!("{:#}\n", reference::policy(&chosen)));
        return Ok(OK);
    }
    shell.data(&match (global.format, arguments.kind.is_some()) {
        (Format::Markdown, _) => reference::markdown(&chosen),
        (Format::Json, _) => format!("{:#}\n", reference::json(&chosen)),
        (Format::Text, true) => reference::text(&chosen),
        (Format::Text, false) => reference::list(&chosen),
    });
    Ok(OK)
}
