//! Copies of a bucket's objects in other buckets. The rules are written whole, so each field has a value that stands
//! for none.
//! API: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketReplication.html>

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_s3::types::{
    AccessControlTranslation, DeleteMarkerReplication, DeleteMarkerReplicationStatus, Destination,
    EncryptionConfiguration, Metrics, MetricsStatus, OwnerOverride, ReplicaModifications, ReplicaModificationsStatus,
    ReplicationConfiguration, ReplicationRule as ApiRule, ReplicationRuleAndOperator, ReplicationRuleFilter,
    ReplicationRuleStatus, ReplicationTime, ReplicationTimeStatus, ReplicationTimeValue, SourceSelectionCriteria,
    SseKmsEncryptedObjects, SseKmsEncryptedObjectsStatus,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bucket::{Bucket, Spec};
use super::bucket_lifecycle::tags_of;
use super::bucket_parts::{check_bucket, invalid, yes};
use super::bucket_settings::{attribute_or_id, to_tags};
use super::{bucket_arn, bucket_name};
use crate::model::cloud::ApiError;
use crate::model::kind::Problems;
use crate::model::types::Ref;
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::kind::Create;
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::words::words;

const OPERATION: &str = "s3:PutReplicationConfiguration";
/// Minutes within which the API promises a copy.
const WITHIN: i32 = 15;
/// Most rules of a bucket.
const RULES: usize = 1000;

/// Copies of a bucket's objects in other buckets, made as they are written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replication {
    /// The role that S3 takes on to read here and write there; without rules there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Ref<Role>>,
    /// What is copied where; an empty list ends it.
    #[schemars(extend("x-unordered" = true))]
    pub rules: Vec<ReplicationRule>,
}

/// What is copied where. Both buckets must be versioned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplicationRule {
    /// Its name, unique in the bucket; 255 characters at most.
    #[schemars(length(min = 1, max = 255))]
    pub id: String,
    /// Whether it is in force.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Where several rules copy an object to one bucket, the one with the highest priority counts.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub priority: i32,
    /// Only objects whose keys begin so.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub prefix: String,
    /// Only objects with all these tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The bucket that they are copied to (by name, if it is not owned), of any region and account.
    #[schemars(extend("x-anywhere" = true))]
    pub bucket: Ref<Bucket>,
    /// Account of that bucket, if the copies are to belong to it.
    #[serde(default)]
    pub account: String,
    /// Class of the copies.
    #[serde(default)]
    pub storage_class: ReplicaClass,
    /// Whether objects that are encrypted with keys of KMS are copied too; then with `key`.
    #[serde(default)]
    pub encrypted_objects: bool,
    /// Key of the other bucket's region for the copies of encrypted objects (by ARN, if it is not owned).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-anywhere" = true))]
    pub key: Option<Ref<Key>>,
    /// Whether an object that is deleted here gets a delete marker there.
    #[serde(default)]
    pub delete_markers: bool,
    /// Whether changes of tags and locks of copies come back (for buckets that copy to each other).
    #[serde(default)]
    pub replica_modifications: bool,
    /// Whether copies are promised within 15 minutes, and watched.
    #[serde(default)]
    pub time_control: bool,
    /// Whether what is outstanding is measured; always so with `time_control`.
    #[serde(default)]
    pub metrics: bool,
}

words! {
    /// Class of copies.
    #[derive(Default)]
    ReplicaClass {
        /// That of the object.
        #[default]
        Same = "",
        /// Several zones.
        Standard = "STANDARD",
        /// Infrequent access, in several zones.
        StandardIa = "STANDARD_IA",
        /// Infrequent access, in one zone.
        OnezoneIa = "ONEZONE_IA",
        /// By how often an object is read.
        IntelligentTiering = "INTELLIGENT_TIERING",
        /// Archive, read within milliseconds.
        GlacierIr = "GLACIER_IR",
        /// Archive, read within minutes to hours.
        Glacier = "GLACIER",
        /// Archive, read within hours.
        DeepArchive = "DEEP_ARCHIVE",
    }
}

impl Replication {
    /// Nothing is copied.
    pub(super) fn none() -> Self {
        Self { role: None, rules: Vec::new() }
    }

    /// In the API's form.
    pub(super) fn api(&self, region: &str, want: &Create<'_, Spec>) -> Result<ReplicationConfiguration, ApiError> {
        let role = self.role.as_ref().map(|r| attribute_or_id(want, r, "arn")).transpose()?;
        let rules: Result<Vec<ApiRule>, ApiError> = self.rules.iter().map(|rule| rule.api(region, want)).collect();
        ReplicationConfiguration::builder()
            .role(role.unwrap_or_default())
            .set_rules(Some(rules?))
            .build()
            .map_err(|e| invalid(OPERATION, &e))
    }

    pub(super) fn from_api(all: &ReplicationConfiguration) -> Self {
        Self { role: Some(Ref::id(all.role())), rules: all.rules().iter().map(ReplicationRule::from_api).collect() }
    }

    pub(super) fn check(&self, versioned: bool, problems: &mut Problems) {
        let at = "replication";
        match (&self.role, self.rules.is_empty()) {
            (None, false) => problems.add(format!("{at}.role"), "S3 needs a role to copy objects", "name one"),
            (Some(_), true) => problems.add(format!("{at}.role"), "nothing is copied", "leave the role out"),
            (None, true) | (Some(_), false) => {}
        }
        if !self.rules.is_empty() && !versioned {
            problems.add(at, "only a versioned bucket can be copied", "set `versioning: true`");
        }
        if self.rules.len() > RULES {
            problems.add(at, format!("a bucket has {RULES} rules at most"), "put rules together");
        }
        let (mut ids, mut priorities) = (BTreeSet::new(), BTreeSet::new());
        for (number, rule) in self.rules.iter().enumerate() {
            let at = format!("{at}.rules.{number}");
            if !ids.insert(&rule.id) {
                let message = format!("two rules are called `{}`", rule.id);
                problems.add(format!("{at}.id"), message, "give each its own name");
            }
            if !priorities.insert(rule.priority) {
                let message = format!("two rules have the priority {}", rule.priority);
                problems.add(format!("{at}.priority"), message, "give each its own");
            }
            rule.check(&at, problems);
        }
    }
}

impl ReplicationRule {
    fn check(&self, at: &str, problems: &mut Problems) {
        check_bucket(&format!("{at}.bucket"), Some(&self.bucket), problems);
        if self.encrypted_objects != self.key.is_some() {
            let help = "give both `encrypted_objects: true` and `key`, or neither";
            problems.add(format!("{at}.key"), "copies of encrypted objects need a key, and only they do", help);
        }
        if self.delete_markers && !self.tags.is_empty() {
            let help = "leave `tags` or `delete_markers` out";
            problems.add(format!("{at}.delete_markers"), "a delete marker has no tags", help);
        }
        let account = &self.account;
        let known = account.is_empty() || crate::model::value::is_unknown_text(account);
        if !(known || account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit())) {
            problems.add(
                format!("{at}.account"),
                format!("`{account}` is not 12 digits"),
                "write it as a text: \"012…\"",
            );
        }
    }

    fn api(&self, region: &str, want: &Create<'_, Spec>) -> Result<ApiRule, ApiError> {
        let wrong = |e| invalid(OPERATION, &e);
        let on = |yes: bool| {
            if yes { DeleteMarkerReplicationStatus::Enabled } else { DeleteMarkerReplicationStatus::Disabled }
        };
        ApiRule::builder()
            .id(&self.id)
            .status(if self.enabled { ReplicationRuleStatus::Enabled } else { ReplicationRuleStatus::Disabled })
            .priority(self.priority)
            .filter(self.filter()?)
            .set_source_selection_criteria(self.selection()?)
            .destination(self.destination(region, want)?)
            .delete_marker_replication(DeleteMarkerReplication::builder().status(on(self.delete_markers)).build())
            .build()
            .map_err(wrong)
    }

    /// One condition stands alone, several in an `And`.
    fn filter(&self) -> Result<ReplicationRuleFilter, ApiError> {
        let tags = to_tags(&self.tags)?;
        let filter = ReplicationRuleFilter::builder();
        let prefix = Some(self.prefix.clone());
        Ok(match (tags.len(), self.prefix.is_empty()) {
            (0, _) => filter.set_prefix(prefix).build(),
            (1, true) => filter.set_tag(tags.into_iter().next()).build(),
            (_, empty) => {
                let and = ReplicationRuleAndOperator::builder().set_prefix(prefix.filter(|_| !empty));
                filter.and(and.set_tags(Some(tags)).build()).build()
            }
        })
    }

    /// What is copied only if it is asked for; none if nothing is.
    fn selection(&self) -> Result<Option<SourceSelectionCriteria>, ApiError> {
        let mut selection = SourceSelectionCriteria::builder();
        if self.encrypted_objects {
            let encrypted = SseKmsEncryptedObjects::builder().status(SseKmsEncryptedObjectsStatus::Enabled).build();
            selection = selection.sse_kms_encrypted_objects(encrypted.map_err(|e| invalid(OPERATION, &e))?);
        }
        if self.replica_modifications {
            let changes = ReplicaModifications::builder().status(ReplicaModificationsStatus::Enabled).build();
            selection = selection.replica_modifications(changes.map_err(|e| invalid(OPERATION, &e))?);
        }
        Ok((self.encrypted_objects || self.replica_modifications).then(|| selection.build()))
    }

    fn destination(&self, region: &str, want: &Create<'_, Spec>) -> Result<Destination, ApiError> {
        let wrong = |e| invalid(OPERATION, &e);
        let mut to = Destination::builder().bucket(bucket_arn(region, &want.id(&self.bucket)?));
        if !self.account.is_empty() {
            let theirs = AccessControlTranslation::builder().owner(OwnerOverride::Destination).build();
            to = to.account(&self.account).access_control_translation(theirs.map_err(wrong)?);
        }
        if self.storage_class != ReplicaClass::Same {
            to = to.storage_class(self.storage_class.api().into());
        }
        if let Some(key) = &self.key {
            let arn = attribute_or_id(want, key, "arn")?;
            to = to.encryption_configuration(EncryptionConfiguration::builder().replica_kms_key_id(arn).build());
        }
        let limit = || ReplicationTimeValue::builder().minutes(WITHIN).build();
        if self.time_control {
            let time = ReplicationTime::builder().status(ReplicationTimeStatus::Enabled).time(limit()).build();
            to = to.replication_time(time.map_err(wrong)?);
        }
        if self.time_control || self.metrics {
            let metrics = Metrics::builder().status(MetricsStatus::Enabled);
            let metrics = if self.time_control { metrics.event_threshold(limit()) } else { metrics };
            to = to.metrics(metrics.build().map_err(wrong)?);
        }
        to.build().map_err(wrong)
    }

    fn from_api(rule: &ApiRule) -> Self {
        let filter = rule.filter();
        let and = filter.and_then(|f| f.and());
        #[allow(deprecated, reason = "rules of old clients hold it in place of a filter")]
        let old = rule.prefix();
        let mut tags = tags_of(and.map(|a| a.tags()).unwrap_or_default());
        tags.extend(filter.and_then(|f| f.tag()).map(|t| (t.key().to_owned(), t.value().to_owned())));
        let selection = rule.source_selection_criteria();
        let encrypted = selection.and_then(|s| s.sse_kms_encrypted_objects()).map(|s| s.status());
        let modified = selection.and_then(|s| s.replica_modifications()).map(|s| s.status());
        let to = rule.destination();
        let timed = to.and_then(|d| d.replication_time()).map(|t| t.status()) == Some(&ReplicationTimeStatus::Enabled);
        let measured = to.and_then(|d| d.metrics()).map(|m| m.status()) == Some(&MetricsStatus::Enabled);
        let theirs = to.filter(|d| d.access_control_translation().is_some()).and_then(|d| d.account());
        let class = to.and_then(|d| d.storage_class()).map(|c| c.as_str()).unwrap_or_default();
        let key = to.and_then(|d| d.encryption_configuration()).and_then(|e| e.replica_kms_key_id());
        let markers = rule.delete_marker_replication().and_then(|d| d.status());
        let prefix = and.and_then(|a| a.prefix()).or(filter.and_then(|f| f.prefix())).or(old);
        Self {
            id: rule.id().unwrap_or_default().to_owned(),
            enabled: *rule.status() == ReplicationRuleStatus::Enabled,
            priority: rule.priority().unwrap_or(0),
            prefix: prefix.unwrap_or_default().to_owned(),
            tags,
            bucket: Ref::id(to.map(|d| bucket_name(d.bucket())).unwrap_or_default()),
            account: theirs.unwrap_or_default().to_owned(),
            storage_class: ReplicaClass::from_api(class).unwrap_or_default(),
            encrypted_objects: encrypted == Some(&SseKmsEncryptedObjectsStatus::Enabled),
            key: key.filter(|k| !k.is_empty()).map(Ref::id),
            delete_markers: markers == Some(&DeleteMarkerReplicationStatus::Enabled),
            replica_modifications: modified == Some(&ReplicaModificationsStatus::Enabled),
            time_control: timed,
            metrics: measured && !timed,
        }
    }
}
