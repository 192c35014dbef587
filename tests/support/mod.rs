//! What the tests share: projects on the simulated cloud, the emulator of AWS, cases of kinds, crashes.

use std::path::Path;

pub mod crash;
pub mod crash_http;
pub mod kind_case;
pub mod memory;
pub mod moto;
pub mod project;

/// How many inputs a test makes up: so many, or as many as `SAIKEN_FUZZ_CASES` says.
pub fn cases(usual: u32) -> u32 {
    std::env::var("SAIKEN_FUZZ_CASES").map_or(usual, |text| text.parse().unwrap())
}

/// The folder of this repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Copies the files of a project.
pub fn copy_project(from: &Path, to: &Path) {
    for part in ["stacks", "templates", "environments"] {
        copy_folder(&from.join(part), &to.join(part));
    }
}

/// Copies a folder with all that is in it; one that is not there is empty.
pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).into_iter().flatten() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Tells a figure past the test harness, which keeps the output of a test that passes to itself.
pub fn tell(figure: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{figure}");
}
