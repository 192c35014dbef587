//! `key`: a key of one's own, with an alias.
//!
//! Usage, key spec and multi-region make a new key necessary; the old one is scheduled for deletion, and what it encrypts
//! can't be read any more once it is gone, so keys count as data. Deletion waits 30 days unless `deletion_window` says
//! otherwise; until then `aws kms cancel-key-deletion` brings the key back. A key that waits for deletion counts as gone. The
//! API keeps the window only once it runs, so it stands in a tag of the key's until then.
//!
//! The API has no filter by tags. Every key gets the alias `alias/<physical name>` right after it is made, so two pages
//! (aliases, keys) tell which keys can be ours: those with an alias of the environment, and those without any alias (a
//! run that ended between key and alias: the next one adds it); the index of tags tells those with other aliases. Only these
//! are described, with one call each for the state; the tags of most come from the index. An alias that another key of the
//! same address holds (the one that is being replaced) moves over.
//! API: <https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html>

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_kms::types::{KeyMetadata, KeySpec, KeyState, KeyUsageType, Tag};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Recovery, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::{self, Owner};
use crate::model::preflight::View;
use crate::model::types::{Duration, PolicyDocument};
use crate::model::value::is_unknown_text;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs};
use crate::providers::aws::tagging;
use crate::providers::aws::words::words;

const DAY: u64 = 86_400;
/// Tag that holds the deletion window.
const WINDOW: &str = "saiken:deletion-window";
/// Calls for single keys under way at once.
const AT_ONCE: usize = 8;

/// The kind `key`.
pub struct Key;

/// A key of one's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// What it is for; 8,192 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8192))]
    pub description: Option<String>,
    /// Who may use and manage it. Left out, the account's own policies decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub policy: Option<PolicyDocument>,
    /// Whether its material is replaced at intervals (symmetric keys only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub rotation: Option<bool>,
    /// Interval of the rotation, 90 to 2,560 whole days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub rotation_period: Option<Duration>,
    /// Whether it can be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub enabled: Option<bool>,
    /// Further aliases, without `alias/`; each is unique in the account and region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub aliases: Option<Vec<String>>,
    /// Whether it has the alias that derives from its address, by which the keys of an environment are found: always true.
    #[serde(default = "yes")]
    pub own_alias: bool,
    /// How long a deleted key can still be brought back, 7 to 30 whole days; 30 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_window: Option<Duration>,
    /// What it is used for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub usage: Option<Usage>,
    /// Type of its material, in the API's words, such as `SYMMETRIC_DEFAULT`, `RSA_4096`, `ECC_NIST_P256`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub key_spec: Option<String>,
    /// Whether it can have replicas in other regions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub multi_region: Option<bool>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

fn yes() -> bool {
    true
}

words! {
    /// What a key is used for.
    Usage {
        /// Encrypting and decrypting.
        EncryptDecrypt = "ENCRYPT_DECRYPT",
        /// Signing and verifying.
        SignVerify = "SIGN_VERIFY",
        /// Message authentication codes.
        GenerateVerifyMac = "GENERATE_VERIFY_MAC",
        /// Agreeing on keys.
        KeyAgreement = "KEY_AGREEMENT",
    }
}

impl Kind for Key {
    const NAME: &'static str = "key";
    const PROVIDED: &'static [&'static str] = &["alias/aws/"];
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "encryption key",
            service: "kms",
            reference: "https://docs.aws.amazon.com/kms/latest/APIReference/API_CreateKey.html",
            scope: Scope::Regional,
            data: Some(Recovery::Period(
                "It is only scheduled for deletion, and until its window has passed `kms:CancelKeyDeletion` brings it back",
            )),
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Id"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("alias_name", "Name of its alias, with `alias/`"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "kms:ListAliases",
                    "kms:ListKeys",
                    "kms:DescribeKey",
                    "kms:ListResourceTags",
                    "kms:GetKeyPolicy",
                    "kms:GetKeyRotationStatus",
                    "tag:GetResources",
                ],
                create: &[
                    "kms:CreateKey",
                    "kms:TagResource",
                    "kms:CreateAlias",
                    "kms:UpdateAlias",
                    "kms:EnableKeyRotation",
                    "kms:DisableKey",
                ],
                update: &[
                    "kms:UpdateKeyDescription",
                    "kms:PutKeyPolicy",
                    "kms:EnableKeyRotation",
                    "kms:DisableKeyRotation",
                    "kms:EnableKey",
                    "kms:DisableKey",
                    "kms:CreateAlias",
                    "kms:UpdateAlias",
                    "kms:DeleteAlias",
                    "kms:TagResource",
                    "kms:UntagResource",
                ],
                delete: &["kms:DeleteAlias", "kms:ScheduleKeyDeletion"],
            },
            name_limit: 200,
            creation_seconds: 2,
            deletion_seconds: 1,
            quota: 100_000,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if let Some(period) = &spec.rotation_period {
            let days = period.seconds() / DAY;
            if period.seconds() > 0 && (period.seconds() % DAY != 0 || !(90..=2560).contains(&days)) {
                problems.add(
                    "rotation_period",
                    format!("`{period}` is not 90 to 2,560 whole days"),
                    "write 365d, for one",
                );
            }
            if spec.rotation == Some(false) {
                problems.add("rotation_period", "a key that is not rotated has no interval", "set `rotation: true`");
            }
        }
        let symmetric = spec.key_spec.as_deref().is_none_or(|s| s == "SYMMETRIC_DEFAULT");
        if spec.rotation == Some(true) && !symmetric {
            problems.add("rotation", "only symmetric keys can be rotated", "leave `rotation` out");
        }
        for alias in spec.aliases.iter().flatten().filter(|a| a.starts_with("alias/") || a.starts_with("aws/")) {
            problems.add(
                "aliases",
                format!("`{alias}` begins with a word that the API sets or reserves"),
                "leave it out",
            );
        }
        if !spec.own_alias {
            problems.add("own_alias", "without this alias the key could not be found again", "leave `own_alias` out");
        }
        if let Some(window) = spec.deletion_window.as_ref().filter(|w| !is_unknown_text(w.as_str())) {
            let days = window.seconds() / DAY;
            if window.seconds() % DAY != 0 || !(7..=30).contains(&days) {
                problems.add("deletion_window", format!("`{window}` is not 7 to 30 whole days"), "write 30d, for one");
            }
        }
    }
}

#[async_trait]
impl Checked for Key {
    fn needs() -> Needs {
        Needs {
            resource: "key/*",
            only_for: &[
                ("kms:CreateAlias", &["own_alias", "aliases"]),
                ("kms:UpdateAlias", &[]),
                ("kms:DeleteAlias", &["own_alias", "aliases"]),
                ("kms:EnableKeyRotation", &["rotation", "rotation_period"]),
                ("kms:DisableKeyRotation", &["rotation"]),
                ("kms:EnableKey", &["enabled"]),
                ("kms:DisableKey", &[]),
                ("kms:UpdateKeyDescription", &["description"]),
                ("kms:PutKeyPolicy", &["policy"]),
            ],
        }
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        let further = view.spec.get("aliases").and_then(serde_json::Value::as_array).into_iter().flatten();
        let further = further.filter_map(|a| a.as_str().filter(|text| !is_unknown_text(text)));
        let own = view.asks("own_alias").then_some(view.name).filter(|name| !name.is_empty());
        own.into_iter().chain(further).map(|alias| Name::new(format!("alias/{alias}"))).collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let mut holders = Vec::new();
        for (alias, key) in aliases(cx).await? {
            let name = Name::new(alias);
            if names.contains(&name) {
                let owner = tags(cx, &key).await?.as_ref().and_then(Owner::from_tags);
                holders.push(Holder { name, id: key, owner });
            }
        }
        Ok(holders)
    }
}

#[async_trait]
impl AwsKind for Key {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let (aliases, index) = futures::try_join!(aliases(cx), tagging::of_service(cx, "kms", &read.selection))?;
        // Keys by id, as the other lists name them.
        let index: BTreeMap<String, Tags> =
            index.into_iter().filter_map(|(arn, tags)| Some((arn.split_once(":key/")?.1.to_owned(), tags))).collect();
        let mut ids: BTreeSet<String> = match &read.selection {
            Selection::Ids(ids) => ids.iter().cloned().collect(),
            Selection::Owned { project, environment } => {
                let prefix = format!("alias/{}", ownership::name_prefix(project, environment));
                candidates(cx, &aliases, |names| names.iter().any(|n| n.starts_with(&prefix))).await?
            }
            Selection::Tagged(_) => {
                candidates(cx, &aliases, |names| !names.iter().all(|n| n.starts_with("alias/aws/"))).await?
            }
        };
        ids.extend(index.keys().cloned());
        let found: Vec<Option<Found<Spec>>> = stream::iter(ids)
            .map(|id| {
                let (aliases, indexed) = (&aliases, index.get(&id));
                async move { found(cx, read, &id, aliases, indexed).await }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let mut all = want.tags.clone();
        all.extend(spec.deletion_window.as_ref().map(|w| (WINDOW.to_owned(), w.to_string())));
        let once = cx.once();
        let request = once
            .clients
            .kms
            .create_key()
            .set_description(spec.description.clone())
            .set_policy(spec.policy.as_ref().map(PolicyDocument::to_json))
            .set_key_usage(spec.usage.map(|u| KeyUsageType::from(u.api())))
            .set_key_spec(spec.key_spec.as_deref().map(KeySpec::from))
            .set_multi_region(spec.multi_region)
            .set_tags(Some(to_tags(&all)?));
        let call = async {
            let answer = once.call("kms:CreateKey", request.send()).await?;
            Ok(answer.key_metadata().map(|m| m.key_id().to_owned()).unwrap_or_default())
        };
        let id = create_once::<Self>(cx, want, None, call).await?;
        settle(cx, &id, want, None, |field| !["description", "policy", "deletion_window"].contains(&field)).await?;
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        settle(cx, update.id, &update.want, Some(update.before), |field| update.changed(field)).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        for (alias, target) in aliases(cx).await? {
            if target == delete.id {
                cx.call("kms:DeleteAlias", cx.clients.kms.delete_alias().alias_name(alias).send()).await?;
            }
        }
        let window = delete.spec.deletion_window.as_ref().and_then(|w| i32::try_from(w.seconds() / DAY).ok());
        let request =
            cx.clients.kms.schedule_key_deletion().key_id(delete.id).pending_window_in_days(window.unwrap_or(30));
        cx.call("kms:ScheduleKeyDeletion", request.send()).await.map(|_| ())
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        if !set.is_empty() {
            let request = cx.clients.kms.tag_resource().key_id(&object.id).set_tags(Some(to_tags(set)?));
            cx.call("kms:TagResource", request.send()).await?;
        }
        if !remove.is_empty() {
            let request = cx.clients.kms.untag_resource().key_id(&object.id).set_tag_keys(Some(remove.to_vec()));
            cx.call("kms:UntagResource", request.send()).await?;
        }
        Ok(())
    }
}

fn to_tags(tags: &Tags) -> Result<Vec<Tag>, ApiError> {
    tags.iter()
        .map(|(k, v)| Tag::builder().tag_key(k).tag_value(v).build())
        .collect::<Result<_, _>>()
        .map_err(|e| ApiError::new("kms:TagResource", ErrorClass::Invalid, e.to_string()))
}

/// All aliases with the ids of their keys.
async fn aliases(cx: &Context) -> Result<BTreeMap<String, String>, ApiError> {
    let request = cx.clients.kms.list_aliases().limit(100);
    let pages = cx.pages("kms:ListAliases", request.into_paginator().send()).await?;
    Ok(pages
        .iter()
        .flat_map(|p| p.aliases())
        .filter_map(|a| Some((a.alias_name()?.to_owned(), a.target_key_id()?.to_owned())))
        .collect())
}

/// Ids of the keys whose aliases are wanted, and of those without any alias.
async fn candidates(
    cx: &Context,
    aliases: &BTreeMap<String, String>,
    wanted: impl Fn(&[&str]) -> bool,
) -> Result<BTreeSet<String>, ApiError> {
    let mut names: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (alias, key) in aliases {
        names.entry(key).or_default().push(alias);
    }
    let request = cx.clients.kms.list_keys().limit(1000);
    let pages = cx.pages("kms:ListKeys", request.into_paginator().send()).await?;
    let all: BTreeSet<&str> = pages.iter().flat_map(|p| p.keys()).filter_map(|k| k.key_id()).collect();
    Ok(all.into_iter().filter(|id| names.get(id).is_none_or(|n| wanted(n))).map(str::to_owned).collect())
}

async fn found(
    cx: &Context,
    read: &Read<'_>,
    id: &str,
    aliases: &BTreeMap<String, String>,
    indexed: Option<&Tags>,
) -> Result<Option<Found<Spec>>, ApiError> {
    let described = cx.call("kms:DescribeKey", cx.clients.kms.describe_key().key_id(id).send()).await;
    let described = match described {
        Err(e) if e.class == ErrorClass::NotFound => return Ok(None),
        // The policy of somebody else's key may let nobody else look at it, which says nothing of our keys.
        Err(e) if e.class == ErrorClass::AccessDenied && indexed.is_none() && !may_be_ours(read, id, aliases) => {
            return Ok(None);
        }
        other => other?,
    };
    let Some(meta) = described.key_metadata() else { return Ok(None) };
    let status = match meta.key_state() {
        Some(KeyState::PendingDeletion | KeyState::PendingReplicaDeletion) => Status::Deleting,
        Some(KeyState::Creating | KeyState::Updating | KeyState::PendingImport) => {
            Status::Pending("creating".to_owned())
        }
        _ => Status::Ready,
    };
    if status == Status::Deleting {
        return Ok(None);
    }
    let tags = match indexed {
        Some(tags) => tags.clone(),
        None => match tags(cx, meta.key_id()).await? {
            Some(tags) => tags,
            None => return Ok(None),
        },
    };
    if !matches!(read.selection, Selection::Ids(_)) && !read.selection.matches(meta.key_id(), &tags) {
        return Ok(None);
    }
    whole(cx, read, meta, tags, status, aliases).await.map(Some)
}

/// Whether a key that no index knows can still be one that is read: it was asked for by its id, or has an alias of the environment.
fn may_be_ours(read: &Read<'_>, id: &str, aliases: &BTreeMap<String, String>) -> bool {
    match &read.selection {
        Selection::Ids(_) => true,
        Selection::Owned { project, environment } => {
            let prefix = format!("alias/{}", ownership::name_prefix(project, environment));
            aliases.iter().any(|(alias, key)| key == id && alias.starts_with(&prefix))
        }
        Selection::Tagged(_) => false,
    }
}

/// Tags of a key; none for keys of AWS, which do not show them.
async fn tags(cx: &Context, id: &str) -> Result<Option<Tags>, ApiError> {
    let request = cx.clients.kms.list_resource_tags().key_id(id).limit(50);
    match cx.pages("kms:ListResourceTags", request.into_paginator().send()).await {
        Ok(pages) => Ok(Some(
            pages.iter().flat_map(|p| p.tags()).map(|t| (t.tag_key().to_owned(), t.tag_value().to_owned())).collect(),
        )),
        // A key that we may not look at is not one that we made.
        Err(e) if matches!(e.class, ErrorClass::AccessDenied | ErrorClass::NotFound) => Ok(None),
        Err(e) => Err(e),
    }
}

async fn whole(
    cx: &Context,
    read: &Read<'_>,
    meta: &KeyMetadata,
    tags: Tags,
    status: Status,
    aliases: &BTreeMap<String, String>,
) -> Result<Found<Spec>, ApiError> {
    let id = meta.key_id().to_owned();
    let kms = &cx.clients.kms;
    let mut unread = Vec::new();
    let mut policy = None;
    if read.wants("policy", &tags) {
        let answer =
            cx.call("kms:GetKeyPolicy", kms.get_key_policy().key_id(&id).policy_name("default").send()).await?;
        let text = answer.policy().unwrap_or_default();
        let parsed = PolicyDocument::from_json(text);
        policy = Some(parsed.map_err(|e| ApiError::new("kms:GetKeyPolicy", ErrorClass::Other, e))?);
    } else {
        unread.push("policy");
    }
    let symmetric = meta.key_spec().is_none_or(|s| *s == KeySpec::SymmetricDefault);
    let (mut rotation, mut period) = (None, None);
    if symmetric && (read.wants("rotation", &tags) || read.wants("rotation_period", &tags)) {
        let answer = cx.call("kms:GetKeyRotationStatus", kms.get_key_rotation_status().key_id(&id).send()).await?;
        rotation = Some(answer.key_rotation_enabled());
        period = answer
            .rotation_period_in_days()
            .filter(|_| answer.key_rotation_enabled())
            .map(|d| Duration::from_seconds(u64::try_from(d).unwrap_or(0) * DAY));
    } else {
        unread.extend(["rotation", "rotation_period"]);
    }
    let names: Vec<&String> = aliases.iter().filter(|(_, key)| **key == id).map(|(name, _)| name).collect();
    let owner = Owner::from_tags(&tags);
    let own = owner.as_ref().and_then(|o| own_alias(o, &names));
    let further =
        names.iter().filter(|n| Some(**n) != own).map(|n| n.trim_start_matches("alias/").to_owned()).collect();
    let window = tags.get(WINDOW).and_then(|w| w.parse().ok()).unwrap_or_else(|| Duration::from_seconds(30 * DAY));
    let arn = meta.arn().unwrap_or_default().to_owned();
    let mut identifiers = vec![arn.clone()];
    for name in &names {
        identifiers.push((*name).clone());
        identifiers.push(arn.replace(&format!("key/{id}"), name));
    }
    Ok(Found {
        identifiers,
        attributes: attributes([
            ("id", json!(id)),
            ("arn", json!(arn)),
            ("alias_name", json!(own.or(names.first().copied()))),
        ]),
        spec: Spec {
            description: Some(meta.description().unwrap_or_default().to_owned()),
            policy,
            rotation,
            rotation_period: period,
            enabled: Some(meta.enabled()),
            aliases: Some(further),
            own_alias: own.is_some(),
            deletion_window: Some(window),
            usage: meta.key_usage().and_then(|u| Usage::from_api(u.as_str())),
            key_spec: meta.key_spec().map(|s| s.as_str().to_owned()),
            multi_region: Some(meta.multi_region().unwrap_or(false)),
            tags: None,
        },
        status,
        tags,
        unread,
        id,
    })
}

/// Which of a key's aliases is the one that derives from its address; after a move, from the address that it had.
fn own_alias<'a>(owner: &Owner, names: &[&'a String]) -> Option<&'a String> {
    let (project, environment) = (&owner.project, &owner.environment);
    let limit = Key::facts().name_limit;
    let name = ownership::physical_name(project, environment, &owner.address, owner.generation, limit);
    let prefix = format!("alias/{}", ownership::name_prefix(project, environment));
    let exact = names.iter().find(|n| n.strip_prefix("alias/") == Some(name.as_str()));
    exact.or_else(|| names.iter().find(|n| n.starts_with(&prefix))).copied()
}

/// Gives the key an alias. One that a key of the same address holds moves over; anybody else's is left where it is.
async fn take_alias(cx: &Context, id: &str, alias: &str, own: &Tags) -> Result<(), ApiError> {
    let kms = &cx.clients.kms;
    let request = kms.create_alias().alias_name(alias).target_key_id(id);
    let refused = match cx.call("kms:CreateAlias", request.send()).await {
        Err(e) if e.class == ErrorClass::Conflict => e,
        other => return other.map(|_| ()),
    };
    let Some(holder) = aliases(cx).await?.remove(alias) else { return Err(refused) };
    if holder == id {
        return Ok(());
    }
    let theirs = tags(cx, &holder).await?.unwrap_or_default();
    let same = [ownership::PROJECT, ownership::ENVIRONMENT, ownership::ADDRESS]
        .iter()
        .all(|key| own.contains_key(*key) && own.get(*key) == theirs.get(*key));
    if !same {
        return Err(refused);
    }
    let request = kms.update_alias().alias_name(alias).target_key_id(id);
    cx.call("kms:UpdateAlias", request.send()).await.map(|_| ())
}

/// Everything that is not set in the creating call; also what an update changes.
async fn settle(
    cx: &Context,
    id: &str,
    want: &Create<'_, Spec>,
    before: Option<&Spec>,
    changed: impl Fn(&str) -> bool,
) -> Result<(), ApiError> {
    let (kms, spec) = (&cx.clients.kms, want.spec);
    if changed("own_alias") {
        take_alias(cx, id, &format!("alias/{}", want.name), want.tags).await?;
    }
    if let Some(description) = spec.description.as_ref().filter(|_| changed("description")) {
        let request = kms.update_key_description().key_id(id).description(description);
        cx.call("kms:UpdateKeyDescription", request.send()).await?;
    }
    if let Some(policy) = spec.policy.as_ref().filter(|_| changed("policy")) {
        let request = kms.put_key_policy().key_id(id).policy_name("default").policy(policy.to_json());
        cx.call("kms:PutKeyPolicy", request.send()).await?;
    }
    if spec.enabled == Some(true) && changed("enabled") && before.is_some() {
        cx.call("kms:EnableKey", kms.enable_key().key_id(id).send()).await?;
    }
    if changed("rotation") || changed("rotation_period") {
        let on = spec.rotation.unwrap_or(spec.rotation_period.is_some());
        if on {
            let days = spec.rotation_period.as_ref().and_then(|p| i32::try_from(p.seconds() / DAY).ok());
            let request = kms.enable_key_rotation().key_id(id).set_rotation_period_in_days(days);
            cx.call("kms:EnableKeyRotation", request.send()).await?;
        } else if before.is_some() && spec.rotation == Some(false) {
            cx.call("kms:DisableKeyRotation", kms.disable_key_rotation().key_id(id).send()).await?;
        }
    }
    if let Some(wanted) = spec.aliases.as_ref().filter(|_| changed("aliases")) {
        let have = before.and_then(|b| b.aliases.as_deref()).unwrap_or_default();
        for alias in wanted.iter().filter(|w| !have.contains(w)) {
            take_alias(cx, id, &format!("alias/{alias}"), want.tags).await?;
        }
        // A key that was nobody's has its own alias among the further ones until it is owned.
        for alias in have.iter().filter(|h| !wanted.contains(h) && *h != want.name) {
            let request = kms.delete_alias().alias_name(format!("alias/{alias}"));
            cx.call("kms:DeleteAlias", request.send()).await?;
        }
    }
    if let Some(window) = spec.deletion_window.as_ref().filter(|_| changed("deletion_window")) {
        let tag = Tags::from([(WINDOW.to_owned(), window.to_string())]);
        cx.call("kms:TagResource", kms.tag_resource().key_id(id).set_tags(Some(to_tags(&tag)?)).send()).await?;
    }
    if spec.enabled == Some(false) && changed("enabled") {
        cx.call("kms:DisableKey", kms.disable_key().key_id(id).send()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
