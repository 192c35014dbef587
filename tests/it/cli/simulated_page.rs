//! `docs/simulated.md` is true: its tables are those of the settings, its examples work, no command is missing.

use saiken::simulated::{Fault, Settings};
use serde_json::Value;

use super::{Sandbox, repository};

fn page() -> String {
    std::fs::read_to_string(repository().join("docs/simulated.md")).unwrap()
}

/// The part under a heading, up to the next heading of any level.
fn section(heading: &str) -> String {
    let page = page();
    let part = page.split_once(&format!("{heading}\n")).unwrap_or_else(|| panic!("no {heading}")).1;
    part.split("\n#").next().unwrap().to_owned()
}

/// Rows of a table without its header.
fn rows(text: &str) -> Vec<String> {
    text.lines().filter(|l| l.starts_with("| `")).map(str::to_owned).collect()
}

fn described(schema: &Value) -> &str {
    schema["description"].as_str().unwrap()
}

#[test]
fn the_settings_and_their_defaults_are_those_of_the_code() {
    let schema = schemars::schema_for!(Settings).to_value();
    let fields = schema["properties"].as_object().unwrap();
    let expected: Vec<String> =
        fields.iter().map(|(name, f)| format!("| `{name}` | `{}` | {} |", f["default"], described(f))).collect();
    assert_eq!(rows(&section("## Settings")), expected);
}

#[test]
fn the_faults_are_those_of_the_code() {
    let schema = schemars::schema_for!(Fault).to_value();
    let text = section("### Faults");
    let fields = schema["properties"].as_object().unwrap();
    let expected: Vec<String> = fields.iter().map(|(name, f)| format!("| `{name}` | {} |", described(f))).collect();
    assert_eq!(rows(&text), expected);
    let values = |name: &str| -> Vec<String> {
        let all = schema["$defs"][name]["oneOf"].as_array().unwrap();
        all.iter().map(|v| format!("- `{}`: {}", v["const"].as_str().unwrap(), described(v))).collect()
    };
    let listed: Vec<&str> = text.lines().filter(|l| l.starts_with("- `")).collect();
    assert_eq!(listed, [values("FaultCall"), values("FaultWhat")].concat());
}

#[test]
fn every_command_has_an_example() {
    let help = Sandbox::empty().run(&["simulate", "--help"]).code(0).out;
    let commands = help.split_once("Commands:\n").unwrap().1.split("\n\n").next().unwrap();
    let verbs: Vec<&str> =
        commands.lines().filter_map(|l| l.split_whitespace().next()).filter(|v| *v != "help").collect();
    assert!(verbs.len() > 10, "{verbs:?}");
    let examples = section("## Commands");
    for verb in verbs {
        assert!(examples.contains(&format!("saiken -e local simulate {verb}")), "{verb}");
    }
}

#[cfg(unix)]
#[test]
fn every_example_works_as_it_stands() {
    let sandbox = Sandbox::reference();
    let mut script = format!("saiken() {{ '{}' \"$@\"; }}\n", env!("CARGO_BIN_EXE_saiken"));
    let page = page();
    // Every second part lies between fences.
    for block in page.split("```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').unwrap();
        match language {
            "sh" => script.push_str(text),
            "yaml" => {
                let path = text.lines().next().unwrap().trim_start_matches("# ");
                sandbox.write(path, text);
            }
            other => panic!("a block of {other}"),
        }
    }
    let run = std::process::Command::new("sh")
        .args(["-euxc", &script])
        .current_dir(sandbox.path("."))
        .env_remove("SAIKEN_ENVIRONMENT")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{text}");
    assert!(text.contains("+ n=1"), "the flaky interface never failed:\n{text}");
}
