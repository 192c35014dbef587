//! Records by which a certificate authority sees whose names are: written into zones for certificates, and removed
//! with the last certificate that needs them.
//!
//! The authority asks for the same record for every certificate of a name in one account, in whatever region, and
//! again for each renewal. So a text record a certificate beside it says who needs it, written in the same batch
//! (`saiken-certificate-HASH.RECORD`). A record that was there without any such text is somebody else's: it is used,
//! and never removed. One with another value is left alone, and is an error.

use aws_sdk_route53::types::{ChangeAction, ResourceRecord, ResourceRecordSet, RrType};

use super::record_parts::{change, is_gone};
use super::{names, unbuilt};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::ownership::hash;
use crate::providers::aws::client::Context;

/// First part of the names of text records that say who needs a record.
const PREFIX: &str = "saiken-certificate-";
/// Seconds that others may keep these records.
const TTL: i64 = 300;
/// Records looked at around one: itself and what is below its name.
const AROUND: i32 = 100;
/// Most characters of a name in a certificate, so that the text record's name fits into 253.
pub(in crate::providers::aws) const LONGEST: usize = 180;

/// A record that proves whose a name is: its name, and the name that it stands for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::providers::aws) struct Proof {
    /// Name of the record.
    pub name: String,
    /// What it stands for.
    pub value: String,
}

impl Proof {
    /// From what the authority asks for.
    pub fn new(name: &str, value: &str) -> Self {
        Self { name: names::normal(name), value: names::normal(value) }
    }

    fn beside(&self, whom: &str) -> String {
        format!("{PREFIX}{}.{}", hash(whom, 12), self.name)
    }
}

/// What is in a zone around a proof.
struct Around {
    record: Option<ResourceRecordSet>,
    texts: Vec<ResourceRecordSet>,
}

impl Around {
    fn value(&self) -> Option<String> {
        self.record.as_ref()?.resource_records().first().map(|r| names::normal(r.value()))
    }

    fn text(&self, name: &str) -> Option<&ResourceRecordSet> {
        self.texts.iter().find(|t| names::normal(t.name()) == name)
    }
}

async fn around(cx: &Context, zone: &str, proof: &Proof) -> Result<Around, ApiError> {
    let request = cx
        .clients
        .route53
        .list_resource_record_sets()
        .hosted_zone_id(zone)
        .start_record_name(format!("{}.", proof.name))
        .max_items(AROUND);
    let page = cx.call("route53:ListResourceRecordSets", request.send()).await?;
    let (mut record, mut texts) = (None, Vec::new());
    for set in page.resource_record_sets {
        let name = names::normal(set.name());
        match set.r#type() {
            RrType::Cname if name == proof.name => record = Some(set),
            RrType::Txt if name.starts_with(PREFIX) && name.ends_with(&format!(".{}", proof.name)) => texts.push(set),
            _ => {}
        }
    }
    Ok(Around { record, texts })
}

/// Zones by id, with their names; those that are gone are left out.
async fn named(cx: &Context, zones: &[String]) -> Result<Vec<(String, String)>, ApiError> {
    let mut all = Vec::new();
    for id in zones {
        match cx.call("route53:GetHostedZone", cx.clients.route53.get_hosted_zone().id(id).send()).await {
            Ok(answer) => all.extend(answer.hosted_zone().map(|z| (id.clone(), names::normal(z.name())))),
            Err(e) if e.class == ErrorClass::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(all)
}

/// The zone that holds a name: of those that it ends in, the one with the longest name.
fn zone_of<'a>(zones: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let inside = |zone: &str| name.strip_suffix(zone).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    let holding = zones.iter().filter(|(_, zone)| inside(zone));
    holding.max_by_key(|(_, zone)| zone.len()).map(|(id, _)| id.as_str())
}

fn set(name: &str, kind: RrType, value: &str) -> Result<ResourceRecordSet, ApiError> {
    let value = ResourceRecord::builder().value(value).build().map_err(unbuilt)?;
    let set = ResourceRecordSet::builder().name(format!("{name}.")).r#type(kind).ttl(TTL);
    set.resource_records(value).build().map_err(unbuilt)
}

/// Writes what proves names into these zones, for a certificate.
pub(in crate::providers::aws) async fn prove(
    cx: &Context,
    zones: &[String],
    proofs: &[Proof],
    whom: &str,
) -> Result<(), ApiError> {
    let zones = named(cx, zones).await?;
    for (zone, proofs) in by_zone(&zones, proofs)? {
        let mut changes = Vec::new();
        for proof in proofs {
            let there = around(cx, zone, proof).await?;
            match there.value() {
                Some(value) if value != proof.value => return Err(other(proof, &value)),
                // Somebody else's: it proves the name all the same.
                Some(_) if there.texts.is_empty() => {}
                Some(_) if there.text(&proof.beside(whom)).is_some() => {}
                Some(_) | None => {
                    changes.push((ChangeAction::Upsert, set(&proof.name, RrType::Cname, &proof.value)?));
                    let text = names::quoted(whom);
                    changes.push((ChangeAction::Upsert, set(&proof.beside(whom), RrType::Txt, &text)?));
                }
            }
        }
        if !changes.is_empty() {
            change(cx, zone, changes).await?;
        }
    }
    Ok(())
}

fn other(proof: &Proof, value: &str) -> ApiError {
    let message = format!(
        "`{}` stands for `{value}`, and the certificate needs it to stand for `{}`: remove that record",
        proof.name, proof.value
    );
    ApiError::new("route53:ChangeResourceRecordSets", ErrorClass::Conflict, message)
}

type ByZone<'a> = Vec<(&'a str, Vec<&'a Proof>)>;

fn by_zone<'a>(zones: &'a [(String, String)], proofs: &'a [Proof]) -> Result<ByZone<'a>, ApiError> {
    let mut all: ByZone<'a> = Vec::new();
    for proof in proofs {
        let Some(zone) = zone_of(zones, &proof.name) else {
            let message =
                format!("no zone of the certificate holds `{}`: add the one that does to `zones`", proof.name);
            return Err(ApiError::new("route53:ChangeResourceRecordSets", ErrorClass::Invalid, message));
        };
        match all.iter_mut().find(|(id, _)| *id == zone) {
            Some((_, proofs)) => proofs.push(proof),
            None => all.push((zone, vec![proof])),
        }
    }
    Ok(all)
}

/// Says that a certificate needs the records no more, and removes those that nobody needs any more.
pub(in crate::providers::aws) async fn forget(
    cx: &Context,
    zones: &[String],
    proofs: &[Proof],
    whom: &str,
) -> Result<(), ApiError> {
    let zones = named(cx, zones).await?;
    for (zone, _) in &zones {
        let proofs: Vec<&Proof> = proofs.iter().filter(|p| zone_of(&zones, &p.name) == Some(zone)).collect();
        match remove(cx, zone, &proofs, whom).await {
            // Another certificate went at the same time, or the first answer was lost: what is left is seen now.
            Err(e) if is_gone(&e) => remove(cx, zone, &proofs, whom).await?,
            other => other?,
        }
    }
    Ok(())
}

async fn remove(cx: &Context, zone: &str, proofs: &[&Proof], whom: &str) -> Result<(), ApiError> {
    let mut changes = Vec::new();
    for proof in proofs {
        let there = around(cx, zone, proof).await?;
        let Some(text) = there.text(&proof.beside(whom)).cloned() else { continue };
        changes.push((ChangeAction::Delete, text));
        if there.texts.len() == 1 {
            changes.extend(there.record.map(|record| (ChangeAction::Delete, record)));
        }
    }
    if changes.is_empty() { Ok(()) } else { change(cx, zone, changes).await.map(drop) }
}

#[cfg(test)]
mod tests;
