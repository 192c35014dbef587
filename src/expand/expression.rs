//! Expressions: Handlebars over values. A scalar that is one single expression keeps the value's type.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use handlebars::{
    Context, Handlebars, Helper, HelperDef, RenderContext, RenderError, RenderErrorReason, ScopedJson, TemplateError,
    TemplateErrorReason,
};
use serde_json::Value;

use super::each::{Each, ROUNDS};
use super::{helpers, tag};

/// Most bytes of a rendered text.
const LONGEST: usize = 8 << 20;

/// What went wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExpressionError {
    pub message: String,
    /// Byte of the text at which it went wrong, if that is known.
    pub at: Option<usize>,
    /// Name that the context does not have, or helper that refused its values.
    pub subject: Option<Subject>,
}

/// What an error is about, for a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// A name that is not there.
    Name(String),
    /// A helper that was given wrong values.
    Helper(String),
    /// A value that is not known before apply.
    Unknown,
}

impl ExpressionError {
    fn new(message: impl Into<String>, at: Option<usize>) -> Self {
        Self { message: message.into(), at, subject: None }
    }
}

/// Renders expressions and payloads.
pub(super) struct Engine {
    handlebars: Handlebars<'static>,
    captured: Arc<Mutex<Option<Value>>>,
    /// Rounds that the loops of the present text may still go.
    rounds: Arc<AtomicU64>,
    /// Names under which texts that were rendered before are registered.
    known: HashMap<String, Result<String, ExpressionError>>,
}

/// Takes the value of its one parameter aside, so that it keeps its type.
struct Capture(Arc<Mutex<Option<Value>>>);

impl HelperDef for Capture {
    fn call_inner<'reg: 'rc, 'rc>(
        &self,
        helper: &Helper<'rc>,
        _: &'reg Handlebars<'reg>,
        _: &'rc Context,
        _: &mut RenderContext<'reg, 'rc>,
    ) -> Result<ScopedJson<'rc>, RenderError> {
        let value = helper.param(0).map(|p| p.value().clone());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = value;
        Ok(ScopedJson::Derived(Value::Null))
    }
}

impl Engine {
    pub fn new() -> Self {
        let mut handlebars = Handlebars::new();
        handlebars.set_strict_mode(true);
        handlebars.register_escape_fn(handlebars::no_escape);
        helpers::register(&mut handlebars);
        let captured = Arc::new(Mutex::new(None));
        handlebars.register_helper("__capture", Box::new(Capture(Arc::clone(&captured))));
        let rounds = Arc::new(AtomicU64::new(0));
        handlebars.register_helper("each", Box::new(Each(Arc::clone(&rounds))));
        Self { handlebars, captured, rounds, known: HashMap::new() }
    }

    /// The value of a text with expressions in it.
    pub fn evaluate(&mut self, text: &str, context: &Value) -> Result<Value, ExpressionError> {
        tag::check(text)?;
        let Some(inner) = single(text) else { return self.render(text, context).map(Value::String) };
        let source =
            if is_path(inner) { format!("{{{{__capture {inner}}}}}") } else { format!("{{{{__capture ({inner})}}}}") };
        self.captured.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.render(&source, context).map_err(|e| ExpressionError { at: Some(0), ..e })?;
        let value = self.captured.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| ExpressionError::new(format!("`{inner}` gives no value"), Some(0)))
    }

    /// The text of a template.
    pub fn render(&mut self, text: &str, context: &Value) -> Result<String, ExpressionError> {
        if !self.known.contains_key(text) {
            let name = format!("t{}", self.known.len());
            let outcome = tag::check(text).and_then(|()| {
                let registered = self.handlebars.register_template_string(&name, text);
                registered.map(|()| name).map_err(|e| template_error(&e, text))
            });
            self.known.insert(text.to_owned(), outcome);
        }
        let name = match self.known.get(text) {
            Some(Ok(name)) => name,
            Some(Err(e)) => return Err(e.clone()),
            None => return Err(ExpressionError::new("the template is lost", None)),
        };
        self.rounds.store(ROUNDS, Ordering::Relaxed);
        let mut out = Bounded(Vec::new());
        self.handlebars.render_to_write(name, context, &mut out).map_err(|e| render_error(&e, text))?;
        String::from_utf8(out.0).map_err(|e| ExpressionError::new(e.to_string(), None))
    }
}

/// What is rendered, up to [`LONGEST`].
struct Bounded(Vec<u8>);

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST {
            return Err(std::io::Error::other(format!("the text would be longer than {} MiB", LONGEST >> 20)));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn template_error(error: &TemplateError, text: &str) -> ExpressionError {
    let at = error.pos().map(|(line, column)| offset(text, line, column));
    let message = match error.reason() {
        TemplateErrorReason::InvalidSyntax(_) => "Handlebars can't read this".to_owned(),
        reason => reason.to_string(),
    };
    ExpressionError::new(message, at)
}

fn render_error(error: &RenderError, text: &str) -> ExpressionError {
    let at = error.line_no.zip(error.column_no).map(|(line, column)| offset(text, line, column));
    match error.reason() {
        RenderErrorReason::MissingVariable(Some(name)) => {
            ExpressionError { message: format!("there is no `{name}`"), at, subject: Some(Subject::Name(name.clone())) }
        }
        RenderErrorReason::HelperNotFound(name) => ExpressionError::new(format!("there is no helper `{name}`"), at),
        RenderErrorReason::TemplateError(e) => template_error(e, text),
        RenderErrorReason::Other(message) => {
            let helper = message.split_once(": ").map(|(name, _)| name).filter(|n| helpers::usage(n).is_some());
            ExpressionError { message: message.clone(), at, subject: helper.map(|h| Subject::Helper(h.to_owned())) }
        }
        RenderErrorReason::IOError(e) => ExpressionError::new(e.to_string(), at),
        RenderErrorReason::NestedError(e) => ExpressionError::new(e.to_string(), at),
        other => ExpressionError::new(other.to_string(), at),
    }
}

/// The byte at a line (from 1) and a column.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (start + column.saturating_sub(1)).min(text.len())
}

/// The inside of a text that is one single expression and nothing else.
pub(super) fn single(text: &str) -> Option<&str> {
    let text = text.trim();
    match tag::all(text).as_slice() {
        [only] if only.range == (0..text.len()) && only.is_expression() => Some(only.inner).filter(|i| !i.is_empty()),
        _ => None,
    }
}

fn is_path(inner: &str) -> bool {
    let mut depth = 0usize;
    !inner.starts_with(['"', '\''])
        && inner.chars().all(|c| {
            match c {
                '[' => depth += 1,
                ']' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth > 0 || !(c.is_whitespace() || matches!(c, '(' | ')'))
        })
}

/// A name used in an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    /// Its parts: `app`, `ap-northeast-1a`, `id`.
    pub segments: Vec<String>,
    /// The helper that it is given to, if any.
    pub helper: Option<String>,
    /// As written, and in which of the text's tags (from 0).
    pub word: (usize, String),
}

/// A helper used in an expression, and in which of the text's tags (from 0).
pub(super) type Use = (usize, String);

/// All names and helpers that a text's expressions use: what they need, found before they are rendered.
pub(super) fn paths(text: &str) -> (Vec<Path>, Vec<Use>) {
    let mut paths = Vec::new();
    let mut helpers = Vec::new();
    let tags = tag::all(text);
    let own: Vec<&str> = tags.iter().flat_map(|t| t.block_names()).collect();
    for (number, tag) in tags.iter().enumerate() {
        if let Some(inner) = tag.scanned() {
            scan(inner, number, &mut paths, &mut helpers);
        }
    }
    paths.retain(|p: &Path| p.segments.first().is_none_or(|s| !own.contains(&s.as_str())));
    (paths, helpers)
}

fn scan(text: &str, tag: usize, paths: &mut Vec<Path>, helpers: &mut Vec<Use>) {
    let chars: Vec<char> = text.chars().collect();
    let mut stack: Vec<Option<String>> = vec![None];
    let mut at = 0;
    let mut first = true;
    while at < chars.len() {
        match chars[at] {
            c if c.is_whitespace() => at += 1,
            '(' => {
                stack.push(None);
                first = true;
                at += 1;
            }
            ')' => {
                stack.pop();
                first = false;
                at += 1;
            }
            quote @ ('"' | '\'') => {
                at += 1;
                while at < chars.len() && chars[at] != quote {
                    at += if chars[at] == '\\' { 2 } else { 1 };
                }
                at += 1;
                first = false;
            }
            _ => {
                let start = at;
                let mut depth = 0usize;
                while at < chars.len()
                    && (depth > 0 || !(chars[at].is_whitespace() || matches!(chars[at], '(' | ')' | '=')))
                {
                    match chars[at] {
                        '[' => depth += 1,
                        ']' => depth = depth.saturating_sub(1),
                        _ => {}
                    }
                    at += 1;
                }
                let word: String = chars[start..at].iter().collect();
                if at < chars.len() && chars[at] == '=' {
                    at += 1;
                    continue;
                }
                let more = chars[at..].iter().find(|c| !c.is_whitespace()).is_some_and(|c| *c != ')');
                if first && more {
                    helpers.push((tag, word.clone()));
                    if let Some(top) = stack.last_mut() {
                        *top = Some(word);
                    }
                } else if !is_literal(&word) {
                    let helper = stack.last().cloned().flatten();
                    paths.push(Path { segments: segments(&word), helper, word: (tag, word) });
                }
                first = false;
                if start == at {
                    at += 1;
                }
            }
        }
    }
}

fn is_literal(word: &str) -> bool {
    matches!(word, "true" | "false" | "null" | "as" | "this" | "." | "..")
        || word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '@' | '|'))
        || word.starts_with("../")
        || word.starts_with("this.")
        || word.ends_with('|')
}

fn segments(word: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut current = String::new();
    let mut depth = 0usize;
    for c in word.chars() {
        match c {
            '[' if depth == 0 => depth = 1,
            ']' if depth == 1 => depth = 0,
            '.' | '/' if depth == 0 => out.push(std::mem::take(&mut current)),
            c => current.push(c),
        }
    }
    out.push(current);
    out.retain(|s| !s.is_empty());
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn eval(text: &str) -> Result<Value, String> {
        let context = json!({"n": 3, "list": ["a", "b"], "cidr": "10.0.0.0/16", "app": {"ap-1a": {"id": "x"}}});
        Engine::new().evaluate(text, &context).map_err(|e| e.message)
    }

    #[test]
    fn a_single_expression_keeps_its_type() {
        assert_eq!(eval("{{ n }}"), Ok(json!(3)));
        assert_eq!(eval("{{list}}"), Ok(json!(["a", "b"])));
        assert_eq!(eval("{{ subnet cidr 8 2 }}"), Ok(json!("10.0.2.0/24")));
        assert_eq!(eval("{{ gt n 2 }}"), Ok(json!(true)));
        assert_eq!(eval("n={{ n }} {{ join list \"-\" }}"), Ok(json!("n=3 a-b")));
        assert_eq!(eval("{{ app.[ap-1a].id }}"), Ok(json!("x")));
        assert_eq!(eval("{{ lookup (lookup app \"ap-1a\") \"id\" }}"), Ok(json!("x")));
    }

    #[test]
    fn the_names_that_an_expression_uses_are_found() {
        let (found, helpers) =
            paths("{{ subnet cidr 8 each.index }}-{{app.[a.b].id}} {{#if (eq x \"y z\")}}{{else}}{{/if}}");
        let names: Vec<String> = found.iter().map(|p| p.segments.join("|")).collect();
        assert_eq!(names, ["cidr", "each|index", "app|a.b|id", "x"]);
        let names: Vec<&str> = helpers.iter().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["subnet", "if", "eq"]);
    }

    #[test]
    fn broken_expressions_are_errors_and_not_panics() {
        assert!(eval("{{ n").is_err());
        assert!(eval("{{#if n}}").is_err());
        assert!(eval("{{ nohelper n }}").is_err());
        assert!(eval("{{ subnet n 8 1 }}").is_err());
    }
}
