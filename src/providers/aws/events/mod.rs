//! Events and what they start.
