//! `saiken init`

use std::path::{Path, PathBuf};

use clap::Args;

use super::error::Failure;
use super::shell::Shell;
use super::{Global, OK};

/// Make a small working project
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Its folder [default: the one of -C]
    folder: Option<PathBuf>,
}

/// The files of a new project.
const FILES: [(&str, &str); 4] = [
    ("environments/local.yaml", include_str!("init/local.yaml")),
    ("stacks/network.yaml", include_str!("init/network.yaml")),
    ("templates/zone.yaml", include_str!("init/zone.yaml")),
    (".gitignore", "/.saiken\n*.plan.json\n"),
];

pub(crate) fn run(arguments: &Arguments, global: &Global, shell: &Shell) -> Result<u8, Failure> {
    let root = arguments.folder.as_deref().unwrap_or(&global.directory);
    let there: Vec<&str> = FILES.iter().map(|(path, _)| *path).filter(|p| root.join(p).exists()).collect();
    if !there.is_empty() {
        return Err(Failure::new(format!("{} already holds {}", root.display(), there.join(", ")))
            .help("choose another folder; nothing was written"));
    }
    for (path, text) in FILES {
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
