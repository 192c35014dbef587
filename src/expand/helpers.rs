//! Helpers of expressions. All take and give typed values.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use base64::Engine as _;
use handlebars::{Context, Handlebars, Helper, HelperDef, RenderContext, RenderError, RenderErrorReason, ScopedJson};
use ipnet::IpNet;
use serde_json::Value;

use crate::model::ownership::hash;
use crate::model::value::{is_unknown, plain, readable};

type Function = fn(&[&Value]) -> Result<Value, String>;

/// All helpers, ours and those of the engine, with how they are written.
const USAGE: [(&str, &str); 35] = [
    ("subnet", "subnet range bits number"),
    ("host", "host range number"),
    ("upper", "upper text"),
    ("lower", "lower text"),
    ("join", "join list separator"),
    ("split", "split text separator"),
    ("length", "length list"),
    ("keys", "keys map"),
    ("values", "values map"),
    ("concat", "concat a b …"),
    ("range", "range number"),
    ("default", "default value other"),
    ("json", "json value"),
    ("base64", "base64 text"),
    ("sha256", "sha256 text"),
    ("add", "add a b"),
    ("subtract", "subtract a b"),
    ("multiply", "multiply a b"),
    ("min", "min a b"),
    ("max", "max a b"),
    ("replace", "replace text from to"),
    ("lookup", "lookup map key [other]"),
    ("eq", "eq a b"),
    ("ne", "ne a b"),
    ("gt", "gt a b"),
    ("gte", "gte a b"),
    ("lt", "lt a b"),
    ("lte", "lte a b"),
    ("and", "and a b"),
    ("or", "or a b"),
    ("not", "not a"),
    ("len", "len list"),
    ("if", "#if value}} … {{/if"),
    ("unless", "#unless value}} … {{/unless"),
    ("each", "#each list}} {{ this }} {{/each"),
];

/// Names of all helpers.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    USAGE.iter().map(|(name, _)| *name)
}

/// How a helper is written.
pub(super) fn usage(helper: &str) -> Option<&'static str> {
    USAGE.iter().find(|(name, _)| *name == helper).map(|(_, usage)| *usage)
}

/// Whether a helper can't work on a value because (a part of) it is not known before apply.
pub(super) fn refuses(helper: &str, value: &Value) -> bool {
    match helper {
        // They only place the value, or take it out of a list or map.
        "json" | "join" | "concat" | "default" | "lookup" | "values" | "each" | "with" => false,
        // What is known of a list or map is enough.
        "length" | "len" | "keys" | "if" | "unless" | "and" | "or" | "not" => value.is_string() && is_unknown(value),
        _ => is_unknown(value),
    }
}

struct Typed(&'static str, Function);

impl HelperDef for Typed {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let values: Vec<&Value> = helper.params().iter().map(|p| p.value()).collect();
        if let Some(value) = values.iter().find(|v| refuses(self.0, v)) {
            let name = readable(&plain(value)).into_owned();
            return Err(RenderErrorReason::Other(format!("{}: {name} can't be worked on", self.0)).into());
        }
        (self.1)(&values)
            .map(ScopedJson::Derived)
            .map_err(|e| RenderErrorReason::Other(format!("{}: {e}", self.0)).into())
    }
}

/// Registers all of ours.
pub(super) fn register(handlebars: &mut Handlebars<'static>) {
    let all: [(&'static str, Function); 22] = [
        ("subnet", subnet),
        ("host", host),
        ("upper", |v| Ok(text(v, 0)?.to_uppercase().into())),
        ("lower", |v| Ok(text(v, 0)?.to_lowercase().into())),
        ("join", join),
        ("split", |v| Ok(text(v, 0)?.split(text(v, 1)?).map(Value::from).collect())),
        ("length", length),
        ("keys", |v| Ok(map(v, 0)?.keys().map(|k| Value::from(k.as_str())).collect())),
        ("values", |v| Ok(map(v, 0)?.values().cloned().collect())),
        ("concat", concat),
        ("range", |v| Ok((0..integer(v, 0)?.clamp(0, 100_000)).map(Value::from).collect())),
        ("default", |v| Ok(if argument(v, 0)?.is_null() { argument(v, 1)?.clone() } else { v[0].clone() })),
        ("json", |v| Ok(argument(v, 0)?.to_string().into())),
        ("base64", |v| Ok(base64::engine::general_purpose::STANDARD.encode(text(v, 0)?).into())),
        ("sha256", |v| Ok(hash(text(v, 0)?, 64).into())),
        ("add", |v| calculate(v, i64::checked_add)),
        ("subtract", |v| calculate(v, i64::checked_sub)),
        ("multiply", |v| calculate(v, i64::checked_mul)),
        ("min", |v| calculate(v, |a, b| Some(a.min(b)))),
        ("max", |v| calculate(v, |a, b| Some(a.max(b)))),
        ("lookup", lookup),
        ("replace", |v| Ok(text(v, 0)?.replace(text(v, 1)?, text(v, 2)?).into())),
    ];
    for (name, function) in all {
        handlebars.register_helper(name, Box::new(Typed(name, function)));
    }
}

fn argument<'v>(values: &[&'v Value], index: usize) -> Result<&'v Value, String> {
    values.get(index).copied().ok_or_else(|| format!("needs at least {} values", index + 1))
}

fn text<'v>(values: &[&'v Value], index: usize) -> Result<&'v str, String> {
    let value = argument(values, index)?;
    value.as_str().ok_or_else(|| format!("value {} must be a text, and is {value}", index + 1))
}

fn integer(values: &[&Value], index: usize) -> Result<i64, String> {
    let value = argument(values, index)?;
    value
        .as_i64()
        .or_else(|| value.as_str().and_then(|s| s.parse().ok()))
        .ok_or_else(|| format!("value {} must be a whole number, and is {value}", index + 1))
}

fn map<'v>(values: &[&'v Value], index: usize) -> Result<&'v serde_json::Map<String, Value>, String> {
    let value = argument(values, index)?;
    value.as_object().ok_or_else(|| format!("value {} must be a map, and is {value}", index + 1))
}

/// `lookup map key other`: one entry of a map, or one item of a list by its number; `other` if there is none.
fn lookup(values: &[&Value]) -> Result<Value, String> {
    let (from, key) = (argument(values, 0)?, plain(argument(values, 1)?));
    let found = match from {
        Value::Object(map) => map.get(&*key),
        Value::Array(items) => key.parse::<usize>().ok().and_then(|n| items.get(n)),
        other => return Err(format!("value 1 must be a map or a list, and is {other}")),
    };
    match (found.or(values.get(2).copied()), from) {
        (Some(value), _) => Ok(value.clone()),
        (None, Value::Object(map)) => {
            let keys: Vec<_> = map.keys().map(String::as_str).collect();
            Err(format!(
                "there is no `{key}`, only {}",
                if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") }
            ))
        }
        (None, _) => Err(format!("there is no item `{key}`; the first is 0")),
    }
}

fn calculate(values: &[&Value], operation: fn(i64, i64) -> Option<i64>) -> Result<Value, String> {
    let (a, b) = (integer(values, 0)?, integer(values, 1)?);
    operation(a, b).map(Value::from).ok_or_else(|| format!("{a} and {b} give a number that is too large"))
}

fn length(values: &[&Value]) -> Result<Value, String> {
    match argument(values, 0)? {
        Value::Array(items) => Ok(items.len().into()),
        Value::Object(map) => Ok(map.len().into()),
        Value::String(text) => Ok(text.chars().count().into()),
        other => Err(format!("{other} has no length")),
    }
}

fn join(values: &[&Value]) -> Result<Value, String> {
    let list = argument(values, 0)?;
    let items = list.as_array().ok_or_else(|| format!("value 1 must be a list, and is {list}"))?;
    let items: Vec<_> = items.iter().map(plain).collect();
    Ok(items.join(text(values, 1)?).into())
}

fn concat(values: &[&Value]) -> Result<Value, String> {
    if values.iter().any(|v| v.is_array()) {
        let mut out = Vec::new();
        for value in values {
            match value {
                Value::Array(items) => out.extend(items.iter().cloned()),
                other => out.push((*other).clone()),
            }
        }
        return Ok(Value::Array(out));
    }
    Ok(values.iter().map(|v| plain(v).into_owned()).collect::<String>().into())
}

fn net(values: &[&Value], index: usize) -> Result<IpNet, String> {
    let text = text(values, index)?;
    text.parse().map_err(|_| format!("`{text}` is not an address range"))
}

/// `subnet range bits index`: the part number `index` of a range, `bits` longer.
fn subnet(values: &[&Value]) -> Result<Value, String> {
    let range = net(values, 0)?;
    let bits = integer(values, 1)?;
    let index = integer(values, 2)?;
    let length = i64::from(range.prefix_len()) + bits;
    let most = i64::from(range.max_prefix_len());
    if bits < 0 || length > most {
        return Err(format!("`{range}` can't be made {bits} bits longer"));
    }
    let length = u8::try_from(length).map_err(|e| e.to_string())?;
    let wanted = usize::try_from(index).map_err(|_| format!("the number {index} is negative"))?;
    if bits < 32 && index >= (1i64 << bits) {
        return Err(format!(
            "`{range}` has only {} parts of /{length}; number {index} is not among them",
            1i64 << bits
        ));
    }
    let part = match range {
        IpNet::V4(v4) => {
            let step = 1u64 << (32 - u32::from(length));
            let first = u64::from(u32::from(v4.network())) + step * wanted as u64;
            let address = u32::try_from(first).map_err(|_| "the number is too large".to_owned())?;
            IpNet::new(std::net::Ipv4Addr::from(address).into(), length)
        }
        IpNet::V6(v6) => {
            let step = 1u128.checked_shl(128 - u32::from(length)).unwrap_or(0);
            let address = u128::from(v6.network()).checked_add(step.saturating_mul(wanted as u128));
            let address = address.ok_or_else(|| "the number is too large".to_owned())?;
            IpNet::new(std::net::Ipv6Addr::from(address).into(), length)
        }
    };
    part.map(|p| p.to_string().into()).map_err(|e| e.to_string())
}

/// `host range index`: the address number `index` of a range; a negative one counts from the end.
fn host(values: &[&Value]) -> Result<Value, String> {
    let range = net(values, 0)?;
    let index = integer(values, 1)?;
    let outside = || format!("`{range}` has no address number {index}");
    match range {
        IpNet::V4(v4) => {
            let base = i64::from(u32::from(v4.network()));
            let last = i64::from(u32::from(v4.broadcast()));
            let address = if index < 0 { last + 1 + index } else { base + index };
            if !(base..=last).contains(&address) {
                return Err(outside());
            }
            let address = u32::try_from(address).map_err(|_| outside())?;
            Ok(std::net::Ipv4Addr::from(address).to_string().into())
        }
        IpNet::V6(v6) => {
            let offset = u128::try_from(index).map_err(|_| outside())?;
            let address = u128::from(v6.network()).checked_add(offset).ok_or_else(outside)?;
            Ok(std::net::Ipv6Addr::from(address).to_string().into())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ranges_are_cut_by_arithmetic_and_never_overrun() {
        let cut = |r: &str, b: i64, i: i64| subnet(&[&json!(r), &json!(b), &json!(i)]);
        assert_eq!(cut("10.0.0.0/16", 8, 255), Ok(json!("10.0.255.0/24")));
        assert_eq!(cut("2001:db8::/56", 8, 3), Ok(json!("2001:db8:0:3::/64")));
        assert!(cut("10.0.0.0/16", 8, 256).is_err() && cut("10.0.0.0/16", 17, 0).is_err());
        assert!(cut("10.0.0.0/16", 8, -1).is_err() && cut("x", 1, 0).is_err());
        assert_eq!(host(&[&json!("10.0.1.0/24"), &json!(-2)]), Ok(json!("10.0.1.254")));
        assert!(host(&[&json!("10.0.1.0/24"), &json!(256)]).is_err());
    }

    #[test]
    fn wrong_values_are_named() {
        assert_eq!(join(&[&json!("x"), &json!(",")]), Err("value 1 must be a list, and is \"x\"".to_owned()));
        assert!(calculate(&[&json!(i64::MAX), &json!(1)], i64::checked_add).is_err());
    }
}
