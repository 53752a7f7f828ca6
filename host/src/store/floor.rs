//! Floors for the bench: what SQLite gives when nothing of Stoker is in the way. They use the production
//! tables, indexes, statements and pragmas, and nothing else; the directory must be empty or new.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rusqlite::Connection;
use rustc_hash::FxHashMap;

use super::catalog::{KindId, TenantId};
use super::catalog_rows::load_catalog;
use super::connection::{DATABASE_FILE, open_writer};
use super::draft::{Draft, StoreSettings};
use super::enqueue::insert_job;
use super::error::{OpenError, StoreError};
use super::migrate::migrate;
use super::model::NewJob;
use super::order::Order;
use super::store_clock::StoreClock;
use crate::job::kind::{MAX_ATTEMPTS_DEFAULT, PRIORITY_DEFAULT};
use crate::job::{JobOptions, JobSpec, Pace, QueueName, Retention};
use crate::system_clock::SystemClock;

/// Rows of one transaction of the enqueue floor.
const BATCH_ROWS: usize = 1_000;
/// Rows of one transaction of the commit floor.
const COMMIT_ROWS: usize = 32;
/// Payload of each row, bytes.
const PAYLOAD_BYTES: usize = 200;
/// The commit floor's log is folded in this often, commits.
const FOLD_EVERY_COMMITS: usize = 2_000;

/// A floor could not be measured.
#[derive(Debug, thiserror::Error)]
pub enum FloorError {
    /// The directory could not be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// `SQLite` refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Time to insert `rows` jobs in transactions of 1,000, each fsynced.
pub fn enqueue_floor(directory: &Path, rows: usize) -> Result<Duration, FloorError> {
    insert(directory, rows, BATCH_ROWS)
}

/// Time to insert `rows` jobs in transactions of 32, each fsynced.
pub fn commit_floor(directory: &Path, rows: usize) -> Result<Duration, FloorError> {
    insert(directory, rows, COMMIT_ROWS)
}

fn insert(directory: &Path, rows: usize, rows_per_commit: usize) -> Result<Duration, FloorError> {
    std::fs::create_dir_all(directory)?;
    let path = directory.join(DATABASE_FILE);
    let mut sql = open_writer(&path).map_err(StoreError::from)?;
    migrate(&mut sql, &path)?;
    Ok(timed(&sql, rows, rows_per_commit)?)
}

fn timed(sql: &Connection, rows: usize, rows_per_commit: usize) -> Result<Duration, StoreError> {
    let clock = StoreClock::resume(sql, Arc::new(SystemClock::default()))?;
    let catalog = Arc::new(load_catalog(sql, 0)?);
    let settings = StoreSettings {
        order: Order::new(Duration::from_mins(1)),
        tenant_pace: Pace::default(),
        quotas: crate::job::Quotas::default(),
        retention: Retention::HOST,
    };
    let mut draft = Draft::load(sql, clock, settings, catalog, FxHashMap::default())?;
    let queue = QueueName::default_queue();
    let job = NewJob {
        kind: KindId(1),
        checked_against: None,
        spec: JobSpec {
            payload: Bytes::from(vec![b'x'; PAYLOAD_BYTES]),
            queue,
            priority: PRIORITY_DEFAULT,
            run_at: None,
            max_attempts: MAX_ATTEMPTS_DEFAULT,
            options: JobOptions::default(),
            tags: Vec::new(),
        },
        idempotency: None,
        ties: None,
        unique: None,
    };
    sql.execute_batch("PRAGMA synchronous = FULL")?;
    let started = Instant::now();
    let (mut left, mut commits) = (rows, 0);
    while left > 0 {
        sql.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        for _ in 0..rows_per_commit.min(left) {
            draft.begin_operation();
            insert_job(sql, &mut draft, TenantId::DEFAULT, &job)?;
        }
        sql.prepare_cached("COMMIT")?.execute([])?;
        draft.committed();
        left -= rows_per_commit.min(left);
        commits += 1;
        if commits % FOLD_EVERY_COMMITS == 0 {
            sql.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        }
    }
    Ok(started.elapsed())
}
