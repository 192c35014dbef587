//! Names: zones, records, health checks.
//!
//! All of it belongs to the whole account, and all calls share five requests a second
//! (<https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/DNSLimitations.html>).
//!
//! Zones and health checks get their tags by a second call. So the creating call's caller reference, which every list
//! shows, says whose an object is: the text that says it for groups of users too (`iam::group::path`), and
//! eight digits of the token, since a reference can't be used twice. An object without any tag whose reference is
//! ours was left by a run that ended between the two calls: it is read as ours, with a field left out that is always
//! declared, so that the next plan finishes it.

#[cfg(test)]
pub(in crate::providers::aws) mod answers;
pub mod health_check;
pub(in crate::providers::aws) mod names;
pub mod record;
mod record_parts;
mod registry;
pub(in crate::providers::aws) mod validation;
pub mod zone;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_route53::types::{ChangeInfo, ChangeStatus, HostedZone, Tag, TagResourceType};
use futures::{StreamExt, TryStreamExt, stream};

use super::client::{Context, Look};
use super::iam::group::{owner_tags, path};
use super::kind::Tags;
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::kind::Problems;
use crate::model::ownership;
use crate::model::value::is_unknown_text;

/// Calls for single zones and for tags under way at once.
const AT_ONCE: usize = 4;
/// Most tags to add, tags to remove, and objects to ask for their tags, in one call.
const TAGS_A_CALL: usize = 10;
/// Longest time until all name servers know a change; it mostly takes one minute
/// (<https://docs.aws.amazon.com/Route53/latest/APIReference/API_GetChange.html>).
const IN_FORCE_WITHIN: Duration = Duration::from_secs(15 * 60);
/// Characters of the token in a caller reference: enough to tell the attempts at one object apart.
const TOKEN: usize = 8;

/// The id without what some calls put before it: `/hostedzone/`, `/change/`.
fn bare(id: &str) -> &str {
    id.rsplit('/').next().unwrap_or(id)
}

/// The reference of a creating call, which says whose the new object is; where that is longer than the API allows, a
/// hash of it.
fn reference(tags: &Tags, token: &str, limit: usize) -> String {
    let (path, token) = (path(tags), token.get(..TOKEN).unwrap_or(token));
    let whole = format!("{path}{token}");
    if whole.len() <= limit { whole } else { format!("/saiken/{}/{token}", ownership::hash(&path, 24)) }
}

/// Tags of an object: its own, or, if it has none at all, those that its reference stands for.
fn or_of_reference(tags: Tags, reference: &str) -> Tags {
    if tags.is_empty() { owner_tags(reference) } else { tags }
}

/// Whether a reference does not say whose an object is: it holds a hash, or is somebody else's.
fn is_hash(reference: &str) -> bool {
    owner_tags(reference).is_empty()
}

/// Whether two references differ by their tokens only.
fn is_same_but_token(one: &str, other: &str) -> bool {
    let stem = |text: &str| text.rsplit_once('/').map(|(stem, _)| stem.to_owned());
    stem(one).is_some() && stem(one) == stem(other)
}

/// Among objects with their references, the untagged one that an earlier attempt at the same address left.
async fn earlier(
    cx: &Context,
    what: &TagResourceType,
    all: impl Iterator<Item = (String, String)>,
    reference: &str,
) -> Result<Option<String>, ApiError> {
    let ids: Vec<String> = all.filter(|(_, there)| is_same_but_token(there, reference)).map(|(id, _)| id).collect();
    let tags = tags_of(cx, what, ids.clone()).await?;
    Ok(ids.into_iter().find(|id| tags.get(id).is_none_or(Tags::is_empty)))
}

/// All zones of the account, with their caller references, in pages of 100.
async fn zones(cx: &Context) -> Result<Vec<HostedZone>, ApiError> {
    let request = cx.clients.route53.list_hosted_zones().max_items(100).into_paginator().send();
    let pages = cx.pages("route53:ListHostedZones", request).await?;
    Ok(pages.into_iter().flat_map(|p| p.hosted_zones).collect())
}

/// Tags of objects by id, ten objects a call. Those that are gone have none.
async fn tags_of(cx: &Context, what: &TagResourceType, ids: Vec<String>) -> Result<BTreeMap<String, Tags>, ApiError> {
    let parts: Vec<Vec<String>> = ids.chunks(TAGS_A_CALL).map(<[String]>::to_vec).collect();
    let each: Vec<BTreeMap<String, Tags>> = stream::iter(parts)
        .map(|ids| async move {
            match ask_tags(cx, what, ids.clone()).await {
                // One that is gone spoils the answer for the others.
                Err(e) if e.class == ErrorClass::NotFound => ask_each(cx, what, ids).await,
                other => other,
            }
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(each.into_iter().flatten().collect())
}

async fn ask_each(cx: &Context, what: &TagResourceType, ids: Vec<String>) -> Result<BTreeMap<String, Tags>, ApiError> {
    let mut all = BTreeMap::new();
    for id in ids {
        match ask_tags(cx, what, vec![id]).await {
            Err(e) if e.class == ErrorClass::NotFound => {}
            other => all.extend(other?),
        }
    }
    Ok(all)
}

async fn ask_tags(cx: &Context, what: &TagResourceType, ids: Vec<String>) -> Result<BTreeMap<String, Tags>, ApiError> {
    let request = cx.clients.route53.list_tags_for_resources().resource_type(what.clone()).set_resource_ids(Some(ids));
    let answer = cx.call("route53:ListTagsForResources", request.send()).await?;
    let of = |tags: &[Tag]| tags.iter().filter_map(|t| Some((t.key()?.to_owned(), t.value()?.to_owned()))).collect();
    let sets = answer.resource_tag_sets().iter();
    Ok(sets.filter_map(|s| Some((s.resource_id()?.to_owned(), of(s.tags())))).collect())
}

/// Sets and removes tags, as many a call as the API takes. Those that say whose the object is go first, together.
async fn change_tags(
    cx: &Context,
    what: &TagResourceType,
    id: &str,
    set: &Tags,
    remove: &[String],
) -> Result<(), ApiError> {
    let (ours, others): (Vec<_>, Vec<_>) = set.iter().partition(|(key, _)| key.starts_with(ownership::PREFIX));
    let set: Vec<Tag> =
        ours.into_iter().chain(others).map(|(key, value)| Tag::builder().key(key).value(value).build()).collect();
    let (mut set, mut remove) = (set.chunks(TAGS_A_CALL), remove.chunks(TAGS_A_CALL));
    loop {
        let (set, remove) = (set.next(), remove.next());
        if set.is_none() && remove.is_none() {
            return Ok(());
        }
        let request = cx
            .clients
            .route53
            .change_tags_for_resource()
            .resource_type(what.clone())
            .resource_id(id)
            .set_add_tags(set.map(<[Tag]>::to_vec))
            .set_remove_tag_keys(remove.map(<[String]>::to_vec));
        cx.call("route53:ChangeTagsForResource", request.send()).await?;
    }
}

/// Tags to set when tags change. What is let go keeps one, or its reference would say that it is ours, and half made.
fn with_a_trace(set: &Tags, remove: &[String]) -> Tags {
    let mut set = set.clone();
    if remove.iter().any(|key| key == ownership::PROJECT) {
        set.insert("saiken:released".to_owned(), "true".to_owned());
    }
    set
}

/// Waits until all name servers know a change.
async fn in_force(cx: &Context, change: Option<&ChangeInfo>, name: &str, watch: &dyn Watch) -> Result<(), ApiError> {
    let Some(change) = change.filter(|c| *c.status() != ChangeStatus::Insync) else { return Ok(()) };
    let id = bare(change.id());
    cx.wait(watch, &format!("all name servers to know {name}"), IN_FORCE_WITHIN, || async {
        let answer = cx.call("route53:GetChange", cx.clients.route53.get_change().id(id).send()).await?;
        let now = answer.change_info().map(ChangeInfo::status);
        Ok(Look::when(now == Some(&ChangeStatus::Insync), now.map(ChangeStatus::as_str)))
    })
    .await
}

/// What the SDK could not put together.
fn unbuilt(error: impl std::fmt::Display) -> ApiError {
    ApiError::new("route53", ErrorClass::Invalid, error.to_string())
}

/// Checks a name of at most `most` characters, which may begin with `*` if it is a record's.
pub(in crate::providers::aws) fn check_name(path: &str, name: &str, most: usize, problems: &mut Problems) {
    if is_unknown_text(name) {
        return;
    }
    if !name.is_ascii() {
        let message = format!("`{name}` has letters beyond ASCII, which names are not kept in");
        problems.add(path, message, "write it in its ASCII form, `xn--…` (Punycode)");
        return;
    }
    let label = |l: &str| (1..=63).contains(&l.len()) && l.chars().all(|c| c.is_ascii_graphic());
    if name.len() > most || !name.split('.').all(label) {
        let message = format!("`{name}` is not a name: parts of 1 to 63 characters, {most} in all, with dots between");
        problems.add(path, message, "");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Address;
    use crate::model::ownership::Owner;
    use crate::providers::aws::script::owner;

    fn tags(address: &str) -> Tags {
        Owner { address: Address::parse(address).unwrap(), ..owner() }.tags()
    }

    #[test]
    fn a_reference_says_whose_an_object_is_and_differs_from_run_to_run() {
        let reference = |address: &str, token: &str| super::reference(&tags(address), token, 64);
        let one = reference("dns/www", "0123456789abcdef");
        assert_eq!(one, "/saiken/p/e/1/dns%2Fwww/01234567");
        assert_eq!(or_of_reference(Tags::new(), &one), tags("dns/www"));
        assert_ne!(one, reference("dns/www", "123456789abcdef0"));
        let mine = Tags::from([("Name".to_owned(), "x".to_owned())]);
        assert_eq!(or_of_reference(mine.clone(), &one), mine, "whoever has let it go does not get it back");
        assert_eq!(or_of_reference(Tags::new(), "terraform-20260101"), Tags::new());
    }

    #[test]
    fn a_reference_that_would_be_too_long_holds_a_hash_and_is_found_by_the_same_address() {
        let reference = |address: &str, token: &str| super::reference(&tags(address), token, 64);
        let (long, other) = (format!("dns/{}", "x".repeat(60)), format!("dns/{}", "y".repeat(60)));
        let one = reference(&long, "0123456789abcdef");
        assert!(one.len() <= 64 && is_hash(&one), "{one}");
        assert!(is_same_but_token(&one, &reference(&long, "fedcba9876543210")));
        assert!(!is_same_but_token(&one, &reference(&other, "fedcba9876543210")));
        assert!(!is_hash(&reference("dns/www", "0123456789abcdef")), "a read finds it already");
    }

    #[test]
    fn what_is_let_go_keeps_a_tag() {
        let gone = [ownership::PROJECT.to_owned()];
        assert!(!with_a_trace(&Tags::new(), &gone).is_empty());
        assert!(with_a_trace(&Tags::new(), &["a".to_owned()]).is_empty());
    }

    #[test]
    fn names_are_checked_and_those_of_other_scripts_are_asked_for_in_ascii() {
        let problems = |name: &str| {
            let mut problems = Problems::default();
            check_name("name", name, 253, &mut problems);
            problems.0.into_iter().filter_map(|p| p.help.or(Some(p.message))).collect::<String>()
        };
        assert!(problems("例え.jp").contains("Punycode"));
        for name in
            ["www.example.com", "*.example.com", "_dmarc.example.com", "xn--r8jz45g.jp", "0/25.2.0.192.in-addr.arpa"]
        {
            assert!(problems(name).is_empty(), "{name}");
        }
        for name in ["", "a..b", "a b.com", &format!("{}.com", "a".repeat(64)), &"a.".repeat(130)] {
            assert!(!problems(name).is_empty(), "{name}");
        }
    }
}
