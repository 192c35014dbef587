//! Tests by scripted answers, of what no emulator does.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{EbsInstanceBlockDevice, InstanceBlockDeviceMapping, Tag};

use super::*;
use crate::model::Address;
use crate::model::cloud::{CreateRequest, Unwatched, UpdateRequest};
use crate::model::observed::Object;
use crate::providers::aws::ec2::instance::Instance;
use crate::providers::aws::kind::{Handler, Typed};
use crate::providers::aws::script::{self, Script};

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

fn server(state: &str) -> String {
    format!(
        "<reservationSet><item><instancesSet><item><instanceId>i-1</instanceId>\
         <instanceState><name>{state}</name></instanceState></item></instancesSet></item></reservationSet>"
    )
}

fn script() -> Script {
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
        .ec2("DeleteTags", "")
}

/// What was asked that changes something, in its order.
fn writes(script: &Script) -> Vec<String> {
    script.operations().into_iter().filter(|o| !o.starts_with("Describe")).collect()
}

/// A server in these states, one after the other, with a mark that it is to run again.
fn marked(instance_type: &str, states: &[&str]) -> Script {
    let tags = "<tagSet><item><key>saiken:restart</key><value>true</value></item></tagSet>";
    states.iter().fold(Script::default(), |script, state| {
        let server = format!(
            "<reservationSet><item><instancesSet><item><instanceId>i-1</instanceId>\
             <instanceType>{instance_type}</instanceType>{tags}\
             <instanceState><name>{state}</name></instanceState></item></instancesSet></item></reservationSet>"
        );
        script.ec2("DescribeInstances", &server)
    })
}

#[tokio::test]
async fn an_elastic_address_does_not_tell_whether_the_server_has_a_public_one_of_its_own() {
    for (owner, read) in [("amazon", Some(json!(true))), ("123456789012", None)] {
        let server = format!(
            "<reservationSet><item><instancesSet><item><instanceId>i-1</instanceId><ipAddress>192.0.2.1</ipAddress>\
             <instanceState><name>running</name></instanceState><networkInterfaceSet><item><association>\
             <publicIp>192.0.2.1</publicIp><ipOwnerId>{owner}</ipOwnerId></association></item></networkInterfaceSet>\
             </item></instancesSet></item></reservationSet>"
        );
        let script = Script::default().ec2("DescribeInstances", &server).with(script());
        let object = script.read::<Instance>().await.unwrap().remove(0);
        assert_eq!(object.spec.get("public_address"), read.as_ref(), "{owner}");
        assert_eq!(object.unread.contains(&"public_address".to_owned()), read.is_none(), "{owner}");
    }
}

#[tokio::test]
async fn groups_and_the_check_of_a_server_with_several_interfaces_are_written_to_its_first_one() {
    let interface = |id: &str, index: u8, check: bool| {
        format!(
            "<item><networkInterfaceId>{id}</networkInterfaceId><sourceDestCheck>{check}</sourceDestCheck>\
             <attachment><deviceIndex>{index}</deviceIndex></attachment></item>"
        )
    };
    let server = format!(
        "<reservationSet><item><instancesSet><item><instanceId>i-1</instanceId><sourceDestCheck>true</sourceDestCheck>\
         <networkInterfaceSet>{}{}</networkInterfaceSet></item></instancesSet></item></reservationSet>",
        interface("eni-2", 1, true),
        interface("eni-1", 0, false)
    );
    let script = Script::default().ec2("DescribeInstances", &server).ec2("ModifyNetworkInterfaceAttribute", "");
    let script = script.with(self::script());
    change(&script, "security_groups", json!([{"id": "sg-1"}]), json!([{"id": "sg-2"}])).await;
    change(&script, "source_dest_check", json!(true), json!(false)).await;
    let asked = script.asked("ModifyNetworkInterfaceAttribute");
    assert!(asked.iter().all(|a| a.contains("NetworkInterfaceId=eni-1")), "{asked:?}");
    assert!(asked[0].contains("sg-2") && asked[1].contains("SourceDestCheck.Value=false"), "{asked:?}");
    assert!(script.asked("ModifyInstanceAttribute").is_empty());
    let object = script.read::<Instance>().await.unwrap().remove(0);
    assert_eq!(object.spec["source_dest_check"], json!(false));
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
    let order = ["CreateTags", "StopInstances", "ModifyInstanceAttribute", "StartInstances", "DeleteTags"];
    assert_eq!(writes(&script), order);
    for operation in ["CreateTags", "DeleteTags"] {
        assert!(script.asked(operation).join("").contains("saiken%3Arestart"), "{operation}");
    }
}

#[tokio::test]
async fn a_protection_against_stopping_is_set_after_the_last_start_and_lifted_before_the_first_stop() {
    for on in [true, false] {
        let script = script();
        let with = |ty: &str, on: bool| {
            json!({"image": "ami-1", "instance_type": ty, "subnet": {"id": "subnet-1"}, "running": true,
                "stop_protection": on})
        };
        script.update::<Instance>("i-1", with("t3.small", !on), with("t3.large", on)).await.unwrap();
        let order: Vec<String> = writes(&script).into_iter().filter(|o| !o.ends_with("Tags")).collect();
        let protect = "ModifyInstanceAttribute".to_owned();
        assert_eq!(order.iter().filter(|o| **o == protect).count(), 2);
        assert_eq!(order[if on { 3 } else { 0 }], protect, "{order:?}");
        let asked = script.asked("ModifyInstanceAttribute");
        assert!(asked[usize::from(on)].contains(&format!("DisableApiStop.Value={on}")), "{asked:?}");
    }
}

#[tokio::test]
async fn a_new_server_that_is_to_stand_still_is_protected_after_it_was_stopped() {
    let image = "<imagesSet><item><rootDeviceName>/dev/xvda</rootDeviceName></item></imagesSet>";
    let script = Script::default()
        .ec2("DescribeImages", image)
        .ec2("RunInstances", "<instancesSet><item><instanceId>i-1</instanceId></item></instancesSet>")
        .ec2("DescribeInstances", &server("running"))
        .ec2("DescribeInstances", &server("stopped"))
        .with(script());
    let spec = json!({"image": "ami-1", "instance_type": "t3.small", "subnet": {"id": "subnet-1"}, "running": false,
        "stop_protection": true});
    script.create::<Instance>(spec).await.unwrap();
    assert!(!script.asked("RunInstances").join("").contains("DisableApiStop"));
    assert_eq!(writes(&script), ["RunInstances", "StopInstances", "ModifyInstanceAttribute"]);
}

#[tokio::test]
async fn a_server_that_a_run_left_stopped_differs_from_every_type_and_is_started_by_the_next_run() {
    for (there, resized) in [("t3.small", true), ("t3.large", false)] {
        let script = marked(there, &["stopping"]).ec2("DescribeVolumes", "").ec2("DescribeInstanceAttribute", "");
        let script = script.ec2("DescribeInstanceCreditSpecifications", "");
        let left = script.read::<Instance>().await.unwrap().remove(0);
        assert_eq!((&left.spec["instance_type"], &left.spec["running"]), (&json!(""), &json!(false)));
        assert!(left.spec["tags"].as_object().unwrap().is_empty(), "the mark is none of the user's tags");
        let spec = json!({"image": "ami-1", "instance_type": "", "subnet": {"id": "subnet-1"}, "running": false});
        let left = script::object::<Instance>("i-1", spec);
        let next = marked(there, &["stopping", "stopped", "running"]).with(self::script());
        let wanted = json!({"image": "ami-1", "instance_type": "t3.large", "subnet": {"id": "subnet-1"}});
        next.update_object::<Instance>(left, wanted).await.unwrap();
        let expected = ["ModifyInstanceAttribute", "StartInstances", "DeleteTags"];
        assert_eq!(writes(&next), expected[usize::from(!resized)..], "{there}");
    }
}

#[tokio::test]
async fn a_server_that_runs_again_only_loses_its_mark_and_one_declared_stopped_stays_so() {
    for (state, declared) in [("running", None), ("stopped", Some(false))] {
        let script = marked("t3.large", &[state]).with(script());
        let mut spec = json!({"image": "ami-1", "instance_type": "", "subnet": {"id": "subnet-1"}});
        spec["running"] = json!(state == "running");
        let object = script::object::<Instance>("i-1", spec);
        let mut wanted = json!({"image": "ami-1", "instance_type": "t3.large", "subnet": {"id": "subnet-1"}});
        declared.iter().for_each(|on| wanted["running"] = json!(on));
        script.update_object::<Instance>(object, wanted).await.unwrap();
        assert_eq!(writes(&script), ["DeleteTags"], "{state}");
    }
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
