//! One request of somebody's: everything an action can reach, and whose request it is.

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::api::error::ApiError;
use crate::api::room::Room;
use crate::api::shared::Api;
use crate::job::{Actor, Role};
use crate::modules::Modules;
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
    /// Of its cookie, where it has a session.
    pub(in crate::api) session: Option<CredentialHash>,
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

    /// Where its body takes its memory from.
    pub(in crate::api) fn room_for_body(&self) -> (&Room, Option<TenantId>) {
        (&self.api.bodies, self.part())
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
        let store = api.store.asked_by(caller.actor.clone());
        Ok(Self { api: Arc::clone(api), caller, store })
    }
}
