//! `internet_gateway`: the way between a network and the internet.
//!
//! Attached to one network; another network detaches and attaches it in place, which cuts the internet off meanwhile. It
//! can't be detached while the network has public addresses.
//! API: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateInternetGateway.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{InternetGateway as ApiGateway, ResourceType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::vpc::Vpc;
use super::{arn, attributes, filters, from_tags, retag, tag_specification};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::preflight::View;
use crate::model::types::Ref;
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Checked, Needs, Quota, Tally, Use};

/// The kind `internet_gateway`.
pub struct InternetGateway;

/// The way between a network and the internet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The network that it is attached to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "interrupts"))]
    pub vpc: Option<Ref<Vpc>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Kind for InternetGateway {
    const NAME: &'static str = "internet_gateway";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "internet gateway",
            service: "ec2",
            reference: "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateInternetGateway.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::DeleteFirst,
            serves: true,
            attributes: const { &[Attribute::stable("id", "Id, igw-…"), Attribute::stable("arn", "ARN")] },
            permissions: Permissions {
                read: &["ec2:DescribeInternetGateways"],
                create: &["ec2:CreateInternetGateway", "ec2:CreateTags", "ec2:AttachInternetGateway"],
                update: &["ec2:AttachInternetGateway", "ec2:DetachInternetGateway", "ec2:CreateTags", "ec2:DeleteTags"],
                delete: &["ec2:DetachInternetGateway", "ec2:DeleteInternetGateway"],
            },
            name_limit: 0,
            creation_seconds: 3,
            deletion_seconds: 3,
            quota: 5,
            zone_field: None,
            loose_refs: &[],
        }
    }
}

/// <https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html>
static GATEWAYS: Quota = Quota::new("vpc", "L-A4707A72", "Internet gateways per Region");

#[async_trait]
impl Checked for InternetGateway {
    fn needs() -> Needs {
        Needs {
            resource: "internet-gateway/*",
            only_for: &[("ec2:AttachInternetGateway", &["vpc"]), ("ec2:DetachInternetGateway", &["vpc"])],
        }
    }

    fn uses(_: &View<'_>) -> Vec<Use> {
        vec![Use::one(&GATEWAYS)]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        let request = cx.ec2().describe_internet_gateways().max_results(1000);
        let pages = cx.pages("ec2:DescribeInternetGateways", request.into_paginator().send()).await?;
        Ok(Some(Tally::of(pages.iter().flat_map(|p| p.internet_gateways()).map(|_| Use::one(&GATEWAYS)))))
    }
}

#[async_trait]
impl AwsKind for InternetGateway {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let filters = filters(&read.selection, "internet-gateway-id");
        let request = cx.ec2().describe_internet_gateways().set_filters(Some(filters)).max_results(1000);
        let pages = cx.pages("ec2:DescribeInternetGateways", request.into_paginator().send()).await?;
        Ok(pages.iter().flat_map(|p| p.internet_gateways()).map(|g| found(cx, g)).collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let tags = tag_specification(ResourceType::InternetGateway, want.tags);
        let once = cx.once();
        let request = once.ec2().create_internet_gateway().tag_specifications(tags);
        let call = async {
            let answer = once.call("ec2:CreateInternetGateway", request.send()).await?;
            Ok(answer.internet_gateway().and_then(ApiGateway::internet_gateway_id).unwrap_or_default().to_owned())
        };
        let id = create_once::<Self>(cx, want, None, call).await?;
        if let Some(vpc) = &want.spec.vpc {
            attach(cx, &id, &want.id(vpc)?).await?;
        }
        Ok(id)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        if let Some(vpc) = update.want.spec.vpc.as_ref().filter(|_| update.changed("vpc")) {
            detach_all(cx, update.id).await?;
            attach(cx, update.id, &update.want.id(vpc)?).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        detach_all(cx, delete.id).await?;
        let request = cx.ec2().delete_internet_gateway().internet_gateway_id(delete.id);
        cx.call("ec2:DeleteInternetGateway", request.send()).await.map(|_| ())
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

fn found(cx: &Context, gateway: &ApiGateway) -> Found<Spec> {
    let id = gateway.internet_gateway_id().unwrap_or_default().to_owned();
    let account = gateway.owner_id().unwrap_or_default();
    let arn = arn(&cx.region, account, "internet-gateway", &id);
    let vpc = gateway.attachments().first().and_then(|a| a.vpc_id()).map(Ref::id);
    Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([("id", json!(id)), ("arn", json!(arn))]),
        spec: Spec { vpc, tags: None },
        status: Status::Ready,
        tags: from_tags(gateway.tags()),
        unread: Vec::new(),
        id,
    }
}

async fn attach(cx: &Context, id: &str, vpc: &str) -> Result<(), ApiError> {
    let request = cx.ec2().attach_internet_gateway().internet_gateway_id(id).vpc_id(vpc);
    match cx.call("ec2:AttachInternetGateway", request.send()).await {
        // A run that ended early attached it already.
        Err(e) if e.code.as_deref() == Some("Resource.AlreadyAssociated") => Ok(()),
        other => other.map(|_| ()),
    }
}

async fn detach_all(cx: &Context, id: &str) -> Result<(), ApiError> {
    let ids = [id.to_owned()];
    let filters = filters(&Selection::Ids(&ids), "internet-gateway-id");
    let request = cx.ec2().describe_internet_gateways().set_filters(Some(filters));
    let answer = cx.call("ec2:DescribeInternetGateways", request.send()).await?;
    for vpc in answer.internet_gateways().iter().flat_map(|g| g.attachments()).filter_map(|a| a.vpc_id()) {
        let request = cx.ec2().detach_internet_gateway().internet_gateway_id(id).vpc_id(vpc);
        match cx.call("ec2:DetachInternetGateway", request.send()).await {
            Err(e) if e.class == ErrorClass::NotFound || e.code.as_deref() == Some("Gateway.NotAttached") => {}
            other => {
                other?;
            }
        }
    }
    Ok(())
}
