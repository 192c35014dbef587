//! `backup_vault`: not written yet; only its name, for references to it.

use std::collections::BTreeMap;

use crate::model::kind::{Facts, Kind};

/// The kind `backup_vault`.
pub struct BackupVault;

impl Kind for BackupVault {
    const NAME: &'static str = "backup_vault";
    type Spec = BTreeMap<String, String>;

    fn facts() -> Facts {
        unreachable!("it is not in the registry")
    }
}
