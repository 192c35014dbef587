//! The reference system against the emulator, with the real binary over HTTP.

use std::path::Path;
use std::process::{Command, Output};

use super::SCRIPTED;
use crate::support::moto::{Moto, empty};
use crate::support::{copy_project, repository};

/// Region of the environment.
pub const REGION: &str = "ap-northeast-1";

/// A project in a folder of its own, on a server.
pub struct Cli<'a> {
    /// The folder.
    pub dir: tempfile::TempDir,
    moto: &'a Moto,
}

impl<'a> Cli<'a> {
    /// A copy of the reference system, for this server: of its staging environment.
    pub fn reference(moto: &'a Moto) -> Self {
        Self::new(moto, repository())
    }

    /// A copy of a smaller system: a network over three zones, and servers in it.
    pub fn servers(moto: &'a Moto) -> Self {
        Self::new(moto, &repository().join("tests/projects/servers"))
    }

    fn new(moto: &'a Moto, project: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy_project(project, dir.path());
        // The real staging environment, on the emulator's account.
        let staging = std::fs::read_to_string(dir.path().join("environments/staging.yaml")).unwrap();
        let lines: Vec<&str> =
            staging.lines().filter(|l| !l.starts_with("account:") && !l.starts_with("role:")).collect();
        std::fs::write(dir.path().join("environments/staging.yaml"), lines.join("\n") + "\n").unwrap();
        Self { dir, moto }
    }

    /// The binary with these arguments.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_saiken"));
        command.arg("-C").arg(self.dir.path()).args(["-e", "staging"]).args(arguments);
        command.envs(self.moto.environment(REGION));
        command
    }

    /// Runs it: exit code, stdout, stderr.
    pub fn run(&self, arguments: &[&str]) -> (i32, String, String) {
        let Output { status, stdout, stderr } = self.command(arguments).output().unwrap();
        let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
        (status.code().unwrap_or(-1), text(stdout), text(stderr))
    }
}

/// Fields that the emulator doesn't read back; unit tests prove them.
const LOST: [&str; 2] = ["event_bridge:", "performance_insights:"];

/// Takes the resources that no emulator has out of the stacks: those of scripted kinds, and the window for patches, whose
/// tasks the emulator doesn't tell. Gives back their names. Nothing refers to them.
fn without_scripted(cli: &Cli<'_>) -> Vec<String> {
    let mut taken = Vec::new();
    for folder in ["stacks", "templates"] {
        for file in std::fs::read_dir(cli.dir.path().join(folder)).unwrap().map(|e| e.unwrap().path()) {
            if file.is_dir() {
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            // A resource is its name, two spaces in, and all lines below that are further in.
            let mut blocks: Vec<Vec<&str>> = Vec::new();
            for line in text.lines() {
                match blocks.last_mut() {
                    Some(block) if line.starts_with("   ") || line.is_empty() => block.push(line),
                    _ => blocks.push(vec![line]),
                }
            }
            let kinds = || SCRIPTED.iter().map(|(kind, _)| *kind).chain(["maintenance_window"]);
            let scripted = |b: &[&str]| kinds().any(|kind| b.get(1).is_some_and(|l| *l == format!("    kind: {kind}")));
            let (gone, kept): (Vec<_>, Vec<_>) = blocks.into_iter().partition(|b| scripted(b));
            taken.extend(gone.iter().map(|b| b[0].trim().trim_end_matches(':').to_owned()));
            let lines = kept.concat().into_iter().filter(|l| !LOST.iter().any(|field| l.trim_start().starts_with(field)));
            std::fs::write(&file, lines.collect::<Vec<_>>().join("\n") + "\n").unwrap();
        }
    }
    taken.sort();
    taken
}

#[test]
fn the_reference_system_applies_converges_drifts_is_repaired_and_leaves_nothing() {
    let moto = empty().copy();
    let cli = Cli::reference(&moto);
    assert_eq!(without_scripted(&cli), ["agents", "baseline", "patching", "tests"], "what scripted exchanges prove");
    let nothing = moto.census();
    let (code, out, err) = cli.run(&["apply", "--yes"]);
    assert_eq!(code, 0, "{out}\n{err}");
    let (code, out, err) = cli.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(code, 0, "{out}\n{err}");

    // Nothing local is needed.
    std::fs::remove_dir_all(cli.dir.path().join(".saiken")).unwrap();
    let (code, out, err) = cli.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(code, 0, "{out}\n{err}");
    let (code, _, _) = cli.run(&["apply", "--yes"]);
    assert_eq!(code, 0);

    moto.boto3(
        REGION,
        "
import boto3
ec2 = boto3.client('ec2')
vpc = ec2.describe_vpcs(Filters=[{'Name': 'tag:saiken:address', 'Values': ['network/main.vpc']}])['Vpcs'][0]['VpcId']
ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={'Value': False})
",
    );
    let (code, out, err) = cli.run(&["drift"]);
    assert_eq!(code, 2, "{out}\n{err}");
    assert!(out.contains("network/main.vpc") && out.contains("dns_hostnames"), "{out}");
    let (code, out, err) = cli.run(&["apply", "--yes"]);
    assert_eq!(code, 0, "{out}\n{err}");
    let (code, out, err) = cli.run(&["drift"]);
    assert_eq!(code, 0, "{out}\n{err}");

    let (code, out, err) = cli.run(&["destroy", "--yes"]);
    assert_eq!(code, 0, "{out}\n{err}");
    let (code, out, _) = cli.run(&["show"]);
    assert_eq!((code, out.lines().next()), (0, Some("nothing is there")));
    // What nobody who reads tags would see is looked for by the emulator itself.
    let left = moto.census();
    let more: Vec<_> = left.iter().filter(|(k, n)| nothing.get(*k) != Some(n)).collect();
    assert!(more.is_empty(), "left behind: {more:#?}");
}
