//! `patch_baseline`: which patches a server gets, and when.
//!
//! The operating system makes a new baseline necessary. Its id (`pb-…`) is the API's, its name need not be its own. The
//! list of the account's baselines shows neither tags nor rules: the index of tags tells whose they are, and a name
//! that saiken gives is asked for its tags, so that a run that ended early finds what it made; rules, patches and
//! groups cost a call for each baseline that declares them.
//!
//! Patch groups and the account's default are registered after the creation, each by a call of its own: what lacks is
//! seen by the next read. A baseline with patch groups, or that is the default, can't be deleted: its groups are taken
//! out, and the default is given back to the one that AWS keeps for the system, first.
//! API: <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreatePatchBaseline.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ssm::operation::get_patch_baseline::GetPatchBaselineOutput;
use aws_sdk_ssm::types::{PatchBaselineIdentity, PatchOrchestratorFilter, ResourceTypeForTagging};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::patch_rules::{
    Level, OperatingSystem, RejectedAction, Rule, Source, UpdatesStatus, check, filters, rules, sources, to_filters,
    to_rules, to_sources,
};
use super::{AT_ONCE, Sort, Values, read_some_sorted, selected, to_tags};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Tags, Update};
use crate::providers::aws::preflight::kind::{Checked, Needs};

/// Fields that only a call for the single baseline shows.
const DEEP: [&str; 10] = [
    "approval_rules",
    "global_filters",
    "approved_patches",
    "approved_patches_level",
    "approved_patches_non_security",
    "rejected_patches",
    "rejected_patches_action",
    "available_security_updates",
    "sources",
    "patch_groups",
];

/// The kind `patch_baseline`.
pub struct PatchBaseline;

const SORT: Sort = Sort { tagging: ResourceTypeForTagging::PatchBaseline, index: "patchbaseline" };

/// Which patches servers get, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, 3 to 128 letters, digits and `-_.`; derived from the address if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 128), regex(pattern = r"^[A-Za-z0-9_.-]+$"))]
    pub name: Option<String>,
    /// The system whose patches it is about.
    #[schemars(extend("x-change" = "replace"))]
    pub operating_system: OperatingSystem,
    /// What it is for; 1,024 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub description: Option<String>,
    /// Which patches are approved by themselves, and when; 10 rules at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10), extend("x-unordered" = true, "x-deep" = true))]
    pub approval_rules: Option<Vec<Rule>>,
    /// Which patches the baseline is about at all: values by property, such as `PRODUCT: [AmazonLinux2023]`; 4
    /// properties at most.
    #[serde(default, deserialize_with = "read_some_sorted", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub global_filters: Option<Values>,
    /// Patches that are approved whatever the rules say; 50 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50), extend("x-unordered" = true, "x-deep" = true))]
    pub approved_patches: Option<Vec<String>>,
    /// How bad it is if one of the approved patches lacks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub approved_patches_level: Option<Level>,
    /// Whether the approved patches hold some that are not about security; Linux only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub approved_patches_non_security: Option<bool>,
    /// Patches that are not installed; 50 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50), extend("x-unordered" = true, "x-deep" = true))]
    pub rejected_patches: Option<Vec<String>>,
    /// Whether a rejected patch may come as another one's dependency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub rejected_patches_action: Option<RejectedAction>,
    /// How a server counts for which there are security patches that are not approved yet; Windows only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub available_security_updates: Option<UpdatesStatus>,
    /// Other repositories that patches come from, by name; Linux only, 20 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub sources: Option<BTreeMap<String, Source>>,
    /// Patch groups (values of the servers' tag `Patch Group` or `PatchGroup`) that it is for. A group has one baseline
    /// for each system: what another baseline has must leave that one first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true, "x-deep" = true))]
    pub patch_groups: Option<Vec<String>>,
    /// Whether it is for all servers of its system in the account and region that are in no patch group. One baseline
    /// of a system is; with `false`, and before it is deleted, AWS's own one is again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<bool>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Kind for PatchBaseline {
    const NAME: &'static str = "patch_baseline";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "patch baseline",
            service: "ssm",
            reference: "https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreatePatchBaseline.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const { &[Attribute::stable("id", "Its id, pb-…"), Attribute::changing("name", "Name")] },
            permissions: Permissions {
                read: &[
                    "ssm:DescribePatchBaselines",
                    "ssm:GetPatchBaseline",
                    "ssm:ListTagsForResource",
                    "tag:GetResources",
                ],
                create: &[
                    "ssm:CreatePatchBaseline",
                    "ssm:AddTagsToResource",
                    "ssm:RegisterPatchBaselineForPatchGroup",
                    "ssm:RegisterDefaultPatchBaseline",
                ],
                update: &[
                    "ssm:UpdatePatchBaseline",
                    "ssm:RegisterPatchBaselineForPatchGroup",
                    "ssm:DeregisterPatchBaselineForPatchGroup",
                    "ssm:RegisterDefaultPatchBaseline",
                    "ssm:AddTagsToResource",
                    "ssm:RemoveTagsFromResource",
                ],
                delete: &[
                    "ssm:DeregisterPatchBaselineForPatchGroup",
                    "ssm:RegisterDefaultPatchBaseline",
                    "ssm:DeletePatchBaseline",
                ],
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
impl Checked for PatchBaseline {
    fn needs() -> Needs {
        Needs {
            resource: "patchbaseline/*",
            only_for: &[
                ("ssm:RegisterPatchBaselineForPatchGroup", &["patch_groups"]),
                ("ssm:DeregisterPatchBaselineForPatchGroup", &["patch_groups"]),
                ("ssm:RegisterDefaultPatchBaseline", &["default"]),
            ],
        }
    }
}

#[async_trait]
impl AwsKind for PatchBaseline {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let all = baselines(cx, "Self", None).await?.into_iter().map(|baseline| {
            let text = |t: Option<&str>| t.unwrap_or_default().to_owned();
            (text(baseline.baseline_id()), text(baseline.baseline_name()), baseline)
        });
        let ours = selected(cx, &SORT, read, all.collect()).await?;
        let each = stream::iter(ours).map(|(baseline, tags)| whole(cx, read, baseline, tags));
        let found: Vec<Option<Found<Spec>>> = each.buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let request = cx
            .clients
            .ssm
            .create_patch_baseline()
            .name(spec.name.as_deref().unwrap_or(want.name))
            .operating_system(spec.operating_system.api().into())
            .set_description(spec.description.clone())
            .set_approval_rules(spec.approval_rules.as_deref().map(to_rules).transpose()?)
            .set_global_filters(spec.global_filters.as_ref().map(to_filters).transpose()?)
            .set_approved_patches(spec.approved_patches.clone())
            .set_approved_patches_compliance_level(spec.approved_patches_level.map(|l| l.api().into()))
            .set_approved_patches_enable_non_security(spec.approved_patches_non_security)
            .set_rejected_patches(spec.rejected_patches.clone())
            .set_rejected_patches_action(spec.rejected_patches_action.map(|a| a.api().into()))
            .set_available_security_updates_compliance_status(spec.available_security_updates.map(|s| s.api().into()))
            .set_sources(spec.sources.as_ref().map(to_sources).transpose()?)
            .client_token(want.token)
            .set_tags(Some(to_tags(want.tags)?));
        let answer = cx.call("ssm:CreatePatchBaseline", request.send()).await?;
        let id = answer.baseline_id().unwrap_or_default().to_owned();
        for group in spec.patch_groups.iter().flatten() {
            add_group(cx, &id, group).await?;
        }
        if spec.default == Some(true) {
            make_default(cx, &id).await?;
        }
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let (id, spec) = (update.id, update.want.spec);
        change(cx, update).await?;
        if let Some(want) = spec.patch_groups.as_ref().filter(|_| update.changed("patch_groups")) {
            let have = update.before.patch_groups.clone().unwrap_or_default();
            for group in want.iter().filter(|g| !have.contains(g)) {
                add_group(cx, id, group).await?;
            }
            for group in have.iter().filter(|g| !want.contains(g)) {
                remove_group(cx, id, group).await?;
            }
        }
        match spec.default.filter(|_| update.changed("default")) {
            Some(true) => make_default(cx, id).await,
            Some(false) => give_up_default(cx, id, spec.operating_system).await,
            None => Ok(()),
        }
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let id = delete.id;
        let Some(now) = get(cx, id).await? else { return Ok(()) };
        give_up_default(cx, id, delete.spec.operating_system).await?;
        for group in now.patch_groups() {
            remove_group(cx, id, group).await?;
        }
        let request = cx.clients.ssm.delete_patch_baseline().baseline_id(id);
        cx.call("ssm:DeletePatchBaseline", request.send()).await.map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        super::retag(cx, &SORT, object, set, remove).await
    }
}

/// Writes the changed fields that one call holds.
async fn change(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let separate = ["tags", "patch_groups", "default"];
    let spec = update.want.spec;
    let fields = DEEP.iter().chain(&["name", "description"]).filter(|f| !separate.contains(f));
    if !fields.into_iter().any(|f| update.changed(f)) {
        return Ok(());
    }
    let on = |field: &str| update.changed(field);
    let request = cx
        .clients
        .ssm
        .update_patch_baseline()
        .baseline_id(update.id)
        .set_name(spec.name.clone().filter(|_| on("name")))
        .set_description(spec.description.clone().filter(|_| on("description")))
        .set_approval_rules(spec.approval_rules.as_deref().filter(|_| on("approval_rules")).map(to_rules).transpose()?)
        .set_global_filters(spec.global_filters.as_ref().filter(|_| on("global_filters")).map(to_filters).transpose()?)
        .set_approved_patches(spec.approved_patches.clone().filter(|_| on("approved_patches")))
        .set_approved_patches_compliance_level(
            spec.approved_patches_level.filter(|_| on("approved_patches_level")).map(|l| l.api().into()),
        )
        .set_approved_patches_enable_non_security(
            spec.approved_patches_non_security.filter(|_| on("approved_patches_non_security")),
        )
        .set_rejected_patches(spec.rejected_patches.clone().filter(|_| on("rejected_patches")))
        .set_rejected_patches_action(
            spec.rejected_patches_action.filter(|_| on("rejected_patches_action")).map(|a| a.api().into()),
        )
        .set_available_security_updates_compliance_status(
            spec.available_security_updates.filter(|_| on("available_security_updates")).map(|s| s.api().into()),
        )
        .set_sources(spec.sources.as_ref().filter(|_| on("sources")).map(to_sources).transpose()?);
    cx.call("ssm:UpdatePatchBaseline", request.send()).await.map(drop)
}

/// The baselines of an owner (`Self`, `AWS`), of one system or of all.
async fn baselines(
    cx: &Context,
    owner: &str,
    system: Option<OperatingSystem>,
) -> Result<Vec<PatchBaselineIdentity>, ApiError> {
    let filter = |key: &str, value: &str| PatchOrchestratorFilter::builder().key(key).values(value).build();
    let mut filters = vec![filter("OWNER", owner)];
    filters.extend(system.map(|s| filter("OPERATING_SYSTEM", s.api())));
    // 100 a page, the most that the API gives.
    let request = cx.clients.ssm.describe_patch_baselines().set_filters(Some(filters)).max_results(100);
    let pages = cx.pages("ssm:DescribePatchBaselines", request.into_paginator().send()).await?;
    let all = pages.into_iter().flat_map(|p| p.baseline_identities.unwrap_or_default());
    // The filter by system came later than the call: what it does not sort out is sorted out here.
    let of_system =
        |b: &PatchBaselineIdentity| system.is_none_or(|s| b.operating_system().is_none_or(|o| o.as_str() == s.api()));
    Ok(all.filter(of_system).collect())
}

/// One baseline; none if it is gone.
async fn get(cx: &Context, id: &str) -> Result<Option<GetPatchBaselineOutput>, ApiError> {
    match cx.call("ssm:GetPatchBaseline", cx.clients.ssm.get_patch_baseline().baseline_id(id).send()).await {
        Ok(baseline) => Ok(Some(baseline)),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

async fn add_group(cx: &Context, id: &str, group: &str) -> Result<(), ApiError> {
    let request = cx.clients.ssm.register_patch_baseline_for_patch_group().baseline_id(id).patch_group(group);
    cx.call("ssm:RegisterPatchBaselineForPatchGroup", request.send()).await.map(drop)
}

async fn remove_group(cx: &Context, id: &str, group: &str) -> Result<(), ApiError> {
    let request = cx.clients.ssm.deregister_patch_baseline_for_patch_group().baseline_id(id).patch_group(group);
    match cx.call("ssm:DeregisterPatchBaselineForPatchGroup", request.send()).await {
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other.map(drop),
    }
}

async fn make_default(cx: &Context, id: &str) -> Result<(), ApiError> {
    let request = cx.clients.ssm.register_default_patch_baseline().baseline_id(id);
    cx.call("ssm:RegisterDefaultPatchBaseline", request.send()).await.map(drop)
}

/// Makes AWS's own baseline of a system the default again, if this one is still the default: another one may have
/// become it in the same run. AWS keeps several for some systems; the one that every account begins with is called
/// `AWS-…DefaultPatchBaseline`.
async fn give_up_default(cx: &Context, id: &str, system: OperatingSystem) -> Result<(), ApiError> {
    let own = baselines(cx, "Self", Some(system)).await?;
    if !own.iter().any(|b| b.baseline_id() == Some(id) && b.default_baseline()) {
        return Ok(());
    }
    let all = baselines(cx, "AWS", Some(system)).await?;
    let original = all.iter().find(|b| b.baseline_name().is_some_and(|n| n.ends_with("DefaultPatchBaseline")));
    let Some(id) = original.and_then(PatchBaselineIdentity::baseline_id) else {
        let message = format!(
            "AWS shows no default patch baseline of its own for {}: make another one the default, then apply again",
            system.api()
        );
        return Err(ApiError::new("ssm:RegisterDefaultPatchBaseline", ErrorClass::Conflict, message));
    };
    make_default(cx, id).await
}

/// A baseline with as many fields as are wanted of it; none if it went since the list was read.
async fn whole(
    cx: &Context,
    read: &Read<'_>,
    listed: PatchBaselineIdentity,
    tags: Tags,
) -> Result<Option<Found<Spec>>, ApiError> {
    let id = listed.baseline_id().unwrap_or_default().to_owned();
    let deep = DEEP.iter().any(|field| read.wants(field, &tags));
    let rest = if deep { get(cx, &id).await? } else { None };
    if deep && rest.is_none() {
        return Ok(None);
    }
    let word = listed.operating_system().map_or("WINDOWS", |o| o.as_str());
    let Some(operating_system) = OperatingSystem::from_api(word) else {
        let message = format!("'{id}' is about {word}, which this version of saiken does not know");
        return Err(ApiError::new("ssm:DescribePatchBaselines", ErrorClass::Other, message));
    };
    let name = listed.baseline_name().unwrap_or_default().to_owned();
    let mut spec = Spec {
        name: Some(name.clone()),
        operating_system,
        description: listed.baseline_description().map(str::to_owned),
        default: Some(listed.default_baseline()),
        approval_rules: None,
        global_filters: None,
        approved_patches: None,
        approved_patches_level: None,
        approved_patches_non_security: None,
        rejected_patches: None,
        rejected_patches_action: None,
        available_security_updates: None,
        sources: None,
        patch_groups: None,
        tags: None,
    };
    if let Some(rest) = &rest {
        fill(&mut spec, rest);
    }
    Ok(Some(Found {
        identifiers: Vec::new(),
        attributes: attributes([("id", json!(id)), ("name", json!(name))]),
        spec,
        status: Status::Ready,
        tags,
        unread: if deep { Vec::new() } else { DEEP.to_vec() },
        id,
    }))
}

/// What only the call for the single baseline shows.
fn fill(spec: &mut Spec, whole: &GetPatchBaselineOutput) {
    spec.approval_rules = Some(whole.approval_rules().map(rules).unwrap_or_default());
    spec.global_filters = Some(whole.global_filters().map(filters).unwrap_or_default());
    spec.approved_patches = Some(whole.approved_patches().to_vec());
    spec.approved_patches_level = whole
        .approved_patches_compliance_level()
        .and_then(|l| Level::from_api(l.as_str()))
        .or(Some(Level::Unspecified));
    spec.approved_patches_non_security = Some(whole.approved_patches_enable_non_security().unwrap_or(false));
    spec.rejected_patches = Some(whole.rejected_patches().to_vec());
    spec.rejected_patches_action = whole
        .rejected_patches_action()
        .and_then(|a| RejectedAction::from_api(a.as_str()))
        .or(Some(RejectedAction::AllowAsDependency));
    spec.available_security_updates =
        whole.available_security_updates_compliance_status().and_then(|s| UpdatesStatus::from_api(s.as_str()));
    spec.sources = Some(sources(whole.sources()));
    spec.patch_groups = Some(whole.patch_groups().to_vec());
}
