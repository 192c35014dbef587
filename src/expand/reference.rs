//! Names: what they stand for, in references and in expressions.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::expression::{self, Path};
use super::layout::{Group, Scope, Uses};
use super::{Expansion, Place, helpers};
use crate::diagnostic::suggestion;
use crate::model::Address;
use crate::model::schema::{Field, Type};
use crate::model::value::{Token, is_unknown, substitute, token, visit_tokens};

/// Why a name stands for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unresolved {
    pub message: String,
    /// A few words below the place.
    pub label: String,
    pub help: Option<String>,
    /// The resource is declared, but its condition is false.
    pub absent: bool,
    /// What the name stands for has errors itself, which are reported.
    pub silent: bool,
    /// In an expression: the number of the tag, and the word in it.
    pub word: Option<(usize, String)>,
}

impl Unresolved {
    fn new(message: impl Into<String>, help: Option<String>) -> Self {
        Self { message: message.into(), help, ..Self::default() }
    }

    fn label(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    fn silent() -> Self {
        Self { silent: true, ..Self::default() }
    }

    fn absent(name: &str) -> Self {
        let message = format!("`{name}` is not there: its condition or its repetition gives nothing");
        let help = Some("give this one the same `when`".to_owned());
        Self { absent: true, ..Self::new(message, help) }
    }
}

/// Repetitions up to this size are given to expressions whole; of larger ones only the keys that the text names.
const WHOLE: usize = 64;

/// Longest chain of fields that are looked up in each other.
const DEEPEST: usize = 32;

impl Expansion<'_> {
    /// The addresses that a reference stands for. `many`: all of a repetition, rather than the one with the same key.
    pub(super) fn resolve(
        &self,
        place: &Place,
        text: &str,
        kind: &str,
        many: bool,
    ) -> Result<Vec<Address>, Unresolved> {
        let (group, key) = self.group(place, text, kind)?;
        if group.kind.name != kind {
            let names = self.names_of_kind(place, kind);
            let help = suggestion(text, names.iter().map(String::as_str));
            let message = format!("`{text}` is of kind `{}`, and kind `{kind}` is wanted", group.kind.name);
            return Err(Unresolved::new(message, help).label(format!("not of kind `{kind}`")));
        }
        if group.instances.is_empty() {
            return Err(Unresolved::absent(text).label(format!("needs {text}")));
        }
        if let Some(key) = key {
            return match group.by_key.get(key) {
                Some(index) => Ok(vec![group.instances[*index].1.clone()]),
                None => {
                    let keys = group.by_key.keys().map(String::as_str);
                    let name = text.strip_suffix(key).unwrap_or(text).trim_end_matches(':');
                    let message = format!("`{name}` has no key `{key}`");
                    Err(Unresolved::new(message, suggestion(key, keys)).label("no such key"))
                }
            };
        }
        if !group.repeated || many {
            return Ok(group.instances.iter().map(|(_, a)| a.clone()).collect());
        }
        let same = place.each.as_ref().and_then(|e| group.by_key.get(&e.key));
        match same {
            Some(index) => Ok(vec![group.instances[*index].1.clone()]),
            None => {
                let first = group.by_key.keys().next().map(String::as_str).unwrap_or_default();
                let help = format!("name one of them, such as `{text}:{first}`");
                let message = format!("`{text}` is repeated, and one is wanted");
                Err(Unresolved::new(message, Some(help)).label(format!("stands for {}", group.instances.len())))
            }
        }
    }

    /// The declared resource that a text names, and the key if it names one.
    fn group<'t>(&self, place: &Place, text: &'t str, kind: &str) -> Result<(&Group, Option<&'t str>), Unresolved> {
        if text.contains('/') {
            return self.absolute(text, kind);
        }
        let (path, mut key) = match text.split_once(':') {
            Some((path, key)) => (path, Some(key)),
            None => (text, None),
        };
        let mut scope = &self.scopes[place.scope];
        let mut parts: Vec<&str> = path.split('.').collect();
        let name = parts.pop().unwrap_or_default();
        for part in parts {
            let uses = scope.components.get(part).ok_or_else(|| {
                if scope.broken.contains(part) {
                    return Unresolved::silent();
                }
                let names = scope.components.keys().map(String::as_str);
                Unresolved::new(format!("unknown component `{part}`"), suggestion(part, names)).label("no such component")
            })?;
            if uses.scopes.is_empty() {
                return Err(Unresolved::absent(part).label(format!("needs {part}")));
            }
            let (found, rest) = self.instance(uses, part, key, place)?;
            (scope, key) = (&self.scopes[found], rest);
        }
        match scope.resources.get(name) {
            Some(group) => Ok((group, key)),
            None if scope.broken.contains(name) => Err(Unresolved::silent()),
            None => Err(self.unknown(place, text, kind)),
        }
    }

    /// The use of a template that a key selects (or, without one, the key at hand), and what is left of the key.
    fn instance<'t>(
        &self,
        uses: &Uses,
        part: &str,
        key: Option<&'t str>,
        place: &Place,
    ) -> Result<(usize, Option<&'t str>), Unresolved> {
        if !uses.repeated {
            return Ok((uses.scopes.first().map_or(place.scope, |(_, s)| *s), key));
        }
        let known = |wanted: &str| uses.scopes.iter().find(|(k, _)| k.as_deref() == Some(wanted)).map(|(_, s)| *s);
        let Some(key) = key else {
            return match place.each.as_ref().and_then(|e| known(&e.key)) {
                Some(scope) => Ok((scope, None)),
                None => {
                    let first = uses.scopes.first().and_then(|(k, _)| k.clone()).unwrap_or_default();
                    let help = Some(format!("add a key, such as `:{first}`"));
                    let error = Unresolved::new(format!("the component `{part}` is repeated, and one is wanted"), help);
                    Err(error.label(format!("stands for {}", uses.scopes.len())))
                }
            };
        };
        if let Some(scope) = known(key) {
            return Ok((scope, None));
        }
        // The component's key comes first: `web.name:k:key`.
        for (at, _) in key.match_indices(':') {
            if let Some(scope) = known(&key[..at]) {
                return Ok((scope, Some(&key[at + 1..])));
            }
        }
        let keys = uses.scopes.iter().filter_map(|(k, _)| k.as_deref());
        let error = Unresolved::new(format!("component `{part}` has no key `{key}`"), suggestion(key, keys));
        Err(error.label("no such key"))
    }

    fn absolute<'t>(&self, text: &'t str, kind: &str) -> Result<(&Group, Option<&'t str>), Unresolved> {
        if let Some(group) = self.groups.get(text) {
            return Ok((group, None));
        }
        // The key begins at one of the colons: those of a component's key belong to the path.
        for (at, _) in text.match_indices(':').collect::<Vec<_>>().into_iter().rev() {
            if let Some(group) = self.groups.get(&text[..at]) {
                return Ok((group, Some(&text[at + 1..])));
            }
        }
        let stack = text.split('/').next().unwrap_or_default();
        let Some(scope) = self.stacks.get(stack) else { return Err(self.unknown_stack(stack)) };
        let local = text[stack.len()..].trim_start_matches('/');
        let first = local.split(['.', ':']).next().unwrap_or_default();
        let inside = |s: &Scope| s.stack == stack && local.split(['.', ':']).any(|part| s.broken.contains(part));
        if self.scopes[*scope].broken.contains(first) || self.scopes.iter().any(inside) {
            return Err(Unresolved::silent());
        }
        let names = self.groups.iter().filter(|(_, g)| g.kind.name == kind).map(|(n, _)| n.as_str());
        let error = Unresolved::new(format!("unknown {kind} `{text}`"), suggestion(text, names));
        Err(error.label(format!("not in stack `{stack}`")))
    }

    fn unknown_stack(&self, stack: &str) -> Unresolved {
        let project = self.project;
        let environment = &project.environment.name;
        if project.broken.contains(&format!("stacks/{stack}.yaml")) {
            return Unresolved::silent();
        }
        if project.all_stacks.iter().any(|s| s == stack) {
            let message = format!("environment `{environment}` leaves the stack `{stack}` out");
            let help = Some(format!("add it to `stacks` in environments/{environment}.yaml"));
            return Unresolved::new(message, help).label("needs this stack");
        }
        let names = self.stacks.keys().map(String::as_str);
        Unresolved::new(format!("there is no stack `{stack}`"), suggestion(stack, names)).label("no such stack")
    }

    fn unknown(&self, place: &Place, text: &str, kind: &str) -> Unresolved {
        let scope = &self.scopes[place.scope];
        if scope.parameters.contains_key(text) {
            let help = Some(format!("write \"{{{{ {text} }}}}\""));
            return Unresolved::new(format!("`{text}` is a parameter"), help).label("taken as the name of a resource");
        }
        let names = self.names_of_kind(place, kind);
        let help = suggestion(text, names.iter().map(String::as_str))
            .unwrap_or_else(|| format!("declare one, or write `{{ id: … }}` for {kind} objects that are not owned"));
        Unresolved::new(format!("unknown {kind} `{text}`"), Some(help)).label("not declared here")
    }

    /// Names of this kind that a reference here could use.
    fn names_of_kind(&self, place: &Place, kind: &str) -> Vec<String> {
        let scope = &self.scopes[place.scope];
        let mut names: Vec<String> =
            scope.resources.iter().filter(|(_, g)| g.kind.name == kind).map(|(n, _)| n.clone()).collect();
        for (component, uses) in &scope.components {
            for (_, inner) in uses.scopes.iter().take(1) {
                let inner = &self.scopes[*inner];
                let found = inner.resources.iter().filter(|(_, g)| g.kind.name == kind);
                names.extend(found.map(|(n, _)| format!("{component}.{n}")));
            }
        }
        if scope.is_stack {
            let other =
                self.groups.iter().filter(|(n, g)| g.kind.name == kind && !n.starts_with(&format!("{}/", scope.stack)));
            names.extend(other.map(|(n, _)| n.clone()));
        }
        names
    }

    /// The values that a text's expressions use, as the context to render them in.
    pub(super) fn context(&mut self, place: &Place, text: &str) -> Result<Value, Unresolved> {
        let (paths, used) = expression::paths(text);
        for (tag, helper) in used {
            if helpers::usage(&helper).is_none() {
                let help = suggestion(&helper, helpers::names());
                let error = Unresolved::new(format!("unknown helper `{helper}`"), help).label("no such helper");
                return Err(Unresolved { word: Some((tag, helper)), ..error });
            }
        }
        let mut context = Map::new();
        for path in &paths {
            let (at, mut value) = self
                .value(place, path, text)
                .map_err(|e| Unresolved { word: Some(path.word.clone()), ..e })?;
            if let Some(helper) = &path.helper {
                value = self.settled(value, helper);
                let reached = path.segments[at.len()..].iter().try_fold(&value, |v, step| match v {
                    Value::Object(map) => map.get(step),
                    Value::Array(items) => step.parse::<usize>().ok().and_then(|i| items.get(i)),
                    _ => None,
                });
                if reached.is_some_and(|v| helpers::refuses(helper, v)) {
                    let word = &path.word.1;
                    let error = Unresolved::new(
                        format!("`{word}` is not known before apply, and `{helper}` can't work on it"),
                        Some("place it in the text as it is".to_owned()),
                    );
                    return Err(Unresolved { word: Some(path.word.clone()), ..error.label("known only after apply") });
                }
            }
            put(&mut context, &at, value);
        }
        Ok(Value::Object(context))
    }

    /// A value in which fields of other resources are what their files say, for a helper that works on the value.
    fn settled(&mut self, value: Value, helper: &str) -> Value {
        if !helpers::refuses(helper, &value) {
            return value;
        }
        let mut wanted: Vec<(Address, String)> = Vec::new();
        visit_tokens(&value, &mut |token| {
            if let Ok(address) = Address::parse(token.address) {
                wanted.push((address, token.attribute.to_owned()));
            }
        });
        let mut known: BTreeMap<(String, String), Value> = BTreeMap::new();
        for (address, name) in wanted {
            if let Some(found) = self.declared_value(&address, &name) {
                known.insert((address.to_string(), name), found);
            }
        }
        let look = |t: Token<'_>| known.get(&(t.address.to_owned(), t.attribute.to_owned())).cloned();
        substitute(&value, &look).into_owned()
    }

    /// What the files say of a resource's field; none if it is not known before apply.
    fn declared_value(&mut self, address: &Address, name: &str) -> Option<Value> {
        let pending = Arc::clone(self.pending.get(*self.by_address.get(address)?)?);
        if pending.kind.attribute(name).is_some() || self.settling.len() >= DEEPEST {
            return None;
        }
        let field = pending.kind.schema.field(name)?;
        let key = (address.clone(), name.to_owned());
        if !self.settling.insert(key.clone()) {
            return None;
        }
        let naming = std::mem::replace(&mut self.naming, vec![name.to_owned()]);
        let parameter = self.parameter.take();
        let node = pending.file.fields.iter().find(|(k, n)| k.text == name && !n.is_null());
        let value = match node {
            Some((_, node)) => self.typed(&pending.place, node, &field.ty),
            None => field.default.clone(),
        };
        (self.naming, self.parameter) = (naming, parameter);
        self.settling.remove(&key);
        value.filter(|v| !is_unknown(v))
    }

    /// The value of a path, and the part of the path that it stands at.
    fn value(&self, place: &Place, path: &Path, text: &str) -> Result<(Vec<String>, Value), Unresolved> {
        let segments = &path.segments;
        let root = segments.first().map(String::as_str).unwrap_or_default();
        let scope = &self.scopes[place.scope];
        let at_root = || vec![root.to_owned()];
        let known = match root {
            "each" => match &place.each {
                Some(each) => Some(each.value()),
                None => {
                    let help = Some("it is there only in resources and components with `each`".to_owned());
                    return Err(Unresolved::new("`each` means nothing here", help).label("not in a repetition"));
                }
            },
            "environment" => Some(self.environment_value()),
            name => scope.parameters.get(name).cloned(),
        };
        if let Some(value) = known {
            check_inside(&value, segments)?;
            return Ok((at_root(), value));
        }
        if let Some(group) = scope.resources.get(root) {
            return self.group_value(place, group, segments, 1, text);
        }
        if scope.components.contains_key(root) {
            return self.component_value(place, place.scope, segments, 0, text);
        }
        if scope.is_stack
            && let Some(stack) = self.stacks.get(root)
        {
            return self.stack_value(place, *stack, segments, text);
        }
        let broken = |name: &str| self.project.broken.contains(&format!("stacks/{name}.yaml"));
        if scope.broken.contains(root) || (scope.is_stack && broken(root)) {
            return Err(Unresolved::silent());
        }
        if scope.is_stack && self.project.all_stacks.iter().any(|s| s == root) {
            return Err(self.unknown_stack(root));
        }
        let names = self.names_in_scope(place);
        let help = suggestion(root, names.iter().map(String::as_str));
        Err(Unresolved::new(format!("unknown name `{root}`"), help).label("no such name here"))
    }

    fn stack_value(
        &self,
        place: &Place,
        stack: usize,
        segments: &[String],
        text: &str,
    ) -> Result<(Vec<String>, Value), Unresolved> {
        let scope = &self.scopes[stack];
        let name = segments.get(1).map(String::as_str).unwrap_or_default();
        if name == "outputs" {
            return output_value(scope, segments, 2);
        }
        if let Some(group) = scope.resources.get(name) {
            return self.group_value(place, group, segments, 2, text);
        }
        if scope.components.contains_key(name) {
            return self.component_value(place, stack, segments, 1, text);
        }
        if scope.broken.contains(name) {
            return Err(Unresolved::silent());
        }
        let names = scope.resources.keys().chain(scope.components.keys()).map(String::as_str).chain(["outputs"]);
        Err(Unresolved::new(format!("stack `{}` has no `{name}`", scope.stack), suggestion(name, names)))
    }

    /// `segments[at]` is a component of `scope`.
    fn component_value(
        &self,
        place: &Place,
        scope: usize,
        segments: &[String],
        at: usize,
        text: &str,
    ) -> Result<(Vec<String>, Value), Unresolved> {
        let component = &segments[at];
        let Some(uses) = self.scopes[scope].components.get(component) else {
            return Err(Unresolved::new(format!("unknown component `{component}`"), None));
        };
        let mut next = at + 1;
        let inner = if uses.repeated {
            let key = segments.get(next).map(String::as_str).unwrap_or_default();
            next += 1;
            uses.scopes.iter().find(|(k, _)| k.as_deref() == Some(key)).map(|(_, s)| *s).ok_or_else(|| {
                let keys = uses.scopes.iter().filter_map(|(k, _)| k.as_deref());
                Unresolved::new(format!("component `{component}` has no key `{key}`"), suggestion(key, keys))
            })?
        } else {
            uses.scopes.first().map(|(_, s)| *s).ok_or_else(|| Unresolved::absent(component))?
        };
        let name = segments.get(next).map(String::as_str).unwrap_or_default();
        let inside = &self.scopes[inner];
        if name == "outputs" {
            return output_value(inside, segments, next + 1);
        }
        if let Some(group) = inside.resources.get(name) {
            return self.group_value(place, group, segments, next + 1, text);
        }
        if inside.components.contains_key(name) {
            return self.component_value(place, inner, segments, next, text);
        }
        if inside.broken.contains(name) {
            return Err(Unresolved::silent());
        }
        let names = inside.resources.keys().map(String::as_str).chain(["outputs"]);
        Err(Unresolved::new(format!("component `{component}` has no `{name}`"), suggestion(name, names)))
    }

    /// `segments[at..]` is what is asked of a resource: `[key] attribute`.
    fn group_value(
        &self,
        place: &Place,
        group: &Group,
        segments: &[String],
        at: usize,
        text: &str,
    ) -> Result<(Vec<String>, Value), Unresolved> {
        let prefix = |n: usize| segments[..n].to_vec();
        if group.instances.is_empty() {
            let name = segments[..at].join(".");
            return Err(Unresolved::absent(&name));
        }
        if !group.repeated {
            let Some(attribute) = segments.get(at) else {
                return Ok((prefix(at), all_attributes(group, &group.instances[0].1)));
            };
            check_attribute(group, attribute)?;
            return Ok((prefix(at + 1), Value::String(token(&group.instances[0].1, attribute))));
        }
        let Some(key) = segments.get(at) else {
            let wanted = |key: &str| {
                group.instances.len() <= WHOLE
                    || place.each.as_ref().is_some_and(|e| e.key == key)
                    || text.contains(key)
            };
            let map: Map<String, Value> = group
                .instances
                .iter()
                .filter_map(|(k, a)| Some((k.clone()?, a)))
                .filter(|(k, _)| wanted(k))
                .map(|(k, a)| (k, all_attributes(group, a)))
                .collect();
            return Ok((prefix(at), Value::Object(map)));
        };
        let Some(index) = group.by_key.get(key) else {
            let name = segments[..at].join(".");
            let keys = group.by_key.keys().map(String::as_str);
            let first = group.by_key.keys().next().cloned().unwrap_or_default();
            let mut help = suggestion(key, keys);
            if group.kind.attribute(key).is_some() {
                help = Some(format!("`{name}` is repeated: name one, such as `{name}.[{first}].{key}`"));
            }
            return Err(Unresolved::new(format!("`{name}` has no key `{key}`"), help));
        };
        let address = &group.instances[*index].1;
        let Some(attribute) = segments.get(at + 1) else { return Ok((prefix(at + 1), all_attributes(group, address))) };
        check_attribute(group, attribute)?;
        Ok((prefix(at + 2), Value::String(token(address, attribute))))
    }

    pub(super) fn environment_value(&self) -> Value {
        let e = &self.project.environment;
        json!({
            "name": e.name, "project": e.project, "account": e.account, "region": e.region,
            "zones": e.zones, "regions": e.regions,
        })
    }

    fn names_in_scope(&self, place: &Place) -> Vec<String> {
        let scope = &self.scopes[place.scope];
        let mut names: Vec<String> = scope
            .parameters
            .keys()
            .chain(scope.resources.keys())
            .chain(scope.components.keys())
            .cloned()
            .chain(["environment".to_owned()])
            .collect();
        if place.each.is_some() {
            names.push("each".to_owned());
        }
        if scope.is_stack {
            names.extend(self.stacks.keys().filter(|s| **s != scope.stack).cloned());
        }
        names
    }

    /// All resources that a name of `depends_on` stands for: a resource, all of a repetition, or a whole component.
    pub(super) fn resolve_any(&self, place: &Place, text: &str) -> Result<Vec<Address>, Unresolved> {
        let scope = &self.scopes[place.scope];
        if let Some(uses) = scope.components.get(text) {
            let mut out = Vec::new();
            uses.scopes.iter().for_each(|(_, s)| self.all_of(*s, &mut out));
            return Ok(out);
        }
        let kind = if text.contains('/') {
            self.absolute(text, "resource").map(|(g, _)| g.kind.name)
        } else {
            self.group(place, text, "resource").map(|(g, _)| g.kind.name)
        };
        match kind {
            Ok(kind) => match self.resolve(place, text, kind, true) {
                Err(e) if e.absent => Ok(Vec::new()),
                other => other,
            },
            Err(e) if e.absent => Ok(Vec::new()),
            Err(_) if scope.broken.contains(text) => Err(Unresolved::silent()),
            Err(e) => {
                let names = scope.resources.keys().chain(scope.components.keys()).map(String::as_str);
                Err(Unresolved { help: suggestion(text, names).or(e.help), ..e })
            }
        }
    }

    fn all_of(&self, scope: usize, out: &mut Vec<Address>) {
        let scope = &self.scopes[scope];
        out.extend(scope.resources.values().flat_map(|g| g.instances.iter().map(|(_, a)| a.clone())));
        for uses in scope.components.values() {
            uses.scopes.iter().for_each(|(_, s)| self.all_of(*s, out));
        }
    }
}

fn output_value(scope: &Scope, segments: &[String], at: usize) -> Result<(Vec<String>, Value), Unresolved> {
    let name = segments.get(at).map(String::as_str).unwrap_or_default();
    match scope.outputs.get(name) {
        Some(value) => Ok((segments[..=at].to_vec(), value.clone())),
        None if scope.broken.contains(&format!("outputs.{name}")) => Err(Unresolved::silent()),
        None => {
            let names = scope.outputs.keys().map(String::as_str);
            Err(Unresolved::new(format!("there is no output `{name}`"), suggestion(name, names)))
        }
    }
}

/// Whether a field's value can stand in an expression.
fn is_scalar(field: &Field) -> bool {
    !matches!(field.ty, Type::Object(_) | Type::List(..) | Type::Map(_) | Type::Ref(_)) && !field.sensitive
}

fn check_attribute(group: &Group, name: &str) -> Result<(), Unresolved> {
    let kind = &group.kind;
    if kind.attribute(name).is_some() || kind.schema.field(name).is_some_and(is_scalar) {
        return Ok(());
    }
    let fields = kind.schema.fields.iter().filter(|f| is_scalar(f)).map(|f| f.name.as_str());
    let names = kind.facts.attributes.iter().map(|a| a.name).chain(fields);
    let error = Unresolved::new(format!("kind `{}` has no attribute `{name}`", kind.name), suggestion(name, names));
    Err(error.label("no such attribute"))
}

fn all_attributes(group: &Group, address: &Address) -> Value {
    let kind = &group.kind;
    let fields = kind.schema.fields.iter().filter(|f| is_scalar(f)).map(|f| f.name.as_str());
    let names = kind.facts.attributes.iter().map(|a| a.name).chain(fields);
    Value::Object(names.map(|n| (n.to_owned(), Value::String(token(address, n)))).collect())
}

/// Whether the rest of a path leads somewhere in a value.
fn check_inside(value: &Value, segments: &[String]) -> Result<(), Unresolved> {
    let mut at = value;
    for (i, segment) in segments.iter().enumerate().skip(1) {
        let next = match at {
            Value::Object(map) => map.get(segment),
            Value::Array(items) => segment.parse::<usize>().ok().and_then(|i| items.get(i)),
            _ => None,
        };
        at = next.ok_or_else(|| {
            let name = segments[..i].join(".");
            let keys = at.as_object().into_iter().flat_map(|m| m.keys()).map(String::as_str);
            Unresolved::new(format!("`{name}` has no `{segment}`"), suggestion(segment, keys))
        })?;
    }
    Ok(())
}

fn put(context: &mut Map<String, Value>, at: &[String], value: Value) {
    let [first, rest @ ..] = at else { return };
    if rest.is_empty() {
        match (context.get_mut(first), value) {
            (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
            (_, value) => {
                context.insert(first.clone(), value);
            }
        }
        return;
    }
    let inner = context.entry(first.clone()).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(map) = inner {
        put(map, rest, value);
    }
}
