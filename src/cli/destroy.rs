//! `saiken destroy`

use clap::Args;

use super::error::Failure;
use super::pipeline::{Declared, Live, PlanOptions, show_plan};
use super::run::{Approval, carry_out};
use super::shell::Shell;
use super::{Global, OK};

/// Take everything down that the environment owns
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only these stacks
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
    /// Don't ask
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let declared = Declared::load(global, shell)?;
    let live = Live::connect(declared, shell).await?;
    let observed = live.observe(false, global, shell).await;
    let plan = live.plan(&observed, &PlanOptions { stacks: &arguments.stacks, destroy: true })?;
    show_plan(&plan, global, shell);
    if plan.is_empty() {
        return Ok(OK);
    }
    carry_out(&live, &plan, &observed, Approval { yes: arguments.yes, saved: false }, global, shell).await
}
