//! The one place that prints: data on standard output, talk on standard error. A closed pipe ends output silently.

use std::io::{self, BufRead, IsTerminal, Write};
use std::sync::{Arc, Mutex};

use super::error::Failure;
use super::{Color, Global};
use crate::diagnostic::{self, Diagnostics};
use crate::source::Files;

/// Output and input of a run.
#[derive(Debug, Clone)]
pub(crate) struct Shell {
    /// Whether data may hold colour.
    pub color: bool,
    /// Whether talk may hold colour.
    pub color_talk: bool,
    /// Whether talk goes to a terminal.
    pub interactive: bool,
    lock: Arc<Mutex<()>>,
}

impl Shell {
    /// Looks at the arguments, the terminal and `NO_COLOR` (<https://no-color.org>).
    pub fn new(global: &Global) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let color = |terminal: bool| match global.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && !plain,
        };
        Self {
            color: color(io::stdout().is_terminal()),
            color_talk: color(io::stderr().is_terminal()),
            interactive: io::stderr().is_terminal(),
            lock: Arc::default(),
        }
    }

    /// Columns of the terminal; 100 when there is none.
    pub fn width(&self) -> usize {
        if io::stdout().is_terminal() { textwrap::termwidth().clamp(40, 200) } else { 100 }
    }

    /// Data, as it is.
    pub fn data(&self, text: &str) {
        let _guard = self.lock.lock();
        let mut out = io::stdout().lock();
        // A reader that went away (head, less) is not an error.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }

    /// A line of talk.
    pub fn say(&self, text: &str) {
        let _guard = self.lock.lock();
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Errors and warnings with source excerpts, and their count.
    pub fn diagnostics(&self, diagnostics: &Diagnostics, files: &Files) {
        if diagnostics.is_empty() {
            return;
        }
        let (errors, warnings) = diagnostics.counts();
        let text = diagnostic::render(diagnostics, files, self.color_talk);
        let count = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        let line = match (errors, warnings) {
            (0, w) => count(w, "warning"),
            (e, 0) => count(e, "error"),
            (e, w) => format!("{}, {}", count(e, "error"), count(w, "warning")),
        };
        self.say(&format!("{text}{line}"));
    }

    /// A failure that ends the run.
    pub fn failure(&self, failure: &Failure) {
        let text = failure.to_string();
        if !text.is_empty() {
            self.say(text.trim_end());
        }
    }

    /// Asks for `yes` on a terminal.
    ///
    /// # Errors
    /// If there is no terminal to ask on: then `--yes` must say it.
    pub fn confirm(&self, question: &str) -> Result<bool, Failure> {
        if !io::stdin().is_terminal() {
            return Err(Failure::usage("there is no terminal to ask on").help("look at the plan first, then add --yes"));
        }
        let _guard = self.lock.lock();
        let mut err = io::stderr().lock();
        let _ = write!(err, "{question} Only `yes` is taken: ").and_then(|()| err.flush());
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(answer.trim() == "yes")
    }
}
