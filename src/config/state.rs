//! The `state:` of an environment: a folder, or a bucket that several machines share.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::ops::RangeInclusive;

use super::decode::{Fields, text, wrong_shape};
use super::node::{Node, NodeValue};
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::environment::{Bucket, FOLDER, State};
use crate::model::types::Duration;
use crate::source::Spanned;

/// Seconds of a lease. A shorter one is lost to a slow network, a longer one keeps others out too long after a crash.
const LEASE: RangeInclusive<u64> = 15..=3600;
const USUAL_LEASE: u64 = 60;

/// Reads it; none if it has errors. Prefix and region are those of the project and of the environment unless given.
pub(super) fn decode(node: Option<&Node>, project: &str, region: &str, diagnostics: &mut Diagnostics) -> Option<State> {
    let Some(node) = node else { return Some(State::Folder(FOLDER.to_owned())) };
    match &node.value {
        NodeValue::Scalar(_) => text(node, "state", diagnostics).map(|folder| State::Folder(folder.value)),
        NodeValue::Map(_) => bucket(node, project, region, diagnostics).map(State::Bucket),
        NodeValue::List(_) => {
            wrong_shape(node, "a folder, or a mapping with `bucket`", "state", diagnostics);
            None
        }
    }
}

fn bucket(node: &Node, project: &str, region: &str, diagnostics: &mut Diagnostics) -> Option<Bucket> {
    let mut fields = Fields::of("a shared state", node, diagnostics)?;
    let bucket = fields.text("bucket");
    let prefix = fields.text("prefix");
    let given_region = fields.text("region");
    let lease = fields.text("lease");
    fields.require("bucket");
    let bucket = bucket.filter(|b| check_bucket(b, fields.diagnostics));
    let prefix = match prefix {
        Some(prefix) => check_prefix(&prefix, fields.diagnostics).then_some(prefix.value),
        None => Some(project.to_owned()),
    };
    let lease = match lease {
        Some(lease) => check_lease(&lease, fields.diagnostics),
        None => Some(Duration::from_seconds(USUAL_LEASE)),
    };
    fields.finish();
    let region = given_region.map_or_else(|| region.to_owned(), |r| r.value);
    Some(Bucket { bucket: bucket?.value, prefix: prefix?, region, lease: lease? })
}

/// The rules of <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>, as far as a misspelling
/// breaks them.
fn check_bucket(bucket: &Spanned<String>, diagnostics: &mut Diagnostics) -> bool {
    let name = bucket.value.as_str();
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = (3..=63).contains(&name.len())
        && name.chars().all(|c| plain(c) || c == '-' || c == '.')
        && name.starts_with(plain)
        && name.ends_with(plain);
    if !good {
        let error = Diagnostic::error(format!("`{name}` can't be the name of a bucket"))
            .at(bucket.span, "3 to 63 lower-case letters, digits, `-` and `.`")
            .help("write the bucket's name alone, without `s3://`; `prefix` takes a path within it");
        diagnostics.push(error);
    }
    good
}

fn check_prefix(prefix: &Spanned<String>, diagnostics: &mut Diagnostics) -> bool {
    let good = prefix.value.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    if !good {
        let error = Diagnostic::error(format!("`{}` can't be a prefix", prefix.value))
            .at(prefix.span, "names with single `/` between them")
            .help("write it without `/` at its ends, such as: saiken/shop");
        diagnostics.push(error);
    }
    good
}

fn check_lease(lease: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<Duration> {
    let why = match lease.value.parse::<Duration>() {
        Ok(length) if LEASE.contains(&length.seconds()) => return Some(length),
        Ok(_) => "15s at least, 1h at most".to_owned(),
        Err(why) => why,
    };
    let error = Diagnostic::error("`lease` must be a length of time from 15s to 1h")
        .at(lease.span, why)
        .help("60s suits most; longer ones keep others out longer after a crash");
    diagnostics.push(error);
    None
}
