//! Opening: lock, migrate, remember, start the threads. In this order, so that whatever fails leaves nothing running.

use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension, params};

use super::catalog::Catalog;
use super::catalog_rows::load_catalog;
use super::connection::{DATABASE_FILE, open_writer};
use super::credentials::load_credentials;
use super::databases::unpack;
use super::draft::{Draft, StoreSettings};
use super::entry_notes::{ENTRIES_FILE, EntryNotes};
use super::error::{OpenError, StoreError};
use super::facade::{StoreOptions, WAITING_MAX};
use super::lock::DirectoryLock;
use super::loss::Evidence;
use super::mark::MarkWriter;
use super::migrate::{migrate, require_version};
use super::operation::Queued;
use super::order::Order;
use super::readers::Readers;
use super::reserve::Reserve;
use super::shared::Shared;
use super::store_clock::StoreClock;
use super::wal::{Checkpointing, WalBounds};
use super::writer::Writer;
use crate::job::{Clock, Timestamp};

const READ_AGING: &str = "SELECT value FROM meta WHERE name = 'aging_ms'";
const WRITE_AGING: &str = "INSERT INTO meta (name, value) VALUES ('aging_ms', ?1)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value";
const RUN_ATS: &str = "SELECT id, priority, run_at FROM live_jobs WHERE id > ?1 ORDER BY id LIMIT ?2";
const WRITE_KEY: &str = "UPDATE live_jobs SET order_key = ?2 WHERE id = ?1";

/// Jobs held in memory while they are given new keys.
const REORDERED_JOBS_MAX: usize = 1_000;

/// Of the data directory.
const DIRECTORY_MODE: u32 = 0o700;

/// What for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// A store is made, or migrated, and ordered as the options say.
    ToServe,
    /// What is there is left as it is.
    AsItIs,
}

/// What an open store consists of.
pub(super) struct Opened {
    pub(super) queue: Sender<Queued>,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: StoreClock,
    pub(super) order: Order,
    pub(super) database: PathBuf,
}

/// Opens the store in `options.data_dir`, which is created when missing and wanted.
pub(super) fn open(
    options: &StoreOptions,
    clock: Arc<dyn Clock>,
    wal_bounds: WalBounds,
    opening: Opening,
) -> Result<Opened, OpenError> {
    let directory = &options.data_dir;
    require_database(directory, opening)?;
    create_durably(directory).map_err(|error| OpenError::system(directory, &error))?;
    let lock = DirectoryLock::acquire(directory)?;
    let database = directory.join(DATABASE_FILE);
    let evidence = Evidence::gather(directory)?;
    evidence.check_files()?;
    let reserve = Reserve::give_up(directory);
    let unusable = |error: rusqlite::Error| OpenError::sqlite(&database, error);
    let mut sql = open_writer(&database).map_err(unusable)?;
    // What is refused stays as it is found: closing would fold the log into the database.
    let keep_log = DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE;
    sql.set_db_config(keep_log, true).map_err(unusable)?;
    evidence.check_tables(&sql).map_err(unusable)??;
    match opening {
        Opening::ToServe => migrate(&mut sql, &database)?,
        Opening::AsItIs => require_version(&sql, &database)?,
    }
    let mark = evidence.check_commits(&sql).map_err(unusable)??;
    sql.set_db_config(keep_log, false).map_err(unusable)?;
    if opening == Opening::ToServe {
        unpack(&mut sql, directory).map_err(|error| OpenError::store(&database, error))?;
    }
    let mark = MarkWriter::open(directory, evidence.mark, mark);
    let (notes, lost_entries) =
        EntryNotes::open(directory).map_err(|error| OpenError::system(&directory.join(ENTRIES_FILE), &error))?;
    let aging = match opening {
        Opening::ToServe => options.priority_aging,
        Opening::AsItIs => known_aging(&sql).map_err(unusable)?.unwrap_or(options.priority_aging),
    };
    let order = Order::new(aging);
    let started = reorder(&mut sql, order).and_then(|()| {
        let clock = StoreClock::resume(&sql, clock)?;
        let credentials = Arc::new(load_credentials(&sql)?);
        let catalog = Arc::new(Catalog { credentials, ..load_catalog(&sql, 0)? });
        let settings = StoreSettings {
            order,
            tenant_pace: options.tenant_pace,
            retention: options.retention,
            quotas: options.quotas,
        };
        let draft = Draft::load(&sql, clock.clone(), settings, Arc::clone(&catalog), lost_entries)?;
        let readers = Readers::start(&database)?;
        let shared = Arc::new(Shared::new(catalog, readers, notes, mark));
        let checkpointing = Checkpointing::start(&mut sql, &database, wal_bounds, evidence.has_log())?;
        let (queue, queued) = bounded(WAITING_MAX);
        reserve.take();
        let at_work = Arc::clone(&shared);
        let writer = Writer::new(sql, draft, Arc::clone(&shared), checkpointing, lock, reserve)?;
        std::thread::Builder::new()
            .name("store-write".to_owned())
            .spawn(move || run(writer, &at_work, &queued))
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        Ok((queue, shared, clock))
    });
    let (queue, shared, clock) = started.map_err(|error: StoreError| OpenError::store(&database, error))?;
    Ok(Opened { queue, shared, clock, order, database })
}

/// Creates the directory and those above it, so that a power cut does not take it away with all that is in it. Payloads
/// and outputs will be in it: it is the user's alone. One that is there stays as somebody made it.
fn create_durably(directory: &Path) -> std::io::Result<()> {
    let created: Vec<&Path> = missing_levels(directory);
    if let Some(parent) = directory.parent() {
        std::fs::create_dir_all(parent)?;
    }
    std::fs::DirBuilder::new().recursive(true).mode(DIRECTORY_MODE).create(directory)?;
    for level in created {
        let parent = level.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(parent)?.sync_all()?;
    }
    Ok(())
}

/// The directory and those above it that are not there, the deepest first.
fn missing_levels(directory: &Path) -> Vec<&Path> {
    directory.ancestors().take_while(|level| !level.as_os_str().is_empty() && !level.exists()).collect()
}

/// The writer's thread. Should the writer itself break, everybody who asks is told at once instead of never.
fn run(writer: Writer, shared: &Shared, queued: &Receiver<Queued>) {
    if catch_unwind(AssertUnwindSafe(|| writer.run(queued))).is_err() {
        tracing::error!("the writer panicked; the store is closed");
        shared.failed.cancel();
    }
    while queued.recv().is_ok() {}
}

/// Looks before anything is made. Where a store was and its database is not, what is left says more.
fn require_database(directory: &Path, opening: Opening) -> Result<(), OpenError> {
    let database = directory.join(DATABASE_FILE);
    if opening == Opening::ToServe || database.exists() {
        return Ok(());
    }
    if directory.is_dir() {
        let evidence = Evidence::gather(directory)?;
        evidence.check_files()?;
    }
    Err(OpenError::Nothing { path: database.display().to_string() })
}

fn known_aging(sql: &Connection) -> rusqlite::Result<Option<Duration>> {
    let aging: Option<i64> = sql.query_row(READ_AGING, [], |row| row.get(0)).optional()?;
    Ok(aging.map(|aging| Duration::from_millis(u64::try_from(aging).unwrap_or(0))))
}

/// Makes the keys on disk those of the configured aging; a change of the configuration rewrites them.
fn reorder(sql: &mut Connection, order: Order) -> Result<(), StoreError> {
    let known: Option<i64> = sql.query_row(READ_AGING, [], |row| row.get(0)).optional()?;
    if known == Some(order.aging_ms()) {
        return Ok(());
    }
    let transaction = sql.transaction()?;
    if known.is_some() {
        let mut read = transaction.prepare(RUN_ATS)?;
        let mut write = transaction.prepare(WRITE_KEY)?;
        let mut last: Vec<u8> = Vec::new();
        loop {
            let jobs = read
                .query_map(params![last, REORDERED_JOBS_MAX], |row| {
                    Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, u8>(1)?, row.get::<_, i64>(2)?))
                })?
                .collect::<Result<Vec<_>, _>>()?;
            for (id, priority, run_at) in &jobs {
                write.execute(params![id, order.key(*priority, Timestamp(*run_at))])?;
            }
            let Some((id, ..)) = jobs.last() else { break };
            last = id.to_vec();
        }
    }
    transaction.execute(WRITE_AGING, [order.aging_ms()])?;
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_level_that_is_created_is_known_so_that_its_parent_can_be_synced() {
        let dir = tempfile::tempdir().unwrap();
        let deepest = dir.path().join("a/b/c");
        let levels = [deepest.clone(), dir.path().join("a/b"), dir.path().join("a")];
        assert_eq!(missing_levels(&deepest), levels);
        create_durably(&deepest).unwrap();
        assert!(deepest.is_dir() && missing_levels(&deepest).is_empty());
        assert_eq!(missing_levels(Path::new("not-there-either")), [Path::new("not-there-either")]);
    }

    #[test]
    fn what_is_created_is_the_users_alone_and_what_is_there_stays_as_it_is() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let data = dir.path().join("above/data");
        create_durably(&data).unwrap();
        assert_eq!(mode(&data), 0o700);
        assert_ne!(mode(&dir.path().join("above")), 0o700, "others may have their folders there");
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o750)).unwrap();
        create_durably(&data).unwrap();
        assert_eq!(mode(&data), 0o750);
    }
}
