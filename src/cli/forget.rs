//! `saiken forget`

use clap::Args;

use super::error::Failure;
use super::pipeline::{Declared, Live};
use super::shell::Shell;
use super::{FAILED, Global, OK};
use crate::model::Address;
use crate::model::cloud::OwnRequest;
use crate::model::observed::{Object, Status};

/// Let objects go: they stay as they are, without our tags
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Addresses of the objects
    #[arg(value_name = "ADDRESS", required = true)]
    addresses: Vec<Address>,
    /// Don't ask
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let declared = Declared::load(global, shell)?;
    let live = Live::connect(declared, shell).await?;
    let observed = live.observe(false, global, shell).await;
    let mut objects: Vec<&Object> = Vec::new();
    for address in &arguments.addresses {
        let found: Vec<&Object> = observed
            .objects
            .iter()
            .filter(|o| o.address() == Some(address) && o.status != Status::Deleting)
            .collect();
        if found.is_empty() {
            let names: Vec<&str> = observed.objects.iter().filter_map(|o| o.address()).map(Address::as_str).collect();
            let mut failure = Failure::new(format!("no object of ours is at {address}"));
            failure.help = crate::diagnostic::suggestion(address.as_str(), names);
            return Err(failure);
        }
        objects.extend(found);
    }
    for object in &objects {
        let address = object.address().map(ToString::to_string).unwrap_or_default();
        shell.say(&format!("forget  {}  {address}  {}", object.kind, object.id));
    }
    let declared = &live.declared.desired.resources;
    for address in arguments.addresses.iter().filter(|a| declared.contains_key(*a)) {
        shell.say(&format!("warning: {address} is still declared: the next apply makes a new object for it"));
    }
    if !arguments.yes && !shell.confirm("The objects stay; only our tags go. Forget them?")? {
        return Err(Failure::new("not forgotten"));
    }
    let mut failed = false;
    for object in objects {
        let address = object.address().map(ToString::to_string).unwrap_or_default();
        match live.cloud.own(&OwnRequest { object: object.clone(), owner: None }).await {
            Ok(()) => shell.say(&format!("forgotten: {address} ({})", object.id)),
            Err(e) => {
                failed = true;
                shell.failure(&Failure::cloud(&format!("{address} is still ours"), &e));
            }
        }
    }
    Ok(if failed { FAILED } else { OK })
}
