//! What every action can reach.

use std::sync::Arc;

use super::identity::Identity;
use crate::config::Config;
use crate::dispatcher::DispatcherHandle;
use crate::events::{JobWaiters, NotificationWatchers};
use crate::job::{Clock, HostId, Timestamp};
use crate::mail::Courier;
use crate::maintenance::MaintenanceStatus;
use crate::modules::{Modules, Validators};
use crate::postgres::Servers;
use crate::secrets::Vault;
use crate::store::Store;

/// Cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    /// Everything durable.
    pub store: Store,
    /// Secrets, encrypted.
    pub vault: Vault,
    /// How the server of mail is doing.
    pub courier: Courier,
    /// Databases on servers.
    pub servers: Servers,
    /// The upload pipeline.
    pub modules: Modules,
    /// Compiled schemas.
    pub validators: Validators,
    /// Who runs next.
    pub dispatcher: DispatcherHandle,
    /// Callers that wait for jobs.
    pub waiters: JobWaiters,
    /// Connections of users.
    pub watchers: NotificationWatchers,
    /// How upkeep is doing.
    pub maintenance: MaintenanceStatus,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// What the host was told.
    pub config: Arc<Config>,
    /// Who calls.
    pub identity: Arc<Identity>,
    /// This process.
    pub host: HostId,
    /// When it started.
    pub started_at: Timestamp,
}
