//! `snapshot`: a copy of a disk at one moment, that volumes can be made from; or a copy of such a copy, also from
//! another region.
//!
//! Holds data. It is of the past: nothing but its tier and its tags can change, everything else makes a new snapshot
//! necessary. That goes for its volume too: where that is replaced and the snapshot is to stay, `lifecycle.ignore:
//! [volume]` says so. It is never shared with other accounts here. A copy is always encrypted; a snapshot of a volume
//! is as its volume is. Of which snapshot one is a copy the API does not tell: that is compared by the fingerprint in
//! the tags.
//!
//! Neither creating call takes a client token: an object whose answer is lost is found by its tags. The service keeps
//! moving a snapshot between tiers for up to three days: it counts as being where it goes to. One read of it tells all
//! snapshots' tiers. Neither the recovery points that are made before a volume goes (`volume_points.rs`) nor snapshots by
//! others that inherited the tags of their volume are among these: each of this kind says in a tag what it is.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshot.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    Filter, ResourceType, Snapshot as ApiSnapshot, SnapshotState, SnapshotTierStatus, StorageTier as ApiTier,
    TargetStorageTier, TieringOperationStatus as Moving,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::server::{from_gib, key_arn};
use super::volume::Volume;
use super::volume_points::{complete, when_due};
use super::{attributes, filters, from_tags, retag, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Recovery, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership;
use crate::model::preflight::View;
use crate::model::types::Ref;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::kind::{
    AwsKind, Create, Delete, Found, Read, SEEN_WITHIN, Selection, Tags, Update, create_once,
};
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::preflight::kind::{Checked, Needs, Quota, Use};
use crate::providers::aws::tagging::marked;
use crate::providers::aws::words::words;

/// Tag that only objects of this kind have. Whoever makes snapshots of a volume, such as the backup service, may give them all
/// tags of it, ownership included.
const MARK: &str = "saiken:kind";
/// Values that a filter takes
/// (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSnapshotTierStatus.html>).
const VALUES: usize = 200;

/// The kind `snapshot`.
pub struct Snapshot;

/// A copy of a disk at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The volume whose data it holds; this or `copy_of` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub volume: Option<Ref<Volume>>,
    /// The snapshot that it is a copy of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace", "x-fingerprint" = true))]
    pub copy_of: Option<CopyOf>,
    /// Key that encrypts a copy (by ARN, if it is not owned); the account's default key if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub key: Option<Ref<Key>>,
    /// What it is for; 255 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255), extend("x-change" = "replace"))]
    pub description: Option<String>,
    /// What it costs, and how soon it can be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub tier: Option<Tier>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// Another snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyOf {
    /// Region that it is in; this one if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Its id, `snap-…`; that of a resource is written `"{{ name.id }}"`.
    pub id: String,
}

words! {
    /// What a snapshot costs, and how soon it can be used.
    Tier {
        /// Volumes can be made from it at once.
        Standard = "standard",
        /// Cheap, for 90 days at least, and whole rather than what changed; it takes up to three days to get there and
        /// back.
        Archive = "archive",
    }
}

impl Kind for Snapshot {
    const NAME: &'static str = "snapshot";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "copy of a disk",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSnapshot.html",
            scope: Scope::Regional,
            data: Some(Recovery::Nothing(
                "It is the copy. A retention rule of the recycle bin, if there is one, keeps it for a while: copy it \
                 before if it is still needed",
            )),
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const {
                &[Attribute::stable("id", "Id, snap-…"), Attribute::stable("size", "Size of its volume, such as 20GiB")]
            },
            permissions: Permissions {
                read: &["ec2:DescribeSnapshots", "ec2:DescribeSnapshotTierStatus"],
                create: &["ec2:CreateSnapshot", "ec2:CopySnapshot", "ec2:CreateTags", "ec2:ModifySnapshotTier"],
                update: &["ec2:ModifySnapshotTier", "ec2:RestoreSnapshotTier", "ec2:CreateTags", "ec2:DeleteTags"],
                delete: &["ec2:DeleteSnapshot"],
            },
            name_limit: 0,
            creation_seconds: 120,
            deletion_seconds: 5,
            quota: 100_000,
            zone_field: None,
            // A snapshot outlives its volume.
            loose_refs: &["volume"],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        match (&spec.volume, &spec.copy_of) {
            (None, None) => problems.add("volume", "it is a snapshot of nothing", "give `volume`, or `copy_of`"),
            (Some(_), Some(_)) => {
                problems.add("copy_of", "a snapshot is of a volume or of another snapshot", "leave one of the two out");
            }
            (Some(_), None) if spec.key.is_some() => {
                let message = "a snapshot of a volume is encrypted as its volume is";
                problems.add("key", message, "leave it out, or copy a snapshot with another key");
            }
            (Some(_), None) | (None, Some(_)) => {}
        }
    }
}

/// <https://docs.aws.amazon.com/ebs/latest/userguide/ebs-resource-quotas.html>
static SNAPSHOTS: Quota = Quota::new("ebs", "L-309BACF6", "Snapshots per Region");

#[async_trait]
impl Checked for Snapshot {
    fn needs() -> Needs {
        Needs {
            resource: "snapshot/*",
            only_for: &[
                ("ec2:CreateSnapshot", &["volume"]),
                ("ec2:CopySnapshot", &["copy_of"]),
                ("ec2:ModifySnapshotTier", &["tier"]),
                ("ec2:RestoreSnapshotTier", &["tier"]),
            ],
        }
    }

    fn uses(_: &View<'_>) -> Vec<Use> {
        vec![Use::one(&SNAPSHOTS)]
    }
}

#[async_trait]
impl AwsKind for Snapshot {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let mut filters = filters(&read.selection, "snapshot-id");
        if !matches!(read.selection, Selection::Ids(_)) {
            // Recovery points carry project and environment too, and others may have all tags of their volume.
            filters.push(Filter::builder().name(format!("tag:{MARK}")).values(Self::NAME).build());
        }
        let request = cx.ec2().describe_snapshots().owner_ids("self").set_filters(Some(filters)).max_results(1000);
        let pages = cx.pages("ec2:DescribeSnapshots", request.into_paginator().send()).await?;
        let there =
            |s: &&ApiSnapshot| !matches!(s.state(), Some(SnapshotState::Recoverable | SnapshotState::Recovering));
        let mut all: Vec<Found<Spec>> = pages.iter().flat_map(|p| p.snapshots()).filter(there).map(found).collect();
        for found in all.iter_mut().filter(|f| !is_own(&f.tags)) {
            found.tags.retain(|tag, _| !ownership::ALL.contains(&tag.as_str()));
        }
        tiers(cx, read, &mut all).await?;
        Ok(all)
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let once = cx.once();
        let mut tags = want.tags.clone();
        tags.insert(MARK.to_owned(), Self::NAME.to_owned());
        let tags = tag_specification(ResourceType::Snapshot, &tags);
        let of = match (&spec.copy_of, &spec.volume) {
            (Some(copy), _) => copy.id.clone(),
            (None, Some(volume)) => want.id(volume)?,
            (None, None) => return Err(ApiError::new("ec2:CreateSnapshot", ErrorClass::Invalid, "of nothing")),
        };
        let key = key_arn(want, spec.key.as_ref())?;
        let call = async {
            let made = match &spec.copy_of {
                Some(copy) => {
                    let request = once
                        .ec2()
                        .copy_snapshot()
                        .source_region(copy.region.as_ref().unwrap_or(&cx.region))
                        .source_snapshot_id(&copy.id)
                        .encrypted(true)
                        .set_kms_key_id(key)
                        .set_description(spec.description.clone())
                        .tag_specifications(tags);
                    once.call("ec2:CopySnapshot", request.send()).await?.snapshot_id
                }
                None => {
                    let request = once.ec2().create_snapshot().volume_id(&of);
                    let request = request.set_description(spec.description.clone()).tag_specifications(tags);
                    let send = || once.call("ec2:CreateSnapshot", request.clone().send());
                    when_due(&once, want.watch, &of, send).await?.snapshot_id
                }
            };
            Ok(made.unwrap_or_default())
        };
        let id = create_once::<Self>(cx, want, None, call).await?;
        complete(cx, &id, &of, want.watch).await?;
        if spec.tier == Some(Tier::Archive) {
            move_to(cx, &id, Tier::Archive, want.watch).await?;
        }
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        match update.want.spec.tier.filter(|_| update.changed("tier")) {
            Some(tier) => move_to(cx, update.id, tier, update.want.watch).await,
            None => Ok(()),
        }
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        cx.call("ec2:DeleteSnapshot", cx.ec2().delete_snapshot().snapshot_id(delete.id).send()).await.map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        let (set, remove) = marked(object, set, remove, (MARK, Self::NAME.to_owned()));
        retag(cx, object, &set, &remove).await
    }
}

/// Whether the ownership tags of a snapshot are its own, so that it is an object of the kind.
pub(super) fn is_own(tags: &Tags) -> bool {
    tags.get(MARK).is_some_and(|kind| kind == Snapshot::NAME)
}

fn found(snapshot: &ApiSnapshot) -> Found<Spec> {
    let id = snapshot.snapshot_id().unwrap_or_default().to_owned();
    let size = from_gib(snapshot.volume_size());
    Found {
        identifiers: Vec::new(),
        attributes: attributes([("id", json!(id)), ("size", json!(size))]),
        spec: Spec {
            volume: snapshot.volume_id().map(Ref::id),
            copy_of: None,
            key: snapshot.kms_key_id().map(Ref::id),
            description: Some(snapshot.description().unwrap_or_default().to_owned()),
            tier: None,
            tags: None,
        },
        status: match snapshot.state() {
            Some(SnapshotState::Pending) => Status::Pending("pending".to_owned()),
            Some(SnapshotState::Error) => {
                Status::Failed(snapshot.state_message().unwrap_or("its key may not be usable").to_owned())
            }
            _ => Status::Ready,
        },
        tags: from_tags(snapshot.tags()),
        unread: vec!["copy_of"],
        id,
    }
}

/// Fills in where snapshots are kept, of those of which it is wanted.
async fn tiers(cx: &Context, read: &Read<'_>, all: &mut [Found<Spec>]) -> Result<(), ApiError> {
    let wanted: Vec<String> = all.iter().filter(|f| read.wants("tier", &f.tags)).map(|f| f.id.clone()).collect();
    let mut known = BTreeMap::new();
    for ids in wanted.chunks(VALUES) {
        for status in statuses(cx, ids).await? {
            known.insert(status.snapshot_id().unwrap_or_default().to_owned(), tier_of(&status));
        }
    }
    for found in all {
        match known.get(&found.id) {
            Some(tier) => found.spec.tier = *tier,
            None => found.unread.push("tier"),
        }
    }
    Ok(())
}

async fn statuses(cx: &Context, ids: &[String]) -> Result<Vec<SnapshotTierStatus>, ApiError> {
    let filter = Filter::builder().name("snapshot-id").set_values(Some(ids.to_vec())).build();
    let request = cx.ec2().describe_snapshot_tier_status().filters(filter);
    let pages = cx.pages("ec2:DescribeSnapshotTierStatus", request.into_paginator().send()).await?;
    Ok(pages.into_iter().flat_map(|p| p.snapshot_tier_statuses.unwrap_or_default()).collect())
}

/// The tier that a snapshot is in, or on its way to.
fn tier_of(status: &SnapshotTierStatus) -> Option<Tier> {
    match status.last_tiering_operation_status() {
        Some(Moving::ArchivalInProgress) => Some(Tier::Archive),
        Some(Moving::PermanentRestoreInProgress) => Some(Tier::Standard),
        _ => status.storage_tier().and_then(|tier| Tier::from_api(tier.as_str())),
    }
}

/// Begins to move a snapshot to a tier, and waits until the service says that it does.
async fn move_to(cx: &Context, id: &str, tier: Tier, watch: &dyn Watch) -> Result<(), ApiError> {
    match tier {
        Tier::Archive => {
            let request = cx.ec2().modify_snapshot_tier().snapshot_id(id).storage_tier(TargetStorageTier::Archive);
            cx.call("ec2:ModifySnapshotTier", request.send()).await.map(drop)?;
        }
        Tier::Standard => {
            let request = cx.ec2().restore_snapshot_tier().snapshot_id(id).permanent_restore(true);
            cx.call("ec2:RestoreSnapshotTier", request.send()).await.map(drop)?;
        }
    }
    let ids = [id.to_owned()];
    let what = format!("{id} to be on its way to the {} tier", tier.api());
    cx.wait(watch, &what, SEEN_WITHIN, || async {
        let status = statuses(cx, &ids).await?.into_iter().next();
        let failed = status.as_ref().and_then(|s| s.last_tiering_operation_status());
        if let Some(Moving::ArchivalFailed | Moving::PermanentRestoreFailed) = failed {
            let why =
                status.as_ref().and_then(|s| s.last_tiering_operation_status_detail()).unwrap_or("no reason given");
            return Err(ApiError::new(
                "ec2:ModifySnapshotTier",
                ErrorClass::Other,
                format!("{id} was not moved: {why}"),
            ));
        }
        let there = status.as_ref().and_then(tier_of) == Some(tier);
        Ok(Look::when(there, status.as_ref().and_then(|s| s.storage_tier()).map(ApiTier::as_str)))
    })
    .await
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::providers::aws::script::Script;

    fn problems(spec: Value) -> Vec<String> {
        let mut problems = Problems::default();
        Snapshot::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| p.path).collect()
    }

    fn tags() -> String {
        let tags =
            [("project", "p"), ("environment", "e"), ("address", "s/it"), ("generation", "1"), ("kind", "snapshot")];
        let items = tags.map(|(k, v)| format!("<item><key>saiken:{k}</key><value>{v}</value></item>"));
        format!("<tagSet>{}</tagSet>", items.join(""))
    }

    fn snapshot(state: &str) -> String {
        format!(
            "<snapshotSet><item><snapshotId>snap-1</snapshotId><volumeId>vol-1</volumeId><status>{state}</status>\
             <startTime>2026-01-01T00:00:00.000Z</startTime><volumeSize>20</volumeSize><description>夜間</description>\
             <encrypted>true</encrypted><kmsKeyId>arn:key</kmsKeyId>{}</item></snapshotSet>",
            tags()
        )
    }

    fn tier(tier: &str, moving: &str) -> String {
        let moving = if moving.is_empty() {
            String::new()
        } else {
            format!("<lastTieringOperationStatus>{moving}</lastTieringOperationStatus>")
        };
        format!(
            "<snapshotTierStatusSet><item><snapshotId>snap-1</snapshotId><storageTier>{tier}</storageTier>{moving}</item>\
             </snapshotTierStatusSet>"
        )
    }

    fn script() -> Script {
        Script::default()
            .ec2("DescribeSnapshots", &snapshot("completed"))
            .ec2("DescribeSnapshotTierStatus", &tier("standard", ""))
            .ec2("CreateSnapshot", "<snapshotId>snap-1</snapshotId>")
            .ec2("CopySnapshot", "<snapshotId>snap-1</snapshotId>")
    }

    #[test]
    fn a_snapshot_is_of_a_volume_or_of_another_one() {
        assert_eq!(problems(json!({})), ["volume"]);
        assert_eq!(problems(json!({"volume": "s/v", "copy_of": {"id": "snap-1"}})), ["copy_of"]);
        assert_eq!(problems(json!({"volume": "s/v", "key": "s/k"})), ["key"]);
        assert!(problems(json!({"copy_of": {"id": "snap-1"}, "key": "s/k"})).is_empty());
    }

    #[tokio::test]
    async fn a_copy_from_another_region_is_encrypted_and_waited_for() {
        let script = Script::default()
            .ec2("DescribeSnapshots", &snapshot("pending"))
            .ec2("DescribeSnapshots", &snapshot("completed"))
            .with(script());
        let copy = json!({"region": "ap-northeast-3", "id": "snap-9"});
        let spec = json!({"copy_of": copy, "key": {"id": "arn:key"}, "description": "夜間"});
        let object = script.create::<Snapshot>(spec.clone()).await.unwrap();
        for field in ["key", "description"] {
            assert_eq!(object.spec[field], spec[field], "{field}");
        }
        assert_eq!(object.spec["tier"], "standard");
        assert_eq!(object.unread, ["copy_of"], "the service does not tell it");
        let asked = script.asked("CopySnapshot").join("");
        for part in [
            "SourceRegion=ap-northeast-3",
            "SourceSnapshotId=snap-9",
            "Encrypted=true",
            "KmsKeyId=arn",
            "saiken%3Aaddress",
        ] {
            assert!(asked.contains(part), "{part}: {asked}");
        }
        assert!(script.asked("CreateSnapshot").is_empty());
        // Without a region it is one of this region, and encrypted nevertheless.
        let near = self::script();
        near.create::<Snapshot>(json!({"copy_of": {"id": "snap-9"}})).await.unwrap();
        let asked = near.asked("CopySnapshot").join("");
        assert!(asked.contains("SourceRegion=ap-northeast-1") && asked.contains("Encrypted=true"), "{asked}");
    }

    #[tokio::test]
    async fn a_snapshot_is_made_once_its_volume_takes_another_one() {
        let script = Script::default()
            .error("CreateSnapshot", "SnapshotCreationPerVolumeRateExceeded")
            .ec2("CreateSnapshot", "<snapshotId>snap-1</snapshotId>")
            .with(script());
        assert_eq!(script.create::<Snapshot>(json!({"volume": "s/other"})).await.unwrap().id, "snap-1");
        assert_eq!(script.asked("CreateSnapshot").len(), 2);
    }

    #[tokio::test]
    async fn a_snapshot_whose_creating_call_was_not_answered_is_found_by_its_tags() {
        for (operation, spec) in
            [("CreateSnapshot", json!({"volume": "s/other"})), ("CopySnapshot", json!({"copy_of": {"id": "snap-9"}}))]
        {
            let script = Script::default().lost(operation).with(script());
            assert_eq!(script.create::<Snapshot>(spec).await.unwrap().id, "snap-1");
            assert_eq!(script.asked(operation).len(), 1, "it is not made again");
        }
    }

    #[tokio::test]
    async fn a_snapshot_on_its_way_to_a_tier_counts_as_there() {
        let read = |tier: String| async move {
            let script = Script::default().ec2("DescribeSnapshotTierStatus", &tier).with(script());
            script.read::<Snapshot>().await.unwrap().remove(0).spec["tier"].clone()
        };
        assert_eq!(read(tier("standard", "archival-in-progress")).await, "archive");
        assert_eq!(read(tier("standard", "archival-failed")).await, "standard");
        assert_eq!(read(tier("archive", "archival-completed")).await, "archive");
        assert_eq!(read(tier("archive", "permanent-restore-in-progress")).await, "standard");
        assert_eq!(read(tier("archive", "temporary-restore-completed")).await, "archive");
        let of = |tier: &str| json!({"volume": {"id": "vol-1"}, "tier": tier});
        let failed = Script::default()
            .ec2("ModifySnapshotTier", "<snapshotId>snap-1</snapshotId>")
            .ec2("DescribeSnapshotTierStatus", &tier("standard", "archival-failed"))
            .with(script());
        let error = failed.update::<Snapshot>("snap-1", of("standard"), of("archive")).await.unwrap_err();
        assert!(error.message.contains("snap-1 was not moved"), "{error}");
    }

    #[tokio::test]
    async fn a_snapshot_that_inherited_the_tags_of_its_volume_is_nobodys() {
        let inherited = snapshot("completed").replace("<item><key>saiken:kind</key><value>snapshot</value></item>", "");
        let script = Script::default().ec2("DescribeSnapshots", &inherited).with(script());
        assert_eq!(script.read::<Snapshot>().await.unwrap()[0].owner, None);
        assert_eq!(
            self::script().read::<Snapshot>().await.unwrap()[0].owner,
            Some(crate::providers::aws::script::owner())
        );
    }

    #[tokio::test]
    async fn recovery_points_are_not_read_and_what_is_in_the_recycle_bin_is_gone() {
        let script = Script::default().ec2("DescribeSnapshots", &snapshot("recoverable"));
        assert!(script.read::<Snapshot>().await.unwrap().is_empty());
        let asked = script.asked("DescribeSnapshots").join("");
        assert!(asked.contains("tag%3Asaiken%3Akind&") && asked.contains("Owner.1=self"), "{asked}");
        let failed = Script::default().ec2("DescribeSnapshots", &snapshot("error")).with(self::script());
        let found = failed.read::<Snapshot>().await.unwrap().remove(0);
        assert!(matches!(found.status, Status::Failed(_)), "{:?}", found.status);
    }
}
