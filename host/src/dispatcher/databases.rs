//! The databases of a tenant, as an attempt has them open under its lease.

use std::sync::Arc;

use crate::job::database::{DatabaseStep, RecordedStep, Script, SqlRows, SqlValue};
use crate::job::{DatabaseError, DatabaseName, StepName, TenantName};
use crate::postgres::{PostgresSession, Servers};
use crate::sandbox::{Databases, OfDatabase, OpenDatabase};
use crate::store::{ClaimedJob, DatabasePlace, DatabaseRow, Holder, PutDatabaseResult, SqliteSession, Store, TenantId};

/// Those of one tenant. Which of them a guest may have is the sandbox's to look at.
#[derive(Debug)]
pub(super) struct StoredDatabases {
    store: Store,
    servers: Servers,
    tenant: TenantId,
    tenant_name: TenantName,
    holder: Holder,
}

impl StoredDatabases {
    pub(super) fn of(store: &Store, servers: &Servers, job: &ClaimedJob) -> Arc<Self> {
        Arc::new(Self {
            store: store.clone(),
            servers: servers.clone(),
            tenant: job.kind.tenant,
            tenant_name: job.kind.tenant_name.clone(),
            holder: Holder::of(&job.lease),
        })
    }

    async fn row(&self, name: &DatabaseName) -> Result<DatabaseRow, DatabaseError> {
        if let Some(row) = self.store.database(self.tenant, name.clone()).await? {
            return Ok(row);
        }
        let put = self.store.put_database_of_attempt(self.tenant, name.clone(), self.holder).await;
        match put?.ok_or(DatabaseError::StaleLease)? {
            PutDatabaseResult::Created(row) | PutDatabaseResult::There(row) => Ok(row),
            PutDatabaseResult::OverQuota(quota) => Err(DatabaseError::Quota(quota.sentence())),
            // Named meanwhile.
            PutDatabaseResult::Other(engine) => Err(DatabaseError::Unavailable(format!(
                "the database is run by {} since a moment ago; open it again",
                engine.as_str()
            ))),
        }
    }
}

impl Databases for StoredDatabases {
    fn open(&self, name: DatabaseName) -> OfDatabase<'_, Box<dyn OpenDatabase>> {
        Box::pin(async move {
            let row = self.row(&name).await?;
            match row.place {
                DatabasePlace::Sqlite => {
                    let mut session = self.store.sqlite_session(self.tenant, &name, self.holder);
                    session.make().await?;
                    Ok(Box::new(session) as Box<dyn OpenDatabase>)
                }
                DatabasePlace::Postgres { .. } => {
                    let session = self.servers.session((self.tenant, &self.tenant_name), &row, self.holder).await?;
                    Ok(Box::new(session) as Box<dyn OpenDatabase>)
                }
            }
        })
    }
}

/// Has a session be what a guest has open: its own calls, boxed.
macro_rules! opens {
    ($($session:ty),*) => {$(
        impl OpenDatabase for $session {
            fn migrate(&mut self, scripts: Vec<Script>) -> OfDatabase<'_, u32> {
                Box::pin(<$session>::migrate(self, scripts))
            }

            fn query(&mut self, sql: String, parameters: Vec<SqlValue>) -> OfDatabase<'_, SqlRows> {
                Box::pin(<$session>::query(self, sql, parameters))
            }

            fn execute(&mut self, sql: String, parameters: Vec<SqlValue>) -> OfDatabase<'_, u64> {
                Box::pin(<$session>::execute(self, sql, parameters))
            }

            fn begin(&mut self) -> OfDatabase<'_, ()> {
                Box::pin(<$session>::begin(self))
            }

            fn commit(&mut self) -> OfDatabase<'_, ()> {
                Box::pin(<$session>::commit(self))
            }

            fn rollback(&mut self) -> OfDatabase<'_, ()> {
                Box::pin(<$session>::rollback(self))
            }

            fn begin_step(&mut self, name: StepName, occurrence: u32) -> OfDatabase<'_, Option<RecordedStep>> {
                Box::pin(<$session>::begin_step(self, name, occurrence))
            }

            fn commit_step(&mut self, step: DatabaseStep) -> OfDatabase<'_, ()> {
                Box::pin(<$session>::commit_step(self, step))
            }
        }
    )*};
}

opens!(SqliteSession, PostgresSession);
