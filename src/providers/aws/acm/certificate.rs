//! `certificate`: a certificate for TLS, issued for names that are proven by records, by an authority of one's own,
//! or imported.
//!
//! A new certificate carries its tags from the creating call on, and a client token; an imported one, for which the
//! API has no token, is looked for by its tags. Then the records that prove its names are written into `zones`, and
//! it is waited for until it is issued. A run that ends before leaves a certificate that is pending: it is read
//! without `zones`, so that the next plan goes on. The records stay for the renewals, and go with the last
//! certificate that needs them (module `route53::validation`). Which zones hold them is kept in a
//! tag, by id. What has failed, was not proven in time, or is expired or revoked, is replaced. All but `zones` and
//! what is imported makes a new certificate necessary; it comes first, and what uses the old one goes over to it.
//!
//! Reading costs one call for 1,000 certificates of a region; the index of tags tells whose they are, and those of
//! the last day, which it may not know yet, are asked for their tags one by one. Those that an authority of one's own
//! issued, or that failed, cost one call each.
//!
//! Left out: proof by mail, since a person has to answer it, again for each renewal; and the opt-out of transparency
//! logs, which the API has no more. A certificate for CloudFront stands in us-east-1.
//! API: <https://docs.aws.amazon.com/acm/latest/APIReference/API_RequestCertificate.html>

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_acm::types::{
    CertificateExport, CertificateOptions, CertificateType, KeyAlgorithm as ApiKey, ValidationMethod,
};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::certificate_parts::{
    self as parts, ISSUED_WITHIN, ZONES, describe, import, issued, list, not_used, proofs, tags_of, to_tags,
    wait_for_proofs,
};
use crate::model::cloud::ApiError;
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::Object;
use crate::model::preflight::View;
use crate::model::types::Ref;
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Checked, Needs, Quota, Tally, Use};
use crate::providers::aws::route53::names;
use crate::providers::aws::route53::validation::{self, Proof};
use crate::providers::aws::route53::zone::Zone;
use crate::providers::aws::tagging;
use crate::providers::aws::words::words;

/// Calls for single certificates under way at once.
const AT_ONCE: usize = 4;
/// Most zones whose ids fit into a tag.
const MOST_ZONES: usize = 10;

/// The kind `certificate`.
pub struct Certificate;

/// A certificate for TLS.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its first name, `www.example.com` or `*.example.com`; 64 characters at most. Longer ones are `names`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "names::read_optional")]
    #[schemars(extend("x-change" = "replace"))]
    pub domain: Option<String>,
    /// Further names, up to 99 (the account's quota is 10 at first).
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "names::read_several")]
    #[schemars(length(max = 99), extend("x-unordered" = true, "x-change" = "replace"))]
    pub names: Option<Vec<String>>,
    /// Zones that hold the names, up to 10: the records that prove them are written there. Without, somebody has to
    /// write them by hand while the creation waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10), extend("x-unordered" = true))]
    pub zones: Option<Vec<Ref<Zone>>>,
    /// Sort of key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub key_algorithm: Option<KeyAlgorithm>,
    /// Whether the certificate and its private key can be taken out of AWS, which costs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub exportable: Option<bool>,
    /// ARN of an authority of one's own that issues it, for names that only its users trust.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-change" = "replace"))]
    pub authority: Option<String>,
    /// A certificate that was issued elsewhere; imported again when it is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-sensitive" = true, "x-fingerprint" = true))]
    pub imported: Option<Imported>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

words! {
    /// Sort of key.
    KeyAlgorithm {
        /// RSA of 2,048 bits.
        Rsa2048 = "RSA_2048",
        /// Elliptic curve P-256.
        EcPrime256v1 = "EC_prime256v1",
        /// Elliptic curve P-384.
        EcSecp384r1 = "EC_secp384r1",
    }
}

/// A certificate that was issued elsewhere, in PEM form.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// The certificate.
    pub certificate: String,
    /// Its private key, without passphrase.
    #[schemars(extend("x-sensitive" = true))]
    pub private_key: String,
    /// The certificates of those who issued it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
}

impl Kind for Certificate {
    const NAME: &'static str = "certificate";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "certificate",
            service: "acm",
            reference: "https://docs.aws.amazon.com/acm/latest/APIReference/API_RequestCertificate.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Its ARN"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::stable("domain", "Its first name"),
                    Attribute::changing("status", "State: `ISSUED`"),
                    Attribute::changing("expiry", "When it ends, `2026-11-29T00:00:00Z`"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "acm:DescribeCertificate",
                    "acm:ListCertificates",
                    "acm:ListTagsForCertificate",
                    "tag:GetResources",
                ],
                create: &[
                    "acm:RequestCertificate",
                    "acm:ImportCertificate",
                    "acm:AddTagsToCertificate",
                    "route53:ChangeResourceRecordSets",
                    "route53:GetHostedZone",
                    "route53:ListResourceRecordSets",
                ],
                update: &[
                    "acm:ImportCertificate",
                    "acm:AddTagsToCertificate",
                    "acm:RemoveTagsFromCertificate",
                    "route53:ChangeResourceRecordSets",
                    "route53:GetHostedZone",
                    "route53:ListResourceRecordSets",
                ],
                delete: &[
                    "acm:DeleteCertificate",
                    "route53:ChangeResourceRecordSets",
                    "route53:GetHostedZone",
                    "route53:ListResourceRecordSets",
                ],
            },
            name_limit: 0,
            creation_seconds: 180,
            deletion_seconds: 5,
            quota: 2500,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        parts::validate(spec, MOST_ZONES, problems);
    }
}

/// <https://docs.aws.amazon.com/acm/latest/userguide/acm-limits.html>
static CERTIFICATES: Quota = Quota::new("acm", "L-F141DD1D", "ACM certificates");

#[async_trait]
impl Checked for Certificate {
    fn needs() -> Needs {
        Needs {
            resource: "certificate/*",
            only_for: &[
                ("acm:RequestCertificate", &["domain"]),
                ("acm:ImportCertificate", &["imported"]),
                ("route53:ChangeResourceRecordSets", &["zones"]),
                ("route53:GetHostedZone", &["zones"]),
                ("route53:ListResourceRecordSets", &["zones"]),
            ],
        }
    }

    fn uses(view: &View<'_>) -> Vec<Use> {
        // Imported ones have a quota of their own.
        if view.asks("imported") { Vec::new() } else { vec![Use::one(&CERTIFICATES)] }
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        let all = list(cx).await?;
        let issued = all.iter().filter(|c| c.r#type() != Some(&CertificateType::Imported));
        Ok(Some(Tally::of(issued.map(|_| Use::one(&CERTIFICATES)).collect::<Vec<_>>())))
    }
}

#[async_trait]
impl AwsKind for Certificate {
    const USABLE_WITHIN: Duration = ISSUED_WITHIN;

    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        if let Selection::Ids(ids) = &read.selection {
            let mut out = Vec::new();
            for arn in *ids {
                if let Some(detail) = describe(cx, arn).await?
                    && let Some(tags) = tags_of(cx, arn).await?
                {
                    out.push(parts::found(&detail, tags));
                }
            }
            return Ok(out);
        }
        let (all, mut index) = futures::try_join!(list(cx), tagging::of_service(cx, "acm", &read.selection))?;
        let candidates = all.into_iter().filter_map(|summary| {
            let known = index.remove(summary.certificate_arn()?);
            (known.is_some() || parts::is_young(&summary)).then_some((summary, known))
        });
        let found: Vec<Option<Found<Spec>>> = stream::iter(candidates.collect::<Vec<_>>())
            .map(|(summary, known)| async move { parts::whole(cx, read, &summary, known).await })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        if let Some(imported) = &spec.imported {
            let once = cx.once();
            let call = import(&once, None, imported, Some(to_tags(want.tags)?));
            return create_once::<Self>(cx, want, None, call).await;
        }
        let zones = zone_ids(want)?;
        let export =
            spec.exportable.map(|on| if on { CertificateExport::Enabled } else { CertificateExport::Disabled });
        let options = export.map(|export| CertificateOptions::builder().export(export).build());
        let request = cx
            .clients
            .acm
            .request_certificate()
            .set_domain_name(spec.domain.clone())
            .set_subject_alternative_names(spec.names.clone().filter(|n| !n.is_empty()))
            .set_validation_method(spec.authority.is_none().then_some(ValidationMethod::Dns))
            .idempotency_token(want.token)
            .set_key_algorithm(spec.key_algorithm.map(|k| ApiKey::from(k.api())))
            .set_options(options)
            .set_certificate_authority_arn(spec.authority.clone())
            .set_tags(Some(to_tags(want.tags)?));
        let answer = cx.call("acm:RequestCertificate", request.send()).await?;
        let arn = answer.certificate_arn().unwrap_or_default().to_owned();
        let proven = prove(cx, &arn, want, &zones).await?;
        // Only now: without the tag, the next plan writes the records.
        if !zones.is_empty() {
            add_tags(cx, &arn, &zones_tag(&zones)).await?;
        }
        proven.issued(cx, &arn, want).await?;
        Ok(arn)
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let (arn, want) = (update.id, &update.want);
        if let Some(imported) = want.spec.imported.as_ref().filter(|_| update.changed("imported")) {
            import(cx, Some(arn), imported, None).await?;
        }
        if update.changed("zones") {
            let zones = zone_ids(want)?;
            let mut former = former_zones(cx, arn).await?;
            former.retain(|zone| !zones.contains(zone));
            let proven = prove(cx, arn, want, &zones).await?;
            // Only then are the former records given up, and the tag is written last: until then the next plan sees it.
            if !former.is_empty() {
                validation::forget(cx, &former, &proven.proofs, arn).await?;
            }
            add_tags(cx, arn, &zones_tag(&zones)).await?;
            proven.issued(cx, arn, want).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let arn = delete.id;
        let Some(detail) = not_used(cx, arn, delete.watch).await? else { return Ok(()) };
        // Before the certificate: afterwards nobody would know them.
        let zones = former_zones(cx, arn).await?;
        validation::forget(cx, &zones, &proofs(&detail), arn).await?;
        cx.call("acm:DeleteCertificate", cx.clients.acm.delete_certificate().certificate_arn(arn).send())
            .await
            .map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        if !set.is_empty() {
            add_tags(cx, &object.id, set).await?;
        }
        if !remove.is_empty() {
            let gone: Tags = remove.iter().map(|key| (key.clone(), String::new())).collect();
            // Without a value, the tag goes whatever it is.
            let gone = to_tags(&gone)?.into_iter().map(|mut tag| {
                tag.value = None;
                tag
            });
            let request = cx.clients.acm.remove_tags_from_certificate().certificate_arn(&object.id);
            let request = request.set_tags(Some(gone.collect()));
            cx.call("acm:RemoveTagsFromCertificate", request.send()).await?;
        }
        Ok(())
    }
}

async fn add_tags(cx: &Context, arn: &str, tags: &Tags) -> Result<(), ApiError> {
    let request = cx.clients.acm.add_tags_to_certificate().certificate_arn(arn).set_tags(Some(to_tags(tags)?));
    cx.call("acm:AddTagsToCertificate", request.send()).await.map(drop)
}

fn zone_ids(want: &Create<'_, Spec>) -> Result<Vec<String>, ApiError> {
    let mut ids = want.ids(want.spec.zones.as_deref().unwrap_or_default())?;
    ids.iter_mut().for_each(|id| *id = id.trim_start_matches("/hostedzone/").to_owned());
    ids.sort();
    Ok(ids)
}

/// The zones that hold the records, by the certificate's tag.
async fn former_zones(cx: &Context, arn: &str) -> Result<Vec<String>, ApiError> {
    let tags = tags_of(cx, arn).await?.unwrap_or_default();
    Ok(parts::zones(&tags).map(str::to_owned).collect())
}

fn zones_tag(zones: &[String]) -> Tags {
    Tags::from([(ZONES.to_owned(), zones.join(" "))])
}

/// What proves the names of a certificate.
struct Proven {
    proofs: Vec<Proof>,
    /// Whether somebody has to write the records by hand.
    by_hand: bool,
}

/// Writes the records that prove the names.
async fn prove(cx: &Context, arn: &str, want: &Create<'_, Spec>, zones: &[String]) -> Result<Proven, ApiError> {
    if want.spec.authority.is_some() {
        return Ok(Proven { proofs: Vec::new(), by_hand: false });
    }
    let proofs = proofs(&wait_for_proofs(cx, arn, want.watch).await?);
    if !zones.is_empty() {
        validation::prove(cx, zones, &proofs, arn).await?;
    }
    Ok(Proven { proofs, by_hand: zones.is_empty() })
}

impl Proven {
    /// Waits until the certificate is issued.
    async fn issued(&self, cx: &Context, arn: &str, want: &Create<'_, Spec>) -> Result<(), ApiError> {
        let records: Vec<String> = self.proofs.iter().map(|p| format!("{} CNAME {}", p.name, p.value)).collect();
        let by_hand = self.by_hand.then(|| records.join(", "));
        issued(cx, arn, by_hand.as_deref(), want.watch).await
    }
}

#[cfg(test)]
mod tests;
