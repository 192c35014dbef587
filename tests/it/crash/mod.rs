//! The promise "kill it at any moment and run it again", on the simulated cloud: every point of every command.

mod harness;
mod points;
mod readers;
mod rollback;
mod schedules;

use harness::{Ended, System};
