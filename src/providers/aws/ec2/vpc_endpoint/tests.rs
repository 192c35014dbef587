use serde_json::{Value, json};

use super::*;
use crate::providers::aws::script::Script;

#[test]
fn states_are_known_in_any_case() {
    for text in ["available", "Available"] {
        let endpoint = ApiEndpoint::builder().state(State::from(text)).build();
        assert_eq!(state(&endpoint), Some(State::Available));
    }
}

#[test]
fn short_names_are_made_whole() {
    assert_eq!(whole("ap-northeast-1", "s3"), "com.amazonaws.ap-northeast-1.s3");
    assert_eq!(whole("ap-northeast-1", "ecr.api"), "com.amazonaws.ap-northeast-1.ecr.api");
    assert_eq!(whole("x", "com.amazonaws.vpce.x.vpce-svc-1"), "com.amazonaws.vpce.x.vpce-svc-1");
    assert_eq!(whole("cn-north-1", "cn.com.amazonaws.cn-north-1.ecr.api"), "cn.com.amazonaws.cn-north-1.ecr.api");
}

fn problems(spec: Value) -> Vec<String> {
    let mut problems = Problems::default();
    VpcEndpoint::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
    problems.0.into_iter().map(|p| format!("{}: {}", p.path, p.message)).collect()
}

#[test]
fn what_does_not_belong_to_a_type_is_named() {
    assert_eq!(
        problems(
            json!({"vpc": "a/b", "service": "s3", "type": "gateway", "subnets": ["a/c"], "private_dns": true, "accept": true})
        ),
        [
            "subnets: a gateway endpoint has none",
            "private_dns: only an interface endpoint has this",
            "accept: services of AWS accept by themselves",
        ]
    );
    assert_eq!(
        problems(json!({"vpc": "a/b", "service": "com.amazonaws.vpce.x.vpce-svc-1", "type": "gateway_load_balancer",
            "security_groups": ["a/c"], "route_tables": ["a/d"]})),
        [
            "security_groups: only an interface endpoint has this",
            "route_tables: only a gateway endpoint has routes",
            "subnets: a gateway load balancer's endpoint stands in one subnet",
        ]
    );
    assert_eq!(
        problems(json!({"vpc": "a/b", "service": "s3", "type": "interface", "dns": {"inbound_resolver_only": true}})),
        ["dns.inbound_resolver_only: there is no private name to answer"]
    );
}

fn endpoint(state: &str, more: &str) -> String {
    format!(
        "<vpcEndpointSet><item><vpcEndpointId>vpce-1</vpcEndpointId><vpcId>vpc-1</vpcId><state>{state}</state>{more}</item>\
         </vpcEndpointSet>"
    )
}

#[tokio::test]
async fn addresses_and_names_change_in_place_and_are_read_back() {
    let more = "<serviceName>com.amazonaws.ap-northeast-1.s3</serviceName><vpcEndpointType>Interface</vpcEndpointType>\
        <privateDnsEnabled>true</privateDnsEnabled><ipAddressType>dualstack</ipAddressType><dnsOptions>\
        <dnsRecordIpType>service-defined</dnsRecordIpType>\
        <privateDnsOnlyForInboundResolverEndpoint>true</privateDnsOnlyForInboundResolverEndpoint></dnsOptions>";
    let script = Script::default()
        .ec2("DescribeVpcEndpoints", &endpoint("available", more))
        .ec2("DescribeVpcEndpoints", &endpoint("pending", more))
        .ec2("DescribeVpcEndpoints", &endpoint("available", more))
        .ec2("ModifyVpcEndpoint", "");
    let from = json!({"vpc": {"id": "vpc-1"}, "service": "s3", "type": "interface", "private_dns": false});
    let mut to = from.clone();
    to["private_dns"] = json!(true);
    to["addresses"] = json!("dualstack");
    to["dns"] = json!({"records": "service_defined", "inbound_resolver_only": true});
    let object = script.update::<VpcEndpoint>("vpce-1", from, to.clone()).await.unwrap();
    let asked = script.asked("ModifyVpcEndpoint").join("");
    for part in [
        "PrivateDnsEnabled=true",
        "IpAddressType=dualstack",
        "DnsOptions.DnsRecordIpType=service-defined",
        "DnsOptions.PrivateDnsOnlyForInboundResolverEndpoint=true",
    ] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    for field in ["private_dns", "addresses", "dns", "service"] {
        assert_eq!(object.spec[field], to[field], "{field}");
    }
}

#[tokio::test]
async fn an_endpoint_of_ones_own_service_is_accepted_and_only_then_usable() {
    let name = "com.amazonaws.vpce.ap-northeast-1.vpce-svc-9";
    let more = format!("<serviceName>{name}</serviceName><vpcEndpointType>Interface</vpcEndpointType>");
    let script = Script::default()
        .ec2("CreateVpcEndpoint", "<vpcEndpoint><vpcEndpointId>vpce-1</vpcEndpointId></vpcEndpoint>")
        .ec2("DescribeVpcEndpoints", &endpoint("pendingAcceptance", &more))
        .ec2("DescribeVpcEndpoints", &endpoint("pendingAcceptance", &more))
        .ec2("DescribeVpcEndpoints", &endpoint("available", &more))
        .ec2("AcceptVpcEndpointConnections", "");
    let spec = json!({"vpc": "s/other", "service": name, "type": "interface", "accept": true});
    let object = script.create::<VpcEndpoint>(spec).await.unwrap();
    let asked = script.asked("AcceptVpcEndpointConnections").join("");
    assert!(asked.contains("ServiceId=vpce-svc-9") && asked.contains("VpcEndpointId.1=vpce-1"), "{asked}");
    assert_eq!(object.unread, ["accept"], "no difference once it is accepted");
    assert_eq!(object.spec["service"], name);
}

#[tokio::test]
async fn a_service_of_another_region_keeps_its_short_name() {
    let more = "<serviceName>com.amazonaws.us-east-1.ecr.api</serviceName><serviceRegion>us-east-1</serviceRegion>\
        <vpcEndpointType>Interface</vpcEndpointType>";
    let script = Script::default()
        .ec2("CreateVpcEndpoint", "<vpcEndpoint><vpcEndpointId>vpce-1</vpcEndpointId></vpcEndpoint>")
        .ec2("DescribeVpcEndpoints", &endpoint("available", more));
    let spec = json!({"vpc": "s/other", "service": "ecr.api", "service_region": "us-east-1", "type": "interface"});
    let object = script.create::<VpcEndpoint>(spec).await.unwrap();
    let asked = script.asked("CreateVpcEndpoint").join("");
    assert!(asked.contains("ServiceName=com.amazonaws.us-east-1.ecr.api&"), "{asked}");
    assert!(asked.contains("ServiceRegion=us-east-1"), "{asked}");
    assert_eq!((&object.spec["service"], &object.spec["service_region"]), (&json!("ecr.api"), &json!("us-east-1")));
}

#[tokio::test]
async fn a_gateway_endpoint_tells_the_prefix_list_of_its_service() {
    let more = "<serviceName>com.amazonaws.ap-northeast-1.s3</serviceName><vpcEndpointType>Gateway</vpcEndpointType>";
    let script = Script::default().ec2("DescribeVpcEndpoints", &endpoint("available", more)).ec2(
        "DescribePrefixLists",
        "<prefixListSet><item><prefixListId>pl-1</prefixListId>\
         <prefixListName>com.amazonaws.ap-northeast-1.s3</prefixListName></item></prefixListSet>",
    );
    let objects = script.read::<VpcEndpoint>().await.unwrap();
    assert_eq!(objects[0].attributes["prefix_list_id"], "pl-1");
}
