//! The difference of two trees by schema: what is declared against what is there. Nothing is copied where they agree.

use serde_json::Value;

use crate::model::schema::{Change, Field, Schema, Type};
use crate::model::value::{self, Map, is_unknown_text};

use super::mask;
use super::tree::{Tree, is_tree};

/// What the comparison of references must know.
pub(super) trait Sight {
    /// The present address of an address read from the cloud (it may have moved).
    fn present<'s>(&'s self, observed: &'s str) -> &'s str;
    /// Whether the object that stands at this address will be another one after apply.
    fn replaced(&self, address: &str) -> bool;
    /// Whether the object that stands at this address has this id.
    fn is(&self, address: &str, id: &str) -> bool;
}

/// One difference; sensitive values are masked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference {
    pub path: String,
    pub before: Value,
    pub after: Value,
    pub change: Change,
    pub text: bool,
    /// The resource whose replacement is the reason.
    pub because: Option<String>,
}

#[derive(Clone, Copy)]
struct Shape<'f> {
    ty: &'f Type,
    unordered: bool,
    merge: bool,
    version: bool,
}

impl<'f> Shape<'f> {
    fn of(field: &'f Field) -> Self {
        Self { ty: &field.ty, unordered: field.unordered, merge: field.merge, version: field.version }
    }

    fn plain(ty: &'f Type) -> Self {
        Self { ty, unordered: false, merge: false, version: false }
    }
}

#[derive(Clone, Copy)]
struct Place {
    change: Change,
    sensitive: bool,
    text: bool,
}

/// Compares the declared fields of two specs. `attributes` are those of the object that was read. `skip` says which top-level fields are decided elsewhere; `ignore` holds the
/// dotted paths that the user wants left alone.
pub(super) fn diff(
    schema: &Schema,
    desired: &Value,
    observed: &Value,
    attributes: &Map<String, Value>,
    skip: &dyn Fn(&Field) -> bool,
    ignore: &[String],
    sight: &dyn Sight,
) -> Vec<Difference> {
    let mut walk = Walk { ignore, sight, path: String::new(), out: Vec::new() };
    for field in &schema.fields {
        if let Some(wanted) = desired.get(&field.name) {
            let there = observed.get(&field.name);
            if is_tree(field) {
                if !skip(field) {
                    walk.tree(&Tree::of(field, attributes, ignore), field, wanted, there);
                }
            } else if !equal(Shape::of(field), wanted, there, sight) && !skip(field) {
                let place = Place { change: field.change, sensitive: field.sensitive, text: field.text };
                walk.down(&field.name, Shape::of(field), place, wanted, there);
            }
        }
    }
    walk.out
}

/// Whether two trees agree on all that the first declares.
pub(super) fn agrees(schema: &Schema, desired: &Value, observed: &Value, sight: &dyn Sight) -> bool {
    schema.fields.iter().all(|f| match desired.get(&f.name) {
        Some(d) => equal(Shape::of(f), d, observed.get(&f.name), sight),
        None => may_be_left_out(f, observed.get(&f.name), sight),
    })
}

/// Whether a member that is not declared agrees with what is there.
fn may_be_left_out(field: &Field, observed: Option<&Value>, sight: &dyn Sight) -> bool {
    let nothing = match observed {
        None | Some(Value::Null) => true,
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(members)) => members.is_empty(),
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Bool(_) | Value::Number(_)) => false,
    };
    match &field.left_out {
        None => true,
        Some(Value::Null) => nothing,
        Some(default) => nothing || equal(Shape::of(field), default, observed, sight),
    }
}

fn equal(shape: Shape<'_>, desired: &Value, observed: Option<&Value>, sight: &dyn Sight) -> bool {
    let Some(observed) = observed.filter(|o| !o.is_null()) else {
        return match desired {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        };
    };
    match (shape.ty, desired, observed) {
        (_, Value::Null, _) => true,
        (Type::Object(schema), Value::Object(_), Value::Object(_)) => agrees(schema, desired, observed, sight),
        (Type::Map(inner), Value::Object(d), Value::Object(o)) => {
            (shape.merge || o.keys().all(|k| d.contains_key(k)))
                && d.iter().all(|(k, v)| equal(Shape::plain(inner), v, o.get(k), sight))
        }
        (Type::List(inner, ..), Value::Array(d), Value::Array(o)) => {
            let inner = Shape::plain(inner);
            d.len() == o.len()
                && (d.iter().zip(o).all(|(d, o)| equal(inner, d, Some(o), sight))
                    || (shape.unordered && matches(inner, d, o, sight)))
        }
        (Type::Ref(_), d, o) => same_reference(d, o, sight),
        (Type::String { .. }, Value::String(d), Value::String(o)) if shape.version => same_version(d, o),
        (_, d, o) => same(d, o),
    }
}

/// Whether two versions are the same as far as both are given: the service chooses the rest, and moves on by itself.
fn same_version(a: &str, b: &str) -> bool {
    let begins = |long: &str, short: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with('.'));
    a == b || begins(a, b) || begins(b, a)
}

/// Whether each declared item has an item of its own that it agrees with (a bipartite matching by augmenting paths).
fn matches(shape: Shape<'_>, desired: &[Value], observed: &[Value], sight: &dyn Sight) -> bool {
    if !matches!(shape.ty, Type::Object(_) | Type::Map(_) | Type::List(..) | Type::Ref(_)) {
        let key = |v: &Value| v.as_f64().map_or_else(|| v.to_string(), |n| n.to_string());
        let mut d: Vec<String> = desired.iter().map(key).collect();
        let mut o: Vec<String> = observed.iter().map(key).collect();
        d.sort_unstable();
        o.sort_unstable();
        return d == o;
    }
    let candidates: Vec<Vec<usize>> = desired
        .iter()
        .map(|d| (0..observed.len()).filter(|o| equal(shape, d, Some(&observed[*o]), sight)).collect())
        .collect();
    let mut taken: Vec<Option<usize>> = vec![None; observed.len()];
    (0..desired.len()).all(|item| take(item, &candidates, &mut taken, &mut vec![false; observed.len()]))
}

fn take(item: usize, candidates: &[Vec<usize>], taken: &mut [Option<usize>], tried: &mut [bool]) -> bool {
    for &candidate in &candidates[item] {
        if std::mem::replace(&mut tried[candidate], true) {
            continue;
        }
        if taken[candidate].is_none_or(|other| take(other, candidates, taken, tried)) {
            taken[candidate] = Some(item);
            return true;
        }
    }
    false
}

fn same_reference(desired: &Value, observed: &Value, sight: &dyn Sight) -> bool {
    let id = |v: &Value| v.get("id").and_then(Value::as_str).map(str::to_owned);
    match (desired, observed) {
        (Value::String(d), Value::String(o)) => sight.present(o) == d && !sight.replaced(d),
        (Value::String(d), o) => id(o).is_some_and(|id| sight.is(d, &id)) && !sight.replaced(d),
        (d, Value::String(o)) => id(d).is_some_and(|id| sight.is(sight.present(o), &id)),
        (d, o) => same(d, o),
    }
}

/// Equal values; numbers by value, members in any order.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(k, v)| y.get(k).is_some_and(|w| same(v, w)))
        }
        (a, b) => a == b,
    }
}

struct Walk<'w> {
    ignore: &'w [String],
    sight: &'w dyn Sight,
    path: String,
    out: Vec<Difference>,
}

impl Walk<'_> {
    fn down(&mut self, step: &str, shape: Shape<'_>, place: Place, desired: &Value, observed: Option<&Value>) {
        let length = self.path.len();
        if length > 0 {
            self.path.push('.');
        }
        self.path.push_str(step);
        if !self.ignore.contains(&self.path) && !equal(shape, desired, observed, self.sight) {
            self.enter(shape, place, desired, observed);
        }
        self.path.truncate(length);
    }

    fn enter(&mut self, shape: Shape<'_>, place: Place, desired: &Value, observed: Option<&Value>) {
        match (shape.ty, desired, observed) {
            (Type::Object(schema), Value::Object(d), Some(o @ Value::Object(_))) => {
                for field in &schema.fields {
                    if let Some(wanted) = d.get(&field.name) {
                        let place = Place {
                            change: place.change.max(field.change),
                            sensitive: place.sensitive || field.sensitive,
                            text: field.text,
                        };
                        self.down(&field.name, Shape::of(field), place, wanted, o.get(&field.name));
                    } else if let Some(there) = o.get(&field.name)
                        && !may_be_left_out(field, Some(there), self.sight)
                    {
                        let sensitive = place.sensitive || field.sensitive;
                        let place = Place { change: place.change.max(field.change), sensitive, text: field.text };
                        self.gone(&field.name, Shape::of(field), place, there);
                    }
                }
            }
            (Type::Map(inner), Value::Object(d), Some(Value::Object(o))) => {
                for (key, wanted) in d {
                    self.down(key, Shape::plain(inner), place, wanted, o.get(key));
                }
                for (key, there) in o.iter().filter(|(k, _)| !shape.merge && !d.contains_key(*k)) {
                    self.gone(key, Shape::plain(inner), place, there);
                }
            }
            (Type::List(inner, ..), Value::Array(d), Some(Value::Array(o)))
                if !shape.unordered && d.len() == o.len() && matches!(**inner, Type::Object(_)) =>
            {
                for (index, (wanted, there)) in d.iter().zip(o).enumerate() {
                    self.down(&index.to_string(), Shape::plain(inner), place, wanted, Some(there));
                }
            }
            _ => self.leaf(shape, place, desired, observed),
        }
    }

    /// The members of a free tree.
    fn tree(&mut self, tree: &Tree<'_>, field: &Field, desired: &Value, observed: Option<&Value>) {
        for (path, there, wanted, change) in tree.compare(desired, observed) {
            let before = there.map_or(Value::Null, |v| mask::typed(&field.ty, v, field.sensitive));
            let after = mask::typed(&field.ty, wanted, field.sensitive);
            let because = self.because(&field.ty, wanted);
            self.out.push(Difference { path, before, after, change, text: field.text, because });
        }
    }

    /// A member that is there and not declared.
    fn gone(&mut self, key: &str, shape: Shape<'_>, place: Place, there: &Value) {
        let path = format!("{}.{key}", self.path);
        if !self.ignore.contains(&path) {
            let before = mask::typed(shape.ty, there, place.sensitive);
            self.out.push(Difference {
                path,
                before,
                after: Value::Null,
                change: place.change,
                text: place.text,
                because: None,
            });
        }
    }

    fn leaf(&mut self, shape: Shape<'_>, place: Place, desired: &Value, observed: Option<&Value>) {
        let before = observed.map_or(Value::Null, |o| mask::typed(shape.ty, o, place.sensitive));
        let mut after = mask::typed(shape.ty, desired, place.sensitive);
        let because = self.because(shape.ty, desired);
        if because.is_some() {
            self.renew(shape.ty, &mut after);
        }
        let text = place.text || matches!(shape.ty, Type::Policy);
        self.out.push(Difference { path: self.path.clone(), before, after, change: place.change, text, because });
    }

    /// Puts the id to come in the place of each reference to what is replaced: the name stays, the object does not.
    fn renew(&self, ty: &Type, value: &mut Value) {
        match (ty, &mut *value) {
            (Type::Ref(_), Value::String(text)) if self.sight.replaced(text) => {
                if let Ok(address) = crate::model::Address::parse(text) {
                    *value = Value::String(value::token(&address, "id"));
                }
            }
            (Type::Object(schema), Value::Object(map)) => {
                for field in &schema.fields {
                    if let Some(inner) = map.get_mut(&field.name) {
                        self.renew(&field.ty, inner);
                    }
                }
            }
            (Type::List(inner, ..), Value::Array(items)) => items.iter_mut().for_each(|v| self.renew(inner, v)),
            (Type::Map(inner), Value::Object(map)) => map.values_mut().for_each(|v| self.renew(inner, v)),
            _ => {}
        }
    }

    fn because(&self, ty: &Type, desired: &Value) -> Option<String> {
        let mut found = None;
        let mut look = |address: &str| {
            if found.is_none() && self.sight.replaced(address) {
                found = Some(address.to_owned());
            }
        };
        visit_refs(ty, desired, &mut |target| {
            if let Value::String(address) = target {
                look(address);
            }
        });
        value::visit_tokens(desired, &mut |token| look(token.address));
        found
    }
}

/// Calls `visit` for every reference in a value of this type.
pub(super) fn visit_refs<'v>(ty: &Type, value: &'v Value, visit: &mut impl FnMut(&'v Value)) {
    match (ty, value) {
        (Type::Ref(_), Value::String(text)) if is_unknown_text(text) => {}
        (Type::Ref(_), _) => visit(value),
        (Type::Object(schema), Value::Object(_)) => schema.visit_refs(value, &mut |_, target| visit(target)),
        (Type::List(inner, ..), Value::Array(items)) => items.iter().for_each(|v| visit_refs(inner, v, visit)),
        (Type::Map(inner), Value::Object(map)) => map.values().for_each(|v| visit_refs(inner, v, visit)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_that_of_which_as_much_is_declared() {
        for (declared, there) in
            [("16", "16.4"), ("16.4", "16.4"), ("8.0", "8.0.mysql_aurora.3.08.0"), ("19", "19.0.0.0.ru-2025-01")]
        {
            assert!(same_version(declared, there), "{declared} {there}");
        }
        for (declared, there) in [("16.3", "16.4"), ("1", "16.4"), ("16.4", "16.40"), ("17", "16.4")] {
            assert!(!same_version(declared, there), "{declared} {there}");
        }
    }
}
