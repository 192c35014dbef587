//! `cloud_control` against the emulator.

use serde_json::json;

use crate::support::kind_case::{Case, changed, run};

/// The case of `cloud_control`.
pub fn case() -> Case {
    let properties = |name: &str, description: &str, regions: &[&str]| {
        let regions: Vec<_> = regions.iter().map(|region| json!({"Region": region})).collect();
        json!({"Name": name, "Description": description, "ReplicaRegions": regions})
    };
    let first = json!({
        "type": "AWS::SecretsManager::Secret",
        "properties": properties("case-one", "最初", &["eu-west-1", "eu-west-2"]),
        "write_only": {"SecretString": "one two three"}, "tags": {"用途": "夜間"},
    });
    Case {
        kind: "cloud_control",
        second: changed(
            &first,
            &json!({
                "properties": properties("case-one", "次", &["eu-west-2"]),
                "write_only": {"SecretString": "four five six"}, "tags": {"用途": "毎時"},
            }),
        ),
        // A property of which only the type's schema says that it can't change.
        third: Some(changed(
            &first,
            &json!({"properties": properties("case-two", "最初", &["eu-west-2", "eu-west-1"])}),
        )),
        first,
        ..Case::default()
    }
}

#[test]
fn cloud_control_creates_reads_back_changes_and_deletes() {
    run(case());
}
