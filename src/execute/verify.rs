//! Whether a saved plan may still be obeyed: what it touches is as it was, and the files are those it was made from.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use serde_json::Value;

use super::spec::MASK;
use crate::model::Address;
use crate::model::desired::{Desired, Resource};
use crate::model::observed::{Object, Observed, Status};
use crate::model::plan::{Action, ActionKind, FORMAT, Plan};
use crate::model::schema::Type;
use crate::model::value::{Part, is_unknown_text, parts};

/// Something that has changed since a plan was made, or that forbids it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stale {
    /// The resource, unless it is about the whole plan.
    pub address: Option<Address>,
    /// What has changed.
    pub what: String,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Some(address) => write!(f, "{address}: {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

/// All that has changed since the plan was made, by a new inventory; empty if it may be obeyed.
///
/// Looks at format, project, environment, provider and account, and at the objects that its actions touch: each must be
/// there unchanged, and no other may have appeared at their addresses.
pub fn stale(plan: &Plan, desired: &Desired, observed: &Observed, account: &str) -> Vec<Stale> {
    let mut all = elsewhere(plan, desired, account);
    let by_address = observed.by_address();
    let by_id: HashMap<(&str, &str, &str), &Object> =
        observed.objects.iter().map(|o| ((o.kind.as_str(), o.region.as_str(), o.id.as_str()), o)).collect();
    for action in &plan.actions {
        let mut add = |what: String| all.push(Stale { address: Some(action.address.clone()), what });
        if let Some(why) = observed.unobserved.get(&(action.kind.clone(), action.region.clone())) {
            add(format!("{} objects in {} could not be read now: {why}", action.kind, action.region));
            continue;
        }
        for touched in &action.objects {
            match by_id.get(&(action.kind.as_str(), touched.region.as_str(), touched.id.as_str())) {
                None => add(format!("{} is not there any more", touched.id)),
                Some(o) if o.fingerprint() == touched.fingerprint => {}
                Some(o) if o.status == Status::Deleting => add(format!("{} is being deleted", o.id)),
                Some(o) => add(format!("{} has been changed", o.id)),
            }
        }
        let known: BTreeSet<&str> = action.objects.iter().map(|o| o.id.as_str()).collect();
        for object in by_address.get(&action.address).into_iter().flatten() {
            if !known.contains(object.id.as_str()) {
                add(format!("{} has appeared there", object.id));
            }
        }
    }
    all
}

fn elsewhere(plan: &Plan, desired: &Desired, account: &str) -> Vec<Stale> {
    let here = &desired.environment;
    let mut all = Vec::new();
    let mut differ = |what: &str, planned: &str, present: &str| {
        if planned != present {
            all.push(Stale { address: None, what: format!("the plan is for {what} `{planned}`, this is `{present}`") });
        }
    };
    differ("format", &plan.format.to_string(), &FORMAT.to_string());
    differ("project", &plan.project, &here.project);
    differ("environment", &plan.environment, &here.name);
    differ("provider", &format!("{:?}", plan.provider).to_lowercase(), &format!("{:?}", here.provider).to_lowercase());
    differ("account", &plan.account, account);
    all
}

/// Addresses whose plan was not made from the present files.
///
/// Sensitive values can't be compared, since a plan doesn't hold them; nor can resources that the plan doesn't touch.
/// Where the files hold a lookup the plan holds its answer, and where they hold an attribute that was known it holds the
/// value: these are not compared either.
pub fn masked_spec_differs(plan: &Plan, desired: &Desired) -> Vec<Address> {
    plan.actions.iter().filter(|a| differs(plan, a, desired)).map(|a| a.address.clone()).collect()
}

fn differs(plan: &Plan, action: &Action, desired: &Desired) -> bool {
    let resource = desired.resources.get(&action.address);
    match action.action {
        ActionKind::Create | ActionKind::Update | ActionKind::Replace | ActionKind::Adopt => resource.is_none_or(|r| {
            r.kind.name != action.kind || r.region != action.region || !fits(&action.spec, &without_lookups(r))
        }),
        ActionKind::Delete => {
            !plan.destroy && resource.is_some_and(|r| r.kind.name == action.kind && r.region == action.region)
        }
        ActionKind::Forget => resource.is_some(),
    }
}

/// The declared spec with null for every lookup.
fn without_lookups(resource: &Resource) -> Value {
    let mut spec = resource.spec.clone();
    resource.kind.schema.map_typed(&mut spec, &mut |ty, value| match ty {
        Type::Ref(_) if value.get("tags").is_some() => *value = Value::Null,
        Type::Image if value.is_object() => *value = Value::Null,
        _ => {}
    });
    spec
}

/// Whether a planned value can come from a declared one.
fn fits(planned: &Value, declared: &Value) -> bool {
    match (planned, declared) {
        (_, Value::Null) => true,
        (Value::String(planned), _) if planned == MASK => true,
        (Value::String(planned), Value::String(declared)) => text_fits(planned, declared),
        (_, Value::String(declared)) => is_unknown_text(declared),
        (Value::Array(planned), Value::Array(declared)) => {
            planned.len() == declared.len() && planned.iter().zip(declared).all(|(p, d)| fits(p, d))
        }
        (Value::Object(planned), Value::Object(declared)) => {
            planned.len() == declared.len() && planned.iter().all(|(k, p)| declared.get(k).is_some_and(|d| fits(p, d)))
        }
        (planned, declared) => planned == declared,
    }
}

/// Whether two texts agree where both are known: outside the masks of one and the tokens of the other.
fn text_fits(planned: &str, declared: &str) -> bool {
    if planned == declared {
        return true;
    }
    if planned.contains(MASK) {
        return in_order(declared, &planned.split(MASK).collect::<Vec<_>>()) || is_unknown_text(declared);
    }
    if !is_unknown_text(declared) {
        return false;
    }
    let mut known = vec![String::new()];
    for part in parts(declared) {
        match part {
            Part::Text(text) => known.last_mut().into_iter().for_each(|last| last.push_str(text)),
            Part::Attribute(_) => known.push(String::new()),
        }
    }
    in_order(planned, &known.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Whether `text` is these pieces in order, with anything between them.
fn in_order(text: &str, pieces: &[&str]) -> bool {
    let (Some((first, rest)), Some(last)) = (pieces.split_first(), pieces.last()) else { return true };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    for piece in rest.iter().take(rest.len().saturating_sub(1)) {
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    if rest.is_empty() { left.is_empty() } else { left.ends_with(last) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::value::token;

    #[test]
    fn a_planned_value_may_differ_only_where_something_was_filled_in_or_masked() {
        let a = Address::parse("data/main").unwrap();
        let declared = json!({"url": format!("db://{}:5432/x", token(&a, "host")), "password": "p", "list": [1, null]});
        assert!(fits(&json!({"url": "db://h:5432/x", "password": "(sensitive)", "list": [1, "ami-1"]}), &declared));
        assert!(!fits(&json!({"url": "db://h:5433/x", "password": "(sensitive)", "list": [1, 2]}), &declared));
        assert!(!fits(&json!({"url": "db://h:5432/x", "password": "(sensitive)", "list": [2, 2]}), &declared));
        assert!(!fits(&json!({"url": "db://h:5432/x", "list": [1, 2]}), &declared));
        assert!(
            fits(&json!("a(sensitive)b"), &json!("asecretb")) && !fits(&json!("a(sensitive)b"), &json!("asecretc"))
        );
    }
}
