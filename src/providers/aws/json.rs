//! JSON that a service is given as text: patterns, filters, bodies.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::model::value::is_unknown_text;

const FORM: &str = "it is a mapping or a list, or JSON text of one";

/// JSON, written as a mapping or a list, or as JSON text; compared by value, whatever its layout and the order of
/// members.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(Value);

impl Json {
    /// From the text that a service gave; text that is none stands for itself, and differs from everything declared.
    pub(in crate::providers::aws) fn observed(text: &str) -> Self {
        Self::parsed(text).unwrap_or_else(|_| Self(Value::String(text.to_owned())))
    }

    fn parsed(text: &str) -> Result<Self, String> {
        match serde_json::from_str(text) {
            Ok(tree @ (Value::Object(_) | Value::Array(_))) => Ok(Self::of(tree)),
            Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => Err(FORM.to_owned()),
            Err(e) => Err(format!("it is not JSON: {e}")),
        }
    }

    /// A tree.
    pub(in crate::providers::aws) fn of(mut value: Value) -> Self {
        value.sort_all_objects();
        Self(value)
    }

    /// As compact JSON text.
    pub(in crate::providers::aws) fn to_text(&self) -> String {
        self.0.to_string()
    }

    /// The tree.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// Whether it says nothing: `{}`.
    pub(in crate::providers::aws) fn is_empty(&self) -> bool {
        self.0.as_object().is_some_and(serde_json::Map::is_empty)
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => match Self::parsed(&text) {
                Ok(json) => Ok(json),
                // Known after apply.
                Err(_) if is_unknown_text(&text) => Ok(Self(Value::String(text))),
                Err(e) => Err(D::Error::custom(e)),
            },
            tree @ (Value::Object(_) | Value::Array(_)) => Ok(Self::of(tree)),
            Value::Null | Value::Bool(_) | Value::Number(_) => Err(D::Error::custom(FORM)),
        }
    }
}

impl JsonSchema for Json {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Json".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({})
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_and_tree_are_one_and_what_is_no_json_is_refused() {
        let of = |v: Value| serde_json::from_value::<Json>(v);
        let tree = of(json!({"b": [1, null], "a": {"d": 1, "c": "名"}})).unwrap();
        assert_eq!(of(json!("{\"a\": {\"c\": \"名\", \"d\": 1},\n \"b\": [1, null]}")).unwrap(), tree);
        assert_eq!(tree.to_text(), r#"{"a":{"c":"名","d":1},"b":[1,null]}"#);
        assert!(of(json!("{")).is_err() && of(json!("\"text\"")).is_err() && of(json!(1)).is_err());
        assert_eq!(Json::observed("{").value(), "{");
    }
}
