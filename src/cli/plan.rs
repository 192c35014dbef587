//! `saiken plan`

use std::path::PathBuf;

use clap::Args;

use super::error::Failure;
use super::pipeline::{Declared, Live, PlanOptions, show_plan};
use super::shell::Shell;
use super::{FOUND, Format, Global, OK};
use crate::render;

/// Show what apply would do, and why
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only these stacks
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
    /// Save the plan, for `apply --plan`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit with 2 if there is something to do
    #[arg(long)]
    detailed_exitcode: bool,
    /// Look at quotas, names, zones and permissions, as apply does before its first write
    #[arg(long)]
    preflight: bool,
    /// Read every field of every object, also those that cost a call each
    #[arg(long)]
    deep: bool,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let declared = Declared::load(global, shell)?;
    declared.check_stacks(&arguments.stacks)?;
    let mut live = Live::connect(declared, shell).await?;
    live.look_back(shell).await;
    let observed = live.observe(arguments.deep, global, shell).await;
    let plan = live.plan(&observed, &PlanOptions { stacks: &arguments.stacks, destroy: false })?;
    if arguments.preflight {
        let preflight = live.preflight(&plan, &observed, shell).await;
        match global.format {
            Format::Json => shell.data(&render::json::plan_and_preflight(&plan, &preflight)),
            Format::Text => {
                show_plan(&plan, global, shell);
                let text = match render::preflight::text(&preflight, shell.width()) {
                    text if text.is_empty() => "Before the first write: nothing stands in the way\n".to_owned(),
                    text => text,
                };
                shell.data(&format!("\n{text}"));
            }
            Format::Markdown => {
                show_plan(&plan, global, shell);
                shell.data(&render::preflight::markdown(&preflight));
            }
        }
    } else {
        show_plan(&plan, global, shell);
    }
    if let Some(path) = &arguments.out {
        std::fs::write(path, render::json::plan(&plan))
            .map_err(|e| Failure::new(format!("the plan can't be saved to {}", path.display())).because(e))?;
        shell.say(&format!("saved to {}; apply it with: saiken apply --plan {0}", path.display()));
    }
    Ok(if arguments.detailed_exitcode && !plan.is_empty() { FOUND } else { OK })
}
