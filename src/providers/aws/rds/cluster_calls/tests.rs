use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::model::cloud::{CreateRequest, SaveRequest, Unwatched};
use crate::model::kind::{Kind, Problems};
use crate::model::ownership::Owner;
use crate::providers::aws::kind::{Handler, Typed};
use crate::providers::aws::script::{Script, object, owner};

const OURS: &str = "<Tag><Key>saiken:project</Key><Value>p</Value></Tag>\
    <Tag><Key>saiken:environment</Key><Value>e</Value></Tag><Tag><Key>saiken:address</Key><Value>s/it</Value></Tag>\
    <Tag><Key>saiken:generation</Key><Value>1</Value></Tag>";

/// A cluster in a state, with these members besides.
fn cluster(state: &str, more: &str) -> String {
    format!(
        "<DBClusters><DBCluster><DBClusterIdentifier>own</DBClusterIdentifier><DBClusterArn>arn:own</DBClusterArn>\
         <Status>{state}</Status><DbClusterResourceId>cluster-A</DbClusterResourceId><Engine>aurora-postgresql</Engine>\
         <StorageEncrypted>true</StorageEncrypted><TagList>{OURS}</TagList>{more}</DBCluster></DBClusters>"
    )
}

/// Servers by identifier, class and state.
fn servers(all: &[(&str, &str, &str)]) -> String {
    let all = all.iter().map(|(id, class, state)| {
        format!(
            "<DBInstance><DBInstanceIdentifier>{id}</DBInstanceIdentifier><DBClusterIdentifier>own</DBClusterIdentifier>\
             <DBInstanceClass>{class}</DBInstanceClass><DBInstanceStatus>{state}</DBInstanceStatus>\
             <PromotionTier>1</PromotionTier><AvailabilityZone>ap-northeast-1a</AvailabilityZone></DBInstance>"
        )
    });
    format!("<DBInstances>{}</DBInstances>", all.collect::<String>())
}

fn script() -> Script {
    let calls = [
        "CreateDBCluster",
        "ModifyDBCluster",
        "DeleteDBCluster",
        "RestoreDBClusterFromSnapshot",
        "RestoreDBClusterToPointInTime",
        "CreateDBInstance",
        "ModifyDBInstance",
        "DeleteDBInstance",
        "EnableHttpEndpoint",
        "DisableHttpEndpoint",
        "AddTagsToResource",
        "CreateDBClusterSnapshot",
    ];
    calls.iter().fold(Script::default(), |script, call| script.autoscaling(call, ""))
}

fn clusters(script: Script, states: &[(&str, &str)]) -> Script {
    states.iter().fold(script, |script, (state, more)| script.autoscaling("DescribeDBClusters", &cluster(state, more)))
}

fn base() -> Value {
    json!({"name": "own", "engine": "aurora_postgresql", "engine_version": "16", "user": "app"})
}

fn with(fields: Value) -> Value {
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

/// Fields of the cluster itself, and how the API shows them.
fn everything() -> (Value, &'static str) {
    let spec = with(json!({
        "storage": {"type": "aurora_io_optimized"}, "scaling": {"min": 0.0, "max": 8.0, "pause_after": "10m"},
        "key": {"id": "arn:key"}, "subnet_group": {"id": "nets"}, "security_groups": [{"id": "sg-1"}], "port": 5433,
        "network_type": "dual", "backup_retention": "14d", "backup_window": "17:00-17:30",
        "maintenance_window": "sun:18:00-sun:18:30", "deletion_protection": true, "parameter_group": {"id": "params"},
        "copy_tags_to_snapshots": true,
        "log_exports": ["postgresql"], "performance_insights": {"key": {"id": "arn:pi"}, "retention": "93d"},
        "database_insights": "advanced", "monitoring": {"interval": "60s", "role": {"id": "arn:role"}},
        "password_key": {"id": "arn:secrets"}, "database": "orders", "iam_authentication": true, "data_api": true,
        "engine_lifecycle_support": "open_source_rds_extended_support_disabled",
    }));
    let shown = "<EngineVersion>16.4</EngineVersion>\
        <EngineLifecycleSupport>open-source-rds-extended-support-disabled</EngineLifecycleSupport><StorageType>aurora-iopt1</StorageType>\
        <ServerlessV2ScalingConfiguration><MinCapacity>0.0</MinCapacity><MaxCapacity>8.0</MaxCapacity>\
        <SecondsUntilAutoPause>600</SecondsUntilAutoPause></ServerlessV2ScalingConfiguration><KmsKeyId>arn:key</KmsKeyId>\
        <DBSubnetGroup>nets</DBSubnetGroup><VpcSecurityGroups><VpcSecurityGroupMembership>\
        <VpcSecurityGroupId>sg-1</VpcSecurityGroupId></VpcSecurityGroupMembership></VpcSecurityGroups><Port>5433</Port>\
        <Endpoint>own.cluster-x</Endpoint><ReaderEndpoint>own.cluster-ro-x</ReaderEndpoint><HostedZoneId>Z1</HostedZoneId>\
        <NetworkType>DUAL</NetworkType><BackupRetentionPeriod>14</BackupRetentionPeriod>\
        <PreferredBackupWindow>17:00-17:30</PreferredBackupWindow>\
        <PreferredMaintenanceWindow>sun:18:00-sun:18:30</PreferredMaintenanceWindow>\
        <CopyTagsToSnapshot>true</CopyTagsToSnapshot><DeletionProtection>true</DeletionProtection>\
        <DBClusterParameterGroup>params</DBClusterParameterGroup>\
        <EnabledCloudwatchLogsExports><member>postgresql</member></EnabledCloudwatchLogsExports>\
        <PerformanceInsightsEnabled>true</PerformanceInsightsEnabled>\
        <PerformanceInsightsKMSKeyId>arn:pi</PerformanceInsightsKMSKeyId>\
        <PerformanceInsightsRetentionPeriod>93</PerformanceInsightsRetentionPeriod>\
        <DatabaseInsightsMode>advanced</DatabaseInsightsMode><MonitoringInterval>60</MonitoringInterval>\
        <MonitoringRoleArn>arn:role</MonitoringRoleArn><MasterUsername>app</MasterUsername><MasterUserSecret>\
        <SecretArn>arn:secret</SecretArn><KmsKeyId>arn:secrets</KmsKeyId></MasterUserSecret>\
        <DatabaseName>orders</DatabaseName><IAMDatabaseAuthenticationEnabled>true</IAMDatabaseAuthenticationEnabled>\
        <HttpEndpointEnabled>true</HttpEndpointEnabled>";
    (spec, shown)
}

const COMMON: [&str; 20] = [
    "EngineLifecycleSupport=open-source-rds-extended-support-disabled",
    "DBClusterIdentifier=own",
    "StorageType=aurora-iopt1",
    "ServerlessV2ScalingConfiguration.MaxCapacity=8",
    "SecondsUntilAutoPause=600",
    "VpcSecurityGroupIds.VpcSecurityGroupId.1=sg-1",
    "Port=5433",
    "NetworkType=DUAL",
    "BackupRetentionPeriod=14",
    "PreferredBackupWindow=17",
    "DeletionProtection=true",
    "DBClusterParameterGroupName=params",
    "LogTypes.member.1=postgresql",
    "EnablePerformanceInsights=true",
    "PerformanceInsightsKMSKeyId=arn%3Api",
    "PerformanceInsightsRetentionPeriod=93",
    "MonitoringInterval=60",
    "MonitoringRoleArn=arn%3Arole",
    "EnableIAMDatabaseAuthentication=true",
    "PreferredMaintenanceWindow=sun",
];

#[tokio::test]
async fn a_cluster_is_made_before_its_members_and_every_field_is_read_back() {
    let (mut spec, shown) = everything();
    spec["members"] = json!({
        "reader": {"class": "db.r8g.large", "tier": 5},
        "writer": {"class": "db.serverless", "tier": 0, "zone": "ap-northeast-1a", "parameter_group": {"id": "own-params"},
                   "ca_certificate": "rds-ca-rsa2048-g1", "minor_upgrades": true},
    });
    let both = servers(&[("own-reader", "db.r8g.large", "available"), ("own-writer", "db.serverless", "available")]);
    let script = clusters(script(), &[("creating", ""), ("available", shown)])
        .autoscaling("DescribeDBInstances", &servers(&[]))
        .autoscaling("DescribeDBInstances", &servers(&[("own-writer", "db.serverless", "creating")]))
        .autoscaling("DescribeDBInstances", &both);
    let object = script.create::<DatabaseCluster>(spec.clone()).await.unwrap();
    let made = &script.asked("CreateDBCluster")[0];
    let logs = "LogTypes.member.1=postgresql";
    let parts: Vec<&str> = COMMON.into_iter().filter(|part| *part != logs).collect();
    says(made, &parts);
    says(
        made,
        &[
            "EnableCloudwatchLogsExports.member.1=postgresql",
            "&Engine=aurora-postgresql&",
            "EngineVersion=16&",
            "StorageEncrypted=true",
            "&KmsKeyId=arn%3Akey",
            "DBSubnetGroupName=nets",
            "DatabaseInsightsMode=advanced",
            "MasterUsername=app",
            "ManageMasterUserPassword=true",
            "MasterUserSecretKmsKeyId=arn%3Asecrets",
            "DatabaseName=orders",
            "EnableHttpEndpoint=true",
            "saiken%3Aaddress",
        ],
    );
    let members = script.asked("CreateDBInstance");
    says(
        &members[0],
        &[
            "DBInstanceIdentifier=own-writer",
            "DBClusterIdentifier=own",
            "DBInstanceClass=db.serverless",
            "PromotionTier=0",
            "AvailabilityZone=ap-northeast-1a",
            "DBParameterGroupName=own-params",
            "CACertificateIdentifier=rds-ca-rsa2048-g1",
            "AutoMinorVersionUpgrade=true",
            "PubliclyAccessible=false",
            "saiken%3Aproject",
        ],
    );
    assert!(!members[0].contains("saiken%3Aaddress"), "a member is no object of its own: {}", members[0]);
    says(&members[1], &["DBInstanceIdentifier=own-reader", "PromotionTier=5"]);
    let (normal, problems) = crate::providers::kinds().get("database_cluster").unwrap().normalise(&spec).unwrap();
    assert!(problems.0.is_empty(), "{problems:?}");
    for (name, value) in normal.as_object().unwrap() {
        let there = &object.spec[name];
        match name.as_str() {
            "engine_version" => assert_eq!(there, "16.4"),
            "members" => assert_eq!(there.as_object().unwrap().keys().collect::<Vec<_>>(), ["reader", "writer"]),
            _ => assert!(is_there(value, Some(there)), "{name}: {value} {there}"),
        }
    }
    for (name, value) in [
        ("endpoint", "own.cluster-x"),
        ("reader_endpoint", "own.cluster-ro-x"),
        ("secret_arn", "arn:secret"),
        ("zone_id", "Z1"),
        ("resource_id", "cluster-A"),
    ] {
        assert_eq!(object.attributes[name], value);
    }
}

#[tokio::test]
async fn every_field_of_the_cluster_changes_at_once_and_is_waited_for() {
    let (mut to, shown) = everything();
    for fixed in ["password_key", "key", "database", "subnet_group"] {
        to.as_object_mut().unwrap().remove(fixed);
    }
    let plain = "<EngineVersion>15.8</EngineVersion>";
    let script = clusters(
        script(),
        &[("modifying", plain), ("available", plain), ("available", plain), ("upgrading", plain), ("available", shown)],
    )
    .autoscaling("DescribeDBInstances", &servers(&[]));
    script.update::<DatabaseCluster>("own", json!({"engine": "aurora_postgresql", "user": "app"}), to).await.unwrap();
    let asked = script.asked("ModifyDBCluster");
    assert_eq!(asked.len(), 1);
    says(&asked[0], &COMMON);
    says(
        &asked[0],
        &[
            "ApplyImmediately=true",
            "EngineVersion=16&AllowMajorVersionUpgrade=true",
            "DatabaseInsightsMode=advanced",
            "CopyTagsToSnapshot=true",
        ],
    );
    says(&script.asked("EnableHttpEndpoint")[0], &["ResourceArn=arn%3Aown"]);
}

#[tokio::test]
async fn members_are_added_before_they_change_and_before_others_go() {
    let spec = |members: Value| with(json!({"members": members}));
    let before = servers(&[("own-a", "db.r8g.large", "available"), ("own-b", "db.r8g.large", "available")]);
    let one = |id: &str, class: &str| servers(&[(id, class, "available")]);
    let script = clusters(script(), &[("available", "<EngineVersion>16.4</EngineVersion>")])
        .autoscaling("DescribeDBInstances", &before)
        .autoscaling("DescribeDBInstances", &one("own-c", "db.r8g.large"))
        .autoscaling("DescribeDBInstances", &one("own-a", "db.r8g.large"))
        .autoscaling("DescribeDBInstances", &one("own-a", "db.r8g.xlarge"))
        .error("DescribeDBInstances", "DBInstanceNotFound")
        .autoscaling("DescribeDBInstances", &before);
    let from = spec(json!({"a": {"class": "db.r8g.large"}, "b": {"class": "db.r8g.large"}}));
    let to = spec(json!({"a": {"class": "db.r8g.xlarge"}, "c": {"class": "db.r8g.large"}}));
    script.update::<DatabaseCluster>("own", from, to).await.unwrap();
    let order: Vec<String> = script.operations().into_iter().filter(|o| !o.starts_with("Describe")).collect();
    assert_eq!(order, ["CreateDBInstance", "ModifyDBInstance", "DeleteDBInstance"]);
    says(&script.asked("ModifyDBInstance")[0], &["DBInstanceIdentifier=own-a", "DBInstanceClass=db.r8g.xlarge"]);
    says(&script.asked("DeleteDBInstance")[0], &["DBInstanceIdentifier=own-b"]);
}

#[tokio::test]
async fn a_member_does_not_move_to_another_zone() {
    let spec = |zone: &str| with(json!({"members": {"a": {"class": "db.r8g.large", "zone": zone}}}));
    let script = clusters(script(), &[("available", "")])
        .autoscaling("DescribeDBInstances", &servers(&[("own-a", "db.r8g.large", "available")]));
    let (from, to) = (spec("ap-northeast-1a"), spec("ap-northeast-1c"));
    let refused = script.update::<DatabaseCluster>("own", from, to).await.unwrap_err();
    assert!(refused.message.contains("own-a can't move"), "{refused}");
}

#[tokio::test]
async fn lost_answers_make_no_second_cluster_and_no_second_member() {
    let spec = with(json!({"members": {"a": {"class": "db.r8g.large"}}}));
    let there = servers(&[("own-a", "db.r8g.large", "available")]);
    let script = Script::default()
        .lost("CreateDBCluster")
        .lost("CreateDBInstance")
        .error("DescribeDBClusters", "DBClusterNotFoundFault")
        .autoscaling("DescribeDBClusters", &cluster("available", ""))
        .autoscaling("DescribeDBInstances", &servers(&[]))
        .autoscaling("DescribeDBInstances", &there);
    assert_eq!(script.create::<DatabaseCluster>(spec.clone()).await.unwrap().id, "own");
    assert_eq!((script.asked("CreateDBCluster").len(), script.asked("CreateDBInstance").len()), (1, 1));
    // The name of the member is somebody else's server.
    let theirs = there.replace("<DBClusterIdentifier>own<", "<DBClusterIdentifier>another<");
    let taken = Script::default()
        .autoscaling("CreateDBCluster", "")
        .error("CreateDBInstance", "DBInstanceAlreadyExists")
        .autoscaling("DescribeDBClusters", &cluster("available", ""))
        .autoscaling("DescribeDBInstances", &theirs);
    let refused = taken.create::<DatabaseCluster>(spec).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("DBInstanceAlreadyExists"));
}

#[tokio::test]
async fn a_cluster_whose_members_are_not_ready_is_on_its_way_and_those_that_go_are_gone() {
    let script = clusters(script(), &[("available", "")]).autoscaling(
        "DescribeDBInstances",
        &servers(&[("own-a", "db.r8g.large", "creating"), ("own-b", "db.r8g.large", "deleting")]),
    );
    let found = script.read::<DatabaseCluster>().await.unwrap();
    assert_eq!(found[0].status, crate::model::observed::Status::Pending("creating".into()));
    assert_eq!(found[0].spec["members"].as_object().unwrap().keys().collect::<Vec<_>>(), ["a"]);
    says(&script.asked("DescribeDBInstances")[0], &["Name=db-cluster-id", "Values.Value.1=own"]);
}

#[tokio::test]
async fn the_writer_goes_last_and_a_protected_cluster_keeps_its_members() {
    let writer = "<DBClusterMembers><DBClusterMember><DBInstanceIdentifier>own-a</DBInstanceIdentifier>\
        <IsClusterWriter>true</IsClusterWriter></DBClusterMember></DBClusterMembers>";
    let there = servers(&[("own-a", "db.r8g.large", "available"), ("own-b", "db.r8g.large", "available")]);
    let script = Script::default()
        .autoscaling("DeleteDBInstance", "")
        .error("DeleteDBCluster", "InvalidDBClusterStateFault")
        .autoscaling("DeleteDBCluster", "");
    let script = clusters(script, &[("available", writer), ("available", writer), ("deleting", "")])
        .error("DescribeDBClusters", "DBClusterNotFoundFault")
        .autoscaling("DescribeDBInstances", &there);
    script.delete_owned::<DatabaseCluster>("own", base(), Some(owner())).await.unwrap();
    let members = script.asked("DeleteDBInstance");
    says(&members[0], &["DBInstanceIdentifier=own-b"]);
    says(&members[1], &["DBInstanceIdentifier=own-a"]);
    says(&script.asked("DeleteDBCluster")[1], &["SkipFinalSnapshot=true", "DeleteAutomatedBackups=false"]);
    let protected = clusters(self::script(), &[("available", "<DeletionProtection>true</DeletionProtection>")]);
    let refused = protected.delete_owned::<DatabaseCluster>("own", base(), Some(owner())).await.unwrap_err();
    assert!(refused.message.contains("deletion_protection: false"), "{refused}");
    assert!(protected.asked("DeleteDBInstance").is_empty());
}

async fn create_with_fingerprints(script: &Script, spec: Value) -> Result<crate::model::observed::Object, ApiError> {
    let fingerprints = BTreeMap::from([("from_backup".into(), "aaa".into()), ("password".into(), "bbb".into())]);
    let request = CreateRequest {
        kind: DatabaseCluster::NAME.into(),
        region: "ap-northeast-1".into(),
        spec,
        owner: Owner { fingerprints, ..owner() },
        tags: BTreeMap::new(),
        name: "p-e-s-it".into(),
        token: "token".into(),
        resolved: BTreeMap::new(),
    };
    Typed::<DatabaseCluster>::default().create(&script.context(), &request, &Unwatched).await
}

#[tokio::test]
async fn a_cluster_from_a_backup_gets_the_rest_afterwards() {
    let spec = |backup: Value| {
        with(json!({
            "from_backup": backup, "managed_password": false, "password": "correct-horse", "data_api": true,
            "maintenance_window": "sun:18:00-sun:18:30",
        }))
    };
    let before = "<EngineVersion>16.4</EngineVersion><MasterUsername>app</MasterUsername>";
    let after = format!("{before}<PreferredMaintenanceWindow>sun:18:00-sun:18:30</PreferredMaintenanceWindow>");
    let snapshot = "<DBClusterSnapshots><DBClusterSnapshot><DBClusterSnapshotIdentifier>snap</DBClusterSnapshotIdentifier>\
        <StorageEncrypted>true</StorageEncrypted><MasterUsername>app</MasterUsername></DBClusterSnapshot></DBClusterSnapshots>";
    let states = [("creating", before), ("available", before), ("available", after.as_str())];
    let script = clusters(script(), &states)
        .autoscaling("DescribeDBInstances", &servers(&[]))
        .autoscaling("DescribeDBClusterSnapshots", snapshot);
    create_with_fingerprints(&script, spec(json!({"snapshot": "snap"}))).await.unwrap();
    let made = &script.asked("RestoreDBClusterFromSnapshot")[0];
    says(made, &["SnapshotIdentifier=snap", "Engine=aurora-postgresql", "from_backup%3Daaa"]);
    assert!(!made.contains("bbb"), "{made}");
    let rest = &script.asked("ModifyDBCluster")[0];
    says(rest, &["MasterUserPassword=correct-horse", "PreferredMaintenanceWindow=sun"]);
    assert!(!rest.contains("EngineVersion"), "{rest}");
    says(&script.asked("EnableHttpEndpoint")[0], &["arn%3Aown"]);
    assert!(script.asked("AddTagsToResource")[0].contains("password%3Dbbb"));

    let plain = snapshot.replace("<StorageEncrypted>true", "<StorageEncrypted>false");
    let script = self::script().autoscaling("DescribeDBClusterSnapshots", &plain);
    let refused = create_with_fingerprints(&script, spec(json!({"snapshot": "snap"}))).await.unwrap_err();
    assert!(refused.message.contains("is not encrypted"), "{refused}");

    for (backup, parts) in [
        (
            json!({"source": {"id": "own"}, "clone": true}),
            ["SourceDBClusterIdentifier=own", "RestoreType=copy-on-write"],
        ),
        (
            json!({"source_resource_id": "cluster-B", "time": "2026-11-23T05:00:00Z"}),
            ["SourceDbClusterResourceId=cluster-B", "RestoreToTime=2026-11-23T05"],
        ),
    ] {
        let script = clusters(self::script(), &[("available", before), ("available", before), ("available", &after)])
            .autoscaling("DescribeDBInstances", &servers(&[]));
        create_with_fingerprints(&script, spec(backup)).await.unwrap();
        says(&script.asked("RestoreDBClusterToPointInTime")[0], &parts);
    }
}

#[tokio::test]
async fn a_multi_az_cluster_has_servers_of_its_own_and_a_disk() {
    let spec = |size: &str| {
        json!({
            "name": "own", "engine": "postgres", "class": "db.m6gd.large", "user": "app",
            "storage": {"size": size, "type": "io1", "iops": 3000},
        })
    };
    let shown = |size: u32| {
        cluster(
            "available",
            &format!(
                "<DBClusterInstanceClass>db.m6gd.large</DBClusterInstanceClass><AllocatedStorage>{size}</AllocatedStorage>\
                 <StorageType>io1</StorageType><Iops>3000</Iops>"
            ),
        )
        .replace("aurora-postgresql", "postgres")
    };
    let script = script()
        .autoscaling("DescribeDBClusters", &shown(100))
        .autoscaling("DescribeDBInstances", &servers(&[("own-instance-1", "db.m6gd.large", "available")]));
    let object = script.create::<DatabaseCluster>(spec("100GiB")).await.unwrap();
    says(
        &script.asked("CreateDBCluster")[0],
        &["DBClusterInstanceClass=db.m6gd.large", "AllocatedStorage=100", "StorageType=io1", "Iops=3000"],
    );
    assert!(object.spec.get("members").is_none() && script.asked("CreateDBInstance").is_empty());
    assert_eq!(object.spec["storage"], json!({"size": "100GiB", "type": "io1", "iops": 3000}));
    let refused = script.update::<DatabaseCluster>("own", spec("100GiB"), spec("50GiB")).await.unwrap_err();
    assert!(refused.message.contains("can't shrink"), "{refused}");
    let grown = self::script()
        .autoscaling("DescribeDBClusters", &shown(100))
        .autoscaling("DescribeDBClusters", &shown(200))
        .autoscaling("DescribeDBInstances", &servers(&[]));
    grown.update::<DatabaseCluster>("own", spec("100GiB"), spec("200GiB")).await.unwrap();
    says(&grown.asked("ModifyDBCluster")[0], &["AllocatedStorage=200"]);
}

#[tokio::test]
async fn a_snapshot_of_a_cluster_is_a_recovery_point_and_is_made_with_its_source() {
    let snapshot = |state: &str| {
        format!(
            "<DBClusterSnapshots><DBClusterSnapshot><DBClusterSnapshotIdentifier>snap</DBClusterSnapshotIdentifier>\
             <SnapshotType>manual</SnapshotType><Status>{state}</Status><DbClusterResourceId>cluster-A</DbClusterResourceId>\
             <SnapshotCreateTime>2026-01-01T00:00:00Z</SnapshotCreateTime></DBClusterSnapshot></DBClusterSnapshots>"
        )
    };
    let script = clusters(script(), &[("available", "<BackupRetentionPeriod>1</BackupRetentionPeriod>")])
        .autoscaling("DescribeDBClusterSnapshots", &snapshot("creating"))
        .autoscaling("DescribeDBClusterSnapshots", &snapshot("available"));
    let mut it = object::<DatabaseCluster>("own", base());
    it.attributes.insert("resource_id".into(), json!("cluster-A"));
    let request = SaveRequest { object: it.clone(), unfinished: None };
    let handler = Typed::<DatabaseCluster>::default();
    assert_eq!(handler.save(&script.context(), &request, &Unwatched).await.unwrap().id, "snap");
    let asked = &script.asked("CreateDBClusterSnapshot")[0];
    says(asked, &["DBClusterIdentifier=own", "DBClusterSnapshotIdentifier=saiken-own-", "saiken%3Asource"]);
    let points = handler.recovery_points(&script.context(), &it).await.unwrap();
    assert!(points.iter().all(|p| p.id == "snap" && p.complete), "{points:?}");
}

#[test]
fn what_the_api_would_refuse_is_a_problem() {
    let problems = |spec: Value| {
        let mut problems = Problems::default();
        DatabaseCluster::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
    };
    assert!(problems(base()).is_empty());
    let member = |name: &str, class: &str| json!({"members": {name: {"class": class}}});
    for (change, path) in [
        (json!({"class": "db.m6gd.large"}), "class"),
        (json!({"storage": {"size": "100GiB"}}), "storage"),
        (json!({"storage": {"type": "gp3"}}), "storage.type"),
        (member("A", "db.r8g.large"), "members.A"),
        (member("a--b", "db.r8g.large"), "members.a--b"),
        (member("a-name-that-is-too-long", "db.r8g.large"), "members.a-name-that-is-too-long"),
        (member("a", "db.serverless"), "scaling"),
        (json!({"scaling": {"min": 4.0, "max": 2.0}}), "scaling.min"),
        (json!({"scaling": {"min": 0.7, "max": 2.0}}), "scaling"),
        (json!({"scaling": {"min": 1.0, "max": 2.0, "pause_after": "10m"}}), "scaling.pause_after"),
        (json!({"scaling": {"min": 0.0, "max": 2.0, "pause_after": "1m"}}), "scaling.pause_after"),
        (json!({"backup_retention": "0s"}), "backup_retention"),
        (json!({"from_backup": {}}), "from_backup"),
        (json!({"from_backup": {"snapshot": "s", "clone": true}}), "from_backup.clone"),
        (json!({"password": "correct-horse"}), "password"),
        (json!({"name": "a--b"}), "name"),
    ] {
        assert_eq!(problems(with(change.clone())), [path], "{change}");
    }
    assert_eq!(problems(json!({"engine": "postgres", "user": "app"})), ["class", "storage"]);
    assert_eq!(problems(json!({"engine": "aurora_mysql"})), ["user"]);
}

#[tokio::test]
async fn another_mode_of_database_insights_goes_with_the_performance_insights_that_are_there() {
    let there = "<PerformanceInsightsEnabled>true</PerformanceInsightsEnabled>\
        <PerformanceInsightsRetentionPeriod>465</PerformanceInsightsRetentionPeriod>";
    let mode = |mode: &str| with(json!({"database_insights": mode}));
    let script = clusters(script(), &[("available", there)]).autoscaling("DescribeDBInstances", &servers(&[]));
    script.update::<DatabaseCluster>("own", mode("standard"), mode("advanced")).await.unwrap();
    let asked = &script.asked("ModifyDBCluster")[0];
    says(asked, &["DatabaseInsightsMode=advanced", "EnablePerformanceInsights=true"]);
    says(asked, &["PerformanceInsightsRetentionPeriod=465"]);
}
