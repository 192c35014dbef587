//! Identities and permissions: of the whole account, kept in one place for all regions.

pub mod group;
pub mod policy;
pub mod role;
mod statements;
pub mod user;

use std::future::Future;
use std::time::Duration;

use aws_sdk_iam::types::{AttachedPolicy, PolicyDetail, SummaryKeyType, Tag};
use percent_encoding::percent_decode_str;

use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::types::PolicyDocument;
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::Tags;
use crate::providers::aws::preflight::kind::{Quota, Tally};

/// Longest time until something is seen without what was taken from it; it takes seconds.
const FREE_WITHIN: Duration = Duration::from_secs(60);

/// Deletes what was cleared just now, which may not be seen at once. In the end it is the API that says what is in the way.
async fn delete_cleared<T, F>(
    cx: &Context,
    watch: &dyn Watch,
    name: &str,
    call: impl FnMut() -> F,
) -> Result<(), ApiError>
where
    F: Future<Output = Result<T, ApiError>>,
{
    let conflicts = |e: &ApiError| e.code.as_deref() == Some("DeleteConflict");
    cx.while_refused(watch, &format!("{name} to be used by nothing"), FREE_WITHIN, conflicts, call).await.map(drop)
}

/// A policy as this API gives it: JSON, percent-encoded.
fn document(text: &str) -> Result<PolicyDocument, ApiError> {
    let plain = percent_decode_str(text).decode_utf8_lossy();
    PolicyDocument::from_json(&plain)
        .map_err(|e| ApiError::new("iam:GetAccountAuthorizationDetails", ErrorClass::Other, e))
}

fn to_tags(tags: &Tags) -> Result<Vec<Tag>, ApiError> {
    tags.iter()
        .map(|(k, v)| Tag::builder().key(k).value(v).build())
        .collect::<Result<_, _>>()
        .map_err(|e| ApiError::new("iam:Tag", ErrorClass::Invalid, e.to_string()))
}

fn from_tags(tags: &[Tag]) -> Tags {
    tags.iter().map(|t| (t.key().to_owned(), t.value().to_owned())).collect()
}

/// The name at the end of an ARN; a name is one already.
fn name_of(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// Inline policies by name.
fn inline(details: &[PolicyDetail]) -> Result<std::collections::BTreeMap<String, PolicyDocument>, ApiError> {
    let one = |detail: &PolicyDetail| {
        let name = detail.policy_name().unwrap_or_default().to_owned();
        Ok((name, document(detail.policy_document().unwrap_or_default())?))
    };
    details.iter().map(one).collect()
}

/// ARNs of attached policies.
fn attached(policies: &[AttachedPolicy]) -> Vec<String> {
    policies.iter().filter_map(|p| p.policy_arn()).map(str::to_owned).collect()
}

/// Whether a path is one: `problems` says what is wrong.
fn check_path(path: Option<&String>, problems: &mut crate::model::kind::Problems) {
    if let Some(path) = path.filter(|p| !p.starts_with('/') || !p.ends_with('/')) {
        problems.add("path", format!("`{path}` does not begin and end with `/`"), "write /service/, for one");
    }
}

/// What the account has of something, and may have.
async fn summary(
    cx: &Context,
    quotas: &[(&'static Quota, SummaryKeyType, SummaryKeyType)],
) -> Result<Option<Tally>, ApiError> {
    let answer = cx.call("iam:GetAccountSummary", cx.clients.iam.get_account_summary().send()).await?;
    let number = |key| answer.summary_map().and_then(|all| all.get(key)).copied();
    let mut all = Tally::default();
    for (quota, used, limit) in quotas {
        let told = Tally::told(quota, number(used), number(limit));
        all.uses.extend(told.uses);
        all.limits.extend(told.limits);
    }
    Ok(Some(all))
}
