//! `document` and `session_preferences` by scripted exchanges: what the emulator does otherwise than AWS.

use serde_json::{Value, json};

use super::document::Document;
use super::session_preferences::SessionPreferences;
use crate::model::cloud::ErrorClass;
use crate::model::kind::{Kind, Problems};
use crate::providers::aws::script::{Script, owner};

const PREFERENCES: &str = "SSM-SessionManagerRunShell";

fn tags(generation: &str) -> Value {
    let mut tags = owner().tags();
    tags.insert("saiken:generation".to_owned(), generation.to_owned());
    tags.iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect()
}

fn content(command: &str) -> Value {
    json!({"schemaVersion": "2.2", "mainSteps": [{"action": "aws:runShellScript", "name": "a",
        "inputs": {"runCommand": [command]}}]})
}

/// A document as its description shows it.
fn described(name: &str, generation: &str) -> Value {
    json!({"Document": {"Name": name, "Owner": "123456789012", "DocumentType": "Command", "DocumentFormat": "JSON",
        "TargetType": "/AWS::EC2::Instance", "DefaultVersion": "1", "DocumentVersion": "1", "VersionName": "v1",
        "Status": "Active", "Tags": tags(generation)}})
}

fn version(name: &str, content: &Value) -> String {
    json!({"Name": name, "DocumentVersion": "1", "DocumentFormat": "JSON", "VersionName": "v1", "DisplayName": "設定",
        "Content": content.to_string()})
    .to_string()
}

fn script() -> Script {
    one("p-e-s-it", "1", &version("p-e-s-it", &content("date")))
}

/// One document of this generation.
fn one(name: &str, generation: &str, version: &str) -> Script {
    let script = Script::default()
        .answer("DescribeDocument", 200, &described(name, generation).to_string())
        .answer("GetDocument", 200, version)
        .answer("DescribeDocumentPermission", 200, &json!({"AccountIds": ["111111111111"]}).to_string())
        .answer("UpdateDocument", 200, &json!({"DocumentDescription": {"DocumentVersion": "2"}}).to_string());
    ["CreateDocument", "UpdateDocumentDefaultVersion", "ModifyDocumentPermission", "DeleteDocument"]
        .iter()
        .fold(script, |script, operation| script.answer(operation, 200, "{}"))
}

fn spec() -> Value {
    json!({"type": "command", "content": content("date"), "format": "json", "target_type": "/AWS::EC2::Instance",
        "version_name": "v1", "display_name": "設定", "shared_with": ["111111111111"]})
}

fn sent(script: &Script, operation: &str) -> Vec<Value> {
    script.asked(operation).iter().map(|body| serde_json::from_str(body).unwrap()).collect()
}

fn writes(script: &Script) -> Vec<String> {
    let is_read = |o: &String| ["Describe", "Get", "List"].iter().any(|p| o.starts_with(p));
    script.operations().into_iter().filter(|o| !is_read(o)).collect()
}

#[test]
fn what_the_api_would_refuse_is_refused_before() {
    let problems = |more: Value| {
        let mut spec = json!({"type": "command", "content": {"schemaVersion": "2.2"}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut problems = Problems::default();
        Document::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
    };
    assert_eq!(problems(json!({})), [""; 0]);
    assert_eq!(problems(json!({"name": "AWSEC2-mine"})), ["name"]);
    assert_eq!(problems(json!({ "name": PREFERENCES })), ["name"]);
    assert_eq!(problems(json!({"format": "text"})), ["format"]);
    assert_eq!(problems(json!({"content": "x".repeat(65_537)})), ["content"]);
    let problems = |more: Value| {
        let mut problems = Problems::default();
        SessionPreferences::validate(&serde_json::from_value(more).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
    };
    assert_eq!(problems(json!({"idle_timeout": "60m", "max_duration": "0s"})), [""; 0]);
    assert_eq!(problems(json!({"idle_timeout": "2h"})), ["idle_timeout"]);
    assert_eq!(problems(json!({"max_duration": "90s"})), ["max_duration"]);
    assert_eq!(problems(json!({"run_as": {"enabled": false, "user": "ubuntu"}})), ["run_as.user"]);
}

#[tokio::test]
async fn every_field_reaches_the_api_with_the_tags_and_is_read_back() {
    let script = script();
    let object = script.create::<Document>(spec()).await.unwrap();
    let asked = &sent(&script, "CreateDocument")[0];
    for (member, value) in [
        ("Name", json!("p-e-s-it")),
        ("DocumentType", json!("Command")),
        ("DocumentFormat", json!("JSON")),
        ("TargetType", json!("/AWS::EC2::Instance")),
        ("VersionName", json!("v1")),
        ("DisplayName", json!("設定")),
    ] {
        assert_eq!(asked[member], value, "{member}");
    }
    assert_eq!(asked["Tags"].as_array().unwrap().len(), owner().tags().len() + 1, "ownership, and `Name`");
    assert_eq!(sent(&script, "ModifyDocumentPermission")[0]["AccountIdsToAdd"], json!(["111111111111"]));
    for (field, value) in spec().as_object().unwrap() {
        assert_eq!(&object.spec[field], value, "{field}");
    }
    assert_eq!(object.attributes["arn"], "arn:aws:ssm:ap-northeast-1:123456789012:document/p-e-s-it");
}

#[test]
fn a_content_is_the_same_as_json_as_yaml_and_as_a_mapping() {
    let kind = crate::providers::kinds().get("document").unwrap().clone();
    let normal = |content: Value| kind.normalise(&json!({"type": "automation", "content": content})).unwrap().0;
    let mapping = normal(json!({"schemaVersion": "0.3", "description": "再起動"}));
    assert_eq!(normal(json!("schemaVersion: '0.3'\ndescription: 再起動\n")), mapping);
    assert_eq!(normal(json!(r#"{"description": "再起動", "schemaVersion": "0.3"}"#)), mapping);
}

#[tokio::test]
async fn a_document_is_read_in_the_form_in_which_it_is_kept() {
    // With a tag of its own, YAML can't be read as a mapping: it is compared as a text, so it must come as it was
    // written.
    let template = "Resources:\n  A: !GetAtt B.Arn\n";
    let mut described = described("p-e-s-it", "1");
    described["Document"]["DocumentType"] = json!("CloudFormation");
    described["Document"]["DocumentFormat"] = json!("YAML");
    let there = json!({"Name": "p-e-s-it", "DocumentVersion": "1", "DocumentFormat": "YAML", "Content": template});
    let script = Script::default()
        .answer("DescribeDocument", 200, &described.to_string())
        .answer("GetDocument", 200, &there.to_string())
        .and(script());
    let spec = json!({"type": "cloud_formation", "content": template, "format": "yaml"});
    let object = script.create::<Document>(spec).await.unwrap();
    assert_eq!(object.spec["content"], template);
    assert_eq!(sent(&script, "GetDocument")[0]["DocumentFormat"], "YAML");
}

#[tokio::test]
async fn a_change_is_a_new_version_that_becomes_the_default() {
    let script = script();
    let mut to = spec();
    to["content"] = content("uptime");
    to["version_name"] = json!("v2");
    script.update::<Document>("p-e-s-it", spec(), to).await.unwrap();
    assert_eq!(writes(&script), ["UpdateDocument", "UpdateDocumentDefaultVersion"]);
    let asked = &sent(&script, "UpdateDocument")[0];
    assert_eq!((&asked["DocumentVersion"], &asked["VersionName"]), (&json!("$LATEST"), &json!("v2")));
    assert_eq!(asked["Content"].as_str().map(|c| c.contains("uptime")), Some(true));
    assert_eq!(sent(&script, "UpdateDocumentDefaultVersion")[0]["DocumentVersion"], "2");
}

#[tokio::test]
async fn a_version_that_an_earlier_run_made_is_taken_and_becomes_the_default() {
    let versions =
        json!({"DocumentVersions": [{"DocumentVersion": "1"}, {"DocumentVersion": "10"}, {"DocumentVersion": "9"}]});
    let taken = |wanted: &str| {
        Script::default()
            .refused("UpdateDocument", "DuplicateDocumentContent")
            .answer("ListDocumentVersions", 200, &versions.to_string())
            .answer("GetDocument", 200, &version("p-e-s-it", &content("other")))
            .answer("GetDocument", 200, &version("p-e-s-it", &content("another")))
            .answer("GetDocument", 200, &version("p-e-s-it", &content(wanted)))
            .and(script())
    };
    let mut to = spec();
    to["content"] = content("uptime");
    to.as_object_mut().unwrap().remove("version_name");
    let script = taken("uptime");
    script.update::<Document>("p-e-s-it", spec(), to.clone()).await.unwrap();
    assert_eq!(sent(&script, "UpdateDocumentDefaultVersion")[0]["DocumentVersion"], "9", "the newest first");
    // The same content in another form is nothing that the API lets become a version.
    to["target_type"] = json!("/");
    let refused = taken("uptime").update::<Document>("p-e-s-it", spec(), to).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("DuplicateDocumentContent"));
}

#[tokio::test]
async fn a_version_that_can_not_be_used_is_an_error_with_the_reason_of_the_service() {
    let mut failed = described("p-e-s-it", "1");
    failed["Document"]["Status"] = json!("Failed");
    failed["Document"]["StatusInformation"] = json!("no such plugin");
    let mut creating = described("p-e-s-it", "1");
    creating["Document"]["Status"] = json!("Creating");
    let script = Script::default()
        .refused("DescribeDocument", "InvalidDocumentVersion")
        .answer("DescribeDocument", 200, &creating.to_string())
        .answer("DescribeDocument", 200, &failed.to_string())
        .and(script());
    let mut to = spec();
    to["content"] = content("uptime");
    to["version_name"] = json!("v2");
    let error = script.update::<Document>("p-e-s-it", spec(), to).await.unwrap_err();
    assert!(error.message.contains("no such plugin"), "{error:?}");
    assert!(script.asked("UpdateDocumentDefaultVersion").is_empty(), "the former version stays in use");
}

#[tokio::test]
async fn another_content_under_the_same_version_name_is_refused_with_the_remedy() {
    let script = script();
    let mut to = spec();
    to["content"] = content("uptime");
    let refused = script.update::<Document>("p-e-s-it", spec(), to).await.unwrap_err();
    assert!(refused.message.contains("change it, too"), "{refused:?}");
    assert!(writes(&script).is_empty());
}

#[tokio::test]
async fn a_document_is_shared_with_others_before_it_is_taken_back_from_some() {
    let script = script();
    let mut to = spec();
    let many: Vec<String> = (0..21).map(|n| format!("{:012}", 222_222_222_222_u64 + n)).collect();
    to["shared_with"] = json!(many);
    script.update::<Document>("p-e-s-it", spec(), to).await.unwrap();
    let asked = sent(&script, "ModifyDocumentPermission");
    assert_eq!(
        asked.iter().map(|a| a["AccountIdsToAdd"].as_array().map_or(0, Vec::len)).collect::<Vec<_>>(),
        [20, 1, 0]
    );
    assert_eq!(asked[2]["AccountIdsToRemove"], json!(["111111111111"]));
    assert_eq!(script.asked("UpdateDocument").len(), 0);
}

#[tokio::test]
async fn a_document_is_taken_back_from_all_before_it_is_deleted() {
    let page = json!({"AccountIds": ["222222222222"], "NextToken": "more"});
    let script = Script::default().answer("DescribeDocumentPermission", 200, &page.to_string()).and(script());
    script.delete_owned::<Document>("p-e-s-it", spec(), Some(owner())).await.unwrap();
    assert_eq!(
        sent(&script, "ModifyDocumentPermission")[0]["AccountIdsToRemove"],
        json!(["222222222222", "111111111111"])
    );
    assert_eq!(writes(&script), ["ModifyDocumentPermission", "DeleteDocument"]);
}

#[tokio::test]
async fn documents_are_found_by_the_tags_of_the_list_or_of_the_index_and_preferences_are_none() {
    let item = |name: &str, tags: &Value| json!({"Name": name, "DocumentType": "Command", "Owner": "1", "Tags": tags});
    let index = json!({"ResourceTagMappingList": [
        {"ResourceARN": "arn:aws:ssm:r:1:document/in-index", "Tags": tags("1")}]});
    let page = json!({"DocumentIdentifiers": [item("listed", &tags("1")), item(PREFERENCES, &tags("1")),
        item("foreign", &json!([{"Key": "a", "Value": "b"}])), item("untagged", &json!([]))], "NextToken": "more"});
    let more = json!({"DocumentIdentifiers": [item("in-index", &json!([])), item("p-e-new", &json!([]))]});
    let script = Script::default()
        .answer("ListDocuments", 200, &page.to_string())
        .answer("ListDocuments", 200, &more.to_string())
        .answer("GetResources", 200, &index.to_string())
        .answer("ListTagsForResource", 200, &json!({"TagList": tags("1")}).to_string())
        .and(script());
    let found = script.read::<Document>().await.unwrap();
    assert_eq!(found.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), ["listed", "in-index", "p-e-new"]);
    assert_eq!(script.asked("ListTagsForResource").len(), 1);
    assert!(script.asked("ListDocuments")[0].contains("Self"));
}

#[tokio::test]
async fn a_name_that_is_taken_is_ours_if_its_tags_say_so() {
    let taken = |generation: &str| {
        Script::default().refused("CreateDocument", "DocumentAlreadyExists").and(one(
            "p-e-s-it",
            generation,
            &version("p-e-s-it", &content("date")),
        ))
    };
    assert_eq!(taken("1").create::<Document>(spec()).await.unwrap().id, "p-e-s-it");
    assert_eq!(taken("0").create::<Document>(spec()).await.unwrap_err().class, ErrorClass::Conflict);
}

#[tokio::test]
async fn a_document_that_servers_are_kept_by_is_not_deleted() {
    let script = Script::default().refused("DeleteDocument", "AssociatedInstances").and(script());
    let refused = script.delete_owned::<Document>("p-e-s-it", spec(), Some(owner())).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Conflict);
}

fn preferences() -> Value {
    json!({"bucket": {"id": "logs"}, "prefix": "sessions", "bucket_encrypted": true, "log_group": {"id": "/sessions"},
        "log_group_encrypted": false, "log_streaming": true, "key": {"id": "arn:key"}, "idle_timeout": "15m",
        "max_duration": "8h", "run_as": {"enabled": true, "user": "ubuntu"}, "shell_linux": "cd ~; bash",
        "shell_windows": "date"})
}

fn inputs() -> Value {
    json!({"s3BucketName": "logs", "s3KeyPrefix": "sessions", "s3EncryptionEnabled": true,
        "cloudWatchLogGroupName": "/sessions", "cloudWatchEncryptionEnabled": false, "cloudWatchStreamingEnabled": true,
        "kmsKeyId": "arn:key", "idleSessionTimeout": "15", "maxSessionDuration": "480", "runAsEnabled": true,
        "runAsDefaultUser": "ubuntu", "shellProfile": {"linux": "cd ~; bash", "windows": "date"}})
}

fn sessions(generation: &str, inputs: &Value) -> Script {
    let content =
        json!({"schemaVersion": "1.0", "description": "own", "sessionType": "Standard_Stream", "inputs": inputs});
    one(PREFERENCES, generation, &version(PREFERENCES, &content))
}

fn sent_inputs(script: &Script, operation: &str) -> Value {
    let content = sent(script, operation)[0]["Content"].as_str().unwrap().to_owned();
    serde_json::from_str::<Value>(&content).unwrap()["inputs"].clone()
}

#[tokio::test]
async fn all_preferences_reach_the_document_and_are_read_back() {
    let script = sessions("1", &inputs());
    let object = script.create::<SessionPreferences>(preferences()).await.unwrap();
    let asked = &sent(&script, "CreateDocument")[0];
    assert_eq!((&asked["Name"], &asked["DocumentType"]), (&json!(PREFERENCES), &json!("Session")));
    assert_eq!(asked["Tags"].as_array().unwrap().len(), owner().tags().len() + 1, "ownership, and `Name`");
    assert_eq!(sent_inputs(&script, "CreateDocument"), inputs());
    for (field, value) in preferences().as_object().unwrap() {
        assert_eq!(&object.spec[field], value, "{field}");
    }
}

#[tokio::test]
async fn a_changed_preference_leaves_those_alone_that_are_not_declared() {
    let changes = [
        (json!({"bucket": {"id": ""}}), "s3BucketName", json!("")),
        (json!({"prefix": ""}), "s3KeyPrefix", json!("")),
        (json!({"log_group": {"id": "/other"}}), "cloudWatchLogGroupName", json!("/other")),
        (json!({"log_streaming": false}), "cloudWatchStreamingEnabled", json!(false)),
        (json!({"key": {"id": ""}}), "kmsKeyId", json!("")),
        (json!({"idle_timeout": "1h"}), "idleSessionTimeout", json!("60")),
        (json!({"max_duration": "0s"}), "maxSessionDuration", json!("")),
        (json!({"run_as": {"enabled": true, "user": "ec2-user"}}), "runAsDefaultUser", json!("ec2-user")),
        (json!({"shell_linux": ""}), "shellProfile", json!({"linux": "", "windows": "date"})),
        (json!({"shell_windows": "dir"}), "shellProfile", json!({"linux": "cd ~; bash", "windows": "dir"})),
    ];
    for (to, key, value) in changes {
        let script = sessions("1", &inputs());
        let mut from = preferences();
        from["log_group_encrypted"] = json!(true);
        script.update::<SessionPreferences>(PREFERENCES, from, to.clone()).await.unwrap();
        let mut expected = inputs();
        expected["cloudWatchEncryptionEnabled"] = json!(true);
        expected[key] = value;
        assert_eq!(sent_inputs(&script, "UpdateDocument"), expected, "{to}");
        assert_eq!(writes(&script), ["UpdateDocument", "UpdateDocumentDefaultVersion"]);
    }
}

#[tokio::test]
async fn encryption_is_demanded_unless_it_is_said_not_to_be() {
    let script = sessions("1", &json!({}));
    let object = script.create::<SessionPreferences>(json!({})).await.unwrap();
    assert_eq!(
        sent_inputs(&script, "CreateDocument"),
        json!({"s3EncryptionEnabled": true, "cloudWatchEncryptionEnabled": true})
    );
    assert_eq!((&object.spec["idle_timeout"], &object.spec["max_duration"]), (&json!("20m"), &json!("0s")));
}

#[tokio::test]
async fn preferences_of_somebody_else_are_never_written_over() {
    let foreign = || Script::default().refused("CreateDocument", "DocumentAlreadyExists").and(sessions("9", &inputs()));
    let script = foreign();
    let refused = script.create::<SessionPreferences>(preferences()).await.unwrap_err();
    assert_eq!((refused.class, writes(&script)), (ErrorClass::Conflict, vec!["CreateDocument".to_owned()]));
    let ours = Script::default().refused("CreateDocument", "DocumentAlreadyExists").and(sessions("1", &inputs()));
    assert_eq!(ours.create::<SessionPreferences>(preferences()).await.unwrap().id, PREFERENCES);
    let mut other = owner();
    other.project = "another".into();
    let refused = foreign().delete_owned::<SessionPreferences>(PREFERENCES, preferences(), Some(other)).await;
    assert_eq!(refused.unwrap_err().class, ErrorClass::Conflict);
}

#[tokio::test]
async fn whichever_answer_is_lost_the_run_ends_well_and_nothing_is_made_twice() {
    for operation in ["CreateDocument", "ModifyDocumentPermission"] {
        let script = script().first_lost(operation);
        assert_eq!(script.create::<Document>(spec()).await.unwrap().id, "p-e-s-it", "{operation}");
        assert_eq!(script.asked("CreateDocument").len(), 1, "{operation}");
    }
    let script = sessions("1", &inputs()).first_lost("CreateDocument");
    assert_eq!(script.create::<SessionPreferences>(preferences()).await.unwrap().id, PREFERENCES);
    assert_eq!(script.asked("CreateDocument").len(), 1);
    let mut to = spec();
    to["content"] = content("uptime");
    to.as_object_mut().unwrap().remove("version_name");
    // The new version was made: the repeated call is refused, and finds it.
    let script = Script::default()
        .lost("UpdateDocument")
        .refused("UpdateDocument", "DuplicateDocumentContent")
        .answer(
            "GetDocument",
            200,
            &version("p-e-s-it", &content("uptime")).replace(r#"Version":"1""#, r#"Version":"2""#),
        )
        .and(script_with_default_lost());
    script.update::<Document>("p-e-s-it", spec(), to).await.unwrap();
    let made: Vec<Value> =
        sent(&script, "UpdateDocumentDefaultVersion").iter().map(|s| s["DocumentVersion"].clone()).collect();
    assert_eq!(made, ["2", "2"]);
    for operation in ["ModifyDocumentPermission", "DeleteDocument"] {
        let script = self::script().first_lost(operation);
        script.delete_owned::<Document>("p-e-s-it", spec(), Some(owner())).await.unwrap();
    }
}

fn script_with_default_lost() -> Script {
    script().first_lost("UpdateDocumentDefaultVersion")
}
