//! `load_balancer`: not written yet; only its name, for references to it.

use std::collections::BTreeMap;

use crate::model::kind::{Facts, Kind};

/// The kind `load_balancer`.
pub struct LoadBalancer;

impl Kind for LoadBalancer {
    const NAME: &'static str = "load_balancer";
    type Spec = BTreeMap<String, String>;

    fn facts() -> Facts {
        unreachable!("it is not in the registry")
    }
}
