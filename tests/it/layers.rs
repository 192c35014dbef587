//! The layers of the library, as the table in `src/lib.rs` says: imports point downward only.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Layer of each top-level module.
fn layers() -> BTreeMap<&'static str, u8> {
    BTreeMap::from([
        ("source", 1),
        ("diagnostic", 1),
        ("model", 1),
        ("config", 2),
        ("graph", 2),
        ("expand", 3),
        ("plan", 3),
        ("guard", 3),
        ("render", 3),
        ("inventory", 4),
        ("execute", 4),
        ("providers", 5),
        ("simulated", 5),
        ("cli", 6),
    ])
}

/// Modules that touch no clock, environment, file, socket or task; `config::load` is the one edge among them.
const PURE: [&str; 9] = ["source", "diagnostic", "model", "config", "graph", "expand", "plan", "guard", "render"];

fn sources() -> Vec<(String, PathBuf, String)> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                out.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files.sort();
    files
        .into_iter()
        .filter_map(|path| {
            let relative = path.strip_prefix(&root).unwrap();
            let first = relative.components().next().unwrap().as_os_str().to_str().unwrap();
            let module = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            (module != "lib" && module != "main").then_some((module, path, text))
        })
        .collect()
}

/// The part of a file before its tests.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

#[test]
fn imports_point_downward_only() {
    let layers = layers();
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        let own = *layers.get(module.as_str()).unwrap_or_else(|| panic!("{module} has no layer: add it to the table"));
        for (line, code) in product(&text).lines().enumerate() {
            if code.trim_start().starts_with("//") {
                continue;
            }
            for used in code.split("crate::").skip(1) {
                let name: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if let Some(layer) = layers.get(name.as_str())
                    && name != module
                    && *layer >= own
                    && !(own == 1 && *layer == 1)
                {
                    wrong.push(format!("{}:{}: {module} uses {name}", path.display(), line + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports that point upward or sideways:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_providers_see_the_sdk() {
    let wrong: Vec<String> = sources()
        .into_iter()
        .filter(|(module, _, text)| module != "providers" && text.contains("aws_"))
        .filter(|(_, _, text)| {
            product(text).lines().any(|l| l.trim_start().starts_with("use aws_") || l.contains("aws_sdk"))
        })
        .map(|(_, path, _)| path.display().to_string())
        .collect();
    assert!(wrong.is_empty(), "the SDK is used outside the providers: {wrong:?}");
}

#[test]
fn pure_modules_forbid_clock_files_and_network() {
    let mut wrong = Vec::new();
    for (module, path, text) in sources() {
        if !PURE.contains(&module.as_str()) || path.ends_with("config/load.rs") || path.ends_with("model/cloud.rs") {
            continue;
        }
        let root = path.ends_with("mod.rs") || path.ends_with(format!("{module}.rs"));
        let denies = text.contains("deny(clippy::disallowed_methods, clippy::disallowed_types)");
        let forbidden = product(&text).contains("tokio::") || product(&text).contains("std::fs");
        if (root && !denies && module != "model" && module != "config") || forbidden {
            wrong.push(path.display().to_string());
        }
    }
    assert!(wrong.is_empty(), "not held to purity: {wrong:?}");
}
