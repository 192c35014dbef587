//! Ids and attributes of simulated objects: plausible, and the same for the same seed.

use serde_json::{Value, json};

use super::record::Conditions;
use crate::model::kind::{KindDef, Scope};
use crate::model::ownership::hash;
use crate::model::value::Map;

/// What the attributes of an object are made from.
pub(super) struct Seed<'a> {
    pub kind: &'a KindDef,
    pub region: &'a str,
    pub account: &'a str,
    pub name: &'a str,
    pub id: &'a str,
    pub spec: &'a Value,
    /// How often the object was changed.
    pub version: u64,
}

/// The id of a new object. Kinds whose physical name is the id (they have no other) are named by it.
pub(super) fn new_id(conditions: &mut Conditions, seed: u64, kind: &KindDef, name: &str) -> String {
    conditions.counter += 1;
    if kind.facts.name_limit > 0 && !name.is_empty() {
        return name.to_owned();
    }
    format!("{}-{}", kind.name.replace('_', "-"), hash(&format!("{seed} {}", conditions.counter), 17))
}

pub(super) fn arn(seed: &Seed<'_>) -> String {
    let region = match seed.kind.facts.scope {
        Scope::Regional => seed.region,
        Scope::Global => "",
    };
    format!("arn:simulated:{}:{region}:{}:{}/{}", seed.kind.facts.service, seed.account, seed.kind.name, seed.id)
}

/// All attributes that the kind has.
pub(super) fn all(seed: &Seed<'_>) -> Map<String, Value> {
    seed.kind.facts.attributes.iter().map(|a| (a.name.to_owned(), one(seed, a.name, a.stable))).collect()
}

fn one(seed: &Seed<'_>, name: &str, stable: bool) -> Value {
    let drawn = |what: &str| hash(&format!("{} {what}", seed.id), 17);
    let number = |what: &str| u32::from_str_radix(&hash(&format!("{} {what}", seed.id), 6), 16).unwrap_or(0);
    if let Some(value) = seed.spec.get(name).filter(|v| !v.is_object() && !v.is_array()) {
        return value.clone();
    }
    let text = match name {
        "id" => seed.id.to_owned(),
        "arn" => arn(seed),
        "name" => seed.name.to_owned(),
        _ if name.contains("version") => return json!(seed.version.to_string()),
        _ if name.contains("private") && name.contains("ip") => {
            let n = number(name);
            format!("10.{}.{}.{}", n & 255, (n >> 8) & 255, (n >> 16) & 255)
        }
        _ if name.ends_with("_ip") || name.ends_with("address") => format!("198.51.100.{}", number(name) % 254 + 1),
        _ if name.ends_with("endpoint") || name.contains("dns") || name.ends_with("host") => {
            format!("{}.{}.simulated.example", drawn(name), seed.region)
        }
        _ if name.ends_with("servers") => {
            return json!([1, 2, 3, 4].map(|n| format!("ns-{n}.{}.simulated.example", drawn(name))));
        }
        _ if name.ends_with("arn") => format!("{}/{name}", arn(seed)),
        _ if name.contains("account") => seed.account.to_owned(),
        _ if name.contains("name") => seed.name.to_owned(),
        _ => format!("{}-{}", name.trim_end_matches("_id").replace('_', "-"), drawn(name)),
    };
    // What an update may change, changes with each.
    Value::String(if stable || seed.version <= 1 { text } else { format!("{text}-{}", seed.version) })
}
