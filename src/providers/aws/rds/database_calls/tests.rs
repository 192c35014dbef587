use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::model::cloud::{CreateRequest, RecoveryPoint, SaveRequest, Unwatched};
use crate::model::kind::{Kind, Problems};
use crate::model::ownership::Owner;
use crate::providers::aws::kind::{Handler, Typed};
use crate::providers::aws::script::{Script, object, owner};

const OURS: &str = "<Tag><Key>saiken:project</Key><Value>p</Value></Tag>\
    <Tag><Key>saiken:environment</Key><Value>e</Value></Tag><Tag><Key>saiken:address</Key><Value>s/it</Value></Tag>\
    <Tag><Key>saiken:generation</Key><Value>1</Value></Tag>";

/// A server in a state, with these members besides.
fn database(state: &str, more: &str) -> String {
    format!(
        "<DBInstances><DBInstance><DBInstanceIdentifier>own</DBInstanceIdentifier><DBInstanceArn>arn:own</DBInstanceArn>\
         <DBInstanceStatus>{state}</DBInstanceStatus><DbiResourceId>db-A</DbiResourceId><Engine>postgres</Engine>\
         <DBInstanceClass>db.t4g.medium</DBInstanceClass><StorageEncrypted>true</StorageEncrypted>\
         <TagList>{OURS}</TagList>{more}</DBInstance></DBInstances>"
    )
}

fn script() -> Script {
    let calls = ["Create", "Modify", "Delete"].map(|verb| format!("{verb}DBInstance"));
    let more = [
        "RestoreDBInstanceFromDBSnapshot",
        "RestoreDBInstanceToPointInTime",
        "CreateDBInstanceReadReplica",
        "PromoteReadReplica",
        "AddTagsToResource",
        "CreateDBSnapshot",
    ];
    let calls = calls.iter().map(String::as_str).chain(more);
    calls.fold(Script::default(), |script, call| script.autoscaling(call, ""))
}

fn with(states: &[(&str, &str)]) -> Script {
    states
        .iter()
        .fold(script(), |script, (state, more)| script.autoscaling("DescribeDBInstances", &database(state, more)))
}

fn base() -> Value {
    json!({
        "name": "own", "engine": "postgres", "engine_version": "16", "class": "db.t4g.medium",
        "storage": {"size": "20GiB"}, "user": "app",
    })
}

fn changed(fields: Value) -> Value {
    let mut spec = base();
    for (name, value) in fields.as_object().unwrap() {
        spec[name] = value.clone();
    }
    spec
}

fn says(asked: &str, parts: &[&str]) {
    for part in parts {
        assert!(asked.contains(part), "{part}: {asked}");
    }
}

/// Every field, and how the API shows it.
fn everything() -> (Value, &'static str, Vec<&'static str>) {
    let spec = changed(json!({
        "storage": {"size": "100GiB", "limit": "500GiB", "type": "gp3", "iops": 12000, "throughput": 500},
        "multi_az": true, "key": {"id": "arn:key"}, "subnet_group": {"id": "nets"}, "security_groups": [{"id": "sg-1"}],
        "public_access": false, "port": 5433, "network_type": "dual", "backup_retention": "14d",
        "backup_window": "17:00-17:30", "maintenance_window": "sun:18:00-sun:18:30", "copy_tags_to_snapshots": true,
        "minor_upgrades": true, "deletion_protection": true, "parameter_group": {"id": "params"},
        "option_group": {"id": "opts"}, "log_exports": ["postgresql"],
        "performance_insights": {"key": {"id": "arn:pi"}, "retention": "93d"}, "database_insights": "advanced",
        "monitoring": {"interval": "60s", "role": {"id": "arn:role"}}, "password_key": {"id": "arn:secrets"},
        "database": "orders", "ca_certificate": "rds-ca-rsa2048-g1", "iam_authentication": true,
        "license": "postgresql_license", "character_set": "AL32UTF8", "national_character_set": "AL16UTF16",
        "time_zone": "Tokyo Standard Time", "engine_lifecycle_support": "open_source_rds_extended_support_disabled",
    }));
    let shown = "<EngineVersion>16.4</EngineVersion>\
        <EngineLifecycleSupport>open-source-rds-extended-support-disabled</EngineLifecycleSupport>\
        <AllocatedStorage>100</AllocatedStorage>\
        <MaxAllocatedStorage>500</MaxAllocatedStorage><StorageType>gp3</StorageType><Iops>12000</Iops>\
        <StorageThroughput>500</StorageThroughput><MultiAZ>true</MultiAZ><KmsKeyId>arn:key</KmsKeyId>\
        <DBSubnetGroup><DBSubnetGroupName>nets</DBSubnetGroupName></DBSubnetGroup>\
        <VpcSecurityGroups><VpcSecurityGroupMembership><VpcSecurityGroupId>sg-1</VpcSecurityGroupId><Status>active</Status>\
        </VpcSecurityGroupMembership></VpcSecurityGroups><PubliclyAccessible>false</PubliclyAccessible>\
        <Endpoint><Address>own.x.rds.amazonaws.com</Address><Port>5433</Port><HostedZoneId>Z1</HostedZoneId></Endpoint>\
        <NetworkType>DUAL</NetworkType><BackupRetentionPeriod>14</BackupRetentionPeriod>\
        <PreferredBackupWindow>17:00-17:30</PreferredBackupWindow>\
        <PreferredMaintenanceWindow>sun:18:00-sun:18:30</PreferredMaintenanceWindow>\
        <CopyTagsToSnapshot>true</CopyTagsToSnapshot><AutoMinorVersionUpgrade>true</AutoMinorVersionUpgrade>\
        <DeletionProtection>true</DeletionProtection><DBParameterGroups><DBParameterGroup>\
        <DBParameterGroupName>params</DBParameterGroupName></DBParameterGroup></DBParameterGroups>\
        <OptionGroupMemberships><OptionGroupMembership><OptionGroupName>old</OptionGroupName>\
        <Status>pending-removal</Status></OptionGroupMembership><OptionGroupMembership>\
        <OptionGroupName>opts</OptionGroupName><Status>in-sync</Status></OptionGroupMembership></OptionGroupMemberships>\
        <EnabledCloudwatchLogsExports><member>postgresql</member></EnabledCloudwatchLogsExports>\
        <PerformanceInsightsEnabled>true</PerformanceInsightsEnabled>\
        <PerformanceInsightsKMSKeyId>arn:pi</PerformanceInsightsKMSKeyId>\
        <PerformanceInsightsRetentionPeriod>93</PerformanceInsightsRetentionPeriod>\
        <DatabaseInsightsMode>advanced</DatabaseInsightsMode><MonitoringInterval>60</MonitoringInterval>\
        <MonitoringRoleArn>arn:role</MonitoringRoleArn><MasterUsername>app</MasterUsername><MasterUserSecret>\
        <SecretArn>arn:secret</SecretArn><KmsKeyId>arn:secrets</KmsKeyId></MasterUserSecret><DBName>orders</DBName>\
        <CACertificateIdentifier>rds-ca-rsa2048-g1</CACertificateIdentifier>\
        <IAMDatabaseAuthenticationEnabled>true</IAMDatabaseAuthenticationEnabled>\
        <LicenseModel>postgresql-license</LicenseModel><CharacterSetName>AL32UTF8</CharacterSetName>\
        <NcharCharacterSetName>AL16UTF16</NcharCharacterSetName><Timezone>Tokyo Standard Time</Timezone>";
    let asked = vec![
        "DBInstanceIdentifier=own",
        "&Engine=postgres&",
        "EngineVersion=16&",
        "DBInstanceClass=db.t4g.medium",
        "&AllocatedStorage=100",
        "MaxAllocatedStorage=500",
        "StorageType=gp3",
        "Iops=12000",
        "StorageThroughput=500",
        "MultiAZ=true",
        "StorageEncrypted=true",
        "&KmsKeyId=arn%3Akey",
        "DBSubnetGroupName=nets",
        "VpcSecurityGroupIds.VpcSecurityGroupId.1=sg-1",
        "PubliclyAccessible=false",
        "Port=5433",
        "NetworkType=DUAL",
        "BackupRetentionPeriod=14",
        "PreferredBackupWindow=17%3A00-17%3A30",
        "PreferredMaintenanceWindow=sun%3A18%3A00-sun%3A18%3A30",
        "CopyTagsToSnapshot=true",
        "AutoMinorVersionUpgrade=true",
        "DeletionProtection=true",
        "DBParameterGroupName=params",
        "OptionGroupName=opts",
        "EnableCloudwatchLogsExports.member.1=postgresql",
        "EnablePerformanceInsights=true",
        "PerformanceInsightsKMSKeyId=arn%3Api",
        "PerformanceInsightsRetentionPeriod=93",
        "DatabaseInsightsMode=advanced",
        "MonitoringInterval=60",
        "MonitoringRoleArn=arn%3Arole",
        "MasterUsername=app",
        "ManageMasterUserPassword=true",
        "MasterUserSecretKmsKeyId=arn%3Asecrets",
        "DBName=orders",
        "CACertificateIdentifier=rds-ca-rsa2048-g1",
        "EnableIAMDatabaseAuthentication=true",
        "LicenseModel=postgresql-license",
        "CharacterSetName=AL32UTF8",
        "NcharCharacterSetName=AL16UTF16",
        "Timezone=Tokyo",
        "EngineLifecycleSupport=open-source-rds-extended-support-disabled",
        "saiken%3Astorage-size",
        "saiken%3Aaddress",
    ];
    (spec, shown, asked)
}

#[tokio::test]
async fn every_field_is_in_the_creating_call_and_is_read_back() {
    let (spec, shown, parts) = everything();
    let script = with(&[("creating", ""), ("backing-up", ""), ("available", shown)]);
    let object = script.create::<Database>(spec.clone()).await.unwrap();
    says(&script.asked("CreateDBInstance")[0], &parts);
    assert!(script.asked("ModifyDBInstance").is_empty(), "one call makes it");
    let (normal, problems) = crate::providers::kinds().get("database").unwrap().normalise(&spec).unwrap();
    assert!(problems.0.is_empty(), "{problems:?}");
    for (name, value) in normal.as_object().unwrap() {
        let there = &object.spec[name];
        match name.as_str() {
            "engine_version" => assert_eq!(there, "16.4"),
            _ => assert!(is_there(value, Some(there)), "{name}: {value} {there}"),
        }
    }
    for (name, value) in [
        ("endpoint", json!("own.x.rds.amazonaws.com")),
        ("port", json!(5433)),
        ("secret_arn", json!("arn:secret")),
        ("zone_id", json!("Z1")),
        ("resource_id", json!("db-A")),
        ("arn", json!("arn:own")),
    ] {
        assert_eq!(object.attributes[name], value);
    }
    assert_eq!(object.identifiers, ["arn:own", "db-A"]);
}

#[tokio::test]
async fn every_field_that_changes_in_place_does_so_at_once_and_is_waited_for() {
    let (_, shown, _) = everything();
    let plain = "<EngineVersion>15.8</EngineVersion><AllocatedStorage>20</AllocatedStorage>\
        <EnabledCloudwatchLogsExports><member>upgrade</member></EnabledCloudwatchLogsExports>";
    let script = with(&[("modifying", plain), ("available", plain), ("available", plain), ("modifying", plain)])
        .autoscaling("DescribeDBInstances", &database("available", shown));
    let (mut to, _, _) = everything();
    for fixed in ["password_key", "key", "database", "character_set", "national_character_set", "time_zone"] {
        to.as_object_mut().unwrap().remove(fixed);
    }
    let from = json!({"name": "own", "class": "db.t3.micro", "encrypted": true, "user": "app", "engine": "postgres"});
    script.update::<Database>("own", from, to).await.unwrap();
    let asked = script.asked("ModifyDBInstance");
    assert_eq!(asked.len(), 1);
    says(
        &asked[0],
        &[
            "ApplyImmediately=true",
            "EngineVersion=16&AllowMajorVersionUpgrade=true",
            "EngineLifecycleSupport=open-source-rds-extended-support-disabled",
            "DBInstanceClass=db.t4g.medium",
            "&AllocatedStorage=100",
            "MaxAllocatedStorage=500",
            "StorageType=gp3",
            "Iops=12000",
            "StorageThroughput=500",
            "MultiAZ=true",
            "DBSubnetGroupName=nets",
            "VpcSecurityGroupIds.VpcSecurityGroupId.1=sg-1",
            "DBPortNumber=5433",
            "NetworkType=DUAL",
            "BackupRetentionPeriod=14",
            "PreferredBackupWindow=17",
            "PreferredMaintenanceWindow=sun",
            "AutoMinorVersionUpgrade=true",
            "DeletionProtection=true",
            "DBParameterGroupName=params",
            "OptionGroupName=opts",
            "EnableLogTypes.member.1=postgresql",
            "DisableLogTypes.member.1=upgrade",
            "EnablePerformanceInsights=true",
            "PerformanceInsightsRetentionPeriod=93",
            "DatabaseInsightsMode=advanced",
            "MonitoringInterval=60",
            "MonitoringRoleArn=arn%3Arole",
            "CACertificateIdentifier=rds-ca-rsa2048-g1",
            "EnableIAMDatabaseAuthentication=true",
            "LicenseModel=postgresql-license",
        ],
    );
    let order = script.operations();
    let at = order.iter().position(|o| o == "ModifyDBInstance").unwrap();
    assert_eq!(order[..at], ["DescribeDBInstances", "DescribeDBInstances", "AddTagsToResource"], "ready first");
    assert!(
        order[at..].iter().filter(|o| *o == "DescribeDBInstances").count() >= 3,
        "until all is in force: {order:?}"
    );
}

#[tokio::test]
async fn a_disk_does_not_shrink_and_what_the_service_let_it_grow_by_is_no_difference() {
    let now = |size: u32, limit: u32| {
        let limit =
            if limit > 0 { format!("<MaxAllocatedStorage>{limit}</MaxAllocatedStorage>") } else { String::new() };
        format!("<AllocatedStorage>{size}</AllocatedStorage><StorageType>gp3</StorageType>{limit}")
    };
    let disk = |storage: Value| changed(json!({"storage": storage}));
    let (alone, growing) = (now(100, 0), now(100, 500));
    let refused = with(&[("available", &alone)])
        .update::<Database>("own", disk(json!({"size": "100GiB"})), disk(json!({"size": "50GiB"})))
        .await
        .unwrap_err();
    assert!(refused.message.contains("can't shrink from 100 GiB to 50 GiB"), "{refused}");

    // It grew from 20 GiB to 100 GiB by itself, and is declared as 30 GiB: nothing but the tag.
    let size = "<Tag><Key>saiken:storage-size</Key><Value>20GiB</Value></Tag>";
    let grown = with(&[("available", &growing)]);
    let (from, to) = (json!({"size": "20GiB", "limit": "500GiB"}), json!({"size": "30GiB", "limit": "500GiB"}));
    grown.update::<Database>("own", disk(from), disk(to)).await.unwrap();
    assert!(grown.asked("AddTagsToResource")[0].contains("Value=30GiB"));
    assert!(grown.asked("ModifyDBInstance").is_empty());
    let shown = database("available", &growing).replace("</TagList>", &format!("{size}</TagList>"));
    let read = Script::default().autoscaling("DescribeDBInstances", &shown);
    let object = &read.read::<Database>().await.unwrap()[0];
    assert_eq!(object.spec["storage"]["size"], "20GiB");
    let fixed = database("available", &alone).replace("</TagList>", &format!("{size}</TagList>"));
    let read = Script::default().autoscaling("DescribeDBInstances", &fixed);
    let object = &read.read::<Database>().await.unwrap()[0];
    assert_eq!(object.spec["storage"]["size"], "100GiB", "without a limit somebody else made it larger");

    // No limit any more; other operations, with the size that is there.
    let stops = with(&[("available", &growing), ("available", &alone)]);
    let (from, to) = (json!({"size": "20GiB", "limit": "500GiB"}), json!({"size": "100GiB", "limit": "0B"}));
    stops.update::<Database>("own", disk(from), disk(to)).await.unwrap();
    says(&stops.asked("ModifyDBInstance")[0], &["&MaxAllocatedStorage=100"]);
    let faster = format!("{alone}<Iops>12000</Iops>");
    let script = with(&[("available", &alone), ("available", &faster)]);
    let (from, to) = (json!({"size": "100GiB"}), json!({"size": "100GiB", "iops": 12000}));
    script.update::<Database>("own", disk(from), disk(to)).await.unwrap();
    says(&script.asked("ModifyDBInstance")[0], &["&AllocatedStorage=100", "&Iops=12000"]);
}

/// What a change of the disk asks for: the members of the server as it is and as it becomes, and both declarations.
async fn grown(engine: &str, (now, then): (&str, &str), from: Value, to: Value) -> (String, Option<ApiError>) {
    let shown = |more: &str| database("available", more).replace("postgres", engine);
    let script =
        script().autoscaling("DescribeDBInstances", &shown(now)).autoscaling("DescribeDBInstances", &shown(then));
    let disk = |storage: Value| changed(json!({"engine": engine, "storage": storage}));
    let refused = script.update::<Database>("own", disk(from), disk(to)).await.err();
    if refused.is_some() {
        assert_eq!(script.operations(), ["DescribeDBInstances"], "nothing is written before it is refused");
    }
    (script.asked("ModifyDBInstance").join(" "), refused)
}

#[tokio::test]
async fn a_disk_that_has_operations_of_its_own_grows_with_them_and_one_that_is_too_small_for_that_without() {
    let shown = |size: u32, kind: &str, iops: u32, throughput: u32| {
        format!(
            "<AllocatedStorage>{size}</AllocatedStorage><StorageType>{kind}</StorageType><Iops>{iops}</Iops>\
             <StorageThroughput>{throughput}</StorageThroughput>"
        )
    };
    let (from, to) = (json!({"size": "400GiB"}), json!({"size": "500GiB"}));
    for (engine, kind, iops, throughput, sent) in [
        ("postgres", "io2", 20_000, 0, "&AllocatedStorage=500&Iops=20000&"),
        ("postgres", "io1", 1000, 0, "&AllocatedStorage=500&Iops=1000&"),
        ("postgres", "gp3", 12_000, 500, "&AllocatedStorage=500&Iops=12000&"),
        ("sqlserver-se", "gp3", 3000, 125, "&AllocatedStorage=500&Iops=3000&"),
    ] {
        let states = (shown(400, kind, iops, throughput), shown(500, kind, iops, throughput));
        let (asked, refused) = grown(engine, (&states.0, &states.1), from.clone(), to.clone()).await;
        let asked = format!("{}&", asked.replace("ApplyImmediately=true&", ""));
        assert!(refused.is_none() && asked.contains(sent), "{engine} {kind}: {asked}");
        assert_eq!(asked.contains(&format!("StorageThroughput={throughput}")), throughput > 0, "{asked}");
    }
    let states = (shown(20, "gp3", 3000, 125), shown(30, "gp3", 3000, 125));
    let (asked, _) =
        grown("postgres", (&states.0, &states.1), json!({"size": "20GiB"}), json!({"size": "30GiB"})).await;
    assert!(
        asked.contains("AllocatedStorage=30") && !asked.contains("Iops") && !asked.contains("Throughput"),
        "{asked}"
    );
    // Another throughput alone goes with the operations that there are.
    let states = (shown(400, "gp3", 12_000, 500), shown(400, "gp3", 12_000, 700));
    let to = json!({"size": "400GiB", "throughput": 700});
    let (asked, _) = grown("postgres", (&states.0, &states.1), from, to).await;
    says(&asked, &["AllocatedStorage=400", "Iops=12000", "StorageThroughput=700"]);
    // Another type has none of the former one's operations.
    let states = (shown(400, "io1", 20_000, 0), shown(400, "gp3", 12_000, 500));
    let to = json!({"size": "400GiB", "type": "gp3"});
    let (asked, _) = grown("postgres", (&states.0, &states.1), json!({"size": "400GiB", "type": "io1"}), to).await;
    assert!(asked.contains("StorageType=gp3") && !asked.contains("Iops"), "{asked}");
}

#[tokio::test]
async fn a_disk_that_would_grow_by_less_than_the_api_rounds_up_to_is_refused_before_anything_is_written() {
    let shown = |size: u32| format!("<AllocatedStorage>{size}</AllocatedStorage><StorageType>gp3</StorageType>");
    let grow = |engine: &'static str, to: u32| async move {
        let states = (shown(101), shown(to));
        let to = json!({"size": format!("{to}GiB")});
        grown(engine, (&states.0, &states.1), json!({"size": "101GiB"}), to).await
    };
    let busy = |iops: u32| format!("{}<Iops>{iops}</Iops>", shown(400));
    let storage = |iops: u32| json!({"size": "400GiB", "type": "gp3", "iops": iops});
    let (asked, refused) = grown("postgres", (&busy(12_000), &busy(13_000)), storage(12_000), storage(13_000)).await;
    let refused = refused.unwrap();
    assert!(refused.message.contains("declare 13200 a second or more") && asked.is_empty(), "{refused} {asked}");
    let (asked, refused) = grow("postgres", 111).await;
    let refused = refused.unwrap();
    assert!(refused.class == ErrorClass::Invalid && refused.message.contains("declare 112 GiB or more"), "{refused}");
    assert!(asked.is_empty(), "{asked}");
    for (engine, to) in [("postgres", 112), ("sqlserver-se", 102)] {
        let (asked, refused) = grow(engine, to).await;
        assert!(refused.is_none() && asked.contains(&format!("AllocatedStorage={to}")), "{engine}: {asked}");
    }
}

/// A request with fingerprints, as the engine makes it.
async fn create(script: &Script, spec: Value) -> Result<crate::model::observed::Object, ApiError> {
    let fingerprints = BTreeMap::from([("from_backup".into(), "aaa".into()), ("password".into(), "bbb".into())]);
    let request = CreateRequest {
        kind: Database::NAME.into(),
        region: "ap-northeast-1".into(),
        spec,
        owner: Owner { fingerprints, ..owner() },
        tags: BTreeMap::new(),
        name: "p-e-s-it".into(),
        token: "token".into(),
        resolved: BTreeMap::new(),
    };
    Typed::<Database>::default().create(&script.context(), &request, &Unwatched).await
}

fn snapshot(more: &str) -> String {
    format!(
        "<DBSnapshots><DBSnapshot><DBSnapshotIdentifier>snap</DBSnapshotIdentifier><Encrypted>true</Encrypted>\
         <MasterUsername>app</MasterUsername><KmsKeyId>arn:key</KmsKeyId>{more}</DBSnapshot></DBSnapshots>"
    )
}

fn restored() -> Value {
    json!({
        "name": "own", "class": "db.t4g.medium", "engine_version": "16", "from_backup": {"snapshot": "snap"},
        "maintenance_window": "sun:18:00-sun:18:30", "backup_window": "17:00-17:30", "managed_password": false,
        "password": "correct-horse",
    })
}

#[tokio::test]
async fn a_server_from_a_snapshot_gets_the_rest_afterwards_and_its_password_has_no_fingerprint_before() {
    let before = "<EngineVersion>16.4</EngineVersion><PreferredBackupWindow>17:00-17:30</PreferredBackupWindow>";
    let after = format!("{before}<PreferredMaintenanceWindow>sun:18:00-sun:18:30</PreferredMaintenanceWindow>");
    let script = with(&[("creating", before), ("available", before), ("available", &after)])
        .autoscaling("DescribeDBSnapshots", &snapshot(""));
    create(&script, restored()).await.unwrap();
    let made = &script.asked("RestoreDBInstanceFromDBSnapshot")[0];
    says(
        made,
        &["DBSnapshotIdentifier=snap", "DBInstanceClass=db.t4g.medium", "from_backup%3Daaa", "saiken%3Aaddress"],
    );
    assert!(!made.contains("bbb") && !made.contains("correct-horse"), "{made}");
    let rest = &script.asked("ModifyDBInstance")[0];
    says(rest, &["PreferredMaintenanceWindow=sun", "MasterUserPassword=correct-horse"]);
    assert!(!rest.contains("EngineVersion") && !rest.contains("BackupWindow"), "it is so already: {rest}");
    assert!(script.asked("AddTagsToResource").pop().unwrap().contains("password%3Dbbb"));
    let order = script.operations();
    let at = |what: &str| order.iter().rposition(|o| o == what).unwrap();
    assert!(at("ModifyDBInstance") < at("AddTagsToResource"), "{order:?}");
}

#[tokio::test]
async fn a_backup_that_does_not_fit_is_refused_before_anything_is_made() {
    for (change, snapshot, message) in [
        (json!({}), snapshot("").replace("<Encrypted>true", "<Encrypted>false"), "is not encrypted"),
        (json!({"encrypted": false}), snapshot(""), "is encrypted"),
        (json!({"key": {"id": "arn:other"}}), snapshot(""), "is encrypted with arn:key"),
        (json!({"user": "root"}), snapshot(""), "the master user of snap is `app`"),
    ] {
        let mut spec = restored();
        spec.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let script = script().autoscaling("DescribeDBSnapshots", &snapshot);
        let refused = create(&script, spec).await.unwrap_err();
        assert!(refused.class == ErrorClass::Invalid && refused.message.contains(message), "{refused}");
        assert!(script.asked("RestoreDBInstanceFromDBSnapshot").is_empty());
    }
}

#[tokio::test]
async fn a_server_is_made_from_another_one_s_state_at_a_time() {
    let spec = |backup: Value| json!({"name": "own", "class": "db.t4g.medium", "from_backup": backup, "managed_password": true});
    let secret = "<MasterUserSecret><SecretArn>arn:secret</SecretArn></MasterUserSecret>";
    let script = with(&[("available", secret)]);
    create(&script, spec(json!({"source": {"id": "first"}, "time": "2026-11-23T05:00:00Z"}))).await.unwrap();
    let asked = &script.asked("RestoreDBInstanceToPointInTime")[0];
    says(asked, &["SourceDBInstanceIdentifier=first", "TargetDBInstanceIdentifier=own", "RestoreTime=2026-11-23T05"]);
    assert!(!asked.contains("UseLatestRestorableTime"), "{asked}");
    assert!(script.asked("ModifyDBInstance").is_empty(), "nothing is left to do");
    for (backup, part) in [
        (json!({"source_resource_id": "db-GONE"}), "SourceDbiResourceId=db-GONE"),
        (json!({"automated_backup": "arn:ab"}), "SourceDBInstanceAutomatedBackupsArn=arn%3Aab"),
    ] {
        let script = with(&[("available", secret)]);
        create(&script, spec(backup)).await.unwrap();
        says(&script.asked("RestoreDBInstanceToPointInTime")[0], &[part, "UseLatestRestorableTime=true"]);
    }
}

#[tokio::test]
async fn a_copy_follows_its_source_until_it_is_promoted() {
    let source = "<ReadReplicaSourceDBInstanceIdentifier>first</ReadReplicaSourceDBInstanceIdentifier>";
    let spec =
        json!({"name": "own", "class": "db.t4g.medium", "replica_of": {"id": "first"}, "backup_retention": "7d"});
    let later = format!("{source}<BackupRetentionPeriod>7</BackupRetentionPeriod>");
    let script = with(&[("available", source), ("available", source), ("available", &later)]);
    let object = script.create::<Database>(spec.clone()).await.unwrap();
    says(&script.asked("CreateDBInstanceReadReplica")[0], &["SourceDBInstanceIdentifier=first"]);
    says(&script.asked("ModifyDBInstance")[0], &["BackupRetentionPeriod=7"]);
    assert_eq!(object.spec["replica_of"], json!({"id": "first"}));
    assert_eq!((&object.spec["promoted"], &object.spec["managed_password"]), (&json!(false), &json!(true)));

    let script = with(&[("available", &later), ("modifying", &later), ("available", &later), ("available", "")]);
    let to = json!({"name": "own", "class": "db.t4g.medium", "promoted": true, "backup_retention": "7d"});
    script.update::<Database>("own", spec, to).await.unwrap();
    says(&script.asked("PromoteReadReplica")[0], &["DBInstanceIdentifier=own", "BackupRetentionPeriod=7"]);
    assert!(script.asked("ModifyDBInstance").is_empty());
}

#[tokio::test]
async fn the_password_moves_into_a_secret_and_back_but_a_secret_keeps_its_key() {
    let secret = "<MasterUserSecret><SecretArn>arn:secret</SecretArn></MasterUserSecret>";
    let given = changed(json!({"managed_password": false, "password": "correct-horse"}));
    let managed = changed(json!({"managed_password": true, "password_key": {"id": "arn:k"}}));
    let script = with(&[("available", ""), ("available", secret)]);
    script.update::<Database>("own", given.clone(), managed.clone()).await.unwrap();
    let asked = &script.asked("ModifyDBInstance")[0];
    says(asked, &["ManageMasterUserPassword=true", "MasterUserSecretKmsKeyId=arn%3Ak"]);
    assert!(!asked.contains("MasterUserPassword=c"), "{asked}");
    let script = with(&[("available", secret), ("available", "")]);
    script.update::<Database>("own", managed.clone(), given).await.unwrap();
    says(&script.asked("ModifyDBInstance")[0], &["ManageMasterUserPassword=false", "MasterUserPassword=correct-horse"]);
    let other = changed(json!({"managed_password": true, "password_key": {"id": "arn:other"}}));
    let refused = with(&[("available", secret)]).update::<Database>("own", managed, other).await.unwrap_err();
    assert!(refused.message.contains("managed_password: false"), "{refused}");
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_server_and_a_name_of_somebody_else_s_is_an_error() {
    let lost = |shown: &str| {
        Script::default()
            .lost("CreateDBInstance")
            .error("DescribeDBInstances", "DBInstanceNotFound")
            .autoscaling("DescribeDBInstances", shown)
    };
    let script = lost(&database("available", ""));
    assert_eq!(script.create::<Database>(base()).await.unwrap().id, "own");
    assert_eq!(script.asked("CreateDBInstance").len(), 1);
    let theirs = database("available", "").replace(">p<", ">another<");
    let taken = Script::default()
        .error("CreateDBInstance", "DBInstanceAlreadyExists")
        .autoscaling("DescribeDBInstances", &theirs);
    let refused = taken.create::<Database>(base()).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("DBInstanceAlreadyExists"));
}

#[tokio::test]
async fn a_server_that_will_never_be_usable_ends_the_wait_with_its_state() {
    for state in ["incompatible-network", "restore-error", "insufficient-capacity"] {
        let refused = with(&[("creating", ""), (state, "")]).create::<Database>(base()).await.unwrap_err();
        assert!(refused.message.contains(state), "{refused}");
    }
}

#[tokio::test]
async fn a_deletion_makes_no_snapshot_keeps_the_backups_and_waits_and_a_protection_stays() {
    let gone = with(&[("available", ""), ("deleting", "")]).error("DescribeDBInstances", "DBInstanceNotFound");
    gone.delete_owned::<Database>("own", base(), Some(owner())).await.unwrap();
    says(&gone.asked("DeleteDBInstance")[0], &["SkipFinalSnapshot=true", "DeleteAutomatedBackups=false"]);
    assert_eq!(gone.asked("DescribeDBInstances").len(), 3);
    let busy = Script::default()
        .error("DeleteDBInstance", "InvalidDBInstanceState")
        .autoscaling("DeleteDBInstance", "")
        .autoscaling("DescribeDBInstances", &database("backing-up", ""))
        .error("DescribeDBInstances", "DBInstanceNotFound");
    busy.delete_owned::<Database>("own", base(), Some(owner())).await.unwrap();
    assert_eq!(busy.asked("DeleteDBInstance").len(), 2);
    let protected = Script::default()
        .error("DeleteDBInstance", "InvalidParameterCombination")
        .autoscaling("DescribeDBInstances", &database("available", "<DeletionProtection>true</DeletionProtection>"));
    let refused = protected.delete_owned::<Database>("own", base(), Some(owner())).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("InvalidParameterCombination"));
    assert!(protected.asked("ModifyDBInstance").is_empty(), "nobody lifts a protection silently");
}

#[tokio::test]
async fn all_pages_are_read_and_servers_of_clusters_belong_to_them() {
    let member = database("available", "<DBClusterIdentifier>c</DBClusterIdentifier>").replace(">own<", ">member<");
    let script = Script::default()
        .autoscaling("DescribeDBInstances", &format!("{member}<Marker>more</Marker>"))
        .autoscaling("DescribeDBInstances", &database("available", ""));
    let found = script.read::<Database>().await.unwrap();
    assert_eq!(found.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), ["own"]);
    says(&script.asked("DescribeDBInstances")[1], &["Marker=more", "MaxRecords=100"]);
}

fn snapshots(all: &[(&str, &str, &str, &str)]) -> String {
    let all = all.iter().map(|(id, kind, state, of)| {
        format!(
            "<DBSnapshot><DBSnapshotIdentifier>{id}</DBSnapshotIdentifier><SnapshotType>{kind}</SnapshotType>\
             <Status>{state}</Status><DbiResourceId>{of}</DbiResourceId>\
             <SnapshotCreateTime>2026-01-01T00:00:00Z</SnapshotCreateTime></DBSnapshot>"
        )
    });
    format!("<DBSnapshots>{}</DBSnapshots>", all.collect::<String>())
}

fn server() -> crate::model::observed::Object {
    let mut it = object::<Database>("own", base());
    it.attributes.insert("resource_id".into(), json!("db-A"));
    it
}

async fn points(retention: u32) -> Vec<RecoveryPoint> {
    let shown = format!(
        "<BackupRetentionPeriod>{retention}</BackupRetentionPeriod>\
         <LatestRestorableTime>2026-01-02T00:00:00Z</LatestRestorableTime>"
    );
    let first = snapshots(&[
        ("mine", "manual", "available", "db-A"),
        ("former", "manual", "available", "db-OLD"),
        ("broken", "manual", "failed", "db-A"),
    ]);
    let script = with(&[("available", &shown)])
        .autoscaling("DescribeDBSnapshots", &format!("{first}<Marker>more</Marker>"))
        .autoscaling(
            "DescribeDBSnapshots",
            &snapshots(&[("rds:own-1", "automated", "available", "db-A"), ("next", "manual", "creating", "db-A")]),
        )
        .autoscaling("DescribeDBSnapshots", &snapshots(&[("awsbackup:job-1", "awsbackup", "available", "db-A")]));
    let points = Typed::<Database>::default().recovery_points(&script.context(), &server()).await.unwrap();
    assert!(script.asked("DescribeDBSnapshots")[2].contains("SnapshotType=awsbackup"));
    points
}

#[tokio::test]
async fn snapshots_count_and_automated_backups_do_if_they_outlive_the_server_for_a_week() {
    let told = |points: &[RecoveryPoint]| points.iter().map(|p| (p.id.clone(), p.complete)).collect::<Vec<_>>();
    let names = |all: &[(&str, bool)]| all.iter().map(|(id, c)| ((*id).to_owned(), *c)).collect::<Vec<_>>();
    let short = points(1).await;
    assert_eq!(told(&short), names(&[("mine", true), ("next", false), ("awsbackup:job-1", true)]));
    let long = points(7).await;
    let all = [
        ("mine", true),
        ("rds:own-1", true),
        ("next", false),
        ("awsbackup:job-1", true),
        ("db-A@2026-01-02T00:00:00Z", true),
    ];
    assert_eq!(told(&long), names(&all));
    assert_eq!(long[0].age - long[4].age, 86_400);
}

#[tokio::test]
async fn a_snapshot_that_is_an_object_of_its_own_is_no_recovery_point_and_one_that_inherited_its_tags_is() {
    for (id, count) in [("snapshot:mine", 0), ("snapshot:another", 1)] {
        let mark = format!("<Tag><Key>saiken:snapshot</Key><Value>ap-northeast-1:{id}</Value></Tag>");
        let tags = format!("<TagList>{OURS}{mark}</TagList></DBSnapshot>");
        let shown = snapshots(&[("mine", "manual", "available", "db-A")]).replace("</DBSnapshot>", &tags);
        let script = with(&[("available", "")])
            .autoscaling("DescribeDBSnapshots", &shown)
            .autoscaling("DescribeDBSnapshots", "<DBSnapshots/>");
        let points = Typed::<Database>::default().recovery_points(&script.context(), &server()).await.unwrap();
        assert_eq!(points.len(), count, "{id}");
    }
}

async fn save(script: &Script, unfinished: Option<&str>) -> Result<RecoveryPoint, ApiError> {
    let request = SaveRequest { object: server(), unfinished: unfinished.map(str::to_owned) };
    Typed::<Database>::default().save(&script.context(), &request, &Unwatched).await
}

#[tokio::test]
async fn a_snapshot_is_made_once_with_the_source_s_owner_and_waited_for() {
    let state = |state: &str| snapshots(&[("snap", "manual", state, "db-A")]);
    let script = Script::default()
        .lost("CreateDBSnapshot")
        .error("CreateDBSnapshot", "DBSnapshotAlreadyExists")
        .error("DescribeDBSnapshots", "DBSnapshotNotFound")
        .autoscaling("DescribeDBSnapshots", &state("creating"))
        .autoscaling("DescribeDBSnapshots", &state("available"));
    assert_eq!(save(&script, None).await.unwrap().id, "snap");
    let asked = script.asked("CreateDBSnapshot");
    assert_eq!((asked.len(), &asked[0]), (2, &asked[1]), "the same name again");
    says(&asked[0], &["DBSnapshotIdentifier=saiken-own-", "DBInstanceIdentifier=own", "saiken%3Asource"]);
    assert!(!asked[0].contains("saiken%3Aaddress"), "it would be taken for an object: {}", asked[0]);
    let unfinished = Script::default().autoscaling("DescribeDBSnapshots", &state("available"));
    assert_eq!(save(&unfinished, Some("snap")).await.unwrap().id, "snap");
    assert_eq!(unfinished.operations(), ["DescribeDBSnapshots"]);
    let failed = script_that_fails();
    assert!(save(&failed, None).await.unwrap_err().message.contains("of own failed"));
}

fn script_that_fails() -> Script {
    let failed = snapshots(&[("snap", "manual", "failed", "db-A")]);
    Script::default().autoscaling("CreateDBSnapshot", "").autoscaling("DescribeDBSnapshots", &failed)
}

#[test]
fn what_the_api_would_refuse_is_a_problem() {
    let problems = |spec: Value| {
        let mut problems = Problems::default();
        Database::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
    };
    assert!(problems(base()).is_empty());
    assert_eq!(problems(json!({"class": "db.t4g.medium"})), ["engine", "user", "storage"]);
    let copy = json!({"class": "db.t4g.medium", "replica_of": {"id": "first"}});
    assert!(problems(copy).is_empty());
    for (change, path) in [
        (json!({"name": "a--b"}), "name"),
        (json!({"replica_of": {"id": "a"}, "from_backup": {"snapshot": "s"}}), "from_backup"),
        (json!({"replica_of": {"id": "a"}, "promoted": true}), "promoted"),
        (json!({"promoted": false}), "promoted"),
        (json!({"from_backup": {}}), "from_backup"),
        (json!({"from_backup": {"snapshot": "s", "source_resource_id": "db-1"}}), "from_backup"),
        (json!({"from_backup": {"snapshot": "s", "time": "2026-11-23T05:00:00Z"}}), "from_backup.time"),
        (json!({"from_backup": {"source_resource_id": "db-1", "time": "2026-11-23 05:00"}}), "from_backup.time"),
        (
            json!({"engine": "mariadb", "engine_lifecycle_support": "open_source_rds_extended_support"}),
            "engine_lifecycle_support",
        ),
        (json!({"encrypted": false, "key": {"id": "k"}}), "key"),
        (json!({"multi_az": true, "zone": "ap-northeast-1a"}), "zone"),
        (json!({"storage": {"size": "100GiB", "limit": "105GiB"}}), "storage.limit"),
        (json!({"storage": {"size": "100GiB", "type": "io2"}}), "storage.iops"),
        (json!({"storage": {"size": "100GiB", "type": "gp2", "iops": 3000}}), "storage.iops"),
        (json!({"storage": {"size": "100GiB", "type": "gp2", "throughput": 500}}), "storage.throughput"),
        (json!({"backup_retention": "36d"}), "backup_retention"),
        (json!({"backup_window": "17:00-17:10"}), "backup_window"),
        (json!({"password": "correct-horse"}), "password"),
        (json!({"monitoring": {"interval": "60s"}}), "monitoring.role"),
    ] {
        assert_eq!(problems(changed(change.clone())), [path], "{change}");
    }
}

#[tokio::test]
async fn another_mode_of_database_insights_goes_with_the_performance_insights_that_are_declared_or_there() {
    let there = "<PerformanceInsightsEnabled>true</PerformanceInsightsEnabled>\
        <PerformanceInsightsKMSKeyId>arn:pi</PerformanceInsightsKMSKeyId>\
        <PerformanceInsightsRetentionPeriod>465</PerformanceInsightsRetentionPeriod>";
    let mode = |mode: &str, more: Value| {
        let mut spec = changed(json!({"database_insights": mode}));
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let kept = json!({"performance_insights": {"enabled": true}});
    for more in [json!({}), kept] {
        let script = with(&[("available", there)]);
        script.update::<Database>("own", mode("standard", more.clone()), mode("advanced", more)).await.unwrap();
        says(
            &script.asked("ModifyDBInstance")[0],
            &[
                "DatabaseInsightsMode=advanced",
                "EnablePerformanceInsights=true",
                "PerformanceInsightsKMSKeyId=arn%3Api",
                "PerformanceInsightsRetentionPeriod=465",
            ],
        );
    }
    let longer = json!({"performance_insights": {"enabled": true, "retention": "731d"}});
    let script = with(&[("available", "")]);
    script.update::<Database>("own", mode("standard", json!({})), mode("advanced", longer)).await.unwrap();
    let asked = &script.asked("ModifyDBInstance")[0];
    says(asked, &["EnablePerformanceInsights=true", "PerformanceInsightsRetentionPeriod=731"]);
    let off = with(&[("available", "<PerformanceInsightsEnabled>false</PerformanceInsightsEnabled>")]);
    off.update::<Database>("own", mode("advanced", json!({})), mode("standard", json!({}))).await.unwrap();
    assert!(!off.asked("ModifyDBInstance")[0].contains("PerformanceInsights"));
}
