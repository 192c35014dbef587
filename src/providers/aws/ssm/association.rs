//! `association`: State Manager keeps servers as a document says, on a schedule.
//!
//! Its id is the API's; its name derives from the address and is not changed, so that a run that ended early finds by
//! it what it made, besides the index of tags. Another document makes a new association necessary. The API takes no
//! client token: after a lost answer the association with our tags is looked for before anything is made again.
//!
//! An update takes away whatever it does not repeat, so it repeats what the service has in the place of what is not
//! declared. It runs the association at once, unless `only_on_schedule` is set, as the creation does. What runs in
//! other accounts or regions (`TargetLocations`, `TargetMaps`) is left as it is and can't be declared. No emulator has
//! this API.
//! API: <https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreateAssociation.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ssm::types::{
    Association as Listed, AssociationDescription, InstanceAssociationOutputLocation, ResourceTypeForTagging,
    S3OutputLocation,
};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::document::Document;
use super::targets::Targets;
use super::window_calls::{alarm, arn_of, stop_alarm};
use super::window_parts::{StopAlarm, hours};
use super::{AT_ONCE, Sort, given, selected, to_tags};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::types::{Duration, Ref};
use crate::model::value::is_unknown_text;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Checked, Needs};
use crate::providers::aws::s3::bucket::Bucket;
use crate::providers::aws::words::words;

const HOUR: u64 = 3_600;
/// Fields that only a call for the single association shows.
const DEEP: [&str; 11] = [
    "parameters",
    "only_on_schedule",
    "severity",
    "max_concurrency",
    "max_errors",
    "output",
    "compliance",
    "calendars",
    "automation_target_parameter",
    "alarm",
    "role",
];

/// The kind `association`.
pub struct Association;

const SORT: Sort = Sort { tagging: ResourceTypeForTagging::Association, index: "association" };

/// State Manager keeps servers as a document says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// The document; `{ id: AWS-GatherSoftwareInventory }` for one that is not ours.
    #[schemars(extend("x-change" = "replace"))]
    pub document: Ref<Document>,
    /// The document's version: a number, `$DEFAULT` or `$LATEST`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(\$LATEST|\$DEFAULT|[1-9][0-9]*)$"))]
    pub document_version: Option<String>,
    /// Values of the document's parameters. They are shown in plans: put no secrets in them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub parameters: Option<BTreeMap<String, Vec<String>>>,
    /// Which servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    /// When it runs again: `cron(0 2 ? * SUN *)`, `rate(30 minutes)` or `at(2026-12-31T02:00:00)`, in UTC; left out,
    /// only when it or its targets change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), regex(pattern = r"^(cron|rate|at)\(.+\)$"))]
    pub schedule: Option<String>,
    /// Days that it runs after the day of a `cron` schedule, 1 to 6; it needs `only_on_schedule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 6))]
    pub schedule_offset: Option<i32>,
    /// Whether it runs only when the schedule says so, and not at once after it was made or changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub only_on_schedule: Option<bool>,
    /// After how long what is under way is cancelled, 1h to 24h; it needs `only_on_schedule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<Duration>,
    /// How bad it is if a server is not as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub severity: Option<Severity>,
    /// How many servers are worked on at once: a number, or a percentage (`10%`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^([1-9][0-9]*|[1-9][0-9]?%|100%)$"), extend("x-deep" = true))]
    pub max_concurrency: Option<String>,
    /// After how many errors no more servers are begun: a number, or a percentage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^(0|[1-9][0-9]*|[0-9]%|[1-9][0-9]%|100%)$"), extend("x-deep" = true))]
    pub max_errors: Option<String>,
    /// Bucket that gets what it prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub output: Option<Output>,
    /// Who says whether a server is as it should be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub compliance: Option<Compliance>,
    /// Change calendars that must all be open; those of others by name or ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true, "x-deep" = true))]
    pub calendars: Option<Vec<Ref<Document>>>,
    /// Parameter of a runbook that gets each target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 50), extend("x-deep" = true))]
    pub automation_target_parameter: Option<String>,
    /// Alarm that stops it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub alarm: Option<StopAlarm>,
    /// Role that State Manager takes on; its own service-linked one if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub role: Option<Ref<Role>>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

words! {
    /// How bad it is if a server is not as it should be.
    Severity {
        /// Critical.
        Critical = "CRITICAL",
        /// High.
        High = "HIGH",
        /// Medium.
        Medium = "MEDIUM",
        /// Low.
        Low = "LOW",
        /// Not said.
        Unspecified = "UNSPECIFIED",
    }
}

words! {
    /// Who says whether a server is as it should be.
    Compliance {
        /// The last run: whether it went well.
        Auto = "AUTO",
        /// Who calls `PutComplianceItems`.
        Manual = "MANUAL",
    }
}

/// Where what is printed goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Output {
    /// The bucket.
    #[schemars(extend("x-anywhere" = true))]
    pub bucket: Ref<Bucket>,
    /// What the names of the files begin with; empty for nothing.
    #[serde(default)]
    #[schemars(length(max = 500))]
    pub prefix: String,
    /// The bucket's region; that of the association if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

impl Kind for Association {
    const NAME: &'static str = "association";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "association of State Manager",
            service: "ssm",
            reference: "https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_CreateAssociation.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const { &[Attribute::stable("id", "Its id"), Attribute::stable("name", "Name")] },
            permissions: Permissions {
                read: &[
                    "ssm:ListAssociations",
                    "ssm:DescribeAssociation",
                    "ssm:ListTagsForResource",
                    "tag:GetResources",
                ],
                create: &["ssm:CreateAssociation", "ssm:AddTagsToResource", "iam:PassRole"],
                update: &[
                    "ssm:DescribeAssociation",
                    "ssm:UpdateAssociation",
                    "ssm:AddTagsToResource",
                    "ssm:RemoveTagsFromResource",
                    "iam:PassRole",
                ],
                delete: &["ssm:DeleteAssociation"],
            },
            name_limit: 128,
            creation_seconds: 2,
            deletion_seconds: 1,
            quota: 2000,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if let Some(targets) = &spec.targets {
            targets.check("targets", problems);
        }
        let cron = spec.schedule.as_ref().is_some_and(|s| s.starts_with("cron") || is_unknown_text(s));
        let only = spec.only_on_schedule == Some(true);
        if only && spec.schedule.as_ref().is_none_or(|s| s.starts_with("rate")) {
            let message = "there is no moment at which it could run";
            problems.add("only_on_schedule", message, "add a `cron` or `at` schedule, or leave it out");
        }
        if spec.schedule_offset.is_some() && !(cron && only) {
            let message = "only a `cron` schedule has an offset, and only with `only_on_schedule`";
            problems.add("schedule_offset", message, "add `only_on_schedule: true`, or leave it out");
        }
        if let Some(duration) = &spec.duration {
            let (length, known) = (duration.seconds(), !is_unknown_text(duration.as_str()));
            if known && (length % HOUR != 0 || !(1..=24).contains(&(length / HOUR))) {
                problems.add("duration", format!("nothing is cancelled after `{duration}`"), "write 1h to 24h");
            }
            if !only {
                problems.add("duration", "it counts only with `only_on_schedule`", "add `only_on_schedule: true`");
            }
        }
    }
}

#[async_trait]
impl Checked for Association {
    fn needs() -> Needs {
        Needs { resource: "association/*", only_for: &[("iam:PassRole", &["role"])] }
    }
}

#[async_trait]
impl AwsKind for Association {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        // 50 a page, the most that the API gives.
        let request = cx.clients.ssm.list_associations().max_results(50).into_paginator().send();
        let pages = cx.pages("ssm:ListAssociations", request).await?;
        let all = pages.into_iter().flat_map(|p| p.associations.unwrap_or_default()).map(|association| {
            let text = |t: Option<&str>| t.unwrap_or_default().to_owned();
            (text(association.association_id()), text(association.association_name()), association)
        });
        let ours = selected(cx, &SORT, read, all.collect()).await?;
        let each = stream::iter(ours).map(|(association, tags)| whole(cx, read, association, tags));
        let found: Vec<Option<Found<Spec>>> = each.buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let spec = want.spec;
        let once = cx.once();
        let request = once
            .clients
            .ssm
            .create_association()
            .name(want.id(&spec.document)?)
            .association_name(want.name)
            .set_document_version(spec.document_version.clone())
            .set_parameters(spec.parameters.clone().map(|p| p.into_iter().collect()))
            .set_targets(spec.targets.as_ref().map(|t| t.to_api(want)).transpose()?)
            .set_schedule_expression(spec.schedule.clone())
            .set_schedule_offset(spec.schedule_offset)
            .set_apply_only_at_cron_interval(spec.only_on_schedule)
            .set_duration(spec.duration.as_ref().and_then(hours))
            .set_compliance_severity(spec.severity.map(|s| s.api().into()))
            .set_max_concurrency(spec.max_concurrency.clone())
            .set_max_errors(spec.max_errors.clone())
            .set_output_location(spec.output.as_ref().map(|o| location(cx, want, o)).transpose()?)
            .set_sync_compliance(spec.compliance.map(|c| c.api().into()))
            .set_calendar_names(spec.calendars.as_ref().map(|c| want.ids(c)).transpose()?)
            .set_automation_target_parameter_name(spec.automation_target_parameter.clone())
            .set_alarm_configuration(spec.alarm.as_ref().map(alarm).transpose()?)
            .set_association_dispatch_assume_role(spec.role.as_ref().map(|r| arn_of(want, r)).transpose()?)
            .set_tags(Some(to_tags(want.tags)?));
        let call = async {
            let answer = once.call("ssm:CreateAssociation", request.send()).await?;
            Ok(answer.association_description().and_then(|a| a.association_id()).unwrap_or_default().to_owned())
        };
        create_once::<Self>(cx, want, None, call).await
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let (want, spec) = (&update.want, update.want.spec);
        let Some(now) = describe(cx, update.id).await? else {
            let message = format!("'{}' is gone", update.id);
            return Err(ApiError::new("ssm:DescribeAssociation", ErrorClass::NotFound, message));
        };
        let targets = spec.targets.as_ref().map(|t| t.to_api(want)).transpose()?.or(now.targets);
        let output = spec.output.as_ref().map(|o| location(cx, want, o)).transpose()?.or(now.output_location);
        let role = spec.role.as_ref().map(|r| arn_of(want, r)).transpose()?;
        let request = cx
            .clients
            .ssm
            .update_association()
            .association_id(update.id)
            .name(want.id(&spec.document)?)
            .set_association_name(now.association_name)
            .set_document_version(spec.document_version.clone().or(now.document_version))
            .set_parameters(spec.parameters.clone().map(|p| p.into_iter().collect()).or(now.parameters))
            .set_targets(targets)
            .set_schedule_expression(spec.schedule.clone().or(now.schedule_expression))
            .set_schedule_offset(spec.schedule_offset.or(now.schedule_offset))
            .apply_only_at_cron_interval(spec.only_on_schedule.unwrap_or(now.apply_only_at_cron_interval))
            .set_duration(spec.duration.as_ref().and_then(hours).or(now.duration))
            .set_compliance_severity(spec.severity.map(|s| s.api().into()).or(now.compliance_severity))
            .set_max_concurrency(spec.max_concurrency.clone().or(now.max_concurrency))
            .set_max_errors(spec.max_errors.clone().or(now.max_errors))
            .set_output_location(output)
            .set_sync_compliance(spec.compliance.map(|c| c.api().into()).or(now.sync_compliance))
            .set_calendar_names(spec.calendars.as_ref().map(|c| want.ids(c)).transpose()?.or(now.calendar_names))
            .set_automation_target_parameter_name(
                spec.automation_target_parameter.clone().or(now.automation_target_parameter_name),
            )
            .set_target_locations(now.target_locations)
            .set_target_maps(now.target_maps)
            .set_alarm_configuration(spec.alarm.as_ref().map(alarm).transpose()?.or(now.alarm_configuration))
            .set_association_dispatch_assume_role(role.or(now.association_dispatch_assume_role));
        cx.call("ssm:UpdateAssociation", request.send()).await.map(drop)
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.clients.ssm.delete_association().association_id(delete.id);
        cx.call("ssm:DeleteAssociation", request.send()).await.map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        super::retag(cx, &SORT, object, set, remove).await
    }
}

/// An association; none if it is gone.
async fn describe(cx: &Context, id: &str) -> Result<Option<AssociationDescription>, ApiError> {
    let request = cx.clients.ssm.describe_association().association_id(id);
    match cx.call("ssm:DescribeAssociation", request.send()).await {
        Ok(answer) => Ok(answer.association_description),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn location(
    cx: &Context,
    want: &Create<'_, Spec>,
    output: &Output,
) -> Result<InstanceAssociationOutputLocation, ApiError> {
    let place = S3OutputLocation::builder()
        .output_s3_bucket_name(want.id(&output.bucket)?)
        .output_s3_key_prefix(&output.prefix)
        .output_s3_region(output.region.as_deref().unwrap_or(&cx.region));
    Ok(InstanceAssociationOutputLocation::builder().s3_location(place.build()).build())
}

/// An association with as many fields as are wanted of it; none if it went since the list was read.
async fn whole(cx: &Context, read: &Read<'_>, listed: Listed, tags: Tags) -> Result<Option<Found<Spec>>, ApiError> {
    let id = listed.association_id().unwrap_or_default().to_owned();
    let deep = DEEP.iter().any(|field| read.wants(field, &tags));
    let hours = |n: i32| u64::try_from(n).ok().map(|n| Duration::from_seconds(n * HOUR));
    let mut spec = Spec {
        document: Ref::id(listed.name().unwrap_or_default()),
        document_version: given(listed.document_version()),
        parameters: None,
        targets: Some(Targets::from_api(listed.targets())),
        schedule: given(listed.schedule_expression()),
        schedule_offset: listed.schedule_offset(),
        only_on_schedule: None,
        duration: listed.duration().and_then(hours),
        severity: None,
        max_concurrency: None,
        max_errors: None,
        output: None,
        compliance: None,
        calendars: None,
        automation_target_parameter: None,
        alarm: None,
        role: None,
        tags: None,
    };
    if deep {
        let Some(rest) = describe(cx, &id).await? else { return Ok(None) };
        fill(&mut spec, &rest);
    }
    let name = listed.association_name().unwrap_or_default();
    Ok(Some(Found {
        identifiers: Vec::new(),
        attributes: attributes([("id", json!(id)), ("name", json!(name))]),
        spec,
        status: Status::Ready,
        tags,
        unread: if deep { Vec::new() } else { DEEP.to_vec() },
        id,
    }))
}

/// What only the call for the single association shows.
fn fill(spec: &mut Spec, whole: &AssociationDescription) {
    let place = whole.output_location().and_then(|o| o.s3_location());
    spec.parameters = Some(whole.parameters().cloned().unwrap_or_default().into_iter().collect());
    spec.only_on_schedule = Some(whole.apply_only_at_cron_interval());
    spec.severity =
        whole.compliance_severity().and_then(|s| Severity::from_api(s.as_str())).or(Some(Severity::Unspecified));
    spec.max_concurrency = given(whole.max_concurrency());
    spec.max_errors = given(whole.max_errors());
    spec.output = place.and_then(|place| {
        Some(Output {
            bucket: Ref::id(given(place.output_s3_bucket_name())?),
            prefix: place.output_s3_key_prefix().unwrap_or_default().to_owned(),
            region: given(place.output_s3_region()),
        })
    });
    spec.compliance = whole.sync_compliance().and_then(|c| Compliance::from_api(c.as_str())).or(Some(Compliance::Auto));
    spec.calendars = Some(whole.calendar_names().iter().map(Ref::id).collect());
    spec.automation_target_parameter = given(whole.automation_target_parameter_name());
    spec.alarm = whole.alarm_configuration().and_then(stop_alarm);
    spec.role = whole.association_dispatch_assume_role().filter(|r| !r.is_empty()).map(Ref::id);
}
