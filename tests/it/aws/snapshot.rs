//! `snapshot` against the emulator.

use saiken::model::Address;
use saiken::model::value::token;
use serde_json::json;

use crate::support::kind_case::{Case, changed, run, run_part};

/// The case of `snapshot`.
pub fn case() -> Case {
    let first = json!({"volume": "t/disk", "description": "夜間の写し", "tier": "standard", "tags": {"a": "1"}});
    Case {
        kind: "snapshot",
        needs: vec![("t/disk", "volume", json!({"zone": "us-east-1a", "size": "1GiB"}))],
        second: changed(&first, &json!({"tier": "archive", "tags": {"a": "2"}})),
        third: Some(changed(&first, &json!({"description": "another"}))),
        first,
        ..Case::default()
    }
}

#[test]
fn snapshot_creates_reads_back_changes_and_deletes() {
    run(case());
}

#[test]
fn a_copy_of_a_snapshot_of_another_region_is_made_archived_and_restored() {
    let first = json!({"copy_of": {"region": "us-west-2", "id": "{prepared}"}, "key": "t/key", "tier": "archive"});
    run_part(Case {
        kind: "snapshot",
        needs: vec![("t/key", "key", json!({}))],
        second: changed(&first, &json!({"tier": "standard"})),
        first,
        prepare: Some(
            "
import boto3
ec2 = boto3.client('ec2', region_name='us-west-2')
volume = ec2.create_volume(AvailabilityZone='us-west-2a', Size=1)['VolumeId']
print(ec2.create_snapshot(VolumeId=volume)['SnapshotId'])
",
        ),
        ..Case::default()
    });
}

#[test]
fn a_volume_is_made_from_a_snapshot_of_the_same_plan() {
    let disk = json!({"zone": "us-east-1a", "size": "1GiB"});
    let id = token(&Address::parse("t/copy").unwrap(), "id");
    let restored = json!({"zone": "us-east-1a", "from_snapshot": id, "tags": {"a": "1"}});
    run_part(Case {
        kind: "volume",
        needs: vec![("t/disk", "volume", disk), ("t/copy", "snapshot", json!({"volume": "t/disk"}))],
        second: changed(&restored, &json!({"tags": {"a": "2"}})),
        first: restored,
        ..Case::default()
    });
}
