use serde_json::{Value, json};

use super::*;
use crate::model::kind::KindDef;
use crate::providers::aws::script::Script;

fn error(code: &str) -> String {
    json!({"__type": code, "message": code}).to_string()
}

fn page(parameters: &[(&str, &str)]) -> String {
    let all = parameters.iter().map(|(name, ty)| {
        json!({
            "Name": name, "Type": ty, "Version": 3, "Tier": "Standard", "DataType": "text",
            "ARN": format!("arn:aws:ssm:ap-northeast-1:1:parameter/{}", name.trim_start_matches('/')),
        })
    });
    json!({"Parameters": all.collect::<Vec<_>>()}).to_string()
}

fn tags(project: &str) -> Value {
    let tags = [("project", project), ("environment", "e"), ("address", "s/it"), ("generation", "1")];
    json!(tags.map(|(k, v)| json!({"Key": format!("saiken:{k}"), "Value": v})))
}

fn tag_list(project: &str) -> String {
    json!({"TagList": tags(project)}).to_string()
}

fn asked(script: &Script, operation: &str) -> Vec<Value> {
    script.asked(operation).iter().map(|body| serde_json::from_str(body).unwrap()).collect()
}

#[tokio::test]
async fn parameters_are_chosen_by_tags_and_only_what_the_index_does_not_know_costs_a_call() {
    let index = json!({"ResourceTagMappingList": [
        {"ResourceARN": "arn:aws:ssm:ap-northeast-1:1:parameter/p/e/one", "Tags": tags("p")},
        // The same as that of `/plain`.
        {"ResourceARN": "arn:aws:ssm:ap-northeast-1:1:parameter/plain", "Tags": tags("p")},
    ]});
    let all = [("/p/e/one", "String"), ("/p/e/new", "SecureString"), ("plain", "StringList")];
    let value = |name: &str, value: &str| json!({"Name": name, "Value": value, "Version": 3});
    let values = json!({"Parameters": [value("/p/e/one", "1"), value("plain", "a,b")]});
    let script = Script::default()
        .answer("DescribeParameters", 200, &page(&all))
        .answer("GetResources", 200, &index.to_string())
        .answer("ListTagsForResource", 200, &tag_list("p"))
        .answer("GetParameters", 200, &values.to_string());
    let found = script.read::<Parameter>().await.unwrap();
    let specs: Vec<(&str, Option<&str>)> = found.iter().map(|o| (o.id.as_str(), o.spec["value"].as_str())).collect();
    assert_eq!(specs, [("/p/e/one", Some("1")), ("/p/e/new", None), ("plain", Some("a,b"))]);
    assert_eq!(script.asked("ListTagsForResource").len(), 2);
    let filters = &asked(&script, "DescribeParameters")[0]["ParameterFilters"];
    let filter =
        |key: &str, value: &str| json!({"Key": format!("tag:saiken:{key}"), "Option": "Equals", "Values": [value]});
    assert_eq!(filters, &json!([filter("environment", "e"), filter("project", "p")]));
    let values = &asked(&script, "GetParameters")[0];
    assert_eq!(values, &json!({"Names": ["/p/e/one", "plain"], "WithDecryption": false}), "never a secure one");
}

#[tokio::test]
async fn values_come_ten_a_call() {
    let names: Vec<String> = (0..21).map(|n| format!("/p/e/{n}")).collect();
    let all: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "String")).collect();
    let script = Script::default()
        .answer("DescribeParameters", 200, &page(&all))
        .answer("GetResources", 200, r#"{"ResourceTagMappingList": []}"#)
        .answer("ListTagsForResource", 200, &tag_list("p"))
        .answer("GetParameters", 200, r#"{"Parameters": []}"#);
    assert_eq!(script.read::<Parameter>().await.unwrap().len(), 21);
    let sizes =
        asked(&script, "GetParameters").iter().map(|b| b["Names"].as_array().unwrap().len()).collect::<Vec<_>>();
    assert_eq!(sizes, [10, 10, 1]);
}

#[tokio::test]
async fn one_that_went_since_the_page_was_read_is_left_out() {
    let script = Script::default()
        .answer("DescribeParameters", 200, &page(&[("/p/e/one", "String")]))
        .answer("GetResources", 200, r#"{"ResourceTagMappingList": []}"#)
        .answer("ListTagsForResource", 400, &error("InvalidResourceId"));
    assert!(script.read::<Parameter>().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_creating_call_carries_everything_and_refuses_a_name_that_is_taken() {
    let script = Script::default()
        .answer("PutParameter", 200, r#"{"Version": 1}"#)
        .answer("DescribeParameters", 200, &page(&[("/p/e/s-it", "SecureString")]))
        .answer("ListTagsForResource", 200, &tag_list("p"));
    let spec = json!({
        "type": "secure", "secret": "hidden", "key": {"id": "arn:key"}, "tier": "advanced", "allowed_pattern": "^h",
        "policies": {"expires_at": "2027-04-01T00:00:00Z", "notify_before": "36h"}, "description": "鍵",
    });
    let object = script.create::<Parameter>(spec).await.unwrap();
    let put = &asked(&script, "PutParameter")[0];
    assert_eq!(
        (&put["Name"], &put["Overwrite"], &put["KeyId"]),
        (&json!("/p/e/s-it"), &json!(false), &json!("arn:key"))
    );
    assert_eq!(
        (&put["Value"], &put["Type"], &put["Tier"]),
        (&json!("hidden"), &json!("SecureString"), &json!("Advanced"))
    );
    assert!(put["Tags"].as_array().unwrap().contains(&json!({"Key": "saiken:address", "Value": "s/it"})), "{put}");
    let policies: Value = serde_json::from_str(put["Policies"].as_str().unwrap()).unwrap();
    assert_eq!(policies[0]["Attributes"]["Timestamp"], "2027-04-01T00:00:00.000Z");
    assert_eq!(policies[1]["Attributes"], json!({"Before": "36", "Unit": "Hours"}));
    assert!(object.spec.get("secret").is_none() && object.spec.get("value").is_none(), "{:?}", object.spec);
    assert!(script.asked("GetParameters").is_empty());
}

#[tokio::test]
async fn a_change_writes_what_is_not_declared_as_it_was() {
    let script = Script::default()
        .answer("PutParameter", 200, r#"{"Version": 2}"#)
        .answer("DescribeParameters", 200, &page(&[("/own", "SecureString")]))
        .answer("ListTagsForResource", 200, &tag_list("p"));
    let before = json!({
        "type": "secure", "key": {"id": "arn:key"}, "tier": "advanced", "allowed_pattern": "^h", "data_type": "text",
        "policies": {"notify_unchanged": "30d"}, "description": "old",
    });
    let after = json!({"type": "secure", "secret": "next", "policies": {}});
    script.update::<Parameter>("/own", before, after).await.unwrap();
    let put = &asked(&script, "PutParameter")[0];
    let expected = json!({
        "Name": "/own", "Type": "SecureString", "Value": "next", "KeyId": "arn:key",
        "Tier": "Advanced", "Policies": "[{}]",
        "AllowedPattern": "^h", "DataType": "text", "Description": "old", "Overwrite": true,
    });
    assert_eq!(put, &expected, "an empty list of policies takes them away");
}

#[tokio::test]
async fn an_advanced_parameter_does_not_become_a_standard_one() {
    let of = |tier: &str| json!({"type": "text", "value": "x", "tier": tier});
    let refused = Script::default().update::<Parameter>("/own", of("advanced"), of("standard")).await.unwrap_err();
    assert!(refused.message.contains("under another name"), "{refused}");
}

#[tokio::test]
async fn a_name_that_is_ours_is_taken_as_made_and_anybody_elses_is_refused() {
    let of = |project: &str| {
        Script::default()
            .answer("PutParameter", 400, &error("ParameterAlreadyExists"))
            .answer("DescribeParameters", 200, &page(&[("/own", "String")]))
            .answer("ListTagsForResource", 200, &tag_list(project))
            .answer("GetParameters", 200, r#"{"Parameters": []}"#)
    };
    let spec = json!({"name": "/own", "type": "text", "value": "x"});
    assert_eq!(of("p").create::<Parameter>(spec.clone()).await.unwrap().id, "/own");
    assert_eq!(of("another").create::<Parameter>(spec).await.unwrap_err().class, ErrorClass::Conflict);
}

#[tokio::test]
async fn the_name_of_one_that_was_deleted_a_moment_ago_is_waited_for() {
    let script = Script::default()
        .answer("PutParameter", 400, &error("ParameterAlreadyExists"))
        .answer("PutParameter", 200, r#"{"Version": 1}"#)
        .answer("DescribeParameters", 200, r#"{"Parameters": []}"#)
        .answer("DescribeParameters", 200, &page(&[("/own", "String")]))
        .answer("ListTagsForResource", 200, &tag_list("p"))
        .answer("GetParameters", 200, r#"{"Parameters": []}"#);
    script.create::<Parameter>(json!({"name": "/own", "type": "text", "value": "x"})).await.unwrap();
    assert_eq!(script.asked("PutParameter").len(), 2);
}

#[tokio::test]
async fn a_creating_call_without_answer_is_not_made_again() {
    let script = Script::default()
        .lost("PutParameter")
        .answer("DescribeParameters", 200, r#"{"Parameters": []}"#)
        .answer("DescribeParameters", 200, &page(&[("/own", "String")]))
        .answer("ListTagsForResource", 200, &tag_list("p"))
        .answer("GetParameters", 200, r#"{"Parameters": []}"#);
    script.create::<Parameter>(json!({"name": "/own", "type": "text", "value": "x"})).await.unwrap();
    assert_eq!(script.asked("PutParameter").len(), 1);
}

#[test]
fn derived_names_are_paths_that_the_api_takes() {
    let address = crate::model::Address::parse("config/orders").unwrap();
    let all = [
        ("shop", "production", "/shop/production/config-orders"),
        ("aws-shop", "e", "/saiken-aws-shop/e/config-orders"),
        ("my_shop", "e", "/my-shop/e/config-orders-6d7d3ee9"),
    ];
    for (project, environment, expected) in all {
        let physical = ownership::physical_name(project, environment, &address, 1, 512);
        let name = derived(project, environment, &physical);
        let stem = |text: &str| text.split("orders").next().unwrap().to_owned();
        assert_eq!(stem(&name), stem(expected));
        let mut problems = Problems::default();
        check_name(&name, &mut problems);
        assert!(problems.0.is_empty(), "{name}: {problems:?}");
    }
    let physical = ownership::physical_name("再建", "本番", &address, 1, 512);
    assert!(derived("再建", "本番", &physical).starts_with("/saiken/"), "{physical}");
}

#[test]
fn policies_survive_the_api() {
    use aws_sdk_ssm::types::ParameterInlinePolicy;
    let policies = |value: Value| serde_json::from_value::<Policies>(value).unwrap();
    let all = [
        json!({"expires_at": "2027-04-01T00:00:00Z", "notify_before": "36h", "notify_unchanged": "30d"}),
        json!({"notify_unchanged": "12h"}),
        json!({}),
    ];
    for value in all {
        let wanted = policies(value);
        let list: Vec<Value> = serde_json::from_str(&wanted.api()).unwrap();
        let texts = list.iter().map(|p| ParameterInlinePolicy::builder().policy_text(p.to_string()).build());
        assert_eq!(Policies::from_api(&texts.collect::<Vec<_>>()), wanted);
    }
}

#[test]
fn what_the_api_would_refuse_is_said_before() {
    let problems = |spec: &Value| -> Vec<String> {
        let (_, problems) = KindDef::of::<Parameter>().normalise(spec).unwrap();
        problems.0.into_iter().map(|p| p.path).collect()
    };
    let text = |fields: Value| {
        let mut spec = json!({"type": "text", "value": "x"});
        spec.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        spec
    };
    let all = [
        (text(json!({"name": "aws-host"})), "name"),
        (text(json!({"name": "/SSM/host"})), "name"),
        (text(json!({"name": "shop/host"})), "name"),
        (text(json!({"name": "/shop//host"})), "name"),
        (text(json!({"name": "/a".repeat(16)})), "name"),
        (text(json!({"value": "x".repeat(4097)})), "value"),
        (text(json!({"key": {"id": "arn:key"}})), "key"),
        (text(json!({"policies": {"notify_unchanged": "1d"}})), "policies"),
        (text(json!({"tier": "advanced", "policies": {"expires_at": "2027-04-01"}})), "policies.expires_at"),
        (text(json!({"tier": "advanced", "policies": {"notify_before": "1d"}})), "policies.notify_before"),
        (text(json!({"tier": "advanced", "policies": {"notify_unchanged": "90m"}})), "policies.notify_unchanged"),
        (json!({"type": "text"}), "value"),
        (json!({"type": "secure"}), "secret"),
        (json!({"type": "secure", "secret": "x", "value": "x"}), "value"),
        (json!({"type": "secure", "secret": "x", "data_type": "image"}), "data_type"),
    ];
    for (spec, at) in all {
        assert_eq!(problems(&spec), [at], "{spec}");
    }
    assert!(problems(&text(json!({"name": "/shop/host", "tier": "advanced", "value": "x".repeat(8192)}))).is_empty());
}

#[tokio::test]
async fn a_change_without_answer_is_not_made_again() {
    let script = Script::default().lost("PutParameter");
    let of = |value: &str| json!({"type": "text", "value": value});
    let unknown = script.update::<Parameter>("/own", of("a"), of("b")).await.unwrap_err();
    assert_eq!((unknown.class, script.asked("PutParameter").len()), (ErrorClass::Unanswered, 1));
}
