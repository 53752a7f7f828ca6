//! How connections are set up: the pragmas, each with its reason.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::databases::bound_memory;

/// The database file inside the data directory.
pub(super) const DATABASE_FILE: &str = "stoker.db";
/// Page cache of the writer, KiB: the hot ends of every table and index.
const WRITER_CACHE_KIB: i64 = 16 << 10;
/// Page cache of each reader, KiB.
const READER_CACHE_KIB: i64 = 2 << 10;
/// Statements kept prepared per connection.
const STATEMENTS_MAX: usize = 512;
/// The log is cut back to this after it was larger, bytes.
const WAL_KEEP_BYTES: i64 = 64 << 20;
/// How long a connection waits for another's lock, ms. Only the folding in at a stop, and a second process, can meet one.
const BUSY_TIMEOUT_MS: i64 = 5_000;

/// The one connection that writes.
pub(super) fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    // Said when a tenant's database is opened, should it not be.
    let _is_bounded = bound_memory();
    let is_new = std::fs::metadata(path).map_or(true, |file| file.len() == 0);
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    if is_new {
        // Before there is anything in it: pages that get free can be given back. Later it would change nothing, and write.
        connection.pragma_update(None, "auto_vacuum", "incremental")?;
    }
    let _mode: String = connection.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))?;
    connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
    // Checkpoints are the checkpointer's; one inside a commit would stall the writer.
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "journal_size_limit", WAL_KEEP_BYTES)?;
    set_common(&connection)?;
    Ok(connection)
}

/// A connection that can't write.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let _is_bounded = bound_memory();
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB)?;
    connection.pragma_update(None, "query_only", true)?;
    set_common(&connection)?;
    Ok(connection)
}

/// The connection that only moves the log into the database.
pub(super) fn open_checkpointer(path: &Path) -> rusqlite::Result<Connection> {
    let connection =
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -256)?;
    connection.pragma_update(None, "busy_timeout", 0)?;
    Ok(connection)
}

fn set_common(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "busy_timeout", BUSY_TIMEOUT_MS)?;
    // References are kept by the operations themselves; checking them again costs a lookup per row.
    connection.pragma_update(None, "foreign_keys", false)?;
    // Savepoint journals and sorters stay in memory: no file to create in a batch.
    connection.pragma_update(None, "temp_store", "memory")?;
    // Without it a statement is prepared again whenever a number bound to it was 0 or 1: a tenth of the writer's time.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(())
}
