//! Tests by scripted answers, of what no emulator does.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{EbsInstanceBlockDevice, InstanceBlockDeviceMapping, Tag};

use super::*;
use crate::model::Address;
use crate::model::cloud::{CreateRequest, Unwatched, UpdateRequest};
use crate::model::observed::Object;
use crate::providers::aws::ec2::instance::Instance;
use crate::providers::aws::kind::{Handler, Typed};
use crate::providers::aws::script::Script;

#[test]
fn a_volume_with_an_owner_of_its_own_is_not_a_disk_of_the_server() {
    let mapping = |device: &str, id: &str| {
        InstanceBlockDeviceMapping::builder()
            .device_name(device)
            .ebs(EbsInstanceBlockDevice::builder().volume_id(id).build())
            .build()
    };
    let instance = ApiInstance::builder()
        .root_device_name("/dev/xvda")
        .block_device_mappings(mapping("/dev/xvda", "vol-1"))
        .block_device_mappings(mapping("/dev/sdf", "vol-2"))
        .block_device_mappings(mapping("/dev/sdg", "vol-3"))
        .build();
    let owned = Tag::builder().key(ownership::ADDRESS).value("data/main").build();
    let volumes = Volumes::from([
        ("vol-1".to_owned(), ApiVolume::builder().size(8).encrypted(true).build()),
        ("vol-2".to_owned(), ApiVolume::builder().size(9).tags(owned).build()),
        ("vol-3".to_owned(), ApiVolume::builder().size(10).build()),
    ]);
    let (root, disks) = observed_disks(&instance, &volumes);
    assert_eq!((root.size, root.encrypted), (from_gib(Some(8)), true));
    assert_eq!(disks.keys().collect::<Vec<_>>(), ["/dev/sdg"]);
}

fn object(spec: serde_json::Value) -> Object {
    let address = Address::parse("s/i").unwrap();
    Object {
        kind: "instance".into(),
        region: "ap-northeast-1".into(),
        id: "i-1".into(),
        identifiers: Vec::new(),
        owner: Some(ownership::Owner {
            project: "p".into(),
            environment: "e".into(),
            address,
            generation: 1,
            fingerprints: BTreeMap::new(),
            protected: false,
        }),
        spec,
        attributes: serde_json::Map::new(),
        status: Status::Ready,
        unread: Vec::new(),
    }
}

/// Changes one field of a running server, and gives the operations asked in their order of the list.
async fn change(script: &Script, field: &str, from: serde_json::Value, to: serde_json::Value) {
    let mut spec =
        json!({"image": "ami-1", "instance_type": "t3.small", "subnet": {"id": "subnet-1"}, "running": true});
    spec[field] = from;
    let object = object(spec.clone());
    spec[field] = to;
    let desired = CreateRequest {
        kind: object.kind.clone(),
        region: object.region.clone(),
        spec,
        owner: object.owner.clone().unwrap(),
        tags: BTreeMap::new(),
        name: "i".into(),
        token: "token".into(),
        resolved: BTreeMap::new(),
    };
    let request = UpdateRequest { desired, object, changed: BTreeSet::from([field.to_owned()]) };
    Typed::<Instance>::default().update(&script.context(), &request, &Unwatched).await.unwrap();
}

fn script() -> Script {
    let server = |state: &str| {
        format!(
            "<reservationSet><item><instancesSet><item><instanceId>i-1</instanceId>\
             <instanceState><name>{state}</name></instanceState></item></instancesSet></item></reservationSet>"
        )
    };
    Script::default()
        .ec2("DescribeInstances", &server("stopped"))
        .ec2("DescribeInstances", &server("running"))
        .ec2("DescribeVolumes", "")
        .ec2("DescribeInstanceAttribute", "")
        .ec2("DescribeInstanceCreditSpecifications", "")
        .ec2("UnmonitorInstances", "")
        .ec2("ModifyInstanceCreditSpecification", "")
        .ec2("ModifyInstanceAttribute", "")
        .ec2("StopInstances", "")
        .ec2("StartInstances", "")
        .ec2("CreateTags", "")
}

#[tokio::test]
async fn monitoring_and_credits_change_while_the_server_runs() {
    let script = script();
    change(&script, "monitoring", json!(true), json!(false)).await;
    change(&script, "credits", json!("standard"), json!("unlimited")).await;
    assert_eq!(script.asked("UnmonitorInstances").len(), 1);
    assert!(script.asked("ModifyInstanceCreditSpecification").join("").contains("unlimited"));
    assert!(script.asked("StopInstances").is_empty());
}

#[tokio::test]
async fn another_type_is_written_between_a_stop_and_a_start() {
    let script = script();
    change(&script, "instance_type", json!("t3.small"), json!("t3.large")).await;
    let order: Vec<String> = script.operations().into_iter().filter(|o| !o.starts_with("Describe")).collect();
    assert_eq!(order, ["StopInstances", "ModifyInstanceAttribute", "StartInstances"]);
}

#[tokio::test]
async fn another_role_takes_the_place_of_the_one_there_is() {
    let association = "<iamInstanceProfileAssociationSet><item><associationId>a-1</associationId>\
        <state>associated</state></item></iamInstanceProfileAssociationSet>";
    let script = script()
        .ec2("DescribeIamInstanceProfileAssociations", association)
        .ec2("ReplaceIamInstanceProfileAssociation", "");
    change(&script, "role", json!({"id": "old"}), json!({"id": "new"})).await;
    let asked = script.asked("ReplaceIamInstanceProfileAssociation").join("");
    assert!(asked.contains("IamInstanceProfile.Name=new") && asked.contains("AssociationId=a-1"), "{asked}");
}

#[tokio::test]
async fn what_a_shutdown_does_changes_while_the_server_runs() {
    let script = script();
    change(&script, "shutdown", json!("stop"), json!("terminate")).await;
    let asked = script.asked("ModifyInstanceAttribute").join("");
    assert!(asked.contains("InstanceInitiatedShutdownBehavior.Value=terminate"), "{asked}");
    assert!(script.asked("StopInstances").is_empty());
}
