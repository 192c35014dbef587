//! Backups: vaults, plans, tests of restores. What its kinds share.
//!
//! No list of this service shows tags. Whose an object is, the index of tags says; what it may not know yet (a name
//! that saiken gives, or an object made within the hour) is asked for its tags by a call of its own.

pub mod plan;
mod plan_parts;
mod plan_selections;
pub mod restore_testing_plan;
mod restore_testing_selections;
pub mod vault;
mod vault_parts;

use std::future::Future;

use aws_smithy_types::DateTime;
use futures::{StreamExt, TryStreamExt, stream};

use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::kind::Problems;
use crate::model::observed::Object;
use crate::model::ownership;
use crate::model::types::{Duration, Ref};
use crate::model::value::is_unknown_text;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::kind::{Create, SEEN_WITHIN, Selection, Tags};
use crate::providers::aws::tagging;

/// Seconds of a minute.
pub(super) const MINUTE: u64 = 60;
/// Seconds of an hour.
pub(super) const HOUR: u64 = 3_600;
/// Seconds of a day.
pub(super) const DAY: u64 = 86_400;
/// The longest time that the service takes, in days.
const LONGEST: u64 = 36_500;
/// Calls for single objects under way at once.
pub(super) const AT_ONCE: usize = 8;
/// Seconds for which the index of tags may not show a new object: it follows within minutes.
const LAG: i64 = 3_600;

/// An object of a list that shows no tags.
#[derive(Debug, Clone)]
pub(super) struct Listed<T> {
    /// The object.
    pub object: T,
    /// By which a selection by ids names it.
    pub id: String,
    /// ARN.
    pub arn: String,
    /// Name.
    pub name: String,
    /// When it was made.
    pub made: Option<DateTime>,
}

/// Those of a list that are selected, with their tags. `service` is the name of the type in the index of tags; `prefix`
/// is what the names begin with that saiken gives.
///
/// # Errors
/// The API's.
pub(super) async fn selected<T: Send>(
    cx: &Context,
    service: &str,
    selection: &Selection<'_>,
    prefix: Option<String>,
    all: Vec<Listed<T>>,
) -> Result<Vec<(Listed<T>, Tags)>, ApiError> {
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let mut index = tagging::of_service(cx, service, selection).await?;
    let now = jiff::Timestamp::now().as_second();
    let (mut found, mut unsure) = (Vec::new(), Vec::new());
    for listed in all {
        let named = prefix.as_ref().is_some_and(|prefix| listed.name.starts_with(prefix));
        let new = listed.made.is_some_and(|made| now - made.secs() < LAG);
        match (index.remove(&listed.arn), selection) {
            (Some(tags), _) => found.push((listed, tags)),
            (None, Selection::Ids(ids)) if ids.contains(&listed.id) => unsure.push(listed),
            (None, Selection::Owned { .. } | Selection::Tagged(_)) if named || new => unsure.push(listed),
            (None, _) => {}
        }
    }
    let asked: Vec<Option<(Listed<T>, Tags)>> =
        stream::iter(unsure).map(|listed| with_tags(cx, listed)).buffered(AT_ONCE).try_collect().await?;
    found.extend(asked.into_iter().flatten().filter(|(listed, tags)| selection.matches(&listed.id, tags)));
    Ok(found)
}

async fn with_tags<T>(cx: &Context, listed: Listed<T>) -> Result<Option<(Listed<T>, Tags)>, ApiError> {
    Ok(tags(cx, &listed.arn).await?.map(|tags| (listed, tags)))
}

/// What the names begin with that saiken gives to objects of the environment that is read, where names have this limit.
pub(super) fn prefix(selection: &Selection<'_>, limit: usize) -> Option<String> {
    match selection {
        Selection::Owned { project, environment } => {
            let mut prefix = ownership::name_prefix(project, environment);
            // A longer name is cut short, to a hash of nine characters at its end.
            prefix.truncate(limit - 9);
            Some(prefix.trim_end_matches('-').to_owned())
        }
        Selection::Ids(_) | Selection::Tagged(_) => None,
    }
}

/// Tags of an object; none if it is gone.
///
/// # Errors
/// The API's.
pub(super) async fn tags(cx: &Context, arn: &str) -> Result<Option<Tags>, ApiError> {
    let request = cx.clients.backup.list_tags().resource_arn(arn);
    match cx.call("backup:ListTags", request.send()).await {
        Ok(answer) => Ok(Some(answer.tags.unwrap_or_default().into_iter().collect())),
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Sets and removes tags of an object with the attribute `arn`.
///
/// # Errors
/// The API's.
pub(super) async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
    let backup = &cx.clients.backup;
    let arn = object.attributes.get("arn").and_then(|a| a.as_str()).unwrap_or_default();
    if !set.is_empty() {
        let request = backup.tag_resource().resource_arn(arn).set_tags(Some(set.clone().into_iter().collect()));
        cx.call("backup:TagResource", request.send()).await?;
    }
    if !remove.is_empty() {
        let request = backup.untag_resource().resource_arn(arn).set_tag_key_list(Some(remove.to_vec()));
        cx.call("backup:UntagResource", request.send()).await?;
    }
    Ok(())
}

/// The role's ARN, which this service takes.
///
/// # Errors
/// If nothing is known of the role.
pub(super) fn role_arn<S>(want: &Create<'_, S>, role: &Ref<Role>) -> Result<String, ApiError> {
    want.attribute(role, "arn").map_or_else(|| want.id(role), Ok)
}

/// Makes a call in which the service asks whether it may take a role on: again and again while it does not know a new
/// role.
///
/// # Errors
/// The API's; `TimedOut` with its words if it never knows the role.
pub(super) async fn known_role<F>(
    cx: &Context,
    watch: &dyn Watch,
    role: &str,
    call: impl Fn() -> F,
) -> Result<(), ApiError>
where
    F: Future<Output = Result<(), ApiError>>,
{
    cx.wait(watch, &format!("role {role} to be known to the backup service"), SEEN_WITHIN, || async {
        match call().await {
            Ok(()) => Ok(Look::Done(())),
            Err(e) if e.class == ErrorClass::Invalid && e.message.contains("cannot be assumed") => {
                Ok(Look::Not(e.message))
            }
            Err(e) => Err(e),
        }
    })
    .await
}

/// What the service's builders refuse.
pub(super) fn invalid(operation: &str, error: impl std::fmt::Display) -> ApiError {
    ApiError::new(operation, ErrorClass::Invalid, error.to_string())
}

/// A length of time in this unit; none if it is not given, or 0.
pub(super) fn units(duration: Option<&Duration>, unit: u64) -> Option<i64> {
    duration.and_then(|d| i64::try_from(d.seconds() / unit).ok()).filter(|n| *n > 0)
}

/// A length of time from this unit; 0 if the API gives none.
pub(super) fn from_units(number: Option<i64>, unit: u64) -> Duration {
    Duration::from_seconds(number.and_then(|n| u64::try_from(n).ok()).unwrap_or(0) * unit)
}

/// Whether the service can take a length of time: whole units, from `least` to 36,500 days.
pub(super) fn check_time(path: &str, duration: Option<&Duration>, unit: (u64, &str), least: u64, all: &mut Problems) {
    let Some(duration) = duration.filter(|d| !is_unknown_text(d.as_str())) else { return };
    let (seconds, name) = (duration.seconds(), unit.1);
    if seconds % unit.0 != 0 {
        all.add(path, format!("`{duration}` is no whole number of {name}"), format!("write whole {name}"));
    } else if seconds < least * unit.0 || seconds > LONGEST * DAY {
        let range = format!("the service takes {least} {name} to {LONGEST} days");
        all.add(path, format!("`{duration}` is out of range"), range);
    }
}

/// Whether a schedule has one of the service's two forms.
pub(super) fn check_schedule(path: &str, schedule: &str, all: &mut Problems) {
    if is_unknown_text(schedule) {
        return;
    }
    let inside = |name: &str| schedule.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')');
    let right = match (inside("cron"), inside("rate")) {
        (Some(cron), _) => cron.split_whitespace().count() == 6 && cron.contains('?'),
        (None, Some(rate)) => matches!(rate.split_whitespace().collect::<Vec<_>>()[..],
            [number, unit] if number.parse::<u32>().is_ok_and(|n| n > 0)
                && ["hour", "hours", "day", "days", "minute", "minutes"].contains(&unit)),
        (None, None) => false,
    };
    if !right {
        let help = "write cron(0 4 ? * * *) (minute, hour, day of month, month, day of week, year; one of the two days \
                    is `?`) or rate(12 hours)";
        all.add(path, format!("`{schedule}` is no schedule"), help);
    }
}

/// Whether a time zone is one.
pub(super) fn check_time_zone(path: &str, zone: Option<&String>, all: &mut Problems) {
    let known = |zone: &str| jiff::tz::TimeZoneDatabase::bundled().get(zone).is_ok();
    if let Some(zone) = zone.filter(|z| !is_unknown_text(z) && !known(z)) {
        all.add(path, format!("there is no time zone `{zone}`"), "write an IANA name such as Asia/Tokyo");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::providers::aws::script::Script;

    /// Tags of an object of the scripted owner.
    pub(super) fn owned() -> Value {
        json!({"saiken:project": "p", "saiken:environment": "e", "saiken:address": "s/it", "saiken:generation": "1"})
    }

    /// The answer to ListTags.
    pub(super) fn tags_answer() -> String {
        json!({"Tags": owned()}).to_string()
    }

    /// The index of tags, which knows these ARNs.
    pub(super) fn index(arns: &[&str]) -> String {
        let pairs: Vec<Value> =
            owned().as_object().unwrap().iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect();
        let all: Vec<Value> = arns.iter().map(|arn| json!({"ResourceARN": arn, "Tags": pairs})).collect();
        json!({"ResourceTagMappingList": all}).to_string()
    }

    #[test]
    fn schedules_and_zones_are_known_before_the_service_sees_them() {
        let problems = |schedule: &str, zone: &str| {
            let mut all = Problems::default();
            check_schedule("schedule", schedule, &mut all);
            check_time_zone("time_zone", Some(&zone.to_owned()), &mut all);
            all.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
        };
        for right in ["cron(0 4 ? * * *)", "cron(15 */4 * * ? *)", "rate(12 hours)", "rate(1 day)"] {
            assert!(problems(right, "Asia/Tokyo").is_empty(), "{right}");
        }
        for wrong in ["0 4 * * *", "cron(0 4 * * *)", "cron(0 4 * * * *)", "rate(0 days)", "rate(daily)", "daily"] {
            assert_eq!(problems(wrong, "Etc/UTC"), ["schedule"], "{wrong}");
        }
        assert_eq!(problems("rate(1 day)", "Tokyo"), ["time_zone"]);
    }

    #[test]
    fn a_prefix_that_a_service_s_limit_cuts_short_still_finds_the_names() {
        let (project, environment) = ("a-project-with-a-long-name", "an-environment-with-one-too");
        let prefix = prefix(&Selection::Owned { project, environment }, 50).unwrap();
        let address = crate::model::Address::parse("s/it").unwrap();
        let name = ownership::physical_name(project, environment, &address, 1, 50);
        assert!(name.starts_with(&prefix) && prefix.len() > 30, "{name} {prefix}");
    }

    #[tokio::test]
    async fn an_object_without_tags_of_ours_costs_no_call_once_the_index_would_know_it() {
        let now = jiff::Timestamp::now().as_second();
        let script = Script::default()
            .answer("GetResources", 200, &index(&["arn:known"]))
            .answer("GET /tags/arn%3Anew", 200, &tags_answer())
            .answer("GET /tags/arn%3Anamed", 200, r#"{"Tags": {"saiken:project": "other"}}"#);
        let listed = |id: &str, name: &str, age: i64| Listed {
            object: (),
            id: id.to_owned(),
            arn: format!("arn:{id}"),
            name: name.to_owned(),
            made: Some(DateTime::from_secs(now - age)),
        };
        let all = vec![
            listed("known", "x", 9_999),
            listed("new", "y", 60),
            listed("named", "p-e-z", 9_999),
            listed("old", "z", 9_999),
        ];
        let selection = Selection::Owned { project: "p", environment: "e" };
        let found = selected(&script.context(), "backup:backup-vault", &selection, Some("p-e-".into()), all).await;
        let ids: Vec<String> = found.unwrap().into_iter().map(|(listed, _)| listed.id).collect();
        assert_eq!(ids, ["known", "new"]);
        assert_eq!(script.operations(), ["GetResources", "GET /tags/arn%3Anew", "GET /tags/arn%3Anamed"]);
    }
}
