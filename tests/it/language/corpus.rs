//! Nasty files, kept: whatever one holds, the real binary ends soon, with little memory, and with a message or a success. An
//! input that ever broke the reading of stacks or payloads belongs in `tests/corpus`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// The most address space of the process, in KiB, and the longest that it may take.
const MEMORY: u64 = 1_500_000;
const LONGEST: Duration = Duration::from_secs(60);

/// What renders a payload.
pub const USES_PAYLOAD: &str = "stack: s
resources:
  t: { kind: launch_template, image: ami-1, instance_type: t3.small, user_data: { payload: p.hbs, with: { n: [a, b, c] } } }
";

/// The files of a folder of the corpus.
pub fn files(of: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(of);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

fn ends(path: &Path, stack: &[u8], payload: &[u8]) {
    let dir = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("environments/test.yaml", super::ENVIRONMENT.as_bytes()),
        ("stacks/s.yaml", stack),
        ("templates/p.hbs", payload),
    ] {
        let file = dir.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
    let begun = Instant::now();
    let script = format!("ulimit -v {MEMORY} && exec \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_saiken"), "-C"]).arg(dir.path()).arg("validate");
    let output = command.output().unwrap();
    let (said, path) = (String::from_utf8_lossy(&output.stderr).into_owned(), path.display());
    match output.status.code() {
        Some(0) => assert!(!said.contains("error"), "{path}: {said}"),
        Some(1) => assert!(said.starts_with("error: "), "{path}: {said}"),
        other => panic!("{path}: it ended with {other:?}: {said}"),
    }
    assert!(!said.contains("panicked"), "{path}: {said}");
    assert!(begun.elapsed() < LONGEST, "{path} took {:?}", begun.elapsed());
}

#[test]
fn every_stack_of_the_corpus_ends_soon_and_with_little_memory() {
    for (path, bytes) in files("stack") {
        ends(&path, &bytes, b"");
    }
}

#[test]
fn every_payload_of_the_corpus_ends_soon_and_with_little_memory() {
    for (path, bytes) in files("payload") {
        ends(&path, USES_PAYLOAD.as_bytes(), &bytes);
    }
}

#[test]
fn loops_without_end_and_partials_are_told_what_is_wrong_with_them() {
    let said = |payload: &str| super::errors(&[("stacks/s.yaml", USES_PAYLOAD), ("templates/p.hbs", payload)]);
    let rounds = said("{{#each (range 100000)}}{{#each (range 100000)}}{{/each}}{{/each}}");
    assert!(rounds.contains("each: more than 1000000 rounds in one text"), "{rounds}");
    let long = said(
        "{{#each (range 100000)}}0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890{{/each}}",
    );
    assert!(long.contains("the text would be longer than 8 MiB"), "{long}");
    for partial in ["{{> p}}", "{{#*inline \"p\"}}{{> p}}{{/inline}}", "{{{{raw}}}}x{{{{/raw}}}}{{~> p}}"] {
        let said = said(partial);
        assert!(said.contains("partials and decorators can't be used: a payload is one file"), "{partial}: {said}");
    }
}

#[test]
fn loops_give_their_items_indexes_keys_and_names_as_handlebars_does() {
    let payload = "{{#each n}}{{@index}}{{#if @first}}<{{/if}}{{this}}{{#if @last}}>{{/if}}{{/each}}
{{#each n as |item i|}}{{i}}={{item}}{{#each ../n}}{{../this}}{{this}} {{/each}}{{/each}}
{{#each m as |value key|}}{{key}}:{{value.x}},{{@key}} {{/each}}{{#each m}}{{x}}{{/each}}
{{#each empty}}a{{else}}none{{/each}}{{#each (split \"p,q\" \",\")}}{{this}}{{/each}}\n";
    let stack = USES_PAYLOAD.replace("n: [a, b, c]", "n: [a, b], m: {k: {x: 1}, l: {x: 2}}, empty: []");
    let desired = super::desired(&[("stacks/s.yaml", &stack), ("templates/p.hbs", payload)]);
    let template = desired.resources.values().next().unwrap();
    let text = template.spec["user_data"].as_str().unwrap();
    assert_eq!(text, "0<a1b>\n0=aaa ab 1=bba bb \nk:1,k l:2,l 12\nnonepq\n");
}

#[test]
fn a_stack_of_many_resources_is_read_in_proportion() {
    use std::fmt::Write as _;
    let mut stack = "stack: s\nresources:\n  g0: { kind: elastic_ip }\n".to_owned();
    for i in 1..20_000 {
        _ = writeln!(stack, "  g{i}: {{ kind: elastic_ip, depends_on: [g{}] }}", i - 1);
    }
    let begun = Instant::now();
    assert_eq!(super::desired(&[("stacks/s.yaml", &stack)]).resources.len(), 20_000);
    assert!(begun.elapsed() < Duration::from_secs(30), "it took {:?}", begun.elapsed());
}
