//! What is said where a job is the only one like it: the refusal of another one, and the header of an answer that shows the
//! one there is instead.

use http::{HeaderName, HeaderValue};

use super::enqueue::IDEMPOTENCY_REPLAYED;
use super::view::{Bulk, View, stand_in_line};
use crate::api::error::{ApiError, FieldError, ProblemCode};
use crate::api::identity::Call;
use crate::job::JobId;
use crate::store::{Conflict, JobRow};

/// On an answer that shows a job which was there before: what became of it.
pub(in crate::api) static UNIQUE_CONFLICT: HeaderName = HeaderName::from_static("unique-conflict");

/// Its value.
pub(in crate::api) fn header_value(conflict: Conflict) -> HeaderValue {
    HeaderValue::from_static(match conflict {
        Conflict::Existing => "existing",
        Conflict::Replaced => "replaced",
        Conflict::Debounced => "debounced",
        Conflict::Throttled => "throttled",
    })
}

/// 409 with the job there is.
pub(in crate::api) async fn of_enqueue(api: &Call, mut row: JobRow) -> ApiError {
    if let Err(error) = stand_in_line(api, &mut row).await {
        return error.into();
    }
    let other = row.id;
    let catalog = api.store.catalog();
    let view = View::new(api, &catalog);
    let shown = view.job(&row, Bulk::default());
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

/// The same, as the same request was answered before, whatever has become of that job.
pub(in crate::api) async fn of_replay(api: &Call, mut row: JobRow) -> ApiError {
    if let Err(error) = stand_in_line(api, &mut row).await {
        return error.into();
    }
    let other = row.id;
    let catalog = api.store.catalog();
    let detail = format!(
        "the same request came before and was refused, since `{other}` was the only one like it; it is answered the same for as \
         long as its `Idempotency-Key` is known (24 h): use a new key for a new request"
    );
    let refusal = match serde_json::to_value(View::new(api, &catalog).job(&row, Bulk::default())) {
        Ok(existing) => ApiError::new(ProblemCode::UniqueConflict, detail).with("existing", existing),
        Err(error) => return ApiError::internal(&error),
    };
    refusal.with_header(IDEMPOTENCY_REPLAYED.clone(), HeaderValue::from_static("true"))
}

/// The same of a job of a batch or workflow, of which nothing was enqueued.
pub(in crate::api) fn of_member(pointer: &str, other: Option<JobId>) -> ApiError {
    let which = match other {
        Some(other) => format!("`{other}` is the only one like it"),
        None => "another job of this request is the only one like it".to_owned(),
    };
    let error = FieldError::new(format!("{pointer}/unique"), which.clone());
    let refusal = ApiError::new(ProblemCode::UniqueConflict, format!("{pointer}: {which}, so nothing was enqueued"));
    let refusal = refusal.with_errors(vec![error]);
    match other {
        Some(other) => refusal.with("existing", serde_json::json!({"id": other})),
        None => refusal,
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
