//! `certificate`: not written yet; only its name, for references to it.

use std::collections::BTreeMap;

use crate::model::kind::{Facts, Kind};

/// The kind `certificate`.
pub struct Certificate;

impl Kind for Certificate {
    const NAME: &'static str = "certificate";
    type Spec = BTreeMap<String, String>;

    fn facts() -> Facts {
        unreachable!("it is not in the registry")
    }
}
