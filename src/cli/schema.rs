//! `saiken schema`: JSON Schemas of the files, for editors.

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::{Context, Error, Exit, Format};
use crate::{config, providers};

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The kind of file
    #[arg(value_enum)]
    file: File,
}

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum File {
    /// stacks/*.yaml
    Stack,
    /// environments/*.yaml
    Environment,
    /// templates/*.yaml
    Template,
}

/// The schema of a kind of file, as pretty JSON with a newline at the end: what `docs/schema/` holds.
pub fn generate(file: File) -> String {
    let kinds = providers::kinds();
    let schema: Value = match file {
        File::Stack => config::schema::stack(&kinds),
        File::Environment => config::schema::environment(),
        File::Template => config::schema::template(&kinds),
    };
    format!("{schema:#}\n")
}

pub fn run(cx: &Context, arguments: &Arguments) -> Result<Exit, Error> {
    cx.forms("schema", &[Format::Text, Format::Json])?;
    cx.shell.data(&generate(arguments.file))?;
    Ok(Exit::Fine)
}
