//! Work grows in proportion to what there is.

use super::system::ENVIRONMENT;
use crate::support::project::Project;

fn subnets(count: usize) -> Project {
    let environment = format!("{ENVIRONMENT}simulated: {{quotas: {{subnet: 2000, instance: 2000}}}}\n");
    let stack = format!(
        "stack: network
resources:
  main: {{kind: vpc, cidr: 10.0.0.0/16}}
  s: {{kind: subnet, each: {count}, vpc: main, zone: ap-northeast-1a, cidr: '{{{{ subnet \"10.0.0.0/16\" 12 each.index }}}}'}}
"
    );
    Project::new(&[("environments/test.yaml", &environment), ("stacks/network.yaml", &stack)])
}

#[test]
fn calls_of_an_empty_plan_do_not_grow_with_the_number_of_objects() {
    let calls = [5usize, 50].map(|count| {
        let project = subnets(count);
        project.apply(&[], false);
        let (_, desired) = project.desired();
        let cloud = project.cloud();
        let options =
            saiken::inventory::Options { deep: false, parallelism: 16, unsure: Vec::new(), ..Default::default() };
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let observed = runtime.block_on(saiken::inventory::collect(&*cloud, &desired, &project.kinds, None, &options));
        assert_eq!(observed.objects.len(), count + 1);
        cloud.calls().values().sum::<u64>()
    });
    assert_eq!(calls[0], calls[1], "a page holds 50 as well as 5");
}

#[test]
fn the_steps_of_a_plan_and_what_they_wait_for_grow_in_proportion() {
    let size = |count: usize| {
        let plan = subnets(count).plan(&[], false);
        (plan.steps.len(), plan.steps.iter().map(|s| s.after.len()).sum::<usize>())
    };
    assert_eq!(size(10), (11, 10));
    assert_eq!(size(1_000), (1_001, 1_000));
}
