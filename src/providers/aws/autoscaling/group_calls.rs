//! The calls of the kind `autoscaling_group`.

use std::time::Duration;

use aws_sdk_autoscaling::types::{
    AutoScalingGroup as ApiGroup, DesiredConfiguration, Filter, InstanceMaintenancePolicy, InstancesDistribution,
    LaunchTemplate as ApiTemplate, LaunchTemplateOverrides, LaunchTemplateSpecification, LifecycleState,
    MixedInstancesPolicy, ScalingPolicy as ApiPolicy, ScheduledUpdateGroupAction, Tag, TagDescription,
};
use serde_json::json;

use super::group::{
    AutoscalingGroup, DeletionProtection, GroupHealth, GroupProcess, InstanceOverride, MaintenancePolicy,
    MixedInstances, OnDemandStrategy, Spec, SpotStrategy, TerminationPolicy,
};
use super::parts::{
    LifecycleHook, difference, from_seconds, hook_specification, observed_hook, observed_policy, observed_schedule,
    put_hook, put_policy, put_schedule, seconds,
};
use super::refresh::refresh;
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::observed::{Object, Status};
use crate::model::ownership;
use crate::model::types::Ref;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{Create, Delete, Found, Read, Selection, Tags, Update, create_once};

/// Granularity of group metrics: the only one there is.
/// Longest time until a group lets itself be deleted.
const IDLE_WITHIN: Duration = Duration::from_secs(600);
/// Longest time until the servers of a deleted group are gone.
const GONE_WITHIN: Duration = Duration::from_secs(1800);
const GRANULARITY: &str = "1Minute";

/// Reads groups in pages, and the policies and schedules of all groups in pages.
pub(super) async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
    let groups = groups(cx, &read.selection).await?;
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    // One group's own are fewer than everybody's.
    let only = match groups.as_slice() {
        [only] => only.auto_scaling_group_name().map(str::to_owned),
        _ => None,
    };
    let client = &cx.clients.autoscaling;
    let request = client.describe_policies().set_auto_scaling_group_name(only.clone()).max_records(100);
    let policies = cx.pages("autoscaling:DescribePolicies", request.into_paginator().send()).await?;
    let policies: Vec<ApiPolicy> = policies.into_iter().flat_map(|p| p.scaling_policies.unwrap_or_default()).collect();
    let request = client.describe_scheduled_actions().set_auto_scaling_group_name(only).max_records(100);
    let actions = cx.pages("autoscaling:DescribeScheduledActions", request.into_paginator().send()).await?;
    let actions: Vec<ScheduledUpdateGroupAction> =
        actions.into_iter().flat_map(|p| p.scheduled_update_group_actions.unwrap_or_default()).collect();
    let reads = groups.iter().map(|group| found(cx, read, group, &policies, &actions));
    futures::future::try_join_all(reads).await
}

async fn groups(cx: &Context, selection: &Selection<'_>) -> Result<Vec<ApiGroup>, ApiError> {
    let operation = "autoscaling:DescribeAutoScalingGroups";
    let client = &cx.clients.autoscaling;
    let mut all = Vec::new();
    match selection {
        Selection::Ids(ids) => {
            // A name that is not there is left out by the API.
            for chunk in ids.chunks(50) {
                let request = client.describe_auto_scaling_groups().set_auto_scaling_group_names(Some(chunk.to_vec()));
                let pages = cx.pages(operation, request.into_paginator().send()).await?;
                all.extend(pages.into_iter().flat_map(|p| p.auto_scaling_groups.unwrap_or_default()));
            }
        }
        Selection::Owned { .. } | Selection::Tagged(_) => {
            let tags = selection.tags().unwrap_or_default();
            let filters =
                tags.into_iter().map(|(k, v)| Filter::builder().name(format!("tag:{k}")).values(v).build()).collect();
            let request = client.describe_auto_scaling_groups().set_filters(Some(filters)).max_records(100);
            let pages = cx.pages(operation, request.into_paginator().send()).await?;
            all.extend(pages.into_iter().flat_map(|p| p.auto_scaling_groups.unwrap_or_default()));
        }
    }
    Ok(all)
}

async fn found(
    cx: &Context,
    read: &Read<'_>,
    group: &ApiGroup,
    policies: &[ApiPolicy],
    actions: &[ScheduledUpdateGroupAction],
) -> Result<Found<Spec>, ApiError> {
    let id = group.auto_scaling_group_name().unwrap_or_default().to_owned();
    let tags = from_tags(group.tags());
    let mut spec = observed(group);
    let own = |name: Option<&str>| name == Some(id.as_str());
    let policies = policies.iter().filter(|p| own(p.auto_scaling_group_name()));
    spec.policies = Some(policies.filter_map(observed_policy).collect());
    let actions = actions.iter().filter(|a| own(a.auto_scaling_group_name()));
    spec.schedules = Some(actions.filter_map(observed_schedule).collect());
    // The service does not keep these two.
    let mut unread = vec!["refresh", "wait_for_capacity"];
    if read.wants("hooks", &tags) {
        let request = cx.clients.autoscaling.describe_lifecycle_hooks().auto_scaling_group_name(&id);
        let answer = cx.call("autoscaling:DescribeLifecycleHooks", request.send()).await?;
        spec.hooks = Some(answer.lifecycle_hooks().iter().filter_map(observed_hook).collect());
    } else {
        unread.push("hooks");
    }
    Ok(Found {
        identifiers: group.auto_scaling_group_arn().map(str::to_owned).into_iter().collect(),
        attributes: attributes([("id", json!(id)), ("arn", json!(group.auto_scaling_group_arn()))]),
        status: if group.status().is_some_and(|s| s.starts_with("Delete")) { Status::Deleting } else { Status::Ready },
        spec,
        tags,
        unread,
        id,
    })
}

fn observed(group: &ApiGroup) -> Spec {
    let mixed = group.mixed_instances_policy();
    let template = group
        .launch_template()
        .or_else(|| mixed.and_then(|m| m.launch_template()).and_then(|t| t.launch_template_specification()));
    let subnets = group.vpc_zone_identifier().unwrap_or_default();
    Spec {
        name: group.auto_scaling_group_name().map(str::to_owned),
        launch_template: Ref::id(template.and_then(|t| t.launch_template_id()).unwrap_or_default()),
        template_version: template.and_then(|t| t.version()).map(str::to_owned),
        mixed_instances: mixed.map(observed_mix),
        subnets: subnets.split(',').map(str::trim).filter(|s| !s.is_empty()).map(Ref::id).collect(),
        min: group.min_size().unwrap_or_default(),
        max: group.max_size().unwrap_or_default(),
        desired: group.desired_capacity(),
        health_check: group.health_check_type().and_then(GroupHealth::from_api),
        health_check_grace: from_seconds(group.health_check_grace_period()),
        target_groups: Some(group.target_group_arns().iter().map(Ref::id).collect()),
        capacity_rebalance: Some(group.capacity_rebalance().unwrap_or(false)),
        termination_policies: Some(
            group.termination_policies().iter().filter_map(|p| TerminationPolicy::from_api(p)).collect(),
        ),
        cooldown: from_seconds(group.default_cooldown()),
        warmup: from_seconds(group.default_instance_warmup()),
        max_instance_lifetime: from_seconds(Some(group.max_instance_lifetime().unwrap_or(0))),
        protect_from_scale_in: group.new_instances_protected_from_scale_in(),
        deletion_protection: group.deletion_protection().and_then(|p| DeletionProtection::from_api(p.as_str())),
        placement_group: group.placement_group().filter(|g| !g.is_empty()).map(str::to_owned),
        maintenance: group.instance_maintenance_policy().and_then(|m| {
            Some(MaintenancePolicy {
                min_healthy: m.min_healthy_percentage()?,
                max_healthy: m.max_healthy_percentage()?,
            })
        }),
        metrics: Some(group.enabled_metrics().iter().filter_map(|m| m.metric().map(str::to_owned)).collect()),
        suspended: Some(
            group.suspended_processes().iter().filter_map(|p| GroupProcess::from_api(p.process_name()?)).collect(),
        ),
        policies: None,
        schedules: None,
        hooks: None,
        refresh: None,
        wait_for_capacity: None,
        tags: None,
    }
}

fn observed_mix(policy: &MixedInstancesPolicy) -> MixedInstances {
    let distribution = policy.instances_distribution();
    let overrides = policy.launch_template().map(|t| t.overrides()).unwrap_or_default();
    MixedInstances {
        types: overrides
            .iter()
            .map(|o| InstanceOverride {
                instance_type: o.instance_type().unwrap_or_default().to_owned(),
                weight: o.weighted_capacity().and_then(|w| w.parse().ok()),
                launch_template: o.launch_template_specification().and_then(|t| t.launch_template_id()).map(Ref::id),
            })
            .collect(),
        on_demand_base: distribution.and_then(|d| d.on_demand_base_capacity()),
        on_demand_percentage: distribution.and_then(|d| d.on_demand_percentage_above_base_capacity()),
        on_demand_strategy: distribution
            .and_then(|d| d.on_demand_allocation_strategy())
            .and_then(OnDemandStrategy::from_api),
        spot_strategy: distribution.and_then(|d| d.spot_allocation_strategy()).and_then(SpotStrategy::from_api),
        spot_max_price: distribution.and_then(|d| d.spot_max_price()).filter(|p| !p.is_empty()).map(str::to_owned),
    }
}

fn from_tags(tags: &[TagDescription]) -> Tags {
    tags.iter().filter_map(|t| Some((t.key()?.to_owned(), t.value().unwrap_or_default().to_owned()))).collect()
}

/// A tag in the API's form. Ownership tags stay with the group.
fn tag(group: &str, key: &str, value: Option<&str>) -> Tag {
    Tag::builder()
        .resource_id(group)
        .resource_type("auto-scaling-group")
        .key(key)
        .set_value(value.map(str::to_owned))
        .propagate_at_launch(!key.starts_with(ownership::PREFIX))
        .build()
}

fn template(want: &Create<'_, Spec>) -> Result<LaunchTemplateSpecification, ApiError> {
    Ok(LaunchTemplateSpecification::builder()
        .launch_template_id(want.id(&want.spec.launch_template)?)
        .version(want.spec.template_version.as_deref().unwrap_or("$Default"))
        .build())
}

fn mix(want: &Create<'_, Spec>, mixed: &MixedInstances) -> Result<MixedInstancesPolicy, ApiError> {
    let mut launch = ApiTemplate::builder().launch_template_specification(template(want)?);
    for one in &mixed.types {
        let own = one.launch_template.as_ref().map(|t| want.id(t)).transpose()?;
        let own =
            own.map(|id| LaunchTemplateSpecification::builder().launch_template_id(id).version("$Default").build());
        launch = launch.overrides(
            LaunchTemplateOverrides::builder()
                .instance_type(&one.instance_type)
                .set_weighted_capacity(one.weight.map(|w| w.to_string()))
                .set_launch_template_specification(own)
                .build(),
        );
    }
    let distribution = InstancesDistribution::builder()
        .set_on_demand_base_capacity(mixed.on_demand_base)
        .set_on_demand_percentage_above_base_capacity(mixed.on_demand_percentage)
        .set_on_demand_allocation_strategy(mixed.on_demand_strategy.map(|s| s.api().to_owned()))
        .set_spot_allocation_strategy(mixed.spot_strategy.map(|s| s.api().to_owned()))
        .set_spot_max_price(mixed.spot_max_price.clone());
    Ok(MixedInstancesPolicy::builder()
        .launch_template(launch.build())
        .instances_distribution(distribution.build())
        .build())
}

/// What servers are launched with: a template, or a mix on its ground.
fn configuration(want: &Create<'_, Spec>) -> Result<DesiredConfiguration, ApiError> {
    Ok(match &want.spec.mixed_instances {
        Some(mixed) => DesiredConfiguration::builder().mixed_instances_policy(mix(want, mixed)?).build(),
        None => DesiredConfiguration::builder().launch_template(template(want)?).build(),
    })
}

fn maintenance(policy: Option<&MaintenancePolicy>) -> Option<InstanceMaintenancePolicy> {
    policy.map(|m| {
        InstanceMaintenancePolicy::builder()
            .min_healthy_percentage(m.min_healthy)
            .max_healthy_percentage(m.max_healthy)
            .build()
    })
}

fn hook_role(want: &Create<'_, Spec>, hook: &LifecycleHook) -> Result<Option<String>, ApiError> {
    hook.role.as_ref().map(|role| want.attribute(role, "arn").map_or_else(|| want.id(role), Ok)).transpose()
}

/// Makes a group with its tags and hooks in one call, then its policies and the rest, and waits for its servers.
pub(super) async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
    let spec = want.spec;
    let group = spec.name.as_deref().unwrap_or(want.name);
    let configuration = configuration(want)?;
    let hooks = spec
        .hooks
        .iter()
        .flatten()
        .map(|(name, hook)| Ok(hook_specification(name, hook, hook_role(want, hook)?)))
        .collect::<Result<Vec<_>, ApiError>>()?;
    let target_groups = spec.target_groups.as_deref().filter(|t| !t.is_empty()).map(|t| want.ids(t)).transpose()?;
    let once = cx.once();
    let request = once
        .clients
        .autoscaling
        .create_auto_scaling_group()
        .auto_scaling_group_name(group)
        .set_launch_template(configuration.launch_template)
        .set_mixed_instances_policy(configuration.mixed_instances_policy)
        .vpc_zone_identifier(want.ids(&spec.subnets)?.join(","))
        .min_size(spec.min)
        .max_size(spec.max)
        .set_desired_capacity(spec.desired)
        .set_health_check_type(spec.health_check.map(|h| h.api().to_owned()))
        .set_health_check_grace_period(seconds(spec.health_check_grace.as_ref()))
        .set_target_group_arns(target_groups)
        .set_capacity_rebalance(spec.capacity_rebalance)
        .set_termination_policies(termination(spec))
        .set_default_cooldown(seconds(spec.cooldown.as_ref()))
        .set_default_instance_warmup(seconds(spec.warmup.as_ref()))
        .set_max_instance_lifetime(seconds(spec.max_instance_lifetime.as_ref()).filter(|s| *s > 0))
        .set_new_instances_protected_from_scale_in(spec.protect_from_scale_in)
        .set_deletion_protection(spec.deletion_protection.map(|p| p.api().into()))
        .set_placement_group(spec.placement_group.clone())
        .set_instance_maintenance_policy(maintenance(spec.maintenance.as_ref()))
        .set_lifecycle_hook_specification_list(Some(hooks).filter(|h| !h.is_empty()))
        .set_tags(Some(want.tags.iter().map(|(k, v)| tag(group, k, Some(v))).collect()));
    let call = async {
        once.call("autoscaling:CreateAutoScalingGroup", request.send()).await?;
        Ok(group.to_owned())
    };
    create_once::<AutoscalingGroup>(cx, want, Some(group), call).await?;
    for (name, policy) in spec.policies.iter().flatten() {
        put_policy(cx, group, name, policy).await?;
    }
    for (name, action) in spec.schedules.iter().flatten() {
        put_schedule(cx, group, name, action).await?;
    }
    set_metrics(cx, group, spec.metrics.as_deref().unwrap_or_default(), &[]).await?;
    set_suspended(cx, group, spec.suspended.as_deref().unwrap_or_default(), &[]).await?;
    in_service(cx, group, spec, want.watch).await?;
    Ok(group.to_owned())
}

fn termination(spec: &Spec) -> Option<Vec<String>> {
    spec.termination_policies.as_ref().map(|all| all.iter().map(|p| p.api().to_owned()).collect())
}

/// Changes a group: what belongs to it first, so that a refresh already runs under the new rules.
pub(super) async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let want = &update.want;
    let spec = want.spec;
    let group = update.id;
    let relaunch = ["launch_template", "template_version", "mixed_instances"].into_iter().any(|f| update.changed(f));
    let configuration = if relaunch { Some(configuration(want)?) } else { None };
    let (at_once, by_refresh) = match &spec.refresh {
        Some(settings) => (None, configuration.map(|c| (c, settings))),
        None => (configuration, None),
    };
    update_group(cx, update, at_once).await?;
    update_parts(cx, update).await?;
    if update.changed("target_groups") {
        set_targets(cx, update).await?;
    }
    if update.changed("metrics") {
        let before = update.before.metrics.as_deref().unwrap_or_default();
        set_metrics(cx, group, spec.metrics.as_deref().unwrap_or_default(), before).await?;
    }
    if update.changed("suspended") {
        let before = update.before.suspended.as_deref().unwrap_or_default();
        set_suspended(cx, group, spec.suspended.as_deref().unwrap_or_default(), before).await?;
    }
    if let Some((configuration, settings)) = by_refresh {
        refresh(cx, group, configuration, settings, want.watch).await?;
    }
    if ["min", "desired"].into_iter().any(|f| update.changed(f)) {
        in_service(cx, group, spec, want.watch).await?;
    }
    Ok(())
}

/// The fields of the group itself, in one call.
async fn update_group(
    cx: &Context,
    update: &Update<'_, Spec>,
    configuration: Option<DesiredConfiguration>,
) -> Result<(), ApiError> {
    const FIELDS: [&str; 15] = [
        "subnets",
        "min",
        "max",
        "desired",
        "health_check",
        "health_check_grace",
        "capacity_rebalance",
        "termination_policies",
        "cooldown",
        "warmup",
        "max_instance_lifetime",
        "protect_from_scale_in",
        "deletion_protection",
        "placement_group",
        "maintenance",
    ];
    if configuration.is_none() && !FIELDS.into_iter().any(|f| update.changed(f)) {
        return Ok(());
    }
    let spec = update.want.spec;
    let subnets = update.changed("subnets").then(|| update.want.ids(&spec.subnets)).transpose()?;
    let (template, mixed) = configuration.map(|c| (c.launch_template, c.mixed_instances_policy)).unwrap_or_default();
    let request = cx
        .clients
        .autoscaling
        .update_auto_scaling_group()
        .auto_scaling_group_name(update.id)
        .set_launch_template(template)
        .set_mixed_instances_policy(mixed)
        .set_vpc_zone_identifier(subnets.map(|s| s.join(",")))
        .min_size(spec.min)
        .max_size(spec.max)
        .set_desired_capacity(spec.desired)
        .set_health_check_type(spec.health_check.map(|h| h.api().to_owned()))
        .set_health_check_grace_period(seconds(spec.health_check_grace.as_ref()))
        .set_capacity_rebalance(spec.capacity_rebalance)
        .set_termination_policies(termination(spec))
        .set_default_cooldown(seconds(spec.cooldown.as_ref()))
        .set_default_instance_warmup(seconds(spec.warmup.as_ref()))
        .set_max_instance_lifetime(
            seconds(spec.max_instance_lifetime.as_ref()).filter(|_| update.changed("max_instance_lifetime")),
        )
        .set_new_instances_protected_from_scale_in(spec.protect_from_scale_in)
        .set_deletion_protection(
            spec.deletion_protection.filter(|_| update.changed("deletion_protection")).map(|p| p.api().into()),
        )
        .set_placement_group(spec.placement_group.clone())
        .set_instance_maintenance_policy(
            maintenance(spec.maintenance.as_ref()).filter(|_| update.changed("maintenance")),
        );
    cx.call("autoscaling:UpdateAutoScalingGroup", request.send()).await.map(|_| ())
}

/// Policies, schedules, hooks: what is new or other is written, then what is not wanted any more goes.
async fn update_parts(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let (before, want, group) = (update.before, update.want.spec, update.id);
    let client = &cx.clients.autoscaling;
    if update.changed("hooks") {
        // Roles of the hooks as read are addresses or ids of the same roles as in the files, so they can be compared.
        let (put, remove) = difference(before.hooks.as_ref(), want.hooks.as_ref());
        for (name, hook) in put {
            put_hook(cx, group, name, hook, hook_role(&update.want, hook)?).await?;
        }
        for name in remove {
            let request = client.delete_lifecycle_hook().auto_scaling_group_name(group).lifecycle_hook_name(name);
            cx.call("autoscaling:DeleteLifecycleHook", request.send()).await?;
        }
    }
    if update.changed("policies") {
        let (put, remove) = difference(before.policies.as_ref(), want.policies.as_ref());
        for (name, policy) in put {
            put_policy(cx, group, name, policy).await?;
        }
        for name in remove {
            let request = client.delete_policy().auto_scaling_group_name(group).policy_name(name);
            cx.call("autoscaling:DeletePolicy", request.send()).await?;
        }
    }
    if update.changed("schedules") {
        let (put, remove) = difference(before.schedules.as_ref(), want.schedules.as_ref());
        for (name, action) in put {
            put_schedule(cx, group, name, action).await?;
        }
        for name in remove {
            let request = client.delete_scheduled_action().auto_scaling_group_name(group).scheduled_action_name(name);
            cx.call("autoscaling:DeleteScheduledAction", request.send()).await?;
        }
    }
    Ok(())
}

async fn set_targets(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    let want = update.want.ids(update.want.spec.target_groups.as_deref().unwrap_or_default())?;
    // As they are there: nothing may be known any more of those that go.
    let have = describe(cx, update.id).await?.and_then(|g| g.target_group_arns).unwrap_or_default();
    let add = without(&want, &have);
    let remove = without(&have, &want);
    let client = &cx.clients.autoscaling;
    if !add.is_empty() {
        let request = client.attach_load_balancer_target_groups().auto_scaling_group_name(update.id);
        let request = request.set_target_group_arns(Some(add));
        cx.call("autoscaling:AttachLoadBalancerTargetGroups", request.send()).await?;
    }
    if !remove.is_empty() {
        let request = client.detach_load_balancer_target_groups().auto_scaling_group_name(update.id);
        let request = request.set_target_group_arns(Some(remove));
        cx.call("autoscaling:DetachLoadBalancerTargetGroups", request.send()).await?;
    }
    Ok(())
}

/// The items of one list that are not in another.
fn without<T: PartialEq + Clone>(list: &[T], other: &[T]) -> Vec<T> {
    list.iter().filter(|item| !other.contains(item)).cloned().collect()
}

async fn set_metrics(cx: &Context, group: &str, want: &[String], have: &[String]) -> Result<(), ApiError> {
    let (add, remove) = (without(want, have), without(have, want));
    let client = &cx.clients.autoscaling;
    // An empty list would mean all metrics. Those that are collected already may be named again.
    if !add.is_empty() {
        let request = client.enable_metrics_collection().auto_scaling_group_name(group).granularity(GRANULARITY);
        cx.call("autoscaling:EnableMetricsCollection", request.set_metrics(Some(want.to_vec())).send()).await?;
    }
    if !remove.is_empty() {
        let request = client.disable_metrics_collection().auto_scaling_group_name(group).set_metrics(Some(remove));
        cx.call("autoscaling:DisableMetricsCollection", request.send()).await?;
    }
    Ok(())
}

async fn set_suspended(
    cx: &Context,
    group: &str,
    want: &[GroupProcess],
    have: &[GroupProcess],
) -> Result<(), ApiError> {
    let words = |list: Vec<GroupProcess>| Some(list.into_iter().map(|p| p.api().to_owned()).collect::<Vec<_>>());
    let (add, remove) = (without(want, have), without(have, want));
    let client = &cx.clients.autoscaling;
    // An empty list would mean all processes.
    if !add.is_empty() {
        let request = client.suspend_processes().auto_scaling_group_name(group).set_scaling_processes(words(add));
        cx.call("autoscaling:SuspendProcesses", request.send()).await?;
    }
    if !remove.is_empty() {
        let request = client.resume_processes().auto_scaling_group_name(group).set_scaling_processes(words(remove));
        cx.call("autoscaling:ResumeProcesses", request.send()).await?;
    }
    Ok(())
}

/// Waits until as much of the group's size is in service as is asked for.
async fn in_service(cx: &Context, group: &str, spec: &Spec, watch: &dyn Watch) -> Result<(), ApiError> {
    let limit = spec.wait_for_capacity.as_ref().map_or(600, crate::model::types::Duration::seconds);
    let launches = !spec.suspended.iter().flatten().any(|p| *p == GroupProcess::Launch);
    if limit == 0 || !launches {
        return Ok(());
    }
    let want = spec.desired.unwrap_or(spec.min);
    cx.wait(watch, &format!("{want} servers of {group} in service"), Duration::from_secs(limit), || async {
        let have = describe(cx, group).await?.as_ref().map(capacity);
        let state = have.map(|have| format!("{have} in service"));
        Ok(Look::when(have.is_some_and(|have| have >= want), state.as_deref()))
    })
    .await
}

/// Units of size in service. Without weights each server is one.
fn capacity(group: &ApiGroup) -> i32 {
    group
        .instances()
        .iter()
        .filter(|i| i.lifecycle_state() == Some(&LifecycleState::InService))
        .filter(|i| i.health_status().is_none_or(|h| h.eq_ignore_ascii_case("healthy")))
        .map(|i| i.weighted_capacity().and_then(|w| w.parse().ok()).unwrap_or(1))
        .sum()
}

async fn describe(cx: &Context, group: &str) -> Result<Option<ApiGroup>, ApiError> {
    Ok(groups(cx, &Selection::Ids(&[group.to_owned()])).await?.into_iter().next())
}

/// Deletes a group with its servers and waits until both are gone.
pub(super) async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
    let operation = "autoscaling:DeleteAutoScalingGroup";
    let client = &cx.clients.autoscaling;
    // An activity that is under way forbids the call for a moment.
    cx.wait(delete.watch, &format!("the activities of {} to end", delete.id), IDLE_WITHIN, || async {
        let request = client.delete_auto_scaling_group().auto_scaling_group_name(delete.id).force_delete(true);
        match cx.call(operation, request.send()).await {
            Ok(_) => Ok(Look::Done(())),
            Err(e) if is_busy(&e) => Ok(Look::not(e.code.as_deref())),
            Err(e) => Err(e),
        }
    })
    .await?;
    cx.wait(delete.watch, &format!("the servers of {} to be terminated", delete.id), GONE_WITHIN, || async {
        let group = describe(cx, delete.id).await?;
        let state = group.as_ref().map(|g| format!("{} servers left", g.instances().len()));
        Ok(Look::when(group.is_none(), state.as_deref()))
    })
    .await
}

/// Whether an error passes by itself. A deletion protection does not.
fn is_busy(error: &ApiError) -> bool {
    error.class == ErrorClass::Conflict
        && error
            .code
            .as_deref()
            .is_some_and(|c| c.starts_with("ScalingActivityInProgress") || c.starts_with("ResourceContention"))
}

/// Sets and removes tags.
pub(super) async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
    let client = &cx.clients.autoscaling;
    if !set.is_empty() {
        let tags = set.iter().map(|(k, v)| tag(&object.id, k, Some(v))).collect();
        let request = client.create_or_update_tags().set_tags(Some(tags));
        cx.call("autoscaling:CreateOrUpdateTags", request.send()).await?;
    }
    if !remove.is_empty() {
        let tags = remove.iter().map(|k| tag(&object.id, k, None)).collect();
        cx.call("autoscaling:DeleteTags", client.delete_tags().set_tags(Some(tags)).send()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
