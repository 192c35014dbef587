//! Attributes: what the API keeps as pairs of texts, beside the object's own members. One table a kind says which field
//! of the spec each is.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::model::types::Duration;

/// How an attribute's text is written in a spec.
pub(super) enum Form {
    /// `true`, `false`.
    Flag,
    /// `on`, `off` of the API as true and false.
    Switch,
    /// Whole seconds as a length of time.
    Seconds,
    /// A whole number.
    Number,
    /// A whole number; `off` of the API is 0.
    NumberOrOff,
    /// Any text.
    Text,
    /// One of a few words: from the API's, to the API's.
    Word(fn(&str) -> Option<Value>, fn(&Value) -> Option<&'static str>),
    /// The name of a bucket as a reference to it.
    Bucket,
}

/// An attribute.
pub(super) struct Attribute {
    /// Field of the spec, dotted.
    pub field: &'static str,
    /// The API's key.
    pub key: &'static str,
    /// How its text is written.
    pub form: Form,
}

/// An attribute.
pub(super) const fn attribute(field: &'static str, key: &'static str, form: Form) -> Attribute {
    Attribute { field, key, form }
}

/// The form of an enum that is declared by `words!`.
macro_rules! word {
    ($ty:ty) => {
        $crate::providers::aws::elb::attributes::Form::Word(
            |text| <$ty>::from_api(text).and_then(|word| serde_json::to_value(word).ok()),
            |value| serde_json::from_value::<$ty>(value.clone()).ok().map(<$ty>::api),
        )
    };
}
pub(super) use word;

impl Attribute {
    /// The top-level field.
    pub fn top(&self) -> &'static str {
        self.field.split('.').next().unwrap_or(self.field)
    }

    fn parse(&self, text: &str) -> Option<Value> {
        match &self.form {
            Form::Flag => text.parse::<bool>().ok().map(Value::from),
            Form::Switch => Some(Value::from(text == "on")),
            Form::Seconds => text.parse().ok().map(|s| json!(Duration::from_seconds(s))),
            Form::Number => text.parse::<i64>().ok().map(Value::from),
            Form::NumberOrOff => text.parse::<i64>().ok().or((text == "off").then_some(0)).map(Value::from),
            Form::Text => Some(Value::from(text)),
            Form::Word(parse, _) => parse(text),
            Form::Bucket => (!text.is_empty()).then(|| json!({"id": text})),
        }
    }

    fn write<E>(&self, value: &Value, bucket: &dyn Fn(&Value) -> Result<String, E>) -> Result<Option<String>, E> {
        Ok(match &self.form {
            Form::Flag => value.as_bool().map(|b| b.to_string()),
            Form::Switch => value.as_bool().map(|b| if b { "on" } else { "off" }.to_owned()),
            Form::Seconds => serde_json::from_value::<Duration>(value.clone()).ok().map(|d| d.seconds().to_string()),
            Form::Number => value.as_i64().map(|n| n.to_string()),
            Form::NumberOrOff => value.as_i64().map(|n| if n == 0 { "off".to_owned() } else { n.to_string() }),
            Form::Text => value.as_str().map(str::to_owned),
            Form::Word(_, write) => write(value).map(str::to_owned),
            Form::Bucket => Some(bucket(value)?),
        })
    }
}

/// The top-level fields of a table, each once.
#[cfg(test)]
pub(super) fn fields(table: &[Attribute]) -> Vec<&'static str> {
    let mut all: Vec<&str> = table.iter().map(Attribute::top).collect();
    all.dedup();
    all
}

/// Puts what was read into a spec's tree. What is not known of the API's words is left out.
pub(super) fn observe(table: &[Attribute], values: &BTreeMap<String, String>, spec: &mut Value) {
    for attribute in table {
        let Some(value) = values.get(attribute.key).and_then(|text| attribute.parse(text)) else { continue };
        let mut at = &mut *spec;
        let mut steps = attribute.field.split('.').peekable();
        while let Some(step) = steps.next() {
            let Value::Object(map) = at else { break };
            at = map.entry(step).or_insert_with(|| Value::Object(Map::new()));
            if steps.peek().is_none() {
                *at = value.clone();
            }
        }
    }
}

/// Keys and texts to write, for the top-level fields that are `chosen` and declared.
///
/// # Errors
/// What `bucket` fails with, which gives the name for a reference.
pub(super) fn to_write<E>(
    table: &[Attribute],
    spec: &Value,
    chosen: &dyn Fn(&str) -> bool,
    bucket: &dyn Fn(&Value) -> Result<String, E>,
) -> Result<Vec<(&'static str, String)>, E> {
    let mut all = Vec::new();
    for attribute in table.iter().filter(|a| chosen(a.top())) {
        let value = attribute.field.split('.').try_fold(spec, |at, step| at.get(step));
        let Some(value) = value.filter(|v| !v.is_null()) else { continue };
        if let Some(text) = attribute.write(value, bucket)? {
            all.push((attribute.key, text));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: [Attribute; 5] = [
        attribute("delay", "delay.seconds", Form::Seconds),
        attribute("logs.bucket", "logs.bucket", Form::Bucket),
        attribute("logs.enabled", "logs.enabled", Form::Flag),
        attribute("watch", "anomaly", Form::Switch),
        attribute("least", "least.count", Form::NumberOrOff),
    ];

    #[test]
    fn what_is_written_is_read_back_the_same() {
        let spec = json!({"delay": "5m", "logs": {"bucket": {"id": "b"}, "enabled": true}, "watch": true, "least": 0});
        let bucket = |v: &Value| Ok::<_, ()>(v["id"].as_str().unwrap().to_owned());
        let pairs = to_write(&TABLE, &spec, &|_| true, &bucket).unwrap();
        let text: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let expected = ["delay.seconds=300", "logs.bucket=b", "logs.enabled=true", "anomaly=on", "least.count=off"];
        assert_eq!(text, expected);
        let values = pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
        let mut read = json!({});
        observe(&TABLE, &values, &mut read);
        assert_eq!(read, spec);
        assert_eq!(fields(&TABLE), ["delay", "logs", "watch", "least"]);
        assert!(to_write(&TABLE, &spec, &|f| f == "none", &bucket).unwrap().is_empty());
    }
}
