//! `database_snapshot`: the data of a database or of a cluster at one moment, that others can be made from
//! (`from_backup`); or a copy of such a snapshot, also from another region or account.
//!
//! Holds data. It is of the past: only the accounts that it is shared with, the engine's version, the option group and
//! the tags can change, everything else makes a new snapshot necessary. That goes for its database too: where that is
//! replaced and the snapshot is to stay, `lifecycle.ignore: [database]` (or `[cluster]`) says so. It is encrypted as its
//! source is. Of which snapshot one is a copy the API tells only sometimes: that is compared by the fingerprint in the
//! tags. It is never public. A copy into a Local Zone or an Outpost can't be declared.
//!
//! A copy from another region names its source by ARN and, if that is encrypted, a `key` of its own region. No URL is
//! signed for the source's region: the service ignores it, but between the regions of GovCloud, where encrypted
//! snapshots can't be copied by this kind. A copy never takes the tags of its source: the service takes none if the
//! call gives some, and ownership always is.
//!
//! No creating call takes a client token: a name that is taken is ours if the tags say so. Snapshots of databases and of
//! clusters may have the same name, so the id is the last part of the ARN, `snapshot:NAME` or `cluster-snapshot:NAME`;
//! so it is adopted, too. The lists show the tags; whom a snapshot is shared with costs a call a snapshot, and is read
//! where it is declared.
//!
//! Others make snapshots that inherit the tags of the database (`copy_tags_to_snapshots`) or of a snapshot, ownership
//! included. So each of this kind carries region and id in the tag `saiken:snapshot` from its creating call on: where
//! that is another one's or missing, the ownership tags mean nothing. Recovery points that are made before a database
//! goes (`backups.rs`) have no such tag, and what has it is no recovery point: it may go in the same plan.
//! API: <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSnapshot.html>

use std::collections::BTreeMap;
use std::time::Duration as Time;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::backups::Of;
use super::database::{Database, LONGEST};
use super::database_cluster::DatabaseCluster;
use super::option_group::DatabaseOptionGroup;
use super::snapshot_calls::{self as calls, COPIED_WITHIN};
use super::{own_name, tally};
use crate::model::cloud::ApiError;
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Recovery, Replacement, Scope};
use crate::model::observed::Object;
use crate::model::ownership::Owner;
use crate::model::preflight::View;
use crate::model::types::Ref;
use crate::model::value::is_unknown_text;
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Tags, Update};
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs, Quota, Tally, Use};

/// The kind `database_snapshot`.
pub struct DatabaseSnapshot;

/// The data of a database or of a cluster at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name: 255 lower case letters, digits and single hyphens at most (63 of a cluster's), a letter first; derived
    /// from the address if left out. An object that replaces another one can't have the same name unless
    /// `lifecycle.replacement` is `delete_first`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[a-z][a-z0-9-]*$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// The database whose data it holds; this, `cluster` or `copy_of` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub database: Option<Ref<Database>>,
    /// The cluster whose data it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub cluster: Option<Ref<DatabaseCluster>>,
    /// The snapshot that it is a copy of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace", "x-fingerprint" = true))]
    pub copy_of: Option<CopyOf>,
    /// Key that encrypts a copy (by ARN, if it is not owned); that of the source if left out. Needed if an encrypted
    /// source is in another region or belongs to another account. It encrypts the copy of a database's snapshot that is
    /// not encrypted, too; of a cluster's the API refuses that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub key: Option<Ref<Key>>,
    /// Option group of a copy in another region, or of a snapshot whose `engine_version` changes (Oracle). The API
    /// changes it in place only together with the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option_group: Option<Ref<DatabaseOptionGroup>>,
    /// Version of the engine of a database's snapshot, compared as far as it is given; that of the database if left out.
    /// Another one is an upgrade that can't be taken back (MariaDB, MySQL, Oracle, PostgreSQL), and that the API refuses
    /// while the snapshot is shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-version" = true))]
    pub engine_version: Option<String>,
    /// Accounts that can copy it and make databases from it, by their 12 digits; 20 at most. One that is encrypted with
    /// the account's default key can't be shared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true, "x-deep" = true))]
    pub shared_with: Option<Vec<String>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// Another snapshot: `database` or `cluster`, as it is of the one or the other. One of this region and account is given
/// by its name, any other by its ARN; those of a resource are written `"{{ name.name }}"` and `"{{ name.arn }}"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyOf {
    /// Name or ARN of a database's snapshot, also of one that the service has made (`rds:…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<String>,
    /// The same of a cluster's snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Whether the option group is copied with it, from another account.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_option_group: bool,
}

/// What a snapshot is made from.
pub(super) enum Source<'a> {
    /// A database.
    Database(&'a Ref<Database>),
    /// A cluster.
    Cluster(&'a Ref<DatabaseCluster>),
    /// A snapshot, of which one of the two.
    Copy(Of, &'a str, &'a CopyOf),
}

impl Spec {
    /// What it is made from; none if that is not clear.
    pub(super) fn source(&self) -> Option<Source<'_>> {
        match (&self.database, &self.cluster, &self.copy_of) {
            (Some(database), None, None) => Some(Source::Database(database)),
            (None, Some(cluster), None) => Some(Source::Cluster(cluster)),
            (None, None, Some(copy)) => match (&copy.database, &copy.cluster) {
                (Some(source), None) => Some(Source::Copy(Of::Instance, source, copy)),
                (None, Some(source)) => Some(Source::Copy(Of::Cluster, source, copy)),
                (None, None) | (Some(_), Some(_)) => None,
            },
            _ => None,
        }
    }

    /// Whether it is one of a cluster.
    fn is_cluster(&self) -> bool {
        matches!(self.source(), Some(Source::Cluster(_) | Source::Copy(Of::Cluster, ..)))
    }
}

impl Kind for DatabaseSnapshot {
    const NAME: &'static str = "database_snapshot";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "copy of a database",
            service: "rds",
            reference: "https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_CreateDBSnapshot.html",
            scope: Scope::Regional,
            data: Some(Recovery::Nothing("It is the copy. Copy it before if it is still needed")),
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: ATTRIBUTES,
            permissions: PERMISSIONS,
            name_limit: LONGEST,
            creation_seconds: 300,
            deletion_seconds: 30,
            quota: 100,
            zone_field: None,
            // A snapshot outlives its database.
            loose_refs: &["database", "cluster"],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        check_source(spec, problems);
        if let Some(copy) = &spec.copy_of {
            check_copy(copy, problems);
        }
        check_name(spec, problems);
        if spec.key.is_some() && spec.copy_of.is_none() {
            let message = "a snapshot is encrypted as its database is";
            problems.add("key", message, "leave it out, or copy a snapshot with another key");
        }
        check_engine(spec, problems);
        for account in spec.shared_with.iter().flatten().filter(|a| !is_unknown_text(a)) {
            if account == "all" {
                let message = "everybody could read a snapshot that is shared with all";
                problems.add("shared_with", message, "name the accounts");
            } else if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
                let message = format!("`{account}` is no account");
                problems.add("shared_with", message, "write its 12 digits in quotes");
            }
        }
    }
}

/// A snapshot has one source.
fn check_source(spec: &Spec, problems: &mut Problems) {
    let all = [
        ("database", spec.database.is_some()),
        ("cluster", spec.cluster.is_some()),
        ("copy_of", spec.copy_of.is_some()),
    ];
    let mut given = all.iter().filter(|(_, given)| *given).map(|(name, _)| *name);
    match (given.next(), given.next_back()) {
        (None, _) => {
            let help = "give `database`, `cluster` or `copy_of`";
            problems.add("database", "it is a snapshot of nothing", help);
        }
        (Some(first), Some(last)) => {
            let message = "a snapshot is of one database, of one cluster, or of another snapshot";
            problems.add(last, message, format!("leave it out, or `{first}`"));
        }
        (Some(_), None) => {}
    }
}

fn check_copy(copy: &CopyOf, problems: &mut Problems) {
    let help = "give one of `database`, `cluster`: what that snapshot is of";
    match (&copy.database, &copy.cluster) {
        (None, None) => problems.add("copy_of", "it is not said which snapshot is meant", help),
        (Some(_), Some(_)) => problems.add("copy_of", "it is not clear which snapshot is meant", help),
        (Some(_), None) | (None, Some(_)) => {}
    }
    for (field, source, part, other) in [
        ("copy_of.database", &copy.database, ":cluster-snapshot:", "cluster"),
        ("copy_of.cluster", &copy.cluster, ":snapshot:", "database"),
    ] {
        if source.as_ref().is_some_and(|s| s.starts_with("arn:") && s.contains(part)) {
            let message = format!("this is the ARN of a {other}'s snapshot");
            problems.add(field, message, format!("write it as `{other}`"));
        }
    }
    if copy.with_option_group && copy.cluster.is_some() {
        problems.add("copy_of.with_option_group", "clusters have no option groups", "leave it out");
    }
}

fn check_name(spec: &Spec, problems: &mut Problems) {
    let Some(name) = spec.name.as_deref().filter(|n| !is_unknown_text(n)) else { return };
    if name.contains("--") || name.ends_with('-') {
        problems.add("name", "the API takes no two hyphens in a row, and none at the end", "leave one out");
    }
    if spec.is_cluster() && name.len() > LONGEST {
        let message = format!("the name of a cluster's snapshot is {LONGEST} characters long at most");
        problems.add("name", message, "shorten it");
    }
}

/// Option group and version belong to snapshots of databases.
fn check_engine(spec: &Spec, problems: &mut Problems) {
    if spec.engine_version.is_some() && spec.is_cluster() {
        let message = "the API upgrades no snapshots of clusters";
        problems.add("engine_version", message, "leave it out, and upgrade the cluster that is made from it");
    }
    if spec.option_group.is_none() {
        return;
    }
    if spec.is_cluster() {
        problems.add("option_group", "clusters have no option groups", "leave it out");
    } else if spec.copy_of.as_ref().is_some_and(|copy| copy.with_option_group) {
        let message = "the copy has the option group of its source, or this one";
        problems.add("option_group", message, "leave it out, or `copy_of.with_option_group`");
    } else if spec.copy_of.is_none() && spec.engine_version.is_none() {
        let message = "a snapshot has the option group of its database";
        problems.add("option_group", message, "leave it out, or give the `engine_version` that needs it");
    }
}

const ATTRIBUTES: &[Attribute] = &[
    Attribute::stable("id", "`snapshot:NAME`, or `cluster-snapshot:NAME`"),
    Attribute::stable("name", "Name, for `from_backup` in its region"),
    Attribute::stable("arn", "ARN, for copies in other regions and accounts"),
    Attribute::stable("engine", "Engine, in the API's words"),
    Attribute::stable("size", "Size of the disk of a database, such as 20GiB"),
];

const PERMISSIONS: Permissions = Permissions {
    read: &[
        "rds:DescribeAccountAttributes",
        "rds:DescribeDBSnapshots",
        "rds:DescribeDBClusterSnapshots",
        "rds:DescribeDBSnapshotAttributes",
        "rds:DescribeDBClusterSnapshotAttributes",
    ],
    create: &[
        "rds:CreateDBSnapshot",
        "rds:CreateDBClusterSnapshot",
        "rds:CopyDBSnapshot",
        "rds:CopyDBClusterSnapshot",
        "rds:ModifyDBSnapshot",
        "rds:ModifyDBSnapshotAttribute",
        "rds:ModifyDBClusterSnapshotAttribute",
        "rds:AddTagsToResource",
        "kms:CreateGrant",
        "kms:DescribeKey",
    ],
    update: &[
        "rds:ModifyDBSnapshot",
        "rds:ModifyDBSnapshotAttribute",
        "rds:ModifyDBClusterSnapshotAttribute",
        "rds:AddTagsToResource",
        "rds:RemoveTagsFromResource",
    ],
    delete: &["rds:DeleteDBSnapshot", "rds:DeleteDBClusterSnapshot"],
};

/// <https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/CHAP_Limits.html>
static OF_DATABASES: Quota = Quota::new("rds", "L-272F1212", "Manual DB instance snapshots");
static OF_CLUSTERS: Quota = Quota::new("rds", "L-9B510759", "Manual DB cluster snapshots");

/// Whose snapshot a view's object is.
fn of(view: &View<'_>) -> Of {
    let given = |spec: &Value| spec.get("cluster").is_some_and(|v| !v.is_null());
    if given(view.spec) || view.spec.get("copy_of").is_some_and(given) { Of::Cluster } else { Of::Instance }
}

#[async_trait]
impl Checked for DatabaseSnapshot {
    fn needs() -> Needs {
        Needs {
            resource: "{name}",
            only_for: &[
                ("rds:CreateDBSnapshot", &["database"]),
                ("rds:CreateDBClusterSnapshot", &["cluster"]),
                // Which of the two a field needs depends on another one: who may do one only would be refused.
                ("rds:CopyDBSnapshot", &[]),
                ("rds:CopyDBClusterSnapshot", &[]),
                ("rds:ModifyDBSnapshotAttribute", &[]),
                ("rds:ModifyDBClusterSnapshotAttribute", &[]),
                ("rds:ModifyDBSnapshot", &["engine_version"]),
                ("rds:DeleteDBSnapshot", &["database"]),
                ("rds:DeleteDBClusterSnapshot", &["cluster"]),
                ("kms:CreateGrant", &["key"]),
                ("kms:DescribeKey", &["key"]),
            ],
        }
    }

    fn uses(view: &View<'_>) -> Vec<Use> {
        vec![Use::one(if of(view) == Of::Cluster { &OF_CLUSTERS } else { &OF_DATABASES })]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        tally(cx, &[(&OF_DATABASES, "ManualSnapshots"), (&OF_CLUSTERS, "ManualClusterSnapshots")]).await
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        own_name(view, LONGEST).map(|name| Name::new(of(view).id(&name.name))).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let all = calls::list_all(cx).await?.into_iter();
        let holders = all.map(|f| Holder { name: Name::new(&f.id), owner: Owner::from_tags(&f.tags), id: f.id });
        Ok(holders.filter(|h| names.contains(&h.name)).collect())
    }
}

#[async_trait]
impl AwsKind for DatabaseSnapshot {
    const USABLE_WITHIN: Time = COPIED_WITHIN;

    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        calls::read(cx, read).await
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        calls::create(cx, want).await
    }

    async fn update(cx: &Context, change: &Update<'_, Spec>) -> Result<(), ApiError> {
        calls::update(cx, change).await
    }

    async fn delete(cx: &Context, gone: &Delete<'_, Spec>) -> Result<(), ApiError> {
        calls::delete(cx, gone.id, gone.watch).await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        calls::retag(cx, object, set, remove).await
    }
}

#[cfg(test)]
mod tests;
