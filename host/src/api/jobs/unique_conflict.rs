//! What is said where a job is the only one like it: the refusal of another one, and the header of an answer that shows the
//! one there is instead.

use http::{HeaderName, HeaderValue};

use super::view::{Bulk, View};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::shared::Api;
use crate::job::JobId;
use crate::store::{Conflict, JobRow};

/// On an answer that shows a job which was there before: what became of it.
pub(super) static UNIQUE_CONFLICT: HeaderName = HeaderName::from_static("unique-conflict");

/// Its value.
pub(super) fn header_value(conflict: Conflict) -> HeaderValue {
    HeaderValue::from_static(match conflict {
        Conflict::Existing => "existing",
        Conflict::Replaced => "replaced",
        Conflict::Debounced => "debounced",
        Conflict::Throttled => "throttled",
    })
}

/// 409 with the job there is.
pub(super) fn of_enqueue(api: &Api, other: JobId, row: Option<&JobRow>) -> ApiError {
    let Some(row) = row else {
        return ApiError::new(
            ProblemCode::UniqueConflict,
            format!(
                "`{other}` was deleted, but the period (`unique.for`) in which there is to be no other one is not over"
            ),
        )
        .with("existing", serde_json::json!({"id": other}));
    };
    let catalog = api.store.catalog();
    let view = View::new(api, &catalog);
    let shown = view.job(row, Bulk::default(), None);
    let detail = format!(
        "`{other}`, which is {}, is the only one like it; send `\"on_conflict\": \"return_existing\"` to be answered with that one, \
         or another `unique.key`",
        shown.state
    );
    match serde_json::to_value(&shown) {
        Ok(existing) => ApiError::new(ProblemCode::UniqueConflict, detail).with("existing", existing),
        Err(error) => ApiError::internal(&error),
    }
}

/// The same of one of many.
pub(super) fn of_item(other: Option<JobId>) -> ApiError {
    match other {
        Some(other) => ApiError::new(
            ProblemCode::UniqueConflict,
            format!("`{other}` is the only one like it; with `on_conflict` it can be told what to do then"),
        )
        .with("existing", serde_json::json!({"id": other})),
        None => ApiError::new(ProblemCode::UniqueConflict, "another job of this batch is the only one like it"),
    }
}

/// The same of a finished one that was to come back.
pub(super) fn of_retry(other: JobId) -> ApiError {
    ApiError::new(
        ProblemCode::UniqueConflict,
        format!(
            "`{other}` is the only one like it now; retry this one when that one has ended, or cancel that one first"
        ),
    )
    .with("existing", serde_json::json!({"id": other}))
}
