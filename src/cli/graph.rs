//! `saiken graph`: the resources and what they refer to, as DOT or Mermaid.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args;

use super::{Context, Error, Exit, Format, pipeline};
use crate::model::Address;
use crate::model::desired::Desired;

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Graphviz (the default)
    #[arg(long, conflicts_with = "mermaid")]
    dot: bool,
    /// Mermaid, which code hosts show in Markdown
    #[arg(long)]
    mermaid: bool,
}

pub fn run(cx: &Context, arguments: &Arguments) -> Result<Exit, Error> {
    cx.forms("graph", &[Format::Text, Format::Markdown])?;
    let project = pipeline::load(cx)?;
    let text = if cx.globals.format == Format::Markdown {
        format!("```mermaid\n{}```\n", mermaid(&project.desired))
    } else if arguments.mermaid {
        mermaid(&project.desired)
    } else {
        dot(&project.desired)
    };
    cx.shell.data(&text)?;
    Ok(Exit::Fine)
}

fn dot(desired: &Desired) -> String {
    let mut out = String::from("digraph saiken {\n  rankdir = LR;\n  node [shape = box, fontname = \"sans-serif\"];\n");
    for (number, stack) in desired.stacks.iter().enumerate() {
        let _ = writeln!(out, "  subgraph cluster_{number} {{\n    label = {:?};", stack.name);
        for (address, resource) in desired.resources.iter().filter(|(a, _)| a.stack() == stack.name) {
            let _ = writeln!(
                out,
                "    {:?} [label = {:?}];",
                address.as_str(),
                format!("{}\n{}", resource.kind.name, address.local())
            );
        }
        out.push_str("  }\n");
    }
    for (address, resource) in &desired.resources {
        for target in &resource.references {
            let _ = writeln!(out, "  {:?} -> {:?};", address.as_str(), target.as_str());
        }
    }
    out.push_str("}\n");
    out
}

fn mermaid(desired: &Desired) -> String {
    let numbers: BTreeMap<&Address, usize> = desired.resources.keys().zip(0..).collect();
    let mut out = String::from("graph LR\n");
    for (number, stack) in desired.stacks.iter().enumerate() {
        let _ = writeln!(out, "  subgraph s{number} [\"{}\"]", stack.name);
        for (address, resource) in desired.resources.iter().filter(|(a, _)| a.stack() == stack.name) {
            let _ = writeln!(out, "    n{}[\"{}<br/>{}\"]", numbers[address], resource.kind.name, address.local());
        }
        out.push_str("  end\n");
    }
    for (address, resource) in &desired.resources {
        for target in resource.references.iter().filter_map(|t| numbers.get(t)) {
            let _ = writeln!(out, "  n{} --> n{target}", numbers[address]);
        }
    }
    out
}
