//! The operations on databases, as the rest of the host sees them.

use std::sync::Arc;
use std::time::Duration;

use super::files::CONNECTIONS_OF_DATABASE_MAX;
use super::held::Held;
use super::model::{AppliedScript, DatabasePlace, DatabaseRow, DeleteDatabaseResult, PutDatabaseResult};
use super::rows;
use super::session::{SqliteSession, Writer};
use crate::job::{DatabaseError, DatabaseName, QuotaName, Timestamp};
use crate::store::audit;
use crate::store::catalog::TenantId;
use crate::store::error::StoreError;
use crate::store::facade::{Durability, Store};
use crate::store::model::Holder;

/// How long those who are at a database may take to come to an end before it is not deleted.
const DELETE_WAIT_MAX: Duration = Duration::from_secs(5);
/// Databases removed at a time with their tenant.
const REMOVED_MAX: usize = 20;

impl Store {
    /// One database.
    pub async fn database(&self, tenant: TenantId, name: DatabaseName) -> Result<Option<DatabaseRow>, StoreError> {
        self.read(move |sql, _| rows::find(sql, tenant, &name)).await
    }

    /// A tenant's databases by name.
    pub async fn databases(
        &self,
        tenant: TenantId,
        after: Option<DatabaseName>,
        limit: usize,
    ) -> Result<Vec<DatabaseRow>, StoreError> {
        self.read(move |sql, _| rows::page(sql, tenant, after.as_ref(), limit)).await
    }

    /// Has a database be there. A file is made when it is first opened.
    pub async fn put_database(
        &self,
        tenant: TenantId,
        name: DatabaseName,
        place: DatabasePlace,
    ) -> Result<PutDatabaseResult, StoreError> {
        self.write_in(Some(tenant), Durability::Synced, move |sql, draft| {
            audit::database(sql, draft, (tenant, &name), "database.put", |sql, draft| {
                let quotas = draft.meter.quotas(&draft.catalog, tenant);
                rows::put(sql, (draft.now, &quotas), tenant, &name, &place)
            })
        })
        .await
    }

    /// Has a database that is a file be there for an attempt, under its lease. `None`: the lease is its job's no more.
    pub async fn put_database_of_attempt(
        &self,
        tenant: TenantId,
        name: DatabaseName,
        holder: Holder,
    ) -> Result<Option<PutDatabaseResult>, StoreError> {
        self.write_in(Some(tenant), Durability::Synced, move |sql, draft| {
            if !rows::holds(sql, tenant, holder)? {
                return Ok(None);
            }
            audit::database(sql, draft, (tenant, &name), "database.put", |sql, draft| {
                let quotas = draft.meter.quotas(&draft.catalog, tenant);
                rows::put(sql, (draft.now, &quotas), tenant, &name, &DatabasePlace::Sqlite).map(Some)
            })
        })
        .await
    }

    /// Whether the file of a database was made once.
    pub(super) async fn was_database_made(&self, tenant: TenantId, name: &DatabaseName) -> Result<bool, DatabaseError> {
        let named = name.clone();
        let was_made = self.read(move |sql, _| rows::was_made(sql, tenant, &named)).await;
        was_made?.ok_or_else(|| {
            DatabaseError::Unavailable(format!("the database {name} was deleted a moment ago; open it again"))
        })
    }

    /// Whether the file of a database is there from now on.
    pub(super) async fn note_database_made(
        &self,
        tenant: TenantId,
        name: &DatabaseName,
        is_made: bool,
    ) -> Result<(), StoreError> {
        let name = name.clone();
        self.write(Durability::Synced, move |sql, _| rows::note_made(sql, tenant, &name, is_made)).await
    }

    /// Removes a database, and its file, once nobody is at it.
    pub async fn delete_database(
        &self,
        tenant: TenantId,
        name: DatabaseName,
    ) -> Result<DeleteDatabaseResult, StoreError> {
        let Some(row) = self.database(tenant, name.clone()).await? else { return Ok(DeleteDatabaseResult::NotFound) };
        let files = Arc::clone(self.sqlite_files());
        let file = match row.place {
            DatabasePlace::Postgres { .. } => None,
            DatabasePlace::Sqlite => Some(files.file(tenant, &name)),
        };
        if let Some(file) = &file {
            // Nobody new comes to it.
            file.set_removed(true);
            let all = Arc::clone(&file.places).acquire_many_owned(CONNECTIONS_OF_DATABASE_MAX);
            let Ok(Ok(_places)) = tokio::time::timeout(DELETE_WAIT_MAX, all).await else {
                file.set_removed(false);
                return Ok(DeleteDatabaseResult::InUse);
            };
            if !files.knows(file) {
                // Somebody else has deleted it meanwhile; what is there now is another one of its name.
                return Ok(DeleteDatabaseResult::NotFound);
            }
            // A kill in between leaves one that is empty, and not one that was lost.
            self.note_database_made(tenant, &name, false).await?;
            let (removing, removed) = (Arc::clone(&files), Arc::clone(file));
            let result = tokio::task::spawn_blocking(move || removing.remove(&removed)).await;
            if let Err(error) = result.map_err(StoreError::internal)? {
                file.set_removed(false);
                self.note_database_made(tenant, &name, true).await?;
                return Err(StoreError::Unavailable(format!("the file of database {name}: {error}")));
            }
        }
        // The file first: what is left of a kill in between is a database that is empty.
        let gone = name.clone();
        let deleted = self
            .write(Durability::Synced, move |sql, draft| {
                audit::database(sql, draft, (tenant, &gone), "database.delete", |sql, _| {
                    rows::delete(sql, tenant, &gone)
                })
            })
            .await;
        if let Some(file) = &file {
            files.forget(file);
        }
        Ok(if deleted? { DeleteDatabaseResult::Deleted } else { DeleteDatabaseResult::NotFound })
    }

    /// A database that is a file, as an attempt has it open under its lease.
    pub fn sqlite_session(&self, tenant: TenantId, name: &DatabaseName, holder: Holder) -> SqliteSession {
        let files = self.sqlite_files();
        SqliteSession::new(files, files.file(tenant, name), Writer::Attempt(self.clone(), holder))
    }

    /// Scripts that were applied to a database that is a file.
    pub async fn applied_scripts(
        &self,
        tenant: TenantId,
        name: &DatabaseName,
    ) -> Result<Vec<AppliedScript>, DatabaseError> {
        let files = self.sqlite_files();
        // To look at it makes nothing.
        if files.bytes(tenant, name) == 0 {
            return Ok(Vec::new());
        }
        let held = Held::of(files, &files.file(tenant, name)).await?;
        let read = tokio::task::spawn_blocking(move || {
            let connection = held.connection();
            connection.bounds.within(|| connection.applied())
        });
        read.await.map_err(|error| DatabaseError::Unavailable(error.to_string()))?
    }

    /// Bytes of a database that is a file.
    pub fn database_bytes(&self, tenant: TenantId, name: &DatabaseName) -> u64 {
        self.sqlite_files().bytes(tenant, name)
    }

    /// Bytes all files of a tenant may have together.
    pub fn database_bytes_max(&self, tenant: TenantId) -> u64 {
        self.quotas_of(tenant).most(QuotaName::DatabaseBytes).unwrap_or(u64::MAX)
    }

    /// Whether an attempt's lease still is its job's.
    pub async fn holds_lease(&self, tenant: TenantId, holder: Holder) -> Result<bool, StoreError> {
        self.read(move |sql, _| rows::holds(sql, tenant, holder)).await
    }

    /// Closes connections to databases that nobody has used for a while.
    pub async fn close_idle_databases(&self) {
        let files = Arc::clone(self.sqlite_files());
        if let Err(error) = tokio::task::spawn_blocking(move || files.close_idle()).await {
            tracing::error!(%error, "idle connections to databases could not be closed");
        }
    }

    /// Now, by the store's clock.
    pub fn clock_now(&self) -> Timestamp {
        self.store_clock().now()
    }

    /// Removes some databases of a tenant that is being deleted.
    pub(in crate::store) async fn remove_some_databases(&self, tenant: TenantId) -> Result<(), StoreError> {
        for row in self.databases(tenant, None, REMOVED_MAX).await? {
            self.delete_database(tenant, row.name).await?;
        }
        self.sqlite_files().remove_folder(tenant);
        Ok(())
    }
}
