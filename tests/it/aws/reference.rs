//! The reference system against the emulator, with the real binary over HTTP.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::moto::{Moto, moto};

/// Region of the environment.
pub const REGION: &str = "ap-northeast-1";

/// The reference project in a folder of its own, on a server.
pub struct Cli<'a> {
    /// The folder.
    pub dir: tempfile::TempDir,
    moto: &'a Moto,
}

impl<'a> Cli<'a> {
    /// A copy of the project, for this server.
    pub fn new(moto: &'a Moto) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["environments", "stacks", "templates"] {
            crate::support::copy_folder(&root.join(folder), &dir.path().join(folder));
        }
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

#[test]
fn the_reference_system_applies_converges_drifts_is_repaired_and_leaves_nothing() {
    let cli = Cli::new(moto());
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

    moto().boto3(
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
    // What nobody who reads tags would see is looked for by other means.
    let left = moto().boto3(
        REGION,
        "
import boto3
ec2, logs, iam = boto3.client('ec2'), boto3.client('logs'), boto3.client('iam')
live = lambda objects, *gone: [o for o in objects if o.get('State', {}) not in gone]
# The tests of shared state make networks at the same time.
others = lambda o: any(t['Value'].startswith('state-') for t in o.get('Tags', []))
print('networks', [v['VpcId'] for v in ec2.describe_vpcs()['Vpcs'] if not v['IsDefault'] and not others(v)])
print('gateways', [g['NatGatewayId'] for g in live(ec2.describe_nat_gateways()['NatGateways'], 'deleted')])
print('addresses', [a['AllocationId'] for a in ec2.describe_addresses()['Addresses']])
print('endpoints', [e['VpcEndpointId'] for e in live(ec2.describe_vpc_endpoints()['VpcEndpoints'], 'deleted')])
print('flow logs', [f['FlowLogId'] for f in ec2.describe_flow_logs()['FlowLogs']])
print('templates', [t['LaunchTemplateId'] for t in ec2.describe_launch_templates()['LaunchTemplates']])
print('groups', [g['AutoScalingGroupName'] for g in boto3.client('autoscaling').describe_auto_scaling_groups()['AutoScalingGroups']])
print('log groups', [g['logGroupName'] for g in logs.describe_log_groups()['logGroups']])
print('roles', [r['RoleName'] for r in iam.list_roles()['Roles'] if r['RoleName'].startswith('reference-')])
print('profiles', [p['InstanceProfileName'] for p in iam.list_instance_profiles()['InstanceProfiles'] if p['InstanceProfileName'].startswith('reference-')])
print('aliases', [a['AliasName'] for a in boto3.client('kms').list_aliases()['Aliases'] if a['AliasName'].startswith('alias/reference-')])
",
    );
    for line in left.lines() {
        assert!(line.ends_with("[]"), "left behind: {line}");
    }
    assert_eq!(left.lines().count(), 11);
}
