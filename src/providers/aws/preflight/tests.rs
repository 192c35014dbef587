//! The checks against scripted answers: the emulators know neither the quotas of an account nor policy simulation.

use serde_json::{Value, json};

use super::{Checks, names, offered, permissions, quotas};
use crate::model::Address;
use crate::model::observed::{Object, Observed, Status};
use crate::model::ownership::Owner;
use crate::model::plan::Plan;
use crate::model::preflight::{Check, Preflight, Question};
use crate::providers;
use crate::providers::aws::script::{self, Script};

const REGION: &str = "ap-northeast-1";

/// A plan whose actions are (address, kind, action, spec, id of the object).
fn plan(actions: &[(&str, &str, &str, Value, Option<&str>)]) -> Plan {
    let steps = actions.iter().enumerate().map(|(number, (address, _, action, _, id))| {
        json!({"address": address, "operation": action, "action": number, "object": id, "after": []})
    });
    let steps: Vec<Value> = steps.collect();
    let actions = actions.iter().map(|(address, kind, action, spec, _)| {
        let changed = spec.as_object().into_iter().flatten();
        let changes: Vec<Value> = changed
            .map(|(path, v)| json!({"path": path, "before": null, "after": v, "cause": "you", "replaces": false}))
            .collect();
        json!({
            "address": address, "kind": kind, "region": REGION, "action": action, "reason": "", "impact": "none",
            "data_bearing": false, "changes": changes, "objects": [], "generation": 1, "spec": spec,
        })
    });
    let actions: Vec<Value> = actions.collect();
    let summary = json!({"create": 0, "update": 0, "replace": 0, "delete": 0, "adopt": 0, "forget": 0,
        "unchanged": 0, "held": 0, "drift": 0});
    serde_json::from_value(json!({
        "format": 2, "id": "plan", "made_at": "2026-11-24T00:00:00Z", "version": "test", "project": "p",
        "environment": "e", "provider": "aws", "account": "123456789012", "stacks": [], "destroy": false,
        "actions": actions, "steps": steps, "drift": [], "held": [], "refused": [], "outputs": {}, "summary": summary,
    }))
    .unwrap()
}

/// An object of (address, kind, id, spec).
fn there(address: &str, kind: &str, id: &str, spec: Value) -> Object {
    Object {
        kind: kind.into(),
        region: REGION.into(),
        id: id.into(),
        identifiers: Vec::new(),
        owner: Some(Owner { address: Address::parse(address).unwrap(), ..script::owner() }),
        spec,
        attributes: serde_json::Map::new(),
        status: Status::Ready,
        unread: Vec::new(),
    }
}

/// What one of the checks says of a plan.
async fn ask(
    script: &Script,
    plan: &Plan,
    objects: Vec<Object>,
    check: impl AsyncFnOnce(Checks<'_>) -> Preflight,
) -> Preflight {
    let (kinds, handlers, session) = (providers::kinds(), providers::handlers(), script.session());
    let observed = Observed { objects, ..Observed::default() };
    let question = Question::of(plan, &kinds, &observed);
    check(Checks { session: &session, main: REGION, handlers: &handlers, question: &question }).await
}

fn messages(answer: &Preflight) -> Vec<(&str, bool)> {
    answer.findings.iter().map(|f| (f.message.as_str(), f.blocks)).collect()
}

fn applied(quotas: &[(&str, f64)]) -> String {
    let quotas: Vec<Value> = quotas.iter().map(|(code, value)| json!({"QuotaCode": code, "Value": value})).collect();
    json!({"Quotas": quotas}).to_string()
}

fn networks(number: usize) -> String {
    let item =
        |i| format!("<item><vpcId>vpc-{i}</vpcId><state>available</state><cidrBlock>10.0.0.0/16</cidrBlock></item>");
    format!("<vpcSet>{}</vpcSet>", (0..number).map(item).collect::<String>())
}

#[tokio::test]
async fn a_quota_counts_what_others_have_and_what_goes_makes_room_perhaps() {
    let script = Script::default()
        .answer("ListServiceQuotas", 200, &applied(&[("L-F678F1CE", 5.0)]))
        .ec2("DescribeVpcs", &networks(4));
    let new = |address| (address, "vpc", "create", json!({"cidr": "10.0.0.0/16"}), None);
    let answer = ask(&script, &plan(&[new("s/a"), new("s/b")]), vec![], quotas::check).await;
    let lacking = "VPCs per Region: at most 5 for ap-northeast-1; 4 are in use, 2 more are needed";
    assert_eq!(messages(&answer), [(lacking, true)], "{:?}", answer.unchecked);
    assert_eq!(
        answer.findings[0].help,
        "ask for more: aws service-quotas request-service-quota-increase --service-code vpc --quota-code L-F678F1CE \
         --desired-value 6 --region ap-northeast-1"
    );
    let old = there("s/old", "vpc", "vpc-0", json!({"cidr": "10.1.0.0/16"}));
    let gone = ("s/old", "vpc", "delete", Value::Null, Some("vpc-0"));
    let answer = ask(&script, &plan(&[new("s/a"), new("s/b"), gone]), vec![old], quotas::check).await;
    let late = format!("{lacking}, 1 is given back, perhaps too late");
    assert_eq!(messages(&answer), [(late.as_str(), false)]);
    let answer = ask(&script, &plan(&[new("s/a")]), vec![], quotas::check).await;
    assert!(answer.is_empty(), "there is room for one: {answer:?}");
}

#[tokio::test]
async fn an_account_without_a_quota_of_its_own_has_the_default_and_what_can_not_be_read_is_named() {
    let default = json!({"Quota": {"QuotaCode": "L-F678F1CE", "Value": 1.0}}).to_string();
    let script = Script::default()
        .answer("ListServiceQuotas", 200, &applied(&[("L-OTHER", 9.0)]))
        .answer("GetAWSDefaultServiceQuota", 200, &default)
        .ec2("DescribeVpcs", &networks(1));
    let new = plan(&[("s/a", "vpc", "create", json!({"cidr": "10.0.0.0/16"}), None)]);
    let answer = ask(&script, &new, vec![], quotas::check).await;
    let lacking = "VPCs per Region: at most 1 for ap-northeast-1; 1 is in use, 1 more is needed";
    assert_eq!(messages(&answer), [(lacking, true)], "{:?}", answer.unchecked);

    let denied = r#"{"__type":"AccessDeniedException","message":"not allowed"}"#;
    let script = Script::default().answer("ListServiceQuotas", 400, denied).ec2("DescribeVpcs", &networks(1));
    let answer = ask(&script, &new, vec![], quotas::check).await;
    assert!(answer.findings.is_empty(), "{answer:?}");
    assert_eq!(
        answer.unchecked,
        ["quotas of vpc in ap-northeast-1: servicequotas:ListServiceQuotas: not allowed (AccessDeniedException)"]
    );
}

#[tokio::test]
async fn a_quota_of_each_network_counts_those_of_that_network_only() {
    let item = |i: usize, vpc: &str| {
        format!(
            "<item><subnetId>subnet-{i}</subnetId><vpcId>{vpc}</vpcId><state>available</state>\
             <cidrBlock>10.0.{i}.0/24</cidrBlock><availabilityZone>ap-northeast-1a</availabilityZone></item>"
        )
    };
    let subnets = format!("<subnetSet>{}{}{}</subnetSet>", item(1, "vpc-1"), item(2, "vpc-1"), item(3, "vpc-2"));
    let script = Script::default()
        .answer("ListServiceQuotas", 200, &applied(&[("L-407747CB", 2.0)]))
        .ec2("DescribeSubnets", &subnets);
    let new = |address, vpc: Value| (address, "subnet", "create", json!({"vpc": vpc, "cidr": "10.0.9.0/24"}), None);
    let plan = plan(&[
        new("s/in-first", json!("s/first")),
        new("s/in-second", json!({"id": "vpc-2"})),
        new("s/in-new", json!("s/new")),
    ]);
    let first = there("s/first", "vpc", "vpc-1", json!({"cidr": "10.0.0.0/16"}));
    let answer = ask(&script, &plan, vec![first], quotas::check).await;
    let lacking = "Subnets per VPC: at most 2 for vpc-1; 2 are in use, 1 more is needed";
    assert_eq!(messages(&answer), [(lacking, true)], "{:?}", answer.unchecked);
    assert_eq!(answer.findings[0].addresses, [Address::parse("s/in-first").unwrap()]);
}

#[tokio::test]
async fn processors_of_running_servers_and_of_new_ones_count_against_their_quota() {
    let server = "<item><instancesSet><item><instanceId>i-1</instanceId><instanceType>m7g.large</instanceType></item>\
                  </instancesSet></item>";
    let size = |name: &str, vcpus: u32| {
        format!(
            "<item><instanceType>{name}</instanceType><vCpuInfo><defaultVCpus>{vcpus}</defaultVCpus></vCpuInfo></item>"
        )
    };
    let script = Script::default()
        .answer("ListServiceQuotas", 200, &applied(&[("L-1216C47A", 8.0)]))
        .ec2("DescribeInstances", &format!("<reservationSet>{server}</reservationSet>"))
        .ec2(
            "DescribeInstanceTypes",
            &format!("<instanceTypeSet>{}{}</instanceTypeSet>", size("m7g.large", 2), size("c7g.2xlarge", 8)),
        );
    let new = |of_type: &str| plan(&[("s/web", "instance", "create", json!({"instance_type": of_type}), None)]);
    let answer = ask(&script, &new("c7g.2xlarge"), vec![], quotas::check).await;
    assert_eq!(
        messages(&answer),
        [(
            "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances: at most 8 for ap-northeast-1; \
             2 are in use, 8 vCPUs more are needed",
            true
        )],
        "{:?}",
        answer.unchecked
    );
    let answer = ask(&script, &new("m7g.large"), vec![], quotas::check).await;
    assert!(answer.is_empty(), "{answer:?}");
    let answer = ask(&script, &new("g5.xlarge"), vec![], quotas::check).await;
    assert_eq!(answer.unchecked, ["quota of vCPUs: g5.xlarge counts against a quota of its own family"]);
}

#[tokio::test]
async fn zones_that_are_not_there_stop_the_apply_and_one_that_is_down_does_not() {
    let zone = |name: &str, state: &str, opted: &str| {
        format!(
            "<item><zoneName>{name}</zoneName><zoneState>{state}</zoneState><optInStatus>{opted}</optInStatus>\
             <groupName>group</groupName></item>"
        )
    };
    let zones = format!(
        "<availabilityZoneInfo>{}{}{}</availabilityZoneInfo>",
        zone("ap-northeast-1a", "available", "opt-in-not-required"),
        zone("ap-northeast-1c", "unavailable", "opt-in-not-required"),
        zone("ap-northeast-1-tpe-1a", "available", "not-opted-in"),
    );
    let script = Script::default().ec2("DescribeAvailabilityZones", &zones);
    let new = |address, zone: &str| (address, "subnet", "create", json!({"zone": zone}), None);
    let plan = plan(&[
        new("s/right", "ap-northeast-1a"),
        new("s/down", "ap-northeast-1c"),
        new("s/closed", "ap-northeast-1-tpe-1a"),
        new("s/wrong", "ap-northeast-1x"),
    ]);
    let answer = ask(&script, &plan, vec![], offered::check).await;
    assert_eq!(
        messages(&answer),
        [
            ("the account has not opted into zone ap-northeast-1-tpe-1a", true),
            ("zone ap-northeast-1c is unavailable", false),
            ("there is no zone ap-northeast-1x in ap-northeast-1", true),
        ],
        "{:?}",
        answer.unchecked
    );
    assert_eq!(
        answer.findings[2].help,
        "zones of ap-northeast-1 are ap-northeast-1a, ap-northeast-1c, ap-northeast-1-tpe-1a"
    );
}

#[tokio::test]
async fn instance_types_must_be_offered_where_their_servers_stand() {
    let offer = "<item><instanceType>t3.small</instanceType><locationType>availability-zone</locationType>\
                 <location>ap-northeast-1a</location></item>";
    let script = Script::default()
        .ec2("DescribeInstanceTypeOfferings", &format!("<instanceTypeOfferingSet>{offer}</instanceTypeOfferingSet>"));
    let subnet = |address, zone| there(address, "subnet", address, json!({"zone": zone}));
    let objects = || vec![subnet("s/a", "ap-northeast-1a"), subnet("s/c", "ap-northeast-1c")];
    let new = |address, of_type, subnet| {
        (address, "instance", "create", json!({"instance_type": of_type, "subnet": subnet}), None)
    };
    let plan = plan(&[
        new("s/right", "t3.small", "s/a"),
        new("s/elsewhere", "t3.small", "s/c"),
        new("s/nowhere", "t9.huge", "s/a"),
    ]);
    let answer = ask(&script, &plan, objects(), offered::check).await;
    assert_eq!(
        messages(&answer),
        [("t3.small is not offered in ap-northeast-1c", true), ("no zone of ap-northeast-1 offers t9.huge", true),],
        "{:?}",
        answer.unchecked
    );
    assert_eq!(answer.findings[0].help, "use another instance type, or subnets in ap-northeast-1a");
}

#[tokio::test]
async fn a_name_that_somebody_else_has_is_taken_and_one_of_our_own_is_not() {
    let group = json!({
        "logGroupName": "p-e-s-logs", "creationTime": 1,
        "arn": "arn:aws:logs:ap-northeast-1:1:log-group:p-e-s-logs:*",
    });
    let groups = json!({"logGroups": [group]}).to_string();
    let tags = |address: &str| {
        let owner = Owner { address: Address::parse(address).unwrap(), ..script::owner() };
        json!({"tags": owner.tags()}).to_string()
    };
    let plan = plan(&[("s/logs", "log_group", "create", json!({}), None)]);
    let foreign = "the name p-e-s-logs is taken in ap-northeast-1: 'p-e-s-logs', which saiken did not make, has it";
    let other =
        "the name p-e-s-logs is taken in ap-northeast-1: 'p-e-s-logs', s/other of environment e of project p, has it";
    for (tags, taken, help) in [
        (
            r#"{"tags":{"Team":"other"}}"#.to_owned(),
            Some(foreign),
            "choose another name, or take the object over with `adopt: p-e-s-logs`",
        ),
        (tags("s/other"), Some(other), "choose another name"),
        (tags("s/logs"), None, ""),
    ] {
        let script =
            Script::default().answer("DescribeLogGroups", 200, &groups).answer("ListTagsForResource", 200, &tags);
        let answer = ask(&script, &plan, vec![], names::check).await;
        let expected: Vec<(&str, bool)> = taken.map(|message| (message, true)).into_iter().collect();
        assert_eq!(messages(&answer), expected, "{:?}", answer.unchecked);
        assert!(answer.findings.iter().all(|f| f.help == help), "{answer:?}");
    }
}

fn identity(arn: &str) -> String {
    format!(
        "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>{arn}</Arn><Account>1</Account>\
         </GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
}

/// Results of a simulation: action, decision, and what else is said of it.
fn simulated(results: &[(&str, &str, &str)]) -> String {
    let member = |(action, decision, more): &(&str, &str, &str)| {
        format!(
            "<member><EvalActionName>{action}</EvalActionName><EvalDecision>{decision}</EvalDecision>{more}</member>"
        )
    };
    let members: String = results.iter().map(member).collect();
    format!(
        "<SimulatePrincipalPolicyResponse><SimulatePrincipalPolicyResult><EvaluationResults>{members}</EvaluationResults>\
         <IsTruncated>false</IsTruncated></SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
    )
}

#[tokio::test]
async fn what_policies_deny_is_said_of_the_role_behind_the_session_and_only_what_is_certain_stops() {
    let role = "<GetRoleResponse><GetRoleResult><Role><Path>/ci/</Path><RoleName>deploy</RoleName><RoleId>R</RoleId>\
                <Arn>arn:aws:iam::1:role/ci/deploy</Arn><CreateDate>2026-01-01T00:00:00Z</CreateDate></Role>\
                </GetRoleResult></GetRoleResponse>";
    let missing = "<MissingContextValues><member>aws:ResourceTag/team</member></MissingContextValues>";
    let outside = "<OrganizationsDecisionDetail><AllowedByOrganizations>false</AllowedByOrganizations>\
                   </OrganizationsDecisionDetail>";
    let all = simulated(&[
        ("ec2:CreateVpc", "implicitDeny", ""),
        ("ec2:CreateTags", "allowed", ""),
        ("ec2:CreateSubnet", "explicitDeny", ""),
        ("ec2:CreateInternetGateway", "explicitDeny", missing),
        ("kms:CreateKey", "implicitDeny", ""),
        ("kms:TagResource", "implicitDeny", outside),
    ]);
    let by_resource = [
        simulated(&[("ec2:CreateVpc", "allowed", ""), ("ec2:CreateVpc", "implicitDeny", "")]),
        simulated(&[("kms:CreateKey", "implicitDeny", "")]),
    ];
    let script = Script::default()
        .answer("GetCallerIdentity", 200, &identity("arn:aws:sts::1:assumed-role/deploy/session"))
        .answer("GetRole", 200, role)
        .answer("SimulatePrincipalPolicy", 200, &all)
        .answer("SimulatePrincipalPolicy", 200, &by_resource[0])
        .answer("SimulatePrincipalPolicy", 200, &by_resource[1]);
    let plan = plan(&[
        ("s/net", "vpc", "create", json!({}), None),
        ("s/sub", "subnet", "create", json!({}), None),
        ("s/out", "internet_gateway", "create", json!({}), None),
        ("s/key", "key", "create", json!({}), None),
    ]);
    let answer = ask(&script, &plan, vec![], permissions::check).await;
    let of = "for arn:aws:iam::1:role/ci/deploy in ap-northeast-1";
    assert_eq!(
        messages(&answer),
        [
            (format!("allowed by no policy, {of}: kms:CreateKey").as_str(), false),
            (format!("forbidden by a policy of the organisation, {of}: kms:TagResource").as_str(), true),
            (format!("allowed by no policy, {of}: ec2:CreateVpc").as_str(), true),
            (format!("forbidden by a statement with `Effect: Deny`, {of}: ec2:CreateSubnet").as_str(), true),
        ],
        "{:?}",
        answer.unchecked
    );
    assert!(answer.findings.iter().all(|f| f.check == Check::Permission), "{answer:?}");
    assert_eq!(answer.unchecked, ["permission ec2:CreateInternetGateway: it depends on aws:ResourceTag/team"]);
    let asked = script.asked("SimulatePrincipalPolicy");
    assert!(asked[0].contains("role%2Fci%2Fdeploy"), "the role with its path: {}", asked[0]);
    assert!(asked[0].contains("aws%3ARequestedRegion"), "{}", asked[0]);
    assert!(asked[1].contains("vpc%2F%2A"), "what no policy allows is asked for its object: {}", asked[1]);
}

#[tokio::test]
async fn a_caller_who_may_not_simulate_is_told_so_and_the_root_is_not_asked_about() {
    let plan = plan(&[("s/net", "vpc", "create", json!({}), None)]);
    let denied = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no</Message></Error>\
                  </ErrorResponse>";
    let script = Script::default().answer("GetCallerIdentity", 200, &identity("arn:aws:iam::1:user/ops")).answer(
        "SimulatePrincipalPolicy",
        403,
        denied,
    );
    let answer = ask(&script, &plan, vec![], permissions::check).await;
    assert_eq!(answer.unchecked, ["permissions: iam:SimulatePrincipalPolicy: no (AccessDenied)"]);
    let script = Script::default().answer("GetCallerIdentity", 200, &identity("arn:aws:iam::1:root"));
    assert!(ask(&script, &plan, vec![], permissions::check).await.is_empty());
    assert_eq!(script.operations(), ["GetCallerIdentity"]);
}

#[test]
fn what_a_kind_needs_names_its_own_permissions_and_fields() {
    let kinds = providers::kinds();
    for (name, handler) in providers::handlers() {
        let (kind, needs) = (kinds.get(name).unwrap(), handler.needs());
        let p = &kind.facts.permissions;
        assert!(!needs.resource.is_empty(), "{name} says what its objects' ARNs look like");
        for (action, fields) in needs.only_for {
            let known = p.create.iter().chain(p.update).chain(p.delete).any(|a| a == action);
            assert!(known, "{name}: {action} is none of its permissions");
            for field in *fields {
                assert!(kind.schema.fields.iter().any(|f| f.name == *field), "{name}: {action} for no field {field}");
            }
        }
    }
}
