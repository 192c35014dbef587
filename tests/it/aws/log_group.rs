//! `log_group` against the emulator.

use serde_json::json;

use crate::support::kind_case::{Case, run};

#[test]
fn log_group_creates_reads_back_changes_and_deletes() {
    run(Case {
        kind: "log_group",
        needs: vec![("t/key", "key", json!({}))],
        first: json!({"name": "/own/orders", "retention": "30d", "key": "t/key", "tags": {"a": "1"}}),
        // The emulator has no AssociateKmsKey: the key stays the same.
        second: json!({"name": "/own/orders", "retention": "0s", "key": "t/key", "tags": {"a": "2"}}),
        not_by_emulator: &[],
    });
}
