//! The kinds against the emulator: one file a kind.

mod autoscaling_group;
mod calls;
mod instance;
mod key;
mod launch_template;
mod log_group;
mod network;
mod reference;
mod role;
mod volume;
