use super::*;
use crate::providers::aws::script::{Script, object, owner};

const QUEUE: &str = "AWS::SQS::Queue";
const URL: &str = "https://sqs.r.amazonaws.com/1/orders";

fn schema() -> Value {
    json!({
        "properties": {"QueueName": {}, "DelaySeconds": {}, "Policy": {}, "Secret": {}, "Arn": {},
            "Tags": {"type": "array", "items": {"properties": {"Key": {}, "Value": {}}}}},
        "createOnlyProperties": ["/properties/QueueName"],
        "readOnlyProperties": ["/properties/Arn"],
        "writeOnlyProperties": ["/properties/Secret"],
    })
}

fn described(schema: &Value) -> String {
    let schema = schema.to_string().replace('&', "&amp;").replace('<', "&lt;");
    format!("<DescribeTypeResult><Schema>{schema}</Schema></DescribeTypeResult>")
}

/// Tags of an object of the scripted owner.
fn tags() -> Vec<Value> {
    let mut tags = owner().tags();
    tags.insert(TYPE.to_owned(), QUEUE.to_owned());
    tags.iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect()
}

fn told(more: &Value, tags: &[Value]) -> String {
    let mut properties =
        json!({"QueueName": "orders", "DelaySeconds": 5, "Arn": "arn:aws:sqs:r:1:orders", "Tags": tags});
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"TypeName": QUEUE, "ResourceDescription": {"Identifier": URL, "Properties": properties.to_string()}})
        .to_string()
}

fn event(status: &str, code: Option<&str>) -> Value {
    let mut event = json!({"TypeName": QUEUE, "Identifier": URL, "RequestToken": "request-1", "Operation": "CREATE",
        "OperationStatus": status, "EventTime": jiff::Timestamp::now().as_second()});
    if let Some(code) = code {
        event["ErrorCode"] = json!(code);
        event["StatusMessage"] = json!(format!("the handler said {code}"));
    }
    event
}

fn progress(status: &str, code: Option<&str>) -> String {
    json!({"ProgressEvent": event(status, code)}).to_string()
}

fn lately(events: &[Value]) -> String {
    json!({"ResourceRequestStatusSummaries": events}).to_string()
}

fn index(arns: &[&str]) -> String {
    let all: Vec<Value> = arns.iter().map(|arn| json!({"ResourceARN": arn, "Tags": tags()})).collect();
    json!({"ResourceTagMappingList": all}).to_string()
}

fn gone() -> String {
    json!({"__type": "ResourceNotFoundException", "message": "gone"}).to_string()
}

fn script() -> Script {
    Script::default()
        .ec2("DescribeType", &described(&schema()))
        .answer("GetResource", 200, &told(&json!({}), &tags()))
        .answer("CreateResource", 200, &progress("SUCCESS", None))
        .answer("UpdateResource", 200, &progress("SUCCESS", None))
        .answer("DeleteResource", 200, &progress("SUCCESS", None))
        .answer("GetResources", 200, &index(&[]))
        .answer("ListResourceRequests", 200, &lately(&[event("SUCCESS", None)]))
}

fn spec(properties: Value) -> Value {
    json!({"type": QUEUE, "properties": properties})
}

#[test]
fn properties_are_a_mapping_and_given_once() {
    let problems = |spec: Value| {
        let mut problems = Problems::default();
        CloudControl::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
    };
    assert!(problems(spec(json!({}))).is_empty());
    assert_eq!(problems(spec(json!(["a"]))), ["properties"]);
    let twice = json!({"type": QUEUE, "properties": {"A": 1}, "write_only": {"A": 1}});
    assert_eq!(problems(twice), ["write_only.A"]);
}

#[tokio::test]
async fn an_object_is_made_with_its_tags_and_waited_for_and_tells_what_can_not_change() {
    let script = Script::default()
        .answer("CreateResource", 200, &progress("IN_PROGRESS", None))
        .answer("GetResourceRequestStatus", 200, &progress("PENDING", None))
        .answer("GetResourceRequestStatus", 200, &progress("SUCCESS", None))
        .with(script());
    let mut wanted = spec(json!({"QueueName": "orders", "DelaySeconds": 5}));
    wanted["write_only"] = json!({"Secret": "hidden"});
    let object = script.create::<CloudControl>(wanted).await.unwrap();
    assert_eq!(object.id, format!("{QUEUE}/{URL}"));
    assert_eq!(object.spec["properties"], json!({"QueueName": "orders", "DelaySeconds": 5}));
    assert_eq!(object.attributes["fixed"], json!(["QueueName"]));
    assert_eq!(object.attributes["outputs"]["Arn"], "arn:aws:sqs:r:1:orders");
    assert_eq!((&object.attributes["identifier"], &object.owner), (&json!(URL), &Some(owner())));
    let sent: Value = serde_json::from_str(&script.asked("CreateResource").join("")).unwrap();
    let state: Value = serde_json::from_str(sent["DesiredState"].as_str().unwrap()).unwrap();
    assert_eq!((&state["Secret"], &state["DelaySeconds"]), (&json!("hidden"), &json!(5)));
    let list = state["Tags"].as_array().unwrap();
    assert!(list.contains(&json!({"Key": "saiken:address", "Value": "s/it"})), "{state}");
    assert!(list.contains(&json!({"Key": TYPE, "Value": QUEUE})), "{state}");
    assert_eq!(script.asked("DescribeType").len(), 1, "once a run");
}

#[tokio::test]
async fn what_the_type_s_schema_forbids_is_refused_before_anything_is_made() {
    let refused = |schema: Value, properties: Value| async move {
        let script = Script::default().ec2("DescribeType", &described(&schema)).with(script());
        let error = script.create::<CloudControl>(spec(properties)).await.unwrap_err();
        assert!(script.asked("CreateResource").is_empty(), "{error}");
        assert_eq!(error.class, ErrorClass::Invalid);
        error.message
    };
    let mut untagged = schema();
    untagged["tagging"] = json!({"taggable": false});
    assert!(refused(untagged, json!({})).await.contains("no tags from its creation on"));
    assert!(refused(schema(), json!({"Tags": []})).await.contains("declared as `tags`"));
    assert!(refused(schema(), json!({"Secret": "x"})).await.contains("declare it under `write_only`"));
    assert!(refused(schema(), json!({"Arn": "x"})).await.contains("can't be chosen"));
}

#[tokio::test]
async fn a_failure_tells_the_handler_s_code_and_its_words() {
    let failed = |code: &'static str| async move {
        let script = Script::default().answer("UpdateResource", 200, &progress("FAILED", Some(code))).with(script());
        let id = format!("{QUEUE}/{URL}");
        script
            .update::<CloudControl>(&id, spec(json!({"DelaySeconds": 5})), spec(json!({"DelaySeconds": 6})))
            .await
            .unwrap_err()
    };
    let error = failed("NotUpdatable").await;
    assert_eq!((error.class, error.code.as_deref()), (ErrorClass::Invalid, Some("NotUpdatable")));
    assert!(
        error.message.contains("the handler said NotUpdatable. A property that was changed can't change"),
        "{error}"
    );
    assert_eq!(failed("ServiceLimitExceeded").await.class, ErrorClass::QuotaExceeded);
    assert_eq!(failed("AccessDenied").await.class, ErrorClass::AccessDenied);
    assert_eq!(failed("ResourceConflict").await.class, ErrorClass::Conflict);
}

#[tokio::test]
async fn a_change_keeps_what_is_not_declared_and_waits_for_a_request_that_is_under_way() {
    let busy = json!({"__type": "ConcurrentOperationException", "message": "another one"}).to_string();
    let policy = json!({"Policy": {"Version": "1", "Rules": [1, 2]}});
    let script = Script::default()
        .answer("UpdateResource", 400, &busy)
        .answer("UpdateResource", 200, &progress("SUCCESS", None))
        .answer("GetResource", 200, &told(&policy, &tags()))
        .with(script());
    let id = format!("{QUEUE}/{URL}");
    let mut to = spec(json!({"QueueName": "orders", "DelaySeconds": 5, "Policy": {"Rules": [3]}}));
    to["write_only"] = json!({"Secret": "new"});
    script.update::<CloudControl>(&id, spec(json!({"DelaySeconds": 5})), to).await.unwrap();
    let sent: Value = serde_json::from_str(&script.asked("UpdateResource")[1]).unwrap();
    let patch: Value = serde_json::from_str(sent["PatchDocument"].as_str().unwrap()).unwrap();
    let policy = json!({"op": "add", "path": "/Policy", "value": {"Version": "1", "Rules": [3]}});
    assert_eq!(patch, json!([policy, {"op": "add", "path": "/Secret", "value": "new"}]));
}

#[tokio::test]
async fn a_change_sends_back_nothing_that_is_only_told_and_repeats_what_is_only_taken() {
    let mut nested = schema();
    nested["readOnlyProperties"] = json!(["/properties/Arn", "/properties/Policy/Made"]);
    nested["createOnlyProperties"] = json!(["/properties/QueueName", "/properties/Seed"]);
    let there = json!({"Policy": {"Version": "1", "Made": "yesterday"}});
    let patch_of = |from: Value, to: Value| {
        let script = Script::default()
            .ec2("DescribeType", &described(&nested))
            .answer("GetResource", 200, &told(&there, &tags()))
            .answer("UpdateResource", 200, &progress("SUCCESS", None))
            .with(script());
        async move {
            script.update::<CloudControl>(&format!("{QUEUE}/{URL}"), from, to).await.unwrap();
            script.asked("UpdateResource").first().map(|sent| {
                let sent: Value = serde_json::from_str(sent).unwrap();
                serde_json::from_str::<Value>(sent["PatchDocument"].as_str().unwrap()).unwrap()
            })
        }
    };
    let with = |properties: Value| {
        let mut spec = spec(properties);
        spec["write_only"] = json!({"Secret": "same", "Seed": "fixed"});
        spec
    };
    let policy = |level: &str| json!({"Policy": {"Level": level}});
    let sent = patch_of(with(policy("1")), with(policy("2"))).await.unwrap();
    let changed = json!({"op": "add", "path": "/Policy", "value": {"Version": "1", "Level": "2"}});
    assert_eq!(sent, json!([changed, {"op": "add", "path": "/Secret", "value": "same"}]));
    // Nothing differs from what is there: nothing is sent.
    let same = json!({"Policy": {"Version": "1"}});
    assert_eq!(patch_of(with(json!({})), with(same)).await, None);
}

#[tokio::test]
async fn an_object_whose_creating_call_is_lost_is_made_once() {
    let lost = Script::default().lost("CreateResource").answer("CreateResource", 200, &progress("SUCCESS", None));
    let lost = lost.with(script());
    lost.create::<CloudControl>(spec(json!({}))).await.unwrap();
    let sent = lost.asked("CreateResource");
    assert!(sent.len() == 2 && sent[0] == sent[1] && sent[0].contains(r#""ClientToken":"token""#), "{sent:?}");
    // A name that is taken, by ourselves and by somebody else.
    let taken = || Script::default().answer("CreateResource", 200, &progress("FAILED", Some("AlreadyExists")));
    assert!(taken().with(script()).create::<CloudControl>(spec(json!({}))).await.is_ok());
    let theirs = taken().answer("GetResource", 200, &told(&json!({}), &[])).with(script());
    let refused = theirs.create::<CloudControl>(spec(json!({}))).await.unwrap_err();
    assert_eq!((refused.class, refused.code.as_deref()), (ErrorClass::Conflict, Some("AlreadyExists")));
}

#[tokio::test]
async fn what_the_index_knows_is_found_by_its_arn_or_among_the_list_of_its_type() {
    let list =
        json!({"TypeName": QUEUE, "ResourceDescriptions": [{"Identifier": "https://x/1/other"}, {"Identifier": URL}]});
    let none = lately(&[]);
    let base = || {
        Script::default()
            .answer("GetResources", 200, &index(&["arn:aws:sqs:r:1:orders"]))
            .answer("ListResourceRequests", 200, &none)
            .answer("ListResources", 200, &list.to_string())
    };
    let by_arn = base().with(script());
    let found = by_arn.read::<CloudControl>().await.unwrap();
    assert_eq!(
        found.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(),
        [format!("{QUEUE}/{URL}")],
        "once, whatever its names"
    );
    assert!(by_arn.asked("ListResources").is_empty(), "an ARN or a name is enough");
    let by_list = base()
        .answer("GetResource", 400, &json!({"__type": "ValidationException", "message": "no URL"}).to_string())
        .answer("GetResource", 400, &gone())
        .answer("GetResource", 200, &told(&json!({}), &tags()))
        .with(script());
    let found = by_list.read::<CloudControl>().await.unwrap();
    assert_eq!(found[0].id, format!("{QUEUE}/{URL}"));
    let asked = by_list.asked("GetResource");
    assert!(asked.len() == 3 && asked[2].contains(URL), "those that can't be it are not asked for: {asked:?}");
}

#[tokio::test]
async fn what_an_earlier_run_left_under_way_is_seen_once_it_says_what_it_is() {
    let mut begun = event("IN_PROGRESS", None);
    begun.as_object_mut().unwrap().remove("Identifier");
    let mut long_ago = event("SUCCESS", None);
    long_ago["EventTime"] = json!(1.0);
    let script = Script::default()
        .answer("ListResourceRequests", 200, &lately(&[long_ago, begun]))
        .answer("GetResourceRequestStatus", 200, &progress("IN_PROGRESS", None))
        .with(script());
    let found = script.read::<CloudControl>().await.unwrap();
    assert!(found.len() == 1 && matches!(found[0].status, Status::Pending(_)), "{found:#?}");
    assert_eq!(script.asked("GetResource").len(), 1, "what was made long ago is in the index");
    let theirs = Script::default().answer("GetResource", 200, &told(&json!({}), &[])).with(self::script());
    assert!(theirs.read::<CloudControl>().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_tag_by_which_the_index_finds_an_object_comes_and_goes_with_its_owner() {
    use crate::model::cloud::OwnRequest;
    use crate::providers::aws::kind::{Handler, Typed};
    let mut there = object::<CloudControl>(&format!("{QUEUE}/{URL}"), spec(json!({})));
    let own = |script: Script, there: Object, owner: Option<_>| async move {
        let request = OwnRequest { object: there, owner };
        Typed::<CloudControl>::default().own(&script.context(), &request).await.unwrap();
        let sent: Value = serde_json::from_str(&script.asked("UpdateResource").join("")).unwrap();
        let patch: Value = serde_json::from_str(sent["PatchDocument"].as_str().unwrap()).unwrap();
        patch[0]["value"].clone()
    };
    let mut all = tags();
    all.push(json!({"Key": "team", "Value": "a"}));
    let freed = Script::default().answer("GetResource", 200, &told(&json!({}), &all)).with(script());
    assert_eq!(own(freed, there.clone(), None).await, json!([{"Key": "team", "Value": "a"}]));
    there.owner = None;
    let taken = Script::default().answer("GetResource", 200, &told(&json!({}), &[])).with(script());
    assert_eq!(own(taken, there, Some(owner())).await.as_array().unwrap().len(), tags().len());
}

#[tokio::test]
async fn what_is_gone_already_is_deleted() {
    let id = format!("{QUEUE}/{URL}");
    let lost = Script::default().lost("DeleteResource").answer("DeleteResource", 400, &gone());
    let lost =
        lost.answer("GetResource", 200, &told(&json!({}), &[])).answer("GetResource", 400, &gone()).with(script());
    lost.delete::<CloudControl>(&id, spec(json!({}))).await.unwrap();
    assert_eq!(lost.asked("DeleteResource").len(), 2);
    let failed = Script::default()
        .answer("DeleteResource", 200, &progress("FAILED", Some("NotFound")))
        .answer("GetResource", 200, &told(&json!({}), &[]))
        .answer("GetResource", 400, &gone())
        .with(script());
    failed.delete::<CloudControl>(&id, spec(json!({}))).await.unwrap();
}
