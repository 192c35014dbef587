//! Mistakes in expressions and payloads.

use super::{errors, errors_of};

#[track_caller]
fn tag(expression: &str) -> String {
    errors_of(&format!(
        "stack: s\nresources:\n  ip: {{ kind: elastic_ip }}\n  many: {{ kind: elastic_ip, each: [a, b] }}\n  x:\n    kind: elastic_ip\n    tags:\n      T: {expression}\n"
    ))
}

#[test]
fn an_unknown_name_has_the_nearest() {
    insta::assert_snapshot!(tag("\"{{ enviroment.name }}\""), @r#"
    error: unknown name `enviroment`
     --> stacks/s.yaml:8:14
      |
    8 |       T: "{{ enviroment.name }}"
      |              ^^^^^^^^^^^^^^^ no such name here
      |
      = help: did you mean `environment`?
    "#);
}

#[test]
fn a_part_of_a_known_name_that_is_not_there_has_the_nearest() {
    insta::assert_snapshot!(tag("\"{{ environment.regoin }}\""), @r#"
    error: `environment` has no `regoin`
     --> stacks/s.yaml:8:14
      |
    8 |       T: "{{ environment.regoin }}"
      |              ^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `region`?
    "#);
}

#[test]
fn an_unknown_attribute_has_the_nearest() {
    insta::assert_snapshot!(tag("\"{{ ip.publicip }}\""), @r#"
    error: kind `elastic_ip` has no attribute `publicip`
     --> stacks/s.yaml:8:14
      |
    8 |       T: "{{ ip.publicip }}"
      |              ^^^^^^^^^^^ no such attribute
      |
      = help: did you mean `public_ip`?
    "#);
}

#[test]
fn a_repeated_name_asks_for_a_key() {
    insta::assert_snapshot!(tag("\"{{ many.public_ip }}\""), @r#"
    error: `many` has no key `public_ip`
     --> stacks/s.yaml:8:14
      |
    8 |       T: "{{ many.public_ip }}"
      |              ^^^^^^^^^^^^^^
      |
      = help: `many` is repeated: name one, such as `many.[a].public_ip`
    "#);
}

#[test]
fn each_means_nothing_without_a_repetition() {
    insta::assert_snapshot!(tag("\"{{ each.key }}\""), @r#"
    error: `each` means nothing here
     --> stacks/s.yaml:8:14
      |
    8 |       T: "{{ each.key }}"
      |              ^^^^^^^^ not in a repetition
      |
      = help: it is there only in resources and components with `each`
    "#);
}

#[test]
fn an_unknown_helper_has_the_nearest() {
    insta::assert_snapshot!(tag("\"{{ uper environment.name }}\""), @r#"
    error: unknown helper `uper`
     --> stacks/s.yaml:8:14
      |
    8 |       T: "{{ uper environment.name }}"
      |              ^^^^ no such helper
      |
      = help: did you mean `upper`?
    "#);
}

#[test]
fn a_syntax_error_is_shown_on_its_own_line() {
    let said = errors_of(
        "stack: s\nresources:\n  x:\n    kind: elastic_ip\n    tags:\n      T: |\n        one\n        {{#if environment.name}}\n        {{ upper environment.name\n        {{/if}}\n",
    );
    insta::assert_snapshot!(said, @r"
    error: the expression can't be evaluated
     --> stacks/s.yaml:9:9
      |
    9 |         {{ upper environment.name
      |         ^^^^^^^^^^^^^^^^^^^^^^^^^ this `{{` is not closed by `}}`
      |
      = help: docs/language.md shows how expressions are written
    ");
}

#[test]
fn an_expression_that_is_not_closed_is_told_so() {
    insta::assert_snapshot!(tag("\"{{ environment.name\""), @r#"
    error: the expression can't be evaluated
     --> stacks/s.yaml:8:11
      |
    8 |       T: "{{ environment.name"
      |           ^^^^^^^^^^^^^^^^^^^^ this `{{` is not closed by `}}`
      |
      = help: docs/language.md shows how expressions are written
    "#);
}

#[test]
fn a_block_that_is_not_closed_is_told_so() {
    insta::assert_snapshot!(tag("\"{{#if environment.name}}x\""), @r#"
    error: the expression can't be evaluated
     --> stacks/s.yaml:8:11
      |
    8 |       T: "{{#if environment.name}}x"
      |           ^^^^^^^^^^^^^^^^^^^^^^^^ this block is not ended by `{{/if}}`
      |
      = help: docs/language.md shows how expressions are written
    "#);
}

#[test]
fn an_evaluation_error_says_which_helper_and_which_value() {
    insta::assert_snapshot!(tag("\"{{ subnet environment.region 8 0 }}\""), @r#"
    error: the expression can't be evaluated
     --> stacks/s.yaml:8:11
      |
    8 |       T: "{{ subnet environment.region 8 0 }}"
      |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ subnet: `ap-northeast-1` is not an address range
      |
      = help: write `{{ subnet range bits number }}`
    "#);
}

#[test]
fn an_evaluation_error_in_a_long_text_is_shown_on_its_own_line() {
    let said = errors_of(
        "stack: s\nresources:\n  x:\n    kind: elastic_ip\n    tags:\n      T: |\n        one\n        two {{ host \"10.0.0.0/30\" 9 }}\n",
    );
    insta::assert_snapshot!(said, @r#"
    error: the expression can't be evaluated
     --> stacks/s.yaml:8:13
      |
    8 |         two {{ host "10.0.0.0/30" 9 }}
      |             ^^^^^^^^^^^^^^^^^^^^^^^^^^ host: `10.0.0.0/30` has no address number 9
      |
      = help: write `{{ host range number }}`
    "#);
}

#[test]
fn a_value_not_known_before_apply_can_only_be_placed_in_text() {
    insta::assert_snapshot!(tag("\"{{ upper ip.public_ip }}\""), @r#"
    error: `ip.public_ip` is not known before apply, and `upper` can't work on it
     --> stacks/s.yaml:8:20
      |
    8 |       T: "{{ upper ip.public_ip }}"
      |                    ^^^^^^^^^^^^ known only after apply
      |
      = help: place it in the text as it is
    "#);
}

#[test]
fn an_expression_of_the_wrong_type_shows_what_it_gives() {
    let said = errors_of(
        "stack: s\nresources:\n  disk: { kind: volume, zone: ap-northeast-1a, size: 8GiB, iops: \"{{ environment.region }}\" }\n  b: { kind: volume, zone: \"{{ environment.zones }}\", size: 8GiB }\n",
    );
    insta::assert_snapshot!(said, @r#"
    error: `iops` must be a whole number from 100 to 256000
     --> stacks/s.yaml:3:66
      |
    3 |   disk: { kind: volume, zone: ap-northeast-1a, size: 8GiB, iops: "{{ environment.region }}" }
      |                                                                  ^^^^^^^^^^^^^^^^^^^^^^^^^^ this is `ap-northeast-1`
      |
      = help: write a whole number in this range
    error: `zone` must be a text
     --> stacks/s.yaml:4:28
      |
    4 |   b: { kind: volume, zone: "{{ environment.zones }}", size: 8GiB }
      |                            ^^^^^^^^^^^^^^^^^^^^^^^^^ this is `["ap-northeast-1a","ap-northeast-1c"]`
      |
      = help: write a single text
    "#);
}

const SERVER: &str = "stack: s\nresources:\n  a:\n    kind: launch_template\n    image: ami-12345678\n    instance_type: t4g.micro\n    user_data: { payload: boot/init.sh.hbs, with: { port: 80 } }\n";

#[test]
fn a_missing_payload_has_the_nearest() {
    let said = errors(&[("stacks/s.yaml", SERVER), ("templates/boot/init.hbs", "x"), ("templates/other.hbs", "x")]);
    insta::assert_snapshot!(said, @r"
    error: there is no payload `boot/init.sh.hbs`
     --> stacks/s.yaml:7:27
      |
    7 |     user_data: { payload: boot/init.sh.hbs, with: { port: 80 } }
      |                           ^^^^^^^^^^^^^^^^ no such file in templates/
      |
      = help: did you mean `boot/init.hbs`?
    ");
}

#[test]
fn a_syntax_error_in_a_payload_shows_its_own_line_and_the_use() {
    let said =
        errors(&[("stacks/s.yaml", SERVER), ("templates/boot/init.sh.hbs", "#!/bin/sh\nset -e\necho {{#if port}\n")]);
    insta::assert_snapshot!(said, @r"
    error: the payload can't be rendered
     --> templates/boot/init.sh.hbs:3:6
      |
    3 | echo {{#if port}
      |      ^^^^^^^^^^^ this `{{` is not closed by `}}`
      |
     ::: stacks/s.yaml:7:27
      |
    7 |     user_data: { payload: boot/init.sh.hbs, with: { port: 80 } }
      |                           ---------------- used here
      |
      = help: a payload sees the names given in `with`, and `environment`
    ");
}

#[test]
fn an_unknown_name_in_a_payload_shows_its_own_line_and_the_use() {
    let said =
        errors(&[("stacks/s.yaml", SERVER), ("templates/boot/init.sh.hbs", "#!/bin/sh\nset -e\necho {{ prot }}\n")]);
    insta::assert_snapshot!(said, @r"
    error: the payload can't be rendered
     --> templates/boot/init.sh.hbs:3:9
      |
    3 | echo {{ prot }}
      |         ^^^^ there is no `prot`
      |
     ::: stacks/s.yaml:7:27
      |
    7 |     user_data: { payload: boot/init.sh.hbs, with: { port: 80 } }
      |                           ---------------- used here
      |
      = help: did you mean `port`?
    ");
}

#[test]
fn an_evaluation_error_in_a_payload_of_a_component_shows_all_three_places() {
    let template = SERVER.replace("stack: s", "template: web");
    let said = errors(&[
        ("templates/web.yaml", template.as_str()),
        ("stacks/s.yaml", "stack: s\ncomponents:\n  front: { template: web }\n"),
        ("templates/boot/init.sh.hbs", "#!/bin/sh\necho {{ join port \",\" }}\n"),
    ]);
    insta::assert_snapshot!(said, @r#"
    error: the payload can't be rendered
     --> templates/boot/init.sh.hbs:2:6
      |
    2 | echo {{ join port "," }}
      |      ^^^^^^^^^^^^^^^^^^^ join: value 1 must be a list, and is 80
      |
     ::: templates/web.yaml:7:27
      |
    7 |     user_data: { payload: boot/init.sh.hbs, with: { port: 80 } }
      |                           ---------------- used here
      |
     ::: stacks/s.yaml:3:3
      |
    3 |   front: { template: web }
      |   ----- used here
      |
      = help: write `{{ join list separator }}`
    "#);
}

#[test]
fn a_value_not_known_before_apply_is_refused_by_helpers_in_payloads_too() {
    let said = errors(&[
        (
            "stacks/s.yaml",
            &format!("{}  ip: {{ kind: elastic_ip }}\n", SERVER.replace("port: 80", "port: \"{{ ip.public_ip }}\"")),
        ),
        ("templates/boot/init.sh.hbs", "#!/bin/sh\necho {{ upper port }}\n"),
    ]);
    insta::assert_snapshot!(said, @r#"
    error: the payload can't be rendered
     --> templates/boot/init.sh.hbs:2:6
      |
    2 | echo {{ upper port }}
      |      ^^^^^^^^^^^^^^^^ `port` is not known before apply, and `upper` can't work on it
      |
     ::: stacks/s.yaml:7:27
      |
    7 |     user_data: { payload: boot/init.sh.hbs, with: { port: "{{ ip.public_ip }}" } }
      |                           ---------------- used here
      |
      = help: write `{{ upper text }}`
    "#);
}
