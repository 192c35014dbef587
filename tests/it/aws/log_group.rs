//! `log_group` against the emulator.

use serde_json::json;

use crate::support::kind_case::{Case, run};

#[test]
fn log_group_creates_reads_back_changes_and_deletes() {
    run(Case {
        kind: "log_group",
        needs: vec![("t/key", "key", json!({}))],
        first: json!({"retention": "30d", "key": "t/key", "tags": {"a": "1"}}),
        // The emulator has no AssociateKmsKey: the key stays the same.
        second: json!({"retention": "0s", "key": "t/key", "tags": {"a": "2"}}),
        // Class, protection and names of one's own are proven by the unit tests: the emulator keeps the first two not, and
        // a name must hold that of the case's project.
        not_by_emulator: &[],
    });
}
