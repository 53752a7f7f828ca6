//! Keys of the API: operators manage those of their tenant, admins all.

mod create;
mod inspect;
mod revoke;

pub(super) use create::*;
pub(super) use inspect::*;
pub(super) use revoke::*;

use super::error::{ApiError, ProblemCode};
use crate::job::KeyId;

/// A first guess at the length of one item, bytes.
const ITEM_BYTES: usize = 384;

fn key_not_found(key: KeyId) -> ApiError {
    ApiError::new(ProblemCode::KeyNotFound, format!("there is no key {key}; GET /v1/keys lists those there are"))
}
