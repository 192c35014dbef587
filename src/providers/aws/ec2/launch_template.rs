//! `launch_template`: what servers of a group are launched with, in numbered versions.
//!
//! Nothing but the name forces replacement: every other change makes a new version, written whole (never from a source version, which would
//! keep what was removed), and then makes it the default one. The template *is* its default version: that is what is
//! compared, so a default that was moved by hand is drift, and an update that was cut off between the two calls is done
//! again by the next plan, which leaves an unused version behind and no wrong one in use.
//!
//! A group follows the template by `template_version: "{{ template.default_version }}"` (or `latest_version`, the same
//! number after every apply): both attributes change with every update, so the group's update comes after the template's
//! in the same plan.
//!
//! The default versions of all templates come in pages, in one call without an id; where the endpoint refuses that (some
//! emulators), one call a template is made.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplateVersion.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{Filter, LaunchTemplate as ApiTemplate, LaunchTemplateVersion, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::launch_template_data::{from_api, to_api};
use super::security_group::SecurityGroup;
use super::server::{
    CpuOptions, Credits, MetadataOptions, ServerTenancy, ShutdownBehaviour, VolumeType, check_key, check_performance,
    check_user_data, yes,
};
use super::subnet::Subnet;
use super::{attributes, filters, from_tags, retag, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::Owner;
use crate::model::preflight::View;
use crate::model::types::{Image, Ref, Size};
use crate::providers::aws::client::Context;
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs, Quota, Tally, Use};
use crate::providers::aws::words::words;

/// Device names under which images have their root disk; any other is an extra disk.
pub(super) const ROOT_DEVICES: [&str; 2] = ["/dev/xvda", "/dev/sda1"];

/// The kind `launch_template`.
pub struct LaunchTemplate;

/// What servers of a group are launched with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name; derived from the address if left out. An object that replaces another one can't have the same name
    /// unless `lifecycle.replacement` is `delete_first`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 128), regex(pattern = r"^[A-Za-z0-9()./_-]+$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// Machine image.
    #[schemars(extend("x-fingerprint" = true))]
    pub image: Image,
    /// Instance type, such as `m7g.large`. A group with a mix of types may leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// Name of a key pair for SSH.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// What the server does at its first boot (cloud-init), 16 KiB at most; encoded by saiken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-text" = "text"))]
    pub user_data: Option<String>,
    /// Role of the server's software, by its instance profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Ref<Role>>,
    /// Security groups; not together with `network_interfaces`, which have their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub security_groups: Option<Vec<Ref<SecurityGroup>>>,
    /// Network interfaces, where one needs more than security groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_interfaces: Option<Vec<TemplateInterface>>,
    /// The metadata service; session tokens are required unless said otherwise.
    #[serde(default)]
    pub metadata: MetadataOptions,
    /// Metrics every minute rather than every five.
    #[serde(default = "yes")]
    pub monitoring: bool,
    /// Bandwidth of its own for volumes (most types always have it).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ebs_optimized: Option<bool>,
    /// The disk that the server boots from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_disk: Option<TemplateRootDisk>,
    /// Further disks, by device name such as `/dev/sdf`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disks: Option<BTreeMap<String, TemplateDisk>>,
    /// Launch spot instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot: Option<SpotOptions>,
    /// CPU credits of burstable types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credits: Option<Credits>,
    /// Hardware that servers run on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenancy: Option<ServerTenancy>,
    /// Name of a placement group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement_group: Option<String>,
    /// CPU cores and threads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<CpuOptions>,
    /// Whether servers can hibernate; needs an encrypted root disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hibernation: Option<bool>,
    /// Whether servers can hold enclaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enclave: Option<bool>,
    /// Whether a server whose hardware fails is recovered on other hardware.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_recovery: Option<bool>,
    /// Whether the API refuses to terminate servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_protection: Option<bool>,
    /// Whether the API refuses to stop servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_protection: Option<bool>,
    /// What a shutdown from inside a server does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shutdown: Option<ShutdownBehaviour>,
    /// ARNs of licence configurations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub licenses: Option<Vec<String>>,
    /// Which capacity reservations servers may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_reservation: Option<ReservationUse>,
    /// Tags of the servers; project and environment are added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_tags: Option<BTreeMap<String, String>>,
    /// Tags of their disks; project and environment are added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_tags: Option<BTreeMap<String, String>>,
    /// A note on the version, 255 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub description: Option<String>,
    /// Tags of the template itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// The disk that a server of a template boots from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateRootDisk {
    /// Name that the image gives its root disk: `/dev/xvda` (Amazon Linux, Debian) or `/dev/sda1` (Ubuntu, Windows).
    #[serde(default = "root_device")]
    pub device: String,
    /// Size, whole GiB; the image's own if left out.
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
    /// Key that encrypts it; the account's default key if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Ref<Key>>,
    /// Whether it goes with the server.
    #[serde(default = "yes")]
    pub delete_on_termination: bool,
}

/// A further disk of a template's servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateDisk {
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
    /// Key that encrypts it; the account's default key if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Ref<Key>>,
    /// Id of a snapshot that it is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_snapshot: Option<String>,
    /// Whether it goes with the server.
    #[serde(default = "yes")]
    pub delete_on_termination: bool,
}

/// A network interface of a template's servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplateInterface {
    /// Place of the interface on the server; 0 is the first.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub index: i32,
    /// Whether it gets a public IPv4 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_address: Option<bool>,
    /// Its subnet; a group gives its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Ref<Subnet>>,
    /// Its security groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub security_groups: Option<Vec<Ref<SecurityGroup>>>,
    /// Its first private IPv4 address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_ip: Option<String>,
    /// How many further private IPv4 addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub secondary_addresses: Option<i32>,
    /// How many IPv6 addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub ipv6_addresses: Option<i32>,
    /// Whether it goes with the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_on_termination: Option<bool>,
    /// A note.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Spot instances: cheaper, and taken away when the capacity is needed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpotOptions {
    /// Most that an hour may cost, in US dollars as text; the on-demand price if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_price: Option<String>,
    /// What happens to a server that is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interruption: Option<SpotInterruption>,
}

words! {
    /// What happens to a spot instance that is taken away.
    SpotInterruption {
        /// Terminated.
        Terminate = "terminate",
        /// Stopped.
        Stop = "stop",
        /// Hibernated.
        Hibernate = "hibernate",
    }
}

words! {
    /// Which capacity reservations may be used.
    ReservationUse {
        /// Any open one that fits.
        Open = "open",
        /// None.
        None = "none",
        /// Nothing else: without a reservation the launch fails.
        Only = "capacity-reservations-only",
    }
}

fn root_device() -> String {
    ROOT_DEVICES[0].to_owned()
}

impl Kind for LaunchTemplate {
    const NAME: &'static str = "launch_template";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "template of servers, in versions",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateLaunchTemplate.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "Id, lt-…"),
                    Attribute::stable("name", "Name"),
                    Attribute::changing("default_version", "Number of the default version, as text"),
                    Attribute::changing("latest_version", "Number of the newest version, as text"),
                ]
            },
            permissions: Permissions {
                read: &["ec2:DescribeLaunchTemplates", "ec2:DescribeLaunchTemplateVersions"],
                create: &["ec2:CreateLaunchTemplate", "ec2:CreateTags"],
                update: &[
                    "ec2:CreateLaunchTemplateVersion",
                    "ec2:ModifyLaunchTemplate",
                    "ec2:CreateTags",
                    "ec2:DeleteTags",
                ],
                delete: &["ec2:DeleteLaunchTemplate"],
            },
            name_limit: 128,
            creation_seconds: 1,
            deletion_seconds: 1,
            quota: 5000,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        check_user_data(spec.user_data.as_ref(), problems);
        if spec.network_interfaces.as_ref().is_some_and(|i| !i.is_empty()) && spec.security_groups.is_some() {
            problems.add(
                "security_groups",
                "a template with `network_interfaces` can't have security groups beside them",
                "move them into the interface's `security_groups`",
            );
        }
        if let Some(disk) = &spec.root_disk {
            if !ROOT_DEVICES.contains(&disk.device.as_str()) {
                let message = format!("`{}` is not a name of a root disk", disk.device);
                problems.add("root_disk.device", message, "use /dev/xvda or /dev/sda1, as the image has it");
            }
            check_performance("root_disk", disk.volume_type, disk.iops, disk.throughput, problems);
            check_key("root_disk", disk.encrypted, disk.key.as_ref(), problems);
        }
        for (device, disk) in spec.disks.iter().flatten() {
            let path = format!("disks.{device}");
            if ROOT_DEVICES.contains(&device.as_str()) {
                let message = format!("`{device}` is the name of a root disk");
                problems.add(path.as_str(), message, "declare it as `root_disk`");
            }
            if disk.size.is_none() && disk.from_snapshot.is_none() {
                problems.add(path.as_str(), "a disk needs a size", "give `size`, or `from_snapshot`");
            }
            check_performance(&path, disk.volume_type, disk.iops, disk.throughput, problems);
            check_key(&path, disk.encrypted, disk.key.as_ref(), problems);
        }
        let encrypted = spec.root_disk.as_ref().is_some_and(|d| d.encrypted);
        if spec.hibernation == Some(true) && !encrypted {
            problems.add(
                "hibernation",
                "hibernation writes memory to the root disk, which must be encrypted",
                "declare `root_disk: {}`",
            );
        }
    }
}

/// <https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html>
static TEMPLATES: Quota = Quota::new("ec2", "L-FB451C26", "Launch templates");

#[async_trait]
impl Checked for LaunchTemplate {
    fn needs() -> Needs {
        Needs { resource: "launch-template/*", only_for: &[] }
    }

    fn uses(_: &View<'_>) -> Vec<Use> {
        vec![Use::one(&TEMPLATES)]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        let request = cx.ec2().describe_launch_templates().max_results(200);
        let pages = cx.pages("ec2:DescribeLaunchTemplates", request.into_paginator().send()).await?;
        Ok(Some(Tally::of(pages.iter().flat_map(|p| p.launch_templates()).map(|_| Use::one(&TEMPLATES)))))
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        view.own_name().map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let mut holders = Vec::new();
        for some in names.chunks(200) {
            // By a filter: a name that is not there would fail the whole call.
            let values = some.iter().map(|n| n.name.clone()).collect();
            let filter = Filter::builder().name("launch-template-name").set_values(Some(values)).build();
            let request = cx.ec2().describe_launch_templates().filters(filter).max_results(200);
            let pages = cx.pages("ec2:DescribeLaunchTemplates", request.into_paginator().send()).await?;
            holders.extend(pages.iter().flat_map(|p| p.launch_templates()).map(|template| Holder {
                name: Name::new(template.launch_template_name().unwrap_or_default()),
                id: template.launch_template_id().unwrap_or_default().to_owned(),
                owner: Owner::from_tags(&from_tags(template.tags())),
            }));
        }
        Ok(holders)
    }
}

#[async_trait]
impl AwsKind for LaunchTemplate {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let templates = templates(cx, &read.selection).await?;
        let mut versions = default_versions(cx, &templates).await?;
        let mut all = Vec::with_capacity(templates.len());
        for template in &templates {
            let id = template.launch_template_id().unwrap_or_default();
            // Without a version it was deleted between the two calls.
            if let Some(version) = versions.remove(id) {
                all.push(found(template, &version)?);
            }
        }
        Ok(all)
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let request = cx
            .ec2()
            .create_launch_template()
            .launch_template_name(want.spec.name.as_deref().unwrap_or(want.name))
            .client_token(want.token)
            .set_version_description(want.spec.description.clone())
            .launch_template_data(to_api(want, &want.spec.image)?)
            .tag_specifications(tag_specification(ResourceType::LaunchTemplate, want.tags));
        let call = async {
            let answer = cx.call("ec2:CreateLaunchTemplate", request.send()).await?;
            Ok(answer.launch_template().and_then(|t| t.launch_template_id()).unwrap_or_default().to_owned())
        };
        // The name is taken if a run with another token made it.
        create_once::<Self>(cx, want, None, call).await
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let want = &update.want;
        // An image query that now has a newer answer is no change: the version in use keeps its image.
        let image = if update.changed("image") { &want.spec.image } else { &update.before.image };
        let request = cx
            .ec2()
            .create_launch_template_version()
            .launch_template_id(update.id)
            .client_token(want.token)
            .set_version_description(want.spec.description.clone())
            .launch_template_data(to_api(want, image)?);
        let answer = cx.call("ec2:CreateLaunchTemplateVersion", request.send()).await?;
        let number = answer.launch_template_version().and_then(|v| v.version_number()).ok_or_else(|| {
            let message = "the answer names no version";
            ApiError::new("ec2:CreateLaunchTemplateVersion", ErrorClass::Other, message)
        })?;
        let request =
            cx.ec2().modify_launch_template().launch_template_id(update.id).default_version(number.to_string());
        cx.call("ec2:ModifyLaunchTemplate", request.send()).await.map(|_| ())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.ec2().delete_launch_template().launch_template_id(delete.id);
        cx.call("ec2:DeleteLaunchTemplate", request.send()).await.map(|_| ())
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

/// The templates of a selection. The API has no filter by id, and fails if one of several ids is not there.
async fn templates(cx: &Context, selection: &Selection<'_>) -> Result<Vec<ApiTemplate>, ApiError> {
    let operation = "ec2:DescribeLaunchTemplates";
    let Selection::Ids(ids) = selection else {
        let request = cx.ec2().describe_launch_templates().set_filters(Some(filters(selection, ""))).max_results(200);
        let pages = cx.pages(operation, request.into_paginator().send()).await?;
        return Ok(pages.into_iter().flat_map(|p| p.launch_templates.unwrap_or_default()).collect());
    };
    let mut all = Vec::with_capacity(ids.len());
    for id in *ids {
        match cx.call(operation, cx.ec2().describe_launch_templates().launch_template_ids(id).send()).await {
            Ok(answer) => all.extend(answer.launch_templates.unwrap_or_default()),
            Err(e) if e.class == ErrorClass::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(all)
}

/// The default version of each template, by the template's id.
async fn default_versions(
    cx: &Context,
    templates: &[ApiTemplate],
) -> Result<BTreeMap<String, LaunchTemplateVersion>, ApiError> {
    let operation = "ec2:DescribeLaunchTemplateVersions";
    let mut all = BTreeMap::new();
    if templates.len() > 1 {
        let request = cx.ec2().describe_launch_template_versions().versions("$Default").max_results(200);
        match cx.pages(operation, request.into_paginator().send()).await {
            Ok(pages) => {
                let versions = pages.into_iter().flat_map(|p| p.launch_template_versions.unwrap_or_default());
                all.extend(versions.filter_map(|v| Some((v.launch_template_id()?.to_owned(), v))));
            }
            Err(e) if e.class == ErrorClass::Invalid => {
                tracing::debug!(error = %e, "no page of all templates' versions; one call for each");
            }
            Err(e) => return Err(e),
        }
    }
    // What the pages left out must not be taken for absent.
    let rest = templates.iter().filter_map(ApiTemplate::launch_template_id).filter(|id| !all.contains_key(*id));
    let reads = rest.map(|id| async move {
        let request = cx.ec2().describe_launch_template_versions().launch_template_id(id).versions("$Default");
        match cx.call(operation, request.send()).await {
            Ok(answer) => Ok(answer.launch_template_versions.unwrap_or_default()),
            Err(e) if e.class == ErrorClass::NotFound => Ok(Vec::new()),
            Err(e) => Err(e),
        }
    });
    let read = futures::future::try_join_all(reads).await?;
    all.extend(read.into_iter().flatten().filter_map(|v| Some((v.launch_template_id()?.to_owned(), v))));
    Ok(all)
}

fn found(template: &ApiTemplate, version: &LaunchTemplateVersion) -> Result<Found<Spec>, ApiError> {
    let id = template.launch_template_id().unwrap_or_default().to_owned();
    let name = template.launch_template_name().unwrap_or_default().to_owned();
    let text = |number: Option<i64>| json!(number.map(|n| n.to_string()));
    Ok(Found {
        attributes: attributes([
            ("id", json!(id)),
            ("name", json!(name)),
            ("default_version", text(template.default_version_number())),
            ("latest_version", text(template.latest_version_number())),
        ]),
        spec: Spec { name: Some(name.clone()), ..from_api(version) },
        identifiers: vec![name],
        tags: from_tags(template.tags()),
        status: Status::Ready,
        unread: Vec::new(),
        id,
    })
}

#[cfg(test)]
mod tests;
