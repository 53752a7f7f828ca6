//! `GET /v1/tenants` and `GET /v1/tenants/{tenant}`.

use axum::response::Response;
use http::StatusCode;

use super::{ITEM_BYTES, named, tenant_not_found};
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters, PageParameters, Parameters};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::Listing;
use crate::api::wire::tenant::Tenant;
use crate::job::TenantName;

/// List tenants
#[utoipa::path(
    get, path = "/v1/tenants", tag = "tenants",
    params(
        ("limit" = Option<u32>, Query, description = "1 to 500, default 50"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
    ),
    responses(
        (status = 200, body = Listing<Tenant>, description = "By name"),
        (status = 422, description = "`invalid_query`"),
    ),
)]
pub(in crate::api) async fn list_tenants(
    api: Call,
    Parameters(page): Parameters<PageParameters>,
) -> Result<Response, ApiError> {
    let (limit, after) = page.parse::<TenantName>()?;
    let rows = api.store.tenants(after, limit + 1).await?;
    let listing = Listing::of(&rows, limit, Tenant::from, |row| row.entry.name.to_string());
    json(StatusCode::OK, &listing, ITEM_BYTES * rows.len() + 64)
}

/// Show a tenant
///
/// With each quota and how much of it is used, and, while it is being deleted, how far that has come.
#[utoipa::path(
    get, path = "/v1/tenants/{tenant}", tag = "tenants", params(("tenant" = String, Path)),
    responses((status = 200, body = Tenant), (status = 404, description = "`tenant_not_found`, with the nearest names")),
)]
pub(in crate::api) async fn tenant_detail(
    api: Call,
    NamePath(tenant): NamePath<TenantName>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    match api.store.tenant(named(&api, &tenant)?).await? {
        Some(row) => json(StatusCode::OK, &Tenant::from(&row), ITEM_BYTES),
        None => Err(tenant_not_found(&tenant, "it went at this moment")),
    }
}
