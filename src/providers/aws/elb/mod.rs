//! Load balancers and what they serve.
//!
//! The API's lists show no tags; the batch call for tags takes 20 ARNs. Candidates are what the index of tags knows,
//! and, since that lags, what has a name that saiken may have given; their tags are then asked for, so that what counts
//! is never the index. Creating calls take no client token. Their names can be taken once in a region, but the API
//! takes a call with the same name *and settings* as done, whoever made the object: so the owner of what a creating
//! call gave is looked at before anything else is done with it (`check_owner`).

mod attributes;
pub mod listener;
mod listener_actions;
mod listener_calls;
mod listener_parts;
mod listener_rules;
pub mod load_balancer;
mod load_balancer_calls;
mod load_balancer_parts;
pub mod target_group;
mod target_group_calls;
mod target_group_parts;

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_elasticloadbalancingv2::types::Tag;
use futures::{StreamExt, TryStreamExt, stream};

use super::client::{Context, Look};
use super::kind::{Selection, Tags};
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::kind::Problems;
use crate::model::ownership::{self, Owner};
use crate::model::types;

/// ARNs that one call for tags takes.
const TAGS_AT_ONCE: usize = 20;
/// Calls for single objects under way at once.
const AT_ONCE: usize = 8;
/// Longest name of a load balancer or a target group.
const NAME_LIMIT: usize = 32;
/// Longest time until the tags of a creating call are seen.
const TAGS_SEEN_WITHIN: Duration = Duration::from_secs(20);

/// Tags in the API's form.
fn to_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}

/// Tags of objects, by ARN, 20 a call. What is gone is left out.
async fn tags_of(cx: &Context, arns: &[String]) -> Result<BTreeMap<String, Tags>, ApiError> {
    let calls = arns.chunks(TAGS_AT_ONCE).map(|some| tags_of_some(cx, some.to_vec()));
    let all: Vec<Vec<(String, Tags)>> = stream::iter(calls.collect::<Vec<_>>()).buffered(AT_ONCE).try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}

async fn tags_of_some(cx: &Context, some: Vec<String>) -> Result<Vec<(String, Tags)>, ApiError> {
    match describe_tags(cx, &some).await {
        // One that is gone makes the whole call fail.
        Err(e) if e.class == ErrorClass::NotFound => {
            let mut all = Vec::new();
            for arn in some.iter().filter(|_| some.len() > 1) {
                match describe_tags(cx, std::slice::from_ref(arn)).await {
                    Err(e) if e.class == ErrorClass::NotFound => {}
                    other => all.extend(other?),
                }
            }
            Ok(all)
        }
        other => other,
    }
}

async fn describe_tags(cx: &Context, arns: &[String]) -> Result<Vec<(String, Tags)>, ApiError> {
    let request = cx.clients.elb.describe_tags().set_resource_arns(Some(arns.to_vec()));
    let answer = cx.call("elasticloadbalancing:DescribeTags", request.send()).await?;
    let tag = |t: &Tag| Some((t.key()?.to_owned(), t.value().unwrap_or_default().to_owned()));
    let all = answer.tag_descriptions().iter();
    Ok(all.filter_map(|d| Some((d.resource_arn()?.to_owned(), d.tags().iter().filter_map(tag).collect()))).collect())
}

/// Sets and removes tags of an object.
async fn retag(cx: &Context, arn: &str, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
    let client = &cx.clients.elb;
    if !set.is_empty() {
        let request = client.add_tags().resource_arns(arn).set_tags(Some(to_tags(set)));
        cx.call("elasticloadbalancing:AddTags", request.send()).await?;
    }
    if !remove.is_empty() {
        let request = client.remove_tags().resource_arns(arn).set_tag_keys(Some(remove.to_vec()));
        cx.call("elasticloadbalancing:RemoveTags", request.send()).await?;
    }
    Ok(())
}

/// Whether a name may be one that saiken gave in the selected environment: names are cut to 32 characters, with a hash.
fn may_be_ours(selection: &Selection<'_>, name: &str) -> bool {
    let Selection::Owned { project, environment } = selection else { return false };
    let prefix = ownership::name_prefix(project, environment);
    let kept = prefix.get(..NAME_LIMIT - 9).unwrap_or(&prefix);
    name.starts_with(kept.trim_end_matches('-'))
}

/// Makes sure that what a creating call gave carries the tags of that call.
///
/// # Errors
/// `Conflict` if it belongs to somebody else; the API's.
async fn check_owner(cx: &Context, watch: &dyn Watch, want: &Tags, arn: &str) -> Result<(), ApiError> {
    let whose = |tags: &Tags| Owner::from_tags(tags).map(|o| (o.project, o.environment, o.address, o.generation));
    let arns = [arn.to_owned()];
    let look = || async {
        let tags = tags_of(cx, &arns).await?.remove(arn).unwrap_or_default();
        Ok(if tags.is_empty() { Look::Not("no tags".to_owned()) } else { Look::Done(tags) })
    };
    let tags = cx.wait(watch, &format!("{arn} to show its owner's tags"), TAGS_SEEN_WITHIN, look).await?;
    if whose(&tags) == whose(want) {
        return Ok(());
    }
    let message = format!("'{arn}' has this name and these settings already, and is not ours");
    Err(ApiError::new("elasticloadbalancing:Create", ErrorClass::Conflict, message))
}

/// Says if a length of time is not within bounds, in seconds.
fn check_time(path: &str, time: Option<&types::Duration>, (least, most): (u64, u64), problems: &mut Problems) {
    let Some(time) = time.filter(|t| t.as_str().parse::<types::Duration>().is_ok()) else { return };
    if !(least..=most).contains(&time.seconds()) {
        let of = types::Duration::from_seconds;
        let message = format!("`{time}` is not within {} to {}", of(least), of(most));
        problems.add(path, message, "choose a time within them");
    }
}

/// Whole seconds in the API's type.
fn seconds(time: Option<&types::Duration>) -> Option<i32> {
    time.and_then(|t| i32::try_from(t.seconds()).ok())
}

/// Whole seconds from the API's type.
fn from_seconds(seconds: Option<i32>) -> Option<types::Duration> {
    seconds.and_then(|s| u64::try_from(s).ok()).map(types::Duration::from_seconds)
}

/// The part of an ARN that metrics name an object by: `app/web/50dc6c495c0c9188`, `targetgroup/web/73e2d6bc24d8a067`.
fn full_name(arn: &str) -> &str {
    let resource = arn.splitn(6, ':').nth(5).unwrap_or_default();
    resource.strip_prefix("loadbalancer/").unwrap_or(resource)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cloud::Unwatched;
    use crate::providers::aws::script::Script;

    #[test]
    fn a_name_that_was_cut_may_be_ours_and_metrics_have_names_of_their_own() {
        let ours =
            |project: &str, name: &str| may_be_ours(&Selection::Owned { project, environment: "production" }, name);
        assert!(ours("shop", "shop-production-web-public"));
        assert!(ours("a-rather-long-name", "a-rather-long-name-prod-1f2e3d4c"));
        assert!(!ours("shop", "shop-staging-web"));
        assert_eq!(full_name("arn:aws:elasticloadbalancing:r:1:loadbalancer/app/web/50dc"), "app/web/50dc");
        assert_eq!(full_name("arn:aws:elasticloadbalancing:r:1:targetgroup/web/73e2"), "targetgroup/web/73e2");
    }

    fn described(arn: &str) -> String {
        format!(
            "<TagDescriptions><member><ResourceArn>{arn}</ResourceArn><Tags><member><Key>team</Key><Value>w</Value>\
             </member></Tags></member></TagDescriptions>"
        )
    }

    #[tokio::test]
    async fn tags_of_what_stays_are_found_though_another_object_is_gone() {
        let script = Script::default()
            .elb_error("DescribeTags", "TargetGroupNotFound")
            .elb("DescribeTags", &described("arn:a"))
            .elb_error("DescribeTags", "TargetGroupNotFound");
        let arns = ["arn:a".to_owned(), "arn:b".to_owned()];
        let tags = tags_of(&script.context(), &arns).await.unwrap();
        assert_eq!(tags.keys().collect::<Vec<_>>(), ["arn:a"]);
        let many: Vec<String> = (0..41).map(|n| format!("arn:{n}")).collect();
        let script = Script::default().elb("DescribeTags", &described("arn:1"));
        tags_of(&script.context(), &many).await.unwrap();
        assert_eq!(script.asked("DescribeTags").len(), 3);
    }

    #[tokio::test]
    async fn what_somebody_else_made_with_the_same_settings_is_left_alone() {
        let script = Script::default().elb("DescribeTags", "").elb("DescribeTags", &described("arn:a"));
        let ours = Tags::from([("saiken:project".to_owned(), "p".to_owned())]);
        let refused = check_owner(&script.context(), &Unwatched, &ours, "arn:a").await;
        // Neither has an address: nobody's.
        assert!(refused.is_ok());
        let ours = crate::providers::aws::script::owner().tags();
        let refused = check_owner(&script.context(), &Unwatched, &ours, "arn:a").await.unwrap_err();
        assert_eq!(refused.class, ErrorClass::Conflict);
    }
}
