//! The difference of free trees, of which only the declared members are managed, at every depth.
//!
//! What a tree's members mean is not known from the kind, but from what was read: attributes of the object name the
//! members whose change makes a new object necessary, and the lists whose order means nothing (`Rules/*/Id`; `*` stands
//! for every item of a list).

use serde_json::Value;

use crate::model::schema::{Change, Field, Type};
use crate::model::value::Map;

use super::diff::same;

/// Whether a field is a free tree, of which only what is declared is managed.
pub(super) fn is_tree(field: &Field) -> bool {
    field.merge && matches!(field.ty, Type::Any)
}

/// What is known of the members of an object's tree.
pub(super) struct Tree<'t> {
    field: &'t Field,
    ignore: &'t [String],
    replaces: Vec<Vec<&'t str>>,
    sets: Vec<Vec<&'t str>>,
}

/// A member that differs: its dotted path, what is there, what is declared, and what the change does.
pub(super) type Member<'v> = (String, Option<&'v Value>, &'v Value, Change);

impl<'t> Tree<'t> {
    /// From the attributes of the object that stands there.
    pub fn of(field: &'t Field, attributes: &'t Map<String, Value>, ignore: &'t [String]) -> Self {
        let paths = |attribute: &'t Option<String>| {
            let list = attribute.as_ref().and_then(|name| attributes.get(name)).and_then(Value::as_array);
            list.into_iter().flatten().filter_map(Value::as_str).map(|path| path.split('/').collect()).collect()
        };
        Self { field, ignore, replaces: paths(&field.replaces), sets: paths(&field.sets) }
    }

    /// The declared members that are not there as they are declared.
    pub fn compare<'v>(&self, desired: &'v Value, observed: Option<&'v Value>) -> Vec<Member<'v>> {
        let mut out = Vec::new();
        self.walk(&mut Vec::new(), desired, observed, &mut out);
        out
    }

    fn walk<'v>(
        &self,
        at: &mut Vec<&'v str>,
        desired: &'v Value,
        observed: Option<&'v Value>,
        out: &mut Vec<Member<'v>>,
    ) {
        let mut path = self.field.name.clone();
        for step in at.iter() {
            path.push('.');
            path.push_str(step);
        }
        if self.ignore.contains(&path) || self.covers(at, desired, observed) {
            return;
        }
        if let (Value::Object(wanted), Some(Value::Object(there))) = (desired, observed) {
            for (name, value) in wanted {
                at.push(name);
                self.walk(at, value, there.get(name), out);
                at.pop();
            }
            return;
        }
        let change = if self.is_replaced(at, desired, observed) { Change::Replace } else { self.field.change };
        out.push((path, observed, desired, change));
    }

    /// Whether everything that is declared is there.
    fn covers<'v>(&self, at: &mut Vec<&'v str>, desired: &'v Value, observed: Option<&'v Value>) -> bool {
        let Some(observed) = observed.filter(|o| !o.is_null()) else {
            return match desired {
                Value::Null => true,
                Value::Array(items) => items.is_empty(),
                Value::Object(members) => members.is_empty(),
                Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
            };
        };
        match (desired, observed) {
            (Value::Null, _) => true,
            (Value::Object(wanted), Value::Object(there)) => wanted.iter().all(|(name, value)| {
                at.push(name);
                let covered = self.covers(at, value, there.get(name));
                at.pop();
                covered
            }),
            (Value::Array(wanted), Value::Array(there)) => {
                let set = self.sets.iter().any(|path| path == at);
                at.push("*");
                let covered = wanted.len() == there.len()
                    && (wanted.iter().zip(there).all(|(w, t)| self.covers(at, w, Some(t)))
                        || (set && self.covers_in_any_order(at, wanted, there)));
                at.pop();
                covered
            }
            (a, b) => same(a, b),
        }
    }

    /// Whether each declared item has an item of its own. The most particular ones choose first.
    fn covers_in_any_order<'v>(&self, at: &mut Vec<&'v str>, wanted: &'v [Value], there: &'v [Value]) -> bool {
        let mut candidates: Vec<Vec<usize>> = wanted
            .iter()
            .map(|w| (0..there.len()).filter(|t| self.covers(at, w, Some(&there[*t]))).collect())
            .collect();
        candidates.sort_by_key(Vec::len);
        let mut taken = vec![None; there.len()];
        (0..candidates.len()).all(|item| take(item, &candidates, &mut taken, &mut vec![false; there.len()]))
    }

    /// Whether the change of a member makes a new object necessary: because it is named, or is inside of what is named,
    /// or because what is named inside of it differs.
    fn is_replaced(&self, at: &[&str], desired: &Value, observed: Option<&Value>) -> bool {
        self.replaces.iter().any(|named| {
            if at.starts_with(named) {
                return true;
            }
            let Some(inner) = named.strip_prefix(at) else { return false };
            let wanted = values(desired, inner);
            !wanted.is_empty() && wanted != observed.map(|o| values(o, inner)).unwrap_or_default()
        })
    }
}

/// A bipartite matching by augmenting paths.
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

/// What stands at a path, in every item of the lists on the way.
fn values<'v>(value: &'v Value, path: &[&str]) -> Vec<&'v Value> {
    match (path.split_first(), value) {
        (None, _) => vec![value],
        (Some((&"*", rest)), Value::Array(items)) => items.iter().flat_map(|item| values(item, rest)).collect(),
        (Some(_), Value::Array(items)) => items.iter().flat_map(|item| values(item, path)).collect(),
        (Some((step, rest)), Value::Object(map)) => map.get(*step).map(|v| values(v, rest)).unwrap_or_default(),
        (Some(_), _) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::schema::Schema;

    #[derive(schemars::JsonSchema)]
    #[allow(dead_code, reason = "only its schema is used")]
    struct Spec {
        #[schemars(extend("x-merge" = true, "x-replaces" = "fixed", "x-sets" = "sets"))]
        tree: Value,
    }

    fn differences(desired: &Value, observed: &Value, ignore: &[&str]) -> Vec<(String, Change)> {
        let schema = Schema::of::<Spec>();
        let field = schema.field("tree").unwrap();
        assert!(is_tree(field));
        let attributes = json!({"fixed": ["Name", "Key/Id", "Rules/*/Id"], "sets": ["Rules", "Rules/*/Ports"]});
        let ignore: Vec<String> = ignore.iter().map(|i| (*i).to_owned()).collect();
        let tree = Tree::of(field, attributes.as_object().unwrap(), &ignore);
        tree.compare(desired, Some(observed)).into_iter().map(|(path, _, _, change)| (path, change)).collect()
    }

    #[test]
    fn only_what_is_declared_is_compared_at_every_depth() {
        let there = json!({"Size": 1, "Key": {"Id": "k", "Kind": "x"}, "Made": "today", "List": [{"A": 1, "B": 2}]});
        assert!(
            differences(&json!({"Size": 1.0, "Key": {"Kind": "x"}, "List": [{"A": 1}], "None": []}), &there, &[])
                .is_empty()
        );
        let found = differences(&json!({"Size": 2, "Key": {"Kind": "y"}, "New": {"A": 1}}), &there, &[]);
        let update = |path: &str| (path.to_owned(), Change::Update);
        assert_eq!(found, [update("tree.Size"), update("tree.Key.Kind"), update("tree.New")]);
        assert!(differences(&json!({"Key": {"Kind": "y"}}), &there, &["tree.Key.Kind"]).is_empty());
    }

    #[test]
    fn what_was_learned_from_the_object_says_what_a_change_does() {
        let there = json!({"Name": "a", "Key": {"Id": "k"}, "Rules": [{"Id": 1, "On": true}, {"Id": 2, "On": true}]});
        let replace = |path: &str| vec![(path.to_owned(), Change::Replace)];
        assert_eq!(differences(&json!({"Name": "b"}), &there, &[]), replace("tree.Name"));
        assert_eq!(differences(&json!({"Key": {"Id": "l"}}), &there, &[]), replace("tree.Key.Id"));
        assert_eq!(differences(&json!({"Key": {"Id": "l"}}), &json!({}), &[]), replace("tree.Key"));
        let on = |id: u32, on: bool| json!({"Rules": [{"Id": 1, "On": true}, {"Id": id, "On": on}]});
        assert_eq!(differences(&on(2, false), &there, &[]), [("tree.Rules".to_owned(), Change::Update)]);
        assert_eq!(differences(&on(3, true), &there, &[]), replace("tree.Rules"));
    }

    #[test]
    fn lists_have_an_order_unless_it_is_known_that_they_have_none() {
        let there = json!({"Order": ["a", "b"], "Rules": [{"Id": 1, "Ports": [1, 2]}, {"Id": 2, "Ports": []}]});
        let sets = json!({"Rules": [{"Id": 2}, {"Id": 1, "Ports": [2, 1]}]});
        assert!(differences(&sets, &there, &[]).is_empty());
        assert_eq!(
            differences(&json!({"Order": ["b", "a"]}), &there, &[]),
            [("tree.Order".to_owned(), Change::Update)]
        );
        assert_eq!(differences(&json!({"Rules": [{"Id": 1}, {"Id": 1}]}), &there, &[]).len(), 1);
    }
}
