//! EBS snapshots: the recovery points of a volume.
//!
//! Any complete snapshot of the account counts, whoever made it, but for those that are objects of their own (`snapshot`): they may
//! go in the same plan. Those made here carry the volume's project and
//! environment, and its address as `saiken:source`: without an address of their own, they are never taken for objects of
//! the environment, and stay when it is taken down. A snapshot is encrypted as its volume is. CreateSnapshot takes no
//! client token: an unfinished snapshot is waited for instead of making a second one.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshot.html>

use std::future::Future;
use std::time::Duration;

use aws_sdk_ec2::types::{Filter, ResourceType, Snapshot, SnapshotState};

use super::snapshot::is_own;
use super::{from_tags, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass, RecoveryPoint, Watch};
use crate::model::observed::Object;
use crate::model::ownership::{self, SOURCE};
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::kind::Tags;

/// Longest wait for a snapshot: the first one of a volume copies all of it.
const LIMIT: Duration = Duration::from_secs(6 * 60 * 60);
/// Longest wait for a volume to take another snapshot: it takes one in 15 seconds, and others may make some, too.
const DUE_WITHIN: Duration = Duration::from_secs(120);

/// The snapshots of a volume that are complete or on their way.
pub(super) async fn of_volume(cx: &Context, volume: &str) -> Result<Vec<RecoveryPoint>, ApiError> {
    let filter = Filter::builder().name("volume-id").values(volume).build();
    let request = cx.ec2().describe_snapshots().owner_ids("self").filters(filter).max_results(1000);
    let pages = cx.pages("ec2:DescribeSnapshots", request.into_paginator().send()).await?;
    let now = jiff::Timestamp::now().as_second();
    let all = pages.iter().flat_map(|p| p.snapshots()).filter(|s| !is_own(&from_tags(s.tags())));
    Ok(all.filter_map(|s| point(s, now)).collect())
}

/// A snapshot as a recovery point at a time in Unix seconds; none if it can't become one.
fn point(snapshot: &Snapshot, now: i64) -> Option<RecoveryPoint> {
    let complete = match snapshot.state() {
        Some(SnapshotState::Completed) => true,
        Some(SnapshotState::Pending) => false,
        _ => return None,
    };
    let age = u64::try_from(now - snapshot.start_time()?.secs()).unwrap_or(0);
    Some(RecoveryPoint { id: snapshot.snapshot_id()?.to_owned(), age, complete })
}

/// Makes a snapshot of a volume, or takes the unfinished one, and waits until it is complete.
pub(super) async fn make(
    cx: &Context,
    object: &Object,
    unfinished: Option<&str>,
    watch: &dyn Watch,
) -> Result<RecoveryPoint, ApiError> {
    let id = match unfinished {
        Some(id) => id.to_owned(),
        None => {
            let request = cx
                .ec2()
                .create_snapshot()
                .volume_id(&object.id)
                .description(format!("saiken: before {} goes", object.id))
                .tag_specifications(tag_specification(ResourceType::Snapshot, &tags(object)));
            let made = when_due(cx, watch, &object.id, || cx.call("ec2:CreateSnapshot", request.clone().send()));
            made.await?.snapshot_id.unwrap_or_default()
        }
    };
    complete(cx, &id, &object.id, watch).await
}

/// Makes a call for a snapshot of a volume, again and again while the last one was made too short a time ago.
pub(super) async fn when_due<T, F>(
    cx: &Context,
    watch: &dyn Watch,
    volume: &str,
    call: impl FnMut() -> F,
) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, ApiError>>,
{
    let early = |e: &ApiError| e.code.as_deref() == Some("SnapshotCreationPerVolumeRateExceeded");
    cx.while_refused(watch, &format!("{volume} to take another snapshot"), DUE_WITHIN, early, call).await
}

/// Waits until a snapshot is complete. `of` is what it is a snapshot of.
pub(super) async fn complete(cx: &Context, id: &str, of: &str, watch: &dyn Watch) -> Result<RecoveryPoint, ApiError> {
    cx.wait(watch, &format!("snapshot {id} of {of} to be complete"), LIMIT, || async {
        let request = cx.ec2().describe_snapshots().snapshot_ids(id);
        let answer = match cx.call("ec2:DescribeSnapshots", request.send()).await {
            // Right after it was made, it may not be seen yet.
            Err(e) if e.class == ErrorClass::NotFound => return Ok(Look::not(None)),
            other => other?,
        };
        let Some(snapshot) = answer.snapshots().first() else { return Ok(Look::not(None)) };
        if snapshot.state() == Some(&SnapshotState::Error) {
            let why = snapshot.state_message().unwrap_or("its key may not be usable");
            let message = format!("snapshot {id} of {of} failed: {why}");
            return Err(ApiError::new("ec2:CreateSnapshot", ErrorClass::Other, message));
        }
        let complete = point(snapshot, jiff::Timestamp::now().as_second()).filter(|p| p.complete);
        Ok(complete.map_or_else(|| Look::not(snapshot.state().map(SnapshotState::as_str)), Look::Done))
    })
    .await
}

/// Whose data it holds.
fn tags(object: &Object) -> Tags {
    let Some(owner) = &object.owner else { return Tags::new() };
    Tags::from([
        ("Name".to_owned(), format!("{} {}", owner.environment, owner.address)),
        (ownership::PROJECT.to_owned(), owner.project.clone()),
        (ownership::ENVIRONMENT.to_owned(), owner.environment.clone()),
        (SOURCE.to_owned(), owner.address.to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::cloud::{SaveRequest, Unwatched};
    use crate::providers::aws::ec2::volume::Volume;
    use crate::providers::aws::kind::{Handler, Typed};
    use crate::providers::aws::script::{Script, object};

    fn snapshots(items: &[(&str, &str, &str)]) -> String {
        let items: String = items
            .iter()
            .map(|(id, state, start)| {
                format!(
                    "<item><snapshotId>{id}</snapshotId><volumeId>vol-1</volumeId><status>{state}</status><startTime>{start}</startTime></item>"
                )
            })
            .collect();
        format!("<snapshotSet>{items}</snapshotSet>")
    }

    fn volume() -> Object {
        object::<Volume>("vol-1", json!({"zone": "ap-northeast-1a", "encrypted": true}))
    }

    async fn save(script: &Script, unfinished: Option<&str>) -> Result<RecoveryPoint, ApiError> {
        let request = SaveRequest { object: volume(), unfinished: unfinished.map(str::to_owned) };
        Typed::<Volume>::default().save(&script.context(), &request, &Unwatched).await
    }

    #[tokio::test]
    async fn all_pages_of_snapshots_are_read_and_failed_ones_are_no_recovery_points() {
        let first = snapshots(&[
            ("snap-1", "completed", "2026-01-01T00:00:00.000Z"),
            ("snap-2", "error", "2026-01-02T00:00:00.000Z"),
        ]);
        let second = snapshots(&[("snap-3", "pending", "2026-01-03T00:00:00.000Z")]);
        let script = Script::default()
            .ec2("DescribeSnapshots", &format!("{first}<nextToken>more</nextToken>"))
            .ec2("DescribeSnapshots", &second);
        let points = Typed::<Volume>::default().recovery_points(&script.context(), &volume()).await.unwrap();
        let told: Vec<(&str, bool)> = points.iter().map(|p| (p.id.as_str(), p.complete)).collect();
        assert_eq!(told, [("snap-1", true), ("snap-3", false)]);
        assert!(points[0].age > points[1].age);
        let asked = script.asked("DescribeSnapshots");
        assert!(asked[0].contains("Owner.1=self") && asked[0].contains("Filter.1.Value.1=vol-1"), "{asked:?}");
    }

    #[tokio::test]
    async fn a_snapshot_is_made_with_the_source_s_owner_and_waited_for() {
        let script = Script::default()
            .ec2("CreateSnapshot", "<snapshotId>snap-9</snapshotId>")
            .ec2("DescribeSnapshots", &snapshots(&[("snap-9", "pending", "2026-01-01T00:00:00.000Z")]))
            .ec2("DescribeSnapshots", &snapshots(&[("snap-9", "completed", "2026-01-01T00:00:00.000Z")]));
        assert_eq!(save(&script, None).await.unwrap().id, "snap-9");
        let body = &script.asked("CreateSnapshot")[0];
        assert!(
            body.contains("VolumeId=vol-1") && body.contains("saiken%3Asource") && body.contains("saiken%3Aproject"),
            "{body}"
        );
        assert!(!body.contains("saiken%3Aaddress"), "it would be taken for an object: {body}");
        assert_eq!(script.operations(), ["CreateSnapshot", "DescribeSnapshots", "DescribeSnapshots"]);
    }

    #[tokio::test]
    async fn a_volume_that_had_a_snapshot_a_moment_ago_takes_another_one_a_little_later() {
        let done = snapshots(&[("snap-9", "completed", "2026-01-01T00:00:00.000Z")]);
        let script = Script::default()
            .error("CreateSnapshot", "SnapshotCreationPerVolumeRateExceeded")
            .error("CreateSnapshot", "SnapshotCreationPerVolumeRateExceeded")
            .ec2("CreateSnapshot", "<snapshotId>snap-9</snapshotId>")
            .ec2("DescribeSnapshots", &done);
        assert_eq!(save(&script, None).await.unwrap().id, "snap-9");
        assert_eq!(script.asked("CreateSnapshot").len(), 3);
    }

    #[tokio::test]
    async fn an_unfinished_snapshot_is_waited_for_and_none_is_made_beside_it() {
        let done = snapshots(&[("snap-8", "completed", "2026-01-01T00:00:00.000Z")]);
        let script = Script::default().ec2("DescribeSnapshots", &done);
        assert_eq!(save(&script, Some("snap-8")).await.unwrap().id, "snap-8");
        assert_eq!(script.operations(), ["DescribeSnapshots"]);
    }

    #[tokio::test]
    async fn a_snapshot_that_fails_is_an_error() {
        let script = Script::default()
            .ec2("CreateSnapshot", "<snapshotId>snap-9</snapshotId>")
            .ec2("DescribeSnapshots", &snapshots(&[("snap-9", "error", "2026-01-01T00:00:00.000Z")]));
        let error = save(&script, None).await.unwrap_err();
        assert!(error.message.contains("snap-9 of vol-1 failed"), "{error}");
    }
}
