//! The smaller parts of a bucket's spec: encryption, public access, ownership, retention, access log, CORS.

use aws_sdk_s3::types::{
    BlockedEncryptionTypes, CorsRule as ApiCors, EncryptionType, LoggingEnabled, PartitionDateSource,
    PartitionedPrefix, PublicAccessBlockConfiguration, ServerSideEncryptionByDefault, ServerSideEncryptionRule,
    SimplePrefix, TargetObjectKeyFormat,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bucket::Bucket;
use super::bucket_lifecycle::never;
use super::bucket_name;
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Problems;
use crate::model::types::{Duration, Ref};
use crate::model::value::is_unknown_text;
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::words::words;

const DAY: u64 = 86_400;
/// Longest default retention, in days.
const RETENTION: u64 = 36_500;
/// Most CORS rules of a bucket.
const CORS: usize = 100;

pub(super) fn yes() -> bool {
    true
}

/// What could not be put into the API's form.
pub(super) fn invalid(operation: &str, error: &dyn std::error::Error) -> ApiError {
    ApiError::new(operation, ErrorClass::Invalid, error.to_string())
}

/// How objects are encrypted that do not say it themselves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Encryption {
    /// With which keys.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// The key, for `sse_kms` and `sse_kms_dsse` (by ARN, if it is not owned); left out, the account's own key for S3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Ref<Key>>,
    /// Whether the bucket keeps a key made from that one for a while, which spares most calls of KMS (`sse_kms`). A new
    /// bucket, or one that changes to `sse_kms`, does, if it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_key: Option<bool>,
    /// Whether objects that are encrypted with keys that their writers keep (SSE-C) are refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refuse_customer_keys: Option<bool>,
}

words! {
    /// With which keys objects are encrypted.
    #[derive(Default)]
    Algorithm {
        /// Keys of S3.
        #[default]
        SseS3 = "AES256",
        /// A key of KMS.
        SseKms = "aws:kms",
        /// A key of KMS, in two layers.
        SseKmsDsse = "aws:kms:dsse",
    }
}

impl Encryption {
    /// In the API's form; `key` is the key's ARN.
    pub(super) fn api(&self, key: Option<String>) -> Result<ServerSideEncryptionRule, ApiError> {
        let default = ServerSideEncryptionByDefault::builder()
            .sse_algorithm(self.algorithm.api().into())
            .set_kms_master_key_id(key)
            .build()
            .map_err(|e| invalid("s3:PutEncryptionConfiguration", &e))?;
        let refused = self.refuse_customer_keys.map(|refuse| {
            let kind = if refuse { EncryptionType::SseC } else { EncryptionType::None };
            BlockedEncryptionTypes::builder().encryption_type(kind).build()
        });
        let spares = (self.algorithm == Algorithm::SseKms).then(|| self.bucket_key.unwrap_or(true));
        Ok(ServerSideEncryptionRule::builder()
            .apply_server_side_encryption_by_default(default)
            .set_bucket_key_enabled(spares)
            .set_blocked_encryption_types(refused)
            .build())
    }

    /// From the API's form.
    pub(super) fn from_api(rule: &ServerSideEncryptionRule) -> Self {
        let default = rule.apply_server_side_encryption_by_default();
        let word = default.map(|d| d.sse_algorithm().as_str()).unwrap_or_default();
        let refused = rule.blocked_encryption_types().map(|b| b.encryption_type().contains(&EncryptionType::SseC));
        Self {
            algorithm: Algorithm::from_api(word).unwrap_or_default(),
            key: default.and_then(|d| d.kms_master_key_id()).map(Ref::id),
            bucket_key: Some(rule.bucket_key_enabled().unwrap_or(false)),
            refuse_customer_keys: Some(refused.unwrap_or(false)),
        }
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        if self.algorithm == Algorithm::SseS3 && self.key.is_some() {
            let help = "set `algorithm: sse_kms`, or leave the key out";
            problems.add("encryption.key", "a key is of no use with the keys of S3", help);
        }
        if self.algorithm != Algorithm::SseKms && self.bucket_key == Some(true) {
            let help = "leave `bucket_key` out, or set `algorithm: sse_kms`";
            problems.add("encryption.bucket_key", "only `sse_kms` has bucket keys", help);
        }
    }
}

/// What keeps a bucket from becoming public by mistake.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PublicAccessBlock {
    /// Whether new access lists that make public are refused.
    #[serde(default = "yes")]
    pub block_acls: bool,
    /// Whether access lists that make public are of no effect.
    #[serde(default = "yes")]
    pub ignore_acls: bool,
    /// Whether a policy that makes public is refused.
    #[serde(default = "yes")]
    pub block_policy: bool,
    /// Whether, under a public policy, only the account itself and services of AWS get in.
    #[serde(default = "yes")]
    pub restrict: bool,
}

impl Default for PublicAccessBlock {
    fn default() -> Self {
        Self { block_acls: true, ignore_acls: true, block_policy: true, restrict: true }
    }
}

impl PublicAccessBlock {
    /// Nothing is kept from becoming public.
    pub(super) const NONE: Self = Self { block_acls: false, ignore_acls: false, block_policy: false, restrict: false };

    pub(super) fn api(&self) -> PublicAccessBlockConfiguration {
        PublicAccessBlockConfiguration::builder()
            .block_public_acls(self.block_acls)
            .ignore_public_acls(self.ignore_acls)
            .block_public_policy(self.block_policy)
            .restrict_public_buckets(self.restrict)
            .build()
    }

    pub(super) fn from_api(block: &PublicAccessBlockConfiguration) -> Self {
        Self {
            block_acls: block.block_public_acls().unwrap_or(false),
            ignore_acls: block.ignore_public_acls().unwrap_or(false),
            block_policy: block.block_public_policy().unwrap_or(false),
            restrict: block.restrict_public_buckets().unwrap_or(false),
        }
    }
}

words! {
    /// Whose an object is that somebody else has written, and whether access lists count.
    #[derive(Default)]
    Ownership {
        /// The bucket's owner has every object; there are no access lists.
        #[default]
        BucketOwnerEnforced = "BucketOwnerEnforced",
        /// The bucket's owner has objects that are written with the list `bucket-owner-full-control`.
        BucketOwnerPreferred = "BucketOwnerPreferred",
        /// The writer has them.
        ObjectWriter = "ObjectWriter",
    }
}

words! {
    /// Who can delete a locked version.
    RetentionMode {
        /// Those with the permission to go round the lock.
        Governance = "GOVERNANCE",
        /// Nobody, not even the root user, until the time is over.
        Compliance = "COMPLIANCE",
    }
}

/// How long new objects are locked that do not say it themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Who can delete them all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RetentionMode>,
    /// 1 to 36,500 whole days; `0s` for no lock, then without `mode`.
    pub period: Duration,
}

impl Retention {
    pub(super) fn check(&self, problems: &mut Problems) {
        if is_unknown_text(self.period.as_str()) {
            return;
        }
        let (days, rest) = (self.period.seconds() / DAY, self.period.seconds() % DAY);
        if rest != 0 || days > RETENTION {
            let message = format!("`{}` is not 1 to 36,500 whole days", self.period);
            problems.add("default_retention.period", message, "write 365d, for one");
        }
        match (self.mode, days) {
            (Some(_), 0) => problems.add("default_retention.mode", "nothing is locked", "leave `mode` out"),
            (None, 1..) => {
                let help = "say `governance` or `compliance`";
                problems.add("default_retention.mode", "a lock needs a mode", help);
            }
            _ => {}
        }
    }
}

/// Where the requests for a bucket are written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessLog {
    /// Whether they are written down.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// The bucket that they are written to (by name, if it is not owned), of the same region and account; its policy
    /// must let `logging.s3.amazonaws.com` write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket: Option<Ref<Bucket>>,
    /// What the keys begin with.
    #[serde(default)]
    pub prefix: String,
    /// What follows the prefix.
    #[serde(default)]
    pub keys: LogKeys,
}

words! {
    /// How the keys of an access log go on after their prefix.
    #[derive(Default)]
    LogKeys {
        /// The time of delivery.
        #[default]
        Simple = "Simple",
        /// Account, region, bucket, and the day of the requests as folders.
        ByEventTime = "EventTime",
        /// Account, region, bucket, and the day of the delivery as folders.
        ByDeliveryTime = "DeliveryTime",
    }
}

impl AccessLog {
    /// Nothing is written down.
    pub(super) fn none() -> Self {
        Self { enabled: false, bucket: None, prefix: String::new(), keys: LogKeys::Simple }
    }

    /// In the API's form; `bucket` is the target's name.
    pub(super) fn api(&self, bucket: &str) -> Result<LoggingEnabled, ApiError> {
        let keys = TargetObjectKeyFormat::builder();
        let keys = match self.keys {
            LogKeys::Simple => keys.simple_prefix(SimplePrefix::builder().build()),
            LogKeys::ByEventTime | LogKeys::ByDeliveryTime => {
                let source = PartitionDateSource::from(self.keys.api());
                keys.partitioned_prefix(PartitionedPrefix::builder().partition_date_source(source).build())
            }
        };
        LoggingEnabled::builder()
            .target_bucket(bucket)
            .target_prefix(&self.prefix)
            .target_object_key_format(keys.build())
            .build()
            .map_err(|e| invalid("s3:PutBucketLogging", &e))
    }

    pub(super) fn from_api(log: &LoggingEnabled) -> Self {
        let format = log.target_object_key_format().and_then(|f| f.partitioned_prefix());
        let source = format.and_then(|f| f.partition_date_source());
        Self {
            enabled: true,
            bucket: Some(Ref::id(log.target_bucket())),
            prefix: log.target_prefix().to_owned(),
            keys: source.and_then(|s| LogKeys::from_api(s.as_str())).unwrap_or_default(),
        }
    }

    pub(super) fn check(&self, problems: &mut Problems) {
        match (&self.bucket, self.enabled) {
            (None, true) => {
                let help = "name it in `bucket`, or set `enabled: false`";
                problems.add("access_log.bucket", "the log needs a bucket", help);
            }
            (Some(_), false) => problems.add("access_log.bucket", "nothing is written down", "leave `bucket` out"),
            (None, false) | (Some(_), true) => {}
        }
        check_bucket("access_log.bucket", self.bucket.as_ref(), problems);
    }
}

/// A bucket is known by its name: an ARN would differ from what is read back.
pub(super) fn check_bucket(at: &str, bucket: Option<&Ref<Bucket>>, problems: &mut Problems) {
    if let Some(crate::model::types::Target::Id { id }) = bucket.map(Ref::target)
        && id.starts_with("arn:")
    {
        problems.add(at, "a bucket is referred to by its name", format!("write `{{id: {}}}`", bucket_name(id)));
    }
}

/// Which pages of other sites may ask for the bucket's objects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CorsRule {
    /// Its name; 255 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub id: Option<String>,
    /// Sites, such as `https://example.jp`; `*` once in each.
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub origins: Vec<String>,
    /// Methods.
    #[schemars(length(min = 1), extend("x-unordered" = true))]
    pub methods: Vec<Method>,
    /// Headers that a request may have; `*` once in each.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub headers: Vec<String>,
    /// Headers of the answer that a page may see.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub expose_headers: Vec<String>,
    /// How long a browser remembers the answer, in whole seconds; `0s` for its own default.
    #[serde(default = "never")]
    pub max_age: Duration,
}

words! {
    /// A method of HTTP.
    Method {
        /// Reading.
        Get = "GET",
        /// Writing.
        Put = "PUT",
        /// Writing by a form.
        Post = "POST",
        /// Deleting.
        Delete = "DELETE",
        /// Reading only what is known of an object.
        Head = "HEAD",
    }
}

impl CorsRule {
    pub(super) fn api(&self) -> Result<ApiCors, ApiError> {
        let several = |all: &[String]| (!all.is_empty()).then(|| all.to_vec());
        ApiCors::builder()
            .set_id(self.id.clone())
            .set_allowed_origins(Some(self.origins.clone()))
            .set_allowed_methods(Some(self.methods.iter().map(|m| m.api().to_owned()).collect()))
            .set_allowed_headers(several(&self.headers))
            .set_expose_headers(several(&self.expose_headers))
            .set_max_age_seconds(i32::try_from(self.max_age.seconds()).ok().filter(|s| *s > 0))
            .build()
            .map_err(|e| invalid("s3:PutBucketCORS", &e))
    }

    pub(super) fn from_api(rule: &ApiCors) -> Self {
        Self {
            id: rule.id().map(str::to_owned),
            origins: rule.allowed_origins().to_vec(),
            methods: rule.allowed_methods().iter().filter_map(|m| Method::from_api(m)).collect(),
            headers: rule.allowed_headers().to_vec(),
            expose_headers: rule.expose_headers().to_vec(),
            max_age: Duration::from_seconds(rule.max_age_seconds().and_then(|s| u64::try_from(s).ok()).unwrap_or(0)),
        }
    }
}

/// What the API refuses of CORS rules.
pub(super) fn check_cors(rules: &[CorsRule], problems: &mut Problems) {
    if rules.len() > CORS {
        problems.add("cors", format!("a bucket has {CORS} CORS rules at most"), "put rules together");
    }
    for (number, rule) in rules.iter().enumerate() {
        let patterns = [("origins", &rule.origins), ("headers", &rule.headers)];
        for (field, all) in patterns {
            for text in all.iter().filter(|t| t.matches('*').count() > 1) {
                let message = format!("`{text}` has more than one `*`");
                problems.add(format!("cors.{number}.{field}"), message, "write several of them");
            }
        }
        for text in rule.expose_headers.iter().filter(|t| t.contains('*')) {
            let message = format!("`{text}`: a header that is shown is named whole");
            problems.add(format!("cors.{number}.expose_headers"), message, "name each header");
        }
    }
}
