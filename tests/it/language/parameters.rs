//! Parameters: their types, their defaults, where their values come from.

use serde_json::{Value, json};

use super::{ENVIRONMENT, desired, errors};

/// The outputs of a stack `s` with these parameters, each given out under its own name.
#[track_caller]
fn outputs(parameters: &str, environment: &str) -> Value {
    let names: Vec<&str> = parameters.lines().filter_map(|l| l.trim().split_once(':').map(|(n, _)| n)).collect();
    let outputs: String = names.iter().map(|n| format!("  {n}: {{ value: \"{{{{ {n} }}}}\" }}\n")).collect();
    let desired = desired(&[
        ("environments/test.yaml", &format!("{ENVIRONMENT}{environment}")),
        ("stacks/s.yaml", &format!("stack: s\nparameters:\n{parameters}outputs:\n{outputs}")),
    ]);
    let all = &desired.outputs["s"];
    all.iter().map(|(name, output)| (name.clone(), output.value.clone())).collect()
}

#[test]
fn every_type_takes_its_value_and_keeps_its_type() {
    let parameters = "  text: { type: string, min_length: 1, max_length: 20, pattern: \"^[0-9.]+$\", default: 1.10 }
  account: { type: string, default: 012345678901 }
  whole: { type: integer, minimum: -3, maximum: 9, default: -3 }
  quoted: { type: integer, default: \"7\" }
  number: { type: number, minimum: 0.5, maximum: 1.5, default: 1.5 }
  yes: { type: boolean, default: true }
  size: { type: enum, values: [small, large], default: small }
  range: { type: cidr, default: 10.0.0.0/16 }
  wait: { type: duration, default: 1h30m }
  disk: { type: size, default: 2048MiB }
  names: { type: list, items: string, min_items: 1, max_items: 3, default: [a, 2] }
  ports: { type: map, values: { type: integer, maximum: 65535 }, default: { web: 443, ssh: \"22\" } }
  free: { type: any, default: { a: [1, b, true, ~] } }
  nothing: { type: string, default: ~ }
";
    assert_eq!(
        outputs(parameters, ""),
        json!({
            "text": "1.10", "account": "012345678901", "whole": -3, "quoted": 7, "number": 1.5, "yes": true,
            "size": "small", "range": "10.0.0.0/16", "wait": "90m", "disk": "2GiB", "names": ["a", "2"],
            "ports": { "web": 443, "ssh": 22 }, "free": { "a": [1, "b", true, null] }, "nothing": null,
        })
    );
}

#[test]
fn the_limits_of_every_type_are_kept() {
    let wrong = [
        ("{ type: string, min_length: 3, default: ab }", "at least 3"),
        ("{ type: string, max_length: 1, default: ab }", "at most 1"),
        ("{ type: string, pattern: \"^a$\", default: ab }", "matches `^a$`"),
        ("{ type: integer, minimum: 3, default: 2 }", "at least 3"),
        ("{ type: integer, default: 2.5 }", "a whole number"),
        ("{ type: number, maximum: 3, default: 3.1 }", "at most 3"),
        ("{ type: boolean, default: 1 }", "true or false"),
        ("{ type: enum, values: [a, b], default: c }", "one of a, b"),
        ("{ type: cidr, default: 10.0.0.1/16 }", "10.0.0.0/16"),
        ("{ type: duration, default: 3 weeks }", "90s, 3m"),
        ("{ type: size, default: 3GB }", "20GiB"),
        ("{ type: list, items: string, default: a }", "a list"),
        ("{ type: list, items: { type: integer }, default: [1, b] }", "a whole number"),
        ("{ type: list, items: string, min_items: 2, default: [a] }", "at least 2 items"),
        ("{ type: map, values: { type: cidr }, default: { a: b } }", "`b` is not an address range"),
        ("{ type: map, default: [a] }", "a mapping of names"),
    ];
    for (parameter, part) in wrong {
        let said = errors(&[("stacks/s.yaml", &format!("stack: s\nparameters:\n  p: {parameter}\n"))]);
        assert!(said.contains(part) && said.matches("error:").count() == 1, "{parameter}\n{said}");
    }
}

#[test]
fn a_value_for_one_stack_goes_before_one_for_all_and_both_before_the_default() {
    let parameters =
        "  a: { type: integer, default: 1 }\n  b: { type: integer, default: 1 }\n  c: { type: integer, default: 1 }\n";
    let environment = "parameters: { all: { b: 2, c: 2 }, s: { c: 3 } }\n";
    assert_eq!(outputs(parameters, environment), json!({ "a": 1, "b": 2, "c": 3 }));
}

#[test]
fn values_and_defaults_can_use_the_environment_and_the_parameters_before() {
    let parameters = "  base: { type: cidr }\n  part: { type: cidr, default: \"{{ subnet base 4 2 }}\" }\n  name: { type: string, default: \"{{ environment.project }}-{{ environment.name }}\" }\n";
    let environment = "parameters: { s: { base: \"10.{{ length environment.zones }}.0.0/16\" } }\n";
    assert_eq!(
        outputs(parameters, environment),
        json!({ "base": "10.2.0.0/16", "part": "10.2.32.0/20", "name": "shop-test" })
    );
}

#[test]
fn zones_are_those_of_the_environment_unless_given() {
    let parameters = "  zones: { type: list, items: string }\n";
    assert_eq!(outputs(parameters, ""), json!({ "zones": ["ap-northeast-1a", "ap-northeast-1c"] }));
    assert_eq!(outputs(parameters, "parameters: { s: { zones: [x] } }\n"), json!({ "zones": ["x"] }));
}

#[test]
fn a_parameter_that_is_null_leaves_the_field_out() {
    let desired = desired(&[(
        "stacks/s.yaml",
        "stack: s\nparameters:\n  keep: { type: duration, default: ~ }\nresources:\n  a: { kind: log_group, retention: \"{{ keep }}\" }\n  b: { kind: log_group, retention: \"{{ default keep '7d' }}\" }\n",
    )]);
    assert_eq!(desired.resources["s/a"].spec.get("retention"), None);
    assert_eq!(desired.resources["s/b"].spec["retention"], "7d");
}

#[test]
fn overlays_merge_mappings_and_replace_scalars_and_lists() {
    let files = [
        (
            "environments/base.yaml",
            "abstract: true\nproject: shop\nprovider: simulated\nregion: ap-northeast-1\nzones: [a, b, c]\nprotect: true\ntags: { A: base, B: base }\nregions: { copies: ap-northeast-3 }\nparameters: { all: { x: 1 }, s: { m: { p: 1, q: 1 }, l: [1, 2] } }\n",
        ),
        ("environments/middle.yaml", "extends: base\nabstract: true\nzones: [a, b]\ntags: { B: middle, C: middle }\n"),
        (
            "environments/test.yaml",
            "extends: middle\nprotect: false\ntags: { C: test }\nparameters: { s: { m: { q: 2 }, l: [3] } }\n",
        ),
        (
            "stacks/s.yaml",
            "stack: s\nparameters:\n  x: { type: integer }\n  m: { type: map, values: integer }\n  l: { type: list, items: integer }\noutputs:\n  x: { value: \"{{ x }}\" }\n  m: { value: \"{{ m }}\" }\n  l: { value: \"{{ l }}\" }\n",
        ),
    ];
    let desired = desired(&files);
    let environment = &desired.environment;
    assert_eq!(environment.zones, ["a", "b"]);
    assert!(!environment.protect);
    assert_eq!(json!(environment.tags), json!({ "A": "base", "B": "middle", "C": "test" }));
    assert_eq!(json!(environment.regions), json!({ "copies": "ap-northeast-3" }));
    let output = |name: &str| desired.outputs["s"][name].value.clone();
    assert_eq!((output("x"), output("m"), output("l")), (json!(1), json!({ "p": 1, "q": 2 }), json!([3])));
}

#[test]
fn an_environment_can_use_only_some_stacks() {
    let files = [
        ("environments/test.yaml", &*format!("{ENVIRONMENT}stacks: [a]\nparameters: {{ b: {{ x: 1 }} }}\n")),
        ("stacks/a.yaml", "stack: a\nresources:\n  ip: { kind: elastic_ip }\n"),
        ("stacks/b.yaml", "stack: b\nparameters:\n  x: { type: integer }\nresources:\n  ip: { kind: elastic_ip }\n"),
    ];
    let desired = desired(&files);
    assert_eq!(desired.resources.keys().map(|a| a.as_str()).collect::<Vec<_>>(), ["a/ip"]);
}

#[test]
fn a_stack_that_the_environment_leaves_out_is_named_as_the_reason() {
    let said = errors(&[
        ("environments/test.yaml", &format!("{ENVIRONMENT}stacks: [a]\n")),
        ("stacks/a.yaml", "stack: a\nresources:\n  gate: { kind: internet_gateway, vpc: b/main }\n"),
        ("stacks/b.yaml", "stack: b\nresources:\n  main: { kind: vpc, cidr: 10.0.0.0/16 }\n"),
    ]);
    insta::assert_snapshot!(said, @r"
    error: environment `test` leaves the stack `b` out
     --> stacks/a.yaml:3:40
      |
    3 |   gate: { kind: internet_gateway, vpc: b/main }
      |                                        ^^^^^^ needs this stack
      |
      = help: add it to `stacks` in environments/test.yaml
    ");
}

#[test]
fn sensitive_values_are_kept_apart_and_no_message_shows_them() {
    let stack = "stack: s\nparameters:\n  secret: { type: string, sensitive: true }\n  more: { type: map, values: string, sensitive: true }\nresources:\n  a: { kind: elastic_ip, tags: { T: \"{{ secret }}\" } }\n";
    let environment =
        format!("{ENVIRONMENT}parameters:\n  s:\n    secret: hunter22\n    more: {{ a: swordfish, b: hunter22 }}\n");
    let found = desired(&[("environments/test.yaml", &environment), ("stacks/s.yaml", stack)]);
    assert_eq!(found.secrets, ["hunter22", "swordfish"]);

    let wrong =
        format!("{stack}  disk: {{ kind: volume, zone: a, size: \"{{{{ secret }}}}\", iops: \"{{{{ secret }}}}\" }}\n");
    let said = errors(&[("environments/test.yaml", &environment), ("stacks/s.yaml", &wrong)]);
    assert!(!said.contains("hunter22"), "{said}");
    let short = wrong.replace("sensitive: true }\n  more", "sensitive: true, min_length: 20 }\n  more");
    let said = errors(&[("environments/test.yaml", &environment), ("stacks/s.yaml", &short)]);
    assert!(!said.contains("hunter22"), "{said}");
    insta::assert_snapshot!(said, @r"
    error: `secret` must be a text of at least 20 characters
     --> environments/test.yaml:7:13
      |
    7 |     secret: ********
      |             ^^^^^^^^ this is `********`
      |
     ::: stacks/s.yaml:3:3
      |
    3 |   secret: { type: string, sensitive: true, min_length: 20 }
      |   ------ the parameter is declared here
      |
      = help: write a text of that length
    ");
}
