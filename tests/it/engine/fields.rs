//! Every field of every kind, changed by hand on the simulated cloud: the plan says what the kind's type says of the field
//! (in place, with an interruption, a new object), and its apply puts it right.

use std::collections::{BTreeMap, BTreeSet};

use saiken::model::kind::KindDef;
use saiken::model::plan::{ActionKind, Impact};
use saiken::model::schema::{Change, Field, Type};
use saiken::providers;
use serde_json::{Value, json};

use crate::support::kind_case::{Case, Runner};

/// The forms of the kinds that no emulator has; those of the others are their cases'.
fn scripted() -> Vec<Case> {
    vec![
        Case {
            kind: "association",
            first: json!({
                "document": {"id": "AWS-GatherSoftwareInventory"}, "document_version": "$DEFAULT",
                "parameters": {"applications": ["Enabled"]}, "targets": {"tags": {"Role": ["web", "api"]}},
                "schedule": "cron(0 2 ? * SUN *)", "schedule_offset": 1, "only_on_schedule": true, "duration": "2h",
                "severity": "high", "max_concurrency": "10%", "max_errors": "1",
                "output": {"bucket": {"id": "logs"}, "prefix": "inventory"}, "compliance": "manual",
                "calendars": [{"id": "営業日"}], "automation_target_parameter": "InstanceId",
                "alarm": {"name": "errors", "ignore_unknown": true}, "role": {"id": "arn:role"},
            }),
            ..Case::default()
        },
        Case {
            kind: "patch_baseline",
            first: json!({
                "name": "production", "operating_system": "amazon_linux_2023", "description": "本番",
                "approval_rules": [
                    {"filters": {"CLASSIFICATION": ["Security"]}, "approve_after": "7d", "level": "critical"},
                    {"filters": {"SEVERITY": ["Low"]}, "approve_until": "2026-11-30"},
                ],
                "global_filters": {"PRODUCT": ["AmazonLinux2023"]}, "approved_patches": ["kernel*"],
                "approved_patches_level": "high", "approved_patches_non_security": true,
                "rejected_patches": ["telnet*"], "rejected_patches_action": "block", "patch_groups": ["web", "db"],
                "sources": {"own": {"products": ["*"], "configuration": "[own]\nbaseurl=https://repo.example.jp"}},
                "default": true,
            }),
            ..Case::default()
        },
        Case {
            kind: "restore_testing_plan",
            first: json!({
                "schedule": "cron(0 5 ? * * *)", "time_zone": "Asia/Tokyo", "start_window": "12h",
                "recovery_points": {"choice": "random", "vaults": [{"id": "*"}], "types": ["snapshot", "continuous"],
                    "window": "7d"},
            }),
            ..Case::default()
        },
    ]
}

/// Values that a field may have in place of this one: those of other forms first, then some of its type, then none.
fn others(field: &Field, value: &Value, forms: &[Value]) -> Vec<Option<Value>> {
    let mut all: Vec<Option<Value>> = forms.iter().map(|form| form.get(&field.name).cloned()).collect();
    all.retain(Option::is_some);
    match (&field.ty, value) {
        (Type::Boolean, value) => all.push(Some(json!(value != &json!(true)))),
        (Type::String { values, .. }, Value::String(text)) => {
            all.extend(values.iter().map(|v| Some(json!(v))));
            all.extend(["x", "2", "1"].map(|end| Some(json!(format!("{text}{end}")))));
        }
        (Type::Integer(..), Value::Number(n)) => {
            let n = n.as_i64().unwrap();
            all.extend([n + 1, n - 1].map(|n| Some(json!(n))));
        }
        (Type::Number(..), Value::Number(n)) => all.push(Some(json!(n.as_f64().unwrap() + 1.0))),
        (Type::Ref(_), _) => all.push(Some(json!({"id": "by-hand"}))),
        (Type::Duration, _) => all.extend(["1h", "2h", "1d", "400d"].map(|t| Some(json!(t)))),
        (Type::Size, _) => all.extend(["1GiB", "200GiB"].map(|t| Some(json!(t)))),
        (Type::Cidr, _) => all.push(Some(json!("10.99.0.0/16"))),
        (Type::Map(inner), Value::Object(map)) if matches!(**inner, Type::String { .. }) => {
            let mut more = map.clone();
            more.insert("hand".to_owned(), json!("手"));
            all.push(Some(more.into()));
        }
        (_, Value::Array(items)) if items.len() > 1 => all.push(Some(items[1..].into())),
        _ => {}
    }
    all.push(None);
    all.retain(|other| other.as_ref() != Some(value));
    all
}

/// The form without the fields that name what is not declared: on the simulated cloud it does not exist.
fn without_foreign(kind: &KindDef, form: &Value) -> Value {
    let mut form = form.clone();
    for field in &kind.schema.fields {
        let Some(value) = form.get(&field.name) else { continue };
        let mut foreign = false;
        kind.schema
            .visit_refs(&json!({ field.name.as_str(): value }), &mut |_, target| foreign |= target.get("id").is_some());
        if foreign && !field.required {
            form.as_object_mut().unwrap().remove(&field.name);
        }
    }
    form
}

#[test]
fn every_field_changed_by_hand_is_planned_as_its_kind_says_and_put_right() {
    let all: Vec<Case> = crate::aws::cases().into_iter().map(|(_, case)| case).chain(scripted()).collect();
    let known: BTreeSet<&str> = all.iter().map(|case| case.kind).collect();
    assert_eq!(known, providers::kinds().names().collect(), "every kind is here");
    let mut tried: BTreeMap<Change, usize> = BTreeMap::new();
    let mut not: Vec<String> = Vec::new();
    for case in all {
        let kind = providers::kinds().get(case.kind).unwrap().clone();
        let case = case.prepared_as("prepared");
        let forms: Vec<Value> =
            [Some(&case.first), Some(&case.second), case.third.as_ref()].into_iter().flatten().cloned().collect();
        let mut left: BTreeSet<&str> = kind.schema.names().filter(|n| *n != "tags").collect();
        for form in forms.iter().filter(|form| form.is_object()).map(|form| without_foreign(&kind, form)) {
            let form = &form;
            let here: Vec<&Field> = kind
                .schema
                .fields
                .iter()
                .filter(|f| left.contains(f.name.as_str()) && form.get(&f.name).is_some())
                .collect();
            if here.is_empty() || kind.normalise(form).is_ok_and(|(_, problems)| !problems.0.is_empty()) {
                continue;
            }
            let runner = Runner::simulated(case.kind);
            let desired = runner.desired(&case.all(Some(form)), "", &[]);
            let report = runner.try_apply(&desired, false);
            if !report.succeeded() {
                // What it must name is not declared.
                let foreign =
                    report.failed.iter().all(|f| format!("{:?}", f.error).contains("InvalidReference.NotFound"));
                assert!(foreign, "{}: {:#?}", case.kind, report.failed);
                continue;
            }
            runner.unchanged(&desired, case.kind);
            let declared = desired.resources.values().find(|r| r.address.as_str() == "t/it").unwrap().spec.clone();
            for field in here {
                let told = format!("{}.{}", case.kind, field.name);
                let cloud = runner.hand();
                let value = declared.get(&field.name).unwrap_or_else(|| panic!("{told} is declared"));
                let done = others(field, value, &forms).into_iter().any(|other| {
                    cloud.set("t/it", &field.name, other).is_ok() && !runner.plan(&desired, false).is_empty()
                });
                if !done {
                    continue;
                }
                left.remove(field.name.as_str());
                let plan = runner.plan(&desired, false);
                let it = plan.actions.iter().find(|a| a.address.as_str() == "t/it").unwrap();
                assert!(
                    it.changes.iter().any(|c| c.path.split(['.', '[']).next() == Some(&field.name)),
                    "{told}: {it:#?}"
                );
                match field.change {
                    Change::Replace => assert_eq!(it.action, ActionKind::Replace, "{told}: {it:#?}"),
                    Change::Interrupts => {
                        assert_eq!((it.action, it.impact), (ActionKind::Update, Impact::Interrupts), "{told}");
                    }
                    Change::Update => assert_eq!(it.action, ActionKind::Update, "{told}: {it:#?}"),
                }
                *tried.entry(field.change).or_default() += 1;
                runner.apply(&desired, false);
                runner.unchanged(&desired, &told);
            }
        }
        not.extend(left.iter().map(|field| format!("{}.{field}", case.kind)));
    }
    let sum: usize = tried.values().sum();
    crate::support::tell(&format!(
        "fields changed by hand: {tried:?}; {} are in no form, or name what is not declared",
        not.len()
    ));
    assert!(tried.len() == 3 && sum > 2 * not.len(), "too few fields are tried: {tried:?}, not {not:#?}");
}
