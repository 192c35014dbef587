use serde_json::{Value, json};

use super::*;
use crate::model::ownership::ADDRESS;
use crate::providers::aws::script::{Script, object};

/// Ownership tags, and the one that makes them a snapshot's own.
fn ours(mark: &str) -> String {
    let tags = [("project", "p"), ("environment", "e"), ("address", "s/it"), ("generation", "1"), ("snapshot", mark)];
    tags.map(|(k, v)| format!("<Tag><Key>saiken:{k}</Key><Value>{v}</Value></Tag>")).join("")
}

const OWN: &str = "ap-northeast-1:snapshot:own";
const OWN_OF_CLUSTER: &str = "ap-northeast-1:cluster-snapshot:own";

/// A snapshot of a database, with these members besides.
fn database(state: &str, tags: &str, more: &str) -> String {
    format!(
        "<DBSnapshots><DBSnapshot><DBSnapshotIdentifier>own</DBSnapshotIdentifier>\
         <DBSnapshotArn>arn:aws:rds:ap-northeast-1:1:snapshot:own</DBSnapshotArn><Status>{state}</Status>\
         <DBInstanceIdentifier>orders</DBInstanceIdentifier><Engine>postgres</Engine>\
         <AllocatedStorage>20</AllocatedStorage><TagList>{tags}</TagList>{more}</DBSnapshot></DBSnapshots>"
    )
}

fn cluster(state: &str, tags: &str) -> String {
    format!(
        "<DBClusterSnapshots><DBClusterSnapshot><DBClusterSnapshotIdentifier>own</DBClusterSnapshotIdentifier>\
         <DBClusterSnapshotArn>arn:aws:rds:ap-northeast-1:1:cluster-snapshot:own</DBClusterSnapshotArn>\
         <Status>{state}</Status><DBClusterIdentifier>orders</DBClusterIdentifier><Engine>aurora-postgresql</Engine>\
         <AllocatedStorage>1</AllocatedStorage><EngineVersion>16.4</EngineVersion><KmsKeyId>arn:key</KmsKeyId>\
         <TagList>{tags}</TagList></DBClusterSnapshot></DBClusterSnapshots>"
    )
}

fn accounts(of: &str, all: &[&str]) -> String {
    let values: String = all.iter().map(|a| format!("<AttributeValue>{a}</AttributeValue>")).collect();
    let attribute = format!("{of}SnapshotAttribute");
    format!(
        "<{attribute}sResult><{attribute}s><{attribute}><AttributeName>restore</AttributeName>\
         <AttributeValues>{values}</AttributeValues></{attribute}></{attribute}s></{attribute}sResult>"
    )
}

/// All calls, with one snapshot of a database and one of a cluster.
fn script() -> Script {
    let calls = [
        "CreateDBSnapshot",
        "CreateDBClusterSnapshot",
        "CopyDBSnapshot",
        "CopyDBClusterSnapshot",
        "ModifyDBSnapshot",
        "ModifyDBSnapshotAttribute",
        "ModifyDBClusterSnapshotAttribute",
        "AddTagsToResource",
        "RemoveTagsFromResource",
    ];
    let script = calls.iter().fold(Script::default(), |script, call| script.autoscaling(call, ""));
    script
        .autoscaling("DescribeDBSnapshots", &database("available", &ours(OWN), "<EngineVersion>16.3</EngineVersion>"))
        .autoscaling("DescribeDBClusterSnapshots", &cluster("available", &ours(OWN_OF_CLUSTER)))
        .autoscaling("DescribeDBSnapshotAttributes", &accounts("DB", &[]))
        .autoscaling("DescribeDBClusterSnapshotAttributes", &accounts("DBCluster", &[]))
}

fn has(asked: &[String], parts: &[&str]) {
    let asked = asked.join(" ");
    for part in parts {
        assert!(asked.contains(part), "{part}: {asked}");
    }
}

#[tokio::test]
async fn a_snapshot_of_a_database_is_waited_for_and_carries_its_own_mark() {
    let creating = database("creating", &ours(OWN), "<PercentProgress>10</PercentProgress>");
    let script = Script::default()
        .autoscaling("DescribeDBSnapshots", "<DBSnapshots/>")
        .autoscaling("DescribeDBSnapshots", &creating)
        .autoscaling("DescribeDBSnapshots", &database("available", &ours(OWN), ""))
        .with(script());
    let made = script.create::<DatabaseSnapshot>(json!({"name": "own", "database": "s/other"})).await.unwrap();
    assert_eq!(made.id, "snapshot:own");
    assert_eq!(made.attributes["arn"], "arn:aws:rds:ap-northeast-1:1:snapshot:own");
    assert_eq!((&made.attributes["name"], &made.attributes["size"]), (&json!("own"), &json!("20GiB")));
    assert_eq!(made.unread, ["copy_of"], "the API does not tell it");
    assert_eq!(made.owner.unwrap().address.as_str(), "s/it");
    let mark = "Key=saiken%3Asnapshot&Tags.Tag.6.Value=ap-northeast-1%3Asnapshot%3Aown";
    has(&script.asked("CreateDBSnapshot"), &["DBInstanceIdentifier=other", "DBSnapshotIdentifier=own", mark]);
    has(&script.asked("DescribeDBSnapshots"), &["SnapshotType=manual", "DBSnapshotIdentifier=own"]);
    assert!(script.asked("ModifyDBSnapshotAttribute").is_empty() && script.asked("ModifyDBSnapshot").is_empty());
    assert!(script.asked("DescribeDBClusterSnapshots").is_empty(), "{:?}", script.operations());
}

#[tokio::test]
async fn a_snapshot_that_fails_is_an_error_that_says_so() {
    let failed = Script::default().autoscaling("DescribeDBSnapshots", &database("failed", &ours(OWN), ""));
    let error = failed.with(script()).create::<DatabaseSnapshot>(json!({"name": "own", "database": "s/other"})).await;
    let message = error.unwrap_err().message;
    assert!(message.starts_with("snapshot:own is in the state failed"), "{message}");
}

#[tokio::test]
async fn a_snapshot_of_a_cluster_goes_by_calls_of_its_own() {
    let script = Script::default()
        .autoscaling("DescribeDBClusterSnapshotAttributes", &accounts("DBCluster", &[]))
        .autoscaling("DescribeDBClusterSnapshotAttributes", &accounts("DBCluster", &["111122223333"]))
        .with(script());
    let spec = json!({"name": "own", "cluster": "s/other", "shared_with": ["111122223333"]});
    let made = script.create::<DatabaseSnapshot>(spec.clone()).await.unwrap();
    assert_eq!((made.id.as_str(), &made.spec["shared_with"]), ("cluster-snapshot:own", &spec["shared_with"]));
    assert_eq!(made.spec["engine_version"], "16.4");
    assert!(!made.attributes.contains_key("size"), "a cluster's storage has no size of its own");
    let mark = "ap-northeast-1%3Acluster-snapshot%3Aown";
    has(&script.asked("CreateDBClusterSnapshot"), &["DBClusterIdentifier=other", mark]);
    let shared = ["AttributeName=restore", "ValuesToAdd.AttributeValue.1=111122223333"];
    has(&script.asked("ModifyDBClusterSnapshotAttribute"), &shared);
    assert!(script.operations().iter().all(|o| o.contains("Cluster")), "{:?}", script.operations());
}

#[tokio::test]
async fn a_copy_has_a_key_and_an_option_group_of_its_own() {
    let source = "arn:aws:rds:ap-northeast-3:1:snapshot:there";
    let there = "<KmsKeyId>arn:key</KmsKeyId><OptionGroupName>options</OptionGroupName>";
    let script =
        Script::default().autoscaling("DescribeDBSnapshots", &database("available", &ours(OWN), there)).with(script());
    let spec = json!({
        "name": "own", "copy_of": {"database": source}, "key": {"id": "arn:key"}, "option_group": {"id": "options"},
    });
    let made = script.create::<DatabaseSnapshot>(spec.clone()).await.unwrap();
    assert_eq!((&made.spec["key"], &made.spec["option_group"]), (&spec["key"], &spec["option_group"]));
    let asked = script.asked("CopyDBSnapshot");
    has(
        &asked,
        &["snapshot%3Athere", "TargetDBSnapshotIdentifier=own", "KmsKeyId=arn%3Akey", "OptionGroupName=options"],
    );
    assert!(!asked[0].contains("CopyOptionGroup") && !asked[0].contains("CopyTags"), "{asked:?}");
    assert!(!asked[0].contains("PreSignedUrl") && script.asked("ModifyDBSnapshot").is_empty());

    let shared = self::script();
    let copy = json!({"database": "arn:aws:rds:ap-northeast-1:2:snapshot:theirs", "with_option_group": true});
    shared.create::<DatabaseSnapshot>(json!({"name": "own", "copy_of": copy})).await.unwrap();
    has(&shared.asked("CopyDBSnapshot"), &["CopyOptionGroup=true"]);

    let clusters = self::script();
    let spec = json!({"name": "own", "copy_of": {"cluster": "first"}, "key": {"id": "arn:key"}});
    assert_eq!(clusters.create::<DatabaseSnapshot>(spec).await.unwrap().id, "cluster-snapshot:own");
    has(&clusters.asked("CopyDBClusterSnapshot"), &["SourceDBClusterSnapshotIdentifier=first", "KmsKeyId=arn%3Akey"]);
}

#[tokio::test]
async fn a_copy_from_another_region_that_is_refused_without_a_key_says_what_to_do() {
    for (call, source) in [("CopyDBSnapshot", "snapshot"), ("CopyDBClusterSnapshot", "cluster-snapshot")] {
        let field = if call.contains("Cluster") { "cluster" } else { "database" };
        for (region, told) in [("ap-northeast-3", true), ("ap-northeast-1", false)] {
            let script = Script::default().error(call, "InvalidParameterCombination").with(script());
            let source = format!("arn:aws:rds:{region}:1:{source}:there");
            let spec = json!({"name": "own", "copy_of": {field: source}});
            let message = script.create::<DatabaseSnapshot>(spec).await.unwrap_err().message;
            assert_eq!(message.ends_with("is encrypted: give `key`, a key of ap-northeast-1)"), told, "{message}");
        }
    }
}

#[tokio::test]
async fn a_database_that_is_busy_is_waited_for_and_a_taken_name_is_not() {
    let busy = Script::default()
        .error("CreateDBSnapshot", "InvalidDBInstanceState")
        .autoscaling("CreateDBSnapshot", "")
        .with(script());
    busy.create::<DatabaseSnapshot>(json!({"name": "own", "database": "s/other"})).await.unwrap();
    assert_eq!(busy.asked("CreateDBSnapshot").len(), 2);
    for (tags, is_ours) in [(ours(OWN), true), (ours("ap-northeast-1:snapshot:another"), false)] {
        let taken = Script::default()
            .error("CreateDBSnapshot", "DBSnapshotAlreadyExists")
            .autoscaling("DescribeDBSnapshots", &database("available", &tags, ""))
            .with(script());
        let made = taken.create::<DatabaseSnapshot>(json!({"name": "own", "database": "s/other"})).await;
        match made {
            Ok(object) => assert!(is_ours && object.id == "snapshot:own"),
            Err(e) => assert!(!is_ours && e.code.as_deref() == Some("DBSnapshotAlreadyExists"), "{e}"),
        }
        assert_eq!(taken.asked("CreateDBSnapshot").len(), 1);
    }
}

#[tokio::test]
async fn a_snapshot_whose_creating_call_was_not_answered_is_found_and_not_made_twice() {
    for (call, id, spec) in [
        ("CreateDBSnapshot", "snapshot:own", json!({"database": "s/other"})),
        ("CreateDBClusterSnapshot", "cluster-snapshot:own", json!({"cluster": "s/other"})),
        ("CopyDBSnapshot", "snapshot:own", json!({"copy_of": {"database": "a"}})),
        ("CopyDBClusterSnapshot", "cluster-snapshot:own", json!({"copy_of": {"cluster": "a"}})),
    ] {
        let mut spec = spec;
        spec["name"] = json!("own");
        let script = Script::default().lost(call).with(script());
        assert_eq!(script.create::<DatabaseSnapshot>(spec).await.unwrap().id, id);
        assert_eq!(script.asked(call).len(), 1, "{call}");
    }
}

/// A database's snapshot of one version, and of another after `ModifyDBSnapshot`.
fn upgraded(before: &str, after: &str) -> Script {
    let of = |state: &str, version: &str, group: &str| {
        let more = format!("<EngineVersion>{version}</EngineVersion><OptionGroupName>{group}</OptionGroupName>");
        database(state, &ours(OWN), &more)
    };
    Script::default()
        .autoscaling("DescribeDBSnapshots", &of("available", before, "old"))
        // Not begun yet, then on its way.
        .autoscaling("DescribeDBSnapshots", &of("available", before, "old"))
        .autoscaling("DescribeDBSnapshots", &of("upgrading", before, "old"))
        .autoscaling("DescribeDBSnapshots", &of("available", after, "new"))
}

#[tokio::test]
async fn another_version_comes_after_those_who_lose_the_snapshot_and_before_those_who_get_it() {
    let there = [&["111122223333", "444455556666"][..], &["111122223333"], &["111122223333", "777788889999"]];
    let script = there
        .iter()
        .fold(upgraded("16.3", "16.9"), |s, all| s.autoscaling("DescribeDBSnapshotAttributes", &accounts("DB", all)));
    let script = script.with(self::script());
    let spec = |version: &str, accounts: Value, group: &str| {
        json!({"name": "own", "database": "s/other", "engine_version": version, "shared_with": accounts,
               "option_group": {"id": group}})
    };
    let from = spec("16.3", json!(there[0]), "old");
    let to = spec("16.9", json!(["777788889999", "111122223333"]), "new");
    let object = script.update::<DatabaseSnapshot>("snapshot:own", from, to).await.unwrap();
    assert_eq!((&object.spec["engine_version"], &object.spec["shared_with"]), (&json!("16.9"), &json!(there[2])));
    has(&script.asked("ModifyDBSnapshot"), &["EngineVersion=16.9", "OptionGroupName=new"]);
    let shares = script.asked("ModifyDBSnapshotAttribute");
    assert_eq!(shares.len(), 2, "{shares:?}");
    has(&shares[..1], &["ValuesToRemove.AttributeValue.1=444455556666"]);
    has(&shares[1..], &["ValuesToAdd.AttributeValue.1=777788889999"]);
    assert!(!shares[0].contains("ValuesToAdd") && !shares[1].contains("ValuesToRemove"), "{shares:?}");
    let order: Vec<String> = script.operations().into_iter().filter(|o| o.starts_with("Modify")).collect();
    assert_eq!(order, ["ModifyDBSnapshotAttribute", "ModifyDBSnapshot", "ModifyDBSnapshotAttribute"]);
}

#[tokio::test]
async fn a_new_snapshot_is_upgraded_only_if_it_has_not_the_version_that_is_declared() {
    for (version, calls) in [("16", 0), ("16.3", 0), ("16.9", 1)] {
        let script = upgraded("16.3", "16.9").with(script());
        let spec = json!({"name": "own", "database": "s/other", "engine_version": version});
        script.create::<DatabaseSnapshot>(spec).await.unwrap();
        assert_eq!(script.asked("ModifyDBSnapshot").len(), calls, "{version}");
    }
}

#[tokio::test]
async fn accounts_change_by_one_call_and_are_read_only_where_they_are_declared() {
    let script = Script::default()
        .autoscaling("DescribeDBSnapshotAttributes", &accounts("DB", &["111122223333"]))
        .autoscaling("DescribeDBSnapshotAttributes", &accounts("DB", &["444455556666"]))
        .with(script());
    let spec = |account: &str| json!({"name": "own", "database": "s/other", "shared_with": [account]});
    script.update::<DatabaseSnapshot>("snapshot:own", spec("111122223333"), spec("444455556666")).await.unwrap();
    let asked = script.asked("ModifyDBSnapshotAttribute");
    assert_eq!(asked.len(), 1);
    has(&asked, &["ValuesToAdd.AttributeValue.1=444455556666", "ValuesToRemove.AttributeValue.1=111122223333"]);
    let brief = self::script();
    let selection = Selection::Owned { project: "p", environment: "e" };
    let found = read(&brief.context(), &Read::brief(selection)).await.unwrap();
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|f| f.unread == ["copy_of", "shared_with"]), "{found:?}");
    assert_eq!(brief.operations().len(), 2, "a page each: {:?}", brief.operations());
}

#[tokio::test]
async fn all_pages_are_read_and_what_carries_the_tags_of_something_else_is_none_of_ours() {
    let point = "<Tag><Key>saiken:project</Key><Value>p</Value></Tag>\
        <Tag><Key>saiken:environment</Key><Value>e</Value></Tag><Tag><Key>saiken:source</Key><Value>s/it</Value></Tag>";
    let inherited = ours("").replace("<Tag><Key>saiken:snapshot</Key><Value></Value></Tag>", "");
    let elsewhere = ours("ap-northeast-3:snapshot:own");
    for (tags, count) in [(ours(OWN), 2), (ours(OWN_OF_CLUSTER), 1), (inherited, 1), (elsewhere, 1), (point.into(), 1)]
    {
        let page = database("available", &tags, "");
        let script = Script::default()
            .autoscaling("DescribeDBSnapshots", "<DBSnapshots/><Marker>more</Marker>")
            .autoscaling("DescribeDBSnapshots", &page)
            .with(script());
        let found = script.read::<DatabaseSnapshot>().await.unwrap();
        assert_eq!(found.len(), count, "{tags}");
        assert_eq!(found.last().unwrap().id, "cluster-snapshot:own");
        has(&script.asked("DescribeDBSnapshots"), &["SnapshotType=manual", "MaxRecords=100", "Marker=more"]);
    }
}

#[tokio::test]
async fn what_is_adopted_gets_a_mark_and_loses_what_it_inherited_and_what_is_let_go_loses_the_mark() {
    let script = script();
    let cx = script.context();
    let arn = json!("arn:own").as_str().map(|a| ("arn".to_owned(), json!(a))).into_iter().collect();
    let mut it = Object { attributes: arn, owner: None, ..object::<DatabaseSnapshot>("snapshot:own", json!({})) };
    let own = crate::providers::aws::script::owner().tags();
    retag(&cx, &it, &own, &[]).await.unwrap();
    has(&script.asked("AddTagsToResource"), &["ResourceName=arn%3Aown", "ap-northeast-1%3Asnapshot%3Aown"]);
    has(&script.asked("RemoveTagsFromResource"), &["saiken%3Afingerprint", "saiken%3Aprotected"]);
    it.owner = Some(crate::providers::aws::script::owner());
    retag(&cx, &it, &Tags::new(), &[ADDRESS.to_owned()]).await.unwrap();
    has(&script.asked("RemoveTagsFromResource")[1..], &["saiken%3Aaddress", "saiken%3Asnapshot"]);
    retag(&cx, &it, &Tags::from([("a".to_owned(), "1".to_owned())]), &["b".to_owned()]).await.unwrap();
    let (last, gone) = (script.asked("AddTagsToResource"), script.asked("RemoveTagsFromResource"));
    assert!(!last[1].contains("saiken") && !gone[2].contains("saiken"), "{last:?} {gone:?}");
}

#[tokio::test]
async fn a_snapshot_that_is_being_copied_is_deleted_later_and_waited_for() {
    let script = Script::default()
        .error("DeleteDBSnapshot", "InvalidDBSnapshotState")
        .autoscaling("DeleteDBSnapshot", "")
        .autoscaling("DescribeDBSnapshots", &database("available", "", ""))
        .autoscaling("DescribeDBSnapshots", &database("deleting", "", ""))
        .error("DescribeDBSnapshots", "DBSnapshotNotFound");
    script.delete::<DatabaseSnapshot>("snapshot:own", json!({})).await.unwrap();
    assert_eq!((script.asked("DeleteDBSnapshot").len(), script.asked("DescribeDBSnapshots").len()), (2, 3));
    let clusters = Script::default()
        .autoscaling("DeleteDBClusterSnapshot", "")
        .autoscaling("DescribeDBClusterSnapshots", &cluster("available", ""))
        .error("DescribeDBClusterSnapshots", "DBClusterSnapshotNotFoundFault");
    clusters.delete::<DatabaseSnapshot>("cluster-snapshot:own", json!({})).await.unwrap();
    has(&clusters.asked("DeleteDBClusterSnapshot"), &["DBClusterSnapshotIdentifier=own"]);
}
