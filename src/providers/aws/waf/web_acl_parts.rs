//! Words, parts and rules of the kind `web_acl`, and the trees that the service knows them by.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

use super::statement::{Statement, small};
use super::web_acl::Spec;
use crate::model::kind::Problems;
use crate::model::types::Duration;
use crate::model::value::is_unknown_text;
use crate::providers::aws::words::words;

/// Shortest and longest time that a solved puzzle holds, in seconds.
const IMMUNITY: (u64, u64) = (60, 259_200);

words! {
    /// What is done with requests that no rule is about.
    DefaultAction {
        /// They go on.
        Allow = "Allow",
        /// They are refused.
        Block = "Block",
    }
}

words! {
    /// What is done with a request that a rule is about.
    RuleAction {
        /// It goes on, and no further rule looks at it.
        Allow = "Allow",
        /// It is refused.
        Block = "Block",
        /// It is counted, and further rules look at it.
        Count = "Count",
        /// The user solves a puzzle first.
        Captcha = "Captcha",
        /// The browser proves that it is one first.
        Challenge = "Challenge",
    }
}

words! {
    /// What is done with what a group of rules decides.
    GroupAction {
        /// What it says.
        None = "None",
        /// It is only counted.
        Count = "Count",
    }
}

words! {
    /// What a body is.
    ContentType {
        /// Plain text.
        TextPlain = "TEXT_PLAIN",
        /// HTML.
        TextHtml = "TEXT_HTML",
        /// JSON.
        ApplicationJson = "APPLICATION_JSON",
    }
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Its place among the rules; the least comes first.
    #[schemars(range(min = 0))]
    pub priority: i32,
    /// What it looks for, in the API's own form with one key, such as `{GeoMatchStatement: {CountryCodes: [JP]}}`. What
    /// bytes are searched for (`SearchString`) is plain text here.
    pub statement: Statement,
    /// What is done with the request; of any rule but a group of rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<RuleAction>,
    /// Whether a group of rules decides (`none`), or is only counted (`count`); `none` if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = "none"))]
    pub group_action: Option<GroupAction>,
    /// What is answered to a request that is refused (`action: block`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null))]
    pub response: Option<Response>,
    /// Headers that are added to a request that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null))]
    pub insert_headers: Option<BTreeMap<String, String>>,
    /// Labels that later rules can ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null, "x-unordered" = true))]
    pub labels: Option<Vec<String>>,
    /// How it is counted; with metrics and samples, under its name, if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    /// How long a solved puzzle holds for this rule, 1m to 3d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null))]
    pub captcha_immunity: Option<Duration>,
    /// How long a browser's proof holds for this rule, 5m to 3d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null))]
    pub challenge_immunity: Option<Duration>,
}

/// An answer to a request that is refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// Status code, 200 to 599.
    #[schemars(range(min = 200, max = 599))]
    pub status: i32,
    /// Name of a body in `response_bodies`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null))]
    pub body: Option<String>,
    /// Headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-left-out" = null))]
    pub headers: Option<BTreeMap<String, String>>,
}

/// A body of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResponseBody {
    /// What it is.
    pub content_type: ContentType,
    /// The text, up to 10240 bytes.
    #[schemars(length(min = 1, max = 10_240), extend("x-text" = "text"))]
    pub content: String,
}

/// How requests are counted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Visibility {
    /// Whether there are metrics.
    #[serde(default = "yes")]
    pub metrics: bool,
    /// Whether some requests are kept to look at.
    #[serde(default = "yes")]
    pub samples: bool,
    /// Name of the metric; that of the list or the rule if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_#:./-]+$"))]
    pub metric: Option<String>,
}

/// Where requests are written down.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Logging {
    /// ARN of a log group, a bucket or a delivery stream, whose name begins with `aws-waf-logs-`; an empty text for
    /// nowhere.
    pub destination: String,
    /// What is kept out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redacted: Option<Redacted>,
    /// Which requests are written down; all of them if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<LogFilter>,
}

/// What is kept out of the logs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Redacted {
    /// Headers; their case does not count.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "read_names")]
    #[schemars(extend("x-unordered" = true))]
    pub headers: Option<Vec<String>>,
    /// The path.
    #[serde(default)]
    pub uri_path: bool,
    /// The query.
    #[serde(default)]
    pub query: bool,
    /// The method.
    #[serde(default)]
    pub method: bool,
}

/// Names of headers in small letters, as the service gives them.
fn read_names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<String>>, D::Error> {
    let names = Option::<Vec<String>>::deserialize(deserializer)?;
    Ok(names.map(|names| names.iter().map(|name| small(name)).collect()))
}

words! {
    /// Whether a request is written down.
    LogBehavior {
        /// It is.
        Keep = "KEEP",
        /// It is not.
        Drop = "DROP",
    }
}

words! {
    /// How many conditions must be met.
    LogRequirement {
        /// All.
        All = "MEETS_ALL",
        /// One.
        Any = "MEETS_ANY",
    }
}

words! {
    /// What was done with a request.
    LoggedAction {
        /// It went on.
        Allow = "ALLOW",
        /// It was refused.
        Block = "BLOCK",
        /// It was counted.
        Count = "COUNT",
        /// The user was given a puzzle.
        Captcha = "CAPTCHA",
        /// The browser was asked for a proof.
        Challenge = "CHALLENGE",
        /// It would have been refused, if a group of rules were not only counted.
        ExcludedAsCount = "EXCLUDED_AS_COUNT",
    }
}

/// Which requests are written down.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogFilter {
    /// What is done with requests that no filter is about.
    pub default: LogBehavior,
    /// Filters.
    #[schemars(length(min = 1))]
    pub filters: Vec<LogRule>,
}

/// A filter of logs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogRule {
    /// Whether the request is written down.
    pub behavior: LogBehavior,
    /// How many of the conditions must be met.
    pub requirement: LogRequirement,
    /// Conditions: what was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub actions: Option<Vec<LoggedAction>>,
    /// Conditions: labels, by their whole names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-unordered" = true))]
    pub labels: Option<Vec<String>>,
}

pub(super) fn yes() -> bool {
    true
}

fn text(tree: &Value, key: &str) -> Option<String> {
    tree.get(key)?.as_str().map(str::to_owned)
}

/// Headers in the service's form.
fn headers(all: Option<&BTreeMap<String, String>>) -> Option<Value> {
    let all: Vec<Value> = all?.iter().map(|(name, value)| json!({"Name": name, "Value": value})).collect();
    Some(Value::Array(all))
}

fn observed_headers(tree: Option<&Value>) -> Option<BTreeMap<String, String>> {
    let pair = |h: &Value| Some((text(h, "Name")?, text(h, "Value")?));
    Some(tree?.as_array()?.iter().filter_map(pair).collect())
}

/// An action with what belongs to it, as `{Block: {CustomResponse: …}}`.
pub(super) fn action(word: &str, response: Option<&Response>, insert: Option<&BTreeMap<String, String>>) -> Value {
    let mut members = Map::new();
    if let Some(response) = response.filter(|_| word == "Block") {
        let mut custom = json!({"ResponseCode": response.status});
        if let Some(body) = &response.body {
            custom["CustomResponseBodyKey"] = json!(body);
        }
        if let Some(headers) = headers(response.headers.as_ref()) {
            custom["ResponseHeaders"] = headers;
        }
        members.insert("CustomResponse".to_owned(), custom);
    }
    if let Some(headers) = headers(insert).filter(|h| word != "Block" && h.as_array().is_some_and(|a| !a.is_empty())) {
        members.insert("CustomRequestHandling".to_owned(), json!({"InsertHeaders": headers}));
    }
    Value::Object(Map::from_iter([(word.to_owned(), Value::Object(members))]))
}

/// Word, answer and headers of an action as read.
pub(super) type ObservedAction<'a> = (&'a str, Option<Response>, Option<BTreeMap<String, String>>);

/// An action as read.
pub(super) fn observed_action(tree: &Value) -> Option<ObservedAction<'_>> {
    let (word, members) = tree.as_object()?.iter().find(|(_, members)| !members.is_null())?;
    let response = members.get("CustomResponse").filter(|r| !r.is_null()).map(|r| Response {
        status: r.get("ResponseCode").and_then(Value::as_i64).and_then(|c| i32::try_from(c).ok()).unwrap_or_default(),
        body: text(r, "CustomResponseBodyKey"),
        headers: observed_headers(r.get("ResponseHeaders")),
    });
    let insert = observed_headers(members.get("CustomRequestHandling").and_then(|c| c.get("InsertHeaders")));
    Some((word.as_str(), response, insert))
}

/// How requests are counted, in the service's form.
pub(super) fn visibility(of: Option<&Visibility>, name: &str) -> Value {
    json!({
        "SampledRequestsEnabled": of.is_none_or(|v| v.samples),
        "CloudWatchMetricsEnabled": of.is_none_or(|v| v.metrics),
        "MetricName": of.and_then(|v| v.metric.as_deref()).unwrap_or(name),
    })
}

pub(super) fn observed_visibility(tree: Option<&Value>) -> Option<Visibility> {
    let tree = tree.filter(|t| !t.is_null())?;
    let on = |key: &str| tree.get(key).and_then(Value::as_bool).unwrap_or(false);
    Some(Visibility {
        metrics: on("CloudWatchMetricsEnabled"),
        samples: on("SampledRequestsEnabled"),
        metric: text(tree, "MetricName"),
    })
}

/// How long something solved holds, in the service's form.
pub(super) fn immunity(time: &Duration) -> Value {
    json!({"ImmunityTimeProperty": {"ImmunityTime": time.seconds()}})
}

pub(super) fn observed_immunity(tree: Option<&Value>) -> Option<Duration> {
    tree?.get("ImmunityTimeProperty")?.get("ImmunityTime")?.as_u64().map(Duration::from_seconds)
}

/// A rule in the service's form.
pub(super) fn rule(name: &str, rule: &Rule) -> Value {
    let mut tree = json!({
        "Name": name,
        "Priority": rule.priority,
        "Statement": rule.statement.to_api(),
        "VisibilityConfig": visibility(rule.visibility.as_ref(), name),
    });
    if rule.statement.is_group() {
        let word = rule.group_action.unwrap_or(GroupAction::None).api();
        tree["OverrideAction"] = action(word, None, None);
    } else if let Some(word) = rule.action {
        tree["Action"] = action(word.api(), rule.response.as_ref(), rule.insert_headers.as_ref());
    }
    if let Some(labels) = rule.labels.as_ref().filter(|l| !l.is_empty()) {
        tree["RuleLabels"] = labels.iter().map(|label| json!({"Name": label})).collect();
    }
    if let Some(time) = &rule.captcha_immunity {
        tree["CaptchaConfig"] = immunity(time);
    }
    if let Some(time) = &rule.challenge_immunity {
        tree["ChallengeConfig"] = immunity(time);
    }
    tree
}

/// A rule as read, with its name.
pub(super) fn observed_rule(tree: &Value) -> Option<(String, Rule)> {
    let action = tree.get("Action").and_then(observed_action);
    let group = tree.get("OverrideAction").and_then(observed_action).and_then(|(word, ..)| GroupAction::from_api(word));
    let (word, response, insert_headers) = match action {
        Some((word, response, insert)) => (RuleAction::from_api(word), response, insert),
        None => (None, None, None),
    };
    let labels = tree.get("RuleLabels").and_then(Value::as_array);
    let rule = Rule {
        priority: i32::try_from(tree.get("Priority")?.as_i64()?).ok()?,
        statement: Statement::from_api(tree.get("Statement")?.clone()),
        action: word,
        group_action: group,
        response,
        insert_headers,
        labels: Some(labels.into_iter().flatten().filter_map(|l| text(l, "Name")).collect()),
        visibility: observed_visibility(tree.get("VisibilityConfig")),
        captcha_immunity: observed_immunity(tree.get("CaptchaConfig")),
        challenge_immunity: observed_immunity(tree.get("ChallengeConfig")),
    };
    Some((text(tree, "Name")?, rule))
}

/// Where requests are written down, in the service's form.
pub(super) fn logging(arn: &str, logging: &Logging) -> Value {
    let mut tree = json!({"ResourceArn": arn, "LogDestinationConfigs": [logging.destination]});
    if let Some(redacted) = &logging.redacted {
        let mut fields: Vec<Value> =
            redacted.headers.iter().flatten().map(|name| json!({"SingleHeader": {"Name": name}})).collect();
        for (on, field) in
            [(redacted.uri_path, "UriPath"), (redacted.query, "QueryString"), (redacted.method, "Method")]
        {
            if on {
                fields.push(Value::Object(Map::from_iter([(field.to_owned(), json!({}))])));
            }
        }
        tree["RedactedFields"] = Value::Array(fields);
    }
    if let Some(filter) = &logging.filter {
        let one = |rule: &LogRule| {
            let actions = rule.actions.iter().flatten().map(|a| json!({"ActionCondition": {"Action": a.api()}}));
            let labels = rule.labels.iter().flatten().map(|l| json!({"LabelNameCondition": {"LabelName": l}}));
            json!({
                "Behavior": rule.behavior.api(), "Requirement": rule.requirement.api(),
                "Conditions": actions.chain(labels).collect::<Vec<_>>(),
            })
        };
        let filters: Vec<Value> = filter.filters.iter().map(one).collect();
        tree["LoggingFilter"] = json!({"DefaultBehavior": filter.default.api(), "Filters": filters});
    }
    tree
}

pub(super) fn observed_logging(tree: &Value) -> Logging {
    let fields = tree.get("RedactedFields").and_then(Value::as_array).cloned().unwrap_or_default();
    let has = |key: &str| fields.iter().any(|f| f.get(key).is_some_and(|v| !v.is_null()));
    let header = |f: &Value| text(f.get("SingleHeader")?, "Name").map(|name| small(&name));
    let redacted = Redacted {
        headers: Some(fields.iter().filter_map(header).collect()),
        uri_path: has("UriPath"),
        query: has("QueryString"),
        method: has("Method"),
    };
    let destination = tree.get("LogDestinationConfigs").and_then(|d| d.get(0)).and_then(Value::as_str);
    Logging {
        destination: destination.unwrap_or_default().to_owned(),
        redacted: Some(redacted),
        filter: tree.get("LoggingFilter").filter(|f| !f.is_null()).and_then(observed_filter),
    }
}

fn observed_filter(tree: &Value) -> Option<LogFilter> {
    let one = |rule: &Value| {
        let conditions = rule.get("Conditions").and_then(Value::as_array).cloned().unwrap_or_default();
        let action = |c: &Value| LoggedAction::from_api(c.get("ActionCondition")?.get("Action")?.as_str()?);
        let label = |c: &Value| text(c.get("LabelNameCondition")?, "LabelName");
        Some(LogRule {
            behavior: LogBehavior::from_api(rule.get("Behavior")?.as_str()?)?,
            requirement: LogRequirement::from_api(rule.get("Requirement")?.as_str()?)?,
            actions: Some(conditions.iter().filter_map(action).collect()),
            labels: Some(conditions.iter().filter_map(label).collect()),
        })
    };
    Some(LogFilter {
        default: LogBehavior::from_api(tree.get("DefaultBehavior")?.as_str()?)?,
        filters: tree.get("Filters")?.as_array()?.iter().filter_map(one).collect(),
    })
}

/// Rules over several fields.
pub(super) fn validate(spec: &Spec, problems: &mut Problems) {
    let bodies: BTreeSet<&str> = spec.response_bodies.iter().flatten().map(|(name, _)| name.as_str()).collect();
    let known = |path: &str, response: Option<&Response>, problems: &mut Problems| {
        let body = response.and_then(|r| r.body.as_deref()).filter(|b| !is_unknown_text(b));
        if let Some(body) = body.filter(|b| spec.response_bodies.is_some() && !bodies.contains(b)) {
            problems.add(format!("{path}.body"), format!("there is no body `{body}`"), "give it in `response_bodies`");
        }
    };
    if spec.default_response.is_some() && spec.default_action == DefaultAction::Allow {
        problems.add("default_response", "what goes on is not answered", "use `default_action: block`");
    }
    if spec.default_headers.is_some() && spec.default_action == DefaultAction::Block {
        problems.add("default_headers", "what is refused gets no headers", "use `default_action: allow`");
    }
    known("default_response", spec.default_response.as_ref(), problems);
    check_immunity("captcha_immunity", spec.captcha_immunity.as_ref(), IMMUNITY.0, problems);
    check_immunity("challenge_immunity", spec.challenge_immunity.as_ref(), 300, problems);
    let mut places: BTreeMap<i32, &str> = BTreeMap::new();
    for (name, rule) in spec.rules.iter().flatten() {
        let path = format!("rules.{name}");
        if let Some(other) = places.insert(rule.priority, name) {
            let message = format!("`{other}` has the priority {}, too", rule.priority);
            problems.add(format!("{path}.priority"), message, "give each rule its own");
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > 128 || !name.chars().all(plain) {
            let message = "names of rules have 1 to 128 letters, digits, `_` and `-`";
            problems.add(path.as_str(), message, "choose another name");
        }
        check_rule(&path, rule, problems);
        known(&format!("{path}.response"), rule.response.as_ref(), problems);
    }
    if let Some(logging) = &spec.logging {
        check_logging(logging, problems);
    }
}

fn check_rule(path: &str, rule: &Rule, problems: &mut Problems) {
    rule.statement.check(&format!("{path}.statement"), problems);
    let group = rule.statement.is_group();
    if group && rule.action.is_some() {
        let help = "use `group_action`, or `RuleActionOverrides` in the statement";
        problems.add(format!("{path}.action"), "the rules of a group have actions of their own", help);
    }
    if !group && rule.action.is_none() {
        problems.add(format!("{path}.action"), "a rule needs an action", "use `action: block`, for one");
    }
    if !group && rule.group_action.is_some() {
        problems.add(format!("{path}.group_action"), "this is no group of rules", "use `action`");
    }
    if rule.response.is_some() && rule.action != Some(RuleAction::Block) {
        problems.add(format!("{path}.response"), "only what is refused is answered", "use `action: block`");
    }
    if rule.insert_headers.is_some() && (group || rule.action == Some(RuleAction::Block)) {
        problems.add(format!("{path}.insert_headers"), "nothing goes on from here", "leave it out");
    }
    check_immunity(&format!("{path}.captcha_immunity"), rule.captcha_immunity.as_ref(), IMMUNITY.0, problems);
    check_immunity(&format!("{path}.challenge_immunity"), rule.challenge_immunity.as_ref(), 300, problems);
}

fn check_immunity(path: &str, time: Option<&Duration>, least: u64, problems: &mut Problems) {
    let Some(time) = time.filter(|t| t.as_str().parse::<Duration>().is_ok()) else { return };
    if !(least..=IMMUNITY.1).contains(&time.seconds()) {
        let message = format!("`{time}` is not within {} to 3d", Duration::from_seconds(least));
        problems.add(path, message, "choose a time within them");
    }
}

fn check_logging(logging: &Logging, problems: &mut Problems) {
    let to = logging.destination.as_str();
    let name = to.rsplit([':', '/']).find(|part| !part.is_empty() && *part != "*").unwrap_or_default();
    let place = to.split_once("aws-waf-logs-").is_some() || name.starts_with("aws-waf-logs-");
    if !to.is_empty() && !is_unknown_text(to) && !place {
        let message = format!("the service writes only to places whose names begin with aws-waf-logs-, not to `{to}`");
        problems.add("logging.destination", message, "name the log group, bucket or stream so");
    }
    for (index, rule) in logging.filter.iter().flat_map(|f| &f.filters).enumerate() {
        let none = |list: Option<usize>| list.unwrap_or(0) == 0;
        if none(rule.actions.as_ref().map(Vec::len)) && none(rule.labels.as_ref().map(Vec::len)) {
            let path = format!("logging.filter.filters.{index}");
            problems.add(path, "a filter has a condition", "give `actions` or `labels`");
        }
    }
}
