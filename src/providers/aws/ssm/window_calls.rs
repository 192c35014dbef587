//! The calls about targets and tasks of a [`super::maintenance_window`].

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_ssm::operation::get_maintenance_window_task::GetMaintenanceWindowTaskOutput;
use aws_sdk_ssm::types::{
    Alarm, AlarmConfiguration, CloudWatchOutputConfig, DocumentHashType, MaintenanceWindowAutomationParameters,
    MaintenanceWindowLambdaParameters, MaintenanceWindowResourceType, MaintenanceWindowRunCommandParameters,
    MaintenanceWindowStepFunctionsParameters, MaintenanceWindowTarget, MaintenanceWindowTask,
    MaintenanceWindowTaskInvocationParameters, MaintenanceWindowTaskType, NotificationConfig, Target,
};
use aws_smithy_types::Blob;
use futures::{StreamExt, TryStreamExt, stream};

use super::maintenance_window::Spec;
use super::payload::Payload;
use super::targets::{Targets, WINDOW_TARGETS, target};
use super::window_parts::{
    AtCutoff, Automation, Event, Lambda, Notification, Per, RunCommand, StepFunctions, StopAlarm, Task, WindowTarget,
};
use super::{AT_ONCE, given, unfit};
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Kind;
use crate::model::ownership::hash;
use crate::model::types::{Duration, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::Create;

/// What is registered under a name. Where two have one name, the further ones have their id in it.
pub(super) struct Entry<T> {
    pub key: String,
    pub it: T,
}

/// What is registered with a window.
#[derive(Default)]
pub(super) struct Registered {
    pub targets: Vec<Entry<MaintenanceWindowTarget>>,
    pub tasks: Vec<Entry<MaintenanceWindowTask>>,
}

/// Names what was listed: each key once.
fn entries<T>(all: Vec<T>, name: impl Fn(&T) -> (Option<&str>, Option<&str>)) -> Vec<Entry<T>> {
    let mut taken = BTreeSet::new();
    let one = |it: T| {
        let (name, id) = name(&it);
        let (name, id) = (name.unwrap_or_default().to_owned(), id.unwrap_or_default());
        let key = match name.as_str() {
            "" => id.to_owned(),
            _ if taken.contains(&name) => format!("{name} ({id})"),
            _ => name,
        };
        taken.insert(key.clone());
        Entry { key, it }
    };
    all.into_iter().map(one).collect()
}

pub(super) async fn registered_targets(
    cx: &Context,
    window: &str,
) -> Result<Vec<Entry<MaintenanceWindowTarget>>, ApiError> {
    let request = cx.clients.ssm.describe_maintenance_window_targets().window_id(window).max_results(100);
    let pages = cx.pages("ssm:DescribeMaintenanceWindowTargets", request.into_paginator().send()).await?;
    let all = pages.into_iter().flat_map(|p| p.targets.unwrap_or_default()).collect();
    Ok(entries(all, |t: &MaintenanceWindowTarget| (t.name(), t.window_target_id())))
}

pub(super) async fn registered_tasks(
    cx: &Context,
    window: &str,
) -> Result<Vec<Entry<MaintenanceWindowTask>>, ApiError> {
    let request = cx.clients.ssm.describe_maintenance_window_tasks().window_id(window).max_results(100);
    let pages = cx.pages("ssm:DescribeMaintenanceWindowTasks", request.into_paginator().send()).await?;
    let all = pages.into_iter().flat_map(|p| p.tasks.unwrap_or_default()).collect();
    Ok(entries(all, |t: &MaintenanceWindowTask| (t.name(), t.window_task_id())))
}

/// A target as it would be declared.
pub(super) fn target_spec(target: &MaintenanceWindowTarget) -> WindowTarget {
    WindowTarget {
        select: Targets::from_api(target.targets()),
        description: given(target.description()),
        owner_information: given(target.owner_information()),
    }
}

/// All tasks as they would be declared; a call each, since the list lacks what they do.
pub(super) async fn task_specs(
    cx: &Context,
    window: &str,
    targets: &[Entry<MaintenanceWindowTarget>],
) -> Result<BTreeMap<String, Task>, ApiError> {
    let names: BTreeMap<&str, &str> =
        targets.iter().filter_map(|t| Some((t.it.window_target_id()?, t.key.as_str()))).collect();
    let names = &names;
    let each = stream::iter(registered_tasks(cx, window).await?).map(|task| async move {
        let id = task.it.window_task_id().unwrap_or_default();
        let request = cx.clients.ssm.get_maintenance_window_task().window_id(window).window_task_id(id);
        let whole = cx.call("ssm:GetMaintenanceWindowTask", request.send()).await?;
        Ok((task.key, task_spec(&whole, names)))
    });
    each.buffered(AT_ONCE).try_collect().await
}

fn task_spec(task: &GetMaintenanceWindowTaskOutput, names: &BTreeMap<&str, &str>) -> Task {
    let (ours, others): (Vec<Target>, Vec<Target>) =
        task.targets().iter().cloned().partition(|t| t.key() == Some(WINDOW_TARGETS));
    let window_targets = ours.iter().flat_map(Target::values);
    let arn = task.task_arn().unwrap_or_default();
    let how = task.task_invocation_parameters();
    let is = |sort: MaintenanceWindowTaskType| task.task_type() == Some(&sort);
    Task {
        run_command: is(MaintenanceWindowTaskType::RunCommand)
            .then(|| run_command(arn, how.and_then(|h| h.run_command()))),
        automation: is(MaintenanceWindowTaskType::Automation)
            .then(|| automation(arn, how.and_then(|h| h.automation()))),
        lambda: is(MaintenanceWindowTaskType::Lambda).then(|| lambda(arn, how.and_then(|h| h.lambda()))),
        step_functions: is(MaintenanceWindowTaskType::StepFunctions).then(|| {
            let how = how.and_then(|h| h.step_functions());
            StepFunctions {
                state_machine: arn.to_owned(),
                name: given(how.and_then(|h| h.name())),
                input: how.and_then(|h| h.input()).map(Payload::of_text),
            }
        }),
        window_targets: window_targets.map(|id| names.get(id.as_str()).unwrap_or(&id.as_str()).to_string()).collect(),
        select: Targets::from_api(&others),
        role: task.service_role_arn().map(Ref::id),
        priority: Some(task.priority()),
        max_concurrency: given(task.max_concurrency()),
        max_errors: given(task.max_errors()),
        at_cutoff: task.cutoff_behavior().and_then(|c| AtCutoff::from_api(c.as_str())).or(Some(AtCutoff::Continue)),
        description: given(task.description()),
        alarm: task.alarm_configuration().and_then(stop_alarm),
    }
}

fn run_command(document: &str, how: Option<&MaintenanceWindowRunCommandParameters>) -> RunCommand {
    let log_group = how.and_then(|h| h.cloud_watch_output_config()).filter(|c| c.cloud_watch_output_enabled());
    let notification = how.and_then(|h| {
        let config = h.notification_config()?;
        Some(Notification {
            topic: Ref::id(config.notification_arn().filter(|a| !a.is_empty())?),
            role: Ref::id(h.service_role_arn().unwrap_or_default()),
            events: config.notification_events().iter().filter_map(|e| Event::from_api(e.as_str())).collect(),
            per: config.notification_type().and_then(|t| Per::from_api(t.as_str())).unwrap_or(Per::Command),
        })
    });
    RunCommand {
        document: Ref::id(document),
        document_version: given(how.and_then(|h| h.document_version())),
        document_hash: given(how.and_then(|h| h.document_hash())),
        parameters: how.and_then(|h| h.parameters().cloned()).unwrap_or_default().into_iter().collect(),
        comment: given(how.and_then(|h| h.comment())),
        output_bucket: given(how.and_then(|h| h.output_s3_bucket_name())).map(Ref::id),
        output_prefix: given(how.and_then(|h| h.output_s3_key_prefix())),
        log_group: log_group.and_then(|c| given(c.cloud_watch_log_group_name())).map(Ref::id),
        notification,
        timeout: how.and_then(|h| h.timeout_seconds()).and_then(|s| u64::try_from(s).ok()).map(Duration::from_seconds),
    }
}

fn automation(document: &str, how: Option<&MaintenanceWindowAutomationParameters>) -> Automation {
    Automation {
        document: Ref::id(document),
        document_version: how.and_then(|h| h.document_version()).map(str::to_owned),
        parameters: how.and_then(|h| h.parameters().cloned()).unwrap_or_default().into_iter().collect(),
    }
}

fn lambda(function: &str, how: Option<&MaintenanceWindowLambdaParameters>) -> Lambda {
    let payload = how.and_then(|h| h.payload()).map(|p| String::from_utf8_lossy(p.as_ref()).into_owned());
    Lambda {
        function: function.to_owned(),
        qualifier: given(how.and_then(|h| h.qualifier())),
        payload: payload.as_deref().map(Payload::of_text),
        client_context: given(how.and_then(|h| h.client_context())),
    }
}

/// Makes what is registered what is declared: targets first, which tasks refer to, then tasks; then what is not
/// declared goes, tasks first. What did not change since `before` is left alone.
pub(super) async fn settle(
    cx: &Context,
    want: &Create<'_, Spec>,
    window: &str,
    before: Option<&Spec>,
    there: &Registered,
) -> Result<(), ApiError> {
    let mut ids: BTreeMap<String, String> =
        there.targets.iter().filter_map(|t| Some((t.key.clone(), t.it.window_target_id()?.to_owned()))).collect();
    let mut renewed = BTreeSet::new();
    for (name, target) in want.spec.targets.iter().flatten() {
        let same = before.and_then(|b| b.targets.as_ref()?.get(name)) == Some(target);
        let current = there.targets.iter().find(|t| t.it.name() == Some(name) && sort_of(target) == *sort(&t.it));
        let found = current.and_then(|t| Some((t.key == *name, t.it.window_target_id()?)));
        if let Some((true, _)) = found.filter(|_| same) {
            continue;
        }
        let id = match found {
            Some((_, id)) => {
                update_target(cx, want, (window, id), target).await?;
                id.to_owned()
            }
            None => register_target(cx, want, window, (name, target)).await?,
        };
        if ids.insert(name.clone(), id.clone()) != Some(id) {
            renewed.insert(name.as_str());
        }
    }
    let mut kept = BTreeSet::new();
    for (name, task) in want.spec.tasks.iter().flatten() {
        let same = before.and_then(|b| b.tasks.as_ref()?.get(name)) == Some(task)
            && !task.window_targets.iter().any(|t| renewed.contains(t.as_str()));
        let current = there.tasks.iter().find(|t| t.it.name() == Some(name) && t.it.r#type() == Some(&type_of(task)));
        match current.and_then(|t| t.it.window_task_id()) {
            Some(id) => {
                kept.insert(id.to_owned());
                if !same {
                    update_task(cx, want, (window, id), task, &ids).await?;
                }
            }
            None => register_task(cx, want, window, (name, task), &ids).await?,
        }
    }
    let stray = |id: &Option<&str>| id.is_some_and(|id| !kept.contains(id));
    for id in there.tasks.iter().map(|t| t.it.window_task_id()).filter(|id| want.spec.tasks.is_some() && stray(id)) {
        deregister_task(cx, window, id.unwrap_or_default()).await?;
    }
    let Some(targets) = &want.spec.targets else { return Ok(()) };
    let kept: BTreeSet<&String> =
        ids.iter().filter(|(name, _)| targets.contains_key(*name)).map(|(_, id)| id).collect();
    for target in &there.targets {
        let id = target.it.window_target_id().unwrap_or_default().to_owned();
        if !kept.contains(&id) {
            deregister_target(cx, window, &id).await?;
        }
    }
    Ok(())
}

/// Whether a target is of servers or of groups.
fn sort_of(target: &WindowTarget) -> MaintenanceWindowResourceType {
    if target.select.is_of_groups() {
        MaintenanceWindowResourceType::ResourceGroup
    } else {
        MaintenanceWindowResourceType::Instance
    }
}

fn sort(target: &MaintenanceWindowTarget) -> &MaintenanceWindowResourceType {
    target.resource_type().unwrap_or(&MaintenanceWindowResourceType::Instance)
}

fn type_of(task: &Task) -> MaintenanceWindowTaskType {
    match (&task.automation, &task.lambda, &task.step_functions) {
        (Some(_), ..) => MaintenanceWindowTaskType::Automation,
        (_, Some(_), _) => MaintenanceWindowTaskType::Lambda,
        (.., Some(_)) => MaintenanceWindowTaskType::StepFunctions,
        (None, None, None) => MaintenanceWindowTaskType::RunCommand,
    }
}

/// A token of what is registered under a name: the same for the same plan.
fn token(want: &Create<'_, Spec>, what: &str, name: &str) -> String {
    hash(&format!("{}\n{what}\n{name}", want.token), 32)
}

async fn register_target(
    cx: &Context,
    want: &Create<'_, Spec>,
    window: &str,
    (name, target): (&str, &WindowTarget),
) -> Result<String, ApiError> {
    let request = cx
        .clients
        .ssm
        .register_target_with_maintenance_window()
        .window_id(window)
        .resource_type(sort_of(target))
        .set_targets(Some(target.select.to_api(want)?))
        .name(name)
        .set_description(target.description.clone())
        .set_owner_information(target.owner_information.clone())
        .client_token(token(want, "target", name));
    let answer = cx.call("ssm:RegisterTargetWithMaintenanceWindow", request.send()).await?;
    Ok(answer.window_target_id().unwrap_or_default().to_owned())
}

async fn update_target(
    cx: &Context,
    want: &Create<'_, Spec>,
    (window, id): (&str, &str),
    target: &WindowTarget,
) -> Result<(), ApiError> {
    let request = cx
        .clients
        .ssm
        .update_maintenance_window_target()
        .window_id(window)
        .window_target_id(id)
        .set_targets(Some(target.select.to_api(want)?))
        .set_description(target.description.clone())
        .set_owner_information(target.owner_information.clone());
    cx.call("ssm:UpdateMaintenanceWindowTarget", request.send()).await.map(drop)
}

/// Takes a target out. The API refuses while a task that stays needs it.
async fn deregister_target(cx: &Context, window: &str, id: &str) -> Result<(), ApiError> {
    let request = cx.clients.ssm.deregister_target_from_maintenance_window();
    let request = request.window_id(window).window_target_id(id).safe(true);
    match cx.call("ssm:DeregisterTargetFromMaintenanceWindow", request.send()).await {
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other.map(drop),
    }
}

async fn register_task(
    cx: &Context,
    want: &Create<'_, Spec>,
    window: &str,
    (name, task): (&str, &Task),
    ids: &BTreeMap<String, String>,
) -> Result<(), ApiError> {
    let request = cx
        .clients
        .ssm
        .register_task_with_maintenance_window()
        .window_id(window)
        .name(name)
        .task_type(type_of(task))
        .task_arn(arn(want, task)?)
        .set_targets(task_targets(want, task, ids)?.filter(|t| !t.is_empty()))
        .set_service_role_arn(task.role.as_ref().map(|r| arn_of(want, r)).transpose()?)
        .task_invocation_parameters(parameters(want, task)?)
        .set_priority(task.priority)
        .set_max_concurrency(task.max_concurrency.clone())
        .set_max_errors(task.max_errors.clone())
        .set_cutoff_behavior(task.at_cutoff.map(|c| c.api().into()))
        .set_description(task.description.clone())
        .set_alarm_configuration(task.alarm.as_ref().map(alarm).transpose()?)
        .client_token(token(want, "task", name));
    cx.call("ssm:RegisterTaskWithMaintenanceWindow", request.send()).await.map(drop)
}

async fn update_task(
    cx: &Context,
    want: &Create<'_, Spec>,
    (window, id): (&str, &str),
    task: &Task,
    ids: &BTreeMap<String, String>,
) -> Result<(), ApiError> {
    let request = cx
        .clients
        .ssm
        .update_maintenance_window_task()
        .window_id(window)
        .window_task_id(id)
        .task_arn(arn(want, task)?)
        .set_targets(task_targets(want, task, ids)?)
        .set_service_role_arn(task.role.as_ref().map(|r| arn_of(want, r)).transpose()?)
        .task_invocation_parameters(parameters(want, task)?)
        .set_priority(task.priority)
        .set_max_concurrency(task.max_concurrency.clone())
        .set_max_errors(task.max_errors.clone())
        .set_cutoff_behavior(task.at_cutoff.map(|c| c.api().into()))
        .set_description(task.description.clone())
        .set_alarm_configuration(task.alarm.as_ref().map(alarm).transpose()?);
    cx.call("ssm:UpdateMaintenanceWindowTask", request.send()).await.map(drop)
}

async fn deregister_task(cx: &Context, window: &str, id: &str) -> Result<(), ApiError> {
    let request = cx.clients.ssm.deregister_task_from_maintenance_window().window_id(window).window_task_id(id);
    match cx.call("ssm:DeregisterTaskFromMaintenanceWindow", request.send()).await {
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other.map(drop),
    }
}

/// The targets of a task: those of the window by their ids, then others.
fn task_targets(
    want: &Create<'_, Spec>,
    task: &Task,
    ids: &BTreeMap<String, String>,
) -> Result<Option<Vec<Target>>, ApiError> {
    let id = |name: &String| {
        ids.get(name).cloned().ok_or_else(|| {
            let message = format!("the window has no target `{name}`");
            ApiError::new("ssm:RegisterTaskWithMaintenanceWindow", ErrorClass::Invalid, message)
        })
    };
    let mut all = task.select.to_api(want)?;
    if !task.window_targets.is_empty() {
        let ids = task.window_targets.iter().map(id).collect::<Result<_, _>>()?;
        all.insert(0, target(WINDOW_TARGETS, ids));
    }
    Ok(Some(all))
}

/// The ARN of what a reference stands for, or its id, where that is the ARN or all that is known.
pub(super) fn arn_of<S, K: Kind>(want: &Create<'_, S>, reference: &Ref<K>) -> Result<String, ApiError> {
    want.attribute(reference, "arn").map_or_else(|| want.id(reference), Ok)
}

/// What a task runs.
fn arn(want: &Create<'_, Spec>, task: &Task) -> Result<String, ApiError> {
    let document = task.run_command.as_ref().map(|r| &r.document).or(task.automation.as_ref().map(|a| &a.document));
    if let Some(document) = document {
        return want.id(document);
    }
    let function = task.lambda.as_ref().map(|l| l.function.clone());
    Ok(function.or_else(|| task.step_functions.as_ref().map(|s| s.state_machine.clone())).unwrap_or_default())
}

/// The alarm of a configuration.
pub(super) fn stop_alarm(configuration: &AlarmConfiguration) -> Option<StopAlarm> {
    let name = configuration.alarms().first()?.name().to_owned();
    Some(StopAlarm { name, ignore_unknown: configuration.ignore_poll_alarm_failure() })
}

/// An alarm as a configuration.
pub(super) fn alarm(alarm: &StopAlarm) -> Result<AlarmConfiguration, ApiError> {
    let one = Alarm::builder().name(&alarm.name).build().map_err(unfit)?;
    AlarmConfiguration::builder().alarms(one).ignore_poll_alarm_failure(alarm.ignore_unknown).build().map_err(unfit)
}

/// How a task is run.
fn parameters(want: &Create<'_, Spec>, task: &Task) -> Result<MaintenanceWindowTaskInvocationParameters, ApiError> {
    let all = MaintenanceWindowTaskInvocationParameters::builder();
    let all = match &task.run_command {
        Some(run) => all.run_command(run_parameters(want, run)?),
        None => all,
    };
    let automation = task.automation.as_ref().map(|automation| {
        MaintenanceWindowAutomationParameters::builder()
            .set_document_version(automation.document_version.clone())
            .set_parameters(Some(automation.parameters.clone().into_iter().collect()))
            .build()
    });
    let lambda = task.lambda.as_ref().map(|lambda| {
        MaintenanceWindowLambdaParameters::builder()
            .set_qualifier(lambda.qualifier.clone())
            .set_payload(lambda.payload.as_ref().map(|p| Blob::new(p.to_text())))
            .set_client_context(lambda.client_context.clone())
            .build()
    });
    let steps = task.step_functions.as_ref().map(|steps| {
        MaintenanceWindowStepFunctionsParameters::builder()
            .set_name(steps.name.clone())
            .set_input(steps.input.as_ref().map(Payload::to_text))
            .build()
    });
    Ok(all.set_automation(automation).set_lambda(lambda).set_step_functions(steps).build())
}

fn run_parameters(
    want: &Create<'_, Spec>,
    run: &RunCommand,
) -> Result<MaintenanceWindowRunCommandParameters, ApiError> {
    let output = run.log_group.as_ref().map(|group| {
        let name = want.id(group)?;
        let config =
            CloudWatchOutputConfig::builder().cloud_watch_log_group_name(name).cloud_watch_output_enabled(true);
        Ok::<_, ApiError>(config.build())
    });
    let notification = run.notification.as_ref().map(|notification| {
        let events = notification.events.iter().map(|e| e.api().into()).collect();
        let config = NotificationConfig::builder()
            .notification_arn(arn_of(want, &notification.topic)?)
            .set_notification_events(Some(events))
            .notification_type(notification.per.api().into());
        Ok::<_, ApiError>(config.build())
    });
    let role = run.notification.as_ref().map(|n| arn_of(want, &n.role)).transpose()?;
    Ok(MaintenanceWindowRunCommandParameters::builder()
        .set_document_version(run.document_version.clone())
        .set_document_hash(run.document_hash.clone())
        .set_document_hash_type(run.document_hash.as_ref().map(|_| DocumentHashType::Sha256))
        .set_parameters(Some(run.parameters.clone().into_iter().collect()))
        .set_comment(run.comment.clone())
        .set_output_s3_bucket_name(run.output_bucket.as_ref().map(|b| want.id(b)).transpose()?)
        .set_output_s3_key_prefix(run.output_prefix.clone())
        .set_cloud_watch_output_config(output.transpose()?)
        .set_notification_config(notification.transpose()?)
        .set_service_role_arn(role)
        .set_timeout_seconds(run.timeout.as_ref().and_then(|t| i32::try_from(t.seconds()).ok()))
        .build())
}
