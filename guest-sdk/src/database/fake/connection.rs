//! A connection that runs a handler's SQL: set up as a real host does with a file, one thing at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rusqlite::config::DbConfig;
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::ffi::{self, ErrorCode};
use rusqlite::hooks::{AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Batch, OptionalExtension, Statement};

use super::rules::{HOST_PREFIX, alters, refusal};
use super::statement::{RowRoom, check, check_scripts, lost};
use super::{DatabaseError, Rows, Said, Value, refused};
use crate::testing::bounds::{PARAMETERS_MAX, SQL_BYTES_MAX, STATEMENT_TIME_MAX};

/// Largest value and row, bytes. Host: `store/databases/connection.rs`.
const VALUE_BYTES_MAX: i32 = 8 << 20;
/// Bounds of what a statement may be. Host: `store/databases/connection.rs`.
const LIMITS: [(Limit, i32); 11] = [
    (Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX),
    (Limit::SQLITE_LIMIT_SQL_LENGTH, small(SQL_BYTES_MAX)),
    (Limit::SQLITE_LIMIT_COLUMN, 500),
    (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
    (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 200),
    (Limit::SQLITE_LIMIT_VDBE_OP, 250_000),
    (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
    (Limit::SQLITE_LIMIT_ATTACHED, 0),
    (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
    (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, small(PARAMETERS_MAX)),
    (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 50),
];
/// Codes that handlers tell apart; others are `SQLITE_ERROR`. Host: `store/databases/errors.rs`.
const NAMES: [(i32, &str); 17] = [
    (ffi::SQLITE_CONSTRAINT_CHECK, "SQLITE_CONSTRAINT_CHECK"),
    (ffi::SQLITE_CONSTRAINT_FOREIGNKEY, "SQLITE_CONSTRAINT_FOREIGNKEY"),
    (ffi::SQLITE_CONSTRAINT_NOTNULL, "SQLITE_CONSTRAINT_NOTNULL"),
    (ffi::SQLITE_CONSTRAINT_PRIMARYKEY, "SQLITE_CONSTRAINT_PRIMARYKEY"),
    (ffi::SQLITE_CONSTRAINT_ROWID, "SQLITE_CONSTRAINT_ROWID"),
    (ffi::SQLITE_CONSTRAINT_TRIGGER, "SQLITE_CONSTRAINT_TRIGGER"),
    (ffi::SQLITE_CONSTRAINT_UNIQUE, "SQLITE_CONSTRAINT_UNIQUE"),
    (ffi::SQLITE_CONSTRAINT_DATATYPE, "SQLITE_CONSTRAINT_DATATYPE"),
    (ffi::SQLITE_CONSTRAINT_VTAB, "SQLITE_CONSTRAINT_VTAB"),
    (ffi::SQLITE_CONSTRAINT, "SQLITE_CONSTRAINT"),
    (ffi::SQLITE_MISMATCH, "SQLITE_MISMATCH"),
    (ffi::SQLITE_TOOBIG, "SQLITE_TOOBIG"),
    (ffi::SQLITE_RANGE, "SQLITE_RANGE"),
    (ffi::SQLITE_SCHEMA, "SQLITE_SCHEMA"),
    (ffi::SQLITE_READONLY, "SQLITE_READONLY"),
    (ffi::SQLITE_CORRUPT_VTAB, "SQLITE_CORRUPT_VTAB"),
    (ffi::SQLITE_ERROR, "SQLITE_ERROR"),
];
/// Instructions of `SQLite`'s machine between two looks. Host: `store/databases/watch.rs`.
const INSTRUCTIONS: std::os::raw::c_int = 100;

const TABLES: &str = "CREATE TABLE _stoker_migrations (number INTEGER PRIMARY KEY, sql TEXT NOT NULL);
    CREATE TABLE _stoker_steps (key TEXT PRIMARY KEY, shape TEXT NOT NULL, result TEXT NOT NULL);";
const APPLIED: &str = "SELECT number, sql FROM _stoker_migrations ORDER BY number";
const APPLY: &str = "INSERT INTO _stoker_migrations (number, sql) VALUES (?1, ?2)";
const STEP: &str = "SELECT shape, result FROM _stoker_steps WHERE key = ?1";
const RECORD: &str = "INSERT INTO _stoker_steps (key, shape, result) VALUES (?1, ?2, ?3)";
/// Tables that are a handler's, with what holds those of virtual ones.
const OWN_TABLES: &str =
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
    AND name NOT LIKE '\\_stoker\\_%' ESCAPE '\\' ORDER BY name";

/// What is named like the host's tables and is none of them, or like what asks about tables. Host: `store/databases/room.rs`.
const MISNAMED: &str = r"SELECT name FROM main.sqlite_schema
    WHERE name LIKE 'pragma\_%' ESCAPE '\' OR name LIKE '\_stoker\_%' ESCAPE '\' AND name NOT IN (
        '_stoker_migrations', '_stoker_steps', '_stoker_steps_at', '_stoker_attempts', '_stoker_attempts_at')
    LIMIT 1";
/// What refers to one of the host's tables. Host: `store/databases/room.rs`.
const REFERRING: &str = r"SELECT schema.name FROM main.sqlite_schema AS schema, pragma_foreign_key_list(schema.name) AS key
    WHERE schema.type = 'table' AND key.`table` LIKE '\_stoker\_%' ESCAPE '\' LIMIT 1";

/// A bound as `SQLite` takes it.
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // Checked when it is compiled.
const fn small(bound: usize) -> i32 {
    assert!(bound <= i32::MAX as usize);
    bound as i32
}

/// What a statement outside of a transaction came to.
pub(super) enum Queried {
    Rows(Rows),
    /// It writes, and needs a transaction.
    Writes,
}

/// Of what runs: until when it may, if it is a handler's; and the first rule it broke.
#[derive(Debug, Default)]
struct Watch {
    deadline: Option<Instant>,
    broken: Option<String>,
    /// Tables were made or changed.
    altered: bool,
}

impl Watch {
    fn is_late(&self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }
}

/// A database in memory.
#[derive(Debug)]
pub(super) struct Connection {
    sql: rusqlite::Connection,
    watch: Arc<Mutex<Watch>>,
}

impl Connection {
    pub(super) fn new() -> Said<Self> {
        Self::set_up().map_err(|error| DatabaseError::Unavailable(format!("SQLite can't be used here: {error}")))
    }

    fn set_up() -> rusqlite::Result<Self> {
        let mut sql = rusqlite::Connection::open_in_memory()?;
        sql.pragma_update(None, "foreign_keys", true)?;
        for (setting, is_on) in [
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
            (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
        ] {
            sql.set_db_config(setting, is_on)?;
        }
        sql.execute_batch(TABLES)?;
        for (limit, most) in LIMITS {
            sql.set_limit(limit, most)?;
        }
        let watch = Arc::<Mutex<Watch>>::default();
        let asked = Arc::clone(&watch);
        sql.authorizer(Some(move |context: AuthContext<'_>| {
            let mut watch = asked.lock().unwrap_or_else(PoisonError::into_inner);
            watch.altered |= alters(&context);
            match watch.deadline.and_then(|_| refusal(&context)) {
                None => Authorization::Allow,
                Some(rule) => {
                    watch.broken.get_or_insert(rule);
                    Authorization::Deny
                }
            }
        }))?;
        let looked = Arc::clone(&watch);
        let is_late = move || looked.lock().unwrap_or_else(PoisonError::into_inner).is_late();
        sql.progress_handler(INSTRUCTIONS, Some(is_late))?;
        Ok(Self { sql, watch })
    }

    /// Runs SQL of a handler: every part of it is asked about.
    fn by_handler<T>(&self, run: impl FnOnce() -> Said<T>) -> Said<T> {
        let watch = || self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        *watch() = Watch { deadline: Some(Instant::now() + STATEMENT_TIME_MAX), ..Watch::default() };
        let ran = run();
        watch().deadline = None;
        if ran.is_ok() && watch().altered {
            self.check_names().inspect_err(|_| self.roll_back())?;
        }
        ran
    }

    /// That nothing is named like a table of the host's, or refers to one.
    fn check_names(&self) -> Said<()> {
        for asks in [MISNAMED, REFERRING] {
            let found = self.sql.query_row(asks, [], |row| row.get::<_, String>(0)).optional();
            if let Some(name) = found.map_err(|error| self.told(&error))? {
                return Err(refused(format!(
                    "rule `host tables`: names that begin with `{HOST_PREFIX}` or `pragma_` are the host's; `{name}` neither may be \
                     called so nor refer to one"
                )));
            }
        }
        Ok(())
    }

    /// Runs a statement that only reads. One that would write is not run.
    pub(super) fn read(&self, sql: &str, parameters: &[Value]) -> Said<Queried> {
        self.statement(sql, parameters, |statement| {
            if statement.readonly() { self.rows(statement).map(Queried::Rows) } else { Ok(Queried::Writes) }
        })
    }

    /// Runs a statement and gives its rows.
    pub(super) fn query(&self, sql: &str, parameters: &[Value]) -> Said<Rows> {
        self.statement(sql, parameters, |statement| self.rows(statement))
    }

    /// Runs a statement; how many rows it changed.
    pub(super) fn execute(&self, sql: &str, parameters: &[Value]) -> Said<u64> {
        self.statement(sql, parameters, |statement| {
            let before = self.sql.total_changes();
            let mut rows = statement.raw_query();
            while rows.next().map_err(|error| self.told(&error))?.is_some() {}
            Ok(if self.sql.total_changes() == before { 0 } else { self.sql.changes() })
        })
    }

    /// The one statement of a text, with its parameters.
    fn statement<T>(
        &self,
        sql: &str,
        parameters: &[Value],
        run: impl FnOnce(&mut Statement<'_>) -> Said<T>,
    ) -> Said<T> {
        check(sql, parameters)?;
        self.by_handler(|| {
            let mut batch = Batch::new(&self.sql, sql);
            let Some(mut statement) = batch.next().map_err(|error| self.told(&error))? else {
                return Err(refused("there is no statement in the text"));
            };
            if !matches!(batch.next(), Ok(None)) {
                return Err(refused(
                    "one statement at a time: what is several belongs into a transaction, or into a migration",
                ));
            }
            let (expected, given) = (statement.parameter_count(), parameters.len());
            if given != expected {
                return Err(refused(format!("the statement has {expected} parameters, and {given} are given")));
            }
            for (place, value) in (1..).zip(parameters) {
                statement.raw_bind_parameter(place, Bound(value)).map_err(|error| self.told(&error))?;
            }
            run(&mut statement)
        })
    }

    fn rows(&self, statement: &mut Statement<'_>) -> Said<Rows> {
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        let (mut rows, mut room) = (Vec::new(), RowRoom::default());
        let mut found = statement.raw_query();
        while let Some(row) = found.next().map_err(|error| self.told(&error))? {
            room.take_row()?;
            let mut values = Vec::with_capacity(columns.len());
            for place in 0..columns.len() {
                let value = value(row.get_ref(place).map_err(|error| self.told(&error))?)?;
                room.take_value(&value)?;
                values.push(value);
            }
            rows.push(values);
        }
        Ok(Rows { columns, rows })
    }

    /// Begins a transaction after which the database has so many bytes at most.
    pub(super) fn begin(&self, bytes_max: u64) -> Said<()> {
        let page_bytes = self.number("PRAGMA page_size")?;
        let pages_max = (bytes_max / page_bytes.max(1)).clamp(1, u64::from(u32::MAX) - 1);
        self.number(&format!("PRAGMA max_page_count = {pages_max}"))?;
        self.sql.execute_batch("BEGIN IMMEDIATE").map_err(|error| self.told(&error))
    }

    pub(super) fn commit(&self) -> Said<()> {
        let committed = self.sql.execute_batch("COMMIT").map_err(|error| self.told(&error));
        if committed.is_err() {
            self.roll_back();
        }
        committed
    }

    /// Takes back what is open, whatever it is.
    pub(super) fn roll_back(&self) {
        if self.in_transaction() {
            let _nothing_left = self.sql.execute_batch("ROLLBACK");
        }
    }

    pub(super) fn in_transaction(&self) -> bool {
        !self.sql.is_autocommit()
    }

    /// One thing in a transaction of its own.
    pub(super) fn in_own<T>(&self, bytes_max: u64, run: impl FnOnce() -> Said<T>) -> Said<T> {
        self.begin(bytes_max)?;
        match run() {
            Ok(_) if !self.in_transaction() => Err(lost()),
            Ok(ran) => self.commit().map(|()| ran),
            Err(error) => {
                self.roll_back();
                Err(error)
            }
        }
    }

    /// Which of these scripts are still to be applied.
    pub(super) fn to_apply(&self, scripts: &[(u32, &str)]) -> Said<Vec<usize>> {
        let read = || -> rusqlite::Result<Vec<(u32, String)>> {
            let mut statement = self.sql.prepare(APPLIED)?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect()
        };
        check_scripts(scripts, &read().map_err(|error| self.told(&error))?)
    }

    /// Runs a script and notes that it is applied.
    pub(super) fn apply(&self, bytes_max: u64, (number, sql): (u32, &str)) -> Said<()> {
        self.in_own(bytes_max, || {
            self.by_handler(|| self.run_script(number, sql))?;
            if !self.in_transaction() {
                return Err(lost());
            }
            let noted = rusqlite::params![number, sql];
            self.sql.execute(APPLY, noted).map(|_| ()).map_err(|error| self.told(&error))
        })
    }

    fn run_script(&self, number: u32, sql: &str) -> Said<()> {
        let said = |error: rusqlite::Error| match self.told(&error) {
            DatabaseError::Refused(rule) => refused(format!("migration {number}: {rule}")),
            DatabaseError::Sql { code, message } => {
                DatabaseError::Sql { code, message: format!("migration {number}: {message}") }
            }
            other => other,
        };
        let mut batch = Batch::new(&self.sql, sql);
        while let Some(mut statement) = batch.next().map_err(said)? {
            if statement.parameter_count() > 0 {
                return Err(refused(format!("migration {number}: a migration has no parameters")));
            }
            let mut rows = statement.raw_query();
            while rows.next().map_err(said)?.is_some() {}
        }
        Ok(())
    }

    /// Shape and result of a step that was done.
    pub(super) fn recorded_step(&self, key: &str) -> Said<Option<(String, String)>> {
        let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
        self.sql.query_row(STEP, [key], row).optional().map_err(|error| self.told(&error))
    }

    /// Writes a step's result into the transaction that is open.
    pub(super) fn record_step(&self, key: &str, shape: &str, result: &str) -> Said<()> {
        self.sql.execute(RECORD, [key, shape, result]).map(|_| ()).map_err(|error| self.told(&error))
    }

    /// How large it is, bytes.
    pub(super) fn bytes(&self) -> Said<u64> {
        Ok(self.number("PRAGMA page_count")?.saturating_mul(self.number("PRAGMA page_size")?))
    }

    /// The rows of all tables that are a handler's.
    pub(super) fn contents(&self) -> rusqlite::Result<Vec<(String, Vec<Vec<rusqlite::types::Value>>)>> {
        let mut statement = self.sql.prepare(OWN_TABLES)?;
        let tables = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
        let rows_of = |table: String| {
            let mut statement = self.sql.prepare(&format!("SELECT * FROM \"{}\"", table.replace('"', "\"\"")))?;
            let width = statement.column_count();
            let rows = statement.query_map([], |row| (0..width).map(|place| row.get(place)).collect())?;
            Ok((table, rows.collect::<Result<_, _>>()?))
        };
        tables.into_iter().map(rows_of).collect()
    }

    fn number(&self, pragma: &str) -> Said<u64> {
        let number = self.sql.query_row(pragma, [], |row| row.get::<_, i64>(0));
        number.map(i64::unsigned_abs).map_err(|error| self.told(&error))
    }

    /// Why a statement came to nothing.
    fn told(&self, error: &rusqlite::Error) -> DatabaseError {
        let mut watch = self.watch.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(rule) = watch.broken.take() {
            return DatabaseError::Refused(rule);
        }
        let (code, message) = match error {
            rusqlite::Error::SqliteFailure(code, message) => {
                (code, message.clone().unwrap_or_else(|| code.to_string()))
            }
            rusqlite::Error::SqlInputError { error, msg, offset, .. } => (error, format!("{msg} (at byte {offset})")),
            other => return DatabaseError::Sql { code: "SQLITE_ERROR".to_owned(), message: other.to_string() },
        };
        match code.code {
            ErrorCode::OperationInterrupted => DatabaseError::Interrupted(format!(
                "a statement may take {} s at most, and no longer than the attempt has left",
                STATEMENT_TIME_MAX.as_secs()
            )),
            ErrorCode::DiskFull => DatabaseError::Quota(
                "the database can't grow: the tenant's databases hold as much as its quota `database_bytes` allows, or the disk \
                 of the host is full; delete something, or ask for more"
                    .to_owned(),
            ),
            _ => DatabaseError::Sql { code: name_of(code.extended_code).to_owned(), message },
        }
    }
}

fn name_of(extended: i32) -> &'static str {
    let named = |code: i32| NAMES.iter().find(|(known, _)| *known == code).map(|(_, name)| *name);
    named(extended).or_else(|| named(extended & 0xff)).unwrap_or("SQLITE_ERROR")
}

struct Bound<'a>(&'a Value);

impl rusqlite::ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            Value::Null => ValueRef::Null,
            Value::Boolean(yes) => ValueRef::Integer(i64::from(*yes)),
            Value::Integer(number) => ValueRef::Integer(*number),
            Value::Real(number) => ValueRef::Real(*number),
            Value::Text(text) => ValueRef::Text(text.as_bytes()),
            Value::Blob(bytes) => ValueRef::Blob(bytes),
        }))
    }
}

fn value(value: ValueRef<'_>) -> Said<Value> {
    Ok(match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::Integer(number),
        ValueRef::Real(number) => Value::Real(number),
        ValueRef::Text(bytes) => Value::Text(
            String::from_utf8(bytes.to_vec())
                .map_err(|_| refused("a text in the result is not UTF-8; ask for it with CAST(… AS BLOB)"))?,
        ),
        ValueRef::Blob(bytes) => Value::Blob(bytes.to_vec()),
    })
}
