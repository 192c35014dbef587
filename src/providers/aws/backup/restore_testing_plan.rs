//! `restore_testing_plan`: backups are restored on a schedule, to see that they can be; what was restored is deleted
//! after that.
//!
//! Its name is its id, and makes a new plan necessary; everything else changes in place. Names hold letters, digits and
//! `_` only: a derived one has `_` where others have `-`. The list of plans shows no tags (see [`super`]), and a name
//! that is taken is taken by the plan of an earlier run if that carries our tags. Selections are made after the plan,
//! by names that can be taken once in it: what is missing of them, the next read sees. The service deletes no plan that
//! has any: they go first.
//! API: <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateRestoreTestingPlan.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_backup::types::{
    RestoreTestingPlanForCreate, RestoreTestingPlanForGet, RestoreTestingPlanForList, RestoreTestingPlanForUpdate,
    RestoreTestingRecoveryPointSelection, RestoreTestingRecoveryPointSelectionAlgorithm as ApiAlgorithm,
    RestoreTestingRecoveryPointType as ApiType,
};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::plan_parts::UTC;
use super::restore_testing_selections::{self as selections, TestSelection};
use super::vault::BackupVault;
use super::{
    AT_ONCE, DAY, HOUR, Listed, check_schedule, check_time, check_time_zone, from_units, invalid, prefix, retag,
    selected, tags, units,
};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::Owner;
use crate::model::preflight::View;
use crate::model::types::{Duration, Ref};
use crate::model::value::is_unknown_text;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs};
use crate::providers::aws::words::words;

/// Longest name.
const NAME_LIMIT: usize = 50;
/// The call that makes a plan.
const MAKE: &str = "backup:CreateRestoreTestingPlan";
/// The longest window, in hours.
const WEEK: u64 = 168;

/// The kind `restore_testing_plan`.
pub struct RestoreTestingPlan;

/// When which backups are restored, to see that they can be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, 50 letters, digits and `_` at most; derived from the address if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), regex(pattern = r"^[A-Za-z0-9_]+$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// When: `cron(0 5 ? * * *)` (minute, hour, day of month, month, day of week, year) or `rate(7 days)`.
    pub schedule: String,
    /// Time zone of the schedule, such as `Asia/Tokyo`; UTC by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// How long after its time a test may begin, 1h to 168h; 24h by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_window: Option<Duration>,
    /// Which recovery points are restored.
    #[schemars(extend("x-deep" = true))]
    pub recovery_points: RecoveryPoints,
    /// Whose recovery points are restored, and how, by name: 50 letters, digits and `_` at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub selections: Option<BTreeMap<String, TestSelection>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// Which recovery points are restored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoveryPoints {
    /// Which one of those in the window.
    pub choice: Choice,
    /// Vaults that they are taken from (`{id: "*"}` for all, or by an ARN or a pattern of ARNs, if they are not owned).
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub vaults: Vec<Ref<BackupVault>>,
    /// Vaults that they are not taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub not_vaults: Option<Vec<Ref<BackupVault>>>,
    /// What sorts of recovery points.
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub types: Vec<PointType>,
    /// How old they are at most, 1d to 365d; 30d by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Duration>,
}

words! {
    /// Which recovery point is restored.
    Choice {
        /// The latest one.
        Latest = "LATEST_WITHIN_WINDOW",
        /// Any one.
        Random = "RANDOM_WITHIN_WINDOW",
    }
}

words! {
    /// A sort of recovery points.
    PointType {
        /// Those of one moment.
        Snapshot = "SNAPSHOT",
        /// Those of every moment of a time.
        Continuous = "CONTINUOUS",
    }
}

impl Kind for RestoreTestingPlan {
    const NAME: &'static str = "restore_testing_plan";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "plan of restore tests",
            service: "backup",
            reference: "https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateRestoreTestingPlan.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "Its name"),
                    Attribute::stable("name", "Name"),
                    Attribute::stable("arn", "ARN"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "backup:GetRestoreTestingPlan",
                    "backup:GetRestoreTestingSelection",
                    "backup:ListRestoreTestingPlans",
                    "backup:ListRestoreTestingSelections",
                    "backup:ListTags",
                    "tag:GetResources",
                ],
                create: &[
                    "backup:CreateRestoreTestingPlan",
                    "backup:CreateRestoreTestingSelection",
                    "backup:UpdateRestoreTestingSelection",
                    "backup:TagResource",
                    "iam:PassRole",
                ],
                update: &[
                    "backup:UpdateRestoreTestingPlan",
                    "backup:CreateRestoreTestingSelection",
                    "backup:UpdateRestoreTestingSelection",
                    "backup:DeleteRestoreTestingSelection",
                    "backup:TagResource",
                    "backup:UntagResource",
                    "iam:PassRole",
                ],
                delete: &[
                    "backup:ListRestoreTestingSelections",
                    "backup:DeleteRestoreTestingSelection",
                    "backup:DeleteRestoreTestingPlan",
                ],
            },
            name_limit: NAME_LIMIT,
            creation_seconds: 2,
            deletion_seconds: 2,
            quota: 100,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        check_schedule("schedule", &spec.schedule, problems);
        check_time_zone("time_zone", spec.time_zone.as_ref(), problems);
        check_hours("start_window", spec.start_window.as_ref(), 1, problems);
        let window = spec.recovery_points.window.as_ref();
        check_time("recovery_points.window", window, (DAY, "days"), 1, problems);
        if window.is_some_and(|w| w.seconds() > 365 * DAY) {
            problems.add("recovery_points.window", "the service looks back 365 days at most", "make it shorter");
        }
        for (name, selection) in spec.selections.iter().flatten() {
            selection.check(&format!("selections.{name}"), name, problems);
        }
    }
}

/// Whether a window can be one: whole hours, a week at most.
pub(super) fn check_hours(path: &str, window: Option<&Duration>, least: u64, problems: &mut Problems) {
    let Some(window) = window.filter(|w| !is_unknown_text(w.as_str())) else { return };
    let (hours, rest) = (window.seconds() / HOUR, window.seconds() % HOUR);
    if rest != 0 || !(least..=WEEK).contains(&hours) {
        let help = format!("write whole hours, {least}h to {WEEK}h");
        problems.add(path, format!("the service takes no window of `{window}`"), help);
    }
}

#[async_trait]
impl Checked for RestoreTestingPlan {
    fn needs() -> Needs {
        Needs {
            resource: "restore-testing-plan:*",
            only_for: &[
                ("backup:UpdateRestoreTestingPlan", &["schedule", "time_zone", "start_window", "recovery_points"]),
                ("backup:CreateRestoreTestingSelection", &["selections"]),
                ("backup:UpdateRestoreTestingSelection", &["selections"]),
                ("backup:DeleteRestoreTestingSelection", &["selections"]),
                ("iam:PassRole", &["selections"]),
            ],
        }
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        view.own_name().map(|name| Name::new(own_name(name))).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let mut holders = Vec::new();
        for plan in plans(cx).await? {
            let name = Name::new(plan.name.as_str());
            if names.contains(&name) {
                let owner = tags(cx, &plan.arn).await?.as_ref().and_then(Owner::from_tags);
                holders.push(Holder { name, id: plan.id, owner });
            }
        }
        Ok(holders)
    }
}

#[async_trait]
impl AwsKind for RestoreTestingPlan {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let all = plans(cx).await?;
        let prefix = prefix(&read.selection, NAME_LIMIT).map(|prefix| own_name(&prefix));
        let ours = selected(cx, "backup:restore-testing-plan", &read.selection, prefix, all).await?;
        let found: Vec<Option<Found<Spec>>> =
            stream::iter(ours).map(|(plan, tags)| whole(cx, read, plan, tags)).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let name = spec.name.clone().unwrap_or_else(|| own_name(want.name));
        let plan = RestoreTestingPlanForCreate::builder()
            .restore_testing_plan_name(&name)
            .schedule_expression(&spec.schedule)
            .set_schedule_expression_timezone(spec.time_zone.clone())
            .set_start_window_hours(hours(spec.start_window.as_ref()))
            .recovery_point_selection(to_api(want, None)?)
            .build()
            .map_err(|e| invalid(MAKE, e))?;
        let once = cx.once();
        let request = once
            .clients
            .backup
            .create_restore_testing_plan()
            .restore_testing_plan(plan)
            .creator_request_id(want.token)
            .set_tags(Some(want.tags.clone().into_iter().collect()));
        let call = async {
            once.call(MAKE, request.send()).await?;
            Ok(name.clone())
        };
        create_once::<Self>(cx, want, Some(&name), call).await?;
        if let Some(wanted) = spec.selections.as_ref().filter(|s| !s.is_empty()) {
            selections::settle(cx, want, &name, wanted).await?;
        }
        Ok(name)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        if ["schedule", "time_zone", "start_window", "recovery_points"].into_iter().any(|f| update.changed(f)) {
            rewrite(cx, update).await?;
        }
        if let Some(wanted) = update.want.spec.selections.as_ref().filter(|_| update.changed("selections")) {
            selections::settle(cx, &update.want, update.id, wanted).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        selections::clear(cx, delete.id).await?;
        let request = cx.clients.backup.delete_restore_testing_plan().restore_testing_plan_name(delete.id);
        cx.call("backup:DeleteRestoreTestingPlan", request.send()).await.map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

/// A name in the letters that the service takes.
fn own_name(name: &str) -> String {
    name.replace('-', "_")
}

async fn plans(cx: &Context) -> Result<Vec<Listed<RestoreTestingPlanForList>>, ApiError> {
    let request = cx.clients.backup.list_restore_testing_plans().max_results(1000);
    let pages = cx.pages("backup:ListRestoreTestingPlans", request.into_paginator().send()).await?;
    let all = pages.into_iter().flat_map(|p| p.restore_testing_plans);
    Ok(all
        .map(|plan| {
            let name = plan.restore_testing_plan_name.clone();
            let arn = plan.restore_testing_plan_arn.clone();
            Listed { id: name.clone(), arn, name, made: Some(plan.creation_time), object: plan }
        })
        .collect())
}

/// A plan as it is; none if it is gone.
async fn get(cx: &Context, name: &str) -> Result<Option<RestoreTestingPlanForGet>, ApiError> {
    let request = cx.clients.backup.get_restore_testing_plan().restore_testing_plan_name(name);
    match cx.call("backup:GetRestoreTestingPlan", request.send()).await {
        Ok(answer) => Ok(answer.restore_testing_plan),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Writes a plan; what is not declared stays as it is.
async fn rewrite(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let operation = "backup:UpdateRestoreTestingPlan";
    let spec = update.want.spec;
    let Some(there) = get(cx, update.id).await? else {
        return Err(ApiError::new(operation, ErrorClass::NotFound, format!("plan {} is not there", update.id)));
    };
    let zone = spec.time_zone.clone().or(there.schedule_expression_timezone.clone());
    let plan = RestoreTestingPlanForUpdate::builder()
        .schedule_expression(&spec.schedule)
        .set_schedule_expression_timezone(zone)
        .start_window_hours(hours(spec.start_window.as_ref()).unwrap_or(there.start_window_hours))
        .recovery_point_selection(to_api(&update.want, there.recovery_point_selection.as_ref())?)
        .build();
    let request = cx.clients.backup.update_restore_testing_plan();
    let request = request.restore_testing_plan_name(update.id).restore_testing_plan(plan);
    cx.call(operation, request.send()).await.map(drop)
}

/// A length of time in whole hours; none if it is not given.
pub(super) fn hours(window: Option<&Duration>) -> Option<i32> {
    units(window, HOUR).and_then(|n| i32::try_from(n).ok())
}

fn to_api(
    want: &Create<'_, Spec>,
    there: Option<&RestoreTestingRecoveryPointSelection>,
) -> Result<RestoreTestingRecoveryPointSelection, ApiError> {
    let points = &want.spec.recovery_points;
    let arn = |vault: &Ref<BackupVault>| want.attribute(vault, "arn").map_or_else(|| want.id(vault), Ok);
    let arns = |list: &[Ref<BackupVault>]| list.iter().map(arn).collect::<Result<Vec<_>, _>>();
    let excluded = match &points.not_vaults {
        Some(list) => Some(arns(list)?),
        None => there.and_then(|t| t.exclude_vaults.clone()),
    };
    let days = units(points.window.as_ref(), DAY).and_then(|n| i32::try_from(n).ok());
    Ok(RestoreTestingRecoveryPointSelection::builder()
        .algorithm(ApiAlgorithm::from(points.choice.api()))
        .set_include_vaults(Some(arns(&points.vaults)?))
        .set_exclude_vaults(excluded)
        .set_recovery_point_types(Some(points.types.iter().map(|t| ApiType::from(t.api())).collect()))
        .set_selection_window_days(days.or(there.map(|t| t.selection_window_days)))
        .build())
}

/// A plan with what a read wants of the fields that cost calls; none if it went meanwhile.
async fn whole(
    cx: &Context,
    read: &Read<'_>,
    plan: Listed<RestoreTestingPlanForList>,
    tags: Tags,
) -> Result<Option<Found<Spec>>, ApiError> {
    let mut found = found(plan, tags);
    if read.wants("recovery_points", &found.tags) {
        let Some(plan) = get(cx, &found.id).await? else { return Ok(None) };
        found.spec.recovery_points = from_api(plan.recovery_point_selection.as_ref());
    } else {
        found.unread.push("recovery_points");
    }
    if read.wants("selections", &found.tags) {
        found.spec.selections = Some(selections::read(cx, &found.id).await?);
    } else {
        found.unread.push("selections");
    }
    Ok(Some(found))
}

fn found(plan: Listed<RestoreTestingPlanForList>, tags: Tags) -> Found<Spec> {
    let (name, arn, plan) = (plan.name, plan.arn, plan.object);
    Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([("id", json!(name)), ("name", json!(name)), ("arn", json!(arn))]),
        spec: Spec {
            name: Some(name.clone()),
            schedule: plan.schedule_expression,
            time_zone: Some(plan.schedule_expression_timezone.unwrap_or_else(|| UTC.to_owned())),
            start_window: Some(from_units(Some(plan.start_window_hours.into()), HOUR)),
            recovery_points: from_api(None),
            selections: None,
            tags: None,
        },
        status: Status::Ready,
        tags,
        unread: Vec::new(),
        id: name,
    }
}

fn from_api(selection: Option<&RestoreTestingRecoveryPointSelection>) -> RecoveryPoints {
    let vaults = |list: &[String]| list.iter().map(Ref::id).collect();
    let types = selection.iter().flat_map(|s| s.recovery_point_types());
    RecoveryPoints {
        choice: selection
            .and_then(|s| s.algorithm())
            .and_then(|a| Choice::from_api(a.as_str()))
            .unwrap_or(Choice::Latest),
        vaults: vaults(selection.map(|s| s.include_vaults()).unwrap_or_default()),
        not_vaults: Some(vaults(selection.map(|s| s.exclude_vaults()).unwrap_or_default())),
        types: types.filter_map(|t| PointType::from_api(t.as_str())).collect(),
        window: selection.map(|s| from_units(Some(s.selection_window_days.into()), DAY)),
    }
}

#[cfg(test)]
mod tests;
