//! The calls that change a secret, and those that look at a single one.

use std::time::Duration;

use aws_sdk_secretsmanager::operation::describe_secret::DescribeSecretOutput;
use aws_sdk_secretsmanager::types::{ReplicationStatusType, StatusType, Tag};
use serde_json::json;

use super::secret::{Spec, WINDOW};
use super::secret_parts::{Replica, Rotation, attribute_or_id};
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::ownership;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::kind::{Create, Tags};

/// Longest wait for the copies in other regions.
const COPIED_WITHIN: Duration = Duration::from_secs(300);

pub(super) fn to_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(k, v)| Tag::builder().key(k).value(v).build()).collect()
}

pub(super) fn from_tags(tags: &[Tag]) -> Tags {
    tags.iter().filter_map(|t| Some((t.key()?.to_owned(), t.value().unwrap_or_default().to_owned()))).collect()
}

pub(super) async fn write_tags(cx: &Context, id: &str, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
    let secrets = &cx.clients.secrets;
    if !set.is_empty() {
        let request = secrets.tag_resource().secret_id(id).set_tags(Some(to_tags(set)));
        cx.call("secretsmanager:TagResource", request.send()).await?;
    }
    if !remove.is_empty() {
        let request = secrets.untag_resource().secret_id(id).set_tag_keys(Some(remove.to_vec()));
        cx.call("secretsmanager:UntagResource", request.send()).await?;
    }
    Ok(())
}

/// A secret by its ARN or its name, also one that is scheduled for deletion; none if it is not there.
pub(super) async fn describe(cx: &Context, id: &str) -> Result<Option<DescribeSecretOutput>, ApiError> {
    let request = cx.clients.secrets.describe_secret().secret_id(id);
    match cx.call("secretsmanager:DescribeSecret", request.send()).await {
        Ok(secret) => Ok(Some(secret)),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Waits for the copies in other regions.
pub(super) async fn copied(cx: &Context, id: &str, watch: &dyn Watch) -> Result<(), ApiError> {
    cx.wait(watch, &format!("the copies of {id}"), COPIED_WITHIN, || async {
        let secret = describe(cx, id).await?;
        let all = secret.iter().flat_map(|s| s.replication_status());
        let (mut under_way, mut failed) = (None, None);
        for copy in all {
            let region = copy.region().unwrap_or_default();
            match copy.status() {
                Some(StatusType::InSync) | None => {}
                Some(StatusType::Failed) => {
                    failed = Some(format!("{region}: {}", copy.status_message().unwrap_or_default()));
                }
                Some(_) => under_way = Some(format!("{region} is not in sync")),
            }
        }
        if let Some(why) = failed {
            let message = format!("a copy of '{id}' failed, in {why}");
            return Err(ApiError::new("secretsmanager:ReplicateSecretToRegions", ErrorClass::Other, message));
        }
        Ok(under_way.map_or(Look::Done(()), Look::Not))
    })
    .await
}

/// Waits until no copy is left.
pub(super) async fn alone(cx: &Context, id: &str, watch: &dyn Watch) -> Result<(), ApiError> {
    cx.wait(watch, &format!("the copies of {id} to be gone"), COPIED_WITHIN, || async {
        let left = describe(cx, id).await?.is_some_and(|s| !s.replication_status().is_empty());
        Ok(Look::when(!left, Some("still there")))
    })
    .await
}

/// Everything that can change; tags of ours last, as they tell of it.
pub(super) async fn settle(
    cx: &Context,
    id: &str,
    want: &Create<'_, Spec>,
    changed: &(dyn Fn(&str) -> bool + Sync),
) -> Result<(), ApiError> {
    let (secrets, spec) = (&cx.clients.secrets, want.spec);
    let description = spec.description.clone().filter(|_| changed("description"));
    let value = spec.value.clone().filter(|_| changed("value"));
    let key = spec.key.as_ref().filter(|_| changed("key"));
    let key = key.map(|k| attribute_or_id(want, k, "arn")).transpose()?;
    if description.is_some() || value.is_some() || key.is_some() {
        let request = secrets
            .update_secret()
            .secret_id(id)
            .set_client_request_token(value.as_ref().map(|_| want.token.to_owned()))
            .set_description(description)
            .set_kms_key_id(key)
            .set_secret_string(value);
        cx.call("secretsmanager:UpdateSecret", request.send()).await?;
    }
    if let Some(replicas) = spec.replicas.as_deref().filter(|_| changed("replicas")) {
        replicate(cx, id, want, replicas).await?;
    }
    if let Some(policy) = spec.policy.as_ref().filter(|_| changed("policy")) {
        if *policy.value() == json!({}) {
            let request = secrets.delete_resource_policy().secret_id(id);
            cx.call("secretsmanager:DeleteResourcePolicy", request.send()).await?;
        } else {
            let request =
                secrets.put_resource_policy().secret_id(id).resource_policy(policy.to_json()).block_public_policy(true);
            cx.call("secretsmanager:PutResourcePolicy", request.send()).await?;
        }
    }
    if let Some(rotation) = spec.rotation.as_ref().filter(|_| changed("rotation")) {
        rotate(cx, id, want, rotation).await?;
    }
    if let Some(window) = spec.recovery_window.as_ref().filter(|_| changed("recovery_window")) {
        write_tags(cx, id, &Tags::from([(WINDOW.to_owned(), window.to_string())]), &[]).await?;
    }
    Ok(())
}

async fn rotate(cx: &Context, id: &str, want: &Create<'_, Spec>, rotation: &Rotation) -> Result<(), ApiError> {
    let secrets = &cx.clients.secrets;
    if !rotation.enabled {
        let request = secrets.cancel_rotate_secret().secret_id(id);
        return cx.call("secretsmanager:CancelRotateSecret", request.send()).await.map(drop);
    }
    let request = secrets
        .rotate_secret()
        .secret_id(id)
        // The version that comes of it; the other token is that of the version which was written.
        .client_request_token(ownership::hash(&format!("{} rotation", want.token), 32))
        .rotation_lambda_arn(&rotation.function)
        .rotation_rules(rotation.api())
        .rotate_immediately(want.spec.rotate_at_once.unwrap_or(true));
    cx.call("secretsmanager:RotateSecret", request.send()).await.map(drop)
}

/// Adds copies, then removes others; one with another key is made anew, as is one that failed.
async fn replicate(cx: &Context, id: &str, want: &Create<'_, Spec>, wanted: &[Replica]) -> Result<(), ApiError> {
    let secret = describe(cx, id).await?;
    let all = secret.as_ref().map(|s| s.replication_status()).unwrap_or_default();
    let key = |r: &Replica| r.key.as_ref().map(|k| attribute_or_id(want, k, "arn")).transpose();
    let (mut add, mut anew) = (Vec::new(), Vec::new());
    for replica in wanted {
        match all.iter().find(|a| a.region() == Some(&replica.region)) {
            None => add.push(replica),
            Some(there) => {
                let other = replica.key.is_some() && key(&Replica::from_api(there))? != key(replica)?;
                if other || is_failed(there) {
                    anew.push(replica);
                }
            }
        }
    }
    copy(cx, id, want, &add).await?;
    let kept = |region: &str| wanted.iter().any(|w| w.region == region) && !anew.iter().any(|a| a.region == region);
    let gone: Vec<String> =
        all.iter().filter_map(|a| a.region()).filter(|region| !kept(region)).map(str::to_owned).collect();
    if !gone.is_empty() {
        let request = cx.clients.secrets.remove_regions_from_replication().secret_id(id);
        let request = request.set_remove_replica_regions(Some(gone));
        cx.call("secretsmanager:RemoveRegionsFromReplication", request.send()).await?;
    }
    copy(cx, id, want, &anew).await?;
    copied(cx, id, want.watch).await
}

/// Makes copies. A call whose answer is lost is not made again: what it made would be in its own way.
async fn copy(cx: &Context, id: &str, want: &Create<'_, Spec>, replicas: &[&Replica]) -> Result<(), ApiError> {
    if replicas.is_empty() {
        return Ok(());
    }
    let once = cx.once();
    let all: Result<Vec<_>, ApiError> = replicas.iter().map(|r| r.api(want)).collect();
    let request = once.clients.secrets.replicate_secret_to_regions().secret_id(id);
    let request = request.set_add_replica_regions(Some(all?));
    once.call("secretsmanager:ReplicateSecretToRegions", request.send()).await.map(drop)
}

/// Whether a copy never came about.
pub(super) fn is_failed(copy: &ReplicationStatusType) -> bool {
    copy.status() == Some(&StatusType::Failed)
}
