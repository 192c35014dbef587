use super::*;
use crate::providers::aws::route53::answers::Answers;
use crate::providers::aws::script::Script;

const CHANGE: &str = "POST /2013-04-01/hostedzone/Z1/rrset";
const LOOK: &str = "GET /2013-04-01/hostedzone/Z1/rrset?name=_x.www.example.com.&maxitems=100";
const ARN: &str = "arn:aws:acm:ap-northeast-1:1:certificate/one";

fn proof() -> Proof {
    Proof::new("_x.www.example.com.", "_y.acm-validations.aws.")
}

fn record(name: &str, kind: &str, value: &str) -> String {
    format!(
        "<ResourceRecordSet><Name>{name}.</Name><Type>{kind}</Type><TTL>300</TTL><ResourceRecords><ResourceRecord>\
         <Value>{value}</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>"
    )
}

fn needed_by(arn: &str) -> String {
    record(&proof().beside(arn), "TXT", &format!("\"{arn}\""))
}

fn script(sets: &[String]) -> Script {
    let page = format!(
        "<R><ResourceRecordSets>{}</ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>100</MaxItems></R>",
        sets.join("")
    );
    let zone = "<R><HostedZone><Id>/hostedzone/Z1</Id><Name>example.com.</Name><CallerReference>x</CallerReference>\
                </HostedZone></R>";
    let done = "<R><ChangeInfo><Id>/change/C1</Id><Status>INSYNC</Status>\
                <SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo></R>";
    Script::default().xml("GET /2013-04-01/hostedzone/Z1", 200, zone).xml(LOOK, 200, &page).xml(CHANGE, 200, done)
}

/// Actions with the names that they are about.
fn done(script: &Script) -> Vec<(String, String)> {
    let batch = script.asked(CHANGE).join("");
    let between = |text: &str, tag: &str| {
        let (_, rest) = text.split_once(&format!("<{tag}>")).unwrap();
        rest.split('<').next().unwrap().to_owned()
    };
    batch.split("<Change>").skip(1).map(|c| (between(c, "Action"), between(c, "Name"))).collect()
}

fn pairs(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(a, n)| ((*a).to_owned(), format!("{n}."))).collect()
}

async fn prove(sets: &[String]) -> (Script, Result<(), ApiError>) {
    let script = script(sets);
    let result = super::prove(&script.context(), &["Z1".to_owned()], &[proof()], ARN).await;
    (script, result)
}

async fn forget(sets: &[String]) -> Vec<(String, String)> {
    let script = script(sets);
    super::forget(&script.context(), &["Z1".to_owned()], &[proof()], ARN).await.unwrap();
    done(&script)
}

#[tokio::test]
async fn a_record_is_written_with_who_needs_it_and_only_once() {
    let ours = proof().beside(ARN);
    let (script, result) = prove(&[]).await;
    result.unwrap();
    assert_eq!(done(&script), pairs(&[("UPSERT", "_x.www.example.com"), ("UPSERT", &ours)]));
    let there = record("_x.www.example.com", "CNAME", "_Y.acm-validations.aws.");
    let (script, result) = prove(&[there.clone(), needed_by("another")]).await;
    result.unwrap();
    assert_eq!(done(&script), pairs(&[("UPSERT", "_x.www.example.com"), ("UPSERT", &ours)]));
    let (script, result) = prove(&[there.clone(), needed_by(ARN)]).await;
    result.unwrap();
    assert!(done(&script).is_empty());
}

#[tokio::test]
async fn a_record_of_somebody_else_is_used_and_never_changed() {
    let theirs = record("_x.www.example.com", "CNAME", "_y.acm-validations.aws.");
    let (script, result) = prove(std::slice::from_ref(&theirs)).await;
    result.unwrap();
    assert!(done(&script).is_empty());
    assert!(forget(&[theirs]).await.is_empty());
    let (script, result) = prove(&[record("_x.www.example.com", "CNAME", "elsewhere.example.")]).await;
    let error = result.unwrap_err();
    assert_eq!(error.class, ErrorClass::Conflict);
    assert!(error.message.contains("elsewhere.example") && done(&script).is_empty(), "{error}");
}

#[tokio::test]
async fn a_record_goes_with_the_last_certificate_that_needs_it() {
    let there = record("_x.www.example.com", "CNAME", "_y.acm-validations.aws.");
    let (ours, name) = (proof().beside(ARN), "_x.www.example.com");
    let both = [there.clone(), needed_by(ARN), needed_by("another")];
    assert_eq!(forget(&both).await, pairs(&[("DELETE", &ours)]));
    assert_eq!(forget(&both[..2]).await, pairs(&[("DELETE", &ours), ("DELETE", name)]));
    assert!(forget(&[there]).await.is_empty());
}

#[tokio::test]
async fn a_name_that_no_zone_holds_is_an_error_that_says_so() {
    let script = script(&[]);
    let elsewhere = [Proof::new("_x.www.example.net.", "_y.")];
    let error = super::prove(&script.context(), &["Z1".to_owned()], &elsewhere, ARN).await.unwrap_err();
    assert!(error.message.contains("`zones`"), "{error}");
}

#[test]
fn a_name_is_in_the_zone_with_the_longest_name_that_it_ends_in() {
    let zones = [("Z1", "example.com"), ("Z2", "sub.example.com"), ("Z3", "le.com")];
    let zones: Vec<(String, String)> = zones.iter().map(|(i, n)| ((*i).to_owned(), (*n).to_owned())).collect();
    assert_eq!(zone_of(&zones, "_x.www.sub.example.com"), Some("Z2"));
    assert_eq!(zone_of(&zones, "_x.example.com"), Some("Z1"));
    assert_eq!(zone_of(&zones, "_x.other.com"), None);
}
