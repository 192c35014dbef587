//! The servers of an Aurora cluster.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_rds::types::{DbInstance, Filter};
use futures::future::try_join_all;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::database_calls::{CREATED_WITHIN, available, delete, describe};
use super::database_cluster::{LONGEST, Spec};
use super::parameter_group::DatabaseParameterGroup;
use super::{id_of, to_tags, when_free, without};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Problems;
use crate::model::observed::Status;
use crate::model::ownership::{self, PROJECT};
use crate::model::types::Ref;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::kind::{Create, Tags};

/// Longest name of a member.
const NAME: usize = 20;
/// Longest time until a change of a member is in force.
const CHANGED_WITHIN: Duration = Duration::from_secs(60 * 60);
/// Clusters whose members one call asks for.
const CLUSTERS: usize = 50;

/// A server of an Aurora cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemberSpec {
    /// Size, such as `db.r8g.large`; `db.serverless` scales by itself, as `scaling` says.
    #[schemars(regex(pattern = r"^db\.[a-z0-9.-]+$"), extend("x-change" = "interrupts"))]
    pub class: String,
    /// Turn in which it takes over when the writer fails: 0 (first) to 15.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 15))]
    pub tier: Option<i32>,
    /// Availability zone; the service chooses if left out. A member can't move: give another one its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Whether it has a public address.
    #[serde(default)]
    pub public_access: bool,
    /// Values of the engine's parameters for this server. Another group is in force after its next restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter_group: Option<Ref<DatabaseParameterGroup>>,
    /// Authority that its certificate is of, such as `rds-ca-rsa2048-g1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub ca_certificate: Option<String>,
    /// Whether the service brings new minor versions, in the maintenance window; all members should say the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minor_upgrades: Option<bool>,
}

/// Names that can be part of an identifier.
pub(super) fn check_members(spec: &Spec, problems: &mut Problems) {
    let longest = spec.name.as_ref().map_or(LONGEST, String::len);
    for name in spec.members.iter().flat_map(|m| m.keys()) {
        let plain = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        if !plain || name.is_empty() || name.starts_with('-') || name.ends_with('-') || name.contains("--") {
            let message = "a member's name has lower case letters, digits and single hyphens inside";
            problems.add(format!("members.{name}"), message, "choose another name");
        } else if name.len() > NAME || longest + 1 + name.len() > 63 {
            let message = format!("a member's name has {NAME} characters at most, and 63 with the cluster's before it");
            problems.add(format!("members.{name}"), message, "choose a shorter name");
        }
    }
}

/// All members of these clusters.
pub(super) async fn of_clusters(cx: &Context, clusters: &[String]) -> Result<Vec<DbInstance>, ApiError> {
    let mut all = Vec::new();
    for some in clusters.chunks(CLUSTERS) {
        let filter = Filter::builder().name("db-cluster-id").set_values(Some(some.to_vec())).build();
        let request = cx.clients.rds.describe_db_instances().filters(filter).max_records(100);
        let pages = cx.pages("rds:DescribeDBInstances", request.into_paginator().send()).await?;
        all.extend(pages.into_iter().flat_map(|p| p.db_instances.unwrap_or_default()));
    }
    Ok(all)
}

/// The members of a cluster by their names in it; those that go are gone.
pub(super) fn members_of<'m>(cluster: &str, all: &'m [DbInstance]) -> BTreeMap<String, &'m DbInstance> {
    let mut members = BTreeMap::new();
    for member in all.iter().filter(|m| m.db_cluster_identifier() == Some(cluster)) {
        if super::states::status(member.db_instance_status()) != Status::Deleting {
            let id = member.db_instance_identifier().unwrap_or_default();
            // A cluster that was taken over may have others.
            let name = id.strip_prefix(cluster).and_then(|rest| rest.strip_prefix('-')).unwrap_or(id);
            members.insert(name.to_owned(), member);
        }
    }
    members
}

/// A member as it is declared.
pub(super) fn read(member: &DbInstance) -> MemberSpec {
    MemberSpec {
        class: member.db_instance_class().unwrap_or_default().to_owned(),
        tier: member.promotion_tier(),
        zone: member.availability_zone().map(str::to_owned),
        public_access: member.publicly_accessible().unwrap_or(false),
        parameter_group: member.db_parameter_groups().first().and_then(|g| g.db_parameter_group_name()).map(Ref::id),
        ca_certificate: member.ca_certificate_identifier().map(str::to_owned),
        minor_upgrades: member.auto_minor_version_upgrade(),
    }
}

/// Tags of members: whose they are, and what the user says; no address, as they are no objects of their own.
fn tags(want: &Create<'_, Spec>) -> Tags {
    let keeps = |key: &str| !key.starts_with(ownership::PREFIX) || key == PROJECT || key == ownership::ENVIRONMENT;
    want.tags.iter().filter(|(key, _)| keeps(key)).map(|(k, v)| (k.clone(), v.clone())).collect()
}

/// Makes the members that lack, changes those that differ, and then lets the others go.
pub(super) async fn settle(cx: &Context, cluster: &str, want: &Create<'_, Spec>) -> Result<(), ApiError> {
    let Some(wanted) = &want.spec.members else { return Ok(()) };
    let all = of_clusters(cx, &[cluster.to_owned()]).await?;
    let there = members_of(cluster, &all);
    let mut lacking: Vec<(&String, &MemberSpec)> =
        wanted.iter().filter(|(name, _)| !there.contains_key(*name)).collect();
    // The first one becomes the writer.
    lacking.sort_by_key(|(name, member)| (member.tier.unwrap_or(1), *name));
    for (name, member) in &lacking {
        create(cx, want, cluster, &format!("{cluster}-{name}"), member).await?;
    }
    let new: Vec<String> = lacking.iter().map(|(name, _)| format!("{cluster}-{name}")).collect();
    try_join_all(new.iter().map(|id| available(cx, id, CREATED_WITHIN, want.watch, |_| true))).await?;
    for (name, member) in wanted {
        if let Some(now) = there.get(name) {
            change(cx, want, now, member).await?;
        }
    }
    let gone: Vec<&str> =
        without(&there, wanted).into_iter().filter_map(|name| there[name].db_instance_identifier()).collect();
    let plain = cx.plain();
    try_join_all(gone.iter().map(|id| delete(&plain, id, want.watch))).await.map(drop)
}

async fn create(
    cx: &Context,
    want: &Create<'_, Spec>,
    cluster: &str,
    id: &str,
    member: &MemberSpec,
) -> Result<(), ApiError> {
    let once = cx.once();
    let request = once
        .clients
        .rds
        .create_db_instance()
        .db_instance_identifier(id)
        .db_cluster_identifier(cluster)
        .engine(want.spec.engine.api())
        .db_instance_class(&member.class)
        .set_promotion_tier(member.tier)
        .set_availability_zone(member.zone.clone())
        .publicly_accessible(member.public_access)
        .set_db_parameter_group_name(id_of(want, member.parameter_group.as_ref())?)
        .set_ca_certificate_identifier(member.ca_certificate.clone())
        .set_auto_minor_version_upgrade(member.minor_upgrades)
        .set_tags(Some(to_tags(&tags(want))));
    let error = match once.call("rds:CreateDBInstance", request.send()).await {
        Ok(_) => return Ok(()),
        Err(e) if e.class == ErrorClass::Unanswered || e.code.as_deref() == Some("DBInstanceAlreadyExists") => e,
        Err(e) => return Err(e),
    };
    // Nobody knows what became of the call, or the name is taken: a member of this cluster is the one that was to be
    // made.
    let what = format!("database {id} to be seen");
    let seen = cx.wait(want.watch, &what, cx.poll() * 15, || async {
        Ok(Look::seen(describe(cx, id).await?.filter(|db| db.db_cluster_identifier() == Some(cluster))))
    });
    match seen.await {
        Err(e) if e.class == ErrorClass::TimedOut => Err(error),
        other => other.map(drop),
    }
}

async fn change(cx: &Context, want: &Create<'_, Spec>, now: &DbInstance, member: &MemberSpec) -> Result<(), ApiError> {
    let id = now.db_instance_identifier().unwrap_or_default();
    let there = read(now);
    if member.zone.is_some() && member.zone != there.zone {
        let message = format!("{id} can't move to another zone: declare a member of another name there in its place");
        return Err(ApiError::new("rds:ModifyDBInstance", ErrorClass::Invalid, message));
    }
    let group = id_of(want, member.parameter_group.as_ref())?;
    let same_group = group.as_deref() == now.db_parameter_groups().first().and_then(|g| g.db_parameter_group_name());
    let (tier, authority) = (member.tier.filter(|_| member.tier != there.tier), member.ca_certificate.clone());
    let plain = cx.clients.rds.modify_db_instance().db_instance_identifier(id).apply_immediately(true);
    let request = plain
        .clone()
        .set_db_instance_class((member.class != there.class).then(|| member.class.clone()))
        .set_promotion_tier(tier)
        .set_publicly_accessible((member.public_access != there.public_access).then_some(member.public_access))
        .set_db_parameter_group_name(group.filter(|_| !same_group))
        .set_ca_certificate_identifier(authority.filter(|_| member.ca_certificate != there.ca_certificate))
        .set_auto_minor_version_upgrade(
            member.minor_upgrades.filter(|_| member.minor_upgrades != there.minor_upgrades),
        );
    if request.as_input() == plain.as_input() {
        return Ok(());
    }
    when_free(cx, want.watch, format!("database {id} to take changes"), || async {
        cx.call("rds:ModifyDBInstance", request.clone().send()).await.map(drop)
    })
    .await?;
    let in_force = |db: &DbInstance| {
        let there = read(db);
        let same = |wanted: &Option<String>, there: &Option<String>| wanted.is_none() || wanted == there;
        there.class == member.class
            && there.public_access == member.public_access
            && (member.tier.is_none() || there.tier == member.tier)
            && same(&member.ca_certificate, &there.ca_certificate)
    };
    available(cx, id, CHANGED_WITHIN, want.watch, in_force).await.map(drop)
}
