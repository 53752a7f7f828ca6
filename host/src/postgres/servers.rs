//! All databases on servers: from a row of the store and its secret to a connection.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;

use super::address::Address;
use super::connection::Connection;
use super::held::{Held, Pool};
use super::session::PostgresSession;
use crate::job::{DatabaseError, DatabaseName, SecretName, TenantName};
use crate::sandbox::WayToServers;
use crate::secrets::{ReadSecretError, Vault};
use crate::store::{AppliedScript, DatabasePlace, DatabaseRow, Holder, Store, StoreError, TenantId};

/// Cheap to clone.
#[derive(Clone)]
pub struct Servers(Arc<Parts>);

struct Parts {
    store: Store,
    vault: Vault,
    way: WayToServers,
    /// How long an attempt may take.
    attempt_time_max: Duration,
    /// Where connections live.
    runtime: Handle,
    /// With what the database was reached by when it was made.
    pools: Mutex<FxHashMap<(TenantId, DatabaseName), ReachedBy>>,
}

/// What a pool's connections were made by, and the pool.
type ReachedBy = ([u8; 32], Arc<Pool>);

impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Servers").finish_non_exhaustive()
    }
}

impl Servers {
    /// None is connected to yet. Within the runtime that connections are to live in; for attempts that take so long at most.
    pub fn new(store: Store, vault: Vault, way: WayToServers, attempt_time_max: Duration) -> Self {
        let (runtime, pools) = (Handle::current(), Mutex::default());
        Self(Arc::new(Parts { store, vault, way, attempt_time_max, runtime, pools }))
    }

    /// A database as an attempt has it open under its lease. Connects, so that what is wrong is told at once.
    pub async fn session(
        &self,
        of: (TenantId, &TenantName),
        row: &DatabaseRow,
        holder: Holder,
    ) -> Result<PostgresSession, DatabaseError> {
        let session = PostgresSession::new(self.clone(), (of.0, of.1.clone()), row.clone(), holder);
        self.held(of, row).await.map(drop)?;
        Ok(session)
    }

    /// Whether a secret holds the URL of a server; the error is a sentence. Whether one answers there is not asked.
    pub async fn check_url(&self, tenant: TenantId, secret: &SecretName) -> Result<Result<(), String>, StoreError> {
        let url = match self.0.vault.read(tenant, secret.clone()).await {
            Ok(url) => url,
            Err(ReadSecretError::Store(error)) => return Err(error),
            Err(error @ (ReadSecretError::NoKey(_) | ReadSecretError::Open(_))) => return Ok(Err(error.to_string())),
        };
        Ok(match url {
            None => Err(format!("there is no secret `{secret}`; set it first, with the URL of the server")),
            Some(url) => Address::parse(&url).map(drop).map_err(|error| error.to_string()),
        })
    }

    /// Scripts that were applied to a database.
    pub async fn applied_scripts(
        &self,
        of: (TenantId, &TenantName),
        row: &DatabaseRow,
    ) -> Result<Vec<AppliedScript>, DatabaseError> {
        let mut held = self.held(of, row).await?;
        super::calls::applied(&mut held).await
    }

    /// Closes connections that nobody has used for a while.
    pub fn close_idle(&self) {
        self.0.pools.lock().retain(|_, (_, pool)| pool.close_idle());
    }

    pub(super) fn store(&self) -> &Store {
        &self.0.store
    }

    /// A connection, tidied up.
    pub(super) async fn held(&self, of: (TenantId, &TenantName), row: &DatabaseRow) -> Result<Held, DatabaseError> {
        let (tenant, tenant_name) = of;
        let DatabasePlace::Postgres { url_secret, addresses } = &row.place else {
            return Err(DatabaseError::refused("the database is no server's"));
        };
        // Asked for anew: what is set now is what is used now.
        let read = self.0.vault.read(tenant, url_secret.clone()).await;
        let read = read.map_err(|error| match error {
            ReadSecretError::Store(error) => error.into(),
            other => DatabaseError::Unavailable(other.to_string()),
        });
        let url = read?.ok_or_else(|| {
            DatabaseError::Unavailable(format!(
                "there is no secret `{url_secret}` with the URL of the database's server"
            ))
        })?;
        let mut reached_by = Sha256::new_with_prefix(url.reveal());
        for address in addresses {
            reached_by.update(address.to_string());
        }
        let pool = self.pool((tenant, row.name.clone()), reached_by.finalize().into());
        let place = pool.place().await?;
        while let Some(connection) = pool.idle_connection() {
            // One that the server has closed meanwhile is no error of anybody's.
            if connection.tidy(self.0.attempt_time_max).await.is_ok() {
                return Ok(Held::new(connection, &pool, &self.0.runtime, place));
            }
        }
        let (way, address) = (self.0.way.clone(), Address::parse(&url)?);
        let connection =
            Connection::open(&self.0.runtime, way, tenant_name.clone(), address, addresses.clone()).await?;
        connection.tidy(self.0.attempt_time_max).await?;
        Ok(Held::new(connection, &pool, &self.0.runtime, place))
    }

    fn pool(&self, database: (TenantId, DatabaseName), reached_by: [u8; 32]) -> Arc<Pool> {
        let mut pools = self.0.pools.lock();
        let (known, pool) = pools.entry(database).or_insert_with(|| (reached_by, Arc::new(Pool::new())));
        if *known != reached_by {
            (*known, *pool) = (reached_by, Arc::new(Pool::new()));
        }
        Arc::clone(pool)
    }
}
