//! Whatever lies in a journal, a saved plan or a record: reading it ends soon, with a value or with a message, and obeying
//! what could be read panics nowhere.
//!
//! Begins with the files in `tests/corpus`; an input that ever broke a reader belongs there.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use saiken::execute::journal;
use saiken::execute::journal::resume;
use saiken::execute::record::RecordStore;
use saiken::render::json;

use crate::support::cases;
use crate::support::project::Project;

fn corpus(of: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(of);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files.into_iter().map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// What can befall a file.
#[derive(Debug, Clone)]
enum Damage {
    Cut(usize),
    Flip(usize, u8),
    Remove(usize, usize),
    RepeatLine(usize),
    SwapLines(usize, usize),
    Insert(usize, usize),
    Number(usize, u64),
}

const PIECES: [&str; 10] = [
    "{",
    "[",
    "\"",
    "null",
    "\n",
    "{\"event\":\"end\",\"outcome\":\"failed\"}\n",
    "\u{0}",
    "\u{e000}",
    "[[[[[[[[",
    "-1e999",
];

fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let place = any::<usize>;
    let one = prop_oneof![
        place().prop_map(Damage::Cut),
        (place(), any::<u8>()).prop_map(|(at, byte)| Damage::Flip(at, byte)),
        (place(), 1usize..40).prop_map(|(at, n)| Damage::Remove(at, n)),
        place().prop_map(Damage::RepeatLine),
        (place(), place()).prop_map(|(a, b)| Damage::SwapLines(a, b)),
        (place(), 0..PIECES.len()).prop_map(|(at, piece)| Damage::Insert(at, piece)),
        (place(), prop_oneof![Just(0), Just(1), Just(7), Just(u64::MAX)]).prop_map(|(at, n)| Damage::Number(at, n)),
    ];
    prop::collection::vec(one, 1..5)
}

fn damaged(bytes: &[u8], all: &[Damage]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for one in all {
        let size = bytes.len().max(1);
        let mut lines: Vec<Vec<u8>> = bytes.split_inclusive(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        let count = lines.len().max(1);
        match one {
            Damage::Cut(at) => bytes.truncate(at % size),
            Damage::Flip(at, by) => {
                if let Some(byte) = bytes.get_mut(at % size) {
                    *byte ^= by;
                }
            }
            Damage::Remove(at, n) => {
                let from = (at % size).min(bytes.len());
                bytes.drain(from..(from + n).min(bytes.len()));
            }
            Damage::RepeatLine(at) if !lines.is_empty() => {
                lines.insert(at % count, lines[at % count].clone());
                bytes = lines.concat();
            }
            Damage::SwapLines(a, b) if !lines.is_empty() => {
                lines.swap(a % count, b % count);
                bytes = lines.concat();
            }
            Damage::RepeatLine(_) | Damage::SwapLines(..) => {}
            Damage::Insert(at, piece) => {
                let at = (at % size).min(bytes.len());
                bytes.splice(at..at, PIECES[*piece].bytes());
            }
            Damage::Number(at, number) => {
                let digits: Vec<usize> = (0..bytes.len()).filter(|i| bytes[*i].is_ascii_digit()).collect();
                if let Some(at) = digits.get(at % digits.len().max(1)) {
                    bytes.splice(at..&(at + 1), number.to_string().bytes());
                }
            }
        }
    }
    bytes
}

fn soon<T>(what: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let value = what();
    assert!(begun.elapsed() < Duration::from_secs(30), "took {:?}", begun.elapsed());
    value
}

/// A journal is read or refused; what was read is legal, and can be resumed from.
fn read_journal(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    std::fs::write(&path, bytes).unwrap();
    match soon(|| journal::read(&path)) {
        Ok(history) => {
            let open = history.steps.values().filter(|s| s.state == journal::StepState::Started).count();
            assert!(history.outcome.is_none() || open == 0, "it has ended, and a step has not");
            assert_eq!(resume::interrupted(&history).map_or(0, |told| told.steps.len()), open);
            assert!(resume::unfinished([&history]).creates.len() <= history.steps.len());
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

const ENVIRONMENT: &str = "project: test\nprovider: simulated\nregion: ap-northeast-1\nzones: [ap-northeast-1a]\n";

/// A saved plan is read or refused; carrying it out on an empty cloud panics nowhere and ends.
fn read_plan(project: &Project, bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    match soon(|| json::parse(text)) {
        Ok(plan) => {
            assert!(plan.steps.iter().all(|s| s.action < plan.actions.len()), "a step has no action");
            let report = soon(|| project.execute(&plan));
            assert!(report.done.len() <= plan.steps.len());
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

fn planned_project() -> Project {
    let stack = "stack: s\nresources:\n  net: { kind: vpc, cidr: 10.0.0.0/16, tags: { Name: 網 } }\n  sub: { kind: subnet, vpc: net, cidr: 10.0.1.0/24, zone: ap-northeast-1a }\n  log: { kind: log_group, retention: 7d }\n";
    let mut project = Project::new(&[("environments/test.yaml", ENVIRONMENT), ("stacks/s.yaml", stack)]);
    project.saved = true;
    project
}

#[test]
fn every_file_of_the_corpus_is_read() {
    for (path, bytes) in corpus("journal") {
        assert!(read_journal(&bytes), "{}", path.display());
    }
    for (path, bytes) in corpus("plan") {
        assert!(read_plan(&planned_project(), &bytes), "{}", path.display());
    }
}

#[test]
fn a_deep_or_large_file_is_refused_or_read_and_never_runs_out_of_stack() {
    let project = planned_project();
    let deep = "[".repeat(200_000);
    for text in [deep.clone(), format!("{{\"format\":2,\"actions\":{deep}"), format!("{{\"event\":{deep}\n")] {
        assert!(!read_plan(&project, text.as_bytes()) && !read_journal(text.as_bytes()));
    }
    let (_, journal) = corpus("journal").remove(0);
    let header = journal.split_inclusive(|b| *b == b'\n').next().unwrap().to_vec();
    let mut long = header;
    for step in 0..50_000 {
        let line = format!(
            "{{\"event\":\"planned\",\"step\":{step},\"address\":\"s/a{step}\",\"kind\":\"vpc\",\"operation\":\"create\"}}\n"
        );
        long.extend(line.bytes());
    }
    assert!(read_journal(&long), "fifty thousand steps are read");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(256), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_as_a_journal_end(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(!read_journal(&bytes), "random bytes are no journal");
    }

    #[test]
    fn a_damaged_journal_is_read_or_refused(pick in any::<prop::sample::Index>(), damage in damage()) {
        let files = corpus("journal");
        read_journal(&damaged(&files[pick.index(files.len())].1, &damage));
    }

    #[test]
    fn a_damaged_plan_is_obeyed_or_refused_and_never_panics(pick in any::<prop::sample::Index>(), damage in damage()) {
        let files = corpus("plan");
        read_plan(&planned_project(), &damaged(&files[pick.index(files.len())].1, &damage));
    }

    #[test]
    fn a_damaged_record_counts_as_missing_with_a_warning(damage in damage()) {
        let (_, bytes) = corpus("record").remove(0);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("record.json"), damaged(&bytes, &damage)).unwrap();
        let (store, warning) = soon(|| RecordStore::open(folder.path()));
        prop_assert!(warning.is_none() || store.record().is_none());
    }
}
