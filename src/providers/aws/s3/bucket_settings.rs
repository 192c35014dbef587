//! The settings of a bucket, each of which is read and written by a call of its own.
//!
//! Reads go out together. Writes go one after the other, since S3 refuses a change of a bucket while another is under
//! way; what it refuses so is asked again.

use std::future::Future;
use std::time::Duration;

use aws_sdk_s3::types::{
    AccelerateConfiguration, BucketAccelerateStatus, BucketLifecycleConfiguration, BucketLoggingStatus,
    BucketVersioningStatus, CorsConfiguration, DefaultRetention, EventBridgeConfiguration, NotificationConfiguration,
    ObjectLockConfiguration, ObjectLockEnabled, ObjectLockRule, OwnershipControls, OwnershipControlsRule,
    ServerSideEncryptionConfiguration, Tag, Tagging, VersioningConfiguration,
};
use futures::future::BoxFuture;
use futures::{FutureExt, TryFutureExt};
use serde_json::json;

use super::bucket::Spec;
use super::bucket_lifecycle::{LifecycleRule, TransitionMinimum, days, from_days};
use super::bucket_notifications;
use super::bucket_parts::{
    AccessLog, CorsRule, Encryption, Ownership, PublicAccessBlock, Retention, RetentionMode, invalid,
};
use super::bucket_replication::Replication;
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::kind::Kind;
use crate::model::types::{PolicyDocument, Ref};
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{Create, Read, Tags};

/// Longest wait for another change of a bucket to end; also for the name of a deleted one to be free again.
const OTHERS_WITHIN: Duration = Duration::from_secs(600);
/// Longest wait for versioning, or a policy, that was written just now to be in force, in first pauses: two minutes. It
/// mostly takes seconds.
const IN_FORCE_AFTER: u32 = 60;
/// Days of a year, in which a lock may be counted too.
const YEAR: i32 = 365;

/// Fields that cost a call each; those that come with one call stand together.
const SETTINGS: [&[&str]; 12] = [
    &["versioning"],
    &["encryption"],
    &["public_access_block"],
    &["ownership"],
    &["policy"],
    &["lifecycle_rules", "transition_minimum"],
    &["object_lock", "default_retention"],
    &["access_log"],
    &["replication"],
    &["cors"],
    &["event_bridge", "notifications"],
    &["acceleration"],
];

/// An attribute of what a reference stands for, or its id if it is not ours.
pub(super) fn attribute_or_id<S, K: Kind>(
    want: &Create<'_, S>,
    reference: &Ref<K>,
    attribute: &str,
) -> Result<String, ApiError> {
    want.attribute(reference, attribute).map_or_else(|| want.id(reference), Ok)
}

/// Tags in the API's form.
pub(super) fn to_tags(tags: &Tags) -> Result<Vec<Tag>, ApiError> {
    tags.iter()
        .map(|(k, v)| Tag::builder().key(k).value(v).build())
        .collect::<Result<_, _>>()
        .map_err(|e| invalid("s3:PutBucketTagging", &e))
}

/// Whether an error says that a bucket of this name is in another region.
pub(super) fn is_elsewhere(error: &ApiError) -> bool {
    const CODES: [&str; 3] =
        ["PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"];
    error.code.as_deref().is_some_and(|code| CODES.contains(&code))
}

/// Tags of a bucket; none if there is no such bucket.
pub(super) async fn tags(cx: &Context, name: &str) -> Result<Option<Tags>, ApiError> {
    match cx.call("s3:GetBucketTagging", cx.clients.s3.get_bucket_tagging().bucket(name).send()).await {
        Ok(answer) => Ok(Some(answer.tag_set().iter().map(|t| (t.key().to_owned(), t.value().to_owned())).collect())),
        Err(e) if e.code.as_deref() == Some("NoSuchTagSet") => Ok(Some(Tags::new())),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Writes all tags of a bucket.
pub(super) async fn put_tags(cx: &Context, watch: &dyn Watch, name: &str, tags: &Tags) -> Result<(), ApiError> {
    let tagging = Tagging::builder().set_tag_set(Some(to_tags(tags)?)).build();
    let tagging = tagging.map_err(|e| invalid("s3:PutBucketTagging", &e))?;
    let request = cx.clients.s3.put_bucket_tagging().bucket(name).tagging(tagging);
    patient(cx, watch, name, || cx.call("s3:PutBucketTagging", request.clone().send())).await.map(drop)
}

/// Makes a call on a bucket, again and again while another change of it is under way.
pub(super) async fn patient<T, F>(
    cx: &Context,
    watch: &dyn Watch,
    name: &str,
    call: impl FnMut() -> F,
) -> Result<T, ApiError>
where
    F: Future<Output = Result<T, ApiError>>,
{
    let aborted = |e: &ApiError| e.code.as_deref() == Some("OperationAborted");
    cx.while_refused(watch, &format!("another change of {name} to end"), OTHERS_WITHIN, aborted, call).await
}

/// Nothing where the API's error says that nothing is set.
fn unless<T>(answer: Result<T, ApiError>, code: &str) -> Result<Option<T>, ApiError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(e) if e.code.as_deref() == Some(code) => Ok(None),
        Err(e) => Err(e),
    }
}

/// Reads a setting if it is wanted. On the heap: a dozen calls at once are too much for a stack.
fn wanted<'a, T: Send + 'a, F>(wanted: bool, read: impl FnOnce() -> F) -> BoxFuture<'a, Result<Option<T>, ApiError>>
where
    F: Future<Output = Result<T, ApiError>> + Send + 'a,
{
    if wanted { read().map_ok(Some).boxed() } else { futures::future::ready(Ok(None)).boxed() }
}

/// Fills in the settings that are wanted; the names of the others.
pub(super) async fn read(
    cx: &Context,
    read: &Read<'_>,
    name: &str,
    tags: &Tags,
    spec: &mut Spec,
) -> Result<Vec<&'static str>, ApiError> {
    let wants = |fields: &[&str]| fields.iter().any(|field| read.wants(field, tags));
    let first = futures::future::try_join5(
        wanted(wants(&["versioning"]), || versioning(cx, name)),
        wanted(wants(&["encryption"]), || encryption(cx, name)),
        wanted(wants(&["public_access_block"]), || public_access_block(cx, name)),
        wanted(wants(&["ownership"]), || ownership(cx, name)),
        wanted(wants(&["policy"]), || policy(cx, name)),
    );
    let second = futures::future::try_join3(
        wanted(wants(&["lifecycle_rules", "transition_minimum"]), || lifecycle(cx, name)),
        wanted(wants(&["object_lock", "default_retention"]), || lock(cx, name)),
        wanted(wants(&["access_log"]), || access_log(cx, name)),
    );
    let third = futures::future::try_join4(
        wanted(wants(&["replication"]), || replication(cx, name)),
        wanted(wants(&["cors"]), || cors(cx, name)),
        wanted(wants(&["event_bridge", "notifications"]), || notifications(cx, name)),
        wanted(wants(&["acceleration"]), || acceleration(cx, name)),
    );
    let (first, second, third) = futures::try_join!(first, second, third)?;
    let (versioning, encryption, block, ownership, policy) = first;
    let (lifecycle, lock, log) = second;
    let (replication, cors, notifications, acceleration) = third;
    spec.versioning = versioning;
    spec.encryption = encryption.unwrap_or_default();
    spec.public_access_block = block.unwrap_or_default();
    spec.ownership = ownership.unwrap_or_default();
    spec.policy = policy;
    (spec.lifecycle_rules, spec.transition_minimum) = lifecycle.map_or((None, None), |(r, m)| (Some(r), m));
    (spec.object_lock, spec.default_retention) = lock.map_or((None, None), |(on, r)| (Some(on), Some(r)));
    spec.access_log = log;
    spec.replication = replication;
    spec.cors = cors;
    spec.event_bridge = notifications.as_ref().map(|n| n.event_bridge_configuration.is_some());
    spec.notifications = notifications.as_ref().map(bucket_notifications::observed);
    spec.acceleration = acceleration;
    Ok(SETTINGS.iter().filter(|fields| !wants(fields)).flat_map(|fields| fields.iter().copied()).collect())
}

async fn versioning(cx: &Context, name: &str) -> Result<bool, ApiError> {
    let request = cx.clients.s3.get_bucket_versioning().bucket(name);
    let answer = cx.call("s3:GetBucketVersioning", request.send()).await?;
    Ok(answer.status() == Some(&BucketVersioningStatus::Enabled))
}

async fn encryption(cx: &Context, name: &str) -> Result<Encryption, ApiError> {
    let request = cx.clients.s3.get_bucket_encryption().bucket(name);
    let answer = cx.call("s3:GetEncryptionConfiguration", request.send()).await;
    let answer = unless(answer, "ServerSideEncryptionConfigurationNotFoundError")?;
    let rules = answer.and_then(|a| a.server_side_encryption_configuration).map(|c| c.rules).unwrap_or_default();
    // Where nothing is set, S3 encrypts with its own keys.
    Ok(rules.first().map(Encryption::from_api).unwrap_or_default())
}

async fn public_access_block(cx: &Context, name: &str) -> Result<PublicAccessBlock, ApiError> {
    let request = cx.clients.s3.get_public_access_block().bucket(name);
    let answer = cx.call("s3:GetBucketPublicAccessBlock", request.send()).await;
    let answer = unless(answer, "NoSuchPublicAccessBlockConfiguration")?;
    let block = answer.and_then(|a| a.public_access_block_configuration);
    Ok(block.as_ref().map_or(PublicAccessBlock::NONE, PublicAccessBlock::from_api))
}

async fn ownership(cx: &Context, name: &str) -> Result<Ownership, ApiError> {
    let request = cx.clients.s3.get_bucket_ownership_controls().bucket(name);
    let answer = cx.call("s3:GetBucketOwnershipControls", request.send()).await;
    let answer = unless(answer, "OwnershipControlsNotFoundError")?;
    let rules = answer.and_then(|a| a.ownership_controls).map(|c| c.rules).unwrap_or_default();
    let word = rules.first().map(|r| r.object_ownership().as_str());
    Ok(word.and_then(Ownership::from_api).unwrap_or(Ownership::ObjectWriter))
}

async fn policy(cx: &Context, name: &str) -> Result<PolicyDocument, ApiError> {
    let answer = cx.call("s3:GetBucketPolicy", cx.clients.s3.get_bucket_policy().bucket(name).send()).await;
    let text = unless(answer, "NoSuchBucketPolicy")?.and_then(|a| a.policy);
    let wrong = |e: String| ApiError::new("s3:GetBucketPolicy", ErrorClass::Other, e);
    PolicyDocument::from_json(text.as_deref().unwrap_or("{}")).map_err(wrong)
}

async fn lifecycle(cx: &Context, name: &str) -> Result<(Vec<LifecycleRule>, Option<TransitionMinimum>), ApiError> {
    let request = cx.clients.s3.get_bucket_lifecycle_configuration().bucket(name);
    let answer = cx.call("s3:GetLifecycleConfiguration", request.send()).await;
    let Some(answer) = unless(answer, "NoSuchLifecycleConfiguration")? else {
        return Ok((Vec::new(), Some(TransitionMinimum::All128k)));
    };
    let least = answer.transition_default_minimum_object_size();
    let least = least.map_or(Some(TransitionMinimum::All128k), |m| TransitionMinimum::from_api(m.as_str()));
    Ok((answer.rules().iter().map(LifecycleRule::from_api).collect(), least))
}

/// Whether versions can be locked, and how long new ones are.
pub(super) async fn lock(cx: &Context, name: &str) -> Result<(bool, Retention), ApiError> {
    let request = cx.clients.s3.get_object_lock_configuration().bucket(name);
    let answer = cx.call("s3:GetBucketObjectLockConfiguration", request.send()).await;
    let answer = unless(answer, "ObjectLockConfigurationNotFoundError")?;
    let lock = answer.and_then(|a| a.object_lock_configuration);
    let on = lock.as_ref().and_then(|l| l.object_lock_enabled()) == Some(&ObjectLockEnabled::Enabled);
    let rule = lock.and_then(|l| l.rule).and_then(|r| r.default_retention);
    let years = rule.as_ref().and_then(|r| r.years()).filter(|y| *y > 0).map(|y| y.saturating_mul(YEAR));
    let period = from_days(rule.as_ref().and_then(|r| r.days()).filter(|d| *d > 0).or(years));
    let mode = rule.and_then(|r| r.mode).and_then(|m| RetentionMode::from_api(m.as_str()));
    Ok((on, Retention { mode, period }))
}

async fn access_log(cx: &Context, name: &str) -> Result<AccessLog, ApiError> {
    let answer = cx.call("s3:GetBucketLogging", cx.clients.s3.get_bucket_logging().bucket(name).send()).await?;
    Ok(answer.logging_enabled().map_or_else(AccessLog::none, AccessLog::from_api))
}

async fn replication(cx: &Context, name: &str) -> Result<Replication, ApiError> {
    let request = cx.clients.s3.get_bucket_replication().bucket(name);
    let answer = cx.call("s3:GetReplicationConfiguration", request.send()).await;
    let answer = unless(answer, "ReplicationConfigurationNotFoundError")?;
    let all = answer.and_then(|a| a.replication_configuration);
    Ok(all.as_ref().map_or_else(Replication::none, Replication::from_api))
}

async fn cors(cx: &Context, name: &str) -> Result<Vec<CorsRule>, ApiError> {
    let answer = cx.call("s3:GetBucketCORS", cx.clients.s3.get_bucket_cors().bucket(name).send()).await;
    let answer = unless(answer, "NoSuchCORSConfiguration")?;
    Ok(answer.iter().flat_map(|a| a.cors_rules()).map(CorsRule::from_api).collect())
}

async fn notifications(cx: &Context, name: &str) -> Result<NotificationConfiguration, ApiError> {
    let request = cx.clients.s3.get_bucket_notification_configuration().bucket(name);
    let answer = cx.call("s3:GetBucketNotification", request.send()).await?;
    Ok(NotificationConfiguration::builder()
        .set_topic_configurations(answer.topic_configurations)
        .set_queue_configurations(answer.queue_configurations)
        .set_lambda_function_configurations(answer.lambda_function_configurations)
        .set_event_bridge_configuration(answer.event_bridge_configuration)
        .build())
}

async fn acceleration(cx: &Context, name: &str) -> Result<bool, ApiError> {
    let request = cx.clients.s3.get_bucket_accelerate_configuration().bucket(name);
    let answer = cx.call("s3:GetAccelerateConfiguration", request.send()).await?;
    Ok(answer.status() == Some(&BucketAccelerateStatus::Enabled))
}

/// Writes the settings that differ. Access is narrowed before it is widened, versions are kept before anything builds
/// on them.
pub(super) struct Settle<'a> {
    pub cx: &'a Context,
    pub name: &'a str,
    pub want: &'a Create<'a, Spec>,
    /// As it was read; none for a new bucket.
    pub before: Option<&'a Spec>,
    /// Whether a field is to be written.
    pub changed: &'a (dyn Fn(&str) -> bool + Sync),
}

impl Settle<'_> {
    pub(super) async fn all(&self) -> Result<(), ApiError> {
        self.access().boxed().await?;
        self.data().boxed().await?;
        self.retention().boxed().await?;
        self.lifecycle().boxed().await?;
        self.cors().boxed().await?;
        self.access_log().boxed().await?;
        self.replication().boxed().await?;
        self.events().boxed().await?;
        self.acceleration().boxed().await
    }

    /// Makes a call of this bucket.
    async fn call<T, F>(&self, call: impl FnMut() -> F) -> Result<(), ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        patient(self.cx, self.want.watch, self.name, call).await.map(drop)
    }

    /// Makes a call that is refused (`early`) until what was written just now is in force. Where it never is, the API's own
    /// error tells.
    async fn once_in_force<T, F>(
        &self,
        what: String,
        early: impl Fn(&ApiError) -> bool,
        call: impl Fn() -> F,
    ) -> Result<(), ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let limit = self.cx.poll() * IN_FORCE_AFTER;
        self.cx.while_refused(self.want.watch, &what, limit, early, || self.call(&call)).await
    }

    fn differs(&self, field: &str) -> bool {
        (self.changed)(field)
    }

    async fn access(&self) -> Result<(), ApiError> {
        let (cx, s3, spec) = (self.cx, &self.cx.clients.s3, self.want.spec);
        if self.differs("public_access_block") {
            let block = spec.public_access_block.api();
            let request = s3.put_public_access_block().bucket(self.name).public_access_block_configuration(block);
            self.call(|| cx.call("s3:PutBucketPublicAccessBlock", request.clone().send())).await?;
        }
        if self.differs("ownership") {
            let operation = "s3:PutBucketOwnershipControls";
            let rule = OwnershipControlsRule::builder().object_ownership(spec.ownership.api().into()).build();
            let rule = rule.map_err(|e| invalid(operation, &e))?;
            let controls = OwnershipControls::builder().rules(rule).build().map_err(|e| invalid(operation, &e))?;
            let request = s3.put_bucket_ownership_controls().bucket(self.name).ownership_controls(controls);
            self.call(|| cx.call(operation, request.clone().send())).await?;
        }
        let Some(policy) = spec.policy.as_ref().filter(|_| self.differs("policy")) else { return Ok(()) };
        if *policy.value() == json!({}) {
            let request = s3.delete_bucket_policy().bucket(self.name);
            return self.call(|| cx.call("s3:DeleteBucketPolicy", request.clone().send())).await;
        }
        let request = s3.put_bucket_policy().bucket(self.name).policy(policy.to_json());
        self.call(|| cx.call("s3:PutBucketPolicy", request.clone().send())).await
    }

    /// Versions and encryption.
    async fn data(&self) -> Result<(), ApiError> {
        let (cx, s3, spec) = (self.cx, &self.cx.clients.s3, self.want.spec);
        if let Some(on) = spec.versioning.filter(|_| self.differs("versioning")) {
            let status = if on { BucketVersioningStatus::Enabled } else { BucketVersioningStatus::Suspended };
            let configuration = VersioningConfiguration::builder().status(status).build();
            let request = s3.put_bucket_versioning().bucket(self.name).versioning_configuration(configuration);
            self.call(|| cx.call("s3:PutBucketVersioning", request.clone().send())).await?;
        }
        if self.differs("encryption") {
            let operation = "s3:PutEncryptionConfiguration";
            let key = spec.encryption.key.as_ref().map(|k| attribute_or_id(self.want, k, "arn")).transpose()?;
            let mut encryption = spec.encryption.clone();
            // What is not declared stays as it is.
            let before = self.before.map(|b| &b.encryption);
            encryption.refuse_customer_keys =
                encryption.refuse_customer_keys.or(before.and_then(|b| b.refuse_customer_keys));
            let same = before.filter(|b| b.algorithm == encryption.algorithm);
            encryption.bucket_key = encryption.bucket_key.or(same.and_then(|b| b.bucket_key));
            let rules = ServerSideEncryptionConfiguration::builder().rules(encryption.api(key)?).build();
            let rules = rules.map_err(|e| invalid(operation, &e))?;
            let request = s3.put_bucket_encryption().bucket(self.name).server_side_encryption_configuration(rules);
            self.call(|| cx.call(operation, request.clone().send())).await?;
        }
        Ok(())
    }

    async fn retention(&self) -> Result<(), ApiError> {
        if !self.differs("object_lock") && !self.differs("default_retention") {
            return Ok(());
        }
        let (cx, spec) = (self.cx, self.want.spec);
        let operation = "s3:PutBucketObjectLockConfiguration";
        if spec.object_lock != Some(true) {
            let message = format!("the object lock of '{}' can't be switched off: declare a new bucket", self.name);
            return Err(ApiError::new(operation, ErrorClass::Invalid, message));
        }
        let wanted = spec.default_retention.as_ref().or(self.before.and_then(|b| b.default_retention.as_ref()));
        let rule = wanted.and_then(|r| Some((r.mode?, days(&r.period)?))).map(|(mode, days)| {
            let retention = DefaultRetention::builder().mode(mode.api().into()).days(days).build();
            ObjectLockRule::builder().default_retention(retention).build()
        });
        let lock =
            ObjectLockConfiguration::builder().object_lock_enabled(ObjectLockEnabled::Enabled).set_rule(rule).build();
        let request = cx.clients.s3.put_object_lock_configuration().bucket(self.name).object_lock_configuration(lock);
        self.call(|| cx.call(operation, request.clone().send())).await
    }

    async fn lifecycle(&self) -> Result<(), ApiError> {
        if !self.differs("lifecycle_rules") && !self.differs("transition_minimum") {
            return Ok(());
        }
        let (cx, s3, spec) = (self.cx, &self.cx.clients.s3, self.want.spec);
        let operation = "s3:PutLifecycleConfiguration";
        let rules = spec.lifecycle_rules.as_deref().unwrap_or_default();
        if rules.is_empty() {
            let request = s3.delete_bucket_lifecycle().bucket(self.name);
            return self.call(|| cx.call(operation, request.clone().send())).await;
        }
        let rules: Result<Vec<_>, ApiError> = rules.iter().map(LifecycleRule::api).collect();
        let all = BucketLifecycleConfiguration::builder().set_rules(Some(rules?)).build();
        let before = self.before.and_then(|b| b.transition_minimum);
        let least = spec.transition_minimum.or(before).map(|m| m.api().into());
        let request = s3
            .put_bucket_lifecycle_configuration()
            .bucket(self.name)
            .set_transition_default_minimum_object_size(least)
            .lifecycle_configuration(all.map_err(|e| invalid(operation, &e))?);
        self.call(|| cx.call(operation, request.clone().send())).await
    }

    async fn cors(&self) -> Result<(), ApiError> {
        let (cx, s3, operation) = (self.cx, &self.cx.clients.s3, "s3:PutBucketCORS");
        let Some(rules) = self.want.spec.cors.as_ref().filter(|_| self.differs("cors")) else { return Ok(()) };
        if rules.is_empty() {
            let request = s3.delete_bucket_cors().bucket(self.name);
            return self.call(|| cx.call(operation, request.clone().send())).await;
        }
        let rules: Result<Vec<_>, ApiError> = rules.iter().map(CorsRule::api).collect();
        let all = CorsConfiguration::builder().set_cors_rules(Some(rules?)).build();
        let all = all.map_err(|e| invalid(operation, &e))?;
        let request = s3.put_bucket_cors().bucket(self.name).cors_configuration(all);
        self.call(|| cx.call(operation, request.clone().send())).await
    }

    async fn access_log(&self) -> Result<(), ApiError> {
        let wanted = self.want.spec.access_log.as_ref();
        let Some(log) = wanted.filter(|_| self.differs("access_log")) else { return Ok(()) };
        let enabled = match log.bucket.as_ref().filter(|_| log.enabled) {
            Some(bucket) => Some(log.api(super::bucket_name(&self.want.id(bucket)?))?),
            None => None,
        };
        let status = BucketLoggingStatus::builder().set_logging_enabled(enabled).build();
        let request = self.cx.clients.s3.put_bucket_logging().bucket(self.name).bucket_logging_status(status);
        self.call(|| self.cx.call("s3:PutBucketLogging", request.clone().send())).await
    }

    /// Versioning that was switched on just now, here or where the copies go, is in force a little later: until then the
    /// API refuses a replication.
    async fn replication(&self) -> Result<(), ApiError> {
        let wanted = self.want.spec.replication.as_ref();
        let Some(all) = wanted.filter(|_| self.differs("replication")) else { return Ok(()) };
        let (cx, s3, operation) = (self.cx, &self.cx.clients.s3, "s3:PutReplicationConfiguration");
        if all.rules.is_empty() {
            let request = s3.delete_bucket_replication().bucket(self.name);
            return self.call(|| cx.call(operation, request.clone().send())).await;
        }
        let all = all.api(&cx.region, self.want)?;
        let request = s3.put_bucket_replication().bucket(self.name).replication_configuration(all);
        let early = |e: &ApiError| e.code.as_deref() == Some("InvalidRequest") && e.message.contains("ersioning");
        let what = format!("versioning to be in force for the replication of {}", self.name);
        self.once_in_force(what, early, || cx.call(operation, request.clone().send())).await
    }

    /// The call writes all notifications: those of others stay.
    async fn events(&self) -> Result<(), ApiError> {
        let (cx, spec) = (self.cx, self.want.spec);
        let bridge = spec.event_bridge.filter(|_| self.differs("event_bridge"));
        let ours = spec.notifications.as_ref().filter(|_| self.differs("notifications"));
        if bridge.is_none() && ours.is_none() {
            return Ok(());
        }
        let mut all = notifications(cx, self.name).await?;
        if let Some(on) = bridge {
            all.event_bridge_configuration = on.then(|| EventBridgeConfiguration::builder().build());
        }
        if let Some(ours) = ours {
            bucket_notifications::replace(&mut all, ours, self.want)?;
        }
        let request =
            cx.clients.s3.put_bucket_notification_configuration().bucket(self.name).notification_configuration(all);
        // The policy of a topic or a queue may have been written just now.
        let early = |e: &ApiError| e.code.as_deref() == Some("InvalidArgument") && e.message.contains("destination");
        let what = format!("the notifications of {} to be let in", self.name);
        self.once_in_force(what, early, || cx.call("s3:PutBucketNotification", request.clone().send())).await
    }

    async fn acceleration(&self) -> Result<(), ApiError> {
        let Some(on) = self.want.spec.acceleration.filter(|_| self.differs("acceleration")) else { return Ok(()) };
        let status = if on { BucketAccelerateStatus::Enabled } else { BucketAccelerateStatus::Suspended };
        let configuration = AccelerateConfiguration::builder().status(status).build();
        let request = self
            .cx
            .clients
            .s3
            .put_bucket_accelerate_configuration()
            .bucket(self.name)
            .accelerate_configuration(configuration);
        self.call(|| self.cx.call("s3:PutAccelerateConfiguration", request.clone().send())).await
    }
}
