//! `saiken plan`: what would be done, and why.

use std::path::PathBuf;

use clap::Args;

use super::{Context, Error, Exit, Format, pipeline};
use crate::model::plan::Plan;
use crate::render;

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only these stacks
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
    /// Save the plan, for `apply --plan`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Exit with 2 if there is something to do
    #[arg(long)]
    detailed_exitcode: bool,
    /// Read every field of every object, also those that cost a call for each object
    #[arg(long)]
    deep: bool,
    /// Plan to take everything down
    #[arg(long)]
    destroy: bool,
}

pub async fn run(cx: &Context, arguments: &Arguments) -> Result<Exit, Error> {
    let live = pipeline::connect(pipeline::load(cx)?).await?;
    live.tell_interrupted(cx);
    let observed = live.observe(cx, arguments.deep).await;
    let record = live.record(cx).record();
    let plan = live.plan(&observed, record.as_ref(), &arguments.stacks, arguments.destroy)?;
    cx.shell.data(&view(cx, &plan))?;
    if let Some(path) = &arguments.out {
        std::fs::write(path, render::json::plan(&plan))
            .map_err(|e| Error::failed(format!("can't save the plan to {}", path.display())).because(&e))?;
        cx.shell.say(&format!("Saved to {path}: `saiken apply --plan {path}` obeys it.", path = path.display()));
    }
    Ok(if arguments.detailed_exitcode && !plan.is_empty() { Exit::Found } else { Exit::Fine })
}

/// A plan in the form that is asked for.
pub fn view(cx: &Context, plan: &Plan) -> String {
    match cx.globals.format {
        Format::Text => render::text::plan(plan, &options(cx)),
        Format::Json => render::json::plan(plan),
        Format::Markdown => render::markdown::plan(plan),
    }
}

/// How text looks.
pub fn options(cx: &Context) -> render::text::TextOptions {
    render::text::TextOptions { color: cx.shell.color, width: cx.shell.width }
}
