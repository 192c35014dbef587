//! Which objects are ours, and by which identifiers the Cloud Control API knows them.
//!
//! The index of tags knows ARNs, and the API identifiers, which are an ARN for some types, a name or a URL for others,
//! and can't be derived from each other in general. What an ARN may stand for is asked for (the ARN, its last parts,
//! and those of the type's list that hold the last part), and taken if its own tags say that it is that object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::requests::lately_made;
use super::types::{self, TypeSchema};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::ownership::Owner;
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{Selection, Tags};
use crate::providers::aws::tagging;

/// Tag: the type of an object that is managed through this API, by which the index finds it.
pub(super) const TYPE: &str = "saiken:type";
/// Calls for single objects under way at once.
const AT_ONCE: usize = 8;

/// An object as the API tells of it.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub schema: Arc<TypeSchema>,
    pub kind: String,
    pub identifier: String,
    pub properties: Value,
    pub tags: Tags,
    /// Whether it is still being made.
    pub pending: bool,
}

/// Type and identifier as one text.
pub(super) fn id(kind: &str, identifier: &str) -> String {
    format!("{kind}/{identifier}")
}

/// An object; none if it is not there.
///
/// # Errors
/// The API's.
pub(super) async fn get(cx: &Context, kind: &str, identifier: &str) -> Result<Option<Known>, ApiError> {
    let operation = "cloudformation:GetResource";
    let request = cx.clients.cloudcontrol.get_resource().type_name(kind).identifier(identifier);
    let told = match cx.call(operation, request.send()).await {
        Ok(answer) => answer.resource_description,
        Err(e) if e.class == ErrorClass::NotFound && e.code.as_deref() != Some("TypeNotFoundException") => {
            return Ok(None);
        }
        Err(e) => return Err(e),
    };
    let (own, properties) = told.map(|d| (d.identifier, d.properties)).unwrap_or_default();
    let properties: Value = serde_json::from_str(&properties.unwrap_or_default())
        .map_err(|e| ApiError::new(operation, ErrorClass::Other, format!("{identifier} is not told as JSON: {e}")))?;
    let schema = types::of(cx, kind).await?;
    let tags = schema.tags_of(&properties);
    // Some handlers know an object by several names: the API's own one is that of the object.
    let (kind, identifier) = (kind.to_owned(), own.unwrap_or_else(|| identifier.to_owned()));
    Ok(Some(Known { schema, kind, identifier, properties, tags, pending: false }))
}

/// All objects that are selected.
///
/// # Errors
/// The API's.
pub(super) async fn all(cx: &Context, selection: &Selection<'_>) -> Result<Vec<Known>, ApiError> {
    if let Selection::Ids(ids) = selection {
        let ids = ids.iter().filter_map(|id| id.split_once('/')).map(|(kind, id)| (kind.to_owned(), id.to_owned()));
        let ids: Vec<(String, String)> = ids.collect();
        let found = stream::iter(ids).map(|(kind, identifier)| async move { get(cx, &kind, &identifier).await });
        let found = found.buffered(AT_ONCE);
        let found: Vec<Option<Known>> = found.try_collect().await?;
        return Ok(found.into_iter().flatten().collect());
    }
    let (index, lately) = futures::try_join!(tagging::with_key(cx, TYPE, selection), lately_made(cx))?;
    let new = stream::iter(lately).map(|(kind, identifier, pending)| async move {
        match get(cx, &kind, &identifier).await {
            Ok(object) => Ok(object.map(|object| Known { pending, ..object })),
            // What we made, we may read: it is somebody else's.
            Err(e) if matches!(e.class, ErrorClass::AccessDenied | ErrorClass::Invalid | ErrorClass::NotFound) => {
                Ok(None)
            }
            Err(e) => Err(e),
        }
    });
    let new: Vec<Option<Known>> = new.buffered(AT_ONCE).try_collect().await?;
    let ours = |object: &Known| object.tags.contains_key(TYPE) && selection.matches("", &object.tags);
    let mut found: Vec<Known> = new.into_iter().flatten().filter(ours).collect();
    let index: Vec<(String, Tags)> = index.into_iter().collect();
    let asked = index
        .iter()
        .enumerate()
        .flat_map(|(at, (arn, tags))| guesses(arn).into_iter().map(move |guess| (at, tags.clone(), guess)));
    let mut known = those_of(cx, asked.collect()).await?;
    let missing = |known: &BTreeMap<usize, Known>, kind: Option<&String>| -> Vec<usize> {
        let of = |at: &usize| !known.contains_key(at) && (kind.is_none() || index[*at].1.get(TYPE) == kind);
        (0..index.len()).filter(of).collect()
    };
    let kinds: BTreeSet<String> =
        missing(&known, None).into_iter().filter_map(|at| index[at].1.get(TYPE).cloned()).collect();
    for kind in kinds {
        let identifiers = list(cx, &kind).await?;
        let asked = missing(&known, Some(&kind)).into_iter().flat_map(|at| {
            let (arn, tags) = &index[at];
            let alike = identifiers.iter().filter(move |identifier| identifier.contains(last_part(arn)));
            alike.map(move |identifier| (at, tags.clone(), identifier.clone()))
        });
        let asked = asked.collect();
        known.extend(those_of(cx, asked).await?);
    }
    found.extend(known.into_values());
    let mut once: BTreeMap<String, Known> = BTreeMap::new();
    for object in found {
        once.entry(id(&object.kind, &object.identifier)).or_insert(object);
    }
    Ok(once.into_values().collect())
}

/// Whose an object is.
fn whose(tags: &Tags) -> Option<(String, String, String, u32)> {
    Owner::from_tags(tags).map(|o| (o.project, o.environment, o.address.to_string(), o.generation))
}

/// The first of these identifiers, for each object of the index, that is that object: its own tags say so. What is no
/// identifier of the type is left out.
async fn those_of(cx: &Context, guesses: Vec<(usize, Tags, String)>) -> Result<BTreeMap<usize, Known>, ApiError> {
    let asked = stream::iter(guesses).map(|(at, tags, identifier)| async move {
        let kind = tags.get(TYPE).map(String::as_str).unwrap_or_default();
        match get(cx, kind, &identifier).await {
            Ok(object) => Ok(object.filter(|object| whose(&object.tags) == whose(&tags)).map(|object| (at, object))),
            Err(e) if e.class == ErrorClass::Invalid => Ok(None),
            Err(e) => Err(e),
        }
    });
    let asked: Vec<Option<(usize, Known)>> = asked.buffered(AT_ONCE).try_collect().await?;
    let mut known = BTreeMap::new();
    for (at, object) in asked.into_iter().flatten() {
        known.entry(at).or_insert(object);
    }
    Ok(known)
}

/// What an object of an ARN may be called: the ARN, what follows the account, and the ends of that.
fn guesses(arn: &str) -> Vec<String> {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or(arn);
    let inner = resource.split_once(['/', ':']).map_or(resource, |(_, inner)| inner);
    let mut all: Vec<String> = Vec::new();
    for guess in [arn, resource, inner, last_part(arn)] {
        if !guess.is_empty() && !all.iter().any(|g| g == guess) {
            all.push(guess.to_owned());
        }
    }
    all
}

fn last_part(arn: &str) -> &str {
    arn.rsplit(['/', ':']).next().unwrap_or(arn)
}

/// The identifiers of all objects of a type.
async fn list(cx: &Context, kind: &str) -> Result<Vec<String>, ApiError> {
    let request = cx.clients.cloudcontrol.list_resources().type_name(kind).max_results(100);
    let pages = cx.pages("cloudformation:ListResources", request.into_paginator().send()).await?;
    let all = pages.into_iter().flat_map(|p| p.resource_descriptions.unwrap_or_default());
    Ok(all.filter_map(|d| d.identifier).collect())
}

#[cfg(test)]
mod tests {
    use super::guesses;

    #[test]
    fn an_arn_may_be_called_by_itself_or_by_its_end() {
        assert_eq!(guesses("arn:aws:sns:r:1:topic"), ["arn:aws:sns:r:1:topic", "topic"]);
        assert_eq!(guesses("arn:aws:dynamodb:r:1:table/a"), ["arn:aws:dynamodb:r:1:table/a", "table/a", "a"]);
        let group = "arn:aws:logs:r:1:log-group:/aws/x";
        assert_eq!(guesses(group), [group, "log-group:/aws/x", "/aws/x", "x"]);
    }
}
