//! Mistakes in environments.

use super::{Project, errors, expand};

const STACK: (&str, &str) = ("stacks/s.yaml", "stack: s\n");

/// What is said of an environment `test` of this text, beside other files.
#[track_caller]
fn environment(text: &str, others: &[(&str, &str)]) -> String {
    let mut files = vec![STACK, ("environments/test.yaml", text)];
    files.extend(others);
    errors(&files)
}

#[test]
fn environments_that_extend_each_other_are_named_whole() {
    let said = environment(
        "extends: base\nproject: shop\n",
        &[("environments/base.yaml", "extends: more\n"), ("environments/more.yaml", "extends: test\n")],
    );
    insta::assert_snapshot!(said, @r"
    error: environments extend each other: test → base → more → test
     --> environments/more.yaml:1:10
      |
    1 | extends: test
      |          ^^^^ closes the circle
      |
      = help: remove one `extends`
    ");
}

#[test]
fn an_unknown_environment_has_the_nearest() {
    let project = Project::new(&[STACK]);
    insta::assert_snapshot!(expand(project.0.path(), "tset").said, @r"
    error: there is no environment `tset`
     |
     = help: did you mean `test`?
    ");
}

#[test]
fn an_unknown_base_has_the_nearest() {
    let said = environment("extends: bsae\nproject: shop\n", &[("environments/base.yaml", "abstract: true\n")]);
    insta::assert_snapshot!(said, @r"
    error: there is no environment `bsae`
     --> environments/test.yaml:1:10
      |
    1 | extends: bsae
      |          ^^^^ named here
      |
      = help: did you mean `base`?
    ");
}

#[test]
fn an_abstract_environment_cannot_be_used() {
    insta::assert_snapshot!(environment(&format!("{}abstract: true\n", super::ENVIRONMENT), &[]), @r"
    error: the environment `test` is abstract
     --> environments/test.yaml:5:11
      |
    5 | abstract: true
      |           ^^^^ only others can extend it
      |
      = help: choose one that extends it
    ");
}

#[test]
fn what_an_environment_must_say_is_named() {
    insta::assert_snapshot!(environment("zones: [a]\n", &[]), @r"
    error: `project` is missing
     --> environments/test.yaml:1:1
      |
    1 | zones: [a]
      | ^^^^^ an environment needs it
      |
      = help: add `project: …`
    error: `provider` is missing
     --> environments/test.yaml:1:1
      |
    1 | zones: [a]
      | ^^^^^ an environment needs it
      |
      = help: add `provider: …`
    error: `region` is missing
     --> environments/test.yaml:1:1
      |
    1 | zones: [a]
      | ^^^^^ an environment needs it
      |
      = help: add `region: …`
    ");
}

#[test]
fn values_of_an_environment_are_checked() {
    let said = environment(
        "project: my shop\nprovider: awss\nregion: ap-northeast-1\naccount: 12345\nprotect: perhaps\nzones: { a: b }\nstacks: [t]\n",
        &[],
    );
    insta::assert_snapshot!(said, @r#"
    error: `my shop` can't be the name of a project
     --> environments/test.yaml:1:10
      |
    1 | project: my shop
      |          ^^^^^^^ letters, digits and `-`, at most 32
      |
      = note: physical names begin with it
      = help: choose another name
    error: unknown provider `awss`
     --> environments/test.yaml:2:11
      |
    2 | provider: awss
      |           ^^^^ no such provider
      |
      = help: did you mean `aws`?
    error: `12345` is not an account id
     --> environments/test.yaml:4:10
      |
    4 | account: 12345
      |          ^^^^^ 12 digits
      |
      = help: write it in quotes: "123456789012"
    error: `protect` must be true or false
     --> environments/test.yaml:5:10
      |
    5 | protect: perhaps
      |          ^^^^^^^ this is `perhaps`
      |
      = help: write true or false
    error: `zones` must be a list
     --> environments/test.yaml:6:8
      |
    6 | zones: { a: b }
      |        ^^^^^^^^ this is a mapping
      |
      = help: write a list
    "#);
}

#[test]
fn a_parameter_for_all_that_no_stack_has_is_a_warning() {
    let project = Project::new(&[
        STACK,
        ("environments/test.yaml", &format!("{}parameters: {{ all: {{ domain: example.jp }} }}\n", super::ENVIRONMENT)),
    ]);
    let outcome = project.outcome();
    assert!(outcome.desired.is_some());
    insta::assert_snapshot!(outcome.said, @r"
    warning: no stack has a parameter `domain`
     --> environments/test.yaml:5:22
      |
    5 | parameters: { all: { domain: example.jp } }
      |                      ^^^^^^ given for all stacks
      |
      = help: remove it, or declare it in a stack
    ");
}

#[test]
fn parameters_stand_below_the_name_of_a_stack() {
    insta::assert_snapshot!(environment(&format!("{}parameters: {{ s: 3 }}\n", super::ENVIRONMENT), &[]), @r"
    error: `s` must be a mapping of parameter values by name
     --> environments/test.yaml:5:18
      |
    5 | parameters: { s: 3 }
      |                  ^ this is `3`
      |
      = help: write a mapping of parameter values by name
    ");
}

#[test]
fn a_folder_that_is_no_project_is_told_how_to_begin() {
    let folder = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(expand(folder.path(), "test").said, @r"
    error: there is no folder PROJECT/environments
     |
     = note: a project has the folders environments/ and stacks/
     = help: go to a project, or name it with -C; `saiken init` makes a new one
    ");
}

#[test]
fn guards_and_the_time_zone_are_checked() {
    let said = environment(
        "project: shop\nprovider: simulated\nregion: ap-northeast-1\ntime_zone: Asia/Tokio\nguards:\n  data: { loss: allow, recovery_point: soon, other: 1 }\n  interruptions: { notce: 7d }\n",
        &[],
    );
    for expected in [
        "there is no time zone `Asia/Tokio`",
        "did you mean `Asia/Tokyo`?",
        "`loss` can't be `allow`",
        "did you mean `allowed`?",
        "`soon` is not a duration",
        "unknown field `other`",
        "did you mean `notice`?",
    ] {
        assert!(said.contains(expected), "{expected} is not said:\n{said}");
    }
}
