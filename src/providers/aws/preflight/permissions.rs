//! What the caller may do, by simulating its policies.
//!
//! An action is asked for all resources first. One that no policy allows for all is asked again for the objects that the
//! plan is about, since policies often name their resources. What depends on a condition whose value nobody knows before the
//! call is said to be unchecked. The policies of what the calls are about (of keys, of buckets) are not looked at: where there
//! may be one, what no other policy allows is not certain to fail.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_iam::types::{ContextEntry, ContextKeyTypeEnum, EvaluationResult, PolicyEvaluationDecisionType};
use futures::future::join_all;

use super::kind::Needs;
use super::{Checks, unchecked};
use crate::model::Address;
use crate::model::cloud::ApiError;
use crate::model::kind::Scope;
use crate::model::plan::{Operation, PROTECT};
use crate::model::preflight::{Change, Check, Preflight, View};
use crate::providers::aws::client::Context;

/// Actions that are asked for at once: far below the size of a request.
const ACTIONS: usize = 60;
/// Resources that are asked for at once; of more objects the first ones stand for all.
const RESOURCES: usize = 40;

/// What is needed, in one region: actions with the addresses and resources that they are about.
type Needed = BTreeMap<String, About>;

#[derive(Debug, Clone, Default)]
struct About {
    addresses: BTreeSet<Address>,
    resources: BTreeSet<String>,
    /// Whether the resources are those of the action's own service.
    own: bool,
}

/// Services whose objects carry policies that can allow what no policy of the caller does
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html>).
const WITH_POLICIES: [&str; 7] = ["backup", "events", "kms", "logs", "s3", "secretsmanager", "sns"];

/// What the simulation says of an action; the worse ones last.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Decision {
    Allowed,
    /// It depends on these keys of a request.
    Depends(Vec<String>),
    /// No policy allows it.
    NotAllowed,
    /// Something forbids it: in words.
    Forbidden(&'static str),
}

pub(super) async fn check(checks: Checks<'_>) -> Preflight {
    let cx = checks.session.context(checks.main);
    let mut answer = Preflight::default();
    let caller = match caller(&cx).await {
        Ok(Some(caller)) => caller,
        Ok(None) => return answer,
        Err(e) => {
            answer.unchecked.push(unchecked("permissions", &e));
            return answer;
        }
    };
    let regions = needed(checks, &caller);
    let all = join_all(regions.iter().map(|(region, needed)| simulate(&cx, &caller, region, needed))).await;
    for ((region, needed), decisions) in regions.iter().zip(all) {
        match decisions {
            Ok(decisions) => judge(&caller, region, needed, decisions, &mut answer),
            Err(e) => answer.unchecked.push(unchecked("permissions", &e)),
        }
    }
    Preflight::joined([answer])
}

/// ARN of the user or role whose policies count; none for the root user, who may do anything that the organisation allows.
async fn caller(cx: &Context) -> Result<Option<String>, ApiError> {
    let me = cx.call("sts:GetCallerIdentity", cx.clients.sts.get_caller_identity().send()).await?;
    let arn = me.arn().unwrap_or_default();
    if arn.ends_with(":root") {
        return Ok(None);
    }
    let Some(role) = assumed_role(arn) else { return Ok(Some(arn.to_owned())) };
    // The session's ARN lacks the role's path.
    let answer = cx.call("iam:GetRole", cx.clients.iam.get_role().role_name(role).send()).await?;
    Ok(answer.role().map(|r| r.arn().to_owned()))
}

/// The role's name in the ARN of a session: `arn:aws:sts::1:assumed-role/NAME/session`.
fn assumed_role(arn: &str) -> Option<&str> {
    arn.split_once(":assumed-role/")?.1.split('/').next()
}

/// What the plan needs, by region.
fn needed(checks: Checks<'_>, caller: &str) -> BTreeMap<String, Needed> {
    let partition = caller.split(':').nth(1).unwrap_or("aws");
    let mut all: BTreeMap<String, Needed> = BTreeMap::new();
    for change in &checks.question.changes {
        let Some(handler) = checks.handlers.get(change.kind.name) else { continue };
        let (needs, facts) = (handler.needs(), &change.kind.facts);
        let region = all.entry(change.region.to_owned()).or_default();
        let place = match facts.scope {
            Scope::Regional => change.region,
            Scope::Global => "",
        };
        let resource = resource(checks, change, needs);
        // The ARNs of zones name no account, those of buckets no region either.
        let (place, account) = match facts.service {
            "s3" => ("", ""),
            "route53" => (place, ""),
            _ => (place, checks.question.account),
        };
        let arn = format!("arn:{partition}:{}:{place}:{account}:{resource}", facts.service);
        for action in actions(checks, change, needs) {
            let about = region.entry(action.to_owned()).or_default();
            about.addresses.insert(change.address.clone());
            if action.split(':').next() == Some(facts.service) {
                about.own = true;
                about.resources.insert(arn.clone());
            }
        }
    }
    all
}

/// What a change is about, as policies name it: the part of the ARN after the account.
fn resource(checks: Checks<'_>, change: &Change<'_>, needs: Needs) -> String {
    let new = checks.question.wanted(change);
    let made = || Some(checks.handlers.get(change.kind.name)?.names(&new).into_iter().next()?.name);
    let there = change.before.filter(|_| change.operation != Operation::Create);
    let name = there.map(|object| object.id.clone()).or_else(made);
    let path = there.map_or(new, |object| checks.question.old(object)).text("path");
    needs.resource.replace("{name}", name.as_deref().unwrap_or("*")).replace("{path}", path.unwrap_or("/"))
}

/// The actions that a change calls.
fn actions(checks: Checks<'_>, change: &Change<'_>, needs: Needs) -> Vec<&'static str> {
    let permissions = change.kind.facts.permissions;
    let (all, view): (_, Option<View<'_>>) = match change.operation {
        Operation::Create => (permissions.create, Some(checks.question.wanted(change))),
        Operation::Update => (permissions.update, None),
        Operation::Delete => (permissions.delete, change.before.map(|o| checks.question.old(o))),
        Operation::Save | Operation::Own | Operation::Disown => return Vec::new(),
    };
    let is_called = |action: &&&str| {
        match change.operation {
            Operation::Update if is_tagging(action) => {
                return change.changed.contains("tags") || change.changed.contains(PROTECT);
            }
            // Of a recovery point, which is not made by every deletion.
            Operation::Delete if is_tagging(action) => return false,
            _ => {}
        }
        match needs.only_for.iter().find(|(name, _)| *name == **action) {
            None => {
                change.operation != Operation::Update || change.changed.iter().any(|f| !["tags", PROTECT].contains(f))
            }
            Some((_, fields)) => fields.iter().any(|field| match &view {
                Some(view) => view.asks(field),
                None => change.operation == Operation::Update && change.changed.contains(field),
            }),
        }
    };
    all.iter().filter(is_called).copied().collect()
}

/// Whether what an action is about may carry a policy that allows it.
fn has_policies(action: &str) -> bool {
    action.split_once(':').is_some_and(|(service, _)| WITH_POLICIES.contains(&service))
}

/// Whether an action writes or removes tags.
fn is_tagging(action: &str) -> bool {
    let name = action.split(':').nth(1).unwrap_or_default();
    const NAMES: [&str; 12] = [
        "AddTags",
        "AddTagsToResource",
        "CreateOrUpdateTags",
        "CreateTags",
        "DeleteTags",
        "PutBucketTagging",
        "RemoveTags",
        "RemoveTagsFromResource",
        "TagResource",
        "TagRole",
        "UntagResource",
        "UntagRole",
    ];
    NAMES.contains(&name)
}

/// Decides on all actions of a region.
async fn simulate(
    cx: &Context,
    caller: &str,
    region: &str,
    needed: &Needed,
) -> Result<BTreeMap<String, Decision>, ApiError> {
    let mut decisions = BTreeMap::new();
    let all: Vec<String> = needed.keys().cloned().collect();
    for actions in all.chunks(ACTIONS) {
        decisions.extend(ask(cx, caller, region, actions, &[]).await?);
    }
    // Those that are not allowed for everything, by the resources that they are about.
    let mut again: BTreeMap<&BTreeSet<String>, Vec<String>> = BTreeMap::new();
    for (action, about) in needed.iter().filter(|(_, about)| about.own) {
        if decisions.get(action) == Some(&Decision::NotAllowed) {
            again.entry(&about.resources).or_default().push(action.clone());
        }
    }
    for (resources, all) in again {
        let resources: Vec<String> = resources.iter().take(RESOURCES).cloned().collect();
        for actions in all.chunks(ACTIONS) {
            decisions.extend(ask(cx, caller, region, actions, &resources).await?);
        }
    }
    Ok(decisions)
}

async fn ask(
    cx: &Context,
    caller: &str,
    region: &str,
    actions: &[String],
    resources: &[String],
) -> Result<BTreeMap<String, Decision>, ApiError> {
    let place = ContextEntry::builder()
        .context_key_name("aws:RequestedRegion")
        .context_key_values(region)
        .context_key_type(ContextKeyTypeEnum::String)
        .build();
    let request = cx
        .clients
        .iam
        .simulate_principal_policy()
        .policy_source_arn(caller)
        .set_action_names(Some(actions.to_vec()))
        .set_resource_arns((!resources.is_empty()).then(|| resources.to_vec()))
        .context_entries(place)
        .max_items(1000);
    let pages = cx.pages("iam:SimulatePrincipalPolicy", request.into_paginator().send()).await?;
    let mut decisions = BTreeMap::new();
    for result in pages.iter().flat_map(|p| p.evaluation_results()) {
        // One result for each resource: the worst one counts.
        let of_action = decisions.entry(result.eval_action_name().to_owned()).or_insert(Decision::Allowed);
        *of_action = decision(result).max(of_action.clone());
    }
    Ok(decisions)
}

fn decision(result: &EvaluationResult) -> Decision {
    if *result.eval_decision() == PolicyEvaluationDecisionType::Allowed {
        return Decision::Allowed;
    }
    let mut missing: Vec<String> = result.missing_context_values().to_vec();
    missing.extend(result.resource_specific_results().iter().flat_map(|r| r.missing_context_values().iter().cloned()));
    missing.sort();
    missing.dedup();
    if !missing.is_empty() {
        return Decision::Depends(missing);
    }
    if result.organizations_decision_detail().is_some_and(|o| !o.allowed_by_organizations()) {
        return Decision::Forbidden("by a policy of the organisation");
    }
    if result.permissions_boundary_decision_detail().is_some_and(|b| !b.allowed_by_permissions_boundary()) {
        return Decision::Forbidden("by the permissions boundary");
    }
    match result.eval_decision() {
        PolicyEvaluationDecisionType::ExplicitDeny => Decision::Forbidden("by a statement with `Effect: Deny`"),
        _ => Decision::NotAllowed,
    }
}

/// What is refused for one reason: actions, and the resources that they are for.
type Refused<'a> = (Vec<&'a str>, BTreeSet<Address>);

/// One finding for all that is refused for one reason.
fn judge(caller: &str, region: &str, needed: &Needed, decisions: BTreeMap<String, Decision>, answer: &mut Preflight) {
    let mut refused: BTreeMap<(String, bool), Refused<'_>> = BTreeMap::new();
    for (action, about) in needed {
        let (why, blocks) = match decisions.get(action) {
            Some(Decision::Allowed) => continue,
            Some(Decision::Forbidden(why)) => (format!("forbidden {why}"), true),
            Some(Decision::NotAllowed) if !about.own => {
                // Of what another service's action is about, nothing is known here.
                ("allowed by no policy for all resources".to_owned(), false)
            }
            Some(Decision::NotAllowed) => ("allowed by no policy".to_owned(), !has_policies(action)),
            Some(Decision::Depends(keys)) => {
                answer.unchecked.push(format!("permission {action}: it depends on {}", keys.join(", ")));
                continue;
            }
            None => {
                answer.unchecked.push(format!("permission {action}: the simulation does not know it"));
                continue;
            }
        };
        let entry = refused.entry((why, blocks)).or_default();
        entry.0.push(action);
        entry.1.extend(about.addresses.iter().cloned());
    }
    for ((why, blocks), (actions, addresses)) in refused {
        let message = format!("{why}, for {caller} in {region}: {}", actions.join(", "));
        let help = "change the policies; `saiken kinds KIND --policy` prints one that allows what a kind needs";
        answer.add(Check::Permission, addresses, blocks, message, help);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_role_of_a_session_is_found() {
        assert_eq!(assumed_role("arn:aws:sts::1:assumed-role/deploy/me"), Some("deploy"));
        assert_eq!(assumed_role("arn:aws:iam::1:user/a/me"), None);
    }
}
