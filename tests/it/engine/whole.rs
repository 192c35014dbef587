//! The system that the reference customer's promises need, as files: databases, storage, endpoints, monitoring, backups,
//! access. It is to become the reference system of this repository; until then these files are kept valid.

use std::path::Path;

use saiken::{config, diagnostic, expand, providers};

#[test]
fn the_whole_system_is_valid_in_every_environment() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projects/whole");
    let kinds = providers::kinds();
    for environment in ["local", "staging", "production", "recovery"] {
        let loaded = config::load(&root, environment);
        let mut diagnostics = loaded.diagnostics;
        let desired = loaded.project.and_then(|project| {
            let (desired, more) = expand::expand(&project, &loaded.files, &kinds);
            diagnostics.extend(more);
            desired
        });
        let told = diagnostic::render(&diagnostics, &loaded.files, false);
        assert!(told.is_empty(), "{environment}: {told}");
        let kinds: std::collections::BTreeSet<&str> =
            desired.iter().flat_map(|d| d.resources.values()).map(|r| r.kind.name).collect();
        for kind in ["database", "bucket", "listener", "certificate", "alarm", "backup_plan", "trail", "patch_baseline"]
        {
            assert!(kinds.contains(kind), "{environment} has no {kind}");
        }
    }
}
