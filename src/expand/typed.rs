//! Nodes to values of a type: expressions evaluated, references resolved, shapes and ranges checked.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use serde_json::{Map, Number, Value, json};

use super::expression::ExpressionError;
use super::reference::Unresolved;
use super::{Expansion, Place};
use crate::config::{Key, Node, NodeValue, ResourceFile, Scalar};
use crate::diagnostic::{Diagnostic, suggestion};
use crate::model::schema::{Schema, Type};
use crate::model::types::{Cidr, Duration, Size};
use crate::model::value::{is_unknown_text, plain};
use crate::source::Span;

impl Expansion<'_> {
    /// The value of a node as this type; none if it has errors, which are reported.
    pub(super) fn typed(&mut self, place: &Place, node: &Node, ty: &Type) -> Option<Value> {
        match (&node.value, ty) {
            (NodeValue::Scalar(scalar), _) if scalar.text.contains("{{") => {
                let value = self.evaluate(place, node.span, &scalar.text)?;
                self.coerce(place, node.span, value, ty)
            }
            (NodeValue::Scalar(scalar), Type::Any) => Some(scalar.untyped()),
            (NodeValue::Scalar(scalar), Type::List(inner, ..)) if matches!(**inner, Type::Ref(_)) => {
                let Type::Ref(kind) = &**inner else { return None };
                let found = self.references(place, node.span, &scalar.text, kind, true)?;
                self.check_list(place, node.span, found, ty)
            }
            (NodeValue::Scalar(scalar), _) => self.scalar(place, node.span, scalar, ty),
            (NodeValue::Map(entries), Type::String { .. } | Type::Policy) if is_payload(entries) => {
                self.payload(place, node).and_then(|text| self.coerce(place, node.span, Value::String(text), ty))
            }
            (NodeValue::List(items), Type::List(inner, ..)) => {
                let mut out = Vec::with_capacity(items.len());
                let mut whole = true;
                for item in items {
                    match self.list_item(place, item, inner) {
                        Some(values) => out.extend(values),
                        None => whole = false,
                    }
                }
                if whole { self.check_list(place, node.span, out, ty) } else { None }
            }
            (NodeValue::Map(entries), Type::Map(inner)) => {
                let mut map = Map::new();
                let mut whole = true;
                for (key, value) in entries {
                    match self.typed(place, value, inner) {
                        Some(value) => {
                            map.insert(key.text.clone(), value);
                        }
                        None => whole = false,
                    }
                }
                whole.then_some(Value::Object(map))
            }
            (NodeValue::Map(entries), Type::Object(schema)) => self.object(place, node.span, entries, schema, false),
            (NodeValue::Map(_), Type::Ref(kind)) => self.foreign(place, node, kind),
            (NodeValue::Map(entries), Type::Image) => self.image(place, node.span, entries),
            (NodeValue::Map(_) | NodeValue::List(_), Type::Any | Type::Policy) => self.untyped(place, node),
            (NodeValue::List(_) | NodeValue::Map(_), _) => {
                self.wrong(place, node.span, &format!("this is {}", node.describe()), ty);
                None
            }
        }
    }

    /// A mapping with known fields. `resource`: its own words (`kind`, `each`, …) are offered as near names too.
    pub(super) fn object(
        &mut self,
        place: &Place,
        span: Span,
        entries: &[(Key, Node)],
        schema: &Schema,
        resource: bool,
    ) -> Option<Value> {
        let mut map = Map::new();
        let mut whole = true;
        for (key, _) in entries.iter().filter(|(k, _)| schema.field(&k.text).is_none()) {
            let own: &[&str] = if resource { &ResourceFile::OWN } else { &[] };
            let mut error = Diagnostic::error(format!("unknown field `{}`", key.text)).at(key.span, "no such field");
            error.help = suggestion(&key.text, schema.names().chain(own.iter().copied()));
            self.report(error, place);
            whole = false;
        }
        for field in &schema.fields {
            let node = entries.iter().find(|(k, n)| k.text == field.name && !n.is_null()).map(|(_, n)| n);
            match node {
                Some(node) => match self.typed(place, node, &field.ty) {
                    // An expression that gives nothing leaves the field out.
                    Some(Value::Null) if !field.required => {}
                    Some(Value::Null) => {
                        let error = Diagnostic::error(format!("`{}` is missing", field.name))
                            .at(node.span, "this gives nothing")
                            .help("give it a value");
                        self.report(error, place);
                        whole = false;
                    }
                    Some(value) => {
                        map.insert(field.name.clone(), value);
                    }
                    None => whole = false,
                },
                None if field.required => {
                    let error = Diagnostic::error(format!("`{}` is missing", field.name))
                        .at(span, field.doc.split_whitespace().collect::<Vec<_>>().join(" "))
                        .help(format!("add `{}: …`", field.name));
                    self.report(error, place);
                    whole = false;
                }
                None => {}
            }
        }
        whole.then_some(Value::Object(map))
    }

    fn list_item(&mut self, place: &Place, item: &Node, inner: &Type) -> Option<Vec<Value>> {
        if let (Type::Ref(kind), Some(text)) = (inner, item.text())
            && !text.contains("{{")
        {
            return self.references(place, item.span, text, kind, true);
        }
        let value = self.typed(place, item, inner)?;
        Some(match (value, inner) {
            // An expression that gives a list of references stands for all of them.
            (Value::Array(items), Type::Ref(_)) => items,
            (value, _) => vec![value],
        })
    }

    fn check_list(&mut self, place: &Place, span: Span, items: Vec<Value>, ty: &Type) -> Option<Value> {
        let Type::List(_, least, most) = ty else { return Some(Value::Array(items)) };
        let count = items.len() as u64;
        if least.is_some_and(|l| count < l) || most.is_some_and(|m| count > m) {
            self.wrong(place, span, &format!("this has {count} items"), ty);
            return None;
        }
        Some(Value::Array(items))
    }

    /// The value of a text with expressions.
    pub(super) fn evaluate(&mut self, place: &Place, span: Span, text: &str) -> Option<Value> {
        let context = match self.context(place, text) {
            Ok(context) => context,
            Err(e) => {
                self.unresolved(place, span, e);
                return None;
            }
        };
        match self.engine.evaluate(text, &context) {
            Ok(value) => Some(value),
            Err(ExpressionError { message, .. }) => {
                let error = Diagnostic::error("the expression can't be evaluated")
                    .at(span, message)
                    .help("docs/language.md lists the helpers with their values");
                self.report(error, place);
                None
            }
        }
    }

    pub(super) fn unresolved(&mut self, place: &Place, span: Span, error: Unresolved) {
        let mut diagnostic = Diagnostic::error(error.message).at(span, "");
        diagnostic.help = error.help;
        self.report(diagnostic, place);
    }

    /// References as values; in a list, one that is absent is dropped.
    fn references(&mut self, place: &Place, span: Span, text: &str, kind: &str, many: bool) -> Option<Vec<Value>> {
        if is_unknown_text(text) {
            return Some(vec![json!({ "id": text })]);
        }
        match self.resolve(place, text, kind, many) {
            Ok(found) => Some(found.iter().map(|a| Value::String(a.to_string())).collect()),
            Err(e) if e.absent && many => Some(Vec::new()),
            Err(e) => {
                self.unresolved(place, span, e);
                None
            }
        }
    }

    /// `{ id: … }` or `{ tags: { … } }`.
    fn foreign(&mut self, place: &Place, node: &Node, kind: &str) -> Option<Value> {
        let text = Type::String { pattern: None, values: Vec::new(), length: (Some(1), None) };
        if let (Some(id), NodeValue::Map(entries)) = (node.get("id"), &node.value)
            && entries.len() == 1
        {
            return self.typed(place, id, &text).map(|id| json!({ "id": id }));
        }
        if let (Some(tags), NodeValue::Map(entries)) = (node.get("tags"), &node.value)
            && entries.len() == 1
        {
            return self.typed(place, tags, &Type::Map(Box::new(text))).map(|tags| json!({ "tags": tags }));
        }
        let error = Diagnostic::error(format!("this does not name a {kind}"))
            .at(node.span, "a mapping here has either `id` or `tags`")
            .help("write a resource's name, `{ id: … }`, or `{ tags: { … } }`");
        self.report(error, place);
        None
    }

    fn image(&mut self, place: &Place, span: Span, entries: &[(Key, Node)]) -> Option<Value> {
        let schema = Schema::of::<crate::model::types::ImageQuery>();
        let value = self.object(place, span, entries, &schema, false)?;
        let given = |name: &str| value.get(name).is_some();
        if given("parameter") == given("name") || (given("owner") && !given("name")) {
            let error = Diagnostic::error("an image is found by `parameter`, or by `owner` and `name`")
                .at(span, "give one of the two")
                .help("write an id, `{ parameter: … }`, or `{ owner: …, name: … }`");
            self.report(error, place);
            return None;
        }
        Some(value)
    }

    fn untyped(&mut self, place: &Place, node: &Node) -> Option<Value> {
        match &node.value {
            NodeValue::Scalar(_) => self.typed(place, node, &Type::Any),
            NodeValue::List(items) => {
                let values: Vec<Option<Value>> = items.iter().map(|n| self.untyped(place, n)).collect();
                values.into_iter().collect::<Option<Vec<_>>>().map(Value::Array)
            }
            NodeValue::Map(entries) if is_payload(entries) => self.payload(place, node).map(Value::String),
            NodeValue::Map(entries) => {
                let mut map = Map::new();
                let mut whole = true;
                for (key, value) in entries {
                    match self.untyped(place, value) {
                        Some(value) => {
                            map.insert(key.text.clone(), value);
                        }
                        None => whole = false,
                    }
                }
                whole.then_some(Value::Object(map))
            }
        }
    }

    /// A file below `templates/`, rendered with the values given.
    fn payload(&mut self, place: &Place, node: &Node) -> Option<String> {
        let path = node.get("payload")?;
        let text_type = Type::String { pattern: None, values: Vec::new(), length: (None, None) };
        let name = plain(&self.typed(place, path, &text_type)?).into_owned();
        let project = self.project;
        let Some(text) = project.payloads.get(&name) else {
            let mut error =
                Diagnostic::error(format!("there is no payload `{name}`")).at(path.span, "no such file in templates/");
            error.help = suggestion(&name, project.payloads.keys().map(String::as_str));
            self.report(error, place);
            return None;
        };
        let mut context = match node.get("with") {
            None => Map::new(),
            Some(with) => match self.untyped(place, with)? {
                Value::Object(map) => map,
                _ => {
                    self.wrong(
                        place,
                        with.span,
                        &format!("this is {}", with.describe()),
                        &Type::Map(Box::new(Type::Any)),
                    );
                    return None;
                }
            },
        };
        let e = &project.environment;
        let environment = json!({
            "name": e.name, "project": e.project, "account": e.account, "region": e.region,
            "zones": e.zones, "regions": e.regions,
        });
        context.insert("environment".to_owned(), environment);
        match self.engine.render(text, &Value::Object(context)) {
            Ok(rendered) => Some(rendered),
            Err(e) => {
                let line = e.line.map(|l| format!(":{l}")).unwrap_or_default();
                let error = Diagnostic::error(format!("the payload templates/{name}{line} can't be rendered"))
                    .at(path.span, e.message)
                    .help("a payload sees the names given in `with`, and `environment`");
                self.report(error, place);
                None
            }
        }
    }

    /// A scalar as written.
    fn scalar(&mut self, place: &Place, span: Span, scalar: &Scalar, ty: &Type) -> Option<Value> {
        match ty {
            // The text counts, whatever it looks like: 012345678901 and 1.10 stay as they are.
            Type::String { .. } => self.coerce(place, span, Value::String(scalar.text.clone()), ty),
            Type::Cidr | Type::Duration | Type::Size | Type::Image | Type::Policy | Type::Ref(_) => {
                self.coerce(place, span, Value::String(scalar.text.clone()), ty)
            }
            _ => self.coerce(place, span, scalar.untyped(), ty),
        }
    }

    /// A value as this type. Values that are not known before apply are taken wherever a single value fits.
    pub(super) fn coerce(&mut self, place: &Place, span: Span, value: Value, ty: &Type) -> Option<Value> {
        if let Value::String(text) = &value
            && is_unknown_text(text)
        {
            return match ty {
                Type::Ref(_) => Some(json!({ "id": text })),
                Type::List(..) | Type::Map(_) | Type::Object(_) => {
                    self.wrong(place, span, "this is one value that is not known before apply", ty);
                    None
                }
                _ => Some(value),
            };
        }
        match (ty, value) {
            (_, Value::Null) => Some(Value::Null),
            (Type::Any, value) => Some(value),
            (Type::String { pattern, values, length }, value) => {
                let text = match value {
                    Value::String(text) => text,
                    Value::Number(_) | Value::Bool(_) => value.to_string(),
                    other => return self.mismatch(place, span, &other, ty),
                };
                let count = text.chars().count() as u64;
                let short = length.0.is_some_and(|l| count < l) || length.1.is_some_and(|m| count > m);
                let outside = !values.is_empty() && !values.contains(&text);
                let other = pattern.as_deref().is_some_and(|p| regex::Regex::new(p).is_ok_and(|r| !r.is_match(&text)));
                if outside {
                    let mut error = Diagnostic::error(format!("`{text}` is not one of the values")).at(span, "");
                    error.help = suggestion(&text, values.iter().map(String::as_str));
                    self.report(error, place);
                    return None;
                }
                if short || other {
                    self.wrong(place, span, &format!("this is `{text}`"), ty);
                    return None;
                }
                Some(Value::String(text))
            }
            (Type::Integer(least, most), value) => {
                let number = value.as_i64().or_else(|| value.as_str().and_then(|s| s.trim().parse().ok()));
                match number {
                    Some(n) if least.is_none_or(|l| n >= l) && most.is_none_or(|m| n <= m) => Some(n.into()),
                    _ => self.mismatch(place, span, &value, ty),
                }
            }
            (Type::Number(least, most), value) => {
                let number = value.as_f64().or_else(|| value.as_str().and_then(|s| s.trim().parse().ok()));
                match number.filter(|n| least.is_none_or(|l| *n >= l) && most.is_none_or(|m| *n <= m)) {
                    Some(n) => match value {
                        Value::Number(kept) => Some(Value::Number(kept)),
                        _ => Number::from_f64(n).map(Value::Number),
                    },
                    None => self.mismatch(place, span, &value, ty),
                }
            }
            (Type::Boolean, value @ Value::Bool(_)) => Some(value),
            (Type::Boolean, Value::String(text)) if matches!(text.as_str(), "true" | "false") => {
                Some((text == "true").into())
            }
            (Type::Cidr, Value::String(text)) => self.parsed(place, span, text.parse::<Cidr>().map(|v| v.to_string())),
            (Type::Duration, Value::String(text)) => {
                self.parsed(place, span, text.parse::<Duration>().map(|v| v.to_string()))
            }
            (Type::Size, Value::String(text)) => self.parsed(place, span, text.parse::<Size>().map(|v| v.to_string())),
            (Type::Ref(kind), Value::String(text)) => {
                self.references(place, span, &text, kind, false)?.into_iter().next()
            }
            (Type::Ref(_), value @ Value::Object(_)) => Some(value),
            // One expression may stand for several references in a list.
            (Type::Ref(_), value @ Value::Array(_)) => Some(value),
            (Type::Image, value @ (Value::String(_) | Value::Object(_))) => Some(value),
            (Type::Policy, value @ (Value::String(_) | Value::Object(_))) => Some(value),
            (Type::List(inner, ..), Value::Array(items)) => {
                let mut out = Vec::with_capacity(items.len());
                for item in items {
                    out.push(self.coerce(place, span, item, inner)?);
                }
                self.check_list(place, span, out, ty)
            }
            (Type::List(inner, ..), Value::String(text)) if matches!(**inner, Type::Ref(_)) => {
                let Type::Ref(kind) = &**inner else { return None };
                let found = self.references(place, span, &text, kind, true)?;
                self.check_list(place, span, found, ty)
            }
            (Type::Map(inner), Value::Object(entries)) => {
                let mut map = Map::new();
                for (key, value) in entries {
                    map.insert(key, self.coerce(place, span, value, inner)?);
                }
                Some(Value::Object(map))
            }
            (Type::Object(schema), Value::Object(entries)) => self.coerce_object(place, span, entries, schema),
            (ty, value) => self.mismatch(place, span, &value, ty),
        }
    }

    fn coerce_object(
        &mut self,
        place: &Place,
        span: Span,
        mut entries: Map<String, Value>,
        schema: &Schema,
    ) -> Option<Value> {
        let mut map = Map::new();
        for field in &schema.fields {
            match entries.remove(&field.name) {
                Some(value) if !value.is_null() => {
                    map.insert(field.name.clone(), self.coerce(place, span, value, &field.ty)?);
                }
                _ if field.required => {
                    let error = Diagnostic::error(format!("`{}` is missing", field.name))
                        .at(span, "in the value of this expression");
                    self.report(error, place);
                    return None;
                }
                _ => {}
            }
        }
        if let Some(name) = entries.keys().next() {
            let mut error =
                Diagnostic::error(format!("unknown field `{name}`")).at(span, "in the value of this expression");
            error.help = suggestion(name, schema.names());
            self.report(error, place);
            return None;
        }
        Some(Value::Object(map))
    }

    fn parsed(&mut self, place: &Place, span: Span, outcome: Result<String, String>) -> Option<Value> {
        match outcome {
            Ok(text) => Some(Value::String(text)),
            Err(message) => {
                self.report(Diagnostic::error(message).at(span, "").help("correct the value"), place);
                None
            }
        }
    }

    fn mismatch(&mut self, place: &Place, span: Span, value: &Value, ty: &Type) -> Option<Value> {
        self.wrong(place, span, &format!("this is `{}`", plain(value)), ty);
        None
    }

    fn wrong(&mut self, place: &Place, span: Span, label: &str, ty: &Type) {
        let wanted = wanted(ty);
        let error =
            Diagnostic::error(format!("{wanted} is wanted here")).at(span, label).help(format!("write {wanted}"));
        self.report(error, place);
    }
}

fn is_payload(entries: &[(Key, Node)]) -> bool {
    entries.iter().any(|(k, _)| k.text == "payload")
        && entries.iter().all(|(k, _)| matches!(k.text.as_str(), "payload" | "with"))
}

/// A type in words.
fn wanted(ty: &Type) -> String {
    let between = |least: Option<String>, most: Option<String>| match (least, most) {
        (Some(a), Some(b)) => format!(" from {a} to {b}"),
        (Some(a), None) => format!(" of at least {a}"),
        (None, Some(b)) => format!(" of at most {b}"),
        (None, None) => String::new(),
    };
    match ty {
        Type::String { pattern: Some(pattern), .. } => format!("a text that matches `{pattern}`"),
        Type::String { values, .. } if !values.is_empty() => format!("one of {}", values.join(", ")),
        Type::String { length, .. } => match length {
            (None, None) => "a text".to_owned(),
            (a, b) => format!("a text{} characters", between(a.map(|n| n.to_string()), b.map(|n| n.to_string()))),
        },
        Type::Integer(a, b) => format!("a whole number{}", between(a.map(|n| n.to_string()), b.map(|n| n.to_string()))),
        Type::Number(a, b) => format!("a number{}", between(a.map(|n| n.to_string()), b.map(|n| n.to_string()))),
        Type::Boolean => "true or false".to_owned(),
        Type::List(_, a, b) => match (a, b) {
            (None, None) => "a list".to_owned(),
            (a, b) => format!("a list{} items", between(a.map(|n| n.to_string()), b.map(|n| n.to_string()))),
        },
        Type::Map(_) => "a mapping of names".to_owned(),
        Type::Object(_) => "a mapping".to_owned(),
        Type::Ref(kind) => format!("a {kind}"),
        Type::Cidr => "an address range such as 10.0.0.0/16".to_owned(),
        Type::Duration => "a duration such as 90s, 3m, 2h or 7d".to_owned(),
        Type::Size => "a size such as 20GiB".to_owned(),
        Type::Policy => "a policy: a mapping, or JSON text".to_owned(),
        Type::Image => "an image: an id, or a mapping".to_owned(),
        Type::Any => "a value".to_owned(),
    }
}
