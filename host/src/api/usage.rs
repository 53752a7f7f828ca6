//! `GET /v1/usage`: what was used, by day and kind.

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::error::{ApiError, ProblemCode};
use super::extract::{Parameters, parse_limit, parse_parameter, refuse_parameter};
use super::identity::Call;
use super::jobs::json;
use super::wire::usage::Usage;
use super::wire::{Listing, time};
use crate::job::Role;
use crate::job::quota::day_of;
use crate::store::{UsageFilter, UsagePlace};

/// A first guess at the length of one item, bytes.
const ITEM_BYTES: usize = 256;

/// Parameters of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageParameters {
    since: Option<String>,
    until: Option<String>,
    kind: Option<String>,
    #[serde(default)]
    all_tenants: bool,
    limit: Option<String>,
    cursor: Option<String>,
}

impl UsageParameters {
    fn parse(self) -> Result<(UsageFilter, bool, usize, Option<UsagePlace>), ApiError> {
        let UsageParameters { since, until, kind, all_tenants, limit, cursor } = self;
        let filter = UsageFilter {
            since_day: day("since", since)?,
            until_day: day("until", until)?,
            kind: parse_parameter("kind", kind)?,
        };
        if let (Some(since), Some(until)) = (filter.since_day, filter.until_day)
            && since >= until
        {
            return Err(refuse_parameter("until", "must be a day after `since`; it is the first that is not told"));
        }
        Ok((filter, all_tenants, parse_limit(limit)?, parse_parameter("cursor", cursor)?))
    }
}

/// The day of a date.
fn day(name: &str, value: Option<String>) -> Result<Option<i64>, ApiError> {
    let Some(value) = value else { return Ok(None) };
    let refuse = || refuse_parameter(name, "must be a date like 2026-11-22; days are those of UTC");
    if value.len() != "2026-11-22".len() {
        return Err(refuse());
    }
    let begins = time::parse(&format!("{value}T00:00:00Z")).map_err(|_| refuse())?;
    Ok(Some(day_of(begins)))
}

/// What was used
///
/// By day (UTC) and kind, oldest first. Executions count for the day on which they ended, jobs and their payloads for the one on
/// which they were enqueued. Attempts that failed count what they used; one that was lost with its host counts as an attempt and
/// no more, since nobody knows what it used. It is kept for `usage_keep`, also of kinds, jobs and tenants that are gone.
#[utoipa::path(
    get, path = "/v1/usage", tag = "tenants",
    params(
        ("since" = Option<String>, Query, description = "From this day on, like 2026-11-01"),
        ("until" = Option<String>, Query, description = "Before this day, which is after `since`"),
        ("kind" = Option<String>, Query),
        ("all_tenants" = Option<bool>, Query, description = "`true`: of all tenants, those that were deleted too; for admins"),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Listing<Usage>, description = "A page"),
        (status = 403, description = "`forbidden`: other tenants' usage is for admins"),
        (status = 422, description = "`invalid_query`"),
    ),
)]
pub(super) async fn usage(
    api: Call,
    Parameters(parameters): Parameters<UsageParameters>,
) -> Result<Response, ApiError> {
    let (filter, all_tenants, limit, after) = parameters.parse()?;
    if all_tenants && api.caller.role < Role::Admin {
        return Err(ApiError::new(
            ProblemCode::Forbidden,
            "what other tenants used is for admins; leave out `all_tenants`",
        ));
    }
    let tenant = (!all_tenants).then_some(api.caller.tenant);
    let rows = api.store.usage(tenant, filter, after, limit + 1).await?;
    let listing = Listing::of(&rows, limit, Usage::from, |row| row.place().to_string());
    json(StatusCode::OK, &listing, ITEM_BYTES * rows.len() + 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_checked() {
        let since = |text: &str| day("since", Some(text.to_owned())).map_err(|error| error.code());
        assert_eq!(since("1970-01-02"), Ok(Some(1)));
        for wrong in ["", "yesterday", "2026-13-01", "2026-11-1", "2026-11-01T00:00:00Z", "2026/11/01"] {
            assert_eq!(since(wrong), Err(ProblemCode::InvalidQuery), "{wrong}");
        }
        let between = |since: &str, until: &str| {
            let days = [since, until].map(|day| Some(day.to_owned()));
            let [since, until] = days;
            UsageParameters { since, until, ..UsageParameters::default() }
                .parse()
                .map(|_| ())
                .map_err(|error| error.code())
        };
        assert_eq!(between("2026-11-01", "2026-11-02"), Ok(()));
        assert_eq!(between("2026-11-02", "2026-11-02"), Err(ProblemCode::InvalidQuery));
    }
}
