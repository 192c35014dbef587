use serde_json::{Value, json};

use super::*;
use crate::model::cloud::Unwatched;
use crate::model::observed::Object;
use crate::providers::aws::kind::{Handler, Typed};
use crate::providers::aws::route53::answers::Answers;
use crate::providers::aws::script::{self, Script};

const ZONES: &str = "GET /2013-04-01/hostedzone?maxitems=100";
const ALL: &str = "GET /2013-04-01/hostedzone/Z1/rrset?maxitems=300";
const CHANGE: &str = "POST /2013-04-01/hostedzone/Z1/rrset";
const PENDING: &str = "<R><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status>\
                       <SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo></R>";
const LOOK: &str = "GET /2013-04-01/change/C1";
const WHOSE: &str = "\"/saiken/p/e/1/s%2Fit/\"";

/// The look at one place.
fn at(name: &str, kind: &str) -> String {
    format!("GET /2013-04-01/hostedzone/Z1/rrset?name={name}.&type={kind}&maxitems=100")
}

fn set(name: &str, kind: &str, rest: &str) -> String {
    format!("<ResourceRecordSet><Name>{name}.</Name><Type>{kind}</Type>{rest}</ResourceRecordSet>")
}

fn values(all: &[&str]) -> String {
    let all: String = all.iter().map(|v| format!("<ResourceRecord><Value>{v}</Value></ResourceRecord>")).collect();
    format!("<TTL>300</TTL><ResourceRecords>{all}</ResourceRecords>")
}

fn page(sets: &[String], more: &str) -> String {
    let more = if more.is_empty() { "<IsTruncated>false</IsTruncated>" } else { more };
    format!("<R><ResourceRecordSets>{}</ResourceRecordSets>{more}<MaxItems>300</MaxItems></R>", sets.join(""))
}

fn refused(message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidChangeBatch</Code><Message>{message}</Message></Error>\
         </ErrorResponse>"
    )
}

fn www() -> Value {
    json!({"zone": {"id": "Z1"}, "name": "www.example.com", "type": "A", "ttl": "5m", "values": ["192.0.2.1"]})
}

/// A script that shows this record at its place, and whose it is.
fn there(name: &str, kind: &str, rest: &str, registry: &str, text: Option<&str>) -> Script {
    let text: Vec<String> = text.iter().map(|t| set(registry, "TXT", &values(&[t]))).collect();
    Script::default().xml(&at(name, kind), 200, &page(&[set(name, kind, rest)], "")).xml(
        &at(registry, "TXT"),
        200,
        &page(&text, ""),
    )
}

#[tokio::test]
async fn a_record_and_whose_it_is_are_made_in_one_batch_that_writes_nothing_over_and_waited_for() {
    let script = there("www.example.com", "A", &values(&["192.0.2.1"]), "saiken-a.www.example.com", Some(WHOSE))
        .xml(CHANGE, 200, PENDING)
        .xml(LOOK, 200, PENDING)
        .xml(LOOK, 200, &PENDING.replace("PENDING", "INSYNC"));
    let object = script.create::<Record>(www()).await.unwrap();
    let batch = &script.asked(CHANGE)[0];
    let actions: Vec<&str> = batch.split("<Action>").skip(1).filter_map(|t| t.split('<').next()).collect();
    assert_eq!(actions, ["CREATE", "UPSERT"]);
    assert!(batch.contains("<Name>www.example.com.</Name><Type>A</Type>"), "{batch}");
    assert!(batch.contains("<Name>saiken-a.www.example.com.</Name><Type>TXT</Type>"), "{batch}");
    assert_eq!(script.asked(LOOK).len(), 2);
    assert_eq!((object.id.as_str(), object.owner), ("Z1/A/www.example.com", Some(script::owner())));
    assert_eq!(object.spec["values"], json!(["192.0.2.1"]));
    assert!(object.spec.get("tags").is_none() && object.spec.get("alias").is_none());
}

#[tokio::test]
async fn a_record_that_somebody_else_made_is_left_alone_and_can_be_taken_over() {
    let message = "[Tried to create resource record set [name='www.example.com.', type='A'] but it already exists]";
    let script = there("www.example.com", "A", &values(&["192.0.2.9"]), "saiken-a.www.example.com", None).xml(
        CHANGE,
        400,
        &refused(message),
    );
    let error = script.create::<Record>(www()).await.unwrap_err();
    assert_eq!((error.class, error.code.as_deref()), (ErrorClass::Conflict, Some("InvalidChangeBatch")));
    assert!(error.message.contains("`adopt: Z1/A/www.example.com`"), "{error}");
    assert_eq!(script.asked(CHANGE).len(), 1);
    let wrong = Script::default().xml(CHANGE, 400, &refused("the value is not valid"));
    let error = wrong.create::<Record>(www()).await.unwrap_err();
    assert_eq!((error.class, error.message.as_str()), (ErrorClass::Invalid, "the value is not valid"));
}

#[tokio::test]
async fn a_record_whose_creating_call_was_not_answered_is_found_by_its_name_and_not_made_twice() {
    let script =
        there("www.example.com", "A", &values(&["192.0.2.1"]), "saiken-a.www.example.com", Some(WHOSE)).lost(CHANGE);
    assert_eq!(script.create::<Record>(www()).await.unwrap().id, "Z1/A/www.example.com");
    assert_eq!(script.asked(CHANGE).len(), 1);
}

#[tokio::test]
async fn our_records_are_found_in_all_zones_on_all_pages_and_others_are_not_ours() {
    let zone = |id: &str, count: u32, linked: &str| {
        format!(
            "<HostedZone><Id>/hostedzone/{id}</Id><Name>example.com.</Name><CallerReference>x</CallerReference>{linked}\
             <ResourceRecordSetCount>{count}</ResourceRecordSetCount></HostedZone>"
        )
    };
    let linked = "<LinkedService><ServicePrincipal>x</ServicePrincipal></LinkedService>";
    let zones = [zone("Z1", 9, ""), zone("EMPTY", 2, ""), zone("LINKED", 9, linked)].join("");
    let first = [
        set("example.com", "NS", &values(&["ns-1."])),
        set("saiken-mx.example.com", "TXT", &values(&["\"/saiken/p/e/1/s%2Fmail/\""])),
        set("example.com", "MX", &values(&["10 Mail.example.com."])),
        set("\\052.example.com", "A", &values(&["192.0.2.1"])),
        set("saiken-any-a.example.com", "TXT", &values(&[WHOSE])),
    ];
    let more = "<IsTruncated>true</IsTruncated><NextRecordName>www.example.com.</NextRecordName>\
                <NextRecordType>A</NextRecordType><NextRecordIdentifier>blue</NextRecordIdentifier>";
    let second = [
        set(
            "www.example.com",
            "A",
            &format!("<SetIdentifier>blue</SetIdentifier><Weight>1</Weight>{}", values(&["192.0.2.1"])),
        ),
        set("by-hand.example.com", "A", &values(&["192.0.2.1"])),
        set("saiken-a.others.example.com", "TXT", &values(&["\"/saiken/q/e/1/s%2Fit/\""])),
        set("others.example.com", "A", &values(&["192.0.2.1"])),
        set("saiken-txt.example.com", "TXT", &values(&["\"/saiken/p/e/1/s%2Ftext/\""])),
        set("example.com", "TXT", &values(&["\"v=spf1 -all\"", "\"a\\\"b\" \"c\\346\\227\\245\""])),
    ];
    let script = Script::default()
        .xml(ZONES, 200, &format!("<R><HostedZones>{zones}</HostedZones><MaxItems>100</MaxItems></R>"))
        .xml(ALL, 200, &page(&first, more))
        .xml(
            "GET /2013-04-01/hostedzone/Z1/rrset?name=www.example.com.&type=A&identifier=blue&maxitems=300",
            200,
            &page(&second, ""),
        );
    let found = script.read::<Record>().await.unwrap();
    let ids: Vec<&str> = found.iter().map(|o| o.id.as_str()).collect();
    assert_eq!(ids, ["Z1/MX/example.com", "Z1/A/*.example.com", "Z1/TXT/example.com"]);
    assert_eq!(found[0].spec["values"], json!(["10 mail.example.com"]));
    assert_eq!(found[1].spec["name"], json!("*.example.com"));
    assert_eq!(found[2].spec["values"], json!(["v=spf1 -all", "a\"bc日"]));
}

#[tokio::test]
async fn taking_over_writes_whose_it_is_and_letting_go_removes_that() {
    let place = ("www.example.com", "A", values(&["192.0.2.1"]), "saiken-a.www.example.com");
    let done = PENDING.replace("PENDING", "INSYNC");
    let script = there(place.0, place.1, &place.2, place.3, Some(WHOSE)).xml(CHANGE, 200, &done);
    let object = script::object::<Record>("Z1/A/www.example.com", www());
    let retag = async |object: &Object, set: &Tags, remove: &[String]| {
        Record::retag(&script.context(), object, set, remove).await.unwrap();
        script.asked(CHANGE).pop().unwrap()
    };
    let free = Object { owner: None, ..object.clone() };
    let batch = retag(&free, &script::owner().tags(), &[]).await;
    assert!(batch.contains("<Action>UPSERT</Action>") && batch.contains("/saiken/p/e/1/s%2Fit/"), "{batch}");
    assert!(!batch.contains("192.0.2.1"), "the record itself is not touched: {batch}");
    let all: Vec<String> = crate::model::ownership::ALL.map(str::to_owned).to_vec();
    let batch = retag(&object, &Tags::new(), &all).await;
    assert!(batch.contains("<Action>DELETE</Action>") && batch.contains("saiken-a.www"), "{batch}");
}

#[tokio::test]
async fn a_record_goes_with_whose_it_is_in_one_batch_as_it_stands_there() {
    let stands = format!("<SetIdentifier>blue</SetIdentifier><Weight>7</Weight>{}", values(&["192.0.2.7"]));
    let beside = format!("saiken-a-{}.www.example.com", crate::model::ownership::hash("blue", 12));
    let script = there("www.example.com", "A", &stands, &beside, Some(WHOSE)).xml(
        CHANGE,
        200,
        &PENDING.replace("PENDING", "INSYNC"),
    );
    let owner = Some(script::owner());
    script.delete_owned::<Record>("Z1/A/www.example.com/blue", www(), owner).await.unwrap();
    let batch = &script.asked(CHANGE)[0];
    assert_eq!(batch.matches("<Action>DELETE</Action>").count(), 2, "{batch}");
    assert!(batch.contains("<Weight>7</Weight>") && batch.contains("192.0.2.7") && batch.contains(&beside), "{batch}");
}

#[tokio::test]
async fn a_record_that_went_by_a_call_without_answer_is_gone() {
    let (place, text) = (at("www.example.com", "A"), at("saiken-a.www.example.com", "TXT"));
    let message = "[Tried to delete resource record set [name='www.example.com.', type='A'] but it was not found]";
    let script = Script::default()
        .xml(&place, 200, &page(&[set("www.example.com", "A", &values(&["192.0.2.1"]))], ""))
        .xml(&place, 200, &page(&[], ""))
        .xml(&text, 200, &page(&[], ""))
        .xml(CHANGE, 400, &refused(message));
    parts::remove(&script.context(), &Place::parse("Z1/A/www.example.com").unwrap()).await.unwrap();
    let stays = there("www.example.com", "A", &values(&["192.0.2.1"]), "saiken-a.www.example.com", None).xml(
        CHANGE,
        400,
        &refused(message),
    );
    let error = parts::remove(&stays.context(), &Place::parse("Z1/A/www.example.com").unwrap()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Invalid);
}

#[tokio::test]
async fn name_servers_of_the_zone_itself_stay_when_they_are_let_go() {
    let zone = "<R><HostedZone><Id>/hostedzone/Z1</Id><Name>example.com.</Name><CallerReference>x</CallerReference>\
                </HostedZone></R>";
    let script = there("example.com", "NS", &values(&["ns-1."]), "saiken-ns.example.com", Some(WHOSE))
        .xml("GET /2013-04-01/hostedzone/Z1", 200, zone)
        .xml(CHANGE, 200, &PENDING.replace("PENDING", "INSYNC"));
    let spec = json!({"zone": {"id": "Z1"}, "name": "example.com", "type": "NS", "ttl": "5m", "values": ["ns-1"]});
    script.delete_owned::<Record>("Z1/NS/example.com", spec, Some(script::owner())).await.unwrap();
    let batch = &script.asked(CHANGE)[0];
    assert!(batch.contains("saiken-ns.example.com") && !batch.contains("<Type>NS</Type>"), "{batch}");
}

/// Writes a record over, and gives the batch and what was read back.
async fn over(from: Value, to: Value, stands: &str) -> (String, Value) {
    let name = "www.example.com";
    let id = match to["set"].as_str() {
        Some(set) => format!("Z1/A/{name}/{set}"),
        None => format!("Z1/A/{name}"),
    };
    let beside = Place::parse(&id).unwrap().registry();
    let script = there(name, "A", stands, &beside, Some(WHOSE)).xml(CHANGE, 200, &PENDING.replace("PENDING", "INSYNC"));
    let object = script.update::<Record>(&id, from, to).await.unwrap();
    (script.asked(CHANGE).remove(0), object.spec)
}

#[tokio::test]
async fn an_alias_of_a_load_balancer_has_the_name_and_the_zone_of_it() {
    let alias = json!({"load_balancer": "s/other", "evaluate_health": true});
    let to = json!({"zone": {"id": "Z1"}, "name": "www.example.com", "type": "A", "alias": alias});
    let stands = "<AliasTarget><HostedZoneId>ZELB</HostedZoneId><DNSName>other.elb.amazonaws.com.</DNSName>\
                  <EvaluateTargetHealth>true</EvaluateTargetHealth></AliasTarget>";
    let stands = stands.replace("other.elb", "dualstack.other.ap-northeast-1.elb");
    let (batch, spec) = over(www(), to, &stands).await;
    assert!(batch.contains("<HostedZoneId>ZELB</HostedZoneId><DNSName>other.elb.example.</DNSName>"), "{batch}");
    assert!(batch.contains("<EvaluateTargetHealth>true<") && !batch.contains("<TTL>"), "{batch}");
    assert_eq!(spec["alias"]["load_balancer"], json!({"id": "other.ap-northeast-1.elb.amazonaws.com"}));
}

#[tokio::test]
async fn an_alias_of_another_record_is_looked_up_in_the_same_zone() {
    let to =
        json!({"zone": {"id": "Z1"}, "name": "www.example.com", "type": "A", "alias": {"name": "Blue.example.com."}});
    let stands = "<AliasTarget><HostedZoneId>Z1</HostedZoneId><DNSName>blue.example.com.</DNSName>\
                  <EvaluateTargetHealth>false</EvaluateTargetHealth></AliasTarget>";
    let (batch, spec) = over(www(), to, stands).await;
    assert!(batch.contains("<HostedZoneId>Z1</HostedZoneId><DNSName>blue.example.com.</DNSName>"), "{batch}");
    assert_eq!(spec["alias"], json!({"name": "blue.example.com", "zone_id": "Z1", "evaluate_health": false}));
}

#[tokio::test]
async fn every_routing_is_written_and_read_back() {
    let all = [
        (json!({"weight": 0}), "<Weight>0</Weight>"),
        (json!({"failover": "secondary"}), "<Failover>SECONDARY</Failover>"),
        (json!({"latency": "ap-northeast-1"}), "<Region>ap-northeast-1</Region>"),
        (json!({"geolocation": {"continent": "AS"}}), "<GeoLocation><ContinentCode>AS</ContinentCode></GeoLocation>"),
        (
            json!({"geolocation": {"country": "US", "subdivision": "CA"}}),
            "<GeoLocation><CountryCode>US</CountryCode><SubdivisionCode>CA</SubdivisionCode></GeoLocation>",
        ),
        (json!({"multivalue": true}), "<MultiValueAnswer>true</MultiValueAnswer>"),
        (
            json!({"addresses": {"collection": "c-1", "location": "*"}}),
            "<CidrRoutingConfig><CollectionId>c-1</CollectionId><LocationName>*</LocationName></CidrRoutingConfig>",
        ),
        (
            json!({"geoproximity": {"latitude": "35.68", "longitude": "139.77", "bias": 10}}),
            "<GeoProximityLocation><Coordinates><Latitude>35.68</Latitude><Longitude>139.77</Longitude></Coordinates>\
             <Bias>10</Bias></GeoProximityLocation>",
        ),
        (
            json!({"geoproximity": {"region": "ap-northeast-1", "bias": 0}}),
            "<GeoProximityLocation><AWSRegion>ap-northeast-1</AWSRegion><Bias>0</Bias></GeoProximityLocation>",
        ),
        (
            json!({"geoproximity": {"local_zone_group": "us-west-2-lax-1", "bias": -3}}),
            "<GeoProximityLocation><LocalZoneGroup>us-west-2-lax-1</LocalZoneGroup><Bias>-3</Bias>\
             </GeoProximityLocation>",
        ),
    ];
    for (routing, xml) in all {
        let spec = |routing: &Value, check: &str| {
            let mut spec = www();
            spec["set"] = json!("blue");
            spec["routing"] = routing.clone();
            spec["health_check"] = json!({"id": check});
            spec
        };
        let to = spec(&routing, "h2");
        let stands = format!(
            "<SetIdentifier>blue</SetIdentifier>{xml}{}<HealthCheckId>h2</HealthCheckId>",
            values(&["192.0.2.1"])
        );
        let (batch, read) = over(spec(&json!({"weight": 9}), "h1"), to, &stands).await;
        assert!(batch.contains("<Action>UPSERT</Action>") && batch.contains("<SetIdentifier>blue<"), "{batch}");
        assert!(batch.contains("<HealthCheckId>h2</HealthCheckId>"), "{batch}");
        let element = xml.split(['<', '>']).nth(1).unwrap();
        assert!(batch.contains(&format!("<{element}>")), "{element}: {batch}");
        assert_eq!(read["routing"], routing);
        assert_eq!(read["health_check"], json!({"id": "h2"}));
    }
}

#[tokio::test]
async fn what_is_not_declared_stays_as_it_was() {
    let mut from = www();
    from["set"] = json!("blue");
    from["routing"] = json!({"weight": 9});
    from["health_check"] = json!({"id": "h1"});
    let mut to = from.clone();
    to.as_object_mut().unwrap().remove("health_check");
    to["values"] = json!(["192.0.2.2"]);
    let stands = format!("<SetIdentifier>blue</SetIdentifier><Weight>9</Weight>{}", values(&["192.0.2.2"]));
    let (batch, _) = over(from, to, &stands).await;
    assert!(batch.contains("<HealthCheckId>h1</HealthCheckId>") && batch.contains("<Weight>9</Weight>"), "{batch}");
}

#[tokio::test]
async fn who_has_a_name_is_known_before_the_first_write() {
    let script = there("www.example.com", "A", &values(&["192.0.2.9"]), "saiken-a.www.example.com", None);
    let wanted = Name { scope: "Z1".into(), name: "A/www.example.com".into() };
    let new = Name { scope: "s/zone".into(), name: "A/www.example.com".into() };
    let holders = Record::holders(&script.context(), &[wanted, new]).await.unwrap();
    assert_eq!(
        holders.iter().map(|h| (h.id.as_str(), h.owner.is_none())).collect::<Vec<_>>(),
        [("Z1/A/www.example.com", true)]
    );
}

#[tokio::test]
async fn a_record_that_is_gone_by_hand_takes_its_text_record_with_it() {
    let script = Script::default()
        .xml(&at("www.example.com", "A"), 200, &page(&[], ""))
        .xml(
            &at("saiken-a.www.example.com", "TXT"),
            200,
            &page(&[set("saiken-a.www.example.com", "TXT", &values(&[WHOSE]))], ""),
        )
        .xml(CHANGE, 200, &PENDING.replace("PENDING", "INSYNC"));
    let cx = script.context();
    parts::remove(&cx, &Place::parse("Z1/A/www.example.com").unwrap()).await.unwrap();
    assert_eq!(script.asked(CHANGE)[0].matches("<Action>DELETE</Action>").count(), 1);
    // What the engine deletes is not even asked for when it is gone.
    let request =
        crate::model::cloud::DeleteRequest { object: script::object::<Record>("Z1/A/www.example.com", www()) };
    Typed::<Record>::default().delete(&cx, &request, &Unwatched).await.unwrap();
    assert_eq!(script.asked(CHANGE).len(), 1);
}

#[test]
fn names_and_values_are_read_in_one_form() {
    let spec: Spec = serde_json::from_value(json!({
        "zone": "s/zone", "name": "WWW.Example.com.", "type": "CNAME", "ttl": "300s", "values": ["Target.Example.com."],
    }))
    .unwrap();
    let form = serde_json::to_value(&spec).unwrap();
    assert_eq!(
        (&form["name"], &form["values"], &form["ttl"]),
        (&json!("www.example.com"), &json!(["target.example.com"]), &json!("5m"))
    );
}

#[test]
fn what_the_api_refuses_is_refused_before() {
    let problems = |more: Value| {
        let mut spec = www();
        for (field, value) in more.as_object().unwrap() {
            spec[field] = value.clone();
        }
        crate::model::kind::drop_nulls(&mut spec);
        let mut problems = Problems::default();
        Record::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
    };
    assert!(problems(json!({})).is_empty());
    assert_eq!(problems(json!({"ttl": null})), ["ttl"]);
    assert_eq!(problems(json!({"values": ["www.example.com"]})), ["values.0"]);
    assert_eq!(problems(json!({"values": null})), ["values"]);
    assert_eq!(problems(json!({"type": "CNAME", "values": ["a.example", "b.example"]})), ["values"]);
    assert_eq!(problems(json!({"type": "TXT", "values": ["\"quoted\""]})), ["values.0"]);
    assert_eq!(problems(json!({"type": "TXT", "values": ["日本語", "x".repeat(3000)]})), [""; 0]);
    assert_eq!(problems(json!({"type": "TXT", "values": ["x"], "name": "saiken-a.www.example.com"})), ["name"]);
    assert_eq!(problems(json!({"name": "例え.jp"})), ["name"]);
    assert_eq!(problems(json!({"name": format!("{}com", "abcdefg.".repeat(28))})), ["name"]);
    assert_eq!(problems(json!({"alias": {"name": "a.example"}})), ["alias"]);
    let alias = |alias: Value| problems(json!({"values": null, "ttl": null, "alias": alias}));
    assert!(alias(json!({"load_balancer": "s/lb"})).is_empty());
    assert_eq!(alias(json!({"load_balancer": {"id": "arn"}})), ["alias.load_balancer"]);
    assert_eq!(alias(json!({})), ["alias"]);
    assert_eq!(problems(json!({"set": "blue"})), ["routing"]);
    assert_eq!(problems(json!({"routing": {"weight": 1}})), ["set"]);
    let routing = |routing: Value| problems(json!({"set": "blue", "routing": routing}));
    assert!(routing(json!({"weight": 1})).is_empty());
    assert_eq!(routing(json!({})), ["routing"]);
    assert_eq!(routing(json!({"weight": 1, "multivalue": true})), ["routing"]);
    assert_eq!(routing(json!({"failover": "primary"})), ["health_check"]);
    assert_eq!(
        routing(json!({"geolocation": {"subdivision": "CA"}})),
        ["routing.geolocation", "routing.geolocation.subdivision"]
    );
    assert_eq!(routing(json!({"geoproximity": {"latitude": "35.68"}})), ["routing.geoproximity"]);
}
