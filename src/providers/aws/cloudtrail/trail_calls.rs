//! The calls of a trail: finding trails with their tags, and what must be allowed first.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use aws_sdk_cloudtrail::error::BuildError;
use aws_sdk_cloudtrail::types::{Tag, Trail};

use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::Tags;

/// Most trails whose tags one call tells.
const TAGS: usize = 20;
/// Longest time until a policy that was written is seen by CloudTrail.
const ALLOWED_WITHIN: Duration = Duration::from_secs(60);

pub(super) fn invalid(error: &BuildError) -> ApiError {
    ApiError::new("cloudtrail:AddTags", ErrorClass::Invalid, error.to_string())
}

pub(super) fn to_tags(tags: &Tags) -> Result<Vec<Tag>, ApiError> {
    tags.iter().map(|(k, v)| Tag::builder().key(k).value(v).build()).collect::<Result<_, _>>().map_err(|e| invalid(&e))
}

/// Makes a call for which CloudTrail must be allowed to write somewhere: what allows it may not be seen yet.
pub(super) async fn allowed<T, F>(
    cx: &Context,
    watch: &dyn Watch,
    name: &str,
    call: impl FnMut() -> F,
) -> Result<(), ApiError>
where
    F: Future<Output = Result<T, ApiError>>,
{
    let what = format!("what trail {name} writes to, to allow it");
    cx.while_refused(watch, &what, ALLOWED_WITHIN, is_too_early, call).await.map(drop)
}

/// Whether CloudTrail may not write somewhere, as far as it sees.
fn is_too_early(error: &ApiError) -> bool {
    const CODES: [&str; 6] = [
        "InsufficientS3BucketPolicyException",
        "InsufficientSnsTopicPolicyException",
        "InsufficientEncryptionPolicyException",
        "InvalidCloudWatchLogsLogGroupArnException",
        "InvalidCloudWatchLogsRoleArnException",
        "S3BucketDoesNotExistException",
    ];
    error.code.as_deref().is_some_and(|code| CODES.contains(&code))
}

/// Trails whose home is this region: those of these names or ARNs, or all.
pub(super) async fn describe(cx: &Context, names: Option<&[String]>) -> Result<Vec<Trail>, ApiError> {
    let request = cx.clients.cloudtrail.describe_trails().include_shadow_trails(false);
    let answer = cx.call("cloudtrail:DescribeTrails", request.send()).await?;
    let here = |t: &Trail| t.home_region().is_none_or(|region| region == cx.region);
    let named = |t: &Trail| {
        names
            .is_none_or(|names| names.iter().any(|n| Some(n.as_str()) == t.name() || Some(n.as_str()) == t.trail_arn()))
    };
    Ok(answer.trail_list.unwrap_or_default().into_iter().filter(|t| here(t) && named(t)).collect())
}

/// Trails with their tags; those that went meanwhile are left out, and those of an organisation that belong to another account.
pub(super) async fn with_tags(cx: &Context, trails: Vec<Trail>) -> Result<Vec<(Trail, Tags)>, ApiError> {
    // Each account of an organisation sees its trails, and only that which made one may ask for its tags.
    let (shared, own): (Vec<&Trail>, Vec<&Trail>) =
        trails.iter().partition(|t| t.is_organization_trail() == Some(true));
    let arns = |trails: Vec<&Trail>| trails.into_iter().filter_map(|t| t.trail_arn.clone()).collect::<Vec<_>>();
    let mut all = BTreeMap::new();
    for arns in arns(own).chunks(TAGS) {
        match tags(cx, arns).await {
            Err(e) if e.class == ErrorClass::NotFound => {
                for arn in arns {
                    all.extend(tags_of_one(cx, arn, |e| e.class == ErrorClass::NotFound).await?);
                }
            }
            other => all.extend(other?),
        }
    }
    for arn in arns(shared) {
        all.extend(tags_of_one(cx, &arn, |e| e.class == ErrorClass::NotFound || is_foreign(e)).await?);
    }
    let tags = |t: &Trail| all.get(t.trail_arn().unwrap_or_default()).cloned();
    Ok(trails.into_iter().filter_map(|t| tags(&t).map(|tags| (t, tags))).collect())
}

/// Whether a trail of the organisation is another account's. For a trail of this account a refusal stays an error: who may
/// not ask for its tags would take it for none of ours.
fn is_foreign(error: &ApiError) -> bool {
    error.class == ErrorClass::AccessDenied || error.code.as_deref() == Some("CloudTrailARNInvalidException")
}

/// Tags of a trail; nothing if it is to be left out.
async fn tags_of_one(
    cx: &Context,
    arn: &String,
    left_out: impl Fn(&ApiError) -> bool,
) -> Result<BTreeMap<String, Tags>, ApiError> {
    match tags(cx, std::slice::from_ref(arn)).await {
        Err(e) if left_out(&e) => Ok(BTreeMap::new()),
        other => other,
    }
}

/// Tags of up to 20 trails, by ARN.
async fn tags(cx: &Context, arns: &[String]) -> Result<BTreeMap<String, Tags>, ApiError> {
    let request = cx.clients.cloudtrail.list_tags().set_resource_id_list(Some(arns.to_vec()));
    let pages = cx.pages("cloudtrail:ListTags", request.into_paginator().send()).await?;
    let mut all: BTreeMap<String, Tags> = BTreeMap::new();
    for resource in pages.iter().flat_map(|p| p.resource_tag_list()) {
        let tags = resource.tags_list().iter();
        let tags = tags.map(|t| (t.key().to_owned(), t.value().unwrap_or_default().to_owned()));
        all.entry(resource.resource_id().unwrap_or_default().to_owned()).or_default().extend(tags);
    }
    Ok(all)
}
