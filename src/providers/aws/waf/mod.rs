//! Web access lists.

mod raw;
mod statement;
pub mod web_acl;
mod web_acl_calls;
mod web_acl_parts;
