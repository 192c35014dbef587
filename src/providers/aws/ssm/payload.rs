//! Texts that are JSON or YAML, compared by their value: contents of documents, inputs of functions.

use std::borrow::Cow;

use granit_parser::{Event, Parser};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::config;
use crate::diagnostic::Diagnostics;
use crate::model::value::is_unknown_text;
use crate::source::FileId;

/// A mapping, a list, or a text. A text that holds a mapping or a list as JSON or YAML is that mapping or list, unless it
/// uses tags of YAML, which would be lost.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Payload(Value);

impl Payload {
    /// From a text.
    pub fn of_text(text: &str) -> Self {
        Self::of(Value::String(text.to_owned()))
    }

    fn of(value: Value) -> Self {
        let Value::String(text) = &value else { return Self(value) };
        if is_unknown_text(text) {
            return Self(value);
        }
        let yaml = || if has_tags(text) { None } else { of_yaml(text) };
        let read: Option<Value> = serde_json::from_str(text).ok().or_else(yaml);
        match read.filter(|v| v.is_object() || v.is_array()) {
            Some(read) => Self(read),
            None => Self(value),
        }
    }

    /// The value.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// As text: JSON, unless it is a text already.
    pub fn to_text(&self) -> String {
        match &self.0 {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        }
    }
}

fn of_yaml(text: &str) -> Option<Value> {
    Some(config::parse(FileId(0), text, &mut Diagnostics::default())?.untyped())
}

/// Whether a YAML text uses tags (`!Ref`), which no mapping could hold.
fn has_tags(text: &str) -> bool {
    let mut parser = Parser::new_from_str(text);
    let mut events = std::iter::from_fn(|| parser.next_event()).map_while(Result::ok);
    events.any(|(event, _)| {
        matches!(
            event,
            Event::Scalar(.., Some(_)) | Event::SequenceStart(.., Some(_)) | Event::MappingStart(.., Some(_))
        )
    })
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::of)
    }
}

impl JsonSchema for Payload {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Payload".into()
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
    fn texts_that_mean_the_same_are_the_same() {
        let read = |value: Value| serde_json::from_value::<Payload>(value).unwrap();
        let mapping = read(json!({"a": [1, true]}));
        assert_eq!(read(json!(r#"{"a": [1, true]}"#)), mapping);
        assert_eq!(read(json!("a:\n- 1\n- true\n")), mapping);
        assert_eq!(mapping.to_text(), r#"{"a":[1,true]}"#);
        assert_eq!(read(json!("BEGIN:VCALENDAR")).to_text(), "BEGIN:VCALENDAR");
        for tagged in ["A: !Ref B\n", "A: !GetAtt\n- B\n- Arn\n", "a: !map {b: c}\n"] {
            assert_eq!(read(json!(tagged)).to_text(), tagged, "nothing of it is lost");
        }
        assert!(read(json!("run: echo hello !world\n")).value().is_object());
    }
}
