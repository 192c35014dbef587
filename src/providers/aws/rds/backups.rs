//! The recovery points of servers and clusters: snapshots, and the moments that automated backups can bring back.
//!
//! Manual snapshots and those of AWS Backup count, whoever made them: they stay when the database goes. What the
//! service backs up by itself counts too (its snapshots, and the latest moment that it can restore), since a deletion
//! keeps those backups for as long as the database's own retention says; but only if that is a week or more, so that
//! there is time to notice. The moment's id is `RESOURCE-ID@TIME`: `from_backup: {source_resource_id: …, time: …}`
//! brings it back.
//!
//! Snapshots made here carry the database's project and environment, and its address as `saiken:source`: without an
//! address of their own, they are never taken for objects of the environment, and stay when it is taken down. Their
//! name is chosen before the call, so that one whose answer was lost is not made twice; an unfinished one is waited
//! for. Snapshots that are objects of their own (`database_snapshot`) do not count: they may go in the same plan.
//! API: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSnapshot.html>,
//! <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBClusterSnapshot.html>

use std::time::Duration;

use aws_sdk_rds::primitives::{DateTime, DateTimeFormat};
use aws_sdk_rds::types::{DbClusterSnapshot, DbSnapshot};
use serde_json::Value;

use super::snapshot_calls::is_own;
use super::{from_tags, identifier, to_tags};
use crate::model::cloud::{ApiError, ErrorClass, RecoveryPoint, Watch};
use crate::model::observed::Object;
use crate::model::ownership::{self, SOURCE};
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::kind::Tags;

/// Longest wait for a snapshot: the first one of a database copies all of it.
const LIMIT: Duration = Duration::from_secs(6 * 60 * 60);
/// Days for which automated backups must stay after the database, to count.
const KEPT_FOR: i32 = 7;
/// The type that a list without a type leaves out.
const OF_AWS_BACKUP: &str = "awsbackup";

/// Whose snapshots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// One server's.
    Instance,
    /// A cluster's.
    Cluster,
}

/// A snapshot, as both lists show it.
struct Snapshot {
    id: String,
    state: Option<String>,
    kind: Option<String>,
    made: Option<DateTime>,
    /// Resource id of what it is of: names are given again.
    of: Option<String>,
    tags: Tags,
}

impl From<DbSnapshot> for Snapshot {
    fn from(s: DbSnapshot) -> Self {
        Self {
            tags: from_tags(s.tag_list()),
            id: s.db_snapshot_identifier.unwrap_or_default(),
            state: s.status,
            kind: s.snapshot_type,
            made: s.snapshot_create_time,
            of: s.dbi_resource_id,
        }
    }
}

impl From<DbClusterSnapshot> for Snapshot {
    fn from(s: DbClusterSnapshot) -> Self {
        Self {
            tags: from_tags(s.tag_list()),
            id: s.db_cluster_snapshot_identifier.unwrap_or_default(),
            state: s.status,
            kind: s.snapshot_type,
            made: s.snapshot_create_time,
            of: s.db_cluster_resource_id,
        }
    }
}

impl Snapshot {
    /// As a recovery point at a time in Unix seconds; none if it can't become one.
    fn point(&self, now: i64) -> Option<RecoveryPoint> {
        let complete = match self.state.as_deref() {
            Some("available") => true,
            Some("creating") => false,
            _ => return None,
        };
        // What is being made may not have its time yet.
        let age = self.made.map_or(0, |made| u64::try_from(now - made.secs()).unwrap_or(0));
        Some(RecoveryPoint { id: self.id.clone(), age, complete })
    }
}

/// What a database tells of its automated backups.
pub(super) struct Automated {
    /// Latest moment that can be restored.
    pub latest: Option<DateTime>,
    /// Days for which they are kept; 0 without any.
    pub retention: i32,
}

/// The recovery points of a database.
pub(super) async fn points(
    cx: &Context,
    of: Of,
    object: &Object,
    automated: Automated,
) -> Result<Vec<RecoveryPoint>, ApiError> {
    let now = jiff::Timestamp::now().as_second();
    let stays = automated.retention >= KEPT_FOR;
    let resource = object.attributes.get("resource_id").and_then(Value::as_str);
    let mut all = list(cx, of, &object.id, None).await?;
    all.extend(list(cx, of, &object.id, Some(OF_AWS_BACKUP)).await?);
    all.retain(|s| resource.is_none() || s.of.is_none() || s.of.as_deref() == resource);
    all.retain(|s| !is_own(&cx.region, of, &s.id, &s.tags));
    all.retain(|s| stays || s.kind.as_deref() != Some("automated"));
    let mut points: Vec<RecoveryPoint> = all.iter().filter_map(|s| s.point(now)).collect();
    if let (true, Some(resource), Some(latest)) = (stays, resource, automated.latest)
        && let Ok(time) = latest.fmt(DateTimeFormat::DateTime)
    {
        let age = u64::try_from(now - latest.secs()).unwrap_or(0);
        points.push(RecoveryPoint { id: format!("{resource}@{time}"), age, complete: true });
    }
    Ok(points)
}

async fn list(cx: &Context, of: Of, id: &str, kind: Option<&str>) -> Result<Vec<Snapshot>, ApiError> {
    let (rds, kind) = (&cx.clients.rds, kind.map(str::to_owned));
    match of {
        Of::Instance => {
            let request = rds.describe_db_snapshots().db_instance_identifier(id).set_snapshot_type(kind);
            let pages = request.max_records(100).into_paginator().send();
            let pages = cx.pages("rds:DescribeDBSnapshots", pages).await?;
            Ok(pages.into_iter().flat_map(|p| p.db_snapshots.unwrap_or_default()).map(Snapshot::from).collect())
        }
        Of::Cluster => {
            let request = rds.describe_db_cluster_snapshots().db_cluster_identifier(id).set_snapshot_type(kind);
            let pages = request.max_records(100).into_paginator().send();
            let pages = cx.pages("rds:DescribeDBClusterSnapshots", pages).await?;
            Ok(pages.into_iter().flat_map(|p| p.db_cluster_snapshots.unwrap_or_default()).map(Snapshot::from).collect())
        }
    }
}

/// One snapshot; none if it is not seen.
async fn describe(cx: &Context, of: Of, id: &str) -> Result<Option<Snapshot>, ApiError> {
    let rds = &cx.clients.rds;
    let found = match of {
        Of::Instance => {
            let request = rds.describe_db_snapshots().db_snapshot_identifier(id);
            let answer = cx.call("rds:DescribeDBSnapshots", request.send()).await;
            answer.map(|a| a.db_snapshots.unwrap_or_default().into_iter().next().map(Snapshot::from))
        }
        Of::Cluster => {
            let request = rds.describe_db_cluster_snapshots().db_cluster_snapshot_identifier(id);
            let answer = cx.call("rds:DescribeDBClusterSnapshots", request.send()).await;
            answer.map(|a| a.db_cluster_snapshots.unwrap_or_default().into_iter().next().map(Snapshot::from))
        }
    };
    match found {
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        other => other,
    }
}

/// Makes a snapshot of a database, or takes the unfinished one, and waits until it is complete.
pub(super) async fn save(
    cx: &Context,
    of: Of,
    object: &Object,
    unfinished: Option<&str>,
    watch: &dyn Watch,
) -> Result<RecoveryPoint, ApiError> {
    let id = match unfinished {
        Some(id) => id.to_owned(),
        None => {
            let id = name(of, &object.id, jiff::Timestamp::now());
            match create(cx, of, object, &id).await {
                // The call was repeated because its answer was lost.
                Err(e) if e.code.as_deref().is_some_and(|code| code.contains("AlreadyExists")) => {}
                other => other?,
            }
            id
        }
    };
    cx.wait(watch, &format!("snapshot {id} of {} to be complete", object.id), LIMIT, || async {
        let Some(snapshot) = describe(cx, of, &id).await? else { return Ok(Look::not(None)) };
        match snapshot.point(jiff::Timestamp::now().as_second()) {
            Some(point) if point.complete => Ok(Look::Done(point)),
            Some(_) => Ok(Look::not(snapshot.state.as_deref())),
            None => {
                let state = snapshot.state.unwrap_or_default();
                let message = format!("snapshot {id} of {} failed: it is in the state {state}", object.id);
                Err(ApiError::new("rds:CreateDBSnapshot", ErrorClass::Other, message))
            }
        }
    })
    .await
}

/// Name of a snapshot that is made at a time. The time stays whole, so that a second snapshot gets another name.
fn name(of: Of, id: &str, now: jiff::Timestamp) -> String {
    let now = now.strftime("%Y%m%d-%H%M%S").to_string();
    let longest = match of {
        Of::Instance => 255,
        Of::Cluster => 63,
    };
    let id = identifier(id, longest - "saiken--".len() - now.len());
    format!("saiken-{id}-{now}")
}

async fn create(cx: &Context, of: Of, object: &Object, id: &str) -> Result<(), ApiError> {
    let (rds, tags) = (&cx.clients.rds, Some(to_tags(&tags(object))));
    match of {
        Of::Instance => {
            let request = rds.create_db_snapshot().db_instance_identifier(&object.id).db_snapshot_identifier(id);
            cx.call("rds:CreateDBSnapshot", request.set_tags(tags).send()).await.map(drop)
        }
        Of::Cluster => {
            let request = rds.create_db_cluster_snapshot().db_cluster_identifier(&object.id);
            let request = request.db_cluster_snapshot_identifier(id).set_tags(tags);
            cx.call("rds:CreateDBClusterSnapshot", request.send()).await.map(drop)
        }
    }
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

/// A time in UTC, for the API.
pub(super) fn time(text: &str) -> Result<DateTime, ApiError> {
    let wrong = |e: String| ApiError::new("rds:restore", ErrorClass::Invalid, format!("`{text}` is not a time: {e}"));
    DateTime::from_str(text, DateTimeFormat::DateTime).map_err(|e| wrong(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_of_a_cluster_with_the_longest_name_keeps_its_time_within_what_the_api_takes() {
        let at = |time: &str| time.parse::<jiff::Timestamp>().unwrap();
        let long = format!("shop-{}", "x".repeat(58));
        let first = name(Of::Cluster, &long, at("2026-11-23T05:00:00Z"));
        assert!(first.len() == 63 && first.starts_with("saiken-shop-x"), "{first}");
        assert!(first.ends_with("-20261123-050000") && !first.contains("--"), "{first}");
        assert_ne!(first, name(Of::Cluster, &long, at("2026-11-23T05:00:01Z")));
        let other = format!("shop-{}y", "x".repeat(57));
        assert_ne!(first, name(Of::Cluster, &other, at("2026-11-23T05:00:00Z")), "the hash tells names apart");
        let whole = name(Of::Instance, &long, at("2026-11-23T05:00:00Z"));
        assert_eq!(whole, format!("saiken-{long}-20261123-050000"));
    }
}
