//! How far a database may grow, and what a transaction may leave behind: asked before a statement, after it, and once more before it is
//! committed. All databases of a tenant share its quota; what is open in one of them counts for the others.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use rusqlite::OptionalExtension;

use super::bounds;
use super::connection::GuestConnection;
use super::errors::{told, too_much_memory};
use super::files::{DatabaseFile, SqliteFiles};
use crate::job::DatabaseError;
use crate::job::database::HOST_PREFIX;

/// A log may have so much more than the tenant's databases together, bytes.
const LOG_BYTES_BESIDE: u64 = 64 << 20;

/// What is named like the host's tables and is none of them, or like what asks about tables.
const MISNAMED: &str = r"SELECT name FROM main.sqlite_schema
    WHERE name LIKE 'pragma\_%' ESCAPE '\' OR name LIKE '\_stoker\_%' ESCAPE '\' AND name NOT IN (
        '_stoker_migrations', '_stoker_steps', '_stoker_steps_at', '_stoker_attempts', '_stoker_attempts_at')
    LIMIT 1";
/// What refers to one of the host's tables.
const REFERRING: &str = r"SELECT schema.name FROM main.sqlite_schema AS schema, pragma_foreign_key_list(schema.name) AS key
    WHERE schema.type = 'table' AND key.`table` LIKE '\_stoker\_%' ESCAPE '\' LIMIT 1";

/// Of one file.
pub(super) struct Room {
    pub(super) files: Arc<SqliteFiles>,
    pub(super) file: Arc<DatabaseFile>,
    /// Bytes all databases of the tenant may have together.
    pub(super) most: u64,
}

type Said<T> = Result<T, DatabaseError>;

impl Room {
    /// Bytes the others of its tenant have.
    fn others(&self) -> u64 {
        self.files.bytes_of_tenant(self.file.tenant, Some(&self.file.name))
    }

    fn log_bytes_max(&self) -> u64 {
        self.most.saturating_add(LOG_BYTES_BESIDE)
    }
}

impl GuestConnection {
    /// The database grows no further than is left now.
    pub(super) fn set_room(&self, room: &Room) -> Said<()> {
        let said = |error: rusqlite::Error| told(&self.watch, &error);
        let page_bytes: i64 = self.sql.query_row("PRAGMA main.page_size", [], |row| row.get(0)).map_err(said)?;
        let bytes_max = if room.most == u64::MAX { u64::MAX } else { room.most.saturating_sub(room.others()) };
        let pages_max = i64::try_from(bytes_max).unwrap_or(i64::MAX) / page_bytes.max(1);
        // It never is less than there are already.
        let set = format!("PRAGMA main.max_page_count = {}", pages_max.clamp(1, i64::from(u32::MAX) - 1));
        let _most: i64 = self.sql.query_row(&set, [], |row| row.get(0)).map_err(said)?;
        Ok(())
    }

    /// Moves a log that has become large into the database, once those who read have ended.
    pub(super) fn fold_in(&self, room: &Room) -> Said<()> {
        if room.file.log_bytes() <= LOG_BYTES_BESIDE {
            return Ok(());
        }
        let fold = self.sql.query_row("PRAGMA main.wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
        let _is_busy = fold.map_err(|error| told(&self.watch, &error))?;
        if room.file.log_bytes() > room.log_bytes_max() {
            return Err(DatabaseError::Busy(
                "the database's log is as long as it may be, and is still being read; try again later".to_owned(),
            ));
        }
        Ok(())
    }

    /// What the transaction that is open has taken so far is what it may take.
    pub(super) fn check_taken(&self, room: &Room) -> Said<()> {
        let said = |error: rusqlite::Error| told(&self.watch, &error);
        if bounds::keeps_much() {
            return Err(DatabaseError::Refused(too_much_memory()));
        }
        if self.watch.was_altered() {
            for asks in [MISNAMED, REFERRING] {
                let found = self.sql.query_row(asks, [], |row| row.get::<_, String>(0)).optional().map_err(said)?;
                if let Some(name) = found {
                    return Err(DatabaseError::Refused(format!(
                        "rule `host tables`: names that begin with `{HOST_PREFIX}` or `pragma_` are the host's; `{name}` neither may be \
                         called so nor refer to one"
                    )));
                }
            }
        }
        // It counts for others from here on: of two that grow at once not both find room that is there once.
        self.measure().map_err(said)?;
        let bytes = self.bytes.load(Ordering::Relaxed);
        let has_grown = bytes > self.begun_bytes.get();
        let is_over = room.most != u64::MAX && has_grown && bytes.saturating_add(room.others()) > room.most;
        if is_over || room.file.log_bytes() > room.log_bytes_max() {
            return Err(DatabaseError::Quota(
                "the transaction has written more than the tenant's quota `database_bytes` leaves; commit in between, delete \
                 something, or ask for more"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}
