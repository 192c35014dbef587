//! What no emulator shows: subscriptions that wait, names that are taken, lost answers, an index that lags.

use serde_json::{Value, json};

use super::*;
use crate::model::cloud::ErrorClass;
use crate::providers::aws::script::Script;

const ARN: &str = "arn:aws:sns:r:1:p-e-s-it";

fn answer(operation: &str, members: &str) -> String {
    format!("<{operation}Response><{operation}Result>{members}</{operation}Result></{operation}Response>")
}

fn error(code: &str, message: &str) -> String {
    format!("<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>")
}

fn entries(pairs: &[(&str, &str)]) -> String {
    let entry =
        |(k, v): &(&str, &str)| format!("<entry><key>{k}</key><value>{}</value></entry>", v.replace('"', "&quot;"));
    format!("<Attributes>{}</Attributes>", pairs.iter().map(entry).collect::<String>())
}

fn tags(project: &str, more: &[(&str, &str)]) -> String {
    let mut all = vec![
        ("saiken:project", project),
        ("saiken:environment", "e"),
        ("saiken:address", "s/it"),
        ("saiken:generation", "1"),
    ];
    all.extend(more);
    let members: String =
        all.iter().map(|(k, v)| format!("<member><Key>{k}</Key><Value>{v}</Value></member>")).collect();
    format!("<Tags>{members}</Tags>")
}

fn subscriptions(all: &[(&str, &str, &str)]) -> String {
    let member = |(protocol, endpoint, arn): &(&str, &str, &str)| {
        format!(
            "<member><Protocol>{protocol}</Protocol><Endpoint>{endpoint}</Endpoint>\
             <SubscriptionArn>{arn}</SubscriptionArn></member>"
        )
    };
    format!("<Subscriptions>{}</Subscriptions>", all.iter().map(member).collect::<String>())
}

trait Answers {
    fn says(self, operation: &str, members: &str) -> Self;
}

impl Answers for Script {
    fn says(self, operation: &str, members: &str) -> Self {
        self.answer(operation, 200, &answer(operation, members))
    }
}

/// A topic that is there, with these tags beside ours.
fn there(more: &[(&str, &str)]) -> Script {
    Script::default()
        .says("ListTagsForResource", &tags("p", more))
        .says("GetTopicAttributes", &entries(&[("TopicArn", ARN), ("SubscriptionsPending", "0")]))
        .says("GetDataProtectionPolicy", "")
        .says("TagResource", "")
        .says("Subscribe", "<SubscriptionArn>pending confirmation</SubscriptionArn>")
}

fn list() -> Value {
    json!([
        {"protocol": "email", "endpoint": "ops@example.jp", "filter": {"level": ["high"]}},
        {"protocol": "sqs", "endpoint": "arn:aws:sqs:r:1:q", "raw": true},
    ])
}

#[test]
fn what_the_api_would_refuse_is_refused_before() {
    let problems = |spec: Value| {
        let mut problems = Problems::default();
        Topic::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
        problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
    };
    let subscribed = |subscription: Value| problems(json!({"subscriptions": [subscription]}));
    assert_eq!(problems(json!({"name": "a.fifo"})), ["name"]);
    assert_eq!(problems(json!({"name": "a", "fifo": true, "tracing": "active"})), ["name", "tracing"]);
    assert_eq!(
        problems(json!({"archive": "1h", "throughput_scope": "topic"})),
        ["throughput_scope", "archive", "archive"]
    );
    assert_eq!(problems(json!({"max_message_size": "2MiB"})), ["max_message_size"]);
    for (subscription, path) in [
        (json!({"protocol": "email", "endpoint": "ops"}), "endpoint"),
        (json!({"protocol": "https", "endpoint": "https://me:secret@example.jp/"}), "endpoint"),
        (json!({"protocol": "email", "endpoint": "o@example.jp", "raw": true}), "raw"),
        (json!({"protocol": "sms", "endpoint": "+819012345678", "filter_scope": "body"}), "filter_scope"),
        (json!({"protocol": "firehose", "endpoint": "arn:aws:firehose:r:1:s"}), "role"),
        (json!({"protocol": "sqs", "endpoint": "arn:aws:sqs:r:1:q", "delivery": {}}), "delivery"),
    ] {
        assert_eq!(subscribed(subscription), [format!("subscriptions.0.{path}")]);
    }
    let twice = json!({"protocol": "email", "endpoint": "ops@example.jp"});
    assert_eq!(problems(json!({"subscriptions": [twice, twice]})), ["subscriptions.1"]);
    assert!(subscribed(json!({"protocol": "https", "endpoint": "https://example.jp/a@b", "raw": true})).is_empty());
}

#[tokio::test]
async fn a_subscription_that_waits_is_shown_and_is_no_difference_once_all_was_done() {
    let script = there(&[])
        .says("CreateTopic", &format!("<TopicArn>{ARN}</TopicArn>"))
        .says("ListSubscriptionsByTopic", &subscriptions(&[]))
        .says("ListSubscriptionsByTopic", &subscriptions(&[("email", "ops@example.jp", "PendingConfirmation")]));
    let first = json!([{"protocol": "email", "endpoint": "ops@example.jp", "filter": {"level": ["high"]}}]);
    let object = script.create::<Topic>(json!({"subscriptions": first})).await.unwrap();
    assert_eq!(object.status, Status::Ready);
    assert_eq!(object.attributes["pending"], "1 not confirmed: ops@example.jp");
    let asked = script.asked("TagResource").join("");
    let mark = asked.split("Value=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    // What was given with the call can't be read: the list is known by its fingerprint.
    let script = there(&[(SUBSCRIBED, &mark)])
        .says("ListSubscriptionsByTopic", &subscriptions(&[("email", "ops@example.jp", "PendingConfirmation")]));
    let found = Topic::read(&script.context(), &Read::whole(Selection::Ids(&[ARN.to_owned()]))).await.unwrap();
    assert_eq!((found[0].unread.as_slice(), &found[0].spec.subscriptions), (["subscriptions"].as_slice(), &None));
    // A run that ended before the second subscription left another mark, or none.
    let script = there(&[])
        .says("ListSubscriptionsByTopic", &subscriptions(&[("email", "ops@example.jp", "PendingConfirmation")]));
    let found = Topic::read(&script.context(), &Read::whole(Selection::Ids(&[ARN.to_owned()]))).await.unwrap();
    assert!(found[0].unread.is_empty() && found[0].spec.subscriptions.as_ref().unwrap().len() == 1);
}

#[tokio::test]
async fn one_that_waits_and_has_nothing_but_an_endpoint_is_never_subscribed_again() {
    let bare = json!([{"protocol": "email", "endpoint": "ops@example.jp"}]);
    let with_queue = json!([{"protocol": "email", "endpoint": "ops@example.jp"}, {"protocol": "sqs",
        "endpoint": "arn:aws:sqs:r:1:q"}]);
    let script = there(&[])
        .says("ListSubscriptionsByTopic", &subscriptions(&[("email", "ops@example.jp", "PendingConfirmation")]));
    script.update::<Topic>(ARN, json!({"subscriptions": bare}), json!({"subscriptions": with_queue})).await.unwrap();
    let asked = script.asked("Subscribe");
    assert!(asked.len() == 1 && asked[0].contains("Protocol=sqs"), "{asked:?}");
    assert!(script.asked("TagResource").is_empty(), "the list can be compared as it is");
}

#[tokio::test]
async fn one_that_waits_and_is_not_wanted_stays_without_a_difference_and_the_others_go() {
    let all = [("email", "ops@example.jp", "PendingConfirmation"), ("sqs", "arn:aws:sqs:r:1:q", "arn:aws:sns:r:1:t:s")];
    let script = there(&[])
        .says("ListSubscriptionsByTopic", &subscriptions(&all))
        .says("ListSubscriptionsByTopic", &subscriptions(&all[..1]))
        .says("Unsubscribe", "");
    script.update::<Topic>(ARN, json!({"subscriptions": list()}), json!({"subscriptions": []})).await.unwrap();
    let asked = script.asked("Unsubscribe");
    assert!(asked.len() == 1 && asked[0].contains("sns%3Ar%3A1%3At%3As"), "{asked:?}");
    assert!(script.asked("TagResource").join("").contains("saiken%3Asubscribed"));
}

#[tokio::test]
async fn options_of_a_confirmed_subscription_change_in_place_each_only_if_it_differs() {
    let there_now = entries(&[
        ("RawMessageDelivery", "true"),
        ("FilterPolicy", r#"{"a": ["1"]}"#),
        ("FilterPolicyScope", "MessageAttributes"),
    ]);
    let script = there(&[])
        .says("ListSubscriptionsByTopic", &subscriptions(&[("sqs", "arn:aws:sqs:r:1:q", "arn:aws:sns:r:1:t:s")]))
        .says("GetSubscriptionAttributes", &there_now)
        .says("SetSubscriptionAttributes", "");
    let with = |filter: Value, scope: &str| {
        json!({"subscriptions": [{"protocol": "sqs", "endpoint": "arn:aws:sqs:r:1:q", "raw": true, "filter": filter,
            "filter_scope": scope, "dead_letters": ""}]})
    };
    let before = with(json!({"a": ["1"]}), "attributes");
    script.update::<Topic>(ARN, before, with(json!({"a": {"b": ["1"]}}), "body")).await.unwrap();
    let asked = script.asked("SetSubscriptionAttributes");
    assert_eq!(asked.len(), 2, "{asked:?}");
    // A filter with deeper levels is refused as long as it is about attributes.
    assert!(asked[0].contains("AttributeName=FilterPolicyScope") && asked[1].contains("AttributeName=FilterPolicy&"));
}

#[tokio::test]
async fn a_name_that_is_taken_is_finished_if_it_is_ours_and_left_alone_if_it_is_not() {
    let taken = error(
        "InvalidParameter",
        "Invalid parameter: Attributes Reason: Topic already exists with different attributes",
    );
    let with = |project: &str| {
        Script::default()
            .answer("CreateTopic", 400, &taken)
            .says("ListTopics", &format!("<Topics><member><TopicArn>{ARN}</TopicArn></member></Topics>"))
            .says("ListTagsForResource", &tags(project, &[]))
            .says("GetTopicAttributes", &entries(&[("TopicArn", ARN), ("DisplayName", "Ops")]))
            .says("GetDataProtectionPolicy", "")
            .says("ListSubscriptionsByTopic", &subscriptions(&[]))
            .says("SetTopicAttributes", "")
    };
    let script = with("p");
    let object = script.create::<Topic>(json!({"display_name": "Ops"})).await.unwrap();
    assert_eq!((object.id.as_str(), script.asked("SetTopicAttributes").len()), (ARN, 1));
    let script = with("another");
    let refused = script.create::<Topic>(json!({"display_name": "Ops"})).await.unwrap_err();
    assert_eq!(refused.code.as_deref(), Some("InvalidParameter"));
    assert!(script.asked("SetTopicAttributes").is_empty());
}

#[tokio::test]
async fn a_topic_that_the_creating_call_gives_and_that_is_somebody_elses_is_left_alone() {
    let script = Script::default()
        .says("CreateTopic", &format!("<TopicArn>{ARN}</TopicArn>"))
        .says("ListTagsForResource", &tags("another", &[]));
    let spec = json!({"subscriptions": [{"protocol": "email", "endpoint": "ops@example.jp"}]});
    let refused = script.create::<Topic>(spec).await.unwrap_err();
    assert_eq!(refused.class, ErrorClass::Conflict);
    assert_eq!(script.operations(), ["CreateTopic", "ListTagsForResource"]);
}

#[tokio::test]
async fn a_creating_call_whose_answer_is_lost_is_sent_once_and_its_topic_is_found_by_its_name() {
    let script = Script::default()
        .lost("CreateTopic")
        .says("ListTopics", "<Topics/>")
        .says("ListTopics", &format!("<Topics><member><TopicArn>{ARN}</TopicArn></member></Topics>"))
        .says("ListTagsForResource", &tags("p", &[]))
        .says("GetTopicAttributes", &entries(&[("TopicArn", ARN)]))
        .says("GetDataProtectionPolicy", "")
        .says("ListSubscriptionsByTopic", &subscriptions(&[]));
    let object = script.create::<Topic>(json!({})).await.unwrap();
    assert_eq!((object.id.as_str(), script.asked("CreateTopic").len()), (ARN, 1));
}

#[tokio::test]
async fn a_read_without_declared_fields_costs_no_call_a_topic() {
    let (other, new) = ("arn:aws:sns:r:1:own", "arn:aws:sns:r:1:p-e-s-new.fifo");
    let pairs = json!([{"Key": "saiken:project", "Value": "p"}, {"Key": "saiken:environment", "Value": "e"},
        {"Key": "saiken:address", "Value": "s/own"}, {"Key": "saiken:generation", "Value": "1"}]);
    let index = |arns: &[&str]| {
        let list: Vec<Value> = arns.iter().map(|arn| json!({"ResourceARN": arn, "Tags": pairs})).collect();
        json!({"ResourceTagMappingList": list}).to_string()
    };
    let members: String = [other, new, "arn:aws:sns:r:1:theirs"]
        .iter()
        .map(|a| format!("<member><TopicArn>{a}</TopicArn></member>"))
        .collect();
    let script = Script::default()
        .says("ListTopics", &format!("<Topics>{members}</Topics>"))
        // It still knows one that is gone, and not yet the new one.
        .answer("GetResources", 200, &index(&[other, "arn:aws:sns:r:1:gone"]))
        .says("ListTagsForResource", &tags("p", &[]));
    let read = Read::brief(Selection::Owned { project: "p", environment: "e" });
    let found = Topic::read(&script.context(), &read).await.unwrap();
    let ids: Vec<&str> = found.iter().map(|f| f.id.as_str()).collect();
    assert_eq!((ids, found[1].spec.fifo), (vec![other, new], Some(true)));
    assert_eq!(script.asked("ListTagsForResource").len(), 1, "only the new one is asked for its tags");
}

#[tokio::test]
async fn a_topic_in_the_place_of_one_that_went_just_now_waits_until_the_tags_of_that_are_forgotten() {
    let script = there(&[])
        .answer("CreateTopic", 400, &error("StaleTag", "A tag has been added to a resource with the same ARN"))
        .says("CreateTopic", &format!("<TopicArn>{ARN}</TopicArn>"))
        .says("ListSubscriptionsByTopic", &subscriptions(&[]));
    assert_eq!(script.create::<Topic>(json!({})).await.unwrap().id, ARN);
    assert_eq!(script.asked("CreateTopic").len(), 2);
}
