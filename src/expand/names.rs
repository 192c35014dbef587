//! Names in expressions: what they stand for.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::expression::{self, Path};
use super::layout::{Group, Scope};
use super::reference::Unresolved;
use super::{Expansion, Place, helpers};
use crate::diagnostic::suggestion;
use crate::model::Address;
use crate::model::schema::{Field, Type};
use crate::model::value::{Token, is_unknown, substitute, token, visit_tokens};

/// Longest chain of fields that are looked up in each other.
const DEEPEST: usize = 32;

impl Expansion<'_> {
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
            // Of a repetition that is only looked into by the key at hand, no more than that one is needed.
            let looked = path.helper.as_deref() == Some("lookup");
            let only = place.each.as_ref().map(|e| e.key.as_str());
            let only = only.filter(|_| looked && text.contains(&format!("lookup {} each.key", path.word.1)));
            let (at, mut value) =
                self.value(place, path, only).map_err(|e| Unresolved { word: Some(path.word.clone()), ..e })?;
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
                        Some(super::typed::PLACE_IT.to_owned()),
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
    fn value(&self, place: &Place, path: &Path, only: Option<&str>) -> Result<(Vec<String>, Value), Unresolved> {
        let segments = &path.segments;
        let root = segments.first().map(String::as_str).unwrap_or_default();
        let scope = &self.scopes[place.scope];
        let at_root = || vec![root.to_owned()];
        if scope.broken.contains(root) {
            return Err(Unresolved::silent());
        }
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
            return self.group_value(group, segments, 1, only);
        }
        if scope.components.contains_key(root) {
            return self.component_value(place.scope, segments, 0, only);
        }
        if scope.is_stack
            && let Some(stack) = self.stacks.get(root)
        {
            return self.stack_value(*stack, segments, only);
        }
        let broken = |name: &str| self.project.broken.contains(&format!("stacks/{name}.yaml"));
        if scope.is_stack && broken(root) {
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
        stack: usize,
        segments: &[String],
        only: Option<&str>,
    ) -> Result<(Vec<String>, Value), Unresolved> {
        let scope = &self.scopes[stack];
        let name = segments.get(1).map(String::as_str).unwrap_or_default();
        if name == "outputs" {
            return output_value(scope, segments, 2);
        }
        if let Some(group) = scope.resources.get(name) {
            return self.group_value(group, segments, 2, only);
        }
        if scope.components.contains_key(name) {
            return self.component_value(stack, segments, 1, only);
        }
        if scope.broken.contains(name) {
            return Err(Unresolved::silent());
        }
        let names = scope.resources.keys().chain(scope.components.keys()).map(String::as_str).chain(["outputs"]);
        let error = Unresolved::new(format!("stack `{}` has no `{name}`", scope.stack), suggestion(name, names));
        Err(error.label("no such name in it"))
    }

    /// `segments[at]` is a component of `scope`.
    fn component_value(
        &self,
        scope: usize,
        segments: &[String],
        at: usize,
        only: Option<&str>,
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
                    .label("no such key")
            })?
        } else {
            uses.scopes.first().map(|(_, s)| *s).ok_or_else(|| Unresolved::absent(component).label("needs it"))?
        };
        let name = segments.get(next).map(String::as_str).unwrap_or_default();
        let inside = &self.scopes[inner];
        if name == "outputs" {
            return output_value(inside, segments, next + 1);
        }
        if let Some(group) = inside.resources.get(name) {
            return self.group_value(group, segments, next + 1, only);
        }
        if inside.components.contains_key(name) {
            return self.component_value(inner, segments, next, only);
        }
        if inside.broken.contains(name) {
            return Err(Unresolved::silent());
        }
        let names = inside.resources.keys().map(String::as_str).chain(["outputs"]);
        let error = Unresolved::new(format!("component `{component}` has no `{name}`"), suggestion(name, names));
        Err(error.label("no such name in it"))
    }

    /// `segments[at..]` is what is asked of a resource: `[key] attribute`.
    fn group_value(
        &self,
        group: &Group,
        segments: &[String],
        at: usize,
        only: Option<&str>,
    ) -> Result<(Vec<String>, Value), Unresolved> {
        let prefix = |n: usize| segments[..n].to_vec();
        if group.instances.is_empty() {
            let name = segments[..at].join(".");
            return Err(Unresolved::absent(&name).label("needs it"));
        }
        if !group.repeated {
            let Some(attribute) = segments.get(at) else {
                return Ok((prefix(at), all_attributes(group, &group.instances[0].1)));
            };
            check_attribute(group, attribute)?;
            return Ok((prefix(at + 1), Value::String(token(&group.instances[0].1, attribute))));
        }
        let Some(key) = segments.get(at) else {
            let map: Map<String, Value> = group
                .instances
                .iter()
                .filter_map(|(k, a)| Some((k.clone()?, a)))
                .filter(|(k, _)| only.is_none_or(|only| only == k))
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
            return Err(Unresolved::new(format!("`{name}` has no key `{key}`"), help).label("no such key"));
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
}

fn output_value(scope: &Scope, segments: &[String], at: usize) -> Result<(Vec<String>, Value), Unresolved> {
    let name = segments.get(at).map(String::as_str).unwrap_or_default();
    match scope.outputs.get(name) {
        Some(value) => Ok((segments[..=at].to_vec(), value.clone())),
        None if scope.broken.contains(&format!("outputs.{name}")) => Err(Unresolved::silent()),
        None => {
            let names = scope.outputs.keys().map(String::as_str);
            Err(Unresolved::new(format!("there is no output `{name}`"), suggestion(name, names))
                .label("no such output"))
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
    let fields = kind.schema.fields.iter().filter(|f| is_scalar(f) && kind.attribute(&f.name).is_none());
    let names = kind.facts.attributes.iter().map(|a| a.name).chain(fields.map(|f| f.name.as_str()));
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
                .label("no such name in it")
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
