//! How a server is made, changed and deleted.

use std::time::Duration;

use aws_sdk_rds::operation::modify_db_instance::builders::ModifyDBInstanceFluentBuilder;
use aws_sdk_rds::types::{CloudwatchLogsExportConfiguration, DatabaseInsightsMode, DbInstance};
use serde_json::Value;

use super::database::{Database, FromBackup, LONGEST, Spec, Storage};
use super::database_read::{SIZE, found, list};
use super::settings::{DAY, PerformanceInsights, field, is_there, is_version, tree};
use super::states::{is_settled, still_hopeful};
use super::{arn_of, backups, id_of, identifier, ids_of, number, to_tags, when_free};
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::ownership::FINGERPRINT;
use crate::model::types;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::kind::{Create, Tags, Update, create_once};

/// Longest time until a new server can be used; large ones with a standby take the best part of it.
pub(super) const CREATED_WITHIN: Duration = Duration::from_secs(60 * 60);
/// The same for one that is made from a backup or as a copy: all its data is read.
pub(super) const RESTORED_WITHIN: Duration = Duration::from_secs(6 * 60 * 60);
/// Longest time until a change is in force: a standby, a major version.
const CHANGED_WITHIN: Duration = Duration::from_secs(3 * 60 * 60);
/// Longest time until a deleted server is gone.
const GONE_WITHIN: Duration = Duration::from_secs(60 * 60);
/// Operations a second of a gp3 disk that is too small to have a choice of them.
const GP3_IOPS: i32 = 3000;

/// Fields that some call that makes a server from another one's data does not take, or that such a server has from
/// there.
const LATER: [&str; 11] = [
    "engine_version",
    "engine_lifecycle_support",
    "storage",
    "backup_retention",
    "backup_window",
    "maintenance_window",
    "performance_insights",
    "database_insights",
    "monitoring",
    "managed_password",
    "password",
];
/// Fields whose new value is seen once it is in force.
const SEEN: [&str; 17] = [
    "engine_version",
    "class",
    "storage",
    "multi_az",
    "public_access",
    "port",
    "network_type",
    "backup_retention",
    "backup_window",
    "maintenance_window",
    "copy_tags_to_snapshots",
    "minor_upgrades",
    "deletion_protection",
    "iam_authentication",
    "license",
    "ca_certificate",
    "managed_password",
];

/// One server; none if it is not there.
pub(super) async fn describe(cx: &Context, id: &str) -> Result<Option<DbInstance>, ApiError> {
    Ok(list(cx, Some(id)).await?.into_iter().next())
}

/// Waits until a server can be used, and what is asked for is in force.
pub(super) async fn available(
    cx: &Context,
    id: &str,
    limit: Duration,
    watch: &dyn Watch,
    in_force: impl Fn(&DbInstance) -> bool,
) -> Result<DbInstance, ApiError> {
    cx.wait(watch, &format!("database {id} to be available"), limit, || async {
        let Some(db) = describe(cx, id).await? else { return Ok(Look::not(None)) };
        let word = db.db_instance_status();
        still_hopeful(id, word)?;
        match is_settled(word) {
            true if in_force(&db) => Ok(Look::Done(db)),
            true => Ok(Look::Not(format!("{}, with changes to come", word.unwrap_or_default()))),
            false => Ok(Look::not(word)),
        }
    })
    .await
}

/// Makes a server, and gives its name.
pub(super) async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
    let spec = want.spec;
    let name = spec.name.clone().unwrap_or_else(|| identifier(want.name, LONGEST));
    let once = cx.once();
    let call = async {
        match (&spec.replica_of, &spec.from_backup) {
            (Some(source), _) => {
                let source = want.id(source)?;
                let encrypted = describe(cx, &source).await?.and_then(|db| db.storage_encrypted);
                check_copied((spec.encrypted, None, None), &source, (encrypted, None, None))?;
                replicate(&once, want, &name, &source).await?;
            }
            (None, Some(backup)) => restore(&once, want, &name, backup).await?,
            (None, None) => create_empty(&once, want, &name).await?,
        }
        Ok(name.clone())
    };
    create_once::<Database>(cx, want, Some(&name), call).await
}

/// Tags of the creating call.
fn first_tags(want: &Create<'_, Spec>) -> Tags {
    let mut tags = unset_password(want.tags, want.spec.is_copy());
    tags.extend(size_tag(want.spec));
    tags
}

/// Tags of a creating call; if that does not set the password, it has no fingerprint yet.
pub(super) fn unset_password(tags: &Tags, unset: bool) -> Tags {
    let mut tags = tags.clone();
    if let Some(all) = tags.remove(FINGERPRINT) {
        let kept: Vec<&str> = all.split(' ').filter(|one| !(unset && one.starts_with("password="))).collect();
        if !kept.is_empty() {
            tags.insert(FINGERPRINT.to_owned(), kept.join(" "));
        }
    }
    tags
}

/// The tag that holds the declared size of the disk.
fn size_tag(spec: &Spec) -> Option<(String, String)> {
    let size = spec.storage.as_ref()?.size.as_ref()?;
    Some((SIZE.to_owned(), size.to_string()))
}

pub(super) fn gib(size: Option<&types::Size>) -> Option<i32> {
    size.map(|s| number(s.gib()))
}

pub(super) fn days(time: Option<&types::Duration>) -> Option<i32> {
    time.map(|t| number(t.seconds() / DAY))
}

/// The limit up to which the disk may grow, if it may.
fn limit(spec: &Spec) -> Option<i32> {
    gib(spec.storage.as_ref()?.limit.as_ref()).filter(|l| *l > 0)
}

/// What all calls that make a server take.
macro_rules! common {
    ($request:expr, $want:expr) => {{
        let spec = $want.spec;
        let storage = spec.storage.clone().unwrap_or_default();
        $request
            .set_tags(Some(to_tags(&first_tags($want))))
            .db_instance_class(&spec.class)
            .set_allocated_storage(gib(storage.size.as_ref()))
            .set_storage_type(storage.storage_type.map(|t| t.api().to_owned()))
            .set_iops(storage.iops)
            .set_storage_throughput(storage.throughput)
            .set_multi_az(spec.multi_az)
            .set_availability_zone(spec.zone.clone())
            .set_db_subnet_group_name(id_of($want, spec.subnet_group.as_ref())?)
            .set_vpc_security_group_ids(ids_of($want, spec.security_groups.as_ref())?)
            .publicly_accessible(spec.public_access)
            .set_port(spec.port)
            .set_network_type(spec.network_type.map(|t| t.api().to_owned()))
            .copy_tags_to_snapshot(spec.copy_tags_to_snapshots)
            .set_auto_minor_version_upgrade(spec.minor_upgrades)
            .set_deletion_protection(spec.deletion_protection)
            .set_db_parameter_group_name(id_of($want, spec.parameter_group.as_ref())?)
            .set_option_group_name(id_of($want, spec.option_group.as_ref())?)
            .set_enable_cloudwatch_logs_exports(spec.log_exports.clone())
            .set_ca_certificate_identifier(spec.ca_certificate.clone())
            .set_enable_iam_database_authentication(spec.iam_authentication)
    }};
}

async fn create_empty(cx: &Context, want: &Create<'_, Spec>, name: &str) -> Result<(), ApiError> {
    let spec = want.spec;
    let insights = spec.performance_insights.as_ref();
    let monitoring = spec.monitoring.as_ref();
    let request = common!(cx.clients.rds.create_db_instance(), want)
        .db_instance_identifier(name)
        .set_engine(spec.engine.clone())
        .set_engine_lifecycle_support(spec.engine_lifecycle_support.map(|s| s.api().to_owned()))
        .set_engine_version(spec.engine_version.clone())
        .set_max_allocated_storage(limit(spec))
        .storage_encrypted(spec.encrypted)
        .set_kms_key_id(arn_of(want, spec.key.as_ref())?)
        .set_backup_retention_period(days(spec.backup_retention.as_ref()))
        .set_preferred_backup_window(spec.backup_window.clone())
        .set_preferred_maintenance_window(spec.maintenance_window.clone())
        .set_enable_performance_insights(insights.map(|i| i.enabled))
        .set_performance_insights_kms_key_id(arn_of(want, insights.and_then(|i| i.key.as_ref()))?)
        .set_performance_insights_retention_period(days(insights.and_then(|i| i.retention.as_ref())))
        .set_database_insights_mode(spec.database_insights.map(|m| DatabaseInsightsMode::from(m.api())))
        .set_monitoring_interval(monitoring.map(|m| number(m.interval.seconds())))
        .set_monitoring_role_arn(arn_of(want, monitoring.and_then(|m| m.role.as_ref()))?)
        .set_master_username(spec.user.clone())
        .set_manage_master_user_password(spec.managed_password.then_some(true))
        .set_master_user_secret_kms_key_id(arn_of(want, spec.password_key.as_ref())?)
        .set_master_user_password(spec.password.clone())
        .set_db_name(spec.database.clone())
        .set_license_model(spec.license.map(|l| l.api().to_owned()))
        .set_character_set_name(spec.character_set.clone())
        .set_nchar_character_set_name(spec.national_character_set.clone())
        .set_timezone(spec.time_zone.clone());
    cx.call("rds:CreateDBInstance", request.send()).await.map(drop)
}

async fn replicate(cx: &Context, want: &Create<'_, Spec>, name: &str, source: &str) -> Result<(), ApiError> {
    let spec = want.spec;
    let insights = spec.performance_insights.as_ref();
    let monitoring = spec.monitoring.as_ref();
    let request = common!(cx.clients.rds.create_db_instance_read_replica(), want)
        .db_instance_identifier(name)
        .source_db_instance_identifier(source)
        .set_max_allocated_storage(limit(spec))
        .set_enable_performance_insights(insights.map(|i| i.enabled))
        .set_performance_insights_kms_key_id(arn_of(want, insights.and_then(|i| i.key.as_ref()))?)
        .set_performance_insights_retention_period(days(insights.and_then(|i| i.retention.as_ref())))
        .set_database_insights_mode(spec.database_insights.map(|m| DatabaseInsightsMode::from(m.api())))
        .set_monitoring_interval(monitoring.map(|m| number(m.interval.seconds())))
        .set_monitoring_role_arn(arn_of(want, monitoring.and_then(|m| m.role.as_ref()))?);
    cx.call("rds:CreateDBInstanceReadReplica", request.send()).await.map(drop)
}

/// What a copy has of its source: whether it is encrypted, with which key, and its master user.
pub(super) type Copied<'a> = (Option<bool>, Option<&'a str>, Option<&'a str>);

/// Encryption, key and master user can't be chosen for what is made from another one's data: what is declared must be
/// what is there, or the new one would have to be made anew at once.
pub(super) fn check_copied(
    (encrypted, key, user): (bool, Option<&str>, Option<&str>),
    source: &str,
    (is_encrypted, its_key, its_user): Copied<'_>,
) -> Result<(), ApiError> {
    let message = match (encrypted, is_encrypted) {
        (true, Some(false)) => {
            format!("{source} is not encrypted: copy it with a key first, or declare `encrypted: false`")
        }
        (false, Some(true)) => {
            format!("{source} is encrypted, as what is made of it will be: declare `encrypted: true`")
        }
        _ => match (key.zip(its_key), user.zip(its_user)) {
            (Some((key, its)), _) if key != its => {
                format!("{source} is encrypted with {its}: copy it with the other key first")
            }
            (_, Some((user, its))) if user != its => {
                format!("the master user of {source} is `{its}`, not `{user}`: declare that one")
            }
            _ => return Ok(()),
        },
    };
    Err(ApiError::new("rds:restore", ErrorClass::Invalid, message))
}

async fn restore(cx: &Context, want: &Create<'_, Spec>, name: &str, backup: &FromBackup) -> Result<(), ApiError> {
    let (rds, spec) = (&cx.clients.rds, want.spec);
    let key = arn_of(want, spec.key.as_ref())?;
    let declared = (spec.encrypted, key.as_deref(), spec.user.as_deref());
    if let Some(snapshot) = &backup.snapshot {
        let request = rds.describe_db_snapshots().db_snapshot_identifier(snapshot);
        // A snapshot of somebody else's may be seen under its ARN only, if at all.
        let request = request.include_shared(snapshot.starts_with("arn:"));
        let answer = cx.call("rds:DescribeDBSnapshots", request.send()).await?;
        if let Some(there) = answer.db_snapshots().first() {
            check_copied(declared, snapshot, (there.encrypted, there.kms_key_id(), there.master_username()))?;
        }
        return restore_snapshot(cx, want, name, snapshot).await;
    }
    let source = id_of(want, backup.source.as_ref())?;
    if let Some(source) = &source
        && let Some(there) = describe(cx, source).await?
    {
        check_copied(declared, source, (there.storage_encrypted, there.kms_key_id(), there.master_username()))?;
    }
    restore_time(cx, want, name, (backup, source)).await
}

async fn restore_snapshot(cx: &Context, want: &Create<'_, Spec>, name: &str, snapshot: &str) -> Result<(), ApiError> {
    let spec = want.spec;
    let request = common!(cx.clients.rds.restore_db_instance_from_db_snapshot(), want)
        .db_instance_identifier(name)
        .db_snapshot_identifier(snapshot)
        .set_engine(spec.engine.clone())
        .set_engine_lifecycle_support(spec.engine_lifecycle_support.map(|s| s.api().to_owned()))
        .set_manage_master_user_password(spec.managed_password.then_some(true))
        .set_master_user_secret_kms_key_id(arn_of(want, spec.password_key.as_ref())?)
        .set_license_model(spec.license.map(|l| l.api().to_owned()));
    cx.call("rds:RestoreDBInstanceFromDBSnapshot", request.send()).await.map(drop)
}

async fn restore_time(
    cx: &Context,
    want: &Create<'_, Spec>,
    name: &str,
    (backup, source): (&FromBackup, Option<String>),
) -> Result<(), ApiError> {
    let spec = want.spec;
    let time = backup.time.as_deref().map(backups::time).transpose()?;
    let request = common!(cx.clients.rds.restore_db_instance_to_point_in_time(), want)
        .target_db_instance_identifier(name)
        .set_source_db_instance_identifier(source)
        .set_source_dbi_resource_id(backup.source_resource_id.clone())
        .set_source_db_instance_automated_backups_arn(backup.automated_backup.clone())
        .set_use_latest_restorable_time(time.is_none().then_some(true))
        .set_restore_time(time)
        .set_engine(spec.engine.clone())
        .set_engine_lifecycle_support(spec.engine_lifecycle_support.map(|s| s.api().to_owned()))
        .set_max_allocated_storage(limit(spec))
        .set_manage_master_user_password(spec.managed_password.then_some(true))
        .set_master_user_secret_kms_key_id(arn_of(want, spec.password_key.as_ref())?)
        .set_license_model(spec.license.map(|l| l.api().to_owned()));
    cx.call("rds:RestoreDBInstanceToPointInTime", request.send()).await.map(drop)
}

/// Sets what the call that made a server from another one's data does not take, and only then says that it is set.
pub(super) async fn finish(cx: &Context, want: &Create<'_, Spec>, made: &DbInstance) -> Result<(), ApiError> {
    let (declared, there) = (tree(want.spec)?, tree(&found(made).spec)?);
    let copy = want.spec.replica_of.is_some();
    let lacks = |name: &str| {
        let fits = |value: &Value| match (name, value.as_str()) {
            ("engine_version", Some(version)) => is_version(version, made.engine_version()),
            _ => is_there(value, there.get(name)),
        };
        // A copy follows its source's version and password.
        let later =
            LATER.contains(&name) && !(copy && ["engine_version", "password", "managed_password"].contains(&name));
        later && field(&declared, name).is_some_and(|value| !fits(value))
    };
    let id = made.db_instance_identifier().unwrap_or_default();
    modify(cx, want, made, &lacks).await?;
    if let Some(all) = want.tags.get(FINGERPRINT).filter(|_| want.spec.password.is_some()) {
        tag(cx, id, made, (FINGERPRINT.to_owned(), all.clone())).await?;
    }
    Ok(())
}

async fn tag(cx: &Context, id: &str, db: &DbInstance, (key, value): (String, String)) -> Result<(), ApiError> {
    let arn = db.db_instance_arn().unwrap_or(id);
    let tags = to_tags(&Tags::from([(key, value)]));
    let request = cx.clients.rds.add_tags_to_resource().resource_name(arn).set_tags(Some(tags));
    cx.call("rds:AddTagsToResource", request.send()).await.map(drop)
}

/// Changes a server, once it is ready for that.
pub(super) async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let (id, watch) = (update.id, update.want.watch);
    let turned_on = update.changed("managed_password") && update.want.spec.managed_password;
    if update.changed("password_key") && !turned_on {
        let message = "the key of a password that the service keeps can't be changed: declare `managed_password: false` \
                       with a `password` and apply, then take that back with the new key";
        return Err(ApiError::new("rds:ModifyDBInstance", ErrorClass::Invalid, message));
    }
    let mut now = available(cx, id, RESTORED_WITHIN, watch, |_| true).await?;
    if update.changed("promoted") {
        let request = cx.clients.rds.promote_read_replica().db_instance_identifier(id);
        let request = request.set_backup_retention_period(days(update.want.spec.backup_retention.as_ref()));
        cx.call("rds:PromoteReadReplica", request.send()).await?;
        let alone = |db: &DbInstance| db.read_replica_source_db_instance_identifier().is_none_or(str::is_empty);
        now = available(cx, id, CHANGED_WITHIN, watch, alone).await?;
    }
    modify(cx, &update.want, &now, &|field| update.changed(field)).await
}

/// Changes fields at once, and waits until they are in force.
async fn modify(
    cx: &Context,
    want: &Create<'_, Spec>,
    now: &DbInstance,
    changed: &(dyn Fn(&str) -> bool + Sync),
) -> Result<(), ApiError> {
    let id = now.db_instance_identifier().unwrap_or_default();
    let plain = cx.clients.rds.modify_db_instance().db_instance_identifier(id).apply_immediately(true);
    // What can't be is refused before anything is written.
    let request = disk(plain.clone(), want.spec, now, changed)?;
    let request = server(request, want, changed)?;
    let request = upkeep(request, want, now, changed)?;
    if let Some(size) = size_tag(want.spec).filter(|_| changed("storage")) {
        // Before the disk grows: a tag that says more than there is counts for nothing.
        tag(cx, id, now, size).await?;
    }
    if request.as_input() == plain.as_input() {
        return Ok(());
    }
    when_free(cx, want.watch, format!("database {id} to take changes"), || async {
        cx.call("rds:ModifyDBInstance", request.clone().send()).await.map(drop)
    })
    .await?;
    let declared = tree(want.spec)?;
    let in_force = |db: &DbInstance| {
        let there = tree(&found(db).spec).unwrap_or_default();
        SEEN.into_iter().filter(|name| changed(name)).all(|name| match (name, field(&declared, name)) {
            (_, None) => true,
            ("engine_version", Some(version)) => is_version(version.as_str().unwrap_or_default(), db.engine_version()),
            (_, Some(value)) => is_there(value, there.get(name)),
        })
    };
    available(cx, id, CHANGED_WITHIN, want.watch, in_force).await.map(drop)
}

/// The disk: what differs from what is there. It never shrinks; what the service let it grow by stays.
fn disk(
    request: ModifyDBInstanceFluentBuilder,
    spec: &Spec,
    now: &DbInstance,
    changed: &(dyn Fn(&str) -> bool + Sync),
) -> Result<ModifyDBInstanceFluentBuilder, ApiError> {
    let Some(storage) = spec.storage.as_ref().filter(|_| changed("storage")) else { return Ok(request) };
    let there = now.allocated_storage().unwrap_or(0);
    let size = gib(storage.size.as_ref()).unwrap_or(there);
    let grows_by_itself = now.max_allocated_storage().is_some_and(|limit| limit > 0);
    if size < there && !grows_by_itself {
        let message = format!(
            "a database's disk can't shrink from {there} GiB to {size} GiB: make a new database beside it, copy the data, \
             then remove this one"
        );
        return Err(ApiError::new("rds:ModifyDBInstance", ErrorClass::Invalid, message));
    }
    let size = size.max(there);
    check_growth(now, "disk", " GiB", size, there)?;
    let same_type = storage.storage_type.is_none_or(|t| now.storage_type() == Some(t.api()));
    let db2 = now.engine().is_some_and(|engine| engine.starts_with("db2"));
    if let Some((wanted, there)) = storage.iops.zip(now.iops()).filter(|_| same_type && !db2) {
        check_growth(now, "number of operations", " a second", wanted, there)?;
    }
    let differs = |wanted: Option<i32>, there: Option<i32>| wanted.is_some() && wanted != there;
    let storage_type = storage.storage_type.map(|t| t.api()).filter(|t| now.storage_type() != Some(*t));
    let sends_size = size > there
        || storage_type.is_some()
        || differs(storage.iops, now.iops())
        || differs(storage.throughput, now.storage_throughput());
    // With other operations the API wants the size, too, and with another size the operations.
    let (iops, throughput) = if sends_size { performance(storage, now) } else { (None, None) };
    let limit = gib(storage.limit.as_ref()).filter(|limit| *limit != now.max_allocated_storage().unwrap_or(0));
    Ok(request
        .set_allocated_storage(sends_size.then_some(size))
        .set_storage_type(storage_type.map(str::to_owned))
        .set_iops(iops)
        .set_storage_throughput(throughput)
        // A limit that is the size is none.
        .set_max_allocated_storage(limit.map(|limit| if limit == 0 { size } else { limit })))
}

/// Refuses a growth that the API would round up, so that what is declared would never come
/// (<https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBInstance.html>, `AllocatedStorage` and `Iops`).
fn check_growth(now: &DbInstance, what: &str, unit: &str, wanted: i32, there: i32) -> Result<(), ApiError> {
    let smallest = there + (there + 9) / 10;
    if wanted <= there || wanted >= smallest || is_sql_server(now) {
        return Ok(());
    }
    let message = format!(
        "a database's {what} grows by 10 % at least, and the API would round {wanted}{unit} up: it has {there}{unit}, so \
         declare {smallest}{unit} or more"
    );
    Err(ApiError::new("rds:ModifyDBInstance", ErrorClass::Invalid, message))
}

/// Operations and throughput that go with a size: the API wants them again where a disk has a number of its own, and
/// refuses them for a gp3 disk that is too small to have one. What is not declared stays as long as the type does.
fn performance(storage: &Storage, now: &DbInstance) -> (Option<i32>, Option<i32>) {
    let target = storage.storage_type.map(|t| t.api()).or(now.storage_type());
    let kept = |there: Option<i32>| there.filter(|n| *n > 0 && target == now.storage_type());
    let iops = storage.iops.or(kept(now.iops()));
    let throughput = storage.throughput.or(kept(now.storage_throughput()));
    let declared = storage.iops.is_some() || storage.throughput.is_some();
    match target {
        Some("io1" | "io2") => (iops, storage.throughput),
        Some("gp3") if declared || is_sql_server(now) || kept(now.iops()).is_some_and(|n| n > GP3_IOPS) => {
            (iops, throughput)
        }
        _ => (storage.iops, storage.throughput),
    }
}

/// SQL Server, whose gp3 disks have a choice of operations at every size, and whose disks grow by any amount.
fn is_sql_server(db: &DbInstance) -> bool {
    db.engine().is_some_and(|engine| engine.contains("sqlserver"))
}

/// What the server is, where it stands, and who gets in.
fn server(
    request: ModifyDBInstanceFluentBuilder,
    want: &Create<'_, Spec>,
    changed: &(dyn Fn(&str) -> bool + Sync),
) -> Result<ModifyDBInstanceFluentBuilder, ApiError> {
    let spec = want.spec;
    let manages = changed("managed_password") && spec.managed_password;
    let version = spec.engine_version.clone().filter(|_| changed("engine_version"));
    let support = spec.engine_lifecycle_support.filter(|_| changed("engine_lifecycle_support"));
    Ok(request
        // The user has declared it.
        .set_allow_major_version_upgrade(version.is_some().then_some(true))
        .set_engine_version(version)
        .set_engine_lifecycle_support(support.map(|s| s.api().to_owned()))
        .set_db_instance_class(changed("class").then(|| spec.class.clone()))
        .set_multi_az(spec.multi_az.filter(|_| changed("multi_az")))
        .set_db_subnet_group_name(id_of(want, spec.subnet_group.as_ref().filter(|_| changed("subnet_group")))?)
        .set_vpc_security_group_ids(ids_of(want, spec.security_groups.as_ref().filter(|_| changed("security_groups")))?)
        .set_publicly_accessible(changed("public_access").then_some(spec.public_access))
        .set_db_port_number(spec.port.filter(|_| changed("port")))
        .set_network_type(spec.network_type.filter(|_| changed("network_type")).map(|t| t.api().to_owned()))
        .set_manage_master_user_password(changed("managed_password").then_some(spec.managed_password))
        .set_master_user_secret_kms_key_id(arn_of(want, spec.password_key.as_ref().filter(|_| manages))?)
        // A password that the service no longer keeps has to be given.
        .set_master_user_password(spec.password.clone().filter(|_| changed("password") || changed("managed_password")))
        .set_ca_certificate_identifier(spec.ca_certificate.clone().filter(|_| changed("ca_certificate")))
        .set_enable_iam_database_authentication(spec.iam_authentication.filter(|_| changed("iam_authentication")))
        .set_license_model(spec.license.filter(|_| changed("license")).map(|l| l.api().to_owned())))
}

/// Backups, upkeep, and what is told of it.
fn upkeep(
    request: ModifyDBInstanceFluentBuilder,
    want: &Create<'_, Spec>,
    now: &DbInstance,
    changed: &(dyn Fn(&str) -> bool + Sync),
) -> Result<ModifyDBInstanceFluentBuilder, ApiError> {
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
    Ok(request
        .set_backup_retention_period(days(spec.backup_retention.as_ref().filter(|_| changed("backup_retention"))))
        .set_preferred_backup_window(spec.backup_window.clone().filter(|_| changed("backup_window")))
        .set_preferred_maintenance_window(spec.maintenance_window.clone().filter(|_| changed("maintenance_window")))
        .set_copy_tags_to_snapshot(changed("copy_tags_to_snapshots").then_some(spec.copy_tags_to_snapshots))
        .set_auto_minor_version_upgrade(spec.minor_upgrades.filter(|_| changed("minor_upgrades")))
        .set_deletion_protection(spec.deletion_protection.filter(|_| changed("deletion_protection")))
        .set_db_parameter_group_name(id_of(want, spec.parameter_group.as_ref().filter(|_| changed("parameter_group")))?)
        .set_option_group_name(id_of(want, spec.option_group.as_ref().filter(|_| changed("option_group")))?)
        .set_cloudwatch_logs_export_configuration(exports.map(|e| exported(e, now.enabled_cloudwatch_logs_exports())))
        .set_enable_performance_insights(insights.enabled)
        .set_performance_insights_kms_key_id(insights.key)
        .set_performance_insights_retention_period(insights.days)
        .set_database_insights_mode(mode.map(|m| DatabaseInsightsMode::from(m.api())))
        .set_monitoring_interval(monitoring.map(|m| number(m.interval.seconds())))
        .set_monitoring_role_arn(arn_of(want, monitoring.and_then(|m| m.role.as_ref()))?))
}

/// What the service keeps of a database's load, in the API's terms.
#[derive(Default)]
pub(super) struct Kept {
    pub enabled: Option<bool>,
    pub key: Option<String>,
    pub days: Option<i32>,
}

impl Kept {
    /// What a change sends of it, from what is there: what is declared and has changed; and with another mode of database
    /// insights all of it, which the API wants with that, declared or as it is.
    pub(super) fn sent<S>(
        self,
        want: &Create<'_, S>,
        declared: Option<&PerformanceInsights>,
        mode: bool,
        changed: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Self, ApiError> {
        let Some(wanted) = declared.filter(|_| mode || changed("performance_insights")) else {
            // Off is not sent again: members of a cluster may have it by themselves.
            return Ok(if mode && self.enabled == Some(true) { self } else { Self::default() });
        };
        let there = if mode && wanted.enabled && self.enabled == Some(true) { self } else { Self::default() };
        Ok(Self {
            enabled: Some(wanted.enabled),
            key: arn_of(want, wanted.key.as_ref())?.or(there.key),
            days: days(wanted.retention.as_ref()).or(there.days),
        })
    }
}

/// Logs to send, and logs to send no longer.
pub(super) fn exported(wanted: &[String], there: &[String]) -> CloudwatchLogsExportConfiguration {
    let without = |some: &[String], others: &[String]| {
        let rest: Vec<String> = some.iter().filter(|log| !others.contains(log)).cloned().collect();
        (!rest.is_empty()).then_some(rest)
    };
    CloudwatchLogsExportConfiguration::builder()
        .set_enable_log_types(without(wanted, there))
        .set_disable_log_types(without(there, wanted))
        .build()
}

/// Deletes a server, and waits until it is gone. Its automated backups stay as long as their retention says.
pub(super) async fn delete(cx: &Context, id: &str, watch: &dyn Watch) -> Result<(), ApiError> {
    when_free(cx, watch, format!("database {id} to be deleted"), || async {
        let request = cx.clients.rds.delete_db_instance().db_instance_identifier(id);
        let request = request.skip_final_snapshot(true).delete_automated_backups(false);
        cx.call("rds:DeleteDBInstance", request.send()).await.map(drop)
    })
    .await?;
    cx.wait(watch, &format!("database {id} to be gone"), GONE_WITHIN, || async {
        let there = describe(cx, id).await?;
        Ok(Look::when(there.is_none(), there.as_ref().and_then(|db| db.db_instance_status())))
    })
    .await
}

#[cfg(test)]
mod tests;
