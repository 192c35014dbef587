//! `saiken announce`

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::error::Failure;
use super::pipeline::Declared;
use super::run::{host, user};
use super::shell::Shell;
use super::{Format, Global, OK};
use crate::config::Project;
use crate::diagnostic::suggestion;
use crate::execute::announcements::Announcements;
use crate::guard::announcement::{Announcement, Notice, earliest, standing};
use crate::guard::notice::{self, Language, read_time, typed};
use crate::model::environment::Environment;
use crate::model::ownership::hash;
use crate::model::types::Duration;

/// Announce a window in which service may be interrupted
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only of these addresses and stacks [default: everything]
    #[arg(value_name = "ADDRESS|STACK", requires = "from")]
    covers: Vec<String>,
    /// Start: "2026-12-01 02:00" in the environment's time zone, or RFC 3339
    #[arg(long, value_name = "TIME", required_unless_present_any = ["list", "withdraw"])]
    from: Option<String>,
    /// Length, such as 2h or 90m
    #[arg(long = "for", value_name = "DURATION", requires = "from", required_unless_present_any = ["list", "withdraw"])]
    length: Option<Duration>,
    /// What it is about, for the notice
    #[arg(long, value_name = "TEXT", requires = "from")]
    about: Option<String>,
    /// Show the announcements that stand
    #[arg(long, conflicts_with_all = ["from", "withdraw"])]
    list: bool,
    /// Take an announcement back
    #[arg(long, value_name = "ID", conflicts_with = "from")]
    withdraw: Option<String>,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let declared = Declared::load(global, shell)?;
    let environment = &declared.desired.environment;
    let store = super::state::place(&declared.root, environment).await.announcements();
    let notices = store.read().await.map_err(|e| Failure::new("what was announced can't be read").because(e))?;
    let standing = standing(&notices);
    let now = Timestamp::now();
    if arguments.list {
        list(&standing, environment, now, global, shell);
        return Ok(OK);
    }
    if let Some(id) = &arguments.withdraw {
        withdraw(id, &standing, now, &*store, shell).await?;
        return Ok(OK);
    }
    let announcement = new(arguments, &declared, now)?;
    // Rendered first: a mistake in the project's template must not leave a window that nobody was told of.
    let texts = [Language::Japanese, Language::English].map(|language| text(&announcement, &declared, language));
    let [japanese, english] = texts;
    let (japanese, english) = (japanese?, english?);
    record(&*store, &Notice::Announced(announcement.clone())).await?;
    match global.format {
        Format::Json => {
            let all = json!({"format": 1, "announcement": announcement, "notices": {"ja": japanese, "en": english}});
            shell.data(&format!("{all:#}\n"));
        }
        Format::Text | Format::Markdown => shell.data(&format!("{japanese}\n---\n\n{english}")),
    }
    shell.say(&format!("recorded as {}: send the text above to those whom it concerns", announcement.id));
    Ok(OK)
}

/// The announcement that the arguments ask for.
fn new(arguments: &Arguments, declared: &Declared, now: Timestamp) -> Result<Announcement, Failure> {
    let environment = &declared.desired.environment;
    let from = arguments.from.as_deref().unwrap_or_default();
    let from = read_time(from, environment).map_err(|why| Failure::usage(format!("--from: {why}")))?;
    let seconds = arguments.length.as_ref().map_or(0, Duration::seconds);
    let length = i64::try_from(seconds).ok().filter(|s| *s > 0).map(SignedDuration::from_secs);
    let until = length.and_then(|length| from.checked_add(length).ok());
    let until = until.ok_or_else(|| Failure::usage("--for: a window has a length, such as 2h"))?;
    check_covers(&arguments.covers, declared)?;
    let notice = environment.guards.interruptions.as_ref().map_or(0, |g| g.notice);
    let first = earliest(now, notice).unwrap_or(Timestamp::MAX);
    if from < first {
        let first = typed(next_minute(first), environment);
        let why = match notice {
            0 => "the window would begin in the past".to_owned(),
            _ => format!("the window must be announced {} before it begins", Duration::from_seconds(notice)),
        };
        return Err(Failure::new(why).help(format!(
            "the earliest start is now \"{first}\" ({}); or apply with --emergency REASON",
            environment.time_zone
        )));
    }
    Ok(Announcement {
        id: hash(&uuid::Uuid::now_v7().to_string(), 8),
        made_at: now,
        who: format!("{}@{}", user(), host()),
        from,
        until,
        about: arguments.about.clone(),
        covers: arguments.covers.clone(),
    })
}

fn check_covers(covers: &[String], declared: &Declared) -> Result<(), Failure> {
    let desired = &declared.desired;
    let stacks = desired.stacks.iter().map(|s| s.name.as_str());
    let known: Vec<&str> = stacks.chain(desired.resources.keys().map(|a| a.as_str())).collect();
    match covers.iter().find(|c| !known.contains(&c.as_str())) {
        None => Ok(()),
        Some(wrong) => {
            let mut failure = Failure::usage(format!("there is no address and no stack `{wrong}`"));
            failure.help = suggestion(wrong, known);
            Err(failure)
        }
    }
}

/// The text in one language: by the project's own template, if it has one.
fn text(announcement: &Announcement, declared: &Declared, language: Language) -> Result<String, Failure> {
    let name = match language {
        Language::Japanese => notice::JAPANESE,
        Language::English => notice::ENGLISH,
    };
    let project: &Project = &declared.project;
    let own = project.payloads.get(name).map(|p| p.text.as_str());
    notice::render(announcement, &declared.desired.environment, language, own)
        .map_err(|why| Failure::new(format!("templates/{name} can't be rendered: {why}; nothing was announced")))
}

async fn record(store: &dyn Announcements, notice: &Notice) -> Result<(), Failure> {
    store.append(notice).await.map_err(|e| Failure::new("nothing was announced").because(e))
}

async fn withdraw(
    id: &str,
    standing: &[Announcement],
    now: Timestamp,
    store: &dyn Announcements,
    shell: &Shell,
) -> Result<(), Failure> {
    if !standing.iter().any(|a| a.id == id) {
        let mut failure = Failure::usage(format!("no announcement `{id}` stands"));
        failure.help = suggestion(id, standing.iter().map(|a| a.id.as_str()));
        return Err(failure);
    }
    let notice = Notice::Withdrawn { id: id.to_owned(), at: now, who: format!("{}@{}", user(), host()) };
    store.append(&notice).await.map_err(|e| Failure::new("nothing was withdrawn").because(e))?;
    shell.say(&format!("withdrawn: {id}; tell those who were told of it"));
    Ok(())
}

fn list(standing: &[Announcement], environment: &Environment, now: Timestamp, global: &Global, shell: &Shell) {
    let left: Vec<&Announcement> = standing.iter().filter(|a| now < a.until).collect();
    if global.format == Format::Json {
        shell.data(&format!("{:#}\n", json!({"format": 1, "announcements": left})));
        return;
    }
    if left.is_empty() {
        shell.say("no window is announced");
    }
    for window in left {
        let covers = if window.covers.is_empty() { "everything".to_owned() } else { window.covers.join(", ") };
        let state = if window.is_open(now) { "  open now" } else { "" };
        let about = window.about.as_deref().map(|a| format!("  {a}")).unwrap_or_default();
        let (from, until) = (typed(window.from, environment), typed(window.until, environment));
        shell.data(&format!("{}  {from} - {until} {}  {covers}{about}{state}\n", window.id, environment.time_zone));
    }
}

/// The first whole minute that is not before this time.
pub(super) fn next_minute(at: Timestamp) -> Timestamp {
    let seconds = at.as_second() + i64::from(at.subsec_nanosecond() > 0);
    let whole = (seconds + 59).div_euclid(60) * 60;
    Timestamp::from_second(whole).unwrap_or(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earliest_start_that_is_named_is_never_too_early() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(next_minute(at("2026-12-01T00:00:00Z")), at("2026-12-01T00:00:00Z"));
        assert_eq!(next_minute(at("2026-12-01T00:00:00.5Z")), at("2026-12-01T00:01:00Z"));
        assert_eq!(next_minute(at("2026-12-01T00:00:59Z")), at("2026-12-01T00:01:00Z"));
    }
}
