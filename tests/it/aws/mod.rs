//! The kinds against the emulator: one file a kind.

mod autoscaling_group;
mod calls;
mod instance;
mod key;
mod kill;
mod launch_template;
mod log_group;
mod network;
mod reference;
mod role;
mod state;
mod volume;

/// One line a kind: its case, which all tests over the kinds go through, and its test of crashes.
macro_rules! cases {
    ($($kind:ident: $case:path),* $(,)?) => {
        /// The kinds that have a case, with it.
        fn cases() -> Vec<(&'static str, crate::support::kind_case::Case)> {
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
    egress_gateway: network::egress_gateway,
    elastic_ip: network::elastic_ip,
    flow_log: network::flow_log,
    instance: instance::case,
    internet_gateway: network::internet_gateway,
    key: key::case,
    launch_template: launch_template::case,
    log_group: log_group::case,
    nat_gateway: network::nat_gateway,
    role: role::case,
    route_table: network::route_table,
    security_group: network::security_group,
    subnet: network::subnet,
    volume: volume::case,
    vpc: network::vpc,
    vpc_endpoint: network::vpc_endpoint,
}

#[test]
fn every_kind_has_a_case() {
    let cases = cases();
    for (kind, case) in &cases {
        assert_eq!(*kind, case.kind, "the case of {kind} is that of {}", case.kind);
    }
    let kinds = saiken::providers::kinds();
    let without: Vec<&str> = kinds.names().filter(|name| !cases.iter().any(|(kind, _)| kind == name)).collect();
    assert!(without.is_empty(), "no case, and no crash test, for {without:?}");
}
