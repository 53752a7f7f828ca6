//! One request of somebody's: everything an action can reach, and whose request it is.

use std::ops::Deref;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::FromRequestParts;
use http::HeaderMap;
use http::request::Parts;

use super::resolve::unauthorized;
use crate::api::error::ApiError;
use crate::api::extract::{HeldBody, read_body};
use crate::api::shared::Api;
use crate::job::{Actor, Role, Timestamp, UserName};
use crate::modules::Modules;
use crate::secrets::Vault;
use crate::store::{Catalog, CredentialHash, Store, TenantId};

/// Whose request it is.
#[derive(Clone, Debug)]
pub(in crate::api) struct Caller {
    /// In which tenant it acts. What belongs to others is not there.
    pub(in crate::api) tenant: TenantId,
    /// Which tenant's rows it may see; `None`: everybody's, and the host's. For lists that are not one tenant's.
    pub(in crate::api) scope: Option<TenantId>,
    /// What it may do there.
    pub(in crate::api) role: Role,
    /// Who it is, for the audit log.
    pub(in crate::api) actor: Actor,
    /// Of the key it came with, or its session was opened with; `None`: of a token, or without any.
    pub(in crate::api) credential: Option<CredentialHash>,
    /// Of its cookie, where it has a session.
    pub(in crate::api) session: Option<CredentialHash>,
    /// The one user whose things it may see and change: of the role `user` always, of greater ones never.
    pub(in crate::api) user: Option<UserName>,
    /// What it came with is worth nothing from then on.
    pub(in crate::api) expires_at: Option<Timestamp>,
}

impl Caller {
    /// Out of whose part of what requests share its request takes; `None`: nobody's. Admins have none, so that they get in where a
    /// tenant floods; and a tenant alone has nobody to leave room for.
    pub(in crate::api) fn part(&self, catalog: &Catalog) -> Option<TenantId> {
        (self.role != Role::Admin && catalog.tenants.len() > 1).then_some(self.tenant)
    }
}

/// What every action but those anybody may call begins with. Reads as the [`Api`], with a store and an upload pipeline that
/// know who asks.
#[derive(Clone)]
pub(in crate::api) struct Call {
    api: Arc<Api>,
    pub(in crate::api) caller: Caller,
    pub(in crate::api) store: Store,
}

impl Call {
    /// The upload pipeline.
    pub(in crate::api) fn modules(&self) -> Modules {
        self.api.modules.asked_by(self.store.clone())
    }

    /// Out of whose part it takes what requests share.
    pub(in crate::api) fn part(&self) -> Option<TenantId> {
        self.caller.part(&self.api.store.catalog())
    }

    /// The secrets.
    pub(in crate::api) fn vault(&self) -> Vault {
        self.api.vault.asked_by(self.store.clone())
    }

    /// Its whole body, as [`read_body`] has it; 401 where its credential was revoked or has expired while that came.
    pub(in crate::api) async fn read_body(
        &self,
        headers: &HeaderMap,
        body: Body,
        bytes_max: usize,
    ) -> Result<HeldBody, ApiError> {
        let body = read_body((&self.api.bodies, self.part()), headers, body, bytes_max).await?;
        self.is_still_known()?;
        Ok(body)
    }

    /// To be asked after whatever takes long.
    pub(in crate::api) fn is_still_known(&self) -> Result<(), ApiError> {
        let Some(credential) = &self.caller.credential else { return Ok(()) };
        let is_good = self.api.identity.is_good(credential, &self.api.store.catalog(), self.api.clock.now());
        if is_good { Ok(()) } else { Err(unauthorized()) }
    }
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
        let store = api.store.asked_by(caller.actor.clone(), caller.part(&api.store.catalog()));
        Ok(Self { api: Arc::clone(api), caller, store })
    }
}
