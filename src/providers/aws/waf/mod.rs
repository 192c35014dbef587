//! Web access lists.
