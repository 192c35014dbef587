//! `saiken destroy`

use clap::Args;

use super::Global;
use super::apply::show_before;
use super::error::Failure;
use super::pipeline::{Declared, Live, PlanOptions};
use super::run::{Approval, carry_out, permits};
use super::shell::Shell;
use super::state::locked;
use crate::model::Address;

/// Take everything down that the environment owns
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only these stacks
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
    /// Let the data of this object go; may be given several times
    #[arg(long = "allow-data-loss", value_name = "ADDRESS")]
    allow_data_loss: Vec<Address>,
    /// Interrupt service outside of the announced windows, for this reason
    #[arg(long, value_name = "REASON")]
    emergency: Option<String>,
    /// Don't look first at permissions
    #[arg(long)]
    skip_preflight: bool,
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
        let permits = permits(live, &arguments.allow_data_loss, arguments.emergency.as_deref()).await?;
        let approval = Approval { permits, skip_preflight: arguments.skip_preflight, ..Approval::plain(arguments.yes) };
        carry_out(live, &plan, &observed, approval, held, global, shell).await
    })
    .await
}
