//! `saiken schema`

use clap::{Args, ValueEnum};

use super::OK;
use super::error::Failure;
use super::shell::Shell;
use crate::expand::schema;
use crate::providers;

/// Print the JSON Schema of a kind of file, for editors
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Which files
    #[arg(value_enum)]
    file: File,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum File {
    /// stacks/*.yaml
    Stack,
    /// environments/*.yaml
    Environment,
    /// templates/*.yaml
    Template,
}

pub(crate) fn run(arguments: &Arguments, shell: &Shell) -> Result<u8, Failure> {
    let kinds = providers::kinds();
    let value = match arguments.file {
        File::Stack => schema::stack(&kinds),
        File::Environment => schema::environment(),
        File::Template => schema::template(&kinds),
    };
    shell.data(&format!("{value:#}\n"));
    Ok(OK)
}
