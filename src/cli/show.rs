//! `saiken show`: what is there, by address, with ids, states and outputs.

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::{Context, Error, Exit, Format, pipeline, report};
use crate::model::observed::{Object, Observed, Status};
use crate::model::plan::Plan;
use crate::simulated;

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only addresses that begin with this: a stack, `stack/component`, a whole address
    #[arg(value_name = "ADDRESS")]
    prefix: Option<String>,
    /// Only the outputs
    #[arg(long)]
    outputs: bool,
}

pub async fn run(cx: &Context, arguments: &Arguments) -> Result<Exit, Error> {
    let live = pipeline::connect(pipeline::load(cx)?).await?;
    let observed = live.observe(cx, false).await;
    // The planner knows what each output is at present.
    let plan = live.plan(&observed, None, &[], false)?;
    let mut objects: Vec<&Object> = observed
        .objects
        .iter()
        .filter(|o| o.address().is_some_and(|a| arguments.prefix.as_deref().is_none_or(|p| a.as_str().starts_with(p))))
        .collect();
    objects.sort_by_key(|o| (o.address(), o.generation()));
    if arguments.outputs {
        objects.clear();
    }
    cx.shell.data(&match cx.globals.format {
        Format::Json => format!("{:#}", to_json(&plan, &objects, &observed)),
        Format::Text => text(&plan, &objects, cx.shell.width, live.cloud.label(), arguments.outputs),
        Format::Markdown => markdown(&plan, &objects),
    })?;
    Ok(if observed.unobserved.is_empty() { Exit::Fine } else { Exit::Failed })
}

fn status(object: &Object) -> String {
    match &object.status {
        Status::Ready => "ready".to_owned(),
        Status::Pending(word) => format!("pending: {word}"),
        Status::Failed(why) => format!("failed: {why}"),
        Status::Deleting => "deleting".to_owned(),
    }
}

fn rows<'a>(objects: &'a [&'a Object]) -> impl Iterator<Item = [String; 5]> + 'a {
    objects.iter().map(|o| {
        let address = o.address().map(ToString::to_string).unwrap_or_default();
        [address, o.kind.clone(), o.id.clone(), o.region.clone(), status(o)]
    })
}

const HEADINGS: [&str; 5] = ["Address", "Kind", "Id", "Region", "Status"];

fn text(plan: &Plan, objects: &[&Object], width: usize, cloud: &str, only_outputs: bool) -> String {
    let mut out = String::new();
    if !only_outputs {
        let label = if cloud == simulated::LABEL { " (simulated cloud)" } else { "" };
        out.push_str(&format!("{} {}{label}\n\n", plan.project, plan.environment));
        if objects.is_empty() {
            out.push_str("Nothing is there.\n");
        } else {
            let mut table = Table::new();
            table
                .load_preset(presets::NOTHING)
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_width(u16::try_from(width).unwrap_or(u16::MAX))
                .set_header(HEADINGS)
                .add_rows(rows(objects));
            out.push_str(&table.trim_fmt());
            out.push('\n');
        }
    }
    out.push_str(&report::output_rows(plan.outputs.iter().map(|(name, value)| (name.as_str(), value))));
    out
}

fn markdown(plan: &Plan, objects: &[&Object]) -> String {
    let mut out = format!("## {} {}\n\n| {} |\n|---|---|---|---|---|\n", plan.project, plan.environment, HEADINGS.join(" | "));
    for row in rows(objects) {
        out.push_str(&format!("| {} |\n", row.map(|cell| cell.replace('|', "\\|")).join(" | ")));
    }
    out
}

fn to_json(plan: &Plan, objects: &[&Object], observed: &Observed) -> Value {
    let one = |o: &&Object| {
        json!({"address": o.address(), "kind": o.kind, "id": o.id, "region": o.region, "status": status(o),
               "generation": o.generation(), "attributes": o.attributes})
    };
    let unread: Vec<Value> = observed
        .unobserved
        .iter()
        .map(|((kind, region), why)| json!({"kind": kind, "region": region, "reason": why}))
        .collect();
    json!({"format": 1, "project": plan.project, "environment": plan.environment, "provider": plan.provider,
           "objects": objects.iter().map(one).collect::<Vec<_>>(), "unread": unread, "outputs": plan.outputs})
}
