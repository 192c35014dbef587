//! What servers and clusters share of their settings: their words, and the rules that the API would refuse.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Problems;
use crate::model::types::{Duration, Ref};
use crate::model::value::is_unknown_text;
use crate::providers::aws::iam::role::Role;
use crate::providers::aws::kms::key::Key;
use crate::providers::aws::words::words;

pub(super) const DAY: u64 = 86_400;
/// Seconds between two measurements of the system that the API takes; 0 for none.
const INTERVALS: [u64; 7] = [0, 1, 5, 10, 15, 30, 60];

words! {
    /// Which addresses a database has.
    NetworkType {
        /// IPv4.
        Ipv4 = "IPV4",
        /// IPv4 and IPv6.
        Dual = "DUAL",
    }
}

words! {
    /// How much the service tells of a database's load.
    InsightsMode {
        /// A week of it.
        Standard = "standard",
        /// Fifteen months, and how several databases do; it needs `performance_insights` for so long.
        Advanced = "advanced",
    }
}

words! {
    /// What becomes of a database whose major version is past the end of its standard support.
    LifecycleSupport {
        /// It runs on with extended support, at a price.
        OpenSourceRdsExtendedSupport = "open-source-rds-extended-support",
        /// It is upgraded to the next major version; a new one of such a version can't be made.
        OpenSourceRdsExtendedSupportDisabled = "open-source-rds-extended-support-disabled",
    }
}

/// What the service keeps of a database's load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PerformanceInsights {
    /// Whether it keeps any.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Key that encrypts it (by ARN, if it is not owned); the account's default key if left out. It can't be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Ref<Key>>,
    /// How long: 7 days, 731 days, or months of 31 days each (1 to 23); 7 days cost nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Duration>,
}

/// Measurements of the system beneath a database.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Monitoring {
    /// Time between two: 1, 5, 10, 15, 30 or 60 seconds; `0s` for none at all.
    pub interval: Duration,
    /// Role that the monitoring service takes to write them down (by ARN, if it is not owned); needed unless there are
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Ref<Role>>,
}

/// The default of what is switched on.
pub(super) fn yes() -> bool {
    true
}

/// How a password is given.
pub(super) struct Login<'a> {
    pub managed: bool,
    pub password: Option<&'a str>,
    pub key: bool,
    /// Whether data and users come from elsewhere: then no password is needed.
    pub copied: bool,
    /// Engine in the API's words, if it is declared.
    pub engine: Option<&'a str>,
}

/// The service keeps the password, or it is given; not both.
pub(super) fn check_login(login: &Login<'_>, problems: &mut Problems) {
    match (login.managed, login.password) {
        (true, Some(_)) => {
            let help = "add `managed_password: false`, or leave `password` out: the secret's ARN is `secret_arn`";
            problems.add("password", "the service keeps the password itself, in a secret", help);
        }
        (false, None) if !login.copied => {
            let help = "give `password`, or leave `managed_password` out, and the service keeps it in a secret";
            problems.add("password", "without a managed password one must be given", help);
        }
        (false, Some(password)) if !is_unknown_text(password) => {
            check_password(password, login.engine, problems);
        }
        (true, None) | (false, None | Some(_)) => {}
    }
    if login.key && !login.managed {
        let message = "a key for the secret has no use without a managed password";
        problems.add("password_key", message, "leave it out");
    }
}

/// A password that the API takes for an engine.
fn check_password(password: &str, engine: Option<&str>, problems: &mut Problems) {
    let is = |name: &str| engine.is_some_and(|engine| engine.contains(name));
    let longest = match () {
        () if is("oracle") => 30,
        () if is("mysql") || is("mariadb") => 41,
        // Of what comes from a backup, the engine may not be known.
        () if is("db2") || engine.is_none() => 255,
        () => 128,
    };
    let refused = if is("oracle") { "/'\"@&" } else { "/'\"@" };
    if password.chars().any(|c| !c.is_ascii_graphic() || refused.contains(c)) {
        let each: Vec<String> = refused.chars().map(String::from).collect();
        let message = format!("the API takes printable ASCII characters, and none of {} or space", each.join(" "));
        problems.add("password", message, "choose another one");
    }
    if !(8..=longest).contains(&password.len()) {
        let of = engine.map(|engine| format!(" for {engine}")).unwrap_or_default();
        let message = format!("the API takes 8 to {longest} characters{of}, and these are {}", password.len());
        problems.add("password", message, "choose another one, or leave it to the service with `managed_password`");
    }
}

/// Whole days within a range.
pub(super) fn check_days(
    field: &str,
    time: Option<&Duration>,
    range: std::ops::RangeInclusive<u64>,
    to: &mut Problems,
) {
    let Some(time) = time.filter(|t| !is_unknown_text(t.as_str())) else { return };
    if time.seconds() % DAY != 0 || !range.contains(&(time.seconds() / DAY)) {
        let message = format!("`{time}` is not {} to {} whole days", range.start(), range.end());
        to.add(field, message, "write 7d, for one");
    }
}

/// What is watched, and for how long.
pub(super) fn check_watching(
    monitoring: Option<&Monitoring>,
    insights: Option<&PerformanceInsights>,
    problems: &mut Problems,
) {
    if let Some(monitoring) = monitoring.filter(|m| !is_unknown_text(m.interval.as_str())) {
        let seconds = monitoring.interval.seconds();
        if !INTERVALS.contains(&seconds) {
            let message = format!("the API can't measure every `{}`", monitoring.interval);
            problems.add("monitoring.interval", message, "take 1s, 5s, 10s, 15s, 30s, 60s, or 0s for none");
        }
        if (seconds == 0) != monitoring.role.is_none() {
            let message = "a role goes with an interval, and none with `0s`";
            problems.add("monitoring.role", message, "give both, or leave the role out");
        }
    }
    if let Some(insights) = insights {
        if !insights.enabled && (insights.key.is_some() || insights.retention.is_some()) {
            let message = "what is not kept has neither key nor retention";
            problems.add("performance_insights.enabled", message, "leave `key` and `retention` out");
        }
        if let Some(time) = insights.retention.as_ref().filter(|t| !is_unknown_text(t.as_str())) {
            let days = time.seconds() / DAY;
            let months = days.is_multiple_of(31) && (1..=23).contains(&(days / 31));
            if time.seconds() % DAY != 0 || !(days == 7 || days == 731 || months) {
                let message = format!("the API can't keep it for `{time}`");
                problems.add("performance_insights.retention", message, "take 7d, 731d, or a multiple of 31d");
            }
        }
    }
}

/// Minutes of a day, or of a week if the time begins with a day: `17:30`, `sun:17:30`.
fn minutes(text: &str, days: bool) -> Option<u32> {
    const WEEK: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let (day, time) = match days {
        true => text.split_once(':').and_then(|(day, time)| Some((WEEK.iter().position(|d| *d == day)?, time)))?,
        false => (0, text),
    };
    let (hours, minutes) = time.split_once(':').filter(|(h, m)| h.len() == 2 && m.len() == 2)?;
    let (hours, minutes): (u32, u32) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours < 24 && minutes < 60).then_some(u32::try_from(day).ok()? * 1440 + hours * 60 + minutes)
}

/// Begin and length of a window in minutes.
fn window(text: &str, days: bool) -> Option<(u32, u32)> {
    let (begin, end) = text.split_once('-')?;
    let (begin, end) = (minutes(begin, days)?, minutes(end, days)?);
    let round = if days { 7 * 1440 } else { 1440 };
    Some((begin, (end + round - begin) % round))
}

/// The windows in which the service makes backups and keeps the database in order: half an hour each at least, in UTC,
/// and not at the same time.
pub(super) fn check_windows(backup: Option<&str>, maintenance: Option<&str>, problems: &mut Problems) {
    let mut parsed = |field: &str, text: Option<&str>, days: bool, example: &str| {
        let text = text.filter(|t| !is_unknown_text(t))?;
        let found = window(text, days);
        let wrong = match found {
            None => "is not a window in UTC",
            Some((_, length)) if length < 30 => "is shorter than 30 minutes",
            Some((_, length)) if days && length > 1440 => "is longer than a day",
            Some(_) => return found,
        };
        problems.add(field, format!("`{text}` {wrong}"), format!("write {example}"));
        None
    };
    let daily = parsed("backup_window", backup, false, "17:00-17:30");
    let weekly = parsed("maintenance_window", maintenance, true, "sun:18:00-sun:18:30");
    if let (Some((backup, long)), Some((maintenance, longer))) = (daily, weekly) {
        let week = 7 * 1440;
        let meets = |day: u32| {
            let begin = day * 1440 + backup;
            (maintenance + week - begin) % week < long || (begin + week - maintenance) % week < longer
        };
        if (0..7).any(meets) {
            let message = "it overlaps with `backup_window`, which the API refuses";
            problems.add("maintenance_window", message, "choose another time for one of them");
        }
    }
}

/// Whether a version is the one that is there, as far as it is declared.
pub(super) fn is_version(declared: &str, there: Option<&str>) -> bool {
    there.is_some_and(|there| there.strip_prefix(declared).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// A field of a spec, as the engine sees it; none if it is not given.
pub(super) fn field<'v>(spec: &'v Value, name: &str) -> Option<&'v Value> {
    spec.get(name).filter(|v| !v.is_null())
}

/// Whether all that is declared of a value is there.
pub(super) fn is_there(declared: &Value, there: Option<&Value>) -> bool {
    match (declared, there) {
        (Value::Object(declared), Some(Value::Object(there))) => {
            declared.iter().all(|(name, value)| is_there(value, there.get(name)))
        }
        (Value::Null, _) => true,
        (declared, there) => {
            there.is_some_and(|there| declared == there || declared.as_f64().is_some_and(|n| there.as_f64() == Some(n)))
        }
    }
}

/// The tree of a spec.
pub(super) fn tree<S: Serialize>(spec: &S) -> Result<Value, ApiError> {
    serde_json::to_value(spec).map_err(|e| ApiError::new("rds", ErrorClass::Other, format!("can't encode a spec: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(backup: &str, maintenance: &str) -> Vec<String> {
        let mut problems = Problems::default();
        check_windows(Some(backup), Some(maintenance), &mut problems);
        problems.0.into_iter().map(|p| p.path).collect()
    }

    #[test]
    fn windows_are_half_an_hour_long_in_utc_and_do_not_meet() {
        for (backup, maintenance) in [
            ("17:00-17:30", "sun:17:30-sun:18:00"),
            ("17:00-17:30", "sun:16:00-sun:17:00"),
            ("23:45-00:15", "sun:00:15-sun:00:45"),
            ("01:00-02:00", "sun:23:30-mon:00:30"),
        ] {
            assert!(windows(backup, maintenance).is_empty(), "{backup} {maintenance}");
        }
        for (backup, maintenance) in [
            ("17:00-17:30", "sun:17:15-sun:17:45"),
            ("17:00-18:30", "sun:17:15-sun:17:45"),
            ("23:45-00:15", "sun:00:00-sun:00:30"),
            ("00:15-00:45", "sun:23:30-mon:00:30"),
            ("17:00-17:30", "mon:12:00-tue:12:00"),
            ("17:00-17:30", "Sun:18:00-Sun:18:30"),
            ("17:00-17:30", "sun:18:00-sun:18:29"),
            ("17:00-17:30", "sun:18:00-tue:18:29"),
        ] {
            assert_eq!(windows(backup, maintenance), ["maintenance_window"], "{backup} {maintenance}");
        }
        for backup in ["17:00", "17:00-17:29", "7:00-8:00", "24:00-24:30", "17:00-17:60"] {
            assert_eq!(windows(backup, "sun:12:00-sun:12:30"), ["backup_window"], "{backup}");
        }
    }

    #[test]
    fn a_password_is_managed_or_given_and_is_one_that_the_api_takes() {
        let problems = |managed, password, key, copied| {
            let mut problems = Problems::default();
            check_login(&Login { managed, password, key, copied, engine: Some("postgres") }, &mut problems);
            problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
        };
        for (managed, password, key, copied) in
            [(true, None, true, false), (false, Some("correct-horse"), false, false), (false, None, false, true)]
        {
            assert!(problems(managed, password, key, copied).is_empty());
        }
        assert_eq!(problems(true, Some("correct-horse"), false, false), ["password"]);
        assert_eq!(problems(false, None, false, false), ["password"]);
        assert_eq!(problems(false, Some("correct-horse"), true, false), ["password_key"]);
        for wrong in ["short", "has a space", "has/slash1", "日本語のパスワード"] {
            assert_eq!(problems(false, Some(wrong), false, false), ["password"], "{wrong}");
        }
    }

    #[test]
    fn a_password_is_as_long_as_its_engine_takes() {
        for (engine, longest) in [
            ("mysql", 41),
            ("mariadb", 41),
            ("aurora-mysql", 41),
            ("oracle-se2-cdb", 30),
            ("db2-se", 255),
            ("postgres", 128),
            ("aurora-postgresql", 128),
            ("sqlserver-ex", 128),
        ] {
            for (length, good) in [(7, false), (8, true), (longest, true), (longest + 1, false)] {
                let mut problems = Problems::default();
                check_password(&"x".repeat(length), Some(engine), &mut problems);
                assert_eq!(problems.0.is_empty(), good, "{engine} {length}");
                let told =
                    problems.0.iter().all(|p| p.message.contains(&format!("8 to {longest} characters for {engine}")));
                assert!(told, "{:?}", problems.0);
            }
        }
        let mut problems = Problems::default();
        check_password("correct&horse", Some("oracle-ee"), &mut problems);
        check_password("correct&horse", Some("mysql"), &mut problems);
        assert_eq!(problems.0.len(), 1, "only Oracle refuses &");
    }

    #[test]
    fn intervals_and_retentions_are_those_that_the_api_has() {
        let problems = |monitoring: Value, insights: Value| {
            let mut problems = Problems::default();
            let (monitoring, insights) = (serde_json::from_value(monitoring), serde_json::from_value(insights));
            check_watching(Some(&monitoring.unwrap()), Some(&insights.unwrap()), &mut problems);
            problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
        };
        let role = serde_json::json!({"id": "arn:aws:iam::1:role/r"});
        let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let on = serde_json::json!({"interval": "60s", "role": role});
        for retention in ["7d", "31d", "93d", "731d"] {
            assert!(problems(on.clone(), serde_json::json!({"retention": retention})).is_empty(), "{retention}");
        }
        assert_eq!(problems(on.clone(), json(r#"{"retention": "94d"}"#)), ["performance_insights.retention"]);
        let off = json(r#"{"enabled": false, "retention": "7d"}"#);
        assert_eq!(problems(on, off), ["performance_insights.enabled"]);
        assert_eq!(problems(json(r#"{"interval": "60s"}"#), json("{}")), ["monitoring.role"]);
        let odd = serde_json::json!({"interval": "7s", "role": role});
        assert_eq!(problems(odd, json("{}")), ["monitoring.interval"]);
        assert!(problems(json(r#"{"interval": "0s"}"#), json("{}")).is_empty());
    }

    #[test]
    fn a_declared_version_is_there_if_what_runs_begins_with_it() {
        assert!(is_version("16", Some("16.4")) && is_version("16.4", Some("16.4")));
        assert!(!is_version("16.4", Some("16")) && !is_version("1", Some("16.4")) && !is_version("16", None));
    }
}
