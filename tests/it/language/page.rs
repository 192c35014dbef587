//! docs/language.md says nothing that is not so.

use saiken::config;
use saiken::diagnostic::{Diagnostics, render};
use saiken::source::Files;

use super::{Project, expand};
use crate::support::repository;

fn page() -> String {
    std::fs::read_to_string(repository().join("docs/language.md")).unwrap()
}

/// The fenced blocks of the page: language and text.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let mut parts = page.split("\n```").skip(1);
    let mut out = Vec::new();
    while let (Some(block), Some(_)) = (parts.next(), parts.next()) {
        out.push(block.split_once('\n').unwrap());
    }
    out
}

/// The project that the examples make whose first line names a file.
fn project(page: &str) -> Project {
    let project = Project::new(&[]);
    let mut files = 0;
    for (_, text) in blocks(page) {
        let (first, rest) = text.split_once('\n').unwrap();
        if let Some(path) = first.strip_prefix("# ").filter(|p| p.contains('/')) {
            project.write(path, rest);
            files += 1;
        }
    }
    assert!(files >= 6, "{files} files");
    project
}

#[test]
fn the_examples_make_a_project_without_errors_and_warnings() {
    let page = page();
    let outcome = expand(project(&page).root(), "tokyo");
    assert_eq!(outcome.said, "");
    let desired = outcome.desired.unwrap();
    let addresses: Vec<&str> = desired.resources.keys().map(|a| a.as_str()).collect();
    insta::assert_snapshot!(addresses.join("\n"), @r"
    network/app:ap-northeast-1a
    network/app:ap-northeast-1c
    network/internet
    network/main
    web/address
    web/front.group:ap-northeast-1a
    web/front.group:ap-northeast-1c
    web/front.server:ap-northeast-1a
    web/front.server:ap-northeast-1c
    ");
    assert_eq!(desired.secrets, ["not-a-real-token"]);
}

#[test]
fn the_other_examples_are_yaml_and_their_parameters_and_resources_are_right() {
    let page = page();
    for (language, text) in blocks(&page) {
        if language != "yaml" || text.starts_with("# ") {
            continue;
        }
        let mut files = Files::default();
        let file = files.add("example", text);
        let mut diagnostics = Diagnostics::default();
        let node = config::parse(file, text, &mut diagnostics);
        let node = node.unwrap_or_else(|| panic!("{}\n{text}", render(&diagnostics, &files, false)));
        if node.get("resources").is_some() {
            let said = Project::new(&[("stacks/s.yaml", &format!("stack: s\n{text}"))]).outcome().said;
            assert_eq!(said, "", "{text}");
        } else {
            // All of them have no value, and nothing else is wrong with them.
            let said = Project::new(&[("stacks/s.yaml", &format!("stack: s\n{text}"))]).outcome().said;
            let errors = said.matches("error: ").count();
            assert!(errors > 0 && said.matches("has no value").count() == errors, "{said}");
        }
    }
}

#[test]
fn every_row_of_the_table_of_helpers_is_true() {
    let page = page();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|l| l.starts_with("| `") && l.contains("| `{{"))
        .map(|l| l.trim_matches('|').split(" | ").map(|c| c.trim().trim_matches('`')).collect())
        .collect();
    assert_eq!(rows.len(), 32);
    let mut stack = "stack: check\noutputs:\n".to_owned();
    for (n, row) in rows.iter().enumerate() {
        let quoted = serde_json::to_string(row[2]).unwrap();
        stack.push_str(&format!("  row{n}: {{ value: {quoted} }}\n"));
    }
    let project = project(&page);
    project.write("stacks/check.yaml", stack);
    let outcome = expand(project.root(), "tokyo");
    assert_eq!(outcome.said, "");
    let desired = outcome.desired.unwrap();
    for (n, row) in rows.iter().enumerate() {
        let value = &desired.outputs["check"][&format!("row{n}")].value;
        assert_eq!(saiken::model::value::plain(value), row[3], "{}", row[2]);
        let helper = row[0].split(' ').next().unwrap();
        assert!(row[2].contains(helper), "{} is no example of {helper}", row[2]);
    }
}
