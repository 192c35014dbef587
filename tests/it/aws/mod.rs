//! The kinds against the emulator: one file a kind.

mod autoscaling_group;
mod calls;
mod instance;
mod key;
mod launch_template;
mod log_group;
mod network;
mod reference;
mod role;
mod state;
mod volume;

#[test]
fn every_kind_has_a_case() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/aws");
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        text.push_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap());
    }
    let without: Vec<&str> = saiken::providers::kinds()
        .iter()
        .map(|k| k.name)
        .filter(|name| !text.contains(&format!("kind: \"{name}\"")))
        .collect();
    assert!(without.is_empty(), "no emulator case for {without:?}");
}
