//! The change guard: service is interrupted only in windows that were announced in time.

use jiff::Timestamp;

use crate::model::environment::Environment;
use crate::model::plan::{Action, Impact, Operation, Plan};

use super::Permits;
use super::announcement::Announcement;

/// Why a plan can't be carried out now.
#[derive(Debug, Clone, PartialEq)]
pub struct Closed<'a> {
    /// The actions that people would notice, and that no open window covers.
    pub actions: Vec<&'a Action>,
    /// The next announced window that covers one of them, if there is one.
    pub next: Option<&'a Announcement>,
    /// Notice that the environment asks for, in seconds.
    pub notice: u64,
}

/// The actions that may not be done at this time; none if all may.
pub fn closed<'a>(
    plan: &'a Plan,
    environment: &Environment,
    permits: &'a Permits,
    now: Timestamp,
) -> Option<Closed<'a>> {
    let guard = environment.guards.interruptions.as_ref().filter(|_| permits.emergency.is_none())?;
    let actions: Vec<&Action> =
        plan.actions.iter().filter(|a| is_noticed(a) && !is_allowed(a, environment, permits, now)).collect();
    if actions.is_empty() {
        return None;
    }
    let in_time = permits.announcements.iter().filter(|w| w.was_in_time(guard.notice) && now < w.from);
    let next = in_time.filter(|w| actions.iter().any(|a| w.covers(&a.address))).min_by_key(|w| w.from);
    Some(Closed { actions, next, notice: guard.notice })
}

/// Whether a step of an action may begin at this time. The second half of what has begun may always be done: without it
/// service would stay interrupted.
pub fn may_begin(
    operation: Operation,
    action: &Action,
    environment: &Environment,
    permits: &Permits,
    now: Timestamp,
) -> bool {
    match operation {
        Operation::Update | Operation::Delete => !is_noticed(action) || is_allowed(action, environment, permits, now),
        Operation::Create | Operation::Save | Operation::Own | Operation::Disown => true,
    }
}

fn is_noticed(action: &Action) -> bool {
    match action.impact {
        Impact::None => false,
        Impact::Interrupts | Impact::LosesData => true,
    }
}

fn is_allowed(action: &Action, environment: &Environment, permits: &Permits, now: Timestamp) -> bool {
    let Some(guard) = &environment.guards.interruptions else { return true };
    let open = |w: &Announcement| w.was_in_time(guard.notice) && w.is_open(now) && w.covers(&action.address);
    permits.emergency.is_some() || permits.announcements.iter().any(open)
}
