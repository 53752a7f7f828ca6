//! SQL databases that an operator has granted to the kind. Owns how parameters and rows are Rust values, and how transactions and steps
//! end; what runs a statement is the host's.

mod error;
#[cfg(not(target_family = "wasm"))]
pub(crate) mod fake;
#[cfg(target_family = "wasm")]
mod host;
mod row;
mod transaction;
mod value;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(not(target_family = "wasm"))]
use fake as keeper;
#[cfg(target_family = "wasm")]
use host as keeper;

use crate::{Context, Failure};

pub use error::DatabaseError;
pub use transaction::Transaction;
pub use value::{Parameters, ToValue, Value};

/// What a query came to.
#[derive(Debug)]
pub(crate) struct Rows {
    pub(crate) columns: Vec<String>,
    pub(crate) rows: Vec<Vec<Value>>,
}

/// An SQL database: a file of the host (`SQLite`), or a server an operator named (`PostgreSQL`).
///
/// Every statement outside of a transaction is one of its own, and on the disk before its call returns. What a transaction did stays
/// if it was committed, and is rolled back however else the attempt ends.
///
/// ```
/// # #[cfg(feature = "testing-database")] {
/// use serde::{Deserialize, Serialize};
/// use stoker_sdk::testing::FakeHost;
/// use stoker_sdk::{Context, Failure, JsonSchema, handler};
///
/// #[derive(Serialize, Deserialize, JsonSchema, Debug, PartialEq)]
/// struct Tenant {
///     id: i64,
///     name: String,
/// }
///
/// #[handler(kind = "tenant.create", grants(databases = ["app"]))]
/// fn create(context: &Context, name: String) -> Result<Tenant, Failure> {
///     let app = context.database("app")?;
///     app.migrate(&[(1, "CREATE TABLE tenants (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)")])?;
///     let id: i64 = app.step("insert", |tx| {
///         tx.execute("INSERT INTO tenants (name) VALUES (?1)", (&name,))?;
///         Ok(tx.query_one("SELECT last_insert_rowid()", ())?.unwrap_or_default())
///     })?;
///     let found: Vec<Tenant> = app.query("SELECT id, name FROM tenants WHERE id = ?1", (id,))?;
///     found.into_iter().next().ok_or_else(|| Failure::fatal("it is gone"))
/// }
///
/// // The host dies when the row is in the database, and before it knows that the step is done: the row is there once.
/// let host = FakeHost::new().database("app").crash_in_step(1);
/// assert_eq!(host.run_to_end::<create>("Acme".into()), Ok(Tenant { id: 1, name: "Acme".into() }));
/// assert_eq!(host.executions(), 2);
/// # }
/// ```
#[derive(Debug)]
pub struct Database<'context> {
    keeper: keeper::Database,
    context: &'context Context,
}

impl Context {
    /// Opens a database that the kind is granted; one that is not there is made. Needs a host of version 1.3 of `stoker:handler`.
    pub fn database(&self, name: &str) -> Result<Database<'_>, DatabaseError> {
        Ok(Database { keeper: keeper::open(self, name)?, context: self })
    }
}

impl Database<'_> {
    /// Brings the database to the shape the handler knows: numbered scripts, from 1 upwards, of which those are run that were not yet,
    /// each in a transaction of its own. A script that was run is never changed: the next one mends it. How many were run.
    ///
    /// ```
    /// # #[cfg(feature = "testing-database")] {
    /// # let host = stoker_sdk::testing::FakeHost::new().database("app");
    /// # let context = host.context();
    /// let app = context.database("app")?;
    /// const FIRST: (u32, &str) = (1, "CREATE TABLE notes (text TEXT)");
    /// assert_eq!(app.migrate(&[FIRST])?, 1);
    /// assert_eq!(app.migrate(&[FIRST, (2, "ALTER TABLE notes ADD COLUMN at INTEGER")])?, 1);
    /// assert!(app.migrate(&[(1, "CREATE TABLE notes (text BLOB)")]).is_err());
    /// # }
    /// # Ok::<(), stoker_sdk::database::DatabaseError>(())
    /// ```
    pub fn migrate(&self, migrations: &[(u32, &str)]) -> Result<u32, DatabaseError> {
        self.keeper.migrate(migrations)
    }

    /// Runs a statement and gives its rows: structs by the names of columns, tuples by their order, a single value of a single column.
    /// At most 10,000 rows and 4 MiB.
    ///
    /// ```
    /// # #[cfg(feature = "testing-database")] {
    /// # let host = stoker_sdk::testing::FakeHost::new().database("app");
    /// # let context = host.context();
    /// # let app = context.database("app")?;
    /// let rows: Vec<(i64, Option<String>)> = app.query("SELECT 1, ?1 UNION SELECT 2, NULL", ("x",))?;
    /// assert_eq!(rows, [(1, Some("x".into())), (2, None)]);
    /// # }
    /// # Ok::<(), stoker_sdk::database::DatabaseError>(())
    /// ```
    pub fn query<Row: DeserializeOwned>(
        &self,
        sql: &str,
        parameters: impl Parameters,
    ) -> Result<Vec<Row>, DatabaseError> {
        row::read_all(self.keeper.query(sql, parameters.into_values()?)?)
    }

    /// The same of a statement that gives one row, or none.
    pub fn query_one<Row: DeserializeOwned>(
        &self,
        sql: &str,
        parameters: impl Parameters,
    ) -> Result<Option<Row>, DatabaseError> {
        row::read_one(self.keeper.query(sql, parameters.into_values()?)?)
    }

    /// Runs a statement; how many rows it inserted, updated or deleted.
    pub fn execute(&self, sql: &str, parameters: impl Parameters) -> Result<u64, DatabaseError> {
        self.keeper.execute(sql, parameters.into_values()?)
    }

    /// Runs several statements that all happen, or none: what `run` did is committed when it returns `Ok`, and taken back otherwise.
    ///
    /// ```
    /// # #[cfg(feature = "testing-database")] {
    /// # use stoker_sdk::Failure;
    /// # let host = stoker_sdk::testing::FakeHost::new().database("app");
    /// # let context = host.context();
    /// let app = context.database("app")?;
    /// app.migrate(&[(1, "CREATE TABLE accounts (cents INTEGER CHECK (cents >= 0)); INSERT INTO accounts VALUES (5)")])?;
    /// let refused: Result<(), Failure> = app.transaction(|tx| {
    ///     tx.execute("INSERT INTO accounts VALUES (7)", ())?;
    ///     tx.execute("UPDATE accounts SET cents = cents - 6", ())?;
    ///     Ok(())
    /// });
    /// assert!(refused.is_err());
    /// assert_eq!(app.query_one::<i64>("SELECT sum(cents) FROM accounts", ())?, Some(5));
    /// # }
    /// # Ok::<(), stoker_sdk::Failure>(())
    /// ```
    pub fn transaction<T, E: From<DatabaseError>>(
        &self,
        run: impl FnOnce(&Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        self.keeper.begin()?;
        match run(&Transaction(self)) {
            Ok(value) => {
                self.keeper.commit()?;
                Ok(value)
            }
            Err(error) => {
                // What is left is rolled back with the end of the attempt.
                let _ended_anyway = self.keeper.rollback();
                Err(error)
            }
        }
    }

    /// A [step](Context::step) that acts in this database and nowhere else: its result is written in the transaction of what it did, so
    /// that it happens once, wherever the host dies. Known again as every step is, by its name and how many of that name came before
    /// it. If `run` fails nothing of it is kept.
    ///
    /// What it does elsewhere (requests, other databases) can still happen again: that is what
    /// [`idempotency_key`](Context::idempotency_key) is for.
    pub fn step<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        run: impl FnOnce(&Transaction<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let begun = self.keeper.begin_step(self.context, name, std::any::type_name::<T>());
        let ran = match begun.map_err(DatabaseError::into_failure)? {
            crate::steps::Begun::Recorded(result) => return crate::payload::parse_step(name, &result),
            crate::steps::Begun::Run(key) => crate::steps::under_key(key, || run(&Transaction(self))),
        };
        let ran = ran.and_then(|value| {
            let result = crate::payload::print_step(name, &value)?;
            self.keeper.record_step(self.context, &result).map_err(DatabaseError::into_failure)?;
            Ok(value)
        });
        if ran.is_err() {
            // As above; also where the result could not be recorded: the handler may go on without it.
            let _ended_anyway = self.keeper.abandon_step(self.context);
        }
        ran
    }
}
