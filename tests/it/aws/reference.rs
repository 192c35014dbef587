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
            let lines =
                kept.concat().into_iter().filter(|l| !LOST.iter().any(|field| l.trim_start().starts_with(field)));
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
    assert_eq!(
        without_scripted(&cli),
        ["agents", "association", "baseline", "patching", "tests"],
        "what scripted exchanges prove"
    );
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
    // What nobody who reads tags would see is looked for by other means.
    let left = moto.boto3(REGION, LEFT);
    for line in left.lines() {
        assert!(line.ends_with("[]"), "left behind: {line}");
    }
    assert_eq!(left.lines().count(), 36);
}

/// Tells what is there beside what every account has.
const LEFT: &str = "
import boto3
def client(service, region='ap-northeast-1'):
    return boto3.client(service, region_name=region)
def live(objects, *gone):
    return [o for o in objects if o.get('State', {}) not in gone]
def ours(names):
    return [n for n in names if 'reference-' in n]
ec2, logs, iam, rds, elb = client('ec2'), client('logs'), client('iam'), client('rds'), client('elbv2')
print('networks', [v['VpcId'] for v in ec2.describe_vpcs()['Vpcs'] if not v['IsDefault']])
print('gateways', [g['NatGatewayId'] for g in live(ec2.describe_nat_gateways()['NatGateways'], 'deleted')])
print('addresses', [a['AllocationId'] for a in ec2.describe_addresses()['Addresses']])
print('endpoints', [e['VpcEndpointId'] for e in live(ec2.describe_vpc_endpoints()['VpcEndpoints'], 'deleted')])
print('flow logs', [f['FlowLogId'] for f in ec2.describe_flow_logs()['FlowLogs']])
print('templates', [t['LaunchTemplateId'] for t in ec2.describe_launch_templates()['LaunchTemplates']])
print('groups', [g['AutoScalingGroupName'] for g in client('autoscaling').describe_auto_scaling_groups()['AutoScalingGroups']])
print('log groups', [g['logGroupName'] for g in logs.describe_log_groups()['logGroups']])
print('metric filters', [f['filterName'] for f in logs.describe_metric_filters()['metricFilters']])
print('roles', ours(r['RoleName'] for r in iam.list_roles()['Roles']))
print('profiles', ours(p['InstanceProfileName'] for p in iam.list_instance_profiles()['InstanceProfiles']))
print('users', [u['UserName'] for u in iam.list_users()['Users']])
print('user groups', [g['GroupName'] for g in iam.list_groups()['Groups']])
print('policies', [p['PolicyName'] for p in iam.list_policies(Scope='Local')['Policies']])
for region in ('ap-northeast-1', 'ap-northeast-3'):
    kms = client('kms', region)
    print('aliases', ours(a['AliasName'] for a in kms.list_aliases()['Aliases']))
    keys = [kms.describe_key(KeyId=k['KeyId'])['KeyMetadata'] for k in kms.list_keys()['Keys']]
    print('keys', [k['Description'] for k in keys if k['KeyState'] != 'PendingDeletion' and not k['Description'].startswith('Default master key')])
    print('vaults', ours(v['BackupVaultName'] for v in client('backup', region).list_backup_vaults()['BackupVaultList']))
print('databases', [d['DBInstanceIdentifier'] for d in rds.describe_db_instances()['DBInstances']])
print('subnet groups', ours(g['DBSubnetGroupName'] for g in rds.describe_db_subnet_groups()['DBSubnetGroups']))
print('parameter groups', ours(g['DBParameterGroupName'] for g in rds.describe_db_parameter_groups()['DBParameterGroups']))
print('balancers', [b['LoadBalancerName'] for b in elb.describe_load_balancers()['LoadBalancers']])
print('target groups', [g['TargetGroupName'] for g in elb.describe_target_groups()['TargetGroups']])
print('access lists', [w['Name'] for w in client('wafv2').list_web_acls(Scope='REGIONAL')['WebACLs']])
print('zones', [z['Id'] for z in client('route53').list_hosted_zones()['HostedZones']])
print('certificates', [c['CertificateArn'] for c in client('acm').list_certificates()['CertificateSummaryList']])
print('buckets', [b['Name'] for b in client('s3').list_buckets()['Buckets']])
print('secrets', ours(s['Name'] for s in client('secretsmanager').list_secrets()['SecretList']))
print('topics', [t['TopicArn'] for t in client('sns').list_topics()['Topics']])
alarms = client('cloudwatch').describe_alarms(AlarmTypes=['MetricAlarm', 'CompositeAlarm'])
print('alarms', [a['AlarmName'] for sort in ('MetricAlarms', 'CompositeAlarms') for a in alarms.get(sort, [])])
print('dashboards', [d['DashboardName'] for d in client('cloudwatch').list_dashboards()['DashboardEntries']])
print('rules', [r['Name'] for r in client('events').list_rules()['Rules']])
print('trails', [t['Name'] for t in client('cloudtrail').describe_trails()['trailList']])
print('detectors', client('guardduty').list_detectors()['DetectorIds'])
";
