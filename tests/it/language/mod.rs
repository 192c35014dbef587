//! The language of the files a user writes: what each word means, and what each mistake is answered with.

mod corpus;
mod errors_environment;
mod errors_expression;
mod errors_field;
mod errors_file;
mod errors_reference;
mod expressions;
mod graph;
mod page;
mod parameters;
mod random;
mod repository;

use std::path::Path;
use std::sync::OnceLock;

use saiken::model::desired::Desired;
use saiken::model::kind::Kinds;
use saiken::{config, diagnostic, expand, providers};

/// An environment that says no more than it must.
pub const ENVIRONMENT: &str =
    "project: shop\nprovider: simulated\nregion: ap-northeast-1\nzones: [ap-northeast-1a, ap-northeast-1c]\n";

/// What became of a project: the graph, and everything that was said.
pub struct Outcome {
    pub desired: Option<Desired>,
    pub said: String,
}

/// All kinds.
fn kinds() -> &'static Kinds {
    static KINDS: OnceLock<Kinds> = OnceLock::new();
    KINDS.get_or_init(providers::kinds)
}

/// Loads and expands the environment `test` of a folder.
pub fn expand(root: &Path, environment: &str) -> Outcome {
    let loaded = config::load(root, environment);
    let mut diagnostics = loaded.diagnostics;
    let mut desired = None;
    if let Some(project) = &loaded.project {
        let (expanded, more) = expand::expand(project, &loaded.files, kinds());
        diagnostics.extend(more);
        desired = expanded.filter(|_| !diagnostics.has_errors());
    }
    let said = diagnostic::render(&diagnostics, &loaded.files, false);
    let folder = root.display().to_string();
    Outcome { desired, said: said.replace(&folder, "PROJECT").replace("\n\n", "\n").trim_end().to_owned() }
}

/// A project in a folder of its own.
pub struct Project(tempfile::TempDir);

impl Project {
    /// These files (path, text), and `environments/test.yaml` unless it is among them.
    pub fn new(files: &[(&str, &str)]) -> Self {
        let project = Self(tempfile::tempdir().unwrap());
        project.write("environments/test.yaml", ENVIRONMENT);
        std::fs::create_dir_all(project.0.path().join("stacks")).unwrap();
        for (path, text) in files {
            project.write(path, text);
        }
        project
    }

    pub fn write(&self, path: &str, bytes: impl AsRef<[u8]>) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub fn root(&self) -> &Path {
        self.0.path()
    }

    pub fn outcome(&self) -> Outcome {
        expand(self.0.path(), "test")
    }
}

/// Everything that is said of these files; it must not be nothing, and there must be an error.
#[track_caller]
pub fn errors(files: &[(&str, &str)]) -> String {
    let outcome = Project::new(files).outcome();
    assert!(outcome.desired.is_none(), "no error");
    outcome.said
}

/// Everything that is said of a stack `s` alone.
#[track_caller]
pub fn errors_of(stack: &str) -> String {
    errors(&[("stacks/s.yaml", stack)])
}

/// The graph of these files; there must be no error and no warning.
#[track_caller]
pub fn desired(files: &[(&str, &str)]) -> Desired {
    let outcome = Project::new(files).outcome();
    assert_eq!(outcome.said, "");
    outcome.desired.unwrap()
}
