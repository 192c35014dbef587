//! Field metadata of a kind, taken from the JSON Schema of its `Spec` type.
//!
//! The one source is the Rust type: doc comments become descriptions, `Option` becomes "not required", and the
//! extension keys say what the engine must know:
//!
//! | key | value | meaning |
//! |---|---|---|
//! | `x-change` | `"replace"`, `"interrupts"` | what a change of the field does (left out: an update in place) |
//! | `x-unordered` | `true` | a list compared as a set |
//! | `x-fingerprint` | `true` | compared by the fingerprint kept in the object's tags when it can't be read cheaply |
//! | `x-sensitive` | `true` | never shown or written |
//! | `x-deep` | `true` | read with one call an object, so only where it is declared |
//! | `x-text` | `"text"` | long text, shown as a unified diff |
//! | `x-merge` | `true` | a map, or a free tree, of which only the declared members are managed |
//! | `x-replaces` | attribute | of a free tree: attribute of the object that names the members that can't change |
//! | `x-sets` | attribute | of a free tree: attribute of the object that names the lists that are sets |
//! | `x-version` | `true` | a version, compared as far as it is declared: `16` is also `16.4` |
//! | `x-anywhere` | `true` | a reference whose object may be in another region |
//! | `x-left-out` | a value, or `null` for none | of a member inside a field: what the object must have where it is left out |
//! | `x-type`, `x-ref` | set by the types of [`super::types`] | |
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

/// What a change of a field does to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// Changed in place, nobody notices.
    Update,
    /// Changed in place, with an interruption.
    Interrupts,
    /// A new object takes its place.
    Replace,
}

/// The shape of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    /// Text.
    String {
        /// Regular expression that it must match.
        pattern: Option<String>,
        /// The only values, if they are few.
        values: Vec<String>,
        /// Least and most characters.
        length: (Option<u64>, Option<u64>),
    },
    /// A whole number with its least and greatest value.
    Integer(Option<i64>, Option<i64>),
    /// A number with its least and greatest value.
    Number(Option<f64>, Option<f64>),
    /// True or false.
    Boolean,
    /// A list with its least and greatest length.
    List(Box<Type>, Option<u64>, Option<u64>),
    /// A map with free keys.
    Map(Box<Type>),
    /// A mapping with known fields.
    Object(Schema),
    /// A reference to an object of this kind.
    Ref(String),
    /// An address range.
    Cidr,
    /// A length of time.
    Duration,
    /// A size in bytes.
    Size,
    /// A policy document.
    Policy,
    /// A machine image.
    Image,
    /// Anything.
    Any,
}

/// One field.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Name in the file.
    pub name: String,
    /// What it is, from the doc comment.
    pub doc: String,
    /// Its shape.
    pub ty: Type,
    /// Whether it must be given.
    pub required: bool,
    /// What stands for it when left out; without one, a left-out field is not managed.
    pub default: Option<Value>,
    /// What a change does.
    pub change: Change,
    /// A list compared as a set.
    pub unordered: bool,
    /// Compared by fingerprint where it was not read.
    pub fingerprint: bool,
    /// Never shown or written.
    pub sensitive: bool,
    /// Read with one call an object, so only where declared.
    pub deep: bool,
    /// Long text, shown as a unified diff.
    pub text: bool,
    /// A map, or a free tree, of which only the declared members are managed.
    pub merge: bool,
    /// Attribute of the object that names the members of a free tree that can't change in place (`Rules/*/Id`).
    pub replaces: Option<String>,
    /// Attribute of the object that names the lists in a free tree that are sets.
    pub sets: Option<String>,
    /// A version, compared as far as it is declared.
    pub version: bool,
    /// References whose objects may be in another region.
    pub anywhere: bool,
    /// Of a member inside a field: what the object must have where it is left out, null for nothing. Without it, a member
    /// that is left out is not managed.
    pub left_out: Option<Value>,
}

/// The fields of a mapping, in the order of the Rust type.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Schema {
    /// The fields.
    pub fields: Vec<Field>,
}

impl Schema {
    /// Compiles the schema of a type.
    ///
    /// # Panics
    /// If the type uses a shape that specs may not have (a test walks all kinds, so none reaches a user).
    pub fn of<T: JsonSchema>() -> Self {
        let mut settings = SchemaSettings::draft2020_12();
        settings.inline_subschemas = true;
        let root = settings.into_generator().into_root_schema_for::<T>();
        let value = root.to_value();
        match parse_type(&value, std::any::type_name::<T>()) {
            Type::Object(schema) => schema,
            other => panic!("{}: a spec is a struct, not {other:?}", std::any::type_name::<T>()),
        }
    }

    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }

    /// Names of all fields.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|f| f.name.as_str())
    }

    /// Calls `visit` for every reference in `value` with the kind it must have.
    pub fn visit_refs<'v>(&self, value: &'v Value, visit: &mut impl FnMut(&str, &'v Value)) {
        self.visit_refs_of(value, &|_| true, visit);
    }

    /// Calls `visit` for every reference in `value` whose object must be in the region of the one that refers to it.
    pub fn visit_near_refs<'v>(&self, value: &'v Value, visit: &mut impl FnMut(&str, &'v Value)) {
        self.visit_refs_of(value, &|field| !field.anywhere, visit);
    }

    fn visit_refs_of<'v>(
        &self,
        value: &'v Value,
        fields: &dyn Fn(&Field) -> bool,
        visit: &mut impl FnMut(&str, &'v Value),
    ) {
        let Value::Object(map) = value else { return };
        for field in self.fields.iter().filter(|f| fields(f)) {
            if let Some(inner) = map.get(&field.name) {
                visit_refs(&field.ty, inner, fields, visit);
            }
        }
    }

    /// Calls `change` for every reference in `value`, which it may rewrite.
    pub fn map_refs(&self, value: &mut Value, change: &mut impl FnMut(&str, &mut Value)) {
        self.map_typed(value, &mut |ty, value| {
            if let Type::Ref(kind) = ty {
                change(kind, value);
            }
        });
    }

    /// Calls `change` for every value that is not a struct, list or map of known shape, with its type.
    pub fn map_typed(&self, value: &mut Value, change: &mut impl FnMut(&Type, &mut Value)) {
        if let Value::Object(map) = value {
            for field in &self.fields {
                if let Some(inner) = map.get_mut(&field.name) {
                    map_typed(&field.ty, inner, change);
                }
            }
        }
    }
}

fn visit_refs<'v>(
    ty: &Type,
    value: &'v Value,
    fields: &dyn Fn(&Field) -> bool,
    visit: &mut impl FnMut(&str, &'v Value),
) {
    match (ty, value) {
        (Type::Ref(kind), _) => visit(kind, value),
        (Type::Object(schema), _) => schema.visit_refs_of(value, fields, visit),
        (Type::List(inner, ..), Value::Array(items)) => {
            items.iter().for_each(|v| visit_refs(inner, v, fields, visit));
        }
        (Type::Map(inner), Value::Object(map)) => map.values().for_each(|v| visit_refs(inner, v, fields, visit)),
        _ => {}
    }
}

fn map_typed(ty: &Type, value: &mut Value, change: &mut impl FnMut(&Type, &mut Value)) {
    match (ty, value) {
        (Type::Object(schema), value) => schema.map_typed(value, change),
        (Type::List(inner, ..), Value::Array(items)) => items.iter_mut().for_each(|v| map_typed(inner, v, change)),
        (Type::Map(inner), Value::Object(map)) => map.values_mut().for_each(|v| map_typed(inner, v, change)),
        (ty, value) => change(ty, value),
    }
}

fn parse_type(schema: &Value, context: &str) -> Type {
    let Some(map) = schema.as_object() else { return Type::Any };
    if let Some(ty) = map.get("x-type").and_then(Value::as_str) {
        return match ty {
            "ref" => Type::Ref(text(map, "x-ref").unwrap_or_default()),
            "cidr" => Type::Cidr,
            "duration" => Type::Duration,
            "size" => Type::Size,
            "policy" => Type::Policy,
            "image" => Type::Image,
            other => panic!("{context}: unknown x-type {other}"),
        };
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        if let Some(options) = map.get(key).and_then(Value::as_array) {
            return parse_options(options, context);
        }
    }
    if let Some(value) = map.get("const").and_then(Value::as_str) {
        return Type::String { pattern: None, values: vec![value.to_owned()], length: (None, None) };
    }
    match type_name(map) {
        Some("string") => Type::String {
            pattern: text(map, "pattern"),
            values: map
                .get("enum")
                .and_then(Value::as_array)
                .map(|v| v.iter().filter_map(Value::as_str).map(str::to_owned).collect())
                .unwrap_or_default(),
            length: (number(map, "minLength"), number(map, "maxLength")),
        },
        Some("integer") => {
            Type::Integer(map.get("minimum").and_then(as_integer), map.get("maximum").and_then(as_integer))
        }
        Some("number") => {
            Type::Number(map.get("minimum").and_then(Value::as_f64), map.get("maximum").and_then(Value::as_f64))
        }
        Some("boolean") => Type::Boolean,
        Some("array") => Type::List(
            Box::new(map.get("items").map_or(Type::Any, |s| parse_type(s, context))),
            number(map, "minItems"),
            number(map, "maxItems"),
        ),
        Some("object") => parse_object(map, context),
        _ => Type::Any,
    }
}

fn parse_options(options: &[Value], context: &str) -> Type {
    let mut real = options.iter().filter(|o| o.get("type").and_then(Value::as_str) != Some("null"));
    match (real.next(), real.next()) {
        (Some(only), None) => parse_type(only, context),
        (Some(_), Some(_)) => {
            let values: Vec<String> = options
                .iter()
                .filter_map(|o| match parse_type(o, context) {
                    Type::String { values, .. } => Some(values),
                    _ => None,
                })
                .flatten()
                .collect();
            assert!(!values.is_empty(), "{context}: a choice in a spec must be between words");
            Type::String { pattern: None, values, length: (None, None) }
        }
        _ => Type::Any,
    }
}

fn parse_object(map: &Map<String, Value>, context: &str) -> Type {
    let Some(properties) = map.get("properties").and_then(Value::as_object) else {
        return match map.get("additionalProperties") {
            Some(inner @ Value::Object(_)) => Type::Map(Box::new(parse_type(inner, context))),
            Some(Value::Bool(false)) => Type::Object(Schema::default()),
            _ => Type::Map(Box::new(Type::Any)),
        };
    };
    let required: Vec<&str> = map
        .get("required")
        .and_then(Value::as_array)
        .map(|r| r.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let fields = properties
        .iter()
        .map(|(name, schema)| {
            parse_field(name, schema, required.contains(&name.as_str()), &format!("{context}.{name}"))
        })
        .collect();
    Type::Object(Schema { fields })
}

fn parse_field(name: &str, schema: &Value, required: bool, context: &str) -> Field {
    let empty = Map::new();
    let map = schema.as_object().unwrap_or(&empty);
    let flag = |key: &str| map.get(key).and_then(Value::as_bool).unwrap_or(false);
    let change = match map.get("x-change").and_then(Value::as_str) {
        None => Change::Update,
        Some("interrupts") => Change::Interrupts,
        Some("replace") => Change::Replace,
        Some(other) => panic!("{context}: unknown x-change {other}"),
    };
    Field {
        name: name.to_owned(),
        doc: text(map, "description").unwrap_or_default(),
        ty: parse_type(schema, context),
        required,
        default: map.get("default").filter(|v| !v.is_null()).cloned(),
        change,
        unordered: flag("x-unordered"),
        fingerprint: flag("x-fingerprint"),
        sensitive: flag("x-sensitive"),
        deep: flag("x-deep"),
        text: map.contains_key("x-text"),
        merge: flag("x-merge"),
        replaces: text(map, "x-replaces"),
        sets: text(map, "x-sets"),
        version: flag("x-version"),
        anywhere: flag("x-anywhere"),
        left_out: map.get("x-left-out").cloned(),
    }
}

fn type_name(map: &Map<String, Value>) -> Option<&str> {
    match map.get("type")? {
        Value::String(s) => Some(s),
        Value::Array(options) => options.iter().filter_map(Value::as_str).find(|t| *t != "null"),
        _ => None,
    }
}

fn text(map: &Map<String, Value>, key: &str) -> Option<String> {
    map.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn number(map: &Map<String, Value>, key: &str) -> Option<u64> {
    map.get(key).and_then(Value::as_u64)
}

#[allow(clippy::cast_possible_truncation, reason = "bounds in schemas are small whole numbers")]
fn as_integer(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_f64().map(|f| f as i64))
}
