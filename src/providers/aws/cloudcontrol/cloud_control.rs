//! `cloud_control`: an object of any other type of AWS, by the type's name in CloudFormation, through the Cloud Control
//! API.
//!
//! Only declared properties are managed, at every depth: what is left out stays as the service has it, and is no
//! difference. What a property is comes from the type's schema in CloudFormation's registry, asked once a run, and
//! travels with each object that is read, as the attributes `fixed` and `unordered`; so a plan knows which changes make
//! a new object necessary, and which lists have no order, without asking. Properties that are taken and never told
//! (passwords) are declared under `write_only`, and compared by the fingerprint in the object's tags; those that are
//! only told are in the attribute `outputs`. What a type calls otherwise is refused before anything is made.
//!
//! **Whose an object is, its tags say**: a type without tags at its creation is refused. The index of tags finds
//! objects by the tag `saiken:type`, and `identify.rs` their identifiers; what it does not show yet is among the
//! requests of the last hour, which the API lists. The creating call takes a client token. Each request runs in the
//! background and is waited for; one that an earlier run left under way is waited for first. Objects of the whole
//! account (roles, zones) are in the index of one region only: give them `region: us-east-1` (in that partition).
//!
//! What a handler reads back lacks all that is only taken, so that an update of anything else would tell it that those are
//! gone: each change repeats what `write_only` declares. A change of tags alone does not, as nothing tells it what is
//! declared.
//!
//! Nobody knows whether a type holds data: each object is guarded as if it did. The API calls the service with the
//! caller's own permissions: the type's handlers say which (`aws cloudformation describe-type`).
//! API: <https://docs.aws.amazon.com/cloudcontrolapi/latest/userguide/what-is-cloudcontrolapi.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::identify::{self, Known, TYPE, get, id};
use super::requests::carry_out;
use super::types::{self, TagProperty, TypeSchema, merged, stands};
use crate::model::cloud::{ApiError, ErrorClass, Unwatched, Watch};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Recovery, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::ADDRESS;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Checked, Needs};

/// The call that makes an object.
const MAKE: &str = "cloudformation:CreateResource";
/// The call that changes one.
const CHANGE: &str = "cloudformation:UpdateResource";

/// The kind `cloud_control`.
pub struct CloudControl;

/// An object of any type of CloudFormation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its type, as CloudFormation names it: `AWS::SQS::Queue`.
    #[serde(rename = "type")]
    #[schemars(regex(pattern = r"^[A-Za-z0-9]+::[A-Za-z0-9]+::[A-Za-z0-9]+$"), extend("x-change" = "replace"))]
    pub resource_type: String,
    /// Its properties, as CloudFormation's documentation of the type names them; without tags. Only what is given is
    /// managed. A property that can't change in place makes a new object necessary.
    #[schemars(extend("x-merge" = true, "x-replaces" = "fixed", "x-sets" = "unordered"))]
    pub properties: Value,
    /// Properties that the service takes and never tells, such as passwords.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-fingerprint" = true, "x-sensitive" = true))]
    pub write_only: Option<Value>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

impl Kind for CloudControl {
    const NAME: &'static str = "cloud_control";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "object of any type of CloudFormation",
            service: "cloudformation",
            reference: "https://docs.aws.amazon.com/cloudcontrolapi/latest/APIReference/API_CreateResource.html",
            scope: Scope::Regional,
            data: Some(Recovery::Nothing("Whether the type holds data is not known: save what it holds before")),
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const {
                &[
                    Attribute::stable("id", "Type and identifier, AWS::SQS::Queue/…"),
                    Attribute::stable("identifier", "By which the API knows it: an ARN, a name or a URL"),
                    Attribute::stable("arn", "ARN, if the type tells one"),
                    Attribute::changing("outputs", "All properties that the service tells"),
                    Attribute::changing("fixed", "Properties whose change makes a new object necessary"),
                    Attribute::changing("unordered", "Lists whose order means nothing"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "cloudformation:DescribeType",
                    "cloudformation:GetResource",
                    "cloudformation:GetResourceRequestStatus",
                    "cloudformation:ListResourceRequests",
                    "cloudformation:ListResources",
                    "tag:GetResources",
                ],
                create: &["cloudformation:CreateResource", "cloudformation:GetResourceRequestStatus"],
                update: &["cloudformation:UpdateResource", "cloudformation:GetResourceRequestStatus"],
                delete: &["cloudformation:DeleteResource", "cloudformation:GetResourceRequestStatus"],
            },
            name_limit: 0,
            creation_seconds: 30,
            deletion_seconds: 30,
            quota: 1_000_000,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        for (field, tree) in [("properties", Some(&spec.properties)), ("write_only", spec.write_only.as_ref())] {
            if tree.is_some_and(|tree| !tree.is_object()) {
                problems.add(field, "properties have names", "write a mapping, as in a template of CloudFormation");
            }
        }
        let both = spec.write_only.as_ref().and_then(Value::as_object).into_iter().flat_map(Map::keys);
        for name in both.filter(|name| spec.properties.get(name.as_str()).is_some()) {
            problems.add(format!("write_only.{name}"), "the property is given twice", "leave one of the two out");
        }
    }
}

#[async_trait]
impl Checked for CloudControl {
    fn needs() -> Needs {
        Needs { resource: "resource/*", only_for: &[] }
    }
}

#[async_trait]
impl AwsKind for CloudControl {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        Ok(identify::all(cx, &read.selection).await?.into_iter().map(found).collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let (spec, kind) = (want.spec, want.spec.resource_type.as_str());
        let schema = types::of(cx, kind).await?;
        let tags = checked(&schema, spec, MAKE)?;
        let mut all = want.tags.clone();
        all.insert(TYPE.to_owned(), kind.to_owned());
        let mut wanted =
            spec.write_only.as_ref().map_or_else(|| spec.properties.clone(), |w| merged(Some(&spec.properties), w));
        wanted[tags.name.as_str()] = tags.value(&all);
        let wanted = wanted.to_string();
        let what = format!("{kind} {}", want.name);
        let call = async {
            let made = carry_out(cx, want.watch, MAKE, &what, || async {
                let request = cx.clients.cloudcontrol.create_resource().type_name(kind).desired_state(&wanted);
                Ok(cx.call(MAKE, request.client_token(want.token).send()).await?.progress_event)
            });
            let identifier = made.await?.identifier.unwrap_or_default();
            Ok(id(kind, &identifier))
        };
        create_once::<Self>(cx, want, None, call).await
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let spec = update.want.spec;
        let object = there(cx, update.id).await?;
        checked(&object.schema, spec, CHANGE)?;
        let patch = patch(&object, spec, update.changed("write_only"));
        if patch.is_empty() {
            return Ok(());
        }
        write(cx, &object, &patch, update.want.watch).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let operation = "cloudformation:DeleteResource";
        let (kind, identifier) = delete.id.split_once('/').unwrap_or_default();
        carry_out(cx, delete.watch, operation, delete.id, || async {
            let request = cx.clients.cloudcontrol.delete_resource().type_name(kind).identifier(identifier);
            Ok(cx.call(operation, request.send()).await?.progress_event)
        })
        .await
        .map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        let known = there(cx, &object.id).await?;
        let Some(property) = known.schema.tags.as_ref().filter(|t| t.updatable) else {
            let message =
                format!("the tags of an {} can't be changed, and so nothing that they have to say", known.kind);
            return Err(ApiError::new(CHANGE, ErrorClass::Invalid, message));
        };
        let mut tags = known.tags.clone();
        tags.extend(set.clone());
        // By this one the index finds it, as long as it has an owner.
        if set.contains_key(ADDRESS) {
            tags.insert(TYPE.to_owned(), known.kind.clone());
        }
        let free = remove.iter().any(|tag| tag == ADDRESS);
        tags.retain(|tag, _| !(remove.contains(tag) || tag.starts_with("aws:") || free && tag == TYPE));
        if tags == known.tags {
            return Ok(());
        }
        let patch = [json!({"op": "add", "path": pointer(&property.name), "value": property.value(&tags)})];
        write(cx, &known, &patch, &Unwatched).await
    }
}

/// The object of this id.
async fn there(cx: &Context, id: &str) -> Result<Known, ApiError> {
    let (kind, identifier) = id.split_once('/').unwrap_or_default();
    let missing = || ApiError::new(CHANGE, ErrorClass::NotFound, format!("{id} is not there"));
    get(cx, kind, identifier).await?.ok_or_else(missing)
}

/// The property that holds the tags, if all that is declared is what the type's schema says of it.
fn checked<'s>(schema: &'s TypeSchema, spec: &Spec, operation: &str) -> Result<&'s TagProperty, ApiError> {
    let refused = |message: String| Err(ApiError::new(operation, ErrorClass::Invalid, message));
    let (kind, properties) = (&spec.resource_type, &spec.properties);
    let Some(tags) = &schema.tags else {
        return refused(format!(
            "an {kind} has no tags from its creation on: nothing would tell whose it is, and a second one would be made \
             after an interruption. Make it by other means, and refer to it by its id"
        ));
    };
    if properties.get(&tags.name).is_some() {
        return refused(format!("the tags of an {kind} are declared as `tags`, not as property {}", tags.name));
    }
    if let Some(path) = schema.write_only.iter().find(|path| stands(properties, path)) {
        return refused(format!("an {kind} never tells {path}: declare it under `write_only`"));
    }
    if let Some(path) = schema.read_only.iter().find(|path| stands(properties, path)) {
        return refused(format!("{path} of an {kind} is told by the service, and can't be chosen: leave it out"));
    }
    Ok(tags)
}

/// What must be written so that an object is as declared: its top properties that are not, each with what else can be
/// declared in it, and with any of them those that are never told. `taken`: those have changed.
fn patch(object: &Known, spec: &Spec, taken: bool) -> Vec<Value> {
    let fixed = |name: &String| object.schema.create_only.contains(name);
    let add = |name: &String, value: Value| json!({"op": "add", "path": pointer(name), "value": value});
    // What is only told is not sent back.
    let there = object.schema.declarable(&object.properties);
    let mut patch = Vec::new();
    for (name, wanted) in spec.properties.as_object().into_iter().flatten().filter(|(name, _)| !fixed(name)) {
        let current = there.get(name);
        let value = merged(current, wanted);
        if current != Some(&value) {
            patch.push(add(name, value));
        }
    }
    if !taken && patch.is_empty() {
        return patch;
    }
    let never_told = spec.write_only.as_ref().and_then(Value::as_object).into_iter().flatten();
    for (name, wanted) in never_told.filter(|(name, _)| taken || !fixed(name)) {
        patch.push(add(name, merged(there.get(name), wanted)));
    }
    patch
}

/// A property's name as a JSON pointer.
fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

async fn write(cx: &Context, object: &Known, patch: &[Value], watch: &dyn Watch) -> Result<(), ApiError> {
    let (document, what) = (json!(patch).to_string(), id(&object.kind, &object.identifier));
    // The SDK gives each change a token of its own, so that its repetitions have no further effect.
    carry_out(cx, watch, CHANGE, &what, || async {
        let request = cx.clients.cloudcontrol.update_resource().type_name(&object.kind).identifier(&object.identifier);
        Ok(cx.call(CHANGE, request.patch_document(&document).send()).await?.progress_event)
    })
    .await
    .map(drop)
}

fn found(object: Known) -> Found<Spec> {
    let Known { schema, kind, identifier, properties, tags, pending } = object;
    let arn = properties.get("Arn").and_then(Value::as_str).map(str::to_owned);
    let id = id(&kind, &identifier);
    Found {
        identifiers: std::iter::once(identifier.clone()).chain(arn.clone()).collect(),
        spec: Spec { resource_type: kind, properties: schema.declarable(&properties), write_only: None, tags: None },
        attributes: attributes([
            ("id", json!(id)),
            ("identifier", json!(identifier)),
            ("arn", json!(arn)),
            ("outputs", properties),
            ("fixed", json!(schema.create_only)),
            ("unordered", json!(schema.sets)),
        ]),
        status: if pending { Status::Pending("creating".to_owned()) } else { Status::Ready },
        tags,
        unread: vec!["write_only"],
        id,
    }
}

#[cfg(test)]
mod tests;
