//! YAML as a tree in which every node knows its place. Scalars keep the text as written, so that what it means is decided
//! where its type is known: `1.10` for a text field stays `1.10`.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle};
use serde_json::{Number, Value};

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::model::value::has_reserved;
use crate::source::{FileId, Span};

use super::yaml_error;

/// Most nodes in a file, aliases expanded: a file of 5 MiB has fewer, and a bomb has more.
const MAX_NODES: usize = 1_000_000;
/// Deepest nesting.
const MAX_DEPTH: usize = 64;

/// A node with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where: a scalar's text; a collection in brackets on one line; of any other collection, its first part.
    pub span: Span,
    /// What.
    pub value: NodeValue,
}

/// What a node holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeValue {
    /// A scalar.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in the order written; keys are distinct.
    Map(Vec<(Key, Node)>),
}

/// A scalar as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    /// The text, escapes resolved.
    pub text: String,
    /// Whether it was written without quotes, so that it may be a number, a boolean or null.
    pub plain: bool,
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its text.
    pub text: String,
    /// Its place.
    pub span: Span,
}

impl Node {
    /// The value of a key of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.value {
            NodeValue::Map(entries) => entries.iter().find(|(k, _)| k.text == key).map(|(_, v)| v),
            NodeValue::Scalar(_) | NodeValue::List(_) => None,
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Scalar(scalar) => Some(&scalar.text),
            NodeValue::List(_) | NodeValue::Map(_) => None,
        }
    }

    /// Whether it is null, or nothing at all.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, NodeValue::Scalar(s) if s.plain && matches!(s.text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// What it is, in a word or two.
    pub fn describe(&self) -> &'static str {
        match &self.value {
            NodeValue::Scalar(_) if self.is_null() => "nothing",
            NodeValue::Scalar(_) => "a single value",
            NodeValue::List(_) => "a list",
            NodeValue::Map(_) => "a mapping",
        }
    }

    /// The value by YAML's own rules (the core schema), where no type is known.
    pub fn untyped(&self) -> Value {
        match &self.value {
            NodeValue::Scalar(scalar) => scalar.untyped(),
            NodeValue::List(items) => Value::Array(items.iter().map(Node::untyped).collect()),
            NodeValue::Map(entries) => {
                Value::Object(entries.iter().map(|(k, v)| (k.text.clone(), v.untyped())).collect())
            }
        }
    }
}

impl Scalar {
    /// The value by the core schema.
    pub fn untyped(&self) -> Value {
        if !self.plain {
            return Value::String(self.text.clone());
        }
        match self.text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Value::Null,
            "true" | "True" | "TRUE" => Value::Bool(true),
            "false" | "False" | "FALSE" => Value::Bool(false),
            text => number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number),
        }
    }
}

fn indentation(line: &str) -> &str {
    let end = line.find(|c: char| c != ' ' && c != '\t').unwrap_or(line.len());
    &line[..end]
}

fn number(text: &str) -> Option<Number> {
    let digits = text.trim_start_matches(['-', '+']);
    // A leading zero is an account number or a date far more often than an octal.
    let padded = digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.");
    if padded || !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Ok(n) = text.parse::<i64>() {
        return Some(Number::from(n));
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

/// Parses a file. None if there are errors, all of which are pushed.
pub fn parse(file: FileId, text: &str, diagnostics: &mut Diagnostics) -> Option<Node> {
    if let Some(at) = text.find(|c: char| has_reserved(c.encode_utf8(&mut [0; 4]))) {
        diagnostics.push(
            Diagnostic::error("a reserved character")
                .at(Span::new(file, at..at + 3), "U+E000 to U+E002 are used for values known after apply")
                .help("remove it"),
        );
        return None;
    }
    let mut builder = Builder { file, text, diagnostics, nodes: 0, anchors: HashMap::new(), failed: false };
    let root = builder.document();
    let failed = builder.failed;
    root.filter(|_| !failed)
}

type Parsing<'t> = Parser<'t, granit_parser::StrInput<'t>>;

struct Builder<'t, 'd> {
    file: FileId,
    text: &'t str,
    diagnostics: &'d mut Diagnostics,
    nodes: usize,
    anchors: HashMap<usize, (Node, usize)>,
    failed: bool,
}

/// A node could not be built; the reason has been pushed.
struct Stop;

impl<'t> Builder<'t, '_> {
    fn document(&mut self) -> Option<Node> {
        let mut options = Options::default();
        options.set_emit_comments(false);
        let mut parser = Parser::new_from_str_with_options(self.text, options);
        let mut root: Option<Node> = None;
        loop {
            let (event, span) = self.next(&mut parser).ok()?;
            match event {
                Event::StreamEnd => break,
                Event::StreamStart | Event::DocumentEnd => {}
                Event::DocumentStart(..) => {
                    if root.is_some() {
                        self.error(
                            "a second document",
                            span,
                            "only one document may stand in a file",
                            "make two files",
                        );
                        return None;
                    }
                }
                event => root = Some(self.node(&mut parser, event, span, 0).ok()?),
            }
        }
        if root.as_ref().is_none_or(Node::is_null) {
            let place = Span::new(self.file, 0..0);
            self.error(
                "the file is empty",
                place,
                "nothing but comments stands here",
                "write a mapping, or remove the file",
            );
            return None;
        }
        root
    }

    fn next(&mut self, parser: &mut Parsing<'t>) -> Result<(Event<'t>, Span), Stop> {
        match parser.next_event() {
            Some(Ok((event, span))) => {
                let range = span.byte_range().unwrap_or(0..0);
                Ok((event, Span::new(self.file, range)))
            }
            Some(Err(e)) => {
                let mut at = e.marker().byte_offset().unwrap_or(0).min(self.text.len());
                let (mut what, mut help) = yaml_error::words(e.kind());
                let line = self.text[..at].rfind('\n').map_or(0, |i| i + 1);
                if let Some(tab) = indentation(&self.text[line..]).find('\t') {
                    at = line + tab;
                    (what, help) = ("a tab in the indentation".to_owned(), yaml_error::TABS);
                }
                let end = self.text[at..].char_indices().nth(1).map_or(self.text.len(), |(i, _)| at + i);
                self.error(&what, Span::new(self.file, at..end), "here the file can't be read on", help);
                Err(Stop)
            }
            None => Ok((Event::StreamEnd, Span::new(self.file, 0..0))),
        }
    }

    fn error(&mut self, summary: &str, span: Span, label: &str, help: &str) {
        self.failed = true;
        self.diagnostics.push(Diagnostic::error(summary).at(span, label).help(help));
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Stop> {
        self.nodes += nodes;
        if self.nodes > MAX_NODES {
            let label = "here it exceeds one million values, aliases written out";
            self.error("the file holds too much", span, label, "split it, or remove aliases of aliases");
            return Err(Stop);
        }
        Ok(())
    }

    fn node(&mut self, parser: &mut Parsing<'t>, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Stop> {
        if depth > MAX_DEPTH {
            self.error("nested too deeply", span, "more than 64 levels", "use templates instead of deep nesting");
            return Err(Stop);
        }
        self.count(1, span)?;
        let before = self.nodes;
        let (node, anchor) = match event {
            Event::Scalar(text, style, anchor, _) => {
                let scalar = Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                (Node { span, value: NodeValue::Scalar(scalar) }, anchor)
            }
            Event::SequenceStart(_, anchor, _) => (self.list(parser, span, depth)?, anchor),
            Event::MappingStart(_, anchor, _) => (self.map(parser, span, depth)?, anchor),
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id).cloned() else {
                    self.error("an alias inside its own anchor", span, "", "write the value out");
                    return Err(Stop);
                };
                self.count(size, span)?;
                (node, 0)
            }
            _ => {
                self.error("not YAML: a value is missing", span, "", "write a value");
                return Err(Stop);
            }
        };
        if anchor > 0 {
            let size = self.nodes - before + 1;
            self.anchors.insert(anchor, (node.clone(), size));
        }
        Ok(node)
    }

    /// The place of a collection, from where it begins and ends and its first part.
    fn whole(&self, start: Span, end: Span, first: Option<Span>) -> Span {
        let range = start.range().start..end.range().end;
        match self.text.get(range.clone()) {
            Some(text) if text.starts_with(['[', '{']) && !text.contains('\n') => Span::new(self.file, range),
            Some(text) if text.starts_with(['[', '{']) => Span::new(self.file, range.start..range.start + 1),
            _ => first.unwrap_or(start),
        }
    }

    fn list(&mut self, parser: &mut Parsing<'t>, span: Span, depth: usize) -> Result<Node, Stop> {
        let mut items = Vec::new();
        loop {
            let (event, at) = self.next(parser)?;
            if matches!(event, Event::SequenceEnd) {
                let span = self.whole(span, at, items.first().map(|n: &Node| n.span));
                return Ok(Node { span, value: NodeValue::List(items) });
            }
            items.push(self.node(parser, event, at, depth + 1)?);
        }
    }

    fn map(&mut self, parser: &mut Parsing<'t>, span: Span, depth: usize) -> Result<Node, Stop> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut places: HashMap<String, Span> = HashMap::new();
        loop {
            let (event, at) = self.next(parser)?;
            let key = match event {
                Event::MappingEnd => {
                    let span = self.whole(span, at, entries.first().map(|(k, _)| k.span));
                    return Ok(Node { span, value: NodeValue::Map(entries) });
                }
                Event::Scalar(text, ..) => Key { text: text.into_owned(), span: at },
                _ if self.text[..at.start as usize].ends_with('{')
                    && self.text[at.start as usize..].starts_with('{') =>
                {
                    let start = at.start as usize - 1;
                    let line = self.text[start..].lines().next().unwrap_or_default();
                    let end = start + line.find("}}").map_or(2, |i| i + 2);
                    let place = Span::new(self.file, start..end);
                    let help = format!("write \"{}\"", &self.text[start..end]);
                    self.error("an expression without quotes", place, "to YAML this is a mapping in a mapping", &help);
                    return Err(Stop);
                }
                _ => {
                    self.error(
                        "a key that is not a word",
                        at,
                        "keys are single words",
                        "quote it, or put it into a list",
                    );
                    return Err(Stop);
                }
            };
            let (event, at) = self.next(parser)?;
            let node = self.node(parser, event, at, depth + 1)?;
            if key.text == "<<" {
                let what = "`<<` does not merge mappings";
                self.error(what, key.span, "YAML 1.2 has no such key", "write the entries out, or use a template");
                continue;
            }
            if let Some(first) = places.insert(key.text.clone(), key.span) {
                self.failed = true;
                self.diagnostics.push(
                    Diagnostic::error(format!("`{}` is given twice", key.text))
                        .at(key.span, "again here")
                        .at(first, "first here")
                        .help("keep one of them"),
                );
                continue;
            }
            entries.push((key, node));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::render;
    use crate::source::Files;

    fn parsed(text: &str) -> (Option<Node>, String) {
        let mut files = Files::default();
        let file = files.add("stacks/a.yaml", text);
        let mut diagnostics = Diagnostics::default();
        let node = parse(file, text, &mut diagnostics);
        (node, render(&diagnostics, &files, false))
    }

    #[test]
    fn numbers_keep_their_text_until_their_type_is_known() {
        let node = parsed("account: 012345678901\nversion: 1.10\ncount: 3\nname: \"3\"\n").0.unwrap();
        assert_eq!(node.get("account").unwrap().untyped(), Value::from("012345678901"));
        assert_eq!(node.get("version").unwrap().text(), Some("1.10"));
        assert_eq!(node.get("count").unwrap().untyped(), Value::from(3));
        assert_eq!(node.get("name").unwrap().untyped(), Value::from("3"));
    }

    #[test]
    fn a_duplicate_key_shows_both_places() {
        assert_eq!(
            parsed("a: 1\nb: 2\na: 3\n").1,
            "error: `a` is given twice\n --> stacks/a.yaml:3:1\n  |\n1 | a: 1\n  | - first here\n2 | b: 2\n3 | a: 3\n  \
             | ^ again here\n  |\n  = help: keep one of them\n\n"
        );
    }

    #[test]
    fn a_bomb_is_refused_and_does_not_take_the_memory() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let list = vec![format!("*a{}", i - 1); 9].join(", ");
            text.push_str(&format!("a{i}: &a{i} [{list}]\n"));
        }
        let (node, rendered) = parsed(&text);
        assert!(node.is_none() && rendered.starts_with("error: the file holds too much"), "{rendered}");
    }

    #[test]
    fn deep_nesting_empty_files_and_second_documents_are_refused() {
        let deep = parsed(&format!("{}{}", "[".repeat(200), "]".repeat(200))).1;
        assert!(deep.starts_with("error: nested too deeply"), "{deep}");
        assert!(parsed(&"[".repeat(200)).0.is_none());
        assert!(parsed("# nothing\n").1.starts_with("error: the file is empty"));
        assert!(parsed("a: 1\n---\nb: 2\n").1.starts_with("error: a second document"));
    }

    #[test]
    fn tabs_are_named_as_the_reason() {
        let rendered = parsed("a:\n\tb: 1\n").1;
        assert!(rendered.contains("indent with spaces: YAML does not allow tabs"), "{rendered}");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,300}") {
            let _ = parsed(&text);
        }

        #[test]
        fn no_yaml_like_text_makes_the_parser_panic(text in "[-a-c:{}\\[\\]&*!|>'\"#%@` \n\t,?~0-9]{0,200}") {
            let _ = parsed(&text);
        }
    }
}
