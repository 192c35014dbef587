use super::*;
use crate::providers::aws::route53::answers::Answers;
use crate::providers::aws::script::{self, Script};

const ZONES: &str = "GET /2013-04-01/hostedzone?maxitems=100";
const CREATE: &str = "POST /2013-04-01/hostedzone";
const GET: &str = "GET /2013-04-01/hostedzone/Z1";
const RECORDS: &str = "GET /2013-04-01/hostedzone/Z1/rrset?maxitems=300";
const CHANGE: &str = "POST /2013-04-01/hostedzone/Z1/rrset";
const TAGS_OF: &str = "POST /2013-04-01/tags/hostedzone";
const TAG: &str = "POST /2013-04-01/tags/hostedzone/Z1";
const LOGS: &str = "GET /2013-04-01/queryloggingconfig?maxresults=100";
const OURS: &str = "/saiken/p/e/1/s%2Fit/token";

fn zone(reference: &str, private: bool) -> String {
    format!(
        "<HostedZone><Id>/hostedzone/Z1</Id><Name>example.com.</Name><CallerReference>{reference}</CallerReference>\
         <Config><Comment>c</Comment><PrivateZone>{private}</PrivateZone></Config>\
         <ResourceRecordSetCount>2</ResourceRecordSetCount></HostedZone>"
    )
}

fn list(zones: &str, more: &str) -> String {
    format!("<R><HostedZones>{zones}</HostedZones><MaxItems>100</MaxItems>{more}</R>")
}

fn got(reference: &str, networks: &[&str]) -> String {
    let vpcs: String = networks
        .iter()
        .map(|id| format!("<VPC><VPCRegion>ap-northeast-1</VPCRegion><VPCId>{id}</VPCId></VPC>"))
        .collect();
    let servers = "<DelegationSet><Id>/delegationset/N1</Id><NameServers><NameServer>ns-1.awsdns-01.com.</NameServer>\
                   <NameServer>ns-2.awsdns-02.net</NameServer></NameServers></DelegationSet>";
    let rest = if networks.is_empty() { servers.to_owned() } else { format!("<VPCs>{vpcs}</VPCs>") };
    format!("<R>{}{rest}</R>", zone(reference, !networks.is_empty()))
}

fn tags(all: &[(&str, &str)]) -> String {
    let tags: String = all.iter().map(|(k, v)| format!("<Tag><Key>{k}</Key><Value>{v}</Value></Tag>")).collect();
    let set = format!("<ResourceId>Z1</ResourceId><ResourceType>hostedzone</ResourceType><Tags>{tags}</Tags>");
    format!("<R><ResourceTagSets><ResourceTagSet>{set}</ResourceTagSet></ResourceTagSets></R>")
}

fn owned() -> String {
    tags(&[
        ("saiken:project", "p"),
        ("saiken:environment", "e"),
        ("saiken:address", "s/it"),
        ("saiken:generation", "1"),
        ("saiken:empty-on-delete", "true"),
        ("team", "dns"),
    ])
}

fn log(arn: &str) -> String {
    format!(
        "<R><QueryLoggingConfigs><QueryLoggingConfig><Id>q1</Id><HostedZoneId>Z1</HostedZoneId>\
         <CloudWatchLogsLogGroupArn>{arn}</CloudWatchLogsLogGroupArn></QueryLoggingConfig></QueryLoggingConfigs></R>"
    )
}

const NO_LOGS: &str = "<R><QueryLoggingConfigs/></R>";
const CHANGED: &str = "<R><ChangeInfo><Id>/change/C1</Id><Status>INSYNC</Status>\
                       <SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo></R>";

fn error(code: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{code}</Message></Error></ErrorResponse>"
    )
}

/// Everything around a creation whose zone is not tagged at first.
fn making() -> Script {
    Script::default()
        .xml(TAGS_OF, 200, &tags(&[]))
        .xml(TAGS_OF, 200, &owned())
        .xml(TAG, 200, "")
        .xml(GET, 200, &got(OURS, &[]))
        .xml(LOGS, 200, NO_LOGS)
}

#[tokio::test]
async fn a_new_zone_is_made_with_a_reference_that_is_ours_then_tagged_and_waited_for() {
    let made = format!(
        "<R>{}<ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status><SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt>\
         </ChangeInfo><DelegationSet><NameServers><NameServer>n</NameServer></NameServers></DelegationSet></R>",
        zone(OURS, false)
    );
    let pending = CHANGED.replace("INSYNC", "PENDING");
    let script = Script::default()
        .xml(CREATE, 201, &made)
        .xml(TAG, 200, "")
        .xml("GET /2013-04-01/change/C1", 200, &pending)
        .xml("GET /2013-04-01/change/C1", 200, CHANGED)
        .xml(TAGS_OF, 200, &owned())
        .xml(GET, 200, &got(OURS, &[]))
        .xml(LOGS, 200, &log("arn:aws:logs:us-east-1:1:log-group:dns:*"));
    let object = script.create::<Zone>(json!({"name": "Example.com.", "comment": "c"})).await.unwrap();
    assert!(script.asked(CREATE)[0].contains(&format!("<CallerReference>{OURS}</CallerReference>")));
    assert!(script.asked(CREATE)[0].contains("<Name>example.com</Name>"));
    assert_eq!(script.asked("GET /2013-04-01/change/C1").len(), 2);
    let tags = &script.asked(TAG)[0];
    assert!(tags.contains("<Key>saiken:address</Key>") && tags.contains("<Key>Name</Key>"), "{tags}");
    assert!(tags.contains("<Key>saiken:empty-on-delete</Key><Value>false</Value>"), "{tags}");
    assert_eq!((object.id.as_str(), object.owner), ("Z1", Some(script::owner())));
    assert_eq!(object.attributes["name_servers"], json!(["ns-1.awsdns-01.com", "ns-2.awsdns-02.net"]));
    assert_eq!(object.attributes["name_server_2"], json!("ns-2.awsdns-02.net"));
    assert_eq!(object.attributes["arn"], json!("arn:aws:route53:::hostedzone/Z1"));
    assert_eq!(object.spec["delegation_set"], json!("N1"));
    assert_eq!(object.spec["query_logging"]["log_group"], json!({"id": "arn:aws:logs:us-east-1:1:log-group:dns"}));
    assert_eq!((&object.spec["tags"], &object.spec["empty_on_delete"]), (&json!({"team": "dns"}), &json!(true)));
}

#[tokio::test]
async fn a_zone_whose_creating_call_was_not_answered_is_found_by_its_reference_and_tagged() {
    let script = making().lost(CREATE).xml(ZONES, 200, &list("", "")).xml(ZONES, 200, &list(&zone(OURS, false), ""));
    let object = script.create::<Zone>(json!({"name": "example.com"})).await.unwrap();
    assert_eq!((object.id.as_str(), script.asked(CREATE).len(), script.asked(TAG).len()), ("Z1", 1, 1));
}

#[tokio::test]
async fn a_reference_that_is_taken_by_our_own_zone_is_that_zone_and_by_anybody_elses_is_an_error() {
    let taken = error("HostedZoneAlreadyExists");
    let script = making().xml(CREATE, 409, &taken).xml(ZONES, 200, &list(&zone(OURS, false), ""));
    assert_eq!(script.create::<Zone>(json!({"name": "example.com"})).await.unwrap().id, "Z1");
    let theirs = list(&zone("/saiken/q/e/1/s%2Fit/x", false), "");
    let script = Script::default().xml(CREATE, 409, &taken).xml(ZONES, 200, &theirs).xml(TAGS_OF, 200, &tags(&[]));
    let refused = script.create::<Zone>(json!({"name": "example.com"})).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("HostedZoneAlreadyExists"));
    assert!(script.asked(TAG).is_empty());
}

#[tokio::test]
async fn a_zone_that_a_run_left_without_tags_is_ours_and_its_next_plan_writes_them() {
    let script = Script::default()
        .xml(ZONES, 200, &list(&zone(OURS, false), ""))
        .xml(TAGS_OF, 200, &tags(&[]))
        .xml(GET, 200, &got(OURS, &[]))
        .xml(LOGS, 200, NO_LOGS)
        .xml(TAG, 200, "");
    let found = script.read::<Zone>().await.unwrap();
    assert_eq!(found[0].owner, Some(script::owner()));
    assert!(found[0].spec.get("empty_on_delete").is_none(), "it differs from whatever is declared");
    let (from, to) = (json!({"name": "example.com"}), json!({"name": "example.com", "empty_on_delete": false}));
    script.update::<Zone>("Z1", from, to).await.unwrap();
    assert!(script.asked(TAG)[0].contains("<Key>saiken:project</Key>"));
}

#[tokio::test]
async fn a_zone_that_was_let_go_is_not_taken_back_by_its_reference() {
    let script = Script::default().xml(ZONES, 200, &list(&zone(OURS, false), "")).xml(
        TAGS_OF,
        200,
        &tags(&[("Name", "p-e-s-it")]),
    );
    assert!(script.read::<Zone>().await.unwrap().is_empty());
}

#[tokio::test]
async fn all_pages_are_read_and_zones_of_other_services_are_left_out() {
    let other = zone("x", false).replace("Z1", "Z0").replace(
        "</HostedZone>",
        "<LinkedService><ServicePrincipal>x.amazonaws.com</ServicePrincipal></LinkedService></HostedZone>",
    );
    let script = Script::default()
        .xml(ZONES, 200, &list(&other, "<IsTruncated>true</IsTruncated><NextMarker>Z1</NextMarker>"))
        .xml("GET /2013-04-01/hostedzone?marker=Z1&maxitems=100", 200, &list(&zone("x", false), ""))
        .xml(TAGS_OF, 200, &owned())
        .xml(GET, 200, &got("x", &[]))
        .xml(LOGS, 200, NO_LOGS);
    assert_eq!(script.read::<Zone>().await.unwrap().len(), 1);
    assert!(!script.asked(TAGS_OF)[0].contains("Z0"));
}

#[tokio::test]
async fn one_zone_that_is_gone_does_not_spoil_the_tags_of_the_others() {
    let script = Script::default()
        .xml(TAGS_OF, 404, &error("NoSuchHostedZone"))
        .xml(TAGS_OF, 404, &error("NoSuchHostedZone"))
        .xml(TAGS_OF, 200, &owned());
    let ids = vec!["Z0".to_owned(), "Z1".to_owned()];
    let all = tags_of(&script.context(), &TagResourceType::Hostedzone, ids).await.unwrap();
    assert_eq!(all.keys().collect::<Vec<_>>(), ["Z1"]);
}

#[tokio::test]
async fn many_tags_take_several_calls_and_the_owner_goes_first() {
    let script = Script::default().xml(TAG, 200, "");
    let mut set: Tags = (0..11).map(|i| (format!("A{i}"), "x".to_owned())).collect();
    set.extend(script::owner().tags());
    let remove: Vec<String> = (0..12).map(|i| format!("R{i}")).collect();
    change_tags(&script.context(), &TagResourceType::Hostedzone, "Z1", &set, &remove).await.unwrap();
    let asked = script.asked(TAG);
    let count = |body: &str, what: &str| body.matches(what).count();
    assert_eq!(asked.iter().map(|b| (count(b, "<Tag>"), count(b, "<Key>R"))).collect::<Vec<_>>(), [(10, 10), (5, 2)]);
    assert_eq!(count(&asked[0], "<Key>saiken:"), 4);
}

#[tokio::test]
async fn a_private_zone_is_made_with_its_first_network_and_gets_the_others_before_it_loses_any() {
    let network = |id: &str| json!({"vpc": {"id": id}, "region": "ap-northeast-1"});
    let spec = |ids: &[&str]| {
        let networks: Vec<_> = ids.iter().map(|id| network(id)).collect();
        json!({"name": "example.com", "private": true, "networks": networks})
    };
    let (associate, leave) =
        ("POST /2013-04-01/hostedzone/Z1/associatevpc", "POST /2013-04-01/hostedzone/Z1/disassociatevpc");
    let made = format!("<R>{}{}</R>", zone(OURS, true), CHANGED.replace("<R>", "").replace("</R>", ""));
    let script = Script::default()
        .xml(CREATE, 201, &made)
        .xml(TAG, 200, "")
        .xml(GET, 200, &got(OURS, &["vpc-1"]))
        .xml(GET, 200, &got(OURS, &["vpc-1", "vpc-2"]))
        .xml(associate, 200, CHANGED)
        .xml(TAGS_OF, 200, &owned())
        .xml(LOGS, 200, NO_LOGS);
    let object = script.create::<Zone>(spec(&["vpc-1", "vpc-2"])).await.unwrap();
    assert!(script.asked(CREATE)[0].contains("<VPCId>vpc-1</VPCId>"));
    assert_eq!(script.asked(associate).len(), 1);
    assert!(script.asked(associate)[0].contains("vpc-2"));
    assert_eq!(object.spec["networks"][1], network("vpc-2"));

    let script = Script::default()
        .xml(GET, 200, &got(OURS, &["vpc-1", "vpc-2"]))
        .xml(associate, 200, CHANGED)
        .xml(leave, 200, CHANGED)
        .xml(TAGS_OF, 200, &owned())
        .xml(LOGS, 200, NO_LOGS);
    script.update::<Zone>("Z1", spec(&["vpc-1", "vpc-2"]), spec(&["vpc-2", "vpc-3"])).await.unwrap();
    let done: Vec<String> = script.operations().into_iter().filter(|o| o.contains("vpc")).collect();
    assert_eq!(done, [associate, leave]);
    assert!(script.asked(associate)[0].contains("vpc-3") && script.asked(leave)[0].contains("vpc-1"));
}

#[tokio::test]
async fn a_network_that_sees_the_zone_already_or_no_more_is_no_error_and_another_zone_of_the_name_is() {
    let (associate, leave) =
        ("POST /2013-04-01/hostedzone/Z1/associatevpc", "POST /2013-04-01/hostedzone/Z1/disassociatevpc");
    let spec = |id: &str| {
        let network = json!({"vpc": {"id": id}, "region": "ap-northeast-1"});
        json!({"name": "example.com", "private": true, "networks": [network]})
    };
    let script = |after: &[&str]| {
        Script::default()
            .xml(GET, 200, &got(OURS, &["vpc-1"]))
            .xml(GET, 200, &got(OURS, after))
            .xml(associate, 400, &error("ConflictingDomainExists"))
            .xml(leave, 404, &error("VPCAssociationNotFound"))
            .xml(TAGS_OF, 200, &owned())
            .xml(LOGS, 200, NO_LOGS)
    };
    script(&["vpc-2"]).update::<Zone>("Z1", spec("vpc-1"), spec("vpc-2")).await.unwrap();
    let refused = script(&["vpc-1"]).update::<Zone>("Z1", spec("vpc-1"), spec("vpc-2")).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("ConflictingDomainExists"));
}

#[tokio::test]
async fn a_query_log_that_was_made_by_a_call_without_answer_is_taken() {
    let add = "POST /2013-04-01/queryloggingconfig";
    let arn = "arn:aws:logs:us-east-1:1:log-group:one";
    let to = json!({"name": "example.com", "query_logging": {"log_group": {"id": arn}}});
    let script = |there: &str| {
        Script::default()
            .xml(LOGS, 200, NO_LOGS)
            .xml(LOGS, 200, there)
            .xml(add, 409, &error("QueryLoggingConfigAlreadyExists"))
            .xml(TAGS_OF, 200, &owned())
            .xml(GET, 200, &got(OURS, &[]))
    };
    let from = json!({"name": "example.com", "query_logging": {"enabled": false}});
    script(&log(&format!("{arn}:*"))).update::<Zone>("Z1", from.clone(), to.clone()).await.unwrap();
    let refused = script(&log("another")).update::<Zone>("Z1", from, to).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Conflict);
}

#[tokio::test]
async fn another_query_log_takes_the_place_of_the_first_one() {
    let remove = "DELETE /2013-04-01/queryloggingconfig/q1";
    let add = "POST /2013-04-01/queryloggingconfig";
    let spec = |logging: serde_json::Value| json!({"name": "example.com", "query_logging": logging});
    let arn = |name: &str| format!("arn:aws:logs:us-east-1:1:log-group:{name}");
    let made = "<R><QueryLoggingConfig><Id>q2</Id><HostedZoneId>Z1</HostedZoneId><CloudWatchLogsLogGroupArn>a\
                </CloudWatchLogsLogGroupArn></QueryLoggingConfig></R>";
    let script = || {
        Script::default()
            .xml(LOGS, 200, &log(&arn("one")))
            .xml(remove, 200, "")
            .xml(add, 201, made)
            .xml(TAGS_OF, 200, &owned())
            .xml(GET, 200, &got(OURS, &[]))
    };
    let to = |name: &str| spec(json!({"log_group": {"id": arn(name)}}));
    let changed = script();
    changed.update::<Zone>("Z1", to("one"), to("two")).await.unwrap();
    assert!(changed.asked(add)[0].contains(&format!("{}:*", arn("two"))));
    assert_eq!(changed.asked(remove).len(), 1);
    let off = script();
    off.update::<Zone>("Z1", to("one"), spec(json!({"enabled": false}))).await.unwrap();
    assert_eq!((off.asked(remove).len(), off.asked(add).len()), (1, 0));
}

fn records() -> String {
    let set = |name: &str, kind: &str, value: &str| {
        format!(
            "<ResourceRecordSet><Name>{name}</Name><Type>{kind}</Type><TTL>60</TTL><ResourceRecords><ResourceRecord>\
             <Value>{value}</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>"
        )
    };
    format!(
        "<R><ResourceRecordSets>{}{}{}{}</ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>300</MaxItems>\
         </R>",
        set("example.com.", "NS", "ns-1."),
        set("example.com.", "SOA", "ns-1. a. 1 7200 900 1209600 86400"),
        set("saiken-a.gone.example.com.", "TXT", "\"/saiken/p/e/1/s%2Fgone/\""),
        set("by-hand.example.com.", "A", "192.0.2.1"),
    )
}

#[tokio::test]
async fn records_that_are_not_declared_keep_a_zone_and_are_named() {
    let script =
        Script::default().xml(TAGS_OF, 200, &tags(&[])).xml(GET, 200, &got("x", &[])).xml(RECORDS, 200, &records());
    let refused = script.delete::<Zone>("Z1", json!({"name": "example.com"})).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Conflict);
    assert!(refused.message.contains("by-hand.example.com A;") && !refused.message.contains("saiken-a"), "{refused}");
}

#[tokio::test]
async fn a_zone_that_may_be_emptied_goes_with_all_its_records_and_its_log() {
    let script = Script::default()
        .xml(TAGS_OF, 200, &tags(&[]))
        .xml(GET, 200, &got("x", &[]))
        .xml(RECORDS, 200, &records())
        .xml(LOGS, 200, &log("arn"))
        .xml("DELETE /2013-04-01/queryloggingconfig/q1", 200, "")
        .xml(CHANGE, 200, CHANGED)
        .xml("DELETE /2013-04-01/hostedzone/Z1", 200, CHANGED);
    script.delete::<Zone>("Z1", json!({"name": "example.com", "empty_on_delete": true})).await.unwrap();
    let batch = &script.asked(CHANGE)[0];
    assert_eq!(batch.matches("<Action>DELETE</Action>").count(), 2, "{batch}");
    assert!(batch.contains("by-hand") && batch.contains("saiken-a.gone") && !batch.contains("SOA"));
    assert_eq!(script.asked("DELETE /2013-04-01/hostedzone/Z1").len(), 1);
}

#[test]
fn a_private_zone_has_networks_and_a_public_one_has_none() {
    let problems = |spec: serde_json::Value| {
        let mut problems = Problems::default();
        Zone::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
    };
    let networks = json!([{"vpc": "s/net", "region": "ap-northeast-1"}]);
    assert!(problems(json!({"name": "a.example", "private": true, "networks": networks})).is_empty());
    assert_eq!(problems(json!({"name": "a.example", "private": true})), ["networks"]);
    assert_eq!(problems(json!({"name": "a.example", "networks": networks})), ["networks"]);
    assert_eq!(problems(json!({"name": "例え.jp"})), ["name"]);
    assert_eq!(problems(json!({"name": "a.example", "query_logging": {}})), ["query_logging.log_group"]);
    let logging = json!({"log_group": {"id": "arn"}});
    assert_eq!(
        problems(json!({"name": "a.example", "private": true, "networks": networks, "query_logging": logging})),
        ["query_logging"]
    );
}
