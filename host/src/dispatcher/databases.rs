//! The databases of a tenant, as an attempt has them open under its lease.

use std::sync::Arc;

use crate::job::database::{DatabaseStep, RecordedStep, Script, SqlRows, SqlValue};
use crate::job::{DatabaseError, DatabaseName, StepName, TenantName};
use crate::postgres::{PostgresSession, Servers};
use crate::sandbox::{Databases, OfDatabase, OpenDatabase};
use crate::store::{
    ClaimedJob, DatabasePlace, DatabaseRow, Holder, PutDatabaseResult, SqliteSession, Store, StoreError, TenantId,
};

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
        let unavailable = |error: StoreError| DatabaseError::Unavailable(error.to_string());
        if let Some(row) = self.store.database(self.tenant, name.clone()).await.map_err(unavailable)? {
            return Ok(row);
        }
        let put = self.store.put_database_of_attempt(self.tenant, name.clone(), self.holder).await;
        match put.map_err(unavailable)?.ok_or(DatabaseError::StaleLease)? {
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
                    Ok(Box::new(OpenFile(session)) as Box<dyn OpenDatabase>)
                }
                DatabasePlace::Postgres { .. } => {
                    let session = self.servers.session((self.tenant, &self.tenant_name), &row, self.holder).await?;
                    Ok(Box::new(OpenServer(session)) as Box<dyn OpenDatabase>)
                }
            }
        })
    }
}

/// One that is a file.
#[derive(Debug)]
pub(crate) struct OpenFile(pub(crate) SqliteSession);

impl OpenDatabase for OpenFile {
    fn migrate(&mut self, scripts: Vec<Script>) -> OfDatabase<'_, u32> {
        Box::pin(self.0.migrate(scripts))
    }

    fn query(&mut self, sql: String, parameters: Vec<SqlValue>) -> OfDatabase<'_, SqlRows> {
        Box::pin(self.0.query(sql, parameters))
    }

    fn execute(&mut self, sql: String, parameters: Vec<SqlValue>) -> OfDatabase<'_, u64> {
        Box::pin(self.0.execute(sql, parameters))
    }

    fn begin(&mut self) -> OfDatabase<'_, ()> {
        Box::pin(self.0.begin())
    }

    fn commit(&mut self) -> OfDatabase<'_, ()> {
        Box::pin(self.0.commit())
    }

    fn rollback(&mut self) -> OfDatabase<'_, ()> {
        self.0.rollback();
        Box::pin(async { Ok(()) })
    }

    fn begin_step(&mut self, name: StepName, occurrence: u32) -> OfDatabase<'_, Option<RecordedStep>> {
        Box::pin(self.0.begin_step(name, occurrence))
    }

    fn commit_step(&mut self, step: DatabaseStep) -> OfDatabase<'_, ()> {
        Box::pin(self.0.commit_step(step))
    }
}

/// One that is a server's.
#[derive(Debug)]
struct OpenServer(PostgresSession);

impl OpenDatabase for OpenServer {
    fn migrate(&mut self, scripts: Vec<Script>) -> OfDatabase<'_, u32> {
        Box::pin(self.0.migrate(scripts))
    }

    fn query(&mut self, sql: String, parameters: Vec<SqlValue>) -> OfDatabase<'_, SqlRows> {
        Box::pin(self.0.query(sql, parameters))
    }

    fn execute(&mut self, sql: String, parameters: Vec<SqlValue>) -> OfDatabase<'_, u64> {
        Box::pin(self.0.execute(sql, parameters))
    }

    fn begin(&mut self) -> OfDatabase<'_, ()> {
        Box::pin(self.0.begin())
    }

    fn commit(&mut self) -> OfDatabase<'_, ()> {
        Box::pin(self.0.commit())
    }

    fn rollback(&mut self) -> OfDatabase<'_, ()> {
        Box::pin(self.0.rollback())
    }

    fn begin_step(&mut self, name: StepName, occurrence: u32) -> OfDatabase<'_, Option<RecordedStep>> {
        Box::pin(self.0.begin_step(name, occurrence))
    }

    fn commit_step(&mut self, step: DatabaseStep) -> OfDatabase<'_, ()> {
        Box::pin(self.0.commit_step(step))
    }
}
