//! The scalar and small types that specs are made of: references, address ranges, durations, sizes, policies, images.
//!
//! Each reads what a user may write, and writes one canonical form, so that equal meanings compare equal. Each names
//! itself in its JSON Schema (`x-type`), from which [`super::schema`] takes the engine's field metadata.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::kind::Kind;
use super::value::is_unknown_text;

/// A reference to an object of kind `K`.
///
/// In a desired spec: the address of a resource, or an object that saiken does not own, by its id or by its tags.
/// In an observed spec: the id that the API gave; the inventory turns the ids of owned objects into addresses.
pub struct Ref<K> {
    target: Target,
    kind: PhantomData<fn() -> K>,
}

/// What a [`Ref`] points at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Target {
    /// A resource of the project, by its address.
    Owned(String),
    /// Any object, by the id that the API knows.
    Id {
        /// The API's id.
        id: String,
    },
    /// An object that is not owned, by its tags; exactly one must match.
    Tags {
        /// Tag names and values.
        tags: BTreeMap<String, String>,
    },
}

impl<K> Ref<K> {
    /// A reference by the API's id, as an observed spec holds it.
    pub fn id(id: impl Into<String>) -> Self {
        Self { target: Target::Id { id: id.into() }, kind: PhantomData }
    }

    /// A reference by address.
    pub fn address(address: impl Into<String>) -> Self {
        Self { target: Target::Owned(address.into()), kind: PhantomData }
    }

    /// What it points at.
    pub fn target(&self) -> &Target {
        &self.target
    }
}

impl<K> Clone for Ref<K> {
    fn clone(&self) -> Self {
        Self { target: self.target.clone(), kind: PhantomData }
    }
}

impl<K> PartialEq for Ref<K> {
    fn eq(&self, other: &Self) -> bool {
        self.target == other.target
    }
}

impl<K> Eq for Ref<K> {}

impl<K> std::fmt::Debug for Ref<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.target.fmt(f)
    }
}

impl<K> Serialize for Ref<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.target.serialize(serializer)
    }
}

impl<'de, K> Deserialize<'de> for Ref<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { target: Target::deserialize(deserializer)?, kind: PhantomData })
    }
}

impl<K: Kind> JsonSchema for Ref<K> {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        format!("Ref_{}", K::NAME).into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-type": "ref", "x-ref": K::NAME })
    }
}

/// Declares a string type with a canonical form: parsed by `$parse` (`fn(&str) -> Result<$name, String>`), written by
/// `Display`. A text with a token in it (known after apply) is kept as it is.
macro_rules! text_type {
    ($(#[$meta:meta])* $name:ident, $tag:literal) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The canonical text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                if is_unknown_text(&text) {
                    return Ok(Self(text));
                }
                text.parse().map_err(D::Error::custom)
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "x-type": $tag })
            }
        }
    };
}

text_type!(
    /// An IPv4 or IPv6 range, `10.0.0.0/16`; its host bits must be zero.
    Cidr,
    "cidr"
);

impl std::str::FromStr for Cidr {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let net: ipnet::IpNet =
            text.trim().parse().map_err(|_| format!("`{text}` is not an address range such as 10.0.0.0/16"))?;
        if net.trunc() != net {
            return Err(format!("`{text}` has bits set beyond its prefix; the range is `{}`", net.trunc()));
        }
        Ok(Self(net.to_string()))
    }
}

impl Cidr {
    /// The range; none while it is not known.
    pub fn net(&self) -> Option<ipnet::IpNet> {
        self.0.parse().ok()
    }
}

text_type!(
    /// A length of time, written `90s`, `3m`, `2h`, `7d` or a sum of them (`1h30m`); canonical in the largest unit that
    /// divides it.
    Duration,
    "duration"
);

impl Duration {
    /// In whole seconds; 0 while it is not known.
    pub fn seconds(&self) -> u64 {
        parse_units(&self.0, &DURATION_UNITS).unwrap_or(0)
    }

    /// From whole seconds.
    pub fn from_seconds(seconds: u64) -> Self {
        Self(write_units(seconds, &DURATION_UNITS))
    }
}

const DURATION_UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

impl std::str::FromStr for Duration {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        parse_units(text, &DURATION_UNITS)
            .map(Self::from_seconds)
            .ok_or_else(|| format!("`{text}` is not a duration such as 90s, 3m, 2h, 7d or 1h30m"))
    }
}

text_type!(
    /// A size in bytes, written `20GiB`, `512MiB`; binary units only.
    Size,
    "size"
);

const SIZE_UNITS: [(&str, u64); 5] = [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

impl Size {
    /// In bytes; 0 while it is not known.
    pub fn bytes(&self) -> u64 {
        parse_units(&self.0, &SIZE_UNITS).unwrap_or(0)
    }

    /// In whole GiB, rounded up: the unit of the storage APIs.
    pub fn gib(&self) -> u64 {
        self.bytes().div_ceil(1 << 30)
    }

    /// From whole GiB.
    pub fn from_gib(gib: u64) -> Self {
        Self(write_units(gib << 30, &SIZE_UNITS))
    }
}

impl std::str::FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        parse_units(text, &SIZE_UNITS)
            .map(|bytes| Self(write_units(bytes, &SIZE_UNITS)))
            .ok_or_else(|| format!("`{text}` is not a size such as 20GiB or 512MiB"))
    }
}

fn parse_units(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let tail = &rest[digits..];
        let (unit, factor) = units.iter().filter(|(unit, _)| tail.starts_with(unit)).max_by_key(|(u, _)| u.len())?;
        total = total.checked_add(number.checked_mul(*factor)?)?;
        rest = tail[unit.len()..].trim_start();
    }
    Some(total)
}

fn write_units(total: u64, units: &[(&str, u64)]) -> String {
    let last = units.len() - 1;
    let (unit, factor) =
        units.iter().find(|(_, factor)| total > 0 && total.is_multiple_of(*factor)).unwrap_or(&units[last]);
    format!("{}{unit}", total / factor)
}

/// An access policy, written as a mapping or as JSON text; canonical as a mapping in which single items of `Statement`,
/// `Action`, `Resource`, `Principal` members and condition values are lists, actions and resources sorted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDocument(Value);

impl PolicyDocument {
    /// From JSON text, as the APIs return it.
    ///
    /// # Errors
    /// If it is not JSON or not an object.
    pub fn from_json(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|e| format!("the policy is not JSON: {e}"))?;
        if !value.is_object() {
            return Err("a policy is a mapping with `Version` and `Statement`".to_owned());
        }
        Ok(Self(canonical_policy(value)))
    }

    /// As compact JSON text, for the APIs.
    pub fn to_json(&self) -> String {
        self.0.to_string()
    }

    /// The canonical tree.
    pub fn value(&self) -> &Value {
        &self.0
    }
}

fn canonical_policy(mut policy: Value) -> Value {
    let Some(map) = policy.as_object_mut() else { return policy };
    if let Some(statements) = map.get_mut("Statement") {
        listed(statements);
        for statement in statements.as_array_mut().into_iter().flatten() {
            canonical_statement(statement);
        }
    }
    policy.sort_all_objects();
    policy
}

fn canonical_statement(statement: &mut Value) {
    let Some(map) = statement.as_object_mut() else { return };
    for key in ["Action", "NotAction", "Resource", "NotResource"] {
        if let Some(value) = map.get_mut(key) {
            listed(value);
            sort(value);
        }
    }
    for key in ["Principal", "NotPrincipal"] {
        for (name, value) in map.get_mut(key).and_then(Value::as_object_mut).into_iter().flatten() {
            listed(value);
            if name == "AWS" {
                value.as_array_mut().into_iter().flatten().for_each(account_alone);
            }
            sort(value);
        }
    }
    for test in map.get_mut("Condition").and_then(Value::as_object_mut).into_iter().flat_map(|m| m.values_mut()) {
        for value in test.as_object_mut().into_iter().flat_map(|m| m.values_mut()) {
            listed(value);
            for item in value.as_array_mut().into_iter().flatten() {
                if matches!(item, Value::Bool(_) | Value::Number(_)) {
                    *item = Value::String(item.to_string());
                }
            }
            sort(value);
        }
    }
}

/// An account as a principal: its id means what the ARN of its root means, and services give back either
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-accounts>).
fn account_alone(principal: &mut Value) {
    let id = match &*principal {
        Value::String(text) => text.strip_prefix("arn:").and_then(|arn| {
            let (_partition, rest) = arn.split_once(':')?;
            rest.strip_prefix("iam::")?.strip_suffix(":root")
        }),
        Value::Number(id) => return *principal = Value::String(format!("{:0>12}", id.to_string())),
        _ => None,
    };
    if let Some(id) = id.filter(|id| id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit())) {
        *principal = Value::String(id.to_owned());
    }
}

fn listed(value: &mut Value) {
    if !value.is_array() {
        *value = Value::Array(vec![value.take()]);
    }
}

fn sort(value: &mut Value) {
    if let Some(items) = value.as_array_mut() {
        items.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    }
}

impl Serialize for PolicyDocument {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PolicyDocument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => Self::from_json(&text).map_err(D::Error::custom),
            value @ Value::Object(_) => Ok(Self(canonical_policy(value))),
            _ => Err(D::Error::custom("a policy is a mapping with `Version` and `Statement`, or JSON text")),
        }
    }
}

impl JsonSchema for PolicyDocument {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "PolicyDocument".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-type": "policy" })
    }
}

/// A machine image: by id, by owner and name (newest match), or by the name of a public parameter.
///
/// A newer match does not replace what runs, unless `follow: true`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Image {
    /// `ami-…`
    Id(String),
    /// A query, answered when the plan is made.
    Query(ImageQuery),
}

/// How to find an image. Exactly one of `parameter` and `name` is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ImageQuery {
    /// Name of a public or own parameter that holds an image id,
    /// such as `/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// Account id or alias (`amazon`, `self`) that owns the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Name pattern of the image; `*` and `?` match; the newest is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Take a newer image as a change (default: only when the query itself changes).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follow: bool,
}

impl JsonSchema for Image {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Image".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "x-type": "image" })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn durations_and_sizes_have_one_canonical_form() {
        let d = |s: &str| s.parse::<Duration>().map(|d| d.0);
        assert_eq!(d("90m"), Ok("90m".into()));
        assert_eq!(d("1h30m"), Ok("90m".into()));
        assert_eq!(d("120s"), Ok("2m".into()));
        assert_eq!(d("0s"), Ok("0s".into()));
        assert!(d("5").is_err() && d("").is_err() && d("3x").is_err() && d("99999999999999999999d").is_err());
        assert_eq!("2048MiB".parse::<Size>().map(|s| (s.0.clone(), s.gib())), Ok(("2GiB".into(), 2)));
    }

    #[test]
    fn a_range_with_host_bits_is_refused_with_the_right_one() {
        assert_eq!(
            "10.0.1.0/16".parse::<Cidr>().unwrap_err(),
            "`10.0.1.0/16` has bits set beyond its prefix; the range is `10.0.0.0/16`"
        );
    }

    #[test]
    fn equal_policies_compare_equal() {
        let a: PolicyDocument = serde_json::from_value(
            json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": ["b:X", "a:Y"], "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": true}}}}),
        )
        .unwrap();
        let b = PolicyDocument::from_json(
            r#"{"Statement":[{"Resource":["*"],"Action":["a:Y","b:X"],"Effect":"Allow","Condition":{"Bool":{"aws:SecureTransport":"true"}}}],"Version":"2012-10-17"}"#,
        )
        .unwrap();
        assert_eq!(a.to_json(), b.to_json());
    }

    #[test]
    fn an_account_as_a_principal_is_the_same_by_its_id_and_by_the_arn_of_its_root() {
        let principal = |principal: serde_json::Value| {
            let statement = json!([{"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "*"}]);
            let policy: PolicyDocument = serde_json::from_value(json!({"Statement": statement})).unwrap();
            policy.value()["Statement"][0]["Principal"]["AWS"].clone()
        };
        let id = json!(["012345678901"]);
        for same in [json!("012345678901"), json!(12_345_678_901_u64), json!("arn:aws-cn:iam::012345678901:root")] {
            assert_eq!(principal(same), id);
        }
        for other in ["arn:aws:iam::012345678901:role/root", "arn:aws:iam::012345678901:user/x:root", "*"] {
            assert_eq!(principal(json!(other)), json!([other]));
        }
    }
}
