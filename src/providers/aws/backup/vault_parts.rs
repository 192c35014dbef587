//! The parts of a vault that are written by calls of their own: policy, notices, lock.

use aws_sdk_backup::types::BackupVaultEvent;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::vault::Spec;
use super::{DAY, check_time, units};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Problems;
use crate::model::types::{Duration, PolicyDocument, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::server::yes;
use crate::providers::aws::kind::{Create, Found};
use crate::providers::aws::sns::topic::Topic;
use crate::providers::aws::words::words;

/// The fewest days after which a lock becomes permanent.
const COOLING_OFF: i64 = 3;

/// Keeps recovery points from being deleted before their time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// Whether there is one; true if left out. A permanent one can't be taken away.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// How long recovery points are kept at least, whole days; a backup or copy that is to be kept for less fails. `0s`
    /// for no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_retention: Option<Duration>,
    /// How long recovery points are kept at most, whole days; a backup or copy that is to be kept for longer fails.
    /// `0s` for no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retention: Option<Duration>,
}

/// Who is told of what happens in a vault.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Notifications {
    /// Topic that is told (by ARN, if it is not owned); its policy must allow `backup.amazonaws.com` to publish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<Ref<Topic>>,
    /// What it is told of; `[]`, without a topic, for nothing. Of backup and restore jobs the service tells here only that
    /// they began and ended, `_completed`: failures reach an `event_rule` for events of `aws.backup`.
    #[schemars(extend("x-unordered" = true))]
    pub events: Vec<Event>,
}

words! {
    /// What can happen in a vault.
    Event {
        /// A backup begins.
        BackupJobStarted = "BACKUP_JOB_STARTED",
        /// A backup ended, well or not.
        BackupJobCompleted = "BACKUP_JOB_COMPLETED",
        /// A backup ended well.
        BackupJobSuccessful = "BACKUP_JOB_SUCCESSFUL",
        /// A backup failed.
        BackupJobFailed = "BACKUP_JOB_FAILED",
        /// A backup did not begin in its window.
        BackupJobExpired = "BACKUP_JOB_EXPIRED",
        /// A restore begins.
        RestoreJobStarted = "RESTORE_JOB_STARTED",
        /// A restore ended, well or not.
        RestoreJobCompleted = "RESTORE_JOB_COMPLETED",
        /// A restore ended well.
        RestoreJobSuccessful = "RESTORE_JOB_SUCCESSFUL",
        /// A restore failed.
        RestoreJobFailed = "RESTORE_JOB_FAILED",
        /// A copy begins.
        CopyJobStarted = "COPY_JOB_STARTED",
        /// A copy ended well.
        CopyJobSuccessful = "COPY_JOB_SUCCESSFUL",
        /// A copy failed.
        CopyJobFailed = "COPY_JOB_FAILED",
        /// A recovery point was changed.
        RecoveryPointModified = "RECOVERY_POINT_MODIFIED",
        /// A plan was made.
        BackupPlanCreated = "BACKUP_PLAN_CREATED",
        /// A plan was changed.
        BackupPlanModified = "BACKUP_PLAN_MODIFIED",
        /// A continuous backup has a gap.
        ContinuousBackupInterrupted = "CONTINUOUS_BACKUP_INTERRUPTED",
        /// An object of a bucket was not saved.
        S3BackupObjectFailed = "S3_BACKUP_OBJECT_FAILED",
        /// An object of a bucket was not restored.
        S3RestoreObjectFailed = "S3_RESTORE_OBJECT_FAILED",
        /// An object of a cluster was not saved.
        EksBackupObjectFailed = "EKS_BACKUP_OBJECT_FAILED",
        /// An object of a cluster was not restored.
        EksRestoreObjectFailed = "EKS_RESTORE_OBJECT_FAILED",
        /// An object of a cluster was left out of a restore.
        EksRestoreObjectSkipped = "EKS_RESTORE_OBJECT_SKIPPED",
        /// A recovery point was indexed.
        RecoveryPointIndexCompleted = "RECOVERY_POINT_INDEX_COMPLETED",
        /// An index was deleted.
        RecoveryPointIndexDeleted = "RECOVERY_POINT_INDEX_DELETED",
        /// A recovery point was not indexed.
        RecoveryPointIndexingFailed = "RECOVERY_POINT_INDEXING_FAILED",
        /// An access point can be used.
        AccessPointAvailable = "ACCESS_POINT_AVAILABLE",
        /// An access point was not made.
        AccessPointCreationFailed = "ACCESS_POINT_CREATION_FAILED",
        /// An access point was taken off.
        AccessPointDisassociated = "ACCESS_POINT_DISASSOCIATED",
        /// An access point expired.
        AccessPointExpired = "ACCESS_POINT_EXPIRED",
        /// An access point was deleted.
        AccessPointDeleted = "ACCESS_POINT_DELETED",
        /// An access point was not deleted.
        AccessPointDeletionFailed = "ACCESS_POINT_DELETION_FAILED",
    }
}

impl Lock {
    /// What the service would refuse.
    pub(super) fn check(&self, problems: &mut Problems) {
        let (min, max) = (self.min_retention.as_ref(), self.max_retention.as_ref());
        let given = |d: &&Duration| d.as_str() != "0s";
        check_time("lock.min_retention", min.filter(given), (DAY, "days"), 1, problems);
        check_time("lock.max_retention", max.filter(given), (DAY, "days"), 1, problems);
        if let (Some(min), Some(max)) = (units(min, DAY), units(max, DAY))
            && min > max
        {
            let message = format!("nothing can be kept for {min} days at least and {max} at most");
            problems.add("lock.max_retention", message, "raise it, or lower `min_retention`");
        }
    }
}

impl Notifications {
    /// What the service would refuse.
    pub(super) fn check(&self, problems: &mut Problems) {
        match (&self.topic, self.events.is_empty()) {
            (None, false) => problems.add("notifications.topic", "nobody is told of the events", "name a topic"),
            (Some(_), true) => {
                problems.add(
                    "notifications.events",
                    "the topic is told of nothing",
                    "name events, or leave `topic` out",
                );
            }
            (None, true) | (Some(_), false) => {}
        }
    }
}

/// A moment in Unix seconds.
pub(super) fn lock_moment(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}

/// Reads policy and notices, unless they are among what is not to be read.
pub(super) async fn read_parts(cx: &Context, found: &mut Found<Spec>) -> Result<(), ApiError> {
    let backup = &cx.clients.backup;
    if !found.unread.contains(&"policy") {
        let operation = "backup:GetBackupVaultAccessPolicy";
        let request = backup.get_backup_vault_access_policy().backup_vault_name(&found.id);
        let policy = there(cx.call(operation, request.send()).await)?.and_then(|a| a.policy);
        let policy = policy.map(|text| PolicyDocument::from_json(&text)).transpose();
        found.spec.policy = policy.map_err(|e| ApiError::new(operation, ErrorClass::Other, e))?;
    }
    if !found.unread.contains(&"notifications") {
        let request = backup.get_backup_vault_notifications().backup_vault_name(&found.id);
        let answer = there(cx.call("backup:GetBackupVaultNotifications", request.send()).await)?;
        let events = answer.iter().flat_map(|a| a.backup_vault_events());
        found.spec.notifications = Some(Notifications {
            topic: answer.as_ref().and_then(|a| a.sns_topic_arn()).map(Ref::id),
            events: events.filter_map(|e| Event::from_api(e.as_str())).collect(),
        });
    }
    Ok(())
}

/// An answer; none if what was asked for is not there.
fn there<T>(answer: Result<T, ApiError>) -> Result<Option<T>, ApiError> {
    match answer {
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        other => other.map(Some),
    }
}

/// The lock as it was read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Standing<'a> {
    /// The lock.
    pub lock: Option<&'a Lock>,
    /// The moment from which it is permanent.
    pub date: Option<&'a str>,
}

/// Writes the declared parts that are to be written.
pub(super) async fn write_parts(
    cx: &Context,
    want: &Create<'_, Spec>,
    name: &str,
    standing: Standing<'_>,
    write: impl Fn(&str) -> bool,
) -> Result<(), ApiError> {
    if let Some(policy) = want.spec.policy.as_ref().filter(|_| write("policy")) {
        set_policy(cx, name, policy).await?;
    }
    if let Some(notifications) = want.spec.notifications.as_ref().filter(|_| write("notifications")) {
        notify(cx, want, name, notifications).await?;
    }
    // Last: it can't be undone.
    if let Some(lock) = want.spec.lock.as_ref().filter(|_| write("lock") || write("lock_permanent_after")) {
        set_lock(cx, (name, lock), want.spec.lock_permanent_after.as_ref(), standing, write("lock")).await?;
    }
    Ok(())
}

async fn set_policy(cx: &Context, name: &str, policy: &PolicyDocument) -> Result<(), ApiError> {
    let backup = &cx.clients.backup;
    if policy.value().as_object().is_some_and(serde_json::Map::is_empty) {
        let request = backup.delete_backup_vault_access_policy().backup_vault_name(name);
        return there(cx.call("backup:DeleteBackupVaultAccessPolicy", request.send()).await).map(drop);
    }
    let request = backup.put_backup_vault_access_policy().backup_vault_name(name).policy(policy.to_json());
    cx.call("backup:PutBackupVaultAccessPolicy", request.send()).await.map(drop)
}

async fn notify(cx: &Context, want: &Create<'_, Spec>, name: &str, told: &Notifications) -> Result<(), ApiError> {
    let backup = &cx.clients.backup;
    let Some(topic) = &told.topic else {
        let request = backup.delete_backup_vault_notifications().backup_vault_name(name);
        return there(cx.call("backup:DeleteBackupVaultNotifications", request.send()).await).map(drop);
    };
    let events = told.events.iter().map(|event| BackupVaultEvent::from(event.api())).collect();
    let request = backup
        .put_backup_vault_notifications()
        .backup_vault_name(name)
        .sns_topic_arn(want.attribute(topic, "arn").map_or_else(|| want.id(topic), Ok)?)
        .set_backup_vault_events(Some(events));
    cx.call("backup:PutBackupVaultNotifications", request.send()).await.map(drop)
}

/// Writes the lock. One that is permanent already is as `lock_permanent_after` wants it, however many days that says;
/// nothing else of it can be changed.
async fn set_lock(
    cx: &Context,
    (name, lock): (&str, &Lock),
    permanent_after: Option<&Duration>,
    standing: Standing<'_>,
    differs: bool,
) -> Result<(), ApiError> {
    let operation = "backup:PutBackupVaultLockConfiguration";
    let date: Option<Timestamp> = standing.date.and_then(|date| date.parse().ok());
    let left = date.map(|date| date.as_second() - Timestamp::now().as_second());
    match left {
        Some(left) if left <= 0 && differs => {
            let since = date.map(|date| date.to_string()).unwrap_or_default();
            let message = format!(
                "the lock of {name} is permanent since {since}: nobody can change it any more; declare it as it is"
            );
            return Err(ApiError::new(operation, ErrorClass::Invalid, message));
        }
        Some(left) if left <= 0 => return Ok(()),
        Some(_) | None => {}
    }
    let backup = &cx.clients.backup;
    if !lock.enabled {
        let request = backup.delete_backup_vault_lock_configuration().backup_vault_name(name);
        return cx.call("backup:DeleteBackupVaultLockConfiguration", request.send()).await.map(drop);
    }
    // What is not declared stays: a date that is set already is kept as well as days can say it.
    let kept = left.map(|left| (left / DAY.cast_signed()).max(COOLING_OFF));
    let bound = |of: fn(&Lock) -> Option<&Duration>| units(of(lock).or_else(|| of(standing.lock?)), DAY);
    let days = permanent_after.map_or(kept, |after| units(Some(after), DAY));
    let request = backup
        .put_backup_vault_lock_configuration()
        .backup_vault_name(name)
        .set_min_retention_days(bound(|lock| lock.min_retention.as_ref()))
        .set_max_retention_days(bound(|lock| lock.max_retention.as_ref()))
        .set_changeable_for_days(days);
    cx.call(operation, request.send()).await.map(drop)
}
