//! Whatever a file holds, loading and expanding it ends, with a graph or with a message.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::Project;
use super::corpus::{USES_PAYLOAD, files};
use crate::support::cases;

const STACK: &str = "\
stack: s
parameters:
  zones: { type: list, items: { type: string } }
  count: { type: integer, minimum: 1, default: 2 }
resources:
  main: { kind: vpc, cidr: 10.0.0.0/16, tags: { A: \"{{ upper environment.name }}\" } }
  app:
    kind: subnet
    each: \"{{ zones }}\"
    vpc: main
    zone: \"{{ each.key }}\"
    cidr: \"{{ subnet main.cidr 8 each.index }}\"
    when: \"{{ gt (length zones) 1 }}\"
  routes: { kind: route_table, vpc: main, routes: [], subnets: app, depends_on: [web, app] }
components:
  web:
    template: t
    each: 2
    with: { vpc: main, names: \"{{ keys app }}\" }
    lifecycle: { protect: true }
outputs:
  ids: { value: \"{{#each app}}{{ this.id }}{{#unless @last}}, {{/unless}}{{/each}}\" }
  web: { value: \"{{ web.[0].outputs.gate }}\" }
moved: [{ from: old, to: main }]
forget: [gone]
";

const TEMPLATE: &str = "\
template: t
parameters:
  vpc: { type: reference, kind: vpc }
  names: { type: list, items: string }
resources:
  gate: { kind: internet_gateway, vpc: \"{{ vpc }}\", tags: { N: \"{{ join names '-' }}\" } }
  server: { kind: launch_template, image: ami-1, instance_type: t, user_data: { payload: p.hbs, with: { n: \"{{ names }}\" } } }
outputs:
  gate: { value: \"{{ gate.id }}\" }
";

const PAYLOAD: &str = "{{#each n}}{{ this }}{{/each}} {{ environment.name }}\n";

const WORDS: [&str; 32] = [
    "{{",
    "}}",
    "{",
    "}",
    "[",
    "]",
    "\"",
    "'",
    ":",
    "- ",
    "&a ",
    "*a",
    "#",
    "|\n",
    "\t",
    "\n",
    "each",
    "when",
    "web",
    "app",
    "main",
    "{{ web.[0].outputs.gate }}",
    "{{ app }}",
    "{{ ((((a)))) }}",
    "100000",
    "-1",
    "~",
    "名前",
    "t",
    "vpc",
    "s/main",
    "{{#each app}}",
];

#[derive(Debug, Clone)]
enum Change {
    Remove(usize, usize),
    Insert(usize, usize),
    Repeat(usize),
    Swap(usize, usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let one = prop_oneof![
        (any::<usize>(), 1usize..12).prop_map(|(at, n)| Change::Remove(at, n)),
        (any::<usize>(), 0..WORDS.len()).prop_map(|(at, word)| Change::Insert(at, word)),
        any::<usize>().prop_map(Change::Repeat),
        (any::<usize>(), any::<usize>()).prop_map(|(a, b)| Change::Swap(a, b)),
    ];
    prop::collection::vec(one, 1..6)
}

fn changed(text: &str, changes: &[Change]) -> String {
    let mut text = text.to_owned();
    for change in changes {
        let mut chars: Vec<char> = text.chars().collect();
        let mut lines: Vec<&str> = text.lines().collect();
        let size = chars.len().max(1);
        text = match change {
            Change::Remove(at, n) => {
                let at = at % size;
                chars.drain(at.min(chars.len())..(at + n).min(chars.len()));
                chars.into_iter().collect()
            }
            Change::Insert(at, word) => {
                let at = (at % size).min(chars.len());
                chars.splice(at..at, WORDS[*word].chars());
                chars.into_iter().collect()
            }
            Change::Repeat(line) if !lines.is_empty() => {
                let line = line % lines.len();
                lines.insert(line, lines[line]);
                lines.join("\n")
            }
            Change::Swap(a, b) if !lines.is_empty() => {
                let (a, b) = (a % lines.len(), b % lines.len());
                lines.swap(a, b);
                lines.join("\n")
            }
            Change::Repeat(_) | Change::Swap(..) => text,
        };
    }
    text
}

/// Loads and expands; either there is a graph, or a message says why not.
fn ends(stack: &str, template: &str, payload: &str, environment: &str) {
    let begun = Instant::now();
    let outcome = Project::new(&[
        ("environments/test.yaml", environment),
        ("stacks/s.yaml", stack),
        ("templates/t.yaml", template),
        ("templates/p.hbs", payload),
    ])
    .outcome();
    assert!(outcome.desired.is_some() || outcome.said.contains("error: "), "neither a graph nor an error");
    assert!(!outcome.said.contains("error: \n"), "{}", outcome.said);
    assert!(begun.elapsed() < Duration::from_secs(60), "took {:?}", begun.elapsed());
}

#[test]
fn the_files_that_are_changed_below_are_right() {
    let files = [("stacks/s.yaml", STACK), ("templates/t.yaml", TEMPLATE), ("templates/p.hbs", PAYLOAD)];
    assert_eq!(super::desired(&files).resources.len(), 8);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(64), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_as_a_stack_ends(text in "(?s).{0,200}") {
        ends(&text, TEMPLATE, PAYLOAD, super::ENVIRONMENT);
    }

    #[test]
    fn any_text_as_an_expression_ends(text in "[a-c .()\\[\\]{}#/\"'|@^~!&>-]{0,60}") {
        let stack = format!("stack: s\noutputs:\n  a: {{ value: {} }}\n", serde_json::to_string(&format!("{{{{{text}}}}}")).unwrap());
        ends(&stack, TEMPLATE, &format!("{{{{{text}}}}}"), super::ENVIRONMENT);
    }

    #[test]
    fn a_changed_stack_ends(changes in changes()) {
        ends(&changed(STACK, &changes), TEMPLATE, PAYLOAD, super::ENVIRONMENT);
    }

    #[test]
    fn a_changed_template_or_payload_ends(one in changes(), two in changes()) {
        ends(STACK, &changed(TEMPLATE, &one), &changed(PAYLOAD, &two), super::ENVIRONMENT);
    }

    #[test]
    fn a_changed_file_of_the_corpus_ends(pick in any::<prop::sample::Index>(), changes in changes()) {
        let all = [files("stack"), files("payload")].concat();
        let (path, bytes) = &all[pick.index(all.len())];
        let text = changed(&String::from_utf8_lossy(bytes), &changes);
        match path.extension().is_some_and(|e| e == "hbs") {
            true => ends(USES_PAYLOAD, TEMPLATE, &text, super::ENVIRONMENT),
            false => ends(&text, TEMPLATE, PAYLOAD, super::ENVIRONMENT),
        }
    }

    #[test]
    fn a_changed_environment_ends(changes in changes()) {
        ends(STACK, TEMPLATE, PAYLOAD, &changed(&format!("{}parameters: {{ s: {{ count: 3 }} }}\n", super::ENVIRONMENT), &changes));
    }
}

#[test]
fn repetitions_of_repetitions_are_stopped() {
    let template = "template: t\ncomponents:\n  a: { template: u, each: 500 }\n";
    let files = [
        ("templates/t.yaml", template),
        ("templates/u.yaml", "template: u\nresources:\n  ip: { kind: elastic_ip, each: 500 }\n"),
        ("stacks/s.yaml", "stack: s\ncomponents:\n  a: { template: t, each: 500 }\n"),
    ];
    let said = super::errors(&files);
    insta::assert_snapshot!(said, @r"
    error: the files ask for more than 200000 resources
     --> templates/u.yaml:3:3
      |
    3 |   ip: { kind: elastic_ip, each: 500 }
      |   ^^ the limit is reached here
      |
     ::: templates/t.yaml:3:3
      |
    3 |   a: { template: u, each: 500 }
      |   - used here
      |
     ::: stacks/s.yaml:3:3
      |
    3 |   a: { template: t, each: 500 }
      |   - used here
      |
      = help: look for a repetition inside a repetition
    ");
}

#[test]
fn components_in_components_without_end_are_stopped() {
    let text = |n: usize| {
        format!("template: t{n}\ncomponents:\n  a: {{ template: t{} }}\n  b: {{ template: t{} }}\n", n + 1, n + 1)
    };
    let project = Project::new(&[("stacks/s.yaml", "stack: s\ncomponents:\n  a: { template: t0 }\n")]);
    for n in 0..40 {
        project.write(&format!("templates/t{n}.yaml"), text(n));
    }
    project.write("templates/t40.yaml", "template: t40\n");
    assert!(project.outcome().said.contains("error: components are nested more than 32 levels deep"));
}

#[test]
fn nested_parentheses_do_not_end_in_a_crash() {
    let deep = format!("{{{{ {}1{} }}}}", "(add 1 ".repeat(5000), ")".repeat(5000));
    let said = super::errors(&[("stacks/s.yaml", &format!("stack: s\noutputs:\n  a: {{ value: \"{deep}\" }}\n"))]);
    assert!(said.contains("more than 32 parentheses or blocks"), "{}", &said[..200]);
}
