//! The reference of the kinds, made from their types: for the terminal and for `docs/kinds.md`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::{Value, json};

use crate::model::kind::{KindDef, Recovery, Replacement, Scope};
use crate::model::schema::{Change, Field, Schema, Type};
use crate::providers::aws;

/// One line a kind.
pub fn list(kinds: &[&Arc<KindDef>]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    for kind in kinds {
        table.add_row([kind.name, kind.facts.title, kind.facts.service]);
    }
    table.lines().map(|l| format!("{}\n", l.trim_end())).collect()
}

/// The pages of the kinds for a terminal.
pub fn text(kinds: &[&Arc<KindDef>]) -> String {
    let mut out = String::new();
    for kind in kinds {
        let _ = writeln!(out, "{}: {}\n{}\n\nFields", kind.name, kind.facts.title, kind.facts.reference);
        for row in rows(kind) {
            let _ = writeln!(out, "  {:<36} {:<28} {}", row.path, row.shape, row.remarks());
            for line in textwrap::wrap(&row.doc, 90) {
                let _ = writeln!(out, "      {line}");
            }
        }
        out.push_str("\nAttributes\n");
        for attribute in kind.facts.attributes {
            let _ = writeln!(out, "  {:<36} {}", attribute.name, attribute.doc);
        }
        out.push_str("\nPermissions\n");
        for (what, list) in permissions(kind) {
            let _ = writeln!(out, "  {what:<8}{}", list.join(", "));
        }
        let _ = writeln!(out, "\n{}", facts(kind).join("\n"));
    }
    out
}

/// The reference page in Markdown.
pub fn markdown(kinds: &[&Arc<KindDef>]) -> String {
    let mut out = String::from(
        "# Kinds\n\nMade from the types by `saiken kinds --format markdown`. *Change* says what a change of the field does: \
         *in place*, *interrupts* (in place, with an interruption), *replaces* (a new object takes its place). A field \
         that is left out and has no default is not managed.\n\n",
    );
    for kind in kinds {
        let _ = writeln!(out, "- [`{}`](#{}): {}", kind.name, kind.name, kind.facts.title);
    }
    for kind in kinds {
        let _ =
            writeln!(out, "\n## {}\n\n{} ([API]({})).\n", kind.name, capital(kind.facts.title), kind.facts.reference);
        for line in facts(kind) {
            let _ = writeln!(out, "- {line}");
        }
        out.push_str("\n| Field | Type | Change | Notes | |\n|---|---|---|---|---|\n");
        for row in rows(kind) {
            let notes = row.notes.join(", ");
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} | {} |",
                row.path,
                escape(&row.shape),
                row.change,
                notes,
                escape(&row.doc)
            );
        }
        out.push_str("\n| Attribute | |\n|---|---|\n");
        for attribute in kind.facts.attributes {
            let _ = writeln!(out, "| `{}` | {} |", attribute.name, escape(attribute.doc));
        }
        out.push_str("\nPermissions:\n\n");
        for (what, list) in permissions(kind) {
            let list: Vec<String> = list.iter().map(|p| format!("`{p}`")).collect();
            let _ = writeln!(out, "- {what}: {}", list.join(", "));
        }
    }
    out
}

/// The same as data.
pub fn json(kinds: &[&Arc<KindDef>]) -> Value {
    let list: Vec<Value> = kinds
        .iter()
        .map(|kind| {
            let fields: Vec<Value> = rows(kind)
                .iter()
                .map(|r| json!({"path": r.path, "type": r.shape, "change": r.change, "notes": r.notes, "doc": r.doc}))
                .collect();
            json!({"kind": kind.name, "facts": kind.facts, "fields": fields})
        })
        .collect();
    Value::Array(list)
}

/// An IAM policy that allows all that the kinds need.
pub fn policy(kinds: &[&Arc<KindDef>]) -> Value {
    let mut read: BTreeSet<&str> = BTreeSet::from(aws::ACTIONS);
    let mut write: BTreeSet<&str> = BTreeSet::new();
    for kind in kinds {
        let p = &kind.facts.permissions;
        read.extend(p.read);
        write.extend(p.create.iter().chain(p.update).chain(p.delete));
    }
    let write: BTreeSet<&str> = write.difference(&read).copied().collect();
    json!({
        "Version": "2012-10-17",
        "Statement": [
            {"Sid": "Plan", "Effect": "Allow", "Action": read, "Resource": "*"},
            {"Sid": "Apply", "Effect": "Allow", "Action": write, "Resource": "*"},
        ]
    })
}

fn permissions(kind: &KindDef) -> [(&'static str, &'static [&'static str]); 4] {
    let p = &kind.facts.permissions;
    [("read", p.read), ("create", p.create), ("update", p.update), ("delete", p.delete)]
}

fn facts(kind: &KindDef) -> Vec<String> {
    let f = &kind.facts;
    let scope = match f.scope {
        Scope::Regional => "Belongs to a region.",
        Scope::Global => "Belongs to the whole account.",
    };
    let replacement = match f.replacement {
        Replacement::CreateFirst => "Replaced by creating the new one first.",
        Replacement::DeleteFirst => "Replaced by deleting the old one first.",
    };
    let mut lines = vec![scope.to_owned(), replacement.to_owned()];
    match f.data {
        Some(Recovery::Point(what)) => lines.push(format!(
            "Holds data: deleting or replacing it loses data. Recovery points ({what}) can be made, and are asked for before."
        )),
        Some(Recovery::Period(what) | Recovery::Nothing(what)) => {
            lines.push(format!("Holds data: deleting or replacing it loses data. {what}."));
        }
        None => {}
    }
    if f.serves {
        lines.push("Serves: deleting it interrupts service.".to_owned());
    }
    lines
}

struct Row {
    path: String,
    shape: String,
    change: &'static str,
    notes: Vec<String>,
    doc: String,
}

impl Row {
    fn remarks(&self) -> String {
        let mut all = vec![self.change.to_owned()];
        all.extend(self.notes.clone());
        all.join(", ")
    }
}

fn rows(kind: &KindDef) -> Vec<Row> {
    let mut out = Vec::new();
    collect(&kind.schema, "", Change::Update, &mut out);
    out
}

fn collect(schema: &Schema, prefix: &str, above: Change, out: &mut Vec<Row>) {
    for field in &schema.fields {
        let path = format!("{prefix}{}", field.name);
        let change = field.change.max(above);
        out.push(Row {
            path: path.clone(),
            shape: shape(&field.ty),
            change: match change {
                Change::Update => "in place",
                Change::Interrupts => "interrupts",
                Change::Replace => "replaces",
            },
            notes: notes(field),
            doc: field.doc.split_whitespace().collect::<Vec<_>>().join(" "),
        });
        let (inner, step) = innermost(&field.ty);
        if let Some(schema) = inner {
            collect(schema, &format!("{path}{step}."), change, out);
        }
    }
}

/// The struct inside lists and maps, with how its place is written.
fn innermost(ty: &Type) -> (Option<&Schema>, String) {
    match ty {
        Type::Object(schema) => (Some(schema), String::new()),
        Type::List(inner, ..) => {
            let (schema, step) = innermost(inner);
            (schema, format!("[]{step}"))
        }
        Type::Map(inner) => {
            let (schema, step) = innermost(inner);
            (schema, format!(".<name>{step}"))
        }
        _ => (None, String::new()),
    }
}

fn notes(field: &Field) -> Vec<String> {
    let mut notes = Vec::new();
    if field.required {
        notes.push("required".to_owned());
    }
    if let Some(default) = &field.default {
        notes.push(format!("default `{default}`"));
    }
    match &field.left_out {
        None => {}
        Some(Value::Null) => notes.push("none if left out".to_owned()),
        Some(default) => notes.push(format!("`{default}` if left out")),
    }
    for (is, word) in [
        (field.sensitive, "sensitive"),
        (field.deep, "read only where declared (a call an object)"),
        (field.fingerprint, "compared by fingerprint"),
        (field.merge, "only declared keys are managed"),
        (field.version, "compared as far as it is declared"),
        (field.anywhere, "of any region"),
    ] {
        if is {
            notes.push(word.to_owned());
        }
    }
    notes
}

fn shape(ty: &Type) -> String {
    match ty {
        Type::String { values, .. } if !values.is_empty() => values.join(" | "),
        Type::String { .. } => "text".to_owned(),
        Type::Integer(min, max) => range("integer", *min, *max),
        Type::Number(min, max) => range("number", *min, *max),
        Type::Boolean => "true | false".to_owned(),
        Type::List(inner, ..) => format!("list of {}", shape(inner)),
        Type::Map(inner) => format!("map of {}", shape(inner)),
        Type::Object(_) => "mapping".to_owned(),
        Type::Ref(kind) => format!("reference to {kind}"),
        Type::Cidr => "address range".to_owned(),
        Type::Duration => "duration".to_owned(),
        Type::Size => "size".to_owned(),
        Type::Policy => "policy".to_owned(),
        Type::Image => "image".to_owned(),
        Type::Any => "any".to_owned(),
    }
}

fn range<T: std::fmt::Display>(word: &str, min: Option<T>, max: Option<T>) -> String {
    match (min, max) {
        (Some(min), Some(max)) => format!("{word} {min} to {max}"),
        (Some(min), None) => format!("{word} from {min}"),
        (None, Some(max)) => format!("{word} up to {max}"),
        (None, None) => word.to_owned(),
    }
}

fn escape(text: &str) -> String {
    text.replace('|', "\\|")
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|c| c.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
