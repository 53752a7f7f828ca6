//! Batches: jobs with a common end, what is known of them, and what follows when they have ended.

mod change;
mod create;
mod inspect;
mod items;

pub(super) use change::*;
pub(super) use create::*;
pub(super) use inspect::*;

use super::error::{ApiError, ProblemCode};
use crate::job::BatchId;

/// A first guess at the length of one item, bytes.
pub(super) const ITEM_BYTES: usize = 512;

fn batch_not_found(batch: BatchId) -> ApiError {
    ApiError::new(
        ProblemCode::BatchNotFound,
        format!("there is no batch `{batch}`; GET /v1/batches lists them, GET /v1/workflows lists workflows"),
    )
}
