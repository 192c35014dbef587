//! What a template promises, and what it asks of the API.

use std::collections::BTreeSet;

use super::*;
use crate::model::Address;
use crate::model::cloud::{CreateRequest, Unwatched, UpdateRequest};
use crate::model::ownership::Owner;
use crate::providers::aws::kind::{Handler as _, Typed};
use crate::providers::aws::script::Script;

fn problems(spec: serde_json::Value) -> Vec<String> {
    let spec: Spec = serde_json::from_value(spec).unwrap();
    let mut problems = Problems::default();
    LaunchTemplate::validate(&spec, &mut problems);
    problems.0.into_iter().map(|p| p.path).collect()
}

#[test]
fn tokens_encryption_and_monitoring_are_on_unless_said_otherwise() {
    let spec: Spec = serde_json::from_value(json!({"image": "ami-1", "root_disk": {}})).unwrap();
    assert_eq!(
        serde_json::to_value(&spec).unwrap(),
        json!({
            "image": "ami-1",
            "metadata": {"tokens": "required"},
            "monitoring": true,
            "root_disk": {"device": "/dev/xvda", "encrypted": true, "delete_on_termination": true},
        })
    );
}

#[test]
fn combinations_that_the_api_refuses_are_told_before() {
    assert!(problems(json!({"image": "ami-1"})).is_empty());
    assert_eq!(problems(json!({"image": "ami-1", "user_data": "x".repeat(16_385)})), ["user_data"]);
    assert_eq!(
        problems(json!({"image": "ami-1", "security_groups": [], "network_interfaces": [{}]})),
        ["security_groups"]
    );
    assert_eq!(
        problems(json!({"image": "ami-1", "disks": {"/dev/sda1": {"size": "1GiB"}, "/dev/sdf": {}}})),
        ["disks./dev/sda1", "disks./dev/sdf"]
    );
    assert_eq!(problems(json!({"image": "ami-1", "hibernation": true})), ["hibernation"]);
    assert_eq!(problems(json!({"image": "ami-1", "root_disk": {"device": "/dev/sdb"}})), ["root_disk.device"]);
}

fn versions(ids: &[&str]) -> String {
    let item = |id: &&str| format!("<item><launchTemplateId>{id}</launchTemplateId><launchTemplateData/></item>");
    format!("<launchTemplateVersionSet>{}</launchTemplateVersionSet>", ids.iter().map(item).collect::<String>())
}

fn two_templates() -> Script {
    Script::default().ec2(
        "DescribeLaunchTemplates",
        "<launchTemplates><item><launchTemplateId>lt-1</launchTemplateId></item>\
         <item><launchTemplateId>lt-2</launchTemplateId></item></launchTemplates>",
    )
}

async fn read_owned(script: &Script) -> Vec<String> {
    let read = Read::whole(Selection::Owned { project: "p", environment: "e" });
    let found = LaunchTemplate::read(&script.context(), &read).await.unwrap();
    found.into_iter().map(|f| f.id).collect()
}

async fn image_of_next_version(changed: &str, before: &str, after: &str) -> String {
    let script = Script::default()
        .ec2(
            "CreateLaunchTemplateVersion",
            "<launchTemplateVersion><versionNumber>7</versionNumber></launchTemplateVersion>",
        )
        .ec2("ModifyLaunchTemplate", "<launchTemplate><launchTemplateId>lt-1</launchTemplateId></launchTemplate>")
        .ec2("CreateTags", "")
        .ec2(
            "DescribeLaunchTemplates",
            "<launchTemplates><item><launchTemplateId>lt-1</launchTemplateId></item></launchTemplates>",
        )
        .ec2("DescribeLaunchTemplateVersions", &versions(&["lt-1"]));
    let owner = Owner {
        project: "p".into(),
        environment: "e".into(),
        address: Address::parse("s/t").unwrap(),
        generation: 1,
        fingerprints: BTreeMap::new(),
        protected: false,
    };
    let object = Object {
        kind: "launch_template".into(),
        region: "ap-northeast-1".into(),
        id: "lt-1".into(),
        identifiers: Vec::new(),
        owner: Some(owner.clone()),
        spec: json!({"image": before}),
        attributes: serde_json::Map::new(),
        status: Status::Ready,
        unread: Vec::new(),
    };
    let desired = CreateRequest {
        kind: object.kind.clone(),
        region: object.region.clone(),
        spec: json!({"image": after}),
        owner,
        tags: BTreeMap::new(),
        name: "t".into(),
        token: "token".into(),
        resolved: BTreeMap::new(),
    };
    let request = UpdateRequest { desired, object, changed: BTreeSet::from([changed.to_owned()]) };
    Typed::<LaunchTemplate>::default().update(&script.context(), &request, &Unwatched).await.unwrap();
    assert!(script.asked("ModifyLaunchTemplate").join("").contains("SetDefaultVersion=7"));
    let asked = script.asked("CreateLaunchTemplateVersion").join("");
    let image = asked.split("LaunchTemplateData.ImageId=").nth(1).unwrap_or_default();
    image.split('&').next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn another_image_is_in_the_next_version_and_a_newer_answer_alone_is_not() {
    assert_eq!(image_of_next_version("image", "ami-1", "ami-2").await, "ami-2");
    assert_eq!(image_of_next_version("instance_type", "ami-1", "ami-2").await, "ami-1");
}

#[tokio::test]
async fn the_versions_of_all_templates_come_in_one_call() {
    let script = two_templates().ec2("DescribeLaunchTemplateVersions", &versions(&["lt-2", "lt-1", "lt-3"]));
    assert_eq!(read_owned(&script).await, ["lt-1", "lt-2"]);
    assert_eq!(script.asked("DescribeLaunchTemplateVersions").len(), 1);
}

#[tokio::test]
async fn a_template_that_the_pages_left_out_is_not_taken_for_absent() {
    let script = two_templates()
        .ec2("DescribeLaunchTemplateVersions", &versions(&["lt-1"]))
        .ec2("DescribeLaunchTemplateVersions", &versions(&["lt-2"]));
    assert_eq!(read_owned(&script).await, ["lt-1", "lt-2"]);
}

#[tokio::test]
async fn where_there_is_no_page_of_all_versions_each_template_is_asked() {
    let refused = "<Response><Errors><Error><Code>MissingParameter</Code><Message>id</Message></Error></Errors>\
                   </Response>";
    let script = two_templates()
        .answer("DescribeLaunchTemplateVersions", 400, refused)
        .ec2("DescribeLaunchTemplateVersions", &versions(&["lt-1"]))
        .ec2("DescribeLaunchTemplateVersions", &versions(&["lt-2"]));
    assert_eq!(read_owned(&script).await, ["lt-1", "lt-2"]);
}

#[tokio::test]
async fn a_template_has_the_name_that_is_declared() {
    let template = "<launchTemplateId>lt-1</launchTemplateId><launchTemplateName>of-its.own</launchTemplateName>";
    let script = Script::default()
        .ec2("CreateLaunchTemplate", &format!("<launchTemplate>{template}</launchTemplate>"))
        .ec2("DescribeLaunchTemplates", &format!("<launchTemplates><item>{template}</item></launchTemplates>"))
        .ec2("DescribeLaunchTemplateVersions", &versions(&["lt-1"]));
    let spec = json!({"name": "of-its.own", "image": "ami-1"});
    let object = script.create::<LaunchTemplate>(spec).await.unwrap();
    assert_eq!(object.spec["name"], "of-its.own");
    assert!(script.asked("CreateLaunchTemplate").join("").contains("LaunchTemplateName=of-its.own&"));
}
