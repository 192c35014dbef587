//! `saiken forget`

use clap::Args;

use super::Global;
use super::apply::show_before;
use super::error::Failure;
use super::pipeline::{Declared, Live, PlanOptions};
use super::run::{Approval, carry_out};
use super::shell::Shell;
use super::state::locked;
use crate::model::Address;
use crate::model::observed::Observed;
use crate::model::plan::{ActionKind, Plan, Step, Summary};

/// Let objects go: they stay as they are, without our tags
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Addresses of the objects
    #[arg(value_name = "ADDRESS", required = true)]
    addresses: Vec<Address>,
    /// Don't ask
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let declared = Declared::load(global, shell)?;
    let mut live = Live::connect(declared, shell).await?;
    locked(&mut live, shell, async |live, held| {
        let observed = live.observe(false, global, shell).await;
        check_there(&arguments.addresses, &observed)?;
        let desired = &mut live.declared.desired;
        for address in &arguments.addresses {
            if let Some(resource) = desired.resources.remove(address) {
                let origin = &resource.origin;
                let what = format!("{address} is still declared ({origin}): the next apply makes a new object");
                shell.say(&format!("warning: {what}"));
            }
            desired.forget.insert(address.clone());
        }
        let plan = live.plan(&observed, &PlanOptions { stacks: &[], destroy: false })?;
        let plan = only_forget(plan, &arguments.addresses);
        show_before(&plan, global, shell);
        let approval = Approval { yes: arguments.yes, saved: false };
        carry_out(live, &plan, &observed, approval, held, global, shell).await
    })
    .await
}

fn check_there(addresses: &[Address], observed: &Observed) -> Result<(), Failure> {
    let there = observed.by_address();
    let Some(address) = addresses.iter().find(|a| !there.contains_key(a)) else { return Ok(()) };
    let mut names: Vec<&str> = there.keys().map(|a| a.as_str()).collect();
    names.sort_unstable();
    let mut failure = Failure::new(format!("no object of ours is at {address}"));
    failure.help = crate::diagnostic::suggestion(address.as_str(), names);
    Err(failure)
}

/// The plan without anything that was not asked for: whatever else differs is left to the next apply.
fn only_forget(plan: Plan, addresses: &[Address]) -> Plan {
    let asked = |a: &crate::model::plan::Action| a.action == ActionKind::Forget && addresses.contains(&a.address);
    let kept: Vec<usize> = (0..plan.actions.len()).filter(|i| asked(&plan.actions[*i])).collect();
    let step = |s: &Step| {
        let action = kept.iter().position(|i| *i == s.action)?;
        Some(Step { action, after: Vec::new(), ..s.clone() })
    };
    let steps = plan.steps.iter().filter_map(step).collect();
    let actions: Vec<_> = kept.iter().map(|i| plan.actions[*i].clone()).collect();
    let summary = Summary { forget: actions.len(), ..Summary::default() };
    let (held, refused, drift, outputs) = Default::default();
    Plan { actions, steps, summary, held, refused, drift, outputs, ..plan }
}
