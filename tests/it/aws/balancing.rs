//! Load balancers, what they serve, and what guards them: against the emulator.

use serde_json::{Value, json};

use crate::support::kind_case::{Case, changed, run, run_part};

type Need = (&'static str, &'static str, Value);

/// A network with subnets in three zones.
fn network() -> Vec<Need> {
    let subnet = |zone: &str, range: &str| json!({"vpc": "t/net", "zone": zone, "cidr": range});
    vec![
        ("t/net", "vpc", json!({"cidr": "10.5.0.0/16"})),
        ("t/a", "subnet", subnet("us-east-1a", "10.5.1.0/24")),
        ("t/b", "subnet", subnet("us-east-1b", "10.5.2.0/24")),
        ("t/c", "subnet", subnet("us-east-1c", "10.5.3.0/24")),
    ]
}

/// The case of `target_group`.
pub fn target_group() -> Case {
    let first = json!({
        "name": "web-one", "vpc": "t/net", "protocol": "http", "protocol_version": "http1", "port": 8080,
        "target_type": "ip", "ip_address_type": "ipv4",
        "health_check": {
            "enabled": true, "protocol": "http", "port": "traffic-port", "path": "/health", "codes": "200-299",
            "interval": "15s", "timeout": "5s", "healthy_after": 3, "unhealthy_after": 4,
        },
        "targets": [{"ip": "10.5.1.5"}, {"ip": "10.5.1.6", "port": 8081}],
        "deregistration_delay": "30s", "slow_start": "30s", "stickiness": {"type": "lb_cookie", "duration": "1h"},
        "algorithm": "round_robin", "anomaly_mitigation": false, "cross_zone": "always",
        "least_healthy": {"zone_count": 2, "zone_percentage": 0, "routing_count": 1, "routing_percentage": 30},
        "tags": {"名前": "窓口"},
    });
    Case {
        kind: "target_group",
        needs: vec![("t/net", "vpc", json!({"cidr": "10.5.0.0/16"}))],
        second: changed(
            &first,
            &json!({
                "health_check": {
                    "enabled": true, "protocol": "https", "port": "8443", "path": "/ok", "codes": "200",
                    "interval": "30s", "timeout": "10s", "healthy_after": 2, "unhealthy_after": 2,
                },
                "targets": [{"ip": "10.5.1.6", "port": 8081}, {"ip": "10.5.1.7"}],
                "deregistration_delay": "2m", "slow_start": "0s",
                "stickiness": {"type": "app_cookie", "cookie": "session", "cookie_duration": "2h"},
                "algorithm": "weighted_random", "anomaly_mitigation": true, "cross_zone": "as_load_balancer",
                "least_healthy": {"zone_count": 1, "zone_percentage": 20, "routing_count": 2, "routing_percentage": 0},
                "tags": {"名前": "受付", "b": "2"},
            }),
        ),
        third: Some(changed(&first, &json!({"name": "web-two", "port": 8082}))),
        first,
        ..Case::default()
    }
}

#[test]
fn target_group_creates_reads_back_changes_and_deletes() {
    run(target_group());
}

#[test]
fn target_group_of_a_network_load_balancer_and_of_a_function() {
    let server = json!({"image": "ami-12c6146b", "instance_type": "t3.small", "subnet": "t/a"});
    let mut needs = network();
    needs.extend([("t/one", "instance", server.clone()), ("t/two", "instance", server)]);
    let first = json!({
        "vpc": "t/net", "protocol": "tcp", "port": 443, "target_type": "instance",
        "targets": [{"instance": "t/one"}, {"instance": "t/two", "port": 8443}],
        "close_on_deregistration": true, "preserve_client_ip": true, "proxy_protocol": false,
        "close_when_unhealthy": true, "stickiness": {"type": "source_ip"},
    });
    let second = json!({
        "targets": [{"instance": "t/two", "port": 8443}], "close_on_deregistration": false,
        "preserve_client_ip": false, "proxy_protocol": true, "close_when_unhealthy": false, "unhealthy_draining": "10m",
        "stickiness": {"type": "source_ip", "enabled": false},
    });
    run_part(Case { kind: "target_group", needs, second: changed(&first, &second), first, ..Case::default() });
}

#[test]
fn target_group_of_a_function() {
    let function = "arn:aws:lambda:us-east-1:123456789012:function:it";
    run_part(Case {
        kind: "target_group",
        first: json!({"target_type": "lambda", "multi_value_headers": false, "targets": []}),
        second: json!({"target_type": "lambda", "multi_value_headers": true, "targets": [{"function": function}]}),
        ..Case::default()
    });
}

/// The case of `load_balancer`.
pub fn load_balancer() -> Case {
    let mut needs = network();
    let group = json!({"vpc": "t/net", "description": "web"});
    needs.extend([("t/one", "security_group", group.clone()), ("t/two", "security_group", group)]);
    let first = json!({
        "name": "front-one", "type": "application", "scheme": "internal", "subnets": ["t/a", "t/b"],
        "security_groups": ["t/one"], "ip_address_type": "ipv4",
        "access_logs": {"bucket": {"id": "logs"}, "prefix": "web"},
        "connection_logs": {"bucket": {"id": "logs"}, "prefix": "connections"},
        "deletion_protection": false, "idle_timeout": "2m", "keep_alive": "1h", "http2": true,
        "drop_invalid_headers": true, "desync_mode": "strictest", "preserve_host_header": true, "tls_headers": true,
        "forwarded_for": "preserve", "forwarded_client_port": true, "waf_fail_open": true, "zonal_shift": true,
        "tags": {"名前": "玄関"},
    });
    Case {
        kind: "load_balancer",
        needs,
        second: changed(
            &first,
            &json!({
                "subnets": ["t/b", "t/c"], "security_groups": ["t/two"], "ip_address_type": "dualstack",
                "access_logs": {"bucket": {"id": "other"}, "prefix": "app"},
                "connection_logs": {"enabled": false, "bucket": {"id": "logs"}, "prefix": "c"},
                "deletion_protection": true, "idle_timeout": "3m", "keep_alive": "2h", "http2": false,
                "drop_invalid_headers": false, "desync_mode": "monitor", "preserve_host_header": false,
                "tls_headers": false, "forwarded_for": "append", "forwarded_client_port": false,
                "waf_fail_open": false, "zonal_shift": false, "tags": {"名前": "裏口", "b": "2"},
            }),
        ),
        third: Some(changed(&first, &json!({"name": "front-two", "scheme": "internet_facing"}))),
        first,
        ..Case::default()
    }
}

#[test]
fn load_balancer_creates_reads_back_changes_and_deletes() {
    run(load_balancer());
}

#[test]
fn load_balancer_of_a_network() {
    let first = json!({
        "type": "network", "scheme": "internet_facing", "mappings": [{"subnet": "t/a"}, {"subnet": "t/b"}],
        "ip_address_type": "dualstack", "cross_zone": true, "client_routing": "any_availability_zone",
        "deny_internet_gateway": false, "secondary_ips": 0,
    });
    let second = json!({
        "mappings": [{"subnet": "t/a"}, {"subnet": "t/c"}], "cross_zone": false,
        "client_routing": "availability_zone_affinity", "deny_internet_gateway": true, "secondary_ips": 2,
    });
    run_part(Case {
        kind: "load_balancer",
        needs: network(),
        second: changed(&first, &second),
        first,
        ..Case::default()
    });
}

/// Certificates that are there: one call for all, since a case is given one text.
const CERTIFICATES: &str = "
import boto3
iam = boto3.client('iam')
for name in ['one', 'two', 'three']:
    try:
        iam.upload_server_certificate(ServerCertificateName=name, CertificateBody='x', PrivateKey='x')
    except Exception:
        pass
print('')
";

fn certificate(name: &str) -> Value {
    json!({"id": format!("arn:aws:iam::123456789012:server-certificate/{name}")})
}

/// A network with a load balancer and target groups.
fn balanced(protocol: &str, balancer: &Value) -> Vec<Need> {
    let group = json!({"vpc": "t/net", "protocol": protocol, "port": 80, "target_type": "ip"});
    let mut needs = network();
    needs.extend([
        ("t/front", "load_balancer", balancer.clone()),
        ("t/one", "target_group", group.clone()),
        ("t/two", "target_group", group),
    ]);
    needs
}

/// The case of `listener`.
pub fn listener() -> Case {
    let balancer = json!({"type": "application", "scheme": "internal", "subnets": ["t/a", "t/b"]});
    let mut needs = balanced("http", &balancer);
    needs.push(("t/other", "load_balancer", balancer));
    let forward = |group: &str| json!({"forward": {"target_groups": [{"target_group": group}]}});
    let login = json!({"authenticate_oidc": {
        "issuer": "https://i.example", "authorization_endpoint": "https://i.example/a",
        "token_endpoint": "https://i.example/t", "user_info_endpoint": "https://i.example/u", "client_id": "client",
        "scope": "openid email", "cookie": "login", "timeout": "1h", "unauthenticated": "deny",
    }});
    let split = json!([{"target_group": "t/one", "weight": 9}, {"target_group": "t/two", "weight": 1}]);
    let gone = json!({"fixed_response": {"status": "410", "content_type": "text/plain", "body": "もうありません"}});
    let redirect =
        json!({"redirect": {"protocol": "HTTPS", "host": "www.example.jp", "port": "443", "code": "permanent"}});
    let first = json!({
        "load_balancer": "t/front", "port": 443, "protocol": "https",
        "security_policy": "ELBSecurityPolicy-TLS13-1-3-2021-06",
        "certificate": certificate("one"), "certificates": [certificate("two")], "mutual_tls": {"mode": "passthrough"},
        "default_actions": [{"forward": {"target_groups": split, "stickiness": "1h"}}],
        "client_secrets": {"client": "one"},
        "rules": {
            "api": {
                "priority": 10, "actions": [forward("t/one")],
                "conditions": [{"path": ["/api/*", "/v1/*"]}, {"header": {"name": "X-Env", "values": ["test"]}}],
            },
            "gone": {"priority": 20, "conditions": [{"host": ["old.example.jp"]}], "actions": [gone]},
            "移転": {
                "priority": 30, "conditions": [{"query": [{"key": "v", "value": "2"}]}, {"method": ["GET"]}],
                "actions": [redirect], "tags": {"a": "1"},
            },
        },
        "response_headers": {"server": false, "strict_transport_security": "max-age=31536000"},
        "request_headers": {"tls_version": "X-Tls-Version"},
        "tags": {"名前": "入口"},
    });
    let second = json!({
        "port": 8443, "security_policy": "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
        "certificate": certificate("two"), "certificates": [certificate("three")], "mutual_tls": {"mode": "off"},
        "default_actions": [login, gone], "client_secrets": {"client": "two"},
        "rules": {
            "api": {
                "priority": 15, "actions": [login, forward("t/two")], "conditions": [{"path": ["/api/*"]}],
            },
            "new": {"priority": 20, "conditions": [{"source_ip": ["10.0.0.0/8"]}], "actions": [forward("t/two")]},
            "移転": {
                "priority": 30, "conditions": [{"query": [{"key": "v", "value": "3"}]}, {"method": ["GET"]}],
                "actions": [redirect], "tags": {"a": "2"},
            },
        },
        "response_headers": {"server": true, "strict_transport_security": ""},
        "request_headers": {"tls_version": "X-Tls"},
        "tags": {"名前": "門"},
    });
    Case {
        kind: "listener",
        needs,
        second: changed(&first, &second),
        third: Some(changed(&first, &json!({"load_balancer": "t/other"}))),
        first,
        prepare: Some(CERTIFICATES),
        not_by_emulator: &[("mutual_tls", "not kept")],
    }
}

#[test]
fn listener_creates_reads_back_changes_and_deletes() {
    run(listener());
}

#[test]
fn listener_goes_from_http_to_https() {
    let balancer = json!({"type": "application", "scheme": "internal", "subnets": ["t/a", "t/b"]});
    let action = json!([{"forward": {"target_groups": [{"target_group": "t/one"}]}}]);
    let first = json!({"load_balancer": "t/front", "port": 80, "protocol": "http", "default_actions": action});
    let second = json!({"port": 443, "protocol": "https", "certificate": certificate("one"), "rules": {}});
    run_part(Case {
        kind: "listener",
        needs: balanced("http", &balancer),
        second: changed(&first, &second),
        first,
        prepare: Some(CERTIFICATES),
        ..Case::default()
    });
}

#[test]
fn listener_of_a_network_forgets_idle_flows() {
    let balancer = json!({"type": "network", "scheme": "internal", "subnets": ["t/a"]});
    let action = |group: &str| json!([{"forward": {"target_groups": [{"target_group": group}]}}]);
    let first = json!({
        "load_balancer": "t/front", "port": 443, "protocol": "tcp", "default_actions": action("t/one"),
        "idle_timeout": "10m",
    });
    let second = json!({"default_actions": action("t/two"), "idle_timeout": "20m"});
    run_part(Case {
        kind: "listener",
        needs: balanced("tcp", &balancer),
        second: changed(&first, &second),
        first,
        ..Case::default()
    });
}

/// The case of `web_acl`.
pub fn web_acl() -> Case {
    let balancer = json!({"type": "application", "scheme": "internal", "subnets": ["t/a", "t/b"]});
    let mut needs = network();
    needs.extend([("t/front", "load_balancer", balancer.clone()), ("t/back", "load_balancer", balancer)]);
    let bytes = |text: &str| {
        json!({"ByteMatchStatement": {
            "SearchString": text, "FieldToMatch": {"UriPath": {}}, "PositionalConstraint": "STARTS_WITH",
            "TextTransformations": [{"Priority": 0, "Type": "NONE"}],
        }})
    };
    let managed = |version: &str| {
        json!({"ManagedRuleGroupStatement": {
            "VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet", "Version": version,
            "RuleActionOverrides": [{"Name": "SizeRestrictions_BODY", "ActionToUse": {"Count": {}}}],
        }})
    };
    let first = json!({
        "name": "guard-one", "description": "first of its kind", "default_action": "block",
        "default_response": {"status": 429, "body": "wait", "headers": {"Retry-After": "60"}},
        "rules": {
            "common": {"priority": 0, "group_action": "count", "statement": managed("Version_1.4")},
            "often": {
                "priority": 1, "action": "block", "labels": ["often"],
                "statement": {"RateBasedStatement": {
                    "Limit": 1000, "AggregateKeyType": "IP", "ScopeDownStatement": bytes("/ログイン"),
                }},
            },
        },
        "visibility": {"metrics": true, "samples": true, "metric": "guard"},
        "response_bodies": {"wait": {"content_type": "text_plain", "content": "お待ちください"}},
        "captcha_immunity": "10m", "challenge_immunity": "10m", "token_domains": ["example.jp"],
        "load_balancers": ["t/front"],
        "logging": {
            "destination": "arn:aws:s3:::aws-waf-logs-one", "redacted": {"headers": ["cookie"], "query": true},
        },
        "tags": {"名前": "門番"},
    });
    let second = json!({
        "name": "guard-one", "description": "second of its kind", "default_action": "allow",
        "default_headers": {"x-guarded": "yes"},
        "rules": {
            "common": {"priority": 5, "group_action": "none", "statement": managed("Version_1.5")},
            "either": {
                "priority": 1, "action": "captcha", "captcha_immunity": "5m", "insert_headers": {"x-often": "1"},
                "statement": {"OrStatement": {"Statements": [
                    {"GeoMatchStatement": {"CountryCodes": ["XX"]}}, {"NotStatement": {"Statement": bytes("/公開")}},
                ]}},
            },
        },
        "visibility": {"metrics": false, "samples": false, "metric": "guard"},
        "response_bodies": {"sorry": {"content_type": "text_html", "content": "<p>すみません</p>"}},
        "captcha_immunity": "20m", "challenge_immunity": "20m", "token_domains": ["example.jp", "example.com"],
        "load_balancers": ["t/back"],
        "logging": {
            "destination": "arn:aws:s3:::aws-waf-logs-two",
            "filter": {"default": "drop", "filters": [
                {"behavior": "keep", "requirement": "any", "actions": ["block"], "labels": ["awswaf:managed:x"]},
            ]},
        },
        "tags": {"名前": "番人", "b": "2"},
    });
    Case {
        kind: "web_acl",
        needs,
        second,
        third: Some(changed(&first, &json!({"name": "guard-two"}))),
        first,
        ..Case::default()
    }
}

#[test]
fn web_acl_creates_reads_back_changes_and_deletes() {
    run(web_acl());
}
