//! `GET /v1/schedules` and `GET /v1/schedules/{schedule}`.

use axum::response::Response;
use http::StatusCode;

use super::schedule_not_found;
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters, PageParameters, Parameters};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::Listing;
use crate::api::wire::schedule::Schedule;
use crate::job::ScheduleName;

/// A first guess at the length of one item, bytes.
const ITEM_BYTES: usize = 1_024;

/// List schedules
#[utoipa::path(
    get, path = "/v1/schedules", tag = "schedules",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Listing<Schedule>, description = "By name, each with its latest slot"),
        (status = 422, description = "`invalid_query`"),
    ),
)]
pub(in crate::api) async fn list_schedules(
    api: Call,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Response, ApiError> {
    let (limit, after) = page.parse::<ScheduleName>()?;
    let known = api.store.schedules(api.caller.tenant, after, limit + 1).await?;
    let now = api.clock.now();
    let listing = Listing::of(
        &known,
        limit,
        |known| Schedule::at(now, &known.row, None, known.last_slot.as_slice()),
        |known| known.row.name.to_string(),
    );
    json(StatusCode::OK, &listing, ITEM_BYTES * known.len() + 64)
}

/// Show a schedule
///
/// With what is in force, the next five slots, and what became of the latest 50.
#[utoipa::path(
    get, path = "/v1/schedules/{schedule}", tag = "schedules", params(("schedule" = String, Path)),
    responses((status = 200, body = Schedule), (status = 404, description = "`schedule_not_found`, with the nearest names")),
)]
pub(in crate::api) async fn schedule_detail(
    api: Call,
    NamePath(schedule): NamePath<ScheduleName>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    show_schedule(&api, StatusCode::OK, schedule).await
}

/// A schedule as it is now.
pub(super) async fn show_schedule(
    api: &Call,
    status: StatusCode,
    schedule: ScheduleName,
) -> Result<Response, ApiError> {
    let Some(detail) = api.store.schedule(api.caller.tenant, schedule.clone()).await? else {
        return Err(schedule_not_found(api, &schedule).await);
    };
    let shown = Schedule::at(api.clock.now(), &detail.row, Some(&detail.payload), &detail.slots);
    json(status, &shown, ITEM_BYTES + detail.payload.len())
}
