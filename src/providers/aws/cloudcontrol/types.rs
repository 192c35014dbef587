//! What CloudFormation's registry says of a type: which properties can't change, are only told or only taken, which
//! lists are sets, and where the tags are. It is asked once a run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_cloudformation::types::RegistryType;
use serde_json::{Map, Value, json};

use crate::model::cloud::{ApiError, ErrorClass};
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::Tags;

/// How deep lists are looked for.
const DEEPEST: usize = 12;

/// The types that were asked for, by name.
#[derive(Debug, Default)]
pub struct Known(Mutex<BTreeMap<String, Arc<TypeSchema>>>);

/// A type. Paths are those of properties, `Rules/*/Id`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TypeSchema {
    /// A change makes a new object necessary.
    pub create_only: Vec<String>,
    /// Told, and not taken.
    pub read_only: Vec<String>,
    /// Taken, and never told.
    pub write_only: Vec<String>,
    /// Lists whose order means nothing.
    pub sets: Vec<String>,
    /// Where the tags are; none if objects of the type can't have any from the beginning.
    pub tags: Option<TagProperty>,
}

/// The property that holds the tags.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TagProperty {
    /// Its name.
    pub name: String,
    /// Names of a tag's key and value, if they are a list; a map otherwise.
    pub pair: Option<(String, String)>,
    /// Whether they can be changed.
    pub updatable: bool,
}

/// What the registry says of a type.
///
/// # Errors
/// The API's: there may be no such type.
pub(super) async fn of(cx: &Context, name: &str) -> Result<Arc<TypeSchema>, ApiError> {
    let known = |all: &Known| all.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
    if let Some(schema) = known(&cx.types) {
        return Ok(schema);
    }
    let operation = "cloudformation:DescribeType";
    let request = cx.clients.cloudformation.describe_type().r#type(RegistryType::Resource).type_name(name);
    let answer = cx.call(operation, request.send()).await?;
    let schema: Value = serde_json::from_str(answer.schema().unwrap_or_default())
        .map_err(|e| ApiError::new(operation, ErrorClass::Other, format!("the schema of {name} is not JSON: {e}")))?;
    let schema = Arc::new(TypeSchema::parse(&schema));
    cx.types.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), Arc::clone(&schema));
    Ok(schema)
}

impl TypeSchema {
    fn parse(schema: &Value) -> Self {
        let paths = |list: &str| -> Vec<String> {
            let list = schema.get(list).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            list.map(|path| path.trim_start_matches("/properties/").to_owned()).collect()
        };
        let mut sets = Vec::new();
        collect_sets(schema, schema, &mut Vec::new(), 0, &mut sets);
        sets.sort();
        sets.dedup();
        let (read_only, write_only) = (paths("readOnlyProperties"), paths("writeOnlyProperties"));
        let tags = tag_property(schema).filter(|t| !read_only.contains(&t.name) && !write_only.contains(&t.name));
        Self { create_only: paths("createOnlyProperties"), read_only, write_only, sets, tags }
    }

    /// The properties that a user can declare.
    pub fn declarable(&self, properties: &Value) -> Value {
        let mut properties = properties.clone();
        for path in self.read_only.iter().chain(&self.write_only) {
            remove(&mut properties, &path.split('/').collect::<Vec<_>>());
        }
        if let (Some(tags), Some(map)) = (&self.tags, properties.as_object_mut()) {
            map.remove(&tags.name);
        }
        properties
    }

    /// The tags among an object's properties.
    pub fn tags_of(&self, properties: &Value) -> Tags {
        let Some(property) = &self.tags else { return Tags::new() };
        let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
        match (properties.get(&property.name), &property.pair) {
            (Some(Value::Array(items)), Some((key, value))) => items
                .iter()
                .filter_map(|item| {
                    Some((item.get(key)?.as_str()?.to_owned(), item.get(value).map(text).unwrap_or_default()))
                })
                .collect(),
            (Some(Value::Object(map)), None) => map.iter().map(|(k, v)| (k.clone(), text(v))).collect(),
            _ => Tags::new(),
        }
    }
}

impl TagProperty {
    /// Tags in the property's form.
    pub fn value(&self, tags: &Tags) -> Value {
        match &self.pair {
            Some((key, value)) => tags.iter().map(|(k, v)| json!({key: k, value: v})).collect(),
            None => Value::Object(tags.iter().map(|(k, v)| (k.clone(), json!(v))).collect()),
        }
    }
}

/// The definition that a part of a schema stands for.
fn resolved<'s>(root: &'s Value, part: &'s Value) -> &'s Value {
    let reference = part.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
    reference.and_then(|pointer| root.pointer(pointer)).unwrap_or(part)
}

fn collect_sets(root: &Value, part: &Value, at: &mut Vec<String>, depth: usize, out: &mut Vec<String>) {
    if depth > DEEPEST {
        return;
    }
    let part = resolved(root, part);
    if part.get("insertionOrder") == Some(&json!(false)) {
        out.push(at.join("/"));
    }
    for options in ["allOf", "anyOf", "oneOf"] {
        for option in part.get(options).and_then(Value::as_array).into_iter().flatten() {
            collect_sets(root, option, at, depth + 1, out);
        }
    }
    if let Some(items) = part.get("items") {
        at.push("*".to_owned());
        collect_sets(root, items, at, depth + 1, out);
        at.pop();
    }
    for (name, property) in part.get("properties").and_then(Value::as_object).into_iter().flatten() {
        at.push(name.clone());
        collect_sets(root, property, at, depth + 1, out);
        at.pop();
    }
}

/// The property that holds tags from the creation on.
fn tag_property(schema: &Value) -> Option<TagProperty> {
    let block = schema.get("tagging").cloned().unwrap_or_else(|| json!({}));
    let says = |key: &str| block.get(key).and_then(Value::as_bool).unwrap_or(true);
    if !says("taggable") || !says("tagOnCreate") || schema.get("taggable") == Some(&json!(false)) {
        return None;
    }
    let path = block.get("tagProperty").and_then(Value::as_str).unwrap_or("/properties/Tags");
    let name = path.strip_prefix("/properties/").filter(|name| !name.contains('/'))?;
    let part = resolved(schema, schema.get("properties")?.get(name)?);
    let pair = match part.get("items") {
        Some(items) => {
            let members = resolved(schema, items).get("properties")?.as_object()?;
            let named = |word: &str| members.keys().find(|name| name.eq_ignore_ascii_case(word)).cloned();
            Some((named("key")?, named("value")?))
        }
        None => None,
    };
    Some(TagProperty { name: name.to_owned(), pair, updatable: says("tagUpdatable") })
}

/// Removes what stands at a path, in every item of the lists on the way.
fn remove(value: &mut Value, path: &[&str]) {
    match (path, value) {
        ([only], Value::Object(map)) => {
            map.remove(*only);
        }
        (["*", rest @ ..], Value::Array(items)) if !rest.is_empty() => {
            items.iter_mut().for_each(|item| remove(item, rest));
        }
        ([step, rest @ ..], Value::Object(map)) => {
            if let Some(inner) = map.get_mut(*step) {
                remove(inner, rest);
            }
        }
        (_, Value::Array(items)) => items.iter_mut().for_each(|item| remove(item, path)),
        _ => {}
    }
}

/// Whether something stands at a path.
pub(super) fn stands(value: &Value, path: &str) -> bool {
    fn inside(value: &Value, path: &[&str]) -> bool {
        match (path, value) {
            ([], _) => true,
            (["*", rest @ ..], Value::Array(items)) => items.iter().any(|item| inside(item, rest)),
            (_, Value::Array(items)) => items.iter().any(|item| inside(item, path)),
            ([step, rest @ ..], Value::Object(map)) => map.get(*step).is_some_and(|v| inside(v, rest)),
            _ => false,
        }
    }
    inside(value, &path.split('/').collect::<Vec<_>>())
}

/// One tree over another: members of maps one by one, everything else whole.
pub(super) fn merged(below: Option<&Value>, above: &Value) -> Value {
    match (below, above) {
        (Some(Value::Object(below)), Value::Object(above)) => {
            let mut all: Map<String, Value> = below.clone();
            for (name, value) in above {
                let value = merged(below.get(name), value);
                all.insert(name.clone(), value);
            }
            Value::Object(all)
        }
        (_, above) => above.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Value {
        json!({
            "properties": {
                "Name": {"type": "string"}, "Arn": {"type": "string"}, "Secret": {"type": "string"},
                "Tags": {"type": "array", "insertionOrder": false, "items": {"$ref": "#/definitions/Tag"}},
                "Rules": {"type": "array", "items": {"$ref": "#/definitions/Rule"}},
            },
            "definitions": {
                "Tag": {"type": "object", "properties": {"Key": {}, "Value": {}}},
                "Rule": {"properties": {"Id": {}, "Ports": {"type": "array", "insertionOrder": false, "items": {}},
                    "Inner": {"$ref": "#/definitions/Rule"}}},
            },
            "createOnlyProperties": ["/properties/Name", "/properties/Rules/*/Id"],
            "readOnlyProperties": ["/properties/Arn", "/properties/Rules/*/Made"],
            "writeOnlyProperties": ["/properties/Secret"],
            "tagging": {"taggable": true, "tagOnCreate": true, "tagProperty": "/properties/Tags"},
        })
    }

    #[test]
    fn the_schema_says_what_can_change_what_is_told_and_what_has_no_order() {
        let known = TypeSchema::parse(&schema());
        assert_eq!(known.create_only, ["Name", "Rules/*/Id"]);
        assert_eq!(known.write_only, ["Secret"]);
        assert!(["Rules/*/Ports", "Rules/*/Inner/Ports", "Tags"].iter().all(|p| known.sets.iter().any(|s| s == p)));
        let pair = Some(("Key".to_owned(), "Value".to_owned()));
        assert_eq!(known.tags, Some(TagProperty { name: "Tags".into(), pair, updatable: true }));
        let there = json!({"Name": "a", "Arn": "x", "Secret": "s", "Tags": [{"Key": "用途", "Value": "夜間"}], "Rules": [{"Id": 1, "Made": 2}]});
        assert_eq!(known.declarable(&there), json!({"Name": "a", "Rules": [{"Id": 1}]}));
        let tags = known.tags_of(&there);
        assert_eq!(tags, Tags::from([("用途".to_owned(), "夜間".to_owned())]));
        assert_eq!(known.tags.unwrap().value(&tags), there["Tags"]);
    }

    #[test]
    fn tags_may_be_a_map_and_a_type_may_have_none_from_the_beginning() {
        let mut map = schema();
        map["properties"]["Tags"] = json!({"type": "object", "patternProperties": {".*": {"type": "string"}}});
        let known = TypeSchema::parse(&map);
        let tags = Tags::from([("a".to_owned(), "1".to_owned())]);
        assert_eq!(known.tags.as_ref().unwrap().value(&tags), json!({"a": "1"}));
        assert_eq!(known.tags_of(&json!({"Tags": {"a": "1"}})), tags);
        for (member, value) in
            [("taggable", json!(false)), ("tagOnCreate", json!(false)), ("tagProperty", json!("/properties/X"))]
        {
            let mut without = schema();
            without["tagging"][member] = value;
            assert_eq!(TypeSchema::parse(&without).tags, None, "{member}");
        }
    }

    #[test]
    fn maps_are_merged_and_lists_are_taken_whole() {
        let below = json!({"A": {"B": 1, "C": [1, 2]}, "D": 1});
        assert_eq!(merged(Some(&below), &json!({"A": {"C": [3]}})), json!({"A": {"B": 1, "C": [3]}, "D": 1}));
        assert!(stands(&json!({"R": [{"I": 1}]}), "R/*/I") && !stands(&json!({"R": []}), "R/*/I"));
    }
}
