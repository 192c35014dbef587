//! `saiken forget`: lets go of objects. They stay as they are, without ownership tags.

use std::sync::Arc;

use clap::Args;

use super::execution::{Execution, lock};
use super::{Context, Error, Exit, Format, pipeline, plan};
use crate::diagnostic;
use crate::model::Address;
use crate::model::observed::Observed;
use crate::model::plan::{ActionKind, Plan, Summary};

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Addresses, as `saiken show` lists them
    #[arg(value_name = "ADDRESS", required = true)]
    addresses: Vec<Address>,
    /// Ask nobody
    #[arg(short, long)]
    yes: bool,
}

pub async fn run(cx: &Context, arguments: &Arguments) -> Result<Exit, Error> {
    cx.forms("forget", &[Format::Text, Format::Json])?;
    let mut live = pipeline::connect(pipeline::load(cx)?).await?;
    let _lock = lock(&live, "forget").await?;
    let observed = live.observe(cx, false).await;
    there(&arguments.addresses, &observed)?;
    let desired = &mut live.project.desired;
    for address in &arguments.addresses {
        if let Some(resource) = desired.resources.remove(address) {
            cx.shell.say(&format!(
                "note: {address} is still declared ({}); unless that goes too, the next apply makes a new one",
                resource.origin
            ));
        }
        desired.forget.insert(address.clone());
    }
    let record = Arc::new(live.record(cx));
    let plan = only_forget(live.plan(&observed, record.record().as_ref(), &[], false)?, &arguments.addresses);
    if cx.globals.format == Format::Text {
        cx.shell.data(&plan::view(cx, &plan))?;
    }
    let question = format!("\nLet go of these in {}?", live.project.desired.environment.name);
    let execution = Execution {
        live: &live,
        observed: &observed,
        record,
        plan: &plan,
        saved: false,
        command: "forget",
        yes: arguments.yes,
        question: &question,
    };
    execution.run(cx).await
}

fn there(addresses: &[Address], observed: &Observed) -> Result<(), Error> {
    let all = observed.by_address();
    for address in addresses {
        if !all.contains_key(address) {
            let error = Error::failed(format!("nothing is there at `{address}`"));
            return Err(match diagnostic::suggestion(address.as_str(), all.keys().map(|a| a.as_str())) {
                Some(hint) => error.help(hint),
                None => error,
            });
        }
    }
    Ok(())
}

/// The plan without all that is not asked for: whatever else differs is left for the next apply.
fn only_forget(plan: Plan, addresses: &[Address]) -> Plan {
    let wanted = |i: usize| {
        plan.actions.get(i).is_some_and(|a| a.action == ActionKind::Forget && addresses.contains(&a.address))
    };
    let kept: Vec<usize> = (0..plan.actions.len()).filter(|i| wanted(*i)).collect();
    let steps = plan
        .steps
        .iter()
        .filter_map(|s| {
            let action = kept.iter().position(|i| *i == s.action)?;
            Some(crate::model::plan::Step { action, after: Vec::new(), ..s.clone() })
        })
        .collect();
    let actions: Vec<_> = kept.iter().map(|i| plan.actions[*i].clone()).collect();
    let summary = Summary { forget: actions.len(), ..Summary::default() };
    Plan { actions, steps, summary, held: Vec::new(), refused: Vec::new(), drift: Vec::new(), ..plan }
}
