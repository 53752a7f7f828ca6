//! Queues: what is in them, and what an operator sets on them.

mod change;
mod delete;
mod inspect;

pub(super) use change::*;
pub(super) use delete::*;
use inspect::ITEM_BYTES;
pub(super) use inspect::*;

use super::error::{ApiError, ProblemCode};
use super::identity::Call;
use super::jobs::{alike, did_you_mean};
use crate::job::QueueName;

fn queue_not_found(api: &Call, queue: &QueueName) -> ApiError {
    let catalog = api.store.catalog();
    let own = catalog.queue_settings.iter().filter(|(_, settings)| settings.tenant == api.caller.tenant);
    let names: Vec<&str> = own.filter_map(|(id, _)| catalog.queues.get(id)).map(QueueName::as_str).collect();
    let names = alike(queue.as_str(), names.into_iter());
    let hint = did_you_mean(&names).unwrap_or_else(|| {
        "the first job that names a queue makes it, and so does PUT; GET /v1/queues lists them".to_owned()
    });
    ApiError::new(ProblemCode::QueueNotFound, format!("there is no queue `{queue}`; {hint}"))
        .with("nearest", serde_json::json!(names))
}
