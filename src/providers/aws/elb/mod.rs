//! Load balancers and what they serve.

pub mod load_balancer;
pub mod target_group;
