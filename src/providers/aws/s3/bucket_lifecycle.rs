//! What becomes of a bucket's objects with time. The rules of a bucket are written whole, so each field of a rule has a
//! value that stands for none: what is taken away from a rule in the files is taken away from the bucket.
//! API: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html>

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, ExpirationStatus, LifecycleExpiration, LifecycleRule as ApiRule,
    LifecycleRuleAndOperator, LifecycleRuleFilter, NoncurrentVersionExpiration,
    NoncurrentVersionTransition as ApiNoncurrentTransition, Transition as ApiTransition,
};
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::bucket_parts::{invalid, yes};
use super::bucket_settings::to_tags;
use crate::model::cloud::ApiError;
use crate::model::kind::Problems;
use crate::model::types::{Duration, Size};
use crate::model::value::is_unknown_text;
use crate::providers::aws::kind::Tags;
use crate::providers::aws::words::words;

const DAY: u64 = 86_400;
/// Most rules of a bucket.
const RULES: usize = 1000;
/// Least days before an object may move to a class for infrequent access.
const INFREQUENT: u64 = 30;

/// A rule for what becomes of objects with time. An object that no filter leaves out is one of its objects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LifecycleRule {
    /// Its name, unique in the bucket; 255 characters at most.
    #[schemars(length(min = 1, max = 255))]
    pub id: String,
    /// Whether it is in force.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Only objects whose keys begin so.
    #[serde(default)]
    #[schemars(length(max = 1024))]
    pub prefix: String,
    /// Only objects with all these tags.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// Only objects larger than this; `0B` for any.
    #[serde(default = "any_size")]
    pub larger_than: Size,
    /// Only objects smaller than this; `0B` for any.
    #[serde(default = "any_size")]
    pub smaller_than: Size,
    /// Objects are deleted after so many whole days (in a versioned bucket they become noncurrent); `0s` for never.
    #[serde(default = "never")]
    pub expire_after: Duration,
    /// Objects are deleted from this day on, `2027-04-01` in UTC; empty for never.
    #[serde(default)]
    pub expire_on: String,
    /// Whether delete markers without any version behind them are removed.
    #[serde(default)]
    pub expire_delete_markers: bool,
    /// Moves to cheaper classes.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub transitions: Vec<Transition>,
    /// Noncurrent versions are deleted after so many whole days; `0s` for never.
    #[serde(default = "never")]
    pub expire_noncurrent_after: Duration,
    /// Newest noncurrent versions that are kept whatever their age, 100 at most.
    #[serde(default)]
    #[schemars(range(max = 100))]
    pub keep_noncurrent: u32,
    /// Moves of noncurrent versions to cheaper classes.
    #[serde(default)]
    #[schemars(extend("x-unordered" = true))]
    pub noncurrent_transitions: Vec<NoncurrentTransition>,
    /// Uploads in parts that were not completed are given up after so many whole days; `0s` for never.
    #[serde(default = "never")]
    pub abort_uploads_after: Duration,
}

/// A move to a cheaper class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// After so many whole days; `0s` for at once.
    #[serde(default = "never")]
    pub after: Duration,
    /// From this day on, `2027-04-01` in UTC, in place of `after`.
    #[serde(default)]
    pub on: String,
    /// The class.
    pub to: ArchiveClass,
}

/// A move of noncurrent versions to a cheaper class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoncurrentTransition {
    /// So many whole days after they became noncurrent.
    pub after: Duration,
    /// Newest noncurrent versions that stay, 100 at most.
    #[serde(default)]
    #[schemars(range(max = 100))]
    pub keep: u32,
    /// The class.
    pub to: ArchiveClass,
}

words! {
    /// A class that objects can move to.
    ArchiveClass {
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

words! {
    /// The smallest objects that move to another class, where a rule has no filter by size.
    TransitionMinimum {
        /// 128 KiB, whatever the class.
        All128k = "all_storage_classes_128K",
        /// 128 KiB, but any size for the archives `glacier` and `deep_archive`.
        Varies = "varies_by_storage_class",
    }
}

pub(super) fn never() -> Duration {
    Duration::from_seconds(0)
}

fn any_size() -> Size {
    Size::from_gib(0)
}

/// Whole days of a length of time.
pub(super) fn days(duration: &Duration) -> Option<i32> {
    i32::try_from(duration.seconds() / DAY).ok().filter(|d| *d > 0)
}

/// A length of time of whole days.
pub(super) fn from_days(days: Option<i32>) -> Duration {
    Duration::from_seconds(days.and_then(|d| u64::try_from(d).ok()).unwrap_or(0) * DAY)
}

fn from_bytes(bytes: Option<i64>) -> Size {
    format!("{}B", bytes.unwrap_or(0).max(0)).parse().unwrap_or_else(|_| any_size())
}

fn bytes(size: &Size) -> Option<i64> {
    i64::try_from(size.bytes()).ok().filter(|b| *b > 0)
}

fn count(number: u32) -> Option<i32> {
    i32::try_from(number).ok().filter(|n| *n > 0)
}

fn from_count(number: Option<i32>) -> u32 {
    number.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

fn date(text: &str) -> Option<DateTime> {
    let day = (text.len() == 10).then(|| format!("{text}T00:00:00Z"))?;
    DateTime::from_str(&day, Format::DateTime).ok()
}

fn from_date(date: Option<&DateTime>) -> String {
    let text = date.and_then(|d| d.fmt(Format::DateTime).ok()).unwrap_or_default();
    text.chars().take(10).collect()
}

impl LifecycleRule {
    /// In the API's form.
    pub(super) fn api(&self) -> Result<ApiRule, ApiError> {
        let expiration = LifecycleExpiration::builder()
            .set_days(days(&self.expire_after))
            .set_date(date(&self.expire_on))
            .set_expired_object_delete_marker(self.expire_delete_markers.then_some(true))
            .build();
        let expires = expiration.days.is_some() || expiration.date.is_some() || self.expire_delete_markers;
        let transitions: Vec<ApiTransition> = self.transitions.iter().map(Transition::api).collect();
        let moves: Vec<ApiNoncurrentTransition> =
            self.noncurrent_transitions.iter().map(NoncurrentTransition::api).collect();
        let noncurrent = days(&self.expire_noncurrent_after).map(|after| {
            NoncurrentVersionExpiration::builder()
                .noncurrent_days(after)
                .set_newer_noncurrent_versions(count(self.keep_noncurrent))
                .build()
        });
        let abort = days(&self.abort_uploads_after)
            .map(|after| AbortIncompleteMultipartUpload::builder().days_after_initiation(after).build());
        ApiRule::builder()
            .id(&self.id)
            .status(if self.enabled { ExpirationStatus::Enabled } else { ExpirationStatus::Disabled })
            .filter(self.filter()?)
            .set_expiration(expires.then_some(expiration))
            .set_transitions((!transitions.is_empty()).then_some(transitions))
            .set_noncurrent_version_expiration(noncurrent)
            .set_noncurrent_version_transitions((!moves.is_empty()).then_some(moves))
            .set_abort_incomplete_multipart_upload(abort)
            .build()
            .map_err(|e| invalid("s3:PutLifecycleConfiguration", &e))
    }

    /// One condition stands alone, several in an `And`.
    fn filter(&self) -> Result<LifecycleRuleFilter, ApiError> {
        let (larger, smaller) = (bytes(&self.larger_than), bytes(&self.smaller_than));
        let prefix = Some(self.prefix.clone()).filter(|p| !p.is_empty());
        let tags = to_tags(&self.tags)?;
        let conditions = [prefix.is_some(), larger.is_some(), smaller.is_some()];
        let filter = LifecycleRuleFilter::builder();
        if conditions.into_iter().filter(|c| *c).count() + tags.len() > 1 {
            let and = LifecycleRuleAndOperator::builder()
                .set_prefix(prefix)
                .set_tags((!tags.is_empty()).then_some(tags))
                .set_object_size_greater_than(larger)
                .set_object_size_less_than(smaller);
            return Ok(filter.and(and.build()).build());
        }
        let all = tags.is_empty() && larger.is_none() && smaller.is_none();
        Ok(filter
            .set_prefix(prefix.or_else(|| all.then(String::new)))
            .set_tag(tags.into_iter().next())
            .set_object_size_greater_than(larger)
            .set_object_size_less_than(smaller)
            .build())
    }

    /// From the API's form.
    pub(super) fn from_api(rule: &ApiRule) -> Self {
        let filter = rule.filter();
        let and = filter.and_then(|f| f.and());
        #[allow(deprecated, reason = "rules of old clients hold it in place of a filter")]
        let old = rule.prefix();
        let prefix = and.and_then(|a| a.prefix()).or(filter.and_then(|f| f.prefix())).or(old);
        let one = filter.and_then(|f| f.tag()).into_iter();
        let tags = and.map(|a| a.tags()).unwrap_or_default().iter().chain(one);
        let size = |single: Option<i64>, several: Option<i64>| from_bytes(single.or(several));
        let noncurrent = rule.noncurrent_version_expiration();
        Self {
            id: rule.id().unwrap_or_default().to_owned(),
            enabled: *rule.status() == ExpirationStatus::Enabled,
            prefix: prefix.unwrap_or_default().to_owned(),
            tags: tags.map(|t| (t.key().to_owned(), t.value().to_owned())).collect(),
            larger_than: size(
                filter.and_then(|f| f.object_size_greater_than()),
                and.and_then(|a| a.object_size_greater_than()),
            ),
            smaller_than: size(
                filter.and_then(|f| f.object_size_less_than()),
                and.and_then(|a| a.object_size_less_than()),
            ),
            expire_after: from_days(rule.expiration().and_then(|e| e.days())),
            expire_on: from_date(rule.expiration().and_then(|e| e.date())),
            expire_delete_markers: rule.expiration().and_then(|e| e.expired_object_delete_marker()).unwrap_or(false),
            transitions: rule.transitions().iter().filter_map(Transition::from_api).collect(),
            expire_noncurrent_after: from_days(noncurrent.and_then(|n| n.noncurrent_days())),
            keep_noncurrent: from_count(noncurrent.and_then(|n| n.newer_noncurrent_versions())),
            noncurrent_transitions: rule
                .noncurrent_version_transitions()
                .iter()
                .filter_map(NoncurrentTransition::from_api)
                .collect(),
            abort_uploads_after: from_days(
                rule.abort_incomplete_multipart_upload().and_then(|a| a.days_after_initiation()),
            ),
        }
    }

    /// Whether it does anything.
    fn acts(&self) -> bool {
        let after = [&self.expire_after, &self.expire_noncurrent_after, &self.abort_uploads_after];
        after.into_iter().any(|d| is_unknown_text(d.as_str()) || d.seconds() > 0)
            || !self.expire_on.is_empty()
            || self.expire_delete_markers
            || !self.transitions.is_empty()
            || !self.noncurrent_transitions.is_empty()
    }
}

impl Transition {
    fn api(&self) -> ApiTransition {
        let date = date(&self.on);
        let after = i32::try_from(self.after.seconds() / DAY).ok().filter(|_| date.is_none());
        ApiTransition::builder().set_days(after).set_date(date).storage_class(self.to.api().into()).build()
    }

    fn from_api(transition: &ApiTransition) -> Option<Self> {
        Some(Self {
            after: from_days(transition.days()),
            on: from_date(transition.date()),
            to: ArchiveClass::from_api(transition.storage_class()?.as_str())?,
        })
    }
}

impl NoncurrentTransition {
    fn api(&self) -> ApiNoncurrentTransition {
        ApiNoncurrentTransition::builder()
            .set_noncurrent_days(i32::try_from(self.after.seconds() / DAY).ok())
            .set_newer_noncurrent_versions(count(self.keep))
            .storage_class(self.to.api().into())
            .build()
    }

    fn from_api(transition: &ApiNoncurrentTransition) -> Option<Self> {
        Some(Self {
            after: from_days(transition.noncurrent_days()),
            keep: from_count(transition.newer_noncurrent_versions()),
            to: ArchiveClass::from_api(transition.storage_class()?.as_str())?,
        })
    }
}

/// What the API refuses of rules.
pub(super) fn check(rules: &[LifecycleRule], problems: &mut Problems) {
    if rules.len() > RULES {
        problems.add("lifecycle_rules", format!("a bucket has {RULES} rules at most"), "put rules together");
    }
    let mut ids = BTreeSet::new();
    for (number, rule) in rules.iter().enumerate() {
        let at = format!("lifecycle_rules.{number}");
        if !ids.insert(&rule.id) {
            problems.add(format!("{at}.id"), format!("two rules are called `{}`", rule.id), "give each its own name");
        }
        if !rule.acts() {
            problems.add(&at, "the rule does nothing", "say what it expires, moves or gives up");
        }
        check_times(rule, &at, problems);
        check_filter(rule, &at, problems);
        check_noncurrent(rule, &at, problems);
    }
}

/// Whole days, and in an order that makes sense.
fn check_times(rule: &LifecycleRule, at: &str, problems: &mut Problems) {
    let whole = |duration: &Duration| is_unknown_text(duration.as_str()) || duration.seconds().is_multiple_of(DAY);
    let mut times = vec![
        ("expire_after".to_owned(), &rule.expire_after),
        ("expire_noncurrent_after".to_owned(), &rule.expire_noncurrent_after),
        ("abort_uploads_after".to_owned(), &rule.abort_uploads_after),
    ];
    times.extend(rule.transitions.iter().enumerate().map(|(n, t)| (format!("transitions.{n}.after"), &t.after)));
    let moves = rule.noncurrent_transitions.iter().enumerate();
    times.extend(moves.map(|(n, t)| (format!("noncurrent_transitions.{n}.after"), &t.after)));
    for (field, time) in times.into_iter().filter(|(_, time)| !whole(time)) {
        problems.add(format!("{at}.{field}"), format!("`{time}` is not whole days"), "write 30d, for one");
    }
    let mut dates = vec![("expire_on".to_owned(), rule.expire_on.as_str())];
    dates.extend(rule.transitions.iter().enumerate().map(|(n, t)| (format!("transitions.{n}.on"), t.on.as_str())));
    for (field, day) in &dates {
        if !day.is_empty() && !is_unknown_text(day) && date(day).is_none() {
            problems.add(format!("{at}.{field}"), format!("`{day}` is not a day"), "write 2027-04-01, for one");
        }
    }
    let by_date = dates.iter().filter(|(_, day)| !day.is_empty()).count();
    let by_days =
        usize::from(rule.expire_after.seconds() > 0) + rule.transitions.iter().filter(|t| t.on.is_empty()).count();
    if by_date > 0 && by_days > 0 {
        problems.add(at, "a rule counts in days or goes by dates, not both", "write two rules");
    }
    if rule.expire_delete_markers && (rule.expire_after.seconds() > 0 || !rule.expire_on.is_empty()) {
        let help = "leave it out (an expiration removes such markers too), or write two rules";
        problems.add(format!("{at}.expire_delete_markers"), "the API takes it only alone", help);
    }
    for (n, transition) in rule.transitions.iter().enumerate() {
        let at = format!("{at}.transitions.{n}");
        if transition.on.is_empty() {
            check_move(&at, transition.to, &transition.after, &rule.expire_after, problems);
        } else if transition.after.seconds() > 0 {
            problems.add(at, "it has both `after` and `on`", "leave one out");
        }
    }
}

/// A class for infrequent access is reached after 30 days at the earliest, and what moves lives on for a while.
fn check_move(at: &str, to: ArchiveClass, after: &Duration, expires: &Duration, problems: &mut Problems) {
    if [after, expires].into_iter().any(|d| is_unknown_text(d.as_str())) {
        return;
    }
    let infrequent = matches!(to, ArchiveClass::StandardIa | ArchiveClass::OnezoneIa);
    if infrequent && after.seconds() < INFREQUENT * DAY {
        let message = format!("objects can move to this class after {INFREQUENT} days at the earliest");
        problems.add(format!("{at}.after"), message, "write 30d, or take another class");
    }
    if expires.seconds() > 0 && expires.seconds() <= after.seconds() {
        problems.add(
            format!("{at}.after"),
            "objects expire before they move",
            "leave the move out, or let it be sooner",
        );
    }
}

fn check_filter(rule: &LifecycleRule, at: &str, problems: &mut Problems) {
    let sized = rule.larger_than.bytes() > 0 || rule.smaller_than.bytes() > 0;
    if rule.abort_uploads_after.seconds() > 0 && (sized || !rule.tags.is_empty()) {
        let message = "an upload that is not completed has neither tags nor a size";
        problems.add(format!("{at}.abort_uploads_after"), message, "write a rule of its own, with a prefix or none");
    }
    if rule.expire_delete_markers && !rule.tags.is_empty() {
        problems.add(format!("{at}.expire_delete_markers"), "a delete marker has no tags", "write a rule without tags");
    }
    let (larger, smaller) = (rule.larger_than.bytes(), rule.smaller_than.bytes());
    if smaller > 0 && smaller <= larger {
        problems.add(format!("{at}.smaller_than"), "no object is smaller than this and larger too", "swap the two");
    }
}

fn check_noncurrent(rule: &LifecycleRule, at: &str, problems: &mut Problems) {
    let expires = &rule.expire_noncurrent_after;
    if rule.keep_noncurrent > 0 && expires.seconds() == 0 && !is_unknown_text(expires.as_str()) {
        let help = "say when the others expire: `expire_noncurrent_after: 30d`";
        problems.add(format!("{at}.keep_noncurrent"), "nothing expires, so nothing is to be kept", help);
    }
    for (n, transition) in rule.noncurrent_transitions.iter().enumerate() {
        check_move(&format!("{at}.noncurrent_transitions.{n}"), transition.to, &transition.after, expires, problems);
    }
}

/// Tags of a filter.
pub(super) fn tags_of(tags: &[aws_sdk_s3::types::Tag]) -> Tags {
    tags.iter().map(|t| (t.key().to_owned(), t.value().to_owned())).collect()
}
