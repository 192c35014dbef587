//! A tiny cloud: enough to apply a plan's steps and to read back what is there.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::kinds::kinds;
use crate::model::Address;
use crate::model::desired::{Desired, Lifecycle, Resource};
use crate::model::environment::{Environment, Guards, Provider};
use crate::model::kind::Kinds;
use crate::model::observed::{Object, Observed, Status};
use crate::model::ownership::{self, Owner};
use crate::model::plan::{Operation, Plan};
use crate::model::record::{Applied, Record};
use crate::model::value::{self, Map};
use crate::plan::{Inputs, plan};

pub const REGION: &str = "r1";

pub fn a(text: &str) -> Address {
    Address::parse(text).unwrap()
}

pub struct World {
    pub kinds: Kinds,
    pub desired: Desired,
    pub observed: Observed,
    pub record: Option<Record>,
    pub stacks: Vec<String>,
    pub destroy: bool,
    /// Ids of objects of which a recovery point was made.
    pub saved: Vec<String>,
    made: usize,
}

impl World {
    pub fn new() -> Self {
        let environment = Environment {
            name: "test".into(),
            project: "shop".into(),
            provider: Provider::Simulated,
            account: None,
            role: None,
            region: REGION.into(),
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
        let (observed, kinds) = (Observed::default(), kinds());
        Self { kinds, desired, observed, record: None, stacks: Vec::new(), destroy: false, saved: Vec::new(), made: 0 }
    }

    /// Declares a resource (again).
    pub fn declare(&mut self, address: &str, kind: &str, spec: Value) -> &mut Resource {
        let kind = self.kinds.get(kind).unwrap().clone();
        let mut references = BTreeSet::new();
        kind.schema.visit_refs(&spec, &mut |_, v| {
            references.extend(v.as_str().map(a));
        });
        value::visit_tokens(&spec, &mut |t| {
            references.insert(a(t.address));
        });
        let resource = Resource {
            address: a(address),
            kind,
            region: REGION.into(),
            spec,
            references,
            lifecycle: Lifecycle::default(),
            adopt: None,
            origin: String::new(),
        };
        self.desired.resources.insert(a(address), resource);
        self.resource(address)
    }

    pub fn resource(&mut self, address: &str) -> &mut Resource {
        self.desired.resources.get_mut(address).unwrap()
    }

    /// A network with a range and a server in it, applied.
    pub fn standing() -> Self {
        let mut world = Self::new();
        world.declare("network/main", "vpc", json!({"cidr": "10.0.0.0/16"}));
        world.declare("network/app", "subnet", json!({"vpc": "network/main", "cidr": "10.0.1.0/24"}));
        world.declare("servers/web", "server", json!({"subnet": "network/app", "size": "small"}));
        world.apply();
        world
    }

    pub fn plan(&self) -> Plan {
        plan(&Inputs {
            desired: &self.desired,
            observed: &self.observed,
            record: self.record.as_ref(),
            interrupted: None,
            kinds: &self.kinds,
            id: "p1",
            now: "2026-01-01T00:00:00Z",
            version: "0",
            account: "1",
            stacks: &self.stacks,
            destroy: self.destroy,
            limits: None,
        })
    }

    pub fn object(&mut self, address: &str) -> &mut Object {
        self.observed.objects.iter_mut().find(|o| o.address().is_some_and(|x| x.as_str() == address)).unwrap()
    }

    /// Puts an object there by hand.
    pub fn put(&mut self, address: &str, kind: &str, generation: u32, status: Status, spec: Value) -> String {
        self.made += 1;
        let id = format!("{kind}-{}", self.made);
        let owner = Owner {
            project: "shop".into(),
            environment: "test".into(),
            address: a(address),
            generation,
            fingerprints: BTreeMap::new(),
            protected: false,
        };
        self.observed.objects.push(Object {
            kind: kind.into(),
            region: REGION.into(),
            attributes: Map::from_iter([
                ("id".to_owned(), json!(id)),
                ("endpoint".to_owned(), json!(format!("{id}.test"))),
            ]),
            id: id.clone(),
            identifiers: Vec::new(),
            owner: Some(owner),
            spec,
            status,
            unread: Vec::new(),
        });
        id
    }

    /// Runs the steps of the present plan, checking that each finds what it needs.
    pub fn apply(&mut self) -> Plan {
        let plan = self.plan();
        assert!(plan.refused.is_empty(), "{:?}", plan.refused);
        for step in &plan.steps {
            let action = &plan.actions[step.action];
            match step.operation {
                Operation::Create => {
                    let spec = self.written(&step.address);
                    let made = self.put(step.address.as_str(), &action.kind, action.generation, Status::Ready, spec);
                    self.sign(&made, &step.address);
                }
                Operation::Update => {
                    let spec = self.written(&step.address);
                    let id = step.object.clone().unwrap();
                    let object = self.observed.objects.iter_mut().find(|o| o.id == id).unwrap();
                    object.spec = spec;
                    self.sign(&id, &step.address);
                }
                Operation::Save => self.saved.push(step.object.clone().unwrap()),
                Operation::Delete => self.observed.objects.retain(|o| Some(&o.id) != step.object.as_ref()),
                Operation::Own => {
                    let owner = Owner {
                        project: "shop".into(),
                        environment: "test".into(),
                        address: step.address.clone(),
                        generation: action.generation,
                        fingerprints: BTreeMap::new(),
                        protected: false,
                    };
                    let object = self.observed.objects.iter_mut().find(|o| Some(&o.id) == step.object.as_ref());
                    object.unwrap().owner = Some(owner);
                    let id = step.object.clone().unwrap();
                    self.sign(&id, &step.address);
                }
                Operation::Disown => {
                    let object = self.observed.objects.iter_mut().find(|o| Some(&o.id) == step.object.as_ref());
                    object.unwrap().owner = None;
                }
            }
        }
        plan
    }

    fn sign(&mut self, id: &str, address: &Address) {
        let resource = &self.desired.resources[address];
        let spec = value::substitute(&resource.spec, &|t| self.known(t)).into_owned();
        let hashes = ownership::fingerprints(&resource.kind.schema, &spec);
        let object = self.observed.objects.iter_mut().find(|o| o.id == id).unwrap();
        let owner = object.owner.as_mut().unwrap();
        owner.fingerprints = hashes;
        owner.protected = resource.lifecycle.protect;
    }

    fn known(&self, token: value::Token<'_>) -> Option<Value> {
        let at = |o: &&Object| o.address().is_some_and(|x| x.as_str() == token.address);
        let found = self.observed.objects.iter().filter(at).max_by_key(|o| o.generation());
        found.and_then(|o| o.attributes.get(token.attribute).or_else(|| o.spec.get(token.attribute)).cloned())
    }

    fn written(&self, address: &Address) -> Value {
        let resource = &self.desired.resources[address];
        resource.kind.schema.visit_refs(&resource.spec, &mut |_, v| {
            if let Some(target) = v.as_str() {
                let there = self.observed.objects.iter().any(|o| o.address().is_some_and(|x| x.as_str() == target));
                assert!(there, "{address} is made before {target}");
            }
        });
        let spec = value::substitute(&resource.spec, &|t| self.known(t)).into_owned();
        assert!(!value::is_unknown(&spec), "{address} still holds tokens");
        spec
    }

    /// Takes what is there as last applied.
    pub fn remember(&mut self) {
        let applied = self.observed.objects.iter().filter_map(|o| {
            Some((
                o.address()?.clone(),
                Applied { kind: o.kind.clone(), id: o.id.clone(), spec: o.spec.clone(), declared: None },
            ))
        });
        self.record = Some(Record { applied: applied.collect() });
    }
}

/// "create network/main" for each action.
pub fn words(plan: &Plan) -> Vec<String> {
    plan.actions.iter().map(|a| format!("{} {}", a.action.word(), a.address)).collect()
}

/// "Create network/main" for each step.
pub fn steps(plan: &Plan) -> Vec<String> {
    plan.steps.iter().map(|s| format!("{:?} {}", s.operation, s.address)).collect()
}
