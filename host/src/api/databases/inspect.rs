//! `GET /v1/databases` and `GET /v1/databases/{database}`.

use axum::response::Response;
use http::StatusCode;

use super::{ITEM_BYTES, database_error, database_not_found};
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters, PageParameters, Parameters};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::Listing;
use crate::api::wire::database::{Database, DatabaseDetail};
use crate::job::DatabaseName;
use crate::store::{DatabasePlace, DatabaseRow};

/// List databases
#[utoipa::path(
    get, path = "/v1/databases", tag = "databases",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Listing<Database>, description = "By name, with what runs them and the size of those that are files"),
        (status = 422, description = "`invalid_query`"),
    ),
)]
pub(in crate::api) async fn list_databases(
    api: Call,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Response, ApiError> {
    let (limit, after) = page.parse::<DatabaseName>()?;
    let rows = api.store.databases(api.caller.tenant, after, limit + 1).await?;
    let listing = Listing::of(&rows, limit, |row| shown(&api, row), |row| row.name.to_string());
    json(StatusCode::OK, &listing, ITEM_BYTES * rows.len() + 64)
}

/// Show a database
///
/// With the scripts (migrations) that were applied to it.
#[utoipa::path(
    get, path = "/v1/databases/{database}", tag = "databases", params(("database" = String, Path)),
    responses(
        (status = 200, body = DatabaseDetail),
        (status = 404, description = "`database_not_found`"),
        (status = 409, description = "`database_in_use`: handlers are at it, and left no room to look"),
        (status = 503, description = "`database_unavailable`: its server can't be reached, or its file can't be read"),
    ),
)]
pub(in crate::api) async fn database_detail(
    api: Call,
    NamePath(name): NamePath<DatabaseName>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    let tenant = api.caller.tenant;
    let Some(row) = api.store.database(tenant, name.clone()).await? else { return Err(database_not_found(&name)) };
    let applied = match &row.place {
        DatabasePlace::Sqlite => api.store.applied_scripts(tenant, &name).await,
        DatabasePlace::Postgres { .. } => {
            let Some(tenant_name) = api.store.catalog().tenant_name(tenant).cloned() else {
                return Err(database_not_found(&name));
            };
            api.servers.applied_scripts((tenant, &tenant_name), &row).await
        }
    };
    let applied = applied.map_err(|error| database_error(&error))?;
    let detail = DatabaseDetail { database: shown(&api, &row), migrations: applied.iter().map(Into::into).collect() };
    json(StatusCode::OK, &detail, ITEM_BYTES + 128 * applied.len())
}

/// As clients see it.
pub(super) fn shown<'a>(api: &Call, row: &'a DatabaseRow) -> Database<'a> {
    let tenant = api.caller.tenant;
    let most = api.store.database_bytes_max(tenant);
    Database::of(row, api.store.database_bytes(tenant, &row.name), (most < u64::MAX).then_some(most))
}
