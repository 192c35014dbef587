//! Rules over several resources: circles of references, ranges of subnets.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde_json::Value;

use super::{Expansion, Place};
use crate::diagnostic::Diagnostic;
use crate::graph::Graph;
use crate::model::Address;
use crate::model::desired::{Desired, Resource};
use crate::source::Span;

/// Where each resource was declared.
pub(super) type Spans = BTreeMap<Address, (Span, Place)>;

impl Expansion<'_> {
    pub(super) fn check_cycles(&mut self, desired: &Desired, spans: &Spans) {
        let mut graph = Graph::default();
        for (address, resource) in &desired.resources {
            graph.add(address.clone());
            for other in &resource.references {
                graph.needs(address.clone(), other.clone());
            }
        }
        let Err(cycle) = graph.order() else { return };
        let path: Vec<String> = cycle.path.iter().map(ToString::to_string).collect();
        let mut error = Diagnostic::error(format!("references form a circle: {}", path.join(" → ")));
        for (i, address) in cycle.path.iter().enumerate() {
            if let Some((span, _)) = spans.get(address)
                && !error.labels.iter().any(|(s, _)| s == span)
            {
                error = error.at(*span, if i == 0 { "this resource needs itself in the end" } else { "" });
            }
        }
        self.diagnostics.push(error.help("remove one of the references"));
    }

    /// Subnets of one network must lie inside it and not overlap.
    pub(super) fn check_networks(&mut self, desired: &Desired, spans: &Spans) {
        let mut by_network: BTreeMap<&str, Vec<(IpNet, &Address)>> = BTreeMap::new();
        for (address, resource) in desired.resources.iter().filter(|(_, r)| r.kind.name == "subnet") {
            let (Some(net), Some(vpc)) = (range(resource, "cidr"), resource.spec.get("vpc").and_then(Value::as_str))
            else {
                continue;
            };
            by_network.entry(vpc).or_default().push((net, address));
        }
        for (vpc, mut subnets) in by_network {
            if let Some(network) = desired.resources.get(vpc) {
                self.check_inside(network, &subnets, spans);
            }
            subnets.sort();
            // Sorted by their beginnings, a range overlaps an earlier one only if it lies within the last one that is open.
            let mut open: Option<(IpNet, &Address)> = None;
            for (net, address) in subnets {
                if let Some((other, first)) = open
                    && other.contains(&net)
                {
                    let mut error =
                        Diagnostic::error(format!("the ranges of {first} and {address} overlap: {other} and {net}"));
                    for (a, label) in [(address, "this subnet"), (first, "overlaps this one")] {
                        if let Some((span, _)) = spans.get(a)
                            && !error.labels.iter().any(|(s, _)| s == span)
                        {
                            error = error.at(*span, label);
                        }
                    }
                    self.diagnostics.push(error.help("give them ranges that do not overlap"));
                    continue;
                }
                open = Some((net, address));
            }
        }
    }

    fn check_inside(&mut self, network: &Resource, subnets: &[(IpNet, &Address)], spans: &Spans) {
        let mut ranges: Vec<IpNet> = range(network, "cidr").into_iter().collect();
        let further = network.spec.get("secondary_cidrs").and_then(Value::as_array);
        ranges.extend(further.into_iter().flatten().filter_map(|v| v.as_str()?.parse::<IpNet>().ok()));
        if ranges.is_empty() {
            return;
        }
        for (net, address) in subnets {
            if ranges.iter().any(|r| r.contains(net)) {
                continue;
            }
            let mut error = Diagnostic::error(format!("{net} of {address} lies outside its network"));
            if let Some((span, place)) = spans.get(*address) {
                error = error.at(*span, format!("{} has {}", network.address, ranges[0]));
                let place = place.clone();
                self.report(error.help("choose a range inside that of the network"), &place);
            }
        }
    }
}

fn range(resource: &Resource, field: &str) -> Option<IpNet> {
    resource.spec.get(field)?.as_str()?.parse().ok()
}
