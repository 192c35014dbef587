//! The executor: carries out the steps of a plan.
