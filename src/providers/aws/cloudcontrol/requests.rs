//! Requests to the Cloud Control API: each is carried out in the background, and asked for until it has ended.

use std::future::Future;
use std::time::Duration;

use aws_sdk_cloudcontrol::types::{
    HandlerErrorCode as Code, Operation, OperationStatus, ProgressEvent, ResourceRequestStatusFilter,
};

use crate::model::cloud::{ApiError, ErrorClass, Unwatched, Watch};
use crate::providers::aws::client::{Context, Look};

/// Longest time that a request takes: databases and clusters take long.
const LIMIT: Duration = Duration::from_secs(2 * 60 * 60);
/// Longest time until a creation that is under way says what it makes.
const IDENTIFIED_WITHIN: Duration = Duration::from_secs(120);
/// Seconds for which the index of tags may not show a new object: it follows within minutes.
const LAG: i64 = 3_600;

/// Begins a request, once no other is under way on the same object, and waits until it has ended.
///
/// # Errors
/// The API's, or what the type's handler says.
pub(super) async fn carry_out<F>(
    cx: &Context,
    watch: &dyn Watch,
    operation: &str,
    what: &str,
    begin: impl Fn() -> F,
) -> Result<ProgressEvent, ApiError>
where
    F: Future<Output = Result<Option<ProgressEvent>, ApiError>>,
{
    let event = cx
        .wait(watch, &format!("another request on {what} to end"), LIMIT, || async {
            match begin().await {
                Err(e) if e.code.as_deref() == Some("ConcurrentOperationException") => Ok(Look::Not(e.message)),
                other => other.map(Look::Done),
            }
        })
        .await?;
    let missing = || ApiError::new(operation, ErrorClass::Other, "the API does not tell how far it is");
    let event = event.ok_or_else(missing)?;
    if let Some(ended) = ended(operation, &event) {
        return ended.map(|()| event);
    }
    let token = event.request_token.unwrap_or_default();
    let what = format!("{operation} of {what} to end");
    cx.wait(watch, &what, LIMIT, || async {
        let now = status(cx, &token).await?;
        match ended(operation, &now) {
            Some(result) => result.map(|()| Look::Done(now)),
            None => Ok(Look::not(now.operation_status().map(OperationStatus::as_str))),
        }
    })
    .await
}

async fn status(cx: &Context, token: &str) -> Result<ProgressEvent, ApiError> {
    let operation = "cloudformation:GetResourceRequestStatus";
    let request = cx.clients.cloudcontrol.get_resource_request_status().request_token(token);
    let answer = cx.call(operation, request.send()).await?;
    answer.progress_event.ok_or_else(|| ApiError::new(operation, ErrorClass::Other, "no status was given"))
}

/// How a request ended; none while it is under way.
fn ended(operation: &str, event: &ProgressEvent) -> Option<Result<(), ApiError>> {
    match event.operation_status() {
        Some(OperationStatus::Success) => Some(Ok(())),
        Some(OperationStatus::Failed | OperationStatus::CancelComplete) => Some(Err(failure(operation, event))),
        _ => None,
    }
}

/// What a type's handler says of a request that failed.
fn failure(operation: &str, event: &ProgressEvent) -> ApiError {
    let class = match event.error_code() {
        Some(Code::NotFound) => ErrorClass::NotFound,
        Some(Code::AlreadyExists | Code::ResourceConflict) => ErrorClass::Conflict,
        Some(Code::AccessDenied | Code::InvalidCredentials | Code::UnauthorizedTaggingOperation) => {
            ErrorClass::AccessDenied
        }
        Some(Code::ServiceLimitExceeded) => ErrorClass::QuotaExceeded,
        Some(Code::Throttling) => ErrorClass::Throttled,
        Some(Code::InvalidRequest | Code::NotUpdatable) => ErrorClass::Invalid,
        Some(Code::NotStabilized | Code::ServiceTimeout) => ErrorClass::TimedOut,
        _ => ErrorClass::Other,
    };
    let why = event.status_message().unwrap_or("no reason given");
    let help = match event.error_code() {
        Some(Code::NotUpdatable) => {
            ". A property that was changed can't change in place, and the type's schema does not say so: declare it as it \
             is, or give the resource another address, which makes it anew"
        }
        _ => "",
    };
    let mut error = ApiError::new(operation, class, format!("{why}{help}"));
    error.code = event.error_code().map(|code| code.as_str().to_owned());
    error
}

/// What was made lately, by anybody: type, identifier, and whether it is still being made. What the index of tags does
/// not show yet is among these.
///
/// # Errors
/// The API's; `TimedOut` if a creation is under way and does not say what it makes: it may be ours.
pub(super) async fn lately_made(cx: &Context) -> Result<Vec<(String, String, bool)>, ApiError> {
    let filter = ResourceRequestStatusFilter::builder()
        .operations(Operation::Create)
        .operation_statuses(OperationStatus::Pending)
        .operation_statuses(OperationStatus::InProgress)
        .operation_statuses(OperationStatus::Success)
        .operation_statuses(OperationStatus::Failed)
        .build();
    let request =
        cx.clients.cloudcontrol.list_resource_requests().resource_request_status_filter(filter).max_results(100);
    let pages = cx.pages("cloudformation:ListResourceRequests", request.into_paginator().send()).await?;
    let now = jiff::Timestamp::now().as_second();
    let mut all = Vec::new();
    for event in pages.into_iter().flat_map(|p| p.resource_request_status_summaries.unwrap_or_default()) {
        let done = ended("", &event).is_some();
        let lately = event.event_time().is_none_or(|at| now - at.secs() < LAG);
        if done && !lately {
            continue;
        }
        let kind = event.type_name.clone().unwrap_or_default();
        let event = if event.identifier.is_none() && !done { identified(cx, event).await? } else { event };
        if let Some(identifier) = event.identifier {
            all.push((kind, identifier, !done));
        }
    }
    Ok(all)
}

/// A creation that is under way, once it says what it makes, or has ended.
async fn identified(cx: &Context, event: ProgressEvent) -> Result<ProgressEvent, ApiError> {
    let token = event.request_token.unwrap_or_default();
    let what = format!("the creation of an {} to say what it makes", event.type_name.unwrap_or_default());
    cx.wait(&Unwatched, &what, IDENTIFIED_WITHIN, || async {
        let now = status(cx, &token).await?;
        if now.identifier.is_some() || ended("", &now).is_some() {
            return Ok(Look::Done(now));
        }
        Ok(Look::not(now.operation_status().map(OperationStatus::as_str)))
    })
    .await
}
