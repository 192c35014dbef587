//! Names in references: the resources that they stand for.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use super::layout::{Group, Scope, Uses};
use super::{Expansion, Place};
use crate::diagnostic::suggestion;
use crate::model::Address;

/// Why a name stands for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Unresolved {
    pub message: String,
    /// A few words below the place.
    pub label: String,
    pub help: Option<String>,
    /// The resource is declared, but its condition is false.
    pub absent: bool,
    /// What the name stands for has errors itself, which are reported.
    pub silent: bool,
    /// In an expression: the number of the tag, and the word in it.
    pub word: Option<(usize, String)>,
}

impl Unresolved {
    pub(super) fn new(message: impl Into<String>, help: Option<String>) -> Self {
        Self { message: message.into(), help, ..Self::default() }
    }

    pub(super) fn label(self, label: impl Into<String>) -> Self {
        Self { label: label.into(), ..self }
    }

    pub(super) fn silent() -> Self {
        Self { silent: true, ..Self::default() }
    }

    pub(super) fn absent(name: &str) -> Self {
        let message = format!("`{name}` is not there: its condition or its repetition gives nothing");
        let help = Some("give this one the same `when`".to_owned());
        Self { absent: true, ..Self::new(message, help) }
    }
}

impl Expansion<'_> {
    /// The addresses that a reference stands for. `many`: all of a repetition, rather than the one with the same key.
    pub(super) fn resolve(
        &self,
        place: &Place,
        text: &str,
        kind: &str,
        many: bool,
    ) -> Result<Vec<Address>, Unresolved> {
        let (group, key) = self.group(place, text, kind)?;
        if group.kind.name != kind {
            let names = self.names_of_kind(place, kind);
            let help = suggestion(text, names.iter().map(String::as_str));
            let message = format!("`{text}` is of kind `{}`, and kind `{kind}` is wanted", group.kind.name);
            return Err(Unresolved::new(message, help).label(format!("not of kind `{kind}`")));
        }
        if group.instances.is_empty() {
            return Err(Unresolved::absent(text).label(format!("needs {text}")));
        }
        if let Some(key) = key {
            return match group.by_key.get(key) {
                Some(index) => Ok(vec![group.instances[*index].1.clone()]),
                None => {
                    let keys = group.by_key.keys().map(String::as_str);
                    let name = text.strip_suffix(key).unwrap_or(text).trim_end_matches(':');
                    let message = format!("`{name}` has no key `{key}`");
                    Err(Unresolved::new(message, suggestion(key, keys)).label("no such key"))
                }
            };
        }
        if !group.repeated || many {
            return Ok(group.instances.iter().map(|(_, a)| a.clone()).collect());
        }
        let same = place.each.as_ref().and_then(|e| group.by_key.get(&e.key));
        match same {
            Some(index) => Ok(vec![group.instances[*index].1.clone()]),
            None => {
                let first = group.by_key.keys().next().map(String::as_str).unwrap_or_default();
                let help = format!("name one of them, such as `{text}:{first}`");
                let message = format!("`{text}` is repeated, and one is wanted");
                Err(Unresolved::new(message, Some(help)).label(format!("stands for {}", group.instances.len())))
            }
        }
    }

    /// The declared resource that a text names, and the key if it names one.
    fn group<'t>(&self, place: &Place, text: &'t str, kind: &str) -> Result<(&Group, Option<&'t str>), Unresolved> {
        if text.contains('/') {
            return self.absolute(text, kind);
        }
        let (path, mut key) = match text.split_once(':') {
            Some((path, key)) => (path, Some(key)),
            None => (text, None),
        };
        let mut scope = &self.scopes[place.scope];
        let mut parts: Vec<&str> = path.split('.').collect();
        let name = parts.pop().unwrap_or_default();
        for part in parts {
            let uses = scope.components.get(part).ok_or_else(|| {
                if scope.broken.contains(part) {
                    return Unresolved::silent();
                }
                let names = scope.components.keys().map(String::as_str);
                Unresolved::new(format!("unknown component `{part}`"), suggestion(part, names))
                    .label("no such component")
            })?;
            if uses.scopes.is_empty() {
                return Err(Unresolved::absent(part).label(format!("needs {part}")));
            }
            let (found, rest) = self.instance(uses, part, key, place)?;
            (scope, key) = (&self.scopes[found], rest);
        }
        match scope.resources.get(name) {
            _ if scope.broken.contains(name) => Err(Unresolved::silent()),
            Some(group) => Ok((group, key)),
            None => Err(self.unknown(place, text, kind)),
        }
    }

    /// The use of a template that a key selects (or, without one, the key at hand), and what is left of the key.
    fn instance<'t>(
        &self,
        uses: &Uses,
        part: &str,
        key: Option<&'t str>,
        place: &Place,
    ) -> Result<(usize, Option<&'t str>), Unresolved> {
        if !uses.repeated {
            return Ok((uses.scopes.first().map_or(place.scope, |(_, s)| *s), key));
        }
        let known = |wanted: &str| uses.scopes.iter().find(|(k, _)| k.as_deref() == Some(wanted)).map(|(_, s)| *s);
        let Some(key) = key else {
            return match place.each.as_ref().and_then(|e| known(&e.key)) {
                Some(scope) => Ok((scope, None)),
                None => {
                    let first = uses.scopes.first().and_then(|(k, _)| k.clone()).unwrap_or_default();
                    let help = Some(format!("add a key, such as `:{first}`"));
                    let error = Unresolved::new(format!("the component `{part}` is repeated, and one is wanted"), help);
                    Err(error.label(format!("stands for {}", uses.scopes.len())))
                }
            };
        };
        if let Some(scope) = known(key) {
            return Ok((scope, None));
        }
        // The component's key comes first: `web.name:k:key`.
        for (at, _) in key.match_indices(':') {
            if let Some(scope) = known(&key[..at]) {
                return Ok((scope, Some(&key[at + 1..])));
            }
        }
        let keys = uses.scopes.iter().filter_map(|(k, _)| k.as_deref());
        let error = Unresolved::new(format!("component `{part}` has no key `{key}`"), suggestion(key, keys));
        Err(error.label("no such key"))
    }

    fn absolute<'t>(&self, text: &'t str, kind: &str) -> Result<(&Group, Option<&'t str>), Unresolved> {
        if let Some(group) = self.groups.get(text) {
            return Ok((group, None));
        }
        // The key begins at one of the colons: those of a component's key belong to the path.
        for (at, _) in text.match_indices(':').collect::<Vec<_>>().into_iter().rev() {
            if let Some(group) = self.groups.get(&text[..at]) {
                return Ok((group, Some(&text[at + 1..])));
            }
        }
        let stack = text.split('/').next().unwrap_or_default();
        let Some(scope) = self.stacks.get(stack) else { return Err(self.unknown_stack(stack)) };
        let local = text[stack.len()..].trim_start_matches('/');
        let first = local.split(['.', ':']).next().unwrap_or_default();
        let inside = |s: &Scope| s.stack == stack && local.split(['.', ':']).any(|part| s.broken.contains(part));
        if self.scopes[*scope].broken.contains(first) || self.scopes.iter().any(inside) {
            return Err(Unresolved::silent());
        }
        let names = self.groups.iter().filter(|(_, g)| g.kind.name == kind).map(|(n, _)| n.as_str());
        let error = Unresolved::new(format!("unknown {kind} `{text}`"), suggestion(text, names));
        Err(error.label(format!("not in stack `{stack}`")))
    }

    pub(super) fn unknown_stack(&self, stack: &str) -> Unresolved {
        let project = self.project;
        let environment = &project.environment.name;
        if project.broken.contains(&format!("stacks/{stack}.yaml")) {
            return Unresolved::silent();
        }
        if project.all_stacks.iter().any(|s| s == stack) {
            let message = format!("environment `{environment}` leaves the stack `{stack}` out");
            let help = Some(format!("add it to `stacks` in environments/{environment}.yaml"));
            return Unresolved::new(message, help).label("needs this stack");
        }
        let names = self.stacks.keys().map(String::as_str);
        Unresolved::new(format!("there is no stack `{stack}`"), suggestion(stack, names)).label("no such stack")
    }

    fn unknown(&self, place: &Place, text: &str, kind: &str) -> Unresolved {
        let scope = &self.scopes[place.scope];
        if scope.parameters.contains_key(text) {
            let help = Some(format!("write \"{{{{ {text} }}}}\""));
            return Unresolved::new(format!("`{text}` is a parameter"), help).label("taken as the name of a resource");
        }
        let names = self.names_of_kind(place, kind);
        let help = suggestion(text, names.iter().map(String::as_str))
            .unwrap_or_else(|| format!("declare one, or write `{{ id: … }}` for {kind} objects that are not owned"));
        Unresolved::new(format!("unknown {kind} `{text}`"), Some(help)).label("not declared here")
    }

    /// Names of this kind that a reference here could use.
    fn names_of_kind(&self, place: &Place, kind: &str) -> Vec<String> {
        let scope = &self.scopes[place.scope];
        let mut names: Vec<String> =
            scope.resources.iter().filter(|(_, g)| g.kind.name == kind).map(|(n, _)| n.clone()).collect();
        for (component, uses) in &scope.components {
            for (_, inner) in uses.scopes.iter().take(1) {
                let inner = &self.scopes[*inner];
                let found = inner.resources.iter().filter(|(_, g)| g.kind.name == kind);
                names.extend(found.map(|(n, _)| format!("{component}.{n}")));
            }
        }
        if scope.is_stack {
            let other =
                self.groups.iter().filter(|(n, g)| g.kind.name == kind && !n.starts_with(&format!("{}/", scope.stack)));
            names.extend(other.map(|(n, _)| n.clone()));
        }
        names
    }

    /// All resources that a name of `depends_on` stands for: a resource, all of a repetition, or a whole component.
    pub(super) fn resolve_any(&self, place: &Place, text: &str) -> Result<Vec<Address>, Unresolved> {
        let scope = &self.scopes[place.scope];
        if let Some(uses) = scope.components.get(text) {
            let mut out = Vec::new();
            uses.scopes.iter().for_each(|(_, s)| self.all_of(*s, &mut out));
            return Ok(out);
        }
        let kind = if text.contains('/') {
            self.absolute(text, "resource").map(|(g, _)| g.kind.name)
        } else {
            self.group(place, text, "resource").map(|(g, _)| g.kind.name)
        };
        match kind {
            Ok(kind) => match self.resolve(place, text, kind, true) {
                Err(e) if e.absent => Ok(Vec::new()),
                other => other,
            },
            Err(e) if e.absent => Ok(Vec::new()),
            Err(_) if scope.broken.contains(text) => Err(Unresolved::silent()),
            Err(e) => {
                let names = scope.resources.keys().chain(scope.components.keys()).map(String::as_str);
                Err(Unresolved { help: suggestion(text, names).or(e.help), ..e })
            }
        }
    }

    fn all_of(&self, scope: usize, out: &mut Vec<Address>) {
        let scope = &self.scopes[scope];
        out.extend(scope.resources.values().flat_map(|g| g.instances.iter().map(|(_, a)| a.clone())));
        for uses in scope.components.values() {
            uses.scopes.iter().for_each(|(_, s)| self.all_of(*s, out));
        }
    }
}
