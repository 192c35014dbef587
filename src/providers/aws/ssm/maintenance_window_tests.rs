//! `maintenance_window` by scripted exchanges: what no emulator has, which is every change of a window, target or task,
//! and what a task does.

use serde_json::{Value, json};

use super::maintenance_window::MaintenanceWindow;
use crate::model::kind::{Kind, Problems};
use crate::providers::aws::script::{Script, owner};

const ID: &str = "mw-0123456789abcdef0";

fn tags() -> Value {
    owner().tags().iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect()
}

/// Every field, and a task of each sort.
fn spec() -> Value {
    json!({
        "name": "sunday", "description": "日曜の夜", "schedule": "cron(0 2 ? * SUN *)", "schedule_time_zone": "Asia/Tokyo",
        "schedule_offset": 1, "duration": "3h", "cutoff": "1h", "allow_unassociated_targets": true, "enabled": false,
        "starts": "2026-12-01T00:00:00+09:00", "ends": "2027-12-01T00:00:00+09:00",
        "targets": {
            "web": {"select": {"tags": {"Role": ["web", "api"]}, "instances": ["s/other"]}, "description": "表",
                "owner_information": "運用"},
            "group": {"select": {"resource_groups": ["all"],
                "other": {"resource-groups:ResourceTypeFilters": ["AWS::EC2::Instance"]}}},
        },
        "tasks": {
            "patch": {
                "run_command": {
                    "document": {"id": "AWS-RunPatchBaseline"}, "document_version": "$DEFAULT",
                    "document_hash": "0".repeat(64), "parameters": {"Operation": ["Install"]}, "comment": "月次",
                    "output_bucket": {"id": "logs"}, "output_prefix": "patch", "log_group": {"id": "/patch"},
                    "notification": {"topic": {"id": "arn:topic"}, "role": {"id": "arn:notify"},
                        "events": ["failed", "timed_out"], "per": "invocation"},
                    "timeout": "10m",
                },
                "window_targets": ["web"], "role": {"id": "arn:role"}, "priority": 2, "max_concurrency": "50%",
                "max_errors": "1", "at_cutoff": "cancel", "description": "適用",
                "alarm": {"name": "errors", "ignore_unknown": true},
            },
            "restart": {
                "automation": {"document": {"id": "AWS-RestartEC2Instance"}, "document_version": "1",
                    "parameters": {"InstanceId": ["i-1"]}},
                "select": {"instances": [{"id": "i-1"}]}, "max_concurrency": "1", "max_errors": "0",
            },
            "tell": {"lambda": {"function": "arn:function", "qualifier": "live", "payload": {"at": "end"},
                "client_context": "e30="}},
            "count": {"step_functions": {"state_machine": "arn:machine", "name": "monthly", "input": {"n": 1}}},
        },
    })
}

fn window() -> Value {
    json!({"WindowId": ID, "Name": "sunday", "Description": "日曜の夜", "Schedule": "cron(0 2 ? * SUN *)",
        "ScheduleTimezone": "Asia/Tokyo", "ScheduleOffset": 1, "Duration": 3, "Cutoff": 1, "Enabled": false,
        "StartDate": "2026-11-30T15:00:00Z", "EndDate": "2027-11-30T15:00:00Z"})
}

fn target(name: &str, id: &str, sort: &str, targets: &Value) -> Value {
    json!({"WindowId": ID, "WindowTargetId": id, "Name": name, "ResourceType": sort, "Targets": targets})
}

fn targets() -> Vec<Value> {
    let mut web = target(
        "web",
        "t-web",
        "INSTANCE",
        &json!([{"Key": "tag:Role", "Values": ["web", "api"]}, {"Key": "InstanceIds", "Values": ["other"]}]),
    );
    web["Description"] = json!("表");
    web["OwnerInformation"] = json!("運用");
    let groups = json!([{"Key": "resource-groups:Name", "Values": ["all"]},
        {"Key": "resource-groups:ResourceTypeFilters", "Values": ["AWS::EC2::Instance"]}]);
    vec![web, target("group", "t-group", "RESOURCE_GROUP", &groups)]
}

/// The tasks in the order of their names, as they are asked for one by one.
fn tasks() -> Vec<Value> {
    vec![
        json!({"WindowTaskId": "k-count", "Name": "count", "TaskType": "STEP_FUNCTIONS", "TaskArn": "arn:machine",
            "TaskInvocationParameters": {"StepFunctions": {"Name": "monthly", "Input": "{\"n\":1}"}},
            "MaxConcurrency": "1", "MaxErrors": "1", "Priority": 1}),
        json!({"WindowTaskId": "k-patch", "Name": "patch", "TaskType": "RUN_COMMAND", "TaskArn": "AWS-RunPatchBaseline",
            "Targets": [{"Key": "WindowTargetIds", "Values": ["t-web"]}], "ServiceRoleArn": "arn:role", "Priority": 2,
            "MaxConcurrency": "50%", "MaxErrors": "1", "CutoffBehavior": "CANCEL_TASK", "Description": "適用",
            "AlarmConfiguration": {"IgnorePollAlarmFailure": true, "Alarms": [{"Name": "errors"}]},
            "TaskInvocationParameters": {"RunCommand": {
                "DocumentVersion": "$DEFAULT", "DocumentHash": "0".repeat(64), "DocumentHashType": "Sha256",
                "Parameters": {"Operation": ["Install"]}, "Comment": "月次", "OutputS3BucketName": "logs",
                "OutputS3KeyPrefix": "patch", "ServiceRoleArn": "arn:notify", "TimeoutSeconds": 600,
                "CloudWatchOutputConfig": {"CloudWatchLogGroupName": "/patch", "CloudWatchOutputEnabled": true},
                "NotificationConfig": {"NotificationArn": "arn:topic", "NotificationEvents": ["Failed", "TimedOut"],
                    "NotificationType": "Invocation"}}}}),
        json!({"WindowTaskId": "k-restart", "Name": "restart", "TaskType": "AUTOMATION",
            "TaskArn": "AWS-RestartEC2Instance", "Targets": [{"Key": "InstanceIds", "Values": ["i-1"]}],
            "MaxConcurrency": "1", "MaxErrors": "0", "Priority": 1,
            "TaskInvocationParameters": {"Automation": {"DocumentVersion": "1", "Parameters": {"InstanceId": ["i-1"]}}}}),
        json!({"WindowTaskId": "k-tell", "Name": "tell", "TaskType": "LAMBDA", "TaskArn": "arn:function",
            "MaxConcurrency": "1", "MaxErrors": "1", "Priority": 1, "TaskInvocationParameters": {"Lambda": {
                "Qualifier": "live", "Payload": "eyJhdCI6ImVuZCJ9", "ClientContext": "e30="}}}),
    ]
}

/// As the list shows tasks: without what they do.
fn listed(tasks: &[Value]) -> String {
    let one = |task: &Value| {
        json!({"WindowId": ID, "WindowTaskId": task["WindowTaskId"], "Name": task["Name"],
        "Type": task["TaskType"], "TaskArn": task["TaskArn"], "Targets": task["Targets"]})
    };
    json!({"Tasks": tasks.iter().map(one).collect::<Vec<_>>()}).to_string()
}

fn script() -> Script {
    with(&targets(), &tasks())
}

fn with(targets: &[Value], tasks: &[Value]) -> Script {
    let mut whole = window();
    whole["AllowUnassociatedTargets"] = json!(true);
    let mut script = Script::default()
        .answer("CreateMaintenanceWindow", 200, &json!({ "WindowId": ID }).to_string())
        .answer("DescribeMaintenanceWindows", 200, &json!({"WindowIdentities": [window()]}).to_string())
        .answer("GetMaintenanceWindow", 200, &whole.to_string())
        .answer("DescribeMaintenanceWindowTargets", 200, &json!({ "Targets": targets }).to_string())
        .answer("DescribeMaintenanceWindowTasks", 200, &listed(tasks))
        .answer("RegisterTargetWithMaintenanceWindow", 200, &json!({"WindowTargetId": "t-new"}).to_string())
        .answer("RegisterTaskWithMaintenanceWindow", 200, &json!({"WindowTaskId": "k-new"}).to_string())
        .answer("ListTagsForResource", 200, &json!({ "TagList": tags() }).to_string());
    for task in tasks {
        script = script.answer("GetMaintenanceWindowTask", 200, &task.to_string());
    }
    [
        "UpdateMaintenanceWindow",
        "UpdateMaintenanceWindowTarget",
        "UpdateMaintenanceWindowTask",
        "DeregisterTargetFromMaintenanceWindow",
        "DeregisterTaskFromMaintenanceWindow",
        "DeleteMaintenanceWindow",
    ]
    .iter()
    .fold(script, |script, operation| script.answer(operation, 200, "{}"))
}

fn sent(script: &Script, operation: &str) -> Vec<Value> {
    script.asked(operation).iter().map(|body| serde_json::from_str(body).unwrap()).collect()
}

/// The operations that write, in order.
fn writes(script: &Script) -> Vec<String> {
    let is_read = |o: &String| ["Describe", "Get", "List"].iter().any(|p| o.starts_with(p));
    script.operations().into_iter().filter(|o| !is_read(o)).collect()
}

fn problems(change: impl Fn(&mut Value)) -> Vec<String> {
    let mut spec = spec();
    change(&mut spec);
    let mut problems = Problems::default();
    MaintenanceWindow::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
    problems.0.into_iter().map(|p| p.path).collect()
}

#[test]
fn what_the_api_would_refuse_is_refused_before() {
    assert_eq!(problems(|_| ()), [""; 0]);
    assert_eq!(problems(|s| s["cutoff"] = json!("3h")), ["cutoff"]);
    assert_eq!(problems(|s| s["duration"] = json!("90m")), ["duration"]);
    assert_eq!(problems(|s| s["schedule"] = json!("rate(7 days)")), ["schedule_offset"]);
    assert_eq!(problems(|s| s["allow_unassociated_targets"] = json!(false)), ["tasks.restart.select"]);
    assert_eq!(
        problems(|s| s["tasks"]["patch"]["window_targets"] = json!(["nowhere"])),
        ["tasks.patch.window_targets"]
    );
    assert_eq!(
        problems(|s| s["tasks"]["patch"]["window_targets"] = json!([])),
        ["tasks.patch", "tasks.patch.max_concurrency", "tasks.patch.max_errors"]
    );
    assert_eq!(
        problems(|s| s["tasks"]["patch"]["run_command"]["timeout"] = json!("5s")),
        ["tasks.patch.run_command.timeout"]
    );
    assert_eq!(problems(|s| s["tasks"]["tell"]["automation"] = json!({"document": {"id": "x"}})), ["tasks.tell"]);
    assert_eq!(problems(|s| s["targets"]["表"] = json!({"select": {}})), ["targets.表", "targets.表.select"]);
    assert_eq!(
        problems(|s| s["targets"]["web"]["select"]["other"] = json!({"InstanceIds": ["*"]})),
        ["targets.web.select.other.InstanceIds"]
    );
}

#[tokio::test]
async fn every_field_reaches_the_api_with_the_tags_and_is_read_back() {
    let script = script();
    let object = script.create::<MaintenanceWindow>(spec()).await.unwrap();
    let asked = &sent(&script, "CreateMaintenanceWindow")[0];
    for (field, value) in
        window().as_object().unwrap().iter().filter(|(f, _)| !["WindowId", "Enabled"].contains(&f.as_str()))
    {
        assert_eq!(&asked[field], value, "{field}");
    }
    assert_eq!((&asked["ClientToken"], &asked["AllowUnassociatedTargets"]), (&json!("token"), &json!(true)));
    assert_eq!(asked["Tags"].as_array().unwrap().len(), owner().tags().len() + 1, "ownership, and `Name`");
    let order = writes(&script);
    assert_eq!(
        order[..2],
        ["CreateMaintenanceWindow", "UpdateMaintenanceWindow"],
        "disabled before anything could run"
    );
    let registered = sent(&script, "RegisterTargetWithMaintenanceWindow");
    assert_eq!(registered[0]["ResourceType"], "RESOURCE_GROUP");
    assert_eq!(
        registered[1]["Targets"],
        json!([{"Key": "InstanceIds", "Values": ["other"]}, {"Key": "tag:Role", "Values": ["api", "web"]}])
    );
    for (sent, read) in sent(&script, "RegisterTaskWithMaintenanceWindow").iter().zip(tasks()) {
        let name = sent["Name"].as_str().unwrap();
        assert_eq!(sent["TaskInvocationParameters"], read["TaskInvocationParameters"], "{name}");
        for field in ["TaskType", "TaskArn", "ServiceRoleArn", "CutoffBehavior", "AlarmConfiguration"] {
            assert_eq!(sent[field], read[field], "{name} {field}");
        }
    }
    let patch = &sent(&script, "RegisterTaskWithMaintenanceWindow")[1];
    assert_eq!(patch["Targets"], json!([{"Key": "WindowTargetIds", "Values": ["t-new"]}]));
    let kind = crate::providers::kinds().get("maintenance_window").unwrap().clone();
    let normal = kind.normalise(&spec()).unwrap().0;
    for (field, value) in
        normal.as_object().unwrap().iter().filter(|(f, _)| !["targets", "tasks"].contains(&f.as_str()))
    {
        assert_eq!(&object.spec[field], value, "{field}");
    }
    for (name, task) in normal["tasks"].as_object().unwrap() {
        for (field, value) in task.as_object().unwrap() {
            assert_eq!(&object.spec["tasks"][name][field], value, "{name} {field}");
        }
    }
    assert_eq!(object.spec["targets"]["group"], normal["targets"]["group"]);
    assert_eq!(object.spec["targets"]["web"]["select"]["tags"], json!({"Role": ["api", "web"]}));
    assert_eq!(object.spec["targets"]["web"]["select"]["instances"], json!([{"id": "other"}]));
}

#[test]
fn a_moment_is_the_same_with_any_offset() {
    let kind = crate::providers::kinds().get("maintenance_window").unwrap().clone();
    let window = |starts: &str| json!({"schedule": "rate(1 day)", "duration": "1h", "cutoff": "0s", "starts": starts});
    for (written, normal) in [
        ("2026-12-01T00:00:00+09:00", "2026-11-30T15:00:00Z"),
        ("2026-11-30T15:00Z", "2026-11-30T15:00:00Z"),
        ("2026-12-01T00:00:00", "2026-12-01T00:00:00"),
    ] {
        assert_eq!(kind.normalise(&window(written)).unwrap().0["starts"], normal);
    }
}

#[tokio::test]
async fn each_changed_field_of_a_window_is_written_and_no_other() {
    let changes = [
        ("name", json!("monday"), json!({"Name": "monday"})),
        ("description", json!("月曜"), json!({"Description": "月曜"})),
        ("schedule", json!("rate(7 days)"), json!({"Schedule": "rate(7 days)"})),
        ("schedule_time_zone", json!("UTC"), json!({"ScheduleTimezone": "UTC"})),
        ("schedule_offset", json!(2), json!({"ScheduleOffset": 2})),
        ("duration", json!("4h"), json!({"Duration": 4, "Cutoff": 1})),
        ("cutoff", json!("0s"), json!({"Duration": 3, "Cutoff": 0})),
        ("allow_unassociated_targets", json!(false), json!({"AllowUnassociatedTargets": false})),
        ("enabled", json!(true), json!({"Enabled": true})),
        ("starts", json!("2027-01-01T00:00:00Z"), json!({"StartDate": "2027-01-01T00:00:00Z"})),
        ("ends", json!("2028-01-01T00:00:00Z"), json!({"EndDate": "2028-01-01T00:00:00Z"})),
    ];
    for (field, value, mut members) in changes {
        let script = script();
        let mut to = spec();
        to[field] = value;
        script.update::<MaintenanceWindow>(ID, spec(), to).await.unwrap();
        members["WindowId"] = json!(ID);
        assert_eq!(sent(&script, "UpdateMaintenanceWindow"), [members], "{field}");
        assert_eq!(writes(&script), ["UpdateMaintenanceWindow"], "{field}");
    }
}

#[tokio::test]
async fn only_the_targets_and_tasks_that_changed_are_written_and_what_is_not_declared_goes() {
    let script = script();
    let mut to = spec();
    to["targets"]["web"]["description"] = json!("裏");
    to["targets"].as_object_mut().unwrap().remove("group");
    to["tasks"]["patch"]["run_command"]["parameters"] = json!({"Operation": ["Scan"]});
    to["tasks"].as_object_mut().unwrap().remove("tell");
    script.update::<MaintenanceWindow>(ID, spec(), to).await.unwrap();
    assert_eq!(
        writes(&script),
        [
            "UpdateMaintenanceWindowTarget",
            "UpdateMaintenanceWindowTask",
            "DeregisterTaskFromMaintenanceWindow",
            "DeregisterTargetFromMaintenanceWindow"
        ]
    );
    let target = &sent(&script, "UpdateMaintenanceWindowTarget")[0];
    assert_eq!((&target["WindowTargetId"], &target["Description"]), (&json!("t-web"), &json!("裏")));
    let task = &sent(&script, "UpdateMaintenanceWindowTask")[0];
    assert_eq!(task["TaskInvocationParameters"]["RunCommand"]["Parameters"], json!({"Operation": ["Scan"]}));
    assert_eq!(task["Targets"], json!([{"Key": "WindowTargetIds", "Values": ["t-web"]}]));
    assert_eq!(sent(&script, "DeregisterTaskFromMaintenanceWindow")[0]["WindowTaskId"], "k-tell");
    let gone = &sent(&script, "DeregisterTargetFromMaintenanceWindow")[0];
    assert_eq!((&gone["WindowTargetId"], &gone["Safe"]), (&json!("t-group"), &json!(true)));
}

#[tokio::test]
async fn a_target_of_another_sort_is_a_new_one_to_which_its_tasks_move() {
    let script = script();
    let mut to = spec();
    to["targets"]["web"]["select"] = json!({"resource_groups": ["web"]});
    script.update::<MaintenanceWindow>(ID, spec(), to).await.unwrap();
    assert_eq!(
        writes(&script),
        ["RegisterTargetWithMaintenanceWindow", "UpdateMaintenanceWindowTask", "DeregisterTargetFromMaintenanceWindow"]
    );
    let task = &sent(&script, "UpdateMaintenanceWindowTask")[0];
    assert_eq!(task["Targets"], json!([{"Key": "WindowTargetIds", "Values": ["t-new"]}]));
    assert_eq!(sent(&script, "DeregisterTargetFromMaintenanceWindow")[0]["WindowTargetId"], "t-web");
}

#[tokio::test]
async fn a_task_of_another_sort_comes_before_the_former_one_goes() {
    let script = script();
    let mut to = spec();
    to["tasks"]["tell"] = json!({"step_functions": {"state_machine": "arn:machine"}});
    script.update::<MaintenanceWindow>(ID, spec(), to).await.unwrap();
    assert_eq!(writes(&script), ["RegisterTaskWithMaintenanceWindow", "DeregisterTaskFromMaintenanceWindow"]);
    assert_eq!(sent(&script, "DeregisterTaskFromMaintenanceWindow")[0]["WindowTaskId"], "k-tell");
}

#[tokio::test]
async fn what_a_run_left_twice_is_seen_and_goes_with_the_next() {
    let mut double = targets();
    double.push(target(
        "web",
        "t-again",
        "RESOURCE_GROUP",
        &json!([{"Key": "resource-groups:Name", "Values": ["web"]}]),
    ));
    let script = Script::default().answer("GetResources", 200, "{}").and(with(&double, &tasks())).answer(
        "DescribeMaintenanceWindows",
        200,
        "{}",
    );
    let mut named = window();
    named["Name"] = json!("p-e-s-it");
    let script = Script::default()
        .answer("DescribeMaintenanceWindows", 200, &json!({"WindowIdentities": [named]}).to_string())
        .and(script);
    let before = script.read::<MaintenanceWindow>().await.unwrap().remove(0);
    assert!(before.spec["targets"].get("web (t-again)").is_some(), "{}", before.spec["targets"]);

    // The run was to make it one of groups.
    let script = with(&double, &tasks());
    let mut to = spec();
    to["targets"]["web"]["select"] = json!({"resource_groups": ["web"]});
    script.update::<MaintenanceWindow>(ID, before.spec, to).await.unwrap();
    assert!(script.asked("RegisterTargetWithMaintenanceWindow").is_empty(), "no third one");
    let patch = sent(&script, "UpdateMaintenanceWindowTask");
    assert!(
        patch.iter().any(|t| t["Targets"] == json!([{"Key": "WindowTargetIds", "Values": ["t-again"]}])),
        "{patch:?}"
    );
    assert_eq!(sent(&script, "DeregisterTargetFromMaintenanceWindow")[0]["WindowTargetId"], "t-web");
}

#[tokio::test]
async fn all_pages_of_windows_targets_and_tasks_are_read() {
    let more = |members: Value| {
        let mut page = members;
        page["NextToken"] = json!("more");
        page.to_string()
    };
    let mut named = window();
    named["Name"] = json!("p-e-s-it");
    let script = Script::default()
        .answer("DescribeMaintenanceWindows", 200, &more(json!({"WindowIdentities": []})))
        .answer("DescribeMaintenanceWindows", 200, &json!({"WindowIdentities": [named]}).to_string())
        .answer("DescribeMaintenanceWindowTargets", 200, &more(json!({"Targets": []})))
        .answer("DescribeMaintenanceWindowTasks", 200, &more(json!({"Tasks": []})))
        .answer("GetResources", 200, "{}")
        .and(script());
    let found = script.read::<MaintenanceWindow>().await.unwrap();
    let count = |field: &str| found[0].spec[field].as_object().unwrap().len();
    assert_eq!((found.len(), count("targets"), count("tasks")), (1, 2, 4));
}

#[tokio::test]
async fn whichever_answer_is_lost_the_run_ends_well_and_nothing_is_made_twice() {
    let makes = ["CreateMaintenanceWindow", "RegisterTargetWithMaintenanceWindow", "RegisterTaskWithMaintenanceWindow"];
    for operation in makes.iter().chain(&["UpdateMaintenanceWindow"]) {
        let script = script().first_lost(operation);
        assert_eq!(script.create::<MaintenanceWindow>(spec()).await.unwrap().id, ID, "{operation}");
        for (make, count) in makes.iter().zip([1, 2, 4]) {
            let mut tokens: Vec<Value> = sent(&script, make).iter().map(|s| s["ClientToken"].clone()).collect();
            tokens.dedup();
            assert_eq!(tokens.len(), count, "{operation}: one token for each of {make}");
        }
    }
    let mut to = spec();
    to["name"] = json!("monday");
    to["targets"] = json!({"web": {"select": {"tags": {"Role": ["web"]}}}, "new": {"select": {"tags": {"a": ["b"]}}}});
    to["tasks"].as_object_mut().unwrap().remove("tell");
    to["tasks"]["patch"]["priority"] = json!(3);
    for operation in [
        "UpdateMaintenanceWindow",
        "RegisterTargetWithMaintenanceWindow",
        "UpdateMaintenanceWindowTarget",
        "UpdateMaintenanceWindowTask",
        "DeregisterTaskFromMaintenanceWindow",
        "DeregisterTargetFromMaintenanceWindow",
    ] {
        let script = script().first_lost(operation);
        script.update::<MaintenanceWindow>(ID, spec(), to.clone()).await.unwrap();
        assert!(script.asked("CreateMaintenanceWindow").is_empty());
    }
    let script = script().first_lost("DeleteMaintenanceWindow");
    script.delete_owned::<MaintenanceWindow>(ID, spec(), Some(owner())).await.unwrap();
}
