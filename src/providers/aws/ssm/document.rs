//! `document`: what Systems Manager runs (commands, runbooks) or goes by (policies, calendars, sessions).
//!
//! Its name is its id; name and type make a new document necessary. A changed document is a new version, which is then
//! made the default one: what is read is the default version, so that a run that ended between the two calls is seen. A
//! content that an earlier version has is not written again: the API refuses, and that version becomes the default. So
//! what else a version has changes only together with its content.
//!
//! The list of documents shows tags; for those without, the index of tags and the names that saiken gives are looked
//! at. The API takes no client token: a name that is taken is the document if it carries our tags. A document is never
//! shared with everybody; one that is shared must be taken back from all before it can be deleted. Attachments are left
//! alone (documents of type `Package` need them, and can't be made), as are the documents that AppConfig's
//! configurations require. The document of the preferences of sessions is [`super::session_preferences`].
//! API: <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreateDocument.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ssm::types::{DocumentDescription, DocumentKeyValuesFilter, DocumentStatus, ResourceTypeForTagging};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::document_calls::{Version, describe, share, shared_with, version, write};
use super::payload::Payload;
use super::session_preferences::NAME as PREFERENCES;
use super::{AT_ONCE, Sort, given, selected, to_tags};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::Owner;
use crate::model::preflight::View;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs};
use crate::providers::aws::words::words;

/// Beginnings of names that AWS keeps for itself.
const RESERVED: [&str; 3] = ["aws", "amazon", "amzn"];

/// The kind `document`.
pub struct Document;

pub(super) const SORT: Sort = Sort { tagging: ResourceTypeForTagging::Document, index: "document" };

/// What Systems Manager runs or goes by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, 3 to 128 letters, digits and `-_.`; derived from the address if left out. It can't begin with `aws`,
    /// `amazon` or `amzn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 3, max = 128),
        regex(pattern = r"^[A-Za-z0-9_.-]+$"),
        extend("x-change" = "replace")
    )]
    pub name: Option<String>,
    /// What it is.
    #[serde(rename = "type")]
    #[schemars(extend("x-change" = "replace"))]
    pub document_type: DocumentType,
    /// What it holds: a mapping, or a text (JSON, YAML, or that of a calendar); compared by its value. 64 KiB at most.
    /// A parameter of the document's own is written `\{{ name }}`.
    #[schemars(extend("x-deep" = true, "x-text" = "text"))]
    pub content: Payload,
    /// Form in which the service keeps it; if left out, JSON for a mapping, TEXT for the text of a calendar, YAML for any
    /// other text that can't be read as a mapping (because of tags such as `!Ref`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// Objects that it can run on, such as `/AWS::EC2::Instance`; `/` for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 200), regex(pattern = r"^/[\w.\-:/]*$"))]
    pub target_type: Option<String>,
    /// Name of the version with this content, such as `release-12`; no two versions have the same, so it changes with
    /// the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_.-]+$"))]
    pub version_name: Option<String>,
    /// Name that people are shown; 128 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), extend("x-deep" = true))]
    pub display_name: Option<String>,
    /// Ids of accounts that may use it; 1,000 at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 1000),
        inner(regex(pattern = r"^[0-9]{12}$")),
        extend("x-unordered" = true, "x-deep" = true)
    )]
    pub shared_with: Option<Vec<String>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

words! {
    /// What a document is.
    DocumentType {
        /// Commands that are run on servers.
        Command = "Command",
        /// A runbook: steps that call APIs.
        Automation = "Automation",
        /// A runbook that change requests are made from.
        ChangeTemplate = "Automation.ChangeTemplate",
        /// How a session on a server is held.
        Session = "Session",
        /// What servers are to be like.
        Policy = "Policy",
        /// Days on which changes may be made, or not.
        ChangeCalendar = "ChangeCalendar",
        /// A template of CloudFormation.
        CloudFormation = "CloudFormation",
        /// A template of a conformance pack.
        ConformancePackTemplate = "ConformancePackTemplate",
        /// A configuration of AppConfig.
        ApplicationConfiguration = "ApplicationConfiguration",
        /// What a configuration of AppConfig must look like.
        ApplicationConfigurationSchema = "ApplicationConfigurationSchema",
        /// Who need not be asked for access to servers.
        AutoApprovalPolicy = "AutoApprovalPolicy",
        /// Who must be asked for access to servers.
        ManualApprovalPolicy = "ManualApprovalPolicy",
        /// A problem, looked into.
        ProblemAnalysis = "ProblemAnalysis",
        /// How problems are looked into.
        ProblemAnalysisTemplate = "ProblemAnalysisTemplate",
        /// A configuration of Quick Setup.
        QuickSetup = "QuickSetup",
    }
}

words! {
    /// Form in which the service keeps a document.
    Format {
        /// JSON.
        Json = "JSON",
        /// YAML.
        Yaml = "YAML",
        /// Neither.
        Text = "TEXT",
    }
}

impl Kind for Document {
    const NAME: &'static str = "document";
    const PROVIDED: &'static [&'static str] = &["AWS-", "AWSSupport-", "Amazon"];
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "Systems Manager document",
            service: "ssm",
            reference: "https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreateDocument.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "Its name"),
                    Attribute::stable("name", "Name"),
                    Attribute::stable("arn", "ARN"),
                    Attribute::changing("default_version", "Number of the default version"),
                ]
            },
            permissions: Permissions {
                read: &[
                    "ssm:ListDocuments",
                    "ssm:DescribeDocument",
                    "ssm:GetDocument",
                    "ssm:DescribeDocumentPermission",
                    "ssm:ListTagsForResource",
                    "tag:GetResources",
                ],
                create: &[
                    "ssm:CreateDocument",
                    "ssm:AddTagsToResource",
                    "ssm:DescribeDocument",
                    "ssm:ModifyDocumentPermission",
                ],
                update: &[
                    "ssm:DescribeDocument",
                    "ssm:GetDocument",
                    "ssm:UpdateDocument",
                    "ssm:UpdateDocumentDefaultVersion",
                    "ssm:ListDocumentVersions",
                    "ssm:ModifyDocumentPermission",
                    "ssm:AddTagsToResource",
                    "ssm:RemoveTagsFromResource",
                ],
                delete: &["ssm:DescribeDocumentPermission", "ssm:ModifyDocumentPermission", "ssm:DeleteDocument"],
            },
            name_limit: 128,
            creation_seconds: 1,
            deletion_seconds: 1,
            quota: 500,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if let Some(name) = &spec.name {
            let lower = name.to_lowercase();
            if RESERVED.iter().any(|word| lower.starts_with(word)) {
                problems.add("name", format!("AWS keeps names such as `{name}` for itself"), "begin with another word");
            }
            if name == PREFERENCES {
                problems.add("name", "this document holds the preferences of sessions", "use `session_preferences`");
            }
        }
        let text = spec.content.value().is_string();
        if !text && spec.format == Some(Format::Text) {
            problems.add("format", "a mapping is kept as JSON or YAML", "leave it out");
        }
        if spec.content.to_text().len() > 65_536 {
            let message = format!("the content has {} bytes; 65,536 may be given", spec.content.to_text().len());
            problems.add("content", message, "split it into several documents");
        }
    }
}

#[async_trait]
impl Checked for Document {
    fn needs() -> Needs {
        Needs {
            resource: "document/{name}",
            only_for: &[
                ("ssm:UpdateDocument", &["content", "format", "target_type", "version_name", "display_name"]),
                (
                    "ssm:UpdateDocumentDefaultVersion",
                    &["content", "format", "target_type", "version_name", "display_name"],
                ),
                ("ssm:ListDocumentVersions", &[]),
                ("ssm:ModifyDocumentPermission", &["shared_with"]),
            ],
        }
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        view.own_name().map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let mut holders = Vec::new();
        for name in names {
            if let Some(document) = describe(cx, &name.name).await? {
                holders.push(Holder {
                    name: name.clone(),
                    id: name.name.clone(),
                    owner: Owner::from_tags(&tags(&document)),
                });
            }
        }
        Ok(holders)
    }
}

#[async_trait]
impl AwsKind for Document {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let ours: Vec<(Listed, Tags)> = match &read.selection {
            Selection::Ids(ids) => {
                let names: Vec<String> =
                    ids.iter().map(|id| name_of(id)).filter(|name| *name != PREFERENCES).map(str::to_owned).collect();
                let each = stream::iter(names).map(|name| async move { describe(cx, &name).await });
                let all: Vec<Option<DocumentDescription>> = each.buffered(AT_ONCE).try_collect().await?;
                all.into_iter().flatten().map(|d| (Listed::from(&d), tags(&d))).collect()
            }
            Selection::Owned { .. } | Selection::Tagged(_) => listed(cx, read).await?,
        };
        let each = stream::iter(ours).map(|(document, tags)| async move {
            match whole(cx, read, document, tags).await {
                // It went since the list was read.
                Err(e) if e.class == ErrorClass::NotFound => Ok(None),
                other => other,
            }
        });
        let found: Vec<Option<Found<Spec>>> = each.buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let name = spec.name.as_deref().unwrap_or(want.name);
        let once = cx.once();
        let request = once
            .clients
            .ssm
            .create_document()
            .name(name)
            .document_type(spec.document_type.api().into())
            .content(spec.content.to_text())
            .document_format(format(spec, None).api().into())
            .set_target_type(spec.target_type.clone())
            .set_version_name(spec.version_name.clone())
            .set_display_name(spec.display_name.clone())
            .set_tags(Some(to_tags(want.tags)?));
        let call = async {
            once.call("ssm:CreateDocument", request.send()).await?;
            Ok(name.to_owned())
        };
        create_once::<Self>(cx, want, Some(name), call).await?;
        share(cx, name, spec.shared_with.as_deref().unwrap_or_default(), &[]).await?;
        Ok(name.to_owned())
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let spec = update.want.spec;
        if ["content", "format", "target_type", "version_name", "display_name"].iter().any(|f| update.changed(f)) {
            if update.changed("content") && spec.version_name.is_some() && !update.changed("version_name") {
                let message =
                    "another content is another version, and no two have the same `version_name`: change it, too";
                return Err(ApiError::new("ssm:UpdateDocument", ErrorClass::Invalid, message));
            }
            // A version has all of it: what is not declared stays as the version before had it.
            let before = update.before;
            let version = Version {
                content: &spec.content,
                format: format(spec, before.format).api(),
                target_type: spec.target_type.as_deref().or(before.target_type.as_deref()),
                version_name: spec.version_name.as_deref().filter(|_| update.changed("version_name")),
                display_name: spec.display_name.as_deref().or(before.display_name.as_deref()),
            };
            write(cx, update.id, &version, update.want.watch).await?;
        }
        if let Some(want) = spec.shared_with.as_ref().filter(|_| update.changed("shared_with")) {
            let have = update.before.shared_with.clone().unwrap_or_default();
            let add: Vec<String> = want.iter().filter(|a| !have.contains(a)).cloned().collect();
            let remove: Vec<String> = have.iter().filter(|a| !want.contains(a)).cloned().collect();
            share(cx, update.id, &add, &remove).await?;
        }
        Ok(())
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let shared = shared_with(cx, delete.id).await?;
        share(cx, delete.id, &[], &shared).await?;
        let force = delete.spec.document_type == DocumentType::ApplicationConfigurationSchema;
        let request = cx.clients.ssm.delete_document().name(delete.id).set_force(force.then_some(true));
        cx.call("ssm:DeleteDocument", request.send()).await.map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        super::retag(cx, &SORT, object, set, remove).await
    }
}

/// The form in which a document is to be kept: as declared, or as before, unless that is none for its content.
fn format(spec: &Spec, before: Option<Format>) -> Format {
    let text = spec.content.value().is_string();
    let kept = before.filter(|format| *format != if text { Format::Json } else { Format::Text });
    let of_text = if spec.document_type == DocumentType::ChangeCalendar { Format::Text } else { Format::Yaml };
    let first = if text { of_text } else { Format::Json };
    spec.format.or(kept).unwrap_or(first)
}

/// The name at the end of an ARN; a name is one already.
fn name_of(id: &str) -> &str {
    id.split_once(":document/").map_or(id, |(_, name)| name)
}

pub(super) fn tags(document: &DocumentDescription) -> Tags {
    document.tags().iter().map(|t| (t.key().to_owned(), t.value().to_owned())).collect()
}

/// What list and description have in common.
struct Listed {
    name: String,
    owner: String,
    word: String,
    format: Option<Format>,
    target_type: Option<String>,
    version: Option<String>,
    version_name: Option<String>,
    status: Status,
}

impl From<&DocumentDescription> for Listed {
    fn from(document: &DocumentDescription) -> Self {
        Self {
            name: document.name().unwrap_or_default().to_owned(),
            owner: document.owner().unwrap_or_default().to_owned(),
            word: document.document_type().map(|t| t.as_str().to_owned()).unwrap_or_default(),
            format: document.document_format().and_then(|f| Format::from_api(f.as_str())),
            target_type: given(document.target_type()),
            version: given(document.default_version()),
            version_name: given(document.version_name()),
            status: match document.status() {
                Some(DocumentStatus::Creating) => Status::Pending("Creating".to_owned()),
                Some(DocumentStatus::Deleting) => Status::Deleting,
                Some(DocumentStatus::Failed) => {
                    Status::Failed(document.status_information().unwrap_or("no reason given").to_owned())
                }
                _ => Status::Ready,
            },
        }
    }
}

/// The account's own documents that are selected. The list shows tags; a document without any in it may have some all
/// the same.
async fn listed(cx: &Context, read: &Read<'_>) -> Result<Vec<(Listed, Tags)>, ApiError> {
    let own = DocumentKeyValuesFilter::builder().key("Owner").values("Self").build();
    let request = cx.clients.ssm.list_documents().filters(own).max_results(50).into_paginator().send();
    let pages = cx.pages("ssm:ListDocuments", request).await?;
    let (mut found, mut bare) = (Vec::new(), Vec::new());
    for document in pages.into_iter().flat_map(|p| p.document_identifiers.unwrap_or_default()) {
        let name = document.name().unwrap_or_default().to_owned();
        let tags: Tags = document.tags().iter().map(|t| (t.key().to_owned(), t.value().to_owned())).collect();
        let listed = Listed {
            name: name.clone(),
            owner: document.owner().unwrap_or_default().to_owned(),
            word: document.document_type().map(|t| t.as_str().to_owned()).unwrap_or_default(),
            format: document.document_format().and_then(|f| Format::from_api(f.as_str())),
            target_type: given(document.target_type()),
            version: given(document.document_version()),
            version_name: given(document.version_name()),
            status: Status::Ready,
        };
        match tags.is_empty() {
            _ if name == PREFERENCES => {}
            true => bare.push((name.clone(), name, listed)),
            false if read.selection.matches(&name, &tags) => found.push((listed, tags)),
            false => {}
        }
    }
    if !bare.is_empty() {
        found.extend(selected(cx, &SORT, read, bare).await?);
    }
    Ok(found)
}

/// A document with as many fields as are wanted of it; none if it went since it was listed.
async fn whole(cx: &Context, read: &Read<'_>, listed: Listed, tags: Tags) -> Result<Option<Found<Spec>>, ApiError> {
    let name = listed.name;
    let Some(document_type) = DocumentType::from_api(&listed.word) else {
        let message = format!("'{name}' is of type {}, which this version of saiken does not know", listed.word);
        return Err(ApiError::new("ssm:ListDocuments", ErrorClass::Other, message));
    };
    let mut unread = Vec::new();
    let (mut content, mut display_name, mut shared) = (Payload::of_text(""), None, None);
    if read.wants("content", &tags) || read.wants("display_name", &tags) {
        let Some(there) = version(cx, &name, None, listed.format.unwrap_or(Format::Json).api()).await? else {
            return Ok(None);
        };
        content = Payload::of_text(there.content().unwrap_or_default());
        display_name = there.display_name().filter(|t| !t.is_empty()).map(str::to_owned);
    } else {
        unread.extend(["content", "display_name"]);
    }
    if read.wants("shared_with", &tags) {
        shared = Some(shared_with(cx, &name).await?);
    } else {
        unread.push("shared_with");
    }
    let arn = super::arn(&cx.region, &listed.owner, &format!("document/{name}"));
    Ok(Some(Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([
            ("id", json!(name)),
            ("name", json!(name)),
            ("arn", json!(arn)),
            ("default_version", json!(listed.version)),
        ]),
        spec: Spec {
            name: Some(name.clone()),
            document_type,
            content,
            format: listed.format,
            target_type: listed.target_type,
            version_name: listed.version_name,
            display_name,
            shared_with: shared,
            tags: None,
        },
        status: listed.status,
        tags,
        unread,
        id: name,
    }))
}
