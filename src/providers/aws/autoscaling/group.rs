//! `autoscaling_group`: a number of equal servers over several zones, kept up by the service.
//!
//! Nothing but the name forces replacement, and it follows from the address unless one is given; it is also the group's id, so
//! that a creating call whose answer was lost makes no second group.
//!
//! **New versions of the template.** The version is a field of the group, and a user writes
//! `template_version: "{{ template.default_version }}"`. The attribute changes with every update of the template, so when a
//! plan changes the template, the group's version is not known before apply: the plan shows an update of the group after
//! the template's, with that reason, and no rule of its own is needed. With the version left out, the group takes the
//! template's default version, and only servers launched later get it.
//!
//! **Instance refresh.** With `refresh` declared, a new version (or template, or mix of types) is given to the service as the
//! desired configuration of an instance refresh, which replaces the running servers in steps and writes the version to the
//! group only when all of them are replaced. So a refresh that failed or was rolled back leaves the old version in the
//! group, and the next plan shows the change again; an apply that was cut off finds the refresh under way and waits for it.
//! Without `refresh`, the group is updated at once and running servers stay as they are.
//!
//! `refresh` and `wait_for_capacity` only tell saiken what to do; the service does not keep them, and they are compared by
//! the fingerprint in the group's tags. Lifecycle hooks have no page: one call a group, where declared.
//!
//! User tags and `Name` are handed on to the servers; ownership tags are not: the servers belong to the group.
//! API: <https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::group_calls as calls;
use super::parts::{LifecycleHook, ScalingPolicy, ScheduledAction, check_policy};
use crate::model::cloud::ApiError;
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::Object;
use crate::model::ownership::Owner;
use crate::model::preflight::View;
use crate::model::types::{Duration, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::launch_template::LaunchTemplate;
use crate::providers::aws::ec2::subnet::Subnet;
use crate::providers::aws::elb::target_group::TargetGroup;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs, Quota, Servers, Tally, Use};
use crate::providers::aws::words::words;

/// The kind `autoscaling_group`.
pub struct AutoscalingGroup;

/// A number of equal servers over several zones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name; derived from the address if left out. An object that replaces another one can't have the same name
    /// unless `lifecycle.replacement` is `delete_first`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[!-9;-~]([ -9;-~]*[!-9;-~])?$"), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// What its servers are launched with.
    pub launch_template: Ref<LaunchTemplate>,
    /// The template's version, as text. Write `"{{ template.default_version }}"` to follow the template; left out, new
    /// servers take the default version and running ones stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template_version: Option<String>,
    /// Several instance types, or on-demand and spot mixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mixed_instances: Option<MixedInstances>,
    /// Subnets, one or more in each zone.
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub subnets: Vec<Ref<Subnet>>,
    /// Least number of servers.
    #[schemars(range(min = 0))]
    pub min: i32,
    /// Greatest number of servers.
    #[schemars(range(min = 0))]
    pub max: i32,
    /// Number of servers now; left out, it is the policies' to choose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub desired: Option<i32>,
    /// What tells whether a server is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check: Option<GroupHealth>,
    /// How long a new server is not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_check_grace: Option<Duration>,
    /// Target groups of load balancers that its servers join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub target_groups: Option<Vec<Ref<TargetGroup>>>,
    /// Whether a spot server about to be taken away is replaced beforehand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_rebalance: Option<bool>,
    /// Which servers go first when there are too many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub termination_policies: Option<Vec<TerminationPolicy>>,
    /// Pause after a change by a simple policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cooldown: Option<Duration>,
    /// How long a new server takes until its metrics count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Duration>,
    /// Longest life of a server, 1d to 365d; 0s for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_instance_lifetime: Option<Duration>,
    /// Whether new servers are spared when the group shrinks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protect_from_scale_in: Option<bool>,
    /// Whether the service refuses to delete the group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_protection: Option<DeletionProtection>,
    /// Name of a placement group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement_group: Option<String>,
    /// How many servers may be out of service while the service replaces some.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance: Option<MaintenancePolicy>,
    /// Metrics of the group to collect, such as `GroupInServiceInstances`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub metrics: Option<Vec<String>>,
    /// Processes that are suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub suspended: Option<Vec<GroupProcess>>,
    /// Scaling policies, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<BTreeMap<String, ScalingPolicy>>,
    /// Scheduled changes of size, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedules: Option<BTreeMap<String, ScheduledAction>>,
    /// Lifecycle hooks, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-deep" = true))]
    pub hooks: Option<BTreeMap<String, LifecycleHook>>,
    /// How running servers are replaced when the template's version changes; left out, they stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-fingerprint" = true))]
    pub refresh: Option<RefreshSettings>,
    /// How long to wait until enough servers are in service after a change of size; 10m if left out, 0s not to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-fingerprint" = true))]
    pub wait_for_capacity: Option<Duration>,
    /// Tags, of the group and of its servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// Several instance types, or on-demand and spot mixed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MixedInstances {
    /// Instance types in order of preference.
    #[schemars(length(min = 1, max = 40))]
    pub types: Vec<InstanceOverride>,
    /// How many servers are on-demand in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub on_demand_base: Option<i32>,
    /// How many percent of the rest are on-demand, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub on_demand_percentage: Option<i32>,
    /// How types of on-demand servers are chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_demand_strategy: Option<OnDemandStrategy>,
    /// How types of spot servers are chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot_strategy: Option<SpotStrategy>,
    /// Most that an hour of spot may cost, in US dollars as text; the on-demand price if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot_max_price: Option<String>,
}

/// One instance type of a mix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InstanceOverride {
    /// The type.
    #[serde(rename = "type")]
    pub instance_type: String,
    /// How many units of the group's size it counts for, 1 to 999.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 999))]
    pub weight: Option<i32>,
    /// A template of its own (for another architecture), in its default version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_template: Option<Ref<LaunchTemplate>>,
}

/// How many servers may be out of service while the service replaces some.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaintenancePolicy {
    /// At least so many percent of the size are well, 0 to 100.
    #[schemars(range(min = 0, max = 100))]
    pub min_healthy: i32,
    /// At most so many percent of the size exist, 100 to 200.
    #[schemars(range(min = 100, max = 200))]
    pub max_healthy: i32,
}

/// How running servers are replaced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshSettings {
    /// At least so many percent of the size stay well, 0 to 100.
    #[serde(default = "ninety")]
    #[schemars(range(min = 0, max = 100))]
    pub min_healthy: i32,
    /// At most so many percent of the size exist, 100 to 200: more lets new servers come before old ones go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 200))]
    pub max_healthy: Option<i32>,
    /// Pause after each new server; the group's `warmup` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warmup: Option<Duration>,
    /// Go back to the old version when it fails; needs a `template_version` that is a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_rollback: Option<bool>,
    /// Leave servers that are already of the new version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub skip_matching: Option<bool>,
    /// Percentages at which to pause for `checkpoint_delay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoints: Option<Vec<i32>>,
    /// The pause, up to 48h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_delay: Option<Duration>,
    /// Names of alarms that make it fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alarms: Option<Vec<String>>,
    /// How long to wait until it is done; 1h if left out, 0s not to wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<Duration>,
}

words! {
    /// What tells whether a server is well.
    GroupHealth {
        /// The server itself.
        Ec2 = "EC2",
        /// The load balancer too.
        Elb = "ELB",
    }
}

words! {
    /// Which servers go first.
    TerminationPolicy {
        /// The service's own order: even zones, then the oldest template.
        Default = "Default",
        /// The oldest server.
        OldestInstance = "OldestInstance",
        /// The newest server.
        NewestInstance = "NewestInstance",
        /// That of the oldest template.
        OldestLaunchTemplate = "OldestLaunchTemplate",
        /// That of the oldest launch configuration.
        OldestLaunchConfiguration = "OldestLaunchConfiguration",
        /// That nearest to the end of a paid hour.
        ClosestToNextInstanceHour = "ClosestToNextInstanceHour",
        /// That which fits the strategies of the mix.
        AllocationStrategy = "AllocationStrategy",
    }
}

words! {
    /// Whether the service refuses to delete a group.
    DeletionProtection {
        /// It does not.
        None = "none",
        /// It refuses while the group has servers.
        WithServers = "prevent-force-deletion",
        /// It refuses.
        Always = "prevent-all-deletion",
    }
}

words! {
    /// What a group does of itself.
    GroupProcess {
        /// Adds servers.
        Launch = "Launch",
        /// Takes servers away.
        Terminate = "Terminate",
        /// Adds servers to load balancers.
        AddToLoadBalancer = "AddToLoadBalancer",
        /// Acts on alarms.
        AlarmNotification = "AlarmNotification",
        /// Evens out the zones.
        #[serde(rename = "az_rebalance")]
        AzRebalance = "AZRebalance",
        /// Checks servers.
        HealthCheck = "HealthCheck",
        /// Replaces servers by an instance refresh.
        InstanceRefresh = "InstanceRefresh",
        /// Replaces servers that are not well.
        ReplaceUnhealthy = "ReplaceUnhealthy",
        /// Acts on schedules.
        ScheduledActions = "ScheduledActions",
    }
}

words! {
    /// How types of on-demand servers are chosen.
    OnDemandStrategy {
        /// In the order given.
        Prioritized = "prioritized",
        /// The cheapest.
        LowestPrice = "lowest-price",
    }
}

words! {
    /// How types of spot servers are chosen.
    SpotStrategy {
        /// Where most capacity is free, then by price.
        PriceCapacityOptimized = "price-capacity-optimized",
        /// Where most capacity is free.
        CapacityOptimized = "capacity-optimized",
        /// Where most capacity is free, with regard to the order given.
        CapacityOptimizedPrioritized = "capacity-optimized-prioritized",
        /// The cheapest.
        LowestPrice = "lowest-price",
    }
}

fn ninety() -> i32 {
    90
}

impl Kind for AutoscalingGroup {
    const NAME: &'static str = "autoscaling_group";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "group of servers",
            service: "autoscaling",
            reference: "https://docs.aws.amazon.com/autoscaling/ec2/APIReference/API_CreateAutoScalingGroup.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: true,
            attributes: const { &[Attribute::stable("id", "Id, which is its name"), Attribute::stable("arn", "ARN")] },
            permissions: Permissions {
                read: &[
                    "autoscaling:DescribeAccountLimits",
                    "autoscaling:DescribeAutoScalingGroups",
                    "autoscaling:DescribePolicies",
                    "autoscaling:DescribeScheduledActions",
                    "autoscaling:DescribeLifecycleHooks",
                ],
                create: &[
                    "autoscaling:CreateAutoScalingGroup",
                    "autoscaling:CreateOrUpdateTags",
                    "autoscaling:PutScalingPolicy",
                    "autoscaling:PutScheduledUpdateGroupAction",
                    "autoscaling:PutLifecycleHook",
                    "autoscaling:EnableMetricsCollection",
                    "autoscaling:SuspendProcesses",
                    "ec2:RunInstances",
                    "ec2:CreateTags",
                    "iam:PassRole",
                    "iam:CreateServiceLinkedRole",
                ],
                update: &[
                    "autoscaling:UpdateAutoScalingGroup",
                    "autoscaling:StartInstanceRefresh",
                    "autoscaling:DescribeInstanceRefreshes",
                    "autoscaling:AttachLoadBalancerTargetGroups",
                    "autoscaling:DetachLoadBalancerTargetGroups",
                    "autoscaling:PutScalingPolicy",
                    "autoscaling:DeletePolicy",
                    "autoscaling:PutScheduledUpdateGroupAction",
                    "autoscaling:DeleteScheduledAction",
                    "autoscaling:PutLifecycleHook",
                    "autoscaling:DeleteLifecycleHook",
                    "autoscaling:EnableMetricsCollection",
                    "autoscaling:DisableMetricsCollection",
                    "autoscaling:SuspendProcesses",
                    "autoscaling:ResumeProcesses",
                    "autoscaling:CreateOrUpdateTags",
                    "autoscaling:DeleteTags",
                    "ec2:RunInstances",
                    "iam:PassRole",
                ],
                delete: &["autoscaling:DeleteAutoScalingGroup"],
            },
            name_limit: 255,
            creation_seconds: 90,
            deletion_seconds: 90,
            quota: 500,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        if spec.min > spec.max {
            let message = format!("`min` is {} and `max` only {}", spec.min, spec.max);
            problems.add("min", message, "raise `max`, or lower `min`");
        } else if let Some(desired) = spec.desired
            && !(spec.min..=spec.max).contains(&desired)
        {
            let message = format!("`desired` is {desired}, not within {} to {}", spec.min, spec.max);
            problems.add("desired", message, "choose a number within `min` and `max`, or leave it out");
        }
        if let Some(life) = &spec.max_instance_lifetime {
            // 0 is no limit, and also what a duration counts as while it is not known.
            let seconds = life.seconds();
            if seconds != 0 && !(86_400..=31_536_000).contains(&seconds) {
                let message = format!("`{life}` is not within 1d to 365d");
                problems.add("max_instance_lifetime", message, "0s means no limit");
            }
        }
        for (name, policy) in spec.policies.iter().flatten() {
            check_policy(name, policy, problems);
        }
        for (name, action) in spec.schedules.iter().flatten() {
            let path = format!("schedules.{name}");
            if action.cron.is_none() && action.start.is_none() {
                problems.add(path.as_str(), "a schedule needs a time", "give `cron` or `start`");
            }
            if action.min.is_none() && action.max.is_none() && action.desired.is_none() {
                problems.add(path, "a schedule changes nothing", "give `min`, `max` or `desired`");
            }
        }
        let rollback = spec.refresh.as_ref().and_then(|r| r.auto_rollback) == Some(true);
        let moving = spec.template_version.as_ref().is_none_or(|v| v.starts_with('$'));
        if rollback && moving {
            problems.add(
                "refresh.auto_rollback",
                "going back needs the number of the version to go back from",
                "use `template_version: \"{{ template.default_version }}\"`",
            );
        }
    }
}

/// <https://docs.aws.amazon.com/autoscaling/ec2/userguide/ec2-auto-scaling-quotas.html>
static GROUPS: Quota = Quota::new("autoscaling", "L-CDE20ADC", "Auto Scaling groups per region");

#[async_trait]
impl Checked for AutoscalingGroup {
    fn needs() -> Needs {
        Needs {
            resource: "autoScalingGroup:*:autoScalingGroupName/{name}",
            only_for: &[
                ("autoscaling:PutScalingPolicy", &["policies"]),
                ("autoscaling:DeletePolicy", &["policies"]),
                ("autoscaling:PutScheduledUpdateGroupAction", &["schedules"]),
                ("autoscaling:DeleteScheduledAction", &["schedules"]),
                ("autoscaling:PutLifecycleHook", &["hooks"]),
                ("autoscaling:DeleteLifecycleHook", &["hooks"]),
                ("autoscaling:EnableMetricsCollection", &["metrics"]),
                ("autoscaling:DisableMetricsCollection", &["metrics"]),
                ("autoscaling:SuspendProcesses", &["suspended"]),
                ("autoscaling:ResumeProcesses", &["suspended"]),
                ("autoscaling:AttachLoadBalancerTargetGroups", &["target_groups"]),
                ("autoscaling:DetachLoadBalancerTargetGroups", &["target_groups"]),
                ("autoscaling:StartInstanceRefresh", &["launch_template", "template_version", "mixed_instances"]),
                ("autoscaling:DescribeInstanceRefreshes", &["launch_template", "template_version", "mixed_instances"]),
                ("ec2:RunInstances", &["launch_template", "template_version", "mixed_instances"]),
                ("iam:PassRole", &[]),
                ("iam:CreateServiceLinkedRole", &[]),
            ],
        }
    }

    fn uses(_: &View<'_>) -> Vec<Use> {
        vec![Use::one(&GROUPS)]
    }

    async fn tally(cx: &Context) -> Result<Option<Tally>, ApiError> {
        let request = cx.clients.autoscaling.describe_account_limits();
        let answer = cx.call("autoscaling:DescribeAccountLimits", request.send()).await?;
        let (used, limit) = (answer.number_of_auto_scaling_groups(), answer.max_number_of_auto_scaling_groups());
        Ok(Some(Tally::told(&GROUPS, used, limit)))
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        view.own_name().map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        let ids: Vec<String> = names.iter().map(|n| n.name.clone()).collect();
        let found = Self::read(cx, &Read::brief(Selection::Ids(&ids))).await?;
        let holder = |f: Found<Spec>| Holder { name: Name::new(&f.id), owner: Owner::from_tags(&f.tags), id: f.id };
        Ok(found.into_iter().map(holder).collect())
    }

    fn servers<'a>(view: &View<'a>) -> Option<Servers<'a>> {
        let template = view.target("launch_template");
        let mixed = view.spec.get("mixed_instances").and_then(|m| m.get("types")?.as_array());
        let types: Vec<&str> = match mixed {
            Some(types) => types.iter().filter_map(|t| t.get("type")?.as_str()).collect(),
            None => template.and_then(|t| t.text("instance_type")).into_iter().collect(),
        };
        if types.is_empty() {
            return None;
        }
        let on_demand = match (mixed, template.is_some_and(|t| t.asks("spot"))) {
            (Some(_), _) => None,
            (None, true) => Some(0),
            (None, false) => view.number("desired").or_else(|| view.number("min")),
        };
        Some(Servers { types, zones: view.zones("subnets"), on_demand, everywhere: false })
    }
}

#[async_trait]
impl AwsKind for AutoscalingGroup {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        calls::read(cx, read).await
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        calls::create(cx, want).await
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        calls::update(cx, update).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        calls::delete(cx, delete).await
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        calls::retag(cx, object, set, remove).await
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn problems(more: &Value) -> Vec<String> {
        let mut spec = json!({"launch_template": "s/t", "subnets": ["n/a"], "min": 1, "max": 2});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        let spec: Spec = serde_json::from_value(spec).unwrap();
        let mut problems = Problems::default();
        AutoscalingGroup::validate(&spec, &mut problems);
        problems.0.into_iter().map(|p| p.path).collect()
    }

    #[test]
    fn sizes_must_fit_each_other() {
        assert!(problems(&json!({"desired": 2})).is_empty());
        assert_eq!(problems(&json!({"min": 3})), ["min"]);
        assert_eq!(problems(&json!({"desired": 3})), ["desired"]);
    }

    #[test]
    fn a_rollback_needs_a_version_to_go_back_from() {
        assert_eq!(problems(&json!({"refresh": {"auto_rollback": true}})), ["refresh.auto_rollback"]);
        assert!(problems(&json!({"refresh": {"auto_rollback": true}, "template_version": "3"})).is_empty());
    }

    #[test]
    fn a_schedule_needs_a_time_and_a_size() {
        assert_eq!(problems(&json!({"schedules": {"night": {}}})), ["schedules.night", "schedules.night"]);
        assert!(problems(&json!({"schedules": {"night": {"cron": "0 20 * * *", "desired": 1}}})).is_empty());
    }
}
