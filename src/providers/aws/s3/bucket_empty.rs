//! What a bucket holds, when it is deleted.

use aws_sdk_s3::types::{Delete as Batch, ObjectIdentifier};

use super::bucket::Spec;
use super::bucket_parts::invalid;
use super::bucket_settings::lock;
use crate::model::cloud::{ApiError, ErrorClass};
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::Delete;

/// Most versions that one call deletes.
const BATCH: i32 = 1000;

/// Deletes all versions and delete markers, a thousand at a time.
pub(super) async fn empty(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
    let operation = "s3:DeleteObject";
    if lock(cx, delete.id).await?.0 {
        let message = format!("'{}' has an object lock: what is in it is not deleted with it", delete.id);
        return Err(ApiError::new(operation, ErrorClass::Conflict, message));
    }
    delete.watch.waiting(&format!("{} to be emptied", delete.id));
    let s3 = &cx.clients.s3;
    loop {
        let request = s3.list_object_versions().bucket(delete.id).max_keys(BATCH);
        let page = cx.call("s3:ListBucketVersions", request.send()).await?;
        let versions = page.versions().iter().map(|v| (v.key(), v.version_id()));
        let all = versions.chain(page.delete_markers().iter().map(|m| (m.key(), m.version_id())));
        let objects: Result<Vec<ObjectIdentifier>, _> = all
            .map(|(key, version)| {
                let version = version.map(str::to_owned);
                ObjectIdentifier::builder().key(key.unwrap_or_default()).set_version_id(version).build()
            })
            .collect();
        let objects = objects.map_err(|e| invalid(operation, &e))?;
        if objects.is_empty() {
            return Ok(());
        }
        if delete.watch.cancelled() {
            return Err(ApiError::new(operation, ErrorClass::Cancelled, "cancelled"));
        }
        let batch = Batch::builder().set_objects(Some(objects)).quiet(true).build();
        let request = s3.delete_objects().bucket(delete.id).delete(batch.map_err(|e| invalid(operation, &e))?);
        let answer = cx.call("s3:DeleteObject", request.send()).await?;
        if let Some(first) = answer.errors().first() {
            let (key, message) = (first.key().unwrap_or_default(), first.message().unwrap_or_default());
            let message = format!("'{key}' in '{}' can't be deleted: {message}", delete.id);
            let code = first.code().map(str::to_owned);
            return Err(ApiError { code, ..ApiError::new(operation, ErrorClass::Other, message) });
        }
    }
}

/// The API's refusal, with what to do.
pub(super) fn not_empty(error: ApiError, delete: &Delete<'_, Spec>) -> ApiError {
    let help = if delete.spec.empty_on_delete {
        "it was emptied, and somebody still writes to it: stop that, and apply again"
    } else {
        "empty it yourself, former versions and delete markers too (a lifecycle rule does it for many objects), or \
         declare `empty_on_delete: true`, apply, and delete it then"
    };
    let message = format!("the bucket '{}' is not empty, so it stays: {help}", delete.id);
    ApiError { message, ..error }
}
