//! Mistakes in environments.

use saiken::model::environment::{Bucket, State};
use saiken::model::types::Duration;

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
fn a_shared_state_is_checked_field_by_field() {
    let said = environment(
        &format!("{}state: {{ bucket: s3://Shop, prefix: /a/, lease: 5s, regoin: x }}\n", super::ENVIRONMENT),
        &[],
    );
    insta::assert_snapshot!(said, @r"
    error: `s3://Shop` can't be the name of a bucket
     --> environments/test.yaml:5:18
      |
    5 | state: { bucket: s3://Shop, prefix: /a/, lease: 5s, regoin: x }
      |                  ^^^^^^^^^ 3 to 63 lower-case letters, digits, `-` and `.`
      |
      = help: write the bucket's name alone, without `s3://`; `prefix` takes a path within it
    error: `/a/` can't be a prefix
     --> environments/test.yaml:5:37
      |
    5 | state: { bucket: s3://Shop, prefix: /a/, lease: 5s, regoin: x }
      |                                     ^^^ names with single `/` between them
      |
      = help: write it without `/` at its ends, such as: saiken/shop
    error: `lease` must be a length of time from 15s to 1h
     --> environments/test.yaml:5:49
      |
    5 | state: { bucket: s3://Shop, prefix: /a/, lease: 5s, regoin: x }
      |                                                 ^^ 15s at least, 1h at most
      |
      = help: 60s suits most; longer ones keep others out longer after a crash
    error: unknown field `regoin`
     --> environments/test.yaml:5:53
      |
    5 | state: { bucket: s3://Shop, prefix: /a/, lease: 5s, regoin: x }
      |                                                     ^^^^^^ a shared state has no such field
      |
      = help: did you mean `region`?
    ");
    let said = environment(&format!("{}state: {{ prefix: a/../b, lease: soon }}\n", super::ENVIRONMENT), &[]);
    insta::assert_snapshot!(said, @r"
    error: `bucket` is missing
     --> environments/test.yaml:5:8
      |
    5 | state: { prefix: a/../b, lease: soon }
      |        ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ a shared state needs it
      |
      = help: add `bucket: …`
    error: `a/../b` can't be a prefix
     --> environments/test.yaml:5:18
      |
    5 | state: { prefix: a/../b, lease: soon }
      |                  ^^^^^^ names with single `/` between them
      |
      = help: write it without `/` at its ends, such as: saiken/shop
    error: `lease` must be a length of time from 15s to 1h
     --> environments/test.yaml:5:33
      |
    5 | state: { prefix: a/../b, lease: soon }
      |                                 ^^^^ `soon` is not a duration such as 90s, 3m, 2h, 7d or 1h30m
      |
      = help: 60s suits most; longer ones keep others out longer after a crash
    ");
}

#[test]
fn a_state_is_a_folder_or_a_bucket() {
    let said = environment(&format!("{}state: [a]\n", super::ENVIRONMENT), &[]);
    insta::assert_snapshot!(said, @r"
    error: `state` must be a folder, or a mapping with `bucket`
     --> environments/test.yaml:5:8
      |
    5 | state: [a]
      |        ^^^ this is a list
      |
      = help: write a folder, or a mapping with `bucket`
    ");
}

#[test]
fn a_shared_state_takes_prefix_region_and_lease_from_the_environment() {
    let state = |text: &str| {
        let project = Project::new(&[STACK, ("environments/test.yaml", &format!("{}{text}", super::ENVIRONMENT))]);
        project.outcome().desired.unwrap().environment.state
    };
    let bucket = |prefix: &str, region: &str, lease: u64| {
        State::Bucket(Bucket {
            bucket: "shop-state".into(),
            prefix: prefix.into(),
            region: region.into(),
            lease: Duration::from_seconds(lease),
        })
    };
    assert_eq!(state(""), State::Folder(".saiken".into()));
    assert_eq!(state("state: there\n"), State::Folder("there".into()));
    assert_eq!(state("state: { bucket: shop-state }\n"), bucket("shop", "ap-northeast-1", 60));
    let whole = "state: { bucket: shop-state, prefix: infra/saiken, region: eu-west-1, lease: 2m }\n";
    assert_eq!(state(whole), bucket("infra/saiken", "eu-west-1", 120));
}
