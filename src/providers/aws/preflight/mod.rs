//! What AWS can tell before the first write: quotas, names, zones, instance types, permissions.
//!
//! Every check runs at the same time as the others, and costs pages, not calls for each resource. A check that fails is
//! said to be unchecked: it never keeps anybody from applying.

pub mod kind;
mod names;
mod offered;
mod permissions;
mod quotas;
#[cfg(test)]
mod tests;
mod vcpus;

use std::collections::BTreeMap;

use super::client::Session;
use super::kind::Handler;
use crate::model::cloud::ApiError;
use crate::model::preflight::{Preflight, Question};

/// All kinds, by name.
pub(super) type Handlers = BTreeMap<&'static str, Box<dyn Handler>>;

/// What the checks work with.
#[derive(Clone, Copy)]
struct Checks<'a> {
    session: &'a Session,
    /// Region for calls about the whole account.
    main: &'a str,
    handlers: &'a Handlers,
    question: &'a Question<'a>,
}

/// Answers a question.
pub(super) async fn answer(session: &Session, main: &str, handlers: &Handlers, question: &Question<'_>) -> Preflight {
    if question.changes.is_empty() {
        return Preflight::default();
    }
    let checks = Checks { session, main, handlers, question };
    let (quotas, names, offered, permissions) =
        futures::join!(quotas::check(checks), names::check(checks), offered::check(checks), permissions::check(checks));
    Preflight::joined([quotas, names, offered, permissions])
}

/// What could not be checked, and why.
fn unchecked(what: &str, error: &ApiError) -> String {
    format!("{what}: {error}")
}
