//! `saiken apply`

use std::path::PathBuf;

use clap::Args;

use super::error::Failure;
use super::pipeline::{Declared, Live, PlanOptions, show_plan};
use super::run::{Approval, carry_out};
use super::shell::Shell;
use super::{Global, OK};
use crate::render;

/// Bring what is declared into being
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only these stacks
    #[arg(value_name = "STACK", conflicts_with = "plan")]
    stacks: Vec<String>,
    /// Carry out this saved plan exactly, or refuse
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Don't ask
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let declared = Declared::load(global, shell)?;
    declared.check_stacks(&arguments.stacks)?;
    if let Some(path) = &arguments.plan {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::new(format!("the plan {} can't be read", path.display())).because(e))?;
        let plan = render::json::parse(&text)
            .map_err(|e| Failure::new(format!("{} can't be applied", path.display())).because(e))?;
        let live = Live::connect(declared, shell).await?;
        let observed = live.observe(false, global, shell).await;
        show_plan(&plan, global, shell);
        return carry_out(&live, &plan, &observed, Approval { yes: arguments.yes, saved: true }, global, shell).await;
    }
    let live = Live::connect(declared, shell).await?;
    let observed = live.observe(false, global, shell).await;
    let plan = live.plan(&observed, &PlanOptions { stacks: &arguments.stacks, destroy: false })?;
    show_plan(&plan, global, shell);
    if plan.is_empty() {
        live.refresh_record(&plan, &observed, shell);
        return Ok(OK);
    }
    carry_out(&live, &plan, &observed, Approval { yes: arguments.yes, saved: false }, global, shell).await
}
