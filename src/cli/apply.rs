//! `saiken apply`

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::Args;

use super::error::Failure;
use super::pipeline::{Declared, Live, PlanOptions, show_plan};
use super::run::{Approval, OnFailure, carry_out, permits};
use super::shell::Shell;
use super::state::locked;
use super::{Format, Global};
use crate::model::Address;
use crate::model::plan::Plan;
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
    /// Let the data of this object go; may be given several times
    #[arg(long = "allow-data-loss", value_name = "ADDRESS")]
    allow_data_loss: Vec<Address>,
    /// Interrupt service outside of the announced windows, for this reason
    #[arg(long, value_name = "REASON")]
    emergency: Option<String>,
    /// What follows if a step fails
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    on_failure: OnFailure,
    /// Don't look first at quotas, names, zones and permissions
    #[arg(long)]
    skip_preflight: bool,
    /// Don't ask
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let declared = Declared::load(global, shell)?;
    declared.check_stacks(&arguments.stacks)?;
    let saved = arguments.plan.as_deref().map(read).transpose()?;
    let mut live = Live::connect(declared, shell).await?;
    locked(&mut live, shell, async |live, held| {
        let permits = permits(live, &arguments.allow_data_loss, arguments.emergency.as_deref()).await?;
        let on_failure = arguments.on_failure;
        let skip_preflight = arguments.skip_preflight;
        let approval = Approval { yes: arguments.yes, saved: saved.is_some(), permits, on_failure, skip_preflight };
        live.look_back(shell).await;
        let observed = live.observe(false, global, shell).await;
        let plan = match saved {
            Some(plan) => plan,
            None => live.plan(&observed, &PlanOptions { stacks: &arguments.stacks, destroy: false })?,
        };
        show_before(&plan, global, shell);
        carry_out(live, &plan, &observed, approval, held, global, shell).await
    })
    .await
}

/// Shows a plan that is about to be carried out. For programs stdout is left to the report at the end, unless there is
/// nothing to do.
pub(super) fn show_before(plan: &Plan, global: &Global, shell: &Shell) {
    if global.format == Format::Json && !plan.steps.is_empty() {
        let options = render::text::TextOptions { color: shell.color_talk, width: shell.width() };
        shell.say(&render::text::plan(plan, &options));
    } else {
        show_plan(plan, global, shell);
    }
}

/// Most bytes of a saved plan; one over 10,000 resources has about 30 MB.
const LARGEST: u64 = 256 << 20;

fn read(path: &Path) -> Result<Plan, Failure> {
    let unread = |e: std::io::Error| Failure::new(format!("the plan {} can't be read", path.display())).because(e);
    let wrong = |why: String| {
        let mut failure =
            Failure::new(format!("{} can't be applied", path.display())).help("save one with `saiken plan --out FILE`");
        failure.causes.push(why);
        failure
    };
    let too_large = || wrong(format!("it is larger than {} MiB", LARGEST >> 20));
    let file = std::fs::File::open(path).map_err(unread)?;
    if file.metadata().map_err(unread)?.len() > LARGEST {
        return Err(too_large());
    }
    // A pipe has no length of its own.
    let mut bytes = Vec::new();
    let read = file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(unread)?;
    if u64::try_from(read).is_ok_and(|n| n > LARGEST) {
        return Err(too_large());
    }
    let text = String::from_utf8(bytes).map_err(|e| wrong(format!("this is not a saved plan: {e}")))?;
    render::json::parse(&text).map_err(|e| wrong(e.to_string()))
}
