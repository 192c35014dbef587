//! Calls about documents, which [`super::document`] and [`super::session_preferences`] share.

use std::time::Duration;

use aws_sdk_ssm::operation::get_document::GetDocumentOutput;
use aws_sdk_ssm::types::{DocumentDescription, DocumentPermissionType, DocumentStatus};

use super::payload::Payload;
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::providers::aws::client::{Context, Look};

/// Longest time until a new version can be used; it takes a moment.
const LIMIT: Duration = Duration::from_secs(120);
/// Accounts that one call shares a document with
/// (<https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_ModifyDocumentPermission.html>).
const ACCOUNTS: usize = 20;

/// What a version of a document is.
pub(super) struct Version<'a> {
    pub content: &'a Payload,
    pub format: &'static str,
    pub target_type: Option<&'a str>,
    pub version_name: Option<&'a str>,
    pub display_name: Option<&'a str>,
}

impl Version<'_> {
    /// Whether a version is this one, as far as it shows.
    fn is(&self, there: &GetDocumentOutput) -> bool {
        Payload::of_text(there.content().unwrap_or_default()) == *self.content
            && self.version_name.is_none_or(|n| there.version_name() == Some(n))
            && self.display_name.is_none_or(|n| there.display_name() == Some(n))
    }
}

/// A document with its tags; none if it is gone.
pub(super) async fn describe(cx: &Context, name: &str) -> Result<Option<DocumentDescription>, ApiError> {
    match cx.call("ssm:DescribeDocument", cx.clients.ssm.describe_document().name(name).send()).await {
        Ok(answer) => Ok(answer.document),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// A version of a document, the default one if none is named; none if it is gone. The service gives JSON unless it is
/// asked for another form: that in which it keeps the document is as it was written.
pub(super) async fn version(
    cx: &Context,
    name: &str,
    number: Option<&str>,
    format: &str,
) -> Result<Option<GetDocumentOutput>, ApiError> {
    let request = cx.clients.ssm.get_document().name(name).set_document_version(number.map(str::to_owned));
    match cx.call("ssm:GetDocument", request.document_format(format.into()).send()).await {
        Ok(version) => Ok(Some(version)),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Makes a version the default one: a new one, or one that is there already with the same content.
pub(super) async fn write(cx: &Context, name: &str, version: &Version<'_>, watch: &dyn Watch) -> Result<(), ApiError> {
    let request = cx
        .clients
        .ssm
        .update_document()
        .name(name)
        .document_version("$LATEST")
        .content(version.content.to_text())
        .document_format(version.format.into())
        .set_target_type(version.target_type.map(str::to_owned))
        .set_version_name(version.version_name.map(str::to_owned))
        .set_display_name(version.display_name.map(str::to_owned));
    let number = match cx.call("ssm:UpdateDocument", request.send()).await {
        Ok(answer) => answer.document_description().and_then(|d| d.document_version()).unwrap_or("1").to_owned(),
        // A run that ended early made it, or it is an older one that comes back.
        Err(e) if is_there_already(&e) => match same_version(cx, name, version).await? {
            Some(number) => number,
            None => return Err(e),
        },
        Err(e) => return Err(e),
    };
    usable(cx, name, &number, watch).await?;
    let request = cx.clients.ssm.update_document_default_version().name(name).document_version(number);
    cx.call("ssm:UpdateDocumentDefaultVersion", request.send()).await.map(drop)
}

/// Whether the API says that there is such a version.
fn is_there_already(error: &ApiError) -> bool {
    matches!(error.code.as_deref(), Some("DuplicateDocumentContent" | "DuplicateDocumentVersionName"))
}

/// The number of the newest version that is as wanted.
async fn same_version(cx: &Context, name: &str, wanted: &Version<'_>) -> Result<Option<String>, ApiError> {
    let latest = version(cx, name, Some("$LATEST"), wanted.format).await?;
    if let Some(latest) = latest.filter(|v| wanted.is(v))
        && let Some(number) = latest.document_version()
        && is_in_form(cx, (name, number), wanted).await?
    {
        return Ok(Some(number.to_owned()));
    }
    let request = cx.clients.ssm.list_document_versions().name(name).max_results(50).into_paginator().send();
    let pages = cx.pages("ssm:ListDocumentVersions", request).await?;
    let mut versions: Vec<_> = pages.into_iter().flat_map(|p| p.document_versions.unwrap_or_default()).collect();
    versions.sort_by_key(|v| std::cmp::Reverse(v.document_version().and_then(|n| n.parse::<u64>().ok())));
    for number in versions.iter().filter_map(|v| v.document_version()) {
        let there = version(cx, name, Some(number), wanted.format).await?;
        if there.is_some_and(|v| wanted.is(&v)) && is_in_form(cx, (name, number), wanted).await? {
            return Ok(Some(number.to_owned()));
        }
    }
    Ok(None)
}

/// Whether a version has the form, and can run on the objects, that are wanted: only its description tells.
async fn is_in_form(cx: &Context, (name, number): (&str, &str), wanted: &Version<'_>) -> Result<bool, ApiError> {
    let request = cx.clients.ssm.describe_document().name(name).document_version(number);
    let answer = cx.call("ssm:DescribeDocument", request.send()).await?;
    Ok(answer.document().is_some_and(|document| {
        document.document_format().is_none_or(|f| f.as_str() == wanted.format)
            && wanted.target_type.is_none_or(|t| document.target_type() == Some(t))
    }))
}

/// Waits until a version can be used.
async fn usable(cx: &Context, name: &str, number: &str, watch: &dyn Watch) -> Result<(), ApiError> {
    cx.wait(watch, &format!("version {number} of {name} to be active"), LIMIT, || async {
        let request = cx.clients.ssm.describe_document().name(name).document_version(number);
        let answer = match cx.call("ssm:DescribeDocument", request.send()).await {
            Ok(answer) => answer,
            // Not seen everywhere yet.
            Err(e) if e.code.as_deref() == Some("InvalidDocumentVersion") => return Ok(Look::not(None)),
            Err(e) => return Err(e),
        };
        match answer.document().and_then(DocumentDescription::status) {
            Some(DocumentStatus::Failed) => {
                let why = answer.document().and_then(DocumentDescription::status_information);
                let message = format!("version {number} of {name} failed: {}", why.unwrap_or("no reason given"));
                Err(ApiError::new("ssm:UpdateDocument", ErrorClass::Invalid, message))
            }
            now => Ok(Look::when(now == Some(&DocumentStatus::Active), now.map(DocumentStatus::as_str))),
        }
    })
    .await
}

/// Accounts that may use a document.
pub(super) async fn shared_with(cx: &Context, name: &str) -> Result<Vec<String>, ApiError> {
    let (mut accounts, mut next) = (Vec::new(), None);
    loop {
        let request = cx
            .clients
            .ssm
            .describe_document_permission()
            .name(name)
            .permission_type(DocumentPermissionType::Share)
            .max_results(200)
            .set_next_token(next);
        let page = cx.call("ssm:DescribeDocumentPermission", request.send()).await?;
        accounts.extend(page.account_ids().iter().map(|a| a.to_lowercase()));
        next = page.next_token.filter(|t| !t.is_empty());
        if next.is_none() {
            return Ok(accounts);
        }
    }
}

/// Shares a document with accounts, and takes it back from others.
pub(super) async fn share(cx: &Context, name: &str, add: &[String], remove: &[String]) -> Result<(), ApiError> {
    let some = |accounts: &[String]| Some(accounts.to_vec());
    let adds = add.chunks(ACCOUNTS).map(|accounts| (some(accounts), None));
    let removes = remove.chunks(ACCOUNTS).map(|accounts| (None, some(accounts)));
    for (add, remove) in adds.chain(removes) {
        let request = cx
            .clients
            .ssm
            .modify_document_permission()
            .name(name)
            .permission_type(DocumentPermissionType::Share)
            .set_account_ids_to_add(add)
            .set_account_ids_to_remove(remove);
        cx.call("ssm:ModifyDocumentPermission", request.send()).await?;
    }
    Ok(())
}
