//! Laying out: which resources and components there are, under which addresses.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::{Each, Expansion, Place};
use crate::config::{Component, Key, Meta, Node, NodeValue, OutputFile, Parameter, ResourceFile};
use crate::diagnostic::{Diagnostic, suggestion};
use crate::model::Address;
use crate::model::kind::KindDef;
use crate::model::schema::Type;
use crate::source::{Span, Spanned};

/// Most of one repetition: more is a mistake, and no service allows it.
const MAX_EACH: usize = 100_000;

/// All instances of one declared resource.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub kind: Arc<KindDef>,
    pub repeated: bool,
    /// Key (of a repetition) and address, in order.
    pub instances: Vec<(Option<String>, Address)>,
    /// Instances by key.
    pub by_key: BTreeMap<String, usize>,
}

/// What a use of a template gave.
#[derive(Debug, Clone)]
pub(super) struct Uses {
    pub repeated: bool,
    /// Key and scope.
    pub scopes: Vec<(Option<String>, usize)>,
}

/// The names that expressions and references see: a stack, or one use of a template.
#[derive(Debug, Clone)]
pub(super) struct Scope {
    pub stack: String,
    /// `web.` inside a component `web`.
    prefix: String,
    /// `:key` inside a repeated component.
    suffix: String,
    pub is_stack: bool,
    pub parameters: BTreeMap<String, Value>,
    pub resources: BTreeMap<String, Group>,
    pub components: BTreeMap<String, Uses>,
    pub outputs: BTreeMap<String, Value>,
    /// What resources inside take over from the components around.
    pub inherited: Inherited,
}

/// Taken over from the components around.
#[derive(Debug, Clone, Default)]
pub(super) struct Inherited {
    pub region: Option<Spanned<String>>,
    pub protect: Option<bool>,
    /// Names, with the place where they are looked up.
    pub depends_on: Vec<(Spanned<String>, usize)>,
}

/// A resource whose spec is still to be filled in.
#[derive(Debug, Clone)]
pub(super) struct Pending<'p> {
    pub file: &'p ResourceFile,
    pub kind: Arc<KindDef>,
    pub address: Address,
    pub place: Place,
}

/// The parts that stacks and templates have in common.
struct Body<'p> {
    parameters: &'p [Parameter],
    resources: &'p [ResourceFile],
    components: &'p [Component],
    outputs: &'p [OutputFile],
}

impl<'p> Expansion<'p> {
    pub(super) fn lay_out(&mut self) {
        self.check_parameter_names();
        let project = self.project;
        for name in stack_order(project) {
            let stack = &project.stacks[&name];
            let scope = self.scopes.len();
            self.scopes.push(Scope {
                stack: name.clone(),
                prefix: String::new(),
                suffix: String::new(),
                is_stack: true,
                parameters: BTreeMap::new(),
                resources: BTreeMap::new(),
                components: BTreeMap::new(),
                outputs: BTreeMap::new(),
                inherited: Inherited { region: stack.region.clone(), ..Inherited::default() },
            });
            self.stacks.insert(name.clone(), scope);
            let place = Place { scope, each: None, used: Vec::new() };
            self.stack_parameters(&name, &stack.parameters, stack.name.span, &place);
            let body = Body {
                parameters: &stack.parameters,
                resources: &stack.resources,
                components: &stack.components,
                outputs: &stack.outputs,
            };
            self.body(&body, &place, &mut Vec::new());
        }
    }

    /// Values for stacks that are not there, or for parameters that a stack does not have.
    fn check_parameter_names(&mut self) {
        let project = self.project;
        for (stack, values) in &project.parameters {
            if stack == "all" {
                for (key, _) in values {
                    let used = project.stacks.values().any(|s| s.parameters.iter().any(|p| p.name.text == key.text));
                    if !used {
                        self.diagnostics.push(
                            Diagnostic::warning(format!("no stack has a parameter `{}`", key.text))
                                .at(key.span, "given for all stacks")
                                .help("remove it, or declare it in a stack"),
                        );
                    }
                }
                continue;
            }
            let Some(file) = project.stacks.get(stack) else {
                // The environment may be limited to other stacks.
                continue;
            };
            for (key, _) in values {
                let names = file.parameters.iter().map(|p| p.name.text.as_str());
                if !names.clone().any(|n| n == key.text) {
                    let mut error = Diagnostic::error(format!("stack `{stack}` has no parameter `{}`", key.text))
                        .at(key.span, "given here");
                    error.help = suggestion(&key.text, names);
                    self.diagnostics.push(error);
                }
            }
        }
    }

    fn stack_parameters(&mut self, stack: &str, parameters: &'p [Parameter], span: Span, place: &Place) {
        let project = self.project;
        let given = |list: &str, name: &str| {
            let values = project.parameters.get(list)?;
            values.iter().find(|(k, _)| k.text == name).map(|(_, n)| n)
        };
        for parameter in parameters {
            let name = parameter.name.text.as_str();
            let node = given(stack, name).or_else(|| given("all", name)).or(parameter.default.as_ref());
            match node {
                Some(node) => self.set_parameter(parameter, node, place, place.scope),
                None if name == "zones" && matches!(parameter.ty, Type::List(..)) => {
                    // The environment's own word for the same thing.
                    let zones = project.environment.zones.iter().map(|z| Value::from(z.as_str())).collect();
                    self.scopes[place.scope].parameters.insert(name.to_owned(), zones);
                }
                None => self.diagnostics.push(
                    Diagnostic::error(format!("the parameter `{name}` of stack `{stack}` has no value"))
                        .at(parameter.name.span, "declared here without a default")
                        .help(format!(
                            "give it in environments/{}.yaml under `parameters: {{ {stack}: {{ {name}: … }} }}`",
                            project.environment.name
                        )),
                ),
            }
        }
        let _ = span;
    }

    /// Evaluates a parameter's value where it was written, and sets it in `scope`.
    fn set_parameter(&mut self, parameter: &Parameter, node: &Node, place: &Place, scope: usize) {
        let Some(value) = self.typed(place, node, &parameter.ty) else { return };
        if parameter.sensitive {
            self.add_secrets(&value);
        }
        self.scopes[scope].parameters.insert(parameter.name.text.clone(), value);
    }

    fn add_secrets(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.secrets.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|v| self.add_secrets(v)),
            Value::Object(map) => map.values().for_each(|v| self.add_secrets(v)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn body(&mut self, body: &Body<'p>, place: &Place, chain: &mut Vec<String>) {
        for resource in body.resources {
            self.lay_out_resource(resource, place);
        }
        for component in component_order(body.components) {
            self.lay_out_component(component, place, chain);
        }
        for output in body.outputs {
            if let Some(value) = self.typed(place, &output.value, &Type::Any) {
                self.scopes[place.scope].outputs.insert(output.name.text.clone(), value);
            }
        }
        let _ = body.parameters;
    }

    fn lay_out_resource(&mut self, file: &'p ResourceFile, place: &Place) {
        let Some(kind) = self.kinds.get(&file.kind.value).cloned() else {
            let mut error =
                Diagnostic::error(format!("unknown kind `{}`", file.kind.value)).at(file.kind.span, "no such kind");
            error.help = suggestion(&file.kind.value, self.kinds.names());
            self.report(error, place);
            return;
        };
        let scope = &self.scopes[place.scope];
        let (stack, prefix, suffix) = (scope.stack.clone(), scope.prefix.clone(), scope.suffix.clone());
        let path = format!("{prefix}{}{suffix}", file.name.text);
        let instances = self.instances(&file.meta, place);
        let mut group = Group {
            kind: Arc::clone(&kind),
            repeated: file.meta.each.is_some(),
            instances: Vec::new(),
            by_key: BTreeMap::new(),
        };
        for each in instances {
            let key = each.as_ref().map(|e| e.key.clone());
            let address = match Address::build(&stack, &path, key.as_deref()) {
                Ok(address) => address,
                Err(e) => {
                    let error = Diagnostic::error(e.to_string())
                        .at(file.name.span, format!("its address would be `{stack}/{path}{}`", tail(key.as_deref())))
                        .help("choose another name or key");
                    self.report(error, place);
                    continue;
                }
            };
            if let Some(key) = &key {
                group.by_key.insert(key.clone(), group.instances.len());
            }
            group.instances.push((key, address.clone()));
            let place = Place { each: each.or_else(|| place.each.clone()), ..place.clone() };
            self.pending.push(Pending { file, kind: Arc::clone(&kind), address, place });
        }
        self.groups.insert(format!("{stack}/{path}"), group.clone());
        self.scopes[place.scope].resources.insert(file.name.text.clone(), group);
    }

    fn lay_out_component(&mut self, component: &'p Component, place: &Place, chain: &mut Vec<String>) {
        let project = self.project;
        let name = &component.template.value;
        let Some(template) = project.templates.get(name) else {
            let names = project.templates.keys().map(String::as_str);
            let mut error = Diagnostic::error(format!("there is no template `{name}`"))
                .at(component.template.span, "no such file in templates/");
            error.help = suggestion(name, names);
            self.report(error, place);
            return;
        };
        if chain.contains(name) {
            let cycle: Vec<&str> = chain.iter().map(String::as_str).chain([name.as_str()]).collect();
            let error = Diagnostic::error(format!("templates use each other: {}", cycle.join(" → ")))
                .at(component.template.span, "closes the circle")
                .help("remove one of the uses");
            self.report(error, place);
            return;
        }
        chain.push(name.clone());
        let mut uses = Uses { repeated: component.meta.each.is_some(), scopes: Vec::new() };
        for each in self.instances(&component.meta, place) {
            let key = each.as_ref().map(|e| e.key.clone());
            let outer = Place { each: each.or_else(|| place.each.clone()), ..place.clone() };
            let scope = self.component_scope(component, place, key.as_deref());
            self.component_parameters(component, &template.parameters, &outer, scope);
            uses.scopes.push((key, scope));
            let mut used = vec![component.name.span];
            used.extend(&place.used);
            let inner = Place { scope, each: None, used };
            let body = Body {
                parameters: &template.parameters,
                resources: &template.resources,
                components: &template.components,
                outputs: &template.outputs,
            };
            self.body(&body, &inner, chain);
        }
        chain.pop();
        self.scopes[place.scope].components.insert(component.name.text.clone(), uses);
    }

    fn component_scope(&mut self, component: &Component, place: &Place, key: Option<&str>) -> usize {
        let outer = &self.scopes[place.scope];
        let mut inherited = outer.inherited.clone();
        let meta = &component.meta;
        if meta.region.is_some() {
            inherited.region.clone_from(&meta.region);
        }
        inherited.protect = meta.protect.or(inherited.protect);
        inherited.depends_on.extend(meta.depends_on.iter().map(|d| (d.clone(), place.scope)));
        let scope = Scope {
            stack: outer.stack.clone(),
            prefix: format!("{}{}.", outer.prefix, component.name.text),
            suffix: format!("{}{}", outer.suffix, tail(key)),
            is_stack: false,
            parameters: BTreeMap::new(),
            resources: BTreeMap::new(),
            components: BTreeMap::new(),
            outputs: BTreeMap::new(),
            inherited,
        };
        self.scopes.push(scope);
        self.scopes.len() - 1
    }

    fn component_parameters(
        &mut self,
        component: &Component,
        parameters: &'p [Parameter],
        outer: &Place,
        scope: usize,
    ) {
        for (key, _) in &component.with {
            if !parameters.iter().any(|p| p.name.text == key.text) {
                let names = parameters.iter().map(|p| p.name.text.as_str());
                let template = &component.template.value;
                let mut error = Diagnostic::error(format!("template `{template}` has no parameter `{}`", key.text))
                    .at(key.span, "given here");
                error.help = suggestion(&key.text, names);
                self.report(error, outer);
            }
        }
        for parameter in parameters {
            let given = component.with.iter().find(|(k, n)| k.text == parameter.name.text && !n.is_null());
            match (given, &parameter.default) {
                (Some((_, node)), _) => self.set_parameter(parameter, node, outer, scope),
                // A default belongs to the template: it sees nothing of the user's scope but the environment.
                (None, Some(node)) => {
                    let mut used = vec![component.name.span];
                    used.extend(&outer.used);
                    let place = Place { scope, each: None, used };
                    self.set_parameter(parameter, node, &place, scope);
                }
                (None, None) => {
                    let name = &parameter.name.text;
                    let error = Diagnostic::error(format!(
                        "the parameter `{name}` of component `{}` has no value",
                        component.name.text
                    ))
                    .at(component.name.span, format!("template `{}` needs it", component.template.value))
                    .at(parameter.name.span, "declared here without a default")
                    .help(format!("add `{name}: …` under `with`"));
                    self.report(error, outer);
                }
            }
        }
    }

    /// What `when` and `each` give: nothing, one without a key, or one for each key.
    fn instances(&mut self, meta: &Meta, place: &Place) -> Vec<Option<Each>> {
        if let Some(node) = &meta.when {
            match self.typed(place, node, &Type::Boolean) {
                Some(Value::Bool(true)) => {}
                Some(Value::String(_)) => {
                    let error = Diagnostic::error("the condition is not known before apply")
                        .at(node.span, "`when` must be known when the plan is made")
                        .help("use parameters and the environment's settings only");
                    self.report(error, place);
                    return Vec::new();
                }
                _ => return Vec::new(),
            }
        }
        let Some(node) = &meta.each else { return vec![None] };
        let Some(value) = self.typed(place, node, &Type::Any) else { return Vec::new() };
        let pairs: Vec<(String, Value)> = match value {
            Value::Array(items) => {
                items.into_iter().map(|v| (crate::model::value::plain(&v).into_owned(), v)).collect()
            }
            Value::Object(map) => map.into_iter().collect(),
            Value::Number(n) if n.as_u64().is_some_and(|n| n <= MAX_EACH as u64) => {
                (0..n.as_u64().unwrap_or(0)).map(|i| (i.to_string(), Value::from(i))).collect()
            }
            other => {
                let error = Diagnostic::error("`each` must be a list, a map or a number of repetitions")
                    .at(node.span, format!("this is {other}"))
                    .help("write `each: \"{{ zones }}\"`, for one");
                self.report(error, place);
                return Vec::new();
            }
        };
        let mut seen = BTreeSet::new();
        for (key, value) in &pairs {
            if crate::model::value::is_unknown(value) {
                let error = Diagnostic::error("the keys of a repetition are not known before apply")
                    .at(node.span, "`each` must be known when the plan is made")
                    .help("use parameters and the environment's settings only");
                self.report(error, place);
                return Vec::new();
            }
            if !seen.insert(key.as_str()) {
                let error = Diagnostic::error(format!("`each` holds `{key}` twice"))
                    .at(node.span, "each key gives one address")
                    .help("remove one of them");
                self.report(error, place);
                return Vec::new();
            }
        }
        pairs.into_iter().enumerate().map(|(index, (key, value))| Some(Each { key, value, index })).collect()
    }

    /// Reports an error; inside a component, with the places where it is used.
    pub(super) fn report(&mut self, mut diagnostic: Diagnostic, place: &Place) {
        for span in &place.used {
            if !diagnostic.labels.iter().any(|(s, _)| s == span) {
                diagnostic = diagnostic.at(*span, "used here");
            }
        }
        self.diagnostics.push(diagnostic);
    }
}

fn tail(key: Option<&str>) -> String {
    key.map(|k| format!(":{k}")).unwrap_or_default()
}

/// Stacks whose names others mention come first, so that their components are laid out before they are looked into.
/// Only a matter of order: real references are checked later.
fn stack_order(project: &crate::config::Project) -> Vec<String> {
    let names: Vec<&str> = project.stacks.keys().map(String::as_str).collect();
    let mut mentions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, stack) in &project.stacks {
        let nodes = stack
            .components
            .iter()
            .flat_map(|c| c.with.iter().map(|(_, n)| n))
            .chain(stack.outputs.iter().map(|o| &o.value));
        let set = mentions.entry(name).or_default();
        for node in nodes {
            mentioned(node, &names, set);
        }
    }
    order(&names, &mentions).into_iter().map(str::to_owned).collect()
}

/// Components whose names others mention come first.
fn component_order(components: &[Component]) -> Vec<&Component> {
    let names: Vec<&str> = components.iter().map(|c| c.name.text.as_str()).collect();
    let mut mentions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for component in components {
        let set = mentions.entry(&component.name.text).or_default();
        for (_, node) in &component.with {
            mentioned(node, &names, set);
        }
    }
    order(&names, &mentions).into_iter().filter_map(|n| components.iter().find(|c| c.name.text == n)).collect()
}

fn order<'n>(names: &[&'n str], mentions: &BTreeMap<&'n str, BTreeSet<&'n str>>) -> Vec<&'n str> {
    fn visit<'n>(
        name: &'n str,
        mentions: &BTreeMap<&'n str, BTreeSet<&'n str>>,
        seen: &mut BTreeSet<&'n str>,
        out: &mut Vec<&'n str>,
    ) {
        if seen.insert(name) {
            for next in mentions.get(name).into_iter().flatten() {
                visit(next, mentions, seen, out);
            }
            out.push(name);
        }
    }
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    for name in names {
        visit(name, mentions, &mut seen, &mut out);
    }
    out
}

fn mentioned<'n>(node: &Node, names: &[&'n str], out: &mut BTreeSet<&'n str>) {
    match &node.value {
        NodeValue::Scalar(scalar) => {
            let words = scalar.text.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-')));
            for word in words {
                if let Some(name) = names.iter().find(|n| **n == word) {
                    out.insert(name);
                }
            }
        }
        NodeValue::List(items) => items.iter().for_each(|n| mentioned(n, names, out)),
        NodeValue::Map(entries) => entries.iter().for_each(|(_, n): &(Key, Node)| mentioned(n, names, out)),
    }
}
