//! Load balancers against scripted answers, and their rules.

use super::*;
use crate::model::kind::{Kind, Problems};
use crate::providers::aws::elb::attributes as table;
use crate::providers::aws::script::{Script, owner};

const ARN: &str = "arn:aws:elasticloadbalancing:r:1:loadbalancer/app/p-e-s-it/50dc";

fn balancer(kind: &str, state: &str, more: &str) -> String {
    format!(
        "<LoadBalancers><member><LoadBalancerArn>{ARN}</LoadBalancerArn><LoadBalancerName>p-e-s-it</LoadBalancerName>\
         <DNSName>it.elb.example</DNSName><CanonicalHostedZoneId>Z1</CanonicalHostedZoneId><Scheme>internal</Scheme>\
         <State><Code>{state}</Code></State><Type>{kind}</Type>{more}</member></LoadBalancers>"
    )
}

fn tags(address: &str) -> String {
    let mut owner = owner();
    owner.address = crate::model::Address::parse(address).unwrap();
    let tags = owner.tags().into_iter();
    let tags: String = tags.map(|(k, v)| format!("<member><Key>{k}</Key><Value>{v}</Value></member>")).collect();
    format!("<TagDescriptions><member><ResourceArn>{ARN}</ResourceArn><Tags>{tags}</Tags></member></TagDescriptions>")
}

fn there(kind: &str, more: &str) -> Script {
    Script::default()
        .elb("DescribeLoadBalancers", &balancer(kind, "active", more))
        .elb("DescribeTags", &tags("s/it"))
        .elb("DescribeLoadBalancerAttributes", "")
}

fn spec(more: &Value) -> Value {
    let mut spec =
        json!({"type": "application", "scheme": "internal", "subnets": [{"id": "subnet-1"}, {"id": "subnet-2"}]});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
        if value.is_null() {
            spec.as_object_mut().unwrap().remove(key);
        }
    }
    spec
}

fn network(more: &Value) -> Value {
    let mut all = json!({"type": "network"});
    all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec(&all)
}

#[test]
fn every_attribute_has_a_field_that_is_read_only_where_it_is_declared() {
    let kinds = crate::providers::kinds();
    let schema = &kinds.get("load_balancer").unwrap().schema;
    assert_eq!(table::fields(TABLE), FIELDS);
    for field in FIELDS {
        assert!(schema.field(field).unwrap().deep, "{field}");
    }
}

#[test]
fn attributes_are_read_as_they_are_written() {
    let attributes = json!({
        "access_logs": {"enabled": true, "bucket": {"id": "logs"}, "prefix": "web"},
        "connection_logs": {"enabled": true, "bucket": {"id": "logs"}, "prefix": "connections"},
        "health_check_logs": {"enabled": false, "bucket": {"id": "logs"}, "prefix": "health"},
        "deletion_protection": true, "idle_timeout": "2m", "keep_alive": "1h", "http2": false,
        "drop_invalid_headers": false, "desync_mode": "strictest", "preserve_host_header": true, "tls_headers": true,
        "forwarded_for": "preserve", "forwarded_client_port": true, "waf_fail_open": true, "zonal_shift": true,
        "cross_zone": true, "client_routing": "availability_zone_affinity", "deny_internet_gateway": true,
        "secondary_ips": 0,
    });
    let bucket = |v: &Value| Ok::<_, ()>(v["id"].as_str().unwrap().to_owned());
    let pairs = table::to_write(TABLE, &attributes, &|_| true, &bucket).unwrap();
    assert_eq!(pairs.len(), TABLE.len());
    assert!(pairs.contains(&("secondary_ips.auto_assigned.per_subnet", "0".to_owned())));
    let values = pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    let api = ApiBalancer::builder().r#type("application".into()).build();
    let read = serde_json::to_value(observed(&api, Some(&values)).unwrap()).unwrap();
    for (field, value) in attributes.as_object().unwrap() {
        assert_eq!(&read[field], value, "{field}");
    }
}

#[test]
fn invalid_headers_are_no_difference_where_there_are_no_headers() {
    let drops = |kind: &str| {
        let api = ApiBalancer::builder().r#type(kind.into()).build();
        observed(&api, Some(&BTreeMap::new())).unwrap().drop_invalid_headers
    };
    assert_eq!([drops("application"), drops("network"), drops("gateway")], [false, true, true]);
}

fn problems(spec: &Value) -> Vec<String> {
    let spec: Spec = serde_json::from_value(spec.clone()).unwrap();
    let mut problems = Problems::default();
    LoadBalancer::validate(&spec, &mut problems);
    problems.0.into_iter().map(|p| p.path).collect()
}

#[test]
fn a_load_balancer_says_where_it_stands_and_who_can_reach_it() {
    let none = Value::Null;
    assert!(problems(&spec(&json!({}))).is_empty());
    assert_eq!(problems(&spec(&json!({"scheme": none}))), ["scheme"]);
    assert_eq!(problems(&spec(&json!({"type": "gateway"}))), ["scheme"]);
    assert!(problems(&spec(&json!({"type": "gateway", "scheme": none, "cross_zone": true}))).is_empty());
    assert_eq!(problems(&spec(&json!({"subnets": none}))), ["subnets"]);
    assert_eq!(problems(&spec(&json!({"mappings": [{"subnet": "s/a"}]}))), ["subnets"]);
    assert_eq!(problems(&spec(&json!({"subnets": ["s/a"]}))), ["subnets"]);
    assert!(problems(&spec(&json!({"subnets": ["s/a"], "single_zone": true}))).is_empty());
    assert!(problems(&network(&json!({"subnets": ["s/a"]}))).is_empty());
    assert_eq!(problems(&spec(&json!({"name": "internal-web"}))), ["name"]);
}

#[test]
fn addresses_are_chosen_for_network_load_balancers_only() {
    let mapped = |base: fn(&Value) -> Value, scheme: &str, mapping: Value| {
        let two = [mapping, json!({"subnet": "s/b"})];
        problems(&base(&json!({"subnets": null, "scheme": scheme, "mappings": two})))
    };
    let public = json!({"subnet": "s/a", "elastic_ip": "s/ip"});
    let private = json!({"subnet": "s/a", "private_ip": "10.0.0.9"});
    assert!(mapped(network, "internet_facing", public.clone()).is_empty());
    assert!(mapped(network, "internal", private.clone()).is_empty());
    assert_eq!(mapped(network, "internal", public.clone()), ["mappings.0.elastic_ip"]);
    assert_eq!(mapped(network, "internet_facing", private), ["mappings.0.private_ip"]);
    assert_eq!(mapped(spec, "internet_facing", public), ["mappings.0"]);
    let prefix = json!({"subnet": "s/a", "source_nat_prefix": "auto_assigned"});
    assert_eq!(mapped(network, "internal", prefix), ["mappings.0.source_nat_prefix"]);
}

#[test]
fn fields_fit_the_type_and_each_other() {
    assert_eq!(problems(&network(&json!({"http2": true, "desync_mode": "monitor"}))), ["http2", "desync_mode"]);
    assert_eq!(problems(&spec(&json!({"cross_zone": true}))), ["cross_zone"]);
    assert_eq!(problems(&spec(&json!({"access_logs": {"prefix": "web"}}))), ["access_logs.bucket"]);
    assert!(problems(&spec(&json!({"access_logs": {"enabled": false}}))).is_empty());
    assert_eq!(problems(&spec(&json!({"idle_timeout": "2h", "keep_alive": "30s"}))), ["idle_timeout", "keep_alive"]);
    let without = json!({"ip_address_type": "dualstack_without_public_ipv4"});
    assert_eq!(problems(&spec(&without)), ["ip_address_type"]);
    assert_eq!(problems(&network(&json!({"ipv6_source_nat": true}))), ["ipv6_source_nat"]);
    let ipv4 = json!({"ip_address_type": "ipv4", "deny_internet_gateway": true});
    assert_eq!(problems(&spec(&ipv4)), ["deny_internet_gateway"]);
}

#[tokio::test]
async fn a_new_load_balancer_is_waited_for_and_one_that_can_not_be_made_is_an_error() {
    let made = |state: &str| {
        Script::default()
            .elb("CreateLoadBalancer", &balancer("application", "provisioning", ""))
            .elb("ModifyLoadBalancerAttributes", "")
            .elb("DescribeLoadBalancers", &balancer("application", "provisioning", ""))
            .elb("DescribeLoadBalancers", &balancer("application", state, "<X/>"))
            .elb("DescribeTags", &tags("s/it"))
            .elb("DescribeLoadBalancerAttributes", "")
    };
    let script = made("active");
    let object = script.create::<LoadBalancer>(spec(&json!({}))).await.unwrap();
    assert_eq!((object.id.as_str(), object.status), (ARN, Status::Ready));
    assert_eq!(object.attributes["full_name"], "app/p-e-s-it/50dc");
    assert_eq!(object.attributes["zone_id"], "Z1");
    let written = script.asked("ModifyLoadBalancerAttributes").join("");
    assert!(written.contains("drop_invalid_header_fields.enabled&Attributes.member.1.Value=true"), "{written}");
    let failed = made("failed").create::<LoadBalancer>(spec(&json!({}))).await.unwrap_err();
    assert!(failed.message.contains("could not be made"), "{failed}");
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_load_balancer_and_somebody_elses_is_left_alone() {
    let script = there("network", "").lost("CreateLoadBalancer");
    let made = script.create::<LoadBalancer>(network(&json!({}))).await.unwrap();
    assert_eq!((made.id.as_str(), script.asked("CreateLoadBalancer").len()), (ARN, 1));
    assert!(script.asked("DescribeLoadBalancers")[0].contains("Names.member.1=p-e-s-it"));
    let other = Script::default()
        .elb("CreateLoadBalancer", &balancer("application", "active", ""))
        .elb("DescribeTags", &tags("s/another"));
    let refused = other.create::<LoadBalancer>(spec(&json!({}))).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Conflict);
    assert!(other.asked("ModifyLoadBalancerAttributes").is_empty());
}

#[tokio::test]
async fn chosen_addresses_and_private_link_reach_the_api_and_are_read_back() {
    let zones = "<AvailabilityZones><member><SubnetId>subnet-1</SubnetId><LoadBalancerAddresses><member>\
        <AllocationId>eipalloc-1</AllocationId><IPv6Address>fd00::1</IPv6Address></member></LoadBalancerAddresses>\
        <SourceNatIpv6Prefixes><member>fd00::/80</member></SourceNatIpv6Prefixes></member></AvailabilityZones>\
        <EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic>off</EnforceSecurityGroupInboundRulesOnPrivateLinkTraffic>\
        <EnablePrefixForIpv6SourceNat>on</EnablePrefixForIpv6SourceNat>";
    let script = there("network", zones)
        .elb("CreateLoadBalancer", &balancer("network", "active", zones))
        .elb("SetSecurityGroups", "");
    let mapping = json!({"subnet": {"id": "subnet-1"}, "elastic_ip": {"id": "eipalloc-1"}, "ipv6": "fd00::1",
        "source_nat_prefix": "fd00::/80"});
    let wanted = network(&json!({
        "subnets": null, "mappings": [mapping], "scheme": "internet_facing", "ip_address_type": "dualstack",
        "security_groups": [{"id": "sg-1"}], "check_private_link": false, "ipv6_source_nat": true,
    }));
    let made = script.create::<LoadBalancer>(wanted).await.unwrap();
    let created = script.asked("CreateLoadBalancer").join("");
    for part in [
        "SubnetMappings.member.1.AllocationId=eipalloc-1",
        "SubnetMappings.member.1.SourceNatIpv6Prefix=fd00%3A%3A%2F80",
        "EnablePrefixForIpv6SourceNat=on",
        "Type=network",
    ] {
        assert!(created.contains(part), "{part}: {created}");
    }
    let groups = script.asked("SetSecurityGroups").join("");
    assert!(groups.contains("PrivateLinkTraffic=off") && groups.contains("sg-1"), "{groups}");
    assert_eq!(made.spec["mappings"], json!([mapping]));
    assert_eq!((&made.spec["check_private_link"], &made.spec["ipv6_source_nat"]), (&json!(false), &json!(true)));
}

#[tokio::test]
async fn on_an_outpost_one_zone_is_enough_and_that_it_is_meant_is_not_asked_of_the_api() {
    let script = there("application", "<CustomerOwnedIpv4Pool>pool-1</CustomerOwnedIpv4Pool>")
        .elb("CreateLoadBalancer", &balancer("application", "active", ""))
        .elb("ModifyLoadBalancerAttributes", "");
    let wanted = spec(&json!({"subnets": [{"id": "subnet-1"}], "customer_owned_pool": "pool-1", "single_zone": true}));
    assert!(problems(&wanted).is_empty());
    let made = script.create::<LoadBalancer>(wanted).await.unwrap();
    assert!(script.asked("CreateLoadBalancer")[0].contains("CustomerOwnedIpv4Pool=pool-1"));
    assert_eq!(made.spec["customer_owned_pool"], "pool-1");
    assert_eq!(made.unread, ["single_zone"]);
}

#[tokio::test]
async fn pool_and_addresses_change_in_place() {
    let script = there("application", "").elb("ModifyIpPools", "").elb("SetIpAddressType", "").elb("SetSubnets", "");
    let with = |pool: &str| spec(&json!({"scheme": "internet_facing", "ipam_pool": pool}));
    script.update::<LoadBalancer>(ARN, with(""), with("pool-1")).await.unwrap();
    script.update::<LoadBalancer>(ARN, with("pool-1"), with("")).await.unwrap();
    let asked = script.asked("ModifyIpPools");
    assert!(asked[0].contains("IpamPools.Ipv4IpamPoolId=pool-1"), "{asked:?}");
    assert!(asked[1].contains("RemoveIpamPools.member.1=ipv4"), "{asked:?}");
    let kind = |word: &str| spec(&json!({"scheme": "internet_facing", "ip_address_type": word}));
    let (from, to) = (kind("ipv4"), kind("dualstack_without_public_ipv4"));
    script.update::<LoadBalancer>(ARN, from, to).await.unwrap();
    assert!(script.asked("SetIpAddressType")[0].contains("dualstack-without-public-ipv4"));
    assert!(script.asked("SetSubnets").is_empty());
}

#[tokio::test]
async fn a_protected_load_balancer_stays_and_one_that_goes_takes_its_interfaces_with_it() {
    let protected = there("application", "").elb_error("DeleteLoadBalancer", "OperationNotPermitted");
    let refused = protected.delete_owned::<LoadBalancer>(ARN, spec(&json!({})), Some(owner())).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Conflict);
    assert!(protected.asked("ModifyLoadBalancerAttributes").is_empty());
    let interface =
        "<networkInterfaceSet><item><networkInterfaceId>eni-1</networkInterfaceId></item></networkInterfaceSet>";
    let script = Script::default()
        .elb("DescribeLoadBalancers", &balancer("application", "active", ""))
        .elb("DescribeLoadBalancers", &balancer("application", "active", ""))
        .elb_error("DescribeLoadBalancers", "LoadBalancerNotFound")
        .elb("DescribeTags", &tags("s/it"))
        .elb("DeleteLoadBalancer", "")
        .ec2("DescribeNetworkInterfaces", interface)
        .ec2("DescribeNetworkInterfaces", "<networkInterfaceSet/>");
    script.delete_owned::<LoadBalancer>(ARN, spec(&json!({})), Some(owner())).await.unwrap();
    let asked = script.asked("DescribeNetworkInterfaces");
    assert_eq!(asked.len(), 2);
    assert!(asked[0].contains("app%2Fp-e-s-it%2F50dc"), "{asked:?}");
}
