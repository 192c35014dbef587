//! `saiken apply`: makes the cloud as the files say.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use super::execution::{Execution, lock};
use super::{Context, Error, Exit, Format, pipeline, plan};
use crate::execute::{masked_spec_differs, stale};
use crate::model::plan::Plan;
use crate::render;

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only these stacks
    #[arg(value_name = "STACK", conflicts_with = "plan")]
    stacks: Vec<String>,
    /// Obey this saved plan, or refuse it if what it touches has changed
    #[arg(long, value_name = "FILE")]
    plan: Option<PathBuf>,
    /// Ask nobody
    #[arg(short, long)]
    yes: bool,
}

pub async fn run(cx: &Context, arguments: &Arguments) -> Result<Exit, Error> {
    let saved = arguments.plan.as_deref().map(read).transpose()?;
    let live = pipeline::connect(pipeline::load(cx)?).await?;
    let _lock = lock(&live, "apply").await?;
    live.tell_interrupted(cx);
    let observed = live.observe(cx, false).await;
    let record = Arc::new(live.record(cx));
    let is_saved = saved.is_some();
    let plan = match saved {
        Some(plan) => {
            let mut changed = stale(&plan, &live.project.desired, &observed, &live.identity.account);
            changed.extend(masked_spec_differs(&plan, &live.project.desired).into_iter().map(|address| {
                let what = "the files ask for something else than when the plan was made".to_owned();
                crate::execute::Stale { address: Some(address), what }
            }));
            if !changed.is_empty() {
                let refused = Error::failed("the saved plan is refused: something has changed since it was made");
                return Err(changed
                    .iter()
                    .fold(refused, |error, change| error.detail(change.to_string()))
                    .help("make a new plan with `saiken plan --out FILE`, and look at it"));
            }
            plan
        }
        None => live.plan(&observed, record.record().as_ref(), &arguments.stacks, false)?,
    };
    if cx.globals.format == Format::Json && !plan.steps.is_empty() {
        cx.shell.say(&render::text::plan(&plan, &plan::options(cx)));
    } else {
        cx.shell.data(&plan::view(cx, &plan))?;
    }
    let question = format!("\nApply this to {}?", live.project.desired.environment.name);
    let execution = Execution {
        live: &live,
        observed: &observed,
        record,
        plan: &plan,
        saved: is_saved,
        command: "apply",
        yes: arguments.yes,
        question: &question,
    };
    execution.run(cx).await
}

fn read(path: &Path) -> Result<Plan, Error> {
    let failed = || Error::failed(format!("can't read the plan {}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|e| failed().because(&e))?;
    render::json::parse(&text)
        .map_err(|e| failed().because(&e).help("a plan is saved with `saiken plan --out FILE`"))
}
