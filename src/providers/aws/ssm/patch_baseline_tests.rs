//! `patch_baseline` by scripted exchanges: no emulator can make one with tags, read one or change one.

use serde_json::{Value, json};

use super::patch_baseline::PatchBaseline;
use crate::model::cloud::ErrorClass;
use crate::model::kind::{Kind, Problems};
use crate::providers::aws::script::{Script, owner};

const ID: &str = "pb-0123456789abcdef0";

/// Tags as this service and the index give them.
fn tags() -> Value {
    owner().tags().iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect()
}

fn listed(id: &str, name: &str, default: bool) -> Value {
    json!({"BaselineId": id, "BaselineName": name, "BaselineDescription": "本番", "OperatingSystem": "AMAZON_LINUX_2023",
        "DefaultBaseline": default})
}

fn list(all: &[Value]) -> String {
    json!({ "BaselineIdentities": all }).to_string()
}

/// Every field.
fn spec() -> Value {
    json!({
        "name": "production", "operating_system": "amazon_linux_2023", "description": "本番",
        "approval_rules": [{"filters": {"CLASSIFICATION": ["Security", "Bugfix"]}, "approve_after": "7d",
            "level": "critical", "non_security": true},
            {"filters": {"SEVERITY": ["Low"]}, "approve_until": "2026-11-30"}],
        "global_filters": {"PRODUCT": ["AmazonLinux2023"]},
        "approved_patches": ["kernel*"], "approved_patches_level": "high", "approved_patches_non_security": true,
        "rejected_patches": ["telnet*"], "rejected_patches_action": "block",
        "sources": {"own": {"products": ["*"], "configuration": "[own]\nbaseurl=https://repo.example.jp"}},
        "patch_groups": ["web", "db"], "default": true,
    })
}

/// The same, as the API gives it.
fn whole() -> Value {
    let filter = |key: &str, values: &[&str]| json!({"PatchFilters": [{"Key": key, "Values": values}]});
    json!({
        "BaselineId": ID, "Name": "production", "OperatingSystem": "AMAZON_LINUX_2023", "Description": "本番",
        "ApprovalRules": {"PatchRules": [
            {"PatchFilterGroup": filter("SEVERITY", &["Low"]), "ApproveUntilDate": "2026-11-30"},
            {"PatchFilterGroup": filter("CLASSIFICATION", &["Security", "Bugfix"]), "ApproveAfterDays": 7,
                "ComplianceLevel": "CRITICAL", "EnableNonSecurity": true}]},
        "GlobalFilters": filter("PRODUCT", &["AmazonLinux2023"]),
        "ApprovedPatches": ["kernel*"], "ApprovedPatchesComplianceLevel": "HIGH",
        "ApprovedPatchesEnableNonSecurity": true, "RejectedPatches": ["telnet*"], "RejectedPatchesAction": "BLOCK",
        "Sources": [{"Name": "own", "Products": ["*"], "Configuration": "[own]\nbaseurl=https://repo.example.jp"}],
        "PatchGroups": ["web", "db"],
    })
}

fn script(identity: &Value) -> Script {
    let script = Script::default()
        .answer("CreatePatchBaseline", 200, &json!({ "BaselineId": ID }).to_string())
        .answer("DescribePatchBaselines", 200, &list(std::slice::from_ref(identity)))
        .answer("ListTagsForResource", 200, &json!({ "TagList": tags() }).to_string())
        .answer("GetPatchBaseline", 200, &whole().to_string());
    [
        "UpdatePatchBaseline",
        "RegisterPatchBaselineForPatchGroup",
        "DeregisterPatchBaselineForPatchGroup",
        "RegisterDefaultPatchBaseline",
        "DeletePatchBaseline",
        "AddTagsToResource",
        "RemoveTagsFromResource",
    ]
    .iter()
    .fold(script, |script, operation| script.answer(operation, 200, "{}"))
}

/// The list of own baselines, then AWS's own.
fn with_default(script: Script) -> Script {
    script
        .answer("DescribePatchBaselines", 200, &list(&[listed(ID, "production", true)]))
        .answer("DescribePatchBaselines", 200, &list(&[listed(ID, "production", true)]))
        .answer(
            "DescribePatchBaselines",
            200,
            &list(&[
                listed("arn:aws:ssm:r:1:patchbaseline/pb-os", "AWS-WindowsPredefinedPatchBaseline-OS", false),
                listed("arn:aws:ssm:r:1:patchbaseline/pb-aws", "AWS-AmazonLinux2023DefaultPatchBaseline", false),
            ]),
        )
}

fn problems(more: &Value) -> Vec<String> {
    let mut spec = json!({"operating_system": "amazon_linux_2023"});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let mut problems = Problems::default();
    PatchBaseline::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
    problems.0.into_iter().map(|p| p.path).collect()
}

#[test]
fn rules_that_the_api_would_refuse_are_refused_before() {
    let rule = |more: Value| {
        let mut rule = json!({"filters": {"CLASSIFICATION": ["*"]}});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "approval_rules": [rule] })
    };
    assert_eq!(problems(&rule(json!({"approve_after": "0s"}))), [""; 0]);
    assert_eq!(problems(&rule(json!({}))), ["approval_rules.0"]);
    assert_eq!(problems(&rule(json!({"approve_after": "1d", "approve_until": "2026-11-30"}))), ["approval_rules.0"]);
    assert_eq!(problems(&rule(json!({"approve_after": "36h"}))), ["approval_rules.0.approve_after"]);
    assert_eq!(problems(&rule(json!({"approve_after": "361d"}))), ["approval_rules.0.approve_after"]);
    assert_eq!(problems(&json!({"global_filters": {"COLOUR": ["red"]}})), ["global_filters.COLOUR"]);
    assert_eq!(problems(&json!({"global_filters": {"PRODUCT": []}})), ["global_filters.PRODUCT"]);
    assert_eq!(problems(&json!({"available_security_updates": "compliant"})), ["available_security_updates"]);
    let windows = json!({"operating_system": "windows", "approved_patches_non_security": true,
        "sources": {"a": {"products": ["*"], "configuration": "x"}}});
    assert_eq!(problems(&windows), ["approved_patches_non_security", "sources", "sources.a"]);
    let ubuntu = json!({"operating_system": "ubuntu", "approval_rules": [{"filters": {"PRIORITY": ["Required"]}}]});
    assert_eq!(problems(&ubuntu), [""; 0], "the API takes no time for it");
}

#[tokio::test]
async fn every_field_reaches_the_api_with_the_tags_and_is_read_back() {
    let script = script(&listed(ID, "production", true));
    let object = script.create::<PatchBaseline>(spec()).await.unwrap();
    let asked: Value = serde_json::from_str(&script.asked("CreatePatchBaseline")[0]).unwrap();
    assert_eq!(asked["Name"], "production");
    assert_eq!(asked["ClientToken"], "token");
    let rule = &asked["ApprovalRules"]["PatchRules"][0];
    assert_eq!((&rule["ApproveAfterDays"], &rule["ComplianceLevel"]), (&json!(7), &json!("CRITICAL")));
    assert_eq!(rule["PatchFilterGroup"]["PatchFilters"][0]["Values"], json!(["Bugfix", "Security"]));
    let same =
        ["GlobalFilters", "ApprovedPatches", "ApprovedPatchesComplianceLevel", "ApprovedPatchesEnableNonSecurity"];
    for field in same.iter().chain(&["RejectedPatches", "RejectedPatchesAction", "Sources", "Description"]) {
        assert_eq!(asked[*field], whole()[*field], "{field}");
    }
    for (key, value) in owner().tags() {
        assert!(asked["Tags"].as_array().unwrap().contains(&json!({"Key": key, "Value": value})), "{key}");
    }
    let groups = script.asked("RegisterPatchBaselineForPatchGroup").join(" ");
    assert!(groups.contains("\"web\"") && groups.contains("\"db\""), "{groups}");
    assert_eq!(script.asked("RegisterDefaultPatchBaseline").len(), 1);
    let normal = normal(&spec());
    for (field, value) in normal.as_object().unwrap() {
        let read = &object.spec[field];
        if field == "approval_rules" {
            assert_eq!((&read[0], &read[1]), (&value[1], &value[0]), "in any order");
        } else {
            assert_eq!(read, value, "{field}");
        }
    }
}

/// A spec in its one form.
fn normal(spec: &Value) -> Value {
    crate::providers::kinds().get("patch_baseline").unwrap().normalise(spec).unwrap().0
}

#[tokio::test]
async fn each_changed_field_is_written_and_no_other() {
    let changes = [
        ("name", json!("other"), "Name", json!("other")),
        ("description", json!("検証"), "Description", json!("検証")),
        ("approved_patches", json!([]), "ApprovedPatches", json!([])),
        ("approved_patches_level", json!("low"), "ApprovedPatchesComplianceLevel", json!("LOW")),
        ("approved_patches_non_security", json!(false), "ApprovedPatchesEnableNonSecurity", json!(false)),
        ("rejected_patches", json!(["nc"]), "RejectedPatches", json!(["nc"])),
        (
            "rejected_patches_action",
            json!("allow_as_dependency"),
            "RejectedPatchesAction",
            json!("ALLOW_AS_DEPENDENCY"),
        ),
        ("approval_rules", json!([]), "ApprovalRules", json!({"PatchRules": []})),
        ("global_filters", json!({}), "GlobalFilters", json!({"PatchFilters": []})),
        ("sources", json!({}), "Sources", json!([])),
        (
            "available_security_updates",
            json!("non_compliant"),
            "AvailableSecurityUpdatesComplianceStatus",
            json!("NON_COMPLIANT"),
        ),
    ];
    for (field, value, member, sent) in changes {
        let script = script(&listed(ID, "production", true));
        let mut to = spec();
        to[field] = value;
        script.update::<PatchBaseline>(ID, spec(), to).await.unwrap();
        let asked: Value = serde_json::from_str(&script.asked("UpdatePatchBaseline")[0]).unwrap();
        assert_eq!(asked, json!({"BaselineId": ID, member: sent}), "{field}");
        assert!(script.asked("RegisterPatchBaselineForPatchGroup").is_empty(), "{field}");
    }
}

#[tokio::test]
async fn groups_are_added_before_others_are_taken_out() {
    let script = script(&listed(ID, "production", true));
    let mut to = spec();
    to["patch_groups"] = json!(["web", "batch"]);
    script.update::<PatchBaseline>(ID, spec(), to).await.unwrap();
    let writes: Vec<String> =
        script.operations().into_iter().filter(|o| o.contains("register") || o.contains("Register")).collect();
    assert_eq!(writes, ["RegisterPatchBaselineForPatchGroup", "DeregisterPatchBaselineForPatchGroup"]);
    assert!(script.asked("RegisterPatchBaselineForPatchGroup")[0].contains("batch"));
    assert!(script.asked("DeregisterPatchBaselineForPatchGroup")[0].contains("db"));
    assert!(script.asked("UpdatePatchBaseline").is_empty());
}

#[tokio::test]
async fn the_default_goes_back_to_the_one_that_aws_keeps() {
    let mut to = spec();
    to["default"] = json!(false);
    let own = list(&[listed(ID, "production", true)]);
    let aws = list(&[listed("pb-aws", "AWS-AmazonLinux2023DefaultPatchBaseline", false)]);
    let script = Script::default()
        .answer("DescribePatchBaselines", 200, &own)
        .answer("DescribePatchBaselines", 200, &aws)
        .and(script(&listed(ID, "production", false)));
    script.update::<PatchBaseline>(ID, spec(), to.clone()).await.unwrap();
    assert!(script.asked("RegisterDefaultPatchBaseline")[0].contains("\"pb-aws\""));
    assert!(script.asked("DescribePatchBaselines")[0].contains("OPERATING_SYSTEM"));
    // Another one became the default in the same run.
    let script = self::script(&listed(ID, "production", false));
    script.update::<PatchBaseline>(ID, spec(), to).await.unwrap();
    assert!(script.asked("RegisterDefaultPatchBaseline").is_empty());
}

#[tokio::test]
async fn a_baseline_gives_up_default_and_groups_before_it_is_deleted() {
    let script = with_default(Script::default()).and(script(&listed(ID, "production", true)));
    script.delete_owned::<PatchBaseline>(ID, spec(), Some(owner())).await.unwrap();
    assert!(script.asked("RegisterDefaultPatchBaseline")[0].contains("patchbaseline/pb-aws"));
    assert_eq!(script.asked("DeregisterPatchBaselineForPatchGroup").len(), 2);
    assert_eq!(script.operations().last().map(String::as_str), Some("DeletePatchBaseline"));
}

#[tokio::test]
async fn a_baseline_is_found_by_the_index_or_by_its_name_and_others_are_not_asked_for() {
    let index = json!({"ResourceTagMappingList": [
        {"ResourceARN": format!("arn:aws:ssm:r:1:patchbaseline/{ID}"), "Tags": tags()}]});
    let all = [listed(ID, "production", false), listed("pb-new", "p-e-s-it", false), listed("pb-x", "foreign", false)];
    let script = Script::default()
        .answer("GetResources", 200, &index.to_string())
        .answer("DescribePatchBaselines", 200, &list(&all))
        .and(script(&listed(ID, "production", false)));
    let found = script.read::<PatchBaseline>().await.unwrap();
    assert_eq!(found.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), [ID, "pb-new"]);
    assert_eq!(script.asked("ListTagsForResource").len(), 1, "only the new one costs a call");
    assert!(script.asked("GetResources")[0].contains("ssm:patchbaseline"));
}

#[tokio::test]
async fn all_pages_of_the_list_are_read() {
    let page = json!({"BaselineIdentities": [listed("pb-x", "foreign", false)], "NextToken": "more"});
    let script = Script::default()
        .answer("DescribePatchBaselines", 200, &page.to_string())
        .and(script(&listed(ID, "p-e-s-it", false)))
        .answer("GetResources", 200, "{}");
    assert_eq!(script.read::<PatchBaseline>().await.unwrap().len(), 1);
    assert!(script.asked("DescribePatchBaselines")[1].contains("more"));
}

#[tokio::test]
async fn whichever_answer_is_lost_the_run_ends_well_and_no_second_one_is_made() {
    let writes = ["CreatePatchBaseline", "RegisterPatchBaselineForPatchGroup", "RegisterDefaultPatchBaseline"];
    for operation in writes {
        let script = script(&listed(ID, "production", true)).first_lost(operation);
        assert_eq!(script.create::<PatchBaseline>(spec()).await.unwrap().id, ID, "{operation}");
        let mut asked = script.asked("CreatePatchBaseline");
        asked.dedup();
        assert_eq!(asked.len(), 1, "{operation}: the same token, the same request");
    }
    let mut to = spec();
    to["description"] = json!("検証");
    to["patch_groups"] = json!(["batch"]);
    for operation in
        ["UpdatePatchBaseline", "RegisterPatchBaselineForPatchGroup", "DeregisterPatchBaselineForPatchGroup"]
    {
        let script = script(&listed(ID, "production", true)).first_lost(operation);
        script.update::<PatchBaseline>(ID, spec(), to.clone()).await.unwrap();
        assert!(script.asked("CreatePatchBaseline").is_empty());
    }
    for operation in ["DeregisterPatchBaselineForPatchGroup", "RegisterDefaultPatchBaseline", "DeletePatchBaseline"] {
        let script = with_default(Script::default()).and(script(&listed(ID, "production", true))).first_lost(operation);
        script.delete_owned::<PatchBaseline>(ID, spec(), Some(owner())).await.unwrap();
    }
}

#[tokio::test]
async fn a_baseline_that_a_run_left_half_made_differs_from_what_is_declared() {
    // Made, but neither its groups nor the default are registered.
    let mut half = whole();
    half["PatchGroups"] = json!([]);
    let script = Script::default()
        .answer("GetPatchBaseline", 200, &half.to_string())
        .answer("GetResources", 200, "{}")
        .and(script(&listed(ID, "p-e-s-it", false)));
    let found = script.read::<PatchBaseline>().await.unwrap();
    assert_eq!((&found[0].spec["patch_groups"], &found[0].spec["default"]), (&json!([]), &json!(false)));
}

#[tokio::test]
async fn a_group_that_another_baseline_has_is_an_error_that_says_so() {
    let script = Script::default()
        .refused("RegisterPatchBaselineForPatchGroup", "AlreadyExistsException")
        .and(script(&listed(ID, "production", true)));
    assert_eq!(script.create::<PatchBaseline>(spec()).await.unwrap_err().class, ErrorClass::Conflict);
}

#[tokio::test]
async fn a_baseline_that_is_gone_is_deleted() {
    let script = Script::default().answer("DescribePatchBaselines", 200, &list(&[]));
    script.delete_owned::<PatchBaseline>(ID, spec(), Some(owner())).await.unwrap();
    assert!(script.asked("DeletePatchBaseline").is_empty());
}
