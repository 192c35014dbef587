//! The engine's promises over random systems of real kinds, on the simulated cloud.
//!
//! That cloud refuses what refers to nothing and the deletion of what is still used, so a run that succeeds has kept the
//! order of every reference in both directions.

mod data_guard;
mod fields;
mod growth;
mod moves;
mod reference;
pub mod system;

use proptest::prelude::*;
use saiken::model::plan::{Operation, Plan};

use crate::support::project::Project;
use system::{ENVIRONMENT, System, system};

fn project(system: &System) -> Project {
    let project = Project::new(&[("environments/test.yaml", ENVIRONMENT)]);
    declare(&project, system);
    project
}

fn declare(project: &Project, system: &System) {
    for (path, text) in system.files() {
        project.write(path, &text);
    }
}

/// Every step that makes something comes after each step that makes what it refers to.
fn order_respects_references(project: &Project, plan: &Plan) {
    let (_, desired) = project.desired();
    let makes = |o: Operation| matches!(o, Operation::Create | Operation::Update);
    for (number, step) in plan.steps.iter().enumerate() {
        assert!(step.after.iter().all(|n| *n < number), "step {number} waits for a later one");
        let Some(resource) = desired.resources.get(&step.address).filter(|_| makes(step.operation)) else { continue };
        for reference in &resource.references {
            for (other, _) in
                plan.steps.iter().enumerate().filter(|(_, s)| s.address == *reference && makes(s.operation))
            {
                assert!(step.after.contains(&other), "{} does not wait for {reference}", step.address);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_system_becomes_any_other_then_plans_nothing_and_leaves_nothing(first in system(), second in system()) {
        let project = project(&first);
        for system in [&first, &second] {
            declare(&project, system);
            let plan = project.apply(&[], false);
            order_respects_references(&project, &plan);
            let again = project.plan(&[], false);
            prop_assert!(again.is_empty() && again.drift.is_empty(), "{:#?} {:#?}", again.actions, again.drift);
        }
        project.apply(&[], true);
        prop_assert!(project.ids().is_empty(), "{:?}", project.ids());
    }

    #[test]
    fn a_plan_is_deterministic_and_needs_neither_journal_nor_record(first in system(), second in system()) {
        let project = project(&first);
        project.apply(&[], false);
        declare(&project, &second);
        let mut plans = vec![project.plan(&[], false), project.plan(&[], false)];
        std::fs::remove_dir_all(project.state()).unwrap();
        plans.push(project.plan(&[], false));
        for plan in &mut plans {
            plan.id.clear();
        }
        prop_assert_eq!(&plans[0], &plans[1]);
        // Without the record a difference can't be told from drift; what is done about it is the same.
        let steps = |p: &Plan| {
            let each = p.actions.iter().map(|a| (a.address.clone(), a.action, a.impact, a.spec.clone()));
            (each.collect::<Vec<_>>(), p.steps.clone())
        };
        prop_assert_eq!(steps(&plans[0]), steps(&plans[2]));
    }

    #[test]
    fn a_stack_and_then_the_whole_converges(system in system()) {
        let project = project(&system);
        project.apply(&["network"], false);
        let network = project.ids();
        prop_assert!(network.keys().all(|a| a.starts_with("network/")));
        project.apply(&[], false);
        let whole = project.ids();
        prop_assert!(network.iter().all(|(address, ids)| whole[address] == *ids), "a part was made again");
        prop_assert!(project.plan(&[], false).is_empty());
        let (_, desired) = project.desired();
        prop_assert_eq!(whole.len(), desired.resources.len());
    }

    #[test]
    fn what_was_changed_by_hand_is_found_and_put_right(system in system(), pick in any::<prop::sample::Index>()) {
        let project = project(&system);
        project.apply(&[], false);
        let before = project.ids();
        let all: Vec<&String> = before.keys().collect();
        let victim = all[pick.index(all.len())].clone();
        project.simulated().set(&victim, "tags.Service", Some("changed by hand".into())).unwrap();
        let plan = project.plan(&[], false);
        let touched: Vec<&str> = plan.actions.iter().map(|a| a.address.as_str()).collect();
        prop_assert_eq!(&touched, &[victim.as_str()]);
        prop_assert!(!plan.drift.is_empty());
        project.apply(&[], false);
        prop_assert!(project.plan(&[], false).is_empty());
        prop_assert_eq!(project.ids(), before);
    }
}
