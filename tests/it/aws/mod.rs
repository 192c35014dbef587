//! The kinds against the emulator: one file a kind.

mod access;
mod autoscaling_group;
mod backup;
mod balancing;
mod calls;
mod cloud_control;
mod database;
mod database_snapshot;
mod instance;
mod key;
mod kill;
mod launch_template;
mod log_group;
mod naming;
mod network;
mod reference;
mod role;
mod servers;
mod snapshot;
mod state;
mod storage;
mod volume;
mod watching;

/// One line a kind: its case, which all tests over the kinds go through, and its test of crashes.
macro_rules! cases {
    ($($kind:ident: $case:path),* $(,)?) => {
        /// The kinds that have a case, with it.
        pub fn cases() -> Vec<(&'static str, crate::support::kind_case::Case)> {
            vec![$((stringify!($kind), $case())),*]
        }

        /// Killed at every request of its create, update, replace and delete, a second run finishes what the first began.
        mod crash_at_every_request_of {
            use super::*;

            $(
                #[test]
                fn $kind() {
                    crate::support::crash::at_every_request($case());
                }
            )*
        }
    };
}

cases! {
    autoscaling_group: autoscaling_group::case,
    document: servers::document,
    detector: watching::detector,
    database: database::server,
    database_cluster: database::cluster,
    database_cluster_parameter_group: database::cluster_parameter_group,
    database_option_group: database::option_group,
    database_parameter_group: database::parameter_group,
    database_snapshot: database_snapshot::case,
    database_subnet_group: database::subnet_group,
    certificate: naming::certificate,
    backup_plan: backup::plan,
    backup_vault: backup::vault,
    cloud_control: cloud_control::case,
    bucket: storage::bucket,
    egress_gateway: network::egress_gateway,
    elastic_ip: network::elastic_ip,
    flow_log: network::flow_log,
    group: access::group,
    health_check: naming::health_check,
    instance: instance::case,
    internet_gateway: network::internet_gateway,
    key: key::case,
    launch_template: launch_template::case,
    listener: balancing::listener,
    load_balancer: balancing::load_balancer,
    log_group: log_group::case,
    maintenance_window: servers::maintenance_window,
    nat_gateway: network::nat_gateway,
    parameter: storage::parameter,
    policy: access::policy,
    record: naming::record,
    role: role::case,
    route_table: network::route_table,
    secret: storage::secret,
    security_group: network::security_group,
    session_preferences: servers::session_preferences,
    snapshot: snapshot::case,
    subnet: network::subnet,
    topic: watching::topic,
    event_rule: watching::event_rule,
    metric_filter: watching::metric_filter,
    dashboard: watching::dashboard,
    composite_alarm: watching::composite_alarm,
    alarm: watching::alarm,
    target_group: balancing::target_group,
    trail: storage::trail,
    user: access::user,
    volume: volume::case,
    vpc: network::vpc,
    vpc_endpoint: network::vpc_endpoint,
    web_acl: balancing::web_acl,
    zone: naming::zone,
}

/// Kinds whose API no emulator has, with the place of the scripted exchanges that prove them instead, crashes included.
const SCRIPTED: &[(&str, &str)] = &[
    ("association", "src/providers/aws/ssm/association_tests.rs"),
    ("patch_baseline", "src/providers/aws/ssm/patch_baseline_tests.rs"),
    ("restore_testing_plan", "src/providers/aws/backup/restore_testing_plan/tests.rs"),
];

#[test]
fn every_kind_has_a_case() {
    let cases = cases();
    for (kind, case) in &cases {
        assert_eq!(*kind, case.kind, "the case of {kind} is that of {}", case.kind);
    }
    let kinds = saiken::providers::kinds();
    for (kind, place) in SCRIPTED {
        assert!(!cases.iter().any(|(name, _)| name == kind), "{kind} has a case: it is not to be scripted");
        let text = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(place)).unwrap();
        assert!(text.contains("lost("), "{place} loses no answer of {kind}");
        crate::support::tell(&format!("{kind}: no emulator has its API; scripted exchanges in {place}"));
    }
    let known: Vec<&str> = cases.iter().map(|(kind, _)| *kind).chain(SCRIPTED.iter().map(|(kind, _)| *kind)).collect();
    let without: Vec<&str> = kinds.names().filter(|name| !known.contains(name)).collect();
    assert!(without.is_empty(), "no case, and no crash test, for {without:?}");
}

/// The page that says of each kind how it is proven, from the cases themselves.
fn proofs() -> String {
    use crate::support::kind_case::ELSEWHERE;
    let cases: std::collections::BTreeMap<_, _> = cases().into_iter().collect();
    let mut page = String::from(
        "# How each kind is proven\n\n\
         Every kind is made, read back, changed in each field that can change, changed past saiken and put back, let go and \
         taken over, replaced, deleted, and killed at each request of it, over the real SDK against an emulator; what the \
         emulator lacks or loses is proven by scripted exchanges at the SDK's HTTP client, or by a case of its own. The page \
         is made from the cases (`SAIKEN_WRITE=1 cargo test --test it aws::the_page`), and a kind without proof fails a \
         test. See [tests](testing.md).\n\n\
         | kind | emulator | fields proven otherwise, and by what |\n|---|---|---|\n",
    );
    for kind in saiken::providers::kinds().iter() {
        let emulator = match (cases.get(kind.name), kind.facts.service) {
            (None, _) => "none: scripted exchanges",
            (Some(_), "backup" | "cloudcontrol" | "cloudformation" | "cloudwatch") => "ministack",
            (Some(_), _) => "moto",
        };
        let mut otherwise: Vec<String> = ELSEWHERE
            .iter()
            .filter(|(name, _, _)| *name == kind.name)
            .map(|(_, field, how)| format!("`{field}`: {how}"))
            .collect();
        let lost = cases.get(kind.name).into_iter().flat_map(|c| c.not_by_emulator);
        otherwise.extend(lost.map(|(field, why)| format!("`{field}`: not compared there, {why}")));
        if let Some((_, place)) = SCRIPTED.iter().find(|(name, _)| *name == kind.name) {
            otherwise.push(format!("all: [`{place}`](../{place})"));
        }
        otherwise.dedup();
        page.push_str(&format!("| `{}` | {emulator} | {} |\n", kind.name, otherwise.join("<br>")));
    }
    page
}

#[test]
fn the_page_of_proofs_is_that_of_the_cases() {
    let path = crate::support::repository().join("docs/proofs.md");
    if std::env::var_os("SAIKEN_WRITE").is_some() {
        std::fs::write(&path, proofs()).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == proofs(), "docs/proofs.md is out of date: SAIKEN_WRITE=1 cargo test --test it aws::the_page");
}
