//! Places for connections that stay open for users: so many in all, so many of each tenant, so many of each user, so that none
//! has all there are, and requests always find a connection.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::api::error::{ApiError, ProblemCode};
use crate::api::identity::Call;
use crate::each_tenant::EachTenant;
use crate::job::UserName;
use crate::store::TenantId;

/// One of so many parts of all connections may stay open for users,
const CONNECTIONS_PARTS: usize = 2;
/// and a tenant beside others has at most one of so many parts of those.
const TENANT_PARTS: usize = 2;
/// Open tabs and devices of one user.
const USER_CONNECTIONS_MAX: usize = 32;

/// See the file's head.
pub(in crate::api) struct Places {
    all: Arc<Semaphore>,
    tenants: EachTenant<TenantId>,
    users: EachTenant<(TenantId, UserName)>,
}

/// One of them, until it is dropped.
pub(in crate::api) struct Place {
    _held: [Option<OwnedSemaphorePermit>; 3],
}

impl Places {
    /// Of so many connections as there can be.
    pub(in crate::api) fn of(connections_max: usize) -> Self {
        let all = (connections_max / CONNECTIONS_PARTS).max(1);
        Self {
            all: Arc::new(Semaphore::new(all)),
            tenants: EachTenant::with((all / TENANT_PARTS).max(1)),
            users: EachTenant::with(USER_CONNECTIONS_MAX),
        }
    }

    /// A place for a connection of this user's.
    pub(in crate::api) fn take(&self, call: &Call, user: &UserName) -> Result<Place, ApiError> {
        let tenant = call.caller.tenant;
        let take = |places: Arc<Semaphore>, whose: &str| {
            places.try_acquire_owned().map_err(|_| {
                let sentence = format!("as many connections {whose} as may be are open; close one, or try again later");
                ApiError::new(ProblemCode::Busy, sentence)
            })
        };
        let own = take(self.users.of(&(tenant, user.clone())), "of this user")?;
        let of_tenant = call.part().map(|part| take(self.tenants.of(&part), "of this tenant's users")).transpose()?;
        let shared = take(Arc::clone(&self.all), "of users")?;
        Ok(Place { _held: [Some(own), of_tenant, Some(shared)] })
    }
}
