//! What is checked of a kind, as its one file declares it; [`Checker`] is the same without its types.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::model::cloud::ApiError;
use crate::model::kind::Kind;
use crate::model::ownership::Owner;
use crate::model::preflight::View;
use crate::providers::aws::client::Context;
use crate::providers::aws::kind::{AwsKind, Typed};

/// Which permissions a write really needs.
#[derive(Debug, Clone, Copy)]
pub struct Needs {
    /// The part of its objects' ARNs after the account, for policies that name resources: `vpc/*`. `{name}` stands for the
    /// object's name, and for `*` where that is not known.
    pub resource: &'static str,
    /// Actions of the kind's permissions that are called only for these fields: if one is given (create, delete) or differs
    /// (update). Without fields they are called rarely, and are not asked for. Other actions are always needed.
    pub only_for: &'static [(&'static str, &'static [&'static str])],
}

/// A quota of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Service code, as Service Quotas knows it.
    pub service: &'static str,
    /// Quota code: `L-F678F1CE`.
    pub code: &'static str,
    /// Its name, as Service Quotas shows it.
    pub name: &'static str,
    /// What is counted, if not objects: `vCPUs`.
    pub unit: &'static str,
}

impl Quota {
    /// A quota that counts objects.
    pub const fn new(service: &'static str, code: &'static str, name: &'static str) -> Self {
        Self { service, code, name, unit: "" }
    }
}

/// What an object takes of a quota.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Use {
    /// The quota.
    pub quota: &'static Quota,
    /// What the quota is for: the id of a network, a zone; empty for the whole region.
    pub scope: String,
    /// How much, in the quota's unit.
    pub amount: u64,
}

impl Use {
    /// One, of the whole region.
    pub fn one(quota: &'static Quota) -> Self {
        Self::of(quota, "")
    }

    /// One, of what the quota is for.
    pub fn of(quota: &'static Quota, scope: &str) -> Self {
        Self { quota, scope: scope.to_owned(), amount: 1 }
    }
}

/// What is used in one region, whoever owns it.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// What is used.
    pub uses: Vec<Use>,
    /// Quotas that were told with it, by code.
    pub limits: BTreeMap<&'static str, u64>,
}

impl Tally {
    /// Without limits.
    pub fn of(uses: impl IntoIterator<Item = Use>) -> Self {
        Self { uses: uses.into_iter().collect(), limits: BTreeMap::new() }
    }

    /// So many of a quota, at most so many; nothing if one of the two is not known.
    pub fn told(quota: &'static Quota, used: Option<i32>, limit: Option<i32>) -> Self {
        let number = |n: Option<i32>| n.and_then(|n| u64::try_from(n).ok());
        match (number(used), number(limit)) {
            (Some(amount), Some(limit)) => Self {
                uses: vec![Use { quota, scope: String::new(), amount }],
                limits: BTreeMap::from([(quota.code, limit)]),
            },
            _ => Self::default(),
        }
    }
}

/// A name that can be taken once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name {
    /// Where it can be taken once: the id of a network; empty for the region or, for a global kind, the account.
    pub scope: String,
    /// The name.
    pub name: String,
}

impl Name {
    /// A name in its region or account.
    pub fn new(name: impl Into<String>) -> Self {
        Self { scope: String::new(), name: name.into() }
    }
}

/// Who has a name.
#[derive(Debug, Clone)]
pub struct Holder {
    /// The name.
    pub name: Name,
    /// Id of the object that has it.
    pub id: String,
    /// Its owner, by its tags.
    pub owner: Option<Owner>,
}

/// Servers that a resource starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Servers<'a> {
    /// Instance types, one of which each server has.
    pub types: Vec<&'a str>,
    /// Zones that they may stand in, as far as they are known.
    pub zones: Vec<&'a str>,
    /// How many; none if nobody knows how many are on demand.
    pub on_demand: Option<u64>,
    /// Whether each zone must offer the type, rather than one of them.
    pub everywhere: bool,
}

/// What is checked of a kind before the first write.
#[async_trait]
pub trait Checked: Kind {
    /// Which permissions a write needs.
    fn needs() -> Needs;

    /// What an object takes of quotas; what is not known yet takes nothing.
    fn uses(view: &View<'_>) -> Vec<Use> {
        let _ = view;
        Vec::new()
    }

    /// What is used of the kind's quotas in one region, by few calls; none if only what the environment owns can be counted.
    ///
    /// # Errors
    /// The API's.
    async fn tally(_: &Context) -> Result<Option<Tally>, ApiError> {
        Ok(None)
    }

    /// The names that a new object takes, as far as they are known.
    fn names(view: &View<'_>) -> Vec<Name> {
        let _ = view;
        Vec::new()
    }

    /// Who has these names; those that are free are left out.
    ///
    /// # Errors
    /// The API's.
    async fn holders(_: &Context, _: &[Name]) -> Result<Vec<Holder>, ApiError> {
        Ok(Vec::new())
    }

    /// The servers that an object starts; none if it starts none, or nobody knows their type yet.
    fn servers<'a>(view: &View<'a>) -> Option<Servers<'a>> {
        let _ = view;
        None
    }
}

/// [`Checked`] without its types.
#[async_trait]
pub trait Checker: Send + Sync {
    /// As [`Checked::needs`].
    fn needs(&self) -> Needs;
    /// As [`Checked::uses`].
    fn uses(&self, view: &View<'_>) -> Vec<Use>;
    /// As [`Checked::tally`].
    async fn tally(&self, cx: &Context) -> Result<Option<Tally>, ApiError>;
    /// As [`Checked::names`].
    fn names(&self, view: &View<'_>) -> Vec<Name>;
    /// As [`Checked::holders`].
    async fn holders(&self, cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError>;
    /// As [`Checked::servers`].
    fn servers<'a>(&self, view: &View<'a>) -> Option<Servers<'a>>;
}

#[async_trait]
impl<K: AwsKind> Checker for Typed<K> {
    fn needs(&self) -> Needs {
        K::needs()
    }

    fn uses(&self, view: &View<'_>) -> Vec<Use> {
        K::uses(view)
    }

    async fn tally(&self, cx: &Context) -> Result<Option<Tally>, ApiError> {
        K::tally(cx).await
    }

    fn names(&self, view: &View<'_>) -> Vec<Name> {
        K::names(view)
    }

    async fn holders(&self, cx: &Context, names: &[Name]) -> Result<Vec<Holder>, ApiError> {
        K::holders(cx, names).await
    }

    fn servers<'a>(&self, view: &View<'a>) -> Option<Servers<'a>> {
        K::servers(view)
    }
}
