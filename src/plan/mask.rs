//! Keeping secrets out of plans: sensitive fields by schema, and known secret texts wherever they stand.

use std::borrow::Cow;

use serde_json::Value;

use crate::model::desired::Desired;
use crate::model::schema::{Schema, Type};

/// What stands for a sensitive value.
pub(super) const SENSITIVE: &str = "(sensitive)";

/// Shortest text that is masked wherever it stands; shorter ones would garble ordinary text.
const SHORTEST: usize = 4;

/// A copy of a value with its sensitive fields masked; `whole` if the value itself is sensitive.
pub(super) fn typed(ty: &Type, value: &Value, whole: bool) -> Value {
    if whole && !value.is_null() {
        return Value::String(SENSITIVE.to_owned());
    }
    match (ty, value) {
        (Type::Object(schema), Value::Object(_)) => spec(schema, value),
        (Type::List(inner, ..), Value::Array(items)) => {
            Value::Array(items.iter().map(|v| typed(inner, v, false)).collect())
        }
        (Type::Map(inner), Value::Object(map)) => {
            Value::Object(map.iter().map(|(k, v)| (k.clone(), typed(inner, v, false))).collect())
        }
        _ => value.clone(),
    }
}

/// A copy of a spec with its sensitive fields masked.
pub(super) fn spec(schema: &Schema, value: &Value) -> Value {
    let Value::Object(map) = value else { return value.clone() };
    Value::Object(
        map.iter()
            .map(|(name, v)| match schema.field(name) {
                Some(field) => (name.clone(), typed(&field.ty, v, field.sensitive)),
                None => (name.clone(), v.clone()),
            })
            .collect(),
    )
}

/// The secret texts of a run.
pub(super) struct Secrets<'a>(Vec<&'a str>);

impl<'a> Secrets<'a> {
    /// Values of sensitive parameters, and all texts in sensitive fields. Longest first, so that one secret inside
    /// another leaves no rest.
    pub(super) fn of(desired: &'a Desired) -> Self {
        let mut all: Vec<&str> = desired.secrets.iter().map(String::as_str).collect();
        for resource in desired.resources.values() {
            sensitive_texts(&resource.kind.schema, &resource.spec, &mut all);
        }
        all.retain(|s| s.chars().count() >= SHORTEST);
        all.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        all.dedup();
        Self(all)
    }

    /// Masks every secret text in a tree.
    pub(super) fn hide(&self, value: &mut Value) {
        if self.0.is_empty() {
            return;
        }
        match value {
            Value::String(text) => {
                if let Cow::Owned(masked) = self.text(text) {
                    *text = masked;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|v| self.hide(v)),
            Value::Object(map) => map.values_mut().for_each(|v| self.hide(v)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.0.iter().fold(Cow::Borrowed(text), |text, secret| {
            if text.contains(secret) { Cow::Owned(text.replace(secret, SENSITIVE)) } else { text }
        })
    }
}

fn sensitive_texts<'v>(schema: &Schema, value: &'v Value, out: &mut Vec<&'v str>) {
    for field in &schema.fields {
        if let Some(inner) = value.get(&field.name) {
            if field.sensitive {
                texts(inner, out);
            } else {
                inner_texts(&field.ty, inner, out);
            }
        }
    }
}

fn inner_texts<'v>(ty: &Type, value: &'v Value, out: &mut Vec<&'v str>) {
    match (ty, value) {
        (Type::Object(schema), _) => sensitive_texts(schema, value, out),
        (Type::List(inner, ..), Value::Array(items)) => items.iter().for_each(|v| inner_texts(inner, v, out)),
        (Type::Map(inner), Value::Object(map)) => map.values().for_each(|v| inner_texts(inner, v, out)),
        _ => {}
    }
}

fn texts<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => out.push(text),
        Value::Array(items) => items.iter().for_each(|v| texts(v, out)),
        Value::Object(map) => map.values().for_each(|v| texts(v, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
