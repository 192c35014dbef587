//! Names: what they stand for, in references and in expressions.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use serde_json::{Map, Value, json};

use super::expression::{self, Path};
use super::layout::{Group, Scope};
use super::{Expansion, Place};
use crate::diagnostic::suggestion;
use crate::model::Address;
use crate::model::schema::{Field, Type};
use crate::model::value::token;

/// Why a name stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unresolved {
    pub message: String,
    pub help: Option<String>,
    /// The resource is declared, but its condition is false.
    pub absent: bool,
}

impl Unresolved {
    fn new(message: impl Into<String>, help: Option<String>) -> Self {
        Self { message: message.into(), help, absent: false }
    }
}

/// Repetitions up to this size are given to expressions whole; of larger ones only the keys that the text names.
const WHOLE: usize = 64;

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
            return Err(Unresolved::new(format!("`{text}` is a {}, and a {kind} is wanted", group.kind.name), help));
        }
        if group.instances.is_empty() {
            let mut error = Unresolved::new(
                format!("`{text}` is not there: its condition or its repetition gives nothing"),
                Some("give this one the same `when`".to_owned()),
            );
            error.absent = true;
            return Err(error);
        }
        if let Some(key) = key {
            return match group.by_key.get(key) {
                Some(index) => Ok(vec![group.instances[*index].1.clone()]),
                None => {
                    let keys = group.by_key.keys().map(String::as_str);
                    Err(Unresolved::new(format!("`{text}`: there is no key `{key}`"), suggestion(key, keys)))
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
                Err(Unresolved::new(format!("`{text}` is repeated, and one is wanted"), Some(help)))
            }
        }
    }

    /// The declared resource that a text names, and the key if it names one.
    fn group<'t>(&self, place: &Place, text: &'t str, kind: &str) -> Result<(&Group, Option<&'t str>), Unresolved> {
        if text.contains('/') {
            return self.absolute(text, kind);
        }
        let (path, key) = match text.split_once(':') {
            Some((path, key)) => (path, Some(key)),
            None => (text, None),
        };
        let mut scope = &self.scopes[place.scope];
        let mut parts: Vec<&str> = path.split('.').collect();
        let name = parts.pop().unwrap_or_default();
        for part in parts {
            let uses = scope.components.get(part).ok_or_else(|| {
                let names = scope.components.keys().map(String::as_str);
                Unresolved::new(format!("unknown component `{part}`"), suggestion(part, names))
            })?;
            scope = match uses.scopes.as_slice() {
                [] => {
                    return Err(Unresolved {
                        absent: true,
                        ..Unresolved::new(format!("`{part}` is not there: its condition gives nothing"), None)
                    });
                }
                [(_, only)] => &self.scopes[*only],
                several => {
                    let same = key
                        .or(place.each.as_ref().map(|e| e.key.as_str()))
                        .and_then(|wanted| several.iter().find(|(k, _)| k.as_deref() == Some(wanted)));
                    match same {
                        Some((_, found)) => {
                            let group = self.scopes[*found].resources.get(name);
                            return group.map(|g| (g, None)).ok_or_else(|| self.unknown(place, text, kind));
                        }
                        None => {
                            let help = Some("use the whole address, such as `stack/component.name:key`".to_owned());
                            return Err(Unresolved::new(format!("the component `{part}` is repeated"), help));
                        }
                    }
                }
            };
        }
        scope.resources.get(name).map(|g| (g, key)).ok_or_else(|| self.unknown(place, text, kind))
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
        if !self.stacks.contains_key(stack) {
            let names = self.stacks.keys().map(String::as_str);
            return Err(Unresolved::new(format!("there is no stack `{stack}`"), suggestion(stack, names)));
        }
        let names = self.groups.iter().filter(|(_, g)| g.kind.name == kind).map(|(n, _)| n.as_str());
        Err(Unresolved::new(format!("unknown {kind} `{text}`"), suggestion(text, names)))
    }

    fn unknown(&self, place: &Place, text: &str, kind: &str) -> Unresolved {
        let names = self.names_of_kind(place, kind);
        Unresolved::new(format!("unknown {kind} `{text}`"), suggestion(text, names.iter().map(String::as_str)))
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
    pub(super) fn context(&self, place: &Place, text: &str) -> Result<Value, Unresolved> {
        let (paths, helpers) = expression::paths(text);
        for helper in &helpers {
            if !super::helpers::NAMES.contains(&helper.as_str()) {
                let help = suggestion(helper, super::helpers::NAMES);
                return Err(Unresolved::new(format!("unknown helper `{helper}`"), help));
            }
        }
        let mut context = Map::new();
        for path in &paths {
            let (at, value) = self.value(place, path, text)?;
            if expression::refuses(path, &value) && at.len() > 1 {
                let name = path.segments.join(".");
                let helper = path.helper.as_deref().unwrap_or_default();
                return Err(Unresolved::new(
                    format!("`{name}` is not known before apply, and `{helper}` can't work on it"),
                    Some("place it in the text as it is".to_owned()),
                ));
            }
            put(&mut context, &at, value);
        }
        Ok(Value::Object(context))
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
                    return Err(Unresolved::new("`each` means nothing here", help));
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
        let names = self.names_in_scope(place);
        Err(Unresolved::new(format!("unknown name `{root}`"), suggestion(root, names.iter().map(String::as_str))))
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
            uses.scopes.first().map(|(_, s)| *s).ok_or_else(|| {
                Unresolved::new(format!("`{component}` is not there: its condition gives nothing"), None)
            })?
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
            return Err(Unresolved::new(
                format!("`{name}` is not there: its condition or its repetition gives nothing"),
                None,
            ));
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

    fn environment_value(&self) -> Value {
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
            Err(e) => {
                let names = scope.resources.keys().chain(scope.components.keys()).map(String::as_str);
                Err(Unresolved { help: suggestion(text, names), ..e })
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
    Err(Unresolved::new(format!("a {} has no attribute `{name}`", kind.name), suggestion(name, names)))
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
