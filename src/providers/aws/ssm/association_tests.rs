//! `association` by scripted exchanges: no emulator has its API.

use serde_json::{Value, json};

use super::association::Association;
use crate::model::cloud::ErrorClass;
use crate::model::kind::{Kind, Problems};
use crate::providers::aws::script::{Script, owner};

const ID: &str = "a0000000-0000-4000-8000-000000000001";

fn tags(generation: &str) -> Value {
    let mut tags = owner().tags();
    tags.insert("saiken:generation".to_owned(), generation.to_owned());
    tags.iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect()
}

/// Every field.
fn spec() -> Value {
    json!({
        "document": {"id": "AWS-GatherSoftwareInventory"}, "document_version": "$DEFAULT",
        "parameters": {"applications": ["Enabled"]},
        "targets": {"tags": {"Role": ["web", "api"]}},
        "schedule": "cron(0 2 ? * SUN *)", "schedule_offset": 1, "only_on_schedule": true, "duration": "2h",
        "severity": "high", "max_concurrency": "10%", "max_errors": "1",
        "output": {"bucket": {"id": "logs"}, "prefix": "inventory", "region": "ap-northeast-3"}, "compliance": "manual",
        "calendars": [{"id": "営業日"}], "automation_target_parameter": "InstanceId",
        "alarm": {"name": "errors", "ignore_unknown": true}, "role": {"id": "arn:role"},
    })
}

/// The same, as the API has it.
fn whole() -> Value {
    json!({
        "AssociationId": ID, "Name": "AWS-GatherSoftwareInventory", "AssociationName": "p-e-s-it",
        "DocumentVersion": "$DEFAULT", "Parameters": {"applications": ["Enabled"]},
        "Targets": [{"Key": "tag:Role", "Values": ["api", "web"]}], "ScheduleExpression": "cron(0 2 ? * SUN *)",
        "ScheduleOffset": 1, "ApplyOnlyAtCronInterval": true, "Duration": 2, "ComplianceSeverity": "HIGH",
        "MaxConcurrency": "10%", "MaxErrors": "1", "SyncCompliance": "MANUAL", "CalendarNames": ["営業日"],
        "OutputLocation": {"S3Location": {"OutputS3Region": "ap-northeast-3", "OutputS3BucketName": "logs",
            "OutputS3KeyPrefix": "inventory"}},
        "AutomationTargetParameterName": "InstanceId", "AssociationDispatchAssumeRole": "arn:role",
        "AlarmConfiguration": {"IgnorePollAlarmFailure": true, "Alarms": [{"Name": "errors"}]},
    })
}

fn listed(id: &str, name: &str) -> Value {
    let mut listed = whole();
    listed["AssociationId"] = json!(id);
    listed["AssociationName"] = json!(name);
    let shown = ["AssociationId", "AssociationName", "Name", "DocumentVersion", "Targets", "ScheduleExpression"];
    let shown = shown.iter().chain(&["ScheduleOffset", "Duration"]);
    shown.map(|key| ((*key).to_owned(), listed[*key].clone())).collect::<serde_json::Map<_, _>>().into()
}

fn list(all: &[Value]) -> String {
    json!({ "Associations": all }).to_string()
}

fn script() -> Script {
    let description = json!({"AssociationDescription": whole()}).to_string();
    let script = Script::default()
        .answer("ListAssociations", 200, &list(&[listed(ID, "p-e-s-it")]))
        .answer("DescribeAssociation", 200, &description)
        .answer("CreateAssociation", 200, &description)
        .answer("UpdateAssociation", 200, &description)
        .answer("ListTagsForResource", 200, &json!({"TagList": tags("1")}).to_string())
        .answer("GetResources", 200, "{}");
    ["DeleteAssociation", "AddTagsToResource", "RemoveTagsFromResource"]
        .iter()
        .fold(script, |script, operation| script.answer(operation, 200, "{}"))
}

fn sent(script: &Script, operation: &str) -> Value {
    serde_json::from_str(&script.asked(operation)[0]).unwrap()
}

#[test]
fn what_the_api_would_refuse_is_refused_before() {
    let problems = |change: &dyn Fn(&mut Value)| {
        let mut spec = spec();
        change(&mut spec);
        let mut problems = Problems::default();
        Association::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
    };
    assert_eq!(problems(&|_| ()), [""; 0]);
    assert_eq!(problems(&|s| s["schedule"] = json!("rate(1 day)")), ["only_on_schedule", "schedule_offset"]);
    assert_eq!(problems(&|s| s["only_on_schedule"] = json!(false)), ["schedule_offset", "duration"]);
    assert_eq!(problems(&|s| s["duration"] = json!("90m")), ["duration"]);
    assert_eq!(problems(&|s| s["targets"]["tags"]["Role"] = json!([])), ["targets.tags.Role"]);
    assert_eq!(problems(&|s| s["targets"] = json!({"all": true, "instances": ["s/other"]})), ["targets.all"]);
}

#[tokio::test]
async fn every_field_reaches_the_api_with_the_tags_and_is_read_back() {
    let script = script();
    let object = script.create::<Association>(spec()).await.unwrap();
    let asked = sent(&script, "CreateAssociation");
    for (member, value) in whole().as_object().unwrap().iter().filter(|(m, _)| *m != "AssociationId") {
        assert_eq!(&asked[member], value, "{member}");
    }
    assert_eq!(asked["Tags"].as_array().unwrap().len(), owner().tags().len() + 1, "ownership, and `Name`");
    let normal = crate::providers::kinds().get("association").unwrap().normalise(&spec()).unwrap().0;
    for (field, value) in normal.as_object().unwrap() {
        assert_eq!(&object.spec[field], value, "{field}");
    }
    assert_eq!((object.id.as_str(), &object.attributes["name"]), (ID, &json!("p-e-s-it")));
}

#[tokio::test]
async fn each_changed_field_is_written_with_all_others_as_they_are() {
    let changes = [
        ("document_version", json!("2"), "DocumentVersion", json!("2")),
        ("parameters", json!({"services": ["Enabled"]}), "Parameters", json!({"services": ["Enabled"]})),
        ("targets", json!({"all": true}), "Targets", json!([{"Key": "InstanceIds", "Values": ["*"]}])),
        ("schedule", json!("cron(0 3 ? * SUN *)"), "ScheduleExpression", json!("cron(0 3 ? * SUN *)")),
        ("schedule_offset", json!(2), "ScheduleOffset", json!(2)),
        ("only_on_schedule", json!(false), "ApplyOnlyAtCronInterval", json!(false)),
        ("duration", json!("3h"), "Duration", json!(3)),
        ("severity", json!("low"), "ComplianceSeverity", json!("LOW")),
        ("max_concurrency", json!("5"), "MaxConcurrency", json!("5")),
        ("max_errors", json!("0"), "MaxErrors", json!("0")),
        (
            "output",
            json!({"bucket": {"id": "other"}}),
            "OutputLocation",
            json!({"S3Location": {"OutputS3Region": "ap-northeast-1", "OutputS3BucketName": "other",
                "OutputS3KeyPrefix": ""}}),
        ),
        ("compliance", json!("auto"), "SyncCompliance", json!("AUTO")),
        ("calendars", json!([]), "CalendarNames", json!([])),
        ("automation_target_parameter", json!("Id"), "AutomationTargetParameterName", json!("Id")),
        (
            "alarm",
            json!({"name": "slow"}),
            "AlarmConfiguration",
            json!({"IgnorePollAlarmFailure": false, "Alarms": [{"Name": "slow"}]}),
        ),
        ("role", json!({"id": "arn:other"}), "AssociationDispatchAssumeRole", json!("arn:other")),
    ];
    for (field, value, member, expected) in changes {
        let script = script();
        let mut to = json!({"document": {"id": "AWS-GatherSoftwareInventory"}});
        to[field] = value;
        script.update::<Association>(ID, spec(), to).await.unwrap();
        let mut whole = whole();
        whole[member] = expected;
        assert_eq!(sent(&script, "UpdateAssociation"), whole, "{field}");
        assert!(script.asked("CreateAssociation").is_empty());
    }
}

#[tokio::test]
async fn an_association_is_found_by_its_name_or_by_the_index_over_all_pages() {
    let index = json!({"ResourceTagMappingList": [
        {"ResourceARN": "arn:aws:ssm:r:1:association/a-known", "Tags": tags("1")}]});
    let first =
        json!({"Associations": [listed("a-foreign", "foreign"), listed("a-known", "old")], "NextToken": "more"});
    let script = Script::default()
        .answer("ListAssociations", 200, &first.to_string())
        .answer("GetResources", 200, &index.to_string())
        .and(script());
    let found = script.read::<Association>().await.unwrap();
    assert_eq!(found.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), ["a-known", ID]);
    assert_eq!(script.asked("ListTagsForResource").len(), 1, "only the new one costs a call");
}

#[tokio::test]
async fn an_association_whose_creating_call_was_not_answered_is_found_and_not_made_twice() {
    let script = script().first_lost("CreateAssociation");
    assert_eq!(script.create::<Association>(spec()).await.unwrap().id, ID);
    assert_eq!(script.asked("CreateAssociation").len(), 1);
}

#[tokio::test]
async fn one_that_is_there_already_is_ours_if_its_tags_say_so() {
    let taken = |generation: &str| {
        let whose = json!({"TagList": tags(generation)}).to_string();
        let refused = Script::default().refused("CreateAssociation", "AssociationAlreadyExists");
        // At each look.
        (0..3).fold(refused, |script, _| script.answer("ListTagsForResource", 200, &whose)).and(script())
    };
    assert_eq!(taken("1").create::<Association>(spec()).await.unwrap().id, ID);
    let refused = taken("0").create::<Association>(spec()).await.unwrap_err();
    assert_eq!((refused.class, refused.code.as_deref()), (ErrorClass::Conflict, Some("AssociationAlreadyExists")));
}

#[tokio::test]
async fn a_new_document_that_is_not_seen_yet_is_asked_for_again() {
    let script = Script::default().refused("CreateAssociation", "InvalidDocument").and(script());
    assert_eq!(script.create::<Association>(spec()).await.unwrap().id, ID);
    assert_eq!(script.asked("CreateAssociation").len(), 2);
}

#[tokio::test]
async fn whichever_answer_is_lost_the_run_ends_well() {
    let mut to = spec();
    to["severity"] = json!("low");
    for operation in ["DescribeAssociation", "UpdateAssociation"] {
        let script = script().first_lost(operation);
        script.update::<Association>(ID, spec(), to.clone()).await.unwrap();
        assert!(script.asked("CreateAssociation").is_empty(), "{operation}");
    }
    // The first deletion had its effect.
    let script =
        Script::default().lost("DeleteAssociation").refused("DeleteAssociation", "AssociationDoesNotExist").and(
            Script::default()
                .answer("ListAssociations", 200, &list(&[listed(ID, "p-e-s-it")]))
                .answer("ListAssociations", 200, &list(&[]))
                .answer("ListTagsForResource", 200, &json!({"TagList": tags("1")}).to_string()),
        );
    script.delete_owned::<Association>(ID, spec(), Some(owner())).await.unwrap();
    let gone = Script::default().answer("ListAssociations", 200, &list(&[]));
    gone.delete_owned::<Association>(ID, spec(), Some(owner())).await.unwrap();
    assert!(gone.asked("DeleteAssociation").is_empty());
}
