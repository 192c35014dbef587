//! `bucket`: not written yet; only its name, for references to it.

use std::collections::BTreeMap;

use crate::model::kind::{Facts, Kind};

/// The kind `bucket`.
pub struct Bucket;

impl Kind for Bucket {
    const NAME: &'static str = "bucket";
    type Spec = BTreeMap<String, String>;

    fn facts() -> Facts {
        unreachable!("it is not in the registry")
    }
}
