//! The one edge at which errors become text and exit codes.

use std::fmt::Write as _;
use std::process::ExitCode;

use crate::model::cloud::ApiError;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: fine.
    Fine,
    /// 1: something failed; it has been said.
    Failed,
    /// 2: changes or drift were found, where that was asked for.
    Found,
    /// 64: wrong usage.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Fine => 0,
            Exit::Failed => 1,
            Exit::Found => 2,
            Exit::Usage => 64,
        })
    }
}

/// An error on its way to the user: what failed, why (the whole chain), and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// How the command ends.
    pub exit: Exit,
    summary: String,
    causes: Vec<String>,
    help: Option<String>,
}

impl Error {
    /// Something failed.
    pub fn failed(summary: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, summary: summary.into(), causes: Vec::new(), help: None }
    }

    /// The command line asks for something that can't be.
    pub fn usage(summary: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::failed(summary) }
    }

    /// Adds the cause with all of its own causes.
    #[must_use]
    pub fn because(mut self, cause: &dyn std::error::Error) -> Self {
        let mut next = Some(cause);
        while let Some(cause) = next {
            let text = cause.to_string();
            if self.causes.last() != Some(&text) {
                self.causes.push(text);
            }
            next = cause.source();
        }
        self
    }

    /// Adds one line of detail.
    #[must_use]
    pub fn detail(mut self, line: impl Into<String>) -> Self {
        self.causes.push(line.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What the cloud answered, with its request id and a remedy.
    #[must_use]
    pub fn api(mut self, error: &ApiError) -> Self {
        self.causes.push(error.to_string());
        if let Some(id) = &error.request_id {
            self.causes.push(format!("request id {id}"));
        }
        self.help = self.help.or_else(|| error.remedy().map(str::to_owned));
        self
    }

    /// The text for stderr.
    pub fn render(&self, color: bool) -> String {
        let (red, cyan, off) = if color { ("\x1b[1;31m", "\x1b[1;36m", "\x1b[0m") } else { ("", "", "") };
        let mut out = format!("{red}error{off}: {}\n", self.summary);
        for cause in &self.causes {
            let _ = writeln!(out, "  {}", cause.replace('\n', "\n  "));
        }
        if let Some(help) = &self.help {
            let _ = writeln!(out, "  {cyan}help{off}: {help}");
        }
        out
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::failed("can't write").because(&error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cloud::ErrorClass;

    #[test]
    fn an_api_error_shows_operation_code_request_id_and_remedy() {
        let api = ApiError {
            operation: "ec2:CreateVpc".into(),
            class: ErrorClass::QuotaExceeded,
            code: Some("VpcLimitExceeded".into()),
            message: "The maximum number of VPCs has been reached.".into(),
            request_id: Some("r-1".into()),
        };
        assert_eq!(
            Error::failed("network/main was not created").api(&api).render(false),
            "error: network/main was not created\n  ec2:CreateVpc: The maximum number of VPCs has been reached. \
             (VpcLimitExceeded)\n  request id r-1\n  help: ask for a higher quota, or remove what is not used\n"
        );
    }

    #[test]
    fn the_chain_is_shown_once() {
        let io = std::io::Error::new(std::io::ErrorKind::NotFound, "no such file");
        let error = Error::failed("can't read the plan").because(&io);
        assert_eq!(error.render(false), "error: can't read the plan\n  no such file\n");
        assert_eq!(error.exit, Exit::Failed);
    }
}
