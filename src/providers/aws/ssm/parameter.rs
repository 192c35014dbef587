//! `parameter`: a value of the configuration, by its name.
//!
//! Its name is its id; the derived one is a path, `/PROJECT/ENVIRONMENT/…`. Name and `type` make a new parameter
//! necessary. The creating call carries the tags and refuses a name that is taken, so that a new run finds what an
//! earlier one made by its name. The API keeps the name of a deleted parameter for about half a minute: that is waited
//! for.
//!
//! All parameters of an environment come in pages of 50, chosen by their tags; the tags themselves come from the index
//! of tags, or from a call for a parameter that the index does not know yet. Values come ten a call, where they are
//! declared; that of a secure one is never read, and is compared by its fingerprint in the tags. The API writes a
//! parameter whole, value included, so a change of anything is a new version.
//! API: <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html>

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_ssm::error::BuildError;
use aws_sdk_ssm::types::{
    ParameterMetadata, ParameterStringFilter, ParameterTier, ParameterType, ResourceTypeForTagging, Tag,
};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::parameter_parts::{DataType, Policies, Tier, Type};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::{self, Owner};
use crate::model::preflight::View;
use crate::model::types::Ref;
use crate::model::value::is_unknown_text;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs};
use crate::providers::aws::tagging;

/// Calls for single parameters under way at once.
const AT_ONCE: usize = 8;
/// Most parameters of a page, and most names in a question for them.
const PAGE: usize = 50;
/// Most values of a call.
const VALUES: usize = 10;
/// Longest time until the name of a deleted parameter is free again: the documentation speaks of 30 seconds.
const FREE_WITHIN: Duration = Duration::from_secs(90);

/// The kind `parameter`.
pub struct Parameter;

/// A value of the configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name: letters, digits and `_.-`, or a path of them, `/shop/production/host`, of 15 parts at most; derived
    /// from the address if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1011), regex(pattern = r"^[A-Za-z0-9_./-]+$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// What it holds.
    #[serde(rename = "type")]
    #[schemars(extend("x-change" = "replace"))]
    pub ty: Type,
    /// The value of one of type `text` or `list` (commas between the items).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192), extend("x-deep" = true))]
    pub value: Option<String>,
    /// The value of one of type `secure`; mostly from a secret of the files (`{{ secret.… }}`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8192), extend("x-sensitive" = true, "x-fingerprint" = true))]
    pub secret: Option<String>,
    /// Key that encrypts one of type `secure` (by ARN, if it is not owned); the account's own key if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Ref<Key>>,
    /// What it may be like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<Tier>,
    /// What happens to it with time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<Policies>,
    /// Regular expression that a value must match; empty for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub allowed_pattern: Option<String>,
    /// What the API checks a text for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_type: Option<DataType>,
    /// What it is for; 1,024 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Kind for Parameter {
    const NAME: &'static str = "parameter";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "value of the configuration",
            service: "ssm",
            reference: "https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Its name"),
                    Attribute::stable("name", "Name"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::changing("version", "Number of its version"),
                ]
            },
            permissions: Permissions {
                read: &["ssm:DescribeParameters", "ssm:GetParameters", "ssm:ListTagsForResource", "tag:GetResources"],
                create: &["ssm:PutParameter", "ssm:AddTagsToResource", "kms:Encrypt", "kms:GenerateDataKey"],
                update: &[
                    "ssm:PutParameter",
                    "ssm:AddTagsToResource",
                    "ssm:RemoveTagsFromResource",
                    "kms:Encrypt",
                    "kms:GenerateDataKey",
                ],
                delete: &["ssm:DeleteParameter"],
            },
            name_limit: 512,
            creation_seconds: 1,
            deletion_seconds: 1,
            quota: 10_000,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if let Some(name) = spec.name.as_deref().filter(|n| !is_unknown_text(n)) {
            check_name(name, problems);
        }
        let (given, other) = match spec.ty {
            Type::Text | Type::List => (("value", &spec.value), ("secret", &spec.secret)),
            Type::Secure => (("secret", &spec.secret), ("value", &spec.value)),
        };
        if given.1.is_none() {
            let help = format!("give `{}`", given.0);
            problems.add(given.0, "a parameter has a value", help);
        }
        if other.1.is_some() {
            let message = format!("it is not of a type that has `{}`", other.0);
            problems.add(other.0, message, format!("give `{}`, or another `type`", given.0));
        }
        let advanced = spec.tier == Some(Tier::Advanced);
        let most = if advanced { 8192 } else { 4096 };
        if let Some(value) = given.1.as_deref().filter(|v| !is_unknown_text(v) && v.len() > most) {
            let message = format!("it has {} bytes, and {most} are allowed", value.len());
            problems.add(given.0, message, "set `tier: advanced` (8,192 bytes), or shorten it");
        }
        if spec.ty != Type::Secure && spec.key.is_some() {
            problems.add("key", "only the type `secure` is encrypted with a key", "leave `key` out");
        }
        if spec.ty != Type::Text && spec.data_type.is_some_and(|d| d != DataType::Text) {
            problems.add("data_type", "the API checks only the type `text`", "leave `data_type` out");
        }
        if let Some(policies) = &spec.policies {
            policies.check(advanced, problems);
        }
    }
}

/// <https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html>
fn check_name(name: &str, problems: &mut Problems) {
    let parts: Vec<&str> = name.trim_start_matches('/').split('/').collect();
    let first = parts[0].to_lowercase();
    if let Some(word) = ["aws", "ssm"].iter().find(|word| first.starts_with(**word)) {
        problems.add("name", format!("the API keeps names that begin with `{word}` for itself"), "begin otherwise");
    }
    if parts.iter().any(|part| part.is_empty()) {
        problems.add("name", format!("a part of the path `{name}` is empty"), "write /shop/production/host, for one");
    } else if parts.len() > 1 && !name.starts_with('/') {
        problems.add("name", "a path begins with `/`", format!("write /{name}"));
    }
    if parts.len() > 15 {
        problems.add("name", "a path has 15 parts at most", "shorten it");
    }
}

#[async_trait]
impl Checked for Parameter {
    fn needs() -> Needs {
        Needs { resource: "parameter/*", only_for: &[("kms:Encrypt", &["key"]), ("kms:GenerateDataKey", &["key"])] }
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        let (project, environment) = view.owner();
        let own = view.spec.get("name").is_some();
        let name = view.own_name().map(|n| if own { n.to_owned() } else { derived(project, environment, n) });
        name.map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let all: Vec<String> = names.iter().map(|n| n.name.clone()).collect();
        let found = stream::iter(by_name(cx, &all).await?).map(|parameter| async move {
            let name = parameter.name.unwrap_or_default();
            let owner = tags(cx, &name).await?.as_ref().and_then(Owner::from_tags);
            Ok::<_, ApiError>(Holder { name: Name::new(name.clone()), id: name, owner })
        });
        found.buffered(AT_ONCE).try_collect().await
    }
}

#[async_trait]
impl AwsKind for Parameter {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let (parameters, index) = match &read.selection {
            Selection::Ids(ids) => (by_name(cx, ids).await?, BTreeMap::new()),
            Selection::Owned { .. } | Selection::Tagged(_) => {
                let filters = read.selection.tags().unwrap_or_default();
                let filters = filters.iter().map(|(key, value)| filter(&format!("tag:{key}"), [value.clone()]));
                let filters: Result<Vec<_>, ApiError> = filters.collect();
                futures::try_join!(described(cx, filters?), tagging::of_service(cx, "ssm", &read.selection))?
            }
        };
        // Paths by name; a name without path has the ARN of the path of one part.
        let index: BTreeMap<String, Tags> =
            index.into_iter().filter_map(|(arn, t)| Some((arn.split_once(":parameter")?.1.to_owned(), t))).collect();
        let path = |name: &str| name.rfind('/').is_some_and(|at| at > 0);
        let all = parameters.into_iter().map(|p| {
            let known = p.name().filter(|n| path(n)).and_then(|n| index.get(n)).cloned();
            (p, known)
        });
        let all: Vec<Option<Found<Spec>>> = stream::iter(all.collect::<Vec<_>>())
            .map(|(parameter, known)| async move {
                let name = parameter.name().unwrap_or_default();
                let tags = match known {
                    Some(tags) => Some(tags),
                    None => tags(cx, name).await?,
                };
                let selected =
                    |t: &Tags| matches!(read.selection, Selection::Ids(_)) || read.selection.matches(name, t);
                Ok::<_, ApiError>(tags.filter(selected).map(|tags| found(&parameter, tags)))
            })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let mut all: Vec<Found<Spec>> = all.into_iter().flatten().collect();
        values(cx, read, &mut all).await?;
        Ok(all)
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let name = name(want);
        let once = cx.once();
        let request = put(&once, want, None, &name)?.overwrite(false).set_tags(Some(to_tags(want.tags)?));
        let call = async {
            // The name of one that was deleted a moment ago is taken, and nobody has it.
            once.wait(want.watch, &format!("the name {name} to be free"), FREE_WITHIN, || async {
                match once.call("ssm:PutParameter", request.clone().send()).await {
                    Ok(_) => Ok(Look::Done(name.clone())),
                    Err(e) if e.code.as_deref() == Some("ParameterAlreadyExists") => {
                        match by_name(cx, std::slice::from_ref(&name)).await?.is_empty() {
                            true => Ok(Look::Not(e.message)),
                            false => Err(e),
                        }
                    }
                    Err(e) => Err(e),
                }
            })
            .await
        };
        create_once::<Self>(cx, want, Some(&name), call).await
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let (spec, before) = (update.want.spec, update.before);
        if (before.tier, spec.tier) == (Some(Tier::Advanced), Some(Tier::Standard)) {
            let message = format!(
                "'{}' is an advanced parameter and can't become a standard one: declare it anew under another name",
                update.id
            );
            return Err(ApiError::new("ssm:PutParameter", ErrorClass::Invalid, message));
        }
        // Made again, it would make one more version.
        let once = cx.once();
        let request = put(&once, &update.want, Some(before), update.id)?.overwrite(true);
        once.call("ssm:PutParameter", request.send()).await.map(drop)
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.clients.ssm.delete_parameter().name(delete.id);
        cx.call("ssm:DeleteParameter", request.send()).await.map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        let (ssm, kind) = (&cx.clients.ssm, ResourceTypeForTagging::Parameter);
        if !set.is_empty() {
            let request = ssm.add_tags_to_resource().resource_type(kind.clone()).resource_id(&object.id);
            let request = request.set_tags(Some(to_tags(set)?));
            cx.call("ssm:AddTagsToResource", request.send()).await?;
        }
        if !remove.is_empty() {
            let request = ssm.remove_tags_from_resource().resource_type(kind).resource_id(&object.id);
            let request = request.set_tag_keys(Some(remove.to_vec()));
            cx.call("ssm:RemoveTagsFromResource", request.send()).await?;
        }
        Ok(())
    }
}

/// The name that derives from an address, with project and environment as the path's first parts.
fn derived(project: &str, environment: &str, physical: &str) -> String {
    let parts = [project, environment].map(|p| ownership::name_prefix(p, ""));
    let [project, environment] = parts.map(|p| p.trim_end_matches('-').to_owned());
    let rest = physical.strip_prefix(&format!("{project}-{environment}-"));
    match rest.filter(|_| !project.is_empty() && !environment.is_empty()) {
        Some(rest) => {
            // The API keeps some first words for itself.
            let first = project.to_lowercase();
            let ours = if first.starts_with("aws") || first.starts_with("ssm") { "saiken-" } else { "" };
            format!("/{ours}{project}/{environment}/{rest}")
        }
        None => format!("/saiken/{physical}"),
    }
}

/// The name of what is to be made.
fn name(want: &Create<'_, Spec>) -> String {
    let tag = |name: &str| want.tags.get(name).map(String::as_str).unwrap_or_default();
    let derive = || derived(tag(ownership::PROJECT), tag(ownership::ENVIRONMENT), want.name);
    want.spec.name.clone().unwrap_or_else(derive)
}

fn invalid(error: &BuildError) -> ApiError {
    ApiError::new("ssm:PutParameter", ErrorClass::Invalid, error.to_string())
}

fn to_tags(tags: &Tags) -> Result<Vec<Tag>, ApiError> {
    tags.iter().map(|(k, v)| Tag::builder().key(k).value(v).build()).collect::<Result<_, _>>().map_err(|e| invalid(&e))
}

fn filter(key: &str, values: impl IntoIterator<Item = String>) -> Result<ParameterStringFilter, ApiError> {
    let values = values.into_iter().collect();
    let filter = ParameterStringFilter::builder().key(key).option("Equals").set_values(Some(values));
    filter.build().map_err(|e| invalid(&e))
}

/// Parameters by all these filters.
async fn described(cx: &Context, filters: Vec<ParameterStringFilter>) -> Result<Vec<ParameterMetadata>, ApiError> {
    let page = i32::try_from(PAGE).unwrap_or(i32::MAX);
    let request = cx.clients.ssm.describe_parameters().set_parameter_filters(Some(filters)).max_results(page);
    let pages = cx.pages("ssm:DescribeParameters", request.into_paginator().send()).await?;
    Ok(pages.into_iter().flat_map(|p| p.parameters.unwrap_or_default()).collect())
}

/// Parameters by their names; what is not there is left out.
async fn by_name(cx: &Context, names: &[String]) -> Result<Vec<ParameterMetadata>, ApiError> {
    let mut all = Vec::new();
    for names in names.chunks(PAGE) {
        all.extend(described(cx, vec![filter("Name", names.iter().cloned())?]).await?);
    }
    Ok(all)
}

/// Tags of a parameter; none if it is gone.
async fn tags(cx: &Context, name: &str) -> Result<Option<Tags>, ApiError> {
    let request = cx.clients.ssm.list_tags_for_resource();
    let request = request.resource_type(ResourceTypeForTagging::Parameter).resource_id(name);
    match cx.call("ssm:ListTagsForResource", request.send()).await {
        Ok(answer) => Ok(Some(answer.tag_list().iter().map(|t| (t.key().to_owned(), t.value().to_owned())).collect())),
        // So the API says that there is no such parameter.
        Err(e) if e.class == ErrorClass::NotFound || e.code.as_deref() == Some("InvalidResourceId") => Ok(None),
        Err(e) => Err(e),
    }
}

fn found(parameter: &ParameterMetadata, tags: Tags) -> Found<Spec> {
    let name = parameter.name().unwrap_or_default().to_owned();
    let arn = parameter.arn();
    let ty = parameter.r#type().and_then(|t| Type::from_api(t.as_str())).unwrap_or(Type::Text);
    Found {
        identifiers: arn.map(str::to_owned).into_iter().collect(),
        attributes: attributes([
            ("id", json!(name)),
            ("name", json!(name)),
            ("arn", json!(arn)),
            ("version", json!(parameter.version().to_string())),
        ]),
        spec: Spec {
            name: Some(name.clone()),
            ty,
            value: None,
            secret: None,
            key: parameter.key_id().filter(|_| ty == Type::Secure).map(Ref::id),
            tier: parameter.tier().and_then(|t| Tier::from_api(t.as_str())),
            policies: Some(Policies::from_api(parameter.policies())),
            allowed_pattern: Some(parameter.allowed_pattern().unwrap_or_default().to_owned()),
            data_type: parameter.data_type().and_then(DataType::from_api),
            description: Some(parameter.description().unwrap_or_default().to_owned()),
            tags: None,
        },
        status: Status::Ready,
        tags,
        unread: vec!["secret"],
        id: name,
    }
}

/// Fills in the values that are wanted, never a secure one.
async fn values(cx: &Context, read: &Read<'_>, all: &mut [Found<Spec>]) -> Result<(), ApiError> {
    let open = |f: &&Found<Spec>| f.spec.ty != Type::Secure && read.wants("value", &f.tags);
    let names: Vec<String> = all.iter().filter(open).map(|f| f.id.clone()).collect();
    let mut values = BTreeMap::new();
    for names in names.chunks(VALUES) {
        let request = cx.clients.ssm.get_parameters().set_names(Some(names.to_vec())).with_decryption(false);
        let answer = cx.call("ssm:GetParameters", request.send()).await?;
        for parameter in answer.parameters.unwrap_or_default() {
            values.insert(parameter.name.unwrap_or_default(), parameter.value.unwrap_or_default());
        }
    }
    for found in all {
        found.spec.value = values.remove(&found.id);
        if found.spec.value.is_none() {
            found.unread.push("value");
        }
    }
    Ok(())
}

/// The call that writes a parameter, whole: what is not declared stays as it was.
fn put(
    cx: &Context,
    want: &Create<'_, Spec>,
    before: Option<&Spec>,
    name: &str,
) -> Result<aws_sdk_ssm::operation::put_parameter::builders::PutParameterFluentBuilder, ApiError> {
    let spec = want.spec;
    let arn = |key: &Ref<Key>| want.attribute(key, "arn").map_or_else(|| want.id(key), Ok);
    let key = match (&spec.key, before.and_then(|b| b.key.as_ref())) {
        (Some(key), _) => Some(arn(key)?),
        (None, Some(key)) => arn(key).ok(),
        (None, None) => None,
    };
    let kept = |text: Option<&String>| text.filter(|t| !t.is_empty()).cloned();
    let policies = match (&spec.policies, before.and_then(|b| b.policies.as_ref())) {
        (Some(wanted), Some(there)) if wanted == there => None,
        (Some(wanted), None) if *wanted == Policies::nothing() => None,
        (Some(wanted), _) => Some(wanted.api()),
        (None, _) => None,
    };
    let tier = spec.tier.or(before.and_then(|b| b.tier)).map(|t| ParameterTier::from(t.api()));
    let data_type = spec.data_type.or(before.and_then(|b| b.data_type)).map(|d| d.api().to_owned());
    Ok(cx
        .clients
        .ssm
        .put_parameter()
        .name(name)
        .r#type(ParameterType::from(spec.ty.api()))
        .set_value(spec.secret.clone().or_else(|| spec.value.clone()))
        .set_key_id(key.filter(|_| spec.ty == Type::Secure))
        .set_tier(tier)
        .set_policies(policies)
        .set_allowed_pattern(
            spec.allowed_pattern.clone().or_else(|| kept(before.and_then(|b| b.allowed_pattern.as_ref()))),
        )
        .set_data_type(data_type)
        .set_description(spec.description.clone().or_else(|| kept(before.and_then(|b| b.description.as_ref())))))
}

#[cfg(test)]
mod tests;
