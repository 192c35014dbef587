//! Backups: vaults, plans, tests of restores.

pub mod vault;
