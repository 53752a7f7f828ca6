//! Who calls, and what they may do.
//!
//! Guarantees: every request but those anybody may make is somebody's, found out once, before its action runs; every
//! route belongs to a group that says the least role it needs; an action sees one tenant and nothing of any other; what
//! is wrong with a credential is never said, but that a user's token was good and has expired.

mod access;
mod call;
mod failures;
mod jwt;
mod resolve;
mod secret;
mod sent;
mod user_token;

pub(super) use access::{Access, Grouped, Needed, ROLE_EXTENSION};
pub(super) use call::{Call, Caller};
pub use resolve::Identity;
pub(super) use resolve::{Asked, Known, Look, Peer, check_csrf};
pub(super) use secret::{csrf_token, hash, new_key, new_session};
pub(super) use sent::{SESSION_COOKIE, cookie, without_token};
pub(super) use user_token::{USER_TOKEN_DEFAULT, USER_TOKEN_MAX, UserToken};
