//! `saiken completions`

use clap::Args;
use clap_complete::Shell as Target;

use super::error::Failure;
use super::shell::Shell;
use super::{OK, command};

/// Print a completion script
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The shell that it is for
    shell: Target,
}

pub(crate) fn run(arguments: &Arguments, shell: &Shell) -> Result<u8, Failure> {
    let mut out = Vec::new();
    clap_complete::generate(arguments.shell, &mut command(), "saiken", &mut out);
    shell.data(&String::from_utf8_lossy(&out));
    Ok(OK)
}
