//! SQL databases of a tenant: which there are, where they are, and how they go. What is in them is asked for by handlers.

mod delete;
mod inspect;
mod put;

pub(super) use delete::*;
pub(super) use inspect::*;
pub(super) use put::*;

use super::error::{ApiError, ProblemCode};
use crate::job::{DatabaseError, DatabaseName};

/// A first guess at the length of one item, bytes.
const ITEM_BYTES: usize = 256;

fn database_not_found(name: &DatabaseName) -> ApiError {
    let sentence = format!("there is no database `{name}`; GET /v1/databases lists them, PUT makes one");
    ApiError::new(ProblemCode::DatabaseNotFound, sentence)
}

/// A database that can't be looked into now.
fn database_error(error: &DatabaseError) -> ApiError {
    match error {
        DatabaseError::Busy(sentence) => ApiError::new(ProblemCode::DatabaseInUse, sentence.clone()),
        other => ApiError::new(ProblemCode::DatabaseUnavailable, other.to_string()),
    }
}
