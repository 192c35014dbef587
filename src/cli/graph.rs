//! `saiken graph`

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args;

use super::error::Failure;
use super::pipeline::Declared;
use super::shell::Shell;
use super::{Global, OK};
use crate::model::desired::Desired;

/// Print the graph of references
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// In the language of Graphviz (the default)
    #[arg(long, conflicts_with = "mermaid")]
    dot: bool,
    /// In Mermaid, which many forges draw in Markdown
    #[arg(long)]
    mermaid: bool,
    /// Only these stacks
    #[arg(value_name = "STACK")]
    stacks: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let declared = Declared::load(global, shell)?;
    declared.check_stacks(&arguments.stacks)?;
    let draw = if arguments.mermaid { mermaid } else { dot };
    shell.data(&draw(&declared.desired, &arguments.stacks));
    Ok(OK)
}

/// Addresses by stack, with a short id for each.
fn nodes<'d>(desired: &'d Desired, stacks: &[String]) -> BTreeMap<&'d str, Vec<(&'d str, usize)>> {
    let mut by_stack: BTreeMap<&str, Vec<(&str, usize)>> = BTreeMap::new();
    for (index, address) in desired.resources.keys().enumerate() {
        if stacks.is_empty() || stacks.iter().any(|s| s == address.stack()) {
            by_stack.entry(address.stack()).or_default().push((address.as_str(), index));
        }
    }
    by_stack
}

/// Pairs (from, to): `from` refers to `to`.
fn edges(desired: &Desired, nodes: &BTreeMap<&str, Vec<(&str, usize)>>) -> Vec<(usize, usize)> {
    let ids: BTreeMap<&str, usize> = nodes.values().flatten().copied().collect();
    let mut edges = Vec::new();
    for (address, resource) in &desired.resources {
        let Some(from) = ids.get(address.as_str()) else { continue };
        edges.extend(resource.references.iter().filter_map(|to| ids.get(to.as_str())).map(|to| (*from, *to)));
    }
    edges
}

fn dot(desired: &Desired, stacks: &[String]) -> String {
    let nodes = nodes(desired, stacks);
    let mut out = String::from("digraph saiken {\n  rankdir=RL;\n  node [shape=box];\n");
    for (stack, list) in &nodes {
        let _ = writeln!(out, "  subgraph \"cluster_{stack}\" {{\n    label=\"{stack}\";");
        for (address, id) in list {
            let _ = writeln!(out, "    n{id} [label=\"{}\"];", local(address));
        }
        out.push_str("  }\n");
    }
    for (from, to) in edges(desired, &nodes) {
        let _ = writeln!(out, "  n{from} -> n{to};");
    }
    out.push_str("}\n");
    out
}

fn mermaid(desired: &Desired, stacks: &[String]) -> String {
    let nodes = nodes(desired, stacks);
    let mut out = String::from("flowchart RL\n");
    for (number, (stack, list)) in nodes.iter().enumerate() {
        let _ = writeln!(out, "  subgraph s{number}[\"{stack}\"]");
        for (address, id) in list {
            let _ = writeln!(out, "    n{id}[\"{}\"]", local(address));
        }
        out.push_str("  end\n");
    }
    for (from, to) in edges(desired, &nodes) {
        let _ = writeln!(out, "  n{from} --> n{to}");
    }
    out
}

fn local(address: &str) -> &str {
    address.split_once('/').map_or(address, |(_, local)| local)
}
