//! How a server is read.

use aws_sdk_rds::types::DbInstance;
use serde_json::json;

use super::database::{License, Spec, Storage, StorageType};
use super::settings::{DAY, InsightsMode, LifecycleSupport, Monitoring, NetworkType, PerformanceInsights};
use super::states::status;
use super::{count, from_tags};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::types::{Duration, Ref, Size};
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{Found, Tags};

/// Tag that holds the declared size of a disk, as the service may have let it grow since.
pub(super) const SIZE: &str = "saiken:storage-size";

/// All servers of the region, or the one of a name if it is there.
pub(super) async fn list(cx: &Context, id: Option<&str>) -> Result<Vec<DbInstance>, ApiError> {
    let request = cx.clients.rds.describe_db_instances().set_db_instance_identifier(id.map(str::to_owned));
    let request = request.set_max_records(id.is_none().then_some(100));
    let pages = match cx.pages("rds:DescribeDBInstances", request.into_paginator().send()).await {
        Err(e) if id.is_some() && e.class == ErrorClass::NotFound => Vec::new(),
        other => other?,
    };
    Ok(pages.into_iter().flat_map(|p| p.db_instances.unwrap_or_default()).collect())
}

/// A server as it is declared.
pub(super) fn found(db: &DbInstance) -> Found<Spec> {
    let id = db.db_instance_identifier().unwrap_or_default().to_owned();
    let arn = db.db_instance_arn().unwrap_or_default().to_owned();
    let tags = from_tags(db.tag_list());
    let endpoint = db.endpoint();
    Found {
        identifiers: [Some(arn.as_str()), db.dbi_resource_id()].into_iter().flatten().map(str::to_owned).collect(),
        attributes: attributes([
            ("id", json!(id)),
            ("name", json!(id)),
            ("arn", json!(arn)),
            ("endpoint", json!(endpoint.and_then(|e| e.address()))),
            ("port", json!(endpoint.and_then(|e| e.port()))),
            ("secret_arn", json!(db.master_user_secret().and_then(|s| s.secret_arn()))),
            ("zone_id", json!(endpoint.and_then(|e| e.hosted_zone_id()))),
            ("resource_id", json!(db.dbi_resource_id())),
            ("running_version", json!(db.engine_version())),
        ]),
        spec: spec(db, &tags),
        status: status(db.db_instance_status()),
        tags,
        unread: vec!["from_backup", "password"],
        id,
    }
}

fn spec(db: &DbInstance, tags: &Tags) -> Spec {
    let text = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    let groups = db.vpc_security_groups().iter().filter(|g| g.status() != Some("removing"));
    let options = db.option_group_memberships().iter().find(|m| !m.status().unwrap_or_default().contains("remov"));
    let source = db.read_replica_source_db_instance_identifier().filter(|s| !s.is_empty());
    Spec {
        name: text(db.db_instance_identifier()),
        engine: text(db.engine()),
        engine_version: text(db.engine_version()),
        engine_lifecycle_support: db.engine_lifecycle_support().and_then(LifecycleSupport::from_api),
        class: db.db_instance_class().unwrap_or_default().to_owned(),
        storage: Some(storage(db, tags)),
        multi_az: Some(db.multi_az().unwrap_or(false)),
        zone: text(db.availability_zone()),
        encrypted: db.storage_encrypted().unwrap_or(false),
        key: db.kms_key_id().map(Ref::id),
        subnet_group: db.db_subnet_group().and_then(|g| g.db_subnet_group_name()).map(Ref::id),
        security_groups: Some(groups.filter_map(|g| g.vpc_security_group_id()).map(Ref::id).collect()),
        public_access: db.publicly_accessible().unwrap_or(false),
        port: db.endpoint().and_then(|e| e.port()).or(db.db_instance_port().filter(|p| *p > 0)),
        network_type: db.network_type().and_then(NetworkType::from_api),
        backup_retention: count(db.backup_retention_period()).map(|days| Duration::from_seconds(days * DAY)),
        backup_window: text(db.preferred_backup_window()),
        maintenance_window: text(db.preferred_maintenance_window()),
        copy_tags_to_snapshots: db.copy_tags_to_snapshot().unwrap_or(false),
        minor_upgrades: db.auto_minor_version_upgrade(),
        deletion_protection: Some(db.deletion_protection().unwrap_or(false)),
        parameter_group: db.db_parameter_groups().first().and_then(|g| g.db_parameter_group_name()).map(Ref::id),
        option_group: options.and_then(|m| m.option_group_name()).map(Ref::id),
        log_exports: Some(db.enabled_cloudwatch_logs_exports().to_vec()),
        performance_insights: Some(PerformanceInsights {
            enabled: db.performance_insights_enabled().unwrap_or(false),
            key: db.performance_insights_kms_key_id().map(Ref::id),
            retention: count(db.performance_insights_retention_period())
                .filter(|_| db.performance_insights_enabled() == Some(true))
                .map(|days| Duration::from_seconds(days * DAY)),
        }),
        database_insights: db.database_insights_mode().and_then(|m| InsightsMode::from_api(m.as_str())),
        monitoring: Some(Monitoring {
            interval: Duration::from_seconds(count(db.monitoring_interval()).unwrap_or(0)),
            role: db.monitoring_role_arn().map(Ref::id),
        }),
        user: text(db.master_username()),
        // A copy has its source's password.
        managed_password: db.master_user_secret().is_some() || source.is_some(),
        password_key: db.master_user_secret().and_then(|s| s.kms_key_id()).map(Ref::id),
        password: None,
        database: text(db.db_name()),
        ca_certificate: text(db.ca_certificate_identifier()),
        iam_authentication: Some(db.iam_database_authentication_enabled().unwrap_or(false)),
        license: db.license_model().and_then(License::from_api),
        character_set: text(db.character_set_name()),
        national_character_set: text(db.nchar_character_set_name()),
        time_zone: text(db.timezone()),
        replica_of: source.map(Ref::id),
        promoted: Some(source.is_none()),
        from_backup: None,
        tags: None,
    }
}

/// The disk; what the service let it grow by is not part of its size.
fn storage(db: &DbInstance, tags: &Tags) -> Storage {
    let size = count(db.allocated_storage()).unwrap_or(0);
    let limit = count(db.max_allocated_storage()).unwrap_or(0);
    let declared = tags.get(SIZE).and_then(|s| s.parse::<Size>().ok()).map(|s| s.gib());
    let size = declared.filter(|declared| limit > 0 && *declared <= size).unwrap_or(size);
    Storage {
        size: Some(Size::from_gib(size)),
        limit: Some(Size::from_gib(limit)),
        storage_type: db.storage_type().and_then(StorageType::from_api),
        iops: db.iops(),
        throughput: db.storage_throughput().filter(|t| *t > 0),
    }
}
