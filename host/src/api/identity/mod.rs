//! Who calls, and what they may do.
//!
//! Guarantees: every request but those anybody may make is somebody's, found out once, before its action runs; every
//! route belongs to a group that says the least role it needs; an action sees one tenant and nothing of any other.

mod access;
mod call;
mod resolve;

pub(super) use access::{Access, Grouped, Needed, ROLE_EXTENSION};
pub(super) use call::Call;
pub(super) use resolve::Identity;
