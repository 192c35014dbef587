use serde_json::{Value, json};

use super::*;
use crate::model::observed::Status;
use crate::providers::aws::route53::answers::Answers;
use crate::providers::aws::script::{self, Script};

const ARN: &str = "arn:aws:acm:ap-northeast-1:1:certificate/one";
const CHANGE: &str = "POST /2013-04-01/hostedzone/other/rrset";
const PROOF: &str = "_x.www.example.com";

/// A certificate as it is described.
fn detail(more: Value) -> String {
    let mut detail = json!({
        "CertificateArn": ARN, "DomainName": "www.example.com", "Type": "AMAZON_ISSUED", "KeyAlgorithm": "RSA-2048",
        "SubjectAlternativeNames": ["www.example.com", "example.com"], "Status": "ISSUED", "NotAfter": 1_800_000_000,
        "Options": {"Export": "DISABLED"},
        "DomainValidationOptions": [
            {"DomainName": "www.example.com", "ValidationStatus": "SUCCESS",
             "ResourceRecord": {"Name": format!("{PROOF}."), "Type": "CNAME", "Value": "_y.acm-validations.aws."}},
        ],
    });
    for (name, value) in more.as_object().unwrap() {
        detail[name] = value.clone();
    }
    json!({ "Certificate": detail }).to_string()
}

fn tags(all: &[(&str, &str)]) -> String {
    json!({"Tags": all.iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect::<Vec<_>>()}).to_string()
}

fn owned() -> String {
    tags(&[
        ("saiken:project", "p"),
        ("saiken:environment", "e"),
        ("saiken:address", "s/it"),
        ("saiken:generation", "1"),
        ("saiken:zones", "other"),
    ])
}

/// The zone of the script, which holds these records.
fn zone(script: Script, records: &str) -> Script {
    let zone = "<R><HostedZone><Id>/hostedzone/other</Id><Name>example.com.</Name><CallerReference>x</CallerReference>\
                </HostedZone></R>";
    let look = format!("GET /2013-04-01/hostedzone/other/rrset?name={PROOF}.&maxitems=100");
    let page = format!(
        "<R><ResourceRecordSets>{records}</ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>100</MaxItems>\
         </R>"
    );
    let done = "<R><ChangeInfo><Id>/change/C1</Id><Status>INSYNC</Status>\
                <SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo></R>";
    script.xml("GET /2013-04-01/hostedzone/other", 200, zone).xml(&look, 200, &page).xml(CHANGE, 200, done)
}

fn record(name: &str, kind: &str, value: &str) -> String {
    format!(
        "<ResourceRecordSet><Name>{name}.</Name><Type>{kind}</Type><TTL>300</TTL><ResourceRecords><ResourceRecord>\
         <Value>{value}</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>"
    )
}

fn spec() -> Value {
    json!({"domain": "WWW.example.com", "names": ["example.com"], "zones": ["s/other"]})
}

#[tokio::test]
async fn a_certificate_is_asked_for_with_its_tags_and_token_proven_in_its_zone_and_waited_for() {
    let pending = json!({"Status": "PENDING_VALIDATION"});
    let unknown =
        json!({"Status": "PENDING_VALIDATION", "DomainValidationOptions": [{"DomainName": "www.example.com"}]});
    let script = Script::default()
        .lost("RequestCertificate")
        .answer("RequestCertificate", 200, &json!({"CertificateArn": ARN}).to_string())
        .answer("DescribeCertificate", 200, &detail(unknown))
        .answer("DescribeCertificate", 200, &detail(pending.clone()))
        .answer("DescribeCertificate", 200, &detail(pending))
        .answer("DescribeCertificate", 200, &detail(json!({})))
        .answer("AddTagsToCertificate", 200, "{}")
        .answer("ListTagsForCertificate", 200, &owned());
    let script = zone(script, "");
    let object = script.create::<Certificate>(spec()).await.unwrap();
    let asked = script.asked("RequestCertificate");
    assert_eq!((asked.len(), &asked[0]), (2, &asked[1]), "the token makes one of both");
    let request: Value = serde_json::from_str(&asked[0]).unwrap();
    assert_eq!(request["IdempotencyToken"], json!("token"));
    assert_eq!((&request["DomainName"], &request["ValidationMethod"]), (&json!("www.example.com"), &json!("DNS")));
    let sent = request["Tags"].as_array().unwrap();
    assert!(sent.contains(&json!({"Key": "saiken:address", "Value": "s/it"})));
    assert!(script.asked("AddTagsToCertificate")[0].contains(r#"{"Key":"saiken:zones","Value":"other"}"#));
    assert!(script.asked(CHANGE)[0].contains("<Value>_y.acm-validations.aws</Value>"));
    assert_eq!((object.id.as_str(), object.status), (ARN, Status::Ready));
    assert_eq!(object.spec["zones"], json!([{"id": "other"}]));
    assert_eq!(object.spec["names"], json!(["example.com"]));
    assert_eq!(object.spec["key_algorithm"], json!("rsa2048"));
    assert_eq!(object.attributes["expiry"], json!("2027-01-15T08:00:00Z"));
    assert_eq!(object.unread, ["imported"]);
}

#[tokio::test]
async fn one_that_a_run_left_unproven_is_read_without_zones_and_the_next_plan_proves_it() {
    let pending = json!({"Status": "PENDING_VALIDATION"});
    let listed = json!({"CertificateSummaryList": [
        {"CertificateArn": ARN, "DomainName": "www.example.com", "Type": "AMAZON_ISSUED",
         "Status": "PENDING_VALIDATION", "KeyAlgorithm": "EC-prime256v1",
         "SubjectAlternativeNameSummaries": ["www.example.com", "example.com"]},
    ]});
    let script = Script::default()
        .answer("ListCertificates", 200, &listed.to_string())
        .answer("GetResources", 200, r#"{"ResourceTagMappingList":[]}"#)
        .answer("ListTagsForCertificate", 200, &owned())
        .answer("AddTagsToCertificate", 200, "{}")
        .answer("DescribeCertificate", 200, &detail(pending))
        .answer("DescribeCertificate", 200, &detail(json!({})));
    let script = zone(script, "");
    let found = script.read::<Certificate>().await.unwrap();
    assert_eq!(found[0].owner, Some(script::owner()));
    assert!(found[0].spec.get("zones").is_none() && matches!(found[0].status, Status::Pending(_)));
    assert_eq!(found[0].spec["key_algorithm"], json!("ec_prime256v1"));
    let mut half = spec();
    half["zones"] = Value::Null;
    script.update::<Certificate>(ARN, half, spec()).await.unwrap();
    assert_eq!(script.asked(CHANGE).len(), 1);
}

#[tokio::test]
async fn one_that_was_issued_before_its_records_were_written_is_read_without_zones_too() {
    let tags = owned().replace(r#","Value":"other""#, "").replace("saiken:zones", "team");
    let script = Script::default().answer("DescribeCertificate", 200, &detail(json!({}))).answer(
        "ListTagsForCertificate",
        200,
        &tags,
    );
    let ids = [ARN.to_owned()];
    let found = Certificate::read(&script.context(), &Read::whole(Selection::Ids(&ids))).await.unwrap();
    assert_eq!((found[0].spec.zones.is_none(), &found[0].status), (true, &Status::Ready));
}

#[tokio::test]
async fn what_was_not_issued_is_told_with_the_reason() {
    let failed = json!({"Status": "FAILED", "FailureReason": "CAA_ERROR"});
    let script = Script::default()
        .answer("RequestCertificate", 200, &json!({"CertificateArn": ARN}).to_string())
        .answer("DescribeCertificate", 200, &detail(failed.clone()))
        .answer("ListTagsForCertificate", 200, &owned());
    let error = script.create::<Certificate>(spec()).await.unwrap_err();
    assert!(error.message.contains("FAILED: CAA_ERROR") && error.message.contains("amazon.com"), "{error}");
    let ids = [ARN.to_owned()];
    let found = Certificate::read(&script.context(), &Read::whole(Selection::Ids(&ids))).await.unwrap();
    assert_eq!(found[0].status, Status::Failed("FAILED: CAA_ERROR".to_owned()));
}

#[tokio::test]
async fn all_pages_with_all_sorts_of_keys_are_read_and_only_young_ones_are_asked_for_their_tags() {
    let summary = |name: &str, made: i64, status: &str| {
        json!({"CertificateArn": format!("arn:{name}"), "DomainName": "www.example.com", "Type": "AMAZON_ISSUED",
               "Status": status, "CreatedAt": made, "SubjectAlternativeNameSummaries": ["www.example.com"]})
    };
    let old = 1_600_000_000;
    let first = json!({"NextToken": "next", "CertificateSummaryList": [
        summary("indexed", old, "ISSUED"), summary("foreign", old, "ISSUED"),
    ]});
    let second = json!({"CertificateSummaryList": [
        summary("young", 4_000_000_000_i64, "ISSUED"), summary("failed", old, "VALIDATION_TIMED_OUT"),
    ]});
    let mapping = |name: &str| {
        let tags = [("project", "p"), ("environment", "e"), ("address", "s/it")];
        let tags = tags.map(|(k, v)| json!({"Key": format!("saiken:{k}"), "Value": v}));
        json!({"ResourceARN": format!("arn:{name}"), "Tags": tags})
    };
    let index = json!({"ResourceTagMappingList": [mapping("indexed"), mapping("failed")]});
    let script = Script::default()
        .answer("ListCertificates", 200, &first.to_string())
        .answer("ListCertificates", 200, &second.to_string())
        .answer("GetResources", 200, &index.to_string())
        .answer("ListTagsForCertificate", 200, &owned())
        .answer("DescribeCertificate", 200, &detail(json!({"Status": "VALIDATION_TIMED_OUT"})));
    let found = script.read::<Certificate>().await.unwrap();
    assert_eq!(found.len(), 3);
    assert_eq!((script.asked("ListTagsForCertificate").len(), script.asked("DescribeCertificate").len()), (1, 1));
    assert!(script.asked("ListCertificates")[0].contains("EC_secp384r1"));
    assert!(matches!(found[2].status, Status::Failed(_)));
}

#[tokio::test]
async fn a_certificate_goes_when_nobody_uses_it_and_its_records_before_it() {
    let text = record(
        &format!("saiken-certificate-{}.{PROOF}", crate::model::ownership::hash(ARN, 12)),
        "TXT",
        &format!("\"{ARN}\""),
    );
    let records = format!("{}{text}", record(PROOF, "CNAME", "_y.acm-validations.aws."));
    let script = Script::default()
        .answer("DescribeCertificate", 200, &detail(json!({})))
        .answer("DescribeCertificate", 200, &detail(json!({"InUseBy": ["arn:lb"]})))
        .answer("DescribeCertificate", 200, &detail(json!({})))
        .answer("ListTagsForCertificate", 200, &owned())
        .answer("DeleteCertificate", 200, "{}");
    let script = zone(script, &records);
    script.delete_owned::<Certificate>(ARN, spec(), Some(script::owner())).await.unwrap();
    assert_eq!(script.asked("DescribeCertificate").len(), 3);
    assert_eq!(script.asked(CHANGE)[0].matches("<Action>DELETE</Action>").count(), 2);
    let order = script.operations();
    let at = |name: &str| order.iter().position(|o| o == name).unwrap();
    assert!(at(CHANGE) < at("DeleteCertificate"));
}

#[tokio::test]
async fn records_go_over_to_another_zone_before_the_former_one_loses_them() {
    let former = "POST /2013-04-01/hostedzone/Zold/rrset";
    let zone_of = |id: &str| {
        format!(
            "<R><HostedZone><Id>/hostedzone/{id}</Id><Name>example.com.</Name><CallerReference>x</CallerReference>\
             </HostedZone></R>"
        )
    };
    let text = record(
        &format!("saiken-certificate-{}.{PROOF}", crate::model::ownership::hash(ARN, 12)),
        "TXT",
        &format!("\"{ARN}\""),
    );
    let page = format!(
        "<R><ResourceRecordSets>{}{text}</ResourceRecordSets><IsTruncated>false</IsTruncated><MaxItems>100</MaxItems>\
         </R>",
        record(PROOF, "CNAME", "_y.acm-validations.aws.")
    );
    let done = "<R><ChangeInfo><Id>/change/C1</Id><Status>INSYNC</Status>\
                <SubmittedAt>2026-01-01T00:00:00Z</SubmittedAt></ChangeInfo></R>";
    let script = Script::default()
        .answer("DescribeCertificate", 200, &detail(json!({})))
        .answer("ListTagsForCertificate", 200, &owned().replace("\"other\"", "\"Zold\""))
        .answer("AddTagsToCertificate", 200, "{}")
        .xml("GET /2013-04-01/hostedzone/Zold", 200, &zone_of("Zold"))
        .xml(&format!("GET /2013-04-01/hostedzone/Zold/rrset?name={PROOF}.&maxitems=100"), 200, &page)
        .xml(former, 200, done);
    let script = zone(script, "");
    let mut before = spec();
    before["zones"] = json!([{"id": "Zold"}]);
    script.update::<Certificate>(ARN, before, spec()).await.unwrap();
    let order = script.operations();
    let at = |name: &str| order.iter().position(|o| o == name).unwrap();
    assert!(at(CHANGE) < at(former) && at(former) < at("AddTagsToCertificate"), "{order:?}");
    assert!(script.asked("AddTagsToCertificate")[0].contains(r#"{"Key":"saiken:zones","Value":"other"}"#));
}

fn imported(certificate: &str) -> Value {
    json!({"imported": {"certificate": certificate, "private_key": "key", "chain": "chain"}})
}

#[tokio::test]
async fn one_that_was_issued_elsewhere_is_imported_once_and_again_in_its_place() {
    let theirs = json!({"Type": "IMPORTED", "DomainValidationOptions": []});
    let listed = json!({"CertificateSummaryList": [
        {"CertificateArn": ARN, "DomainName": "www.example.com", "Type": "IMPORTED", "Status": "ISSUED"},
    ]});
    let script = Script::default()
        .lost("ImportCertificate")
        .answer("ImportCertificate", 200, &json!({"CertificateArn": ARN}).to_string())
        .answer("ListCertificates", 200, &listed.to_string())
        .answer("GetResources", 200, r#"{"ResourceTagMappingList":[]}"#)
        .answer("ListTagsForCertificate", 200, &owned())
        .answer("DescribeCertificate", 200, &detail(theirs));
    let object = script.create::<Certificate>(imported("one")).await.unwrap();
    assert_eq!((object.id.as_str(), script.asked("ImportCertificate").len()), (ARN, 1));
    assert!(object.spec.get("imported").is_none() && object.spec.get("zones").is_none());
    script.update::<Certificate>(ARN, imported("one"), imported("two")).await.unwrap();
    let again = script.asked("ImportCertificate").pop().unwrap();
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!((&again["CertificateArn"], &again["Certificate"]), (&json!(ARN), &json!("dHdv")));
    assert!(again.get("Tags").is_none(), "they can't be given again");
}

#[tokio::test]
async fn an_authority_of_ones_own_asks_for_no_proof() {
    let theirs = json!({"Type": "PRIVATE", "DomainValidationOptions": [], "CertificateAuthorityArn": "arn:ca"});
    let script = Script::default()
        .answer("RequestCertificate", 200, &json!({"CertificateArn": ARN}).to_string())
        .answer("DescribeCertificate", 200, &detail(theirs))
        .answer("ListTagsForCertificate", 200, &owned());
    let spec = json!({"domain": "www.example.internal", "authority": "arn:ca", "key_algorithm": "ec_prime256v1"});
    let object = script.create::<Certificate>(spec).await.unwrap();
    let request: Value = serde_json::from_str(&script.asked("RequestCertificate")[0]).unwrap();
    assert_eq!((&request["CertificateAuthorityArn"], request.get("ValidationMethod")), (&json!("arn:ca"), None));
    assert_eq!(request["KeyAlgorithm"], json!("EC_prime256v1"));
    assert_eq!(object.spec["authority"], json!("arn:ca"));
}

#[tokio::test]
async fn tags_are_removed_whatever_their_value() {
    let script =
        Script::default().answer("AddTagsToCertificate", 200, "{}").answer("RemoveTagsFromCertificate", 200, "{}");
    let object = script::object::<Certificate>(ARN, spec());
    let set = Tags::from([("名前".to_owned(), "値".to_owned())]);
    Certificate::retag(&script.context(), &object, &set, &["old".to_owned()]).await.unwrap();
    assert!(script.asked("AddTagsToCertificate")[0].contains(r#"{"Key":"名前","Value":"値"}"#));
    assert!(script.asked("RemoveTagsFromCertificate")[0].contains(r#""Tags":[{"Key":"old"}]"#));
}

#[test]
fn what_the_api_refuses_is_refused_before() {
    let problems = |spec: Value| {
        let mut problems = Problems::default();
        Certificate::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
    };
    assert!(problems(spec()).is_empty());
    assert!(problems(json!({"domain": "*.example.com", "names": ["example.com"]})).is_empty());
    assert!(problems(imported("pem")).is_empty());
    assert_eq!(problems(json!({})), ["domain"]);
    assert_eq!(problems(json!({"domain": "例え.jp"})), ["domain"]);
    assert_eq!(problems(json!({"domain": format!("{}.example.com", "a".repeat(60))})), ["domain"]);
    assert_eq!(problems(json!({"domain": "a.example", "names": ["A.example"]})), ["names.0"]);
    assert_eq!(
        problems(json!({"domain": "a.example", "authority": "arn", "zones": ["s/zone"], "exportable": true})),
        ["zones", "exportable"]
    );
    let mut both = imported("pem");
    both["domain"] = json!("a.example");
    both["key_algorithm"] = json!("rsa2048");
    assert_eq!(problems(both), ["domain", "key_algorithm"]);
    let locked = json!({"imported": {"certificate": "c", "private_key": "-----BEGIN ENCRYPTED PRIVATE KEY-----"}});
    assert_eq!(problems(locked), ["imported.private_key"]);
}
