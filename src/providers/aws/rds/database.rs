//! `database`: one database server, alone or with a standby, or a copy of another one that follows it.
//!
//! Name, engine, zone, encryption, master user, first database, character sets, time zone and where its data came from
//! make a new server necessary; replacing one loses its data, so that is guarded. All else changes in place, at once.
//! Storage only grows; the service may let it grow by itself (`storage.limit`), which is no difference: the size that
//! was declared stands in a tag of the server's. `engine_version` is compared as far as it is given, so that minor
//! versions that the service brings are none either.
//!
//! Its name is its id, and the list shows the tags. The creating call takes no token: a name that is taken is ours if
//! the tags say so. A server that is made from a backup, or as a copy, takes its last settings by a second call: what
//! is not set yet differs from what is declared, and the password, which nobody can read, has no fingerprint until it
//! is set.
//!
//! A deletion makes no last snapshot by itself (the engine has seen to a recovery point before), keeps the automated
//! backups for as long as their retention says, and respects `deletion_protection`: it must be switched off first.
//! API: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html>

use std::collections::BTreeMap;
use std::time::Duration as Time;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::backups::{self, Automated, Of};
use super::database_calls::{CREATED_WITHIN, RESTORED_WITHIN, available, create, delete, describe, finish, update};
use super::database_read::{found, list};
use super::option_group::DatabaseOptionGroup;
use super::parameter_group::DatabaseParameterGroup;
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
use crate::model::value::is_unknown_text;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::security_group::SecurityGroup;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs, Quota, Tally, Use};
use crate::providers::aws::words::words;

/// Longest name of a server or a cluster.
pub(super) const LONGEST: usize = 63;

/// The kind `database`.
pub struct Database;

/// One database server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, part of its endpoint: 63 lower case letters, digits and single hyphens at most, a letter first;
    /// derived from the address if left out. An object that replaces another one can't have the same name unless
    /// `lifecycle.replacement` is `delete_first`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z][a-z0-9-]*$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// Engine, in the API's words: `postgres`, `mysql`, `mariadb`, `oracle-ee`, `oracle-se2`, `sqlserver-se`… Needed
    /// unless the data comes from elsewhere. (Aurora is the kind `database_cluster`.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub engine: Option<String>,
    /// Version of the engine, compared as far as it is given: `16` is also 16.4, so that the service may bring minor
    /// versions. Another major version is an upgrade that can't be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts", "x-version" = true))]
    pub engine_version: Option<String>,
    /// What becomes of it when its major version is past the end of its standard support (MySQL and PostgreSQL); extended support, at a
    /// price, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine_lifecycle_support: Option<LifecycleSupport>,
    /// Size of the server, such as `db.t4g.medium`.
    #[schemars(regex(pattern = r"^db\.[a-z0-9.-]+$"), extend("x-change" = "interrupts"))]
    pub class: String,
    /// Its disk. Needed unless the data comes from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// Whether a standby in another zone takes over when it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub multi_az: Option<bool>,
    /// Availability zone, for a server without standby; the service chooses if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub zone: Option<String>,
    /// Whether disk, backups and snapshots are encrypted.
    #[serde(default = "yes")]
    #[schemars(extend("x-change" = "replace"))]
    pub encrypted: bool,
    /// Key that encrypts them (by ARN, if it is not owned); the account's default key if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub key: Option<Ref<Key>>,
    /// Subnets that it may stand in; those of the default network if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub subnet_group: Option<Ref<DatabaseSubnetGroup>>,
    /// Groups that say who reaches it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub security_groups: Option<Vec<Ref<SecurityGroup>>>,
    /// Whether it has a public address.
    #[serde(default)]
    pub public_access: bool,
    /// Port; the engine's usual one if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1150, max = 65535), extend("x-change" = "interrupts"))]
    pub port: Option<i32>,
    /// Which addresses it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub network_type: Option<NetworkType>,
    /// How long automated backups are kept, also after the server: up to 35 whole days, `0s` for none at all. A change
    /// between none and some may interrupt.
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
    /// Whether the service brings new minor versions, in the maintenance window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minor_upgrades: Option<bool>,
    /// Whether the API refuses to delete it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_protection: Option<bool>,
    /// Values of the engine's parameters. Another group is in force after the next restart, which is left to the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_group: Option<Ref<DatabaseParameterGroup>>,
    /// Further features of the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option_group: Option<Ref<DatabaseOptionGroup>>,
    /// Logs that are sent to log groups, in the engine's words: `postgresql`, `upgrade`, `error`, `slowquery`, `audit`…
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub log_exports: Option<Vec<String>>,
    /// What the service keeps of its load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub performance_insights: Option<PerformanceInsights>,
    /// How much the service tells of its load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_insights: Option<InsightsMode>,
    /// Measurements of the system beneath it.
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
    /// The master user's password, with `managed_password: false`: 8 to 128 characters (MySQL and MariaDB 41, Oracle 30,
    /// Db2 255). A digest of it stands in a tag of the server's, so that a change is seen: take a long one that nobody
    /// can guess.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = true, "x-fingerprint" = true))]
    pub password: Option<String>,
    /// Name of a first database in it; none is made if left out, but by engines that always have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), extend("x-change" = "replace"))]
    pub database: Option<String>,
    /// Authority that its certificate is of, such as `rds-ca-rsa2048-g1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub ca_certificate: Option<String>,
    /// Whether identities of the account can be users of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iam_authentication: Option<bool>,
    /// Whose license it runs under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub license: Option<License>,
    /// Character set (Oracle) or collation (SQL Server).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub character_set: Option<String>,
    /// National character set (Oracle).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub national_character_set: Option<String>,
    /// Time zone (Db2, SQL Server), such as `Tokyo Standard Time`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub time_zone: Option<String>,
    /// Server of the same region that it is a copy of, and follows. Its engine, user and password are that one's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub replica_of: Option<Ref<Database>>,
    /// `true` in place of `replica_of` makes a copy a server of its own, which can't be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub promoted: Option<bool>,
    /// Backup that it is made from. It can be left out once the server is there; another one makes a new server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace", "x-fingerprint" = true))]
    pub from_backup: Option<FromBackup>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// A server's disk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Storage {
    /// Size, whole GiB; it can only grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// Size up to which the service lets it grow when it is nearly full, at least 10 % above `size`; `0B`: it does not
    /// grow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Size>,
    /// Type.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub storage_type: Option<StorageType>,
    /// Operations a second (io1, io2, and gp3 from a size on that depends on the engine).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1000, max = 256_000))]
    pub iops: Option<i32>,
    /// Throughput in MiB a second (gp3).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 125, max = 4000))]
    pub throughput: Option<i32>,
}

/// A backup that a server is made from: `snapshot`, or the state of a server at a time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FromBackup {
    /// Id or ARN of a snapshot; also the ARN of a recovery point of AWS Backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// Server of the same region whose automated backups it is made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Ref<Database>>,
    /// The same for a server that is gone and whose automated backups are still kept: its resource id, `db-…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_resource_id: Option<String>,
    /// The same for backups that were copied here from another region: their ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automated_backup: Option<String>,
    /// Time whose state is restored, in UTC: `2026-11-23T05:00:00Z`; the latest that can be if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

words! {
    /// Type of a disk.
    StorageType {
        /// For all purposes.
        Gp2 = "gp2",
        /// For all purposes; throughput and operations by choice.
        Gp3 = "gp3",
        /// Many operations.
        Io1 = "io1",
        /// Many operations, more durable.
        Io2 = "io2",
        /// Magnetic, as long as there is any.
        Standard = "standard",
    }
}

words! {
    /// Whose license a server runs under.
    License {
        /// In the price.
        LicenseIncluded = "license-included",
        /// The user's own.
        BringYourOwnLicense = "bring-your-own-license",
        /// By the hour, bought in the marketplace.
        MarketplaceLicense = "marketplace-license",
        /// Of MySQL and MariaDB.
        GeneralPublicLicense = "general-public-license",
        /// Of PostgreSQL.
        PostgresqlLicense = "postgresql-license",
    }
}

impl Spec {
    /// Whether its data and users come from elsewhere.
    pub(super) fn is_copy(&self) -> bool {
        self.replica_of.is_some() || self.from_backup.is_some()
    }
}

impl Kind for Database {
    const NAME: &'static str = "database";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "database server",
            service: "rds",
            reference: "https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBInstance.html",
            scope: Scope::Regional,
            data: Some(Recovery::Point("DB snapshot")),
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: ATTRIBUTES,
            permissions: PERMISSIONS,
            name_limit: LONGEST,
            creation_seconds: 600,
            deletion_seconds: 300,
            quota: 40,
            zone_field: Some("zone"),
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if spec.name.as_deref().is_some_and(|name| name.contains("--") || name.ends_with('-')) {
            problems.add("name", "the API takes no two hyphens in a row, and none at the end", "leave one out");
        }
        check_source(spec, problems);
        let login = Login {
            managed: spec.managed_password && spec.replica_of.is_none(),
            password: spec.password.as_deref(),
            key: spec.password_key.is_some(),
            copied: spec.is_copy() || spec.promoted == Some(true),
            engine: spec.engine.as_deref(),
        };
        check_login(&login, problems);
        if spec.key.is_some() && !spec.encrypted {
            let message = "a key without encryption has no use";
            problems.add("key", message, "remove `encrypted: false`, or the key");
        }
        if spec.multi_az == Some(true) && spec.zone.is_some() {
            let message = "with a standby the zone changes whenever the standby takes over";
            problems.add("zone", message, "leave it out");
        }
        check_storage(spec, problems);
        let supported = |engine: &str| is_unknown_text(engine) || ["mysql", "postgres"].contains(&engine);
        if spec.engine_lifecycle_support.is_some() && !spec.engine.as_deref().is_none_or(supported) {
            let message = "only MySQL and PostgreSQL have extended support";
            problems.add("engine_lifecycle_support", message, "leave it out");
        }
        check_days("backup_retention", spec.backup_retention.as_ref(), 0..=35, problems);
        check_windows(spec.backup_window.as_deref(), spec.maintenance_window.as_deref(), problems);
        check_watching(spec.monitoring.as_ref(), spec.performance_insights.as_ref(), problems);
    }
}

const ATTRIBUTES: &[Attribute] = &[
    Attribute::stable("id", "Its name"),
    Attribute::stable("name", "Name"),
    Attribute::stable("arn", "ARN"),
    Attribute::stable("endpoint", "Host name"),
    Attribute::changing("port", "Port"),
    Attribute::changing(
        "secret_arn",
        "ARN of the secret that holds the master user's password, if the service keeps it",
    ),
    Attribute::stable("zone_id", "Id of the zone that the host name belongs to, for alias records"),
    Attribute::stable("resource_id", "Id that is never given again, db-…"),
    Attribute::changing("running_version", "Whole version of the engine that runs"),
];

const PERMISSIONS: Permissions = Permissions {
    read: &["rds:DescribeAccountAttributes", "rds:DescribeDBInstances"],
    create: &[
        "rds:CreateDBInstance",
        "rds:CreateDBInstanceReadReplica",
        "rds:RestoreDBInstanceFromDBSnapshot",
        "rds:RestoreDBInstanceToPointInTime",
        "rds:DescribeDBSnapshots",
        "rds:ModifyDBInstance",
        "rds:AddTagsToResource",
        "iam:CreateServiceLinkedRole",
        "iam:PassRole",
        "kms:CreateGrant",
        "kms:DescribeKey",
        "secretsmanager:CreateSecret",
        "secretsmanager:TagResource",
    ],
    update: &[
        "rds:ModifyDBInstance",
        "rds:PromoteReadReplica",
        "rds:AddTagsToResource",
        "rds:RemoveTagsFromResource",
        "iam:PassRole",
        "kms:CreateGrant",
        "kms:DescribeKey",
        "secretsmanager:CreateSecret",
        "secretsmanager:TagResource",
    ],
    delete: &["rds:DeleteDBInstance", "rds:DescribeDBSnapshots", "rds:CreateDBSnapshot", "rds:AddTagsToResource"],
};

/// Where its data comes from, and what a new one needs.
fn check_source(spec: &Spec, problems: &mut Problems) {
    for (name, given) in [
        ("engine", spec.engine.is_some()),
        ("user", spec.user.is_some()),
        ("storage", spec.storage.as_ref().is_some_and(|s| s.size.is_some())),
    ] {
        // What was a copy once is made from nothing else.
        if !given && !spec.is_copy() && spec.promoted != Some(true) {
            problems.add(name, format!("a new database needs `{name}`"), "give it, or `from_backup` or `replica_of`");
        }
    }
    if spec.replica_of.is_some() && spec.from_backup.is_some() {
        let message = "a copy follows its source and is made from no backup";
        problems.add("from_backup", message, "leave one of the two out");
    }
    match spec.promoted {
        Some(true) if spec.replica_of.is_some() => {
            let message = "a server of its own is a copy of no other one";
            problems.add("promoted", message, "put it in place of `replica_of`");
        }
        Some(false) => problems.add("promoted", "nothing makes a server a copy again", "leave it out"),
        Some(true) | None => {}
    }
    if let Some(backup) = &spec.from_backup {
        let given = [
            backup.snapshot.is_some(),
            backup.source.is_some(),
            backup.source_resource_id.is_some(),
            backup.automated_backup.is_some(),
        ];
        if given.iter().filter(|g| **g).count() != 1 {
            let help = "give one of `snapshot`, `source`, `source_resource_id`, `automated_backup`";
            problems.add("from_backup", "it is not clear which backup is meant", help);
        }
        check_time(backup.snapshot.is_some(), backup.time.as_deref(), problems);
    }
}

/// A time to restore.
pub(super) fn check_time(snapshot: bool, time: Option<&str>, problems: &mut Problems) {
    let Some(time) = time.filter(|t| !is_unknown_text(t)) else { return };
    if snapshot {
        let message = "a snapshot has its own time";
        problems.add("from_backup.time", message, "leave it out, or restore a server's automated backups");
    } else if !time.ends_with('Z') || time.parse::<jiff::Timestamp>().is_err() {
        let message = format!("`{time}` is not a time in UTC");
        problems.add("from_backup.time", message, "write 2026-11-23T05:00:00Z, for one");
    }
}

fn check_storage(spec: &Spec, problems: &mut Problems) {
    let Some(storage) = &spec.storage else { return };
    if let (Some(size), Some(limit)) = (&storage.size, &storage.limit) {
        let known = ![size, limit].iter().any(|s| is_unknown_text(s.as_str()));
        if known && limit.bytes() > 0 && limit.gib() * 10 < size.gib() * 11 {
            let message = format!("the API wants a limit of at least 10 % above {size}");
            problems.add("storage.limit", message, "raise it, or write `0B` for a disk that does not grow");
        }
    }
    let needs_iops = matches!(storage.storage_type, Some(StorageType::Io1 | StorageType::Io2));
    let takes_iops = needs_iops || matches!(storage.storage_type, Some(StorageType::Gp3) | None);
    if needs_iops && storage.iops.is_none() {
        problems.add("storage.iops", "this type needs a number of operations", "give `iops`");
    }
    if storage.iops.is_some() && !takes_iops {
        problems.add("storage.iops", "this type has no choice of operations", "leave it out, or take gp3");
    }
    if storage.throughput.is_some() && !matches!(storage.storage_type, Some(StorageType::Gp3) | None) {
        problems.add("storage.throughput", "only gp3 has a choice of throughput", "leave it out, or take gp3");
    }
}

/// Servers of the region, those of clusters too.
pub(super) static INSTANCES: Quota = Quota::new("rds", "L-7B6409FD", "DB instances");
static STORAGE: Quota =
    Quota { service: "rds", code: "L-7ADDB58A", name: "Total storage for all DB instances", unit: "GiB" };

#[async_trait]
impl Checked for Database {
    fn needs() -> Needs {
        const KEYS: &[&str] = &["key", "password_key", "performance_insights"];
        Needs {
            resource: "db:{name}",
            only_for: &[
                ("rds:CreateDBInstanceReadReplica", &["replica_of"]),
                ("rds:RestoreDBInstanceFromDBSnapshot", &["from_backup"]),
                ("rds:RestoreDBInstanceToPointInTime", &["from_backup"]),
                ("rds:DescribeDBSnapshots", &["from_backup"]),
                ("rds:PromoteReadReplica", &["promoted"]),
                ("rds:CreateDBSnapshot", &[]),
                ("iam:CreateServiceLinkedRole", &[]),
                ("iam:PassRole", &["monitoring"]),
                ("kms:CreateGrant", KEYS),
                ("kms:DescribeKey", KEYS),
                ("secretsmanager:CreateSecret", &["managed_password"]),
                ("secretsmanager:TagResource", &["managed_password"]),
            ],
        }
    }

    fn uses(view: &View<'_>) -> Vec<Use> {
        let size = view.spec.get("storage").and_then(|s| s.get("size")).and_then(Value::as_str);
        let amount = size.and_then(|s| s.parse::<Size>().ok()).map_or(0, |s| s.gib());
        vec![Use::one(&INSTANCES), Use { quota: &STORAGE, scope: String::new(), amount }]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        tally(cx, &[(&INSTANCES, "DBInstances"), (&STORAGE, "AllocatedStorage")]).await
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        own_name(view, LONGEST).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let all = list(cx, None).await?.into_iter().map(|db| found(&db));
        let holders = all.map(|f| Holder { name: Name::new(&f.id), owner: Owner::from_tags(&f.tags), id: f.id });
        Ok(holders.filter(|h| names.contains(&h.name)).collect())
    }
}

#[async_trait]
impl AwsKind for Database {
    const USABLE_WITHIN: Time = RESTORED_WITHIN;

    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let all = match read.selection {
            Selection::Ids(ids) => futures::future::try_join_all(ids.iter().map(|id| list(cx, Some(id))))
                .await?
                .into_iter()
                .flatten()
                .collect(),
            Selection::Owned { .. } | Selection::Tagged(_) => list(cx, None).await?,
        };
        // Servers inside a cluster belong to it.
        let alone = all.iter().filter(|db| db.db_cluster_identifier().is_none());
        Ok(alone.map(found).filter(|f| read.selection.matches(&f.id, &f.tags)).collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let name = create(cx, want).await?;
        let limit = if want.spec.is_copy() { RESTORED_WITHIN } else { CREATED_WITHIN };
        let made = available(cx, &name, limit, want.watch, |_| true).await?;
        if want.spec.is_copy() {
            finish(cx, want, &made).await?;
        }
        Ok(name)
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
            latest: now.as_ref().and_then(|db| db.latest_restorable_time().copied()),
            retention: now.as_ref().and_then(|db| db.backup_retention_period()).unwrap_or(0),
        };
        backups::points(cx, Of::Instance, object, automated).await
    }

    async fn save(
        cx: &Context,
        object: &Object,
        unfinished: Option<&str>,
        watch: &dyn Watch,
    ) -> Result<RecoveryPoint, ApiError> {
        backups::save(cx, Of::Instance, object, unfinished, watch).await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}
