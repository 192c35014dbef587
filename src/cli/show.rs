//! `saiken show`

use std::collections::BTreeMap;

use clap::Args;
use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use super::error::Failure;
use super::pipeline::{Declared, Live};
use super::report;
use super::shell::Shell;
use super::{FAILED, Format, Global, OK};
use crate::model::Address;
use crate::model::observed::{Object, Observed, Status};
use crate::model::value;

/// Show what is there, by address, with ids and outputs
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only these stacks or addresses
    #[arg(value_name = "STACK|ADDRESS")]
    only: Vec<String>,
}

pub(crate) async fn run(arguments: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let declared = Declared::load(global, shell)?;
    let live = Live::connect(declared, shell).await?;
    let observed = live.observe(false, global, shell).await;
    let mut objects: Vec<&Object> = observed
        .objects
        .iter()
        .filter(|o| o.status != Status::Deleting)
        .filter(|o| o.address().is_some_and(|a| wanted(&arguments.only, a)))
        .collect();
    objects.sort_by_key(|o| (o.address().cloned(), o.generation()));
    check_named(&arguments.only, &objects, &live)?;
    let outputs = outputs(&live, &observed);
    match global.format {
        Format::Json => {
            let value = json!({
                "environment": live.declared.desired.environment.name,
                "provider": live.cloud.label(),
                "account": live.account,
                "objects": objects.iter().map(|o| as_json(o, &live)).collect::<Vec<_>>(),
                "outputs": outputs,
            });
            shell.data(&format!("{value:#}\n"));
        }
        Format::Text | Format::Markdown => {
            shell.data(&table(&objects, global.format));
            let known = outputs.into_iter().filter(|(_, v)| !v.is_null()).collect();
            shell.data(&report::output_lines(&known));
        }
    }
    for ((kind, region), why) in &observed.unobserved {
        shell.say(&format!("warning: {kind} in {region} could not be read: {why}"));
    }
    Ok(if observed.unobserved.is_empty() { OK } else { FAILED })
}

/// Refuses what is neither a stack, nor declared, nor there.
fn check_named(only: &[String], objects: &[&Object], live: &Live) -> Result<(), Failure> {
    let desired = &live.declared.desired;
    let known = |name: &str| {
        desired.stacks.iter().any(|s| s.name == name)
            || Address::parse(name).is_ok_and(|a| desired.resources.contains_key(&a))
            || objects.iter().filter_map(|o| o.address()).any(|a| a.as_str() == name || a.stack() == name)
    };
    let Some(unknown) = only.iter().find(|name| !known(name)) else { return Ok(()) };
    let mut failure = Failure::usage(format!("there is no stack or address `{unknown}`"));
    let names = desired.stacks.iter().map(|s| s.name.as_str()).chain(desired.resources.keys().map(Address::as_str));
    failure.help = crate::diagnostic::nearest(unknown, names).map(|near| format!("did you mean `{near}`?"));
    Err(failure)
}

fn wanted(only: &[String], address: &Address) -> bool {
    only.is_empty() || only.iter().any(|o| o == address.stack() || o == address.as_str())
}

fn status(status: &Status) -> String {
    match status {
        Status::Ready => "ready".to_owned(),
        Status::Pending(what) => format!("pending: {what}"),
        Status::Failed(why) => format!("failed: {why}"),
        Status::Deleting => "deleting".to_owned(),
    }
}

fn table(objects: &[&Object], format: Format) -> String {
    if objects.is_empty() {
        return "nothing is there\n".to_owned();
    }
    let mut table = Table::new();
    match format {
        Format::Markdown => table.load_preset(presets::ASCII_MARKDOWN),
        Format::Text | Format::Json => table.load_preset(presets::NOTHING),
    };
    table
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(["address", "kind", "id", "region", "status"]);
    for object in objects {
        let address = object.address().map(ToString::to_string).unwrap_or_default();
        table.add_row([address, object.kind.clone(), object.id.clone(), object.region.clone(), status(&object.status)]);
    }
    let text: String = table.lines().map(|l| format!("{}\n", l.trim_end())).collect();
    text
}

fn as_json(object: &Object, live: &Live) -> Value {
    let mut spec = object.spec.clone();
    if let (Some(kind), Some(map)) = (live.declared.kinds.get(&object.kind), spec.as_object_mut()) {
        for field in kind.schema.fields.iter().filter(|f| f.sensitive) {
            if let Some(value) = map.get_mut(&field.name) {
                *value = Value::String("(sensitive)".to_owned());
            }
        }
    }
    json!({
        "address": object.address(),
        "kind": object.kind,
        "id": object.id,
        "region": object.region,
        "generation": object.generation(),
        "status": status(&object.status),
        "attributes": object.attributes,
        "spec": spec,
    })
}

/// Outputs, as far as the present objects tell them; null where they do not.
fn outputs(live: &Live, observed: &Observed) -> BTreeMap<String, Value> {
    let by_address = observed.by_address();
    let desired = &live.declared.desired;
    let known = |token: value::Token<'_>| {
        let address = Address::parse(token.address).ok()?;
        let object = by_address.get(&address)?.iter().rev().find(|o| o.status == Status::Ready)?;
        object.attributes.get(token.attribute).or_else(|| object.spec.get(token.attribute)).cloned()
    };
    desired
        .outputs
        .iter()
        .flat_map(|(stack, outputs)| outputs.iter().map(move |(name, output)| (format!("{stack}.{name}"), output)))
        .map(|(name, output)| match output.sensitive {
            true => (name, Value::String("(sensitive)".to_owned())),
            false => {
                let found = value::substitute(&output.value, &known).into_owned();
                (name, if value::is_unknown(&found) { Value::Null } else { found })
            }
        })
        .collect()
}
