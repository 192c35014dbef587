//! `secret`: a value that nobody is to see, with its former versions.
//!
//! Holds data. A deleted secret can be brought back for 30 days, or as `recovery_window` says (a tag keeps that until
//! then, since the API has no place for it), and keeps its name so long: what is declared anew under that name is
//! brought back if it was this very resource, and refused with what to do if it was anything else. Only another name
//! makes a new secret necessary.
//!
//! The value is never read. One that is given is compared by its fingerprint in the tags; one that is generated is made
//! once, when the secret is created, and goes straight to the API. Binary values are left out.
//!
//! The creating call carries all tags and the client token, so that it may be repeated; a new run finds the secret by
//! its name. All secrets of an environment come in pages of 100 with their tags; single ones are read by a call that
//! does not lag behind. A copy in another region carries the same tags, and is known by its primary region. Replicas
//! and policy cost a call a secret, where they are declared.
//! API: <https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::{Filter, FilterNameStringType, SecretListEntry};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::secret_calls::{alone, copied, describe, from_tags, is_failed, settle, to_tags, write_tags};
use super::secret_parts::{Generate, Replica, Rotation, attribute_or_id, check_replicas};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Recovery, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::Owner;
use crate::model::preflight::View;
use crate::model::types::{Duration, PolicyDocument, Ref};
use crate::model::value::is_unknown_text;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs};

const DAY: u64 = 86_400;
/// Tag that holds the recovery window.
pub(super) const WINDOW: &str = "saiken:recovery-window";
/// Calls for single secrets under way at once.
const AT_ONCE: usize = 8;

/// The kind `secret`.
pub struct Secret;

/// A value that nobody is to see.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, 512 letters, digits and `/_+=.@-` at most; derived from the address if left out. It must not end in
    /// `-` and six characters, as ARNs do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^[A-Za-z0-9/_+=.@-]+$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// What it is for; 2,048 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub description: Option<String>,
    /// Key that encrypts it (by ARN, if it is not owned); the account's own key for secrets if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Ref<Key>>,
    /// The value, 65,536 bytes at most; mostly from a secret of the files (`{{ secret.… }}`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65_536), extend("x-sensitive" = true, "x-fingerprint" = true))]
    pub value: Option<String>,
    /// How its value is made, in place of `value`: once, when it is created. A change has no effect later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate: Option<Generate>,
    /// Copies in other regions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true, "x-unordered" = true))]
    pub replicas: Option<Vec<Replica>>,
    /// When a function makes a new value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<Rotation>,
    /// Whether the function makes a new value at once when `rotation` changes, rather than at its next time; true if
    /// left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_at_once: Option<bool>,
    /// Who else may do what with it; `{}` for no policy. One that lets everybody in is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub policy: Option<PolicyDocument>,
    /// How long it can be brought back when it is deleted, 7 to 30 whole days; 30 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery_window: Option<Duration>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

const CREATE: &[&str] = &[
    "secretsmanager:CreateSecret",
    "secretsmanager:TagResource",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetRandomPassword",
    "secretsmanager:PutResourcePolicy",
    "secretsmanager:ReplicateSecretToRegions",
    "secretsmanager:RotateSecret",
    "secretsmanager:RestoreSecret",
    "secretsmanager:UpdateSecret",
    "secretsmanager:UntagResource",
    "secretsmanager:RemoveRegionsFromReplication",
    "secretsmanager:DeleteResourcePolicy",
    "secretsmanager:CancelRotateSecret",
    "lambda:InvokeFunction",
    "kms:GenerateDataKey",
    "kms:Decrypt",
];

const UPDATE: &[&str] = &[
    "secretsmanager:UpdateSecret",
    "secretsmanager:DescribeSecret",
    "secretsmanager:ReplicateSecretToRegions",
    "secretsmanager:RemoveRegionsFromReplication",
    "secretsmanager:PutResourcePolicy",
    "secretsmanager:DeleteResourcePolicy",
    "secretsmanager:RotateSecret",
    "secretsmanager:CancelRotateSecret",
    "secretsmanager:TagResource",
    "secretsmanager:UntagResource",
    "lambda:InvokeFunction",
    "kms:GenerateDataKey",
    "kms:Decrypt",
];

impl Kind for Secret {
    const NAME: &'static str = "secret";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "secret value",
            service: "secretsmanager",
            reference: "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html",
            scope: Scope::Regional,
            data: Some(Recovery::Period(
                "It is only scheduled for deletion, and until its recovery window has passed \
                 `secretsmanager:RestoreSecret` brings it back",
            )),
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
                    "secretsmanager:ListSecrets",
                    "secretsmanager:DescribeSecret",
                    "secretsmanager:GetResourcePolicy",
                ],
                create: CREATE,
                update: UPDATE,
                delete: &[
                    "secretsmanager:DescribeSecret",
                    "secretsmanager:RemoveRegionsFromReplication",
                    "secretsmanager:DeleteSecret",
                ],
            },
            name_limit: 512,
            creation_seconds: 2,
            deletion_seconds: 1,
            quota: 500_000,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if let Some(name) = spec.name.as_deref().filter(|n| !is_unknown_text(n))
            && let Some((_, end)) = name.rsplit_once('-')
            && end.len() == 6
        {
            let message = format!("`{name}` ends like an ARN, and the API would take it for a part of one");
            problems.add("name", message, "let it end otherwise");
        }
        if spec.value.is_some() && spec.generate.is_some() {
            problems.add("generate", "the value is given already", "leave `value` or `generate` out");
        }
        if let Some(value) = spec.value.as_deref().filter(|v| v.len() > 65_536) {
            let message = format!("it has {} bytes, and 65,536 are allowed", value.len());
            problems.add("value", message, "keep large values in an encrypted object, and the key here");
        }
        if let Some(generate) = &spec.generate {
            generate.check(problems);
        }
        check_replicas(spec.replicas.as_deref().unwrap_or_default(), problems);
        if let Some(rotation) = &spec.rotation {
            rotation.check(problems);
            if rotation.enabled && spec.value.is_some() {
                let message = "a function makes new values, and the next change of `value` would undo the last of them";
                problems.add("value", message, "leave `value` out, or take `generate` for the first one");
            }
        }
        if let Some(window) = spec.recovery_window.as_ref().filter(|w| !is_unknown_text(w.as_str())) {
            let days = window.seconds() / DAY;
            if window.seconds() % DAY != 0 || !(7..=30).contains(&days) {
                problems.add("recovery_window", format!("`{window}` is not 7 to 30 whole days"), "write 30d, for one");
            }
        }
    }
}

#[async_trait]
impl Checked for Secret {
    fn needs() -> Needs {
        Needs {
            resource: "secret:*",
            only_for: &[
                ("secretsmanager:DescribeSecret", &["replicas"]),
                ("secretsmanager:GetRandomPassword", &["generate"]),
                ("secretsmanager:PutResourcePolicy", &["policy"]),
                ("secretsmanager:DeleteResourcePolicy", &[]),
                ("secretsmanager:ReplicateSecretToRegions", &["replicas"]),
                ("secretsmanager:RemoveRegionsFromReplication", &["replicas"]),
                ("secretsmanager:RotateSecret", &["rotation"]),
                ("secretsmanager:CancelRotateSecret", &[]),
                ("secretsmanager:UpdateSecret", &["description", "key", "value"]),
                ("secretsmanager:RestoreSecret", &[]),
                ("secretsmanager:UntagResource", &[]),
                ("lambda:InvokeFunction", &["rotation"]),
                ("kms:GenerateDataKey", &["key"]),
                ("kms:Decrypt", &["key"]),
            ],
        }
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        view.own_name().map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let found = stream::iter(names.to_vec()).map(|name| async move {
            let Some(secret) = describe(cx, &name.name).await? else { return Ok::<_, ApiError>(None) };
            let owner = Owner::from_tags(&from_tags(secret.tags()));
            Ok(Some(Holder { id: secret.arn().unwrap_or_default().to_owned(), name, owner }))
        });
        let found: Vec<Option<Holder>> = found.buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }
}

#[async_trait]
impl AwsKind for Secret {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        if let Selection::Ids(ids) = read.selection {
            let found: Vec<Option<Found<Spec>>> = stream::iter(ids.to_vec())
                .map(|id| async move {
                    match describe(cx, &id).await?.filter(|s| s.deleted_date().is_none()) {
                        Some(secret) => whole(cx, read, entry(&secret), Some(secret)).await,
                        None => Ok(None),
                    }
                })
                .buffered(AT_ONCE)
                .try_collect()
                .await?;
            return Ok(found.into_iter().flatten().collect());
        }
        let request = cx.clients.secrets.list_secrets().set_filters(filters(&read.selection)).max_results(100);
        let pages = cx.pages("secretsmanager:ListSecrets", request.into_paginator().send()).await?;
        let here = |s: &SecretListEntry| {
            s.deleted_date().is_none()
                && s.primary_region().is_none_or(|region| region == cx.region)
                && read.selection.matches(s.arn().unwrap_or_default(), &from_tags(s.tags()))
        };
        let all: Vec<SecretListEntry> =
            pages.into_iter().flat_map(|p| p.secret_list.unwrap_or_default()).filter(here).collect();
        let found: Vec<Option<Found<Spec>>> =
            stream::iter(all).map(|secret| whole(cx, read, secret, None)).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let name = spec.name.as_deref().unwrap_or(want.name);
        let value = match (&spec.value, &spec.generate) {
            (Some(value), _) => Some(value.clone()),
            (None, Some(generate)) => Some(generate.value(cx).await?),
            (None, None) => None,
        };
        let key = spec.key.as_ref().map(|k| attribute_or_id(want, k, "arn")).transpose()?;
        let replicas: Result<Vec<_>, ApiError> = spec.replicas.iter().flatten().map(|r| r.api(want)).collect();
        let request = cx
            .clients
            .secrets
            .create_secret()
            .name(name)
            .client_request_token(want.token)
            .set_description(spec.description.clone())
            .set_kms_key_id(key)
            .set_secret_string(value)
            .set_add_replica_regions(Some(replicas?).filter(|r| !r.is_empty()))
            .set_tags(Some(to_tags(&all_tags(want))));
        let call = async {
            let answer = cx.call("secretsmanager:CreateSecret", request.send()).await?;
            Ok(answer.arn().unwrap_or_default().to_owned())
        };
        let id = match create_once::<Self>(cx, want, Some(name), call).await {
            Err(e) if may_be_scheduled(&e) => return restore(cx, want, name, e).await,
            other => other?,
        };
        copied(cx, &id, want.watch).await?;
        let changed = |field: &str| match field {
            "policy" => spec.policy.as_ref().is_some_and(|p| *p.value() != json!({})),
            "rotation" => spec.rotation.as_ref().is_some_and(|r| r.enabled),
            _ => false,
        };
        settle(cx, &id, want, &changed).await?;
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        settle(cx, update.id, &update.want, &|field| update.changed(field)).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let (secrets, id) = (&cx.clients.secrets, delete.id);
        // A secret with copies is not deleted.
        let regions: Vec<String> = match describe(cx, id).await? {
            Some(secret) => secret.replication_status().iter().filter_map(|r| r.region.clone()).collect(),
            None => return Ok(()),
        };
        if !regions.is_empty() {
            let request =
                secrets.remove_regions_from_replication().secret_id(id).set_remove_replica_regions(Some(regions));
            cx.call("secretsmanager:RemoveRegionsFromReplication", request.send()).await?;
            alone(cx, id, delete.watch).await?;
        }
        let window = delete.spec.recovery_window.as_ref().and_then(|w| i64::try_from(w.seconds() / DAY).ok());
        let request = secrets.delete_secret().secret_id(id).recovery_window_in_days(window.unwrap_or(30));
        match cx.call("secretsmanager:DeleteSecret", request.send()).await {
            // So the API says that it is scheduled already: by this very call, if its first answer was lost.
            Err(e) if e.code.as_deref() == Some("InvalidRequestException") => {
                let scheduled = describe(cx, id).await?.is_none_or(|s| s.deleted_date().is_some());
                if scheduled { Ok(()) } else { Err(e) }
            }
            other => other.map(drop),
        }
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        write_tags(cx, &object.id, set, remove).await
    }
}

/// What the API can choose by: keys and values apart, by their beginnings, and ASCII only. What is left is looked
/// through.
fn filters(selection: &Selection<'_>) -> Option<Vec<Filter>> {
    let allowed = |text: &&String| text.chars().all(|c| c.is_ascii_alphanumeric() || " :_@/+=.-".contains(c));
    let wanted = selection.tags()?;
    let (key, value) = wanted.iter().next()?;
    let filter = |name: FilterNameStringType, text: &String| Filter::builder().key(name).values(text).build();
    let key = Some(key).filter(allowed).map(|key| filter(FilterNameStringType::TagKey, key));
    let value = Some(value).filter(allowed).map(|value| filter(FilterNameStringType::TagValue, value));
    Some(key.into_iter().chain(value).collect()).filter(|all: &Vec<Filter>| !all.is_empty())
}

/// All tags of a new secret.
fn all_tags(want: &Create<'_, Spec>) -> Tags {
    let mut all = want.tags.clone();
    all.extend(want.spec.recovery_window.as_ref().map(|w| (WINDOW.to_owned(), w.to_string())));
    all
}

/// What the list shows of a secret.
fn entry(secret: &DescribeSecretOutput) -> SecretListEntry {
    SecretListEntry::builder()
        .set_arn(secret.arn.clone())
        .set_name(secret.name.clone())
        .set_description(secret.description.clone())
        .set_kms_key_id(secret.kms_key_id.clone())
        .set_rotation_enabled(secret.rotation_enabled)
        .set_rotation_lambda_arn(secret.rotation_lambda_arn.clone())
        .set_rotation_rules(secret.rotation_rules.clone())
        .set_tags(secret.tags.clone())
        .set_primary_region(secret.primary_region.clone())
        .build()
}

/// A secret with all that is wanted of it; none if it is gone.
async fn whole(
    cx: &Context,
    read: &Read<'_>,
    secret: SecretListEntry,
    described: Option<DescribeSecretOutput>,
) -> Result<Option<Found<Spec>>, ApiError> {
    let mut found = found(&secret);
    let (replicas, policy) = (read.wants("replicas", &found.tags), read.wants("policy", &found.tags));
    if replicas {
        let described = match described {
            Some(described) => Some(described),
            None => describe(cx, &found.id).await?,
        };
        let Some(described) = described else { return Ok(None) };
        // One that failed is none: it is made anew.
        let copies = described.replication_status().iter().filter(|copy| !is_failed(copy));
        found.spec.replicas = Some(copies.map(Replica::from_api).collect());
    } else {
        found.unread.push("replicas");
    }
    if policy {
        let request = cx.clients.secrets.get_resource_policy().secret_id(&found.id);
        let answer = match cx.call("secretsmanager:GetResourcePolicy", request.send()).await {
            Err(e) if e.class == ErrorClass::NotFound => return Ok(None),
            other => other?,
        };
        let parsed = PolicyDocument::from_json(answer.resource_policy().unwrap_or("{}"));
        let wrong = |e: String| ApiError::new("secretsmanager:GetResourcePolicy", ErrorClass::Other, e);
        found.spec.policy = Some(parsed.map_err(wrong)?);
    } else {
        found.unread.push("policy");
    }
    Ok(Some(found))
}

fn found(secret: &SecretListEntry) -> Found<Spec> {
    let arn = secret.arn().unwrap_or_default().to_owned();
    let name = secret.name().unwrap_or_default().to_owned();
    let tags = from_tags(secret.tags());
    let window = tags.get(WINDOW).and_then(|w| w.parse().ok()).unwrap_or_else(|| Duration::from_seconds(30 * DAY));
    let on = secret.rotation_enabled().unwrap_or(false);
    Found {
        identifiers: vec![name.clone()],
        attributes: attributes([("id", json!(arn)), ("arn", json!(arn)), ("name", json!(name))]),
        spec: Spec {
            name: Some(name),
            description: Some(secret.description().unwrap_or_default().to_owned()),
            key: secret.kms_key_id().filter(|k| !k.is_empty()).map(Ref::id),
            value: None,
            generate: None,
            replicas: None,
            rotation: Some(Rotation::from_api(on, secret.rotation_lambda_arn(), secret.rotation_rules())),
            rotate_at_once: None,
            policy: None,
            recovery_window: Some(window),
            tags: None,
        },
        status: Status::Ready,
        tags,
        // Never read: what a value is, how it was made, and how a rotation began.
        unread: vec!["value", "generate", "rotate_at_once"],
        id: arn,
    }
}

/// Whether an error may mean that a deleted secret still has the name.
fn may_be_scheduled(error: &ApiError) -> bool {
    matches!(error.code.as_deref(), Some("InvalidRequestException" | "ResourceExistsException"))
}

/// Brings a deleted secret back that was this very resource; anything else keeps its name until it is gone.
async fn restore(cx: &Context, want: &Create<'_, Spec>, name: &str, error: ApiError) -> Result<String, ApiError> {
    let Some(secret) = describe(cx, name).await?.filter(|s| s.deleted_date().is_some()) else { return Err(error) };
    let id = secret.arn().unwrap_or_default().to_owned();
    let tags = from_tags(secret.tags());
    let whose = |tags: &Tags| Owner::from_tags(tags).map(|o| (o.project, o.environment, o.address));
    if whose(&tags) != whose(want.tags) {
        let message = format!(
            "another secret '{name}' is scheduled for deletion, and has its name until then: choose another name; or \
             take it over, with `aws secretsmanager restore-secret --secret-id '{name}'` and `adopt: {id}`; or let it \
             go for good, with `aws secretsmanager delete-secret --secret-id '{name}' --force-delete-without-recovery`"
        );
        return Err(ApiError { message, ..error });
    }
    let request = cx.clients.secrets.restore_secret().secret_id(&id);
    cx.call("secretsmanager:RestoreSecret", request.send()).await?;
    // It may differ in anything; a value that was generated stays.
    settle(cx, &id, want, &|_| true).await?;
    let wanted = all_tags(want);
    let old: Vec<String> =
        tags.into_keys().filter(|tag| !wanted.contains_key(tag) && !tag.starts_with("aws:")).collect();
    write_tags(cx, &id, &wanted, &old).await?;
    Ok(id)
}

#[cfg(test)]
mod tests;
