//! `composite_alarm`: an alarm over the states of other alarms.
//!
//! As with [`super::alarm`], its name is its id, one call writes it whole, and what is there of that name and not ours
//! is left alone. `any` and `all` are written as a rule; a rule that says just that comes back in both forms. The
//! alarms that it looks at can't be deleted before it: the API refuses, and the order of a plan follows from the
//! references, those in the words of a rule included (`watched`).
//! API: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html>

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_cloudwatch::types::{AlarmType, CompositeAlarm as ApiAlarm};
use futures::{StreamExt, TryStreamExt, stream};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

use super::actions::Actions;
use super::alarm::{self, Alarm};
use super::{AT_ONCE, Which, alarm_name, alarms, arn_of_name, candidates, refuse_foreign, retag, tags, to_tags};
use crate::model::cloud::ApiError;
use crate::model::kind::{Attribute, Facts, Kind, Permissions, Problems, Replacement, Scope};
use crate::model::observed::{Object, Status};
use crate::model::preflight::View;
use crate::model::types::{Duration, Ref};
use crate::providers::aws::arns;
use crate::providers::aws::client::Context;
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{AwsKind, Create, Delete, Found, Read, Selection, Tags, Update};
use crate::providers::aws::preflight::kind::{Checked, Holder, Name, Needs};

/// The kind `composite_alarm`.
pub struct CompositeAlarm;

/// An alarm over the states of other alarms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Its name, 255 characters at most, also Japanese ones; derived from the address if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255), extend("x-change" = "replace"))]
    pub name: Option<String>,
    /// What it means and what to do; 1,024 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// Rings if one of these alarms does. This, `all` or `rule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), extend("x-unordered" = true))]
    pub any: Option<Vec<Ref<Alarm>>>,
    /// Rings if all of these alarms do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), extend("x-unordered" = true))]
    pub all: Option<Vec<Ref<Alarm>>>,
    /// The rule in the API's language: `ALARM("a") AND NOT OK("b")`; put names in by `{{ … .name }}`. White space does
    /// not count.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "rule")]
    #[schemars(length(min = 1, max = 10_240))]
    pub rule: Option<String>,
    /// All alarms that the rule names, of both sorts. It follows from the rule, and is not written: it is there so that
    /// none of them is deleted first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub watched: Option<Vec<Ref<Alarm>>>,
    /// An alarm that keeps the actions back while it rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppressor: Option<Suppressor>,
    /// What is done when it rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_alarm: Option<Actions>,
    /// What is done when it is well again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_ok: Option<Actions>,
    /// What is done when nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_insufficient_data: Option<Actions>,
    /// Whether anything is done at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actions_enabled: Option<bool>,
    /// Tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<BTreeMap<String, String>>,
}

/// An alarm that keeps the actions back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Suppressor {
    /// The alarm.
    pub alarm: Ref<Alarm>,
    /// How long to wait for it to ring before the actions are done.
    pub wait: Duration,
    /// How long to wait after it is well again.
    pub extension: Duration,
}

/// A rule with single spaces, so that lines can be broken.
fn rule<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(|text| canonical(&text)))
}

/// White space outside of quotes as one space, none at both ends.
fn canonical(rule: &str) -> String {
    let (mut out, mut quoted, mut escaped, mut space) = (String::with_capacity(rule.len()), false, false, false);
    for c in rule.chars() {
        if c.is_whitespace() && !quoted {
            space = !out.is_empty();
            continue;
        }
        if std::mem::take(&mut space) {
            out.push(' ');
        }
        out.push(c);
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && c == '\\' && !escaped;
    }
    out
}

/// A rule over alarms that ring, joined by `OR` or `AND`.
fn joined(names: &[String], word: &str) -> String {
    let quoted = |name: &String| format!("ALARM(\"{}\")", name.replace('\\', "\\\\").replace('"', "\\\""));
    names.iter().map(quoted).collect::<Vec<_>>().join(&format!(" {word} "))
}

/// The alarms of a rule that is alarms that ring, joined by this word; none if it is anything else.
fn parts(rule: &str, word: &str) -> Option<Vec<String>> {
    let (mut rest, mut names) = (rule, Vec::new());
    loop {
        rest = rest.strip_prefix("ALARM(\"")?;
        let (mut name, mut escaped, mut end) = (String::new(), false, None);
        for (at, c) in rest.char_indices() {
            match c {
                '\\' if !escaped => escaped = true,
                '"' if !escaped => {
                    end = Some(at);
                    break;
                }
                c => {
                    name.push(c);
                    escaped = false;
                }
            }
        }
        names.push(name);
        rest = rest[end?..].strip_prefix("\")")?;
        if rest.is_empty() {
            return Some(names);
        }
        rest = rest.strip_prefix(' ')?.strip_prefix(word)?.strip_prefix(' ')?;
    }
}

/// The alarms that a rule names, by name or ARN, whatever it says of them.
fn watched(rule: &str) -> Vec<String> {
    const WORDS: [&str; 9] = ["AND", "OR", "NOT", "TRUE", "FALSE", "ALARM", "OK", "INSUFFICIENT_DATA", "AT_LEAST"];
    let (mut names, mut word, mut quoted, mut escaped) = (Vec::new(), String::new(), false, false);
    for c in rule.chars().chain(std::iter::once(' ')) {
        let ends = if quoted { c == '"' && !escaped } else { c == '"' || "(),".contains(c) || c.is_whitespace() };
        if !ends {
            escaped = quoted && c == '\\' && !escaped;
            if !escaped {
                word.push(c);
            }
            continue;
        }
        let found = std::mem::take(&mut word);
        let name = !found.is_empty() && (quoted || !WORDS.contains(&found.as_str()) && found.parse::<u32>().is_err());
        if name && !names.contains(&found) {
            names.push(found);
        }
        quoted = c == '"' && !quoted;
    }
    names
}

impl Kind for CompositeAlarm {
    const NAME: &'static str = "composite_alarm";
    type Spec = Spec;

    fn facts() -> Facts {
        Facts {
            title: "alarm over other alarms",
            service: "cloudwatch",
            reference: "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html",
            scope: Scope::Regional,
            data: None,
            replacement: Replacement::CreateFirst,
            serves: false,
            attributes: const {
                &[
                    Attribute::stable("id", "Its name"),
                    Attribute::stable("name", "Name"),
                    Attribute::stable("arn", "ARN"),
                ]
            },
            permissions: Permissions {
                read: &["cloudwatch:DescribeAlarms", "cloudwatch:ListTagsForResource", "tag:GetResources"],
                create: &["cloudwatch:PutCompositeAlarm", "cloudwatch:TagResource"],
                update: &["cloudwatch:PutCompositeAlarm", "cloudwatch:TagResource", "cloudwatch:UntagResource"],
                delete: &["cloudwatch:DeleteAlarms"],
            },
            name_limit: 255,
            creation_seconds: 1,
            deletion_seconds: 1,
            quota: 5_000,
            zone_field: None,
            loose_refs: &[],
        }
    }

    fn validate(spec: &Spec, problems: &mut Problems) {
        let forms = [spec.any.is_some(), spec.all.is_some(), spec.rule.is_some()];
        if forms.into_iter().filter(|given| *given).count() != 1 {
            problems.add("rule", "an alarm over others has one rule", "give one of `any`, `all` and `rule`");
        }
        if spec.watched.is_some() {
            problems.add("watched", "it follows from the rule", "leave `watched` out");
        }
        for (path, actions) in
            [("on_alarm", &spec.on_alarm), ("on_ok", &spec.on_ok), ("on_insufficient_data", &spec.on_insufficient_data)]
        {
            Actions::check(actions.as_ref(), path, problems);
            // <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutCompositeAlarm.html>
            let others = actions.iter().flat_map(|a| a.others.iter().flatten());
            for arn in others.filter(|arn| ["automate", "autoscaling"].iter().any(|s| arn.split(':').nth(2) == Some(s)))
            {
                let message = format!("an alarm over others can't do `{arn}`");
                problems.add(path, message, "let the alarm on the metric do it");
            }
        }
    }
}

#[async_trait]
impl Checked for CompositeAlarm {
    fn needs() -> Needs {
        Needs { resource: "alarm:{name}", only_for: &[] }
    }

    fn names(view: &View<'_>) -> Vec<Name> {
        view.own_name().map(Name::new).into_iter().collect()
    }

    async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        alarm::holders(cx, names).await
    }
}

#[async_trait]
impl AwsKind for CompositeAlarm {
    async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
        let (all, mut index) = match &read.selection {
            Selection::Ids(ids) => {
                let names: Vec<String> = ids.iter().map(|id| alarm_name(id).to_owned()).collect();
                (alarms(cx, Which::Names(&names), &[AlarmType::CompositeAlarm]).await?, BTreeMap::new())
            }
            Selection::Owned { .. } | Selection::Tagged(_) => {
                candidates(cx, &read.selection, AlarmType::CompositeAlarm).await?
            }
        };
        let each = all.composite.into_iter().map(|alarm| {
            let known = index.remove(alarm.alarm_arn().unwrap_or_default());
            with_tags(cx, read, alarm, known)
        });
        let found: Vec<Option<Found<Spec>>> = stream::iter(each).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
        let name = want.spec.name.as_deref().unwrap_or(want.name);
        let there = arn_of_name(cx, name).await?;
        refuse_foreign(cx, want, "cloudwatch:PutCompositeAlarm", there.as_deref()).await?;
        put(cx, want, name, None).await?;
        Ok(name.to_owned())
    }

    async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
        let names = [update.id.to_owned()];
        let there = alarms(cx, Which::Names(&names), &[AlarmType::CompositeAlarm]).await?.composite.into_iter().next();
        put(cx, &update.want, update.id, there.as_ref()).await
    }

    async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
        let request = cx.clients.cloudwatch.delete_alarms().alarm_names(delete.id);
        cx.call("cloudwatch:DeleteAlarms", request.send()).await.map(drop)
    }

    async fn retag(cx: &Context, object: &Object, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
        retag(cx, object, set, remove).await
    }
}

/// The rule to write.
fn wanted(want: &Create<'_, Spec>) -> Result<String, ApiError> {
    let spec = want.spec;
    Ok(match (&spec.any, &spec.all, &spec.rule) {
        (Some(any), _, _) => joined(&names(want, any)?, "OR"),
        (None, Some(all), _) => joined(&names(want, all)?, "AND"),
        (None, None, rule) => rule.clone().unwrap_or_default(),
    })
}

fn names(want: &Create<'_, Spec>, references: &[Ref<Alarm>]) -> Result<Vec<String>, ApiError> {
    Ok(want.ids(references)?.iter().map(|id| alarm_name(id).to_owned()).collect())
}

/// Writes an alarm whole; what is not declared is as it is there.
async fn put(cx: &Context, want: &Create<'_, Spec>, name: &str, there: Option<&ApiAlarm>) -> Result<(), ApiError> {
    let spec = want.spec;
    let old = |actions: fn(&ApiAlarm) -> &[String]| there.map(actions).unwrap_or_default();
    let seconds = |d: &Duration| i32::try_from(d.seconds()).unwrap_or(i32::MAX);
    let mut request = cx
        .clients
        .cloudwatch
        .put_composite_alarm()
        .alarm_name(name)
        .alarm_rule(wanted(want)?)
        .set_alarm_description(
            spec.description.as_deref().or(there.and_then(ApiAlarm::alarm_description)).map(str::to_owned),
        )
        .set_actions_enabled(spec.actions_enabled.or(there.and_then(ApiAlarm::actions_enabled)))
        .set_alarm_actions(Some(Actions::wanted(spec.on_alarm.as_ref(), want, old(ApiAlarm::alarm_actions))?))
        .set_ok_actions(Some(Actions::wanted(spec.on_ok.as_ref(), want, old(ApiAlarm::ok_actions))?))
        .set_insufficient_data_actions(Some(Actions::wanted(
            spec.on_insufficient_data.as_ref(),
            want,
            old(ApiAlarm::insufficient_data_actions),
        )?))
        .set_action_configuration(there.and_then(|a| a.action_configuration.clone()));
    request = match &spec.suppressor {
        Some(suppressor) => request
            .actions_suppressor(arns::of(want, &suppressor.alarm)?)
            .actions_suppressor_wait_period(seconds(&suppressor.wait))
            .actions_suppressor_extension_period(seconds(&suppressor.extension)),
        None => request
            .set_actions_suppressor(there.and_then(|a| a.actions_suppressor.clone()))
            .set_actions_suppressor_wait_period(there.and_then(|a| a.actions_suppressor_wait_period))
            .set_actions_suppressor_extension_period(there.and_then(|a| a.actions_suppressor_extension_period)),
    };
    if there.is_none() {
        request = request.set_tags(Some(to_tags(want.tags)));
    }
    cx.call("cloudwatch:PutCompositeAlarm", request.send()).await.map(drop)
}

/// An alarm with its tags; none if it is not selected, or was deleted since the page was read.
async fn with_tags(
    cx: &Context,
    read: &Read<'_>,
    alarm: ApiAlarm,
    known: Option<Tags>,
) -> Result<Option<Found<Spec>>, ApiError> {
    let known = match known {
        Some(tags) => tags,
        None => match tags(cx, alarm.alarm_arn().unwrap_or_default()).await? {
            Some(tags) => tags,
            None => return Ok(None),
        },
    };
    let named = matches!(read.selection, Selection::Ids(_));
    let wanted = named || read.selection.matches(alarm.alarm_name().unwrap_or_default(), &known);
    Ok(wanted.then(|| found(&alarm, known)))
}

fn found(alarm: &ApiAlarm, tags: Tags) -> Found<Spec> {
    let name = alarm.alarm_name().unwrap_or_default().to_owned();
    let arn = alarm.alarm_arn().unwrap_or_default().to_owned();
    let rule = canonical(alarm.alarm_rule().unwrap_or_default());
    let references = |word| parts(&rule, word).map(|names| names.into_iter().map(Ref::id).collect());
    let seconds = |n: Option<i32>| Duration::from_seconds(n.and_then(|n| u64::try_from(n).ok()).unwrap_or(0));
    Found {
        identifiers: vec![arn.clone()],
        attributes: attributes([("id", json!(name)), ("name", json!(name)), ("arn", json!(arn))]),
        spec: Spec {
            name: Some(name.clone()),
            description: Some(alarm.alarm_description().unwrap_or_default().to_owned()),
            any: references("OR"),
            all: references("AND"),
            watched: Some(watched(&rule).into_iter().map(Ref::id).collect()),
            rule: Some(rule),
            suppressor: alarm.actions_suppressor().filter(|s| !s.is_empty()).map(|suppressor| Suppressor {
                alarm: Ref::id(suppressor),
                wait: seconds(alarm.actions_suppressor_wait_period()),
                extension: seconds(alarm.actions_suppressor_extension_period()),
            }),
            on_alarm: Actions::observed(alarm.alarm_actions()),
            on_ok: Actions::observed(alarm.ok_actions()),
            on_insufficient_data: Actions::observed(alarm.insufficient_data_actions()),
            actions_enabled: Some(alarm.actions_enabled().unwrap_or(true)),
            tags: None,
        },
        status: Status::Ready,
        tags,
        unread: Vec::new(),
        id: name,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::cloud::ErrorClass;
    use crate::providers::aws::script::Script;

    #[test]
    fn a_rule_over_alarms_that_ring_comes_back_in_the_form_that_it_was_written_in() {
        let names = ["a".to_owned(), "b \"c\" \\ d) OR ALARM(".to_owned(), "警報".to_owned()];
        for word in ["OR", "AND"] {
            assert_eq!(parts(&joined(&names, word), word).as_deref(), Some(names.as_slice()));
        }
        let rule = joined(&names, "OR");
        assert_eq!(canonical(&rule), rule);
        assert_eq!(parts(&rule, "AND"), None);
        for other in ["", "ALARM(a)", "ALARM(\"a\") OR OK(\"b\")", "NOT ALARM(\"a\")", "ALARM(\"a", "ALARM(\"a\") OR"] {
            assert_eq!(parts(other, "OR"), None, "{other}");
        }
    }

    #[test]
    fn all_alarms_of_a_rule_are_seen_so_that_none_goes_before_it() {
        let rule = "(ALARM(\"a \\\"b\\\"\") OR OK(plain)) AND NOT INSUFFICIENT_DATA(\"arn:aws:cloudwatch:r:1:alarm:c\") \
                    AND AT_LEAST(2, ALARM, (d, \"警報\", plain)) AND TRUE";
        let all = ["a \"b\"", "plain", "arn:aws:cloudwatch:r:1:alarm:c", "d", "警報"];
        assert_eq!(watched(rule), all);
        assert!(watched("NOT FALSE").is_empty());
    }

    #[test]
    fn white_space_outside_of_names_does_not_count() {
        let spec: Spec = serde_json::from_value(json!({"rule": "  ALARM(\"a  b\")\n  AND\tOK(c)\n"})).unwrap();
        assert_eq!(spec.rule.as_deref(), Some("ALARM(\"a  b\") AND OK(c)"));
    }

    #[test]
    fn there_is_one_rule_and_no_action_that_only_alarms_on_metrics_can_do() {
        let problems = |spec: Value| {
            let mut problems = Problems::default();
            CompositeAlarm::validate(&serde_json::from_value(spec).unwrap(), &mut problems);
            problems.0.into_iter().map(|p| p.path).collect::<Vec<_>>()
        };
        assert_eq!(problems(json!({})), ["rule"]);
        assert_eq!(problems(json!({"rule": "ALARM(a)", "watched": ["s/other"]})), ["watched"]);
        assert_eq!(problems(json!({"any": ["s/other"], "rule": "TRUE"})), ["rule"]);
        let recover = json!({"others": ["arn:aws:automate:r:ec2:recover"]});
        assert_eq!(problems(json!({"rule": "TRUE", "on_alarm": recover})), ["on_alarm"]);
    }

    fn alarm() -> Value {
        json!({"CompositeAlarms": [{
            "AlarmName": "p-e-s-it", "AlarmArn": "arn:aws:cloudwatch:r:1:alarm:p-e-s-it",
            "AlarmRule": "ALARM(\"other\") AND ALARM(\"more\")", "ActionsEnabled": true,
            "ActionsSuppressor": "arn:aws:cloudwatch:r:1:alarm:other", "ActionsSuppressorWaitPeriod": 60,
            "ActionsSuppressorExtensionPeriod": 120, "AlarmActions": ["arn:aws:sns:r:1:t"],
        }]})
    }

    fn tags(project: &str) -> Value {
        let all = [("project", project), ("environment", "e"), ("address", "s/it"), ("generation", "1")];
        let all: Vec<Value> = all.iter().map(|(k, v)| json!({"Key": format!("saiken:{k}"), "Value": v})).collect();
        json!({"Tags": all})
    }

    #[tokio::test]
    async fn the_suppressor_and_its_times_are_written_and_read_and_stay_if_they_are_not_declared() {
        let script = Script::default()
            .cbor("DescribeAlarms", 200, &json!({}))
            .cbor("DescribeAlarms", 200, &alarm())
            .cbor("ListTagsForResource", 200, &tags("p"))
            .cbor("PutCompositeAlarm", 200, &json!({}));
        let suppressor = json!({"alarm": "s/other", "wait": "1m", "extension": "2m"});
        let spec = json!({"all": ["s/other", {"id": "more"}], "suppressor": suppressor});
        let object = script.create::<CompositeAlarm>(spec).await.unwrap();
        assert_eq!(object.spec["suppressor"]["wait"], "1m");
        assert_eq!(object.spec["suppressor"]["extension"], "2m");
        assert_eq!(object.spec["all"], json!([{"id": "other"}, {"id": "more"}]));
        assert_eq!(object.spec.get("any"), None);
        let asked = script.asked("PutCompositeAlarm").join("");
        assert!(asked.contains("ALARM(\"other\") AND ALARM(\"more\")") && asked.contains("saiken:address"), "{asked}");
        let (before, after) = (json!({"rule": "TRUE"}), json!({"rule": "FALSE"}));
        script.update::<CompositeAlarm>("p-e-s-it", before, after).await.unwrap();
        let asked = script.asked("PutCompositeAlarm").pop().unwrap();
        for kept in ["arn:aws:cloudwatch:r:1:alarm:other", "ActionsSuppressorWaitPeriod", "arn:aws:sns:r:1:t", "FALSE"]
        {
            assert!(asked.contains(kept), "{kept}: {asked}");
        }
        assert!(!asked.contains("saiken:"), "tags count in the first call only: {asked}");
    }

    #[tokio::test]
    async fn an_alarm_of_somebody_else_is_not_overwritten_and_ours_that_a_lost_call_made_is_finished() {
        let script = |project: &str| {
            Script::default()
                .cbor("DescribeAlarms", 200, &alarm())
                .cbor("ListTagsForResource", 200, &tags(project))
                .lost("PutCompositeAlarm")
                .cbor("PutCompositeAlarm", 200, &json!({}))
        };
        let (spec, theirs, ours) = (json!({"rule": "TRUE"}), script("another"), script("p"));
        let refused = theirs.create::<CompositeAlarm>(spec.clone()).await.unwrap_err();
        assert_eq!(refused.class, ErrorClass::Conflict);
        assert!(theirs.asked("PutCompositeAlarm").is_empty());
        assert_eq!(ours.create::<CompositeAlarm>(spec).await.unwrap().id, "p-e-s-it");
    }
}
