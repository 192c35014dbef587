//! `saiken drift`

use clap::Args;

use super::error::Failure;
use super::pipeline::{Declared, Live, PlanOptions, show_plan};
use super::shell::Shell;
use super::{FAILED, FOUND, Format, Global, OK};
use crate::render;

/// Show what was changed outside saiken; nothing is written
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only these stacks
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
    /// Don't read the fields that cost a call for each object
    #[arg(long)]
    shallow: bool,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let declared = Declared::load(global, shell)?;
    declared.check_stacks(&arguments.stacks)?;
    let live = Live::connect(declared, shell).await?;
    let observed = live.observe(!arguments.shallow, global, shell).await;
    let plan = live.plan(&observed, &PlanOptions { stacks: &arguments.stacks, destroy: false })?;
    if live.known.is_none() && !plan.is_empty() {
        shell.say(
            "note: nothing is recorded of the last apply, so changes made outside can't be told from changes of the files; \
             all differences are shown",
        );
        show_plan(&plan, global, shell);
        return Ok(FOUND);
    }
    let options = render::text::TextOptions { color: shell.color, width: shell.width() };
    shell.data(&match global.format {
        Format::Text => render::text::drift(&plan, &options),
        Format::Json => render::json::drift(&plan),
        Format::Markdown => render::markdown::drift(&plan),
    });
    if !plan.drift.is_empty() {
        return Ok(FOUND);
    }
    Ok(if plan.held.is_empty() { OK } else { FAILED })
}
