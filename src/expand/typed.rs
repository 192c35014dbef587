//! Nodes to values of a type: expressions evaluated, references resolved, shapes and ranges checked.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use serde_json::{Map, Number, Value, json};

use super::expression::{ExpressionError, Subject};
use super::reference::Unresolved;
use super::words::{correction, wanted};
use super::{Expansion, Place, helpers, tag};
use crate::config::{Key, Node, NodeValue, Payload, ResourceFile, Scalar};
use crate::diagnostic::{Diagnostic, nearest, suggestion};
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
                    match self.named(&key.text, |x| x.typed(place, value, inner)) {
                        Some(value) => {
                            map.insert(key.text.clone(), value);
                        }
                        None => whole = false,
                    }
                }
                whole.then_some(Value::Object(map))
            }
            (NodeValue::Map(entries), Type::Object(schema)) => self.object(place, node.span, entries, schema, None),
            (NodeValue::Map(_), Type::Ref(kind)) => self.foreign(place, node, kind),
            (NodeValue::Map(entries), Type::Image) => self.image(place, node.span, entries),
            (NodeValue::Map(_) | NodeValue::List(_), Type::Any | Type::Policy) => self.untyped(place, node),
            (NodeValue::List(_) | NodeValue::Map(_), _) => {
                self.wrong(place, node.span, &format!("this is {}", node.describe()), ty);
                None
            }
        }
    }

    /// A mapping with known fields. `resource`: its kind; then its own words (`kind`, `each`, …) are near names too.
    pub(super) fn object(
        &mut self,
        place: &Place,
        span: Span,
        entries: &[(Key, Node)],
        schema: &Schema,
        resource: Option<&str>,
    ) -> Option<Value> {
        let mut map = Map::new();
        let mut whole = true;
        let mut taken: Vec<&str> = Vec::new();
        for (key, _) in entries.iter().filter(|(k, _)| schema.field(&k.text).is_none()) {
            let own: &[&str] = if resource.is_some() { &ResourceFile::OWN } else { &[] };
            let label = resource.map_or("no such field".to_owned(), |k| format!("kind `{k}` has no such field"));
            let mut error = Diagnostic::error(format!("unknown field `{}`", key.text)).at(key.span, label);
            taken.extend(nearest(&key.text, schema.names()));
            error.help = suggestion(&key.text, schema.names().chain(own.iter().copied()));
            self.report(error, place);
            whole = false;
        }
        for field in &schema.fields {
            let node = entries.iter().find(|(k, n)| k.text == field.name && !n.is_null()).map(|(_, n)| n);
            match node {
                Some(node) => match self.named(&field.name, |x| x.typed(place, node, &field.ty)) {
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
                // Misspelt, as has been said.
                None if field.required && taken.contains(&field.name.as_str()) => whole = false,
                None if field.required => {
                    let doc = field.doc.split_whitespace().collect::<Vec<_>>().join(" ");
                    let label = match resource {
                        Some(kind) => format!("kind `{kind}` needs it: {}", doc.trim_end_matches('.')),
                        None => doc.trim_end_matches('.').to_owned(),
                    };
                    let error = Diagnostic::error(format!("`{}` is missing", field.name))
                        .at(span, label)
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
        if let Err(e) = tag::check(text) {
            self.broken_expression(place, span, text, e);
            return None;
        }
        let context = match self.context(place, text) {
            Ok(context) => context,
            Err(e) => {
                let (number, word) = e.word.clone().unwrap_or_default();
                let span = self.inside(span, number, Some(word.as_str()).filter(|w| !w.is_empty()));
                self.unresolved(place, span, e);
                return None;
            }
        };
        match self.engine.evaluate(text, &context) {
            Ok(value) => Some(value),
            Err(e) => {
                self.broken_expression(place, span, text, e);
                None
            }
        }
    }

    /// The place of a tag of a scalar, or of a word in the tag; that of the whole scalar if it can't be found.
    fn inside(&self, span: Span, number: usize, word: Option<&str>) -> Span {
        let source = &self.files.get(span.file).text;
        let found = source.get(span.range()).and_then(|slice| tag::locate(slice, number, word));
        let start = span.range().start;
        found.map_or(span, |range| Span::new(span.file, start + range.start..start + range.end))
    }

    fn broken_expression(&mut self, place: &Place, span: Span, text: &str, error: ExpressionError) {
        let number = error.at.and_then(|at| tag::number_at(text, at));
        let span = number.map_or(span, |n| self.inside(span, n, None));
        let mut diagnostic = Diagnostic::error("the expression can't be evaluated").at(span, error.message);
        diagnostic.help = Some(match &error.subject {
            Some(Subject::Helper(helper)) => usage(helper),
            Some(Subject::Name(_)) => "inside `each` the item is `this`, its parts `this.name`".to_owned(),
            None => "docs/language.md shows how expressions are written".to_owned(),
        });
        self.report(diagnostic, place);
    }

    /// Reports a name that stands for nothing, unless what it names has errors itself.
    pub(super) fn unresolved(&mut self, place: &Place, span: Span, error: Unresolved) {
        if error.silent {
            return;
        }
        let mut diagnostic = Diagnostic::error(error.message).at(span, error.label);
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
        let error = Diagnostic::error(format!("this mapping does not name an object of kind `{kind}`"))
            .at(node.span, "it must have `id` or `tags`, and nothing else")
            .help("write the name of a resource, `{ id: … }`, or `{ tags: { … } }`");
        self.report(error, place);
        None
    }

    fn image(&mut self, place: &Place, span: Span, entries: &[(Key, Node)]) -> Option<Value> {
        let schema = Schema::of::<crate::model::types::ImageQuery>();
        let value = self.object(place, span, entries, &schema, None)?;
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
        let Some(payload) = project.payloads.get(&name) else {
            if !project.broken.contains(&format!("templates/{name}")) {
                let mut error = Diagnostic::error(format!("there is no payload `{name}`"))
                    .at(path.span, "no such file in templates/");
                error.help = suggestion(&name, project.payloads.keys().map(String::as_str));
                self.report(error, place);
            }
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
        context.insert("environment".to_owned(), self.environment_value());
        let outcome = refused(&payload.text, &context)
            .map_or_else(|| self.engine.render(&payload.text, &Value::Object(context.clone())), Err);
        match outcome {
            Ok(rendered) => Some(rendered),
            Err(e) => {
                self.broken_payload(place, path.span, payload, &context, e);
                None
            }
        }
    }

    /// An error in a payload: at its own line, and where it is used.
    fn broken_payload(
        &mut self,
        place: &Place,
        used: Span,
        payload: &Payload,
        context: &Map<String, Value>,
        error: ExpressionError,
    ) {
        let number = error.at.and_then(|at| tag::number_at(&payload.text, at));
        let word = match &error.subject {
            Some(Subject::Name(name)) => Some(name.as_str()),
            Some(Subject::Helper(_)) | None => None,
        };
        let range = number.and_then(|n| tag::locate(&payload.text, n, word)).unwrap_or(0..0);
        let help = match &error.subject {
            Some(Subject::Helper(helper)) => usage(helper),
            Some(Subject::Name(name)) => suggestion(name, context.keys().map(String::as_str)).unwrap_or_default(),
            None => "a payload sees the names given in `with`, and `environment`".to_owned(),
        };
        let diagnostic = Diagnostic::error("the payload can't be rendered")
            .at(Span::new(payload.file, range), error.message)
            .at(used, "used here")
            .help(help);
        self.report(diagnostic, place);
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
                    let mut error = Diagnostic::error(format!("`{text}` is not one of the values"))
                        .at(span, self.field_name().map_or("not known".to_owned(), |n| format!("`{n}` takes one word of a list")));
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
            (Type::Cidr, Value::String(text)) => self.parsed(place, span, ty, text.parse::<Cidr>().map(|v| v.to_string())),
            (Type::Duration, Value::String(text)) => {
                self.parsed(place, span, ty, text.parse::<Duration>().map(|v| v.to_string()))
            }
            (Type::Size, Value::String(text)) => self.parsed(place, span, ty, text.parse::<Size>().map(|v| v.to_string())),
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

    fn parsed(&mut self, place: &Place, span: Span, ty: &Type, outcome: Result<String, String>) -> Option<Value> {
        match outcome {
            Ok(text) => Some(Value::String(text)),
            Err(message) => {
                let label = self.field_name().map_or(String::new(), |n| format!("value of `{n}`"));
                self.report(Diagnostic::error(message).at(span, label).help(correction(ty)), place);
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
        let error = match self.field_name() {
            Some(name) => Diagnostic::error(format!("`{name}` must be {wanted}")),
            None => Diagnostic::error(format!("this must be {wanted}")),
        };
        let parameter = self.parameter.filter(|s| *s != span).map(|s| (s, "the parameter is declared here".to_owned()));
        let mut error = error.at(span, label);
        error.labels.extend(parameter);
        self.report(error.help(correction(ty)), place);
    }

    /// Name of the field or parameter at hand.
    fn field_name(&self) -> Option<String> {
        (!self.naming.is_empty()).then(|| self.naming.join("."))
    }
}

fn is_payload(entries: &[(Key, Node)]) -> bool {
    entries.iter().any(|(k, _)| k.text == "payload")
        && entries.iter().all(|(k, _)| matches!(k.text.as_str(), "payload" | "with"))
}

/// A value not known before apply that a payload gives to a helper that can't work on it.
fn refused(text: &str, context: &Map<String, Value>) -> Option<ExpressionError> {
    let (paths, _) = super::expression::paths(text);
    paths.into_iter().find_map(|path| {
        let helper = path.helper.as_deref()?;
        let mut at = context.get(path.segments.first()?)?;
        for step in &path.segments[1..] {
            at = at.get(step)?;
        }
        let (number, word) = &path.word;
        helpers::refuses(helper, at).then(|| ExpressionError {
            message: format!("`{word}` is not known before apply, and `{helper}` can't work on it"),
            at: tag::all(text).get(*number).map(|t| t.range.start),
            subject: Some(Subject::Helper(helper.to_owned())),
        })
    })
}

fn usage(helper: &str) -> String {
    helpers::usage(helper).map_or_else(String::new, |usage| format!("write `{{{{ {usage} }}}}`"))
}
