//! Care of servers: patches, maintenance, sessions, documents. What its kinds share: tags, whose an object is, and the
//! sorted values of filters and targets.
//!
//! No list of this service shows tags. The index of tags tells whose most objects are; what carries a name that saiken
//! gives and is not in the index yet is asked for its tags.

pub mod association;
#[cfg(test)]
mod association_tests;
pub mod document;
mod document_calls;
#[cfg(test)]
mod document_tests;
pub mod maintenance_window;
#[cfg(test)]
mod maintenance_window_tests;
pub mod parameter;
pub mod parameter_parts;
pub mod patch_baseline;
#[cfg(test)]
mod patch_baseline_tests;
pub mod patch_rules;
pub mod payload;
pub mod session_preferences;
pub mod targets;
mod window_calls;
pub mod window_parts;

use std::collections::BTreeMap;

use aws_sdk_ssm::types::{ResourceTypeForTagging, Tag};
use aws_smithy_types::error::operation::BuildError;
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, Deserializer};

use super::client::{Context, identity_region};
use super::kind::{Read, Selection, Tags};
use super::tagging;
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::observed::Object;
use crate::model::ownership::{self, name_prefix};

/// Calls about single objects under way at once.
const AT_ONCE: usize = 8;

/// A sort of objects, as the calls for tags know it.
struct Sort {
    /// Of the calls of this service.
    tagging: ResourceTypeForTagging,
    /// Of the index, which is the end of the service's ARNs too: `patchbaseline`.
    index: &'static str,
}

/// The ARN of an object of this service: `document/NAME`.
fn arn(region: &str, account: &str, object: &str) -> String {
    let partition = match identity_region(region) {
        "cn-north-1" => "aws-cn",
        "us-gov-west-1" => "aws-us-gov",
        _ => "aws",
    };
    format!("arn:{partition}:ssm:{region}:{account}:{object}")
}

/// What could not be put into a request.
fn unfit(error: BuildError) -> ApiError {
    ApiError::new("ssm", ErrorClass::Invalid, error.to_string())
}

/// A text that is not empty, which some calls give for none.
fn given(text: Option<&str>) -> Option<String> {
    text.filter(|t| !t.is_empty()).map(str::to_owned)
}

/// Tags in the API's form.
fn to_tags(tags: &Tags) -> Result<Vec<Tag>, ApiError> {
    tags.iter().map(|(k, v)| Tag::builder().key(k).value(v).build()).collect::<Result<_, _>>().map_err(unfit)
}

/// Tags of an object; none if it is gone.
async fn tags_of(cx: &Context, sort: &Sort, id: &str) -> Result<Option<Tags>, ApiError> {
    let request = cx.clients.ssm.list_tags_for_resource().resource_type(sort.tagging.clone()).resource_id(id);
    match cx.call("ssm:ListTagsForResource", request.send()).await {
        Ok(answer) => Ok(Some(answer.tag_list().iter().map(|t| (t.key().to_owned(), t.value().to_owned())).collect())),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Sets and removes tags of an object.
async fn retag(cx: &Context, sort: &Sort, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
    let ssm = &cx.clients.ssm;
    if !set.is_empty() {
        let request = ssm.add_tags_to_resource().resource_type(sort.tagging.clone()).resource_id(&object.id);
        cx.call("ssm:AddTagsToResource", request.set_tags(Some(to_tags(set)?)).send()).await?;
    }
    if !remove.is_empty() {
        let request = ssm.remove_tags_from_resource().resource_type(sort.tagging.clone()).resource_id(&object.id);
        cx.call("ssm:RemoveTagsFromResource", request.set_tag_keys(Some(remove.to_vec())).send()).await?;
    }
    Ok(())
}

/// Of all objects of a sort, given with their ids and names, those that are selected, with their tags.
async fn selected<T: Send>(
    cx: &Context,
    sort: &Sort,
    read: &Read<'_>,
    all: Vec<(String, String, T)>,
) -> Result<Vec<(T, Tags)>, ApiError> {
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let wanted = read.selection.tags();
    let prefix = wanted
        .as_ref()
        .and_then(|tags| Some(name_prefix(tags.get(ownership::PROJECT)?, tags.get(ownership::ENVIRONMENT)?)));
    let index = tagging::of_service(cx, &format!("ssm:{}", sort.index), &read.selection).await?;
    let mark = format!(":{}/", sort.index);
    let mut known: BTreeMap<&str, Tags> =
        index.iter().filter_map(|(arn, tags)| Some((arn.split_once(&mark)?.1, tags.clone()))).collect();
    let candidates = all.into_iter().filter_map(|(id, name, it)| {
        let tags = known.remove(id.as_str());
        let chosen = match &read.selection {
            Selection::Ids(ids) => ids.contains(&id),
            Selection::Owned { .. } | Selection::Tagged(_) => {
                tags.is_some() || prefix.as_ref().is_some_and(|p| name.starts_with(p.as_str()))
            }
        };
        chosen.then_some((id, it, tags))
    });
    let asked = stream::iter(candidates.collect::<Vec<_>>()).map(|(id, it, tags)| async move {
        let tags = match tags {
            Some(tags) => Some(tags),
            None => tags_of(cx, sort, &id).await?,
        };
        Ok::<_, ApiError>(tags.filter(|tags| read.selection.matches(&id, tags)).map(|tags| (it, tags)))
    });
    let found: Vec<Option<(T, Tags)>> = asked.buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Values by key, the values of each sorted: their order means nothing.
type Values = BTreeMap<String, Vec<String>>;

fn sorted(mut values: Values) -> Values {
    values.values_mut().for_each(|v| v.sort());
    values
}

/// Reads [`Values`] in their one order.
fn read_sorted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Values, D::Error> {
    Values::deserialize(deserializer).map(sorted)
}

/// Reads [`Values`] that may be left out.
fn read_some_sorted<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Values>, D::Error> {
    Ok(Option::<Values>::deserialize(deserializer)?.map(sorted))
}
