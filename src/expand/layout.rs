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

/// Most resources and uses of templates together: a repetition of repetitions is stopped before it fills the memory.
const MAX_ALL: usize = 200_000;

/// Deepest nesting of components.
const MAX_NESTING: usize = 32;

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
    /// Names that have errors, which were reported: what uses them is not reported once more. Outputs as `outputs.x`.
    pub broken: BTreeSet<String>,
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
                broken: stack.broken.iter().cloned().collect(),
                inherited: Inherited { region: stack.region.clone(), ..Inherited::default() },
            });
            self.stacks.insert(name.clone(), scope);
            let place = Place { scope, each: None, used: Vec::new() };
            self.check_parameter_kinds(&stack.parameters, &place);
            self.stack_parameters(&name, &stack.parameters, &place);
            let body = Body {
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

    /// Kinds that parameters refer to and that there are not.
    fn check_parameter_kinds(&mut self, parameters: &[Parameter], place: &Place) {
        fn wanted(ty: &Type) -> Option<&str> {
            match ty {
                Type::Ref(kind) => Some(kind),
                Type::List(inner, ..) | Type::Map(inner) => wanted(inner),
                _ => None,
            }
        }
        for parameter in parameters {
            if let Some(kind) = wanted(&parameter.ty).filter(|k| self.kinds.get(k).is_none()) {
                let name = &parameter.name;
                let mut error =
                    Diagnostic::error(format!("unknown kind `{kind}`")).at(name.span, "this parameter refers to it");
                error.help = suggestion(kind, self.kinds.names());
                self.diagnostics.push(error);
                self.scopes[place.scope].broken.insert(name.text.clone());
            }
        }
    }

    fn stack_parameters(&mut self, stack: &str, parameters: &'p [Parameter], place: &Place) {
        let project = self.project;
        let given = |list: &str, name: &str| {
            let values = project.parameters.get(list)?;
            values.iter().find(|(k, n)| k.text == name && !n.is_null()).map(|(_, n)| n)
        };
        for parameter in parameters {
            let name = parameter.name.text.as_str();
            if self.scopes[place.scope].broken.contains(name) {
                continue;
            }
            let node = given(stack, name).or_else(|| given("all", name)).or(parameter.default.as_ref());
            match node {
                Some(node) => self.set_parameter(parameter, node, place, place.scope),
                None if name == "zones" && matches!(parameter.ty, Type::List(..)) => {
                    // The environment's own word for the same thing.
                    let zones = project.environment.zones.iter().map(|z| Value::from(z.as_str())).collect();
                    self.scopes[place.scope].parameters.insert(name.to_owned(), zones);
                }
                None => {
                    let environment = &project.environment.name;
                    let error = Diagnostic::error(format!("the parameter `{name}` of stack `{stack}` has no value"))
                        .at(parameter.name.span, "declared here without a default")
                        .help(format!(
                            "add to environments/{environment}.yaml: `parameters: {{ {stack}: {{ {name}: … }} }}`"
                        ));
                    self.diagnostics.push(error);
                    self.scopes[place.scope].broken.insert(name.to_owned());
                }
            }
        }
    }

    /// Evaluates a parameter's value where it was written, and sets it in `scope`.
    fn set_parameter(&mut self, parameter: &Parameter, node: &Node, place: &Place, scope: usize) {
        let name = &parameter.name;
        let outer = std::mem::replace(&mut self.naming, vec![name.text.clone()]);
        self.parameter = Some(name.span);
        let value = if node.is_null() { Some(Value::Null) } else { self.typed(place, node, &parameter.ty) };
        self.naming = outer;
        self.parameter = None;
        let Some(value) = value else {
            self.scopes[scope].broken.insert(name.text.clone());
            return;
        };
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
        for item in in_order(body) {
            match item {
                Item::Resource(resource) => self.lay_out_resource(resource, place),
                Item::Component(component) => self.lay_out_component(component, place, chain),
            }
        }
        for output in body.outputs {
            let name = &output.name.text;
            match self.typed(place, &output.value, &Type::Any) {
                Some(value) => {
                    self.scopes[place.scope].outputs.insert(name.clone(), value);
                }
                None => {
                    self.scopes[place.scope].broken.insert(format!("outputs.{name}"));
                }
            }
        }
    }

    fn break_name(&mut self, place: &Place, name: &str) {
        self.scopes[place.scope].broken.insert(name.to_owned());
    }

    fn lay_out_resource(&mut self, file: &'p ResourceFile, place: &Place) {
        let Some(kind) = self.kinds.get(&file.kind.value).cloned() else {
            let mut error =
                Diagnostic::error(format!("unknown kind `{}`", file.kind.value)).at(file.kind.span, "no such kind");
            error.help = suggestion(&file.kind.value, self.kinds.names());
            self.report(error, place);
            self.break_name(place, &file.name.text);
            return;
        };
        let scope = &self.scopes[place.scope];
        let (stack, prefix, suffix) = (scope.stack.clone(), scope.prefix.clone(), scope.suffix.clone());
        let path = format!("{prefix}{}{suffix}", file.name.text);
        let Some(instances) = self.instances(&file.meta, place) else {
            self.break_name(place, &file.name.text);
            return;
        };
        let mut group = Group {
            kind: Arc::clone(&kind),
            repeated: file.meta.each.is_some(),
            instances: Vec::new(),
            by_key: BTreeMap::new(),
        };
        for each in instances {
            if self.is_too_much(file.name.span, place) {
                break;
            }
            let key = each.as_ref().map(|e| e.key.clone());
            let address = match Address::build(&stack, &path, key.as_deref()) {
                Ok(address) => address,
                Err(e) => {
                    let error = Diagnostic::error(e.to_string())
                        .at(file.name.span, format!("its address would be `{stack}/{path}{}`", tail(key.as_deref())))
                        .help("choose another name or key");
                    self.report(error, place);
                    self.break_name(place, &file.name.text);
                    continue;
                }
            };
            if let Some(key) = &key {
                group.by_key.insert(key.clone(), group.instances.len());
            }
            group.instances.push((key, address.clone()));
            let place = Place { each: each.or_else(|| place.each.clone()), ..place.clone() };
            self.by_address.insert(address.clone(), self.pending.len());
            self.pending.push(Arc::new(Pending { file, kind: Arc::clone(&kind), address, place }));
        }
        self.groups.insert(format!("{stack}/{path}"), group.clone());
        self.scopes[place.scope].resources.insert(file.name.text.clone(), group);
    }

    fn lay_out_component(&mut self, component: &'p Component, place: &Place, chain: &mut Vec<String>) {
        let project = self.project;
        let name = &component.template.value;
        let Some(template) = project.templates.get(name) else {
            self.break_name(place, &component.name.text);
            if !project.broken.contains(&format!("templates/{name}.yaml")) {
                let names = project.templates.keys().map(String::as_str);
                let mut error = Diagnostic::error(format!("there is no template `{name}`"))
                    .at(component.template.span, "no such file in templates/");
                error.help = suggestion(name, names);
                self.report(error, place);
            }
            return;
        };
        if chain.contains(name) {
            let cycle: Vec<&str> = chain.iter().map(String::as_str).chain([name.as_str()]).collect();
            let error = Diagnostic::error(format!("templates use each other: {}", cycle.join(" → ")))
                .at(component.template.span, "closes the circle")
                .help("remove one of the uses");
            self.report(error, place);
            self.break_name(place, &component.name.text);
            return;
        }
        if chain.len() >= MAX_NESTING {
            let error = Diagnostic::error(format!("components are nested more than {MAX_NESTING} levels deep"))
                .at(component.template.span, "one level too many")
                .help("use fewer templates inside templates");
            self.report(error, place);
            self.break_name(place, &component.name.text);
            return;
        }
        let Some(instances) = self.instances(&component.meta, place) else {
            self.break_name(place, &component.name.text);
            return;
        };
        chain.push(name.clone());
        let mut uses = Uses { repeated: component.meta.each.is_some(), scopes: Vec::new() };
        for each in instances {
            if self.is_too_much(component.name.span, place) {
                break;
            }
            let key = each.as_ref().map(|e| e.key.clone());
            let outer = Place { each: each.or_else(|| place.each.clone()), ..place.clone() };
            let scope = self.component_scope(component, place, key.as_deref());
            self.scopes[scope].broken = template.broken.iter().cloned().collect();
            self.check_parameter_kinds(&template.parameters, &Place { scope, each: None, used: Vec::new() });
            self.component_parameters(component, &template.parameters, &outer, scope);
            uses.scopes.push((key, scope));
            let mut used = vec![component.name.span];
            used.extend(&place.used);
            let inner = Place { scope, each: None, used };
            let body = Body {
                resources: &template.resources,
                components: &template.components,
                outputs: &template.outputs,
            };
            self.body(&body, &inner, chain);
        }
        chain.pop();
        self.scopes[place.scope].components.insert(component.name.text.clone(), uses);
    }

    /// Whether the limit of resources is reached, which is reported once.
    fn is_too_much(&mut self, span: Span, place: &Place) -> bool {
        let full = self.pending.len() + self.scopes.len() > MAX_ALL;
        if full && !self.full {
            self.full = true;
            let error = Diagnostic::error(format!("the files ask for more than {MAX_ALL} resources"))
                .at(span, "the limit is reached here")
                .help("look for a repetition inside a repetition");
            self.report(error, place);
        }
        full
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
            broken: BTreeSet::new(),
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
            if self.scopes[scope].broken.contains(&parameter.name.text) {
                continue;
            }
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
                    self.scopes[scope].broken.insert(name.clone());
                }
            }
        }
    }

    /// What `when` and `each` give: nothing, one without a key, or one for each key. None if they have errors.
    fn instances(&mut self, meta: &Meta, place: &Place) -> Option<Vec<Option<Each>>> {
        if let Some(node) = &meta.when {
            match self.named("when", |x| x.typed(place, node, &Type::Boolean)) {
                Some(Value::Bool(true)) => {}
                Some(Value::Bool(false) | Value::Null) => return Some(Vec::new()),
                Some(Value::String(_)) => {
                    let error = Diagnostic::error("the condition is not known when the plan is made")
                        .at(node.span, "this is known only after apply")
                        .help("use parameters and the environment's settings only");
                    self.report(error, place);
                    return None;
                }
                _ => return None,
            }
        }
        let Some(node) = &meta.each else { return Some(vec![None]) };
        let value = self.named("each", |x| x.typed(place, node, &Type::Any))?;
        let pairs: Vec<(String, Value)> = match value {
            Value::Array(items) => {
                items.into_iter().map(|v| (crate::model::value::plain(&v).into_owned(), v)).collect()
            }
            Value::Object(map) => map.into_iter().collect(),
            Value::Number(n) if n.as_u64().is_some_and(|n| n <= MAX_EACH as u64) => {
                (0..n.as_u64().unwrap_or(0)).map(|i| (i.to_string(), Value::from(i))).collect()
            }
            other => {
                let error =
                    Diagnostic::error(format!("`each` must be a list, a mapping or a number from 0 to {MAX_EACH}"))
                        .at(node.span, format!("this is `{}`", crate::model::value::plain(&other)))
                        .help("write a list such as `each: [a, b]`");
                self.report(error, place);
                return None;
            }
        };
        let mut seen = BTreeSet::new();
        for (key, value) in &pairs {
            if crate::model::value::is_unknown(value) {
                let error = Diagnostic::error("the keys of the repetition are not known when the plan is made")
                    .at(node.span, "this is known only after apply")
                    .help("use parameters and the environment's settings only");
                self.report(error, place);
                return None;
            }
            if !seen.insert(key.as_str()) {
                let error = Diagnostic::error(format!("`each` holds `{key}` twice"))
                    .at(node.span, "each key gives one address")
                    .help("remove one of them");
                self.report(error, place);
                return None;
            }
        }
        Some(pairs.into_iter().enumerate().map(|(index, (key, value))| Some(Each { key, value, index })).collect())
    }

    /// Does something with a field's name in mind, for messages.
    pub(super) fn named<T>(&mut self, name: &str, f: impl FnOnce(&mut Self) -> T) -> T {
        self.naming.push(name.to_owned());
        let out = f(self);
        self.naming.pop();
        out
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
enum Item<'p> {
    Resource(&'p ResourceFile),
    Component(&'p Component),
}

/// Resources and components, those first whose names others mention where that matters for what there is.
fn in_order<'p>(body: &Body<'p>) -> Vec<Item<'p>> {
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
