//! `saiken simulate`

use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::error::Failure;
use super::pipeline::Declared;
use super::shell::Shell;
use super::{Format, Global, OK};
use crate::model::environment::Provider;
use crate::model::types::Duration;
use crate::simulated::{Error, Simulated};

/// Look at the simulated cloud, and break it by hand
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    #[command(flatten)]
    Look(Look),
    #[command(flatten)]
    Change(Change),
    /// Remove everything
    Reset,
}

#[derive(Debug, Subcommand)]
enum Look {
    /// List the objects
    List {
        /// Only those whose address, id or kind contains this
        filter: Option<String>,
    },
    /// Show one object with all that the cloud knows of it, as YAML
    Show {
        /// Address or id
        object: String,
    },
    /// List the recovery points
    RecoveryPoints,
    /// How the cloud stands
    Status,
}

#[derive(Debug, Subcommand)]
enum Change {
    /// Change a field of an object by hand
    Set {
        /// Address or id
        object: String,
        /// Dotted path of the field (`ingress.0.ports`); `tags.NAME` for a tag
        path: String,
        /// The value: JSON, or else text
        value: String,
    },
    /// Remove a field of an object by hand
    Unset {
        /// Address or id
        object: String,
        /// Dotted path of the field; `tags.NAME` for a tag
        path: String,
    },
    /// Delete an object by hand, whatever uses it
    Delete {
        /// Address or id
        object: String,
    },
    /// Make an object fail, as if it had never become usable
    Fail {
        /// Address or id
        object: String,
        /// The API's reason
        #[arg(default_value = "by hand")]
        reason: String,
    },
    /// Lose a zone: what stands in it fails
    LoseZone {
        /// The zone
        zone: String,
    },
    /// Lose a region: it does not answer
    LoseRegion {
        /// The region
        region: String,
    },
    /// Bring a lost zone or region back
    Restore {
        /// The zone or region
        place: String,
        /// Without what stood there
        #[arg(long)]
        empty: bool,
    },
    /// Let virtual time pass
    Advance {
        /// How long, such as 90s, 3m, 2h, 7d
        duration: String,
    },
    /// Write new data into an object that holds some
    WriteData {
        /// Address or id
        object: String,
    },
    /// Take a recovery point of everything that holds data
    TakeRecoveryPoints {
        /// Region that the copies go to [default: the environment's main region]
        #[arg(long)]
        region: Option<String>,
    },
}

pub(crate) async fn run(arguments: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let declared = Declared::load(global, shell)?;
    let environment = &declared.desired.environment;
    let say = |done: &str| shell.say(&format!("{done} (simulated cloud)"));
    match &arguments.what {
        What::Look(look) => show_what(look, &declared.simulated()?, global, shell)?,
        What::Change(change) => say(&carry_out(change, &declared.simulated()?, &environment.region)?),
        What::Reset => {
            if environment.provider == Provider::Simulated {
                // Without opening it: a damaged one must go, too.
                let dir = declared.root.join(environment.local_folder());
                Simulated::clear(&dir, environment, &declared.project.simulated, declared.kinds.clone())
                    .map_err(failed)?;
            } else {
                declared.simulated()?;
            }
            say("everything is removed");
        }
    }
    Ok(OK)
}

fn show_what(look: &Look, cloud: &Simulated, global: &Global, shell: &Shell) -> Result<(), Failure> {
    match look {
        Look::List { filter } => list(cloud, filter.as_deref().unwrap_or_default(), global, shell),
        Look::Show { object } => show(cloud, object, global, shell),
        Look::RecoveryPoints => recovery_points(cloud, global, shell),
        Look::Status => status(cloud, global, shell),
    }
}

/// Does what changes the cloud, and says what was done.
fn carry_out(change: &Change, cloud: &Simulated, main_region: &str) -> Result<String, Failure> {
    let done = match change {
        Change::Set { object, path, value } => {
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.clone()));
            let id = cloud.set(object, path, Some(value.clone())).map_err(failed)?;
            format!("{object} ({id}): {path} is now {value}")
        }
        Change::Unset { object, path } => {
            let id = cloud.set(object, path, None).map_err(failed)?;
            format!("{object} ({id}): {path} is removed")
        }
        Change::Delete { object } => {
            let id = cloud.delete_object(object).map_err(failed)?;
            format!("{object} ({id}) is deleted")
        }
        Change::Fail { object, reason } => {
            let id = cloud.fail(object, reason).map_err(failed)?;
            format!("{object} ({id}) has failed: {reason}")
        }
        Change::LoseZone { zone } => {
            cloud.lose_zone(zone).map_err(failed)?;
            format!("zone {zone} is lost")
        }
        Change::LoseRegion { region } => {
            cloud.lose_region(region).map_err(failed)?;
            format!("region {region} is lost")
        }
        Change::Restore { place, empty } => {
            cloud.restore(place, *empty).map_err(failed)?;
            format!("{place} is back")
        }
        Change::Advance { duration } => {
            let duration: Duration = duration.parse().map_err(Failure::usage)?;
            let clock = cloud.advance(duration.seconds()).map_err(failed)?;
            format!("the clock stands at {}", Duration::from_seconds(clock))
        }
        Change::WriteData { object } => {
            let fingerprint = cloud.write_data(object).map_err(failed)?;
            format!("{object} holds {fingerprint}")
        }
        Change::TakeRecoveryPoints { region } => {
            let region = region.as_deref().unwrap_or(main_region);
            let count = cloud.take_recovery_points(region).map_err(failed)?;
            format!("{count} recovery points taken in {region}")
        }
    };
    Ok(done)
}

fn failed(error: Error) -> Failure {
    match error {
        Error::Wrong { what, help } => {
            let mut failure = Failure::usage(what);
            failure.help = help;
            failure
        }
        error @ (Error::Settings(_) | Error::Io { .. } | Error::Damaged { .. } | Error::Version { .. }) => {
            Failure::new("the simulated cloud can't be used").because(error)
        }
    }
}

/// The object as JSON, or as YAML with one line a field.
fn show(cloud: &Simulated, target: &str, global: &Global, shell: &Shell) -> Result<(), Failure> {
    let value = json!(cloud.show(target).map_err(failed)?);
    if global.format == Format::Json {
        shell.data(&format!("{value:#}\n"));
        return Ok(());
    }
    let mut text = String::new();
    for (name, value) in value.as_object().into_iter().flatten().filter(|(_, v)| !v.is_null()) {
        match value {
            Value::Object(members) if !members.is_empty() => {
                text.push_str(&format!("{name}:\n"));
                // JSON is YAML: names and values need no other quotes.
                members.iter().for_each(|(k, v)| text.push_str(&format!("  {}: {v}\n", json!(k))));
            }
            other => text.push_str(&format!("{name}: {other}\n")),
        }
    }
    shell.data(&fenced(text, "yaml", global));
    Ok(())
}

/// In Markdown, text that is not a table stands in a block of its own.
fn fenced(text: String, language: &str, global: &Global) -> String {
    match global.format {
        Format::Markdown => format!("```{language}\n{text}```\n"),
        Format::Text | Format::Json => text,
    }
}

fn recovery_points(cloud: &Simulated, global: &Global, shell: &Shell) -> Result<(), Failure> {
    let points = cloud.recovery_points().map_err(failed)?;
    if global.format == Format::Json {
        shell.data(&format!("{:#}\n", json!(points)));
        return Ok(());
    }
    if points.is_empty() {
        shell.say("there is none (simulated cloud)");
        return Ok(());
    }
    let rows = points.into_iter().map(|p| {
        let taken = Duration::from_seconds(p.taken_at).to_string();
        [p.address.unwrap_or_else(|| "(not owned)".to_owned()), p.kind, p.object, p.region, taken, p.fingerprint]
    });
    table(["address", "kind", "id", "copy in", "taken at", "fingerprint"], rows, global, shell);
    Ok(())
}

fn status(cloud: &Simulated, global: &Global, shell: &Shell) -> Result<(), Failure> {
    let overview = cloud.overview().map_err(failed)?;
    if global.format == Format::Json {
        shell.data(&format!("{:#}\n", json!(overview)));
        return Ok(());
    }
    let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let text = format!(
        "simulated cloud `{}`\n  objects          {}\n  clock            {}\n  lost zones       {}\n  lost regions     {}\n  recovery points  {}\n",
        overview.cloud,
        overview.objects,
        Duration::from_seconds(overview.clock),
        list(&overview.lost_zones),
        list(&overview.lost_regions),
        overview.recovery_points,
    );
    shell.data(&fenced(text, "text", global));
    Ok(())
}

fn list(cloud: &Simulated, filter: &str, global: &Global, shell: &Shell) -> Result<(), Failure> {
    let lines = cloud.list(filter).map_err(failed)?;
    if global.format == Format::Json {
        shell.data(&format!("{:#}\n", json!(lines)));
        return Ok(());
    }
    if lines.is_empty() {
        shell.say("nothing is there (simulated cloud)");
        return Ok(());
    }
    let rows = lines
        .into_iter()
        .map(|l| [l.address.unwrap_or_else(|| "(not owned)".to_owned()), l.kind, l.id, l.region, l.status]);
    table(["address", "kind", "id", "region", "status"], rows, global, shell);
    Ok(())
}

fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>, global: &Global, shell: &Shell) {
    let mut table = Table::new();
    table.load_preset(if global.format == Format::Markdown { presets::ASCII_MARKDOWN } else { presets::NOTHING });
    table.set_content_arrangement(ContentArrangement::Disabled).set_header(header);
    table.add_rows(rows);
    let text: String = table.lines().map(|l| format!("{}\n", l.trim_end())).collect();
    shell.data(&text);
}
