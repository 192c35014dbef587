//! What `launch_template` and `instance` share: words, metadata options, references as the APIs want them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Problems;
use crate::model::ownership;
use crate::model::types::{Image, Ref, Size};
use crate::model::value::is_unknown_text;
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::kind::{Create, Tags};
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::words::words;

/// Most bytes of user data before encoding.
/// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/user-data.html>
const USER_DATA_LIMIT: usize = 16 * 1024;

words! {
    /// What a server's CPU may do above its baseline (burstable types).
    Credits {
        /// Slows down when its credits are used up.
        Standard = "standard",
        /// Goes on, and costs more.
        Unlimited = "unlimited",
    }
}

words! {
    /// Hardware that a server runs on.
    ServerTenancy {
        /// Shared.
        Default = "default",
        /// Hardware of the account's own.
        Dedicated = "dedicated",
        /// A dedicated host.
        Host = "host",
    }
}

words! {
    /// What a shutdown from inside the server does.
    ShutdownBehaviour {
        /// It stops, and can be started again.
        Stop = "stop",
        /// It is terminated.
        Terminate = "terminate",
    }
}

words! {
    /// Whether requests to the metadata service need a session token.
    MetadataTokens {
        /// They do (IMDSv2): a forged request from inside an application gets nothing.
        Required = "required",
        /// Old requests without a token are answered too.
        Optional = "optional",
    }
}

words! {
    /// Type of a volume.
    VolumeType {
        /// General purpose SSD, IOPS and throughput of one's own choice.
        Gp3 = "gp3",
        /// General purpose SSD, older.
        Gp2 = "gp2",
        /// Provisioned IOPS SSD.
        Io1 = "io1",
        /// Provisioned IOPS SSD, more durable.
        Io2 = "io2",
        /// Throughput HDD.
        St1 = "st1",
        /// Cold HDD.
        Sc1 = "sc1",
        /// Magnetic, older.
        Standard = "standard",
    }
}

/// The metadata service, by which software on a server learns of it and gets the role's credentials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetadataOptions {
    /// Whether requests need a session token.
    #[serde(default = "required_tokens")]
    pub tokens: MetadataTokens,
    /// Network hops that an answer may take, 1 to 64; containers on the server need 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub hop_limit: Option<i32>,
    /// Whether the service answers at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<bool>,
    /// Whether it answers over IPv6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipv6: Option<bool>,
    /// Whether it tells the server's tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<bool>,
}

impl Default for MetadataOptions {
    fn default() -> Self {
        Self { tokens: required_tokens(), hop_limit: None, endpoint: None, ipv6: None, tags: None }
    }
}

fn required_tokens() -> MetadataTokens {
    MetadataTokens::Required
}

/// CPU cores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CpuOptions {
    /// Cores, of those that the type has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub cores: Option<i32>,
    /// Threads a core, 1 or 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2))]
    pub threads_per_core: Option<i32>,
}

/// `true`, as a default.
pub(in crate::providers::aws) fn yes() -> bool {
    true
}

/// The API's word for a switch.
pub(super) fn switch(on: bool) -> &'static str {
    if on { "enabled" } else { "disabled" }
}

/// The id of an image that the planner has resolved.
pub(super) fn image_id(image: &Image) -> Result<String, ApiError> {
    match image {
        Image::Id(id) => Ok(id.clone()),
        Image::Query(query) => {
            let message = format!("the image query {query:?} has no answer yet");
            Err(ApiError::new("image", ErrorClass::Invalid, message))
        }
    }
}

/// Name of a role's instance profile: the role's attribute, or for a role that is not owned the id, taken as the profile's
/// name or ARN.
pub(super) fn profile<S>(want: &Create<'_, S>, role: &Ref<Role>) -> Result<String, ApiError> {
    match want.attribute(role, "instance_profile_name") {
        Some(name) => Ok(name),
        None => Ok(profile_name(&want.id(role)?).to_owned()),
    }
}

/// The name in an instance profile's ARN (`…:instance-profile/path/name`); a name stays as it is.
pub(super) fn profile_name(text: &str) -> &str {
    text.rsplit('/').next().unwrap_or(text)
}

/// A key by its ARN, which is how the APIs report it.
pub(super) fn key_arn<S>(want: &Create<'_, S>, key: Option<&Ref<Key>>) -> Result<Option<String>, ApiError> {
    key.map(|key| want.attribute(key, "arn").map_or_else(|| want.id(key), Ok)).transpose()
}

/// A size in the API's unit, whole GiB.
pub(super) fn gib(size: Option<&Size>) -> Option<i32> {
    size.and_then(|s| i32::try_from(s.gib()).ok())
}

/// A size from the API's unit.
pub(super) fn from_gib(gib: Option<i32>) -> Option<Size> {
    gib.and_then(|g| u64::try_from(g).ok()).map(Size::from_gib)
}

/// User data from the API, which gives it in base 64.
pub(super) fn decode_user_data(text: &str) -> Option<String> {
    aws_smithy_types::base64::decode(text).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// Tags for what is launched with a server (its volumes, the members of a group): the project and the environment, so that
/// costs can be told apart, but no address: they are not objects of their own.
pub(super) fn launched_tags(all: &Tags, own: Option<&Tags>) -> Tags {
    let mut tags = own.cloned().unwrap_or_default();
    for key in [ownership::PROJECT, ownership::ENVIRONMENT] {
        if let Some(value) = all.get(key) {
            tags.insert(key.to_owned(), value.clone());
        }
    }
    tags
}

/// Refuses user data that the API would.
pub(super) fn check_user_data(text: Option<&String>, problems: &mut Problems) {
    if let Some(text) = text
        && !is_unknown_text(text)
        && text.len() > USER_DATA_LIMIT
    {
        let message = format!("user data has {} bytes, and 16,384 is the most that a server takes", text.len());
        problems.add("user_data", message, "let it fetch the rest from a bucket or a package");
    }
}

/// Refuses performance settings that the volume's type has not.
pub(super) fn check_performance(
    path: &str,
    volume_type: Option<VolumeType>,
    iops: Option<i32>,
    throughput: Option<i32>,
    problems: &mut Problems,
) {
    let at = |field: &str| if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") };
    match volume_type {
        Some(VolumeType::Io1 | VolumeType::Io2) if iops.is_none() => {
            problems.add(at("iops"), "volumes of type io1 and io2 need `iops`", "give `iops`, or use type gp3");
        }
        Some(VolumeType::Gp2 | VolumeType::St1 | VolumeType::Sc1 | VolumeType::Standard) if iops.is_some() => {
            problems.add(at("iops"), "a volume of this type has no `iops` of its own", "use type gp3, io1 or io2");
        }
        _ => {}
    }
    if throughput.is_some() && volume_type.is_some_and(|t| t != VolumeType::Gp3) {
        problems.add(at("throughput"), "only volumes of type gp3 have `throughput`", "use type gp3");
    }
}

/// Refuses a key for what is not encrypted.
pub(super) fn check_key(path: &str, encrypted: bool, key: Option<&Ref<Key>>, problems: &mut Problems) {
    if key.is_some() && !encrypted {
        let at = if path.is_empty() { "key".to_owned() } else { format!("{path}.key") };
        problems.add(at, "a key without encryption has no use", "remove `encrypted: false`, or the key");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_profile_is_known_by_its_name_however_the_api_writes_it() {
        assert_eq!(profile_name("arn:aws:iam::123456789012:instance-profile/apps/web"), "web");
        assert_eq!(profile_name("web"), "web");
    }

    #[test]
    fn what_is_launched_with_a_server_carries_no_address() {
        let all = Tags::from([
            (ownership::PROJECT.into(), "shop".into()),
            (ownership::ENVIRONMENT.into(), "test".into()),
            (ownership::ADDRESS.into(), "servers/web".into()),
        ]);
        let own = Tags::from([("team".into(), "a".into())]);
        let tags = launched_tags(&all, Some(&own));
        assert_eq!(
            tags.keys().map(String::as_str).collect::<Vec<_>>(),
            ["saiken:environment", "saiken:project", "team"]
        );
    }

    #[test]
    fn performance_settings_must_fit_the_type() {
        let problems = |t, iops, throughput| {
            let mut problems = Problems::default();
            check_performance("root_disk", Some(t), iops, throughput, &mut problems);
            problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
        };
        assert_eq!(problems(VolumeType::Io2, None, None), ["root_disk.iops"]);
        assert_eq!(problems(VolumeType::Gp2, Some(3000), Some(125)), ["root_disk.iops", "root_disk.throughput"]);
        assert!(problems(VolumeType::Gp3, Some(3000), Some(125)).is_empty());
    }

    #[test]
    fn user_data_survives_its_encoding() {
        let text = "#!/bin/sh\necho 再建\n";
        assert_eq!(decode_user_data(&aws_smithy_types::base64::encode(text)).as_deref(), Some(text));
    }
}
