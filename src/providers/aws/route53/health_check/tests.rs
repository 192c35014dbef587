use super::*;
use crate::providers::aws::route53::answers::Answers;
use crate::providers::aws::script::{self, Script};

const LIST: &str = "GET /2013-04-01/healthcheck?maxitems=100";
const CREATE: &str = "POST /2013-04-01/healthcheck";
const ONE: &str = "GET /2013-04-01/healthcheck/h1";
const UPDATE: &str = "POST /2013-04-01/healthcheck/h1";
const TAGS_OF: &str = "POST /2013-04-01/tags/healthcheck";
const TAG: &str = "POST /2013-04-01/tags/healthcheck/h1";
const OURS: &str = "/saiken/p/e/1/s%2Fit/token";

fn check(reference: &str, config: &str) -> String {
    format!(
        "<HealthCheck><Id>h1</Id><CallerReference>{reference}</CallerReference><HealthCheckConfig>{config}\
         </HealthCheckConfig><HealthCheckVersion>1</HealthCheckVersion></HealthCheck>"
    )
}

const TCP: &str = "<Type>TCP</Type><IPAddress>192.0.2.1</IPAddress><Port>25</Port><RequestInterval>30</RequestInterval>\
                   <FailureThreshold>3</FailureThreshold><Inverted>false</Inverted><Disabled>false</Disabled>";

fn one(config: &str) -> String {
    format!("<R>{}</R>", check(OURS, config))
}

fn list(checks: &str, more: &str) -> String {
    format!("<R><HealthChecks>{checks}</HealthChecks>{more}<MaxItems>100</MaxItems></R>")
}

fn tags(all: &[(&str, &str)]) -> String {
    let tags: String = all.iter().map(|(k, v)| format!("<Tag><Key>{k}</Key><Value>{v}</Value></Tag>")).collect();
    let set = format!("<ResourceId>h1</ResourceId><ResourceType>healthcheck</ResourceType><Tags>{tags}</Tags>");
    format!("<R><ResourceTagSets><ResourceTagSet>{set}</ResourceTagSet></ResourceTagSets></R>")
}

fn owned() -> String {
    tags(&[
        ("saiken:project", "p"),
        ("saiken:environment", "e"),
        ("saiken:address", "s/it"),
        ("saiken:generation", "1"),
    ])
}

fn error(code: &str) -> String {
    format!("<ErrorResponse><Error><Code>{code}</Code><Message>{code}</Message></Error></ErrorResponse>")
}

fn tcp() -> serde_json::Value {
    json!({"type": "tcp", "address": "192.0.2.1", "port": 25})
}

#[tokio::test]
async fn a_check_whose_creating_call_was_not_answered_is_found_by_its_reference_and_tagged() {
    let script = Script::default()
        .lost(CREATE)
        .xml(LIST, 200, &list("", "<IsTruncated>false</IsTruncated>"))
        .xml(LIST, 200, &list(&check(OURS, TCP), "<IsTruncated>false</IsTruncated>"))
        .xml(TAGS_OF, 200, &tags(&[]))
        .xml(TAGS_OF, 200, &owned())
        .xml(TAG, 200, "")
        .xml(ONE, 200, &one(TCP));
    let object = script.create::<HealthCheck>(tcp()).await.unwrap();
    assert_eq!((object.id.as_str(), script.asked(CREATE).len(), script.asked(TAG).len()), ("h1", 1, 1));
    assert!(script.asked(CREATE)[0].contains(&format!("<CallerReference>{OURS}</CallerReference>")));
    assert_eq!(object.attributes["arn"], json!("arn:aws:route53:::healthcheck/h1"));
}

#[tokio::test]
async fn a_reference_of_somebody_else_is_an_error() {
    let script = Script::default()
        .xml(CREATE, 409, &error("HealthCheckAlreadyExists"))
        .xml(LIST, 200, &list(&check("theirs", TCP), "<IsTruncated>false</IsTruncated>"))
        .xml(TAGS_OF, 200, &tags(&[]));
    let refused = script.create::<HealthCheck>(tcp()).await.unwrap_err();
    assert_eq!((refused.class, script.asked(TAG).len()), (ErrorClass::Conflict, 0));
}

#[tokio::test]
async fn a_check_that_a_run_left_without_tags_is_ours_and_its_next_plan_writes_them() {
    let script = Script::default()
        .xml(LIST, 200, &list(&check(OURS, TCP), "<IsTruncated>false</IsTruncated>"))
        .xml(TAGS_OF, 200, &tags(&[]))
        .xml(TAG, 200, "")
        .xml(UPDATE, 200, &one(TCP))
        .xml(ONE, 200, &one(TCP));
    let found = script.read::<HealthCheck>().await.unwrap();
    assert_eq!(found[0].owner, Some(script::owner()));
    assert!(found[0].spec.get("disabled").is_none(), "it differs from whatever is declared");
    let mut whole = tcp();
    whole["disabled"] = json!(false);
    script.update::<HealthCheck>("h1", tcp(), whole).await.unwrap();
    assert!(script.asked(TAG)[0].contains("<Key>saiken:project</Key>"));
}

#[tokio::test]
async fn a_long_address_is_found_again_by_the_hash_in_its_reference() {
    let whose = Tags::from([
        ("saiken:project".to_owned(), "p".repeat(60)),
        ("saiken:environment".to_owned(), "e".to_owned()),
        ("saiken:address".to_owned(), "s/it".to_owned()),
    ]);
    let (before, now) = (reference(&whose, "aaaaaaaaaa", 64), reference(&whose, "bbbbbbbbbb", 64));
    let all = || [("h1".to_owned(), before.clone()), ("h2".to_owned(), "theirs".to_owned())].into_iter();
    let find = async |tags: &str| {
        let script = Script::default().xml(TAGS_OF, 200, tags);
        earlier(&script.context(), &TagResourceType::Healthcheck, all(), &now).await.unwrap()
    };
    assert_eq!(find(&tags(&[])).await.as_deref(), Some("h1"));
    assert_eq!(find(&owned()).await, None, "one with tags is whole");
}

#[tokio::test]
async fn all_pages_are_read_and_checks_of_other_services_are_left_out() {
    let linked = check("x", TCP).replace("h1", "h0").replace(
        "<HealthCheckVersion>",
        "<LinkedService><ServicePrincipal>x.amazonaws.com</ServicePrincipal></LinkedService><HealthCheckVersion>",
    );
    let script = Script::default()
        .xml(LIST, 200, &list(&linked, "<IsTruncated>true</IsTruncated><NextMarker>h1</NextMarker>"))
        .xml(
            "GET /2013-04-01/healthcheck?marker=h1&maxitems=100",
            200,
            &list(&check("x", TCP), "<IsTruncated>false</IsTruncated>"),
        )
        .xml(TAGS_OF, 200, &owned());
    assert_eq!(script.read::<HealthCheck>().await.unwrap().len(), 1);
    assert!(!script.asked(TAGS_OF)[0].contains("h0"));
}

#[tokio::test]
async fn an_alarm_what_it_is_without_data_and_a_control_are_written_and_read_back() {
    let alarm = "<Type>CLOUDWATCH_METRIC</Type><AlarmIdentifier><Region>ap-northeast-1</Region><Name>負荷</Name>\
                 </AlarmIdentifier><InsufficientDataHealthStatus>LastKnownStatus</InsufficientDataHealthStatus>\
                 <Inverted>false</Inverted><Disabled>false</Disabled>";
    let script = Script::default()
        .xml(CREATE, 201, &one(alarm))
        .xml(TAG, 200, "")
        .xml(UPDATE, 200, &one(alarm))
        .xml(TAGS_OF, 200, &owned())
        .xml(ONE, 200, &one(alarm));
    let spec = |name: &str, data: &str| {
        let alarm = json!({"name": name, "region": "ap-northeast-1"});
        json!({"type": "cloudwatch_metric", "alarm": alarm, "insufficient_data": data})
    };
    let object = script.create::<HealthCheck>(spec("負荷", "last_known_status")).await.unwrap();
    assert!(script.asked(CREATE)[0].contains("<Name>負荷</Name>"), "{}", script.asked(CREATE)[0]);
    assert_eq!(object.spec["alarm"], json!({"name": "負荷", "region": "ap-northeast-1"}));
    assert_eq!(object.spec["insufficient_data"], json!("last_known_status"));
    script.update::<HealthCheck>("h1", spec("負荷", "last_known_status"), spec("other", "unhealthy")).await.unwrap();
    let update = &script.asked(UPDATE)[0];
    assert!(update.contains("<Name>other</Name>") && update.contains("Unhealthy</"), "{update}");

    let control = "<Type>RECOVERY_CONTROL</Type><RoutingControlArn>arn:c</RoutingControlArn>";
    let script = Script::default().xml(CREATE, 201, &one(control)).xml(TAG, 200, "").xml(TAGS_OF, 200, &owned()).xml(
        ONE,
        200,
        &one(control),
    );
    let object =
        script.create::<HealthCheck>(json!({"type": "recovery_control", "routing_control": "arn:c"})).await.unwrap();
    assert!(script.asked(CREATE)[0].contains("<RoutingControlArn>arn:c<"));
    assert_eq!(object.spec["routing_control"], json!("arn:c"));
}

#[tokio::test]
async fn only_what_changed_is_written_and_what_is_empty_is_reset() {
    let script = Script::default().xml(UPDATE, 200, &one(TCP)).xml(TAGS_OF, 200, &owned()).xml(ONE, 200, &one(TCP));
    let spec = |domain: &str, path: &str| {
        let address = "192.0.2.1";
        json!({"type": "http", "address": address, "domain": domain, "path": path, "disabled": false})
    };
    script.update::<HealthCheck>("h1", spec("www.example.com", "/up"), spec("", "")).await.unwrap();
    let body = &script.asked(UPDATE)[0];
    for element in ["FullyQualifiedDomainName", "ResourcePath"] {
        assert!(body.contains(&format!("<ResettableElementName>{element}<")), "{body}");
    }
    assert!(!body.contains("<IPAddress>") && script.asked(TAG).is_empty(), "{body}");
}

#[test]
fn each_type_has_its_own_fields() {
    let problems = |spec: serde_json::Value| {
        let mut problems = Problems::default();
        HealthCheck::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
    };
    assert!(problems(tcp()).is_empty());
    assert_eq!(problems(json!({"type": "tcp", "address": "192.0.2.1"})), ["port"]);
    assert_eq!(problems(json!({"type": "https"})), ["domain"]);
    assert_eq!(problems(json!({"type": "https_str_match", "domain": "a.example"})), ["search_string"]);
    assert_eq!(problems(json!({"type": "http", "domain": "a.example", "sni": true, "port": 443})), ["sni", "port"]);
    assert_eq!(
        problems(json!({"type": "http", "domain": "a.example", "interval": "20s", "path": "up"})),
        ["interval", "path"]
    );
    assert_eq!(problems(json!({"type": "calculated"})), ["children", "healthy_children"]);
    assert_eq!(problems(json!({"type": "cloudwatch_metric", "port": 80})), ["port", "alarm"]);
    assert_eq!(problems(json!({"type": "recovery_control"})), ["routing_control"]);
    assert_eq!(
        problems(json!({"type": "tcp", "address": "www", "port": 1, "insufficient_data": "healthy"})),
        ["insufficient_data", "address"]
    );
}
