//! Nothing of a call runs once the lock is lost.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::lock::Held;

/// Runs a call as long as the lock is ours; none once it is not.
///
/// Asks [`Held::is_held`] right before everything that the call does by itself: its first request, and each one that it
/// makes after it has waited for something. So also on a machine that was suspended in between, no request follows.
pub(super) async fn while_held<T>(held: Option<&dyn Held>, call: impl Future<Output = T>) -> Option<T> {
    let Some(held) = held else { return Some(call.await) };
    let (mut call, mut lost) = (pin!(call), pin!(held.lost().cancelled_owned()));
    poll_fn(|context| {
        if !held.is_held() {
            return Poll::Ready(None);
        }
        match call.as_mut().poll(context) {
            Poll::Ready(outcome) => Poll::Ready(Some(outcome)),
            Poll::Pending => lost.as_mut().poll(context).map(|()| None),
        }
    })
    .await
}
