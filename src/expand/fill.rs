//! Filling in: the spec of every resource, its references, its lifecycle; then the whole.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::check::{Declared, Spans};
use super::layout::Pending;
use super::{Expansion, Place};
use crate::config::{Node, NodeValue};
use crate::diagnostic::{Diagnostic, suggestion};
use crate::model::Address;
use crate::model::desired::{Desired, Lifecycle, Output, Resource, Stack};
use crate::model::kind::Scope;
use crate::model::schema::{Schema, Type};
use crate::model::value;
use crate::source::{Span, Spanned};

impl<'p> Expansion<'p> {
    pub(super) fn fill_in(&mut self) -> Desired {
        let mut resources = BTreeMap::new();
        let mut spans = BTreeMap::new();
        for pending in self.pending.clone() {
            if self.diagnostics.is_full() {
                break;
            }
            let cidr = pending.file.fields.iter().find(|(k, _)| k.text == "cidr");
            let cidr = cidr.map_or(pending.file.name.span, |(_, n)| n.span);
            let declared = Declared { span: pending.file.name.span, cidr, place: pending.place.clone() };
            spans.insert(pending.address.clone(), declared);
            if let Some(resource) = self.resource(&pending)
                && let Some(other) = resources.insert(pending.address.clone(), resource)
            {
                let error = Diagnostic::error(format!("two resources have the address {}", other.address))
                    .at(pending.file.name.span, "this one")
                    .help("rename one of them");
                self.report(error, &pending.place);
            }
        }
        let outputs = self.outputs();
        let (moved, forget) = self.moved_and_forgotten();
        self.secrets.sort();
        self.secrets.dedup();
        let mut desired = Desired {
            environment: self.project.environment.clone(),
            resources,
            stacks: Vec::new(),
            moved,
            forget,
            outputs,
            secrets: self.secrets.clone(),
        };
        let circle = self.check_cycles(&desired, &spans);
        self.check_regions(&desired, &spans);
        self.check_networks(&desired, &spans);
        desired.stacks = self.stacks_in_order(&desired, &spans, circle);
        desired
    }

    fn resource(&mut self, pending: &Pending<'p>) -> Option<Resource> {
        let place = &pending.place;
        let file = pending.file;
        let kind = &pending.kind;
        let spec = self.object(place, file.name.span, &file.fields, &kind.schema, Some(kind.name));
        let region = self.region(pending);
        let adopt = self.adopt(pending);
        let ignore = self.ignored(pending);
        let explicit = self.depends_on(pending);
        let mut spec = spec?;
        self.add_environment_tags(&kind.schema, &mut spec);
        let spec = self.normalised(pending, spec)?;
        let mut references = BTreeSet::new();
        kind.schema.visit_refs(&spec, &mut |_, value| {
            if let Value::String(text) = value
                && let Ok(address) = Address::parse(text)
            {
                references.insert(address);
            }
        });
        value::visit_tokens(&spec, &mut |token| {
            if let Ok(address) = Address::parse(token.address) {
                references.insert(address);
            }
        });
        references.extend(explicit);
        if references.remove(&pending.address) {
            let error = Diagnostic::error(format!("{} refers to itself", pending.address))
                .at(file.name.span, "this resource")
                .help("remove the reference");
            self.report(error, place);
        }
        let inherited = &self.scopes[place.scope].inherited;
        Some(Resource {
            address: pending.address.clone(),
            kind: kind.clone(),
            region: region?,
            spec,
            references,
            lifecycle: Lifecycle {
                protect: file.meta.protect.or(inherited.protect).unwrap_or(self.project.environment.protect),
                replacement: file.meta.replacement.or(inherited.replacement),
                ignore,
            },
            adopt,
            origin: self.files.position(file.name.span),
        })
    }

    /// Tags of the environment, under those of the resource.
    fn add_environment_tags(&self, schema: &Schema, spec: &mut Value) {
        let tags = &self.project.environment.tags;
        if tags.is_empty() || schema.field("tags").is_none() {
            return;
        }
        let Value::Object(map) = spec else { return };
        let own = map.entry("tags").or_insert_with(|| Value::Object(value::Map::new()));
        if let Value::Object(own) = own {
            for (key, text) in tags {
                own.entry(key.clone()).or_insert_with(|| Value::String(text.clone()));
            }
            own.sort_keys();
        }
    }

    /// The canonical form, and the kind's own rules.
    fn normalised(&mut self, pending: &Pending<'p>, spec: Value) -> Option<Value> {
        let (place, file) = (&pending.place, pending.file);
        match pending.kind.normalise(&spec) {
            Ok((normal, problems)) => {
                let good = problems.0.is_empty();
                for problem in problems.0 {
                    let span = span_of(&file.fields_node(), &problem.path).unwrap_or(file.name.span);
                    let label =
                        if problem.path.is_empty() { String::new() } else { format!("value of `{}`", problem.path) };
                    let mut error = Diagnostic::error(problem.message).at(span, label);
                    error.help = problem.help;
                    self.report(error, place);
                }
                good.then_some(normal)
            }
            // A value that is not known yet stands where a number will: the shape has been checked already.
            Err(_) if value::is_unknown(&spec) => Some(spec),
            Err(message) => {
                let error = Diagnostic::error(format!("the {} can't be read", pending.kind.name))
                    .at(file.name.span, message)
                    .help("correct the value");
                self.report(error, place);
                None
            }
        }
    }

    fn region(&mut self, pending: &Pending<'p>) -> Option<String> {
        let environment = &self.project.environment;
        if pending.kind.facts.scope == Scope::Global {
            return Some(environment.region.clone());
        }
        let inherited = self.scopes[pending.place.scope].inherited.region.clone();
        let Some(named) = pending.file.meta.region.clone().or(inherited) else {
            return Some(environment.region.clone());
        };
        let text = self.settled_text(&pending.place, &named)?.value;
        if let Some(region) = environment.regions.get(&text) {
            return Some(region.clone());
        }
        if environment.all_regions().contains(&text.as_str()) {
            return Some(text);
        }
        let names = environment.regions.keys().map(String::as_str).chain([environment.region.as_str()]);
        let mut error = Diagnostic::error(format!("`{text}` is no region of environment `{}`", environment.name))
            .at(named.span, "not among its `region` and `regions`");
        error.help = suggestion(&text, names);
        let place = pending.place.clone();
        self.report(error, &place);
        None
    }

    /// The id of an existing object: one for the resource, or one for each key of its repetition.
    fn adopt(&mut self, pending: &Pending<'p>) -> Option<String> {
        let node = pending.file.adopt.as_ref()?;
        let text = Type::String { pattern: None, values: Vec::new(), length: (Some(1), None) };
        let node = match (&node.value, &pending.file.meta.each, &pending.place.each) {
            (NodeValue::Map(_), Some(_), Some(each)) => node.get(&each.key)?,
            _ => node,
        };
        self.typed(&pending.place, node, &text).map(|v| value::plain(&v).into_owned())
    }

    fn ignored(&mut self, pending: &Pending<'p>) -> Vec<String> {
        let mut out = Vec::new();
        for path in &pending.file.meta.ignore {
            let first = path.value.split('.').next().unwrap_or_default();
            if pending.kind.schema.field(first).is_some() {
                out.push(path.value.clone());
                continue;
            }
            let mut error = Diagnostic::error(format!("kind `{}` has no field `{first}`", pending.kind.name))
                .at(path.span, "its differences can't be ignored");
            error.help = suggestion(first, pending.kind.schema.names());
            self.report(error, &pending.place);
        }
        out
    }

    fn depends_on(&mut self, pending: &Pending<'p>) -> Vec<Address> {
        let own = pending.file.meta.depends_on.iter().map(|d| (d.clone(), pending.place.clone()));
        let inherited = self.scopes[pending.place.scope].inherited.depends_on.clone();
        let all: Vec<(Spanned<String>, Place)> = own.chain(inherited).collect();
        let mut out = Vec::new();
        for (name, place) in all {
            let Some(name) = self.settled_text(&place, &name) else { continue };
            match self.resolve_any(&place, &name.value) {
                Ok(found) => out.extend(found.into_iter().filter(|a| *a != pending.address)),
                Err(e) => self.unresolved(&place, name.span, e),
            }
        }
        out
    }

    fn outputs(&mut self) -> BTreeMap<String, BTreeMap<String, Output>> {
        let project = self.project;
        let mut out = BTreeMap::new();
        for (name, stack) in &project.stacks {
            let Some(scope) = self.stacks.get(name).map(|s| &self.scopes[*s]) else { continue };
            let outputs: BTreeMap<String, Output> = stack
                .outputs
                .iter()
                .filter_map(|o| {
                    let value = scope.outputs.get(&o.name.text)?.clone();
                    let output = Output { description: o.description.clone(), value, sensitive: o.sensitive };
                    Some((o.name.text.clone(), output))
                })
                .collect();
            if !outputs.is_empty() {
                out.insert(name.clone(), outputs);
            }
        }
        out
    }

    fn moved_and_forgotten(&mut self) -> (Vec<(Address, Address)>, BTreeSet<Address>) {
        let project = self.project;
        let mut moved = Vec::new();
        let mut forget = BTreeSet::new();
        for (name, stack) in &project.stacks {
            for entry in &stack.moved {
                let (from, to) = (self.whole(name, &entry.from), self.whole(name, &entry.to));
                let (Some(from), Some(to)) = (from, to) else { continue };
                if self.by_address.contains_key(&from) {
                    let error = Diagnostic::error(format!("{from} was moved, and is declared all the same"))
                        .at(entry.from.span, "still declared")
                        .help("remove the entry, or rename the resource");
                    self.diagnostics.push(error);
                } else if self.is_broken(&to) {
                    // Its declaration has errors, which are reported.
                } else if !self.by_address.contains_key(&to) {
                    let names = self.by_address.keys().map(Address::as_str);
                    let mut error =
                        Diagnostic::error(format!("{to} is not declared")).at(entry.to.span, "nothing to move to");
                    error.help = suggestion(to.as_str(), names);
                    self.diagnostics.push(error);
                } else {
                    moved.push((from, to));
                }
            }
            for entry in &stack.forget {
                let Some(address) = self.whole(name, entry) else { continue };
                if self.by_address.contains_key(&address) {
                    let error =
                        Diagnostic::error(format!("{address} is to be forgotten, and is declared all the same"))
                            .at(entry.span, "still declared")
                            .help("remove the resource, or this entry");
                    self.diagnostics.push(error);
                }
                forget.insert(address);
            }
        }
        (moved, forget)
    }

    /// Whether what stands at an address has errors of its own.
    fn is_broken(&self, address: &Address) -> bool {
        let first = address.local().split(['.', ':']).next().unwrap_or_default();
        let scope = self.stacks.get(address.stack()).map(|s| &self.scopes[*s]);
        scope.is_some_and(|s| s.broken.contains(first))
    }

    /// A local name or a whole address as an address.
    fn whole(&mut self, stack: &str, name: &Spanned<String>) -> Option<Address> {
        let text = if name.value.contains('/') { name.value.clone() } else { format!("{stack}/{}", name.value) };
        match Address::parse(&text) {
            Ok(address) => Some(address),
            Err(e) => {
                self.diagnostics
                    .push(Diagnostic::error(e.to_string()).at(name.span, "not an address").help("correct the address"));
                None
            }
        }
    }

    fn stacks_in_order(&mut self, desired: &Desired, spans: &Spans, reported: bool) -> Vec<Stack> {
        let mut needs: BTreeMap<&str, BTreeSet<String>> =
            self.project.stacks.keys().map(|s| (s.as_str(), BTreeSet::new())).collect();
        for (address, resource) in &desired.resources {
            let others = resource.references.iter().filter(|r| r.stack() != address.stack());
            if let Some(set) = needs.get_mut(address.stack()) {
                set.extend(others.map(|r| r.stack().to_owned()));
            }
        }
        let mut graph = crate::graph::Graph::default();
        for (stack, others) in &needs {
            graph.add((*stack).to_owned());
            for other in others {
                graph.needs((*stack).to_owned(), other.clone());
            }
        }
        let order = match graph.order() {
            Ok(order) => order,
            Err(_) if reported => return Vec::new(),
            Err(cycle) => {
                let mut error = Diagnostic::error(format!("stacks refer to each other: {}", cycle.path.join(" → ")));
                for pair in cycle.path.windows(2) {
                    let uses = desired.resources.iter().filter(|(a, _)| a.stack() == pair[0]);
                    let mut found = uses.filter_map(|(a, r)| {
                        let other = r.references.iter().find(|o| o.stack() == pair[1])?;
                        Some((spans.get(a)?.span, format!("needs {other}")))
                    });
                    error.labels.extend(found.next());
                }
                let error = error
                    .note("stacks are applied one after the other, so their references may not form a circle")
                    .help("move the resources between the stacks");
                self.diagnostics.push(error);
                return Vec::new();
            }
        };
        order
            .into_iter()
            .filter_map(|name| {
                let file = self.project.stacks.get(&name)?;
                let depends_on = needs.get(name.as_str()).cloned().unwrap_or_default();
                Some(Stack { name, description: file.description.clone(), depends_on })
            })
            .collect()
    }
}

/// The place of the node at a dotted path, or of the nearest one above it.
pub(super) fn span_of(node: &Node, path: &str) -> Option<Span> {
    let mut at = node;
    let mut span = None;
    for step in path.split('.').filter(|s| !s.is_empty()) {
        let next = match &at.value {
            NodeValue::Map(_) => at.get(step),
            NodeValue::List(items) => step.parse::<usize>().ok().and_then(|i| items.get(i)),
            NodeValue::Scalar(_) => None,
        };
        let Some(next) = next else { break };
        span = Some(next.span);
        at = next;
    }
    span
}
