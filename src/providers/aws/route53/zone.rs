//! `zone`: not written yet; only its name, for references to it.

use std::collections::BTreeMap;

use crate::model::kind::{Facts, Kind};

/// The kind `zone`.
pub struct Zone;

impl Kind for Zone {
    const NAME: &'static str = "zone";
    type Spec = BTreeMap<String, String>;

    fn facts() -> Facts {
        unreachable!("it is not in the registry")
    }
}
