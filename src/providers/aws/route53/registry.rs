//! Whose a record is: records have no tags, so a text record beside each says it.
//!
//! The text record of `www.example.com`, type A, is `saiken-a.www.example.com`; that of a record of a set has the
//! set's hash in its first part (`saiken-a-0123456789ab.www…`), that of `*.example.com` is
//! `saiken-any-a.example.com`. So it is inside the zone also for the zone's own name, has no part longer than 63
//! characters, and is in nobody's way. Its text is the one that says whose a group of users is
//! (`iam::group::path`), so it is ASCII. Both are written and removed in one batch, which
//! the API carries out whole or not at all: a record without the text record beside it is somebody else's.

use aws_sdk_route53::types::{ResourceRecord, ResourceRecordSet, RrType};

use super::{names, unbuilt};
use crate::model::cloud::ApiError;
use crate::model::ownership::hash;
use crate::providers::aws::iam::group::{owner_tags, path};
use crate::providers::aws::kind::Tags;

/// First part of the names of text records that say whose a record is.
pub(super) const PREFIX: &str = "saiken-";
/// Most characters of a record's name, so that its text record's name fits into 253.
pub(super) const LONGEST: usize = 220;
/// Seconds that others may keep the text record: nobody asks for it by name.
const TTL: i64 = 300;

/// Name of the text record that says whose a record is.
pub(super) fn name(record: &str, kind: &RrType, set: Option<&str>) -> String {
    let (any, rest) = record.strip_prefix("*.").map_or(("", record), |rest| ("any-", rest));
    let set = set.map(|set| format!("-{}", hash(set, 12))).unwrap_or_default();
    format!("{PREFIX}{any}{}{set}.{rest}", kind.as_str().to_lowercase())
}

/// Whether it is such a text record.
pub(super) fn is(set: &ResourceRecordSet) -> bool {
    *set.r#type() == RrType::Txt && set.name().starts_with(PREFIX) && !owner(set).is_empty()
}

/// The ownership tags that a text record stands for.
pub(super) fn owner(set: &ResourceRecordSet) -> Tags {
    let text = set.resource_records().first().map(|r| names::unquoted(r.value())).unwrap_or_default();
    owner_tags(&text)
}

/// The text record of this name that says what the ownership tags say.
pub(super) fn record_set(name: &str, tags: &Tags) -> Result<ResourceRecordSet, ApiError> {
    let value = ResourceRecord::builder().value(names::quoted(&path(tags))).build().map_err(unbuilt)?;
    let set = ResourceRecordSet::builder().name(format!("{name}.")).r#type(RrType::Txt).ttl(TTL);
    set.resource_records(value).build().map_err(unbuilt)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Address;
    use crate::model::ownership::Owner;
    use crate::providers::aws::script;

    #[test]
    fn the_text_record_is_inside_the_zone_and_no_two_records_share_one() {
        let name = |record: &str, kind: &str, set: Option<&str>| super::name(record, &RrType::from(kind), set);
        assert_eq!(name("www.example.com", "A", None), "saiken-a.www.example.com");
        assert_eq!(name("example.com", "MX", None), "saiken-mx.example.com");
        assert_eq!(name("*.example.com", "A", None), "saiken-any-a.example.com");
        let set = name("www.example.com", "A", Some("東京"));
        assert!(set.starts_with("saiken-a-") && set.is_ascii() && set.ends_with(".www.example.com"), "{set}");
        assert_ne!(set, name("www.example.com", "A", Some("大阪")));
        let longest = name(&format!("*.{}", "a".repeat(LONGEST - 2)), "NAPTR", Some("blue"));
        assert!(longest.len() <= 253, "{}", longest.len());
    }

    #[test]
    fn the_text_says_whose_a_record_is_whatever_its_address() {
        let address = Address::parse(&format!("dns/{}.記録", "x".repeat(100))).unwrap();
        let owner = Owner { address, protected: true, ..script::owner() };
        let set = record_set("saiken-a.www.example.com", &owner.tags()).unwrap();
        assert!(is(&set));
        assert_eq!(Owner::from_tags(&super::owner(&set)), Some(owner));
    }
}
