//! Which servers something is for: [`Targets`], to and from the API's keys and values.

use aws_sdk_ssm::types::Target;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Values, read_sorted, sorted};
use crate::model::cloud::ApiError;
use crate::model::kind::Problems;
use crate::model::types::Ref;
use crate::providers::aws::ec2::instance::Instance;
use crate::providers::aws::kind::Create;

/// Key of servers by id.
const INSTANCES: &str = "InstanceIds";
/// Key of resource groups.
const GROUPS: &str = "resource-groups:Name";
/// What a key of a tag begins with.
const TAG: &str = "tag:";

/// Which servers (or other objects) something is for. What is left out selects nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Targets {
    /// Servers that carry all of these tags: the values that each may have, by tag.
    #[serde(default, deserialize_with = "read_sorted")]
    pub tags: Values,
    /// These servers, 50 at most.
    #[serde(default)]
    #[schemars(length(max = 50), extend("x-unordered" = true))]
    pub instances: Vec<Ref<Instance>>,
    /// All servers of the account and region that the service manages.
    #[serde(default)]
    pub all: bool,
    /// Names of resource groups.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub resource_groups: Vec<String>,
    /// Values by any other key of the API, such as `resource-groups:ResourceTypeFilters: [AWS::EC2::Instance]`,
    /// `tag-key: [Patch Group]`, `ParameterValues: [a, b]`.
    #[serde(default, deserialize_with = "read_sorted")]
    pub other: Values,
}

impl Targets {
    /// Whether nothing is selected.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether resource groups are selected rather than servers.
    pub(super) fn is_of_groups(&self) -> bool {
        !self.resource_groups.is_empty()
    }

    /// Rules that the API would refuse to see broken.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        if self.all && !self.instances.is_empty() {
            problems.add(format!("{path}.all"), "all servers, and some by their names", "leave one out");
        }
        for key in self.other.keys() {
            let own = [INSTANCES, GROUPS].contains(&key.as_str()) || key.starts_with(TAG);
            if own || key == WINDOW_TARGETS {
                let message = format!("`{key}` has a field of its own");
                problems.add(
                    format!("{path}.other.{key}"),
                    message,
                    "write `tags`, `instances`, `all` or `resource_groups`",
                );
            }
        }
        let keys = self.tags.iter().map(|(k, v)| (format!("tags.{k}"), v));
        for (key, _) in
            keys.chain(self.other.iter().map(|(k, v)| (format!("other.{k}"), v))).filter(|(_, v)| v.is_empty())
        {
            problems.add(format!("{path}.{key}"), "without values it selects nothing", "add one, or leave it out");
        }
    }

    /// In the API's form, always in the same order.
    pub(super) fn to_api<S>(&self, want: &Create<'_, S>) -> Result<Vec<Target>, ApiError> {
        let mut all = Vec::new();
        if self.all {
            all.push(target(INSTANCES, vec!["*".to_owned()]));
        }
        if !self.instances.is_empty() {
            all.push(target(INSTANCES, want.ids(&self.instances)?));
        }
        if !self.resource_groups.is_empty() {
            all.push(target(GROUPS, self.resource_groups.clone()));
        }
        all.extend(self.tags.iter().map(|(key, values)| target(&format!("{TAG}{key}"), values.clone())));
        all.extend(self.other.iter().map(|(key, values)| target(key, values.clone())));
        Ok(all)
    }

    /// From the API's form.
    pub(super) fn from_api(all: &[Target]) -> Self {
        let mut targets = Self::default();
        for target in all {
            let (key, values) = (target.key().unwrap_or_default(), target.values().to_vec());
            match key {
                INSTANCES if values == ["*"] => targets.all = true,
                INSTANCES => targets.instances.extend(values.into_iter().map(Ref::id)),
                GROUPS => targets.resource_groups.extend(values),
                _ => match key.strip_prefix(TAG) {
                    Some(tag) => targets.tags.entry(tag.to_owned()).or_default().extend(values),
                    None => targets.other.entry(key.to_owned()).or_default().extend(values),
                },
            }
        }
        targets.tags = sorted(targets.tags);
        targets.other = sorted(targets.other);
        targets
    }
}

/// Key of what is registered with a maintenance window.
pub(super) const WINDOW_TARGETS: &str = "WindowTargetIds";

/// One key with its values.
pub(super) fn target(key: &str, values: Vec<String>) -> Target {
    Target::builder().key(key).set_values(Some(values)).build()
}
