use serde_json::json;

use super::cluster_parameter_group::DatabaseClusterParameterGroup;
use super::option_group::DatabaseOptionGroup;
use super::parameter_group::DatabaseParameterGroup;
use super::subnet_group::DatabaseSubnetGroup;
use super::*;
use crate::providers::aws::script::Script;

const OURS: &str = "<Tag><Key>saiken:project</Key><Value>p</Value></Tag>\
    <Tag><Key>saiken:environment</Key><Value>e</Value></Tag><Tag><Key>saiken:address</Key><Value>s/it</Value></Tag>\
    <Tag><Key>saiken:generation</Key><Value>1</Value></Tag>";

/// Adds answers of the service, in the form that auto scaling has too.
fn answers(script: Script, all: &[(&str, String)]) -> Script {
    all.iter().fold(script, |script, (operation, members)| script.autoscaling(operation, members))
}

fn tagged(tags: &str) -> (&'static str, String) {
    ("ListTagsForResource", format!("<TagList>{tags}</TagList>"))
}

fn subnet_groups(names: &[&str], marker: &str) -> (&'static str, String) {
    let groups = names.iter().map(|name| {
        format!(
            "<DBSubnetGroup><DBSubnetGroupName>{name}</DBSubnetGroupName><VpcId>vpc-1</VpcId>\
             <DBSubnetGroupDescription>d</DBSubnetGroupDescription>\
             <DBSubnetGroupArn>arn:aws:rds:r:1:subgrp:{name}</DBSubnetGroupArn>\
             <Subnets><Subnet><SubnetIdentifier>subnet-1</SubnetIdentifier></Subnet></Subnets></DBSubnetGroup>"
        )
    });
    let groups: String = groups.collect();
    ("DescribeDBSubnetGroups", format!("<DBSubnetGroups>{groups}</DBSubnetGroups>{marker}"))
}

fn index(arns: &[&str]) -> String {
    let tags = [("project", "p"), ("environment", "e"), ("address", "s/it"), ("generation", "1")];
    let tags = tags.map(|(k, v)| json!({"Key": format!("saiken:{k}"), "Value": v}));
    let all: Vec<Value> = arns.iter().map(|arn| json!({"ResourceARN": arn, "Tags": tags})).collect();
    json!({"ResourceTagMappingList": all}).to_string()
}

#[test]
fn identifiers_are_in_lower_case_distinct_and_begin_as_the_environment_s_do() {
    assert_eq!(identifier("shop-prod-data-main", 63), "shop-prod-data-main");
    let long = "shop-prod-".to_owned() + &"x".repeat(60);
    let odd = ["Shop-prod-data-main", "shop-prod-data--main", "---prod-data-main", "1shop-prod-data-main", "-", &long];
    for name in odd {
        let made = identifier(name, 63);
        assert!(made.len() <= 63 && made.starts_with(|c: char| c.is_ascii_lowercase()), "{made}");
        assert!(!made.contains("--") && !made.ends_with('-'), "{made}");
        assert!(made.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{made}");
        assert_eq!(identifier(&made, 63), made);
    }
    assert_ne!(identifier("p-e-s-It", 63), identifier("p-e-s-iT", 63));
    for (project, environment) in [("shop", "prod"), ("再建", "Prod"), ("1", "e")] {
        let address = crate::model::Address::parse("data/主").unwrap();
        let name = identifier(&ownership::physical_name(project, environment, &address, 2, 63), 63);
        assert!(name.starts_with(&prefix(project, environment)), "{name}");
    }
}

#[tokio::test]
async fn a_group_with_a_name_of_its_own_is_found_by_the_index_and_a_new_one_by_its_name_over_all_pages() {
    let script = answers(
        Script::default().answer("GetResources", 200, &index(&["arn:aws:rds:r:1:subgrp:own"])),
        &[
            subnet_groups(&["own", "somebody-else"], "<Marker>more</Marker>"),
            subnet_groups(&["p-e-s-it"], ""),
            tagged(OURS),
        ],
    );
    let found = script.read::<DatabaseSubnetGroup>().await.unwrap();
    assert_eq!(found.iter().map(|o| o.id.as_str()).collect::<Vec<_>>(), ["own", "p-e-s-it"]);
    assert_eq!(found[0].attributes["vpc_id"], "vpc-1");
    let asked = script.asked("ListTagsForResource");
    assert!(asked.len() == 1 && asked[0].contains("p-e-s-it"), "{asked:?}");
    assert!(script.asked("DescribeDBSubnetGroups")[1].contains("Marker=more"));
}

#[tokio::test]
async fn a_name_that_is_taken_or_a_lost_answer_is_our_own_group_if_its_tags_say_so() {
    let spec = json!({"name": "own", "subnets": [{"id": "subnet-1"}]});
    let theirs = OURS.replace(">p<", ">another<");
    for (tags, ours) in [(OURS, true), (theirs.as_str(), false)] {
        let there = [subnet_groups(&["own"], ""), tagged(tags)];
        let taken = answers(Script::default().error("CreateDBSubnetGroup", "DBSubnetGroupAlreadyExists"), &there);
        let made = taken.create::<DatabaseSubnetGroup>(spec.clone()).await;
        match made {
            Ok(object) => assert!(ours && object.id == "own", "{object:?}"),
            Err(e) => assert!(!ours && e.code.as_deref() == Some("DBSubnetGroupAlreadyExists"), "{e}"),
        }
        assert_eq!(taken.asked("CreateDBSubnetGroup").len(), 1);
    }
    let lost = answers(
        Script::default().lost("CreateDBSubnetGroup").error("DescribeDBSubnetGroups", "DBSubnetGroupNotFoundFault"),
        &[subnet_groups(&["own"], ""), tagged(OURS)],
    );
    assert_eq!(lost.create::<DatabaseSubnetGroup>(spec).await.unwrap().id, "own");
    assert_eq!(lost.asked("CreateDBSubnetGroup").len(), 1, "nobody makes a second one");
}

#[tokio::test]
async fn a_group_that_still_counts_as_used_is_deleted_once_it_does_not() {
    let script = answers(
        Script::default().error("DeleteDBSubnetGroup", "InvalidDBSubnetGroupStateFault"),
        &[("DeleteDBSubnetGroup", String::new()), subnet_groups(&["own"], ""), tagged("")],
    );
    script.delete::<DatabaseSubnetGroup>("own", json!({"subnets": []})).await.unwrap();
    assert_eq!(script.asked("DeleteDBSubnetGroup").len(), 2);
    let used = answers(
        Script::default().error("DeleteDBSubnetGroup", "InvalidDBSubnetGroupStateFault"),
        &[subnet_groups(&["own"], ""), tagged("")],
    );
    let refused = used.delete::<DatabaseSubnetGroup>("own", json!({"subnets": []})).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("InvalidDBSubnetGroupStateFault"), "the API's own error: {refused}");
}

fn parameters(all: &[(&str, &str, &str)]) -> String {
    let all = all.iter().map(|(name, value, how)| {
        format!(
            "<Parameter><ParameterName>{name}</ParameterName><ParameterValue>{value}</ParameterValue>\
             <ApplyType>{how}</ApplyType></Parameter>"
        )
    });
    format!("<Parameters>{}</Parameters>", all.collect::<String>())
}

fn parameter_groups(api: &str) -> (String, String) {
    let name = format!("{api}ParameterGroup");
    let group = format!(
        "<{name}s><{name}><{name}Name>own</{name}Name><DBParameterGroupFamily>mysql8.0</DBParameterGroupFamily>\
         <Description>d</Description><{name}Arn>arn:own</{name}Arn></{name}></{name}s>"
    );
    (format!("Describe{name}s"), group)
}

/// A group that has one parameter more than a page and a call hold.
fn parameter_script(api: &str) -> Script {
    let (operation, group) = parameter_groups(api);
    let known = format!("{}<Marker>more</Marker>", parameters(&[("a", "", "dynamic"), ("b", "", "static")]));
    let describe = format!("Describe{api}Parameters");
    Script::default()
        .autoscaling(&operation, &group)
        .autoscaling("ListTagsForResource", &format!("<TagList>{OURS}</TagList>"))
        .autoscaling(&format!("Create{api}ParameterGroup"), "")
        .autoscaling(&format!("Modify{api}ParameterGroup"), "")
        .autoscaling(&format!("Reset{api}ParameterGroup"), "")
        .autoscaling(&describe, &known)
        .autoscaling(&describe, &parameters(&[("c", "", "dynamic")]))
        .autoscaling(&describe, &parameters(&[("b", "2", "static")]))
}

#[tokio::test]
async fn parameters_change_at_once_if_the_engine_can_twenty_a_call_and_those_taken_out_are_reset() {
    let script = parameter_script("DB");
    let mut many: serde_json::Map<String, Value> = (0..19).map(|i| (format!("x{i:02}"), json!("1"))).collect();
    many.extend([("a".to_owned(), json!("1")), ("b".to_owned(), json!("2"))]);
    let from = json!({"name": "own", "family": "mysql8.0", "parameters": {"b": "1", "c": "3"}});
    let to = json!({"name": "own", "family": "mysql8.0", "parameters": many});
    script.update::<DatabaseParameterGroup>("own", from, to).await.unwrap();
    let asked = script.asked("ModifyDBParameterGroup");
    assert_eq!(asked.len(), 2, "21 parameters are two calls");
    for part in [
        "Parameters.Parameter.1.ParameterName=a&Parameters.Parameter.1.ParameterValue=1&Parameters.Parameter.1.ApplyMethod=immediate",
        "Parameters.Parameter.2.ParameterName=b&Parameters.Parameter.2.ParameterValue=2&Parameters.Parameter.2.ApplyMethod=pending-reboot",
    ] {
        assert!(asked[0].contains(part), "{part}: {asked:?}");
    }
    let reset = script.asked("ResetDBParameterGroup").join("");
    assert!(reset.contains("ParameterName=c&Parameters.Parameter.1.ApplyMethod=immediate"), "{reset}");
    assert!(!reset.contains("ResetAllParameters"), "{reset}");
}

#[tokio::test]
async fn the_parameters_of_a_cluster_go_the_same_way_by_calls_of_their_own() {
    let script = parameter_script("DBCluster");
    let spec = |parameters: Value| json!({"name": "own", "family": "mysql8.0", "parameters": parameters});
    let object = script.create::<DatabaseClusterParameterGroup>(spec(json!({"b": "2"}))).await.unwrap();
    assert_eq!((&object.spec["parameters"], object.unread.len()), (&json!({"b": "2"}), 0));
    let set = script.asked("ModifyDBClusterParameterGroup").join("");
    assert!(set.contains("ParameterName=b") && set.contains("ApplyMethod=pending-reboot"), "{set}");
    assert!(script.asked("DescribeDBClusterParameters").last().unwrap().contains("Source=user"));
    let script = parameter_script("DBCluster");
    script.update::<DatabaseClusterParameterGroup>("own", spec(json!({"a": "1"})), spec(json!({}))).await.unwrap();
    assert!(script.asked("ResetDBClusterParameterGroup").join("").contains("ParameterName=a"));
}

/// Parameters with their sources.
fn sourced(all: &[(&str, &str, &str)]) -> String {
    let all = all.iter().map(|(name, value, source)| {
        format!(
            "<Parameter><ParameterName>{name}</ParameterName><ParameterValue>{value}</ParameterValue>\
             <Source>{source}</Source><ApplyType>dynamic</ApplyType></Parameter>"
        )
    });
    format!("<Parameters>{}</Parameters>", all.collect::<String>())
}

#[tokio::test]
async fn a_parameter_that_is_declared_with_the_engines_default_is_noted_and_read_back_as_declared() {
    let (operation, group) = parameter_groups("DB");
    let noted = |names: &str| {
        let tag = format!("<Tag><Key>saiken:defaults</Key><Value>{names}</Value></Tag>");
        format!("<TagList>{OURS}{tag}</TagList>")
    };
    let spec = |parameters: Value| json!({"name": "own", "family": "postgres16", "parameters": parameters});
    let before = sourced(&[("ssl", "1", "system"), ("work", "4", "engine-default"), ("log", "off", "engine-default")]);
    let after = sourced(&[("ssl", "1", "system"), ("work", "8", "user"), ("log", "off", "engine-default")]);
    let script = || {
        Script::default()
            .autoscaling(&operation, &group)
            .autoscaling("CreateDBParameterGroup", "")
            .autoscaling("ModifyDBParameterGroup", "")
            .autoscaling("AddTagsToResource", "")
    };
    let made = script()
        .autoscaling("DescribeDBParameters", &before)
        .autoscaling("DescribeDBParameters", &after)
        .autoscaling("ListTagsForResource", &noted("ssl"));
    let declared = json!({"ssl": "1", "work": "8"});
    let object = made.create::<DatabaseParameterGroup>(spec(declared.clone())).await.unwrap();
    assert_eq!((&object.spec["parameters"], &object.spec["tags"]), (&declared, &json!({})));
    let set = made.asked("ModifyDBParameterGroup").join("");
    assert!(set.contains("ParameterName=work") && !set.contains("ParameterName=ssl"), "{set}");
    let tag = made.asked("AddTagsToResource").join("");
    assert!(tag.contains("saiken%3Adefaults") && tag.contains("Value=ssl") && tag.contains("arn%3Aown"), "{tag}");
    assert!(!made.asked("DescribeDBParameters").last().unwrap().contains("Source="), "those of the engine, too");

    // One that is taken out is noted no longer, and has nothing to be reset to.
    let out = script()
        .autoscaling("DescribeDBParameters", &after)
        .autoscaling("DescribeDBParameters", &sourced(&[("work", "8", "user")]))
        .autoscaling("ListTagsForResource", &noted(""));
    let object = out.update::<DatabaseParameterGroup>("own", spec(declared), spec(json!({"work": "8"}))).await.unwrap();
    assert_eq!(object.spec["parameters"], json!({"work": "8"}));
    assert_eq!(out.asked("AddTagsToResource").len(), 1);
    assert!(!out.asked("AddTagsToResource")[0].contains("Value=ssl"));
    assert!(out.asked("ModifyDBParameterGroup").is_empty());
    assert!(out.asked("DescribeDBParameters")[1].contains("Source=user"), "as long as nothing is noted");
}

#[tokio::test]
async fn a_group_that_is_busy_takes_its_parameters_a_little_later() {
    let (operation, group) = parameter_groups("DB");
    let script = Script::default()
        .autoscaling(&operation, &group)
        .autoscaling("ListTagsForResource", "")
        .autoscaling("DescribeDBParameters", &parameters(&[("a", "1", "dynamic")]))
        .error("ModifyDBParameterGroup", "InvalidDBParameterGroupState")
        .autoscaling("ModifyDBParameterGroup", "");
    let spec = |value: &str| json!({"name": "own", "family": "mysql8.0", "parameters": {"a": value}});
    script.update::<DatabaseParameterGroup>("own", spec("0"), spec("1")).await.unwrap();
    assert_eq!(script.asked("ModifyDBParameterGroup").len(), 2);
}

#[tokio::test]
async fn an_option_has_a_version_a_port_and_groups_and_is_read_back_with_its_settings() {
    let group = "<OptionGroupsList><OptionGroup><OptionGroupName>own</OptionGroupName><EngineName>oracle-ee</EngineName>\
        <MajorEngineVersion>19</MajorEngineVersion><OptionGroupDescription>d</OptionGroupDescription>\
        <OptionGroupArn>arn:own</OptionGroupArn><Options><Option><OptionName>OEM</OptionName><Port>5500</Port>\
        <OptionVersion>13.5.0.0.v1</OptionVersion><OptionSettings><OptionSetting><Name>A</Name><Value>1</Value>\
        </OptionSetting><OptionSetting><Name>B</Name><Value>default</Value></OptionSetting></OptionSettings>\
        <VpcSecurityGroupMemberships><VpcSecurityGroupMembership><VpcSecurityGroupId>sg-1</VpcSecurityGroupId>\
        </VpcSecurityGroupMembership></VpcSecurityGroupMemberships></Option></Options></OptionGroup></OptionGroupsList>";
    let script = Script::default()
        .autoscaling("CreateOptionGroup", "")
        .autoscaling("ModifyOptionGroup", "")
        .autoscaling("DescribeOptionGroups", group)
        .autoscaling("ListTagsForResource", &format!("<TagList>{OURS}</TagList>"));
    let option = json!({
        "version": "13.5.0.0.v1", "port": 5500, "security_groups": [{"id": "sg-1"}], "settings": {"A": "1"},
    });
    let spec = json!({"name": "own", "engine": "oracle-ee", "major_version": "19", "options": {"OEM": option}});
    let object = script.create::<DatabaseOptionGroup>(spec.clone()).await.unwrap();
    let there = &object.spec["options"]["OEM"];
    assert_eq!((&there["port"], &there["version"]), (&json!(5500), &json!("13.5.0.0.v1")));
    assert_eq!(there["settings"], json!({"A": "1", "B": "default"}), "only those that are declared are compared");
    let asked = script.asked("ModifyOptionGroup").join("");
    for part in ["OptionName=OEM", "Port=5500", "OptionVersion=13.5.0.0.v1", "VpcSecurityGroupId.1=sg-1", "Name=A"] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    assert!(asked.contains("ApplyImmediately=true") && !asked.contains("OptionsToRemove"), "{asked}");
    let mut without = spec.clone();
    without["options"] = json!({});
    script.update::<DatabaseOptionGroup>("own", spec, without).await.unwrap();
    let asked = script.asked("ModifyOptionGroup").pop().unwrap();
    assert!(asked.contains("OptionsToRemove.member.1=OEM") && !asked.contains("OptionsToInclude"), "{asked}");
}

#[test]
fn names_that_the_api_keeps_or_refuses_are_problems() {
    fn problems<K: Kind>(spec: Value) -> Vec<String> {
        let mut problems = crate::model::kind::Problems::default();
        K::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| p.path).collect()
    }
    assert_eq!(problems::<DatabaseSubnetGroup>(json!({"name": "default", "subnets": []})), ["name"]);
    assert_eq!(problems::<DatabaseParameterGroup>(json!({"name": "default.x", "family": "mysql8.0"})), ["name"]);
    assert_eq!(problems::<DatabaseClusterParameterGroup>(json!({"name": "a--b", "family": "mysql8.0"})), ["name"]);
    let options = json!({"name": "a-", "engine": "postgres", "major_version": "16", "options": {"X": {}}});
    assert_eq!(problems::<DatabaseOptionGroup>(options), ["name", "options"]);
}
