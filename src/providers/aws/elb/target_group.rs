//! `target_group`: not written yet; only its name, for references to it.

use std::collections::BTreeMap;

use crate::model::kind::{Facts, Kind};

/// The kind `target_group`.
pub struct TargetGroup;

impl Kind for TargetGroup {
    const NAME: &'static str = "target_group";
    type Spec = BTreeMap<String, String>;

    fn facts() -> Facts {
        unreachable!("it is not in the registry")
    }
}
