//! Filling in what is known: attributes of other resources, answers to lookups, and fields known by fingerprint.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::model::desired::Resource;
use crate::model::observed::{Lookup, Object};
use crate::model::ownership;
use crate::model::schema::{Field, Schema, Type};
use crate::model::value::{self, Token};

use super::world::World;

/// A spec with all filled in that is known.
pub(super) struct Resolved<'s> {
    pub spec: Cow<'s, Value>,
    pub notes: Vec<String>,
    /// Fingerprints of the declared fields, before lookups.
    pub hashes: BTreeMap<String, String>,
}

/// Fills in a resource's spec. `current` is the object that stands there.
///
/// # Errors
/// If a lookup has no answer: why.
pub(super) fn resolve<'s>(
    world: &World<'_>,
    resource: &'s Resource,
    current: Option<&Object>,
    known: &impl Fn(Token<'_>) -> Option<Value>,
) -> Result<Resolved<'s>, String> {
    let schema = &resource.kind.schema;
    let mut spec = value::substitute(&resource.spec, known);
    let hashes = if schema.fields.iter().any(|f| f.fingerprint) {
        ownership::fingerprints(schema, &spec)
    } else {
        BTreeMap::new()
    };
    // What was unknown when the files were read may stand elsewhere in the one form that it has when it is known.
    if let Cow::Owned(filled) = &spec
        && let Ok((canonical, _)) = resource.kind.normalise(filled)
    {
        spec = Cow::Owned(canonical);
    }
    let mut notes = Vec::new();
    if asks(schema, &spec) {
        let mut failed = None;
        for field in &schema.fields {
            if !matches!(field.ty, Type::Image) || !spec.get(&field.name).is_some_and(Value::is_object) {
                continue;
            }
            let query = spec[field.name.as_str()].clone();
            match image(world, resource, field, &query, current, &hashes, &mut notes) {
                Ok(id) => spec.to_mut()[field.name.as_str()] = id,
                Err(why) => failed = Some(why),
            }
        }
        schema.map_typed(spec.to_mut(), &mut |ty, node| {
            if let Some(answer) = answer(world, resource, ty, node) {
                match answer {
                    Ok(id) if matches!(ty, Type::Image) => *node = Value::String(id),
                    Ok(id) => *node = json!({ "id": id }),
                    Err(why) => failed = Some(why),
                }
            }
        });
        if let Some(why) = failed {
            return Err(why);
        }
    }
    Ok(Resolved { spec, notes, hashes })
}

/// Whether the object's tags say that a field is as declared.
pub(super) fn known_equal(field: &Field, hashes: &BTreeMap<String, String>, object: &Object) -> bool {
    let there = object.owner.as_ref().and_then(|o| o.fingerprints.get(&field.name));
    field.fingerprint && there.is_some() && hashes.get(&field.name) == there
}

/// Whether a field was not read.
pub(super) fn is_unread(field: &Field, object: &Object) -> bool {
    object.unread.contains(&field.name)
        || (field.sensitive && field.fingerprint && object.spec.get(&field.name).is_none())
}

fn image(
    world: &World<'_>,
    resource: &Resource,
    field: &Field,
    query: &Value,
    current: Option<&Object>,
    hashes: &BTreeMap<String, String>,
    notes: &mut Vec<String>,
) -> Result<Value, String> {
    let found = ask(world, resource, "image", &image_query(query));
    let follow = query.get("follow").and_then(Value::as_bool).unwrap_or(false);
    let there = current
        .filter(|o| !follow && known_equal(field, hashes, o))
        .and_then(|o| o.spec.get(&field.name))
        .and_then(Value::as_str);
    match (there, found) {
        (Some(there), found) => {
            if let Ok(newer) = found
                && newer != there
            {
                notes.push(format!(
                    "a newer image is there: {newer} (not taken; set `follow: true`, or change the query)"
                ));
            }
            Ok(Value::String(there.to_owned()))
        }
        (None, Ok(id)) => {
            notes.push(format!("`{}` is {id}, found by its query", field.name));
            Ok(Value::String(id))
        }
        (None, Err(why)) => Err(why),
    }
}

fn image_query(query: &Value) -> Value {
    let mut query = query.clone();
    if let Some(map) = query.as_object_mut() {
        map.remove("follow");
    }
    query
}

fn answer(world: &World<'_>, resource: &Resource, ty: &Type, node: &Value) -> Option<Result<String, String>> {
    match ty {
        Type::Ref(kind) if node.get("tags").is_some() => Some(ask(world, resource, kind, node)),
        Type::Image if node.is_object() => Some(ask(world, resource, "image", &image_query(node))),
        _ => None,
    }
}

fn ask(world: &World<'_>, resource: &Resource, what: &str, query: &Value) -> Result<String, String> {
    let observed = world.inputs.observed;
    let main = &world.inputs.desired.environment.region;
    [&resource.region, main]
        .into_iter()
        .find_map(|region| observed.lookups.get(&Lookup::new(what, region, query)))
        .cloned()
        .unwrap_or_else(|| Err(format!("{what} {query} was not looked up")))
        .map_err(|why| format!("{what} {query}: {why}"))
}

/// Whether a spec holds a question to the cloud.
fn asks(schema: &Schema, spec: &Value) -> bool {
    fn inside(ty: &Type, node: &Value) -> bool {
        match (ty, node) {
            (Type::Ref(_), Value::Object(map)) => map.contains_key("tags"),
            (Type::Image, Value::Object(_)) => true,
            (Type::Object(schema), _) => asks(schema, node),
            (Type::List(inner, ..), Value::Array(items)) => items.iter().any(|v| inside(inner, v)),
            (Type::Map(inner), Value::Object(map)) => map.values().any(|v| inside(inner, v)),
            _ => false,
        }
    }
    schema.fields.iter().any(|f| spec.get(&f.name).is_some_and(|v| inside(&f.ty, v)))
}
