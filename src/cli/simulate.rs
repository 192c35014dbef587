//! `saiken simulate`

use clap::{Args, Subcommand};
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::error::Failure;
use super::pipeline::Declared;
use super::shell::Shell;
use super::{Format, Global, OK};
use crate::model::types::Duration;
use crate::simulated::Simulated;

/// Look at the simulated cloud, and break it by hand
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// List the objects
    List {
        /// Only those whose address, id or kind contains this
        filter: Option<String>,
    },
    /// Change a field of an object by hand
    Set {
        /// Address or id
        object: String,
        /// Dotted path of the field; `tags.NAME` for a tag
        path: String,
        /// The value: JSON, or else text
        value: String,
    },
    /// Remove a field of an object by hand
    Unset {
        /// Address or id
        object: String,
        /// Dotted path of the field
        path: String,
    },
    /// Delete an object by hand, whatever uses it
    Delete {
        /// Address or id
        object: String,
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
    /// How the cloud stands
    Status,
    /// Remove everything
    Reset,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let declared = Declared::load(global, shell)?;
    let cloud = declared.simulated()?;
    let say = |text: String| shell.say(&format!("{text} (simulated cloud)"));
    match &arguments.what {
        What::List { filter } => list(&cloud, filter.as_deref().unwrap_or_default(), global, shell)?,
        What::Set { object, path, value } => {
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.clone()));
            let id = cloud.set(object, path, Some(value.clone())).map_err(failed)?;
            say(format!("{object} ({id}): {path} is now {value}"));
        }
        What::Unset { object, path } => {
            let id = cloud.set(object, path, None).map_err(failed)?;
            say(format!("{object} ({id}): {path} is removed"));
        }
        What::Delete { object } => {
            let id = cloud.delete_object(object).map_err(failed)?;
            say(format!("{object} ({id}) is deleted"));
        }
        What::LoseZone { zone } => {
            cloud.lose_zone(zone).map_err(failed)?;
            say(format!("zone {zone} is lost"));
        }
        What::LoseRegion { region } => {
            cloud.lose_region(region).map_err(failed)?;
            say(format!("region {region} is lost"));
        }
        What::Restore { place, empty } => {
            cloud.restore(place, *empty).map_err(failed)?;
            say(format!("{place} is back"));
        }
        What::Advance { duration } => {
            let duration: Duration = duration.parse().map_err(Failure::usage)?;
            let clock = cloud.advance(duration.seconds()).map_err(failed)?;
            say(format!("the clock stands at {}", Duration::from_seconds(clock)));
        }
        What::WriteData { object } => {
            let fingerprint = cloud.write_data(object).map_err(failed)?;
            say(format!("{object} holds {fingerprint}"));
        }
        What::TakeRecoveryPoints { region } => {
            let region = region.clone().unwrap_or_else(|| declared.desired.environment.region.clone());
            let count = cloud.take_recovery_points(&region).map_err(failed)?;
            say(format!("{count} recovery points taken in {region}"));
        }
        What::Status => status(&cloud, global, shell)?,
        What::Reset => {
            cloud.reset().map_err(failed)?;
            say("everything is removed".to_owned());
        }
    }
    Ok(OK)
}

fn failed(error: crate::simulated::Error) -> Failure {
    use std::error::Error as _;
    let mut failure = Failure::new(error.to_string());
    failure.causes.extend(error.source().map(ToString::to_string));
    failure
}

fn status(cloud: &Simulated, global: &Global, shell: &Shell) -> Result<(), Failure> {
    let overview = cloud.overview().map_err(failed)?;
    if global.format == Format::Json {
        shell.data(&format!("{:#}\n", json!(overview)));
        return Ok(());
    }
    let list = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    shell.data(&format!(
        "simulated cloud `{}`\n  objects          {}\n  clock            {}\n  lost zones       {}\n  lost regions     {}\n  recovery points  {}\n",
        overview.cloud,
        overview.objects,
        Duration::from_seconds(overview.clock),
        list(&overview.lost_zones),
        list(&overview.lost_regions),
        overview.recovery_points,
    ));
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
    let mut table = Table::new();
    table.load_preset(if global.format == Format::Markdown { presets::ASCII_MARKDOWN } else { presets::NOTHING });
    table.set_content_arrangement(ContentArrangement::Disabled).set_header(["address", "kind", "id", "region"]);
    for line in lines {
        table.add_row([line.address.unwrap_or_else(|| "(not owned)".to_owned()), line.kind, line.id, line.region]);
    }
    let text: String = table.lines().map(|l| format!("{}\n", l.trim_end())).collect();
    shell.data(&text);
    Ok(())
}
