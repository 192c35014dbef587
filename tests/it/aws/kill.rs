//! The real binary, killed with SIGKILL again and again while it applies a system of servers to an emulator over HTTP, then left
//! to finish: the cloud must be what an apply that nobody killed makes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use regex::Regex;
use serde_json::Value;

use super::reference::Cli;
use crate::support::moto::{Moto, empty};

/// How many times the system comes up, changes and goes; 3 unless set.
const ROUNDS: &str = "SAIKEN_KILL_ROUNDS";
/// The first round's seed; each further one has the next.
const SEED: &str = "SAIKEN_KILL_SEED";
/// Fewest kills in all rounds of a system of this size.
const ENOUGH: usize = 8;
/// No run takes longer.
const LONGEST: Duration = Duration::from_secs(300);

#[test]
fn killed_at_random_times_it_ends_where_an_undisturbed_apply_ends() {
    let number = |name: &str, other: u64| std::env::var(name).map_or(other, |v| v.parse().unwrap());
    let clean = Undisturbed::new();
    let mut all = 0;
    for round in 0..number(ROUNDS, 3) {
        let seed = number(SEED, 1) + round;
        let begun = Instant::now();
        let moto = empty().copy();
        let mut killer = Killer { cli: Cli::servers(&moto), moto: &moto, random: ChaCha8Rng::seed_from_u64(seed) };
        let mut kills = Vec::new();
        for (what, arguments, expected) in &clean.stages {
            if *what == "update" {
                change(killer.cli.dir.path());
            }
            kills.push(format!("{what} {}", killer.until_through(arguments, &format!("seed {seed}, {what}"))));
            expected.compare(&State::of(&killer.cli, &moto), &format!("seed {seed}, after {what}"));
        }
        let total: usize = kills.iter().filter_map(|k| k.rsplit(' ').next()?.parse::<usize>().ok()).sum();
        let seconds = begun.elapsed().as_secs();
        crate::support::tell(&format!("kill -9, seed {seed}: {}, {seconds} s", kills.join(", ")));
        all += total;
    }
    assert!(all >= ENOUGH, "only {all} kills");
}

/// What each stage ends in when nobody disturbs it.
struct Undisturbed {
    stages: Vec<(&'static str, &'static [&'static str], State)>,
}

impl Undisturbed {
    fn new() -> Self {
        let moto = empty().copy();
        let cli = Cli::servers(&moto);
        let apply: &[&str] = &["apply", "--yes"];
        let mut stages = Vec::new();
        for (what, arguments) in [("create", apply), ("update", apply), ("destroy", &["destroy", "--yes"])] {
            if what == "update" {
                change(cli.dir.path());
            }
            let (code, out, err) = cli.run(arguments);
            assert_eq!(code, 0, "{what}: {out}\n{err}");
            stages.push((what, arguments, State::of(&cli, &moto)));
        }
        Self { stages }
    }
}

/// One zone less, more servers, more time for logs: deletions and updates in place. No new template version: the emulator has
/// no instance refresh.
fn change(project: &Path) {
    let path = project.join("environments/staging.yaml");
    let before = std::fs::read_to_string(&path).unwrap();
    let mut after = before.clone();
    for (old, new) in [
        ("zones: [ap-northeast-1a, ap-northeast-1c, ap-northeast-1d]", "zones: [ap-northeast-1a, ap-northeast-1c]"),
        ("maximum: 3, disk: 16GiB }", "maximum: 6, disk: 16GiB, log_retention: 90d }"),
        ("network: { cidr: 10.1.0.0/16 }", "network: { cidr: 10.1.0.0/16, flow_log_retention: 180d }"),
    ] {
        assert!(before.contains(old), "the environment has changed: change this test too");
        after = after.replace(old, new);
    }
    std::fs::write(path, after).unwrap();
}

/// What is on a server, as far as it is the same for each run.
struct State {
    /// Of each object address, kind, status and spec, without what the API chose.
    objects: Vec<String>,
    /// What the emulator holds, owned or not.
    census: BTreeMap<String, u64>,
}

impl State {
    fn of(cli: &Cli<'_>, moto: &Moto) -> Self {
        let (code, out, err) = cli.run(&["show", "--format", "json"]);
        assert_eq!(code, 0, "{err}");
        let shown: Value = serde_json::from_str(&out).unwrap();
        // Ids, ids of keys, single addresses, IPv6 ranges.
        let chosen = Regex::new(
            r#"\b([a-z]+)-[0-9a-f]{8,17}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|"[0-9]+(\.[0-9]+){3}"|"[0-9a-f:]+::/[0-9]+""#,
        )
        .unwrap();
        let objects = shown["objects"].as_array().unwrap().iter().map(|object| {
            let part: serde_json::Map<String, Value> = ["address", "kind", "region", "status", "generation", "spec"]
                .into_iter()
                .filter_map(|member| Some((member.to_owned(), object.get(member)?.clone())))
                .collect();
            chosen.replace_all(&Value::Object(part).to_string(), "$1…").into_owned()
        });
        Self { objects: objects.collect(), census: moto.census() }
    }

    fn compare(&self, other: &Self, when: &str) {
        for (clean, killed) in self.objects.iter().zip(&other.objects) {
            assert_eq!(clean, killed, "{when}: an object is not as an undisturbed run makes it");
        }
        assert_eq!(self.objects.len(), other.objects.len(), "{when}: number of objects");
        assert_eq!(self.census, other.census, "{when}: what the server holds");
    }
}

struct Killer<'a> {
    cli: Cli<'a>,
    moto: &'a Moto,
    random: ChaCha8Rng,
}

impl Killer<'_> {
    /// Runs a command and kills it, until it gets through before the kill; the next plan must be empty. The number of kills.
    fn until_through(&mut self, arguments: &[&str], label: &str) -> usize {
        let mut kills = 0;
        loop {
            // Either so many lines into the journal, or while it still starts and reads.
            let lines = if self.random.random_ratio(1, 6) { 0 } else { self.random.random_range(1..11) };
            let pause = Duration::from_millis(self.random.random_range(0..if lines == 0 { 1200 } else { 200 }));
            match self.run_and_kill(arguments, lines, pause) {
                Some((0, _)) => break,
                Some((code, said)) => panic!("{label}: ended with {code} after {kills} kills: {said}"),
                None => kills += 1,
            }
        }
        let plan: &[&str] =
            if arguments[0] == "destroy" { &["destroy", "--yes"] } else { &["plan", "--detailed-exitcode"] };
        let (code, out, err) = self.cli.run(plan);
        assert_eq!(code, 0, "{label}: something is left to do after {kills} kills: {out}\n{err}");
        kills
    }

    /// Exit code and stderr, or nothing if it was killed: a `pause` after the journal got `lines` lines, or after the start.
    fn run_and_kill(&self, arguments: &[&str], lines: usize, pause: Duration) -> Option<(i32, String)> {
        let before = journals(self.cli.dir.path());
        let said = tempfile::NamedTempFile::new().unwrap();
        let mut command = self.cli.command(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said.reopen().unwrap());
        let mut child = command.spawn().unwrap();
        let begun = Instant::now();
        let mut due = (lines == 0).then(|| begun + pause);
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return Some((status.code().unwrap_or(-1), std::fs::read_to_string(said.path()).unwrap()));
            }
            if due.is_none() && self.events(&before) >= lines {
                due = Some(Instant::now() + pause);
            }
            if due.is_some_and(|at| Instant::now() >= at) {
                child.kill().unwrap();
                let status = child.wait().unwrap();
                // AWS may still be at work on a call whose client is gone, and a run looks again for what it made. On an
                // emulator it does not (a lag would cost each test minutes), so that here the call must have ended.
                self.moto.idle();
                // It may have ended of itself in this moment.
                return status.code().map(|c| (c, std::fs::read_to_string(said.path()).unwrap()));
            }
            assert!(begun.elapsed() < LONGEST, "it does not end: {}", std::fs::read_to_string(said.path()).unwrap());
            std::thread::sleep(Duration::from_millis(3));
        }
    }
}

impl Killer<'_> {
    /// How many starts and ends of steps the journal of this run has.
    fn events(&self, before: &[PathBuf]) -> usize {
        let new = journals(self.cli.dir.path()).into_iter().find(|j| !before.contains(j));
        let text = new.and_then(|j| std::fs::read_to_string(j).ok()).unwrap_or_default();
        text.lines().filter(|l| l.contains(r#""started""#) || l.contains(r#""finished""#)).count()
    }
}

fn journals(project: &Path) -> Vec<PathBuf> {
    let folder = project.join(".saiken/staging/journal");
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|e| Some(e.ok()?.path())).collect()
}
