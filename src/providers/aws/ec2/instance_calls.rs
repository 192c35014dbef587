//! The calls of the kind `instance`.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_ec2::types::{
    AttributeValue, BlockDeviceMapping, CpuOptionsRequest, CreditSpecificationRequest, EbsBlockDevice,
    EbsInstanceBlockDeviceSpecification, Filter, HibernationOptionsRequest, IamInstanceProfileAssociationState,
    IamInstanceProfileSpecification, Instance as ApiInstance, InstanceAttributeName,
    InstanceBlockDeviceMappingSpecification, InstanceCreditSpecificationRequest, InstanceMetadataOptionsRequest,
    InstanceMetadataOptionsResponse, InstanceNetworkInterface, InstanceNetworkInterfaceSpecification,
    InstanceStateName, InstanceType, MonitoringState, Placement, ResourceType, RunInstancesMonitoringEnabled,
    ShutdownBehavior, Tag, Tenancy, Volume as ApiVolume,
};
use serde_json::json;

use super::instance::{ServerDisk, ServerRootDisk, Spec};
use super::server::{
    CpuOptions, Credits, MetadataOptions, MetadataTokens, ServerTenancy, ShutdownBehaviour, VolumeType,
    decode_user_data, from_gib, gib, image_id, key_arn, launched_tags, profile, profile_name, switch,
};
use super::volume::modified;
use super::{attributes, boolean, filters, from_tags, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::observed::Status;
use crate::model::ownership;
use crate::model::types::{Image, Ref};
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::kind::{Create, Delete, Found, Read, Selection, Update};

/// Longest wait for a server to start or to stop.
const LIMIT: Duration = Duration::from_secs(900);
/// Tag: `true` on a server from before it is stopped to be changed until it runs again. Where `running` is not declared, nothing
/// else tells the next run that a server which stands still is to be started.
const RESTART: &str = "saiken:restart";

/// Owner of the public addresses that servers get at their launch; elastic ones are an account's.
const AMAZON: &str = "amazon";

type Volumes = BTreeMap<String, ApiVolume>;

/// Reads servers in pages, their disks in pages, and the deep fields one by one.
pub(super) async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
    let mut filters = filters(&read.selection, "instance-id");
    if matches!(read.selection, Selection::Owned { .. }) {
        // Servers of groups carry project and environment too, but no address.
        filters.push(Filter::builder().name("tag-key").values(ownership::ADDRESS).build());
    }
    let request = cx.ec2().describe_instances().set_filters(Some(filters)).max_results(500);
    let pages = cx.pages("ec2:DescribeInstances", request.into_paginator().send()).await?;
    let instances: Vec<&ApiInstance> = pages
        .iter()
        .flat_map(|p| p.reservations())
        .flat_map(|r| r.instances())
        .filter(|i| state(i) != Some(&InstanceStateName::Terminated))
        .collect();
    let volumes = volumes(cx, &instances).await?;
    futures::future::try_join_all(instances.into_iter().map(|i| found(cx, read, i, &volumes))).await
}

fn state(instance: &ApiInstance) -> Option<&InstanceStateName> {
    instance.state().and_then(|s| s.name())
}

/// The disks of servers, by id. A filter takes 200 values.
async fn volumes(cx: &Context, instances: &[&ApiInstance]) -> Result<Volumes, ApiError> {
    let ids: Vec<String> = instances.iter().filter_map(|i| i.instance_id()).map(str::to_owned).collect();
    let mut all = Volumes::new();
    for chunk in ids.chunks(200) {
        let filter = Filter::builder().name("attachment.instance-id").set_values(Some(chunk.to_vec())).build();
        let request = cx.ec2().describe_volumes().filters(filter).max_results(500);
        let pages = cx.pages("ec2:DescribeVolumes", request.into_paginator().send()).await?;
        let found = pages.into_iter().flat_map(|p| p.volumes.unwrap_or_default());
        all.extend(found.filter_map(|v| Some((v.volume_id()?.to_owned(), v))));
    }
    Ok(all)
}

async fn found(
    cx: &Context,
    read: &Read<'_>,
    instance: &ApiInstance,
    volumes: &Volumes,
) -> Result<Found<Spec>, ApiError> {
    let id = instance.instance_id().unwrap_or_default().to_owned();
    let tags = from_tags(instance.tags());
    let mut spec = observed(instance, volumes);
    let mut unread = Vec::new();
    let gone = state(instance) == Some(&InstanceStateName::ShuttingDown);
    for field in ["user_data", "termination_protection", "stop_protection", "shutdown", "credits"] {
        if gone || !read.wants(field, &tags) {
            unread.push(field);
        } else {
            read_deep(cx, &id, field, &mut spec).await?;
        }
    }
    if tags.contains_key(RESTART) {
        // Half changed: a type that is no type differs from all, so that the next run finishes it.
        spec.instance_type.clear();
    }
    if spec.public_address.is_none() {
        unread.push("public_address");
    }
    let first = first_interface(instance);
    Ok(Found {
        identifiers: Vec::new(),
        attributes: attributes([
            ("id", json!(id)),
            ("zone", json!(instance.placement().and_then(|p| p.availability_zone()))),
            ("private_ip", json!(instance.private_ip_address())),
            ("private_dns", json!(instance.private_dns_name())),
            ("public_ip", json!(instance.public_ip_address())),
            ("public_dns", json!(instance.public_dns_name().filter(|d| !d.is_empty()))),
            ("network_interface", json!(first.and_then(|n| n.network_interface_id()))),
        ]),
        status: match state(instance) {
            Some(InstanceStateName::Pending) => Status::Pending("pending".to_owned()),
            Some(InstanceStateName::ShuttingDown) => Status::Deleting,
            _ => Status::Ready,
        },
        spec,
        tags,
        unread,
        id,
    })
}

fn observed(instance: &ApiInstance, volumes: &Volumes) -> Spec {
    let placement = instance.placement();
    let (root_disk, disks) = observed_disks(instance, volumes);
    let interface = first_interface(instance);
    Spec {
        image: Image::Id(instance.image_id().unwrap_or_default().to_owned()),
        instance_type: instance.instance_type().map(|t| t.as_str().to_owned()).unwrap_or_default(),
        subnet: Ref::id(instance.subnet_id().unwrap_or_default()),
        private_ip: instance.private_ip_address().map(str::to_owned),
        public_address: observed_public_address(instance),
        ipv6_addresses: interface.and_then(|n| i32::try_from(n.ipv6_addresses().len()).ok()),
        // Those of the first interface, which is what `security_groups` is written to.
        security_groups: Some(
            interface
                .map_or_else(|| instance.security_groups(), |n| n.groups())
                .iter()
                .filter_map(|g| g.group_id())
                .map(Ref::id)
                .collect(),
        ),
        role: instance.iam_instance_profile().and_then(|p| p.arn()).map(|arn| Ref::id(profile_name(arn))),
        user_data: None,
        key_name: instance.key_name().map(str::to_owned),
        root_disk,
        disks: Some(disks),
        metadata: instance
            .metadata_options()
            .map(observed_metadata)
            .unwrap_or(MetadataOptions { tokens: MetadataTokens::Optional, ..MetadataOptions::default() }),
        monitoring: matches!(
            instance.monitoring().and_then(|m| m.state()),
            Some(MonitoringState::Enabled | MonitoringState::Pending)
        ),
        termination_protection: None,
        stop_protection: None,
        shutdown: None,
        source_dest_check: several_interfaces(instance)
            .map_or_else(|| instance.source_dest_check(), InstanceNetworkInterface::source_dest_check),
        ebs_optimized: instance.ebs_optimized(),
        credits: None,
        hibernation: Some(instance.hibernation_options().and_then(|h| h.configured()).unwrap_or(false)),
        tenancy: placement.and_then(|p| p.tenancy()).and_then(|t| ServerTenancy::from_api(t.as_str())),
        placement_group: placement.and_then(|p| p.group_name()).filter(|g| !g.is_empty()).map(str::to_owned),
        cpu: instance
            .cpu_options()
            .map(|c| CpuOptions { cores: c.core_count(), threads_per_core: c.threads_per_core() }),
        running: Some(matches!(state(instance), Some(InstanceStateName::Running | InstanceStateName::Pending))),
        tags: None,
    }
}

/// The interface that a server was launched with.
fn first_interface(instance: &ApiInstance) -> Option<&InstanceNetworkInterface> {
    instance.network_interfaces().iter().min_by_key(|n| n.attachment().and_then(|a| a.device_index()))
}

/// The first interface of a server that has several: the API then changes no attribute of them through the server.
fn several_interfaces(instance: &ApiInstance) -> Option<&InstanceNetworkInterface> {
    first_interface(instance).filter(|_| instance.network_interfaces().len() > 1)
}

/// Whether a server got a public address at its launch, as far as that shows: a stopped one has none for the time being, and
/// an elastic one hides whether there was one before.
fn observed_public_address(instance: &ApiInstance) -> Option<bool> {
    let owner = first_interface(instance).and_then(|n| n.association()?.ip_owner_id());
    let shows = state(instance) == Some(&InstanceStateName::Running) && owner.is_none_or(|owner| owner == AMAZON);
    shows.then(|| instance.public_ip_address().is_some())
}

fn observed_metadata(options: &InstanceMetadataOptionsResponse) -> MetadataOptions {
    MetadataOptions {
        tokens: options
            .http_tokens()
            .and_then(|t| MetadataTokens::from_api(t.as_str()))
            .unwrap_or(MetadataTokens::Optional),
        hop_limit: options.http_put_response_hop_limit(),
        endpoint: options.http_endpoint().map(|e| e.as_str() == switch(true)),
        ipv6: options.http_protocol_ipv6().map(|p| p.as_str() == switch(true)),
        tags: options.instance_metadata_tags().map(|t| t.as_str() == switch(true)),
    }
}

/// The root disk and the others. Volumes with an owner of their own (kind `volume`) are not the server's.
fn observed_disks(instance: &ApiInstance, volumes: &Volumes) -> (ServerRootDisk, BTreeMap<String, ServerDisk>) {
    // A server without a disk that we can see is not encrypted as far as we know.
    let mut root = ServerRootDisk { encrypted: false, ..ServerRootDisk::default() };
    let mut disks = BTreeMap::new();
    for mapping in instance.block_device_mappings() {
        let (Some(device), Some(ebs)) = (mapping.device_name(), mapping.ebs()) else { continue };
        let Some(volume) = ebs.volume_id().and_then(|id| volumes.get(id)) else { continue };
        let is_root = instance.root_device_name() == Some(device);
        if !is_root && from_tags(volume.tags()).contains_key(ownership::ADDRESS) {
            continue;
        }
        let disk = ServerDisk {
            size: from_gib(volume.size()),
            volume_type: volume.volume_type().and_then(|t| VolumeType::from_api(t.as_str())),
            iops: volume.iops(),
            throughput: volume.throughput(),
            encrypted: volume.encrypted().unwrap_or(false),
            key: volume.kms_key_id().map(Ref::id),
            from_snapshot: volume.snapshot_id().filter(|s| !s.is_empty()).map(str::to_owned),
            delete_on_termination: ebs.delete_on_termination().unwrap_or(true),
        };
        if is_root {
            root = ServerRootDisk {
                size: disk.size,
                volume_type: disk.volume_type,
                iops: disk.iops,
                throughput: disk.throughput,
                encrypted: disk.encrypted,
                key: disk.key,
                delete_on_termination: disk.delete_on_termination,
            };
        } else {
            disks.insert(device.to_owned(), disk);
        }
    }
    (root, disks)
}

/// Reads one field that has no page.
async fn read_deep(cx: &Context, id: &str, field: &str, spec: &mut Spec) -> Result<(), ApiError> {
    if field == "credits" {
        let operation = "ec2:DescribeInstanceCreditSpecifications";
        // The API refuses types that are not burstable.
        if spec.instance_type.starts_with('t') {
            let request = cx.ec2().describe_instance_credit_specifications().instance_ids(id);
            let answer = cx.call(operation, request.send()).await?;
            let credits = answer.instance_credit_specifications().first().and_then(|c| c.cpu_credits());
            spec.credits = credits.and_then(Credits::from_api);
        }
        return Ok(());
    }
    let name = match field {
        "user_data" => InstanceAttributeName::UserData,
        "termination_protection" => InstanceAttributeName::DisableApiTermination,
        "stop_protection" => InstanceAttributeName::DisableApiStop,
        _ => InstanceAttributeName::InstanceInitiatedShutdownBehavior,
    };
    let request = cx.ec2().describe_instance_attribute().instance_id(id).attribute(name);
    let answer = cx.call("ec2:DescribeInstanceAttribute", request.send()).await?;
    match field {
        "user_data" => {
            let value = answer.user_data().and_then(|v| v.value()).filter(|v| !v.is_empty());
            spec.user_data = value.and_then(decode_user_data);
        }
        "termination_protection" => {
            spec.termination_protection = answer.disable_api_termination().and_then(|v| v.value());
        }
        "stop_protection" => spec.stop_protection = answer.disable_api_stop().and_then(|v| v.value()),
        _ => {
            let value = answer.instance_initiated_shutdown_behavior().and_then(|v| v.value());
            spec.shutdown = value.and_then(ShutdownBehaviour::from_api);
        }
    }
    Ok(())
}

/// Launches a server and waits until it runs.
pub(super) async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
    let spec = want.spec;
    let image = image_id(&spec.image)?;
    let (device, size) = image_root(cx, &image).await?;
    let profile = spec.role.as_ref().map(|r| profile(want, r)).transpose()?;
    let placement = (spec.tenancy.is_some() || spec.placement_group.is_some()).then(|| {
        Placement::builder()
            .set_tenancy(spec.tenancy.map(|t| Tenancy::from(t.api())))
            .set_group_name(spec.placement_group.clone())
            .build()
    });
    let cpu = spec
        .cpu
        .as_ref()
        .map(|c| CpuOptionsRequest::builder().set_core_count(c.cores).set_threads_per_core(c.threads_per_core).build());
    let request = cx
        .ec2()
        .run_instances()
        .min_count(1)
        .max_count(1)
        .client_token(want.token)
        .image_id(image)
        .instance_type(InstanceType::from(spec.instance_type.as_str()))
        .network_interfaces(interface(want)?)
        .set_key_name(spec.key_name.clone())
        .set_user_data(spec.user_data.as_ref().map(aws_smithy_types::base64::encode))
        .set_iam_instance_profile(profile.map(|p| IamInstanceProfileSpecification::builder().name(p).build()))
        .set_block_device_mappings(Some(disks(want, &device, size)?))
        .metadata_options(metadata(&spec.metadata))
        .monitoring(RunInstancesMonitoringEnabled::builder().enabled(spec.monitoring).build())
        .set_disable_api_termination(spec.termination_protection)
        .set_disable_api_stop(spec.stop_protection.filter(|_| spec.running != Some(false)))
        .set_instance_initiated_shutdown_behavior(spec.shutdown.map(|s| ShutdownBehavior::from(s.api())))
        .set_ebs_optimized(spec.ebs_optimized)
        .set_credit_specification(
            spec.credits.map(|c| CreditSpecificationRequest::builder().cpu_credits(c.api()).build()),
        )
        .set_hibernation_options(spec.hibernation.map(|h| HibernationOptionsRequest::builder().configured(h).build()))
        .set_placement(placement)
        .set_cpu_options(cpu)
        .tag_specifications(tag_specification(ResourceType::Instance, want.tags))
        .tag_specifications(tag_specification(ResourceType::Volume, &launched_tags(want.tags, spec.tags.as_ref())));
    let answer = cx.call("ec2:RunInstances", request.send()).await?;
    let id = answer.instances().first().and_then(|i| i.instance_id()).unwrap_or_default().to_owned();
    reach(cx, &id, &InstanceStateName::Running, want.watch).await?;
    if spec.source_dest_check == Some(false) {
        modify_check(cx, &id, false).await?;
    }
    if spec.running == Some(false) {
        stop(cx, &id, want.watch).await?;
        if let Some(on) = spec.stop_protection {
            protect_from_stop(cx, &id, on).await?;
        }
    }
    Ok(id)
}

/// The root disk of an image: its device name and its size in GiB.
async fn image_root(cx: &Context, image: &str) -> Result<(String, Option<i32>), ApiError> {
    let answer = cx.call("ec2:DescribeImages", cx.ec2().describe_images().image_ids(image).send()).await?;
    let root = answer.images().first().and_then(|image| {
        let device = image.root_device_name()?;
        let mapping = image.block_device_mappings().iter().find(|m| m.device_name() == Some(device));
        Some((device.to_owned(), mapping.and_then(|m| m.ebs()?.volume_size())))
    });
    root.ok_or_else(|| {
        let message = format!("the image {image} is not there, or has no root disk");
        ApiError::new("ec2:DescribeImages", ErrorClass::Invalid, message)
    })
}

fn interface(want: &Create<'_, Spec>) -> Result<InstanceNetworkInterfaceSpecification, ApiError> {
    let spec = want.spec;
    Ok(InstanceNetworkInterfaceSpecification::builder()
        .device_index(0)
        .delete_on_termination(true)
        .subnet_id(want.id(&spec.subnet)?)
        .set_private_ip_address(spec.private_ip.clone())
        .set_associate_public_ip_address(spec.public_address)
        .set_ipv6_address_count(spec.ipv6_addresses)
        .set_groups(spec.security_groups.as_ref().map(|g| want.ids(g)).transpose()?)
        .build())
}

fn metadata(options: &MetadataOptions) -> InstanceMetadataOptionsRequest {
    InstanceMetadataOptionsRequest::builder()
        .http_tokens(options.tokens.api().into())
        .set_http_put_response_hop_limit(options.hop_limit)
        .set_http_endpoint(options.endpoint.map(|on| switch(on).into()))
        .set_http_protocol_ipv6(options.ipv6.map(|on| switch(on).into()))
        .set_instance_metadata_tags(options.tags.map(|on| switch(on).into()))
        .build()
}

fn disks(want: &Create<'_, Spec>, root: &str, root_size: Option<i32>) -> Result<Vec<BlockDeviceMapping>, ApiError> {
    let mapping =
        |device: &str, ebs: EbsBlockDevice| BlockDeviceMapping::builder().device_name(device).ebs(ebs).build();
    let disk = &want.spec.root_disk;
    let ebs = EbsBlockDevice::builder()
        .set_volume_size(gib(disk.size.as_ref()).or(root_size))
        .set_volume_type(disk.volume_type.map(|t| t.api().into()))
        .set_iops(disk.iops)
        .set_throughput(disk.throughput)
        .encrypted(disk.encrypted)
        .set_kms_key_id(key_arn(want, disk.key.as_ref())?)
        .delete_on_termination(disk.delete_on_termination);
    let mut all = vec![mapping(root, ebs.build())];
    for (device, disk) in want.spec.disks.iter().flatten() {
        let ebs = EbsBlockDevice::builder()
            .set_volume_size(gib(disk.size.as_ref()))
            .set_volume_type(disk.volume_type.map(|t| t.api().into()))
            .set_iops(disk.iops)
            .set_throughput(disk.throughput)
            .encrypted(disk.encrypted)
            .set_kms_key_id(key_arn(want, disk.key.as_ref())?)
            .set_snapshot_id(disk.from_snapshot.clone())
            .delete_on_termination(disk.delete_on_termination);
        all.push(mapping(device, ebs.build()));
    }
    Ok(all)
}

/// Changes what can change in place; what needs a stopped server is done between one stop and one start.
pub(super) async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let spec = update.want.spec;
    // A protection against stopping would stand in the way of a change: it is lifted first, and set last.
    if spec.stop_protection == Some(false) && update.changed("stop_protection") {
        protect_from_stop(cx, update.id, false).await?;
    }
    update_attributes(cx, update).await?;
    update_services(cx, update).await?;
    if update.changed("root_disk") {
        update_root(cx, update).await?;
    }
    update_stopped(cx, update).await?;
    if spec.stop_protection == Some(true) && update.changed("stop_protection") {
        protect_from_stop(cx, update.id, true).await?;
    }
    Ok(())
}

/// What changes while the server is stopped, and whether it runs. A mark is set before the first stop and taken away after the
/// last start, so that the next run sees what this one left half done.
async fn update_stopped(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let spec = update.want.spec;
    let (id, watch) = (update.id, update.want.watch);
    let left = update.before.instance_type.is_empty();
    let resize = update.changed("instance_type") && (!left || has_other_type(cx, id, &spec.instance_type).await?);
    let ebs_optimized = spec.ebs_optimized.filter(|_| update.changed("ebs_optimized"));
    let change = resize || ebs_optimized.is_some();
    let running = update.before.running.unwrap_or(true);
    let run = spec.running.unwrap_or(running || left);
    let restart = running && run && change;
    if restart {
        let tag = Tag::builder().key(RESTART).value("true").build();
        cx.call("ec2:CreateTags", cx.ec2().create_tags().resources(id).tags(tag).send()).await?;
    }
    if running && (change || !run) {
        stop(cx, id, watch).await?;
    } else if !running && (change || run) {
        // It may be on its way to it.
        reach(cx, id, &InstanceStateName::Stopped, watch).await?;
    }
    if resize {
        let value = AttributeValue::builder().value(&spec.instance_type).build();
        let request = cx.ec2().modify_instance_attribute().instance_id(id).instance_type(value);
        cx.call("ec2:ModifyInstanceAttribute", request.send()).await?;
    }
    if let Some(on) = ebs_optimized {
        let request = cx.ec2().modify_instance_attribute().instance_id(id).ebs_optimized(boolean(on));
        cx.call("ec2:ModifyInstanceAttribute", request.send()).await?;
    }
    if run && (change || !running) {
        cx.call("ec2:StartInstances", cx.ec2().start_instances().instance_ids(id).send()).await?;
        reach(cx, id, &InstanceStateName::Running, watch).await?;
    }
    if left || restart {
        let tag = Tag::builder().key(RESTART).build();
        cx.call("ec2:DeleteTags", cx.ec2().delete_tags().resources(id).tags(tag).send()).await?;
    }
    Ok(())
}

/// Whether a server has another type than this one: one that a run left half changed may have it already.
async fn has_other_type(cx: &Context, id: &str, wanted: &str) -> Result<bool, ApiError> {
    let there = existing(cx, id).await?;
    Ok(there.instance_type().map(InstanceType::as_str) != Some(wanted))
}

/// The API takes one attribute a call.
async fn update_attributes(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let operation = "ec2:ModifyInstanceAttribute";
    let spec = update.want.spec;
    let modify = || cx.ec2().modify_instance_attribute().instance_id(update.id);
    if let Some(on) = spec.termination_protection.filter(|_| update.changed("termination_protection")) {
        cx.call(operation, modify().disable_api_termination(boolean(on)).send()).await?;
    }
    if let Some(shutdown) = spec.shutdown.filter(|_| update.changed("shutdown")) {
        let value = AttributeValue::builder().value(shutdown.api()).build();
        cx.call(operation, modify().instance_initiated_shutdown_behavior(value).send()).await?;
    }
    update_interface(cx, update).await
}

/// What belongs to the first interface.
async fn update_interface(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let spec = update.want.spec;
    let check = spec.source_dest_check.filter(|_| update.changed("source_dest_check"));
    let groups = spec.security_groups.as_ref().filter(|_| update.changed("security_groups"));
    if check.is_none() && groups.is_none() {
        return Ok(());
    }
    let groups = groups.map(|g| update.want.ids(g)).transpose()?;
    let instance = existing(cx, update.id).await?;
    let Some(interface) = several_interfaces(&instance).and_then(|n| n.network_interface_id()) else {
        if let Some(on) = check {
            modify_check(cx, update.id, on).await?;
        }
        if let Some(groups) = groups {
            let request = cx.ec2().modify_instance_attribute().instance_id(update.id).set_groups(Some(groups));
            cx.call("ec2:ModifyInstanceAttribute", request.send()).await?;
        }
        return Ok(());
    };
    // One attribute a call here, too.
    let operation = "ec2:ModifyNetworkInterfaceAttribute";
    let modify = || cx.ec2().modify_network_interface_attribute().network_interface_id(interface);
    if let Some(on) = check {
        cx.call(operation, modify().source_dest_check(boolean(on)).send()).await?;
    }
    if let Some(groups) = groups {
        cx.call(operation, modify().set_groups(Some(groups)).send()).await?;
    }
    Ok(())
}

async fn protect_from_stop(cx: &Context, id: &str, on: bool) -> Result<(), ApiError> {
    let request = cx.ec2().modify_instance_attribute().instance_id(id).disable_api_stop(boolean(on));
    cx.call("ec2:ModifyInstanceAttribute", request.send()).await.map(|_| ())
}

async fn modify_check(cx: &Context, id: &str, on: bool) -> Result<(), ApiError> {
    let request = cx.ec2().modify_instance_attribute().instance_id(id).source_dest_check(boolean(on));
    cx.call("ec2:ModifyInstanceAttribute", request.send()).await.map(|_| ())
}

/// Metadata service, monitoring, credits, role.
async fn update_services(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let spec = update.want.spec;
    let id = update.id;
    if update.changed("metadata") {
        let options = metadata(&spec.metadata);
        let request = cx
            .ec2()
            .modify_instance_metadata_options()
            .instance_id(id)
            .set_http_tokens(options.http_tokens)
            .set_http_put_response_hop_limit(options.http_put_response_hop_limit)
            .set_http_endpoint(options.http_endpoint)
            .set_http_protocol_ipv6(options.http_protocol_ipv6)
            .set_instance_metadata_tags(options.instance_metadata_tags);
        cx.call("ec2:ModifyInstanceMetadataOptions", request.send()).await?;
    }
    if update.changed("monitoring") {
        if spec.monitoring {
            cx.call("ec2:MonitorInstances", cx.ec2().monitor_instances().instance_ids(id).send()).await?;
        } else {
            cx.call("ec2:UnmonitorInstances", cx.ec2().unmonitor_instances().instance_ids(id).send()).await?;
        }
    }
    if let Some(credits) = spec.credits.filter(|_| update.changed("credits")) {
        let item = InstanceCreditSpecificationRequest::builder().instance_id(id).cpu_credits(credits.api()).build();
        let request = cx.ec2().modify_instance_credit_specification().instance_credit_specifications(item);
        cx.call("ec2:ModifyInstanceCreditSpecification", request.send()).await?;
    }
    if let Some(role) = spec.role.as_ref().filter(|_| update.changed("role")) {
        associate(cx, id, profile(&update.want, role)?).await?;
    }
    Ok(())
}

/// Gives a server an instance profile, in place of the one it may have.
async fn associate(cx: &Context, id: &str, profile: String) -> Result<(), ApiError> {
    let filter = Filter::builder().name("instance-id").values(id).build();
    let request = cx.ec2().describe_iam_instance_profile_associations().filters(filter);
    let answer = cx.call("ec2:DescribeIamInstanceProfileAssociations", request.send()).await?;
    let current = answer
        .iam_instance_profile_associations()
        .iter()
        .find(|a| {
            matches!(
                a.state(),
                Some(IamInstanceProfileAssociationState::Associated | IamInstanceProfileAssociationState::Associating)
            )
        })
        .and_then(|a| a.association_id());
    let profile = IamInstanceProfileSpecification::builder().name(profile).build();
    match current {
        Some(association) => {
            let request = cx
                .ec2()
                .replace_iam_instance_profile_association()
                .association_id(association)
                .iam_instance_profile(profile);
            cx.call("ec2:ReplaceIamInstanceProfileAssociation", request.send()).await.map(|_| ())
        }
        None => {
            let request = cx.ec2().associate_iam_instance_profile().instance_id(id).iam_instance_profile(profile);
            cx.call("ec2:AssociateIamInstanceProfile", request.send()).await.map(|_| ())
        }
    }
}

/// Changes the root disk in place.
async fn update_root(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let want = &update.want.spec.root_disk;
    let have = &update.before.root_disk;
    let instance = existing(cx, update.id).await?;
    let device = instance.root_device_name().unwrap_or_default();
    if want.delete_on_termination != have.delete_on_termination {
        let ebs = EbsInstanceBlockDeviceSpecification::builder().delete_on_termination(want.delete_on_termination);
        let mapping = InstanceBlockDeviceMappingSpecification::builder().device_name(device).ebs(ebs.build()).build();
        let request = cx.ec2().modify_instance_attribute().instance_id(update.id).block_device_mappings(mapping);
        cx.call("ec2:ModifyInstanceAttribute", request.send()).await?;
    }
    let size = want.size.as_ref().filter(|s| have.size.as_ref() != Some(*s));
    if let (Some(want), Some(have)) = (size, &have.size)
        && want.gib() < have.gib()
    {
        let message = format!("a root disk can't shrink from {have} to {want}: replace the server");
        return Err(ApiError::new("ec2:ModifyVolume", ErrorClass::Invalid, message));
    }
    let kind = want.volume_type.filter(|t| have.volume_type != Some(*t));
    let iops = want.iops.filter(|i| have.iops != Some(*i) || kind.is_some());
    let throughput = want.throughput.filter(|t| have.throughput != Some(*t) || kind.is_some());
    if size.is_none() && kind.is_none() && iops.is_none() && throughput.is_none() {
        return Ok(());
    }
    let mappings = instance.block_device_mappings();
    let root = mappings.iter().find(|m| m.device_name() == Some(device)).and_then(|m| m.ebs()?.volume_id());
    let Some(root) = root else {
        let message = format!("{} has no root disk that could be changed", update.id);
        return Err(ApiError::new("ec2:ModifyVolume", ErrorClass::Invalid, message));
    };
    let request = cx
        .ec2()
        .modify_volume()
        .volume_id(root)
        .set_size(gib(size))
        .set_volume_type(kind.map(|t| t.api().into()))
        .set_iops(iops)
        .set_throughput(throughput);
    cx.call("ec2:ModifyVolume", request.send()).await?;
    modified(cx, root, update.want.watch).await
}

/// Terminates a server and waits until it is gone.
pub(super) async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
    cx.call("ec2:TerminateInstances", cx.ec2().terminate_instances().instance_ids(delete.id).send()).await?;
    cx.wait(delete.watch, &format!("{} to be terminated", delete.id), LIMIT, || async {
        let instance = describe(cx, delete.id).await?;
        let now = instance.as_ref().and_then(state);
        let gone = instance.is_none() || now == Some(&InstanceStateName::Terminated);
        Ok(Look::when(gone, now.map(InstanceStateName::as_str)))
    })
    .await
}

/// One server; none if it is not there.
async fn describe(cx: &Context, id: &str) -> Result<Option<ApiInstance>, ApiError> {
    let ids = [id.to_owned()];
    let request = cx.ec2().describe_instances().set_filters(Some(filters(&Selection::Ids(&ids), "instance-id")));
    let answer = cx.call("ec2:DescribeInstances", request.send()).await?;
    Ok(answer.reservations.unwrap_or_default().into_iter().flat_map(|r| r.instances.unwrap_or_default()).next())
}

/// One server that must be there.
async fn existing(cx: &Context, id: &str) -> Result<ApiInstance, ApiError> {
    let missing = || ApiError::new("ec2:DescribeInstances", ErrorClass::NotFound, format!("{id} is not there"));
    describe(cx, id).await?.ok_or_else(missing)
}

async fn stop(cx: &Context, id: &str, watch: &dyn Watch) -> Result<(), ApiError> {
    cx.call("ec2:StopInstances", cx.ec2().stop_instances().instance_ids(id).send()).await?;
    reach(cx, id, &InstanceStateName::Stopped, watch).await
}

/// Waits for a state. A server that ends instead tells why.
async fn reach(cx: &Context, id: &str, goal: &InstanceStateName, watch: &dyn Watch) -> Result<(), ApiError> {
    cx.wait(watch, &format!("{id} to be {}", goal.as_str()), LIMIT, || async {
        let Some(instance) = describe(cx, id).await? else { return Ok(Look::not(None)) };
        match state(&instance) {
            Some(now) if now == goal => Ok(Look::Done(())),
            Some(InstanceStateName::Terminated | InstanceStateName::ShuttingDown) => {
                let why = instance.state_reason().and_then(|r| r.message()).unwrap_or("no reason given");
                Err(ApiError::new("ec2:RunInstances", ErrorClass::Other, format!("{id} was terminated: {why}")))
            }
            now => Ok(Look::not(now.map(InstanceStateName::as_str))),
        }
    })
    .await
}

#[cfg(test)]
mod tests;
