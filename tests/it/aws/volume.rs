//! `volume` against the emulator.

use serde_json::json;

use saiken::model::Address;
use saiken::model::environment::Guards;
use saiken::model::plan::Operation;

use crate::support::kind_case::{Case, REGION, Runner, changed, run};
use crate::support::moto::moto;

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

#[test]
fn a_protected_volume_stays_and_one_that_goes_is_saved_first() {
    let runner = Runner::new("saved");
    let all = [("t/it", "volume", json!({"zone": "us-east-1a", "size": "1GiB"}))];
    let address = Address::parse("t/it").unwrap();
    let mut desired = runner.desired(&all, "t/it", &[]);
    desired.environment.guards = Guards::default();
    desired.resources.get_mut(&address).unwrap().lifecycle.protect = true;
    runner.apply(&desired, false);
    desired.resources.get_mut(&address).unwrap().lifecycle.protect = false;
    let refused = runner.plan(&desired, true).refused;
    assert!(refused.iter().any(|r| r.reason.contains("saiken:protected")), "{refused:?}");
    let lifting = runner.plan(&desired, false);
    assert_eq!(lifting.actions[0].changes[0].path, "protect");
    runner.apply(&desired, false);
    assert!(runner.plan(&desired, false).is_empty());

    let plan = runner.plan(&desired, true);
    let id = plan.actions[0].objects[0].id.clone();
    let operations: Vec<Operation> = plan.steps.iter().map(|s| s.operation).collect();
    assert_eq!(operations, [Operation::Save, Operation::Delete]);
    runner.apply(&desired, true);
    let snapshots = moto().boto3(
        REGION,
        &format!(
            "
import boto3
ec2 = boto3.client('ec2')
for s in ec2.describe_snapshots(OwnerIds=['self'], Filters=[dict(Name='volume-id', Values=['{id}'])])['Snapshots']:
    print(s['State'], sorted((t['Key'], t['Value']) for t in s['Tags'] if t['Key'] in ('saiken:source', 'saiken:address')))
"
        ),
    );
    assert_eq!(snapshots.trim(), "completed [('saiken:source', 't/it')]");
    assert!(runner.observe(&desired).objects.is_empty());
}
