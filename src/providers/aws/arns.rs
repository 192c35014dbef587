//! ARNs of what is referred to, for APIs that take no names.

use super::kind::Create;
use crate::model::cloud::ApiError;
use crate::model::kind::Kind;
use crate::model::types::Ref;

/// The ARN of what a reference stands for; an object that is not owned is referred to by its ARN.
///
/// # Errors
/// As [`Create::id`].
pub(super) fn of<K: Kind, S>(want: &Create<'_, S>, reference: &Ref<K>) -> Result<String, ApiError> {
    match want.attribute(reference, "arn") {
        Some(arn) => Ok(arn),
        None => want.id(reference),
    }
}

/// The ARN of an optional reference.
///
/// # Errors
/// As [`of`].
pub(super) fn optional<K: Kind, S>(
    want: &Create<'_, S>,
    reference: Option<&Ref<K>>,
) -> Result<Option<String>, ApiError> {
    reference.map(|r| of(want, r)).transpose()
}

/// The partition that a region belongs to: the second part of ARNs.
pub(super) fn partition(region: &str) -> &'static str {
    match region {
        _ if region.starts_with("cn-") => "aws-cn",
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}
