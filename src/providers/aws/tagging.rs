//! The index of tags over services: for kinds whose own list shows no tags, so that they need no call an object.
//!
//! The index follows the services with a delay
//! (<https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html>): what was tagged just now
//! may be missing, or have its former tags. A kind must ask the service itself about candidates that the index does not
//! show, and a deletion looks at the object's own tags first ([`super::kind::Handler`]).

use std::collections::BTreeMap;

use aws_sdk_resourcegroupstagging::Client;
use aws_sdk_resourcegroupstagging::types::TagFilter;

use super::client::Context;
use super::kind::{Selection, Tags};
use crate::model::cloud::ApiError;
use crate::model::observed::Object;
use crate::model::ownership;

/// The tags to set and to remove on an object that may have inherited the tags of what it is a copy of, ownership included: a tag
/// of its own (`mark`) comes and goes with its owner, and says that the others are meant.
pub(super) fn marked(object: &Object, set: &Tags, remove: &[String], mark: (&str, String)) -> (Tags, Vec<String>) {
    let (mut set, mut remove) = (set.clone(), remove.to_vec());
    if set.contains_key(ownership::ADDRESS) {
        set.insert(mark.0.to_owned(), mark.1);
        if object.owner.is_none() {
            let inherited = ownership::ALL.into_iter().filter(|tag| !set.contains_key(*tag)).map(str::to_owned);
            remove.extend(inherited);
        }
    } else if remove.iter().any(|tag| tag == ownership::ADDRESS) {
        remove.push(mark.0.to_owned());
    }
    (set, remove)
}

/// Tags of the objects of a service that are selected by tags, by ARN; nothing for a selection by ids.
///
/// # Errors
/// If the index can't be read.
pub async fn of_service(
    cx: &Context,
    service: &str,
    selection: &Selection<'_>,
) -> Result<BTreeMap<String, Tags>, ApiError> {
    of(cx, &cx.clients.tagging, Some(service), None, selection).await
}

/// The same for objects of the whole account, such as `iam:policy`.
///
/// # Errors
/// If the index can't be read.
pub async fn of_identities(
    cx: &Context,
    what: &str,
    selection: &Selection<'_>,
) -> Result<BTreeMap<String, Tags>, ApiError> {
    of(cx, &cx.clients.identity_tagging, Some(what), None, selection).await
}

/// The same for objects of any service that carry a tag of this name, too.
///
/// # Errors
/// If the index can't be read.
pub async fn with_key(cx: &Context, key: &str, selection: &Selection<'_>) -> Result<BTreeMap<String, Tags>, ApiError> {
    of(cx, &cx.clients.tagging, None, Some(key), selection).await
}

async fn of(
    cx: &Context,
    client: &Client,
    what: Option<&str>,
    key: Option<&str>,
    selection: &Selection<'_>,
) -> Result<BTreeMap<String, Tags>, ApiError> {
    let Some(wanted) = selection.tags() else { return Ok(BTreeMap::new()) };
    let filters = wanted.iter().map(|(key, value)| TagFilter::builder().key(key).values(value).build());
    let filters = filters.chain(key.map(|key| TagFilter::builder().key(key).build())).collect();
    // 100 a page, the most that the API gives.
    let request = client.get_resources().set_tag_filters(Some(filters)).resources_per_page(100);
    let request = request.set_resource_type_filters(what.map(|what| vec![what.to_owned()]));
    let pages = cx.pages("tag:GetResources", request.into_paginator().send()).await?;
    let mut all = BTreeMap::new();
    for resource in pages.into_iter().flat_map(|p| p.resource_tag_mapping_list.unwrap_or_default()) {
        let tags = resource.tags().iter().map(|t| (t.key().to_owned(), t.value().to_owned())).collect();
        if let Some(arn) = resource.resource_arn {
            all.insert(arn.trim_end_matches(":*").to_owned(), tags);
        }
    }
    Ok(all)
}
