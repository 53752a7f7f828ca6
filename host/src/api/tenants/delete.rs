//! `DELETE /v1/tenants/{tenant}`.

use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;

use super::{ITEM_BYTES, named, tenant_not_found};
use crate::api::error::{ApiError, ProblemCode};
use crate::api::extract::{NamePath, Parameters};
use crate::api::identity::Call;
use crate::api::jobs::json;
use crate::api::wire::tenant::Tenant;
use crate::job::TenantName;
use crate::store::DeleteTenantResult;

/// `?without_export=true`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct WithoutExport {
    #[serde(default)]
    without_export: bool,
}

/// Delete a tenant
///
/// With everything it has: jobs, logs, schedules, modules, settings. It is done piece by piece, running attempts are cancelled;
/// `GET /v1/tenants/{tenant}` says how far it has come, and 404 once nothing is left. Only its usage stays, for bills. There is no
/// way back, so it must have been exported within the last 24 hours.
#[utoipa::path(
    delete, path = "/v1/tenants/{tenant}", tag = "tenants",
    params(
        ("tenant" = String, Path),
        ("without_export" = Option<bool>, Query, description = "`true`: what it has is not needed any more"),
    ),
    responses(
        (status = 202, body = Tenant, description = "It is being deleted"),
        (status = 404, description = "`tenant_not_found`, with the nearest names"),
        (status = 409, description = "`export_needed`; `tenant_needed`: the tenant `default` is always there"),
        (status = 422, description = "`invalid_query`"),
    ),
)]
pub(in crate::api) async fn delete_tenant(
    api: Call,
    NamePath(tenant): NamePath<TenantName>,
    Parameters(WithoutExport { without_export }): Parameters<WithoutExport>,
) -> Result<Response, ApiError> {
    match api.store.delete_tenant(named(&api, &tenant)?, without_export).await? {
        DeleteTenantResult::Deleting(row) => json(StatusCode::ACCEPTED, &Tenant::from(&*row), ITEM_BYTES),
        DeleteTenantResult::NotFound => Err(tenant_not_found(&tenant, "it went at this moment")),
        DeleteTenantResult::IsDefault => Err(ApiError::new(
            ProblemCode::TenantNeeded,
            "the tenant `default` is always there; delete its jobs, schedules and modules instead",
        )),
        DeleteTenantResult::NotExported => Err(ApiError::new(
            ProblemCode::ExportNeeded,
            format!(
                "tenant `{tenant}` was not exported within the last 24 h; read GET /v1/tenants/{tenant}/export to its end, or say \
                 `?without_export=true`"
            ),
        )),
    }
}
