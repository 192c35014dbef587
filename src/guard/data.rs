//! The data guard at apply time: each object that loses data has been named, under the guard as it is now.

use std::collections::BTreeSet;

use crate::diagnostic::suggestion;
use crate::model::Address;
use crate::model::environment::{DataLoss, Environment};
use crate::model::plan::{Impact, Plan, Refusal};

/// Refusals: objects whose data would go and that were not named. A plan that was made under a weaker guard than the
/// environment's is refused too, since it lacks the steps that save data.
pub fn unnamed(plan: &Plan, environment: &Environment, allowed: &BTreeSet<Address>) -> Vec<Refusal> {
    let guard = &environment.guards.data;
    let mut refused = Vec::new();
    for action in plan.actions.iter().filter(|a| a.impact == Impact::LosesData) {
        let address = &action.address;
        let mut refuse = |reason: String, help: String| {
            refused.push(Refusal { address: address.clone(), reason, help });
        };
        let loss = plan.losses.iter().find(|l| l.address == *address);
        let named = loss.is_some_and(|l| l.named);
        let weaker = loss.and_then(|l| l.newer_than).is_some_and(|limit| limit > guard.recovery_point);
        if guard.loss == DataLoss::Named && (!named || weaker) {
            refuse(
                "the plan was made when less was asked for before data goes".to_owned(),
                "make the plan again".to_owned(),
            );
        } else if named && !allowed.contains(address) {
            let objects: Vec<&str> = loss.into_iter().flat_map(|l| &l.objects).map(String::as_str).collect();
            refuse(
                format!("its data would go ({} {})", action.kind, objects.join(", ")),
                format!("if that is meant, add --allow-data-loss {}", address.for_shell()),
            );
        }
    }
    refused
}

/// The first named address whose data the plan does not take away, with the nearest one that it does.
pub fn not_lost(plan: &Plan, allowed: &BTreeSet<Address>) -> Option<(Address, Option<String>)> {
    let lost = || plan.losses.iter().map(|l| l.address.as_str());
    let wrong = allowed.iter().find(|a| !lost().any(|l| l == a.as_str()))?;
    Some((wrong.clone(), suggestion(wrong.as_str(), lost())))
}
