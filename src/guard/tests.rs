//! The guards' promises.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::announcement::{Announcement, earliest};
use super::notice::{Language, read_time, render, typed};
use super::{Permits, closed, may_begin, not_lost, unnamed};
use crate::model::Address;
use crate::model::environment::{Environment, Guards, InterruptionGuard, Provider};
use crate::model::plan::{Action, ActionKind, FORMAT, Impact, Loss, Operation, Plan, Remains, Summary};

const WEEK: u64 = 7 * 24 * 60 * 60;

fn a(text: &str) -> Address {
    Address::parse(text).unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn environment() -> Environment {
    Environment {
        name: "production".into(),
        project: "再建".into(),
        provider: Provider::Simulated,
        account: None,
        role: None,
        region: "ap-northeast-1".into(),
        zones: Vec::new(),
        regions: BTreeMap::new(),
        tags: BTreeMap::new(),
        protect: false,
        guards: Guards { interruptions: Some(InterruptionGuard { notice: WEEK }), ..Guards::default() },
        time_zone: "Asia/Tokyo".into(),
        state: ".saiken".into(),
    }
}

fn action(address: &str, impact: Impact) -> Action {
    Action {
        address: a(address),
        kind: "volume".into(),
        region: "ap-northeast-1".into(),
        action: ActionKind::Delete,
        reason: "no longer declared".into(),
        impact,
        data_bearing: true,
        replacement: None,
        changes: Vec::new(),
        objects: Vec::new(),
        generation: 1,
        spec: Value::Null,
        declared: BTreeMap::new(),
        notes: Vec::new(),
    }
}

fn plan(actions: Vec<Action>) -> Plan {
    let losing = actions.iter().filter(|a| a.impact == Impact::LosesData);
    let losses = losing.map(|a| Loss {
        address: a.address.clone(),
        kind: a.kind.clone(),
        objects: vec!["vol-1".into()],
        remains: Remains::RecoveryPoint,
        named: true,
        newer_than: Some(86_400),
        note: String::new(),
    });
    Plan {
        format: FORMAT,
        id: "p".into(),
        made_at: "2026-11-01T00:00:00Z".into(),
        version: "0".into(),
        project: "再建".into(),
        environment: "production".into(),
        provider: Provider::Simulated,
        account: "1".into(),
        stacks: Vec::new(),
        destroy: false,
        undoes: None,
        steps: Vec::new(),
        interrupted: None,
        drift: Vec::new(),
        held: Vec::new(),
        losses: losses.collect(),
        refused: Vec::new(),
        outputs: BTreeMap::new(),
        summary: Summary::default(),
        actions,
    }
}

fn window(covers: &[&str]) -> Announcement {
    Announcement {
        id: "1a2b3c4d".into(),
        made_at: at("2026-11-20T00:00:00Z"),
        who: "hanako@build".into(),
        from: at("2026-11-30T17:00:00Z"),
        until: at("2026-11-30T19:30:00Z"),
        about: None,
        covers: covers.iter().map(|c| (*c).to_owned()).collect(),
    }
}

fn permits(windows: Vec<Announcement>) -> Permits {
    Permits { announcements: windows, ..Permits::default() }
}

#[test]
fn data_goes_only_of_objects_that_were_named() {
    let plan = plan(vec![action("data/main", Impact::LosesData), action("data/logs", Impact::LosesData)]);
    let named = [a("data/main")].into();
    let refused = unnamed(&plan, &environment(), &named);
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].address, a("data/logs"));
    assert!(refused[0].help.ends_with("--allow-data-loss data/logs"), "{refused:?}");
    assert_eq!(not_lost(&plan, &named), None);
    let (wrong, near) = not_lost(&plan, &[a("data/mian")].into()).unwrap();
    assert_eq!((wrong, near.unwrap().contains("data/main")), (a("data/mian"), true));
}

#[test]
fn a_plan_of_a_weaker_guard_is_refused_whatever_is_named() {
    let named = [a("data/main")].into();
    let mut plan = plan(vec![action("data/main", Impact::LosesData)]);
    assert!(unnamed(&plan, &environment(), &named).is_empty());
    plan.losses[0].newer_than = Some(86_401);
    assert!(unnamed(&plan, &environment(), &named)[0].reason.contains("less was asked for"));
    plan.losses.clear();
    assert!(unnamed(&plan, &environment(), &named)[0].reason.contains("less was asked for"));
}

#[test]
fn service_is_interrupted_only_while_an_announced_window_is_open() {
    let plan = plan(vec![action("servers/web", Impact::Interrupts), action("servers/other", Impact::None)]);
    let (environment, permits) = (environment(), permits(vec![window(&[])]));
    let is_closed = |now: &str| closed(&plan, &environment, &permits, at(now)).is_some();
    assert!(is_closed("2026-11-30T16:59:59Z") && !is_closed("2026-11-30T17:00:00Z"));
    assert!(!is_closed("2026-11-30T19:29:59Z") && is_closed("2026-11-30T19:30:00Z"));
    let before = closed(&plan, &environment, &permits, at("2026-11-25T00:00:00Z")).unwrap();
    assert_eq!((before.actions.len(), before.next, before.notice), (1, permits.announcements.first(), WEEK));
    let after = closed(&plan, &environment, &permits, at("2026-12-01T00:00:00Z")).unwrap();
    assert_eq!(after.next, None);
}

#[test]
fn a_window_covers_only_the_addresses_and_stacks_that_it_names() {
    let plan = plan(vec![action("servers/web", Impact::Interrupts), action("data/main", Impact::LosesData)]);
    let now = at("2026-11-30T18:00:00Z");
    let left = |covers: &[&str]| {
        let permits = permits(vec![window(covers)]);
        closed(&plan, &environment(), &permits, now).map_or(0, |c| c.actions.len())
    };
    assert_eq!((left(&[]), left(&["servers"]), left(&["data/main"]), left(&["servers", "data/main"])), (0, 1, 1, 0));
    assert_eq!(left(&["data/mai"]), 2);
}

#[test]
fn a_window_that_was_announced_too_late_opens_nothing() {
    let plan = plan(vec![action("servers/web", Impact::Interrupts)]);
    let late = Announcement { made_at: at("2026-11-23T17:00:01Z"), ..window(&[]) };
    let just = Announcement { made_at: at("2026-11-23T17:00:00Z"), ..window(&[]) };
    let now = at("2026-11-30T18:00:00Z");
    assert!(closed(&plan, &environment(), &permits(vec![late]), now).is_some());
    assert!(closed(&plan, &environment(), &permits(vec![just]), now).is_none());
    assert_eq!(earliest(at("2026-11-23T17:00:00Z"), WEEK), Some(at("2026-11-30T17:00:00Z")));
}

#[test]
fn an_emergency_overrides_the_window_and_not_the_data_guard() {
    let plan = plan(vec![action("data/main", Impact::LosesData)]);
    let permits = Permits { emergency: Some("disk fails".into()), ..Permits::default() };
    assert!(closed(&plan, &environment(), &permits, at("2026-11-30T00:00:00Z")).is_none());
    assert_eq!(unnamed(&plan, &environment(), &permits.data_loss).len(), 1);
}

#[test]
fn what_begins_is_checked_again_and_what_has_begun_may_end() {
    let (environment, permits, late) = (environment(), permits(vec![window(&[])]), at("2026-11-30T20:00:00Z"));
    let may = |operation, impact| may_begin(operation, &action("data/main", impact), &environment, &permits, late);
    assert!(!may(Operation::Delete, Impact::LosesData) && !may(Operation::Update, Impact::Interrupts));
    assert!(may(Operation::Update, Impact::None) && may(Operation::Create, Impact::LosesData));
    assert!(may(Operation::Save, Impact::LosesData));
}

#[test]
fn without_the_guard_nothing_is_asked_for() {
    let plan = plan(vec![action("data/main", Impact::LosesData)]);
    let environment = Environment { guards: Guards::default(), ..environment() };
    assert!(closed(&plan, &environment, &Permits::default(), at("2026-11-30T00:00:00Z")).is_none());
}

#[test]
fn times_are_those_of_the_environment_s_zone_and_must_be_one_moment() {
    let tokyo = environment();
    assert_eq!(read_time("2026-12-01 02:00", &tokyo), Ok(at("2026-11-30T17:00:00Z")));
    assert_eq!(read_time("2026-12-01T02:00:00+09:00", &tokyo), Ok(at("2026-11-30T17:00:00Z")));
    assert_eq!(typed(at("2026-11-30T17:00:00Z"), &tokyo), "2026-12-01 02:00");
    assert!(read_time("tomorrow", &tokyo).unwrap_err().contains("is no time"));
    let berlin = Environment { time_zone: "Europe/Berlin".into(), ..environment() };
    assert!(read_time("2026-10-25 02:30", &berlin).unwrap_err().contains("not one moment"));
    assert!(read_time("2026-03-29 02:30", &berlin).unwrap_err().contains("not one moment"));
}

#[test]
fn notices_are_written_in_japanese_and_english() {
    let window =
        Announcement { about: Some("データベースの更新".into()), ..window(&["servers", "data/main"]) };
    let text = |language| render(&window, &environment(), language, None).unwrap();
    let japanese = text(Language::Japanese);
    assert!(
        japanese
            .contains("- 日時: 2026年12月1日（火）02:00 から 2026年12月1日（火）04:30 まで（Asia/Tokyo、2時間30分）"),
        "{japanese}"
    );
    assert!(japanese.contains("- 対象: servers、data/main\n- 内容: データベースの更新\n"), "{japanese}");
    let english = text(Language::English);
    assert!(
        english.contains("- When: Tue 1 December 2026, 02:00 to Tue 1 December 2026, 04:30 (Asia/Tokyo, 150m)"),
        "{english}"
    );
    assert!(english.contains("- What: servers, data/main\n"), "{english}");
    assert!(!render(&self::window(&[]), &environment(), Language::English, None).unwrap().contains("About"));
}

#[test]
fn a_project_s_own_text_wins_and_its_errors_are_told() {
    let own = |template| render(&window(&[]), &environment(), Language::English, Some(template));
    assert_eq!(own("{{project}} {{id}}"), Ok("再建 1a2b3c4d".to_owned()));
    assert!(own("{{nothing}}").unwrap_err().contains("nothing"));
}
