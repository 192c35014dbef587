//! JSON Schemas of the three sorts of files, for editors, made from the Rust types.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::config::ResourceFile;
use crate::model::kind::{KindDef, Kinds};

/// An environment: where and how big.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "only its shape is used")]
struct Environment {
    /// Another environment that this one lays itself over.
    extends: Option<String>,
    /// Only to be extended.
    r#abstract: Option<bool>,
    /// Project: the first part of ownership tags and physical names.
    #[schemars(regex(pattern = r"^[A-Za-z0-9-]{1,32}$"))]
    project: Option<String>,
    /// Which cloud.
    provider: Option<Provider>,
    /// Account id that the credentials must belong to.
    #[schemars(regex(pattern = r"^[0-9]{12}$"))]
    account: Option<String>,
    /// ARN of a role to assume.
    role: Option<String>,
    /// Main region.
    region: Option<String>,
    /// Zones of the main region that the stacks use.
    zones: Option<Vec<String>>,
    /// Further regions by the name that stacks use for them.
    regions: Option<BTreeMap<String, String>>,
    /// Tags on every object.
    tags: Option<BTreeMap<String, String>>,
    /// Whether resources are protected from deletion unless they say otherwise.
    protect: Option<bool>,
    /// Where lock, journal and record are kept.
    state: Option<State>,
    /// Only these stacks.
    stacks: Option<Vec<String>>,
    /// Values of parameters: under `all` for every stack that declares them, else by stack.
    parameters: Option<BTreeMap<String, BTreeMap<String, Value>>>,
    /// Settings of the simulated cloud.
    simulated: Option<Map<String, Value>>,
}

#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "only its shape is used")]
enum State {
    /// A folder on this machine, relative to the project.
    Folder(String),
    /// A bucket that several machines share.
    Bucket(Bucket),
}

/// A place in an S3 bucket.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "only its shape is used")]
struct Bucket {
    /// Name of the bucket.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"))]
    bucket: String,
    /// Before every key; the project's name unless given.
    prefix: Option<String>,
    /// Region of the bucket; the environment's unless given.
    region: Option<String>,
    /// How long the lock stays with a holder who gives no sign of life, 15s to 1h; 60s unless given.
    lease: Option<crate::model::types::Duration>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
#[allow(dead_code, reason = "only its shape is used")]
enum Provider {
    /// Amazon Web Services.
    Aws,
    /// The built-in model of a cloud.
    Simulated,
}

/// A parameter.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "only its shape is used")]
struct Parameter {
    /// What it takes.
    r#type: ParameterType,
    /// What it is for.
    description: Option<String>,
    /// What stands for it when it is not given.
    default: Option<Value>,
    /// Never shown.
    sensitive: Option<bool>,
    /// Least value of a number.
    minimum: Option<f64>,
    /// Greatest value of a number.
    maximum: Option<f64>,
    /// Least length of a text.
    min_length: Option<u64>,
    /// Greatest length of a text.
    max_length: Option<u64>,
    /// Regular expression of a text.
    pattern: Option<String>,
    /// Values of an enum; type of the values of a map.
    values: Option<Value>,
    /// Type of the items of a list.
    items: Option<Value>,
    /// Least length of a list.
    min_items: Option<u64>,
    /// Greatest length of a list.
    max_items: Option<u64>,
    /// Kind of a reference.
    kind: Option<String>,
}

#[derive(JsonSchema)]
#[schemars(rename_all = "snake_case")]
#[allow(dead_code, reason = "only its shape is used")]
enum ParameterType {
    String,
    Integer,
    Number,
    Boolean,
    List,
    Map,
    Enum,
    Cidr,
    Duration,
    Size,
    Reference,
    Any,
}

/// How the engine treats a resource.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "only its shape is used")]
struct Lifecycle {
    /// A plan that would delete or replace it is refused.
    protect: Option<bool>,
    /// Order of a replacement.
    replacement: Option<crate::model::kind::Replacement>,
    /// Fields whose differences are left alone.
    ignore: Option<Vec<String>>,
}

/// A use of a template.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "only its shape is used")]
struct Component {
    /// The template: a file in templates/.
    template: String,
    /// Values of its parameters.
    with: Option<Map<String, Value>>,
    /// Repetition over a list, a map or a number.
    each: Option<Value>,
    /// Condition.
    when: Option<Value>,
    /// Region of all inside.
    region: Option<String>,
    /// What must be there first.
    depends_on: Option<Value>,
    /// How the engine treats all inside.
    lifecycle: Option<Lifecycle>,
}

/// An output.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "only its shape is used")]
struct Output {
    /// Its value.
    value: Value,
    /// What it is.
    description: Option<String>,
    /// Never shown.
    sensitive: Option<bool>,
}

/// A renamed resource.
#[derive(JsonSchema)]
#[schemars(deny_unknown_fields)]
#[allow(dead_code, reason = "only its shape is used")]
struct Moved {
    /// Before.
    from: String,
    /// Now.
    to: String,
}

const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

fn generator() -> SchemaGenerator {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.into_generator()
}

fn shape<T: JsonSchema>() -> Value {
    without_nulls(generator().subschema_for::<T>().to_value())
}

/// The schema of `environments/*.yaml`.
pub fn environment() -> Value {
    let mut schema = shape::<Environment>();
    label(&mut schema, "saiken environment");
    schema
}

/// The schema of `stacks/*.yaml`.
pub fn stack(kinds: &Kinds) -> Value {
    let mut properties = body(kinds);
    properties.insert("stack".to_owned(), json!({ "type": "string", "description": "Name: that of the file." }));
    properties.insert("region".to_owned(), json!({ "type": "string", "description": "Region of all resources." }));
    properties.insert(
        "moved".to_owned(),
        json!({ "type": "array", "items": shape::<Moved>(), "description": "Renamed resources." }),
    );
    properties.insert(
        "forget".to_owned(),
        json!({ "type": "array", "items": { "type": "string" }, "description": "No longer declared, to be left alone." }),
    );
    file("saiken stack", properties, "stack")
}

/// The schema of `templates/*.yaml`.
pub fn template(kinds: &Kinds) -> Value {
    let mut properties = body(kinds);
    properties.insert("template".to_owned(), json!({ "type": "string", "description": "Name: that of the file." }));
    file("saiken template", properties, "template")
}

fn file(title: &str, properties: Map<String, Value>, name: &str) -> Value {
    let mut schema = json!({
        "type": "object",
        "properties": properties,
        "required": [name],
        "additionalProperties": false,
    });
    label(&mut schema, title);
    schema
}

fn label(schema: &mut Value, title: &str) {
    if let Value::Object(map) = schema {
        map.insert("$schema".to_owned(), DRAFT.into());
        map.insert("title".to_owned(), title.into());
    }
}

fn body(kinds: &Kinds) -> Map<String, Value> {
    let resource = json!({
        "type": "object",
        "properties": { "kind": { "enum": kinds.names().collect::<Vec<_>>() } },
        "required": ["kind"],
        "allOf": kinds.iter().map(|k| for_kind(k)).collect::<Vec<_>>(),
    });
    let named =
        |schema: Value, doc: &str| json!({ "type": "object", "additionalProperties": schema, "description": doc });
    let Value::Object(map) = json!({
        "description": { "type": "string", "description": "What it is." },
        "parameters": named(shape::<Parameter>(), "Typed parameters."),
        "resources": named(resource, "Resources by name."),
        "components": named(shape::<Component>(), "Uses of templates by name."),
        "outputs": named(shape::<Output>(), "Values for other stacks and for people."),
    }) else {
        return Map::new();
    };
    map
}

/// If the kind is this one, then its fields and the resource's own words, and no others.
fn for_kind(kind: &KindDef) -> Value {
    let spec = without_nulls((kind.json_schema)(&mut generator()).to_value());
    let mut properties = spec.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    for value in properties.values_mut() {
        *value = loosened(value.clone());
    }
    let component = shape::<Component>();
    for name in ResourceFile::OWN {
        let own = component.get("properties").and_then(|p| p.get(name)).cloned();
        let adopt = json!({ "description": "Id of an existing object to take over." });
        properties
            .insert(name.to_owned(), own.unwrap_or(if name == "kind" { json!({ "const": kind.name }) } else { adopt }));
    }
    let mut then = json!({ "properties": properties, "additionalProperties": false });
    if let (Value::Object(then), Some(required)) = (&mut then, spec.get("required")) {
        then.insert("required".to_owned(), required.clone());
    }
    json!({ "if": { "properties": { "kind": { "const": kind.name } } }, "then": then })
}

/// What stands in files in place of a value: an expression, or for text a payload.
fn loosened(schema: Value) -> Value {
    let Value::Object(mut map) = schema else { return schema };
    for key in ["properties"] {
        if let Some(Value::Object(inner)) = map.get_mut(key) {
            for value in inner.values_mut() {
                *value = loosened(value.take());
            }
        }
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner @ Value::Object(_)) = map.get_mut(key) {
            *inner = loosened(inner.take());
        }
    }
    let description = map.get("description").cloned();
    let default = map.get("default").cloned();
    let is_ref = |s: &Value| s.get("x-type").is_some_and(|t| t == "ref");
    let references =
        map.get("items").is_some_and(|i| is_ref(i) || i.get("anyOf").and_then(|a| a.get(0)).is_some_and(is_ref));
    let text = map.get("type").is_some_and(|t| t == "string") && !map.contains_key("enum");
    if matches!(map.get("x-type").and_then(Value::as_str), Some("ref" | "policy" | "image"))
        && map.get("type").is_none()
    {
        return Value::Object(map);
    }
    // A single name stands for a list of references: all of a repetition.
    let alone = if references { json!({ "type": "string" }) } else { json!({ "type": "string", "pattern": "\\{\\{" }) };
    let mut options = vec![Value::Object(map), alone];
    if text {
        options.push(json!({
            "type": "object",
            "properties": { "payload": { "type": "string" }, "with": { "type": "object" } },
            "required": ["payload"],
            "additionalProperties": false,
        }));
        // Numbers written without quotes stand for their text.
        options.push(json!({ "type": ["number", "boolean"] }));
    }
    let mut out = Map::new();
    if let Some(description) = description {
        out.insert("description".to_owned(), description);
    }
    if let Some(default) = default {
        out.insert("default".to_owned(), default);
    }
    out.insert("anyOf".to_owned(), Value::Array(options));
    Value::Object(out)
}

/// Fields that may be left out are left out, not null.
fn without_nulls(mut schema: Value) -> Value {
    match &mut schema {
        Value::Object(map) => {
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|t| t != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(options)) = map.get_mut("anyOf") {
                options.retain(|o| o.get("type").is_none_or(|t| t != "null"));
                if options.len() == 1 {
                    let only = options.remove(0);
                    map.remove("anyOf");
                    if let Value::Object(only) = only {
                        for (key, value) in only {
                            map.entry(key).or_insert(value);
                        }
                    }
                }
            }
            if let Some(Value::Array(values)) = map.get_mut("enum") {
                values.retain(|v| !v.is_null());
            }
            if map.get("default").is_some_and(Value::is_null) {
                map.remove("default");
            }
            for value in map.values_mut() {
                *value = without_nulls(value.take());
            }
        }
        Value::Array(items) => {
            for item in items {
                *item = without_nulls(item.take());
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    schema
}
