//! `saiken destroy`: takes down what saiken made, and nothing else.

use std::sync::Arc;

use clap::Args;

use super::execution::{Execution, lock};
use super::{Context, Error, Exit, Format, pipeline, plan};
use crate::render;

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only these stacks
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
    /// Ask nobody
    #[arg(short, long)]
    yes: bool,
}

pub async fn run(cx: &Context, arguments: &Arguments) -> Result<Exit, Error> {
    let live = pipeline::connect(pipeline::load(cx)?).await?;
    let _lock = lock(&live, "destroy").await?;
    live.tell_interrupted(cx);
    let observed = live.observe(cx, false).await;
    let record = Arc::new(live.record(cx));
    let plan = live.plan(&observed, record.record().as_ref(), &arguments.stacks, true)?;
    if cx.globals.format == Format::Json && !plan.steps.is_empty() {
        cx.shell.say(&render::text::plan(&plan, &plan::options(cx)));
    } else {
        cx.shell.data(&plan::view(cx, &plan))?;
    }
    let question = format!("\nTake all of this down in {}?", live.project.desired.environment.name);
    let execution = Execution {
        live: &live,
        observed: &observed,
        record,
        plan: &plan,
        saved: false,
        command: "destroy",
        yes: arguments.yes,
        question: &question,
    };
    execution.run(cx).await
}
