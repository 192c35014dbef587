//! `saiken drift`: what was changed outside saiken. Reads only.

use clap::Args;

use super::{Context, Error, Exit, Format, pipeline, plan};
use crate::render;

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only these stacks
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
    /// Read every field of every object, also those that cost a call for each object
    #[arg(long)]
    deep: bool,
}

pub async fn run(cx: &Context, arguments: &Arguments) -> Result<Exit, Error> {
    let live = pipeline::connect(pipeline::load(cx)?).await?;
    let observed = live.observe(cx, arguments.deep).await;
    let record = live.record(cx).record();
    let plan = live.plan(&observed, record.as_ref(), &arguments.stacks, false)?;
    if record.is_none() && !plan.is_empty() {
        cx.shell.say(
            "note: nothing is recorded of the last apply, so that changes made outside can't be told from changes of the \
             files; all differences are shown",
        );
        cx.shell.data(&plan::view(cx, &plan))?;
        return Ok(Exit::Found);
    }
    cx.shell.data(&match cx.globals.format {
        Format::Text => render::text::drift(&plan, &plan::options(cx)),
        Format::Json => render::json::drift(&plan),
        Format::Markdown => render::markdown::drift(&plan),
    })?;
    let unread = !observed.unobserved.is_empty();
    Ok(match (plan.drift.is_empty(), unread) {
        (false, _) => Exit::Found,
        (true, true) => Exit::Failed,
        (true, false) => Exit::Fine,
    })
}
