//! `topic`: not written yet; only its name, for references to it.

use std::collections::BTreeMap;

use crate::model::kind::{Facts, Kind};

/// The kind `topic`.
pub struct Topic;

impl Kind for Topic {
    const NAME: &'static str = "topic";
    type Spec = BTreeMap<String, String>;

    fn facts() -> Facts {
        unreachable!("it is not in the registry")
    }
}
