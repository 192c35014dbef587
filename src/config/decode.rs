//! Decoding mappings: unknown keys, missing keys, wrong shapes, all reported.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use crate::diagnostic::{Diagnostic, Diagnostics, nearest, suggestion};
use crate::source::Spanned;

use super::node::{Key, Node, NodeValue};

/// Reads the entries of one mapping.
pub(super) struct Fields<'n, 'd> {
    what: &'static str,
    node: &'n Node,
    known: Vec<&'static str>,
    /// Unknown names that were reported already.
    taken: Vec<&'n str>,
    pub diagnostics: &'d mut Diagnostics,
}

impl<'n, 'd> Fields<'n, 'd> {
    /// None (with an error) if the node is no mapping. `what` names it in messages: "a parameter".
    pub fn of(what: &'static str, node: &'n Node, diagnostics: &'d mut Diagnostics) -> Option<Self> {
        if !matches!(node.value, NodeValue::Map(_)) {
            diagnostics.push(
                Diagnostic::error(format!("{what} must be a mapping"))
                    .at(node.span, format!("this is {}", described(node)))
                    .help("write `name: value` lines, or `{ name: value }`"),
            );
            return None;
        }
        Some(Self { what, node, known: Vec::new(), taken: Vec::new(), diagnostics })
    }

    /// The entry of this name.
    pub fn get(&mut self, name: &'static str) -> Option<&'n Node> {
        self.known.push(name);
        self.node.get(name).filter(|n| !n.is_null())
    }

    /// The entry of this name, which must be there.
    pub fn require(&mut self, name: &'static str) -> Option<&'n Node> {
        let found = self.get(name);
        if found.is_none() {
            let near = self.rest().find(|(k, _)| nearest(&k.text, [name]).is_some()).map(|(k, _)| k);
            self.diagnostics.push(match near {
                Some(key) => Diagnostic::error(format!("unknown field `{}`", key.text))
                    .at(key.span, format!("{} has no such field, and needs `{name}`", self.what))
                    .help(format!("did you mean `{name}`?")),
                None => Diagnostic::error(format!("`{name}` is missing"))
                    .at(self.node.span, format!("{} needs it", self.what))
                    .help(format!("add `{name}: …`")),
            });
            self.taken.extend(near.map(|k| k.text.as_str()));
        }
        found
    }

    /// A text.
    pub fn text(&mut self, name: &'static str) -> Option<Spanned<String>> {
        let node = self.get(name)?;
        text(node, name, self.diagnostics)
    }

    /// A boolean.
    pub fn boolean(&mut self, name: &'static str) -> Option<bool> {
        let node = self.get(name)?;
        let value = node.untyped().as_bool();
        if value.is_none() {
            wrong_shape(node, "true or false", name, self.diagnostics);
        }
        value
    }

    /// A number.
    pub fn number(&mut self, name: &'static str) -> Option<f64> {
        let node = self.get(name)?;
        let value = node.untyped().as_f64();
        if value.is_none() {
            wrong_shape(node, "a number", name, self.diagnostics);
        }
        value
    }

    /// A list of texts; one text stands for a list of one.
    pub fn texts(&mut self, name: &'static str) -> Vec<Spanned<String>> {
        match self.get(name) {
            None => Vec::new(),
            Some(node) => match &node.value {
                NodeValue::List(items) => items.iter().filter_map(|n| text(n, name, self.diagnostics)).collect(),
                NodeValue::Scalar(_) => text(node, name, self.diagnostics).into_iter().collect(),
                NodeValue::Map(_) => {
                    wrong_shape(node, "a list", name, self.diagnostics);
                    Vec::new()
                }
            },
        }
    }

    /// The entries of a mapping with free names.
    pub fn entries(&mut self, name: &'static str) -> &'n [(Key, Node)] {
        match self.get(name) {
            None => &[],
            Some(node) => match &node.value {
                NodeValue::Map(entries) => entries,
                NodeValue::Scalar(_) | NodeValue::List(_) => {
                    wrong_shape(node, "a mapping of names", name, self.diagnostics);
                    &[]
                }
            },
        }
    }

    /// The entries that were not asked for.
    pub fn rest(&self) -> impl Iterator<Item = &'n (Key, Node)> + use<'n> {
        let known = self.known.clone();
        let entries: &'n [(Key, Node)] = match &self.node.value {
            NodeValue::Map(entries) => entries,
            NodeValue::Scalar(_) | NodeValue::List(_) => &[],
        };
        entries.iter().filter(move |(k, _)| !known.contains(&k.text.as_str()))
    }

    /// Reports entries that were not asked for.
    pub fn finish(self) {
        let unknown: Vec<&Key> = self.rest().map(|(k, _)| k).filter(|k| !self.taken.contains(&k.text.as_str())).collect();
        for key in unknown {
            let mut error = Diagnostic::error(format!("unknown field `{}`", key.text))
                .at(key.span, format!("{} has no such field", self.what));
            error.help = suggestion(&key.text, self.known.iter().copied());
            self.diagnostics.push(error);
        }
    }
}

/// The text of a scalar, with an error if it is none.
pub(super) fn text(node: &Node, name: &str, diagnostics: &mut Diagnostics) -> Option<Spanned<String>> {
    let found = node.text().filter(|_| !node.is_null());
    if found.is_none() {
        wrong_shape(node, "a text", name, diagnostics);
    }
    found.map(|t| Spanned::new(t.to_owned(), node.span))
}

pub(super) fn wrong_shape(node: &Node, wanted: &str, name: &str, diagnostics: &mut Diagnostics) {
    diagnostics.push(
        Diagnostic::error(format!("`{name}` must be {wanted}"))
            .at(node.span, format!("this is {}", described(node)))
            .help(format!("write {wanted}")),
    );
}

/// What a node is: the value itself if it is a short one.
fn described(node: &Node) -> String {
    match node.text() {
        Some(text) if !node.is_null() && text.chars().count() <= 40 => format!("`{text}`"),
        _ => node.describe().to_owned(),
    }
}
