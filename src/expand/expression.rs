//! Expressions: Handlebars over values. A scalar that is one single expression keeps the value's type.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use handlebars::{
    Context, Handlebars, Helper, HelperDef, RenderContext, RenderError, RenderErrorReason, ScopedJson, TemplateError,
};
use serde_json::Value;

use super::helpers;
use crate::model::value::is_unknown;

/// What went wrong with an expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ExpressionError {
    pub message: String,
    /// Line in the template, from 1, if it is known.
    pub line: Option<usize>,
}

/// Renders expressions and payloads.
pub(super) struct Engine {
    handlebars: Handlebars<'static>,
    captured: Arc<Mutex<Option<Value>>>,
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
        Self { handlebars, captured, known: HashMap::new() }
    }

    /// The value of a text with expressions in it.
    pub fn evaluate(&mut self, text: &str, context: &Value) -> Result<Value, ExpressionError> {
        let Some(inner) = single(text) else { return self.render(text, context).map(Value::String) };
        let source =
            if is_path(inner) { format!("{{{{__capture {inner}}}}}") } else { format!("{{{{__capture ({inner})}}}}") };
        self.captured.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.render(&source, context)?;
        let value = self.captured.lock().unwrap_or_else(PoisonError::into_inner).take();
        value.ok_or_else(|| ExpressionError { message: format!("`{inner}` gives no value"), line: None })
    }

    /// The text of a template.
    pub fn render(&mut self, text: &str, context: &Value) -> Result<String, ExpressionError> {
        if !self.known.contains_key(text) {
            let name = format!("t{}", self.known.len());
            let outcome =
                self.handlebars.register_template_string(&name, text).map(|()| name).map_err(|e| template_error(&e));
            self.known.insert(text.to_owned(), outcome);
        }
        let name = match self.known.get(text) {
            Some(Ok(name)) => name,
            Some(Err(e)) => return Err(e.clone()),
            None => return Err(ExpressionError { message: "the template is lost".to_owned(), line: None }),
        };
        self.handlebars.render(name, context).map_err(|e| render_error(&e))
    }
}

fn template_error(error: &TemplateError) -> ExpressionError {
    ExpressionError { message: error.reason().to_string(), line: error.pos().map(|(line, _)| line) }
}

fn render_error(error: &RenderError) -> ExpressionError {
    let message = match error.reason() {
        RenderErrorReason::MissingVariable(Some(name)) => format!("unknown name `{name}`"),
        RenderErrorReason::HelperNotFound(name) => format!("unknown helper `{name}`"),
        RenderErrorReason::TemplateError(e) => e.reason().to_string(),
        RenderErrorReason::NestedError(e) => e.to_string(),
        other => other.to_string(),
    };
    ExpressionError { message, line: error.line_no }
}

/// The inside of a text that is one single expression and nothing else.
pub(super) fn single(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix("{{")?.strip_suffix("}}")?;
    let plain = !inner.contains("{{") && !inner.contains("}}");
    let simple = !inner.starts_with(['{', '#', '/', '!', '>', '&', '^', '*', '~']) && !inner.ends_with(['}', '~']);
    (plain && simple).then(|| inner.trim()).filter(|s| !s.is_empty())
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
}

/// All names and helpers that a text's expressions use: what they need, found before they are rendered.
pub(super) fn paths(text: &str) -> (Vec<Path>, Vec<String>) {
    let mut paths = Vec::new();
    let mut helpers = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let after = &rest[start + 2..];
        let Some(end) = after.find("}}") else { break };
        let inner = after[..end].trim_start_matches(['{', '&', '~']).trim_end_matches(['}', '~']).trim();
        rest = &after[end + 2..];
        if inner.starts_with(['!', '/', '>', '^']) || inner == "else" {
            continue;
        }
        let inner = inner.strip_prefix("else ").unwrap_or(inner).trim_start_matches('#');
        scan(inner, &mut paths, &mut helpers);
    }
    (paths, helpers)
}

fn scan(text: &str, paths: &mut Vec<Path>, helpers: &mut Vec<String>) {
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
                    helpers.push(word.clone());
                    if let Some(top) = stack.last_mut() {
                        *top = Some(word);
                    }
                } else if !is_literal(&word) {
                    let helper = stack.last().cloned().flatten();
                    paths.push(Path { segments: segments(&word), helper });
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

/// Helpers that may be given a value that is not known before apply: they only place it in a text.
pub(super) fn takes_unknown(helper: &str) -> bool {
    matches!(helper, "json" | "join" | "concat" | "default" | "lookup" | "with")
}

/// Whether a helper was given a value that is not known yet.
pub(super) fn refuses(path: &Path, value: &Value) -> bool {
    path.helper.as_deref().is_some_and(|h| !takes_unknown(h)) && is_unknown(value)
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
        assert_eq!(helpers, ["subnet", "if", "eq"]);
    }

    #[test]
    fn broken_expressions_are_errors_and_not_panics() {
        assert!(eval("{{ n").is_err() || eval("{{ n").is_ok());
        assert!(eval("{{#if n}}").is_err());
        assert!(eval("{{ nohelper n }}").is_err());
        assert!(eval("{{ subnet n 8 1 }}").is_err());
    }
}
