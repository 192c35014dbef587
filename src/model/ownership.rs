//! Ownership: the tags that say whose an object is, and the names that follow from them.
//!
//! Tags are the only state. They are set in the creating call itself, so that an object is never without owner.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Address;
use super::schema::Schema;

/// Prefix of all ownership tags.
pub const PREFIX: &str = "saiken:";
/// Tag: project.
pub const PROJECT: &str = "saiken:project";
/// Tag: environment.
pub const ENVIRONMENT: &str = "saiken:environment";
/// Tag: address.
pub const ADDRESS: &str = "saiken:address";
/// Tag: generation; an object that replaces another has the next one.
pub const GENERATION: &str = "saiken:generation";
/// Tag: fingerprints of fields that can't be read back cheaply, `field=hash` separated by spaces.
pub const FINGERPRINT: &str = "saiken:fingerprint";

/// Tag: `true` on an object that must not be deleted or replaced before its protection is lifted.
pub const PROTECTED: &str = "saiken:protected";

/// Tag of a recovery point: the address whose data it holds. It has no address of its own, and is no object of the
/// environment.
pub const SOURCE: &str = "saiken:source";

/// All ownership tags of objects.
pub const ALL: [&str; 6] = [PROJECT, ENVIRONMENT, ADDRESS, GENERATION, FINGERPRINT, PROTECTED];

/// Who owns an object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Project.
    pub project: String,
    /// Environment.
    pub environment: String,
    /// Address.
    pub address: Address,
    /// Generation, from 1.
    pub generation: u32,
    /// Fingerprints by field.
    pub fingerprints: BTreeMap<String, String>,
    /// Whether it is protected from being deleted and replaced, also when its block is gone from the files.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protected: bool,
}

impl Owner {
    /// The ownership tags.
    pub fn tags(&self) -> BTreeMap<String, String> {
        let mut tags = BTreeMap::from([
            (PROJECT.to_owned(), self.project.clone()),
            (ENVIRONMENT.to_owned(), self.environment.clone()),
            (ADDRESS.to_owned(), self.address.to_string()),
            (GENERATION.to_owned(), self.generation.to_string()),
        ]);
        if !self.fingerprints.is_empty() {
            let text: Vec<String> = self.fingerprints.iter().map(|(k, v)| format!("{k}={v}")).collect();
            tags.insert(FINGERPRINT.to_owned(), text.join(" "));
        }
        if self.protected {
            tags.insert(PROTECTED.to_owned(), "true".to_owned());
        }
        tags
    }

    /// Reads the owner from an object's tags; none if they are not complete.
    pub fn from_tags(tags: &BTreeMap<String, String>) -> Option<Self> {
        Some(Self {
            project: tags.get(PROJECT)?.clone(),
            environment: tags.get(ENVIRONMENT)?.clone(),
            address: Address::parse(tags.get(ADDRESS)?).ok()?,
            generation: tags.get(GENERATION).and_then(|g| g.parse().ok()).unwrap_or(1),
            fingerprints: tags
                .get(FINGERPRINT)
                .map(|text| {
                    text.split(' ').filter_map(|p| p.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()
                })
                .unwrap_or_default(),
            protected: tags.get(PROTECTED).is_some_and(|text| text == "true"),
        })
    }
}

/// Tags that a user manages: all but the ownership tags, `Name` if it is the one that saiken set, and those that AWS
/// reserves (`aws:…`).
pub fn user_tags(tags: &BTreeMap<String, String>, name: &str) -> BTreeMap<String, String> {
    tags.iter()
        .filter(|(k, v)| !(k.starts_with(PREFIX) || k.starts_with("aws:") || *k == "Name" && *v == name))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect()
}

/// First `length` hexadecimal digits (64 at most) of the SHA-256 of `text`.
pub fn hash(text: &str, length: usize) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(64);
    for byte in Sha256::digest(text.as_bytes()) {
        let _ = write!(out, "{byte:02x}");
    }
    out.truncate(length);
    out
}

/// Hash of a value, independent of the order of its members.
pub fn value_hash(value: &Value, length: usize) -> String {
    let mut sorted = value.clone();
    sorted.sort_all_objects();
    hash(&sorted.to_string(), length)
}

/// Fingerprints of all fields of a spec that ask for one and hold no tokens. `spec` is as declared (an image's query,
/// not what it resolved to).
pub fn fingerprints(schema: &Schema, spec: &Value) -> BTreeMap<String, String> {
    schema
        .fields
        .iter()
        .filter(|f| f.fingerprint)
        .filter_map(|f| spec.get(&f.name).map(|v| (f.name.clone(), v)))
        .filter(|(_, v)| !super::value::is_unknown(v))
        .map(|(name, v)| (name, value_hash(v, 12)))
        .collect()
}

/// The physical name of an object: the same on every machine and every run.
///
/// `project-environment-address[-generation]` in letters, digits and `-`; a name that loses a character that way, or
/// that is longer than `limit` (at least 16; 0 for 255), ends in 8 hexadecimal digits of a hash of the whole.
pub fn physical_name(project: &str, environment: &str, address: &Address, generation: u32, limit: usize) -> String {
    let limit = if limit == 0 { 255 } else { limit.max(16) };
    let mut full = format!("{project}-{environment}-{address}");
    if generation > 1 {
        full.push_str(&format!("-{generation}"));
    }
    let mut plain: String = full.chars().map(plain_character).collect();
    let mut exact = full.chars().all(|c| c.is_ascii_alphanumeric() || "-/.:_".contains(c));
    // Different separators may give one plain text ("a.b" and "a-b"): all but the common form carry the hash.
    exact &= plain.matches('-').count() == full.matches(['/', ':', '-']).count() && !full.contains(['.', '_']);
    if exact && plain.len() <= limit {
        return plain;
    }
    let tail = hash(&full, 8);
    plain.truncate(limit - 9);
    format!("{}-{tail}", plain.trim_end_matches('-'))
}

/// What all physical names of an environment begin with, unless a service's limit cuts them short before it ends.
pub fn name_prefix(project: &str, environment: &str) -> String {
    format!("{project}-{environment}-").chars().map(plain_character).collect()
}

/// A character of a physical name: letters, digits and `-` only.
fn plain_character(c: char) -> char {
    if c.is_ascii_alphanumeric() { c } else { '-' }
}

/// The token that makes a creating call idempotent: the same for the same plan, address and generation.
pub fn idempotency_token(plan: &str, address: &Address, generation: u32) -> String {
    hash(&format!("{plan}\n{address}\n{generation}"), 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_owner_survives_its_tags() {
        let owner = Owner {
            project: "再建".into(),
            environment: "production".into(),
            address: Address::parse("servers/web.template").unwrap(),
            generation: 3,
            fingerprints: BTreeMap::from([("user_data".into(), "abc".into()), ("image".into(), "def".into())]),
            protected: true,
        };
        assert_eq!(owner.tags().get(PROTECTED).map(String::as_str), Some("true"));
        assert!(!Owner { protected: false, ..owner.clone() }.tags().contains_key(PROTECTED));
        assert!(owner.tags().keys().all(|tag| ALL.contains(&tag.as_str())));
        assert_eq!(Owner::from_tags(&owner.tags()), Some(owner));
    }

    #[test]
    fn names_are_stable_short_and_distinct() {
        let a = |s: &str| Address::parse(s).unwrap();
        assert_eq!(physical_name("shop", "prod", &a("network/main"), 1, 64), "shop-prod-network-main");
        assert_eq!(physical_name("shop", "prod", &a("network/main"), 2, 64), "shop-prod-network-main-2");
        let long = physical_name("shop", "prod", &a(&format!("network/{}", "x".repeat(99))), 1, 32);
        assert_eq!(long.len(), 32);
        for (project, environment) in [("shop", "prod"), ("再建", "a_b")] {
            let name = physical_name(project, environment, &a("network/main"), 2, 64);
            assert!(name.starts_with(&name_prefix(project, environment)), "{name}");
        }
        assert_ne!(physical_name("s", "p", &a("n/a.b"), 1, 64), physical_name("s", "p", &a("n/a-b"), 1, 64));
        assert_ne!(physical_name("s", "p", &a("n/名"), 1, 64), physical_name("s", "p", &a("n/前"), 1, 64));
    }
}
