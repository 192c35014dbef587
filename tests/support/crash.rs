//! A kind, killed at every request that it makes: each time the same command, run again by a program that remembers nothing,
//! must bring about what a run without a crash does. And with the answer of each request lost, while the program goes on.
//!
//! The server is copied before each crash, so that each starts from the same state. What is compared at the end is the
//! emulator's own count of everything that it holds, tagged or not, beside what saiken reads.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use saiken::execute::Report;
use saiken::execute::journal::resume::{self, Unfinished};
use saiken::execute::place::Place;
use saiken::execute::record::RecordStore;
use saiken::inventory::{self, Options};
use saiken::model::cloud::Cloud;
use saiken::model::desired::Desired;
use saiken::model::kind::Kinds;
use saiken::model::observed::Observed;
use saiken::model::plan::{ActionKind, Plan};
use saiken::providers;
use saiken::providers::aws::Aws;
use serde_json::Value;

use super::crash_http::{Crash, Point, Side, is_read};
use super::kind_case::{Case, REGION, desired, execute, plan_of};
use super::moto::{Moto, empty};

/// Set to try the requests that only read one by one, too.
const EVERY: &str = "SAIKEN_CRASH_EVERY_REQUEST";
/// The address of the object of a case.
const IT: &str = "t/it";
/// No run takes longer than this, crash or not.
const LONGEST: Duration = Duration::from_secs(60);

/// A server, the files of the one who works on it, and what both are about.
struct World {
    moto: Moto,
    state: tempfile::TempDir,
}

/// What a program left.
enum End {
    Report(Box<Report>),
    Crash,
}

/// One run of a program: what it found, what it planned, how it ended.
struct Run {
    standing: Standing,
    plan: Plan,
    end: End,
}

/// What stands on a server: ids by address and kind.
type Standing = BTreeMap<(String, String), BTreeSet<String>>;

/// A case and all that does not change from run to run.
struct Bench {
    case: Case,
    kinds: Kinds,
}

/// Crashes at every request of create, update, replace and delete.
pub fn at_every_request(case: Case) {
    let begun = Instant::now();
    let base = World { moto: empty().copy(), state: tempfile::tempdir().unwrap() };
    let case = case.prepared(&base.moto);
    let mut names: Vec<&str> = case.needs.iter().map(|(_, kind, _)| *kind).collect();
    names.push(case.kind);
    let bench = Bench { kinds: providers::kinds().only(&names), case };
    let mut line = format!("crash points of {}:", bench.case.kind);
    let case = &bench.case;
    bench.settle(&base, &bench.with(None));
    let mut tried = |what: &str, kind: ActionKind, form: Option<&Value>| {
        let (requests, points) = bench.operation(&base, what, kind, &bench.with(form));
        line.push_str(&format!(" {what} {points} at {requests} requests,"));
    };
    tried("create", ActionKind::Create, Some(&case.first));
    bench.settle(&base, &bench.with(Some(&case.first)));
    if case.first != case.second {
        tried("update", ActionKind::Update, Some(&case.second));
    }
    if let Some(third) = &case.third {
        tried("replace", ActionKind::Replace, Some(third));
    }
    tried("delete", ActionKind::Delete, None);
    super::tell(&format!("{line} {} s", begun.elapsed().as_secs()));
}

impl World {
    fn copy(&self) -> Self {
        let state = tempfile::tempdir().unwrap();
        super::copy_folder(self.state.path(), state.path());
        Self { moto: self.moto.copy(), state }
    }
}

impl Bench {
    fn with(&self, form: Option<&Value>) -> Desired {
        desired(&self.kinds, ("case", REGION), &self.case.all(form), IT, &self.case.ignored())
    }

    /// Tries all points of one change; gives the requests of a run without a crash, and the number of points tried.
    fn operation(&self, base: &World, what: &str, kind: ActionKind, desired: &Desired) -> (usize, usize) {
        let whole = base.copy();
        let crash = Crash::at(None);
        let Run { plan, standing: before, end } = self.run(&whole, desired, &crash);
        let actions: Vec<_> = plan.actions.iter().map(|a| (a.address.as_str(), a.action)).collect();
        assert_eq!(actions, [(IT, kind)], "{what} of {} is one action", self.case.kind);
        if let End::Report(report) = end {
            assert!(report.succeeded(), "{what} without a crash: {:#?}", report.failed);
        }
        let after = self.unchanged(&whole, desired, what);
        let census = whole.moto.census();
        let asked = crash.asked();
        let points = points(&asked, std::env::var_os(EVERY).is_some());
        for point in &points {
            let label = format!("{} {what}, {:?} {}", self.case.kind, point.side, asked[point.request]);
            let label = format!("{label} (request {} of {})", point.request + 1, asked.len());
            let world = base.copy();
            let end = self.run(&world, desired, &Crash::at(Some(*point))).end;
            let crashes = point.side != Side::Lost;
            assert_eq!(matches!(end, End::Crash), crashes, "{label}: the run did not come to this request");
            let crashed = self.again(&world, desired);
            let standing = self.unchanged(&world, desired, &label);
            self.same_objects(kind, (&before, &crashed, &standing), &label);
            let shape = |s: &Standing| s.iter().map(|(k, v)| (k.clone(), v.len())).collect::<Vec<_>>();
            assert_eq!(shape(&standing), shape(&after), "{label}: what stands at each address");
            let counted = world.moto.census();
            let differs: Vec<_> = counted
                .keys()
                .chain(census.keys())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .filter(|k| counted.get(*k) != census.get(*k))
                .map(|k| format!("{k}: {:?}, without a crash {:?}", counted.get(k), census.get(k)))
                .collect();
            assert!(differs.is_empty(), "{label}: the server holds something else: {differs:#?}");
        }
        (asked.len(), points.len())
    }

    /// What was there before stays the same object, unless it is to be replaced or deleted; what the crashed run had made
    /// is what stands there in the end.
    fn same_objects(&self, kind: ActionKind, (before, crashed, after): (&Standing, &Standing, &Standing), label: &str) {
        let it = (IT.to_owned(), self.case.kind.to_owned());
        for (address, ids) in before.iter().filter(|(a, _)| **a != it) {
            assert_eq!(after.get(address), Some(ids), "{label}: {address:?} is another object");
        }
        let none = BTreeSet::new();
        let at = |s: &'_ Standing| s.get(&it).unwrap_or(&none).clone();
        let (before, crashed, after) = (at(before), at(crashed), at(after));
        match kind {
            ActionKind::Create => {
                assert!(crashed.is_empty() || crashed == after, "{label}: {crashed:?} was made and is not {after:?}");
            }
            ActionKind::Replace => {
                let new: BTreeSet<_> = crashed.difference(&before).cloned().collect();
                assert!(new.is_empty() || new == after, "{label}: {new:?} was made and is not {after:?}");
                assert!(before.is_disjoint(&after), "{label}: {before:?} is still there");
            }
            ActionKind::Delete => assert!(after.is_empty(), "{label}: {after:?} is left"),
            ActionKind::Update | ActionKind::Adopt | ActionKind::Forget => {
                assert_eq!((&crashed, &after), (&before, &before), "{label}: it is another object");
            }
        }
    }

    /// Runs the same command again until it gets through, twice at most; what stood there before.
    fn again(&self, world: &World, desired: &Desired) -> Standing {
        let first = self.run(world, desired, &Crash::at(None));
        match first.end {
            End::Report(report) if report.succeeded() => {}
            End::Report(_) | End::Crash => {
                self.run(world, desired, &Crash::at(None));
            }
        }
        first.standing
    }

    /// A plan must be empty; what stands there.
    fn unchanged(&self, world: &World, desired: &Desired, label: &str) -> Standing {
        let runtime = runtime();
        let (record, _) = RecordStore::open(world.state.path());
        let observed = runtime.block_on(async {
            let cloud = Aws::connect(&settings(world, &Crash::at(None))).await;
            self.inventory(&cloud, desired, &record, &unfinished(world).await).await
        });
        let plan = plan_of(&self.kinds, desired, &observed, record.record().as_ref(), false);
        let all = (&plan.actions, &plan.held, &plan.refused);
        assert!(plan.is_empty(), "{label}: the plan is not empty: {all:#?}");
        standing(&observed)
    }

    fn settle(&self, world: &World, desired: &Desired) {
        match self.run(world, desired, &Crash::at(None)).end {
            End::Report(report) => assert!(report.succeeded(), "{:#?}", report.failed),
            End::Crash => unreachable!("no crash was asked for"),
        }
        self.unchanged(world, desired, "before the crashes");
    }

    async fn inventory(
        &self,
        cloud: &dyn Cloud,
        desired: &Desired,
        record: &RecordStore,
        unfinished: &Unfinished,
    ) -> Observed {
        let options = Options {
            deep: true,
            parallelism: 8,
            unsure: unfinished.unsure(jiff::Timestamp::now(), cloud.lag()),
            ..Options::default()
        };
        let observed = inventory::collect(cloud, desired, &self.kinds, record.record().as_ref(), &options).await;
        assert!(observed.unobserved.is_empty(), "{:#?}", observed.unobserved);
        observed
    }

    /// One program from its start to its end: reads, plans, applies. Only the requests of the apply are counted.
    fn run(&self, world: &World, desired: &Desired, crash: &Arc<Crash>) -> Run {
        let runtime = runtime();
        let run = runtime.block_on(async {
            let cloud: Arc<dyn Cloud> = Arc::new(Aws::connect(&settings(world, crash)).await);
            let (record, _) = RecordStore::open(world.state.path());
            let unfinished = unfinished(world).await;
            let observed = self.inventory(&*cloud, desired, &record, &unfinished).await;
            let plan = plan_of(&self.kinds, desired, &observed, record.record().as_ref(), false);
            crash.arm();
            let what = (desired, &observed, &plan);
            let apply = execute(&self.kinds, cloud, world.state.path(), record, &unfinished, what);
            let either = async {
                tokio::select! {
                    report = apply => End::Report(Box::new(report)),
                    () = crash.happened() => End::Crash,
                }
            };
            let end = tokio::time::timeout(LONGEST, either).await;
            let end = end.unwrap_or_else(|_| panic!("stuck after {:?}", crash.asked()));
            Run { standing: standing(&observed), plan, end }
        });
        // What the disk was told before the crash gets there.
        runtime.shutdown_timeout(Duration::from_secs(5));
        run
    }
}

/// What the journals of earlier runs say of calls whose effect is not known.
async fn unfinished(world: &World) -> Unfinished {
    let place = Place::Folder(world.state.path().to_owned());
    resume::unfinished(&place.journals().recent(5).await.unwrap())
}

fn standing(observed: &Observed) -> Standing {
    let mut standing = Standing::new();
    for (address, objects) in observed.by_address() {
        for object in objects {
            standing.entry((address.to_string(), object.kind.clone())).or_default().insert(object.id.clone());
        }
    }
    standing
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn settings(world: &World, crash: &Arc<Crash>) -> saiken::providers::aws::client::Settings {
    let poll = Some(Duration::from_millis(5));
    saiken::providers::aws::client::Settings { http: Some(crash.client()), poll, ..world.moto.settings(REGION) }
}

/// The points to try: both sides of every request, and a lost answer to each that writes. A crash between two requests that only read is the same as one after the
/// second of them, so of reads in a row only the last one counts, unless `every`.
fn points(asked: &[String], every: bool) -> Vec<Point> {
    let mut points = Vec::new();
    for (request, operation) in asked.iter().enumerate() {
        let last = asked.get(request + 1).is_none_or(|next| !is_read(next));
        if every || !is_read(operation) || last {
            points.extend([Side::Before, Side::After].map(|side| Point { request, side }));
        }
        if !is_read(operation) {
            points.push(Point { request, side: Side::Lost });
        }
    }
    points
}
