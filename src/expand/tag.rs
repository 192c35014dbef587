//! The tags `{{ … }}` of a text: where they stand, and whether they are closed.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::ops::Range;

use super::expression::ExpressionError;

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tag<'t> {
    /// Its bytes, braces included.
    pub range: Range<usize>,
    /// What stands in it, without braces, whitespace controls and spaces.
    pub inner: &'t str,
    /// A comment, or a tag that is not closed (then it reaches to the end of its line).
    sort: Sort,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Normal,
    Comment,
    Open,
}

impl<'t> Tag<'t> {
    /// Whether it gives a value, rather than beginning, dividing or ending a block.
    pub fn is_expression(&self) -> bool {
        self.sort == Sort::Normal && !self.inner.starts_with(['#', '/', '>', '^', '*', '!']) && self.inner != "else"
    }

    /// What in it names helpers and values.
    pub fn scanned(&self) -> Option<&'t str> {
        let closing = self.inner.starts_with(['/', '>', '^', '!']) || self.inner == "else";
        let inner = self.inner.strip_prefix("else ").unwrap_or(self.inner).trim_start_matches('#');
        (self.sort != Sort::Comment && !closing).then_some(inner)
    }

    /// Names that a block gives to its items: `{{#each list as |item|}}`.
    pub fn block_names(&self) -> impl Iterator<Item = &'t str> + use<'t> {
        let names = self.inner.split_once(" as |").and_then(|(_, rest)| rest.split('|').next());
        names.unwrap_or_default().split_whitespace()
    }

    fn word(&self) -> &'t str {
        self.inner[1..]
            .trim_start_matches(['*', '>', ' '])
            .split(|c: char| c.is_whitespace())
            .next()
            .unwrap_or_default()
    }
}

/// All tags of a text in order, comments too.
pub(super) fn all(text: &str) -> Vec<Tag<'_>> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("{{") {
        let start = at + found;
        if text[..start].ends_with('\\') {
            at = start + 2;
            continue;
        }
        let tag = one(text, start);
        at = tag.range.end.max(start + 2);
        out.push(tag);
    }
    out
}

fn one(text: &str, start: usize) -> Tag<'_> {
    let rest = &text[start..];
    let long = ["{{!--", "{{~!--"].iter().any(|b| rest.starts_with(b));
    let comment = long || rest.starts_with("{{!") || rest.starts_with("{{~!");
    let closing = if long { "--}}" } else { "}}" };
    let end = if comment { rest.find(closing).map(|i| i + closing.len()) } else { end_of(rest) };
    let end = match end {
        // `{{{ x }}}` has one brace more.
        Some(end) if rest.starts_with("{{{") && rest[end..].starts_with('}') => Some(end + 1),
        end => end,
    };
    let sort = match end {
        None => Sort::Open,
        Some(_) if comment => Sort::Comment,
        Some(_) => Sort::Normal,
    };
    let end = end.unwrap_or_else(|| rest.lines().next().unwrap_or_default().len()).max(2);
    let inner = rest[..end].trim_start_matches('{').trim_end_matches('}');
    let inner = inner.trim_start_matches(['&', '~']).trim_end_matches('~').trim();
    Tag { range: start..start + end, inner, sort }
}

/// Where the tag at the beginning of a text ends; none if another begins before, or it never ends.
fn end_of(rest: &str) -> Option<usize> {
    let mut quote = None;
    let mut chars = rest.char_indices().skip(2).peekable();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some(_), '\\') => {
                chars.next();
            }
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, _) if rest[at..].starts_with("}}") => return Some(at + 2),
            (None, _) if at > 2 && rest[at..].starts_with("{{") => return None,
            (None, _) => {}
        }
    }
    None
}

/// Whether all tags and blocks of a text are closed. What else can be wrong, the engine finds.
pub(super) fn check(text: &str) -> Result<(), ExpressionError> {
    /// Deepest nesting of blocks and of parentheses: the engine reads them by recursion.
    const DEEPEST: usize = 32;
    let mut open: Vec<(&str, usize)> = Vec::new();
    let fail = |message: String, at: usize| Err(ExpressionError { message, at: Some(at), subject: None });
    let mut raw_until = 0;
    for tag in all(text) {
        let at = tag.range.start;
        if at < raw_until {
            continue;
        }
        match tag.sort {
            Sort::Comment => continue,
            Sort::Open => return fail("this `{{` is not closed by `}}`".to_owned(), at),
            Sort::Normal => {}
        }
        if tag.inner.is_empty() {
            return fail("nothing stands between the braces".to_owned(), at);
        }
        if text[at..].starts_with("{{{{") {
            // A raw block: what it holds is no template.
            let Some(end) = text[at..].find("{{{{/") else {
                return fail("this raw block is not ended by `{{{{/…}}}}`".to_owned(), at);
            };
            raw_until = text[at + end..].find("}}}}").map_or(text.len(), |close| at + end + close + 4);
            continue;
        }
        if tag.inner.trim_start_matches(['#', ' ']).starts_with(['>', '*']) {
            return fail("partials and decorators can't be used: a payload is one file".to_owned(), at);
        }
        if tag.inner.matches('(').count() > DEEPEST || open.len() > DEEPEST {
            return fail(format!("more than {DEEPEST} parentheses or blocks"), at);
        }
        if tag.inner.starts_with('#') || (tag.inner.starts_with('^') && tag.inner.len() > 1) {
            open.push((tag.word(), at));
        } else if tag.inner.starts_with('/') {
            match open.pop() {
                Some((name, _)) if name == tag.word() => {}
                Some((name, _)) => {
                    let word = tag.word();
                    return fail(format!("`{{{{/{word}}}}}` stands where `{{{{/{name}}}}}` is due"), at);
                }
                None => return fail(format!("`{{{{/{}}}}}` ends a block that did not begin", tag.word()), at),
            }
        }
    }
    match open.pop() {
        Some((name, at)) => fail(format!("this block is not ended by `{{{{/{name}}}}}`"), at),
        None => Ok(()),
    }
}

/// The bytes of tag number `number` in a source text, or of a word in it.
pub(super) fn locate(source: &str, number: usize, word: Option<&str>) -> Option<Range<usize>> {
    let range = all(source).get(number)?.range.clone();
    let Some(word) = word else { return Some(range) };
    let joined = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']');
    let slice = &source[range.clone()];
    slice
        .match_indices(word)
        .find(|(at, _)| !slice[..*at].ends_with(joined) && !slice[at + word.len()..].starts_with(joined))
        .map(|(at, _)| range.start + at..range.start + at + word.len())
        .or(Some(range))
}

/// The number of the tag at a byte of a text, or of the last one before it.
pub(super) fn number_at(text: &str, at: usize) -> Option<usize> {
    all(text).iter().rposition(|t| t.range.start <= at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        check(text).unwrap_err().message
    }

    #[test]
    fn tags_are_found_with_quotes_comments_and_three_braces() {
        let text = r#"a {{ join x "}}" }} {{!-- {{ no }} --}} {{{ y }}} \{{ z }}"#;
        let inner: Vec<&str> = all(text).iter().filter(|t| t.sort == Sort::Normal).map(|t| t.inner).collect();
        assert_eq!(inner, [r#"join x "}}""#, "y"]);
    }

    #[test]
    fn what_is_not_closed_is_named() {
        assert_eq!(check("{{#if a}}{{#each b}}{{/each}}{{else}}{{/if}} {{~ c ~}}"), Ok(()));
        assert_eq!(wrong("{{ a"), "this `{{` is not closed by `}}`");
        assert_eq!(wrong("{{ a {{ b }}"), "this `{{` is not closed by `}}`");
        assert_eq!(wrong("{{#if a}}"), "this block is not ended by `{{/if}}`");
        assert_eq!(wrong("{{#if a}}{{/each}}"), "`{{/each}}` stands where `{{/if}}` is due");
        assert_eq!(wrong("{{/if}}"), "`{{/if}}` ends a block that did not begin");
        assert_eq!(wrong("{{ }}"), "nothing stands between the braces");
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_search_panic(text in "[{}~!#/\\\\a\"' あ-]{0,60}") {
            let _ = (check(&text), locate(&text, 1, Some("a")), number_at(&text, 3));
        }
    }
}
