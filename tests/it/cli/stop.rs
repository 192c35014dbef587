//! Ctrl-C: the first one stops after what is under way, the second one at once; the same command then goes on.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::Sandbox;

/// A gateway takes 3 seconds to come up; before it three fast objects, after it a table.
const STACK: &str = "\
stack: s
resources:
  main: { kind: vpc, cidr: 10.0.0.0/16 }
  public: { kind: subnet, vpc: main, zone: ap-northeast-1a, cidr: 10.0.0.0/24 }
  address: { kind: elastic_ip, depends_on: [public] }
  gateway: { kind: nat_gateway, subnet: public, elastic_ip: address }
  routes: { kind: route_table, vpc: main, routes: [{ cidr: 0.0.0.0/0, nat_gateway: gateway }] }
";

struct Running {
    child: Child,
    said: BufReader<std::process::ChildStderr>,
}

impl Running {
    /// Starts an apply, and waits until the gateway is under way.
    fn apply(sandbox: &Sandbox) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_saiken"))
            .current_dir(sandbox.path("."))
            .args(["apply", "--yes"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut running = Self { said: BufReader::new(child.stderr.take().unwrap()), child };
        let mut line = String::new();
        while !line.contains("s/address") {
            line.clear();
            assert!(running.said.read_line(&mut line).unwrap() > 0, "it ended before the gateway");
        }
        std::thread::sleep(Duration::from_millis(300));
        running
    }

    fn interrupt(&self) {
        let status = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Exit code, stdout, and what was said on stderr.
    fn end(mut self) -> (Option<i32>, String, String) {
        let (mut out, mut said) = (String::new(), String::new());
        self.said.read_to_string(&mut said).unwrap();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        (self.child.wait().unwrap().code(), out, said)
    }
}

fn sandbox() -> Sandbox {
    let sandbox = Sandbox::stack(STACK);
    // Virtual seconds for one real second.
    sandbox.replace("environments/test.yaml", "project: shop\n", "project: shop\nsimulated: { speed: 40 }\n");
    sandbox
}

fn converges(sandbox: &Sandbox) {
    sandbox.run(&["apply", "--yes"]).code(0);
    sandbox.run(&["plan", "--detailed-exitcode"]).code(0);
    let listed = sandbox.run(&["simulate", "list"]).code(0).out;
    assert_eq!(listed.matches("nat_gateway").count(), 1, "nothing was made twice:\n{listed}");
}

#[test]
fn the_first_interrupt_finishes_what_is_under_way_and_names_what_is_left() {
    let sandbox = sandbox();
    let running = Running::apply(&sandbox);
    running.interrupt();
    let (code, out, said) = running.end();
    let all = format!("{out}\n{said}");
    assert_eq!(code, Some(1), "{all}");
    assert!(said.contains("stopping: what is under way is finished"), "{all}");
    assert!(all.contains("created   s/gateway"), "{all}");
    assert!(!all.contains("created   s/routes") && all.contains("s/routes"), "what is left is named:\n{all}");
    converges(&sandbox);
}

#[test]
fn the_second_interrupt_stops_at_once_and_the_next_apply_goes_on() {
    let sandbox = sandbox();
    // The gateway would take two minutes.
    sandbox.replace("environments/test.yaml", "speed: 40 ", "speed: 1 ");
    let running = Running::apply(&sandbox);
    let begun = Instant::now();
    running.interrupt();
    std::thread::sleep(Duration::from_millis(300));
    running.interrupt();
    let (code, out, said) = running.end();
    let all = format!("{out}\n{said}");
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "it did not stop within twenty seconds: {:?}\n{all}",
        begun.elapsed()
    );
    assert_eq!(code, Some(1), "{all}");
    assert!(said.contains("stopping at once"), "{all}");
    sandbox.replace("environments/test.yaml", "speed: 1 ", "speed: 0 ");
    converges(&sandbox);
}
