//! What a plan saves: its selections.
//!
//! The API can't change a selection, and tells no tags of it. One that is declared otherwise than it is, is made anew
//! under another name, and the old one goes after that: what it names is saved at every moment, also if a run ends in
//! between. So a selection `daily` stands as `daily` or as `daily.1`, whichever was free. Where a run left both, a read
//! shows the second one as a selection of its own that nobody declared, and the next run takes away the one that is not
//! as declared.

use std::collections::BTreeMap;

use aws_sdk_backup::types::{
    BackupSelection, BackupSelectionsListMember, Condition, ConditionParameter, ConditionType,
    Conditions as ApiConditions,
};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan::Spec;
use super::{AT_ONCE, invalid, known_role, role_arn};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Problems;
use crate::model::ownership;
use crate::model::types::Ref;
use crate::providers::aws::client::Context;
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::kind::Create;

/// The call that makes a selection.
const MAKE: &str = "backup:CreateBackupSelection";
/// The end of a selection's second name.
const SECOND: &str = ".1";
/// What conditions say of tags begins with this, for the API.
pub(super) const TAG: &str = "aws:ResourceTag/";
/// The most ARNs of a selection, without patterns and with them.
const ARNS: (usize, usize) = (500, 30);

/// What a plan saves. It is managed whole: what is left out is empty.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Role that the service takes on to save it (by ARN, if it is not owned).
    pub role: Ref<Role>,
    /// ARNs of what is saved, also patterns such as `arn:aws:ec2:*:*:volume/*`, or `*` for everything: 500 at most, 30
    /// if one is a pattern.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub resources: Vec<String>,
    /// ARNs and patterns of what is not saved.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub not_resources: Vec<String>,
    /// What has one of these tags is saved, beside `resources`.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub tags: Vec<TagIs>,
    /// What else must hold of all that is saved.
    #[serde(default)]
    pub conditions: Conditions,
}

/// A tag and its value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TagIs {
    /// Name of the tag.
    pub key: String,
    /// Its value; in `like` and `not_like`, `*` stands for any text.
    pub value: String,
}

/// What must hold of the tags of what is saved: all of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Conditions {
    /// These tags have these values.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub equals: Vec<TagIs>,
    /// These tags have other values.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub not_equals: Vec<TagIs>,
    /// The values of these tags match these patterns.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub like: Vec<TagIs>,
    /// The values of these tags do not match these patterns.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub not_like: Vec<TagIs>,
}

/// What a selection says, by which two are compared.
#[derive(Debug, Clone, PartialEq)]
struct Content {
    role: String,
    resources: Vec<String>,
    not_resources: Vec<String>,
    tags: Vec<TagIs>,
    conditions: [Vec<TagIs>; 4],
}

/// A selection as it stands.
struct Standing {
    id: String,
    name: String,
    content: Content,
}

impl Selection {
    /// What the service would refuse. `path` is that of the selection.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        let all = &self.conditions;
        let conditions = [&all.equals, &all.not_equals, &all.like, &all.not_like];
        let no_condition = conditions.iter().all(|list| list.is_empty());
        if self.resources.is_empty() && self.tags.is_empty() && no_condition {
            problems.add(path, "nothing is selected", "name `resources`, `tags` or `conditions`");
        }
        for (field, list) in [("resources", &self.resources), ("not_resources", &self.not_resources)] {
            let most = if list.iter().any(|arn| arn.contains('*')) { ARNS.1 } else { ARNS.0 };
            if list.len() > most {
                let message = format!("{} ARNs are more than the service takes: {most}", list.len());
                problems.add(format!("{path}.{field}"), message, "select by tags, or make several selections");
            }
        }
    }

    fn content(&self, role: String) -> Content {
        let sorted = |list: &[String]| {
            let mut list = list.to_vec();
            list.sort();
            list
        };
        let tags = |list: &[TagIs]| {
            let mut list = list.to_vec();
            list.sort();
            list
        };
        let c = &self.conditions;
        Content {
            role,
            resources: sorted(&self.resources),
            not_resources: sorted(&self.not_resources),
            tags: tags(&self.tags),
            conditions: [tags(&c.equals), tags(&c.not_equals), tags(&c.like), tags(&c.not_like)],
        }
    }

    fn from_api(selection: &BackupSelection) -> Self {
        let plain = |list: &[ConditionParameter]| -> Vec<TagIs> {
            let tag = |p: &ConditionParameter| TagIs {
                key: p.condition_key().unwrap_or_default().trim_start_matches(TAG).to_owned(),
                value: p.condition_value().unwrap_or_default().to_owned(),
            };
            list.iter().map(tag).collect()
        };
        let tag = |c: &Condition| TagIs { key: c.condition_key().into(), value: c.condition_value().into() };
        let conditions = selection.conditions().map(|c| Conditions {
            equals: plain(c.string_equals()),
            not_equals: plain(c.string_not_equals()),
            like: plain(c.string_like()),
            not_like: plain(c.string_not_like()),
        });
        Self {
            role: Ref::id(selection.iam_role_arn()),
            resources: selection.resources().to_vec(),
            not_resources: selection.not_resources().to_vec(),
            tags: selection.list_of_tags().iter().map(tag).collect(),
            conditions: conditions.unwrap_or_default(),
        }
    }
}

impl Content {
    fn to_api(&self, name: &str) -> Result<BackupSelection, ApiError> {
        let tag = |tag: &TagIs| {
            let builder = Condition::builder().condition_type(ConditionType::Stringequals);
            builder.condition_key(&tag.key).condition_value(&tag.value).build()
        };
        let tags = self.tags.iter().map(tag).collect::<Result<Vec<_>, _>>().map_err(|e| invalid(MAKE, e))?;
        let [equals, not_equals, like, not_like] = self.conditions.each_ref().map(|list| {
            let one = |tag: &TagIs| {
                let key = format!("{TAG}{}", tag.key);
                ConditionParameter::builder().condition_key(key).condition_value(&tag.value).build()
            };
            (!list.is_empty()).then(|| list.iter().map(one).collect::<Vec<_>>())
        });
        let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
        let conditions = ApiConditions::builder()
            .set_string_equals(equals)
            .set_string_not_equals(not_equals)
            .set_string_like(like)
            .set_string_not_like(not_like)
            .build();
        let given = self.conditions.iter().any(|list| !list.is_empty());
        BackupSelection::builder()
            .selection_name(name)
            .iam_role_arn(&self.role)
            .set_resources(some(&self.resources))
            .set_not_resources(some(&self.not_resources))
            .set_list_of_tags((!tags.is_empty()).then_some(tags))
            .set_conditions(given.then_some(conditions))
            .build()
            .map_err(|e| invalid(MAKE, e))
    }
}

/// The name that a selection is declared by.
fn declared_name(name: &str) -> &str {
    name.strip_suffix(SECOND).unwrap_or(name)
}

/// Whether a name can be that of a selection.
pub(super) fn check_name(path: &str, name: &str, problems: &mut Problems) {
    if name.ends_with(SECOND) || name.len() > 48 {
        let message = "a selection that is made anew ends in `.1`";
        problems.add(path, message, "choose another name, of 48 characters at most");
    }
}

/// The selections of a plan as they are declared.
pub(super) async fn read(cx: &Context, plan: &str) -> Result<BTreeMap<String, Selection>, ApiError> {
    let mut all = standing(cx, plan).await?;
    all.sort_by(|a, b| a.0.name.cmp(&b.0.name));
    let mut selections = BTreeMap::new();
    for (standing, selection) in all {
        let declared = declared_name(&standing.name).to_owned();
        let name = if selections.contains_key(&declared) { standing.name } else { declared };
        selections.insert(name, selection);
    }
    Ok(selections)
}

async fn list(cx: &Context, plan: &str) -> Result<Vec<BackupSelectionsListMember>, ApiError> {
    let request = cx.clients.backup.list_backup_selections().backup_plan_id(plan).max_results(1000);
    match cx.pages("backup:ListBackupSelections", request.into_paginator().send()).await {
        Ok(pages) => Ok(pages.into_iter().flat_map(|p| p.backup_selections_list.unwrap_or_default()).collect()),
        Err(e) if e.class == ErrorClass::NotFound => Ok(Vec::new()),
        Err(e) => Err(e),
    }
}

async fn standing(cx: &Context, plan: &str) -> Result<Vec<(Standing, Selection)>, ApiError> {
    let list = list(cx, plan).await?;
    let all: Vec<Option<(Standing, Selection)>> =
        stream::iter(list).map(|member| one(cx, plan, member)).buffered(AT_ONCE).try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}

/// A selection; none if it went since the list was read.
async fn one(
    cx: &Context,
    plan: &str,
    member: BackupSelectionsListMember,
) -> Result<Option<(Standing, Selection)>, ApiError> {
    let id = member.selection_id.unwrap_or_default();
    let request = cx.clients.backup.get_backup_selection().backup_plan_id(plan).selection_id(&id);
    let answer = match cx.call("backup:GetBackupSelection", request.send()).await {
        Ok(answer) => answer.backup_selection,
        Err(e) if e.class == ErrorClass::NotFound => None,
        Err(e) => return Err(e),
    };
    Ok(answer.map(|selection| {
        let read = Selection::from_api(&selection);
        let content = read.content(selection.iam_role_arn().to_owned());
        (Standing { id, name: selection.selection_name().to_owned(), content }, read)
    }))
}

/// Brings the selections of a plan to what is declared: what is missing is made before anything goes.
pub(super) async fn settle(
    cx: &Context,
    want: &Create<'_, Spec>,
    plan: &str,
    wanted: &BTreeMap<String, Selection>,
) -> Result<(), ApiError> {
    let mut there: Vec<Standing> = standing(cx, plan).await?.into_iter().map(|(standing, _)| standing).collect();
    for (name, selection) in wanted {
        let content = selection.content(role_arn(want, &selection.role)?);
        let same = |s: &Standing| declared_name(&s.name) == name && s.content == content;
        if let Some(at) = there.iter().position(same) {
            there.remove(at);
            continue;
        }
        let second = format!("{name}{SECOND}");
        let taken = |there: &[Standing], name: &str| there.iter().any(|s| s.name == name);
        if taken(&there, name) && taken(&there, &second) {
            // The other one goes on saving until the new one is there.
            let at = there.iter().position(|s| s.name == second).unwrap_or_default();
            remove(cx, plan, &there.remove(at).id).await?;
        }
        let free = if taken(&there, name) { second } else { name.clone() };
        make(cx, want, plan, &free, &content).await?;
    }
    for old in there {
        remove(cx, plan, &old.id).await?;
    }
    Ok(())
}

/// Makes a selection. The service asks whether it may take the role on, and may not know a new role yet.
async fn make(
    cx: &Context,
    want: &Create<'_, Spec>,
    plan: &str,
    name: &str,
    content: &Content,
) -> Result<(), ApiError> {
    let selection = content.to_api(name)?;
    let token = ownership::hash(&format!("{}\n{name}\n{content:?}", want.token), 32);
    let made = known_role(cx, want.watch, &content.role, || async {
        let request = cx.clients.backup.create_backup_selection().backup_plan_id(plan);
        let request = request.creator_request_id(&token).backup_selection(selection.clone());
        cx.call(MAKE, request.send()).await.map(drop)
    });
    match made.await {
        // The first answer was lost, and the service tells of it as of another request.
        Err(e) if e.code.as_deref() == Some("AlreadyExistsException") => {
            let there = standing(cx, plan).await?;
            let made = there.iter().any(|(s, _)| s.name == name && s.content == *content);
            if made { Ok(()) } else { Err(e) }
        }
        other => other,
    }
}

async fn remove(cx: &Context, plan: &str, id: &str) -> Result<(), ApiError> {
    let request = cx.clients.backup.delete_backup_selection().backup_plan_id(plan).selection_id(id);
    match cx.call("backup:DeleteBackupSelection", request.send()).await {
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other.map(drop),
    }
}

/// Takes all selections away: a plan that has any can't be deleted.
pub(super) async fn clear(cx: &Context, plan: &str) -> Result<(), ApiError> {
    for member in list(cx, plan).await? {
        remove(cx, plan, member.selection_id().unwrap_or_default()).await?;
    }
    Ok(())
}
