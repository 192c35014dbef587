//! The registry of kinds, and the clouds that implement them.
