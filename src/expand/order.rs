//! In which order stacks, resources and components are laid out.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet};

use super::layout::Body;
use crate::config::{Component, Key, Node, NodeValue, ResourceFile};

/// Stacks whose names others mention come first, so that their components are laid out before they are looked into.
/// Only a matter of order: real references are checked later.
pub(super) fn stack_order(project: &crate::config::Project) -> Vec<String> {
    let names: Vec<&str> = project.stacks.keys().map(String::as_str).collect();
    let known: BTreeSet<&str> = names.iter().copied().collect();
    let mut mentions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, stack) in &project.stacks {
        let metas = stack.resources.iter().map(|r| &r.meta).chain(stack.components.iter().map(|c| &c.meta));
        let nodes = metas
            .flat_map(|m| m.each.iter().chain(&m.when))
            .chain(stack.components.iter().flat_map(|c| c.with.iter().map(|(_, n)| n)))
            .chain(stack.outputs.iter().map(|o| &o.value));
        let set = mentions.entry(name).or_default();
        nodes.for_each(|node| mentioned(node, &known, set));
        set.remove(name.as_str());
    }
    order(&names, &mentions).into_iter().map(str::to_owned).collect()
}

/// A resource or a component.
pub(super) enum Item<'p> {
    Resource(&'p ResourceFile),
    Component(&'p Component),
}

/// Resources and components, those first whose names others mention where that matters for what there is.
pub(super) fn in_order<'p>(body: &Body<'p>) -> Vec<Item<'p>> {
    let resources = body.resources.iter().map(|r| (r.name.text.as_str(), Item::Resource(r)));
    let components = body.components.iter().map(|c| (c.name.text.as_str(), Item::Component(c)));
    let all: Vec<(&str, Item<'p>)> = resources.chain(components).collect();
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let mut items: BTreeMap<&str, Vec<Item<'p>>> = BTreeMap::new();
    all.into_iter().for_each(|(name, item)| items.entry(name).or_default().push(item));
    let known: BTreeSet<&str> = names.iter().copied().collect();
    let mut mentions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let metas = body.resources.iter().map(|r| (&r.name, &r.meta, &[][..]));
    for (name, meta, with) in metas.chain(body.components.iter().map(|c| (&c.name, &c.meta, &c.with[..]))) {
        let set = mentions.entry(&name.text).or_default();
        let nodes = meta.each.iter().chain(&meta.when).chain(with.iter().map(|(_, n)| n));
        nodes.for_each(|node| mentioned(node, &known, set));
    }
    order(&names, &mentions).into_iter().flat_map(|name| items.remove(name).unwrap_or_default()).collect()
}

fn order<'n>(names: &[&'n str], mentions: &BTreeMap<&'n str, BTreeSet<&'n str>>) -> Vec<&'n str> {
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    let mut done = BTreeSet::new();
    for name in names {
        // Each name stands on the stack until all that it mentions is done; circles are cut.
        let mut stack = vec![*name];
        while let Some(top) = stack.last().copied() {
            if done.contains(top) {
                stack.pop();
            } else if seen.insert(top) {
                stack.extend(mentions.get(top).into_iter().flatten().rev().filter(|n| !seen.contains(*n)));
            } else {
                stack.pop();
                done.insert(top);
                out.push(top);
            }
        }
    }
    out
}

fn mentioned<'n>(node: &Node, names: &BTreeSet<&'n str>, out: &mut BTreeSet<&'n str>) {
    match &node.value {
        NodeValue::Scalar(scalar) => {
            let words = scalar.text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-')));
            out.extend(words.filter_map(|w| names.get(w)));
        }
        NodeValue::List(items) => items.iter().for_each(|n| mentioned(n, names, out)),
        NodeValue::Map(entries) => entries.iter().for_each(|(_, n): &(Key, Node)| mentioned(n, names, out)),
    }
}
