//! Loading a project: the only place where users' files are read.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::diagnostic::{Diagnostic, Diagnostics, suggestion};
use crate::model::environment::{Environment, Provider};
use crate::source::{FileId, Files, Span, Spanned};

use super::decode::{Fields, text, wrong_shape};
use super::files::{StackFile, TemplateFile};
use super::node::{self, Key, Node, NodeValue};
use super::state;

/// Largest file in bytes.
const MAX_BYTES: u64 = 5 << 20;

/// Everything that a project's files hold, for one environment.
#[derive(Debug, Clone)]
pub struct Project {
    /// Settings, overlays applied.
    pub environment: Environment,
    /// Values of parameters: those for all stacks under `all`, the rest by stack.
    pub parameters: BTreeMap<String, Vec<(Key, Node)>>,
    /// Settings of the simulated cloud.
    pub simulated: Value,
    /// Stacks by name.
    pub stacks: BTreeMap<String, StackFile>,
    /// Templates by name.
    pub templates: BTreeMap<String, TemplateFile>,
    /// Payloads by path below `templates/`.
    pub payloads: BTreeMap<String, Payload>,
    /// All stacks that have a file, those too that the environment leaves out.
    pub all_stacks: Vec<String>,
    /// Paths of files that have errors and hold nothing: what uses them is not reported once more.
    pub broken: BTreeSet<String>,
}

/// A text below `templates/` that is rendered into a field.
#[derive(Debug, Clone)]
pub struct Payload {
    /// Its file.
    pub file: FileId,
    /// Its text.
    pub text: String,
}

/// The outcome of loading.
#[derive(Debug)]
pub struct Loaded {
    /// The project; none if nothing can be made of it. There may be errors all the same.
    pub project: Option<Project>,
    /// All files read.
    pub files: Files,
    /// What is wrong.
    pub diagnostics: Diagnostics,
}

/// Names of the environments that can be used by themselves: those that are not `abstract`.
pub fn environments(root: &Path) -> Vec<String> {
    let mut loader = Loader::new(root);
    stems(&root.join("environments"), "yaml")
        .into_iter()
        .filter(|name| {
            let node = loader.yaml(&format!("environments/{name}.yaml"));
            node.is_none_or(|n| n.get("abstract").map(Node::untyped) != Some(Value::Bool(true)))
        })
        .collect()
}

/// Loads a project for an environment. All errors are reported together.
pub fn load(root: &Path, environment: &str) -> Loaded {
    let mut loader = Loader::new(root);
    let project = loader.project(environment);
    loader.diagnostics.sort();
    Loaded { project, files: loader.files, diagnostics: loader.diagnostics }
}

struct Loader<'r> {
    root: &'r Path,
    files: Files,
    diagnostics: Diagnostics,
    broken: BTreeSet<String>,
}

impl<'r> Loader<'r> {
    fn new(root: &'r Path) -> Self {
        Self { root, files: Files::default(), diagnostics: Diagnostics::default(), broken: BTreeSet::new() }
    }

    fn project(&mut self, environment: &str) -> Option<Project> {
        for folder in ["environments", "stacks"] {
            if !self.root.join(folder).is_dir() {
                self.diagnostics.push(
                    Diagnostic::error(format!("there is no folder {}", self.root.join(folder).display()))
                        .note("a project has the folders environments/ and stacks/")
                        .help("go to a project, or name it with -C; `saiken init` makes a new one"),
                );
                return None;
            }
        }
        for folder in ["environments", "stacks"] {
            for name in stems(&self.root.join(folder), "yml") {
                self.diagnostics.push(
                    Diagnostic::error(format!("{folder}/{name}.yml would not be read"))
                        .note("the files of a project end in .yaml")
                        .help(format!("rename it to {name}.yaml, or put it elsewhere")),
                );
            }
        }
        let merged = self.environment_node(environment, None, &mut Vec::new());
        let settings = merged.and_then(|node| self.settings(environment, &node));
        let stacks = self.stacks(settings.as_ref().and_then(|s| s.only.as_deref()));
        let templates = self.templates();
        let payloads = self.payloads();
        let all_stacks = stems(&self.root.join("stacks"), "yaml");
        let settings = settings?;
        self.check_parameters(&settings.parameter_stacks, &all_stacks);
        Some(Project {
            environment: settings.environment,
            parameters: settings.parameters,
            simulated: settings.simulated,
            stacks,
            templates,
            payloads,
            all_stacks,
            broken: std::mem::take(&mut self.broken),
        })
    }

    /// Values for stacks that are not there.
    fn check_parameters(&mut self, named: &[Key], all: &[String]) {
        for key in named.iter().filter(|k| k.text != "all" && !all.contains(&k.text)) {
            let mut error = Diagnostic::error(format!("there is no stack `{}`", key.text))
                .at(key.span, "parameters stand below the name of their stack, or below `all`");
            error.help = suggestion(&key.text, all.iter().map(String::as_str).chain(["all"]));
            self.diagnostics.push(error);
        }
    }

    fn read(&mut self, path: &str) -> Option<String> {
        let full = self.root.join(path);
        let fail = |why: String, help: &str| Diagnostic::error(format!("{path} can't be read")).note(why).help(help);
        match fs::metadata(&full) {
            Ok(meta) if meta.len() > MAX_BYTES => {
                let why = format!("it has {} bytes; the limit is {MAX_BYTES}", meta.len());
                self.diagnostics.push(fail(why, "split it"));
                return None;
            }
            Ok(_) => {}
            Err(e) => {
                self.diagnostics.push(fail(e.to_string(), "check its name and its permissions"));
                return None;
            }
        }
        let bytes = match fs::read(&full) {
            Ok(bytes) => bytes,
            Err(e) => {
                self.diagnostics.push(fail(e.to_string(), "check its name and its permissions"));
                return None;
            }
        };
        if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
            self.diagnostics.push(fail("it is UTF-16".to_owned(), "save it as UTF-8"));
            return None;
        }
        match String::from_utf8(bytes) {
            Ok(text) => Some(text.strip_prefix('\u{FEFF}').map(str::to_owned).unwrap_or(text)),
            Err(e) => {
                let at = e.utf8_error().valid_up_to();
                let line = e.as_bytes()[..at].iter().filter(|b| **b == b'\n').count() + 1;
                self.diagnostics.push(fail(format!("line {line} is not UTF-8"), "save it as UTF-8"));
                None
            }
        }
    }

    fn yaml(&mut self, path: &str) -> Option<Node> {
        let text = self.read(path)?;
        let file = self.files.add(path, text.as_str());
        node::parse(file, &text, &mut self.diagnostics)
    }

    /// An environment's file laid over those that it extends.
    fn environment_node(&mut self, name: &str, used: Option<Span>, chain: &mut Vec<String>) -> Option<Node> {
        let names = stems(&self.root.join("environments"), "yaml");
        if !names.iter().any(|n| n == name) {
            let mut error = Diagnostic::error(format!("there is no environment `{name}`"));
            if let Some(span) = used {
                error = error.at(span, "named here");
            }
            error.help = suggestion(name, names.iter().map(String::as_str));
            self.diagnostics.push(error);
            return None;
        }
        if let Some(start) = chain.iter().position(|n| n == name) {
            let mut cycle = chain[start..].to_vec();
            cycle.push(name.to_owned());
            let mut error = Diagnostic::error(format!("environments extend each other: {}", cycle.join(" → ")));
            if let Some(span) = used {
                error = error.at(span, "closes the circle");
            }
            self.diagnostics.push(error.help("remove one `extends`"));
            return None;
        }
        chain.push(name.to_owned());
        let node = self.yaml(&format!("environments/{name}.yaml"))?;
        let merged = match node.get("extends") {
            None => node,
            Some(parent) => {
                let parent = text(parent, "extends", &mut self.diagnostics)?;
                let base = self.environment_node(&parent.value, Some(parent.span), chain)?;
                merge(&base, &node)
            }
        };
        chain.pop();
        Some(merged)
    }

    fn settings(&mut self, name: &str, node: &Node) -> Option<Settings> {
        decode_environment(name, node, &mut self.diagnostics)
    }

    fn stacks(&mut self, only: Option<&[Spanned<String>]>) -> BTreeMap<String, StackFile> {
        let names = stems(&self.root.join("stacks"), "yaml");
        for missing in only.into_iter().flatten().filter(|o| !names.contains(&o.value)) {
            let mut error = Diagnostic::error(format!("there is no stack `{}`", missing.value))
                .at(missing.span, "no such file in stacks/");
            error.help = suggestion(&missing.value, names.iter().map(String::as_str));
            self.diagnostics.push(error);
        }
        if names.is_empty() {
            let error =
                Diagnostic::error("stacks/ holds no file").help("write stacks/<name>.yaml; `saiken init` shows one");
            self.diagnostics.push(error);
        }
        let wanted = |n: &String| only.is_none_or(|only| only.iter().any(|o| o.value == *n));
        let mut out = BTreeMap::new();
        for name in names.into_iter().filter(wanted) {
            let path = format!("stacks/{name}.yaml");
            let node = self.yaml(&path);
            match node.and_then(|n| StackFile::decode(&n, &name, &mut self.diagnostics)) {
                Some(stack) => {
                    out.insert(name, stack);
                }
                None => {
                    self.broken.insert(path);
                }
            }
        }
        out
    }

    fn templates(&mut self) -> BTreeMap<String, TemplateFile> {
        let mut out = BTreeMap::new();
        for name in stems(&self.root.join("templates"), "yaml") {
            let path = format!("templates/{name}.yaml");
            let node = self.yaml(&path);
            match node.and_then(|n| TemplateFile::decode(&n, &name, &mut self.diagnostics)) {
                Some(template) => {
                    out.insert(name, template);
                }
                None => {
                    self.broken.insert(path);
                }
            }
        }
        out
    }

    /// All files below `templates/` but the components.
    fn payloads(&mut self) -> BTreeMap<String, Payload> {
        let mut paths = Vec::new();
        walk(&self.root.join("templates"), "", &mut paths);
        let mut out = BTreeMap::new();
        for path in paths {
            let component = !path.contains('/') && path.ends_with(".yaml");
            if component {
                continue;
            }
            let full = format!("templates/{path}");
            match self.read(&full) {
                Some(text) => {
                    let file = self.files.add(full, text.as_str());
                    out.insert(path, Payload { file, text });
                }
                None => {
                    self.broken.insert(full);
                }
            }
        }
        out
    }
}

/// Names of the files of a folder with this ending, without it, sorted.
fn stems(folder: &Path, ending: &str) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(&format!(".{ending}")).map(str::to_owned))
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

fn walk(folder: &Path, prefix: &str, out: &mut Vec<String>) {
    let mut entries: Vec<_> = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).collect();
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let path = format!("{prefix}{name}");
        // `file_type` does not follow links, so a circle of links ends.
        match entry.file_type() {
            Ok(ty) if ty.is_dir() => walk(&entry.path(), &format!("{path}/"), out),
            Ok(_) if !name.starts_with('.') => out.push(path),
            Ok(_) | Err(_) => {}
        }
    }
}

/// Mappings merge, everything else of the overlay replaces.
fn merge(base: &Node, over: &Node) -> Node {
    let (NodeValue::Map(base_entries), NodeValue::Map(over_entries)) = (&base.value, &over.value) else {
        return over.clone();
    };
    let mut entries: Vec<(Key, Node)> = base_entries
        .iter()
        .filter(|(k, _)| !matches!(k.text.as_str(), "extends" | "abstract"))
        .map(|(k, v)| (k.clone(), over.get(&k.text).map_or_else(|| v.clone(), |o| merge(v, o))))
        .collect();
    for (key, node) in over_entries {
        if base.get(&key.text).is_none() || matches!(key.text.as_str(), "extends" | "abstract") {
            entries.push((key.clone(), node.clone()));
        }
    }
    Node { span: over.span, value: NodeValue::Map(entries) }
}

struct Settings {
    environment: Environment,
    parameters: BTreeMap<String, Vec<(Key, Node)>>,
    parameter_stacks: Vec<Key>,
    simulated: Value,
    only: Option<Vec<Spanned<String>>>,
}

fn decode_environment(name: &str, node: &Node, diagnostics: &mut Diagnostics) -> Option<Settings> {
    let mut fields = Fields::of("an environment", node, diagnostics)?;
    fields.get("extends");
    if fields.boolean("abstract") == Some(true) {
        let error = Diagnostic::error(format!("the environment `{name}` is abstract"))
            .at(node.get("abstract").map_or(node.span, |n| n.span), "only others can extend it")
            .help("choose one that extends it");
        fields.diagnostics.push(error);
    }
    let project = fields.text("project");
    let provider = fields.text("provider");
    let region = fields.text("region");
    let account = fields.text("account");
    let role = fields.text("role");
    let zones = fields.texts("zones").into_iter().map(|z| z.value).collect();
    let regions = string_map(&mut fields, "regions");
    let tags = string_map(&mut fields, "tags");
    let protect = fields.boolean("protect").unwrap_or(false);
    let state = fields.get("state");
    let has_only = fields.get("stacks").is_some();
    let only = fields.texts("stacks");
    let simulated = fields.get("simulated").map_or(Value::Null, Node::untyped);
    let parameter_stacks = fields.entries("parameters").iter().map(|(k, _)| k.clone()).collect();
    let parameters = parameters(&mut fields);
    for name in ["project", "provider", "region"] {
        fields.require(name);
    }
    let provider = provider.and_then(|p| decode_provider(&p, fields.diagnostics));
    if let Some(project) = project.as_ref().filter(|p| !is_project_name(&p.value)) {
        fields.diagnostics.push(
            Diagnostic::error(format!("`{}` can't be the name of a project", project.value))
                .at(project.span, "letters, digits and `-`, at most 32")
                .note("physical names begin with it")
                .help("choose another name"),
        );
    }
    if let Some(account) =
        account.as_ref().filter(|a| a.value.len() != 12 || !a.value.bytes().all(|b| b.is_ascii_digit()))
    {
        let error = Diagnostic::error(format!("`{}` is not an account id", account.value))
            .at(account.span, "12 digits")
            .help("write it in quotes: \"123456789012\"");
        fields.diagnostics.push(error);
    }
    let (project_name, main_region) =
        (project.as_ref().map_or("", |p| &p.value), region.as_ref().map_or("", |r| &r.value));
    let state = state::decode(state, project_name, main_region, fields.diagnostics);
    fields.finish();
    Some(Settings {
        environment: Environment {
            name: name.to_owned(),
            project: project?.value,
            provider: provider?,
            account: account.map(|a| a.value),
            role: role.map(|r| r.value),
            region: region?.value,
            zones,
            regions,
            tags,
            protect,
            state: state?,
        },
        parameters,
        parameter_stacks,
        simulated,
        only: has_only.then_some(only),
    })
}

fn is_project_name(name: &str) -> bool {
    (1..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

fn decode_provider(provider: &Spanned<String>, diagnostics: &mut Diagnostics) -> Option<Provider> {
    match provider.value.as_str() {
        "aws" => Some(Provider::Aws),
        "simulated" => Some(Provider::Simulated),
        other => {
            let mut error =
                Diagnostic::error(format!("unknown provider `{other}`")).at(provider.span, "no such provider");
            error.help = suggestion(other, ["aws", "simulated"]);
            diagnostics.push(error);
            None
        }
    }
}

fn string_map(fields: &mut Fields<'_, '_>, name: &'static str) -> BTreeMap<String, String> {
    let entries = fields.entries(name);
    entries.iter().filter_map(|(k, n)| Some((k.text.clone(), text(n, &k.text, fields.diagnostics)?.value))).collect()
}

fn parameters(fields: &mut Fields<'_, '_>) -> BTreeMap<String, Vec<(Key, Node)>> {
    let mut out = BTreeMap::new();
    for (key, node) in fields.entries("parameters") {
        match &node.value {
            NodeValue::Map(entries) => {
                out.insert(key.text.clone(), entries.clone());
            }
            NodeValue::Scalar(_) if node.is_null() => {}
            NodeValue::Scalar(_) | NodeValue::List(_) => {
                wrong_shape(node, "a mapping of parameter values by name", &key.text, fields.diagnostics);
            }
        }
    }
    out
}
