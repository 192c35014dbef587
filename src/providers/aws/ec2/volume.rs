//! `volume`: a disk in one zone, and the server it is attached to.
//!
//! A change of `zone`, `encrypted`, `key`, `from_snapshot` or `multi_attach` makes a new volume necessary; replacing one
//! loses its data, so that is guarded. Size, type and performance change in place while the volume is in use; a size can
//! only grow (a smaller one is refused: declare a new volume and copy), and a volume that was changed rests for six hours
//! before the next change. The file system inside is the user's to grow.
//!
//! A volume of several servers is declared with one of them: the one that it has been attached to for the longest time
//! counts. The others are left alone, until the volume goes.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html>

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    Filter, ResourceType, Volume as ApiVolume, VolumeAttachment, VolumeAttachmentState, VolumeModificationState,
    VolumeState,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::instance::Instance;
use super::server::{VolumeType, check_key, check_performance, from_gib, gib, key_arn, yes};
use super::{attributes, filters, from_tags, retag, tag_specification, volume_points};
use crate::model::cloud::{ApiError, ErrorClass, RecoveryPoint, Watch};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Recovery, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership;
use crate::model::types::{Ref, Size};
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::preflight::kind::{Checked, Needs};

/// Longest wait for a volume to be made, attached or detached.
const LIMIT: Duration = Duration::from_secs(600);

/// Longest time until a change is in force; the service optimises for hours, and the volume can be used meanwhile.
const CHANGED_WITHIN: Duration = Duration::from_secs(1800);

/// The kind `volume`.
pub struct Volume;

/// A disk in one zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Availability zone, such as `ap-northeast-1a`; that of the server it is attached to.
    #[schemars(extend("x-change" = "replace"))]
    pub zone: String,
    /// Size, whole GiB; it can only grow. Left out, that of the snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// Type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub volume_type: Option<VolumeType>,
    /// Operations a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 256_000))]
    pub iops: Option<i32>,
    /// Throughput in MiB a second (gp3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 125, max = 2000))]
    pub throughput: Option<i32>,
    /// Whether it is encrypted.
    #[serde(default = "yes")]
    #[schemars(extend("x-change" = "replace"))]
    pub encrypted: bool,
    /// Key that encrypts it (by ARN, if it is not owned); the account's default key if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub key: Option<Ref<Key>>,
    /// Id of a snapshot that it is made from; that of a resource is written `"{{ name.id }}"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub from_snapshot: Option<String>,
    /// Whether several servers may attach it (io1, io2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub multi_attach: Option<bool>,
    /// The server it is attached to. Taking the field away leaves the volume where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub attachment: Option<VolumeAttachmentSpec>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// Where a volume is attached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VolumeAttachmentSpec {
    /// The server.
    pub instance: Ref<Instance>,
    /// Device name, `/dev/sdf` to `/dev/sdp`.
    pub device: String,
}

impl Kind for Volume {
    const NAME: &'static str = "volume";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "disk",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateVolume.html",
            scope: Scope::Regional,
            data: Some(Recovery::Point("EBS snapshot")),
            replacement: Replacement::DeleteFirst,
            serves: true,
            attributes: const { &[Attribute::stable("id", "Id, vol-…"), Attribute::stable("zone", "Zone it is in")] },
            permissions: Permissions {
                read: &["ec2:DescribeVolumes"],
                create: &["ec2:CreateVolume", "ec2:CreateTags", "ec2:AttachVolume"],
                update: &[
                    "ec2:ModifyVolume",
                    "ec2:DescribeVolumesModifications",
                    "ec2:AttachVolume",
                    "ec2:DetachVolume",
                    "ec2:CreateTags",
                    "ec2:DeleteTags",
                ],
                delete: &[
                    "ec2:DetachVolume",
                    "ec2:DeleteVolume",
                    "ec2:DescribeSnapshots",
                    "ec2:CreateSnapshot",
                    "ec2:CreateTags",
                ],
            },
            name_limit: 0,
            creation_seconds: 10,
            deletion_seconds: 5,
            quota: 5000,
            zone_field: Some("zone"),
            // A volume outlives the server it is attached to.
            loose_refs: &["attachment"],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if spec.size.is_none() && spec.from_snapshot.is_none() {
            problems.add("size", "a volume needs a size", "give `size`, or `from_snapshot`");
        }
        check_performance("", spec.volume_type, spec.iops, spec.throughput, problems);
        check_key("", spec.encrypted, spec.key.as_ref(), problems);
        let provisioned = matches!(spec.volume_type, Some(VolumeType::Io1 | VolumeType::Io2));
        if spec.multi_attach == Some(true) && !provisioned {
            problems.add("multi_attach", "only io1 and io2 volumes can be attached several times", "use type io2");
        }
    }
}

#[async_trait]
impl Checked for Volume {
    fn needs() -> Needs {
        Needs {
            resource: "volume/*",
            only_for: &[
                ("ec2:ModifyVolume", &["size", "type", "iops", "throughput"]),
                ("ec2:DescribeVolumesModifications", &["size", "type", "iops", "throughput"]),
                ("ec2:AttachVolume", &["attachment"]),
                ("ec2:DetachVolume", &["attachment"]),
                ("ec2:DescribeSnapshots", &[]),
                ("ec2:CreateSnapshot", &[]),
            ],
        }
    }
}

#[async_trait]
impl AwsKind for Volume {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let mut filters = filters(&read.selection, "volume-id");
        if matches!(read.selection, Selection::Owned { .. }) {
            // Disks of servers carry project and environment too, but no address.
            filters.push(Filter::builder().name("tag-key").values(ownership::ADDRESS).build());
        }
        let request = cx.ec2().describe_volumes().set_filters(Some(filters)).max_results(500);
        let pages = cx.pages("ec2:DescribeVolumes", request.into_paginator().send()).await?;
        Ok(pages
            .iter()
            .flat_map(|p| p.volumes())
            .filter(|v| v.state() != Some(&VolumeState::Deleted))
            .map(found)
            .collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let request = cx
            .ec2()
            .create_volume()
            .availability_zone(&spec.zone)
            .client_token(want.token)
            .set_size(gib(spec.size.as_ref()))
            .set_volume_type(spec.volume_type.map(|t| t.api().into()))
            .set_iops(spec.iops)
            .set_throughput(spec.throughput)
            .encrypted(spec.encrypted)
            .set_kms_key_id(key_arn(want, spec.key.as_ref())?)
            .set_snapshot_id(spec.from_snapshot.clone())
            .set_multi_attach_enabled(spec.multi_attach)
            .tag_specifications(tag_specification(ResourceType::Volume, want.tags));
        let answer = cx.call("ec2:CreateVolume", request.send()).await?;
        let id = answer.volume_id().unwrap_or_default().to_owned();
        available(cx, &id, want.watch).await?;
        if let Some(attachment) = &spec.attachment {
            attach(cx, &id, &want.id(&attachment.instance)?, &attachment.device, want.watch).await?;
        }
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let want = &update.want;
        if ["size", "type", "iops", "throughput"].into_iter().any(|f| update.changed(f)) {
            modify(cx, update).await?;
        }
        if let Some(attachment) = want.spec.attachment.as_ref().filter(|_| update.changed("attachment")) {
            let instance = want.id(&attachment.instance)?;
            reattach(cx, update.id, &instance, &attachment.device, want.watch).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        detach(cx, delete.id, None, delete.watch).await?;
        cx.call("ec2:DeleteVolume", cx.ec2().delete_volume().volume_id(delete.id).send()).await?;
        cx.wait(delete.watch, &format!("{} to be gone", delete.id), LIMIT, || async {
            let volume = describe(cx, delete.id).await?;
            let now = volume.as_ref().and_then(ApiVolume::state);
            let gone = volume.is_none() || now == Some(&VolumeState::Deleted);
            Ok(Look::when(gone, now.map(VolumeState::as_str)))
        })
        .await
    }

    async fn recovery_points(cx: &Context, object: &Object) -> Result<Vec<RecoveryPoint>, ApiError> {
        volume_points::of_volume(cx, &object.id).await
    }

    async fn save(
        cx: &Context,
        object: &Object,
        unfinished: Option<&str>,
        watch: &dyn Watch,
    ) -> Result<RecoveryPoint, ApiError> {
        volume_points::make(cx, object, unfinished, watch).await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

fn found(volume: &ApiVolume) -> Found<Spec> {
    let id = volume.volume_id().unwrap_or_default().to_owned();
    let attached = counted(volume);
    Found {
        identifiers: Vec::new(),
        attributes: attributes([("id", json!(id)), ("zone", json!(volume.availability_zone()))]),
        spec: Spec {
            zone: volume.availability_zone().unwrap_or_default().to_owned(),
            size: from_gib(volume.size()),
            volume_type: volume.volume_type().and_then(|t| VolumeType::from_api(t.as_str())),
            iops: volume.iops(),
            throughput: volume.throughput(),
            encrypted: volume.encrypted().unwrap_or(false),
            key: volume.kms_key_id().map(Ref::id),
            from_snapshot: volume.snapshot_id().filter(|s| !s.is_empty()).map(str::to_owned),
            multi_attach: Some(volume.multi_attach_enabled().unwrap_or(false)),
            attachment: attached.and_then(|a| {
                Some(VolumeAttachmentSpec { instance: Ref::id(a.instance_id()?), device: a.device()?.to_owned() })
            }),
            tags: None,
        },
        status: match volume.state() {
            Some(VolumeState::Creating) => Status::Pending("creating".to_owned()),
            Some(VolumeState::Error) => Status::Failed("error".to_owned()),
            Some(VolumeState::Deleting) => Status::Deleting,
            _ => Status::Ready,
        },
        tags: from_tags(volume.tags()),
        unread: Vec::new(),
        id,
    }
}

/// The attachment that counts as the declared one: the oldest, whatever others were added by hand.
fn counted(volume: &ApiVolume) -> Option<&VolumeAttachment> {
    let live = volume.attachments().iter().filter(|a| is_attached(a));
    live.min_by_key(|a| (a.attach_time().map(|t| t.secs()), a.instance_id()))
}

fn is_attached(attachment: &VolumeAttachment) -> bool {
    matches!(attachment.state(), Some(VolumeAttachmentState::Attached | VolumeAttachmentState::Attaching))
}

/// One volume; none if it is not there.
async fn describe(cx: &Context, id: &str) -> Result<Option<ApiVolume>, ApiError> {
    let ids = [id.to_owned()];
    let request = cx.ec2().describe_volumes().set_filters(Some(filters(&Selection::Ids(&ids), "volume-id")));
    let answer = cx.call("ec2:DescribeVolumes", request.send()).await?;
    Ok(answer.volumes.unwrap_or_default().into_iter().next())
}

/// Waits until a new volume can be used.
async fn available(cx: &Context, id: &str, watch: &dyn Watch) -> Result<(), ApiError> {
    cx.wait(watch, &format!("{id} to be available"), LIMIT, || async {
        match describe(cx, id).await?.as_ref().and_then(ApiVolume::state) {
            Some(VolumeState::Available | VolumeState::InUse) => Ok(Look::Done(())),
            Some(VolumeState::Error) => {
                let message = format!("{id} could not be made: its key or its snapshot may not be usable");
                Err(ApiError::new("ec2:CreateVolume", ErrorClass::Other, message))
            }
            now => Ok(Look::not(now.map(VolumeState::as_str))),
        }
    })
    .await
}

async fn attach(cx: &Context, id: &str, instance: &str, device: &str, watch: &dyn Watch) -> Result<(), ApiError> {
    let request = cx.ec2().attach_volume().volume_id(id).instance_id(instance).device(device);
    cx.call("ec2:AttachVolume", request.send()).await?;
    cx.wait(watch, &format!("{id} to be attached to {instance}"), LIMIT, || async {
        let volume = describe(cx, id).await?;
        let mut here = volume.iter().flat_map(ApiVolume::attachments).filter(|a| a.instance_id() == Some(instance));
        let now = here.next().and_then(|a| a.state());
        let attached = now == Some(&VolumeAttachmentState::Attached);
        Ok(Look::when(attached, now.map(VolumeAttachmentState::as_str)))
    })
    .await
}

/// Attaches a volume to another server or under another name, in place of the attachment that counted. Those of other
/// servers stay, where a volume can have several.
async fn reattach(cx: &Context, id: &str, instance: &str, device: &str, watch: &dyn Watch) -> Result<(), ApiError> {
    let volume = describe(cx, id).await?;
    let several = volume.as_ref().and_then(ApiVolume::multi_attach_enabled) == Some(true);
    let former = volume.as_ref().and_then(counted).and_then(|a| a.instance_id());
    let all = volume.as_ref().map(ApiVolume::attachments).unwrap_or_default();
    let there = several && former != Some(instance);
    let there = there && all.iter().any(|a| is_attached(a) && a.instance_id() == Some(instance));
    if !several || former.is_some() {
        detach(cx, id, former.filter(|_| several), watch).await?;
    }
    if there { Ok(()) } else { attach(cx, id, instance, device, watch).await }
}

/// Detaches a volume from a server, or from all, never by force: a server that still writes would lose what it has not
/// written.
async fn detach(cx: &Context, id: &str, from: Option<&str>, watch: &dyn Watch) -> Result<(), ApiError> {
    let Some(volume) = describe(cx, id).await? else { return Ok(()) };
    let live = |v: &ApiVolume| {
        v.attachments()
            .iter()
            .filter(|a| a.state() != Some(&VolumeAttachmentState::Detached))
            .filter_map(|a| Some((a.instance_id()?.to_owned(), a.state() == Some(&VolumeAttachmentState::Detaching))))
            .filter(|(server, _)| from.is_none_or(|from| from == server))
            .collect::<Vec<_>>()
    };
    let attached = live(&volume);
    if attached.is_empty() {
        return Ok(());
    }
    for (instance, leaving) in attached {
        if !leaving {
            let request = cx.ec2().detach_volume().volume_id(id).instance_id(instance);
            match cx.call("ec2:DetachVolume", request.send()).await {
                // The server itself may just have gone, which detaches too; the wait below tells.
                Err(e) if matches!(e.class, ErrorClass::NotFound | ErrorClass::Conflict) => {}
                other => drop(other?),
            }
        }
    }
    cx.wait(watch, &format!("{id} to be detached (unmount it if this takes long)"), LIMIT, || async {
        let servers: Vec<String> = describe(cx, id).await?.iter().flat_map(live).map(|(server, _)| server).collect();
        Ok(Look::when(servers.is_empty(), Some(&format!("attached to {}", servers.join(", ")))))
    })
    .await
}

/// Changes size, type and performance, and waits until the change is in force (the volume is optimised in the background).
async fn modify(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let operation = "ec2:ModifyVolume";
    let spec = update.want.spec;
    if let (Some(want), Some(have)) = (&spec.size, &update.before.size)
        && want.gib() < have.gib()
    {
        let message = format!(
            "a volume can't shrink from {have} to {want}: make a new volume beside it, copy the data, then remove this one"
        );
        return Err(ApiError::new(operation, ErrorClass::Invalid, message));
    }
    let request = cx
        .ec2()
        .modify_volume()
        .volume_id(update.id)
        .set_size(gib(spec.size.as_ref()).filter(|_| update.changed("size")))
        .set_volume_type(spec.volume_type.filter(|_| update.changed("type")).map(|t| t.api().into()))
        .set_iops(spec.iops.filter(|_| update.changed("iops") || update.changed("type")))
        .set_throughput(spec.throughput.filter(|_| update.changed("throughput") || update.changed("type")));
    cx.call(operation, request.send()).await?;
    modified(cx, update.id, update.want.watch).await
}

/// Waits until a volume's last change is in force.
pub(super) async fn modified(cx: &Context, id: &str, watch: &dyn Watch) -> Result<(), ApiError> {
    cx.wait(watch, &format!("the change of {id} to be in force"), CHANGED_WITHIN, || async {
        let request = cx.ec2().describe_volumes_modifications().volume_ids(id);
        let answer = cx.call("ec2:DescribeVolumesModifications", request.send()).await?;
        let last = answer.volumes_modifications().iter().max_by_key(|m| m.start_time().map(|t| t.secs()));
        match last.and_then(|m| m.modification_state()) {
            Some(now @ VolumeModificationState::Modifying) => Ok(Look::not(Some(now.as_str()))),
            Some(VolumeModificationState::Failed) => {
                let why = last.and_then(|m| m.status_message()).unwrap_or("no reason given");
                Err(ApiError::new("ec2:ModifyVolume", ErrorClass::Other, format!("the change failed: {why}")))
            }
            _ => Ok(Look::Done(())),
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::aws::script::Script;

    /// A volume of several servers, each since a day of January.
    fn attached(servers: &[(&str, u8)]) -> String {
        let each = servers.iter().map(|(server, day)| {
            format!(
                "<item><instanceId>{server}</instanceId><device>/dev/sdf</device><status>attached</status>\
                 <attachTime>2026-01-{day:02}T00:00:00.000Z</attachTime></item>"
            )
        });
        format!(
            "<volumeSet><item><volumeId>vol-1</volumeId><availabilityZone>a</availabilityZone><status>in-use</status>\
             <multiAttachEnabled>true</multiAttachEnabled><attachmentSet>{}</attachmentSet></item></volumeSet>",
            each.collect::<String>()
        )
    }

    fn on(server: &str) -> serde_json::Value {
        json!({"zone": "a", "attachment": {"instance": {"id": server}, "device": "/dev/sdf"}})
    }

    #[tokio::test]
    async fn a_server_that_was_added_by_hand_is_neither_read_nor_detached() {
        let script = Script::default()
            .ec2("DescribeVolumes", &attached(&[("i-b", 2), ("i-a", 1)]))
            .ec2("DescribeVolumes", &attached(&[("i-b", 2), ("i-a", 1)]))
            .ec2("DescribeVolumes", &attached(&[("i-b", 2)]))
            .ec2("DescribeVolumes", &attached(&[("i-b", 2), ("i-c", 3)]))
            .ec2("DetachVolume", "")
            .ec2("AttachVolume", "");
        script.update::<Volume>("vol-1", on("i-a"), on("i-c")).await.unwrap();
        let (gone, came) = (script.asked("DetachVolume"), script.asked("AttachVolume"));
        assert!(gone.len() == 1 && gone[0].contains("InstanceId=i-a"), "{gone:?}");
        assert!(came.len() == 1 && came[0].contains("InstanceId=i-c"), "{came:?}");
        let read = Script::default().ec2("DescribeVolumes", &attached(&[("i-b", 2), ("i-a", 1)]));
        assert_eq!(read.read::<Volume>().await.unwrap()[0].spec["attachment"]["instance"], json!({"id": "i-a"}));
    }

    #[tokio::test]
    async fn a_server_that_has_the_volume_already_gets_it_no_second_time() {
        let script = Script::default()
            .ec2("DescribeVolumes", &attached(&[("i-b", 1), ("i-a", 2)]))
            .ec2("DescribeVolumes", &attached(&[("i-b", 1), ("i-a", 2)]))
            .ec2("DescribeVolumes", &attached(&[("i-a", 2)]))
            .ec2("DetachVolume", "");
        let object = script.update::<Volume>("vol-1", on("i-b"), on("i-a")).await.unwrap();
        assert_eq!(object.spec["attachment"]["instance"], json!({"id": "i-a"}));
        assert!(script.asked("DetachVolume")[0].contains("InstanceId=i-b"));
    }

    fn problems(spec: serde_json::Value) -> Vec<String> {
        let spec: Spec = serde_json::from_value(spec).unwrap();
        let mut problems = Problems::default();
        Volume::validate(&spec, &mut problems);
        problems.0.into_iter().map(|p| p.path).collect()
    }

    #[test]
    fn a_volume_is_encrypted_and_needs_a_size() {
        let spec: Spec = serde_json::from_value(json!({"zone": "a", "size": "8GiB"})).unwrap();
        assert!(spec.encrypted);
        assert_eq!(problems(json!({"zone": "a"})), ["size"]);
        assert_eq!(problems(json!({"zone": "a", "size": "8GiB", "encrypted": false, "key": {"id": "k"}})), ["key"]);
        assert_eq!(problems(json!({"zone": "a", "size": "8GiB", "multi_attach": true})), ["multi_attach"]);
    }
}
