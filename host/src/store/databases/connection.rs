//! A connection that runs SQL of strangers: how it is set up, each setting with its reason.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::config::DbConfig;
use rusqlite::hooks::Authorization;
use rusqlite::limits::Limit;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::bounds::Bounds;
use super::functions;
use super::memory;
use super::rules::{alters, refusal};
use super::temporary;
use super::watch::{INSTRUCTIONS, Watch};
use crate::job::database::{PARAMETERS_MAX, SQL_BYTES_MAX};

/// Page cache, KiB.
const CACHE_KIB: i64 = 2 << 10;
/// The log is cut back to this after it was larger, bytes.
const LOG_KEEP_BYTES: i64 = 16 << 20;
/// How long a lock is waited for, ms: only a fold-in of the log, and a backup, can hold one.
const BUSY_TIMEOUT_MS: i64 = 5_000;
/// Statements kept prepared: the host's own.
const STATEMENTS_MAX: usize = 16;
/// Largest value and row, bytes.
pub(super) const VALUE_BYTES_MAX: i32 = 8 << 20;

/// Bounds of what a statement may be. Those of `SQLite` itself are for who trusts its input.
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

/// A bound as `SQLite` takes it.
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)] // Checked when it is compiled.
const fn small(bound: usize) -> i32 {
    assert!(bound <= i32::MAX as usize);
    bound as i32
}

const HAS_TABLES: &str = "SELECT count(*) FROM main.sqlite_schema WHERE name = '_stoker_attempts'";
const TABLES: &str = "
CREATE TABLE _stoker_migrations (
    -- Scripts that were applied, each in the transaction that applied it.
    number     INTEGER PRIMARY KEY,
    sha256     BLOB NOT NULL,
    applied_at INTEGER NOT NULL
);
CREATE TABLE _stoker_steps (
    -- Results of steps, each in the transaction of what the step did.
    job        BLOB NOT NULL,
    name       TEXT NOT NULL,
    occurrence INTEGER NOT NULL,
    shape      TEXT NOT NULL,
    result     TEXT NOT NULL, -- JSON
    at         INTEGER NOT NULL,
    PRIMARY KEY (job, name, occurrence)
) WITHOUT ROWID;
CREATE INDEX _stoker_steps_at ON _stoker_steps (at);
CREATE TABLE _stoker_attempts (
    -- Of each job that wrote here the newest lease it did so under: none older writes any more.
    job   BLOB PRIMARY KEY NOT NULL,
    lease INTEGER NOT NULL,
    at    INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX _stoker_attempts_at ON _stoker_attempts (at);
";

/// A connection and what watches it.
pub(super) struct GuestConnection {
    pub(super) sql: Connection,
    pub(super) watch: Arc<Watch>,
    /// What it takes of the host.
    pub(super) bounds: Arc<Bounds>,
    /// Bytes of the database, what is not committed yet included, for whoever adds up.
    pub(super) bytes: Arc<AtomicU64>,
    /// The same when what is open was begun.
    pub(super) begun_bytes: Cell<u64>,
}

impl GuestConnection {
    /// Over a file that is there; an empty one becomes a database.
    pub(super) fn open(path: &Path, bytes: Arc<AtomicU64>) -> rusqlite::Result<Self> {
        // Before the first connection of all the store has asked for it.
        if !memory::is_bounded() || !temporary::is_known() {
            tracing::error!("SQLite has begun before its memory was bounded: no database of a tenant is opened");
            return Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_MISUSE), None));
        }
        let bounds = Arc::<Bounds>::default();
        bounds.within(|| Self::set_up(path, bytes, &bounds))
    }

    fn set_up(path: &Path, bytes: Arc<AtomicU64>, bounds: &Arc<Bounds>) -> rusqlite::Result<Self> {
        let watch = Arc::new(Watch::of(path));
        let flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let mut sql = Connection::open_with_flags_and_vfs(path, flags, temporary::NAME)?;
        sql.pragma_update(None, "busy_timeout", BUSY_TIMEOUT_MS)?;
        let _mode: String = sql.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
        // A commit is answered when it is on the disk.
        sql.pragma_update(None, "synchronous", "FULL")?;
        sql.pragma_update(None, "journal_size_limit", LOG_KEEP_BYTES)?;
        sql.pragma_update(None, "cache_size", -CACHE_KIB)?;
        // What sorts and groups spills to files that have no name, and count: memory is everybody's.
        sql.pragma_update(None, "temp_store", "file")?;
        sql.pragma_update(None, "mmap_size", 0)?;
        sql.pragma_update(None, "foreign_keys", true)?;
        sql.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        for (setting, is_on) in [
            // No statement damages the file or the schema.
            (DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true),
            (DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false),
            (DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, false),
            // A text in double quotes is a mistake, not a text.
            (DbConfig::SQLITE_DBCONFIG_DQS_DML, false),
            (DbConfig::SQLITE_DBCONFIG_DQS_DDL, false),
            // Closing is quick; the log is folded in while nobody waits.
            (DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true),
        ] {
            sql.set_db_config(setting, is_on)?;
        }
        make_tables(&mut sql)?;
        for (limit, most) in LIMITS {
            sql.set_limit(limit, most)?;
        }
        watch.set_interrupt(sql.get_interrupt_handle());
        let asked = Arc::clone(&watch);
        sql.authorizer(Some(move |context: rusqlite::hooks::AuthContext<'_>| {
            if !asked.is_guests() {
                return Authorization::Allow;
            }
            if alters(&context) {
                asked.alter();
            }
            match refusal(&context) {
                None => Authorization::Allow,
                Some(rule) => {
                    asked.refuse(rule);
                    Authorization::Deny
                }
            }
        }))?;
        let looked = Arc::clone(&watch);
        sql.progress_handler(INSTRUCTIONS, Some(move || looked.is_stopped()))?;
        functions::add_to(&sql, &watch)?;
        let begun_bytes = Cell::default();
        let opened = Self { sql, watch, bounds: Arc::clone(bounds), bytes, begun_bytes };
        // What is known already may be of a transaction that is open.
        let _known = opened.bytes.compare_exchange(0, opened.count_bytes()?, Ordering::Relaxed, Ordering::Relaxed);
        Ok(opened)
    }

    /// Notes how large the database is, what is only in its log included. Of who has the turn to write.
    pub(super) fn measure(&self) -> rusqlite::Result<()> {
        self.bytes.store(self.count_bytes()?, Ordering::Relaxed);
        Ok(())
    }

    fn count_bytes(&self) -> rusqlite::Result<u64> {
        let number = |pragma: &str| self.sql.query_row(pragma, [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
        Ok(number("PRAGMA main.page_count")?.saturating_mul(number("PRAGMA main.page_size")?))
    }

    /// Whether a transaction is open.
    pub(super) fn in_transaction(&self) -> bool {
        !self.sql.is_autocommit()
    }

    /// Takes back what is open, whatever it is.
    pub(super) fn roll_back(&self) -> rusqlite::Result<()> {
        if self.in_transaction() {
            self.sql.execute_batch("ROLLBACK")?;
            self.measure()?;
        }
        Ok(())
    }

    /// Folds the log in and closes.
    pub(super) fn close_tidily(self) {
        // What is left of the log is read by whoever opens the file next.
        let _tidy = self.sql.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false);
    }
}

fn make_tables(sql: &mut Connection) -> rusqlite::Result<()> {
    let has = |sql: &Connection| sql.query_row(HAS_TABLES, [], |row| row.get::<_, i64>(0)).map(|count| count > 0);
    if has(sql)? {
        return Ok(());
    }
    let transaction = sql.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another connection may have come before.
    if !has(&transaction)? {
        transaction.execute_batch(TABLES)?;
    }
    transaction.commit()
}
