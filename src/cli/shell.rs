//! The only place that prints: data on stdout, talk on stderr.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use anstream::{AutoStream, ColorChoice};

use super::Color;
use super::error::Error;

/// Where output goes and how it may look.
#[derive(Debug, Clone, Copy)]
pub struct Shell {
    /// Colour on stdout.
    pub color: bool,
    /// Colour on stderr.
    pub color_err: bool,
    /// Whether stderr is a terminal, for progress that moves.
    pub live: bool,
    /// Columns for text.
    pub width: usize,
}

impl Shell {
    /// Looks at the terminal. `NO_COLOR` and its like count for `auto`.
    pub fn new(color: Color) -> Self {
        let wanted = |auto: ColorChoice| match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => auto != ColorChoice::Never,
        };
        let width = if io::stdout().is_terminal() { textwrap::termwidth() } else { 120 };
        Self {
            color: wanted(AutoStream::choice(&io::stdout())),
            color_err: wanted(AutoStream::choice(&io::stderr())),
            live: io::stderr().is_terminal(),
            width: width.clamp(60, 200),
        }
    }

    /// Writes data to stdout. A reader that has gone away is no error.
    ///
    /// # Errors
    /// Any other failure, such as a full disk.
    pub fn data(&self, text: &str) -> Result<(), Error> {
        let mut out = io::stdout().lock();
        let written = out
            .write_all(text.as_bytes())
            .and_then(|()| if text.ends_with('\n') { Ok(()) } else { out.write_all(b"\n") })
            .and_then(|()| out.flush());
        match written {
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e.into()),
            _ => Ok(()),
        }
    }

    /// Writes talk to stderr: progress, warnings, errors. If that fails there is nobody to tell.
    pub fn say(&self, text: &str) {
        let mut err = io::stderr().lock();
        let _ = err.write_all(text.as_bytes());
        if !text.ends_with('\n') {
            let _ = err.write_all(b"\n");
        }
    }

    /// Asks for a `yes`; everything else is a no.
    ///
    /// # Errors
    /// Without a terminal there is nobody to ask.
    pub fn confirm(&self, question: &str) -> Result<bool, Error> {
        if !io::stdin().is_terminal() {
            return Err(Error::failed("nobody can be asked: there is no terminal")
                .help("look at `saiken plan` first, then add `--yes`"));
        }
        let mut err = io::stderr().lock();
        write!(err, "{question} Only `yes` goes on: ")?;
        err.flush()?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line)?;
        Ok(line.trim() == "yes")
    }

    /// Emphasises on stderr.
    pub fn strong(&self, text: &str) -> String {
        if self.color_err { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
    }
}
