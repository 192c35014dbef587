//! Diagnostics: what is wrong, where, why, and what to do.
//!
//! Stages push into [`Diagnostics`] and go on, so that one run reports every error. The command-line edge prints them
//! once, through [`render`].
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeSet;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use unicode_width::UnicodeWidthStr;

use crate::source::{Files, Span};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The run can't go on after the present stage.
    Error,
    /// The run goes on; the user should look.
    Warning,
}

/// One message to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, one line, no full stop.
    pub summary: String,
    /// Where, with a few words under the marked text. The first is the main place; further ones (in any file) show
    /// where it comes from.
    pub labels: Vec<(Span, String)>,
    /// Why it is wrong (the rule and where it comes from).
    pub note: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(summary: impl Into<String>) -> Self {
        Self { severity: Severity::Error, summary: summary.into(), labels: Vec::new(), note: None, help: None }
    }

    /// A warning without a place.
    pub fn warning(summary: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(summary) }
    }

    /// Marks a place.
    #[must_use]
    pub fn at(mut self, span: Span, label: impl Into<String>) -> Self {
        self.labels.push((span, label.into()));
        self
    }

    /// Says why.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// All messages of a run, in the order in which they were found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    all: Vec<Diagnostic>,
    /// Whether there were more than are kept.
    cut: bool,
    /// Texts that no message shows, not in its excerpts either.
    secrets: BTreeSet<String>,
}

/// Most errors and most warnings that are kept: nobody reads more, and a repetition can give any number.
const MOST: usize = 100;

/// Shortest secret that is masked: a shorter one would stand in every other word.
const SHORTEST_SECRET: usize = 4;

impl Diagnostics {
    /// Adds one; a message already present is not repeated, and after 100 they are only noted as more.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.all.iter().filter(|d| d.severity == diagnostic.severity).count() >= MOST {
            self.cut = true;
        } else if !self.all.contains(&diagnostic) {
            self.all.push(diagnostic);
        }
    }

    /// Whether there are so many errors that it is not worth looking for more; a note then says that there may be.
    pub fn is_full(&mut self) -> bool {
        let full = self.counts().0 >= MOST;
        self.cut |= full;
        full
    }

    /// Whether an error is among them.
    pub fn has_errors(&self) -> bool {
        self.all.iter().any(|d| d.severity == Severity::Error)
    }

    /// How many errors and warnings.
    pub fn counts(&self) -> (usize, usize) {
        let errors = self.all.iter().filter(|d| d.severity == Severity::Error).count();
        (errors, self.all.len() - errors)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.all.iter()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// Puts them in the order of their places: file by file, from top to bottom; those without a place come last.
    pub fn sort(&mut self) {
        self.all.sort_by_key(|d| d.labels.first().map_or((u32::MAX, 0), |(span, _)| (span.file.0, span.start)));
    }

    /// Takes all of `other` in.
    pub fn extend(&mut self, other: Diagnostics) {
        for diagnostic in other.all {
            self.push(diagnostic);
        }
        self.cut |= other.cut;
        self.secrets.extend(other.secrets);
    }

    /// A text that no message may show, such as the value of a sensitive parameter.
    pub fn hide(&mut self, secret: &str) {
        let lines = secret.lines().map(str::trim).filter(|l| l.chars().count() >= SHORTEST_SECRET);
        self.secrets.extend(lines.map(str::to_owned));
    }

    /// Stars in the place of secrets, as wide as they are, so that marks stay below what they mark.
    fn masked(&self, text: String) -> String {
        let mut secrets: Vec<&str> = self.secrets.iter().map(String::as_str).collect();
        secrets.sort_by_key(|s| std::cmp::Reverse(s.len()));
        secrets.into_iter().fold(text, |text, s| match text.contains(s) {
            true => text.replace(s, &"*".repeat(s.width())),
            false => text,
        })
    }
}

/// Renders all messages, with source excerpts; ANSI colour only where asked.
pub fn render(diagnostics: &Diagnostics, files: &Files, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for diagnostic in diagnostics.iter() {
        out.push_str(&renderer.render(&groups(diagnostic, files)));
        out.push_str("\n\n");
    }
    if diagnostics.cut {
        out.push_str("There are more messages like these; correct the first ones, and run it again.\n\n");
    }
    diagnostics.masked(out)
}

fn groups<'a>(diagnostic: &'a Diagnostic, files: &'a Files) -> Vec<Group<'a>> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.summary.as_str());
    let mut group = Group::with_title(title);
    let mut order: Vec<crate::source::FileId> = Vec::new();
    for (span, _) in &diagnostic.labels {
        if !order.contains(&span.file) {
            order.push(span.file);
        }
    }
    let main = diagnostic.labels.first().map(|(span, _)| *span);
    for id in order {
        let file = files.get(id);
        let mut snippet = Snippet::source(&*file.text).path(&*file.path);
        for (span, label) in diagnostic.labels.iter().filter(|(span, _)| span.file == id) {
            let kind = if Some(*span) == main { AnnotationKind::Primary } else { AnnotationKind::Context };
            let end = span.range().end.min(file.text.len());
            let start = span.range().start.min(end);
            let annotation = kind.span(start..end);
            snippet = snippet.annotation(if label.is_empty() { annotation } else { annotation.label(label.as_str()) });
        }
        group = group.element(snippet);
    }
    if let Some(note) = &diagnostic.note {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    vec![group]
}

/// The candidate nearest to what was typed, if one is near enough to be worth a hint.
pub fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let size = typed.chars().count();
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = candidate.chars().count();
            // Of two letters, one wrong makes another word.
            let most = (size.max(other) / 3).max(usize::from(size.max(other) > 2));
            // The distance is at least the difference in length, which is quicker to tell.
            let distance = (size.abs_diff(other) <= most).then(|| strsim::damerau_levenshtein(typed, candidate))?;
            (distance <= most).then_some((distance, candidate))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// "did you mean `x`?", or the list of what is there if that is short.
pub fn suggestion<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let candidates: Vec<&str> = candidates.into_iter().collect();
    if let Some(near) = nearest(typed, candidates.iter().copied()) {
        return Some(format!("did you mean `{near}`?"));
    }
    match candidates.len() {
        0 => None,
        1..=12 => Some(format!("there is: {}", candidates.join(", "))),
        n => Some(format!("there are {n}, among them: {}", candidates[..12].join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shows_place_reason_and_remedy_with_japanese_columns() {
        let mut files = Files::default();
        let id = files.add("stacks/a.yaml", "名前: { vpc: mian }\n");
        let mut all = Diagnostics::default();
        all.push(
            Diagnostic::error("unknown vpc `mian`")
                .at(Span::new(id, 15..19), "no such resource")
                .note("a reference names a resource of this stack")
                .help("did you mean `main`?"),
        );
        assert_eq!(
            render(&all, &files, false),
            "error: unknown vpc `mian`\n --> stacks/a.yaml:1:12\n  |\n1 | 名前: { vpc: mian }\n  |              ^^^^ no such resource\n  |\n  \
             = note: a reference names a resource of this stack\n  = help: did you mean `main`?\n\n"
        );
    }

    #[test]
    fn a_secret_is_masked_in_the_message_and_in_the_excerpt() {
        let mut files = Files::default();
        let id = files.add("environments/a.yaml", "{ 鍵: 秘密です, count: 12 }\n");
        let mut all = Diagnostics::default();
        all.hide("秘密です");
        all.push(Diagnostic::error("not 秘密です").at(Span::new(id, 30..32), "this is `12`"));
        let rendered = render(&all, &files, false);
        assert!(rendered.contains("not ********") && rendered.contains("{ 鍵: ********, count: 12 }"), "{rendered}");
    }

    #[test]
    fn any_number_of_messages_is_cut_to_what_people_read() {
        let mut all = Diagnostics::default();
        (0..700).for_each(|_| all.push(Diagnostic::warning("same")));
        (0..700).for_each(|n| all.push(Diagnostic::warning(format!("warning {n}"))));
        (0..700).for_each(|n| all.push(Diagnostic::error(format!("error {n}"))));
        assert_eq!(all.counts(), (100, 100));
        assert!(render(&all, &Files::default(), false).contains("There are more messages like these"));
    }

    #[test]
    fn the_nearest_name_is_offered_only_when_near() {
        assert_eq!(nearest("subent", ["subnet", "vpc"]), Some("subnet"));
        assert_eq!(nearest("zzz", ["subnet", "vpc"]), None);
    }
}
