//! `saiken completions`: a script that completes commands in a shell.

use clap::{Args, Command};
use clap_complete::Shell;

use super::{Context, Error, Exit, Format};

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub fn run(cx: &Context, arguments: &Arguments, mut command: Command) -> Result<Exit, Error> {
    cx.forms("completions", &[Format::Text])?;
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "saiken", &mut script);
    cx.shell.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Fine)
}
