//! Shared state in S3, against the emulator: conditional writes, the lease, and machines that take over from each other.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use saiken::execute::lease::Lease;
use saiken::execute::lock::{Holder, Lock, LockError};
use saiken::execute::machine::System;
use saiken::model::cloud::Unwatched;
use saiken::model::storage::{Condition, Storage, StorageError, Version};
use saiken::providers::aws::client::{Credentials, Settings};
use saiken::providers::aws::s3::storage::S3Storage;

use crate::cli::Sandbox;
use crate::support::moto::moto;

const REGION: &str = "ap-northeast-1";

/// A new bucket.
fn bucket(name: &str) {
    let script = format!(
        "import boto3\nboto3.client('s3').create_bucket(Bucket='{name}', \
         CreateBucketConfiguration={{'LocationConstraint': '{REGION}'}})"
    );
    moto().boto3(REGION, &script);
}

/// Keys in a bucket.
fn keys(name: &str) -> Vec<String> {
    let script = format!(
        "import boto3\nfor o in boto3.client('s3').list_objects_v2(Bucket='{name}').get('Contents', []): print(o['Key'])"
    );
    moto().boto3(REGION, &script).lines().map(str::to_owned).collect()
}

async fn storage(bucket: &str) -> S3Storage {
    let settings = Settings {
        region: REGION.into(),
        endpoint: Some(moto().endpoint.clone()),
        credentials: Some(Credentials::new("test", "test", None, None, "tests")),
        unlimited: true,
        ..Settings::default()
    };
    S3Storage::connect(&settings, bucket).await
}

#[tokio::test]
async fn a_write_happens_only_under_its_condition() {
    bucket("state-conditions");
    let s3 = storage("state-conditions").await;
    let key = "shop/会社/lock";
    assert_eq!(s3.get(key).await.unwrap(), None);
    let first = s3.put(key, b"one".to_vec(), &Condition::Absent).await.unwrap();
    assert!(matches!(s3.put(key, b"two".to_vec(), &Condition::Absent).await, Err(StorageError::Conflict(_))));
    let second = s3.put(key, b"two".to_vec(), &Condition::Is(first.clone())).await.unwrap();
    assert!(matches!(s3.put(key, b"x".to_vec(), &Condition::Is(first.clone())).await, Err(StorageError::Conflict(_))));
    let there = s3.get(key).await.unwrap().unwrap();
    assert_eq!((there.bytes.as_slice(), &there.version), (b"two".as_slice(), &second));
    let gone = Condition::Is(Version(first.0));
    assert!(matches!(s3.put("shop/none", b"x".to_vec(), &gone).await, Err(StorageError::Conflict(_))));
    s3.put("shop/a", Vec::new(), &Condition::Absent).await.unwrap();
    s3.put("other", Vec::new(), &Condition::Absent).await.unwrap();
    assert_eq!(s3.list("shop/").await.unwrap(), ["shop/a", key]);
    s3.delete(key).await.unwrap();
    s3.delete(key).await.unwrap();
    assert_eq!(s3.list("shop/").await.unwrap(), ["shop/a"]);
    let error = storage("state-no-such-bucket").await.get(key).await.unwrap_err();
    assert!(matches!(&error, StorageError::Refused(e) if e.code.as_deref() == Some("NoSuchBucket")), "{error:?}");
    let error = storage("state-no-such-bucket").await.put(key, Vec::new(), &gone).await.unwrap_err();
    assert!(matches!(error, StorageError::Refused(_)), "a bucket that is not there is no conflict");
}

#[tokio::test]
async fn more_keys_than_a_page_holds_are_all_listed() {
    bucket("state-pages");
    let fill =
        "import boto3\nc=boto3.client('s3')\nfor i in range(1100): c.put_object(Bucket='state-pages', Key=f'j/{i:05}')";
    moto().boto3(REGION, fill);
    assert_eq!(storage("state-pages").await.list("j/").await.unwrap().len(), 1100);
}

#[tokio::test]
async fn a_lease_in_a_bucket_keeps_others_out_and_follows_a_holder_that_was_killed() {
    bucket("state-lease");
    let s3: Arc<dyn Storage> = Arc::new(storage("state-lease").await);
    let lease =
        || Lease::new(Arc::clone(&s3), Arc::new(System::new()), "shop/test/lock".into(), Duration::from_secs(5));
    let holder = |who: &str| Holder {
        who: who.into(),
        host: "build".into(),
        pid: 7,
        command: "saiken apply".into(),
        since: "2026-01-02T03:04:05Z".into(),
    };
    let held = lease().acquire(&holder("hanako"), &Unwatched).await.unwrap();
    // Longer than the lease: it is renewed.
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(held.is_held());
    let refused = lease().acquire(&holder("taro"), &Unwatched).await.unwrap_err();
    assert!(matches!(&refused, LockError::Leased(l) if l.holder.who == "hanako" && l.heartbeats > 1), "{refused}");
    drop(held);
    let begun = Instant::now();
    let followed = loop {
        match lease().acquire(&holder("taro"), &Unwatched).await {
            Ok(held) => break held,
            Err(LockError::Leased(_)) => tokio::time::sleep(Duration::from_millis(100)).await,
            Err(error) => panic!("{error}"),
        }
    };
    assert!(followed.is_held() && begun.elapsed() >= Duration::from_secs(5), "{:?}", begun.elapsed());
    followed.release().await.unwrap();
    lease().acquire(&holder("jiro"), &Unwatched).await.unwrap().release().await.unwrap();
}

/// A project whose state is in a bucket.
fn project(name: &str, provider: &str, stack: &str) -> Sandbox {
    let sandbox = Sandbox::empty();
    let environment = format!(
        "project: {name}\nprovider: {provider}\nregion: {REGION}\nzones: [ap-northeast-1a]\n\
         state: {{ bucket: {name}, lease: 15s }}\n"
    );
    sandbox.write("environments/test.yaml", &environment);
    sandbox.write("stacks/s.yaml", stack);
    sandbox
}

#[test]
fn any_machine_sees_what_another_has_applied_and_its_record_and_takes_over() {
    bucket("state-any");
    let stack = "stack: s\nresources:\n  main: { kind: vpc, cidr: 10.0.0.0/16, tags: { Team: a } }\n";
    let (first, second) = (project("state-any", "aws", stack), project("state-any", "aws", stack));
    let variables = moto().environment(REGION);
    first.run_with(&["apply", "--yes"], &variables).code(0);
    assert!(!first.path(".saiken").exists(), "nothing is kept on this machine");
    let there = keys("state-any");
    assert_eq!(there.len(), 3, "{there:?}");
    assert!(there[0].starts_with("state-any/test/journal/") && there[0].ends_with(".jsonl"), "{there:?}");
    assert_eq!(there[1..], ["state-any/test/lock", "state-any/test/record.json"]);

    second.run_with(&["plan", "--detailed-exitcode"], &variables).code(0);
    let all = second.run_with(&["history", "--format", "json"], &variables).code(0).json();
    assert_eq!(all["applies"][0]["outcome"], "succeeded");
    let id = all["applies"][0]["id"].as_str().unwrap();
    let detail = second.run_with(&["history", "show", id, "--format", "json"], &variables).code(0).json();
    let ids = detail["steps"][0]["request_ids"].as_array().unwrap();
    assert!(!ids.is_empty(), "the ids of the calls that write are kept: {detail:#}");

    // With the record, a change of the files is told from one made outside.
    second.replace("stacks/s.yaml", "Team: a", "Team: b");
    let plan = second.run_with(&["plan", "--format", "json"], &variables).code(0).json();
    assert_eq!(plan["actions"][0]["changes"][0]["cause"], "you", "{plan:#}");
    second.run_with(&["destroy", "--yes"], &variables).code(0);
    let free = first.run_with(&["unlock"], &variables).code(0);
    assert_eq!(free.out, "nobody holds the lock of `test`\n");
}

const STACK: &str = "\
stack: s
resources:
  main: { kind: vpc, cidr: 10.0.0.0/16 }
  public: { kind: subnet, vpc: main, zone: ap-northeast-1a, cidr: 10.0.0.0/24 }
  address: { kind: elastic_ip, depends_on: [public] }
  gateway: { kind: nat_gateway, subnet: public, elastic_ip: address }
  routes: { kind: route_table, vpc: main, routes: [{ cidr: 0.0.0.0/0, nat_gateway: gateway }] }
";

/// Starts an apply of [`STACK`], and waits until the gateway is under way, which takes two virtual minutes.
fn apply_until_the_gateway(s: &Sandbox, bucket: &str, speed: u32) -> Child {
    s.replace("environments/test.yaml", "project:", &format!("simulated: {{ speed: {speed} }}\nproject:"));
    let child = Command::new(env!("CARGO_BIN_EXE_saiken"))
        .current_dir(s.path("."))
        .args(["apply", "--yes"])
        .envs(moto().environment(REGION))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    // The header, the plan, and two parts for each of the three steps before.
    while keys(bucket).iter().filter(|k| k.contains("/journal/")).count() < 9 {
        assert!(begun.elapsed() < Duration::from_secs(30), "it does not begin: {:?}", keys(bucket));
    }
    child
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_process_that_stood_still_for_its_whole_lease_stops_when_it_goes_on() {
    bucket("state-stopped");
    let s = project("state-stopped", "simulated", STACK);
    let child = apply_until_the_gateway(&s, "state-stopped", 2);
    signal(&child, "-STOP");
    // Five sixths of the lease of 15 s.
    std::thread::sleep(Duration::from_secs(13));
    signal(&child, "-CONT");
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("stopped: the lock of this environment could not be renewed in time and is lost"), "{said}");
    assert!(!said.contains("created   s/gateway") && !said.contains("created   s/routes"), "{said}");
    let variables = moto().environment(REGION);
    let history = s.run_with(&["history"], &variables).code(0).out;
    assert!(history.contains("lock lost"), "{history}");
    s.replace("environments/test.yaml", "speed: 2 ", "speed: 0 ");
    s.run_with(&["apply", "--yes"], &variables).code(0);
    s.run_with(&["plan", "--detailed-exitcode"], &variables).code(0);
}

#[test]
fn after_a_kill_the_lock_names_the_dead_until_it_is_unlocked_and_the_next_apply_goes_on() {
    bucket("state-killed");
    let s = project("state-killed", "simulated", STACK);
    let variables = moto().environment(REGION);
    // So slow that it is still under way however long this machine takes to kill it; afterwards no time passes.
    let mut child = apply_until_the_gateway(&s, "state-killed", 1);
    child.kill().unwrap();
    child.wait().unwrap();
    s.replace("environments/test.yaml", "speed: 1 ", "speed: 0 ");
    assert!(s.path(".saiken/simulated").exists(), "the simulated cloud's objects stay on this machine");

    let refused = s.run_with(&["apply", "--yes"], &variables).code(1);
    assert!(refused.err.contains(&format!("`saiken apply --yes` (process {})", child.id())), "{}", refused.err);
    let asked = s.run_with(&["unlock"], &variables).code(64);
    assert!(
        asked.out.contains("last heartbeat") && asked.err.contains("there is no terminal to ask on"),
        "{}",
        asked.err
    );
    let unlocked = s.run_with(&["unlock", "--yes"], &variables).code(0);
    assert!(unlocked.err.ends_with("the lock is free\n"), "{}", unlocked.err);
    let history = s.run_with(&["history"], &variables).code(0).out;
    assert!(history.contains("interrupted"), "{history}");
    let applied = s.run_with(&["apply", "--yes"], &variables).code(0);
    assert!(applied.out.contains("Interrupted\n"), "the plan says it:\n{}\n{}", applied.out, applied.err);
    s.run_with(&["plan", "--detailed-exitcode"], &variables).code(0);
    let listed = s.run(&["simulate", "list"]).code(0).out;
    assert_eq!(listed.matches("nat_gateway").count(), 1, "nothing was made twice:\n{listed}");
}
