//! `backup_plan`: what is saved when, where, and for how long.
//!
//! Everything can change in place, the name too: a change writes a new version of the whole plan, in which what is not
//! declared stays as it is. Former versions stay with the service, as do the recovery points when the plan goes.
//! Selections are objects of their own (see `plan_selections.rs`).
//!
//! The API gives the id, and names can be taken several times. The list of plans shows no tags (see [`super`]);
//! everything but the name costs a call a plan. The creating call takes a client token and the tags; selections follow,
//! and one that is missing is seen by the next read. A changed plan whose answer is lost is looked at, not written
//! twice.
//! API: <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupPlan.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_backup::operation::get_backup_plan::GetBackupPlanOutput;
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::plan_parts::{Rule, Scanner, from_api, to_api};
use super::plan_selections::{self as selections, Selection};
use super::{AT_ONCE, Listed, prefix, retag, selected};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Tags, Update};
use crate::providers::aws::preflight::kind::{Checked, Needs};

/// Longest name.
const NAME_LIMIT: usize = 50;
/// The fields that come with one call a plan.
const WHOLE: [&str; 5] = ["rules", "windows_vss", "s3_acls", "s3_object_tags", "malware_scanners"];

/// The kind `backup_plan`.
pub struct BackupPlan;

/// What is saved when, where, and for how long.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, 50 letters, digits, `-`, `_` and `.` at most; derived from the address if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), regex(pattern = r"^[A-Za-z0-9_.-]+$"))]
    pub name: Option<String>,
    /// When what is saved where, by name: 1 to 50 letters, digits, `-`, `_` and `.`.
    #[schemars(extend("x-deep" = true))]
    pub rules: BTreeMap<String, Rule>,
    /// What is saved, by name: 1 to 48 letters, digits, `-`, `_` and `.`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub selections: Option<BTreeMap<String, Selection>>,
    /// Whether applications on Windows servers are asked to hold still meanwhile (VSS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub windows_vss: Option<bool>,
    /// Whether access lists of objects in buckets are saved; they are by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub s3_acls: Option<bool>,
    /// Whether tags of objects in buckets are saved; they are by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub s3_object_tags: Option<bool>,
    /// What is searched for malware, where a rule says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true, "x-unordered" = true))]
    pub malware_scanners: Option<Vec<Scanner>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Kind for BackupPlan {
    const NAME: &'static str = "backup_plan";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "plan of backups",
            service: "backup",
            reference: "https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupPlan.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "Id"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::changing("name", "Name"),
                    Attribute::changing("version_id", "Version that is in force"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "backup:GetBackupPlan",
                    "backup:GetBackupSelection",
                    "backup:ListBackupPlans",
                    "backup:ListBackupSelections",
                    "backup:ListTags",
                    "tag:GetResources",
                ],
                create: &[
                    "backup:CreateBackupPlan",
                    "backup:TagResource",
                    "backup:CreateBackupSelection",
                    "iam:PassRole",
                ],
                update: &[
                    "backup:UpdateBackupPlan",
                    "backup:CreateBackupSelection",
                    "backup:DeleteBackupSelection",
                    "backup:TagResource",
                    "backup:UntagResource",
                    "iam:PassRole",
                ],
                delete: &["backup:ListBackupSelections", "backup:DeleteBackupSelection", "backup:DeleteBackupPlan"],
            },
            name_limit: NAME_LIMIT,
            creation_seconds: 2,
            deletion_seconds: 2,
            quota: 300,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if spec.rules.is_empty() {
            problems.add("rules", "a plan without rules saves nothing", "add a rule");
        }
        for (name, rule) in &spec.rules {
            let path = format!("rules.{name}");
            check_word(&path, name, problems);
            rule.check(&path, problems);
        }
        for (name, selection) in spec.selections.iter().flatten() {
            let path = format!("selections.{name}");
            check_word(&path, name, problems);
            selections::check_name(&path, name, problems);
            selection.check(&path, problems);
        }
        let scans = spec.rules.iter().find(|(_, r)| r.malware_scans.as_ref().is_some_and(|s| !s.is_empty()));
        if let (Some((name, _)), true) = (scans, spec.malware_scanners.as_ref().is_some_and(Vec::is_empty)) {
            let message = "the plan has no scanner";
            problems.add(format!("rules.{name}.malware_scans"), message, "add one to `malware_scanners`");
        }
    }
}

/// The names of rules and selections.
fn check_word(path: &str, name: &str, problems: &mut Problems) {
    let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 50 || !name.chars().all(known) {
        let help = "take 1 to 50 letters, digits, `-`, `_` and `.`";
        problems.add(path, format!("`{name}` is no name for the service"), help);
    }
}

#[async_trait]
impl Checked for BackupPlan {
    fn needs() -> Needs {
        Needs {
            resource: "backup-plan:*",
            only_for: &[
                (
                    "backup:UpdateBackupPlan",
                    &["name", "rules", "windows_vss", "s3_acls", "s3_object_tags", "malware_scanners"],
                ),
                ("backup:CreateBackupSelection", &["selections"]),
                ("backup:DeleteBackupSelection", &["selections"]),
                ("iam:PassRole", &["selections", "malware_scanners"]),
            ],
        }
    }
}

#[async_trait]
impl AwsKind for BackupPlan {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let request = cx.clients.backup.list_backup_plans().max_results(1000);
        let pages = cx.pages("backup:ListBackupPlans", request.into_paginator().send()).await?;
        let all = pages.into_iter().flat_map(|p| p.backup_plans_list.unwrap_or_default());
        let all = all.filter(|plan| plan.deletion_date.is_none()).map(|plan| Listed {
            id: plan.backup_plan_id.unwrap_or_default(),
            arn: plan.backup_plan_arn.unwrap_or_default(),
            name: plan.backup_plan_name.unwrap_or_default(),
            made: plan.creation_date,
            object: plan.version_id,
        });
        let prefix = prefix(&read.selection, NAME_LIMIT);
        let ours = selected(cx, "backup:backup-plan", &read.selection, prefix, all.collect()).await?;
        let found: Vec<Option<Found<Spec>>> =
            stream::iter(ours).map(|(plan, tags)| whole(cx, read, plan, tags)).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let name = want.spec.name.as_deref().unwrap_or(want.name);
        let request = cx
            .clients
            .backup
            .create_backup_plan()
            .backup_plan(to_api(want, name, None)?)
            .creator_request_id(want.token)
            .set_backup_plan_tags(Some(want.tags.clone().into_iter().collect()));
        let answer = cx.call("backup:CreateBackupPlan", request.send()).await?;
        let id = answer.backup_plan_id.unwrap_or_default();
        if let Some(wanted) = want.spec.selections.as_ref().filter(|s| !s.is_empty()) {
            selections::settle(cx, want, &id, wanted).await?;
        }
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        if update.changed("name") || WHOLE.into_iter().any(|field| update.changed(field)) {
            rewrite(cx, update).await?;
        }
        if let Some(wanted) = update.want.spec.selections.as_ref().filter(|_| update.changed("selections")) {
            selections::settle(cx, &update.want, update.id, wanted).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        selections::clear(cx, delete.id).await?;
        let request = cx.clients.backup.delete_backup_plan().backup_plan_id(delete.id);
        cx.call("backup:DeleteBackupPlan", request.send()).await.map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

/// A plan as it is; none if it is gone, of which the service still tells.
async fn get(cx: &Context, id: &str) -> Result<Option<GetBackupPlanOutput>, ApiError> {
    match cx.call("backup:GetBackupPlan", cx.clients.backup.get_backup_plan().backup_plan_id(id).send()).await {
        Ok(answer) => Ok(Some(answer).filter(|plan| plan.deletion_date.is_none())),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Writes a new version of a plan, once.
async fn rewrite(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let operation = "backup:UpdateBackupPlan";
    let Some(there) = get(cx, update.id).await? else {
        return Err(ApiError::new(operation, ErrorClass::NotFound, format!("plan {} is not there", update.id)));
    };
    let plan = there.backup_plan();
    let named = plan.map(|p| p.backup_plan_name()).unwrap_or_default();
    let name = update.want.spec.name.as_deref().unwrap_or(named);
    let once = cx.once();
    let request = once.clients.backup.update_backup_plan().backup_plan_id(update.id);
    let request = request.backup_plan(to_api(&update.want, name, plan)?);
    match once.call(operation, request.send()).await {
        Err(e) if e.class == ErrorClass::Unanswered => match get(cx, update.id).await? {
            Some(now) if now.version_id != there.version_id => Ok(()),
            Some(_) | None => Err(e),
        },
        other => other.map(drop),
    }
}

/// A plan with what a read wants of the fields that cost calls; none if it went meanwhile.
async fn whole(
    cx: &Context,
    read: &Read<'_>,
    plan: Listed<Option<String>>,
    tags: Tags,
) -> Result<Option<Found<Spec>>, ApiError> {
    let wants = |field: &str| read.wants(field, &tags);
    let mut unread = Vec::new();
    let mut spec = Spec {
        name: Some(plan.name.clone()),
        rules: BTreeMap::new(),
        selections: None,
        windows_vss: None,
        s3_acls: None,
        s3_object_tags: None,
        malware_scanners: None,
        tags: None,
    };
    if WHOLE.into_iter().any(wants) {
        let Some(answer) = get(cx, &plan.id).await? else { return Ok(None) };
        if let Some(plan) = answer.backup_plan() {
            from_api(plan, &mut spec);
        }
    } else {
        unread.extend(WHOLE);
    }
    if wants("selections") {
        spec.selections = Some(selections::read(cx, &plan.id).await?);
    } else {
        unread.push("selections");
    }
    Ok(Some(Found {
        identifiers: vec![plan.arn.clone()],
        attributes: attributes([
            ("id", json!(plan.id)),
            ("arn", json!(plan.arn)),
            ("name", json!(plan.name)),
            ("version_id", json!(plan.object)),
        ]),
        spec,
        status: Status::Ready,
        tags,
        unread,
        id: plan.id,
    }))
}

#[cfg(test)]
mod tests;
