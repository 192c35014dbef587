//! S3: buckets, and shared storage in one.

pub mod bucket;
mod bucket_empty;
pub mod bucket_lifecycle;
pub mod bucket_notifications;
pub mod bucket_parts;
pub mod bucket_replication;
mod bucket_settings;
pub mod storage;

use super::arns::partition;

/// ARN of a bucket, for the APIs of this region; what is an ARN already stays as it is.
pub(in crate::providers::aws) fn bucket_arn(region: &str, name: &str) -> String {
    if name.starts_with("arn:") { name.to_owned() } else { format!("arn:{}:s3:::{name}", partition(region)) }
}

/// Name of the bucket that an ARN or a name stands for.
pub(in crate::providers::aws) fn bucket_name(text: &str) -> &str {
    text.rsplit(":::").next().unwrap_or(text)
}
