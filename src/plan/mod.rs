//! The planner: a pure function of desired, observed, last applied and now.
