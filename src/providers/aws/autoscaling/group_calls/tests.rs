//! Tests by scripted answers, of what no emulator does.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_autoscaling::types::Instance;
use serde_json::Value;

use super::*;
use crate::model::Address;
use crate::model::cloud::{CreateRequest, Unwatched, UpdateRequest};
use crate::providers::aws::autoscaling::group::AutoscalingGroup;
use crate::providers::aws::kind::{Handler, Typed};
use crate::providers::aws::script::Script;

#[test]
fn only_servers_in_service_count_each_by_its_weight() {
    let server = |state: LifecycleState, weight: Option<&str>| {
        Instance::builder()
            .lifecycle_state(state)
            .health_status("Healthy")
            .set_weighted_capacity(weight.map(str::to_owned))
            .build()
    };
    let group = ApiGroup::builder()
        .instances(server(LifecycleState::InService, None))
        .instances(server(LifecycleState::InService, Some("3")))
        .instances(server(LifecycleState::Pending, None))
        .build();
    assert_eq!(capacity(&group), 4);
}

#[test]
fn ownership_tags_are_not_handed_on_to_servers() {
    assert_eq!(tag("g", ownership::ADDRESS, Some("s/g")).propagate_at_launch(), Some(false));
    assert_eq!(tag("g", "team", Some("a")).propagate_at_launch(), Some(true));
}

#[test]
fn a_protected_group_is_no_busy_group() {
    let error = |code: &str| ApiError {
        code: Some(code.to_owned()),
        ..ApiError::new("autoscaling:DeleteAutoScalingGroup", ErrorClass::Conflict, "")
    };
    assert!(is_busy(&error("ScalingActivityInProgressFault")));
    assert!(!is_busy(&error("OperationNotPermitted")));
}

const GROUP: &str = "<AutoScalingGroups><member><AutoScalingGroupName>g</AutoScalingGroupName>\
    <LaunchTemplate><LaunchTemplateId>lt-1</LaunchTemplateId><Version>2</Version></LaunchTemplate>\
    <MinSize>1</MinSize><MaxSize>2</MaxSize><VPCZoneIdentifier>subnet-1</VPCZoneIdentifier></member>\
    </AutoScalingGroups>";

fn script() -> Script {
    Script::default()
        .autoscaling("DescribeAutoScalingGroups", GROUP)
        .autoscaling("DescribePolicies", "")
        .autoscaling("DescribeScheduledActions", "")
        .autoscaling("DescribeLifecycleHooks", "")
        .autoscaling("CreateOrUpdateTags", "")
        .autoscaling("UpdateAutoScalingGroup", "")
}

/// Updates a group from version 1 to 2 of its template.
async fn follow(script: &Script, refresh: &Value) -> Result<Object, ApiError> {
    let mut after = json!({"template_version": "2"});
    if !refresh.is_null() {
        after["refresh"] = refresh.clone();
    }
    change(script, "template_version", &json!({}), &after).await
}

/// Updates a field of a group; both sides are what differs from a plain group.
async fn change(script: &Script, field: &str, before: &Value, after: &Value) -> Result<Object, ApiError> {
    let group = |more: &Value| {
        let mut spec = json!({"launch_template": {"id": "lt-1"}, "template_version": "1",
            "subnets": [{"id": "subnet-1"}], "min": 1, "max": 2});
        let map = spec.as_object_mut().unwrap();
        map.extend(more.as_object().unwrap().clone());
        spec
    };
    let owner = ownership::Owner {
        project: "p".into(),
        environment: "e".into(),
        address: Address::parse("s/g").unwrap(),
        generation: 1,
        fingerprints: BTreeMap::new(),
        protected: false,
    };
    let object = Object {
        kind: "autoscaling_group".into(),
        region: "ap-northeast-1".into(),
        id: "g".into(),
        identifiers: Vec::new(),
        owner: Some(owner.clone()),
        spec: group(before),
        attributes: serde_json::Map::new(),
        status: Status::Ready,
        unread: Vec::new(),
    };
    let desired = CreateRequest {
        kind: object.kind.clone(),
        region: object.region.clone(),
        spec: group(after),
        owner,
        tags: BTreeMap::new(),
        name: "g".into(),
        token: "token".into(),
        resolved: BTreeMap::new(),
    };
    let request = UpdateRequest { desired, object, changed: BTreeSet::from([field.to_owned()]) };
    Typed::<AutoscalingGroup>::default().update(&script.context(), &request, &Unwatched).await
}

#[tokio::test]
async fn target_groups_are_attached_before_others_are_detached() {
    let arns = "<TargetGroupARNs><member>arn:a</member><member>arn:b</member></TargetGroupARNs>";
    let script = Script::default()
        .autoscaling("DescribeAutoScalingGroups", &GROUP.replace("<MinSize>", &format!("{arns}<MinSize>")))
        .autoscaling("DescribePolicies", "")
        .autoscaling("DescribeScheduledActions", "")
        .autoscaling("DescribeLifecycleHooks", "")
        .autoscaling("CreateOrUpdateTags", "")
        .autoscaling("AttachLoadBalancerTargetGroups", "")
        .autoscaling("DetachLoadBalancerTargetGroups", "");
    // The one that goes may be ours, and deleted from the files: nothing is known of its address any more.
    let (before, after) = (
        json!({"target_groups": ["s/gone", {"id": "arn:b"}]}),
        json!({"target_groups": [{"id": "arn:b"}, {"id": "arn:c"}]}),
    );
    change(&script, "target_groups", &before, &after).await.unwrap();
    let (attached, detached) = (
        script.asked("AttachLoadBalancerTargetGroups").join(""),
        script.asked("DetachLoadBalancerTargetGroups").join(""),
    );
    assert!(attached.contains("TargetGroupARNs.member.1=arn%3Ac") && !attached.contains("arn%3Ab"), "{attached}");
    assert!(detached.contains("TargetGroupARNs.member.1=arn%3Aa") && !detached.contains("arn%3Ab"), "{detached}");
    let order = script.operations();
    let at = |name: &str| order.iter().position(|o| o == name).unwrap();
    assert!(at("AttachLoadBalancerTargetGroups") < at("DetachLoadBalancerTargetGroups"));
}

#[tokio::test]
async fn a_protection_is_written_with_the_group_and_read_back() {
    let protected =
        GROUP.replace("<MinSize>", "<DeletionProtection>prevent-force-deletion</DeletionProtection><MinSize>");
    let script = Script::default()
        .autoscaling("DescribeAutoScalingGroups", &protected)
        .autoscaling("DescribePolicies", "")
        .autoscaling("DescribeScheduledActions", "")
        .autoscaling("DescribeLifecycleHooks", "")
        .autoscaling("CreateOrUpdateTags", "")
        .autoscaling("UpdateAutoScalingGroup", "");
    let after = json!({"deletion_protection": "with_servers"});
    let object = change(&script, "deletion_protection", &json!({}), &after).await.unwrap();
    let updated = script.asked("UpdateAutoScalingGroup").join("");
    assert!(updated.contains("DeletionProtection=prevent-force-deletion"), "{updated}");
    assert_eq!(object.spec["deletion_protection"], after["deletion_protection"]);
}

#[tokio::test]
async fn with_refresh_a_new_version_reaches_the_group_only_through_the_refresh() {
    let script =
        script().autoscaling("StartInstanceRefresh", "<InstanceRefreshId>r-1</InstanceRefreshId>").autoscaling(
            "DescribeInstanceRefreshes",
            "<InstanceRefreshes><member><InstanceRefreshId>r-1</InstanceRefreshId><Status>Successful</Status>\
             </member></InstanceRefreshes>",
        );
    follow(&script, &json!({"min_healthy": 50})).await.unwrap();
    let started = script.asked("StartInstanceRefresh").join("");
    assert!(started.contains("DesiredConfiguration.LaunchTemplate.Version=2"), "{started}");
    assert!(started.contains("Preferences.MinHealthyPercentage=50"), "{started}");
    assert!(script.asked("UpdateAutoScalingGroup").is_empty());
}

#[tokio::test]
async fn without_refresh_the_group_is_updated_and_running_servers_stay() {
    let script = script();
    follow(&script, &Value::Null).await.unwrap();
    let updated = script.asked("UpdateAutoScalingGroup").join("");
    assert!(updated.contains("LaunchTemplate.Version=2"), "{updated}");
}

#[tokio::test]
async fn a_metric_that_is_not_wanted_any_more_is_switched_off_by_name() {
    let script = Script::default().autoscaling("DisableMetricsCollection", "");
    let have = ["GroupMinSize".to_owned(), "GroupMaxSize".to_owned()];
    set_metrics(&script.context(), "g", &have[..1], &have).await.unwrap();
    let asked = script.asked("DisableMetricsCollection").join("");
    assert!(asked.contains("Metrics.member.1=GroupMaxSize") && !asked.contains("GroupMinSize"), "{asked}");
}

#[tokio::test]
async fn a_group_has_the_name_that_is_declared() {
    let script = script().autoscaling("CreateAutoScalingGroup", "");
    let spec =
        json!({"name": "g", "launch_template": {"id": "lt-1"}, "subnets": [{"id": "subnet-1"}], "min": 0, "max": 2});
    let object = script.create::<AutoscalingGroup>(spec).await.unwrap();
    assert_eq!((object.id.as_str(), &object.spec["name"]), ("g", &json!("g")));
    let made = script.asked("CreateAutoScalingGroup").join("");
    assert!(made.contains("AutoScalingGroupName=g&") && made.contains("ResourceId=g&"), "{made}");
}
