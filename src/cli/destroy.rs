//! `saiken destroy`

use clap::Args;

use super::Global;
use super::apply::show_before;
use super::error::Failure;
use super::pipeline::{Declared, Live, PlanOptions};
use super::run::{Approval, carry_out};
use super::shell::Shell;
use super::state::locked;

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
    let mut live = Live::connect(declared, shell).await?;
    locked(&mut live, shell, async |live, held| {
        live.look_back(shell).await;
        let observed = live.observe(false, global, shell).await;
        let plan = live.plan(&observed, &PlanOptions { stacks: &arguments.stacks, destroy: true })?;
        show_before(&plan, global, shell);
        let approval = Approval { yes: arguments.yes, saved: false };
        carry_out(live, &plan, &observed, approval, held, global, shell).await
    })
    .await
}
