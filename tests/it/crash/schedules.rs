//! Random schedules of faults: throttling, errors, lost answers, time-outs, late reads, and crashes, over random systems.
//!
//! `SAIKEN_SCHEDULES=N` runs so many (a soak); `SAIKEN_SEED=S` runs just the one of that seed, exactly as it ran before.

use std::collections::BTreeMap;

use proptest::prelude::Strategy;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use saiken::simulated::commands::Line;
use serde_json::{Value, json};

use super::{Ended, System};
use crate::engine::system::{ENVIRONMENT, System as Declared, system};

/// Schedules in an ordinary run.
const SCHEDULES: u64 = 2000;
/// Commands under faults before the weather clears.
const ROUGH: usize = 3;
/// Commands that may be needed afterwards: one, and one more for what a late read hid.
const CALM: usize = 2;

fn declared(runner: &mut TestRunner) -> Declared {
    system().new_tree(runner).unwrap().current()
}

pub(super) fn files(declared: &Declared) -> Vec<(&'static str, String)> {
    let mut files = declared.files().to_vec();
    files.push(("environments/test.yaml", ENVIRONMENT.to_owned()));
    files
}

pub(super) fn borrowed<'a>(files: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    files.iter().map(|(path, text)| (*path, text.as_str())).collect()
}

/// The faults of one command.
fn weather(random: &mut ChaCha8Rng, lag: u32) -> Value {
    let mut faults = Vec::new();
    for call in ["create", "update", "delete", "own", "read"] {
        for what in ["throttle", "error", "lost_answer", "timeout"] {
            if random.random_bool(0.3) {
                faults.push(json!({"operation": call, "what": what, "chance": random.random_range(0.02..0.3)}));
            }
        }
    }
    json!({"seed": random.random::<u32>(), "lag_reads": lag, "faults": faults})
}

/// What must hold at any time: nothing without owner, and never two objects of one address and generation.
fn sound(system: &System, when: &str) {
    let mut there: BTreeMap<(String, Option<u32>), Vec<String>> = BTreeMap::new();
    for Line { id, address, generation, .. } in system.objects() {
        let address = address.unwrap_or_else(|| panic!("{when}: {id} has no owner"));
        there.entry((address, generation)).or_default().push(id);
    }
    let twice: Vec<_> = there.iter().filter(|(_, ids)| ids.len() > 1).collect();
    assert!(twice.is_empty(), "{when}: made twice: {twice:?}");
}

/// Commands under faults, then without, until it is as declared.
fn endure(system: &mut System, random: &mut ChaCha8Rng, destroy: bool, when: &str) -> usize {
    let (mut crashes, lag) = (0, random.random_range(0..4));
    for number in 0..ROUGH {
        system.settings = weather(random, lag);
        system.parallelism = random.random_range(1..=8);
        let crash = random.random_bool(0.7).then(|| random.random_range(1..120));
        if let Ended::Crashed = system.run(destroy, crash) {
            crashes += 1;
        }
        sound(system, &format!("{when}, command {number}"));
    }
    system.settings = json!({"lag_reads": lag});
    for _ in 0..CALM {
        match system.run(destroy, None) {
            Ended::Whole(_, report) => assert!(report.succeeded(), "{when}: {:#?}", report.failed),
            Ended::Crashed => panic!("{when}: it crashed by itself"),
        }
    }
    sound(system, when);
    system.converged(destroy, when);
    crashes
}

/// Runs the schedule of a seed; returns the number of crashes, and all that happened.
fn schedule(seed: u64) -> (usize, String) {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (first, second) = (declared(&mut runner), declared(&mut runner));
    let mut system = System::of_files(&borrowed(&files(&first)));
    let mut crashes = endure(&mut system, &mut random, false, &format!("SAIKEN_SEED={seed}, first"));
    system.declare(&borrowed(&files(&second)));
    crashes += endure(&mut system, &mut random, false, &format!("SAIKEN_SEED={seed}, second"));
    crashes += endure(&mut system, &mut random, true, &format!("SAIKEN_SEED={seed}, destroy"));
    (crashes, system.trace())
}

#[test]
fn a_seed_replays_exactly() {
    for seed in 0..4 {
        let (first, second) = (schedule(seed), schedule(seed));
        assert!(first.1.lines().count() > 20, "{}", first.1);
        assert_eq!(first, second, "SAIKEN_SEED={seed}");
    }
}

#[test]
fn any_mix_of_faults_and_crashes_ends_in_what_is_declared() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seeds = match number("SAIKEN_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SAIKEN_SCHEDULES").unwrap_or(SCHEDULES),
    };
    let next = std::sync::atomic::AtomicU64::new(seeds.start);
    let crashes = std::sync::atomic::AtomicUsize::new(0);
    let worker = || {
        loop {
            let seed = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            if seed >= seeds.end {
                break;
            }
            crashes.fetch_add(schedule(seed).0, std::sync::atomic::Ordering::SeqCst);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(worker);
        }
    });
    let (schedules, crashes) = (seeds.end - seeds.start, crashes.into_inner());
    crate::support::tell(&format!("{schedules} schedules, seeds {seeds:?}, {crashes} crashes"));
    assert!(schedules < 10 || crashes > 0);
}
