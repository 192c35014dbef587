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
    let count = |n: usize, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let found = format!("{} in {}, no errors", count(resources, "resource"), count(stacks, "stack"));
    match global.format {
        Format::Text => shell.data(&format!("{name}: {found}\n")),
        Format::Markdown => shell.data(&format!("**{name}**: {found}\n")),
        Format::Json => {
            let value = serde_json::json!({ "environment": name, "resources": resources, "stacks": stacks });
            shell.data(&format!("{value:#}\n"));
        }
    }
    Ok(OK)
}
