//! What a rule looks for, in the API's own form, with one key: `{ManagedRuleGroupStatement: {VendorName: AWS, …}}`.

use std::borrow::Cow;

use aws_smithy_types::base64;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::model::kind::Problems;
use crate::model::value::is_unknown_text;

/// Seconds over which requests are counted unless a rule says otherwise.
const WINDOW: u64 = 300;
/// What is done with a body that is too large to be looked at whole, unless a rule says otherwise.
const OVERSIZE: &str = "CONTINUE";
/// Deepest nesting that is looked into; the service takes less.
const DEPTH: usize = 32;

/// A statement; canonical without members that are null, empty lists, and values that the service takes by default, with
/// names of headers and arguments in small letters, as the service gives them: their case does not count.
/// What bytes are searched for is text here, and base64 for the service.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement(Value);

impl Statement {
    /// From the service's form.
    pub(super) fn from_api(mut tree: Value) -> Self {
        each_match(&mut tree, DEPTH, &mut |bytes| {
            let Some(coded) = bytes.get("SearchString").and_then(Value::as_str).map(str::to_owned) else { return };
            match base64::decode(&coded).ok().and_then(|b| String::from_utf8(b).ok()) {
                Some(text) => bytes.insert("SearchString".to_owned(), Value::String(text)),
                None => {
                    bytes.remove("SearchString");
                    bytes.insert("SearchStringBase64".to_owned(), Value::String(coded))
                }
            };
        });
        Self(canonical(tree))
    }

    /// In the service's form.
    pub(super) fn to_api(&self) -> Value {
        let mut tree = self.0.clone();
        each_match(&mut tree, DEPTH, &mut |bytes| {
            if let Some(Value::String(text)) = bytes.get("SearchString") {
                let coded = Value::String(base64::encode(text));
                bytes.insert("SearchString".to_owned(), coded);
            } else if let Some(coded) = bytes.remove("SearchStringBase64") {
                bytes.insert("SearchString".to_owned(), coded);
            }
        });
        tree
    }

    /// Whether it hands on to a group of rules, whose actions are its own.
    pub fn is_group(&self) -> bool {
        ["ManagedRuleGroupStatement", "RuleGroupReferenceStatement"].iter().any(|k| self.0.get(k).is_some())
    }

    /// Rules that the service would enforce.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        check(&self.0, path, DEPTH, true, problems);
    }
}

/// Members of statements that hold statements.
fn nested(member: &str) -> bool {
    ["ScopeDownStatement", "Statement"].contains(&member)
}

/// Calls `visit` for what each `ByteMatchStatement` holds.
fn each_match(tree: &mut Value, depth: usize, visit: &mut impl FnMut(&mut Map<String, Value>)) {
    match tree {
        Value::Object(map) if depth > 0 => {
            for (key, value) in map.iter_mut() {
                match value {
                    Value::Object(bytes) if key == "ByteMatchStatement" => visit(bytes),
                    other => each_match(other, depth - 1, visit),
                }
            }
        }
        Value::Array(items) if depth > 0 => items.iter_mut().for_each(|v| each_match(v, depth - 1, visit)),
        _ => {}
    }
}

fn canonical(mut tree: Value) -> Value {
    match &mut tree {
        Value::Object(map) => {
            if map.get("AggregateKeyType").is_some() && map.get("EvaluationWindowSec") == Some(&Value::from(WINDOW)) {
                map.remove("EvaluationWindowSec");
            }
            for part in ["SingleHeader", "SingleQueryArgument"] {
                if let Some(Value::String(name)) = map.get_mut(part).and_then(|part| part.get_mut("Name")) {
                    *name = small(name);
                }
            }
            for body in ["Body", "JsonBody"] {
                if let Some(Value::Object(body)) = map.get_mut(body)
                    && body.get("OversizeHandling").and_then(Value::as_str) == Some(OVERSIZE)
                {
                    body.remove("OversizeHandling");
                }
            }
            map.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|list| !list.is_empty()));
            map.values_mut().for_each(|value| *value = canonical(value.take()));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| *value = canonical(value.take())),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    tree
}

/// A name in small letters; one that is not known yet stays as it is.
pub(super) fn small(name: &str) -> String {
    if is_unknown_text(name) { name.to_owned() } else { name.to_lowercase() }
}

fn check(tree: &Value, path: &str, depth: usize, top: bool, problems: &mut Problems) {
    let only = tree.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next());
    let Some((name, members)) = only.filter(|(name, _)| name.ends_with("Statement") && depth > 0) else {
        let message = "a statement is a mapping with exactly one key, such as `GeoMatchStatement`";
        problems.add(path, message, "put several into the `Statements` of `AndStatement` or `OrStatement`");
        return;
    };
    let Some(members) = members.as_object() else {
        problems.add(path, format!("`{name}` is a mapping"), "write it as the API has it");
        return;
    };
    let path = format!("{path}.{name}");
    let groups = ["ManagedRuleGroupStatement", "RuleGroupReferenceStatement", "RateBasedStatement"];
    if !top && groups.contains(&name.as_str()) {
        problems.add(
            path.as_str(),
            format!("`{name}` can't stand inside another statement"),
            "make it a rule of its own",
        );
    }
    check_members(name, members, &path, problems);
    for (member, inner) in members.iter().filter(|(member, _)| nested(member)) {
        check(inner, &format!("{path}.{member}"), depth - 1, false, problems);
    }
    let all = members.get("Statements").and_then(Value::as_array);
    for (index, inner) in all.into_iter().flatten().enumerate() {
        check(inner, &format!("{path}.Statements.{index}"), depth - 1, false, problems);
    }
}

/// Members that must be there, by the service's documentation.
fn check_members(name: &str, members: &Map<String, Value>, path: &str, problems: &mut Problems) {
    let needed: &[&str] = match name {
        "ManagedRuleGroupStatement" => &["VendorName", "Name"],
        "RuleGroupReferenceStatement" | "IPSetReferenceStatement" => &["ARN"],
        "RateBasedStatement" => &["Limit", "AggregateKeyType"],
        "GeoMatchStatement" => &["CountryCodes"],
        "ByteMatchStatement" => &["FieldToMatch", "TextTransformations", "PositionalConstraint"],
        "SqliMatchStatement" | "XssMatchStatement" => &["FieldToMatch", "TextTransformations"],
        "SizeConstraintStatement" => &["FieldToMatch", "TextTransformations", "ComparisonOperator", "Size"],
        "RegexMatchStatement" => &["FieldToMatch", "TextTransformations", "RegexString"],
        "RegexPatternSetReferenceStatement" => &["FieldToMatch", "TextTransformations", "ARN"],
        "LabelMatchStatement" => &["Scope", "Key"],
        "AsnMatchStatement" => &["AsnList"],
        "NotStatement" => &["Statement"],
        "AndStatement" | "OrStatement" => &["Statements"],
        _ => &[],
    };
    for member in needed.iter().filter(|member| !members.contains_key(**member)) {
        problems.add(path, format!("`{name}` needs `{member}`"), "write it as the API has it");
    }
    // Of these the service has no default, as it has of bodies.
    for part in ["Headers", "Cookies", "HeaderOrder"] {
        let looked_at = members.get("FieldToMatch").and_then(|field| field.get(part));
        if looked_at.is_some_and(|part| part.get("OversizeHandling").is_none()) {
            let message = format!("`{part}` needs `OversizeHandling`: the service looks at the first 8 KB only");
            let help = "say what is done with a request that has more: `CONTINUE`, `MATCH` or `NO_MATCH`";
            problems.add(format!("{path}.FieldToMatch.{part}"), message, help);
        }
    }
    let searched = ["SearchString", "SearchStringBase64"].iter().filter(|key| members.contains_key(**key)).count();
    if name == "ByteMatchStatement" && searched != 1 {
        problems.add(path, "what is searched for must be given once", "give `SearchString`, as text");
    }
    let list = members.get("Statements").and_then(Value::as_array);
    if list.is_some_and(|list| list.len() < 2) {
        problems.add(path, format!("`{name}` joins two statements or more"), "leave it out around a single one");
    }
    if name == "RateBasedStatement" {
        let limit = members.get("Limit").and_then(Value::as_u64);
        if limit.is_some_and(|limit| !(10..=2_000_000_000).contains(&limit)) {
            problems.add(path, "a limit is within 10 and 2000000000 requests", "choose another `Limit`");
        }
        let window = members.get("EvaluationWindowSec").and_then(Value::as_u64);
        if window.is_some_and(|window| ![60, 120, 300, 600].contains(&window)) {
            problems.add(path, "requests are counted over 60, 120, 300 or 600 seconds", "take one of them");
        }
    }
}

impl Serialize for Statement {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Statement {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(canonical(Map::deserialize(deserializer)?.into())))
    }
}

impl JsonSchema for Statement {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> Cow<'static, str> {
        "Statement".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn statement(tree: &Value) -> Statement {
        serde_json::from_value(tree.clone()).unwrap()
    }

    fn problems(tree: &Value) -> Vec<String> {
        let mut problems = Problems::default();
        statement(tree).check("s", &mut problems);
        problems.0.into_iter().map(|p| p.path).collect()
    }

    fn bytes(text: &str) -> Value {
        json!({"ByteMatchStatement": {
            "SearchString": text, "FieldToMatch": {"UriPath": {}}, "PositionalConstraint": "STARTS_WITH",
            "TextTransformations": [{"Priority": 0, "Type": "NONE"}],
        }})
    }

    #[test]
    fn what_is_searched_for_is_text_in_files_and_base64_for_the_service_however_deep() {
        let tree =
            json!({"AndStatement": {"Statements": [{"NotStatement": {"Statement": bytes("/管理")}}, bytes("/a")]}});
        let api = statement(&tree).to_api();
        let inner = &api["AndStatement"]["Statements"][0]["NotStatement"]["Statement"]["ByteMatchStatement"];
        assert_eq!(inner["SearchString"], base64::encode("/管理"));
        assert_eq!(Statement::from_api(api), statement(&tree));
        let mut binary = bytes("");
        binary["ByteMatchStatement"]["SearchString"] = json!("/w==");
        let read = Statement::from_api(binary.clone());
        assert_eq!(read.0["ByteMatchStatement"]["SearchStringBase64"], "/w==");
        assert_eq!(read.to_api()["ByteMatchStatement"]["SearchString"], "/w==");
    }

    #[test]
    fn what_the_service_adds_is_no_difference() {
        let declared = json!({"RateBasedStatement": {"Limit": 1000, "AggregateKeyType": "IP"}});
        let read = json!({"RateBasedStatement": {"Limit": 1000, "AggregateKeyType": "IP", "EvaluationWindowSec": 300,
            "CustomKeys": [], "ScopeDownStatement": null}});
        assert_eq!(Statement::from_api(read), statement(&declared));
        let other = json!({"RateBasedStatement": {"Limit": 1000, "AggregateKeyType": "IP", "EvaluationWindowSec": 60}});
        assert_ne!(statement(&other), statement(&declared));
    }

    fn xss(field: &Value) -> Value {
        json!({"XssMatchStatement": {"FieldToMatch": field, "TextTransformations": [{"Priority": 0, "Type": "NONE"}]}})
    }

    #[test]
    fn the_case_of_names_and_the_services_default_for_large_bodies_are_no_difference() {
        for (declared, read) in [
            (json!({"SingleHeader": {"Name": "User-Agent"}}), json!({"SingleHeader": {"Name": "user-agent"}})),
            (json!({"SingleQueryArgument": {"Name": "Id"}}), json!({"SingleQueryArgument": {"Name": "id"}})),
            (json!({"Body": {}}), json!({"Body": {"OversizeHandling": "CONTINUE"}})),
        ] {
            assert_eq!(statement(&xss(&declared)), Statement::from_api(xss(&read)), "{declared}");
        }
        let (matched, plain) = (json!({"Body": {"OversizeHandling": "MATCH"}}), json!({"Body": {}}));
        assert_ne!(statement(&xss(&matched)), statement(&xss(&plain)));
    }

    #[test]
    fn what_is_done_with_too_many_headers_or_cookies_must_be_said() {
        for part in ["Headers", "Cookies", "HeaderOrder"] {
            let field = |members: Value| problems(&xss(&json!({part: members})));
            let missing = field(json!({"MatchPattern": {"All": {}}, "MatchScope": "ALL"}));
            assert_eq!(missing, [format!("s.XssMatchStatement.FieldToMatch.{part}")]);
            assert!(field(json!({"OversizeHandling": "CONTINUE"})).is_empty());
        }
        assert!(problems(&xss(&json!({"JsonBody": {"MatchPattern": {"All": {}}, "MatchScope": "ALL"}}))).is_empty());
    }

    #[test]
    fn a_statement_has_one_key_and_what_it_needs() {
        let geo = json!({"GeoMatchStatement": {"CountryCodes": ["JP"]}});
        assert!(problems(&geo).is_empty());
        assert!(problems(&bytes("/admin")).is_empty());
        assert_eq!(problems(&json!({})), ["s"]);
        assert_eq!(problems(&json!({"GeoMatchStatement": {}, "NotStatement": {}})), ["s"]);
        assert_eq!(problems(&json!({"GeoMatchStatement": {}})), ["s.GeoMatchStatement"]);
        let one = json!({"OrStatement": {"Statements": [geo]}});
        assert_eq!(problems(&one), ["s.OrStatement"]);
        let inside =
            json!({"NotStatement": {"Statement": {"RateBasedStatement": {"Limit": 5, "AggregateKeyType": "IP"}}}});
        assert_eq!(problems(&inside), ["s.NotStatement.Statement.RateBasedStatement"; 2]);
        let window = json!({"RateBasedStatement": {"Limit": 100, "AggregateKeyType": "IP", "EvaluationWindowSec": 90}});
        assert_eq!(problems(&window), ["s.RateBasedStatement"]);
        let scoped = json!({"RateBasedStatement": {"Limit": 100, "AggregateKeyType": "IP", "ScopeDownStatement": {}}});
        assert_eq!(problems(&scoped), ["s.RateBasedStatement.ScopeDownStatement"]);
        // What is new to us is the service's to judge.
        assert!(problems(&json!({"SomeNewStatement": {"A": 1}})).is_empty());
        assert!(statement(&json!({"ManagedRuleGroupStatement": {}})).is_group() && !statement(&geo).is_group());
    }
}
