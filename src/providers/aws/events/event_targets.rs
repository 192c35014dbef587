//! Targets of an event rule: what is done with the events that it lets through.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_eventbridge::types::{
    AssignPublicIp, AwsVpcConfiguration, BatchArrayProperties, BatchParameters, BatchRetryStrategy,
    CapacityProviderStrategyItem, DeadLetterConfig, EcsParameters, HttpParameters, InputTransformer, KinesisParameters,
    LaunchType as ApiLaunchType, NetworkConfiguration, PropagateTags, RetryPolicy, RunCommandParameters,
    RunCommandTarget, SqsParameters, Target as ApiTarget,
};
use aws_smithy_types::error::operation::BuildError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::event_rule::Spec;
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Problems;
use crate::model::types::{Duration, Ref};
use crate::model::value::is_unknown_text;
use crate::providers::aws::arns;
use crate::providers::aws::ec2::security_group::SecurityGroup;
use crate::providers::aws::ec2::subnet::Subnet;
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::json::Json;
use crate::providers::aws::kind::Create;
use crate::providers::aws::logs::log_group::LogGroup;
use crate::providers::aws::sns::topic::Topic;
use crate::providers::aws::words::words;

/// Tries and age that an event has where nothing is said
/// (<https://docs.aws.amazon.com/eventbridge/latest/APIReference/API_RetryPolicy.html>).
const TRIES: u32 = 185;
const AGE: u64 = 86_400;

/// What is done with an event.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// A topic that it is published to. This, `log_group` or `arn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<Ref<Topic>>,
    /// A log group that it is written into; its resource policy must allow it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_group: Option<Ref<LogGroup>>,
    /// ARN of anything else: a function, queue, stream, state machine, cluster, bus, API destination, document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// Role by which it is done; functions, topics, queues and log groups need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Ref<Role>>,
    /// What it is given in place of the event, as a mapping or JSON text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null))]
    pub input: Option<Json>,
    /// The part of the event that it is given: `$.detail`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), extend("x-left-out" = null))]
    pub input_path: Option<String>,
    /// A text made from the event that it is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null))]
    pub transformer: Option<Transformer>,
    /// How it is tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// ARN of the queue for events that can't be delivered; empty for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<String>,
    /// Group of the message, for a queue that keeps order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_group: Option<String>,
    /// Where in the event the partition key is, for a stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition_key_path: Option<String>,
    /// Servers that a document runs on: keys (`InstanceIds`, `tag:Name`) with values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_command: Option<BTreeMap<String, Vec<String>>>,
    /// How a task of a cluster is started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecs: Option<Ecs>,
    /// Which job is put into a queue of jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// What an API is called with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
}

/// A text made from an event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transformer {
    /// Names and the parts of the event that they stand for (`$.detail.state`).
    #[serde(default)]
    pub paths: BTreeMap<String, String>,
    /// The text, with `<name>` in it.
    #[schemars(length(min = 1, max = 8192), extend("x-text" = "text"))]
    pub template: String,
}

/// How delivery is tried again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// How often, 185 times at most and by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 185))]
    pub attempts: Option<u32>,
    /// How long, 1m to 1d; 1d by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}

/// How a task is started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ecs {
    /// ARN of its definition.
    pub task_definition: String,
    /// How many of it, 1 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub count: Option<u32>,
    /// What it runs on. Not with `capacity_providers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_type: Option<LaunchType>,
    /// Capacity providers with their weights and bases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_providers: Option<BTreeMap<String, Capacity>>,
    /// Subnets that it stands in, for tasks with addresses of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub subnets: Option<Vec<Ref<Subnet>>>,
    /// Its security groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub security_groups: Option<Vec<Ref<SecurityGroup>>>,
    /// Whether it gets a public address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_ip: Option<bool>,
    /// Version of the platform, on Fargate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform_version: Option<String>,
    /// Group of tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether commands can be run in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execute_command: Option<bool>,
    /// Whether the service tags it with its cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub managed_tags: Option<bool>,
    /// Whether it has the tags of its definition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propagate_tags: Option<bool>,
}

words! {
    /// What a task runs on.
    LaunchType {
        /// Servers of one's own in EC2.
        Ec2 = "EC2",
        /// Fargate.
        Fargate = "FARGATE",
        /// Servers elsewhere.
        External = "EXTERNAL",
    }
}

/// How much of a capacity provider is taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Capacity {
    /// Its share.
    #[serde(default)]
    #[schemars(range(max = 1000))]
    pub weight: u32,
    /// How many tasks it gets before the shares count.
    #[serde(default)]
    #[schemars(range(max = 100_000))]
    pub base: u32,
}

/// Which job is run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// ARN or name of its definition.
    pub definition: String,
    /// Its name.
    pub name: String,
    /// Number of jobs in an array, 2 to 10,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 10_000))]
    pub array_size: Option<u32>,
    /// How often it is tried, 1 to 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub attempts: Option<u32>,
}

/// What an API is called with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// What stands for the `*` in its path, in order.
    #[serde(default)]
    pub path: Vec<String>,
    /// Headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Parameters of the query.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
}

impl Target {
    /// Rules over its fields.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        let ends = [self.topic.is_some(), self.log_group.is_some(), self.arn.is_some()];
        if ends.into_iter().filter(|given| *given).count() != 1 {
            problems.add(path, "an event goes to one place", "give one of `topic`, `log_group` and `arn`");
        }
        if let Some(arn) = self.arn.as_deref().filter(|a| !is_unknown_text(a) && !a.starts_with("arn:")) {
            problems.add(format!("{path}.arn"), format!("`{arn}` is no ARN"), "write it whole");
        }
        let inputs = [self.input.is_some(), self.input_path.is_some(), self.transformer.is_some()];
        if inputs.into_iter().filter(|given| *given).count() > 1 {
            let message = "what is given in place of the event is said twice";
            problems.add(format!("{path}.input"), message, "give one of `input`, `input_path` and `transformer`");
        }
        let age = self.retry.as_ref().and_then(|r| r.max_age.as_ref());
        if let Some(age) = age.filter(|a| !is_unknown_text(a.as_str()) && !(60..=AGE).contains(&a.seconds())) {
            let message = format!("an event can't be kept for `{age}`");
            problems.add(format!("{path}.retry.max_age"), message, "take 1m to 1d");
        }
        if self.run_command.as_ref().is_some_and(|all| all.len() > 5) {
            problems.add(format!("{path}.run_command"), "a command takes 5 keys at most", "leave some out");
        }
        if let Some(ecs) = &self.ecs {
            if ecs.launch_type.is_some() && ecs.capacity_providers.is_some() {
                let message = "a task runs on a launch type or on capacity providers";
                problems.add(format!("{path}.ecs.launch_type"), message, "leave one out");
            }
            if ecs.subnets.is_none() && (ecs.security_groups.is_some() || ecs.public_ip.is_some()) {
                let message = "only a task in subnets has addresses and security groups";
                problems.add(format!("{path}.ecs.subnets"), message, "give the subnets");
            }
        }
    }

    /// As the API gives it. A place has its ARN beside the reference, so that it can be declared in either way.
    pub(super) fn observed(target: &ApiTarget) -> Self {
        let arn = target.arn().to_owned();
        let service = arn.split(':').nth(2).unwrap_or_default().to_owned();
        let retry = target.retry_policy();
        let number = |n: Option<i32>| n.and_then(|n| u32::try_from(n).ok());
        let age = number(retry.and_then(RetryPolicy::maximum_event_age_in_seconds)).map_or(AGE, u64::from);
        let dead_letters = target.dead_letter_config().and_then(DeadLetterConfig::arn);
        Self {
            topic: (service == "sns").then(|| Ref::id(&arn)),
            log_group: (service == "logs").then(|| Ref::id(&arn)),
            role: target.role_arn().map(Ref::id),
            input: target.input().map(Json::observed),
            input_path: target.input_path().map(str::to_owned),
            transformer: target.input_transformer().map(|t| Transformer {
                paths: t.input_paths_map().cloned().unwrap_or_default().into_iter().collect(),
                template: t.input_template().to_owned(),
            }),
            retry: Some(Retry {
                attempts: Some(number(retry.and_then(RetryPolicy::maximum_retry_attempts)).unwrap_or(TRIES)),
                max_age: Some(Duration::from_seconds(age)),
            }),
            dead_letters: Some(dead_letters.unwrap_or_default().to_owned()),
            message_group: target.sqs_parameters().and_then(SqsParameters::message_group_id).map(str::to_owned),
            partition_key_path: target.kinesis_parameters().map(|k| k.partition_key_path().to_owned()),
            run_command: target
                .run_command_parameters()
                .map(|r| r.run_command_targets().iter().map(|t| (t.key().to_owned(), t.values().to_vec())).collect()),
            ecs: target.ecs_parameters().map(Ecs::observed),
            batch: target.batch_parameters().map(Batch::observed),
            http: target.http_parameters().map(|h| Http {
                path: h.path_parameter_values().to_vec(),
                headers: h.header_parameters().cloned().unwrap_or_default().into_iter().collect(),
                query: h.query_string_parameters().cloned().unwrap_or_default().into_iter().collect(),
            }),
            arn: Some(arn),
        }
    }

    /// In the API's form. What is not declared of a target that goes to the same place is as it is there.
    pub(super) fn to_api(
        &self,
        want: &Create<'_, Spec>,
        id: &str,
        there: Option<&ApiTarget>,
    ) -> Result<ApiTarget, ApiError> {
        let arn = match (&self.topic, &self.log_group) {
            (Some(topic), _) => arns::of(want, topic)?,
            (None, Some(group)) => arns::of(want, group)?,
            (None, None) => self.arn.clone().unwrap_or_default(),
        };
        let there = there.filter(|t| t.arn() == arn);
        let own_input = self.input.is_some() || self.input_path.is_some() || self.transformer.is_some();
        let old_input = there.filter(|_| !own_input);
        let transformer = self.transformer.as_ref().map(Transformer::to_api).transpose()?;
        let queue = self.dead_letters.as_ref().map(|arn| DeadLetterConfig::builder().arn(arn).build());
        let queue = queue.or_else(|| there.and_then(|t| t.dead_letter_config.clone()));
        let role = arns::optional(want, self.role.as_ref())?;
        let target = ApiTarget::builder()
            .id(id)
            .arn(arn)
            .set_role_arn(role.or_else(|| there.and_then(|t| t.role_arn.clone())))
            .set_input(self.input.as_ref().map(Json::to_text).or_else(|| old_input.and_then(|t| t.input.clone())))
            .set_input_path(self.input_path.clone().or_else(|| old_input.and_then(|t| t.input_path.clone())))
            .set_input_transformer(transformer.or_else(|| old_input.and_then(|t| t.input_transformer.clone())))
            .set_retry_policy(self.retry_policy(there))
            .set_dead_letter_config(queue.filter(|q| q.arn().is_some_and(|arn| !arn.is_empty())))
            // What has no fields of its own here.
            .set_redshift_data_parameters(there.and_then(|t| t.redshift_data_parameters.clone()))
            .set_sage_maker_pipeline_parameters(there.and_then(|t| t.sage_maker_pipeline_parameters.clone()))
            .set_app_sync_parameters(there.and_then(|t| t.app_sync_parameters.clone()));
        self.parameters(want, target, there)?.build().map_err(invalid)
    }

    /// What only targets of some services have.
    fn parameters(
        &self,
        want: &Create<'_, Spec>,
        target: aws_sdk_eventbridge::types::builders::TargetBuilder,
        there: Option<&ApiTarget>,
    ) -> Result<aws_sdk_eventbridge::types::builders::TargetBuilder, ApiError> {
        let group = self.message_group.as_ref().map(|g| SqsParameters::builder().message_group_id(g).build());
        let key = self.partition_key_path.as_ref().map(|k| KinesisParameters::builder().partition_key_path(k).build());
        let old_ecs = there.and_then(ApiTarget::ecs_parameters);
        let ecs = self.ecs.as_ref().map(|ecs| ecs.to_api(want, old_ecs)).transpose()?;
        let batch = self.batch.as_ref().map(Batch::to_api).transpose()?;
        let command = self.run_command.as_ref().map(run_command).transpose()?;
        let http = self.http.as_ref().map(Http::to_api);
        let key = key.transpose().map_err(invalid)?;
        Ok(target
            .set_sqs_parameters(group.or_else(|| there.and_then(|t| t.sqs_parameters.clone())))
            .set_kinesis_parameters(key.or_else(|| there.and_then(|t| t.kinesis_parameters.clone())))
            .set_ecs_parameters(ecs.or_else(|| old_ecs.cloned()))
            .set_batch_parameters(batch.or_else(|| there.and_then(|t| t.batch_parameters.clone())))
            .set_run_command_parameters(command.or_else(|| there.and_then(|t| t.run_command_parameters.clone())))
            .set_http_parameters(http.or_else(|| there.and_then(|t| t.http_parameters.clone()))))
    }

    fn retry_policy(&self, there: Option<&ApiTarget>) -> Option<RetryPolicy> {
        let old = there.and_then(|t| t.retry_policy.as_ref());
        let number = |n: u64| i32::try_from(n).unwrap_or(i32::MAX);
        let Some(retry) = &self.retry else { return old.cloned() };
        let attempts = retry.attempts.map(|n| number(n.into()));
        let age = retry.max_age.as_ref().map(|a| number(a.seconds()));
        let policy = RetryPolicy::builder()
            .set_maximum_retry_attempts(attempts.or(old.and_then(RetryPolicy::maximum_retry_attempts)))
            .set_maximum_event_age_in_seconds(age.or(old.and_then(RetryPolicy::maximum_event_age_in_seconds)));
        Some(policy.build())
    }
}

fn invalid(error: BuildError) -> ApiError {
    ApiError::new("events:PutTargets", ErrorClass::Invalid, error.to_string())
}

fn run_command(all: &BTreeMap<String, Vec<String>>) -> Result<RunCommandParameters, ApiError> {
    let one = |(key, values): (&String, &Vec<String>)| {
        RunCommandTarget::builder().key(key).set_values(Some(values.clone())).build().map_err(invalid)
    };
    let targets = all.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    RunCommandParameters::builder().set_run_command_targets(Some(targets)).build().map_err(invalid)
}

impl Transformer {
    fn to_api(&self) -> Result<InputTransformer, ApiError> {
        let paths: HashMap<String, String> = self.paths.clone().into_iter().collect();
        let transformer = InputTransformer::builder().input_template(&self.template);
        transformer.set_input_paths_map(Some(paths).filter(|p| !p.is_empty())).build().map_err(invalid)
    }
}

impl Http {
    fn to_api(&self) -> HttpParameters {
        let map = |all: &BTreeMap<String, String>| Some(all.clone().into_iter().collect::<HashMap<_, _>>());
        HttpParameters::builder()
            .set_path_parameter_values(Some(self.path.clone()))
            .set_header_parameters(map(&self.headers))
            .set_query_string_parameters(map(&self.query))
            .build()
    }
}

impl Batch {
    fn observed(batch: &BatchParameters) -> Self {
        let number = |n: i32| u32::try_from(n).ok();
        Self {
            definition: batch.job_definition().to_owned(),
            name: batch.job_name().to_owned(),
            array_size: batch.array_properties().and_then(|a| number(a.size())),
            attempts: batch.retry_strategy().and_then(|r| number(r.attempts())),
        }
    }

    fn to_api(&self) -> Result<BatchParameters, ApiError> {
        let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
        BatchParameters::builder()
            .job_definition(&self.definition)
            .job_name(&self.name)
            .set_array_properties(self.array_size.map(|n| BatchArrayProperties::builder().size(number(n)).build()))
            .set_retry_strategy(self.attempts.map(|n| BatchRetryStrategy::builder().attempts(number(n)).build()))
            .build()
            .map_err(invalid)
    }
}

impl Ecs {
    fn observed(ecs: &EcsParameters) -> Self {
        let network = ecs.network_configuration().and_then(NetworkConfiguration::awsvpc_configuration);
        let number = |n: i32| u32::try_from(n).unwrap_or(0);
        let providers = ecs.capacity_provider_strategy().iter();
        Self {
            task_definition: ecs.task_definition_arn().to_owned(),
            count: Some(ecs.task_count().map_or(1, number)),
            launch_type: ecs.launch_type().and_then(|l| LaunchType::from_api(l.as_str())),
            capacity_providers: (!ecs.capacity_provider_strategy().is_empty()).then(|| {
                let capacity =
                    |c: &CapacityProviderStrategyItem| Capacity { weight: number(c.weight()), base: number(c.base()) };
                providers.map(|c| (c.capacity_provider().to_owned(), capacity(c))).collect()
            }),
            subnets: network.map(|n| n.subnets().iter().map(Ref::id).collect()),
            security_groups: network.map(|n| n.security_groups().iter().map(Ref::id).collect()),
            public_ip: network.map(|n| n.assign_public_ip() == Some(&AssignPublicIp::Enabled)),
            platform_version: ecs.platform_version().map(str::to_owned),
            group: ecs.group().map(str::to_owned),
            execute_command: Some(ecs.enable_execute_command()),
            managed_tags: Some(ecs.enable_ecs_managed_tags()),
            propagate_tags: Some(ecs.propagate_tags().is_some()),
        }
    }

    fn to_api(&self, want: &Create<'_, Spec>, there: Option<&EcsParameters>) -> Result<EcsParameters, ApiError> {
        let number = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
        let provider = |(name, capacity): (&String, &Capacity)| {
            let item = CapacityProviderStrategyItem::builder().capacity_provider(name);
            item.weight(number(capacity.weight)).base(number(capacity.base)).build().map_err(invalid)
        };
        let providers = self.capacity_providers.iter().flatten().map(provider).collect::<Result<Vec<_>, _>>()?;
        let network = self.network(want)?.or_else(|| there.and_then(|t| t.network_configuration.clone()));
        EcsParameters::builder()
            .task_definition_arn(&self.task_definition)
            .set_task_count(self.count.map(number).or(there.and_then(EcsParameters::task_count)))
            .set_launch_type(self.launch_type.map(|l| ApiLaunchType::from(l.api())))
            .set_capacity_provider_strategy(Some(providers).filter(|p| !p.is_empty()))
            .set_network_configuration(network)
            .set_platform_version(self.platform_version.clone())
            .set_group(self.group.clone())
            .enable_execute_command(self.execute_command.unwrap_or(there.is_some_and(|t| t.enable_execute_command)))
            .enable_ecs_managed_tags(self.managed_tags.unwrap_or(there.is_some_and(|t| t.enable_ecs_managed_tags)))
            .set_propagate_tags(
                Some(PropagateTags::TaskDefinition)
                    .filter(|_| self.propagate_tags.unwrap_or(there.is_some_and(|t| t.propagate_tags.is_some()))),
            )
            // What has no fields of its own here.
            .set_placement_constraints(there.and_then(|t| t.placement_constraints.clone()))
            .set_placement_strategy(there.and_then(|t| t.placement_strategy.clone()))
            .set_reference_id(there.and_then(|t| t.reference_id.clone()))
            .set_tags(there.and_then(|t| t.tags.clone()))
            .build()
            .map_err(invalid)
    }

    fn network(&self, want: &Create<'_, Spec>) -> Result<Option<NetworkConfiguration>, ApiError> {
        let Some(subnets) = &self.subnets else { return Ok(None) };
        let groups = self.security_groups.as_ref().map(|groups| want.ids(groups)).transpose()?;
        let address = |on: bool| if on { AssignPublicIp::Enabled } else { AssignPublicIp::Disabled };
        let configuration = AwsVpcConfiguration::builder()
            .set_subnets(Some(want.ids(subnets)?))
            .set_security_groups(groups)
            .set_assign_public_ip(self.public_ip.map(address))
            .build()
            .map_err(invalid)?;
        Ok(Some(NetworkConfiguration::builder().awsvpc_configuration(configuration).build()))
    }
}
