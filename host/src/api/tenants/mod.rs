//! Tenants: for admins. Making, setting, suspending, exporting and deleting them.

mod change;
mod create;
mod delete;
mod export;
mod exported;
mod exported_kv;
mod exported_mail;
mod exported_notifications;
mod inspect;
mod request;

pub(super) use change::*;
pub(super) use create::*;
pub(super) use delete::*;
pub(super) use export::*;
pub(super) use inspect::*;

use super::error::{ApiError, ProblemCode};
use super::jobs::{alike, did_you_mean};
use super::shared::Api;
use crate::job::TenantName;
use crate::store::TenantId;

/// A first guess at the length of one item, bytes.
const ITEM_BYTES: usize = 1_024;

/// The tenant of that name.
fn named(api: &Api, name: &TenantName) -> Result<TenantId, ApiError> {
    let catalog = api.store.catalog();
    catalog.tenants.get(name).copied().ok_or_else(|| {
        let names = alike(name.as_str(), catalog.tenants.keys().map(TenantName::as_str));
        let hint = did_you_mean(&names)
            .unwrap_or_else(|| "POST /v1/tenants makes one, and GET /v1/tenants lists them".to_owned());
        tenant_not_found(name, &hint).with("nearest", serde_json::json!(names))
    })
}

pub(super) fn tenant_not_found(name: &TenantName, hint: &str) -> ApiError {
    ApiError::new(ProblemCode::TenantNotFound, format!("there is no tenant `{name}`; {hint}"))
}

pub(super) fn tenant_deleting(name: &TenantName) -> ApiError {
    ApiError::new(
        ProblemCode::TenantDeleting,
        format!("tenant `{name}` is being deleted with everything it has; its name can be used again when it is gone"),
    )
}
