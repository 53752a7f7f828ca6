//! Schedules: one file per action, and what a request to put one is checked for (`request.rs`).

mod change;
mod delete;
mod inspect;
mod preview;
mod put;
mod request;
mod trigger;

pub(super) use change::*;
pub(super) use delete::*;
pub(super) use inspect::*;
pub(super) use preview::*;
pub(super) use put::*;
pub(super) use trigger::*;

use super::error::{ApiError, ProblemCode};
use super::identity::Call;
use super::jobs::{alike, did_you_mean};
use crate::job::ScheduleName;

/// Names compared with an unknown one.
const NAMES_COMPARED_MAX: usize = 500;

async fn schedule_not_found(api: &Call, schedule: &ScheduleName) -> ApiError {
    let known = api.store.schedules(api.caller.tenant, None, NAMES_COMPARED_MAX).await.unwrap_or_default();
    let names = alike(schedule.as_str(), known.iter().map(|known| known.row.name.as_str()));
    let hint = did_you_mean(&names).unwrap_or_else(|| "PUT makes one; GET /v1/schedules lists them".to_owned());
    ApiError::new(ProblemCode::ScheduleNotFound, format!("there is no schedule `{schedule}`; {hint}"))
        .with("nearest", serde_json::json!(names))
}
