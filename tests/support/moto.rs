//! The moto server: an emulator of AWS that nobody here wrote, started once for all tests.
//!
//! Its Python packages go into a virtual environment under the target folder. Python 3 is expected; without it the tests
//! fail and say so.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use saiken::providers::aws::Aws;
use saiken::providers::aws::client::{Credentials, Settings};

/// What is installed; a change makes a new environment.
const PACKAGES: [&str; 2] = ["moto[server]==5.2.5", "boto3==1.43.7"];

/// Ends when its standard input closes, so that no server outlives the tests, however they end.
const SERVE: &str = "
import os, sys, threading
def watch():
    sys.stdin.read()
    os._exit(0)
threading.Thread(target=watch, daemon=True).start()
from moto.server import main
main(['-H', '127.0.0.1', '-p', sys.argv[1]])
";

/// A running server.
pub struct Moto {
    /// `http://127.0.0.1:PORT`
    pub endpoint: String,
    python: PathBuf,
    // Its standard input must stay open.
    _child: Child,
}

/// The one server of this test run.
pub fn moto() -> &'static Moto {
    static MOTO: OnceLock<Moto> = OnceLock::new();
    MOTO.get_or_init(start)
}

impl Moto {
    /// The cloud of this server, without request rates.
    pub async fn cloud(&self, region: &str) -> Aws {
        Aws::connect(&Settings {
            region: region.to_owned(),
            endpoint: Some(self.endpoint.clone()),
            credentials: Some(Credentials::new("test", "test", None, None, "tests")),
            poll: Some(Duration::from_millis(50)),
            unlimited: true,
            ..Settings::default()
        })
        .await
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

fn start() -> Moto {
    let python = environment();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut child = Command::new(&python)
        .args(["-c", SERVE, &port.to_string()])
        .env("MOTO_IAM_LOAD_MANAGED_POLICIES", "true")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(child.try_wait().unwrap().is_none(), "the moto server ended at once");
        assert!(begun.elapsed() < Duration::from_secs(60), "the moto server does not answer");
        std::thread::sleep(Duration::from_millis(100));
    }
    Moto { endpoint: format!("http://127.0.0.1:{port}"), python, _child: child }
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
