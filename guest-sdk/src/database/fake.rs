//! Databases of a fake host: real `SQLite`, in memory, for as long as it lives. Behind the feature `testing-database`: who tests no
//! handler with a database compiles none. The host's own rules (which statements and pragmas there are, how large things may be) are
//! not kept here.

use std::collections::HashSet;

use super::{DatabaseError, Rows, Value};
use crate::Context;
use crate::steps::Begun;

/// Every database that was granted.
#[derive(Debug, Default)]
pub(crate) struct Databases {
    pub(crate) granted: HashSet<String>,
    #[cfg(feature = "testing-database")]
    open: std::collections::HashMap<String, rusqlite::Connection>,
}

type Said<T> = Result<T, DatabaseError>;

pub(super) fn open(context: &Context, name: &str) -> Said<Database> {
    let host = std::sync::Arc::clone(context.recorder());
    if !host.lock().databases.granted.contains(name) {
        return Err(DatabaseError::NotGranted);
    }
    Database::new(host, name)
}

#[cfg(feature = "testing-database")]
pub(super) use sqlite::Database;
#[cfg(not(feature = "testing-database"))]
pub(super) use without::Database;

#[cfg(feature = "testing-database")]
mod sqlite {
    use std::sync::Arc;

    use rusqlite::types::ValueRef;
    use rusqlite::{Connection, OptionalExtension, params_from_iter};

    use super::{Begun, Context, DatabaseError, Databases, Rows, Said, Value};
    use crate::testing::Recorder;
    use crate::text::joined;

    const TABLES: &str = "CREATE TABLE _stoker_migrations (number INTEGER PRIMARY KEY, sql TEXT NOT NULL);
        CREATE TABLE _stoker_steps (name TEXT, occurrence TEXT, shape TEXT, result TEXT, PRIMARY KEY (name, occurrence));";

    #[derive(Debug)]
    pub(crate) struct Database {
        host: Arc<Recorder>,
        name: String,
        /// The step that is begun: its name, its key, its shape.
        step: std::cell::RefCell<Option<(String, String, String)>>,
    }

    impl Databases {
        /// What an execution left open is rolled back.
        pub(crate) fn roll_back(&self) {
            for connection in self.open.values().filter(|connection| !connection.is_autocommit()) {
                let _nothing_left = connection.execute_batch("ROLLBACK");
            }
        }
    }

    impl Database {
        pub(super) fn new(host: Arc<Recorder>, name: &str) -> Said<Self> {
            {
                let mut record = host.lock();
                if !record.databases.open.contains_key(name) {
                    let connection = Connection::open_in_memory().map_err(told)?;
                    connection.execute_batch(TABLES).map_err(told)?;
                    connection.pragma_update(None, "foreign_keys", true).map_err(told)?;
                    record.databases.open.insert(name.to_owned(), connection);
                }
            }
            Ok(Self { host, name: name.to_owned(), step: std::cell::RefCell::default() })
        }

        fn on<T>(&self, run: impl FnOnce(&Connection) -> Said<T>) -> Said<T> {
            let record = self.host.lock();
            let connection = record.databases.open.get(&self.name);
            run(connection.ok_or(DatabaseError::NotGranted)?)
        }

        pub(in crate::database) fn migrate(&self, migrations: &[(u32, &str)]) -> Said<u32> {
            let mut applied = 0;
            for (number, sql) in migrations {
                applied += u32::from(self.on(|connection| apply(connection, *number, sql))?);
            }
            Ok(applied)
        }

        pub(in crate::database) fn query(&self, sql: &str, parameters: Vec<Value>) -> Said<Rows> {
            self.on(|connection| {
                let mut statement = connection.prepare(sql).map_err(told)?;
                let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
                let width = columns.len();
                let mut found = statement.query(params_from_iter(bound(parameters))).map_err(told)?;
                let mut rows = Vec::new();
                while let Some(row) = found.next().map_err(told)? {
                    let values = (0..width).map(|place| row.get_ref(place).map(value).map_err(told));
                    rows.push(values.collect::<Said<Vec<Value>>>()?);
                }
                Ok(Rows { columns, rows })
            })
        }

        pub(in crate::database) fn execute(&self, sql: &str, parameters: Vec<Value>) -> Said<u64> {
            self.on(|connection| {
                let before = connection.total_changes();
                let mut statement = connection.prepare(sql).map_err(told)?;
                let mut rows = statement.query(params_from_iter(bound(parameters))).map_err(told)?;
                while rows.next().map_err(told)?.is_some() {}
                Ok(if connection.total_changes() == before { 0 } else { connection.changes() })
            })
        }

        pub(in crate::database) fn begin(&self) -> Said<()> {
            self.on(|connection| connection.execute_batch("BEGIN IMMEDIATE").map_err(told))
        }

        pub(in crate::database) fn commit(&self) -> Said<()> {
            self.on(|connection| connection.execute_batch("COMMIT").map_err(told))
        }

        pub(in crate::database) fn rollback(&self) -> Said<()> {
            self.on(|connection| {
                if connection.is_autocommit() { Ok(()) } else { connection.execute_batch("ROLLBACK").map_err(told) }
            })
        }

        pub(in crate::database) fn begin_step(&self, context: &Context, name: &str, shape: &str) -> Said<Begun> {
            let key = match context.begin_step(name, shape).map_err(DatabaseError::Refused)? {
                Begun::Recorded(result) => return Ok(Begun::Recorded(result)),
                Begun::Run(key) => key,
            };
            self.begin()?;
            let known: Option<(String, String)> = self.on(|connection| {
                let read = "SELECT shape, result FROM _stoker_steps WHERE name = ?1 AND occurrence = ?2";
                let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
                connection.query_row(read, [name, &key], row).optional().map_err(told)
            })?;
            match known {
                None => {
                    self.step.replace(Some((name.to_owned(), key.clone(), shape.to_owned())));
                    Ok(Begun::Run(key))
                }
                Some((was, result)) if was == shape => {
                    self.rollback()?;
                    context.record_step(name, &result).map_err(DatabaseError::Refused)?;
                    Ok(Begun::Recorded(result))
                }
                Some((was, _)) => {
                    self.rollback()?;
                    context.abandon_step();
                    Err(DatabaseError::Refused(joined(&[
                        "the result of step `",
                        name,
                        "` was recorded as `",
                        &was,
                        "`; it can't be `",
                        shape,
                        "` now",
                    ])))
                }
            }
        }

        pub(in crate::database) fn record_step(&self, context: &Context, name: &str, result: &str) -> Said<()> {
            let Some((step, key, shape)) = self.step.take() else {
                return Err(DatabaseError::Refused("no step is begun in this database".to_owned()));
            };
            self.on(|connection| {
                let write = "INSERT INTO _stoker_steps (name, occurrence, shape, result) VALUES (?1, ?2, ?3, ?4)";
                connection.execute(write, [step.as_str(), &key, &shape, result]).map_err(told)
            })?;
            self.commit()?;
            context.record_step(name, result).map_err(DatabaseError::Refused)
        }

        pub(in crate::database) fn abandon_step(&self, context: &Context) -> Said<()> {
            self.step.take();
            context.abandon_step();
            self.rollback()
        }
    }

    fn apply(connection: &Connection, number: u32, sql: &str) -> Said<bool> {
        let known = "SELECT sql FROM _stoker_migrations WHERE number = ?1";
        let known: Option<String> = connection.query_row(known, [number], |row| row.get(0)).optional().map_err(told)?;
        let last = "SELECT coalesce(max(number), 0) FROM _stoker_migrations";
        let last: u32 = connection.query_row(last, [], |row| row.get(0)).map_err(told)?;
        match known {
            Some(known) if known == sql => return Ok(false),
            Some(_) => {
                return Err(DatabaseError::Refused(format!("migration {number} was applied with another text")));
            }
            None if number <= last => {
                return Err(DatabaseError::Refused(format!(
                    "migration {number} is new, and {last} was applied already"
                )));
            }
            None => {}
        }
        let transaction = connection.unchecked_transaction().map_err(told)?;
        transaction.execute_batch(sql).map_err(told)?;
        let note = "INSERT INTO _stoker_migrations (number, sql) VALUES (?1, ?2)";
        transaction.execute(note, rusqlite::params![number, sql]).map_err(told)?;
        transaction.commit().map_err(told)?;
        Ok(true)
    }

    fn bound(parameters: Vec<Value>) -> impl Iterator<Item = rusqlite::types::Value> {
        parameters.into_iter().map(|value| match value {
            Value::Null => rusqlite::types::Value::Null,
            Value::Boolean(yes) => rusqlite::types::Value::Integer(i64::from(yes)),
            Value::Integer(number) => rusqlite::types::Value::Integer(number),
            Value::Real(number) => rusqlite::types::Value::Real(number),
            Value::Text(text) => rusqlite::types::Value::Text(text),
            Value::Blob(bytes) => rusqlite::types::Value::Blob(bytes),
        })
    }

    fn value(value: ValueRef<'_>) -> Value {
        match value {
            ValueRef::Null => Value::Null,
            ValueRef::Integer(number) => Value::Integer(number),
            ValueRef::Real(number) => Value::Real(number),
            ValueRef::Text(text) => Value::Text(String::from_utf8_lossy(text).into_owned()),
            ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
        }
    }

    #[allow(clippy::needless_pass_by_value)] // As `map_err` hands it over.
    fn told(error: rusqlite::Error) -> DatabaseError {
        let codes = [
            (rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE, "SQLITE_CONSTRAINT_UNIQUE"),
            (rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY, "SQLITE_CONSTRAINT_PRIMARYKEY"),
            (rusqlite::ffi::SQLITE_CONSTRAINT_CHECK, "SQLITE_CONSTRAINT_CHECK"),
            (rusqlite::ffi::SQLITE_CONSTRAINT_NOTNULL, "SQLITE_CONSTRAINT_NOTNULL"),
            (rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY, "SQLITE_CONSTRAINT_FOREIGNKEY"),
        ];
        let extended = error.sqlite_error().map_or(rusqlite::ffi::SQLITE_ERROR, |error| error.extended_code);
        let code = codes.iter().find(|(code, _)| *code == extended).map_or("SQLITE_ERROR", |(_, name)| name);
        DatabaseError::Sql { code: code.to_owned(), message: error.to_string() }
    }
}

#[cfg(not(feature = "testing-database"))]
mod without {
    use std::sync::Arc;

    use super::{Begun, Context, DatabaseError, Databases, Rows, Said, Value};
    use crate::testing::Recorder;

    /// There is none.
    #[derive(Debug)]
    pub(in crate::database) enum Database {}

    impl Databases {
        #[allow(clippy::unused_self)] // As with the feature.
        pub(crate) fn roll_back(&self) {}
    }

    #[allow(clippy::needless_pass_by_value, clippy::unused_self)] // As with the feature.
    impl Database {
        pub(super) fn new(_host: Arc<Recorder>, _name: &str) -> Said<Self> {
            Err(DatabaseError::Unavailable(
                "a fake host has databases with the feature `testing-database`: write `stoker-sdk = { …, features = \
                 [\"testing-database\"] }` under [dev-dependencies]"
                    .to_owned(),
            ))
        }
        pub(in crate::database) fn migrate(&self, _migrations: &[(u32, &str)]) -> Said<u32> {
            match *self {}
        }
        pub(in crate::database) fn query(&self, _sql: &str, _parameters: Vec<Value>) -> Said<Rows> {
            match *self {}
        }
        pub(in crate::database) fn execute(&self, _sql: &str, _parameters: Vec<Value>) -> Said<u64> {
            match *self {}
        }
        pub(in crate::database) fn begin(&self) -> Said<()> {
            match *self {}
        }
        pub(in crate::database) fn commit(&self) -> Said<()> {
            match *self {}
        }
        pub(in crate::database) fn rollback(&self) -> Said<()> {
            match *self {}
        }
        pub(in crate::database) fn begin_step(&self, _context: &Context, _name: &str, _shape: &str) -> Said<Begun> {
            match *self {}
        }
        pub(in crate::database) fn record_step(&self, _context: &Context, _name: &str, _result: &str) -> Said<()> {
            match *self {}
        }
        pub(in crate::database) fn abandon_step(&self, _context: &Context) -> Said<()> {
            match *self {}
        }
    }
}
