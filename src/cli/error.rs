//! Failures at the edge: what is printed, with which exit code.

use std::fmt;

use super::{FAILED, USAGE};
use crate::model::cloud::ApiError;

/// A failure that ends the run.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What went wrong; empty if all has been printed already.
    pub message: String,
    /// Why, from the nearest to the deepest cause.
    pub causes: Vec<String>,
    /// What to do.
    pub help: Option<String>,
    code: u8,
}

impl Failure {
    /// A failure with exit code 1.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), causes: Vec::new(), help: None, code: FAILED }
    }

    /// Wrong usage, with exit code 64.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, ..Self::new(message) }
    }

    /// A failure of which everything has been printed.
    pub fn told() -> Self {
        Self::new("")
    }

    /// Adds a cause with its own causes.
    #[must_use]
    pub fn because(mut self, error: impl std::error::Error) -> Self {
        self.causes.push(error.to_string());
        let mut source = error.source();
        while let Some(error) = source {
            self.causes.push(error.to_string());
            source = error.source();
        }
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        self.code
    }

    /// A failure of the cloud outside the steps of an apply.
    pub fn cloud(what: &str, error: &ApiError) -> Self {
        let mut failure = Self::new(what);
        failure.causes.push(error.to_string());
        if let Some(id) = &error.request_id {
            failure.causes.push(format!("request id {id}"));
        }
        failure.help = error.remedy().map(str::to_owned);
        failure
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            return Ok(());
        }
        writeln!(f, "error: {}", self.message)?;
        for cause in &self.causes {
            writeln!(f, "  because: {cause}")?;
        }
        if let Some(help) = &self.help {
            writeln!(f, "  help: {help}")?;
        }
        Ok(())
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::new("a file can't be read or written").because(error)
    }
}
