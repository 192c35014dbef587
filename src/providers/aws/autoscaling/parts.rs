//! What belongs to a group and has calls of its own: scaling policies, scheduled actions, lifecycle hooks.

use std::collections::BTreeMap;

use aws_sdk_autoscaling::types::{
    CustomizedMetricSpecification, LifecycleHook as ApiHook, LifecycleHookSpecification, MetricDimension,
    PredefinedMetricSpecification, ScalingPolicy as ApiPolicy, ScheduledUpdateGroupAction, StepAdjustment,
    TargetTrackingConfiguration,
};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Problems;
use crate::model::types::{Duration, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::words::words;

/// A rule by which a group changes its size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScalingPolicy {
    /// How it decides.
    #[serde(rename = "type")]
    pub policy_type: PolicyType,
    /// Whether it works at present.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Target tracking: the value to hold the metric at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<f64>,
    /// Target tracking: a metric that the service knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<ScalingMetric>,
    /// Target tracking by requests: the label of load balancer and target group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_label: Option<String>,
    /// Target tracking: a metric of one's own, instead of `metric`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_metric: Option<CustomMetric>,
    /// Target tracking: only ever add servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_out: Option<bool>,
    /// How long a new server takes until its metrics count; the group's `warmup` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Duration>,
    /// Step, simple: what the changes mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjustment: Option<Adjustment>,
    /// Step: changes by how far the alarm's threshold is passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<ScalingStep>>,
    /// Simple: the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<i32>,
    /// Simple: how long to wait before the next change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<Duration>,
    /// Step, simple, in percent: least number of servers to change by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub least_change: Option<i32>,
    /// Step: how the metric's points are put together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregation: Option<Aggregation>,
}

words! {
    /// How a policy decides.
    PolicyType {
        /// Holds a metric at a value.
        TargetTracking = "TargetTrackingScaling",
        /// Changes by steps when an alarm goes off.
        Step = "StepScaling",
        /// Changes by one amount when an alarm goes off.
        Simple = "SimpleScaling",
    }
}

words! {
    /// A metric that the service knows.
    ScalingMetric {
        /// Average CPU use, in percent.
        Cpu = "ASGAverageCPUUtilization",
        /// Average bytes received by a server.
        NetworkIn = "ASGAverageNetworkIn",
        /// Average bytes sent by a server.
        NetworkOut = "ASGAverageNetworkOut",
        /// Requests for each target of a load balancer.
        Requests = "ALBRequestCountPerTarget",
    }
}

words! {
    /// What a change means.
    Adjustment {
        /// So many servers more or less.
        Count = "ChangeInCapacity",
        /// Exactly so many servers.
        Exact = "ExactCapacity",
        /// So many percent more or less.
        Percent = "PercentChangeInCapacity",
    }
}

words! {
    /// How points of a metric are put together.
    Aggregation {
        /// Average.
        Average = "Average",
        /// Least.
        Minimum = "Minimum",
        /// Greatest.
        Maximum = "Maximum",
    }
}

words! {
    /// How points of a metric of one's own are put together.
    CustomStatistic {
        /// Average.
        Average = "Average",
        /// Least.
        Minimum = "Minimum",
        /// Greatest.
        Maximum = "Maximum",
        /// Number of points.
        SampleCount = "SampleCount",
        /// Sum.
        Sum = "Sum",
    }
}

/// A metric of one's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CustomMetric {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Dimensions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<BTreeMap<String, String>>,
    /// How points are put together.
    pub statistic: CustomStatistic,
    /// Unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// One step of a policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScalingStep {
    /// From so far beyond the threshold; from minus infinity if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null))]
    pub from: Option<f64>,
    /// To so far beyond it, exclusive; to infinity if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null))]
    pub to: Option<f64>,
    /// The change.
    pub change: i32,
}

/// A change of size by the clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduledAction {
    /// When, as five cron fields (`0 9 * * 1-5`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cron: Option<String>,
    /// Zone of the cron fields, such as `Asia/Tokyo`; UTC if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// First time, RFC 3339 in UTC (`2030-01-01T00:00:00Z`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Last time, RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
    /// Least size from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub min: Option<i32>,
    /// Greatest size from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max: Option<i32>,
    /// Size from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub desired: Option<i32>,
}

/// A pause in which something outside can prepare a new server or save what a leaving one holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LifecycleHook {
    /// When it pauses.
    pub on: HookTransition,
    /// What happens when nobody answers in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<HookResult>,
    /// How long it waits for an answer, 30s to 2h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// ARN of the queue or topic that is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<String>,
    /// Role by which it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Ref<Role>>,
    /// Text that is told with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

words! {
    /// When a hook pauses.
    HookTransition {
        /// Before a new server is in service.
        Launching = "autoscaling:EC2_INSTANCE_LAUNCHING",
        /// Before a server is terminated.
        Terminating = "autoscaling:EC2_INSTANCE_TERMINATING",
    }
}

words! {
    /// What happens when nobody answers a hook.
    HookResult {
        /// Goes on.
        Continue = "CONTINUE",
        /// A new server is given up.
        Abandon = "ABANDON",
    }
}

fn yes() -> bool {
    true
}

/// Whole seconds in the API's type.
pub(super) fn seconds(duration: Option<&Duration>) -> Option<i32> {
    duration.and_then(|d| i32::try_from(d.seconds()).ok())
}

/// Whole seconds from the API's type.
pub(super) fn from_seconds(seconds: Option<i32>) -> Option<Duration> {
    seconds.and_then(|s| u64::try_from(s).ok()).map(Duration::from_seconds)
}

/// Rules of a policy that the API would enforce.
pub(super) fn check_policy(name: &str, policy: &ScalingPolicy, problems: &mut Problems) {
    let path = format!("policies.{name}");
    match policy.policy_type {
        PolicyType::TargetTracking => {
            if policy.target.is_none() {
                problems.add(path.as_str(), "target tracking needs a `target`", "give the value to hold");
            }
            if policy.metric.is_some() == policy.custom_metric.is_some() {
                let message = "target tracking needs `metric` or `custom_metric`, and not both";
                problems.add(path.as_str(), message, "use `metric: cpu`, for one");
            }
            if policy.metric == Some(ScalingMetric::Requests) && policy.resource_label.is_none() {
                let message = "`metric: requests` needs the `resource_label` of load balancer and target group";
                problems.add(path, message, "it is app/NAME/ID/targetgroup/NAME/ID");
            }
        }
        PolicyType::Step => {
            if policy.adjustment.is_none() || policy.steps.as_ref().is_none_or(Vec::is_empty) {
                problems.add(path, "a step policy needs `adjustment` and `steps`", "give at least one step");
            }
        }
        PolicyType::Simple => {
            if policy.adjustment.is_none() || policy.change.is_none() {
                problems.add(path, "a simple policy needs `adjustment` and `change`", "give both");
            }
        }
    }
}

/// Writes a policy, new or not.
pub(super) async fn put_policy(cx: &Context, group: &str, name: &str, policy: &ScalingPolicy) -> Result<(), ApiError> {
    let steps = policy.steps.as_ref().map(|steps| {
        let step = |s: &ScalingStep| {
            StepAdjustment::builder()
                .set_metric_interval_lower_bound(s.from)
                .set_metric_interval_upper_bound(s.to)
                .scaling_adjustment(s.change)
                .build()
        };
        steps.iter().map(step).collect()
    });
    let request = cx
        .clients
        .autoscaling
        .put_scaling_policy()
        .auto_scaling_group_name(group)
        .policy_name(name)
        .policy_type(policy.policy_type.api())
        .enabled(policy.enabled)
        .set_target_tracking_configuration(tracking(policy))
        .set_estimated_instance_warmup(seconds(policy.warmup.as_ref()))
        .set_adjustment_type(policy.adjustment.map(|a| a.api().to_owned()))
        .set_step_adjustments(steps)
        .set_scaling_adjustment(policy.change)
        .set_cooldown(seconds(policy.cooldown.as_ref()))
        .set_min_adjustment_magnitude(policy.least_change)
        .set_metric_aggregation_type(policy.aggregation.map(|a| a.api().to_owned()));
    cx.call("autoscaling:PutScalingPolicy", request.send()).await.map(|_| ())
}

fn tracking(policy: &ScalingPolicy) -> Option<TargetTrackingConfiguration> {
    if policy.policy_type != PolicyType::TargetTracking {
        return None;
    }
    let predefined = policy.metric.map(|metric| {
        PredefinedMetricSpecification::builder()
            .predefined_metric_type(metric.api().into())
            .set_resource_label(policy.resource_label.clone())
            .build()
    });
    let custom = policy.custom_metric.as_ref().map(|metric| {
        let dimensions = metric
            .dimensions
            .iter()
            .flatten()
            .map(|(name, value)| MetricDimension::builder().name(name).value(value).build())
            .collect();
        CustomizedMetricSpecification::builder()
            .metric_name(&metric.name)
            .namespace(&metric.namespace)
            .set_dimensions(Some(dimensions))
            .statistic(metric.statistic.api().into())
            .set_unit(metric.unit.clone())
            .build()
    });
    Some(
        TargetTrackingConfiguration::builder()
            .set_target_value(policy.target)
            .set_predefined_metric_specification(predefined)
            .set_customized_metric_specification(custom)
            .set_disable_scale_in(policy.only_out)
            .build(),
    )
}

/// A policy as read; none if it is of a type that is not managed here (predictive).
pub(super) fn observed_policy(policy: &ApiPolicy) -> Option<(String, ScalingPolicy)> {
    let tracking = policy.target_tracking_configuration();
    let predefined = tracking.and_then(|t| t.predefined_metric_specification());
    let custom = tracking.and_then(|t| t.customized_metric_specification());
    let steps: Vec<ScalingStep> = policy
        .step_adjustments()
        .iter()
        .map(|s| ScalingStep {
            from: s.metric_interval_lower_bound(),
            to: s.metric_interval_upper_bound(),
            change: s.scaling_adjustment().unwrap_or_default(),
        })
        .collect();
    let observed = ScalingPolicy {
        policy_type: PolicyType::from_api(policy.policy_type().unwrap_or_default())?,
        enabled: policy.enabled().unwrap_or(true),
        target: tracking.and_then(|t| t.target_value()),
        metric: predefined.and_then(|p| p.predefined_metric_type()).and_then(|t| ScalingMetric::from_api(t.as_str())),
        resource_label: predefined.and_then(|p| p.resource_label()).map(str::to_owned),
        custom_metric: custom.and_then(|c| {
            let dimensions = c.dimensions().iter();
            Some(CustomMetric {
                name: c.metric_name()?.to_owned(),
                namespace: c.namespace()?.to_owned(),
                dimensions: Some(
                    dimensions.filter_map(|d| Some((d.name()?.to_owned(), d.value()?.to_owned()))).collect(),
                ),
                statistic: CustomStatistic::from_api(c.statistic()?.as_str())?,
                unit: c.unit().map(str::to_owned),
            })
        }),
        only_out: tracking.map(|t| t.disable_scale_in().unwrap_or(false)),
        warmup: from_seconds(policy.estimated_instance_warmup()),
        adjustment: policy.adjustment_type().and_then(Adjustment::from_api),
        steps: Some(steps),
        change: policy.scaling_adjustment(),
        cooldown: from_seconds(policy.cooldown()),
        least_change: policy.min_adjustment_magnitude(),
        aggregation: policy.metric_aggregation_type().and_then(Aggregation::from_api),
    };
    Some((policy.policy_name()?.to_owned(), observed))
}

fn time(text: Option<&String>) -> Result<Option<DateTime>, ApiError> {
    text.map(|text| {
        DateTime::from_str(text, Format::DateTime).map_err(|_| {
            let message = format!("`{text}` is not a time such as 2030-01-01T00:00:00Z");
            ApiError::new("autoscaling:PutScheduledUpdateGroupAction", ErrorClass::Invalid, message)
        })
    })
    .transpose()
}

/// Writes a scheduled action, new or not.
pub(super) async fn put_schedule(
    cx: &Context,
    group: &str,
    name: &str,
    action: &ScheduledAction,
) -> Result<(), ApiError> {
    let request = cx
        .clients
        .autoscaling
        .put_scheduled_update_group_action()
        .auto_scaling_group_name(group)
        .scheduled_action_name(name)
        .set_recurrence(action.cron.clone())
        .set_time_zone(action.time_zone.clone())
        .set_start_time(time(action.start.as_ref())?)
        .set_end_time(time(action.end.as_ref())?)
        .set_min_size(action.min)
        .set_max_size(action.max)
        .set_desired_capacity(action.desired);
    cx.call("autoscaling:PutScheduledUpdateGroupAction", request.send()).await.map(|_| ())
}

/// A scheduled action as read.
pub(super) fn observed_schedule(action: &ScheduledUpdateGroupAction) -> Option<(String, ScheduledAction)> {
    let text = |time: Option<&DateTime>| time.and_then(|t| t.fmt(Format::DateTime).ok());
    let observed = ScheduledAction {
        cron: action.recurrence().map(str::to_owned),
        time_zone: action.time_zone().map(str::to_owned),
        start: text(action.start_time()),
        end: text(action.end_time()),
        min: action.min_size(),
        max: action.max_size(),
        desired: action.desired_capacity(),
    };
    Some((action.scheduled_action_name()?.to_owned(), observed))
}

/// A hook in the form that the creating call takes, so that the first servers pass it too.
pub(super) fn hook_specification(name: &str, hook: &LifecycleHook, role: Option<String>) -> LifecycleHookSpecification {
    LifecycleHookSpecification::builder()
        .lifecycle_hook_name(name)
        .lifecycle_transition(hook.on.api())
        .set_default_result(hook.result.map(|r| r.api().to_owned()))
        .set_heartbeat_timeout(seconds(hook.timeout.as_ref()))
        .set_notification_target_arn(hook.notify.clone())
        .set_role_arn(role)
        .set_notification_metadata(hook.text.clone())
        .build()
}

/// Writes a hook, new or not.
pub(super) async fn put_hook(
    cx: &Context,
    group: &str,
    name: &str,
    hook: &LifecycleHook,
    role: Option<String>,
) -> Result<(), ApiError> {
    let request = cx
        .clients
        .autoscaling
        .put_lifecycle_hook()
        .auto_scaling_group_name(group)
        .lifecycle_hook_name(name)
        .lifecycle_transition(hook.on.api())
        .set_default_result(hook.result.map(|r| r.api().to_owned()))
        .set_heartbeat_timeout(seconds(hook.timeout.as_ref()))
        .set_notification_target_arn(hook.notify.clone())
        .set_role_arn(role)
        .set_notification_metadata(hook.text.clone());
    cx.call("autoscaling:PutLifecycleHook", request.send()).await.map(|_| ())
}

/// A hook as read.
pub(super) fn observed_hook(hook: &ApiHook) -> Option<(String, LifecycleHook)> {
    let observed = LifecycleHook {
        on: HookTransition::from_api(hook.lifecycle_transition()?)?,
        result: hook.default_result().and_then(HookResult::from_api),
        timeout: from_seconds(hook.heartbeat_timeout()),
        notify: hook.notification_target_arn().filter(|a| !a.is_empty()).map(str::to_owned),
        role: hook.role_arn().filter(|a| !a.is_empty()).map(Ref::id),
        text: hook.notification_metadata().filter(|t| !t.is_empty()).map(str::to_owned),
    };
    Some((hook.lifecycle_hook_name()?.to_owned(), observed))
}

/// What must be written and what must go, to come from one map to another.
pub(super) fn difference<'a, T: PartialEq>(
    before: Option<&'a BTreeMap<String, T>>,
    want: Option<&'a BTreeMap<String, T>>,
) -> (Vec<(&'a String, &'a T)>, Vec<&'a String>) {
    let put = want.into_iter().flatten().filter(|(k, v)| before.and_then(|b| b.get(*k)) != Some(*v)).collect();
    let remove = before.into_iter().flatten().map(|(k, _)| k).filter(|k| want.is_some_and(|w| !w.contains_key(*k)));
    (put, remove.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_written_and_only_what_is_gone_is_removed() {
        let before = BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 1), ("c".to_owned(), 1)]);
        let want = BTreeMap::from([("b".to_owned(), 2), ("c".to_owned(), 1), ("d".to_owned(), 1)]);
        let (put, remove) = difference(Some(&before), Some(&want));
        assert_eq!(put.iter().map(|(k, _)| k.as_str()).collect::<Vec<_>>(), ["b", "d"]);
        assert_eq!(remove, ["a"]);
        assert!(difference(Some(&before), None).1.is_empty(), "what is not declared is not managed");
    }

    #[test]
    fn a_policy_must_have_what_its_type_needs() {
        let problems = |policy: serde_json::Value| {
            let policy: ScalingPolicy = serde_json::from_value(policy).unwrap();
            let mut problems = Problems::default();
            check_policy("p", &policy, &mut problems);
            problems.0.len()
        };
        assert_eq!(problems(json!({"type": "target_tracking"})), 2);
        assert_eq!(problems(json!({"type": "target_tracking", "target": 60, "metric": "cpu"})), 0);
        assert_eq!(problems(json!({"type": "target_tracking", "target": 60, "metric": "requests"})), 1);
        assert_eq!(problems(json!({"type": "step", "adjustment": "count"})), 1);
        assert_eq!(problems(json!({"type": "simple", "adjustment": "count", "change": 1})), 0);
    }
}
