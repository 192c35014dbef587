//! A launch template's data in the API's form, and back.

use aws_sdk_ec2::types::{
    CapacityReservationPreference, CreditSpecificationRequest, InstanceInterruptionBehavior, InstanceType,
    LaunchTemplateAutoRecoveryState, LaunchTemplateBlockDeviceMapping, LaunchTemplateBlockDeviceMappingRequest,
    LaunchTemplateCapacityReservationSpecificationRequest, LaunchTemplateCpuOptionsRequest,
    LaunchTemplateEbsBlockDeviceRequest, LaunchTemplateEnclaveOptionsRequest, LaunchTemplateHibernationOptionsRequest,
    LaunchTemplateIamInstanceProfileSpecificationRequest, LaunchTemplateInstanceMaintenanceOptionsRequest,
    LaunchTemplateInstanceMarketOptionsRequest, LaunchTemplateInstanceMetadataOptions,
    LaunchTemplateInstanceMetadataOptionsRequest, LaunchTemplateInstanceNetworkInterfaceSpecification,
    LaunchTemplateInstanceNetworkInterfaceSpecificationRequest, LaunchTemplateLicenseConfigurationRequest,
    LaunchTemplatePlacementRequest, LaunchTemplateSpotMarketOptionsRequest, LaunchTemplateTagSpecificationRequest,
    LaunchTemplateVersion, LaunchTemplatesMonitoringRequest, MarketType, RequestLaunchTemplateData, ResourceType,
    ResponseLaunchTemplateData, ShutdownBehavior, Tenancy,
};

use super::launch_template::{
    ROOT_DEVICES, ReservationUse, Spec, SpotInterruption, SpotOptions, TemplateDisk, TemplateInterface,
    TemplateRootDisk,
};
use super::server::{
    CpuOptions, Credits, MetadataOptions, MetadataTokens, ServerTenancy, ShutdownBehaviour, VolumeType,
    decode_user_data, from_gib, gib, image_id, key_arn, launched_tags, profile, profile_name, switch,
};
use super::{from_tags, to_tags};
use crate::model::cloud::ApiError;
use crate::model::ownership;
use crate::model::types::{Image, Ref};
use crate::providers::aws::kind::{Create, Tags};

/// The whole data of a version.
pub(super) fn to_api(want: &Create<'_, Spec>, image: &Image) -> Result<RequestLaunchTemplateData, ApiError> {
    let spec = want.spec;
    let role = spec.role.as_ref().map(|r| profile(want, r)).transpose()?;
    let groups = spec.security_groups.as_deref().filter(|g| !g.is_empty()).map(|g| want.ids(g)).transpose()?;
    let interfaces =
        spec.network_interfaces.iter().flatten().map(|i| interface(want, i)).collect::<Result<Vec<_>, _>>()?;
    let licenses = spec
        .licenses
        .iter()
        .flatten()
        .map(|arn| LaunchTemplateLicenseConfigurationRequest::builder().license_configuration_arn(arn).build());
    let builder = RequestLaunchTemplateData::builder()
        .image_id(image_id(image)?)
        .set_instance_type(spec.instance_type.as_deref().map(InstanceType::from))
        .set_key_name(spec.key_name.clone())
        .set_user_data(spec.user_data.as_ref().map(aws_smithy_types::base64::encode))
        .set_iam_instance_profile(
            role.map(|name| LaunchTemplateIamInstanceProfileSpecificationRequest::builder().name(name).build()),
        )
        .set_security_group_ids(groups)
        .set_network_interfaces(Some(interfaces).filter(|i| !i.is_empty()))
        .metadata_options(metadata(&spec.metadata))
        .monitoring(LaunchTemplatesMonitoringRequest::builder().enabled(spec.monitoring).build())
        .set_ebs_optimized(spec.ebs_optimized)
        .set_block_device_mappings(Some(disks(want)?).filter(|d| !d.is_empty()))
        .set_disable_api_termination(spec.termination_protection)
        .set_disable_api_stop(spec.stop_protection)
        .set_instance_initiated_shutdown_behavior(spec.shutdown.map(|s| ShutdownBehavior::from(s.api())))
        .set_license_specifications(Some(licenses.collect::<Vec<_>>()).filter(|l| !l.is_empty()))
        .set_tag_specifications(Some(launched(want)));
    Ok(options(builder, spec).build())
}

type Builder = aws_sdk_ec2::types::builders::RequestLaunchTemplateDataBuilder;

/// The rarer options.
fn options(builder: Builder, spec: &Spec) -> Builder {
    let placement = (spec.tenancy.is_some() || spec.placement_group.is_some()).then(|| {
        LaunchTemplatePlacementRequest::builder()
            .set_tenancy(spec.tenancy.map(|t| Tenancy::from(t.api())))
            .set_group_name(spec.placement_group.clone())
            .build()
    });
    let market = spec.spot.as_ref().map(|spot| {
        let options = LaunchTemplateSpotMarketOptionsRequest::builder()
            .set_max_price(spot.max_price.clone())
            .set_instance_interruption_behavior(spot.interruption.map(|i| InstanceInterruptionBehavior::from(i.api())));
        LaunchTemplateInstanceMarketOptionsRequest::builder()
            .market_type(MarketType::Spot)
            .spot_options(options.build())
            .build()
    });
    let cpu = spec.cpu.as_ref().map(|cpu| {
        LaunchTemplateCpuOptionsRequest::builder()
            .set_core_count(cpu.cores)
            .set_threads_per_core(cpu.threads_per_core)
            .build()
    });
    let recovery = spec.auto_recovery.map(|on| {
        let state =
            if on { LaunchTemplateAutoRecoveryState::Default } else { LaunchTemplateAutoRecoveryState::Disabled };
        LaunchTemplateInstanceMaintenanceOptionsRequest::builder().auto_recovery(state).build()
    });
    let reservation = spec.capacity_reservation.map(|r| {
        LaunchTemplateCapacityReservationSpecificationRequest::builder()
            .capacity_reservation_preference(CapacityReservationPreference::from(r.api()))
            .build()
    });
    builder
        .set_placement(placement)
        .set_instance_market_options(market)
        .set_cpu_options(cpu)
        .set_maintenance_options(recovery)
        .set_capacity_reservation_specification(reservation)
        .set_credit_specification(
            spec.credits.map(|c| CreditSpecificationRequest::builder().cpu_credits(c.api()).build()),
        )
        .set_hibernation_options(
            spec.hibernation.map(|h| LaunchTemplateHibernationOptionsRequest::builder().configured(h).build()),
        )
        .set_enclave_options(spec.enclave.map(|e| LaunchTemplateEnclaveOptionsRequest::builder().enabled(e).build()))
}

fn metadata(options: &MetadataOptions) -> LaunchTemplateInstanceMetadataOptionsRequest {
    LaunchTemplateInstanceMetadataOptionsRequest::builder()
        .http_tokens(options.tokens.api().into())
        .set_http_put_response_hop_limit(options.hop_limit)
        .set_http_endpoint(options.endpoint.map(|on| switch(on).into()))
        .set_http_protocol_ipv6(options.ipv6.map(|on| switch(on).into()))
        .set_instance_metadata_tags(options.tags.map(|on| switch(on).into()))
        .build()
}

fn interface(
    want: &Create<'_, Spec>,
    interface: &TemplateInterface,
) -> Result<LaunchTemplateInstanceNetworkInterfaceSpecificationRequest, ApiError> {
    Ok(LaunchTemplateInstanceNetworkInterfaceSpecificationRequest::builder()
        .device_index(interface.index)
        .set_associate_public_ip_address(interface.public_address)
        .set_subnet_id(interface.subnet.as_ref().map(|s| want.id(s)).transpose()?)
        .set_groups(interface.security_groups.as_ref().map(|g| want.ids(g)).transpose()?)
        .set_private_ip_address(interface.private_ip.clone())
        .set_secondary_private_ip_address_count(interface.secondary_addresses)
        .set_ipv6_address_count(interface.ipv6_addresses)
        .set_delete_on_termination(interface.delete_on_termination)
        .set_description(interface.description.clone())
        .build())
}

fn disks(want: &Create<'_, Spec>) -> Result<Vec<LaunchTemplateBlockDeviceMappingRequest>, ApiError> {
    let mapping = |device: &str, ebs: LaunchTemplateEbsBlockDeviceRequest| {
        LaunchTemplateBlockDeviceMappingRequest::builder().device_name(device).ebs(ebs).build()
    };
    let mut all = Vec::new();
    if let Some(disk) = &want.spec.root_disk {
        let ebs = LaunchTemplateEbsBlockDeviceRequest::builder()
            .set_volume_size(gib(disk.size.as_ref()))
            .set_volume_type(disk.volume_type.map(|t| t.api().into()))
            .set_iops(disk.iops)
            .set_throughput(disk.throughput)
            .encrypted(disk.encrypted)
            .set_kms_key_id(key_arn(want, disk.key.as_ref())?)
            .delete_on_termination(disk.delete_on_termination);
        all.push(mapping(&disk.device, ebs.build()));
    }
    for (device, disk) in want.spec.disks.iter().flatten() {
        let ebs = LaunchTemplateEbsBlockDeviceRequest::builder()
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

fn launched(want: &Create<'_, Spec>) -> Vec<LaunchTemplateTagSpecificationRequest> {
    [(ResourceType::Instance, want.spec.instance_tags.as_ref()), (ResourceType::Volume, want.spec.volume_tags.as_ref())]
        .into_iter()
        .map(|(resource, own)| {
            LaunchTemplateTagSpecificationRequest::builder()
                .resource_type(resource)
                .set_tags(Some(to_tags(&launched_tags(want.tags, own))))
                .build()
        })
        .collect()
}

/// A version as a spec. Lists and maps that it has not are given as empty ones; what the version leaves to the service
/// stays absent.
pub(super) fn from_api(version: &LaunchTemplateVersion) -> Spec {
    let empty = ResponseLaunchTemplateData::builder().build();
    let data = version.launch_template_data().unwrap_or(&empty);
    let placement = data.placement();
    let (root_disk, disks) = observed_disks(data.block_device_mappings());
    Spec {
        // It is the template's, not the version's.
        name: None,
        image: Image::Id(data.image_id().unwrap_or_default().to_owned()),
        instance_type: data.instance_type().map(|t| t.as_str().to_owned()),
        key_name: data.key_name().map(str::to_owned),
        user_data: data.user_data().filter(|d| !d.is_empty()).and_then(decode_user_data),
        role: data.iam_instance_profile().and_then(|p| p.name().or(p.arn())).map(|p| Ref::id(profile_name(p))),
        security_groups: Some(data.security_group_ids().iter().map(Ref::id).collect()),
        network_interfaces: Some(data.network_interfaces().iter().map(observed_interface).collect()),
        metadata: data
            .metadata_options()
            .map(observed_metadata)
            .unwrap_or(MetadataOptions { tokens: MetadataTokens::Optional, ..MetadataOptions::default() }),
        monitoring: data.monitoring().and_then(|m| m.enabled()).unwrap_or(false),
        ebs_optimized: data.ebs_optimized(),
        root_disk,
        disks: Some(disks),
        spot: data.instance_market_options().filter(|m| m.market_type() == Some(&MarketType::Spot)).map(|m| {
            let options = m.spot_options();
            SpotOptions {
                max_price: options.and_then(|o| o.max_price()).map(str::to_owned),
                interruption: options
                    .and_then(|o| o.instance_interruption_behavior())
                    .and_then(|b| SpotInterruption::from_api(b.as_str())),
            }
        }),
        credits: data.credit_specification().and_then(|c| c.cpu_credits()).and_then(Credits::from_api),
        tenancy: placement.and_then(|p| p.tenancy()).and_then(|t| ServerTenancy::from_api(t.as_str())),
        placement_group: placement.and_then(|p| p.group_name()).filter(|g| !g.is_empty()).map(str::to_owned),
        cpu: data.cpu_options().map(|c| CpuOptions { cores: c.core_count(), threads_per_core: c.threads_per_core() }),
        hibernation: data.hibernation_options().and_then(|h| h.configured()),
        enclave: data.enclave_options().and_then(|e| e.enabled()),
        auto_recovery: data
            .maintenance_options()
            .and_then(|m| m.auto_recovery())
            .map(|r| *r == LaunchTemplateAutoRecoveryState::Default),
        termination_protection: data.disable_api_termination(),
        stop_protection: data.disable_api_stop(),
        shutdown: data.instance_initiated_shutdown_behavior().and_then(|s| ShutdownBehaviour::from_api(s.as_str())),
        licenses: Some(
            data.license_specifications()
                .iter()
                .filter_map(|l| l.license_configuration_arn().map(str::to_owned))
                .collect(),
        ),
        capacity_reservation: data
            .capacity_reservation_specification()
            .and_then(|c| c.capacity_reservation_preference())
            .and_then(|p| ReservationUse::from_api(p.as_str())),
        instance_tags: Some(observed_tags(data, &ResourceType::Instance)),
        volume_tags: Some(observed_tags(data, &ResourceType::Volume)),
        description: version.version_description().filter(|d| !d.is_empty()).map(str::to_owned),
        tags: None,
    }
}

fn observed_tags(data: &ResponseLaunchTemplateData, resource: &ResourceType) -> Tags {
    data.tag_specifications()
        .iter()
        .filter(|s| s.resource_type() == Some(resource))
        .flat_map(|s| from_tags(s.tags()))
        .filter(|(key, _)| !key.starts_with(ownership::PREFIX))
        .collect()
}

fn observed_metadata(options: &LaunchTemplateInstanceMetadataOptions) -> MetadataOptions {
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

fn observed_interface(interface: &LaunchTemplateInstanceNetworkInterfaceSpecification) -> TemplateInterface {
    TemplateInterface {
        index: interface.device_index().unwrap_or(0),
        public_address: interface.associate_public_ip_address(),
        subnet: interface.subnet_id().map(Ref::id),
        security_groups: Some(interface.groups().iter().map(Ref::id).collect()),
        private_ip: interface.private_ip_address().map(str::to_owned),
        secondary_addresses: interface.secondary_private_ip_address_count(),
        ipv6_addresses: interface.ipv6_address_count(),
        delete_on_termination: interface.delete_on_termination(),
        description: interface.description().map(str::to_owned),
    }
}

type Disks = std::collections::BTreeMap<String, TemplateDisk>;

fn observed_disks(mappings: &[LaunchTemplateBlockDeviceMapping]) -> (Option<TemplateRootDisk>, Disks) {
    let mut root = None;
    let mut disks = Disks::new();
    for mapping in mappings {
        let (Some(device), Some(ebs)) = (mapping.device_name(), mapping.ebs()) else { continue };
        let disk = TemplateDisk {
            size: from_gib(ebs.volume_size()),
            volume_type: ebs.volume_type().and_then(|t| VolumeType::from_api(t.as_str())),
            iops: ebs.iops(),
            throughput: ebs.throughput(),
            encrypted: ebs.encrypted().unwrap_or(false),
            key: ebs.kms_key_id().map(Ref::id),
            from_snapshot: ebs.snapshot_id().filter(|s| !s.is_empty()).map(str::to_owned),
            delete_on_termination: ebs.delete_on_termination().unwrap_or(true),
        };
        if root.is_none() && ROOT_DEVICES.contains(&device) {
            root = Some(TemplateRootDisk {
                device: device.to_owned(),
                size: disk.size,
                volume_type: disk.volume_type,
                iops: disk.iops,
                throughput: disk.throughput,
                encrypted: disk.encrypted,
                key: disk.key,
                delete_on_termination: disk.delete_on_termination,
            });
        } else {
            disks.insert(device.to_owned(), disk);
        }
    }
    (root, disks)
}

#[cfg(test)]
mod tests {
    use aws_sdk_ec2::types::{LaunchTemplateEbsBlockDevice, LaunchTemplateTagSpecification, Tag};

    use super::*;

    #[test]
    fn the_root_disk_is_told_from_the_others_by_its_device() {
        let ebs = || LaunchTemplateEbsBlockDevice::builder().volume_size(20).encrypted(true).build();
        let mapping = |device: &str| LaunchTemplateBlockDeviceMapping::builder().device_name(device).ebs(ebs()).build();
        let (root, disks) = observed_disks(&[mapping("/dev/sdf"), mapping("/dev/sda1")]);
        assert_eq!(root.map(|r| (r.device, r.encrypted)), Some(("/dev/sda1".to_owned(), true)));
        assert_eq!(disks.keys().collect::<Vec<_>>(), ["/dev/sdf"]);
    }

    #[test]
    fn tags_that_we_add_to_servers_are_not_the_users() {
        let tag = |key: &str| Tag::builder().key(key).value("x").build();
        let data = ResponseLaunchTemplateData::builder()
            .tag_specifications(
                LaunchTemplateTagSpecification::builder()
                    .resource_type(ResourceType::Instance)
                    .tags(tag(ownership::PROJECT))
                    .tags(tag("team"))
                    .build(),
            )
            .build();
        let version = LaunchTemplateVersion::builder().launch_template_data(data).build();
        assert_eq!(from_api(&version).instance_tags, Some(Tags::from([("team".into(), "x".into())])));
    }

    #[test]
    fn a_version_that_says_nothing_of_tokens_lets_requests_without_them_through() {
        let version = LaunchTemplateVersion::builder().build();
        assert_eq!(from_api(&version).metadata.tokens, MetadataTokens::Optional);
    }
}
