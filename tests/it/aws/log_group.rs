//! `log_group` against the emulator.

use serde_json::json;

use crate::support::kind_case::{Case, changed, run};

/// The case of `log_group`.
pub fn case() -> Case {
    let first = json!({"name": "/own/orders", "retention": "30d", "key": "t/key", "tags": {"a": "1"}});
    let third = changed(&first, &json!({"name": "/own/orders-2"}));
    Case {
        kind: "log_group",
        needs: vec![("t/key", "key", json!({}))],
        first,
        // The emulator has no AssociateKmsKey: the key stays the same.
        second: json!({"name": "/own/orders", "retention": "0s", "key": "t/key", "tags": {"a": "2"}}),
        third: Some(third),
        not_by_emulator: &[],
        ..Case::default()
    }
}

#[test]
fn log_group_creates_reads_back_changes_and_deletes() {
    run(case());
}
