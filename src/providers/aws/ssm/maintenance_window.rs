//! `maintenance_window`: when work on servers is done, on which, and what.
//!
//! Nothing makes a new window necessary. Its id (`mw-…`) is the API's, its name need not be its own. The list of
//! windows shows no tags: the index of tags tells whose they are, and a name that saiken gives is asked for its tags,
//! so that a run that ended early finds what it made.
//!
//! Targets and tasks are objects of their own in the API, and have no tags: they are found again by their names within
//! the window. What has a name that another one has too, or no name, is shown under its id, so that a plan takes it
//! away. They go with the window. A task whose sort changes, and a target that turns from servers to groups, is another
//! one; the new one comes first. The API makes every window enabled: one that is not to be is disabled before anything
//! is registered with it.
//! API: <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreateMaintenanceWindow.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ssm::types::{MaintenanceWindowIdentity, ResourceTypeForTagging};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use super::window_calls::{Registered, registered_targets, registered_tasks, settle, target_spec, task_specs};
use super::window_parts::{Task, WindowTarget, check, hours};
use super::{AT_ONCE, Sort, given, selected, to_tags};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::types::Duration;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Tags, Update};
use crate::providers::aws::preflight::kind::{Checked, Needs};

const HOUR: u64 = 3_600;

/// The kind `maintenance_window`.
pub struct MaintenanceWindow;

const SORT: Sort = Sort { tagging: ResourceTypeForTagging::MaintenanceWindow, index: "maintenancewindow" };

/// When work on servers is done, on which, and what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, 3 to 128 letters, digits and `-_.`; derived from the address if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 128), regex(pattern = r"^[A-Za-z0-9_.-]+$"))]
    pub name: Option<String>,
    /// What it is for; 128 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub description: Option<String>,
    /// When it opens: `cron(0 0 2 ? * SUN *)`, `rate(7 days)` or `at(2026-12-31T02:00:00)`.
    #[schemars(length(max = 256), regex(pattern = r"^(cron|rate|at)\(.+\)$"))]
    pub schedule: String,
    /// Time zone of the schedule, such as `Asia/Tokyo`; UTC if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule_time_zone: Option<String>,
    /// Days that it opens after the day of a `cron` schedule, 1 to 6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 6))]
    pub schedule_offset: Option<i32>,
    /// How long it is open, 1h to 24h.
    pub duration: Duration,
    /// How long before its end no more tasks are begun, 0s to 23h, less than `duration`.
    pub cutoff: Duration,
    /// Whether tasks may name servers that are no targets of the window.
    #[serde(default)]
    #[schemars(extend("x-deep" = true))]
    pub allow_unassociated_targets: bool,
    /// Whether it opens at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Moment before which it does not open, `2026-12-01T00:00:00+09:00`.
    #[serde(default, deserialize_with = "read_moment", skip_serializing_if = "Option::is_none")]
    pub starts: Option<String>,
    /// Moment after which it does not open.
    #[serde(default, deserialize_with = "read_moment", skip_serializing_if = "Option::is_none")]
    pub ends: Option<String>,
    /// What its tasks are for, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub targets: Option<BTreeMap<String, WindowTarget>>,
    /// What is done, by name; a call each to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub tasks: Option<BTreeMap<String, Task>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// A moment in its one form, UTC: the same may be written with any offset. Without one it stays as it is.
fn moment(text: &str) -> String {
    text.parse::<jiff::Timestamp>().map_or_else(|_| text.to_owned(), |moment| moment.to_string())
}

fn read_moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(|text| moment(&text)))
}

impl Kind for MaintenanceWindow {
    const NAME: &'static str = "maintenance_window";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "maintenance window",
            service: "ssm",
            reference: "https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreateMaintenanceWindow.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const { &[Attribute::stable("id", "Its id, mw-…"), Attribute::changing("name", "Name")] },
            permissions: Permissions {
                read: &[
                    "ssm:DescribeMaintenanceWindows",
                    "ssm:GetMaintenanceWindow",
                    "ssm:DescribeMaintenanceWindowTargets",
                    "ssm:DescribeMaintenanceWindowTasks",
                    "ssm:GetMaintenanceWindowTask",
                    "ssm:ListTagsForResource",
                    "tag:GetResources",
                ],
                create: &[
                    "ssm:CreateMaintenanceWindow",
                    "ssm:AddTagsToResource",
                    "ssm:UpdateMaintenanceWindow",
                    "ssm:RegisterTargetWithMaintenanceWindow",
                    "ssm:RegisterTaskWithMaintenanceWindow",
                    "iam:PassRole",
                    "iam:CreateServiceLinkedRole",
                ],
                update: &[
                    "ssm:UpdateMaintenanceWindow",
                    "ssm:DescribeMaintenanceWindowTargets",
                    "ssm:DescribeMaintenanceWindowTasks",
                    "ssm:RegisterTargetWithMaintenanceWindow",
                    "ssm:UpdateMaintenanceWindowTarget",
                    "ssm:DeregisterTargetFromMaintenanceWindow",
                    "ssm:RegisterTaskWithMaintenanceWindow",
                    "ssm:UpdateMaintenanceWindowTask",
                    "ssm:DeregisterTaskFromMaintenanceWindow",
                    "ssm:AddTagsToResource",
                    "ssm:RemoveTagsFromResource",
                    "iam:PassRole",
                    "iam:CreateServiceLinkedRole",
                ],
                delete: &["ssm:DeleteMaintenanceWindow"],
            },
            name_limit: 128,
            creation_seconds: 1,
            deletion_seconds: 1,
            quota: 50,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        check(spec, problems);
    }
}

#[async_trait]
impl Checked for MaintenanceWindow {
    fn needs() -> Needs {
        Needs {
            resource: "maintenancewindow/*",
            only_for: &[
                ("ssm:UpdateMaintenanceWindow", &["enabled"]),
                ("ssm:RegisterTargetWithMaintenanceWindow", &["targets"]),
                ("ssm:UpdateMaintenanceWindowTarget", &["targets"]),
                ("ssm:DeregisterTargetFromMaintenanceWindow", &["targets"]),
                ("ssm:RegisterTaskWithMaintenanceWindow", &["tasks"]),
                ("ssm:UpdateMaintenanceWindowTask", &["tasks"]),
                ("ssm:DeregisterTaskFromMaintenanceWindow", &["tasks"]),
                ("iam:PassRole", &["tasks"]),
                // The first task of an account without a role of its own.
                ("iam:CreateServiceLinkedRole", &[]),
            ],
        }
    }
}

#[async_trait]
impl AwsKind for MaintenanceWindow {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        // 100 a page, the most that the API gives.
        let request = cx.clients.ssm.describe_maintenance_windows().max_results(100).into_paginator().send();
        let pages = cx.pages("ssm:DescribeMaintenanceWindows", request).await?;
        let windows = pages.into_iter().flat_map(|p| p.window_identities.unwrap_or_default()).map(|window| {
            let text = |t: Option<&str>| t.unwrap_or_default().to_owned();
            (text(window.window_id()), text(window.name()), window)
        });
        let ours = selected(cx, &SORT, read, windows.collect()).await?;
        let each = stream::iter(ours).map(|(window, tags)| async move {
            match whole(cx, read, window, tags).await {
                // It went since the list was read.
                Err(e) if e.class == ErrorClass::NotFound => Ok(None),
                other => other.map(Some),
            }
        });
        let found: Vec<Option<Found<Spec>>> = each.buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let request = cx
            .clients
            .ssm
            .create_maintenance_window()
            .name(spec.name.as_deref().unwrap_or(want.name))
            .set_description(spec.description.clone())
            .schedule(&spec.schedule)
            .set_schedule_timezone(spec.schedule_time_zone.clone())
            .set_schedule_offset(spec.schedule_offset)
            .set_duration(hours(&spec.duration))
            .set_cutoff(hours(&spec.cutoff))
            .allow_unassociated_targets(spec.allow_unassociated_targets)
            .set_start_date(spec.starts.clone())
            .set_end_date(spec.ends.clone())
            .client_token(want.token)
            .set_tags(Some(to_tags(want.tags)?));
        let answer = cx.call("ssm:CreateMaintenanceWindow", request.send()).await?;
        let id = answer.window_id().unwrap_or_default().to_owned();
        if spec.enabled == Some(false) {
            let request = cx.clients.ssm.update_maintenance_window().window_id(&id).enabled(false);
            cx.call("ssm:UpdateMaintenanceWindow", request.send()).await?;
        }
        settle(cx, want, &id, None, &Registered::default()).await?;
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        change(cx, update).await?;
        if update.changed("targets") || update.changed("tasks") {
            let (targets, tasks) =
                futures::try_join!(registered_targets(cx, update.id), registered_tasks(cx, update.id))?;
            let there = Registered { targets, tasks };
            settle(cx, &update.want, update.id, Some(update.before), &there).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.clients.ssm.delete_maintenance_window().window_id(delete.id);
        cx.call("ssm:DeleteMaintenanceWindow", request.send()).await.map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        super::retag(cx, &SORT, object, set, remove).await
    }
}

/// Writes the changed fields of the window itself.
async fn change(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let spec = update.want.spec;
    let on = |field: &str| update.changed(field);
    let fields = [
        "name",
        "description",
        "schedule",
        "schedule_time_zone",
        "schedule_offset",
        "duration",
        "cutoff",
        "allow_unassociated_targets",
        "enabled",
        "starts",
        "ends",
    ];
    if !fields.iter().any(|f| on(f)) {
        return Ok(());
    }
    let request = cx
        .clients
        .ssm
        .update_maintenance_window()
        .window_id(update.id)
        .set_name(spec.name.clone().filter(|_| on("name")))
        .set_description(spec.description.clone().filter(|_| on("description")))
        .set_schedule(on("schedule").then(|| spec.schedule.clone()))
        .set_schedule_timezone(spec.schedule_time_zone.clone().filter(|_| on("schedule_time_zone")))
        .set_schedule_offset(spec.schedule_offset.filter(|_| on("schedule_offset")))
        // The API looks at each against the other: both, so that no moment has a cutoff longer than the window.
        .set_duration(hours(&spec.duration).filter(|_| on("duration") || on("cutoff")))
        .set_cutoff(hours(&spec.cutoff).filter(|_| on("duration") || on("cutoff")))
        .set_allow_unassociated_targets(on("allow_unassociated_targets").then_some(spec.allow_unassociated_targets))
        .set_enabled(spec.enabled.filter(|_| on("enabled")))
        .set_start_date(spec.starts.clone().filter(|_| on("starts")))
        .set_end_date(spec.ends.clone().filter(|_| on("ends")));
    cx.call("ssm:UpdateMaintenanceWindow", request.send()).await.map(drop)
}

/// A window with as many fields as are wanted of it.
async fn whole(
    cx: &Context,
    read: &Read<'_>,
    window: MaintenanceWindowIdentity,
    tags: Tags,
) -> Result<Found<Spec>, ApiError> {
    let id = window.window_id().unwrap_or_default().to_owned();
    let mut unread = Vec::new();
    let mut allow = false;
    if read.wants("allow_unassociated_targets", &tags) {
        let request = cx.clients.ssm.get_maintenance_window().window_id(&id);
        allow = cx.call("ssm:GetMaintenanceWindow", request.send()).await?.allow_unassociated_targets();
    } else {
        unread.push("allow_unassociated_targets");
    }
    let (mut targets, mut tasks) = (None, None);
    // Tasks refer to targets by their ids.
    if read.wants("targets", &tags) || read.wants("tasks", &tags) {
        let all = registered_targets(cx, &id).await?;
        if read.wants("tasks", &tags) {
            tasks = Some(task_specs(cx, &id, &all).await?);
        }
        targets = Some(all.iter().map(|t| (t.key.clone(), target_spec(&t.it))).collect());
    } else {
        unread.push("targets");
    }
    if tasks.is_none() {
        unread.push("tasks");
    }
    let name = window.name().unwrap_or_default().to_owned();
    let time = |hours: i32| Duration::from_seconds(u64::try_from(hours).unwrap_or(0) * HOUR);
    Ok(Found {
        identifiers: Vec::new(),
        attributes: attributes([("id", json!(id)), ("name", json!(name))]),
        spec: Spec {
            name: Some(name),
            description: given(window.description()),
            schedule: window.schedule().unwrap_or_default().to_owned(),
            schedule_time_zone: given(window.schedule_timezone()),
            schedule_offset: window.schedule_offset(),
            duration: time(window.duration().unwrap_or(0)),
            cutoff: time(window.cutoff()),
            allow_unassociated_targets: allow,
            enabled: Some(window.enabled()),
            starts: given(window.start_date()).as_deref().map(moment),
            ends: given(window.end_date()).as_deref().map(moment),
            targets,
            tasks,
            tags: None,
        },
        status: Status::Ready,
        tags,
        unread,
        id,
    })
}
