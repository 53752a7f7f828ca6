//! `POST /v1/tenants`.

use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;

use super::request::{BODY_BYTES_MAX, NewTenantRequest};
use super::{ITEM_BYTES, tenant_deleting};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NoParameters, parse_json, require_json};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::tenant::Tenant;
use crate::job::{TenantName, TenantState};
use crate::store::{Catalog, CreateTenantResult, TENANTS_MAX};

/// Make a tenant
#[utoipa::path(
    post, path = "/v1/tenants", tag = "tenants", request_body = NewTenantRequest,
    responses(
        (status = 201, body = Tenant, description = "It is there"),
        (status = 409, description = "`tenant_exists`; `tenant_deleting`, until it is gone"),
        (status = 422, description = "`invalid_request`, with pointers; `too_many_tenants`"),
    ),
)]
pub(in crate::api) async fn create_tenant(api: Call, _: NoParameters, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    require_json(&parts.headers)?;
    let body = api.read_body(&parts.headers, body, BODY_BYTES_MAX).await?;
    let new = parse_json::<NewTenantRequest>(&body)?.into_new()?;
    let name = new.name.clone();
    match api.store.create_tenant(new).await? {
        CreateTenantResult::Created(row) => json(StatusCode::CREATED, &Tenant::from(&*row), ITEM_BYTES),
        CreateTenantResult::Exists if is_deleting(&api.store.catalog(), &name) => Err(tenant_deleting(&name)),
        CreateTenantResult::Exists => Err(ApiError::new(
            ProblemCode::TenantExists,
            format!("there is a tenant `{name}` already; PATCH /v1/tenants/{name} changes it"),
        )),
        CreateTenantResult::TooMany => Err(ApiError::new(
            ProblemCode::TooManyTenants,
            format!("there are {TENANTS_MAX} tenants, which is the most there may be; delete one first"),
        )),
    }
}

fn is_deleting(catalog: &Catalog, name: &TenantName) -> bool {
    let entry = catalog.tenants.get(name).and_then(|id| catalog.tenant_entries.get(id));
    entry.is_some_and(|entry| entry.state == TenantState::Deleting)
}
