//! A project whose commands end abruptly where a test wants it.
//!
//! A crash is an unwinding out of the run: nothing that was under way goes on, nothing is written after it, and all memory
//! is gone. What is left is what a killed process leaves: the cloud, the journal, the record.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use saiken::execute::journal::resume::{self, Unfinished};
use saiken::execute::journal::{Header, History, VERSION};
use saiken::execute::place::{Place, Shared};
use saiken::execute::record::RecordStore;
use saiken::execute::{self, Counts, Events, Inputs, Report, StepError, StepView};
use saiken::guard::Permits;
use saiken::model::Address;
use saiken::model::cloud::{
    ApiError, Cloud, CreateRequest, DeleteRequest, Identity, Lag, OwnRequest, ReadRequest, RecoveryPoint, SaveRequest,
    UpdateRequest, Watch,
};
use saiken::model::desired::Desired;
use saiken::model::kind::{KindDef, Kinds};
use saiken::model::observed::{Lookup, Object, Observed};
use saiken::model::plan::Plan;
use saiken::model::record::Record;
use saiken::simulated::Simulated;
use saiken::simulated::commands::Line;
use saiken::{config, diagnostic, expand, inventory, plan, providers};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::memory::Memory;

/// The crash on its way up.
struct Crash;

/// Counts the points of a run, and ends it at one of them.
#[derive(Debug)]
struct Points {
    passed: AtomicU64,
    end_at: u64,
}

impl Points {
    fn point(&self) {
        if self.passed.fetch_add(1, Ordering::SeqCst) + 1 == self.end_at {
            resume_unwind(Box::new(Crash));
        }
    }
}

/// A cloud with a point before each call, while it waits, and between its effect and its answer.
struct Fragile {
    inner: Simulated,
    points: Arc<Points>,
}

struct FragileWatch<'a> {
    inner: &'a dyn Watch,
    points: &'a Points,
}

impl Watch for FragileWatch<'_> {
    fn waiting(&self, what: &str) {
        self.points.point();
        self.inner.waiting(what);
    }

    fn cancelled(&self) -> bool {
        self.inner.cancelled()
    }
}

impl Fragile {
    async fn around<T>(&self, call: impl Future<Output = T>) -> T {
        self.points.point();
        let answer = call.await;
        self.points.point();
        answer
    }
}

#[async_trait]
impl Cloud for Fragile {
    fn label(&self) -> &'static str {
        self.inner.label()
    }

    async fn identity(&self) -> Result<Identity, ApiError> {
        self.inner.identity().await
    }

    async fn read_batch(&self, request: &ReadRequest<'_>) -> Result<Vec<Object>, ApiError> {
        // A read has no effect: one point is enough.
        self.points.point();
        self.inner.read_batch(request).await
    }

    async fn lookup(&self, lookup: &Lookup) -> Result<String, ApiError> {
        self.points.point();
        self.inner.lookup(lookup).await
    }

    async fn create(&self, request: &CreateRequest, watch: &dyn Watch) -> Result<Object, ApiError> {
        let watch = FragileWatch { inner: watch, points: &self.points };
        self.around(self.inner.create(request, &watch)).await
    }

    async fn update(&self, request: &UpdateRequest, watch: &dyn Watch) -> Result<Object, ApiError> {
        let watch = FragileWatch { inner: watch, points: &self.points };
        self.around(self.inner.update(request, &watch)).await
    }

    async fn delete(&self, request: &DeleteRequest, watch: &dyn Watch) -> Result<(), ApiError> {
        let watch = FragileWatch { inner: watch, points: &self.points };
        self.around(self.inner.delete(request, &watch)).await
    }

    async fn own(&self, request: &OwnRequest) -> Result<(), ApiError> {
        self.around(self.inner.own(request)).await
    }

    async fn recovery_points(&self, object: &Object) -> Result<Vec<RecoveryPoint>, ApiError> {
        self.points.point();
        Cloud::recovery_points(&self.inner, object).await
    }

    async fn save(&self, request: &SaveRequest, watch: &dyn Watch) -> Result<RecoveryPoint, ApiError> {
        let watch = FragileWatch { inner: watch, points: &self.points };
        self.around(Cloud::save(&self.inner, request, &watch)).await
    }

    fn lag(&self) -> Lag {
        self.inner.lag()
    }

    fn calls(&self) -> BTreeMap<String, u64> {
        self.inner.calls()
    }
}

/// Points right after the journal's writes: these are told right after an event is on disk.
struct AfterWrites(Arc<Points>);

impl Events for AfterWrites {
    fn started(&self, _: &StepView<'_>) {
        self.0.point();
    }

    fn finished(&self, _: &StepView<'_>, _: Duration) {
        self.0.point();
    }

    fn failed(&self, _: &StepView<'_>, _: &StepError) {
        self.0.point();
    }

    fn skipped(&self, _: &StepView<'_>, _: &Address) {
        self.0.point();
    }

    fn counts(&self, _: &Counts) {}
}

/// How a command ended.
#[derive(Debug)]
pub enum Ended {
    /// It crashed.
    Crashed,
    /// It came to its end: what it had planned, and what became of it.
    Whole(Box<Plan>, Box<Report>),
}

/// A project, what it declares, and its cloud.
pub struct System {
    dir: tempfile::TempDir,
    kinds: Kinds,
    /// What is declared; tests change it as a user changes files.
    pub desired: Desired,
    /// Settings of the simulated cloud.
    pub settings: Value,
    /// What its runs are allowed to do.
    pub permits: Permits,
    place: Place,
    runtime: tokio::runtime::Runtime,
    /// Steps at the same time.
    pub parallelism: usize,
    runs: AtomicU64,
    passed: AtomicU64,
}

impl System {
    /// The reference system: the files of this repository, in its simulated environment.
    pub fn reference() -> Self {
        Self::of_project(crate::support::repository())
    }

    /// A smaller one: a network over three zones, and servers in it.
    pub fn servers() -> Self {
        Self::of_project(&crate::support::repository().join("tests/projects/servers"))
    }

    fn of_project(root: &Path) -> Self {
        let dir = folder();
        crate::support::copy_project(root, dir.path());
        let mut system = Self::of(dir, "local");
        // While all is replaced at once, twice as many stand there.
        let more = system.desired.resources.values().map(|r| (r.kind.name.to_owned(), json!(1000)));
        system.settings["quotas"] = more.collect::<serde_json::Map<_, _>>().into();
        system
    }

    /// A project of these files; its environment is `test`.
    ///
    /// Journal and record are in memory, and all runs on one thread: the same seed gives the same run.
    pub fn of_files(files: &[(&str, &str)]) -> Self {
        let dir = folder();
        write(dir.path(), files);
        let mut system = Self::of(dir, "test");
        let (storage, prefix) = (Arc::new(Memory::default()), "test".to_owned());
        system.place = Place::Shared(Shared { storage, prefix, lease: Duration::from_secs(60) });
        system.runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        system
    }

    /// The same with journal and record on disk, so that all of it can be kept and put back.
    pub fn of_files_on_disk(files: &[(&str, &str)]) -> Self {
        let dir = folder();
        write(dir.path(), files);
        Self::of(dir, "test")
    }

    /// Other files.
    pub fn declare(&mut self, files: &[(&str, &str)]) {
        write(self.dir.path(), files);
        self.desired = expanded(self.dir.path(), "test").0;
        let names: BTreeSet<&str> = self.kinds.names().chain(named(&self.desired)).collect();
        self.kinds = KINDS.only(&Vec::from_iter(names));
    }

    fn of(dir: tempfile::TempDir, environment: &str) -> Self {
        let (desired, settings) = expanded(dir.path(), environment);
        let kinds = KINDS.only(&Vec::from_iter(named(&desired)));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (runs, passed) = (AtomicU64::new(0), AtomicU64::new(0));
        let place = Place::Folder(dir.path().join(".saiken").join(&desired.environment.name));
        Self {
            dir,
            kinds,
            desired,
            settings,
            permits: Permits::default(),
            place,
            runtime,
            parallelism: 1,
            runs,
            passed,
        }
    }

    /// A kind.
    pub fn kind(&self, name: &str) -> &KindDef {
        self.kinds.get(name).unwrap()
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join(".saiken")
    }

    /// The cloud, opened anew, as each command does.
    pub fn cloud(&self) -> Simulated {
        Simulated::open(&self.state(), &self.desired.environment, &self.settings, self.kinds.clone()).unwrap()
    }

    /// Keeps cloud, journal and record as they are now.
    pub fn keep(&self) -> tempfile::TempDir {
        let kept = folder();
        crate::support::copy_folder(&self.state(), kept.path());
        kept
    }

    /// Puts back what was kept.
    pub fn put_back(&self, kept: &tempfile::TempDir) {
        let _ = std::fs::remove_dir_all(self.state());
        crate::support::copy_folder(kept.path(), &self.state());
    }

    /// Plans and applies as the command does. `crash_at` is the point at which it ends abruptly, from 1.
    pub fn run(&self, destroy: bool, crash_at: Option<u64>) -> Ended {
        let points = Arc::new(Points { passed: AtomicU64::new(0), end_at: crash_at.unwrap_or(u64::MAX) });
        let ended = catch_unwind(AssertUnwindSafe(|| self.runtime.block_on(self.command(destroy, &points))));
        self.passed.store(points.passed.load(Ordering::SeqCst), Ordering::SeqCst);
        match ended {
            Ok((plan, report)) => Ended::Whole(Box::new(plan), Box::new(report)),
            Err(crash) if crash.is::<Crash>() => Ended::Crashed,
            Err(other) => resume_unwind(other),
        }
    }

    /// How many points the last run passed.
    pub fn points(&self) -> u64 {
        self.passed.load(Ordering::SeqCst)
    }

    async fn command(&self, destroy: bool, points: &Arc<Points>) -> (Plan, Report) {
        let number = self.runs.fetch_add(1, Ordering::SeqCst);
        let cloud: Arc<dyn Cloud> = Arc::new(Fragile { inner: self.cloud(), points: Arc::clone(points) });
        let (record, _) = self.place.record().await;
        let histories = self.histories().await;
        let unfinished = resume::unfinished(&histories);
        let interrupted = histories.first().and_then(resume::interrupted);
        let options = inventory::Options {
            deep: false,
            parallelism: self.parallelism,
            unsure: unfinished.unsure(jiff::Timestamp::UNIX_EPOCH, cloud.lag()),
            ..inventory::Options::default()
        };
        let known = record.record();
        let observed = inventory::collect(&*cloud, &self.desired, &self.kinds, known.as_ref(), &options).await;
        let plan = plan::plan(&plan::Inputs {
            desired: &self.desired,
            observed: &observed,
            record: known.as_ref(),
            interrupted: interrupted.as_ref(),
            kinds: &self.kinds,
            id: &format!("plan-{number}"),
            now: "2026-11-23T00:00:00Z",
            version: "test",
            account: "000000000000",
            stacks: &[],
            destroy,
            limits: None,
        });
        let read = (&observed, &unfinished);
        let report = self.execute((&plan, &self.desired), read, cloud, record, points).await;
        (plan, report)
    }

    /// Carries a plan out.
    async fn execute(
        &self,
        (plan, desired): (&Plan, &Desired),
        (observed, unfinished): (&Observed, &Unfinished),
        cloud: Arc<dyn Cloud>,
        record: RecordStore,
        points: &Arc<Points>,
    ) -> Report {
        if plan.steps.is_empty() {
            return Report::default();
        }
        let number = self.runs.load(Ordering::SeqCst);
        let header = Header {
            version: VERSION,
            apply: format!("{number:08}"),
            plan: plan.id.clone(),
            who: "test@test".to_owned(),
            command: "apply".to_owned(),
            commit: None,
            started_at: "2026-11-23T00:00:00Z".to_owned(),
            emergency: None,
            undoes: plan.undoes.clone(),
        };
        let journal = self.place.journals().create(header).await.unwrap();
        execute::run(Inputs {
            plan,
            saved: false,
            desired,
            observed,
            unfinished,
            kinds: &self.kinds,
            cloud,
            account: "000000000000",
            journal: Arc::new(journal),
            record: Arc::new(record),
            held: None,
            permits: &self.permits,
            parallelism: self.parallelism,
            cancel: CancellationToken::new(),
            hard: CancellationToken::new(),
            events: Arc::new(AfterWrites(Arc::clone(points))),
        })
        .await
    }

    /// What was last applied.
    pub fn record(&self) -> Option<Record> {
        self.runtime.block_on(self.place.record()).0.record()
    }

    /// Takes a failed apply back, as the command does. `before` is the record as it was before that apply.
    pub fn undo(&self, before: Option<&Record>, failed: &Plan) -> (Plan, Report) {
        let number = self.runs.fetch_add(1, Ordering::SeqCst);
        let points = Arc::new(Points { passed: AtomicU64::new(0), end_at: u64::MAX });
        let goal = plan::rollback::goal(&self.desired, &self.kinds, before, failed, "the failed one");
        self.runtime.block_on(async {
            let cloud: Arc<dyn Cloud> = Arc::new(self.cloud());
            let (record, _) = self.place.record().await;
            let unfinished = resume::unfinished(&self.histories().await);
            let options = inventory::Options {
                deep: false,
                parallelism: self.parallelism,
                unsure: unfinished.unsure(jiff::Timestamp::UNIX_EPOCH, cloud.lag()),
                standing: goal.standing.clone(),
            };
            let known = record.record();
            let observed = inventory::collect(&*cloud, &goal.desired, &self.kinds, known.as_ref(), &options).await;
            let id = format!("plan-{number}");
            let inputs = plan::Inputs {
                desired: &goal.desired,
                observed: &observed,
                record: None,
                interrupted: None,
                kinds: &self.kinds,
                id: &id,
                now: "2026-11-23T00:00:00Z",
                version: "test",
                account: "000000000000",
                stacks: &[],
                destroy: false,
                limits: None,
            };
            let plan = goal.plan(&inputs, &|_| Vec::new());
            let read = (&observed, &unfinished);
            let report = self.execute((&plan, &goal.desired), read, cloud, record, &points).await;
            (plan, report)
        })
    }

    /// Runs the command; everything must succeed.
    #[track_caller]
    pub fn succeed(&self, destroy: bool) {
        match self.run(destroy, None) {
            Ended::Whole(plan, report) => {
                assert!(plan.refused.is_empty() && plan.held.is_empty(), "{:#?} {:#?}", plan.refused, plan.held);
                assert!(report.succeeded(), "{:#?}", report.failed);
            }
            Ended::Crashed => panic!("it crashed by itself"),
        }
    }

    /// Ids by address, and by `(not owned)` for what has no owner. What is on its way out is left out.
    pub fn ids(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for line in self.cloud().list("").unwrap().into_iter().filter(|l| l.status != "deleting") {
            let address = line.address.unwrap_or_else(|| "(not owned)".to_owned());
            ids.entry(address).or_default().insert(line.id);
        }
        ids
    }

    /// Everything in the cloud, what is on its way out too.
    pub fn objects(&self) -> Vec<Line> {
        self.cloud().list("").unwrap()
    }

    /// All that the journals tell, but for times: the same in a run that goes the same way.
    pub fn trace(&self) -> String {
        let mut trace = String::new();
        for history in self.runtime.block_on(self.histories()) {
            let _ = writeln!(trace, "{} {:?}", history.header.apply, history.outcome);
            for (number, s) in history.steps {
                let _ = writeln!(trace, "  {number} {} {:?} {:?} {:?}", s.address, s.state, s.object, s.error);
            }
        }
        trace
    }

    /// The cloud is exactly what is declared: one object an address, none without owner, and nothing to do.
    #[track_caller]
    pub fn converged(&self, destroyed: bool, when: &str) {
        let ids = self.ids();
        let several: Vec<_> = ids.iter().filter(|(_, ids)| ids.len() != 1).collect();
        assert!(several.is_empty(), "{when}: not exactly one object: {several:?}");
        let declared: BTreeSet<String> =
            self.desired.resources.keys().filter(|_| !destroyed).map(ToString::to_string).collect();
        assert_eq!(ids.keys().cloned().collect::<BTreeSet<_>>(), declared, "{when}");
        match self.run(destroyed, None) {
            Ended::Whole(plan, _) => assert!(plan.is_empty(), "{when}: {:#?} {:#?}", plan.actions, plan.held),
            Ended::Crashed => panic!("it crashed by itself"),
        }
    }

    /// All journals, the newest first: all can be read, those of interrupted applies too.
    async fn histories(&self) -> Vec<History> {
        let journals = self.place.journals();
        let mut histories = Vec::new();
        for id in journals.ids().await.unwrap().iter().rev() {
            histories.push(journals.read(id).await.unwrap());
        }
        histories
    }
}

/// A folder in memory where there is one: these tests write much, and what a disk does is not their subject.
fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, text) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

static KINDS: LazyLock<Kinds> = LazyLock::new(providers::kinds);

/// The kinds that are declared, and those of objects that they refer to. A run of these tests knows no others: each would be read, and found to be empty, at each
/// of the many runs.
fn named(desired: &Desired) -> BTreeSet<&'static str> {
    let mut names = BTreeSet::new();
    for resource in desired.resources.values() {
        names.insert(resource.kind.name);
        resource.kind.schema.visit_refs(&resource.spec, &mut |kind, _| {
            names.extend(KINDS.get(kind).map(|k| k.name));
        });
    }
    names
}

fn expanded(root: &Path, environment: &str) -> (Desired, Value) {
    let loaded = config::load(root, environment);
    let mut diagnostics = loaded.diagnostics;
    let project =
        loaded.project.unwrap_or_else(|| panic!("{}", diagnostic::render(&diagnostics, &loaded.files, false)));
    let (desired, more) = expand::expand(&project, &loaded.files, &KINDS);
    diagnostics.extend(more);
    match desired {
        Some(desired) if !diagnostics.has_errors() => (desired, project.simulated),
        _ => panic!("{}", diagnostic::render(&diagnostics, &loaded.files, false)),
    }
}
