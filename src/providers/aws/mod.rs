//! Amazon Web Services, through the official SDK.
//!
//! Credentials and endpoints come from the SDK's normal chain (`AWS_PROFILE`, `AWS_ENDPOINT_URL`, …).

pub mod acm;
#[cfg(test)]
mod again;
mod arns;
pub mod autoscaling;
pub mod backup;
pub mod client;
pub mod cloudcontrol;
pub mod cloudtrail;
pub mod cloudwatch;
pub mod ec2;
pub mod elb;
mod error;
pub mod events;
pub mod guardduty;
pub mod iam;
pub mod json;
pub mod kind;
pub mod kms;
mod limit;
pub mod logs;
mod lookup;
pub mod preflight;
pub mod rds;
mod request_ids;
mod retry;
pub mod route53;
pub mod s3;
#[cfg(test)]
mod script;
pub mod secretsmanager;
pub mod sns;
pub mod ssm;
mod tagging;
pub mod waf;
mod words;

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::model::cloud::{
    ApiError, Cloud, CreateRequest, DeleteRequest, ErrorClass, Identity, Lag, OwnRequest, ReadRequest, RecoveryPoint,
    SaveRequest, UpdateRequest, Watch,
};
use crate::model::observed::{Lookup, Object};
use crate::model::preflight::{Preflight, Question};

use client::{Session, Settings};

/// What runs call whatever kinds are declared: who they are, lookups, and what is checked before the first write. All of them
/// only read.
pub const ACTIONS: [&str; 12] = [
    "ec2:DescribeAvailabilityZones",
    "ec2:DescribeImages",
    "ec2:DescribeInstanceTypeOfferings",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "iam:GetRole",
    "iam:SimulatePrincipalPolicy",
    "servicequotas:GetAWSDefaultServiceQuota",
    "servicequotas:ListServiceQuotas",
    "ssm:GetParameter",
    "sts:GetCallerIdentity",
    "tag:GetResources",
];
use kind::Handler;

/// The AWS cloud.
pub struct Aws {
    session: Session,
    region: String,
    handlers: BTreeMap<&'static str, Box<dyn Handler>>,
}

impl Aws {
    /// Connects; no call is made yet.
    pub async fn connect(settings: &Settings) -> Self {
        Self { session: Session::connect(settings).await, region: settings.region.clone(), handlers: super::handlers() }
    }

    fn handler(&self, kind: &str) -> Result<&dyn Handler, ApiError> {
        self.handlers
            .get(kind)
            .map(AsRef::as_ref)
            .ok_or_else(|| ApiError::new("aws", ErrorClass::Invalid, format!("there is no kind `{kind}`")))
    }
}

#[async_trait]
impl Cloud for Aws {
    fn label(&self) -> &'static str {
        "aws"
    }

    async fn identity(&self) -> Result<Identity, ApiError> {
        let cx = self.session.context(&self.region);
        let me = cx.call("sts:GetCallerIdentity", cx.clients.sts.get_caller_identity().send()).await?;
        Ok(Identity {
            account: me.account().unwrap_or_default().to_owned(),
            caller: me.arn().unwrap_or_default().to_owned(),
        })
    }

    async fn read_batch(&self, request: &ReadRequest<'_>) -> Result<Vec<Object>, ApiError> {
        self.handler(request.kind)?.read(&self.session.context(request.region), request).await
    }

    async fn lookup(&self, lookup: &Lookup) -> Result<String, ApiError> {
        let cx = self.session.context(&lookup.region);
        if lookup.what == "image" {
            return lookup::image(&cx, &lookup.query).await;
        }
        lookup::by_tags(self.handler(&lookup.what)?, &cx, lookup).await
    }

    async fn create(&self, request: &CreateRequest, watch: &dyn Watch) -> Result<Object, ApiError> {
        let (handler, cx) = (self.handler(&request.kind)?, self.session.context(&request.region));
        request_ids::told(watch, handler.create(&cx, request, watch)).await
    }

    async fn update(&self, request: &UpdateRequest, watch: &dyn Watch) -> Result<Object, ApiError> {
        let cx = self.session.context(&request.object.region);
        request_ids::told(watch, self.handler(&request.object.kind)?.update(&cx, request, watch)).await
    }

    async fn delete(&self, request: &DeleteRequest, watch: &dyn Watch) -> Result<(), ApiError> {
        let cx = self.session.context(&request.object.region);
        request_ids::told(watch, self.handler(&request.object.kind)?.delete(&cx, request, watch)).await
    }

    async fn recovery_points(&self, object: &Object) -> Result<Vec<RecoveryPoint>, ApiError> {
        self.handler(&object.kind)?.recovery_points(&self.session.context(&object.region), object).await
    }

    async fn save(&self, request: &SaveRequest, watch: &dyn Watch) -> Result<RecoveryPoint, ApiError> {
        let cx = self.session.context(&request.object.region);
        self.handler(&request.object.kind)?.save(&cx, request, watch).await
    }

    async fn own(&self, request: &OwnRequest) -> Result<(), ApiError> {
        let cx = self.session.context(&request.object.region);
        self.handler(&request.object.kind)?.own(&cx, request).await
    }

    async fn preflight(&self, question: &Question<'_>) -> Preflight {
        preflight::answer(&self.session, &self.region, &self.handlers, question).await
    }

    fn lag(&self) -> Lag {
        self.session.lag()
    }

    fn calls(&self) -> BTreeMap<String, u64> {
        self.session.calls()
    }
}
