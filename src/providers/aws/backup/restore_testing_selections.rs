//! Whose recovery points a plan of restore tests restores: its selections, by names that can be taken once in it.
//!
//! All but the type of what is restored changes in place; another type is another selection, made when the old one is
//! gone.

use std::collections::BTreeMap;

use aws_sdk_backup::types::{
    KeyValue, ProtectedResourceConditions, RestoreTestingSelectionForCreate, RestoreTestingSelectionForGet,
    RestoreTestingSelectionForUpdate,
};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan_selections::{TAG, TagIs};
use super::restore_testing_plan::{Spec, check_hours, hours};
use super::{AT_ONCE, HOUR, from_units, invalid, known_role, role_arn};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Problems;
use crate::model::ownership;
use crate::model::types::{Duration, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::kind::Create;

/// The call that makes a selection.
const MAKE: &str = "backup:CreateRestoreTestingSelection";

/// Whose recovery points are restored, and how. It is managed whole: what is left out is empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestSelection {
    /// What is restored: `Aurora`, `DocumentDB`, `DynamoDB`, `EBS`, `EC2`, `EFS`, `FSx`, `Neptune`, `RDS` or `S3`.
    /// Another type is another selection.
    #[serde(rename = "type")]
    pub resource_type: String,
    /// Role that the service takes on to restore it (by ARN, if it is not owned).
    pub role: Ref<Role>,
    /// ARNs of what is saved, or `["*"]` for all of the type.
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub resources: Vec<String>,
    /// What must hold of the tags of what is saved, with `["*"]`.
    #[serde(default)]
    pub conditions: TestConditions,
    /// How it is restored, where not as it was: such as `{"instanceType": "t3.micro"}` for a server.
    #[serde(default)]
    pub restore_metadata: BTreeMap<String, String>,
    /// How long what was restored stays, so that it can be looked at: 0h to 168h.
    #[serde(default = "none")]
    pub validation_window: Duration,
}

/// What must hold of tags: all of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TestConditions {
    /// These tags have these values.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub equals: Vec<TagIs>,
    /// These tags have other values.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub not_equals: Vec<TagIs>,
}

fn none() -> Duration {
    Duration::from_seconds(0)
}

impl TestSelection {
    /// What the service would refuse.
    pub(super) fn check(&self, path: &str, name: &str, problems: &mut Problems) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.len() > 50 || !name.chars().all(plain) {
            let help = "take 1 to 50 letters, digits and `_`";
            problems.add(path, format!("`{name}` is no name for the service"), help);
        }
        let all = self.resources.iter().any(|arn| arn == "*");
        if all && self.resources.len() > 1 {
            problems.add(format!("{path}.resources"), "`*` stands for all already", "leave the others out");
        }
        let conditions = !self.conditions.equals.is_empty() || !self.conditions.not_equals.is_empty();
        if conditions && !all {
            let message = "conditions choose among all of a type only";
            problems.add(format!("{path}.conditions"), message, "write `resources: [\"*\"]`");
        }
        check_hours(&format!("{path}.validation_window"), Some(&self.validation_window), 0, problems);
    }

    fn hours(&self) -> i32 {
        hours(Some(&self.validation_window)).unwrap_or(0)
    }

    fn conditions(&self) -> Result<Option<ProtectedResourceConditions>, ApiError> {
        let (equals, not_equals) = (&self.conditions.equals, &self.conditions.not_equals);
        if equals.is_empty() && not_equals.is_empty() {
            return Ok(None);
        }
        let one = |tag: &TagIs| KeyValue::builder().key(format!("{TAG}{}", tag.key)).value(&tag.value).build();
        let all = |list: &[TagIs]| {
            let list: Result<Vec<_>, _> = list.iter().map(one).collect();
            list.map(|list| (!list.is_empty()).then_some(list)).map_err(|e| invalid(MAKE, e))
        };
        let conditions = ProtectedResourceConditions::builder();
        let conditions = conditions.set_string_equals(all(equals)?).set_string_not_equals(all(not_equals)?);
        Ok(Some(conditions.build()))
    }

    fn from_api(selection: &RestoreTestingSelectionForGet) -> Self {
        let conditions = selection.protected_resource_conditions.as_ref();
        let tags = |list: &[KeyValue]| -> Vec<TagIs> {
            let one = |p: &KeyValue| TagIs { key: p.key().trim_start_matches(TAG).into(), value: p.value().into() };
            list.iter().map(one).collect()
        };
        Self {
            resource_type: selection.protected_resource_type.clone(),
            role: Ref::id(&selection.iam_role_arn),
            resources: selection.protected_resource_arns.clone().unwrap_or_default(),
            conditions: TestConditions {
                equals: tags(conditions.map(|c| c.string_equals()).unwrap_or_default()),
                not_equals: tags(conditions.map(|c| c.string_not_equals()).unwrap_or_default()),
            },
            restore_metadata: selection.restore_metadata_overrides.clone().unwrap_or_default().into_iter().collect(),
            validation_window: from_units(Some(selection.validation_window_hours.into()), HOUR),
        }
    }

    /// The same with the role's ARN and all lists sorted, by which two are compared.
    fn plain(&self, role: String) -> Self {
        let mut plain = Self { role: Ref::id(role), ..self.clone() };
        plain.resources.sort();
        plain.conditions.equals.sort();
        plain.conditions.not_equals.sort();
        plain
    }
}

/// The selections of a plan.
pub(super) async fn read(cx: &Context, plan: &str) -> Result<BTreeMap<String, TestSelection>, ApiError> {
    let names = names(cx, plan).await?;
    let all: Vec<Option<(String, TestSelection)>> =
        stream::iter(names).map(|name| one(cx, plan, name)).buffered(AT_ONCE).try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}

async fn names(cx: &Context, plan: &str) -> Result<Vec<String>, ApiError> {
    let request = cx.clients.backup.list_restore_testing_selections().restore_testing_plan_name(plan).max_results(1000);
    match cx.pages("backup:ListRestoreTestingSelections", request.into_paginator().send()).await {
        Ok(pages) => {
            let all = pages.into_iter().flat_map(|p| p.restore_testing_selections);
            Ok(all.map(|s| s.restore_testing_selection_name).collect())
        }
        Err(e) if e.class == ErrorClass::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

/// A selection; none if it went since the list was read.
async fn one(cx: &Context, plan: &str, name: String) -> Result<Option<(String, TestSelection)>, ApiError> {
    let request = cx.clients.backup.get_restore_testing_selection();
    let request = request.restore_testing_plan_name(plan).restore_testing_selection_name(&name);
    match cx.call("backup:GetRestoreTestingSelection", request.send()).await {
        Ok(answer) => Ok(answer.restore_testing_selection.map(|s| (name, TestSelection::from_api(&s)))),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Brings the selections of a plan to what is declared; what nobody declared goes last.
pub(super) async fn settle(
    cx: &Context,
    want: &Create<'_, Spec>,
    plan: &str,
    wanted: &BTreeMap<String, TestSelection>,
) -> Result<(), ApiError> {
    let there = read(cx, plan).await?;
    for (name, selection) in wanted {
        let role = role_arn(want, &selection.role)?;
        let plain = selection.plain(role.clone());
        match there.get(name).map(|old| old.plain(old_role(old))) {
            Some(old) if old == plain => {}
            Some(old) if old.resource_type == plain.resource_type => {
                change(cx, want, plan, (name, &plain, &role)).await?
            }
            Some(_) => {
                remove(cx, plan, name).await?;
                make(cx, want, plan, (name, &plain, &role)).await?;
            }
            None => make(cx, want, plan, (name, &plain, &role)).await?,
        }
    }
    for name in there.keys().filter(|name| !wanted.contains_key(*name)) {
        remove(cx, plan, name).await?;
    }
    Ok(())
}

/// The role of a selection as it was read.
fn old_role(selection: &TestSelection) -> String {
    match selection.role.target() {
        crate::model::types::Target::Id { id } => id.clone(),
        crate::model::types::Target::Owned(_) | crate::model::types::Target::Tags { .. } => String::new(),
    }
}

/// Makes a selection. One of the same name that is there already was made by a call whose answer was lost.
async fn make(
    cx: &Context,
    want: &Create<'_, Spec>,
    plan: &str,
    (name, selection, role): (&str, &TestSelection, &str),
) -> Result<(), ApiError> {
    let metadata = selection.restore_metadata.clone().into_iter().collect();
    let body = RestoreTestingSelectionForCreate::builder()
        .restore_testing_selection_name(name)
        .protected_resource_type(&selection.resource_type)
        .iam_role_arn(role)
        .set_protected_resource_arns(Some(selection.resources.clone()))
        .set_protected_resource_conditions(selection.conditions()?)
        .set_restore_metadata_overrides(Some(metadata))
        .validation_window_hours(selection.hours())
        .build()
        .map_err(|e| invalid(MAKE, e))?;
    let token = ownership::hash(&format!("{}\n{name}\n{selection:?}", want.token), 32);
    let made = known_role(cx, want.watch, role, || async {
        let request = cx.clients.backup.create_restore_testing_selection().restore_testing_plan_name(plan);
        let request = request.creator_request_id(&token).restore_testing_selection(body.clone());
        cx.call(MAKE, request.send()).await.map(drop)
    });
    match made.await {
        Err(e) if e.code.as_deref() == Some("AlreadyExistsException") => {
            change(cx, want, plan, (name, selection, role)).await
        }
        other => other,
    }
}

async fn change(
    cx: &Context,
    want: &Create<'_, Spec>,
    plan: &str,
    (name, selection, role): (&str, &TestSelection, &str),
) -> Result<(), ApiError> {
    let metadata = selection.restore_metadata.clone().into_iter().collect();
    let body = RestoreTestingSelectionForUpdate::builder()
        .iam_role_arn(role)
        .set_protected_resource_arns(Some(selection.resources.clone()))
        .set_protected_resource_conditions(selection.conditions()?)
        .set_restore_metadata_overrides(Some(metadata))
        .validation_window_hours(selection.hours())
        .build();
    known_role(cx, want.watch, role, || async {
        let request = cx.clients.backup.update_restore_testing_selection().restore_testing_plan_name(plan);
        let request = request.restore_testing_selection_name(name).restore_testing_selection(body.clone());
        cx.call("backup:UpdateRestoreTestingSelection", request.send()).await.map(drop)
    })
    .await
}

async fn remove(cx: &Context, plan: &str, name: &str) -> Result<(), ApiError> {
    let request = cx.clients.backup.delete_restore_testing_selection();
    let request = request.restore_testing_plan_name(plan).restore_testing_selection_name(name);
    match cx.call("backup:DeleteRestoreTestingSelection", request.send()).await {
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other.map(drop),
    }
}

/// Takes all selections away: a plan that has any can't be deleted.
pub(super) async fn clear(cx: &Context, plan: &str) -> Result<(), ApiError> {
    for name in names(cx, plan).await? {
        remove(cx, plan, &name).await?;
    }
    Ok(())
}
