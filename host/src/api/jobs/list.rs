//! `GET /v1/jobs`: pages of jobs, newest first, by key.

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::enqueue::json;
use super::view::{Bulk, View};
use crate::api::error::ApiError;
use crate::api::extract::{Parameters, parse_limit, parse_parameter, refuse_parameter};
use crate::api::identity::Call;
use crate::api::wire::job::Job;
use crate::api::wire::{Listing, time};
use crate::job::spec::TAG_BYTES_MAX;
use crate::job::{JobId, Timestamp};
use crate::store::JobFilter;

/// A first guess at the length of one item, bytes.
const ITEM_BYTES: usize = 640;

/// Parameters of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct ListParameters {
    state: Option<String>,
    #[serde(default)]
    unfinished: bool,
    kind: Option<String>,
    queue: Option<String>,
    tag: Option<String>,
    module: Option<String>,
    group: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<String>,
    cursor: Option<String>,
}

struct Query {
    filter: JobFilter,
    limit: usize,
    cursor: Option<JobId>,
}

impl ListParameters {
    fn parse(self) -> Result<Query, ApiError> {
        let instant = |name: &str, value: Option<String>| -> Result<Option<Timestamp>, ApiError> {
            value.map(|value| time::parse(&value).map_err(|error| refuse_parameter(name, error))).transpose()
        };
        let ListParameters { state, unfinished, kind, queue, tag, module, group, since, until, limit, cursor } = self;
        if tag.as_ref().is_some_and(|tag| tag.is_empty() || tag.len() > TAG_BYTES_MAX) {
            return Err(refuse_parameter("tag", format!("must have 1 to {TAG_BYTES_MAX} bytes")));
        }
        let filter = JobFilter {
            state: parse_parameter("state", state)?,
            held: false,
            unfinished,
            kind: parse_parameter("kind", kind)?,
            queue: parse_parameter("queue", queue)?,
            tag,
            module: parse_parameter("module", module)?,
            group: parse_parameter("group", group)?,
            since: instant("since", since)?,
            until: instant("until", until)?,
        };
        Ok(Query { filter, limit: parse_limit(limit)?, cursor: parse_parameter("cursor", cursor)? })
    }
}

/// List jobs
///
/// Newest first. `payload` and `output` are left out; read one job for them.
#[utoipa::path(
    get, path = "/v1/jobs", tag = "jobs",
    params(
        ("state" = Option<String>, Query, description = "Only this state; `failed` is the dead-letter list"),
        ("unfinished" = Option<bool>, Query, description = "`true`: only those that have not ended, whatever they wait for"),
        ("kind" = Option<String>, Query), ("queue" = Option<String>, Query), ("tag" = Option<String>, Query),
        ("module" = Option<String>, Query, description = "Only kinds this module serves"),
        ("group" = Option<String>, Query, description = "Only dead letters of this group, see /v1/dead-letters"),
        ("since" = Option<String>, Query, description = "Enqueued at or after, RFC 3339: by the time in the job's id, which never goes back when the host's clock does"),
        ("until" = Option<String>, Query, description = "Enqueued before, RFC 3339: by the time in the job's id"),
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses((status = 200, body = Listing<Job>, description = "A page"), (status = 422, description = "`invalid_query`")),
)]
pub(in crate::api) async fn list(
    api: Call,
    Parameters(parameters): Parameters<ListParameters>,
) -> Result<Response, ApiError> {
    let Query { filter, limit, cursor } = parameters.parse()?;
    let page = api.store.jobs(api.caller.tenant, filter, limit, cursor).await?;
    let catalog = api.store.catalog();
    let view = View::new(&api, &catalog);
    let listing = Listing {
        items: page.items.iter().map(|row| view.job(row, Bulk::default())).collect(),
        next_cursor: page.next.map(|id| id.to_string()),
    };
    json(StatusCode::OK, &listing, ITEM_BYTES * page.items.len() + 64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::error::ProblemCode;

    #[test]
    fn parameters_are_checked() {
        let with = |set: fn(&mut ListParameters)| {
            let mut parameters = ListParameters::default();
            set(&mut parameters);
            parameters.parse().map(|query| query.limit).map_err(|error| error.code())
        };
        assert_eq!(with(|_| {}), Ok(50));
        assert_eq!(with(|p| p.limit = Some("500".into())), Ok(500));
        let refused: [fn(&mut ListParameters); 9] = [
            |p| p.limit = Some("0".into()),
            |p| p.limit = Some("501".into()),
            |p| p.limit = Some("x".into()),
            |p| p.state = Some("done".into()),
            |p| p.kind = Some("a b".into()),
            |p| p.since = Some("yesterday".into()),
            |p| p.cursor = Some("2".into()),
            |p| p.tag = Some(String::new()),
            |p| p.group = Some("group_1".into()),
        ];
        for set in refused {
            assert_eq!(with(set), Err(ProblemCode::InvalidQuery));
        }
    }
}
