//! The parts of `certificate`: reading, waiting, the rules of its fields.

use std::time::{Duration, SystemTime};

use aws_sdk_acm::primitives::{Blob, DateTime, DateTimeFormat};
use aws_sdk_acm::types::{
    CertificateDetail, CertificateExport, CertificateStatus, CertificateSummary, CertificateType, DomainValidation,
    Filters, KeyAlgorithm as ApiKey, Tag,
};
use serde_json::json;

use super::certificate::{Imported, KeyAlgorithm, Spec};
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::kind::Problems;
use crate::model::observed::Status;
use crate::model::types::Ref;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{Found, Read, Tags};
use crate::providers::aws::route53::validation::{LONGEST, Proof};
use crate::providers::aws::route53::{check_name, names};

/// Tag that keeps the ids of the zones that hold the records which prove the names.
pub(super) const ZONES: &str = "saiken:zones";
/// Longest time until the records that prove the names are known; seconds, mostly.
const TOLD_WITHIN: Duration = Duration::from_secs(5 * 60);
/// Longest time until a certificate is issued: minutes mostly, and half an hour after the records are seen at most
/// (<https://docs.aws.amazon.com/acm/latest/userguide/dns-validation.html>); those who write them by hand need some,
/// too.
pub(super) const ISSUED_WITHIN: Duration = Duration::from_secs(75 * 60);
/// Longest time until it is known that nobody uses a certificate any more.
const RELEASED_WITHIN: Duration = Duration::from_secs(20 * 60);
/// Age from which the index of tags knows a certificate for sure.
const YOUNG: Duration = Duration::from_secs(24 * 60 * 60);

/// All certificates of the region, whatever their keys: without a filter the API leaves most sorts out.
pub(super) async fn list(cx: &Context) -> Result<Vec<CertificateSummary>, ApiError> {
    let keys = ["RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1"];
    let filters = Filters::builder().set_key_types(Some(keys.map(ApiKey::from).to_vec())).build();
    let request = cx.clients.acm.list_certificates().includes(filters).max_items(1000).into_paginator().send();
    let pages = cx.pages("acm:ListCertificates", request).await?;
    Ok(pages.into_iter().flat_map(|p| p.certificate_summary_list.unwrap_or_default()).collect())
}

/// Whether a certificate is so young that the index of tags may not know it yet.
pub(super) fn is_young(summary: &CertificateSummary) -> bool {
    let made = summary.created_at().or(summary.imported_at());
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().saturating_sub(YOUNG);
    made.is_none_or(|made| made.secs() > i64::try_from(since.as_secs()).unwrap_or(0))
}

/// One certificate; none if it is not there.
pub(super) async fn describe(cx: &Context, arn: &str) -> Result<Option<CertificateDetail>, ApiError> {
    let request = cx.clients.acm.describe_certificate().certificate_arn(arn);
    match cx.call("acm:DescribeCertificate", request.send()).await {
        Ok(answer) => Ok(answer.certificate),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Tags of a certificate; none if it is gone.
pub(super) async fn tags_of(cx: &Context, arn: &str) -> Result<Option<Tags>, ApiError> {
    let request = cx.clients.acm.list_tags_for_certificate().certificate_arn(arn);
    match cx.call("acm:ListTagsForCertificate", request.send()).await {
        Ok(answer) => {
            let tag = |t: &Tag| (t.key().to_owned(), t.value().unwrap_or_default().to_owned());
            Ok(Some(answer.tags().iter().map(tag).collect()))
        }
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

pub(super) fn to_tags(tags: &Tags) -> Result<Vec<Tag>, ApiError> {
    tags.iter()
        .map(|(k, v)| Tag::builder().key(k).value(v).build())
        .collect::<Result<_, _>>()
        .map_err(|e| ApiError::new("acm:AddTagsToCertificate", ErrorClass::Invalid, e.to_string()))
}

/// The zones that a certificate's tag names.
pub(super) fn zones(tags: &Tags) -> impl Iterator<Item = &str> {
    tags.get(ZONES).map(String::as_str).unwrap_or_default().split(' ').filter(|id| !id.is_empty())
}

/// The records that prove the names, each once.
pub(super) fn proofs(detail: &CertificateDetail) -> Vec<Proof> {
    let records = detail.domain_validation_options().iter().filter_map(DomainValidation::resource_record);
    let mut all: Vec<Proof> = records.map(|r| Proof::new(r.name(), r.value())).collect();
    all.sort();
    all.dedup();
    all
}

/// What a list or a description tells of a certificate.
struct Facts<'a> {
    arn: &'a str,
    domain: &'a str,
    names: &'a [String],
    status: Option<&'a CertificateStatus>,
    kind: Option<&'a CertificateType>,
    key: Option<&'a ApiKey>,
    export: Option<&'a CertificateExport>,
    authority: Option<&'a str>,
    reason: Option<&'a str>,
    expiry: Option<&'a DateTime>,
}

/// A certificate of a list with its tags; none if it is not selected, or gone.
pub(super) async fn whole(
    cx: &Context,
    read: &Read<'_>,
    summary: &CertificateSummary,
    known: Option<Tags>,
) -> Result<Option<Found<Spec>>, ApiError> {
    let arn = summary.certificate_arn().unwrap_or_default();
    let tags = match known {
        Some(tags) => tags,
        None => match tags_of(cx, arn).await? {
            Some(tags) => tags,
            None => return Ok(None),
        },
    };
    if !read.selection.matches(arn, &tags) {
        return Ok(None);
    }
    let told = matches!(summary.status(), Some(CertificateStatus::Issued | CertificateStatus::PendingValidation))
        && summary.r#type() != Some(&CertificateType::Private)
        && summary.has_additional_subject_alternative_names() != Some(true);
    if !told && !read.is_brief() {
        return Ok(describe(cx, arn).await?.map(|detail| found(&detail, tags)));
    }
    let facts = Facts {
        arn,
        domain: summary.domain_name().unwrap_or_default(),
        names: summary.subject_alternative_name_summaries(),
        status: summary.status(),
        kind: summary.r#type(),
        key: summary.key_algorithm(),
        export: summary.export_option(),
        authority: None,
        reason: None,
        expiry: summary.not_after(),
    };
    Ok(Some(facts.found(tags)))
}

/// A certificate as it was described.
pub(super) fn found(detail: &CertificateDetail, tags: Tags) -> Found<Spec> {
    let facts = Facts {
        arn: detail.certificate_arn().unwrap_or_default(),
        domain: detail.domain_name().unwrap_or_default(),
        names: detail.subject_alternative_names(),
        status: detail.status(),
        kind: detail.r#type(),
        key: detail.key_algorithm(),
        export: detail.options().and_then(|o| o.export()),
        authority: detail.certificate_authority_arn(),
        reason: detail.failure_reason().map(|r| r.as_str()),
        expiry: detail.not_after(),
    };
    facts.found(tags)
}

impl Facts<'_> {
    fn found(&self, tags: Tags) -> Found<Spec> {
        let imported = self.kind == Some(&CertificateType::Imported);
        let pending = self.status == Some(&CertificateStatus::PendingValidation);
        let (domain, arn) = (names::normal(self.domain), self.arn.to_owned());
        let others: Vec<String> = self.names.iter().map(|n| names::normal(n)).filter(|n| *n != domain).collect();
        // The API writes RSA-2048 in some answers.
        let key = self.key.and_then(|k| KeyAlgorithm::from_api(&k.as_str().replace('-', "_")));
        // Missing until the records are written, and while nothing is proven: the next plan goes on.
        let written = !pending && !imported && tags.contains_key(ZONES);
        let zones = written.then(|| zones(&tags).map(Ref::id).collect());
        Found {
            identifiers: Vec::new(),
            attributes: attributes([
                ("id", json!(arn)),
                ("arn", json!(arn)),
                ("domain", json!(domain)),
                ("status", json!(self.status.map(CertificateStatus::as_str))),
                ("expiry", json!(self.expiry.and_then(|t| t.fmt(DateTimeFormat::DateTime).ok()))),
            ]),
            spec: Spec {
                domain: Some(domain),
                names: Some(others),
                zones,
                key_algorithm: key,
                exportable: self.export.map(|e| *e == CertificateExport::Enabled),
                authority: self.authority.map(str::to_owned),
                imported: None,
                tags: None,
            },
            status: status(self.status, imported, self.reason),
            tags,
            // The private key can't be read; its fingerprint is in a tag.
            unread: vec!["imported"],
            id: arn,
        }
    }
}

fn status(status: Option<&CertificateStatus>, imported: bool, reason: Option<&str>) -> Status {
    match status {
        Some(CertificateStatus::PendingValidation) => Status::Pending("not proven yet".to_owned()),
        // It is imported again, in place.
        Some(CertificateStatus::Expired) if imported => Status::Ready,
        Some(
            bad @ (CertificateStatus::Expired
            | CertificateStatus::Failed
            | CertificateStatus::Inactive
            | CertificateStatus::Revoked
            | CertificateStatus::ValidationTimedOut),
        ) => Status::Failed(match reason {
            Some(reason) => format!("{}: {reason}", bad.as_str()),
            None => bad.as_str().to_owned(),
        }),
        _ => Status::Ready,
    }
}

/// Imports a certificate, as a new one or in place of an old one; its ARN.
pub(super) async fn import(
    cx: &Context,
    arn: Option<&str>,
    imported: &Imported,
    tags: Option<Vec<Tag>>,
) -> Result<String, ApiError> {
    let request = cx
        .clients
        .acm
        .import_certificate()
        .set_certificate_arn(arn.map(str::to_owned))
        .certificate(Blob::new(imported.certificate.as_str()))
        .private_key(Blob::new(imported.private_key.as_str()))
        .set_certificate_chain(imported.chain.as_deref().map(Blob::new))
        .set_tags(tags);
    let answer = cx.call("acm:ImportCertificate", request.send()).await?;
    Ok(answer.certificate_arn().unwrap_or_default().to_owned())
}

/// Waits until the records that prove all names are known.
pub(super) async fn wait_for_proofs(cx: &Context, arn: &str, watch: &dyn Watch) -> Result<CertificateDetail, ApiError> {
    cx.wait(watch, &format!("the records that prove the names of {arn} to be known"), TOLD_WITHIN, || async {
        let Some(detail) = describe(cx, arn).await? else { return Ok(Look::not(None)) };
        if let Some(error) = failure(arn, &detail) {
            return Err(error);
        }
        let options = detail.domain_validation_options();
        let known = !options.is_empty() && options.iter().all(|o| o.resource_record().is_some());
        Ok(if known { Look::Done(detail) } else { Look::not(Some("not known yet")) })
    })
    .await
}

/// Waits until a certificate is issued. `by_hand` are the records that somebody has to write.
pub(super) async fn issued(cx: &Context, arn: &str, by_hand: Option<&str>, watch: &dyn Watch) -> Result<(), ApiError> {
    let how =
        by_hand.map(|records| format!(" (write the records that prove its names: {records})")).unwrap_or_default();
    cx.wait(watch, &format!("{arn} to be issued{how}"), ISSUED_WITHIN, || async {
        let Some(detail) = describe(cx, arn).await? else { return Ok(Look::not(None)) };
        match failure(arn, &detail) {
            Some(error) => Err(error),
            None => {
                let now = detail.status();
                let proven = |o: &&DomainValidation| o.validation_status().is_some_and(|s| s.as_str() == "SUCCESS");
                let options = detail.domain_validation_options();
                let missing: Vec<&str> = options.iter().filter(|o| !proven(o)).map(|o| o.domain_name()).collect();
                let state = match now {
                    Some(now) if !missing.is_empty() => format!("{}, not proven: {}", now.as_str(), missing.join(", ")),
                    Some(now) => now.as_str().to_owned(),
                    None => "without a state".to_owned(),
                };
                Ok(Look::when(now == Some(&CertificateStatus::Issued), Some(&state)))
            }
        }
    })
    .await
}

/// Why a certificate will never be issued.
fn failure(arn: &str, detail: &CertificateDetail) -> Option<ApiError> {
    let why = match status(detail.status(), false, detail.failure_reason().map(|r| r.as_str())) {
        Status::Failed(why) => why,
        Status::Ready | Status::Pending(_) | Status::Deleting => return None,
    };
    let help = if why.contains("CAA") { "; a CAA record of the domain must allow amazon.com" } else { "" };
    let message = format!("'{arn}' was not issued: {why}{help}");
    Some(ApiError::new("acm:RequestCertificate", ErrorClass::Other, message))
}

/// Waits until nobody uses a certificate, which is known some minutes after the last one has let go; none if it is
/// not there.
pub(super) async fn not_used(
    cx: &Context,
    arn: &str,
    watch: &dyn Watch,
) -> Result<Option<CertificateDetail>, ApiError> {
    cx.wait(watch, &format!("nobody to use {arn}"), RELEASED_WITHIN, || async {
        let Some(detail) = describe(cx, arn).await? else { return Ok(Look::Done(None)) };
        let users = detail.in_use_by().join(", ");
        Ok(if users.is_empty() { Look::Done(Some(detail)) } else { Look::Not(format!("used by {users}")) })
    })
    .await
}

/// Rules over several fields.
pub(super) fn validate(spec: &Spec, most_zones: usize, problems: &mut Problems) {
    match (&spec.domain, &spec.imported) {
        (None, None) => problems.add("domain", "the certificate has no name", "give `domain`, or `imported`"),
        (Some(_), Some(_)) => {
            problems.add("domain", "an imported certificate brings its names with it", "leave `domain` out");
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
    if let Some(imported) = &spec.imported {
        check_imported(spec, imported, problems);
    }
    let longest = if spec.zones.is_some() { LONGEST } else { 253 };
    if let Some(domain) = &spec.domain {
        check_name("domain", domain, 64, problems);
    }
    for (i, name) in spec.names.iter().flatten().enumerate() {
        check_name(&format!("names.{i}"), name, longest, problems);
        if Some(name) == spec.domain.as_ref() {
            problems.add(format!("names.{i}"), "`domain` is among the names already", "leave it out here");
        }
    }
    if spec.authority.is_some() && spec.zones.is_some() {
        problems.add("zones", "an authority of one's own asks for no proof", "leave `zones` out");
    }
    if spec.authority.is_some() && spec.exportable.is_some() {
        problems.add("exportable", "what an authority of one's own issues can always be exported", "leave it out");
    }
    if spec.zones.as_ref().is_some_and(|z| z.len() > most_zones) {
        problems.add("zones", format!("at most {most_zones} zones"), "make a certificate for each group of names");
    }
}

fn check_imported(spec: &Spec, imported: &Imported, problems: &mut Problems) {
    let given = [
        ("names", spec.names.is_some()),
        ("zones", spec.zones.is_some()),
        ("key_algorithm", spec.key_algorithm.is_some()),
        ("exportable", spec.exportable.is_some()),
        ("authority", spec.authority.is_some()),
    ];
    for (field, _) in given.into_iter().filter(|(_, given)| *given) {
        problems.add(field, "an imported certificate is as it was issued", "leave it out");
    }
    if imported.private_key.contains("ENCRYPTED") {
        problems.add("imported.private_key", "the key has a passphrase", "take the passphrase off");
    }
}
