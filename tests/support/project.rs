//! A project in a temporary folder, on the simulated cloud, driven through the library.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use saiken::execute::journal::resume::Unfinished;
use saiken::execute::journal::{Header, Journal, VERSION};
use saiken::execute::record::RecordStore;
use saiken::execute::{self, Inputs, NoEvents, Report};
use saiken::guard::Permits;
use saiken::model::cloud::{Cloud, CreateRequest, Unwatched};
use saiken::model::desired::Desired;
use saiken::model::kind::Kinds;
use saiken::model::observed::Observed;
use saiken::model::plan::Plan;
use saiken::simulated::Simulated;
use saiken::{config, diagnostic, expand, inventory, plan, providers};
use tokio_util::sync::CancellationToken;

/// A project and its simulated cloud.
pub struct Project {
    dir: tempfile::TempDir,
    /// All kinds.
    pub kinds: Kinds,
    /// What its runs are allowed to do.
    pub permits: Permits,
    /// Whether plans that it carries out count as saved ones.
    pub saved: bool,
    runtime: tokio::runtime::Runtime,
    runs: std::cell::Cell<u32>,
}

impl Project {
    /// Writes these files (path, text); `environments/test.yaml` must be among them.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let project = Self {
            dir: tempfile::tempdir().unwrap(),
            kinds: providers::kinds(),
            permits: Permits::default(),
            saved: false,
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap(),
            runs: std::cell::Cell::new(0),
        };
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// Loads and expands; panics with the rendered errors.
    pub fn desired(&self) -> (config::Project, Desired) {
        let loaded = config::load(self.root(), "test");
        let mut diagnostics = loaded.diagnostics;
        let project = loaded.project.unwrap_or_else(|| {
            panic!("{}", diagnostic::render(&diagnostics, &loaded.files, false));
        });
        let (desired, more) = expand::expand(&project, &loaded.files, &self.kinds);
        diagnostics.extend(more);
        match desired {
            Some(desired) if !diagnostics.has_errors() => (project, desired),
            _ => panic!("{}", diagnostic::render(&diagnostics, &loaded.files, false)),
        }
    }

    /// Folder of the journal and the record.
    pub fn state(&self) -> PathBuf {
        self.root().join(".saiken/test")
    }

    /// The simulated cloud.
    pub fn cloud(&self) -> Arc<dyn Cloud> {
        Arc::new(self.simulated())
    }

    /// The simulated cloud, to break it by hand.
    pub fn simulated(&self) -> Simulated {
        let (project, desired) = self.desired();
        let dir = self.root().join(".saiken");
        Simulated::open(&dir, &desired.environment, &project.simulated, self.kinds.clone()).unwrap()
    }

    /// Reads the cloud.
    pub fn observe(&self) -> Observed {
        let (_, desired) = self.desired();
        let cloud = self.cloud();
        let options = inventory::Options { deep: false, parallelism: 16, unsure: Vec::new(), ..Default::default() };
        let record = RecordStore::open(&self.state()).0.record();
        self.runtime.block_on(inventory::collect(&*cloud, &desired, &self.kinds, record.as_ref(), &options))
    }

    /// Plans.
    pub fn plan(&self, stacks: &[&str], destroy: bool) -> Plan {
        self.plan_of(&self.observe(), stacks, destroy)
    }

    /// Plans from what was read before.
    pub fn plan_of(&self, observed: &Observed, stacks: &[&str], destroy: bool) -> Plan {
        let (_, desired) = self.desired();
        let record = RecordStore::open(&self.state()).0.record();
        let stacks: Vec<String> = stacks.iter().map(|s| (*s).to_owned()).collect();
        self.runs.set(self.runs.get() + 1);
        plan::plan(&plan::Inputs {
            desired: &desired,
            observed,
            record: record.as_ref(),
            interrupted: None,
            kinds: &self.kinds,
            id: &format!("plan-{}", self.runs.get()),
            now: "2026-11-23T00:00:00Z",
            version: "test",
            account: "000000000000",
            stacks: &stacks,
            destroy,
            limits: None,
        })
    }

    /// Plans and applies; everything must succeed.
    pub fn apply(&self, stacks: &[&str], destroy: bool) -> Plan {
        let plan = self.plan(stacks, destroy);
        assert!(plan.refused.is_empty() && plan.held.is_empty(), "{:?} {:?}", plan.refused, plan.held);
        let report = self.execute(&plan);
        assert!(report.succeeded(), "{:#?}", report.failed);
        plan
    }

    /// Carries out a plan.
    pub fn execute(&self, plan: &Plan) -> Report {
        let (_, desired) = self.desired();
        let observed = self.observe();
        let cloud = self.cloud();
        let text = |t: &str| t.to_owned();
        let header = Header {
            version: VERSION,
            apply: uuid::Uuid::now_v7().to_string(),
            plan: plan.id.clone(),
            who: text("test@test"),
            command: text("apply"),
            commit: None,
            started_at: text("2026-11-23T00:00:00Z"),
            emergency: None,
            undoes: None,
        };
        let journal = Journal::create(&self.state(), header).unwrap();
        let (record, _) = RecordStore::open(&self.state());
        self.runtime.block_on(execute::run(Inputs {
            plan,
            saved: self.saved,
            desired: &desired,
            observed: &observed,
            unfinished: &Unfinished::default(),
            kinds: &self.kinds,
            cloud,
            account: "000000000000",
            journal: Arc::new(journal),
            record: Arc::new(record),
            held: None,
            permits: &self.permits,
            parallelism: 16,
            cancel: CancellationToken::new(),
            hard: CancellationToken::new(),
            events: Arc::new(NoEvents),
        }))
    }

    /// Makes a second object at an address, of the next generation, as an interrupted replacement leaves it.
    pub fn double(&self, address: &str) {
        let observed = self.observe();
        let there = observed.objects.iter().find(|o| o.address().is_some_and(|a| a.as_str() == address)).unwrap();
        let mut owner = there.owner.clone().unwrap();
        owner.generation += 1;
        let request = CreateRequest {
            kind: there.kind.clone(),
            region: there.region.clone(),
            spec: there.spec.clone(),
            tags: BTreeMap::new(),
            name: format!("second-{}", there.id),
            token: format!("second-{}", there.id),
            resolved: BTreeMap::new(),
            owner,
        };
        self.runtime.block_on(self.cloud().create(&request, &Unwatched)).unwrap();
    }

    /// Addresses of all objects that are there, with their ids.
    pub fn ids(&self) -> BTreeMap<String, Vec<String>> {
        let mut map: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for object in self.observe().objects {
            let address = object.address().map(ToString::to_string).unwrap_or_default();
            map.entry(address).or_default().push(object.id);
        }
        map
    }
}
