//! What is generated is as committed, and every verb explains itself.

use super::{Sandbox, repository};

#[test]
fn every_verb_explains_itself_and_stands_in_the_reference() {
    let reference = std::fs::read_to_string(repository().join("docs/cli.md")).unwrap();
    let all = Sandbox::empty().run(&["--help"]).code(0).out;
    let (_, listed) = all.split_once("Commands:\n").unwrap();
    let verbs: Vec<&str> =
        listed.lines().take_while(|l| !l.is_empty()).filter_map(|l| l.split_whitespace().next()).collect();
    assert!(verbs.contains(&"announce") && verbs.contains(&"completions"), "{verbs:?}");
    for verb in verbs.into_iter().filter(|verb| *verb != "help") {
        let help = Sandbox::empty().run(&[verb, "--help"]).code(0).out;
        assert!(help.contains("Usage: saiken") && help.lines().next().is_some_and(|l| l.len() > 10), "{verb}:\n{help}");
        assert!(reference.contains(&format!("| `{verb}")), "docs/cli.md lacks {verb}");
    }
    assert!(all.contains("Exit codes"));
    assert!(Sandbox::empty().run(&["--version"]).code(0).out.starts_with("saiken 0."));
}

#[track_caller]
fn is_as_generated(path: &str, arguments: &[&str]) {
    let generated = Sandbox::empty().run(arguments).code(0).out;
    let committed = std::fs::read_to_string(repository().join(path)).unwrap_or_default();
    assert!(committed == generated, "{path} is out of date: run `cargo run -- {} > {path}`", arguments.join(" "));
}

#[test]
fn the_page_of_kinds_is_as_generated() {
    is_as_generated("docs/kinds.md", &["kinds", "--format", "markdown"]);
}

#[test]
fn the_schemas_are_as_generated() {
    for file in ["stack", "environment", "template"] {
        is_as_generated(&format!("docs/schema/{file}.json"), &["schema", file]);
    }
}

#[test]
fn a_kind_is_explained_and_an_unknown_one_has_a_nearest() {
    let text = Sandbox::empty().run(&["kinds", "subnet"]).code(0).out;
    assert!(text.contains("ec2:CreateSubnet"), "{text}");
    let wrong = Sandbox::empty().run(&["kinds", "subent"]).code(64);
    assert_eq!(wrong.err, "error: there is no kind `subent`\n  help: did you mean `subnet`?\n");
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(Sandbox::empty().run(&["completions", shell]).code(0).out.contains("saiken"), "{shell}");
    }
}

#[test]
fn every_file_names_its_schema_in_its_first_line() {
    for (folder, file) in [("stacks", "stack"), ("environments", "environment"), ("templates", "template")] {
        for entry in std::fs::read_dir(repository().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|e| e != "yaml") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let first = text.lines().next().unwrap_or_default();
            let wanted = format!("# yaml-language-server: $schema=../docs/schema/{file}.json");
            assert_eq!(first, wanted, "{}", path.display());
        }
    }
}

#[test]
fn the_example_of_a_new_kind_is_the_one_that_compiles() {
    let page = std::fs::read_to_string(repository().join("docs/adding-a-kind.md")).unwrap();
    let file = std::fs::read_to_string(repository().join("src/providers/aws/ec2/placement_group.rs")).unwrap();
    let example = page.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next());
    assert!(example == Some(file.as_str()), "copy src/providers/aws/ec2/placement_group.rs into docs/adding-a-kind.md");
}
