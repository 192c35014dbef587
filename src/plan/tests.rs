//! The planner's promises, on small kinds of their own.

mod guards;
mod kinds;
mod model;
mod properties;
mod rules;
