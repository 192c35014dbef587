//! The calls of the kind `web_acl`.

use std::time::Duration;

use aws_sdk_wafv2::types::{ResourceType, Scope, Tag, WebAclSummary};
use futures::{StreamExt, TryStreamExt, stream};
use serde_json::{Map, Value, json};

use super::raw::{Answer, with_body};
use super::web_acl::{ContentType, DefaultAction, ResponseBody, Spec, WebAcl};
use super::web_acl_parts as parts;
use crate::model::cloud::{ApiError, ErrorClass, Watch};
use crate::model::observed::Status;
use crate::model::ownership::{self, Owner};
use crate::model::types::Ref;
use crate::providers::aws::client::{Context, Look};
use crate::providers::aws::ec2::attributes;
use crate::providers::aws::kind::{Create, Delete, Found, Read, Selection, Tags, Update, create_once};
use crate::providers::aws::preflight::kind::{Holder, Name};
use crate::providers::aws::tagging;

/// Calls for single lists under way at once.
const AT_ONCE: usize = 8;
/// Longest time until the service knows what is new, a load balancer or what a rule names; its documentation speaks of minutes.
const KNOWN_WITHIN: Duration = Duration::from_secs(300);
/// Longest time until a list has been let go of by what it stood before.
const FREE_WITHIN: Duration = Duration::from_secs(300);
/// Members of a list that are told, and not written.
const TOLD: [&str; 9] = [
    "Name",
    "Id",
    "ARN",
    "Capacity",
    "LockToken",
    "LabelNamespace",
    "ManagedByFirewallManager",
    "PreProcessFirewallManagerRuleGroups",
    "PostProcessFirewallManagerRuleGroups",
];
/// As those, of lists that another service has taken over.
const RETROFITTED: &str = "RetrofittedByFirewallManager";

/// All lists of the region.
async fn all(cx: &Context) -> Result<Vec<WebAclSummary>, ApiError> {
    let mut all = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let request = cx.clients.waf.list_web_acls().scope(Scope::Regional).limit(100).set_next_marker(marker.clone());
        let page = cx.call("wafv2:ListWebACLs", request.send()).await?;
        let some = page.web_acls.unwrap_or_default();
        // The service gives a marker with the last page, too.
        let last = some.is_empty() || page.next_marker.is_none() || page.next_marker == marker;
        all.extend(some);
        if last {
            return Ok(all);
        }
        marker = page.next_marker;
    }
}

/// Tags of a list; none if it is gone.
async fn tags(cx: &Context, arn: &str) -> Result<Option<Tags>, ApiError> {
    let mut all = Tags::new();
    let mut marker: Option<String> = None;
    loop {
        let request =
            cx.clients.waf.list_tags_for_resource().resource_arn(arn).limit(100).set_next_marker(marker.clone());
        let page = match cx.call("wafv2:ListTagsForResource", request.send()).await {
            Err(e) if e.class == ErrorClass::NotFound => return Ok(None),
            other => other?,
        };
        let info = page.tag_info_for_resource();
        all.extend(info.into_iter().flat_map(|i| i.tag_list()).map(|t| (t.key().to_owned(), t.value().to_owned())));
        if page.next_marker.is_none() || page.next_marker == marker {
            return Ok(Some(all));
        }
        marker = page.next_marker;
    }
}

/// Name and id of a list, by its ARN: `…:regional/webacl/NAME/ID`.
fn place(arn: &str) -> Option<(&str, &str)> {
    arn.split_once(":regional/webacl/")?.1.split_once('/')
}

/// Who has these names.
pub(super) async fn holders(cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
    let mut holders = Vec::new();
    for list in all(cx).await? {
        let name = Name::new(list.name().unwrap_or_default());
        if names.contains(&name) {
            let id = list.arn().unwrap_or_default().to_owned();
            let owner = tags(cx, &id).await?.as_ref().and_then(Owner::from_tags);
            holders.push(Holder { name, id, owner });
        }
    }
    Ok(holders)
}

/// ARNs of lists that may be selected.
async fn candidates(cx: &Context, selection: &Selection<'_>) -> Result<Vec<String>, ApiError> {
    if let Selection::Ids(ids) = selection
        && ids.iter().all(|id| id.starts_with("arn:"))
    {
        return Ok(ids.to_vec());
    }
    let (lists, index) = futures::try_join!(all(cx), tagging::of_service(cx, "wafv2", selection))?;
    let ours = |name: &str, arn: &str| match selection {
        Selection::Ids(ids) => ids.iter().any(|id| id == name || id == arn),
        Selection::Owned { project, environment } => {
            index.contains_key(arn) || name.starts_with(&ownership::name_prefix(project, environment))
        }
        Selection::Tagged(_) => index.contains_key(arn),
    };
    let chosen = lists.into_iter().filter(|l| ours(l.name().unwrap_or_default(), l.arn().unwrap_or_default()));
    Ok(chosen.filter_map(|l| l.arn).collect())
}

/// Reads lists: of each that may be ours its tags, then what is in those that are.
pub(super) async fn read(cx: &Context, read: &Read<'_>) -> Result<Vec<Found<Spec>>, ApiError> {
    let arns = candidates(cx, &read.selection).await?;
    let calls = arns.into_iter().map(|arn| found(cx, read, arn)).collect::<Vec<_>>();
    let all: Vec<Option<Found<Spec>>> = stream::iter(calls).buffered(AT_ONCE).try_collect().await?;
    Ok(all.into_iter().flatten().collect())
}

/// A list with what is asked for of it; none if it is not selected, or not there.
async fn found(cx: &Context, read: &Read<'_>, arn: String) -> Result<Option<Found<Spec>>, ApiError> {
    let by_id = matches!(read.selection, Selection::Ids(_));
    let Some(tags) = tags(cx, &arn).await?.filter(|tags| by_id || read.selection.matches(&arn, tags)) else {
        return Ok(None);
    };
    // The tags of what is gone may still be told.
    let Some((list, _)) = get(cx, &arn).await? else { return Ok(None) };
    let mut unread = Vec::new();
    let mut spec = observed(&list)?;
    if read.wants("logging", &tags) {
        spec.logging = Some(logging(cx, &arn).await?.as_ref().map(parts::observed_logging).unwrap_or_default());
    } else {
        unread.push("logging");
    }
    if read.wants("load_balancers", &tags) {
        spec.load_balancers = Some(balancers(cx, &arn).await?.into_iter().map(Ref::id).collect());
    } else {
        unread.push("load_balancers");
    }
    let name = spec.name.clone().unwrap_or_default();
    Ok(Some(Found {
        identifiers: vec![name.clone()],
        attributes: attributes([("id", json!(arn)), ("arn", json!(arn)), ("name", json!(name))]),
        spec,
        status: Status::Ready,
        tags,
        unread,
        id: arn,
    }))
}

/// A list as the service has it, and its lock token; none if it is not there.
async fn get(cx: &Context, arn: &str) -> Result<Option<(Value, String)>, ApiError> {
    let Some((name, id)) = place(arn) else { return Ok(None) };
    let kept = Answer::default();
    let request = cx.clients.waf.get_web_acl().name(name).id(id).scope(Scope::Regional);
    let answer = match cx.call("wafv2:GetWebACL", request.customize().interceptor(kept.clone()).send()).await {
        Err(e) if e.class == ErrorClass::NotFound => return Ok(None),
        other => other?,
    };
    let list = kept.take().get_mut("WebACL").map(Value::take).unwrap_or_default();
    Ok(Some((list, answer.lock_token().unwrap_or_default().to_owned())))
}

fn observed(list: &Value) -> Result<Spec, ApiError> {
    let unfit = |what: &str| ApiError::new("wafv2:GetWebACL", ErrorClass::Other, format!("a list without {what}"));
    let text = |key: &str| list.get(key).and_then(Value::as_str).map(str::to_owned);
    let action = list.get("DefaultAction").and_then(parts::observed_action);
    let (word, response, headers) = action.ok_or_else(|| unfit("default action"))?;
    let bodies = list.get("CustomResponseBodies").and_then(Value::as_object);
    let body = |(name, body): (&String, &Value)| {
        let content_type = ContentType::from_api(body.get("ContentType")?.as_str()?)?;
        let content = body.get("Content")?.as_str()?.to_owned();
        Some((name.clone(), ResponseBody { content_type, content }))
    };
    let items = |key: &str| list.get(key).and_then(Value::as_array).into_iter().flatten();
    Ok(Spec {
        name: text("Name"),
        description: text("Description").filter(|d| !d.is_empty()),
        default_action: DefaultAction::from_api(word).ok_or_else(|| unfit("a default action that is known"))?,
        default_response: response,
        default_headers: headers,
        rules: Some(items("Rules").filter_map(parts::observed_rule).collect()),
        visibility: parts::observed_visibility(list.get("VisibilityConfig")),
        response_bodies: Some(bodies.into_iter().flatten().filter_map(body).collect()),
        captcha_immunity: parts::observed_immunity(list.get("CaptchaConfig")),
        challenge_immunity: parts::observed_immunity(list.get("ChallengeConfig")),
        token_domains: Some(items("TokenDomains").filter_map(|d| d.as_str().map(str::to_owned)).collect()),
        load_balancers: None,
        logging: None,
        tags: None,
    })
}

/// Puts what is declared over a list as the service has it.
pub(super) fn overlay(list: &mut Map<String, Value>, spec: &Spec, name: &str) {
    let word = spec.default_action.api();
    let action = parts::action(word, spec.default_response.as_ref(), spec.default_headers.as_ref());
    // What is not declared of the same action stays.
    let same = list.get("DefaultAction").and_then(parts::observed_action).is_some_and(|(now, ..)| now == word);
    let plain = spec.default_response.is_none() && spec.default_headers.is_none();
    if !(same && plain) {
        list.insert("DefaultAction".to_owned(), action);
    }
    let mut put = |key: &str, value: Option<Value>| value.map(|value| list.insert(key.to_owned(), value));
    put("Description", spec.description.as_ref().map(|d| json!(d)));
    let rules = spec.rules.as_ref().map(|rules| rules.iter().map(|(n, r)| parts::rule(n, r)).collect::<Vec<_>>());
    put("Rules", rules.map(Value::Array));
    let body = |(name, body): (&String, &ResponseBody)| {
        (name.clone(), json!({"ContentType": body.content_type.api(), "Content": body.content}))
    };
    put("CustomResponseBodies", spec.response_bodies.as_ref().map(|b| b.iter().map(body).collect()));
    put("CaptchaConfig", spec.captcha_immunity.as_ref().map(parts::immunity));
    put("ChallengeConfig", spec.challenge_immunity.as_ref().map(parts::immunity));
    put("TokenDomains", spec.token_domains.as_ref().map(|d| json!(d)));
    put("VisibilityConfig", spec.visibility.as_ref().map(|v| parts::visibility(Some(v), name)));
    if !list.contains_key("VisibilityConfig") {
        list.insert("VisibilityConfig".to_owned(), parts::visibility(None, name));
    }
    // The service takes no empty ones.
    let empty = |v: &Value| v.as_array().is_some_and(Vec::is_empty) || v.as_object().is_some_and(Map::is_empty);
    list.retain(|key, value| !value.is_null() && (key == "Rules" || !empty(value)));
}

/// Makes a list with its tags and rules, then its logs, and puts it before load balancers.
pub(super) async fn create(cx: &Context, want: &Create<'_, Spec>) -> Result<String, ApiError> {
    let spec = want.spec;
    let name = spec.name.as_deref().unwrap_or(want.name);
    let mut body = Map::new();
    body.insert("Name".to_owned(), json!(name));
    body.insert("Scope".to_owned(), json!("REGIONAL"));
    overlay(&mut body, spec, name);
    let tags: Vec<Value> = want.tags.iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect();
    body.insert("Tags".to_owned(), Value::Array(tags));
    let body = Value::Object(body);
    let once = cx.once();
    let what = format!("what {name} names to be known");
    let call = once.wait(want.watch, &what, KNOWN_WITHIN, || async {
        let request = once.clients.waf.create_web_acl().name(name).scope(Scope::Regional);
        let request = request.customize().mutate_request(with_body(&body));
        match once.call("wafv2:CreateWebACL", request.send()).await {
            Ok(answer) => Ok(Look::Done(answer.summary().and_then(|s| s.arn()).unwrap_or_default().to_owned())),
            Err(e) if is_unknown_yet(&e) => Ok(Look::Not(e.message)),
            Err(e) => Err(e),
        }
    });
    let arn = create_once::<WebAcl>(cx, want, Some(name), call).await?;
    if spec.logging.as_ref().is_some_and(|l| !l.destination.is_empty()) {
        set_logging(cx, want, &arn).await?;
    }
    for balancer in want.ids(spec.load_balancers.as_deref().unwrap_or_default())? {
        associate(cx, &arn, &balancer, want.watch).await?;
    }
    Ok(arn)
}

/// The list itself, logs, load balancers.
pub(super) async fn update(cx: &Context, update: &Update<'_, Spec>) -> Result<(), ApiError> {
    const OWN: [&str; 10] = [
        "description",
        "default_action",
        "default_response",
        "default_headers",
        "rules",
        "visibility",
        "response_bodies",
        "captcha_immunity",
        "challenge_immunity",
        "token_domains",
    ];
    let want = &update.want;
    if OWN.into_iter().any(|f| update.changed(f)) {
        write(cx, want, update.id).await?;
    }
    if update.changed("logging") {
        set_logging(cx, want, update.id).await?;
    }
    if update.changed("load_balancers") {
        let wanted = want.ids(want.spec.load_balancers.as_deref().unwrap_or_default())?;
        let have = balancers(cx, update.id).await?;
        for balancer in wanted.iter().filter(|b| !have.contains(b)) {
            associate(cx, update.id, balancer, want.watch).await?;
        }
        for balancer in have.iter().filter(|b| !wanted.contains(b)) {
            disassociate(cx, balancer).await?;
        }
    }
    Ok(())
}

/// Writes a list whole: what is declared, and the rest as it is. If somebody else writes it meanwhile, it is read
/// again; and if what it names is new, until the service knows that.
async fn write(cx: &Context, want: &Create<'_, Spec>, arn: &str) -> Result<(), ApiError> {
    let gone = || ApiError::new("wafv2:UpdateWebACL", ErrorClass::NotFound, format!("'{arn}' is gone"));
    cx.wait(
        want.watch,
        &format!("{arn} to be written by nobody else, and what it names to be known"),
        KNOWN_WITHIN,
        || async {
            let (list, token) = get(cx, arn).await?.ok_or_else(gone)?;
            let (name, id) = place(arn).ok_or_else(gone)?;
            let mut body = list.as_object().cloned().unwrap_or_default();
            body.retain(|key, _| !TOLD.contains(&key.as_str()) && key != RETROFITTED);
            overlay(&mut body, want.spec, name);
            for (key, value) in [("Name", name), ("Id", id), ("Scope", "REGIONAL"), ("LockToken", token.as_str())] {
                body.insert(key.to_owned(), json!(value));
            }
            let request = cx.clients.waf.update_web_acl().name(name).id(id).scope(Scope::Regional).lock_token(&token);
            let request = request.customize().mutate_request(with_body(&Value::Object(body)));
            match cx.call("wafv2:UpdateWebACL", request.send()).await {
                Ok(_) => Ok(Look::Done(())),
                Err(e) if is_overtaken(&e) || is_unknown_yet(&e) => Ok(Look::Not(e.message)),
                Err(e) => Err(e),
            }
        },
    )
    .await
}

/// Whether somebody else was faster.
fn is_overtaken(error: &ApiError) -> bool {
    error.code.as_deref() == Some("WAFOptimisticLockException")
}

/// Whether something that a call names may be too new for the service.
fn is_unknown_yet(error: &ApiError) -> bool {
    error.code.as_deref() == Some("WAFUnavailableEntityException")
}

/// Log settings as the service has them; none if there are none.
async fn logging(cx: &Context, arn: &str) -> Result<Option<Value>, ApiError> {
    let kept = Answer::default();
    let request = cx.clients.waf.get_logging_configuration().resource_arn(arn);
    let call = request.customize().interceptor(kept.clone()).send();
    match cx.call("wafv2:GetLoggingConfiguration", call).await {
        Err(e) if e.class == ErrorClass::NotFound => Ok(None),
        other => other.map(|_| kept.take().get_mut("LoggingConfiguration").map(Value::take)),
    }
}

async fn set_logging(cx: &Context, want: &Create<'_, Spec>, arn: &str) -> Result<(), ApiError> {
    let Some(logging) = &want.spec.logging else { return Ok(()) };
    if logging.destination.is_empty() {
        return stop_logging(cx, arn).await;
    }
    let body = json!({"LoggingConfiguration": parts::logging(arn, logging)});
    let request = cx.clients.waf.put_logging_configuration();
    let call = request.customize().mutate_request(with_body(&body)).send();
    cx.call("wafv2:PutLoggingConfiguration", call).await.map(drop)
}

async fn stop_logging(cx: &Context, arn: &str) -> Result<(), ApiError> {
    let cx = cx.plain();
    let request = cx.clients.waf.delete_logging_configuration().resource_arn(arn);
    match cx.call("wafv2:DeleteLoggingConfiguration", request.send()).await {
        // There is none.
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other.map(drop),
    }
}

/// ARNs of the load balancers that a list stands before.
async fn balancers(cx: &Context, arn: &str) -> Result<Vec<String>, ApiError> {
    stands_before(cx, arn, ResourceType::ApplicationLoadBalancer).await
}

/// ARNs of the resources of a type that a list stands before.
async fn stands_before(cx: &Context, arn: &str, of: ResourceType) -> Result<Vec<String>, ApiError> {
    let request = cx.clients.waf.list_resources_for_web_acl().web_acl_arn(arn).resource_type(of);
    let answer = cx.call("wafv2:ListResourcesForWebACL", request.send()).await?;
    Ok(answer.resource_arns.unwrap_or_default())
}

/// Why a list that has been taken away from its load balancers will not become free: what else it stands before, which was not
/// put there by us.
async fn check_elsewhere(cx: &Context, arn: &str) -> Result<(), ApiError> {
    let types = [
        ResourceType::ApiGateway,
        ResourceType::Appsync,
        ResourceType::CognitioUserPool,
        ResourceType::AppRunnerService,
        ResourceType::VerifiedAccessInstance,
    ];
    let mut users = Vec::new();
    for of in types {
        match stands_before(cx, arn, of).await {
            // Not every region has every type.
            Err(e) if e.class == ErrorClass::Invalid => {}
            other => users.extend(other?),
        }
    }
    if users.is_empty() {
        return Ok(());
    }
    let message = format!("'{arn}' also stands before {}: take it away from there first", users.join(", "));
    Err(ApiError::new("wafv2:DeleteWebACL", ErrorClass::Conflict, message))
}

/// Puts a list before a load balancer, which may be too new for the service.
async fn associate(cx: &Context, arn: &str, balancer: &str, watch: &dyn Watch) -> Result<(), ApiError> {
    cx.wait(watch, &format!("{balancer} to be known to {arn}"), KNOWN_WITHIN, || async {
        let request = cx.clients.waf.associate_web_acl().web_acl_arn(arn).resource_arn(balancer);
        match cx.call("wafv2:AssociateWebACL", request.send()).await {
            Ok(_) => Ok(Look::Done(())),
            Err(e) if is_unknown_yet(&e) => Ok(Look::Not(e.message)),
            Err(e) => Err(e),
        }
    })
    .await
}

async fn disassociate(cx: &Context, balancer: &str) -> Result<(), ApiError> {
    let cx = cx.plain();
    let request = cx.clients.waf.disassociate_web_acl().resource_arn(balancer);
    match cx.call("wafv2:DisassociateWebACL", request.send()).await {
        // The load balancer is gone.
        Err(e) if e.class == ErrorClass::NotFound => Ok(()),
        other => other.map(drop),
    }
}

/// Takes a list away from its load balancers, and deletes it.
pub(super) async fn delete(cx: &Context, delete: &Delete<'_, Spec>) -> Result<(), ApiError> {
    let arn = delete.id;
    for balancer in balancers(cx, arn).await? {
        disassociate(cx, &balancer).await?;
    }
    stop_logging(cx, arn).await?;
    cx.wait(delete.watch, &format!("{arn} to be used by nothing"), FREE_WITHIN, || async {
        let (Some((name, id)), Some((_, token))) = (place(arn), get(cx, arn).await?) else {
            return Ok(Look::Done(()));
        };
        let request = cx.clients.waf.delete_web_acl().name(name).id(id).scope(Scope::Regional).lock_token(token);
        match cx.call("wafv2:DeleteWebACL", request.send()).await {
            Ok(_) => Ok(Look::Done(())),
            Err(e) if is_overtaken(&e) => Ok(Look::Not(e.message)),
            Err(e) if e.code.as_deref() == Some("WAFAssociatedItemException") => {
                check_elsewhere(cx, arn).await?;
                Ok(Look::Not(e.message))
            }
            Err(e) => Err(e),
        }
    })
    .await
}

/// Sets and removes tags.
pub(super) async fn retag(cx: &Context, arn: &str, set: &Tags, remove: &[String]) -> Result<(), ApiError> {
    let client = &cx.clients.waf;
    if !set.is_empty() {
        let unfit = |e: aws_sdk_wafv2::error::BuildError| {
            ApiError::new("wafv2:TagResource", ErrorClass::Invalid, e.to_string())
        };
        let tag = |(k, v): (&String, &String)| Tag::builder().key(k).value(v).build().map_err(unfit);
        let tags = set.iter().map(tag).collect::<Result<Vec<_>, _>>()?;
        let request = client.tag_resource().resource_arn(arn).set_tags(Some(tags));
        cx.call("wafv2:TagResource", request.send()).await?;
    }
    if !remove.is_empty() {
        let request = client.untag_resource().resource_arn(arn).set_tag_keys(Some(remove.to_vec()));
        cx.call("wafv2:UntagResource", request.send()).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
