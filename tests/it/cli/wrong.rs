//! Wrong input: the exact words, and the exit code.

use super::Sandbox;

#[test]
fn a_wrong_flag_is_wrong_usage() {
    let run = Sandbox::empty().run(&["plan", "--nonsense"]).code(64);
    assert!(run.err.starts_with("error: unexpected argument '--nonsense' found"), "{}", run.err);
    Sandbox::empty().run(&["nonsense"]).code(64);
    Sandbox::empty().run(&[]).code(64);
}

#[test]
fn without_a_terminal_nobody_is_asked_and_nothing_is_done() {
    let s = Sandbox::reference();
    let run = s.local(&["apply"]).code(64);
    assert!(
        run.err.ends_with("error: there is no terminal to ask on\n  help: look at the plan first, then add --yes\n"),
        "{}",
        run.err
    );
    assert!(s.local(&["show"]).code(0).out.starts_with("nothing is there\n"));
}

#[test]
fn an_unknown_environment_is_named_with_those_there_are() {
    let run = Sandbox::reference().run(&["-e", "stagin", "plan"]).code(1);
    assert!(run.err.contains("stagin") && run.err.contains("staging"), "{}", run.err);
}

#[test]
fn several_environments_are_listed_and_abstract_ones_left_out() {
    let run = Sandbox::reference().run(&["plan"]).code(64);
    assert_eq!(
        run.err,
        "error: which environment?\n  help: add -e with one of: local, production, recovery, staging\n"
    );
}

#[test]
fn an_unknown_stack_is_named_with_the_nearest() {
    let run = Sandbox::reference().local(&["plan", "netwrok"]).code(64);
    assert_eq!(run.err, "error: there is no stack `netwrok`\n  help: did you mean `network`?\n");
}

#[test]
fn a_folder_without_project_says_how_to_begin() {
    let run = Sandbox::empty().run(&["plan"]).code(1);
    assert!(run.err.contains("saiken init"), "{}", run.err);
}

#[test]
fn a_plan_file_that_is_none_is_refused() {
    let s = Sandbox::reference();
    s.write("plan.json", "{}");
    let run = s.local(&["apply", "--plan", "plan.json", "--yes"]).code(1);
    assert!(
        run.err.starts_with("error: plan.json can't be applied\n  because: this is not a saved plan"),
        "{}",
        run.err
    );
    let run = s.local(&["apply", "--plan", "none.json", "--yes"]).code(1);
    assert!(run.err.starts_with("error: the plan none.json can't be read\n"), "{}", run.err);
}

#[test]
fn another_account_is_refused_before_anything_is_read() {
    let s = Sandbox::reference();
    s.replace("environments/local.yaml", "account: \"000000000000\"", "account: \"999999999999\"");
    let run = s.local(&["plan"]).code(1);
    assert!(
        run.err.contains(
            "the credentials belong to account 000000000000, but environment `local` is account 999999999999"
        ),
        "{}",
        run.err
    );
}

#[test]
fn simulate_needs_a_simulated_environment() {
    let run = Sandbox::reference().run(&["-e", "staging", "simulate", "list"]).code(64);
    assert!(run.err.starts_with("error: the environment `staging` is not simulated\n"), "{}", run.err);
}

#[test]
fn all_errors_of_the_files_are_reported_together() {
    let s = Sandbox::stack("stack: s\nresources:\n  a: { kind: vcp }\n  b: { kind: vpc, cidr: x, colour: red }\n");
    let run = s.run(&["validate"]).code(1);
    for part in ["stacks/s.yaml:3:", "stacks/s.yaml:4:", "vcp", "colour"] {
        assert!(run.err.contains(part), "{part}:\n{}", run.err);
    }
    assert_eq!(run.out, "");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::io::Read as _;
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_saiken"))
        .args(["schema", "stack"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert!(child.wait().unwrap().success(), "{err}");
    assert_eq!(err, "");
}

#[test]
fn an_address_that_is_nowhere_is_named_with_the_nearest() {
    let s = Sandbox::stack("stack: s\nresources:\n  main: { kind: vpc, cidr: 10.0.0.0/16 }\n");
    s.run(&["apply", "--yes"]).code(0);
    s.run(&["show", "s/main"]).code(0);
    let wrong = s.run(&["show", "s/mian"]).code(64);
    assert_eq!(wrong.err, "error: there is no stack or address `s/mian`\n  help: did you mean `s/main`?\n");
    assert_eq!(wrong.out, "");
}

#[test]
fn a_plan_file_that_is_too_large_is_refused_without_being_read() {
    let s = Sandbox::stack("stack: s\nresources:\n  ip: {kind: elastic_ip}\n");
    let file = std::fs::File::create(s.path("huge.json")).unwrap();
    file.set_len(1 << 33).unwrap();
    let refused = s.run(&["apply", "--plan", "huge.json", "--yes"]).code(1);
    assert_eq!(
        refused.err,
        "error: huge.json can't be applied\n  because: it is larger than 256 MiB\n  help: save one with `saiken plan --out FILE`\n"
    );
}
