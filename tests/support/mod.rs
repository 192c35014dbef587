//! What the tests share: projects on the simulated cloud, the emulator of AWS, cases of kinds, crashes.

pub mod crash;
pub mod crash_http;
pub mod kind_case;
pub mod memory;
pub mod moto;
pub mod project;
