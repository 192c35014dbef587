//! How a cluster is read.

use aws_sdk_rds::types::{DbCluster, DbInstance};
use serde_json::json;

use super::cluster_members::{members_of, read as read_member};
use super::database_cluster::{ClusterEngine, ClusterStorage, ClusterStorageType, Scaling, Spec};
use super::settings::{DAY, InsightsMode, LifecycleSupport, Monitoring, NetworkType, PerformanceInsights};
use super::states::status;
use super::{count, from_tags};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::observed::Status;
use crate::model::types::{Duration, Ref, Size};
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::Found;

/// All clusters of the region, or the one of a name if it is there.
pub(super) async fn list(cx: &Context, id: Option<&str>) -> Result<Vec<DbCluster>, ApiError> {
    let request = cx.clients.rds.describe_db_clusters().set_db_cluster_identifier(id.map(str::to_owned));
    let request = request.set_max_records(id.is_none().then_some(100));
    let pages = match cx.pages("rds:DescribeDBClusters", request.into_paginator().send()).await {
        Err(e) if id.is_some() && e.class == ErrorClass::NotFound => Vec::new(),
        other => other?,
    };
    // Other services have their clusters in the same list.
    let clusters = pages.into_iter().flat_map(|p| p.db_clusters.unwrap_or_default());
    Ok(clusters.filter(|c| c.engine().and_then(ClusterEngine::from_api).is_some()).collect())
}

/// A cluster as it is declared; without its members if they are not wanted.
pub(super) fn found(cluster: &DbCluster, members: Option<&[DbInstance]>) -> Found<Spec> {
    let id = cluster.db_cluster_identifier().unwrap_or_default().to_owned();
    let arn = cluster.db_cluster_arn().unwrap_or_default().to_owned();
    let mut unread = vec!["from_backup", "password"];
    if members.is_none() {
        unread.push("members");
    }
    let identifiers = [Some(arn.as_str()), cluster.db_cluster_resource_id()].into_iter().flatten();
    Found {
        identifiers: identifiers.map(str::to_owned).collect(),
        attributes: attributes([
            ("id", json!(id)),
            ("name", json!(id)),
            ("arn", json!(arn)),
            ("endpoint", json!(cluster.endpoint())),
            ("reader_endpoint", json!(cluster.reader_endpoint())),
            ("port", json!(cluster.port())),
            ("secret_arn", json!(cluster.master_user_secret().and_then(|s| s.secret_arn()))),
            ("zone_id", json!(cluster.hosted_zone_id())),
            ("resource_id", json!(cluster.db_cluster_resource_id())),
            ("running_version", json!(cluster.engine_version())),
        ]),
        spec: spec(cluster, members),
        status: whole_status(cluster, members),
        tags: from_tags(cluster.tag_list()),
        unread,
        id,
    }
}

/// A cluster can be used once its members can.
fn whole_status(cluster: &DbCluster, members: Option<&[DbInstance]>) -> Status {
    let own = status(cluster.status());
    let id = cluster.db_cluster_identifier().unwrap_or_default();
    let of = members_of(id, members.unwrap_or_default());
    let coming = of.values().find_map(|m| match status(m.db_instance_status()) {
        Status::Pending(word) => Some(Status::Pending(word)),
        Status::Ready | Status::Failed(_) | Status::Deleting => None,
    });
    if own == Status::Ready { coming.unwrap_or(own) } else { own }
}

fn spec(cluster: &DbCluster, members: Option<&[DbInstance]>) -> Spec {
    let text = |text: Option<&str>| text.filter(|t| !t.is_empty()).map(str::to_owned);
    let id = cluster.db_cluster_identifier().unwrap_or_default();
    let engine = cluster.engine().and_then(ClusterEngine::from_api).unwrap_or(ClusterEngine::AuroraPostgresql);
    let groups = cluster.vpc_security_groups().iter().filter(|g| g.status() != Some("removing"));
    let members = members.filter(|_| engine.is_aurora());
    Spec {
        name: text(Some(id)),
        engine,
        engine_version: text(cluster.engine_version()),
        engine_lifecycle_support: cluster.engine_lifecycle_support().and_then(LifecycleSupport::from_api),
        members: members
            .map(|all| members_of(id, all).into_iter().map(|(name, member)| (name, read_member(member))).collect()),
        class: text(cluster.db_cluster_instance_class()),
        storage: Some(storage(cluster, engine)),
        scaling: cluster.serverless_v2_scaling_configuration().map(|s| Scaling {
            min: s.min_capacity().unwrap_or(0.0),
            max: s.max_capacity().unwrap_or(0.0),
            pause_after: count(s.seconds_until_auto_pause()).map(Duration::from_seconds),
        }),
        encrypted: cluster.storage_encrypted().unwrap_or(false),
        key: cluster.kms_key_id().map(Ref::id),
        subnet_group: cluster.db_subnet_group().map(Ref::id),
        security_groups: Some(groups.filter_map(|g| g.vpc_security_group_id()).map(Ref::id).collect()),
        port: cluster.port(),
        network_type: cluster.network_type().and_then(NetworkType::from_api),
        backup_retention: count(cluster.backup_retention_period()).map(|days| Duration::from_seconds(days * DAY)),
        backup_window: text(cluster.preferred_backup_window()),
        maintenance_window: text(cluster.preferred_maintenance_window()),
        copy_tags_to_snapshots: cluster.copy_tags_to_snapshot().unwrap_or(false),
        deletion_protection: Some(cluster.deletion_protection().unwrap_or(false)),
        parameter_group: cluster.db_cluster_parameter_group().map(Ref::id),
        log_exports: Some(cluster.enabled_cloudwatch_logs_exports().to_vec()),
        performance_insights: Some(PerformanceInsights {
            enabled: cluster.performance_insights_enabled().unwrap_or(false),
            key: cluster.performance_insights_kms_key_id().map(Ref::id),
            retention: count(cluster.performance_insights_retention_period())
                .filter(|_| cluster.performance_insights_enabled() == Some(true))
                .map(|days| Duration::from_seconds(days * DAY)),
        }),
        database_insights: cluster.database_insights_mode().and_then(|m| InsightsMode::from_api(m.as_str())),
        monitoring: Some(Monitoring {
            interval: Duration::from_seconds(count(cluster.monitoring_interval()).unwrap_or(0)),
            role: cluster.monitoring_role_arn().map(Ref::id),
        }),
        user: text(cluster.master_username()),
        managed_password: cluster.master_user_secret().is_some(),
        password_key: cluster.master_user_secret().and_then(|s| s.kms_key_id()).map(Ref::id),
        password: None,
        database: text(cluster.database_name()),
        iam_authentication: Some(cluster.iam_database_authentication_enabled().unwrap_or(false)),
        data_api: Some(cluster.http_endpoint_enabled().unwrap_or(false)),
        from_backup: None,
        tags: None,
    }
}

/// The storage; Aurora tells no size that could be declared, and its usual type only by silence.
fn storage(cluster: &DbCluster, engine: ClusterEngine) -> ClusterStorage {
    let told = cluster.storage_type().and_then(ClusterStorageType::from_api);
    if engine.is_aurora() {
        let storage_type = Some(told.unwrap_or(ClusterStorageType::Aurora));
        return ClusterStorage { size: None, storage_type, iops: None };
    }
    ClusterStorage {
        size: count(cluster.allocated_storage()).map(Size::from_gib),
        storage_type: told,
        iops: cluster.iops(),
    }
}
