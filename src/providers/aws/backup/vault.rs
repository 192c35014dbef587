//! `backup_vault`: where recovery points are kept.
//!
//! Holds data: its recovery points. The service deletes no vault that holds any, so a deletion or a replacement that is
//! let through still ends with an error that says how many there are; nothing is lost. Name and key make a new vault
//! necessary.
//!
//! A lock keeps recovery points from being deleted before their time. With `lock_permanent_after` it becomes permanent:
//! **from then on nobody can change it or take it away, neither the account's root user nor AWS**, and the vault stays
//! as long as it holds a recovery point. The API tells the moment at which it does, and not the days that were asked
//! for: those are compared by the fingerprint in the vault's tags.
//!
//! The list of vaults shows no tags and has no filter (see [`super`]). Its name is its id, and derives from the
//! address; a name that is taken is taken by the vault of an earlier run if that carries our tags. Policy, notices and
//! lock are calls of their own after the creation, the lock last; what is missing of them, the next read sees.
//! API: <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupVault.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_backup::types::{BackupVaultListMember, VaultState, VaultType};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::vault_parts::{Lock, Notifications, Standing, lock_moment, read_parts, write_parts};
use super::{AT_ONCE, DAY, Listed, check_time, from_units, prefix, retag, selected, tags};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Recovery, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::{self, Owner};
use crate::model::preflight::View;
use crate::model::types::{Duration, PolicyDocument, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Tags, Update, create_once};
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs};

/// Longest name.
const NAME_LIMIT: usize = 50;
/// The fields that cost a call each.
const DEEP: [&str; 2] = ["policy", "notifications"];

/// The kind `backup_vault`.
pub struct BackupVault;

/// Where recovery points are kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, 2 to 50 letters, digits, `-` and `_`; derived from the address if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 50), regex(pattern = r"^[A-Za-z0-9_-]+$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// Key that encrypts its recovery points (by ARN, if it is not owned); the service's own if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub key: Option<Ref<Key>>,
    /// Who may do what with the vault and its recovery points; `{}` for nothing beyond what identities are allowed. A
    /// statement that denies `backup:DeleteRecoveryPoint` to everybody keeps even administrators from deleting backups
    /// by mistake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub policy: Option<PolicyDocument>,
    /// Keeps recovery points from being deleted, and their lifecycle from being changed, before their time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lock: Option<Lock>,
    /// After how many days the lock is permanent: 3d to 36500d, counted from the moment at which the lock is written
    /// (each change of it before that begins anew). **From then on nobody can change or lift it, AWS included**; the
    /// vault and what it holds stay until the last recovery point has expired. `0s`, or left out at the creation: the
    /// lock can be lifted by whoever may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-fingerprint" = true))]
    pub lock_permanent_after: Option<Duration>,
    /// Who is told of what happens here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub notifications: Option<Notifications>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Kind for BackupVault {
    const NAME: &'static str = "backup_vault";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "vault of recovery points",
            service: "backup",
            reference: "https://docs.aws.amazon.com/aws-backup/latest/devguide/API_CreateBackupVault.html",
            scope: Scope::Regional,
            data: Some(Recovery::Nothing(
                "Recovery points are the last copy. The service deletes no vault that holds any: copy them to another \
                 vault and delete them here before",
            )),
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "Its name"),
                    Attribute::stable("name", "Name"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::changing("lock_date", "Moment from which nobody can change its lock, if there is one"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "backup:ListBackupVaults",
                    "backup:ListTags",
                    "backup:GetBackupVaultAccessPolicy",
                    "backup:GetBackupVaultNotifications",
                    "tag:GetResources",
                ],
                create: &[
                    "backup:CreateBackupVault",
                    "backup:TagResource",
                    "backup:PutBackupVaultAccessPolicy",
                    "backup:PutBackupVaultNotifications",
                    "backup:PutBackupVaultLockConfiguration",
                    "backup-storage:MountCapsule",
                    "kms:CreateGrant",
                    "kms:Decrypt",
                    "kms:DescribeKey",
                    "kms:GenerateDataKey",
                    "kms:RetireGrant",
                ],
                update: &[
                    "backup:PutBackupVaultAccessPolicy",
                    "backup:DeleteBackupVaultAccessPolicy",
                    "backup:PutBackupVaultNotifications",
                    "backup:DeleteBackupVaultNotifications",
                    "backup:PutBackupVaultLockConfiguration",
                    "backup:DeleteBackupVaultLockConfiguration",
                    "backup:TagResource",
                    "backup:UntagResource",
                ],
                delete: &["backup:DeleteBackupVault", "backup:DescribeBackupVault"],
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
        let after = spec.lock_permanent_after.as_ref().filter(|d| d.as_str() != "0s");
        check_time("lock_permanent_after", after, (DAY, "days"), 3, problems);
        let locked = spec.lock.as_ref().is_some_and(|l| l.enabled);
        if after.is_some() && !locked {
            let message = "there is no lock that could become permanent";
            let help = "declare `lock`; mind that nobody, AWS included, can take it away after that time";
            problems.add("lock_permanent_after", message, help);
        }
        if let Some(lock) = &spec.lock {
            lock.check(problems);
        }
        if let Some(notifications) = &spec.notifications {
            notifications.check(problems);
        }
    }
}

#[async_trait]
impl Checked for BackupVault {
    fn needs() -> Needs {
        Needs {
            resource: "backup-vault:{name}",
            only_for: &[
                ("backup:PutBackupVaultAccessPolicy", &["policy"]),
                ("backup:DeleteBackupVaultAccessPolicy", &["policy"]),
                ("backup:PutBackupVaultNotifications", &["notifications"]),
                ("backup:DeleteBackupVaultNotifications", &["notifications"]),
                ("backup:PutBackupVaultLockConfiguration", &["lock", "lock_permanent_after"]),
                ("backup:DeleteBackupVaultLockConfiguration", &["lock"]),
                ("backup:DescribeBackupVault", &[]),
                ("kms:CreateGrant", &["key"]),
                ("kms:Decrypt", &["key"]),
                ("kms:DescribeKey", &["key"]),
                ("kms:GenerateDataKey", &["key"]),
                ("kms:RetireGrant", &["key"]),
            ],
        }
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        view.own_name().map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let mut holders = Vec::new();
        for vault in vaults(cx).await? {
            let name = Name::new(vault.id.as_str());
            if names.contains(&name) {
                let owner = tags(cx, &vault.arn).await?.as_ref().and_then(Owner::from_tags);
                holders.push(Holder { name, id: vault.id, owner });
            }
        }
        Ok(holders)
    }
}

#[async_trait]
impl AwsKind for BackupVault {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let all = vaults(cx).await?;
        let prefix = prefix(&read.selection, NAME_LIMIT);
        let ours = selected(cx, "backup:backup-vault", &read.selection, prefix, all).await?;
        stream::iter(ours).map(|(vault, tags)| whole(cx, read, vault, tags)).buffered(AT_ONCE).try_collect().await
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let name = want.spec.name.as_deref().unwrap_or(want.name);
        let once = cx.once();
        let request = once
            .clients
            .backup
            .create_backup_vault()
            .backup_vault_name(name)
            .set_encryption_key_arn(key_arn(want)?)
            .creator_request_id(want.token)
            .set_backup_vault_tags(Some(want.tags.clone().into_iter().collect()));
        let call = async {
            once.call("backup:CreateBackupVault", request.send()).await?;
            Ok(name.to_owned())
        };
        create_once::<Self>(cx, want, Some(name), call).await?;
        write_parts(cx, want, name, Standing::default(), |_| true).await?;
        Ok(name.to_owned())
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let date = update.attributes.get("lock_date").and_then(Value::as_str);
        let standing = Standing { lock: update.before.lock.as_ref(), date };
        write_parts(cx, &update.want, update.id, standing, |field| update.changed(field)).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let operation = "backup:DeleteBackupVault";
        let backup = &cx.clients.backup;
        let refused = match cx.call(operation, backup.delete_backup_vault().backup_vault_name(delete.id).send()).await {
            Err(e) if matches!(e.class, ErrorClass::Invalid | ErrorClass::Conflict) => e,
            other => return other.map(drop),
        };
        let request = backup.describe_backup_vault().backup_vault_name(delete.id);
        let held = cx.call("backup:DescribeBackupVault", request.send()).await?.number_of_recovery_points;
        if held == 0 {
            return Err(refused);
        }
        let message = format!(
            "vault {} still holds {held} recovery points, and the service deletes none that does. Copy what must stay \
             to another vault, delete them or let them expire (a lock may leave only that), then run again",
            delete.id
        );
        Err(ApiError { message, class: ErrorClass::Conflict, ..refused })
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

/// All vaults of one's own in the region. Asking for one by its name that is not there is answered with "access
/// denied".
async fn vaults(cx: &Context) -> Result<Vec<Listed<BackupVaultListMember>>, ApiError> {
    let request = cx.clients.backup.list_backup_vaults().by_vault_type(VaultType::BackupVault).max_results(1000);
    let pages = cx.pages("backup:ListBackupVaults", request.into_paginator().send()).await?;
    let all = pages.into_iter().flat_map(|p| p.backup_vault_list.unwrap_or_default());
    Ok(all
        .map(|vault| {
            let name = vault.backup_vault_name().unwrap_or_default().to_owned();
            let arn = vault.backup_vault_arn().unwrap_or_default().to_owned();
            Listed { id: name.clone(), arn, name, made: vault.creation_date, object: vault }
        })
        .collect())
}

/// A vault with what a read wants of the fields that cost a call each.
async fn whole(
    cx: &Context,
    read: &Read<'_>,
    vault: Listed<BackupVaultListMember>,
    tags: Tags,
) -> Result<Found<Spec>, ApiError> {
    let mut found = found(&vault, tags);
    found.unread.extend(DEEP.into_iter().filter(|field| !read.wants(field, &found.tags)));
    read_parts(cx, &mut found).await?;
    Ok(found)
}

fn found(vault: &Listed<BackupVaultListMember>, tags: Tags) -> Found<Spec> {
    let (name, arn, vault) = (vault.name.clone(), vault.arn.clone(), &vault.object);
    let date = vault.lock_date.and_then(|date| lock_moment(date.secs()));
    let (permanent, unread) = permanent(vault, &tags);
    Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([
            ("id", json!(name)),
            ("name", json!(name)),
            ("arn", json!(arn)),
            ("lock_date", json!(date.map(|d| d.to_string()))),
        ]),
        spec: Spec {
            name: Some(name.clone()),
            key: vault.encryption_key_arn().filter(|arn| !arn.is_empty()).map(Ref::id),
            policy: None,
            lock: Some(Lock {
                enabled: vault.locked.unwrap_or(false),
                min_retention: Some(from_units(vault.min_retention_days, DAY)),
                max_retention: Some(from_units(vault.max_retention_days, DAY)),
            }),
            lock_permanent_after: permanent,
            notifications: None,
            tags: None,
        },
        status: match vault.vault_state() {
            Some(VaultState::Creating) => Status::Pending("creating".to_owned()),
            Some(VaultState::Failed) => Status::Failed("the service could not make it".to_owned()),
            _ => Status::Ready,
        },
        tags,
        unread,
        id: name,
    }
}

/// What is known of `lock_permanent_after`: nothing of the days that were asked for, once there is a date; but that one
/// was asked for at all, which is a difference where the tags say that none was.
fn permanent(vault: &BackupVaultListMember, tags: &Tags) -> (Option<Duration>, Vec<&'static str>) {
    let field = "lock_permanent_after";
    let Some(date) = vault.lock_date else { return (Some(Duration::from_seconds(0)), Vec::new()) };
    let never = ownership::value_hash(&json!("0s"), 12);
    let declared = Owner::from_tags(tags).and_then(|o| o.fingerprints.get(field).cloned());
    if declared != Some(never) {
        return (None, vec![field]);
    }
    let left = u64::try_from(date.secs() - jiff::Timestamp::now().as_second()).unwrap_or(0);
    (Some(Duration::from_seconds(left.div_ceil(DAY).max(1) * DAY)), Vec::new())
}

/// The service takes the key's ARN.
fn key_arn(want: &Create<'_, Spec>) -> Result<Option<String>, ApiError> {
    let Some(key) = &want.spec.key else { return Ok(None) };
    want.attribute(key, "arn").map_or_else(|| want.id(key), Ok).map(Some)
}

#[cfg(test)]
mod tests;
