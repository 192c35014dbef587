//! Rules over several resources: circles of references, regions, ranges of subnets.
#![deny(clippy::disallowed_methods, clippy::disallowed_types)]

use std::collections::BTreeMap;

use ipnet::IpNet;
use serde_json::Value;

use super::{Expansion, Place};
use crate::diagnostic::Diagnostic;
use crate::graph::Graph;
use crate::model::Address;
use crate::model::desired::{Desired, Resource};
use crate::model::kind::Scope;
use crate::source::Span;

/// Where a resource was declared.
pub(super) struct Declared {
    /// Its name.
    pub span: Span,
    /// Its address range, if it has one; else its name.
    pub cidr: Span,
    /// The uses of templates around it.
    pub place: Place,
}

/// Where each resource was declared.
pub(super) type Spans = BTreeMap<Address, Declared>;

impl Expansion<'_> {
    /// Whether references form a circle, which is reported.
    pub(super) fn check_cycles(&mut self, desired: &Desired, spans: &Spans) -> bool {
        let mut graph = Graph::default();
        for (address, resource) in &desired.resources {
            graph.add(address.clone());
            for other in &resource.references {
                graph.needs(address.clone(), other.clone());
            }
        }
        let Err(cycle) = graph.order() else { return false };
        let path: Vec<String> = cycle.path.iter().map(ToString::to_string).collect();
        let mut error = Diagnostic::error(format!("references form a circle: {}", path.join(" → ")));
        for pair in cycle.path.windows(2) {
            if let Some(declared) = spans.get(&pair[0])
                && !error.labels.iter().any(|(s, _)| *s == declared.span)
            {
                error = error.at(declared.span, format!("needs {}", pair[1]));
            }
        }
        let error = error.note("each of them must be there before the next").help("remove one of the references");
        let place = cycle.path.first().and_then(|a| spans.get(a)).map(|d| d.place.clone());
        match place {
            Some(place) => self.report(error, &place),
            None => self.diagnostics.push(error),
        }
        true
    }

    /// What is in one region can't use what is in another, but for the few fields that take any.
    pub(super) fn check_regions(&mut self, desired: &Desired, spans: &Spans) {
        for (address, resource) in &desired.resources {
            if resource.kind.facts.scope == Scope::Global {
                continue;
            }
            let mut far: Option<&Resource> = None;
            resource.kind.schema.visit_near_refs(&resource.spec, &mut |_, target| {
                let used = target.as_str().and_then(|a| Address::parse(a).ok()).and_then(|a| desired.resources.get(&a));
                if let Some(used) = used
                    && used.kind.facts.scope == Scope::Regional
                    && used.region != resource.region
                {
                    far.get_or_insert(used);
                }
            });
            if let (Some(far), Some(declared)) = (far, spans.get(address)) {
                let message =
                    format!("{address} is in {} and uses {}, which is in {}", resource.region, far.address, far.region);
                let error = Diagnostic::error(message)
                    .at(declared.span, format!("in {}", resource.region))
                    .help("give both the same `region`, or use one that is there");
                self.report(error, &declared.place);
            }
        }
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
                    self.overlap((first, other), (address, net), vpc, spans);
                    continue;
                }
                open = Some((net, address));
            }
        }
    }

    fn overlap(&mut self, first: (&Address, IpNet), second: (&Address, IpNet), vpc: &str, spans: &Spans) {
        let summary = if first.1 == second.1 {
            format!("{} and {} have the same range {}", first.0, second.0, first.1)
        } else {
            format!("the ranges of {} and {} overlap", first.0, second.0)
        };
        let mut error = Diagnostic::error(summary);
        let (Some(one), Some(two)) = (spans.get(first.0), spans.get(second.0)) else { return };
        error = error.at(two.cidr, format!("{} is {}", second.0, second.1));
        if one.cidr != two.cidr {
            error = error.at(one.cidr, format!("{} is {}", first.0, first.1));
        }
        let error = error
            .note(format!("subnets of one network may not overlap, and both are in {vpc}"))
            .help("give each a range of its own, such as `\"{{ subnet cidr 8 each.index }}\"`");
        self.report(error, &two.place);
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
            let Some(declared) = spans.get(*address) else { continue };
            let all: Vec<String> = ranges.iter().map(ToString::to_string).collect();
            let error = Diagnostic::error(format!("{address} lies outside of its network"))
                .at(declared.cidr, format!("{net} is not in {}", all.join(", ")))
                .help(format!("choose a range inside that of {}", network.address));
            self.report(error, &declared.place);
        }
    }
}

fn range(resource: &Resource, field: &str) -> Option<IpNet> {
    resource.spec.get(field)?.as_str()?.parse().ok()
}
