//! Shared storage in an S3 bucket, by conditional writes
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>).
//!
//! A version is an ETag. Reads and lists are strongly consistent
//! (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel>). Encryption is that of the
//! bucket. Needs `s3:GetObject`, `s3:PutObject`, `s3:DeleteObject` on the prefix and `s3:ListBucket` on the bucket; without
//! the last one, S3 says 403 for an object that is not there.

use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::byte_stream::ByteStream;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;

use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::storage::{Condition, Storage, StorageError, Stored, Version};
use crate::providers::aws::client::{Session, Settings};
use crate::providers::aws::error;

/// A lease must hear soon that there is no answer, so that it can still try again.
const ATTEMPT: Duration = Duration::from_secs(5);
const ATTEMPTS: u32 = 3;

/// A bucket.
#[derive(Clone)]
pub struct S3Storage {
    client: aws_sdk_s3::Client,
    bucket: String,
}

impl std::fmt::Debug for S3Storage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "S3Storage({})", self.bucket)
    }
}

impl S3Storage {
    /// The bucket, with the credentials and the role of the provider; `settings.region` is the bucket's. No call is made yet.
    pub async fn connect(settings: &Settings, bucket: &str) -> Self {
        let session = Session::connect(settings).await;
        let shared = session.config();
        // Another endpoint than Amazon's seldom has a name for each bucket.
        let other = shared.endpoint_url().is_some() || std::env::var_os("AWS_ENDPOINT_URL_S3").is_some();
        let timeouts = TimeoutConfig::builder().connect_timeout(ATTEMPT).operation_attempt_timeout(ATTEMPT).build();
        let config = aws_sdk_s3::config::Builder::from(shared)
            .force_path_style(other)
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .timeout_config(timeouts)
            .build();
        Self { client: aws_sdk_s3::Client::from_conf(config), bucket: bucket.to_owned() }
    }

    async fn call<T, E>(
        &self,
        operation: &str,
        call: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> Result<T, (Option<u16>, ApiError)>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        tracing::debug!(operation, bucket = self.bucket, "call");
        call.await.map_err(|e| {
            let status = e.raw_response().map(|r| r.status().as_u16());
            (status, error::from_sdk(operation, &e))
        })
    }
}

/// What the error of a read, a list or a delete means.
fn failed((status, error): (Option<u16>, ApiError)) -> StorageError {
    let error = Box::new(error);
    match (status, error.class) {
        // A 5xx says nothing of the effect.
        (Some(500..), _) | (_, ErrorClass::Unanswered) => StorageError::Unanswered(error),
        _ => StorageError::Refused(error),
    }
}

/// What the error of a conditional write means. 412: the condition does not hold. 409: another conditional write was under
/// way. 404: the object that must be of a version is not there; but a bucket that is not there is a mistake.
fn not_written((status, error): (Option<u16>, ApiError)) -> StorageError {
    match (status, error.code.as_deref()) {
        (_, Some("NoSuchBucket")) => failed((status, error)),
        (Some(404 | 409 | 412), _) => {
            StorageError::Conflict(Box::new(ApiError { class: ErrorClass::Conflict, ..error }))
        }
        _ => failed((status, error)),
    }
}

#[async_trait]
impl Storage for S3Storage {
    fn place(&self) -> String {
        format!("s3://{}", self.bucket)
    }

    async fn get(&self, key: &str) -> Result<Option<Stored>, StorageError> {
        let operation = "s3:GetObject";
        let call = self.client.get_object().bucket(&self.bucket).key(key).send();
        let output = match self.call(operation, call).await {
            Ok(output) => output,
            Err((Some(404), error)) if error.code.as_deref() != Some("NoSuchBucket") => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let version = version(operation, output.e_tag())?;
        let lost = |e: &dyn std::error::Error| {
            StorageError::Unanswered(Box::new(ApiError::new(operation, ErrorClass::Unanswered, e.to_string())))
        };
        let bytes = output.body.collect().await.map_err(|e| lost(&e))?.to_vec();
        Ok(Some(Stored { bytes, version }))
    }

    async fn put(&self, key: &str, bytes: Vec<u8>, condition: &Condition) -> Result<Version, StorageError> {
        let operation = "s3:PutObject";
        let request = self.client.put_object().bucket(&self.bucket).key(key).body(ByteStream::from(bytes));
        let request = match condition {
            Condition::Absent => request.if_none_match("*"),
            Condition::Is(version) => request.if_match(&version.0),
        };
        let output = self.call(operation, request.send()).await.map_err(not_written)?;
        version(operation, output.e_tag())
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StorageError> {
        let mut pages = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).into_paginator().send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = self.call("s3:ListObjectsV2", async { page }).await.map_err(failed)?;
            keys.extend(page.contents().iter().filter_map(|o| o.key()).map(str::to_owned));
        }
        Ok(keys)
    }

    async fn delete(&self, key: &str) -> Result<(), StorageError> {
        let call = self.client.delete_object().bucket(&self.bucket).key(key).send();
        self.call("s3:DeleteObject", call).await.map(|_| ()).map_err(failed)
    }
}

/// S3 gives every object an ETag; an answer without one is not S3's.
fn version(operation: &str, tag: Option<&str>) -> Result<Version, StorageError> {
    tag.map(|tag| Version(tag.to_owned())).ok_or_else(|| {
        let message = "the answer has no ETag; is the endpoint S3?";
        StorageError::Refused(Box::new(ApiError::new(operation, ErrorClass::Other, message)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meant(status: Option<u16>, class: ErrorClass, code: Option<&str>) -> StorageError {
        let error = ApiError { code: code.map(str::to_owned), ..ApiError::new("s3:PutObject", class, "x") };
        not_written((status, error))
    }

    #[test]
    fn a_condition_that_does_not_hold_is_told_from_no_answer_and_from_a_refusal() {
        let conflict =
            |status, code| matches!(meant(Some(status), ErrorClass::Invalid, code), StorageError::Conflict(_));
        assert!(conflict(412, Some("PreconditionFailed")));
        assert!(conflict(409, Some("ConditionalRequestConflict")));
        assert!(conflict(404, Some("NoSuchKey")), "If-Match on an object that is gone");
        assert!(matches!(meant(None, ErrorClass::Unanswered, None), StorageError::Unanswered(_)));
        assert!(matches!(meant(Some(503), ErrorClass::Throttled, Some("SlowDown")), StorageError::Unanswered(_)));
        assert!(matches!(meant(Some(403), ErrorClass::AccessDenied, Some("AccessDenied")), StorageError::Refused(_)));
        assert!(matches!(meant(Some(404), ErrorClass::Invalid, Some("NoSuchBucket")), StorageError::Refused(_)));
    }
}
