//! Keys of the API and sessions of the dashboard.
//!
//! Guarantees: no secret is stored, only its SHA-256; who is known is a snapshot that is replaced after each commit, so that
//! a request reads no table and what was revoked is unknown from its commit on. Everything here is bounded.

mod keys;
mod load;
mod model;
mod operations;
mod reset;
mod sessions;
mod uses;

pub(super) use keys::revoke_all_of;
pub(super) use load::load_credentials;
pub use model::*;
pub(super) use sessions::SessionsNoted;
