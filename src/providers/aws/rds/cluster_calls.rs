//! How a cluster is made, changed and deleted.

use std::time::Duration;

use aws_sdk_rds::operation::modify_db_cluster::builders::ModifyDBClusterFluentBuilder;
use aws_sdk_rds::types::{DatabaseInsightsMode, DbCluster, ServerlessV2ScalingConfiguration};

use super::cluster_members::{members_of, of_clusters, settle};
use super::cluster_read::{found, list};
use super::database_calls::{Kept, check_copied, days, exported, gib, unset_password};
use super::database_cluster::{ClusterBackup, DatabaseCluster, LONGEST, Scaling, Spec};
use super::settings::{field, is_there, is_version, tree};
use super::states::{is_settled, still_hopeful};
use super::{arn_of, backups, id_of, identifier, ids_of, number, to_tags, when_free};
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::ownership::FINGERPRINT;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::kind::{Create, Tags, Update, create_once};

/// Longest time until a new cluster can be used.
const CREATED_WITHIN: Duration = Duration::from_secs(60 * 60);
/// The same for one that is made from a backup.
pub(super) const RESTORED_WITHIN: Duration = Duration::from_secs(6 * 60 * 60);
/// Longest time until a change is in force: a major version.
const CHANGED_WITHIN: Duration = Duration::from_secs(3 * 60 * 60);
/// Longest time until a deleted cluster is gone, with its members.
const GONE_WITHIN: Duration = Duration::from_secs(60 * 60);

/// Fields that a call that makes a cluster from a backup does not take, or that such a cluster has from there.
const LATER: [&str; 8] = [
    "engine_version",
    "storage",
    "backup_retention",
    "backup_window",
    "maintenance_window",
    "database_insights",
    "managed_password",
    "password",
];
/// Fields whose new value is seen once it is in force.
const SEEN: [&str; 12] = [
    "engine_version",
    "class",
    "storage",
    "scaling",
    "port",
    "network_type",
    "backup_retention",
    "backup_window",
    "maintenance_window",
    "copy_tags_to_snapshots",
    "deletion_protection",
    "managed_password",
];

/// One cluster; none if it is not there.
pub(super) async fn describe(cx: &Context, id: &str) -> Result<Option<DbCluster>, ApiError> {
    Ok(list(cx, Some(id)).await?.into_iter().next())
}

/// Waits until a cluster can be used, and what is asked for is in force.
async fn available(
    cx: &Context,
    id: &str,
    limit: Duration,
    watch: &dyn Watch,
    in_force: impl Fn(&DbCluster) -> bool,
) -> Result<DbCluster, ApiError> {
    cx.wait(watch, &format!("cluster {id} to be available"), limit, || async {
        let Some(cluster) = describe(cx, id).await? else { return Ok(Look::not(None)) };
        let word = cluster.status();
        still_hopeful(id, word)?;
        match is_settled(word) {
            true if in_force(&cluster) => Ok(Look::Done(cluster)),
            true => Ok(Look::Not(format!("{}, with changes to come", word.unwrap_or_default()))),
            false => Ok(Look::not(word)),
        }
    })
    .await
}

/// Makes a cluster and its members, and gives its name.
pub(super) async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
    let spec = want.spec;
    let name = spec.name.clone().unwrap_or_else(|| identifier(want.name, LONGEST));
    let once = cx.once();
    let call = async {
        match &spec.from_backup {
            Some(backup) => restore(&once, want, &name, backup).await?,
            None => create_empty(&once, want, &name).await?,
        }
        Ok(name.clone())
    };
    create_once::<DatabaseCluster>(cx, want, Some(&name), call).await?;
    let limit = if spec.from_backup.is_some() { RESTORED_WITHIN } else { CREATED_WITHIN };
    let made = available(cx, &name, limit, want.watch, |_| true).await?;
    if spec.from_backup.is_some() {
        finish(cx, want, &made).await?;
    }
    settle(cx, &name, want).await?;
    Ok(name)
}

/// What all calls that make a cluster take.
macro_rules! common {
    ($request:expr, $want:expr, $name:expr) => {{
        let spec = $want.spec;
        let storage = spec.storage.clone().unwrap_or_default();
        let insights = spec.performance_insights.as_ref();
        let monitoring = spec.monitoring.as_ref();
        $request
            .db_cluster_identifier($name)
            .set_tags(Some(to_tags(&unset_password($want.tags, spec.from_backup.is_some()))))
            .set_engine_lifecycle_support(spec.engine_lifecycle_support.map(|s| s.api().to_owned()))
            .set_db_cluster_instance_class(spec.class.clone())
            .set_storage_type(storage.storage_type.map(|t| t.api().to_owned()))
            .set_iops(storage.iops)
            .set_serverless_v2_scaling_configuration(spec.scaling.as_ref().map(scaled))
            .set_kms_key_id(arn_of($want, spec.key.as_ref())?)
            .set_db_subnet_group_name(id_of($want, spec.subnet_group.as_ref())?)
            .set_vpc_security_group_ids(ids_of($want, spec.security_groups.as_ref())?)
            .set_port(spec.port)
            .set_network_type(spec.network_type.map(|t| t.api().to_owned()))
            .set_backup_retention_period(days(spec.backup_retention.as_ref()))
            .set_preferred_backup_window(spec.backup_window.clone())
            .copy_tags_to_snapshot(spec.copy_tags_to_snapshots)
            .set_deletion_protection(spec.deletion_protection)
            .set_db_cluster_parameter_group_name(id_of($want, spec.parameter_group.as_ref())?)
            .set_enable_cloudwatch_logs_exports(spec.log_exports.clone())
            .set_enable_performance_insights(insights.map(|i| i.enabled))
            .set_performance_insights_kms_key_id(arn_of($want, insights.and_then(|i| i.key.as_ref()))?)
            .set_performance_insights_retention_period(days(insights.and_then(|i| i.retention.as_ref())))
            .set_monitoring_interval(monitoring.map(|m| number(m.interval.seconds())))
            .set_monitoring_role_arn(arn_of($want, monitoring.and_then(|m| m.role.as_ref()))?)
            .set_enable_iam_database_authentication(spec.iam_authentication)
    }};
}

fn scaled(scaling: &Scaling) -> ServerlessV2ScalingConfiguration {
    ServerlessV2ScalingConfiguration::builder()
        .min_capacity(scaling.min)
        .max_capacity(scaling.max)
        .set_seconds_until_auto_pause(scaling.pause_after.as_ref().map(|t| number(t.seconds())))
        .build()
}

async fn create_empty(cx: &Context, want: &Create<'_, Spec>, name: &str) -> Result<(), ApiError> {
    let spec = want.spec;
    let size = spec.storage.as_ref().and_then(|s| s.size.as_ref());
    let request = common!(cx.clients.rds.create_db_cluster(), want, name)
        .engine(spec.engine.api())
        .set_engine_version(spec.engine_version.clone())
        .set_allocated_storage(gib(size))
        .storage_encrypted(spec.encrypted)
        .set_preferred_maintenance_window(spec.maintenance_window.clone())
        .set_database_insights_mode(spec.database_insights.map(|m| DatabaseInsightsMode::from(m.api())))
        .set_master_username(spec.user.clone())
        .set_manage_master_user_password(spec.managed_password.then_some(true))
        .set_master_user_secret_kms_key_id(arn_of(want, spec.password_key.as_ref())?)
        .set_master_user_password(spec.password.clone())
        .set_database_name(spec.database.clone())
        .set_enable_http_endpoint(spec.data_api);
    cx.call("rds:CreateDBCluster", request.send()).await.map(drop)
}

async fn restore(cx: &Context, want: &Create<'_, Spec>, name: &str, backup: &ClusterBackup) -> Result<(), ApiError> {
    let (rds, spec) = (&cx.clients.rds, want.spec);
    let declared = (spec.encrypted, None, spec.user.as_deref());
    if let Some(snapshot) = &backup.snapshot {
        let request = rds.describe_db_cluster_snapshots().db_cluster_snapshot_identifier(snapshot);
        let request = request.include_shared(snapshot.starts_with("arn:"));
        let answer = cx.call("rds:DescribeDBClusterSnapshots", request.send()).await?;
        if let Some(there) = answer.db_cluster_snapshots().first() {
            check_copied(declared, snapshot, (there.storage_encrypted, None, there.master_username()))?;
        }
        let request = common!(rds.restore_db_cluster_from_snapshot(), want, name);
        let request = request.snapshot_identifier(snapshot).engine(spec.engine.api());
        return cx.call("rds:RestoreDBClusterFromSnapshot", request.send()).await.map(drop);
    }
    let source = id_of(want, backup.source.as_ref())?;
    if let Some(source) = &source
        && let Some(there) = describe(cx, source).await?
    {
        check_copied(declared, source, (there.storage_encrypted, None, there.master_username()))?;
    }
    let time = backup.time.as_deref().map(backups::time).transpose()?;
    let request = common!(rds.restore_db_cluster_to_point_in_time(), want, name)
        .set_source_db_cluster_identifier(source)
        .set_source_db_cluster_resource_id(backup.source_resource_id.clone())
        .set_restore_type(backup.clone.then(|| "copy-on-write".to_owned()))
        .set_use_latest_restorable_time(time.is_none().then_some(true))
        .set_restore_to_time(time);
    cx.call("rds:RestoreDBClusterToPointInTime", request.send()).await.map(drop)
}

/// Sets what the call that made a cluster from a backup does not take, and only then says that it is set.
async fn finish(cx: &Context, want: &Create<'_, Spec>, made: &DbCluster) -> Result<(), ApiError> {
    let (declared, there) = (tree(want.spec)?, tree(&found(made, None).spec)?);
    let lacks = |name: &str| {
        let Some(value) = field(&declared, name).filter(|_| LATER.contains(&name)) else { return false };
        match (name, value.as_str()) {
            ("engine_version", Some(version)) => !is_version(version, made.engine_version()),
            _ => !is_there(value, there.get(name)),
        }
    };
    modify(cx, want, made, &lacks).await?;
    if want.spec.data_api == Some(true) && made.http_endpoint_enabled() != Some(true) {
        switch_data_api(cx, made, true).await?;
    }
    if let Some(all) = want.tags.get(FINGERPRINT).filter(|_| want.spec.password.is_some()) {
        let tags = to_tags(&Tags::from([(FINGERPRINT.to_owned(), all.clone())]));
        let arn = made.db_cluster_arn().unwrap_or_default();
        let request = cx.clients.rds.add_tags_to_resource().resource_name(arn).set_tags(Some(tags));
        cx.call("rds:AddTagsToResource", request.send()).await?;
    }
    Ok(())
}

async fn switch_data_api(cx: &Context, cluster: &DbCluster, on: bool) -> Result<(), ApiError> {
    let (rds, arn) = (&cx.clients.rds, cluster.db_cluster_arn().unwrap_or_default());
    if on {
        cx.call("rds:EnableHttpEndpoint", rds.enable_http_endpoint().resource_arn(arn).send()).await.map(drop)
    } else {
        cx.call("rds:DisableHttpEndpoint", rds.disable_http_endpoint().resource_arn(arn).send()).await.map(drop)
    }
}

/// Changes a cluster, once it is ready for that, and its members.
pub(super) async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let spec = update.want.spec;
    let turned_on = update.changed("managed_password") && spec.managed_password;
    if update.changed("password_key") && !turned_on {
        let message = "the key of a password that the service keeps can't be changed: declare `managed_password: false` \
                       with a `password` and apply, then take that back with the new key";
        return Err(ApiError::new("rds:ModifyDBCluster", ErrorClass::Invalid, message));
    }
    let now = available(cx, update.id, RESTORED_WITHIN, update.want.watch, |_| true).await?;
    modify(cx, &update.want, &now, &|field| update.changed(field)).await?;
    if let Some(on) = spec.data_api.filter(|_| update.changed("data_api")) {
        switch_data_api(cx, &now, on).await?;
    }
    if update.changed("members") {
        settle(cx, update.id, &update.want).await?;
    }
    Ok(())
}

/// Changes fields at once, and waits until they are in force.
async fn modify(
    cx: &Context,
    want: &Create<'_, Spec>,
    now: &DbCluster,
    changed: &(dyn Fn(&str) -> bool + Sync),
) -> Result<(), ApiError> {
    let id = now.db_cluster_identifier().unwrap_or_default();
    let plain = cx.clients.rds.modify_db_cluster().db_cluster_identifier(id).apply_immediately(true);
    let request = servers(plain.clone(), want, now, changed)?;
    let request = upkeep(request, want, now, changed)?;
    if request.as_input() == plain.as_input() {
        return Ok(());
    }
    when_free(cx, want.watch, format!("cluster {id} to take changes"), || async {
        cx.call("rds:ModifyDBCluster", request.clone().send()).await.map(drop)
    })
    .await?;
    let declared = tree(want.spec)?;
    let in_force = |cluster: &DbCluster| {
        let there = tree(&found(cluster, None).spec).unwrap_or_default();
        SEEN.into_iter().filter(|name| changed(name)).all(|name| match (name, field(&declared, name)) {
            (_, None) => true,
            ("engine_version", Some(version)) => {
                is_version(version.as_str().unwrap_or_default(), cluster.engine_version())
            }
            (_, Some(value)) => is_there(value, there.get(name)),
        })
    };
    available(cx, id, CHANGED_WITHIN, want.watch, in_force).await.map(drop)
}

/// What the servers are, and who gets in.
fn servers(
    request: ModifyDBClusterFluentBuilder,
    want: &Create<'_, Spec>,
    now: &DbCluster,
    changed: &(dyn Fn(&str) -> bool + Sync),
) -> Result<ModifyDBClusterFluentBuilder, ApiError> {
    let spec = want.spec;
    let storage = spec.storage.clone().filter(|_| changed("storage")).unwrap_or_default();
    let size = gib(storage.size.as_ref());
    if size.zip(now.allocated_storage()).is_some_and(|(size, there)| size < there) {
        let message =
            "a cluster's storage can't shrink: make a new cluster beside it, copy the data, then remove this one";
        return Err(ApiError::new("rds:ModifyDBCluster", ErrorClass::Invalid, message));
    }
    let manages = changed("managed_password") && spec.managed_password;
    let version = spec.engine_version.clone().filter(|_| changed("engine_version"));
    let support = spec.engine_lifecycle_support.filter(|_| changed("engine_lifecycle_support"));
    let major = |version: &str| version.split('.').next().map(str::to_owned);
    let upgrade = version.as_deref().is_some_and(|v| major(v) != now.engine_version().and_then(major));
    // The members go over to the new version with it, and need parameters of its family.
    let mut groups = spec.members.iter().flat_map(|m| m.values()).filter_map(|m| m.parameter_group.as_ref());
    let members_group = id_of(want, groups.next().filter(|_| upgrade))?;
    Ok(request
        // The user has declared it.
        .set_allow_major_version_upgrade(version.is_some().then_some(true))
        .set_engine_version(version)
        .set_engine_lifecycle_support(support.map(|s| s.api().to_owned()))
        .set_db_instance_parameter_group_name(members_group)
        .set_db_cluster_instance_class(spec.class.clone().filter(|_| changed("class")))
        .set_storage_type(storage.storage_type.map(|t| t.api().to_owned()))
        .set_allocated_storage(size)
        .set_iops(storage.iops)
        .set_serverless_v2_scaling_configuration(spec.scaling.as_ref().filter(|_| changed("scaling")).map(scaled))
        .set_vpc_security_group_ids(ids_of(want, spec.security_groups.as_ref().filter(|_| changed("security_groups")))?)
        .set_port(spec.port.filter(|_| changed("port")))
        .set_network_type(spec.network_type.filter(|_| changed("network_type")).map(|t| t.api().to_owned()))
        .set_manage_master_user_password(changed("managed_password").then_some(spec.managed_password))
        .set_master_user_secret_kms_key_id(arn_of(want, spec.password_key.as_ref().filter(|_| manages))?)
        // A password that the service no longer keeps has to be given.
        .set_master_user_password(spec.password.clone().filter(|_| changed("password") || changed("managed_password")))
        .set_enable_iam_database_authentication(spec.iam_authentication.filter(|_| changed("iam_authentication"))))
}

/// Backups, upkeep, and what is told of it.
fn upkeep(
    request: ModifyDBClusterFluentBuilder,
    want: &Create<'_, Spec>,
    now: &DbCluster,
    changed: &(dyn Fn(&str) -> bool + Sync),
) -> Result<ModifyDBClusterFluentBuilder, ApiError> {
    let spec = want.spec;
    let mode = spec.database_insights.filter(|_| changed("database_insights"));
    let kept = Kept {
        enabled: now.performance_insights_enabled(),
        key: now.performance_insights_kms_key_id().map(str::to_owned),
        days: now.performance_insights_retention_period(),
    };
    let insights = kept.sent(want, spec.performance_insights.as_ref(), mode.is_some(), changed)?;
    let monitoring = spec.monitoring.as_ref().filter(|_| changed("monitoring"));
    let exports = spec.log_exports.as_ref().filter(|_| changed("log_exports"));
    let group = spec.parameter_group.as_ref().filter(|_| changed("parameter_group"));
    Ok(request
        .set_backup_retention_period(days(spec.backup_retention.as_ref().filter(|_| changed("backup_retention"))))
        .set_preferred_backup_window(spec.backup_window.clone().filter(|_| changed("backup_window")))
        .set_preferred_maintenance_window(spec.maintenance_window.clone().filter(|_| changed("maintenance_window")))
        .set_copy_tags_to_snapshot(changed("copy_tags_to_snapshots").then_some(spec.copy_tags_to_snapshots))
        .set_deletion_protection(spec.deletion_protection.filter(|_| changed("deletion_protection")))
        .set_db_cluster_parameter_group_name(id_of(want, group)?)
        .set_cloudwatch_logs_export_configuration(exports.map(|e| exported(e, now.enabled_cloudwatch_logs_exports())))
        .set_enable_performance_insights(insights.enabled)
        .set_performance_insights_kms_key_id(insights.key)
        .set_performance_insights_retention_period(insights.days)
        .set_database_insights_mode(mode.map(|m| DatabaseInsightsMode::from(m.api())))
        .set_monitoring_interval(monitoring.map(|m| number(m.interval.seconds())))
        .set_monitoring_role_arn(arn_of(want, monitoring.and_then(|m| m.role.as_ref()))?))
}

/// Deletes a cluster and its members, the writer last, and waits until all are gone. Its automated backups stay as long
/// as their retention says.
pub(super) async fn delete(cx: &Context, id: &str, watch: &dyn Watch) -> Result<(), ApiError> {
    let Some(now) = describe(cx, id).await? else { return Ok(()) };
    if now.deletion_protection() == Some(true) {
        // The API looks at it only when all members are gone.
        let message = format!("cluster {id} is protected from being deleted: apply `deletion_protection: false` first");
        return Err(ApiError::new("rds:DeleteDBCluster", ErrorClass::Invalid, message));
    }
    let rds = &cx.clients.rds;
    if now.engine().is_some_and(|e| e.starts_with("aurora")) {
        let all = of_clusters(cx, &[id.to_owned()]).await?;
        let writer = now.db_cluster_members().iter().find(|m| m.is_cluster_writer() == Some(true));
        let writer = writer.and_then(|m| m.db_instance_identifier());
        let mut members: Vec<&str> =
            members_of(id, &all).into_values().filter_map(|m| m.db_instance_identifier()).collect();
        members.sort_by_key(|member| Some(*member) == writer);
        for member in members {
            when_free(cx, watch, format!("database {member} to be deleted"), || async {
                let request = rds.delete_db_instance().db_instance_identifier(member).skip_final_snapshot(true);
                match cx.call("rds:DeleteDBInstance", request.send()).await {
                    Err(e) if e.class == ErrorClass::NotFound => Ok(()),
                    other => other.map(drop),
                }
            })
            .await?;
        }
    }
    when_free(cx, watch, format!("cluster {id} to be deleted"), || async {
        let request = rds.delete_db_cluster().db_cluster_identifier(id);
        let request = request.skip_final_snapshot(true).delete_automated_backups(false);
        cx.call("rds:DeleteDBCluster", request.send()).await.map(drop)
    })
    .await?;
    cx.wait(watch, &format!("cluster {id} to be gone"), GONE_WITHIN, || async {
        let there = describe(cx, id).await?;
        Ok(Look::when(there.is_none(), there.as_ref().and_then(|c| c.status())))
    })
    .await
}

#[cfg(test)]
mod tests;
