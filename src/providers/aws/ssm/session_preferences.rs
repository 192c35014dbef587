//! `session_preferences`: how Session Manager holds sessions in the account and region.
//!
//! They are the document `SSM-SessionManagerRunShell`: one in each region, whose name is its id and can't be chosen.
//! One that is there and not ours (the console makes it as soon as somebody saves preferences there) must be adopted;
//! it is never written over. Its tags hold the owner, and come with the creating call, which takes no client token: a
//! name that is taken is the document if it carries our tags. Deleting it gives the service's own preferences back.
//!
//! A change is a new version, which is then made the default one. What is read is the default version, so that a run
//! that ended between the two is seen; the next one takes the version that is there. What is not declared stays as it
//! is in the document.
//! API: <https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-preferences-cli.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ssm::types::{DocumentStatus, DocumentType};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::document::{SORT, tags};
use super::document_calls::{Version, describe, version, write};
use super::payload::Payload;
use super::to_tags;
use super::window_calls::arn_of;
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::ownership::Owner;
use crate::model::preflight::View;
use crate::model::types::{Duration, Ref};
use crate::model::value::is_unknown_text;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::logs::log_group::LogGroup;
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs};
use crate::providers::aws::s3::bucket::Bucket;

/// The document's name.
pub(super) const NAME: &str = "SSM-SessionManagerRunShell";
/// Fields that the document's content holds.
const FIELDS: [&str; 12] = [
    "bucket",
    "prefix",
    "bucket_encrypted",
    "log_group",
    "log_group_encrypted",
    "log_streaming",
    "key",
    "idle_timeout",
    "max_duration",
    "run_as",
    "shell_linux",
    "shell_windows",
];

/// The kind `session_preferences`.
pub struct SessionPreferences;

/// How Session Manager holds sessions in the account and region; one a region.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Bucket that gets what is typed and shown, once a session is over; `{ id: "" }` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-anywhere" = true, "x-deep" = true))]
    pub bucket: Option<Ref<Bucket>>,
    /// What the names of these files begin with; empty for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 500), extend("x-deep" = true))]
    pub prefix: Option<String>,
    /// Whether a bucket that is not encrypted is refused; yes by default.
    #[serde(default = "yes")]
    #[schemars(extend("x-deep" = true))]
    pub bucket_encrypted: bool,
    /// Log group that gets what is typed and shown; `{ id: "" }` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub log_group: Option<Ref<LogGroup>>,
    /// Whether a log group without a key of its own is refused; yes by default.
    #[serde(default = "yes")]
    #[schemars(extend("x-deep" = true))]
    pub log_group_encrypted: bool,
    /// Whether lines reach the log group while a session goes on, rather than once it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub log_streaming: Option<bool>,
    /// Key that encrypts sessions, beside the encryption that they always have; `{ id: "" }` for none. Servers and
    /// users must be allowed to use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub key: Option<Ref<Key>>,
    /// How long a session in which nothing happens stays open, 1m to 60m in whole minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub idle_timeout: Option<Duration>,
    /// How long a session can be, 1m to 1d in whole minutes; `0s` for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub max_duration: Option<Duration>,
    /// As whom Linux servers see who is in a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub run_as: Option<RunAs>,
    /// What is run at the beginning of each session on Linux; 512 characters at most, empty for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), extend("x-deep" = true, "x-text" = "text"))]
    pub shell_linux: Option<String>,
    /// The same on Windows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512), extend("x-deep" = true, "x-text" = "text"))]
    pub shell_windows: Option<String>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

fn yes() -> bool {
    true
}

/// As whom Linux servers see who is in a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunAs {
    /// Whether it is the user that the tag `SSMSessionRunAs` of the caller's user or role names, or else `user`;
    /// otherwise it is `ssm-user`.
    pub enabled: bool,
    /// Name of a user of the servers; empty for none: then callers without the tag get no session.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub user: String,
}

impl Kind for SessionPreferences {
    const NAME: &'static str = "session_preferences";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "preferences of sessions on servers",
            service: "ssm",
            reference: "https://docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-preferences-cli.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::DeleteFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "The document's name, SSM-SessionManagerRunShell"),
                    Attribute::stable("name", "The document's name"),
                    Attribute::stable("arn", "The document's ARN"),
                ]
            },
            permissions: Permissions {
                read: &["ssm:DescribeDocument", "ssm:GetDocument"],
                create: &["ssm:CreateDocument", "ssm:AddTagsToResource"],
                update: &[
                    "ssm:GetDocument",
                    "ssm:UpdateDocument",
                    "ssm:DescribeDocument",
                    "ssm:ListDocumentVersions",
                    "ssm:UpdateDocumentDefaultVersion",
                    "ssm:AddTagsToResource",
                    "ssm:RemoveTagsFromResource",
                ],
                delete: &["ssm:DeleteDocument"],
            },
            name_limit: 0,
            creation_seconds: 1,
            deletion_seconds: 1,
            quota: 1,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        let whole = |time: &Duration, most: u64| {
            time.seconds().is_multiple_of(60) && (1..=most).contains(&(time.seconds() / 60))
        };
        let known = |time: &&Duration| !is_unknown_text(time.as_str());
        if let Some(idle) = spec.idle_timeout.as_ref().filter(known).filter(|t| !whole(t, 60)) {
            let message = format!("a session can't stay open for `{idle}` without a word");
            problems.add("idle_timeout", message, "write 1m to 60m");
        }
        if let Some(longest) = spec.max_duration.as_ref().filter(known)
            && longest.seconds() > 0
            && !whole(longest, 1440)
        {
            problems.add("max_duration", format!("a session can't be `{longest}` long"), "write 1m to 1d, or 0s");
        }
        if let Some(run_as) = spec.run_as.as_ref().filter(|r| !r.enabled && !r.user.is_empty()) {
            let message = format!("`{}` is the user of nobody", run_as.user);
            problems.add("run_as.user", message, "set `enabled: true`, or leave it out");
        }
    }
}

#[async_trait]
impl Checked for SessionPreferences {
    fn needs() -> Needs {
        Needs {
            resource: "document/SSM-SessionManagerRunShell",
            only_for: &[
                ("ssm:UpdateDocument", &FIELDS),
                ("ssm:UpdateDocumentDefaultVersion", &FIELDS),
                ("ssm:ListDocumentVersions", &[]),
            ],
        }
    }

    fn names(_: &View<'_>) -> Vec<Name> {
        vec![Name::new(NAME)]
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let there = describe(cx, NAME).await?.filter(|_| !names.is_empty());
        let holder =
            there.map(|d| Holder { name: Name::new(NAME), id: NAME.to_owned(), owner: Owner::from_tags(&tags(&d)) });
        Ok(holder.into_iter().collect())
    }
}

#[async_trait]
impl AwsKind for SessionPreferences {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        if matches!(read.selection, Selection::Ids(ids) if !ids.iter().any(|id| id.ends_with(NAME))) {
            return Ok(Vec::new());
        }
        let Some(document) = describe(cx, NAME).await? else { return Ok(Vec::new()) };
        let tags = tags(&document);
        if !matches!(read.selection, Selection::Ids(_)) && !read.selection.matches(NAME, &tags) {
            return Ok(Vec::new());
        }
        let deep = FIELDS.iter().any(|field| read.wants(field, &tags));
        let mut content = Value::Null;
        if deep {
            let Some(there) = version(cx, NAME, None, "JSON").await? else { return Ok(Vec::new()) };
            content = Payload::of_text(there.content().unwrap_or_default()).value().clone();
        }
        let arn = super::arn(&cx.region, document.owner().unwrap_or_default(), &format!("document/{NAME}"));
        Ok(vec![Found {
            id: NAME.to_owned(),
            identifiers: vec![arn.clone()],
            attributes: attributes([("id", json!(NAME)), ("name", json!(NAME)), ("arn", json!(arn))]),
            spec: spec_of(&content["inputs"]),
            status: match document.status() {
                Some(DocumentStatus::Creating) => Status::Pending("Creating".to_owned()),
                Some(DocumentStatus::Deleting) => Status::Deleting,
                _ => Status::Ready,
            },
            tags,
            unread: if deep { Vec::new() } else { FIELDS.to_vec() },
        }])
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let content = with_inputs(json!({}), inputs(want)?);
        let once = cx.once();
        let request = once
            .clients
            .ssm
            .create_document()
            .name(NAME)
            .document_type(DocumentType::Session)
            .document_format("JSON".into())
            .content(content.to_string())
            .set_tags(Some(to_tags(want.tags)?));
        let call = async {
            once.call("ssm:CreateDocument", request.send()).await?;
            Ok(NAME.to_owned())
        };
        create_once::<Self>(cx, want, Some(NAME), call).await
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let there = version(cx, NAME, None, "JSON").await?;
        let before = there.as_ref().and_then(|v| v.content()).unwrap_or_default();
        let content = with_inputs(Payload::of_text(before).value().clone(), inputs(&update.want)?);
        let content = Payload::of_text(&content.to_string());
        let version =
            Version { content: &content, format: "JSON", target_type: None, version_name: None, display_name: None };
        write(cx, NAME, &version, update.want.watch).await
    }

    async fn delete(cx: &Context, _: &Delete<'_, Spec>) -> Result<(), ApiError> {
        match cx.call("ssm:DeleteDocument", cx.clients.ssm.delete_document().name(NAME).send()).await {
            Err(e) if e.class == ErrorClass::NotFound => Ok(()),
            other => other.map(drop),
        }
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        super::retag(cx, &SORT, object, set, remove).await
    }
}

/// A document with these inputs in place of its own of the same names.
fn with_inputs(document: Value, inputs: Map<String, Value>) -> Value {
    let mut all = json!({
        "schemaVersion": "1.0",
        "description": "Preferences of sessions",
        "sessionType": "Standard_Stream",
        "inputs": {},
    });
    for (key, value) in document.as_object().into_iter().flatten() {
        all[key] = value.clone();
    }
    for (key, value) in inputs {
        match (&mut all["inputs"][key.as_str()], value) {
            (Value::Object(there), Value::Object(more)) => there.extend(more),
            (there, value) => *there = value,
        }
    }
    all
}

/// What is declared, in the document's words. The service takes numbers as texts.
fn inputs(want: &Create<'_, Spec>) -> Result<Map<String, Value>, ApiError> {
    let spec = want.spec;
    let minutes = |time: &Duration| match time.seconds() / 60 {
        0 => json!(""),
        minutes => json!(minutes.to_string()),
    };
    let shell = |text: &Option<String>| text.as_ref().map(|t| json!(t));
    let profiles: Map<String, Value> = [("linux", shell(&spec.shell_linux)), ("windows", shell(&spec.shell_windows))]
        .into_iter()
        .filter_map(|(system, text)| Some((system.to_owned(), text?)))
        .collect();
    let id = |id: Result<String, ApiError>| id.map(Value::String);
    let all = [
        ("s3BucketName", spec.bucket.as_ref().map(|b| id(want.id(b))).transpose()?),
        ("s3KeyPrefix", spec.prefix.as_ref().map(|p| json!(p))),
        ("s3EncryptionEnabled", Some(json!(spec.bucket_encrypted))),
        ("cloudWatchLogGroupName", spec.log_group.as_ref().map(|g| id(want.id(g))).transpose()?),
        ("cloudWatchEncryptionEnabled", Some(json!(spec.log_group_encrypted))),
        ("cloudWatchStreamingEnabled", spec.log_streaming.map(|s| json!(s))),
        ("kmsKeyId", spec.key.as_ref().map(|k| id(arn_of(want, k))).transpose()?),
        ("idleSessionTimeout", spec.idle_timeout.as_ref().map(minutes)),
        ("maxSessionDuration", spec.max_duration.as_ref().map(minutes)),
        ("runAsEnabled", spec.run_as.as_ref().map(|r| json!(r.enabled))),
        ("runAsDefaultUser", spec.run_as.as_ref().map(|r| json!(r.user))),
        ("shellProfile", (!profiles.is_empty()).then_some(Value::Object(profiles))),
    ];
    Ok(all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect())
}

/// The preferences that a document holds; what it does not say is as the service has it.
fn spec_of(inputs: &Value) -> Spec {
    let text = |key: &str| inputs[key].as_str().unwrap_or_default().to_owned();
    // The console writes numbers as texts; people may not.
    let minutes = |key: &str| {
        let number = inputs[key].as_u64().or_else(|| inputs[key].as_str()?.trim().parse().ok());
        number.map(|n| Duration::from_seconds(n * 60))
    };
    let flag = |key: &str| inputs[key].as_bool().or_else(|| inputs[key].as_str()?.parse().ok());
    let shell = |system: &str| inputs["shellProfile"][system].as_str().unwrap_or_default().to_owned();
    Spec {
        bucket: Some(Ref::id(text("s3BucketName"))),
        prefix: Some(text("s3KeyPrefix")),
        bucket_encrypted: flag("s3EncryptionEnabled").unwrap_or(true),
        log_group: Some(Ref::id(text("cloudWatchLogGroupName"))),
        log_group_encrypted: flag("cloudWatchEncryptionEnabled").unwrap_or(true),
        log_streaming: Some(flag("cloudWatchStreamingEnabled").unwrap_or(false)),
        key: Some(Ref::id(text("kmsKeyId"))),
        idle_timeout: minutes("idleSessionTimeout").or(Some(Duration::from_seconds(20 * 60))),
        max_duration: minutes("maxSessionDuration").or(Some(Duration::from_seconds(0))),
        run_as: Some(RunAs { enabled: flag("runAsEnabled").unwrap_or(false), user: text("runAsDefaultUser") }),
        shell_linux: Some(shell("linux")),
        shell_windows: Some(shell("windows")),
        tags: None,
    }
}
