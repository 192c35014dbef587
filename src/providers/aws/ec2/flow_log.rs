//! `flow_log`: a record of the packets of a network, a subnet, a network interface or a transit gateway.
//!
//! The API can't change a flow log: everything but tags makes a new one necessary. Two with the same target and the same
//! destination can't stand side by side, so the old one goes first.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateFlowLogs.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    DestinationFileFormat, DestinationOptionsRequest, FlowLog as ApiLog, FlowLogsResourceType, LogDestinationType,
    ResourceType, TrafficType,
};
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
use crate::providers::aws::preflight::kind::{Checked, Needs};
use crate::providers::aws::words::words;

/// The kind `flow_log`.
pub struct FlowLog;

/// A record of the packets of a network or a subnet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The network watched; one of `vpc`, `subnet`, `network_interface` and `transit_gateway` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub vpc: Option<Ref<Vpc>>,
    /// The subnet watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub subnet: Option<Ref<Subnet>>,
    /// Id of the network interface watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub network_interface: Option<String>,
    /// Id of the transit gateway watched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub transit_gateway: Option<String>,
    /// Log group that lines go to; one of `log_group`, `bucket_arn` and `firehose_arn` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub log_group: Option<Ref<LogGroup>>,
    /// ARN of a bucket, with a folder if wanted, that files go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub bucket_arn: Option<String>,
    /// How files in the bucket are written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub files: Option<Files>,
    /// ARN of a Firehose stream that lines go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub firehose_arn: Option<String>,
    /// Role that may write to the destination; needed with `log_group`, and for a Firehose stream of another account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub role: Option<Ref<Role>>,
    /// ARN of the role of the other account that the first role takes on there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub cross_account_role: Option<String>,
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

/// How files in a bucket are written. All is fixed when the record begins.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "FlowLogFiles")]
pub struct Files {
    /// Format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<FileFormat>,
    /// Whether folders are named as Hive expects (`year=2026/month=…`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hive_partitions: Option<bool>,
    /// Whether there is a folder for each hour, not for each day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_hour: Option<bool>,
}

words! {
    /// Format of the files of a flow log.
    FileFormat {
        /// Lines of text.
        PlainText = "plain-text",
        /// Apache Parquet.
        Parquet = "parquet",
    }
}

fn all() -> Traffic {
    Traffic::All
}

words! {
    /// Which packets are recorded.
    Traffic {
        /// Let through.
        Accept = "ACCEPT",
        /// Turned away.
        Reject = "REJECT",
        /// All.
        All = "ALL",
    }
}

/// How many of these are given.
fn given(fields: &[bool]) -> usize {
    fields.iter().filter(|f| **f).count()
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
            data: None,
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
        let watched = [spec.vpc.is_some(), spec.subnet.is_some(), spec.network_interface.is_some()];
        if given(&watched) + usize::from(spec.transit_gateway.is_some()) != 1 {
            let help = "give one of `vpc`, `subnet`, `network_interface` and `transit_gateway`";
            problems.add("", "one thing is watched", help);
        }
        if given(&[spec.log_group.is_some(), spec.bucket_arn.is_some(), spec.firehose_arn.is_some()]) != 1 {
            problems.add("", "lines go to one place", "give one of `log_group`, `bucket_arn` and `firehose_arn`");
        }
        if spec.log_group.is_some() && spec.role.is_none() {
            problems.add("log_group", "a role must be allowed to write to it", "add `role`");
        }
        if spec.files.is_some() && spec.bucket_arn.is_none() {
            problems.add("files", "only a bucket holds files", "add `bucket_arn`, or remove it");
        }
        if spec.cross_account_role.is_some() && spec.role.is_none() {
            problems.add("cross_account_role", "there is no role that could take it on", "add `role`");
        }
        if spec.transit_gateway.is_some() && spec.traffic != Traffic::All {
            problems.add("traffic", "all packets of a transit gateway are recorded", "leave it out");
        }
        if spec.transit_gateway.is_some() && spec.interval.as_ref().is_some_and(|i| ![0, 60].contains(&i.seconds())) {
            problems.add("interval", "the packets of a transit gateway are gathered for a minute", "write 1m");
        }
        if let Some(interval) = spec.interval.as_ref().filter(|i| ![0, 60, 600].contains(&i.seconds())) {
            problems.add("interval", format!("`{interval}` is not possible"), "write 1m or 10m");
        }
    }
}

#[async_trait]
impl Checked for FlowLog {
    fn needs() -> Needs {
        Needs {
            resource: "vpc-flow-log/*",
            only_for: &[
                ("iam:PassRole", &["role", "cross_account_role"]),
                ("logs:CreateLogDelivery", &["bucket_arn", "firehose_arn"]),
                ("logs:DeleteLogDelivery", &["bucket_arn", "firehose_arn"]),
            ],
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
        let (target, ty) = target(want)?;
        let mut request = cx
            .ec2()
            .create_flow_logs()
            .client_token(want.token)
            .resource_ids(target)
            // The API knows no choice for a transit gateway.
            .set_traffic_type(spec.transit_gateway.is_none().then(|| TrafficType::from(spec.traffic.api())))
            .resource_type(ty)
            .set_log_format(spec.format.clone())
            .set_max_aggregation_interval(spec.interval.as_ref().and_then(|i| i32::try_from(i.seconds()).ok()))
            .set_deliver_cross_account_role(spec.cross_account_role.clone())
            .tag_specifications(tag_specification(ResourceType::VpcFlowLog, want.tags));
        if let Some(group) = &spec.log_group {
            request = request.log_destination_type(LogDestinationType::CloudWatchLogs).log_group_name(want.id(group)?);
        }
        if let Some(role) = &spec.role {
            let arn = want.attribute(role, "arn").map_or_else(|| want.id(role), Ok)?;
            request = request.deliver_logs_permission_arn(arn);
        }
        if let Some(bucket) = &spec.bucket_arn {
            let files = spec.files.as_ref().map(|files| {
                DestinationOptionsRequest::builder()
                    .set_file_format(files.format.map(|f| DestinationFileFormat::from(f.api())))
                    .set_hive_compatible_partitions(files.hive_partitions)
                    .set_per_hour_partition(files.per_hour)
                    .build()
            });
            request = request
                .log_destination_type(LogDestinationType::S3)
                .log_destination(bucket)
                .set_destination_options(files);
        }
        if let Some(stream) = &spec.firehose_arn {
            request = request.log_destination_type(LogDestinationType::KinesisDataFirehose).log_destination(stream);
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

/// What is watched.
fn target(want: &Create<'_, Spec>) -> Result<(String, FlowLogsResourceType), ApiError> {
    let spec = want.spec;
    if let Some(vpc) = &spec.vpc {
        return Ok((want.id(vpc)?, FlowLogsResourceType::Vpc));
    }
    if let Some(subnet) = &spec.subnet {
        return Ok((want.id(subnet)?, FlowLogsResourceType::Subnet));
    }
    if let Some(interface) = &spec.network_interface {
        return Ok((interface.clone(), FlowLogsResourceType::NetworkInterface));
    }
    if let Some(gateway) = &spec.transit_gateway {
        return Ok((gateway.clone(), FlowLogsResourceType::TransitGateway));
    }
    Err(ApiError::new("ec2:CreateFlowLogs", ErrorClass::Invalid, "nothing to watch"))
}

fn found(log: &ApiLog) -> Found<Spec> {
    let id = log.flow_log_id().unwrap_or_default().to_owned();
    let target = log.resource_id().unwrap_or_default();
    let of = |prefix: &str| target.starts_with(prefix).then(|| target.to_owned());
    let to = |ty: &LogDestinationType| log.log_destination_type() == Some(ty);
    let destination = |ty: &LogDestinationType| log.log_destination().filter(|_| to(ty)).map(str::to_owned);
    let in_bucket = to(&LogDestinationType::S3);
    let elsewhere = in_bucket || to(&LogDestinationType::KinesisDataFirehose);
    let options = log.destination_options();
    Found {
        identifiers: Vec::new(),
        attributes: attributes([("id", json!(id))]),
        spec: Spec {
            vpc: of("vpc-").map(Ref::id),
            subnet: of("subnet-").map(Ref::id),
            network_interface: of("eni-"),
            transit_gateway: of("tgw-").filter(|t| !t.starts_with("tgw-attach-")),
            log_group: log.log_group_name().filter(|_| !elsewhere).map(Ref::id),
            bucket_arn: destination(&LogDestinationType::S3),
            files: in_bucket.then(|| Files {
                format: options.and_then(|o| o.file_format()).and_then(|f| FileFormat::from_api(f.as_str())),
                hive_partitions: options.and_then(|o| o.hive_compatible_partitions()),
                per_hour: options.and_then(|o| o.per_hour_partition()),
            }),
            firehose_arn: destination(&LogDestinationType::KinesisDataFirehose),
            role: log.deliver_logs_permission_arn().map(Ref::id),
            cross_account_role: log.deliver_cross_account_role().map(str::to_owned),
            traffic: log.traffic_type().and_then(|t| Traffic::from_api(t.as_str())).unwrap_or(Traffic::All),
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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::providers::aws::script::Script;

    fn problems(spec: Value) -> Vec<String> {
        let mut problems = Problems::default();
        FlowLog::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| p.message).collect()
    }

    #[test]
    fn one_thing_is_watched_and_lines_go_to_one_place() {
        assert_eq!(problems(json!({})), ["one thing is watched", "lines go to one place"]);
        assert_eq!(
            problems(json!({"vpc": "a/b", "log_group": "a/c", "files": {"per_hour": true}, "cross_account_role": "x"})),
            [
                "a role must be allowed to write to it",
                "only a bucket holds files",
                "there is no role that could take it on"
            ]
        );
        assert_eq!(
            problems(json!({"transit_gateway": "tgw-1", "bucket_arn": "b", "traffic": "accept", "interval": "10m"})),
            [
                "all packets of a transit gateway are recorded",
                "the packets of a transit gateway are gathered for a minute"
            ]
        );
    }

    async fn created(spec: Value, answer: &str) -> (String, crate::model::observed::Object) {
        let script = Script::default().ec2("CreateFlowLogs", "<flowLogIdSet><item>fl-1</item></flowLogIdSet>").ec2(
            "DescribeFlowLogs",
            &format!("<flowLogSet><item><flowLogId>fl-1</flowLogId>{answer}</item></flowLogSet>"),
        );
        let object = script.create::<FlowLog>(spec).await.unwrap();
        (script.asked("CreateFlowLogs").join(""), object)
    }

    #[tokio::test]
    async fn files_in_a_bucket_are_written_as_declared() {
        let spec = json!({"vpc": "s/other", "bucket_arn": "arn:aws:s3:::b/x", "traffic": "reject",
            "files": {"format": "parquet", "hive_partitions": true, "per_hour": true}});
        let (asked, object) = created(
            spec.clone(),
            "<resourceId>vpc-1</resourceId><trafficType>REJECT</trafficType><logDestinationType>s3</logDestinationType>\
             <logDestination>arn:aws:s3:::b/x</logDestination><destinationOptions><fileFormat>parquet</fileFormat>\
             <hiveCompatiblePartitions>true</hiveCompatiblePartitions><perHourPartition>true</perHourPartition>\
             </destinationOptions>",
        )
        .await;
        for part in
            ["FileFormat=parquet", "HiveCompatiblePartitions=true", "PerHourPartition=true", "TrafficType=REJECT"]
        {
            assert!(asked.contains(part), "{part}: {asked}");
        }
        for field in ["bucket_arn", "files", "traffic"] {
            assert_eq!(object.spec[field], spec[field], "{field}");
        }
    }

    #[tokio::test]
    async fn lines_of_a_transit_gateway_go_to_a_stream_of_another_account() {
        let spec = json!({"transit_gateway": "tgw-1", "firehose_arn": "arn:f", "role": {"id": "arn:role"},
            "cross_account_role": "arn:other"});
        let (asked, object) = created(
            spec.clone(),
            "<resourceId>tgw-1</resourceId><logDestinationType>kinesis-data-firehose</logDestinationType>\
             <logDestination>arn:f</logDestination><deliverLogsPermissionArn>arn:role</deliverLogsPermissionArn>\
             <deliverCrossAccountRole>arn:other</deliverCrossAccountRole>",
        )
        .await;
        for part in
            ["ResourceType=TransitGateway", "LogDestinationType=kinesis-data-firehose", "DeliverCrossAccountRole="]
        {
            assert!(asked.contains(part), "{part}: {asked}");
        }
        assert!(!asked.contains("TrafficType"), "{asked}");
        for field in ["transit_gateway", "firehose_arn", "role", "cross_account_role"] {
            assert_eq!(object.spec[field], spec[field], "{field}");
        }
    }

    #[tokio::test]
    async fn a_network_interface_is_watched_by_its_id() {
        let spec = json!({"network_interface": "eni-1", "bucket_arn": "arn:aws:s3:::b"});
        let (asked, object) = created(spec, "<resourceId>eni-1</resourceId>").await;
        assert!(asked.contains("ResourceType=NetworkInterface") && asked.contains("ResourceId.1=eni-1"), "{asked}");
        assert_eq!(object.spec["network_interface"], "eni-1");
    }
}
