//! What was checked before the first write, for people.

use std::fmt::Write as _;

use crate::model::preflight::{Finding, Preflight};

/// Most addresses of one finding that are named.
const NAMED: usize = 6;

/// Lines for a terminal, each finding with what to do; empty if there is nothing to say.
pub fn text(preflight: &Preflight, width: usize) -> String {
    let mut out = String::new();
    if preflight.is_empty() {
        return out;
    }
    out.push_str("Before the first write\n");
    let mut wrapped = |indent: &str, text: &str| {
        let options = textwrap::Options::new(width.max(40))
            .initial_indent(indent)
            .subsequent_indent("      ")
            // Addresses and ids stay whole.
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        for line in textwrap::wrap(text, options) {
            let _ = writeln!(out, "{line}");
        }
    };
    for finding in &preflight.findings {
        wrapped("  ", &format!("{}  {}: {}", sign(finding), finding.check.word(), finding.message));
        wrapped("      ", &addresses(finding));
        wrapped("      ", &format!("help: {}", finding.help));
    }
    for what in &preflight.unchecked {
        wrapped("  ", &format!("not checked: {what}"));
    }
    out
}

/// A section of a page.
pub fn markdown(preflight: &Preflight) -> String {
    let mut out = String::new();
    if preflight.is_empty() {
        return out;
    }
    out.push_str("\n### Before the first write\n\n");
    for finding in &preflight.findings {
        let (check, message) = (finding.check.word(), super::markdown::escape(&finding.message));
        let (named, help) = (super::markdown::escape(&addresses(finding)), super::markdown::escape(&finding.help));
        let _ = writeln!(out, "- **{}** {check}: {message} ({named}); {help}", sign(finding));
    }
    for what in &preflight.unchecked {
        let _ = writeln!(out, "- not checked: {}", super::markdown::escape(what));
    }
    out
}

fn sign(finding: &Finding) -> &'static str {
    if finding.blocks { "fails" } else { "may fail" }
}

fn addresses(finding: &Finding) -> String {
    let mut named: Vec<&str> = finding.addresses.iter().take(NAMED).map(|a| a.as_str()).collect();
    let more = format!("and {} more", finding.addresses.len().saturating_sub(NAMED));
    if finding.addresses.len() > NAMED {
        named.push(&more);
    }
    named.join(", ")
}
