//! What each sort of file holds.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::HashMap;

use crate::diagnostic::{Diagnostic, Diagnostics, suggestion};
use crate::model::kind::Replacement;
use crate::model::schema::Type;
use crate::source::Spanned;

use super::decode::{Fields, wrong_shape};
use super::node::{Key, Node, NodeValue};

/// `environments/<name>.yaml`, before overlays.
#[derive(Debug, Clone)]
pub struct EnvironmentFile {
    /// The whole file, for merging.
    pub node: Node,
    /// Another environment that this one lays itself over.
    pub extends: Option<Spanned<String>>,
}

/// `stacks/<name>.yaml`.
#[derive(Debug, Clone)]
pub struct StackFile {
    /// Its name.
    pub name: Spanned<String>,
    /// What it is.
    pub description: Option<String>,
    /// Region of its resources, by the environment's name for it.
    pub region: Option<Spanned<String>>,
    /// Parameters.
    pub parameters: Vec<Parameter>,
    /// Resources.
    pub resources: Vec<ResourceFile>,
    /// Uses of templates.
    pub components: Vec<Component>,
    /// Outputs.
    pub outputs: Vec<OutputFile>,
    /// Renamed resources.
    pub moved: Vec<Moved>,
    /// No longer declared, to be left alone.
    pub forget: Vec<Spanned<String>>,
    /// Names whose declarations have errors: what uses them is not reported once more.
    pub broken: Vec<String>,
}

/// `templates/<name>.yaml`.
#[derive(Debug, Clone)]
pub struct TemplateFile {
    /// Its name.
    pub name: Spanned<String>,
    /// Parameters.
    pub parameters: Vec<Parameter>,
    /// Resources.
    pub resources: Vec<ResourceFile>,
    /// Uses of other templates.
    pub components: Vec<Component>,
    /// Outputs.
    pub outputs: Vec<OutputFile>,
    /// Names whose declarations have errors.
    pub broken: Vec<String>,
}

/// A parameter.
#[derive(Debug, Clone)]
pub struct Parameter {
    /// Its name.
    pub name: Key,
    /// What it takes.
    pub ty: Type,
    /// What stands for it when it is not given.
    pub default: Option<Node>,
    /// Never shown.
    pub sensitive: bool,
}

/// What resources and components have in common.
#[derive(Debug, Clone, Default)]
pub struct Meta {
    /// Repetition.
    pub each: Option<Node>,
    /// Condition.
    pub when: Option<Node>,
    /// Region.
    pub region: Option<Spanned<String>>,
    /// Explicit order.
    pub depends_on: Vec<Spanned<String>>,
    /// Refuse to delete.
    pub protect: Option<bool>,
    /// Order of a replacement.
    pub replacement: Option<Replacement>,
    /// Fields whose differences are left alone.
    pub ignore: Vec<Spanned<String>>,
}

/// A resource.
#[derive(Debug, Clone)]
pub struct ResourceFile {
    /// Its name.
    pub name: Key,
    /// Its kind.
    pub kind: Spanned<String>,
    /// Repetition and the rest.
    pub meta: Meta,
    /// Existing objects to take over.
    pub adopt: Option<Node>,
    /// The kind's own fields.
    pub fields: Vec<(Key, Node)>,
}

/// A use of a template.
#[derive(Debug, Clone)]
pub struct Component {
    /// Its name.
    pub name: Key,
    /// The template.
    pub template: Spanned<String>,
    /// Repetition and the rest.
    pub meta: Meta,
    /// Values of the template's parameters.
    pub with: Vec<(Key, Node)>,
}

/// An output.
#[derive(Debug, Clone)]
pub struct OutputFile {
    /// Its name.
    pub name: Key,
    /// Its value.
    pub value: Node,
    /// What it is.
    pub description: Option<String>,
    /// Never shown.
    pub sensitive: bool,
}

/// A renamed resource.
#[derive(Debug, Clone)]
pub struct Moved {
    /// Before.
    pub from: Spanned<String>,
    /// Now.
    pub to: Spanned<String>,
}

impl StackFile {
    /// Decodes a stack; `stem` is the file's name without its ending, which must be the stack's.
    pub(super) fn decode(node: &Node, stem: &str, diagnostics: &mut Diagnostics) -> Option<Self> {
        let mut fields = Fields::of("a stack", node, diagnostics)?;
        fields.require("stack");
        let name = fields.text("stack")?;
        let description = fields.text("description").map(|d| d.value);
        let region = fields.text("region");
        let moved = moved(&mut fields);
        let forget = fields.texts("forget");
        let Body { parameters, resources, components, outputs, broken } = body(&mut fields);
        fields.finish();
        check_name(&name, stem, "stack", diagnostics);
        Some(Self { name, description, region, parameters, resources, components, outputs, moved, forget, broken })
    }
}

impl TemplateFile {
    /// Decodes a template.
    pub(super) fn decode(node: &Node, stem: &str, diagnostics: &mut Diagnostics) -> Option<Self> {
        let mut fields = Fields::of("a template", node, diagnostics)?;
        fields.require("template");
        let name = fields.text("template")?;
        fields.text("description");
        let Body { parameters, resources, components, outputs, broken } = body(&mut fields);
        fields.finish();
        check_name(&name, stem, "template", diagnostics);
        Some(Self { name, parameters, resources, components, outputs, broken })
    }
}

fn check_name(name: &Spanned<String>, stem: &str, what: &str, diagnostics: &mut Diagnostics) {
    check_word(&Key { text: name.value.clone(), span: name.span }, diagnostics);
    if what == "stack" && name.value == "all" {
        diagnostics.push(
            Diagnostic::error("`all` can't be the name of a stack")
                .at(name.span, "in environments, `all` stands for every stack")
                .help("choose another name"),
        );
    }
    if name.value != stem {
        diagnostics.push(
            Diagnostic::error(format!("the {what} is named `{}`, its file `{stem}.yaml`", name.value))
                .at(name.span, format!("must be `{stem}`"))
                .help("rename one of them"),
        );
    }
}

struct Body {
    parameters: Vec<Parameter>,
    resources: Vec<ResourceFile>,
    components: Vec<Component>,
    outputs: Vec<OutputFile>,
    broken: Vec<String>,
}

fn body(fields: &mut Fields<'_, '_>) -> Body {
    let parameters = fields.entries("parameters");
    let resources = fields.entries("resources");
    let components = fields.entries("components");
    let outputs = fields.entries("outputs");
    let diagnostics = &mut *fields.diagnostics;
    let mut seen: HashMap<&str, (&Key, &str)> = HashMap::new();
    for (entries, what) in [(parameters, "parameter"), (resources, "resource"), (components, "component")] {
        for (key, _) in entries {
            check_word(key, diagnostics);
            if let Some((first, other)) = seen.get(key.text.as_str()) {
                diagnostics.push(
                    Diagnostic::error(format!("`{}` names a {other} and a {what}", key.text))
                        .at(key.span, format!("this {what}"))
                        .at(first.span, format!("this {other}"))
                        .note("parameters, resources and components of a file share one set of names")
                        .help("rename one of them"),
                );
            }
            seen.entry(&key.text).or_insert((key, what));
        }
    }
    outputs.iter().for_each(|(key, _)| check_word(key, diagnostics));
    let mut broken = Vec::new();
    Body {
        parameters: decoded(parameters, "", &mut broken, |k, n| Parameter::decode(k, n, diagnostics)),
        resources: decoded(resources, "", &mut broken, |k, n| ResourceFile::decode(k, n, diagnostics)),
        components: decoded(components, "", &mut broken, |k, n| Component::decode(k, n, diagnostics)),
        outputs: decoded(outputs, "outputs.", &mut broken, |k, n| OutputFile::decode(k, n, diagnostics)),
        broken,
    }
}

/// What can be decoded; the names of the rest go into `broken`.
fn decoded<T>(
    entries: &[(Key, Node)],
    prefix: &str,
    broken: &mut Vec<String>,
    mut decode: impl FnMut(&Key, &Node) -> Option<T>,
) -> Vec<T> {
    let mut out = Vec::new();
    for (key, node) in entries {
        match decode(key, node) {
            Some(value) => out.push(value),
            None => broken.push(format!("{prefix}{}", key.text)),
        }
    }
    out
}

/// Words that expressions use themselves.
const RESERVED: [&str; 7] = ["each", "environment", "outputs", "this", "true", "false", "null"];

fn check_word(key: &Key, diagnostics: &mut Diagnostics) {
    let mut chars = key.text.chars();
    let good = chars.next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    if !good {
        diagnostics.push(
            Diagnostic::error(format!("`{}` can't be a name", key.text))
                .at(key.span, "letters of any script, digits, `_` and `-`, a letter or `_` first")
                .help("choose another name"),
        );
    } else if RESERVED.contains(&key.text.as_str()) {
        diagnostics.push(
            Diagnostic::error(format!("`{}` can't be a name", key.text))
                .at(key.span, "expressions use this word themselves")
                .help("choose another name"),
        );
    }
}

impl Parameter {
    fn decode(name: &Key, node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let mut fields = Fields::of("a parameter", node, diagnostics)?;
        fields.text("description");
        fields.get("default");
        // An explicit null is a default: it leaves the fields out that are given the parameter.
        let default = node.get("default").cloned();
        let sensitive = fields.boolean("sensitive").unwrap_or(false);
        let ty = parameter_type(&mut fields)?;
        fields.finish();
        Some(Self { name: name.clone(), ty, default, sensitive })
    }
}

const TYPES: [&str; 12] =
    ["string", "integer", "number", "boolean", "list", "map", "enum", "cidr", "duration", "size", "reference", "any"];

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounds are small whole numbers")]
fn parameter_type(fields: &mut Fields<'_, '_>) -> Option<Type> {
    fields.require("type");
    let ty = fields.text("type")?;
    Some(match ty.value.as_str() {
        "string" => Type::String {
            pattern: pattern(fields),
            values: Vec::new(),
            length: (fields.number("min_length").map(|n| n as u64), fields.number("max_length").map(|n| n as u64)),
        },
        "enum" => {
            fields.require("values");
            let values = fields.texts("values").into_iter().map(|v| v.value).collect();
            Type::String { pattern: None, values, length: (None, None) }
        }
        "integer" => {
            Type::Integer(fields.number("minimum").map(|n| n as i64), fields.number("maximum").map(|n| n as i64))
        }
        "number" => Type::Number(fields.number("minimum"), fields.number("maximum")),
        "boolean" => Type::Boolean,
        "list" => Type::List(
            Box::new(inner(fields, "items")),
            fields.number("min_items").map(|n| n as u64),
            fields.number("max_items").map(|n| n as u64),
        ),
        "map" => Type::Map(Box::new(inner(fields, "values"))),
        "cidr" => Type::Cidr,
        "duration" => Type::Duration,
        "size" => Type::Size,
        "reference" => {
            fields.require("kind");
            Type::Ref(fields.text("kind")?.value)
        }
        "any" => Type::Any,
        other => {
            let mut error = Diagnostic::error(format!("unknown type `{other}`")).at(ty.span, "no such type");
            error.help = suggestion(other, TYPES);
            fields.diagnostics.push(error);
            return None;
        }
    })
}

/// The type of the items of a list or the values of a map: a mapping as for a parameter, or just the type's name.
fn inner(fields: &mut Fields<'_, '_>, name: &'static str) -> Type {
    let Some(node) = fields.get(name) else { return Type::Any };
    if let Some(text) = node.text() {
        return match text {
            "string" => Type::String { pattern: None, values: Vec::new(), length: (None, None) },
            "integer" => Type::Integer(None, None),
            "number" => Type::Number(None, None),
            "boolean" => Type::Boolean,
            "cidr" => Type::Cidr,
            "duration" => Type::Duration,
            "size" => Type::Size,
            "any" => Type::Any,
            _ => {
                wrong_shape(
                    node,
                    "a type such as `string` or `{ type: reference, kind: subnet }`",
                    name,
                    fields.diagnostics,
                );
                Type::Any
            }
        };
    }
    let Some(mut inner) = Fields::of("a type", node, fields.diagnostics) else { return Type::Any };
    inner.text("description");
    let ty = parameter_type(&mut inner).unwrap_or(Type::Any);
    inner.finish();
    ty
}

fn pattern(fields: &mut Fields<'_, '_>) -> Option<String> {
    let pattern = fields.text("pattern")?;
    if let Err(e) = regex::Regex::new(&pattern.value) {
        let text = e.to_string();
        let reason = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ").to_owned();
        fields.diagnostics.push(
            Diagnostic::error("the pattern is not a regular expression")
                .at(pattern.span, reason)
                .help("correct it; the syntax is that of the Rust crate regex"),
        );
        return None;
    }
    Some(pattern.value)
}

impl Meta {
    fn decode(fields: &mut Fields<'_, '_>) -> Self {
        let mut meta = Self {
            each: fields.get("each").cloned(),
            when: fields.get("when").cloned(),
            region: fields.text("region"),
            depends_on: fields.texts("depends_on"),
            ..Self::default()
        };
        let Some(node) = fields.get("lifecycle") else { return meta };
        let Some(mut lifecycle) = Fields::of("`lifecycle`", node, fields.diagnostics) else { return meta };
        meta.protect = lifecycle.boolean("protect");
        meta.ignore = lifecycle.texts("ignore");
        if let Some(order) = lifecycle.text("replacement") {
            meta.replacement = match order.value.as_str() {
                "create_first" => Some(Replacement::CreateFirst),
                "delete_first" => Some(Replacement::DeleteFirst),
                other => {
                    lifecycle.diagnostics.push(
                        Diagnostic::error(format!("unknown order `{other}`"))
                            .at(order.span, "not an order of replacement")
                            .help("there is: create_first, delete_first"),
                    );
                    None
                }
            };
        }
        lifecycle.finish();
        meta
    }
}

impl ResourceFile {
    fn decode(name: &Key, node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let mut fields = Fields::of("a resource", node, diagnostics)?;
        fields.require("kind");
        let kind = fields.text("kind")?;
        let meta = Meta::decode(&mut fields);
        let adopt = fields.get("adopt").cloned();
        let rest = fields.rest().cloned().collect();
        Some(Self { name: name.clone(), kind, meta, adopt, fields: rest })
    }

    /// The kind's fields as one node, for finding places in it.
    pub fn fields_node(&self) -> Node {
        Node { span: self.name.span, value: NodeValue::Map(self.fields.clone()) }
    }

    /// Names that a resource has besides its kind's fields.
    pub const OWN: [&'static str; 7] = ["kind", "each", "when", "region", "depends_on", "lifecycle", "adopt"];
}

impl Component {
    fn decode(name: &Key, node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let mut fields = Fields::of("a component", node, diagnostics)?;
        fields.require("template");
        let template = fields.text("template")?;
        let meta = Meta::decode(&mut fields);
        let with = fields.entries("with").to_vec();
        fields.finish();
        Some(Self { name: name.clone(), template, meta, with })
    }
}

impl OutputFile {
    fn decode(name: &Key, node: &Node, diagnostics: &mut Diagnostics) -> Option<Self> {
        let mut fields = Fields::of("an output", node, diagnostics)?;
        fields.require("value");
        let value = fields.get("value")?.clone();
        let description = fields.text("description").map(|d| d.value);
        let sensitive = fields.boolean("sensitive").unwrap_or(false);
        fields.finish();
        Some(Self { name: name.clone(), value, description, sensitive })
    }
}

fn moved(fields: &mut Fields<'_, '_>) -> Vec<Moved> {
    let Some(node) = fields.get("moved") else { return Vec::new() };
    let NodeValue::List(items) = &node.value else {
        wrong_shape(node, "a list of `{ from: …, to: … }`", "moved", fields.diagnostics);
        return Vec::new();
    };
    let mut out = Vec::new();
    for item in items {
        let Some(mut entry) = Fields::of("an entry of `moved`", item, fields.diagnostics) else { continue };
        entry.require("from");
        entry.require("to");
        let (from, to) = (entry.text("from"), entry.text("to"));
        entry.finish();
        if let (Some(from), Some(to)) = (from, to) {
            out.push(Moved { from, to });
        }
    }
    out
}
