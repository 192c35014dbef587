//! Setting one field of an object by hand, with the kind's own idea of what fits.

use serde_json::Value;

use super::Error;
use crate::diagnostic::suggestion;
use crate::model::kind::KindDef;
use crate::model::schema::Type;
use crate::model::value::Map;

/// The spec with another value at a dotted path (a number selects an item of a list, the one after the last appends), or
/// without it. The result is in canonical form.
///
/// # Errors
/// If the kind has no such field, nothing is there to be removed, the value does not fit, or a rule of the kind forbids it.
pub(super) fn with(kind: &KindDef, spec: &Value, path: &str, value: Option<Value>) -> Result<Value, Error> {
    let steps: Vec<&str> = path.split('.').collect();
    let whole = Type::Object(kind.schema.clone());
    let changed = |value: Option<Value>| {
        let mut changed = spec.clone();
        Walk { kind, steps: &steps }.set(&whole, &mut changed, 0, value).map(|()| changed)
    };
    let raw = changed(value.clone())?;
    // An object that did not fit before (it has been broken by hand) need not fit now.
    let Ok((_, before)) = kind.normalise(spec) else { return Ok(raw) };
    let fitting = |raw: &Value| match kind.normalise(raw) {
        Err(why) => Err((why, None)),
        Ok((canonical, problems)) => match problems.0.into_iter().find(|p| !before.0.contains(p)) {
            Some(problem) => Err((problem.message, problem.help)),
            None => Ok(canonical),
        },
    };
    let (why, help) = match fitting(&raw) {
        Ok(canonical) => return Ok(canonical),
        Err(refused) => refused,
    };
    let Some(value) = value else {
        return Err(Error::wrong(format!("`{path}` of a {} can't be removed: {why}", kind.name), help));
    };
    // What looks like a number or a truth value may be meant as text.
    if !value.is_string()
        && let Ok(canonical) = fitting(&changed(Some(Value::String(value.to_string())))?)
    {
        return Ok(canonical);
    }
    Err(Error::wrong(format!("`{path}` of a {} can't be {value}: {why}", kind.name), help))
}

struct Walk<'a> {
    kind: &'a KindDef,
    steps: &'a [&'a str],
}

impl Walk<'_> {
    fn path(&self, depth: usize) -> String {
        self.steps[..depth].join(".")
    }

    /// Goes on from `slot`, which `depth` steps lead to.
    fn set(&self, ty: &Type, slot: &mut Value, depth: usize, value: Option<Value>) -> Result<(), Error> {
        let Some(step) = self.steps.get(depth) else {
            // Removals end one step earlier.
            *slot = value.unwrap_or_default();
            return Ok(());
        };
        match ty {
            Type::Object(schema) => {
                let field = schema.field(step).ok_or_else(|| {
                    let what = format!("a {} has no field `{}`", self.kind.name, self.path(depth + 1));
                    Error::wrong(what, suggestion(step, schema.names()))
                })?;
                self.member(&field.ty, slot, depth, value)
            }
            Type::Map(inner) => self.member(inner, slot, depth, value),
            Type::Ref(_) | Type::Policy | Type::Image | Type::Any => self.member(&Type::Any, slot, depth, value),
            Type::List(inner, ..) => self.item(inner, slot, depth, value),
            Type::String { .. }
            | Type::Integer(..)
            | Type::Number(..)
            | Type::Boolean
            | Type::Cidr
            | Type::Duration
            | Type::Size => {
                let what = format!("`{}` of a {} is a single value", self.path(depth), self.kind.name);
                Err(Error::wrong(what, Some(format!("leave `.{}` out", self.steps[depth..].join(".")))))
            }
        }
    }

    fn member(&self, ty: &Type, slot: &mut Value, depth: usize, value: Option<Value>) -> Result<(), Error> {
        if slot.is_null() {
            *slot = Value::Object(Map::new());
        }
        let Value::Object(map) = slot else { return Err(self.absent(depth)) };
        let step = self.steps[depth];
        if value.is_none() && depth + 1 == self.steps.len() {
            return map.shift_remove(step).map(|_| ()).ok_or_else(|| self.absent(depth + 1));
        }
        self.set(ty, map.entry(step).or_insert(Value::Null), depth + 1, value)
    }

    fn item(&self, ty: &Type, slot: &mut Value, depth: usize, value: Option<Value>) -> Result<(), Error> {
        if slot.is_null() {
            *slot = Value::Array(Vec::new());
        }
        let Value::Array(items) = slot else { return Err(self.absent(depth)) };
        let step = self.steps[depth];
        let count = items.len();
        let index = step.parse::<usize>().ok().filter(|i| *i < count + usize::from(value.is_some()));
        let Some(index) = index else {
            let what = format!("`{}` has no item `{step}`", self.path(depth));
            let help = match count {
                0 => "it is empty; items are numbered from 0".to_owned(),
                n => format!("items are numbered from 0 to {}", n - 1),
            };
            return Err(Error::wrong(what, Some(help)));
        };
        if value.is_none() && depth + 1 == self.steps.len() {
            items.remove(index);
            return Ok(());
        }
        if index == count {
            items.push(Value::Null);
        }
        self.set(ty, &mut items[index], depth + 1, value)
    }

    fn absent(&self, depth: usize) -> Error {
        Error::wrong(format!("`{}` is not set", self.path(depth)), None)
    }
}
