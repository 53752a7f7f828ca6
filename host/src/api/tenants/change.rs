//! `PATCH /v1/tenants/{tenant}`, `POST …/suspend`, `POST …/resume`.

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;

use super::request::{BODY_BYTES_MAX, TenantRequest};
use super::{ITEM_BYTES, named, tenant_deleting, tenant_not_found};
use crate::api::error::ApiError;
use crate::api::extract::{NamePath, NoParameters, parse_json, require_merge_patch};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::tenant::Tenant;
use crate::job::{TenantName, TenantState};
use crate::store::{ChangeTenantResult, TenantChange};

/// Change what is set on a tenant
///
/// A JSON merge patch (RFC 7396): what is left out stays as it is, `null` leaves it to the host. Weight and quotas hold from the
/// next job that would begin.
#[utoipa::path(
    patch, path = "/v1/tenants/{tenant}", tag = "tenants", params(("tenant" = String, Path)),
    request_body(content((TenantRequest = "application/merge-patch+json"), (TenantRequest = "application/json"))),
    responses(
        (status = 200, body = Tenant, description = "As it is now"),
        (status = 404, description = "`tenant_not_found`, with the nearest names"),
        (status = 409, description = "`tenant_deleting`"),
        (status = 422, description = "`invalid_request`, with pointers"),
    ),
)]
pub(in crate::api) async fn change_tenant(
    api: Call,
    NamePath(tenant): NamePath<TenantName>,
    _: NoParameters,
    request: Request,
) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    require_merge_patch(&parts.headers)?;
    let body = api.read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    let request: TenantRequest = parse_json(&body)?;
    // What it is put onto must not change meanwhile.
    let _turn = api.settings_changes.take(api.part()).await?;
    let id = named(&api, &tenant)?;
    let current = api.store.catalog().tenant_entries.get(&id).cloned();
    let current = current.ok_or_else(|| tenant_not_found(&tenant, "it went at this moment"))?;
    change(&api, &tenant, request.into_change(&current)?).await
}

/// Suspend a tenant
///
/// From now on no job of it begins; those that run go on, and new ones are taken and wait. Nothing is lost.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/suspend", tag = "tenants", params(("tenant" = String, Path)),
    responses(
        (status = 200, body = Tenant, description = "As it is now"),
        (status = 404, description = "`tenant_not_found`, with the nearest names"),
        (status = 409, description = "`tenant_deleting`"),
    ),
)]
pub(in crate::api) async fn suspend_tenant(
    api: Call,
    NamePath(tenant): NamePath<TenantName>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    let suspended = TenantChange { state: Some(TenantState::Suspended), ..TenantChange::default() };
    change(&api, &tenant, suspended).await
}

/// Resume a tenant
///
/// Its waiting jobs may begin at once.
#[utoipa::path(
    post, path = "/v1/tenants/{tenant}/resume", tag = "tenants", params(("tenant" = String, Path)),
    responses(
        (status = 200, body = Tenant, description = "As it is now"),
        (status = 404, description = "`tenant_not_found`, with the nearest names"),
        (status = 409, description = "`tenant_deleting`"),
    ),
)]
pub(in crate::api) async fn resume_tenant(
    api: Call,
    NamePath(tenant): NamePath<TenantName>,
    _: NoParameters,
) -> Result<Response, ApiError> {
    change(&api, &tenant, TenantChange { state: Some(TenantState::Active), ..TenantChange::default() }).await
}

async fn change(api: &Call, tenant: &TenantName, change: TenantChange) -> Result<Response, ApiError> {
    match api.store.change_tenant(named(api, tenant)?, change).await? {
        ChangeTenantResult::Changed(row) => json(StatusCode::OK, &Tenant::from(&*row), ITEM_BYTES),
        ChangeTenantResult::NotFound => Err(tenant_not_found(tenant, "it went at this moment")),
        ChangeTenantResult::Deleting => Err(tenant_deleting(tenant)),
    }
}
