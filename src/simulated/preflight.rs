//! What the simulated cloud knows will fail: its quotas, names, zones.

use std::collections::{BTreeMap, BTreeSet};

use super::Simulated;
use super::changes::zone;
use super::world::World;
use crate::model::Address;
use crate::model::ownership::Owner;
use crate::model::plan::Operation;
use crate::model::preflight::{Change, Check, Demands, Preflight, Question, Room};

impl Simulated {
    /// Quotas, names and zones, of one look at the world.
    pub(super) fn foresee(&self, world: &World, question: &Question<'_>) -> Preflight {
        let mut answer = Preflight::default();
        for region in question.regions().into_iter().filter(|r| world.conditions.lost_regions.contains(*r)) {
            answer.unchecked.push(format!("{region}: the region does not answer"));
        }
        self.quotas(world, question, &mut answer);
        for change in question.created() {
            taken(world, question, change, &mut answer);
        }
        self.zones(world, question, &mut answer);
        Preflight::joined([answer])
    }

    fn quotas(&self, world: &World, question: &Question<'_>, answer: &mut Preflight) {
        let mut demands: Demands<(&str, &str)> = Demands::new();
        for change in &question.changes {
            let (before, after) = match change.operation {
                Operation::Create => (0, 1),
                Operation::Delete => (1, 0),
                Operation::Save | Operation::Update | Operation::Own | Operation::Disown => continue,
            };
            let demand = demands.entry((change.kind.name, change.region)).or_default();
            demand.step(change.address, before, after, change.first);
        }
        for ((kind, region), mut demand) in demands {
            let Ok(known) = self.kind(kind) else { continue };
            let limit = self.settings.quotas.get(kind).copied().unwrap_or(known.facts.quota);
            demand.used = u64::try_from(world.count(kind, region)).unwrap_or(u64::MAX);
            let (late, blocks) = match demand.room(u64::from(limit)) {
                Room::Enough => continue,
                Room::InTime => (", perhaps too late", false),
                Room::Lacking => ("", true),
            };
            let message = format!("{kind}: at most {limit} for {region}; {}{late}", demand.words(""));
            let help = "raise `simulated.quotas` in the environment, or remove what is not used";
            answer.add(Check::Quota, demand.addresses, blocks, message, help);
        }
    }

    fn zones(&self, world: &World, question: &Question<'_>, answer: &mut Preflight) {
        let mut wanted: BTreeMap<(&str, &str), BTreeSet<Address>> = BTreeMap::new();
        for change in question.created() {
            if let Some(zone) = zone(change.kind, change.spec) {
                wanted.entry((change.region, zone)).or_default().insert(change.address.clone());
            }
        }
        for ((region, zone), addresses) in wanted {
            let known = self.settings.regions.get(region).is_some_and(|zones| zones.iter().any(|z| z == zone));
            if !known {
                let message = format!("there is no zone {zone} in {region}");
                answer.add(Check::Zone, addresses, true, message, "use another zone");
            } else if world.conditions.lost_zones.contains(zone) {
                let help = "wait until it is back, or take it from the environment's `zones`";
                answer.add(Check::Zone, addresses, false, format!("zone {zone} is lost"), help);
            }
        }
    }
}

fn taken(world: &World, question: &Question<'_>, change: &Change<'_>, answer: &mut Preflight) {
    if change.kind.facts.name_limit == 0 {
        return;
    }
    let Some(there) = world.named(change.kind.name, change.region, &change.name) else { return };
    let owner = Owner::from_tags(&there.tags);
    if question.is_own(change, owner.as_ref()) {
        return;
    }
    question.add_taken(change, change.region, &change.name, &there.id, owner.as_ref(), answer);
}
