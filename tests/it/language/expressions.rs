//! Expressions, helpers and payloads, by what they give.

use serde_json::{Value, json};

use super::{ENVIRONMENT, desired};

/// What an expression gives, with some parameters to work on.
#[track_caller]
fn gives(expression: &str) -> Value {
    let stack = format!(
        "stack: s
parameters:
  cidr: {{ type: cidr, default: 10.0.0.0/16 }}
  six: {{ type: cidr, default: \"2001:db8::/56\" }}
  名前: {{ type: string, default: 日本語 }}
  list: {{ type: list, items: string, default: [a, b, c] }}
  map: {{ type: map, values: integer, default: {{ x: 1, y: 2 }} }}
  n: {{ type: integer, default: 3 }}
  none: {{ type: string, default: ~ }}
resources:
  ip: {{ kind: elastic_ip }}
  main: {{ kind: vpc, cidr: \"{{{{ cidr }}}}\" }}
  many: {{ kind: elastic_ip, each: \"{{{{ list }}}}\" }}
outputs:
  it:
    value: {}
",
        serde_json::to_string(expression).unwrap()
    );
    let desired = desired(&[("stacks/s.yaml", &stack)]);
    desired.outputs["s"]["it"].value.clone()
}

/// A value that is not known before apply, as people see it.
fn shown(value: &Value) -> String {
    saiken::model::value::readable(value.as_str().unwrap()).into_owned()
}

#[test]
fn every_helper_gives_what_the_reference_says() {
    let cases = [
        ("{{ subnet cidr 8 2 }}", json!("10.0.2.0/24")),
        ("{{ subnet six 8 255 }}", json!("2001:db8:0:ff::/64")),
        ("{{ host cidr 5 }}", json!("10.0.0.5")),
        ("{{ host cidr -1 }}", json!("10.0.255.255")),
        ("{{ upper \"ab\" }}", json!("AB")),
        ("{{ lower \"AB\" }}", json!("ab")),
        ("{{ join list \", \" }}", json!("a, b, c")),
        ("{{ split \"a,b\" \",\" }}", json!(["a", "b"])),
        ("{{ length list }}", json!(3)),
        ("{{ length map }}", json!(2)),
        ("{{ length 名前 }}", json!(3)),
        ("{{ len list }}", json!(3)),
        ("{{ keys map }}", json!(["x", "y"])),
        ("{{ values map }}", json!([1, 2])),
        ("{{ concat \"a\" n }}", json!("a3")),
        ("{{ concat list \"d\" }}", json!(["a", "b", "c", "d"])),
        ("{{ range 3 }}", json!([0, 1, 2])),
        ("{{ default none \"x\" }}", json!("x")),
        ("{{ default n \"x\" }}", json!(3)),
        ("{{ json map }}", json!("{\"x\":1,\"y\":2}")),
        ("{{ base64 \"é\" }}", json!("w6k=")),
        ("{{ sha256 \"\" }}", json!("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")),
        ("{{ lookup map \"y\" }}", json!(2)),
        ("{{ lookup list 1 }}", json!("b")),
        ("{{ lookup map \"z\" 7 }}", json!(7)),
        ("{{ lookup list 9 \"none\" }}", json!("none")),
        ("{{ add n 1 }}", json!(4)),
        ("{{ subtract n 5 }}", json!(-2)),
        ("{{ multiply n n }}", json!(9)),
        ("{{ min n 2 }}", json!(2)),
        ("{{ max n 2 }}", json!(3)),
        ("{{ replace \"a-b-c\" \"-\" \"_\" }}", json!("a_b_c")),
        ("{{ eq n 3 }}", json!(true)),
        ("{{ ne n 3 }}", json!(false)),
        ("{{ gt n 2 }}", json!(true)),
        ("{{ gte n 3 }}", json!(true)),
        ("{{ lt n 3 }}", json!(false)),
        ("{{ lte n 3 }}", json!(true)),
        ("{{ and true (eq n 3) }}", json!(true)),
        ("{{ or false (eq n 4) }}", json!(false)),
        ("{{ not (eq n 4) }}", json!(true)),
        ("{{#if (gt n 2)}}many{{else}}few{{/if}}", json!("many")),
        ("{{#unless (gt n 2)}}few{{else if (eq n 3)}}three{{/unless}}", json!("three")),
        ("{{#each list}}{{@index}}{{this}}{{#unless @last}},{{/unless}}{{/each}}", json!("0a,1b,2c")),
        ("{{#each list as |item|}}[{{item}}]{{/each}}", json!("[a][b][c]")),
        ("{{#each map}}{{@key}}={{this}};{{/each}}", json!("x=1;y=2;")),
    ];
    for (expression, value) in cases {
        assert_eq!(gives(expression), value, "{expression}");
    }
}

#[test]
fn one_single_expression_keeps_its_type_and_more_than_that_is_a_text() {
    assert_eq!(gives("{{ n }}"), json!(3));
    assert_eq!(gives("  {{ list }}  "), json!(["a", "b", "c"]));
    assert_eq!(gives("{{ map.x }}"), json!(1));
    assert_eq!(gives("{{ list.[1] }}"), json!("b"));
    assert_eq!(gives("{{ n }}{{ n }}"), json!("33"));
    assert_eq!(gives("n is {{ n }}, list is {{ json list }}"), json!("n is 3, list is [\"a\",\"b\",\"c\"]"));
    assert_eq!(gives("{{ 名前 }}です <&>"), json!("日本語です <&>"));
    assert_eq!(gives("no expression"), json!("no expression"));
}

#[test]
fn the_environment_is_in_scope() {
    let expression = "{{ environment.name }} {{ environment.project }} {{ environment.region }} {{ environment.zones.[1] }} {{ environment.regions.copies }} {{ environment.account }}";
    let stack = format!("stack: s\noutputs:\n  it: {{ value: \"{expression}\" }}\n");
    let environment = format!("{ENVIRONMENT}account: \"000000000000\"\nregions: {{ copies: ap-northeast-3 }}\n");
    let desired = desired(&[("environments/test.yaml", &environment), ("stacks/s.yaml", &stack)]);
    assert_eq!(
        desired.outputs["s"]["it"].value,
        "test shop ap-northeast-1 ap-northeast-1c ap-northeast-3 000000000000"
    );
}

#[test]
fn attributes_are_known_after_apply_and_go_through_text() {
    assert_eq!(shown(&gives("{{ ip.public_ip }}")), "(known after apply: s/ip.public_ip)");
    assert_eq!(shown(&gives("http://{{ ip.public_ip }}/")), "http://(known after apply: s/ip.public_ip)/");
    assert_eq!(shown(&gives("{{ many.[b].id }}")), "(known after apply: s/many:b.id)");
    assert_eq!(shown(&gives("{{ join (concat list ip.id) \"+\" }}")), "a+b+c+(known after apply: s/ip.id)");
    assert_eq!(
        shown(&gives("{{#each many}}{{ this.id }} {{/each}}")),
        "(known after apply: s/many:a.id) (known after apply: s/many:b.id) (known after apply: s/many:c.id) "
    );
    assert_eq!(gives("{{ length many }}"), json!(3));
    assert_eq!(gives("{{ keys many }}"), json!(["a", "b", "c"]));
}

#[test]
fn a_helper_can_work_on_a_field_of_another_resource_for_the_files_say_what_it_is() {
    assert_eq!(gives("{{ subnet main.cidr 8 1 }}"), json!("10.0.1.0/24"));
    assert_eq!(gives("{{ upper (concat \"x\" (host main.cidr 1)) }}"), json!("X10.0.0.1"));
}

#[test]
fn a_payload_sees_what_it_is_given_and_the_environment() {
    let desired = desired(&[
        (
            "stacks/s.yaml",
            "stack: s
resources:
  ip: { kind: elastic_ip }
  server:
    kind: launch_template
    image: ami-12345678
    instance_type: t4g.micro
    user_data:
      payload: boot/始め.sh.hbs
      with: { port: 80, address: \"{{ ip.public_ip }}\", names: [a, b], deep: { x: \"{{ environment.region }}\" } }
",
        ),
        (
            "templates/boot/始め.sh.hbs",
            "#!/bin/sh\n{{!-- a comment {{ --}}\n# {{ environment.name }} <&\"'> \\{{ kept }}\n{{#each names}}\necho {{ this }}:{{ ../port }}\n{{/each}}\ncurl {{ address }} {{ deep.x }} {{ add port 1 }}\n",
        ),
    ]);
    let server = &desired.resources["s/server"];
    insta::assert_snapshot!(shown(&server.spec["user_data"]), @r#"
    #!/bin/sh
    # test <&"'> {{ kept }}
    echo a:80
    echo b:80
    curl (known after apply: s/ip.public_ip) ap-northeast-1 81
    "#);
    assert_eq!(server.references.iter().map(|a| a.as_str()).collect::<Vec<_>>(), ["s/ip"]);
}

#[test]
fn a_policy_can_be_a_mapping_a_text_or_a_payload_and_means_the_same() {
    let policy = "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":\"ec2.amazonaws.com\"},\"Action\":\"sts:AssumeRole\"}]}";
    let desired = desired(&[
        (
            "stacks/s.yaml",
            &format!(
                "stack: s\nresources:\n  a: {{ kind: role, trust: {policy} }}\n  b: {{ kind: role, trust: '{policy}' }}\n  c: {{ kind: role, trust: {{ payload: trust.json.hbs, with: {{ service: ec2 }} }} }}\n"
            ),
        ),
        ("templates/trust.json.hbs", &policy.replace("ec2.", "{{ service }}.")),
    ]);
    let trust = |name: &str| desired.resources[name].spec["trust"].clone();
    assert_eq!(trust("s/a"), trust("s/b"));
    assert_eq!(trust("s/a"), trust("s/c"));
}
