use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::text::TextOptions;
use super::{json, markdown, text};
use crate::model::Address;
use crate::model::environment::Provider;
use crate::model::plan::{
    Action, ActionKind, Cause, Drift, DriftKind, FORMAT, FieldChange, Found, Held, Impact, Interrupted,
    InterruptedStep, Loss, Operation, Plan, Refusal, Remains, Summary, Touched,
};
use crate::model::value::token;

fn a(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn change(path: &str, before: Value, after: Value) -> FieldChange {
    FieldChange { path: path.into(), before, after, cause: Cause::You, replaces: false, text: false }
}

fn action(address: &str, kind: ActionKind, reason: &str, changes: Vec<FieldChange>) -> Action {
    Action {
        address: a(address),
        kind: "subnet".into(),
        region: "r1".into(),
        action: kind,
        reason: reason.into(),
        impact: Impact::None,
        data_bearing: false,
        replacement: None,
        changes,
        objects: vec![Touched {
            id: "subnet-1".into(),
            region: "ap-northeast-1".into(),
            generation: 1,
            fingerprint: "f".into(),
        }],
        generation: 1,
        spec: Value::Null,
        declared: BTreeMap::new(),
        notes: Vec::new(),
    }
}

fn sample() -> Plan {
    let text = FieldChange {
        text: true,
        ..change("user_data", json!("#!/bin/sh\necho one\nexit\n"), json!("#!/bin/sh\necho two\nexit\n"))
    };
    let mut gone = action("network/old", ActionKind::Delete, "no longer declared", Vec::new());
    gone.impact = Impact::LosesData;
    let vpc = token(&a("network/main"), "id");
    let created = vec![change("vpc", Value::Null, json!(vpc)), change("名前", Value::Null, json!("値"))];
    Plan {
        format: FORMAT,
        id: "p1".into(),
        made_at: "2026-01-01T00:00:00Z".into(),
        version: "0".into(),
        project: "shop".into(),
        environment: "local".into(),
        provider: Provider::Simulated,
        account: "1".into(),
        stacks: Vec::new(),
        destroy: false,
        undoes: None,
        actions: vec![
            action("network/app", ActionKind::Create, "not there yet", created),
            gone,
            action("servers/web", ActionKind::Update, "`user_data` differs", vec![text]),
        ],
        steps: Vec::new(),
        interrupted: Some(Interrupted {
            apply: "1".into(),
            who: "hanako@build".into(),
            command: "saiken apply".into(),
            started_at: "2026-01-01T00:00:00Z".into(),
            steps: vec![InterruptedStep {
                address: a("network/app"),
                kind: "subnet".into(),
                operation: Operation::Create,
                object: None,
                found: Some(Found::NotDone),
            }],
        }),
        drift: vec![Drift {
            address: a("servers/web"),
            kind: "server".into(),
            drift: DriftKind::Changed,
            changes: vec![change("size", json!("small"), json!("large"))],
        }],
        held: vec![Held { address: a("data/main"), kind: "disk".into(), reason: "disk could not be read".into() }],
        losses: vec![Loss {
            address: a("network/old"),
            kind: "subnet".into(),
            objects: vec!["subnet-1".into()],
            remains: Remains::RecoveryPoint,
            named: true,
            newer_than: Some(86_400),
            note: "a recovery point (copy) not older than 1d is there, or is made, before it goes".into(),
        }],
        refused: vec![Refusal { address: a("network/old"), reason: "it is protected".into(), help: "do x".into() }],
        outputs: BTreeMap::new(),
        summary: Summary { create: 1, update: 1, delete: 1, held: 1, drift: 1, ..Summary::default() },
    }
}

#[test]
fn the_text_speaks_in_the_users_names_with_reasons_and_counts() {
    assert_eq!(
        text::plan(&sample(), &TextOptions::default()),
        "shop local (simulated cloud)

network
  + create   subnet  network/app
      vpc   (known after apply: network/main.id)
      名前  値
  - delete   subnet  network/old
      because no longer declared
      loses data

servers
  ~ update   subnet  servers/web
      because `user_data` differs
      user_data:
        @@ -1,3 +1,3 @@
         #!/bin/sh
        -echo one
        +echo two
         exit

Interrupted
  `saiken apply` of hanako@build, 2026-01-01T00:00:00Z, has not ended; under way were:
  create     subnet  network/app  not done

Changed outside saiken
  changed   server  servers/web
      size  small → large

Held
  disk  data/main
      disk could not be read

Loses data
  subnet  network/old  subnet-1
      save: a recovery point (copy) not older than 1d is there, or is made, before it goes
      only with --allow-data-loss network/old

Refused
  network/old: it is protected
      do x

Plan: 1 to create, 1 to update, 0 to replace, 1 to delete. 1 held. It can't be applied: see \"Refused\".
"
    );
}

#[test]
fn no_line_is_wider_than_asked_where_values_are_long() {
    let mut plan = sample();
    plan.actions.truncate(1);
    plan.actions[0].changes = vec![change("cidr", json!("値".repeat(99)), json!("x".repeat(99)))];
    plan.actions[0].action = ActionKind::Update;
    let out = text::plan(&plan, &TextOptions { color: false, width: 60 });
    let line = out.lines().find(|l| l.contains("cidr")).unwrap();
    assert!(unicode_width::UnicodeWidthStr::width(line) <= 60, "{line}");
}

#[test]
fn nothing_to_do_is_said_in_one_line() {
    let mut plan = sample();
    (plan.actions, plan.drift, plan.held, plan.refused) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    plan.summary = Summary { unchanged: 42, ..Summary::default() };
    let out = text::plan(&plan, &TextOptions::default());
    assert!(out.ends_with("\nNo changes. 42 resources are as declared.\n"), "{out}");
    assert!(text::drift(&plan, &TextOptions::default()).ends_with("\nNo drift.\n"));
}

#[test]
fn colour_stands_only_where_asked() {
    assert!(!text::plan(&sample(), &TextOptions::default()).contains('\u{1b}'));
    assert!(text::plan(&sample(), &TextOptions { color: true, width: 100 }).contains('\u{1b}'));
}

#[test]
fn json_is_read_back_as_the_same_plan_and_other_formats_are_refused() {
    let plan = sample();
    assert_eq!(json::parse(&json::plan(&plan)).unwrap(), plan);
    let other = json::parse("{\"format\": 99}").unwrap_err();
    assert_eq!(other.to_string(), "this plan has format 99, and this version reads format 2: make the plan again");
    assert!(json::parse("no").unwrap_err().to_string().starts_with("this is not a saved plan"));
}

#[test]
fn markdown_cannot_be_broken_out_of() {
    let mut plan = sample();
    plan.actions[0].reason = "a | b <script>".into();
    plan.actions[0].changes[0].after = json!("```\n</details>");
    let out = markdown::plan(&plan);
    assert!(out.contains("a \\| b &lt;script&gt;"), "{out}");
    assert!(out.contains("````diff"), "{out}");
    assert!(markdown::drift(&plan).contains("- changed server servers/web"));
}

#[test]
fn of_a_long_list_only_what_comes_and_goes_is_shown() {
    let subnet = |name: &str| format!("network/main.app:ap-northeast-1{name}");
    let before = json!([subnet("a"), subnet("c"), subnet("d")]);
    let after = json!([token(&a(&subnet("a")), "id"), subnet("c"), subnet("d")]);
    let mut plan = sample();
    plan.actions = vec![action("servers/web", ActionKind::Update, "because", vec![change("subnets", before, after)])];
    let shown = text::plan(&plan, &TextOptions { color: false, width: 100 });
    assert!(
        shown.contains(
            "      subnets  (2 unchanged)
        - network/main.app:ap-northeast-1a
        + (known after apply: network/main.app:ap-northeast-1a.id)
"
        ),
        "{shown}"
    );
    assert!(!shown.contains("ap-northeast-1c"), "{shown}");
}
