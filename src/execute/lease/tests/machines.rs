//! Virtual machines under one virtual time: a deterministic executor, in which a machine can be suspended (none of its tasks
//! runs), its monotonic clock can stand still meanwhile, and its time of day is wrong.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::execute::machine::Machine;

/// A pause of a machine, in virtual time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Suspension {
    pub(super) from: Duration,
    pub(super) to: Duration,
    /// Whether the monotonic clock stands still meanwhile, as on a laptop that sleeps.
    pub(super) clock_stops: bool,
}

/// One machine.
#[derive(Debug)]
pub(super) struct Virtual {
    pub(super) world: Arc<World>,
    pub(super) number: usize,
    /// Seconds that its time of day is wrong.
    pub(super) wrong: i64,
    pub(super) suspensions: Vec<Suspension>,
}

struct Task {
    machine: Option<Arc<Virtual>>,
    future: Option<BoxFuture<'static, ()>>,
}

#[derive(Default)]
struct Inner {
    now: Duration,
    tasks: Vec<Task>,
    ready: VecDeque<usize>,
    timers: BTreeMap<(Duration, u64), Waker>,
    next: u64,
    dead: BTreeSet<usize>,
    trace: DefaultHasher,
}

/// The virtual time and all tasks.
#[derive(Default)]
pub(super) struct World(Mutex<Inner>);

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "World at {:?}", self.now())
    }
}

struct Ready {
    world: Arc<World>,
    task: usize,
}

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.world.inner().ready.push_back(self.task);
    }
}

impl World {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    pub(super) fn now(&self) -> Duration {
        self.inner().now
    }

    /// Runs a task; one of a machine only while that machine is not suspended.
    pub(super) fn start(&self, machine: Option<Arc<Virtual>>, future: BoxFuture<'static, ()>) {
        let mut inner = self.inner();
        let task = inner.tasks.len();
        inner.tasks.push(Task { machine, future: Some(future) });
        inner.ready.push_back(task);
    }

    /// Ends all tasks of a machine, as a power cut does.
    pub(super) fn kill(&self, machine: usize) {
        self.inner().dead.insert(machine);
    }

    fn at(&self, time: Duration, waker: Waker) {
        let mut inner = self.inner();
        inner.next += 1;
        let key = (time, inner.next);
        inner.timers.insert(key, waker);
    }

    /// Returns at this virtual time.
    pub(super) async fn until(&self, time: Duration) {
        std::future::poll_fn(|context| {
            if self.now() >= time {
                return Poll::Ready(());
            }
            self.at(time, context.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Runs everything until nothing is left to do; returns what tells this interleaving from others.
    pub(super) fn run(self: &Arc<Self>) -> u64 {
        loop {
            let next = self.inner().ready.pop_front();
            match next {
                Some(task) => self.poll(task),
                None => {
                    let mut inner = self.inner();
                    let Some(((time, _), waker)) = inner.timers.pop_first() else { break };
                    inner.now = inner.now.max(time);
                    drop(inner);
                    waker.wake();
                }
            }
        }
        // What still waits, waits for ever: dropped outside the lock, as its parts may want it.
        let left: Vec<_> = self.inner().tasks.iter_mut().map(|t| t.future.take()).collect();
        drop(left);
        self.inner().trace.finish()
    }

    fn poll(self: &Arc<Self>, number: usize) {
        let waker = Waker::from(Arc::new(Ready { world: Arc::clone(self), task: number }));
        let mut inner = self.inner();
        let now = inner.now;
        let machine = inner.tasks[number].machine.clone();
        if let Some(machine) = &machine {
            if inner.dead.contains(&machine.number) {
                let future = inner.tasks[number].future.take();
                drop(inner);
                // A dead machine's tasks must not run any code of theirs when they are dropped.
                std::mem::forget(future);
                return;
            }
            if let Some(pause) = machine.suspensions.iter().find(|s| s.from <= now && now < s.to) {
                let to = pause.to;
                drop(inner);
                return self.at(to, waker);
            }
        }
        let Some(mut future) = inner.tasks[number].future.take() else { return };
        (now, number).hash(&mut inner.trace);
        drop(inner);
        if Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_pending() {
            self.inner().tasks[number].future = Some(future);
        }
    }
}

impl Virtual {
    fn stood_still(&self, now: Duration) -> Duration {
        let stops = self.suspensions.iter().filter(|s| s.clock_stops);
        stops.map(|s| now.min(s.to).saturating_sub(s.from)).sum()
    }
}

/// A handle of a machine, as the lease wants it.
#[derive(Debug, Clone)]
pub(super) struct Handle(pub(super) Arc<Virtual>);

#[async_trait]
impl Machine for Handle {
    fn monotonic(&self) -> Duration {
        let now = self.0.world.now();
        now - self.0.stood_still(now)
    }

    fn wall(&self) -> Timestamp {
        let since = i64::try_from(self.0.world.now().as_millis()).unwrap();
        Timestamp::from_millisecond(1_800_000_000_000 + since + self.0.wrong * 1000).unwrap()
    }

    async fn sleep(&self, time: Duration) {
        let end = self.monotonic() + time;
        loop {
            let left = end.saturating_sub(self.monotonic());
            if left.is_zero() {
                return;
            }
            self.0.world.until(self.0.world.now() + left).await;
        }
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        self.0.world.start(Some(Arc::clone(&self.0)), task);
    }
}
