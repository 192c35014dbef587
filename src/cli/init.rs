//! `saiken init`: a small working project.

use std::path::Path;

use clap::Args;

use super::{Context, Error, Exit, Format, schema};

/// Arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Write over files that are there
    #[arg(long)]
    force: bool,
}

pub fn run(cx: &Context, arguments: &Arguments) -> Result<Exit, Error> {
    cx.forms("init", &[Format::Text])?;
    let root = &cx.globals.directory;
    let files = [
        ("environments/local.yaml", include_str!("init/environment.yaml").to_owned()),
        ("stacks/network.yaml", include_str!("init/stack.yaml").to_owned()),
        ("schema/environment.json", schema::generate(schema::File::Environment)),
        ("schema/stack.json", schema::generate(schema::File::Stack)),
        ("schema/template.json", schema::generate(schema::File::Template)),
        (".gitignore", ".saiken/\n".to_owned()),
    ];
    let there: Vec<&str> = files.iter().map(|(path, _)| *path).filter(|path| root.join(path).exists()).collect();
    if !there.is_empty() && !arguments.force {
        return Err(Error::failed(format!("there is already {}", there.join(", ")))
            .help("choose another folder with `-C DIR`, or `--force` to write over them"));
    }
    for (path, text) in &files {
        write(&root.join(path), text)?;
        cx.shell.say(&format!("  wrote {path}"));
    }
    cx.shell.say("Next: `saiken plan`, then `saiken apply`.");
    Ok(Exit::Fine)
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |e: std::io::Error| Error::failed(format!("can't write {}", path.display())).because(&e);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(failed)?;
    }
    std::fs::write(path, text).map_err(failed)
}
