//! Web access lists against scripted answers, and their rules.

use super::*;
use crate::model::kind::{Kind, Problems};
use crate::providers::aws::script::{Script, owner};

const ARN: &str = "arn:aws:wafv2:ap-northeast-1:1:regional/webacl/p-e-s-it/id-1";

fn list(more: &Value) -> String {
    let mut list = json!({
        "Name": "p-e-s-it", "Id": "id-1", "ARN": ARN, "DefaultAction": {"Allow": {}}, "Capacity": 5,
        "VisibilityConfig": {"SampledRequestsEnabled": true, "CloudWatchMetricsEnabled": true, "MetricName": "m"},
        "LabelNamespace": "awswaf:1:webacl:it:", "ManagedByFirewallManager": false, "Rules": [],
    });
    list.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"WebACL": list, "LockToken": "token-1"}).to_string()
}

fn lists(names: &[&str], marker: &Value) -> String {
    let one = |name: &&str| json!({"Name": name, "Id": "id-1", "ARN": ARN.replace("p-e-s-it", name), "LockToken": "t"});
    json!({"WebACLs": names.iter().map(one).collect::<Vec<_>>(), "NextMarker": marker}).to_string()
}

fn tagged(address: &str) -> String {
    let mut owner = owner();
    owner.address = crate::model::Address::parse(address).unwrap();
    let tags: Vec<Value> = owner.tags().into_iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect();
    json!({"TagInfoForResource": {"ResourceARN": ARN, "TagList": tags}}).to_string()
}

fn error(script: Script, operation: &str, code: &str) -> Script {
    script.answer(operation, 400, &json!({"__type": code, "message": code}).to_string())
}

fn there(more: &Value) -> Script {
    let script = Script::default()
        .answer("ListTagsForResource", 200, &tagged("s/it"))
        .answer("GetWebACL", 200, &list(more))
        .answer("ListResourcesForWebACL", 200, r#"{"ResourceArns": []}"#);
    error(script, "GetLoggingConfiguration", "WAFNonexistentItemException")
}

fn sent(script: &Script, operation: &str) -> Vec<Value> {
    script.asked(operation).iter().map(|body| serde_json::from_str(body).unwrap()).collect()
}

fn geo(priority: i32) -> Value {
    json!({"priority": priority, "action": "block", "statement": {"GeoMatchStatement": {"CountryCodes": ["XX"]}}})
}

fn spec(more: &Value) -> Value {
    let mut spec = json!({"default_action": "allow"});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

fn problems(more: &Value) -> Vec<String> {
    let spec: Spec = serde_json::from_value(spec(more)).unwrap();
    let mut problems = Problems::default();
    WebAcl::validate(&spec, &mut problems);
    problems.0.into_iter().map(|p| p.path).collect()
}

/// A list with all that can be declared of it.
fn whole() -> Value {
    json!({
        "name": "p-e-s-it", "description": "all of it", "default_action": "block",
        "default_response": {"status": 429, "body": "wait", "headers": {"Retry-After": "60"}},
        "rules": {
            "managed": {
                "priority": 0, "group_action": "count", "labels": [],
                "visibility": {"metrics": true, "samples": false, "metric": "managed"},
                "statement": {"ManagedRuleGroupStatement": {
                    "VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet", "Version": "Version_1.4",
                    "RuleActionOverrides": [{"Name": "SizeRestrictions_BODY", "ActionToUse": {"Count": {}}}],
                }},
            },
            "often": {
                "priority": 1, "action": "captcha", "insert_headers": {"x-often": "1"}, "labels": ["often"],
                "captcha_immunity": "5m", "challenge_immunity": "10m",
                "visibility": {"metrics": true, "samples": true, "metric": "often"},
                "statement": {"RateBasedStatement": {"Limit": 1000, "AggregateKeyType": "IP", "ScopeDownStatement": {
                    "ByteMatchStatement": {
                        "SearchString": "/login", "FieldToMatch": {"UriPath": {}}, "PositionalConstraint": "EXACTLY",
                        "TextTransformations": [{"Priority": 0, "Type": "LOWERCASE"}],
                    },
                }}},
            },
        },
        "visibility": {"metrics": true, "samples": true, "metric": "web"},
        "response_bodies": {"wait": {"content_type": "text_plain", "content": "お待ちください"}},
        "captcha_immunity": "10m", "challenge_immunity": "1h", "token_domains": ["example.jp"],
    })
}

#[test]
fn a_list_is_read_as_it_is_written() {
    let declared: Spec = serde_json::from_value(whole()).unwrap();
    let mut body = Map::new();
    overlay(&mut body, &declared, "p-e-s-it");
    assert_eq!(
        body["Rules"][1]["Statement"]["RateBasedStatement"]["ScopeDownStatement"]["ByteMatchStatement"]["SearchString"],
        "L2xvZ2lu"
    );
    body.insert("Name".to_owned(), json!("p-e-s-it"));
    let mut read = serde_json::to_value(observed(&Value::Object(body)).unwrap()).unwrap();
    crate::model::kind::drop_nulls(&mut read);
    assert_eq!(read, whole());
}

#[test]
fn log_settings_are_read_as_they_are_written() {
    let declared = json!({
        "destination": "arn:aws:s3:::aws-waf-logs-web",
        "redacted": {"headers": ["authorization", "cookie"], "uri_path": false, "query": true, "method": true},
        "filter": {"default": "drop", "filters": [
            {"behavior": "keep", "requirement": "any", "actions": ["block", "excluded_as_count"], "labels": ["a:b"]},
        ]},
    });
    let logging: parts::Logging = serde_json::from_value(declared.clone()).unwrap();
    let read = parts::observed_logging(&parts::logging(ARN, &logging));
    assert_eq!(serde_json::to_value(read).unwrap(), declared);
    let headers = |names: Value| serde_json::from_value::<parts::Redacted>(json!({"headers": names})).unwrap();
    assert_eq!(headers(json!(["Cookie"])), headers(json!(["cookie"])), "the case of a header does not count");
}

#[test]
fn rules_answers_and_logs_fit_each_other() {
    assert!(problems(&json!({"rules": {"a": geo(0)}})).is_empty());
    assert_eq!(problems(&json!({"rules": {"a": geo(0), "b": geo(0)}})), ["rules.b.priority"]);
    assert_eq!(problems(&json!({"rules": {"国": geo(0)}})), ["rules.国"]);
    let with = |more: Value| {
        let mut rule = geo(0);
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        problems(
            &json!({"rules": {"a": rule}, "response_bodies": {"b": {"content_type": "text_html", "content": "x"}}}),
        )
    };
    assert_eq!(with(json!({"action": null})), ["rules.a.action"]);
    assert_eq!(with(json!({"group_action": "count"})), ["rules.a.group_action"]);
    assert_eq!(with(json!({"insert_headers": {"x": "1"}})), ["rules.a.insert_headers"]);
    assert_eq!(with(json!({"response": {"status": 403, "body": "none"}})), ["rules.a.response.body"]);
    assert_eq!(with(json!({"action": "count", "response": {"status": 403}})), ["rules.a.response"]);
    assert_eq!(with(json!({"captcha_immunity": "4d"})), ["rules.a.captcha_immunity"]);
    let managed = json!({"ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": "x"}});
    assert_eq!(with(json!({"statement": managed})), ["rules.a.action"]);
    assert!(with(json!({"statement": managed, "action": null})).is_empty());
    assert_eq!(problems(&json!({"default_response": {"status": 403}})), ["default_response"]);
    assert_eq!(problems(&json!({"default_action": "block", "default_headers": {"x": "1"}})), ["default_headers"]);
    assert_eq!(problems(&json!({"challenge_immunity": "1m"})), ["challenge_immunity"]);
    let log = |to: &str| problems(&json!({"logging": {"destination": to}}));
    assert!(log("arn:aws:logs:r:1:log-group:aws-waf-logs-web").is_empty());
    assert!(log("").is_empty());
    assert_eq!(log("arn:aws:s3:::logs"), ["logging.destination"]);
    let filter = json!({"default": "keep", "filters": [{"behavior": "drop", "requirement": "all"}]});
    let none = json!({"logging": {"destination": "", "filter": filter}});
    assert_eq!(problems(&none), ["logging.filter.filters.0"]);
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_list_and_the_rest_is_done() {
    let index = json!({"ResourceTagMappingList": []}).to_string();
    let script = there(&json!({}))
        .lost("CreateWebACL")
        .answer("ListWebACLs", 200, &lists(&["other", "p-e-s-it"], &json!("other")))
        .answer("ListWebACLs", 200, &lists(&[], &Value::Null))
        .answer("GetResources", 200, &index)
        .answer("PutLoggingConfiguration", 200, "{}");
    // A load balancer that is new is not known to the service at once.
    let script = error(script, "AssociateWebACL", "WAFUnavailableEntityException").answer("AssociateWebACL", 200, "{}");
    let wanted = spec(&json!({
        "rules": {"a": geo(0)}, "load_balancers": ["s/other"],
        "logging": {"destination": "arn:aws:s3:::aws-waf-logs-web"},
    }));
    let made = script.create::<WebAcl>(wanted).await.unwrap();
    assert_eq!(made.id, ARN);
    let created = sent(&script, "CreateWebACL");
    assert_eq!(created.len(), 1);
    assert_eq!((&created[0]["Name"], &created[0]["Scope"]), (&json!("p-e-s-it"), &json!("REGIONAL")));
    assert_eq!(created[0]["Rules"][0]["Statement"]["GeoMatchStatement"]["CountryCodes"], json!(["XX"]));
    assert!(created[0]["Tags"].as_array().unwrap().iter().any(|t| t["Value"] == "s/it"));
    assert_eq!(sent(&script, "AssociateWebACL").len(), 2);
    assert_eq!(sent(&script, "AssociateWebACL")[1]["ResourceArn"], "other");
    assert_eq!(script.asked("ListWebACLs").len(), 2, "the last page is an empty one");
}

#[tokio::test]
async fn what_a_rule_names_may_be_too_new_for_the_service_when_a_list_is_made_and_when_it_is_written() {
    let new = |operation: &str| error(there(&json!({})), operation, "WAFUnavailableEntityException");
    let script = new("CreateWebACL").answer("CreateWebACL", 200, &json!({"Summary": {"ARN": ARN}}).to_string());
    script.create::<WebAcl>(spec(&json!({"rules": {"a": geo(0)}}))).await.unwrap();
    assert_eq!(script.asked("CreateWebACL").len(), 2);
    let script = new("UpdateWebACL").answer("UpdateWebACL", 200, "{}");
    let (from, to) = (spec(&json!({"rules": {}})), spec(&json!({"rules": {"a": geo(0)}})));
    script.update::<WebAcl>(ARN, from, to).await.unwrap();
    assert_eq!(script.asked("UpdateWebACL").len(), 2);
}

#[tokio::test]
async fn a_name_that_somebody_else_has_is_left_alone() {
    let script = Script::default()
        .answer("ListWebACLs", 200, &lists(&["p-e-s-it"], &Value::Null))
        .answer("GetResources", 200, r#"{"ResourceTagMappingList": []}"#)
        .answer("ListTagsForResource", 200, &tagged("s/another"))
        .answer("GetWebACL", 200, &list(&json!({})));
    let script = error(script, "CreateWebACL", "WAFDuplicateItemException");
    let refused = script.create::<WebAcl>(spec(&json!({}))).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("WAFDuplicateItemException"));
}

#[tokio::test]
async fn what_is_not_declared_is_written_back_and_somebody_elses_change_is_read_first() {
    let script = there(&json!({
        "OnSourceDDoSProtectionConfig": {"ALBLowReputationMode": "ACTIVE_UNDER_DDOS"}, "Description": "theirs",
        "DefaultAction": {"Allow": {"CustomRequestHandling": {"InsertHeaders": [{"Name": "x", "Value": "1"}]}}},
    }));
    let script = error(script, "UpdateWebACL", "WAFOptimisticLockException").answer("UpdateWebACL", 200, "{}");
    let (from, to) = (spec(&json!({"rules": {}})), spec(&json!({"rules": {"a": geo(0)}})));
    script.update::<WebAcl>(ARN, from, to).await.unwrap();
    let written = sent(&script, "UpdateWebACL");
    assert_eq!(written.len(), 2);
    let body = &written[1];
    assert_eq!(
        (&body["LockToken"], &body["Id"], &body["Scope"]),
        (&json!("token-1"), &json!("id-1"), &json!("REGIONAL"))
    );
    assert_eq!(body["OnSourceDDoSProtectionConfig"]["ALBLowReputationMode"], "ACTIVE_UNDER_DDOS");
    assert_eq!(body["Description"], "theirs");
    assert_eq!(body["DefaultAction"]["Allow"]["CustomRequestHandling"]["InsertHeaders"][0]["Name"], "x");
    assert_eq!(body["VisibilityConfig"]["MetricName"], "m");
    assert_eq!(body["Rules"][0]["Name"], "a");
    for told in TOLD.iter().filter(|t| !["Name", "Id", "LockToken"].contains(t)) {
        assert!(body.get(*told).is_none(), "{told}");
    }
}

#[tokio::test]
async fn logs_can_be_switched_off_and_load_balancers_come_before_others_go() {
    let script = Script::default()
        .answer("ListTagsForResource", 200, &tagged("s/it"))
        .answer("GetWebACL", 200, &list(&json!({})))
        .answer("ListResourcesForWebACL", 200, r#"{"ResourceArns": ["arn:a", "arn:b"]}"#)
        .answer("AssociateWebACL", 200, "{}")
        .answer("DisassociateWebACL", 200, "{}");
    let script = error(script, "GetLoggingConfiguration", "WAFNonexistentItemException");
    let script = error(script, "DeleteLoggingConfiguration", "WAFNonexistentItemException");
    let with = |to: &str, ids: [&str; 2]| {
        let balancers: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        spec(&json!({"logging": {"destination": to}, "load_balancers": balancers}))
    };
    let (from, to) = (with("arn:aws:s3:::aws-waf-logs-a", ["arn:a", "arn:b"]), with("", ["arn:b", "arn:c"]));
    let read = script.update::<WebAcl>(ARN, from, to).await.unwrap();
    assert_eq!(read.spec["logging"]["destination"], "");
    assert_eq!(sent(&script, "AssociateWebACL")[0]["ResourceArn"], "arn:c");
    assert_eq!(sent(&script, "DisassociateWebACL"), [json!({"ResourceArn": "arn:a"})]);
    let order = script.operations();
    let at = |name: &str| order.iter().position(|o| o == name).unwrap();
    assert!(at("AssociateWebACL") < at("DisassociateWebACL"));
    assert!(script.asked("UpdateWebACL").is_empty());
}

#[tokio::test]
async fn a_list_is_taken_away_from_its_load_balancers_before_it_goes() {
    let script = Script::default()
        .answer("ListTagsForResource", 200, &tagged("s/it"))
        .answer("GetWebACL", 200, &list(&json!({})))
        .answer("ListResourcesForWebACL", 200, r#"{"ResourceArns": ["arn:a"]}"#)
        .answer("ListResourcesForWebACL", 200, r#"{"ResourceArns": []}"#)
        .answer("DisassociateWebACL", 200, "{}")
        .answer("DeleteLoggingConfiguration", 200, "{}");
    let script = error(script, "DeleteWebACL", "WAFAssociatedItemException");
    let script = error(script, "DeleteWebACL", "WAFOptimisticLockException").answer("DeleteWebACL", 200, "{}");
    script.delete_owned::<WebAcl>(ARN, spec(&json!({})), Some(owner())).await.unwrap();
    assert_eq!(sent(&script, "DeleteWebACL").len(), 3);
    assert_eq!(sent(&script, "DeleteWebACL")[0]["LockToken"], "token-1");
}

#[tokio::test]
async fn a_list_that_stands_before_something_of_others_is_not_waited_for_and_that_is_named() {
    let none = r#"{"ResourceArns": []}"#;
    let script = Script::default()
        .answer("ListTagsForResource", 200, &tagged("s/it"))
        .answer("GetWebACL", 200, &list(&json!({})))
        .answer("ListResourcesForWebACL", 200, none)
        .answer("ListResourcesForWebACL", 200, r#"{"ResourceArns": ["arn:stage"]}"#)
        .answer("ListResourcesForWebACL", 200, none)
        .answer("DeleteLoggingConfiguration", 200, "{}");
    let script = error(script, "DeleteWebACL", "WAFAssociatedItemException");
    let refused = script.delete_owned::<WebAcl>(ARN, spec(&json!({})), Some(owner())).await.unwrap_err();
    assert!(refused.class == ErrorClass::Conflict && refused.message.contains("arn:stage"), "{refused}");
    assert_eq!(script.asked("DeleteWebACL").len(), 1);
    let types: Vec<Value> = sent(&script, "ListResourcesForWebACL").iter().map(|b| b["ResourceType"].clone()).collect();
    assert_eq!(types[..3], ["APPLICATION_LOAD_BALANCER", "API_GATEWAY", "APPSYNC"]);
    assert_eq!(types.len(), 6);
}

#[tokio::test]
async fn a_list_of_another_name_is_found_by_the_index_and_one_of_a_lost_deletion_is_not() {
    let other = ARN.replace("p-e-s-it", "of-its-own");
    let index = json!({"ResourceTagMappingList": [{"ResourceARN": other, "Tags": []}]});
    let script = Script::default()
        .answer("ListWebACLs", 200, &lists(&["of-its-own", "theirs", "p-e-gone"], &Value::Null))
        .answer("GetResources", 200, &index.to_string())
        .answer("ListTagsForResource", 200, &tagged("s/it"))
        .answer("GetWebACL", 200, &list(&json!({"Name": "of-its-own", "ARN": other})))
        .answer("ListResourcesForWebACL", 200, r#"{"ResourceArns": []}"#);
    let script = error(script, "GetWebACL", "WAFNonexistentItemException");
    let script = error(script, "GetLoggingConfiguration", "WAFNonexistentItemException");
    let found = script.read::<WebAcl>().await.unwrap();
    assert_eq!(found.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), [other.as_str()]);
    assert_eq!(script.asked("ListTagsForResource").len(), 2, "somebody else's is not asked for");
}
