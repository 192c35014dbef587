//! The text of an announcement, in Japanese and English, and times as people write them.

use handlebars::Handlebars;
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{SignedDuration, Timestamp, Zoned};
use serde_json::json;

use super::announcement::Announcement;
use crate::model::environment::Environment;
use crate::model::types::Duration;

/// Payload of a project that replaces the built-in Japanese text.
pub const JAPANESE: &str = "notices/planned-stop.ja.md.hbs";
/// Payload of a project that replaces the built-in English text.
pub const ENGLISH: &str = "notices/planned-stop.en.md.hbs";

const BUILT_IN: [&str; 2] = [include_str!("planned-stop.ja.md.hbs"), include_str!("planned-stop.en.md.hbs")];

/// A language that notices are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Japanese.
    Japanese,
    /// English.
    English,
}

/// The text of an announcement. `template` is the project's own, if it has one.
///
/// # Errors
/// What is wrong in the project's template.
pub fn render(
    announcement: &Announcement,
    environment: &Environment,
    language: Language,
    template: Option<&str>,
) -> Result<String, String> {
    let mut handlebars = Handlebars::new();
    handlebars.register_escape_fn(handlebars::no_escape);
    handlebars.set_strict_mode(true);
    let [japanese, english] = BUILT_IN;
    let built_in = match language {
        Language::Japanese => japanese,
        Language::English => english,
    };
    let zone = zone(environment);
    let time = |at: Timestamp| shown(&at.to_zoned(zone.clone()), language);
    let values = json!({
        "id": announcement.id,
        "project": environment.project,
        "environment": environment.name,
        "from": time(announcement.from),
        "until": time(announcement.until),
        "time_zone": environment.time_zone,
        "duration": span(announcement, language),
        "about": announcement.about,
        "covers": announcement.covers,
    });
    let template = template.unwrap_or(built_in);
    let mut tags = template.split("{{").skip(1).map(|tag| tag.trim_start_matches(['~', '#', ' ']));
    if tags.any(|tag| tag.starts_with(['>', '*'])) {
        return Err("partials and decorators can't be used: a notice is one file".to_owned());
    }
    handlebars.render_template(template, &values).map_err(|e| e.to_string())
}

/// A time in the environment's zone, with the day of the week.
pub fn shown(at: &Zoned, language: Language) -> String {
    const DAYS: [&str; 7] = ["月", "火", "水", "木", "金", "土", "日"];
    match language {
        Language::Japanese => {
            let day = usize::try_from(at.weekday().to_monday_zero_offset()).unwrap_or(0);
            let (year, month, date) = (at.year(), at.month(), at.day());
            format!("{year}年{month}月{date}日（{}）{}", DAYS[day % DAYS.len()], at.strftime("%H:%M"))
        }
        Language::English => at.strftime("%a %-d %B %Y, %H:%M").to_string(),
    }
}

/// A time as `announce --from` takes it, in the environment's zone.
pub fn typed(at: Timestamp, environment: &Environment) -> String {
    at.to_zoned(zone(environment)).strftime("%Y-%m-%d %H:%M").to_string()
}

/// Reads a time: `2026-12-01 02:00` in the environment's zone, or RFC 3339.
///
/// # Errors
/// If it is neither, or the clocks are changed at that time so that it is not one moment.
pub fn read_time(text: &str, environment: &Environment) -> Result<Timestamp, String> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    let local = DateTime::strptime("%Y-%m-%d %H:%M", text)
        .map_err(|_| format!("`{text}` is no time: write \"2026-12-01 02:00\" or 2026-12-01T02:00:00+09:00"))?;
    let one = zone(environment).to_ambiguous_zoned(local).unambiguous();
    one.map(|at| at.timestamp()).map_err(|_| {
        format!("`{text}` is not one moment in {}: the clocks are changed then; write RFC 3339", environment.time_zone)
    })
}

fn span(announcement: &Announcement, language: Language) -> String {
    let length: SignedDuration = announcement.until.duration_since(announcement.from);
    let minutes = length.as_mins();
    match (language, minutes / 60, minutes % 60) {
        (Language::English, _, _) => Duration::from_seconds(length.as_secs().unsigned_abs()).to_string(),
        (Language::Japanese, 0, minutes) => format!("{minutes}分間"),
        (Language::Japanese, hours, 0) => format!("{hours}時間"),
        (Language::Japanese, hours, minutes) => format!("{hours}時間{minutes}分"),
    }
}

/// The environment's zone. Its name was checked when the file was read; another one counts as UTC.
fn zone(environment: &Environment) -> TimeZone {
    TimeZoneDatabase::bundled().get(&environment.time_zone).unwrap_or(TimeZone::UTC)
}
