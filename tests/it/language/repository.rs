//! The project's own files, against the schemas that editors use.

use std::path::PathBuf;

use saiken::config;
use saiken::diagnostic::{Diagnostics, render};
use saiken::source::Files;
use serde_json::Value;

use crate::support::repository;

/// The YAML files of a folder and the schema of their sort.
fn files_and_schema(folder: &str, sort: &str) -> (Vec<PathBuf>, Value) {
    let entries = std::fs::read_dir(repository().join(folder)).unwrap().map(|e| e.unwrap().path());
    let files: Vec<PathBuf> = entries.filter(|p| p.extension().is_some_and(|e| e == "yaml")).collect();
    assert!(!files.is_empty(), "{folder}/ holds no file");
    let schema = std::fs::read_to_string(repository().join(format!("docs/schema/{sort}.json"))).unwrap();
    (files, serde_json::from_str(&schema).unwrap())
}

/// A file as JSON, by the reader that saiken itself uses.
fn json(path: &str, text: &str) -> Value {
    let mut files = Files::default();
    let file = files.add(path, text);
    let mut diagnostics = Diagnostics::default();
    let node = config::parse(file, text, &mut diagnostics);
    node.unwrap_or_else(|| panic!("{}", render(&diagnostics, &files, false))).untyped()
}

fn check(folder: &str, sort: &str) {
    let (files, schema) = files_and_schema(folder, sort);
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    for path in files {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap_or_default();
        assert_eq!(first, format!("# yaml-language-server: $schema=../docs/schema/{sort}.json"), "{name}");
        let value = json(&name, &text);
        let errors: Vec<String> = validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path)).collect();
        assert!(errors.is_empty(), "{name}\n{}", errors.join("\n"));
    }
}

#[test]
fn the_stacks_fit_their_schema() {
    check("stacks", "stack");
}

#[test]
fn the_templates_fit_their_schema() {
    check("templates", "template");
}

#[test]
fn the_environments_fit_their_schema() {
    check("environments", "environment");
}

#[test]
fn the_schemas_refuse_what_saiken_refuses() {
    let wrong = [
        ("stack", "stack: s\nresource: {}\n"),
        ("stack", "description: no name\n"),
        ("stack", "stack: s\nresources: { a: { kind: vpc } }\n"),
        ("stack", "stack: s\nresources: { a: { kind: vcp, cidr: 10.0.0.0/16 } }\n"),
        ("stack", "stack: s\nresources: { a: { kind: vpc, cidr: 10.0.0.0/16, colour: red } }\n"),
        ("stack", "stack: s\nresources: { a: { kind: volume, zone: a, iops: 99 } }\n"),
        ("stack", "stack: s\nparameters: { a: { type: text } }\n"),
        ("template", "template: t\nmoved: []\n"),
        ("environment", "project: shop\nprovider: azure\n"),
        ("environment", "acount: \"123456789012\"\n"),
    ];
    for (sort, text) in wrong {
        let schema = std::fs::read_to_string(repository().join(format!("docs/schema/{sort}.json"))).unwrap();
        let validator = jsonschema::draft202012::new(&serde_json::from_str(&schema).unwrap()).unwrap();
        assert!(!validator.is_valid(&json(sort, text)), "{text}");
    }
}
