//! The schedules, and what every one of them must show.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::machines::{Handle, Suspension, Virtual, World};
use super::network::Network;
use crate::execute::lease::Lease;
use crate::execute::lock::{Held, Holder, Lock, LockError};
use crate::execute::machine::Machine as _;
use crate::execute::while_held::while_held;
use crate::model::cloud::Unwatched;

const LENGTH: Duration = Duration::from_secs(60);
const SEEDS: u64 = 2000;

/// What a writer does wrong on purpose, to prove that the model would see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    Honest,
    /// Calls without asking whether the lock is still held.
    Careless,
}

/// Remembers who called.
#[derive(Debug, Default)]
struct Cloud {
    last: Option<u64>,
    /// Holdings after whose calls another's came: none of theirs may follow.
    over: BTreeSet<u64>,
    calls: u64,
    two_writers: bool,
}

impl Cloud {
    fn call(&mut self, holding: u64) {
        self.calls += 1;
        if self.last != Some(holding) {
            self.two_writers |= self.over.contains(&holding);
            self.over.extend(self.last.replace(holding));
        }
    }
}

/// What happened, in all schedules together.
#[derive(Debug, Default)]
struct Tally {
    held: u64,
    refused: u64,
    unanswered: u64,
    lost: u64,
    killed: u64,
    taken_over: u64,
}

struct Schedule {
    cloud: Arc<Mutex<Cloud>>,
    tally: Arc<Mutex<Tally>>,
    writer: Writer,
}

fn machine(world: &Arc<World>, number: usize, random: &mut ChaCha8Rng) -> Handle {
    let wrong = if random.random_bool(0.5) { random.random_range(-600..=600) } else { 0 };
    let mut suspensions = Vec::new();
    let mut from = 0;
    for _ in 0..random.random_range(0..4) {
        from += random.random_range(1_000..120_000);
        let to = from + random.random_range(1_000..200_000);
        let clock_stops = random.random_bool(0.5);
        let (start, end) = (Duration::from_millis(from), Duration::from_millis(to));
        suspensions.push(Suspension { from: start, to: end, clock_stops });
        from = to;
    }
    Handle(Arc::new(Virtual { world: Arc::clone(world), number, wrong, suspensions }))
}

/// One writer: takes the lock again and again, and calls the cloud while it has it.
async fn write(schedule: Arc<Schedule>, lease: Lease, machine: Handle, mut random: ChaCha8Rng) {
    let number = machine.0.number;
    for round in 0..3_u64 {
        machine.sleep(Duration::from_millis(random.random_range(0..90_000))).await;
        let holder = Holder {
            who: format!("writer-{number}"),
            host: "sim".into(),
            pid: u32::try_from(round).unwrap(),
            command: "saiken apply".into(),
            since: "now".into(),
        };
        let begun = machine.monotonic();
        let held = match lease.acquire(&holder, &Unwatched).await {
            Ok(held) => held,
            Err(LockError::Leased(_)) => {
                schedule.tally.lock().unwrap().refused += 1;
                continue;
            }
            Err(_) => {
                schedule.tally.lock().unwrap().unanswered += 1;
                continue;
            }
        };
        {
            let mut tally = schedule.tally.lock().unwrap();
            tally.held += 1;
            tally.taken_over += u64::from(machine.monotonic() - begun >= LENGTH);
        }
        let holding = number as u64 * 10 + round;
        if !calls(&schedule, &*held, holding, &machine, &mut random).await {
            schedule.tally.lock().unwrap().lost += 1;
        }
        if random.random_bool(0.2) {
            schedule.tally.lock().unwrap().killed += 1;
            machine.0.world.kill(number);
            // Whatever follows is never polled.
            machine.sleep(Duration::from_secs(1)).await;
        }
        let _ = held.release().await;
    }
}

/// Steps of several calls each, with waits between them; false if the lock was lost.
async fn calls(schedule: &Schedule, held: &dyn Held, holding: u64, machine: &Handle, random: &mut ChaCha8Rng) -> bool {
    for _ in 0..random.random_range(1..12) {
        let pauses: Vec<u64> = (0..3).map(|_| random.random_range(10..15_000)).collect();
        let step = async {
            for pause in pauses {
                schedule.cloud.lock().unwrap().call(holding);
                machine.sleep(Duration::from_millis(pause)).await;
            }
        };
        match schedule.writer {
            Writer::Careless => step.await,
            Writer::Honest => {
                if while_held(Some(held), step).await.is_none() {
                    return false;
                }
            }
        }
    }
    true
}

/// Runs one schedule; what tells its interleaving from others, and whether two writers were seen.
fn run(seed: u64, writer: Writer, tally: &Arc<Mutex<Tally>>) -> (u64, u64, bool) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let world = Arc::new(World::default());
    let network = Network::new(&world, seed, [0, 5, 20, 50][random.random_range(0..4)]);
    let cloud = Arc::new(Mutex::new(Cloud::default()));
    let schedule = Arc::new(Schedule { cloud: Arc::clone(&cloud), tally: Arc::clone(tally), writer });
    for number in 0..random.random_range(2..=3) {
        let machine = machine(&world, number, &mut random);
        let lease = Lease::new(network.clone(), Arc::new(machine.clone()), "p/e/lock".into(), LENGTH);
        let own = ChaCha8Rng::seed_from_u64(seed.wrapping_mul(31) + number as u64);
        let task = write(Arc::clone(&schedule), lease, machine.clone(), own);
        world.start(Some(Arc::clone(&machine.0)), Box::pin(task));
    }
    let trace = world.run();
    let cloud = cloud.lock().unwrap();
    (trace, cloud.calls, cloud.two_writers)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn there_are_never_two_writers() {
    let tally = Arc::default();
    let seeds = number("SAIKEN_SEED").map_or(0..number("SAIKEN_SEEDS").unwrap_or(SEEDS), |seed| seed..seed + 1);
    let count = seeds.end - seeds.start;
    let (mut interleavings, mut all) = (BTreeSet::new(), 0);
    for seed in seeds {
        let (trace, calls, two_writers) = run(seed, Writer::Honest, &tally);
        assert!(!two_writers, "two writers: replay with SAIKEN_SEED={seed}");
        interleavings.insert(trace);
        all += calls;
    }
    let tally = tally.lock().unwrap();
    // Past the test harness, which keeps the output of a test that passes to itself.
    let figures = format!("{count} seeds, {} interleavings, {all} cloud calls; {tally:?}", interleavings.len());
    let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("{figures}\n").as_bytes());
    if count >= SEEDS {
        assert!(interleavings.len() as u64 > SEEDS * 9 / 10, "schedules must differ");
        for (what, times) in [
            ("held", tally.held),
            ("refused", tally.refused),
            ("unanswered", tally.unanswered),
            ("lost", tally.lost),
            ("killed", tally.killed),
            ("taken over", tally.taken_over),
        ] {
            assert!(times > 100, "{what}: only {times} times, so little is proven");
        }
    }
}

#[test]
fn a_writer_that_does_not_ask_is_found_out() {
    let tally = Arc::default();
    let found = (0..SEEDS).any(|seed| run(seed, Writer::Careless, &tally).2);
    assert!(found, "the model must see two writers where there are two");
}

#[test]
fn a_schedule_replays_exactly() {
    let tally = Arc::default();
    for seed in [3, 1_000, 1_999] {
        assert_eq!(run(seed, Writer::Honest, &tally), run(seed, Writer::Honest, &tally));
    }
}
