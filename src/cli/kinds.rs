//! `saiken kinds`: the reference of all kinds, made from their types; `docs/kinds.md` is its Markdown form.

use std::fmt::Write as _;

use clap::Args;
use serde_json::{Value, json};

use super::{Context, Error, Exit, Format};
use crate::model::kind::{KindDef, Kinds, Replacement, Scope};
use crate::model::schema::{Change, Field, Schema, Type};
use crate::{diagnostic, providers};

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Only this one, with all its fields
    kind: Option<String>,
}

pub fn run(cx: &Context, arguments: &Arguments) -> Result<Exit, Error> {
    let kinds = providers::kinds();
    let Some(name) = &arguments.kind else {
        cx.shell.data(&match cx.globals.format {
            Format::Text => list(&kinds),
            Format::Json => format!("{:#}", json!({"format": 1, "kinds": kinds.iter().map(|k| to_json(k)).collect::<Vec<_>>()})),
            Format::Markdown => markdown(&kinds),
        })?;
        return Ok(Exit::Fine);
    };
    let Some(kind) = kinds.get(name) else {
        let error = Error::usage(format!("there is no kind `{name}`"));
        return Err(match diagnostic::suggestion(name, kinds.names()) {
            Some(hint) => error.help(hint),
            None => error,
        });
    };
    cx.shell.data(&match cx.globals.format {
        Format::Text => text(kind),
        Format::Json => format!("{:#}", to_json(kind)),
        Format::Markdown => section(kind),
    })?;
    Ok(Exit::Fine)
}

/// Every field of a schema with its dotted path, nested ones after their parent.
fn walk<'s>(schema: &'s Schema, prefix: &str, out: &mut Vec<(String, &'s Field)>) {
    for field in &schema.fields {
        let path = format!("{prefix}{}", field.name);
        out.push((path.clone(), field));
        let (inner, step) = inner(&field.ty);
        if let Type::Object(schema) = inner {
            walk(schema, &format!("{path}{step}."), out);
        }
    }
}

fn inner(ty: &Type) -> (&Type, String) {
    match ty {
        Type::List(item, ..) => {
            let (ty, step) = inner(item);
            (ty, format!("[]{step}"))
        }
        Type::Map(item) => {
            let (ty, step) = inner(item);
            (ty, format!(".*{step}"))
        }
        Type::String { .. }
        | Type::Integer(..)
        | Type::Number(..)
        | Type::Boolean
        | Type::Object(_)
        | Type::Ref(_)
        | Type::Cidr
        | Type::Duration
        | Type::Size
        | Type::Policy
        | Type::Image
        | Type::Any => (ty, String::new()),
    }
}

fn type_word(ty: &Type) -> String {
    match ty {
        Type::String { values, .. } if !values.is_empty() => values.join(" or "),
        Type::String { .. } => "text".to_owned(),
        Type::Integer(low, high) => range("integer", low.as_ref(), high.as_ref()),
        Type::Number(low, high) => range("number", low.as_ref(), high.as_ref()),
        Type::Boolean => "true or false".to_owned(),
        Type::List(item, ..) => format!("list of {}", type_word(item)),
        Type::Map(item) => format!("map of {}", type_word(item)),
        Type::Object(_) => "mapping".to_owned(),
        Type::Ref(kind) => format!("reference to {kind}"),
        Type::Cidr => "address range".to_owned(),
        Type::Duration => "duration".to_owned(),
        Type::Size => "size".to_owned(),
        Type::Policy => "policy".to_owned(),
        Type::Image => "image".to_owned(),
        Type::Any => "anything".to_owned(),
    }
}

fn range<T: std::fmt::Display>(word: &str, low: Option<&T>, high: Option<&T>) -> String {
    match (low, high) {
        (Some(low), Some(high)) => format!("{word} {low} to {high}"),
        (Some(low), None) => format!("{word} from {low}"),
        (None, Some(high)) => format!("{word} up to {high}"),
        (None, None) => word.to_owned(),
    }
}

fn given(field: &Field) -> String {
    match (&field.default, field.required) {
        (_, true) => "required".to_owned(),
        (Some(default), false) => format!("default {default}"),
        (None, false) => String::new(),
    }
}

fn change_word(kind: &KindDef, field: &Field) -> &'static str {
    match field.change {
        Change::Replace if kind.facts.data_bearing => "replaces, loses data",
        Change::Replace => "replaces",
        Change::Interrupts => "interrupts",
        Change::Update => "in place",
    }
}

fn one_line(doc: &str) -> String {
    doc.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn list(kinds: &Kinds) -> String {
    let width = kinds.names().map(str::len).max().unwrap_or(0);
    let mut out = String::new();
    for kind in kinds.iter() {
        let _ = writeln!(out, "{:<width$}  {}", kind.name, kind.facts.title);
    }
    out.push_str("\n`saiken kinds KIND` explains one.\n");
    out
}

fn text(kind: &KindDef) -> String {
    let mut out = format!("{}: {}\n{}\n\nFields\n", kind.name, kind.facts.title, facts_line(kind));
    let mut fields = Vec::new();
    walk(&kind.schema, "", &mut fields);
    for (path, field) in fields {
        let mut head = format!("  {path}: {}", type_word(&field.ty));
        for part in [given(field), change_word(kind, field).to_owned()] {
            if !part.is_empty() {
                let _ = write!(head, ", {part}");
            }
        }
        let _ = writeln!(out, "{head}");
        for line in textwrap::wrap(&one_line(&field.doc), 90) {
            let _ = writeln!(out, "      {line}");
        }
    }
    out.push_str("\nAttributes\n");
    for attribute in kind.facts.attributes {
        let _ = writeln!(out, "  {}: {}", attribute.name, attribute.doc);
    }
    out.push_str("\nPermissions\n");
    for (what, actions) in permissions(kind) {
        let _ = writeln!(out, "  {what}: {}", actions.join(", "));
    }
    let _ = writeln!(out, "\nThe API: {}", kind.facts.reference);
    out
}

fn permissions(kind: &KindDef) -> [(&'static str, &'static [&'static str]); 4] {
    let p = &kind.facts.permissions;
    [("read", p.read), ("create", p.create), ("update", p.update), ("delete", p.delete)]
}

fn facts_line(kind: &KindDef) -> String {
    let facts = &kind.facts;
    let scope = match facts.scope {
        Scope::Regional => "Belongs to a region.",
        Scope::Global => "Belongs to the account.",
    };
    let order = match facts.replacement {
        Replacement::CreateFirst => "A replacement makes the new one first.",
        Replacement::DeleteFirst => "A replacement deletes the old one first.",
    };
    let data = if facts.data_bearing { " Holds data: deleting it loses them." } else { "" };
    format!("{scope} {order}{data}")
}

/// The reference page of all kinds: what `docs/kinds.md` holds.
pub fn markdown(kinds: &Kinds) -> String {
    let mut out = String::from(
        "# Kinds\n\nMade by `saiken kinds --format markdown` from the types; a test compares them.\n\n\
         A field that is neither required nor has a default is not managed when it is left out. *Change* says what a change \
         of the field does: in place, interrupts (in place, with an interruption), replaces (a new object takes its place).\n\n\
         | Kind | What it is | Holds data |\n|---|---|---|\n",
    );
    for kind in kinds.iter() {
        let data = if kind.facts.data_bearing { "yes" } else { "" };
        let _ = writeln!(out, "| [`{0}`](#{0}) | {1} | {data} |", kind.name, kind.facts.title);
    }
    for kind in kinds.iter() {
        out.push('\n');
        out.push_str(&section(kind));
    }
    out
}

fn section(kind: &KindDef) -> String {
    let mut out = format!(
        "## {}\n\nA {}. {} [API]({})\n\n| Field | Type | Given | Change | What it is |\n|---|---|---|---|---|\n",
        kind.name,
        kind.facts.title,
        facts_line(kind),
        kind.facts.reference
    );
    let mut fields = Vec::new();
    walk(&kind.schema, "", &mut fields);
    for (path, field) in fields {
        let cells = [type_word(&field.ty), given(field), change_word(kind, field).to_owned(), one_line(&field.doc)];
        let _ = writeln!(out, "| `{path}` | {} |", cells.map(|c| c.replace('|', "\\|")).join(" | "));
    }
    out.push_str("\n| Attribute | What it is |\n|---|---|\n");
    for attribute in kind.facts.attributes {
        let _ = writeln!(out, "| `{}` | {} |", attribute.name, attribute.doc);
    }
    out.push_str("\n| To | Permissions |\n|---|---|\n");
    for (what, actions) in permissions(kind) {
        let actions: Vec<String> = actions.iter().map(|a| format!("`{a}`")).collect();
        let _ = writeln!(out, "| {what} | {} |", actions.join(", "));
    }
    out
}

fn to_json(kind: &KindDef) -> Value {
    let mut fields = Vec::new();
    walk(&kind.schema, "", &mut fields);
    let fields: Vec<Value> = fields
        .into_iter()
        .map(|(path, f)| {
            json!({"path": path, "type": type_word(&f.ty), "required": f.required, "default": f.default,
                   "change": change_word(kind, f), "description": one_line(&f.doc)})
        })
        .collect();
    json!({"kind": kind.name, "facts": kind.facts, "fields": fields})
}
