//! One request of somebody's: everything an action can reach, and whose request it is.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::api::error::ApiError;
use crate::api::shared::Api;
use crate::job::{Actor, Role};
use crate::store::TenantId;

/// Whose request it is.
#[derive(Clone, Debug)]
pub(in crate::api) struct Caller {
    /// In which tenant it acts. What belongs to others is not there.
    pub(in crate::api) tenant: TenantId,
    /// What it may do there.
    #[expect(dead_code)] // Routes say what they need; the management of keys asks further.
    pub(in crate::api) role: Role,
    /// Who it is, for the audit log.
    #[expect(dead_code)]
    pub(in crate::api) actor: Actor,
}

/// What every action but those anybody may call begins with. Reads as the [`Api`].
#[derive(Clone)]
pub(in crate::api) struct Call {
    api: Arc<Api>,
    pub(in crate::api) caller: Caller,
}

impl Deref for Call {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl FromRequestParts<Arc<Api>> for Call {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        // `front` has put it there, except where anybody may call.
        let caller = parts.extensions.get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| ApiError::internal(&"an action was reached by nobody"))?;
        Ok(Self { api: Arc::clone(api), caller })
    }
}
