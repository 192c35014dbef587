//! Databases. What its kinds share: identifiers, tags, lists that show no tags, calls that are refused while something
//! is busy.

mod backups;
mod cluster_calls;
pub mod cluster_members;
pub mod cluster_parameter_group;
mod cluster_read;
pub mod database;
mod database_calls;
pub mod database_cluster;
mod database_read;
pub mod database_snapshot;
pub mod option_group;
pub mod parameter_group;
mod parameters;
pub mod settings;
mod snapshot_calls;
mod states;
pub mod subnet_group;

use std::collections::BTreeMap;
use std::future::Future;

use aws_sdk_rds::types::Tag;
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::client::Context;
use super::kind::{Create, Selection, Tags};
use super::preflight::kind::{Holder, Name, Quota, Tally};
use super::tagging;
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::kind::Kind;
use crate::model::observed::Object;
use crate::model::ownership::{self, Owner};
use crate::model::preflight::View;
use crate::model::types::Ref;

/// Longest name of a group of subnets, parameters or options.
const GROUP_NAME: usize = 255;
/// Calls for the tags of single objects under way at once.
const AT_ONCE: usize = 8;

/// A physical name as RDS takes it: lower case letters, digits and single hyphens, a letter first, no hyphen last, at
/// most `limit` characters. One that has to be changed for that ends in 8 hexadecimal digits of a hash of what it was,
/// so that addresses that differ in case only have different names.
fn identifier(name: &str, limit: usize) -> String {
    let plain = plain(name);
    let mut plain = plain.trim_end_matches('-');
    if plain == name && name.len() <= limit {
        return name.to_owned();
    }
    plain = &plain[..plain.len().min(limit - 9)];
    format!("{}-{}", plain.trim_end_matches('-'), ownership::hash(name, 8))
}

/// What all identifiers of an environment begin with, unless the limit cuts them short before it ends.
fn prefix(project: &str, environment: &str) -> String {
    plain(&ownership::name_prefix(project, environment))
}

/// In lower case, a letter first, hyphens one by one. Physical names are ASCII.
fn plain(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    for c in name.chars() {
        if c != '-' || !(plain.is_empty() || plain.ends_with('-')) {
            plain.push(c.to_ascii_lowercase());
        }
    }
    if !plain.starts_with(|c: char| c.is_ascii_lowercase()) {
        plain.insert_str(0, "s-");
    }
    plain
}

/// The name that a view's object has or will have.
fn own_name(view: &View<'_>, limit: usize) -> Option<Name> {
    let derived = view.spec.get("name").is_none_or(|name| name.is_null());
    view.own_name().map(|name| Name::new(if derived { identifier(name, limit) } else { name.to_owned() }))
}

/// Tags in the API's form.
fn to_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(k, v)| Tag::builder().key(k).value(v).build()).collect()
}

/// Tags from the API's form.
fn from_tags(tags: &[Tag]) -> Tags {
    tags.iter().filter_map(|t| Some((t.key()?.to_owned(), t.value().unwrap_or_default().to_owned()))).collect()
}

/// Sets and removes tags of any object of RDS, by its ARN.
async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
    let arn = object.attributes.get("arn").and_then(Value::as_str).unwrap_or_default();
    if !set.is_empty() {
        let request = cx.clients.rds.add_tags_to_resource().resource_name(arn).set_tags(Some(to_tags(set)));
        cx.call("rds:AddTagsToResource", request.send()).await?;
    }
    if !remove.is_empty() {
        let request = cx.clients.rds.remove_tags_from_resource().resource_name(arn);
        cx.call("rds:RemoveTagsFromResource", request.set_tag_keys(Some(remove.to_vec())).send()).await?;
    }
    Ok(())
}

/// Something of a list that shows no tags.
struct Listed<T> {
    /// Its name, which is its id.
    name: String,
    /// Its ARN.
    arn: String,
    /// What the list tells of it.
    it: T,
}

/// Those of a list that are selected, with their tags. The index of tags (`what` is its type there, such as `rds:og`)
/// tells those of most; what it does not know yet, and has a name as we give them, is asked for its tags by itself.
async fn selected<T: Send>(
    cx: &Context,
    selection: &Selection<'_>,
    what: &str,
    list: impl Future<Output = Result<Vec<Listed<T>>, ApiError>> + Send,
) -> Result<Vec<(Listed<T>, Tags)>, ApiError> {
    let (all, mut index) = futures::try_join!(list, tagging::of_service(cx, what, selection))?;
    let ours = match selection {
        Selection::Owned { project, environment } => Some(prefix(project, environment)),
        Selection::Ids(_) => Some(String::new()),
        Selection::Tagged(_) => None,
    };
    let (mut found, mut unsure) = (Vec::new(), Vec::new());
    for listed in all {
        match index.remove(&listed.arn) {
            Some(tags) => found.push((listed, tags)),
            None if ours.as_ref().is_some_and(|prefix| listed.name.starts_with(prefix)) => unsure.push(listed),
            None => {}
        }
    }
    let asked: Vec<Option<(Listed<T>, Tags)>> = stream::iter(unsure)
        .map(|listed| async {
            let tags = tags_of(cx, &listed.arn).await?;
            Ok::<_, ApiError>(tags.filter(|t| selection.matches(&listed.name, t)).map(|t| (listed, t)))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    found.extend(asked.into_iter().flatten());
    Ok(found)
}

/// Tags of an object; none if it is gone.
async fn tags_of(cx: &Context, arn: &str) -> Result<Option<Tags>, ApiError> {
    let request = cx.clients.rds.list_tags_for_resource().resource_name(arn);
    match cx.call("rds:ListTagsForResource", request.send()).await {
        Ok(answer) => Ok(Some(from_tags(answer.tag_list()))),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Who has which of these names, in a list that shows no tags.
async fn holders<T>(cx: &Context, list: Vec<Listed<T>>, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
    let mut holders = Vec::new();
    for listed in list {
        let name = Name::new(listed.name);
        if names.contains(&name) {
            let owner = tags_of(cx, &listed.arn).await?.as_ref().and_then(Owner::from_tags);
            holders.push(Holder { id: name.name.clone(), name, owner });
        }
    }
    Ok(holders)
}

/// What the account uses of a quota and may have, as the service counts it.
async fn tally(cx: &Context, quotas: &[(&'static Quota, &str)]) -> Result<Option<Tally>, ApiError> {
    let answer = cx.call("rds:DescribeAccountAttributes", cx.clients.rds.describe_account_attributes().send()).await?;
    let mut all = Tally::default();
    for (quota, name) in quotas {
        let told = answer.account_quotas().iter().find(|q| q.account_quota_name() == Some(name));
        let number = |n: Option<i64>| n.and_then(|n| i32::try_from(n).ok());
        let one = Tally::told(quota, told.and_then(|q| number(q.used())), told.and_then(|q| number(q.max())));
        all.uses.extend(one.uses);
        all.limits.extend(one.limits);
    }
    Ok(Some(all))
}

/// Makes a call that the API refuses while what it is about is busy, or still counts as used by what has just gone;
/// again and again for some minutes, after which the API's own error tells.
async fn when_free<T, F>(
    cx: &Context,
    watch: &dyn Watch,
    what: String,
    call: impl Fn() -> F + Sync,
) -> Result<T, ApiError>
where
    T: Send,
    F: Future<Output = Result<T, ApiError>> + Send,
{
    let limit = cx.poll() * 300;
    cx.while_refused(watch, &what, limit, |e| e.class == ErrorClass::Conflict, call).await
}

/// The ARN of a reference's object, where the API takes nothing else; what is not owned is given by it.
fn arn_of<S, K: Kind>(want: &Create<'_, S>, reference: Option<&Ref<K>>) -> Result<Option<String>, ApiError> {
    let Some(reference) = reference else { return Ok(None) };
    match want.attribute(reference, "arn") {
        Some(arn) => Ok(Some(arn)),
        None => want.id(reference).map(Some),
    }
}

/// The id of a reference's object.
fn id_of<S, K: Kind>(want: &Create<'_, S>, reference: Option<&Ref<K>>) -> Result<Option<String>, ApiError> {
    reference.map(|r| want.id(r)).transpose()
}

/// The ids of a list of references; none if it is not given.
fn ids_of<S, K: Kind>(want: &Create<'_, S>, references: Option<&Vec<Ref<K>>>) -> Result<Option<Vec<String>>, ApiError> {
    references.map(|list| want.ids(list)).transpose()
}

/// A number of seconds, days or the like from the API, which are never negative.
fn count(number: Option<i32>) -> Option<u64> {
    number.and_then(|n| u64::try_from(n).ok())
}

/// A number for the API.
fn number(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// A map without the keys that another one has.
fn without<'m, V, W>(map: &'m BTreeMap<String, V>, other: &BTreeMap<String, W>) -> Vec<&'m String> {
    map.keys().filter(|key| !other.contains_key(*key)).collect()
}

#[cfg(test)]
mod tests;
