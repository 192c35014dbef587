//! A case of a kind against the emulator, through the whole engine: what is declared is planned, applied, read back and
//! planned again, which must give nothing; then changed, and so on; then destroyed, which must leave nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use saiken::execute::journal::resume::Unfinished;
use saiken::execute::journal::{Header, Journal, VERSION};
use saiken::execute::record::RecordStore;
use saiken::execute::{self, Inputs, NoEvents, Report};
use saiken::guard::Permits;
use saiken::inventory::{self, Options};
use saiken::model::Address;
use saiken::model::cloud::Cloud;
use saiken::model::desired::{Desired, Lifecycle, Resource, Stack};
use saiken::model::environment::{Environment, Guards, Provider};
use saiken::model::kind::Kinds;
use saiken::model::observed::Observed;
use saiken::model::ownership;
use saiken::model::plan::{ActionKind, Plan};
use saiken::model::preflight::{Finding, Question};
use saiken::model::record::Record;
use saiken::model::schema::Change;
use saiken::model::value;
use saiken::simulated::Simulated;
use saiken::{plan, providers};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::moto::{Moto, moto};

/// Fields that the cases of their kind do not hold or do not change: kind, field, what proves them.
pub const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("autoscaling_group", "deletion_protection", "a unit test: a protection is written with the group"),
    ("autoscaling_group", "launch_template", "the case of another template"),
    ("autoscaling_group", "mixed_instances", "the case of another template"),
    ("autoscaling_group", "target_groups", "a unit test: target groups are attached before others are detached"),
    ("autoscaling_group", "template_version", "a unit test: a new version reaches the group through its refresh"),
    ("document", "display_name", "a unit test: every field reaches the API; the emulator has none"),
    ("certificate", "authority", "a unit test: an authority of one's own asks for no proof"),
    ("certificate", "imported", "a unit test: it is imported once, and again in its place"),
    ("bucket", "access_log", "unit tests: everything reaches the API, and is read; and the reference system"),
    ("bucket", "empty_on_delete", "another case: a derived name"),
    ("bucket", "event_bridge", "a unit test: notifications of others stay; the emulator does not read it back"),
    ("bucket", "notifications", "unit tests: everything reaches the API, and is read; those of others stay"),
    ("bucket", "object_lock", "another case: a derived name"),
    ("bucket", "transition_minimum", "a unit test: every part of a rule is written and read back"),
    ("bucket", "versioning", "another case: a derived name"),
    ("database", "character_set", "a unit test: every field is in the creating call"),
    ("database", "database_insights", "a unit test: every field that changes in place does so at once"),
    ("database", "deletion_protection", "a unit test: every field that changes in place does so at once"),
    ("database", "engine_lifecycle_support", "a unit test: every field that changes in place does so at once"),
    ("database", "from_backup", "a case of its own, and unit tests: a server from a snapshot, and from a moment"),
    ("database", "license", "a unit test: every field that changes in place does so at once"),
    ("database", "multi_az", "a unit test: every field that changes in place does so at once"),
    ("database", "national_character_set", "a unit test: every field is in the creating call"),
    ("database", "network_type", "a unit test: every field that changes in place does so at once"),
    ("database", "option_group", "a unit test: every field that changes in place does so at once"),
    ("database", "password_key", "a unit test: the password moves into a secret and back"),
    ("database", "performance_insights", "a unit test: every field that changes in place does so at once"),
    ("database", "port", "a unit test: every field that changes in place does so at once"),
    ("database", "promoted", "a unit test: a copy follows its source until it is promoted"),
    ("database", "replica_of", "a unit test: a copy follows its source until it is promoted"),
    ("database", "subnet_group", "a unit test: every field that changes in place does so at once"),
    ("database", "time_zone", "a unit test: every field is in the creating call"),
    ("database_cluster", "class", "a unit test: a Multi-AZ cluster has servers of its own and a disk"),
    ("database_cluster", "data_api", "a unit test: every field of the cluster changes at once"),
    ("database_cluster", "database_insights", "a unit test: every field of the cluster changes at once"),
    ("database_cluster", "deletion_protection", "a unit test: every field of the cluster changes at once"),
    ("database_cluster", "engine_lifecycle_support", "a unit test: every field of the cluster changes at once"),
    ("database_cluster", "from_backup", "a unit test: a cluster from a backup gets the rest afterwards"),
    ("database_cluster", "iam_authentication", "a unit test: every field of the cluster changes at once"),
    ("database_cluster", "log_exports", "a unit test: every field of the cluster changes at once"),
    ("database_cluster", "monitoring", "a unit test: every field of the cluster changes at once"),
    ("database_cluster", "password_key", "a unit test: a cluster is made before its members"),
    ("database_cluster", "performance_insights", "a unit test: every field of the cluster changes at once"),
    ("database_cluster", "storage", "a unit test: every field of the cluster changes at once"),
    ("database_snapshot", "cluster", "the case of a cluster, which is crashed as well"),
    ("database_snapshot", "copy_of", "the case of a copy"),
    ("database_snapshot", "engine_version", "a unit test: another version; the emulator has no ModifyDBSnapshot"),
    ("database_snapshot", "key", "the case of a copy"),
    ("database_snapshot", "option_group", "a unit test: a copy has a key and an option group; the emulator forgets it"),
    ("elastic_ip", "border_group", "a unit test: a chosen address of a pool"),
    ("elastic_ip", "network_interface", "a unit test: an address is given to an interface"),
    ("elastic_ip", "pool", "a unit test: a chosen address of a pool"),
    ("elastic_ip", "private_ip", "a unit test: an address moves in one call"),
    ("elastic_ip", "reverse_dns", "a unit test: the reverse name is waited for"),
    ("flow_log", "bucket_arn", "a unit test: files in a bucket"),
    ("flow_log", "cross_account_role", "a unit test: lines go to a stream of another account"),
    ("flow_log", "files", "a unit test: files in a bucket"),
    ("flow_log", "firehose_arn", "a unit test: lines go to a stream of another account"),
    ("flow_log", "network_interface", "a unit test: a network interface is watched by its id"),
    ("flow_log", "subnet", "the case of a subnet"),
    ("flow_log", "transit_gateway", "a unit test: lines of a transit gateway"),
    ("health_check", "alarm", "a unit test: the emulator keeps no alarms of checks"),
    ("health_check", "children", "the case of a calculated one"),
    ("health_check", "healthy_children", "the case of a calculated one"),
    ("health_check", "insufficient_data", "a unit test: the emulator keeps no alarms of checks"),
    ("health_check", "routing_control", "a unit test: the emulator keeps no controls of checks"),
    ("instance", "credits", "a unit test: they change while the server runs; the emulator has no call for it"),
    ("instance", "monitoring", "a unit test: it changes while the server runs; the emulator has no UnmonitorInstances"),
    (
        "key",
        "own_alias",
        "a unit test: a key that a run left without its alias is finished; nobody can declare it otherwise",
    ),
    ("key", "rotation_period", "a unit test: the rotation's interval is written and read back"),
    (
        "launch_template",
        "image",
        "a unit test: another image is in the next version; the emulator forgets its fingerprint",
    ),
    ("listener", "alpn", "a unit test: another protocol takes all that belongs to it"),
    ("listener", "idle_timeout", "the case of a network's listener"),
    ("listener", "protocol", "the case of a listener that goes from HTTP to HTTPS"),
    ("listener", "reset_when_idle", "a unit test: attributes are read as they are written"),
    ("load_balancer", "check_private_link", "a unit test: chosen addresses and private link reach the API"),
    ("load_balancer", "client_routing", "the case of a network's load balancer"),
    ("load_balancer", "cross_zone", "the case of a network's load balancer"),
    ("load_balancer", "customer_owned_pool", "a unit test: on an Outpost one zone is enough"),
    ("load_balancer", "deny_internet_gateway", "the case of a network's load balancer"),
    ("load_balancer", "health_check_logs", "a unit test: attributes are read as they are written"),
    ("load_balancer", "ipam_pool", "a unit test: pool and addresses change in place"),
    ("load_balancer", "ipv6_source_nat", "a unit test: chosen addresses and private link reach the API"),
    ("load_balancer", "mappings", "the case of a network's load balancer, and a unit test: chosen addresses"),
    ("load_balancer", "secondary_ips", "the case of a network's load balancer"),
    ("load_balancer", "single_zone", "a unit test: on an Outpost one zone is enough"),
    ("log_group", "class", "a unit test: class, key and protection reach the API"),
    ("log_group", "deletion_protection", "a unit test: class, key and protection reach the API"),
    ("log_group", "key", "a unit test: class, key and protection reach the API; the emulator has no AssociateKmsKey"),
    (
        "maintenance_window",
        "allow_unassociated_targets",
        "a unit test: each changed field of a window is written; the emulator has no UpdateMaintenanceWindow",
    ),
    (
        "maintenance_window",
        "cutoff",
        "a unit test: each changed field of a window is written; the emulator has no UpdateMaintenanceWindow",
    ),
    (
        "maintenance_window",
        "description",
        "a unit test: each changed field of a window is written; the emulator has no UpdateMaintenanceWindow",
    ),
    (
        "maintenance_window",
        "duration",
        "a unit test: each changed field of a window is written; the emulator has no UpdateMaintenanceWindow",
    ),
    (
        "maintenance_window",
        "enabled",
        "a unit test: each changed field of a window is written; the emulator has no UpdateMaintenanceWindow",
    ),
    (
        "maintenance_window",
        "ends",
        "a unit test: each changed field of a window is written; the emulator has no UpdateMaintenanceWindow",
    ),
    (
        "maintenance_window",
        "name",
        "a unit test: each changed field of a window is written; the emulator has no UpdateMaintenanceWindow",
    ),
    (
        "maintenance_window",
        "schedule",
        "a unit test: each changed field of a window is written; the emulator has no UpdateMaintenanceWindow",
    ),
    (
        "maintenance_window",
        "schedule_offset",
        "a unit test: each changed field of a window is written; the emulator has no UpdateMaintenanceWindow",
    ),
    (
        "maintenance_window",
        "schedule_time_zone",
        "a unit test: each changed field of a window is written; the emulator has no UpdateMaintenanceWindow",
    ),
    (
        "maintenance_window",
        "starts",
        "a unit test: each changed field of a window is written; the emulator has no UpdateMaintenanceWindow",
    ),
    (
        "maintenance_window",
        "tasks",
        "a unit test: only the tasks that changed are written; the emulator does not tell what they do",
    ),
    ("nat_gateway", "private_ip", "a unit test: all addresses of a new gateway are in the creating call"),
    ("nat_gateway", "secondary_elastic_ips", "a unit test: they are added before others are drained"),
    ("nat_gateway", "secondary_private_ip_count", "a unit test: addresses by count and by name"),
    ("nat_gateway", "secondary_private_ips", "a unit test: addresses by count and by name"),
    ("parameter", "secret", "the case of a secure one"),
    ("parameter", "key", "the case of a secure one"),
    (
        "parameter",
        "policies",
        "a unit test: policies survive the API; the emulator answers with objects in place of texts",
    ),
    (
        "policy",
        "name",
        "a unit test: a name of one's own is found by the index of identities, which the emulator does not have",
    ),
    ("record", "alias", "the case of an alias"),
    ("route_table", "gateways", "a unit test: a gateway moves over from another table"),
    ("route_table", "propagating_gateways", "a unit test: propagation is switched on and off"),
    ("snapshot", "copy_of", "the case of a copy"),
    ("snapshot", "key", "the case of a copy"),
    ("subnet", "ipv6_cidr", "a unit test: another IPv6 range comes when the old one is gone"),
    ("alarm", "low_samples", "a unit test: a percentile may ignore few values; the emulator forgets it"),
    ("alarm", "metrics", "a unit test: an expression over metrics is written; the emulator forgets it"),
    ("alarm", "threshold_metric", "a unit test: a band is the threshold; the emulator forgets it"),
    ("composite_alarm", "all", "the case of alarms that must all ring"),
    ("composite_alarm", "rule", "the case of alarms that must all ring"),
    ("composite_alarm", "watched", "a unit test: all alarms of a rule are seen; nobody can declare it"),
    ("composite_alarm", "suppressor", "a unit test: the suppressor and its times; the emulator forgets them"),
    ("event_rule", "schedule", "the case of a rule for times"),
    ("topic", "archive", "the case of a topic that keeps order"),
    ("topic", "content_based_deduplication", "the case of a topic that keeps order"),
    ("topic", "throughput_scope", "the case of a topic that keeps order"),
    ("target_group", "close_on_deregistration", "the case of a network's targets"),
    ("target_group", "close_when_unhealthy", "the case of a network's targets"),
    ("target_group", "control_port", "a unit test: a lost answer makes no second group"),
    ("target_group", "failover", "a unit test: attributes are read as they are written"),
    ("target_group", "multi_value_headers", "the case of a function"),
    ("target_group", "preserve_client_ip", "the case of a network's targets"),
    ("target_group", "proxy_protocol", "the case of a network's targets"),
    ("target_group", "reset_on_deregistration", "a unit test: attributes are read as they are written"),
    ("target_group", "reset_when_unhealthy", "a unit test: attributes are read as they are written"),
    ("target_group", "unhealthy_draining", "the case of a network's targets"),
    ("secret", "generate", "a unit test: a value is generated once; the case of a derived name"),
    ("secret", "rotate_at_once", "a unit test: rotation is written; the emulator wants a function that runs"),
    ("secret", "rotation", "a unit test: rotation is written; the emulator wants a function that runs"),
    ("subnet", "ipv6_cidr", "a unit test: another IPv6 range comes when the old one is gone"),
    ("trail", "event_selectors", "the case of basic selectors"),
    (
        "trail",
        "own_deliveries",
        "a unit test: all that a trail can have reaches the API; the emulator does not know it",
    ),
    ("vpc", "ipv6_border_group", "a unit test: another border group is another block"),
    ("vpc_endpoint", "accept", "a unit test: an endpoint of one's own service is accepted"),
    ("vpc_endpoint", "route_tables", "the case of a gateway endpoint"),
    ("vpc_endpoint", "service_region", "a unit test: a service of another region"),
    ("zone", "networks", "the case of a private zone, which is crashed as well"),
];

/// What the checks before the first write can't tell here: four calls that the emulator does not have (scripted exchanges
/// prove them), and how many servers of a mixed group are on demand, which nobody knows.
const UNCHECKED: [&str; 5] = [
    "rds:DescribeAccountAttributes",
    "servicequotas:ListServiceQuotas",
    "iam:SimulatePrincipalPolicy",
    "autoscaling:DescribeAccountLimits",
    "are on demand is not known",
];

/// Region of the cases: moto's images and zones are there.
pub const REGION: &str = "us-east-1";

/// A case: a kind with two or three forms of a spec.
#[derive(Default)]
pub struct Case {
    /// The kind.
    pub kind: &'static str,
    /// What must be there: address, kind, spec.
    pub needs: Vec<(&'static str, &'static str, Value)>,
    /// The first form: every field given.
    pub first: Value,
    /// The second form: every field that can change in place, changed.
    pub second: Value,
    /// The third form: the first one, with a field changed that needs a new object; none if the kind has no such field.
    pub third: Option<Value>,
    /// A script that makes what must be there and is not ours; what it prints stands for the text `{prepared}`.
    pub prepare: Option<&'static str>,
    /// Fields that the emulator (not AWS) loses or answers wrongly, with the reason.
    pub not_by_emulator: &'static [(&'static str, &'static str)],
}

/// A spec with other values for some fields.
pub fn changed(spec: &Value, fields: &Value) -> Value {
    let mut spec = spec.clone();
    for (field, value) in fields.as_object().unwrap() {
        spec[field] = value.clone();
    }
    spec
}

impl Case {
    /// Makes what is not ours on a server, and fills its id in.
    pub fn prepared(self, moto: &Moto) -> Self {
        match self.prepare {
            Some(script) => {
                let id = moto.boto3(REGION, script);
                self.prepared_as(id.trim())
            }
            None => self,
        }
    }

    /// The same where nothing is on a server: it has this id.
    pub fn prepared_as(mut self, id: &str) -> Self {
        if self.prepare.take().is_some() {
            for spec in [&mut self.first, &mut self.second].into_iter().chain(&mut self.third) {
                let text = spec.to_string().replace("{prepared}", id);
                *spec = serde_json::from_str(&text).unwrap();
            }
        }
        self
    }

    /// Fields of its object that are not compared.
    pub fn ignored(&self) -> Vec<String> {
        self.not_by_emulator.iter().map(|(field, _)| (*field).to_owned()).collect()
    }

    /// All that is declared with a form of the kind; with none, only what must be there.
    pub fn all(&self, form: Option<&Value>) -> Vec<(&'static str, &'static str, Value)> {
        let mut all = self.needs.clone();
        all.extend(form.map(|spec| ("t/it", self.kind, spec.clone())));
        all
    }
}

/// Runs the case of a kind, which must hold every field: also what others do to its object, and taking it over.
pub fn run(case: Case) {
    complete(&case);
    run_and(case, |case, project, desired| {
        changed_by_hand(case, project, desired);
        let_go_and_taken_over(case, project, desired);
    });
}

/// Runs one more case of a kind, for what its own case can't hold.
pub fn run_part(case: Case) {
    run_and(case, |_, _, _| {});
}

fn run_and(case: Case, then: impl FnOnce(&Case, &Runner, &Desired)) {
    // The test's own name: two cases of a kind must not see each other.
    let test = std::thread::current().name().unwrap_or(case.kind).to_owned();
    let project = Runner::new(&ownership::hash(&test, 10));
    let case = case.prepared(moto());
    let ignore = case.ignored();
    let with = |project: &Runner, spec| project.desired(&case.all(Some(spec)), "t/it", &ignore);
    let first = with(&project, &case.first);
    project.apply(&first, false);
    project.unchanged(&first, "after the creation");
    // No other kind takes it for its own. From here on only what belongs to the case is read.
    let mut names: Vec<&str> = case.needs.iter().map(|(_, kind, _)| *kind).collect();
    names.push(case.kind);
    let project = project.only(&names);
    let second = with(&project, &case.second);
    let plan = project.plan(&second, false);
    if case.first != case.second {
        let kinds: Vec<_> = plan.actions.iter().map(|a| (a.address.as_str(), a.action)).collect();
        assert_eq!(
            kinds,
            [("t/it", ActionKind::Update)],
            "the second form is one change in place: {:#?}",
            plan.actions
        );
        project.apply(&second, false);
        project.unchanged(&second, "after the change");
    }
    then(&case, &project, &second);
    project.apply(&second, true);
    let left = project.observe(&second);
    let left: Vec<_> = left.by_address().into_values().collect();
    assert!(left.is_empty(), "left behind: {left:#?}");
}

/// Somebody changes a tag past saiken: the next plan names it, and its apply puts it back.
fn changed_by_hand(case: &Case, project: &Runner, desired: &Desired) {
    let lost = case.not_by_emulator.iter().any(|(field, _)| *field == "tags");
    if lost || project.kinds.get(case.kind).unwrap().schema.field("tags").is_none() {
        return;
    }
    let mut other = desired.clone();
    let resource = other.resources.values_mut().find(|r| r.address.as_str() == "t/it").unwrap();
    resource.spec["tags"]["hand"] = "手".into();
    // What knows nothing of the record is somebody else.
    let somebody = Runner { project: project.project.clone(), kinds: project.kinds.clone(), ..Runner::new("") };
    somebody.apply(&other, false);
    let plan = project.plan(desired, false);
    let changes = plan.actions.iter().flat_map(|a| a.changes.iter().map(|c| (a.address.as_str(), c.path.as_str())));
    assert_eq!(changes.collect::<Vec<_>>(), [("t/it", "tags.hand")], "{:#?}", plan.actions);
    project.apply(desired, false);
    project.unchanged(desired, "after what was changed by hand was put back");
}

/// Kinds whose tags the emulator can't change, so that they can't be let go: unit tests prove it.
const TAGS_STAY: [&str; 1] = ["detector"];

/// It is let go, so that it is nobody's, and taken over as anybody's object is: the same object, as it is declared.
fn let_go_and_taken_over(case: &Case, project: &Runner, desired: &Desired) {
    if TAGS_STAY.contains(&case.kind) {
        return;
    }
    let it = Address::parse("t/it").unwrap();
    let ids = |observed: &Observed| -> Vec<String> {
        observed
            .objects
            .iter()
            .filter(|o| o.owner.as_ref().is_some_and(|w| w.address == it))
            .map(|o| o.id.clone())
            .collect()
    };
    let [id] = &ids(&project.observe(desired))[..] else { panic!("{} is there once", case.kind) };
    let mut without = desired.clone();
    without.resources.remove(&it);
    without.forget.insert(it.clone());
    let plan = project.plan(&without, false);
    let actions: Vec<_> = plan.actions.iter().map(|a| (a.address.as_str(), a.action)).collect();
    assert_eq!(actions, [("t/it", ActionKind::Forget)], "{}", case.kind);
    project.apply(&without, false);
    assert!(ids(&project.observe(&without)).is_empty(), "{} is still ours", case.kind);
    let mut adopting = desired.clone();
    adopting.resources.get_mut(&it).unwrap().adopt = Some(id.clone());
    let plan = project.plan(&adopting, false);
    let actions: Vec<_> = plan.actions.iter().map(|a| (a.address.as_str(), a.action)).collect();
    assert_eq!(actions, [("t/it", ActionKind::Adopt)], "{}", case.kind);
    project.apply(&adopting, false);
    project.unchanged(desired, "after it was taken over");
    assert_eq!(ids(&project.observe(desired)), std::slice::from_ref(id), "{} is the same object", case.kind);
}

/// Every field is in one of the forms, and one that can change in place differs between them; or it is said why not.
fn complete(case: &Case) {
    let kind = providers::kinds().get(case.kind).unwrap_or_else(|| panic!("there is no kind {}", case.kind)).clone();
    let excused = |field: &str| {
        ELSEWHERE.iter().any(|(kind, name, _)| *kind == case.kind && *name == field)
            || case.not_by_emulator.iter().any(|(name, _)| name.split('.').next() == Some(field))
    };
    let lacking: Vec<String> = kind
        .schema
        .fields
        .iter()
        .filter(|f| !excused(&f.name))
        .filter_map(|f| match (case.first.get(&f.name), case.second.get(&f.name)) {
            (None, None) => Some(format!("`{}` is not given", f.name)),
            (first, second) if first == second && f.change != Change::Replace => {
                Some(format!("`{}` is not changed", f.name))
            }
            _ => None,
        })
        .collect();
    assert!(lacking.is_empty(), "the case of {} lacks: {lacking:#?}", case.kind);
    let replaces = kind.schema.fields.iter().any(|f| f.change == Change::Replace);
    assert_eq!(case.third.is_some(), replaces, "the case of {} has a third form if a field replaces", case.kind);
}

/// The engine against the emulator, for a project of its own.
pub struct Runner {
    project: String,
    kinds: Kinds,
    runtime: tokio::runtime::Runtime,
    cloud: Arc<dyn Cloud>,
    region: String,
    state: tempfile::TempDir,
}

impl Runner {
    /// A project of this name; names keep cases apart on the one server.
    pub fn new(name: &str) -> Self {
        Self::in_region(name, REGION)
    }

    /// A project of this name in another region.
    pub fn in_region(name: &str, region: &str) -> Self {
        Self::on(moto(), name, region)
    }

    /// A project of this name on another server.
    pub fn on(moto: &Moto, name: &str, region: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let cloud: Arc<dyn Cloud> = Arc::new(runtime.block_on(moto.cloud(region)));
        let project = format!("case-{name}");
        let (region, state) = (region.to_owned(), tempfile::tempdir().unwrap());
        Self { project, kinds: providers::kinds(), runtime, cloud, region, state }
    }

    /// A project on a simulated cloud of its own.
    pub fn simulated(name: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (project, region, state) = (format!("case-{name}"), REGION.to_owned(), tempfile::tempdir().unwrap());
        let kinds = providers::kinds();
        let cloud: Arc<dyn Cloud> = Arc::new(simulated(state.path(), &kinds, (&project, &region)));
        Self { project, kinds, runtime, cloud, region, state }
    }

    /// The simulated cloud of [`Runner::simulated`], to change it by hand.
    pub fn hand(&self) -> Simulated {
        simulated(self.state.path(), &self.kinds, (&self.project, &self.region))
    }

    /// The same for these kinds alone.
    pub fn only(self, kinds: &[&str]) -> Self {
        Self { kinds: self.kinds.only(kinds), ..self }
    }

    /// Desired resources, from (address, kind, spec); fields of `at` named in `ignore` are left alone.
    pub fn desired(&self, all: &[(&str, &str, Value)], at: &str, ignore: &[String]) -> Desired {
        desired(&self.kinds, (&self.project, &self.region), all, at, ignore)
    }

    /// Reads the cloud, every field.
    pub fn observe(&self, desired: &Desired) -> Observed {
        let options = Options { deep: true, parallelism: 8, unsure: Vec::new(), ..Options::default() };
        let observed = self.runtime.block_on(inventory::collect(&*self.cloud, desired, &self.kinds, None, &options));
        assert!(observed.unobserved.is_empty(), "{:#?}", observed.unobserved);
        observed
    }

    /// Plans.
    pub fn plan(&self, desired: &Desired, destroy: bool) -> Plan {
        self.plan_of(desired, &self.observe(desired), destroy)
    }

    /// Reads the cloud as a plan does, with the number of calls by operation.
    pub fn observe_and_count(&self, desired: &Desired) -> (Observed, BTreeMap<String, u64>) {
        let before = self.cloud.calls();
        let options = Options { deep: false, parallelism: 16, unsure: Vec::new(), ..Options::default() };
        let observed = self.runtime.block_on(inventory::collect(&*self.cloud, desired, &self.kinds, None, &options));
        assert!(observed.unobserved.is_empty(), "{:#?}", observed.unobserved);
        let mut calls = self.cloud.calls();
        for (operation, count) in before {
            calls.entry(operation).and_modify(|c| *c -= count);
        }
        calls.retain(|_, count| *count > 0);
        (observed, calls)
    }

    /// Plans against what was read.
    pub fn plan_of(&self, desired: &Desired, observed: &Observed, destroy: bool) -> Plan {
        plan_of(&self.kinds, desired, observed, None, destroy)
    }

    /// Plans and applies; everything must succeed.
    pub fn apply(&self, desired: &Desired, destroy: bool) {
        let observed = self.observe(desired);
        let plan = self.plan_of(desired, &observed, destroy);
        assert!(plan.refused.is_empty() && plan.held.is_empty(), "{:#?} {:#?}", plan.refused, plan.held);
        self.preflight(&plan, &observed);
        let report = self.execute(desired, &observed, &plan);
        assert!(report.succeeded(), "{:#?}", report.failed);
    }

    /// Plans and applies, whatever comes of it.
    pub fn try_apply(&self, desired: &Desired, destroy: bool) -> Report {
        let observed = self.observe(desired);
        let plan = self.plan_of(desired, &observed, destroy);
        self.execute(desired, &observed, &plan)
    }

    /// What the kinds check before the first write works against the emulator, by calls that their permissions name, and finds
    /// nothing.
    fn preflight(&self, plan: &Plan, observed: &Observed) {
        let before = self.cloud.calls();
        let question = Question::of(plan, &self.kinds, observed);
        let answer = self.runtime.block_on(self.cloud.preflight(&question));
        assert!(answer.findings.is_empty(), "{:#?}", answer.findings);
        let unexpected = |what: &&String| !UNCHECKED.iter().any(|known| what.contains(known));
        let unchecked: Vec<_> = answer.unchecked.iter().filter(unexpected).collect();
        assert!(unchecked.is_empty(), "{unchecked:#?}");
        let mut named = BTreeSet::from(providers::aws::ACTIONS);
        named.extend(question.changes.iter().flat_map(|c| c.kind.facts.permissions.read));
        let calls = self.cloud.calls();
        let new = calls.iter().filter(|(name, count)| before.get(*name) != Some(count)).map(|(name, _)| name.as_str());
        let unnamed: Vec<&str> = new.filter(|name| !named.contains(name)).collect();
        assert!(unnamed.is_empty(), "the permissions of the kinds do not name {unnamed:?}");
    }

    /// What stands in the way of a plan before its first write.
    pub fn findings(&self, desired: &Desired) -> Vec<Finding> {
        let observed = self.observe(desired);
        let plan = self.plan_of(desired, &observed, false);
        let question = Question::of(&plan, &self.kinds, &observed);
        self.runtime.block_on(self.cloud.preflight(&question)).findings
    }

    fn execute(&self, desired: &Desired, observed: &Observed, plan: &Plan) -> Report {
        let (record, _) = RecordStore::open(self.state.path());
        let cloud = Arc::clone(&self.cloud);
        let (unfinished, what) = (Unfinished::default(), (desired, observed, plan));
        self.runtime.block_on(execute(&self.kinds, cloud, self.state.path(), record, &unfinished, what))
    }

    /// The plan must be empty.
    pub fn unchanged(&self, desired: &Desired, when: &str) {
        let plan = self.plan(desired, false);
        assert!(plan.is_empty(), "{when} the plan is not empty: {:#?} {:#?}", plan.actions, plan.held);
    }
}

fn simulated(state: &Path, kinds: &Kinds, of: (&str, &str)) -> Simulated {
    let settings = Value::Object(serde_json::Map::new());
    Simulated::open(state, &environment(of), &settings, kinds.clone()).unwrap()
}

/// Desired resources of a (project, region), from (address, kind, spec); fields of `at` named in `ignore` are left alone.
pub fn desired(
    kinds: &Kinds,
    (project, region): (&str, &str),
    all: &[(&str, &str, Value)],
    at: &str,
    ignore: &[String],
) -> Desired {
    let mut resources = BTreeMap::new();
    for (address, kind, spec) in all {
        let kind = kinds.get(kind).unwrap_or_else(|| panic!("there is no kind {kind}"));
        let (spec, problems) = kind.normalise(spec).unwrap_or_else(|e| panic!("{address}: {e}"));
        assert!(problems.0.is_empty(), "{address}: {problems:?}");
        let mut references = BTreeSet::new();
        kind.schema.visit_refs(&spec, &mut |_, v| {
            references.extend(v.as_str().and_then(|t| Address::parse(t).ok()));
        });
        value::visit_tokens(&spec, &mut |t| references.extend(Address::parse(t.address).ok()));
        let address = Address::parse(address).unwrap();
        let ignore = if address.as_str() == at { ignore.to_vec() } else { Vec::new() };
        resources.insert(
            address.clone(),
            Resource {
                address,
                kind: kind.clone(),
                region: region.to_owned(),
                spec,
                references,
                lifecycle: Lifecycle { ignore, ..Lifecycle::default() },
                adopt: None,
                origin: "case".to_owned(),
            },
        );
    }
    Desired {
        environment: environment((project, region)),
        resources,
        stacks: vec![Stack { name: "t".to_owned(), description: None, depends_on: BTreeSet::new() }],
        moved: Vec::new(),
        forget: BTreeSet::new(),
        outputs: BTreeMap::new(),
        secrets: Vec::new(),
    }
}

/// The environment of a (project, region).
fn environment((project, region): (&str, &str)) -> Environment {
    Environment {
        name: "test".to_owned(),
        project: project.to_owned(),
        provider: Provider::Aws,
        account: None,
        role: None,
        region: region.to_owned(),
        zones: Vec::new(),
        regions: BTreeMap::new(),
        tags: BTreeMap::new(),
        protect: false,
        guards: Guards::none(),
        time_zone: "UTC".into(),
        state: ".saiken".into(),
    }
}

/// Plans against what was read.
pub fn plan_of(kinds: &Kinds, desired: &Desired, observed: &Observed, record: Option<&Record>, destroy: bool) -> Plan {
    plan::plan(&plan::Inputs {
        desired,
        observed,
        record,
        interrupted: None,
        kinds,
        id: &uuid::Uuid::now_v7().to_string(),
        now: "2026-11-23T00:00:00Z",
        version: "test",
        account: "123456789012",
        stacks: &[],
        destroy,
        limits: None,
    })
}

/// Carries a plan out, with journal and record in a folder.
pub async fn execute(
    kinds: &Kinds,
    cloud: Arc<dyn Cloud>,
    state: &Path,
    record: RecordStore,
    unfinished: &Unfinished,
    (desired, observed, plan): (&Desired, &Observed, &Plan),
) -> Report {
    let text = |t: &str| t.to_owned();
    let header = Header {
        version: VERSION,
        apply: uuid::Uuid::now_v7().to_string(),
        plan: plan.id.clone(),
        who: text("test@test"),
        command: text("apply"),
        commit: None,
        started_at: text("2026-11-23T00:00:00Z"),
        emergency: None,
        undoes: None,
    };
    // Whatever the plan loses is meant.
    let data_loss = plan.losses.iter().map(|l| l.address.clone()).collect();
    let permits = Permits { data_loss, ..Permits::default() };
    let journal = Journal::create(state, header).unwrap();
    execute::run(Inputs {
        plan,
        saved: false,
        desired,
        observed,
        unfinished,
        kinds,
        cloud,
        account: "123456789012",
        journal: Arc::new(journal),
        record: Arc::new(record),
        held: None,
        permits: &permits,
        parallelism: 8,
        cancel: CancellationToken::new(),
        hard: CancellationToken::new(),
        events: Arc::new(NoEvents),
    })
    .await
}
