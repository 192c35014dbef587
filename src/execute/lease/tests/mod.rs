//! Never two writers: thousands of seeded schedules over machines that are suspended, clocks that are wrong, and a network
//! that delays, loses and repeats.
//!
//! `SAIKEN_SEED=n` replays one schedule, `SAIKEN_SEEDS=n` runs so many.

mod machines;
mod network;
mod rules;
mod schedules;
