//! What the files said of a resource when a plan was made, as digests: a saved plan is obeyed only as long as they say the
//! same of all that it touches.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::model::Address;
use crate::model::desired::{Desired, Lifecycle, Resource};
use crate::model::ownership;
use crate::model::plan::{Action, ActionKind, Plan};

use super::mask::{self, Secrets};

/// Length of a digest, in hexadecimal digits.
const LENGTH: usize = 12;

/// A digest for each declared field, and for what else the files say: `lifecycle`, `adopt`, `depends_on` (all that must be
/// there first). Sensitive values are not part of any: a digest of something short can be guessed.
pub(super) fn digests(resource: &Resource, secrets: &Secrets<'_>) -> BTreeMap<String, String> {
    let mut spec = mask::spec(&resource.kind.schema, &resource.spec);
    secrets.hide(&mut spec);
    let fields = spec.as_object().into_iter().flatten();
    let mut digests: BTreeMap<String, String> =
        fields.map(|(name, value)| (name.clone(), ownership::value_hash(value, LENGTH))).collect();
    let lifecycle = Some(&resource.lifecycle).filter(|l| **l != Lifecycle::default()).map(|l| json!(l));
    let references = Some(&resource.references).filter(|r| !r.is_empty()).map(|r| json!(r));
    for (name, value) in
        [("lifecycle", lifecycle), ("adopt", resource.adopt.as_ref().map(|id| json!(id))), ("depends_on", references)]
    {
        digests.extend(value.map(|value| (name.to_owned(), ownership::value_hash(&value, LENGTH))));
    }
    digests
}

/// The digests of a resource, for tests that make plans by hand.
#[cfg(test)]
pub(crate) fn of(resource: &Resource, desired: &Desired) -> BTreeMap<String, String> {
    digests(resource, &Secrets::of(desired))
}

/// What the files say otherwise than when the plan was made, of the resources that it touches: the address, and what.
///
/// Changes of resources that the plan doesn't touch don't matter, nor does what a lookup gives now: the plan holds what it gave
/// then. A changed value of a sensitive field is not seen.
pub fn changed(plan: &Plan, desired: &Desired) -> Vec<(Address, String)> {
    let secrets = Secrets::of(desired);
    let touched = plan.actions.iter();
    touched.filter_map(|action| Some((action.address.clone(), differs(plan, action, desired, &secrets)?))).collect()
}

fn differs(plan: &Plan, action: &Action, desired: &Desired, secrets: &Secrets<'_>) -> Option<String> {
    let resource = desired.resources.get(&action.address);
    let goes = match action.action {
        ActionKind::Create | ActionKind::Update | ActionKind::Replace | ActionKind::Adopt => false,
        // What an interrupted replacement left goes while the resource stays.
        ActionKind::Delete | ActionKind::Forget => action.declared.is_empty(),
    };
    match (goes, resource) {
        (true, Some(_)) if plan.destroy => None,
        (true, None) => None,
        (true, Some(resource)) => Some(format!("it is declared again ({})", resource.origin)),
        (false, None) => Some("it is no longer declared".to_owned()),
        (false, Some(resource)) => {
            let now = digests(resource, secrets);
            let names: BTreeSet<&str> = action.declared.keys().chain(now.keys()).map(String::as_str).collect();
            let mut other: Vec<String> = Vec::new();
            if resource.kind.name != action.kind {
                other.push("its kind".to_owned());
            }
            if resource.region != action.region {
                other.push("its region".to_owned());
            }
            other
                .extend(names.into_iter().filter(|n| now.get(*n) != action.declared.get(*n)).map(|n| format!("`{n}`")));
            let verb = if other.len() == 1 { "has" } else { "have" };
            (!other.is_empty())
                .then(|| format!("{} {verb} changed in the files ({})", other.join(", "), resource.origin))
        }
    }
}
