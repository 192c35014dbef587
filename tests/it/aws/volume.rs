//! `volume` against the emulator.

use serde_json::json;

use crate::support::kind_case::{Case, changed, run};

/// The case of `volume`.
pub fn case() -> Case {
    let server = json!({"image": "ami-12c6146b", "instance_type": "t3.small", "subnet": "t/sub"});
    let first = json!({
    "zone": "us-east-1a",
    "size": "20GiB",
    "type": "gp2",
    "from_snapshot": "{prepared}",
    "encrypted": true,
    "key": "t/key",
    "multi_attach": false,
    "attachment": {"instance": "t/one", "device": "/dev/sdf"},
    "tags": {"a": "1"},
    });
    let third = changed(&first, &json!({"key": "t/next"}));
    Case {
        kind: "volume",
        needs: vec![
            ("t/net", "vpc", json!({"cidr": "10.1.0.0/16"})),
            ("t/sub", "subnet", json!({"vpc": "t/net", "zone": "us-east-1a", "cidr": "10.1.1.0/24"})),
            ("t/key", "key", json!({})),
            ("t/next", "key", json!({})),
            ("t/one", "instance", server.clone()),
            ("t/two", "instance", server),
        ],
        first,
        second: json!({
            "zone": "us-east-1a",
            "size": "30GiB",
            "type": "gp3",
            "iops": 4000,
            "throughput": 250,
            "from_snapshot": "{prepared}",
            "encrypted": true,
            "key": "t/key",
            "multi_attach": false,
            "attachment": {"instance": "t/two", "device": "/dev/sdg"},
            "tags": {"a": "2", "b": "3"},
        }),
        third: Some(third),
        prepare: Some(
            "
import boto3
ec2 = boto3.client('ec2')
volume = ec2.create_volume(AvailabilityZone='us-east-1a', Size=1)['VolumeId']
print(ec2.create_snapshot(VolumeId=volume)['SnapshotId'])
",
        ),
        not_by_emulator: &[],
    }
}

#[test]
fn volume_creates_reads_back_changes_and_deletes() {
    run(case());
}
