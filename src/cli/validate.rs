//! `saiken validate`

use clap::Args;

use super::error::Failure;
use super::pipeline::Declared;
use super::shell::Shell;
use super::{Format, Global, OK};

/// Check all files of an environment, without any cloud
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(_: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let declared = Declared::load(global, shell)?;
    let desired = &declared.desired;
    let (name, resources, stacks) = (&desired.environment.name, desired.resources.len(), desired.stacks.len());
    match global.format {
        Format::Text => shell.data(&format!("{name}: {resources} resources in {stacks} stacks, no errors\n")),
        Format::Markdown => shell.data(&format!("**{name}**: {resources} resources in {stacks} stacks, no errors\n")),
        Format::Json => {
            let value = serde_json::json!({ "environment": name, "resources": resources, "stacks": stacks });
            shell.data(&format!("{value:#}\n"));
        }
    }
    Ok(OK)
}
