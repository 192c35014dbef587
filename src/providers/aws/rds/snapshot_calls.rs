//! How a snapshot of a database is read, made, changed and deleted.

use std::time::Duration;

use aws_sdk_rds::types::{DbClusterSnapshot, DbSnapshot};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::json;

use super::backups::Of;
use super::database::LONGEST;
use super::database_snapshot::{DatabaseSnapshot, Source, Spec};
use super::settings::is_version;
use super::{AT_ONCE, arn_of, count, from_tags, id_of, identifier, to_tags, when_free};
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::observed::{Object, Status};
use crate::model::ownership::PREFIX;
use crate::model::types::{Ref, Size};
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{Create, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::tagging::marked;

/// Longest wait for a snapshot: the first one of a database copies all of it.
const MADE_WITHIN: Duration = Duration::from_secs(6 * 60 * 60);
/// The same for a copy: one from another region takes hours, and waits in a queue before.
pub(super) const COPIED_WITHIN: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest wait for another version of the engine.
const UPGRADED_WITHIN: Duration = Duration::from_secs(3 * 60 * 60);
/// Longest time until a deleted snapshot is gone.
const GONE_WITHIN: Duration = Duration::from_secs(60 * 60);
/// The attribute that names the accounts that a snapshot is shared with.
const RESTORE: &str = "restore";
/// The type of those that users make.
const MANUAL: &str = "manual";
/// Tag that says which snapshot it was written to; with another one's value it was copied, as all ownership tags.
const SELF: &str = "saiken:snapshot";

impl Of {
    /// What their ARNs call them.
    fn word(self) -> &'static str {
        match self {
            Self::Instance => "snapshot",
            Self::Cluster => "cluster-snapshot",
        }
    }

    /// The id of a snapshot.
    pub(super) fn id(self, name: &str) -> String {
        format!("{}:{name}", self.word())
    }
}

/// Whose snapshot an id stands for, and its name.
fn parse(id: &str) -> Option<(Of, &str)> {
    let (word, name) = id.split_once(':')?;
    [Of::Instance, Of::Cluster].into_iter().find(|of| of.word() == word).map(|of| (of, name))
}

/// As [`parse`], for an id that was read or made here.
fn known(id: &str) -> Result<(Of, &str), ApiError> {
    parse(id).ok_or_else(|| ApiError::new("rds", ErrorClass::Invalid, format!("'{id}' is not the id of a snapshot")))
}

/// The value of the tag [`SELF`].
fn mark(region: &str, id: &str) -> String {
    format!("{region}:{id}")
}

/// Whether the ownership tags of a snapshot are its own, so that it is an object of the kind.
pub(super) fn is_own(region: &str, of: Of, name: &str, tags: &Tags) -> bool {
    tags.get(SELF).is_some_and(|text| *text == mark(region, &of.id(name)))
}

/// A snapshot, as either list shows it.
#[derive(Debug, Clone)]
struct Snapshot {
    of: Of,
    name: String,
    arn: String,
    source: Option<String>,
    engine: Option<String>,
    version: Option<String>,
    size: Option<i32>,
    key: Option<String>,
    option_group: Option<String>,
    state: Option<String>,
    percent: Option<i32>,
    tags: Tags,
}

impl From<DbSnapshot> for Snapshot {
    fn from(s: DbSnapshot) -> Self {
        Self {
            of: Of::Instance,
            tags: from_tags(s.tag_list()),
            name: s.db_snapshot_identifier.unwrap_or_default(),
            arn: s.db_snapshot_arn.unwrap_or_default(),
            source: s.db_instance_identifier,
            engine: s.engine,
            version: s.engine_version,
            size: s.allocated_storage,
            key: s.kms_key_id,
            option_group: s.option_group_name,
            state: s.status,
            percent: s.percent_progress,
        }
    }
}

impl From<DbClusterSnapshot> for Snapshot {
    fn from(s: DbClusterSnapshot) -> Self {
        Self {
            of: Of::Cluster,
            tags: from_tags(s.tag_list()),
            name: s.db_cluster_snapshot_identifier.unwrap_or_default(),
            arn: s.db_cluster_snapshot_arn.unwrap_or_default(),
            source: s.db_cluster_identifier,
            engine: s.engine,
            version: s.engine_version,
            // Aurora tells 0 or 1.
            size: s.allocated_storage.filter(|size| *size > 1),
            key: s.kms_key_id,
            option_group: None,
            state: s.status,
            percent: s.percent_progress,
        }
    }
}

impl Snapshot {
    fn status(&self) -> Status {
        match self.state.as_deref() {
            Some("available") => Status::Ready,
            Some("deleting" | "deleted") => Status::Deleting,
            Some(word @ ("failed" | "incompatible-restore" | "incompatible-parameters")) => {
                Status::Failed(word.to_owned())
            }
            Some(word) => Status::Pending(word.to_owned()),
            None => Status::Pending("unknown".to_owned()),
        }
    }

    /// As it is declared.
    fn found(self, region: &str) -> Found<Spec> {
        let (id, status) = (self.of.id(&self.name), self.status());
        let mut tags = self.tags;
        if !is_own(region, self.of, &self.name, &tags) {
            tags.retain(|tag, _| !tag.starts_with(PREFIX));
        }
        let (database, cluster) = match self.of {
            Of::Instance => (self.source.map(Ref::id), None),
            Of::Cluster => (None, self.source.map(Ref::id)),
        };
        Found {
            identifiers: vec![self.arn.clone()],
            attributes: attributes([
                ("id", json!(id)),
                ("name", json!(self.name)),
                ("arn", json!(self.arn)),
                ("engine", json!(self.engine)),
                ("size", json!(count(self.size).map(Size::from_gib))),
            ]),
            spec: Spec {
                name: Some(self.name),
                database,
                cluster,
                copy_of: None,
                key: self.key.map(Ref::id),
                option_group: self.option_group.map(Ref::id),
                engine_version: self.version,
                shared_with: None,
                tags: None,
            },
            status,
            tags,
            unread: vec!["copy_of"],
            id,
        }
    }
}

/// Those of databases or of clusters, all or the one of a name if it is there.
async fn list(cx: &Context, of: Of, name: Option<&str>) -> Result<Vec<Snapshot>, ApiError> {
    let (rds, limit, name) = (&cx.clients.rds, name.is_none().then_some(100), name.map(str::to_owned));
    let one = name.is_some();
    let listed: Result<Vec<Snapshot>, ApiError> = match of {
        Of::Instance => {
            let request = rds.describe_db_snapshots().set_db_snapshot_identifier(name).snapshot_type(MANUAL);
            let pages = request.set_max_records(limit).into_paginator().send();
            let pages = cx.pages("rds:DescribeDBSnapshots", pages).await;
            pages.map(|all| all.into_iter().flat_map(|p| p.db_snapshots.unwrap_or_default()).map(Into::into).collect())
        }
        Of::Cluster => {
            let request = rds.describe_db_cluster_snapshots().set_db_cluster_snapshot_identifier(name);
            let pages = request.snapshot_type(MANUAL).set_max_records(limit).into_paginator().send();
            let pages = cx.pages("rds:DescribeDBClusterSnapshots", pages).await;
            pages.map(|all| {
                all.into_iter().flat_map(|p| p.db_cluster_snapshots.unwrap_or_default()).map(Into::into).collect()
            })
        }
    };
    match listed {
        Err(e) if one && e.class == ErrorClass::NotFound => Ok(Vec::new()),
        other => other,
    }
}

/// All manual snapshots of the region, without whom they are shared with.
pub(super) async fn list_all(cx: &Context) -> Result<Vec<Found<Spec>>, ApiError> {
    let (databases, clusters) = futures::try_join!(list(cx, Of::Instance, None), list(cx, Of::Cluster, None))?;
    Ok(databases.into_iter().chain(clusters).map(|s| s.found(&cx.region)).collect())
}

/// One snapshot; none if it is not there.
async fn describe(cx: &Context, id: &str) -> Result<Option<Snapshot>, ApiError> {
    let (of, name) = known(id)?;
    Ok(list(&cx.plain(), of, Some(name)).await?.into_iter().next())
}

/// Reads snapshots.
pub(super) async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
    let mut all: Vec<Found<Spec>> = match read.selection {
        Selection::Ids(ids) => {
            let named = ids.iter().filter_map(|id| parse(id));
            let each = named.map(|(of, name)| list(cx, of, Some(name)));
            let each = futures::future::try_join_all(each).await?.into_iter().flatten();
            each.map(|s| s.found(&cx.region)).collect()
        }
        Selection::Owned { .. } | Selection::Tagged(_) => list_all(cx).await?,
    };
    all.retain(|f| read.selection.matches(&f.id, &f.tags));
    let whole = all.into_iter().map(|mut found| async move {
        let shared = match read.wants("shared_with", &found.tags) {
            true => shared_with(cx, &found.id).await?,
            false => None,
        };
        if shared.is_none() {
            found.unread.push("shared_with");
        }
        found.spec.shared_with = shared;
        Ok::<_, ApiError>(found)
    });
    stream::iter(whole).buffered(AT_ONCE).try_collect().await
}

/// The accounts that a snapshot is shared with; none if it is not there any more.
async fn shared_with(cx: &Context, id: &str) -> Result<Option<Vec<String>>, ApiError> {
    let (rds, (of, name)) = (&cx.clients.rds, known(id)?);
    let told = match of {
        Of::Instance => {
            let request = rds.describe_db_snapshot_attributes().db_snapshot_identifier(name);
            let answer = cx.call("rds:DescribeDBSnapshotAttributes", request.send()).await;
            answer.map(|a| {
                let all = a.db_snapshot_attributes_result.and_then(|r| r.db_snapshot_attributes).unwrap_or_default();
                all.into_iter().map(|a| (a.attribute_name, a.attribute_values)).collect::<Vec<_>>()
            })
        }
        Of::Cluster => {
            let request = rds.describe_db_cluster_snapshot_attributes().db_cluster_snapshot_identifier(name);
            let answer = cx.call("rds:DescribeDBClusterSnapshotAttributes", request.send()).await;
            answer.map(|a| {
                let all = a.db_cluster_snapshot_attributes_result.and_then(|r| r.db_cluster_snapshot_attributes);
                all.unwrap_or_default().into_iter().map(|a| (a.attribute_name, a.attribute_values)).collect()
            })
        }
    };
    match told {
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
        Ok(all) => {
            let mut restore = all.into_iter().filter(|(name, _)| name.as_deref() == Some(RESTORE));
            Ok(Some(restore.next().and_then(|(_, values)| values).unwrap_or_default()))
        }
    }
}

/// Makes a snapshot, waits until it can be used, does the rest, and gives its id.
pub(super) async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
    let spec = want.spec;
    let name = spec.name.clone().unwrap_or_else(|| identifier(want.name, LONGEST));
    let Some(source) = spec.source() else {
        return Err(ApiError::new("rds:CreateDBSnapshot", ErrorClass::Invalid, "it is not clear of what"));
    };
    let (of, limit) = match source {
        Source::Database(_) => (Of::Instance, MADE_WITHIN),
        Source::Cluster(_) => (Of::Cluster, MADE_WITHIN),
        Source::Copy(of, ..) => (of, COPIED_WITHIN),
    };
    let (id, once) = (of.id(&name), cx.once());
    let call = async {
        // What it is of may be busy with a backup.
        let begun = when_free(cx, want.watch, format!("snapshot {name} to be begun"), || async {
            match begin(&once, want, &source, &name).await {
                Err(e) if e.code.as_deref().is_some_and(|code| code.contains("AlreadyExists")) => Ok(Err(e)),
                other => other.map(Ok),
            }
        });
        begun.await?.map(|()| id.clone())
    };
    let id = create_once::<DatabaseSnapshot>(cx, want, Some(&id), call).await?;
    let made = available(cx, &id, limit, want.watch, |_| true).await?;
    upgrade(cx, want, &id, &made).await?;
    share(cx, want, &id, true).await?;
    Ok(id)
}

/// Makes the call that makes a snapshot.
async fn begin(cx: &Context, want: &Create<'_, Spec>, source: &Source<'_>, name: &str) -> Result<(), ApiError> {
    let (rds, spec) = (&cx.clients.rds, want.spec);
    let own = |of: Of| {
        let mut tags = want.tags.clone();
        tags.insert(SELF.to_owned(), mark(&cx.region, &of.id(name)));
        Some(to_tags(&tags))
    };
    let key = arn_of(want, spec.key.as_ref())?;
    match source {
        Source::Database(database) => {
            let request = rds.create_db_snapshot().db_instance_identifier(want.id(database)?);
            let request = request.db_snapshot_identifier(name).set_tags(own(Of::Instance));
            cx.call("rds:CreateDBSnapshot", request.send()).await.map(drop)
        }
        Source::Cluster(cluster) => {
            let request = rds.create_db_cluster_snapshot().db_cluster_identifier(want.id(cluster)?);
            let request = request.db_cluster_snapshot_identifier(name).set_tags(own(Of::Cluster));
            cx.call("rds:CreateDBClusterSnapshot", request.send()).await.map(drop)
        }
        Source::Copy(of @ Of::Instance, from, copy) => {
            let request = rds
                .copy_db_snapshot()
                .source_db_snapshot_identifier(*from)
                .target_db_snapshot_identifier(name)
                .set_kms_key_id(key)
                .set_option_group_name(id_of(want, spec.option_group.as_ref())?)
                .set_copy_option_group(copy.with_option_group.then_some(true))
                .set_tags(own(*of));
            let answer = cx.call("rds:CopyDBSnapshot", request.send()).await.map(drop);
            answer.map_err(|e| without_key(e, spec, from, &cx.region))
        }
        Source::Copy(of @ Of::Cluster, from, _) => {
            let request = rds
                .copy_db_cluster_snapshot()
                .source_db_cluster_snapshot_identifier(*from)
                .target_db_cluster_snapshot_identifier(name)
                .set_kms_key_id(key)
                .set_tags(own(*of));
            let answer = cx.call("rds:CopyDBClusterSnapshot", request.send()).await.map(drop);
            answer.map_err(|e| without_key(e, spec, from, &cx.region))
        }
    }
}

/// The API's error, with what to do if it may be that a copy from another region has no key.
fn without_key(mut error: ApiError, spec: &Spec, from: &str, region: &str) -> ApiError {
    let there = from.strip_prefix("arn:").and_then(|rest| rest.split(':').nth(2));
    if error.class == ErrorClass::Invalid && spec.key.is_none() && there.is_some_and(|there| there != region) {
        error.message.push_str(&format!(" (if {from} is encrypted: give `key`, a key of {region})"));
    }
    error
}

/// Waits until a snapshot can be used, and what is asked for is in force.
async fn available(
    cx: &Context,
    id: &str,
    limit: Duration,
    watch: &dyn Watch,
    in_force: impl Fn(&Snapshot) -> bool,
) -> Result<Snapshot, ApiError> {
    cx.wait(watch, &format!("{id} to be available"), limit, || async {
        let Some(snapshot) = describe(cx, id).await? else { return Ok(Look::not(None)) };
        match snapshot.status() {
            Status::Ready if in_force(&snapshot) => Ok(Look::Done(snapshot)),
            Status::Ready => Ok(Look::Not("available, with changes to come".to_owned())),
            Status::Pending(word) => Ok(Look::Not(match snapshot.percent {
                Some(percent) => format!("{word}, {percent} %"),
                None => word,
            })),
            Status::Failed(word) => {
                let message = format!("{id} is in the state {word}: its events, in the console, say why");
                Err(ApiError::new("rds:wait", ErrorClass::Other, message))
            }
            Status::Deleting => {
                Err(ApiError::new("rds:wait", ErrorClass::Other, format!("{id} is being deleted by someone else")))
            }
        }
    })
    .await
}

/// Brings a database's snapshot to the version and the option group that are declared.
async fn upgrade(cx: &Context, want: &Create<'_, Spec>, id: &str, now: &Snapshot) -> Result<(), ApiError> {
    let (spec, (of, name)) = (want.spec, known(id)?);
    let group = id_of(want, spec.option_group.as_ref())?;
    let has_version = |s: &Snapshot| spec.engine_version.as_ref().is_none_or(|v| is_version(v, s.version.as_deref()));
    let has_group = |s: &Snapshot| group.is_none() || group == s.option_group;
    if of == Of::Cluster || has_version(now) && has_group(now) {
        return Ok(());
    }
    when_free(cx, want.watch, format!("{id} to be upgraded"), || async {
        let request = cx
            .clients
            .rds
            .modify_db_snapshot()
            .db_snapshot_identifier(name)
            .set_engine_version(spec.engine_version.clone().filter(|_| !has_version(now)))
            // A new version needs one of its own.
            .set_option_group_name(group.clone());
        cx.call("rds:ModifyDBSnapshot", request.send()).await.map(drop)
    })
    .await?;
    available(cx, id, UPGRADED_WITHIN, want.watch, |s| has_version(s) && has_group(s)).await.map(drop)
}

/// Shares a snapshot with the accounts that are declared and no others; without `grant`, only takes others away.
async fn share(cx: &Context, want: &Create<'_, Spec>, id: &str, grant: bool) -> Result<(), ApiError> {
    let Some(declared) = &want.spec.shared_with else { return Ok(()) };
    let (rds, (of, name)) = (&cx.clients.rds, known(id)?);
    let there = shared_with(cx, id).await?.unwrap_or_default();
    let lacking = |of: &[String], in_: &[String]| {
        let all: Vec<String> = of.iter().filter(|account| !in_.contains(account)).cloned().collect();
        Some(all).filter(|all| !all.is_empty())
    };
    let add = lacking(declared, &there).filter(|_| grant);
    let remove = lacking(&there, declared);
    if add.is_none() && remove.is_none() {
        return Ok(());
    }
    when_free(cx, want.watch, format!("{id} to be shared"), || async {
        match of {
            Of::Instance => {
                let request = rds.modify_db_snapshot_attribute().db_snapshot_identifier(name).attribute_name(RESTORE);
                let request = request.set_values_to_add(add.clone()).set_values_to_remove(remove.clone());
                cx.call("rds:ModifyDBSnapshotAttribute", request.send()).await.map(drop)
            }
            Of::Cluster => {
                let request = rds.modify_db_cluster_snapshot_attribute().db_cluster_snapshot_identifier(name);
                let request = request.attribute_name(RESTORE).set_values_to_add(add.clone());
                let request = request.set_values_to_remove(remove.clone());
                cx.call("rds:ModifyDBClusterSnapshotAttribute", request.send()).await.map(drop)
            }
        }
    })
    .await
}

/// Changes a snapshot in place. What is shared is not upgraded: who is to lose it does so before, who is to get it gets
/// it after.
pub(super) async fn update(cx: &Context, change: &Update<'_, Spec>) -> Result<(), ApiError> {
    let (want, id, shares) = (&change.want, change.id, change.changed("shared_with"));
    if change.changed("engine_version") || change.changed("option_group") {
        let Some(now) = describe(cx, id).await? else {
            return Err(ApiError::new("rds:ModifyDBSnapshot", ErrorClass::NotFound, format!("{id} is not there")));
        };
        if shares {
            share(cx, want, id, false).await?;
        }
        upgrade(cx, want, id, &now).await?;
    }
    if shares { share(cx, want, id, true).await } else { Ok(()) }
}

/// Deletes a snapshot, and waits until it is gone.
pub(super) async fn delete(cx: &Context, id: &str, watch: &dyn Watch) -> Result<(), ApiError> {
    let (rds, (of, name)) = (&cx.clients.rds, known(id)?);
    // A copy that is being made of it keeps it.
    when_free(cx, watch, format!("{id} to be deleted"), || async {
        match of {
            Of::Instance => {
                let request = rds.delete_db_snapshot().db_snapshot_identifier(name);
                cx.call("rds:DeleteDBSnapshot", request.send()).await.map(drop)
            }
            Of::Cluster => {
                let request = rds.delete_db_cluster_snapshot().db_cluster_snapshot_identifier(name);
                cx.call("rds:DeleteDBClusterSnapshot", request.send()).await.map(drop)
            }
        }
    })
    .await?;
    cx.wait(watch, &format!("{id} to be gone"), GONE_WITHIN, || async {
        let there = describe(cx, id).await?;
        Ok(Look::when(there.is_none(), there.as_ref().and_then(|s| s.state.as_deref())))
    })
    .await
}

/// Sets and removes tags; with an owner comes the tag that makes ownership the snapshot's own.
pub(super) async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
    let (set, remove) = marked(object, set, remove, (SELF, mark(&cx.region, &object.id)));
    super::retag(cx, object, &set, &remove).await
}

#[cfg(test)]
mod tests;
