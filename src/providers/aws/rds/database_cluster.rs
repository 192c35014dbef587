//! `database_cluster`: servers over one storage (Aurora), or one server with two readable standbys (Multi-AZ cluster).
//!
//! The servers of an Aurora cluster are declared inside it, by name: each is the server `CLUSTER-NAME`, made after the
//! cluster, in the order of their tiers, so that the first becomes the writer. The service makes those of a Multi-AZ
//! cluster by itself, of the cluster's `class`. Members carry project and environment, and no address: they are no
//! objects of their own.
//!
//! Name, engine, encryption, subnets, master user, first database and where its data came from make a new cluster
//! necessary; replacing one loses its data, so that is guarded. All else changes in place, at once; members are added
//! before others go. `engine_version` is compared as far as it is given. Backtracking and global clusters are left out.
//!
//! Its name is its id, and the list shows the tags. The creating calls take no token: a name that is taken is ours if
//! the tags say so, and a member's if it is a member of this cluster. A run that ended before all members were there
//! left a cluster that differs from what is declared; one that is made from a backup takes its last settings by a
//! second call, as `database` does.
//!
//! A deletion makes no last snapshot by itself (the engine has seen to a recovery point before), keeps the automated
//! backups for as long as their retention says, and respects `deletion_protection`, which is looked at before the first
//! member goes.
//! API: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBCluster.html>

use std::collections::BTreeMap;
use std::time::Duration as Time;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::backups::{self, Automated, Of};
use super::cluster_calls::{RESTORED_WITHIN, create, delete, describe, update};
use super::cluster_members::{MemberSpec, check_members, of_clusters};
use super::cluster_parameter_group::DatabaseClusterParameterGroup;
use super::cluster_read::{found, list};
use super::database::check_time;
use super::settings::{
    InsightsMode, LifecycleSupport, Login, Monitoring, NetworkType, PerformanceInsights, check_days, check_login,
    check_watching, check_windows, yes,
};
use super::subnet_group::DatabaseSubnetGroup;
use super::{own_name, retag, tally};
use crate::model::cloud::{ApiError, RecoveryPoint, Watch};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Recovery, Replacement, Scope};
use crate::model::observed::Object;
use crate::model::ownership::Owner;
use crate::model::preflight::View;
use crate::model::types::{Duration, Ref, Size};
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::security_group::SecurityGroup;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs, Quota, Tally, Use};
use crate::providers::aws::words::words;

/// Longest name of a cluster that is derived: with those of its members it must not be longer than 63.
pub(super) const LONGEST: usize = 42;

/// The kind `database_cluster`.
pub struct DatabaseCluster;

/// Servers over one storage, or one with two standbys that can be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, part of its endpoints: 63 lower case letters, digits and single hyphens at most, with those of its
    /// members; a letter first; derived from the address if left out. An object that replaces another one can't have
    /// the same name unless `lifecycle.replacement` is `delete_first`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z][a-z0-9-]*$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// Engine.
    #[schemars(extend("x-change" = "replace"))]
    pub engine: ClusterEngine,
    /// Version of the engine, compared as far as it is given: `16` is also 16.4, so that the service may bring minor
    /// versions. Another major version is an upgrade that can't be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts", "x-version" = true))]
    pub engine_version: Option<String>,
    /// What becomes of it when its major version is past the end of its standard support; extended support, at a
    /// price, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_lifecycle_support: Option<LifecycleSupport>,
    /// Servers of an Aurora cluster, by name (20 lower case letters, digits and single hyphens at most).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<BTreeMap<String, MemberSpec>>,
    /// Size of the servers of a Multi-AZ cluster, such as `db.m6gd.large`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^db\.[a-z0-9.-]+$"), extend("x-change" = "interrupts"))]
    pub class: Option<String>,
    /// Its storage. Aurora's grows by itself, and only its type is chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<ClusterStorage>,
    /// Between what members of class `db.serverless` scale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<Scaling>,
    /// Whether storage, backups and snapshots are encrypted.
    #[serde(default = "yes")]
    #[schemars(extend("x-change" = "replace"))]
    pub encrypted: bool,
    /// Key that encrypts them (by ARN, if it is not owned); the account's default key if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub key: Option<Ref<Key>>,
    /// Subnets that it may stand in; those of the default network if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub subnet_group: Option<Ref<DatabaseSubnetGroup>>,
    /// Groups that say who reaches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub security_groups: Option<Vec<Ref<SecurityGroup>>>,
    /// Port; the engine's usual one if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1150, max = 65535), extend("x-change" = "interrupts"))]
    pub port: Option<i32>,
    /// Which addresses it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub network_type: Option<NetworkType>,
    /// How long automated backups are kept, also after the cluster: 1 to 35 whole days.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_retention: Option<Duration>,
    /// When the daily backup is made, in UTC: `17:00-17:30`, half an hour at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup_window: Option<String>,
    /// When the service may do what interrupts, in UTC: `sun:18:00-sun:18:30`, half an hour at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance_window: Option<String>,
    /// Whether snapshots get its tags.
    #[serde(default = "yes")]
    pub copy_tags_to_snapshots: bool,
    /// Whether the API refuses to delete it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_protection: Option<bool>,
    /// Values of the engine's parameters for all members. Another group is in force after their next restart, which is
    /// left to the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_group: Option<Ref<DatabaseClusterParameterGroup>>,
    /// Logs that are sent to log groups, in the engine's words: `postgresql`, `error`, `slowquery`, `audit`…
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub log_exports: Option<Vec<String>>,
    /// What the service keeps of its load, for all members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub performance_insights: Option<PerformanceInsights>,
    /// How much the service tells of its load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_insights: Option<InsightsMode>,
    /// Measurements of the systems beneath all members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<Monitoring>,
    /// Master user. Needed unless the data comes from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), extend("x-change" = "replace"))]
    pub user: Option<String>,
    /// Whether the service makes the master user's password, keeps it in a secret (`secret_arn`) and changes it every
    /// week.
    #[serde(default = "yes")]
    pub managed_password: bool,
    /// Key that encrypts that secret (by ARN, if it is not owned); the account's default key if left out. It can't be
    /// changed while the service keeps the password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_key: Option<Ref<Key>>,
    /// The master user's password, with `managed_password: false`: 8 to 128 characters (MySQL 41). A digest of it stands
    /// in a tag of the cluster's, so that a change is seen: take a long one that nobody can guess.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = true, "x-fingerprint" = true))]
    pub password: Option<String>,
    /// Name of a first database in it; none is made if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), extend("x-change" = "replace"))]
    pub database: Option<String>,
    /// Whether identities of the account can be users of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam_authentication: Option<bool>,
    /// Whether statements can be sent to it over HTTPS (Aurora's Data API).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_api: Option<bool>,
    /// Backup that it is made from. It can be left out once the cluster is there; another one makes a new cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace", "x-fingerprint" = true))]
    pub from_backup: Option<ClusterBackup>,
    /// Tags; new members get them too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

words! {
    /// Engine of a cluster.
    ClusterEngine {
        /// Aurora that speaks MySQL.
        AuroraMysql = "aurora-mysql",
        /// Aurora that speaks PostgreSQL.
        AuroraPostgresql = "aurora-postgresql",
        /// MySQL, as a Multi-AZ cluster.
        Mysql = "mysql",
        /// PostgreSQL, as a Multi-AZ cluster.
        Postgres = "postgres",
    }
}

impl ClusterEngine {
    /// Whether its members are declared, rather than made by the service.
    pub(super) fn is_aurora(self) -> bool {
        match self {
            Self::AuroraMysql | Self::AuroraPostgresql => true,
            Self::Mysql | Self::Postgres => false,
        }
    }
}

words! {
    /// Type of a cluster's storage.
    ClusterStorageType {
        /// Aurora's, where reading and writing is paid for by the operation.
        Aurora = "aurora",
        /// Aurora's, where it is in the price; it can be taken once in 30 days.
        AuroraIoOptimized = "aurora-iopt1",
        /// For all purposes (Multi-AZ).
        Gp3 = "gp3",
        /// Many operations (Multi-AZ).
        Io1 = "io1",
        /// Many operations, more durable (Multi-AZ).
        Io2 = "io2",
    }
}

/// A cluster's storage.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterStorage {
    /// Size for each server of a Multi-AZ cluster, whole GiB; it can only grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// Type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub storage_type: Option<ClusterStorageType>,
    /// Operations a second (Multi-AZ).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1000, max = 256_000))]
    pub iops: Option<i32>,
}

/// Between what servers scale, in capacity units of about 2 GiB of memory, by halves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    /// Least; `0` lets them pause.
    #[schemars(range(min = 0, max = 256))]
    pub min: f64,
    /// Most.
    #[schemars(range(min = 1, max = 256))]
    pub max: f64,
    /// How long without connections before they pause, 5 minutes to a day; with a least of 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause_after: Option<Duration>,
}

/// A backup that a cluster is made from: `snapshot`, or the state of a cluster at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClusterBackup {
    /// Id or ARN of a snapshot of a cluster; also the ARN of a recovery point of AWS Backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// Cluster of the same region whose automated backups it is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Ref<DatabaseCluster>>,
    /// The same for a cluster that is gone and whose automated backups are still kept: its resource id, `cluster-…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_resource_id: Option<String>,
    /// Time whose state is restored, in UTC: `2026-11-23T05:00:00Z`; the latest that can be if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Whether it shares the source's storage, and copies only what either changes (Aurora): there at once, with no
    /// `time`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clone: bool,
}

impl Kind for DatabaseCluster {
    const NAME: &'static str = "database_cluster";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "database cluster",
            service: "rds",
            reference: "https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBCluster.html",
            scope: Scope::Regional,
            data: Some(Recovery::Point("DB cluster snapshot")),
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: ATTRIBUTES,
            permissions: PERMISSIONS,
            name_limit: LONGEST,
            creation_seconds: 900,
            deletion_seconds: 600,
            quota: 40,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if spec.name.as_deref().is_some_and(|name| name.contains("--") || name.ends_with('-')) {
            problems.add("name", "the API takes no two hyphens in a row, and none at the end", "leave one out");
        }
        let copied = spec.from_backup.is_some();
        if spec.user.is_none() && !copied {
            problems.add("user", "a new cluster needs `user`", "give it, or `from_backup`");
        }
        let login = Login {
            managed: spec.managed_password,
            password: spec.password.as_deref(),
            key: spec.password_key.is_some(),
            copied,
            engine: Some(spec.engine.api()),
        };
        check_login(&login, problems);
        if spec.key.is_some() && !spec.encrypted {
            let message = "a key without encryption has no use";
            problems.add("key", message, "remove `encrypted: false`, or the key");
        }
        check_sort(spec, problems);
        check_members(spec, problems);
        check_scaling(spec, problems);
        check_backup(spec, problems);
        check_days("backup_retention", spec.backup_retention.as_ref(), 1..=35, problems);
        check_windows(spec.backup_window.as_deref(), spec.maintenance_window.as_deref(), problems);
        check_watching(spec.monitoring.as_ref(), spec.performance_insights.as_ref(), problems);
    }
}

const ATTRIBUTES: &[Attribute] = &[
    Attribute::stable("id", "Its name"),
    Attribute::stable("name", "Name"),
    Attribute::stable("arn", "ARN"),
    Attribute::stable("endpoint", "Host name of the server that writes"),
    Attribute::stable("reader_endpoint", "Host name of those that read"),
    Attribute::changing("port", "Port"),
    Attribute::changing(
        "secret_arn",
        "ARN of the secret that holds the master user's password, if the service keeps it",
    ),
    Attribute::stable("zone_id", "Id of the zone that the host names belong to, for alias records"),
    Attribute::stable("resource_id", "Id that is never given again, cluster-…"),
    Attribute::changing("running_version", "Whole version of the engine that runs"),
];

const PERMISSIONS: Permissions = Permissions {
    read: &["rds:DescribeAccountAttributes", "rds:DescribeDBClusters", "rds:DescribeDBInstances"],
    create: &[
        "rds:CreateDBCluster",
        "rds:CreateDBInstance",
        "rds:RestoreDBClusterFromSnapshot",
        "rds:RestoreDBClusterToPointInTime",
        "rds:DescribeDBClusterSnapshots",
        "rds:ModifyDBCluster",
        "rds:EnableHttpEndpoint",
        "rds:AddTagsToResource",
        "iam:CreateServiceLinkedRole",
        "iam:PassRole",
        "kms:CreateGrant",
        "kms:DescribeKey",
        "secretsmanager:CreateSecret",
        "secretsmanager:TagResource",
    ],
    update: &[
        "rds:ModifyDBCluster",
        "rds:CreateDBInstance",
        "rds:ModifyDBInstance",
        "rds:DeleteDBInstance",
        "rds:EnableHttpEndpoint",
        "rds:DisableHttpEndpoint",
        "rds:AddTagsToResource",
        "rds:RemoveTagsFromResource",
        "iam:PassRole",
        "kms:CreateGrant",
        "kms:DescribeKey",
        "secretsmanager:CreateSecret",
        "secretsmanager:TagResource",
    ],
    delete: &[
        "rds:DeleteDBInstance",
        "rds:DeleteDBCluster",
        "rds:DescribeDBClusterSnapshots",
        "rds:CreateDBClusterSnapshot",
        "rds:AddTagsToResource",
    ],
};

/// What Aurora has and what Multi-AZ clusters have.
fn check_sort(spec: &Spec, problems: &mut Problems) {
    let storage = spec.storage.clone().unwrap_or_default();
    let of_aurora = storage.storage_type.map(|t| match t {
        ClusterStorageType::Aurora | ClusterStorageType::AuroraIoOptimized => true,
        ClusterStorageType::Gp3 | ClusterStorageType::Io1 | ClusterStorageType::Io2 => false,
    });
    if of_aurora.is_some_and(|aurora| aurora != spec.engine.is_aurora()) {
        problems.add("storage.type", "this engine has no such storage", "take another type, or leave it out");
    }
    if spec.engine.is_aurora() {
        if spec.class.is_some() {
            problems.add("class", "each server of an Aurora cluster has its own size", "give it in `members`");
        }
        if storage.size.is_some() || storage.iops.is_some() {
            problems.add("storage", "Aurora's storage has no size and no operations", "leave all out but `type`");
        }
        return;
    }
    for (name, given) in [
        ("members", spec.members.as_ref().is_some_and(|m| !m.is_empty())),
        ("scaling", spec.scaling.is_some()),
        ("data_api", spec.data_api == Some(true)),
    ] {
        if given {
            problems.add(
                name,
                "a Multi-AZ cluster has none: that is Aurora's",
                "leave it out, or take an Aurora engine",
            );
        }
    }
    if spec.class.is_none() {
        problems.add("class", "a Multi-AZ cluster needs the size of its servers", "give `class`");
    }
    if storage.size.is_none() && spec.from_backup.is_none() {
        problems.add("storage", "a Multi-AZ cluster needs the size of its storage", "give `storage.size`");
    }
}

fn check_scaling(spec: &Spec, problems: &mut Problems) {
    let serverless = spec.members.iter().flatten().any(|(_, member)| member.class == "db.serverless");
    let Some(scaling) = &spec.scaling else {
        if serverless {
            let message = "members of class `db.serverless` need limits to scale between";
            problems.add("scaling", message, "give `scaling: {min: 0.5, max: 4}`, for one");
        }
        return;
    };
    if scaling.min > scaling.max {
        problems.add("scaling.min", "the least is more than the most", "lower it");
    }
    if [scaling.min, scaling.max].iter().any(|n| (n * 2.0).fract() != 0.0) {
        problems.add("scaling", "the API counts in halves", "write 0.5, 1 or 1.5, for one");
    }
    if let Some(pause) = &scaling.pause_after {
        if scaling.min > 0.0 {
            let message = "servers pause only if the least is 0";
            problems.add("scaling.pause_after", message, "write `min: 0`, or leave it out");
        } else if !(300..=86_400).contains(&pause.seconds()) {
            problems.add("scaling.pause_after", format!("`{pause}` is not 5 minutes to a day"), "write 5m, for one");
        }
    }
}

fn check_backup(spec: &Spec, problems: &mut Problems) {
    let Some(backup) = &spec.from_backup else { return };
    let given = [backup.snapshot.is_some(), backup.source.is_some(), backup.source_resource_id.is_some()];
    if given.iter().filter(|g| **g).count() != 1 {
        let help = "give one of `snapshot`, `source`, `source_resource_id`";
        problems.add("from_backup", "it is not clear which backup is meant", help);
    }
    if backup.clone && (backup.source.is_none() || backup.time.is_some() || !spec.engine.is_aurora()) {
        let message = "only an Aurora cluster that is there can be cloned, as it is now";
        problems.add("from_backup.clone", message, "give `source` without `time`, or leave `clone` out");
    }
    check_time(backup.snapshot.is_some(), backup.time.as_deref(), problems);
}

static CLUSTERS: Quota = Quota::new("rds", "L-952B80B8", "DB clusters");

#[async_trait]
impl Checked for DatabaseCluster {
    fn needs() -> Needs {
        const KEYS: &[&str] = &["key", "password_key", "performance_insights"];
        Needs {
            resource: "cluster:{name}",
            only_for: &[
                ("rds:CreateDBInstance", &["members"]),
                ("rds:ModifyDBInstance", &["members"]),
                ("rds:DeleteDBInstance", &["members"]),
                ("rds:RestoreDBClusterFromSnapshot", &["from_backup"]),
                ("rds:RestoreDBClusterToPointInTime", &["from_backup"]),
                ("rds:DescribeDBClusterSnapshots", &["from_backup"]),
                ("rds:EnableHttpEndpoint", &["data_api"]),
                ("rds:DisableHttpEndpoint", &["data_api"]),
                ("rds:CreateDBClusterSnapshot", &[]),
                ("iam:CreateServiceLinkedRole", &[]),
                ("iam:PassRole", &["monitoring"]),
                ("kms:CreateGrant", KEYS),
                ("kms:DescribeKey", KEYS),
                ("secretsmanager:CreateSecret", &["managed_password"]),
                ("secretsmanager:TagResource", &["managed_password"]),
            ],
        }
    }

    fn uses(_: &View<'_>) -> Vec<Use> {
        vec![Use::one(&CLUSTERS)]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        tally(cx, &[(&CLUSTERS, "DBClusters")]).await
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        own_name(view, LONGEST).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let all = list(cx, None).await?.into_iter().map(|cluster| found(&cluster, None));
        let holders = all.map(|f| Holder { name: Name::new(&f.id), owner: Owner::from_tags(&f.tags), id: f.id });
        Ok(holders.filter(|h| names.contains(&h.name)).collect())
    }
}

#[async_trait]
impl AwsKind for DatabaseCluster {
    const USABLE_WITHIN: Time = RESTORED_WITHIN;

    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let all = match read.selection {
            Selection::Ids(ids) => {
                let each = ids.iter().map(|id| list(cx, Some(id)));
                futures::future::try_join_all(each).await?.into_iter().flatten().collect()
            }
            Selection::Owned { .. } | Selection::Tagged(_) => list(cx, None).await?,
        };
        let (mut ours, mut names) = (Vec::new(), Vec::new());
        for cluster in all {
            let id = cluster.db_cluster_identifier().unwrap_or_default().to_owned();
            if read.selection.matches(&id, &super::from_tags(cluster.tag_list())) {
                names.push(id);
                ours.push(cluster);
            }
        }
        let members = if read.is_brief() { None } else { Some(of_clusters(cx, &names).await?) };
        Ok(ours.iter().map(|cluster| found(cluster, members.as_deref())).collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        create(cx, want).await
    }

    async fn update(cx: &Context, change: &Update<'_, Spec>) -> Result<(), ApiError> {
        update(cx, change).await
    }

    async fn delete(cx: &Context, gone: &Delete<'_, Spec>) -> Result<(), ApiError> {
        delete(cx, gone.id, gone.watch).await
    }

    async fn recovery_points(cx: &Context, object: &Object) -> Result<Vec<RecoveryPoint>, ApiError> {
        let now = describe(cx, &object.id).await?;
        let automated = Automated {
            latest: now.as_ref().and_then(|c| c.latest_restorable_time().copied()),
            retention: now.as_ref().and_then(|c| c.backup_retention_period()).unwrap_or(0),
        };
        backups::points(cx, Of::Cluster, object, automated).await
    }

    async fn save(
        cx: &Context,
        object: &Object,
        unfinished: Option<&str>,
        watch: &dyn Watch,
    ) -> Result<RecoveryPoint, ApiError> {
        backups::save(cx, Of::Cluster, object, unfinished, watch).await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}
