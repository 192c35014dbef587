//! `saiken init`

use std::path::{Path, PathBuf};

use clap::Args;

use super::error::Failure;
use super::shell::Shell;
use super::{Global, OK};
use crate::expand::schema;
use crate::providers;

/// Make a small working project
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Its folder [default: the one of -C]
    folder: Option<PathBuf>,
}

/// The files of a new project: small ones that work, and the schemas that they name, for editors.
fn files() -> [(&'static str, String); 7] {
    let kinds = providers::kinds();
    let json = |value: serde_json::Value| format!("{value:#}\n");
    [
        ("environments/local.yaml", include_str!("init/local.yaml").to_owned()),
        ("stacks/network.yaml", include_str!("init/network.yaml").to_owned()),
        ("templates/zone.yaml", include_str!("init/zone.yaml").to_owned()),
        ("schema/environment.json", json(schema::environment())),
        ("schema/stack.json", json(schema::stack(&kinds))),
        ("schema/template.json", json(schema::template(&kinds))),
        (".gitignore", "/.saiken\n*.plan.json\n".to_owned()),
    ]
}

pub(crate) fn run(arguments: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let root = arguments.folder.as_deref().unwrap_or(&global.directory);
    let files = files();
    let there: Vec<&str> = files.iter().map(|(path, _)| *path).filter(|p| root.join(p).exists()).collect();
    if !there.is_empty() {
        return Err(Failure::new(format!("{} already holds {}", root.display(), there.join(", ")))
            .help("choose another folder; nothing was written"));
    }
    for (path, text) in &files {
        write(&root.join(path), text)?;
        shell.say(&format!("wrote {}", root.join(path).display()));
    }
    let place = if root == Path::new(".") { String::new() } else { format!(" -C {}", root.display()) };
    shell.say(&format!("\nNow try:  saiken{place} plan\n          saiken{place} apply"));
    Ok(OK)
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let fail = |e| Failure::new(format!("{} can't be written", path.display())).because(e);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(fail)?;
    }
    std::fs::write(path, text).map_err(fail)
}
