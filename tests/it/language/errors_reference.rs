//! Mistakes in references, repetition, conditions and components.

use super::{ENVIRONMENT, errors, errors_of};

const NETWORK: &str = "stack: s\nresources:\n  main: { kind: vpc, cidr: 10.0.0.0/16 }\n";

#[test]
fn an_unknown_reference_has_the_nearest_of_the_kind() {
    let said = errors_of(&format!(
        "{NETWORK}  maim: {{ kind: internet_gateway, vpc: main }}\n  a: {{ kind: subnet, vpc: mian, zone: ap-northeast-1a, cidr: 10.0.0.0/24 }}\n"
    ));
    insta::assert_snapshot!(said, @r"
    error: unknown vpc `mian`
     --> stacks/s.yaml:5:27
      |
    5 |   a: { kind: subnet, vpc: mian, zone: ap-northeast-1a, cidr: 10.0.0.0/24 }
      |                           ^^^^ not declared here
      |
      = help: did you mean `main`?
    ");
}

#[test]
fn a_reference_of_the_wrong_kind_names_both_kinds() {
    let said = errors_of(&format!(
        "{NETWORK}  gate: {{ kind: internet_gateway, vpc: main }}\n  a: {{ kind: subnet, vpc: gate, zone: ap-northeast-1a, cidr: 10.0.0.0/24 }}\n"
    ));
    insta::assert_snapshot!(said, @r"
    error: `gate` is of kind `internet_gateway`, and kind `vpc` is wanted
     --> stacks/s.yaml:5:27
      |
    5 |   a: { kind: subnet, vpc: gate, zone: ap-northeast-1a, cidr: 10.0.0.0/24 }
      |                           ^^^^ not of kind `vpc`
      |
      = help: there is: main
    ");
}

#[test]
fn a_reference_into_another_region_is_refused_but_where_a_field_takes_one() {
    let regions = format!("{ENVIRONMENT}regions: {{ copies: ap-northeast-3 }}\n");
    let stack = "stack: s\nresources:\n  near: { kind: key }\n  disk: { kind: volume, zone: ap-northeast-3a, size: 1GiB, region: copies, key: near }\n  far: { kind: backup_vault, region: copies }\n  plan: { kind: backup_plan, rules: { daily: { vault: here, schedule: rate(1 day), copies: [{ vault: far }] } } }\n  here: { kind: backup_vault }\n";
    let said = errors(&[("environments/test.yaml", &regions), ("stacks/s.yaml", stack)]);
    insta::assert_snapshot!(said, @r"
    error: s/disk is in ap-northeast-3 and uses s/near, which is in ap-northeast-1
     --> stacks/s.yaml:4:3
      |
    4 |   disk: { kind: volume, zone: ap-northeast-3a, size: 1GiB, region: copies, key: near }
      |   ^^^^ in ap-northeast-3
      |
      = help: give both the same `region`, or use one that is there
    ");
}

#[test]
fn a_reference_to_another_stack_is_checked_in_all_its_parts() {
    let said = errors(&[
        ("stacks/s.yaml", NETWORK),
        (
            "stacks/t.yaml",
            "stack: t\nresources:\n  a: { kind: subnet, vpc: z/main, zone: ap-northeast-1a, cidr: 10.0.0.0/24 }\n  b: { kind: subnet, vpc: s/mian, zone: ap-northeast-1a, cidr: 10.0.1.0/24 }\n",
        ),
    ]);
    insta::assert_snapshot!(said, @r"
    error: there is no stack `z`
     --> stacks/t.yaml:3:27
      |
    3 |   a: { kind: subnet, vpc: z/main, zone: ap-northeast-1a, cidr: 10.0.0.0/24 }
      |                           ^^^^^^ no such stack
      |
      = help: there is: s, t
    error: unknown vpc `s/mian`
     --> stacks/t.yaml:4:27
      |
    4 |   b: { kind: subnet, vpc: s/mian, zone: ap-northeast-1a, cidr: 10.0.1.0/24 }
      |                           ^^^^^^ not in stack `s`
      |
      = help: did you mean `s/main`?
    ");
}

#[test]
fn a_key_that_is_not_there_has_the_nearest() {
    let said = errors_of(&format!(
        "{NETWORK}  app:\n    kind: subnet\n    each: [a, c]\n    vpc: main\n    zone: \"ap-northeast-1{{{{ each.key }}}}\"\n    cidr: \"{{{{ subnet '10.0.0.0/16' 8 each.index }}}}\"\n  ip: {{ kind: elastic_ip }}\n  nat: {{ kind: nat_gateway, subnet: \"app:b\", elastic_ip: ip }}\n  one: {{ kind: nat_gateway, subnet: app, elastic_ip: ip }}\n"
    ));
    insta::assert_snapshot!(said, @r#"
    error: `app` has no key `b`
      --> stacks/s.yaml:11:37
       |
    11 |   nat: { kind: nat_gateway, subnet: "app:b", elastic_ip: ip }
       |                                     ^^^^^^^ no such key
       |
       = help: there is: a, c
    error: `app` is repeated, and one is wanted
      --> stacks/s.yaml:12:37
       |
    12 |   one: { kind: nat_gateway, subnet: app, elastic_ip: ip }
       |                                     ^^^ stands for 2
       |
       = help: name one of them, such as `app:a`
    "#);
}

#[test]
fn a_circle_of_references_is_named_whole() {
    let said = errors_of(
        "stack: s\nresources:\n  a: { kind: elastic_ip, depends_on: b }\n  b: { kind: elastic_ip, depends_on: c }\n  c: { kind: elastic_ip, depends_on: a }\n",
    );
    insta::assert_snapshot!(said, @r"
    error: references form a circle: s/a → s/b → s/c → s/a
     --> stacks/s.yaml:3:3
      |
    3 |   a: { kind: elastic_ip, depends_on: b }
      |   ^ needs s/b
    4 |   b: { kind: elastic_ip, depends_on: c }
      |   - needs s/c
    5 |   c: { kind: elastic_ip, depends_on: a }
      |   - needs s/a
      |
      = note: each of them must be there before the next
      = help: remove one of the references
    ");
}

#[test]
fn a_resource_that_needs_itself_is_told_so() {
    let said = errors_of("stack: s\nresources:\n  a: { kind: elastic_ip, tags: { Self: \"{{ a.id }}\" } }\n");
    insta::assert_snapshot!(said, @r#"
    error: s/a refers to itself
     --> stacks/s.yaml:3:3
      |
    3 |   a: { kind: elastic_ip, tags: { Self: "{{ a.id }}" } }
      |   ^ this resource
      |
      = help: remove the reference
    "#);
}

#[test]
fn stacks_that_need_each_other_are_named_whole() {
    let said = errors(&[
        (
            "stacks/a.yaml",
            "stack: a\nresources:\n  x: { kind: elastic_ip }\n  y: { kind: elastic_ip, depends_on: b/x }\n",
        ),
        (
            "stacks/b.yaml",
            "stack: b\nresources:\n  x: { kind: elastic_ip }\n  y: { kind: elastic_ip, depends_on: a/x }\n",
        ),
    ]);
    insta::assert_snapshot!(said, @r"
    error: stacks refer to each other: a → b → a
     --> stacks/a.yaml:4:3
      |
    4 |   y: { kind: elastic_ip, depends_on: b/x }
      |   ^ needs b/x
      |
     ::: stacks/b.yaml:4:3
      |
    4 |   y: { kind: elastic_ip, depends_on: a/x }
      |   - needs a/x
      |
      = note: stacks are applied one after the other, so their references may not form a circle
      = help: move the resources between the stacks
    ");
}

#[test]
fn a_circle_through_two_stacks_is_reported_once() {
    let said = errors(&[
        ("stacks/a.yaml", "stack: a\nresources:\n  x: { kind: elastic_ip, depends_on: b/x }\n"),
        ("stacks/b.yaml", "stack: b\nresources:\n  x: { kind: elastic_ip, depends_on: a/x }\n"),
    ]);
    insta::assert_snapshot!(said, @r"
    error: references form a circle: a/x → b/x → a/x
     --> stacks/a.yaml:3:3
      |
    3 |   x: { kind: elastic_ip, depends_on: b/x }
      |   ^ needs b/x
      |
     ::: stacks/b.yaml:3:3
      |
    3 |   x: { kind: elastic_ip, depends_on: a/x }
      |   - needs a/x
      |
      = note: each of them must be there before the next
      = help: remove one of the references
    ");
}

#[test]
fn a_mapping_that_names_nothing_is_told_the_forms() {
    let said = errors_of("stack: s\nresources:\n  a: { kind: internet_gateway, vpc: { name: main } }\n");
    insta::assert_snapshot!(said, @r"
    error: this mapping does not name an object of kind `vpc`
     --> stacks/s.yaml:3:37
      |
    3 |   a: { kind: internet_gateway, vpc: { name: main } }
      |                                     ^^^^^^^^^^^^^^ it must have `id` or `tags`, and nothing else
      |
      = help: write the name of a resource, `{ id: … }`, or `{ tags: { … } }`
    ");
}

#[test]
fn a_reference_to_what_its_condition_leaves_out_says_so() {
    let said = errors_of(
        "stack: s\nresources:\n  main: { kind: vpc, cidr: 10.0.0.0/16, when: \"{{ eq environment.name 'production' }}\" }\n  a: { kind: internet_gateway, vpc: main }\n",
    );
    insta::assert_snapshot!(said, @r"
    error: `main` is not there: its condition or its repetition gives nothing
     --> stacks/s.yaml:4:37
      |
    4 |   a: { kind: internet_gateway, vpc: main }
      |                                     ^^^^ needs main
      |
      = help: give this one the same `when`
    ");
}

#[test]
fn depends_on_names_what_there_is() {
    let said = errors_of(
        "stack: s\nresources:\n  main: { kind: elastic_ip }\n  b: { kind: elastic_ip, depends_on: [mian] }\n",
    );
    insta::assert_snapshot!(said, @r"
    error: unknown resource `mian`
     --> stacks/s.yaml:4:39
      |
    4 |   b: { kind: elastic_ip, depends_on: [mian] }
      |                                       ^^^^ not declared here
      |
      = help: did you mean `main`?
    ");
}

#[test]
fn a_repetition_is_over_a_list_a_map_or_a_number_and_over_nothing_twice() {
    let said = errors_of(
        "stack: s\nresources:\n  a: { kind: elastic_ip, each: true }\n  b: { kind: elastic_ip, each: [x, x] }\n  c: { kind: elastic_ip, each: [\"a*b\"] }\n  d: { kind: elastic_ip, each: [\"{{ c.id }}\"] }\n",
    );
    insta::assert_snapshot!(said, @r#"
    error: `each` must be a list, a mapping or a number from 0 to 100000
     --> stacks/s.yaml:3:32
      |
    3 |   a: { kind: elastic_ip, each: true }
      |                                ^^^^ this is `true`
      |
      = help: write a list such as `each: [a, b]`
    error: `each` holds `x` twice
     --> stacks/s.yaml:4:32
      |
    4 |   b: { kind: elastic_ip, each: [x, x] }
      |                                ^^^^^^ each key gives one address
      |
      = help: remove one of them
    error: `*` can't stand in an address: letters, digits, spaces and _ . : / = + - @ can
     --> stacks/s.yaml:5:3
      |
    5 |   c: { kind: elastic_ip, each: ["a*b"] }
      |   ^ its address would be `s/c:a*b`
      |
      = help: choose another name or key
    "#);
}

#[test]
fn a_condition_must_be_known_when_the_plan_is_made() {
    let said = errors_of(
        "stack: s\nresources:\n  a: { kind: elastic_ip }\n  b: { kind: elastic_ip, when: \"{{ a.public_ip }}\" }\n  c: { kind: elastic_ip, when: 3 }\n",
    );
    insta::assert_snapshot!(said, @r#"
    error: the condition is not known when the plan is made
     --> stacks/s.yaml:4:32
      |
    4 |   b: { kind: elastic_ip, when: "{{ a.public_ip }}" }
      |                                ^^^^^^^^^^^^^^^^^^^ this is known only after apply
      |
      = help: use parameters and the environment's settings only
    error: `when` must be true or false
     --> stacks/s.yaml:5:32
      |
    5 |   c: { kind: elastic_ip, when: 3 }
      |                                ^ this is `3`
      |
      = help: write `true` or `false`
    "#);
}

#[test]
fn a_missing_template_has_the_nearest_and_its_names_make_no_noise() {
    let said = errors(&[
        ("templates/servers.yaml", "template: servers\n"),
        (
            "stacks/s.yaml",
            "stack: s\ncomponents:\n  web: { template: server, with: { a: 1 } }\noutputs:\n  id: { value: \"{{ web.group.id }}\" }\n",
        ),
    ]);
    insta::assert_snapshot!(said, @r"
    error: there is no template `server`
     --> stacks/s.yaml:3:20
      |
    3 |   web: { template: server, with: { a: 1 } }
      |                    ^^^^^^ no such file in templates/
      |
      = help: did you mean `servers`?
    ");
}

#[test]
fn templates_that_use_each_other_are_named_whole() {
    let said = errors(&[
        ("templates/a.yaml", "template: a\ncomponents:\n  inner: { template: b }\n"),
        ("templates/b.yaml", "template: b\ncomponents:\n  inner: { template: a }\n"),
        ("stacks/s.yaml", "stack: s\ncomponents:\n  web: { template: a }\n"),
    ]);
    insta::assert_snapshot!(said, @r"
    error: templates use each other: a → b → a
     --> templates/b.yaml:3:22
      |
    3 |   inner: { template: a }
      |                      ^ closes the circle
      |
     ::: templates/a.yaml:3:3
      |
    3 |   inner: { template: b }
      |   ----- used here
      |
     ::: stacks/s.yaml:3:3
      |
    3 |   web: { template: a }
      |   --- used here
      |
      = help: remove one of the uses
    ");
}

#[test]
fn parameters_of_a_component_are_checked_at_its_use() {
    let said = errors(&[
        (
            "templates/net.yaml",
            "template: net\nparameters:\n  cidr: { type: cidr }\n  size: { type: integer, maximum: 4 }\n",
        ),
        ("stacks/s.yaml", "stack: s\ncomponents:\n  a:\n    template: net\n    with: { cird: 10.0.0.0/16, size: 5 }\n"),
    ]);
    insta::assert_snapshot!(said, @r"
    error: template `net` has no parameter `cird`
     --> stacks/s.yaml:5:13
      |
    5 |     with: { cird: 10.0.0.0/16, size: 5 }
      |             ^^^^ given here
      |
      = help: did you mean `cidr`?
    error: `size` must be a whole number of at most 4
     --> stacks/s.yaml:5:38
      |
    5 |     with: { cird: 10.0.0.0/16, size: 5 }
      |                                      ^ this is `5`
      |
     ::: templates/net.yaml:4:3
      |
    4 |   size: { type: integer, maximum: 4 }
      |   ---- the parameter is declared here
      |
      = help: write a whole number in this range
    ");
}

#[test]
fn an_error_inside_a_component_shows_the_template_and_the_use() {
    let said = errors(&[
        (
            "templates/net.yaml",
            "template: net\nparameters:\n  cidr: { type: cidr }\nresources:\n  main:\n    kind: vpc\n    cidr: \"{{ cidr }}\"\n    dns_suport: true\n",
        ),
        ("stacks/s.yaml", "stack: s\ncomponents:\n  web:\n    template: net\n    with: { cidr: 10.0.0.0/16 }\n"),
    ]);
    insta::assert_snapshot!(said, @r"
    error: unknown field `dns_suport`
     --> templates/net.yaml:8:5
      |
    8 |     dns_suport: true
      |     ^^^^^^^^^^ kind `vpc` has no such field
      |
     ::: stacks/s.yaml:3:3
      |
    3 |   web:
      |   --- used here
      |
      = help: did you mean `dns_support`?
    ");
}

#[test]
fn a_reference_parameter_of_the_wrong_kind_is_shown_at_the_use() {
    let said = errors(&[
        (
            "templates/gate.yaml",
            "template: gate\nparameters:\n  vpc: { type: reference, kind: vpc }\nresources:\n  main: { kind: internet_gateway, vpc: \"{{ vpc }}\" }\n",
        ),
        (
            "stacks/s.yaml",
            "stack: s\nresources:\n  ip: { kind: elastic_ip }\ncomponents:\n  web: { template: gate, with: { vpc: ip } }\n",
        ),
    ]);
    insta::assert_snapshot!(said, @r"
    error: `ip` is of kind `elastic_ip`, and kind `vpc` is wanted
     --> stacks/s.yaml:5:39
      |
    5 |   web: { template: gate, with: { vpc: ip } }
      |                                       ^^ not of kind `vpc`
    ");
}

#[test]
fn a_reference_parameter_of_a_kind_that_is_none_has_the_nearest() {
    let said = errors(&[
        ("templates/gate.yaml", "template: gate\nparameters:\n  vpc: { type: reference, kind: vcp }\n"),
        (
            "stacks/s.yaml",
            "stack: s\nresources:\n  main: { kind: vpc, cidr: 10.0.0.0/16 }\ncomponents:\n  web: { template: gate, with: { vpc: main } }\n",
        ),
    ]);
    insta::assert_snapshot!(said, @r"
    error: unknown kind `vcp`
     --> templates/gate.yaml:3:3
      |
    3 |   vpc: { type: reference, kind: vcp }
      |   ^^^ this parameter refers to it
      |
      = help: did you mean `vpc`?
    ");
}

#[test]
fn a_key_to_adopt_that_the_repetition_does_not_have_is_shown() {
    let said = errors_of(
        "stack: s\nresources:\n  ip: { kind: elastic_ip, each: [a, b], adopt: { a: eipalloc-1, bb: eipalloc-2 } }\n",
    );
    insta::assert_snapshot!(said, @r"
    error: `ip` has no key `bb`
     --> stacks/s.yaml:3:65
      |
    3 |   ip: { kind: elastic_ip, each: [a, b], adopt: { a: eipalloc-1, bb: eipalloc-2 } }
      |                                                                 ^^ there is nothing to take this object over
      |
      = help: there is: a, b
    ");
}

#[test]
fn what_a_component_cannot_ignore_is_told_so() {
    let said = errors(&[
        ("templates/t.yaml", "template: t\nresources:\n  ip: { kind: elastic_ip }\n"),
        ("stacks/s.yaml", "stack: s\ncomponents:\n  web: { template: t, lifecycle: { ignore: [tags] } }\n"),
    ]);
    insta::assert_snapshot!(said, @r"
    error: `ignore` means nothing on a component
     --> stacks/s.yaml:3:45
      |
    3 |   web: { template: t, lifecycle: { ignore: [tags] } }
      |                                             ^^^^ a component has no fields of its own
      |
      = help: write it on the resources in the template
    ");
}

#[test]
fn a_parameter_written_as_a_reference_is_told_the_braces() {
    let said = errors(&[
        (
            "templates/t.yaml",
            "template: t\nparameters:\n  net: { type: reference, kind: vpc }\nresources:\n  gate: { kind: internet_gateway, vpc: net }\n",
        ),
        ("stacks/s.yaml", "stack: s\ncomponents:\n  web: { template: t, with: { net: { id: vpc-1 } } }\n"),
    ]);
    insta::assert_snapshot!(said, @r#"
    error: `net` is a parameter
     --> templates/t.yaml:5:40
      |
    5 |   gate: { kind: internet_gateway, vpc: net }
      |                                        ^^^ taken as the name of a resource
      |
     ::: stacks/s.yaml:3:3
      |
    3 |   web: { template: t, with: { net: { id: vpc-1 } } }
      |   --- used here
      |
      = help: write "{{ net }}"
    "#);
}

#[test]
fn a_name_inside_a_repeated_component_asks_for_a_key() {
    let said = errors(&[
        ("templates/t.yaml", "template: t\nresources:\n  main: { kind: vpc, cidr: 10.0.0.0/16 }\n"),
        (
            "stacks/s.yaml",
            "stack: s\nresources:\n  a: { kind: internet_gateway, vpc: web.main }\n  b: { kind: internet_gateway, vpc: \"web.main:z\" }\ncomponents:\n  web: { template: t, each: [x, y] }\n",
        ),
    ]);
    insta::assert_snapshot!(said, @r#"
    error: the component `web` is repeated, and one is wanted
     --> stacks/s.yaml:3:37
      |
    3 |   a: { kind: internet_gateway, vpc: web.main }
      |                                     ^^^^^^^^ stands for 2
      |
      = help: add a key, such as `:x`
    error: component `web` has no key `z`
     --> stacks/s.yaml:4:37
      |
    4 |   b: { kind: internet_gateway, vpc: "web.main:z" }
      |                                     ^^^^^^^^^^^^ no such key
      |
      = help: there is: x, y
    "#);
}

#[test]
fn a_resource_with_errors_is_no_missing_target_of_a_move_or_a_reference() {
    let said = errors_of(
        "stack: s\nresources:\n  a: { kind: vpc }\n  b: { kind: vcp }\n  gate: { kind: internet_gateway, vpc: a, depends_on: b }\nmoved:\n  - { from: old_a, to: a }\n  - { from: old_b, to: b }\n",
    );
    insta::assert_snapshot!(said, @r"
    error: `cidr` is missing
     --> stacks/s.yaml:3:3
      |
    3 |   a: { kind: vpc }
      |   ^ kind `vpc` needs it: IPv4 range, /16 to /28
      |
      = help: add `cidr: …`
    error: unknown kind `vcp`
     --> stacks/s.yaml:4:14
      |
    4 |   b: { kind: vcp }
      |              ^^^ no such kind
      |
      = help: did you mean `vpc`?
    ");
}

#[test]
fn names_in_other_stacks_and_components_are_checked_in_all_their_parts() {
    let said = errors(&[
        (
            "templates/t.yaml",
            "template: t\nresources:\n  ip: { kind: elastic_ip }\noutputs:\n  address: { value: \"{{ ip.public_ip }}\" }\n",
        ),
        (
            "stacks/a.yaml",
            "stack: a\ncomponents:\n  web: { template: t }\n  many: { template: t, each: [x, y] }\noutputs:\n  one: { value: 1 }\n",
        ),
        (
            "stacks/s.yaml",
            "stack: s\noutputs:\n  a: { value: \"{{ a.outputs.two }}\" }\n  b: { value: \"{{ a.wbe.ip.id }}\" }\n  c: { value: \"{{ a.web.pi.id }}\" }\n  d: { value: \"{{ a.web.outputs.adress }}\" }\n  e: { value: \"{{ a.many.[z].ip.id }}\" }\n  f: { value: \"{{ a.web.ip.public_pi }}\" }\n",
        ),
    ]);
    insta::assert_snapshot!(said, @r#"
    error: there is no output `two`
     --> stacks/s.yaml:3:19
      |
    3 |   a: { value: "{{ a.outputs.two }}" }
      |                   ^^^^^^^^^^^^^ no such output
      |
      = help: there is: one
    error: stack `a` has no `wbe`
     --> stacks/s.yaml:4:19
      |
    4 |   b: { value: "{{ a.wbe.ip.id }}" }
      |                   ^^^^^^^^^^^ no such name in it
      |
      = help: did you mean `web`?
    error: component `web` has no `pi`
     --> stacks/s.yaml:5:19
      |
    5 |   c: { value: "{{ a.web.pi.id }}" }
      |                   ^^^^^^^^^^^ no such name in it
      |
      = help: there is: ip, outputs
    error: there is no output `adress`
     --> stacks/s.yaml:6:19
      |
    6 |   d: { value: "{{ a.web.outputs.adress }}" }
      |                   ^^^^^^^^^^^^^^^^^^^^ no such output
      |
      = help: did you mean `address`?
    error: component `many` has no key `z`
     --> stacks/s.yaml:7:19
      |
    7 |   e: { value: "{{ a.many.[z].ip.id }}" }
      |                   ^^^^^^^^^^^^^^^^ no such key
      |
      = help: there is: x, y
    error: kind `elastic_ip` has no attribute `public_pi`
     --> stacks/s.yaml:8:19
      |
    8 |   f: { value: "{{ a.web.ip.public_pi }}" }
      |                   ^^^^^^^^^^^^^^^^^^ no such attribute
      |
      = help: did you mean `public_ip`?
    "#);
}
