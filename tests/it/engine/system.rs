//! Random systems: networks, ranges in them, groups that name each other, servers, disks, keys and logs.

use std::fmt::Write as _;

use proptest::prelude::*;

/// The environment of all tests here.
pub const ENVIRONMENT: &str = "project: test\nprovider: simulated\nregion: ap-northeast-1\nzones: [ap-northeast-1a, ap-northeast-1c, ap-northeast-1d]\nguards: {data: {loss: allowed}}\ntags: {Service: 再建}\n";

const ZONES: [&str; 3] = ["ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1d"];

/// A system; its numbers choose targets (taken modulo what is there) and values.
#[derive(Debug, Clone)]
pub struct System {
    /// Second byte of each network's range.
    networks: Vec<u8>,
    /// Network and zone.
    subnets: Vec<(u8, u8)>,
    /// Whether a network has a gateway and a route to it.
    gateways: bool,
    /// Network, and the group that a rule names among those before it.
    groups: Vec<(u8, u8)>,
    /// Subnet, group, size.
    servers: Vec<(u8, u8, u8)>,
    /// Server and size.
    volumes: Vec<(u8, u8)>,
    /// Retention, and whether a key encrypts it.
    logs: Vec<(u8, bool)>,
}

/// Any system.
pub fn system() -> impl Strategy<Value = System> {
    let pairs = |most: usize| prop::collection::vec((0..6u8, 0..6u8), 0..most);
    (
        prop::collection::vec(0..5u8, 1..3),
        pairs(5),
        any::<bool>(),
        pairs(4),
        prop::collection::vec((0..6u8, 0..6u8, 0..3u8), 0..5),
        pairs(3),
        prop::collection::vec((0..3u8, any::<bool>()), 0..3),
    )
        .prop_map(|(networks, subnets, gateways, groups, servers, volumes, logs)| System {
            networks,
            subnets,
            gateways,
            groups,
            servers,
            volumes,
            logs,
        })
}

fn pick(number: u8, count: usize) -> usize {
    usize::from(number) % count.max(1)
}

impl System {
    /// Its stack files.
    pub fn files(&self) -> [(&'static str, String); 2] {
        [("stacks/network.yaml", self.network()), ("stacks/servers.yaml", self.server_stack())]
    }

    fn network_of(&self, number: u8) -> usize {
        pick(number, self.networks.len())
    }

    fn network(&self) -> String {
        let mut text = "stack: network\nresources:\n".to_owned();
        for (i, byte) in self.networks.iter().enumerate() {
            _ = writeln!(text, "  v{i}: {{kind: vpc, cidr: 10.{byte}.0.0/16}}");
            if self.gateways {
                _ = writeln!(text, "  g{i}: {{kind: internet_gateway, vpc: v{i}}}");
                let routes = format!("[{{cidr: 0.0.0.0/0, gateway: g{i}}}]");
                _ = writeln!(text, "  r{i}: {{kind: route_table, vpc: v{i}, routes: {routes}}}");
            }
        }
        for (i, (network, zone)) in self.subnets.iter().enumerate() {
            let network = self.network_of(*network);
            let (byte, zone) = (self.networks[network], ZONES[pick(*zone, 3)]);
            _ = writeln!(text, "  s{i}: {{kind: subnet, vpc: v{network}, cidr: 10.{byte}.{i}.0/24, zone: {zone}}}");
        }
        for (i, (network, other)) in self.groups.iter().enumerate() {
            let network = self.network_of(*network);
            let source =
                if i == 0 { "cidrs: [10.0.0.0/8]".to_owned() } else { format!("groups: [w{}]", pick(*other, i)) };
            let rule = format!("{{protocol: tcp, ports: '443', {source}}}");
            _ = writeln!(
                text,
                "  w{i}: {{kind: security_group, vpc: v{network}, description: w{i}, ingress: [{rule}]}}"
            );
        }
        text
    }

    fn server_stack(&self) -> String {
        let mut text = "stack: servers\nresources:\n  key: {kind: key}\n".to_owned();
        let servers = if self.subnets.is_empty() { &[] } else { self.servers.as_slice() };
        for (i, (subnet, group, size)) in servers.iter().enumerate() {
            let subnet = pick(*subnet, self.subnets.len());
            let network = self.network_of(self.subnets[subnet].0);
            let near: Vec<usize> =
                (0..self.groups.len()).filter(|g| self.network_of(self.groups[*g].0) == network).collect();
            let groups = near.get(pick(*group, near.len())).map_or(String::new(), |g| format!("network/w{g}"));
            let class = ["t3.small", "t3.medium", "m5.large"][pick(*size, 3)];
            _ = writeln!(
                text,
                "  i{i}: {{kind: instance, image: ami-1, instance_type: {class}, subnet: network/s{subnet}, security_groups: [{groups}]}}"
            );
        }
        for (i, (server, size)) in self.volumes.iter().enumerate().filter(|_| !servers.is_empty()) {
            let server = pick(*server, servers.len());
            let zone = ZONES[pick(self.subnets[pick(servers[server].0, self.subnets.len())].1, 3)];
            let attachment = format!("{{instance: i{server}, device: /dev/sd{}}}", char::from(b'f' + i as u8));
            let size = 10 + size;
            _ = writeln!(
                text,
                "  d{i}: {{kind: volume, zone: {zone}, size: {size}GiB, key: key, attachment: {attachment}}}"
            );
        }
        for (i, (days, encrypted)) in self.logs.iter().enumerate() {
            let days = ["1d", "7d", "30d"][pick(*days, 3)];
            let key = if *encrypted { ", key: key" } else { "" };
            _ = writeln!(text, "  l{i}: {{kind: log_group, retention: {days}{key}}}");
        }
        text
    }
}
