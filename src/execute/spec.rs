//! Specs on their way to the cloud: masked values put back, tokens filled in, secrets kept out of what is written.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::borrow::Cow;

use serde_json::Value;

use crate::model::desired::Desired;
use crate::model::kind::KindDef;
use crate::model::schema::{Schema, Type};
use crate::model::value::{Token, substitute, visit_tokens};

/// What stands for a sensitive value in a plan.
pub(super) const MASK: &str = "(sensitive)";

/// Shortest text that is masked wherever it stands, in characters; shorter ones would garble ordinary text.
const SHORTEST_SECRET: usize = 4;

/// Puts the values that a plan masks back, from the files' own spec; all else is taken from the plan.
///
/// # Errors
/// The dotted path of a masked value that the files do not hold.
pub(super) fn restore(planned: &Value, declared: &Value) -> Result<Value, String> {
    restore_at(planned, Some(declared), "")
}

fn restore_at(planned: &Value, declared: Option<&Value>, path: &str) -> Result<Value, String> {
    match planned {
        Value::String(text) if text.contains(MASK) => declared.cloned().ok_or_else(|| path.to_owned()),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(i, item)| restore_at(item, declared.and_then(|d| d.get(i)), &join(path, &i.to_string())))
            .collect(),
        Value::Object(map) => map
            .iter()
            .map(|(k, v)| Ok((k.clone(), restore_at(v, declared.and_then(|d| d.get(k)), &join(path, k))?)))
            .collect::<Result<_, _>>()
            .map(Value::Object),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => Ok(planned.clone()),
    }
}

fn join(path: &str, step: &str) -> String {
    if path.is_empty() { step.to_owned() } else { format!("{path}.{step}") }
}

/// Fills in every token.
///
/// # Errors
/// Names the first attribute that is not known.
pub(super) fn fill(spec: &Value, known: &impl Fn(Token<'_>) -> Option<Value>) -> Result<Value, String> {
    let filled = substitute(spec, known).into_owned();
    let mut missing = None;
    visit_tokens(&filled, &mut |token| {
        missing.get_or_insert_with(|| format!("attribute `{}` of {} is not there", token.attribute, token.address));
    });
    missing.map_or(Ok(filled), Err)
}

/// Checks a complete spec and writes it in canonical form.
///
/// # Errors
/// What is wrong with it, in one line.
pub(super) fn checked(kind: &KindDef, spec: &Value) -> Result<Value, String> {
    let (spec, problems) = kind.normalise(spec)?;
    if problems.0.is_empty() {
        return Ok(spec);
    }
    let texts: Vec<String> = problems
        .0
        .iter()
        .map(|p| if p.path.is_empty() { p.message.clone() } else { format!("`{}`: {}", p.path, p.message) })
        .collect();
    Err(texts.join("; "))
}

/// Removes sensitive fields, at every level.
pub(super) fn drop_sensitive(schema: &Schema, spec: &mut Value) {
    let Value::Object(map) = spec else { return };
    for field in &schema.fields {
        if field.sensitive {
            map.remove(&field.name);
        } else if let Some(inner) = map.get_mut(&field.name) {
            drop_in(&field.ty, inner);
        }
    }
}

fn drop_in(ty: &Type, value: &mut Value) {
    match (ty, value) {
        (Type::Object(schema), value) => drop_sensitive(schema, value),
        (Type::List(inner, ..), Value::Array(items)) => items.iter_mut().for_each(|v| drop_in(inner, v)),
        (Type::Map(inner), Value::Object(map)) => map.values_mut().for_each(|v| drop_in(inner, v)),
        (_, _) => {}
    }
}

/// The texts that must never be written: sensitive parameters, and all texts in sensitive fields.
#[derive(Debug, Default)]
pub(super) struct Secrets(Vec<String>);

impl Secrets {
    /// Of everything desired; longest first, so that a secret within another leaves no rest.
    pub(super) fn of(desired: &Desired) -> Self {
        let mut all = desired.secrets.clone();
        for resource in desired.resources.values() {
            sensitive_texts(&resource.kind.schema, &resource.spec, &mut all);
        }
        all.retain(|s| s.chars().count() >= SHORTEST_SECRET);
        all.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        all.dedup();
        Self(all)
    }

    /// The text with every secret masked.
    pub(super) fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut out = Cow::Borrowed(text);
        for secret in self.0.iter().filter(|s| text.contains(s.as_str())) {
            out = Cow::Owned(out.replace(secret.as_str(), MASK));
        }
        out
    }

    /// Masks every text in a tree.
    pub(super) fn hide_in(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(hidden) = self.hide(text) {
                    *text = hidden;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|v| self.hide_in(v)),
            Value::Object(map) => map.values_mut().for_each(|v| self.hide_in(v)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
}

fn sensitive_texts(schema: &Schema, spec: &Value, out: &mut Vec<String>) {
    for field in &schema.fields {
        match (field.sensitive, spec.get(&field.name)) {
            (true, Some(value)) => texts(value, out),
            (false, Some(value)) => sensitive_in(&field.ty, value, out),
            (_, None) => {}
        }
    }
}

fn sensitive_in(ty: &Type, value: &Value, out: &mut Vec<String>) {
    match (ty, value) {
        (Type::Object(schema), value) => sensitive_texts(schema, value, out),
        (Type::List(inner, ..), Value::Array(items)) => items.iter().for_each(|v| sensitive_in(inner, v, out)),
        (Type::Map(inner), Value::Object(map)) => map.values().for_each(|v| sensitive_in(inner, v, out)),
        (_, _) => {}
    }
}

fn texts(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) => out.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|v| texts(v, out)),
        Value::Object(map) => map.values().for_each(|v| texts(v, out)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::Address;
    use crate::model::value::token;

    #[test]
    fn masked_values_come_back_from_the_files_and_the_rest_stays_as_planned() {
        let planned =
            json!({"image": "ami-1", "password": "(sensitive)", "env": [{"URL": "db://(sensitive)@h"}], "n": 2});
        let declared =
            json!({"image": {"name": "x"}, "password": "hunter22", "env": [{"URL": "db://hunter22@h"}], "n": 3});
        assert_eq!(
            restore(&planned, &declared).unwrap(),
            json!({"image": "ami-1", "password": "hunter22", "env": [{"URL": "db://hunter22@h"}], "n": 2})
        );
        assert_eq!(restore(&json!({"a": [{"b": "(sensitive)"}]}), &json!({})), Err("a.0.b".to_owned()));
    }

    #[test]
    fn an_unknown_attribute_is_named() {
        let source = Address::parse("data/main").unwrap();
        let spec = json!({"url": format!("db:{}", token(&source, "port"))});
        assert_eq!(fill(&spec, &|_| None), Err("attribute `port` of data/main is not there".to_owned()));
        assert_eq!(fill(&spec, &|_| Some(json!(5432))).unwrap(), json!({"url": "db:5432"}));
    }
}
