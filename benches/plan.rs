//! How long a plan takes: layered systems of 100, 1,000 and 10,000 resources against an inventory that matches them, with
//! nothing to do, and with a tenth of the servers changed.
#![allow(missing_docs, clippy::unwrap_used, reason = "a program, not a library")]

use std::collections::{BTreeMap, BTreeSet};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use saiken::model::Address;
use saiken::model::desired::{Desired, Lifecycle, Resource};
use saiken::model::environment::{Environment, Guards, Provider};
use saiken::model::kind::{Attribute, Facts, Kind, KindDef, Kinds, Permissions, Replacement, Scope};
use saiken::model::observed::{Object, Observed, Status};
use saiken::model::ownership::{Owner, fingerprints};
use saiken::model::types::Ref;
use saiken::model::value::Map;
use saiken::plan::{Inputs, plan};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const FACTS: Facts = Facts {
    title: "bench",
    service: "bench",
    reference: "",
    scope: Scope::Regional,
    data: None,
    replacement: Replacement::CreateFirst,
    serves: false,
    attributes: &[Attribute::stable("id", "id")],
    permissions: Permissions { read: &[], create: &[], update: &[], delete: &[] },
    name_limit: 0,
    creation_seconds: 1,
    deletion_seconds: 1,
    quota: 100_000,
    zone_field: None,
    loose_refs: &[],
};

struct Vpc;
#[derive(Serialize, Deserialize, JsonSchema)]
struct VpcSpec {
    #[schemars(extend("x-change" = "replace"))]
    cidr: String,
}
impl Kind for Vpc {
    const NAME: &'static str = "vpc";
    type Spec = VpcSpec;
    fn facts() -> Facts {
        FACTS
    }
}

struct Subnet;
#[derive(Serialize, Deserialize, JsonSchema)]
struct SubnetSpec {
    #[schemars(extend("x-change" = "replace"))]
    vpc: Ref<Vpc>,
    cidr: String,
}
impl Kind for Subnet {
    const NAME: &'static str = "subnet";
    type Spec = SubnetSpec;
    fn facts() -> Facts {
        FACTS
    }
}

struct Group;
#[derive(Serialize, Deserialize, JsonSchema)]
struct GroupSpec {
    vpc: Ref<Vpc>,
    #[schemars(extend("x-unordered" = true))]
    rules: Vec<Rule>,
}
#[derive(Serialize, Deserialize, JsonSchema)]
struct Rule {
    port: u16,
    from: String,
}
impl Kind for Group {
    const NAME: &'static str = "group";
    type Spec = GroupSpec;
    fn facts() -> Facts {
        FACTS
    }
}

struct Server;
#[derive(Serialize, Deserialize, JsonSchema)]
struct ServerSpec {
    subnet: Ref<Subnet>,
    groups: Vec<Ref<Group>>,
    size: String,
    #[schemars(extend("x-fingerprint" = true))]
    user_data: String,
    tags: BTreeMap<String, String>,
}
impl Kind for Server {
    const NAME: &'static str = "server";
    type Spec = ServerSpec;
    fn facts() -> Facts {
        FACTS
    }
}

struct System {
    kinds: Kinds,
    desired: Desired,
    observed: Observed,
}

impl System {
    fn new(size: usize) -> Self {
        let environment = Environment {
            name: "bench".into(),
            project: "bench".into(),
            provider: Provider::Simulated,
            account: None,
            role: None,
            region: "r1".into(),
            zones: Vec::new(),
            regions: BTreeMap::new(),
            tags: BTreeMap::new(),
            protect: false,
            guards: Guards::none(),
            time_zone: "UTC".into(),
            state: ".saiken".into(),
        };
        let desired = Desired {
            environment,
            resources: BTreeMap::new(),
            stacks: Vec::new(),
            moved: Vec::new(),
            forget: BTreeSet::new(),
            outputs: BTreeMap::new(),
            secrets: Vec::new(),
        };
        let kinds = Kinds::new([
            KindDef::of::<Vpc>(),
            KindDef::of::<Subnet>(),
            KindDef::of::<Group>(),
            KindDef::of::<Server>(),
        ]);
        let mut system = Self { kinds, desired, observed: Observed::default() };
        let (vpcs, subnets, groups) = ((size / 100).max(1), size / 10, size / 10);
        for i in 0..vpcs {
            system.add(&format!("network/v{i}"), "vpc", json!({"cidr": format!("10.{}.0.0/16", i % 256)}));
        }
        for i in 0..subnets {
            let spec = json!({"vpc": format!("network/v{}", i % vpcs), "cidr": format!("10.0.{}.0/24", i % 256)});
            system.add(&format!("network/s{i}"), "subnet", spec);
        }
        for i in 0..groups {
            let rules: Vec<Value> = (0..5).map(|p| json!({"port": 80 + p, "from": "10.0.0.0/8"})).collect();
            let spec = json!({"vpc": format!("network/v{}", i % vpcs), "rules": rules});
            system.add(&format!("network/g{i}"), "group", spec);
        }
        for i in 0..size - vpcs - subnets - groups {
            let spec = json!({
                "subnet": format!("network/s{}", i % subnets),
                "groups": [format!("network/g{}", i % groups)],
                "size": "small",
                "user_data": "#!/bin/sh\necho start\n".repeat(20),
                "tags": {"role": "web", "number": i.to_string()},
            });
            system.add(&format!("servers/w{i}"), "server", spec);
        }
        system
    }

    fn add(&mut self, address: &str, kind: &str, spec: Value) {
        let kind = self.kinds.get(kind).unwrap().clone();
        let address = Address::parse(address).unwrap();
        let mut references = BTreeSet::new();
        kind.schema.visit_refs(&spec, &mut |_, v| references.extend(v.as_str().map(|s| Address::parse(s).unwrap())));
        let id = format!("{}-{}", kind.name, self.observed.objects.len());
        self.observed.objects.push(Object {
            kind: kind.name.into(),
            region: "r1".into(),
            attributes: Map::from_iter([("id".to_owned(), json!(id))]),
            id,
            identifiers: Vec::new(),
            owner: Some(Owner {
                project: "bench".into(),
                environment: "bench".into(),
                address: address.clone(),
                generation: 1,
                fingerprints: fingerprints(&kind.schema, &spec),
                protected: false,
            }),
            spec: spec.clone(),
            status: Status::Ready,
            unread: Vec::new(),
        });
        let resource = Resource {
            address: address.clone(),
            kind,
            region: "r1".into(),
            spec,
            references,
            lifecycle: Lifecycle::default(),
            adopt: None,
            origin: String::new(),
        };
        self.desired.resources.insert(address, resource);
    }

    fn change_a_tenth(&mut self) {
        for object in self.observed.objects.iter_mut().step_by(10).filter(|o| o.kind == "server") {
            object.spec["size"] = json!("large");
        }
    }

    fn plan(&self) -> saiken::model::plan::Plan {
        plan(&Inputs {
            desired: &self.desired,
            observed: &self.observed,
            record: None,
            interrupted: None,
            kinds: &self.kinds,
            id: "bench",
            now: "2026-01-01T00:00:00Z",
            version: "0",
            account: "0",
            stacks: &[],
            destroy: false,
            limits: None,
        })
    }
}

fn plans(c: &mut Criterion) {
    let mut group = c.benchmark_group("plan");
    group.sample_size(10);
    for size in [100, 1_000, 10_000] {
        group.throughput(Throughput::Elements(size as u64));
        let mut system = System::new(size);
        assert!(system.plan().is_empty());
        group.bench_with_input(BenchmarkId::new("nothing to do", size), &system, |b, s| b.iter(|| s.plan()));
        system.change_a_tenth();
        group.bench_with_input(BenchmarkId::new("a tenth changed", size), &system, |b, s| b.iter(|| s.plan()));
    }
    group.finish();
}

criterion_group!(benches, plans);
criterion_main!(benches);
