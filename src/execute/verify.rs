//! Whether a saved plan may still be obeyed: what it touches is as it was, and the files are those it was made from.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::{BTreeSet, HashMap};
use std::fmt;

use crate::model::Address;
use crate::model::desired::Desired;
use crate::model::observed::{Object, Observed, Status};
use crate::model::plan::{FORMAT, Plan};
use crate::plan::declared;

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

/// All that has changed since the plan was made, by the files and a new inventory; empty if it may be obeyed.
///
/// Looks at format, project, environment, provider and account, and at the objects that its actions touch: each must be
/// there unchanged, and no other may have appeared at their addresses. What it doesn't touch may have changed.
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
    let redeclared = declared::changed(plan, desired).into_iter();
    all.extend(redeclared.map(|(address, what)| Stale { address: Some(address), what }));
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
