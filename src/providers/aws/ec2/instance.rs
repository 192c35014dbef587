//! `instance`: one server.
//!
//! A change of `image`, `subnet`, `private_ip`, `user_data` (read only at the first boot), `key_name`, `tenancy`,
//! `hibernation`, `public_address`, `ipv6_addresses`, `disks`, `placement_group`, `cpu`, or of the root disk's encryption
//! makes a new server necessary. A change of `instance_type` or `ebs_optimized` stops the server and starts it again; all
//! else changes while it runs.
//!
//! The kind is not data-bearing: what must outlive a server belongs on a `volume`, which can be attached to its successor.
//! The root disk goes with the server unless `delete_on_termination: false`.
//!
//! User data, the two protections, the shutdown behaviour and CPU credits have no page: each costs one call a server and is
//! read only where declared. A termination protection that is on is never lifted on the quiet: deleting fails with the
//! API's error until the protection is off in the files and applied.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::instance_calls as calls;
use super::retag;
use super::security_group::SecurityGroup;
use super::server::{
    CpuOptions, Credits, MetadataOptions, ServerTenancy, ShutdownBehaviour, VolumeType, check_key, check_performance,
    check_user_data, yes,
};
use super::subnet::Subnet;
use crate::model::cloud::ApiError;
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::Object;
use crate::model::preflight::View;
use crate::model::types::{Image, Ref, Size};
use crate::providers::aws::client::Context;
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Tags, Update};
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::preflight::kind::{Checked, Needs, Servers};

/// The kind `instance`.
pub struct Instance;

/// One server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Machine image.
    #[schemars(extend("x-change" = "replace", "x-fingerprint" = true))]
    pub image: Image,
    /// Instance type, such as `m7g.large`. The new type must have the image's architecture.
    #[schemars(extend("x-change" = "interrupts"))]
    pub instance_type: String,
    /// Its subnet.
    #[schemars(extend("x-change" = "replace"))]
    pub subnet: Ref<Subnet>,
    /// Its first private IPv4 address; any of the subnet's if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub private_ip: Option<String>,
    /// Whether it gets a public IPv4 address; as the subnet says if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub public_address: Option<bool>,
    /// How many IPv6 addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("x-change" = "replace"))]
    pub ipv6_addresses: Option<i32>,
    /// Security groups; the network's default one if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub security_groups: Option<Vec<Ref<SecurityGroup>>>,
    /// Role of the server's software, by its instance profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Ref<Role>>,
    /// What the server does at its first boot (cloud-init), 16 KiB at most; encoded by saiken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace", "x-text" = "text", "x-fingerprint" = true, "x-deep" = true))]
    pub user_data: Option<String>,
    /// Name of a key pair for SSH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub key_name: Option<String>,
    /// The disk that it boots from; encrypted unless said otherwise.
    #[serde(default)]
    pub root_disk: ServerRootDisk,
    /// Further disks made with the server, by device name such as `/dev/sdf`. To keep or grow a disk, use a `volume`.
    /// Compared by what was declared, so that a disk attached by hand later is no reason to replace the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace", "x-fingerprint" = true))]
    pub disks: Option<BTreeMap<String, ServerDisk>>,
    /// The metadata service; session tokens are required unless said otherwise.
    #[serde(default)]
    pub metadata: MetadataOptions,
    /// Metrics every minute rather than every five.
    #[serde(default = "yes")]
    pub monitoring: bool,
    /// Whether the API refuses to terminate it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub termination_protection: Option<bool>,
    /// Whether the API refuses to stop it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub stop_protection: Option<bool>,
    /// What a shutdown from inside does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub shutdown: Option<ShutdownBehaviour>,
    /// Whether it may only send and receive packets of its own addresses; false for routers and NAT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_dest_check: Option<bool>,
    /// Bandwidth of its own for volumes (most types always have it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub ebs_optimized: Option<bool>,
    /// CPU credits of burstable types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub credits: Option<Credits>,
    /// Whether it can hibernate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub hibernation: Option<bool>,
    /// Hardware that it runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub tenancy: Option<ServerTenancy>,
    /// Name of a placement group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub placement_group: Option<String>,
    /// CPU cores and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub cpu: Option<CpuOptions>,
    /// Whether it runs (true) or is stopped (false).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub running: Option<bool>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// The disk that a server boots from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerRootDisk {
    /// Size, whole GiB; it can only grow. The image's own if left out.
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
    /// Whether it goes with the server.
    #[serde(default = "yes")]
    pub delete_on_termination: bool,
}

impl Default for ServerRootDisk {
    fn default() -> Self {
        Self {
            size: None,
            volume_type: None,
            iops: None,
            throughput: None,
            encrypted: true,
            key: None,
            delete_on_termination: true,
        }
    }
}

/// A further disk of a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerDisk {
    /// Size, whole GiB; the snapshot's own if left out.
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
    pub encrypted: bool,
    /// Key that encrypts it (by ARN, if it is not owned); the account's default key if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Ref<Key>>,
    /// Id of a snapshot that it is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_snapshot: Option<String>,
    /// Whether it goes with the server.
    #[serde(default = "yes")]
    pub delete_on_termination: bool,
}

impl Kind for Instance {
    const NAME: &'static str = "instance";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "server",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_RunInstances.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Id, i-…"),
                    Attribute::stable("zone", "Zone it is in"),
                    Attribute::stable("private_ip", "First private IPv4 address"),
                    Attribute::stable("private_dns", "Private DNS name"),
                    Attribute::changing("public_ip", "Public IPv4 address, while it runs"),
                    Attribute::changing("public_dns", "Public DNS name, while it runs"),
                    Attribute::stable("network_interface", "Id of the first network interface, eni-…"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "ec2:DescribeInstances",
                    "ec2:DescribeVolumes",
                    "ec2:DescribeInstanceAttribute",
                    "ec2:DescribeInstanceCreditSpecifications",
                ],
                create: &[
                    "ec2:RunInstances",
                    "ec2:CreateTags",
                    "ec2:DescribeImages",
                    "ec2:ModifyInstanceAttribute",
                    "ec2:StopInstances",
                    "iam:PassRole",
                ],
                update: &[
                    "ec2:ModifyInstanceAttribute",
                    "ec2:ModifyInstanceMetadataOptions",
                    "ec2:ModifyInstanceCreditSpecification",
                    "ec2:ModifyNetworkInterfaceAttribute",
                    "ec2:ModifyVolume",
                    "ec2:DescribeVolumesModifications",
                    "ec2:MonitorInstances",
                    "ec2:UnmonitorInstances",
                    "ec2:DescribeIamInstanceProfileAssociations",
                    "ec2:AssociateIamInstanceProfile",
                    "ec2:ReplaceIamInstanceProfileAssociation",
                    "ec2:StopInstances",
                    "ec2:StartInstances",
                    "ec2:CreateTags",
                    "ec2:DeleteTags",
                    "iam:PassRole",
                ],
                delete: &["ec2:TerminateInstances"],
            },
            name_limit: 0,
            creation_seconds: 40,
            deletion_seconds: 40,
            quota: 100,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        check_user_data(spec.user_data.as_ref(), problems);
        let root = &spec.root_disk;
        check_performance("root_disk", root.volume_type, root.iops, root.throughput, problems);
        check_key("root_disk", root.encrypted, root.key.as_ref(), problems);
        for (device, disk) in spec.disks.iter().flatten() {
            let path = format!("disks.{device}");
            if disk.size.is_none() && disk.from_snapshot.is_none() {
                problems.add(path.as_str(), "a disk needs a size", "give `size`, or `from_snapshot`");
            }
            check_performance(&path, disk.volume_type, disk.iops, disk.throughput, problems);
            check_key(&path, disk.encrypted, disk.key.as_ref(), problems);
        }
        if spec.hibernation == Some(true) && !root.encrypted {
            let message = "hibernation writes memory to the root disk, which must be encrypted";
            problems.add("hibernation", message, "remove `encrypted: false` from `root_disk`");
        }
    }
}

#[async_trait]
impl Checked for Instance {
    fn needs() -> Needs {
        Needs {
            resource: "instance/*",
            only_for: &[
                ("ec2:DescribeImages", &[]),
                ("ec2:StopInstances", &[]),
                ("ec2:StartInstances", &["running", "instance_type"]),
                ("ec2:ModifyInstanceAttribute", &[]),
                ("ec2:ModifyNetworkInterfaceAttribute", &[]),
                ("iam:PassRole", &["role"]),
                ("ec2:ModifyInstanceMetadataOptions", &["metadata"]),
                ("ec2:ModifyInstanceCreditSpecification", &["credits"]),
                ("ec2:ModifyVolume", &["root_disk"]),
                ("ec2:DescribeVolumesModifications", &["root_disk"]),
                ("ec2:MonitorInstances", &["monitoring"]),
                ("ec2:UnmonitorInstances", &[]),
                ("ec2:DescribeIamInstanceProfileAssociations", &["role"]),
                ("ec2:AssociateIamInstanceProfile", &[]),
                ("ec2:ReplaceIamInstanceProfileAssociation", &[]),
            ],
        }
    }

    fn servers<'a>(view: &View<'a>) -> Option<Servers<'a>> {
        let stopped = view.spec.get("running") == Some(&serde_json::Value::Bool(false));
        Some(Servers {
            types: vec![view.text("instance_type")?],
            zones: view.zones("subnet"),
            on_demand: Some(u64::from(!stopped)),
            everywhere: true,
        })
    }
}

#[async_trait]
impl AwsKind for Instance {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        calls::read(cx, read).await
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        calls::create(cx, want).await
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        calls::update(cx, update).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        calls::delete(cx, delete).await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_server_is_safe_unless_said_otherwise() {
        let spec: Spec =
            serde_json::from_value(json!({"image": "ami-1", "instance_type": "t3.micro", "subnet": "n/a"})).unwrap();
        assert_eq!(
            serde_json::to_value(&spec).unwrap(),
            json!({
                "image": "ami-1", "instance_type": "t3.micro", "subnet": "n/a", "monitoring": true,
                "root_disk": {"encrypted": true, "delete_on_termination": true}, "metadata": {"tokens": "required"},
            })
        );
    }

    #[test]
    fn hibernation_without_encryption_is_refused() {
        let spec: Spec = serde_json::from_value(json!({
            "image": "ami-1", "instance_type": "t3.micro", "subnet": "n/a",
            "hibernation": true, "root_disk": {"encrypted": false},
        }))
        .unwrap();
        let mut problems = Problems::default();
        Instance::validate(&spec, &mut problems);
        assert_eq!(problems.0[0].path, "hibernation");
    }
}
