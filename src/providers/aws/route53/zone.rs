//! `zone`: a hosted zone, public or of networks.
//!
//! Belongs to the whole account. Name, whether it is private, and the delegation set make a new zone necessary. A new
//! zone has other name servers: before the old one goes, the domain above has to name the new ones. Two private zones
//! of one name can't share a network: there, `lifecycle.replacement: delete_first` is needed.
//!
//! Its tags come with a second call. A run that ends between the two leaves a zone without tags, whose caller
//! reference is ours ([`super`]): it is read as ours, without `empty_on_delete`, so that the next plan writes the
//! tags and all that is missing. Where project, environment and address are longer than about 100 characters
//! together, the reference holds a hash, and the zone is found by the next creation of the same address instead.
//!
//! Reading costs one call for each 100 zones of the account, one for the tags of ten, one for all query logs, and one
//! for each zone of the environment, whose name servers and networks no list shows. `empty_on_delete` is kept in a
//! tag.
//!
//! Signing (DNSSEC) is left out: it is done together with the registrar, in days, and its undoing too. Networks of
//! other accounts are left out as well: they need an authorization from both sides. Both stay as they are on a zone
//! that has them.
//! API: <https://docs.aws.amazon.com/Route53/latest/APIReference/API_CreateHostedZone.html>

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_route53::operation::get_hosted_zone::GetHostedZoneOutput;
use aws_sdk_route53::types::{
    HostedZone, HostedZoneConfig, QueryLoggingConfig, TagResourceType, Vpc as ApiNetwork, VpcRegion,
};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::record_parts as records;
use super::{
    AT_ONCE, bare, change_tags, check_name, earlier, in_force, is_hash, names, or_of_reference, reference, tags_of,
    with_a_trace, zones,
};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::preflight::View;
use crate::model::types::{Ref, Target};
use crate::providers::aws::arns::partition;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::ec2::vpc::Vpc;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::logs::log_group::LogGroup;
use crate::providers::aws::preflight::kind::{Checked, Needs, Quota, Tally, Use};

/// Tag that keeps [`Spec::empty_on_delete`].
const EMPTY: &str = "saiken:empty-on-delete";
/// Most characters of a caller reference.
const REFERENCE: usize = 128;
/// Records that a refused deletion names.
const NAMED: usize = 10;

/// The kind `zone`.
pub struct Zone;

/// A hosted zone, public or of networks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, such as `example.com`; 253 characters at most.
    #[serde(deserialize_with = "names::read")]
    #[schemars(extend("x-change" = "replace"))]
    pub name: String,
    /// What it is for; 256 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub comment: Option<String>,
    /// Whether only its networks see it.
    #[serde(default)]
    #[schemars(extend("x-change" = "replace"))]
    pub private: bool,
    /// Networks of this account that see a private zone, at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub networks: Option<Vec<Network>>,
    /// Id of a reusable set of name servers, for a public zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32), extend("x-change" = "replace"))]
    pub delegation_set: Option<String>,
    /// Whether and where the questions to a public zone are written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_logging: Option<QueryLogging>,
    /// Whether records that are not declared are removed with it; if not, they keep it from being deleted.
    #[serde(default = "no", skip_serializing_if = "Option::is_none")]
    pub empty_on_delete: Option<bool>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

#[allow(clippy::unnecessary_wraps, reason = "it is the default of an optional field")]
fn no() -> Option<bool> {
    Some(false)
}

/// A network that sees a private zone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The network.
    pub vpc: Ref<Vpc>,
    /// Its region.
    pub region: String,
}

/// Where the questions to a public zone are written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryLogging {
    /// Whether they are.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Log group in us-east-1, whose policy must allow `route53.amazonaws.com`; one that is not of the project by its
    /// ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_group: Option<Ref<LogGroup>>,
}

fn yes() -> bool {
    true
}

impl Kind for Zone {
    const NAME: &'static str = "zone";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "zone of names",
            service: "route53",
            reference: "https://docs.aws.amazon.com/Route53/latest/APIReference/API_CreateHostedZone.html",
            scope: Scope::Global,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Id, Z…"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("name", "Name, without dot at its end"),
                    Attribute::stable("name_servers", "Name servers of a public zone, for the domain above"),
                    Attribute::stable("name_server_1", "The first of them"),
                    Attribute::stable("name_server_2", "The second of them"),
                    Attribute::stable("name_server_3", "The third of them"),
                    Attribute::stable("name_server_4", "The fourth of them"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "route53:GetHostedZone",
                    "route53:ListHostedZones",
                    "route53:ListQueryLoggingConfigs",
                    "route53:ListTagsForResources",
                ],
                create: &[
                    "route53:CreateHostedZone",
                    "route53:ChangeTagsForResource",
                    "route53:AssociateVPCWithHostedZone",
                    "route53:CreateQueryLoggingConfig",
                    "route53:GetChange",
                    "ec2:DescribeVpcs",
                ],
                update: &[
                    "route53:UpdateHostedZoneComment",
                    "route53:ChangeTagsForResource",
                    "route53:AssociateVPCWithHostedZone",
                    "route53:DisassociateVPCFromHostedZone",
                    "route53:CreateQueryLoggingConfig",
                    "route53:DeleteQueryLoggingConfig",
                    "route53:GetChange",
                    "ec2:DescribeVpcs",
                ],
                delete: &[
                    "route53:ListResourceRecordSets",
                    "route53:ChangeResourceRecordSets",
                    "route53:DeleteQueryLoggingConfig",
                    "route53:DeleteHostedZone",
                ],
            },
            name_limit: 0,
            creation_seconds: 40,
            deletion_seconds: 2,
            quota: 500,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        check_name("name", &spec.name, 253, problems);
        let networks = spec.networks.as_deref().unwrap_or_default();
        if spec.private && networks.is_empty() {
            problems.add("networks", "a private zone needs a network that sees it", "give one, or leave `private` out");
        }
        if !spec.private && !networks.is_empty() {
            problems.add("networks", "everybody sees a public zone", "say `private: true`, or leave `networks` out");
        }
        if spec.private && spec.delegation_set.is_some() {
            problems.add("delegation_set", "a private zone has no name servers of its own", "leave it out");
        }
        if let Some(logging) = &spec.query_logging {
            if spec.private && logging.enabled {
                let help = "log the questions of the networks instead (query logs of their resolver)";
                problems.add("query_logging", "only a public zone writes its questions down", help);
            }
            if logging.enabled != logging.log_group.is_some() {
                let message = "questions are written to a log group, or not at all";
                problems.add("query_logging.log_group", message, "give a log group, or `enabled: false` without one");
            }
        }
    }
}

/// <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>
static ZONES: Quota = Quota::new("route53", "L-4EA4796A", "Hosted zones");

#[async_trait]
impl Checked for Zone {
    fn needs() -> Needs {
        Needs {
            resource: "hostedzone/*",
            only_for: &[
                ("route53:UpdateHostedZoneComment", &["comment"]),
                ("route53:AssociateVPCWithHostedZone", &["networks"]),
                ("route53:DisassociateVPCFromHostedZone", &["networks"]),
                ("ec2:DescribeVpcs", &["networks"]),
                ("route53:CreateQueryLoggingConfig", &["query_logging"]),
                ("route53:DeleteQueryLoggingConfig", &["query_logging"]),
                ("route53:ChangeResourceRecordSets", &["empty_on_delete"]),
                ("route53:ListResourceRecordSets", &[]),
                ("route53:GetChange", &[]),
            ],
        }
    }

    fn uses(_: &View<'_>) -> Vec<Use> {
        vec![Use::one(&ZONES)]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        let all = zones(cx).await?;
        Ok(Some(Tally::of(all.iter().map(|_| Use::one(&ZONES)).collect::<Vec<_>>())))
    }
}

#[async_trait]
impl AwsKind for Zone {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let wanted: Vec<(String, Tags)> = match &read.selection {
            Selection::Ids(ids) => {
                let ids: Vec<String> = ids.iter().map(|id| bare(id).to_owned()).collect();
                let mut tags = tags_of(cx, &TagResourceType::Hostedzone, ids.clone()).await?;
                ids.into_iter().map(|id| (id.clone(), tags.remove(&id).unwrap_or_default())).collect()
            }
            Selection::Owned { .. } | Selection::Tagged(_) => selected(cx, &read.selection).await?,
        };
        let logs = if read.is_brief() || wanted.is_empty() { Vec::new() } else { query_logs(cx).await? };
        let found: Vec<Option<Found<Spec>>> = stream::iter(wanted)
            .map(|(id, tags)| {
                let logs = &logs;
                async move { Ok(get(cx, &id).await?.and_then(|zone| found(cx, &zone, tags, logs))) }
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let reference = reference(want.tags, want.token, REFERENCE);
        if is_hash(&reference) {
            let all = zones(cx).await?;
            let all = all.iter().map(|z| (bare(z.id()).to_owned(), z.caller_reference().to_owned()));
            if let Some(id) = earlier(cx, &TagResourceType::Hostedzone, all, &reference).await? {
                settle(cx, &id, want, |_| true).await?;
                return Ok(id);
            }
        }
        let config = HostedZoneConfig::builder().set_comment(spec.comment.clone()).private_zone(spec.private).build();
        let first = spec.networks.iter().flatten().next().map(|n| network(want, n)).transpose()?;
        let once = cx.once();
        let request = once
            .clients
            .route53
            .create_hosted_zone()
            .name(&spec.name)
            .caller_reference(reference)
            .hosted_zone_config(config)
            .set_vpc(first)
            .set_delegation_set_id(spec.delegation_set.clone());
        let mut change = None;
        let call = async {
            let answer = once.call("route53:CreateHostedZone", request.send()).await?;
            change = answer.change_info;
            Ok(answer.hosted_zone.map(|z| bare(z.id()).to_owned()).unwrap_or_default())
        };
        let id = create_once::<Self>(cx, want, None, call).await?;
        settle(cx, &id, want, |field| field != "comment" && (field != "networks" || several(spec))).await?;
        in_force(cx, change.as_ref(), &spec.name, want.watch).await?;
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        settle(cx, update.id, &update.want, |field| update.changed(field)).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let sets = records::all(cx, delete.id).await?;
        let name = &delete.spec.name;
        let others = records::others(name, &sets);
        if !others.is_empty() && delete.spec.empty_on_delete != Some(true) {
            return Err(not_empty(delete.id, name, &others));
        }
        unlog(cx, delete.id).await?;
        // Also text records whose record is gone.
        let gone = sets.iter().filter(|set| !records::stays(name, set)).cloned().collect();
        records::remove_all(cx, delete.id, gone).await?;
        cx.call("route53:DeleteHostedZone", cx.clients.route53.delete_hosted_zone().id(delete.id).send())
            .await
            .map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        let set = with_a_trace(set, remove);
        change_tags(cx, &TagResourceType::Hostedzone, &object.id, &set, remove).await
    }
}

fn several(spec: &Spec) -> bool {
    spec.networks.as_ref().is_some_and(|n| n.len() > 1)
}

/// Zones that are selected by tags, with these.
async fn selected(cx: &Context, selection: &Selection<'_>) -> Result<Vec<(String, Tags)>, ApiError> {
    let all: Vec<HostedZone> = zones(cx).await?.into_iter().filter(|z| z.linked_service().is_none()).collect();
    let ids = all.iter().map(|zone| bare(zone.id()).to_owned()).collect();
    let mut tags = tags_of(cx, &TagResourceType::Hostedzone, ids).await?;
    let with_tags = all.iter().map(|zone| {
        let id = bare(zone.id()).to_owned();
        let tags = or_of_reference(tags.remove(&id).unwrap_or_default(), zone.caller_reference());
        (id, tags)
    });
    Ok(with_tags.filter(|(id, tags)| selection.matches(id, tags)).collect())
}

/// One zone with its name servers and networks; none if it is not there.
async fn get(cx: &Context, id: &str) -> Result<Option<GetHostedZoneOutput>, ApiError> {
    match cx.call("route53:GetHostedZone", cx.clients.route53.get_hosted_zone().id(id).send()).await {
        Ok(answer) => Ok(Some(answer)),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The query logs of all zones, in pages of 100.
async fn query_logs(cx: &Context) -> Result<Vec<QueryLoggingConfig>, ApiError> {
    let request = cx.clients.route53.list_query_logging_configs().max_results(100).into_paginator().send();
    let pages = cx.pages("route53:ListQueryLoggingConfigs", request).await?;
    Ok(pages.into_iter().flat_map(|p| p.query_logging_configs).collect())
}

fn found(cx: &Context, answer: &GetHostedZoneOutput, tags: Tags, logs: &[QueryLoggingConfig]) -> Option<Found<Spec>> {
    let zone = answer.hosted_zone()?;
    let id = bare(zone.id()).to_owned();
    let tags = or_of_reference(tags, zone.caller_reference());
    let config = zone.config();
    let private = config.is_some_and(HostedZoneConfig::private_zone);
    let servers: Vec<String> = answer
        .delegation_set()
        .map(|d| d.name_servers().iter().map(|s| names::normal(s)).collect())
        .unwrap_or_default();
    let server = |at: usize| json!(servers.get(at));
    let set = answer.delegation_set().and_then(|d| d.id()).map(bare).filter(|id| !id.is_empty());
    let log = logs.iter().find(|l| bare(l.hosted_zone_id()) == id).map(|l| l.cloud_watch_logs_log_group_arn());
    let arn = format!("arn:{}:route53:::hostedzone/{id}", partition(&cx.region));
    let name = names::normal(zone.name());
    let networks = answer.vpcs().iter().filter_map(|v| {
        Some(Network { vpc: Ref::id(v.vpc_id()?), region: v.vpc_region().map(|r| r.as_str().to_owned())? })
    });
    Some(Found {
        identifiers: vec![arn.clone(), format!("/hostedzone/{id}")],
        attributes: attributes([
            ("id", json!(id)),
            ("arn", json!(arn)),
            ("name", json!(name)),
            ("name_servers", json!((!servers.is_empty()).then_some(&servers))),
            ("name_server_1", server(0)),
            ("name_server_2", server(1)),
            ("name_server_3", server(2)),
            ("name_server_4", server(3)),
        ]),
        spec: Spec {
            name,
            comment: Some(config.and_then(|c| c.comment()).unwrap_or_default().to_owned()),
            private,
            networks: private.then(|| networks.collect()),
            delegation_set: set.map(str::to_owned),
            query_logging: Some(QueryLogging {
                enabled: log.is_some(),
                log_group: log.map(|arn| Ref::id(arn.trim_end_matches(":*"))),
            }),
            // Missing on one that is half made.
            empty_on_delete: tags.get(EMPTY).and_then(|text| text.parse().ok()),
            tags: None,
        },
        status: Status::Ready,
        tags,
        unread: Vec::new(),
        id,
    })
}

fn network(want: &Create<'_, Spec>, network: &Network) -> Result<ApiNetwork, ApiError> {
    let region = VpcRegion::from(network.region.as_str());
    Ok(ApiNetwork::builder().vpc_id(want.id(&network.vpc)?).vpc_region(region).build())
}

/// Everything that is not set in the creating call; also what an update changes.
async fn settle(
    cx: &Context,
    id: &str,
    want: &Create<'_, Spec>,
    changed: impl Fn(&str) -> bool,
) -> Result<(), ApiError> {
    let (route53, spec) = (&cx.clients.route53, want.spec);
    // First: until then only its reference says whose it is. The next plan sees by `empty_on_delete` that they are
    // missing.
    if changed("empty_on_delete") {
        let mut tags = want.tags.clone();
        tags.insert(EMPTY.to_owned(), spec.empty_on_delete.unwrap_or(false).to_string());
        change_tags(cx, &TagResourceType::Hostedzone, id, &tags, &[]).await?;
    }
    if let Some(comment) = spec.comment.as_ref().filter(|_| changed("comment")) {
        let request = route53.update_hosted_zone_comment().id(id).comment(comment);
        cx.call("route53:UpdateHostedZoneComment", request.send()).await?;
    }
    if let Some(networks) = spec.networks.as_ref().filter(|_| changed("networks")) {
        associate(cx, id, want, networks).await?;
    }
    if let Some(logging) = spec.query_logging.as_ref().filter(|_| changed("query_logging")) {
        log(cx, id, want, logging).await?;
    }
    Ok(())
}

/// Lets these networks see the zone, and no others.
async fn associate(cx: &Context, id: &str, want: &Create<'_, Spec>, networks: &[Network]) -> Result<(), ApiError> {
    let (route53, name) = (&cx.clients.route53, &want.spec.name);
    let there = get(cx, id).await?.and_then(|zone| zone.vpcs).unwrap_or_default();
    let wanted: Vec<ApiNetwork> = networks.iter().map(|n| network(want, n)).collect::<Result<_, _>>()?;
    let ids = |all: &[ApiNetwork]| all.iter().filter_map(|v| v.vpc_id.clone()).collect::<BTreeSet<String>>();
    let (have, keep) = (ids(&there), ids(&wanted));
    for one in wanted.into_iter().filter(|v| v.vpc_id().is_none_or(|id| !have.contains(id))) {
        let vpc = one.vpc_id().unwrap_or_default().to_owned();
        let request = route53.associate_vpc_with_hosted_zone().hosted_zone_id(id).vpc(one);
        match cx.call("route53:AssociateVPCWithHostedZone", request.send()).await {
            // Another zone of this name, or this one: the answer to the first call may have been lost.
            Err(e) if e.class == ErrorClass::Conflict && sees(cx, id, &vpc).await? => {}
            other => in_force(cx, other?.change_info(), name, want.watch).await?,
        }
    }
    for one in there.into_iter().filter(|v| v.vpc_id().is_some_and(|id| !keep.contains(id))) {
        let vpc = one.vpc_id().unwrap_or_default().to_owned();
        let request = route53.disassociate_vpc_from_hosted_zone().hosted_zone_id(id).vpc(one);
        match cx.call("route53:DisassociateVPCFromHostedZone", request.send()).await {
            Err(e) if e.class != ErrorClass::Unanswered && !sees(cx, id, &vpc).await? => {}
            other => in_force(cx, other?.change_info(), name, want.watch).await?,
        }
    }
    Ok(())
}

/// Whether a network sees a zone.
async fn sees(cx: &Context, id: &str, vpc: &str) -> Result<bool, ApiError> {
    let there = get(cx, id).await?.and_then(|zone| zone.vpcs).unwrap_or_default();
    Ok(there.iter().any(|v| v.vpc_id() == Some(vpc)))
}

/// Writes the questions to the zone down, there or nowhere. A zone has one log, which can't be changed.
async fn log(cx: &Context, id: &str, want: &Create<'_, Spec>, logging: &QueryLogging) -> Result<(), ApiError> {
    unlog(cx, id).await?;
    let Some(group) = logging.log_group.as_ref().filter(|_| logging.enabled) else { return Ok(()) };
    let arn = match group.target() {
        Target::Id { id } => id.clone(),
        Target::Owned(_) | Target::Tags { .. } => want.attribute(group, "arn").unwrap_or_default(),
    };
    let arn = format!("{}:*", arn.trim_end_matches(":*"));
    let request = cx.clients.route53.create_query_logging_config();
    let request = request.hosted_zone_id(id).cloud_watch_logs_log_group_arn(&arn);
    let refused = match cx.call("route53:CreateQueryLoggingConfig", request.send()).await {
        Err(e) if e.class == ErrorClass::Conflict => e,
        other => return other.map(drop),
    };
    // The answer to the first call may have been lost.
    let same = |l: &QueryLoggingConfig| {
        bare(l.hosted_zone_id()) == id
            && l.cloud_watch_logs_log_group_arn().trim_end_matches(":*") == arn.trim_end_matches(":*")
    };
    if query_logs(cx).await?.iter().any(same) { Ok(()) } else { Err(refused) }
}

async fn unlog(cx: &Context, id: &str) -> Result<(), ApiError> {
    for log in query_logs(cx).await?.iter().filter(|l| bare(l.hosted_zone_id()) == id) {
        let request = cx.clients.route53.delete_query_logging_config().id(log.id());
        match cx.call("route53:DeleteQueryLoggingConfig", request.send()).await {
            Err(e) if e.class == ErrorClass::NotFound => {}
            other => drop(other?),
        }
    }
    Ok(())
}

fn not_empty(id: &str, name: &str, others: &[&aws_sdk_route53::types::ResourceRecordSet]) -> ApiError {
    let named: Vec<String> = others.iter().take(NAMED).map(|set| records::words(set)).collect();
    let more = others.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let message = format!(
        "'{id}', {name}, holds records that are not declared: {}{more}; remove them, or say `empty_on_delete: true` \
         and apply that first",
        named.join(", ")
    );
    ApiError::new("route53:DeleteHostedZone", ErrorClass::Conflict, message)
}

#[cfg(test)]
mod tests;
