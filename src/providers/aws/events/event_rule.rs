//! `event_rule`: does something when an event comes, or at certain times.
//!
//! Its id is its ARN, which holds the bus and the name; another bus or name makes a new rule necessary. One call writes
//! a rule whole, whether it is there or not: before a creation it is looked at, and a rule of that name which is not
//! ours is left alone. An update writes again what is not declared as it is there. Tags count in the first call only.
//! Targets come after the rule: a run that ended in between left a rule without them, which the next plan shows. A rule
//! goes when its targets are gone.
//!
//! The list of a bus shows no tags: a prefix finds rules with names that saiken gives, new ones too, on all buses; the
//! index of tags tells those with names of their own, and the tags of most. Targets cost a call a rule.
//! API: <https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html>

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_eventbridge::types::{Rule, RuleState, Tag, Target as ApiTarget};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::event_targets::Target;
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::{self, Owner};
use crate::model::preflight::View;
use crate::model::types::Ref;
use crate::model::value::is_unknown_text;
use crate::providers::aws::arns;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::json::Json;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs};
use crate::providers::aws::tagging;
use crate::providers::aws::words::words;

/// The bus of an account that is always there.
const DEFAULT: &str = "default";
/// Targets of a rule (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html>).
const TARGETS: usize = 5;
/// Rules that are read at once.
const AT_ONCE: usize = 8;
/// Longest time until a rule is seen without the targets that were removed; they take seconds.
const FREE_WITHIN: Duration = Duration::from_secs(60);

/// The kind `event_rule`.
pub struct EventRule;

/// Does something when an event comes, or at certain times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, 64 letters, digits, `.`, `-` and `_` at most; derived from the address if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9._-]+$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// Name of its bus, `default` if left out.
    #[serde(default = "default_bus")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[A-Za-z0-9._/-]+$"), extend("x-change" = "replace"))]
    pub bus: String,
    /// What it is for; 512 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub description: Option<String>,
    /// Which events it lets through, as a mapping or JSON text. This, `schedule`, or both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pattern: Option<Json>,
    /// When it comes by itself: `rate(5 minutes)`, `cron(0 3 * * ? *)` (UTC); on the bus `default` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub schedule: Option<String>,
    /// Whether it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// Role of targets that have none of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Ref<Role>>,
    /// What is done, by names of up to 64 letters, digits, `.`, `-` and `_`; 5 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub targets: Option<BTreeMap<String, Target>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

fn default_bus() -> String {
    DEFAULT.to_owned()
}

words! {
    /// Whether a rule works.
    State {
        /// It does.
        Enabled = "ENABLED",
        /// It does not.
        Disabled = "DISABLED",
        /// It does, and sees calls that only read, which CloudTrail records.
        EnabledForManagementEvents = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS",
    }
}

impl Kind for EventRule {
    const NAME: &'static str = "event_rule";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "rule for events and times",
            service: "events",
            reference: "https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_PutRule.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Its ARN"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("name", "Name"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "events:ListEventBuses",
                    "events:ListRules",
                    "events:ListTargetsByRule",
                    "events:ListTagsForResource",
                    "tag:GetResources",
                ],
                create: &["events:PutRule", "events:TagResource", "events:PutTargets", "iam:PassRole"],
                update: &[
                    "events:PutRule",
                    "events:ListTargetsByRule",
                    "events:PutTargets",
                    "events:RemoveTargets",
                    "events:TagResource",
                    "events:UntagResource",
                    "iam:PassRole",
                ],
                delete: &["events:ListTargetsByRule", "events:RemoveTargets", "events:DeleteRule"],
            },
            name_limit: 64,
            creation_seconds: 1,
            deletion_seconds: 1,
            quota: 300,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if spec.pattern.is_none() && spec.schedule.is_none() {
            problems.add("pattern", "a rule is about events or about times", "give `pattern` or `schedule`");
        }
        if spec.schedule.is_some() && spec.bus != DEFAULT && !is_unknown_text(&spec.bus) {
            problems.add("schedule", format!("only the bus `{DEFAULT}` knows times"), "leave `bus` out");
        }
        if let Some(schedule) = spec.schedule.as_deref().filter(|s| !is_unknown_text(s)) {
            let inside = ["rate(", "cron("].iter().find_map(|word| schedule.strip_prefix(word)?.strip_suffix(')'));
            if inside.is_none_or(|inside| inside.trim().is_empty()) {
                let message = format!("`{schedule}` is no schedule");
                problems.add("schedule", message, "write rate(5 minutes) or cron(0 3 * * ? *)");
            }
        }
        if let Some(pattern) = spec.pattern.as_ref().filter(|p| p.value().is_array() || p.is_empty()) {
            let message = format!("`{}` is no pattern", pattern.to_text());
            problems.add("pattern", message, "write {source: [aws.ec2]}, for one");
        }
        let targets = spec.targets.iter().flatten();
        for (id, target) in targets.clone() {
            let path = format!("targets.{id}");
            target.check(&path, problems);
            let letters = id.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
            if !letters || id.is_empty() || id.len() > 64 {
                problems.add(
                    path,
                    format!("`{id}` can't be the name of a target"),
                    "take letters, digits, `.`, `-` and `_`",
                );
            }
        }
        if targets.count() > TARGETS {
            problems.add("targets", format!("a rule has {TARGETS} targets at most"), "write another rule");
        }
    }
}

#[async_trait]
impl Checked for EventRule {
    fn needs() -> Needs {
        Needs {
            resource: "rule/{name}",
            only_for: &[
                ("events:ListTargetsByRule", &["targets"]),
                ("events:PutTargets", &["targets"]),
                ("events:RemoveTargets", &["targets"]),
                ("iam:PassRole", &["role"]),
            ],
        }
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        let bus = view.spec.get("bus").and_then(|b| b.as_str()).unwrap_or(DEFAULT);
        view.own_name().map(|name| Name { scope: bus.to_owned(), name: name.to_owned() }).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let mut holders = Vec::new();
        for name in names {
            let Some(rule) = one(cx, &name.scope, &name.name).await? else { continue };
            let arn = rule.arn.unwrap_or_default();
            let owner = tags(cx, &arn).await?.as_ref().and_then(Owner::from_tags);
            holders.push(Holder { name: name.clone(), id: arn, owner });
        }
        Ok(holders)
    }
}

#[async_trait]
impl AwsKind for EventRule {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let (rules, mut index) = match &read.selection {
            Selection::Ids(ids) => (by_ids(cx, ids.iter().map(String::as_str).collect()).await?, BTreeMap::new()),
            Selection::Owned { .. } | Selection::Tagged(_) => candidates(cx, &read.selection).await?,
        };
        let each = rules.into_iter().map(|rule| {
            let known = index.remove(rule.arn().unwrap_or_default());
            found(cx, read, rule, known)
        });
        let found: Vec<Option<Found<Spec>>> = stream::iter(each).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let (bus, name) = (want.spec.bus.as_str(), want.spec.name.as_deref().unwrap_or(want.name));
        if let Some(there) = one(cx, bus, name).await? {
            is_ours(cx, want, there.arn().unwrap_or_default()).await?;
        }
        let arn = put(cx, want, name, None).await?;
        if let Some(targets) = want.spec.targets.as_ref().filter(|t| !t.is_empty()) {
            put_targets(cx, (bus, name), targets.iter().map(|(id, t)| t.to_api(want, id, None))).await?;
        }
        Ok(arn)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let (bus, name) = split(update.id);
        if ["description", "pattern", "schedule", "state", "role"].iter().any(|field| update.changed(field)) {
            let there = one(cx, bus, name).await?;
            put(cx, &update.want, name, there.as_ref()).await?;
        }
        let Some(targets) = update.want.spec.targets.as_ref().filter(|_| update.changed("targets")) else {
            return Ok(());
        };
        let there = targets_of(cx, bus, name).await?.unwrap_or_default();
        if !targets.is_empty() {
            let wanted = targets.iter().map(|(id, t)| t.to_api(&update.want, id, there.iter().find(|t| t.id() == id)));
            put_targets(cx, (bus, name), wanted).await?;
        }
        let gone = there.into_iter().map(|t| t.id).filter(|id| !targets.contains_key(id)).collect();
        remove_targets(cx, (bus, name), gone).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let (bus, name) = split(delete.id);
        let there = targets_of(cx, bus, name).await?.unwrap_or_default();
        remove_targets(cx, (bus, name), there.into_iter().map(|t| t.id).collect()).await?;
        let what = format!("{} to be without targets", delete.id);
        let request = cx.clients.events.delete_rule().event_bus_name(bus).name(name);
        let call = || cx.call("events:DeleteRule", request.clone().send());
        cx.while_refused(delete.watch, &what, FREE_WITHIN, has_targets, call).await.map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        let events = &cx.clients.events;
        if !set.is_empty() {
            let request = events.tag_resource().resource_arn(&object.id).set_tags(Some(to_tags(set)?));
            cx.call("events:TagResource", request.send()).await?;
        }
        if !remove.is_empty() {
            let request = events.untag_resource().resource_arn(&object.id).set_tag_keys(Some(remove.to_vec()));
            cx.call("events:UntagResource", request.send()).await?;
        }
        Ok(())
    }
}

/// Whether a rule can't go since its targets, which were removed just now, are still seen.
fn has_targets(error: &ApiError) -> bool {
    error.code.as_deref() == Some("ValidationException") && error.message.contains("since it has targets")
}

/// Bus and name of a rule, by its ARN (`…:rule/NAME` on the default bus, `…:rule/BUS/NAME`) or its name. Names of buses
/// may hold `/`.
fn split(id: &str) -> (&str, &str) {
    let path = id.split_once(":rule/").map_or(id, |(_, path)| path);
    path.rsplit_once('/').unwrap_or((DEFAULT, path))
}

fn to_tags(tags: &Tags) -> Result<Vec<Tag>, ApiError> {
    let all = tags.iter().map(|(k, v)| Tag::builder().key(k).value(v).build());
    all.collect::<Result<_, _>>().map_err(|e| ApiError::new("events:TagResource", ErrorClass::Invalid, e.to_string()))
}

/// Tags of a rule; none if it is gone.
async fn tags(cx: &Context, arn: &str) -> Result<Option<Tags>, ApiError> {
    let request = cx.clients.events.list_tags_for_resource().resource_arn(arn);
    match cx.call("events:ListTagsForResource", request.send()).await {
        Ok(answer) => Ok(Some(answer.tags().iter().map(|t| (t.key().to_owned(), t.value().to_owned())).collect())),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// A rule that is there under the name of a new one.
async fn is_ours(cx: &Context, want: &Create<'_, Spec>, arn: &str) -> Result<(), ApiError> {
    let whose = |tags: &Tags| Owner::from_tags(tags).map(|o| (o.project, o.environment, o.address, o.generation));
    match tags(cx, arn).await? {
        Some(there) if whose(&there) != whose(want.tags) => {
            let message = format!("'{arn}' is there already, and it is not ours");
            Err(ApiError::new("events:PutRule", ErrorClass::Conflict, message))
        }
        _ => Ok(()),
    }
}

/// Names of all buses of the region.
async fn buses(cx: &Context) -> Result<Vec<String>, ApiError> {
    let (mut all, mut next) = (Vec::new(), None);
    loop {
        let request = cx.clients.events.list_event_buses().limit(100).set_next_token(next);
        let page = cx.call("events:ListEventBuses", request.send()).await?;
        all.extend(page.event_buses.unwrap_or_default().into_iter().filter_map(|b| b.name));
        next = page.next_token;
        if next.is_none() {
            return Ok(all);
        }
    }
}

/// Rules of a bus whose names begin with a prefix; none if the bus is gone.
async fn rules(cx: &Context, bus: &str, prefix: &str) -> Result<Vec<Rule>, ApiError> {
    let (mut all, mut next) = (Vec::new(), None);
    loop {
        let request = cx.clients.events.list_rules().event_bus_name(bus).name_prefix(prefix).limit(100);
        let page = match cx.call("events:ListRules", request.set_next_token(next).send()).await {
            Ok(page) => page,
            Err(e) if e.class == ErrorClass::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(e),
        };
        all.extend(page.rules.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            return Ok(all);
        }
    }
}

/// The rule of this name. The list is asked: during a creation a rule that is missing would be asked for again and
/// again.
async fn one(cx: &Context, bus: &str, name: &str) -> Result<Option<Rule>, ApiError> {
    Ok(rules(cx, bus, name).await?.into_iter().find(|r| r.name() == Some(name)))
}

/// Rules by their ARNs or names; those that are gone are left out.
async fn by_ids(cx: &Context, ids: Vec<&str>) -> Result<Vec<Rule>, ApiError> {
    let mut each = Vec::new();
    for id in ids {
        let (bus, name) = split(id);
        each.push(one(cx, bus, name));
    }
    let all: Vec<Option<Rule>> = stream::iter(each).buffered(AT_ONCE).try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}

/// Rules that are selected by tags, or may be, and the tags that the index knows, by ARN.
async fn candidates(cx: &Context, selection: &Selection<'_>) -> Result<(Vec<Rule>, BTreeMap<String, Tags>), ApiError> {
    let prefix = match selection {
        Selection::Owned { project, environment } => Some(ownership::name_prefix(project, environment)),
        Selection::Tagged(_) | Selection::Ids(_) => None,
    };
    let named = async {
        let Some(prefix) = &prefix else { return Ok(Vec::new()) };
        let each = buses(cx).await?.into_iter().map(|bus| async move { rules(cx, &bus, prefix).await });
        let all: Vec<Vec<Rule>> = stream::iter(each).buffered(AT_ONCE).try_collect().await?;
        Ok::<Vec<Rule>, ApiError>(all.into_iter().flatten().collect())
    };
    let (mut all, index) = futures::try_join!(named, tagging::of_service(cx, "events:rule", selection))?;
    let known: BTreeSet<&str> = all.iter().filter_map(Rule::arn).collect();
    let others = index.keys().map(String::as_str).filter(|arn| !known.contains(arn)).collect();
    let more = by_ids(cx, others).await?;
    all.extend(more);
    Ok((all, index))
}

/// Targets of a rule; none if it is gone.
async fn targets_of(cx: &Context, bus: &str, name: &str) -> Result<Option<Vec<ApiTarget>>, ApiError> {
    let (mut all, mut next) = (Vec::new(), None);
    loop {
        let request = cx.clients.events.list_targets_by_rule().event_bus_name(bus).rule(name).limit(100);
        let page = match cx.call("events:ListTargetsByRule", request.set_next_token(next).send()).await {
            Ok(page) => page,
            Err(e) if e.class == ErrorClass::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        all.extend(page.targets.unwrap_or_default());
        next = page.next_token;
        if next.is_none() {
            return Ok(Some(all));
        }
    }
}

/// Writes a rule whole; what is not declared is as it is there. Gives its ARN.
async fn put(cx: &Context, want: &Create<'_, Spec>, name: &str, there: Option<&Rule>) -> Result<String, ApiError> {
    let spec = want.spec;
    let role = arns::optional(want, spec.role.as_ref())?;
    let state = spec.state.map(|s| RuleState::from(s.api()));
    let mut request = cx
        .clients
        .events
        .put_rule()
        .name(name)
        .event_bus_name(&spec.bus)
        .set_description(spec.description.clone().or_else(|| there.and_then(|r| r.description.clone())))
        .set_event_pattern(spec.pattern.as_ref().map(Json::to_text))
        .set_schedule_expression(spec.schedule.clone())
        .set_state(state.or_else(|| there.and_then(|r| r.state.clone())))
        .set_role_arn(role.or_else(|| there.and_then(|r| r.role_arn.clone())));
    if there.is_none() {
        request = request.set_tags(Some(to_tags(want.tags)?));
    }
    let answer = cx.call("events:PutRule", request.send()).await?;
    Ok(answer.rule_arn.unwrap_or_default())
}

/// Writes targets. The call succeeds even if some can't be written: that is an error.
async fn put_targets(
    cx: &Context,
    (bus, name): (&str, &str),
    targets: impl Iterator<Item = Result<ApiTarget, ApiError>> + Send,
) -> Result<(), ApiError> {
    let targets = targets.collect::<Result<Vec<_>, _>>()?;
    let request = cx.clients.events.put_targets().event_bus_name(bus).rule(name).set_targets(Some(targets));
    let answer = cx.call("events:PutTargets", request.send()).await?;
    let entries = answer.failed_entries().iter();
    let failed = entries.map(|e| failure(e.target_id(), e.error_code(), e.error_message())).collect();
    all_done("events:PutTargets", answer.failed_entry_count(), failed)
}

async fn remove_targets(cx: &Context, (bus, name): (&str, &str), ids: Vec<String>) -> Result<(), ApiError> {
    if ids.is_empty() {
        return Ok(());
    }
    let request = cx.clients.events.remove_targets().event_bus_name(bus).rule(name).set_ids(Some(ids));
    let answer = match cx.call("events:RemoveTargets", request.send()).await {
        Err(e) if e.class == ErrorClass::NotFound => return Ok(()),
        other => other?,
    };
    let entries = answer.failed_entries().iter();
    let failed = entries.map(|e| failure(e.target_id(), e.error_code(), e.error_message())).collect();
    all_done("events:RemoveTargets", answer.failed_entry_count(), failed)
}

/// Code and words of an entry that failed.
fn failure(id: Option<&str>, code: Option<&str>, message: Option<&str>) -> (String, String) {
    let (id, code, message) = (id.unwrap_or_default(), code.unwrap_or_default(), message.unwrap_or_default());
    (code.to_owned(), format!("target '{id}': {code} {message}"))
}

fn all_done(operation: &str, count: i32, failed: Vec<(String, String)>) -> Result<(), ApiError> {
    if count == 0 && failed.is_empty() {
        return Ok(());
    }
    let codes: Vec<&str> = failed.iter().map(|(code, _)| code.as_str()).collect();
    let class = match codes.as_slice() {
        ["ConcurrentModificationException", ..] => ErrorClass::Conflict,
        ["LimitExceededException", ..] => ErrorClass::QuotaExceeded,
        _ => ErrorClass::Invalid,
    };
    let message: Vec<&str> = failed.iter().map(|(_, text)| text.as_str()).collect();
    let mut error = ApiError::new(operation, class, format!("{count} failed: {}", message.join("; ")));
    error.code = codes.first().map(|code| (*code).to_owned());
    Err(error)
}

/// A rule with what is asked of it; none if it is not selected or gone.
async fn found(
    cx: &Context,
    read: &Read<'_>,
    rule: Rule,
    known: Option<Tags>,
) -> Result<Option<Found<Spec>>, ApiError> {
    let arn = rule.arn().unwrap_or_default().to_owned();
    let tags = match known {
        Some(tags) => tags,
        None => match tags(cx, &arn).await? {
            Some(tags) if matches!(read.selection, Selection::Ids(_)) || read.selection.matches(&arn, &tags) => tags,
            _ => return Ok(None),
        },
    };
    let (bus, name) = split(&arn);
    let (mut targets, mut unread) = (None, Vec::new());
    if read.wants("targets", &tags) {
        let Some(all) = targets_of(cx, bus, name).await? else { return Ok(None) };
        targets = Some(all.iter().map(|t| (t.id().to_owned(), Target::observed(t))).collect());
    } else {
        unread.push("targets");
    }
    Ok(Some(Found {
        identifiers: vec![name.to_owned()],
        attributes: attributes([("id", json!(arn)), ("arn", json!(arn)), ("name", json!(name))]),
        spec: Spec {
            name: Some(name.to_owned()),
            bus: bus.to_owned(),
            description: Some(rule.description().unwrap_or_default().to_owned()),
            pattern: rule.event_pattern().map(Json::observed),
            schedule: rule.schedule_expression().filter(|s| !s.is_empty()).map(str::to_owned),
            state: rule.state().and_then(|s| State::from_api(s.as_str())),
            role: rule.role_arn().map(Ref::id),
            targets,
            tags: None,
        },
        status: Status::Ready,
        tags,
        unread,
        id: arn.clone(),
    }))
}

#[cfg(test)]
mod tests;
