//! Mistakes in fields and in their values.

use super::{errors, errors_of};

#[test]
fn an_unknown_field_has_the_nearest_name() {
    let said = errors_of("stack: s\nresources:\n  main:\n    kind: vpc\n    cidr: 10.0.0.0/16\n    dns_suport: true\n");
    insta::assert_snapshot!(said, @r"
    error: unknown field `dns_suport`
     --> stacks/s.yaml:6:5
      |
    6 |     dns_suport: true
      |     ^^^^^^^^^^ kind `vpc` has no such field
      |
      = help: did you mean `dns_support`?
    ");
}

#[test]
fn an_unknown_field_of_the_file_itself_has_the_nearest_name() {
    let said = errors_of("stack: s\nresource: {}\n");
    insta::assert_snapshot!(said, @r"
    error: unknown field `resource`
     --> stacks/s.yaml:2:1
      |
    2 | resource: {}
      | ^^^^^^^^ a stack has no such field
      |
      = help: did you mean `resources`?
    ");
}

#[test]
fn a_duplicate_key_shows_both_places() {
    let said = errors_of(
        "stack: s\nresources:\n  main: { kind: vpc, cidr: 10.0.0.0/16 }\n  main: { kind: vpc, cidr: 10.1.0.0/16 }\n",
    );
    insta::assert_snapshot!(said, @r"
    error: `main` is given twice
     --> stacks/s.yaml:4:3
      |
    3 |   main: { kind: vpc, cidr: 10.0.0.0/16 }
      |   ---- first here
    4 |   main: { kind: vpc, cidr: 10.1.0.0/16 }
      |   ^^^^ again here
      |
      = help: keep one of them
    ");
}

#[test]
fn a_wrong_type_says_what_it_is_and_what_is_wanted() {
    let said = errors_of(
        "stack: s\nresources:\n  main:\n    kind: vpc\n    cidr: 10.0.0.0/16\n    dns_support: perhaps\n    tags: [a, b]\n",
    );
    insta::assert_snapshot!(said, @r"
    error: `dns_support` must be true or false
     --> stacks/s.yaml:6:18
      |
    6 |     dns_support: perhaps
      |                  ^^^^^^^ this is `perhaps`
      |
      = help: write `true` or `false`
    error: `tags` must be a mapping of names
     --> stacks/s.yaml:7:11
      |
    7 |     tags: [a, b]
      |           ^^^^^^ this is a list
      |
      = help: write `name: value` lines, or `{ name: value }`
    ");
}

#[test]
fn a_missing_field_is_named_with_its_meaning() {
    let said = errors_of("stack: s\nresources:\n  main:\n    kind: vpc\n");
    insta::assert_snapshot!(said, @r"
    error: `cidr` is missing
     --> stacks/s.yaml:3:3
      |
    3 |   main:
      |   ^^^^ kind `vpc` needs it: IPv4 range, /16 to /28
      |
      = help: add `cidr: …`
    ");
}

#[test]
fn a_number_out_of_range_is_told_the_range() {
    let said =
        errors_of("stack: s\nresources:\n  disk: { kind: volume, zone: ap-northeast-1a, size: 8GiB, iops: 99 }\n");
    insta::assert_snapshot!(said, @r"
    error: `iops` must be a whole number from 100 to 256000
     --> stacks/s.yaml:3:66
      |
    3 |   disk: { kind: volume, zone: ap-northeast-1a, size: 8GiB, iops: 99 }
      |                                                                  ^^ this is `99`
      |
      = help: write a whole number in this range
    ");
}

#[test]
fn a_parameter_out_of_range_shows_the_value_and_the_declaration() {
    let said = errors(&[
        ("environments/test.yaml", &format!("{}parameters: {{ s: {{ count: 12 }} }}\n", super::ENVIRONMENT)),
        ("stacks/s.yaml", "stack: s\nparameters:\n  count: { type: integer, minimum: 1, maximum: 9 }\n"),
    ]);
    insta::assert_snapshot!(said, @r"
    error: `count` must be a whole number from 1 to 9
     --> environments/test.yaml:5:27
      |
    5 | parameters: { s: { count: 12 } }
      |                           ^^ this is `12`
      |
     ::: stacks/s.yaml:3:3
      |
    3 |   count: { type: integer, minimum: 1, maximum: 9 }
      |   ----- the parameter is declared here
      |
      = help: write a whole number in this range
    ");
}

#[test]
fn a_value_that_is_not_one_of_the_words_has_the_nearest() {
    let said = errors_of("stack: s\nresources:\n  main: { kind: vpc, cidr: 10.0.0.0/16, tenancy: dedicatd }\n");
    insta::assert_snapshot!(said, @r"
    error: `dedicatd` is not one of the values
     --> stacks/s.yaml:3:50
      |
    3 |   main: { kind: vpc, cidr: 10.0.0.0/16, tenancy: dedicatd }
      |                                                  ^^^^^^^^ `tenancy` takes one word of a list
      |
      = help: did you mean `dedicated`?
    ");
}

#[test]
fn a_value_that_does_not_match_its_pattern_shows_the_pattern() {
    let said = errors_of(
        "stack: s\nparameters:\n  type: { type: string, pattern: \"^[a-z0-9]+[.][a-z0-9]+$\", default: M7G LARGE }\n",
    );
    insta::assert_snapshot!(said, @r#"
    error: `type` must be a text that matches `^[a-z0-9]+[.][a-z0-9]+$`
     --> stacks/s.yaml:3:70
      |
    3 |   type: { type: string, pattern: "^[a-z0-9]+[.][a-z0-9]+$", default: M7G LARGE }
      |   ---- the parameter is declared here                                ^^^^^^^^^ this is `M7G LARGE`
      |
      = help: write a text that the pattern matches
    "#);
}

#[test]
fn a_pattern_that_is_no_regular_expression_is_refused() {
    let said = errors_of("stack: s\nparameters:\n  type: { type: string, pattern: \"[a-z\", default: x }\n");
    insta::assert_snapshot!(said, @r#"
    error: the pattern is not a regular expression
     --> stacks/s.yaml:3:34
      |
    3 |   type: { type: string, pattern: "[a-z", default: x }
      |                                  ^^^^^^ unclosed character class
      |
      = help: correct it; the syntax is that of the Rust crate regex
    "#);
}

#[test]
fn a_text_that_is_too_short_is_told_the_length() {
    let said =
        errors_of("stack: s\nparameters:\n  name: { type: string, min_length: 3, max_length: 8, default: ab }\n");
    insta::assert_snapshot!(said, @r"
    error: `name` must be a text from 3 to 8 characters
     --> stacks/s.yaml:3:64
      |
    3 |   name: { type: string, min_length: 3, max_length: 8, default: ab }
      |   ---- the parameter is declared here                          ^^ this is `ab`
      |
      = help: write a text of that length
    ");
}

#[test]
fn a_bad_address_range_shows_the_right_one() {
    let said =
        errors_of("stack: s\nresources:\n  a: { kind: vpc, cidr: 10.0.1.0/16 }\n  b: { kind: vpc, cidr: 10.0.0.0 }\n");
    insta::assert_snapshot!(said, @r"
    error: `10.0.1.0/16` has bits set beyond its prefix; the range is `10.0.0.0/16`
     --> stacks/s.yaml:3:25
      |
    3 |   a: { kind: vpc, cidr: 10.0.1.0/16 }
      |                         ^^^^^^^^^^^ value of `cidr`
      |
      = help: write the first address of the range and the length of its prefix, as in 10.0.0.0/16
    error: `10.0.0.0` is not an address range such as 10.0.0.0/16
     --> stacks/s.yaml:4:25
      |
    4 |   b: { kind: vpc, cidr: 10.0.0.0 }
      |                         ^^^^^^^^ value of `cidr`
      |
      = help: write the first address of the range and the length of its prefix, as in 10.0.0.0/16
    ");
}

#[test]
fn a_bad_duration_and_a_bad_size_show_good_ones() {
    let said = errors_of(
        "stack: s\nresources:\n  logs: { kind: log_group, retention: 5 }\n  disk: { kind: volume, zone: a, size: 10GB }\n",
    );
    insta::assert_snapshot!(said, @r"
    error: `5` is not a duration such as 90s, 3m, 2h, 7d or 1h30m
     --> stacks/s.yaml:3:39
      |
    3 |   logs: { kind: log_group, retention: 5 }
      |                                       ^ value of `retention`
      |
      = help: write a number and a unit: s, m, h or d
    error: `10GB` is not a size such as 20GiB or 512MiB
     --> stacks/s.yaml:4:40
      |
    4 |   disk: { kind: volume, zone: a, size: 10GB }
      |                                        ^^^^ value of `size`
      |
      = help: write a number and a unit: KiB, MiB, GiB or TiB
    ");
}

#[test]
fn a_rule_of_the_kind_itself_is_shown_at_its_field() {
    let said = errors_of(
        "stack: s\nresources:\n  main: { kind: vpc, cidr: 10.0.0.0/16 }\n  a: { kind: subnet, vpc: main, zone: ap-northeast-1a, cidr: 10.0.0.0/29 }\n",
    );
    insta::assert_snapshot!(said, @r"
    error: `10.0.0.0/29` is not an IPv4 range from /16 to /28
     --> stacks/s.yaml:4:62
      |
    4 |   a: { kind: subnet, vpc: main, zone: ap-northeast-1a, cidr: 10.0.0.0/29 }
      |                                                              ^^^^^^^^^^^ value of `cidr`
      |
      = help: use 10.0.1.0/24, for one
    ");
}

const OVERLAP: &str = "\
stack: s
resources:
  main: { kind: vpc, cidr: 10.0.0.0/16 }
  a: { kind: subnet, vpc: main, zone: ap-northeast-1a, cidr: 10.0.0.0/20 }
  b: { kind: subnet, vpc: main, zone: ap-northeast-1c, cidr: 10.0.8.0/24 }
";

#[test]
fn subnets_that_overlap_are_both_shown() {
    insta::assert_snapshot!(errors_of(OVERLAP), @r#"
    error: the ranges of s/a and s/b overlap
     --> stacks/s.yaml:5:62
      |
    4 |   a: { kind: subnet, vpc: main, zone: ap-northeast-1a, cidr: 10.0.0.0/20 }
      |                                                              ----------- s/a is 10.0.0.0/20
    5 |   b: { kind: subnet, vpc: main, zone: ap-northeast-1c, cidr: 10.0.8.0/24 }
      |                                                              ^^^^^^^^^^^ s/b is 10.0.8.0/24
      |
      = note: subnets of one network may not overlap, and both are in s/main
      = help: give each a range of its own, such as `"{{ subnet cidr 8 each.index }}"`
    "#);
}

#[test]
fn subnets_of_one_repetition_that_overlap_are_told_by_their_keys() {
    let said = errors_of(
        "stack: s\nresources:\n  main: { kind: vpc, cidr: 10.0.0.0/16 }\n  a:\n    kind: subnet\n    each: \"{{ environment.zones }}\"\n    vpc: main\n    zone: \"{{ each.key }}\"\n    cidr: 10.0.0.0/24\n",
    );
    insta::assert_snapshot!(said, @r#"
    error: s/a:ap-northeast-1a and s/a:ap-northeast-1c have the same range 10.0.0.0/24
     --> stacks/s.yaml:9:11
      |
    9 |     cidr: 10.0.0.0/24
      |           ^^^^^^^^^^^ s/a:ap-northeast-1c is 10.0.0.0/24
      |
      = note: subnets of one network may not overlap, and both are in s/main
      = help: give each a range of its own, such as `"{{ subnet cidr 8 each.index }}"`
    "#);
}

#[test]
fn a_subnet_outside_of_its_network_is_told_the_ranges() {
    let said = errors_of(
        "stack: s\nresources:\n  main: { kind: vpc, cidr: 10.0.0.0/16, secondary_cidrs: [10.8.0.0/16] }\n  a: { kind: subnet, vpc: main, zone: ap-northeast-1a, cidr: 10.1.0.0/24 }\n",
    );
    insta::assert_snapshot!(said, @r"
    error: s/a lies outside of its network
     --> stacks/s.yaml:4:62
      |
    4 |   a: { kind: subnet, vpc: main, zone: ap-northeast-1a, cidr: 10.1.0.0/24 }
      |                                                              ^^^^^^^^^^^ 10.1.0.0/24 is not in 10.0.0.0/16, 10.8.0.0/16
      |
      = help: choose a range inside that of s/main
    ");
}

#[test]
fn an_unknown_kind_is_one_error_with_the_nearest_and_not_one_for_each_use() {
    let said = errors_of(
        "stack: s\nresources:\n  main: { kind: vcp, cidr: 10.0.0.0/16 }\n  a: { kind: subnet, vpc: main, zone: ap-northeast-1a, cidr: \"{{ subnet main.cidr 8 0 }}\" }\noutputs:\n  id: { value: \"{{ main.id }}\" }\n",
    );
    insta::assert_snapshot!(said, @r"
    error: unknown kind `vcp`
     --> stacks/s.yaml:3:17
      |
    3 |   main: { kind: vcp, cidr: 10.0.0.0/16 }
      |                 ^^^ no such kind
      |
      = help: did you mean `vpc`?
    ");
}

#[test]
fn a_missing_parameter_shows_where_to_give_it() {
    let said = errors_of(
        "stack: s\nparameters:\n  cidr: { type: cidr }\nresources:\n  main: { kind: vpc, cidr: \"{{ cidr }}\" }\n",
    );
    insta::assert_snapshot!(said, @r"
    error: the parameter `cidr` of stack `s` has no value
     --> stacks/s.yaml:3:3
      |
    3 |   cidr: { type: cidr }
      |   ^^^^ declared here without a default
      |
      = help: add to environments/test.yaml: `parameters: { s: { cidr: … } }`
    ");
}

#[test]
fn an_unknown_parameter_of_a_stack_has_the_nearest() {
    let said = errors(&[
        ("environments/test.yaml", &format!("{}parameters:\n  s: {{ cird: 10.0.0.0/16 }}\n", super::ENVIRONMENT)),
        ("stacks/s.yaml", "stack: s\nparameters:\n  cidr: { type: cidr, default: 10.1.0.0/16 }\n"),
    ]);
    insta::assert_snapshot!(said, @r"
    error: stack `s` has no parameter `cird`
     --> environments/test.yaml:6:8
      |
    6 |   s: { cird: 10.0.0.0/16 }
      |        ^^^^ given here
      |
      = help: did you mean `cidr`?
    ");
}

#[test]
fn values_for_a_stack_that_is_not_there_have_the_nearest() {
    let said = errors(&[
        ("environments/test.yaml", &format!("{}parameters:\n  netwrok: {{ a: 1 }}\n", super::ENVIRONMENT)),
        ("stacks/network.yaml", "stack: network\n"),
    ]);
    insta::assert_snapshot!(said, @r"
    error: there is no stack `netwrok`
     --> environments/test.yaml:6:3
      |
    6 |   netwrok: { a: 1 }
      |   ^^^^^^^ parameters stand below the name of their stack, or below `all`
      |
      = help: did you mean `network`?
    ");
}

#[test]
fn a_parameter_of_unknown_type_has_the_nearest() {
    let said = errors_of(
        "stack: s\nparameters:\n  cidr: { type: cdir, default: 10.0.0.0/16 }\nresources:\n  main: { kind: vpc, cidr: \"{{ cidr }}\" }\n",
    );
    insta::assert_snapshot!(said, @r"
    error: unknown type `cdir`
     --> stacks/s.yaml:3:17
      |
    3 |   cidr: { type: cdir, default: 10.0.0.0/16 }
      |                 ^^^^ no such type
      |
      = help: did you mean `cidr`?
    ");
}

#[test]
fn one_name_may_not_stand_for_two_things() {
    let said = errors_of(
        "stack: s\nparameters:\n  main: { type: cidr, default: 10.0.0.0/16 }\nresources:\n  main: { kind: vpc, cidr: 10.0.0.0/16 }\n",
    );
    insta::assert_snapshot!(said, @r"
    error: `main` names a parameter and a resource
     --> stacks/s.yaml:5:3
      |
    3 |   main: { type: cidr, default: 10.0.0.0/16 }
      |   ---- this parameter
    4 | resources:
    5 |   main: { kind: vpc, cidr: 10.0.0.0/16 }
      |   ^^^^ this resource
      |
      = note: parameters, resources and components of a file share one set of names
      = help: rename one of them
    ");
}

#[test]
fn a_word_of_the_language_and_a_word_with_a_space_cannot_be_names() {
    let said = errors_of("stack: s\nresources:\n  each: { kind: elastic_ip }\n  my ip: { kind: elastic_ip }\n");
    insta::assert_snapshot!(said, @r"
    error: `each` can't be a name
     --> stacks/s.yaml:3:3
      |
    3 |   each: { kind: elastic_ip }
      |   ^^^^ expressions use this word themselves
      |
      = help: choose another name
    error: `my ip` can't be a name
     --> stacks/s.yaml:4:3
      |
    4 |   my ip: { kind: elastic_ip }
      |   ^^^^^ letters of any script, digits, `_` and `-`, a letter or `_` first
      |
      = help: choose another name
    ");
}

#[test]
fn a_stack_is_named_as_its_file() {
    insta::assert_snapshot!(errors_of("stack: other\n"), @r"
    error: the stack is named `other`, its file `s.yaml`
     --> stacks/s.yaml:1:8
      |
    1 | stack: other
      |        ^^^^^ must be `s`
      |
      = help: rename one of them
    ");
}

#[test]
fn a_lifecycle_names_its_orders_and_the_fields_of_the_kind() {
    let said = errors_of(
        "stack: s\nresources:\n  a:\n    kind: elastic_ip\n    lifecycle: { protected: true, replacement: create, ignore: [tag.Team] }\n",
    );
    insta::assert_snapshot!(said, @r"
    error: unknown order `create`
     --> stacks/s.yaml:5:48
      |
    5 |     lifecycle: { protected: true, replacement: create, ignore: [tag.Team] }
      |                                                ^^^^^^ not an order of replacement
      |
      = help: there is: create_first, delete_first
    error: unknown field `protected`
     --> stacks/s.yaml:5:18
      |
    5 |     lifecycle: { protected: true, replacement: create, ignore: [tag.Team] }
      |                  ^^^^^^^^^ `lifecycle` has no such field
      |
      = help: did you mean `protect`?
    error: kind `elastic_ip` has no field `tag`
     --> stacks/s.yaml:5:65
      |
    5 |     lifecycle: { protected: true, replacement: create, ignore: [tag.Team] }
      |                                                                 ^^^^^^^^ its differences can't be ignored
      |
      = help: did you mean `tags`?
    ");
}

#[test]
fn a_region_that_the_environment_does_not_have_is_refused() {
    let said = errors_of("stack: s\nresources:\n  a: { kind: elastic_ip, region: copies }\n");
    insta::assert_snapshot!(said, @r"
    error: `copies` is no region of environment `test`
     --> stacks/s.yaml:3:34
      |
    3 |   a: { kind: elastic_ip, region: copies }
      |                                  ^^^^^^ not among its `region` and `regions`
      |
      = help: there is: ap-northeast-1
    ");
}

#[test]
fn moved_and_forgotten_names_are_checked_against_what_is_declared() {
    let said = errors_of(
        "stack: s\nresources:\n  a: { kind: elastic_ip }\n  b: { kind: elastic_ip }\nmoved:\n  - { from: a, to: b }\n  - { from: old, to: bb }\nforget: [a]\n",
    );
    insta::assert_snapshot!(said, @r"
    error: s/a was moved, and is declared all the same
     --> stacks/s.yaml:6:13
      |
    6 |   - { from: a, to: b }
      |             ^ still declared
      |
      = help: remove the entry, or rename the resource
    error: s/bb is not declared
     --> stacks/s.yaml:7:22
      |
    7 |   - { from: old, to: bb }
      |                      ^^ nothing to move to
      |
      = help: did you mean `s/b`?
    error: s/a is to be forgotten, and is declared all the same
     --> stacks/s.yaml:8:10
      |
    8 | forget: [a]
      |          ^ still declared
      |
      = help: remove the resource, or this entry
    ");
}
