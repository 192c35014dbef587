//! References, repetition, conditions and components, by the graph that they give.

use std::collections::BTreeMap;

use saiken::model::desired::Desired;
use saiken::model::kind::Replacement;
use serde_json::{Value, json};

use super::{ENVIRONMENT, desired};

fn addresses(desired: &Desired) -> Vec<&str> {
    desired.resources.keys().map(|a| a.as_str()).collect()
}

fn references<'d>(desired: &'d Desired, address: &str) -> Vec<&'d str> {
    desired.resources[address].references.iter().map(|a| a.as_str()).collect()
}

fn spec<'d>(desired: &'d Desired, address: &str, field: &str) -> &'d Value {
    &desired.resources[address].spec[field]
}

const NETWORK: &str = "\
stack: network
resources:
  main: { kind: vpc, cidr: 10.0.0.0/16 }
  app:
    kind: subnet
    each: \"{{ environment.zones }}\"
    vpc: main
    zone: \"{{ each.key }}\"
    cidr: \"{{ subnet '10.0.0.0/16' 8 each.index }}\"
outputs:
  vpc: { value: \"{{ main.id }}\", description: The network }
  secret: { value: x, sensitive: true }
";

#[test]
fn a_reference_names_a_resource_here_in_another_stack_or_a_foreign_object() {
    let desired = desired(&[
        ("stacks/network.yaml", NETWORK),
        (
            "stacks/s.yaml",
            "stack: s
resources:
  own: { kind: vpc, cidr: 10.1.0.0/16 }
  a: { kind: internet_gateway, vpc: own }
  b: { kind: internet_gateway, vpc: network/main }
  c: { kind: internet_gateway, vpc: { id: vpc-0123 } }
  d: { kind: internet_gateway, vpc: { tags: { Name: \"{{ environment.project }}\" } } }
  e: { kind: internet_gateway, vpc: { id: \"{{ network.outputs.vpc }}\" } }
  f: { kind: internet_gateway, vpc: \"{{ concat 'network/' 'main' }}\" }
",
        ),
    ]);
    assert_eq!(spec(&desired, "s/a", "vpc"), "s/own");
    assert_eq!(spec(&desired, "s/b", "vpc"), "network/main");
    assert_eq!(spec(&desired, "s/c", "vpc"), &json!({ "id": "vpc-0123" }));
    assert_eq!(spec(&desired, "s/d", "vpc"), &json!({ "tags": { "Name": "shop" } }));
    assert_eq!(spec(&desired, "s/f", "vpc"), "network/main");
    assert_eq!(references(&desired, "s/a"), ["s/own"]);
    assert_eq!(references(&desired, "s/b"), ["network/main"]);
    assert!(references(&desired, "s/c").is_empty() && references(&desired, "s/d").is_empty());
    assert_eq!(references(&desired, "s/e"), ["network/main"]);
    let order: Vec<&str> = desired.stacks.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(order, ["network", "s"]);
    assert_eq!(desired.stacks[1].depends_on.iter().collect::<Vec<_>>(), ["network"]);
    let vpc = &desired.outputs["network"]["vpc"];
    assert_eq!((vpc.description.as_deref(), vpc.sensitive), (Some("The network"), false));
    assert!(desired.outputs["network"]["secret"].sensitive);
}

#[test]
fn a_repetition_goes_over_a_list_a_map_or_a_number() {
    let desired = desired(&[(
        "stacks/s.yaml",
        "stack: s
resources:
  l: { kind: elastic_ip, each: [b, 1], tags: { T: \"{{ each.key }} {{ each.value }} {{ each.index }}\" } }
  m: { kind: elastic_ip, each: { x: { port: 1 }, y: { port: 2 } }, tags: { T: \"{{ each.key }} {{ each.value.port }} {{ each.index }}\" } }
  n: { kind: elastic_ip, each: 2, tags: { T: \"{{ each.key }} {{ each.value }} {{ each.index }}\" } }
  none: { kind: elastic_ip, each: 0 }
  also_none: { kind: elastic_ip, each: [] }
",
    )]);
    let tags: BTreeMap<&str, &str> =
        desired.resources.iter().map(|(a, r)| (a.as_str(), r.spec["tags"]["T"].as_str().unwrap())).collect();
    let expected = [
        ("s/l:1", "1 1 1"),
        ("s/l:b", "b b 0"),
        ("s/m:x", "x 1 0"),
        ("s/m:y", "y 2 1"),
        ("s/n:0", "0 0 0"),
        ("s/n:1", "1 1 1"),
    ];
    assert_eq!(tags, BTreeMap::from(expected));
}

#[test]
fn a_repetition_can_follow_another_with_its_attributes_however_long_it_is() {
    let desired = desired(&[(
        "stacks/s.yaml",
        "stack: s
resources:
  ip: { kind: elastic_ip, each: 100 }
  log: { kind: log_group, each: \"{{ ip }}\", tags: { T: \"{{ each.value.public_ip }} {{ lookup (lookup ip each.key) 'id' }}\" } }
outputs:
  count: { value: \"{{ length ip }}\" }
  keys: { value: \"{{ length (keys ip) }}\" }
",
    )]);
    assert_eq!(desired.resources.len(), 200);
    assert_eq!(references(&desired, "s/log:77"), ["s/ip:77"]);
    assert_eq!(desired.outputs["s"]["count"].value, 100);
    assert_eq!(desired.outputs["s"]["keys"].value, 100);
}

#[test]
fn a_repeated_name_is_all_of_them_in_a_list_and_the_one_with_the_same_key_elsewhere() {
    let desired = desired(&[
        ("stacks/network.yaml", NETWORK),
        (
            "stacks/s.yaml",
            "stack: s
resources:
  ip: { kind: elastic_ip, each: \"{{ environment.zones }}\" }
  nat:
    kind: nat_gateway
    each: \"{{ environment.zones }}\"
    subnet: network/app
    elastic_ip: ip
  one: { kind: nat_gateway, subnet: \"network/app:ap-northeast-1c\", elastic_ip: \"ip:ap-northeast-1a\" }
  all: { kind: route_table, vpc: network/main, routes: [], subnets: network/app }
  some: { kind: route_table, vpc: network/main, routes: [], subnets: [\"network/app:ap-northeast-1a\", { id: subnet-1 }] }
",
        ),
    ]);
    assert_eq!(spec(&desired, "s/nat:ap-northeast-1c", "subnet"), "network/app:ap-northeast-1c");
    assert_eq!(spec(&desired, "s/nat:ap-northeast-1c", "elastic_ip"), "s/ip:ap-northeast-1c");
    assert_eq!(spec(&desired, "s/one", "subnet"), "network/app:ap-northeast-1c");
    assert_eq!(spec(&desired, "s/one", "elastic_ip"), "s/ip:ap-northeast-1a");
    let all = json!(["network/app:ap-northeast-1a", "network/app:ap-northeast-1c"]);
    assert_eq!(spec(&desired, "s/all", "subnets"), &all);
    assert_eq!(spec(&desired, "s/some", "subnets"), &json!(["network/app:ap-northeast-1a", { "id": "subnet-1" }]));
}

#[test]
fn what_a_condition_leaves_out_is_not_there_and_lists_and_orders_drop_it() {
    let desired = desired(&[
        (
            "stacks/s.yaml",
            "stack: s
parameters:
  on: { type: boolean, default: false }
resources:
  main: { kind: vpc, cidr: 10.0.0.0/16 }
  a: { kind: subnet, vpc: main, zone: ap-northeast-1a, cidr: 10.0.0.0/24 }
  b: { kind: subnet, vpc: main, zone: ap-northeast-1a, cidr: 10.0.1.0/24, when: \"{{ on }}\" }
  c: { kind: subnet, vpc: main, zone: ap-northeast-1a, cidr: 10.0.2.0/24, when: \"{{ eq environment.name 'test' }}\" }
  routes: { kind: route_table, vpc: main, routes: [], subnets: [a, b, c], depends_on: [b, off] }
components:
  off: { template: t, when: false }
  on_: { template: t, when: \"{{ not on }}\" }
",
        ),
        ("templates/t.yaml", "template: t\nresources:\n  ip: { kind: elastic_ip }\n"),
    ]);
    assert_eq!(addresses(&desired), ["s/a", "s/c", "s/main", "s/on_.ip", "s/routes"]);
    assert_eq!(spec(&desired, "s/routes", "subnets"), &json!(["s/a", "s/c"]));
}

const TEMPLATES: [(&str, &str); 2] = [
    (
        "templates/tier.yaml",
        "template: tier
parameters:
  vpc: { type: reference, kind: vpc }
  base: { type: cidr }
  zones: { type: list, items: string }
resources:
  net:
    kind: subnet
    each: \"{{ zones }}\"
    vpc: \"{{ vpc }}\"
    zone: \"{{ each.key }}\"
    cidr: \"{{ subnet base 4 each.index }}\"
components:
  gate: { template: gate, with: { subnets: net } }
outputs:
  first: { value: \"{{ net.[a].id }}\" }
  table: { value: \"{{ gate.outputs.table }}\" }
",
    ),
    (
        "templates/gate.yaml",
        "template: gate
parameters:
  subnets: { type: list, items: { type: reference, kind: subnet } }
resources:
  table: { kind: route_table, vpc: { id: vpc-1 }, routes: [], subnets: \"{{ subnets }}\" }
outputs:
  table: { value: \"{{ table.id }}\" }
",
    ),
];

#[test]
fn components_nest_and_are_seen_by_their_names_and_outputs() {
    let mut files = TEMPLATES.to_vec();
    files.push((
        "stacks/s.yaml",
        "stack: s
resources:
  main: { kind: vpc, cidr: 10.0.0.0/16 }
  nat: { kind: nat_gateway, subnet: \"web.net:a\", elastic_ip: { id: eipalloc-1 }, tags: { T: \"{{ web.outputs.table }} {{ web.gate.table.id }} {{ web.net.[b].id }}\" } }
components:
  web: { template: tier, with: { vpc: main, base: 10.0.0.0/20, zones: [a, b] } }
outputs:
  first: { value: \"{{ web.outputs.first }}\" }
",
    ));
    files.push(("stacks/t.yaml", "stack: t\nresources:\n  x: { kind: route_table, vpc: s/main, routes: [], subnets: s/web.net, tags: { T: \"{{ s.web.outputs.first }} {{ s.outputs.first }}\" } }\n"));
    let desired = desired(&files);
    assert_eq!(addresses(&desired), ["s/main", "s/nat", "s/web.gate.table", "s/web.net:a", "s/web.net:b", "t/x"]);
    assert_eq!(spec(&desired, "s/web.net:b", "vpc"), "s/main");
    assert_eq!(spec(&desired, "s/web.net:b", "cidr"), "10.0.1.0/24");
    assert_eq!(spec(&desired, "s/web.gate.table", "subnets"), &json!(["s/web.net:a", "s/web.net:b"]));
    assert_eq!(references(&desired, "s/nat"), ["s/web.gate.table", "s/web.net:a", "s/web.net:b"]);
    assert_eq!(references(&desired, "t/x"), ["s/main", "s/web.net:a", "s/web.net:b"]);
    assert!(desired.resources["s/web.net:a"].origin.starts_with("templates/tier.yaml:7:3"));
}

#[test]
fn a_repeated_component_has_its_key_before_those_inside() {
    let mut files = TEMPLATES.to_vec();
    files.push((
        "stacks/s.yaml",
        "stack: s
resources:
  main: { kind: vpc, cidr: 10.0.0.0/16 }
  nat: { kind: nat_gateway, subnet: \"tier.net:y:a\", elastic_ip: { id: eipalloc-1 }, tags: { T: \"{{ tier.[x].outputs.first }} {{ tier.[y].net.[a].id }}\" } }
  each_tier: { kind: route_table, each: [x, y], vpc: main, routes: [], subnets: tier.net }
components:
  tier:
    template: tier
    each: { x: 0, y: 1 }
    with: { vpc: main, base: \"{{ subnet '10.0.0.0/16' 4 each.value }}\", zones: [a] }
",
    ));
    let desired = desired(&files);
    assert_eq!(
        addresses(&desired),
        [
            "s/each_tier:x",
            "s/each_tier:y",
            "s/main",
            "s/nat",
            "s/tier.gate.table:x",
            "s/tier.gate.table:y",
            "s/tier.net:x:a",
            "s/tier.net:y:a"
        ]
    );
    assert_eq!(spec(&desired, "s/tier.net:y:a", "cidr"), "10.0.16.0/24");
    assert_eq!(spec(&desired, "s/nat", "subnet"), "s/tier.net:y:a");
    assert_eq!(references(&desired, "s/nat"), ["s/tier.net:x:a", "s/tier.net:y:a"]);
    assert_eq!(spec(&desired, "s/each_tier:y", "subnets"), &json!(["s/tier.net:y:a"]));
}

#[test]
fn a_component_repeated_only_once_is_named_as_one_repeated_often() {
    let mut files = TEMPLATES.to_vec();
    files.push((
        "stacks/s.yaml",
        "stack: s
resources:
  main: { kind: vpc, cidr: 10.0.0.0/16 }
  nat: { kind: nat_gateway, subnet: \"tier.net:x:a\", elastic_ip: { id: eipalloc-1 } }
components:
  tier: { template: tier, each: [x], with: { vpc: main, base: 10.0.0.0/20, zones: [a] } }
",
    ));
    assert_eq!(spec(&desired(&files), "s/nat", "subnet"), "s/tier.net:x:a");
}

#[test]
fn repetitions_and_conditions_can_use_outputs_of_components_and_stacks() {
    let desired = desired(&[
        (
            "templates/names.yaml",
            "template: names\nparameters:\n  n: { type: integer }\noutputs:\n  all: { value: \"{{ range n }}\" }\n",
        ),
        ("stacks/a.yaml", "stack: a\nresources:\n  x: { kind: elastic_ip, each: \"{{ z.outputs.names }}\" }\n"),
        (
            "stacks/z.yaml",
            "stack: z\nresources:\n  y: { kind: elastic_ip, each: \"{{ two.outputs.all }}\", when: \"{{ eq (length two.outputs.all) 2 }}\" }\ncomponents:\n  two: { template: names, with: { n: 2 } }\noutputs:\n  names: { value: [p, q] }\n",
        ),
    ]);
    assert_eq!(addresses(&desired), ["a/x:p", "a/x:q", "z/y:0", "z/y:1"]);
}

#[test]
fn depends_on_takes_resources_repetitions_components_and_other_stacks() {
    let desired = desired(&[
        ("stacks/network.yaml", NETWORK),
        (
            "templates/t.yaml",
            "template: t\nresources:\n  ip: { kind: elastic_ip, each: 2 }\n  last: { kind: elastic_ip, depends_on: ip }\n",
        ),
        (
            "stacks/s.yaml",
            "stack: s
resources:
  a: { kind: elastic_ip }
  many: { kind: elastic_ip, each: [x, y] }
  one: { kind: elastic_ip, depends_on: a }
  list: { kind: elastic_ip, depends_on: [a, many, \"network/app:ap-northeast-1a\", network/main, t] }
  key: { kind: elastic_ip, depends_on: [\"many:y\", t.last] }
  same: { kind: elastic_ip, each: [x, y], depends_on: [\"many:{{ each.key }}\"] }
components:
  t: { template: t, depends_on: a }
",
        ),
    ]);
    assert_eq!(references(&desired, "s/one"), ["s/a"]);
    assert_eq!(
        references(&desired, "s/list"),
        [
            "network/app:ap-northeast-1a",
            "network/main",
            "s/a",
            "s/many:x",
            "s/many:y",
            "s/t.ip:0",
            "s/t.ip:1",
            "s/t.last"
        ]
    );
    assert_eq!(references(&desired, "s/key"), ["s/many:y", "s/t.last"]);
    assert_eq!(references(&desired, "s/same:y"), ["s/many:y"]);
    assert_eq!(references(&desired, "s/t.ip:0"), ["s/a"]);
    assert_eq!(references(&desired, "s/t.last"), ["s/a", "s/t.ip:0", "s/t.ip:1"]);
}

#[test]
fn the_lifecycle_is_taken_over_from_the_resource_the_component_or_the_environment() {
    let desired = desired(&[
        ("environments/test.yaml", &format!("{ENVIRONMENT}protect: true\n")),
        (
            "templates/t.yaml",
            "template: t\nresources:\n  a: { kind: elastic_ip }\n  b: { kind: elastic_ip, lifecycle: { protect: true } }\n",
        ),
        (
            "stacks/s.yaml",
            "stack: s
resources:
  a: { kind: elastic_ip }
  b: { kind: elastic_ip, lifecycle: { protect: false, replacement: delete_first, ignore: [tags.Team, pool] } }
components:
  t: { template: t, lifecycle: { protect: false, replacement: create_first } }
",
        ),
    ]);
    let lifecycle = |a: &str| &desired.resources[a].lifecycle;
    assert!(lifecycle("s/a").protect && !lifecycle("s/b").protect);
    assert!(!lifecycle("s/t.a").protect && lifecycle("s/t.b").protect);
    assert_eq!(lifecycle("s/b").replacement, Some(Replacement::DeleteFirst));
    assert_eq!(lifecycle("s/b").ignore, ["tags.Team", "pool"]);
    assert_eq!(lifecycle("s/a").replacement, None);
    assert_eq!(lifecycle("s/t.a").replacement, Some(Replacement::CreateFirst));
}

#[test]
fn the_region_is_that_of_the_resource_the_component_the_stack_or_the_environment() {
    let desired = desired(&[
        ("environments/test.yaml", &format!("{ENVIRONMENT}regions: {{ copies: ap-northeast-3, far: us-west-2 }}\n")),
        (
            "templates/t.yaml",
            "template: t\nresources:\n  a: { kind: elastic_ip }\n  b: { kind: elastic_ip, region: far }\n",
        ),
        (
            "stacks/home.yaml",
            "stack: home\nresources:\n  a: { kind: elastic_ip }\n  many: { kind: elastic_ip, each: [copies, far], region: \"{{ each.key }}\" }\n",
        ),
        (
            "stacks/s.yaml",
            "stack: s
region: copies
resources:
  a: { kind: elastic_ip }
  b: { kind: elastic_ip, region: us-west-2 }
  role: { kind: role, trust: { Version: \"2012-10-17\", Statement: [] } }
components:
  t: { template: t }
  u: { template: t, region: ap-northeast-1 }
  v: { template: t, each: [far], region: \"{{ each.key }}\" }
",
        ),
    ]);
    let region = |a: &str| desired.resources[a].region.as_str();
    assert_eq!(region("home/a"), "ap-northeast-1");
    assert_eq!((region("home/many:copies"), region("home/many:far")), ("ap-northeast-3", "us-west-2"));
    assert_eq!((region("s/a"), region("s/b")), ("ap-northeast-3", "us-west-2"));
    assert_eq!((region("s/t.a"), region("s/t.b")), ("ap-northeast-3", "us-west-2"));
    assert_eq!((region("s/u.a"), region("s/u.b")), ("ap-northeast-1", "us-west-2"));
    assert_eq!(region("s/v.a:far"), "us-west-2");
    assert_eq!(region("s/role"), "ap-northeast-1", "objects of the whole account belong to the main region");
}

#[test]
fn moved_forgotten_and_adopted_resources_are_told_to_the_plan() {
    let desired = desired(&[(
        "stacks/s.yaml",
        "stack: s
resources:
  new: { kind: elastic_ip, adopt: eipalloc-1 }
  many: { kind: elastic_ip, each: [a, b, c], adopt: { a: eipalloc-a, b: eipalloc-b } }
  from: { kind: elastic_ip, each: [a], adopt: \"eipalloc-{{ each.key }}\" }
moved:
  - { from: old, to: new }
  - { from: \"single\", to: \"many:a\" }
  - { from: other/old, to: s/many:b }
forget: [gone, \"gone:a\", other/gone]
",
    )]);
    let moved: Vec<String> = desired.moved.iter().map(|(a, b)| format!("{a} {b}")).collect();
    assert_eq!(moved, ["s/old s/new", "s/single s/many:a", "other/old s/many:b"]);
    let forget: Vec<&str> = desired.forget.iter().map(|a| a.as_str()).collect();
    assert_eq!(forget, ["other/gone", "s/gone", "s/gone:a"]);
    let adopt = |a: &str| desired.resources[a].adopt.as_deref();
    assert_eq!(adopt("s/new"), Some("eipalloc-1"));
    assert_eq!(
        (adopt("s/many:a"), adopt("s/many:b"), adopt("s/many:c")),
        (Some("eipalloc-a"), Some("eipalloc-b"), None)
    );
    assert_eq!(adopt("s/from:a"), Some("eipalloc-a"));
}

#[test]
fn tags_of_the_environment_stand_below_those_of_the_resource() {
    let desired = desired(&[
        ("environments/test.yaml", &format!("{ENVIRONMENT}tags: {{ Service: shop, Team: a }}\n")),
        (
            "stacks/s.yaml",
            "stack: s\nresources:\n  a: { kind: elastic_ip, tags: { Team: b } }\n  b: { kind: elastic_ip }\n",
        ),
    ]);
    assert_eq!(spec(&desired, "s/a", "tags"), &json!({ "Service": "shop", "Team": "b" }));
    assert_eq!(spec(&desired, "s/b", "tags"), &json!({ "Service": "shop", "Team": "a" }));
}

#[test]
fn names_texts_and_keys_can_be_japanese() {
    let desired = desired(&[
        (
            "templates/サーバー.yaml",
            "template: サーバー\nparameters:\n  印: { type: string }\nresources:\n  住所: { kind: elastic_ip, tags: { 印: \"{{ 印 }}\" } }\n",
        ),
        (
            "stacks/ネット.yaml",
            "stack: ネット
description: 本番のネットワーク
resources:
  主: { kind: vpc, cidr: 10.0.0.0/16 }
  門: { kind: internet_gateway, vpc: 主, each: [東, 西], tags: { 名前: \"{{ each.key }}の門\" } }
components:
  前: { template: サーバー, with: { 印: \"{{ 門.[東].id }}\" } }
",
        ),
    ]);
    assert_eq!(addresses(&desired), ["ネット/主", "ネット/前.住所", "ネット/門:東", "ネット/門:西"]);
    assert_eq!(spec(&desired, "ネット/門:西", "vpc"), "ネット/主");
    assert_eq!(spec(&desired, "ネット/門:西", "tags"), &json!({ "名前": "西の門" }));
    assert_eq!(references(&desired, "ネット/前.住所"), ["ネット/門:東"]);
}

#[test]
fn anchors_and_aliases_repeat_a_value() {
    let desired = desired(&[(
        "stacks/s.yaml",
        "stack: s\nresources:\n  a: { kind: elastic_ip, tags: &tags { T: x } }\n  b: { kind: elastic_ip, tags: *tags }\n",
    )]);
    assert_eq!(spec(&desired, "s/b", "tags"), &json!({ "T": "x" }));
}
