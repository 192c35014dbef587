//! The guards from end to end: what is asked for, and how it is given.

use super::Sandbox;

const ENVIRONMENT: &str =
    "project: shop\nprovider: simulated\nregion: ap-northeast-1\nzones: [ap-northeast-1a]\ntime_zone: Asia/Tokyo\n";
const DISK: &str = "stack: s\nresources:\n  disk: {kind: volume, zone: ap-northeast-1a, size: 10GiB}\n";

fn guarded(guards: &str) -> Sandbox {
    let sandbox = Sandbox::stack(DISK);
    sandbox.write("environments/test.yaml", &format!("{ENVIRONMENT}{guards}"));
    sandbox.run(&["apply", "--yes"]).code(0);
    sandbox
}

#[test]
fn data_goes_only_of_what_is_named_and_a_wrong_name_is_told() {
    let sandbox = guarded("");
    let refused = sandbox.run(&["destroy", "--yes"]).code(1);
    assert!(refused.err.contains("if that is meant, add --allow-data-loss s/disk"), "{}", refused.err);
    assert!(refused.out.contains("save: a recovery point (EBS snapshot) not older than 1d"), "{}", refused.out);
    let wrong = sandbox.run(&["destroy", "--yes", "--allow-data-loss", "s/disc"]).code(64);
    assert!(wrong.err.contains("did you mean `s/disk`?"), "{}", wrong.err);
    assert!(sandbox.run(&["show"]).code(0).out.contains("s/disk"));
    let done = sandbox.run(&["destroy", "--yes", "--allow-data-loss", "s/disk", "--format", "json"]).code(0).json();
    let operations: Vec<&str> =
        done["done"].as_array().unwrap().iter().filter_map(|d| d["operation"].as_str()).collect();
    assert_eq!(operations, ["save", "delete"]);
    assert!(sandbox.run(&["simulate", "recovery-points"]).code(0).out.contains("s/disk"));
}

#[test]
fn a_saved_plan_needs_the_flag_when_it_is_applied() {
    let sandbox = guarded("");
    sandbox.write("stacks/s.yaml", "stack: s\nresources:\n  ip: {kind: elastic_ip}\n");
    sandbox.run(&["plan", "--out", "plan.json"]).code(0);
    let refused = sandbox.run(&["apply", "--plan", "plan.json", "--yes"]).code(1);
    assert!(refused.err.contains("--allow-data-loss s/disk"), "{}", refused.err);
    sandbox.run(&["apply", "--plan", "plan.json", "--yes", "--allow-data-loss", "s/disk"]).code(0);
}

#[test]
fn an_interruption_needs_a_window_or_an_emergency() {
    let sandbox = guarded("guards: {data: {loss: allowed}, interruptions: {notice: 7d}}\n");
    let refused = sandbox.run(&["destroy", "--yes"]).code(1);
    assert!(refused.err.contains("s/disk: delete, everything is taken down"), "{}", refused.err);
    assert!(refused.err.contains("announce one: saiken announce -e test --from \""), "{}", refused.err);
    let early = sandbox.run(&["announce", "--from", "2026-01-01 02:00", "--for", "2h"]).code(1);
    assert!(
        early.err.contains("must be announced 7d before it begins") && early.err.contains("the earliest start is now")
    );
    let announced =
        sandbox.run(&["announce", "--from", "2099-12-01 02:00", "--for", "2h", "--about", "更新", "s"]).code(0);
    assert!(
        announced.out.contains("2099年12月1日（火）02:00 から") && announced.out.contains("Tue 1 December 2099, 02:00"),
        "{}",
        announced.out
    );
    let list = sandbox.run(&["announce", "--list", "--format", "json"]).code(0).json();
    let id = list["announcements"][0]["id"].as_str().unwrap().to_owned();
    let next = sandbox.run(&["destroy", "--yes"]).code(1);
    assert!(next.err.contains(&format!("run again in window {id}: from 2099-12-01 02:00")), "{}", next.err);
    sandbox.run(&["announce", "--withdraw", &id]).code(0);
    assert_eq!(sandbox.run(&["announce", "--list"]).code(0).out, "");
    let done = sandbox.run(&["destroy", "--yes", "--emergency", "the disk fails"]).code(0);
    assert!(done.err.contains("emergency, not announced: the disk fails"), "{}", done.err);
    let mut journals: Vec<_> =
        std::fs::read_dir(sandbox.path(".saiken/test/journal")).unwrap().map(|e| e.unwrap().path()).collect();
    journals.sort();
    let last = std::fs::read_to_string(journals.last().unwrap()).unwrap();
    assert!(last.lines().next().unwrap().contains("\"emergency\":\"the disk fails\""), "{last}");
}

#[test]
fn an_open_window_lets_the_work_through_and_a_mistake_in_the_template_announces_nothing() {
    let sandbox = guarded("guards: {data: {loss: allowed}, interruptions: {notice: 0s}}\n");
    sandbox.write("templates/notices/planned-stop.en.md.hbs", "{{wrong}}");
    let refused = sandbox.run(&["announce", "--from", "2099-12-01 02:00", "--for", "1h"]).code(1);
    assert!(refused.err.contains("nothing was announced"), "{}", refused.err);
    sandbox.write("templates/notices/planned-stop.en.md.hbs", "Work on {{project}}");
    let soon = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_secs(4)).unwrap();
    let announced = sandbox.run(&["announce", "--from", &soon.to_string(), "--for", "1h"]).code(0);
    assert!(announced.out.ends_with("Work on shop"), "{}", announced.out);
    while jiff::Timestamp::now() <= soon {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    sandbox.run(&["destroy", "--yes"]).code(0);
}
