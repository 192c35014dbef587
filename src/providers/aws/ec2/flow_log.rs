//! `flow_log`: a record of the packets of a network or a subnet.
//!
//! The API can't change a flow log: everything but tags makes a new one necessary. Two with the same target and the same
//! destination can't stand side by side, so the old one goes first.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{FlowLog as ApiLog, FlowLogsResourceType, LogDestinationType, ResourceType, TrafficType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::subnet::Subnet;
use super::vpc::Vpc;
use super::{attributes, filters, from_tags, retag, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::types::{Duration, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Tags, Update};
use crate::providers::aws::logs::log_group::LogGroup;

/// The kind `flow_log`.
pub struct FlowLog;

/// A record of the packets of a network or a subnet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The network watched; either this or `subnet`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub vpc: Option<Ref<Vpc>>,
    /// The subnet watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub subnet: Option<Ref<Subnet>>,
    /// Log group that lines go to; either this or `bucket_arn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub log_group: Option<Ref<LogGroup>>,
    /// ARN of a bucket, with a folder if wanted, that files go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub bucket_arn: Option<String>,
    /// Role that may write to the log group; needed with `log_group`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub role: Option<Ref<Role>>,
    /// Which packets.
    #[serde(default = "all")]
    #[schemars(extend("x-change" = "replace"))]
    pub traffic: Traffic,
    /// Fields of a line, in the API's form `${srcaddr} ${dstaddr} …`; the API's own choice if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub format: Option<String>,
    /// How long packets are gathered into a line: 1m or 10m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub interval: Option<Duration>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

fn all() -> Traffic {
    Traffic::All
}

/// Which packets are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    /// Let through.
    Accept,
    /// Turned away.
    Reject,
    /// All.
    All,
}

impl Kind for FlowLog {
    const NAME: &'static str = "flow_log";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "record of a network's packets",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html",
            scope: Scope::Regional,
            data_bearing: false,
            replacement: Replacement::DeleteFirst,
            serves: false,
            attributes: const { &[Attribute::stable("id", "Id, fl-…")] },
            permissions: Permissions {
                read: &["ec2:DescribeFlowLogs"],
                create: &["ec2:CreateFlowLogs", "ec2:CreateTags", "iam:PassRole", "logs:CreateLogDelivery"],
                update: &["ec2:CreateTags", "ec2:DeleteTags"],
                delete: &["ec2:DeleteFlowLogs", "logs:DeleteLogDelivery"],
            },
            name_limit: 0,
            creation_seconds: 3,
            deletion_seconds: 1,
            quota: 100,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if spec.vpc.is_some() == spec.subnet.is_some() {
            problems.add("", "one thing is watched", "give either `vpc` or `subnet`");
        }
        if spec.log_group.is_some() == spec.bucket_arn.is_some() {
            problems.add("", "lines go to one place", "give either `log_group` or `bucket_arn`");
        }
        if spec.log_group.is_some() && spec.role.is_none() {
            problems.add("log_group", "a role must be allowed to write to it", "add `role`");
        }
        if let Some(interval) = spec.interval.as_ref().filter(|i| ![0, 60, 600].contains(&i.seconds())) {
            problems.add("interval", format!("`{interval}` is not possible"), "write 1m or 10m");
        }
    }
}

#[async_trait]
impl AwsKind for FlowLog {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let filters = filters(&read.selection, "flow-log-id");
        let request = cx.ec2().describe_flow_logs().set_filter(Some(filters)).max_results(1000);
        let pages = cx.pages("ec2:DescribeFlowLogs", request.into_paginator().send()).await?;
        Ok(pages.iter().flat_map(|p| p.flow_logs()).map(found).collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let (target, ty) = match (&spec.vpc, &spec.subnet) {
            (Some(vpc), _) => (want.id(vpc)?, FlowLogsResourceType::Vpc),
            (None, Some(subnet)) => (want.id(subnet)?, FlowLogsResourceType::Subnet),
            (None, None) => return Err(ApiError::new("ec2:CreateFlowLogs", ErrorClass::Invalid, "nothing to watch")),
        };
        let mut request = cx
            .ec2()
            .create_flow_logs()
            .client_token(want.token)
            .resource_ids(target)
            .resource_type(ty)
            .traffic_type(match spec.traffic {
                Traffic::Accept => TrafficType::Accept,
                Traffic::Reject => TrafficType::Reject,
                Traffic::All => TrafficType::All,
            })
            .set_log_format(spec.format.clone())
            .set_max_aggregation_interval(spec.interval.as_ref().and_then(|i| i32::try_from(i.seconds()).ok()))
            .tag_specifications(tag_specification(ResourceType::VpcFlowLog, want.tags));
        if let Some(group) = &spec.log_group {
            request = request.log_destination_type(LogDestinationType::CloudWatchLogs).log_group_name(want.id(group)?);
        }
        if let Some(role) = &spec.role {
            let arn = want.attribute(role, "arn").map_or_else(|| want.id(role), Ok)?;
            request = request.deliver_logs_permission_arn(arn);
        }
        if let Some(bucket) = &spec.bucket_arn {
            request = request.log_destination_type(LogDestinationType::S3).log_destination(bucket);
        }
        let answer = cx.call("ec2:CreateFlowLogs", request.send()).await?;
        // This call answers with success, and lists what it did not make.
        if let Some(error) = answer.unsuccessful().iter().find_map(|u| u.error()) {
            let message = error.message().unwrap_or_default();
            let mut api = ApiError::new("ec2:CreateFlowLogs", ErrorClass::Invalid, message);
            api.code = error.code().map(str::to_owned);
            return Err(api);
        }
        Ok(answer.flow_log_ids().first().cloned().unwrap_or_default())
    }

    async fn update(_: &Context, _: &Update<'_, Spec>) -> Result<(), ApiError> {
        // Only tags can change in place.
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.ec2().delete_flow_logs().flow_log_ids(delete.id);
        let answer = cx.call("ec2:DeleteFlowLogs", request.send()).await?;
        match answer.unsuccessful().iter().find_map(|u| u.error()) {
            Some(error) if !error.code().is_some_and(|c| c.ends_with("NotFound")) => {
                let mut api =
                    ApiError::new("ec2:DeleteFlowLogs", ErrorClass::Other, error.message().unwrap_or_default());
                api.code = error.code().map(str::to_owned);
                Err(api)
            }
            _ => Ok(()),
        }
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

fn found(log: &ApiLog) -> Found<Spec> {
    let id = log.flow_log_id().unwrap_or_default().to_owned();
    let target = log.resource_id().unwrap_or_default();
    let to_bucket = log.log_destination_type() == Some(&LogDestinationType::S3);
    Found {
        identifiers: Vec::new(),
        attributes: attributes([("id", json!(id))]),
        spec: Spec {
            vpc: target.starts_with("vpc-").then(|| Ref::id(target)),
            subnet: target.starts_with("subnet-").then(|| Ref::id(target)),
            log_group: log.log_group_name().filter(|_| !to_bucket).map(Ref::id),
            bucket_arn: log.log_destination().filter(|_| to_bucket).map(str::to_owned),
            role: log.deliver_logs_permission_arn().map(Ref::id),
            traffic: match log.traffic_type() {
                Some(TrafficType::Accept) => Traffic::Accept,
                Some(TrafficType::Reject) => Traffic::Reject,
                _ => Traffic::All,
            },
            format: log.log_format().map(str::to_owned),
            interval: log.max_aggregation_interval().and_then(|i| u64::try_from(i).ok()).map(Duration::from_seconds),
            tags: None,
        },
        status: Status::Ready,
        tags: from_tags(log.tags()),
        unread: Vec::new(),
        id,
    }
}
