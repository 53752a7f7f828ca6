//! What became of each job of a batch, in the order it was sent.

use axum::response::Response;
use http::StatusCode;
use serde::{Serialize, Serializer};

use super::after::untied;
use super::batch_lines::Place;
use super::enqueue::{json, key_conflict, kind_gone, too_many_queues};
use super::unique_conflict;
use crate::api::error::{ApiError, FIELD_ERRORS_MAX, FieldError, ProblemCode};
use crate::job::JobId;
use crate::store::{BatchItem, Conflict};

/// A first guess at the length of one entry, bytes.
const RESULT_BYTES: usize = 40;

/// The answer to a batch.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct BatchReply {
    /// One per job, in order.
    results: Vec<BatchResult>,
}

/// What became of one job.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(in crate::api) enum BatchResult {
    /// Enqueued, now or when the same request first came.
    Enqueued {
        /// The job.
        #[schema(value_type = String)]
        id: JobId,
        /// It was enqueued by an earlier, equal request.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        replayed: bool,
        /// It was there before, as the only one like it; what became of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(value_type = Option<String>, required = false, example = "existing")]
        conflict: Option<Conflict>,
    },
    /// Refused.
    Refused {
        /// Why.
        error: BatchError,
    },
}

/// Why one job was refused.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::api) struct BatchError {
    /// Its place in the array, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
    /// Its line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// The stable code.
    #[serde(serialize_with = "code_word")]
    #[schema(value_type = String)]
    code: ProblemCode,
    /// One sentence.
    detail: String,
    /// Fields, with pointers into the job.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// `unique_conflict`: the job there is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>, required = false)]
    existing: Option<serde_json::Value>,
    /// `quota_exceeded`: which quota of the tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, required = false)]
    quota: Option<serde_json::Value>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde's signature.
fn code_word<S: Serializer>(code: &ProblemCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.as_str())
}

impl BatchError {
    fn at(place: Place, error: &ApiError) -> Self {
        let (index, line) = match place {
            Place::Index(index) => (Some(index), None),
            Place::Line(line) => (None, Some(line)),
        };
        let errors = error.errors().to_vec();
        let (existing, quota) = (error.extension("existing").cloned(), error.extension("quota").cloned());
        Self { index, line, code: error.code(), detail: error.detail().to_owned(), errors, existing, quota }
    }
}

/// Why an item the store was given was not written; `None` if it was.
pub(super) fn item_error(item: BatchItem) -> Option<ApiError> {
    match item {
        BatchItem::Created(_) | BatchItem::Replayed(_) | BatchItem::Existing(..) | BatchItem::ReplayedExisting(..) => {
            None
        }
        BatchItem::UniqueConflict(other) => Some(unique_conflict::of_item(other)),
        BatchItem::KeyConflict => Some(key_conflict()),
        BatchItem::KindGone => Some(kind_gone()),
        BatchItem::TooManyQueues => Some(too_many_queues()),
        BatchItem::OverQuota(quota) => Some(ApiError::over_quota(&quota)),
        BatchItem::Untied(refusal) => Some(untied(refusal)),
        BatchItem::Unwritten => Some(ApiError::new(
            ProblemCode::StoreUnavailable,
            "the store could write those before it, and then no more; send this one again later",
        )),
    }
}

/// One entry per place: the store's word, or, where it has none, the next of `refusals`. In a replayed batch every
/// job is an old one, which the header says.
pub(super) fn reply(
    places: &[Place],
    items: impl Iterator<Item = Option<BatchItem>>,
    refusals: Vec<ApiError>,
    batch_replayed: bool,
) -> Result<Response, ApiError> {
    let mut refusals = refusals.into_iter();
    let results: Vec<BatchResult> = places
        .iter()
        .zip(items.chain(std::iter::repeat(None)))
        .map(|(place, item)| match item {
            Some(BatchItem::Created(id)) => BatchResult::Enqueued { id, replayed: false, conflict: None },
            Some(BatchItem::Existing(conflict, id)) => {
                BatchResult::Enqueued { id, replayed: false, conflict: Some(conflict) }
            }
            Some(BatchItem::Replayed(id)) => BatchResult::Enqueued { id, replayed: !batch_replayed, conflict: None },
            Some(BatchItem::ReplayedExisting(conflict, id)) => {
                BatchResult::Enqueued { id, replayed: !batch_replayed, conflict: Some(conflict) }
            }
            item => {
                let error = item.and_then(item_error).or_else(|| refusals.next());
                let error =
                    error.unwrap_or_else(|| ApiError::internal(&"the store said nothing about a job of a batch"));
                BatchResult::Refused { error: BatchError::at(*place, &error) }
            }
        })
        .collect();
    json(StatusCode::OK, &BatchReply { results }, places.len().saturating_mul(RESULT_BYTES) + 16)
}

/// The refusal of a whole batch: names the first job, and what is wrong with as many as fit. In an array the pointers
/// lead from the body to the field; lines of NDJSON are documents of their own, so there the pointers begin at the job
/// and the messages at its line. Where jobs were not looked at, nothing is said against the batch but that.
pub(super) fn reject(refused: impl Iterator<Item = (Place, ApiError)>) -> ApiError {
    let refused: Vec<(Place, ApiError)> = refused.collect();
    if refused.iter().any(|(_, error)| error.code() == ProblemCode::Busy) {
        return ApiError::new(
            ProblemCode::Busy,
            "the payloads took all the time one request has for checks, so no job was enqueued; send the batch in smaller \
             parts",
        );
    }
    // Nothing is wrong with the jobs: they can be sent again.
    if refused.iter().all(|(_, error)| error.code() == ProblemCode::QuotaExceeded)
        && let Some((_, error)) = refused.first()
    {
        let detail = format!("no job was enqueued: {}", error.detail());
        return error.clone().with_detail(detail);
    }
    let mut refused = refused.into_iter().peekable();
    let first = refused.peek().map(|(place, error)| (*place, error.code(), error.detail().to_owned()));
    let errors: Vec<FieldError> = refused
        .flat_map(|(place, error)| {
            let whole = FieldError::new("", error.detail());
            let fields = if error.errors().is_empty() { vec![whole] } else { error.errors().to_vec() };
            fields.into_iter().map(move |FieldError { pointer, message }| match place {
                Place::Index(index) => FieldError::new(format!("/{index}{pointer}"), message),
                Place::Line(line) => FieldError::new(pointer, format!("line {line}: {message}")),
            })
        })
        .take(FIELD_ERRORS_MAX)
        .collect();
    let rejection = |place: String, cause: ProblemCode, detail: String| {
        let detail = format!("the job {place} was refused, so none was enqueued: {detail}");
        ApiError::new(ProblemCode::BatchRejected, detail).with_errors(errors.clone()).with("cause", cause.as_str())
    };
    match first {
        Some((Place::Index(index), cause, detail)) => {
            rejection(format!("at index {index}"), cause, detail).with("index", index)
        }
        Some((Place::Line(line), cause, detail)) => {
            rejection(format!("on line {line}"), cause, detail).with("line", line)
        }
        None => ApiError::new(ProblemCode::BatchRejected, ProblemCode::BatchRejected.title()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;
    use crate::job::{QuotaExceeded, QuotaName};
    use http_body_util::BodyExt;

    async fn text(response: Response) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn entries_stand_in_the_order_of_the_jobs() {
        let id = JobId::from_u128(1);
        let items = [Some(BatchItem::Created(id)), None, Some(BatchItem::Replayed(id)), Some(BatchItem::KindGone)];
        let places: Vec<Place> = [1, 2, 4, 5].map(Place::Line).to_vec();
        let refusals = vec![ApiError::field("/priority", "must be 0 to 9")];
        let response = reply(&places, items.into_iter(), refusals, false).unwrap();
        insta::assert_snapshot!(text(response).await, @r#"{"results":[{"id":"job_00000000000000000000000001"},{"error":{"line":2,"code":"invalid_request","detail":"/priority: must be 0 to 9","errors":[{"pointer":"/priority","message":"must be 0 to 9"}]}},{"id":"job_00000000000000000000000001","replayed":true},{"error":{"line":5,"code":"kind_not_found","detail":"the kind was removed at this moment; GET /v1/kinds lists what there is"}}]}"#);
    }

    #[test]
    fn jobs_the_store_did_not_write_say_why() {
        let code = |item| item_error(item).map(|error| error.code());
        assert_eq!(code(BatchItem::Created(JobId::from_u128(1))), None);
        assert_eq!(code(BatchItem::TooManyQueues), Some(ProblemCode::TooManyQueues));
        assert_eq!(code(BatchItem::Unwritten), Some(ProblemCode::StoreUnavailable));
        let refusal = item_error(BatchItem::TooManyQueues).unwrap();
        assert!(refusal.detail().contains("1000 already"), "{}", refusal.detail());
    }

    #[test]
    fn an_atomic_batch_names_its_bad_jobs() {
        let error = ApiError::field("/priority", "must be 0 to 9");
        let rejected = |places: [Place; 2]| {
            let rejection = reject(places.into_iter().zip([error.clone(), kind_gone()]));
            assert_eq!(rejection.code(), ProblemCode::BatchRejected);
            let errors = rejection.errors().iter().map(|error| (error.pointer.clone(), error.message.clone()));
            (rejection.detail().to_owned(), errors.collect::<Vec<_>>())
        };
        let (detail, errors) = rejected([Place::Index(7), Place::Index(9)]);
        assert!(detail.contains("index 7") && detail.contains("/priority: must be 0 to 9"), "{detail}");
        assert_eq!(errors[0], ("/7/priority".to_owned(), "must be 0 to 9".to_owned()));
        assert_eq!(errors[1].0, "/9");
        let busy = ApiError::new(ProblemCode::Busy, "later");
        let rejection = reject([(Place::Line(1), error.clone()), (Place::Line(2), busy)].into_iter());
        assert_eq!(rejection.code(), ProblemCode::Busy);
        assert!(rejection.detail().contains("smaller parts"), "{}", rejection.detail());
        let quota = |used| {
            let (name, most) = (QuotaName::WaitingJobs, 10);
            ApiError::over_quota(&QuotaExceeded { name, most, used, retry_after: Duration::from_secs(1) })
        };
        let rejection = reject([(Place::Line(1), quota(10)), (Place::Line(2), quota(10))].into_iter());
        assert_eq!(
            (rejection.code(), rejection.extension("quota")),
            (ProblemCode::QuotaExceeded, Some(&"waiting_jobs".into()))
        );
        assert!(
            rejection.detail().starts_with("no job was enqueued: the tenant may have 10 jobs"),
            "{}",
            rejection.detail()
        );
        let rejection = reject([(Place::Line(1), quota(10)), (Place::Line(2), error.clone())].into_iter());
        assert_eq!(rejection.code(), ProblemCode::BatchRejected, "sent again, it is refused again");
        let (detail, errors) = rejected([Place::Line(7), Place::Line(9)]);
        assert!(detail.contains("line 7"), "{detail}");
        assert_eq!(errors[0], ("/priority".to_owned(), "line 7: must be 0 to 9".to_owned()));
        assert!(errors[1].0.is_empty() && errors[1].1.starts_with("line 9: "), "{errors:?}");
    }
}
