//! The moto server: an emulator of AWS that nobody here wrote, started once for all tests. Its state can be copied: a copy is
//! a server of its own, made in about 20 ms, that holds what the other one held at that moment (`copies.py`).
//!
//! Its Python packages go into a virtual environment under the target folder. Python 3 is expected; without it the tests
//! fail and say so.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use saiken::providers::aws::Aws;
use saiken::providers::aws::client::{Credentials, Settings};

/// What is installed; a change makes a new environment.
const PACKAGES: [&str; 4] = ["moto[server]==5.2.5", "boto3==1.43.7", "ministack==1.5.33", "cbor2==6.3.0"];

/// Ends when its standard input closes, so that no server outlives the tests, however they end.
const SERVE: &str = include_str!("copies.py");

/// A running server.
pub struct Moto {
    /// `http://127.0.0.1:PORT`
    pub endpoint: String,
    port: u16,
    python: PathBuf,
    /// Held while the server is copied: it must do nothing else then.
    copying: Mutex<()>,
    /// None for a copy. Its standard input must stay open.
    original: Option<Child>,
}

/// The server that most tests share.
pub fn moto() -> &'static Moto {
    static MOTO: OnceLock<Moto> = OnceLock::new();
    MOTO.get_or_init(|| empty().copy())
}

/// A server that nobody has changed, to be copied only.
pub fn empty() -> &'static Moto {
    static EMPTY: OnceLock<Moto> = OnceLock::new();
    EMPTY.get_or_init(start)
}

impl Moto {
    /// The cloud of this server, without request rates.
    pub async fn cloud(&self, region: &str) -> Aws {
        Aws::connect(&self.settings(region)).await
    }

    /// How to connect to this server, without request rates.
    pub fn settings(&self, region: &str) -> Settings {
        Settings {
            region: region.to_owned(),
            endpoint: Some(self.endpoint.clone()),
            credentials: Some(Credentials::new("test", "test", None, None, "tests")),
            poll: Some(Duration::from_millis(50)),
            unlimited: true,
            ..Settings::default()
        }
    }

    /// A server of its own with all that this one holds now. Nobody else may be asking this one.
    pub fn copy(&self) -> Self {
        let _alone = self.copying.lock().unwrap();
        let port: u16 = self.control("POST", "copy").trim().parse().unwrap();
        Self::at(port, self.python.clone(), None)
    }

    /// How many things of each sort the emulator holds, whoever owns them, by `service/region/sort`.
    pub fn census(&self) -> BTreeMap<String, u64> {
        serde_json::from_str(&self.control("GET", "census")).unwrap()
    }

    /// Waits until no request is under way: a client that was killed may have left one behind.
    pub fn idle(&self) {
        assert_eq!(self.control("GET", "idle"), "idle");
    }

    fn at(port: u16, python: PathBuf, original: Option<Child>) -> Self {
        let endpoint = format!("http://127.0.0.1:{port}");
        Self { endpoint, port, python, copying: Mutex::default(), original }
    }

    /// Asks the server itself, not what it emulates.
    fn control(&self, method: &str, what: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "{method} /tests/{what} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{what}: no answer: {answer}"));
        assert!(head.contains(" 200 "), "{what}: {answer}");
        body.to_owned()
    }

    /// Runs a Python script with boto3 against the server, and gives what it prints.
    pub fn boto3(&self, region: &str, script: &str) -> String {
        let mut command = Command::new(&self.python);
        command.arg("-c").arg(script);
        for (name, value) in self.environment(region) {
            command.env(name, value);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Environment variables with which a program talks to this server and to nothing else.
    pub fn environment(&self, region: &str) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_ACCESS_KEY_ID", "test".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
            ("AWS_REGION", region.to_owned()),
            ("AWS_DEFAULT_REGION", region.to_owned()),
        ]
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // A copy ends at once, without an answer; the original when its standard input closes.
        if self.original.is_none()
            && let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port))
        {
            let _ = write!(stream, "POST /tests/end HTTP/1.0\r\n\r\n");
            let _ = stream.read(&mut [0]);
        }
    }
}

fn start() -> Moto {
    let python = environment();
    let mut child = Command::new(&python)
        .args(["-c", SERVE])
        .env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port: u16 = line.trim().parse().unwrap_or_else(|_| panic!("the moto server ended at once"));
    let moto = Moto::at(port, python, Some(child));
    // The emulator loads a service when it is first asked: once, before anything is copied.
    moto.boto3(
        "us-east-1",
        "
import boto3
boto3.client('acm').list_certificates()
boto3.client('autoscaling').describe_auto_scaling_groups()
boto3.client('backup').list_backup_plans()
boto3.client('cloudcontrol').list_resources(TypeName='AWS::Logs::LogGroup')
boto3.client('cloudtrail').list_trails()
boto3.client('cloudwatch').describe_alarms()
boto3.client('ec2').describe_vpcs()
boto3.client('elbv2').describe_load_balancers()
boto3.client('events').list_rules()
boto3.client('guardduty').list_detectors()
boto3.client('iam').list_roles()
boto3.client('kms').list_keys()
boto3.client('logs').describe_log_groups()
boto3.client('rds').describe_db_instances()
boto3.client('resourcegroupstaggingapi').get_resources()
boto3.client('route53').list_hosted_zones()
boto3.client('s3').list_buckets()
boto3.client('secretsmanager').list_secrets()
boto3.client('sns').list_topics()
boto3.client('ssm').describe_parameters()
boto3.client('sts').get_caller_identity()
boto3.client('wafv2').list_web_acls(Scope='REGIONAL')
",
    );
    moto
}

/// Makes the virtual environment if it is not there, and gives its Python.
fn environment() -> PathBuf {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("moto");
    fs::create_dir_all(&root).unwrap();
    let lock: File = OpenOptions::new().create(true).truncate(false).write(true).open(root.join("lock")).unwrap();
    lock.lock().unwrap();
    let venv = root.join("venv");
    let python = venv.join("bin/python");
    let stamp = root.join("installed");
    let wanted = PACKAGES.join("\n");
    if fs::read_to_string(&stamp).is_ok_and(|there| there == wanted) && python.exists() {
        return python;
    }
    let _ = fs::remove_dir_all(&venv);
    let base = ["python3", "python"]
        .into_iter()
        .find(|p| Command::new(p).arg("--version").output().is_ok_and(|o| o.status.success()))
        .expect("Python 3 is needed: the tests run an emulator of AWS (the PyPI package moto)");
    run(Command::new(base).args(["-m", "venv"]).arg(&venv));
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PACKAGES));
    File::create(&stamp).and_then(|mut f| f.write_all(wanted.as_bytes())).unwrap();
    python
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}:\n{}", String::from_utf8_lossy(&output.stderr));
}
