//! Names that somebody else has already.

use std::collections::BTreeMap;

use futures::future::join_all;

use super::kind::{Holder, Name};
use super::{Checks, unchecked};
use crate::model::preflight::{Change, Preflight};

/// New objects by the names that they take.
type Wanted<'a> = BTreeMap<Name, &'a Change<'a>>;

pub(super) async fn check(checks: Checks<'_>) -> Preflight {
    let mut wanted: BTreeMap<(&str, &str), Wanted<'_>> = BTreeMap::new();
    for change in checks.question.created() {
        let Some(handler) = checks.handlers.get(change.kind.name) else { continue };
        for name in handler.names(&checks.question.wanted(change)) {
            wanted.entry((change.kind.name, change.region)).or_default().insert(name, change);
        }
    }
    Preflight::joined(join_all(wanted.iter().map(|((kind, region), names)| of_kind(checks, kind, region, names))).await)
}

async fn of_kind(checks: Checks<'_>, kind: &str, region: &str, wanted: &Wanted<'_>) -> Preflight {
    let mut answer = Preflight::default();
    let Some(handler) = checks.handlers.get(kind) else { return answer };
    let names: Vec<Name> = wanted.keys().cloned().collect();
    match handler.holders(&checks.session.context(region), &names).await {
        Ok(holders) => holders.iter().for_each(|holder| taken(checks, wanted, holder, &mut answer)),
        Err(e) => answer.unchecked.push(unchecked(&format!("names of kind {kind} in {region}"), &e)),
    }
    answer
}

fn taken(checks: Checks<'_>, wanted: &Wanted<'_>, holder: &Holder, answer: &mut Preflight) {
    let Some(change) = wanted.get(&holder.name) else { return };
    // What an earlier run made, or what is replaced: the kind sees to it.
    if checks.question.is_own(change, holder.owner.as_ref()) {
        return;
    }
    let (name, owner) = (&holder.name, holder.owner.as_ref());
    let place = if name.scope.is_empty() { change.region } else { &name.scope };
    checks.question.add_taken(change, place, &name.name, &holder.id, owner, answer);
}
