//! The binary from end to end, on the simulated cloud.

mod documentation;
mod flow;
mod guards;
mod history;
mod preflight;
mod rollback;
mod simulate;
mod simulated_page;
mod stop;
mod wrong;

use std::path::PathBuf;
use std::process::Output;

use assert_cmd::Command;

use crate::support::repository;

/// A project in a folder of its own, and the binary with a clean environment.
pub struct Sandbox {
    dir: tempfile::TempDir,
}

/// What a run of the binary gave.
pub struct Run {
    /// Exit code.
    pub code: i32,
    /// Data.
    pub out: String,
    /// Talk.
    pub err: String,
}

impl Run {
    /// Fails with all output unless the exit code is this one.
    #[track_caller]
    pub fn code(self, expected: i32) -> Self {
        assert_eq!(self.code, expected, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Stdout as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}:\n{}", self.out))
    }
}

impl Sandbox {
    /// An empty folder.
    pub fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    /// A copy of the reference project.
    pub fn reference() -> Self {
        let sandbox = Self::empty();
        crate::support::copy_project(repository(), sandbox.dir.path());
        sandbox
    }

    /// A project of the environment `test` (simulated) and one stack `s`.
    pub fn stack(text: &str) -> Self {
        let sandbox = Self::empty();
        sandbox.write(
            "environments/test.yaml",
            "project: shop\nprovider: simulated\nregion: ap-northeast-1\nzones: [ap-northeast-1a, ap-northeast-1c]\nguards: {data: {loss: allowed}}\n",
        );
        sandbox.write("stacks/s.yaml", text);
        sandbox
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub fn write(&self, relative: &str, text: &str) {
        let path = self.path(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn replace(&self, relative: &str, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.path(relative)).unwrap();
        assert!(text.contains(from), "{relative} does not hold {from:?}");
        self.write(relative, &text.replace(from, to));
    }

    /// Runs the binary here, without a terminal and without variables that change what it does.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.run_with(arguments, &[])
    }

    /// The same with these variables.
    pub fn run_with(&self, arguments: &[&str], variables: &[(&str, String)]) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saiken"));
        command.env_clear().current_dir(self.dir.path()).args(arguments).write_stdin("");
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        let Output { status, stdout, stderr } = command.output().unwrap();
        Run {
            code: status.code().unwrap_or(-1),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Runs the binary on the environment `local` of the reference project.
    pub fn local(&self, arguments: &[&str]) -> Run {
        let all: Vec<&str> = ["-e", "local"].into_iter().chain(arguments.iter().copied()).collect();
        self.run(&all)
    }
}
