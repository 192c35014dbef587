//! Files that can't be read, and several errors at once.

use super::{Project, errors, errors_of};

/// What is said of a stack `s` of these bytes.
#[track_caller]
fn bytes(bytes: impl AsRef<[u8]>) -> String {
    let project = Project::new(&[]);
    project.write("stacks/s.yaml", bytes);
    let outcome = project.outcome();
    assert!(outcome.desired.is_none(), "no error");
    outcome.said
}

#[test]
fn a_syntax_error_shows_its_place() {
    insta::assert_snapshot!(errors_of("stack: s\nresources:\n  main: { kind: vpc, cidr: 10.0.0.0/16\n  other: 1\n"), @r"
    error: a mapping in `{ }` is not closed
     --> stacks/s.yaml:4:8
      |
    4 |   other: 1
      |        ^ here the file can't be read on
      |
      = help: add `}`, or a `,` between its entries
    ");
}

#[test]
fn a_wrong_indentation_shows_its_place() {
    insta::assert_snapshot!(errors_of("stack: s\nresources:\n  main:\n    kind: vpc\n   cidr: 10.0.0.0/16\n"), @r"
    error: this line does not fit the lines above
     --> stacks/s.yaml:5:4
      |
    5 |    cidr: 10.0.0.0/16
      |    ^ here the file can't be read on
      |
      = help: indent it as its neighbours, and end each key with `:`
    ");
}

#[test]
fn an_expression_without_quotes_is_told_to_be_quoted() {
    insta::assert_snapshot!(errors_of("stack: s\nresources:\n  main:\n    kind: vpc\n    cidr: {{ cidr }}\n"), @r#"
    error: an expression without quotes
     --> stacks/s.yaml:5:11
      |
    5 |     cidr: {{ cidr }}
      |           ^^^^^^^^^^ to YAML this is a mapping in a mapping
      |
      = help: write "{{ cidr }}"
    "#);
}

#[test]
fn a_tab_is_named_as_the_reason() {
    insta::assert_snapshot!(errors_of("stack: s\nresources:\n\tmain: { kind: vpc }\n"), @r"
    error: a tab in the indentation
     --> stacks/s.yaml:3:1
      |
    3 |     main: { kind: vpc }
      | ^^^^ here the file can't be read on
      |
      = help: indent with spaces: YAML does not allow tabs
    ");
}

#[test]
fn a_bomb_is_refused() {
    let mut text = String::from("stack: s\na0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for i in 1..12 {
        let list = vec![format!("*a{}", i - 1); 9].join(", ");
        text.push_str(&format!("a{i}: &a{i} [{list}]\n"));
    }
    insta::assert_snapshot!(bytes(text), @r"
    error: the file holds too much
     --> stacks/s.yaml:8:10
      |
    8 | a6: &a6 [*a5, *a5, *a5, *a5, *a5, *a5, *a5, *a5, *a5]
      |          ^^^ here it exceeds one million values, aliases written out
      |
      = help: split it, or remove aliases of aliases
    ");
}

#[test]
fn a_file_that_is_too_large_is_refused() {
    insta::assert_snapshot!(bytes(" ".repeat((5 << 20) + 1)), @r"
    error: stacks/s.yaml can't be read
     |
     = note: it has 5242881 bytes; the limit is 5242880
     = help: split it
    ");
}

#[test]
fn nesting_that_is_too_deep_is_refused() {
    insta::assert_snapshot!(bytes(format!("stack: s\nx: {}1{}\n", "[".repeat(70), "]".repeat(70))), @r"
    error: nested too deeply
     --> stacks/s.yaml:2:68
      |
    2 | x: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]...
      |                                                                    ^ more than 64 levels
      |
      = help: use templates instead of deep nesting
    ");
}

#[test]
fn a_file_that_is_not_utf_8_names_the_line() {
    insta::assert_snapshot!(bytes(b"stack: s\n# \x83\x4c\x81\x5b\n"), @r"
    error: stacks/s.yaml can't be read
     |
     = note: line 2 is not UTF-8
     = help: save it as UTF-8
    ");
}

#[test]
fn a_file_in_utf_16_is_told_so() {
    insta::assert_snapshot!(bytes(b"\xff\xfes\0t\0a\0c\0k\0:\0 \0s\0\n\0"), @r"
    error: stacks/s.yaml can't be read
     |
     = note: it is UTF-16
     = help: save it as UTF-8
    ");
}

#[test]
fn a_byte_order_mark_is_no_error() {
    let project = Project::new(&[]);
    project.write("stacks/s.yaml", b"\xef\xbb\xbfstack: s\n");
    assert_eq!(project.outcome().said, "");
}

#[test]
fn a_reserved_character_is_shown() {
    insta::assert_snapshot!(errors_of("stack: s\ndescription: \"a\u{e000}b\"\n"), @r#"
    error: a reserved character
     --> stacks/s.yaml:2:16
      |
    2 | description: "ab"
      |                ^ U+E000 to U+E002 are used for values known after apply
      |
      = help: remove it
    "#);
}

#[test]
fn an_empty_file_is_told_so() {
    insta::assert_snapshot!(errors_of("# nothing yet\n"), @r"
    error: the file is empty
     --> stacks/s.yaml:1:1
      |
    1 | # nothing yet
      | ^ nothing but comments stands here
      |
      = help: write a mapping, or remove the file
    ");
}

#[test]
fn a_second_document_is_refused() {
    insta::assert_snapshot!(errors_of("stack: s\n---\nstack: t\n"), @r"
    error: a second document
     --> stacks/s.yaml:2:1
      |
    2 | ---
      | ^^^ only one document may stand in a file
      |
      = help: make two files
    ");
}

#[test]
fn a_file_that_is_no_mapping_is_told_so() {
    insta::assert_snapshot!(errors_of("- a\n- b\n"), @r"
    error: a stack must be a mapping
     --> stacks/s.yaml:1:3
      |
    1 | - a
      |   ^ this is a list
      |
      = help: write `name: value` lines, or `{ name: value }`
    ");
}

#[test]
fn a_broken_stack_is_one_error_and_not_one_for_each_use_of_it() {
    let said = errors(&[
        (
            "environments/test.yaml",
            &format!("{}parameters: {{ network: {{ cidr: 10.0.0.0/16 }} }}\n", super::ENVIRONMENT),
        ),
        ("stacks/network.yaml", "stack: network\nresources: { main: \n"),
        (
            "stacks/servers.yaml",
            "stack: servers\nresources:\n  gate: { kind: internet_gateway, vpc: network/main, tags: { N: \"{{ network.main.id }}\" } }\n",
        ),
    ]);
    insta::assert_snapshot!(said, @r"
    error: a mapping in `{ }` is not closed
     --> stacks/network.yaml:2:12
      |
    2 | resources: { main: 
      |            ^ here the file can't be read on
      |
      = help: add `}`, or a `,` between its entries
    ");
}

#[test]
fn a_broken_template_or_payload_is_one_error_and_not_one_for_each_use_of_it() {
    let project = Project::new(&[
        ("templates/web.yaml", "template: web\nresources: [\n"),
        (
            "stacks/s.yaml",
            "stack: s\ncomponents:\n  a: { template: web }\n  b: { template: web }\nresources:\n  t: { kind: launch_template, image: ami-12345678, instance_type: t4g.micro, user_data: { payload: boot.hbs } }\noutputs:\n  id: { value: \"{{ a.group.id }}\" }\n",
        ),
    ]);
    project.write("templates/boot.hbs", b"\xff\xfea\0");
    insta::assert_snapshot!(project.outcome().said, @r"
    error: a list in `[ ]` is not closed
     --> templates/web.yaml:2:12
      |
    2 | resources: [
      |            ^ here the file can't be read on
      |
      = help: add `]`, or a `,` between its items
    error: templates/boot.hbs can't be read
     |
     = note: it is UTF-16
     = help: save it as UTF-8
    ");
}

#[test]
fn several_errors_of_several_files_are_reported_together() {
    let said = errors(&[
        ("environments/test.yaml", &format!("{}zone: x\n", super::ENVIRONMENT)),
        ("stacks/a.yaml", "stack: a\nresources:\n  x: { kind: vpc }\n  y: { kind: elastic_pi }\n"),
        ("stacks/b.yaml", "stack: b\nresources:\n  z: { knd: vpc }\n"),
        ("stacks/c.yaml", "stack: c\nresources: [\n"),
        ("templates/t.yaml", "template: u\n"),
    ]);
    insta::assert_snapshot!(said, @r"
    error: unknown field `zone`
     --> environments/test.yaml:5:1
      |
    5 | zone: x
      | ^^^^ an environment has no such field
      |
      = help: did you mean `zones`?
    error: unknown field `knd`
     --> stacks/b.yaml:3:8
      |
    3 |   z: { knd: vpc }
      |        ^^^ a resource has no such field, and needs `kind`
      |
      = help: did you mean `kind`?
    error: a list in `[ ]` is not closed
     --> stacks/c.yaml:2:12
      |
    2 | resources: [
      |            ^ here the file can't be read on
      |
      = help: add `]`, or a `,` between its items
    error: the template is named `u`, its file `t.yaml`
     --> templates/t.yaml:1:11
      |
    1 | template: u
      |           ^ must be `t`
      |
      = help: rename one of them
    error: `cidr` is missing
     --> stacks/a.yaml:3:3
      |
    3 |   x: { kind: vpc }
      |   ^ kind `vpc` needs it: IPv4 range, /16 to /28
      |
      = help: add `cidr: …`
    error: unknown kind `elastic_pi`
     --> stacks/a.yaml:4:14
      |
    4 |   y: { kind: elastic_pi }
      |              ^^^^^^^^^^ no such kind
      |
      = help: did you mean `elastic_ip`?
    ");
}

#[test]
fn a_file_with_the_other_ending_is_not_passed_over_in_silence() {
    let said = errors(&[("stacks/s.yaml", "stack: s\n"), ("stacks/network.yml", "stack: network\n")]);
    insta::assert_snapshot!(said, @r"
    error: stacks/network.yml would not be read
     |
     = note: the files of a project end in .yaml
     = help: rename it to network.yaml, or put it elsewhere
    ");
}

#[test]
fn files_cannot_be_named_as_no_address_could_hold() {
    let said = errors(&[
        ("stacks/my stack.yaml", "stack: my stack\n"),
        ("stacks/all.yaml", "stack: all\noutputs: { a.b: { value: 1 } }\n"),
    ]);
    insta::assert_snapshot!(said, @r"
    error: `all` can't be the name of a stack
     --> stacks/all.yaml:1:8
      |
    1 | stack: all
      |        ^^^ in environments, `all` stands for every stack
      |
      = help: choose another name
    error: `a.b` can't be a name
     --> stacks/all.yaml:2:12
      |
    2 | outputs: { a.b: { value: 1 } }
      |            ^^^ letters of any script, digits, `_` and `-`, a letter or `_` first
      |
      = help: choose another name
    error: `my stack` can't be a name
     --> stacks/my stack.yaml:1:8
      |
    1 | stack: my stack
      |        ^^^^^^^^ letters of any script, digits, `_` and `-`, a letter or `_` first
      |
      = help: choose another name
    ");
}

#[test]
fn a_merge_key_of_old_yaml_is_told_what_to_use_instead() {
    let said = errors_of("stack: s\nresources:\n  a: &a { kind: elastic_ip, tags: { T: x } }\n  b: { <<: *a }\n");
    insta::assert_snapshot!(said, @r"
    error: `<<` does not merge mappings
     --> stacks/s.yaml:4:8
      |
    4 |   b: { <<: *a }
      |        ^^ YAML 1.2 has no such key
      |
      = help: write the entries out, or use a template
    ");
}
