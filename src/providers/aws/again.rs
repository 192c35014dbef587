//! What happens when an object is created again, because nobody knows what became of the first time: by a client token, or
//! by the name or the tags that the object has. Every kind stands in one of two lists.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::acm::certificate::Certificate;
use super::autoscaling::group::AutoscalingGroup;
use super::backup::plan::BackupPlan;
use super::cloudcontrol::cloud_control::CloudControl;
use super::ec2::egress_gateway::EgressGateway;
use super::ec2::flow_log::FlowLog;
use super::ec2::instance::Instance;
use super::ec2::launch_template::LaunchTemplate;
use super::ec2::nat_gateway::NatGateway;
use super::ec2::route_table::RouteTable;
use super::ec2::security_group::SecurityGroup;
use super::ec2::volume::Volume;
use super::ec2::vpc::Vpc;
use super::ec2::vpc_endpoint::VpcEndpoint;
use super::iam::role::Role;
use super::kind::AwsKind;
use super::script::Script;
use super::secretsmanager::secret::Secret;
use super::ssm::maintenance_window::MaintenanceWindow;
use super::ssm::patch_baseline::PatchBaseline;
use crate::model::cloud::{ApiError, ErrorClass};
use crate::model::kind::Kind;

/// Kinds whose creating call takes a client token, with that call.
const BY_TOKEN: &[(&str, &str)] = &[
    ("backup_plan", "CreateBackupPlan"),
    ("certificate", "RequestCertificate"),
    ("cloud_control", "CreateResource"),
    ("egress_gateway", "CreateEgressOnlyInternetGateway"),
    ("flow_log", "CreateFlowLogs"),
    ("instance", "RunInstances"),
    ("launch_template", "CreateLaunchTemplate"),
    ("maintenance_window", "CreateMaintenanceWindow"),
    ("nat_gateway", "CreateNatGateway"),
    ("patch_baseline", "CreatePatchBaseline"),
    ("route_table", "CreateRouteTable"),
    ("secret", "CreateSecret"),
    ("volume", "CreateVolume"),
    ("vpc_endpoint", "CreateVpcEndpoint"),
];

/// Kinds whose creating call takes none, with what says instead that the object is there.
const BY_NAME_OR_TAGS: &[(&str, &str)] = &[
    ("alarm", "name"),
    ("association", "tags"),
    ("autoscaling_group", "name"),
    ("backup_vault", "name"),
    ("bucket", "name"),
    ("composite_alarm", "name"),
    ("dashboard", "name"),
    ("database", "name"),
    ("database_cluster", "name"),
    ("database_cluster_parameter_group", "name"),
    ("database_option_group", "name"),
    ("database_parameter_group", "name"),
    ("database_snapshot", "name"),
    ("database_subnet_group", "name"),
    ("detector", "tags"),
    ("document", "name"),
    ("elastic_ip", "tags"),
    ("event_rule", "name"),
    ("group", "name"),
    ("health_check", "tags"),
    ("internet_gateway", "tags"),
    ("key", "tags"),
    ("listener", "tags"),
    ("load_balancer", "name"),
    ("log_group", "name"),
    ("metric_filter", "name"),
    ("parameter", "name"),
    ("policy", "name"),
    ("record", "name"),
    ("restore_testing_plan", "name"),
    ("role", "name"),
    ("security_group", "name"),
    ("session_preferences", "name"),
    ("snapshot", "tags"),
    ("subnet", "tags"),
    ("target_group", "name"),
    ("topic", "name"),
    ("trail", "name"),
    ("user", "name"),
    ("vpc", "tags"),
    ("web_acl", "name"),
    ("zone", "tags"),
];

#[test]
fn every_kind_has_a_token_a_name_or_tags_and_the_manual_says_which() {
    let mut known: Vec<&str> = BY_TOKEN.iter().chain(BY_NAME_OR_TAGS).map(|(kind, _)| *kind).collect();
    known.sort_unstable();
    assert_eq!(known, crate::providers::kinds().names().collect::<Vec<_>>());
    let manual = include_str!("../../../docs/crash-safety.md");
    for (kind, call) in BY_TOKEN {
        assert!(manual.contains(&format!("| `{kind}` | client token of `{call}` |")), "{kind}");
    }
    for (kind, by) in BY_NAME_OR_TAGS {
        assert!(manual.contains(&format!("| `{kind}` | {by} |")), "{kind}");
    }
}

/// Creates twice what the service refuses; the creating calls.
async fn twice<K: AwsKind>(spec: Value) -> (&'static str, Vec<String>) {
    let operation = BY_TOKEN.iter().find(|(kind, _)| *kind == K::NAME).unwrap().1;
    let image =
        "<imagesSet><item><imageId>ami-1</imageId><rootDeviceName>/dev/xvda</rootDeviceName></item></imagesSet>";
    let asked = operation_as_asked(operation);
    let ty = json!({"properties": {"Tags": {}}}).to_string();
    let ty = format!("<DescribeTypeResult><Schema>{ty}</Schema></DescribeTypeResult>");
    let script = Script::default().ec2("DescribeImages", image).ec2("DescribeType", &ty);
    let script = match K::facts().service {
        "ssm" => script.refused(asked, "Refused"),
        _ => script.error(asked, "Refused"),
    };
    for _ in 0..2 {
        assert_eq!(script.create::<K>(spec.clone()).await.unwrap_err().class, ErrorClass::Invalid);
    }
    (K::NAME, script.asked(asked))
}

/// How a request for an operation looks: the name of the operation, or method and path.
fn operation_as_asked(operation: &str) -> &str {
    match operation {
        "CreateBackupPlan" => "PUT /backup/plans",
        other => other,
    }
}

#[tokio::test]
async fn the_same_request_is_sent_with_the_same_token_so_that_the_service_knows_it_again() {
    let all = [
        twice::<Certificate>(json!({"domain": "www.example.com"})).await,
        twice::<BackupPlan>(json!({"rules": {"daily": {"vault": {"id": "main"}, "schedule": "rate(1 day)"}}})).await,
        twice::<CloudControl>(json!({"type": "AWS::SQS::Queue", "properties": {"QueueName": "a"}})).await,
        twice::<EgressGateway>(json!({"vpc": "s/other"})).await,
        twice::<FlowLog>(json!({"vpc": "s/other", "log_group": {"id": "logs"}, "role": {"id": "r"}, "traffic": "all"}))
            .await,
        twice::<Instance>(json!({"image": "ami-1", "instance_type": "t3.micro", "subnet": "s/other"})).await,
        twice::<LaunchTemplate>(json!({"image": "ami-1", "instance_type": "t3.micro"})).await,
        twice::<MaintenanceWindow>(json!({"schedule": "rate(1 day)", "duration": "1h", "cutoff": "0s"})).await,
        twice::<NatGateway>(json!({"subnet": "s/other", "connectivity": "private"})).await,
        twice::<PatchBaseline>(json!({"operating_system": "windows"})).await,
        twice::<RouteTable>(json!({"vpc": "s/other"})).await,
        twice::<Secret>(json!({"value": "x"})).await,
        twice::<Volume>(json!({"zone": "ap-northeast-1a", "size": "1GiB"})).await,
        twice::<VpcEndpoint>(json!({"vpc": "s/other", "service": "s3", "type": "gateway"})).await,
    ];
    let proven: BTreeSet<&str> = all.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(proven, BY_TOKEN.iter().map(|(kind, _)| *kind).collect::<BTreeSet<_>>());
    for (kind, calls) in all {
        assert_eq!(calls.len(), 2, "{kind}");
        // Members of JSON have no order.
        let meaning = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_else(|_| json!(text));
        assert_eq!(meaning(&calls[0]), meaning(&calls[1]), "{kind}: another request under the same token is refused");
        let sent = ["=token", "\":\"token\"", ">token<"].iter().any(|form| calls[0].contains(form));
        assert!(sent, "{kind}: {}", calls[0]);
    }
}

#[tokio::test]
async fn a_new_version_of_a_template_has_a_token_too() {
    let script = Script::default().error("CreateLaunchTemplateVersion", "Refused");
    let spec = |ty: &str| json!({"image": "ami-1", "instance_type": ty});
    script.update::<LaunchTemplate>("lt-1", spec("t3.micro"), spec("t3.small")).await.unwrap_err();
    assert!(script.asked("CreateLaunchTemplateVersion").join("").contains("ClientToken=token"));
}

#[tokio::test]
async fn a_token_that_stands_for_another_request_is_a_conflict_with_the_code_of_the_service() {
    let script = Script::default().error("CreateVolume", "IdempotentParameterMismatch");
    let error = script.create::<Volume>(json!({"zone": "ap-northeast-1a", "size": "1GiB"})).await.unwrap_err();
    assert_eq!((error.class, error.code.as_deref()), (ErrorClass::Conflict, Some("IdempotentParameterMismatch")));
    assert_eq!(script.asked("CreateVolume").len(), 1, "nothing is made under another token");
}

/// Tags in EC2's form; `project` is that of the owner.
fn tags(project: &str) -> String {
    let tags = [("project", project), ("environment", "e"), ("address", "s/it"), ("generation", "1")];
    let items = tags.map(|(k, v)| format!("<item><key>saiken:{k}</key><value>{v}</value></item>"));
    format!("<tagSet>{}</tagSet>", items.join(""))
}

fn group(project: &str) -> String {
    format!(
        "<securityGroupInfo><item><groupId>sg-1</groupId><groupName>p-e-s-it</groupName><vpcId>other</vpcId>\
         <groupDescription>web</groupDescription>{}</item></securityGroupInfo>",
        tags(project)
    )
}

#[tokio::test]
async fn a_name_that_our_own_object_has_is_that_object() {
    let script = Script::default()
        .error("CreateSecurityGroup", "InvalidGroup.Duplicate")
        .ec2("DescribeSecurityGroups", &group("p"));
    let object = script.create::<SecurityGroup>(json!({"vpc": "s/other", "description": "web"})).await.unwrap();
    assert_eq!((object.id.as_str(), script.asked("CreateSecurityGroup").len()), ("sg-1", 1));
}

#[tokio::test]
async fn a_name_that_somebody_else_has_is_an_error() {
    let script = Script::default()
        .error("CreateSecurityGroup", "InvalidGroup.Duplicate")
        .ec2("DescribeSecurityGroups", &group("another"));
    let refused = script.create::<SecurityGroup>(json!({"vpc": "s/other", "description": "web"})).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("InvalidGroup.Duplicate"));
}

fn role(project: &str) -> String {
    let tags = [("project", project), ("environment", "e"), ("address", "s/it"), ("generation", "1")];
    let tags = tags.map(|(k, v)| format!("<member><Key>saiken:{k}</Key><Value>{v}</Value></member>")).join("");
    format!(
        "<GetRoleResult><Role><Path>/</Path><RoleName>p-e-s-it</RoleName><RoleId>AROA1</RoleId>\
         <Arn>arn:aws:iam::1:role/p-e-s-it</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate>\
         <AssumeRolePolicyDocument>%7B%22Statement%22%3A%5B%5D%7D</AssumeRolePolicyDocument>\
         <Tags>{tags}</Tags></Role></GetRoleResult>"
    )
}

async fn make_role(project: &str) -> (Script, Result<String, ApiError>) {
    let iam = |operation: &str, body: &str| format!("<{operation}Response>{body}</{operation}Response>");
    let script = Script::default()
        .error("CreateRole", "EntityAlreadyExists")
        .answer("GetRole", 200, &iam("GetRole", &role(project)))
        .error("GetInstanceProfile", "NoSuchEntity")
        .answer("PutRolePolicy", 200, &iam("PutRolePolicy", ""))
        .answer(
            "ListRolePolicies",
            200,
            &iam("ListRolePolicies", "<ListRolePoliciesResult><PolicyNames/></ListRolePoliciesResult>"),
        )
        .answer("ListAttachedRolePolicies", 200, &iam("ListAttachedRolePolicies", "<ListAttachedRolePoliciesResult/>"))
        .answer(
            "ListInstanceProfilesForRole",
            200,
            &iam(
                "ListInstanceProfilesForRole",
                "<ListInstanceProfilesForRoleResult><InstanceProfiles/></ListInstanceProfilesForRoleResult>",
            ),
        );
    let statement = json!({"Statement": []});
    let made = script.create::<Role>(json!({"trust": statement, "policies": {"own": statement}})).await;
    (script, made.map(|o| o.id))
}

#[tokio::test]
async fn a_role_that_is_there_with_our_tags_is_finished_and_anybody_elses_is_left_alone() {
    let (script, made) = make_role("p").await;
    assert_eq!(made, Ok("p-e-s-it".to_owned()));
    assert_eq!(script.asked("PutRolePolicy").len(), 1, "{:?}", script.operations());
    let (script, refused) = make_role("another").await;
    assert_eq!(refused.unwrap_err().code.as_deref(), Some("EntityAlreadyExists"));
    assert!(script.asked("PutRolePolicy").is_empty());
}

#[tokio::test]
async fn an_object_whose_creating_call_was_not_answered_is_found_by_its_tags_and_not_made_twice() {
    let network = format!(
        "<vpcSet><item><vpcId>vpc-1</vpcId><ownerId>1</ownerId><state>available</state><cidrBlock>10.0.0.0/16</cidrBlock>\
         <dhcpOptionsId>default</dhcpOptionsId>{}</item></vpcSet>",
        tags("p")
    );
    let script = Script::default()
        .lost("CreateVpc")
        // Not seen at once.
        .ec2("DescribeVpcs", "<vpcSet/>")
        .ec2("DescribeVpcs", &network)
        .ec2("DescribeVpcAttribute", "")
        .ec2("DescribeRouteTables", "")
        .ec2("DescribeNetworkAcls", "")
        .ec2("DescribeSecurityGroups", "");
    let object = script.create::<Vpc>(json!({"cidr": "10.0.0.0/16"})).await.unwrap();
    assert_eq!((object.id.as_str(), script.asked("CreateVpc").len()), ("vpc-1", 1));
}

#[tokio::test]
async fn a_group_of_our_name_and_tags_is_the_one_that_was_to_be_made() {
    let none = "<AutoScalingGroups/>";
    let script = Script::default()
        .error("CreateAutoScalingGroup", "AlreadyExists")
        .autoscaling("DescribeAutoScalingGroups", none);
    let spec = json!({"launch_template": {"id": "lt-1"}, "subnets": ["s/other"], "min": 0, "max": 0});
    let refused = script.create::<AutoscalingGroup>(spec).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Conflict, "a group that can't be seen is somebody else's");
    assert_eq!(AutoscalingGroup::NAME, "autoscaling_group");
}
