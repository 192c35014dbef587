//! Listeners against scripted answers, and their rules.

use serde_json::{Value, json};

use super::*;
use crate::model::kind::{Kind, Problems};
use crate::providers::aws::elb::attributes as table;
use crate::providers::aws::elb::listener_rules::NAME_TAG;
use crate::providers::aws::script::{Script, owner};

const BALANCER: &str = "arn:aws:elasticloadbalancing:r:1:loadbalancer/app/web/50dc";
const ARN: &str = "arn:aws:elasticloadbalancing:r:1:listener/app/web/50dc/f2f7";
const RULE: &str = "arn:aws:elasticloadbalancing:r:1:listener-rule/app/web/50dc/f2f7";

fn listeners(port: i32, more: &str) -> String {
    format!(
        "<Listeners><member><ListenerArn>{ARN}</ListenerArn><LoadBalancerArn>{BALANCER}</LoadBalancerArn>\
         <Port>{port}</Port><Protocol>HTTPS</Protocol>{more}</member></Listeners>"
    )
}

fn tags_of(all: &[(&str, Tags)]) -> String {
    let one = |(arn, tags): &(&str, Tags)| {
        let tags = tags.iter().map(|(k, v)| format!("<member><Key>{k}</Key><Value>{v}</Value></member>"));
        format!("<member><ResourceArn>{arn}</ResourceArn><Tags>{}</Tags></member>", tags.collect::<String>())
    };
    format!("<TagDescriptions>{}</TagDescriptions>", all.iter().map(one).collect::<String>())
}

/// Tags of the listener, and of rules by the end of their ARN.
fn tagged(rules: &[(&str, &str)]) -> String {
    let arns: Vec<String> = rules.iter().map(|(id, _)| format!("{RULE}/{id}")).collect();
    let name = |name: &str| Tags::from([(NAME_TAG.to_owned(), name.to_owned())]);
    let mut all = vec![(ARN, owner().tags())];
    all.extend(arns.iter().zip(rules).map(|(arn, (_, own))| (arn.as_str(), name(own))));
    tags_of(&all)
}

fn rules(all: &[(&str, &str)]) -> String {
    let one = |(id, priority): &(&str, &str)| {
        format!(
            "<member><RuleArn>{RULE}/{id}</RuleArn><Priority>{priority}</Priority><IsDefault>{}</IsDefault></member>",
            *priority == "default"
        )
    };
    format!("<Rules>{}</Rules>", all.iter().map(one).collect::<String>())
}

fn there() -> Script {
    Script::default()
        .elb("DescribeListeners", &listeners(443, ""))
        .elb("DescribeTags", &tagged(&[]))
        .elb("DescribeListenerCertificates", "")
        .elb("DescribeListenerAttributes", "")
        .elb("DescribeRules", &rules(&[("0", "default")]))
        .elb("ModifyListener", "")
}

fn spec(more: &Value) -> Value {
    let mut spec = json!({
        "load_balancer": {"id": BALANCER}, "port": 443, "protocol": "https", "certificate": {"id": "arn:cert"},
        "default_actions": [{"forward": {"target_groups": [{"target_group": {"id": "arn:tg"}}]}}],
    });
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
        if value.is_null() {
            spec.as_object_mut().unwrap().remove(key);
        }
    }
    spec
}

fn oidc(client: &str) -> Value {
    json!({"authenticate_oidc": {
        "issuer": "https://i.example", "authorization_endpoint": "https://i.example/a",
        "token_endpoint": "https://i.example/t", "user_info_endpoint": "https://i.example/u", "client_id": client,
        "timeout": "1h", "unauthenticated": "deny", "parameters": {"prompt": "login"},
    }})
}

fn answer() -> Value {
    json!({"fixed_response": {"status": "404", "content_type": "text/plain", "body": "ありません"}})
}

fn rule(priority: i32, path: &str) -> Value {
    json!({"priority": priority, "conditions": [{"path": [path]}], "actions": [answer()]})
}

fn problems(spec: &Value) -> Vec<String> {
    let spec: Spec = serde_json::from_value(spec.clone()).unwrap();
    let mut problems = Problems::default();
    Listener::validate(&spec, &mut problems);
    problems.0.into_iter().map(|p| p.path).collect()
}

#[test]
fn every_attribute_has_a_field_that_is_read_only_where_it_is_declared() {
    let kinds = crate::providers::kinds();
    let schema = &kinds.get("listener").unwrap().schema;
    assert_eq!(table::fields(TABLE), FIELDS);
    for field in FIELDS {
        assert!(schema.field(field).unwrap().deep, "{field}");
    }
}

#[test]
fn attributes_are_read_as_they_are_written() {
    let text = |field: &str| (field.to_owned(), Value::from(format!("value of {field}")));
    let responses = [
        "strict_transport_security",
        "content_security_policy",
        "content_type_options",
        "frame_options",
        "allow_origin",
        "allow_methods",
        "allow_headers",
        "allow_credentials",
        "expose_headers",
        "max_age",
    ];
    let requests = [
        "certificate",
        "certificate_leaf",
        "certificate_issuer",
        "certificate_subject",
        "certificate_serial_number",
        "certificate_validity",
        "tls_version",
        "tls_cipher_suite",
    ];
    let mut attributes = json!({"idle_timeout": "2m", "reset_when_idle": true});
    attributes["response_headers"] = responses.map(text).into_iter().collect();
    attributes["response_headers"]["server"] = json!(false);
    attributes["request_headers"] = requests.map(text).into_iter().collect();
    let none = |_: &Value| Ok::<_, ()>(String::new());
    let pairs = table::to_write(TABLE, &attributes, &|_| true, &none).unwrap();
    assert_eq!(pairs.len(), TABLE.len());
    let values = pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect();
    let plain: Spec = serde_json::from_value(spec(&json!({}))).unwrap();
    let read = serde_json::to_value(with_attributes(&plain, &values).unwrap()).unwrap();
    for (field, value) in attributes.as_object().unwrap() {
        assert_eq!(&read[field], value, "{field}");
    }
}

#[test]
fn tls_is_1_3_only_unless_somebody_says_otherwise_and_none_where_there_is_no_tls() {
    let of = |protocol: &str, policy: &str| {
        observed(&ApiListener::builder().protocol(protocol.into()).ssl_policy(policy).build()).security_policy
    };
    assert_eq!(of("HTTPS", "ELBSecurityPolicy-2016-08"), "ELBSecurityPolicy-2016-08");
    assert_eq!(of("HTTP", "ELBSecurityPolicy-2016-08"), default_policy());
    let declared: Spec = serde_json::from_value(spec(&json!({}))).unwrap();
    assert_eq!(declared.security_policy, "ELBSecurityPolicy-TLS13-1-3-2021-06");
}

#[test]
fn port_protocol_and_certificates_fit_each_other() {
    let none = Value::Null;
    assert!(problems(&spec(&json!({}))).is_empty());
    assert_eq!(problems(&spec(&json!({"certificate": none}))), ["certificate"]);
    assert_eq!(problems(&spec(&json!({"protocol": "http"}))), ["certificate"]);
    let http = json!({"protocol": "http", "certificate": none, "security_policy": "ELBSecurityPolicy-2016-08"});
    assert_eq!(problems(&spec(&http)), ["security_policy"]);
    assert_eq!(problems(&spec(&json!({"port": none}))), ["port"]);
    let gateway = json!({"port": none, "protocol": none, "certificate": none, "idle_timeout": "6m"});
    assert!(problems(&spec(&gateway)).is_empty());
    assert_eq!(problems(&spec(&json!({"alpn": "http2_preferred", "idle_timeout": "2m"}))), ["alpn", "idle_timeout"]);
    assert!(problems(&spec(&json!({"protocol": "tls", "alpn": "http2_preferred"}))).is_empty());
    assert_eq!(problems(&spec(&json!({"protocol": "tls", "mutual_tls": {"mode": "off"}}))), ["mutual_tls"]);
    assert_eq!(problems(&spec(&json!({"mutual_tls": {"mode": "verify"}}))), ["mutual_tls.trust_store"]);
    let lax = json!({"mutual_tls": {"mode": "passthrough", "ignore_expiry": true}});
    assert_eq!(problems(&spec(&lax)), ["mutual_tls.ignore_expiry"]);
    let tls = json!({"protocol": "tls", "rules": {"a": rule(1, "/a")}, "response_headers": {"server": false}});
    assert_eq!(problems(&spec(&tls))[..2], ["rules", "response_headers"]);
}

#[test]
fn only_listeners_of_tcp_and_of_gateways_have_an_idle_timeout_that_can_be_chosen() {
    let plain = json!({"certificate": null, "idle_timeout": "6m"});
    for (protocol, fits) in [("tcp", true), ("udp", false), ("tcp_udp", false), ("tls", false), ("https", false)] {
        let mut listener = spec(&plain);
        listener["protocol"] = json!(protocol);
        assert_eq!(!problems(&listener).contains(&"idle_timeout".to_owned()), fits, "{protocol}");
    }
}

#[test]
fn actions_end_with_one_that_answers() {
    let actions = |list: Value| problems(&spec(&json!({"default_actions": list, "client_secrets": {"c": "s"}})));
    assert!(actions(json!([oidc("c"), answer()])).is_empty());
    assert_eq!(actions(json!([oidc("c")])), ["default_actions.0"]);
    assert_eq!(actions(json!([answer(), answer()])), ["default_actions.0"]);
    assert_eq!(actions(json!([{}])), ["default_actions.0"]);
    assert_eq!(actions(json!([oidc("other"), answer()])), ["default_actions.0.authenticate_oidc"]);
    let redirect = |redirect: Value| actions(json!([{"redirect": redirect}]));
    assert_eq!(redirect(json!({"code": "permanent"})), ["default_actions.0.redirect"]);
    assert_eq!(redirect(json!({"code": "permanent", "protocol": "HTTP"})), ["default_actions.0.redirect.protocol"]);
    assert!(redirect(json!({"code": "temporary", "host": "www.#{host}"})).is_empty());
    let forward = |groups: Value| actions(json!([{"forward": {"target_groups": groups, "stickiness": "8d"}}]));
    let twice = json!([{"target_group": "s/a", "weight": 0}, {"target_group": "s/a", "weight": 0}]);
    let path = "default_actions.0.forward";
    assert_eq!(forward(twice), [path, path, "default_actions.0.forward.stickiness"]);
    let http = json!({"protocol": "http", "certificate": null, "default_actions": [oidc("c"), answer()],
        "client_secrets": {"c": "s"}});
    assert_eq!(problems(&spec(&http)), ["default_actions.0"]);
    let tcp = json!({"protocol": "tcp", "certificate": null, "default_actions": [answer()]});
    assert_eq!(problems(&spec(&tcp)), ["default_actions.0"]);
}

#[test]
fn rules_have_places_of_their_own_and_few_values() {
    let with = |rules: Value| problems(&spec(&json!({"rules": rules})));
    assert_eq!(with(json!({"a": rule(1, "/a"), "b": rule(1, "/b")})), ["rules.b.priority"]);
    let about =
        |conditions: Value| with(json!({"a": {"priority": 1, "conditions": conditions, "actions": [answer()]}}));
    assert!(
        about(json!([{"path": ["/a"]}, {"header": {"name": "X", "values": ["1"]}}, {"method": ["GET"]}])).is_empty()
    );
    assert_eq!(about(json!([{"path": ["/a"]}, {"path_regex": ["b"]}])), ["rules.a.conditions.1"]);
    assert_eq!(about(json!([{}])), ["rules.a.conditions.0"]);
    assert_eq!(about(json!([{"header": {"name": "Host", "values": ["a"]}}])), ["rules.a.conditions.0"]);
    assert_eq!(about(json!([{"header": {"name": "X"}}])), ["rules.a.conditions.0"]);
    assert_eq!(about(json!([{"path": ["1", "2", "3"]}, {"host": ["1", "2", "3"]}])), ["rules.a.conditions"]);
    assert_eq!(about(json!([{"path": ["x".repeat(129)]}])), ["rules.a.conditions.0"]);
    let mut own = rule(1, "/a");
    own["tags"] = json!({"saiken:rule": "x"});
    assert_eq!(with(json!({"a": own})), ["rules.a.tags"]);
}

#[tokio::test]
async fn a_lost_answer_is_looked_for_at_the_port_and_makes_no_second_listener() {
    let script = there().lost("CreateListener").elb("AddListenerCertificates", "").elb("ModifyListenerAttributes", "");
    let wanted = spec(&json!({
        "certificates": [{"id": "arn:more"}], "alpn": null, "response_headers": {"server": false},
        "mutual_tls": {"mode": "verify", "trust_store": "arn:store", "ignore_expiry": true, "advertise_authorities": false},
    }));
    let made = script.create::<Listener>(wanted).await.unwrap();
    assert_eq!((made.id.as_str(), script.asked("CreateListener").len()), (ARN, 1));
    assert!(script.asked("DescribeListeners")[0].contains("LoadBalancerArn="));
    let created = script.asked("CreateListener").join("");
    for part in [
        "SslPolicy=ELBSecurityPolicy-TLS13-1-3-2021-06",
        "Certificates.member.1.CertificateArn=arn%3Acert",
        "MutualAuthentication.Mode=verify",
        "MutualAuthentication.TrustStoreArn=arn%3Astore",
        "MutualAuthentication.IgnoreClientCertificateExpiry=true",
        "MutualAuthentication.AdvertiseTrustStoreCaNames=off",
        "DefaultActions.member.1.TargetGroupArn=arn%3Atg",
    ] {
        assert!(created.contains(part), "{part}: {created}");
    }
    assert!(script.asked("AddListenerCertificates")[0].contains("arn%3Amore"));
    assert!(script.asked("ModifyListenerAttributes")[0].contains("response.server.enabled"));
}

#[tokio::test]
async fn a_port_that_somebody_else_listens_on_is_left_alone() {
    let mut other = owner();
    other.address = crate::model::Address::parse("s/another").unwrap();
    let script = Script::default()
        .elb_error("CreateListener", "DuplicateListener")
        .elb("DescribeListeners", &listeners(443, ""))
        .elb("DescribeTags", &self::tags_of(&[(ARN, other.tags())]));
    let refused = script.create::<Listener>(spec(&json!({}))).await.unwrap_err();
    assert_eq!((refused.class, refused.code.as_deref()), (ErrorClass::Conflict, Some("DuplicateListener")));
}

#[tokio::test]
async fn another_protocol_takes_all_that_belongs_to_it_in_one_call() {
    let script = there();
    let http = spec(&json!({"protocol": "http", "certificate": null}));
    script.update::<Listener>(ARN, http.clone(), spec(&json!({}))).await.unwrap();
    let asked = script.asked("ModifyListener").join("");
    for part in ["Protocol=HTTPS", "SslPolicy=ELBSecurityPolicy-TLS13-1-3", "arn%3Acert", "DefaultActions.member.1"] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    let script = there();
    script.update::<Listener>(ARN, spec(&json!({})), spec(&json!({"port": 8443}))).await.unwrap();
    let asked = script.asked("ModifyListener").join("");
    assert!(asked.contains("Port=8443") && !asked.contains("SslPolicy") && !asked.contains("Actions"), "{asked}");
    let script = there();
    let tls = |alpn: &str| spec(&json!({"protocol": "tls", "alpn": alpn}));
    script.update::<Listener>(ARN, tls("http1_only"), tls("http2_preferred")).await.unwrap();
    let asked = script.asked("ModifyListener").join("");
    assert!(asked.contains("AlpnPolicy.member.1=HTTP2Preferred"), "{asked}");
    let script = there();
    let mutual = |mode: &str| spec(&json!({"mutual_tls": {"mode": mode}}));
    script.update::<Listener>(ARN, mutual("off"), mutual("passthrough")).await.unwrap();
    assert!(script.asked("ModifyListener")[0].contains("MutualAuthentication.Mode=passthrough"));
}

#[tokio::test]
async fn another_secret_is_written_to_the_default_actions_and_to_the_rules_that_log_in() {
    let script = Script::default()
        .elb("DescribeListeners", &listeners(443, ""))
        .elb("DescribeTags", &tagged(&[("1", "login"), ("2", "plain")]))
        .elb("DescribeListenerCertificates", "")
        .elb("DescribeListenerAttributes", "")
        .elb("DescribeRules", &rules(&[("1", "5"), ("2", "6"), ("0", "default")]))
        .elb("ModifyListener", "")
        .elb("ModifyRule", "")
        .elb("AddTags", "");
    let with = |secret: &str| {
        let login = json!({"priority": 5, "conditions": [{"path": ["/a"]}], "actions": [oidc("c"), answer()]});
        spec(&json!({
            "default_actions": [oidc("c"), answer()], "rules": {"login": login, "plain": rule(6, "/b")},
            "client_secrets": {"c": secret},
        }))
    };
    script.update::<Listener>(ARN, with("old"), with("new")).await.unwrap();
    let asked = script.asked("ModifyListener").join("");
    assert!(asked.contains("ClientSecret=new") && asked.contains("Order=2"), "{asked}");
    let changed = script.asked("ModifyRule");
    assert!(changed.len() == 1 && changed[0].contains("ClientSecret=new"), "{changed:?}");
}

#[tokio::test]
async fn rules_make_room_before_others_come_and_go_at_last() {
    let before = [("1", "10"), ("2", "20"), ("3", "30"), ("0", "default")];
    let script = Script::default()
        .elb("DescribeRules", &rules(&before))
        .elb("DescribeTags", &tagged(&[("1", "a"), ("2", "gone"), ("3", "moves")]))
        .elb("DescribeListeners", &listeners(443, ""))
        .elb("DescribeListenerCertificates", "")
        .elb("DescribeListenerAttributes", "")
        .elb("ModifyRule", "")
        .elb("SetRulePriorities", "")
        .elb("CreateRule", "")
        .elb("DeleteRule", "");
    let with = |rules: Value| spec(&json!({"rules": rules}));
    let from = with(json!({"a": rule(10, "/a"), "gone": rule(20, "/gone"), "moves": rule(30, "/m")}));
    let mut new = rule(20, "/new");
    new["rewrite_url"] = json!({"regex": "^/new", "replace": "/"});
    new["tags"] = json!({"team": "w"});
    let to = with(json!({"a": rule(10, "/b"), "moves": rule(40, "/m"), "new": new}));
    script.update::<Listener>(ARN, from, to).await.unwrap();
    let writes = |o: &String| !o.starts_with("Describe");
    let order: Vec<String> = script.operations().into_iter().filter(writes).collect();
    assert_eq!(order, ["ModifyRule", "SetRulePriorities", "CreateRule", "DeleteRule"]);
    assert!(script.asked("ModifyRule")[0].contains("f2f7%2F1"));
    let places = script.asked("SetRulePriorities").join("");
    assert!(places.contains("member.1.Priority=40") && places.contains("member.2.Priority=50000"), "{places}");
    let created = script.asked("CreateRule").join("");
    for part in ["Priority=20", "saiken%3Arule", "Transforms.member.1.UrlRewriteConfig", "Tags.member.2.Value=w"] {
        assert!(created.contains(part), "{part}: {created}");
    }
    assert!(script.asked("DeleteRule")[0].contains("f2f7%2F2"));
}

#[tokio::test]
async fn a_rewrite_that_is_no_longer_declared_is_taken_from_its_rule() {
    let rewrite = "<Transforms><member><Type>url-rewrite</Type><UrlRewriteConfig><Rewrites><member><Regex>a</Regex>\
                   <Replace>b</Replace></member></Rewrites></UrlRewriteConfig></member></Transforms><IsDefault>";
    let there = rules(&[("1", "10"), ("2", "20")]).replacen("<IsDefault>", rewrite, 1);
    let script = Script::default()
        .elb("DescribeRules", &there)
        .elb("DescribeTags", &tagged(&[("1", "a"), ("2", "b")]))
        .elb("DescribeListeners", &listeners(443, ""))
        .elb("DescribeListenerCertificates", "")
        .elb("DescribeListenerAttributes", "")
        .elb("ModifyRule", "");
    let mut rewritten = rule(10, "/a");
    rewritten["rewrite_url"] = json!({"regex": "a", "replace": "b"});
    let (from, to) = (json!({"a": rewritten, "b": rule(20, "/b")}), json!({"a": rule(10, "/a"), "b": rule(20, "/c")}));
    script.update::<Listener>(ARN, spec(&json!({"rules": from})), spec(&json!({"rules": to}))).await.unwrap();
    let changed = script.asked("ModifyRule");
    assert!(changed.len() == 2 && changed[0].contains("ResetTransforms=true"), "{changed:?}");
    assert!(!changed[1].contains("ResetTransforms"), "{changed:?}");
}

#[tokio::test]
async fn a_rule_goes_over_to_the_target_group_that_has_taken_the_place_of_another() {
    let old = "<Actions><member><Type>forward</Type><TargetGroupArn>arn:old</TargetGroupArn></member></Actions>";
    let there = rules(&[("1", "10"), ("2", "20")]).replacen("<IsDefault>", &format!("{old}<IsDefault>"), 1);
    let script = Script::default()
        .elb("DescribeRules", &there)
        .elb("DescribeTags", &tagged(&[("1", "a"), ("2", "b")]))
        .elb("DescribeListeners", &listeners(443, ""))
        .elb("DescribeListenerCertificates", "")
        .elb("DescribeListenerAttributes", "")
        .elb("ModifyRule", "");
    let with = |path: &str| {
        let forward = json!([{"forward": {"target_groups": [{"target_group": "s/other"}]}}]);
        let rule_a = json!({"priority": 10, "conditions": [{"path": ["/a"]}], "actions": forward});
        spec(&json!({"rules": {"a": rule_a, "b": rule(20, path)}}))
    };
    // The engine sees that the group at this address is another one; in the specs the address is the same.
    script.update::<Listener>(ARN, with("/b"), with("/c")).await.unwrap();
    let changed = script.asked("ModifyRule");
    assert!(changed.len() == 2 && changed[0].contains("TargetGroupArn=other"), "{changed:?}");
}

#[tokio::test]
async fn a_rule_whose_creating_call_was_not_answered_is_found_by_its_name_and_place() {
    let script = || {
        Script::default()
            .elb("DescribeListeners", &listeners(443, ""))
            .elb("DescribeListenerCertificates", "")
            .elb("DescribeListenerAttributes", "")
            .elb("DescribeRules", &rules(&[("0", "default")]))
    };
    let with = |rules: Value| spec(&json!({"rules": rules}));
    let (from, to) = (with(json!({})), with(json!({"a": rule(10, "/a")})));
    let made = script()
        .elb("DescribeTags", &tagged(&[("1", "a")]))
        .lost("CreateRule")
        .elb("DescribeRules", &rules(&[("1", "10")]));
    let read = made.update::<Listener>(ARN, from.clone(), to.clone()).await.unwrap();
    assert_eq!(made.asked("CreateRule").len(), 1);
    assert_eq!(read.spec["rules"]["a"]["priority"], 10);
    let taken = script()
        .elb("DescribeTags", &tagged(&[("1", "other")]))
        .elb_error("CreateRule", "PriorityInUse")
        .elb("DescribeRules", &rules(&[("1", "10")]));
    let refused = taken.update::<Listener>(ARN, from, to).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("PriorityInUse"));
}

#[test]
fn a_group_in_the_short_form_has_a_weight_and_what_is_new_to_us_does_nothing() {
    let action = aws_sdk_elasticloadbalancingv2::types::Action::builder()
        .r#type("forward".into())
        .target_group_arn("arn:tg")
        .build();
    let read = serde_json::to_value(actions::observed(&[action])).unwrap();
    let group = json!({"target_group": {"id": "arn:tg"}, "weight": 1});
    assert_eq!(read, json!([{"forward": {"target_groups": [group], "stickiness": "0s"}}]));
    let new = aws_sdk_elasticloadbalancingv2::types::Action::builder().r#type("a-new-one".into()).build();
    assert_eq!(serde_json::to_value(actions::observed(&[new])).unwrap(), json!([{}]));
}

#[tokio::test]
async fn listeners_of_our_load_balancers_and_those_that_the_index_knows_are_read() {
    let balancer = format!(
        "<LoadBalancers><member><LoadBalancerArn>{BALANCER}</LoadBalancerArn><LoadBalancerName>p-e-web</LoadBalancerName>\
         </member></LoadBalancers>"
    );
    let elsewhere = "arn:aws:elasticloadbalancing:r:1:listener/app/theirs/9/8";
    let index = json!({"ResourceTagMappingList": [{"ResourceARN": elsewhere, "Tags": []}]});
    let script = Script::default()
        .answer("GetResources", 200, &index.to_string())
        .elb("DescribeLoadBalancers", &balancer)
        .elb("DescribeListeners", &listeners(443, ""))
        .elb_error("DescribeListeners", "LoadBalancerNotFound")
        .elb("DescribeTags", &tagged(&[]))
        .elb("DescribeListenerCertificates", "")
        .elb("DescribeListenerAttributes", "")
        .elb("DescribeRules", "");
    let found = script.read::<Listener>().await.unwrap();
    assert_eq!(found.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), [ARN]);
    let asked = script.asked("DescribeListeners").join(" ");
    assert!(asked.contains("app%2Ftheirs%2F9") && asked.contains("app%2Fweb%2F50dc"), "{asked}");
}
