//! Values as trees, and values that are not known before apply.
//!
//! A spec is a [`serde_json::Value`]. A string in it may hold *tokens*, each standing for an attribute of another
//! resource that nobody knows yet. A token is written with three private-use characters, which the loader refuses in
//! users' files, so that it survives templates, JSON text and diffs unchanged.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::borrow::Cow;

use super::Address;

pub use serde_json::{Map, Value};

const OPEN: char = '\u{E000}';
const MIDDLE: char = '\u{E001}';
const CLOSE: char = '\u{E002}';

/// Whether a text holds a character that is reserved for tokens.
pub fn has_reserved(text: &str) -> bool {
    text.contains([OPEN, MIDDLE, CLOSE])
}

/// One part of a string: known text, or an attribute not yet known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part<'a> {
    /// Known text.
    Text(&'a str),
    /// An attribute of another resource.
    Attribute(Token<'a>),
}

/// A reference to an attribute of another resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token<'a> {
    /// The resource's address.
    pub address: &'a str,
    /// The attribute's name.
    pub attribute: &'a str,
}

/// The text of a token.
pub fn token(address: &Address, attribute: &str) -> String {
    format!("{OPEN}{address}{MIDDLE}{attribute}{CLOSE}")
}

/// Splits a string into known text and tokens. A broken token (which nothing here writes) is taken as text.
pub fn parts(text: &str) -> Vec<Part<'_>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(OPEN) {
        let after = &rest[start + OPEN.len_utf8()..];
        let Some((address, tail)) = after.split_once(MIDDLE) else { break };
        let Some((attribute, tail)) = tail.split_once(CLOSE) else { break };
        if start > 0 {
            out.push(Part::Text(&rest[..start]));
        }
        out.push(Part::Attribute(Token { address, attribute }));
        rest = tail;
    }
    if !rest.is_empty() {
        out.push(Part::Text(rest));
    }
    out
}

/// Whether a string holds a token.
pub fn is_unknown_text(text: &str) -> bool {
    text.contains(OPEN)
}

/// Whether any string in the tree holds a token.
pub fn is_unknown(value: &Value) -> bool {
    match value {
        Value::String(s) => is_unknown_text(s),
        Value::Array(items) => items.iter().any(is_unknown),
        Value::Object(map) => map.values().any(is_unknown),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Calls `visit` for every token in the tree.
pub fn visit_tokens<'a>(value: &'a Value, visit: &mut impl FnMut(Token<'a>)) {
    match value {
        Value::String(s) if is_unknown_text(s) => {
            for part in parts(s) {
                if let Part::Attribute(token) = part {
                    visit(token);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|v| visit_tokens(v, visit)),
        Value::Object(map) => map.values().for_each(|v| visit_tokens(v, visit)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Replaces every token for which `known` has a value. A string that is one single token takes the value's type; in a
/// longer string the value is written as text. Trees without tokens are returned as they are.
pub fn substitute<'v>(value: &'v Value, known: &impl Fn(Token<'_>) -> Option<Value>) -> Cow<'v, Value> {
    if !is_unknown(value) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(match value {
        Value::String(s) => substitute_text(s, known),
        Value::Array(items) => Value::Array(items.iter().map(|v| substitute(v, known).into_owned()).collect()),
        Value::Object(map) => {
            Value::Object(map.iter().map(|(k, v)| (k.clone(), substitute(v, known).into_owned())).collect())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    })
}

fn substitute_text(text: &str, known: &impl Fn(Token<'_>) -> Option<Value>) -> Value {
    let parts = parts(text);
    if let [Part::Attribute(only)] = parts.as_slice() {
        return known(*only).unwrap_or_else(|| Value::String(text.to_owned()));
    }
    let mut out = String::with_capacity(text.len());
    for part in parts {
        match part {
            Part::Text(s) => out.push_str(s),
            Part::Attribute(t) => match known(t) {
                Some(value) => out.push_str(&plain(&value)),
                None => {
                    out.push(OPEN);
                    out.push_str(t.address);
                    out.push(MIDDLE);
                    out.push_str(t.attribute);
                    out.push(CLOSE);
                }
            },
        }
    }
    Value::String(out)
}

/// A string as it is, anything else as compact JSON.
pub fn plain(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(s) => Cow::Borrowed(s),
        other => Cow::Owned(other.to_string()),
    }
}

/// A string for people: tokens become `(known after apply: address.attribute)`.
pub fn readable(text: &str) -> Cow<'_, str> {
    if !is_unknown_text(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 32);
    for part in parts(text) {
        match part {
            Part::Text(s) => out.push_str(s),
            Part::Attribute(t) => {
                out.push_str("(known after apply: ");
                out.push_str(t.address);
                out.push('.');
                out.push_str(t.attribute);
                out.push(')');
            }
        }
    }
    Cow::Owned(out)
}

/// The value at a dotted path; a number selects an item of a list.
pub fn at_path<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(value, |at, step| match at {
        Value::Object(map) => map.get(step),
        Value::Array(items) => step.parse::<usize>().ok().and_then(|i| items.get(i)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_single_token_keeps_the_type_and_a_mixed_one_becomes_text() {
        let a = Address::parse("data/main").unwrap();
        let tree = json!({"port": token(&a, "port"), "url": format!("db:{}", token(&a, "port"))});
        let known = |t: Token<'_>| (t.attribute == "port").then(|| json!(5432));
        assert_eq!(*substitute(&tree, &known), json!({"port": 5432, "url": "db:5432"}));
        assert_eq!(readable(tree["url"].as_str().unwrap()), "db:(known after apply: data/main.port)");
    }

    #[test]
    fn what_stays_unknown_stays_a_token() {
        let a = Address::parse("data/main").unwrap();
        let tree = json!(["x", format!("{}-{}", token(&a, "id"), token(&a, "arn"))]);
        let half = substitute(&tree, &|t: Token<'_>| (t.attribute == "id").then(|| json!("i-1"))).into_owned();
        assert_eq!(half, json!(["x", format!("i-1-{}", token(&a, "arn"))]));
        let mut seen = Vec::new();
        visit_tokens(&half, &mut |t| seen.push((t.address.to_owned(), t.attribute.to_owned())));
        assert_eq!(seen, [("data/main".to_owned(), "arn".to_owned())]);
    }
}
