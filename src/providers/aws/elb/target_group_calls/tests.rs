//! Target groups against scripted answers, and their rules.

use serde_json::{Value, json};

use super::*;
use crate::model::kind::{Kind, Problems};
use crate::providers::aws::elb::attributes as table;
use crate::providers::aws::script::{Script, owner};

const ARN: &str = "arn:aws:elasticloadbalancing:r:1:targetgroup/p-e-s-it/73e2";

fn group(arn: &str) -> String {
    format!(
        "<member><TargetGroupArn>{arn}</TargetGroupArn><TargetGroupName>p-e-s-it</TargetGroupName><Protocol>HTTP</Protocol>\
         <Port>80</Port><VpcId>vpc-1</VpcId><TargetType>instance</TargetType></member>"
    )
}

fn groups(all: &[&str]) -> String {
    format!("<TargetGroups>{}</TargetGroups>", all.iter().map(|a| group(a)).collect::<String>())
}

fn tagged(arn: &str, address: &str) -> String {
    let mut owner = owner();
    owner.address = crate::model::Address::parse(address).unwrap();
    let tags = owner.tags().into_iter();
    let tags: String = tags.map(|(k, v)| format!("<member><Key>{k}</Key><Value>{v}</Value></member>")).collect();
    format!("<TagDescriptions><member><ResourceArn>{arn}</ResourceArn><Tags>{tags}</Tags></member></TagDescriptions>")
}

fn http() -> Value {
    json!({"protocol": "http", "port": 80, "vpc": {"id": "vpc-1"}})
}

fn with(more: &Value) -> Value {
    let mut spec = http();
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

/// A script in which the group is there, with nothing registered.
fn there() -> Script {
    Script::default()
        .elb("DescribeTargetGroups", &groups(&[ARN]))
        .elb("DescribeTags", &tagged(ARN, "s/it"))
        .elb("DescribeTargetGroupAttributes", "")
        .elb("DescribeTargetHealth", "")
}

fn health(targets: &[(&str, u16, &str)]) -> String {
    let one = |(id, port, state): &(&str, u16, &str)| {
        format!(
            "<member><Target><Id>{id}</Id><Port>{port}</Port></Target><TargetHealth><State>{state}</State></TargetHealth>\
             </member>"
        )
    };
    format!("<TargetHealthDescriptions>{}</TargetHealthDescriptions>", targets.iter().map(one).collect::<String>())
}

#[test]
fn every_attribute_has_a_field_that_is_read_only_where_it_is_declared() {
    let kinds = crate::providers::kinds();
    let schema = &kinds.get("target_group").unwrap().schema;
    assert_eq!(table::fields(TABLE), FIELDS);
    for field in FIELDS {
        assert!(schema.field(field).unwrap().deep, "{field}");
    }
}

#[test]
fn attributes_are_read_as_they_are_written() {
    let attributes = json!({
        "deregistration_delay": "30s", "close_on_deregistration": true, "slow_start": "1m",
        "stickiness": {"enabled": true, "type": "app_cookie", "cookie": "session", "duration": "1h", "cookie_duration": "2h"},
        "algorithm": "weighted_random", "anomaly_mitigation": true, "cross_zone": "as_load_balancer",
        "least_healthy": {"zone_count": 2, "zone_percentage": 0, "routing_count": 1, "routing_percentage": 50},
        "preserve_client_ip": false, "proxy_protocol": true, "close_when_unhealthy": false, "unhealthy_draining": "10m",
        "multi_value_headers": true, "failover": "rebalance", "reset_when_unhealthy": true, "reset_on_deregistration": false,
    });
    let none = |_: &Value| Ok::<_, ()>(String::new());
    let pairs = table::to_write(TABLE, &attributes, &|_| true, &none).unwrap();
    assert_eq!(pairs.len(), TABLE.len());
    assert!(pairs.contains(&("target_failover.on_unhealthy", "rebalance".to_owned())));
    let values = pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    let read = serde_json::to_value(with_attributes(Spec::default(), &values).unwrap()).unwrap();
    assert_eq!(read, attributes);
    let new = BTreeMap::from([("load_balancing.algorithm.type".to_owned(), "a_new_one".to_owned())]);
    assert_eq!(with_attributes(Spec::default(), &new).unwrap().algorithm, None);
}

fn problems(spec: &Value) -> Vec<String> {
    let spec: Spec = serde_json::from_value(spec.clone()).unwrap();
    let mut problems = Problems::default();
    TargetGroup::validate(&spec, &mut problems);
    problems.0.into_iter().map(|p| p.path).collect()
}

#[tokio::test]
async fn a_load_balancer_becomes_a_target_once_it_has_a_listener_and_any_other_refusal_is_final() {
    let refused = |message: &str| {
        let error = format!("<Error><Code>ValidationError</Code><Message>{message}</Message></Error>");
        format!("<ErrorResponse>{error}</ErrorResponse>")
    };
    let none = "The load balancer must have at least one listener that matches the target group port";
    let spec = |targets: Value| json!({"protocol": "tcp", "port": 80, "vpc": {"id": "vpc-1"}, "target_type": "alb", "targets": targets});
    let wanted = || spec(json!([{"load_balancer": {"id": "arn:alb"}}]));
    let script = there().answer("RegisterTargets", 400, &refused(none)).elb("RegisterTargets", "");
    script.update::<TargetGroup>(ARN, spec(json!([])), wanted()).await.unwrap();
    assert_eq!(script.asked("RegisterTargets").len(), 2);
    let script = there().answer("RegisterTargets", 400, &refused("it is in another network"));
    script.update::<TargetGroup>(ARN, spec(json!([])), wanted()).await.unwrap_err();
    assert_eq!(script.asked("RegisterTargets").len(), 1);
}

#[test]
fn a_group_has_what_its_type_needs_and_nothing_else() {
    assert!(problems(&http()).is_empty());
    assert_eq!(problems(&json!({"protocol": "http"})), ["port", "vpc"]);
    assert!(problems(&json!({"target_type": "lambda", "multi_value_headers": true})).is_empty());
    assert_eq!(problems(&with(&json!({"target_type": "lambda"}))), ["protocol", "port", "vpc"]);
    assert_eq!(problems(&with(&json!({"target_type": "alb"}))), ["protocol"]);
    assert_eq!(problems(&with(&json!({"protocol": "geneve"}))), ["port"]);
    assert_eq!(problems(&with(&json!({"protocol": "tcp", "protocol_version": "grpc"}))), ["protocol_version"]);
    assert_eq!(problems(&with(&json!({"protocol": "tcp", "control_port": 3000}))), ["control_port"]);
}

#[test]
fn attributes_fit_the_sort_of_load_balancer_and_each_other() {
    assert_eq!(
        problems(&with(&json!({"proxy_protocol": true, "failover": "rebalance"}))),
        ["proxy_protocol", "failover"]
    );
    assert_eq!(problems(&with(&json!({"slow_start": "1m", "algorithm": "weighted_random"}))), ["slow_start"]);
    assert_eq!(problems(&with(&json!({"slow_start": "10s"}))), ["slow_start"]);
    assert!(problems(&with(&json!({"slow_start": "0s", "algorithm": "weighted_random"}))).is_empty());
    assert_eq!(problems(&with(&json!({"anomaly_mitigation": true}))), ["anomaly_mitigation"]);
    assert_eq!(problems(&with(&json!({"deregistration_delay": "2h"}))), ["deregistration_delay"]);
    let udp = json!({"protocol": "udp", "preserve_client_ip": false, "close_when_unhealthy": true});
    assert_eq!(problems(&with(&udp)), ["preserve_client_ip", "close_when_unhealthy"]);
    assert_eq!(problems(&with(&json!({"protocol": "tcp", "unhealthy_draining": "1m"}))), ["unhealthy_draining"]);
    let gateway = json!({"protocol": "geneve", "port": 6081, "failover": "rebalance", "reset_when_unhealthy": true});
    assert_eq!(problems(&with(&gateway)), ["reset_when_unhealthy"]);
}

#[test]
fn a_health_check_fits_the_protocol() {
    let check = |more: Value, check: Value| {
        let mut spec = with(&more);
        spec["health_check"] = check;
        problems(&spec)
    };
    assert!(check(json!({}), json!({"path": "/", "codes": "200-299", "interval": "10s", "timeout": "5s"})).is_empty());
    assert_eq!(check(json!({}), json!({"protocol": "tcp"})), ["health_check.protocol"]);
    assert_eq!(check(json!({}), json!({"enabled": false})), ["health_check.enabled"]);
    assert_eq!(check(json!({}), json!({"interval": "5s", "timeout": "5s"})), ["health_check.timeout"]);
    assert!(check(json!({"protocol": "tcp"}), json!({"interval": "10s", "timeout": "10s"})).is_empty());
    assert_eq!(check(json!({}), json!({"interval": "6m"})), ["health_check.interval"]);
    assert_eq!(check(json!({}), json!({"codes": "500"})), ["health_check.codes"]);
    assert!(check(json!({"protocol_version": "grpc"}), json!({"codes": "0-99"})).is_empty());
    assert_eq!(check(json!({"protocol": "tcp"}), json!({"path": "/"})), ["health_check.path"]);
    assert!(check(json!({"protocol": "tcp"}), json!({"protocol": "http", "path": "/", "codes": "500"})).is_empty());
    assert_eq!(check(json!({}), json!({"port": "70000"})), ["health_check.port"]);
}

#[test]
fn stickiness_and_targets_fit_the_group() {
    let sticky =
        |protocol: &str, stickiness: Value| problems(&with(&json!({"protocol": protocol, "stickiness": stickiness})));
    assert!(sticky("http", json!({"type": "lb_cookie", "duration": "1d"})).is_empty());
    assert_eq!(sticky("http", json!({"type": "app_cookie"})), ["stickiness.cookie"]);
    assert_eq!(sticky("http", json!({"type": "app_cookie", "cookie": "AWSALBTG"})), ["stickiness.cookie"]);
    assert_eq!(sticky("tcp", json!({"type": "lb_cookie"})), ["stickiness.type"]);
    assert_eq!(sticky("tls", json!({"type": "source_ip"})), ["stickiness"]);
    assert_eq!(sticky("http", json!({"duration": "8d"})), ["stickiness.type", "stickiness.duration"]);
    assert!(sticky("http", json!({"enabled": false})).is_empty());
    let target = |more: Value| problems(&with(&more));
    assert_eq!(target(json!({"targets": [{"ip": "10.0.0.1"}]})), ["targets.0"]);
    assert_eq!(target(json!({"targets": [{}]})), ["targets.0"]);
    assert_eq!(target(json!({"targets": [{"instance": "s/a", "zone": "all"}]})), ["targets.0.zone"]);
    assert_eq!(target(json!({"target_type": "ip", "targets": [{"ip": "10.0.0.300"}]})), ["targets.0.ip"]);
    let two = json!({"target_type": "lambda", "targets": [{"function": "arn:a"}, {"function": "arn:b", "port": 80}]});
    assert_eq!(problems(&two), ["targets.1.port", "targets"]);
}

#[test]
fn targets_that_say_more_are_matched_first() {
    let target = |id: &str, port: Option<i32>| TargetDescription::builder().id(id).set_port(port).build();
    let have = vec![target("a", Some(81)), target("a", Some(80)), target("b", Some(80))];
    let (add, remove) = difference(vec![target("a", None), target("a", Some(81)), target("c", None)], have);
    assert_eq!((add, remove), (vec![target("c", None)], vec![target("b", Some(80))]));
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_group_and_the_rest_is_done() {
    let script = there().lost("CreateTargetGroup").elb("ModifyTargetGroupAttributes", "").elb("RegisterTargets", "");
    let spec =
        with(&json!({"control_port": 3000, "deregistration_delay": "30s", "targets": [{"instance": "s/other"}]}));
    let made = script.create::<TargetGroup>(spec).await.unwrap();
    assert_eq!((made.id.as_str(), script.asked("CreateTargetGroup").len()), (ARN, 1));
    assert!(script.asked("DescribeTargetGroups")[0].contains("Names.member.1=p-e-s-it"));
    assert!(script.asked("ModifyTargetGroupAttributes")[0].contains("timeout_seconds&Attributes.member.1.Value=30"));
    assert!(script.asked("CreateTargetGroup")[0].contains("TargetControlPort=3000"));
    assert!(script.asked("RegisterTargets")[0].contains("Targets.member.1.Id=other"));
}

#[tokio::test]
async fn a_name_that_somebody_else_has_is_left_alone_even_if_the_settings_are_the_same() {
    let taken = Script::default()
        .elb_error("CreateTargetGroup", "DuplicateTargetGroupName")
        .elb("DescribeTargetGroups", &groups(&[ARN]))
        .elb("DescribeTags", &tagged(ARN, "s/another"));
    let refused = taken.create::<TargetGroup>(http()).await.unwrap_err();
    assert_eq!((refused.class, refused.code.as_deref()), (ErrorClass::Conflict, Some("DuplicateTargetGroupName")));
    let same =
        Script::default().elb("CreateTargetGroup", &groups(&[ARN])).elb("DescribeTags", &tagged(ARN, "s/another"));
    let refused = same.create::<TargetGroup>(with(&json!({"slow_start": "1m"}))).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Conflict);
    assert!(script_writes(&same).is_empty(), "{:?}", same.operations());
}

fn script_writes(script: &Script) -> Vec<String> {
    let writes = |o: &String| o.starts_with("Modify") || o.starts_with("Register");
    script.operations().into_iter().filter(writes).collect()
}

#[tokio::test]
async fn a_health_check_changes_in_place_with_codes_of_its_protocol() {
    let script = there().elb("ModifyTargetGroup", "");
    let check =
        |codes: &str| with(&json!({"protocol_version": "grpc", "health_check": {"codes": codes, "timeout": "9s"}}));
    script.update::<TargetGroup>(ARN, check("0"), check("0-5")).await.unwrap();
    let asked = script.asked("ModifyTargetGroup").join("");
    assert!(asked.contains("Matcher.GrpcCode=0-5") && asked.contains("HealthCheckTimeoutSeconds=9"), "{asked}");
}

#[tokio::test]
async fn new_targets_come_before_others_go_and_those_that_drain_do_not_count() {
    let script = Script::default()
        .elb("DescribeTargetGroups", &groups(&[ARN]))
        .elb("DescribeTags", &tagged(ARN, "s/it"))
        .elb("DescribeTargetGroupAttributes", "")
        .elb("DescribeTargetHealth", &health(&[("i-1", 80, "healthy"), ("i-2", 80, "draining"), ("i-3", 80, "unused")]))
        .elb("RegisterTargets", "")
        .elb("DeregisterTargets", "");
    let targets = |ids: [&str; 2]| with(&json!({"targets": ids.map(|id| json!({"instance": {"id": id}}))}));
    let read = script.update::<TargetGroup>(ARN, targets(["i-1", "i-3"]), targets(["i-1", "i-2"])).await.unwrap();
    let (came, went) = (script.asked("RegisterTargets").join(""), script.asked("DeregisterTargets").join(""));
    assert!(came.contains("Id=i-2") && !came.contains("i-1"), "{came}");
    assert!(went.contains("Id=i-3") && !went.contains("i-1"), "{went}");
    let order = script.operations();
    let at = |name: &str| order.iter().position(|o| o == name).unwrap();
    assert!(at("RegisterTargets") < at("DeregisterTargets"));
    assert_eq!(read.spec["targets"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_group_of_another_name_is_found_by_the_index_and_its_own_tags_count() {
    let index =
        json!({"ResourceTagMappingList": [{"ResourceARN": ARN, "Tags": []}, {"ResourceARN": "arn:gone", "Tags": []}]});
    let named = |arn: &str| groups(&[arn]).replace("Name>p-e-s-it<", "Name>web<");
    let page = |arn: &str, more: &str| format!("{}{more}", named(arn));
    let script = Script::default()
        .answer("GetResources", 200, &index.to_string())
        .elb("DescribeTargetGroups", &page("arn:other", "<NextMarker>m</NextMarker>"))
        .elb("DescribeTargetGroups", &page(ARN, ""))
        .elb("DescribeTags", &tagged(ARN, "s/it"))
        .elb("DescribeTargetGroupAttributes", "")
        .elb("DescribeTargetHealth", &health(&[]));
    let found = script.read::<TargetGroup>().await.unwrap();
    assert_eq!(found.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), [ARN]);
    assert_eq!(found[0].owner, Some(owner()));
    assert!(!script.asked("DescribeTags")[0].contains("other"));
    assert!(script.asked("DescribeTargetGroups")[1].contains("Marker=m"));
}

#[tokio::test]
async fn a_group_that_a_listener_has_not_let_go_of_yet_is_asked_again() {
    let script = there().elb_error("DeleteTargetGroup", "ResourceInUse").elb("DeleteTargetGroup", "");
    script.delete_owned::<TargetGroup>(ARN, http(), Some(owner())).await.unwrap();
    assert_eq!(script.asked("DeleteTargetGroup").len(), 2);
    let gone = Script::default().elb_error("DescribeTargetGroups", "TargetGroupNotFound");
    gone.delete::<TargetGroup>(ARN, http()).await.unwrap();
}
