//! `saiken validate`: every error of the files, without asking the cloud.

use super::{Context, Error, Exit, Format, pipeline};

pub fn run(cx: &Context) -> Result<Exit, Error> {
    cx.forms("validate", &[Format::Text, Format::Json])?;
    let checked = pipeline::check(cx)?;
    if cx.globals.format == Format::Json {
        cx.shell.data(&format!("{:#}", pipeline::diagnostics_json(&checked.diagnostics, &checked.files)))?;
    } else {
        pipeline::report(cx, &checked.diagnostics, &checked.files);
    }
    if checked.diagnostics.has_errors() {
        return Ok(Exit::Failed);
    }
    if let (Some(desired), Format::Text) = (&checked.desired, cx.globals.format) {
        cx.shell.data(&format!(
            "{}: {} in {} are valid.",
            desired.environment.name,
            counted(desired.resources.len(), "resource"),
            counted(desired.stacks.len(), "stack"),
        ))?;
    }
    Ok(Exit::Fine)
}

/// `1 stack`, `2 stacks`.
pub fn counted(n: usize, word: &str) -> String {
    if n == 1 { format!("1 {word}") } else { format!("{n} {word}s") }
}
