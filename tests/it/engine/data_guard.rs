//! Every path that could delete or replace an object that holds data, for every kind that holds data: refused without
//! the flags, with nothing called; with them, the recovery point is there before the object goes.

use std::collections::{BTreeMap, BTreeSet};

use saiken::execute::journal::{self, StepState};
use saiken::model::Address;
use saiken::model::kind::Recovery;
use saiken::model::observed::Status;
use saiken::model::plan::{Impact, Operation, Plan, Remains};
use saiken::model::schema::{Change, Type};
use saiken::providers;

use crate::support::project::Project;

const GUARDED: &str = "project: test\nprovider: simulated\nregion: ap-northeast-1\nzones: [ap-northeast-1a, ap-northeast-1c]\nregions: {copies: ap-northeast-3}\n";

/// How the kind is declared, and a value for each field whose change makes a new object necessary: `(field, before, after)`.
struct Entry {
    fields: &'static str,
    replaced: &'static [(&'static str, &'static str, &'static str)],
}

/// The entry of a kind; the test fails for a kind that holds data and has none.
fn entry(kind: &str) -> Option<Entry> {
    Some(match kind {
        "volume" => Entry {
            fields: "size: 10GiB",
            replaced: &[
                ("zone", "ap-northeast-1a", "ap-northeast-1c"),
                ("encrypted", "true", "false"),
                ("key", "{id: key-1}", "{id: key-2}"),
                ("from_snapshot", "snap-1", "snap-2"),
                ("multi_attach", "false", "true"),
            ],
        },
        "bucket" => Entry { fields: "versioning: true", replaced: &[("name", "bucket-a", "bucket-b")] },
        "key" => Entry {
            fields: "description: it",
            replaced: &[
                ("usage", "encrypt_decrypt", "sign_verify"),
                ("key_spec", "RSA_2048", "RSA_4096"),
                ("multi_region", "false", "true"),
            ],
        },
        "detector" => Entry { fields: "enabled: true", replaced: &[] },
        "secret" => Entry { fields: "generate: {length: 20}", replaced: &[("name", "secret-a", "secret-b")] },
        "log_group" => Entry {
            fields: "retention: 30d",
            replaced: &[("name", "/app/a", "/app/b"), ("class", "standard", "infrequent_access")],
        },
        "backup_vault" => Entry {
            fields: "lock: {min_retention: 7d}",
            replaced: &[("name", "vault-a", "vault-b"), ("key", "{id: key-1}", "{id: key-2}")],
        },
        "snapshot" => Entry {
            fields: "tags: {a: b}",
            replaced: &[
                ("volume", "{id: vol-1}", "{id: vol-2}"),
                ("copy_of", "{id: snap-1}", "{id: snap-2}"),
                ("key", "{id: key-1}", "{id: key-2}"),
                ("description", "a", "b"),
            ],
        },
        "cloud_control" => Entry {
            fields: "properties: {Description: it}",
            replaced: &[("type", "AWS::SQS::Queue", "AWS::SNS::Topic")],
        },
        "database" => Entry {
            fields: "class: db.t4g.medium",
            replaced: &[
                ("name", "orders", "orders-2"),
                ("engine", "postgres", "mysql"),
                ("zone", "ap-northeast-1a", "ap-northeast-1c"),
                ("encrypted", "true", "false"),
                ("key", "{id: key-1}", "{id: key-2}"),
                ("user", "app", "root"),
                ("database", "orders", "items"),
                ("character_set", "AL32UTF8", "JA16SJISTILDE"),
                ("national_character_set", "AL16UTF16", "UTF8"),
                ("time_zone", "UTC", "Tokyo Standard Time"),
                ("replica_of", "{id: first}", "{id: second}"),
                ("from_backup", "{snapshot: first}", "{snapshot: second}"),
            ],
        },
        "database_cluster" => Entry {
            fields: "backup_retention: 7d",
            replaced: &[
                ("name", "orders", "orders-2"),
                ("engine", "aurora_postgresql", "aurora_mysql"),
                ("encrypted", "true", "false"),
                ("key", "{id: key-1}", "{id: key-2}"),
                ("subnet_group", "{id: first}", "{id: second}"),
                ("user", "app", "root"),
                ("database", "orders", "items"),
                ("from_backup", "{snapshot: first}", "{snapshot: second}"),
            ],
        },
        "database_snapshot" => Entry {
            fields: "tags: {a: b}",
            replaced: &[
                ("name", "orders", "orders-2"),
                ("database", "{id: first}", "{id: second}"),
                ("cluster", "{id: first}", "{id: second}"),
                ("copy_of", "{database: first}", "{database: second}"),
                ("key", "{id: key-1}", "{id: key-2}"),
            ],
        },
        _ => return None,
    })
}

/// The stack with the object as `data/it`; `more` are further fields of it.
fn stack(kind: &str, name: &str, more: &[(&str, &str)]) -> String {
    let entry = entry(kind).unwrap();
    let mut fields: BTreeMap<&str, &str> = more.iter().copied().collect();
    if kind == "volume" {
        fields.entry("zone").or_insert("ap-northeast-1a");
        if fields.get("multi_attach") == Some(&"true") {
            fields.insert("type", "io2");
            fields.insert("iops", "1000");
        }
    }
    if kind == "cloud_control" {
        fields.entry("type").or_insert("AWS::SQS::Queue");
    }
    if kind == "snapshot" {
        fields.entry("copy_of").or_insert("{id: snap-1}");
    }
    if kind == "database_snapshot" && !["database", "cluster"].iter().any(|source| fields.contains_key(source)) {
        fields.entry("copy_of").or_insert("{database: first}");
    }
    if kind == "database" || kind == "database_cluster" {
        fields.entry("engine").or_insert(if kind == "database" { "postgres" } else { "aurora_postgresql" });
        fields.entry("user").or_insert("app");
    }
    if kind == "database" {
        fields.insert("storage", "{size: 20GiB}");
    }
    let lines: String = fields.iter().map(|(k, v)| format!("    {k}: {v}\n")).collect();
    format!("stack: data\nresources:\n  {name}:\n    kind: {kind}\n    {}\n{lines}", entry.fields)
}

fn begun(text: &str) -> Project {
    let project = Project::new(&[("environments/test.yaml", GUARDED), ("stacks/data.yaml", text)]);
    project.apply(&[], false);
    project
}

/// All kinds that hold data, with what recovers it.
fn kinds() -> Vec<(&'static str, Recovery)> {
    let kinds = providers::kinds();
    kinds.iter().filter_map(|k| Some((k.name, k.facts.data?))).collect()
}

/// A subnet for what stands in one.
const NETWORK: &str = concat!(
    "  net: {kind: vpc, cidr: 10.0.0.0/16}\n",
    "  sub: {kind: subnet, vpc: net, zone: ap-northeast-1a, cidr: 10.0.1.0/24}\n",
);

const EMPTY: &str = "stack: data\nresources:\n  other: {kind: elastic_ip}\n";

/// The plan takes `data/it` away: refused without the flags, nothing called; then done with them, saved before.
fn guarded(mut project: Project, recovery: Recovery, kind: &str, path: &str, plan: impl Fn(&Project) -> Plan) {
    let told = format!("{kind}, {path}");
    let (before, points) = (project.ids(), project.simulated().recovery_points().unwrap().len());
    let first = plan(&project);
    let lost: BTreeSet<Address> =
        first.actions.iter().filter(|a| a.impact == Impact::LosesData).map(|a| a.address.clone()).collect();
    assert!(!lost.is_empty(), "{told}: no data is lost: {:#?}", first.actions);
    let report = project.execute(&first);
    assert!(!report.refused.is_empty() && report.done.is_empty(), "{told}: not refused: {report:#?}");
    assert_eq!(project.ids(), before, "{told}: something was called");
    assert_eq!(project.simulated().recovery_points().unwrap().len(), points, "{told}");

    project.permits.data_loss = lost;
    if let Recovery::Nothing(_) = recovery {
        let report = project.execute(&plan(&project));
        assert!(!report.refused.is_empty() && report.done.is_empty(), "{told}: naming it is not enough: {report:#?}");
        assert_eq!(project.ids(), before, "{told}: something was called");
        let guards = format!("guards: {{data: {{without: [{kind}]}}}}\n");
        project.write("environments/test.yaml", &format!("{GUARDED}{guards}"));
    }
    let second = plan(&project);
    let report = project.execute(&second);
    assert!(report.succeeded(), "{told}: {:#?} {:#?}", report.failed, report.refused);
    let saves = second.steps.iter().filter(|s| s.operation == Operation::Save);
    let saved: BTreeSet<&str> = saves.filter_map(|s| s.object.as_deref()).collect();
    let kept = second.losses.iter().filter(|l| l.remains == Remains::RecoveryPoint);
    let copied: BTreeSet<&str> = kept.flat_map(|l| &l.objects).map(String::as_str).collect();
    let gone: BTreeSet<&str> = second.losses.iter().flat_map(|l| &l.objects).map(String::as_str).collect();
    let last = journal::list(&project.state()).unwrap().pop().unwrap();
    let history = journal::read(&last).unwrap();
    match recovery {
        Recovery::Point(_) => {
            assert!(!saved.is_empty() && saved == copied, "{told}: {saved:?} {copied:?}");
            let there = project.simulated().recovery_points().unwrap();
            assert!(copied.iter().all(|id| there.iter().any(|p| p.object == *id)), "{told}: {there:?}");
            for (i, step) in second.steps.iter().enumerate().filter(|(_, s)| s.operation == Operation::Delete) {
                if copied.contains(step.object.as_deref().unwrap_or_default()) {
                    let save = second.steps[..i]
                        .iter()
                        .position(|s| s.operation == Operation::Save && s.object == step.object);
                    assert!(save.is_some_and(|s| step.after.contains(&s)), "{told}: {:?}", second.steps);
                }
            }
            let written = history.steps.values().filter(|s| s.operation == Operation::Save);
            assert!(
                written.clone().all(
                    |s| s.state == StepState::Finished && s.object.as_deref().is_some_and(|o| o.starts_with("rp-"))
                ),
                "{told}: the journal does not name the recovery points"
            );
        }
        Recovery::Period(_) | Recovery::Nothing(_) => assert!(saved.is_empty(), "{told}"),
    }
    let left = project.ids();
    assert!(gone.iter().all(|id| !left.values().flatten().any(|l| l == id)), "{told}: {left:?}");
}

#[test]
fn every_kind_that_holds_data_has_an_entry_with_every_field_that_replaces() {
    for (kind, _) in kinds() {
        let entry = entry(kind).unwrap_or_else(|| panic!("{kind} holds data: add its entry"));
        let def = providers::kinds().get(kind).unwrap().clone();
        let replacing = def.schema.fields.iter().filter(|f| f.change == Change::Replace).map(|f| f.name.as_str());
        let declared: BTreeSet<&str> = entry.replaced.iter().map(|(field, ..)| *field).collect();
        assert_eq!(replacing.collect::<BTreeSet<_>>(), declared, "{kind}");
    }
}

#[test]
fn removing_the_block_and_taking_all_down_are_guarded() {
    for (kind, recovery) in kinds() {
        let project = begun(&stack(kind, "it", &[]));
        project.write("stacks/data.yaml", EMPTY);
        guarded(project, recovery, kind, "block removed", |p| p.plan(&[], false));
        guarded(begun(&stack(kind, "it", &[])), recovery, kind, "destroy", |p| p.plan(&[], true));
    }
}

#[test]
fn replacing_by_every_field_is_guarded() {
    for (kind, recovery) in kinds() {
        let def = providers::kinds().get(kind).unwrap().clone();
        for (field, before, after) in entry(kind).unwrap().replaced {
            // References have a test of their own.
            if matches!(def.schema.field(field).unwrap().ty, Type::Ref(_)) {
                continue;
            }
            let lifecycle = ("lifecycle", "{replacement: delete_first}");
            let project = begun(&stack(kind, "it", &[(*field, *before), lifecycle]));
            project.write("stacks/data.yaml", &stack(kind, "it", &[(*field, *after), lifecycle]));
            guarded(project, recovery, kind, field, |p| p.plan(&[], false));
        }
    }
}

#[test]
fn replacing_because_of_a_reference_is_guarded() {
    let mut tried = 0;
    for (kind, recovery) in kinds() {
        let def = providers::kinds().get(kind).unwrap().clone();
        for field in def.schema.fields.iter().filter(|f| f.change == Change::Replace) {
            let Type::Ref(target) = &field.ty else { continue };
            if kind.ends_with("snapshot") && target != "key" {
                // What it is of holds data itself: the next test.
                continue;
            }
            let (fields, first, second) = match target.as_str() {
                "key" => ("kind: key, multi_region", "false", "true"),
                "database" => {
                    let fields = "kind: database, class: db.t4g.medium, engine: postgres, user: app, \
                                  storage: {size: 20GiB}, database";
                    (fields, "orders", "items")
                }
                "database_subnet_group" => ("kind: database_subnet_group, subnets: [sub], name", "one", "two"),
                _ => panic!("{kind}.{}: say how its target is replaced", field.name),
            };
            let both = |value: &str| {
                let own = stack(kind, "it", &[(field.name.as_str(), "other")]);
                format!("{own}{NETWORK}  other: {{{fields}: {value}, lifecycle: {{replacement: delete_first}}}}\n")
            };
            let project = begun(&both(first));
            project.write("stacks/data.yaml", &both(second));
            guarded(project, recovery, kind, "what it refers to is replaced", |p| p.plan(&[], false));
            tried += 1;
        }
    }
    assert!(tried > 0);
}

#[test]
fn a_snapshot_is_not_lost_with_what_it_is_of() {
    const LOGIN: &str = "engine_version: '16', user: app";
    for (kind, field, source) in [
        ("snapshot", "volume", "volume, zone: ap-northeast-1a, size: 10GiB".to_owned()),
        (
            "database_snapshot",
            "database",
            format!("database, class: db.t4g.medium, engine: postgres, storage: {{size: 20GiB}}, {LOGIN}"),
        ),
        ("database_snapshot", "cluster", format!("database_cluster, engine: aurora_postgresql, {LOGIN}")),
    ] {
        let both = |encrypted: bool| {
            let source = format!("  disk: {{kind: {source}, encrypted: {encrypted}}}\n");
            format!("stack: data\nresources:\n  it: {{kind: {kind}, {field}: disk}}\n{source}")
        };
        let mut project = begun(&both(true));
        project.write("stacks/data.yaml", &both(false));
        let before = project.ids();
        for named in [&["data/disk"][..], &["data/disk", "data/it"]] {
            project.permits.data_loss = named.iter().map(|a| Address::parse(a).unwrap()).collect();
            let report = project.execute(&project.plan(&[], false));
            assert!(!report.refused.is_empty() && report.done.is_empty(), "{field} {named:?}: {report:#?}");
            assert_eq!(project.ids(), before, "{field} {named:?}");
        }
        let ignoring = format!("{field}: disk, lifecycle: {{ignore: [{field}]}}}}");
        project.write("stacks/data.yaml", &both(false).replace(&format!("{field}: disk}}"), &ignoring));
        project.permits.data_loss = [Address::parse("data/disk").unwrap()].into();
        let report = project.execute(&project.plan(&[], false));
        assert!(report.succeeded(), "{field}: {:#?} {:#?}", report.failed, report.refused);
        assert_eq!(project.ids()["data/it"], before["data/it"], "{field}");
        assert_ne!(project.ids()["data/disk"], before["data/disk"], "{field}");
    }
}

#[test]
fn renaming_without_moved_and_changing_the_region_are_guarded() {
    for (kind, recovery) in kinds() {
        let project = begun(&stack(kind, "it", &[]));
        project.write("stacks/data.yaml", &stack(kind, "renamed", &[]));
        guarded(project, recovery, kind, "renamed", |p| p.plan(&[], false));
        let project = begun(&stack(kind, "it", &[]));
        let elsewhere = [("region", "copies"), ("zone", "ap-northeast-3a")];
        let more = if kind == "volume" { &elsewhere[..] } else { &elsewhere[..1] };
        project.write("stacks/data.yaml", &stack(kind, "it", more));
        guarded(project, recovery, kind, "region changed", |p| p.plan(&[], false));
    }
}

#[test]
fn replacing_what_never_became_usable_is_guarded() {
    for (kind, recovery) in kinds() {
        let lifecycle = ("lifecycle", "{replacement: delete_first}");
        let project = begun(&stack(kind, "it", &[lifecycle]));
        guarded(project, recovery, kind, "failed", |p| {
            let mut observed = p.observe();
            observed.objects.iter_mut().for_each(|o| o.status = Status::Failed("broken".into()));
            p.plan_of(&observed, &[], false)
        });
    }
}

#[test]
fn what_an_interrupted_replacement_left_is_guarded() {
    for (kind, recovery) in kinds() {
        let project = begun(&stack(kind, "it", &[]));
        project.double("data/it");
        guarded(project, recovery, kind, "leftover", |p| p.plan(&[], false));
    }
}

#[test]
fn what_was_adopted_is_guarded_like_what_was_made() {
    for (kind, recovery) in kinds() {
        let project = begun(&stack(kind, "it", &[]));
        let id = project.ids()["data/it"][0].clone();
        project.write("stacks/data.yaml", &format!("{EMPTY}forget: [it]\n"));
        project.apply(&[], false);
        project.write("stacks/data.yaml", &stack(kind, "mine", &[("adopt", &id)]));
        project.apply(&[], false);
        assert_eq!(project.ids()["data/mine"], [id], "{kind}");
        project.write("stacks/data.yaml", EMPTY);
        guarded(project, recovery, kind, "adopted, then removed", |p| p.plan(&[], false));
    }
}

#[test]
fn a_saved_plan_needs_the_flags_when_it_is_applied() {
    for (kind, _) in kinds() {
        let mut project = begun(&stack(kind, "it", &[]));
        project.write("stacks/data.yaml", EMPTY);
        project.saved = true;
        let (before, plan) = (project.ids(), project.plan(&[], false));
        let report = project.execute(&plan);
        assert!(!report.refused.is_empty() && report.done.is_empty(), "{kind}: {report:#?}");
        assert_eq!(project.ids(), before, "{kind}");
    }
}

#[test]
fn a_key_that_still_encrypts_data_is_not_deleted_even_if_named() {
    let with = |disk: &str| format!("stack: data\nresources:\n{disk}  secret: {{kind: key, description: it}}\n");
    let disk = "  it: {kind: volume, zone: ap-northeast-1a, size: 10GiB, key: secret}\n";
    let mut project = begun(&with(disk));
    let changed = with("  it: {kind: volume, zone: ap-northeast-1a, size: 10GiB, lifecycle: {ignore: [key]}}\n");
    project.write("stacks/data.yaml", &changed.replace("  secret: {kind: key, description: it}\n", ""));
    project.permits.data_loss = [Address::parse("data/secret").unwrap()].into();
    let plan = project.plan(&[], false);
    assert!(
        plan.refused.iter().any(|r| r.reason.contains("data of data/it can't be read without it")),
        "{:?}",
        plan.refused
    );
    let before = project.ids();
    assert!(!project.execute(&plan).refused.is_empty());
    assert_eq!(project.ids(), before);
}

#[test]
fn a_recovery_point_that_is_new_enough_is_taken_and_an_old_one_is_not() {
    for (age, made) in [(3600, 0), (48 * 3600, 1)] {
        let mut project = begun(&stack("volume", "it", &[]));
        project.simulated().take_recovery_points("ap-northeast-1").unwrap();
        project.simulated().advance(age).unwrap();
        let before = project.simulated().recovery_points().unwrap().len();
        project.write("stacks/data.yaml", EMPTY);
        project.permits.data_loss = [Address::parse("data/it").unwrap()].into();
        assert!(project.execute(&project.plan(&[], false)).succeeded());
        assert_eq!(project.simulated().recovery_points().unwrap().len() - before, made);
    }
}

#[test]
fn what_can_not_be_saved_is_not_deleted() {
    let mut project = begun(&stack("volume", "it", &[]));
    let before = project.ids();
    project.simulated().lose_zone("ap-northeast-1a").unwrap();
    project.write("stacks/data.yaml", EMPTY);
    project.permits.data_loss = [Address::parse("data/it").unwrap()].into();
    let report = project.execute(&project.plan(&[], false));
    assert_eq!((report.failed.len(), report.skipped.len()), (1, 1), "{report:#?}");
    assert_eq!(project.ids()["data/it"], before["data/it"]);
}

#[test]
fn protection_is_written_by_the_creating_call_and_outlives_its_block() {
    for (kind, _) in kinds() {
        let mut project = begun(&stack(kind, "it", &[("lifecycle", "{protect: true}")]));
        assert_eq!(project.simulated().show("data/it").unwrap().tags["saiken:protected"], "true", "{kind}");
        project.permits.data_loss = [Address::parse("data/it").unwrap()].into();
        project.write("stacks/data.yaml", EMPTY);
        let plan = project.plan(&[], false);
        assert!(plan.refused.iter().any(|r| r.reason.contains("is protected")), "{kind}: {:?}", plan.refused);
        let before = project.ids();
        assert!(!project.execute(&plan).refused.is_empty());
        assert_eq!(project.ids(), before, "{kind}");
        project.write("stacks/data.yaml", &stack(kind, "it", &[("lifecycle", "{protect: false}")]));
        project.apply(&[], false);
        assert!(!project.simulated().show("data/it").unwrap().tags.contains_key("saiken:protected"), "{kind}");
    }
}
