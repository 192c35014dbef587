//! What a lease needs of the machine that it runs on: two clocks, and tasks. A trait, so that tests can suspend a machine,
//! stop one of its clocks and set the other wrong.

use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::future::BoxFuture;
use jiff::Timestamp;

/// A machine's clocks and tasks.
#[async_trait]
pub trait Machine: Send + Sync + std::fmt::Debug {
    /// Time since some moment. Never goes back; may stand still while the machine is suspended.
    fn monotonic(&self) -> Duration;

    /// Time of day. May be wrong, and may be set in either direction.
    fn wall(&self) -> Timestamp;

    /// Returns after this time by the monotonic clock, or later.
    async fn sleep(&self, time: Duration);

    /// Runs a task beside the caller.
    fn spawn(&self, task: BoxFuture<'static, ()>);
}

/// This machine, under tokio.
#[derive(Debug, Clone)]
pub struct System {
    begun: Instant,
}

impl System {
    /// Its monotonic clock begins now.
    pub fn new() -> Self {
        Self { begun: Instant::now() }
    }
}

impl Default for System {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Machine for System {
    fn monotonic(&self) -> Duration {
        self.begun.elapsed()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) {
        tokio::spawn(task);
    }
}
